/* What check.c and store.c need from each other. */

#ifndef STORE_H
#define STORE_H

#include <sys/types.h>

/* Whether a process belongs to the test. */
int check_is_own_process (pid_t process);

/* Where the test's directory is made. Selects the kind of memory. */
const char *store_parent (void);

/* Notes what existed before the test, whose directory this is. */
void store_start (const char *directory_of_the_test);

/* From now on, this memory is not taken for a segment's. */
void store_ignore (const void *address);

/* Checks that the test has left no segment, and deletes any that it has left. */
void store_leftovers (void);

#endif
