/* Hidden segments, which are filled before other processes find them. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext hidden"
#define SIZE 12345L
#define UNTOUCHED 12345
#define ROUNDS 200
#define LONGEST_LIFE 3000 /* microseconds */
#define CREATORS 4

static int ready[2];
static int go[2];

static SharedMemory make (int flags)
{
    SharedMemory memory = NULL;

    CHECK ("a segment is created", shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
    return memory;
}

static struct ShmxInfo info_of (SharedMemory memory)
{
    struct ShmxInfo info;

    memset (&info, -1, sizeof info);
    info.size = sizeof info;
    CHECK ("shmxStat returns 0", shmxStat (memory, &info) == 0);
    return info;
}

static int count_name (const struct ShmxInfo *info, void *context)
{
    *(int *) context += strcmp (info->name, NAME) == 0;
    return 0;
}

/* Whether no function finds a segment by the name. */
static int is_absent (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    int listed = 0;

    info.size = sizeof info;
    return shmxStatName (NAME, &info) == ENOENT && shmxRemove (NAME) == ENOENT
           && shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &memory) == ENOENT
           && shmxWait (NAME, 0) == ETIMEDOUT && shmxList (count_name, &listed) == 0
           && listed == 0;
}

static void the_usual_way (void)
{
    SharedMemory memory, other;
    struct ShmxInfo info;
    long pruned = -1;
    int id;

    errno = UNTOUCHED;
    memory = make (SHMX_HIDDEN);
    id = check_id (memory);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("shmxCreated returns 1", shmxCreated (memory) == 1);
    CHECK ("the segment is zero-filled and has the size that was requested",
           shmSizeOf (memory) == SIZE && check_filled (shmAddress (memory), 0, SIZE));
    info = info_of (memory);
    CHECK ("shmxStat shows its name, and that it is hidden, not kept and not transient",
           strcmp (info.name, NAME) == 0 && info.hidden == 1 && info.kept == 0
           && info.transient == 0 && info.mappings == 1 && info.id == shmId (memory));
    CHECK ("no other call finds the segment", is_absent ());
    CHECK ("shmxPrune leaves the segment", shmxPrune (0, &pruned) == 0 && pruned == 0);
    CHECK ("shmxSetPerm works", shmxSetPerm (memory, -1, -1, 0600) == 0
           && info_of (memory).mode == 0600);
    CHECK ("shmxRemoveSegment is EIDRM, because it has no name yet",
           shmxRemoveSegment (memory) == EIDRM && strstr (shmxErrorText (), "hidden") != NULL);
    CHECK ("the segment still exists, and is hidden",
           check_is_attached (id, 1) && info_of (memory).hidden == 1);
    memset (shmAddress (memory), 'h', SIZE);
    errno = UNTOUCHED;
    CHECK ("shmxPublish returns 0", shmxPublish (memory) == 0);
    CHECK ("errno is unchanged", errno == UNTOUCHED);
    other = check_create (NAME, SIZE);
    CHECK ("the name leads to it, with its data", check_id (other) == id
           && check_filled (shmAddress (other), 'h', SIZE) && shmxCreated (other) == 0);
    info = info_of (memory);
    CHECK ("the segment is not hidden any more", info.hidden == 0 && info.mappings == 2
           && shmxWait (NAME, 0) == 0);
    CHECK ("a second shmxPublish is EINVAL",
           shmxPublish (memory) == EINVAL && errno == EINVAL
           && shmxErrorReason () == SHMX_REASON_NOT_HIDDEN
           && strstr (shmxErrorText (), "hidden") != NULL);
    CHECK ("shmxPublish of a segment that was attached by its name is EINVAL",
           shmxPublish (other) == EINVAL && shmxErrorReason () == SHMX_REASON_NOT_HIDDEN);
    CHECK ("the segment is an ordinary one", shmDestroy (memory) == 0 && check_is_attached (id, 1));
    CHECK ("its last shmDestroy deletes it",
           shmDestroy (other) == 0 && check_is_attached (id, -1) && is_absent ());
    CHECK ("shmxPublish of a destroyed handle is EINVAL",
           shmxPublish (memory) == EINVAL && shmxErrorReason () == SHMX_REASON_HANDLE);
    CHECK ("shmxPublish of NULL is EINVAL", shmxPublish (NULL) == EINVAL && errno == EINVAL);
}

static void with_other_flags (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    int id;

    CHECK ("SHMX_HIDDEN with SHMX_ATTACH is EINVAL",
           shmxCreate (NAME, SIZE, SHMX_HIDDEN | SHMX_ATTACH, 0, NULL, &memory) == EINVAL
           && memory == NULL && shmxErrorReason () == SHMX_REASON_ARGUMENT);
    CHECK ("SHMX_HIDDEN with a size of 0 is EINVAL",
           shmxCreate (NAME, 0, SHMX_HIDDEN, 0, NULL, &memory) == EINVAL);

    memory = make (SHMX_HIDDEN | SHMX_KEEP | SHMX_EXCL);
    info = info_of (memory);
    CHECK ("a hidden segment can be kept", info.hidden == 1 && info.kept == 1);
    CHECK ("once published, it is kept", shmxPublish (memory) == 0
           && info_of (memory).kept == 1);
    id = check_id (memory);
    CHECK ("shmDestroy leaves it", shmDestroy (memory) == 0 && check_is_attached (id, 0)
           && shmxRemove (NAME) == 0);

    memory = make (SHMX_HIDDEN | SHMX_KEEP);
    id = check_id (memory);
    CHECK ("shmDestroy deletes a hidden segment, even if it is kept",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));

    memory = make (SHMX_HIDDEN);
    CHECK ("shmxKeep works before the segment is published", shmxKeep (memory, 1) == 0
           && info_of (memory).kept == 1 && info_of (memory).hidden == 1);
    CHECK ("shmxKeep with 0 undoes that", shmxKeep (memory, 0) == 0 && info_of (memory).kept == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);

    memory = make (SHMX_HIDDEN | SHMX_RDONLY);
    CHECK ("a read-only hidden segment can be published", shmxPublish (memory) == 0
           && shmDestroy (memory) == 0);
}

static void hidden_and_transient (void)
{
    SharedMemory memory = make (SHMX_HIDDEN | SHMX_TRANSIENT), other;
    struct ShmxInfo info = info_of (memory);
    int id;

    CHECK ("a hidden segment can be transient",
           info.hidden == 1 && info.transient == 1 && is_absent ());
    CHECK ("shmxKeep of a transient segment is EINVAL", shmxKeep (memory, 1) == EINVAL
           && shmxErrorReason () == SHMX_REASON_TRANSIENT);
    CHECK ("once published, it is transient", shmxPublish (memory) == 0
           && info_of (memory).transient == 1 && info_of (memory).hidden == 0);
    other = check_create (NAME, 0);
    id = check_id (memory);
    CHECK ("the name leads to it", check_id (other) == id);
    CHECK ("it does not outlive its last holder",
           shmxDetach (memory) == 0 && shmDestroy (other) == 0
           && check_is_attached (id, -1) && is_absent ());
}

static void a_name_that_is_taken (void)
{
    SharedMemory memory = make (0), hidden = NULL, second;
    int id;

    CHECK ("a name that exists is EEXIST",
           shmxCreate (NAME, SIZE, SHMX_HIDDEN, 0, NULL, &hidden) == EEXIST
           && errno == EEXIST && hidden == NULL);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);

    hidden = make (SHMX_HIDDEN);
    second = make (SHMX_HIDDEN);
    id = check_id (hidden);
    CHECK ("several hidden segments can be created for one name",
           check_id (second) != id && is_absent ());
    memset (shmAddress (hidden), 'h', SIZE);
    memory = make (SHMX_EXCL);
    CHECK ("the name can be created meanwhile", shmxCreated (memory) == 1);
    CHECK ("shmxPublish of a hidden segment is then EEXIST",
           shmxPublish (hidden) == EEXIST && errno == EEXIST
           && strstr (shmxErrorText (), NAME) != NULL);
    CHECK ("the segment stays hidden", info_of (hidden).hidden == 1
           && check_filled (shmAddress (hidden), 'h', SIZE));
    CHECK ("the other segment keeps the name",
           check_id (check_create (NAME, 0)) == check_id (memory));
    CHECK ("when that name is removed, shmxPublish returns 0",
           shmxRemove (NAME) == 0 && shmxPublish (hidden) == 0);
    CHECK ("the name leads to it", check_id (check_create (NAME, 0)) == id);
    CHECK ("shmxPublish of the second hidden segment is EEXIST", shmxPublish (second) == EEXIST);
    id = check_id (second);
    CHECK ("shmDestroy deletes the second hidden segment",
           shmDestroy (second) == 0 && check_is_attached (id, -1));
    CHECK ("the name still exists", shmxRemove (NAME) == 0);
}

static void removed_by_others (void)
{
    SharedMemory memory = make (SHMX_HIDDEN);

    CHECK ("ipcrm removes the hidden segment", check_rm (check_id (memory)) == 0);
    CHECK ("shmxPublish is EIDRM", shmxPublish (memory) == EIDRM && errno == EIDRM);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0 && is_absent ());
}

/* ---- other processes --------------------------------------------------------------- */

static void is_killed (void)
{
    memset (shmAddress (make (SHMX_HIDDEN | SHMX_KEEP)), 'd', SIZE);
    kill (getpid (), SIGKILL);
}

static void leaves_with_exit (void)
{
    make (SHMX_HIDDEN);
}

static void detaches (void)
{
    CHECK ("shmxDetach returns 0", shmxDetach (make (SHMX_HIDDEN)) == 0);
}

static void leaves_nothing (const char *what, void (*body) (void), int status)
{
    SharedMemory memory = make (0);
    int before = check_segments ();

    CHECK (check_text ("%s", what), shmxRemove (NAME) == 0 && check_child (body) == status);
    CHECK ("no call finds the segment", is_absent ());
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("none of this has deleted what others have to sweep",
           check_segments () == (check_has (HAS_ABANDONED) ? before : 0));
    memory = check_create (NAME " 2", SIZE);
    CHECK ("the next create deletes it", check_segments () == before);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void deaths (void)
{
    SharedMemory memory;
    pid_t child;
    int id;

    leaves_nothing ("the creator of a hidden segment is killed", is_killed, 128 + SIGKILL);
    leaves_nothing ("the creator exits", leaves_with_exit, 0);
    leaves_nothing ("the creator detaches the segment", detaches, 0);

    memory = make (SHMX_HIDDEN);
    id = check_id (memory);
    child = check_fork ();
    if (child == 0) {
        CHECK ("the creator has called shmDestroy", check_await (go));
        CHECK ("a forked child has the hidden segment attached",
               is_absent () && check_is_attached (id, 1));
        CHECK ("the child can publish it", shmxPublish (memory) == 0);
        check_signal (ready);
        pause ();
    }
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    check_signal (go);
    CHECK ("a child has published it", check_await (ready));
    CHECK ("the name leads to it", check_id (check_create (NAME, 0)) == id);
    check_kill (child);
    CHECK ("the segment is an ordinary one", shmxRemove (NAME) == 0);
}

static void killed_elsewhere (void)
{
    setenv ("NOB_DATABASE", check_namespace ("elsewhere"), 1);
    is_killed ();
}

static void creates_elsewhere (void)
{
    SharedMemory memory;

    setenv ("NOB_DATABASE", check_namespace ("somewhere"), 1);
    memory = make (0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* Before this process uses the library: it has no registry. Any process of this user that creates
 * a registry removes what was left behind. */
static void in_a_namespace_that_is_never_used_again (void)
{
    if (!check_is_alone ("what a killed process leaves behind")) {
        return;
    }
    CHECK ("a process with a hidden segment is killed",
           check_child (killed_elsewhere) == 128 + SIGKILL);
    CHECK ("the segment and the registry are left",
           check_segments () == (check_has (HAS_ABANDONED) ? 2 : 0));
    CHECK ("another process uses another namespace", check_child (creates_elsewhere) == 0);
    CHECK ("nothing is left", check_segments () == 0);
}

/* A process that waits for the name is woken when it is published, not before. */
static void wakes_those_who_wait (void)
{
    SharedMemory memory = make (SHMX_HIDDEN);
    pid_t child = check_fork ();

    if (child == 0) {
        CHECK ("a waiter does not find the hidden segment", shmxWait (NAME, 200) == ETIMEDOUT);
        check_signal (ready);
        CHECK ("the waiter finds it later", shmxWait (NAME, 60000) == 0);
        CHECK ("the waiter finds its data",
               check_filled (shmAddress (check_create (NAME, 0)), 'w', SIZE));
        _exit (0);
    }
    CHECK ("the waiter has not found the hidden segment", check_await (ready));
    usleep (100000);
    memset (shmAddress (memory), 'w', SIZE);
    CHECK ("shmxPublish returns 0", shmxPublish (memory) == 0);
    CHECK ("the waiter exits with status 0", check_wait (child) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* A process that finds the name sees all of the data; a creator that is killed leaves nothing. */
static void killed_at_any_time (void)
{
    int *published = check_shared (sizeof *published);
    int round, before, bad = 0, seen = 0;
    SharedMemory memory = make (0);

    CHECK ("shmxRemove returns 0", shmxRemove (NAME) == 0);
    before = check_segments ();
    for (round = 0; round < ROUNDS; round++) {
        pid_t child = check_fork ();
        SharedMemory found = NULL;

        if (child == 0) {
            for (;;) {
                SharedMemory hidden = NULL;

                if (shmxCreate (NAME, SIZE, SHMX_HIDDEN, 0, NULL, &hidden) == 0) {
                    memset (shmAddress (hidden), 'f', SIZE);
                    ++*published;
                    shmxPublish (hidden);
                    shmDestroy (hidden);
                }
            }
        }
        usleep (rand () % LONGEST_LIFE);
        check_kill (child);
        if (shmCreate (NAME, 0, NULL, &found) == 0) {
            bad += !check_filled (shmAddress (found), 'f', SIZE);
            seen++;
            shmDestroy (found);
        }
        bad += shmxPrune (0, NULL) != 0 || check_segments () != before;
    }
    CHECK ("kill -9 of the creator leaves a filled segment or nothing", bad == 0 && *published > 0);
    check_note (check_text ("the segment existed in %d rounds", seen));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* Several processes fill one hidden segment each: one of them gets the name. */
static void race (void)
{
    int *won = check_shared (CREATORS * sizeof *won);
    pid_t children[CREATORS];
    int others = check_has (HAS_TRANSIENT) ? SHMX_TRANSIENT : SHMX_KEEP;
    int round, i, bad = 0;

    if (!check_has_room (16, "several processes that publish at once")) {
        return;
    }
    for (round = 0; round < ROUNDS / 10; round++) {
        int winners = 0;

        for (i = 0; i < CREATORS; i++) {
            won[i] = -1;
            children[i] = check_fork ();
            if (children[i] == 0) {
                SharedMemory memory = NULL;
                int flags = SHMX_HIDDEN | (i % 2 == 0 ? 0 : others);
                int status = shmxCreate (NAME, SIZE, flags, 0, NULL, &memory);

                if (status == 0) {
                    memset (shmAddress (memory), 'r', SIZE);
                    status = shmxPublish (memory);
                }
                won[i] = status;
                check_await (go);
                shmDestroy (memory);
                _exit (0);
            }
        }
        for (i = 0; i < CREATORS; i++) {
            while (*(volatile int *) &won[i] == -1) {
                usleep (100);
            }
            winners += won[i] == 0;
            bad += won[i] != 0 && won[i] != EEXIST;
        }
        bad += winners != 1 || !check_filled (shmAddress (check_create (NAME, 0)), 'r', SIZE);
        bad += shmxRemove (NAME) != 0;
        for (i = 0; i < CREATORS; i++) {
            check_signal (go);
        }
        for (i = 0; i < CREATORS; i++) {
            bad += check_wait (children[i]) != 0;
        }
    }
    CHECK ("of several processes that publish at once, one gets the name, the others EEXIST",
           bad == 0);
}

/* ---- a registry that is removed ---------------------------------------------------- */

static void without_registry (void)
{
    SharedMemory memory = make (SHMX_HIDDEN);
    int id = check_id (memory);

    memset (shmAddress (memory), 'n', SIZE);
    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    CHECK ("without its registry, shmxPublish returns 0", shmxPublish (memory) == 0);
    CHECK ("the name leads to it", check_id (check_create (NAME, 0)) == id);
    CHECK ("it can be removed", shmxRemove (NAME) == 0 && shmDestroy (memory) == 0);

    memory = make (SHMX_HIDDEN);
    id = check_id (memory);
    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    CHECK ("another segment gets the name", shmxCreated (make (0)) == 1);
    CHECK ("shmxStat shows that it is still hidden", info_of (memory).hidden == 1);
    CHECK ("shmxPublish is EEXIST", shmxPublish (memory) == EEXIST);
    CHECK ("shmDestroy deletes it", shmDestroy (memory) == 0 && check_is_attached (id, -1));
    CHECK ("the name still exists", shmxRemove (NAME) == 0);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return EXIT_FAILURE;
    }
    if (check_has (HAS_PROCESSES)) {
        in_a_namespace_that_is_never_used_again ();
    }
    /* shmxPrune sees no other test's segments. */
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    the_usual_way ();
    with_other_flags ();
    if (check_has (HAS_TRANSIENT)) {
        hidden_and_transient ();
    }
    a_name_that_is_taken ();
    if (check_has (HAS_IDS)) {
        removed_by_others ();
    }
    if (check_has (HAS_PROCESSES)) {
        deaths ();
        wakes_those_who_wait ();
        killed_at_any_time ();
        race ();
    }
    if (check_has (HAS_REGISTRY)) {
        without_registry ();
    }
    return check_done ();
}
