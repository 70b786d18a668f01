/* shmxList: lists each name once, attached or not, and a callback may call any function. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAMES 300
#define SIZE 100L

static const char *const ODD[] = { "", "a/b", "\377\001", " ", "\303\244" };
#define ODDS 5

struct seen {
    int calls;
    int times[NAMES];
    int odd[ODDS];
    int orphans, kept, mapped;
    int stop_at, stop_with;
};

static int note (const struct ShmxInfo *info, void *context)
{
    struct seen *seen = context;
    int number, i;

    seen->calls++;
    if (info->size != sizeof *info || info->bytes != SIZE) {
        return 1;
    }
    seen->orphans += info->mappings == 0;
    seen->mapped += info->mappings == 1;
    seen->kept += info->kept;
    for (i = 0; i < ODDS; i++) {
        seen->odd[i] += strcmp (info->name, ODD[i]) == 0;
    }
    if (sscanf (info->name, "name %d", &number) == 1 && number >= 0 && number < NAMES) {
        seen->times[number]++;
    }
    return seen->calls == seen->stop_at ? seen->stop_with : 0;
}

static void nothing (void)
{
    struct seen seen;
    int before = check_segments ();
    long count = 77;
    struct ShmxInfo info;

    memset (&seen, 0, sizeof seen);
    errno = 12345;
    CHECK ("an empty namespace has no names",
           shmxList (note, &seen) == 0 && seen.calls == 0 && errno == 12345);
    CHECK ("shmxPrune finds nothing in an empty namespace",
           shmxPrune (0, &count) == 0 && count == 0);
    info.size = sizeof info;
    CHECK ("shmxStatName is ENOENT in an empty namespace", shmxStatName ("any", &info) == ENOENT);
    CHECK ("read-only calls create no segment", check_segments () == before);
    CHECK ("NULL for the callback is EINVAL", shmxList (NULL, &seen) == EINVAL && errno == EINVAL);
}

static void leave_orphan (void)
{
    check_create ("name 1", SIZE);
}

static void many (void)
{
    static SharedMemory memory[NAMES], odd[ODDS];
    struct seen seen;
    int i, once = 1;

    if (!check_has_room (NAMES + ODDS + 2, "a list of three hundred names")) {
        return;
    }
    for (i = 0; i < NAMES; i++) {
        shmCreate (check_text ("name %d", i), SIZE, NULL, &memory[i]);
    }
    for (i = 0; i < ODDS; i++) {
        odd[i] = check_create (ODD[i], SIZE);
    }
    CHECK ("one segment is kept", shmxKeep (memory[0], 1) == 0 && shmDestroy (memory[0]) == 0);
    CHECK ("one segment is an orphan", check_has (HAS_PROCESSES)
           ? shmDestroy (memory[1]) == 0 && check_child (leave_orphan) == 0
           : shmxDetach (memory[1]) == 0);
    CHECK ("one segment is removed by others",
           check_has (HAS_OUTSIDERS) ? check_rm (check_id (memory[2])) == 0
                                     : shmxRemove ("name 2") == 0);
    memset (&seen, 0, sizeof seen);
    CHECK ("shmxList returns 0", shmxList (note, &seen) == 0);
    CHECK ("all names are listed, except that of the removed segment",
           seen.calls == NAMES + ODDS - 1);
    for (i = 0; i < NAMES; i++) {
        once = once && seen.times[i] == (i == 2 ? 0 : 1);
    }
    for (i = 0; i < ODDS; i++) {
        once = once && seen.odd[i] == 1;
    }
    CHECK ("each name is listed once, whatever its bytes", once);
    CHECK ("orphans and kept segments are listed as such",
           seen.orphans == 2 && seen.mapped == NAMES + ODDS - 3 && seen.kept == 1);
    seen.calls = 0;
    seen.stop_at = 7;
    seen.stop_with = -3;
    CHECK ("a callback that returns a value other than 0 ends the list",
           shmxList (note, &seen) == -3 && seen.calls == 7);
    seen.calls = 0;
    seen.stop_with = 42;
    errno = 12345;
    CHECK ("shmxList returns that value and leaves errno unchanged",
           shmxList (note, &seen) == 42 && seen.calls == 7 && errno == 12345);
    for (i = 2; i < NAMES; i++) {
        shmDestroy (memory[i]);
    }
    for (i = 0; i < ODDS; i++) {
        CHECK ("shmDestroy returns 0", shmDestroy (odd[i]) == 0);
    }
    CHECK ("the kept segment is removed", shmxRemove ("name 0") == 0);
    memset (&seen, 0, sizeof seen);
    CHECK ("the orphan is pruned", shmxPrune (0, NULL) == 0 && !check_exists ("name 1"));
    CHECK ("then no name is listed", shmxList (note, &seen) == 0 && seen.calls == 0);
}

/* ---- a callback that calls functions ---------------------------------------------------- */

static int count_one (const struct ShmxInfo *info, void *context)
{
    (void) info;
    ++*(int *) context;
    return 0;
}

static int call_everything (const struct ShmxInfo *info, void *context)
{
    SharedMemory memory = NULL, new = NULL;
    struct ShmxInfo again;
    int inner = 0;
    int good;

    again.size = sizeof again;
    good = shmxStatName (info->name, &again) == 0 && again.id == info->id
        && shmxCreate (info->name, 0, SHMX_ATTACH, 0, NULL, &memory) == 0
        && shmId (memory) == info->id
        && shmxKeep (memory, 1) == 0
        && shmxKeep (memory, 0) == 0
        && shmxLock (NULL) == EINVAL
        && shmCreate (check_text ("%s, new", info->name), 10L, NULL, &new) == 0
        && shmDestroy (new) == 0
        && shmxList (count_one, &inner) == 0 && inner > 0
        && shmSave (memory, check_path ("from a callback")) == 0
        && shmxRemove (info->name) == 0
        && shmDestroy (memory) == 0;
    *(int *) context += good;
    return 0;
}

static void from_the_callback (void)
{
    SharedMemory memory[10];
    int i, good = 0;

    for (i = 0; i < 10; i++) {
        memory[i] = check_create (check_text ("name %d", i), SIZE);
    }
    CHECK ("a callback may call any function, and remove the name it is called for",
           shmxList (call_everything, &good) == 0 && good == 10);
    for (i = 0; i < 10; i++) {
        CHECK ("shmDestroy returns 0", shmDestroy (memory[i]) == 0);
    }
}

/* ---- while other processes create and destroy ------------------------------------------- */

static void *list_and_list (void *result)
{
    struct seen seen;
    int i, round;

    for (round = 0; round < 100; round++) {
        memset (&seen, 0, sizeof seen);
        if (shmxList (note, &seen) != 0) {
            return NULL;
        }
        for (i = 0; i < 10; i++) {
            if (seen.times[i] != 1) {
                return NULL;
            }
        }
    }
    *(int *) result = 1;
    return NULL;
}

static void among_others (void)
{
    SharedMemory memory[10], other[20];
    pthread_t thread;
    int i, round, result = 0;
    pid_t child;

    for (i = 0; i < 10; i++) {
        memory[i] = check_create (check_text ("name %d", i), SIZE);
    }
    child = check_fork ();
    if (child == 0) {
        for (;;) {
            for (i = 0; i < 20; i++) {
                shmCreate (check_text ("name %d", 100 + i), SIZE, NULL, &other[i]);
            }
            for (i = 0; i < 20; i++) {
                shmDestroy (other[i]);
            }
        }
    }
    pthread_create (&thread, NULL, list_and_list, &result);
    for (round = 0; round < 100; round++) {
        SharedMemory one = NULL;

        shmCreate ("name 200", SIZE, NULL, &one);
        shmDestroy (one);
    }
    pthread_join (thread, NULL);
    check_kill (child);
    CHECK ("a name that exists throughout is listed once, while others are created and destroyed",
           result == 1);
    for (i = 0; i < 10; i++) {
        CHECK ("shmDestroy returns 0", shmDestroy (memory[i]) == 0);
    }
    CHECK ("what a killed process has left is pruned", shmxPrune (0, NULL) == 0);
}

int main (void)
{
    check_start ();
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    nothing ();
    many ();
    from_the_callback ();
    if (check_has (HAS_PROCESSES)) {
        among_others ();
    }
    return check_done ();
}
