/*
 * shm_util.h - named shared memory segments, as in libgpl's shm_util.
 *
 * Generated from src/capi/base.rs: changes made here are lost.
 *
 * Link with -lshm_util. A C89 compiler is enough; so is C++98.
 *
 * In the environment, NOB_DATABASE selects the name space (without it each user
 * has one), APERROR_PRINT, if it is a number other than 0, has errors explained on
 * stderr, and SHM_UTIL_SYNC=0 lets saves return before the data are on the disk.
 * A segment has mode 0660. It keeps its data and name when processes die; see
 * shm_util(3) for what happens then, and for threads, fork and signals.
 */
#ifndef SHM_UTIL_H
#define SHM_UTIL_H

/*
 * libgpl's header includes pragmatics.h, and programs rely on what comes with
 * it. Where the compiler can't tell whether there is a pragmatics.h, define
 * SHM_UTIL_HAVE_PRAGMATICS to have it included.
 */
#if !defined(SHM_UTIL_HAVE_PRAGMATICS) && defined(__has_include)
#if __has_include("pragmatics.h")
#define SHM_UTIL_HAVE_PRAGMATICS 1
#endif
#endif
#ifdef SHM_UTIL_HAVE_PRAGMATICS
#include "pragmatics.h"
#else
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif


/**
 * A handle for a mapped segment. It is a checked number, not an address: a
 * handle that is stale, destroyed twice or made up is EINVAL, never a crash.
 */
typedef struct _SharedMemory *SharedMemory;

/**
 * Not 0: shmCreate, shmDestroy, shmLoad and shmSave each print one line to
 * stdout. The program may set it at any time.
 */
extern int shm_util_debug;

/**
 * Makes a named shared memory segment, or maps the one that has the name.
 *
 * `name` is any string of up to 1000 bytes. `size` is in bytes: with
 * `size` > 0 a segment of exactly this size, all zero, is made if there is
 * none; one that exists must have at least as many. With `size` <= 0 only a
 * segment that exists is mapped. If `address` and `*address` are not NULL,
 * the segment is mapped at `*address`, rounded down to a multiple of SHMLBA,
 * else where the system likes.
 *
 * Returns 0; then `*memory` is the handle, and `*address`, if `address` is
 * not NULL, is where the segment is. Otherwise returns, and leaves in errno:
 *
 * - EINVAL: `name` or `memory` is NULL; the segment exists with fewer bytes;
 *   a new one would have more than the limit SHMMAX; there is something at
 *   `*address`, or no program can have it.
 * - ENOENT: `size` <= 0, and there is no such segment.
 * - ENAMETOOLONG: the name has more than 1000 bytes.
 * - ENOSPC, ENOMEM, ENFILE: there is no room, see shmget(2) and shmat(2).
 * - EAGAIN: memory is locked (mlockall), and RLIMIT_MEMLOCK allows no more;
 *   or others make and delete the segment all the time.
 * - EACCES: the name space, or the segment, is another user's.
 * - ETIMEDOUT: a stopped process has kept the names locked for 10 s. A
 *   segment that was just made then stays, as if the process had died.
 * - ELOOP, ENAMETOOLONG, ENOENT: NOB_DATABASE can't be translated.
 * - EUCLEAN, ENOTSUP: the registry of names was overwritten, or is that of
 *   another version of this library.
 * - EDEADLK: called by a signal handler that interrupted another call.
 *
 * After an error `*memory` is NULL, and all else is as it was.
 *
 * # Safety
 *
 * `name` is NULL or a string; `address` is NULL or points to a pointer;
 * `memory` is NULL or points to a SharedMemory.
 */
int shmCreate(const char *name,
              long size,
              void **address,
              SharedMemory *memory);

/**
 * Takes a mapping away. When no process is attached to the segment any more,
 * the segment and its name are deleted; a process that is keeps it whole.
 *
 * Returns 0, also for NULL. Otherwise returns, and leaves in errno:
 *
 * - EINVAL: `memory` is no handle, or the mapping was gone already (shmdt).
 * - EDEADLK: called by a signal handler that interrupted another call; the
 *   handle is still good.
 * - EPERM: this was the last process, but the segment is another user's.
 * - EACCES: the user id was changed, and may not look at the segment (before
 *   Linux 4.17).
 * - ETIMEDOUT, EUCLEAN, ENOTSUP: see shmCreate.
 *
 * The handle and the mapping are gone all the same, except after EDEADLK; but
 * the segment and its name may stay, as if the process had died.
 */
int shmDestroy(SharedMemory memory);

/**
 * Returns where a segment is mapped; NULL, and EINVAL in errno, if `memory`
 * is no handle.
 */
void *shmAddress(SharedMemory memory);

/**
 * Returns a segment's System V identifier, as `ipcs -m` shows it, good for
 * shmctl(2); -1, and EINVAL in errno, if `memory` is no handle.
 */
int shmId(SharedMemory memory);

/**
 * Returns a segment's size in bytes; -1, and EINVAL in errno, if `memory` is
 * no handle.
 */
long shmSizeOf(SharedMemory memory);

/**
 * Reads a file into a segment: as many bytes as both have. Different sizes
 * are reported as an error is, but are none.
 *
 * In the file name `~`, `$NAME` and `${NAME}` are translated.
 *
 * Returns 0. Otherwise returns, and leaves in errno:
 *
 * - EINVAL: `memory` is no handle, `fileName` is NULL, or the file is empty.
 * - ELOOP, ENAMETOOLONG: the file name can't be translated.
 * - EDEADLK: called by a signal handler that interrupted another call.
 * - What open(2) and read(2) say, such as ENOENT, EACCES or EISDIR; EACCES
 *   also if the mapping is for reading only (see shm_util_ext.h).
 *
 * # Safety
 *
 * `fileName` is NULL or a string.
 */
int shmLoad(SharedMemory memory, const char *fileName);

/**
 * Writes a segment's bytes, and nothing else, to a file: all or nothing.
 * Whoever opens the file sees the whole old contents or the whole new ones,
 * whatever happens. When this returns 0 the bytes are on the disk, unless
 * SHM_UTIL_SYNC=0 is in the environment.
 *
 * In the file name `~`, `$NAME` and `${NAME}` are translated.
 *
 * Returns 0. Otherwise returns, and leaves in errno:
 *
 * - EINVAL: `memory` is no handle, or `fileName` is NULL.
 * - ELOOP, ENAMETOOLONG: the file name can't be translated.
 * - EDEADLK: called by a signal handler that interrupted another call.
 * - What open(2), write(2), fsync(2) and rename(2) say, such as ENOENT,
 *   EACCES, EISDIR, ENOSPC or EIO.
 *
 * # Safety
 *
 * `fileName` is NULL or a string.
 */
int shmSave(SharedMemory memory, const char *fileName);

#ifdef __cplusplus
}
#endif

#endif /* SHM_UTIL_H */
