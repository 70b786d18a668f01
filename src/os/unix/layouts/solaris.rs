// illumos and Solaris, 64-bit: numbers that were read in the headers of illumos. Without the '!' of
// each line, this is C: see scripts/unix-layouts.c.

size!(ipc_perm, 28);
field!(ipc_perm, uid, 0, 4);
field!(ipc_perm, gid, 4, 4);
field!(ipc_perm, cuid, 8, 4);
field!(ipc_perm, cgid, 12, 4);
field!(ipc_perm, mode, 16, 4);
field!(ipc_perm, key, 24, 4);

size!(shmid_ds, 136);
field!(shmid_ds, shm_perm, 0, 28);
field!(shmid_ds, shm_segsz, 32, 8);
field!(shmid_ds, shm_lpid, 52, 4);
field!(shmid_ds, shm_cpid, 56, 4);
field!(shmid_ds, shm_nattch, 64, 8);
field!(shmid_ds, shm_atime, 80, 8);
field!(shmid_ds, shm_dtime, 88, 8);
field!(shmid_ds, shm_ctime, 96, 8);

size!(semid_ds, 96);
field!(semid_ds, sem_perm, 0, 28);
field!(semid_ds, sem_nsems, 40, 2);

size!(sembuf, 6);
field!(sembuf, sem_num, 0, 2);
field!(sembuf, sem_op, 2, 2);
field!(sembuf, sem_flg, 4, 2);

size!(stat, 128);
field!(stat, st_mode, 16, 4);
field!(stat, st_uid, 24, 4);
field!(stat, st_gid, 28, 4);
field!(stat, st_nlink, 20, 4);
field!(stat, st_size, 40, 8);
field!(stat, st_blocks, 104, 8);
field!(stat, st_mtime, 64, 8);
field!(stat, st_atime, 48, 8);
field!(stat, st_ctime, 80, 8);
field!(stat, st_ino, 8, 8);
field!(stat, st_dev, 0, 8);

field!(statvfs, f_frsize, 8, 8);
field!(statvfs, f_bavail, 32, 8);
field!(statvfs, f_basetype, 72, 16);

constant!(IPC_CREAT, 512);
constant!(IPC_EXCL, 1024);
constant!(IPC_NOWAIT, 2048);
constant!(IPC_RMID, 10);
constant!(IPC_SET, 11);
constant!(IPC_STAT, 12);
constant!(SHM_RDONLY, 4096);
constant!(SHM_RND, 8192);
constant!(SEM_UNDO, 4096);
constant!(LOCK_SH, 1);
constant!(LOCK_EX, 2);
constant!(LOCK_NB, 4);
constant!(LOCK_UN, 8);
alias!(CANCEL_DISABLE, PTHREAD_CANCEL_DISABLE, 1);
alias!(EUCLEAN, EBADMSG, 77);
constant!(ENODATA, 61);
alias!(REALTIME, CLOCK_REALTIME, 3);
alias!(UPTIME, CLOCK_MONOTONIC, 4);
constant!(MAP_NORESERVE, 64);
constant!(SEEK_DATA, 3);
constant!(SEEK_HOLE, 4);
