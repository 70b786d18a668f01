/*
 * fork_threads.c - fork, threads, signals, and all the ways in which one program becomes another.
 *
 * Among the segments of other programs these tests use names of their own, and do not look for
 * segments that are left.
 */
#include "torture.h"

#include <linux/securebits.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/time.h>

extern char **environ;

static uint64_t own_chance (int number)
{
    return seed + (uint64_t) number * 0x1234567 + 1;
}

/* A world for one test. */
static void own_world (void)
{
    if (privacy == NO_WORLD)
        use_own_names ();
    else
        new_world ();
}

/* Without a world, only the names that a test may have left can be destroyed. */
static void destroy_our_names (void *argument)
{
    static const char *const names[] =
        { "kept", "not blocked", "heir's own", "spare", "main's", "afterwards" };
    static const char *const numbered[] = { "new-%d", "blocked-%d", "table-%d" };
    char name[32];
    size_t i;
    int n;

    (void) argument;
    unsetenv ("APERROR_PRINT");
    for (i = 0; i < COUNT (names); i++)
        shmDestroy (create (names[i], 0).handle);
    for (i = 0; i < COUNT (numbered); i++)
        for (n = 0; n < 12; n++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf (name, sizeof name, numbered[i], n);
#pragma GCC diagnostic pop
            shmDestroy (create (name, 0).handle);
        }
}

static void nothing_left (const char *what)
{
    int n;

    if (privacy == NO_WORLD) {
        run (destroy_our_names, NULL);
        return;
    }
    n = count_segments ();
    check (n == 0, "%s: no segment is left (%d)", what, n);
    n = count_stray_sets ();
    check (n == 0, "%s: no lock is left (%d)", what, n);
}

/* ---- fork while other threads are in every function ------------------------------------- */

#define KEPT_SIZE 20000

static SharedMemory kept;            /* a handle that lives as long as the process */
static void *kept_address;
static int kept_id;
static volatile int enough;
static long rounds_of[8];
static long contend_failed;

static void work_create_new (uint64_t *state)
{
    char name[32];
    struct call c;

    snprintf (name, sizeof name, "new-%d", (int) below (state, 3));
    c = create (name, 100 + (long) below (state, 2));
    if (c.result == 0)
        shmDestroy (c.handle);
}

static void work_create_existing (uint64_t *state)
{
    struct call c = create ("kept", (long) below (state, KEPT_SIZE));

    if (c.result == 0)
        shmDestroy (c.handle);
}

static void work_accessors (uint64_t *state)
{
    int i;

    (void) state;
    for (i = 0; i < 1000; i++)
        if (shmAddress (kept) != kept_address || shmId (kept) != kept_id
            || shmSizeOf (kept) != KEPT_SIZE)
            abort ();
}

static void work_save (uint64_t *state)
{
    char path[PATH_SIZE];

    snprintf (path, sizeof path, "%s/saved-%d", scratch, (int) below (state, 2));
    shmSave (kept, path);
}

static void work_load (uint64_t *state)
{
    char path[PATH_SIZE];

    (void) state;
    snprintf (path, sizeof path, "%s/pattern", scratch);
    shmLoad (kept, path);
}

static void work_fail (uint64_t *state)
{
    struct call c;

    (void) state;
    c = create ("there is no such name", 0);
    if (c.result == 0)
        abort ();
    shmDestroy ((SharedMemory) (intptr_t) 0x12345);
    shmSave (kept, "/nowhere/at/all");
    shmLoad (kept, scratch);
}

static void (*const works[]) (uint64_t *) =
    { work_create_new, work_create_existing, work_accessors, work_save, work_load, work_fail };

struct worker {
    int number;
    pthread_t thread;
};

static void *work (void *argument)
{
    int number = ((const struct worker *) argument)->number;
    uint64_t state = own_chance (number);

    while (!enough) {
        works[number % (int) COUNT (works)] (&state);
        __atomic_fetch_add (&rounds_of[number], 1, __ATOMIC_RELAXED);
        /* The library's functions are no cancellation points: this is where one acts. */
        pthread_testcancel ();
    }
    return NULL;
}

static void start_workers (struct worker *workers, int count, void *(*body) (void *))
{
    int i;

    enough = 0;
    for (i = 0; i < count; i++) {
        workers[i].number = i;
        if (pthread_create (&workers[i].thread, NULL, body, &workers[i]) != 0)
            give_up ("pthread_create");
    }
}

static void stop_workers (struct worker *workers, int count)
{
    enough = 1;
    while (count-- > 0)
        pthread_join (workers[count].thread, NULL);
}

/* A child that was forked while a worker had a name attached has it attached, too. If it ends
 * without a destroy, after the worker's, the name becomes an orphan, as it must. */
static void destroy_names_of_workers (void *argument)
{
    int i;

    (void) argument;
    for (i = -1; i < 3; i++) {
        char name[32];
        struct call c;

        snprintf (name, sizeof name, i < 0 ? "kept" : "new-%d", i);
        c = create (name, 0);
        if (c.result == 0)
            shmDestroy (c.handle);
    }
}

/* In a child: every function, on a name of its own and on inherited handles. Returns what did
 * not work, or NULL. */
static const char *heir_works (int number, bool destroy_inherited)
{
    char name[40];
    char path[PATH_SIZE];
    struct call c;
    struct call d;

    snprintf (name, sizeof name, "heir-%d", number);
    c = create (name, 9000);
    if (c.result != 0 || !is_zero (c.address, 9000))
        return "create a new name";
    fill_pattern (c.address, 9000, 6);
    if (shmAddress (kept) != kept_address || shmId (kept) != kept_id
        || shmSizeOf (kept) != KEPT_SIZE)
        return "read an inherited handle";
    if (!has_pattern (kept_address, KEPT_SIZE, 4))
        return "read inherited memory";
    d = create ("kept", 0);
    if (d.result != 0 || d.id != kept_id)
        return "create an existing name";
    snprintf (path, sizeof path, "%s/heir-%d", scratch, number);
    if (shmSave (c.handle, path) != 0)
        return "save";
    memset (c.address, 0, 9000);
    if (shmLoad (c.handle, path) != 0 || !has_pattern (c.address, 9000, 6))
        return "load";
    unlink (path);
    if (shmSave (kept, "/dev/null") != 0)
        return "save an inherited handle";
    if (shmDestroy (d.handle) != 0 || shmDestroy (c.handle) != 0)
        return "destroy";
    if (shmId (c.handle) != -1 || shmDestroy (c.handle) != EINVAL)
        return "refuse a destroyed handle";
    if (destroy_inherited) {
        if (shmDestroy (kept) != 0 || shmAddress (kept) != NULL)
            return "destroy an inherited handle";
        c = create ("kept", 0);
        if (c.result != 0 || c.id != kept_id || shmDestroy (c.handle) != 0)
            return "find what others still have";
    }
    return NULL;
}

struct storm {
    int forks, failed, hung;
    double slowest_fork;
    char what[60];
    long rounds[8];
};

struct forker {
    struct storm *storm;
    NO_RETURN void (*be_child) (struct forker *, int number);
    int number;
    int forks;
    double seconds;                  /* at most */
};

static void *work_in_child (void *argument)
{
    uint64_t state = own_chance (*(const int *) argument);
    int i;

    for (i = 0; i < 4; i++) {
        work_create_new (&state);
        work_create_existing (&state);
        work_save (&state);
    }
    return NULL;
}

NO_RETURN static void use_every_function (struct forker *f, int number)
{
    static int numbers[3] = { 50, 51, 52 };
    pthread_t threads[3];
    const char *failed;
    int i;
    int n = number % 8 == 0 ? 3 : 0;

    for (i = 0; i < n; i++)
        if (pthread_create (&threads[i], NULL, work_in_child, &numbers[i]) != 0)
            _exit (3);
    failed = heir_works (number, number % 3 == 0);
    for (i = 0; i < n; i++)
        pthread_join (threads[i], NULL);
    if (failed) {
        snprintf (f->storm->what, sizeof f->storm->what, "%s (%s)", failed, strerror (errno));
        _exit (1);
    }
    if (number % 2)
        _exit (0);
    exit (0);
}

/* A child that takes longer than this hangs. */
#define CHILD_LIMIT 14

/* Two threads do this at once. */
static void *fork_often (void *argument)
{
    struct forker *f = argument;
    double end = now () + f->seconds;
    int i;

    for (i = 0; i < f->forks && now () < end; i++) {
        double begin = now ();
        pid_t pid = fork ();
        double took;
        struct end ended;

        if (pid == 0) {
            prctl (PR_SET_PDEATHSIG, SIGKILL);
            alarm (CHILD_LIMIT);
            f->be_child (f, f->number * 1000000 + i);
        }
        took = now () - begin;
        if (pid < 0) {
            __atomic_fetch_add (&f->storm->failed, 1, __ATOMIC_SEQ_CST);
            break;
        }
        if (took > f->storm->slowest_fork)
            f->storm->slowest_fork = took;
        ended = await (pid, WATCHDOG);
        __atomic_fetch_add (&f->storm->forks, 1, __ATOMIC_SEQ_CST);
        if (!ended_well (ended)) {
            if (ended.how != ENDED)
                note ("fork storm: a child %s", tell_end (ended));
            if (ended.how == HUNG || (ended.how == CRASHED && ended.code == SIGALRM))
                __atomic_fetch_add (&f->storm->hung, 1, __ATOMIC_SEQ_CST);
            if (__atomic_fetch_add (&f->storm->failed, 1, __ATOMIC_SEQ_CST) >= 5)
                break;
        }
    }
    return NULL;
}

static void open_kept (void)
{
    char path[PATH_SIZE];
    struct call c = create ("kept", KEPT_SIZE);

    if (c.result != 0)
        give_up ("create a name");
    kept = c.handle;
    kept_address = c.address;
    kept_id = c.id;
    fill_pattern (kept_address, KEPT_SIZE, 4);
    snprintf (path, sizeof path, "%s/pattern", scratch);
    if (shmSave (kept, path) != 0)
        give_up ("save a segment");
}

static void be_quiet (void)
{
    int null = open ("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2 (null, 1) < 0 || dup2 (null, 2) < 0)
        give_up ("/dev/null");
}

static void storm_process (void *argument)
{
    struct storm *s = argument;
    struct worker workers[COUNT (works)];
    struct forker a =
        { s, use_every_function, 0, full_form ? 5000 : 250, full_form ? 300 : 8 };
    struct forker b = a;
    pthread_t second;
    int i;

    be_quiet ();
    shm_util_debug = 1;              /* stdio has locks of its own */
    b.number = 1;
    open_kept ();
    start_workers (workers, (int) COUNT (works), work);
    if (pthread_create (&second, NULL, fork_often, &b) != 0)
        give_up ("pthread_create");
    fork_often (&a);
    pthread_join (second, NULL);
    stop_workers (workers, (int) COUNT (works));
    for (i = 0; i < (int) COUNT (works); i++)
        s->rounds[i] = rounds_of[i];
    if (shmDestroy (kept) != 0)
        _exit (1);
    destroy_names_of_workers (NULL);
}

static void storm_world (void *argument)
{
    struct storm *s = shared (sizeof *s);
    double begin = now ();
    struct end end;

    (void) argument;
    own_world ();
    end = await (start (storm_process, s), 640);
    check (ended_well (end), "fork storm: the program ends well (it %s)", tell_end (end));
    check (s->failed == 0 && s->forks >= 2,
           "fork storm: after %d forks while other threads are in every function (%.1f s) each "
           "child can use every function (%d could not) %s",
           s->forks, now () - begin, s->failed, s->what);
    check (s->slowest_fork < 2.0, "fork storm: no fork takes 2 s (%.3f s)", s->slowest_fork);
    check (s->rounds[0] && s->rounds[1] && s->rounds[2] && s->rounds[3] && s->rounds[4]
               && s->rounds[5],
           "fork storm: the other threads created %ld names, attached %ld, made %ld saves, "
           "%ld loads and %ld failing calls",
           s->rounds[0], s->rounds[1], s->rounds[3], s->rounds[4], s->rounds[5]);
    nothing_left ("fork storm");
}

static void test_storm (void)
{
    run_test ("fork storm", storm_world, NULL, 700);
}

/* ---- fork while other threads contend for the list of open registries ------------------- */

/* More than the library keeps open without a handle: to open another one, it closes and removes
 * some, and holds the lock of the list meanwhile. */
#define NAMESPACES 16
#define CONTENDERS 6

/* Without NOB_DATABASE, the effective user selects the namespace. Each thread has its own, if it
 * makes the system call itself. */
#define FIRST_USER 61000

static bool select_namespace (uint64_t number)
{
    return syscall (SYS_setresuid, -1, (uid_t) (FIRST_USER + number % NAMESPACES), -1) == 0;
}

/* Lets this process keep its capabilities whoever it is. */
static bool have_namespaces (void)
{
    return prctl (PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0 && select_namespace (0);
}

/* Returns what did not work, or NULL. */
static const char *use_a_namespace (uint64_t *state)
{
    struct ShmxInfo info;
    struct call c;
    char name[32];
    int result;

    snprintf (name, sizeof name, "new-%d", (int) below (state, 3));
    memset (&info, 0, sizeof info);
    info.size = sizeof info;
    select_namespace (chance (state));
    result = shmxStatName (name, &info);
    if (result != 0 && result != ENOENT)
        return "look a name up";
    select_namespace (chance (state));
    c = create (name, 100);
    if (c.result != 0)
        return "create a name";
    select_namespace (chance (state));
    return shmDestroy (c.handle) == 0 ? NULL : "destroy a name";
}

static void *contend (void *argument)
{
    const struct worker *me = argument;
    uint64_t state = own_chance (me->number + 200);

    while (!enough) {
        if (use_a_namespace (&state)) {
            __atomic_fetch_add (&contend_failed, 1, __ATOMIC_SEQ_CST);
            note ("namespaces: %s", shmxErrorText ());
        }
        __atomic_fetch_add (&rounds_of[me->number], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *contend_in_child (void *argument)
{
    uint64_t state = own_chance (*(const int *) argument);
    const char *failed = NULL;
    int i;

    for (i = 0; i < 4 && !failed; i++)
        failed = use_a_namespace (&state);
    return (void *) (intptr_t) failed;
}

/* Every fourth child has a second thread, which contends with the first one. */
NO_RETURN static void use_namespaces (struct forker *f, int number)
{
    int other = number + 500000;
    const char *failed;
    pthread_t thread;
    void *failed_too = NULL;

    if (number % 4 == 0 && pthread_create (&thread, NULL, contend_in_child, &other) != 0)
        _exit (3);
    failed = contend_in_child (&number);
    if (number % 4 == 0)
        pthread_join (thread, &failed_too);
    if (failed || failed_too) {
        snprintf (f->storm->what, sizeof f->storm->what, "could not %s (%s)",
                  failed ? failed : (const char *) failed_too, shmxErrorText ());
        _exit (1);
    }
    if (number % 2)
        _exit (0);
    exit (0);
}

static void namespaces_process (void *argument)
{
    struct storm *s = argument;
    struct worker workers[CONTENDERS];
    struct forker a = { s, use_namespaces, 0, full_form ? 5000 : 2000, full_form ? 400 : 5 };
    struct forker b = a;
    pthread_t second;
    int i;

    if (!have_namespaces ())
        give_up ("become other users");
    be_quiet ();
    shm_util_debug = 1;
    b.number = 1;
    start_workers (workers, CONTENDERS, contend);
    if (pthread_create (&second, NULL, fork_often, &b) != 0)
        give_up ("pthread_create");
    fork_often (&a);
    pthread_join (second, NULL);
    stop_workers (workers, CONTENDERS);
    for (i = 0; i < CONTENDERS; i++)
        s->rounds[0] += rounds_of[i];
    s->rounds[1] = contend_failed;
}

static void destroy_names_in_namespaces (void *argument)
{
    int i;

    have_namespaces ();
    for (i = 0; i < NAMESPACES; i++) {
        select_namespace ((uint64_t) i);
        destroy_names_of_workers (argument);
    }
}

static void namespaces_world (void *argument)
{
    struct storm *s = shared (sizeof *s);
    double begin = now ();
    struct end end;

    (void) argument;
    own_world ();
    end = await (start (namespaces_process, s), 640);
    check (ended_well (end), "namespaces: the program ends well (it %s)", tell_end (end));
    check (s->failed == 0 && s->forks >= 2,
           "namespaces: after %d forks while %d threads open and close registries (%.1f s) each "
           "child can do the same (%d hung, %d failed otherwise) %s",
           s->forks, CONTENDERS, now () - begin, s->hung, s->failed - s->hung, s->what);
    check (s->slowest_fork < 2.0, "namespaces: no fork takes 2 s (%.3f s)", s->slowest_fork);
    check (s->rounds[0] > 0 && s->rounds[1] == 0,
           "namespaces: the other threads used %ld namespaces (%ld failed)", s->rounds[0],
           s->rounds[1]);
    end = run (destroy_names_in_namespaces, NULL);
    check (ended_well (end), "namespaces: the next program can destroy the names");
    nothing_left ("namespaces");
}

static void can_be_others (void *result)
{
    *(bool *) result = have_namespaces ();
}

static void test_namespaces (void)
{
    bool *can = shared (sizeof *can);

    run (can_be_others, can);
    if (!*can)
        skip ("namespaces: this process cannot become %d other users", NAMESPACES);
    else if (has_world ("namespaces"))
        run_test ("namespaces", namespaces_world, NULL, 700);
}

/* ---- fork while a thread waits in a save or a load -------------------------------------- */

#define BLOCKED 4

struct blocked {
    SharedMemory handle[BLOCKED];
    double fork_took;
    double destroy_took[BLOCKED];
    int destroyed[BLOCKED];
    bool heir_good;
    char what[60];
    struct end heir_end;
    double other_took;
    int other_result;
    double vfork_took;
    int released_destroy;
    double released_took;
};

static struct blocked *blocked;
static char fifo[BLOCKED][PATH_SIZE];

static void *block (void *argument)
{
    int which = *(const int *) argument;

    if (which < 2)
        shmSave (blocked->handle[which], fifo[which]);
    else
        shmLoad (blocked->handle[which], fifo[which]);
    return NULL;
}

static void blocked_heir (void)
{
    const char *failed;
    int i;

    for (i = 0; i < BLOCKED; i++) {
        struct call d = destroy (blocked->handle[i]);

        blocked->destroyed[i] = d.result;
        blocked->destroy_took[i] = d.seconds;
    }
    failed = heir_works (7, true);
    blocked->heir_good = failed == NULL;
    if (failed)
        snprintf (blocked->what, sizeof blocked->what, "%s", failed);
}

static void blocked_process (void *argument)
{
    static int numbers[BLOCKED] = { 0, 1, 2, 3 };
    pthread_t threads[BLOCKED];
    int reader;
    int writer;
    double begin;
    pid_t pid;
    struct call c;
    int i;

    (void) argument;
    be_quiet ();
    open_kept ();
    for (i = 0; i < BLOCKED; i++) {
        char name[32];

        snprintf (name, sizeof name, "blocked-%d", i);
        c = create (name, 1 << 20);
        blocked->handle[i] = c.handle;
        snprintf (fifo[i], sizeof fifo[i], "%s/fifo-%d", scratch, i);
        if (c.result != 0 || mkfifo (fifo[i], 0600) != 0)
            give_up ("prepare a fifo");
    }
    /* 0: no process opens it; 1: the reader does not read; 2: no process opens it to write;
     * 3: the writer does not write. */
    reader = open (fifo[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    writer = open (fifo[3], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (reader < 0 || writer < 0)
        give_up ("open a fifo");
    for (i = 0; i < BLOCKED; i++)
        if (pthread_create (&threads[i], NULL, block, &numbers[i]) != 0)
            give_up ("pthread_create");
    nap (0.15);
    begin = now ();
    c = create ("not blocked", 100);
    blocked->other_result = c.result;
    if (c.result == 0)
        blocked->other_result = shmDestroy (c.handle);
    blocked->other_took = now () - begin;
    begin = now ();
    pid = fork ();
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        blocked_heir ();
        exit (0);
    }
    blocked->fork_took = now () - begin;
    blocked->heir_end = await (pid, 5);
    /* One of them continues: then its handle can be destroyed. */
    i = open (fifo[2], O_WRONLY | O_CLOEXEC);
    if (i >= 0)
        close (i);
    pthread_join (threads[2], NULL);
    c = destroy (blocked->handle[2]);
    blocked->released_destroy = c.result;
    blocked->released_took = c.seconds;
    shmDestroy (kept);
    /* The process exits while the others wait. */
}

static void destroy_left (void *argument)
{
    int *failed = argument;
    int i;

    be_quiet ();
    for (i = 0; i < BLOCKED; i++) {
        char name[32];
        struct call c;

        snprintf (name, sizeof name, "blocked-%d", i);
        c = create (name, 0);
        if (c.result == 0 && shmDestroy (c.handle) != 0)
            ++*failed;
        if (c.result != 0 && c.result != ENOENT)
            ++*failed;
    }
}

static void blocked_world (void *argument)
{
    int *failed = shared (sizeof *failed);
    struct end end;
    double most = 0;
    int i;

    (void) argument;
    own_world ();
    blocked = shared (sizeof *blocked);
    blocked->fork_took = -1;
    end = await (start (blocked_process, NULL), WATCHDOG);
    check (blocked->fork_took >= 0 && blocked->fork_took < 1,
           "while threads wait in two saves and two loads, fork takes less than 1 s (%.3f s)",
           blocked->fork_took);
    check (blocked->other_result == 0 && blocked->other_took < 1,
           "another name can be created and destroyed meanwhile (%.3f s)", blocked->other_took);
    for (i = 0; i < BLOCKED; i++)
        if (blocked->destroy_took[i] > most)
            most = blocked->destroy_took[i];
    check (ended_well (blocked->heir_end), "the child ends well (it %s)",
           tell_end (blocked->heir_end));
    check (most < 1 && blocked->destroyed[0] == 0 && blocked->destroyed[1] == 0
           && blocked->destroyed[2] == 0 && blocked->destroyed[3] == 0,
           "the child can destroy the handles that its parent is saving (%d %d %d %d, "
           "%.3f s)", blocked->destroyed[0], blocked->destroyed[1], blocked->destroyed[2],
           blocked->destroyed[3], most);
    check (blocked->heir_good, "the child can use every function %s", blocked->what);
    check (blocked->released_destroy == 0 && blocked->released_took < 1,
           "a handle can be destroyed when its load has ended (%s)",
           strerror (blocked->released_destroy));
    check (ended_well (end), "the program can exit while threads wait (it %s)",
           tell_end (end));
    end = run (destroy_left, failed);
    check (ended_well (end) && *failed == 0, "the next program can destroy the names");
    nothing_left ("blocked saves");
}

static void test_blocked (void)
{
    run_test ("blocked saves", blocked_world, NULL, 60);
}

/* ---- eight threads use the same handles ------------------------------------------------- */

#define THREADS 8
#define RECORDS 400000
#define STALE 128
#define PLACES 32

struct record {
    SharedMemory handle;
    int id;
    void *address;
    long size;
    int ending;                      /* 1: a destroy may have begun; 2: it has ended */
};

static struct record *records;
static long record_count;
static struct record *place[PLACES];
static long faults[8];
static long reads_done, destroys_done, doubles_done, saves_done;
static double table_end;

enum { FAULT_STALE, FAULT_WRONG, FAULT_LOST, FAULT_DOUBLE, FAULT_ERROR, FAULT_STALE_SAVE };

static void count_fault (int which)
{
    __atomic_fetch_add (&faults[which], 1, __ATOMIC_SEQ_CST);
}

static void read_record (struct record *r)
{
    int before = __atomic_load_n (&r->ending, __ATOMIC_SEQ_CST);
    int id = shmId (r->handle);
    void *address = shmAddress (r->handle);
    long size = shmSizeOf (r->handle);
    int after = __atomic_load_n (&r->ending, __ATOMIC_SEQ_CST);

    if (before == 2 && (id != -1 || address != NULL || size != -1))
        count_fault (FAULT_STALE);
    if ((id != -1 && id != r->id) || (address != NULL && address != r->address)
        || (size != -1 && size != r->size))
        count_fault (FAULT_WRONG);
    if (after == 0 && (id == -1 || address == NULL || size == -1))
        count_fault (FAULT_LOST);
    __atomic_fetch_add (&reads_done, 1, __ATOMIC_RELAXED);
}

static void end_record (struct record *r)
{
    int expected = 0;
    int result;

    /* Two threads may both want to; exactly one destroy succeeds. */
    if (!__atomic_compare_exchange_n (&r->ending, &expected, 1, false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST)) {
        result = shmDestroy (r->handle);
        if (result == 0)
            count_fault (expected == 2 ? FAULT_STALE : FAULT_DOUBLE);
        else if (result != EINVAL)
            count_fault (FAULT_ERROR);
        __atomic_fetch_add (&doubles_done, 1, __ATOMIC_RELAXED);
        return;
    }
    result = shmDestroy (r->handle);
    if (result == EINVAL)            /* the other one was faster, and counted itself above */
        __atomic_fetch_sub (&faults[FAULT_DOUBLE], 1, __ATOMIC_SEQ_CST);
    else if (result != 0)
        count_fault (FAULT_ERROR);
    __atomic_store_n (&r->ending, 2, __ATOMIC_SEQ_CST);
    __atomic_fetch_add (&destroys_done, 1, __ATOMIC_RELAXED);
}

static void *use_table (void *argument)
{
    int me = *(const int *) argument;
    uint64_t state = own_chance (me + 100);
    struct record *stale[STALE];
    char path[PATH_SIZE];
    unsigned stales = 0;

    memset (stale, 0, sizeof stale);
    snprintf (path, sizeof path, "%s/table-%d", scratch, me);
    while (now () < table_end) {
        struct record **p = &place[below (&state, PLACES)];
        struct record *r = __atomic_load_n (p, __ATOMIC_SEQ_CST);
        unsigned what = (unsigned) below (&state, 100);

        if (what < 25 || !r) {
            long n = __atomic_fetch_add (&record_count, 1, __ATOMIC_SEQ_CST);
            struct record *fresh;
            struct record *old;
            struct call c;
            char name[32];

            if (n >= RECORDS)
                break;
            fresh = &records[n];
            snprintf (name, sizeof name, "table-%d", (int) below (&state, 12));
            c = create (name, 3000);
            if (c.result != 0) {
                count_fault (FAULT_ERROR);
                continue;
            }
            fresh->handle = c.handle;
            fresh->id = c.id;
            fresh->address = c.address;
            fresh->size = c.size;
            old = __atomic_exchange_n (p, fresh, __ATOMIC_SEQ_CST);
            if (old) {
                end_record (old);
                stale[stales++ % STALE] = old;
            }
        } else if (what < 85) {
            struct record *s = stale[below (&state, STALE)];

            read_record (r);
            if (s)
                read_record (s);
        } else if (what < 88)
            end_record (r);          /* it stays in its place, and others try it, too */
        else if (what < 92) {
            int before = __atomic_load_n (&r->ending, __ATOMIC_SEQ_CST);
            int result = shmSave (r->handle, path);

            if (result == 0 && before == 2)
                count_fault (FAULT_STALE_SAVE);
            if (result != 0 && __atomic_load_n (&r->ending, __ATOMIC_SEQ_CST) == 0)
                count_fault (FAULT_ERROR);
            __atomic_fetch_add (&saves_done, 1, __ATOMIC_RELAXED);
        } else if (what < 94) {
            int before = __atomic_load_n (&r->ending, __ATOMIC_SEQ_CST);

            if (shmLoad (r->handle, path) == 0 && before == 2)
                count_fault (FAULT_STALE_SAVE);
        } else {
            struct record *s = stale[below (&state, STALE)];

            if (s)
                end_record (s);
        }
    }
    return NULL;
}

static void table_process (void *argument)
{
    static int numbers[THREADS] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    pthread_t threads[THREADS];
    long *results = argument;
    long i;

    be_quiet ();
    records = calloc (RECORDS, sizeof *records);
    if (!records)
        give_up ("calloc");
    table_end = now () + (full_form ? 30 : 2);
    for (i = 0; i < THREADS; i++)
        if (pthread_create (&threads[i], NULL, use_table, &numbers[i]) != 0)
            give_up ("pthread_create");
    for (i = 0; i < THREADS; i++)
        pthread_join (threads[i], NULL);
    for (i = 0; i < PLACES; i++)
        if (place[i] && place[i]->ending == 0)
            end_record (place[i]);
    for (i = 0; i < 6; i++)
        results[i] = faults[i];
    results[6] = reads_done;
    results[7] = destroys_done;
    results[8] = doubles_done;
    results[9] = saves_done;
}

static void table_world (void *argument)
{
    long *results = shared (16 * sizeof *results);
    struct end end;

    (void) argument;
    own_world ();
    end = await (start (table_process, results), 60);
    check (ended_well (end), "eight threads: the program ends well (it %s)",
           tell_end (end));
    check (results[6] > 0 && results[7] > 0 && results[8] > 0 && results[9] > 0,
           "eight threads: %ld reads, %ld destroys, %ld destroys of the destroyed, "
           "%ld saves", results[6], results[7], results[8], results[9]);
    check (results[FAULT_STALE] == 0 && results[FAULT_STALE_SAVE] == 0,
           "eight threads: no use of a destroyed handle succeeds (%ld, %ld)",
           results[FAULT_STALE], results[FAULT_STALE_SAVE]);
    check (results[FAULT_WRONG] == 0, "eight threads: no handle returns values of "
           "another (%ld)", results[FAULT_WRONG]);
    check (results[FAULT_LOST] == 0 && results[FAULT_ERROR] == 0,
           "eight threads: no valid handle is refused (%ld), no call fails (%ld)",
           results[FAULT_LOST], results[FAULT_ERROR]);
    check (results[FAULT_DOUBLE] == 0,
           "eight threads: a handle is destroyed exactly once (%ld)",
           results[FAULT_DOUBLE]);
    nothing_left ("eight threads");
}

static void test_table (void)
{
    run_test ("eight threads", table_world, NULL, 90);
}

/* ---- exec, vfork, posix_spawn, daemon, closed descriptors ------------------------------- */

#define HEIR "--heir"
#define SUCCESSOR "--successor"

/* The program that was started: an inherited handle is invalid, but the name exists. */
static int heir_program (char **argv)
{
    SharedMemory handle = (SharedMemory) (uintptr_t) strtoull (argv[2], NULL, 16);
    int id = atoi (argv[3]);
    struct call c;
    struct call own;

    prctl (PR_SET_PDEATHSIG, SIGKILL);
    alarm (14);
    if (shmAddress (handle) != NULL || shmId (handle) != -1 || shmSizeOf (handle) != -1)
        return 10;
    if (shmDestroy (handle) != EINVAL || shmSave (handle, "/dev/null") != EINVAL
        || shmLoad (handle, "/dev/zero") != EINVAL)
        return 11;
    c = create ("kept", 0);
    if (c.result != 0 || c.id != id || !has_pattern (c.address, KEPT_SIZE, 4))
        return 12;
    own = create ("heir's own", 100);
    if (own.result != 0 || shmDestroy (own.handle) != 0)
        return 13;
    if (shmDestroy (c.handle) != 0)
        return 14;
    return 0;
}

static struct end spawn_heir (int way)
{
    char handle[40];
    char id[20];
    char *argv[] = { (char *) "heir", (char *) HEIR, handle, id, NULL };
    const char *path = "/proc/self/exe";
    pid_t pid = -1;

    snprintf (handle, sizeof handle, "%llx", (unsigned long long) (uintptr_t) kept);
    snprintf (id, sizeof id, "%d", kept_id);
    if (way == 0) {
        pid = fork ();
        if (pid == 0) {
            execv (path, argv);
            _exit (127);
        }
    } else if (way == 1) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        pid = vfork ();
#pragma GCC diagnostic pop
        if (pid == 0) {
            execv (path, argv);
            _exit (127);
        }
    } else if (posix_spawn (&pid, path, NULL, NULL, argv, environ) != 0)
        pid = -1;
    if (pid < 0)
        give_up ("start a program, way %d", way);
    return await (pid, WATCHDOG);
}

struct heirs {
    struct end by_fork, by_vfork, by_spawn;
    bool busy;
    int kept_good;
    int destroyed;
    /* daemon */
    int daemon_stage;
    bool daemon_good;
    char daemon_what[60];
    /* closed descriptors */
    bool closed_good;
    char closed_what[60];
    int closed_id;
};

static void parent_of_heirs (void *argument)
{
    struct heirs *h = argument;
    struct worker workers[COUNT (works)];

    be_quiet ();
    open_kept ();
    if (h->busy)
        start_workers (workers, (int) COUNT (works), work);
    h->by_fork = spawn_heir (0);
    h->by_vfork = spawn_heir (1);
    h->by_spawn = spawn_heir (2);
    if (h->busy)
        stop_workers (workers, (int) COUNT (works));
    h->kept_good = shmId (kept) == kept_id && shmAddress (kept) == kept_address
        && has_pattern (kept_address, KEPT_SIZE, 4);
    h->destroyed = shmDestroy (kept);
    destroy_names_of_workers (NULL);
}

static void becomes_daemon (void *argument)
{
    struct heirs *h = argument;
    struct shmid_ds ds;
    const char *failed;

    be_quiet ();
    open_kept ();
    if (daemon (0, 0) != 0)
        _exit (1);
    alarm (30);
    failed = heir_works (1, false);
    /* The process that called daemon(3) still has the segment attached until it has ended. */
    while (shmctl (kept_id, IPC_STAT, &ds) == 0 && ds.shm_nattch > 1)
        nap (0.001);
    if (!failed && shmDestroy (kept) != 0)
        failed = "destroy what it had before";
    if (failed)
        snprintf (h->daemon_what, sizeof h->daemon_what, "%s (%s)", failed, strerror (errno));
    h->daemon_good = failed == NULL;
    reach (&h->daemon_stage, 1);
}

static void closes_all (void *argument)
{
    struct heirs *h = argument;
    const char *failed;
    int fd;

    open_kept ();
    for (fd = 0; fd < 2048; fd++)
        close (fd);
    failed = heir_works (2, false);
    if (!failed && (shmDestroy (kept) != 0 || create ("kept", 0).result != ENOENT))
        failed = "destroy the last handle";
    if (failed)
        snprintf (h->closed_what, sizeof h->closed_what, "%s (%s)", failed, strerror (errno));
    h->closed_good = failed == NULL;
}

/* The library must not use a descriptor that the program has closed and opened again. */
static void closes_and_opens (void *argument)
{
    struct heirs *h = argument;
    char path[PATH_SIZE];
    struct stat s;
    const char *failed;
    int fd;

    unsetenv ("APERROR_PRINT"); /* before the first call, which reads it */
    open_kept ();
    shm_util_debug = 0;
    for (fd = 0; fd < 1024; fd++)
        close (fd);
    snprintf (path, sizeof path, "%s/precious", scratch);
    for (fd = 0; fd < 20; fd++)
        if (open (path, O_RDWR | O_CREAT, 0600) != fd)
            _exit (5);
    failed = heir_works (3, false);
    if (!failed && shmDestroy (kept) != 0)
        failed = "destroy the last handle";
    if (!failed && (fstat (10, &s) != 0 || s.st_size != 0))
        failed = "leave the program's files alone";
    for (fd = 0; fd < 20 && !failed; fd++)
        if (fcntl (fd, F_GETFD) < 0)
            failed = "leave the program's descriptors open";
    if (failed)
        snprintf (h->closed_what, sizeof h->closed_what, "%s", failed);
    h->closed_good = failed == NULL;
}

/* A thread calls exec while others are in the library: no other process may notice. */
struct succession {
    int ready;
    int delay_us;
};

static void succeed (void *argument)
{
    struct succession *s = argument;
    struct worker workers[COUNT (works)];
    char *argv[] = { (char *) "successor", (char *) SUCCESSOR, NULL };

    be_quiet ();
    open_kept ();
    start_workers (workers, 4, work);
    nap (0.002);
    spin (s->delay_us / 1e6);
    execv ("/proc/self/exe", argv);
    _exit (127);
}

static int successor_program (void)
{
    double begin = now ();
    struct call c;

    prctl (PR_SET_PDEATHSIG, SIGKILL);
    alarm (14);
    c = create ("kept", 0);
    if (c.result != 0)
        return 20;
    if (!has_pattern (c.address, KEPT_SIZE, 4))
        return 21;
    if (shmDestroy (c.handle) != 0)
        return 22;
    return now () - begin > 1 ? 23 : 0;
}

static void heirs_world (void *argument)
{
    struct heirs *h = shared (sizeof *h);
    struct succession *s = shared (sizeof *s);
    uint64_t state = own_chance (77);
    int rounds = full_form ? 1500 : 60;
    int bad = 0;
    struct end end;
    int i;

    (void) argument;
    own_world ();
    for (i = 0; i <= 1; i++) {
        const char *who = i ? "with busy threads" : "with one thread";

        h->busy = i == 1;
        end = await (start (parent_of_heirs, h), 60);
        check (ended_well (end), "%s: a program that starts others ends well (it %s)", who,
               tell_end (end));
        check (ended_well (h->by_fork),
               "%s, fork and exec: handles are refused, names are found (it %s)", who,
               tell_end (h->by_fork));
        check (ended_well (h->by_vfork),
               "%s, vfork and exec: handles are refused, names are found (it %s)", who,
               tell_end (h->by_vfork));
        check (ended_well (h->by_spawn),
               "%s, posix_spawn: handles are refused, names are found (it %s)", who,
               tell_end (h->by_spawn));
        check (h->kept_good && h->destroyed == 0, "%s: the parent's handle still works", who);
        nothing_left (who);
    }
    end = await (start (becomes_daemon, h), WATCHDOG);
    check (ended_well (end) && wait_for_stage (&h->daemon_stage, 1, WATCHDOG) && h->daemon_good,
           "daemon(3): the daemon can use every function and its old handle %s", h->daemon_what);
    for (i = 0; i < 1000 && privacy != NO_WORLD && count_segments () > 0; i++)
        nap (0.005);                 /* until it has exited */
    nothing_left ("daemon(3)");
    end = run (closes_all, h);
    check (ended_well (end) && h->closed_good,
           "a program that closed all descriptors can use every function (it %s) %s",
           tell_end (end), h->closed_what);
    nothing_left ("closed descriptors");
    h->closed_good = false;
    end = run (closes_and_opens, h);
    check (ended_well (end) && h->closed_good,
           "a program that closed all descriptors keeps those that it opened since (it %s) %s",
           tell_end (end), h->closed_what);
    nothing_left ("closed and opened descriptors");
    for (i = 0; i < rounds; i++) {
        s->delay_us = (int) below (&state, 300);
        end = run (succeed, s);
        if (!ended_well (end) && bad++ < 5)
            note ("exec in a busy program: the successor %s", tell_end (end));
        if (i % 20 == 19)
            run (destroy_names_of_workers, NULL);
    }
    check (bad == 0, "exec while other threads are in the library, %d times: the successor "
           "finds name and data at once (%d did not)", rounds, bad);
    run (destroy_names_of_workers, NULL);
    nothing_left ("exec in a busy program");
}

static void test_heirs (void)
{
    run_test ("heirs", heirs_world, NULL, 300);
}

/* ---- signal handlers -------------------------------------------------------------------- */

#define SPARE 16

struct signals {
    int ready;
    int handled;                     /* how many, a stage */
    int stop;
    long by_result[3];               /* 0, EDEADLK, others */
    int other_result;
    double slowest;
    long main_rounds;
    int main_failed;
    int survivors_failed;
    bool exit_in_handler;
};

static struct signals *signals_world_of;
static SharedMemory volatile spare;

static void destroy_in_handler (int signo)
{
    struct signals *s = signals_world_of;
    int saved = errno;
    SharedMemory handle = spare;
    double begin;
    double took;
    int result;

    (void) signo;
    if (handle) {
        begin = now ();
        result = shmDestroy (handle);
        took = now () - begin;
        if (took > s->slowest)
            s->slowest = took;
        if (result == 0 || result == EINVAL)
            s->by_result[0]++;
        else if (result == EDEADLK)
            s->by_result[1]++;
        else {
            s->by_result[2]++;
            s->other_result = result;
        }
        if (result != EDEADLK)
            spare = NULL;
    }
    errno = saved;
    s->handled++;
}

static void interrupted_process (void *argument)
{
    struct signals *s = argument;
    struct sigaction action;
    uint64_t state = own_chance (5);
    volatile int idle;

    signals_world_of = s;
    be_quiet ();
    open_kept ();
    memset (&action, 0, sizeof action);
    action.sa_handler = destroy_in_handler;
    action.sa_flags = SA_RESTART;
    sigaction (SIGUSR1, &action, NULL);
    reach (&s->ready, 1);
    while (!__atomic_load_n (&s->stop, __ATOMIC_SEQ_CST)) {
        struct call c;

        /* The handler's own handle, of a name that is created anew each time. */
        if (!spare) {
            c = create ("spare", 1000);
            if (c.result != 0) {
                s->main_failed = c.result;
                break;
            }
            spare = c.handle;
        }
        c = create ("main's", 1000);
        if (c.result != 0 || shmDestroy (c.handle) != 0) {
            s->main_failed = errno;
            break;
        }
        work_create_existing (&state);
        if (s->main_rounds % 4 == 0) {
            work_save (&state);
            work_load (&state);
        }
        if (shmId (kept) != kept_id || shmSizeOf (kept) != KEPT_SIZE)
            s->main_failed = -1;
        for (idle = 0; idle < 20000; idle++)
            ;                        /* work of its own */
        s->main_rounds++;
    }
    if (spare)
        s->survivors_failed = shmDestroy (spare);
    spare = NULL;
    if (shmDestroy (kept) != 0)
        s->main_failed = errno;
    {                                /* a refused destroy may have left it */
        struct call c = create ("spare", 0);

        if (c.result == 0)
            shmDestroy (c.handle);
    }
}

static void interrupt (void *argument)
{
    struct signals *s = shared (sizeof *s);
    uint64_t state = own_chance (6);
    long wanted = full_form ? 60000 : 2500;
    long sent;
    bool answered = true;
    struct end end;
    pid_t pid;

    (void) argument;
    own_world ();
    pid = start (interrupted_process, s);
    if (!wait_for_stage (&s->ready, 1, WATCHDOG)) {
        check (false, "signal handlers: the program starts");
        return;
    }
    for (sent = 0; sent < wanted && answered && s->main_failed == 0; sent++) {
        double delay = (double) below (&state, 150) / 1e6;
        double begin;

        spin (delay);
        begin = now ();
        kill (pid, SIGUSR1);
        while (__atomic_load_n (&s->handled, __ATOMIC_SEQ_CST) <= sent && answered)
            if (now () - begin > CALL_LIMIT || s->main_failed)
                answered = false;
    }
    __atomic_store_n (&s->stop, 1, __ATOMIC_SEQ_CST);
    end = await (pid, WATCHDOG);
    check (answered && ended_well (end),
           "a signal handler destroys a handle, %ld times, anywhere in the library: the program "
           "ends well (it %s)", sent, tell_end (end));
    check (
        s->by_result[2] == 0 && s->slowest < 1,
        "in the handler a destroy works (%ld), or returns EDEADLK (%ld; others: %ld, %s); %.3f s",
        s->by_result[0], s->by_result[1], s->by_result[2], strerror (s->other_result),
        s->slowest);
    check (s->by_result[1] > 0 && s->by_result[0] > 0,
           "the handler interrupted the library as well as the program");
    check (s->main_failed == 0, "the interrupted program's own calls work, %ld rounds (%s)",
           s->main_rounds, s->main_failed > 0 ? strerror (s->main_failed) : "");
    check (s->survivors_failed == 0 || s->survivors_failed == EINVAL,
           "after EDEADLK the handle can be destroyed (%s)",
           strerror (s->survivors_failed));
    nothing_left ("signal handlers");
}

static void test_signals (void)
{
    run_test ("signal handlers", interrupt, NULL, 200);
}

/* ---- exit at any moment ----------------------------------------------------------------- */

enum way_out { EXIT_IN_HANDLER, EXIT_BESIDE_THREADS, EXIT_OF_MAIN_THREAD, CANCELLED, WAYS_OUT };

static const char *const way_out_name[] = {
    "exit(3) in a signal handler", "exit(3) while other threads are in the library",
    "the main thread ends before the others", "a thread is cancelled in the library"
};

struct leaver {
    int ready;
    enum way_out way;
    int delay_us;
    bool bad;
};

static void exit_in_handler (int signo)
{
    (void) signo;
    exit (0);
}

static void *leave_soon (void *argument)
{
    nap (*(int *) argument / 1e6);
    exit (0);
}

static void leave (void *argument)
{
    struct leaver *l = argument;
    struct worker workers[4];
    uint64_t state = own_chance (l->delay_us);
    double begin;
    pthread_t thread;
    int cancelled, i;

    be_quiet ();
    if (l->way == EXIT_IN_HANDLER)
        signal (SIGUSR1, exit_in_handler);
    open_kept ();
    switch (l->way) {
    case EXIT_IN_HANDLER:
        reach (&l->ready, 1);
        for (;;) {
            work_create_new (&state);
            work_create_existing (&state);
            if (below (&state, 8) == 0)
                work_save (&state);
        }
    case EXIT_BESIDE_THREADS:
        start_workers (workers, 4, work);
        spin (300e-6 + l->delay_us / 1e6);
        exit (0);
    case EXIT_OF_MAIN_THREAD:
        start_workers (workers, 4, work);
        if (pthread_create (&thread, NULL, leave_soon, &l->delay_us) != 0)
            _exit (1);
        pthread_exit (NULL);
    case CANCELLED:
    default:
        /* A worker that saves, loads, or makes names is cancelled; the others go on. */
        start_workers (workers, 4, work);
        cancelled = l->delay_us % 4 == 2 ? 3 : l->delay_us % 4;
        spin (200e-6 + l->delay_us / 1e6);
        pthread_cancel (workers[cancelled].thread);
        pthread_join (workers[cancelled].thread, NULL);
        if (heir_works (l->delay_us, false) != NULL)
            l->bad = true;
        enough = 1;
        for (i = 0; i < 4; i++)
            if (i != cancelled)
                pthread_join (workers[i].thread, NULL);
        /* Its handle is not left as if the save still went on. */
        begin = now ();
        if (shmDestroy (kept) != 0 || now () - begin > 5)
            l->bad = true;
        kept = NULL;
        exit (0);
    }
}

static void ends_world (void *argument)
{
    struct leaver *l = shared (sizeof *l);
    uint64_t state = own_chance (88);
    static const int quick_rounds[WAYS_OUT] = { 400, 120, 60, 120 };
    char why[200];
    int way;

    (void) argument;
    own_world ();
    for (way = 0; way < WAYS_OUT; way++) {
        int rounds = quick_rounds[way] * (full_form ? 20 : 1);
        int bad = 0;
        int blocked_after = 0;
        int i;

        for (i = 0; i < rounds; i++) {
            struct end end;
            pid_t pid;

            l->way = (enum way_out) way;
            l->bad = false;
            l->delay_us = (int) below (&state, 400);
            __atomic_store_n (&l->ready, 0, __ATOMIC_SEQ_CST);
            pid = start (leave, l);
            if (way == EXIT_IN_HANDLER) {
                wait_for_stage (&l->ready, 1, WATCHDOG);
                spin (l->delay_us / 1e6);
                kill (pid, SIGUSR1);
            }
            end = await (pid, 5);
            if ((!ended_well (end) || l->bad) && bad++ < 5)
                note ("%s: the program %s%s", way_out_name[way], tell_end (end),
                      l->bad ? ", but could not go on" : "");
            if (!library_works ("afterwards", why, sizeof why) && blocked_after++ < 5)
                note ("%s: the next program: %s", way_out_name[way], why);
            if (bad >= 5)
                break;
        }
        check (bad == 0, "%s, %d times: no process crashes or hangs (%d)", way_out_name[way],
               rounds, bad);
        check (blocked_after == 0, "%s: the lock is released, and the next program works (%d did "
               "not)", way_out_name[way], blocked_after);
        run (destroy_names_of_workers, NULL);
        nothing_left (way_out_name[way]);
        if (privacy != NO_WORLD)
            remove_everything ();
    }
}

static void test_ends (void)
{
    run_test ("ends", ends_world, NULL, 600);
}

static const struct part parts[] = {
    { "storm", test_storm }, { "namespaces", test_namespaces }, { "blocked", test_blocked },
    { "table", test_table },
    { "heirs", test_heirs }, { "signals", test_signals }, { "ends", test_ends }, { NULL, NULL }
};

static void all_fork_threads (void)
{
    if (privacy == NO_WORLD && !has_room ("fork_threads", 64))
        return;
    if (privacy == NO_WORLD)
        skip ("fork_threads: does not look for segments that are left, for want of an IPC "
              "namespace of its own");
    run_all_parts (parts);
}

int main (int argc, char **argv)
{
    const struct program program = { "fork_threads", parts, all_fork_threads, 160, 1600 };

    if (argc == 4 && strcmp (argv[1], HEIR) == 0)
        return heir_program (argv);
    if (argc == 2 && strcmp (argv[1], SUCCESSOR) == 0)
        return successor_program ();
    return run_program (&program, argc, argv);
}
