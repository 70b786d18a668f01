/*
 * How much a library adds to the start of a program: start WITHOUT WITH runs two programs in
 * turn that differ only in the library, and prints the median of the differences.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define PAIRS 500

extern char **environ;

static double microseconds (char *program)
{
    char *arguments[2];
    struct timespec before, after;
    pid_t child;
    int status;

    arguments[0] = program;
    arguments[1] = NULL;
    clock_gettime (CLOCK_MONOTONIC, &before);
    if (posix_spawn (&child, program, NULL, NULL, arguments, environ) != 0
        || waitpid (child, &status, 0) != child || status != 0) {
        fprintf (stderr, "start: %s can't be run\n", program);
        exit (1);
    }
    clock_gettime (CLOCK_MONOTONIC, &after);
    return (after.tv_sec - before.tv_sec) * 1e6 + (after.tv_nsec - before.tv_nsec) / 1e3;
}

static int compare (const void *left, const void *right)
{
    double difference = *(const double *) left - *(const double *) right;

    return (difference > 0) - (difference < 0);
}

int main (int argc, char **argv)
{
    static double without[PAIRS], difference[PAIRS];
    int pair;

    if (argc != 3)
        return 2;
    for (pair = 0; pair < PAIRS; pair++) {
        double first = microseconds (argv[1 + pair % 2]);
        double second = microseconds (argv[2 - pair % 2]);

        without[pair] = pair % 2 == 0 ? first : second;
        difference[pair] = pair % 2 == 0 ? second - first : first - second;
    }
    qsort (without, PAIRS, sizeof (double), compare);
    qsort (difference, PAIRS, sizeof (double), compare);
    printf ("# start: %.0f us more than the %.0f us of a program without it "
            "(median of %d pairs; half of them between %.0f and %.0f)\n",
            difference[PAIRS / 2], without[PAIRS / 2], PAIRS,
            difference[PAIRS / 4], difference[PAIRS * 3 / 4]);
    return 0;
}
