/* shmSave where no second file can take the place of the first, or where others may be waiting. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "c_tests/save_places"
#define SIZE 300001L
#define OLD_SIZE 200000L
#define STRANGER 1

static SharedMemory memory;

/* ---- helpers --------------------------------------------------------------------- */

static void make_file (const char *path, int value, long size)
{
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    char *bytes = malloc ((size_t) size);

    memset (bytes, value, (size_t) size);
    CHECK ("a file is written", write (file, bytes, (size_t) size) == size);
    free (bytes);
    close (file);
}

/* Whether the file has this size, and all of its bytes have this value. */
static int file_is (const char *path, int value, long size)
{
    static char found[2 * SIZE];
    int file = open (path, O_RDONLY);
    long length = 0;
    long count;

    while ((count = read (file, found + length, sizeof found - (size_t) length)) > 0) {
        length += count;
    }
    close (file);
    return length == size && check_filled (found, value, size);
}

static ino_t inode_of (const char *path)
{
    struct stat status;

    return stat (path, &status) == 0 ? status.st_ino : 0;
}

static int saves (const char *path, int value)
{
    memset (shmAddress (memory), value, SIZE);
    return shmSave (memory, path) == 0 && file_is (path, value, SIZE);
}

/* ---- directories --------------------------------------------------------------------- */

static int set_append_only (const char *directory, int yes)
{
    int file = open (directory, O_RDONLY | O_DIRECTORY);
    int flags = 0;
    /* A C library may take the number as an int. */
    int is_set = ioctl (file, (int) FS_IOC_GETFLAGS, &flags) == 0;

    flags = yes ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
    is_set = is_set && ioctl (file, (int) FS_IOC_SETFLAGS, &flags) == 0;
    close (file);
    return is_set;
}

static void append_only_directory (void)
{
    const char *directory = check_path ("append-only");
    const char *path = check_path ("append-only/file");
    ino_t inode;

    mkdir (directory, 0755);
    make_file (path, 'o', OLD_SIZE);
    inode = inode_of (path);
    if (!set_append_only (directory, 1)) {
        check_skip ("an append-only directory: this user or file system cannot have one");
        return;
    }
    CHECK ("shmSave to a file in an append-only directory works", saves (path, 'a'));
    CHECK ("it overwrites the file", inode_of (path) == inode);
    CHECK ("shmSave to the same file again works", saves (path, 'b'));
    CHECK ("shmSave to a new file there works", saves (check_path ("append-only/new"), 'c'));
    CHECK ("nothing else is left", check_entries (directory) == 4);
    CHECK ("the directory is made an ordinary one", set_append_only (directory, 0));
}

static void sticky_directory (void)
{
    const char *directory = check_path ("sticky");
    const char *path = check_path ("sticky/file");

    mkdir (directory, 0755);
    make_file (path, 'o', OLD_SIZE);
    CHECK ("anybody may create files in a directory, and remove only their own",
           chown (path, STRANGER, (gid_t) -1) == 0 && chown (directory, STRANGER + 1, (gid_t) -1) == 0
           && chmod (path, 0666) == 0 && chmod (directory, 01777) == 0
           && chmod (check_path (""), 0711) == 0);
    CHECK ("root becomes an ordinary user", setresuid (65534, 65534, 65534) == 0);
    memset (shmAddress (memory), 's', SIZE);
    if (shmSave (memory, path) == 0) {
        CHECK ("the file has the bytes", file_is (path, 's', SIZE));
    } else {
        CHECK ("the kernel forbids to open such a file with O_CREAT (fs.protected_regular)",
               open (path, O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES);
        CHECK ("the file has its old bytes", file_is (path, 'o', OLD_SIZE));
    }
    CHECK ("nothing else is left", check_entries (directory) == 3);
    fflush (NULL);
    _exit (0);
}

/* ---- in place ------------------------------------------------------------------------ */

/* Mounts a disk of 1 MiB, and the file on it over another one. */
static int mount_file (void)
{
    const char *disk = check_path ("disk");
    char file[1024];

    mkdir (disk, 0755);
    if (unshare (CLONE_NEWNS) != 0 || mount ("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0
        || mount ("none", disk, "tmpfs", 0, "size=1m") != 0) {
        return 0;
    }
    strcpy (file, check_path ("disk/file"));
    make_file (file, 'o', OLD_SIZE);
    make_file (check_path ("mounted over"), 'm', 1);
    return mount (file, check_path ("mounted over"), "none", MS_BIND, "") == 0;
}

/* Leaves less room on the disk than the segment needs. */
static void fill_disk (void)
{
    static char block[4096];
    int file = open (check_path ("disk/filler"), O_WRONLY | O_CREAT, 0600);

    while (write (file, block, sizeof block) > 0) {
    }
    close (file);
}

static void bind_mounted_file (void)
{
    const char *path = check_path ("mounted over");
    int entries = check_entries (check_path (""));

    if (!mount_file ()) {
        check_skip ("a bind-mounted file: mounting is not allowed");
        return;
    }
    entries = check_entries (check_path (""));
    CHECK ("shmSave to a bind-mounted file works", saves (path, 'a'));
    make_file (path, 'o', 2 * SIZE);
    CHECK ("shmSave to a longer one works", saves (path, 'b'));
    make_file (path, 'o', OLD_SIZE);
    fill_disk ();
    CHECK ("shmSave to a bind-mounted file on a full disk is ENOSPC",
           shmSave (memory, path) == ENOSPC);
    CHECK ("the file has its old bytes", file_is (path, 'o', OLD_SIZE));
    CHECK ("the room that was reserved is free again",
           unlink (check_path ("disk/filler")) == 0 && saves (path, 'c'));
    make_file (path, 'o', OLD_SIZE);
    fill_disk ();
    if (check_refuse (SYS_fallocate, EOPNOTSUPP)) {
        CHECK ("without fallocate, shmSave on a full disk is ENOSPC",
               shmSave (memory, path) == ENOSPC);
        CHECK ("the file has its old bytes", file_is (path, 'o', OLD_SIZE));
        CHECK ("without fallocate, shmSave works if there is room",
               unlink (check_path ("disk/filler")) == 0 && saves (path, 'd'));
    }
    CHECK ("nothing else is left", check_entries (check_path ("")) == entries);
}

static void limited_file (void)
{
    const char *path = check_path ("mounted over");
    struct rlimit limit;

    if (!mount_file ()) {
        return;
    }
    limit.rlim_cur = limit.rlim_max = OLD_SIZE;
    CHECK ("files are limited", setrlimit (RLIMIT_FSIZE, &limit) == 0);
    CHECK ("shmSave of more is EFBIG, without a signal", shmSave (memory, path) == EFBIG);
    CHECK ("the file has its old bytes", file_is (path, 'o', OLD_SIZE));
}

/* ---- FIFOs ------------------------------------------------------------------------------ */

/* How many times the file was opened since the watch began. */
static int opens (int watch)
{
    char events[4096];
    long count = read (watch, events, sizeof events);
    const struct inotify_event *event;
    long at;
    int number = 0;

    for (at = 0; at < count; at += (long) (sizeof *event + event->len)) {
        event = (const struct inotify_event *) (const void *) (events + at);
        number += (event->mask & IN_OPEN) != 0;
    }
    return number;
}

static void fifo_of (const char *whose, uid_t owner)
{
    const char *path = check_path ("fifo");
    int watch = inotify_init1 (IN_NONBLOCK);
    int status;
    pid_t child;

    unlink (path);
    CHECK (check_text ("a FIFO is made: %s", whose),
           mkfifo (path, 0666) == 0 && chmod (path, 0666) == 0
           && chown (path, owner, (gid_t) -1) == 0);
    child = check_fork ();
    if (child == 0) {
        _exit (file_is (path, 'f', SIZE) ? 0 : 1);
    }
    if (inotify_add_watch (watch, path, IN_OPEN) == -1) {
        check_kill (child);
        check_skip ("opening of a FIFO: inotify is not available");
        return;
    }
    memset (shmAddress (memory), 'f', SIZE);
    status = shmSave (memory, path);
    CHECK ("shmSave to the FIFO works", status == 0);
    CHECK ("its reader gets all bytes", check_wait (child) == 0);
    /* The reader may have opened it before the watch. */
    status = opens (watch);
    CHECK ("shmSave opens the FIFO once", status == 1 || status == 2);
    close (watch);
}

int main (void)
{
    setenv ("SHM_UTIL_SYNC", "0", 1);
    check_start ();
    memory = check_create (NAME, SIZE);
    memset (shmAddress (memory), 'x', SIZE);
    append_only_directory ();
    if (check_has_users ("a sticky directory")) {
        CHECK ("a sticky directory: exits with status 0", check_child (sticky_directory) == 0);
    }
    CHECK ("a bind-mounted file: exits with status 0", check_child (bind_mounted_file) == 0);
    CHECK ("a limit for files: exits with status 0", check_child (limited_file) == 0);
    fifo_of ("one's own", geteuid ());
    if (check_has_users ("another user's FIFO")) {
        fifo_of ("another user's", STRANGER);
    }
    shmDestroy (memory);
    return check_done ();
}
