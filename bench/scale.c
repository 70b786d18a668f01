/*
 * How the cost of the calls grows with the number of names, processes and threads, and how
 * much open handles add to a fork.
 *
 *     scale
 *
 * The environment variable SCALE_SECONDS is the time for the whole program (default 60).
 * Cases in calls/s are throughput: more is better.
 */

#include "bench.h"
#include "plain.h"
#include "shm_util.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define MANY 4000
#define SIZE 16384
#define MIN_ROUNDS 7
#define ROUNDS 200

static double end_of (double seconds, double share)
{
    return now () + 1e9 * seconds * share;
}

static int make_raw (key_t key)
{
    int id = shmget (key, SIZE, IPC_CREAT | IPC_EXCL | 0660);

    if (id == -1) {
        die ("shmget");
    }
    return id;
}

/* The calls that the library cannot avoid, see way_sysv.c. */
static void map_raw (int id)
{
    struct shmid_ds status;
    void *address = shmat (id, NULL, 0);

    if (address == (void *) -1 || shmctl (id, IPC_STAT, &status) != 0 || shmdt (address) != 0) {
        die ("shmat, IPC_STAT, shmdt");
    }
}

static void create_raw (key_t key)
{
    int id = make_raw (key);

    map_raw (id);
    must (shmctl (id, IPC_RMID, NULL), "IPC_RMID");
}

static void create_ours (const char *name, long size)
{
    SharedMemory memory;

    must (shmCreate (name, size, NULL, &memory), "shmCreate");
    must (shmDestroy (memory), "shmDestroy");
}

static void name_number (char *name, int number)
{
    sprintf (name, "bench/scale %d", number);
}

/* ---- worlds -------------------------------------------------------------------------------
 *
 * A world is a process in an IPC namespace of its own that runs measurements on request, so
 * that worlds with one name and with 4,000 can be measured in turn.
 */

struct world {
    const char *text;
    int number;
    void (*furnish) (int number);
    pid_t process;
    int orders[2], answers[2];
};

typedef double (*measurement) (void);

/* Ends with its parent. The kernel then deletes the segments in its namespace. */
static void live (struct world *world)
{
    measurement measure;
    double answer = 0;
    int fd;

    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (unshare (CLONE_NEWIPC) != 0) {
        die ("unshare");
    }
    fd = open ("/proc/sys/kernel/shmmni", O_WRONLY);
    if (fd != -1) {
        if (write (fd, "16384", 5) != 5) {
            /* Creating the names will then fail for lack of room. */
        }
        close (fd);
    }
    world->furnish (world->number);
    while (write (world->answers[1], &answer, sizeof answer) == sizeof answer
           && read (world->orders[0], &measure, sizeof measure) == sizeof measure) {
        answer = measure ();
    }
    _exit (EXIT_SUCCESS);
}

static double answer_of (struct world *world)
{
    double answer;

    if (read (world->answers[0], &answer, sizeof answer) != sizeof answer) {
        if (interrupted != 0) {
            exit (128 + interrupted);
        }
        errno = ECHILD;
        die (world->text);
    }
    return answer;
}

static void begin_world (struct world *world)
{
    must (pipe (world->orders), "pipe");
    must (pipe (world->answers), "pipe");
    world->process = fork ();
    if (world->process == -1) {
        die ("fork");
    }
    if (world->process == 0) {
        close (world->orders[1]);
        close (world->answers[0]);
        live (world);
    }
    close (world->orders[0]);
    close (world->answers[1]);
    answer_of (world);
}

static void end_world (struct world *world)
{
    close (world->orders[1]);
    close (world->answers[0]);
    kill (world->process, SIGKILL); /* closing its pipe would not end it: later worlds have it open too */
    waitpid (world->process, NULL, 0);
}

/* Both run the same program, so the address of a function is valid in both. */
static double measure_in (struct world *world, measurement measure)
{
    if (write (world->orders[1], &measure, sizeof measure) != sizeof measure) {
        die (world->text);
    }
    return answer_of (world);
}

/* ---- live names ----------------------------------------------------------------------------- */

#define BATCH 100

static int live_names;
static int *ids; /* shared with the process that holds them */

/* Another process creates the names, and holds their segments. */
static void furnish_names (int number)
{
    int ready[2];
    char name[64];
    SharedMemory memory;
    int i;

    live_names = number;
    ids = mmap (NULL, MANY * sizeof *ids, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ids == MAP_FAILED) {
        die ("mmap");
    }
    must (pipe (ready), "pipe");
    switch (fork ()) {
    case -1: die ("fork");
    case 0:
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        for (i = 0; i < number; i++) {
            name_number (name, i);
            must (shmCreate (name, SIZE, NULL, &memory), name);
            memset (shmAddress (memory), 1, SIZE);
            ids[i] = shmId (memory);
        }
        if (write (ready[1], "", 1) == 1) {
            for (;;) {
                pause ();
            }
        }
        _exit (EXIT_FAILURE);
    default: close (ready[1]);
    }
    if (read (ready[0], name, 1) != 1) {
        errno = ECHILD;
        die ("live names");
    }
    close (ready[0]);
}

/* The step is a prime, so that every name is used. */
static int next_name (void)
{
    static int last;

    last = (last + 1777) % live_names;
    return last;
}

static void ours_new (void)
{
    create_ours ("bench/scale, new", SIZE);
}

static void raw_new (void)
{
    create_raw ((key_t) 0x00C7E571);
}

static void ours_existing (void)
{
    char name[64];

    name_number (name, next_name ());
    create_ours (name, 0);
}

static void raw_existing (void)
{
    map_raw (ids[next_name ()]);
}

static double time_ours_new (void) { return time_batch (ours_new, BATCH); }
static double time_raw_new (void) { return time_batch (raw_new, BATCH); }
static double time_ours_existing (void) { return time_batch (ours_existing, BATCH); }
static double time_raw_existing (void) { return time_batch (raw_existing, BATCH); }

static void measure_names (double end)
{
    static struct world worlds[] = {
        {"1 name", 1, furnish_names, 0, {0, 0}, {0, 0}},
        {"100 names", 100, furnish_names, 0, {0, 0}, {0, 0}},
        {"4000 names", MANY, furnish_names, 0, {0, 0}, {0, 0}},
    };
    static const struct {
        const char *what, *way;
        measurement measure;
    } calls[] = {
        {"create", "library", time_ours_new},
        {"create", "raw", time_raw_new},
        {"attach", "library", time_ours_existing},
        {"attach", "raw", time_raw_existing},
    };
    char what[64];
    int order[12];
    int round, i, call, world;

    for (i = 0; i < 3; i++) {
        begin_world (&worlds[i]);
    }
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, 12);
        for (i = 0; i < 12; i++) {
            call = order[i] % 4;
            world = order[i] / 4;
            sprintf (what, "%s, %s", calls[call].what, worlds[world].text);
            sample (what, calls[call].way, round,
                    measure_in (&worlds[world], calls[call].measure));
        }
    }
    for (i = 0; i < 3; i++) {
        end_world (&worlds[i]);
    }
}

/* ---- fork ------------------------------------------------------------------------------------- */

static void furnish_handles (int number)
{
    char name[64];
    SharedMemory memory;
    int i;

    for (i = 0; i < number; i++) {
        name_number (name, i);
        must (shmCreate (name, SIZE, NULL, &memory), name);
        memset (shmAddress (memory), 1, SIZE);
    }
}

static void furnish_raw (int number)
{
    void *address;
    int id, i;

    for (i = 0; i < number; i++) {
        id = make_raw (IPC_PRIVATE);
        address = shmat (id, NULL, 0);
        if (address == (void *) -1) {
            die ("shmat");
        }
        memset (address, 1, SIZE);
    }
}

static double time_fork (void)
{
    double start = now ();
    pid_t child = fork ();
    double time = now () - start;

    if (child == -1) {
        die ("fork");
    }
    if (child == 0) {
        _exit (EXIT_SUCCESS);
    }
    waitpid (child, NULL, 0);
    return time;
}

static void measure_fork (double end)
{
    static struct world worlds[] = {
        {"library", MANY, furnish_handles, 0, {0, 0}, {0, 0}},
        {"raw", MANY, furnish_raw, 0, {0, 0}, {0, 0}},
        {"nothing mapped", 0, furnish_raw, 0, {0, 0}, {0, 0}},
    };
    int order[3];
    int round, i;

    for (i = 0; i < 3; i++) {
        begin_world (&worlds[i]);
    }
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, 3);
        for (i = 0; i < 3; i++) {
            sample ("fork, 4000 handles", worlds[order[i]].text, round,
                    measure_in (&worlds[order[i]], time_fork));
        }
    }
    for (i = 0; i < 3; i++) {
        end_world (&worlds[i]);
    }
}

/* ---- processes and threads ------------------------------------------------------------------- */

#define MAX_WORKERS 16
#define LEAD 5000    /* microseconds before a sample */
#define PERIOD 30000 /* microseconds for one sample */

enum kind { PROCESSES, THREADS };

struct counter {
    volatile long calls;
    char padding[120]; /* one counter per cache line */
};

/* Shared with the worker processes. */
static struct shared {
    pthread_barrier_t start;
    volatile int stop;
    struct counter counters[MAX_WORKERS];
} *shared;

/* Does some calls, and returns how many. */
typedef long (*job) (int worker);

static job current;

static void *work (void *argument)
{
    int worker = (int) (long) argument;

    shared->counters[worker].calls = 0;
    current (worker);
    pthread_barrier_wait (&shared->start);
    while (!shared->stop) {
        shared->counters[worker].calls += current (worker);
    }
    return NULL;
}

static void begin_worker (enum kind kind, int worker, pthread_t *thread)
{
    if (kind == THREADS) {
        errno = pthread_create (thread, NULL, work, (void *) (long) worker);
        must (errno != 0, "pthread_create");
        return;
    }
    switch (fork ()) {
    case -1: die ("fork");
    case 0:
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        work ((void *) (long) worker);
        _exit (EXIT_SUCCESS);
    default: break;
    }
}

static void await_worker (enum kind kind, pthread_t thread)
{
    int status = 0;

    if (kind == THREADS) {
        pthread_join (thread, NULL);
    } else if (wait (&status) == -1 || status != 0) {
        errno = ECHILD;
        die ("worker");
    }
}

static double calls_of (int workers)
{
    double calls = 0;
    int i;

    for (i = 0; i < workers; i++) {
        calls += (double) shared->counters[i].calls;
    }
    return calls;
}

/*
 * Calls per second of all workers together, counted only while all of them are running: the
 * process that starts them may itself have to wait for a processor.
 */
static double throughput (enum kind kind, int workers, job job)
{
    pthread_t threads[MAX_WORKERS];
    pthread_barrierattr_t attribute;
    double start, calls, speed;
    int i;

    current = job;
    shared->stop = 0;
    pthread_barrierattr_init (&attribute);
    pthread_barrierattr_setpshared (&attribute, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init (&shared->start, &attribute, (unsigned) workers + 1);
    for (i = 0; i < workers; i++) {
        begin_worker (kind, i, &threads[i]);
    }
    pthread_barrier_wait (&shared->start);
    usleep (LEAD);
    calls = calls_of (workers);
    start = now ();
    usleep (PERIOD);
    speed = (calls_of (workers) - calls) * 1e9 / (now () - start);
    shared->stop = 1;
    for (i = 0; i < workers; i++) {
        await_worker (kind, threads[i]);
    }
    pthread_barrier_destroy (&shared->start);
    return speed;
}

static SharedMemory one;

static long own_ours (int worker)
{
    char name[64];

    sprintf (name, "bench/scale, own %d", worker);
    create_ours (name, SIZE);
    return 1;
}

static long own_raw (int worker)
{
    create_raw ((key_t) (0x00C7E580 + worker));
    return 1;
}

static long one_ours (int worker)
{
    (void) worker;
    create_ours ("bench/scale, one", 0);
    return 1;
}

static long one_raw (int worker)
{
    (void) worker;
    map_raw (shmId (one));
    return 1;
}

static struct plain plain;

#define ACCESSES 1000
#define ACCESSES_OF(name, call) \
    static long name (int worker) \
    { \
        int i; \
\
        (void) worker; \
        for (i = 0; i < ACCESSES; i++) { \
            call; \
        } \
        return ACCESSES; \
    }

ACCESSES_OF (get_addresses, shmAddress (one))
ACCESSES_OF (get_ids, shmId (one))
ACCESSES_OF (get_sizes, shmSizeOf (one))
ACCESSES_OF (get_plainly, plain_address (&plain))

struct load {
    const char *what, *way;
    job job;
};

static void measure_loads (const struct load *loads, int count, enum kind kind, int workers,
                           int round)
{
    char what[96];
    int order[8];
    int i;

    shuffle (order, count);
    for (i = 0; i < count; i++) {
        sprintf (what, "%s, %d %s (calls/s)", loads[order[i]].what, workers,
                 kind == PROCESSES ? "processes" : "threads");
        sample (what, loads[order[i]].way, round, throughput (kind, workers, loads[order[i]].job));
    }
}

static void measure_workers (double end)
{
    static const struct load calls[] = {
        {"create, own names", "library", own_ours},
        {"create, own names", "raw", own_raw},
        {"attach, one name", "library", one_ours},
        {"attach, one name", "raw", one_raw},
    };
    static const struct load accesses[] = {
        {"accessors", "shmAddress", get_addresses},
        {"accessors", "shmId", get_ids},
        {"accessors", "shmSizeOf", get_sizes},
        {"accessors", "plain function", get_plainly},
    };
    int round, workers;

    must (shmCreate ("bench/scale, one", SIZE, NULL, &one), "shmCreate");
    memset (shmAddress (one), 1, SIZE);
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        for (workers = 1; workers <= MAX_WORKERS; workers *= 2) {
            measure_loads (calls, 4, PROCESSES, workers, round);
            measure_loads (calls, 4, THREADS, workers, round);
        }
        for (workers = 1; workers <= 4; workers *= 2) {
            measure_loads (accesses, 4, THREADS, workers, round);
        }
    }
    must (shmDestroy (one), "shmDestroy");
    one = NULL;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static void clean_up (void)
{
    shmDestroy (one);
}

/* In a child, because it cannot be undone. */
static int can_unshare (void)
{
    int status = 1;
    pid_t child = fork ();

    if (child == 0) {
        _exit (unshare (CLONE_NEWIPC) == 0 ? 0 : 1);
    }
    waitpid (child, &status, 0);
    return status == 0;
}

int main (void)
{
    const char *text = getenv ("SCALE_SECONDS");
    double seconds = text == NULL ? 60 : atof (text);

    begin ();
    if (can_unshare ()) {
        measure_names (end_of (seconds, 0.25));
        measure_fork (end_of (seconds, 0.15));
    } else {
        fprintf (stderr, "scale: names and fork are left out: unshare is not allowed\n");
    }
    shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        die ("mmap");
    }
    atexit (clean_up);
    measure_workers (end_of (seconds, 0.6));
    return EXIT_SUCCESS;
}
