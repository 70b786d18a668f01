/*
 * Run by bench/instructions under callgrind. Counts the instructions of each call, but not
 * those of the calls around it, and writes a file for each. A first call warms up uncounted.
 */

#include "bench.h"
#include "shm_util.h"

#include <valgrind/callgrind.h>

#define CALLS 100 /* bench/instructions divides by it */
#define SIZE 4096

static SharedMemory held;

static void create (const char *name, SharedMemory *memory)
{
    must (shmCreate (name, SIZE, NULL, memory), name);
}

static void destroy (SharedMemory memory)
{
    must (shmDestroy (memory), "shmDestroy");
}

/* Counts the instructions of `call`, but not those of `before` and `after`. */
#define COUNT(name, before, call, after) \
    do { \
        CALLGRIND_ZERO_STATS; \
        for (i = -1; i < CALLS; i++) { \
            before; \
            if (i == -1) { \
                call; \
            } else { \
                CALLGRIND_TOGGLE_COLLECT; \
                call; \
                CALLGRIND_TOGGLE_COLLECT; \
            } \
            after; \
        } \
        CALLGRIND_DUMP_STATS_AT (name); \
    } while (0)

static void clean_up (void)
{
    shmDestroy (held);
}

int main (void)
{
    SharedMemory memory;
    int i;

    begin ();
    create ("bench/instructions, held", &held);
    atexit (clean_up);
    COUNT ("create, new", , create ("bench/instructions", &memory), destroy (memory));
    COUNT ("destroy, last", create ("bench/instructions", &memory), destroy (memory), );
    COUNT ("create, existing", , create ("bench/instructions, held", &memory), destroy (memory));
    COUNT ("destroy, not last", create ("bench/instructions, held", &memory), destroy (memory), );
    COUNT ("shmAddress", , shmAddress (held), );
    COUNT ("shmId", , shmId (held), );
    COUNT ("shmSizeOf", , shmSizeOf (held), );
    return EXIT_SUCCESS;
}
