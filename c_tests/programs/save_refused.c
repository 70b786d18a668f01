/* shmSave and shmLoad where a sandbox or a security module refuses system calls: whatever has a
 * substitute works without them, and keeps the file's mode, owner and access control list. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAME "c_tests/save_refused"
#define SMALL 70001L
#define LARGE (3L * 1024 * 1024 + 5)
#define LIST "system.posix_acl_access"

struct refused {
    const char *name;
    long numbers[2];
};

/* POWER and ARM have the same call with another order of its arguments. */
#if !defined SYS_sync_file_range && defined SYS_sync_file_range2
#define SYS_sync_file_range SYS_sync_file_range2
#elif !defined SYS_sync_file_range
#define SYS_sync_file_range SYS_arm_sync_file_range
#endif

#define CALL(call) {#call, {SYS_##call, -1}}

static const struct refused refusals[] = {
    CALL (statx), CALL (linkat), CALL (renameat2), CALL (fallocate), CALL (sync_file_range),
    CALL (msync), CALL (mincore), CALL (madvise), CALL (flock), CALL (fdatasync), CALL (fsync),
    CALL (syncfs), CALL (clone), CALL (fgetxattr), CALL (fsetxattr), CALL (fremovexattr),
    CALL (ftruncate), CALL (fchmod), CALL (fchown), CALL (pwrite64), CALL (pread64), CALL (fstatfs),
    CALL (lseek), CALL (copy_file_range), CALL (sendfile), CALL (unlinkat), CALL (shmctl),
#if !WITH_ADDRESS_SANITIZER /* it needs this call itself */
    CALL (sched_getaffinity),
#endif
#ifdef SYS_clone3
    CALL (clone3),
#endif
#ifdef SYS_rename
    CALL (rename), CALL (unlink), CALL (openat), CALL (readlink), CALL (access),
    {"every rename", {SYS_rename, SYS_renameat2}},
#endif
    {"fdatasync and fsync", {SYS_fdatasync, SYS_fsync}},
#ifdef SYS_renameat /* where it is missing, nothing is left that gives a file its name */
    {"linkat and renameat2", {SYS_linkat, SYS_renameat2}},
#endif
};

#define REFUSALS (sizeof refusals / sizeof *refusals)

static const int errors[] = {EPERM, EACCES, ENOSYS, EINVAL, EOPNOTSUPP};

#define ERRORS (sizeof errors / sizeof *errors)

/* A list with an entry for user 1, as the kernel stores it: see linux/posix_acl_xattr.h. */
static const unsigned char list[] = {
    2, 0, 0, 0,
    0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* the owner */
    0x02, 0, 4, 0, 1, 0, 0, 0,             /* user 1 */
    0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* the group */
    0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* the mask */
    0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* others */
};

static SharedMemory memory;
static unsigned char *bytes;
static long size;
static const struct refused *refused;
static int refused_error;
static const char *path;

/* ---- helpers --------------------------------------------------------------------- */

/* What the segment holds: each page has a value of its own. */
static const unsigned char *expected (void)
{
    static unsigned char pages[LARGE];
    long at;

    if (pages[0] == 0) {
        for (at = 0; at < LARGE; at++) {
            pages[at] = (unsigned char) (at / 4096 % 251 + 1);
        }
    }
    return pages;
}

/* Whether the file has the segment's bytes. */
static int file_is_right (void)
{
    static unsigned char found[LARGE + 1];
    int file = open (path, O_RDONLY);
    long length = 0;
    long count;

    while ((count = read (file, found + length, (size_t) (LARGE + 1 - length))) > 0) {
        length += count;
    }
    close (file);
    return length == size && memcmp (found, expected (), (size_t) size) == 0;
}

/* Bits say what is wrong. */
static void save_and_load (void)
{
    int wrong = 0;

    if (!check_refuse (refused->numbers[0], refused_error)
        || (refused->numbers[1] != -1 && !check_refuse (refused->numbers[1], refused_error))) {
        _exit (64);
    }
    wrong |= shmSave (memory, path) != 0 ? 1 : 0;
    memset (bytes, 0, (size_t) size);
    wrong |= shmLoad (memory, path) != 0 ? 2 : 0;
    wrong |= memcmp (bytes, expected (), (size_t) size) != 0 ? 4 : 0;
    _exit (wrong);
}

enum old { NONE, PLAIN, WITH_LIST, OF_ANOTHER };

static const char *const olds[] = {"a new file", "a file", "a file with a list",
                                   "another user's file"};

static int make_old (enum old old)
{
    int file;

    unlink (path);
    if (old == NONE) {
        return 1;
    }
    file = open (path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0 || write (file, "old", 3) != 3 || fchmod (file, 0640) != 0
        || (old == WITH_LIST && fsetxattr (file, LIST, list, sizeof list, 0) != 0)
        || (old == OF_ANOTHER && fchown (file, 1, 2) != 0)) {
        close (file);
        return 0;
    }
    close (file);
    return 1;
}

/* Whether owner, group, mode and list are what they were. */
static int is_kept (enum old old)
{
    unsigned char found[sizeof list + 1];
    struct stat status;

    if (stat (path, &status) != 0) {
        return 0;
    }
    if (old == NONE) {
        return (status.st_mode & 07777) == 0644;
    }
    return (status.st_mode & 07777) == 0640
        && status.st_uid == (old == OF_ANOTHER ? 1 : geteuid ())
        && (old != OF_ANOTHER || status.st_gid == 2)
        && (getxattr (path, LIST, found, sizeof found) == (long) sizeof list) == (old == WITH_LIST);
}

static int is_possible (void)
{
    pid_t child = check_fork ();

    if (child == 0) {
        _exit (check_refuse (SYS_sendfile, EPERM) ? 0 : 1);
    }
    return check_wait (child) == 0;
}

/* ---- the table ----------------------------------------------------------------------- */

static void with_old (enum old old)
{
    char directory[1024];
    unsigned i;

    strcpy (directory, check_path ("files"));
    if (!make_old (old)) {
        check_skip ("lists and other owners of files: this user or file system has none");
        return;
    }
    for (i = 0; i < REFUSALS; i++) {
        /* Each call with each error: there are more kinds of files and sizes than errors. */
        refused = &refusals[i];
        refused_error = errors[(i + (unsigned) old + (size == LARGE ? 4 : 0)) % ERRORS];
        make_old (old);
        memcpy (bytes, expected (), (size_t) size);
        CHECK (check_text ("%ld KiB, %s: shmSave and shmLoad work if %s is refused (%s)",
                           size / 1024, olds[old], refused->name, strerror (refused_error)),
               check_child (save_and_load) == 0);
        CHECK ("the file has the bytes", file_is_right ());
        CHECK ("the file keeps owner, mode and list", is_kept (old));
        CHECK ("nothing else is left", check_entries (directory) == 3);
    }
}

static void of_size (long new_size)
{
    void *address = NULL;
    int old;

    size = new_size;
    memory = check_create (NAME, size);
    address = shmAddress (memory);
    bytes = address;
    for (old = NONE; old <= OF_ANOTHER; old++) {
        with_old ((enum old) old);
    }
    shmDestroy (memory);
}

int main (void)
{
    char name[1024];

    umask (022);
    check_start ();
    strcpy (name, check_path ("files/file"));
    path = name;
    if (getenv ("UNDER_VALGRIND") != NULL || !is_possible ()) {
        check_skip ("refused calls: no filter for system calls can be set here");
        return check_done ();
    }
    CHECK ("a directory is created", mkdir (check_path ("files"), 0755) == 0);
    of_size (SMALL);
    of_size (LARGE);
    return check_done ();
}
