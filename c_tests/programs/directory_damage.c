/* What others do to a directory of segments and to its files: calls return errors. They do not
 * crash or hang, and touch nothing that is not a segment. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "segment"
#define SIZE 20000L
#define USER 61001
#define STRANGER 61002
#define GROUP 61010
#define TIME 1000000000 /* when the stranger's files were written */
#define PATIENCE 60     /* seconds */

static char space[1024]; /* the directory, with a slash at its end */
static char file[1100];  /* of the segment */

static SharedMemory create (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    memset (shmAddress (memory), 's', SIZE);
    return memory;
}

static int is_file (const char *path)
{
    struct stat status;

    return lstat (path, &status) == 0 && S_ISREG (status.st_mode);
}

static int says (const char *what)
{
    return strstr (shmxErrorText (), what) != NULL;
}

/* ---- the directory ----------------------------------------------------------- */

static int no_name (const struct ShmxInfo *info, void *context)
{
    (void) info;
    (void) context;
    return 1;
}

/* All functions that look into a directory return the error. */
static void all_return (const char *what, const char *where, int error)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;

    info.size = sizeof info;
    errno = 0;
    CHECK (check_text ("%s: creating a segment is: %s", what, strerror (error)),
           shmxCreateIn (where, NAME, SIZE, 0, 0, NULL, &memory) == error && errno == error
           && memory == NULL);
    CHECK ("the reason is the namespace, which the text names",
           shmxErrorReason () == SHMX_REASON_NAMESPACE && says (where));
    CHECK ("so is attaching one",
           shmxCreateIn (where, NAME, 0, SHMX_RDONLY, 0, NULL, &memory) == error);
    CHECK ("so is a call that needs no attachment", shmxStatNameIn (where, NAME, &info) == error
           && shmxListIn (where, no_name, NULL) == error && shmxPruneIn (where, 0, NULL) == error
           && shmxWaitIn (where, NAME, 1) == error);
}

static void missing (void)
{
    char where[1024];
    struct stat status;

    strcpy (where, check_path ("missing.names/"));
    all_return ("a directory that does not exist", where, ENOENT);
    CHECK ("the text says what to do", says ("mkdir(1)"));
    CHECK ("it is not created", lstat (check_path ("missing.names"), &status) == -1);
}

static void no_directory (void)
{
    char path[1024], where[1025];

    strcpy (path, check_path ("file"));
    sprintf (where, "%s/", path);
    close (open (path, O_WRONLY | O_CREAT, 0600));
    all_return ("a file with a slash", where, ENOTDIR);
    CHECK ("the file is as before", is_file (path));
}

static void renamed (void)
{
    SharedMemory memory = create ();
    char other[1024], there[1100];

    strcpy (other, check_path ("renamed.names/"));
    strcpy (there, check_text ("%s" NAME, other));
    CHECK ("the directory is renamed", rename (space, other) == 0);
    CHECK ("the segment keeps its bytes", check_filled (shmAddress (memory), 's', SIZE));
    all_return ("after that", space, ENOENT);
    CHECK ("the holder leaves without an error", shmDestroy (memory) == 0);
    CHECK ("the file is where it was moved to", is_file (there));
    CHECK ("the directory is renamed back", rename (other, space) == 0);
    memory = check_create (NAME, 0);
    CHECK ("the segment is found with its bytes", check_filled (shmAddress (memory), 's', SIZE));
    CHECK ("its last shmDestroy deletes it", shmDestroy (memory) == 0 && !is_file (file));
}

static void removed (void)
{
    SharedMemory memory = create ();

    CHECK ("the directory is removed with its file", unlink (file) == 0 && rmdir (space) == 0);
    CHECK ("the segment keeps its bytes", check_filled (shmAddress (memory), 's', SIZE));
    CHECK ("it can be saved", shmSave (memory, check_path ("saved")) == 0);
    CHECK ("without a name, it can't be kept", shmxKeep (memory, 1) == EIDRM);
    CHECK ("the holder leaves without an error", shmDestroy (memory) == 0);
    all_return ("after that", space, ENOENT);
    CHECK ("the directory is made again", mkdir (space, 0770) == 0);
}

static void become (uid_t user)
{
    if (getuid () == 0) {
        CHECK ("root becomes another user",
               setgroups (0, NULL) == 0 && setgid (GROUP) == 0 && setuid (user) == 0);
    }
}

static void in_a_read_only_directory (void)
{
    SharedMemory memory, none = NULL;

    become (USER);
    memory = create ();
    CHECK ("the directory may only be read", chmod (space, 0500) == 0);
    CHECK ("creating a segment is EACCES", shmCreate ("new", SIZE, NULL, &none) == EACCES
           && shmxErrorReason () == SHMX_REASON_NAMESPACE && says (space));
    CHECK ("existing ones can be attached, and detached",
           shmDestroy (check_create (NAME, 0)) == 0);
    CHECK ("removing its name is an error", shmxRemove (NAME) == EACCES);
    CHECK ("the last shmDestroy is an error, because the file stays",
           shmDestroy (memory) == EACCES && is_file (file));
    CHECK ("shmxPrune leaves it", shmxPrune (0, NULL) == 0 && is_file (file));
    CHECK ("the directory may be written again", chmod (space, 0700) == 0);
    CHECK ("the segment is removed", shmxRemove (NAME) == 0 && !is_file (file));
}

static void unreadable (void)
{
    become (USER);
    CHECK ("the directory may not be used", chmod (space, 0) == 0);
    all_return ("a directory that this user may not use", space, EACCES);
    CHECK ("the directory may be used again", chmod (space, 0700) == 0);
}

static void without_permission (void)
{
    struct stat before;

    CHECK ("the directory exists", stat (space, &before) == 0);
    if (getuid () == 0) {
        CHECK ("the directory is another user's", chown (space, USER, GROUP) == 0);
    }
    CHECK ("a process exits with status 0", check_child (in_a_read_only_directory) == 0);
    CHECK ("a process exits with status 0", check_child (unreadable) == 0);
    CHECK ("the directory is as before",
           (getuid () != 0 || chown (space, before.st_uid, before.st_gid) == 0)
           && chmod (space, before.st_mode & 07777) == 0);
}

/* ---- no room ----------------------------------------------------------------- */

static void on_a_full_disk (void)
{
    SharedMemory memory = NULL, sparse = NULL;

    if (unshare (CLONE_NEWNS) != 0 || mount ("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0
        || mount ("none", space, "tmpfs", 0, "size=1m") != 0) {
        check_skip ("a full disk: mounting is not allowed");
        return;
    }
    errno = 0;
    CHECK ("a segment that is larger than the disk is ENOSPC",
           shmCreate (NAME, 2L << 20, NULL, &memory) == ENOSPC && errno == ENOSPC);
    CHECK ("the text says so", says ("is full") && says (space));
    CHECK ("nothing is left", memory == NULL && check_entries (space) == 2);
    CHECK ("there is room for a smaller one", shmCreate (NAME, 1L << 19, NULL, &memory) == 0);
    memset (shmAddress (memory), 'r', 1L << 19);
    CHECK ("without a reservation, there is room for any",
           shmxCreate ("sparse", 1L << 30, SHMX_NORESERVE, 0, NULL, &sparse) == 0);
    CHECK ("all can be destroyed", shmDestroy (memory) == 0 && shmDestroy (sparse) == 0
           && check_entries (space) == 2);
}

static void under_a_limit (void)
{
    SharedMemory memory = NULL;
    struct rlimit limit;

    limit.rlim_cur = limit.rlim_max = SIZE;
    CHECK ("files are limited", setrlimit (RLIMIT_FSIZE, &limit) == 0);
    CHECK ("a larger segment is EFBIG, without a signal",
           shmCreate (NAME, SIZE + 1, NULL, &memory) == EFBIG
           && shmxErrorReason () == SHMX_REASON_LIMIT && says ("RLIMIT_FSIZE"));
    CHECK ("without a reservation, it is EFBIG, too",
           shmxCreate (NAME, SIZE + 1, SHMX_NORESERVE, 0, NULL, &memory) == EFBIG);
    CHECK ("nothing is left", memory == NULL && check_entries (space) == 2);
    CHECK ("a smaller one can be created", shmDestroy (create ()) == 0);
}

/* ---- the file ---------------------------------------------------------------- */

/* In a child, which SIGBUS would kill. */
static void truncated_to (long size)
{
    const char *saved = check_path ("saved");
    SharedMemory memory = create ();
    struct ShmxLoaded loaded;

    loaded.size = sizeof loaded;
    CHECK ("the segment is saved", shmSave (memory, saved) == 0);
    CHECK (check_text ("its file is truncated to %ld bytes", size), truncate (file, size) == 0);
    CHECK ("shmSave is EIO", shmSave (memory, saved) == EIO && errno == EIO && says ("truncated"));
    CHECK ("shmLoad is EIO", shmLoad (memory, saved) == EIO && errno == EIO);
    CHECK ("shmxLoad is EIO", shmxLoad (memory, saved, &loaded) == EIO);
    CHECK ("the holder leaves without an error, and deletes it",
           shmDestroy (memory) == 0 && !is_file (file));
}

static void truncated (void)
{
    truncated_to (0);
    truncated_to (1);
    truncated_to (SIZE / 2);
    exit (0);
}

static void grown (void)
{
    SharedMemory memory = create (), again;
    struct stat status;

    CHECK ("its file grows", truncate (file, 2 * SIZE) == 0);
    CHECK ("the holder keeps the size that it has attached", shmSizeOf (memory) == SIZE);
    CHECK ("it saves that", shmSave (memory, check_path ("saved")) == 0
           && stat (check_path ("saved"), &status) == 0 && status.st_size == SIZE);
    again = check_create (NAME, 2 * SIZE);
    CHECK ("a process that attaches it now gets the new size", shmSizeOf (again) == 2 * SIZE);
    CHECK ("both leave", shmDestroy (memory) == 0 && shmDestroy (again) == 0 && !is_file (file));
}

/* ---- something else has the name --------------------------------------------- */

/* The stranger's file, and its status before. */
static char victim[1024];
static struct stat was;

static void make_victim (void)
{
    int descriptor = open (victim, O_WRONLY | O_CREAT | O_TRUNC, 0604);
    struct timeval times[2];

    times[0].tv_sec = times[1].tv_sec = TIME;
    times[0].tv_usec = times[1].tv_usec = 0;
    CHECK ("a stranger has a file", write (descriptor, "stranger's", 10) == 10
           && close (descriptor) == 0 && chmod (victim, 0604) == 0 && utimes (victim, times) == 0
           && lstat (victim, &was) == 0);
}

/* Whether it is untouched. */
static int is_untouched (const char *path)
{
    struct stat is;

    return lstat (path, &is) == 0 && is.st_ino == was.st_ino && is.st_size == was.st_size
           && is.st_mode == was.st_mode && is.st_uid == was.st_uid && is.st_mtime == was.st_mtime
           && is.st_ctime == was.st_ctime;
}

static void make_link (void)
{
    CHECK ("a symbolic link takes its place", symlink (victim, file) == 0);
}

static void make_dangling_link (void)
{
    CHECK ("a link to nothing takes its place", symlink (check_path ("nothing"), file) == 0);
}

static void make_fifo (void)
{
    CHECK ("a FIFO takes its place", mkfifo (file, 0666) == 0);
}

static void make_directory (void)
{
    CHECK ("a directory takes its place", mkdir (file, 0777) == 0);
}

static void make_empty_file (void)
{
    CHECK ("an empty file takes its place",
           close (open (file, O_WRONLY | O_CREAT | O_EXCL, 0666)) == 0);
}

static void make_socket (void)
{
    struct sockaddr_un address;
    int socket_file = socket (AF_UNIX, SOCK_STREAM, 0);
    int at = open (space, O_RDONLY | O_DIRECTORY);

    memset (&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    /* The path may be too long for the address. */
    strcpy (address.sun_path, check_text ("/proc/self/fd/%d/" NAME, at));
    CHECK ("a socket takes its place",
           bind (socket_file, (struct sockaddr *) (void *) &address, sizeof address) == 0);
    close (socket_file);
    close (at);
}

static void make_device (void)
{
    if (mknod (file, S_IFCHR | 0666, 5 << 8) != 0) { /* /dev/tty */
        check_skip ("a device in place of a segment: mknod is not allowed");
        make_fifo ();
    }
}

/* Functions that look at what has the name refuse it, and leave it as it is. */
static void replaced_by (void (*make) (void), const char *what)
{
    SharedMemory memory = create (), none = NULL;
    struct ShmxInfo info;
    struct stat before, after;
    long pruned = -1;

    alarm (PATIENCE); /* a FIFO without a writer must not stop a call */
    make_victim ();
    CHECK ("the segment's file is removed", unlink (file) == 0);
    make ();
    CHECK ("something has the name", lstat (file, &before) == 0);
    info.size = sizeof info;
    CHECK ("shmCreate is EINVAL",
           shmCreate (NAME, SIZE, NULL, &none) == EINVAL && errno == EINVAL && none == NULL);
    CHECK (check_text ("the text says what it is: %s", what), says (what));
    CHECK ("so is attaching it",
           shmCreate (NAME, 0, NULL, &none) == EINVAL
           && shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &none) == EINVAL);
    CHECK ("SHMX_EXCL is EINVAL, too",
           shmxCreate (NAME, SIZE, SHMX_EXCL, 0, NULL, &none) == EINVAL && none == NULL);
    CHECK ("shmxStatName is EINVAL", shmxStatName (NAME, &info) == EINVAL);
    CHECK ("shmxWait is EINVAL, but waits until an empty file is filled",
           shmxWait (NAME, 0) == (S_ISREG (before.st_mode) ? ETIMEDOUT : EINVAL));
    CHECK ("calls that change segments refuse it", shmxKeepName (NULL, NAME, 1) == EINVAL
           && shmxSetPermName (NULL, NAME, SHMX_SAME, SHMX_SAME, 0600) == EINVAL);
    CHECK ("shmxKeep and shmxRemoveSegment of the old handle are EIDRM",
           shmxKeep (memory, 1) == EIDRM && shmxRemoveSegment (memory) == EIDRM);
    CHECK ("it is neither listed nor pruned", shmxList (no_name, NULL) == 0
           && shmxPrune (0, &pruned) == 0 && pruned == 0);
    CHECK ("the holder has its bytes", check_filled (shmAddress (memory), 's', SIZE)
           && shmSave (memory, "/dev/null") == 0);
    CHECK ("the holder leaves without an error", shmDestroy (memory) == 0);
    CHECK ("what has the name is as it was", lstat (file, &after) == 0
           && after.st_ino == before.st_ino && after.st_mode == before.st_mode
           && after.st_ctime == before.st_ctime);
    CHECK ("the stranger's file is untouched", is_untouched (victim));
    CHECK ("it is removed by hand", remove (file) == 0);
    alarm (0);
}

static void replaced_by_anything (void)
{
    replaced_by (make_link, "symbolic link");
    replaced_by (make_dangling_link, "symbolic link");
    replaced_by (make_fifo, "not a regular file");
    replaced_by (make_directory, "directory");
    replaced_by (make_empty_file, "empty");
    replaced_by (make_socket, "not a regular file");
    replaced_by (make_device, "not a regular file");
}

/* A regular file of somebody else is a segment, if its mode allows that; this one's does not. */
static void beside_a_strangers_file (void)
{
    SharedMemory memory = NULL;
    long pruned = -1;

    become (USER);
    CHECK ("another user's file that may not be read is EACCES",
           shmCreate (NAME, 0, NULL, &memory) == EACCES
           && shmxErrorReason () == SHMX_REASON_PERMISSION
           && says (check_text ("user %d", STRANGER)));
    CHECK ("shmxRemove is EPERM", shmxRemove (NAME) == EPERM);
    CHECK ("shmxPrune leaves it", shmxPrune (0, &pruned) == 0 && pruned == 0);
    CHECK ("other names can be used", shmDestroy (check_create ("other", SIZE)) == 0);
}

static void file_of_a_stranger (void)
{
    SharedMemory memory = create ();

    make_victim ();
    CHECK ("a stranger's file takes its place",
           unlink (file) == 0 && rename (victim, file) == 0 && chmod (file, 0600) == 0
           && chown (file, STRANGER, STRANGER) == 0 && lstat (file, &was) == 0
           && chmod (space, 01777) == 0);
    CHECK ("the holder leaves without an error", shmDestroy (memory) == 0);
    CHECK ("a user exits with status 0", check_child (beside_a_strangers_file) == 0);
    CHECK ("the stranger's file is untouched", is_untouched (file));
    CHECK ("it is removed by hand", unlink (file) == 0 && chmod (space, 01770) == 0);
}

/* A new segment that has the name of one that is attached. */
static void replaced_by_a_segment (void)
{
    SharedMemory old = create (), new;

    CHECK ("the segment's file is removed", unlink (file) == 0);
    new = create ();
    CHECK ("the name stands for a new segment", check_id (new) != check_id (old));
    CHECK ("the holder of the old one leaves it alone", shmDestroy (old) == 0 && is_file (file)
           && check_filled (shmAddress (new), 's', SIZE));
    CHECK ("its last shmDestroy deletes it", shmDestroy (new) == 0 && !is_file (file));
}

/* A second name for the file, for example a backup. */
static void linked (void)
{
    SharedMemory memory = create ();
    char other[1024];
    struct stat status;

    strcpy (other, check_path ("backup"));
    CHECK ("the file has a second name", link (file, other) == 0);
    CHECK ("the last shmDestroy removes the segment's own name",
           shmDestroy (memory) == 0 && !is_file (file));
    CHECK ("the other one has the bytes", stat (other, &status) == 0 && status.st_size == SIZE);
    CHECK ("the file is moved back", rename (other, file) == 0);
    memory = check_create (NAME, 0);
    CHECK ("it is the segment again", check_filled (shmAddress (memory), 's', SIZE));
    CHECK ("shmDestroy deletes it", shmDestroy (memory) == 0 && !is_file (file));
}

int main (void)
{
    check_start ();
    if (check_store () != CHECK_DIRECTORY) {
        return EXIT_FAILURE;
    }
    strcpy (space, check_namespace ("own namespace"));
    strcpy (file, check_text ("%s" NAME, space));
    strcpy (victim, check_path ("victim"));
    missing ();
    no_directory ();
    renamed ();
    removed ();
    without_permission ();
    CHECK ("a process exits with status 0", check_child (on_a_full_disk) == 0);
    CHECK ("a process exits with status 0", check_child (under_a_limit) == 0);
    CHECK ("SIGBUS kills nobody", check_child (truncated) == 0);
    grown ();
    replaced_by_anything ();
    if (check_has_users ("a stranger's file")) {
        file_of_a_stranger ();
    }
    replaced_by_a_segment ();
    linked ();
    CHECK ("the directory is empty at the end", check_entries (space) == 2);
    return check_done ();
}
