/*
 * users.c - which user may do what.
 *
 * Two users who do not trust each other, a group that shares a namespace, an outsider who
 * occupies keys, forges registries and gives segments away, and a set-uid program in a hostile
 * environment. Only root can be all of them.
 */
#include "torture.h"

#include <grp.h>
#include <sys/statvfs.h>

enum { ANN = 61001, BOB = 61002, OUTSIDER = 61003, CLARA = 61004, GROUP = 61100 };

#define SHARED_SPACE "/srv/instruments/names"

/* ---- agents: processes of other users that carry out orders ----------------------------- */

enum order_kind { CREATE, DESTROY, FILL, LOOK, RAW_ATTACH, RAW_REMOVE, RAW_SET_MODE, RAW_GIVE,
    RAW_MAKE, HAMMER, LEAVE };

#define SLOTS 8

struct order {
    int asked;                       /* stages */
    int answered;
    enum order_kind kind;
    int slot;
    char name[64];
    long size;
    unsigned number;                 /* a pattern, mode, or user */
    unsigned group;
    int id;
    key_t key;
    struct call call;                /* the answer */
    bool good;
    int error;
    /* the user */
    uid_t uid;
    gid_t gid;
    gid_t extra;
    const char *database;
    int messages;
    int stop_hammering;
    long rounds;
};

struct agent {
    pid_t pid;
    struct order *order;
};

static void raw_order (struct order *o)
{
    struct shmid_ds ds;
    void *p;

    o->good = false;
    switch (o->kind) {
    case RAW_ATTACH:
        p = shmat (o->id, NULL, SHM_RDONLY);
        o->good = p != (void *) -1;
        if (o->good)
            shmdt (p);
        break;
    case RAW_REMOVE:
        o->good = shmctl (o->id, IPC_RMID, NULL) == 0;
        break;
    case RAW_SET_MODE:
        if (shmctl (o->id, IPC_STAT, &ds) == 0) {
            ds.shm_perm.mode = (unsigned short) o->number;
            o->good = shmctl (o->id, IPC_SET, &ds) == 0;
        }
        break;
    case RAW_GIVE:
        if (shmctl (o->id, IPC_STAT, &ds) == 0) {
            ds.shm_perm.uid = o->number;
            ds.shm_perm.gid = o->group;
            o->good = shmctl (o->id, IPC_SET, &ds) == 0;
        }
        break;
    default:
        break;
    }
    o->error = o->good ? 0 : errno;
}

static void hammer (struct order *o)
{
    while (!__atomic_load_n (&o->stop_hammering, __ATOMIC_SEQ_CST)) {
        struct call c = create (o->name, 5000);

        if (c.result == 0)
            shmDestroy (c.handle);
        __atomic_fetch_add (&o->rounds, 1, __ATOMIC_SEQ_CST);
    }
}

static void agent_main (void *argument)
{
    struct order *o = argument;
    static struct call held[SLOTS];
    int serial = 0;

    if (setgroups (o->extra ? 1 : 0, &o->extra) != 0 || setresgid (o->gid, o->gid, o->gid) != 0
        || setresuid (o->uid, o->uid, o->uid) != 0)
        give_up ("become user %u", (unsigned) o->uid);
    die_with_parent ();
    keep_messages (o->messages);
    if (o->database)
        setenv ("NOB_DATABASE", o->database, 1);
    for (;;) {
        struct call *slot;
        ssize_t ignored = 0;

        serial++;
        if (!wait_for_stage (&o->asked, serial, 600))
            _exit (96);
        ignored += ftruncate (o->messages, 0);
        ignored += lseek (o->messages, 0, SEEK_SET);
        (void) ignored;
        slot = &held[o->slot];
        switch (o->kind) {
        case CREATE:
            *slot = o->call = create (o->name, o->size);
            break;
        case DESTROY:
            o->call = destroy (slot->handle);
            o->good = shmAddress (slot->handle) == NULL && shmId (slot->handle) == -1;
            break;
        case FILL:
            fill_pattern (slot->address, (size_t) slot->size, o->number);
            break;
        case LOOK:
            o->good = slot->address
                && has_pattern (slot->address, (size_t) slot->size, o->number);
            break;
        case RAW_MAKE:
            o->id = shmget (o->key, (size_t) o->size, IPC_CREAT | IPC_EXCL | (int) o->number);
            o->error = o->id < 0 ? errno : 0;
            break;
        case HAMMER:
            reach (&o->answered, serial);
            hammer (o);
            break;
        case LEAVE:
            return;
        default:
            raw_order (o);
        }
        reach (&o->answered, serial);
    }
}

static struct agent engage (uid_t uid, gid_t gid, gid_t extra, const char *database)
{
    struct agent a;

    a.order = shared (sizeof *a.order);
    a.order->uid = uid;
    a.order->gid = gid;
    a.order->extra = extra;
    a.order->database = database;
    a.order->messages = open_messages ();
    a.pid = start (agent_main, a.order);
    return a;
}

static struct order *ask (struct agent *a, enum order_kind kind)
{
    struct order *o = a->order;
    int serial = o->asked + 1;

    o->kind = kind;
    o->good = false;
    memset (&o->call, 0, sizeof o->call);
    o->call.result = -1;
    reach (&o->asked, serial);
    if (!wait_for_stage (&o->answered, serial, WATCHDOG)) {
        kill (a->pid, SIGKILL);
        check (false, "a process of user %u answers in time (order %d)", (unsigned) o->uid,
               (int) kind);
        o->call.result = -2;
    }
    return o;
}

static struct call agent_creates (struct agent *a, int slot, const char *name, long size)
{
    a->order->slot = slot;
    snprintf (a->order->name, sizeof a->order->name, "%s", name);
    a->order->size = size;
    return ask (a, CREATE)->call;
}

static int agent_destroys (struct agent *a, int slot)
{
    a->order->slot = slot;
    return ask (a, DESTROY)->call.result;
}

static void agent_fills (struct agent *a, int slot, unsigned salt)
{
    a->order->slot = slot;
    a->order->number = salt;
    ask (a, FILL);
}

static bool agent_sees (struct agent *a, int slot, unsigned salt)
{
    a->order->slot = slot;
    a->order->number = salt;
    return ask (a, LOOK)->good;
}

static struct order *agent_raw (struct agent *a, enum order_kind kind, int id, unsigned number,
                                unsigned group)
{
    a->order->id = id;
    a->order->number = number;
    a->order->group = group;
    return ask (a, kind);
}

static int agent_makes (struct agent *a, key_t key, size_t size, unsigned mode)
{
    a->order->key = key;
    a->order->size = (long) size;
    a->order->number = mode;
    ask (a, RAW_MAKE);
    if (a->order->id < 0) {
        errno = a->order->error;
        give_up ("user %u makes a segment under key %#x", (unsigned) a->order->uid,
                 (unsigned) key);
    }
    return a->order->id;
}

static const char *agent_said (struct agent *a)
{
    static char text[4000];

    read_messages (a->order->messages, text, sizeof text);
    return first_line (text);
}

/* The agent calls exit(3), at which the library does its work, too. */
static void dismiss (struct agent *a)
{
    struct end end;

    a->order->kind = LEAVE;
    reach (&a->order->asked, a->order->asked + 1);
    end = await (a->pid, WATCHDOG);
    if (!ended_well (end))
        check (false, "a process of user %u ends well: it %s", (unsigned) a->order->uid,
               tell_end (end));
    close (a->order->messages);
}

static void shoot (struct agent *a)
{
    kill (a->pid, SIGKILL);
    await (a->pid, WATCHDOG);
    close (a->order->messages);
}

/* ---- two users -------------------------------------------------------------------------- */

/* A process of Ann's is stopped or killed in the middle of its work: Bob does not notice. */
static void interrupt_ann (struct agent *bob)
{
    int rounds = full_form ? 2000 : 200;
    uint64_t state = seed ^ 0xb0b;
    double slowest = 0;
    int bad = 0;
    int i;

    for (i = 0; i < rounds; i++) {
        struct agent busy = engage (ANN, ANN, 0, NULL);
        struct call c;

        snprintf (busy.order->name, sizeof busy.order->name, "hammer");
        ask (&busy, HAMMER);
        spin (100e-6 + (double) below (&state, 500) / 1e6);
        kill (busy.pid, i % 4 == 3 ? SIGKILL : SIGSTOP);
        c = agent_creates (bob, 2, "hammer", 5000);
        if (c.result != 0 || agent_destroys (bob, 2) != 0)
            bad++;
        if (c.seconds > slowest)
            slowest = c.seconds;
        kill (busy.pid, SIGCONT);
        __atomic_store_n (&busy.order->stop_hammering, 1, __ATOMIC_SEQ_CST);
        if (i % 2 == 0)
            dismiss (&busy);
        else
            shoot (&busy);
    }
    check (bad == 0 && slowest < 1.0,
           "a process of one user is stopped or killed at any moment, %d times: the other user's "
           "calls work (%d errors, slowest %.3f s)", rounds, bad, slowest);
}

static void strangers_world (void *argument)
{
    struct agent ann;
    struct agent bob;
    struct call a;
    struct call b;
    struct shmid_ds ds;
    int registry;
    int bobs_registry;

    (void) argument;
    new_world ();
    umask (077);
    ann = engage (ANN, ANN, 0, NULL);
    bob = engage (BOB, BOB, 0, NULL);
    a = agent_creates (&ann, 0, "same", 5000);
    b = agent_creates (&bob, 0, "same", 5000);
    check (a.result == 0 && b.result == 0 && a.id != b.id,
           "two users create the same name and get two segments (%s, %s)", strerror (a.result),
           strerror (b.result));
    agent_fills (&ann, 0, 1);
    agent_fills (&bob, 0, 2);
    check (agent_sees (&ann, 0, 1) && agent_sees (&bob, 0, 2), "each user has data of their own");
    memset (&ds, 0, sizeof ds);
    shmctl (a.id, IPC_STAT, &ds);
    check ((ds.shm_perm.mode & 0777) == 0660,
           "a segment has mode 0660 regardless of umask 077 (%04o)", ds.shm_perm.mode & 0777);
    agent_creates (&ann, 1, "only ann's", 100);
    b = agent_creates (&bob, 1, "only ann's", 0);
    check (b.result == ENOENT, "a user does not see the other user's names (%s)",
           strerror (b.result));
    registry = find_registry_of (ANN, &ds);
    bobs_registry = find_registry_of (BOB, NULL);
    check (registry >= 0 && bobs_registry >= 0 && (ds.shm_perm.mode & 0777) == 0600,
           "each user has a registry of mode 0600 (%04o)", ds.shm_perm.mode & 0777);
    check (!agent_raw (&bob, RAW_ATTACH, registry, 0, 0)->good
           && !agent_raw (&bob, RAW_REMOVE, registry, 0, 0)->good
           && !agent_raw (&bob, RAW_SET_MODE, registry, 0666, 0)->good,
           "a user cannot attach, remove or chmod the other's registry");
    check (!agent_raw (&bob, RAW_ATTACH, a.id, 0, 0)->good
           && !agent_raw (&bob, RAW_REMOVE, a.id, 0, 0)->good,
           "a user cannot attach or remove the other's segment");
    check (agent_destroys (&bob, 0) == 0 && segment_exists (a.id) && agent_sees (&ann, 0, 1),
           "a user's destroy leaves the other user's segment of that name");

    interrupt_ann (&bob);
    b = agent_creates (&ann, 3, "hammer", 0);
    if (b.result == 0)
        agent_destroys (&ann, 3);
    check (b.result == 0 || b.result == ENOENT, "afterwards the first user's calls work, too (%s)",
           strerror (b.result));
    check (agent_destroys (&ann, 0) == 0 && agent_destroys (&ann, 1) == 0,
           "the names can be destroyed");
    dismiss (&ann);
    dismiss (&bob);
    check (count_segments () == 0, "no segment is left (%d)", count_segments ());
}

static void test_strangers (void)
{
    run_test ("two users", strangers_world, NULL, 200);
}

/* ---- squatters: segments of another user under the registry's keys ---------------------- */

#define MOST_KEYS 40

/* Each squatter takes one more of Ann's keys, until she has none. */
static void squatters_world (void *argument)
{
    static const unsigned modes[] = { 0666, 0600, 0660, 0777, 0700, 0000 };
    int squatter[MOST_KEYS];
    struct shmid_ds before[MOST_KEYS];
    struct shmid_ds ds;
    struct agent bob;
    struct agent ann;
    struct call c;
    bool untouched = true;
    char text[4000];
    int with_size = *(int *) argument;
    int n;
    int i;

    new_world ();
    bob = engage (BOB, BOB, 0, NULL);
    for (n = 0; n < MOST_KEYS; n++) {
        int registry;

        ann = engage (ANN, ANN, 0, NULL);
        c = agent_creates (&ann, 0, "treasure", 5000);
        if (c.result != 0)
            break;
        registry = find_registry_of (ANN, &ds);
        agent_destroys (&ann, 0);
        dismiss (&ann);
        if (registry < 0)
            give_up ("the registry of user %d was not found", (int) ANN);
        if (segment_exists (registry))
            shmctl (registry, IPC_RMID, NULL);
        squatter[n] = agent_makes (&bob, ds.shm_perm.__key, with_size ? ds.shm_segsz : 4096,
                                   modes[n % (int) COUNT (modes)]);
        shmctl (squatter[n], IPC_STAT, &before[n]);
    }
    check (n >= 2 && n < MOST_KEYS, "another user occupies all %d keys of the registry%s",
           n, with_size ? ", with segments of its size" : "");
    read_messages (ann.order->messages, text, sizeof text);
    check (c.result > 0 && c.seconds < 1.0, "with all keys occupied shmCreate fails at once: %s",
           strerror (c.result));
    check (strstr (text, "61002") != NULL || strstr (text, "ipcrm") || strstr (text, "ipcs"),
           "its message names the user or a command: %s", first_line (text));
    for (i = 0; i < n; i++)
        untouched &= shmctl (squatter[i], IPC_STAT, &ds) == 0 && same_state (&ds, &before[i]);
    check (untouched, "the squatters are not attached, changed or removed");
    if (n > 0) {
        agent_raw (&bob, RAW_REMOVE, squatter[--n], 0, 0);
        c = agent_creates (&ann, 0, "treasure", 5000);
        check (c.result == 0,
               "when one key is free again, the same process can create a name (%s)",
               strerror (c.result));
        agent_fills (&ann, 0, 5);
        /* The other squatters go, too: Ann's registry now has the last of the keys. */
        while (n > 0)
            agent_raw (&bob, RAW_REMOVE, squatter[--n], 0, 0);
        {
            struct agent later = engage (ANN, ANN, 0, NULL);
            struct call d = agent_creates (&later, 0, "treasure", 0);

            check (d.result == 0 && d.id == c.id && agent_sees (&later, 0, 5),
                   "when all squatters are gone, a later process finds the same segment (%s)",
                   strerror (d.result));
            agent_destroys (&later, 0);
            dismiss (&later);
        }
        check (agent_destroys (&ann, 0) == 0 && !segment_exists (c.id),
               "and can destroy the name");
    }
    dismiss (&ann);
    dismiss (&bob);
    check (count_segments () == 0, "no segment is left (%d)", count_segments ());
}

static void test_squatters (void)
{
    static int with_size;

    for (with_size = 0; with_size <= 1; with_size++)
        run_test ("squatters", squatters_world, &with_size, 200);
}

/* ---- look-alikes: forged registries that are given away --------------------------------- */

/* Bob copies Ann's registry byte by byte (with root's help), gives the copy her key and makes
 * her its owner. */
static void gifts_world (void *argument)
{
    static const unsigned modes[] = { 0600, 0700, 0660, 0666 };
    struct agent bob;
    struct agent ann;
    struct call c;
    struct shmid_ds ds;
    struct shmid_ds model;
    unsigned char *bytes;
    size_t i;
    int contents;
    int registry;
    int treasure;
    void *p;

    (void) argument;
    new_world ();
    bob = engage (BOB, BOB, 0, NULL);
    ann = engage (ANN, ANN, 0, NULL);
    c = agent_creates (&ann, 0, "treasure", 5000);
    treasure = c.id;
    agent_fills (&ann, 0, 1);
    registry = find_registry_of (ANN, &model);
    p = registry < 0 ? (void *) -1 : shmat (registry, NULL, SHM_RDONLY);
    if (p == (void *) -1)
        give_up ("the registry was not found");
    bytes = shared (model.shm_segsz);
    memcpy (bytes, p, model.shm_segsz);
    shmdt (p);
    shoot (&ann);                    /* so that name and segment stay */
    for (contents = 0; contents < 2; contents++)
        for (i = 0; i < COUNT (modes); i++) {
            int gift;
            bool untouched;
            const char *said;

            if (segment_exists (registry))
                shmctl (registry, IPC_RMID, NULL);
            gift = agent_makes (&bob, model.shm_perm.__key, model.shm_segsz, modes[i]);
            p = shmat (gift, NULL, 0);
            if (p == (void *) -1)
                give_up ("attach the gift");
            if (contents == 0)
                memcpy (p, bytes, model.shm_segsz);
            shmdt (p);
            if (!agent_raw (&bob, RAW_GIVE, gift, ANN, ANN)->good) {
                check (false, "a user can give a segment away (%s)", strerror (bob.order->error));
                return;
            }
            shmctl (gift, IPC_STAT, &ds);
            ann = engage (ANN, ANN, 0, NULL);
            c = agent_creates (&ann, 0, "treasure", 0);
            said = agent_said (&ann);
            check (
                c.result == ENOENT || c.result == EACCES,
                "a registry that another user made and gave away is not trusted (mode %04o, %s: "
                "%s) %s",
                modes[i], contents ? "empty" : "copied", strerror (c.result),
                c.result == ENOENT ? "" : said);
            c = agent_creates (&ann, 1, "mine", 100);
            check (c.result == 0 || c.result == EACCES,
                   "beside it a name can be created, or shmCreate returns EACCES (%s)",
                   strerror (c.result));
            if (c.result == 0)
                agent_destroys (&ann, 1);
            {
                struct shmid_ds after;

                untouched = shmctl (gift, IPC_STAT, &after) == 0 && same_state (&after, &ds);
            }
            check (untouched, "it is neither attached nor removed");
            dismiss (&ann);
            shmctl (gift, IPC_RMID, NULL);
        }
    check (segment_exists (treasure), "the segment that the forged registry lists still exists");
    shmctl (treasure, IPC_RMID, NULL);
    dismiss (&bob);
    check (count_segments () == 0, "no segment is left (%d)", count_segments ());
}

static void test_gifts (void)
{
    run_test ("look-alikes", gifts_world, NULL, 100);
}

/* ---- a group with a namespace of its own ------------------------------------------------ */

struct members {
    struct agent ann, bob, clara, outsider;
    int registry;
    struct shmid_ds registry_ds;
};

/* The members create and attach "board". Returns its segment. */
static int members_join (struct members *g)
{
    struct call a = agent_creates (&g->ann, 0, "board", 5000);
    struct call b;
    struct call c;

    check (a.result == 0, "a member creates a name in the group's namespace (%s)",
           strerror (a.result));
    agent_fills (&g->ann, 0, 7);
    g->registry = find_registry (&g->registry_ds);
    check (g->registry >= 0 && (g->registry_ds.shm_perm.mode & 0777) == 0660
           && g->registry_ds.shm_perm.gid == GROUP,
           "the namespace's registry has mode 0660 and the group's id (%04o, %u)",
           g->registry_ds.shm_perm.mode & 0777, (unsigned) g->registry_ds.shm_perm.gid);
    b = agent_creates (&g->bob, 0, "board", 5000);
    check (b.result == 0 && b.id == a.id && agent_sees (&g->bob, 0, 7),
           "another member attaches it and sees the data (%s) %s", strerror (b.result),
           agent_said (&g->bob));
    c = agent_creates (&g->clara, 0, "board", 0);
    check (c.result == 0 && c.id == a.id && agent_sees (&g->clara, 0, 7),
           "a user with the group as a supplementary one attaches it, too (%s) %s",
           strerror (c.result), agent_said (&g->clara));
    return a.id;
}

static void outsider_is_refused (struct members *g)
{
    struct call c = agent_creates (&g->outsider, 0, "board", 0);
    struct shmid_ds ds;
    char text[4000];

    read_messages (g->outsider.order->messages, text, sizeof text);
    check (c.result == EACCES, "a user outside the group gets EACCES (%s)", strerror (c.result));
    check (strstr (text, "61001") || strstr (text, "ipcs"),
           "the outsider's message names the owner: %s", first_line (text));
    c = agent_creates (&g->outsider, 0, "a new one", 100);
    check (c.result == EACCES, "the outsider cannot create a name in the namespace (%s)",
           strerror (c.result));
    check (shmctl (g->registry, IPC_STAT, &ds) == 0
           && ds.shm_nattch == g->registry_ds.shm_nattch + 2,
           "the outsider does not attach the registry");
}

/* Only the owner of a segment may delete it. */
static void members_leave (struct members *g, int board)
{
    struct shmid_ds ds;
    struct call a;
    struct call b;

    check (agent_destroys (&g->ann, 0) == 0 && segment_exists (board),
           "the owner's destroy leaves a segment that others have attached");
    check (agent_destroys (&g->clara, 0) == 0 && segment_exists (board),
           "so does a member's destroy");
    b.result = agent_destroys (&g->bob, 0);
    check (b.result == EPERM,
           "the last member, who may not delete the segment, gets EPERM (%s) %s",
           strerror (b.result), agent_said (&g->bob));
    check (g->bob.order->good, "after EPERM the handle is invalid");
    check (shmctl (board, IPC_STAT, &ds) == 0 && ds.shm_nattch == 0
           && !(ds.shm_perm.mode & SHM_DEST), "after EPERM the segment is detached");
    b = agent_creates (&g->bob, 0, "board", 0);
    check (b.result == 0 && b.id == board && agent_sees (&g->bob, 0, 7),
           "after EPERM the member finds name and data again (%s)", strerror (b.result));
    a = agent_creates (&g->ann, 0, "board", 0);
    check (a.result == 0 && a.id == board && agent_sees (&g->ann, 0, 7),
           "after EPERM the owner finds them, too (%s)", strerror (a.result));
    check (agent_destroys (&g->bob, 0) == 0 && agent_destroys (&g->ann, 0) == 0
           && !segment_exists (board), "the owner's destroy, the last, deletes the segment");
}

/* A segment of a member in a registry of another member. */
static void member_owns_segment (struct members *g)
{
    struct call b = agent_creates (&g->bob, 1, "bob's", 300);
    struct call a = agent_creates (&g->ann, 1, "bob's", 0);
    struct call c;

    check (a.result == 0 && a.id == b.id,
           "the registry's owner attaches another member's segment (%s)", strerror (a.result));
    check (agent_destroys (&g->bob, 1) == 0 && agent_destroys (&g->ann, 1) == EPERM
           && segment_exists (b.id), "the registry's owner cannot delete it as the last holder");
    c = agent_creates (&g->bob, 1, "bob's", 0);
    check (c.result == 0 && c.id == b.id && agent_destroys (&g->bob, 1) == 0
           && !segment_exists (b.id), "the member can delete it");
}

/* A member's exit does not fail because of the registry, which is the owner's. */
static void members_exit (struct members *g)
{
    agent_creates (&g->ann, 2, "stays", 100);
    dismiss (&g->bob);
    check (segment_exists (g->registry),
           "a member's exit leaves the registry while it has names");
    agent_destroys (&g->ann, 2);
    dismiss (&g->clara);
    check (segment_exists (g->registry) || find_registry (NULL) < 0,
           "a member exits when there are no names");
}

/* What a new process of that user gets for a name, and its message. */
static struct call visitor_gets (uid_t user, const char *name, char *text, size_t size)
{
    struct agent visitor = engage (user, GROUP, 0, SHARED_SPACE);
    struct call c = agent_creates (&visitor, 0, name, 0);

    read_messages (visitor.order->messages, text, size);
    if (c.result == 0)
        c.result = agent_destroys (&visitor, 0);
    dismiss (&visitor);
    return c;
}

/* A registry that all users may write to is not trusted. */
static void exposed_registry (struct members *g)
{
    struct call made = agent_creates (&g->ann, 3, "exposed", 100);
    struct call c;
    char text[4000];
    int registry = find_registry (NULL);

    check (made.result == 0 && agent_raw (&g->ann, RAW_SET_MODE, registry, 0666, 0)->good,
           "the owner makes the registry writable for all users");
    c = visitor_gets (BOB, "exposed", text, sizeof text);
    check (c.result == EACCES && says_what_to_do (text, registry),
           "a member refuses a registry that all users may write to (%s): %s",
           strerror (c.result), first_line (text));
    c = visitor_gets (ANN, "exposed", text, sizeof text);
    check (c.result == EACCES, "its owner's next process refuses it, too (%s)",
           strerror (c.result));
    c = agent_creates (&g->outsider, 0, "exposed", 0);
    check (c.result == EACCES, "an outsider refuses it, too (%s)", strerror (c.result));
    c = agent_creates (&g->ann, 4, "exposed", 0);
    note ("a process that had it attached before gets: %s", strerror (c.result));
    if (c.result == 0)
        agent_destroys (&g->ann, 4);
    agent_raw (&g->ann, RAW_SET_MODE, registry, 0660, 0);
    c = visitor_gets (BOB, "exposed", text, sizeof text);
    check (c.id == made.id, "with its old mode the registry is trusted again (%s)",
           strerror (c.result));
    check (c.result == 0 && agent_destroys (&g->ann, 3) == 0,
           "with its old mode names can be destroyed");
}

static void group_world (void *argument)
{
    struct members g;
    int board;

    (void) argument;
    new_world ();
    umask (077);
    g.ann = engage (ANN, GROUP, 0, SHARED_SPACE);
    g.bob = engage (BOB, GROUP, 0, SHARED_SPACE);
    g.clara = engage (CLARA, CLARA, GROUP, SHARED_SPACE);
    g.outsider = engage (OUTSIDER, OUTSIDER, 0, SHARED_SPACE);
    board = members_join (&g);
    outsider_is_refused (&g);
    members_leave (&g, board);
    member_owns_segment (&g);
    members_exit (&g);
    exposed_registry (&g);
    dismiss (&g.outsider);
    dismiss (&g.ann);
    check (count_segments () == 0, "no segment is left (%d)", count_segments ());
}

/* An outsider is the first to use the group's namespace, and then disguises the registry as the
 * group's. */
static void forged_group_world (void *argument)
{
    struct agent outsider;
    struct agent ann;
    struct call c;
    struct shmid_ds before;
    struct shmid_ds after;
    char text[4000];
    int registry;
    int trap;

    (void) argument;
    new_world ();
    outsider = engage (OUTSIDER, OUTSIDER, 0, SHARED_SPACE);
    c = agent_creates (&outsider, 0, "board", 5000);
    trap = c.id;
    registry = find_registry_of (OUTSIDER, NULL);
    if (c.result != 0 || registry < 0)
        give_up ("an outsider creates a namespace");
    ann = engage (ANN, GROUP, 0, SHARED_SPACE);
    shmctl (registry, IPC_STAT, &before);
    c = agent_creates (&ann, 0, "board", 0);
    read_messages (ann.order->messages, text, sizeof text);
    check (c.result == EACCES || c.result == ENOENT,
           "a namespace that an outsider created is refused (%s)", strerror (c.result));
    check (c.result != EACCES || strstr (text, "61003") || strstr (text, "ipcs"),
           "the message names the user or ipcs: %s", first_line (text));
    agent_raw (&outsider, RAW_GIVE, trap, ANN, GROUP);
    agent_raw (&outsider, RAW_GIVE, registry, OUTSIDER, GROUP);
    shmctl (registry, IPC_STAT, &before);
    c = agent_creates (&ann, 0, "board", 0);
    check (c.result == EACCES || c.result == ENOENT,
           "a registry that an outsider gave to the group is refused (%s)", strerror (c.result));
    if (c.result == 0)
        agent_destroys (&ann, 0);
    dismiss (&ann);
    agent_raw (&outsider, RAW_GIVE, registry, ANN, GROUP);
    shmctl (registry, IPC_STAT, &before);
    ann = engage (ANN, GROUP, 0, SHARED_SPACE);
    c = agent_creates (&ann, 0, "board", 0);
    check (c.result == EACCES || c.result == ENOENT,
           "a registry that an outsider gave to a member is refused (%s) %s", strerror (c.result),
           agent_said (&ann));
    check (shmctl (registry, IPC_STAT, &after) == 0 && same_state (&before, &after),
           "it is not attached");
    dismiss (&ann);
    shoot (&outsider);
}

/* A member is killed at any moment; the others may not delete the member's segments. */
static void killed_member_world (void *argument)
{
    struct agent ann;
    struct call c;
    int rounds = full_form ? 6000 : 600;
    uint64_t state = seed ^ 0xdead;
    int bad = 0;
    int blocked = 0;
    int slow = 0;
    int i;
    int left;

    (void) argument;
    new_world ();
    ann = engage (ANN, GROUP, 0, SHARED_SPACE);
    c = agent_creates (&ann, 0, "anchor", 100);
    if (c.result != 0)
        give_up ("a member creates a name");
    for (i = 0; i < rounds; i++) {
        struct agent bob = engage (BOB, GROUP, 0, SHARED_SPACE);
        double delay;

        snprintf (bob.order->name, sizeof bob.order->name, "hammer");
        ask (&bob, HAMMER);
        delay = (double) below (&state, 600) / 1e6;
        spin (delay);
        shoot (&bob);
        c = agent_creates (&ann, 1, "anchor", 0);
        if (c.result != 0 && bad++ < 5)
            note ("killed member: the owner's name: %s %s", strerror (c.result),
                  agent_said (&ann));
        slow += c.seconds > 1;
        if (c.result == 0 && agent_destroys (&ann, 1) != 0 && bad++ < 5)
            note ("killed member: the owner's destroy fails");
        c = agent_creates (&ann, 2, "hammer", 5000);
        if (c.result == 0) {
            int result = agent_destroys (&ann, 2);

            if (result != 0 && result != EPERM && bad++ < 5)
                note ("killed member: destroy of the member's name: %s", strerror (result));
        } else if (blocked++ < 3)
            note ("killed member: the member's name: %s %s", strerror (c.result),
                  agent_said (&ann));
        slow += c.seconds > 1;
    }
    check (
        bad == 0 && slow == 0,
        "a member is killed at any moment, %d times: the others' names work (%d errors, %d slow)",
        rounds, bad, slow);
    check (blocked == 0, "the killed member's names work, too (%d did not)", blocked);
    {
        struct agent bob = engage (BOB, GROUP, 0, SHARED_SPACE);

        /* The last one may have died before it attached its segment, which only its own user may
         * delete: the next process of that user that creates a name does. */
        c = agent_creates (&bob, 0, "hammer", 5000);
        check (c.result == 0, "the killed member's next process works (%s)",
               strerror (c.result));
        check (agent_destroys (&bob, 0) == 0, "and destroys what the killed process left");
        dismiss (&bob);
    }
    check (agent_destroys (&ann, 0) == 0, "the last name can be destroyed");
    dismiss (&ann);
    left = count_segments ();
    check (left == 0, "no segment is left (%d)", left);
}

static void test_group (void)
{
    run_test ("a group", group_world, NULL, 100);
    run_test ("a forged group", forged_group_world, NULL, 100);
    run_test ("killed members", killed_member_world, NULL, 400);
}

/* ---- a set-uid program in a hostile environment ----------------------------------------- */

#define HELPER "--set-uid-helper"

struct report {
    int euid;
    int created;
    int id;
    int missing;
    int saved_home;
    int saved_variable;
};

static int helper (void)
{
    struct call c = create ("set-uid probe", 100);
    struct report r;

    memset (&r, 0, sizeof r);
    r.euid = (int) geteuid ();
    r.created = c.result;
    r.id = c.id;
    r.missing = create ("set-uid missing", 0).result;
    r.saved_home = shmSave (c.handle, "~/from-home");
    r.saved_variable = shmSave (c.handle, "$TORTURE_DIR/from-variable");
    return write (1, &r, sizeof r) == (ssize_t) sizeof r ? 0 : 1;
}

struct helper_call {
    const char *path;
    const char *home;
    int out[2];
    int messages;
};

static void call_helper (void *argument)
{
    struct helper_call *h = argument;
    char *const args[] = { (char *) "helper", (char *) HELPER, NULL };

    dup2 (h->out[1], 1);
    keep_messages (h->messages);
    if (chdir (h->home) != 0 || setgroups (0, NULL) != 0 || setresgid (ANN, ANN, ANN) != 0
        || setresuid (ANN, ANN, ANN) != 0)
        _exit (95);
    die_with_parent ();
    setenv ("NOB_DATABASE", "/evil/names", 1);
    setenv ("APERROR_PRINT", "1", 1);
    setenv ("HOME", h->home, 1);
    setenv ("TORTURE_DIR", h->home, 1);
    execv (h->path, args);
    _exit (127);
}

static bool copy_myself (const char *to)
{
    char buffer[65536];
    int in = open ("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = open (to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    ssize_t n = 0;

    while (in >= 0 && out >= 0 && (n = read (in, buffer, sizeof buffer)) > 0)
        if (write (out, buffer, (size_t) n) != n)
            return false;
    close (in);
    return out >= 0 && n == 0 && fchown (out, BOB, BOB) == 0 && fchmod (out, 04755) == 0
        && close (out) == 0;
}

static void set_uid_world (void *argument)
{
    struct helper_call h;
    struct report r;
    struct statvfs fs;
    struct agent bob;
    struct agent evil;
    struct agent ann;
    struct call c;
    char path[PATH_SIZE];
    char home[PATH_SIZE];
    char name[PATH_SIZE + 20];
    char text[4000];
    struct end end;

    (void) argument;
    new_world ();
    memset (&r, 0, sizeof r);
    snprintf (path, sizeof path, "%s/helper", scratch);
    snprintf (home, sizeof home, "%s/home", scratch);
    if (chmod (scratch, 0755) != 0 || mkdir (home, 0777) != 0 || chmod (home, 0777) != 0
        || !copy_myself (path))
        give_up ("a set-uid program is installed");
    if (statvfs (path, &fs) != 0 || (fs.f_flag & ST_NOSUID)) {
        skip ("users: set-uid: %s is mounted nosuid; set TMPDIR to another place", scratch);
        return;
    }
    h.path = path;
    h.home = home;
    h.messages = open_messages ();
    if (pipe (h.out) != 0)
        give_up ("pipe");
    end = await (start (call_helper, &h), WATCHDOG);
    close (h.out[1]);
    read_messages (h.messages, text, sizeof text);
    if (end.how == ENDED && (end.code == 126 || end.code == 127)) {
        skip ("users: set-uid: an ordinary user cannot start a program in TMPDIR: %s",
              first_line (text));
        return;
    }
    if (read (h.out[0], &r, sizeof r) != (ssize_t) sizeof r)
        r.euid = -1;
    if (!check (ended_well (end) && r.euid == BOB,
                "a set-uid program works in a hostile environment (it %s, user %d)",
                tell_end (end), r.euid))
        return;
    bob = engage (BOB, BOB, 0, NULL);
    evil = engage (BOB, BOB, 0, "/evil/names");
    ann = engage (ANN, ANN, 0, NULL);
    c = agent_creates (&bob, 0, "set-uid probe", 0);
    check (r.created == 0 && c.result == 0 && c.id == r.id,
           "NOB_DATABASE does not select the namespace of a set-uid program (%s)",
           strerror (c.result));
    c = agent_creates (&evil, 0, "set-uid probe", 0);
    check (c.result != 0, "its name is not in the namespace of NOB_DATABASE (%s)",
           strerror (c.result));
    c = agent_creates (&ann, 0, "set-uid probe", 0);
    check (c.result == ENOENT, "its name is not in the namespace of the user who started it (%s)",
           strerror (c.result));
    check (r.missing == ENOENT && text[0] == '\0', "APERROR_PRINT does not make it print (%s)",
           first_line (text));
    snprintf (name, sizeof name, "%s/from-home", home);
    check (access (name, F_OK) != 0 && r.saved_home != 0,
           "HOME does not tell it where to save (%s)", strerror (r.saved_home));
    snprintf (name, sizeof name, "%s/from-variable", home);
    check (access (name, F_OK) != 0 && r.saved_variable != 0,
           "another variable does not, either (%s)", strerror (r.saved_variable));
    check (agent_destroys (&bob, 0) == 0, "its name can be destroyed");
    dismiss (&ann);
    dismiss (&evil);
    dismiss (&bob);
    check (count_segments () == 0, "no segment is left (%d)", count_segments ());
}

static void test_set_uid (void)
{
    run_test ("set-uid", set_uid_world, NULL, 60);
}

static const struct part parts[] = {
    { "strangers", test_strangers }, { "squatters", test_squatters }, { "gifts", test_gifts },
    { "group", test_group }, { "setuid", test_set_uid }, { NULL, NULL }
};

static void all_users (void)
{
    if (geteuid () != 0 || privacy == WORLD_OF_USER)
        skip ("users: only root can be several users");
    else if (has_world ("users"))
        run_all_parts (parts);
}

int main (int argc, char **argv)
{
    const struct program program = { "users", parts, all_users, 120, 600 };

    if (argc == 2 && strcmp (argv[1], HELPER) == 0)
        return helper ();
    return run_program (&program, argc, argv);
}
