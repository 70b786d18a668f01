/* A large load starts a second thread, unless the program does not want that, or the process was
 * forked from one with several threads. A save starts none. */

#define _GNU_SOURCE

#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "c_tests/save_threads"
#define SIZE (5L * 1024 * 1024 + 3)

typedef int create_function (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *);

static volatile int created;
static SharedMemory memory;

/* The library's calls of the C library's function arrive here. */
int pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*start) (void *),
                    void *argument)
{
    create_function *real;

    *(void **) &real = dlsym (RTLD_NEXT, "pthread_create");
    created++;
    return real (thread, attributes, start, argument);
}

static void *wait_for_ever (void *unused)
{
    for (;;) {
        pause ();
    }
    return unused;
}

/* Saves and loads, and exits with the number of threads that were started. */
static void save_and_load (void)
{
    const char *path = check_path ("file");
    int wrong;

    memory = check_create (NAME, SIZE);
    memset (shmAddress (memory), 7, SIZE);
    created = 0;
    wrong = shmSave (memory, path) != 0 || created != 0;
    memset (shmAddress (memory), 0, SIZE);
    wrong |= shmLoad (memory, path) != 0;
    wrong |= !check_filled (shmAddress (memory), 7, SIZE);
    shmDestroy (memory);
    _exit (wrong ? 100 : created);
}

static void with_variable (void)
{
    setenv ("SHM_UTIL_THREADS", "1", 1);
    save_and_load ();
}

static void in_grandchild (void)
{
    _exit (check_child (save_and_load));
}

static void beside_a_thread (void)
{
    pthread_t thread;

    if (pthread_create (&thread, NULL, wait_for_ever, NULL) != 0) {
        _exit (99);
    }
    _exit (check_child (save_and_load));
}

static void below_a_thread (void)
{
    pthread_t thread;

    if (pthread_create (&thread, NULL, wait_for_ever, NULL) != 0) {
        _exit (99);
    }
    _exit (check_child (in_grandchild));
}

int main (void)
{
    cpu_set_t set;

    check_start ();
    /* The environment is read at a process's first call, so no call comes before these. */
    if (sched_getaffinity (0, sizeof set, &set) != 0 || CPU_COUNT (&set) < 2) {
        check_skip ("threads: there is only one processor");
        return check_done ();
    }
    CHECK ("a large load starts a thread", check_child (save_and_load) == 1);
    CHECK ("so does one in a child of a process with one thread", check_child (in_grandchild) == 1);
    CHECK ("with SHM_UTIL_THREADS=1 it starts none", check_child (with_variable) == 0);
    if (WITH_ADDRESS_SANITIZER) {
        check_note ("the sanitizer's allocator does not survive a fork beside other threads");
    } else {
        CHECK ("in a child of a process with two threads it starts none",
               check_child (beside_a_thread) == 0);
        CHECK ("neither does one in a grandchild", check_child (below_a_thread) == 0);
    }
    /* At exit, this process deletes the registry that its children have used. */
    shmDestroy (check_create (NAME, SIZE));
    return check_done ();
}
