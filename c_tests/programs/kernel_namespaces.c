/* PID, IPC and user namespaces of the kernel: see namespaces(7). */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME "c_tests/kernel namespaces"
#define SIZE 5000L
#define USER 61001

static int ready[2];
static int go[2];

/* ---- a PID namespace ------------------------------------------------------------------- */

static SharedMemory inherited;

static int is_kept (SharedMemory memory)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStat (memory, &info) == 0 ? info.kept : -1;
}

/* Its parent created the segment and the registry; there, this process has another id. */
static void in_a_pid_namespace (void)
{
    SharedMemory memory;

    CHECK ("in a new PID namespace, the process has id 1", getpid () == 1);
    CHECK ("an inherited handle can be kept",
           shmxKeep (inherited, 1) == 0 && is_kept (inherited) == 1);
    memory = check_create (NAME, 0);
    CHECK ("the name refers to the segment",
           check_id (memory) == check_id (inherited)
           && check_filled (shmAddress (memory), 'k', SIZE));
    CHECK ("another handle can end that", shmxKeep (memory, 0) == 0 && is_kept (inherited) == 0);
    CHECK ("both can be destroyed", shmDestroy (memory) == 0 && shmDestroy (inherited) == 0);
    CHECK ("the parent keeps it", check_exists (NAME));
}

static void pid_namespace (void)
{
    int id;

    inherited = check_create (NAME, SIZE);
    id = check_id (inherited);
    memset (shmAddress (inherited), 'k', SIZE);
    CHECK ("the child exits with status 0", check_child (in_a_pid_namespace) == 0);
    CHECK ("the last shmDestroy deletes the segment",
           shmDestroy (inherited) == 0 && check_is_attached (id, -1));
}

/* ---- two IPC namespaces ---------------------------------------------------------------- */

/* In both, it creates the registry: the same key, and mostly the same identifier. */
static void two_ipc_namespaces (void)
{
    SharedMemory old = check_create (NAME, SIZE);
    SharedMemory again = check_create (NAME, SIZE);
    SharedMemory new;
    pid_t child;
    int i;

    memset (shmAddress (old), 'o', SIZE);
    child = check_fork ();
    if (child == 0) {
        check_await (go);
        CHECK ("in the old IPC namespace, the name still exists", check_exists (NAME));
        CHECK ("the segment has its data", check_filled (shmAddress (old), 'o', SIZE));
        shmDestroy (again);
        shmDestroy (old);
        _exit (0);
    }
    CHECK ("the process moves to a new IPC namespace", unshare (CLONE_NEWIPC) == 0);
    for (i = 0; i < 3; i++) {
        CHECK ("the name does not exist there", !check_exists (NAME));
        new = check_create (NAME, SIZE);
        CHECK ("it can be created", check_filled (shmAddress (new), 0, SIZE));
        CHECK ("the new segment can be destroyed", shmDestroy (new) == 0);
    }
    new = check_create ("c_tests/another name", SIZE);
    CHECK ("a segment of the old namespace can't be removed by its handle",
           shmxRemoveSegment (old) == EIDRM);
    CHECK ("a handle of the old namespace can be detached", shmxDetach (again) == 0);
    CHECK ("the handle of the old namespace can be destroyed", shmDestroy (old) == 0);
    CHECK ("the new name still exists", check_exists ("c_tests/another name"));
    CHECK ("its segment can be destroyed", shmDestroy (new) == 0);
    check_signal (go);
    CHECK ("the process in the old namespace exits with status 0", check_wait (child) == 0);
}

/* ---- user namespaces ------------------------------------------------------------------- */

static int write_to (const char *path, const char *text)
{
    int file = open (path, O_WRONLY);
    int result = file >= 0 && write (file, text, strlen (text)) == (ssize_t) strlen (text);

    if (file >= 0) {
        close (file);
    }
    return result;
}

static void become (uid_t user)
{
    CHECK ("root becomes another user",
           setgroups (0, NULL) == 0 && setgid (user) == 0 && setuid (user) == 0);
    prctl (PR_SET_DUMPABLE, 1); /* so that it may write to /proc/self/uid_map */
}

/* A user who is root in a user namespace of their own. */
static void root_of_a_user_namespace (uid_t user)
{
    SharedMemory memory;

    become (user);
    if (unshare (CLONE_NEWUSER) != 0
        || !write_to ("/proc/self/uid_map", check_text ("0 %d 1", (int) user))) {
        check_skip ("a user namespace cannot be made by this user");
        check_signal (ready);
        check_await (go);
        return;
    }
    CHECK ("the process is root in its user namespace", geteuid () == 0);
    CHECK ("it does not see the names of the other roots", !check_exists (NAME));
    memory = check_create (NAME, SIZE);
    CHECK ("it creates a segment of its own", check_filled (shmAddress (memory), 0, SIZE));
    memset (shmAddress (memory), 'u', SIZE);
    check_signal (ready);
    check_await (go);
    CHECK ("nobody else has written to it", check_filled (shmAddress (memory), 'u', SIZE));
    CHECK ("it can be destroyed", shmDestroy (memory) == 0);
}

static void real_root (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    memset (shmAddress (memory), 'r', SIZE);
    check_signal (ready);
    check_await (go);
    CHECK ("real root's segment has its data", check_filled (shmAddress (memory), 'r', SIZE));
    CHECK ("it can be destroyed", shmDestroy (memory) == 0);
}

/* More than a namespace has keys. This process does not use the library: children would inherit
 * that. */
static void many_roots (void)
{
    enum { ROOTS = 10 };
    pid_t children[ROOTS + 1];
    int i;

    for (i = 0; i <= ROOTS; i++) {
        children[i] = check_fork ();
        if (children[i] == 0) {
            if (i == 0) {
                real_root ();
            } else {
                root_of_a_user_namespace ((uid_t) (USER + i));
            }
            exit (0);
        }
        CHECK ("it has created its segment", check_await (ready));
    }
    for (i = 0; i <= ROOTS; i++) {
        check_signal (go);
    }
    for (i = 0; i <= ROOTS; i++) {
        CHECK ("each process exits with status 0", check_wait (children[i]) == 0);
    }
}

/* Every user that its namespace does not map looks like this process's own. */
static void without_a_map (void)
{
    SharedMemory memory;

    become (USER);
    if (unshare (CLONE_NEWUSER) != 0) {
        check_skip ("a user namespace cannot be made by this user");
        return;
    }
    CHECK ("without a mapped user id, shmCreate is EACCES",
           shmCreate (NAME, SIZE, NULL, &memory) == EACCES);
}

/* ---- all of them ----------------------------------------------------------------------- */

static int is_allowed (void (*body) (void))
{
    return check_child (body) == 0;
}

static void try_pid (void)
{
    _exit (unshare (CLONE_NEWPID) != 0);
}

static void try_ipc (void)
{
    _exit (unshare (CLONE_NEWIPC) != 0);
}

static void pid_namespace_of_a_child (void)
{
    CHECK ("children are in a new PID namespace", unshare (CLONE_NEWPID) == 0);
    pid_namespace ();
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return 1;
    }
    /* Elsewhere NOB_DATABASE is set, and all users share one namespace. */
    if (!check_is_alone ("namespaces of the kernel")) {
        return check_done ();
    }
    if (is_allowed (try_pid)) {
        CHECK ("the test exits with status 0", check_child (pid_namespace_of_a_child) == 0);
    } else {
        check_skip ("a PID namespace cannot be made (unshare(2))");
    }
    if (!check_has (HAS_DEFAULT)) {
        return check_done ();
    }
    if (is_allowed (try_ipc)) {
        CHECK ("the test exits with status 0", check_child (two_ipc_namespaces) == 0);
    } else {
        check_skip ("an IPC namespace cannot be made (unshare(2))");
    }
    if (check_has_users ("roots of user namespaces")) {
        check_child (without_a_map);
        many_roots ();
    }
    return check_done ();
}
