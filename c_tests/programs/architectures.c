/* One program of several that were built for different processors and C libraries, and share names
 * on one machine. c_tests/scripts/architectures builds and runs it:
 *
 *   architectures make NAME         creates a segment, with data, and leaves it as an orphan
 *   architectures find NAME FILE    finds that segment, saves it, changes it, and destroys it
 *   architectures read NAME FILE    creates a segment, and loads that file
 *   architectures huge              creates a segment of 5 GiB, and holds it until killed
 *   architectures narrow            what a program of 32 bits sees of that one
 *   architectures none              the namespace has no names
 *   architectures work SEED         uses names at random until it gets SIGTERM
 *   architectures storm SECONDS PROGRAM...   lets programs work, and kills them at random
 *
 * The data have the same layout everywhere: 32-bit words. */

#define _GNU_SOURCE

#include "shm_util.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMES 12
#define HUGE_NAME "huge"
#define MAGIC 0x53484d55U
#define WORKERS 6

static volatile sig_atomic_t is_over;

static void end (int signal)
{
    (void) signal;
    is_over = 1;
}

static int fail (const char *what)
{
    fprintf (stderr, "%u bits: %s: %s\n", (unsigned) sizeof (long) * 8, what, shmxErrorText ());
    return 1;
}

static long size_of (int number)
{
    return 4096L * (number % 5 + 1) + number;
}

static unsigned word_of (long size, long index)
{
    return MAGIC + (unsigned) size * 31 + (unsigned) index;
}

static void fill (unsigned *words, long size)
{
    long i;

    for (i = 0; i < size / 4; i++) {
        words[i] = word_of (size, i);
    }
}

static int is_filled (const unsigned *words, long size)
{
    long i;

    for (i = 0; i < size / 4; i++) {
        if (words[i] != word_of (size, i)) {
            return 0;
        }
    }
    return 1;
}

/* ---- from one program to the next ---------------------------------------------------- */

#define HANDED_ON 20002L

static int make (const char *name)
{
    SharedMemory memory;

    if (shmCreate (name, HANDED_ON, NULL, &memory) != 0 || !shmxCreated (memory)) {
        return fail ("create");
    }
    fill (shmAddress (memory), HANDED_ON);
    return shmxDetach (memory) == 0 ? 0 : fail ("detach");
}

static int find (const char *name, const char *file)
{
    SharedMemory memory;
    struct ShmxInfo info;

    info.size = sizeof info;
    if (shmxStatName (name, &info) != 0 || info.bytes != HANDED_ON || info.mappings != 0
        || strcmp (info.name, name) != 0) {
        return fail ("look at an orphan");
    }
    if (shmCreate (name, 0, NULL, &memory) != 0 || shmxCreated (memory)) {
        return fail ("attach");
    }
    if (shmId (memory) != info.id || shmSizeOf (memory) != HANDED_ON
        || !is_filled (shmAddress (memory), HANDED_ON)) {
        return fail ("the segment is not the same");
    }
    if (shmSave (memory, file) != 0) {
        return fail ("save");
    }
    memset (shmAddress (memory), 0, HANDED_ON);
    if (shmDestroy (memory) != 0 || shmxStatName (name, &info) != ENOENT) {
        return fail ("destroy");
    }
    return 0;
}

static int read_back (const char *name, const char *file)
{
    SharedMemory memory;

    if (shmCreate (name, HANDED_ON, NULL, &memory) != 0 || shmLoad (memory, file) != 0) {
        return fail ("load");
    }
    if (!is_filled (shmAddress (memory), HANDED_ON)) {
        return fail ("the file has other bytes");
    }
    return shmDestroy (memory) == 0 ? 0 : fail ("destroy");
}

/* ---- sizes of 64 bits ------------------------------------------------------------------ */

static int huge (void)
{
    SharedMemory memory;
    long size = (long) 5 << (sizeof (long) == 8 ? 30 : 20);

    if (shmxCreate (HUGE_NAME, size, SHMX_EXCL | SHMX_NORESERVE, 0, NULL, &memory) != 0) {
        return fail ("create a large segment");
    }
    printf ("ready\n");
    fflush (stdout);
    while (!is_over) {
        pause ();
    }
    if (shmId (memory) < 0 || shmSizeOf (memory) != size) {
        return fail ("the large segment is not the same");
    }
    return shmDestroy (memory) == 0 ? 0 : fail ("destroy the large segment");
}

static int narrow (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    long size = 2147483647;

    info.size = sizeof info;
    if (sizeof (long) != 4) {
        return fail ("this program has more than 32 bits");
    }
    if (shmxStatName (HUGE_NAME, &info) != 0 || info.bytes != size || info.mappings != 1) {
        return fail ("look at a large segment");
    }
    if (shmCreate (HUGE_NAME, 0, NULL, &memory) != ENOMEM || memory != NULL) {
        return fail ("attach a large segment");
    }
    if (shmxCreate (HUGE_NAME, 100, SHMX_EXCL, 0, NULL, &memory) != EEXIST) {
        return fail ("create the name of a large segment again");
    }
    /* It looks at all segments, and removes what is stale or abandoned. */
    if (shmxPrune (0, NULL) != 0 || shmxStatName (HUGE_NAME, &info) != 0) {
        return fail ("prune beside a large segment");
    }
    return 0;
}

static int count (const struct ShmxInfo *info, void *argument)
{
    (void) info;
    ++*(int *) argument;
    return 0;
}

static int none (void)
{
    int names = 0;

    if (shmxList (count, &names) != 0 || names != 0) {
        return fail ("the namespace has names, or cannot be listed");
    }
    return 0;
}

/* ---- all at once ------------------------------------------------------------------------- */

/* The first word is 0 or the name's; the second counts the visits. */
static int use (int number, unsigned random)
{
    char name[40];
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    unsigned *words, before;
    int status, flags;

    /* Some names are too long for a slot. */
    sprintf (name, number % 3 == 0 ? "architectures, a longer name %d" : "name %d", number);
    flags = number % 4 == 1 ? SHMX_TRANSIENT : 0;
    status = shmxCreate (name, size_of (number), flags, 0, NULL, &memory);
    if (status != 0) {
        return fail ("create or attach");
    }
    if (shmSizeOf (memory) != size_of (number)) {
        return fail ("size");
    }
    words = shmAddress (memory);
    before = __sync_val_compare_and_swap (&words[0], 0U, word_of (number, 0));
    if (before != 0 && before != word_of (number, 0)) {
        return fail ("another name's segment");
    }
    __sync_fetch_and_add (&words[1], 1U);
    info.size = sizeof info;
    if (random % 8 == 0
        && (shmxStat (memory, &info) != 0 || info.bytes != size_of (number)
            || info.mappings == 0 || strcmp (info.name, name) != 0)) {
        return fail ("look");
    }
    if (random % 5 == 0) {
        return shmxDetach (memory) == 0 ? 0 : fail ("detach");
    }
    return shmDestroy (memory) == 0 ? 0 : fail ("destroy");
}

static int work (unsigned seed)
{
    unsigned state = seed;
    unsigned long rounds = 0;
    char rounds_text[40];

    while (!is_over) {
        state = state * 1664525U + 1013904223U;
        if (use ((int) (state >> 16) % NAMES, state >> 8) != 0) {
            return 1;
        }
        rounds++;
    }
    sprintf (rounds_text, "%lu\n", rounds);
    return write (STDOUT_FILENO, rounds_text, strlen (rounds_text)) > 0 ? 0 : 1;
}

static pid_t start (const char *program, unsigned seed)
{
    char text[20];
    pid_t child = fork ();

    if (child == 0) {
        sprintf (text, "%u", seed);
        execl (program, program, "work", text, (char *) NULL);
        _exit (2);
    }
    return child;
}

static int storm (int seconds, char **programs, int kinds)
{
    pid_t worker[WORKERS];
    unsigned state = 1, seed = 1;
    time_t until = time (NULL) + seconds;
    long kills = 0;
    int failed = 0, status, i;

    for (i = 0; i < WORKERS; i++) {
        worker[i] = start (programs[i % kinds], seed++);
    }
    while (time (NULL) < until && failed == 0) {
        state = state * 1664525U + 1013904223U;
        usleep (state >> 8 & 0xfff);
        i = (int) (state >> 20) % WORKERS;
        kill (worker[i], SIGKILL);
        waitpid (worker[i], &status, 0);
        failed += !WIFSIGNALED (status) || WTERMSIG (status) != SIGKILL;
        worker[i] = start (programs[i % kinds], seed++);
        kills++;
    }
    /* What the dead have left is found, and used, by the others. */
    sleep (1);
    for (i = 0; i < WORKERS; i++) {
        kill (worker[i], SIGTERM);
        waitpid (worker[i], &status, 0);
        failed += !WIFEXITED (status) || WEXITSTATUS (status) != 0;
    }
    printf ("# %ld programs were killed; the last ones made these numbers of rounds\n", kills);
    return failed == 0 && kills > 0 ? 0 : 1;
}

/* Destroys what the dead have left. */
static int clean (void)
{
    int number;

    for (number = 0; number < NAMES; number++) {
        if (use (number, 1) != 0) {
            return 1;
        }
    }
    return none ();
}

int main (int count_of, char **argument)
{
    const char *what = count_of > 1 ? argument[1] : "";
    struct sigaction action;

    memset (&action, 0, sizeof action);
    action.sa_handler = end;
    sigaction (SIGTERM, &action, NULL);
    if (strcmp (what, "make") == 0 && count_of == 3) {
        return make (argument[2]);
    }
    if (strcmp (what, "find") == 0 && count_of == 4) {
        return find (argument[2], argument[3]);
    }
    if (strcmp (what, "read") == 0 && count_of == 4) {
        return read_back (argument[2], argument[3]);
    }
    if (strcmp (what, "work") == 0 && count_of == 3) {
        return work ((unsigned) atol (argument[2]));
    }
    if (strcmp (what, "storm") == 0 && count_of > 3) {
        return storm (atoi (argument[2]), argument + 3, count_of - 3);
    }
    if (strcmp (what, "huge") == 0) {
        return huge ();
    }
    if (strcmp (what, "narrow") == 0) {
        return narrow ();
    }
    if (strcmp (what, "none") == 0) {
        return none ();
    }
    return strcmp (what, "clean") == 0 ? clean () : 2;
}
