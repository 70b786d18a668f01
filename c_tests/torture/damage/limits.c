/*
 * limits.c - limits of the system and of the process are reached.
 */
#include "damage.h"

#include <sys/resource.h>

#define SHMMNI "/proc/sys/kernel/shmmni"
#define SHMALL "/proc/sys/kernel/shmall"
#define SHMMAX "/proc/sys/kernel/shmmax"

/* What a program sees that creates as many names as it can. */
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
    /* One name goes, another comes. */
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
    if (!write_number (SHMMNI, limit) || read_number (SHMMNI) != limit)
        give_up ("%s is written", SHMMNI);
    f->messages = open_messages ();
    end = await (start (fill_registry, f), 60);
    check (ended_well (end), "shmmni %lu: a program that reaches it ends well (it %s)", limit,
           tell_end (end));
    check (f->error_when_full == ENOSPC && f->error_again == ENOSPC,
           "shmmni %lu: after %d names shmCreate returns ENOSPC (%s)", limit, f->made,
           strerror (f->error_when_full));
    check (f->made >= (int) limit - 2, "shmmni %lu: there is room for %d names", limit, f->made);
    read_messages (f->messages, text, sizeof text);
    check (strstr (text, "full-") && strlen (first_line (text)) > 20,
           "the message of ENOSPC names the segment: %s", first_line (text));
    check (f->left_after_error == 0, "the failed call leaves no segment (%d)",
           f->left_after_error);
    check (f->wrong == 0 && f->found == f->made, "all %d names are found (%d wrong)",
           f->found, f->wrong);
    check (f->new_after_destroy && f->same_after,
           "when a name is destroyed, another can be created");
    check (library_works ("full-1", why, sizeof why),
           "when all names are destroyed, the library works (%s)", why);
    check (count_segments () == 0, "when all names are destroyed, no segment is left (%d)",
           count_segments ());
}

/* The registry is made when shmmni is small; then the limit is raised. */
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
    if (!write_number (SHMMNI, 30))
        give_up ("%s is written", SHMMNI);
    g->messages = open_messages ();
    pid = start (outgrow, g);
    wait_for_stage (&g->stage, 1, WATCHDOG);
    write_number (SHMMNI, 4096);
    reach (&g->stage, 2);
    end = await (pid, 30);
    read_messages (g->messages, text, sizeof text);
    check (ended_well (end) && (g->error == 0 || g->error == ENOSPC) && g->made >= 30,
           "shmmni is raised from 30 to 4096 after the registry was made: %d names, then %s",
           g->made, g->error ? strerror (g->error) : "no error");
    if (g->error != 0)
        check (strstr (text, "full") || strstr (text, "room") || strstr (text, "registry"),
               "the message names the registry as the reason: %s", first_line (text));
    check (g->wrong == 0 && count_segments () == 0,
           "all names can be destroyed, and no segment is left (%d wrong, %d left)", g->wrong,
           count_segments ());
}

/* A limit that is reached at the first use or later, and is then lifted. */
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
        if (geteuid () == 0 && privacy == WORLD_OF_ROOT
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
        getrlimit (l->resource, &was);
        now_is = was;
        now_is.rlim_cur = l->value + (l->resource == RLIMIT_AS ? mapped_bytes () : 0);
        if (now_is.rlim_cur > was.rlim_max
            || setrlimit (l->resource, &now_is) != 0
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
        setrlimit (l->resource, &was);
    else {
        reach (&l->stage, 1);        /* the parent may restore it */
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
        skip ("damage: %s: the limit cannot be set", l->what);
        return;
    }
    read_messages (l->messages, text, sizeof text);
    check (ended_well (end), "%s: the program ends well (it %s)", l->what, tell_end (end));
    check (l->before == 0 && l->at_limit > 0 && (l->expected == 0 || l->at_limit == l->expected),
           "%s: shmCreate fails (%s)", l->what, strerror (l->at_limit));
    check (l->no_handle && l->no_address,
           "%s: the handle is NULL, the address is unchanged", l->what);
    check (strlen (first_line (text)) > 20, "%s: there is a message: %s", l->what,
           first_line (text));
    if (!l->at_first_use) {
        check (l->left == 0, "%s: the failed call leaves no segment (%d)", l->what, l->left);
        check (l->old_whole, "%s: an older segment is found and keeps its data (%s)", l->what,
               strerror (l->small_at_limit));
    }
    check (l->after == 0, "%s: when the limit is lifted, the same call works (%s)", l->what,
           strerror (l->after));
    if (l->file)
        write_number (l->file, was);
    left = count_segments ();
    check (left == 0, "%s: no segment is left (%d)", l->what, left);
    check (library_works ("big", why, sizeof why), "%s: the library works afterwards (%s)",
           l->what, why);
}

void test_limits (void)
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
    bool may_set = access (SHMMNI, W_OK) == 0;
    size_t i;

    for (i = 0; i < COUNT (limits); i++) {
        struct limit *l;

        if (limits[i].file && !may_set)
            continue;
        l = shared (sizeof *l);
        *l = limits[i];
        run_test (l->what, limit_world, l, 60);
        munmap (l, sizeof *l);
    }
    if (!may_set) {
        skip ("damage: no limits of the system: %s is not writable", SHMMNI);
        return;
    }
    run_test ("a full registry", full_world, NULL, 120);
    run_test ("a registry that is too small", grown_world, NULL, 120);
}
