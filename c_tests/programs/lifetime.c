/* Lifetime: what segments and names survive, and when they are deleted. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "c_tests/lifetime"
#define OTHER "c_tests/lifetime, other"
#define SIZE 12345L
#define ROUNDS 150
#define LONGEST_LIFE 3000 /* microseconds */

static int ready[2];
static int go[2];

/* ---- processes that end without shmDestroy ------------------------------------ */

static void fill (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    memset (shmAddress (memory), 'L', SIZE);
}

static void fill_and_wait_for_death (void)
{
    fill ();
    check_signal (ready);
    for (;;) {
        pause ();
    }
}

static void fill_and_return (void)
{
    fill ();
}

static void fill_and_leave_at_once (void)
{
    fill ();
    _exit (0);
}

static void fill_and_exec (void)
{
    fill ();
    execlp ("true", "true", (char *) NULL);
    _exit (1);
}

static void fill_and_crash (void)
{
    fill ();
    kill (getpid (), SIGKILL);
}

/* The next process finds name and data, and its shmDestroy deletes both. */
static void found_after (const char *what)
{
    SharedMemory memory = NULL;
    int id;

    CHECK (check_text ("%s keeps the name", what), shmCreate (NAME, 0, NULL, &memory) == 0);
    id = check_id (memory);
    CHECK ("the segment has its size", shmSizeOf (memory) == SIZE);
    CHECK ("the segment has its data",
           memory != NULL && check_filled (shmAddress (memory), 'L', SIZE));
    CHECK ("the dead process is not counted as attached", check_is_attached (id, 1));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
    CHECK ("the last shmDestroy removes the name", !check_exists (NAME));
    CHECK ("at most the registry is left", check_segments () <= check_registries ());
}

static void death_of_the_holder (void)
{
    pid_t child = check_fork ();

    if (child == 0) {
        fill_and_wait_for_death ();
    }
    CHECK ("a holder has the segment attached", check_await (ready));
    check_kill (child);
    found_after ("kill -9 of the holder");
    CHECK ("a process with a segment can return from main", check_child (fill_and_return) == 0);
    found_after ("exit without shmDestroy");
    CHECK ("a process with a segment can call _exit", check_child (fill_and_leave_at_once) == 0);
    found_after ("_exit without shmDestroy");
    CHECK ("a process with a segment can call exec", check_child (fill_and_exec) == 0);
    found_after ("exec without shmDestroy");
    CHECK ("a process with a segment can be killed", check_child (fill_and_crash) == 128 + SIGKILL);
    found_after ("suicide of the holder");
}

static void death_beside_another_holder (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);
    pid_t child = check_fork ();

    if (child == 0) {
        fill_and_wait_for_death ();
    }
    CHECK ("another process is attached", check_await (ready));
    check_kill (child);
    CHECK ("after one process was killed, the other still reads",
           check_filled (shmAddress (memory), 'L', SIZE));
    CHECK ("the survivor's shmDestroy deletes the segment",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));
    CHECK ("the name is removed", !check_exists (NAME));
}

/* A process is killed at any instruction while another does the same. Whatever they were doing,
 * the next process can create the name, and never finds an unfinished segment. */
static void create_and_destroy_for_ever (void)
{
    SharedMemory memory, other;

    for (;;) {
        if (shmCreate (NAME, SIZE, NULL, &memory) != 0
            || shmCreate (OTHER, SIZE * 2, NULL, &other) != 0
            || shmDestroy (memory) != 0 || shmDestroy (other) != 0) {
            _exit (1);
        }
    }
}

static int failures_of (const char *name, long size)
{
    SharedMemory memory;
    int failed = 0;
    int status = shmCreate (name, 0, NULL, &memory);

    if (status == 0) {
        failed += shmSizeOf (memory) != size;
        failed += !check_filled (shmAddress (memory), 0, size);
        failed += shmDestroy (memory) != 0;
    } else {
        failed += status != ENOENT;
    }
    if (shmCreate (name, size, NULL, &memory) == 0) {
        failed += shmSizeOf (memory) != size;
        failed += shmDestroy (memory) != 0;
    } else {
        failed++;
    }
    return failed;
}

static void death_at_any_moment (void)
{
    int failed = 0;
    int round;

    srand (1);
    for (round = 0; round < ROUNDS; round++) {
        pid_t first = check_fork ();
        pid_t second;

        if (first == 0) {
            create_and_destroy_for_ever ();
        }
        second = check_fork ();
        if (second == 0) {
            create_and_destroy_for_ever ();
        }
        usleep ((useconds_t) (rand () % LONGEST_LIFE));
        check_kill (first);
        failed += failures_of (NAME, SIZE) + failures_of (OTHER, SIZE * 2);
        usleep ((useconds_t) (rand () % LONGEST_LIFE));
        kill (second, SIGKILL);
        failed += check_wait (second) != 128 + SIGKILL;
        failed += failures_of (NAME, SIZE) + failures_of (OTHER, SIZE * 2);
    }
    CHECK ("a kill at any moment leaves every name usable", failed == 0);
    CHECK ("a kill at any moment leaves at most the registry",
           check_segments () <= check_registries ());
}

/* ---- fork -------------------------------------------------------------------- */

static SharedMemory inherited;

static void use_everything (void)
{
    SharedMemory mine = NULL;
    void *address = NULL;

    CHECK ("a child can read an inherited segment",
           check_filled (shmAddress (inherited), 'f', SIZE));
    CHECK ("the inherited handle has the segment's size", shmSizeOf (inherited) == SIZE);
    CHECK ("the kernel counts parent and child", check_is_attached (check_id (inherited), 2));
    CHECK ("a child can save it", shmSave (inherited, check_path ("saved")) == 0);
    memset (shmAddress (inherited), 'x', SIZE);
    CHECK ("a child can load it", shmLoad (inherited, check_path ("saved")) == 0
           && check_filled (shmAddress (inherited), 'f', SIZE));
    CHECK ("a child can attach the name once more", shmCreate (NAME, 0, &address, &mine) == 0);
    CHECK ("the second attachment has another address",
           (address != shmAddress (inherited)) == check_has (HAS_ADDRESSES));
    CHECK ("a child can destroy its own handle", shmDestroy (mine) == 0);
    CHECK ("a child can create a segment", shmCreate (OTHER, 10, NULL, &mine) == 0);
    CHECK ("a child can destroy its own handle", shmDestroy (mine) == 0 && !check_exists (OTHER));
    CHECK ("a child can destroy the inherited handle", shmDestroy (inherited) == 0);
    CHECK ("a child can destroy it once only", shmDestroy (inherited) == EINVAL);
}

static void child_uses_everything (void)
{
    inherited = check_create (NAME, SIZE);
    memset (shmAddress (inherited), 'f', SIZE);
    CHECK ("a child exits with status 0", check_child (use_everything) == 0);
    CHECK ("then only the parent is attached", check_is_attached (check_id (inherited), 1));
    CHECK ("the parent still reads its data", check_filled (shmAddress (inherited), 'f', SIZE));
    CHECK ("shmDestroy in the parent returns 0", shmDestroy (inherited) == 0);
    CHECK ("it removes the name", !check_exists (NAME));
}

static void destroy_first (void)
{
    CHECK ("the child can destroy first", shmDestroy (inherited) == 0);
}

static void child_destroys_first (void)
{
    int id;

    inherited = check_create (NAME, SIZE);
    id = check_id (inherited);
    memset (shmAddress (inherited), 'f', SIZE);
    CHECK ("a child exits with status 0", check_child (destroy_first) == 0);
    CHECK ("the parent still reads its data", check_filled (shmAddress (inherited), 'f', SIZE));
    CHECK ("the name still exists", check_exists (NAME));
    CHECK ("the parent's shmDestroy deletes the segment",
           shmDestroy (inherited) == 0 && check_is_attached (id, -1));
    CHECK ("the name is removed", !check_exists (NAME));
}

static void read_when_told (void)
{
    check_await (go);
    CHECK ("the child still reads its data", check_filled (shmAddress (inherited), 'f', SIZE));
    CHECK ("the child finds the name", check_exists (NAME));
    CHECK ("the child can destroy last", shmDestroy (inherited) == 0);
}

static void parent_destroys_first (void)
{
    int id;
    pid_t child;

    inherited = check_create (NAME, SIZE);
    id = check_id (inherited);
    memset (shmAddress (inherited), 'f', SIZE);
    child = check_fork ();
    if (child == 0) {
        read_when_told ();
        exit (0);
    }
    CHECK ("the parent can destroy first", shmDestroy (inherited) == 0);
    CHECK ("the child keeps the segment",
           check_is_attached (id, check_has (HAS_PROCESSES) ? 1 : -1));
    check_signal (go);
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
    CHECK ("the last shmDestroy removes the name", !check_exists (NAME));
}

static void do_nothing (void)
{
}

static void child_just_exits (void)
{
    int id;

    inherited = check_create (NAME, SIZE);
    id = check_id (inherited);
    CHECK ("a child can exit with an inherited handle", check_child (do_nothing) == 0);
    CHECK ("the parent stays attached", check_is_attached (id, 1) && check_exists (NAME));
    CHECK ("the parent's shmDestroy deletes the segment",
           shmDestroy (inherited) == 0 && check_is_attached (id, -1));
}

static void fork_and_wait (void)
{
    pid_t child = fork ();

    if (child == 0) {
        _exit (0);
    }
    waitpid (child, NULL, 0);
}

/* Thread-local storage has been destroyed by then. */
static void fork_in_an_exit_handler (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    fork_and_wait ();
    atexit (fork_and_wait);
    shmDestroy (memory);
    exit (0);
}

static void exit_handler_that_forks (void)
{
    pid_t child = check_fork ();

    if (child == 0) {
        alarm (60);
        fork_in_an_exit_handler ();
    }
    CHECK ("an atexit(3) handler may fork", check_wait (child) == 0);
}

static void close_and_use (void)
{
    int descriptor;

    for (descriptor = 3; descriptor < 1024; descriptor++) {
        close (descriptor);
    }
    use_everything ();
}

static void descriptors_closed (void)
{
    inherited = check_create (NAME, SIZE);
    memset (shmAddress (inherited), 'f', SIZE);
    CHECK ("a process that closes all descriptors can use its segments",
           check_child (close_and_use) == 0);
    shmDestroy (inherited);
}

/* ---- segments that others remove ------------------------------------------------ */

static void segment_removed_while_mapped (void)
{
    SharedMemory old = check_create (NAME, SIZE);
    SharedMemory new = NULL;
    int id = check_id (old);

    memset (shmAddress (old), 'r', SIZE);
    check_rm (id);
    CHECK ("a segment that ipcrm or rm removed stays readable while attached",
           check_filled (shmAddress (old), 'r', SIZE));
    CHECK ("its name does not exist", shmCreate (NAME, 0, NULL, &new) == ENOENT);
    CHECK ("the name can be created again", shmCreate (NAME, SIZE / 2, NULL, &new) == 0);
    CHECK ("it gets another segment", check_id (new) != id && shmSizeOf (new) == SIZE / 2);
    CHECK ("the new segment is zero-filled", check_filled (shmAddress (new), 0, SIZE / 2));
    CHECK ("the old handle can be destroyed", shmDestroy (old) == 0);
    CHECK ("then the old segment is deleted", check_is_attached (id, -1));
    CHECK ("the new segment and its name still exist",
           check_is_attached (check_id (new), 1) && check_exists (NAME));
    CHECK ("shmDestroy deletes it", shmDestroy (new) == 0 && !check_exists (NAME));
}

static void segment_removed_and_destroyed (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    check_rm (check_id (memory));
    CHECK ("the handle of a removed segment can be destroyed", shmDestroy (memory) == 0);
    CHECK ("the name is removed", !check_exists (NAME));
}

/* Of the segments that this test made: the one of SIZE bytes. */
static int find_segment (void)
{
    int made[16];
    int count = check_made (made, 16);
    int i;

    for (i = 0; i < count; i++) {
        if (check_is_size (made[i], SIZE)) {
            return made[i];
        }
    }
    return -1;
}

static void segment_removed_while_nobody_is_there (void)
{
    SharedMemory memory = NULL;
    int id;

    check_child (fill_and_leave_at_once);
    id = find_segment ();
    CHECK ("an orphan is attached by nobody", check_is_attached (id, 0));
    check_rm (id);
    CHECK ("the name of an orphan that ipcrm or rm removed does not exist",
           shmCreate (NAME, 0, NULL, &memory) == ENOENT);
    CHECK ("the name can be created again", shmCreate (NAME, SIZE, NULL, &memory) == 0);
    CHECK ("the new segment is zero-filled", check_filled (shmAddress (memory), 0, SIZE));
    shmDestroy (memory);
}

/* For the next segment, the kernel is asked to use an identifier that a name still refers to. */
static void identifier_reused_by_a_stranger (void)
{
    FILE *next;
    int id, stranger;

    if (!check_is_alone ("an identifier that is used again")) {
        return;
    }
    next = fopen ("/proc/sys/kernel/shm_next_id", "w");
    if (next == NULL) {
        check_skip ("an identifier that is used again: kernel.shm_next_id is not writable");
        return;
    }
    check_child (fill_and_leave_at_once);
    id = find_segment ();
    check_rm (id);
    fprintf (next, "%d\n", id);
    fclose (next);
    stranger = shmget (IPC_PRIVATE, (size_t) SIZE, IPC_CREAT | 0600);
    CHECK ("another program's segment gets the identifier", stranger == id && id != -1);
    CHECK ("the name does not refer to that segment", !check_exists (NAME));
    CHECK ("the name can be created again", failures_of (NAME, SIZE) == 0);
    CHECK ("the other program's segment is unchanged", check_is_size (stranger, SIZE));
    shmctl (stranger, IPC_RMID, NULL);
}

static void attach_as_a_newcomer (int *id)
{
    SharedMemory memory;

    check_await (go);
    memory = check_create (NAME, SIZE);
    *id = check_id (memory);
    CHECK ("a new process finds the segment whose registry was removed",
           check_filled (shmAddress (memory), 'N', SIZE));
    check_signal (ready);
    check_await (go);
    CHECK ("the new process can destroy its handle", shmDestroy (memory) == 0);
}

/* The new process is forked before the library is used, so it inherits nothing. */
static void registry_removed_and_a_newcomer (void)
{
    int *newcomers = check_shared (sizeof *newcomers);
    pid_t child = check_fork ();
    SharedMemory old, new;
    int id;

    if (child == 0) {
        attach_as_a_newcomer (newcomers);
        exit (0);
    }
    old = check_create (NAME, SIZE);
    id = check_id (old);
    memset (shmAddress (old), 'N', SIZE);
    CHECK ("there is a registry", check_rm_registries () > 0);
    check_signal (go);
    CHECK ("the new process has attached it", check_await (ready) && *newcomers == id);
    new = check_create (NAME, SIZE);
    CHECK ("a process with the removed registry finds the same segment", check_id (new) == id);
    CHECK ("the old handle still works", check_id (old) == id
           && check_filled (shmAddress (old), 'N', SIZE));
    CHECK ("its shmDestroy leaves the segment to the others",
           shmDestroy (old) == 0 && check_is_attached (id, 2));
    check_signal (go);
    CHECK ("the new process exits with status 0", check_wait (child) == 0);
    CHECK ("the segment still exists", check_is_attached (id, 1));
    CHECK ("the last shmDestroy deletes it", shmDestroy (new) == 0 && check_is_attached (id, -1));
    CHECK ("the name is removed", !check_exists (NAME));
}

/* No other registry exists yet, so the name may still refer to the old segment. */
static void registry_removed (void)
{
    SharedMemory old = check_create (NAME, SIZE);
    SharedMemory new, again;
    int id = check_id (old);
    int new_id;

    memset (shmAddress (old), 'R', SIZE);
    CHECK ("there is a registry", check_rm_registries () > 0);
    CHECK ("existing handles work without the registry",
           check_filled (shmAddress (old), 'R', SIZE) && shmSizeOf (old) == SIZE);
    CHECK ("shmSave works without the registry", shmSave (old, check_path ("saved")) == 0);
    CHECK ("shmLoad works without the registry", shmLoad (old, check_path ("saved")) == 0);
    new = check_create (NAME, SIZE);
    again = check_create (NAME, 0);
    new_id = check_id (new);
    CHECK ("the name refers to one segment", check_id (again) == new_id);
    CHECK ("the last handle of the old segment can be destroyed", shmDestroy (old) == 0);
    CHECK ("the segment that the name refers to still exists",
           check_is_attached (new_id, 2) && check_exists (NAME));
    CHECK ("its handles can be destroyed", shmDestroy (new) == 0 && shmDestroy (again) == 0);
    CHECK ("then both segments are deleted",
           check_is_attached (id, -1) && check_is_attached (new_id, -1));
    CHECK ("then the name does not exist", !check_exists (NAME));
}

static void registry_removed_and_destroyed (void)
{
    int id;
    pid_t child;

    inherited = check_create (NAME, SIZE);
    id = check_id (inherited);
    memset (shmAddress (inherited), 'f', SIZE);
    child = check_fork ();
    if (child == 0) {
        check_await (go);
        CHECK ("a child can read its segment without the registry",
               check_filled (shmAddress (inherited), 'f', SIZE));
        CHECK ("a child can destroy last without the registry", shmDestroy (inherited) == 0);
        exit (0);
    }
    CHECK ("there is a registry", check_rm_registries () > 0);
    CHECK ("the parent can destroy without the registry", shmDestroy (inherited) == 0);
    CHECK ("the child keeps the segment", check_is_attached (id, 1));
    check_signal (go);
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
}

int main (void)
{
    check_start ();
    if (pipe (ready) < 0 || pipe (go) < 0) {
        return 1;
    }
    if (check_has (HAS_REGISTRY)) {
        registry_removed_and_a_newcomer ();
        registry_removed ();
        registry_removed_and_destroyed ();
    }
    if (check_has (HAS_PROCESSES)) {
        death_of_the_holder ();
        death_beside_another_holder ();
        death_at_any_moment ();
    }
    child_uses_everything ();
    child_destroys_first ();
    parent_destroys_first ();
    child_just_exits ();
    exit_handler_that_forks ();
    descriptors_closed ();
    if (check_has (HAS_OUTSIDERS)) {
        segment_removed_while_mapped ();
        segment_removed_and_destroyed ();
        segment_removed_while_nobody_is_there ();
    }
    if (check_has (HAS_IDS)) {
        identifier_reused_by_a_stranger ();
    }
    return check_done ();
}
