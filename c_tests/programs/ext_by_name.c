/* shmxKeepName, shmxSetPermName, shmxLockName and shmxUnlockName change a segment without attaching
 * it. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext by name"
#define SIZE 12345L
#define OWNER 61001
#define OTHER 61002
#define GROUP 61010

static char space[1024];

static struct ShmxInfo info_of (const char *where, const char *name)
{
    struct ShmxInfo info;

    memset (&info, 0, sizeof info);
    info.size = sizeof info;
    CHECK ("shmxStatNameIn returns 0", shmxStatNameIn (where, name, &info) == 0);
    return info;
}

static void leave (void)
{
    SharedMemory memory = NULL;

    CHECK ("a process creates a segment",
           shmxCreateIn (space, NAME, SIZE, 0, 0, NULL, &memory) == 0);
    _exit (0);
}

static void keeps (void)
{
    SharedMemory memory = NULL;
    int id;

    if (check_has (HAS_PROCESSES)) {
        CHECK ("an orphan is left", check_child (leave) == 0);
    } else {
        CHECK ("an orphan is left", shmxDetach (check_create (NAME, SIZE)) == 0);
    }
    CHECK ("it exists", shmxCreateIn (space, NAME, 0, SHMX_RDONLY, 0, NULL, &memory) == 0);
    id = check_id (memory);
    CHECK ("shmxDetach returns 0", shmxDetach (memory) == 0);
    errno = 12345;
    CHECK ("shmxKeepName returns 0 and leaves errno unchanged",
           shmxKeepName (space, NAME, 1) == 0 && errno == 12345);
    CHECK ("the segment is kept", info_of (space, NAME).kept == 1);
    CHECK ("no process has it attached", check_is_attached (id, 0));
    CHECK ("a prune leaves it", shmxPruneIn (space, 0, NULL) == 0 && check_is_attached (id, 0));
    CHECK ("shmxKeepName with 0 returns 0", shmxKeepName (space, NAME, 0) == 0);
    CHECK ("the segment is an ordinary one again", info_of (space, NAME).kept == 0);
    CHECK ("a prune deletes it", shmxPruneIn (space, 0, NULL) == 0 && check_is_attached (id, -1));
}

static void sets_permissions (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;

    CHECK ("shmxCreateIn returns 0", shmxCreateIn (space, NAME, SIZE, 0, 0, NULL, &memory) == 0);
    CHECK ("shmxSetPermName sets the mode",
           shmxSetPermName (space, NAME, SHMX_SAME, SHMX_SAME, 0604) == 0
           && check_is_mode (check_id (memory), 0604));
    CHECK ("a mode of 0 is set, too", shmxSetPermName (space, NAME, SHMX_SAME, SHMX_SAME, 0) == 0
           && info_of (space, NAME).mode == 0);
    info = info_of (space, NAME);
    CHECK ("SHMX_SAME leaves owner and group unchanged",
           info.uid == geteuid () && info.gid == getegid ());
    CHECK ("a mode beyond 0777 is EINVAL",
           shmxSetPermName (space, NAME, SHMX_SAME, SHMX_SAME, 01000) == EINVAL
           && shmxErrorReason () == SHMX_REASON_ARGUMENT && info_of (space, NAME).mode == 0);
    if (check_has_users ("owners of segments")) {
        CHECK ("owner and group are set",
               shmxSetPermName (space, NAME, OWNER, GROUP, SHMX_SAME) == 0);
        info = info_of (space, NAME);
        CHECK ("the mode is unchanged",
               info.uid == OWNER && info.gid == GROUP && info.mode == 0);
    }
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void locks (void)
{
    SharedMemory memory = NULL;
    struct rlimit limit;

    CHECK ("shmxCreateIn returns 0", shmxCreateIn (space, NAME, SIZE, 0, 0, NULL, &memory) == 0);
    if (!check_has (HAS_LOCK)) {
        CHECK ("shmxLockName is ENOTSUP",
               shmxLockName (space, NAME) == ENOTSUP && errno == ENOTSUP);
    } else if (getrlimit (RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur > 1 << 16) {
        CHECK ("shmxLockName returns 0", shmxLockName (space, NAME) == 0);
        CHECK ("the segment is locked", info_of (space, NAME).locked == 1);
        CHECK ("shmxLockName of a locked segment returns 0", shmxLockName (space, NAME) == 0);
        CHECK ("shmxUnlockName returns 0", shmxUnlockName (space, NAME) == 0);
    } else {
        check_skip ("RLIMIT_MEMLOCK is too low: no segment is locked by its name");
    }
    CHECK ("the segment is not locked", info_of (space, NAME).locked == 0);
    CHECK ("shmxUnlockName of a segment that is not locked returns 0",
           shmxUnlockName (space, NAME) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* All four functions return the error. */
static void all_return (const char *what, const char *where, const char *name, int error)
{
    errno = 0;
    CHECK (check_text ("shmxKeepName of %s: %s", what, strerror (error)),
           shmxKeepName (where, name, 1) == error && errno == error);
    CHECK (check_text ("shmxSetPermName of %s: %s", what, strerror (error)),
           shmxSetPermName (where, name, SHMX_SAME, SHMX_SAME, 0600) == error);
    if (error == EPERM && !check_has (HAS_LOCK)) {
        return; /* whoever it belongs to */
    }
    CHECK (check_text ("shmxLockName of %s: %s", what, strerror (error)),
           shmxLockName (where, name) == error);
    CHECK (check_text ("shmxUnlockName of %s: %s", what, strerror (error)),
           shmxUnlockName (where, name) == error);
}

static void errors (void)
{
    static char endless[1002];
    SharedMemory memory, elsewhere = NULL;
    int segments = check_segments ();
    struct ShmxInfo info;

    all_return ("a name in a namespace without names", space, NAME, ENOENT);
    CHECK ("no registry is created", check_segments () == segments);
    memory = check_create (NAME, SIZE);
    if (check_has (HAS_NAMESPACES)) {
        all_return ("a name of another namespace", space, NAME, ENOENT);
    }
    all_return ("NULL", NULL, NULL, EINVAL);
    memset (endless, 'n', sizeof endless - 1);
    all_return ("a name of 1001 bytes", NULL, endless, ENAMETOOLONG);
    setenv ("LOOP", "$LOOP", 1);
    all_return ("a namespace that cannot be translated", "$LOOP", NAME, ELOOP);
    CHECK ("shmxCreateIn returns 0", shmxCreateIn (space, NAME, SIZE, 0, 0, NULL, &elsewhere) == 0);
    CHECK ("with NULL, the process's own namespace is used",
           shmxKeepName (NULL, NAME, 1) == 0 && info_of (NULL, NAME).kept == 1
           && (info_of (space, NAME).kept == 0) == check_has (HAS_NAMESPACES)
           && shmxKeepName (NULL, NAME, 0) == 0);
    info = info_of (NULL, NAME);
    CHECK ("nothing else is changed", info.mode == 0660 && info.locked == 0);
    if (check_has (HAS_OUTSIDERS)) {
        CHECK ("another program removes the segment", check_rm (check_id (memory)) == 0);
        all_return ("a segment that was removed", NULL, NAME, ENOENT);
    }
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0 && shmDestroy (elsewhere) == 0);
}

/* ---- users ------------------------------------------------------------------------------- */

static void become (uid_t user)
{
    CHECK ("root becomes another user",
           setgroups (0, NULL) == 0 && setgid (GROUP) == 0 && setuid (user) == 0);
}

static void owner (void)
{
    SharedMemory memory = NULL;

    become (OWNER);
    CHECK ("the owner creates a segment",
           shmxCreateIn (space, NAME, SIZE, 0, 0660, NULL, &memory) == 0);
    _exit (0);
}

static void other (void)
{
    become (OTHER);
    all_return ("another user's segment", space, NAME, EPERM);
}

static void owner_again (void)
{
    struct ShmxInfo info;

    become (OWNER);
    info = info_of (space, NAME);
    CHECK ("the segment is unchanged", info.mode == 0660 && info.kept == 0 && info.locked == 0);
    CHECK ("its owner may change it", shmxSetPermName (space, NAME, SHMX_SAME, SHMX_SAME, 0600) == 0
           && info_of (space, NAME).mode == 0600);
    CHECK ("its owner may remove it", shmxRemoveIn (space, NAME) == 0);
}

static void users (void)
{
    if (!check_has_users ("segments of other users by name")) {
        return;
    }
    strcpy (space, check_namespace ("space of users"));
    if (check_store () == CHECK_DIRECTORY) {
        CHECK ("the group may use the directory", chown (space, (uid_t) -1, GROUP) == 0);
    }
    CHECK ("the owner exits with status 0", check_child (owner) == 0);
    CHECK ("the other user exits with status 0", check_child (other) == 0);
    CHECK ("the owner exits with status 0", check_child (owner_again) == 0);
}

int main (void)
{
    check_start ();
    strcpy (space, check_namespace ("space"));
    errors ();
    keeps ();
    sets_permissions ();
    locks ();
    if (check_has (HAS_USERS)) {
        users ();
    }
    return check_done ();
}
