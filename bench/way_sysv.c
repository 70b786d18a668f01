/*
 * The system calls that the library cannot avoid: to know when to delete a segment, a program
 * has to ask how many processes have it attached. The second way knows only a key, and finds
 * the segment with one more call.
 */

#include "bench.h"
#include "ways.h"

#include <sys/ipc.h>
#include <sys/shm.h>

static int held;

static key_t key_of (int number)
{
    return (key_t) (0x00C7E570 + 2 * getpid () + number);
}

static void map (int id)
{
    struct shmid_ds status;
    void *address = shmat (id, NULL, 0);

    if (address == (void *) -1 || shmctl (id, IPC_STAT, &status) != 0 || shmdt (address) != 0) {
        die ("shmat, IPC_STAT, shmdt");
    }
}

static int make (key_t key, long size)
{
    int id = shmget (key, (size_t) size, IPC_CREAT | IPC_EXCL | 0660);

    if (id == -1) {
        die ("shmget");
    }
    return id;
}

static void create (long size)
{
    int id = make (key_of (0), size);

    map (id);
    must (shmctl (id, IPC_RMID, NULL), "IPC_RMID");
}

static void hold (long size)
{
    void *address;

    held = make (key_of (1), size);
    address = shmat (held, NULL, 0);
    if (address == (void *) -1) {
        die ("shmat");
    }
    memset (address, 1, (size_t) size);
}

static void attach (void)
{
    map (held);
}

static void attach_by_key (void)
{
    int id = shmget (key_of (1), 0, 0);

    if (id == -1) {
        die ("shmget");
    }
    map (id);
}

/* It remains attached until the program ends. */
static void release (void)
{
    must (shmctl (held, IPC_RMID, NULL), "IPC_RMID");
}

const struct way way_sysv = {"raw", NULL, create, hold, release, attach};
const struct way way_sysv_by_key = {"raw, by key", NULL, NULL, NULL, NULL, attach_by_key};
