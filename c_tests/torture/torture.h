/* What the torture tests share: an IPC name space of their own, lists of System V segments,
   clocks, a random generator that a seed repeats, and death with dignity.

   How the tests tell what they see: the library's registry (the table of names) is a segment of
   mode 0600, or 0700 while it is being born, as long as NOB_DATABASE is not set; every segment
   that has a name has mode 0660. The tests unset NOB_DATABASE.

   All functions are static and inline, so that a program may use a few of them only. */

#ifndef TORTURE_H
#define TORTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef SHM_DEST
#define SHM_DEST 01000          /* marked for deletion; not in the C library's headers */
#endif

/* ---------------------------------------------------------------- clocks and messages */

static inline double t_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static inline void t_sleep(double seconds)
{
    struct timespec wait;

    wait.tv_sec = (time_t) seconds;
    wait.tv_nsec = (long) ((seconds - (double) wait.tv_sec) * 1e9);
    nanosleep(&wait, NULL);
}

/* The test itself can't go on; this says nothing about the library. */
__attribute__((noreturn, format(printf, 1, 2)))
static inline void t_die(const char *format, ...)
{
    int error = errno;
    va_list arguments;

    fflush(stdout);
    fprintf(stderr, "harness: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (%s)\n", strerror(error));
    exit(2);
}

/* ---------------------------------------------------------------- arguments */

struct t_options {
    bool full;
    uint64_t seed;
};

static inline struct t_options t_options(int argc, char **argv)
{
    struct t_options options = { false, 0 };

    if (argc < 2 || (strcmp(argv[1], "quick") != 0 && strcmp(argv[1], "full") != 0)) {
        fprintf(stderr, "usage: %s quick|full [seed]\n", argv[0]);
        exit(2);
    }
    options.full = strcmp(argv[1], "full") == 0;
    if (argc > 2)
        options.seed = strtoull(argv[2], NULL, 0);
    if (options.seed == 0)
        options.seed = (uint64_t) time(NULL) * 1000003u ^ (uint64_t) getpid();
    return options;
}

/* ---------------------------------------------------------------- random numbers */

static inline uint64_t t_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline uint64_t t_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return t_mix(*state);
}

/* A number from 0 to limit - 1. */
static inline unsigned t_below(uint64_t *state, unsigned limit)
{
    return (unsigned) ((t_random(state) >> 11) % limit);
}

/* ---------------------------------------------------------------- patterns */

/* The byte at a place of the pattern that a fill number stands for; fill 0 means zeros. */
static inline unsigned char t_pattern(unsigned fill, size_t place)
{
    return fill == 0 ? 0 : (unsigned char) (t_mix(fill * 1000003u + place / 8) >> (place % 8 * 8));
}

static inline void t_write_pattern(void *memory, size_t size, unsigned fill)
{
    size_t i;

    for (i = 0; i < size; i++)
        ((unsigned char *) memory)[i] = t_pattern(fill, i);
}

/* -1 if all is well, else the first place that is not. */
static inline long t_check_pattern(const void *memory, size_t size, unsigned fill)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (((const unsigned char *) memory)[i] != t_pattern(fill, i))
            return (long) i;
    return -1;
}

/* ---------------------------------------------------------------- name spaces, processes */

enum t_isolation { T_SHARED, T_ISOLATED, T_ISOLATED_BY_USER };

/* Whether every System V segment here is ours. Otherwise no test may list segments: it could
   not tell its own from those of other programs. */
static bool t_alone;

static inline bool t_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);

    if (fd >= 0)
        close(fd);
    return done;
}

/* Move to an IPC name space of our own: as root, else with the help of a user name space in
   which our user is still who it was. */
static inline enum t_isolation t_isolate(void)
{
    const char *wanted = getenv("SHM_UTIL_TESTS_ISOLATE");
    char map[64];
    unsigned long uid = geteuid(), gid = getegid();

    if (wanted != NULL && strcmp(wanted, "no") == 0)
        return T_SHARED;
    if (unshare(CLONE_NEWIPC) == 0) {
        t_alone = true;
        return T_ISOLATED;
    }
    if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) != 0)
        return T_SHARED;
    t_alone = true;
    t_write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%lu %lu 1", uid, uid);
    t_write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%lu %lu 1", gid, gid);
    t_write_file("/proc/self/gid_map", map);
    return T_ISOLATED_BY_USER;
}

static inline const char *t_isolation_text(enum t_isolation isolation)
{
    switch (isolation) {
    case T_ISOLATED:
        return "in an IPC name space of its own";
    case T_ISOLATED_BY_USER:
        return "in an IPC name space of its own, by way of a user name space";
    default:
        return "in the IPC name space of everyone";
    }
}

/* In a new child: die when the parent does. */
static inline void t_die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
}

static inline pid_t t_fork(void)
{
    pid_t parent = getpid(), child;

    fflush(stdout);
    fflush(stderr);
    child = fork();
    if (child < 0)
        t_die("fork");
    if (child == 0)
        t_die_with(parent);
    return child;
}

static inline void t_reap(pid_t child, int *status)
{
    int ignored;

    while (waitpid(child, status ? status : &ignored, 0) < 0 && errno == EINTR)
        ;
}

/* Zeroed memory that all children share. */
static inline void *t_shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        t_die("mmap");
    return memory;
}

/* ---------------------------------------------------------------- temporary files */

struct t_temporary {
    pid_t owner;                /* who removes it */
    char path[300];
};

static struct t_temporary t_temporary;

static inline void t_remove_tree(const char *path)
{
    char entry_path[1000];
    size_t length = strlen(path);
    DIR *entries = opendir(path);
    struct dirent *entry;

    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (length + strlen(entry->d_name) + 2 > sizeof entry_path)
            continue;
        memcpy(entry_path, path, length);
        entry_path[length] = '/';
        strcpy(entry_path + length + 1, entry->d_name);
        if (unlink(entry_path) != 0)
            t_remove_tree(entry_path);
    }
    if (entries != NULL)
        closedir(entries);
    rmdir(path);
}

static inline void t_remove_temporary(void)
{
    if (t_temporary.owner == getpid())
        t_remove_tree(t_temporary.path);
}

static inline void t_interrupted(int signal_number)
{
    t_remove_temporary();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* A directory that is removed with all that is in it when this process ends, whichever way but
   by SIGKILL. In $TMPDIR or /tmp, unless another parent is given. */
static inline const char *t_temporary_directory(const char *parent)
{
    if (parent == NULL)
        parent = getenv("TMPDIR");
    if (parent == NULL || *parent == '\0')
        parent = "/tmp";
    snprintf(t_temporary.path, sizeof t_temporary.path, "%s/torture-XXXXXX", parent);
    if (mkdtemp(t_temporary.path) == NULL)
        t_die("mkdtemp %s", t_temporary.path);
    if (t_temporary.owner == 0) {
        atexit(t_remove_temporary);
        signal(SIGINT, t_interrupted);
        signal(SIGTERM, t_interrupted);
        signal(SIGHUP, t_interrupted);
    }
    t_temporary.owner = getpid();
    return t_temporary.path;
}

/* ---------------------------------------------------------------- segments */

enum { T_LIST_MAX = 4500 };     /* more than the usual limit of segments, 4096 */

struct t_segment {
    int id;
    key_t key;
    unsigned mode;
    size_t size;
    unsigned long attached;
};

struct t_list {
    int count;
    struct t_segment at[T_LIST_MAX];
};

static inline void t_list(struct t_list *list)
{
    struct shm_info info;
    struct shmid_ds segment;
    int i, last = shmctl(0, SHM_INFO, (struct shmid_ds *) (void *) &info);

    if (!t_alone)
        t_die("segments are listed that may be other programs'");
    list->count = 0;
    for (i = 0; i <= last && list->count < T_LIST_MAX; i++) {
        int id = shmctl(i, SHM_STAT_ANY, &segment);

        if (id < 0)
            id = shmctl(i, SHM_STAT, &segment);
        if (id < 0)
            continue;
        list->at[list->count].id = id;
        list->at[list->count].key = segment.shm_perm.__key;
        list->at[list->count].mode = segment.shm_perm.mode;
        list->at[list->count].size = segment.shm_segsz;
        list->at[list->count].attached = segment.shm_nattch;
        list->count++;
    }
}

static inline const struct t_segment *t_find(const struct t_list *list, int id)
{
    int i;

    for (i = 0; i < list->count; i++)
        if (list->at[i].id == id)
            return &list->at[i];
    return NULL;
}

static inline bool t_is_registry(const struct t_segment *segment)
{
    unsigned mode = segment->mode & 0777;

    return mode == 0600 || mode == 0700;
}

static inline bool t_is_dying(const struct t_segment *segment)
{
    return (segment->mode & SHM_DEST) != 0;
}

/* Is the segment there, and not about to go? */
static inline bool t_exists(int id)
{
    struct shmid_ds segment;

    return shmctl(id, IPC_STAT, &segment) == 0 && (segment.shm_perm.mode & SHM_DEST) == 0;
}

/* Remove every segment that is not in the list of those that were there before. */
static inline void t_remove_new(const struct t_list *before)
{
    static struct t_list now;
    int i;

    t_list(&now);
    for (i = 0; i < now.count; i++)
        if (t_find(before, now.at[i].id) == NULL)
            shmctl(now.at[i].id, IPC_RMID, NULL);
}

static inline int t_describe(const struct t_segment *segment, char *text, size_t size)
{
    return snprintf(text, size, "%s id %d key %#x mode %#o, %zu bytes, attached %lu",
                    t_is_registry(segment) ? "registry" : "segment", segment->id,
                    (unsigned) segment->key, segment->mode, segment->size, segment->attached);
}

#endif
