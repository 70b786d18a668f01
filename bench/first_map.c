/*
 * Started by first_use.c: attaches a segment, and prints when that was done and the memory
 * of the process in KiB: private dirty, proportional, resident. Uses the system calls if RAW
 * is defined, otherwise the library.
 */

#include "bench.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#ifndef RAW
#include "shm_util.h"
#endif

#define SIZE 16384

static long field (const char *text, const char *name)
{
    const char *place = strstr (text, name);

    return place == NULL ? -1 : atol (place + strlen (name));
}

static void report (double when)
{
    static char text[4096];
    int fd = open ("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t count = read (fd, text, sizeof text - 1);

    if (count <= 0) {
        die ("/proc/self/smaps_rollup");
    }
    printf ("%.0f %ld %ld %ld\n", when, field (text, "\nPrivate_Dirty:"), field (text, "\nPss:"),
            field (text, "\nRss:"));
}

#ifdef RAW

int main (void)
{
    struct shmid_ds status;
    int id = shmget ((key_t) 0x00C7E572, SIZE, IPC_CREAT | 0660);
    char *address = shmat (id, NULL, 0);

    if (address == (char *) -1) {
        die ("shmget, shmat");
    }
    address[0] = 1;
    report (now ());
    if (shmdt (address) != 0 || shmctl (id, IPC_STAT, &status) != 0
        || shmctl (id, IPC_RMID, NULL) != 0) {
        die ("shmdt, shmctl");
    }
    return EXIT_SUCCESS;
}

#else

int main (void)
{
    SharedMemory memory;
    void *address = NULL;

    must (shmCreate ("bench/first_map", SIZE, &address, &memory), "shmCreate");
    *(char *) address = 1;
    report (now ());
    must (shmDestroy (memory), "shmDestroy");
    return EXIT_SUCCESS;
}

#endif
