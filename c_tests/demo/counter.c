/*
 * Counts parts in the segment "parts". It knows nothing about kinds of memory: it
 * includes only shm_util.h, as a program for libgpl does.
 *
 *     counter        counts three parts, and stays attached until it is killed;
 *                    a child shows the parts for each line of stdin, and ends
 *                    with stdin
 *     counter end    deletes the segment, if no other process has it attached
 */

#define _DEFAULT_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm_util.h"

static int report (int status)
{
    if (status != 0)
        fprintf (stderr, "counter: %s\n", strerror (status));
    return status != 0;
}

static void display (const volatile long *parts)
{
    char line[80];

    while (fgets (line, sizeof line, stdin) != NULL) {
        printf ("display: %ld parts\n", *parts);
        fflush (stdout);
    }
}

int main (int argc, char *argv[])
{
    SharedMemory memory;
    void *address = NULL;
    volatile long *parts;
    long found;
    int ends = argc > 1 && strcmp (argv[1], "end") == 0;

    if (report (shmCreate ("parts", ends ? 0 : sizeof *parts, &address, &memory)))
        return 1;
    if (ends)
        return report (shmDestroy (memory));

    parts = address;
    found = *parts;
    *parts += 3;

    switch (fork ()) {
    case -1:
        perror ("counter: fork");
        return 1;
    case 0:
        display (parts);
        _exit (0);                      /* no shmDestroy, as after a crash */
    default:
        printf ("counter: found %ld parts, counted 3 more\n", found);
        fflush (stdout);
        for (;;)
            pause ();
    }
}
