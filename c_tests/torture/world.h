/* The little world in which killpoints and faults let processes come to grief, and the check
   that it is whole afterwards.

   One name, W_NAME, is the one that things happen to. In some scenarios a living process, the
   holder, has W_OTHERS other names mapped, with known data, and perhaps W_NAME too. After the
   mishap w_check looks at all of it the way a program would, through the library, and also past
   the library, at the kernel's list of segments:

   - W_NAME is there or is not, as the scenario allows, with its right size and data, and kept
     or not;
   - every other name has its segment and data, as before;
   - there is no segment that no name owns, and at most one registry, not half-born;
   - W_NAME can be destroyed, made anew (zero-filled), mapped twice, and destroyed to the last,
     after which it is gone;
   - none of these calls takes longer than W_SLOW seconds.

   The check is made by the holder, which has used the library before, at every other point, and
   always by a fresh process, which then exits cleanly; after that the kernel's list must be
   what it was before. */

#ifndef WORLD_H
#define WORLD_H

#include "torture.h"
#include "shm_util.h"
#include "shm_util_ext.h"

#include <poll.h>

#define W_NAME "torture/victim"
#define W_SIZE 5000L            /* not a multiple of a page */
#define W_SLOW 1.0
enum { W_OTHERS = 3, W_HELD_FILL = 77, W_OWN_FILL = 99 };

enum w_presence { W_MAY, W_MUST, W_MUST_NOT };
enum w_kept { W_NOT_KEPT, W_MAYBE_KEPT, W_KEPT };

/* What the name may look like after a mishap. */
struct w_expect {
    enum w_presence presence;
    unsigned fill;              /* the pattern in it; 0: zeros */
    bool leftover;              /* segments without a name are forgiven */
    bool believed;              /* all is forgiven, as long as the name is usable */
    enum w_kept kept;           /* does it outlive its last user, if it is there? */
};

/* In memory shared by the processes of one world. */
struct w_shared {
    int damage;                 /* complaints since the last w_reset */
    char complaint[600];        /* the first of them */
    int other_id[W_OTHERS];
    int held_id;
    int leftovers;              /* segments without a name that were forgiven */
    double slowest;             /* seconds, the longest call of a check */
};

struct world {
    struct w_shared *shared;
    bool others, held;          /* what the holder holds */
    pid_t holder;
    int to_holder, from_holder;
    struct t_list *foreign;     /* what was there before the world was made */
    struct t_list *before;      /* what is there when nothing has happened yet */
};

__attribute__((format(printf, 2, 3)))
static inline void w_complain(struct world *w, const char *format, ...)
{
    va_list arguments;

    if (w->shared->damage++ > 0)
        return;
    va_start(arguments, format);
    vsnprintf(w->shared->complaint, sizeof w->shared->complaint, format, arguments);
    va_end(arguments);
}

static inline void w_other_name(int which, char name[32])
{
    snprintf(name, 32, "torture/other %d", which);
}

/* ---------------------------------------------------------------- calls that are timed */

static inline void w_timed(struct world *w, const char *what, double since)
{
    double took = t_now() - since;

    if (took > w->shared->slowest)
        w->shared->slowest = took;
    if (took > W_SLOW)
        w_complain(w, "%s took %.2f s", what, took);
}

static inline int w_create(struct world *w, const char *name, long size, void **address,
                           SharedMemory *memory)
{
    double since = t_now();
    int status;

    *address = NULL;
    *memory = NULL;
    errno = 0;
    status = shmCreate(name, size, address, memory);
    if (status != errno && status != 0)
        w_complain(w, "shmCreate returned %d and set errno to %d", status, errno);
    w_timed(w, "shmCreate", since);
    if ((status == 0) != (*memory != NULL))
        w_complain(w, "shmCreate returned %d and the handle %p", status, (void *) *memory);
    return status;
}

static inline void w_destroy(struct world *w, const char *name, SharedMemory memory)
{
    double since = t_now();
    int status = shmDestroy(memory);

    if (status != 0)
        w_complain(w, "shmDestroy of '%s': %s", name, strerror(status));
    w_timed(w, "shmDestroy", since);
}

/* ---------------------------------------------------------------- the check */

/* Every segment has its place: it was there before us, or is a name's, or the one registry. */
static inline void w_check_segments(struct world *w, const struct w_expect *expect, int id)
{
    static struct t_list now;
    char text[200];
    int i, j, registries = 0;

    t_list(&now);
    for (i = 0; i < now.count; i++) {
        const struct t_segment *segment = &now.at[i];
        bool owned = segment->id == id || (w->held && segment->id == w->shared->held_id);

        if (t_is_dying(segment) || t_find(w->foreign, segment->id))
            continue;
        t_describe(segment, text, sizeof text);
        if (t_is_registry(segment)) {
            if (++registries > 1)
                w_complain(w, "a second registry: %s", text);
            if ((segment->mode & 0777) != 0600)
                w_complain(w, "a registry left half-born: %s", text);
            continue;
        }
        for (j = 0; w->others && j < W_OTHERS; j++)
            owned = owned || segment->id == w->shared->other_id[j];
        if (owned)
            continue;
        if (expect->leftover) {
            w->shared->leftovers++;
            shmctl(segment->id, IPC_RMID, NULL);
        } else {
            w_complain(w, "no name owns this: %s", text);
        }
    }
}

static inline void w_check_other(struct world *w, int which)
{
    char name[32];
    void *address;
    SharedMemory memory;
    int status;

    w_other_name(which, name);
    status = w_create(w, name, 0, &address, &memory);
    if (status != 0) {
        w_complain(w, "the other name '%s' can't be mapped: %s", name, strerror(status));
        return;
    }
    if (shmId(memory) != w->shared->other_id[which])
        w_complain(w, "the other name '%s' has the segment %d, it had %d", name, shmId(memory),
                   w->shared->other_id[which]);
    else if (shmSizeOf(memory) != W_SIZE + which)
        w_complain(w, "the other name '%s' has %ld bytes", name, shmSizeOf(memory));
    else if (t_check_pattern(address, (size_t) (W_SIZE + which), 200 + (unsigned) which) >= 0)
        w_complain(w, "the data of the other name '%s' changed", name);
    w_destroy(w, name, memory);
}

/* Is it kept or not, as it should be? It is not afterwards. */
static inline void w_check_kept(struct world *w, const struct w_expect *expect,
                                SharedMemory memory)
{
    struct ShmxInfo info;
    int status;

    info.size = sizeof info;
    status = shmxStat(memory, &info);
    if (status != 0)
        w_complain(w, "shmxStat: %s", strerror(status));
    else if (expect->kept != W_MAYBE_KEPT && info.kept != (expect->kept == W_KEPT))
        w_complain(w, info.kept ? "the segment is kept" : "the segment is not kept any more");
    status = shmxKeep(memory, 0);
    if (status != 0)
        w_complain(w, "shmxKeep: %s", strerror(status));
}

/* Make the name anew or, if the holder has it, map it again; twice; and give both back. */
static inline void w_check_use(struct world *w)
{
    void *first, *second;
    SharedMemory one, two;
    int status = w_create(w, W_NAME, W_SIZE, &first, &one), id;

    if (status != 0) {
        w_complain(w, "the name can't be created afterwards: %s", strerror(status));
        return;
    }
    id = shmId(one);
    if (shmSizeOf(one) != W_SIZE)
        w_complain(w, "created anew it has %ld bytes", shmSizeOf(one));
    else if (t_check_pattern(first, W_SIZE, w->held ? W_HELD_FILL : 0) >= 0)
        w_complain(w, w->held ? "the data changed" : "created anew it is not zero-filled");
    status = w_create(w, W_NAME, W_SIZE, &second, &two);
    if (status != 0) {
        w_complain(w, "the name can't be mapped twice: %s", strerror(status));
    } else {
        if (shmId(two) != id)
            w_complain(w, "mapped twice it has two segments, %d and %d", id, shmId(two));
        if (!w->held) {
            memset(first, 0x5a, W_SIZE);
            if (memcmp(first, second, W_SIZE) != 0)
                w_complain(w, "two mappings of the name differ");
        }
        w_destroy(w, W_NAME, two);
    }
    w_destroy(w, W_NAME, one);
    if (!w->held && t_exists(id))
        w_complain(w, "the segment outlives its last shmDestroy");
}

/* All that can be asked when the library had to believe something that is not true. */
static inline void w_check_usable(struct world *w)
{
    void *address;
    SharedMemory memory;
    int status = w_create(w, W_NAME, W_SIZE, &address, &memory);

    if (status != 0) {
        w_complain(w, "the name can't be created afterwards: %s", strerror(status));
        return;
    }
    memset(address, 0x5a, W_SIZE);
    w_destroy(w, W_NAME, memory);
}

static inline void w_check(struct world *w, const struct w_expect *expect)
{
    void *address;
    SharedMemory memory;
    int status, id = -1, i;

    if (expect->believed) {
        w_check_usable(w);
        return;
    }
    status = w_create(w, W_NAME, 0, &address, &memory);
    if (status == 0) {
        long bad;

        id = shmId(memory);
        if (expect->presence == W_MUST_NOT)
            w_complain(w, "the name exists and should not");
        if (w->held && id != w->shared->held_id)
            w_complain(w, "the name has the segment %d, the holder has %d", id,
                       w->shared->held_id);
        if (shmSizeOf(memory) != W_SIZE)
            w_complain(w, "the name's segment has %ld bytes", shmSizeOf(memory));
        else if ((bad = t_check_pattern(address, W_SIZE, expect->fill)) >= 0)
            w_complain(w, "the name's data are wrong from byte %ld on", bad);
        w_check_kept(w, expect, memory);
    } else if (status != ENOENT) {
        w_complain(w, "the name can't be mapped: %s", strerror(status));
    } else if (expect->presence == W_MUST) {
        w_complain(w, "the name does not exist and should");
    }
    for (i = 0; w->others && i < W_OTHERS; i++)
        w_check_other(w, i);
    w_check_segments(w, expect, id);
    if (memory != NULL) {
        w_destroy(w, W_NAME, memory);
        if (!w->held && t_exists(id))
            w_complain(w, "the segment outlives its shmDestroy, with nobody attached");
    }
    w_check_use(w);
    status = w_create(w, W_NAME, 0, &address, &memory);
    if (status != (w->held ? 0 : ENOENT))
        w_complain(w, "at the end, mapping the name gives: %s", strerror(status));
    if (memory != NULL)
        w_destroy(w, W_NAME, memory);
}

/* ---------------------------------------------------------------- the holder */

__attribute__((noreturn))
static inline void w_hold(struct world *w, int in, int out)
{
    char name[32], byte = 'r';
    void *address;
    SharedMemory memory;
    struct w_expect expect;
    int i;

    for (i = 0; w->others && i < W_OTHERS; i++) {
        w_other_name(i, name);
        if (w_create(w, name, W_SIZE + i, &address, &memory) != 0)
            t_die("the holder can't create '%s'", name);
        t_write_pattern(address, (size_t) (W_SIZE + i), 200 + (unsigned) i);
        w->shared->other_id[i] = shmId(memory);
    }
    if (w->held) {
        if (w_create(w, W_NAME, W_SIZE, &address, &memory) != 0)
            t_die("the holder can't create '%s'", W_NAME);
        t_write_pattern(address, W_SIZE, W_HELD_FILL);
        w->shared->held_id = shmId(memory);
    }
    do {
        if (write(out, &byte, 1) != 1)
            break;
        if (read(in, &expect, sizeof expect) != sizeof expect)
            break;
        w_check(w, &expect);
    } while (true);
    _exit(0);
}

/* Wait for the holder to be ready, but not for ever. */
static inline void w_await_holder(struct world *w)
{
    struct pollfd answer = { w->from_holder, POLLIN, 0 };
    char byte;

    if (poll(&answer, 1, 60000) == 0)
        w_complain(w, "the holder hangs");
    else if (read(w->from_holder, &byte, 1) != 1)
        w_complain(w, "the holder died");
}

static inline void w_start_holder(struct world *w)
{
    int to[2], from[2];

    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        t_die("pipe");
    w->holder = t_fork();
    if (w->holder == 0) {
        close(to[1]);
        close(from[0]);
        w_hold(w, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    w->to_holder = to[1];
    w->from_holder = from[0];
    w_await_holder(w);
}

static inline void w_stop_holder(struct world *w)
{
    if (w->holder == 0)
        return;
    kill(w->holder, SIGKILL);
    t_reap(w->holder, NULL);
    close(w->to_holder);
    close(w->from_holder);
    w->holder = 0;
}

/* ---------------------------------------------------------------- saved files */

/* The old file is longer than the new one: who overwrites it in place is seen. */
enum { W_OLD_FILL = 55, W_OLD_SIZE = 7000, W_OLD_MODE = 0640 };

enum w_file { W_NO_FILE, W_OLD_FILE, W_NEW_FILE, W_BROKEN_FILE };

static inline void w_write_file(const char *path, size_t size, unsigned fill)
{
    unsigned char data[W_SIZE * 2];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, W_OLD_MODE);

    t_write_pattern(data, size, fill);
    if (fd < 0 || write(fd, data, size) != (ssize_t) size || fchmod(fd, W_OLD_MODE) != 0)
        t_die("write %s", path);
    close(fd);
}

/* Is this whole, and which of the two is it? */
static inline enum w_file w_which_file(const char *path, unsigned new_fill)
{
    unsigned char data[W_SIZE * 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return errno == ENOENT ? W_NO_FILE : W_BROKEN_FILE;
    size = read(fd, data, sizeof data);
    close(fd);
    if (size == W_OLD_SIZE && t_check_pattern(data, W_OLD_SIZE, W_OLD_FILL) < 0)
        return W_OLD_FILE;
    if (size == W_SIZE && t_check_pattern(data, W_SIZE, new_fill) < 0)
        return W_NEW_FILE;
    return W_BROKEN_FILE;
}

/* Remove all files of the directory but the one to keep (which may be NULL); return how many. */
static inline int w_sweep(const char *directory, const char *keep)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;
    int removed = 0;

    while (entries != NULL && (entry = readdir(entries)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0
            && (keep == NULL || strcmp(entry->d_name, keep) != 0)) {
            unlinkat(dirfd(entries), entry->d_name, 0);
            removed++;
        }
    if (entries != NULL)
        closedir(entries);
    return removed;
}

/* ---------------------------------------------------------------- the world's life */

/* Throw away what is there and make all anew. */
static inline void w_reset(struct world *w)
{
    w_stop_holder(w);
    t_remove_new(w->foreign);
    w->shared->damage = 0;
    w->shared->complaint[0] = '\0';
    if (w->others || w->held)
        w_start_holder(w);
    t_list(w->before);
}

static inline void w_make(struct world *w, bool others, bool held)
{
    if (w->shared == NULL) {
        w->shared = (struct w_shared *) t_shared_memory(sizeof *w->shared);
        w->foreign = (struct t_list *) t_shared_memory(sizeof *w->foreign);
        w->before = (struct t_list *) t_shared_memory(sizeof *w->before);
        t_list(w->foreign);
    }
    w->others = others;
    w->held = held;
    w_reset(w);
}

static inline void w_unmake(struct world *w)
{
    w_stop_holder(w);
    t_remove_new(w->foreign);
}

/* After the clean exit of the last process: is the list of segments as it was before? */
static inline void w_check_nothing_left(struct world *w)
{
    static struct t_list now;
    char text[200];
    int i;

    t_list(&now);
    for (i = 0; i < now.count; i++)
        if (t_find(w->before, now.at[i].id) == NULL) {
            t_describe(&now.at[i], text, sizeof text);
            w_complain(w, "left at the end: %s", text);
        }
    for (i = 0; i < w->before->count; i++)
        if (t_find(&now, w->before->at[i].id) == NULL) {
            t_describe(&w->before->at[i], text, sizeof text);
            w_complain(w, "missing at the end: %s", text);
        }
}

/* The whole check after a mishap. Leaves a clean world, also when there was damage. Returns
   whether there was, and then the complaint is in text. */
static inline bool w_verdict(struct world *w, const struct w_expect *expect, bool ask_holder,
                             char *text, size_t size)
{
    struct w_expect after = *expect;
    bool damaged;
    int status;
    pid_t child;

    if (ask_holder && w->holder != 0) {
        if (write(w->to_holder, &after, sizeof after) != (ssize_t) sizeof after)
            w_complain(w, "the holder is gone");
        w_await_holder(w);
        after.presence = w->held ? W_MUST : W_MUST_NOT;
    }
    child = t_fork();
    if (child == 0) {
        alarm(60);
        w_check(w, &after);
        exit(0);
    }
    t_reap(child, &status);
    if (WIFSIGNALED(status))
        w_complain(w, "the checking process died: %s", strsignal(WTERMSIG(status)));
    if (!expect->believed)
        w_check_nothing_left(w);
    damaged = w->shared->damage > 0;
    if (damaged)
        snprintf(text, size, "%s", w->shared->complaint);
    if (damaged || expect->believed)
        w_reset(w);
    return damaged;
}

/* ---- what a tracee has prepared before the call that is tried ---- */

static void *address;
static SharedMemory memory;

static void must(int status, const char *what)
{
    if (status != 0) {
        fprintf(stderr, "harness: %s: %s\n", what, strerror(status));
        _exit(126);
    }
}

static void prepare_warm(void)
{
    must(shmCreate("torture/warm", 100, &address, &memory), "create");
    must(shmDestroy(memory), "destroy");
    address = NULL;
    memory = NULL;
}

static void prepare_attached(void)
{
    must(shmCreate(W_NAME, 0, &address, &memory), "attach");
}

static void prepare_own(void)
{
    must(shmCreate(W_NAME, W_SIZE, &address, &memory), "create");
    t_write_pattern(address, W_SIZE, W_OWN_FILL);
}

__attribute__((unused)) static void prepare_own_kept(void)
{
    prepare_own();
    must(shmxKeep(memory, 1), "keep");
}

static void abandon(void)
{
    shmdt(address);
    address = NULL;
    memory = NULL;
}

/* The name is there and nobody has it mapped, as after the death of its last process. */
static void prepare_orphan(void)
{
    prepare_own();
    abandon();
}

__attribute__((unused)) static void prepare_orphan_kept(void)
{
    prepare_own_kept();
    abandon();
}

#endif
