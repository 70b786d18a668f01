/* The interface of CPython's multiprocessing.shared_memory.SharedMemory, written in C: with this
 * library it needs no tracker process, no loop to find a free name, and no guess at who created a
 * segment. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the shim ------------------------------------------------------------------------ */

struct shared_memory {
    SharedMemory memory; /* NULL once it was closed */
    char name[1001];
    long size;
};

/* SharedMemory(name, create, size). Returns the errno value of the exception. */
static int open_memory (struct shared_memory *shared, const char *name, int create, long size)
{
    int flags = create ? SHMX_EXCL | SHMX_KEEP : SHMX_ATTACH;
    int error;

    if (create && size <= 0)
        return EINVAL;
    if (create && name == NULL) {
        flags |= SHMX_UNIQUE;
        name = "psm_";
    }
    error = shmxCreate (name, create ? size : 0, flags, 0600, NULL, &shared->memory);
    if (error != 0)
        return error;
    shared->size = shmSizeOf (shared->memory);
    return shmxName (shared->memory, shared->name, sizeof shared->name);
}

static void close_memory (struct shared_memory *shared)
{
    if (shared->memory != NULL)
        shmxDetach (shared->memory);
    shared->memory = NULL;
}

static int unlink_memory (const struct shared_memory *shared)
{
    return shmxRemove (shared->name);
}

static char *buffer (const struct shared_memory *shared)
{
    return shmAddress (shared->memory);
}

/* ---- what its users expect ------------------------------------------------------------- */

static void two_objects (void)
{
    struct shared_memory one, two;

    CHECK ("create with size 0 is a ValueError", open_memory (&one, "shim", 1, 0) == EINVAL);
    CHECK ("opening a name that does not exist is a FileNotFoundError",
           open_memory (&one, "shim", 0, 0) == ENOENT);
    CHECK ("the segment is created", open_memory (&one, "shim", 1, 512) == 0);
    CHECK ("the segment has the requested name", strcmp (one.name, "shim") == 0);
    CHECK ("creating the name again is a FileExistsError",
           open_memory (&two, "shim", 1, 512) == EEXIST);
    CHECK ("the segment is attached by its name",
           open_memory (&two, "shim", 0, 0) == 0 && two.size == 512);
    buffer (&one)[0] = 42;
    CHECK ("both objects have the same bytes", buffer (&two)[0] == 42);
    close_memory (&two);
    close_memory (&two);
    CHECK ("closing one object does not affect the other", buffer (&one)[0] == 42);
    close_memory (&one);
    CHECK ("closing both does not remove the segment", open_memory (&two, "shim", 0, 0) == 0
           && buffer (&two)[0] == 42);
    CHECK ("unlink removes the segment", unlink_memory (&two) == 0);
    CHECK ("an object that has the segment open keeps its bytes", buffer (&two)[0] == 42);
    CHECK ("unlinking it again is a FileNotFoundError", unlink_memory (&two) == ENOENT);
    close_memory (&two);
    CHECK ("only the registry is left", check_segments () == check_registries ());
}

static void made_up_names (void)
{
    struct shared_memory one, two, again;

    CHECK ("without a name, the library makes a unique one",
           open_memory (&one, NULL, 1, 100) == 0 && strncmp (one.name, "psm_", 4) == 0);
    CHECK ("each of these names is different",
           open_memory (&two, NULL, 1, 100) == 0 && strcmp (one.name, two.name) != 0);
    CHECK ("another process finds it by that name",
           open_memory (&again, one.name, 0, 0) == 0
           && check_id (again.memory) == check_id (one.memory));
    close_memory (&again);
    unlink_memory (&one);
    unlink_memory (&two);
    close_memory (&one);
    close_memory (&two);
}

/* A process that opens the segment and exits without close: a tracker would remove it. */
static void open_and_exit (void)
{
    struct shared_memory shared;

    _exit (open_memory (&shared, "shim", 0, 0) != 0);
}

static void without_a_tracker (void)
{
    struct shared_memory one;

    CHECK ("the segment is created", open_memory (&one, "shim", 1, 100) == 0);
    CHECK ("another process opens the segment, and exits", check_child (open_and_exit) == 0);
    close_memory (&one);
    CHECK ("the segment still exists", open_memory (&one, "shim", 0, 0) == 0);
    CHECK ("unlink removes it", unlink_memory (&one) == 0);
    close_memory (&one);
}

int main (void)
{
    check_start ();
    two_objects ();
    made_up_names ();
    without_a_tracker ();
    CHECK ("only the registry is left", check_segments () == check_registries ());
    return check_done ();
}
