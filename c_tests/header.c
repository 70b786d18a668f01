/*
 * The header alone: only compiled, in every standard. With HEADER_FIRST it comes before
 * the standard headers, else after them; with STAND_IN a pragmatics.h can be found.
 */

#ifdef HEADER_FIRST
#include "shm_util.h"
#endif

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "shm_util.h"
#include "shm_util.h"

#if defined (STAND_IN) && !defined (PRAGMATICS_STAND_IN)
#error "shm_util.h has not included the pragmatics.h that can be found"
#endif

/* The types are exactly those of libgpl. */
int (*create) (const char *, long, void **, SharedMemory *) = shmCreate;
int (*destroy) (SharedMemory) = shmDestroy;
void *(*address) (SharedMemory) = shmAddress;
int (*identifier) (SharedMemory) = shmId;
long (*size_of) (SharedMemory) = shmSizeOf;
int (*load) (SharedMemory, const char *) = shmLoad;
int (*save) (SharedMemory, const char *) = shmSave;
int *debug = &shm_util_debug;
struct _SharedMemory *handle = (SharedMemory) 0;
