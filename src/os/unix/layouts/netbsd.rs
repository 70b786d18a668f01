// NetBSD 10, 64-bit. Without the '!' of each line, this is C: see scripts/unix-layouts.c.

size!(ipc_perm, 32);
field!(ipc_perm, uid, 0, 4);
field!(ipc_perm, gid, 4, 4);
field!(ipc_perm, cuid, 8, 4);
field!(ipc_perm, cgid, 12, 4);
field!(ipc_perm, mode, 16, 4);
field!(ipc_perm, _key, 24, 8);

size!(shmid_ds, 88);
field!(shmid_ds, shm_perm, 0, 32);
field!(shmid_ds, shm_segsz, 32, 8);
field!(shmid_ds, shm_lpid, 40, 4);
field!(shmid_ds, shm_cpid, 44, 4);
field!(shmid_ds, shm_nattch, 48, 4);
field!(shmid_ds, shm_atime, 56, 8);
field!(shmid_ds, shm_dtime, 64, 8);
field!(shmid_ds, shm_ctime, 72, 8);

size!(semid_ds, 64);
field!(semid_ds, sem_perm, 0, 32);
field!(semid_ds, sem_nsems, 32, 2);

size!(sembuf, 6);
field!(sembuf, sem_num, 0, 2);
field!(sembuf, sem_op, 2, 2);
field!(sembuf, sem_flg, 4, 2);

size!(stat, 152);
field!(stat, st_mode, 8, 4);
field!(stat, st_uid, 28, 4);
field!(stat, st_gid, 32, 4);
field!(stat, st_nlink, 24, 4);
field!(stat, st_size, 112, 8);
field!(stat, st_blocks, 120, 8);
field!(stat, st_birthtime, 96, 8);
field!(stat, st_mtime, 64, 8);
field!(stat, st_atime, 48, 8);
field!(stat, st_ctime, 80, 8);
field!(stat, st_ino, 16, 8);
field!(stat, st_dev, 0, 8);

// The libc crate has the structure of older versions, which begins in the same way.
field!(statvfs, f_flag, 0, 8);
field!(statvfs, f_frsize, 16, 8);
field!(statvfs, f_bavail, 48, 8);

field!(dirent, d_name, 13, 512);
field!(rlimit, rlim_cur, 0, 8);
size!(timespec, 16);
field!(timespec, tv_sec, 0, 8);
field!(timespec, tv_nsec, 8, 8);

constant!(IPC_CREAT, 512);
constant!(IPC_EXCL, 1024);
constant!(IPC_NOWAIT, 2048);
constant!(IPC_RMID, 0);
constant!(IPC_SET, 1);
constant!(IPC_STAT, 2);
constant!(SHM_RDONLY, 4096);
constant!(SHM_RND, 8192);
constant!(SEM_UNDO, 4096);
constant!(LOCK_SH, 1);
constant!(LOCK_EX, 2);
constant!(LOCK_NB, 4);
constant!(LOCK_UN, 8);
alias!(CANCEL_DISABLE, PTHREAD_CANCEL_DISABLE, 1);
alias!(EUCLEAN, EFTYPE, 79);
alias!(ENODATA, ENOATTR, 93);
alias!(REALTIME, CLOCK_REALTIME, 0);
alias!(UPTIME, CLOCK_MONOTONIC, 3);
constant!(MAP_NORESERVE, 64);
alias!(MAP_FIXED_NOREPLACE, MAP_TRYFIXED, 1024);
constant!(MAP_INHERIT_ZERO, 4);
constant!(ST_LOCAL, 4096);
