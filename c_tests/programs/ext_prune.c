/* shmxPrune: removes orphans that are old enough, and nothing else. */

/* Rust calls the functions with times of a long; some compilers for 32 bits select others. */
#undef _TIME_BITS
#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIZE 12345L
#define LONGEST_LIFE 3000 /* microseconds */

static int ready[2];

/* The library reads clocks by this. */
static long shift; /* by which the clock was set, in seconds */

int clock_gettime (clockid_t clock, struct timespec *time)
{
    int status = (int) syscall (SYS_clock_gettime, clock, time);

    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        time->tv_sec += shift;
    }
    return status;
}

/* -1 if shmxPrune fails. */
static long pruned (long age)
{
    long count = -1;

    errno = 12345;
    return shmxPrune (age, &count) == 0 && errno == 12345 ? count : -1;
}

static int is_there (const char *name)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStatName (name, &info) == 0;
}

static pid_t holder (const char *name, int flags)
{
    pid_t child = check_fork ();

    if (child == 0) {
        SharedMemory memory = NULL;

        CHECK ("a holder attaches a segment",
               shmxCreate (name, SIZE, flags, 0, NULL, &memory) == 0);
        check_signal (ready);
        for (;;) {
            pause ();
        }
    }
    CHECK ("a holder has the segment attached", check_await (ready));
    return child;
}

static void orphan (const char *name, int flags)
{
    check_kill (holder (name, flags));
}

static void what_is_removed (void)
{
    pid_t living = holder ("mapped", 0);
    struct ShmxInfo info;

    orphan ("orphan", 0);
    orphan ("other orphan", 0);
    orphan ("kept", SHMX_KEEP);
    CHECK ("a young orphan is left", pruned (3600) == 0);
    CHECK ("LONG_MAX as the age is accepted", pruned (LONG_MAX) == 0);
    CHECK ("all names still exist",
           is_there ("mapped") && is_there ("orphan") && is_there ("other orphan")
           && is_there ("kept"));
    info.size = sizeof info;
    CHECK ("an orphan keeps its size until it is pruned",
           shmxStatName ("orphan", &info) == 0 && info.bytes == SIZE && info.mappings == 0);
    CHECK ("both orphans are pruned", pruned (0) == 2);
    CHECK ("their names do not exist", !is_there ("orphan") && !is_there ("other orphan"));
    CHECK ("their segments are deleted", check_is_attached (info.id, -1));
    CHECK ("an attached segment is left", is_there ("mapped"));
    CHECK ("a kept segment is left", is_there ("kept"));
    CHECK ("then nothing is left to prune", pruned (0) == 0);
    check_kill (living);
    CHECK ("a segment is pruned after its last holder has died",
           pruned (0) == 1 && !is_there ("mapped"));
    CHECK ("the kept segment is removed", shmxRemove ("kept") == 0);
    CHECK ("NULL for the count is accepted", shmxPrune (0, NULL) == 0);
}

static void ages (void)
{
    SharedMemory memory;

    orphan ("old", 0);
    orphan ("old, but used", 0);
    sleep (3);
    memory = check_create ("old, but used", 0);
    CHECK ("an orphan is attached and detached", check_unmap (shmAddress (memory), SIZE) == 0);
    orphan ("young", 0);
    CHECK ("one orphan is two seconds old", pruned (2) == 1);
    CHECK ("it is pruned", !is_there ("old"));
    CHECK ("the age counts from the last use", is_there ("old, but used"));
    CHECK ("the young orphan is left", is_there ("young"));
    CHECK ("age 0 prunes all orphans", pruned (0) == 2);
    shmDestroy (memory);
}

static void when_the_clock_is_set (void)
{
    struct timespec uptime;

    CHECK ("the system has an uptime", clock_gettime (CLOCK_BOOTTIME, &uptime) == 0);
    orphan ("of today", 0);
    if (check_has (HAS_AGE_LIMIT)) {
        shift = uptime.tv_sec + 7200;
        CHECK ("after the clock was set forward, an orphan is no older than the system",
               pruned (uptime.tv_sec + 3600) == 0 && is_there ("of today"));
    }
    shift = -7200;
    CHECK ("after the clock was set back, its age is 0", pruned (1) == 0 && is_there ("of today"));
    CHECK ("age 0 prunes it", pruned (0) == 1);
    shift = 0;
}

/* One process prunes while others create, attach and destroy. None may lose its segment. */
static void among_others (void)
{
    int rounds = check_rounds (2000);
    pid_t child = check_fork ();
    int i, good = 0;

    if (child == 0) {
        for (;;) {
            shmxPrune (0, NULL);
        }
    }
    for (i = 0; i < rounds; i++) {
        SharedMemory memory = NULL, again = NULL;

        if (shmxCreate ("busy", SIZE, i % 2 ? SHMX_EXCL : 0, 0, NULL, &memory) == 0) {
            memset (shmAddress (memory), i, SIZE);
            good += shmCreate ("busy", 0, NULL, &again) == 0
                && check_id (again) == check_id (memory)
                && check_filled (shmAddress (again), i & 255, SIZE)
                && shmDestroy (again) == 0 && shmDestroy (memory) == 0;
        }
    }
    check_kill (child);
    CHECK ("shmxPrune does not remove a segment that is about to be attached", good == rounds);
}

/* An orphan that one process attaches while another prunes it is attached or pruned, not both. */
static void orphan_that_is_found (void)
{
    int rounds = check_rounds (1500);
    pid_t child = check_fork ();
    int i, good = 0, found = 0;

    if (child == 0) {
        for (;;) {
            shmxPrune (0, NULL);
        }
    }
    for (i = 0; i < rounds; i++) {
        SharedMemory memory = NULL, again = NULL;
        pid_t maker = check_fork ();
        int status;

        if (maker == 0) {
            shmCreate ("found", SIZE, NULL, &memory);
            kill (getpid (), SIGKILL);
        }
        /* When the segment is detached, the other process may prune it. */
        check_wait (maker);
        status = shmCreate ("found", 0, NULL, &memory);
        if (status != 0) {
            good += status == ENOENT;
            continue;
        }
        found++;
        good += shmCreate ("found", 0, NULL, &again) == 0 && check_id (again) == check_id (memory)
            && shmDestroy (again) == 0 && shmDestroy (memory) == 0;
    }
    check_kill (child);
    check_note (check_text ("%d of %d orphans were attached before they were pruned",
                found, rounds));
    CHECK ("an orphan is attached or pruned, not both", good == rounds);
    CHECK ("shmxPrune removes the rest", shmxPrune (0, NULL) == 0);
}

static void death_in_the_midst (void)
{
    int rounds = check_rounds (150);
    int round, whole = 0;

    for (round = 0; round < rounds; round++) {
        pid_t child;

        orphan ("a", 0);
        orphan ("b", 0);
        child = check_fork ();
        if (child == 0) {
            shmxPrune (0, NULL);
            pause ();
        }
        usleep (rand () % LONGEST_LIFE);
        check_kill (child);
        whole += shmxPrune (0, NULL) == 0 && !is_there ("a") && !is_there ("b")
            && check_segments () <= check_registries ();
    }
    CHECK ("the next shmxPrune completes one that was killed", whole == rounds);
}

static void behind_our_back (void)
{
    SharedMemory memory = check_create ("gone", SIZE);

    CHECK ("ipcrm removes a segment", check_rm (check_id (memory)) == 0);
    CHECK ("shmxPrune does not count it", pruned (0) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("at most the registry is left", check_segments () <= check_registries ());
}

static void errors (void)
{
    long count = 77;

    CHECK ("a negative age is EINVAL",
           shmxPrune (-1, &count) == EINVAL && errno == EINVAL && count == 77);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0) {
        return EXIT_FAILURE;
    }
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    what_is_removed ();
    ages ();
    when_the_clock_is_set ();
    among_others ();
    orphan_that_is_found ();
    death_in_the_midst ();
    behind_our_back ();
    errors ();
    return check_done ();
}
