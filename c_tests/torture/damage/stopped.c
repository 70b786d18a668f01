/*
 * stopped.c - in a directory namespace, a process is stopped while it has a segment's file locked,
 * or a foreign program has locked the file.
 *
 * A call that must wait for such a lock gives up within the limit; other calls do not wait. Each
 * case takes as long as the limit, so the cases run at the same time, and beside the other parts.
 */
#include "damage.h"

#include <sys/file.h>

/* Who has alpha's file locked. */
enum culprit { DELETER, REMOVER, OFD_WRITER, OFD_READER, POSIX_WRITER, FLOCK_OWNER, CULPRITS };

static const struct culprit_case {
    const char *who;
    bool held;                       /* alpha, by a holder; else it is an orphan or the deleter's */
    /* What others get: ETIMEDOUT if they wait in vain. */
    int attach, keep, remove, last_destroy;
} cases[CULPRITS] = {
    [DELETER] = { "a stopped deleter", false, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, 0 },
    [REMOVER] = { "a stopped remover", true, 0, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT },
    [OFD_WRITER] = { "a foreign lock of a file", false, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, 0 },
    [OFD_READER] = { "a foreign shared lock", true, 0, ETIMEDOUT, ETIMEDOUT, 0 },
    [POSIX_WRITER] = { "a foreign lock of a process", false, ETIMEDOUT, ETIMEDOUT, ETIMEDOUT, 0 },
    [FLOCK_OWNER] = { "a foreign flock", true, 0, 0, 0, 0 },
};

struct stopped_world {
    enum culprit culprit;
    int stage;                       /* 1: the holder is ready; 2: it may end */
    struct call attach, keep, remove, others;
    struct call destroy;             /* while the file is locked, and others have it attached */
    struct call last;                /* the same when nobody else has */
    int late_attach, late_destroy;   /* when the file is no longer locked */
};

static void stop_here (void)
{
    raise (SIGSTOP);
}

/* Locks the file, and stops with the lock. */
static void be_culprit (void *argument)
{
    struct stopped_world *w = argument;
    struct flock lock = { F_WRLCK, SEEK_SET, 0, 0, 0 };
    char path[PATH_SIZE + 100];
    struct call c;
    int fd = -1, result = 0;

    path_of ("alpha", path);
    if (w->culprit == DELETER) {
        c = create ("alpha", ALPHA_SIZE);
        moments.unlinking = stop_here;
        _exit (shmDestroy (c.handle));
    }
    if (w->culprit == REMOVER) {
        moments.unlinking = stop_here;
        _exit (shmxRemove ("alpha"));
    }
    fd = open (path, O_RDWR | O_CLOEXEC);
    if (w->culprit == OFD_READER)
        lock.l_type = F_RDLCK;
    if (w->culprit == FLOCK_OWNER)
        result = flock (fd, LOCK_EX);
    else
        result = fcntl (fd, w->culprit == POSIX_WRITER ? F_SETLK : F_OFD_SETLK, &lock);
    if (fd < 0 || result != 0)
        _exit (99);
    raise (SIGSTOP);
    _exit (0);
}

static void note_call (struct call *call, int result, double since)
{
    call->result = result;
    call->seconds = now () - since;
}

static void try_attach (void *argument)
{
    struct stopped_world *w = argument;

    w->attach = create ("alpha", ALPHA_SIZE);
    if (w->attach.result != 0)
        return;
    /* The holder has it, or an orphan stays. */
    w->destroy.result = shmxDetach (w->attach.handle);
}

static void try_keep (void *argument)
{
    struct stopped_world *w = argument;
    double since = now ();

    note_call (&w->keep, shmxKeepName (NULL, "alpha", 0), since);
}

static void try_remove (void *argument)
{
    struct stopped_world *w = argument;
    double since = now ();

    note_call (&w->remove, shmxRemove ("alpha"), since);
}

/* Other names, and looks at this one, are not delayed. */
static void use_others (void *argument)
{
    struct stopped_world *w = argument;
    struct ShmxInfo info;
    double since = now ();
    struct call c = create ("beta", BETA_SIZE);
    int result = c.result;

    info.size = sizeof info;
    if (result == 0)
        result = shmDestroy (c.handle);
    if (result == 0)
        result = shmxStatName ("alpha", &info);
    if (result == 0)
        result = shmxWait ("alpha", 0);
    note_call (&w->others, result, since);
}

/* It has alpha attached as long as others use it, and is the last. */
static void hold_locked (void *argument)
{
    struct stopped_world *w = argument;
    struct call c = create ("alpha", ALPHA_SIZE), again = create ("alpha", 0);

    if (c.result != 0 || again.result != 0)
        _exit (1);
    fill_pattern (c.address, ALPHA_SIZE, 1);
    reach (&w->stage, 1);
    wait_for_stage (&w->stage, 2, 60);
    w->destroy = destroy (again.handle);
    w->last = destroy (c.handle);
}

static void find_later (void *argument)
{
    struct stopped_world *w = argument;
    struct call c = create ("alpha", ALPHA_SIZE);

    w->late_attach = c.result;
    w->late_destroy = c.result == 0 ? shmDestroy (c.handle) : -1;
}

static void check_call (const struct stopped_world *w, const char *what, const struct call *call,
                        int wanted)
{
    bool in_time = wanted == ETIMEDOUT ? call->seconds > 9 && call->seconds < CALL_LIMIT
                                       : call->seconds < 1;

    check (call->result == wanted && in_time, "%s: %s %s (%s, %.2f s)", cases[w->culprit].who,
           what, wanted == 0 ? "does not wait" : "gives up in time", strerror (call->result),
           call->seconds);
}

static void leave_orphan (void *argument)
{
    struct call c = create ("alpha", ALPHA_SIZE);

    (void) argument;
    _exit (c.result != 0 || shmxDetach (c.handle) != 0);
}

static pid_t start_culprit (struct stopped_world *w)
{
    pid_t culprit;
    int status;

    if (w->culprit != DELETER && !cases[w->culprit].held
        && !ended_well (run (leave_orphan, NULL)))
        give_up ("an orphan");
    culprit = start (be_culprit, w);
    if (waitpid (culprit, &status, WUNTRACED) != culprit || !WIFSTOPPED (status))
        give_up ("%s", cases[w->culprit].who);
    return culprit;
}

static void meet_culprit (void *argument)
{
    struct stopped_world *w = argument;
    const struct culprit_case *expected = &cases[w->culprit];
    pid_t holder = 0, culprit, attaching, keeping, removing;
    char path[PATH_SIZE + 100];

    use_own_directory ("stopped");
    path_of ("alpha", path);
    if (expected->held) {
        holder = start (hold_locked, w);
        if (!wait_for_stage (&w->stage, 1, WATCHDOG))
            give_up ("the holder's name");
    }
    culprit = start_culprit (w);
    attaching = start (try_attach, w);
    keeping = start (try_keep, w);
    await (start (use_others, w), WATCHDOG);
    check_call (w, "the use of other names", &w->others, 0);
    if (expected->keep == 0)
        await (keeping, WATCHDOG);
    if (expected->attach == 0)
        await (attaching, WATCHDOG);
    removing = start (try_remove, w);
    if (expected->remove == 0)
        await (removing, WATCHDOG);
    if (expected->held) {
        reach (&w->stage, 2);
        await (holder, WATCHDOG);
        check_call (w, "a shmDestroy that is not the last", &w->destroy, 0);
        check_call (w, "the last shmDestroy", &w->last, expected->last_destroy);
    }
    if (expected->attach != 0)
        await (attaching, WATCHDOG);
    if (expected->keep != 0)
        await (keeping, WATCHDOG);
    if (expected->remove != 0)
        await (removing, WATCHDOG);
    check_call (w, "an attach", &w->attach, expected->attach);
    check_call (w, "shmxKeepName", &w->keep, expected->keep);
    check_call (w, "shmxRemove", &w->remove, expected->remove);
    kill (culprit, SIGCONT);
    check (ended_well (await (culprit, WATCHDOG)), "%s: it goes on, and ends well", expected->who);
    run (find_later, w);
    check (w->late_attach == 0 && w->late_destroy == 0 && file_number (path) < 0,
           "%s: afterwards the name can be used and destroyed (%d %d)", expected->who,
           w->late_attach, w->late_destroy);
    check_library_works ("alpha", expected->who);
    remove_all ();
}

static pid_t meeting[CULPRITS];

void begin_stopped (void)
{
    int i;

    for (i = 0; i < CULPRITS; i++) {
        struct stopped_world *w = shared (sizeof *w);

        w->culprit = (enum culprit) i;
        meeting[i] = start (meet_culprit, w);
    }
}

void end_stopped (void)
{
    int i;

    for (i = 0; i < CULPRITS; i++) {
        struct end end = await (meeting[i], 60);

        check (ended_well (end), "%s: the test ends well (it %s)", cases[i].who, tell_end (end));
    }
}
