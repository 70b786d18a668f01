/* Stands in for libgpl's own shm_util: the same symbols, and nobody can mistake them. */

#include "shm_util.h"
#include "stand_in.h"

int shm_util_debug = 0;

int shmCreate (const char *name, long size, void **address, SharedMemory *memory)
{
    (void) size;
    (void) address;
    *memory = NULL;
    return nobGet (name) ? NOT_OURS : 0;
}

int shmDestroy (SharedMemory memory)
{
    (void) memory;
    return NOT_OURS;
}

void *shmAddress (SharedMemory memory)
{
    (void) memory;
    return NULL;
}

int shmId (SharedMemory memory)
{
    (void) memory;
    return NOT_OURS;
}

long shmSizeOf (SharedMemory memory)
{
    (void) memory;
    return NOT_OURS;
}

int shmLoad (SharedMemory memory, const char *fileName)
{
    (void) memory;
    (void) fileName;
    return NOT_OURS;
}

int shmSave (SharedMemory memory, const char *fileName)
{
    (void) memory;
    (void) fileName;
    return NOT_OURS;
}
