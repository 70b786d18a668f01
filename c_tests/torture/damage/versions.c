/*
 * versions.c - the registry has another layout version.
 */
#include "damage.h"

/* All versions agree on the beginning: eight bytes of magic, and a version of 32 bits. */
#define MAGIC "shm_util"
#define VERSION_OFFSET 8

struct version_world {
    int stage;
    int messages;
    int alpha;
    struct call late;
    struct call late_new;
    bool held_whole;
    int destroyed;
};

static void hold_through_versions (void *argument)
{
    struct version_world *v = argument;
    struct call c = create ("alpha", ALPHA_SIZE);

    keep_messages (v->messages);
    if (c.result != 0)
        _exit (1);
    fill_pattern (c.address, ALPHA_SIZE, 1);
    v->alpha = c.id;
    reach (&v->stage, 1);
    wait_for_stage (&v->stage, 2, 60);
    v->held_whole = has_pattern (c.address, ALPHA_SIZE, 1) && shmId (c.handle) == v->alpha;
    v->destroyed = shmDestroy (c.handle);
}

static void meet_version (void *argument)
{
    struct version_world *v = argument;

    keep_messages (v->messages);
    v->late = create ("alpha", 0);
    v->late_new = create ("beta", 10);
}

static void version_world (void *argument)
{
    const int *step = argument;
    struct version_world *v = shared (sizeof *v);
    struct shmid_ds ds;
    uint32_t version = 0;
    uint32_t other;
    char text[4000];
    char why[200];
    unsigned char *p;
    struct end end;
    pid_t pid;
    int registry;

    new_world ();
    v->messages = open_messages ();
    pid = start (hold_through_versions, v);
    wait_for_stage (&v->stage, 1, WATCHDOG);
    registry = find_registry (&ds);
    p = registry < 0 ? (void *) -1 : shmat (registry, NULL, 0);
    if (p == (void *) -1 || memcmp (p, MAGIC, 8) != 0) {
        skip ("damage: another layout version: the registry does not begin with %s", MAGIC);
        return;
    }
    memcpy (&version, p + VERSION_OFFSET, sizeof version);
    other = version + (uint32_t) *step;
    check (version > 0 && version < 1000, "the registry's layout version is %u", version);
    memcpy (p + VERSION_OFFSET, &other, sizeof other);
    end = run (meet_version, v);
    read_messages (v->messages, text, sizeof text);
    check (ended_well (end) && v->late.result == ENOTSUP && v->late_new.result == ENOTSUP,
           "layout version %u: calls return ENOTSUP (%s, %s)", other, strerror (v->late.result),
           strerror (v->late_new.result));
    check (strstr (text, "version") && says_what_to_do (text, registry),
           "layout version %u: the message names the version, the registry and ipcrm: %s", other,
           first_line (text));
    check (segment_exists (registry) && segment_exists (v->alpha),
           "layout version %u: no segment is removed", other);
    memcpy (p + VERSION_OFFSET, &version, sizeof version);
    run (meet_version, v);
    check (v->late.result == 0 && v->late.id == v->alpha,
           "layout version %u: a process of that version still finds its names", other);
    memcpy (p + VERSION_OFFSET, &other, sizeof other);
    shmdt (p);
    reach (&v->stage, 2);
    end = await (pid, WATCHDOG);
    check (ended_well (end) && v->held_whole,
           "layout version %u: a process with a handle keeps its data; it %s (destroy: %s)", other,
           tell_end (end), strerror (v->destroyed));
    shmctl (registry, IPC_RMID, NULL);
    check (library_works ("alpha", why, sizeof why),
           "layout version %u: after ipcrm the library works (%s)", other, why);
}

void test_versions (void)
{
    static int steps[] = { 1, -1, 1000000 };
    size_t i;

    for (i = 0; i < COUNT (steps); i++)
        run_test ("another layout version", version_world, &steps[i], 60);
}

