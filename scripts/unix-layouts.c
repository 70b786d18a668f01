/*
 * unix-layouts.c: compares the numbers in src/os/unix/layouts with a system's headers, when it is
 * compiled. scripts/unix makes layouts.h from them: the same macros, as C writes them. The Rust
 * compiler compares the same numbers with what the library uses, see src/os/unix/layouts.rs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#ifdef __OpenBSD__
#define st_birthtime __st_birthtim.tv_sec
#endif

#define size(structure, bytes) \
    _Static_assert (sizeof (struct structure) == (bytes), "size of " #structure)
#define field(structure, name, offset, bytes) \
    _Static_assert (offsetof (struct structure, name) == (offset) \
        && sizeof (((struct structure *) 0)->name) == (bytes), #structure "." #name)
#define constant(name, value) _Static_assert ((name) == (value), #name)
#define alias(rust, name, value) _Static_assert ((name) == (value), #name)

#include "layouts.h"

/* The functions that the Rust code declares: another type, or another symbol, is an error. */
#if defined __APPLE__
#define PREFIX "_"
#else
#define PREFIX
#endif
#ifndef SEMCTL
#define SEMCTL "semctl"
#endif

int semget (key_t, int, int) __asm__ (PREFIX "semget");
int semop (int, struct sembuf *, size_t) __asm__ (PREFIX "semop");
int semctl (int, int, int, ...) __asm__ (PREFIX SEMCTL);
int pthread_setcancelstate (int, int *) __asm__ (PREFIX "pthread_setcancelstate");
