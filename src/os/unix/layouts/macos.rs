// macOS, 64-bit. Without the '!' of each line, this is C: see scripts/unix-layouts.c.

size!(ipc_perm, 24);
field!(ipc_perm, uid, 0, 4);
field!(ipc_perm, gid, 4, 4);
field!(ipc_perm, cuid, 8, 4);
field!(ipc_perm, cgid, 12, 4);
field!(ipc_perm, mode, 16, 2);
field!(ipc_perm, _key, 20, 4);

size!(shmid_ds, 76);
field!(shmid_ds, shm_perm, 0, 24);
field!(shmid_ds, shm_segsz, 24, 8);
field!(shmid_ds, shm_lpid, 32, 4);
field!(shmid_ds, shm_cpid, 36, 4);
field!(shmid_ds, shm_nattch, 40, 2);
field!(shmid_ds, shm_atime, 44, 8);
field!(shmid_ds, shm_dtime, 52, 8);
field!(shmid_ds, shm_ctime, 60, 8);

size!(semid_ds, 72);
field!(semid_ds, sem_perm, 0, 24);
field!(semid_ds, sem_nsems, 28, 2);

size!(sembuf, 6);
field!(sembuf, sem_num, 0, 2);
field!(sembuf, sem_op, 2, 2);
field!(sembuf, sem_flg, 4, 2);

size!(stat, 144);
field!(stat, st_mode, 4, 2);
field!(stat, st_uid, 16, 4);
field!(stat, st_gid, 20, 4);
field!(stat, st_nlink, 6, 2);
field!(stat, st_size, 96, 8);
field!(stat, st_blocks, 104, 8);
field!(stat, st_birthtime, 80, 8);
field!(stat, st_mtime, 48, 8);
field!(stat, st_atime, 32, 8);
field!(stat, st_ctime, 64, 8);
field!(stat, st_ino, 8, 8);
field!(stat, st_dev, 0, 4);

size!(statfs, 2168);
field!(statfs, f_bsize, 0, 4);
field!(statfs, f_bavail, 24, 8);
field!(statfs, f_fstypename, 72, 16);

field!(dirent, d_name, 21, 1024);
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
alias!(CANCEL_DISABLE, PTHREAD_CANCEL_DISABLE, 0);
alias!(EUCLEAN, EFTYPE, 79);
alias!(ENODATA, ENOATTR, 93);
alias!(REALTIME, CLOCK_REALTIME, 0);
alias!(UPTIME, CLOCK_MONOTONIC, 6);
constant!(MAP_NORESERVE, 64);
constant!(SEEK_DATA, 4);
constant!(SEEK_HOLE, 3);
constant!(F_FULLFSYNC, 51);
constant!(RENAME_EXCL, 4);
constant!(_CS_DARWIN_USER_TEMP_DIR, 65537);
