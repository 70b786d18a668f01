/*
 * squatters.c - other segments have the registry's key.
 */
#include "damage.h"

/* ---- another segment has the registry's key --------------------------------------------- */

static void make_two_names (void *argument)
{
    struct model *m = argument;

    if (create ("alpha", ALPHA_SIZE).result != 0 || create ("beta", BETA_SIZE).result != 0)
        _exit (1);
    reach (&m->stage, 1);
    wait_for_stage (&m->stage, 2, 60);
    _exit (0);                       /* nothing is done at exit */
}

bool take_model (struct model *m)
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

/* The squatter as it is before a process meets it. */
struct squatter {
    int id;
    unsigned char *memory;           /* where it is attached, or NULL */
    unsigned char *bytes;            /* a copy of its contents */
    struct shmid_ds before;
    char what[200];                  /* for messages */
};

static void make_squatter (const struct squat *q, struct squatter *squatter)
{
    static const char *const contents_name[] = { "zeros", "noise", "a copy of a registry" };
    const struct model *m = q->model;
    uint64_t state = seed ^ q->size;
    size_t i;

    squatter->id = shmget (m->key, q->size, IPC_CREAT | IPC_EXCL | q->mode);
    squatter->memory = squatter->id < 0 ? (void *) -1 : shmat (squatter->id, NULL, 0);
    if (squatter->memory == (void *) -1)
        give_up ("a squatter cannot be made");
    squatter->bytes = shared (q->size);
    for (i = 0; i < q->size; i++)
        squatter->bytes[i] = q->contents == NOISE ? (unsigned char) chance (&state)
            : q->contents == COPY && i < m->size ? m->bytes[i] : 0;
    memcpy (squatter->memory, squatter->bytes, q->size);
    if (!q->attached) {
        shmdt (squatter->memory);
        squatter->memory = NULL;
    }
    shmctl (squatter->id, IPC_STAT, &squatter->before);
    snprintf (squatter->what, sizeof squatter->what, "a squatter of %zu bytes, mode %04o, %s%s",
              q->size, q->mode, contents_name[q->contents], q->attached ? ", attached" : "");
}

/* Either the name works, or the error tells what to do. */
static bool call_is_right (const struct squat *q, const struct squatter *squatter)
{
    char text[4000];

    if (q->first.result == 0)
        return (q->again.result == 0 && q->again.id == q->first.id && q->last.result == 0)
            || check (false, "%s: a name can be created, attached and destroyed (%d, %d)",
                      squatter->what, q->again.result, q->last.result);
    read_messages (q->messages, text, sizeof text);
    return says_what_to_do (text, squatter->id)
        || check (false, "%s: the error (%s) names the squatter, %d, and ipcrm: %s",
                  squatter->what, strerror (q->first.result), squatter->id, first_line (text));
}

static bool is_untouched (const struct squat *q, const struct squatter *squatter)
{
    struct shmid_ds after;
    unsigned char *p = squatter->memory;

    if (!segment_exists (squatter->id))
        return check (false, "%s: it still exists", squatter->what);
    shmctl (squatter->id, IPC_STAT, &after);
    if (after.shm_nattch != squatter->before.shm_nattch
        || after.shm_ctime != squatter->before.shm_ctime
        || after.shm_perm.mode != squatter->before.shm_perm.mode)
        return check (false, "%s: its state is unchanged (nattch %lu, mode %04o)",
                      squatter->what, (unsigned long) after.shm_nattch, after.shm_perm.mode);
    if (!p)
        p = shmat (squatter->id, NULL, SHM_RDONLY);
    return (p != (void *) -1 && memcmp (p, squatter->bytes, q->size) == 0)
        || check (false, "%s: its bytes are unchanged", squatter->what);
}

static bool nothing_else_is_left (const struct squatter *squatter)
{
    int expected = STRANGERS + segment_exists (squatter->id);
    int left = count_segments () - expected;

    return left == 0 || check (false, "%s: %d segments are left", squatter->what, left);
}

/* docs/registry-format.md, "Parts": up to 4095 bytes are added at random. */
static bool has_registry_size (size_t size)
{
    size_t slots;

    for (slots = 64; slots <= 131072; slots *= 2) {
        size_t pages = slots / 64 > 3 ? slots / 64 - 3 : 1;

        if (size / 4096 == (8192 + 64 * slots) / 4096 + pages)
            return true;
    }
    return false;
}

/* No process crashes or hangs. Either the library works or its error names the squatter, which
 * stays as it is, unless it cannot be told from a registry of the same user. */
static void squat_world (void *argument)
{
    struct squat *q = argument;
    struct squatter squatter;
    struct strangers strangers;
    bool like_ours = has_registry_size (q->size)
        && (q->contents == COPY
            || (q->contents == EMPTY && (q->mode == 0700 || q->mode == 0760)));
    const char *hurt;
    struct end end;

    new_world ();
    q->bad = true;
    q->messages = open_messages ();
    make_strangers (&strangers);
    make_squatter (q, &squatter);
    end = run (use_past_squatter, q);
    if (!ended_well (end)) {
        check (false, "%s: the process %s", squatter.what, tell_end (end));
        return;
    }
    if (!call_is_right (q, &squatter))
        return;
    q->bad = !like_ours && !is_untouched (q, &squatter);
    hurt = strangers_hurt (&strangers);
    if (hurt)
        q->bad |= !check (false, "%s: no stranger is touched: %s", squatter.what, hurt);
    if (!like_ours)
        q->bad |= !nothing_else_is_left (&squatter);
    munmap (squatter.bytes, q->size);
}

/* Occupies all keys of a registry, which are found one after another. */
#define MOST_KEYS 40

void visit (void *argument)
{
    struct visitor *v = argument;

    keep_messages (v->messages);
    v->call = create ("alpha", ALPHA_SIZE);
    reach (&v->stage, 1);
    wait_for_stage (&v->stage, 2, 60);
    if (v->call.result == 0)
        shmDestroy (v->call.handle);
}

static int registry_beside (const int *squatter, int squatters)
{
    static struct segments list;
    int n;

    list_segments (&list);
    n = list.count;

    while (n-- > 0) {
        int i;

        for (i = 0; i < squatters && squatter[i] != list.at[n].id; i++)
            ;
        if (i == squatters && is_registry (&list.at[n]))
            return list.at[n].id;
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
        struct visitor *v = shared (sizeof *v);
        pid_t pid;
        struct end end;
        int registry;

        v->messages = open_messages ();
        pid = start (visit, v);
        wait_for_stage (&v->stage, 1, WATCHDOG);
        registry = v->call.result == 0 ? registry_beside (squatter, n) : -1;
        if (registry >= 0)
            shmctl (registry, IPC_STAT, &ds);
        reach (&v->stage, 2);
        end = await (pid, WATCHDOG);
        if (!ended_well (end)) {
            check (false, "with %d keys occupied, a process ends well (it %s)", n, tell_end (end));
            return;
        }
        if (v->call.result != 0) {
            read_messages (v->messages, text, sizeof text);
            check (n > 1, "with all %d keys occupied shmCreate fails (%s)", n,
                   strerror (v->call.result));
            check (strstr (text, "ipcrm") || strstr (text, "ipcs"),
                   "its message names ipcrm or ipcs: %s", first_line (text));
            check (v->call.seconds < 1.0, "it fails at once (%.3f s)", v->call.seconds);
            break;
        }
        if (registry < 0) {
            check (false, "with %d keys occupied, the registry is found", n);
            return;
        }
        shmctl (registry, IPC_RMID, NULL);
        squatter[n] = shmget (ds.shm_perm.__key, 4096, IPC_CREAT | IPC_EXCL | 0666);
        if (squatter[n] < 0)
            give_up ("squat on key %d", n);
        shmctl (squatter[n], IPC_STAT, &before[n]);
        close (v->messages);
        munmap (v, sizeof *v);
    }
    check (n > 1 && n < MOST_KEYS, "a namespace has a short sequence of keys (%d)", n);
    for (i = 0; i < n; i++)
        untouched &= shmctl (squatter[i], IPC_STAT, &ds) == 0 && same_state (&ds, &before[i]);
    check (untouched, "squatters on all keys are neither attached nor removed");
    if (n > 0)
        shmctl (squatter[n - 1], IPC_RMID, NULL);
    check (library_works ("alpha", why, sizeof why),
           "with one key free again the library works (%s)", why);
    for (i = 0; i < n - 1; i++)
        shmctl (squatter[i], IPC_RMID, NULL);
    check (count_segments () == 0, "after the squatters no segment is left (%d)",
           count_segments ());
}

void find_alpha (void *argument)
{
    struct call *c = argument;

    *c = create ("alpha", ALPHA_SIZE);
    if (c->result == 0)
        shmDestroy (c->handle);
}

/* The first key is occupied, the registry has the second, and then the first becomes free: no
 * name may be lost. */
static void departing_squatter_world (void *argument)
{
    const struct model *m = argument;
    struct visitor *v = shared (sizeof *v);
    struct call *found = shared (sizeof *found);
    pid_t pid;
    int squatter;

    new_world ();
    v->messages = open_messages ();
    squatter = shmget (m->key, 4096, IPC_CREAT | IPC_EXCL | 0666);
    pid = start (visit, v);
    wait_for_stage (&v->stage, 1, WATCHDOG);
    if (v->call.result != 0) {
        note ("with one squatter the library refuses to work: there is nothing to lose");
        return;
    }
    run (find_alpha, found);
    check (found->result == 0 && found->id == v->call.id,
           "beside a squatter two processes find the same segment (%s)",
           strerror (found->result));
    shmctl (squatter, IPC_RMID, NULL);
    run (find_alpha, found);
    check (found->result > 0 || found->id == v->call.id,
           "when the squatter is gone, no name is lost (%s, id %d, was %d)",
           strerror (found->result), found->id, v->call.id);
    reach (&v->stage, 2);
    await (pid, WATCHDOG);
    run (find_alpha, found);
    check (found->result == 0, "when the squatter is gone, names can be created (%s)",
           strerror (found->result));
    check (count_segments () == 0, "when the squatter is gone, no segment is left (%d)",
           count_segments ());
}

/* Private segments of the same user that have a registry's size, and even its bytes, are left
 * alone when the library makes a registry. */
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
    check (untouched, "these private segments are neither attached nor removed");
    check (whole, "these private segments keep their bytes");
}

static void all_squatters (void *argument)
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
    if (!check (seen, "the registry is found: key %#x, mode %04o",
                (unsigned) m->key, m->mode))
        return;
    check (m->mode == 0600, "the registry of a user has mode 0600");
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
    check (
        bad == 0,
        "%d squatters on the registry's key: neither they nor the library come to harm (%d did)",
        worlds, bad);
    check (ended_well (await (start (blockade_world, NULL), 120)), "squatters on all keys");
    run_test ("a squatter that leaves", departing_squatter_world, m, 60);
    run_test ("private segments of a registry's size", private_twins_world, m, 60);
}

void test_squatters (void)
{
    run_test ("squatters", all_squatters, NULL, 300);
}
