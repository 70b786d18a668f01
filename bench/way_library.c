/* This library. */

#include "bench.h"
#include "shm_util.h"
#include "ways.h"

static SharedMemory held;

static void create_and_destroy (const char *name, long size)
{
    SharedMemory memory;

    must (shmCreate (name, size, NULL, &memory), "shmCreate");
    must (shmDestroy (memory), "shmDestroy");
}

static void create (long size)
{
    create_and_destroy ("bench/calls", size);
}

static void hold (long size)
{
    must (shmCreate ("bench/calls, held", size, NULL, &held), "shmCreate");
    memset (shmAddress (held), 1, (size_t) size);
}

static void attach (void)
{
    create_and_destroy ("bench/calls, held", 0);
}

static void release (void)
{
    must (shmDestroy (held), "shmDestroy");
}

const struct way way_library = {"library", NULL, create, hold, release, attach};
