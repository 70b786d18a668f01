/* The interface of Python's sysv_ipc, written in C: with this library, SharedMemory needs no loop
 * over EEXIST, and no guess at who created a segment. The shim itself makes no System V call. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the shim ------------------------------------------------------------------------ */

/* What sysv_ipc raises. */
enum outcome { DONE, EXISTENTIAL_ERROR, PERMISSIONS_ERROR, VALUE_ERROR, NOT_ATTACHED, OTHER_ERROR };

#define CREX 1 /* as IPC_CREX: a new segment */
#define CREAT 2 /* as IPC_CREAT */

struct shared_memory {
    SharedMemory memory; /* NULL while it is detached */
    int id;
    long size;
};

static enum outcome outcome_of (int error)
{
    switch (error) {
    case 0: return DONE;
    case EEXIST:
    case ENOENT:
    case EIDRM: return EXISTENTIAL_ERROR;
    case EPERM:
    case EACCES: return PERMISSIONS_ERROR;
    case EINVAL: return VALUE_ERROR;
    default: return OTHER_ERROR;
    }
}

static enum outcome accept (struct shared_memory *shared, SharedMemory memory)
{
    shared->memory = memory;
    shared->id = check_id (memory);
    shared->size = shmSizeOf (memory);
    return DONE;
}

/* SharedMemory(key, flags, mode, size, init_character). As with System V, the segment is kept until
 * it is removed. It is hidden until it is filled. Without a key, it gets a unique name. */
static enum outcome open_memory (struct shared_memory *shared, const char *key, int flags,
                                 unsigned int mode, long size, int init_character)
{
    int options = SHMX_KEEP | SHMX_HIDDEN | (key == NULL ? SHMX_UNIQUE : 0);
    SharedMemory memory;
    int error;

    if (flags == 0 && key != NULL) {
        error = shmxCreate (key, size, SHMX_ATTACH, 0, NULL, &memory);
        return error == 0 ? accept (shared, memory) : outcome_of (error);
    }
    error = shmxCreate (key, size, options, mode, NULL, &memory);
    if (error == 0) {
        memset (shmAddress (memory), init_character, (size_t) size);
        error = shmxPublish (memory);
        if (error != 0)
            shmDestroy (memory);
    }
    if (error == EEXIST && flags == CREAT)
        error = shmxCreate (key, size, SHMX_ATTACH, 0, NULL, &memory);
    return error == 0 ? accept (shared, memory) : outcome_of (error);
}

/* attach(id) of the module */
static enum outcome attach_id (struct shared_memory *shared, int id)
{
    SharedMemory memory;
    int error = shmxAttachId (NULL, id, 0, NULL, &memory);

    return error == 0 ? accept (shared, memory) : outcome_of (error);
}

static enum outcome detach (struct shared_memory *shared)
{
    int error;

    if (shared->memory == NULL)
        return NOT_ATTACHED;
    error = shmxDetach (shared->memory);
    shared->memory = NULL;
    return outcome_of (error);
}

/* attach() of an object that was detached */
static enum outcome attach_again (struct shared_memory *shared)
{
    return attach_id (shared, shared->id);
}

static enum outcome remove_memory (struct shared_memory *shared)
{
    return outcome_of (shmxRemoveId (NULL, shared->id));
}

static enum outcome read_bytes (const struct shared_memory *shared, char *bytes, long count,
                                long offset)
{
    if (shared->memory == NULL)
        return NOT_ATTACHED;
    if (offset < 0 || count < 0 || offset > shared->size || count > shared->size - offset)
        return VALUE_ERROR;
    memcpy (bytes, (char *) shmAddress (shared->memory) + offset, (size_t) count);
    return DONE;
}

static enum outcome write_bytes (const struct shared_memory *shared, const char *bytes, long count,
                                 long offset)
{
    if (shared->memory == NULL)
        return NOT_ATTACHED;
    if (offset < 0 || count < 0 || offset > shared->size || count > shared->size - offset)
        return VALUE_ERROR;
    memcpy ((char *) shmAddress (shared->memory) + offset, bytes, (size_t) count);
    return DONE;
}

/* number_attached, mode, uid, ...: also of an object that was detached */
static enum outcome attributes (const struct shared_memory *shared, struct ShmxInfo *info)
{
    info->size = sizeof *info;
    return outcome_of (shmxStatId (NULL, shared->id, info));
}

/* ---- what its users expect ------------------------------------------------------------- */

#define KEY "c_tests/shim sysv_ipc"

static void create_and_attach (void)
{
    struct shared_memory one, two;
    struct ShmxInfo info;
    char bytes[8];

    CHECK ("without IPC_CREAT a key that nobody has is an ExistentialError",
           open_memory (&one, KEY, 0, 0600, 0, 0) == EXISTENTIAL_ERROR);
    CHECK ("IPC_CREX creates a segment", open_memory (&one, KEY, CREX, 0600, 5000, ' ') == DONE);
    CHECK ("the segment is filled with init_character",
           check_filled (shmAddress (one.memory), ' ', 5000));
    CHECK ("IPC_CREX of a key that exists is an ExistentialError",
           open_memory (&two, KEY, CREX, 0600, 5000, ' ') == EXISTENTIAL_ERROR);
    CHECK ("write stores bytes", write_bytes (&one, "hello", 6, 4990) == DONE);
    CHECK ("writing beyond the end is a ValueError",
           write_bytes (&one, "hello", 6, 4995) == VALUE_ERROR);
    CHECK ("IPC_CREAT attaches an existing segment, and leaves its bytes",
           open_memory (&two, KEY, CREAT, 0600, 100, 'x') == DONE && two.id == one.id
               && read_bytes (&two, bytes, 6, 4990) == DONE && strcmp (bytes, "hello") == 0);
    CHECK ("the attributes are those of the segment",
           attributes (&one, &info) == DONE && info.bytes == 5000 && info.mode == 0600
               && info.mappings == 2 && info.id == one.id);
    CHECK ("reading more bytes than the segment has is a ValueError",
           open_memory (&two, KEY, 0, 0, 5001, 0) == VALUE_ERROR);
    detach (&two);
    detach (&one);
}

static void detach_and_remove (void)
{
    struct shared_memory one, other;
    struct ShmxInfo info;

    CHECK ("a segment that no object has attached is found",
           open_memory (&one, KEY, 0, 0, 0, 0) == DONE);
    CHECK ("the object is detached", detach (&one) == DONE);
    CHECK ("a second detach is a NotAttachedError", detach (&one) == NOT_ATTACHED);
    CHECK ("the object still knows the attributes",
           attributes (&one, &info) == DONE && info.mappings == 0);
    CHECK ("the object is attached again", attach_again (&one) == DONE);
    CHECK ("another object is attached by the identifier",
           attach_id (&other, one.id) == DONE && other.size == 5000);
    CHECK ("the segment is removed", remove_memory (&one) == DONE);
    CHECK ("its name is free", open_memory (&other, KEY, 0, 0, 0, 0) == EXISTENTIAL_ERROR);
    CHECK ("an object that has the segment attached can still write to it",
           write_bytes (&one, "x", 1, 0) == DONE);
    CHECK ("removing it again is an ExistentialError", remove_memory (&one) == EXISTENTIAL_ERROR);
    detach (&other);
    detach (&one);
}

static void random_keys (void)
{
    struct shared_memory one, two;

    CHECK ("without a key, a segment is created",
           open_memory (&one, NULL, CREX, 0600, 100, 0) == DONE);
    CHECK ("another segment is created without a key",
           open_memory (&two, NULL, CREX, 0600, 100, 0) == DONE);
    CHECK ("the two segments are different", one.id != two.id);
    CHECK ("both segments are removed",
           remove_memory (&one) == DONE && remove_memory (&two) == DONE);
    detach (&one);
    detach (&two);
}

int main (void)
{
    check_start ();
    create_and_attach ();
    detach_and_remove ();
    random_keys ();
    CHECK ("only the registry is left", check_segments () == check_registries ());
    return check_done ();
}
