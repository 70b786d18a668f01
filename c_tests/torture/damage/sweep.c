/*
 * sweep.c - programs leave registries without names behind, and others that need room remove them.
 */
#include "damage.h"

#define SHMMNI "/proc/sys/kernel/shmmni"

enum { LEAVERS = 5, BESIDE = 2 };    /* the segments of the process beside them */

struct leavers {
    int stage;                       /* the number that have a registry; with all, they may end */
    int failed;
};

struct leaver {
    struct leavers *all;
    int number;
};

static void select_namespace (int number)
{
    char database[40];

    snprintf (database, sizeof database, "/torture/leaver %d", number);
    setenv ("NOB_DATABASE", database, 1);
}

/* All leavers have their registries at the same time, or the next one would remove the previous
 * one's. The first also leaves a name. */
static void leave_registry (void *argument)
{
    const struct leaver *leaver = argument;
    struct call c;

    select_namespace (leaver->number);
    c = create ("left", 100);
    reach (&leaver->all->stage, leaver->number + 1);
    wait_for_stage (&leaver->all->stage, LEAVERS, WATCHDOG);
    if (c.result != 0 || (leaver->number > 0 && shmDestroy (c.handle) != 0))
        leaver->all->failed++;
    _exit (0);                       /* skips the library's work at exit */
}

/* Returns whether each has left its registry. */
static bool leave_registries (void)
{
    struct leavers *all = shared (sizeof *all);
    struct leaver leaver[LEAVERS];
    pid_t pid[LEAVERS];
    bool good = true;
    int i;

    for (i = 0; i < LEAVERS; i++) {
        leaver[i].all = all;
        leaver[i].number = i;
        pid[i] = start (leave_registry, &leaver[i]);
        good &= wait_for_stage (&all->stage, i + 1, WATCHDOG);
    }
    for (i = 0; i < LEAVERS; i++)
        good &= ended_well (await (pid[i], WATCHDOG));
    return good && all->failed == 0;
}

struct beside {
    int stage;                       /* 1: it has a name; 2: there is no room; 3: it has two */
    struct call first, second;
};

static void run_into_the_limit (void *argument)
{
    struct beside *beside = argument;

    beside->first = create ("beside", 100);
    reach (&beside->stage, 1);
    wait_for_stage (&beside->stage, 2, WATCHDOG);
    beside->second = create ("one more", 100);
    reach (&beside->stage, 3);
    wait_for_stage (&beside->stage, 4, WATCHDOG);
    beside->second.result |= shmDestroy (beside->second.handle);
    beside->first.result |= shmDestroy (beside->first.handle);
}

static void find_left (void *argument)
{
    struct call *c = argument;

    select_namespace (0);
    *c = create ("left", 0);
    c->result |= shmDestroy (c->handle);
}

/* Creates the registry of a new namespace. */
static void be_born (void *argument)
{
    struct call *c = argument;

    select_namespace (LEAVERS);
    *c = create ("new", 100);
    c->result |= shmDestroy (c->handle);
}

static void swept_world (void *argument)
{
    struct beside *beside = shared (sizeof *beside);
    struct call *call = shared (sizeof *call);
    unsigned long usual = read_number (SHMMNI);
    struct strangers strangers;
    bool left;
    int others;
    pid_t pid;

    (void) argument;
    new_world ();
    make_strangers (&strangers);
    pid = start (run_into_the_limit, beside);
    wait_for_stage (&beside->stage, 1, WATCHDOG);
    left = leave_registries ();
    others = count_segments () - STRANGERS - BESIDE;
    check (left && others == LEAVERS + 1,
           "sweep: %d processes leave their registries, one of them with a name (%d segments)",
           LEAVERS, others);
    if (!write_number (SHMMNI, (unsigned long) count_segments ())) {
        skip ("damage: SHMMNI cannot be set (%s)", strerror (errno));
        return;
    }
    reach (&beside->stage, 2);
    wait_for_stage (&beside->stage, 3, WATCHDOG);
    others = count_segments () - STRANGERS - BESIDE;
    check (beside->second.result == 0 && others == 3,
           "sweep: a process that runs into SHMMNI removes those without names (%s, %d segments)",
           strerror (beside->second.result), others);
    write_number (SHMMNI, usual);
    reach (&beside->stage, 4);
    check (ended_well (await (pid, WATCHDOG)) && beside->first.result == 0,
           "sweep: that process ends well");
    run (find_left, call);
    check (call->result == 0, "sweep: the name that was left is found (%s)",
           strerror (call->result));
    left = leave_registries ();
    others = count_segments () - STRANGERS;
    check (left && others == LEAVERS + 1, "sweep: others leave theirs again (%d segments)",
           others);
    run (be_born, call);
    others = count_segments () - STRANGERS;
    check (call->result == 0 && others == 2,
           "sweep: a process that creates a registry removes them (%s, %d segments)",
           strerror (call->result), others);
    run (find_left, call);
    check_strangers (&strangers, "sweep");
    check (count_segments () == STRANGERS, "sweep: no segment is left (%d)",
           count_segments () - STRANGERS);
}

void test_sweep (void)
{
    run_test ("registries that are left behind", swept_world, NULL, 60);
}
