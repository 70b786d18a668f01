/* A program in the C of before 1989. */

#include <stdio.h>

#include "shm_util.h"

#define  SEGMENT  "legacy segment"
#define  SIZE  16384

static int  report (what, memory)
    char  *what;
    SharedMemory  memory;
{
    printf ("%s: id %d, address %lx, %ld bytes\n", what, shmId (memory),
            (unsigned long) shmAddress (memory), shmSizeOf (memory));
    return (0);
}

static int  attach (size, memory)
    long  size;
    SharedMemory  *memory;
{
    void  *address = NULL;

    if (shmCreate (SEGMENT, size, &address, memory)) {
        fprintf (stderr, "Error mapping the segment, errno = %d\nshmCreate: %s\n",
                 errno, strerror (errno));
        return (-1);
    }
    if (address != shmAddress (*memory)) {
        fprintf (stderr, "The segment is not where it should be.\n");
        return (-1);
    }
    return (0);
}

int  main (argc, argv)
    int  argc;
    char  *argv[];
{
    SharedMemory  first, second;
    char  *greeting = "how do you do";

    shm_util_debug = 1;

    if (argc > 1)  greeting = argv[1];

    if (attach ((long) SIZE, &first) || attach (0L, &second))  return (1);

    report ("created", first);
    report ("mapped", second);

    if ((shmId (first) != shmId (second)) || (shmAddress (first) == shmAddress (second)) ||
        (shmSizeOf (second) != SIZE)) {
        fprintf (stderr, "These are not two mappings of one segment.\n");
        return (1);
    }

    strcpy ((char *) shmAddress (first), greeting);
    if (strcmp ((char *) shmAddress (second), greeting)) {
        fprintf (stderr, "The greeting has not arrived.\n");
        return (1);
    }

    if (shmDestroy (first) || shmDestroy (second)) {
        fprintf (stderr, "Error destroying the segment.\nshmDestroy: %s\n", strerror (errno));
        return (1);
    }

    if (shmCreate (SEGMENT, 0L, NULL, &first) != ENOENT) {
        fprintf (stderr, "The segment is still there.\n");
        return (1);
    }

    return (0);
}
