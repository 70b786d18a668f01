#include "shm_util.h"
#include "stand_in.h"

int userCreateAndDestroy (const char *name)
{
    SharedMemory memory;
    int status = nobGet (name) ? shmCreate (name, 100, NULL, &memory) : NOT_OURS;

    return status != 0 ? status : shmDestroy (memory);
}
