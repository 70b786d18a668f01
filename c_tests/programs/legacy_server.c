/*
 * Fills a segment with numbers, starts a client that adds them up, and saves and restores the
 * result. The client is legacy_client, in the directory of this program.
 */

#define _XOPEN_SOURCE 500

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "legacy.h"
#include "shm_util.h"

static void die (const char *what)
{
    perror (what);
    exit (1);
}

static void start_client (const char *server)
{
    static char client[4096];
    char *slash;
    int status;
    pid_t child;

    if (strlen (server) + sizeof "legacy_client" > sizeof client) {
        fprintf (stderr, "%s: too long\n", server);
        exit (1);
    }
    strcpy (client, server);
    slash = strrchr (client, '/');
    strcpy (slash == NULL ? client : slash + 1, "legacy_client");

    fflush (stdout);
    child = fork ();
    if (child == -1) {
        die ("fork");
    }
    if (child == 0) {
        execl (client, client, ORDERS, (char *) NULL);
        perror (client);
        _exit (1);
    }
    if (waitpid (child, &status, 0) == -1) {
        die ("waitpid");
    }
    if (status != 0) {
        fprintf (stderr, "The client failed with status %d.\n", status);
        exit (1);
    }
}

static void save_and_restore (SharedMemory memory, struct orders *orders)
{
    const char *directory = getenv ("TMPDIR");
    char file[4096];
    int descriptor;

    sprintf (file, "%.4000s/legacy_server.XXXXXX", directory == NULL ? "/tmp" : directory);
    descriptor = mkstemp (file);
    if (descriptor == -1 || close (descriptor) == -1) {
        die (file);
    }
    if (shmSave (memory, file)) {
        die ("shmSave");
    }
    memset (orders, 0, sizeof *orders);
    if (shmLoad (memory, file)) {
        die ("shmLoad");
    }
    unlink (file);
}

int main (int argc, char *argv[])
{
    SharedMemory memory;
    struct orders *orders;
    void *address = NULL;
    int i;

    (void) argc;
    if (shmCreate (ORDERS, (long) sizeof *orders, &address, &memory)) {
        die ("shmCreate");
    }
    orders = (struct orders *) address;
    orders->count = PLACES;
    for (i = 0; i < PLACES; i++) {
        orders->numbers[i] = i;
    }
    start_client (argv[0]);
    save_and_restore (memory, orders);
    printf ("server: segment %d, the sum of %d numbers is %ld\n", shmId (memory), orders->count,
            orders->sum);
    if (orders->sum != (long) PLACES * (PLACES - 1) / 2) {
        fprintf (stderr, "The sum is wrong.\n");
        return 1;
    }
    if (shmDestroy (memory)) {
        die ("shmDestroy");
    }
    return 0;
}
