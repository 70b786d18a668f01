/* Handles: every function refuses NULL, stale, destroyed and invented ones. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/handles"
#define SIZE 4096L
#define STALE 2000
#define UNTOUCHED 12345

/* Whether every function refuses the handle, each with the error that is documented for it. */
static int is_refused (SharedMemory handle)
{
    const char *file = check_path ("created with an invalid handle");
    int destroyed, saved, loaded;

    errno = 0;
    destroyed = shmDestroy (handle) == EINVAL && errno == EINVAL;
    errno = 0;
    saved = shmSave (handle, file) == EINVAL && errno == EINVAL;
    errno = 0;
    loaded = shmLoad (handle, check_path ("exists")) == EINVAL && errno == EINVAL;
    return destroyed && saved && loaded && access (file, F_OK) != 0
        && shmAddress (handle) == NULL && shmId (handle) == -1 && shmSizeOf (handle) == -1;
}

static void null (void)
{
    CHECK ("shmDestroy (NULL) is 0", shmDestroy (NULL) == 0);
    CHECK ("shmAddress (NULL) is NULL", shmAddress (NULL) == NULL);
    CHECK ("shmId (NULL) is -1", shmId (NULL) == -1);
    CHECK ("shmSizeOf (NULL) is -1", shmSizeOf (NULL) == -1);
    CHECK ("shmSave of NULL is EINVAL", shmSave (NULL, check_path ("null")) == EINVAL);
    CHECK ("shmSave of NULL creates no file", access (check_path ("null"), F_OK) != 0);
    CHECK ("shmLoad of NULL is EINVAL", shmLoad (NULL, check_path ("exists")) == EINVAL);
    CHECK ("shmCreate with NULL for memory is EINVAL", shmCreate (NAME, 1, NULL, NULL) == EINVAL);
}

/* An invented value may happen to be the valid handle. */
static int is_refused_unless (SharedMemory good, SharedMemory handle)
{
    return handle == good || is_refused (handle);
}

/* Before any handle exists, and again while one does. */
static void made_up (SharedMemory good)
{
    static char data[64];
    char stack[64];

    CHECK ("(SharedMemory) 1 is refused", is_refused_unless (good, (SharedMemory) 1));
    CHECK ("a handle with all bits set is refused", is_refused_unless (good, (SharedMemory) -1L));
    CHECK ("a pointer into the stack is refused", is_refused ((SharedMemory) (void *) stack));
    CHECK ("a pointer to static data is refused", is_refused ((SharedMemory) (void *) data));
    CHECK ("LONG_MIN is refused", is_refused_unless (good, (SharedMemory) LONG_MIN));
    CHECK ("LONG_MAX is refused", is_refused_unless (good, (SharedMemory) LONG_MAX));
}

static void neighbours (SharedMemory handle)
{
    unsigned long value = (unsigned long) handle;
    unsigned long distance;
    unsigned bit;
    int accepted = 0;

    for (distance = 1; distance <= 256; distance++) {
        accepted += !is_refused ((SharedMemory) (value + distance));
        accepted += value != distance && !is_refused ((SharedMemory) (value - distance));
    }
    CHECK ("values near a handle's are refused", accepted == 0);
    for (bit = 0; bit < sizeof value * CHAR_BIT; bit++) {
        unsigned long flipped = value ^ 1UL << bit;

        accepted += flipped != 0 && !is_refused ((SharedMemory) flipped);
    }
    CHECK ("a handle with one bit flipped is refused", accepted == 0);
    CHECK ("the address of the segment is refused",
           is_refused ((SharedMemory) shmAddress (handle)));
    for (distance = 1; distance <= 1000; distance++) {
        accepted += !is_refused_unless (handle, (SharedMemory) distance);
    }
    CHECK ("small numbers are refused, including System V identifiers", accepted == 0);
}

static void stale (void)
{
    static SharedMemory handles[STALE];
    int accepted = 0;
    int failed = 0;
    int i;

    for (i = 0; i < STALE; i++) {
        failed += shmCreate ("c_tests/handles, reused", 1, NULL, &handles[i]) != 0;
        accepted += i > 0 && !is_refused (handles[i - 1]);
        failed += shmDestroy (handles[i]) != 0;
    }
    CHECK ("a segment can be created and destroyed two thousand times", failed == 0);
    for (i = 0; i < STALE; i++) {
        accepted += !is_refused (handles[i]);
    }
    CHECK ("no stale handle is accepted", accepted == 0);
}

static void good (SharedMemory memory)
{
    int id;
    long size;
    void *address;

    errno = UNTOUCHED;
    id = shmId (memory);
    size = shmSizeOf (memory);
    address = shmAddress (memory);
    CHECK ("the accessors leave errno unchanged", errno == UNTOUCHED);
    CHECK ("a handle is odd, and a double holds it: it is below 2 to the power of 53",
           (unsigned long) memory % 2 == 1
           && (double) (unsigned long) memory < 9007199254740992.0);
    if (check_has (HAS_IDS)) {
        CHECK ("shmId returns an identifier for shmctl(2)", check_size (id) == SIZE);
    } else {
        CHECK ("shmId returns -1, which is EINVAL for shmctl(2)",
               id == -1 && shmctl (id, IPC_RMID, NULL) == -1 && errno == EINVAL);
    }
    CHECK ("the kernel's size is the same", check_is_size (check_id (memory), SIZE));
    CHECK ("shmSizeOf returns the size", size == SIZE);
    CHECK ("shmAddress returns the address of the bytes", check_filled (address, 'g', SIZE));
    CHECK ("invalid handles have detached nothing", check_is_attached (check_id (memory), 1));
}

/* ---- no memory for a handle -------------------------------------------------------- */

static void leave_orphan (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    memset (shmAddress (memory), 'o', SIZE);
    _exit (0);
}

/* The first handle takes a block of 16 KiB. */
static void create_without_memory (void)
{
    struct rlimit none = {0, 0};
    SharedMemory memory = NULL;
    void *address = NULL;
    void *volatile block;

    setrlimit (RLIMIT_DATA, &none);
    do {
        block = malloc (8192);
    } while (block != NULL);
    _exit (shmCreate (NAME, SIZE, &address, &memory) == ENOMEM && memory == NULL ? 0 : 1);
}

/* Before this process has handles, which its children would inherit. */
static void no_memory (void)
{
    SharedMemory memory;

    if (!check_has (HAS_PROCESSES)) {
        return;
    }
    if (WITH_ADDRESS_SANITIZER || getenv ("UNDER_VALGRIND") != NULL) {
        check_skip ("no memory for a handle: sanitizers and valgrind need memory themselves");
        return;
    }
    CHECK ("a process leaves an orphan", check_child (leave_orphan) == 0);
    CHECK ("shmCreate is ENOMEM without memory for a handle",
           check_child (create_without_memory) == 0);
    memory = check_create (NAME, SIZE);
    CHECK ("the orphan is still there", check_filled (shmAddress (memory), 'o', SIZE));
    CHECK ("it can be destroyed", shmDestroy (memory) == 0);
}

int main (void)
{
    SharedMemory memory;

    check_start ();
    no_memory ();
    null ();
    made_up (NULL);
    memory = check_create (NAME, SIZE);
    memset (shmAddress (memory), 'g', SIZE);
    CHECK ("shmSave returns 0", shmSave (memory, check_path ("exists")) == 0);
    null ();
    made_up (memory);
    neighbours (memory);
    stale ();
    good (memory);
    CHECK ("the valid handle can be destroyed", shmDestroy (memory) == 0);
    CHECK ("then it is refused", is_refused (memory));
    CHECK ("it is refused again", is_refused (memory));
    return check_done ();
}
