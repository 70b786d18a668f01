/*
 * directory.c - the directory of a namespace is renamed, removed, replaced, made unusable, filled
 * up, or unmounted while programs use it.
 */
#include "damage.h"

#include <grp.h>
#include <sys/mount.h>

static char apart[PATH_SIZE + 20];   /* where the directory is put */

struct directory_world {
    int stage;                       /* 1: the holder is ready; 2: it may go on */
    bool other_user;                 /* the newcomer is not root */
    int create, attach, read_only, list, stat, remove, prune, wait;
    double slowest;
    bool held_whole, is_zero;
    int held_stat, destroy;
};

static void hold_alpha (void *argument)
{
    struct directory_world *w = argument;
    struct call alpha = create ("alpha", ALPHA_SIZE);
    struct ShmxInfo info;

    if (alpha.result != 0)
        _exit (1);
    fill_pattern (alpha.address, ALPHA_SIZE, 1);
    reach (&w->stage, 1);
    wait_for_stage (&w->stage, 2, 60);
    info.size = sizeof info;
    w->held_stat = shmxStat (alpha.handle, &info);
    w->held_whole = has_pattern (alpha.address, ALPHA_SIZE, 1);
    w->destroy = shmDestroy (alpha.handle);
}

static void leave_alpha (void *argument)
{
    struct call alpha = create ("alpha", ALPHA_SIZE);

    (void) argument;
    if (alpha.result != 0)
        _exit (1);
    fill_pattern (alpha.address, ALPHA_SIZE, 1);
    _exit (shmxDetach (alpha.handle));
}

static void use_directory_now (void *argument)
{
    enum { NOBODY = 65534 };
    struct directory_world *w = argument;
    struct ShmxInfo info;
    struct call c;
    double since = now ();

    if (w->other_user && (setgroups (0, NULL) != 0 || setresgid (NOBODY, NOBODY, NOBODY) != 0
                          || setresuid (NOBODY, NOBODY, NOBODY) != 0))
        give_up ("another user");
    info.size = sizeof info;
    c = create ("delta", ALPHA_SIZE);
    w->create = c.result;
    w->is_zero = c.result == 0 && is_zero (c.address, ALPHA_SIZE);
    if (c.result == 0 && shmDestroy (c.handle) != 0)
        w->create = -1;
    c = create ("alpha", 0);
    w->attach = c.result;
    if (c.result == 0)
        shmxDetach (c.handle);
    w->read_only = shmxCreate ("alpha", 0, SHMX_RDONLY, 0, NULL, &c.handle);
    if (w->read_only == 0)
        shmxDetach (c.handle);
    w->list = shmxList (nothing_for_each, NULL);
    w->stat = shmxStatName ("alpha", &info);
    w->prune = shmxPrune (3600, NULL);
    w->wait = shmxWait ("delta", 0);
    w->remove = shmxRemove ("delta");
    w->slowest = now () - since;
}

/* Makes the calls, and checks that the process ends. */
static void use_it (struct directory_world *w, const char *what)
{
    struct end end = run (use_directory_now, w);

    check (ended_well (end) && w->slowest < 2, "directory %s: a newcomer ends well (it %s, %.3f s)",
           what, tell_end (end), w->slowest);
}

static void end_holder (struct directory_world *w, pid_t holder, const char *what)
{
    struct end end;

    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end) && w->held_whole,
           "directory %s: the holder has its bytes, and ends well (it %s)", what, tell_end (end));
}

static pid_t begin (struct directory_world **w)
{
    pid_t holder;

    *w = shared (sizeof **w);
    use_own_directory ("directory");
    snprintf (apart, sizeof apart, "%.*s-apart", (int) strlen (space) - 1, space);
    holder = start (hold_alpha, *w);
    if (!wait_for_stage (&(*w)->stage, 1, WATCHDOG))
        give_up ("the holder's name");
    return holder;
}

/* Nothing can be created, found or removed, and each call returns an error. */
static void check_all_refused (const struct directory_world *w, int error, const char *what)
{
    check (w->create == error && w->attach == error && w->read_only == error && w->list == error
           && w->stat == error && w->prune == error && w->wait == error && w->remove == error,
           "directory %s: each call returns the same error (%d %d %d %d %d %d %d %d)", what,
           w->create, w->attach, w->read_only, w->list, w->stat, w->prune, w->wait, w->remove);
}

static void rename_directory (void *argument)
{
    struct directory_world *w;
    pid_t holder = begin (&w);
    struct call *found = shared (sizeof *found);
    char path[PATH_SIZE + 100];

    (void) argument;
    if (rename (space, apart) != 0)
        give_up ("rename");
    use_it (w, "renamed");
    check_all_refused (w, ENOENT, "renamed");
    end_holder (w, holder, "renamed");
    check (w->destroy == 0 && w->held_stat == 0,
           "directory renamed: the holder can destroy its handle (%d %d)", w->destroy,
           w->held_stat);
    if (rename (apart, space) != 0)
        give_up ("rename");
    path_of ("alpha", path);
    check (file_wrong (path, ALPHA_SIZE, 1) == NULL, "directory renamed: the file is whole");
    run (find_alpha, found);
    check (found->result == 0 && file_number (path) < 0,
           "directory renamed back: the name is found and destroyed");
    remove_all ();
}

static void remove_directory (void *argument)
{
    struct directory_world *w;
    pid_t holder = begin (&w);

    (void) argument;
    remove_all ();
    if (rmdir (space) != 0)
        give_up ("rmdir %s", space);
    use_it (w, "removed");
    check_all_refused (w, ENOENT, "removed");
    end_holder (w, holder, "removed");
    check (w->destroy == 0, "directory removed: the holder can destroy its handle (%d)",
           w->destroy);
}

static void replace_directory (void *argument)
{
    struct directory_world *w;
    pid_t holder = begin (&w);
    char path[PATH_SIZE];

    (void) argument;
    snprintf (path, sizeof path, "%.*s", (int) strlen (space) - 1, space);
    if (rename (path, apart) != 0)
        give_up ("rename");
    make_file (path, 100, 5, 0600);
    use_it (w, "replaced by a file");
    check_all_refused (w, ENOTDIR, "replaced by a file");
    end_holder (w, holder, "replaced by a file");
    check (file_wrong (path, 100, 5) == NULL, "directory replaced by a file: that is untouched");
    if (unlink (path) != 0 || rename (apart, path) != 0)
        give_up ("rename");
    remove_all ();
}

static void forbid_directory (void *argument)
{
    struct directory_world *w;
    pid_t holder = begin (&w);
    bool may_write;

    (void) argument;
    w->other_user = privacy == WORLD_OF_ROOT;
    if (memory_directory () != NULL)
        chmod (memory_directory (), 0711);
    if (chmod (space, 0555) != 0)
        give_up ("chmod");
    /* In a user namespace, the capabilities of this process apply to its own files. */
    may_write = !w->other_user && access (space, W_OK) == 0;
    use_it (w, "not writable");
    check (w->create == (may_write ? 0 : EACCES) && w->list == 0 && w->stat == 0 && w->wait == ETIMEDOUT,
           "directory not writable: names can be seen but not created (%d %d %d %d)", w->create,
           w->list, w->stat, w->wait);
    check (w->remove == ENOENT && w->attach == (w->other_user ? EACCES : 0),
           "directory not writable: a name is found if its mode allows (%d %d)", w->remove,
           w->attach);
    if (chmod (space, 0700) != 0)
        give_up ("chmod");
    end_holder (w, holder, "not writable");
    check (w->destroy == 0, "directory writable again: the last shmDestroy deletes (%d)",
           w->destroy);
    remove_all ();
}

/* ---- file systems of the test's own ------------------------------------------------------ */

/* A small file system in memory, in a mount namespace of this process's own. */
static bool mount_small (void)
{
    use_own_directory ("mounted");
    remove_all ();
    if (unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
        && mount ("small", space, "tmpfs", MS_NOSUID, "size=64k,mode=700") == 0)
        return true;
    skip ("damage: no file system that is full, read-only or unmounted: %s", strerror (errno));
    return false;
}

static void fill_directory (void *argument)
{
    struct directory_world *w = shared (sizeof *w);
    static const char data[4096];
    char path[PATH_SIZE + 100];
    struct segments *before = shared (sizeof *before), *after = shared (sizeof *after);
    pid_t holder;
    int fd;

    (void) argument;
    if (!mount_small ())
        return;
    holder = start (hold_alpha, w);
    if (!wait_for_stage (&w->stage, 1, WATCHDOG))
        give_up ("the holder's name");
    path_of (".filler", path);
    fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write (fd, data, sizeof data) > 0)
        ;
    if (fd < 0 || errno != ENOSPC)
        give_up ("a full directory");
    close (fd);
    list_all (before);
    use_it (w, "full");
    check (w->create == ENOSPC, "directory full: shmCreate returns ENOSPC (%s)",
           strerror (w->create));
    check (w->attach == 0 && w->read_only == 0 && w->list == 0 && w->stat == 0 && w->prune == 0,
           "directory full: names are found (%d %d %d %d %d)", w->attach, w->read_only, w->list,
           w->stat, w->prune);
    list_all (after);
    check (after->count == before->count, "directory full: the failed call leaves no file");
    end_holder (w, holder, "full");
    check (w->destroy == 0, "directory full: the last shmDestroy deletes (%d)", w->destroy);
    check_library_works ("beta", "directory with room again");
}

static void freeze_directory (void *argument)
{
    struct directory_world *w = shared (sizeof *w);
    char path[PATH_SIZE + 100];

    (void) argument;
    if (!mount_small ())
        return;
    path_of ("alpha", path);
    if (!ended_well (run (leave_alpha, NULL))
        || mount (NULL, space, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        give_up ("a read-only file system");
    use_it (w, "read-only");
    check (w->create == EROFS && w->attach == EROFS,
           "directory read-only: nothing can be created, or attached for writing (%d %d)",
           w->create, w->attach);
    check (w->read_only == 0 && w->list == 0 && w->stat == 0 && w->prune == 0,
           "directory read-only: names are found (%d %d %d %d)", w->read_only, w->list, w->stat,
           w->prune);
    check (w->remove == ENOENT && file_wrong (path, ALPHA_SIZE, 1) == NULL,
           "directory read-only: the file is whole (%d)", w->remove);
    if (mount (NULL, space, NULL, MS_REMOUNT, NULL) != 0)
        give_up ("a writable file system");
    check_library_works ("alpha", "directory writable again");
}

static void unmount_directory (void *argument)
{
    struct directory_world *w = shared (sizeof *w);
    pid_t holder;

    (void) argument;
    if (!mount_small ())
        return;
    holder = start (hold_alpha, w);
    if (!wait_for_stage (&w->stage, 1, WATCHDOG))
        give_up ("the holder's name");
    if (umount2 (space, MNT_DETACH) != 0)
        give_up ("umount2");
    use_it (w, "unmounted");
    check (w->create == 0 && w->is_zero && w->attach == ENOENT && w->list == 0,
           "directory unmounted: calls use the one below, where the name does not exist (%d %d %d)",
           w->create, w->attach, w->list);
    end_holder (w, holder, "unmounted");
    check (w->destroy == 0, "directory unmounted: the holder can destroy its handle (%d)",
           w->destroy);
    check_library_works ("alpha", "directory unmounted");
    remove_all ();
}

void test_directory (void)
{
    run_test ("directory renamed", rename_directory, NULL, 60);
    run_test ("directory removed", remove_directory, NULL, 60);
    run_test ("directory replaced by a file", replace_directory, NULL, 60);
    run_test ("directory not writable", forbid_directory, NULL, 60);
    run_test ("directory full", fill_directory, NULL, 60);
    run_test ("directory read-only", freeze_directory, NULL, 60);
    run_test ("directory unmounted", unmount_directory, NULL, 60);
}
