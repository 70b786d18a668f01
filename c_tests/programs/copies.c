/* Two copies of the library in one program, as when a plugin contains one of its own, or a library
 * that is unloaded and loaded again: none accepts another's handles. */

#define _GNU_SOURCE

#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "build/lib/libshm_util.so.1"
#define SIZE 4096L
#define HANDLES 100
#define LOADS 4

struct copy {
    void *library; /* NULL for the program's own copy */
    int (*create) (const char *name, long size, void **address, SharedMemory *memory);
    int (*destroy) (SharedMemory memory);
    void *(*address) (SharedMemory memory);
    int (*id) (SharedMemory memory);
    long (*size) (SharedMemory memory);
    int (*save) (SharedMemory memory, const char *file);
    SharedMemory handles[HANDLES];
};

/* Another file, because the C library loads each file once. */
static void copy_library (const char *to)
{
    char buffer[65536];
    int from = open (LIBRARY, O_RDONLY);
    int file = open (to, O_WRONLY | O_CREAT | O_EXCL, 0700);
    ssize_t length = 0;
    int copied = from >= 0 && file >= 0;

    while (copied && (length = read (from, buffer, sizeof buffer)) > 0) {
        copied = write (file, buffer, (size_t) length) == length;
    }
    close (from);
    close (file);
    CHECK ("the library is copied", copied && length == 0);
}

/* C89 has no conversion from an object's address to a function's. */
static void find (void *library, const char *name, void *function, size_t size)
{
    void *symbol = dlsym (library, name);

    CHECK (check_text ("the copy has %s", name), symbol != NULL);
    memcpy (function, &symbol, size);
}

static int load (struct copy *copy, const char *path)
{
    copy->library = dlopen (path, RTLD_NOW | RTLD_LOCAL);
    if (!CHECK ("the copy is loaded", copy->library != NULL)) {
        return 0;
    }
    find (copy->library, "shmCreate", &copy->create, sizeof copy->create);
    find (copy->library, "shmDestroy", &copy->destroy, sizeof copy->destroy);
    find (copy->library, "shmAddress", &copy->address, sizeof copy->address);
    find (copy->library, "shmId", &copy->id, sizeof copy->id);
    find (copy->library, "shmSizeOf", &copy->size, sizeof copy->size);
    find (copy->library, "shmSave", &copy->save, sizeof copy->save);
    return 1;
}

static void make_handles (struct copy *copy)
{
    int failed = 0;
    int strange = 0;
    int i;

    for (i = 0; i < HANDLES; i++) {
        unsigned long number;

        failed += copy->create ("c_tests/copies", SIZE, NULL, &copy->handles[i]) != 0;
        number = (unsigned long) copy->handles[i];
        strange += number % 2 != 1 || (double) number >= 9007199254740992.0;
    }
    CHECK ("handles are made", failed == 0);
    CHECK ("each is odd, and below 2 to the power of 53", strange == 0);
}

static int destroy_handles (struct copy *copy)
{
    int failed = 0;
    int i;

    for (i = 0; i < HANDLES; i++) {
        failed += copy->destroy (copy->handles[i]) != 0;
    }
    return failed == 0;
}

static int accepted_by (const struct copy *copy, const SharedMemory *handles)
{
    int accepted = 0;
    int i;

    for (i = 0; i < HANDLES; i++) {
        accepted += copy->address (handles[i]) != NULL || copy->id (handles[i]) != -1
            || copy->size (handles[i]) != -1
            || copy->save (handles[i], check_path ("not saved")) != EINVAL
            || copy->destroy (handles[i]) != EINVAL;
    }
    return accepted;
}

/* Creates this many segments, each with its own name. */
static int creates_names (struct copy *copy, const char *prefix, SharedMemory *handles)
{
    int failed = 0;
    int i;

    for (i = 0; i < HANDLES; i++) {
        failed += copy->create (check_text ("%s %d", prefix, i), SIZE, NULL, &handles[i]) != 0;
    }
    return failed == 0;
}

/* Each copy draws random keys for its segments: if both drew the same ones, creates would fail. */
static void names_of_both (struct copy *own, struct copy *other)
{
    static SharedMemory of_own[HANDLES];
    int i;

    if (!check_has_room (2 * HANDLES, "both copies create many names")) {
        return;
    }
    CHECK ("the program's copy creates names", creates_names (own, "own", of_own));
    CHECK ("the other copy creates as many", creates_names (other, "other", other->handles));
    CHECK ("the other copy destroys them", destroy_handles (other));
    for (i = 0; i < HANDLES; i++) {
        own->destroy (of_own[i]);
    }
}

int main (void)
{
    static struct copy own, other;
    static SharedMemory earlier[LOADS][HANDLES];
    static char path[1024];
    int round, previous;

    check_start ();
    strcpy (path, check_path ("copy.so"));
    copy_library (path);
    own.create = shmCreate;
    own.destroy = shmDestroy;
    own.address = shmAddress;
    own.id = shmId;
    own.size = shmSizeOf;
    own.save = shmSave;
    make_handles (&own);
    for (round = 0; round < LOADS && load (&other, path); round++) {
        make_handles (&other);
        CHECK ("the other copy refuses the program's handles",
               accepted_by (&other, own.handles) == 0);
        CHECK ("the program's copy refuses the other's",
               accepted_by (&own, other.handles) == 0);
        for (previous = 0; previous < round; previous++) {
            CHECK ("a copy that is loaded again refuses handles of an earlier time",
                   accepted_by (&other, earlier[previous]) == 0);
        }
        memcpy (earlier[round], other.handles, sizeof earlier[round]);
        CHECK ("the other copy's handles can be destroyed", destroy_handles (&other));
        if (round == 0) {
            names_of_both (&own, &other);
        }
        CHECK ("the copy is unloaded", dlclose (other.library) == 0);
    }
    CHECK ("the program's handles can be destroyed", destroy_handles (&own));
    return check_done ();
}
