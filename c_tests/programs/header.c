/*
 * Only compiled, in every standard. With HEADER_FIRST the library's headers come before
 * the standard headers, otherwise after them. With STAND_IN there is a pragmatics.h.
 */

#ifdef HEADER_FIRST
#include "shm_util_ext.h"
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
#include "shm_util_ext.h"
#include "shm_util.h"
#include "shm_util_ext.h"

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

/* Not in libgpl. */
int (*create_ext) (const char *, long, int, unsigned int, void **, SharedMemory *) = shmxCreate;
int (*created) (SharedMemory) = shmxCreated;
int (*detach) (SharedMemory) = shmxDetach;
int (*load_ext) (SharedMemory, const char *, struct ShmxLoaded *) = shmxLoad;
int (*stat_of) (SharedMemory, struct ShmxInfo *) = shmxStat;
int (*stat_name) (const char *, struct ShmxInfo *) = shmxStatName;
int (*list) (int (*) (const struct ShmxInfo *, void *), void *) = shmxList;
int (*set_perm) (SharedMemory, unsigned int, unsigned int, unsigned int) = shmxSetPerm;
int (*lock) (SharedMemory) = shmxLock;
int (*unlock) (SharedMemory) = shmxUnlock;
int (*keep) (SharedMemory, int) = shmxKeep;
int (*remove_name) (const char *) = shmxRemove;
int (*remove_segment) (SharedMemory) = shmxRemoveSegment;
int (*publish) (SharedMemory) = shmxPublish;
int (*sync_segment) (SharedMemory) = shmxSync;
int (*prune) (long, long *) = shmxPrune;
int (*wait_for) (const char *, long) = shmxWait;
const char *(*error_text) (void) = shmxErrorText;
int (*version) (void) = shmxVersion;
int (*reason) (void) = shmxErrorReason;
int no_reason = SHMX_REASON_NONE;
int flags = SHMX_EXCL | SHMX_ATTACH | SHMX_RDONLY | SHMX_HUGETLB | SHMX_NORESERVE | SHMX_KEEP
    | SHMX_MODE;
int header_version = SHMX_VERSION;
unsigned int same = SHMX_SAME;
