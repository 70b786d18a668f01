/* shmxErrorReason: what an error means more closely than its errno value. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext reason"
#define SIZE 12345L
#define TRANSIENT "c_tests/ext reason, transient"
#define USER 61001
#define OTHER 61002

static int ready[2];
static int go[2];
static int made[2];
static int tried[2];

static void is (const char *what, int status, int error, int reason)
{
    CHECK (check_text ("%s: the error", what), status == error);
    CHECK (check_text ("%s: the reason", what), shmxErrorReason () == reason);
}

static void *of_another_thread (void *result)
{
    *(int *) result = shmxErrorReason ();
    return result;
}

static void arguments (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    pthread_t thread;
    int reason = -1;

    is ("no error", 0, 0, SHMX_REASON_NONE);
    is ("NULL for a name", shmCreate (NULL, SIZE, NULL, &memory), EINVAL, SHMX_REASON_ARGUMENT);
    CHECK ("a second thread has no error",
           pthread_create (&thread, NULL, of_another_thread, &reason) == 0
           && pthread_join (thread, NULL) == 0 && reason == SHMX_REASON_NONE);
    is ("a name that does not exist", shmCreate (NAME, 0, NULL, &memory), ENOENT,
        SHMX_REASON_NONE);
    is ("an unknown flag", shmxCreate (NAME, SIZE, 0x40000000, 0, NULL, &memory), EINVAL,
        SHMX_REASON_ARGUMENT);
    is ("an invalid mode", shmxCreate (NAME, SIZE, 0, 01000, NULL, &memory), EINVAL,
        SHMX_REASON_ARGUMENT);
    is ("a flag without a size", shmxCreate (NAME, 0, SHMX_EXCL, 0, NULL, &memory), EINVAL,
        SHMX_REASON_ARGUMENT);
    is ("a negative age", shmxPrune (-1, NULL), EINVAL, SHMX_REASON_ARGUMENT);
    info.size = 1;
    is ("a structure that is too small", shmxStatName (NAME, &info), EINVAL,
        SHMX_REASON_ARGUMENT);
    is ("NULL for a handle", shmxKeep (NULL, 1), EINVAL, SHMX_REASON_HANDLE);
    is ("a handle that is invented", shmDestroy ((SharedMemory) 7), EINVAL, SHMX_REASON_HANDLE);
    is ("the same, in an accessor", shmId ((SharedMemory) 7), -1, SHMX_REASON_HANDLE);
}

/* In an IPC namespace of its own. */
static void over_shmmax (void)
{
    SharedMemory memory = NULL;
    FILE *file;

    if (unshare (CLONE_NEWIPC) != 0
        || (file = fopen ("/proc/sys/kernel/shmmax", "w")) == NULL) {
        check_skip ("a size over SHMMAX: the limit cannot be set");
        return;
    }
    fputs ("1000000", file);
    fclose (file);
    is ("a size over SHMMAX", shmCreate (NAME, 1000001, NULL, &memory), EINVAL,
        SHMX_REASON_LIMIT);
}

static void segments (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    SharedMemory other = NULL;
    const char *path = check_path ("empty");
    void *room = mmap (NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *address = room;

    is ("a segment that is too small", shmCreate (NAME, SIZE + 1, NULL, &other), EINVAL,
        SHMX_REASON_TOO_SMALL);
    CHECK ("a call that succeeds leaves the reason unchanged", shmSave (memory, "/dev/null") == 0
           && shmxErrorReason () == SHMX_REASON_TOO_SMALL);
    is ("an address that is in use", shmCreate (NAME, SIZE, &address, &other), EINVAL,
        SHMX_REASON_ADDRESS);
    munmap (room, 65536);
    close (open (path, O_WRONLY | O_CREAT, 0600));
    is ("an empty file", shmLoad (memory, path), EINVAL, SHMX_REASON_EMPTY_FILE);
    is ("a file that does not exist", shmLoad (memory, check_path ("missing")), ENOENT,
        SHMX_REASON_NONE);
    CHECK ("the segment is attached for reading",
           shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &other) == 0);
    is ("a load into it", shmLoad (other, "/dev/zero"), EACCES, SHMX_REASON_READ_ONLY);
    CHECK ("the program detaches it itself", check_unmap (shmAddress (other), SIZE) == 0);
    is ("a detach of it", shmxDetach (other), EINVAL, SHMX_REASON_DETACHED);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void become_another_user (void)
{
    CHECK ("root becomes another user",
           setgroups (0, NULL) == 0 && setgid (USER) == 0 && setuid (USER) == 0);
}

static void in_a_namespace_of_others (void)
{
    SharedMemory memory = NULL;

    become_another_user ();
    is ("another user's namespace", shmCreate (NAME, SIZE, NULL, &memory), EACCES,
        SHMX_REASON_NAMESPACE);
}

static void without_permission (void)
{
    SharedMemory memory = NULL;

    become_another_user ();
    setenv ("NOB_DATABASE", check_namespace ("of the user"), 1);
    is ("a mode that does not allow the user to write",
        shmxCreate (NAME, SIZE, 0, 0400, NULL, &memory), EACCES, SHMX_REASON_PERMISSION);
}

/* In the group that shares the namespace, but with another effective group. */
static void become_a_member (uid_t user)
{
    gid_t group = getgid ();

    CHECK ("root becomes a member of its group",
           setgroups (1, &group) == 0 && setgid (user) == 0 && setuid (user) == 0);
}

static void finds_a_transient_segment (void)
{
    SharedMemory memory = NULL;
    const char *text;

    check_await (made);
    become_a_member (OTHER);
    is ("a transient segment of a user who is not trusted",
        shmCreate (TRANSIENT, 0, NULL, &memory), EACCES, SHMX_REASON_PERMISSION);
    text = check_text ("was created by user %d and group %d, of which this process is neither",
                       USER, USER);
    CHECK ("the text names that user and the group", strstr (shmxErrorText (), text) != NULL);
    check_signal (tried);
}

static void a_transient_segment (void)
{
    SharedMemory memory = NULL;
    pid_t child = check_fork ();

    if (child == 0) {
        finds_a_transient_segment ();
        exit (0);
    }
    become_a_member (USER);
    CHECK ("a member creates a transient segment",
           shmxCreate (TRANSIENT, SIZE, SHMX_TRANSIENT, 0666, NULL, &memory) == 0);
    check_signal (made);
    CHECK ("another member has looked for it", check_await (tried));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("the other member exits with status 0", check_wait (child) == 0);
}

static void users (void)
{
    SharedMemory memory;
    pid_t child;

    if (!check_has_users ("namespaces and segments of another user")) {
        return;
    }
    if (check_has (HAS_MODE_AT_ONCE)) {
        CHECK ("a child exits with status 0", check_child (without_permission) == 0);
    }
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    child = check_fork ();
    if (child == 0) {
        memory = check_create (NAME, SIZE);
        check_signal (ready);
        check_await (go);
        exit (shmDestroy (memory));
    }
    CHECK ("a segment exists in the namespace", check_await (ready));
    CHECK ("another user exits with status 0", check_child (in_a_namespace_of_others) == 0);
    if (check_has (HAS_TRANSIENT)) {
        CHECK ("a member exits with status 0", check_child (a_transient_segment) == 0);
    }
    check_signal (go);
    CHECK ("the child exits with status 0", check_wait (child) == 0);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0 || pipe (made) != 0 || pipe (tried) != 0) {
        return EXIT_FAILURE;
    }
    /* First, because this process's first call reads the environment. */
    if (check_has (HAS_IDS)) {
        CHECK ("a child exits with status 0", check_child (over_shmmax) == 0);
    }
    if (check_has (HAS_USERS)) {
        users ();
    }
    arguments ();
    segments ();
    return check_done ();
}
