/*
 * blows.c - the registry is overwritten: bits, words, lines, or all of it.
 */
#include "damage.h"

/* ---- one blow in a world of its own ----------------------------------------------------- */

/* What is done to the registry. */
enum blow { FLIP, WORD, LINE, RANDOM_FILL, ZERO_FILL, ONES_FILL, SHIFTED, TEXT, WILD, FORGED };

static const char *const blow_name[] = {
    "a single bit flipped", "a word overwritten", "64 bytes zeroed", "filled with random bytes",
    "filled with zeros", "filled with ones", "moved by 8 bytes", "filled with text",
    "written at random for a while", "changed to list a stranger"
};

enum verdict {
    HARMLESS,                        /* nobody noticed */
    REFUSED,                         /* an error */
    FAULT_CRASH, FAULT_HANG, FAULT_LOST, FAULT_WRONG_SEGMENT, FAULT_STRANGER, FAULT_DATA,
    FAULT_MUTE, FAULT_REMOVED, FAULT_NO_RECOVERY, FAULT_TEST, VERDICTS
};

static const char *const verdict_name[VERDICTS] = {
    "harmless", "refused",
    "a process crashed", "a process hung", "a name was silently lost",
    "a name gave another segment", "a stranger was touched", "data changed",
    "the message of an error did not name registry and ipcrm", "a segment in use was removed",
    "the library did not work after ipcrm", "the test itself failed"
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
    /* the result */
    int errors[8];
    enum verdict verdict;
    char detail[240];
    double begun;
};

/* One ETIMEDOUT is enough: ten more would take long. */
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

/* Holds alpha and beta during the blow. held[]: attach gamma, beta; destroy alpha, beta. */
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

/* late[0..3]: alpha, gamma, beta with a size, a new name. It does not destroy gamma. */
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

/* After the newcomer's exit: late[4], late[5]. */
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
        /* Replaces alpha's id and key, wherever they are, with those of a stranger. */
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

    if (w->verdict > REFUSED)        /* only the first fault is reported */
        return;
    w->verdict = verdict;
    va_start (args, format);
    vsnprintf (w->detail, sizeof w->detail, format, args);
    va_end (args);
}

/* A call for a name that exists returns the same segment, or an error. */
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
        fault (w, FAULT_DATA, "the holder's data");
    if ((w->late[0].result == 0 && !w->late_whole) || !w->late_gamma_whole)
        fault (w, FAULT_DATA, "the data of a name");
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
        fault (w, FAULT_MUTE, "ETIMEDOUT without a message");
    hurt = strangers_hurt (&w->strangers);
    if (hurt)
        fault (w, FAULT_STRANGER, "%s", hurt);

    /* The remedy that the message names works. */
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
            fault (w, FAULT_REMOVED, "alpha or gamma is gone, although a call for it succeeded");
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
        fault (w, FAULT_LOST, "the last destroy of alpha succeeded, but left the segment");
    judge (w);
}

/* Worlds run side by side: one that waits for a lock does not delay the others. */
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

/* Waits until a lane is free and only a few young worlds run. */
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
            n += (size_t) snprintf (errors + n, sizeof errors - n, " '%s' %ld",
                                    strerror (i), t->by_error[i]);
    note ("%s: %ld worlds, harmless %ld, refused %ld:%s", t->what, total, t->count[HARMLESS],
          t->count[REFUSED], errors);
    for (i = REFUSED + 1; i < VERDICTS; i++)
        if (t == &lines && (i == FAULT_LOST || i == FAULT_WRONG_SEGMENT))
            note ("%s: %s (%ld): an entry that is all zeros cannot be told from a free one",
                  t->what, verdict_name[i], t->count[i]);
        else
            check (t->count[i] == 0, "%s: never in %ld worlds: %s (%ld)", t->what, total,
                   verdict_name[i], t->count[i]);
}

/* Where the registry of such a world is not zero: there a blow can do harm. */
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
    _exit (0);                       /* the holder dies with this process */
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
                "the registry is found: id %d, %zu bytes, %zu of them not zero", s->registry,
                s->size, s->count))
        return;
    live = calloc (s->size + 64, 1);
    if (!live)
        give_up ("calloc");
    /* All bits of each 8-byte word that is not zero, and of its neighbours. */
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
    while (wanted-- > 0)             /* anywhere, or near the beginning */
        enter (&flips, FLIP, &state, below (&state, below (&state, 2) ? s->size : 8192),
               (unsigned) below (&state, 8), 0, 0);

    /* Words, as a wild pointer writes them: each one zeroed, and others at random. */
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

/* ---- a registry overwritten while workers use it ---------------------------------------- */

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
        if (slow > 5)                /* the lock timed out: once is enough */
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
        check (false, "registry %s in use: the registry was found", what);
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
            note ("registry %s in use: one %s", what, tell_end (end));
        }
    }
    reach (&m->stop, 2);
    {
        struct end end = await (holder, WATCHDOG);

        if (!ended_well (end)) {
            good = false;
            note ("registry %s in use: the holder %s", what, tell_end (end));
        }
    }
    check (good && m->slowest < 4 * CALL_LIMIT,
           "registry %s in use: no process crashes or hangs (%ld rounds, %ld with errors, "
           "slowest %.3f s)", what, m->calls, m->errors, m->slowest);
    check (m->lost == 0 && m->wrong == 0,
           "registry %s in use: no name is lost (%ld) or gives another segment (%ld)", what,
           m->lost, m->wrong);
    read_messages (m->messages, text, sizeof text);
    check (m->errors == 0 || says_what_to_do (text, registry),
           "registry %s in use: an error names the registry and ipcrm: %s", what,
           first_line (text));
    shmctl (registry, IPC_RMID, NULL);
    check (library_works ("alpha", why, sizeof why),
           "registry %s in use: after ipcrm the library works (%s)", what, why);
    check_strangers (&strangers, what);
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
        check (ended_well (await (mill_pid[i], 150)),
               "registry %s in use: the test ran to its end", blow_name[mill_blows[i]]);
}

void begin_blows (void)
{
    int rounds;

    for (rounds = full_form ? 6 : 1; rounds > 1; rounds--) {
        start_mills ();
        await_mills ();
    }
    start_mills ();
    strike_blows ();
}

void end_blows (void)
{
    await_mills ();
    wait_for_all_lanes ();
    tell_tournament (&flips);
    tell_tournament (&words);
    tell_tournament (&lines);
    tell_tournament (&fills);
}

