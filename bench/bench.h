/*
 * Shared by the benchmarks. Each of them prints one line per sample,
 *
 *     case<TAB>way<TAB>round<TAB>value
 *
 * in nanoseconds, unless the case names another unit. Samples that are compared are taken in
 * the same round, one after the other, in a new random order for each round, so that changes
 * in the machine's speed affect all of them. bench/report.py does the arithmetic.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KIB (1L << 10)
#define MIB (1L << 20)
#define GIB (1L << 30)

__attribute__ ((noreturn, unused))
static void die (const char *what)
{
    fprintf (stderr, "%s: %s\n", what, strerror (errno));
    exit (EXIT_FAILURE);
}

/* For calls that return 0, or set errno. */
__attribute__ ((unused))
static void must (int status, const char *what)
{
    if (status != 0) {
        die (what);
    }
}

/* ---- time ------------------------------------------------------------------------------ */

/* Nanoseconds. */
static double now (void)
{
    struct timespec time;

    clock_gettime (CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

/* Nanoseconds for one of `count` calls. */
__attribute__ ((unused))
static double time_batch (void (*call) (void), int count)
{
    double start = now ();
    int i;

    for (i = 0; i < count; i++) {
        call ();
    }
    return (now () - start) / count;
}

/* ---- samples --------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void interrupt (int number)
{
    interrupted = number;
}

/*
 * An interrupted program ends at its next sample, through exit, so that the handlers of
 * atexit clean up.
 */
__attribute__ ((unused))
static void begin (void)
{
    struct sigaction action;

    memset (&action, 0, sizeof action);
    action.sa_handler = interrupt;
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
    sigaction (SIGHUP, &action, NULL);
    srand ((unsigned) now ());
    setvbuf (stdout, NULL, _IOLBF, 0);
}

__attribute__ ((unused))
static void sample (const char *what, const char *way, int round, double value)
{
    if (interrupted != 0) {
        exit (128 + interrupted);
    }
    if (round >= 0) {
        printf ("%s\t%s\t%d\t%.1f\n", what, way, round, value);
    }
}

/* The numbers from 0 to `count` - 1 in random order. */
__attribute__ ((unused))
static void shuffle (int *order, int count)
{
    int i, other, held;

    for (i = 0; i < count; i++) {
        order[i] = i;
    }
    for (i = count - 1; i > 0; i--) {
        other = rand () % (i + 1);
        held = order[i];
        order[i] = order[other];
        order[other] = held;
    }
}

#endif /* BENCH_H */
