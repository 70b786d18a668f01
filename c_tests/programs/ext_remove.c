/* shmxRemove: removes the name at once; the segment is deleted with its last holder. */

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

    CHECK ("shmxCreate creates a segment", shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
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
    int id = check_id (maker);
    pid_t child = check_fork ();

    if (child == 0) {
        CHECK ("a child waits for the removal", check_await (go));
        CHECK ("the child still reads the data", check_filled (shmAddress (maker), 'o', SIZE));
        CHECK ("the child can destroy its handles",
               shmDestroy (maker) == 0 && shmDestroy (finder) == 0);
        exit (0);
    }
    errno = 12345;
    CHECK ("shmxRemove returns 0 and leaves errno unchanged",
           shmxRemove (NAME) == 0 && errno == 12345);
    CHECK ("the name is removed at once", !check_exists (NAME));
    CHECK ("the segment still exists", check_is_attached (id, 4));
    CHECK ("its holders still read the data", check_filled (shmAddress (maker), 'o', SIZE));
    CHECK ("a second shmxRemove is ENOENT", shmxRemove (NAME) == ENOENT && errno == ENOENT);
    new = make (0, 'n');
    CHECK ("shmCreate of the name creates a new segment", check_id (new) != id);
    check_signal (go);
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("the old segment can be saved", shmSave (finder, check_path ("old")) == 0);
    CHECK ("the creator can destroy its handle", shmDestroy (maker) == 0);
    CHECK ("the other holder can destroy its handle",
           check_is_attached (id, 1) && shmDestroy (finder) == 0);
    CHECK ("the last shmDestroy deletes the old segment", check_is_attached (id, -1));
    CHECK ("the new segment is unchanged", check_filled (shmAddress (new), 'n', SIZE)
           && check_exists (NAME));
    id = check_id (new);
    CHECK ("the last shmDestroy deletes the new segment",
           shmDestroy (new) == 0 && check_is_attached (id, -1) && !check_exists (NAME));
}

/* valgrind.supp contains the name of this function. */
static void after_the_programs_own_shmdt (int flags)
{
    SharedMemory memory = make (flags, 'u');
    int id = check_id (memory);
    pid_t child = check_fork ();

    if (child == 0) {
        _exit (0);
    }
    check_wait (child);
    CHECK ("its only holder detaches it itself",
           check_unmap (shmAddress (memory), SIZE) == 0);
    CHECK ("shmxRemove returns 0, or the name is removed already",
           shmxRemove (NAME) == (check_has (HAS_OWN_DETACH) ? 0 : ENOENT));
    CHECK ("name and segment are removed", !check_exists (NAME) && check_is_attached (id, -1));
    CHECK ("shmDestroy of the detached handle is EINVAL", shmDestroy (memory) == EINVAL);
}

/* A program that looks at a killed process in /proc, as ps(1) does, keeps its memory for a moment. */
static int nothing_is_left (void)
{
    int tries;

    for (tries = 0; tries < 100 && check_segments () > check_registries (); tries++) {
        usleep (10000);
    }
    return check_segments () <= check_registries ();
}

/* A process that creates, keeps and removes segments is killed, again and again. */
static void death_in_the_midst (void)
{
    SharedMemory memory;
    int round, usable = 0;

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
            && shmxRemove (NAME) == ENOENT && nothing_is_left ();
    }
    CHECK ("kill -9 during shmxRemove leaves a name that can be used and removed",
           usable == ROUNDS);
}

static void errors (void)
{
    static char name[1002];
    SharedMemory memory;

    CHECK ("a name that does not exist is ENOENT", shmxRemove (NAME) == ENOENT && errno == ENOENT);
    CHECK ("the text contains the name", strstr (shmxErrorText (), NAME) != NULL);
    CHECK ("NULL is EINVAL", shmxRemove (NULL) == EINVAL && errno == EINVAL);
    memset (name, 'n', 1001);
    CHECK ("a name of 1001 bytes is ENAMETOOLONG", shmxRemove (name) == ENAMETOOLONG);
    memory = check_create ("", SIZE);
    CHECK ("the empty name can be removed", shmxRemove ("") == 0 && shmDestroy (memory) == 0);
    if (!check_has (HAS_OUTSIDERS)) {
        return;
    }
    memory = make (0, 'i');
    CHECK ("another program removes a segment first", check_rm (check_id (memory)) == 0);
    CHECK ("then its name does not exist", shmxRemove (NAME) == ENOENT);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void nothing (void)
{
    int before = check_segments ();

    setenv ("NOB_DATABASE", check_namespace ("never used"), 1);
    CHECK ("shmxRemove is ENOENT in an empty namespace", shmxRemove (NAME) == ENOENT);
    CHECK ("it creates no segment", check_segments () == before);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return EXIT_FAILURE;
    }
    CHECK ("an empty namespace: exits with status 0", check_child (nothing) == 0);
    if (check_has (HAS_PROCESSES)) {
        while_mapped (0);
        while_mapped (SHMX_KEEP);
        death_in_the_midst ();
    }
    after_the_programs_own_shmdt (0);
    after_the_programs_own_shmdt (SHMX_KEEP);
    errors ();
    return check_done ();
}
