/*
 * The cost of a program's first segment: the time from exec until it is attached, and the
 * memory, compared with a program that makes the system calls itself.
 *
 *     first_use DIRECTORY
 *
 * DIRECTORY contains the programs that are built from first_map.c and listed in `programs`.
 * A missing one is skipped. The environment variable FIRST_SECONDS is the time for the whole
 * program (default 15).
 */

#include "bench.h"
#include "shm_util.h"

#include <spawn.h>
#include <sys/wait.h>

#define MIN_ROUNDS 7
#define ROUNDS 300

/* A raw program is the reference for those that are linked in the same way. */
static const struct {
    const char *linked, *way, *file;
} programs[] = {
    {"shared", "raw", "first_raw"},
    {"shared", "library", "first_shared"},
    {"shared", "library, itself static", "first_archive"},
    {"-static", "raw", "first_raw_static"},
    {"-static", "library", "first_static"},
};

#define PROGRAMS ((int) (sizeof programs / sizeof *programs))

static SharedMemory other;

static void clean_up (void)
{
    shmDestroy (other);
}

static void run (const char *path, double *start, double *values)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    char *arguments[2] = {(char *) path, NULL};
    int ends[2], status;
    pid_t child;
    FILE *answer;

    must (pipe (ends), "pipe");
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_adddup2 (&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose (&actions, ends[0]);
    posix_spawn_file_actions_addclose (&actions, ends[1]);
    *start = now ();
    errno = posix_spawn (&child, path, &actions, NULL, arguments, environ);
    must (errno != 0, path);
    close (ends[1]);
    answer = fdopen (ends[0], "r");
    if (answer == NULL
        || fscanf (answer, "%lf %lf %lf %lf", &values[0], &values[1], &values[2], &values[3]) != 4
        || waitpid (child, &status, 0) != child || status != 0) {
        errno = ECHILD;
        die (path);
    }
    fclose (answer);
    posix_spawn_file_actions_destroy (&actions);
}

static void measure (int program, const char *directory, const char *when, int round)
{
    static const char *const memory[] = {"private", "proportional", "resident"};
    char path[4096], what[128];
    double start, values[4];
    int i;

    snprintf (path, sizeof path, "%s/%s", directory, programs[program].file);
    if (access (path, X_OK) != 0) {
        return;
    }
    run (path, &start, values);
    sprintf (what, "exec to first segment, %s, %s", programs[program].linked, when);
    sample (what, programs[program].way, round, values[0] - start);
    for (i = 0; other != NULL && i < 3; i++) {
        sprintf (what, "memory, %s, %s (KiB)", memory[i], programs[program].linked);
        sample (what, programs[program].way, round, values[i + 1]);
    }
}

static void measure_all (const char *directory, const char *when, double end)
{
    int order[PROGRAMS];
    int round, i;

    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, PROGRAMS);
        for (i = 0; i < PROGRAMS; i++) {
            measure (order[i], directory, when, round);
        }
    }
}

int main (int count, char **arguments)
{
    const char *text = getenv ("FIRST_SECONDS");
    double half = 1e9 * (text == NULL ? 15 : atof (text)) / 2;

    if (count != 2) {
        fprintf (stderr, "usage: first_use DIRECTORY\n");
        return EXIT_FAILURE;
    }
    begin ();
    sync (); /* else the pages of a newly linked program would count as dirtied by it */
    atexit (clean_up);
    measure_all (arguments[1], "no names yet", now () + half);
    must (shmCreate ("bench/first_use, other", 4096, NULL, &other), "shmCreate");
    measure_all (arguments[1], "other names", now () + half);
    return EXIT_SUCCESS;
}
