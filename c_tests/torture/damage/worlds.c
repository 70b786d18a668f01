/*
 * worlds.c - PID, user and IPC namespaces are mixed: their processes use the same names, and are
 * killed.
 *
 * A holder has two names, and processes of all kinds create, attach and destroy those and others
 * meanwhile. Those in a PID namespace of their own have the same process and thread IDs as each
 * other. Those in a user namespace are the same user as outside. Those that move to another IPC
 * namespace keep handles of the old one.
 */
#include "damage.h"

enum { WORLDS = 5, WORLD_NAMES = 6, WORLD_SIZE = 3000, HELD = 2, HANDLES = 3 };

static const struct world {
    const char *name;
    int flags;
    bool moves;                      /* to another IPC namespace, from time to time */
} worlds[WORLDS] = {
    { "no namespace", 0, false },
    { "a PID namespace", CLONE_NEWPID, false },
    { "a user and a PID namespace", CLONE_NEWUSER | CLONE_NEWPID, false },
    { "a user namespace", CLONE_NEWUSER, false },
    { "an IPC and a PID namespace", CLONE_NEWPID, true },
};

/* What a worker in one of the worlds reports. */
struct inhabitant {
    const struct world *world;
    uint64_t state;
    pid_t pid;                       /* outside its PID namespace; 0: not started yet */
    int refused;                     /* errno of unshare */
    long calls;
    int strange;                     /* an errno that makes no sense */
    const char *where;               /* the call that returned it */
    bool data_wrong;
    double slowest;
};

struct mixture {
    int stage;
    bool held_whole;
    int held_id[HELD];
    int destroyed;
    struct inhabitant inhabitant[WORLDS];
};

static void name_of (unsigned which, char name[40])
{
    snprintf (name, 40, "world-%u", which);
}

static void hold_in_world (void *argument)
{
    struct mixture *m = argument;
    struct call held[HELD];
    char name[40];
    unsigned i;

    for (i = 0; i < HELD; i++) {
        name_of (i, name);
        held[i] = create (name, WORLD_SIZE);
        if (held[i].result != 0)
            _exit (1);
        fill_pattern (held[i].address, WORLD_SIZE, i + 1);
        m->held_id[i] = held[i].id;
    }
    reach (&m->stage, 1);
    wait_for_stage (&m->stage, 2, 120);
    m->held_whole = true;
    for (i = 0; i < HELD; i++) {
        m->held_whole &= has_pattern (held[i].address, WORLD_SIZE, i + 1)
            && segment_exists (held[i].id);
        m->destroyed |= shmDestroy (held[i].handle);
    }
}

static void note_call (struct inhabitant *who, const char *where, const struct call *c)
{
    who->calls++;
    if (c->seconds > who->slowest)
        who->slowest = c->seconds;
    /* EAGAIN: others keep attaching the segment that is to be deleted. */
    if (c->result != 0 && c->result != EAGAIN && who->strange == 0) {
        who->strange = c->result;
        who->where = where;
    }
}

/* Creates or attaches a name. A segment is zero-filled, or has the pattern of its name. */
static void inhabit_once (struct inhabitant *who, struct call *c)
{
    unsigned which = (unsigned) below (&who->state, WORLD_NAMES);
    char name[40];

    if (c->handle != NULL) {
        struct call d = destroy (c->handle);

        note_call (who, "shmDestroy", &d);
        c->handle = NULL;
        return;
    }
    name_of (which, name);
    *c = create (name, WORLD_SIZE);
    note_call (who, "shmCreate", c);
    if (c->result != 0)
        return;
    who->data_wrong |= *(unsigned char *) c->address != 0
        && *(unsigned char *) c->address != pattern_byte (which + 1, 0);
    *(unsigned char *) c->address = pattern_byte (which + 1, 0);
}

NO_RETURN static void inhabit (struct inhabitant *who)
{
    struct call c[HANDLES];

    memset (c, 0, sizeof c);
    for (;;) {
        inhabit_once (who, &c[below (&who->state, HANDLES)]);
        if (who->world->moves && below (&who->state, 40) == 0)
            (void) unshare (CLONE_NEWIPC);
    }
}

/* Moves to a world, where the worker is a child if it has a PID namespace. */
static void enter_world (void *argument)
{
    struct inhabitant *who = argument;
    uid_t user = geteuid ();
    gid_t group = getegid ();
    pid_t child;

    if (who->world->flags == 0)
        inhabit (who);
    if (who->refused != 0)
        return;
    if (unshare (who->world->flags) != 0
        || ((who->world->flags & CLONE_NEWUSER) != 0 && !map_user (user, group, 0))) {
        who->refused = errno;
        return;
    }
    child = fork ();
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        inhabit (who);
    }
    __atomic_store_n (&who->pid, child, __ATOMIC_SEQ_CST);
    wait_for_end (child, NULL);
}

/* Returns when it has no attachment any more. A guardian ends after its child. */
static void kill_inhabitant (struct inhabitant *who, pid_t guardian)
{
    double since = now ();

    if (who->refused == 0 && who->world->flags == 0)
        kill (guardian, SIGKILL);
    while (who->refused == 0 && who->world->flags != 0 && now () < since + WATCHDOG) {
        pid_t pid = __atomic_load_n (&who->pid, __ATOMIC_SEQ_CST);

        if (pid > 0) {
            kill (pid, SIGKILL);
            break;
        }
        nap (0.0005);
    }
    await (guardian, WATCHDOG);
    who->pid = 0;
}

/* Lets each of them live for some milliseconds, kills it at any instruction, and starts another
 * one in its place. */
static void live_and_die (struct mixture *m, double stop, long *deaths)
{
    uint64_t state = seed ^ 0x3017d;
    pid_t guardian[WORLDS];
    int i;

    for (i = 0; i < WORLDS; i++)
        guardian[i] = start (enter_world, &m->inhabitant[i]);
    while (now () < stop) {
        nap ((double) below (&state, 6000) / 1e6);
        i = (int) below (&state, WORLDS);
        kill_inhabitant (&m->inhabitant[i], guardian[i]);
        (*deaths)++;
        guardian[i] = start (enter_world, &m->inhabitant[i]);
    }
    for (i = 0; i < WORLDS; i++)
        kill_inhabitant (&m->inhabitant[i], guardian[i]);
}

static void clean_up (void *argument)
{
    int *result = argument;
    char name[40];
    unsigned i;

    for (i = HELD; i < WORLD_NAMES; i++) {
        struct call c;

        name_of (i, name);
        c = create (name, WORLD_SIZE);
        if (c.result == 0)
            c.result = shmDestroy (c.handle);
        if (c.result != 0)
            *result = c.result;
    }
}

static void note_segments (void)
{
    static struct segments list;
    struct shmid_ds ds;
    int i;

    list_segments (&list);
    for (i = 0; i < list.count; i++)
        if (shmctl (list.at[i].id, IPC_STAT, &ds) == 0)
            note ("segment %d, key %#x, mode %o, %zu bytes, user %u, attached %lu, %ld s old",
                  list.at[i].id, (unsigned) list.at[i].key, ds.shm_perm.mode, ds.shm_segsz,
                  ds.shm_perm.cuid, (unsigned long) ds.shm_nattch,
                  (long) (time (NULL) - ds.shm_ctime));
}

static void mixed_worlds (void *argument)
{
    struct mixture *m = shared (sizeof *m);
    int *cleaned = shared (sizeof *cleaned);
    struct strangers strangers;
    long calls = 0, deaths = 0;
    double slowest = 0;
    pid_t holder;
    bool whole = true;
    int i;

    (void) argument;
    new_world ();
    make_strangers (&strangers);
    for (i = 0; i < WORLDS; i++) {
        m->inhabitant[i].world = &worlds[i];
        m->inhabitant[i].state = seed + (uint64_t) i * 1001;
        m->inhabitant[i].refused = namespaces_refused (worlds[i].flags);
    }
    holder = start (hold_in_world, m);
    if (!check (wait_for_stage (&m->stage, 1, WATCHDOG), "worlds: names can be created"))
        return;
    live_and_die (m, now () + (full_form ? 60 : 3), &deaths);
    for (i = 0; i < WORLDS; i++) {
        const struct inhabitant *who = &m->inhabitant[i];

        calls += who->calls;
        whole &= !who->data_wrong;
        if (who->slowest > slowest)
            slowest = who->slowest;
        if (who->refused != 0)
            skip ("damage: %s: %s", who->world->name, strerror (who->refused));
        else
            check (who->strange == 0 && who->calls > 0, "worlds: %s: %ld calls (%s: %s)",
                   who->world->name, who->calls, who->where ? who->where : "no error",
                   strerror (who->strange));
    }
    check (whole, "worlds: %ld calls, %ld kills: nobody sees the data of another name", calls,
           deaths);
    check (slowest < 5, "worlds: no call waits for the dead (%.3f s)", slowest);
    run (clean_up, cleaned);
    check (*cleaned == 0, "worlds: what the dead left can be destroyed (%s)", strerror (*cleaned));
    reach (&m->stage, 2);
    check (ended_well (await (holder, WATCHDOG)) && m->held_whole && m->destroyed == 0,
           "worlds: the holder keeps its segments and their data (%s)", strerror (m->destroyed));
    check_library_works ("world-0", "worlds");
    check_strangers (&strangers, "worlds");
    i = count_segments () - STRANGERS;
    if (!check (i == 0, "worlds: no segment is left (%d)", i))
        note_segments ();
}

void test_worlds (void)
{
    run_test ("namespaces of every kind", mixed_worlds, NULL, 120);
}
