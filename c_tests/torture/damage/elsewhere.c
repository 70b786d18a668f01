/*
 * elsewhere.c - kernel.shm_rmid_forced; a process moves to another IPC namespace.
 */
#include "damage.h"

#define RMID_FORCED "/proc/sys/kernel/shm_rmid_forced"

/* ---- shm_rmid_forced -------------------------------------------------------------------- */

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
        skip ("damage: shm_rmid_forced cannot be set (%s)", strerror (errno));
        return;
    }
    holder = start (hold_and_go_on, w);
    if (!check (wait_for_stage (&w->stage, 1, WATCHDOG), "shm_rmid_forced: names can be created"))
        return;
    run (find_alpha, found);
    check (found->result == 0 && found->id == w->alpha,
           "shm_rmid_forced: another process finds a name (%s)", strerror (found->result));
    run (make_gamma, w);
    check (!segment_exists (w->gamma), "shm_rmid_forced: a segment goes with its last holder");
    run (make_gamma, w);
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end) && w->held_data_whole && w->old_name == 0
               && w->old_name_id == w->beta,
           "shm_rmid_forced: the holder keeps its data and finds its names (it %s)",
           tell_end (end));
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
    for (i = 0; i < STRANGERS; i++)  /* they live as long as the process that made them */
        if (!segment_exists (strangers.id[i])) {
            check (false, "shm_rmid_forced: no other program's segment is deleted");
            return;
        }
    hurt = NULL;
    for (i = 0; i < STRANGERS; i++) {
        struct shmid_ds ds;

        if (shmctl (strangers.id[i], IPC_STAT, &ds) != 0
            || !same_state (&ds, &strangers.before[i]))
            hurt = "its state changed";
    }
    check (!hurt, "shm_rmid_forced: no other program's segment is touched");
    check (count_segments () == STRANGERS, "shm_rmid_forced: no segment is left (%d)",
           count_segments () - STRANGERS);
}

/* ---- a process moves to another IPC namespace ------------------------------------------- */

enum { MOST_FOREIGN = 40 };

struct move {
    int foreigners;                  /* segments of others in the new IPC namespace */
    int stage;
    int alpha, beta;
    int alpha_destroy, beta_destroy, fresh_destroy;
    bool whole, accessors, saved, loaded;
    struct call same_name, fresh;
    int stat, keep, remove;          /* the errors of an old handle */
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
    struct shmid_ds before[MOST_FOREIGN];
    struct ShmxInfo info;
    int foreign[MOST_FOREIGN];
    int only[2];
    char path[PATH_SIZE];
    int i, n;

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
    /* Other segments have all small ids, among them those of alpha and beta. Without them, the
     * new registry has the identifier of the old one, and the new alpha that of the old one. */
    for (i = 0; i < m->foreigners; i++) {
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
    info.size = sizeof info;
    m->stat = shmxStat (alpha.handle, &info);
    m->keep = shmxKeep (alpha.handle, 1);
    m->remove = shmxRemoveSegment (alpha.handle);
    m->alpha_destroy = shmDestroy (alpha.handle);
    if (m->same_name.result == 0) {
        /* The destroy of the old handle has not deleted the new segment. */
        if (!segment_exists (m->same_name.id))
            m->whole = false;
        m->destroy_in_new_of_other = shmDestroy (m->same_name.handle);
    }
    m->beta_destroy = shmDestroy (beta.handle);
    m->fresh_destroy = m->fresh.result == 0 ? shmDestroy (m->fresh.handle) : -1;
    for (i = 0; i < m->foreigners; i++) {
        struct shmid_ds ds;
        void *p;

        if (shmctl (foreign[i], IPC_STAT, &ds) != 0 || !same_state (&ds, &before[i])) {
            m->foreign_touched = true;
            continue;
        }
        p = shmat (foreign[i], NULL, SHM_RDONLY);
        m->foreign_touched |= p == (void *) -1 || !has_pattern (p, ALPHA_SIZE, (unsigned) i);
    }
    only[0] = count_segments () - m->foreigners;
    n = only[0];
    if (n == 1 && find_registry (NULL) >= 0)
        n = 0;                       /* it is deleted when the process ends */
    m->left_in_new = n;
}

static void moving_world (void *argument)
{
    struct move *m = argument;
    struct call *found = shared (sizeof *found);
    char text[4000];
    struct end end;
    char why[200];
    pid_t pid;

    new_world ();
    m->messages = open_messages ();
    pid = start (move_house, m);
    check (wait_for_stage (&m->stage, 1, WATCHDOG), "unshare: a process creates names");
    reach (&m->stage, 2);
    end = await (pid, WATCHDOG);
    if (m->moved_errno != 0) {
        skip ("damage: unshare in a living process: %s", strerror (m->moved_errno));
        return;
    }
    read_messages (m->messages, text, sizeof text);
    check (ended_well (end), "unshare: the process ends well (it %s)", tell_end (end));
    check (m->accessors && m->whole,
           "unshare: old handles can be read, and new segments are zero-filled");
    check (m->saved && m->loaded, "unshare: old handles can be saved and loaded");
    check (m->same_name.result == 0 && m->fresh.result == 0,
           "unshare: names can be created in the new IPC namespace (%d %d): %s",
           m->same_name.result, m->fresh.result, first_line (text));
    if (m->foreigners > 0)
        check (m->foreign_ids_matched == 2, "unshare: other segments have the old ids (%d)",
               m->foreign_ids_matched);
    else
        check (m->same_name.id == m->alpha, "unshare: the new segment has the old one's id (%d, "
               "%d)", m->same_name.id, m->alpha);
    check (m->stat == EIDRM && m->keep == EIDRM && m->remove == EIDRM,
           "unshare: nothing is found out, kept or removed by an old handle (%d %d %d)", m->stat,
           m->keep, m->remove);
    check (!m->foreign_touched, "unshare: other segments with the old ids are not touched");
    check (m->alpha_destroy == 0 && m->beta_destroy == 0,
           "unshare: old handles can be destroyed (%d %d)", m->alpha_destroy, m->beta_destroy);
    check (m->fresh_destroy == 0 && m->destroy_in_new_of_other == 0,
           "unshare: new handles can be destroyed (%d %d)", m->fresh_destroy,
           m->destroy_in_new_of_other);
    check (m->left_in_new == 0, "unshare: no segment is left in the new IPC namespace (%d)",
           m->left_in_new);
    check (segment_exists (m->alpha) && segment_exists (m->beta),
           "unshare: segments in the old IPC namespace are kept");
    run (find_alpha, found);
    check (found->result == 0 && found->id == m->alpha,
           "unshare: the name is found in the old IPC namespace (%s)", strerror (found->result));
    check (!segment_exists (m->alpha), "unshare: the next destroy there deletes it");
    check (library_works ("beta", why, sizeof why),
           "unshare: the library works in the old IPC namespace (%s)", why);
    check (count_segments () == 0, "unshare: no segment is left (%d)", count_segments ());
}

void test_elsewhere (void)
{
    int form;

    run_test ("shm_rmid_forced", forced_world, NULL, 90);
    for (form = 0; form <= 1; form++) {
        struct move *m = shared (sizeof *m);

        m->foreigners = form == 1 ? MOST_FOREIGN : 0;
        run_test ("unshare in a living process", moving_world, m, 60);
    }
}
