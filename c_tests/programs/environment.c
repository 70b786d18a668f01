/* The environment is read once, at a process's first call. Only variables in file names are read
 * when the file is named. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/environment"
#define SIZE 4096L
#define FIRST_CALLERS 4

extern char **environ;

static int ready[2], go[2];

/* ---- the library and the C library read variables by these ---------------------------- */

static long reads;

static char *value_of (const char *name)
{
    size_t length = strlen (name);
    char **variable;

    reads++;
    for (variable = environ; variable != NULL && *variable != NULL; variable++) {
        if (strncmp (*variable, name, length) == 0 && (*variable)[length] == '=') {
            return *variable + length + 1;
        }
    }
    return NULL;
}

char *getenv (const char *name)
{
    return value_of (name);
}

char *secure_getenv (const char *name)
{
    return value_of (name);
}

/* ---- what is read when ----------------------------------------------------------------- */

static int no_more (const struct ShmxInfo *info, void *argument)
{
    (void) info;
    (void) argument;
    return 1;
}

static void every_function (SharedMemory memory, const char *file)
{
    SharedMemory other = NULL;
    struct ShmxInfo info;
    long count;

    CHECK ("a segment is created and destroyed",
           shmCreate (NAME " 2", SIZE, NULL, &other) == 0 && shmDestroy (other) == 0);
    CHECK ("a missing one is ENOENT", shmCreate (NAME " 3", 0, NULL, &other) == ENOENT);
    info.size = sizeof info;
    CHECK ("the other functions succeed",
           shmxStat (memory, &info) == 0 && shmxStatName (NAME, &info) == 0
           && shmxKeep (memory, 1) == 0 && shmxKeep (memory, 0) == 0
           && shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 0600) == 0
           && shmxList (no_more, NULL) == 1 && shmxPrune (1, &count) == 0
           && shmxRemove (NAME " 3") == ENOENT && shmxErrorText ()[0] != '\0'
           && shmAddress (memory) != NULL && shmId (memory) >= 0 && shmSizeOf (memory) == SIZE);
    CHECK ("a save and a load succeed", shmSave (memory, file) == 0 && shmLoad (memory, file) == 0);
}

static void reads_once (void)
{
    SharedMemory memory;
    long before = reads;
    char file[1024];

    strcpy (file, check_path ("saved"));
    setenv ("NOB_DATABASE", check_path ("names"), 1);
    memory = check_create (NAME, SIZE);
    CHECK ("the first call reads the environment", reads > before);
    before = reads;
    every_function (memory, file);
    CHECK ("no further call reads it", reads == before);
    setenv ("DIRECTORY", check_path (""), 1);
    setenv ("EMPTY", "", 1);
    CHECK ("a file name with variables is translated",
           shmSave (memory, "$DIRECTORY$EMPTY/$EMPTY$EMPTY.x") == 0
           && access (check_path (".x"), F_OK) == 0);
    CHECK ("each of its variables is read once", reads == before + 2);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void later_changes (void)
{
    SharedMemory memory, kept;
    struct ShmxInfo info;

    setenv ("NOB_DATABASE", check_path ("names"), 1);
    memory = check_create (NAME, SIZE);
    setenv ("NOB_DATABASE", check_path ("other names"), 1);
    CHECK ("NOB_DATABASE of the first call still selects the namespace", check_exists (NAME));
    unsetenv ("NOB_DATABASE");
    CHECK ("it does after it was unset, too", check_exists (NAME));
    setenv ("SHM_UTIL_KEEP", "1", 1);
    kept = check_create (NAME " kept", SIZE);
    info.size = sizeof info;
    CHECK ("SHM_UTIL_KEEP has no effect after the first call",
           shmxStat (kept, &info) == 0 && info.kept == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (kept) == 0 && shmDestroy (memory) == 0);
}

static SharedMemory inherited;

static void is_in_the_same_namespace (void)
{
    setenv ("NOB_DATABASE", check_path ("other names"), 1);
    CHECK ("a forked child keeps what its parent has read", check_exists (NAME));
}

static void forked_children (void)
{
    setenv ("NOB_DATABASE", check_path ("names"), 1);
    inherited = check_create (NAME, SIZE);
    CHECK ("a child exits with status 0", check_child (is_in_the_same_namespace) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (inherited) == 0);
}

static void which_call_is_the_first (void)
{
    setenv ("NOB_DATABASE", check_path ("other names"), 1);
    CHECK ("the accessors and shmxErrorText read nothing",
           shmAddress (NULL) == NULL && shmId (NULL) == -1 && shmSizeOf (NULL) == -1
           && strlen (shmxErrorText ()) > 0);
    setenv ("NOB_DATABASE", check_path ("names"), 1);
    CHECK ("shmDestroy (NULL) returns 0", shmDestroy (NULL) == 0);
    setenv ("NOB_DATABASE", check_path ("other names"), 1);
    CHECK ("any other function reads the environment", check_exists (NAME));
}

/* Another process has NAME in the namespace of the absolute path. */
static void relative_paths (void)
{
    CHECK ("the current directory is changed", chdir (check_path ("home")) == 0);
    setenv ("NOB_DATABASE", "../names", 1);
    CHECK ("a relative path selects the namespace", check_exists (NAME));
    CHECK ("the current directory is changed again", chdir ("/") == 0);
    CHECK ("the path stays relative to the directory of the first call", check_exists (NAME));
}

static const char *printed;

static void fails_twice (void)
{
    if (printed != NULL) {
        setenv ("APERROR_PRINT", printed, 1);
    }
    shmxRemove (NAME " missing");
    setenv ("APERROR_PRINT", printed == NULL ? "1" : "0", 1);
    shmxRemove (NAME " missing");
}

static void printing (void)
{
    static char out[1000], err[1000];
    const char *end;

    CHECK ("a child exits with status 0",
           check_capture (fails_twice, out, err, sizeof out) == 0);
    CHECK ("APERROR_PRINT has no effect if it is set after the first call", err[0] == '\0');
    printed = "1";
    CHECK ("a child exits with status 0",
           check_capture (fails_twice, out, err, sizeof out) == 0);
    end = strchr (err, '\n');
    CHECK ("it has its effect if it is changed after the first call",
           end != NULL && strncmp (end + 1, "(shmxRemove) ", 13) == 0);
}

/* ---- several threads ---------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static char database[1100]; /* "NOB_DATABASE=PATH" */

static void *call_first (void *found)
{
    SharedMemory memory = NULL;

    pthread_barrier_wait (&barrier);
    *(int *) found = shmCreate (NAME " race", SIZE, NULL, &memory) == 0 ? shmId (memory) : -1;
    pthread_barrier_wait (&barrier);
    pthread_barrier_wait (&barrier);
    shmDestroy (memory);
    return NULL;
}

/* The last byte of the path changes all the time: the first calls may all read another value. */
static void race_for_the_first_call (void)
{
    pthread_t thread[FIRST_CALLERS];
    int ids[FIRST_CALLERS];
    char *last;
    int same = 1;
    int i;

    strcpy (database, check_text ("NOB_DATABASE=%s", check_path ("race of a")));
    last = database + strlen (database) - 1;
    putenv (database);
    pthread_barrier_init (&barrier, NULL, FIRST_CALLERS + 1);
    for (i = 0; i < FIRST_CALLERS; i++) {
        pthread_create (&thread[i], NULL, call_first, &ids[i]);
    }
    pthread_barrier_wait (&barrier);
    for (i = 0; i < 2000; i++) {
        *(volatile char *) last = (char) ('a' + i % 26);
    }
    pthread_barrier_wait (&barrier);
    for (i = 1; i < FIRST_CALLERS; i++) {
        same = same && ids[i] == ids[0];
    }
    pthread_barrier_wait (&barrier);
    for (i = 0; i < FIRST_CALLERS; i++) {
        pthread_join (thread[i], NULL);
    }
    exit (same && ids[0] >= 0 ? 0 : 1);
}

/* ---- the program ------------------------------------------------------------------------- */

/* The body's process makes its first call itself: this one makes none. */
static void in_a_process (void (*body) (void))
{
    CHECK ("a process exits with status 0", check_child (body) == 0);
}

/* Runs the body while another process has NAME in the namespace of `names`. */
static void while_it_exists (void (*body) (void))
{
    pid_t holder = check_fork ();

    if (holder == 0) {
        SharedMemory memory;

        setenv ("NOB_DATABASE", check_path ("names"), 1);
        memory = check_create (NAME, SIZE);
        check_signal (ready);
        check_await (go);
        shmDestroy (memory);
        exit (0);
    }
    CHECK ("a process creates a segment", check_await (ready));
    in_a_process (body);
    check_signal (go);
    CHECK ("that process exits with status 0", check_wait (holder) == 0);
}

int main (void)
{
    int races = check_rounds (40);
    int wrong = 0;
    int i;

    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0 || mkdir (check_path ("home"), 0700) != 0) {
        return EXIT_FAILURE;
    }
    in_a_process (reads_once);
    in_a_process (later_changes);
    in_a_process (forked_children);
    while_it_exists (which_call_is_the_first);
    while_it_exists (relative_paths);
    printing ();
    for (i = 0; i < races; i++) {
        wrong += check_child (race_for_the_first_call) != 0;
    }
    CHECK ("threads whose first calls race find the same namespace", wrong == 0);
    return check_done ();
}
