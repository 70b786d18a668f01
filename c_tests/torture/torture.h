/*
 * torture.h - what all torture programs share.
 *
 * The words that they use:
 *
 *   world      an IPC namespace of a test's own: every segment in it is the test's
 *   holder     a process that keeps segments attached while something happens to the names
 *   newcomer   a process that uses the library for the first time
 *   stranger   a segment in the world that the library did not make and must not touch
 *   stage      an int in shared memory that only grows; processes wait for it to reach a value
 *
 * A program is a list of parts. run_program runs them in a child process, prints one line per
 * check, "ok - sentence" or "not ok - sentence", and counts them in its last line. A check that
 * cannot be made here is one line "SKIP: reason".
 *
 * No program looks at a segment that it did not make. Where a world cannot be had (unshare(2) is
 * refused, or SHM_UTIL_TESTS_ISOLATE=no asks for none), list_segments ends the program: the parts
 * that list segments are skipped there. The others use names that no other program has, see
 * use_own_names, and reach segments by name only.
 *
 * Include this file first: it asks for GNU extensions.
 */
#ifndef TORTURE_H
#define TORTURE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
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
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm_util.h"
#include "shm_util_ext.h"

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef SHM_DEST
#define SHM_DEST 01000               /* marked for deletion; not in the C library's headers */
#endif
#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define LIKE_PRINTF(f, a) __attribute__ ((format (printf, f, a)))
#define NO_RETURN __attribute__ ((noreturn))

/* The library waits at most 10 s for its lock; a call that takes longer than this hangs. */
#define CALL_LIMIT 12.0
/* A process that does not end within this time is killed, and that is a failure. */
#define WATCHDOG 15.0
/* Room for the path of a file in the scratch directory. */
#define PATH_SIZE 300

/* ---- the program ------------------------------------------------------------------------ */

struct part {
    const char *name;
    void (*test) (void);
};

struct program {
    const char *name;
    const struct part *parts;        /* the last one has no name */
    void (*body) (void);             /* runs the parts, if they are not simply run in turn */
    double quick_limit, full_limit;  /* seconds that the program may take */
};

extern bool full_form;               /* full, not quick */
extern uint64_t seed;
extern const char *only_part;        /* the part to be run, or NULL for all */
extern char scratch[200];            /* a directory for this run, removed at the end */
extern int out_fd;                   /* where lines are printed, also when 1 is closed */

/* The program's main: `program [quick|full] [SEED] [PART]`. A part may be followed by a colon and
 * what the program makes of it. */
int run_program (const struct program *program, int argc, char **argv);

/* For a body: those that are wanted, one after another. */
void run_all_parts (const struct part *parts);

/* Adds "name=value" to the program's last line. */
LIKE_PRINTF (1, 2) void tell_figures (const char *format, ...);

/* ---- what is printed -------------------------------------------------------------------- */

LIKE_PRINTF (1, 2) void note (const char *format, ...);
LIKE_PRINTF (2, 3) bool check (bool good, const char *format, ...);
LIKE_PRINTF (1, 2) void skip (const char *format, ...);

/* The test cannot go on, for a reason that is not the library's: counts as a failure. */
LIKE_PRINTF (1, 2) NO_RETURN void give_up (const char *format, ...);

/* ---- time and chance -------------------------------------------------------------------- */

double now (void);                   /* seconds */
void nap (double seconds);
void spin (double seconds);          /* waits without giving up the processor */

uint64_t mix (uint64_t x);
/* Each process or thread has a state of its own; the seed determines all of them. */
uint64_t chance (uint64_t *state);
uint64_t below (uint64_t *state, uint64_t limit);

/* ---- patterns --------------------------------------------------------------------------- */

/* The bytes of a pattern depend on a number and their offset; pattern 0 is all zeros. */
unsigned char pattern_byte (unsigned pattern, size_t offset);
void fill_pattern (void *memory, size_t size, unsigned pattern);
/* The first offset that differs; -1 if none does. */
long wrong_byte (const void *memory, size_t size, unsigned pattern);
bool has_pattern (const void *memory, size_t size, unsigned pattern);
bool is_zero (const void *memory, size_t size);

/* ---- memory and stages ------------------------------------------------------------------ */

void *shared (size_t size);          /* zeroed; children share it */
void reach (int *stage, int value);
bool wait_for_stage (int *stage, int value, double seconds);

/* ---- processes -------------------------------------------------------------------------- */

/* A fork whose child dies with its parent. */
pid_t fork_child (void);
/* The same, where the child runs a function and calls exit(3). */
pid_t start (void (*body) (void *), void *argument);
void die_with (pid_t parent);        /* in a child, however it was made */
void die_with_parent (void);         /* again, after a change of user */
void wait_for_end (pid_t pid, int *status);

enum how { ENDED, CRASHED, HUNG };

struct end {
    enum how how;
    int code;                        /* the exit status, or the signal */
};

/* Waits for a child; kills it if that takes too long. */
struct end await (pid_t pid, double seconds);
struct end run (void (*body) (void *), void *argument);
const char *tell_end (struct end end);
bool ended_well (struct end end);
/* Runs a function in a process of its own, and checks that it ends in time. */
void run_test (const char *what, void (*body) (void *), void *argument, double seconds);

bool may_trace (void);               /* ptrace(2) with hardware breakpoints */

/* ---- PID and user namespaces ------------------------------------------------------------- */

/* The flags of namespaces are CLONE_NEWPID, CLONE_NEWUSER, both, or 0 for none. A process in a user
 * namespace is the same user as outside, with another ID. */

/* The errno value if a process of this user cannot be created in such namespaces; 0 if it can. It
 * is EPERM inside a user namespace: in a second one, the library cannot find out the user outside
 * of both, and would look names up in another namespace. */
int namespaces_refused (int flags);
/* As above, if this process must be able to fork outside afterwards, as fork_into requires. */
int fork_into_refused (int flags);
/* As fork_child, in new namespaces. The child is the first process of its PID namespace: when it
 * ends, the kernel kills all others there. */
pid_t fork_into (int flags);
/* As fork_into, by clone(2), without the C library's knowledge: `body` may only call exec. */
pid_t clone_into (int flags, int (*body) (void *), void *argument);
/* Maps the IDs of a process in a new user namespace: `user` and `group` outside are `inside` in it.
 * Only root, with the ID 0, keeps its capabilities in an exec. */
bool map_user (uid_t user, gid_t group, unsigned inside);
const char *name_namespaces (int flags);
/* The IDs of this process and thread outside its PID namespace. */
void ids_outside (pid_t *process, pid_t *thread);

/* ---- worlds ----------------------------------------------------------------------------- */

enum privacy { NO_WORLD, WORLD_OF_ROOT, WORLD_OF_USER };

extern enum privacy privacy;

/* Moves this process and its future children to a world, where the system allows that. */
enum privacy try_new_world (void);
/* The same at the start of a program: stores the result in `privacy` and prints it. */
void leave_common_world (void);
/* Another one, once that has succeeded. */
void new_world (void);
/* Without a world: lets the library use names that no other program has. */
void use_own_names (void);
/* False, and a SKIP line, if there is no world. */
bool has_world (const char *what);
/* False, and a SKIP line, if SHMMNI is less than that. */
bool has_room (const char *what, int segments);

bool write_text (const char *path, const char *text);
bool write_number (const char *path, unsigned long number);
unsigned long read_number (const char *path);

/* The lines of a file, read without a stream: a fork copies the lock of a stream that another
 * thread is using, musl never frees it in the child, and exit(3) waits for it there. */
struct lines {
    int fd;                          /* -1 if the file cannot be opened */
    size_t start, end;               /* what has been read and not been returned */
    char text[8192];                 /* a longer line is returned in parts */
};

void open_lines (struct lines *lines, const char *path);
/* Without the newline; NULL at the end. Valid until the next call. */
const char *next_line (struct lines *lines);
void close_lines (struct lines *lines);

/* ---- segments --------------------------------------------------------------------------- */

enum { MOST_SEGMENTS = 4500 };       /* the usual limit of the system is 4096 */

struct segment {
    int id;
    key_t key;
    struct shmid_ds ds;
    char name[80];                   /* of a file, see files.h; or empty */
};

struct segments {
    int count;
    struct segment at[MOST_SEGMENTS];
};

void list_segments (struct segments *list);
const struct segment *find_segment (const struct segments *list, int id);
int count_segments (void);
bool segment_exists (int id);        /* and is not marked for deletion */
bool is_dying (const struct segment *segment);
bool is_registry (const struct segment *segment);
/* The id of the library's registry, -1 if there is none. */
int find_registry (struct shmid_ds *ds);
int find_registry_of (uid_t owner, struct shmid_ds *ds);
bool same_state (const struct shmid_ds *a, const struct shmid_ds *b);
void describe_segment (const struct segment *segment, char *text, size_t size);
/* Semaphore sets under keys that no segment has: locks that were left behind by a library that
 * locks with them (BUILD=build/semaphore). */
int count_stray_sets (void);
void remove_stray_sets (void);
void remove_everything (void);
void remove_all_but (const struct segments *keep);

/* ---- strangers -------------------------------------------------------------------------- */

#define STRANGERS 5
#define STRANGER_SIZE 4096

struct strangers {
    int id[STRANGERS];
    struct shmid_ds before[STRANGERS];
};

void make_strangers (struct strangers *strangers);
bool is_stranger (const struct strangers *strangers, int id);
/* NULL if all are untouched, else what was done to them. To be called once, by the process that
 * made them: looking at the data changes the state. */
const char *strangers_hurt (const struct strangers *strangers);
void check_strangers (const struct strangers *strangers, const char *what);

/* ---- what the library prints on stderr -------------------------------------------------- */

int open_messages (void);
void keep_messages (int fd);         /* in the process whose messages are wanted */
const char *read_messages (int fd, char *text, size_t size);
/* Does the message name the segment that is wrong, and the command that helps? */
bool says_what_to_do (const char *text, int registry);
const char *first_line (const char *text);

/* ---- calls of the library, timed -------------------------------------------------------- */

struct call {
    int result;                      /* 0 or errno; -1: not called */
    int id;
    long size;
    double seconds;
    void *address;
    SharedMemory handle;
};

struct call create (const char *name, long size);
struct call destroy (SharedMemory handle);

/* For shmxList. */
int nothing_for_each (const struct ShmxInfo *info, void *context);

/* A newcomer creates a name, writes and destroys it within a second: if that does not work,
 * `why` is the reason, otherwise the time that it took. */
bool library_works (const char *name, char *why, size_t size);
void check_library_works (const char *name, const char *what);

/* ---- files ------------------------------------------------------------------------------ */

/* A directory in memory, removed at the end; NULL if /dev/shm is not writable. */
const char *memory_directory (void);

#endif
