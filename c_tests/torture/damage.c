/*
 * damage.c - the library among vandals.
 *
 * Segments and the registry are removed, overwritten, filled, squatted on and abandoned while
 * programs use them, and the limits of the system are reached.  Whatever happens: no crash, no
 * hang, nobody else's segment mapped or removed, no name silently lost, and an error that says
 * what is wrong and what to do.
 *
 *     damage [quick|full] [seed] [ipcrm|versions|squatters|limits|elsewhere|abandoned|blows]
 */
#include "check_world.h"

#include <sys/resource.h>

#define ALPHA_SIZE 5000
#define BETA_SIZE 5500
#define GAMMA_SIZE 6100

/* ---- ipcrm ------------------------------------------------------------------------------ */

/* What a process that holds handles and one that arrives later tell the one that watches. */
struct ipcrm_world {
    int stage;                       /* 1: holder is ready; 2: the vandal was there; 3: end */
    int alpha, beta, gamma;          /* ids as they were made */
    int late_attach, late_create, late_id, late_destroy;
    bool late_zero;
    bool held_data_whole, held_accessors_right;
    int new_name, old_name, old_name_id;
    int destroy_alpha, destroy_beta, destroy_rest;
    bool remove_segment, remove_registry;
};

static void make_gamma (void *argument)
{
    struct ipcrm_world *w = argument;
    struct call c = create ("gamma", GAMMA_SIZE);

    w->gamma = c.id;
    if (c.result == 0)
        fill_pattern (c.address, GAMMA_SIZE, 3);
}

static void hold_and_go_on (void *argument)
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
    const char *hurt;
    struct end end;
    char why[200];
    pid_t holder;
    int registry;
    int left;

    new_world ();
    make_strangers (&strangers);
    run (make_gamma, w);
    holder = start (hold_and_go_on, w);
    if (!wait_for_stage (&w->stage, 1, WATCHDOG)) {
        check (false, "%s: a process could create two names", what);
        return;
    }
    registry = find_registry (NULL);
    check (registry >= 0, "%s: the registry is the segment with a key of its kind", what);
    if (w->remove_segment)
        shmctl (w->alpha, IPC_RMID, NULL);
    if (w->remove_registry)
        shmctl (registry, IPC_RMID, NULL);
    end = run (arrive_late, w);
    check (ended_well (end), "%s: a later process gets on (it %s)", what, tell_end (end));
    check (w->late_attach == ENOENT, "%s: the name no longer exists (%s)", what,
           strerror (w->late_attach));
    check (w->late_create == 0 && w->late_id != w->alpha && w->late_zero
           && w->late_destroy == 0,
           "%s: the name can be made anew, zero-filled, and destroyed", what);
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end), "%s: the process that held handles gets on (it %s)", what,
           tell_end (end));
    check (w->held_data_whole && w->held_accessors_right,
           "%s: what was mapped is whole and its handle works", what);
    check (w->new_name == 0, "%s: the holder can make a new name (%s)", what,
           strerror (w->new_name));
    check (w->old_name == 0 && (w->remove_registry || w->old_name_id == w->beta),
           "%s: the holder gets its other name (%s, id %d, was %d)", what,
           strerror (w->old_name), w->old_name_id, w->beta);
    check (w->destroy_rest == 0 && w->destroy_alpha == 0 && w->destroy_beta == 0,
           "%s: the holder's handles are destroyed without an error (%d %d %d)", what,
           w->destroy_rest, w->destroy_alpha, w->destroy_beta);
    check (!segment_exists (w->alpha) && !segment_exists (w->beta),
           "%s: living handles deleted their segments", what);
    if (w->remove_registry)          /* its name went with the registry, at our own wish */
        shmctl (w->gamma, IPC_RMID, NULL);
    else {
        check (segment_exists (w->gamma), "%s: a name that nobody holds is still there", what);
        run (arrive_late, w);
    }
    check (library_works ("gamma", why, sizeof why), "%s: the library works afterwards (%s)",
           what, why);
    hurt = strangers_hurt (&strangers);
    check (!hurt, "%s: nobody else's segment was touched%s%s", what, hurt ? ": " : "",
           hurt ? hurt : "");
    left = count_segments ();
    check (left == STRANGERS, "%s: nothing is left over (%d segments)", what,
           left - STRANGERS);
}

/* The segment of a name that nobody holds. */
static void ipcrm_unused (void *argument)
{
    struct ipcrm_world *w = argument;
    struct end end;

    new_world ();
    run (make_gamma, w);
    check (segment_exists (w->gamma), "a name whose process ended keeps its segment");
    shmctl (w->gamma, IPC_RMID, NULL);
    end = run (arrive_late, w);
    check (ended_well (end) && w->late_attach == ENOENT && w->late_create == 0,
           "ipcrm of an unused segment: other names work");
    run (make_gamma, w);
    check (segment_exists (w->gamma), "ipcrm of an unused segment: the name is made anew");
    shmctl (w->gamma, IPC_RMID, NULL);
    shmctl (find_registry (NULL), IPC_RMID, NULL);
    check (count_segments () == 0, "ipcrm of unused segments: nothing is left over");
}

/* Workers at their work while a vandal removes segments, and now and then the registry. */
#define STORM_WORKERS 4
#define STORM_NAMES 5

struct storm {
    int stop;
    bool registries_too;
    bool each_his_own;
    long calls[STORM_WORKERS];
    long refused[STORM_WORKERS];
    int strange[STORM_WORKERS];      /* an errno that makes no sense here */
    double slowest[STORM_WORKERS];
    int destroy_failed[STORM_WORKERS];
    bool data_wrong[STORM_WORKERS];
    int next;
};

static void storm_worker (void *argument)
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
        /* What is in the name's segment is the name's pattern, or not yet written. */
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
    const char *what = s->registries_too ? "ipcrm at random, registries too"
        : "ipcrm at random";
    static struct segment list[256];
    struct strangers strangers;
    uint64_t state = seed ^ 0x5707;
    double stop = now () + (full_form ? 12 : 1.2);
    long calls = 0;
    long refused = 0;
    long removed = 0;
    double slowest = 0;
    bool good = true;
    const char *hurt;
    pid_t worker[STORM_WORKERS];
    char why[200];
    int i;

    new_world ();
    make_strangers (&strangers);
    for (i = 0; i < STORM_WORKERS; i++)
        worker[i] = start (storm_worker, s);
    while (now () < stop) {
        int n = list_segments (list, (int) COUNT (list));

        if (n > 0) {
            struct segment *victim = &list[below (&state, (uint64_t) n)];
            bool is_registry = ((uint32_t) victim->key & 0xC0000000u) == 0x80000000u;

            if (!is_stranger (&strangers, victim->id) && victim->key != IPC_PRIVATE
                && (!is_registry || s->registries_too)
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
    check (good, "%s: %ld creations, %ld refused for good reason, %ld removals", what, calls,
           refused, removed);
    for (i = 0, good = true; i < STORM_WORKERS; i++)
        if (s->destroy_failed[i] != 0) {
            good = false;
            note ("%s: shmDestroy: %s", what, strerror (s->destroy_failed[i]));
        }
    check (good, "%s: no destroy fails", what);
    for (i = 0, good = true; i < STORM_WORKERS; i++)
        good &= !s->data_wrong[i];
    check (good, "%s: no worker sees another name's data", what);
    check (slowest < CALL_LIMIT, "%s: no call is longer than the lock's bound (%.3f s)", what,
           slowest);
    check (library_works ("storm-0-0", why, sizeof why),
           "%s: the library works afterwards (%s)", what, why);
    hurt = strangers_hurt (&strangers);
    check (!hurt, "%s: nobody else's segment was touched%s%s", what, hurt ? ": " : "",
           hurt ? hurt : "");
    i = count_segments () - STRANGERS;
    check (i == 0, "%s: nothing is left over (%d segments)", what, i);
}

static void test_ipcrm (void)
{
    int form;

    for (form = 1; form <= 3; form++) {
        struct ipcrm_world *w = shared (sizeof *w);

        w->remove_segment = (form & 1) != 0;
        w->remove_registry = (form & 2) != 0;
        check (ended_well (await (start (ipcrm_in_use, w), 60)), "ipcrm, form %d, was tried",
               form);
    }
    check (ended_well (await (start (ipcrm_unused, shared (sizeof (struct ipcrm_world))), 60)),
           "ipcrm of what nobody uses was tried");
    for (form = 0; form <= 1; form++) {
        struct storm *s = shared (sizeof *s);

        s->registries_too = form == 1;
        s->each_his_own = form == 1;
        check (ended_well (await (start (ipcrm_storm, s), 60)), "the ipcrm storm was tried");
    }
}

/* ---- a damaged registry ----------------------------------------------------------------- */

/* What is done to the registry, and what came of it. */
enum blow { FLIP, WORD, LINE, RANDOM_FILL, ZERO_FILL, ONES_FILL, SHIFTED, TEXT, WILD, FORGED };

static const char *const blow_name[] = {
    "a single bit flipped", "a word overwritten", "64 bytes zeroed", "filled with random bytes",
    "filled with zeros", "filled with ones", "moved by 8 bytes", "filled with text",
    "written at random for a while", "made to name a stranger's segment"
};

enum verdict {
    HARMLESS,                        /* all went on as if nothing had happened */
    REFUSED,                         /* an error */
    FAULT_CRASH, FAULT_HANG, FAULT_LOST, FAULT_WRONG_SEGMENT, FAULT_STRANGER, FAULT_DATA,
    FAULT_MUTE, FAULT_REMOVED, FAULT_NO_RECOVERY, FAULT_TEST, VERDICTS
};

static const char *const verdict_name[VERDICTS] = {
    "harmless", "refused",
    "a process crashed", "a process hung", "a name was silently lost",
    "a name gave another segment", "a stranger's segment was touched", "data were changed",
    "an error whose message does not say what to do", "a segment in use was removed",
    "no way back after ipcrm", "the test itself failed"
};

struct blow_world {
    enum blow blow;
    uint64_t state;                  /* chance */
    size_t offset;                   /* FLIP, WORD */
    unsigned bit;
    uint64_t word;
    unsigned width;                  /* WORD: 4 or 8 bytes */
    bool holder_first;
    /* while it runs */
    int stage;
    int alpha, beta, gamma, registry;
    int messages;
    bool timed_out;
    struct strangers strangers;
    struct call late[8];             /* by processes that never used the library before */
    struct call held[6];             /* by the process that holds handles */
    bool held_whole, late_whole, late_gamma_whole;
    bool has_gamma_second;
    /* what came of it */
    int errors[8];
    enum verdict verdict;
    char detail[240];
    double begun;
};

/* After one ETIMEDOUT nobody needs to see ten more. */
static bool tried (struct blow_world *w, struct call *c)
{
    if (c->result == ETIMEDOUT)
        __atomic_store_n (&w->timed_out, true, __ATOMIC_SEQ_CST);
    return c->result == 0;
}

static bool go_on (struct blow_world *w)
{
    return !__atomic_load_n (&w->timed_out, __ATOMIC_SEQ_CST);
}

static void blow_make_gamma (void *argument)
{
    struct blow_world *w = argument;
    struct call c = create ("gamma", GAMMA_SIZE);

    if (c.result != 0)
        _exit (1);
    w->gamma = c.id;
    fill_pattern (c.address, GAMMA_SIZE, 3);
    _exit (0);
}

/* Holds alpha and beta through the blow; held[]: gamma, beta again, new, then destroys. */
static void blow_holder (void *argument)
{
    struct blow_world *w = argument;
    struct call alpha;
    struct call beta;

    keep_messages (w->messages);
    alpha = create ("alpha", ALPHA_SIZE);
    beta = create ("beta", BETA_SIZE);
    if (alpha.result != 0 || beta.result != 0)
        _exit (1);
    w->alpha = alpha.id;
    w->beta = beta.id;
    fill_pattern (alpha.address, ALPHA_SIZE, 1);
    fill_pattern (beta.address, BETA_SIZE, 2);
    reach (&w->stage, 1);
    wait_for_stage (&w->stage, 2, 600);

    if (go_on (w))
        w->held[0] = create ("gamma", 0);
    if (tried (w, &w->held[0]) && w->held[0].size == GAMMA_SIZE)
        w->late_gamma_whole &= has_pattern (w->held[0].address, GAMMA_SIZE, 3);
    if (go_on (w)) {
        w->held[1] = create ("beta", BETA_SIZE);
        if (tried (w, &w->held[1]))
            shmDestroy (w->held[1].handle);
    }
    w->held_whole = has_pattern (alpha.address, ALPHA_SIZE, 1)
        && has_pattern (beta.address, BETA_SIZE, 2)
        && shmAddress (alpha.handle) == alpha.address && shmId (beta.handle) == beta.id;
    reach (&w->stage, 3);
    wait_for_stage (&w->stage, 4, 600);

    w->held_whole &= has_pattern (alpha.address, ALPHA_SIZE, 1)
        && has_pattern (beta.address, BETA_SIZE, 2);
    if (go_on (w)) {
        w->held[2] = destroy (alpha.handle);
        tried (w, &w->held[2]);
    }
    if (go_on (w)) {
        w->held[3] = destroy (beta.handle);
        tried (w, &w->held[3]);
    }
}

/* late[0..3]: alpha, gamma, beta with a size, a new name.  Gamma is not destroyed. */
static void blow_newcomer (void *argument)
{
    struct blow_world *w = argument;

    keep_messages (w->messages);
    w->late[0] = create ("alpha", 0);
    if (tried (w, &w->late[0])) {
        if (w->late[0].size == ALPHA_SIZE)
            w->late_whole = has_pattern (w->late[0].address, ALPHA_SIZE, 1);
        shmDestroy (w->late[0].handle);
    }
    if (!go_on (w))
        return;
    w->late[1] = create ("gamma", GAMMA_SIZE);
    if (tried (w, &w->late[1]) && w->late[1].size == GAMMA_SIZE)
        w->late_gamma_whole &= has_pattern (w->late[1].address, GAMMA_SIZE, 3);
    if (!go_on (w))
        return;
    w->late[2] = create ("beta", 10);
    if (tried (w, &w->late[2]))
        shmDestroy (w->late[2].handle);
    if (!go_on (w))
        return;
    w->late[3] = create ("delta", 10);
    if (tried (w, &w->late[3]))
        shmDestroy (w->late[3].handle);
}

/* After the newcomer's clean exit: late[4], late[5]. */
static void blow_second_newcomer (void *argument)
{
    struct blow_world *w = argument;

    keep_messages (w->messages);
    w->late[4] = create ("alpha", ALPHA_SIZE);
    if (tried (w, &w->late[4]))
        shmDestroy (w->late[4].handle);
    if (!go_on (w))
        return;
    w->late[5] = create ("gamma", 0);
    tried (w, &w->late[5]);
}

static void strike (struct blow_world *w, unsigned char *p, size_t size)
{
    size_t i;

    switch (w->blow) {
    case FLIP:
        p[w->offset % size] ^= (unsigned char) (1u << w->bit);
        break;
    case WORD:
        memcpy (p + (w->offset % (size - 8)), &w->word, w->width);
        break;
    case LINE:
        memset (p + (w->offset % (size - 64)), 0, 64);
        break;
    case RANDOM_FILL:
        for (i = 0; i + 8 <= size; i += 8) {
            uint64_t r = chance (&w->state);

            memcpy (p + i, &r, 8);
        }
        break;
    case ZERO_FILL:
        memset (p, 0, size);
        break;
    case ONES_FILL:
        memset (p, 0xff, size);
        break;
    case SHIFTED:
        memmove (p + 8, p, size - 8);
        break;
    case TEXT:
        for (i = 0; i < size; i++)
            p[i] = (unsigned char) "2026-01-01 measurement 17 out of range\n"[i % 39];
        break;
    case WILD:
        {
            double stop = now () + 0.05;

            while (now () < stop)
                for (i = 0; i < 50; i++)
                    p[below (&w->state, below (&w->state, 4) ? 4096 : size)] =
                        (unsigned char) chance (&w->state);
        }
        break;
    case FORGED:
        /* Wherever alpha's id and key are, put the id and key of a stranger. */
        {
            struct shmid_ds ds;
            uint32_t alpha = (uint32_t) w->alpha;
            uint32_t key;
            int victim = w->bit == 0 ? 1 : 4;
            uint32_t stranger = (uint32_t) w->strangers.id[victim];
            uint32_t strangers_key = (uint32_t) w->strangers.before[victim].shm_perm.__key;

            shmctl (w->alpha, IPC_STAT, &ds);
            key = (uint32_t) ds.shm_perm.__key;
            for (i = 0; i + 4 <= size; i += 4) {
                if (memcmp (p + i, &key, 4) == 0) {
                    memcpy (p + i, &strangers_key, 4);
                    if (i >= 4 && memcmp (p + i - 4, &alpha, 4) == 0)
                        memcpy (p + i - 4, &stranger, 4);
                    if (i + 8 <= size && memcmp (p + i + 4, &alpha, 4) == 0)
                        memcpy (p + i + 4, &stranger, 4);
                }
            }
        }
        break;
    }
}

__attribute__ ((format (printf, 3, 4)))
static void fault (struct blow_world *w, enum verdict verdict, const char *format, ...)
{
    va_list args;

    if (w->verdict > REFUSED)        /* the first fault is the one that is told */
        return;
    w->verdict = verdict;
    va_start (args, format);
    vsnprintf (w->detail, sizeof w->detail, format, args);
    va_end (args);
}

/* One attempt to reach a name that exists: the same segment, or an error. */
static void judge_name (struct blow_world *w, const struct call *c, int id, const char *who)
{
    if (c->result < 0)
        return;
    if (c->seconds > CALL_LIMIT)
        fault (w, FAULT_HANG, "%s: %.1f s", who, c->seconds);
    if (c->result == 0 && c->id != id)
        fault (w, is_stranger (&w->strangers, c->id) ? FAULT_STRANGER : FAULT_WRONG_SEGMENT,
               "%s: id %d, was %d", who, c->id, id);
    if (c->result == ENOENT)
        fault (w, FAULT_LOST, "%s: %s", who, strerror (ENOENT));
    if (c->result > 0 && w->verdict == HARMLESS)
        w->verdict = REFUSED;
}

static void judge_process (struct blow_world *w, struct end end, const char *who)
{
    if (end.how == CRASHED)
        fault (w, FAULT_CRASH, "%s %s", who, tell_end (end));
    else if (end.how == HUNG)
        fault (w, FAULT_HANG, "%s %s", who, tell_end (end));
    else if (end.code != 0)
        fault (w, FAULT_TEST, "%s %s", who, tell_end (end));
}

static void remove_damaged_registry (struct blow_world *w)
{
    struct shmid_ds ds;

    shmctl (w->registry, IPC_RMID, NULL);
    while (find_registry (&ds) >= 0)
        shmctl (find_registry (&ds), IPC_RMID, NULL);
}

static void judge (struct blow_world *w)
{
    char text[8000];
    char why[200];
    const char *hurt;
    int registry_error = 0;
    size_t i;

    judge_name (w, &w->held[0], w->gamma, "holder, gamma");
    judge_name (w, &w->held[1], w->beta, "holder, beta");
    judge_name (w, &w->late[0], w->alpha, "newcomer, alpha");
    judge_name (w, &w->late[1], w->gamma, "newcomer, gamma");
    judge_name (w, &w->late[2], w->beta, "newcomer, beta");
    judge_name (w, &w->late[4], w->alpha, "second newcomer, alpha");
    judge_name (w, &w->late[5], w->gamma, "second newcomer, gamma");
    if (!w->held_whole)
        fault (w, FAULT_DATA, "what the holder had mapped");
    if ((w->late[0].result == 0 && !w->late_whole) || !w->late_gamma_whole)
        fault (w, FAULT_DATA, "what a process found under a name");
    for (i = 0; i < COUNT (w->late); i++) {
        if (w->late[i].seconds > CALL_LIMIT)
            fault (w, FAULT_HANG, "a call took %.1f s", w->late[i].seconds);
        if (w->late[i].result > 0 && w->late[i].result != ENOENT)
            registry_error = w->late[i].result;
        if (w->late[i].result > 0 && w->verdict == HARMLESS)
            w->verdict = REFUSED;
    }
    for (i = 0; i < COUNT (w->held); i++) {
        if (w->held[i].seconds > CALL_LIMIT)
            fault (w, FAULT_HANG, "a call took %.1f s", w->held[i].seconds);
        if (w->held[i].result > 0 && w->held[i].result != ENOENT)
            registry_error = w->held[i].result;
        if (w->held[i].result > 0 && w->verdict == HARMLESS)
            w->verdict = REFUSED;
    }
    read_messages (w->messages, text, sizeof text);
    if (registry_error != 0 && !says_what_to_do (text, w->registry)
        && registry_error != ETIMEDOUT)
        fault (w, FAULT_MUTE, "%s (registry %d): %s", strerror (registry_error), w->registry,
               first_line (text));
    if (registry_error == ETIMEDOUT && text[0] == '\0')
        fault (w, FAULT_MUTE, "a timeout without a message");
    hurt = strangers_hurt (&w->strangers);
    if (hurt)
        fault (w, FAULT_STRANGER, "%s", hurt);

    /* What the message says helps. */
    remove_damaged_registry (w);
    if (!library_works ("after-all", why, sizeof why))
        fault (w, FAULT_NO_RECOVERY, "%s", why);
    w->errors[0] = registry_error;
}

static void blow_world (void *argument)
{
    struct blow_world *w = argument;
    struct shmid_ds ds;
    pid_t holder;
    unsigned char *p;
    struct end end;
    size_t i;

    for (i = 0; i < COUNT (w->late); i++)
        w->late[i].result = -1;
    for (i = 0; i < COUNT (w->held); i++)
        w->held[i].result = -1;
    w->late_gamma_whole = true;
    w->held_whole = false;
    w->verdict = HARMLESS;
    new_world ();
    w->messages = open_messages ();
    make_strangers (&w->strangers);
    end = run (blow_make_gamma, w);
    judge_process (w, end, "the maker of gamma");
    holder = start (blow_holder, w);
    if (w->verdict != HARMLESS || !wait_for_stage (&w->stage, 1, WATCHDOG)) {
        fault (w, FAULT_TEST, "the holder did not start");
        return;
    }
    w->registry = find_registry (&ds);
    p = w->registry < 0 ? (void *) -1 : shmat (w->registry, NULL, 0);
    if (p == (void *) -1) {
        fault (w, FAULT_TEST, "no registry");
        return;
    }
    strike (w, p, ds.shm_segsz);
    shmdt (p);

    if (w->holder_first) {
        reach (&w->stage, 2);
        wait_for_stage (&w->stage, 3, WATCHDOG * 2);
    }
    if (go_on (w))
        judge_process (w, await (start (blow_newcomer, w), WATCHDOG * 4), "a newcomer");
    if (w->late[0].result == 0 || w->late[1].result == 0)
        if (!segment_exists (w->alpha) || !segment_exists (w->gamma))
            fault (w, FAULT_REMOVED, "alpha or gamma is gone though the blow was survived");
    if (go_on (w))
        judge_process (w, await (start (blow_second_newcomer, w), WATCHDOG * 4),
                       "a second newcomer");
    if (!segment_exists (w->alpha) || !segment_exists (w->beta))
        fault (w, FAULT_REMOVED, "alpha or beta was removed while it was held");
    if (!segment_exists (w->gamma))
        fault (w, FAULT_REMOVED, "gamma was removed");
    reach (&w->stage, 4);
    judge_process (w, await (holder, WATCHDOG * 4), "the holder");
    if (w->held[2].result == 0 && segment_exists (w->alpha))
        fault (w, FAULT_LOST, "alpha's last destroy succeeded, but left the segment");
    judge (w);
}

/* Worlds run side by side; one that waits for a lock does not keep the others waiting. */
#define LANES 48

struct tournament {
    const char *what;
    long count[VERDICTS];
    long by_error[200];
    long told;
};

struct lane {
    pid_t pid;
    struct blow_world *world;
    struct tournament *tournament;
};

static struct lane lanes[LANES];

static struct tournament flips = { .what = "bit flips" };
static struct tournament words = { .what = "words" };
static struct tournament lines = { .what = "64 zeros" };
static struct tournament fills = { .what = "wholesale" };

static void settle (struct lane *lane, struct end end)
{
    struct tournament *t = lane->tournament;
    struct blow_world *w = lane->world;

    judge_process (w, end, "the world");
    t->count[w->verdict]++;
    if (w->verdict == REFUSED && w->errors[0] > 0 && w->errors[0] < 200)
        t->by_error[w->errors[0]]++;
    if (w->verdict > REFUSED && t != &lines && t->told++ < 25)
        note ("FAULT: %s at offset %zu bit %u (word %#llx): %s: %s", blow_name[w->blow],
              w->offset, w->bit, (unsigned long long) w->word, verdict_name[w->verdict],
              w->detail);
    lane->pid = 0;
}

/* Waits until a lane is free, and no more than a few young worlds run. */
static struct lane *free_lane (int most_young)
{
    for (;;) {
        struct lane *found = NULL;
        int young = 0;
        int i;

        for (i = 0; i < LANES; i++) {
            struct lane *lane = &lanes[i];
            int status;

            if (lane->pid != 0 && waitpid (lane->pid, &status, WNOHANG) == lane->pid) {
                struct end end = { WIFEXITED (status) ? ENDED : CRASHED,
                    WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status) };

                settle (lane, end);
            } else if (lane->pid != 0 && now () - lane->world->begun > 120) {
                kill (lane->pid, SIGKILL);
                waitpid (lane->pid, &status, 0);
                settle (lane, (struct end) { HUNG, 0 });
            }
            if (lane->pid == 0)
                found = lane;
            else if (now () - lane->world->begun < 0.5)
                young++;
        }
        if (found && young < most_young)
            return found;
        nap (0.0003);
    }
}

static void enter (struct tournament *t, enum blow blow, uint64_t *state, size_t offset,
                   unsigned bit, uint64_t word, unsigned width)
{
    struct lane *lane = free_lane (3);
    struct blow_world *w = lane->world;

    if (!w)
        w = lane->world = shared (sizeof *w);
    lane->tournament = t;
    memset (w, 0, sizeof *w);
    w->blow = blow;
    w->state = chance (state);
    w->holder_first = (w->state & 1) != 0;
    w->offset = offset;
    w->bit = bit;
    w->word = word;
    w->width = width;
    w->begun = now ();
    lane->pid = start (blow_world, w);
}

static void wait_for_all_lanes (void)
{
    for (;;) {
        int running = 0;
        int i;

        free_lane (LANES + 1);
        for (i = 0; i < LANES; i++)
            running += lanes[i].pid != 0;
        if (running == 0)
            return;
        nap (0.002);
    }
}

static void tell_tournament (struct tournament *t)
{
    char errors[400] = "";
    long total = 0;
    size_t n = 0;
    int i;

    for (i = 0; i < VERDICTS; i++)
        total += t->count[i];
    for (i = 0; i < 200 && n < sizeof errors - 60; i++)
        if (t->by_error[i] > 0)
            n += (size_t) snprintf (errors + n, sizeof errors - n, " %s %ld",
                                    strerrorname_np (i), t->by_error[i]);
    note ("%s: %ld worlds, harmless %ld, refused %ld:%s", t->what, total, t->count[HARMLESS],
          t->count[REFUSED], errors);
    for (i = REFUSED + 1; i < VERDICTS; i++)
        if (t == &lines && (i == FAULT_LOST || i == FAULT_WRONG_SEGMENT))
            note ("%s: %s (%ld): an entry of which nothing is left cannot be told from one that "
                  "never was", t->what, verdict_name[i], t->count[i]);
        else
            check (t->count[i] == 0, "%s: not once in %ld worlds: %s (%ld)", t->what, total,
                   verdict_name[i], t->count[i]);
}

/* Where the registry of such a world is not zero: there a blow can matter. */
struct survey {
    int stage;
    int registry;
    size_t size;
    size_t count;
    uint32_t offset[20000];
    uint32_t alpha, beta, gamma;
    struct strangers strangers;
};

static void survey_world (void *argument)
{
    struct survey *s = argument;
    struct blow_world *w = shared (sizeof *w);
    struct shmid_ds ds;
    unsigned char *p;
    size_t i;

    new_world ();
    w->messages = open_messages ();
    make_strangers (&w->strangers);
    run (blow_make_gamma, w);
    start (blow_holder, w);
    if (!wait_for_stage (&w->stage, 1, WATCHDOG))
        give_up ("the holder did not start");
    s->registry = find_registry (&ds);
    p = s->registry < 0 ? (void *) -1 : shmat (s->registry, NULL, 0);
    if (p == (void *) -1)
        give_up ("the registry was not found");
    s->size = ds.shm_segsz;
    for (i = 0; i < s->size && s->count < COUNT (s->offset); i++)
        if (p[i] != 0)
            s->offset[s->count++] = (uint32_t) i;
    s->alpha = (uint32_t) w->alpha;
    s->gamma = (uint32_t) w->gamma;
    s->beta = (uint32_t) w->beta;
    s->strangers = w->strangers;
    _exit (0);                       /* and the holder dies with us */
}

static void strike_blows (void)
{
    struct survey *s = shared (sizeof *s);
    uint64_t state = seed ^ 0xb17;
    long stride = full_form ? 1 : 9;
    long wanted = full_form ? 2000 : 150;
    bool *live;
    size_t i;
    long n;

    if (!check (ended_well (run (survey_world, s)) && s->count > 0,
                "the registry was found: id %d, %zu bytes, %zu of them not zero", s->registry,
                s->size, s->count))
        return;
    live = calloc (s->size + 64, 1);
    if (!live)
        give_up ("calloc");
    /* All the bits of each 8-byte word that is not zero, and of its neighbours. */
    for (i = 0; i < s->count; i++) {
        size_t word = s->offset[i] & ~(size_t) 7;
        size_t from = word >= 8 ? word - 8 : 0;

        memset (live + from, true, word + 16 - from);
    }
    n = (long) below (&state, (uint64_t) stride);
    for (i = 0; i < s->size; i++) {
        unsigned bit;

        for (bit = 0; live[i] && bit < 8; bit++)
            if (n++ % stride == 0)
                enter (&flips, FLIP, &state, i, bit, 0, 0);
    }
    free (live);
    while (wanted-- > 0)             /* anywhere: slack, or the beginning */
        enter (&flips, FLIP, &state, below (&state, below (&state, 2) ? s->size : 8192),
               (unsigned) below (&state, 8), 0, 0);

    /* Words, such as a wild pointer writes: each zeroed, and others at random. */
    for (i = 0; i < s->count; i++)
        if (i == 0 || s->offset[i] / 8 != s->offset[i - 1] / 8)
            enter (&words, WORD, &state, s->offset[i] & ~(size_t) 7, 0, 0, 8);
    for (i = 0; i < s->count; i++)
        if (i == 0 || s->offset[i] / 64 != s->offset[i - 1] / 64)
            enter (&lines, LINE, &state, s->offset[i] & ~(size_t) 63, 0, 0, 0);
    for (n = full_form ? 3000 : 120; n > 0; n--) {
        uint64_t values[] = { 0, ~UINT64_C (0), 1, chance (&state), s->alpha, s->beta, s->gamma,
            (uint64_t) s->strangers.id[below (&state, STRANGERS)], 0x7fffffff, 0x80000000,
            chance (&state) & 0xffff, UINT64_C (0x7f0000000000) + (chance (&state) & 0xffffff) };
        size_t where = s->offset[below (&state, s->count)];
        unsigned width = below (&state, 2) ? 8 : 4;

        enter (&words, WORD, &state, where & ~(size_t) (width - 1), 0,
               values[below (&state, COUNT (values))], width);
    }

    for (n = full_form ? 40 : 4; n > 0; n--) {
        enter (&fills, RANDOM_FILL, &state, 0, 0, 0, 0);
        enter (&fills, ZERO_FILL, &state, 0, 0, 0, 0);
        enter (&fills, ONES_FILL, &state, 0, 0, 0, 0);
        enter (&fills, SHIFTED, &state, 0, 0, 0, 0);
        enter (&fills, TEXT, &state, 0, 0, 0, 0);
        enter (&fills, WILD, &state, 0, 0, 0, 0);
        enter (&fills, FORGED, &state, 0, 0, 0, 0);
        enter (&fills, FORGED, &state, 0, 1, 0, 0);
    }
    munmap (s, sizeof *s);
}

/* ---- a registry destroyed under workers at their work ----------------------------------- */

struct mill {
    int stop;
    int ready;
    int working;
    int next;
    enum blow blow;
    int alpha;
    long calls, lost, wrong, errors;
    int messages;
    double slowest;
};

static void mill_worker (void *argument)
{
    struct mill *m = argument;
    int me = __atomic_fetch_add (&m->next, 1, __ATOMIC_SEQ_CST);
    bool announced = false;
    char name[32];

    keep_messages (m->messages);
    snprintf (name, sizeof name, "mill-%d", me / 2);
    while (!__atomic_load_n (&m->stop, __ATOMIC_SEQ_CST)) {
        struct call a = create ("alpha", 0);
        struct call c = create (name, 100);
        double slow = a.seconds > c.seconds ? a.seconds : c.seconds;

        __atomic_fetch_add (&m->calls, 1, __ATOMIC_SEQ_CST);
        if (a.result == 0 && a.id != m->alpha)
            __atomic_fetch_add (&m->wrong, 1, __ATOMIC_SEQ_CST);
        if (a.result == ENOENT)
            __atomic_fetch_add (&m->lost, 1, __ATOMIC_SEQ_CST);
        if (a.result != 0 || c.result != 0)
            __atomic_fetch_add (&m->errors, 1, __ATOMIC_SEQ_CST);
        if (a.result == 0)
            slow += destroy (a.handle).seconds;
        if (c.result == 0)
            slow += destroy (c.handle).seconds;
        if (slow > m->slowest)
            m->slowest = slow;
        if (slow > 5)                /* the lock: seen, no need to see it again */
            break;
        if (!announced) {
            announced = true;
            reach (&m->ready, 2 + __atomic_fetch_add (&m->working, 1, __ATOMIC_SEQ_CST));
        }
    }
}

static void mill_holder (void *argument)
{
    struct mill *m = argument;
    struct call c = create ("alpha", ALPHA_SIZE);

    keep_messages (m->messages);
    m->alpha = c.id;
    if (c.result != 0)
        _exit (1);
    fill_pattern (c.address, ALPHA_SIZE, 1);
    reach (&m->ready, 1);
    wait_for_stage (&m->stop, 2, 600);
    if (!has_pattern (c.address, ALPHA_SIZE, 1) || shmAddress (c.handle) != c.address)
        _exit (2);
    shmDestroy (c.handle);
}

static void mill_world (void *argument)
{
    struct mill *m = argument;
    const char *what = blow_name[m->blow];
    struct blow_world *w = shared (sizeof *w);
    struct strangers strangers;
    struct shmid_ds ds;
    pid_t worker[4];
    pid_t holder;
    char why[200];
    char text[4000];
    const char *hurt;
    bool good = true;
    void *p;
    int registry;
    int i;

    new_world ();
    m->messages = open_messages ();
    make_strangers (&strangers);
    holder = start (mill_holder, m);
    wait_for_stage (&m->ready, 1, WATCHDOG);
    for (i = 0; i < 4; i++)
        worker[i] = start (mill_worker, m);
    wait_for_stage (&m->ready, 5, WATCHDOG);
    registry = find_registry (&ds);
    p = registry < 0 ? (void *) -1 : shmat (registry, NULL, 0);
    if (p == (void *) -1) {
        check (false, "registry %s under workers: the registry was found", what);
        return;
    }
    w->blow = m->blow;
    w->state = seed ^ (uint64_t) registry;
    w->alpha = m->alpha;
    w->strangers = strangers;
    nap (0.01);
    strike (w, p, ds.shm_segsz);
    shmdt (p);
    nap (0.1);
    reach (&m->stop, 1);
    for (i = 0; i < 4; i++) {
        struct end end = await (worker[i], WATCHDOG * 4);

        if (!ended_well (end)) {
            good = false;
            note ("registry %s under workers: one %s", what, tell_end (end));
        }
    }
    reach (&m->stop, 2);
    {
        struct end end = await (holder, WATCHDOG);

        if (!ended_well (end)) {
            good = false;
            note ("registry %s under workers: the holder %s", what, tell_end (end));
        }
    }
    check (good && m->slowest < 4 * CALL_LIMIT,
           "registry %s under workers: no crash, no hang (%ld rounds, %ld with errors, "
           "slowest %.3f s)", what, m->calls, m->errors, m->slowest);
    check (m->lost == 0 && m->wrong == 0,
           "registry %s under workers: no name lost (%ld) or mistaken (%ld)", what, m->lost,
           m->wrong);
    read_messages (m->messages, text, sizeof text);
    check (m->errors == 0 || says_what_to_do (text, registry),
           "registry %s under workers: errors say what to do: %s", what, first_line (text));
    shmctl (registry, IPC_RMID, NULL);
    check (library_works ("alpha", why, sizeof why),
           "registry %s under workers: after ipcrm the library works (%s)", what, why);
    hurt = strangers_hurt (&strangers);
    check (!hurt, "registry %s under workers: nobody else's segment was touched%s%s", what,
           hurt ? ": " : "", hurt ? hurt : "");
}

static const enum blow mill_blows[] = { RANDOM_FILL, ZERO_FILL, ONES_FILL, SHIFTED, WILD };
static pid_t mill_pid[COUNT (mill_blows)];

static void start_mills (void)
{
    size_t i;

    for (i = 0; i < COUNT (mill_blows); i++) {
        struct mill *m = shared (sizeof *m);

        m->blow = mill_blows[i];
        mill_pid[i] = start (mill_world, m);
        seed++;
    }
}

static void await_mills (void)
{
    size_t i;

    for (i = 0; i < COUNT (mill_blows); i++)
        check (ended_well (await (mill_pid[i], 150)), "registry %s under workers was tried",
               blow_name[mill_blows[i]]);
}

/* Some of these wait for a lock for ten seconds.  Other tests are done meanwhile. */
static void begin_blows (void)
{
    int rounds;

    for (rounds = full_form ? 6 : 1; rounds > 1; rounds--) {
        start_mills ();
        await_mills ();
    }
    start_mills ();
    strike_blows ();
}

static void end_blows (void)
{
    await_mills ();
    wait_for_all_lanes ();
    tell_tournament (&flips);
    tell_tournament (&words);
    tell_tournament (&lines);
    tell_tournament (&fills);
}

/* ---- a foreign segment under the registry's key ----------------------------------------- */

/* The registry that the library makes in a fresh world: its key, size and bytes. */
struct model {
    int stage;
    key_t key;
    size_t size;
    mode_t mode;
    unsigned char *bytes;            /* as it is while a process has two names */
};

static void make_two_names (void *argument)
{
    struct model *m = argument;

    if (create ("alpha", ALPHA_SIZE).result != 0 || create ("beta", BETA_SIZE).result != 0)
        _exit (1);
    reach (&m->stage, 1);
    wait_for_stage (&m->stage, 2, 60);
    _exit (0);                       /* no tidying up */
}

static bool take_model (struct model *m)
{
    struct shmid_ds ds;
    pid_t pid = start (make_two_names, m);
    int id;
    void *p;

    wait_for_stage (&m->stage, 1, WATCHDOG);
    id = find_registry (&ds);
    p = id < 0 ? (void *) -1 : shmat (id, NULL, SHM_RDONLY);
    if (p != (void *) -1) {
        m->key = ds.shm_perm.__key;
        m->size = ds.shm_segsz;
        m->mode = ds.shm_perm.mode & 0777;
        m->bytes = shared (m->size);
        memcpy (m->bytes, p, m->size);
        shmdt (p);
    }
    reach (&m->stage, 2);
    await (pid, WATCHDOG);
    remove_everything ();
    return p != (void *) -1;
}

enum contents { EMPTY, NOISE, COPY };

struct squat {
    const struct model *model;
    size_t size;
    unsigned mode;
    enum contents contents;
    bool attached;
    struct call first, again, last;
    int messages;
    bool bad;
};

static void use_past_squatter (void *argument)
{
    struct squat *q = argument;

    keep_messages (q->messages);
    q->first = create ("alpha", ALPHA_SIZE);
    q->again = create ("alpha", 0);
    q->last.result = -1;
    if (q->again.result == 0)
        shmDestroy (q->again.handle);
    if (q->first.result == 0)
        q->last = destroy (q->first.handle);
}

/* No crash, no hang, and either it works or it says what is in the way; and what is in the way
 * stays as it is, unless nobody could tell it from a registry of our own. */
static void squat_world (void *argument)
{
    static const char *const contents_name[] = { "zeros", "noise", "a copy of a registry" };
    struct squat *q = argument;
    const struct model *m = q->model;
    struct shmid_ds before;
    struct shmid_ds after;
    struct strangers strangers;
    unsigned char *bytes;
    unsigned char *p;
    uint64_t state = seed ^ q->size;
    char what[200];
    char text[4000];
    const char *hurt;
    struct end end;
    bool ours_by_all_signs;
    bool there;
    size_t i;
    int id;

    new_world ();
    q->messages = open_messages ();
    make_strangers (&strangers);
    id = shmget (m->key, q->size, IPC_CREAT | IPC_EXCL | q->mode);
    p = id < 0 ? (void *) -1 : shmat (id, NULL, 0);
    if (p == (void *) -1)
        give_up ("squat");
    bytes = shared (q->size);
    for (i = 0; i < q->size; i++)
        bytes[i] = q->contents == NOISE ? (unsigned char) chance (&state)
            : q->contents == COPY && i < m->size ? m->bytes[i] : 0;
    memcpy (p, bytes, q->size);
    if (!q->attached)
        shmdt (p);
    shmctl (id, IPC_STAT, &before);
    snprintf (what, sizeof what, "squatter of %zu bytes, mode %04o, %s%s", q->size, q->mode,
              contents_name[q->contents], q->attached ? ", attached" : "");
    end = run (use_past_squatter, q);
    q->bad = true;
    if (!ended_well (end)) {
        check (false, "%s: the process %s", what, tell_end (end));
        return;
    }
    if (q->first.result == 0) {
        if (q->again.result != 0 || q->again.id != q->first.id || q->last.result != 0) {
            check (false, "%s: a name works (again %d, destroy %d)", what, q->again.result,
                   q->last.result);
            return;
        }
    } else {
        read_messages (q->messages, text, sizeof text);
        if (!says_what_to_do (text, id)) {
            check (false, "%s: the error says what to do (%s; squatter %d): %s", what,
                   strerror (q->first.result), id, first_line (text));
            return;
        }
    }
    ours_by_all_signs = q->size == m->size
        && (q->contents == COPY || (q->contents == EMPTY && q->mode == 0700));
    there = shmctl (id, IPC_STAT, &after) == 0 && !(after.shm_perm.mode & SHM_DEST);
    if (ours_by_all_signs)
        q->bad = false;
    else if (!there)
        check (false, "%s: it is still there", what);
    else if (after.shm_nattch != before.shm_nattch || after.shm_ctime != before.shm_ctime
             || after.shm_perm.mode != before.shm_perm.mode)
        check (false, "%s: its state is as it was (nattch %lu, mode %04o)", what,
               (unsigned long) after.shm_nattch, after.shm_perm.mode);
    else {
        if (!q->attached)
            p = shmat (id, NULL, SHM_RDONLY);
        q->bad = p == (void *) -1 || memcmp (p, bytes, q->size) != 0;
        if (q->bad)
            check (false, "%s: its bytes are as they were", what);
    }
    hurt = strangers_hurt (&strangers);
    if (hurt) {
        q->bad = true;
        check (false, "%s: %s", what, hurt);
    }
    munmap (bytes, q->size);
    i = (size_t) (count_segments () - STRANGERS - (there ? 1 : 0));
    if (i != 0 && !ours_by_all_signs) {
        q->bad = true;
        check (false, "%s: %d segments are left over", what, (int) i);
    }
}

/* All keys of the sequence, found one after another. */
#define MOST_KEYS 40

struct blockade {
    int stage;
    struct call call;
    int messages;
    int alpha;
    struct call second;
};

static void run_into_blockade (void *argument)
{
    struct blockade *b = argument;

    keep_messages (b->messages);
    b->call = create ("alpha", ALPHA_SIZE);
    reach (&b->stage, 1);
    wait_for_stage (&b->stage, 2, 60);
    if (b->call.result == 0)
        shmDestroy (b->call.handle);
}

static int registry_beside (const int *squatter, int squatters)
{
    static struct segment list[100];
    int n = list_segments (list, (int) COUNT (list));

    while (n-- > 0) {
        int i;

        for (i = 0; i < squatters && squatter[i] != list[n].id; i++)
            ;
        if (i == squatters && ((uint32_t) list[n].key & 0xC0000000u) == 0x80000000u)
            return list[n].id;
    }
    return -1;
}

static void blockade_world (void *argument)
{
    int squatter[MOST_KEYS];
    struct shmid_ds ds;
    struct shmid_ds before[MOST_KEYS];
    char text[4000];
    char why[200];
    int n;
    int i;
    bool untouched = true;

    (void) argument;
    new_world ();
    for (n = 0; n < MOST_KEYS; n++) {
        struct blockade *b = shared (sizeof *b);
        pid_t pid;
        struct end end;
        int registry;

        b->messages = open_messages ();
        pid = start (run_into_blockade, b);
        wait_for_stage (&b->stage, 1, WATCHDOG);
        registry = b->call.result == 0 ? registry_beside (squatter, n) : -1;
        if (registry >= 0)
            shmctl (registry, IPC_STAT, &ds);
        reach (&b->stage, 2);
        end = await (pid, WATCHDOG);
        if (!ended_well (end)) {
            check (false, "with %d keys taken, a process %s", n, tell_end (end));
            return;
        }
        if (b->call.result != 0) {
            read_messages (b->messages, text, sizeof text);
            check (n > 1, "with %d keys taken by others the library says: %s", n,
                   strerror (b->call.result));
            check (strstr (text, "ipcrm") || strstr (text, "ipcs"),
                   "and its message says what to do: %s", first_line (text));
            check (b->call.seconds < 1.0, "and at once (%.3f s)", b->call.seconds);
            break;
        }
        if (registry < 0) {
            check (false, "with %d keys taken, the registry was found", n);
            return;
        }
        shmctl (registry, IPC_RMID, NULL);
        squatter[n] = shmget (ds.shm_perm.__key, 4096, IPC_CREAT | IPC_EXCL | 0666);
        if (squatter[n] < 0)
            give_up ("squat on key %d", n);
        shmctl (squatter[n], IPC_STAT, &before[n]);
        close (b->messages);
        munmap (b, sizeof *b);
    }
    check (n > 1 && n < MOST_KEYS, "a name space has a short sequence of keys (%d)", n);
    for (i = 0; i < n; i++)
        untouched &= shmctl (squatter[i], IPC_STAT, &ds) == 0 && same_state (&ds, &before[i]);
    check (untouched, "the squatters on all keys were neither mapped nor removed");
    if (n > 0)
        shmctl (squatter[n - 1], IPC_RMID, NULL);
    check (library_works ("alpha", why, sizeof why), "with one key free again it works (%s)",
           why);
    for (i = 0; i < n - 1; i++)
        shmctl (squatter[i], IPC_RMID, NULL);
    check (count_segments () == 0, "after the squatters went nothing is left over (%d)",
           count_segments ());
}

static void find_alpha (void *argument)
{
    struct call *c = argument;

    *c = create ("alpha", ALPHA_SIZE);
    if (c->result == 0)
        shmDestroy (c->handle);
}

/* The first key is taken, the registry is under the second, and then the first becomes free:
 * the names must not be lost.  And the other way about. */
static void departing_squatter_world (void *argument)
{
    const struct model *m = argument;
    struct blockade *b = shared (sizeof *b);
    struct call *found = shared (sizeof *found);
    pid_t pid;
    int squatter;

    new_world ();
    b->messages = open_messages ();
    squatter = shmget (m->key, 4096, IPC_CREAT | IPC_EXCL | 0666);
    pid = start (run_into_blockade, b);
    wait_for_stage (&b->stage, 1, WATCHDOG);
    if (b->call.result != 0) {
        note ("with one squatter the library refuses to work: nothing to lose");
        return;
    }
    run (find_alpha, found);
    check (found->result == 0 && found->id == b->call.id,
           "beside a squatter two processes find the same segment (%s)",
           strerror (found->result));
    shmctl (squatter, IPC_RMID, NULL);
    run (find_alpha, found);
    check (found->result > 0 || found->id == b->call.id,
           "after the squatter left no name is lost (%s, id %d, was %d)",
           strerror (found->result), found->id, b->call.id);
    reach (&b->stage, 2);
    await (pid, WATCHDOG);
    run (find_alpha, found);
    check (found->result == 0, "and new names can be made (%s)", strerror (found->result));
    check (count_segments () == 0, "and nothing is left over (%d)", count_segments ());
}

/* Private segments of our own user that have a registry's size, and even its bytes, while the
 * library makes a new registry: they are somebody's all the same. */
static void private_twins_world (void *argument)
{
    const struct model *m = argument;
    struct shmid_ds before[3];
    struct shmid_ds after;
    int twin[3];
    char why[200];
    bool untouched = true;
    bool whole = true;
    unsigned char *p;
    int i;

    new_world ();
    for (i = 0; i < 3; i++) {
        twin[i] = shmget (IPC_PRIVATE, m->size, IPC_CREAT | 0600);
        p = twin[i] < 0 ? (void *) -1 : shmat (twin[i], NULL, 0);
        if (p == (void *) -1)
            give_up ("a private segment");
        if (i > 0)
            memcpy (p, m->bytes, i == 1 ? m->size : 64);
        shmdt (p);
        shmctl (twin[i], IPC_STAT, &before[i]);
    }
    check (library_works ("alpha", why, sizeof why),
           "beside private segments of a registry's size the library works (%s)", why);
    for (i = 0; i < 3; i++) {
        untouched &= shmctl (twin[i], IPC_STAT, &after) == 0 && same_state (&before[i], &after);
        p = shmat (twin[i], NULL, SHM_RDONLY);
        whole &= p != (void *) -1 && memcmp (p, m->bytes, i == 1 ? m->size : 0) == 0
            && (i > 0 || is_zero (p, m->size)) && (i < 2 || memcmp (p, m->bytes, 64) == 0);
        if (p != (void *) -1)
            shmdt (p);
    }
    check (untouched, "and they are neither mapped nor removed");
    check (whole, "and their bytes are as they were");
}

static void test_squatters (void *argument)
{
    struct model *m = shared (sizeof *m);
    size_t sizes[6];
    static const unsigned modes[] = { 0600, 0660, 0666, 0700, 0644, 0400, 0760, 0777 };
    size_t i;
    size_t j;
    int k;
    int worlds = 0;
    int bad = 0;
    bool seen;

    (void) argument;
    new_world ();
    seen = take_model (m);
    if (!check (seen, "the library's registry can be seen: key %#x, mode %04o",
                (unsigned) m->key, m->mode))
        return;
    check (m->mode == 0600, "the registry of a user is for the user alone");
    sizes[0] = 1;
    sizes[1] = 4096;
    sizes[2] = m->size - 1;
    sizes[3] = m->size;
    sizes[4] = m->size + 1;
    sizes[5] = 2 * m->size;
    for (i = 0; i < COUNT (sizes); i++)
        for (j = 0; j < COUNT (modes); j++)
            for (k = 0; k < 6; k++) {
                struct squat *q;

                if (!full_form && sizes[i] != m->size && (i + j + (size_t) k) % 4 != 0)
                    continue;
                q = shared (sizeof *q);
                q->model = m;
                q->size = sizes[i];
                q->mode = modes[j];
                q->contents = (enum contents) (k / 2);
                q->attached = (k & 1) != 0;
                worlds++;
                if (!ended_well (await (start (squat_world, q), 60)) || q->bad)
                    bad++;
                munmap (q, sizeof *q);
            }
    check (bad == 0, "%d squatters on the registry's key: %d did harm or came to harm", worlds,
           bad);
    check (ended_well (await (start (blockade_world, NULL), 120)), "all keys were squatted on");
    check (ended_well (await (start (departing_squatter_world, m), 60)),
           "a squatter that leaves was tried");
    check (ended_well (await (start (private_twins_world, m), 60)),
           "private segments of a registry's size were tried");
}

/* ---- a registry of another layout version ----------------------------------------------- */

/* The one thing that all versions must agree on: eight bytes that say what it is, and after
 * them the version, 32 bits wide. */
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
        skip ("another layout version: the registry does not begin with %s", MAGIC);
        return;
    }
    memcpy (&version, p + VERSION_OFFSET, sizeof version);
    other = version + (uint32_t) *step;
    check (version > 0 && version < 1000, "the registry's layout version is %u", version);
    memcpy (p + VERSION_OFFSET, &other, sizeof other);
    end = run (meet_version, v);
    read_messages (v->messages, text, sizeof text);
    check (ended_well (end) && v->late.result == ENOTSUP && v->late_new.result == ENOTSUP,
           "layout version %u: %s, %s", other, strerror (v->late.result),
           strerror (v->late_new.result));
    check (strstr (text, "version") && says_what_to_do (text, registry),
           "layout version %u: the message tells: %s", other, first_line (text));
    check (segment_exists (registry) && segment_exists (v->alpha),
           "layout version %u: nothing was removed", other);
    memcpy (p + VERSION_OFFSET, &version, sizeof version);
    run (meet_version, v);
    check (v->late.result == 0 && v->late.id == v->alpha,
           "layout version %u: where its own version works, all is still there", other);
    memcpy (p + VERSION_OFFSET, &other, sizeof other);
    shmdt (p);
    reach (&v->stage, 2);
    end = await (pid, WATCHDOG);
    check (ended_well (end) && v->held_whole,
           "layout version %u: a process that holds a handle %s (destroy: %s)", other,
           tell_end (end), strerror (v->destroyed));
    shmctl (registry, IPC_RMID, NULL);
    check (library_works ("alpha", why, sizeof why),
           "layout version %u: after ipcrm the library works (%s)", other, why);
}

static void test_versions (void)
{
    static int steps[] = { 1, -1, 1000000 };
    size_t i;

    for (i = 0; i < COUNT (steps); i++)
        check (ended_well (await (start (version_world, &steps[i]), 60)),
               "another layout version was tried");
}

/* ---- a registry created and abandoned half-way ------------------------------------------ */

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
        double begin;
        pid_t pid;
        int n;

        __atomic_store_n (&a->stage, 0, __ATOMIC_SEQ_CST);
        pid = start (use_at_first, a);
        while (__atomic_load_n (&a->stage, __ATOMIC_SEQ_CST) == 0)
            ;
        begin = now ();
        while (now () - begin < delay)
            ;
        kill (pid, SIGKILL);
        await (pid, WATCHDOG);
        born += find_registry (NULL) >= 0;
        if (!library_works ("first", why, sizeof why) && damaged++ < 5)
            note ("killed %.0f us after its first use began: %s", delay * 1e6, why);
        n = count_segments ();
        if (n != 0 && left_over++ < 5)
            note ("killed %.0f us after its first use began: %d segments left over",
                  delay * 1e6, n);
        if (n != 0 || damaged > 0)
            remove_everything ();
    }
    check (damaged == 0 && left_over == 0,
           "%d processes killed at random during their first use (%s; %.0f us), %d left a "
           "registry: %d kept the next from working, %d left segments", rounds,
           a->explicit_space ? "explicit name space" : "default name space", limit * 1e6, born,
           damaged, left_over);
}

/* Made by hand: the first n bytes of a registry, not yet marked as ready. */
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
            struct blockade *b = shared (sizeof *b);
            unsigned char *p;
            char text[4000];
            pid_t pid;
            int id = shmget (m->key, m->size, IPC_CREAT | IPC_EXCL | 0700);

            p = id < 0 ? (void *) -1 : shmat (id, NULL, 0);
            if (p == (void *) -1)
                give_up ("half-made registry");
            memcpy (p, m->bytes, lengths[i] < m->size ? lengths[i] : m->size);
            if (form != 1)           /* 1: the maker is still there, but does nothing */
                shmdt (p);
            b->messages = open_messages ();
            pid = start (run_into_blockade, b);
            if (!wait_for_stage (&b->stage, 1, WATCHDOG)
                || (b->call.result != 0
                    && !says_what_to_do (read_messages (b->messages, text, sizeof text), id)
                    && b->call.result != ETIMEDOUT)) {
                if (bad++ < 5)
                    note ("half-made registry, %zu bytes, form %d: %s after %.3f s: %s",
                          lengths[i], form, strerror (b->call.result), b->call.seconds,
                          b->stage > 0 ? first_line (text) : "(it did not return)");
            }
            *call = (struct call) { 0 };
            if (b->call.result == 0) {
                run (find_alpha, call);
                if ((call->result != 0 || call->id != b->call.id) && bad++ < 5)
                    note ("half-made registry, %zu bytes, form %d: the next process gets %s",
                          lengths[i], form, strerror (call->result));
            }
            reach (&b->stage, 2);
            if (!ended_well (await (pid, WATCHDOG)) && bad++ < 5)
                note ("half-made registry, %zu bytes, form %d: a process crashed or hung",
                      lengths[i], form);
            if (form == 1)
                shmdt (p);
            remove_everything ();
            close (b->messages);
            munmap (b, sizeof *b);
        }
    check (bad == 0, "a registry abandoned after n bytes, 2 x %zu cases: %d are not usable "
           "and say nothing", COUNT (lengths), bad);
}

/* The maker of a registry is stopped for long while it makes it. */
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
        struct blockade *b = shared (sizeof *b);
        double delay = (a->took + 20e-6) * (double) below (&state, 1000) / 1000;
        double begin;
        pid_t stopped;
        pid_t pid;

        __atomic_store_n (&a->stage, 0, __ATOMIC_SEQ_CST);
        stopped = start (use_at_first, a);
        while (__atomic_load_n (&a->stage, __ATOMIC_SEQ_CST) == 0)
            ;
        begin = now ();
        while (now () - begin < delay)
            ;
        kill (stopped, SIGSTOP);
        b->messages = open_messages ();
        b->stage = 0;
        pid = start (run_into_blockade, b);
        if (!wait_for_stage (&b->stage, 1, WATCHDOG)) {
            bad++;
            note ("the maker was stopped %.0f us after it began: another process hangs",
                  delay * 1e6);
        } else if (b->call.result == ETIMEDOUT)
            timed_out++;
        else if (b->call.result != 0) {
            bad++;
            note ("the maker was stopped %.0f us after it began: another process gets %s",
                  delay * 1e6, strerror (b->call.result));
        }
        reach (&b->stage, 2);
        kill (stopped, SIGCONT);
        if (!ended_well (await (stopped, WATCHDOG)) && bad++ < 5)
            note ("a maker of a registry that was stopped and continued failed");
        if (!ended_well (await (pid, WATCHDOG)) && bad++ < 5)
            note ("a process beside a stopped maker failed");
        if (count_segments () != 0 && bad++ < 5)
            note ("after a stopped maker %d segments are left over", count_segments ());
        remove_everything ();
        close (b->messages);
        munmap (b, sizeof *b);
        if (timed_out >= (full_form ? 5 : 1))
            break;
    }
    check (bad == 0, "%d makers of a registry stopped half-way: others work or time out (%d)",
           i < rounds ? i + 1 : rounds, timed_out);
}

/* The same first use by several processes at once, some of which are killed. */
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
        for (k = 0; k < 4; k++)      /* all that live have it, before one destroys it */
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
            /* The one that was killed may have been the last to hold it. */
            char why[200];

            if (!library_works ("rush", why, sizeof why) && bad++ < 5)
                note ("rush: afterwards: %s", why);
            if (count_segments () != 0 && bad++ < 5)
                note ("rush: %d segments left over", count_segments ());
            remove_everything ();
        }
        munmap (r, sizeof *r);
    }
    check (bad == 0, "%d times four processes are the first users at once, and one is killed: "
           "one segment, nothing left over", rounds);
}

static void test_abandoned (void)
{
    struct abandoned *a = shared (sizeof *a);
    struct model *m = shared (sizeof *m);

    check (ended_well (await (start (killed_at_first_use, a), 400)),
           "processes were killed at their first use");
    a = shared (sizeof *a);
    a->explicit_space = true;
    check (ended_well (await (start (killed_at_first_use, a), 400)),
           "processes were killed at their first use of an explicit name space");
    new_world ();
    if (take_model (m))
        check (ended_well (await (start (half_made_world, m), 900)),
               "half-made registries were tried");
    check (ended_well (await (start (stopped_maker_world, NULL), 200)),
           "stopped makers were tried");
    check (ended_well (await (start (rush_world, NULL), 200)), "rushes were tried");
}

/* ---- limits ------------------------------------------------------------------------------ */

#define SHMMNI "/proc/sys/kernel/shmmni"
#define SHMALL "/proc/sys/kernel/shmall"
#define SHMMAX "/proc/sys/kernel/shmmax"
#define RMID_FORCED "/proc/sys/kernel/shm_rmid_forced"

/* As a program that has filled the table would see it. */
struct full_world {
    int messages;
    int made, found, wrong;
    int error_when_full, error_again;
    bool same_after, new_after_destroy;
    int error_with_more_room;
    int left_after_error;
};

static void fill_registry (void *argument)
{
    struct full_world *f = argument;
    static struct call made[6000];
    char name[32];
    struct call c;
    int before;
    int i;

    keep_messages (f->messages);
    for (i = 0; i < (int) COUNT (made); i++) {
        snprintf (name, sizeof name, "full-%d", i);
        before = count_segments ();
        made[i] = create (name, 16);
        if (made[i].result != 0) {
            f->error_when_full = made[i].result;
            f->left_after_error = count_segments () - before;
            break;
        }
        memset (made[i].address, i & 0xff, 16);
    }
    f->made = i;
    f->error_again = create ("one more", 16).result;
    for (i = 0; i < f->made; i++) {
        snprintf (name, sizeof name, "full-%d", i);
        c = create (name, 0);
        if (c.result == 0 && c.id == made[i].id && *(unsigned char *) c.address == (i & 0xff))
            f->found++;
        else
            f->wrong++;
        if (c.result == 0)
            shmDestroy (c.handle);
    }
    /* One out, one in. */
    if (f->made > 0) {
        shmDestroy (made[0].handle);
        made[0] = create ("in its place", 16);
        f->new_after_destroy = made[0].result == 0;
    }
    for (i = 0; i < f->made; i++)
        if (made[i].result == 0 && shmDestroy (made[i].handle) != 0)
            f->wrong++;
    c = create ("full-0", 16);
    f->same_after = c.result == 0;
    if (c.result == 0)
        shmDestroy (c.handle);
}

static void full_world (void *argument)
{
    struct full_world *f = shared (sizeof *f);
    char text[4000];
    char why[200];
    struct end end;
    unsigned long limit = full_form ? 400 : 60;

    (void) argument;
    new_world ();
    if (!write_number (SHMMNI, limit) || read_number (SHMMNI) != limit) {
        skip ("a full registry: %s cannot be written (%s)", SHMMNI, strerror (errno));
        return;
    }
    f->messages = open_messages ();
    end = await (start (fill_registry, f), 60);
    check (ended_well (end), "shmmni %lu: a program that reaches it %s", limit, tell_end (end));
    check (f->error_when_full == ENOSPC && f->error_again == ENOSPC,
           "shmmni %lu: after %d names: %s", limit, f->made, strerror (f->error_when_full));
    check (f->made >= (int) limit - 2, "shmmni %lu: %d names have room", limit, f->made);
    read_messages (f->messages, text, sizeof text);
    check (strstr (text, "full-") && strlen (first_line (text)) > 20,
           "and the message says so: %s", first_line (text));
    check (f->left_after_error == 0, "and nothing half-made is left (%d)", f->left_after_error);
    check (f->wrong == 0 && f->found == f->made, "and all %d names are found (%d wrong)",
           f->found, f->wrong);
    check (f->new_after_destroy && f->same_after, "and when one goes, another can be made");
    check (library_works ("full-1", why, sizeof why), "and then the library works (%s)", why);
    check (count_segments () == 0, "and nothing is left over (%d)", count_segments ());
}

/* The registry was made when shmmni was small; then the limit is raised. */
struct grown {
    int stage;
    int messages;
    int made;
    int error;
    int wrong;
};

static void outgrow (void *argument)
{
    struct grown *g = argument;
    static struct call made[2000];
    struct call first = create ("grown", 16);
    char name[32];
    int i;

    keep_messages (g->messages);
    reach (&g->stage, 1);
    wait_for_stage (&g->stage, 2, 30);
    for (i = 0; i < (int) COUNT (made); i++) {
        snprintf (name, sizeof name, "grown-%d", i);
        made[i] = create (name, 16);
        if (made[i].result != 0) {
            g->error = made[i].result;
            break;
        }
    }
    g->made = i;
    while (i-- > 0)
        if (shmDestroy (made[i].handle) != 0)
            g->wrong++;
    if (first.result != 0 || shmDestroy (first.handle) != 0)
        g->wrong++;
}

static void grown_world (void *argument)
{
    struct grown *g = shared (sizeof *g);
    char text[4000];
    struct end end;
    pid_t pid;

    (void) argument;
    new_world ();
    if (!write_number (SHMMNI, 30)) {
        skip ("a registry that is too small: %s cannot be written", SHMMNI);
        return;
    }
    g->messages = open_messages ();
    pid = start (outgrow, g);
    wait_for_stage (&g->stage, 1, WATCHDOG);
    write_number (SHMMNI, 4096);
    reach (&g->stage, 2);
    end = await (pid, 30);
    read_messages (g->messages, text, sizeof text);
    check (ended_well (end) && (g->error == 0 || g->error == ENOSPC) && g->made >= 30,
           "shmmni raised from 30 to 4096 after the registry was made: %d names, then %s",
           g->made, g->error ? strerror (g->error) : "no error");
    if (g->error != 0)
        check (strstr (text, "full") || strstr (text, "room") || strstr (text, "registry"),
               "and the message tells the registry's fault: %s", first_line (text));
    check (g->wrong == 0 && count_segments () == 0, "and all is tidied up (%d wrong, %d left)",
           g->wrong, count_segments ());
}

/* A limit that is reached in mid-life or at first use; then it goes away. */
struct limit {
    const char *what;
    const char *file;                /* a sysctl, or NULL for a resource limit */
    int resource;
    unsigned long value;             /* for RLIMIT_AS: bytes beyond what is mapped */
    bool at_first_use;
    bool lock_memory;
    long size;
    int expected;                    /* or 0: any of ENOMEM, ENOSPC, EINVAL, EAGAIN */
    /* results */
    int stage;
    int messages;
    int before, at_limit, after;
    int left;
    bool old_whole;
    int small_at_limit;
    bool no_handle, no_address;
    bool refused_setup;
};

static unsigned long mapped_bytes (void)
{
    char text[64] = "";
    int fd = open ("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close (fd);
    return n > 0 ? strtoul (text, NULL, 10) * (unsigned long) sysconf (_SC_PAGESIZE) : 0;
}

static void reach_limit (void *argument)
{
    struct limit *l = argument;
    struct call old;
    struct call c;
    struct rlimit was;
    struct rlimit now_is;
    SharedMemory handle = (SharedMemory) (intptr_t) 77;
    void *address = NULL;
    int segments;

    keep_messages (l->messages);
    if (l->lock_memory) {
        if (geteuid () == 0 && privacy == ROOTS_WORLD
            && (setgid (61009) != 0 || setuid (61009) != 0)) {
            l->refused_setup = true;
            return;
        }
        die_with_parent ();
    }
    memset (&old, 0, sizeof old);
    if (!l->at_first_use) {
        old = create ("old", 5000);
        l->before = old.result;
        if (old.result != 0)
            return;
        fill_pattern (old.address, 5000, 9);
    }
    segments = count_segments ();
    if (l->file) {
        if (!write_number (l->file, l->value)) {
            l->refused_setup = true;
            return;
        }
    } else {
        getrlimit ((__rlimit_resource_t) l->resource, &was);
        now_is = was;
        now_is.rlim_cur = l->value + (l->resource == RLIMIT_AS ? mapped_bytes () : 0);
        if (now_is.rlim_cur > was.rlim_max
            || setrlimit ((__rlimit_resource_t) l->resource, &now_is) != 0
            || (l->lock_memory && mlockall (MCL_FUTURE) != 0)) {
            l->refused_setup = true;
            return;
        }
    }
    l->at_limit = shmCreate ("big", l->size, &address, &handle);
    l->no_handle = handle == NULL;
    l->no_address = address == NULL;
    l->left = count_segments () - segments;
    if (!l->at_first_use) {
        c = create ("old", 0);
        l->small_at_limit = c.result;
        l->old_whole = has_pattern (old.address, 5000, 9)
            && (c.result != 0 || (c.id == old.id && has_pattern (c.address, 5000, 9)));
        if (c.result == 0)
            shmDestroy (c.handle);
    }
    if (l->lock_memory)
        munlockall ();
    if (!l->file)
        setrlimit ((__rlimit_resource_t) l->resource, &was);
    else {
        reach (&l->stage, 1);        /* our parent has the right to put it back */
        wait_for_stage (&l->stage, 2, 10);
    }
    c = create ("big", 5000);
    l->after = c.result;
    if (c.result == 0 && shmDestroy (c.handle) != 0)
        l->after = errno;
    if (!l->at_first_use && shmDestroy (old.handle) != 0)
        l->after = errno;
}

static void limit_world (void *argument)
{
    struct limit *l = argument;
    unsigned long was;
    char text[4000];
    char why[200];
    struct end end;
    pid_t pid;
    int left;

    new_world ();
    l->messages = open_messages ();
    was = l->file ? read_number (l->file) : 0;
    pid = start (reach_limit, l);
    if (l->file && wait_for_stage (&l->stage, 1, WATCHDOG)) {
        write_number (l->file, was);
        reach (&l->stage, 2);
    }
    end = await (pid, WATCHDOG);
    if (l->refused_setup) {
        skip ("%s: the limit cannot be set here", l->what);
        return;
    }
    read_messages (l->messages, text, sizeof text);
    check (ended_well (end), "%s: the program %s", l->what, tell_end (end));
    check (l->before == 0 && l->at_limit > 0 && (l->expected == 0 || l->at_limit == l->expected),
           "%s: an error: %s", l->what, strerror (l->at_limit));
    check (l->no_handle && l->no_address,
           "%s: the handle is NULL and the address as it was", l->what);
    check (strlen (first_line (text)) > 20, "%s: a message: %s", l->what, first_line (text));
    if (!l->at_first_use) {
        check (l->left == 0, "%s: the failed call leaves no segment (%d)", l->what, l->left);
        check (l->old_whole, "%s: what was there is whole, and found (%s)", l->what,
               strerror (l->small_at_limit));
    }
    check (l->after == 0, "%s: without the limit it works again (%s)", l->what,
           strerror (l->after));
    if (l->file)
        write_number (l->file, was);
    left = count_segments ();
    check (left == 0, "%s: nothing is left over (%d segments)", l->what, left);
    check (library_works ("big", why, sizeof why), "%s: the library works afterwards (%s)",
           l->what, why);
}

static void test_limits (void)
{
    const long big = 64L << 20;
    struct limit limits[] = {
        { .what = "shmmax below the size", .file = SHMMAX, .value = 1 << 20, .size = 2 << 20,
          .expected = EINVAL },
        { .what = "shmmax 4096 at first use", .file = SHMMAX, .value = 4096, .size = 10000,
          .at_first_use = true },
        { .what = "shmall used up", .file = SHMALL, .value = 2, .size = big,
          .expected = ENOSPC },
        { .what = "shmall 1 at first use", .file = SHMALL, .value = 1, .size = 10000,
          .at_first_use = true },
        { .what = "shmmni used up", .file = SHMMNI, .value = 2, .size = 100,
          .expected = ENOSPC },
        { .what = "shmmni 0 at first use", .file = SHMMNI, .value = 0, .size = 100,
          .at_first_use = true },
        { .what = "shmmni 1 at first use", .file = SHMMNI, .value = 1, .size = 100,
          .at_first_use = true },
        { .what = "RLIMIT_AS below the size", .resource = RLIMIT_AS, .value = 16 << 20,
          .size = big, .expected = ENOMEM },
        { .what = "RLIMIT_AS at first use", .resource = RLIMIT_AS, .value = 16 << 10,
          .size = 1 << 20, .at_first_use = true },
        { .what = "mlockall with RLIMIT_MEMLOCK below the size", .resource = RLIMIT_MEMLOCK,
          .value = 256 << 10, .size = 1 << 20, .lock_memory = true },
        { .what = "mlockall with RLIMIT_MEMLOCK at first use", .resource = RLIMIT_MEMLOCK,
          .value = 64 << 10, .size = 100 << 10, .lock_memory = true, .at_first_use = true },
    };
    size_t i;

    for (i = 0; i < COUNT (limits); i++) {
        struct limit *l = shared (sizeof *l);

        *l = limits[i];
        check (ended_well (await (start (limit_world, l), 60)), "%s: tried", l->what);
        munmap (l, sizeof *l);
    }
    check (ended_well (await (start (full_world, NULL), 120)), "a full registry was tried");
    check (ended_well (await (start (grown_world, NULL), 120)),
           "a registry that is too small was tried");
}

/* ---- shm_rmid_forced ---------------------------------------------------------------------- */

static void forced_world (void *argument)
{
    struct ipcrm_world *w = shared (sizeof *w);
    struct call *found = shared (sizeof *found);
    struct strangers strangers;
    struct storm *s = shared (sizeof *s);
    pid_t worker[STORM_WORKERS];
    const char *hurt;
    struct end end;
    char why[200];
    pid_t holder;
    bool good = true;
    int i;

    (void) argument;
    new_world ();
    make_strangers (&strangers);
    if (!write_number (RMID_FORCED, 1)) {
        skip ("shm_rmid_forced: it cannot be set here (%s)", strerror (errno));
        return;
    }
    holder = start (hold_and_go_on, w);
    if (!check (wait_for_stage (&w->stage, 1, WATCHDOG), "shm_rmid_forced: names can be made"))
        return;
    run (find_alpha, found);
    check (found->result == 0 && found->id == w->alpha,
           "shm_rmid_forced: another process finds a name (%s)", strerror (found->result));
    run (make_gamma, w);
    check (!segment_exists (w->gamma), "shm_rmid_forced: what nobody holds is gone, as wished");
    run (make_gamma, w);
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end) && w->held_data_whole && w->old_name == 0
           && w->old_name_id == w->beta,
           "shm_rmid_forced: the holder goes on and finds its names (%s)", tell_end (end));
    check (w->destroy_alpha == 0 && w->destroy_beta == 0 && w->destroy_rest == 0,
           "shm_rmid_forced: the holder destroys its handles (%d %d)", w->destroy_alpha,
           w->destroy_beta);
    for (i = 0; i < STORM_WORKERS; i++)
        worker[i] = start (storm_worker, s);
    nap (full_form ? 5 : 0.6);
    __atomic_store_n (&s->stop, 1, __ATOMIC_SEQ_CST);
    for (i = 0; i < STORM_WORKERS; i++) {
        good &= ended_well (await (worker[i], WATCHDOG));
        if (s->strange[i] || s->destroy_failed[i]) {
            note ("shm_rmid_forced: errors %d and %d", s->strange[i], s->destroy_failed[i]);
            good = false;
        }
    }
    check (good && s->refused[0] + s->refused[1] + s->refused[2] + s->refused[3] == 0,
           "shm_rmid_forced: %ld creations by four processes, %ld errors",
           s->calls[0] + s->calls[1] + s->calls[2] + s->calls[3],
           s->refused[0] + s->refused[1] + s->refused[2] + s->refused[3]);
    check (library_works ("gamma", why, sizeof why),
           "shm_rmid_forced: the library works afterwards (%s)", why);
    for (i = 0; i < STRANGERS; i++)  /* those that nobody maps live while their maker does */
        if (!segment_exists (strangers.id[i])) {
            check (false, "shm_rmid_forced: a stranger's segment is gone");
            return;
        }
    hurt = NULL;
    for (i = 0; i < STRANGERS; i++) {
        struct shmid_ds ds;

        if (shmctl (strangers.id[i], IPC_STAT, &ds) != 0
            || !same_state (&ds, &strangers.before[i]))
            hurt = "its state changed";
    }
    check (!hurt, "shm_rmid_forced: nobody else's segment was touched");
    check (count_segments () == STRANGERS, "shm_rmid_forced: nothing is left over (%d)",
           count_segments () - STRANGERS);
}

/* ---- a living process moves to another IPC name space ------------------------------------- */

struct move {
    int stage;
    int alpha, beta;
    int alpha_destroy, beta_destroy, fresh_destroy;
    bool whole, accessors, saved, loaded;
    struct call same_name, fresh;
    int foreign_ids_matched;
    bool foreign_touched;
    int left_in_new;
    int destroy_in_new_of_other;
    int moved_errno;
    int messages;
};

static void move_house (void *argument)
{
    struct move *m = argument;
    struct call alpha = create ("alpha", ALPHA_SIZE);
    struct call beta = create ("beta", BETA_SIZE);
    struct shmid_ds before[40];
    int foreign[40];
    int only[2];
    char path[120];
    size_t i;
    int n;

    keep_messages (m->messages);
    if (alpha.result != 0 || beta.result != 0)
        _exit (1);
    fill_pattern (alpha.address, ALPHA_SIZE, 1);
    fill_pattern (beta.address, BETA_SIZE, 2);
    m->alpha = alpha.id;
    m->beta = beta.id;
    reach (&m->stage, 1);
    wait_for_stage (&m->stage, 2, 30);

    if (unshare (CLONE_NEWIPC) != 0) {
        m->moved_errno = errno;
        return;
    }
    /* Foreign segments with all the small ids; those of alpha and beta are among them. */
    for (i = 0; i < COUNT (foreign); i++) {
        void *p;

        foreign[i] = shmget (i % 3 ? (key_t) (0x5000 + i) : IPC_PRIVATE,
                             i % 2 ? ALPHA_SIZE : BETA_SIZE, IPC_CREAT | IPC_EXCL | 0660);
        p = foreign[i] < 0 ? (void *) -1 : shmat (foreign[i], NULL, 0);
        if (p == (void *) -1)
            give_up ("foreign segments");
        fill_pattern (p, ALPHA_SIZE, (unsigned) i);
        shmdt (p);
        shmctl (foreign[i], IPC_STAT, &before[i]);
        m->foreign_ids_matched += foreign[i] == alpha.id || foreign[i] == beta.id;
    }
    m->accessors = shmAddress (alpha.handle) == alpha.address && shmId (alpha.handle) == alpha.id
        && shmSizeOf (beta.handle) == BETA_SIZE;
    snprintf (path, sizeof path, "%s/moved", scratch);
    m->saved = shmSave (beta.handle, path) == 0;
    memset (beta.address, 0, BETA_SIZE);
    m->loaded = shmLoad (beta.handle, path) == 0;
    m->same_name = create ("alpha", ALPHA_SIZE);
    m->fresh = create ("fresh", 10);
    m->whole = has_pattern (alpha.address, ALPHA_SIZE, 1)
        && has_pattern (beta.address, BETA_SIZE, 2)
        && (m->same_name.result != 0 || is_zero (m->same_name.address, ALPHA_SIZE));
    m->alpha_destroy = shmDestroy (alpha.handle);
    if (m->same_name.result == 0) {
        /* The old one's end is not the new one's. */
        if (!segment_exists (m->same_name.id))
            m->whole = false;
        m->destroy_in_new_of_other = shmDestroy (m->same_name.handle);
    }
    m->beta_destroy = shmDestroy (beta.handle);
    m->fresh_destroy = m->fresh.result == 0 ? shmDestroy (m->fresh.handle) : -1;
    for (i = 0; i < COUNT (foreign); i++) {
        struct shmid_ds ds;
        void *p;

        if (shmctl (foreign[i], IPC_STAT, &ds) != 0 || !same_state (&ds, &before[i])) {
            m->foreign_touched = true;
            continue;
        }
        p = shmat (foreign[i], NULL, SHM_RDONLY);
        m->foreign_touched |= p == (void *) -1 || !has_pattern (p, ALPHA_SIZE, (unsigned) i);
    }
    only[0] = count_segments () - (int) COUNT (foreign);
    n = only[0];
    if (n == 1 && find_registry (NULL) >= 0)
        n = 0;                       /* it goes when the process does */
    m->left_in_new = n;
}

static void moving_world (void *argument)
{
    struct move *m = shared (sizeof *m);
    struct call *found = shared (sizeof *found);
    char text[4000];
    struct end end;
    char why[200];
    pid_t pid;

    (void) argument;
    new_world ();
    m->messages = open_messages ();
    pid = start (move_house, m);
    check (wait_for_stage (&m->stage, 1, WATCHDOG), "a process made names, then moves");
    reach (&m->stage, 2);
    end = await (pid, WATCHDOG);
    if (m->moved_errno != 0) {
        skip ("unshare in a living process: %s", strerror (m->moved_errno));
        return;
    }
    read_messages (m->messages, text, sizeof text);
    check (ended_well (end), "unshare in a living process: it %s", tell_end (end));
    check (m->accessors && m->whole, "unshare: old handles can be read, and new data are new");
    check (m->saved && m->loaded, "unshare: old handles can be saved and loaded");
    check (m->same_name.result == 0 && m->fresh.result == 0,
           "unshare: names are made in the new name space (%d %d): %s", m->same_name.result,
           m->fresh.result, first_line (text));
    check (m->foreign_ids_matched == 2, "unshare: foreign segments have the old ids (%d)",
           m->foreign_ids_matched);
    check (!m->foreign_touched, "unshare: foreign segments with the old ids are not touched");
    check (m->alpha_destroy == 0 && m->beta_destroy == 0,
           "unshare: old handles can be destroyed (%d %d)", m->alpha_destroy, m->beta_destroy);
    check (m->fresh_destroy == 0 && m->destroy_in_new_of_other == 0,
           "unshare: new handles can be destroyed (%d %d)", m->fresh_destroy,
           m->destroy_in_new_of_other);
    check (m->left_in_new == 0, "unshare: nothing is left in the new name space (%d)",
           m->left_in_new);
    check (segment_exists (m->alpha) && segment_exists (m->beta),
           "unshare: the segments that it left behind keep their names and data");
    run (find_alpha, found);
    check (found->result == 0 && found->id == m->alpha,
           "unshare: in the old name space the name is found (%s)", strerror (found->result));
    check (!segment_exists (m->alpha), "unshare: and its next destroy deletes it");
    check (library_works ("beta", why, sizeof why), "unshare: the old name space works (%s)",
           why);
    check (count_segments () == 0, "unshare: nothing is left over (%d)", count_segments ());
}

/* ------------------------------------------------------------------------------------------- */

static void squatters (void)
{
    check (ended_well (await (start (test_squatters, NULL), 300)), "squatters were tried");
}

static void elsewhere (void)
{
    check (ended_well (await (start (forced_world, NULL), 90)), "shm_rmid_forced was tried");
    check (ended_well (await (start (moving_world, NULL), 60)),
           "unshare in a living process was tried");
}

static void all_damage (void)
{
    leave_the_common_world ();
    if (privacy == SHARED_WORLD) {
        skip ("damage: it would hit the segments of others; it needs an IPC name space of its "
              "own (root, or user name spaces)");
        return;
    }
    part ("blows", begin_blows);
    part ("ipcrm", test_ipcrm);
    part ("versions", test_versions);
    part ("squatters", squatters);
    part ("limits", test_limits);
    part ("elsewhere", elsewhere);
    part ("abandoned", test_abandoned);
    part ("blows", end_blows);
}

int main (int argc, char **argv)
{
    return run_program ("damage", argc, argv, all_damage, 180, 1200);
}
