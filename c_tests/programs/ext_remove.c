/* shmxRemove: the name goes at once, the segment with its last user. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext remove"
#define SIZE 12345L
#define ROUNDS 150
#define LONGEST_LIFE 3000 /* microseconds */

static int ready[2];
static int go[2];

static SharedMemory make (int flags, int fill)
{
    SharedMemory memory = NULL;

    CHECK ("a segment is made", shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
    if (memory != NULL) {
        memset (shmAddress (memory), fill, SIZE);
    }
    return memory;
}

static void while_mapped (int flags)
{
    SharedMemory maker = make (flags, 'o');
    SharedMemory finder = check_create (NAME, 0);
    SharedMemory new;
    int id = shmId (maker);
    pid_t child = check_fork ();

    if (child == 0) {
        CHECK ("a child waits", check_await (go));
        CHECK ("it has the bytes still", check_filled (shmAddress (maker), 'o', SIZE));
        CHECK ("and destroys it as ever", shmDestroy (maker) == 0 && shmDestroy (finder) == 0);
        exit (0);
    }
    errno = 12345;
    CHECK ("shmxRemove returns 0 and leaves errno", shmxRemove (NAME) == 0 && errno == 12345);
    CHECK ("the name is gone at once", !check_exists (NAME));
    CHECK ("the segment is not", check_attached (id) == 4);
    CHECK ("its users have its bytes", check_filled (shmAddress (maker), 'o', SIZE));
    CHECK ("again it is ENOENT", shmxRemove (NAME) == ENOENT && errno == ENOENT);
    new = make (0, 'n');
    CHECK ("the name gets a new segment", shmId (new) != id);
    check_signal (go);
    CHECK ("the child ends well", check_wait (child) == 0);
    CHECK ("what is old can be saved", shmSave (finder, check_path ("old")) == 0);
    CHECK ("shmDestroy of the maker returns 0", shmDestroy (maker) == 0);
    CHECK ("and of the finder", check_attached (id) == 1 && shmDestroy (finder) == 0);
    CHECK ("the last one frees the old segment", check_attached (id) == -1);
    CHECK ("the new one is untouched", check_filled (shmAddress (new), 'n', SIZE)
           && check_exists (NAME));
    id = shmId (new);
    CHECK ("and is deleted by its own last user",
           shmDestroy (new) == 0 && check_attached (id) == -1 && !check_exists (NAME));
}

/* The name is known to valgrind.supp. */
static void after_the_programs_own_shmdt (int flags)
{
    SharedMemory memory = make (flags, 'u');
    int id = shmId (memory);
    pid_t child = check_fork ();

    if (child == 0) {
        _exit (0);
    }
    check_wait (child);
    CHECK ("its only user's mapping goes", shmdt (shmAddress (memory)) == 0);
    CHECK ("shmxRemove returns 0", shmxRemove (NAME) == 0);
    CHECK ("name and segment are gone", !check_exists (NAME) && check_attached (id) == -1);
    CHECK ("the handle's shmDestroy says that the mapping was gone", shmDestroy (memory) == EINVAL);
}

/* One segment after the other, made, kept and removed by somebody who is killed at it. */
static void death_in_the_midst (void)
{
    SharedMemory memory;
    int round, made[16], usable = 0;

    for (round = 0; round < ROUNDS; round++) {
        pid_t child = check_fork ();

        if (child == 0) {
            for (;;) {
                memory = NULL;
                shmxCreate (NAME, SIZE, SHMX_KEEP | SHMX_EXCL, 0, NULL, &memory);
                shmxRemove (NAME);
                shmDestroy (memory);
                shmxCreate (NAME, SIZE, SHMX_KEEP | SHMX_EXCL, 0, NULL, &memory);
                shmDestroy (memory);
                shmxRemove (NAME);
            }
        }
        usleep (rand () % LONGEST_LIFE);
        check_kill (child);
        memory = NULL;
        usable += shmCreate (NAME, SIZE, NULL, &memory) == 0
            && shmxRemove (NAME) == 0 && shmDestroy (memory) == 0
            && shmxRemove (NAME) == ENOENT && check_made (made, 16) <= 1;
    }
    CHECK ("kill -9 in the midst leaves a name that can be used and removed, and nothing else",
           usable == ROUNDS);
}

static void errors (void)
{
    static char name[1002];
    SharedMemory memory;

    CHECK ("no such name is ENOENT", shmxRemove (NAME) == ENOENT && errno == ENOENT);
    CHECK ("the text says so", strstr (shmxErrorText (), NAME) != NULL);
    CHECK ("NULL is EINVAL", shmxRemove (NULL) == EINVAL && errno == EINVAL);
    memset (name, 'n', 1001);
    CHECK ("a name of 1001 bytes is ENAMETOOLONG", shmxRemove (name) == ENAMETOOLONG);
    memory = check_create ("", SIZE);
    CHECK ("an empty name is one", shmxRemove ("") == 0 && shmDestroy (memory) == 0);
    memory = make (0, 'i');
    CHECK ("ipcrm was faster", shmctl (shmId (memory), IPC_RMID, NULL) == 0);
    CHECK ("then there is no such name", shmxRemove (NAME) == ENOENT);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void nothing (void)
{
    int before = check_segments ();

    setenv ("NOB_DATABASE", check_path ("never used"), 1);
    CHECK ("in an empty name space it is ENOENT", shmxRemove (NAME) == ENOENT);
    CHECK ("and makes nothing", check_segments () == before);
    check_default_namespace ();
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return EXIT_FAILURE;
    }
    nothing ();
    while_mapped (0);
    while_mapped (SHMX_KEEP);
    after_the_programs_own_shmdt (0);
    after_the_programs_own_shmdt (SHMX_KEEP);
    death_in_the_midst ();
    errors ();
    return check_done ();
}
