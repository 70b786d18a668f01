// OpenBSD 7.8, 64-bit. Without the '!' of each line, this is C: see scripts/unix-layouts.c.

size!(ipc_perm, 32);
field!(ipc_perm, uid, 8, 4);
field!(ipc_perm, gid, 12, 4);
field!(ipc_perm, cuid, 0, 4);
field!(ipc_perm, cgid, 4, 4);
field!(ipc_perm, mode, 16, 4);
field!(ipc_perm, key, 24, 8);

size!(shmid_ds, 104);
field!(shmid_ds, shm_perm, 0, 32);
field!(shmid_ds, shm_segsz, 32, 4);
field!(shmid_ds, shm_lpid, 36, 4);
field!(shmid_ds, shm_cpid, 40, 4);
field!(shmid_ds, shm_nattch, 44, 2);
field!(shmid_ds, shm_atime, 48, 8);
field!(shmid_ds, shm_dtime, 64, 8);
field!(shmid_ds, shm_ctime, 80, 8);

size!(semid_ds, 112);
field!(semid_ds, sem_perm, 0, 32);
field!(semid_ds, sem_nsems, 40, 2);

size!(sembuf, 6);
field!(sembuf, sem_num, 0, 2);
field!(sembuf, sem_op, 2, 2);
field!(sembuf, sem_flg, 4, 2);

size!(stat, 128);
field!(stat, st_mode, 0, 4);
field!(stat, st_uid, 20, 4);
field!(stat, st_gid, 24, 4);
field!(stat, st_nlink, 16, 4);
field!(stat, st_size, 80, 8);
field!(stat, st_blocks, 88, 8);
field!(stat, st_birthtime, 112, 8);
field!(stat, st_mtime, 48, 8);
field!(stat, st_atime, 32, 8);
field!(stat, st_ctime, 64, 8);
field!(stat, st_ino, 8, 8);
field!(stat, st_dev, 4, 4);

size!(statfs, 568);
field!(statfs, f_bsize, 4, 4);
field!(statfs, f_bavail, 32, 8);
field!(statfs, f_fstypename, 120, 16);

field!(dirent, d_name, 24, 256);
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
alias!(ENODATA, ENOATTR, 83);
alias!(REALTIME, CLOCK_REALTIME, 0);
alias!(UPTIME, CLOCK_BOOTTIME, 6);
constant!(CLOCK_MONOTONIC, 3);
constant!(MAP_NORESERVE, 0);
constant!(MAP_INHERIT_ZERO, 3);
