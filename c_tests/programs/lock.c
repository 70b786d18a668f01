/* The lock of a registry: whose death or misfortune delays others, and for how long. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STAY "c_tests/lock, stays"
#define BUSY "c_tests/lock, busy"
#define OTHER "c_tests/lock, other"
#define SIZE 4096L
#define THREAD 0x3fffffffu      /* the bits of the lock word with the holder's thread id */
#define PATIENCE 10.0           /* how long a call waits, in seconds */
#define ATTEMPTS 20000

static volatile unsigned *lock_word;

/* What processes tell each other. */
struct news {
    volatile int stopped;
    volatile int status;
};

static struct news *news;

static double now (void)
{
    struct timespec time;

    clock_gettime (CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void use_lock_for_ever (void)
{
    SharedMemory memory;

    for (;;) {
        if (shmCreate (BUSY, SIZE, NULL, &memory) == 0) {
            shmDestroy (memory);
        }
    }
}

static void *be_busy (void *unused)
{
    use_lock_for_ever ();
    return unused;
}

/* A call that needs the lock. */
static int create_and_destroy (void)
{
    SharedMemory memory = NULL;
    int status = shmCreate (OTHER, SIZE, NULL, &memory);

    return status == 0 ? shmDestroy (memory) : status;
}

/* Attaches the registry of this test's namespace. */
static void *find_registry (void)
{
    int made[16];
    int count = check_made (made, 16);
    int i;

    for (i = 0; i < count; i++) {
        void *bytes = shmat (made[i], NULL, 0);

        if (bytes == (void *) -1) {
            continue;
        }
        if (memcmp (bytes, "shm_util", 8) == 0) {
            return bytes;
        }
        shmdt (bytes);
    }
    return NULL;
}

/* Stops a process that uses the lock at a moment when it holds it. */
static int stop_as_holder (pid_t process)
{
    int status;
    int i;

    for (i = 0; i < ATTEMPTS; i++) {
        kill (process, SIGSTOP);
        if (waitpid (process, &status, WUNTRACED) != process || !WIFSTOPPED (status)) {
            return 0;
        }
        if ((*lock_word & THREAD) != 0) {
            return 1;
        }
        kill (process, SIGCONT);
        usleep (50 + (unsigned) i % 200);
    }
    return 0;
}

/* ---- processes that end, but not at once ---------------------------------------- */

static void become_another_program (int signal)
{
    (void) signal;
    execlp ("sleep", "sleep", "100", (char *) NULL);
    _exit (1);
}

static void run_worker_and_wait (void)
{
    pthread_t worker;

    pthread_create (&worker, NULL, be_busy, NULL);
    for (;;) {
        pause ();
    }
}

static void signal_holder (pid_t process, int number)
{
    syscall (SYS_tgkill, process, (pid_t) (*lock_word & THREAD), number);
    kill (process, SIGCONT);
}

/* The kernel gives a thread that calls execve the id of the first one before it looks for locks
 * that hold its id. */
static void exec_in_another_thread (void)
{
    pid_t child = check_fork ();
    double begun;

    if (child == 0) {
        signal (SIGHUP, become_another_program);
        run_worker_and_wait ();
    }
    CHECK ("a worker thread was stopped as holder of the lock", stop_as_holder (child));
    begun = now ();
    signal_holder (child, SIGHUP);
    CHECK ("after execve in a handler that interrupted it, the lock is taken over",
           create_and_destroy () == 0);
    CHECK ("that does not take as long as a stopped process may", now () - begun < PATIENCE / 2);
    check_kill (child);
}

/* As if a holder had been replaced by execve, and the kernel had given its id to a new process
 * before anyone needed the lock. */
static void id_of_another_process (void)
{
    pid_t child = check_fork ();
    double begun;

    if (child == 0) {
        become_another_program (0);
    }
    usleep (100000);
    CHECK ("the word beside the lock says in which PID namespace it was held", lock_word[1] != 0);
    *lock_word = (unsigned) child;
    begun = now ();
    CHECK ("the lock is taken over if a process without the registry has its holder's id",
           create_and_destroy () == 0);
    CHECK ("that does not take as long as a stopped process may", now () - begun < PATIENCE / 2);
    check_kill (child);
}

static int is_dumping (pid_t process)
{
    char line[200];
    int dumping = 0;
    FILE *status = fopen (check_text ("/proc/%d/status", (int) process), "r");

    while (status != NULL && fgets (line, sizeof line, status) != NULL) {
        if (strncmp (line, "CoreDumping:\t1", 14) == 0) {
            dumping = 1;
        }
    }
    if (status != NULL) {
        fclose (status);
    }
    return dumping;
}

static void crash_with_much_memory (size_t size)
{
    struct rlimit unlimited;
    void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    unlimited.rlim_cur = RLIM_INFINITY;
    unlimited.rlim_max = RLIM_INFINITY;
    if (memory == MAP_FAILED || setrlimit (RLIMIT_CORE, &unlimited) != 0
        || chdir (check_path (".")) != 0) {
        _exit (3);
    }
    memset (memory, 0x5a, size);
    run_worker_and_wait ();
}

/* Returns 1 if the call returned before the dump was over, 0 if not, -1 if there was no dump. */
static int call_beside_core_dump (size_t size)
{
    pid_t child = check_fork ();
    int status = 0;
    int early;
    int i;

    if (child == 0) {
        crash_with_much_memory (size);
    }
    while (waitpid (child, &status, WNOHANG) == 0 && (*lock_word & THREAD) == 0) {
        usleep (1000);
    }
    if (!stop_as_holder (child)) {
        return -1;
    }
    signal_holder (child, SIGABRT);
    for (i = 0; i < 2000 && !is_dumping (child); i++) {
        if (waitpid (child, &status, WNOHANG) != 0) {
            return -1;
        }
        usleep (100);
    }
    CHECK ("while a core is dumped, the lock is taken over", create_and_destroy () == 0);
    early = is_dumping (child);
    check_kill (child);
    return early;
}

static void core_dump (void)
{
    size_t size = 64 << 20;
    int early;

    /* A larger dump on a machine that writes faster. */
    do {
        early = call_beside_core_dump (size);
        size *= 2;
    } while (early == 0 && size <= (size_t) 1 << 30);
    if (early == -1) {
        check_skip ("no core is dumped: nobody waits for the end of a dump");
    } else {
        CHECK ("nobody waits for the end of the dump", early);
    }
}

/* ---- processes that are stopped --------------------------------------------------- */

#define THREADS 3

struct waiter {
    pthread_t thread;
    char name[40];
    int status;
    double seconds;
};

static void *wait_for_lock (void *argument)
{
    struct waiter *waiter = argument;
    SharedMemory memory;
    double begun = now ();

    waiter->status = shmCreate (waiter->name, SIZE, NULL, &memory);
    waiter->seconds = now () - begun;
    return NULL;
}

static void do_nothing (void)
{
}

static void wait_in_parallel (void)
{
    struct waiter waiters[THREADS];
    double begun;
    int i;

    for (i = 0; i < THREADS; i++) {
        sprintf (waiters[i].name, "%s %d", OTHER, i);
        pthread_create (&waiters[i].thread, NULL, wait_for_lock, &waiters[i]);
    }
    usleep (200000);
    begun = now ();
    CHECK ("a fork beside waiting calls succeeds", check_child (do_nothing) == 0);
    CHECK ("a fork does not wait for calls that wait", now () - begun < PATIENCE / 2);
    for (i = 0; i < THREADS; i++) {
        pthread_join (waiters[i].thread, NULL);
        CHECK ("a call that waits for a stopped process fails with ETIMEDOUT",
               waiters[i].status == ETIMEDOUT);
        CHECK ("it does not wait for its siblings' waits, too", waiters[i].seconds < 2 * PATIENCE);
    }
}

static void stopped_holder (void)
{
    pid_t child = check_fork ();
    void *address = NULL;
    SharedMemory memory = NULL;

    if (child == 0) {
        use_lock_for_ever ();
    }
    CHECK ("a process was stopped as holder of the lock", stop_as_holder (child));
    CHECK ("a segment that exists is attached without the lock",
           shmCreate (STAY, 0, &address, &memory) == 0);
    CHECK ("it is detached without the lock", shmDestroy (memory) == 0);
    CHECK ("threads wait at the same time", check_child (wait_in_parallel) == 0);
    check_kill (child);
    CHECK ("after the death of the stopped process, calls succeed", create_and_destroy () == 0);
}

/* ---- PID namespaces ----------------------------------------------------------------- */

/* Runs a function as process 1 of a new PID namespace, which ends with this process. Exits with
 * 77 if the system allows none. */
static void run_in_pid_namespace (void (*body) (void))
{
    pid_t first;

    if (unshare (CLONE_NEWPID) != 0) {
        _exit (77);
    }
    first = fork ();
    if (first == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        body ();
        _exit (0);
    }
    waitpid (first, NULL, 0);
    _exit (0);
}

/* The holder is process 2 of its namespace. */
static void stop_child_as_holder (void)
{
    pid_t child = fork ();

    if (child == 0) {
        use_lock_for_ever ();
    }
    news->stopped = stop_as_holder (child) ? 1 : -1;
    for (;;) {
        pause ();
    }
}

/* So is the waiter. */
static void let_child_wait (void)
{
    pid_t child = fork ();

    if (child == 0) {
        news->status = create_and_destroy ();
        _exit (0);
    }
    waitpid (child, NULL, 0);
}

/* The holder becomes another program, as in exec_in_another_thread. */
static void let_child_exec_as_holder (void)
{
    pid_t child = fork ();

    if (child == 0) {
        signal (SIGHUP, become_another_program);
        run_worker_and_wait ();
    }
    news->stopped = stop_as_holder (child) ? 1 : -1;
    signal_holder (child, SIGHUP);
    for (;;) {
        pause ();
    }
}

static void exec_in_pid_namespace (void)
{
    pid_t other = check_fork ();
    double begun = now ();

    news->stopped = 0;
    if (other == 0) {
        run_in_pid_namespace (let_child_exec_as_holder);
    }
    while (news->stopped == 0 && now () - begun < 300) {
        usleep (1000);
    }
    CHECK ("a worker thread in another PID namespace was stopped as holder", news->stopped == 1);
    begun = now ();
    CHECK ("if it then calls execve, the lock is taken over from the PID namespace above",
           create_and_destroy () == 0);
    CHECK ("that does not take as long as a stopped process may, either",
           now () - begun < PATIENCE / 2);
    check_kill (other);
}

static void hold_in_pid_namespace (void)
{
    run_in_pid_namespace (stop_child_as_holder);
}

static void wait_in_pid_namespace (void)
{
    run_in_pid_namespace (let_child_wait);
}

static void pid_namespaces (void)
{
    pid_t holder = check_fork ();
    pid_t waiter;

    if (holder == 0) {
        hold_in_pid_namespace ();
    }
    while (news->stopped == 0 && waitpid (holder, NULL, WNOHANG) == 0) {
        usleep (1000);
    }
    if (news->stopped == 0) {
        check_skip ("no PID namespace can be made: nobody waits for a holder in another one");
        return;
    }
    CHECK ("a process in another PID namespace was stopped as holder", news->stopped == 1);
    waiter = check_fork ();
    if (waiter == 0) {
        wait_in_pid_namespace ();
    }
    CHECK ("a holder in another PID namespace is not taken for dead",
           create_and_destroy () == ETIMEDOUT);
    check_wait (waiter);
    CHECK ("a process with the same id in a third PID namespace waits, too",
           news->status == ETIMEDOUT);
    check_kill (holder);
    CHECK ("when its PID namespace ends, calls succeed", create_and_destroy () == 0);
    exec_in_pid_namespace ();
}

/* ---- sandboxes ------------------------------------------------------------------------ */

static pthread_mutex_t *own_mutex;

static void die_with_own_mutex (void)
{
    SharedMemory memory;

    if (!check_refuse (SYS_get_robust_list, EPERM)) {
        _exit (77);
    }
    if (shmCreate (BUSY, SIZE, NULL, &memory) != 0) {
        _exit (1);
    }
    shmDestroy (memory);
    pthread_mutex_lock (own_mutex);
    kill (getpid (), SIGKILL);
}

static void sandbox (void)
{
    pthread_mutexattr_t attributes;
    struct timespec limit;
    pid_t child;
    int status;

    own_mutex = check_shared (sizeof *own_mutex);
    pthread_mutexattr_init (&attributes);
    pthread_mutexattr_setpshared (&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust (&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init (own_mutex, &attributes);
    status = check_child (die_with_own_mutex);
    if (status == 77) {
        check_skip ("no seccomp filter can be installed: get_robust_list is not refused");
        return;
    }
    clock_gettime (CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    CHECK ("where get_robust_list is refused, calls work", status == 128 + SIGKILL);
    CHECK ("the program's own robust mutexes stay robust",
           pthread_mutex_timedlock (own_mutex, &limit) == EOWNERDEAD);

    child = check_fork ();
    if (child == 0) {
        check_refuse (SYS_get_robust_list, EPERM);
        use_lock_for_ever ();
    }
    CHECK ("a process in a sandbox was stopped as holder", stop_as_holder (child));
    check_kill (child);
    CHECK ("after its death the lock is taken over", create_and_destroy () == 0);
}

/* ---- priorities ------------------------------------------------------------------------ */

#define COMPUTING 4.0 /* seconds */
#define TRIES 6

/* Not the process that tests: it would have to wait for the others. */
static int use_one_processor (void)
{
    cpu_set_t allowed;
    cpu_set_t one;
    int i = 0;

    if (sched_getaffinity (0, sizeof allowed, &allowed) != 0) {
        return -1;
    }
    while (i < CPU_SETSIZE && !CPU_ISSET (i, &allowed)) {
        i++;
    }
    CPU_ZERO (&one);
    CPU_SET (i, &one);
    return sched_setaffinity (0, sizeof one, &one);
}

static int get_priority (int priority)
{
    struct sched_param parameter;

    if (use_one_processor () != 0) {
        return -1;
    }
    memset (&parameter, 0, sizeof parameter);
    parameter.sched_priority = priority;
    return sched_setscheduler (0, SCHED_FIFO, &parameter);
}

/* The holder runs at the lowest priority, and others keep it off the processor. */
static void call_at_high_priority (int number)
{
    pid_t low = check_fork ();
    pid_t high;
    pid_t medium;
    double end;

    if (low == 0) {
        get_priority (10);
        use_lock_for_ever ();
    }
    high = check_fork ();
    if (high == 0) {
        double begun;

        get_priority (90);
        usleep (30000 + (unsigned) number * 13);
        begun = now ();
        _exit (create_and_destroy () != 0 ? 1 : now () - begun > COMPUTING / 2 ? 2 : 0);
    }
    medium = check_fork ();
    if (medium == 0) {
        get_priority (50);
        usleep (20000 + (unsigned) number * 13);
        end = now () + COMPUTING;
        while (now () < end) {
        }
        _exit (0);
    }
    CHECK ("a call at a high priority does not wait for a thread of a lower one that computes",
           check_wait (high) == 0);
    check_kill (medium);
    check_kill (low);
}

static void try_priority (void)
{
    _exit (get_priority (1) == 0 ? 0 : 1);
}

static void priorities (void)
{
    int i;

    if (check_child (try_priority) != 0) {
        check_skip ("real-time priorities are not allowed: none is lent");
        return;
    }
    for (i = 0; i < TRIES; i++) {
        call_at_high_priority (i);
    }
}

int main (void)
{
    SharedMemory stays;
    void *registry;

    check_start ();
    news = check_shared (sizeof *news);
    stays = check_create (STAY, SIZE);
    registry = find_registry ();
    CHECK ("the registry can be read", registry != NULL);
    if (registry == NULL) {
        return check_done ();
    }
    lock_word = (volatile unsigned *) (void *) ((char *) registry + 16);
    exec_in_another_thread ();
    id_of_another_process ();
    if (getenv ("UNDER_VALGRIND") == NULL && !WITH_ADDRESS_SANITIZER) {
        core_dump ();
        sandbox ();
        /* A semaphore lends no priority: see "Where the lock is a semaphore" in
         * docs/registry-format.md. */
        if ((lock_word[-2] & 0x100) == 0) {
            priorities ();
        }
    }
    stopped_holder ();
    pid_namespaces ();
    shmxRemove (BUSY);
    /* The processes of a PID namespace end a moment after the one that made it. */
    while (check_attached (shmId (stays)) > 1) {
        usleep (1000);
    }
    CHECK ("the last segment is destroyed", shmDestroy (stays) == 0);
    shmdt (registry);
    return check_done ();
}
