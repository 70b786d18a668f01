/*
 * The C program at the other end: partner COMMAND... stores numbers in a segment, runs a
 * program that adds them up, and checks the sum that it has stored there. Meanwhile it has
 * the segment detached, so the segment must outlive that program.
 */

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numbers.h"
#include "shm_util.h"
#include "shm_util_ext.h"

static int run (char *command[])
{
    int status = 0;
    pid_t child = fork ();

    if (child == 0) {
        execvp (command[0], command);
        perror (command[0]);
        _exit (127);
    }
    return child == -1 || waitpid (child, &status, 0) == -1 ? -1 : status;
}

int main (int argc, char *argv[])
{
    SharedMemory memory;
    struct numbers *shared;
    void *address = NULL;
    int i, right;
    int32_t sum = 0;

    if (argc < 2) {
        fprintf (stderr, "usage: partner COMMAND...\n");
        return 2;
    }
    if (shmCreate (SEGMENT, (long) sizeof *shared, &address, &memory) != 0) {
        perror ("shmCreate");
        return 1;
    }
    shared = address;
    memset (shared, 0, sizeof *shared);
    shared->count = COUNT;
    for (i = 0; i < COUNT; i++) {
        shared->numbers[i] = 7 * i - getpid () % 1000;
        sum += shared->numbers[i];
    }

    if (shmxDetach (memory) != 0) {
        perror ("shmxDetach");
        return 1;
    }
    right = run (argv + 1) == 0;
    address = NULL;
    if (shmCreate (SEGMENT, 0, &address, &memory) != 0) {
        perror ("shmCreate, for the sum");
        return 1;
    }
    shared = address;
    right = right && shared->sum == sum;
    printf ("%.15s: %d numbers, sum %d, which is %s\n",
            shared->who[0] != '\0' ? shared->who : "nobody", COUNT, shared->sum,
            right ? "right" : "wrong");
    return shmDestroy (memory) == 0 && right ? 0 : 1;
}
