/* Several users in one name space: who may read, and who may not remove, keep, lock or prune.
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
    CHECK ("the other user has its turn", check_await (done));
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

    CHECK ("the owner makes a segment", shmxCreate (NAME, SIZE, flags, mode, NULL, &memory) == 0);
    if (memory != NULL) {
        memset (shmAddress (memory), 'o', SIZE);
    }
    return memory;
}

static void owner (void)
{
    SharedMemory memory;
    pid_t child;
    int id;

    /* Forked as root: valgrind opens a file for it. */
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
    CHECK ("nothing was changed", is_kept (NAME) == 0 && check_mode (shmId (memory)) == 0640
           && check_filled (shmAddress (memory), 'o', SIZE));
    CHECK ("the owner leaves first", shmDestroy (memory) == 0);
    hand_over ();
    CHECK ("what the reader could not delete is there", check_exists (NAME) == 1);
    CHECK ("and deleted by its owner", !check_exists (NAME));

    memory = make (0600, SHMX_KEEP);
    hand_over ();
    CHECK ("the owner leaves", shmDestroy (memory) == 0 && is_kept (NAME) == 1);
    CHECK ("keeping is ended by name and handle",
           (memory = check_create (NAME, 0)) != NULL && shmxKeep (memory, 0) == 0);
    CHECK ("the mapping goes, the segment stays", check_attached (id = shmId (memory)) == 1);
    hand_over ();
    CHECK ("an orphan of another user's is not pruned", check_attached (id) >= 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0 && is_kept (NAME) == -1);

    memory = make (0600, SHMX_KEEP);
    CHECK ("the owner leaves an unused one", shmDestroy (memory) == 0);
    hand_over ();
    CHECK ("another user can't remove it", is_kept (NAME) == 1);
    CHECK ("its owner can", shmxRemove (NAME) == 0 && is_kept (NAME) == -1);

    check_signal (orphan);
    CHECK ("the owner's other process leaves an orphan", check_wait (child) == 0);
    hand_over ();
    CHECK ("its owner prunes its own orphan", shmxPrune (0, NULL) == 0 && is_kept (NAME) == -1);
    CHECK ("a mode that does not let its maker map it is EACCES",
           shmxCreate (NAME, SIZE, SHMX_KEEP, 0400, NULL, &memory) == EACCES && memory == NULL);
    CHECK ("and nothing is left", is_kept (NAME) == -1);
    CHECK ("unless to read is enough",
           shmxCreate (NAME, SIZE, SHMX_RDONLY, 0400, NULL, &memory) == 0
           && check_mode (shmId (memory)) == 0400 && shmDestroy (memory) == 0
           && is_kept (NAME) == -1);
    CHECK ("what its owner may not look at, its owner may remove",
           shmxCreate (NAME, SIZE, SHMX_KEEP, 0600, NULL, &memory) == 0
           && shmxSetPerm (memory, -1, -1, 0) == 0 && is_kept (NAME) == 1
           && shmxRemove (NAME) == 0 && is_kept (NAME) == -1);
    CHECK ("and its handle is good for that", shmDestroy (memory) == 0);
    CHECK ("so a mode that is changed in error can be changed back",
           shmxCreate (NAME, SIZE, 0, 0600, NULL, &memory) == 0
           && shmxSetPerm (memory, -1, -1, 0) == 0 && shmxSetPerm (memory, -1, -1, 0600) == 0
           && check_mode (shmId (memory)) == 0600);
    CHECK ("and the last user deletes it, whatever its mode",
           shmxSetPerm (memory, -1, -1, 0) == 0 && shmDestroy (memory) == 0
           && is_kept (NAME) == -1);
    if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind says EINVAL for what may not be read");
    } else {
        CHECK ("a mode that does not let its maker look at it is EACCES",
               shmxCreate (NAME, SIZE, SHMX_KEEP, 0200, NULL, &memory) == EACCES
               && memory == NULL);
    }
    CHECK ("and nothing is left", is_kept (NAME) == -1);
}

static int seen_by_list (const struct ShmxInfo *info, void *context)
{
    *(int *) context += strcmp (info->name, NAME) == 0 && info->uid == OWNER;
    return 0;
}

static void reader (void)
{
    SharedMemory memory = (SharedMemory) &memory;
    struct ShmxInfo info;
    long count = -1;
    int seen = 0;

    become (READER);
    CHECK ("the owner is done", check_await (turn));
    CHECK ("to write is EACCES", shmxCreate (NAME, SIZE, 0, 0, NULL, &memory) == EACCES
           && errno == EACCES && memory == NULL);
    CHECK ("by shmCreate too", shmCreate (NAME, SIZE, NULL, &memory) == EACCES);
    CHECK ("to read is not", shmxCreate (NAME, SIZE, SHMX_RDONLY, 0, NULL, &memory) == 0);
    CHECK ("the reader reads", check_filled (shmAddress (memory), 'o', SIZE));
    info.size = sizeof info;
    CHECK ("and sees whose it is", shmxStat (memory, &info) == 0 && info.uid == OWNER
           && info.creatorUid == OWNER && info.gid == GROUP);
    CHECK ("it may not set permissions: EPERM", shmxSetPerm (memory, -1, -1, 0666) == EPERM);
    CHECK ("nor lock", shmxLock (memory) == EPERM);
    CHECK ("nor unlock", shmxUnlock (memory) == EPERM);
    CHECK ("nor keep", shmxKeep (memory, 1) == EPERM && errno == EPERM);
    CHECK ("nor remove", shmxRemove (NAME) == EPERM && errno == EPERM);
    CHECK ("nor load", shmLoad (memory, "/dev/zero") == EACCES);
    check_signal (done);

    CHECK ("the owner has left", check_await (turn));
    CHECK ("the reader is the last, but may not delete it: EPERM", shmDestroy (memory) == EPERM);
    CHECK ("the handle is gone all the same", shmAddress (memory) == NULL);
    CHECK ("and the mapping", check_attached (info.id) == 0);
    check_signal (done);

    CHECK ("there is one that it may not read", check_await (turn));
    if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind says EINVAL for what may not be read");
    } else {
        CHECK ("to map is EACCES", shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &memory) == EACCES);
    }
    CHECK ("but its name is known", shmxStatName (NAME, &info) == 0 && info.uid == OWNER
           && info.bytes == SIZE && info.kept == 1);
    CHECK ("and listed", shmxList (seen_by_list, &seen) == 0 && seen == 1);
    check_signal (done);

    CHECK ("one is not kept any more", check_await (turn));
    CHECK ("nothing is pruned", shmxPrune (0, &count) == 0 && count == 0);
    check_signal (done);

    CHECK ("one is unused", check_await (turn));
    CHECK ("to remove it is EPERM", shmxRemove (NAME) == EPERM);
    check_signal (done);

    CHECK ("one is an orphan", check_await (turn));
    CHECK ("it is left alone, without an error", shmxPrune (0, &count) == 0 && count == 0);
    CHECK ("it is there", shmxStatName (NAME, &info) == 0);
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
    setenv ("NOB_DATABASE", check_path ("names"), 1);
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
    CHECK ("the reader ends well", check_wait (second) == 0);
    CHECK ("the owner ends well", check_wait (first) == 0);
    return check_done ();
}
