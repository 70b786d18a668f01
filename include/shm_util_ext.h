/*
 * shm_util_ext.h - inspect, manage and clean up the segments of shm_util.h
 *
 * Generated from src/capi; do not edit.
 *
 * libgpl does not have these functions. They take the handles of shmCreate,
 * and the functions of shm_util.h take those of shmxCreate.
 *
 * Functions that return int return 0 on success and leave errno unchanged. On
 * error they return an errno value and set errno to it; shmxErrorText explains
 * it. The exceptions are shmxCreated, shmxErrorReason and shmxVersion. Sizes
 * are in bytes, times in seconds since 1970-01-01 00:00:00 UTC.
 *
 * If the segments of a namespace are files in a directory (see NOB_DATABASE in
 * shm_util.h), functions that take a name or change a segment may also return
 * the errors that shmCreate returns there.
 *
 * If the environment variable SHM_UTIL_KEEP is a number other than 0 at the
 * process's first call, all segments that it creates are kept (see shmxKeep),
 * including those of shmCreate. If SHM_UTIL_TRANSIENT is such a number, and
 * SHM_UTIL_KEEP is not, they are transient (see SHMX_TRANSIENT). A flag of
 * shmxCreate takes precedence over both variables.
 */
#ifndef SHM_UTIL_EXT_H
#define SHM_UTIL_EXT_H

#include "shm_util.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The version of this header. shmxVersion returns that of the library.
 */
#define SHMX_VERSION_MAJOR 1
#define SHMX_VERSION_MINOR 0
#define SHMX_VERSION_PATCH 0
#define SHMX_VERSION \
  (SHMX_VERSION_MAJOR * 10000 + SHMX_VERSION_MINOR * 100 + SHMX_VERSION_PATCH)

/**
 * Argument of shmxSetPerm: leave this value unchanged.
 */
#define SHMX_SAME ((unsigned int) -1)

/**
 * Kind of memory in ShmxInfo: a System V segment (see shmget(2)).
 */
#define SHMX_SYSV 1

/**
 * Kind of memory in ShmxInfo: a file in a directory (see NOB_DATABASE in
 * shm_util.h).
 */
#define SHMX_DIRECTORY 2

/**
 * Kind of memory in ShmxInfo: memory of this process and of the children that
 * it forks.
 */
#define SHMX_PRIVATE 3

/**
 * Flag of shmxCreate: fail with EEXIST if the segment exists.
 */
#define SHMX_EXCL 1

/**
 * Flag of shmxCreate: fail with ENOENT if the segment does not exist.
 */
#define SHMX_ATTACH 2

/**
 * Flag of shmxCreate: attach the segment read-only. A store to it raises
 * SIGSEGV; shmSave works, shmLoad fails with EACCES.
 */
#define SHMX_RDONLY 4

/**
 * Flag of shmxCreate: create the segment with huge pages (SHM_HUGETLB, see
 * shmget(2)). The sysctl vm.nr_hugepages provides them. Files are in huge
 * pages if their directory is on hugetlbfs, with or without this flag.
 */
#define SHMX_HUGETLB 8

/**
 * Flag of shmxCreate: create the segment without reserving swap space or huge
 * pages (SHM_NORESERVE, see shmget(2)). If no memory is left when a page is
 * first used, the process gets SIGBUS, or the kernel kills a process to free
 * some.
 */
#define SHMX_NORESERVE 16

/**
 * Flag of shmxCreate: create a kept segment (see shmxKeep).
 */
#define SHMX_KEEP 32

/**
 * Flag of shmxCreate: take mode as it is, even if it is 0: then only
 * privileged processes may attach the segment.
 */
#define SHMX_MODE 64

/**
 * Flag of shmxCreate: create a transient segment. Its name and its memory
 * vanish with the last process that has it attached, however that process
 * ends. The segment has no System V key. Files are never transient.
 */
#define SHMX_TRANSIENT 128

/**
 * Flag of shmxCreate: create a hidden segment, which other processes find once
 * shmxPublish has given it its name. Fail with EEXIST if the name exists, as
 * with SHMX_EXCL.
 */
#define SHMX_HIDDEN 256

/**
 * Flag of shmxCreate: create a segment with a name that no other segment has:
 * name, which may be NULL or "", followed by 12 random letters and digits.
 * shmxName and shmxStat return the whole name.
 */
#define SHMX_UNIQUE 512

/**
 * Reason of an error: nothing is known beyond its errno value.
 */
#define SHMX_REASON_NONE 0

/**
 * Reason of an error: EINVAL: an argument is invalid in itself: NULL, or an
 * unknown flag, or the name of a file that is not a segment, for example.
 */
#define SHMX_REASON_ARGUMENT 1

/**
 * Reason of an error: EINVAL: the handle is not valid.
 */
#define SHMX_REASON_HANDLE 2

/**
 * Reason of an error: EINVAL: the segment exists with fewer bytes than
 * requested.
 */
#define SHMX_REASON_TOO_SMALL 3

/**
 * Reason of an error: EINVAL: the size exceeds the limit SHMMAX; or EFBIG: it
 * exceeds RLIMIT_FSIZE.
 */
#define SHMX_REASON_LIMIT 4

/**
 * Reason of an error: EINVAL: something is mapped at the address, or the
 * system does not allow it.
 */
#define SHMX_REASON_ADDRESS 5

/**
 * Reason of an error: EINVAL: the program has detached the segment itself
 * with shmdt(2) or munmap(2).
 */
#define SHMX_REASON_DETACHED 6

/**
 * Reason of an error: EINVAL: the file to be loaded is empty.
 */
#define SHMX_REASON_EMPTY_FILE 7

/**
 * Reason of an error: EACCES: the user may not use the namespace; or ENOENT,
 * ENOTDIR: the directory of the namespace does not exist, or is a file.
 */
#define SHMX_REASON_NAMESPACE 8

/**
 * Reason of an error: EACCES: the segment's mode does not allow the user to
 * attach it; or the segment is transient, and was created by another user who
 * is not root, and in a group of which the process is not a member.
 */
#define SHMX_REASON_PERMISSION 9

/**
 * Reason of an error: EACCES: the segment is attached read-only.
 */
#define SHMX_REASON_READ_ONLY 10

/**
 * Reason of an error: EINVAL: the segment is transient, and cannot be kept.
 */
#define SHMX_REASON_TRANSIENT 11

/**
 * Reason of an error: EINVAL: the segment is not hidden, or not any more, and
 * cannot be published.
 */
#define SHMX_REASON_NOT_HIDDEN 12

/**
 * Reason of an error: ENOSYS or EPERM: the kernel has no System V shared
 * memory, or a sandbox blocks it.
 */
#define SHMX_REASON_NO_SYSTEM_V 13

/**
 * Reason of an error: EPERM: the segment belongs to another user.
 */
#define SHMX_REASON_OWNER 14

/**
 * Information about a segment. Later versions of the library may append
 * members.
 */
struct ShmxInfo {
  /**
   * Set by the caller to sizeof (struct ShmxInfo): the library writes no
   * more bytes than that.
   */
  unsigned long size;
  /**
   * Size of the segment in bytes.
   */
  long bytes;
  /**
   * Time of creation.
   */
  long created;
  /**
   * Time of the last attach; 0 if there was none, and for kinds of memory
   * other than SHMX_SYSV.
   */
  long attached;
  /**
   * Time of the last detach, including at the end of a process; 0 if there was
   * none, and for other kinds of memory.
   */
  long detached;
  /**
   * Time of creation, or of the last change of owner, group or mode; for a
   * file, also of its bytes.
   */
  long changed;
  /**
   * Number of attachments in all processes. A process may have several, and
   * mprotect(2) may split one in two. A child of fork(2) shares its parent's
   * attachments of files, and each counts once. For private memory, only the
   * attachments of this process count.
   */
  unsigned long mappings;
  /**
   * System V identifier, as shown by ipcs -m; -1 for other kinds of memory.
   */
  int id;
  /**
   * System V key; 0 if the segment is transient or has lost its name, and
   * for other kinds of memory.
   */
  int key;
  /**
   * Process ID of the creator; 0 if it is not visible in this PID
   * namespace, and for files.
   */
  int creatorPid;
  /**
   * Process ID of the last attach or detach; 0 if there was none, if it is
   * not visible in this PID namespace, and for other kinds of memory.
   */
  int lastPid;
  /**
   * User ID of the owner.
   */
  unsigned int uid;
  /**
   * Group ID of the owner.
   */
  unsigned int gid;
  /**
   * User ID of the creator; for a file, that of the owner.
   */
  unsigned int creatorUid;
  /**
   * Group ID of the creator; for a file, that of the owner.
   */
  unsigned int creatorGid;
  /**
   * The nine permission bits; for a file, without those for execution.
   */
  unsigned int mode;
  /**
   * 1 if the segment is locked in memory (see shmxLock), otherwise 0.
   */
  int locked;
  /**
   * 1 if the segment is kept (see shmxKeep), otherwise 0.
   */
  int kept;
  /**
   * 1 if the segment is transient (see SHMX_TRANSIENT), otherwise 0.
   */
  int transient;
  /**
   * 1 if the segment is hidden (see SHMX_HIDDEN), otherwise 0. Only shmxStat
   * sees such a segment.
   */
  int hidden;
  /**
   * What the segment is: SHMX_SYSV, SHMX_DIRECTORY or SHMX_PRIVATE. Members
   * that this kind of memory does not record are 0, except id, which is -1.
   */
  int kind;
  /**
   * Name: up to 1000 bytes and a terminating NUL.
   */
  char name[1001];
};

/**
 * Called by shmxList for each segment. A return value other than 0 ends the
 * listing.
 */
typedef int (*ShmxCallback)(const struct ShmxInfo *info, void *context);

/**
 * What shmxLoad has read. Later versions of the library may append members.
 */
struct ShmxLoaded {
  /**
   * Set by the caller to sizeof (struct ShmxLoaded): the library writes no
   * more bytes than that.
   */
  unsigned long size;
  /**
   * Size of the file in bytes. For /dev/stdin and other open descriptors,
   * the bytes from their position on; for a pipe or another file that has no
   * size, the bytes read.
   */
  long fileSize;
  /**
   * Number of bytes that were read into the segment.
   */
  long bytesRead;
};

/**
 * Creates a named shared memory segment, or attaches an existing one, with
 * more options than shmCreate.
 *
 * name, size, address and memory are as for shmCreate. With
 * SHMX_ATTACH or size <= 0, only an existing segment is attached. An
 * existing segment must have at least size bytes. flags is 0 or the OR of
 * SHMX_... flags. mode is the nine permission bits of a new segment,
 * regardless of the umask; 0 means 0660, unless SHMX_MODE is set. mode,
 * SHMX_HUGETLB, SHMX_NORESERVE, SHMX_KEEP, SHMX_TRANSIENT and SHMX_MODE have
 * no effect on an existing segment. With SHMX_UNIQUE, name is only the
 * beginning of the name. shmxCreated returns whether this call created the
 * segment.
 *
 * On success, returns 0. *memory is then the handle and, if address is not
 * NULL, *address is the segment's address. On error, returns an error of
 * shmCreate or one of these values, and sets errno to it. *memory is then
 * NULL, and nothing else has changed.
 *
 * - EEXIST: SHMX_EXCL or SHMX_HIDDEN is set, and the segment exists.
 * - ENOENT: SHMX_ATTACH is set or size <= 0, and no segment has this name.
 * - EINVAL: flags has bits other than those of the SHMX_... flags; or
 *   SHMX_EXCL, SHMX_HUGETLB, SHMX_NORESERVE, SHMX_KEEP, SHMX_TRANSIENT,
 *   SHMX_HIDDEN, SHMX_MODE or SHMX_UNIQUE is set together with SHMX_ATTACH or
 *   size <= 0; or SHMX_KEEP is set together with SHMX_TRANSIENT; or mode has
 *   bits beyond 0777.
 * - ENAMETOOLONG: SHMX_UNIQUE is set, and name has more than 988 bytes.
 * - EACCES: the segment belongs to another user, and its mode does not allow
 *   reading or, unless SHMX_RDONLY is set, writing; or mode does not allow
 *   the caller to do so; or the segment is transient, was created by another
 *   user who is not root, and the caller is not in the group that was the
 *   creator's effective group.
 * - ENOTSUP: SHMX_TRANSIENT is set, and the segment would be a file, or the
 *   system cannot attach a segment that is marked for deletion; or
 *   SHMX_HUGETLB is set, and the segment would be private memory, or a file
 *   outside hugetlbfs.
 * - ENOMEM: there are too few huge pages (see vm.nr_hugepages).
 * - EPERM: the user may not use huge pages (see vm.hugetlb_shm_group).
 */
int shmxCreate(const char *name,
               long size,
               int flags,
               unsigned int mode,
               void **address,
               SharedMemory *memory);

/**
 * Stores information about a segment in *info, even if the segment has lost
 * its name.
 *
 * The caller sets info->size to sizeof (struct ShmxInfo). Members that this
 * version of the library does not know are set to 0.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; *info is unchanged.
 *
 * - EINVAL: memory is not a valid handle; or info is NULL; or info->size
 *   is less than sizeof (struct ShmxInfo), or more than 65536.
 * - EACCES: the process has changed its user ID and may no longer inspect the
 *   segment (before Linux 4.17).
 * - EIDRM: the process has moved to another IPC namespace.
 * - ENOMEM: there is too little memory for the name.
 * - EDEADLK, EUCLEAN: as for shmCreate.
 */
int shmxStat(SharedMemory memory, struct ShmxInfo *info);

/**
 * Stores information about the segment called name in *info, like
 * shmxStat. The segment need not be attached, and may belong to another user.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; *info is unchanged.
 *
 * - ENOENT: no segment has this name.
 * - EINVAL: name or info is NULL; or info->size is less than
 *   sizeof (struct ShmxInfo), or more than 65536.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
 */
int shmxStatName(const char *name, struct ShmxInfo *info);

/**
 * Sets the owner, the group and the nine permission bits of a segment
 * (IPC_SET, see shmctl(2)). SHMX_SAME leaves a value unchanged. For a file,
 * the bits for execution are ignored.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; the segment is unchanged.
 *
 * - EINVAL: memory is not a valid handle; or mode has bits beyond 0777;
 *   or uid or gid is not a valid ID.
 * - EPERM: the segment belongs to another user; or the segment is a file, and
 *   the caller may not give it to this user or group (see chown(2)).
 * - EACCES: the process may not inspect the segment (before Linux 4.17).
 * - EIDRM: the process has moved to another IPC namespace; or the segment is a
 *   file that has lost its name.
 * - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
 */
int shmxSetPerm(SharedMemory memory,
                unsigned int uid,
                unsigned int gid,
                unsigned int mode);

/**
 * Locks a segment in memory: none of its pages is written to swap space
 * (SHM_LOCK, see shmctl(2)). Pages that were never used are not allocated.
 * Private memory is locked with mlock(2), which allocates all pages, and which
 * children do not inherit. Files cannot be locked for all processes; each
 * process can lock its own mapping with mlock(2).
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it.
 *
 * - EINVAL: memory is not a valid handle.
 * - EPERM: the segment belongs to another user, or RLIMIT_MEMLOCK is 0.
 * - ENOMEM: the segment would exceed RLIMIT_MEMLOCK.
 * - ENOTSUP: the segment is a file.
 * - EACCES, EDEADLK, EIDRM: as for shmxSetPerm.
 */
int shmxLock(SharedMemory memory);

/**
 * Reverses shmxLock.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it.
 *
 * - EINVAL: memory is not a valid handle.
 * - EPERM: the segment belongs to another user.
 * - EACCES, EDEADLK, EIDRM: as for shmxSetPerm.
 */
int shmxUnlock(SharedMemory memory);

/**
 * If on is not 0, keeps a segment even when no process has it attached:
 * neither shmDestroy nor shmxPrune deletes it, only shmxRemove does. If on
 * is 0, the segment is no longer kept: the next shmDestroy that leaves no
 * process attached deletes it.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; the segment is unchanged.
 *
 * - EINVAL: memory is not a valid handle; or on is not 0, and the segment
 *   is transient.
 * - EPERM: the segment belongs to another user.
 * - EACCES: the process may not inspect the segment (before Linux 4.17).
 * - EIDRM: the segment has lost its name: the name, the segment or the
 *   registry was removed.
 * - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
 */
int shmxKeep(SharedMemory memory, int on);

/**
 * Removes a name at once, and deletes its segment, kept or not, as soon as no
 * process has it attached. Processes that have it attached keep their bytes
 * and their handles, and their shmDestroy returns 0. The next shmCreate of the
 * name creates a new segment.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; nothing has changed.
 *
 * - ENOENT: no segment has this name.
 * - EINVAL: name is NULL.
 * - EPERM: the segment belongs to another user.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
 */
int shmxRemove(const char *name);

/**
 * Waits until a segment called name exists, at most milliseconds. If
 * milliseconds < 0, waits without a limit. The caller sleeps until a process
 * creates the name. The segment need not be attached, and may be removed at
 * any time: a shmCreate that follows may find nothing.
 *
 * On success, returns 0. On error, returns an error of shmCreate or one of
 * these values, and sets errno to it.
 *
 * - ETIMEDOUT: the name did not exist within this time.
 * - EINTR: a signal handler interrupted the wait.
 * - EINVAL: name is NULL.
 */
int shmxWait(const char *name, long milliseconds);

/**
 * Deletes the segments that no process has attached, that are not kept, and
 * that were last detached at least minimumAge seconds ago. For a segment
 * that was never attached, the time since its creation counts. Every attach
 * and detach resets the age, including those by shmutil save, copy and dump.
 * A file does not record when it was detached: its age is the time since it
 * was last written or attached, or its owner or mode was changed.
 * Also deletes the hidden segments whose creators have died, whatever their
 * age. Segments that belong to other users and that the caller may not remove
 * are skipped.
 *
 * On success, returns 0; if count is not NULL, *count is then the number
 * of deleted segments. On error, returns one of these values and sets errno to
 * it; *count is unchanged, but segments may have been deleted.
 *
 * - EINVAL: minimumAge is negative.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxList.
 */
int shmxPrune(long minimumAge, long *count);

/**
 * Returns the version of the library that the program runs with, as a number
 * that can be compared with SHMX_VERSION, the version of the header that it
 * was compiled with.
 */
int shmxVersion(void);

/**
 * Returns the calling thread's last error as one sentence, or "" if there was
 * none. All functions of this header and of shm_util.h set it on error, except
 * in a signal handler that interrupted another call. A call that succeeds
 * leaves it unchanged.
 *
 * The string belongs to the library, and is valid until the thread's next
 * call.
 */
const char *shmxErrorText(void);

/**
 * Calls callback for each segment of the namespace, in use or not, in no
 * particular order, and passes context to it. The callback may call any
 * function, including those of this library. *info is valid until the
 * callback returns. A segment that another process creates or removes in the
 * meantime may be missing.
 *
 * Returns 0 after the last segment. If the callback returns a value other than
 * 0, shmxList returns that value at once; negative values cannot be mistaken
 * for errors. On error, returns one of these values and sets errno to it,
 * without calling the callback.
 *
 * - EINVAL: callback is NULL.
 * - ENOMEM: there is too little memory for the list.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOTSUP,
 *   ETIMEDOUT, EUCLEAN: as for shmCreate. A namespace without segments is not
 *   an error.
 */
int shmxList(ShmxCallback callback, void *context);

/**
 * Creates a named shared memory segment, or attaches an existing one, like
 * shmxCreate, in the namespace space. One process can use several namespaces
 * at once, from several threads, without changing its environment.
 *
 * space is a path, as in NOB_DATABASE: ~, $NAME and ${NAME} in it are
 * replaced by the present values of environment variables, and a relative path
 * begins at the current directory. The path also selects the kind of memory,
 * as in NOB_DATABASE: a path that ends in / is a directory, which must exist;
 * otherwise no file with this path need exist. NULL selects the namespace that
 * functions without this parameter use; "" selects that of the effective user,
 * as if NOB_DATABASE were not set. This applies to all functions below that
 * have this parameter.
 *
 * On success, returns 0. *memory is then the handle, which always belongs to
 * this namespace, and, if address is not NULL, *address is the segment's
 * address. On error, returns an error of shmxCreate or one of these
 * values, and sets errno to it. *memory is then NULL, and nothing else has
 * changed.
 *
 * - ELOOP: the value of a variable in space refers to itself.
 * - ENAMETOOLONG: the translated path has PATH_MAX bytes or more.
 * - ENOENT, EACCES and the other errors of getcwd(3): space is relative.
 */
int shmxCreateIn(const char *space,
                 const char *name,
                 long size,
                 int flags,
                 unsigned int mode,
                 void **address,
                 SharedMemory *memory);

/**
 * Like shmxStatName, in the namespace space.
 *
 * Returns the same values as shmxStatName, and the errors of space: see
 * shmxCreateIn.
 */
int shmxStatNameIn(const char *space, const char *name, struct ShmxInfo *info);

/**
 * Like shmxList, for the segments of the namespace space.
 *
 * Returns the same values as shmxList, and the errors of space: see
 * shmxCreateIn.
 */
int shmxListIn(const char *space, ShmxCallback callback, void *context);

/**
 * Like shmxRemove, in the namespace space.
 *
 * Returns the same values as shmxRemove, and the errors of space: see
 * shmxCreateIn.
 */
int shmxRemoveIn(const char *space, const char *name);

/**
 * Like shmxWait, in the namespace space.
 *
 * Returns the same values as shmxWait, and the errors of space: see
 * shmxCreateIn.
 */
int shmxWaitIn(const char *space, const char *name, long milliseconds);

/**
 * Like shmxPrune, for the segments of the namespace space.
 *
 * Returns the same values as shmxPrune, and the errors of space: see
 * shmxCreateIn.
 */
int shmxPruneIn(const char *space, long minimumAge, long *count);

/**
 * Stores information about the segment of the System V identifier id in
 * *info, like shmxStat, if it is a segment of the namespace space (see
 * shmxCreateIn): info->name is then its name. The segment need not be
 * attached.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; *info is unchanged.
 *
 * - ENOENT: no segment of this namespace has this identifier. A segment of
 *   another namespace or of another program may have it.
 * - EINVAL: info is NULL; or info->size is less than
 *   sizeof (struct ShmxInfo), or more than 65536.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
 */
int shmxStatId(const char *space, int id, struct ShmxInfo *info);

/**
 * Attaches the segment of the System V identifier id, if it is a segment of
 * the namespace space (see shmxCreateIn). No other segment is touched: if
 * another process removes the name and creates it again meanwhile, this call
 * attaches the segment that had this identifier, or none. flags is 0 or
 * SHMX_RDONLY; address and memory are as for shmCreate. shmxName returns
 * the segment's name.
 *
 * On success, returns 0. *memory is then the handle and, if address is not
 * NULL, *address is the segment's address. On error, returns one of these
 * values and sets errno to it. *memory is then NULL, and nothing else has
 * changed.
 *
 * - ENOENT: no segment of this namespace has this identifier. A segment of
 *   another namespace or of another program may have it.
 * - EINVAL: memory is NULL, or flags has bits other than SHMX_RDONLY; or
 *   something is mapped at *address.
 * - EACCES: the segment belongs to another user, and its mode does not allow
 *   reading or, unless SHMX_RDONLY is set, writing.
 * - All other errors of shmxCreateIn.
 */
int shmxAttachId(const char *space,
                 int id,
                 int flags,
                 void **address,
                 SharedMemory *memory);

/**
 * Removes the name of the segment of the System V identifier id, like
 * shmxRemove, if it is a segment of the namespace space (see shmxCreateIn).
 * No other segment is touched: another segment that gets the name meanwhile
 * keeps it.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; nothing has changed.
 *
 * - ENOENT: no segment of this namespace has this identifier. A segment of
 *   another namespace or of another program may have it.
 * - EPERM: the segment belongs to another user.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
 */
int shmxRemoveId(const char *space, int id);

/**
 * Like shmxKeep, for the segment called name in the namespace space (see
 * shmxCreateIn). The segment need not be attached.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; the segment is unchanged.
 *
 * - ENOENT: no segment has this name.
 * - EINVAL: name is NULL; or on is not 0, and the segment is transient.
 * - EPERM: the segment belongs to another user.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
 */
int shmxKeepName(const char *space, const char *name, int on);

/**
 * Like shmxSetPerm, for the segment called name in the namespace space
 * (see shmxCreateIn). The segment need not be attached.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; the segment is unchanged.
 *
 * - ENOENT: no segment has this name.
 * - EINVAL: name is NULL; or mode has bits beyond 0777; or uid or gid
 *   is not a valid ID.
 * - EPERM: the segment belongs to another user.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
 */
int shmxSetPermName(const char *space,
                    const char *name,
                    unsigned int uid,
                    unsigned int gid,
                    unsigned int mode);

/**
 * Like shmxLock, for the segment called name in the namespace space (see
 * shmxCreateIn). The segment need not be attached.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it.
 *
 * - ENOENT: no segment has this name.
 * - EINVAL: name is NULL.
 * - EPERM: the segment belongs to another user, or RLIMIT_MEMLOCK is 0.
 * - ENOMEM: the segment would exceed RLIMIT_MEMLOCK.
 * - ENOTSUP: the segment is a file.
 * - EACCES, EAGAIN, EDEADLK, ELOOP, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,
 *   ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmxCreateIn.
 */
int shmxLockName(const char *space, const char *name);

/**
 * Unlocks a segment that shmxLockName or shmxLock has locked.
 *
 * Returns the same values as shmxLockName, except that RLIMIT_MEMLOCK causes
 * no error, and that nothing has to be done for a file in a directory: the
 * call returns 0.
 */
int shmxUnlockName(const char *space, const char *name);

/**
 * Returns 1 if the call that returned this handle created the segment, and 0
 * if the segment existed. If several processes create a name at once, exactly
 * one of them gets 1, and can initialize the segment. A child of fork(2) gets
 * the same as its parent for the handles that it inherits. If memory is not
 * a valid handle, returns -1 and sets errno to EINVAL.
 */
int shmxCreated(SharedMemory memory);

/**
 * Stores the name of a segment in name, which has room for size bytes, the
 * terminating NUL included: 1001 bytes are enough for every name. If the name
 * was removed meanwhile, this is the name that the segment had.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; *name is unchanged.
 *
 * - ERANGE: the name and its terminating NUL have more than size bytes.
 * - EINVAL: memory is not a valid handle, or name is NULL.
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 */
int shmxName(SharedMemory memory, char *name, unsigned long size);

/**
 * Detaches a segment, and leaves it and its name as they are, even if no
 * process has it attached any more: it is then an orphan, as if the process
 * had died. This is meant for monitors and other readers: unlike shmDestroy,
 * it never deletes what a program that has ended left on purpose. However, a
 * transient segment does not outlive its last holder, and a hidden segment
 * that no process has attached is deleted by the next call in the namespace
 * that creates or prunes segments.
 *
 * Returns 0 on success, and if memory is NULL. On error, returns one of
 * these values and sets errno to it.
 *
 * - EINVAL: memory is not a valid handle; or the program has detached the
 *   segment itself (shmdt(2), munmap(2)): the handle is no longer valid, and
 *   whatever is mapped at its address now remains mapped.
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 *   The handle remains valid.
 * - ETIMEDOUT: another thread's shmSave or shmLoad of the same handle has not
 *   ended after 10 seconds. The handle remains valid.
 */
int shmxDetach(SharedMemory memory);

/**
 * Gives a hidden segment, created with SHMX_HIDDEN, its name: from then on,
 * other processes find it, with everything that was stored in it before. A
 * process that dies before this call leaves neither the name nor the segment.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; the segment stays as it was, and the handle remains valid.
 *
 * - EEXIST: another segment has got the name in the meantime.
 * - EINVAL: memory is not a valid handle; or the segment was not created
 *   hidden, or was published before.
 * - EIDRM: the segment was deleted by other means, such as ipcrm; or the
 *   process has moved to another IPC namespace.
 * - EACCES, EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
 */
int shmxPublish(SharedMemory memory);

/**
 * Waits until everything that was stored in a segment before this call is on
 * the disk, if the segment is a file in a directory (see NOB_DATABASE in
 * shm_util.h). Without this call, the kernel writes the bytes to the disk at
 * some time, in no particular order. SHM_UTIL_SYNC has no effect on this call.
 * Other kinds of memory end with a reboot at the latest: for those, the call
 * returns 0 at once.
 *
 * On success, returns 0. On error, returns one of these values, or another one
 * of msync(2), and sets errno to it.
 *
 * - EINVAL: memory is not a valid handle.
 * - EIO: the disk reported an error.
 * - EDEADLK: the caller is a signal handler that interrupted another call.
 */
int shmxSync(SharedMemory memory);

/**
 * Reads a file into a segment, like shmLoad, and stores in *loaded how many
 * bytes the file has and how many were read, unless loaded is NULL. The call
 * succeeds if the sizes of the file and the segment differ, and prints
 * nothing.
 *
 * The caller sets loaded->size to sizeof (struct ShmxLoaded). Members that
 * this version of the library does not know are set to 0.
 *
 * On success, returns 0. On error, returns an error of shmLoad or the
 * following value, and sets errno to it; *loaded is unchanged.
 *
 * - EINVAL: loaded->size is less than sizeof (struct ShmxLoaded), or more
 *   than 65536. The segment is unchanged.
 */
int shmxLoad(SharedMemory memory,
             const char *fileName,
             struct ShmxLoaded *loaded);

/**
 * Removes the name of a segment at once, like shmxRemove, but only if the name
 * still belongs to this segment: if another segment has the name by now, that
 * segment keeps it. This segment, kept or not, is deleted as soon as no
 * process has it attached. The handle remains valid.
 *
 * On success, returns 0. On error, returns one of these values and sets errno
 * to it; nothing has changed.
 *
 * - EIDRM: the segment has lost its name: the name, the segment or the
 *   registry was removed; or the process has moved to another IPC namespace;
 *   or the segment is hidden, and has no name yet.
 * - EINVAL: memory is not a valid handle.
 * - EPERM: the segment belongs to another user.
 * - EACCES: the process may not inspect the segment (before Linux 4.17).
 * - EDEADLK, ENOTSUP, ETIMEDOUT, EUCLEAN: as for shmCreate.
 */
int shmxRemoveSegment(SharedMemory memory);

/**
 * Returns the cause of the calling thread's last error, which is more specific
 * than its errno value, as one of the SHMX_REASON_... constants;
 * SHMX_REASON_NONE if there was no error. All functions of this header and of
 * shm_util.h set it whenever they set shmxErrorText. Later versions may return
 * further reasons.
 */
int shmxErrorReason(void);

#ifdef __cplusplus
}
#endif

#endif /* SHM_UTIL_EXT_H */
