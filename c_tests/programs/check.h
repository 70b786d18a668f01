/* A tiny harness for the C tests: sentences of the contract, checked and counted. */

#ifndef CHECK_H
#define CHECK_H

#include <sys/types.h>

#include "shm_util.h"

/* Prints the sentence and whether it holds. Gives the condition back. */
#define CHECK(sentence, condition) \
    check_that ((condition) ? 1 : 0, (sentence), __FILE__, __LINE__)

int check_that (int holds, const char *sentence, const char *file, int line);

/* Prints why something could not be checked here. */
void check_note (const char *sentence);

/*
 * check_start splits the process in two. The test goes on in the child; the parent
 * waits for it, and whatever became of it looks whether anything was left behind,
 * cleans up, and prints the summary. So a test that crashes is cleaned up after too.
 */
void check_start (void);

/* What main returns: 0 if all that was checked held. */
int check_done (void);

/* fork, noting the child for the cleaning up. */
pid_t check_fork (void);

/* Waits for a child: its exit status, or 128 plus the signal that killed it. */
int check_wait (pid_t child);

/* Kills the child with SIGKILL and waits until it is gone. */
void check_kill (pid_t child);

/* Runs the function in a child that then exits with 0, and waits for it. */
int check_child (void (*body) (void));

/* The same with stdout and stderr caught as strings of less than `size` bytes. */
int check_capture (void (*body) (void), char *out, char *err, size_t size);

/* Two processes that take turns: one byte through a pipe. A wait is bounded. */
void check_signal (const int ends[2]);
int check_await (const int ends[2]);

/* Memory that children share with their parent, zero-filled. */
void *check_shared (size_t size);

/* A formatted string, and the path of a file in the test's own temporary directory.
 * Both stay valid for the next dozen calls only. */
const char *check_text (const char *format, ...);
const char *check_path (const char *file);

/* How many entries a directory has, those for itself and its parent too; -1 for none. */
int check_entries (const char *path);

/* The System V segments and semaphore sets of this IPC name space. */
long check_segments (void);
long check_semaphores (void);

/* Ids of the segments that this test made and that still exist. */
int check_made (int *ids, int most);

/* What the kernel says of a segment: -1 if there is no such segment. */
long check_attached (int id);
long check_mode (int id);
long check_size (int id);

/* Whether all of the bytes have this value. */
int check_filled (const void *bytes, int value, long size);

/* shmCreate with a NULL address, which must succeed. */
SharedMemory check_create (const char *name, long size);

/* Whether a segment of that name exists; found out by shmCreate with size 0. */
int check_exists (const char *name);

#endif
