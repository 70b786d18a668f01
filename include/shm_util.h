/*
 * shm_util.h - named shared memory segments, compatible with libgpl's shm_util
 *
 * Generated from src/capi/base.rs; do not edit.
 *
 * Link with -lshm_util. The header is valid C89 and C++98.
 *
 * Environment variables, which are read once, at the process's first call:
 *
 *   NOB_DATABASE        a path that selects the namespace, and the kind of
 *                       memory (see below); by default, each user has a
 *                       namespace of System V segments
 *   APERROR_PRINT       if it is a number other than 0, one line on stderr
 *                       explains each error
 *   SHM_UTIL_KEEP       if it is a number other than 0, new segments outlive
 *                       their last process: see shmxKeep in shm_util_ext.h
 *   SHM_UTIL_TRANSIENT  if it is a number other than 0, new segments never
 *                       outlive their last process: see SHMX_TRANSIENT there
 *   SHM_UTIL_SYNC       if it is 0, shmSave does not wait for the disk, nor do
 *                       calls that create or delete files in a directory
 *   SHM_UTIL_THREADS    if it is 1, shmLoad starts no second thread
 *
 * There are three kinds of memory. NOB_DATABASE selects:
 *
 *   /srv/plant    System V segments; no file with this path is created
 *   /srv/plant/   files in this directory, one for each name; they outlive a
 *                 reboot if the directory is on a disk
 *   private:      memory of the process and of the children that it forks
 *
 * A segment keeps its bytes and its name when processes die; private memory
 * ends with the last of its processes. shm_util(3) describes the kinds, and
 * the rules for threads, fork(2) and signals.
 */
#ifndef SHM_UTIL_H
#define SHM_UTIL_H

/*
 * libgpl's header includes pragmatics.h, and programs rely on the headers that
 * it includes in turn. Define SHM_UTIL_HAVE_PRAGMATICS to include it where the
 * compiler lacks __has_include.
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
 * A handle for an attached segment. It is a checked number, not an address:
 * stale, already destroyed or invalid handles return EINVAL.
 */
typedef struct _SharedMemory *SharedMemory;

/**
 * If this is not 0, shmCreate, shmDestroy, shmLoad and shmSave each print one
 * line to stdout. It is initially 0; the program may change it at any time.
 */
extern int shm_util_debug;

/**
 * Creates a named shared memory segment, or attaches an existing one.
 *
 * name is a string of up to 1000 bytes. size is in bytes. If size > 0
 * and no segment has the name, a new one of exactly this size is created: all
 * its bytes are 0, and its mode is 0660 regardless of the umask. An existing
 * segment must have at least size bytes. If size <= 0, only an existing
 * segment is attached.
 *
 * If neither address nor *address is NULL, the segment is attached at
 * *address, rounded down to a multiple of SHMLBA. Otherwise the system
 * chooses the address.
 *
 * On success, returns 0. *memory is then the handle and, if address is not
 * NULL, *address is the segment's address. On error, returns one of these
 * values and sets errno to it. *memory is then NULL, and nothing else has
 * changed.
 *
 * - EINVAL: name or memory is NULL; or the existing segment has fewer
 *   than size bytes; or size is above the limit SHMMAX; or something is
 *   mapped at *address already, or the system does not allow this address.
 * - ENOENT: size <= 0, and no segment has this name.
 * - ENAMETOOLONG: name has more than 1000 bytes.
 * - ENOSPC: the limit SHMMNI or SHMALL is reached, or the registry of names
 *   is full.
 * - ENOMEM: there is too little memory or address space.
 * - ENFILE: the system's limit on open files is reached. Each segment and each
 *   attachment counts as one.
 * - EAGAIN: the process locks its memory (mlockall(2)), and the segment would
 *   exceed RLIMIT_MEMLOCK; or other processes kept creating and deleting the
 *   segment.
 * - EACCES: the namespace belongs to another user; or the segment does, and
 *   its mode does not allow reading and writing.
 * - ETIMEDOUT: a stopped process held the registry's lock, or the lock of a
 *   segment's file, for 10 seconds. If this call has created a segment, that
 *   segment remains, as if the process had died.
 * - ELOOP, ENAMETOOLONG, ENOENT: NOB_DATABASE cannot be translated: a
 *   variable's value refers to itself; or the result has PATH_MAX bytes or
 *   more; or the result is relative, and the current directory was removed.
 * - EUCLEAN: the registry was overwritten.
 * - ENOTSUP: the registry belongs to another version of this library.
 * - ENOSYS, EPERM: the kernel has no System V shared memory, or a sandbox
 *   blocks it.
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 *
 * If the segments are files in a directory, these errors are possible, too:
 *
 * - ENOENT, ENOTDIR: the directory does not exist, or is a file.
 * - EACCES: the directory may not be searched or, to create a segment,
 *   written.
 * - EROFS: the file system is read-only. Segments can be attached with
 *   SHMX_RDONLY (see shm_util_ext.h), and detached with shmxDetach.
 * - EINVAL: the file of this name is not a segment: it is a symbolic link or a
 *   directory, for example, or it is empty.
 * - ENAMETOOLONG: the name of the file would have more than 255 bytes.
 * - ENOSPC, EDQUOT: the file system is full, or the disk quota is used up.
 * - EFBIG: size exceeds RLIMIT_FSIZE, or what the file system supports.
 * - EMFILE: the process has no file descriptor left for the duration of the
 *   call.
 * - EIO: the disk reported an error.
 * - ENOTSUP: the directory is on a network file system; or SHM_UTIL_TRANSIENT
 *   is set, and the call would create a segment.
 */
int shmCreate(const char *name,
              long size,
              void **address,
              SharedMemory *memory);

/**
 * Detaches a segment. If no process has it attached any more, deletes the
 * segment and removes its name, unless the segment is kept (see shmxKeep in
 * shm_util_ext.h). Otherwise both remain. shmxDetach, in the same header,
 * never deletes.
 *
 * Returns 0 on success, and if memory is NULL. On error, returns one of
 * these values and sets errno to it. Unless stated otherwise, the segment is
 * detached and the handle is no longer valid, but the segment and its name may
 * remain, as if the process had died.
 *
 * - EINVAL: memory is not a valid handle, or the program has detached the
 *   segment itself with shmdt(2) or munmap(2).
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 *   The handle remains valid.
 * - EPERM: no other process has the segment attached, but it belongs to
 *   another user and was not deleted.
 * - EACCES: the process has changed its user ID and may no longer inspect the
 *   segment (before Linux 4.17). Or no other process has the segment's file
 *   attached, but the directory may not be written.
 * - EROFS, EMFILE, EIO: no other process has the segment's file attached, but
 *   it cannot be deleted: as for shmCreate.
 * - ETIMEDOUT: as for shmCreate; or another thread's shmSave or shmLoad of the
 *   same handle has not ended after 10 seconds. The handle remains valid then.
 * - EUCLEAN, ENOTSUP: as for shmCreate.
 */
int shmDestroy(SharedMemory memory);

/**
 * Returns the address of an attached segment. If memory is not a valid
 * handle, returns NULL and sets errno to EINVAL.
 */
void *shmAddress(SharedMemory memory);

/**
 * Returns the System V identifier of a segment, which ipcs -m shows and
 * shmctl(2) takes. Files and private memory have none: for those, returns -1
 * and leaves errno unchanged. If memory is not a valid handle, returns -1
 * and sets errno to EINVAL.
 */
int shmId(SharedMemory memory);

/**
 * Returns the size of a segment in bytes. If memory is not a valid handle,
 * returns -1 and sets errno to EINVAL.
 */
long shmSizeOf(SharedMemory memory);

/**
 * Reads a file into a segment. If their sizes differ, only as many bytes as
 * the smaller one holds are read; the segment's remaining bytes are unchanged,
 * and the difference is printed like an error (see APERROR_PRINT above),
 * although the call succeeds. shmxLoad, in shm_util_ext.h, stores the sizes
 * instead.
 *
 * In fileName, ~, $NAME and ${NAME} are replaced by the present values
 * of environment variables.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it. If the file cannot be opened, is a directory or is empty, the segment
 * is unchanged.
 *
 * - EINVAL: memory is not a valid handle; or fileName is NULL; or the
 *   file is empty.
 * - ELOOP: the value of a variable in fileName refers to itself.
 * - ENAMETOOLONG: the translated file name has PATH_MAX bytes or more.
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 * - EACCES: the file may not be read, or the segment is attached read-only
 *   (see SHMX_RDONLY in shm_util_ext.h).
 * - EINTR: a signal handler without SA_RESTART ended a wait for a pipe, a
 *   terminal or a device.
 * - EIO: the disk has failed; or the segment is a file that was truncated.
 * - ENOENT, EISDIR and all other errors of open(2) and read(2).
 */
int shmLoad(SharedMemory memory, const char *fileName);

/**
 * Writes the bytes of a segment, and nothing else, to a file. The save is all
 * or nothing: at any moment, even after a crash, the file has either all of
 * its old bytes or all of the new ones. When the call returns 0, the bytes are
 * on the disk, unless the environment of the process's first call contained
 * SHM_UTIL_SYNC=0.
 *
 * The save is not all or nothing where no second file can take the place of
 * the first (the directory is not writable or append-only, or something is
 * mounted at the file): the file is then overwritten in place, after room for
 * all bytes has been reserved.
 *
 * In fileName, ~, $NAME and ${NAME} are replaced by the present values
 * of environment variables.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it.
 *
 * - EINVAL: memory is not a valid handle, or fileName is NULL.
 * - ELOOP: the value of a variable in fileName refers to itself.
 * - ENAMETOOLONG: the translated file name has PATH_MAX bytes or more.
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 * - EINTR: a signal handler without SA_RESTART ended a wait for a pipe, a
 *   terminal or a device.
 * - EIO: the disk has failed; or the segment is a file that was truncated.
 * - ENOENT, EACCES, EISDIR, ENOSPC and all other errors of open(2), write(2),
 *   fsync(2) and rename(2).
 */
int shmSave(SharedMemory memory, const char *fileName);

#ifdef __cplusplus
}
#endif

#endif /* SHM_UTIL_H */
