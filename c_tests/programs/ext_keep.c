/* shmxKeep, SHMX_KEEP and SHM_UTIL_KEEP: a segment outlives its last holder, however that ends. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext keep"
#define SIZE 12345L
#define ROUNDS 150
#define LONGEST_LIFE 3000 /* microseconds */

static int ready[2];

/* 0 or 1; -1 if the name does not exist. */
static int is_kept (void)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStatName (NAME, &info) == 0 ? info.kept : -1;
}

static SharedMemory make (int flags)
{
    SharedMemory memory = NULL;

    CHECK ("shmxCreate creates a segment", shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
    return memory;
}

static void end (void)
{
    CHECK ("shmxRemove returns 0", shmxRemove (NAME) == 0);
    CHECK ("the name does not exist afterwards", is_kept () == -1 && !check_exists (NAME));
}

static void outlives (const char *what, SharedMemory memory)
{
    int id = check_id (memory);
    long count = 77;

    CHECK (check_text ("%s is kept", what), is_kept () == 1);
    memset (shmAddress (memory), 'k', SIZE);
    CHECK ("the last shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("the last shmDestroy leaves the segment", check_is_attached (id, 0));
    CHECK ("shmxPrune leaves the segment", shmxPrune (0, &count) == 0 && check_is_attached (id, 0));
    memory = check_create (NAME, SIZE);
    CHECK ("the next shmCreate finds the segment", check_id (memory) == id);
    CHECK ("the segment has its data", check_filled (shmAddress (memory), 'k', SIZE));
    CHECK ("another last shmDestroy leaves the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, 0));
    end ();
    CHECK ("shmxRemove deletes a segment that nobody has attached", check_is_attached (id, -1));
}

static void ways (void)
{
    SharedMemory memory, second;
    int id;

    outlives ("SHMX_KEEP: a new segment", make (SHMX_KEEP));
    memory = make (0);
    CHECK ("without SHMX_KEEP, a segment is not kept", is_kept () == 0);
    CHECK ("shmxKeep returns 0", shmxKeep (memory, 1) == 0);
    CHECK ("a second shmxKeep returns 0", shmxKeep (memory, 7) == 0);
    outlives ("shmxKeep: a segment", memory);
    memory = check_create (NAME, SIZE);
    second = check_create (NAME, 0);
    CHECK ("any handle can be used to keep it", shmxKeep (second, 1) == 0);
    CHECK ("that handle can be destroyed", shmDestroy (second) == 0);
    outlives ("that", memory);

    memory = make (0);
    second = make (SHMX_KEEP);
    CHECK ("SHMX_KEEP has no effect on an existing segment", is_kept () == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
    CHECK ("shmxKeep with 1 makes the segment a kept one",
           shmxKeep (memory, 1) == 0 && is_kept () == 1);
    CHECK ("shmxKeep with 0 makes it an ordinary one",
           shmxKeep (memory, 0) == 0 && is_kept () == 0);
    id = check_id (memory);
    CHECK ("then the last shmDestroy deletes the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, -1) && is_kept () == -1);

    memory = make (SHMX_KEEP);
    id = check_id (memory);
    CHECK ("shmDestroy leaves a kept segment", shmDestroy (memory) == 0);
    memory = check_create (NAME, 0);
    CHECK ("another handle can make it an ordinary one", shmxKeep (memory, 0) == 0);
    CHECK ("its last shmDestroy deletes the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));
}

/* ---- the environment --------------------------------------------------------------- */

static void make_in_the_legacy_way (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    memset (shmAddress (memory), 'k', SIZE);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static const char *keep; /* SHM_UTIL_KEEP */

static void has_an_effect (void)
{
    setenv ("SHM_UTIL_KEEP", keep, 1);
    make_in_the_legacy_way ();
    CHECK ("with SHM_UTIL_KEEP a program that uses only shm_util.h keeps its segment",
           is_kept () == 1);
    outlives ("it", check_create (NAME, 0));
}

static void has_no_effect (void)
{
    setenv ("SHM_UTIL_KEEP", keep, 1);
    make_in_the_legacy_way ();
    CHECK (check_text ("SHM_UTIL_KEEP='%s' has no effect", keep), is_kept () == -1);
}

static void on_existing_segments (void)
{
    SharedMemory memory;
    pid_t child = check_fork ();

    if (child == 0) {
        setenv ("SHM_UTIL_KEEP", "1", 1);
        CHECK ("the segment exists", check_await (ready));
        make_in_the_legacy_way ();
        exit (0);
    }
    memory = check_create (NAME, SIZE);
    check_signal (ready);
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("SHM_UTIL_KEEP has no effect on an existing segment", is_kept () == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* In children: this process makes no call before them, because its first call reads the
 * environment. */
static void environment (void)
{
    static const char *const no[] = { "0", "", "no", "00" };
    size_t i;

    keep = "1";
    CHECK ("a process exits with status 0", check_child (has_an_effect) == 0);
    for (i = 0; i < sizeof no / sizeof no[0]; i++) {
        keep = no[i];
        CHECK ("a process exits with status 0", check_child (has_no_effect) == 0);
    }
    if (check_has (HAS_PROCESSES)) {
        CHECK ("a process exits with status 0", check_child (on_existing_segments) == 0);
    }
}

/* ---- deaths ------------------------------------------------------------------------ */

static pid_t holder (int keep)
{
    pid_t child = check_fork ();

    if (child == 0) {
        SharedMemory memory = check_create (NAME, SIZE);

        memset (shmAddress (memory), 'k', SIZE);
        if (keep) {
            CHECK ("a holder makes the segment a kept one", shmxKeep (memory, 1) == 0);
        }
        check_signal (ready);
        for (;;) {
            pause ();
        }
    }
    CHECK ("a holder has the segment attached", check_await (ready));
    return child;
}

static void deaths (void)
{
    pid_t first = holder (1);
    pid_t second = holder (0);
    pid_t third = holder (0);

    check_kill (first);
    check_kill (third);
    check_kill (second);
    CHECK ("kill -9 of every holder leaves the segment kept", is_kept () == 1);
    outlives ("it", check_create (NAME, 0));
}

/* A process is killed while it changes the segment, again and again. */
static void death_in_the_midst (void)
{
    SharedMemory memory = make (SHMX_KEEP);
    int id = check_id (memory);
    int round, seen = 0;

    memset (shmAddress (memory), 'k', SIZE);
    CHECK ("the last shmDestroy leaves the segment", shmDestroy (memory) == 0);
    for (round = 0; round < ROUNDS; round++) {
        pid_t child = check_fork ();
        int kept;

        if (child == 0) {
            memory = check_create (NAME, 0);
            for (;;) {
                shmxKeep (memory, 0);
                shmxKeep (memory, 1);
            }
        }
        usleep (rand () % LONGEST_LIFE);
        check_kill (child);
        kept = is_kept ();
        if (kept != 0 && kept != 1) {
            CHECK ("kill -9 during shmxKeep leaves the segment kept or ordinary", 0);
            return;
        }
        seen |= 1 << kept;
        /* Not with shmDestroy, which may delete the segment if it is not kept. */
        memory = NULL;
        if (shmCreate (NAME, 0, NULL, &memory) != 0 || check_id (memory) != id
            || shmxKeep (memory, 1) != 0 || shmDestroy (memory) != 0) {
            CHECK ("the next process finds the same segment and can keep it", 0);
            return;
        }
    }
    CHECK ("kill -9 during shmxKeep leaves the segment kept or ordinary", seen != 0);
    outlives ("it", check_create (NAME, 0));
}

/* ---- errors ------------------------------------------------------------------------ */

static void errors (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);

    CHECK ("NULL is EINVAL", shmxKeep (NULL, 1) == EINVAL && errno == EINVAL);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("shmxKeep of a segment without a name is EIDRM",
           shmxKeep (memory, 1) == EIDRM && errno == EIDRM);
    CHECK ("shmDestroy deletes the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));
    CHECK ("a stale handle is EINVAL", shmxKeep (memory, 1) == EINVAL);

    if (!check_has (HAS_OUTSIDERS)) {
        return;
    }
    memory = make (SHMX_KEEP);
    CHECK ("another program removes the segment", check_rm (check_id (memory)) == 0);
    CHECK ("shmxKeep of a removed segment is EIDRM", shmxKeep (memory, 1) == EIDRM);
    CHECK ("its name does not exist", is_kept () == -1);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* The registry of a kept segment was removed: the name moves to a new one. */
static void without_registry (void)
{
    SharedMemory memory = make (SHMX_KEEP);
    int id = check_id (memory);

    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    CHECK ("without its registry, the kept segment outlives the last shmDestroy",
           shmDestroy (memory) == 0 && check_is_attached (id, 0));
    CHECK ("it still has its name, and is kept", is_kept () == 1);
    memory = check_create (NAME, 0);
    CHECK ("it is the same segment", check_id (memory) == id);

    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    CHECK ("without its registry, shmxKeep works", shmxKeep (memory, 0) == 0);
    CHECK ("the last shmDestroy deletes the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0) {
        return EXIT_FAILURE;
    }
    setenv ("NOB_DATABASE", check_namespace ("names"), 1); /* shmxPrune sees nobody else's */
    environment ();
    ways ();
    if (check_has (HAS_PROCESSES)) {
        deaths ();
        death_in_the_midst ();
    }
    errors ();
    if (check_has (HAS_REGISTRY)) {
        without_registry ();
    }
    return check_done ();
}
