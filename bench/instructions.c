/*
 * Run by bench/instructions under callgrind. Counts the instructions of each call, but not
 * those of the calls around it, and writes a file for each. A first call warms up uncounted.
 */

#include "bench.h"
#include "shm_util.h"
#include "shm_util_ext.h"

#include <valgrind/callgrind.h>

#define CALLS 100 /* bench/instructions divides by it */
#define SIZE 4096

static SharedMemory held, held_file;
/* Of the same length on every machine, because paths are copied; and on no disk. */
static char directory[] = "/dev/shm/instructions.XXXXXX/";

static void create (const char *name, SharedMemory *memory)
{
    must (shmCreate (name, SIZE, NULL, memory), name);
}

static void create_file (const char *name, SharedMemory *memory)
{
    must (shmxCreateIn (directory, name, SIZE, 0, 0, NULL, memory), name);
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
    shmDestroy (held_file);
    rmdir (directory);
}

static void make_directory (void)
{
    char *slash = strrchr (directory, '/');

    *slash = '\0';
    if (mkdtemp (directory) == NULL) {
        die (directory);
    }
    *slash = '/';
}

int main (void)
{
    SharedMemory memory;
    int i;

    begin ();
    make_directory ();
    atexit (clean_up);
    create ("bench/instructions, held", &held);
    create_file ("held", &held_file);
    COUNT ("create, new", , create ("bench/instructions", &memory), destroy (memory));
    COUNT ("destroy, last", create ("bench/instructions", &memory), destroy (memory), );
    COUNT ("create, existing", , create ("bench/instructions, held", &memory), destroy (memory));
    COUNT ("destroy, not last", create ("bench/instructions, held", &memory), destroy (memory), );
    COUNT ("directory: create, new", , create_file ("new", &memory), destroy (memory));
    COUNT ("directory: destroy, last", create_file ("new", &memory), destroy (memory), );
    COUNT ("directory: create, existing", , create_file ("held", &memory), destroy (memory));
    COUNT ("directory: destroy, not last", create_file ("held", &memory), destroy (memory), );
    COUNT ("shmAddress", , shmAddress (held), );
    COUNT ("shmId", , shmId (held), );
    COUNT ("shmSizeOf", , shmSizeOf (held), );
    return EXIT_SUCCESS;
}
