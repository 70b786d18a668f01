/*
 * Files that are mapped, with system calls only: what the library's directory namespaces cannot
 * avoid, and what a program without reliable names would do. bench/directories.c describes them.
 */

#include "bench.h"
#include "ways.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PATH 4096
#define FLAGS (O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

static char directory[PATH], name[PATH], held_name[PATH];
static int durable;

static void begin_files (const char *in)
{
    const char *sync = getenv ("SHM_UTIL_SYNC");

    durable = sync == NULL || strcmp (sync, "0") != 0;
    if (snprintf (directory, PATH, "%s", in) >= PATH
        || snprintf (name, PATH, "%s/raw", in) >= PATH
        || snprintf (held_name, PATH, "%s/raw-held", in) >= PATH) {
        errno = ENAMETOOLONG;
        die (in);
    }
}

static void *map (int fd, long size)
{
    void *address = mmap (NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (address == MAP_FAILED) {
        die ("mmap");
    }
    return address;
}

static void unmap (void *address, long size)
{
    must (munmap (address, (size_t) size), "munmap");
}

/* The result of fcntl, or the lock that F_OFD_GETLK has found. */
static int lock (int fd, int command, int type, int length)
{
    struct flock lock;
    int result;

    memset (&lock, 0, sizeof lock);
    lock.l_type = (short) type;
    lock.l_whence = SEEK_SET;
    lock.l_len = length;
    result = fcntl (fd, command, &lock);
    return result == 0 && command == F_OFD_GETLK ? lock.l_type : result;
}

static int open_existing (const char *path)
{
    int fd = open (path, O_RDWR | FLAGS);

    if (fd == -1) {
        die (path);
    }
    return fd;
}

static long size_of (int fd)
{
    struct stat status;

    must (fstat (fd, &status), "fstat");
    return (long) status.st_size;
}

static void sync_directory (void)
{
    int fd;

    if (durable) {
        fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd == -1 || fdatasync (fd) != 0 || close (fd) != 0) {
            die (directory);
        }
    }
}

/* ---- the calls that the library cannot avoid ------------------------------------------------ */

/* A file that counts as attached, with room for all of it, gets its name when it is complete. */
static void create_with_locks (long size)
{
    int fd = open (name, O_RDWR | FLAGS);
    void *address;

    if (fd != -1) {
        errno = EEXIST;
        die (name);
    }
    fd = open (directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd == -1 || lock (fd, F_OFD_SETLK, F_RDLCK, 1) != 0 || fchmod (fd, 0660) != 0
        || fallocate (fd, 0, 0, size) != 0 || size_of (fd) != size
        || (durable && fdatasync (fd) != 0)) {
        die (directory);
    }
    address = map (fd, size);
    if (linkat (fd, "", AT_FDCWD, name, AT_EMPTY_PATH) != 0) {
        char link[64];

        sprintf (link, "/proc/self/fd/%d", fd);
        must (linkat (AT_FDCWD, link, AT_FDCWD, name, AT_SYMLINK_FOLLOW), "linkat");
    }
    must (durable ? fsync (fd) : 0, "fsync");
    sync_directory ();
    must (close (fd), "close");
    unmap (address, size);
    fd = open_existing (name);
    if (size_of (fd) != size || lock (fd, F_OFD_SETLK, F_WRLCK, 2) != 0) {
        die ("F_OFD_SETLK");
    }
    must (unlink (name), "unlink");
    sync_directory ();
    must (close (fd), "close");
}

static void *held_address;
static long held_size;

static void hold_with_lock (long size)
{
    int fd = open (held_name, O_RDWR | O_CREAT | O_EXCL | FLAGS, 0660);

    if (fd == -1 || lock (fd, F_OFD_SETLK, F_RDLCK, 1) != 0
        || fallocate (fd, 0, 0, size) != 0) {
        die (held_name);
    }
    held_address = map (fd, size);
    held_size = size;
    memset (held_address, 1, (size_t) size);
    must (close (fd), "close");
}

static void release_with_lock (void)
{
    unmap (held_address, held_size);
    must (unlink (held_name), "unlink");
}

static void attach_with_lock (void)
{
    int fd = open_existing (held_name);
    void *address;
    long size;

    must (lock (fd, F_OFD_SETLK, F_RDLCK, 1), "F_OFD_SETLK");
    size = size_of (fd);
    address = map (fd, size);
    unmap (address, size);
    must (close (fd), "close");
}

/* The same, but also asks, after its own lock has ended, whether it was the last. */
static void attach_and_look (void)
{
    int fd = open_existing (held_name);
    void *address;
    long size;

    must (lock (fd, F_OFD_SETLK, F_RDLCK, 1), "F_OFD_SETLK");
    size = size_of (fd);
    address = map (fd, size);
    must (close (fd), "close");
    unmap (address, size);
    fd = open_existing (held_name);
    if (lock (fd, F_OFD_GETLK, F_WRLCK, 1) != F_RDLCK) {
        die ("F_OFD_GETLK");
    }
    must (close (fd), "close");
}

/* ---- a file, and nothing else --------------------------------------------------------------- */

static void create_plain (long size)
{
    int fd = open (name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

    if (fd == -1 || ftruncate (fd, size) != 0) {
        die (name);
    }
    unmap (map (fd, size), size);
    must (close (fd), "close");
    must (unlink (name), "unlink");
}

static void attach_plain (void)
{
    int fd = open_existing (held_name);
    long size = size_of (fd);

    unmap (map (fd, size), size);
    must (close (fd), "close");
}

const struct way way_files = {"raw", begin_files, create_with_locks, hold_with_lock,
                              release_with_lock, attach_with_lock};
const struct way way_files_look = {"raw, last look", NULL, NULL, NULL, NULL, attach_and_look};
const struct way way_files_plain = {"plain file", NULL, create_plain, NULL, NULL, attach_plain};
