/*
 * ipcrm.c - segments and the registry are removed while they are used.
 */
#include "damage.h"

void make_gamma (void *argument)
{
    struct ipcrm_world *w = argument;
    struct call c = create ("gamma", GAMMA_SIZE);

    w->gamma = c.id;
    if (c.result == 0)
        fill_pattern (c.address, GAMMA_SIZE, 3);
}

void hold_and_go_on (void *argument)
{
    struct ipcrm_world *w = argument;
    struct call alpha = create ("alpha", ALPHA_SIZE);
    struct call beta = create ("beta", BETA_SIZE);
    struct call fresh;
    struct call old;

    if (alpha.result != 0 || beta.result != 0)
        _exit (1);
    fill_pattern (alpha.address, ALPHA_SIZE, 1);
    w->alpha = alpha.id;
    w->beta = beta.id;
    reach (&w->stage, 1);
    wait_for_stage (&w->stage, 2, 60);

    w->held_data_whole = has_pattern (alpha.address, ALPHA_SIZE, 1);
    w->held_accessors_right = shmAddress (alpha.handle) == alpha.address
        && shmId (alpha.handle) == alpha.id && shmSizeOf (alpha.handle) == ALPHA_SIZE;
    fresh = create ("fresh", 10);
    w->new_name = fresh.result;
    old = create ("beta", BETA_SIZE);
    w->old_name = old.result;
    w->old_name_id = old.id;
    w->destroy_rest = fresh.result == 0 ? shmDestroy (fresh.handle) : 0;
    if (old.result == 0 && shmDestroy (old.handle) != 0)
        w->destroy_rest = errno;
    w->destroy_alpha = shmDestroy (alpha.handle);
    w->destroy_beta = shmDestroy (beta.handle);
}

static void arrive_late (void *argument)
{
    struct ipcrm_world *w = argument;
    struct call c = create ("alpha", 0);

    w->late_attach = c.result;
    w->late_id = c.id;
    if (c.result == 0)
        shmDestroy (c.handle);
    c = create ("alpha", ALPHA_SIZE);
    w->late_create = c.result;
    w->late_id = c.id;
    w->late_zero = c.result == 0 && is_zero (c.address, ALPHA_SIZE);
    w->late_destroy = c.result == 0 ? shmDestroy (c.handle) : -1;
}

static void ipcrm_in_use (void *argument)
{
    struct ipcrm_world *w = argument;
    const char *what = w->remove_segment ? w->remove_registry ? "ipcrm of segment and registry"
        : "ipcrm of a segment" : "ipcrm of the registry";
    struct strangers strangers;
    struct end end;
    pid_t holder;
    int registry;
    int left;

    new_world ();
    make_strangers (&strangers);
    run (make_gamma, w);
    holder = start (hold_and_go_on, w);
    if (!wait_for_stage (&w->stage, 1, WATCHDOG)) {
        check (false, "%s: a process can create two names", what);
        return;
    }
    registry = find_registry (NULL);
    check (registry >= 0, "%s: the registry is found by its key", what);
    if (w->remove_segment)
        shmctl (w->alpha, IPC_RMID, NULL);
    if (w->remove_registry)
        shmctl (registry, IPC_RMID, NULL);
    end = run (arrive_late, w);
    check (ended_well (end), "%s: a newcomer ends well (it %s)", what, tell_end (end));
    if (w->remove_segment) {
        check (w->late_attach == ENOENT, "%s: the name does not exist any more (%s)", what,
               strerror (w->late_attach));
        check (w->late_create == 0 && w->late_id != w->alpha && w->late_zero
               && w->late_destroy == 0,
               "%s: the name can be created anew, zero-filled, and destroyed", what);
    } else
        check (w->late_attach == 0 && w->late_create == 0 && w->late_id == w->alpha
               && w->late_destroy == 0,
               "%s: the next registry has the name (%s, %s)", what, strerror (w->late_attach),
               strerror (w->late_create));
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end), "%s: the holder ends well (it %s)", what,
           tell_end (end));
    check (w->held_data_whole && w->held_accessors_right,
           "%s: an attached segment keeps its data, and its handle works", what);
    check (w->new_name == 0, "%s: the holder can create a new name (%s)", what,
           strerror (w->new_name));
    check (w->old_name == 0 && w->old_name_id == w->beta,
           "%s: the holder attaches its other name (%s, id %d, was %d)", what,
           strerror (w->old_name), w->old_name_id, w->beta);
    check (w->destroy_rest == 0 && w->destroy_alpha == 0 && w->destroy_beta == 0,
           "%s: the holder destroys its handles without an error (%d %d %d)", what,
           w->destroy_rest, w->destroy_alpha, w->destroy_beta);
    check (!segment_exists (w->alpha) && !segment_exists (w->beta),
           "%s: the last destroy deletes each segment", what);
    check (segment_exists (w->gamma), "%s: a name without a holder still exists", what);
    run (arrive_late, w);
    check_library_works ("gamma", what);
    check_strangers (&strangers, what);
    left = count_segments ();
    check (left == STRANGERS, "%s: no segment is left (%d)", what,
           left - STRANGERS);
}

/* The segment of a name without a holder. */
static void ipcrm_unused (void *argument)
{
    struct ipcrm_world *w = argument;
    struct end end;

    new_world ();
    run (make_gamma, w);
    check (segment_exists (w->gamma), "a name keeps its segment when its process ends");
    shmctl (w->gamma, IPC_RMID, NULL);
    end = run (arrive_late, w);
    check (ended_well (end) && w->late_attach == ENOENT && w->late_create == 0,
           "ipcrm of an unused segment: the other names work");
    run (make_gamma, w);
    check (segment_exists (w->gamma), "ipcrm of an unused segment: the name can be created anew");
    shmctl (w->gamma, IPC_RMID, NULL);
    shmctl (find_registry (NULL), IPC_RMID, NULL);
    check (count_segments () == 0, "ipcrm of unused segments: no segment is left");
}

/* The successor is removed, too, while no process has it attached. */
static void ipcrm_twice (void *argument)
{
    struct ipcrm_world *w = argument;
    struct end end;
    pid_t holder;

    new_world ();
    holder = start (hold_and_go_on, w);
    check (wait_for_stage (&w->stage, 1, WATCHDOG), "ipcrm, twice: a process has two names");
    shmctl (find_registry (NULL), IPC_RMID, NULL);
    run (make_gamma, w);
    shmctl (find_registry (NULL), IPC_RMID, NULL);
    shmctl (w->gamma, IPC_RMID, NULL);
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end) && w->held_data_whole && w->held_accessors_right,
           "ipcrm, twice: the holder ends well, with its data (it %s)", tell_end (end));
    check (w->new_name == 0 && w->old_name == 0, "ipcrm, twice: the holder can create names");
    check (w->destroy_rest == 0 && w->destroy_alpha == 0 && w->destroy_beta == 0,
           "ipcrm, twice: the holder destroys its handles without an error (%d %d %d)",
           w->destroy_rest, w->destroy_alpha, w->destroy_beta);
    check (count_segments () == 0, "ipcrm, twice: no segment is left (%d)", count_segments ());
}

/* Uses the namespace, and has no handle when its registry is removed. */
static void use_without_handles (void *argument)
{
    struct ipcrm_world *w = argument;
    struct call c = create ("gamma", GAMMA_SIZE);

    w->destroy_rest = shmDestroy (c.handle);
    reach (&w->user_stage, 1);
    wait_for_stage (&w->user_stage, 2, 60);
    shmxList (nothing_for_each, NULL);
    if (w->only_reads)
        exit (0);
    c = create ("gamma", GAMMA_SIZE);
    w->new_name = c.result;
    w->destroy_rest = shmDestroy (c.handle);
}

/* The successor is removed, too, while a process has it attached that has no handle. The holder has
 * not called the library meanwhile, so only that process can save its names. */
static void ipcrm_of_the_successor (void *argument)
{
    struct ipcrm_world *w = argument;
    const char *what = w->only_reads ? "ipcrm of the successor, of a reader"
        : "ipcrm of the successor, of a creator";
    struct end end;
    pid_t holder;
    pid_t user;

    new_world ();
    holder = start (hold_and_go_on, w);
    wait_for_stage (&w->stage, 1, WATCHDOG);
    shmctl (find_registry (NULL), IPC_RMID, NULL);
    user = start (use_without_handles, w);
    check (wait_for_stage (&w->user_stage, 1, WATCHDOG), "%s: the successor is used", what);
    shmctl (find_registry (NULL), IPC_RMID, NULL);
    reach (&w->user_stage, 2);
    end = await (user, WATCHDOG);
    check (ended_well (end) && w->new_name == 0 && w->destroy_rest == 0,
           "%s: its user ends well (it %s)", what, tell_end (end));
    run (arrive_late, w);
    check (w->late_attach == 0 && w->late_id == w->alpha,
           "%s: no name is lost (%s)", what, strerror (w->late_attach));
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end) && w->held_data_whole && w->old_name_id == w->beta,
           "%s: the holder finds its other name (it %s)", what, tell_end (end));
    check (count_segments () == 0, "%s: no segment is left (%d)", what, count_segments ());
}

void storm_worker (void *argument)
{
    struct storm *s = argument;
    int me = __atomic_fetch_add (&s->next, 1, __ATOMIC_SEQ_CST);
    uint64_t state = seed + (uint64_t) me * 77;
    char name[32];

    while (!__atomic_load_n (&s->stop, __ATOMIC_SEQ_CST)) {
        unsigned which = (unsigned) below (&state, STORM_NAMES);
        struct call c;
        struct call d;

        snprintf (name, sizeof name, "storm-%u-%d", which, s->each_his_own ? me : 0);
        c = create (name, 2000);
        s->calls[me]++;
        if (c.seconds > s->slowest[me])
            s->slowest[me] = c.seconds;
        if (c.result != 0) {
            s->refused[me]++;
            if (c.result != EIDRM && c.result != EINVAL && c.result != EAGAIN
                && c.result != ENOENT)
                s->strange[me] = c.result;
            continue;
        }
        /* The segment has the pattern of its name, or has not been written yet. */
        if (!is_zero ((char *) c.address + 1000, 1000)
            && !has_pattern ((char *) c.address + 1000, 1000, which))
            s->data_wrong[me] |= s->each_his_own;
        fill_pattern ((char *) c.address + 1000, 1000, which);
        d = destroy (c.handle);
        if (d.result != 0)
            s->destroy_failed[me] = d.result;
        if (d.seconds > s->slowest[me])
            s->slowest[me] = d.seconds;
    }
}

static void ipcrm_storm (void *argument)
{
    struct storm *s = argument;
    const char *what = s->registries_too ? "ipcrm at random, also of registries"
        : "ipcrm at random";
    static struct segments list;
    struct strangers strangers;
    uint64_t state = seed ^ 0x5707;
    double stop = now () + (full_form ? 12 : 1.2);
    long calls = 0;
    long refused = 0;
    long removed = 0;
    double slowest = 0;
    bool good = true;
    pid_t worker[STORM_WORKERS];
    int i;

    new_world ();
    make_strangers (&strangers);
    for (i = 0; i < STORM_WORKERS; i++)
        worker[i] = start (storm_worker, s);
    while (now () < stop) {
        list_segments (&list);
        if (list.count > 0) {
            struct segment *victim = &list.at[below (&state, (uint64_t) list.count)];

            if (!is_stranger (&strangers, victim->id) && victim->key != IPC_PRIVATE
                && (!is_registry (victim) || s->registries_too)
                && shmctl (victim->id, IPC_RMID, NULL) == 0)
                removed++;
        }
        nap ((double) below (&state, 400) / 1e6);
    }
    __atomic_store_n (&s->stop, 1, __ATOMIC_SEQ_CST);
    for (i = 0; i < STORM_WORKERS; i++) {
        struct end end = await (worker[i], WATCHDOG);

        if (!ended_well (end)) {
            good = false;
            note ("%s: a worker %s", what, tell_end (end));
        }
    }
    check (good, "%s: no worker crashes or hangs", what);
    for (i = 0; i < STORM_WORKERS; i++) {
        calls += s->calls[i];
        refused += s->refused[i];
        if (s->slowest[i] > slowest)
            slowest = s->slowest[i];
        if (s->strange[i] != 0) {
            good = false;
            note ("%s: shmCreate: %s", what, strerror (s->strange[i]));
        }
    }
    check (good, "%s: %ld creations, %ld errors that follow from %ld removals", what, calls,
           refused, removed);
    for (i = 0, good = true; i < STORM_WORKERS; i++)
        if (s->destroy_failed[i] != 0) {
            good = false;
            note ("%s: shmDestroy: %s", what, strerror (s->destroy_failed[i]));
        }
    check (good, "%s: no destroy fails", what);
    for (i = 0, good = true; i < STORM_WORKERS; i++)
        good &= !s->data_wrong[i];
    check (good, "%s: no worker sees the data of another name", what);
    check (slowest < CALL_LIMIT, "%s: no call takes longer than the lock's limit (%.3f s)", what,
           slowest);
    check_library_works ("storm-0-0", what);
    check_strangers (&strangers, what);
    i = count_segments () - STRANGERS;
    check (i == 0, "%s: no segment is left (%d)", what, i);
}

void test_ipcrm (void)
{
    int form;

    for (form = 1; form <= 3; form++) {
        struct ipcrm_world *w = shared (sizeof *w);

        w->remove_segment = (form & 1) != 0;
        w->remove_registry = (form & 2) != 0;
        run_test ("ipcrm of segments in use", ipcrm_in_use, w, 60);
    }
    run_test ("ipcrm of the registry, twice", ipcrm_twice, shared (sizeof (struct ipcrm_world)),
              60);
    for (form = 0; form <= 1; form++) {
        struct ipcrm_world *w = shared (sizeof *w);

        w->only_reads = form == 1;
        run_test ("ipcrm of the successor", ipcrm_of_the_successor, w, 60);
    }
    run_test ("ipcrm of unused segments", ipcrm_unused, shared (sizeof (struct ipcrm_world)), 60);
    for (form = 0; form <= 1; form++) {
        struct storm *s = shared (sizeof *s);

        s->registries_too = form == 1;
        s->each_his_own = form == 1;
        run_test ("ipcrm at random", ipcrm_storm, s, 60);
    }
}

