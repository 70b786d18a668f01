/* Several users in one namespace: who may read, remove, keep, lock and prune.
   As root only, who becomes the others. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWNER 61001
#define READER 61002
#define GROUP 61010
#define NAME "c_tests/ext users"
#define SIZE 12345L

static int turn[2]; /* the reader's */
static int done[2]; /* and the owner's again */
static int orphan[2];

static void become (uid_t user)
{
    CHECK ("root becomes another user",
           setgroups (0, NULL) == 0 && setgid (GROUP) == 0 && setuid (user) == 0);
}

static void hand_over (void)
{
    check_signal (turn);
    CHECK ("the other user takes its turn", check_await (done));
}

static int is_kept (const char *name)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStatName (name, &info) == 0 ? info.kept : -1;
}

static SharedMemory make (unsigned int mode, int flags)
{
    SharedMemory memory = NULL;

    CHECK ("the owner creates a segment", shmxCreate (NAME, SIZE, flags, mode, NULL, &memory) == 0);
    if (memory != NULL) {
        memset (shmAddress (memory), 'o', SIZE);
    }
    return memory;
}

static void unreadable_modes (void)
{
    SharedMemory memory = NULL;

    if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind: shmat of an unreadable segment is EINVAL, not EACCES");
    } else {
        CHECK ("a mode that does not allow the owner to read is EACCES",
               shmxCreate (NAME, SIZE, SHMX_KEEP, 0200, NULL, &memory) == EACCES
               && memory == NULL);
    }
    CHECK ("the failed call leaves nothing", is_kept (NAME) == -1);
    if (getenv ("UNDER_VALGRIND") == NULL) {
        CHECK ("mode 0 with SHMX_MODE does not allow the owner to attach it: EACCES",
               shmxCreate (NAME, SIZE, SHMX_MODE, 0, NULL, &memory) == EACCES && memory == NULL);
        CHECK ("the failed call leaves nothing", is_kept (NAME) == -1);
    }
}

static void owner (void)
{
    SharedMemory memory;
    pid_t child;
    int id;

    /* Forked while still root, because valgrind opens a log file. */
    child = check_fork ();
    if (child == 0) {
        become (OWNER);
        check_await (orphan);
        make (0660, 0);
        _exit (0);
    }
    become (OWNER);
    memory = make (0640, 0);
    hand_over ();
    CHECK ("the reader has changed nothing",
           is_kept (NAME) == 0 && check_is_mode (check_id (memory), 0640)
           && check_filled (shmAddress (memory), 'o', SIZE));
    CHECK ("the owner destroys its handle first", shmDestroy (memory) == 0);
    hand_over ();
    CHECK ("the segment that the reader could not delete exists", check_exists (NAME) == 1);
    CHECK ("its owner has deleted it", !check_exists (NAME));

    memory = make (0600, SHMX_KEEP);
    hand_over ();
    CHECK ("the owner destroys its handle of a kept segment",
           shmDestroy (memory) == 0 && is_kept (NAME) == 1);
    CHECK ("the owner makes it an ordinary segment",
           (memory = check_create (NAME, 0)) != NULL && shmxKeep (memory, 0) == 0);
    CHECK ("the segment is attached once", check_is_attached (id = check_id (memory), 1));
    hand_over ();
    CHECK ("another user's segment is not pruned", check_is_attached (id, 1));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    if (check_has (HAS_TRANSIENT)) {
        memory = make (0640, SHMX_TRANSIENT);
        hand_over ();
        CHECK ("another user's last shmDestroy needs no permission to delete it",
               shmDestroy (memory) == 0);
        hand_over ();
        CHECK ("the name is gone", is_kept (NAME) == -1);
    }
    memory = make (0660, 0);
    id = check_id (memory);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0 && is_kept (NAME) == -1);

    memory = make (0600, SHMX_KEEP);
    CHECK ("the owner leaves a kept segment that nobody has attached", shmDestroy (memory) == 0);
    hand_over ();
    CHECK ("another user cannot remove it", is_kept (NAME) == 1);
    CHECK ("its owner can remove it", shmxRemove (NAME) == 0 && is_kept (NAME) == -1);

    check_signal (orphan);
    CHECK ("the owner's other process leaves an orphan", check_wait (child) == 0);
    hand_over ();
    CHECK ("its owner can prune it", shmxPrune (0, NULL) == 0 && is_kept (NAME) == -1);
    if (check_has (HAS_MODE_AT_ONCE)) {
        CHECK ("a mode that does not allow the owner to attach is EACCES",
               shmxCreate (NAME, SIZE, SHMX_KEEP, 0400, NULL, &memory) == EACCES && memory == NULL);
        CHECK ("the failed call leaves nothing", is_kept (NAME) == -1);
        unreadable_modes ();
    }
    CHECK ("mode 0400 is enough for a read-only segment",
           shmxCreate (NAME, SIZE, SHMX_RDONLY, 0400, NULL, &memory) == 0
           && check_is_mode (check_id (memory), 0400) && shmDestroy (memory) == 0
           && is_kept (NAME) == -1);
    CHECK ("the owner can remove a segment of mode 0",
           shmxCreate (NAME, SIZE, SHMX_KEEP, 0600, NULL, &memory) == 0
           && shmxSetPerm (memory, -1, -1, 0) == 0 && is_kept (NAME) == 1
           && shmxRemove (NAME) == 0 && is_kept (NAME) == -1);
    CHECK ("its handle can be destroyed", shmDestroy (memory) == 0);
    CHECK ("a mode of 0 can be changed back",
           shmxCreate (NAME, SIZE, 0, 0600, NULL, &memory) == 0
           && shmxSetPerm (memory, -1, -1, 0) == 0 && shmxSetPerm (memory, -1, -1, 0600) == 0
           && check_is_mode (check_id (memory), 0600));
    CHECK ("the last shmDestroy deletes a segment of mode 0",
           shmxSetPerm (memory, -1, -1, 0) == 0 && shmDestroy (memory) == 0
           && is_kept (NAME) == -1);
}

static int seen_by_list (const struct ShmxInfo *info, void *context)
{
    *(int *) context += strcmp (info->name, NAME) == 0 && info->uid == OWNER;
    return 0;
}

/* A call that only the owner may make. */
static void is_refused (const char *doing, int status, int id)
{
    const char *with_id = check_has (HAS_IDS) ? check_text (" (id %d)", id) : "";
    const char *text = check_text ("%s segment '%s'%s of user %d: Operation not permitted",
                                   doing, NAME, with_id, OWNER);

    CHECK ("a call that is reserved to the owner is EPERM", status == EPERM);
    CHECK ("the reason is the owner", shmxErrorReason () == SHMX_REASON_OWNER);
    CHECK (text, strcmp (shmxErrorText (), text) == 0);
}

static void finds_a_transient_segment (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;

    CHECK ("the owner has created a transient segment", check_await (turn));
    info.size = sizeof info;
    CHECK ("the reader can attach it",
           shmxCreate (NAME, SIZE, SHMX_RDONLY, 0, NULL, &memory) == 0
           && shmxStat (memory, &info) == 0 && info.transient == 1);
    CHECK ("shmxRemove of a transient segment is EPERM", shmxRemove (NAME) == EPERM);
    check_signal (done);
    CHECK ("the owner has destroyed its handle", check_await (turn));
    CHECK ("the last shmDestroy returns 0 and deletes it",
           shmDestroy (memory) == 0 && check_is_attached (info.id, -1));
    check_signal (done);
}

static void reader (void)
{
    SharedMemory memory = (SharedMemory) &memory;
    struct ShmxInfo info;
    long count = -1;
    int seen = 0;
    int id;

    become (READER);
    CHECK ("the owner has created a segment", check_await (turn));
    CHECK ("attaching it for writing is EACCES",
           shmxCreate (NAME, SIZE, 0, 0, NULL, &memory) == EACCES
           && errno == EACCES && memory == NULL);
    CHECK ("shmCreate of it is EACCES", shmCreate (NAME, SIZE, NULL, &memory) == EACCES);
    CHECK ("attaching it for reading succeeds",
           shmxCreate (NAME, SIZE, SHMX_RDONLY, 0, NULL, &memory) == 0);
    CHECK ("the reader reads the data", check_filled (shmAddress (memory), 'o', SIZE));
    info.size = sizeof info;
    CHECK ("the reader sees owner, creator and group",
           shmxStat (memory, &info) == 0 && info.uid == OWNER
           && info.creatorUid == OWNER && info.gid == GROUP);
    is_refused ("set the permissions of", shmxSetPerm (memory, -1, -1, 0666), info.id);
    if (check_has (HAS_LOCK)) {
        is_refused ("lock", shmxLock (memory), info.id);
        is_refused ("unlock", shmxUnlock (memory), info.id);
        is_refused ("lock", shmxLockName (NULL, NAME), info.id);
        is_refused ("unlock", shmxUnlockName (NULL, NAME), info.id);
    }
    is_refused ("keep", shmxKeep (memory, 1), info.id);
    is_refused ("remove", shmxRemove (NAME), info.id);
    is_refused ("remove", shmxRemoveSegment (memory), info.id);
    is_refused ("keep", shmxKeepName (NULL, NAME, 1), info.id);
    is_refused ("set the permissions of", shmxSetPermName (NULL, NAME, -1, -1, 0666), info.id);
    CHECK ("the name still exists", shmxStatName (NAME, &info) == 0);
    CHECK ("shmLoad by the reader is EACCES", shmLoad (memory, "/dev/zero") == EACCES);
    id = check_id (memory);
    check_signal (done);

    CHECK ("the owner has destroyed its handle", check_await (turn));
    CHECK ("a reader that is the last can leave with shmxDetach",
           shmxDetach (memory) == 0 && check_is_attached (id, 0));
    CHECK ("it can attach the segment again",
           shmxCreate (NAME, SIZE, SHMX_RDONLY, 0, NULL, &memory) == 0);
    is_refused ("delete", shmDestroy (memory), info.id);
    CHECK ("the handle is invalid all the same", shmAddress (memory) == NULL);
    CHECK ("the segment is detached nevertheless", check_is_attached (id, 0));
    check_signal (done);

    CHECK ("there is a segment that the reader may not read", check_await (turn));
    if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind: shmat of an unreadable segment is EINVAL, not EACCES");
    } else {
        CHECK ("attaching it is EACCES",
               shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &memory) == EACCES);
    }
    CHECK ("shmxStatName shows it", shmxStatName (NAME, &info) == 0 && info.uid == OWNER
           && info.bytes == SIZE && info.kept == 1);
    CHECK ("shmxList shows it", shmxList (seen_by_list, &seen) == 0 && seen == 1);
    check_signal (done);

    CHECK ("there is a segment that is attached by its owner", check_await (turn));
    CHECK ("the reader prunes nothing", shmxPrune (0, &count) == 0 && count == 0);
    check_signal (done);

    if (check_has (HAS_TRANSIENT)) {
        finds_a_transient_segment ();
    }

    CHECK ("there is a kept segment that nobody has attached", check_await (turn));
    CHECK ("removing it is EPERM", shmxRemove (NAME) == EPERM);
    check_signal (done);

    CHECK ("there is an orphan of the owner", check_await (turn));
    CHECK ("the reader's shmxPrune ignores it without an error",
           shmxPrune (0, &count) == 0 && count == 0);
    CHECK ("it still exists", shmxStatName (NAME, &info) == 0);
    check_signal (done);
}

int main (void)
{
    pid_t first, second;

    check_start ();
    if (!check_has_users ("several users in one namespace")) {
        return check_done ();
    }
    if (pipe (turn) != 0 || pipe (done) != 0 || pipe (orphan) != 0) {
        return EXIT_FAILURE;
    }
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    if (check_store () == CHECK_DIRECTORY) {
        CHECK ("the group may use the directory",
               chown (check_namespace ("names"), (uid_t) -1, GROUP) == 0);
    }
    first = check_fork ();
    if (first == 0) {
        owner ();
        exit (0);
    }
    second = check_fork ();
    if (second == 0) {
        reader ();
        exit (0);
    }
    CHECK ("the reader exits with status 0", check_wait (second) == 0);
    CHECK ("the owner exits with status 0", check_wait (first) == 0);
    return check_done ();
}
