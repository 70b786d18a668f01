/* What works while a process that holds the registry's lock is stopped. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "c_tests/stopped"
#define SIZE 5000L
#define LOCK_OFFSET 16 /* docs/registry-format.md */

static int ready[2];
static int go[2];

static volatile uint32_t *attach_lock (void)
{
    int made[8];
    int count = check_made (made, 8);
    int i;

    for (i = 0; i < count; i++) {
        char *registry = check_size (made[i]) == SIZE ? (char *) -1 : shmat (made[i], NULL, 0);

        if (registry != (char *) -1) {
            if (memcmp (registry, "shm_util", 8) == 0) {
                return (volatile uint32_t *) (registry + LOCK_OFFSET);
            }
            shmdt (registry);
        }
    }
    return NULL;
}

/* Takes the lock as the library does, and keeps it. */
static void hold_the_lock (void)
{
    volatile uint32_t *lock = attach_lock ();

    CHECK ("the registry is found", lock != NULL);
    if (lock == NULL) {
        _exit (1);
    }
    CHECK ("its lock is free", __sync_bool_compare_and_swap (lock, 0,
                                                             (uint32_t) syscall (SYS_gettid)));
    check_signal (ready);
    check_await (go);
    __sync_lock_release (lock);
    _exit (0);
}

static int stat_of (SharedMemory memory, struct ShmxInfo *info)
{
    info->size = sizeof *info;
    return shmxStat (memory, info);
}

/* Each of these would return ETIMEDOUT, after 10 s, if it needed the lock. */
static void beside_a_stopped_holder (void)
{
    SharedMemory created = check_create (NAME, SIZE);
    SharedMemory found = check_create (NAME, 0);
    SharedMemory third, again, none;
    struct ShmxInfo info;
    int id = shmId (created);
    pid_t child = check_fork ();

    if (child == 0) {
        hold_the_lock ();
    }
    CHECK ("a process holds the lock", check_await (ready));
    CHECK ("an existing segment can be attached", shmCreate (NAME, SIZE, NULL, &third) == 0);
    CHECK ("it is the same one", shmId (third) == id);
    CHECK ("shmxCreate attaches it, too",
           shmxCreate (NAME, 0, SHMX_ATTACH, 0600, NULL, &again) == 0);
    CHECK ("a segment that is too small is EINVAL",
           shmCreate (NAME, SIZE + 1, NULL, &none) == EINVAL);
    CHECK ("exclusive creation of an existing name is EEXIST",
           shmxCreate (NAME, SIZE, SHMX_EXCL, 0600, NULL, &none) == EEXIST);
    CHECK ("shmxStat works", stat_of (third, &info) == 0 && info.id == id);
    CHECK ("a handle that found the segment can be destroyed", shmDestroy (third) == 0);
    CHECK ("so can the one that created it", shmDestroy (created) == 0);
    CHECK ("the others keep it", check_attached (id) == 4); /* the other process has two */
    check_signal (go);
    CHECK ("the process that held the lock exits with status 0", check_wait (child) == 0);
    CHECK ("another handle can be destroyed", shmDestroy (found) == 0);
    CHECK ("the last shmDestroy deletes the segment",
           shmDestroy (again) == 0 && check_attached (id) == -1);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return 1;
    }
    beside_a_stopped_holder ();
    return check_done ();
}
