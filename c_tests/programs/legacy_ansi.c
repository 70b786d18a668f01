/* The same program in ANSI C, which is also C++. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm_util.h"

static const char *segment = "legacy segment";

static void report (const char *what, SharedMemory memory)
{
    printf ("%s: id %d, address %p, %ld bytes\n", what, shmId (memory), shmAddress (memory),
            shmSizeOf (memory));
}

static SharedMemory attach (long size)
{
    void *address = NULL;
    SharedMemory memory;

    if (shmCreate (segment, size, &address, &memory)) {
        fprintf (stderr, "shmCreate: %s\n", strerror (errno));
        exit (EXIT_FAILURE);
    }
    if (address != shmAddress (memory)) {
        fprintf (stderr, "The segment is not where it should be.\n");
        exit (EXIT_FAILURE);
    }
    return memory;
}

int main (int argc, char *argv[])
{
    SharedMemory first, second;
    const char *greeting = argc > 1 ? argv[1] : "how do you do";

    shm_util_debug = 1;
    first = attach (16384);
    second = attach (0);
    report ("created", first);
    report ("mapped", second);
    if (shmId (first) != shmId (second) || shmAddress (first) == shmAddress (second)
        || shmSizeOf (second) != 16384) {
        fprintf (stderr, "These are not two mappings of one segment.\n");
        return EXIT_FAILURE;
    }
    strcpy ((char *) shmAddress (first), greeting);
    if (strcmp ((char *) shmAddress (second), greeting) != 0) {
        fprintf (stderr, "The greeting has not arrived.\n");
        return EXIT_FAILURE;
    }
    if (shmDestroy (first) || shmDestroy (second)) {
        fprintf (stderr, "shmDestroy: %s\n", strerror (errno));
        return EXIT_FAILURE;
    }
    if (shmCreate (segment, 0, NULL, &first) != ENOENT) {
        fprintf (stderr, "The segment is still there.\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
