/* Threads: all functions at once, a destroy during a save, stale handles, and fork. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/threads"
#define SIZE 10000L
#define BIG 2000000L /* more than a pipe holds, which is 1 MiB with pages of 64 KiB */
#define THREADS 8
#define TIMES 100
#define FORKS 100
#define WORKERS 4 /* that go on while their program forks */

static char directory[1024]; /* check_path is not for threads */
static long failures;        /* counted by threads, checked by main */
static int stop;
static pthread_barrier_t line;

static void expect (int holds)
{
    if (!holds) {
        __sync_fetch_and_add (&failures, 1);
    }
}

/* Whether nothing has failed since the last call. */
static int all_held (void)
{
    return __sync_lock_test_and_set (&failures, 0) == 0;
}

static void run (int count, void *(*body) (void *))
{
    pthread_t threads[THREADS];
    long i;

    for (i = 0; i < count; i++) {
        pthread_create (&threads[i], NULL, body, (void *) i);
    }
    for (i = 0; i < count; i++) {
        pthread_join (threads[i], NULL);
    }
}

/* ---- everything at once ----------------------------------------------------------- */

static void name_of (long thread, char *name)
{
    sprintf (name, NAME " %ld of %ld", thread, (long) getpid ());
}

/* Uses every function once, with a name of its own. */
static void use_everything (long me)
{
    char name[64];
    char file[1100];
    SharedMemory own = NULL;
    SharedMemory again = NULL;
    void *address = NULL;
    int byte = 'A' + (int) (me % 26);

    name_of (me, name);
    sprintf (file, "%s/%ld of %ld", directory, me, (long) getpid ());
    expect (shmCreate (name, SIZE, &address, &own) == 0);
    if (own == NULL) {
        return;
    }
    expect (shmAddress (own) == address && shmSizeOf (own) == SIZE);
    memset (address, byte, SIZE);
    expect (shmSave (own, file) == 0);
    expect (shmCreate (name, 0, NULL, &again) == 0);
    expect (check_id (again) == check_id (own)
            && (shmAddress (again) != address) == check_has (HAS_ADDRESSES));
    memset (address, 0, SIZE);
    expect (shmLoad (again, file) == 0);
    expect (check_filled (address, byte, SIZE));
    expect (shmDestroy (own) == 0);
    expect (shmDestroy (own) == EINVAL);
    expect (shmDestroy (again) == 0);
    expect (shmSizeOf (again) == -1);
    expect (unlink (file) == 0);
}

static void *work (void *number)
{
    long me = (long) number;
    SharedMemory common = NULL;
    int i;

    for (i = 0; i < TIMES; i++) {
        expect (shmCreate (NAME, SIZE, NULL, &common) == 0);
        expect (shmSizeOf (common) == SIZE && check_id (common) != -1);
        ((char *) shmAddress (common))[me] = 'w';
        use_everything (me);
        expect (shmDestroy (common) == 0);
    }
    return NULL;
}

static void everything_at_once (void)
{
    run (THREADS, work);
    CHECK ("eight threads can use every function at once", all_held ());
    CHECK ("the name that they shared does not exist afterwards", !check_exists (NAME));
}

/* ---- a destroy during a save -------------------------------------------------------- */

static SharedMemory saved;
static int save_status = -1;
static int destroy_status = -1;
static int destroyed;

static void *save (void *file)
{
    save_status = shmSave (saved, file);
    return NULL;
}

static void *destroy (void *unused)
{
    destroy_status = shmDestroy (saved);
    __sync_fetch_and_add (&destroyed, 1);
    return unused;
}

static void destroy_waits_for_a_save (void)
{
    static char bytes[BIG + 1];
    char fifo[1100];
    pthread_t saver, destroyer;
    long length = 1;
    long count;
    int file;

    sprintf (fifo, "%s/fifo", directory);
    CHECK ("a fifo is created", mkfifo (fifo, 0600) == 0);
    saved = check_create (NAME, BIG);
    memset (shmAddress (saved), 'S', BIG);
    pthread_create (&saver, NULL, save, fifo);
    file = open (fifo, O_RDONLY);
    CHECK ("a save into a fifo has begun", read (file, bytes, 1) == 1);

    /* The save cannot end before it is read; the sleep lets a wrong destroy succeed. */
    pthread_create (&destroyer, NULL, destroy, NULL);
    usleep (200000);
    CHECK ("shmDestroy waits for a save of the same handle",
           __sync_fetch_and_add (&destroyed, 0) == 0);
    while ((count = read (file, bytes + length, (size_t) (BIG + 1 - length))) > 0) {
        length += count;
    }
    pthread_join (saver, NULL);
    pthread_join (destroyer, NULL);
    CHECK ("the save succeeds", save_status == 0);
    CHECK ("the save has written all bytes", length == BIG && check_filled (bytes, 'S', BIG));
    CHECK ("shmDestroy succeeds after the save", destroy_status == 0);
    CHECK ("the name does not exist", !check_exists (NAME));
    close (file);
}

/* ---- stale handles -------------------------------------------------------------------- */

static SharedMemory published;
static long winners;

static SharedMemory look (void)
{
    return __sync_val_compare_and_swap (&published, NULL, NULL);
}

static void *destroy_published (void *unused)
{
    int i, status;

    for (i = 0; i < TIMES; i++) {
        pthread_barrier_wait (&line);
        status = shmDestroy (look ());
        expect (status == 0 || status == EINVAL);
        if (status == 0) {
            __sync_fetch_and_add (&winners, 1);
        }
        pthread_barrier_wait (&line);
    }
    return unused;
}

static void *publish (void *unused)
{
    int i;

    for (i = 0; i < TIMES; i++) {
        expect (shmCreate (NAME, SIZE, NULL, &published) == 0);
        pthread_barrier_wait (&line);
        pthread_barrier_wait (&line);
        expect (shmAddress (published) == NULL && shmDestroy (published) == EINVAL);
    }
    return unused;
}

static void *publish_or_destroy (void *number)
{
    return number == NULL ? publish (NULL) : destroy_published (NULL);
}

static void one_destroy_wins (void)
{
    pthread_barrier_init (&line, NULL, THREADS);
    run (THREADS, publish_or_destroy);
    CHECK ("threads that destroy one handle at once get 0 or EINVAL", all_held ());
    CHECK ("exactly one of them gets 0", winners == TIMES);
    pthread_barrier_destroy (&line);
}

static void *ask (void *unused)
{
    SharedMemory handle;
    char file[1100];
    long size;

    sprintf (file, "%s/asked", directory);
    while (!__sync_fetch_and_add (&stop, 0)) {
        handle = look ();
        size = shmSizeOf (handle);
        expect (size == SIZE || size == -1);
        expect (check_id (handle) >= -1);
        expect (handle == NULL || shmSave (handle, file) == 0 || errno == EINVAL);
        shmAddress (handle);
    }
    return unused;
}

static void *come_and_go (void *unused)
{
    SharedMemory handle = NULL;
    int i;

    for (i = 0; i < 10 * TIMES; i++) {
        expect (shmCreate (NAME, SIZE, NULL, &handle) == 0);
        (void) __sync_lock_test_and_set (&published, handle);
        expect (shmDestroy (handle) == 0);
        expect (shmAddress (handle) == NULL && check_id (handle) == -1 && shmSizeOf (handle) == -1);
        expect (shmSave (handle, "stale") == EINVAL && shmDestroy (handle) == EINVAL);
    }
    __sync_fetch_and_add (&stop, 1);
    return unused;
}

static void *come_and_go_or_ask (void *number)
{
    return number == NULL ? come_and_go (NULL) : ask (NULL);
}

static void stale_handles (void)
{
    run (THREADS, come_and_go_or_ask);
    CHECK ("a handle that is being destroyed works or is refused; a stale one is refused",
           all_held ());
}

/* ---- fork ----------------------------------------------------------------------------- */

static void come_and_go_once (long me)
{
    char name[64];
    SharedMemory memory = NULL;

    name_of (me, name);
    expect (shmCreate (name, SIZE, NULL, &memory) == 0);
    expect (shmDestroy (memory) == 0);
}

/* Every other thread only makes calls that a fork has to wait for. */
static void *work_until_stopped (void *number)
{
    long me = (long) number;

    while (!__sync_fetch_and_add (&stop, 0)) {
        if (me % 2 == 0) {
            use_everything (me);
        } else {
            come_and_go_once (me);
        }
    }
    return NULL;
}

/* While a child had a thread's segment attached, the thread's destroy was not the last, and the
 * child ends without one. So a name can be left until the next destroy. */
static int names_left_by_threads (void)
{
    char name[64];
    int left = 0;
    long t;

    for (t = 0; t < WORKERS; t++) {
        name_of (t, name);
        check_exists (name);
        left += check_exists (name);
    }
    return left;
}

static int child_of_threads (SharedMemory inherited)
{
    failures = 0;
    alarm (60); /* a lock that nobody gives back must not hang the test */
    expect (check_filled (shmAddress (inherited), 'F', SIZE));
    use_everything (20);
    expect (shmDestroy (inherited) == 0);
    return failures == 0 ? 0 : 1;
}

static void fork_with_threads (void)
{
    pthread_t threads[WORKERS];
    SharedMemory memory = check_create (NAME ", inherited", SIZE);
    int failed = 0;
    int i;
    long t;

    memset (shmAddress (memory), 'F', SIZE);
    stop = 0;
    for (t = 0; t < WORKERS; t++) {
        pthread_create (&threads[t], NULL, work_until_stopped, (void *) t);
    }
    for (i = 0; i < FORKS; i++) {
        pid_t child = check_fork ();

        if (child == 0) {
            _exit (child_of_threads (memory));
        }
        failed += check_wait (child) != 0;
    }
    __sync_fetch_and_add (&stop, 1);
    for (t = 0; t < WORKERS; t++) {
        pthread_join (threads[t], NULL);
    }
    CHECK ("a child of a program with threads can use every function", failed == 0);
    CHECK ("the parent's threads continue without errors", all_held ());
    CHECK ("every name that is left can be removed", names_left_by_threads () == 0);
    CHECK ("the parent's segment is unchanged",
           check_filled (shmAddress (memory), 'F', SIZE));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

int main (void)
{
    check_start ();
    setenv ("SHM_UTIL_SYNC", "0", 1);
    strcpy (directory, check_path ("."));
    everything_at_once ();
    destroy_waits_for_a_save ();
    one_destroy_wins ();
    stale_handles ();
    if (WITH_ADDRESS_SANITIZER) {
        printf ("# fork is left out with the address sanitizer\n");
    } else {
        fork_with_threads ();
    }
    return check_done ();
}
