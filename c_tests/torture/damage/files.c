/*
 * files.c - in a directory namespace, a segment's file is cut, extended, replaced, removed,
 * renamed, linked, or made unreadable while programs use it.
 *
 * A holder has alpha and beta. Something happens to alpha's file. Then a newcomer calls whatever
 * uses a name, and the holder whatever uses a handle. Each call ends within a second, with success
 * or with an error that makes sense. What has taken the file's place is left alone, and beta is as
 * before.
 */
#include "damage.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

enum { FOREIGN_SIZE = 6400, FOREIGN_PATTERN = 9, CUT_SIZE = 100, LONG_SIZE = 9000 };

/* ---- what happens to the file ----------------------------------------------------------- */

static char alpha_path[PATH_SIZE + 100], other_path[PATH_SIZE + 100];

static bool cut (void)
{
    return truncate (alpha_path, CUT_SIZE) == 0;
}

static bool make_empty (void)
{
    return truncate (alpha_path, 0) == 0;
}

static bool extend (void)
{
    return truncate (alpha_path, LONG_SIZE) == 0;
}

static bool remove_it (void)
{
    return unlink (alpha_path) == 0;
}

static bool rename_it (void)
{
    return rename (alpha_path, other_path) == 0;
}

static bool link_it (void)
{
    return link (alpha_path, other_path) == 0;
}

static bool replace_by_link (void)
{
    return remove_it () && symlink (".others", alpha_path) == 0;
}

static bool replace_by_loose_link (void)
{
    return remove_it () && symlink ("nothing", alpha_path) == 0;
}

static bool replace_by_pipe (void)
{
    return remove_it () && mkfifo (alpha_path, 0660) == 0;
}

static bool replace_by_directory (void)
{
    return remove_it () && mkdir (alpha_path, 0770) == 0;
}

/* /dev/null. */
static bool replace_by_device (void)
{
    return remove_it () && mknod (alpha_path, S_IFCHR | 0660, makedev (1, 3)) == 0;
}

static bool replace_by_socket (void)
{
    struct sockaddr_un address;
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset (&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (strlen (alpha_path) >= sizeof address.sun_path)
        return false;
    strcpy (address.sun_path, alpha_path);
    return remove_it () && bind (fd, (struct sockaddr *) &address, sizeof address) == 0
           && close (fd) == 0;
}

static bool replace_by_file (void)
{
    make_file (other_path, FOREIGN_SIZE, FOREIGN_PATTERN, 0660);
    return rename (other_path, alpha_path) == 0;
}

static bool make_unreadable (void)
{
    return chmod (alpha_path, 0) == 0;
}

/* What a call finds under the name afterwards. */
enum gives { THE_SEGMENT, ANOTHER, NEW_ONE, REFUSAL };

static const struct file_blow {
    const char *what;
    bool (*strike) (void);
    enum gives gives;
    int create, attach;              /* of a newcomer, with a size and without one */
    int save;                        /* of the holder */
    bool is_lost;                    /* the name is not the holder's segment any more */
} blows[] = {
    { "cut", cut, THE_SEGMENT, EINVAL, 0, EIO, false },
    { "emptied", make_empty, REFUSAL, EINVAL, EINVAL, EIO, false },
    { "extended", extend, THE_SEGMENT, 0, 0, 0, false },
    { "removed", remove_it, NEW_ONE, 0, 0, 0, true },
    { "renamed", rename_it, NEW_ONE, 0, 0, 0, true },
    { "linked to another name", link_it, THE_SEGMENT, 0, 0, 0, false },
    { "replaced by a symbolic link", replace_by_link, REFUSAL, EINVAL, EINVAL, 0, true },
    { "replaced by a link to nothing", replace_by_loose_link, REFUSAL, EINVAL, EINVAL, 0, true },
    { "replaced by a pipe", replace_by_pipe, REFUSAL, EINVAL, EINVAL, 0, true },
    { "replaced by a directory", replace_by_directory, REFUSAL, EINVAL, EINVAL, 0, true },
    { "replaced by a device", replace_by_device, REFUSAL, EINVAL, EINVAL, 0, true },
    { "replaced by a socket", replace_by_socket, REFUSAL, EINVAL, EINVAL, 0, true },
    { "replaced by another file", replace_by_file, ANOTHER, 0, 0, 0, true },
    { "made unreadable", make_unreadable, THE_SEGMENT, 0, 0, 0, false },
};

/* ---- a newcomer and the holder ---------------------------------------------------------- */

enum late {
    CREATE, ATTACH, READ_ONLY, STAT, LIST, WAIT, KEEP, NO_MORE, PERMIT, PRUNE, BETA, LATES
};

static const char *const late_name[LATES] = {
    "shmCreate", "shmCreate without a size", "shmxCreate, read-only", "shmxStatName", "shmxList",
    "shmxWait", "shmxKeepName", "shmxKeepName, no more", "shmxSetPermName", "shmxPrune",
    "shmCreate of another name"
};

struct file_world {
    const struct file_blow *blow;
    int stage;                       /* 1: the holder is ready; 2: it may go on */
    int late[LATES];
    double slowest;
    bool late_whole, beta_whole;
    int stat, sync, save, keep, destroy, destroy_beta;
    bool held_whole;
    int messages;
};

static void note_late (struct file_world *w, enum late which, int result, double since)
{
    w->late[which] = result;
    if (now () - since > w->slowest)
        w->slowest = now () - since;
}

/* Leaves the segment as an orphan. */
static void attach_late (struct file_world *w, enum late which, long size, int flags)
{
    void *start = NULL;
    SharedMemory handle;
    double since = now ();
    int status = shmxCreate ("alpha", size, flags, 0, &start, &handle);
    long length = status == 0 ? shmSizeOf (handle) : 0;

    note_late (w, which, status, since);
    if (status != 0)
        return;
    if (w->blow->gives == NEW_ONE)
        w->late_whole &= is_zero (start, ALPHA_SIZE);
    else if (w->blow->gives == ANOTHER)
        w->late_whole &= length == FOREIGN_SIZE
            && has_pattern (start, FOREIGN_SIZE, FOREIGN_PATTERN);
    else
        w->late_whole &= has_pattern (start, length < ALPHA_SIZE ? CUT_SIZE : ALPHA_SIZE, 1);
    if (shmxDetach (handle) != 0)
        w->late_whole = false;
}

static void call_all (void *argument)
{
    struct file_world *w = argument;
    struct ShmxInfo info;
    struct call c;
    double since;

    keep_messages (w->messages);
    w->late_whole = true;
    info.size = sizeof info;
    attach_late (w, CREATE, ALPHA_SIZE, 0);
    attach_late (w, ATTACH, 0, 0);
    attach_late (w, READ_ONLY, 0, SHMX_RDONLY);
    since = now ();
    note_late (w, STAT, shmxStatName ("alpha", &info), since);
    since = now ();
    note_late (w, LIST, shmxList (nothing_for_each, NULL), since);
    since = now ();
    note_late (w, WAIT, shmxWait ("alpha", 0), since);
    since = now ();
    note_late (w, KEEP, shmxKeepName (NULL, "alpha", 1), since);
    since = now ();
    note_late (w, PERMIT, shmxSetPermName (NULL, "alpha", SHMX_SAME, SHMX_SAME, 0600), since);
    since = now ();
    note_late (w, PRUNE, shmxPrune (0, NULL), since);
    since = now ();
    note_late (w, NO_MORE, shmxKeepName (NULL, "alpha", 0), since);
    since = now ();
    c = create ("beta", BETA_SIZE);
    note_late (w, BETA, c.result, since);
    w->beta_whole = c.result == 0 && has_pattern (c.address, BETA_SIZE, 2)
        && shmDestroy (c.handle) == 0;
}

static void hold_files (void *argument)
{
    struct file_world *w = argument;
    struct call alpha = create ("alpha", ALPHA_SIZE), beta = create ("beta", BETA_SIZE);
    struct ShmxInfo info;
    char path[PATH_SIZE];

    if (alpha.result != 0 || beta.result != 0)
        _exit (1);
    keep_messages (w->messages);
    fill_pattern (alpha.address, ALPHA_SIZE, 1);
    fill_pattern (beta.address, BETA_SIZE, 2);
    reach (&w->stage, 1);
    wait_for_stage (&w->stage, 2, 60);
    info.size = sizeof info;
    snprintf (path, sizeof path, "%s/saved", scratch);
    w->stat = shmxStat (alpha.handle, &info);
    w->sync = shmxSync (alpha.handle);
    w->save = shmSave (alpha.handle, path);
    if (w->save == 0 && file_wrong (path, ALPHA_SIZE, 1) != NULL)
        w->save = -1;
    unlink (path);
    w->keep = shmxKeep (alpha.handle, 0);
    w->held_whole = has_pattern (beta.address, BETA_SIZE, 2)
        && shmSizeOf (alpha.handle) == ALPHA_SIZE && shmAddress (alpha.handle) == alpha.address;
    if (w->blow->save == 0)          /* otherwise some of its memory is missing */
        w->held_whole &= has_pattern (alpha.address, ALPHA_SIZE, 1);
    w->destroy = shmDestroy (alpha.handle);
    w->destroy_beta = shmDestroy (beta.handle);
}

/* ---- one blow --------------------------------------------------------------------------- */

static bool makes_sense (enum late call, int result)
{
    /* An empty file may be about to be filled, so shmxWait waits for it. */
    return result == 0 || result == EINVAL || result == ENOENT || result == EACCES
        || (call == WAIT && result == ETIMEDOUT);
}

static void check_late (const struct file_world *w)
{
    const struct file_blow *blow = w->blow;
    bool root = geteuid () == 0;
    int create_wanted = blow->create, attach_wanted = blow->attach;
    enum late i;

    if (blow->strike == make_unreadable && !root)
        create_wanted = attach_wanted = EACCES;
    check (w->late[CREATE] == create_wanted && w->late[ATTACH] == attach_wanted
           && w->late[READ_ONLY] == attach_wanted && w->late_whole,
           "file %s: a newcomer finds %s (%d %d %d)", blow->what,
           blow->gives == REFUSAL   ? "an error"
           : blow->gives == NEW_ONE ? "a new segment"
           : blow->gives == ANOTHER ? "the other file's bytes"
                                    : "the segment", w->late[CREATE], w->late[ATTACH],
           w->late[READ_ONLY]);
    for (i = STAT; i < LATES; i++)
        if (!makes_sense (i, w->late[i]))
            check (false, "file %s: %s returns an error that makes sense (%s)", blow->what,
                   late_name[i], strerror (w->late[i]));
    check (w->late[LIST] == 0 && w->late[PRUNE] == 0 && w->late[BETA] == 0 && w->beta_whole,
           "file %s: other names can be listed and attached", blow->what);
    check (w->slowest < 1, "file %s: no call takes long (%.3f s)", blow->what, w->slowest);
}

/* What has taken the file's place is still there. */
static void check_place (const struct file_world *w, const struct stat *before)
{
    struct stat after;
    bool is_there = lstat (alpha_path, &after) == 0;

    if (w->blow->gives == REFUSAL && w->blow->is_lost)
        check (is_there && after.st_ino == before->st_ino && after.st_mode == before->st_mode
               && after.st_ctim.tv_nsec == before->st_ctim.tv_nsec,
               "file %s: that stays as it is", w->blow->what);
    else if (w->blow->gives == ANOTHER)
        check (file_wrong (alpha_path, FOREIGN_SIZE, FOREIGN_PATTERN) == NULL,
               "file %s: that stays as it is", w->blow->what);
    else if (!w->blow->is_lost)
        check (!is_there, "file %s: the last shmDestroy deletes it", w->blow->what);
    if (w->blow->strike == link_it || w->blow->strike == rename_it)
        check (file_wrong (other_path, ALPHA_SIZE, 1) == NULL,
               "file %s: the other name's file stays as it is", w->blow->what);
}

static void strike_file (void *argument)
{
    struct file_world *w = argument;
    const struct file_blow *blow = w->blow;
    struct segments *before = shared (sizeof *before);
    const char *hurt;
    struct stat status;
    char text[4000];
    struct end end;
    pid_t holder;

    w->messages = open_messages ();
    use_own_directory ("files");
    path_of ("alpha", alpha_path);
    path_of ("omega", other_path);
    holder = start (hold_files, w);
    if (!wait_for_stage (&w->stage, 1, WATCHDOG))
        give_up ("the holder's names");
    list_all (before);
    if (!blow->strike ()) {
        skip ("damage: a file cannot be %s: %s", blow->what, strerror (errno));
        kill (holder, SIGKILL);
        remove_all ();
        return;
    }
    lstat (alpha_path, &status);
    end = run (call_all, w);
    check (ended_well (end), "file %s: a newcomer ends well (it %s)", blow->what, tell_end (end));
    check_late (w);
    reach (&w->stage, 2);
    end = await (holder, WATCHDOG);
    check (ended_well (end) && w->held_whole,
           "file %s: the holder has its bytes, and ends well (it %s)", blow->what, tell_end (end));
    check (w->stat == 0 && w->sync == 0 && w->save == blow->save && w->destroy == 0
           && w->destroy_beta == 0 && w->keep == (blow->is_lost ? EIDRM : 0),
           "file %s: its calls return what they must (%d %d %d %d %d)", blow->what, w->stat,
           w->sync, w->save, w->keep, w->destroy);
    check_place (w, &status);
    hurt = files_of_others_hurt (before);
    check (hurt == NULL, "file %s: nothing is done to the files of others%s%s", blow->what,
           hurt ? ": " : "", hurt ? hurt : "");
    if (w->late[CREATE] != 0 || w->save != 0) {
        read_messages (w->messages, text, sizeof text);
        check (strstr (first_line (text), "alpha") != NULL, "file %s: the message: %s", blow->what,
               first_line (text));
    }
    check_library_works ("beta", blow->what);
    remove_all ();
}

void test_files (void)
{
    size_t i;

    for (i = 0; i < COUNT (blows); i++) {
        struct file_world *w = shared (sizeof *w);

        w->blow = &blows[i];
        run_test (blows[i].what, strike_file, w, 60);
        munmap (w, sizeof *w);
    }
}
