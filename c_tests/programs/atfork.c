/* A program that protects a mutex of its own with pthread_atfork, and calls the library under it. */

#define _GNU_SOURCE

#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "c_tests/atfork"
#define SIZE 100L
#define CHILDREN_THAT_CALL 20 /* every 20th child calls the library */
#define PATIENCE 500 /* seconds, against a hang: emulated machines are slow */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int enough;
static volatile long calls, failures;

static void lock (void)
{
    pthread_mutex_lock (&mutex);
}

static void unlock (void)
{
    pthread_mutex_unlock (&mutex);
}

static int create_and_destroy (void)
{
    SharedMemory memory;
    int status = shmCreate (NAME, SIZE, NULL, &memory);

    return status == 0 ? shmDestroy (memory) : status;
}

static void *call_under_mutex (void *unused)
{
    while (!enough) {
        lock ();
        if (create_and_destroy () != 0) {
            failures++;
        }
        calls++;
        unlock ();
        usleep (10);
    }
    return unused;
}

/* The handlers of the program were registered before the first call. */
static void fork_beside_calls (void)
{
    int forks = check_rounds (2000);
    pthread_t caller;
    int wrong = 0;
    int i;

    alarm (PATIENCE);
    pthread_atfork (lock, unlock, unlock);
    pthread_create (&caller, NULL, call_under_mutex, NULL);
    for (i = 0; i < forks; i++) {
        pid_t child = fork ();
        int status = 0;

        if (child == 0) {
            alarm (PATIENCE);
            /* AddressSanitizer's allocator may hang in it. */
            _exit (WITH_ADDRESS_SANITIZER || i % CHILDREN_THAT_CALL != 0
                   || create_and_destroy () == 0 ? 0 : 1);
        }
        if (waitpid (child, &status, 0) != child || status != 0) {
            wrong++;
        }
    }
    enough = 1;
    pthread_join (caller, NULL);
    CHECK ("each child ends as it should", wrong == 0);
    CHECK ("the calls beside the forks succeed", calls > 0 && failures == 0);
    create_and_destroy ();
}

int main (void)
{
    check_start ();
    CHECK ("calls under a mutex that the program's atfork handlers take do not stop forks",
           check_child (fork_beside_calls) == 0);
    return check_done ();
}
