/*
 * Writes a reading into the segment "demo readings" every 50 ms until it is
 * killed. A producer that is started again continues where the last one stopped.
 *
 *     cc producer.c -lshm_util -o producer
 */

#define _DEFAULT_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm_util.h"
#include "readings.h"

int main (void)
{
    SharedMemory memory;
    void *address = NULL;
    struct readings *readings;
    int status;

    status = shmCreate (READINGS, sizeof (struct readings), &address, &memory);
    if (status != 0) {
        fprintf (stderr, "producer: shmCreate: %s\n", strerror (status));
        return 1;
    }
    readings = address;
    if (readings->count == 0)
        printf ("producer: a new segment, id %d, %ld bytes, all zero\n",
                shmId (memory), shmSizeOf (memory));
    else
        printf ("producer: found segment id %d with %d readings in it\n",
                shmId (memory), readings->count);
    fflush (stdout);

    for (;;) {
        int next = readings->count;
        readings->value[next % READINGS_KEPT] = next * next;
        readings->count = next + 1;
        usleep (50000);
    }
}
