/*
 * abandoned.c - the registry's creation is interrupted.
 */
#include "damage.h"

struct abandoned {
    int stage;
    int delay_us;
    double took;
    bool explicit_space;
};

static void use_at_first (void *argument)
{
    struct abandoned *a = argument;
    struct call c;
    double begin;

    if (a->explicit_space)
        setenv ("NOB_DATABASE", "/nowhere/abandoned", 1);
    reach (&a->stage, 1);
    begin = now ();
    c = create ("first", 5000);
    if (c.result == 0)
        shmDestroy (c.handle);
    a->took = now () - begin;
    if (c.result != 0)
        _exit (1);
}

static void killed_at_first_use (void *argument)
{
    struct abandoned *a = argument;
    int rounds = full_form ? 6000 : 400;
    int born = 0;
    int damaged = 0;
    int left_over = 0;
    uint64_t state = seed ^ 0xabba ^ (uint64_t) a->explicit_space;
    double longest = 0;
    double limit;
    char why[200] = "";
    int i;

    new_world ();
    if (a->explicit_space)
        setenv ("NOB_DATABASE", "/nowhere/abandoned", 1);
    for (i = 0; i < 5; i++) {
        run (use_at_first, a);
        if (a->took > longest)
            longest = a->took;
    }
    limit = longest * 1.5 + 50e-6;
    for (i = 0; i < rounds; i++) {
        double delay = limit * (double) below (&state, 10000) / 10000;
        pid_t pid;
        int n;

        __atomic_store_n (&a->stage, 0, __ATOMIC_SEQ_CST);
        pid = start (use_at_first, a);
        while (__atomic_load_n (&a->stage, __ATOMIC_SEQ_CST) == 0)
            ;
        spin (delay);
        kill (pid, SIGKILL);
        await (pid, WATCHDOG);
        born += find_registry (NULL) >= 0;
        if (!library_works ("first", why, sizeof why) && damaged++ < 5)
            note ("killed %.0f us after its first use began: %s", delay * 1e6, why);
        n = count_segments ();
        if (n != 0 && left_over++ < 5)
            note ("killed %.0f us after its first use began: %d segments are left",
                  delay * 1e6, n);
        if (n != 0 || damaged > 0)
            remove_everything ();
    }
    check (damaged == 0 && left_over == 0,
           "a process is killed at random during its first use, %d times (%s; %.0f us), %d left a "
           "registry: the next process works (%d did not), no segment is left (%d)", rounds,
           a->explicit_space ? "NOB_DATABASE" : "default namespace", limit * 1e6, born,
           damaged, left_over);
}

/* A test makes the first n bytes of a registry, which is not marked as ready. */
static void half_made_world (void *argument)
{
    struct model *m = argument;
    static const size_t lengths[] =
        { 0, 1, 4, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 512, 1024, 4096 };
    struct call *call = shared (sizeof *call);
    int bad = 0;
    size_t i;
    int form;

    new_world ();
    for (form = 0; form < 2; form++)
        for (i = 0; i < COUNT (lengths); i++) {
            struct visitor *v = shared (sizeof *v);
            unsigned char *p;
            char text[4000];
            pid_t pid;
            int id = shmget (m->key, m->size, IPC_CREAT | IPC_EXCL | 0700);

            p = id < 0 ? (void *) -1 : shmat (id, NULL, 0);
            if (p == (void *) -1)
                give_up ("half-made registry");
            memcpy (p, m->bytes, lengths[i] < m->size ? lengths[i] : m->size);
            if (form != 1)           /* 1: the maker still has it attached, but does nothing */
                shmdt (p);
            v->messages = open_messages ();
            pid = start (visit, v);
            if (!wait_for_stage (&v->stage, 1, WATCHDOG)
                || (v->call.result != 0
                    && !says_what_to_do (read_messages (v->messages, text, sizeof text), id)
                    && v->call.result != ETIMEDOUT)) {
                if (bad++ < 5)
                    note ("half-made registry, %zu bytes, form %d: %s after %.3f s: %s",
                          lengths[i], form, strerror (v->call.result), v->call.seconds,
                          v->stage > 0 ? first_line (text) : "(it did not return)");
            }
            *call = (struct call) { 0 };
            if (v->call.result == 0) {
                run (find_alpha, call);
                if ((call->result != 0 || call->id != v->call.id) && bad++ < 5)
                    note ("half-made registry, %zu bytes, form %d: the next process gets %s",
                          lengths[i], form, strerror (call->result));
            }
            reach (&v->stage, 2);
            if (!ended_well (await (pid, WATCHDOG)) && bad++ < 5)
                note ("half-made registry, %zu bytes, form %d: a process crashed or hung",
                      lengths[i], form);
            if (form == 1)
                shmdt (p);
            remove_everything ();
            close (v->messages);
            munmap (v, sizeof *v);
        }
    check (bad == 0,
           "a registry is abandoned after n bytes, 2 x %zu cases: the library works or its error "
           "names the registry and ipcrm (%d do not)",
           COUNT (lengths), bad);
}

/* A process is stopped while it makes a registry. */
static void stopped_maker_world (void *argument)
{
    struct abandoned *a = shared (sizeof *a);
    int rounds = full_form ? 200 : 25;
    uint64_t state = seed ^ 0x5109;
    int bad = 0;
    int timed_out = 0;
    int i;

    (void) argument;
    new_world ();
    run (use_at_first, a);
    for (i = 0; i < rounds; i++) {
        struct visitor *v = shared (sizeof *v);
        double delay = (a->took + 20e-6) * (double) below (&state, 1000) / 1000;
        pid_t stopped;
        pid_t pid;

        __atomic_store_n (&a->stage, 0, __ATOMIC_SEQ_CST);
        stopped = start (use_at_first, a);
        while (__atomic_load_n (&a->stage, __ATOMIC_SEQ_CST) == 0)
            ;
        spin (delay);
        kill (stopped, SIGSTOP);
        v->messages = open_messages ();
        v->stage = 0;
        pid = start (visit, v);
        if (!wait_for_stage (&v->stage, 1, WATCHDOG)) {
            bad++;
            note ("the maker was stopped %.0f us after it began: another process hangs",
                  delay * 1e6);
        } else if (v->call.result == ETIMEDOUT)
            timed_out++;
        else if (v->call.result != 0) {
            bad++;
            note ("the maker was stopped %.0f us after it began: another process gets %s",
                  delay * 1e6, strerror (v->call.result));
        }
        reach (&v->stage, 2);
        kill (stopped, SIGCONT);
        if (!ended_well (await (stopped, WATCHDOG)) && bad++ < 5)
            note ("a maker of a registry that was stopped and continued failed");
        if (!ended_well (await (pid, WATCHDOG)) && bad++ < 5)
            note ("a process beside a stopped maker failed");
        if (count_segments () != 0 && bad++ < 5)
            note ("after a stopped maker %d segments are left over", count_segments ());
        remove_everything ();
        close (v->messages);
        munmap (v, sizeof *v);
        if (timed_out >= (full_form ? 5 : 1))
            break;
    }
    check (
        bad == 0,
        "a process is stopped while it makes a registry, %d times: others work or time out (%d)",
        i < rounds ? i + 1 : rounds, timed_out);
}

/* Several processes are the first to use the library, at the same time; some are killed. */
struct rush {
    int ready;
    int go;
    int ids[8];
    int results[8];                  /* -1: not yet */
};

struct runner {
    struct rush *rush;
    int number;
};

static void rush_in (void *argument)
{
    struct runner *runner = argument;
    struct rush *r = runner->rush;
    struct call c;

    __atomic_fetch_add (&r->ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n (&r->go, __ATOMIC_SEQ_CST) == 0)
        ;
    c = create ("rush", 5000);
    r->ids[runner->number] = c.id;
    __atomic_store_n (&r->results[runner->number], c.result, __ATOMIC_SEQ_CST);
    wait_for_stage (&r->go, 2, 30);
    if (c.result == 0 && shmDestroy (c.handle) != 0)
        _exit (1);
}

static void rush_world (void *argument)
{
    int rounds = full_form ? 800 : 60;
    int bad = 0;
    int i;
    uint64_t state = seed ^ 0xcafe;

    (void) argument;
    new_world ();
    for (i = 0; i < rounds; i++) {
        struct rush *r = shared (sizeof *r);
        pid_t pid[4];
        int id = -1;
        int victim = i % 3 == 0 ? -1 : (int) below (&state, 4);
        double until;
        int k;

        for (k = 0; k < 4; k++)
            r->results[k] = -1;
        for (k = 0; k < 4; k++) {
            struct runner runner = { r, k };

            pid[k] = start (rush_in, &runner);
        }
        while (__atomic_load_n (&r->ready, __ATOMIC_SEQ_CST) < 4)
            nap (0.0001);
        reach (&r->go, 1);
        if (victim >= 0) {
            double wait = (double) below (&state, 250) / 1e6;
            double begin = now ();

            while (now () - begin < wait)
                ;
            kill (pid[victim], SIGKILL);
        }
        until = now () + WATCHDOG;
        for (k = 0; k < 4; k++)      /* all that live have attached it, before one destroys it */
            while (k != victim && now () < until
                   && __atomic_load_n (&r->results[k], __ATOMIC_SEQ_CST) < 0)
                nap (0.0001);
        reach (&r->go, 2);
        for (k = 0; k < 4; k++) {
            struct end end = await (pid[k], WATCHDOG);

            if (k != victim && !ended_well (end) && bad++ < 5)
                note ("rush: a process %s", tell_end (end));
        }
        for (k = 0; k < 4; k++) {
            if (r->results[k] > 0 && bad++ < 5)
                note ("rush: shmCreate: %s", strerror (r->results[k]));
            if (r->results[k] != 0)
                continue;
            if (id >= 0 && r->ids[k] != id && bad++ < 5)
                note ("rush: two segments under one name");
            id = r->ids[k];
        }
        if (count_segments () != 0) {
            /* The process that was killed may have been the last one that had it attached. */
            char why[200];

            if (!library_works ("rush", why, sizeof why) && bad++ < 5)
                note ("rush: afterwards: %s", why);
            if (count_segments () != 0 && bad++ < 5)
                note ("rush: %d segments are left", count_segments ());
            remove_everything ();
        }
        munmap (r, sizeof *r);
    }
    check (bad == 0,
           "four processes use the library first, at once, and one is killed, %d times: they get "
           "one segment, and none is left",
           rounds);
}

void test_abandoned (void)
{
    struct abandoned *a = shared (sizeof *a);
    struct model *m = shared (sizeof *m);

    check (ended_well (await (start (killed_at_first_use, a), 400)),
           "a process is killed at its first use");
    a = shared (sizeof *a);
    a->explicit_space = true;
    check (ended_well (await (start (killed_at_first_use, a), 400)),
           "a process is killed at its first use of NOB_DATABASE");
    new_world ();
    if (take_model (m))
        run_test ("abandoned registries", half_made_world, m, 900);
    run_test ("stopped makers", stopped_maker_world, NULL, 200);
    run_test ("first use by four processes", rush_world, NULL, 200);
}

