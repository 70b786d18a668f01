/* shmxRemoveSegment: removes the name of a handle's segment, and of no other. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext remove segment"
#define SIZE 12345L

static SharedMemory make (int flags, int fill)
{
    SharedMemory memory = NULL;

    CHECK ("shmxCreate creates a segment", shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
    if (memory != NULL) {
        memset (shmAddress (memory), fill, SIZE);
    }
    return memory;
}

static void own_name (int flags)
{
    SharedMemory memory = make (flags, 'o');
    SharedMemory other = check_create (NAME, 0);
    int id = check_id (memory);
    struct ShmxInfo info;

    errno = 12345;
    CHECK ("shmxRemoveSegment returns 0 and leaves errno unchanged",
           shmxRemoveSegment (memory) == 0 && errno == 12345);
    CHECK ("the name is removed at once", !check_exists (NAME));
    CHECK ("the segment still exists", check_is_attached (id, 2));
    CHECK ("the handle remains valid", check_id (memory) == id && shmSizeOf (memory) == SIZE
           && check_filled (shmAddress (memory), 'o', SIZE));
    CHECK ("it can be saved", shmSave (memory, "/dev/null") == 0);
    info.size = sizeof info;
    CHECK ("shmxStat shows that it has lost its name",
           shmxStat (memory, &info) == 0 && info.key == 0 && strcmp (info.name, NAME) == 0);
    errno = 0;
    CHECK ("a second shmxRemoveSegment is EIDRM",
           shmxRemoveSegment (memory) == EIDRM && errno == EIDRM);
    CHECK ("so is that of another handle", shmxRemoveSegment (other) == EIDRM);
    CHECK ("the error's text states that the name is lost",
           strstr (shmxErrorText (), "lost its name") != NULL);
    CHECK ("both handles can be destroyed", shmDestroy (memory) == 0 && shmDestroy (other) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
}

/* What shmxRemove cannot tell apart. */
static void name_of_another (int by_outsider)
{
    SharedMemory old = make (0, 'o');
    SharedMemory new;

    if (by_outsider) {
        CHECK ("another program removes the segment", check_rm (check_id (old)) == 0);
    } else {
        CHECK ("the name is removed", shmxRemove (NAME) == 0);
    }
    new = make (SHMX_EXCL, 'n');
    CHECK ("shmxRemoveSegment of the old segment is EIDRM", shmxRemoveSegment (old) == EIDRM);
    CHECK ("the new segment keeps its name", check_exists (NAME));
    CHECK ("it has its data", check_filled (shmAddress (new), 'n', SIZE));
    CHECK ("shmDestroy returns 0", shmDestroy (old) == 0);
    CHECK ("the new one can be removed", shmxRemoveSegment (new) == 0 && !check_exists (NAME));
    CHECK ("shmDestroy returns 0", shmDestroy (new) == 0);
}

/* Another process removes the name and creates it again. */
static void name_of_another_process (void)
{
    SharedMemory memory = make (0, 'o');
    pid_t child = check_fork ();

    if (child == 0) {
        CHECK ("a child can remove the name by the handle that it inherits",
               shmxRemoveSegment (memory) == 0);
        CHECK ("it leaves a new segment of that name", shmxDetach (make (SHMX_EXCL, 'c')) == 0);
        _exit (0);
    }
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("shmxRemoveSegment of the old segment is EIDRM", shmxRemoveSegment (memory) == EIDRM);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    memory = check_create (NAME, 0);
    CHECK ("the child's segment has its name and its data",
           memory != NULL && check_filled (shmAddress (memory), 'c', SIZE));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* valgrind.supp contains the start of this function's name. */
static void after_the_programs_own_shmdt (void)
{
    SharedMemory memory = make (0, 'u');
    int id = check_id (memory);

    CHECK ("the only holder detaches it itself",
           check_unmap (shmAddress (memory), SIZE) == 0);
    CHECK ("shmxRemoveSegment returns 0", shmxRemoveSegment (memory) == 0);
    CHECK ("name and segment are removed", !check_exists (NAME) && check_is_attached (id, -1));
    CHECK ("shmDestroy of the detached handle is EINVAL", shmDestroy (memory) == EINVAL);
}

static void errors (void)
{
    SharedMemory memory = make (0, 'e');

    CHECK ("NULL is EINVAL", shmxRemoveSegment (NULL) == EINVAL && errno == EINVAL);
    CHECK ("an invented handle is EINVAL", shmxRemoveSegment ((SharedMemory) 7) == EINVAL);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxRemoveSegment (memory) == EINVAL);
}

/* The registry was removed: the names move to a new one. */
static void without_registry (int is_taken_over)
{
    SharedMemory memory = make (0, 'r');
    SharedMemory other = NULL;
    int id = check_id (memory);

    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    if (is_taken_over) {
        other = check_create ("c_tests/another name", SIZE);
    }
    CHECK ("without its registry, shmxRemoveSegment works", shmxRemoveSegment (memory) == 0);
    CHECK ("the name is removed", !check_exists (NAME));
    CHECK ("a second shmxRemoveSegment is EIDRM", shmxRemoveSegment (memory) == EIDRM);
    CHECK ("the last shmDestroy deletes the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));
    CHECK ("the other name is removed as well", other == NULL
           || (shmxRemoveSegment (other) == 0 && shmDestroy (other) == 0));
}

int main (void)
{
    check_start ();
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    own_name (0);
    own_name (SHMX_KEEP);
    name_of_another (0);
    if (check_has (HAS_OUTSIDERS)) {
        name_of_another (1);
    }
    if (check_has (HAS_PROCESSES)) {
        name_of_another_process ();
    }
    after_the_programs_own_shmdt ();
    errors ();
    if (check_has (HAS_REGISTRY)) {
        without_registry (0);
        without_registry (1);
    }
    return check_done ();
}
