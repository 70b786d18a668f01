/*
 * The cost of the calls, compared with the system calls that they cannot avoid and with the
 * alternatives that a program has.
 *
 *     calls DIRECTORY
 *
 * Ways that need files create them in DIRECTORY. The environment variable CALLS_SECONDS is the
 * time for the whole program (default 45).
 */

#include "bench.h"
#include "plain.h"
#include "shm_util.h"
#include "ways.h"

#define BATCH 50
#define BATCH_TIME 300000.0 /* nanoseconds: slow ways have smaller batches */
#define MIN_ROUNDS 7
#define ROUNDS 400
#define ACCESSES 10000

static const struct {
    const char *text;
    long bytes;
} sizes[] = {{"4 KiB", 4 * KIB}, {"16 KiB", 16 * KIB}, {"1 MiB", MIB}, {"64 MiB", 64 * MIB}};

#define SIZES ((int) (sizeof sizes / sizeof *sizes))

static const struct way *const all_ways[] = {
    &way_library, &way_sysv, &way_sysv_by_key, &way_posix, &way_apr,
    &way_boost_object, &way_boost_managed, &way_qt, &way_libgpl,
};

#define WAYS ((int) (sizeof all_ways / sizeof *all_ways))

enum operation { CREATE, ATTACH };

static const struct way *ways[WAYS];
static int way_count;

static double time_way (const struct way *way, enum operation operation, long size, int batch)
{
    double start = now ();
    int i;

    for (i = 0; i < batch; i++) {
        if (operation == CREATE) {
            way->create (size);
        } else {
            way->attach ();
        }
    }
    return (now () - start) / batch;
}

static int batch_of (const struct way *way, enum operation operation, long size)
{
    double count;

    if (way == &way_library || way == &way_sysv) {
        return BATCH;
    }
    count = BATCH_TIME / time_way (way, operation, size, 3);
    return count > BATCH ? BATCH : count < 2 ? 2 : (int) count;
}

static int does (const struct way *way, enum operation operation)
{
    return operation == CREATE ? way->create != NULL : way->attach != NULL;
}

static void measure_calls (enum operation operation, int size, double end)
{
    const struct way *able[WAYS];
    int order[WAYS], batches[WAYS];
    char what[64];
    int count = 0;
    int round, i;

    sprintf (what, "%s, %s", operation == CREATE ? "create" : "attach", sizes[size].text);
    for (i = 0; i < way_count; i++) {
        if (does (ways[i], operation)) {
            batches[count] = batch_of (ways[i], operation, sizes[size].bytes);
            able[count] = ways[i];
            count++;
        }
    }
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, count);
        for (i = 0; i < count; i++) {
            sample (what, able[order[i]]->name, round,
                    time_way (able[order[i]], operation, sizes[size].bytes, batches[order[i]]));
        }
    }
}

static int holding;

static void hold_all (long size)
{
    int i;

    for (i = 0; i < way_count; i++) {
        if (ways[i]->hold != NULL) {
            ways[i]->hold (size);
        }
    }
    holding = 1;
}

static void release_all (void)
{
    int i;

    for (i = 0; holding && i < way_count; i++) {
        if (ways[i]->release != NULL) {
            ways[i]->release ();
        }
    }
    holding = 0;
}

/* ---- accessors --------------------------------------------------------------------------- */

static SharedMemory memory;
static struct plain plain;

/* Each call is written out, because a jump through a pointer would add to the time. */
#define ACCESSES_OF(name, call) \
    static void name (void) \
    { \
        int i; \
\
        for (i = 0; i < ACCESSES; i++) { \
            call; \
        } \
    }

ACCESSES_OF (get_addresses, shmAddress (memory))
ACCESSES_OF (get_ids, shmId (memory))
ACCESSES_OF (get_sizes, shmSizeOf (memory))
ACCESSES_OF (get_plainly, plain_address (&plain))

static const struct {
    const char *name;
    void (*get) (void);
} accessors[] = {
    {"shmAddress", get_addresses},
    {"shmId", get_ids},
    {"shmSizeOf", get_sizes},
    {"plain function", get_plainly},
};

#define ACCESSORS ((int) (sizeof accessors / sizeof *accessors))

static void measure_accessors (void)
{
    int order[ACCESSORS];
    int round, i;

    must (shmCreate ("bench/calls, accessed", 4096, NULL, &memory), "shmCreate");
    for (round = -1; round < ROUNDS; round++) {
        shuffle (order, ACCESSORS);
        for (i = 0; i < ACCESSORS; i++) {
            sample ("accessors", accessors[order[i]].name, round,
                    time_batch (accessors[order[i]].get, 1) / ACCESSES);
        }
    }
    must (shmDestroy (memory), "shmDestroy");
    memory = NULL;
}

static void clean_up (void)
{
    shmDestroy (memory);
    release_all ();
}

int main (int count, char **arguments)
{
    const char *seconds = getenv ("CALLS_SECONDS");
    double end = now () + 1e9 * (seconds == NULL ? 45 : atof (seconds));
    int left = 2 * SIZES;
    int i;

    if (count != 2) {
        fprintf (stderr, "usage: calls DIRECTORY\n");
        return EXIT_FAILURE;
    }
    begin ();
    for (i = 0; i < WAYS; i++) {
        if (all_ways[i] != NULL) {
            ways[way_count++] = all_ways[i];
            if (all_ways[i]->begin != NULL) {
                all_ways[i]->begin (arguments[1]);
            }
        }
    }
    atexit (clean_up); /* runs before the ways remove their files */
    measure_accessors ();
    for (i = 0; i < SIZES; i++) {
        hold_all (sizes[i].bytes);
        measure_calls (CREATE, i, now () + (end - now ()) / left--);
        measure_calls (ATTACH, i, now () + (end - now ()) / left--);
        release_all ();
    }
    return EXIT_SUCCESS;
}
