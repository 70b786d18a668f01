/*
 * What the calls cost beside the system calls that they cannot do without. Both are
 * measured in turn, in small batches, so that a change of the machine's mood hits both.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include "shm_util.h"

#define NAME "c_tests/bench"
#define HELD "c_tests/bench, held"
#define SIZE 16384
#define BATCH 50
#define ACCESSES 10000
#define ROUNDS 400

static SharedMemory held;
static key_t key;

static void die (const char *what)
{
    perror (what);
    exit (EXIT_FAILURE);
}

/* ---- what is measured -------------------------------------------------------------- */

static void create_existing (void)
{
    SharedMemory memory;

    if (shmCreate (HELD, SIZE, NULL, &memory) != 0 || shmDestroy (memory) != 0) {
        die ("map and unmap");
    }
}

static void create_new (void)
{
    SharedMemory memory;

    if (shmCreate (NAME, SIZE, NULL, &memory) != 0 || shmDestroy (memory) != 0) {
        die ("create and destroy");
    }
}

static void map_raw (int id)
{
    struct shmid_ds status;
    void *address = shmat (id, NULL, 0);

    if (address == (void *) -1 || shmctl (id, IPC_STAT, &status) != 0 || shmdt (address) != 0) {
        die ("shmat, IPC_STAT, shmdt");
    }
}

static void raw_existing (void)
{
    map_raw (shmId (held));
}

static void raw_new (void)
{
    int id = shmget (key, SIZE, IPC_CREAT | IPC_EXCL | 0660);

    if (id == -1) {
        die ("shmget");
    }
    map_raw (id);
    if (shmctl (id, IPC_RMID, NULL) != 0) {
        die ("IPC_RMID");
    }
}

/* ---- measuring --------------------------------------------------------------------- */

static double now (void)
{
    struct timespec time;

    clock_gettime (CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

/* Nanoseconds for one call. */
static double time_batch (void (*call) (void))
{
    double start = now ();
    int i;

    for (i = 0; i < BATCH; i++) {
        call ();
    }
    return (now () - start) / BATCH;
}

static int compare (const void *one, const void *other)
{
    double a = *(const double *) one;
    double b = *(const double *) other;

    return (a > b) - (a < b);
}

/* Sorts the values. */
static double median (double *values)
{
    qsort (values, ROUNDS, sizeof *values, compare);
    return (values[ROUNDS / 2 - 1] + values[ROUNDS / 2]) / 2;
}

static void measure_pair (const char *what, void (*library) (void), void (*raw) (void))
{
    static double ours[ROUNDS], raws[ROUNDS], ratios[ROUNDS];
    double ratio;
    int round;

    for (round = 0; round < ROUNDS; round++) {
        if (rand () % 2 == 0) {
            ours[round] = time_batch (library);
            raws[round] = time_batch (raw);
        } else {
            raws[round] = time_batch (raw);
            ours[round] = time_batch (library);
        }
        ratios[round] = ours[round] / raws[round];
    }
    ratio = median (ours) / median (raws);
    median (ratios);
    printf ("%-20s %8.0f ns, raw calls %8.0f ns: ratio %.3f (batches %.3f to %.3f)\n", what,
            median (ours), median (raws), ratio, ratios[0], ratios[ROUNDS - 1]);
}

static void *get_address (void)
{
    return shmAddress (held);
}

static void *get_id (void)
{
    return (void *) (long) shmId (held);
}

static void *get_size (void)
{
    return (void *) shmSizeOf (held);
}

static void measure_accessor (const char *what, void *(*get) (void))
{
    static double times[ROUNDS];
    double start;
    int round, i;

    for (round = 0; round < ROUNDS; round++) {
        start = now ();
        for (i = 0; i < ACCESSES; i++) {
            get ();
        }
        times[round] = (now () - start) / ACCESSES;
    }
    printf ("%-20s %8.1f ns\n", what, median (times));
}

int main (void)
{
    srand ((unsigned) time (NULL));
    key = (key_t) (0x00C7E570 ^ getpid ());
    if (shmCreate (HELD, SIZE, NULL, &held) != 0) {
        die (HELD);
    }
    printf ("medians of %d batches of %d, segments of %d bytes\n", ROUNDS, BATCH, SIZE);
    measure_pair ("map and unmap", create_existing, raw_existing);
    measure_pair ("create and destroy", create_new, raw_new);
    measure_accessor ("shmAddress", get_address);
    measure_accessor ("shmId", get_id);
    measure_accessor ("shmSizeOf", get_size);
    return shmDestroy (held) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
