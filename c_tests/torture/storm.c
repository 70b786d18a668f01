/*
 * storm.c - many processes and threads use the same names at random, and many of them are killed.
 *
 * What it proves. Under load, with processes dying at any moment in every state (also inside the
 * kernel, which killpoints cannot do), and stopped and continued:
 *
 *   - one name is one segment: nobody attaches a name and gets another segment than the one that
 *     somebody else has attached under that name at this moment;
 *   - a segment that is attached does not vanish, is not marked for deletion, and keeps its size
 *     and the data written to it;
 *   - the private name of a process that was killed is found by its successor, with the same
 *     segment and data;
 *   - the segments of a third of the names are transient, and gone when all processes are dead;
 *     some others are created hidden, and either published, or nothing is left of them;
 *   - no call crashes, returns an error that the situation does not call for, or takes longer
 *     than the lock's limit;
 *   - a saved file is always complete, also while others save to it;
 *   - a process that moves to another IPC namespace can use and destroy its old handles; that
 *     neither deletes segments in the old namespace nor touches those in the new one;
 *   - in a round whose namespace is a directory, the same holds for the files that the names stand
 *     for: one file per name, which stays as long as it is mapped; and nothing is done to the files
 *     of others there;
 *   - in the end a newcomer finds no segment without a name and can destroy every name; after
 *     that no segment is left, and no lock.
 *
 * How. The master makes a table in shared memory and the workers: each is a process in a process
 * group of its own; every fourth has three threads. Each thread, and the one child that a process
 * may have forked, is an actor, which has a slot in the table. Actors create, attach, write,
 * read, save, load, destroy, fork, exec and exit at random. The master kills them (SIGKILL),
 * stops and continues them, replaces the dead, and watches for calls that hang. Some deaths begin
 * a core dump, which the kernel gives up. Some processes with threads call exec in a signal
 * handler, in any thread and at any moment. From time to time, the master removes the registry, as
 * with ipcrm(1): the next registry takes its names over.
 *
 * Twelve of the processes are in PID or user namespaces of their own, or in both, see
 * namespaces_of. Inside their PID namespaces, their IDs are equal; the table contains the IDs that
 * the master sees. Each is the first process of its PID namespace, so its child dies with it, and
 * it cannot kill itself. If the system refuses such namespaces, these processes are ordinary ones.
 *
 * Writers die while they write, and the checks are sound all the same. In each segment every
 * actor has an area with two copies of a record (sequence number, checksum), which it writes in
 * turns: at most one is torn, and the other one must be good. An actor that has attached a name
 * and checked it enters the segment's id in the table, and removes it before it destroys. If the
 * table has two ids for one name, the other one counts only if its process still has that segment
 * in /proc/PID/maps and its entry still stands: entries of the dead do not count.
 *
 * The last round, or two in the full form, are in a directory namespace, in memory and on a disk,
 * with or without nameless files (O_TMPFILE). There are no transient segments in them, no registry and no moves, and a segment's
 * id is the number of its file.
 *
 * The decisions of each actor depend on the seed only; the timing does not repeat.
 *
 * A killed shmSave may leave its temporary file, in a small window. Such files are counted as
 * "temporaries"; there must not be more of them than processes killed in shmSave.
 *
 * Among the segments of other programs the storm uses names of its own, and does not look for
 * segments that no name owns.
 */
#include "files.h"

#include <pthread.h>

enum {
    PROCESSES = 20,
    THREADS = 3,              /* of every fourth process */
    SLOTS_EACH = THREADS + 1, /* the last one is for the process's child */
    CHILD = THREADS,
    SLOTS = PROCESSES * SLOTS_EACH,
    NAMES = 36,
    FILES = 5,
    HANDLES = 8, /* that an actor has at most */
    COPY_WORDS = 10,
    TOLD = 30
};

static const double LOCK_BOUND = 10.0;
static const double DISK_BOUND = 120.0; /* of saves and loads beside a busy disk */

/* ---- the table -------------------------------------------------------------------------- */

enum op { IDLE, CREATE, DESTROY, SAVE, LOAD, QUERY, MOVE, WRITE, READ, FORK, EXEC, EXIT, OPS };

static const char *const op_names[OPS] = { "idle", "create", "destroy", "save", "load", "query",
                                           "move", "write",  "read",    "fork", "exec", "exit" };

enum private_state { NO_PRIVATE, CREATING, LIVE, DESTROYING };

struct slot {
    volatile pid_t pid; /* this and the next are IDs outside all PID namespaces */
    volatile pid_t thread;
    volatile unsigned incarnation;
    volatile int op;
    volatile int op_name; /* the name it is about, or -1 */
    volatile double op_since;
    volatile double stopped; /* seconds that it has been stopped, in all */
    double slowest;
    int slowest_op;
    uint64_t done[OPS];
    /* The actor's private name: what its successor must find. */
    volatile int private_state;
    volatile int private_id;
    volatile int private_dirty; /* the data are being changed */
    volatile unsigned private_fill;
};

struct table {
    uint64_t seed;
    volatile int stop;
    bool may_move;                   /* to another IPC namespace */
    volatile double long_stop_until; /* someone may have had the lock, stopped, until then */
    char directory[300];             /* for saved files */
    char space[PATH_SIZE];           /* the namespace, as in files.h */
    bool refuse_nameless;
    bool reuses_numbers;             /* new files there get the numbers of deleted ones */
    double file_bound; /* how long calls may wait for that directory's files, in s */
    int violations;
    char told[TOLD][400];
    uint64_t timeouts;
    uint64_t equal_ids;              /* moves after which another segment had an old one's id */
    struct slot slot[SLOTS];
    volatile int held[NAMES][SLOTS]; /* segment id + 1 */
};

static struct table *table;
static int table_fd = -1;

LIKE_PRINTF (1, 2) static void violation (const char *format, ...)
{
    int which = __sync_fetch_and_add (&table->violations, 1);
    va_list arguments;

    if (which >= TOLD)
        return;
    va_start (arguments, format);
    vsnprintf (table->told[which], sizeof table->told[0], format, arguments);
    va_end (arguments);
}

static void shared_name (int which, char name[64])
{
    snprintf (name, 64, which % 3 == 0 ? "storm/shared/name number %d" : "s%d", which);
}

static void private_name (int slot, char name[64])
{
    snprintf (name, 64, "storm/private/%d", slot);
}

static size_t shared_size (int which)
{
    return (size_t) (SLOTS * 2 * COPY_WORDS * 8 + which * 24 + 1);
}

static size_t private_size (int slot)
{
    return (size_t) (3000 + slot * 41);
}

static void file_name (const char *kind, int which, char path[400])
{
    snprintf (path, 400, "%s/%s-%d", table->directory, kind, which);
}

/* ---- actors ----------------------------------------------------------------------------- */

struct handle {
    SharedMemory memory;
    char *address;
    int name, id;
};

struct actor {
    int slot;
    uint64_t random;
    int handles;
    struct handle handle[HANDLES];
    uint64_t sequence[NAMES]; /* of the last record written, while the name is held */
    pid_t child;
    bool is_child;
    SharedMemory private_memory;
    char *private_address;
};

static struct slot *slot_of (const struct actor *a)
{
    return &table->slot[a->slot];
}

struct timer {
    double since, stopped;
};

static struct timer begin (struct actor *a, enum op op, int name)
{
    struct slot *slot = slot_of (a);
    struct timer timer = { now (), slot->stopped };

    slot->op_name = name;
    slot->op_since = timer.since;
    slot->op = (int) op;
    return timer;
}

/* How long a call may wait, in s. */
static double bound_of (int op)
{
    return LOCK_BOUND + (op == SAVE || op == LOAD ? table->file_bound : 0);
}

static void end (struct actor *a, const struct timer *timer)
{
    struct slot *slot = slot_of (a);
    double took = now () - timer->since, stopped;
    int op = slot->op;

    slot->op = IDLE;
    slot->done[op]++;
    if (took > 0.05)
        nap (0.001); /* if this process was stopped, the master is about to note it */
    stopped = slot->stopped - timer->stopped;
    took -= stopped;
    if (took > slot->slowest) {
        slot->slowest = took;
        slot->slowest_op = op;
    }
    if (took > bound_of (op) + 1.5)
        violation ("%s of name %d took %.2f s", op_names[op], slot->op_name, took);
}

/* Whether the error follows from what the master has done. */
static bool is_excused (int status)
{
    if (status == ETIMEDOUT && now () < table->long_stop_until) {
        __sync_fetch_and_add (&table->timeouts, 1);
        return true;
    }
    return false;
}

/* ---- records ---------------------------------------------------------------------------- */

/* An actor's record: tag, sequence, filling, checksum. */
static uint64_t *copy_of (char *address, int slot, uint64_t sequence)
{
    return (uint64_t *) (void *) address
           + (size_t) COPY_WORDS * ((size_t) slot * 2 + (size_t) (sequence % 2));
}

static uint64_t tag_of (int name, int slot)
{
    return 0x73746f726du << 24 | (uint64_t) name << 12 | (uint64_t) slot;
}

static void fill_record (uint64_t *record, int name, int slot, uint64_t sequence)
{
    uint64_t sum = 0;
    int i;

    record[0] = tag_of (name, slot);
    record[1] = sequence;
    for (i = 2; i < COPY_WORDS - 1; i++)
        record[i] = mix (sequence * 31 + (uint64_t) i);
    for (i = 0; i < COPY_WORDS - 1; i++)
        sum = mix (sum ^ record[i]);
    record[COPY_WORDS - 1] = sum;
}

enum record { ZERO_RECORD, GOOD_RECORD, TORN_RECORD, FOREIGN_RECORD };

static enum record check_record (const uint64_t *record, int name, int slot)
{
    uint64_t sum = 0, all = 0;
    int i;

    for (i = 0; i < COPY_WORDS; i++)
        all |= record[i];
    if (all == 0)
        return ZERO_RECORD;
    for (i = 0; i < COPY_WORDS - 1; i++)
        sum = mix (sum ^ record[i]);
    if (sum != record[COPY_WORDS - 1])
        return TORN_RECORD;
    return record[0] == tag_of (name, slot) ? GOOD_RECORD : FOREIGN_RECORD;
}

static void read_record (const uint64_t *from, uint64_t *to)
{
    int i;

    for (i = 0; i < COPY_WORDS; i++)
        to[i] = __atomic_load_n (&from[i], __ATOMIC_ACQUIRE);
}

/* Checks the area of a slot; returns the highest sequence number in it. */
static uint64_t check_area (char *address, int name, int slot, const char *when)
{
    uint64_t record[2][COPY_WORDS];
    enum record state[2] = { ZERO_RECORD, ZERO_RECORD };
    uint64_t highest;
    int i, tries;

    for (tries = 0; tries < 3000; tries++) {
        highest = 0;
        for (i = 0; i < 2; i++) {
            read_record (copy_of (address, slot, (uint64_t) i), record[i]);
            state[i] = check_record (record[i], name, slot);
            if (state[i] == GOOD_RECORD && record[i][1] > highest)
                highest = record[i][1];
        }
        if (state[0] == FOREIGN_RECORD || state[1] == FOREIGN_RECORD)
            break;
        if (state[0] != TORN_RECORD || state[1] != TORN_RECORD)
            return highest;
        nap (0.0005); /* the writer is at work: look again */
    }
    violation ("%s: the data of name %d, slot %d, are %s", when, name, slot,
               state[0] == TORN_RECORD ? "torn in both copies"
                                       : "those of another name or slot");
    return 0;
}

static void write_record (struct actor *a, struct handle *h)
{
    uint64_t record[COPY_WORDS], *to;
    int i;

    fill_record (record, h->name, a->slot, ++a->sequence[h->name]);
    to = copy_of (h->address, a->slot, a->sequence[h->name]);
    for (i = 0; i < COPY_WORDS; i++)
        __atomic_store_n (&to[i], record[i], __ATOMIC_RELEASE);
}

/* ---- one name, one segment -------------------------------------------------------------- */

/* Whether the process has the segment attached now. The inode in its maps is the id. */
static bool has_mapped (pid_t pid, int id)
{
    char path[64];
    struct lines maps;
    const char *line;
    bool found = false;

    snprintf (path, sizeof path, "/proc/%d/maps", (int) pid);
    open_lines (&maps, path);
    while (!found && (line = next_line (&maps)) != NULL) {
        unsigned long inode = 0;

        if (strstr (line, in_directory () ? space : "/SYSV") != NULL
            && sscanf (line, "%*s %*s %*s %*s %lu", &inode) == 1
            && (int) (inode & INT_MAX) == id)
            found = true;
    }
    close_lines (&maps);
    return found;
}

/* An entry of a program that has called exec stands until the new program is ready. By then the
 * number may be another file's. */
static void check_one_segment (const struct actor *a, int name, int id)
{
    int s;

    if (table->reuses_numbers)
        return;
    for (s = 0; s < SLOTS; s++) {
        int other = table->held[name][s];
        pid_t pid = table->slot[s].pid;
        unsigned incarnation = table->slot[s].incarnation;

        if (s == a->slot || other == 0 || other == id + 1)
            continue;
        if (has_mapped (pid, other - 1) && table->held[name][s] == other
            && table->slot[s].pid == pid && table->slot[s].incarnation == incarnation)
            violation ("two segments for name %d: slot %d has %d, slot %d (process %d) has %d",
                       name, a->slot, id, s, (int) pid, other - 1);
    }
}

static bool holds (const struct actor *a, int name)
{
    int i;

    for (i = 0; i < a->handles; i++)
        if (a->handle[i].name == name)
            return true;
    return false;
}

/* The segments of some names are transient; some others are created hidden, then published. */
static bool is_transient (int which)
{
    return !in_directory () && which % 3 == 1;
}

static bool is_published (int which)
{
    return which % 6 == 2;
}

static void check_named_file (const struct handle *h, const char *when)
{
    char name[64], path[PATH_SIZE + 100];
    struct stat file;

    shared_name (h->name, name);
    path_of (name, path);
    if (lstat (path, &file) != 0)
        violation ("%s: the attached file %d of name %d is gone: %s", when, h->id, h->name,
                   strerror (errno));
    else if (file_number (path) != h->id)
        violation ("%s: the attached file %d of name %d is not the one with this name, %d", when,
                   h->id, h->name, file_number (path));
    else if (file.st_size != (off_t) shared_size (h->name) || (file.st_mode & 07777) != 0660)
        violation ("%s: the file of name %d has %ld bytes, mode %#o", when, h->name,
                   (long) file.st_size, (unsigned) file.st_mode);
}

static void check_segment (const struct handle *h, const char *when)
{
    struct shmid_ds segment;

    if (in_directory ()) {
        check_named_file (h, when);
        return;
    }
    if (shmctl (h->id, IPC_STAT, &segment) != 0)
        violation ("%s: the attached segment %d of name %d is gone: %s", when, h->id, h->name,
                   strerror (errno));
    else if (((segment.shm_perm.mode & SHM_DEST) != 0) != is_transient (h->name))
        violation ("%s: the attached segment %d of name %d is %smarked for deletion", when, h->id,
                   h->name, is_transient (h->name) ? "not " : "");
    else if (segment.shm_segsz != shared_size (h->name)
             || (segment.shm_perm.mode & 0777) != 0660)
        violation ("%s: the segment of name %d has %zu bytes, mode %#o", when, h->name,
                   (size_t) segment.shm_segsz, (unsigned) segment.shm_perm.mode);
}

/* ---- what actors do --------------------------------------------------------------------- */

static int create_shared (int which, const char *name, long size, void **address,
                          SharedMemory *memory)
{
    int status = EEXIST;

    if (is_transient (which) && size > 0)
        return shmxCreate (name, size, SHMX_TRANSIENT, 0, address, memory);
    if (is_published (which) && size > 0)
        status = shmxCreate (name, size, SHMX_HIDDEN, 0, address, memory);
    if (status == 0) {
        status = shmxPublish (*memory);
        if (status == 0)
            return 0;
        shmDestroy (*memory);
        *address = NULL;
    }
    return status == EEXIST ? shmCreate (name, size, address, memory) : status;
}

static void do_create (struct actor *a)
{
    int which = (int) below (&a->random, NAMES), status;
    long size = below (&a->random, 3) == 0 ? 0 : (long) shared_size (which);
    struct handle *h = &a->handle[a->handles];
    char name[64];
    void *address = NULL;
    struct timer timer;
    bool known = holds (a, which);

    if (a->handles == HANDLES)
        return;
    shared_name (which, name);
    timer = begin (a, CREATE, which);
    status = create_shared (which, name, size, &address, &h->memory);
    end (a, &timer);
    if (status != 0) {
        if ((status != ENOENT || size != 0 || known) && !is_excused (status))
            violation ("create of name %d, size %ld%s: %s", which, size,
                       known ? ", which is attached already" : "", strerror (status));
        return;
    }
    h->address = address;
    h->name = which;
    h->id = segment_of (h->memory);
    if (shmAddress (h->memory) != address
        || shmSizeOf (h->memory) != (long) shared_size (which))
        violation ("create of name %d: address or size (%ld) wrong", which,
                   shmSizeOf (h->memory));
    check_segment (h, "after create");
    if (known && table->held[which][a->slot] != h->id + 1)
        violation ("two segments for name %d: slot %d has %d and %d", which, a->slot,
                   table->held[which][a->slot] - 1, h->id);
    a->handles++;
    __atomic_store_n (&table->held[which][a->slot], h->id + 1, __ATOMIC_SEQ_CST);
    check_one_segment (a, which, h->id);
    if (!known)
        a->sequence[which] = check_area (h->address, which, a->slot, "after create");
    check_area (h->address, which, (int) below (&a->random, SLOTS), "after create");
}

static void do_destroy (struct actor *a)
{
    struct handle h;
    struct timer timer;
    int which, status;

    if (a->handles == 0)
        return;
    which = (int) below (&a->random, (unsigned) a->handles);
    h = a->handle[which];
    a->handle[which] = a->handle[--a->handles];
    if (!holds (a, h.name))
        __atomic_store_n (&table->held[h.name][a->slot], 0, __ATOMIC_SEQ_CST);
    timer = begin (a, DESTROY, h.name);
    status = shmDestroy (h.memory);
    end (a, &timer);
    if (status != 0 && !is_excused (status))
        violation ("destroy of name %d: %s", h.name, strerror (status));
    if (below (&a->random, 8) == 0) {
        timer = begin (a, QUERY, h.name);
        if (shmDestroy (h.memory) != EINVAL && !is_excused (status))
            violation ("destroy of a handle that was destroyed is not refused");
        if (shmAddress (h.memory) != NULL || shmId (h.memory) != -1)
            violation ("a handle that was destroyed still answers");
        end (a, &timer);
    }
}

static void do_write (struct actor *a)
{
    struct timer timer;
    int times;

    if (a->handles == 0)
        return;
    timer = begin (a, WRITE, -1);
    for (times = 0; times < 5; times++)
        write_record (a, &a->handle[below (&a->random, (unsigned) a->handles)]);
    end (a, &timer);
}

static void do_read (struct actor *a)
{
    struct timer timer;
    struct handle *h;
    uint64_t mine;
    int times;

    if (a->handles == 0)
        return;
    h = &a->handle[below (&a->random, (unsigned) a->handles)];
    timer = begin (a, READ, h->name);
    mine = check_area (h->address, h->name, a->slot, "while attached");
    if (mine != a->sequence[h->name])
        violation ("name %d, slot %d: wrote record %llu and finds %llu", h->name, a->slot,
                   (unsigned long long) a->sequence[h->name], (unsigned long long) mine);
    for (times = 0; times < 4; times++)
        check_area (h->address, h->name, (int) below (&a->random, SLOTS), "while attached");
    check_segment (h, "while attached");
    check_one_segment (a, h->name, h->id);
    if (shmId (h->memory) != (in_directory () ? -1 : h->id)
        || shmAddress (h->memory) != h->address)
        violation ("the handle of name %d answers something else", h->name);
    end (a, &timer);
}

/* Others are writing into the segment meanwhile: only the size of the file can be checked. */
static void do_save_shared (struct actor *a)
{
    struct timer timer;
    struct handle *h;
    char path[400];
    int status;

    if (a->handles == 0)
        return;
    h = &a->handle[below (&a->random, (unsigned) a->handles)];
    file_name ("live", h->name, path);
    timer = begin (a, SAVE, h->name);
    status = shmSave (h->memory, path);
    end (a, &timer);
    if (status != 0)
        violation ("save of name %d: %s", h->name, strerror (status));
}

/* ---- private names and files ------------------------------------------------------------ */

/* The data: their size and the number of the pattern, and then the pattern. */
static void write_private (struct actor *a)
{
    struct slot *slot = slot_of (a);
    size_t size = private_size (a->slot);
    unsigned fill = (unsigned) (chance (&a->random) >> 40) | 1;
    uint64_t head[2];

    head[0] = size;
    head[1] = fill;
    slot->private_dirty = 1;
    __sync_synchronize ();
    memcpy (a->private_address, head, sizeof head);
    fill_pattern (a->private_address + sizeof head, size - sizeof head, fill);
    slot->private_fill = fill;
    __sync_synchronize ();
    slot->private_dirty = 0;
}

/* The size of the data that begin with these bytes; 0 if write_private did not write them. */
static size_t check_private (const char *data, size_t size, unsigned *fill)
{
    uint64_t head[2];

    if (size < sizeof head)
        return 0;
    memcpy (head, data, sizeof head);
    if (head[0] < private_size (0) || head[0] > private_size (SLOTS) || size > head[0])
        return 0;
    if (wrong_byte (data + sizeof head, size - sizeof head, (unsigned) head[1]) >= 0)
        return 0;
    *fill = (unsigned) head[1];
    return head[0];
}

static void create_private (struct actor *a)
{
    struct slot *slot = slot_of (a);
    char name[64];
    void *address = NULL;
    struct timer timer;
    int status;

    private_name (a->slot, name);
    slot->private_state = CREATING;
    slot->private_dirty = 1;
    timer = begin (a, CREATE, NAMES + a->slot);
    status = shmCreate (name, (long) private_size (a->slot), &address, &a->private_memory);
    end (a, &timer);
    if (status != 0) {
        a->private_memory = NULL;
        if (!is_excused (status))
            violation ("create of a private name: %s", strerror (status));
        return;
    }
    a->private_address = address;
    slot->private_id = segment_of (a->private_memory);
    slot->private_state = LIVE;
    write_private (a);
}

static void destroy_private (struct actor *a)
{
    struct slot *slot = slot_of (a);
    struct timer timer;
    int status;

    slot->private_state = DESTROYING;
    timer = begin (a, DESTROY, NAMES + a->slot);
    status = shmDestroy (a->private_memory);
    end (a, &timer);
    if (status != 0 && !is_excused (status))
        violation ("destroy of a private name: %s", strerror (status));
    slot->private_state = NO_PRIVATE;
    a->private_memory = NULL;
}

/* At the start: what the predecessor left. */
static void inherit_private (struct actor *a)
{
    struct slot *slot = slot_of (a);
    int state = slot->private_state, status, tries;
    unsigned fill = 0;
    char name[64];
    void *address = NULL;
    struct timer timer;

    if (state == NO_PRIVATE)
        return;
    private_name (a->slot, name);
    for (tries = 0;; tries++) {
        timer = begin (a, CREATE, NAMES + a->slot);
        status = shmCreate (name, 0, &address, &a->private_memory);
        end (a, &timer);
        if (status == 0 || tries == 20 || !is_excused (status))
            break;
    }
    if (status != 0) {
        a->private_memory = NULL;
        if (state == LIVE || status != ENOENT)
            violation ("the private name of a dead process, in state %d: %s", state,
                       shmxErrorText ());
        slot->private_state = NO_PRIVATE;
        return;
    }
    a->private_address = address;
    if (shmSizeOf (a->private_memory) != (long) private_size (a->slot))
        violation ("the private name of a dead process has %ld bytes",
                   shmSizeOf (a->private_memory));
    else if (state == LIVE && segment_of (a->private_memory) != slot->private_id)
        violation ("the private name of a dead process had the segment %d, now it has %d",
                   slot->private_id, segment_of (a->private_memory));
    else if (state == LIVE && !slot->private_dirty
             && (check_private (address, private_size (a->slot), &fill)
                     != private_size (a->slot)
                 || fill != slot->private_fill))
        violation ("the data of a dead process's private name changed");
    slot->private_id = segment_of (a->private_memory);
    slot->private_state = LIVE;
    write_private (a);
}

static void save_private (struct actor *a)
{
    struct timer timer;
    char path[400];
    int status;

    file_name ("file", (int) below (&a->random, FILES), path);
    timer = begin (a, SAVE, NAMES + a->slot);
    status = shmSave (a->private_memory, path);
    end (a, &timer);
    if (status != 0)
        violation ("save of a private name: %s", strerror (status));
}

/* Loads some actor's file: it is complete, and nothing beyond its end changes. */
static void load_private (struct actor *a)
{
    struct slot *slot = slot_of (a);
    size_t mine = private_size (a->slot), whole;
    unsigned fill = 0;
    struct timer timer;
    char path[400];
    int status;

    file_name ("file", (int) below (&a->random, FILES), path);
    slot->private_dirty = 1;
    timer = begin (a, LOAD, NAMES + a->slot);
    status = shmLoad (a->private_memory, path);
    end (a, &timer);
    if (status == ENOENT) {
        ; /* no actor has saved to it yet */
    } else if (status != 0) {
        violation ("load: %s", strerror (status));
    } else {
        uint64_t size;
        size_t i;

        memcpy (&size, a->private_address, sizeof size);
        whole = check_private (a->private_address, size < mine ? size : mine, &fill);
        if (whole == 0)
            violation ("a loaded file is not complete");
        for (i = whole; whole > 0 && i < mine; i++)
            if ((unsigned char) a->private_address[i]
                != pattern_byte (slot->private_fill, i - 2 * sizeof (uint64_t))) {
                violation ("a load changed byte %zu, the file has %zu", i, whole);
                break;
            }
    }
    write_private (a);
}

static void do_private (struct actor *a)
{
    struct slot *slot = slot_of (a);
    unsigned fill = 0;

    if (a->is_child)
        return; /* the private name is its parent's */
    if (a->private_memory == NULL) {
        create_private (a);
        return;
    }
    switch (below (&a->random, 6)) {
    case 0:
        destroy_private (a);
        break;
    case 1:
        write_private (a);
        break;
    case 2:
        if (check_private (a->private_address, private_size (a->slot), &fill)
                != private_size (a->slot)
            || fill != slot->private_fill)
            violation ("the data of a private name changed");
        break;
    case 3:
        load_private (a);
        break;
    default:
        save_private (a);
        break;
    }
}

/* ---- fork, exec, exit ------------------------------------------------------------------- */

static void act (struct actor *a, int steps);

static void clear_held (int slot)
{
    int name;

    for (name = 0; name < NAMES; name++)
        table->held[name][slot] = 0;
}

static void clear_slot (int slot)
{
    clear_held (slot);
    table->slot[slot].op = IDLE;
}

/* Enters a new actor in a slot, or clears the slot. */
static void number_slot (int slot, pid_t process, pid_t thread)
{
    table->slot[slot].pid = process;
    table->slot[slot].thread = thread;
}

static void enter_slot (int slot)
{
    pid_t process, thread;

    ids_outside (&process, &thread);
    table->slot[slot].incarnation++;
    number_slot (slot, process, thread);
}

NO_RETURN static void execute (const char *what, int slot, uint64_t seed)
{
    char fd[16], slot_text[16], parent[16], seed_text[32];
    char *arguments[8];

    snprintf (fd, sizeof fd, "%d", table_fd);
    snprintf (slot_text, sizeof slot_text, "%d", slot);
    snprintf (parent, sizeof parent, "%d", (int) getppid ());
    snprintf (seed_text, sizeof seed_text, "%llu", (unsigned long long) seed);
    arguments[0] = (char *) "storm";
    arguments[1] = (char *) what;
    arguments[2] = fd;
    arguments[3] = slot_text;
    arguments[4] = parent;
    arguments[5] = seed_text;
    arguments[6] = NULL;
    execv ("/proc/self/exe", arguments);
    _exit (126);
}

static void destroy_all (struct actor *a)
{
    while (a->handles > 0)
        do_destroy (a);
    if (a->private_memory != NULL && !a->is_child)
        destroy_private (a);
}

/* ---- another IPC namespace -------------------------------------------------------------- */

/* Requests this identifier for the next segment. If the kernel does not support that, the segment
 * may still get an identifier of the old IPC namespace. */
static void wish_for_id (int id)
{
    write_number ("/proc/sys/kernel/shm_next_id", (unsigned long) id);
}

/* A segment of another program in the new IPC namespace. */
enum { NEIGHBOUR_SIZE = 3333, NEIGHBOUR_PATTERN = 41 };

struct neighbour {
    int id;
    struct shmid_ds before;
};

static bool make_neighbour (struct neighbour *neighbour)
{
    void *there;

    neighbour->id = shmget (IPC_PRIVATE, NEIGHBOUR_SIZE, IPC_CREAT | 0600);
    there = neighbour->id < 0 ? (void *) -1 : shmat (neighbour->id, NULL, 0);
    if (there == (void *) -1)
        return false;
    fill_pattern (there, NEIGHBOUR_SIZE, NEIGHBOUR_PATTERN);
    shmdt (there);
    return shmctl (neighbour->id, IPC_STAT, &neighbour->before) == 0;
}

static void check_neighbour (const struct neighbour *neighbour)
{
    struct shmid_ds ds;
    void *there;

    if (shmctl (neighbour->id, IPC_STAT, &ds) != 0 || !same_state (&ds, &neighbour->before)) {
        violation ("after a move, a segment of another program was changed or removed");
        return;
    }
    there = shmat (neighbour->id, NULL, SHM_RDONLY);
    if (there == (void *) -1 || !has_pattern (there, NEIGHBOUR_SIZE, NEIGHBOUR_PATTERN))
        violation ("after a move, a segment of another program was written");
    shmdt (there);
}

/* The name is free in the new IPC namespace, whoever has it in the old one. */
static void create_in_new (const struct handle *old, struct handle *new)
{
    char name[64];
    void *address = NULL;
    int status;

    shared_name (old->name, name);
    status = shmCreate (name, (long) shared_size (old->name), &address, &new->memory);
    new->name = old->name;
    new->address = address;
    new->id = status == 0 ? shmId (new->memory) : -1;
    if (status != 0) {
        violation ("after a move, create of name %d: %s", old->name, strerror (status));
        return;
    }
    if (!is_zero (address, shared_size (old->name)))
        violation ("after a move, name %d is not zero-filled in the new namespace", old->name);
    fill_pattern (address, shared_size (old->name), (unsigned) old->name + 1);
}

/* The segment of an old handle is still attached, but can be neither inspected nor changed. */
static void use_old (const struct actor *a, const struct handle *h)
{
    struct ShmxInfo info;
    int status;

    info.size = sizeof info;
    if (shmAddress (h->memory) != h->address || shmId (h->memory) != h->id
        || shmSizeOf (h->memory) != (long) shared_size (h->name))
        violation ("after a move, the handle of name %d answers something else", h->name);
    if (check_area (h->address, h->name, a->slot, "after a move") != a->sequence[h->name])
        violation ("after a move, the data of name %d changed", h->name);
    if ((status = shmxStat (h->memory, &info)) != EIDRM)
        violation ("after a move, shmxStat of name %d: %s", h->name, strerror (status));
    if ((status = shmxKeep (h->memory, 1)) != EIDRM)
        violation ("after a move, shmxKeep of name %d: %s", h->name, strerror (status));
    if ((status = shmxRemoveSegment (h->memory)) != EIDRM)
        violation ("after a move, shmxRemoveSegment of name %d: %s", h->name, strerror (status));
}

static void leave_old (const struct actor *a, SharedMemory handle)
{
    int status = (a->slot + a->handles) % 2 == 0 ? shmDestroy (handle) : shmxDetach (handle);

    if (status != 0)
        violation ("after a move, an old handle cannot be destroyed: %s", strerror (status));
}

static void destroy_in_new (const struct handle *new)
{
    size_t size = shared_size (new->name);
    int status;

    if (new->id < 0)
        return;
    if (!segment_exists (new->id) || !has_pattern (new->address, size, (unsigned) new->name + 1))
        violation ("after a move, name %d lost its segment or data to the old namespace",
                   new->name);
    status = shmDestroy (new->memory);
    if (status != 0 || segment_exists (new->id))
        violation ("after a move, destroy of name %d: %s", new->name, strerror (status));
}

/* When a process moves, its names stay in the old IPC namespace: it does not use them any more, and
 * its successor finds its private name there. */
static void use_new_namespace (struct actor *a)
{
    struct handle new[HANDLES];
    struct neighbour neighbour;
    struct shm_info info;
    int i, names = 0, equal_ids = 0;

    if (a->handles > 0)
        wish_for_id (a->handle[0].id);
    if (!make_neighbour (&neighbour))
        give_up ("a segment in a new IPC namespace");
    for (i = 0; i < a->handles; i++) {
        int j = 0;

        while (j < i && a->handle[j].name != a->handle[i].name)
            j++;
        if (j < i)
            continue;
        if (names > 0)               /* the registry exists */
            wish_for_id (a->handle[i].id);
        create_in_new (&a->handle[i], &new[names++]);
        equal_ids += new[names - 1].id == a->handle[i].id;
    }
    for (i = 0; i < a->handles; i++) {
        use_old (a, &a->handle[i]);
        leave_old (a, a->handle[i].memory);
    }
    if (a->private_memory != NULL && !a->is_child)
        leave_old (a, a->private_memory);
    check_neighbour (&neighbour);
    for (i = 0; i < names; i++)
        destroy_in_new (&new[i]);
    if (equal_ids > 0 || (a->handles > 0 && neighbour.id == a->handle[0].id))
        __sync_fetch_and_add (&table->equal_ids, 1);
    /* The neighbour and the registry are left. */
    if (shmctl (0, SHM_INFO, (struct shmid_ds *) (void *) &info) < 0 || info.used_ids > 2)
        violation ("after a move, %d segments are left", info.used_ids);
}

static void move_away (struct actor *a)
{
    struct timer timer;

    /* This may fail for a moment, because the kernel frees old namespaces in the background. */
    if (unshare (CLONE_NEWIPC) != 0)
        return;
    timer = begin (a, MOVE, -1);
    clear_held (a->slot);
    use_new_namespace (a);
    end (a, &timer);
    timer = begin (a, EXIT, -1);
    (void) timer;
    exit (0);
}

/* The end of a child or a process, in one of many ways. */
NO_RETURN static void leave (struct actor *a)
{
    struct timer timer;

    switch (below (&a->random, 6)) {
    case 0:
        destroy_all (a);
        break;
    case 1:
        kill (getpid (), SIGKILL); /* the first process of a PID namespace survives that */
        break;
    case 2:
        clear_slot (a->slot);
        _exit (0);
    case 3:
        if (a->is_child) {
            clear_slot (a->slot);
            execute ("--exec-child", a->slot, chance (&a->random));
        }
        break;
    }
    clear_slot (a->slot);
    timer = begin (a, EXIT, -1);
    (void) timer;
    exit (0);
}

/* The child of an actor has its handles, and a slot of its own. */
NO_RETURN static void be_child (const struct actor *parent, uint64_t seed)
{
    struct actor a = *parent;
    int i;

    a.slot = a.slot / SLOTS_EACH * SLOTS_EACH + CHILD;
    a.random = seed;
    a.is_child = true;
    a.child = 0;
    enter_slot (a.slot);
    table->slot[a.slot].op = IDLE;
    for (i = 0; i < a.handles; i++)
        table->held[a.handle[i].name][a.slot] = a.handle[i].id + 1;
    for (i = 0; i < a.handles; i++)
        a.sequence[a.handle[i].name] =
            check_area (a.handle[i].address, a.handle[i].name, a.slot, "after fork");
    act (&a, (int) below (&a.random, 60));
    leave (&a);
}

/* Whether a signal makes the process call exec: some processes with threads do. They have no
 * children, which would outlive the exec. */
static bool is_replaceable (int process)
{
    return process % 8 == 0;
}

static void do_fork (struct actor *a)
{
    uint64_t seed = chance (&a->random);
    struct timer timer;
    pid_t me = getpid ();

    /* Each process has one child, made by its first actor or, if it has threads, by its second. */
    if (a->is_child || a->child != 0 || is_replaceable (a->slot / SLOTS_EACH)
        || a->slot % SLOTS_EACH != (a->slot / SLOTS_EACH % 4 == 0 ? 1 : 0))
        return;
    timer = begin (a, FORK, -1);
    a->child = fork ();
    if (a->child == 0) {
        die_with (me);
        be_child (a, seed);
    }
    end (a, &timer);
    if (a->child < 0)
        a->child = 0;
}

static void look_after_child (struct actor *a, bool wait_for_it)
{
    int status, slot = a->slot / SLOTS_EACH * SLOTS_EACH + CHILD;

    if (a->child == 0)
        return;
    if (waitpid (a->child, &status, wait_for_it ? 0 : WNOHANG) != a->child)
        return;
    a->child = 0;
    clear_slot (slot);
    number_slot (slot, 0, 0);
    if (WIFSIGNALED (status) && WTERMSIG (status) != SIGKILL)
        violation ("a child died: %s", strsignal (WTERMSIG (status)));
    else if (WIFEXITED (status) && WEXITSTATUS (status) != 0)
        violation ("a child exited with %d", WEXITSTATUS (status));
}

static bool has_threads (const struct actor *a)
{
    return a->slot / SLOTS_EACH % 4 == 0;
}

static void act (struct actor *a, int steps)
{
    for (; steps > 0 && !table->stop; steps--) {
        unsigned what = below (&a->random, 1000);

        if (what < 300)
            do_create (a);
        else if (what < 560)
            do_destroy (a);
        else if (what < 700)
            do_write (a);
        else if (what < 860)
            do_read (a);
        else if (what < 945)
            do_private (a);
        else if (what < 965)
            do_save_shared (a);
        else if (what < 990)
            do_fork (a);
        else if (what < 994 && !a->is_child && !has_threads (a) && a->child == 0) {
            slot_of (a)->op = EXEC;
            execute ("--exec-worker", a->slot, chance (&a->random));
        } else if (what < 996 && !a->is_child && !has_threads (a) && a->child == 0) {
            leave (a);
        } else if (what < 997 && table->may_move && !in_directory () && !has_threads (a)
                   && a->child == 0) {
            move_away (a);
        }
        look_after_child (a, false);
    }
}

/* ---- processes -------------------------------------------------------------------------- */

static void start_actor (struct actor *a, int slot, uint64_t seed)
{
    memset (a, 0, sizeof *a);
    a->slot = slot;
    a->random = seed;
    clear_slot (slot);
    enter_slot (slot);
}

struct thread {
    pthread_t id;
    int slot;
    uint64_t seed;
};

static void *run_thread (void *argument)
{
    struct thread *thread = argument;
    struct actor a;

    start_actor (&a, thread->slot, thread->seed);
    inherit_private (&a);
    act (&a, 1 << 30);
    look_after_child (&a, true);
    if (thread->slot % 2 == 0)
        destroy_all (&a);
    clear_slot (a.slot);
    return NULL;
}

/* The system may be short of threads or memory for a moment. */
static void start_thread (struct thread *thread)
{
    int tries, error = EAGAIN;

    for (tries = 0; tries < 500 && error == EAGAIN; tries++) {
        if (tries > 0)
            nap (0.01);
        error = pthread_create (&thread->id, NULL, run_thread, thread);
    }
    if (error != 0) {
        errno = error;
        give_up ("pthread_create in process %d", thread->slot / SLOTS_EACH);
    }
}

static volatile int replaced_process;
static volatile uint64_t replaced_seed;

/* The signal may interrupt the library anywhere. The new program blocks it until it is ready. */
static void replace (int signal_number)
{
    (void) signal_number;
    execute ("--exec-worker", replaced_process * SLOTS_EACH, replaced_seed);
}

static void become_replaceable (int process, uint64_t seed)
{
    struct sigaction action;
    sigset_t signals;

    replaced_process = process;
    replaced_seed = mix (seed ^ 0x4e3);
    memset (&action, 0, sizeof action);
    action.sa_handler = replace;
    sigaction (SIGHUP, &action, NULL);
    sigemptyset (&signals);
    sigaddset (&signals, SIGHUP);
    sigprocmask (SIG_UNBLOCK, &signals, NULL);
}

NO_RETURN static void be_worker (int process, uint64_t seed)
{
    struct thread thread[THREADS];
    struct actor a;
    int i, threads = process % 4 == 0 ? THREADS : 1;

    if (is_replaceable (process))
        become_replaceable (process, seed);
    setenv ("SHM_UTIL_SYNC", mix (seed) % 8 == 0 ? "1" : "0", 1);
    for (i = 1; i < threads; i++) {
        thread[i].slot = process * SLOTS_EACH + i;
        thread[i].seed = mix (seed + (uint64_t) i);
        start_thread (&thread[i]);
    }
    start_actor (&a, process * SLOTS_EACH, seed);
    inherit_private (&a);
    act (&a, 1 << 30);
    for (i = 1; i < threads; i++)
        pthread_join (thread[i].id, NULL);
    look_after_child (&a, true);
    switch (process % 3) {
    case 0:
        destroy_all (&a);
        break;
    case 1:
        clear_slot (a.slot);
        _exit (0);
    }
    clear_slot (a.slot);
    exit (0);
}

static void map_table (void)
{
    table = mmap (NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
    if (table == MAP_FAILED)
        give_up ("mmap");
}

/* After exec: "--exec-child fd slot parent seed" or "--exec-worker ...". */
static int be_executed (char **argv)
{
    struct actor a;
    int slot = atoi (argv[3]);
    uint64_t seed = strtoull (argv[5], NULL, 10);

    table_fd = atoi (argv[2]);
    map_table ();
    strcpy (space, table->space);
    moments.refuse_nameless = table->refuse_nameless;
    die_with (atoi (argv[4]));
    if (strcmp (argv[1], "--exec-worker") == 0)
        be_worker (slot / SLOTS_EACH, seed);
    start_actor (&a, slot, seed);
    a.is_child = true;
    act (&a, (int) below (&a.random, 60));
    leave (&a);
}

/* ---- the master ------------------------------------------------------------------------- */

struct process {
    pid_t pid;
    unsigned incarnation;
    int namespaces;                  /* the flags of its own namespaces */
    bool dumps;                      /* it was sent a signal that dumps core */
    bool stopped;
    double stopped_at, continue_at;
};

struct figures {
    long kills, kills_inside, kills_by_op[OPS], stops, deaths, births, temporaries, rounds;
    long elsewhere;                  /* births in namespaces */
    long dumps, replaced, replaced_inside, takeovers;
};

static struct process processes[PROCESSES];
static struct figures figures;

static int namespaces_of (int which)
{
    static const int flags[10] = {
        0, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWPID | CLONE_NEWUSER, CLONE_NEWPID, 0,
        CLONE_NEWPID | CLONE_NEWUSER, CLONE_NEWPID, 0, 0
    };

    return flags[which % 10];
}

/* Leaves out the namespaces that the system refuses. */
static void choose_namespaces (void)
{
    static const int kinds[] = { CLONE_NEWPID, CLONE_NEWUSER };
    int which, refused = 0, reason = 0;

    for (which = 0; which < (int) COUNT (kinds); which++) {
        int error = namespaces_refused (kinds[which]);

        if (error == 0)
            continue;
        refused |= kinds[which];
        reason = error;
    }
    if (refused != 0)
        skip ("storm: no process is in %s of its own: %s", name_namespaces (refused),
              strerror (reason));
    for (which = 0; which < PROCESSES; which++)
        processes[which].namespaces = namespaces_of (which) & ~refused;
}

struct settler {
    int which;
    uint64_t seed;
    uid_t user;
    gid_t group;
};

/* Runs in the copy of the master that clone(2) makes. Only a new program knows its own IDs. */
static int settle (void *argument)
{
    const struct settler *settler = argument;
    int namespaces = processes[settler->which].namespaces;
    unsigned inside = (namespaces & CLONE_NEWPID) != 0 ? 0 : 7;

    if ((namespaces & CLONE_NEWUSER) != 0
        && !map_user (settler->user, settler->group, inside))
        return 96;
    setpgid (0, 0);
    execute ("--exec-worker", settler->which * SLOTS_EACH, settler->seed);
}

/* Returns -1 if the system refuses it for now, because it frees old namespaces in the
 * background. */
static pid_t start_elsewhere (int which, uint64_t seed)
{
    struct settler settler = { which, seed, geteuid (), getegid () };

    if (processes[which].namespaces == 0)
        return -1;
    return clone_into (processes[which].namespaces, settle, &settler);
}

static void start_process (int which)
{
    struct process *p = &processes[which];
    uint64_t seed =
        mix (table->seed + (uint64_t) which * 1000000007u + (uint64_t) p->incarnation * 7919u);

    p->incarnation++;
    p->stopped = false;
    p->dumps = false;
    figures.births++;
    p->pid = start_elsewhere (which, seed);
    if (p->pid > 0) {
        figures.elsewhere++;
        setpgid (p->pid, p->pid);
        return;
    }
    p->pid = fork_child ();
    if (p->pid == 0) {
        setpgid (0, 0);
        be_worker (which, seed);
    }
    setpgid (p->pid, p->pid);
}

/* In a call of the library? */
static bool is_inside (int op)
{
    return (op >= CREATE && op <= MOVE) || op == EXIT;
}

/* Counts a kill and the actors that die by it, from the first slot to the last. */
static void note_kill (int first, int last)
{
    bool inside = false;
    int slot, op;

    for (slot = first; slot <= last; slot++) {
        op = table->slot[slot].op;
        if (table->slot[slot].pid == 0)
            continue;
        figures.kills_by_op[op]++;
        inside = inside || is_inside (op);
    }
    figures.kills++;
    figures.kills_inside += inside;
}

/* The process is dead, and so is its child: nothing is held by them any more. */
static void bury (int which, int status)
{
    struct process *p = &processes[which];
    int i;

    if (WIFSIGNALED (status) && WTERMSIG (status) != SIGKILL
        && (WTERMSIG (status) != SIGQUIT || !p->dumps))
        violation ("a process died in %s: %s", op_names[table->slot[which * SLOTS_EACH].op],
                   strsignal (WTERMSIG (status)));
    else if (WIFEXITED (status) && WEXITSTATUS (status) != 0)
        violation ("a process exited with %d", WEXITSTATUS (status));
    kill (-p->pid, SIGKILL);
    while (waitpid (-p->pid, NULL, 0) > 0 || errno == EINTR)
        ;
    for (i = 0; i < SLOTS_EACH; i++) {
        clear_slot (which * SLOTS_EACH + i);
        number_slot (which * SLOTS_EACH + i, 0, 0);
    }
    p->pid = 0;
    figures.deaths++;
}

static void let_continue (struct process *p)
{
    double stopped = now () - p->stopped_at;
    int i, which = (int) (p - processes);

    for (i = 0; i < THREADS; i++)
        table->slot[which * SLOTS_EACH + i].stopped += stopped;
    p->stopped = false;
    kill (p->pid, SIGCONT);
}

/* Waits for dead processes and replaces them. Returns how many are alive. */
static int reap (bool replace)
{
    int status, which, alive = 0;
    pid_t pid;

    while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
        for (which = 0; which < PROCESSES; which++)
            if (processes[which].pid == pid) {
                bury (which, status);
                if (replace)
                    start_process (which);
            }
    for (which = 0; which < PROCESSES; which++)
        alive += processes[which].pid != 0;
    return alive;
}

static void shoot (uint64_t *random)
{
    int which = (int) below (random, PROCESSES);
    struct process *p = &processes[which];
    int child = which * SLOTS_EACH + CHILD;
    pid_t child_pid = table->slot[child].pid;

    switch (below (random, 8)) {
    case 0:
    case 1:
    case 2: /* the child, if there is one */
        if (child_pid > 0 && getpgid (child_pid) == p->pid) {
            note_kill (child, child);
            kill (child_pid, SIGKILL);
            break;
        }
        /* fall through */
    default:
        note_kill (which * SLOTS_EACH, child); /* the child dies with its parent */
        kill (p->pid, SIGKILL);
        break;
    case 7: /* all at once */
        note_kill (which * SLOTS_EACH, child);
        kill (-p->pid, SIGKILL);
        break;
    }
}

/* All threads stop for the core dump, wherever they are. The first process of a PID namespace would
 * ignore the signal. */
static void let_dump (uint64_t *random)
{
    int which = (int) below (random, PROCESSES);
    struct process *p = &processes[which];

    if ((p->namespaces & CLONE_NEWPID) != 0 || p->dumps)
        return;
    p->dumps = true;
    figures.dumps++;
    note_kill (which * SLOTS_EACH, which * SLOTS_EACH + CHILD);
    kill (p->pid, SIGQUIT);
}

/* One thread calls exec, which ends all others. */
static void replace_someone (uint64_t *random)
{
    int which = (int) below (random, PROCESSES);
    const struct slot *slot = &table->slot[which * SLOTS_EACH + (int) below (random, THREADS)];
    pid_t thread = slot->thread;

    if (!is_replaceable (which) || thread == 0)
        return;
    figures.replaced++;
    figures.replaced_inside += is_inside (slot->op);
    syscall (SYS_tgkill, processes[which].pid, thread, SIGHUP);
}

static void stop_someone (uint64_t *random, double seconds)
{
    struct process *p = &processes[below (random, PROCESSES)];

    if (p->stopped)
        return;
    kill (p->pid, SIGSTOP);
    p->stopped = true;
    p->stopped_at = now ();
    p->continue_at = p->stopped_at + seconds;
    figures.stops++;
}

/* Lets the processes continue that were stopped for long enough. */
static void continue_stopped (void)
{
    int which;

    for (which = 0; which < PROCESSES; which++)
        if (processes[which].stopped && now () >= processes[which].continue_at)
            let_continue (&processes[which]);
}

/* Waits until there is a registry. A stopped process may hold the lock of the removed one, for which
 * the others wait before they make the next. */
static void await_registry (void)
{
    double until = now () + LOCK_BOUND;

    while (find_registry (NULL) < 0 && now () < until) {
        continue_stopped ();
        nap (0.001);
    }
}

/* Removes the registry as ipcrm(1) does. Processes have it attached, so no name is lost. But names
 * are lost if all of these die before the next registry has them: on a busy machine the master
 * kills faster than they proceed, so it kills nobody until there is one. For the same reason the
 * next registry stays for half a second, and until every second process has it attached: the master
 * cannot see when it has all names. */
static void remove_registry (double *next)
{
    struct shmid_ds ds;
    int registry;

    if (privacy == NO_WORLD || in_directory () || now () < *next)
        return;
    *next = now () + 0.5;
    registry = find_registry (&ds);
    if (registry >= 0 && ds.shm_nattch >= PROCESSES / 2 && shmctl (registry, IPC_RMID, NULL) == 0) {
        figures.takeovers++;
        await_registry ();
    }
}

/* What the kernel calls the function in which an actor waits. */
static void find_wait (const struct slot *slot, char where[64])
{
    struct lines lines;
    const char *line;
    char path[64];

    snprintf (path, sizeof path, "/proc/%d/task/%d/wchan", (int) slot->pid, (int) slot->thread);
    open_lines (&lines, path);
    line = next_line (&lines);
    snprintf (where, 64, "%.63s", line != NULL ? line : "?");
    close_lines (&lines);
}

/* A call that does not end. */
static void watch (void)
{
    int slot;

    for (slot = 0; slot < SLOTS; slot++) {
        struct slot *s = &table->slot[slot];
        struct process *p = &processes[slot / SLOTS_EACH];
        double since = s->op_since;
        int op = s->op;
        char where[64];

        if (!is_inside (op) || op == EXIT || p->stopped || p->pid == 0
            || now () - since < bound_of (op) + 5 || s->op != op || s->op_since != since)
            continue;
        if (now () - since < bound_of (op) + 5 + s->stopped)
            continue; /* perhaps it was stopped */
        find_wait (s, where);
        violation ("%s of name %d by process %d (slot %d) hangs, in %s", op_names[op],
                   s->op_name, (int) s->pid, slot, where);
        s->op = IDLE;
        kill (p->pid, SIGKILL);
    }
}

static void rage (double seconds, uint64_t *random)
{
    double until = now () + seconds, next_long = now () + 8.0, next_removal = now () + 1.0;
    int which, turns = 0;

    for (which = 0; which < PROCESSES; which++)
        start_process (which);
    while (now () < until && table->violations < TOLD) {
        unsigned what = below (random, 100);

        nap (0.0003 + below (random, 3000) * 1e-6);
        reap (true);
        continue_stopped ();
        if (what < 70)
            shoot (random);
        else if (what < 80)
            stop_someone (random, 0.001 + below (random, 300) * 0.001);
        else if (what < 82)
            let_dump (random);
        else
            replace_someone (random);
        if (seconds > 30 && now () > next_long && now () + 13 < until) {
            /* Longer than the lock's limit: processes that wait for it give up in good order. */
            next_long = now () + 25;
            table->long_stop_until = now () + 13;
            stop_someone (random, 11.0);
        }
        remove_registry (&next_removal);
        if (++turns % 100 == 0)
            watch ();
    }
}

/* A process that does not end, with what each of its actors does. */
static void tell_actors (int which)
{
    char text[300] = "", where[64];
    size_t length = 0;
    int slot;

    for (slot = which * SLOTS_EACH; slot < (which + 1) * SLOTS_EACH; slot++) {
        const struct slot *s = &table->slot[slot];

        if (s->pid == 0)
            continue;
        find_wait (s, where);
        snprintf (text + length, sizeof text - length, "; thread %d of process %d is in %s, in %s",
                  (int) s->thread, (int) s->pid, op_names[s->op], where);
        length = strlen (text);
    }
    violation ("process %d does not end%s", (int) processes[which].pid, text);
}

static void calm (void)
{
    double until = now () + LOCK_BOUND + 10 + table->file_bound;
    int which;

    table->stop = 1;
    for (which = 0; which < PROCESSES; which++)
        if (processes[which].stopped)
            let_continue (&processes[which]);
    while (reap (false) > 0 && now () < until)
        nap (0.005);
    for (which = 0; which < PROCESSES; which++)
        if (processes[which].pid != 0) {
            tell_actors (which);
            kill (-processes[which].pid, SIGKILL);
        }
    while (reap (false) > 0)
        nap (0.005);
    table->stop = 0;
}

/* ---- the end of a round ----------------------------------------------------------------- */

enum { ALL_NAMES = NAMES + SLOTS };  /* the shared ones, then the private ones */

struct found {
    SharedMemory memory;
    int id;                          /* -1: there is no such name */
};

static void find_name (int which, struct found *found)
{
    bool is_shared = which < NAMES;
    size_t size = is_shared ? shared_size (which) : private_size (which - NAMES);
    void *address = NULL;
    double since = now ();
    char name[64];
    int status, slot;

    if (is_shared)
        shared_name (which, name);
    else
        private_name (which - NAMES, name);
    status = shmCreate (name, 0, &address, &found->memory);
    if (now () - since > 1)
        violation ("at the end, attaching '%s' takes %.2f s", name, now () - since);
    found->id = status == 0 ? segment_of (found->memory) : -1;
    if (status == 0 && is_shared && is_transient (which))
        violation ("at the end, the transient segment '%s' has outlived its holders", name);
    if (status == 0 && shmSizeOf (found->memory) != (long) size)
        violation ("at the end, '%s' has %ld bytes", name, shmSizeOf (found->memory));
    for (slot = 0; status == 0 && is_shared && slot < SLOTS; slot++)
        check_area (address, which, slot, "at the end");
    if (status == 0)
        return;
    found->memory = NULL;
    if (status != ENOENT)
        violation ("at the end, '%s' cannot be attached: %s", name, strerror (status));
    if (!is_shared && table->slot[which - NAMES].private_state == LIVE)
        violation ("at the end, the private name of slot %d is gone", which - NAMES);
}

static void destroy_name (const struct found *found)
{
    double since = now ();
    int status = shmDestroy (found->memory);

    if (status != 0)
        violation ("at the end, shmDestroy: %s", strerror (status));
    if (now () - since > 1)
        violation ("at the end, shmDestroy takes %.2f s", now () - since);
    if (found->memory != NULL && is_there (found->id))
        violation ("at the end, segment %d outlives its shmDestroy", found->id);
}

/* Every segment belongs to a name or is the one registry. */
static void check_owners (const struct found *found)
{
    static struct segments list;
    char text[200];
    int i, j, registries = 0;

    if (privacy == NO_WORLD && !in_directory ())
        return;
    /* It deletes what dead creators hid, and no orphan, which are all younger. */
    if (shmxPrune (3600, NULL) != 0)
        violation ("at the end, shmxPrune: %s", shmxErrorText ());
    list_all (&list);
    for (i = 0; i < list.count; i++) {
        const struct segment *segment = &list.at[i];

        describe_segment (segment, text, sizeof text);
        for (j = 0; j < ALL_NAMES && found[j].id != segment->id; j++)
            ;
        if (j < ALL_NAMES || (in_directory () && is_of_others (segment)))
            continue;
        if (!is_registry (segment) || (segment->ds.shm_perm.mode & 0777) != 0600)
            violation ("at the end, a segment belongs to no name: %s", text);
        else if (++registries > 1)
            violation ("at the end, there is a second registry: %s", text);
    }
}

/* A newcomer attaches all names, looks for segments without a name, and destroys all names. */
NO_RETURN static void check_the_end (void)
{
    static struct found found[ALL_NAMES];
    int i;

    for (i = 0; i < ALL_NAMES; i++)
        find_name (i, &found[i]);
    check_owners (found);
    for (i = 0; i < ALL_NAMES; i++)
        destroy_name (&found[i]);
    exit (0);
}

static struct segments of_others;    /* in the directory, before the round */

static void check_nothing_left (void)
{
    static struct segments list;
    const char *hurt = in_directory () ? files_of_others_hurt (&of_others) : NULL;
    char text[200];
    int i;

    if (hurt != NULL)
        violation ("after the end, %s", hurt);
    if (privacy == NO_WORLD && !in_directory ())
        return;
    list_all (&list);
    for (i = 0; i < list.count; i++) {
        if (in_directory () && is_of_others (&list.at[i]))
            continue;
        describe_segment (&list.at[i], text, sizeof text);
        violation ("after the end, this is left: %s", text);
    }
    if (privacy != NO_WORLD && count_stray_sets () != 0)
        violation ("after the end, %d locks are left", count_stray_sets ());
    remove_all ();
}

static void check_file (const char *path, const char *name)
{
    static char data[1 << 17];
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read (fd, data, sizeof data);
    unsigned fill;

    close (fd);
    if (strncmp (name, "live-", 5) == 0) {
        if (size != (ssize_t) shared_size (atoi (name + 5)))
            violation ("the saved file %s has %zd bytes", name, size);
    } else if (size <= 0 || check_private (data, (size_t) size, &fill) != (size_t) size) {
        violation ("the saved file %s is not complete (%zd bytes)", name, size);
    }
}

/* Checks all files, counts temporary ones, and leaves the directory empty. */
static void check_files (void)
{
    DIR *entries = opendir (table->directory);
    struct dirent *entry;
    char path[700];
    long kills = figures.kills_by_op[SAVE], strangers = 0;

    while (entries != NULL && (entry = readdir (entries)) != NULL) {
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0
            || strcmp (entry->d_name, "space") == 0)
            continue;
        snprintf (path, sizeof path, "%s/%s", table->directory, entry->d_name);
        if ((strncmp (entry->d_name, "live-", 5) == 0
             || strncmp (entry->d_name, "file-", 5) == 0)
            && strspn (entry->d_name + 5, "0123456789") == strlen (entry->d_name + 5))
            check_file (path, entry->d_name);
        else
            strangers++;
        unlink (path);
    }
    if (entries != NULL)
        closedir (entries);
    figures.temporaries += strangers;
    /* Other deaths (a child with its parent, a process that kills itself) may add a few. */
    if (figures.temporaries > kills + figures.deaths / 10 + 5)
        violation ("%ld temporary files are left after %ld kills in shmSave",
                   figures.temporaries, kills);
}

static void end_round (void)
{
    pid_t child = fork_child ();
    int status, slot;

    if (child == 0) {
        alarm (120);
        check_the_end ();
    }
    wait_for_end (child, &status);
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        violation ("at the end, the checking process died, status %#x", status);
    check_nothing_left ();
    check_files ();
    for (slot = 0; slot < SLOTS; slot++)
        table->slot[slot].private_state = NO_PRIVATE;
    figures.rounds++;
}

/* ---- main ------------------------------------------------------------------------------- */

static void tell_table (void)
{
    uint64_t total = 0, done[OPS];
    double slowest = 0;
    int op, slot, slowest_op = IDLE;

    memset (done, 0, sizeof done);
    for (slot = 0; slot < SLOTS; slot++) {
        for (op = 0; op < OPS; op++)
            done[op] += table->slot[slot].done[op];
        if (table->slot[slot].slowest > slowest) {
            slowest = table->slot[slot].slowest;
            slowest_op = table->slot[slot].slowest_op;
        }
    }
    for (op = 0; op < OPS; op++) {
        total += done[op];
        note ("%-8s %9llu times, %6ld killed in it", op_names[op], (unsigned long long) done[op],
              figures.kills_by_op[op]);
    }
    note ("slowest call: %s, %.3f s, not counting the time that it was stopped",
          op_names[slowest_op], slowest);
    tell_figures (" operations=%llu kills=%ld damage=%d kills_in_calls=%ld stops=%ld rounds=%ld "
                  "timeouts=%llu temporaries=%ld", (unsigned long long) total, figures.kills,
                  table->violations, figures.kills_inside, figures.stops, figures.rounds,
                  (unsigned long long) table->timeouts, figures.temporaries);
    tell_figures (" elsewhere=%ld moves=%llu equal_ids=%llu dumps=%ld replaced=%ld "
                  "replaced_in_calls=%ld takeovers=%ld", figures.elsewhere,
                  (unsigned long long) done[MOVE], (unsigned long long) table->equal_ids,
                  figures.dumps, figures.replaced, figures.replaced_inside, figures.takeovers);
}

/* A core dump begins, and the kernel gives it up for lack of room: see core(5). Workers block the
 * signal that replaces them until they are ready for it. */
static void prepare_signals (void)
{
    const struct rlimit one = { 1, 1 };
    sigset_t signals;

    setrlimit (RLIMIT_CORE, &one);
    sigemptyset (&signals);
    sigaddset (&signals, SIGHUP);
    sigprocmask (SIG_BLOCK, &signals, NULL);
}

/* In turns in memory, where saves are quick, and in the scratch directory. */
static void choose_directory (int round)
{
    const char *directory = round % 2 == 0 ? memory_directory () : NULL;

    snprintf (table->directory, sizeof table->directory, "%s", directory ? directory : scratch);
    table->file_bound = directory ? 0 : DISK_BOUND;
}

/* One round of the quick form, and two of the full one, are in a directory. */
static void choose_namespace (int round, int rounds)
{
    char path[PATH_SIZE];

    if (round < rounds)
        return;
    snprintf (path, sizeof path, "%.290s/space", table->directory);
    use_directory (path);
    make_files_of_others ();
    list_all (&of_others);
    moments.refuse_nameless = ((uint64_t) round + seed) % 2 == 1;
    strcpy (table->space, space);
    table->reuses_numbers = table->file_bound > 0;
    table->refuse_nameless = moments.refuse_nameless;
}

static void make_table (void)
{
    table_fd = (int) syscall (SYS_memfd_create, "storm", 0);
    if (table_fd < 0 || ftruncate (table_fd, (off_t) sizeof *table) != 0)
        give_up ("memfd_create");
    map_table ();
    table->seed = seed;
}

static bool may_move (void)
{
    pid_t child = fork_child ();
    int status;

    if (child == 0)
        _exit (unshare (CLONE_NEWIPC) != 0 ? errno : 0);
    wait_for_end (child, &status);
    if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
        return true;
    skip ("storm: no process moves to another IPC namespace: unshare(2) is refused");
    return false;
}

static void storm (void)
{
    double seconds = full_form ? 230 : 17;
    int rounds = full_form ? 5 : 3, more = full_form ? 2 : 1;
    uint64_t random = mix (seed);
    int round, i;

    if (privacy == NO_WORLD) {
        use_own_names ();
        if (!has_room ("storm", 2 * ALL_NAMES))
            return;
        skip ("storm: does not look for segments without a name, for want of an IPC namespace of "
              "its own");
    }
    unsetenv ("APERROR_PRINT");
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    make_table ();
    choose_namespaces ();
    table->may_move = may_move ();
    prepare_signals ();
    note ("%d processes (every fourth with %d threads), %d names, %.0f s in %d rounds, and %d more "
          "in a directory", PROCESSES, THREADS, NAMES, seconds, rounds, more);
    for (round = 0; round < rounds + more && table->violations == 0; round++) {
        choose_directory (round < rounds ? round : round - rounds);
        choose_namespace (round, rounds);
        rage (round < rounds ? seconds / rounds : full_form ? 40 : 3, &random);
        calm ();
        end_round ();
    }
    for (i = 0; i < table->violations && i < TOLD; i++)
        note ("VIOLATION: %s", table->told[i]);
    check (table->violations == 0 && figures.rounds == rounds + more,
           "%ld processes were started, %ld killed and %ld stopped: names, segments and data are "
           "intact", figures.births, figures.kills, figures.stops);
    tell_table ();
}

int main (int argc, char **argv)
{
    static const struct part parts[] = { { "storm", storm }, { NULL, NULL } };
    const struct program program = { "storm", parts, NULL, 90, 600 };

    if (argc == 6 && strncmp (argv[1], "--exec-", 7) == 0)
        return be_executed (argv);
    return run_program (&program, argc, argv);
}
