/* A small harness for the C tests: sentences of the contract, checked and counted. */

#ifndef CHECK_H
#define CHECK_H

#include <sys/types.h>

#include "shm_util.h"

/* The sanitizer's allocator does not survive a fork beside other threads: the child may wait
 * forever for a lock that another thread held. */
#ifdef __SANITIZE_ADDRESS__
#define WITH_ADDRESS_SANITIZER 1
#else
#define WITH_ADDRESS_SANITIZER 0
#endif

/* Prints the sentence and whether it holds. Returns the condition. */
#define CHECK(sentence, condition) \
    check_that ((condition) ? 1 : 0, (sentence), __FILE__, __LINE__)

int check_that (int holds, const char *sentence, const char *file, int line);

/* Prints a remark. */
void check_note (const char *sentence);

/* Prints that something cannot be tested on this system, and why. c_tests/run counts these. */
void check_skip (const char *reason);

/*
 * Splits the process in two. The test continues in the child. The parent waits for it; however
 * the child ends, the parent checks that nothing was left behind, cleans up, and prints the
 * summary. So a test that crashes leaves nothing either.
 *
 * Tests share their IPC namespace with other programs where the system allows them none of their
 * own. No test may remove, attach or count a segment that it did not make.
 */
void check_start (void);

/* Selects the namespace that check_start has selected: without NOB_DATABASE if no other program
 * uses this IPC namespace, else one of the test's own. */
void check_default_namespace (void);

/* What main returns: 0 if every check held. */
int check_done (void);

/* Forks, and records the child for the clean-up. */
pid_t check_fork (void);

/* Waits for a child. Returns its exit status, or 128 plus the signal that killed it. */
int check_wait (pid_t child);

/* Kills the child with SIGKILL and waits until it is gone. */
void check_kill (pid_t child);

/* Runs the function in a child that then exits with 0, and waits for it. */
int check_child (void (*body) (void));

/* The same; its stdout and stderr become strings of less than `size` bytes. */
int check_capture (void (*body) (void), char *out, char *err, size_t size);

/* Two processes take turns by sending a byte through a pipe. A wait is bounded. */
void check_signal (const int ends[2]);
int check_await (const int ends[2]);

/* Memory that children share with their parent, zero-filled. */
void *check_shared (size_t size);

/* A formatted string, and the path of a file in the test's own temporary directory.
 * Both are valid during the next dozen calls only. */
const char *check_text (const char *format, ...);
const char *check_path (const char *file);

/* The number of entries of a directory, including `.` and `..`; -1 if it cannot be read. */
int check_entries (const char *path);

/* The segments that this test made and that still exist: their ids, and their number. */
int check_made (int *ids, int most);
int check_segments (void);

/* Whether the system allows that many more segments; if not, prints that `what` is skipped. */
int check_has_room (int wanted, const char *what);

/* Whether no other program uses this IPC namespace; if one may, prints that `what` is skipped. */
int check_is_alone (const char *what);

/* Whether this process may become another user; if not, prints that `what` is skipped. */
int check_has_users (const char *what);

/* Refuses a system call with an error from now on, in this process and its children. Returns
 * whether that is possible here. */
int check_refuse (long call, int error);

/* Calls the handler, which was installed with these flags of sigaction(2), for a SIGALRM at each
 * interval from now on; with an interval of 0, for none any more. */
void check_alarms (void (*handler) (int), int flags, long microseconds);

/* Whether permission bits of segments do not matter to this process (CAP_IPC_OWNER). */
int check_is_privileged (void);

/* What the kernel knows of a segment; -1 if it does not exist. */
long check_attached (int id);
long check_mode (int id);
long check_size (int id);

/* Whether all of the bytes have this value. */
int check_filled (const void *bytes, int value, long size);

/* shmCreate with a NULL address, which must succeed. */
SharedMemory check_create (const char *name, long size);

/* Whether a segment of that name exists, determined by shmCreate with size 0. */
int check_exists (const char *name);

#endif
