/* shmxWait: waits until a name exists. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#define NAME "c_tests/ext wait"
#define SIZE 12345L
#define LIMIT 60000 /* milliseconds; no wait of this length comes to its end */
#define PAUSE 200000 /* microseconds in which a waiter falls asleep */
#define WAITERS 5

static int ready[2];

static long milliseconds (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void at_once (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);

    errno = 12345;
    CHECK ("a name that exists: shmxWait returns 0", shmxWait (NAME, LIMIT) == 0);
    CHECK ("errno is unchanged", errno == 12345);
    CHECK ("so it does with a limit of 0, and without one",
           shmxWait (NAME, 0) == 0 && shmxWait (NAME, -1) == 0);
    CHECK ("this does not attach the segment", check_is_attached (id, 1));
    CHECK ("an orphan exists, too", shmxDetach (memory) == 0 && shmxWait (NAME, 0) == 0);
    CHECK ("it is still an orphan", check_is_attached (id, 0) && shmxRemove (NAME) == 0);
}

static void too_long (void)
{
    long before = milliseconds ();

    CHECK ("a name that does not exist is ETIMEDOUT",
           shmxWait (NAME, 300) == ETIMEDOUT && errno == ETIMEDOUT);
    CHECK ("that takes the given time", milliseconds () - before >= 300);
    CHECK ("the text names the segment, the namespace and the time",
           strncmp (shmxErrorText (), "no segment '" NAME "' in ",
                    strlen ("no segment '" NAME "' in ")) == 0
           && strstr (shmxErrorText (),
                      check_text (" after 300 ms: %s", strerror (ETIMEDOUT))) != NULL);
    CHECK ("with a limit of 0, it is ETIMEDOUT, too", shmxWait (NAME, 0) == ETIMEDOUT);
    CHECK ("nothing is created", !check_exists (NAME));
}

/* A child that waits. */
static pid_t waiter (long limit)
{
    pid_t child = check_fork ();

    if (child == 0) {
        struct rusage usage;

        check_signal (ready);
        CHECK ("a process waits until the name exists", shmxWait (NAME, limit) == 0);
        CHECK ("it finds the segment", shmxWait (NAME, 0) == 0);
        getrusage (RUSAGE_SELF, &usage);
        CHECK ("it has slept, not polled", usage.ru_nvcsw < 1000);
        _exit (0);
    }
    CHECK ("the process has started", check_await (ready));
    return child;
}

static void until_created (const char *what, long limit)
{
    pid_t children[WAITERS];
    SharedMemory memory, other;
    int i;

    for (i = 0; i < WAITERS; i++) {
        children[i] = waiter (limit);
    }
    usleep (PAUSE);
    other = check_create (NAME ", another", SIZE);
    usleep (PAUSE);
    memory = check_create (NAME, SIZE);
    for (i = 0; i < WAITERS; i++) {
        CHECK (check_text ("%s: each waiter exits with status 0", what),
               check_wait (children[i]) == 0);
    }
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0 && shmDestroy (other) == 0);
}

/* A waiter that was killed leaves its mark; another one sleeps beside it. */
static void beside_a_killed_one (void)
{
    pid_t first = waiter (-1);
    pid_t second = waiter (-1);
    SharedMemory memory;

    usleep (PAUSE);
    check_kill (first);
    memory = check_create (NAME, SIZE);
    CHECK ("the waiter that lives exits with status 0", check_wait (second) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* The registry in which the process waits is removed. */
static void without_registry (void)
{
    pid_t child = waiter (LIMIT);
    SharedMemory memory;

    usleep (PAUSE);
    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    memory = check_create (NAME, SIZE);
    CHECK ("a waiter finds a name in the next registry", check_wait (child) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* ---- in one process -------------------------------------------------------------------- */

static void *create (void *result)
{
    SharedMemory *memory = result;

    usleep (PAUSE);
    shmCreate (NAME, SIZE, NULL, memory);
    return NULL;
}

static void beside_a_thread (void)
{
    SharedMemory memory = NULL;
    pthread_t thread;
    pid_t child;

    CHECK ("a thread will create the name",
           pthread_create (&thread, NULL, create, &memory) == 0);
    CHECK ("this one waits for it", shmxWait (NAME, LIMIT) == 0);
    pthread_join (thread, NULL);
    child = check_fork ();
    if (child == 0) {
        _exit (shmxWait (NAME, 0) == 0 && shmDestroy (memory) == 0 ? 0 : 1);
    }
    CHECK ("a child can wait, too", check_wait (child) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static volatile sig_atomic_t refused;

static void handler (int number)
{
    int error = errno;

    (void) number;
    if (shmxWait (NAME, 0) == EDEADLK) {
        refused++;
    }
    errno = error;
}

static void interrupted (int flags)
{
    refused = 0;
    check_alarms (handler, flags, 20000);
    CHECK ("a signal handler ends the wait: EINTR", shmxWait (NAME, -1) == EINTR);
    check_alarms (handler, flags, 0);
    CHECK ("the handler's own calls are EDEADLK", refused > 0);
    CHECK ("nothing is created", !check_exists (NAME));
}

static void errors (void)
{
    static char name[1002];

    CHECK ("NULL is EINVAL", shmxWait (NULL, 0) == EINVAL && errno == EINVAL);
    memset (name, 'n', 1001);
    CHECK ("a name of 1001 bytes is ENAMETOOLONG", shmxWait (name, -1) == ENAMETOOLONG);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0) {
        return EXIT_FAILURE;
    }
    if (check_has (HAS_PROCESSES)) {
        until_created ("in a namespace without a registry", LIMIT);
    }
    at_once ();
    too_long ();
    if (check_has (HAS_PROCESSES)) {
        until_created ("without a limit", -1);
        beside_a_killed_one ();
    }
    if (check_has (HAS_REGISTRY)) {
        without_registry ();
    }
    beside_a_thread ();
    interrupted (0);
    interrupted (SA_RESTART);
    errors ();
    return check_done ();
}
