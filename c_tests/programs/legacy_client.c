/* Adds up the numbers in the segment that its argument names. */

#include <stdio.h>

#include "legacy.h"
#include "shm_util.h"

int main (int argc, char *argv[])
{
    SharedMemory memory;
    struct orders *orders;
    void *address = NULL;
    int i;

    if (argc != 2) {
        fprintf (stderr, "usage: legacy_client <segment>\n");
        return 2;
    }
    if (shmCreate (argv[1], 0, &address, &memory)) {
        perror ("shmCreate");
        return 1;
    }
    if (shmSizeOf (memory) != (long) sizeof *orders) {
        fprintf (stderr, "The segment has %ld bytes.\n", shmSizeOf (memory));
        return 1;
    }
    orders = (struct orders *) address;
    orders->sum = 0;
    for (i = 0; i < orders->count; i++) {
        orders->sum += orders->numbers[i];
    }
    printf ("client: segment %d, %d numbers\n", shmId (memory), orders->count);
    if (shmDestroy (memory)) {
        perror ("shmDestroy");
        return 1;
    }
    return 0;
}
