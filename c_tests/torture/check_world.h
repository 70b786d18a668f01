/*
 * check_world.h - what damage.c, users.c and fork_threads.c share.
 *
 * A "world" is an IPC name space that nobody else lives in.  A test starts processes in it,
 * lets something bad happen, and then looks at what the library made of it.  The process that
 * looks never uses the library itself, so that every process it forks is a first user.
 *
 * Each check prints one line, "ok - sentence" or "not ok - sentence"; the last line of a
 * program counts them.  Include this file first: it asks for GNU extensions.
 */
#ifndef CHECK_WORLD_H
#define CHECK_WORLD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm_util.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef SHM_DEST
#define SHM_DEST 01000
#endif
#define UNUSED __attribute__ ((unused))
#define LIKE_PRINTF(f, a) __attribute__ ((unused, format (printf, f, a)))
#define COUNT(array) (sizeof (array) / sizeof (array)[0])

/* The library waits at most 10 s for its lock; a call that takes longer than this hangs. */
#define CALL_LIMIT 12.0
/* A process that does not end within this time is killed, and that is a failure. */
#define WATCHDOG 15.0

struct tally {
    long checks, failed, skipped;
};

static struct tally *tally;          /* shared by all processes of the program */
static bool full_form;               /* full, not quick */
static uint64_t seed;
static int out_fd = 1;               /* where checks are printed, also when 1 is closed */
static char scratch[64];             /* a directory of our own, removed at the end */
static const char *only_part;        /* if set, the one part that is to be run */

/* ---- time and chance -------------------------------------------------------------------- */

UNUSED static double now (void)
{
    struct timespec t;

    clock_gettime (CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

UNUSED static void nap (double seconds)
{
    struct timespec t;

    t.tv_sec = (time_t) seconds;
    t.tv_nsec = (long) ((seconds - (double) t.tv_sec) * 1e9);
    while (nanosleep (&t, &t) != 0 && errno == EINTR)
        ;
}

/* splitmix64: each process or thread that needs chance has a state of its own. */
UNUSED static uint64_t chance (uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

UNUSED static uint64_t below (uint64_t *state, uint64_t limit)
{
    return limit == 0 ? 0 : chance (state) % limit;
}

/* ---- what is printed -------------------------------------------------------------------- */

/* One write(2) for each line, so that lines of different processes do not mix. */
UNUSED static void print_line (const char *prefix, const char *format, va_list args)
{
    char line[1200];
    int n = snprintf (line, sizeof line, "%s", prefix);
    int m = vsnprintf (line + n, sizeof line - (size_t) n - 1, format, args);
    ssize_t ignored;

    n += m < (int) sizeof line - n - 2 ? m : (int) sizeof line - n - 2;
    line[n++] = '\n';
    ignored = write (out_fd, line, (size_t) n);
    (void) ignored;
}

LIKE_PRINTF (1, 2) static void note (const char *format, ...)
{
    va_list args;

    va_start (args, format);
    print_line ("# ", format, args);
    va_end (args);
}

LIKE_PRINTF (2, 3) static bool check (bool good, const char *format, ...)
{
    va_list args;

    __atomic_fetch_add (&tally->checks, 1, __ATOMIC_SEQ_CST);
    if (!good)
        __atomic_fetch_add (&tally->failed, 1, __ATOMIC_SEQ_CST);
    va_start (args, format);
    print_line (good ? "ok - " : "not ok - ", format, args);
    va_end (args);
    return good;
}

LIKE_PRINTF (1, 2) static void skip (const char *format, ...)
{
    va_list args;

    __atomic_fetch_add (&tally->skipped, 1, __ATOMIC_SEQ_CST);
    va_start (args, format);
    print_line ("SKIP: ", format, args);
    va_end (args);
}

/* Something that the test itself needs is not to be had. */
__attribute__ ((noreturn, unused, format (printf, 1, 2)))
static void give_up (const char *format, ...)
{
    int reason = errno;
    char text[400];
    va_list args;

    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    check (false, "the test itself: %s: %s", text, strerror (reason));
    _exit (98);
}

/* ---- memory and signs between processes ------------------------------------------------- */

UNUSED static void *shared (size_t size)
{
    void *p = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        give_up ("mmap of %zu bytes", size);
    return p;
}

/* A stage is an int in shared memory that only grows. */
UNUSED static void reach (int *stage, int value)
{
    int seen = __atomic_load_n (stage, __ATOMIC_SEQ_CST);

    while (seen < value
           && !__atomic_compare_exchange_n (stage, &seen, value, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST))
        ;
    syscall (SYS_futex, stage, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

UNUSED static bool wait_for_stage (int *stage, int value, double seconds)
{
    double end = now () + seconds;

    for (;;) {
        int seen = __atomic_load_n (stage, __ATOMIC_SEQ_CST);
        double left = end - now ();
        struct timespec t;

        if (seen >= value)
            return true;
        if (left <= 0)
            return false;
        t.tv_sec = (time_t) left;
        t.tv_nsec = (long) ((left - (double) t.tv_sec) * 1e9);
        syscall (SYS_futex, stage, FUTEX_WAIT, seen, &t, NULL, 0);
    }
}

/* ---- processes -------------------------------------------------------------------------- */

/* The child dies with its parent, and ends by exit(3), so that the library's own tidying up
 * at exit happens.  Nothing here is printed through stdio, so there is nothing to flush twice. */
UNUSED static pid_t start (void (*body) (void *), void *argument)
{
    pid_t parent = getpid ();
    pid_t pid = fork ();

    if (pid < 0)
        give_up ("fork");
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        if (getppid () != parent)
            _exit (97);
        body (argument);
        exit (0);
    }
    return pid;
}

/* After a change of user the kernel forgets this wish. */
UNUSED static void die_with_parent (void)
{
    prctl (PR_SET_PDEATHSIG, SIGKILL);
}

enum how { ENDED, CRASHED, HUNG };

struct end {
    enum how how;
    int code;                        /* the exit status, or the signal */
};

/* Waits for a child; one that takes too long is killed.  No alarm(2) in the child is relied
 * on: a library may block signals. */
UNUSED static struct end await (pid_t pid, double seconds)
{
    struct end end = { HUNG, 0 };
    double limit = now () + seconds;
    int status = 0;
    int fd = (int) syscall (SYS_pidfd_open, pid, 0);
    pid_t got = 0;

    for (;;) {
        double left = limit - now ();

        got = waitpid (pid, &status, WNOHANG);
        if (got != 0 || left <= 0)
            break;
        if (fd >= 0) {
            struct pollfd p = { fd, POLLIN, 0 };

            poll (&p, 1, (int) (left * 1000) + 1);
        } else
            nap (0.0005);
    }
    if (fd >= 0)
        close (fd);
    if (got == 0) {
        kill (pid, SIGKILL);
        waitpid (pid, &status, 0);
        return end;
    }
    if (got == pid && WIFEXITED (status)) {
        end.how = ENDED;
        end.code = WEXITSTATUS (status);
    } else {
        end.how = CRASHED;
        end.code = got == pid && WIFSIGNALED (status) ? WTERMSIG (status) : -1;
    }
    return end;
}

UNUSED static const char *tell_end (struct end end)
{
    static char text[80];

    if (end.how == HUNG)
        return "hung and was killed";
    snprintf (text, sizeof text, end.how == ENDED ? "ended with status %d" : "died of signal %d",
              end.code);
    return text;
}

UNUSED static bool ended_well (struct end end)
{
    return end.how == ENDED && end.code == 0;
}

/* Starts a body, waits for it and says whether it ended by itself with status 0. */
UNUSED static struct end run (void (*body) (void *), void *argument)
{
    return await (start (body, argument), WATCHDOG);
}

/* ---- a name space of one's own ---------------------------------------------------------- */

enum privacy { SHARED_WORLD, ROOTS_WORLD, USERS_WORLD };

static enum privacy privacy;

UNUSED static bool write_text (const char *path, const char *text)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);

    if (fd >= 0)
        close (fd);
    return good;
}

UNUSED static bool write_number (const char *path, unsigned long number)
{
    char text[32];

    snprintf (text, sizeof text, "%lu", number);
    return write_text (path, text);
}

UNUSED static unsigned long read_number (const char *path)
{
    char text[64] = "";
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close (fd);
    return n > 0 ? strtoul (text, NULL, 10) : 0;
}

/* Once, at the start: says which kind of privacy there is. */
UNUSED static void leave_the_common_world (void)
{
    const char *wanted = getenv ("SHM_UTIL_TESTS_ISOLATE");
    char map[64];
    uid_t uid = geteuid ();
    gid_t gid = getegid ();

    privacy = SHARED_WORLD;
    if (wanted && strcmp (wanted, "no") == 0)
        ;
    else if (unshare (CLONE_NEWIPC) == 0)
        privacy = ROOTS_WORLD;
    else if (unshare (CLONE_NEWUSER | CLONE_NEWIPC) == 0) {
        write_text ("/proc/self/setgroups", "deny");
        snprintf (map, sizeof map, "0 %u 1", (unsigned) uid);
        write_text ("/proc/self/uid_map", map);
        snprintf (map, sizeof map, "0 %u 1", (unsigned) gid);
        write_text ("/proc/self/gid_map", map);
        privacy = USERS_WORLD;
    }
    note ("%s, seed %llu, %s", full_form ? "full form" : "quick form",
          (unsigned long long) seed,
          privacy == ROOTS_WORLD ? "in an IPC name space of its own"
          : privacy == USERS_WORLD ? "in an IPC name space of its own, as an ordinary user"
          : "in the common IPC name space, for want of privileges");
}

/* A new world for the calling process and the children that it will have.  Old worlds are
 * freed in the background, so for a moment there may be no room for another. */
UNUSED static void new_world (void)
{
    int tries;

    for (tries = 0; tries < 200; tries++) {
        if (unshare (CLONE_NEWIPC) == 0)
            return;
        if (errno != ENOSPC && errno != ENOMEM)
            break;
        nap (0.02);
    }
    give_up ("unshare");
}

/* ---- the segments of this world --------------------------------------------------------- */

struct segment {
    int id;
    key_t key;
    struct shmid_ds ds;
};

UNUSED static int list_segments (struct segment *list, int room)
{
    struct shm_info info;
    int top;
    int index;
    int n = 0;

    /* Among the segments of other programs ours cannot be told from theirs. */
    if (privacy == SHARED_WORLD)
        give_up ("segments are listed that may be other programs'");
    top = shmctl (0, SHM_INFO, (struct shmid_ds *) (void *) &info);
    for (index = 0; index <= top && n < room; index++) {
        struct shmid_ds ds;
        int id = shmctl (index, SHM_STAT_ANY, &ds);

        if (id < 0)
            id = shmctl (index, SHM_STAT, &ds);
        if (id < 0)
            continue;
        list[n].id = id;
        list[n].key = ds.shm_perm.__key;
        list[n].ds = ds;
        n++;
    }
    return n;
}

UNUSED static int count_segments (void)
{
    static struct segment list[8192];

    return list_segments (list, (int) COUNT (list));
}

/* The library's registry, by what its keys look like; -1 if there is none. */
UNUSED static int find_registry_of (uid_t owner, struct shmid_ds *ds)
{
    static struct segment list[8192];
    int n = list_segments (list, (int) COUNT (list));
    int i;

    for (i = 0; i < n; i++)
        if (((uint32_t) list[i].key & 0xC0000000u) == 0x80000000u
            && (owner == (uid_t) -1 || list[i].ds.shm_perm.cuid == owner)
            && !(list[i].ds.shm_perm.mode & SHM_DEST)) {
            if (ds)
                *ds = list[i].ds;
            return list[i].id;
        }
    return -1;
}

UNUSED static int find_registry (struct shmid_ds *ds)
{
    return find_registry_of ((uid_t) -1, ds);
}

UNUSED static bool segment_exists (int id)
{
    struct shmid_ds ds;

    return id >= 0 && shmctl (id, IPC_STAT, &ds) == 0 && !(ds.shm_perm.mode & SHM_DEST);
}

UNUSED static void remove_everything (void)
{
    static struct segment list[8192];
    int n = list_segments (list, (int) COUNT (list));

    while (n-- > 0)
        shmctl (list[n].id, IPC_RMID, NULL);
}

/* ---- strangers: segments of other programs, which nobody may touch ---------------------- */

#define STRANGERS 5
#define STRANGER_SIZE 4096

struct strangers {
    int id[STRANGERS];
    struct shmid_ds before[STRANGERS];
};

UNUSED static void fill_pattern (void *p, size_t size, unsigned salt)
{
    unsigned char *byte = p;
    size_t i;

    for (i = 0; i < size; i++)
        byte[i] = (unsigned char) (i * 7 + salt * 31 + (i >> 8));
}

UNUSED static bool has_pattern (const void *p, size_t size, unsigned salt)
{
    const unsigned char *byte = p;
    size_t i;

    for (i = 0; i < size; i++)
        if (byte[i] != (unsigned char) (i * 7 + salt * 31 + (i >> 8)))
            return false;
    return true;
}

UNUSED static bool is_zero (const void *p, size_t size)
{
    const unsigned char *byte = p;
    size_t i;

    for (i = 0; i < size; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

/* The last one has a key such as the library's own segments have. */
UNUSED static void make_strangers (struct strangers *s)
{
    static const key_t keys[STRANGERS] =
        { IPC_PRIVATE, 0x1234, 0x41020304, IPC_PRIVATE, (key_t) 0xC0000001 };
    static const int modes[STRANGERS] = { 0600, 0666, 0600, 0660, 0660 };
    int i;

    for (i = 0; i < STRANGERS; i++) {
        void *p;

        s->id[i] = shmget (keys[i], STRANGER_SIZE, IPC_CREAT | IPC_EXCL | modes[i]);
        p = s->id[i] < 0 ? (void *) -1 : shmat (s->id[i], NULL, 0);
        if (p == (void *) -1)
            give_up ("a stranger's segment");
        fill_pattern (p, STRANGER_SIZE, (unsigned) i + 100);
        shmdt (p);                   /* a fork would change the state of one that is mapped */
    }
    for (i = 0; i < STRANGERS; i++)
        if (shmctl (s->id[i], IPC_STAT, &s->before[i]) != 0)
            give_up ("IPC_STAT of a stranger's segment");
}

UNUSED static bool same_state (const struct shmid_ds *a, const struct shmid_ds *b)
{
    return a->shm_nattch == b->shm_nattch && a->shm_atime == b->shm_atime
        && a->shm_dtime == b->shm_dtime && a->shm_ctime == b->shm_ctime
        && a->shm_lpid == b->shm_lpid && a->shm_cpid == b->shm_cpid
        && a->shm_segsz == b->shm_segsz && a->shm_perm.__key == b->shm_perm.__key
        && a->shm_perm.mode == b->shm_perm.mode && a->shm_perm.uid == b->shm_perm.uid
        && a->shm_perm.gid == b->shm_perm.gid;
}

/* NULL if nobody touched them, else what happened.  To be called by the one who made them,
 * and once: looking at the contents changes lpid and atime. */
UNUSED static const char *strangers_hurt (const struct strangers *s)
{
    const char *hurt = NULL;
    int i;

    for (i = 0; i < STRANGERS && !hurt; i++) {
        struct shmid_ds ds;
        void *p;

        if (shmctl (s->id[i], IPC_STAT, &ds) != 0 || (ds.shm_perm.mode & SHM_DEST)) {
            hurt = "a stranger's segment was removed";
            break;
        }
        if (ds.shm_nattch != s->before[i].shm_nattch)
            hurt = "a stranger's segment is mapped";
        else if (ds.shm_lpid != s->before[i].shm_lpid
                 || ds.shm_atime != s->before[i].shm_atime)
            hurt = "a stranger's segment was mapped";
        else if (!same_state (&ds, &s->before[i]))
            hurt = "a stranger's segment was changed by IPC_SET";
        p = shmat (s->id[i], NULL, SHM_RDONLY);
        if (p == (void *) -1)
            give_up ("attach a stranger's segment");
        if (!has_pattern (p, STRANGER_SIZE, (unsigned) i + 100))
            hurt = "a stranger's segment was written";
        shmdt (p);
    }
    return hurt;
}

UNUSED static bool is_stranger (const struct strangers *s, int id)
{
    int i;

    for (i = 0; i < STRANGERS; i++)
        if (s->id[i] == id)
            return true;
    return false;
}

/* ---- what the library says on stderr ---------------------------------------------------- */

UNUSED static int open_messages (void)
{
    int fd = memfd_create ("messages", MFD_CLOEXEC);

    if (fd < 0)
        give_up ("memfd_create");
    return fd;
}

/* In the process whose messages shall be kept. */
UNUSED static void keep_messages (int fd)
{
    if (dup2 (fd, 2) < 0)
        give_up ("dup2");
}

UNUSED static const char *read_messages (int fd, char *text, size_t room)
{
    ssize_t n = pread (fd, text, room - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* A message is useful if it names the segment that is wrong and the command that helps. */
UNUSED static bool says_what_to_do (const char *text, int registry)
{
    char id[16];

    snprintf (id, sizeof id, "%d", registry);
    return strstr (text, "ipcrm") != NULL && strstr (text, id) != NULL;
}

UNUSED static const char *first_line (const char *text)
{
    static char line[300];
    size_t n = strcspn (text, "\n");

    if (n >= sizeof line)
        n = sizeof line - 1;
    memcpy (line, text, n);
    line[n] = '\0';
    return line;
}

/* ---- calls, with what came of them ------------------------------------------------------ */

struct call {
    int result;                      /* 0 or errno; -1: not called */
    int id;
    long size;
    double seconds;
    void *address;
    SharedMemory handle;
};

UNUSED static struct call create (const char *name, long size)
{
    struct call c;
    double begin = now ();

    memset (&c, 0, sizeof c);
    c.result = shmCreate (name, size, &c.address, &c.handle);
    c.seconds = now () - begin;
    c.id = c.result == 0 ? shmId (c.handle) : -1;
    c.size = c.result == 0 ? shmSizeOf (c.handle) : -1;
    return c;
}

UNUSED static struct call destroy (SharedMemory handle)
{
    struct call c;
    double begin = now ();

    memset (&c, 0, sizeof c);
    c.id = -1;
    c.result = shmDestroy (handle);
    c.seconds = now () - begin;
    return c;
}

/* A process that has never used the library makes a name, writes, and destroys it: 0 if all
 * of it works within a second, else what did not. */
struct proof {
    const char *name;
    int result;
    char what[40];
    double seconds;
};

UNUSED static void prove (void *argument)
{
    struct proof *proof = argument;
    struct call c = create (proof->name, 5000);

    strcpy (proof->what, "create");
    proof->seconds = c.seconds;
    proof->result = c.result;
    if (c.result != 0)
        return;
    if (!c.address || c.size < 5000)
        proof->result = -2;
    else
        fill_pattern (c.address, 5000, 1);
    strcpy (proof->what, "destroy");
    c = destroy (c.handle);
    proof->seconds += c.seconds;
    if (proof->result == 0)
        proof->result = c.result;
}

UNUSED static bool library_works (const char *name, char *why, size_t room)
{
    struct proof *proof = shared (sizeof *proof);
    struct end end;
    bool good;

    proof->name = name;
    proof->result = -1;
    end = run (prove, proof);
    good = ended_well (end) && proof->result == 0 && proof->seconds < 1.0;
    if (!ended_well (end))
        snprintf (why, room, "the process %s in %s", tell_end (end), proof->what);
    else if (proof->result != 0)
        snprintf (why, room, "%s: %s", proof->what,
                  proof->result < 0 ? "wrong size or address" : strerror (proof->result));
    else
        snprintf (why, room, "%.3f s", proof->seconds);
    munmap (proof, sizeof *proof);
    return good;
}

/* ---- the program as a whole ------------------------------------------------------------- */

UNUSED static int remove_entry (const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void) s;
    (void) type;
    (void) f;
    return remove (path);
}

/* Orphans of our children become our children; none outlives us. */
UNUSED static void kill_strays (void)
{
    int round;

    for (round = 0; round < 50; round++) {
        char text[4096] = "";
        char path[64];
        char *p = text;
        int fd;
        ssize_t n;

        while (waitpid (-1, NULL, WNOHANG) > 0)
            ;
        snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
        fd = open (path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        n = read (fd, text, sizeof text - 1);
        close (fd);
        if (n <= 0)
            return;
        for (;;) {
            char *end;
            long pid = strtol (p, &end, 10);

            if (end == p)
                break;
            if (pid > 1)
                kill ((pid_t) pid, SIGKILL);
            p = end;
        }
        nap (0.01);
    }
}

static volatile sig_atomic_t told_to_stop;

UNUSED static void stop_asked (int signo)
{
    told_to_stop = signo;
}

UNUSED static void body_of_program (void *argument)
{
    void (**body) (void) = argument;

    signal (SIGINT, SIG_DFL);
    signal (SIGTERM, SIG_DFL);
    signal (SIGHUP, SIG_DFL);
    (*body) ();
    _exit (0);
}

/* One part of a program, with the time that it took. */
UNUSED static void part (const char *what, void (*test) (void))
{
    double begin = now ();

    if (only_part && strcmp (only_part, what) != 0)
        return;
    test ();
    note ("%s: %.1f s", what, now () - begin);
}

/* What went to stderr and was not looked at may explain a failure. */
UNUSED static void tell_last_words (int fd)
{
    char text[3000];
    off_t size = lseek (fd, 0, SEEK_END);
    off_t from = size > (off_t) sizeof text - 1 ? size - (off_t) sizeof text + 1 : 0;
    ssize_t n = pread (fd, text, sizeof text - 1, from);
    char *line;
    char *rest = NULL;

    text[n > 0 ? n : 0] = '\0';
    for (line = strtok_r (text, "\n", &rest); line; line = strtok_r (NULL, "\n", &rest))
        note ("stderr: %s", line);
}

/* The program's main: `program [quick|full] [seed] [part]`.  The tests run in a child, so that
 * what they leave is cleared away also if they crash or are interrupted. */
UNUSED static int run_program (const char *name, int argc, char **argv, void (*body) (void),
                               double quick_limit, double full_limit)
{
    const char *tmp = getenv ("TMPDIR");
    double end;
    struct sigaction stop;
    int status = 0;
    pid_t pid;
    pid_t got;
    int words;
    int i;

    seed = (uint64_t) time (NULL);
    for (i = 1; i < argc; i++) {
        if (strcmp (argv[i], "full") == 0)
            full_form = true;
        else if (strcmp (argv[i], "quick") == 0)
            full_form = false;
        else if (argv[i][0] >= '0' && argv[i][0] <= '9')
            seed = strtoull (argv[i], NULL, 0);
        else if (argv[i][0] >= 'a' && argv[i][0] <= 'z')
            only_part = argv[i];
        else {
            fprintf (stderr, "usage: %s [quick|full] [seed] [part]\n", name);
            return 2;
        }
    }
    end = now () + (full_form ? full_limit : quick_limit);
    tally = shared (sizeof *tally);
    out_fd = fcntl (1, F_DUPFD_CLOEXEC, 1100);
    if (out_fd < 0)
        out_fd = fcntl (1, F_DUPFD_CLOEXEC, 100);
    if (out_fd < 0)
        out_fd = 1;
    snprintf (scratch, sizeof scratch, "%.30s/shm_torture.XXXXXX",
              tmp && strlen (tmp) < 30 ? tmp : "/tmp");
    if (!mkdtemp (scratch))
        give_up ("mkdtemp %s", scratch);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    memset (&stop, 0, sizeof stop);
    stop.sa_handler = stop_asked;
    sigaction (SIGINT, &stop, NULL);
    sigaction (SIGTERM, &stop, NULL);
    sigaction (SIGHUP, &stop, NULL);
    unsetenv ("NOB_DATABASE");
    setenv ("SHM_UTIL_SYNC", "0", 1);
    setenv ("APERROR_PRINT", "1", 1);

    words = open_messages ();        /* many errors are provoked */
    fcntl (words, F_SETFL, O_APPEND);
    keep_messages (words);
    pid = start (body_of_program, &body);
    do {
        got = waitpid (pid, &status, WNOHANG);
        if (got == 0)
            nap (0.02);
    } while (got == 0 && !told_to_stop && now () < end);
    if (got == 0) {
        kill (pid, SIGKILL);
        waitpid (pid, &status, 0);
        check (false, "the program ends by itself (%s)",
               told_to_stop ? "interrupted" : "it took too long");
    } else if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        check (false, "the program runs to its end (%s %d)",
               WIFSIGNALED (status) ? "signal" : "status",
               WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
    kill_strays ();
    if (tally->failed != 0)
        tell_last_words (words);
    nftw (scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    dprintf (out_fd, "%s: checks=%ld failed=%ld skipped=%ld\n", name, tally->checks,
             tally->failed, tally->skipped);
    return tally->failed != 0;
}

#endif
