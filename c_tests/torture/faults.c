/*
 * faults.c - every system call of the library fails in turn.
 *
 * What it proves. For each situation (a call of the library, see the table below) a first run
 * under ptrace(2) lists the system calls that the library makes. Then, for each of them and each
 * error that its man page allows (and for short reads and writes), the situation runs again with
 * that one system call replaced by the error: it is not executed, and the library gets the error
 * as its result. (close is executed, as Linux does even when it reports an error; a brk that
 * fails returns the old end.) Required:
 *
 *   - the call returns that error, or another one, which is listed, or recovers and succeeds; it
 *     never crashes or hangs;
 *   - after an error the scene is as before, after a success as after a success (see scene.h):
 *     names, segments, data, attachments, open files; handle and address are consistent;
 *   - a saved file is the whole old one or the whole new one, the new one if the save succeeded,
 *     has the right mode, and no other file is left in its directory;
 *   - a failed load has changed no byte of the segment unless an earlier read had succeeded;
 *   - the same call, repeated by the same process without a fault, works.
 *
 * Each fault is tried twice: first the process ends after the call, then it repeats the call. Of
 * the second thread of a large load only its creation fails. The full form also tries errors that
 * last: the next 300 system calls of that kind fail, too. Of a long row of system calls of one
 * kind, the full form tries each; the quick form tries two at each end and one in eight of the
 * others.
 *
 * Known exceptions.
 *
 *   - The library cannot doubt some errors: that a segment is gone (IPC_STAT: EIDRM, EINVAL;
 *     shmget: ENOENT, EINVAL) or another user's (EACCES), that a thread is gone (tkill: ESRCH),
 *     that a file does not exist (open, statx: ENOENT), exists (linkat, renameat2: EEXIST), is
 *     locked (fcntl: EAGAIN, EACCES), is a directory (open: EISDIR), or is (open: ELOOP) or is not
 *     a symbolic link (readlink: EINVAL, ENOENT). The consequences of believing them are allowed;
 *     but the call must not crash or hang, the next process must be able to use the name, and a
 *     saved file must be complete. These count as "believed".
 *   - Registries that other processes left behind are removed as far as no call fails. Those that
 *     are left count as "left".
 *   - If the removal itself fails (IPC_RMID, unlink), what should have been removed may be left.
 *     This counts as "left".
 *   - If shmxPrune fails, some segments may have been deleted.
 *   - If a name was published or removed, and the disk then reports an error, the call fails, but
 *     the name stays published or removed.
 *   - If shmdt, or munmap of a file, fails, the attachment lasts until the process ends.
 *   - A failed allocation (brk, mmap) aborts a Rust program that is not prepared for it. This
 *     counts as "alloc", and the scene must be as intact as after a kill.
 *
 * In the situations "...-while-locked" another process is stopped inside the library while it
 * holds the lock. It continues, or is killed, when the traced process begins to wait for the
 * lock. In the situations "attach-while-locked" and "detach-while-locked", the call must not wait
 * for it unless a system call fails. In all others it must: the holder's own call must not fail.
 * In the situations that begin with "dir", the namespace is a directory in memory. Those with
 * "named" have no nameless files (O_TMPFILE) there. In those with "disk", it is on the disk of
 * TMPDIR, and in the quick form, only system calls that wait for the disk fail. A directory
 * has no common lock: the stopped process deletes the victim or, where the call must not wait for
 * it, another name. No file and no mapping may be left by a failed call.
 *
 * In the situations that begin with "pid", "user", "both", "each" or "above", the traced process or
 * the others are in PID or user namespaces of their own, as in killpoints.
 */
#include "scene.h"

#include <sys/statfs.h>

#ifdef KNOWS_PROCESSOR

/* ---- the errors of each call ------------------------------------------------------------ */

enum { SHORT_HALF = 10001, SHORT_ONE = 10002 };

/* What is allowed to happen after a failure. */
enum kind { ORDINARY, NEVER_FAILS, ALLOCATION, EXECUTED };

struct call_type {
    long number;
    const char *name;
    enum kind kind;
    int error[16];
};

#define OPEN_ERRORS                                                                           \
    {                                                                                         \
        EACCES, EINTR, ELOOP, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, EROFS, EDQUOT,          \
            EOPNOTSUPP, EISDIR, EPERM                                                         \
    }
#define WRITE_ERRORS                                                                          \
    {                                                                                         \
        EINTR, EAGAIN, EIO, ENOSPC, EDQUOT, EFBIG, SHORT_HALF, SHORT_ONE                      \
    }
#define READ_ERRORS                                                                           \
    {                                                                                         \
        EINTR, EAGAIN, EIO, EISDIR, SHORT_HALF, SHORT_ONE                                     \
    }
#define SYNC_ERRORS                                                                           \
    {                                                                                         \
        EIO, ENOSPC, EDQUOT, EINTR, EINVAL, EROFS                                             \
    }
#define STAT_ERRORS                                                                           \
    {                                                                                         \
        EACCES, ENOENT, ENOMEM, EOVERFLOW, ELOOP                                              \
    }
#define RENAME_ERRORS                                                                         \
    {                                                                                         \
        EACCES, EBUSY, EDQUOT, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EXDEV, EIO, EINVAL       \
    }
#define LINK_ERRORS                                                                           \
    {                                                                                         \
        EACCES, EDQUOT, EEXIST, EIO, EMLINK, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EXDEV      \
    }
#define UNLINK_ERRORS                                                                         \
    {                                                                                         \
        EACCES, EBUSY, EIO, ENOENT, ENOMEM, EPERM, EROFS                                      \
    }
#define READLINK_ERRORS                                                                       \
    {                                                                                         \
        EACCES, EINVAL, EIO, ELOOP, ENOENT, ENOMEM                                            \
    }
#define MODE_ERRORS                                                                           \
    {                                                                                         \
        EPERM, EIO, EROFS, EINVAL                                                             \
    }

static const struct call_type call_types[] = {
    { SYS_shmget,
      "shmget",
      ORDINARY,
      { EACCES, EEXIST, EINVAL, ENFILE, ENOENT, ENOMEM, ENOSPC, EPERM } },
    { SYS_shmat, "shmat", ORDINARY, { EACCES, EIDRM, EINVAL, ENOMEM } },
    { SYS_shmctl, "shmctl", ORDINARY, { EACCES, EFAULT, EIDRM, EINVAL, EPERM, EOVERFLOW } },
    { SYS_shmdt, "shmdt", ORDINARY, { EINVAL } },
    { SYS_futex, "futex", ORDINARY, { EAGAIN, EINTR, ETIMEDOUT, EINVAL } },
    { SYS_open, "open", ORDINARY, OPEN_ERRORS },
    { SYS_openat, "openat", ORDINARY, OPEN_ERRORS },
    { SYS_creat, "creat", ORDINARY, OPEN_ERRORS },
    { SYS_write, "write", ORDINARY, WRITE_ERRORS },
    { SYS_pwrite64, "pwrite", ORDINARY, WRITE_ERRORS },
    { SYS_writev, "writev", ORDINARY, { EINTR, EAGAIN, EIO, ENOSPC, EDQUOT, EFBIG } },
    { SYS_read, "read", ORDINARY, READ_ERRORS },
    { SYS_pread64, "pread", ORDINARY, READ_ERRORS },
    { SYS_copy_file_range, "copy_file_range", ORDINARY, { EIO, EINVAL, ENOSPC, EXDEV } },
    { SYS_sendfile, "sendfile", ORDINARY, { EIO, EINVAL, ENOMEM } },
    { SYS_lseek, "lseek", ORDINARY, { EINVAL, ESPIPE } },
    { SYS_msync, "msync", ORDINARY, { EBUSY, EIO, ENOMEM, ENOSPC } },
    { SYS_mincore, "mincore", ORDINARY, { EAGAIN, ENOMEM, ENOSYS } },
    { SYS_clone3, "clone3", ORDINARY, { EAGAIN, ENOMEM, ENOSYS, EPERM } },
    { SYS_clone, "clone", ORDINARY, { EAGAIN, ENOMEM, EPERM } },
    { SYS_fsync, "fsync", ORDINARY, SYNC_ERRORS },
    { SYS_fdatasync, "fdatasync", ORDINARY, SYNC_ERRORS },
    { SYS_syncfs, "syncfs", ORDINARY, SYNC_ERRORS },
    { SYS_sync_file_range, "sync_file_range", ORDINARY, SYNC_ERRORS },
    { SYS_stat, "stat", ORDINARY, STAT_ERRORS },
    { SYS_lstat, "lstat", ORDINARY, STAT_ERRORS },
    { SYS_fstat, "fstat", ORDINARY, STAT_ERRORS },
    { SYS_newfstatat, "fstatat", ORDINARY, STAT_ERRORS },
    { SYS_statx, "statx", ORDINARY, { EACCES, ENOENT, ENOMEM, ELOOP, ENOSYS } },
    { SYS_access, "access", ORDINARY, { EACCES, ENOENT, EROFS, EIO } },
    { SYS_faccessat, "faccessat", ORDINARY, { EACCES, ENOENT, EROFS, EIO } },
    { SYS_faccessat2, "faccessat2", ORDINARY, { EACCES, ENOENT, EROFS, EIO, ENOSYS } },
    { SYS_ftruncate, "ftruncate", ORDINARY, { EINTR, EFBIG, EIO, EPERM, EROFS, EINVAL } },
    { SYS_fallocate,
      "fallocate",
      ORDINARY,
      { EINTR, EIO, ENOSPC, EDQUOT, EOPNOTSUPP, EFBIG, ENOSYS, EPERM } },
    { SYS_fadvise64, "fadvise", ORDINARY, { EINVAL, ESPIPE } },
    { SYS_fchmod, "fchmod", ORDINARY, MODE_ERRORS },
    { SYS_chmod, "chmod", ORDINARY, MODE_ERRORS },
    { SYS_fchmodat, "fchmodat", ORDINARY, MODE_ERRORS },
    { SYS_fchown, "fchown", ORDINARY, MODE_ERRORS },
    { SYS_fchownat, "fchownat", ORDINARY, MODE_ERRORS },
    { SYS_chown, "chown", ORDINARY, MODE_ERRORS },
    { SYS_fgetxattr, "fgetxattr", ORDINARY, { ENODATA, EOPNOTSUPP, ERANGE } },
    { SYS_fsetxattr, "fsetxattr", ORDINARY, { ENOSPC, EOPNOTSUPP, EPERM, EDQUOT } },
    { SYS_flistxattr, "flistxattr", ORDINARY, { E2BIG, EOPNOTSUPP, ERANGE } },
    { SYS_rename, "rename", ORDINARY, RENAME_ERRORS },
    { SYS_renameat, "renameat", ORDINARY, RENAME_ERRORS },
    { SYS_renameat2,
      "renameat2",
      ORDINARY,
      { EACCES, EBUSY, EDQUOT, EEXIST, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, EXDEV, EIO, EINVAL,
        ENOSYS } },
    { SYS_link, "link", ORDINARY, LINK_ERRORS },
    { SYS_linkat, "linkat", ORDINARY, LINK_ERRORS },
    { SYS_unlink, "unlink", ORDINARY, UNLINK_ERRORS },
    { SYS_unlinkat, "unlinkat", ORDINARY, UNLINK_ERRORS },
    { SYS_readlink, "readlink", ORDINARY, READLINK_ERRORS },
    { SYS_readlinkat, "readlinkat", ORDINARY, READLINK_ERRORS },
    { SYS_getcwd, "getcwd", ORDINARY, { EACCES, ENOENT, ENOMEM, ERANGE } },
    { SYS_close, "close", EXECUTED, { EIO, EINTR, EDQUOT, ENOSPC } },
    { SYS_dup, "dup", ORDINARY, { EMFILE, EINTR } },
    { SYS_fcntl, "fcntl", ORDINARY, { EACCES, EAGAIN, EINTR, EINVAL, EMFILE, ENOLCK } },
    { SYS_fstatfs, "fstatfs", ORDINARY, { EINTR, EIO, ENOMEM, ENOSYS, EPERM } },
    { SYS_getdents64, "getdents64", ORDINARY, { EIO, ENOENT, ENOMEM, EPERM } },
    { SYS_inotify_init1, "inotify_init1", ORDINARY, { EMFILE, ENFILE, ENOMEM, ENOSYS } },
    { SYS_inotify_add_watch,
      "inotify_add_watch",
      ORDINARY,
      { EACCES, ENOENT, ENOMEM, ENOSPC, ENOTDIR } },
    { SYS_flock, "flock", ORDINARY, { EINTR, ENOLCK, EWOULDBLOCK } },
    { SYS_getrandom, "getrandom", ORDINARY, { EINTR, ENOSYS } },
    { SYS_get_robust_list, "get_robust_list", ORDINARY, { EPERM, ESRCH, ENOSYS } },
    { SYS_set_robust_list, "set_robust_list", ORDINARY, { EINVAL, ENOSYS } },
    { SYS_rt_sigprocmask, "rt_sigprocmask", ORDINARY, { EINVAL } },
    { SYS_rt_sigaction, "rt_sigaction", ORDINARY, { EINVAL } },
    { SYS_sigaltstack, "sigaltstack", ORDINARY, { ENOMEM, EPERM } },
    { SYS_prctl, "prctl", ORDINARY, { EINVAL, EPERM } },
    { SYS_getgroups, "getgroups", ORDINARY, { EINVAL, EPERM } },
    { SYS_prlimit64, "prlimit", ORDINARY, { EINVAL, EPERM } },
    { SYS_getrlimit, "getrlimit", ORDINARY, { EINVAL, EPERM } },
    { SYS_sysinfo, "sysinfo", ORDINARY, { EFAULT } },
    { SYS_sched_getaffinity, "sched_getaffinity", ORDINARY, { EINVAL } },
    { SYS_clock_gettime, "clock_gettime", ORDINARY, { EINVAL } },
    { SYS_nanosleep, "nanosleep", ORDINARY, { EINTR } },
    { SYS_clock_nanosleep, "clock_nanosleep", ORDINARY, { EINTR } },
    { SYS_poll, "poll", ORDINARY, { EINTR, ENOMEM } },
    { SYS_ioctl, "ioctl", ORDINARY, { ENOTTY, EINVAL } },
    { SYS_kill, "kill", ORDINARY, { EPERM, ESRCH } },
    { SYS_tkill, "tkill", ORDINARY, { EAGAIN, EINVAL, EPERM, ESRCH } },
    { SYS_sched_getscheduler, "sched_getscheduler", ORDINARY, { EINVAL, EPERM, ESRCH } },
    { SYS_mmap, "mmap", ALLOCATION, { ENOMEM, EAGAIN, EACCES, ENFILE, ENODEV, EPERM } },
    { SYS_mremap, "mremap", ALLOCATION, { ENOMEM } },
    { SYS_mprotect, "mprotect", ALLOCATION, { ENOMEM } },
    { SYS_brk, "brk", ALLOCATION, { ENOMEM } },
    { SYS_munmap, "munmap", ORDINARY, { EINVAL, ENOMEM } },
    { SYS_madvise, "madvise", ORDINARY, { EINVAL, ENOMEM, EAGAIN } },
    { SYS_mlock, "mlock", ORDINARY, { ENOMEM, EPERM, EAGAIN } },
    { SYS_getpid, "getpid", NEVER_FAILS, { 0 } },
    { SYS_gettid, "gettid", NEVER_FAILS, { 0 } },
    { SYS_getuid, "getuid", NEVER_FAILS, { 0 } },
    { SYS_geteuid, "geteuid", NEVER_FAILS, { 0 } },
    { SYS_getgid, "getgid", NEVER_FAILS, { 0 } },
    { SYS_getegid, "getegid", NEVER_FAILS, { 0 } },
    { SYS_getppid, "getppid", NEVER_FAILS, { 0 } },
    { SYS_umask, "umask", NEVER_FAILS, { 0 } },
    { SYS_sched_yield, "sched_yield", NEVER_FAILS, { 0 } },
    { SYS_exit_group, "exit_group", NEVER_FAILS, { 0 } },
    { SYS_exit, "exit", NEVER_FAILS, { 0 } },
};

/* Of a call that is not in the table. */
static const struct call_type unknown_call = {
    -1, "unknown", ORDINARY, { EINVAL, EPERM, ENOSYS }
};

static const struct call_type *type_of (long number)
{
    size_t i;

    for (i = 0; i < sizeof call_types / sizeof call_types[0]; i++)
        if (call_types[i].number == number)
            return &call_types[i];
    return &unknown_call;
}

static const char *fault_name (int error)
{
    switch (error) {
    case SHORT_HALF:
        return "half of it";
    case SHORT_ONE:
        return "one byte";
#define NAME(e)                                                                               \
    case e:                                                                                   \
        return #e
        NAME (E2BIG);
        NAME (EACCES);
        NAME (EAGAIN);
        NAME (EBUSY);
        NAME (EDQUOT);
        NAME (EEXIST);
        NAME (EFAULT);
        NAME (EFBIG);
        NAME (EIDRM);
        NAME (EINTR);
        NAME (EINVAL);
        NAME (EIO);
        NAME (EISDIR);
        NAME (ELOOP);
        NAME (EMFILE);
        NAME (EMLINK);
        NAME (ENFILE);
        NAME (ENODATA);
        NAME (ENODEV);
        NAME (ENOENT);
        NAME (ENOLCK);
        NAME (ENOMEM);
        NAME (ENOSPC);
        NAME (ENOSYS);
        NAME (ENOTTY);
        NAME (EOPNOTSUPP);
        NAME (EOVERFLOW);
        NAME (EPERM);
        NAME (ERANGE);
        NAME (EROFS);
        NAME (ESPIPE);
        NAME (ESRCH);
        NAME (ETIMEDOUT);
        NAME (EXDEV);
        NAME (ENOTSOCK);
        NAME (EBADF);
        NAME (ENOTDIR);
        NAME (ENAMETOOLONG);
        NAME (EPROTO);
#undef NAME
    default:
        return strerror (error);
    }
}

/* ---- situations ------------------------------------------------------------------------- */

enum data { NOT_LOADED, OLD_DATA, NEW_DATA, MIXED_DATA };

/* What the traced process reports after the call. */
struct outcome {
    bool returned; /* from the call */
    bool finished; /* all that follows is valid */
    int status, error;
    bool handle, address_changed;
    char wrong[200]; /* with the handle or address */
    int files_before, files_after;
    long attached_before, attached_after; /* to the holder's segment */
    enum data data;
    int again; /* status of the second call, or -1 */
};

static struct outcome *outcome; /* shared with the traced process */
static void *address_given;
static char directory[PATH_SIZE], link_directory[PATH_SIZE];
static char saved_file[PATH_SIZE + 10], link_file[PATH_SIZE + 10];
static char loaded_file[PATH_SIZE + 10], pipe_file[PATH_SIZE + 10];
static int held_id;

static void prepare_pipe (void)
{
    static unsigned char data[VICTIM_SIZE];
    int ends[2];

    prepare_own ();
    fill_pattern (data, VICTIM_SIZE, OLD_PATTERN);
    if (pipe (ends) != 0 || write (ends[1], data, VICTIM_SIZE) != VICTIM_SIZE)
        must (errno, "pipe");
    close (ends[1]);
    snprintf (pipe_file, sizeof pipe_file, "/dev/fd/%d", ends[0]);
}

/* A named pipe for this test: a fault may make the library take it for a new file. */
static void prepare_pipe_to (void)
{
    prepare_attached ();
    snprintf (pipe_file, sizeof pipe_file, "%s/pipe", link_directory);
    unlink (pipe_file);
    if (mkfifo (pipe_file, 0600) != 0
        || open (pipe_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC) < 0)
        must (errno, "mkfifo");
}

/* Data, zeros, data: large enough for holes and a second thread. The segment is deleted with its
 * process, however that ends, so that the name has none then. */
enum { LARGE_SIZE = (3 << 20) + 5000, LARGE_PART = 1 << 20, LARGE_PATTERN = 33 };

static void fill_large (unsigned char *data, unsigned pattern)
{
    fill_pattern (data, LARGE_PART, pattern);
    fill_pattern (data + 2 * LARGE_PART, LARGE_SIZE - 2 * LARGE_PART, pattern + 1);
}

static bool is_large (const unsigned char *data, unsigned pattern)
{
    static const unsigned char zeros[LARGE_PART];

    return wrong_byte (data, LARGE_PART, pattern) < 0
           && memcmp (data + LARGE_PART, zeros, LARGE_PART) == 0
           && wrong_byte (data + 2 * LARGE_PART, LARGE_SIZE - 2 * LARGE_PART, pattern + 1) < 0;
}

static void prepare_large (void)
{
    must (shmCreate ("torture/large", LARGE_SIZE, &address, &memory), "create");
    must (shmctl (shmId (memory), IPC_RMID, NULL) == 0 ? 0 : errno, "remove");
    fill_large (address, LARGE_PATTERN);
}

static void prepare_large_no_wait (void)
{
    setenv ("SHM_UTIL_SYNC", "0", 1);
    prepare_large ();
}

/* On one processor there is no second thread, which would do most of the work untraced. */
static void prepare_large_alone (void)
{
    cpu_set_t one;

    CPU_ZERO (&one);
    CPU_SET (sched_getcpu (), &one);
    must (sched_setaffinity (0, sizeof one, &one) == 0 ? 0 : errno, "sched_setaffinity");
    prepare_large ();
}

static void write_large_file (const char *path)
{
    unsigned char *data = calloc (1, LARGE_SIZE);
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, OLD_MODE);

    fill_large (data, OLD_PATTERN);
    if (fd < 0 || write (fd, data, LARGE_PART) != LARGE_PART
        || pwrite (fd, data + 2 * LARGE_PART, LARGE_SIZE - 2 * LARGE_PART, 2 * LARGE_PART)
               != LARGE_SIZE - 2 * LARGE_PART)
        give_up ("write %s", path);
    close (fd);
    free (data);
}

static bool is_large_file (const char *path)
{
    unsigned char *data = malloc (LARGE_SIZE + 1);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read (fd, data, LARGE_SIZE + 1) == LARGE_SIZE
              && is_large (data, LARGE_PATTERN);

    if (fd >= 0)
        close (fd);
    free (data);
    return is;
}

static int call_save (void)
{
    return shmSave (memory, saved_file);
}

static int call_save_link (void)
{
    return shmSave (memory, link_file);
}

static int call_save_pipe (void)
{
    return shmSave (memory, pipe_file);
}

static int call_load (void)
{
    return shmLoad (memory, loaded_file);
}

static int call_load_pipe (void)
{
    return shmLoad (memory, pipe_file);
}

static int call_queries (void)
{
    return shmAddress (memory) == address && (shmId (memory) >= 0) == !in_directory ()
                   && shmSizeOf (memory) == VICTIM_SIZE
               ? 0
               : EPROTO;
}

enum what { CREATES, DESTROYS, SAVES, LOADS, EXITS, ASKS };

/* Another process that holds a lock: that of the registry or, in a directory, that of the file of
 * its own name, which it deletes. Its name is the victim, or another one if the call must not wait
 * for it. */
enum rival {
    NO_RIVAL,
    RIVAL_GOES_ON,
    RIVAL_GOES_ON_LATE,              /* after the call has looked at the lock's holder */
    RIVAL_DIES,
    RIVAL_VANISHES,                  /* dies, and the kernel does not release the lock */
    RIVAL_IS_NO_HINDRANCE            /* without a fault, the call does not wait for it */
};

struct situation {
    const char *name;
    enum what what;
    bool others, held;
    void (*prepare) (void);
    int (*call) (void);
    int status;                  /* without a fault */
    enum presence before, after; /* is the name there? */
    unsigned before_pattern, pattern;  /* and what is in it */
    enum file_state file;        /* what a save finds: W_NEW_FILE: none yet */
    enum rival rival;
    enum setting setting;
    enum places places;          /* the rival is in the namespaces of the checks */
};

static const struct situation situations[] = {
    { "create-first", CREATES, false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "create-no-such-first", CREATES, false, false, prepare_nothing, call_attach, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "create-new", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "create-new-again", CREATES, true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "create-existing", CREATES, true, true, prepare_nothing, call_create, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "attach-existing", CREATES, true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "create-left-alone", CREATES, true, false, prepare_orphan, call_create, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "create-while-locked", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_GOES_ON, USUAL, TOGETHER },
    { "create-locker-dies", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_DIES, USUAL, TOGETHER },
    { "destroy-not-last", DESTROYS, true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "destroy-last", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "destroy-only", DESTROYS, false, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "destroy-while-locked", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, RIVAL_GOES_ON, USUAL, TOGETHER },
    { "save-new", SAVES, true, true, prepare_attached, call_save, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NEW_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "save-over", SAVES, true, true, prepare_attached, call_save, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, OLD_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "save-through-link", SAVES, true, true, prepare_attached, call_save_link, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, OLD_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "save-to-pipe", SAVES, true, true, prepare_pipe_to, call_save_pipe, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "load", LOADS, true, false, prepare_own, call_load, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "load-from-pipe", LOADS, true, false, prepare_pipe, call_load_pipe, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "save-large-new", SAVES, true, true, prepare_large, call_save, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NEW_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "save-large", SAVES, true, true, prepare_large, call_save, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, OLD_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "save-large-no-wait", SAVES, true, true, prepare_large_no_wait, call_save, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, OLD_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "load-large", LOADS, true, true, prepare_large, call_load, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "load-large-alone", LOADS, true, true, prepare_large_alone, call_load, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "queries", ASKS, true, false, prepare_own, call_queries, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "exit-after-use", EXITS, false, false, prepare_warm, call_exit, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "exit-with-name", EXITS, true, false, prepare_own, call_exit, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "attach-while-locked", CREATES, true, true, prepare_nothing, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, RIVAL_IS_NO_HINDRANCE,
      USUAL, TOGETHER },
    { "detach-while-locked", DESTROYS, true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, RIVAL_IS_NO_HINDRANCE,
      USUAL, TOGETHER },
    { "takeover-create-new", CREATES, true, false, prepare_removed, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, REMOVED_REGISTRY, TOGETHER },
    { "takeover-attach", CREATES, true, true, prepare_removed, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-destroy", DESTROYS, true, false, prepare_own_removed, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, REMOVED_REGISTRY, TOGETHER },
    { "takeover-exit", EXITS, true, false, prepare_own_removed, call_exit, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL,
      REMOVED_REGISTRY, TOGETHER },
    { "sweep-first", CREATES, false, false, prepare_left_behind, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "transient-create-new", CREATES, true, false, prepare_nothing, call_create_transient, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "transient-create-existing", CREATES, true, true, prepare_nothing, call_create_transient, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "transient-attach", CREATES, true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL,
      TRANSIENT_VICTIM, TOGETHER },
    { "transient-destroy-last", DESTROYS, true, false, prepare_own_transient, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "transient-destroy-not-last", DESTROYS, true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL,
      TRANSIENT_VICTIM, TOGETHER },
    { "hidden-create", CREATES, true, false, prepare_nothing, call_create_hidden, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "hidden-publish", ASKS, true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "hidden-destroy", DESTROYS, true, false, prepare_own_hidden, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "hidden-recover", CREATES, true, false, prepare_dead_hidden, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, TOGETHER },
    { "small-create-first", CREATES, false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, SMALL_REGISTRY, TOGETHER },
    { "long-create-new", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, LONG_NAME, TOGETHER },
    { "long-destroy-last", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, LONG_NAME, TOGETHER },
    { "create-locker-vanishes", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_VANISHES, USUAL, TOGETHER },
    { "user-create-new", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, USUAL, MISHAP_IN_USER },
    { "pid-destroy-last", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, USUAL, MISHAP_IN_PID },
    { "pid-attach", CREATES, true, true, prepare_nothing, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, USUAL, EACH_IN_PID },
    { "pid-create-while-locked", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_GOES_ON_LATE, USUAL, MISHAP_IN_PID },
    { "each-create-while-locked", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_GOES_ON_LATE, USUAL, EACH_IN_PID },
    { "both-create-locker-dies", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_DIES, USUAL, MISHAP_IN_BOTH },
    { "above-create-locker-dies", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_DIES, USUAL, CHECK_IN_PID },
    { "dir-create-first", CREATES, false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-create-new", CREATES, true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-create-no-such", CREATES, true, false, prepare_warm, call_attach, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-create-existing", CREATES, true, true, prepare_nothing, call_create, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-create-left-alone", CREATES, true, false, prepare_orphan, call_create, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-attach", CREATES, true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-attach-read-only", CREATES, true, true, prepare_warm, call_attach_read_only, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-create-while-deleted", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, RIVAL_GOES_ON, IN_DIRECTORY, TOGETHER },
    { "dir-create-deleter-dies", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, RIVAL_DIES, IN_DIRECTORY,
      TOGETHER },
    { "dir-attach-while-locked", CREATES, true, true, prepare_nothing, call_attach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, RIVAL_IS_NO_HINDRANCE,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-while-locked", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, RIVAL_IS_NO_HINDRANCE, IN_DIRECTORY,
      TOGETHER },
    { "dir-destroy-not-last", DESTROYS, true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-destroy-last", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-detach", DESTROYS, true, true, prepare_attached, call_detach, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-keep-no-more", ASKS, true, false, prepare_own_kept, call_keep_no_more, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-set-permissions", ASKS, true, false, prepare_own, call_set_permissions, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-remove", ASKS, true, false, prepare_orphan, call_remove, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-remove-by-handle", ASKS, true, false, prepare_own, call_remove_segment, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-hidden-create", CREATES, true, false, prepare_nothing, call_create_hidden, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-hidden-publish", ASKS, true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-hidden-destroy", DESTROYS, true, false, prepare_own_hidden, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-prune", ASKS, false, false, prepare_orphan, call_prune, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-list", ASKS, false, true, prepare_warm, call_list, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-stat", ASKS, true, true, prepare_warm, call_stat, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-wait", ASKS, true, true, prepare_warm, call_wait, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-wait-for-no-such", ASKS, true, false, prepare_warm, call_wait, ETIMEDOUT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, IN_DIRECTORY, TOGETHER },
    { "dir-sync", ASKS, true, true, prepare_attached, call_sync, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-queries", ASKS, true, false, prepare_own, call_queries, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-exit-with-name", EXITS, true, false, prepare_own, call_exit, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-save-over", SAVES, true, true, prepare_attached, call_save, 0,
      MUST_EXIST, MUST_EXIST, HELD_PATTERN, HELD_PATTERN, OLD_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "dir-load", LOADS, true, false, prepare_own, call_load, 0,
      MUST_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, IN_DIRECTORY,
      TOGETHER },
    { "named-create-new", CREATES, true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, WITHOUT_NAMELESS, TOGETHER },
    { "named-create-sweeps", CREATES, true, false, prepare_dead_hidden, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, WITHOUT_NAMELESS, TOGETHER },
    { "named-hidden-publish", ASKS, true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, WITHOUT_NAMELESS,
      TOGETHER },
    { "named-hidden-destroy", DESTROYS, true, false, prepare_own_hidden, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, 0, 0, NO_FILE, NO_RIVAL, WITHOUT_NAMELESS, TOGETHER },
    { "disk-create-new", CREATES, true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MUST_EXIST, 0, 0, NO_FILE, NO_RIVAL, ON_DISK, TOGETHER },
    { "disk-hidden-publish", ASKS, true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MUST_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, ON_DISK, TOGETHER },
    { "disk-destroy-last", DESTROYS, true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, 0, NO_FILE, NO_RIVAL, ON_DISK, TOGETHER },
    { "disk-remove", ASKS, true, false, prepare_orphan, call_remove, 0,
      MUST_EXIST, MUST_NOT_EXIST, OWN_PATTERN, OWN_PATTERN, NO_FILE, NO_RIVAL, ON_DISK, TOGETHER },
};

static bool has_large (const struct situation *s)
{
    return s->prepare == prepare_large || s->prepare == prepare_large_no_wait
           || s->prepare == prepare_large_alone;
}

enum { SITUATIONS = sizeof situations / sizeof situations[0] };

/* ---- the traced process ----------------------------------------------------------------- */

static int count_files (void)
{
    DIR *entries = opendir ("/proc/self/fd");
    int count = 0;

    while (entries != NULL && readdir (entries) != NULL)
        count++;
    if (entries != NULL)
        closedir (entries);
    return count;
}

/* How often the holder's segment is attached; in a directory, how many mappings this process has of
 * files there, with or without a name. */
static long count_attached (void)
{
    struct shmid_ds segment;

    if (in_directory ())
        return count_mappings ();
    return held_id >= 0 && shmctl (held_id, IPC_STAT, &segment) == 0
               ? (long) segment.shm_nattch
               : -1;
}

/* After shmCreate, handle and address must agree with the status. */
static void check_created (int status)
{
    struct shmid_ds segment;

    if (status != 0) {
        if (memory != NULL)
            snprintf (outcome->wrong, sizeof outcome->wrong, "an error, yet a handle");
        else if (address != address_given)
            snprintf (outcome->wrong, sizeof outcome->wrong, "an error, yet an address");
    } else if (memory == NULL || address == NULL || shmAddress (memory) != address) {
        snprintf (outcome->wrong, sizeof outcome->wrong, "success without handle or address");
    } else if ((in_directory () ? segment_of (memory) < 0
                                : shmctl (shmId (memory), IPC_STAT, &segment) != 0)
               || shmSizeOf (memory) != VICTIM_SIZE) {
        snprintf (outcome->wrong, sizeof outcome->wrong, "success without segment or size");
    }
}

static void check_loaded (bool large)
{
    bool is_old = large ? is_large (address, LARGE_PATTERN)
                        : wrong_byte (address, VICTIM_SIZE, OWN_PATTERN) < 0;
    bool is_new = large ? is_large (address, OLD_PATTERN)
                        : wrong_byte (address, VICTIM_SIZE, OLD_PATTERN) < 0;

    outcome->data = is_old ? OLD_DATA : is_new ? NEW_DATA : MIXED_DATA;
}

__attribute__ ((noinline)) static int marked_call (int (*call) (void))
{
    int status;

    __asm__ volatile(TRAP ::: "memory");
    status = call ();
    __asm__ volatile(TRAP ::: "memory");
    return status;
}

__attribute__ ((noreturn)) static void be_traced (const struct situation *s, bool again)
{
    s->prepare ();
    ptrace (PTRACE_TRACEME, 0, NULL, NULL);
    address_given = address;
    outcome->files_before = count_files ();
    outcome->attached_before = count_attached ();
    errno = 12345;
    outcome->status = marked_call (s->call);
    outcome->error = errno;
    outcome->returned = true;
    outcome->files_after = count_files ();
    outcome->attached_after = count_attached ();
    if (s->what == CREATES)
        check_created (outcome->status);
    if (s->what == LOADS) {
        check_loaded (has_large (s));
        if (!has_large (s))
            fill_pattern (address, VICTIM_SIZE, OWN_PATTERN);
    }
    outcome->again = -1;
    if (again && outcome->status != s->status) {
        outcome->again = s->call ();
        if (s->what == CREATES)
            check_created (outcome->again);
        if (s->what == LOADS) {
            if (outcome->again == 0)
                check_loaded (has_large (s));
            if (!has_large (s))
                fill_pattern (address, VICTIM_SIZE, OWN_PATTERN);
        }
    }
    outcome->finished = true;
    _exit (0);
}

/* Another process that creates and destroys a name, and is stopped while it holds the lock. */
__attribute__ ((noreturn)) static void be_rival (enum rival how)
{
    bool is_victim = in_directory () && how != RIVAL_IS_NO_HINDRANCE;
    long size = is_victim ? VICTIM_SIZE : 12345;

    ptrace (PTRACE_TRACEME, 0, NULL, NULL);
    __asm__ volatile(TRAP ::: "memory");
    if (shmCreate (is_victim ? victim_name : "torture/rival", size, &address, &memory) != 0)
        _exit (1);
    if (is_victim)
        fill_pattern (address, VICTIM_SIZE, OWN_PATTERN);
    _exit (shmDestroy (memory) != 0);
}

/* ---- tracing ---------------------------------------------------------------------------- */

struct call_seen {
    long number;
    uint64_t argument[4];
    bool finds;                  /* a look at an index has found a segment */
};

/* Which system call of the traced process is to fail. Calls are told apart by their number and,
 * where one number does many things, by what they do: that also works where other calls come and
 * go from run to run. */
struct fault {
    struct call_seen like; /* a call of this kind; none if its number is -1 */
    int turn;              /* the one of them, from 1 */
    int error;
    bool lasting; /* all later calls of that number too */
};

/* Whether it is an mmap(2) of a file. */
static bool maps_file (const struct call_seen *call)
{
    return call->number == SYS_mmap && (call->argument[3] & MAP_ANONYMOUS) == 0;
}

enum call_end { CALL_RETURNED, CALL_EXITED, CALL_ABORTED, CALL_CRASHED, CALL_HUNG };

enum { CALLS_MAX = 300, SPELL = 300 };

struct run {
    enum call_end end;
    int signal;
    int calls;
    struct call_seen call[CALLS_MAX];
    int injected;            /* how often */
    struct call_seen victim; /* the first call that failed */
    int reads_before;        /* reads that succeeded before the fault */
    int waits;               /* how often the call seems to have waited for the rival */
    bool overtook;           /* the call took the lock while the rival held it */
    bool hurt_rival;         /* the rival's own call failed */
};

static bool same_kind (const struct call_seen *one, const struct call_seen *other)
{
    if (one->number != other->number)
        return false;
    if (one->number == SYS_shmctl)
        return (one->argument[1] & 0xff) == (other->argument[1] & 0xff)
               && one->finds == other->finds;
    if (one->number == SYS_shmget)
        return (one->argument[2] & IPC_CREAT) == (other->argument[2] & IPC_CREAT);
    if (one->number == SYS_fcntl || one->number == SYS_futex)
        return one->argument[1] == other->argument[1];
    if (one->number == SYS_mmap)
        return maps_file (one) == maps_file (other);
    return true;
}

/* To list segments, the library looks at all indexes. Most are empty, and their number depends
 * on the number of segments that existed before. */
static bool is_look_at_index (const struct call_seen *call)
{
    int command = (int) (call->argument[1] & 0xff);

    return call->number == SYS_shmctl && (command == SHM_STAT || command == SHM_STAT_ANY);
}

static bool finds_segment (const struct call_seen *call)
{
    struct shmid_ds ds;

    return is_look_at_index (call) && shmctl ((int) call->argument[0], SHM_STAT, &ds) >= 0;
}

static volatile pid_t watched_process;
static volatile bool was_too_slow;

static void too_slow (int signal_number)
{
    (void) signal_number;
    was_too_slow = true;
    if (watched_process > 0)
        kill (watched_process, SIGKILL);
}

static pid_t stop_at_marker (pid_t child)
{
    int status;

    wait_for_end (child, &status);
    if (!WIFSTOPPED (status) || WSTOPSIG (status) != SIGTRAP)
        give_up ("a process did not get to its call, status %#x", status);
    ptrace (PTRACE_SETOPTIONS, child, NULL,
            (void *) (PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD));
    pass_trap (child);
    return child;
}

/* Whether the rival holds the lock after this system call: it has made a segment with shmget, or
 * locked a file exclusively. */
static bool is_locked (pid_t rival)
{
    registers r;
    struct system_call call;
    long type;

    get_registers (rival, &r);
    call = call_in (&r);
    if (!in_directory ())
        return call.number == SYS_shmget && call.argument[1] == 12345 && result_of (&r) >= 0;
    if (call.number != SYS_fcntl || call.argument[1] != F_OFD_SETLK || result_of (&r) != 0)
        return false;
    type = ptrace (PTRACE_PEEKDATA, rival, (void *) (uintptr_t) call.argument[2], NULL);
    return (short) type == F_WRLCK;
}

/* Starts the rival, and stops it when it holds the lock. */
static pid_t start_rival (enum places places, enum rival how)
{
    int status;
    pid_t child = fork_into (namespaces_of_check (places));

    if (child == 0)
        be_rival (how);
    stop_at_marker (child);
    for (;;) {
        ptrace (PTRACE_SYSCALL, child, NULL, NULL);
        wait_for_end (child, &status);
        if (!WIFSTOPPED (status))
            give_up ("the rival never has the lock");
        if (WSTOPSIG (status) == (SIGTRAP | 0x80) && is_locked (child))
            return child;
    }
}

static void let_rival_go (pid_t *rival, enum rival how)
{
    bool dies = how == RIVAL_DIES || how == RIVAL_VANISHES;

    if (*rival <= 0)
        return;
    if (how == RIVAL_VANISHES)
        forget_robust_list (*rival);
    if (dies) {
        kill (*rival, SIGKILL);
        wait_for_end (*rival, NULL);
    } else {
        ptrace (PTRACE_DETACH, *rival, NULL, NULL);
        /* run_situation waits for it. */
    }
    *rival = dies ? 0 : -*rival;
}

/* The waits become longer, until a waiter has had the time to look up the holder. */
static bool is_time_to_go (const struct run *run, enum rival how)
{
    return run->waits > (how == RIVAL_GOES_ON_LATE ? 5 : 0) || run->calls > 100;
}

static bool may_wait (const struct call_seen *call)
{
    return (call->number == SYS_futex
            && ((call->argument[1] & FUTEX_CMD_MASK) == FUTEX_WAIT
                || (call->argument[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET
                || (call->argument[1] & FUTEX_CMD_MASK) == FUTEX_LOCK_PI))
           || call->number == SYS_nanosleep || call->number == SYS_clock_nanosleep;
}

/* Where it enters the kernel: lets the call fail. */
static void spoil_entry (pid_t child, const struct call_seen *call, int error)
{
    uint64_t count = call->argument[2];

    if (error == SHORT_HALF)
        change_argument (child, 2, count > 1 ? count / 2 : count);
    else if (error == SHORT_ONE)
        change_argument (child, 2, count > 0);
    else if (call->number == SYS_brk)
        change_argument (child, 0, 0);
    else if (type_of (call->number)->kind != EXECUTED)
        omit_call (child);
}

static void spoil_exit (pid_t child, long number, int error)
{
    if (error != SHORT_HALF && error != SHORT_ONE && number != SYS_brk)
        change_result (child, -error);
}

static void see_call (pid_t child, struct call_seen *seen)
{
    registers r;
    struct system_call call;

    get_registers (child, &r);
    call = call_in (&r);
    seen->number = call.number;
    memcpy (seen->argument, call.argument, sizeof seen->argument);
    seen->finds = finds_segment (seen);
}

static void follow (pid_t child, const struct situation *s, const struct fault *fault,
                    pid_t *rival, struct run *run)
{
    registers r;
    bool entering = true, spoilt = false;
    int status, deliver = 0, reads = 0, turn = 0;
    struct call_seen call = { -1, { 0, 0, 0, 0 }, false };

    for (;;) {
        if (ptrace (PTRACE_SYSCALL, child, NULL, (void *) (long) deliver) != 0
            && errno != ESRCH)
            give_up ("ptrace");
        deliver = 0;
        wait_for_end (child, &status);
        if (WIFEXITED (status)) {
            run->end = CALL_EXITED;
            return;
        }
        if (WIFSIGNALED (status)) {
            run->signal = WTERMSIG (status);
            run->end = run->signal == SIGABRT ? CALL_ABORTED : CALL_CRASHED;
            if (was_too_slow)
                run->end = CALL_HUNG;
            return;
        }
        if (WSTOPSIG (status) == SIGTRAP) {
            pass_trap (child);
            run->end = CALL_RETURNED;
            return;
        }
        if (WSTOPSIG (status) != (SIGTRAP | 0x80)) {
            deliver = WSTOPSIG (status);
            continue;
        }
        if (!entering) {
            entering = true;
            get_registers (child, &r);
            if (spoilt)
                spoil_exit (child, call.number, fault->error);
            else if ((call.number == SYS_read || call.number == SYS_pread64)
                     && result_of (&r) > 0)
                reads++;
            continue;
        }
        entering = false;
        see_call (child, &call);
        spoilt = same_kind (&call, &fault->like)
                 && (++turn == fault->turn
                     || (fault->lasting && turn > fault->turn && run->injected < SPELL));
        if (run->calls < CALLS_MAX)
            run->call[run->calls] = call;
        run->calls++;
        if (spoilt) {
            if (run->injected++ == 0) {
                run->victim = call;
                run->reads_before = reads;
            }
            spoil_entry (child, &call, fault->error);
        }
        run->waits += may_wait (&call);
        if (is_time_to_go (run, s->rival))
            let_rival_go (rival, s->rival);
        if (run->calls > 200000) { /* it tries forever */
            was_too_slow = true;
            kill (child, SIGKILL);
        }
    }
}

static void run_situation (const struct situation *s, struct scene *scene,
                           const struct fault *fault, bool again, struct run *run)
{
    pid_t child, rival = 0;
    int status;

    memset (run, 0, sizeof *run);
    memset (outcome, 0, sizeof *outcome);
    if (s->setting == REMOVED_REGISTRY)
        reset_scene (scene);
    child = fork_into (namespaces_of_mishap (s->places));
    if (child == 0)
        be_traced (s, again);
    stop_at_marker (child);
    if (s->rival != NO_RIVAL)
        rival = start_rival (s->places, s->rival);
    was_too_slow = false;
    watched_process = child;
    alarm (25);
    follow (child, s, fault, &rival, run);
    run->overtook = rival > 0;
    let_rival_go (&rival, s->rival);
    if (run->end == CALL_RETURNED) {
        if (ptrace (PTRACE_DETACH, child, NULL, NULL) != 0)
            give_up ("ptrace");
        wait_for_end (child, &status);
        if (WIFSIGNALED (status)) {
            run->signal = WTERMSIG (status);
            run->end = was_too_slow ? CALL_HUNG : CALL_CRASHED;
        }
    } else if (run->end == CALL_EXITED && s->what != EXITS) {
        run->end = CALL_CRASHED;
    }
    alarm (0);
    watched_process = 0;
    if (rival < 0) {
        wait_for_end (-rival, &status);
        run->hurt_rival = !WIFEXITED (status) || WEXITSTATUS (status) != 0;
    }
}

/* ---- the verdict ------------------------------------------------------------------------ */

struct figures {
    long calls, faults, same, other, recovered, allocation, believed, left, late, partial,
        missed;
    long damage;
    double slowest;
};

/* Of a System V segment, or of a file. */
static bool is_detach (const struct call_seen *call)
{
    return call->number == SYS_shmdt || (call->number == SYS_munmap && in_directory ());
}

static bool waits_for_disk (const struct call_seen *call)
{
    return call->number == SYS_fsync || call->number == SYS_fdatasync
           || call->number == SYS_syncfs;
}

/* Whether a name was published or removed, but perhaps not on the disk. */
static bool is_not_durable (const struct situation *s, const struct call_seen *call)
{
    return s->setting == ON_DISK && s->what != CREATES && waits_for_disk (call);
}

static bool is_removal (const struct call_seen *call)
{
    return (call->number == SYS_shmctl && (call->argument[1] & 0xff) == IPC_RMID)
           || call->number == SYS_unlink || call->number == SYS_unlinkat;
}

/* Whether a statx(2) is about a descriptor, not a path. */
static bool is_of_open_file (const struct call_seen *call)
{
    return (call->argument[2] & AT_EMPTY_PATH) != 0;
}

#ifdef __GLIBC__
enum { IS_GLIBC = 1 };
#else
enum { IS_GLIBC = 0 };
#endif

/* Whether the man page allows the error for this use of the call. */
static bool is_allowed (const struct call_seen *call, int error)
{
    if (call->number == SYS_shmget && (call->argument[2] & IPC_CREAT) == 0)
        return error == EACCES || error == EINVAL || error == ENOENT;
    if (call->number == SYS_shmctl && (call->argument[1] & 0xff) == IPC_STAT)
        return error != EPERM && error != EFAULT;
    if (call->number == SYS_shmctl)
        return error != EFAULT && error != EOVERFLOW;
    if (call->number == SYS_mmap && !maps_file (call))
        return error == ENOMEM || error == EAGAIN;
    /* A wake fails only where other kinds of waiters sleep, as nobody does on a private word, or on
     * the lock of musl's list of threads. */
    if (call->number == SYS_futex && (call->argument[1] & FUTEX_CMD_MASK) == FUTEX_WAKE)
        return IS_GLIBC && error == EINVAL && (call->argument[1] & FUTEX_PRIVATE_FLAG) == 0;
    if (call->number == SYS_statx && is_of_open_file (call))
        return error == ENOMEM || error == ENOSYS;
    return true;
}

/* An error that the library has no means to doubt. */
static bool is_statement (const struct call_seen *call, int error)
{
    switch (call->number) {
    case SYS_shmctl:
        return ((call->argument[1] & 0xff) == IPC_STAT
                || (call->argument[1] & 0xff) == SHM_STAT)
               && (error == EIDRM || error == EINVAL || error == EACCES);
    case SYS_shmget:
        return (call->argument[2] & IPC_CREAT) == 0; /* not there, another's, another size */
    case SYS_shmat:
        return error == EACCES;
    case SYS_tkill:
        return error == ESRCH;       /* the lock's holder is gone */
    case SYS_open:
    case SYS_openat:                 /* a symbolic link, or a directory, has the name */
        return error == ENOENT || (in_directory () && (error == ELOOP || error == EISDIR));
    case SYS_statx:
    case SYS_getdents64:             /* the directory was removed */
        return error == ENOENT;
    case SYS_fcntl:                  /* another process has a lock */
        return error == EAGAIN || error == EACCES;
    case SYS_linkat:
    case SYS_renameat2:
        return error == EEXIST;
    case SYS_readlink:
    case SYS_readlinkat:
        return error == EINVAL || error == ENOENT;
    default:
        return false;
    }
}

static void name_call (const struct call_seen *call, char *text, size_t size)
{
    const struct call_type *type = type_of (call->number);
    const char *detail = "";

    if (call->number == SYS_shmctl)
        switch (call->argument[1] & 0xff) {
        case IPC_STAT:
            detail = " IPC_STAT";
            break;
        case IPC_SET:
            detail = " IPC_SET";
            break;
        case IPC_RMID:
            detail = " IPC_RMID";
            break;
        case IPC_INFO:
            detail = " IPC_INFO";
            break;
        case SHM_INFO:
            detail = " SHM_INFO";
            break;
        case SHM_STAT:
        case SHM_STAT_ANY:
            detail = " SHM_STAT";
            break;
        }
    if (call->number == SYS_shmget)
        detail = (call->argument[2] & IPC_CREAT) != 0 ? " IPC_CREAT" : "";
    if (call->number == SYS_mmap)
        detail = maps_file (call) ? " of a file" : "";
    if (call->number == SYS_fcntl)
        detail = call->argument[1] == F_OFD_SETLK ? " F_OFD_SETLK"
                 : call->argument[1] == F_OFD_GETLK ? " F_OFD_GETLK"
                                                    : "";
    if (type == &unknown_call)
        snprintf (text, size, "call number %ld", call->number);
    else
        snprintf (text, size, "%s%s", type->name, detail);
}

static void restore_files (const struct situation *s)
{
    sweep (directory, NULL);
    sweep (link_directory, NULL);
    if (symlink (saved_file, link_file) != 0)
        give_up ("symlink");
    if (has_large (s) && s->what == LOADS)
        write_large_file (loaded_file);
    else
        write_pattern_file (loaded_file, VICTIM_SIZE, OLD_PATTERN);
    if (s->file == OLD_FILE)
        write_pattern_file (saved_file, OLD_SIZE, OLD_PATTERN);
}

static const char broken_file[] = "the saved file is neither the old one nor the new one";

/* NULL if the files are as they must be. */
static const char *check_files (const struct situation *s, bool success, bool removal_failed,
                                struct figures *figures)
{
    enum file_state was = s->file == OLD_FILE ? OLD_FILE : NO_FILE;
    enum file_state is = which_file (saved_file, HELD_PATTERN);
    unsigned mode = s->file == OLD_FILE ? OLD_MODE : 0644;
    struct stat status;
    const char *wrong = NULL;
    int strangers;

    if (has_large (s) && is_large_file (saved_file))
        is = NEW_FILE;
    unlink (loaded_file);
    strangers = sweep (directory, "saved") + sweep (link_directory, "link");
    if (is != NEW_FILE && is != was)
        wrong = broken_file;
    else if (success && is != NEW_FILE)
        wrong = "the save succeeded, and the file is the old one";
    else if (is != NO_FILE
             && (stat (saved_file, &status) != 0 || (status.st_mode & 07777) != mode))
        wrong = "the saved file has another mode";
    else if (lstat (link_file, &status) != 0 || !S_ISLNK (status.st_mode))
        wrong = "the symbolic link is gone";
    else if (strangers > 0 && !removal_failed)
        wrong = "a temporary file is left";
    if (strangers > 0 && removal_failed)
        figures->left++;
    if (!success && is == NEW_FILE)
        figures->late++;
    restore_files (s);
    return wrong;
}

/* A hidden segment's file is open. */
static int more_files (const struct situation *s, bool success)
{
    if (!success || !in_directory ())
        return 0;
    return s->call == call_create_hidden                                       ? 1
           : s->prepare == prepare_own_hidden && s->call == call_destroy ? -1
                                                                         : 0;
}

/* On overlayfs, an attachment keeps a descriptor, because its mapping does not keep the lock. */
static bool keeps_descriptors (const struct situation *s)
{
    enum { OVERLAYFS = 0x794c7630 };
    struct statfs system;

    return s->setting == ON_DISK && statfs (scratch, &system) == 0 && system.f_type == OVERLAYFS;
}

/* What the traced process found, or what became of it; NULL if nothing is wrong. */
static const char *check_outcome (const struct situation *s, const struct run *run, bool again,
                                  struct figures *figures)
{
    static char text[300];
    bool failed = outcome->status != s->status;

    switch (run->end) {
    case CALL_HUNG:
        return "the call hangs";
    case CALL_CRASHED:
        snprintf (text, sizeof text, "the call crashes: %s", strsignal (run->signal));
        return text;
    case CALL_ABORTED:
        return type_of (run->victim.number)->kind == ALLOCATION && !maps_file (&run->victim)
                   ? NULL
                   : "the call aborts";
    case CALL_EXITED:
        return NULL;
    case CALL_RETURNED:
        break;
    }
    if (!outcome->finished)
        return "the process died after the call";
    if (outcome->status != 0 && outcome->error != outcome->status) {
        snprintf (text, sizeof text, "the call returned %d and set errno to %d",
                  outcome->status, outcome->error);
        return text;
    }
    if (outcome->status == 0 && outcome->error != 12345) {
        snprintf (text, sizeof text, "the call succeeded and set errno to %d", outcome->error);
        return text;
    }
    if (outcome->wrong[0] != '\0')
        return outcome->wrong;
    if (!keeps_descriptors (s)
        && outcome->files_before + more_files (s, !failed) != outcome->files_after)
        return "the number of open files changed";
    if (failed && s->what == CREATES && !is_detach (&run->victim)
        && outcome->attached_before != outcome->attached_after)
        return "a failed call left a mapping";
    if (s->what == LOADS) {
        if ((!failed || outcome->again == 0) && outcome->data != NEW_DATA)
            return "the load succeeded, and the data are not the file's";
        if (failed && outcome->again != 0 && outcome->data != OLD_DATA) {
            figures->partial++;
            /* The second thread's reads are not seen here. */
            if (run->reads_before == 0 && !has_large (s))
                return "the load failed before it read anything, and changed data";
        }
    }
    if (again && failed && outcome->again != s->status
        && !(s->what == DESTROYS && outcome->again == EINVAL)
        && !is_not_durable (s, &run->victim)
        && !(s->call == call_load_pipe)) {
        snprintf (text, sizeof text, "the second call, without a fault, gives: %s",
                  strerror (outcome->again));
        return text;
    }
    return NULL;
}

/* How a run went: the fault, and what came of the call. */
struct trial {
    const struct situation *situation;
    const struct fault *fault;
    const struct run *run;
    bool again;                      /* the call was repeated */
    bool died;                       /* the process did not get to its end */
    bool removal;                    /* the fault was in a removal */
    bool success;                    /* of the call, or of the exit */
    double took;
};

/* What must the scene be like? */
static struct expectation expect_after (const struct trial *t)
{
    const struct situation *s = t->situation;
    struct expectation expect = { MAY_EXIST, s->pattern, false, false, NOT_KEPT,
                                  USUAL_TEMPORARY };

    expect.believed = is_statement (&t->run->victim, t->fault->error);
    expect.leftover = s->prepare == prepare_left_behind;
    if (s->call == call_create_hidden && t->run->victim.number == SYS_openat)
        expect.temporary = MAYBE_TEMPORARY;
    if (s->call == call_keep_no_more && !t->success && outcome->again != 0)
        expect.kept = KEPT;
    if (is_not_durable (s, &t->run->victim) || (s->call == call_prune && !t->success)) {
        expect.presence = MAY_EXIST;
        expect.pattern = s->before_pattern;
    } else if (t->died || t->removal || is_detach (&t->run->victim)) {
        expect.presence = s->before == s->after && s->what != EXITS ? s->before : MAY_EXIST;
        if (t->removal || t->died)
            expect.presence =
                s->before == MUST_EXIST && s->after == MUST_EXIST ? MUST_EXIST : MAY_EXIST;
        expect.leftover |= t->removal;
        if (s->what == DESTROYS)
            expect.pattern = s->before_pattern;
    } else if (t->success || (t->again && outcome->again == s->status)) {
        expect.presence = s->after;
    } else {
        expect.presence = s->before;
        expect.pattern = s->before_pattern;
        if (t->again && s->what == DESTROYS && outcome->again == EINVAL)
            expect.presence = s->before == s->after ? s->before : MAY_EXIST;
    }
    return expect;
}

/* A bound for hangs: a save waits for the disk, which may be busy. */
static double slow (const struct situation *s)
{
    return s->what == SAVES ? 20.0 : 5.0;
}

/* Whether the library cannot find out that the lock's holder has vanished. It assumes that a holder
 * which it cannot judge is alive, and waits for it as long as a call may wait. */
static bool is_judgement_refused (const struct trial *t)
{
    int number = t->run->victim.number;

    return t->situation->rival == RIVAL_VANISHES && t->fault->lasting
           && (number == SYS_newfstatat || number == SYS_tkill);
}

static const char *check_duration (const struct trial *t)
{
    if (is_judgement_refused (t))
        return t->took > (t->again ? 2 : 1) * CALL_LIMIT
                   ? "the calls took longer than the lock's limit"
                   : NULL;
    if (t->run->victim.number == SYS_futex)
        return t->took > CALL_LIMIT ? "the call took longer than the lock's limit" : NULL;
    return t->took > slow (t->situation) ? "the call took far too long" : NULL;
}

static void count_result (const struct trial *t, bool right, struct figures *figures)
{
    figures->faults++;
    if (t->took > figures->slowest)
        figures->slowest = t->took;
    if (t->died)
        figures->allocation += right;
    else if (t->success)
        figures->recovered++;
    else if (outcome->status == t->fault->error)
        figures->same++;
    else
        figures->other++;
}

static void tell_trial (const struct trial *t, const char *const wrong[3], struct figures *figures)
{
    char call[64], header[200];
    int i;

    name_call (&t->run->victim, call, sizeof call);
    snprintf (header, sizeof header, "%s: %s fails with %s%s%s", t->situation->name, call,
              fault_name (t->fault->error), t->fault->lasting ? ", 300 times" : "",
              t->again ? ", and the call is repeated" : "");
    for (i = 0; i < 3; i++)
        if (wrong[i] != NULL && figures->damage++ < 20)
            note ("%s (returned %d): DAMAGE: %s", header, outcome->status, wrong[i]);
    if (t->again || wrong[0] != NULL)
        return;
    if (t->died)
        note ("%s: the process aborts (an allocation)", header);
    else if (!t->success && outcome->status != t->fault->error && t->fault->error < SHORT_HALF
             && figures->other <= 20)
        note ("%s: the call returned %s", header, fault_name (outcome->status));
}

static void judge (const struct situation *s, struct scene *scene, const struct fault *fault,
                   bool again, const struct run *run, double took, struct figures *figures)
{
    struct trial t = { s, fault, run, again, false, is_removal (&run->victim), false, took };
    const char *wrong[3] = { NULL, NULL, NULL };
    struct expectation expect;
    char text[700] = "";

    t.died = run->end != CALL_RETURNED && run->end != CALL_EXITED;
    t.success = run->end == CALL_EXITED || (!t.died && outcome->status == s->status);
    wrong[0] = check_duration (&t);
    if (wrong[0] == NULL)
        wrong[0] = check_outcome (s, run, again, figures);
    if (wrong[0] == NULL && run->hurt_rival)
        wrong[0] = "the call of the process that held the lock failed";
    if (s->what == SAVES && s->file != NO_FILE)
        wrong[1] = check_files (s, !t.died && (outcome->status == 0 || outcome->again == 0),
                                t.removal || t.died, figures);
    expect = expect_after (&t);
    if (expect.believed) {
        figures->believed++;
        if (run->end == CALL_RETURNED && outcome->finished && took < slow (s))
            wrong[0] = NULL;
        if (wrong[1] != broken_file)
            wrong[1] = NULL;
    }
    scene->shared->leftovers = 0;
    if (judge_scene (scene, &expect, fault->error % 2 == 1, text, sizeof text))
        wrong[2] = text;
    figures->left += scene->shared->leftovers > 0;
    count_result (&t, wrong[0] == NULL, figures);
    tell_trial (&t, wrong, figures);
}

/* ---- all faults of a situation ---------------------------------------------------------- */

static void tell_calls (const struct situation *s, const struct run *run)
{
    char line[1000] = "", call[64], previous[64] = "";
    size_t length = 0;
    int i, times = 0;

    for (i = 0; i <= run->calls && i <= CALLS_MAX; i++) {
        call[0] = '\0';
        if (i < run->calls && i < CALLS_MAX)
            name_call (&run->call[i], call, sizeof call);
        if (strcmp (call, previous) != 0 && times > 0 && length < sizeof line - 80) {
            length += (size_t) snprintf (line + length, sizeof line - length, " %s", previous);
            if (times > 1)
                length += (size_t) snprintf (line + length, sizeof line - length, " x%d", times);
            length += (size_t) snprintf (line + length, sizeof line - length, ",");
        }
        times = strcmp (call, previous) == 0 ? times + 1 : 1;
        strcpy (previous, call);
    }
    note ("%s:%s %d calls", s->name, line, run->calls);
}

/* Errors that mean "try again" may be retried forever. */
static bool may_last (int error)
{
    return error != EINTR && error != EAGAIN && error != ETIMEDOUT && error < SHORT_HALF;
}

/* The system call may not happen in a later run; then it is tried again. */
static void try_fault (const struct situation *s, struct scene *scene, const struct fault *fault,
                       struct figures *figures)
{
    struct run run;
    int again, tries;

    for (again = 0; again < (s->what == EXITS ? 1 : 2); again++) {
        for (tries = 0; tries < 3; tries++) {
            double since = now ();

            if (s->file != NO_FILE || s->what == LOADS)
                restore_files (s);
            run_situation (s, scene, fault, again == 1, &run);
            if (run.injected > 0) {
                judge (s, scene, fault, again == 1, &run, now () - since, figures);
                break;
            }
            reset_scene (scene);
        }
        figures->missed += tries == 3;
    }
}

/* Checks a run without a fault: the call waits for the holder of the lock, or does not, as it
 * must. */
static void check_waits (const struct situation *s, const struct run *run,
                         struct figures *figures)
{
    const char *wrong = NULL;

    if (s->rival == RIVAL_IS_NO_HINDRANCE && run->waits > 0)
        wrong = "the call waits for the lock";
    else if (s->rival != NO_RIVAL && s->rival != RIVAL_IS_NO_HINDRANCE && run->overtook)
        wrong = "the call does not wait for a living holder of the lock";
    else if (run->hurt_rival)
        wrong = "the call of the process that held the lock failed";
    if (wrong == NULL)
        return;
    note ("%s: without a fault: DAMAGE: %s", s->name, wrong);
    figures->damage++;
}

/* A run without a fault; the first one differs from all later ones. */
static void run_without_fault (const struct situation *s, struct scene *scene, struct run *first,
                               struct figures *figures)
{
    const struct fault none = { { -1, { 0, 0, 0, 0 }, false }, 0, 0, false };
    struct expectation expect = { s->after, s->pattern, false, false, NOT_KEPT,
                                  USUAL_TEMPORARY };
    char text[700];

    restore_files (s);
    run_situation (s, scene, &none, false, first);
    check_waits (s, first, figures);
    judge_scene (scene, &expect, false, text, sizeof text);
    restore_files (s);
    run_situation (s, scene, &none, false, first);
    check_waits (s, first, figures);
    tell_calls (s, first);
    if ((first->end != CALL_RETURNED && first->end != CALL_EXITED)
        || (first->end == CALL_RETURNED && outcome->status != s->status)) {
        note ("%s: without a fault: ends with %d, returns %d", s->name, first->end,
              outcome->status);
        figures->damage++;
    }
    if (judge_scene (scene, &expect, false, text, sizeof text)) {
        note ("%s: without a fault: DAMAGE: %s", s->name, text);
        figures->damage++;
    }
    figures->calls = first->calls;
}

/* Whether a call is in the middle of a row of many of its kind, such as one for each segment of the
 * system. The quick form tries one in eight of those. */
static bool is_left_out (const struct run *first, int which, int calls)
{
    const struct call_seen *one = &first->call[which];

    return !full_form && which >= 2 && which + 2 < calls
        && same_kind (&first->call[which - 2], one) && same_kind (&first->call[which - 1], one)
        && same_kind (&first->call[which + 1], one) && same_kind (&first->call[which + 2], one)
        && mix (seed + (uint64_t) which) % 8 != 0;
}

/* All errors of one system call of the first run. */
static void try_call (const struct situation *s, struct scene *scene, const struct run *first,
                      int which, struct figures *figures)
{
    const struct call_type *type = type_of (first->call[which].number);
    struct fault fault = { first->call[which], 1, 0, false };
    int calls = first->calls < CALLS_MAX ? first->calls : CALLS_MAX;
    int i, e, lasting, later = 0;

    for (i = 0; i < which; i++)
        fault.turn += same_kind (&first->call[i], &fault.like);
    for (i = which + 1; i < calls; i++)
        later += same_kind (&first->call[i], &fault.like);
    /* Of the blocks of a large segment the first and the last are enough. */
    if (!full_form && s->setting == ON_DISK && !waits_for_disk (&fault.like))
        return;
    if (type->kind == NEVER_FAILS || (has_large (s) && fault.turn > 1 && later > 0)
        || is_left_out (first, which, calls))
        return;
    /* Only one of the looks at an index without a segment is tried. */
    if (is_look_at_index (&fault.like) && !fault.like.finds && fault.turn > 1)
        return;
    for (e = 0; e < 16 && type->error[e] != 0; e++) {
        fault.error = type->error[e];
        if (!is_allowed (&fault.like, fault.error))
            continue;
        for (lasting = 0; lasting <= (full_form && may_last (fault.error)); lasting++) {
            fault.lasting = lasting == 1;
            /* After damage there is a new holder. */
            held_id = s->held ? scene->shared->held_id : -1;
            try_fault (s, scene, &fault, figures);
        }
    }
}

static void try_situation (const struct situation *s, struct scene *scene,
                           struct figures *figures)
{
    static struct run first;
    double since = now ();
    int i;

    make_scene (scene, s->setting, s->places, s->others, s->held);
    held_id = s->held ? scene->shared->held_id : -1;
    run_without_fault (s, scene, &first, figures);
    for (i = 0; i < first.calls && i < CALLS_MAX; i++)
        try_call (s, scene, &first, i, figures);
    clear_scene (scene);
    check (figures->damage == 0,
           "%s: %ld faults, the scene is intact (%ld returned that error, %ld another, %ld "
           "recovered, %ld alloc, %ld believed, %ld left, %ld late, %ld partial, %ld missed; "
           "slowest %.2f s, %.1f s)", s->name, figures->faults, figures->same, figures->other,
           figures->recovered, figures->allocation, figures->believed, figures->left,
           figures->late, figures->partial, figures->missed, figures->slowest, now () - since);
}

static void add_figures (struct figures *sum, const struct figures *one)
{
    sum->calls += one->calls;
    sum->faults += one->faults;
    sum->same += one->same;
    sum->other += one->other;
    sum->recovered += one->recovered;
    sum->allocation += one->allocation;
    sum->believed += one->believed;
    sum->left += one->left;
    sum->late += one->late;
    sum->partial += one->partial;
    sum->missed += one->missed;
    sum->damage += one->damage;
}

static void prepare_process (void)
{
    struct sigaction action;

    unsetenv ("APERROR_PRINT");
    unsetenv ("RUST_BACKTRACE");
    unsetenv ("SHM_UTIL_SYNC");
    umask (022);
    memset (&action, 0, sizeof action);
    action.sa_handler = too_slow;
    sigaction (SIGALRM, &action, NULL);
    signal (SIGPIPE, SIG_IGN);
    outcome = shared (sizeof *outcome);
}

/* The quick form does not wait for a disk. */
static void make_directories (void)
{
    const char *parent = full_form ? NULL : memory_directory ();

    if (parent == NULL)
        parent = scratch;
    snprintf (directory, sizeof directory, "%s/files", parent);
    snprintf (link_directory, sizeof link_directory, "%s/links", parent);
    if (mkdir (directory, 0700) != 0 || mkdir (link_directory, 0700) != 0)
        give_up ("mkdir");
    snprintf (saved_file, sizeof saved_file, "%s/saved", directory);
    snprintf (loaded_file, sizeof loaded_file, "%s/loaded", directory);
    snprintf (link_file, sizeof link_file, "%s/link", link_directory);
}

static void all_faults (void)
{
    static struct scene scene;
    struct figures all, one;
    int i;

    if (!has_world ("faults"))
        return;
    if (!may_trace ()) {
        skip ("faults: ptrace(2) is refused");
        return;
    }
    prepare_process ();
    make_directories ();
    memset (&all, 0, sizeof all);
    for (i = 0; i < SITUATIONS; i++) {
        if (only_part && strcmp (only_part, situations[i].name) != 0)
            continue;
        if (!may_be_in (situations[i].places, "faults"))
            continue;
        memset (&one, 0, sizeof one);
        try_situation (&situations[i], &scene, &one);
        add_figures (&all, &one);
    }
    note ("left: not removed, because the removal failed; late: the save reports an error, but "
          "the new file is in place; partial: a load that failed after it had read some bytes; "
          "missed: the system call did not happen again");
    tell_figures (" calls=%ld faults=%ld damage=%ld same=%ld other=%ld recovered=%ld alloc=%ld "
                  "believed=%ld left=%ld late=%ld partial=%ld missed=%ld", all.calls, all.faults,
                  all.damage, all.same, all.other, all.recovered, all.allocation, all.believed,
                  all.left, all.late, all.partial, all.missed);
}

static const struct part *name_parts (void)
{
    static struct part parts[SITUATIONS + 1];
    int i;

    for (i = 0; i < SITUATIONS; i++)
        parts[i].name = situations[i].name;
    return parts;
}

#else

static void all_faults (void)
{
    skip ("faults: it knows the system calls of x86-64, i386 and arm64 only");
}

static const struct part *name_parts (void)
{
    static const struct part none;

    return &none;
}

#endif

int main (int argc, char **argv)
{
    const struct program program = { "faults", name_parts (), all_faults, 180, 1200 };

    return run_program (&program, argc, argv);
}
