/*
 * shm_util_ext.h - see, steer and clean up the segments of shm_util.h.
 *
 * Generated from src/capi/ext.rs: changes made here are lost.
 *
 * Beyond libgpl. A handle is a handle: those of shmxCreate go with the functions
 * of shm_util.h, those of shmCreate with the functions here.
 *
 * The functions that return int return 0, or the errno value of what failed,
 * which is in errno then, too; shmxErrorText explains it. On success errno is as
 * it was. Sizes are in bytes, times in seconds since 1970.
 *
 * With SHM_UTIL_KEEP, a number other than 0, in the environment, every segment that
 * the process creates is a kept one, see shmxKeep; so unchanged programs get them
 * too.
 */
#ifndef SHM_UTIL_EXT_H
#define SHM_UTIL_EXT_H

#include "shm_util.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * For shmxSetPerm: what is to stay as it is.
 */
#define SHMX_SAME ((unsigned int) -1)


/**
 * A flag of shmxCreate: only a new segment will do. EEXIST if there is one.
 */
#define SHMX_EXCL 1

/**
 * A flag of shmxCreate: only a segment that exists will do. ENOENT if there is
 * none.
 */
#define SHMX_ATTACH 2

/**
 * A flag of shmxCreate: the mapping is for reading. A store to it is SIGSEGV;
 * shmSave works, shmLoad is EACCES.
 */
#define SHMX_RDONLY 4

/**
 * A flag of shmxCreate: a new segment consists of huge pages (SHM_HUGETLB of
 * shmget(2)), which the sysctl vm.nr_hugepages sets aside.
 */
#define SHMX_HUGETLB 8

/**
 * A flag of shmxCreate: no swap space, and no huge pages, are reserved for a
 * new segment (SHM_NORESERVE of shmget(2)). If there is no memory for a page when
 * it is first used, that is SIGBUS, or the kernel kills a process to have some.
 */
#define SHMX_NORESERVE 16

/**
 * A flag of shmxCreate: a new segment is a kept one, see shmxKeep.
 */
#define SHMX_KEEP 32

/**
 * What is known of a segment, see shmctl(2). A later version of the library
 * may append members.
 */
struct ShmxInfo {
  /**
   * sizeof (struct ShmxInfo), set by the caller: tells the library how
   * much the program knows of.
   */
  unsigned long size;
  /**
   * The segment's size.
   */
  long bytes;
  /**
   * When it was made.
   */
  long created;
  /**
   * When it was last mapped; 0 if it never was.
   */
  long attached;
  /**
   * When it was last unmapped, by its user or by the user's death; 0 if it
   * never was.
   */
  long detached;
  /**
   * When it was made, or its owner, group or mode were last set.
   */
  long changed;
  /**
   * How many mappings there are, in all processes. A process may have
   * several, and mprotect(2) may split one in two.
   */
  unsigned long mappings;
  /**
   * The System V identifier, as `ipcs -m` shows it.
   */
  int id;
  /**
   * The System V key; 0 if the segment has lost its name.
   */
  int key;
  /**
   * The process that made it; 0 if it can't be seen from here.
   */
  int creatorPid;
  /**
   * The process that last mapped or unmapped it; 0 if none did, or it can't
   * be seen from here.
   */
  int lastPid;
  /**
   * The owner's user id.
   */
  unsigned int uid;
  /**
   * The owner's group id.
   */
  unsigned int gid;
  /**
   * The user id of who made it.
   */
  unsigned int creatorUid;
  /**
   * The group id of who made it.
   */
  unsigned int creatorGid;
  /**
   * The nine permission bits.
   */
  unsigned int mode;
  /**
   * 1 if it may not be written to swap space (shmxLock), else 0.
   */
  int locked;
  /**
   * 1 if it outlives its last user (shmxKeep), else 0.
   */
  int kept;
  /**
   * The name: any bytes, up to 1000, and a NUL behind them.
   */
  char name[1001];
};

/**
 * What shmxList calls for each segment. What is not 0 ends the list.
 */
typedef int (*ShmxCallback)(const struct ShmxInfo *info, void *context);

/**
 * Makes a named shared memory segment, or maps the one that has the name, in
 * other ways than shmCreate does.
 *
 * `name`, `size`, `address` and `memory` are those of shmCreate: with `size` <=
 * 0, and with SHMX_ATTACH, only a segment that exists is mapped; if `size` > 0 it
 * must have as many bytes. `flags` is 0 or some SHMX_... flags. `mode` has the
 * permission bits of a new segment: exactly these, whatever the umask; 0 is
 * 0660. What is for a new segment does not matter to one that exists.
 *
 * Returns 0; then `*memory` is the handle, and `*address`, if `address` is not
 * NULL, is where the segment is. Otherwise returns, and leaves in errno, what
 * shmCreate does, or:
 *
 * - EEXIST: SHMX_EXCL, and there is a segment of this name.
 * - ENOENT: SHMX_ATTACH or `size` <= 0, and there is none.
 * - EINVAL: a flag that is none; SHMX_EXCL, SHMX_HUGETLB, SHMX_NORESERVE or
 *   SHMX_KEEP, but SHMX_ATTACH or `size` <= 0; `mode` has bits beyond 0777.
 * - EACCES: also if the segment is another user's whose mode does not let us
 *   write to it, without SHMX_RDONLY.
 * - ENOMEM: also if there are too few huge pages; see vm.nr_hugepages.
 * - EPERM: this user may not have huge pages; see vm.hugetlb_shm_group.
 *
 * After an error `*memory` is NULL, and all else is as it was.
 *
 * # Safety
 *
 * `name` is NULL or a string; `address` is NULL or points to a pointer;
 * `memory` is NULL or points to a SharedMemory.
 */
int shmxCreate(const char *name,
               long size,
               int flags,
               unsigned int mode,
               void **address,
               SharedMemory *memory);

/**
 * Tells what is known of a segment now; also of one that has lost its name,
 * whose `key` is 0 then.
 *
 * The caller sets `info->size` to sizeof (struct ShmxInfo). Members that the
 * library does not know become 0.
 *
 * Returns 0. Otherwise returns, and leaves in errno; `*info` is as it was:
 *
 * - EINVAL: `memory` is no handle, `info` is NULL, or `info->size` is not a
 *   size of the struct.
 * - EACCES: the user id was changed, and may not look at the segment (before
 *   Linux 4.17).
 * - EIDRM: this process is in another IPC name space now.
 * - ENOMEM: there is no memory for the name.
 * - EDEADLK, EUCLEAN: see shmCreate.
 *
 * # Safety
 *
 * `info` is NULL or points to as many bytes as `info->size` says.
 */
int shmxStat(SharedMemory memory, struct ShmxInfo *info);

/**
 * The same of the segment of a name, which needs not be mapped, and may be
 * another user's.
 *
 * Returns 0. Otherwise returns, and leaves in errno; `*info` is as it was:
 *
 * - ENOENT: there is no such segment.
 * - EINVAL: `name` or `info` is NULL, or `info->size` is not a size of the
 *   struct.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOMEM, ENOTSUP,
 *   ETIMEDOUT, EUCLEAN, and ENOENT for NOB_DATABASE: see shmCreate.
 *
 * # Safety
 *
 * `name` is NULL or a string; `info` is NULL or points to as many bytes as
 * `info->size` says.
 */
int shmxStatName(const char *name, struct ShmxInfo *info);

/**
 * Calls a function for each segment of the name space, live or orphaned, in no
 * order. The function may call whatever it likes, also of this library; what it
 * is shown is good until it returns. Segments that others make or remove
 * meanwhile are shown or not.
 *
 * Returns 0 when all were shown. What `callback` returns ends the list if it is
 * not 0, and is returned: -1, say, can't be mistaken for an error. Otherwise
 * returns, and leaves in errno, before `callback` is called at all:
 *
 * - EINVAL: `callback` is NULL.
 * - ENOMEM: there is no memory for so many.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOTSUP,
 *   ETIMEDOUT, EUCLEAN: see shmCreate. But that there is no segment is no error.
 *
 * # Safety
 *
 * `callback` is NULL or a function that may be called with `context`.
 */
int shmxList(ShmxCallback callback,
             void *context);

/**
 * Sets the owner, the group and the permission bits of a segment (IPC_SET of
 * shmctl(2)). What is SHMX_SAME stays as it is.
 *
 * Returns 0. Otherwise returns, and leaves in errno; nothing is changed:
 *
 * - EINVAL: `memory` is no handle, `mode` has bits beyond 0777, or there can be
 *   no such user or group.
 * - EPERM: the segment is another user's.
 * - EACCES: it may not be looked at (before Linux 4.17).
 * - EIDRM: this process is in another IPC name space now.
 * - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: see shmCreate.
 */
int shmxSetPerm(SharedMemory memory,
                unsigned int uid,
                unsigned int gid,
                unsigned int mode);

/**
 * Keeps a segment in memory: no page of it is written to swap space (SHM_LOCK
 * of shmctl(2)). Pages that were never used are not made by this.
 *
 * Returns 0. Otherwise returns, and leaves in errno:
 *
 * - EINVAL: `memory` is no handle.
 * - EPERM: the segment is another user's, or RLIMIT_MEMLOCK is 0.
 * - ENOMEM: with it the user would have locked more than RLIMIT_MEMLOCK.
 * - EACCES, EDEADLK, EIDRM: see shmxSetPerm.
 */
int shmxLock(SharedMemory memory);

/**
 * Undoes shmxLock.
 *
 * Returns 0. Otherwise returns, and leaves in errno:
 *
 * - EINVAL: `memory` is no handle.
 * - EPERM: the segment is another user's.
 * - EACCES, EDEADLK, EIDRM: see shmxSetPerm.
 */
int shmxUnlock(SharedMemory memory);

/**
 * Has a segment outlive its last user, if `on` is not 0: neither shmDestroy nor
 * shmxPrune deletes it, only shmxRemove does. If `on` is 0, the next shmDestroy
 * that leaves nobody attached deletes it, as ever.
 *
 * Returns 0. Otherwise returns, and leaves in errno; nothing is changed:
 *
 * - EINVAL: `memory` is no handle.
 * - EPERM: the segment is another user's.
 * - EACCES: it may not be looked at (before Linux 4.17).
 * - EIDRM: it has lost its name: it, or the registry of names, was removed.
 * - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: see shmCreate.
 */
int shmxKeep(SharedMemory memory,
             int on);

/**
 * Removes a name at once, and its segment, kept or not, when its last user
 * leaves. Those who have it mapped keep their bytes and their handles, for which
 * shmDestroy returns 0 as ever. The next one to create the name makes a new
 * segment.
 *
 * Returns 0. Otherwise returns, and leaves in errno; nothing is changed:
 *
 * - ENOENT: there is no such segment.
 * - EINVAL: `name` is NULL.
 * - EPERM: the segment is another user's.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOMEM, ENOTSUP,
 *   ETIMEDOUT, EUCLEAN, and ENOENT for NOB_DATABASE: see shmCreate.
 *
 * # Safety
 *
 * `name` is NULL or a string.
 */
int shmxRemove(const char *name);

/**
 * Removes the segments that nobody has mapped, that are not kept, and that
 * were last unmapped at least `minimumAge` seconds ago; of those that were never
 * mapped, those that were made so long ago. To map a segment and unmap it, as
 * `shmutil save` and `shmutil dump` do too, begins its age anew. Segments that we
 * may not remove, because they are another user's, are left alone.
 *
 * Returns 0; then `*count`, if `count` is not NULL, is how many were removed.
 * Otherwise returns, and leaves in errno; `*count` is as it was:
 *
 * - EINVAL: `minimumAge` is negative.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: see shmxList. What was removed until then is
 *   removed.
 *
 * # Safety
 *
 * `count` is NULL or points to a long.
 */
int shmxPrune(long minimumAge,
              long *count);

/**
 * Returns the last error of this thread as a sentence, such as "map segment 'x'
 * with 8192 bytes, which has 4096: Invalid argument"; "" if there was none. A
 * call that succeeds leaves it. All functions here and in shm_util.h set it.
 *
 * The string is the library's, and good until the thread's next call.
 */
const char *shmxErrorText(void);

#ifdef __cplusplus
}
#endif

#endif /* SHM_UTIL_EXT_H */
