/* shmxCreated: whether the call that returned a handle created the segment. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "c_tests/ext created"
#define SIZE 4096L
#define RACERS 8
#define ROUNDS 50

static void handles (void)
{
    SharedMemory first = check_create (NAME, SIZE);
    SharedMemory second = check_create (NAME, SIZE);
    SharedMemory third = NULL;
    pid_t child;

    errno = 12345;
    CHECK ("shmCreate of a new name: shmxCreated is 1", shmxCreated (first) == 1);
    CHECK ("shmCreate of a name that exists: 0", shmxCreated (second) == 0);
    CHECK ("errno is unchanged", errno == 12345);
    CHECK ("the same process finds its own segment: 0", shmxCreated (second) == 0
           && shmxCreate (NAME, SIZE, 0, 0, NULL, &third) == 0 && shmxCreated (third) == 0);
    child = check_fork ();
    if (child == 0) {
        CHECK ("a child gets the same as its parent",
               shmxCreated (first) == 1 && shmxCreated (second) == 0);
        CHECK ("it finds the segment: 0", shmxCreated (check_create (NAME, 0)) == 0);
        _exit (0);
    }
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("after the creator's shmDestroy, the others' answer is the same",
           shmDestroy (first) == 0 && shmxCreated (second) == 0 && shmxCreated (third) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0 && shmDestroy (third) == 0);
    CHECK ("with SHMX_EXCL: 1", shmxCreate (NAME, SIZE, SHMX_EXCL, 0, NULL, &third) == 0
           && shmxCreated (third) == 1);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    second = check_create (NAME, SIZE);
    CHECK ("of a name that was removed, a new segment: 1",
           shmxCreated (second) == 1 && shmxCreated (third) == 1);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0 && shmDestroy (third) == 0);
}

static void leftovers (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    CHECK ("an orphan is left", shmxDetach (memory) == 0);
    memory = check_create (NAME, SIZE);
    CHECK ("shmCreate of an orphan: 0", shmxCreated (memory) == 0);
    CHECK ("it becomes a kept one", shmxKeep (memory, 1) == 0 && shmDestroy (memory) == 0);
    CHECK ("shmxCreate of a kept segment that nobody has attached: 0",
           shmxCreate (NAME, SIZE, SHMX_KEEP, 0, NULL, &memory) == 0 && shmxCreated (memory) == 0);
    CHECK ("the segment is removed", shmxRemove (NAME) == 0 && shmDestroy (memory) == 0);
    CHECK ("a read-only one that is new: 1",
           shmxCreate (NAME, SIZE, SHMX_RDONLY, 0, NULL, &memory) == 0
           && shmxCreated (memory) == 1 && shmDestroy (memory) == 0);
}

static void invalid (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    errno = 0;
    CHECK ("NULL: -1 and EINVAL", shmxCreated (NULL) == -1 && errno == EINVAL);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    errno = 0;
    CHECK ("a destroyed handle: -1 and EINVAL", shmxCreated (memory) == -1 && errno == EINVAL);
    CHECK ("the text explains it", strstr (shmxErrorText (), "destroyed") != NULL);
    errno = 0;
    CHECK ("an invented handle: -1 and EINVAL",
           shmxCreated ((SharedMemory) &memory) == -1 && errno == EINVAL);
}

/* ---- a race ---------------------------------------------------------------------------- */

struct race {
    pthread_barrier_t line;
    int creators;
    int failed;
};

static void take_part (struct race *race)
{
    int round;

    for (round = 0; round < ROUNDS; round++) {
        SharedMemory memory = NULL;

        pthread_barrier_wait (&race->line);
        if (shmCreate (NAME, SIZE, NULL, &memory) != 0) {
            __sync_fetch_and_add (&race->failed, 1);
        }
        __sync_fetch_and_add (&race->creators, shmxCreated (memory));
        pthread_barrier_wait (&race->line);
        if (shmDestroy (memory) != 0) {
            __sync_fetch_and_add (&race->failed, 1);
        }
        pthread_barrier_wait (&race->line);
    }
}

static void race (void)
{
    struct race *race = check_shared (sizeof *race);
    pthread_barrierattr_t shared;
    pid_t children[RACERS];
    int i;

    pthread_barrierattr_init (&shared);
    pthread_barrierattr_setpshared (&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init (&race->line, &shared, RACERS);
    for (i = 0; i < RACERS; i++) {
        children[i] = check_fork ();
        if (children[i] == 0) {
            take_part (race);
            _exit (0);
        }
    }
    for (i = 0; i < RACERS; i++) {
        CHECK ("a racer exits with status 0", check_wait (children[i]) == 0);
    }
    CHECK ("no call fails", race->failed == 0);
    CHECK ("of several processes that create a name at once, exactly one gets 1",
           race->creators == ROUNDS);
}

int main (void)
{
    check_start ();
    handles ();
    leftovers ();
    invalid ();
    if (check_has (HAS_PROCESSES)) {
        race ();
    }
    return check_done ();
}
