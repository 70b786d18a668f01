/* shmSave and shmLoad: bytes, kinds of files, errors, and interruptions. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAME "c_tests/save_load"
#define SIZE 70001L /* more than a pipe holds, and no whole pages */
#define ROOM (2 * SIZE)
#define UNTOUCHED 12345
#define SAVES 200
#define READS 200
#define DEADLINE 60 /* seconds, for loops that wait for others */

static SharedMemory memory;
static unsigned char content[ROOM]; /* what files are compared with and made from */
static int ready[2];

/* ---- helpers --------------------------------------------------------------------- */

/* Pseudo-random bytes, different for each seed. */
static void make_content (unsigned seed)
{
    unsigned long value = seed;
    long i;

    for (i = 0; i < ROOM; i++) {
        value = (value * 1103515245UL + 12345UL) & 0x7FFFFFFFUL;
        content[i] = (unsigned char) (value >> 16);
    }
}

static void fill_segment (unsigned seed)
{
    make_content (seed);
    memcpy (shmAddress (memory), content, SIZE);
}

/* Whether the segment has the bytes of that seed. */
static int segment_is (unsigned seed)
{
    make_content (seed);
    return memcmp (shmAddress (memory), content, SIZE) == 0;
}

static long read_all (int file, unsigned char *bytes, long room)
{
    long length = 0;
    long count;

    while (length < room && (count = read (file, bytes + length, (size_t) (room - length))) > 0) {
        length += count;
    }
    return length;
}

/* Whether the file has exactly the first `size` bytes of that seed. */
static int descriptor_holds (int file, unsigned seed, long size)
{
    static unsigned char bytes[ROOM + 1];
    long length = read_all (file, bytes, sizeof bytes);

    make_content (seed);
    return length == size && memcmp (bytes, content, (size_t) size) == 0;
}

static int file_holds (const char *path, unsigned seed, long size)
{
    int file = open (path, O_RDONLY);
    int holds = file >= 0 && descriptor_holds (file, seed, size);

    close (file);
    return holds;
}

static void write_all (int file, const unsigned char *bytes, long size, long piece)
{
    long written;

    for (; size > 0; bytes += written, size -= written) {
        written = write (file, bytes, (size_t) (piece < size ? piece : size));
        if (written < 0) {
            return; /* nobody reads any more */
        }
    }
}

static void make_file (const char *path, unsigned seed, long size, mode_t mode)
{
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    make_content (seed);
    write_all (file, content, size, size);
    fchmod (file, mode);
    close (file);
}

static int mode_of (const char *path)
{
    struct stat status;

    return lstat (path, &status) == 0 ? (int) (status.st_mode & 07777) : -1;
}

static int type_of (const char *path)
{
    struct stat status;

    return lstat (path, &status) == 0 ? (int) (status.st_mode & S_IFMT) : -1;
}

static long inode_of (const char *path)
{
    struct stat status;

    return stat (path, &status) == 0 ? (long) status.st_ino : -1;
}

/* Permissions apply to root without its capabilities as to an ordinary user, and root still owns
 * the test's files. */
static int become_ordinary (void)
{
    struct __user_cap_header_struct header;
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    header.version = _LINUX_CAPABILITY_VERSION_3;
    header.pid = 0;
    memset (none, 0, sizeof none);
    return syscall (SYS_capset, &header, none) == 0;
}

static void refused_save (const char *what, const char *path, int error)
{
    int status;

    errno = 0;
    status = shmSave (memory, path);
    CHECK (check_text ("shmSave to %s is: %s", what, strerror (error)), status == error);
    CHECK ("errno has the same value", errno == status);
}

/* The segment has the bytes of seed 1, and must keep them. */
static void refused_load (const char *what, const char *path, int error)
{
    int status, left_in_errno;

    fill_segment (1);
    errno = 0;
    status = shmLoad (memory, path);
    left_in_errno = errno;
    CHECK (check_text ("shmLoad of %s is: %s", what, strerror (error)), status == error);
    CHECK ("errno has the same value", left_in_errno == status);
    CHECK ("no byte of the segment is changed", segment_is (1));
}

/* ---- plain files -------------------------------------------------------------------- */

static void save_and_load (void)
{
    const char *path = check_path ("plain");
    int descriptors = check_entries ("/proc/self/fd");
    int status;

    fill_segment (1);
    errno = UNTOUCHED;
    status = shmSave (memory, path);
    CHECK ("shmSave returns 0", status == 0);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("the file has the segment's bytes, all of them and nothing else",
           file_holds (path, 1, SIZE));
    CHECK ("shmSave leaves the segment unchanged", segment_is (1));

    fill_segment (2);
    CHECK ("shmSave over a file returns 0", shmSave (memory, path) == 0);
    CHECK ("the file has the new bytes", file_holds (path, 2, SIZE));

    make_file (path, 3, ROOM, 0600);
    CHECK ("shmSave over a longer file returns 0", shmSave (memory, path) == 0);
    CHECK ("the file's size is the segment's size", file_holds (path, 2, SIZE));

    make_file (path, 4, SIZE, 0600);
    errno = UNTOUCHED;
    status = shmLoad (memory, path);
    CHECK ("shmLoad returns 0", status == 0);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("the segment has the file's bytes", segment_is (4));
    CHECK ("shmLoad leaves the file unchanged", file_holds (path, 4, SIZE));
    CHECK ("no file descriptor is left open", check_entries ("/proc/self/fd") == descriptors);
}

static void other_sizes (void)
{
    const char *path = check_path ("of another size");
    char *bytes = shmAddress (memory);

    memset (bytes, 0x5A, SIZE);
    make_file (path, 1, SIZE - 1000, 0600);
    CHECK ("shmLoad of a shorter file succeeds", shmLoad (memory, path) == 0);
    CHECK ("it reads what the file has", memcmp (bytes, content, SIZE - 1000) == 0);
    CHECK ("bytes beyond the file's end are unchanged",
           check_filled (bytes + SIZE - 1000, 0x5A, 1000));

    memset (bytes, 0x5A, SIZE);
    make_file (path, 2, 1, 0600);
    CHECK ("shmLoad of one byte succeeds", shmLoad (memory, path) == 0);
    CHECK ("it reads one byte and changes no other",
           bytes[0] == (char) content[0] && check_filled (bytes + 1, 0x5A, SIZE - 1));

    make_file (path, 3, ROOM, 0600);
    CHECK ("shmLoad of a longer file succeeds", shmLoad (memory, path) == 0);
    CHECK ("it reads what fits into the segment", memcmp (bytes, content, SIZE) == 0);
    CHECK ("shmLoad leaves the file unchanged", file_holds (path, 3, ROOM));
}

static void names_of_files (void)
{
    char longest[256];

    CHECK ("the current directory is changed", chdir (check_path ("")) == 0);
    fill_segment (1);
    CHECK ("shmSave accepts a relative name", shmSave (memory, "relative") == 0);
    CHECK ("it is relative to the current directory",
           file_holds (check_path ("relative"), 1, SIZE));
    memset (longest, 'l', 255);
    longest[255] = '\0';
    CHECK ("shmSave accepts a name of NAME_MAX bytes", shmSave (memory, longest) == 0);
    CHECK ("the file has the bytes", file_holds (longest, 1, SIZE));
    CHECK ("shmSave replaces such a file",
           shmSave (memory, longest) == 0 && file_holds (longest, 1, SIZE));
    CHECK ("the current directory is changed back", chdir ("/") == 0);
}

static void errors (void)
{
    const char *path = check_path ("no file");
    int descriptors = check_entries ("/proc/self/fd");

    make_file (check_path ("file"), 1, 10, 0600);
    make_file (check_path ("empty"), 1, 0, 0600);
    refused_load ("a file that does not exist", path, ENOENT);
    refused_load ("an empty file", check_path ("empty"), EINVAL);
    refused_load ("a directory", check_path (""), EISDIR);
    refused_load ("a file in a directory that does not exist", check_path ("missing/file"), ENOENT);
    refused_load ("a file in a file", check_path ("file/file"), ENOTDIR);
    refused_load ("/dev/null, which is empty", "/dev/null", EINVAL);
    refused_load ("an empty name", "", ENOENT);
    refused_load ("NULL", NULL, EINVAL);
    CHECK ("shmLoad of a NULL handle is EINVAL", shmLoad (NULL, check_path ("file")) == EINVAL);

    refused_save ("a directory", check_path (""), EISDIR);
    refused_save ("a file in a directory that does not exist", check_path ("missing/file"), ENOENT);
    refused_save ("a file in a file", check_path ("file/file"), ENOTDIR);
    refused_save ("an empty name", "", ENOENT);
    refused_save ("NULL", NULL, EINVAL);
    CHECK ("shmSave of a NULL handle is EINVAL", shmSave (NULL, path) == EINVAL);
    CHECK ("shmSave of a NULL handle creates no file", type_of (path) == -1);
    CHECK ("no file descriptor is left open", check_entries ("/proc/self/fd") == descriptors);
}

static void use_up_memory (void)
{
    struct rlimit limit = {0, RLIM_INFINITY};
    size_t size;
    int saved, loaded;

    if (setrlimit (RLIMIT_AS, &limit) != 0) {
        _exit (1);
    }
    for (size = 8192; size > 8; size -= 8) {
        while (malloc (size) != NULL) {
        }
    }
    saved = shmSave (memory, check_path ("no memory"));
    loaded = shmLoad (memory, check_path ("some"));
    _exit (saved == ENOMEM && loaded == ENOMEM ? 0 : 2);
}

static void without_memory (void)
{
    if (getenv ("UNDER_VALGRIND") != NULL || WITH_ADDRESS_SANITIZER) {
        check_note ("valgrind, sanitizer: memory cannot be used up");
        return;
    }
    make_file (check_path ("some"), 9, 10, 0600);
    CHECK ("without memory, shmSave and shmLoad are ENOMEM", check_child (use_up_memory) == 0);
    CHECK ("shmSave without memory creates no file", type_of (check_path ("no memory")) == -1);
}

static void without_waiting (void)
{
    const char *path = check_path ("not waited for");

    fill_segment (5);
    CHECK ("with SHM_UTIL_SYNC=0, shmSave returns 0", shmSave (memory, path) == 0);
    CHECK ("with SHM_UTIL_SYNC=0, the file has the same bytes", file_holds (path, 5, SIZE));
}

/* ---- mode, owner, links and lists are kept ---------------------------------------------- */

static void new_file_with_umask (mode_t mask)
{
    const char *path = check_path ("new");
    mode_t old = umask (mask);

    unlink (path);
    CHECK (check_text ("shmSave creates a file with umask %03o", (unsigned) mask),
           shmSave (memory, path) == 0);
    CHECK ("its mode is 0666 less the umask", mode_of (path) == (int) (0666 & ~mask));
    CHECK ("the umask is unchanged", umask (old) == mask);
}

static void existing_file_with_mode (mode_t mode)
{
    const char *path = check_path ("existing");
    mode_t old = umask (077);

    make_file (path, 9, 10, mode);
    CHECK (check_text ("shmSave replaces a file of mode %04o", (unsigned) mode),
           shmSave (memory, path) == 0);
    CHECK ("the file keeps its mode", mode_of (path) == (int) mode);
    umask (old);
}

static void modes (void)
{
    new_file_with_umask (0);
    new_file_with_umask (022);
    new_file_with_umask (077);
    existing_file_with_mode (0640);
    existing_file_with_mode (0604);
    existing_file_with_mode (0777);
}

static int is_owned (const char *path, uid_t owner, gid_t group)
{
    struct stat status;

    return stat (path, &status) == 0 && status.st_uid == owner && status.st_gid == group;
}

static void save_strangers_file (void)
{
    CHECK ("capabilities are given up", become_ordinary ());
    CHECK ("a user can save to a writable file of another user",
           shmSave (memory, check_path ("stranger's")) == 0);
    CHECK ("a user can save to a writable file of another group",
           shmSave (memory, check_path ("of a strange group")) == 0);
}

static void owners (void)
{
    const char *path = check_path ("owned");
    const char *strangers = check_path ("stranger's");
    const char *grouped = check_path ("of a strange group");

    make_file (path, 9, 10, 0644);
    if (chown (path, 1, 2) != 0) {
        check_skip ("owner and group of files: only root can give files away");
        return;
    }
    fill_segment (1);
    CHECK ("root can save to a file of another owner and group", shmSave (memory, path) == 0);
    CHECK ("the file has the bytes", file_holds (path, 1, SIZE));
    CHECK ("the file keeps owner and group", is_owned (path, 1, 2));
    CHECK ("the file keeps its mode", mode_of (path) == 0644);

    make_file (strangers, 9, 10, 0666);
    make_file (grouped, 9, 10, 0660);
    CHECK ("files are given away",
           chown (strangers, 1, (gid_t) -1) == 0 && chown (grouped, (uid_t) -1, 2) == 0);
    CHECK ("an ordinary user exits with status 0", check_child (save_strangers_file) == 0);
    CHECK ("the other user's file keeps its owner", is_owned (strangers, 1, getegid ()));
    CHECK ("the file keeps its mode", mode_of (strangers) == 0666);
    CHECK ("the file has the bytes", file_holds (strangers, 1, SIZE));
    CHECK ("the other group's file keeps its group", is_owned (grouped, geteuid (), 2));
    CHECK ("the file keeps its mode", mode_of (grouped) == 0660);
    CHECK ("the file has the bytes", file_holds (grouped, 1, SIZE));
}

static void links (void)
{
    char target[1024];

    strcpy (target, check_path ("links/deep/target"));
    CHECK ("directories are created", mkdir (check_path ("links"), 0700) == 0
           && mkdir (check_path ("links/deep"), 0700) == 0);
    CHECK ("symbolic links are created", symlink ("second", check_path ("links/first")) == 0
           && symlink ("deep/third", check_path ("links/second")) == 0
           && symlink ("../deep/target", check_path ("links/deep/third")) == 0
           && symlink ("missing/target", check_path ("links/nowhere")) == 0
           && symlink ("loop", check_path ("links/loop")) == 0
           && symlink (target, check_path ("links/absolute")) == 0);

    fill_segment (1);
    CHECK ("shmSave follows a chain of relative links to a file that does not exist",
           shmSave (memory, check_path ("links/first")) == 0);
    CHECK ("it creates that file", type_of (target) == S_IFREG && file_holds (target, 1, SIZE));
    CHECK ("the links are still links", type_of (check_path ("links/first")) == S_IFLNK
           && type_of (check_path ("links/second")) == S_IFLNK
           && type_of (check_path ("links/deep/third")) == S_IFLNK);

    fill_segment (2);
    chmod (target, 0640);
    CHECK ("shmSave follows an absolute link",
           shmSave (memory, check_path ("links/absolute")) == 0);
    CHECK ("the target has the bytes", file_holds (target, 2, SIZE));
    CHECK ("the target keeps its mode", mode_of (target) == 0640);
    CHECK ("the link is still a link", type_of (check_path ("links/absolute")) == S_IFLNK);
    CHECK ("shmLoad follows links",
           shmLoad (memory, check_path ("links/first")) == 0 && segment_is (2));

    refused_save ("a link into a missing directory", check_path ("links/nowhere"), ENOENT);
    refused_save ("a link to itself", check_path ("links/loop"), ELOOP);
    refused_load ("a link to itself", check_path ("links/loop"), ELOOP);
    CHECK ("no other file is created beside the links", check_entries (check_path ("links")) == 8);
    CHECK ("no other file is created beside the target",
           check_entries (check_path ("links/deep")) == 4);
}

/* ---- links and leftovers of others -------------------------------------------------------- */

static void traps (void)
{
    char precious[1024];

    strcpy (precious, check_path ("precious"));
    make_file (precious, 9, 10, 0600);
    CHECK ("directories are created", mkdir (check_path ("everybody's"), 0700) == 0
           && chmod (check_path ("everybody's"), 01777) == 0
           && mkdir (check_path ("ours"), 0700) == 0);
    CHECK ("symbolic links are created", symlink (precious, check_path ("everybody's/trap")) == 0
           && symlink ("new", check_path ("everybody's/dangling trap")) == 0
           && symlink ("own", check_path ("everybody's/link")) == 0
           && symlink ("own", check_path ("ours/link")) == 0);
    if (lchown (check_path ("everybody's/trap"), 1, 1) != 0
        || lchown (check_path ("everybody's/dangling trap"), 1, 1) != 0
        || lchown (check_path ("ours/link"), 1, 1) != 0) {
        check_skip ("links of other users: only root can give links away");
        return;
    }
    fill_segment (3);
    refused_save ("another user's link in a sticky, world-writable directory",
                  check_path ("everybody's/trap"), EACCES);
    CHECK ("the target of that link is unchanged", file_holds (precious, 9, 10));
    refused_save ("such a link to a file that does not exist",
                  check_path ("everybody's/dangling trap"), EACCES);
    CHECK ("that file is not created", type_of (check_path ("everybody's/new")) == -1);
    CHECK ("shmSave follows the user's own link there",
           shmSave (memory, check_path ("everybody's/link")) == 0
           && file_holds (check_path ("everybody's/own"), 3, SIZE));
    CHECK ("shmSave follows another user's link elsewhere",
           shmSave (memory, check_path ("ours/link")) == 0
           && file_holds (check_path ("ours/own"), 3, SIZE));
}

/* A save that is killed at the wrong moment leaves a file with this name. */
static void leftovers (void)
{
    char leftover[1024], precious[1024];
    int file;

    strcpy (leftover, check_path ("left/.saved.shm_util"));
    strcpy (precious, check_path ("left/precious"));
    CHECK ("a directory is created", mkdir (check_path ("left"), 0700) == 0);
    make_file (check_path ("left/saved"), 9, 10, 0640);
    make_file (leftover, 8, 10, 0640);
    fill_segment (4);
    CHECK ("shmSave succeeds beside the temporary file of a killed save",
           shmSave (memory, check_path ("left/saved")) == 0);
    CHECK ("the file has the bytes of this save", file_holds (check_path ("left/saved"), 4, SIZE));
    CHECK ("shmSave has removed the temporary file", check_entries (check_path ("left")) == 3);

    make_file (leftover, 8, 10, 0640);
    file = open (leftover, O_RDONLY);
    CHECK ("a running save locks its temporary file", flock (file, LOCK_EX) == 0);
    CHECK ("shmSave succeeds beside a running save",
           shmSave (memory, check_path ("left/saved")) == 0);
    CHECK ("shmSave leaves a locked temporary file", file_holds (leftover, 8, 10));
    close (file);

    CHECK ("shmSave leaves a file of that name with another mode", chmod (leftover, 0644) == 0
           && shmSave (memory, check_path ("left/saved")) == 0 && file_holds (leftover, 8, 10));
    unlink (leftover);
    make_file (precious, 9, 10, 0640);
    CHECK ("shmSave leaves a link of that name", symlink ("precious", leftover) == 0
           && shmSave (memory, check_path ("left/saved")) == 0
           && type_of (leftover) == S_IFLNK && file_holds (precious, 9, 10));
    CHECK ("the saved file is a regular file", type_of (check_path ("left/saved")) == S_IFREG
           && mode_of (check_path ("left/saved")) == 0640);
    CHECK ("there are no other files", check_entries (check_path ("left")) == 5);
}

/* An access control list in the kernel's format: version 2; tag, rights and id of each entry. */
#define ACL_SIZE (4 + 5 * 8)
#define ACCESS_LIST "system.posix_acl_access"

static void make_acl (unsigned char acl[ACL_SIZE])
{
    static const unsigned char entries[5][2] = {{1, 6}, {2, 6}, {4, 0}, {16, 6}, {32, 0}};
    int i;

    memset (acl, 0xff, ACL_SIZE);
    memset (acl, 0, 4);
    acl[0] = 2;
    for (i = 0; i < 5; i++) {
        unsigned char *entry = acl + 4 + i * 8;

        entry[0] = entries[i][0];
        entry[1] = entry[3] = 0;
        entry[2] = entries[i][1];
        if (entry[0] == 2) {
            memset (entry + 4, 0, 4);
            entry[4] = 99;
        }
    }
}

static void access_control_lists (void)
{
    const char *path = check_path ("lists/file");
    unsigned char acl[ACL_SIZE], found[ACL_SIZE + 1];

    make_acl (acl);
    CHECK ("a directory is created", mkdir (check_path ("lists"), 0700) == 0);
    make_file (path, 9, 10, 0600);
    if (setxattr (path, ACCESS_LIST, acl, ACL_SIZE, 0) != 0) {
        check_skip ("access control lists: the file system of TMPDIR has none");
        return;
    }
    fill_segment (5);
    CHECK ("shmSave replaces a file with an access control list", shmSave (memory, path) == 0
           && file_holds (path, 5, SIZE));
    CHECK ("the file keeps its list", getxattr (path, ACCESS_LIST, found, sizeof found) == ACL_SIZE
           && memcmp (acl, found, ACL_SIZE) == 0);
    CHECK ("the directory has a default access control list",
           setxattr (check_path ("lists"), "system.posix_acl_default", acl, ACL_SIZE, 0) == 0);
    CHECK ("shmSave replaces a file without a list", removexattr (path, ACCESS_LIST) == 0
           && chmod (path, 0640) == 0 && shmSave (memory, path) == 0);
    CHECK ("the file gets no list", getxattr (path, ACCESS_LIST, found, sizeof found) == -1
           && errno == ENODATA && mode_of (path) == 0640);
    CHECK ("a new file gets the directory's default list",
           shmSave (memory, check_path ("lists/new")) == 0
           && getxattr (check_path ("lists/new"), ACCESS_LIST, found, sizeof found) == ACL_SIZE);
}

/* Files that another process, or thread, has open. */
static void links_in_proc (void)
{
    const char *path = check_path ("named");
    int ends[2];
    int file;

    make_file (path, 9, 10, 0600);
    file = open (path, O_RDWR);
    fill_segment (6);
    CHECK ("shmSave to a file that a process has open returns 0",
           shmSave (memory, check_text ("/proc/%ld/fd/%d", (long) getpid (), file)) == 0);
    CHECK ("the path of that file has the bytes", file_holds (path, 6, SIZE));
    CHECK ("the open file is unchanged", descriptor_holds (file, 9, 10));
    close (file);

    file = open (path, O_RDWR);
    unlink (path);
    fill_segment (7);
    CHECK ("shmSave to an open file without a name returns 0",
           shmSave (memory, check_text ("/proc/%ld/fd/%d", (long) getpid (), file)) == 0);
    CHECK ("the open file has the bytes", descriptor_holds (file, 7, SIZE));
    CHECK ("it still has no name", type_of (path) == -1
           && type_of (check_text ("%s (deleted)", path)) == -1);
    close (file);

    CHECK ("a pipe is created", pipe (ends) == 0 && fcntl (ends[1], F_SETPIPE_SZ, SIZE) >= SIZE);
    CHECK ("shmSave to a pipe in /proc returns 0",
           shmSave (memory, check_text ("/proc/thread-self/fd/%d", ends[1])) == 0);
    close (ends[1]);
    CHECK ("the pipe has the bytes", descriptor_holds (ends[0], 7, SIZE));
    close (ends[0]);
}

/* ---- permissions --------------------------------------------------------------------- */

static void be_ordinary_and_try (void)
{
    CHECK ("capabilities are given up", become_ordinary ());
    fill_segment (1);
    refused_save ("a read-only file", check_path ("read-only"), EACCES);
    refused_save ("a new file in a read-only directory",
                  check_path ("closed/new"), EACCES);
    refused_save ("a read-only file in such a directory", check_path ("closed/read-only"), EACCES);
    refused_load ("an unreadable file", check_path ("secret"), EACCES);
    CHECK ("shmSave to a writable file in such a directory returns 0",
           shmSave (memory, check_path ("closed/writable")) == 0);
    CHECK ("shmSave to it through a link returns 0",
           shmSave (memory, check_path ("to writable")) == 0);
}

static void permissions (void)
{
    long inode;

    CHECK ("a directory is created", mkdir (check_path ("closed"), 0700) == 0);
    make_file (check_path ("read-only"), 9, 10, 0444);
    make_file (check_path ("secret"), 9, 10, 0200);
    make_file (check_path ("closed/read-only"), 9, 10, 0444);
    make_file (check_path ("closed/writable"), 9, ROOM, 0600);
    inode = inode_of (check_path ("closed/writable"));
    CHECK ("a link is created",
           symlink (check_path ("closed/writable"), check_path ("to writable")) == 0);
    chmod (check_path ("closed"), 0555);

    CHECK ("an ordinary user exits with status 0", check_child (be_ordinary_and_try) == 0);
    CHECK ("a read-only file is unchanged", file_holds (check_path ("read-only"), 9, 10)
           && mode_of (check_path ("read-only")) == 0444);
    CHECK ("a read-only file in a read-only directory is unchanged",
           file_holds (check_path ("closed/read-only"), 9, 10));
    CHECK ("the writable file there has the bytes",
           file_holds (check_path ("closed/writable"), 1, SIZE));
    CHECK ("it was written in place", inode_of (check_path ("closed/writable")) == inode);
    CHECK ("there are no other files", check_entries (check_path ("closed")) == 4);
    chmod (check_path ("closed"), 0700);
}

/* ---- fifos, devices and pipes ------------------------------------------------------------ */

static void read_fifo (void)
{
    int file = open (check_path ("fifo"), O_RDONLY);

    CHECK ("the reader of a fifo gets the segment's bytes", descriptor_holds (file, 1, SIZE));
    close (file);
}

static void save_into_fifo (void)
{
    pid_t child;

    CHECK ("a fifo is created", mkfifo (check_path ("fifo"), 0600) == 0);
    fill_segment (1);
    child = check_fork ();
    if (child == 0) {
        read_fifo ();
        exit (0);
    }
    CHECK ("shmSave into a fifo returns 0", shmSave (memory, check_path ("fifo")) == 0);
    CHECK ("the reader exits with status 0", check_wait (child) == 0);
    CHECK ("the fifo is still a fifo", type_of (check_path ("fifo")) == S_IFIFO);
}

/* The pieces are smaller than what the reader asks for. */
static void load_from_fifo (long size, long piece)
{
    pid_t child;
    char *bytes = shmAddress (memory);
    long expected = size < SIZE ? size : SIZE;

    memset (bytes, 0x5A, SIZE);
    child = check_fork ();
    if (child == 0) {
        int file = open (check_path ("fifo"), O_WRONLY);

        signal (SIGPIPE, SIG_IGN);
        make_content (6);
        write_all (file, content, size, piece);
        _exit (0);
    }
    CHECK (check_text ("shmLoad of %ld bytes from a fifo in pieces of %ld returns %s", size, piece,
                       size == 0 ? "EINVAL" : "0"),
           shmLoad (memory, check_path ("fifo")) == (size == 0 ? EINVAL : 0));
    CHECK ("the writer exits with status 0", check_wait (child) == 0);
    make_content (6);
    CHECK ("shmLoad reads to the end or until the segment is full",
           memcmp (bytes, content, (size_t) expected) == 0);
    CHECK ("bytes beyond the end are unchanged",
           check_filled (bytes + expected, 0x5A, SIZE - expected));
}

static void fifos (void)
{
    save_into_fifo ();
    load_from_fifo (SIZE, 97);
    load_from_fifo (SIZE, SIZE);
    load_from_fifo (SIZE / 2, 1000);
    load_from_fifo (ROOM, 5000);
    load_from_fifo (1, 1);
    load_from_fifo (0, 1);
}

/* A device to save to. The test makes its own if it may write to /dev, where a wrong save would
 * replace /dev/null by a file. */
static const char *device (const char *name, unsigned number)
{
    const char *path = check_path (name);
    int file;

    if (access ("/dev", W_OK) != 0) {
        return check_text ("/dev/%s", name);
    }
    mknod (path, S_IFCHR | 0666, makedev (1, number));
    file = open (path, O_WRONLY); /* not with the mount option nodev */
    if (file >= 0) {
        close (file);
        return path;
    }
    check_skip (check_text ("saving to %s: the device cannot be made", name));
    return NULL;
}

static void devices (void)
{
    const char *null = device ("null", 3);
    const char *full = device ("full", 7);

    if (null != NULL) {
        CHECK ("shmSave to /dev/null returns 0", shmSave (memory, null) == 0);
        CHECK ("/dev/null is still a device", type_of (null) == S_IFCHR);
    }
    if (full != NULL) {
        refused_save ("/dev/full", full, ENOSPC);
        CHECK ("/dev/full is still a device", type_of (full) == S_IFCHR);
    }
    memset (shmAddress (memory), 0x5A, SIZE);
    CHECK ("shmLoad of /dev/zero returns 0", shmLoad (memory, "/dev/zero") == 0);
    CHECK ("shmLoad reads until the segment is full", check_filled (shmAddress (memory), 0, SIZE));
}

static void save_to_stdout (int target)
{
    dup2 (target, STDOUT_FILENO);
    _exit (shmSave (memory, "/dev/stdout"));
}

static void stdout_to_file (void)
{
    const char *path = check_path ("redirected");
    int file = open (path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    long inode = inode_of (path);
    pid_t child;

    fill_segment (1);
    child = check_fork ();
    if (child == 0) {
        save_to_stdout (file);
    }
    CHECK ("shmSave to /dev/stdout, a file, returns 0", check_wait (child) == 0);
    lseek (file, 0, SEEK_SET);
    CHECK ("the open file has the bytes",
           descriptor_holds (file, 1, SIZE));
    CHECK ("it was written in place", inode_of (path) == inode);
    CHECK ("/dev/stdout is still a link", type_of ("/dev/stdout") == S_IFLNK);
    close (file);
}

static void stdout_to_pipe (void)
{
    int ends[2];
    pid_t child;

    CHECK ("a pipe is created", pipe (ends) == 0);
    fill_segment (2);
    child = check_fork ();
    if (child == 0) {
        save_to_stdout (ends[1]);
    }
    close (ends[1]);
    CHECK ("a pipe gets the bytes through /dev/stdout", descriptor_holds (ends[0], 2, SIZE));
    CHECK ("shmSave to /dev/stdout, a pipe, returns 0", check_wait (child) == 0);
    close (ends[0]);
}

static void stdin_from_pipe (void)
{
    int ends[2];
    pid_t child;

    CHECK ("a pipe is created", pipe (ends) == 0);
    child = check_fork ();
    if (child == 0) {
        close (ends[1]);
        dup2 (ends[0], STDIN_FILENO);
        _exit (shmLoad (memory, "/dev/stdin"));
    }
    close (ends[0]);
    make_content (3);
    write_all (ends[1], content, SIZE, 1000);
    close (ends[1]);
    CHECK ("shmLoad of /dev/stdin, a pipe, returns 0", check_wait (child) == 0);
    CHECK ("the segment has the bytes", segment_is (3));
}

/* ---- all or nothing -------------------------------------------------------------------- */

/* A limit of the file's size acts like a full disk. */
static int limited_save (const char *path)
{
    struct rlimit limit;
    rlim_t whole;
    int status;

    getrlimit (RLIMIT_FSIZE, &limit);
    whole = limit.rlim_cur;
    limit.rlim_cur = SIZE / 2;
    setrlimit (RLIMIT_FSIZE, &limit);
    status = shmSave (memory, path);
    limit.rlim_cur = whole;
    setrlimit (RLIMIT_FSIZE, &limit);
    return status;
}

static void fail_half_way (void)
{
    signal (SIGXFSZ, SIG_IGN);
    CHECK ("shmSave beyond the limit for a file's size is EFBIG",
           limited_save (check_path ("half/old")) == EFBIG && errno == EFBIG);
    CHECK ("it is EFBIG for a new file, too", limited_save (check_path ("half/new")) == EFBIG);
}

static void die_half_way (void)
{
    struct rlimit none;

    none.rlim_cur = 0;
    none.rlim_max = 0;
    setrlimit (RLIMIT_CORE, &none);
    signal (SIGXFSZ, SIG_DFL);
    limited_save (check_path ("half/old"));
}

static void failures_half_way (void)
{
    CHECK ("a directory is created", mkdir (check_path ("half"), 0700) == 0);
    make_file (check_path ("half/old"), 8, SIZE, 0600);
    CHECK ("a process with a limit exits with status 0", check_child (fail_half_way) == 0);
    CHECK ("the old file is unchanged", file_holds (check_path ("half/old"), 8, SIZE));
    CHECK ("the new file does not exist", type_of (check_path ("half/new")) == -1);
    CHECK ("no other file is left", check_entries (check_path ("half")) == 3);
    CHECK ("a process is killed by SIGXFSZ during shmSave",
           check_child (die_half_way) == 128 + SIGXFSZ);
    CHECK ("the old file is unchanged", file_holds (check_path ("half/old"), 8, SIZE));
}

struct watch {
    volatile int stop;
    volatile long reads;
    volatile long torn;
};

/* Opens the file again and again. It must exist, and have all bytes of one pattern. */
static void watch_file (const char *path, struct watch *watch)
{
    static unsigned char bytes[SIZE + 1];

    while (!watch->stop) {
        int file = open (path, O_RDONLY);
        long length = file < 0 ? -1 : read_all (file, bytes, sizeof bytes);

        close (file);
        watch->torn += length != SIZE || !check_filled (bytes, bytes[0], SIZE);
        watch->reads++;
    }
}

static void seen_from_outside (void)
{
    struct watch *watch = check_shared (sizeof *watch);
    const char *path = check_path ("watched");
    time_t deadline = time (NULL) + DEADLINE;
    long saves;
    long failed = 0;
    pid_t child;

    memset (shmAddress (memory), 'a', SIZE);
    CHECK ("shmSave returns 0", shmSave (memory, path) == 0);
    child = check_fork ();
    if (child == 0) {
        watch_file (path, watch);
        _exit (0);
    }
    for (saves = 0; (saves < SAVES || watch->reads < READS) && time (NULL) < deadline; saves++) {
        memset (shmAddress (memory), saves % 2 == 0 ? 'b' : 'a', SIZE);
        failed += shmSave (memory, path) != 0;
    }
    watch->stop = 1;
    CHECK ("the reader exits with status 0", check_wait (child) == 0);
    CHECK ("many saves succeed while the file is read", saves >= SAVES && failed == 0);
    CHECK ("the file is read many times while it is saved", watch->reads >= READS);
    CHECK ("a reader sees all bytes of one save", watch->torn == 0);
}

/* Each saver has a segment of its own, because a segment has one pattern. */
static void save_for_ever (int pattern)
{
    SharedMemory mine = NULL;

    if (shmCreate (check_text ("c_tests/save_load %c", pattern), SIZE, NULL, &mine) != 0) {
        _exit (1);
    }
    memset (shmAddress (mine), pattern, SIZE);
    check_signal (ready);
    for (;;) {
        if (shmSave (mine, check_path ("contended")) != 0) {
            _exit (1);
        }
    }
}

static pid_t start_saver (int pattern)
{
    pid_t child = check_fork ();

    if (child == 0) {
        save_for_ever (pattern);
    }
    check_await (ready);
    return child;
}

static int is_whole (const char *path)
{
    static unsigned char bytes[SIZE + 1];
    int file = open (path, O_RDONLY);
    long length = file < 0 ? -1 : read_all (file, bytes, sizeof bytes);

    close (file);
    return length == SIZE && check_filled (bytes, bytes[0], SIZE);
}

static void two_savers_killed (void)
{
    const char *path = check_path ("contended");
    int torn = 0;
    int ended = 0;
    int round;

    memset (shmAddress (memory), 'c', SIZE);
    CHECK ("shmSave returns 0", shmSave (memory, path) == 0);
    for (round = 0; round < 40; round++) {
        pid_t first = start_saver ('x');
        pid_t second = start_saver ('y');

        torn += !is_whole (path);
        usleep ((useconds_t) (rand () % 2000));
        kill (first, SIGKILL);
        kill (second, SIGKILL);
        ended += check_wait (first) != 128 + SIGKILL;
        ended += check_wait (second) != 128 + SIGKILL;
        torn += !is_whole (path);
    }
    CHECK ("two processes can save to one file", ended == 0);
    CHECK ("the file is whole, even if savers are killed", torn == 0);
    CHECK ("the killed savers' names still exist", !check_has (HAS_PROCESSES)
           || (check_exists ("c_tests/save_load x") && check_exists ("c_tests/save_load y")));
}

/* The environment is read at the first call, so this is another process. */
static void in_a_process_that_does_not_wait (void)
{
    setenv ("SHM_UTIL_SYNC", "0", 1);
    memory = check_create (NAME, SIZE);
    without_waiting ();
    seen_from_outside ();
    two_savers_killed ();
    shmDestroy (memory);
}

int main (void)
{
    check_start ();
    if (pipe (ready) < 0) {
        return 1;
    }
    CHECK ("a process with SHM_UTIL_SYNC=0 exits with status 0",
           check_child (in_a_process_that_does_not_wait) == 0);
    memory = check_create (NAME, SIZE);
    save_and_load ();
    other_sizes ();
    names_of_files ();
    errors ();
    without_memory ();
    modes ();
    owners ();
    links ();
    traps ();
    leftovers ();
    access_control_lists ();
    links_in_proc ();
    permissions ();
    fifos ();
    devices ();
    stdout_to_file ();
    stdout_to_pipe ();
    stdin_from_pipe ();
    failures_half_way ();
    shmDestroy (memory);
    return check_done ();
}
