/* Only compiled: what legacy programs use without including any other header. */

#include "shm_util.h"

#if defined (STAND_IN) && !defined (PRAGMATICS_STAND_IN)
#error "shm_util.h has not included the pragmatics.h that can be found"
#endif

int report (SharedMemory memory, const char *file);

int report (SharedMemory memory, const char *file)
{
    pid_t process = 0;
    int32_t limit = INT_MAX;
    int done = false;

    if (shmSave (memory, file) == EINVAL || process == SIGINT || limit == 0) {
        fprintf (stderr, "%s: %s\n", file, strerror (errno));
        done = true;
    }
    return done;
}
