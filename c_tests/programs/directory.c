/* Segments that are files in a directory: what the files contain, and what keeps or deletes them.
 * Most of what they have in common with other segments is tested by the other programs, with
 * STORE=directory; damage is done to them by directory_damage.c. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NAME "plant/sensors"
#define FILE_NAME "plant%2Fsensors"
#define SIZE 5003L
#define OWNER 61001
#define OTHER 61002
#define GROUP 61010
#define TMPFS 0x01021994

static char space[1024]; /* the directory, with a slash at its end */
static int ready[2];
static int go[2];

static const char *path_of (const char *file)
{
    return check_text ("%s%s", space, file);
}

/* The permission bits of a segment's file; -1 if it does not exist. */
static long mode_of (const char *file)
{
    struct stat status;

    return lstat (path_of (file), &status) == 0 ? (long) (status.st_mode & 07777) : -1;
}

static int is_there (const char *file)
{
    return mode_of (file) != -1;
}

static int is_empty (void)
{
    return check_entries (space) == 2;
}

static void leave (SharedMemory memory)
{
    CHECK ("shmDestroy returns 0 and deletes the file", shmDestroy (memory) == 0 && is_empty ());
}

static int count (const struct ShmxInfo *info, void *context)
{
    (void) info;
    ++*(int *) context;
    return 0;
}

static int listed (void)
{
    int names = 0;

    return shmxList (count, &names) == 0 ? names : -1;
}

/* ---- names of files ---------------------------------------------------------- */

static void has_file (const char *name, const char *file)
{
    SharedMemory memory = NULL;
    struct stat status;

    CHECK (check_text ("the file of a name is '%s', and there is no other", file),
           shmCreate (name, SIZE, NULL, &memory) == 0
           && lstat (path_of (file), &status) == 0 && S_ISREG (status.st_mode)
           && check_entries (space) == 3);
    CHECK ("it is listed", listed () == 1);
    leave (memory);
}

static void file_names (void)
{
    static const char *const files[][2] = {
        {"sensors", "sensors"}, {"", "%"}, {"%", "%25"}, {"%41", "%2541"}, {"a/b", "a%2Fb"},
        {"/", "%2F"}, {".", "%2E"}, {"..", "%2E."}, {".x", "%2Ex"}, {"a.b", "a.b"}, {"x y", "x y"},
        {"\n", "%0A"}, {"a\177", "a%7F"}, {"\001\037 ", "%01%1F "}, {"\303\244", "\303\244"},
        {"\377\376", "\377\376"}, {"-rf", "-rf"}, {"~", "~"}, {"$HOME", "$HOME"}, {"a:b", "a:b"},
        {NAME, FILE_NAME}
    };
    unsigned i;

    for (i = 0; i < sizeof files / sizeof *files; i++) {
        has_file (files[i][0], files[i][1]);
    }
}

static void long_names (void)
{
    static char name[300];
    SharedMemory memory = NULL;

    memset (name, '/', 86);
    CHECK ("a name whose file name would have 258 bytes is ENAMETOOLONG",
           shmCreate (name, SIZE, NULL, &memory) == ENAMETOOLONG && errno == ENAMETOOLONG);
    CHECK ("the text gives its length and the limit",
           strstr (shmxErrorText (), "has 258 bytes, the limit is 255") != NULL);
    CHECK ("nothing is created", memory == NULL && is_empty ());
    name[85] = '\0';
    leave (check_create (name, SIZE));
}

static void write_file (const char *path, const char *bytes)
{
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK ("a file is written",
           write (file, bytes, strlen (bytes)) == (ssize_t) strlen (bytes) && close (file) == 0);
}

/* Files whose names stand for no segment. */
static void other_files (void)
{
    static const char *const names[] = {".x", "a%", "%2f", "%41", "a%2E", "%%"};
    unsigned i, left = 0;
    long pruned = -1;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        write_file (path_of (names[i]), "not a segment");
    }
    CHECK ("files whose names are not those of segments are not listed", listed () == 0);
    CHECK ("they are not pruned", shmxPrune (0, &pruned) == 0 && pruned == 0);
    CHECK ("these names of segments are not taken", !check_exists (".x") && !check_exists ("a%")
           && !check_exists ("A"));
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        left += unlink (path_of (names[i])) == 0;
    }
    CHECK ("all files are left", left == i && is_empty ());
}

/* ---- bytes ------------------------------------------------------------------- */

static void bytes (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int file = open (path_of (FILE_NAME), O_RDWR);
    static char found[2 * SIZE];
    char *address = shmAddress (memory);
    char *mapped = mmap (NULL, SIZE, PROT_READ, MAP_SHARED, file, 0);

    CHECK ("a new file has exactly the segment's bytes: zeros",
           read (file, found, sizeof found) == SIZE && check_filled (found, 0, SIZE));
    address[0] = 'f';
    address[SIZE - 1] = 'l';
    CHECK ("what a program stores is read from the file",
           pread (file, found, sizeof found, 0) == SIZE && found[0] == 'f'
           && found[SIZE - 1] == 'l');
    CHECK ("what is written to the file is in the segment",
           pwrite (file, "w", 1, SIZE / 2) == 1 && address[SIZE / 2] == 'w');
    CHECK ("other programs can map the file", mapped != MAP_FAILED && mapped[0] == 'f');
    CHECK ("shmxSync returns 0", shmxSync (memory) == 0);
    CHECK ("a plain mapping of the file does not count as attached", shmDestroy (memory) == 0
           && is_empty ());
    munmap (mapped, SIZE);
    close (file);
}

/* A file that was not made by this library, for example copied or restored from a backup. */
static void file_of_another_program (void)
{
    SharedMemory memory;

    write_file (path_of (FILE_NAME), "restored");
    memory = check_create (NAME, 0);
    CHECK ("a file is a segment, whoever has written it", shmSizeOf (memory) == 8
           && memcmp (shmAddress (memory), "restored", 8) == 0 && shmxCreated (memory) == 0);
    leave (memory);
}

/* ---- modes ------------------------------------------------------------------- */

static void mode_with_umask (mode_t mask)
{
    mode_t old = umask (mask);
    SharedMemory memory = NULL;

    CHECK ("a segment is created", shmxCreate (NAME, SIZE, 0, 0640, NULL, &memory) == 0);
    CHECK (check_text ("its file has exactly its mode with umask %03o", (unsigned) mask),
           mode_of (FILE_NAME) == 0640);
    umask (old);
    leave (memory);
}

static void modes (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    struct stat status;

    mode_with_umask (0);
    mode_with_umask (077);
    mode_with_umask (0777);
    CHECK ("a segment is created", shmxCreate (NAME, SIZE, 0, 0777, NULL, &memory) == 0);
    info.size = sizeof info;
    CHECK ("permissions to execute are left out", mode_of (FILE_NAME) == 0666
           && shmxStat (memory, &info) == 0 && info.mode == 0666 && info.kept == 0);
    leave (memory);
    if (!check_has_users ("a directory of another group")) {
        return;
    }
    CHECK ("a directory has another group, which its files get",
           chown (space, (uid_t) -1, GROUP) == 0 && chmod (space, 02770) == 0);
    memory = check_create (NAME, SIZE);
    CHECK ("a set-group-ID directory gives the segment its group, and no other bits",
           lstat (path_of (FILE_NAME), &status) == 0 && status.st_gid == GROUP
           && mode_of (FILE_NAME) == 0660);
    leave (memory);
    CHECK ("the directory is as before",
           chown (space, (uid_t) -1, getegid ()) == 0 && chmod (space, 01770) == 0);
}

/* The owner's permission to execute. */
static void kept (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    CHECK ("the file of an ordinary segment is not executable", mode_of (FILE_NAME) == 0660);
    CHECK ("the file of a kept one is, for its owner",
           shmxKeep (memory, 1) == 0 && mode_of (FILE_NAME) == 0760);
    CHECK ("setting a mode leaves it kept",
           shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 0600) == 0 && mode_of (FILE_NAME) == 0700);
    CHECK ("the last shmDestroy leaves it", shmDestroy (memory) == 0 && is_there (FILE_NAME));
    memory = check_create (NAME, 0);
    CHECK ("chmod(1) makes it an ordinary one", chmod (path_of (FILE_NAME), 0600) == 0);
    leave (memory);
    memory = check_create (NAME, SIZE);
    CHECK ("chmod(1) keeps it", chmod (path_of (FILE_NAME), 0760) == 0
           && shmDestroy (memory) == 0 && is_there (FILE_NAME));
    CHECK ("shmxPrune leaves it", shmxPrune (0, NULL) == 0 && is_there (FILE_NAME));
    CHECK ("rm(1) removes it", unlink (path_of (FILE_NAME)) == 0 && !check_exists (NAME));
}

/* ---- attachments ------------------------------------------------------------- */

/* Whether somebody has the segment attached, as any program can see it; -1 on failure. */
static int is_locked (void)
{
    struct flock lock;
    int file = open (path_of (FILE_NAME), O_RDWR);
    int status;

    memset (&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 1; /* up to the end */
    status = fcntl (file, F_OFD_GETLK, &lock);
    close (file);
    return status == 0 ? lock.l_type == F_RDLCK : -1;
}

enum end { EXITS, EXECUTES, IS_KILLED, CLOSES_EVERYTHING, ENDS };

static const char *const ends[ENDS] = {"exit", "exec", "kill -9", "close of all descriptors"};

static void hold_and_end (enum end end)
{
    int descriptor;

    check_create (NAME, SIZE);
    if (end == CLOSES_EVERYTHING) {
        for (descriptor = 3; descriptor < 1024; descriptor++) {
            if (descriptor != ready[1] && descriptor != go[0]) {
                close (descriptor);
            }
        }
    }
    check_signal (ready);
    check_await (go);
    if (end == IS_KILLED) {
        kill (getpid (), SIGKILL);
    } else if (end == EXECUTES) {
        execlp ("sleep", "sleep", "60", (char *) NULL);
    }
    _exit (0);
}

/* A lock on bytes of the file shows it. The lock lasts as long as the mapping. */
static void attachment_until (enum end end)
{
    pid_t child = check_fork ();

    if (child == 0) {
        hold_and_end (end);
    }
    CHECK ("a process has the segment attached", check_await (ready));
    CHECK ("other processes see that", is_locked () == 1);
    CHECK ("a shmDestroy of another process leaves the file",
           shmDestroy (check_create (NAME, 0)) == 0 && is_there (FILE_NAME));
    check_signal (go);
    if (end == EXECUTES) {
        while (is_locked () == 1) {
            usleep (1000); /* until exec has ended the mapping: timeout(1) ends a test that hangs */
        }
        check_kill (child);
    } else {
        check_wait (child);
    }
    CHECK (check_text ("%s ends the attachment, and leaves the file", ends[end]),
           is_locked () == 0);
    leave (check_create (NAME, 0));
}

/* Programs in any language take part with a mapping and a shared lock on any byte but the first. */
static void lock_of_another_program (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int file = open (path_of (FILE_NAME), O_RDWR);
    struct flock lock;

    memset (&lock, 0, sizeof lock);
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 4711;
    lock.l_len = 1;
    CHECK ("another program locks the file", fcntl (file, F_OFD_SETLK, &lock) == 0);
    CHECK ("then it counts as attached", shmDestroy (memory) == 0 && is_there (FILE_NAME));
    close (file);
    leave (check_create (NAME, 0));
}

static void descriptors (void)
{
    int before = check_entries ("/proc/self/fd");
    SharedMemory memory = check_create (NAME, SIZE);
    SharedMemory again = check_create (NAME, 0);
    struct ShmxInfo info;
    SharedMemory hidden = NULL;
    int i, open_ones = 0, inherited = 0;

    info.size = sizeof info;
    CHECK ("a segment needs no descriptor while it is attached",
           check_entries ("/proc/self/fd") == before);
    CHECK ("calls leave none", shmxStat (memory, &info) == 0 && listed () == 1
           && shmxKeep (memory, 1) == 0 && shmxKeep (memory, 0) == 0
           && shmSave (memory, "/dev/null") == 0 && shmxSync (memory) == 0
           && shmxWait ("missing", 1) == ETIMEDOUT && check_entries ("/proc/self/fd") == before);
    CHECK ("shmxStat counts attachments", info.mappings == 2);
    CHECK ("shmDestroy returns 0", shmDestroy (again) == 0);
    leave (memory);
    CHECK ("a hidden segment has a descriptor",
           shmxCreate (NAME, SIZE, SHMX_HIDDEN, 0, NULL, &hidden) == 0
           && check_entries ("/proc/self/fd") == before + 1);
    for (i = 0; i < 1024; i++) {
        int flags = fcntl (i, F_GETFD);

        open_ones += flags != -1;
        inherited += flags != -1 && (flags & FD_CLOEXEC) == 0;
    }
    CHECK ("exec(2) closes it", open_ones - inherited == 1);
    CHECK ("shmDestroy returns 0", shmDestroy (hidden) == 0);
    CHECK ("no descriptor is left open", check_entries ("/proc/self/fd") == before);
}

/* ---- unfinished files -------------------------------------------------------- */

/* The number of files with a temporary name. */
static int unfinished (void)
{
    DIR *listing = opendir (space);
    struct dirent *entry;
    int files = 0;

    while (listing != NULL && (entry = readdir (listing)) != NULL) {
        files += strncmp (entry->d_name, ".shm_util_new.", 14) == 0;
    }
    if (listing != NULL) {
        closedir (listing);
    }
    return files;
}

static void is_killed_with_a_hidden_segment (void)
{
    SharedMemory memory = NULL;

    CHECK ("a hidden segment is created",
           shmxCreate (NAME, SIZE, SHMX_HIDDEN, 0, NULL, &memory) == 0);
    memset (shmAddress (memory), 'h', SIZE);
    CHECK ("there is no file yet", is_empty ());
    kill (getpid (), SIGKILL);
}

/* Like a security module that refuses to name a nameless file, which a process learns when it tries
 * for the first time. */
static void refuse_links (void)
{
    if (!check_refuse (SYS_linkat, EPERM)) {
        check_skip ("a file that may not be linked: no filter for system calls can be set here");
        _exit (0);
    }
    leave (check_create (NAME, SIZE));
}

static void with_temporary_names (void)
{
    SharedMemory memory = NULL;
    long pruned = -1;

    refuse_links ();
    CHECK ("where links are refused, a hidden segment has a temporary name",
           shmxCreate (NAME, SIZE, SHMX_HIDDEN, 0, NULL, &memory) == 0 && unfinished () == 1);
    CHECK ("it does not count as a segment", listed () == 0 && !check_exists (NAME)
           && shmxPrune (0, &pruned) == 0 && pruned == 0 && unfinished () == 1);
    CHECK ("it gets its name", shmxPublish (memory) == 0 && is_there (FILE_NAME)
           && unfinished () == 0);
    leave (memory);
    CHECK ("another one is created",
           shmxCreate (NAME, SIZE, SHMX_HIDDEN, 0, NULL, &memory) == 0 && unfinished () == 1);
    kill (getpid (), SIGKILL);
}

static void sweep (void)
{
    refuse_links ();
}

static void temporary_names (void)
{
    CHECK ("the creator of a hidden segment is killed, and nothing is left",
           check_child (is_killed_with_a_hidden_segment) == 128 + SIGKILL && is_empty ());
    if (check_child (with_temporary_names) == 0) {
        return; /* skipped */
    }
    CHECK ("a killed process has left a file with a temporary name", unfinished () == 1);
    CHECK ("the next process that makes one removes it", check_child (sweep) == 0 && is_empty ());
    check_child (with_temporary_names);
    CHECK ("a killed process has left a file with a temporary name", unfinished () == 1);
    CHECK ("shmxPrune removes it, too", shmxPrune (0, NULL) == 0 && is_empty ());
}

/* ---- disks ------------------------------------------------------------------- */

static char on_disk[1024];

/* Nothing is written to a disk from now on. */
static int refuse_waits (void)
{
    return check_refuse (SYS_fsync, EIO) && check_refuse (SYS_fdatasync, EIO)
           && check_refuse (SYS_syncfs, EIO) && check_refuse (SYS_msync, EIO);
}

static void waits_for_the_disk (void)
{
    SharedMemory memory = NULL;

    CHECK ("a segment is created on a disk",
           shmxCreateIn (on_disk, NAME, SIZE, 0, 0, NULL, &memory) == 0);
    CHECK ("shmxSync returns 0", shmxSync (memory) == 0);
    if (!refuse_waits ()) {
        check_skip ("a disk that fails: no filter for system calls can be set here");
        shmDestroy (memory);
        return;
    }
    CHECK ("if the disk fails, shmxSync is EIO", shmxSync (memory) == EIO && errno == EIO);
    CHECK ("so is a shmDestroy that deletes the file, which is gone nevertheless",
           shmDestroy (memory) == EIO && check_entries (on_disk) == 2);
    CHECK ("so is shmxCreate, which leaves nothing",
           shmxCreateIn (on_disk, NAME, SIZE, 0, 0, NULL, &memory) == EIO && memory == NULL
           && check_entries (on_disk) == 2);
}

static void does_not_wait (void)
{
    SharedMemory memory = NULL;

    setenv ("SHM_UTIL_SYNC", "0", 1);
    if (refuse_waits ()) {
        CHECK ("with SHM_UTIL_SYNC=0, neither shmxCreate nor shmDestroy waits for the disk",
               shmxCreateIn (on_disk, NAME, SIZE, 0, 0, NULL, &memory) == 0
               && shmDestroy (memory) == 0 && check_entries (on_disk) == 2);
    }
}

static void disks (void)
{
    const char *parent = getenv ("TMPDIR");
    struct statfs status;

    /* Not beside the test's other files, which may be in /dev/shm. */
    sprintf (on_disk, "%.900s/c_tests.XXXXXX", parent != NULL ? parent : "/tmp");
    CHECK ("a directory is made", mkdtemp (on_disk) != NULL);
    strcat (on_disk, "/");
    if (statfs (on_disk, &status) != 0 || status.f_type == TMPFS) {
        check_skip ("files on a disk: $TMPDIR, or /tmp, is in memory");
    } else {
        CHECK ("a process exits with status 0", check_child (waits_for_the_disk) == 0);
        CHECK ("a process exits with status 0", check_child (does_not_wait) == 0);
    }
    CHECK ("the directory is empty at the end", check_entries (on_disk) == 2);
    unlink (check_text ("%s" FILE_NAME, on_disk)); /* after a failure */
    rmdir (on_disk);
}

/* ---- users ------------------------------------------------------------------- */

static void become (uid_t user)
{
    CHECK ("root becomes another user",
           setgroups (0, NULL) == 0 && setgid (GROUP) == 0 && setuid (user) == 0);
}

static void owner_leaves_a_segment (void)
{
    SharedMemory memory = NULL;

    become (OWNER);
    CHECK ("the owner creates a segment that everybody may write",
           shmxCreate (NAME, SIZE, SHMX_MODE, 0666, NULL, &memory) == 0);
    _exit (0);
}

static void other_in_a_sticky_directory (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    long pruned = -1;

    become (OTHER);
    info.size = sizeof info;
    CHECK ("another user can write to it", shmxCreate (NAME, SIZE, 0, 0, NULL, &memory) == 0);
    *(char *) shmAddress (memory) = 'o';
    CHECK ("the other user cannot remove it", shmxRemove (NAME) == EPERM && errno == EPERM
           && shmxErrorReason () == SHMX_REASON_OWNER);
    CHECK ("nor keep it", shmxKeep (memory, 1) == EPERM);
    CHECK ("the last shmDestroy is EPERM, because the file stays",
           shmDestroy (memory) == EPERM && shmxStatName (NAME, &info) == 0
           && info.uid == OWNER && info.mappings == 0);
    CHECK ("shmxPrune leaves it", shmxPrune (0, &pruned) == 0 && pruned == 0
           && is_there (FILE_NAME));
    CHECK ("the other user has names, too",
           shmxCreate ("of the other", SIZE, SHMX_EXCL, 0, NULL, &memory) == 0
           && shmDestroy (memory) == 0);
}

static void owner_prunes (void)
{
    long pruned = -1;

    become (OWNER);
    CHECK ("its owner prunes it", shmxPrune (0, &pruned) == 0 && pruned == 1 && is_empty ());
}

static void owner_of_a_directory (void)
{
    SharedMemory memory = NULL;

    become (OWNER);
    CHECK ("the owner of the directory keeps a segment in it",
           shmxCreate (NAME, SIZE, SHMX_KEEP, 0640, NULL, &memory) == 0);
    memset (shmAddress (memory), 'o', SIZE);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* A member of the group may read the directory and the file. */
static void reader_of_a_directory (void)
{
    SharedMemory memory = NULL;

    become (OTHER);
    CHECK ("a member of its group reads the segment",
           shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &memory) == 0
           && check_filled (shmAddress (memory), 'o', SIZE) && is_locked () != 0);
    CHECK ("shmDestroy of a kept segment returns 0", shmDestroy (memory) == 0);
    CHECK ("attaching it for writing is EACCES", shmCreate (NAME, SIZE, NULL, &memory) == EACCES
           && shmxErrorReason () == SHMX_REASON_PERMISSION);
    CHECK ("a new name is EACCES", shmCreate ("new", SIZE, NULL, &memory) == EACCES
           && shmxErrorReason () == SHMX_REASON_NAMESPACE && memory == NULL);
    CHECK ("the text names the directory", strstr (shmxErrorText (), space) != NULL);
    CHECK ("removing the name is not allowed", shmxRemove (NAME) == EPERM);
}

static void users (void)
{
    if (!check_has_users ("directories that users share")) {
        return;
    }
    CHECK ("the directory is like /tmp", chmod (space, 01777) == 0);
    CHECK ("the owner exits with status 0", check_child (owner_leaves_a_segment) == 0);
    CHECK ("the other user exits with status 0", check_child (other_in_a_sticky_directory) == 0);
    CHECK ("the owner exits with status 0", check_child (owner_prunes) == 0);
    CHECK ("the directory can be read by a group",
           chown (space, OWNER, GROUP) == 0 && chmod (space, 0750) == 0);
    CHECK ("the owner exits with status 0", check_child (owner_of_a_directory) == 0);
    CHECK ("the reader exits with status 0", check_child (reader_of_a_directory) == 0);
    CHECK ("the segment is removed", shmxRemove (NAME) == 0 && is_empty ());
}

int main (void)
{
    int end;

    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0 || check_store () != CHECK_DIRECTORY) {
        return EXIT_FAILURE;
    }
    strcpy (space, check_namespace ("own namespace"));
    disks (); /* first, because it tests the first call of a process */
    for (end = 0; end < ENDS; end++) {
        attachment_until ((enum end) end);
    }
    file_names ();
    long_names ();
    other_files ();
    bytes ();
    file_of_another_program ();
    modes ();
    kept ();
    lock_of_another_program ();
    descriptors ();
    temporary_names ();
    users ();
    return check_done ();
}
