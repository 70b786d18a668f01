/* The interface of Qt's QSharedMemory, written in C: with this library it distinguishes its errors
 * without a guess, a segment does not outlive its last holder, however that ends, and no file is
 * needed as a key. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the shim ------------------------------------------------------------------------ */

/* QSharedMemory::SharedMemoryError */
enum shared_memory_error {
    NO_ERROR,
    PERMISSION_DENIED,
    INVALID_SIZE,
    KEY_ERROR,
    ALREADY_EXISTS,
    NOT_FOUND,
    OUT_OF_RESOURCES,
    UNKNOWN_ERROR
};

enum access_mode { READ_ONLY, READ_WRITE };

struct q_shared_memory {
    const char *key;
    SharedMemory memory;
    enum shared_memory_error error;
    char error_string[200];
};

/* The Qt error for an error of the library. */
static enum shared_memory_error kind_of (int error)
{
    switch (error) {
    case 0: return NO_ERROR;
    case EACCES:
    case EPERM: return PERMISSION_DENIED;
    case EEXIST: return ALREADY_EXISTS;
    case ENOENT: return NOT_FOUND;
    case ENOMEM:
    case ENOSPC:
    case ENFILE: return OUT_OF_RESOURCES;
    case ENAMETOOLONG: return KEY_ERROR;
    case EINVAL:
        switch (shmxErrorReason ()) {
        case SHMX_REASON_TOO_SMALL: return INVALID_SIZE;
        case SHMX_REASON_LIMIT: return OUT_OF_RESOURCES;
        default: return UNKNOWN_ERROR;
        }
    default: return UNKNOWN_ERROR;
    }
}

/* Records how a call ended, and returns whether it succeeded. */
static int note (struct q_shared_memory *shared, int error)
{
    shared->error = kind_of (error);
    strncpy (shared->error_string, error == 0 ? "" : shmxErrorText (),
             sizeof shared->error_string - 1);
    return error == 0;
}

static int q_attach (struct q_shared_memory *shared, enum access_mode access)
{
    int flags = SHMX_ATTACH | (access == READ_ONLY ? SHMX_RDONLY : 0);

    if (shared->memory != NULL)
        return 0;
    return note (shared, shmxCreate (shared->key, 0, flags, 0, NULL, &shared->memory));
}

static int q_create (struct q_shared_memory *shared, long size)
{
    if (size <= 0) {
        shared->error = INVALID_SIZE;
        return 0;
    }
    return note (shared, shmxCreate (shared->key, size, SHMX_EXCL | SHMX_TRANSIENT, 0600, NULL,
                                     &shared->memory));
}

static int q_detach (struct q_shared_memory *shared)
{
    SharedMemory memory = shared->memory;

    shared->memory = NULL;
    return memory != NULL && note (shared, shmDestroy (memory));
}

static struct q_shared_memory with_key (const char *key)
{
    struct q_shared_memory shared;

    memset (&shared, 0, sizeof shared);
    shared.key = key;
    return shared;
}

/* ---- what its users expect ------------------------------------------------------------- */

#define KEY "c_tests/shim qt"

static int ready[2];

static void create_attach_detach (void)
{
    struct q_shared_memory one = with_key (KEY), two = with_key (KEY);

    CHECK ("attach: NotFound", !q_attach (&one, READ_WRITE) && one.error == NOT_FOUND);
    CHECK ("create: InvalidSize for 0 bytes", !q_create (&one, 0) && one.error == INVALID_SIZE);
    CHECK ("create succeeds", q_create (&one, 1000) && one.error == NO_ERROR);
    CHECK ("create: AlreadyExists", !q_create (&two, 1000) && two.error == ALREADY_EXISTS);
    CHECK ("errorString is a sentence about the key", strstr (two.error_string, KEY) != NULL);
    CHECK ("attach succeeds, read-only", q_attach (&two, READ_ONLY));
    CHECK ("a second attach of the same object fails", !q_attach (&two, READ_ONLY));
    CHECK ("size is the segment's", shmSizeOf (two.memory) == 1000);
    *(char *) shmAddress (one.memory) = 'x';
    CHECK ("both objects share the bytes", *(char *) shmAddress (two.memory) == 'x');
    CHECK ("the first object detaches, and the second still has the segment",
           q_detach (&one) && check_exists (KEY));
    CHECK ("the last object detaches", q_detach (&two));
    CHECK ("then the segment is gone", !check_exists (KEY));
    CHECK ("detach of an object that is not attached fails", !q_detach (&two));
}

static void limits (void)
{
    struct q_shared_memory one = with_key (KEY);
    char long_key[1200];

    memset (long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    one.key = long_key;
    CHECK ("create: KeyError for a key that is too long",
           !q_create (&one, 1000) && one.error == KEY_ERROR);
    one.key = KEY;
    if (sizeof (long) == 4) {
        check_note ("no size is too large for a machine whose programs may have 2 GiB");
        return;
    }
    CHECK ("create: OutOfResources for more than all memory",
           !q_create (&one, (long) (~0UL >> 1)) && one.error == OUT_OF_RESOURCES);
}

/* Another process is killed while it has the segment attached. */
static void hold (void)
{
    struct q_shared_memory one = with_key (KEY);

    if (q_create (&one, 1000)) {
        check_signal (ready);
        pause ();
    }
    _exit (1);
}

static void crash (void)
{
    struct q_shared_memory one = with_key (KEY);
    pid_t child;

    if (pipe (ready) != 0)
        abort ();
    child = check_fork ();
    if (child == 0)
        hold ();
    CHECK ("another process creates the segment", check_await (ready));
    check_kill (child);
    CHECK ("after that process was killed, only the registry is left",
           check_segments () == check_registries ());
    CHECK ("its key is free again", q_create (&one, 2000));
    q_detach (&one);
}

int main (void)
{
    check_start ();
    create_attach_detach ();
    limits ();
    crash ();
    CHECK ("only the registry is left", check_segments () == check_registries ());
    return check_done ();
}
