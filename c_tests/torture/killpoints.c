/*
 * killpoints.c - a process is killed before every instruction of the library.
 *
 * What it proves. Each scenario is a call of the library in some situation, see the table below.
 * A process is stopped just before the call, executes N instructions, and is killed with SIGKILL,
 * for every N from 0 until the call returns or the process has exited. After each kill the scene
 * must be intact, see scene.h. In the scenarios with "recover", the process that is killed is
 * cleaning up after another one, which was killed at the worst moment. In those with "silent", the
 * kernel did not release that process's lock, as when another thread of the lock's holder calls
 * exec.
 *
 * In the scenarios that begin with "pid", "user" or "both", each process that is killed is in a new
 * PID or user namespace, or in both, and the processes that make the check are outside. In those
 * with "above", the processes that make the check are in a PID namespace below that of the process
 * that is killed. In those with "each", every process is the first one of its own PID namespace, so
 * all of them have the same ID.
 *
 * How. The process is a child of this one, which traces it with ptrace(2). A first run is
 * single-stepped from beginning to end and records the address of every instruction. Point N is
 * then reached with a hardware breakpoint on its instruction, which is passed as often as that
 * instruction was executed before; or, where that takes fewer stops, with a breakpoint on an
 * earlier instruction and single steps from there. A system call counts as one instruction. At
 * each point the address must be the one of the first run, and every 50th point is reached by
 * single steps alone. Where the path differs from run to run (a random key), the point is tried
 * again; after three times the process is killed where it is, which counts as "strayed".
 *
 * In the scenarios that begin with "dir" the namespace is a directory in memory, in those with
 * "disk" one on the disk of TMPDIR. In those with "named" the file system has no nameless files
 * (O_TMPFILE), in those with "unlinked" such a file cannot get a name: the library uses temporary
 * files, which the next processes sweep. The killed process itself plays the part of others, right
 * before the system call for which it matters (see moments in files.h): there, the name is taken,
 * or the last holder leaves, or another one comes.
 *
 * The registry has room for as many names as the system allows segments, and recovery looks at
 * all of it. To be able to try every turn of that loop, the workers lower the limit in their
 * worlds, where they may. The code is the same.
 *
 * The quick form takes about 110 points per scenario (12 in a directory namespace, where only
 * system calls change what others see), at a stride whose offset depends on the seed, and all
 * points next to a system call. The full form takes 1500 points (750 in a directory) and, of a
 * scenario that is run alone, all; of those that cannot be reached with a few thousand stops (deep
 * in a loop) it takes one in 64, and counts the others as "skipped".
 * `killpoints full 1 create-new:17` tries one point.
 */
#include "scene.h"

#ifdef KNOWS_PROCESSOR

/* ---- scenarios -------------------------------------------------------------------------- */

/* Of the traced process. */
static char directory[PATH_SIZE];
static char file[PATH_SIZE + 10];

static void prepare_occupied (void)
{
    address = mmap (NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int call_create_bigger (void)
{
    return shmCreate (victim_name, 2 * VICTIM_SIZE, &address, &memory);
}

static int call_save (void)
{
    return shmSave (memory, file);
}

static int call_create_kept (void)
{
    return shmxCreate (victim_name, VICTIM_SIZE, SHMX_EXCL | SHMX_KEEP, 0, &address, &memory);
}

enum victim {
    NO_VICTIM,
    VICTIM_CREATE,
    VICTIM_DESTROY,
    VICTIM_BIRTH,
    VICTIM_REMOVE,
    VICTIM_TAKEOVER,
    VICTIM_LONG,
    VICTIM_SILENT                    /* as VICTIM_CREATE, but its lock is not released */
};

#define NEVER_KEPT { NOT_KEPT, NOT_KEPT, NOT_KEPT }
#define ALWAYS_KEPT { KEPT, KEPT, KEPT }

struct scenario {
    const char *name;
    bool others, held;
    void (*prepare) (void);
    int (*call) (void);
    int status;                      /* what the call returns if nothing kills the process */
    enum presence before, between, after;
    unsigned pattern;                /* in the victim's segment, if that exists */
    enum victim victim;              /* which process was killed before */
    enum file_state file;            /* what a save finds: NEW_FILE: none; NO_FILE: not a save */
    enum kept_state kept[3];         /* before, between and after */
    enum setting setting;
    enum places places;
};

static const struct scenario scenarios[] = {
    { "create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "create-new-again", true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "create-first", false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "create-existing", true, true, prepare_nothing, call_create, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "attach-existing", true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-left-alone", true, false, prepare_orphan, call_create, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-no-such", true, false, prepare_nothing, call_attach, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-no-such-first", false, false, prepare_nothing, call_attach, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-too-big", true, true, prepare_nothing, call_create_bigger, EINVAL,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-no-room", true, false, prepare_occupied, call_create, EINVAL,
      MUST_NOT_EXIST, MAY_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "destroy-not-last", true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "destroy-only", false, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "exit-after-use", false, false, prepare_warm, call_exit, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "exit-with-others", true, false, prepare_own, call_exit, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "exit-with-name", false, false, prepare_own, call_exit, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-exclusive", true, false, prepare_nothing, call_create_exclusive, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "create-not-exclusive", true, true, prepare_warm, call_create_exclusive, EEXIST,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "create-kept", true, false, prepare_nothing, call_create_kept, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, { NOT_KEPT, KEPT, KEPT },
      USUAL, TOGETHER },
    { "create-kept-no-room", true, false, prepare_occupied, call_create_kept, EINVAL,
      MUST_NOT_EXIST, MAY_EXIST, MUST_NOT_EXIST, 0,
      NO_VICTIM, NO_FILE, { NOT_KEPT, KEPT, NOT_KEPT }, USUAL, TOGETHER },
    { "keep", true, false, prepare_own, call_keep, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN,
      NO_VICTIM, NO_FILE, { NOT_KEPT, MAYBE_KEPT, KEPT }, USUAL, TOGETHER },
    { "keep-no-more", true, false, prepare_own_kept, call_keep_no_more, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN,
      NO_VICTIM, NO_FILE, { KEPT, MAYBE_KEPT, NOT_KEPT }, USUAL, TOGETHER },
    { "destroy-kept", true, false, prepare_own_kept, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      USUAL, TOGETHER },
    { "remove-mapped", true, false, prepare_own_kept, call_remove, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      USUAL, TOGETHER },
    { "remove-by-handle", true, false, prepare_own_kept, call_remove_segment, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      USUAL, TOGETHER },
    { "detach-last", true, false, prepare_own, call_detach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "wait-for-no-such", true, false, prepare_nothing, call_wait, ETIMEDOUT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "remove-unused", true, false, prepare_orphan, call_remove, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "remove-no-such-first", false, false, prepare_nothing, call_remove, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "prune", true, false, prepare_orphan, call_prune, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "prune-kept", true, false, prepare_orphan_kept, call_prune, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      USUAL, TOGETHER },
    { "prune-mapped", true, true, prepare_warm, call_prune, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "list", true, false, prepare_orphan, call_list, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "save-new", true, true, prepare_attached, call_save, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NEW_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "save-over", true, true, prepare_attached, call_save, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, OLD_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "recover-create", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_CREATE, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "recover-destroy", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_DESTROY, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "recover-birth", false, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_BIRTH, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "recover-remove", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_REMOVE, NO_FILE, NEVER_KEPT, USUAL, TOGETHER },
    { "takeover-create-new", true, false, prepare_removed, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-create-again", true, false, prepare_warm_removed, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-attach", true, true, prepare_removed, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-destroy", true, false, prepare_own_removed, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-destroy-held", true, true, prepare_attached_removed, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-destroy-kept", true, false, prepare_own_kept_removed, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "takeover-exit", true, false, prepare_own_removed, call_exit, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "recover-takeover", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_TAKEOVER, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "sweep-first", false, false, prepare_left_behind, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "small-create-first", false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      SMALL_REGISTRY, TOGETHER },
    { "small-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      SMALL_REGISTRY, TOGETHER },
    { "long-create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      LONG_NAME, TOGETHER },
    { "long-attach-existing", true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      LONG_NAME, TOGETHER },
    { "long-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      LONG_NAME, TOGETHER },
    { "recover-long", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_LONG, NO_FILE, NEVER_KEPT,
      LONG_NAME, TOGETHER },
    { "pid-create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_PID },
    { "pid-attach", true, true, prepare_nothing, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_PID },
    { "pid-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_PID },
    { "pid-recover-create", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_CREATE, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_PID },
    { "user-create-first", false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_USER },
    { "user-attach", true, true, prepare_nothing, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_USER },
    { "user-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_USER },
    { "both-recover-destroy", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_DESTROY, NO_FILE, NEVER_KEPT, USUAL,
      MISHAP_IN_BOTH },
    { "above-create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      CHECK_IN_PID },
    { "above-recover-create", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_CREATE, NO_FILE, NEVER_KEPT, USUAL,
      CHECK_IN_PID },
    { "each-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT, USUAL,
      EACH_IN_PID },
    { "each-recover-create", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_CREATE, NO_FILE, NEVER_KEPT, USUAL,
      EACH_IN_PID },
    { "each-takeover-attach", true, true, prepare_removed, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, EACH_IN_PID },
    { "silent-recover-create", true, false, prepare_nothing, call_create, 0,
      MAY_EXIST, MAY_EXIST, MUST_EXIST, 0, VICTIM_SILENT, NO_FILE, NEVER_KEPT, USUAL,
      TOGETHER },
    { "transient-create-new", true, false, prepare_nothing, call_create_transient, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-create-again", true, false, prepare_warm, call_create_transient, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-create-first", false, false, prepare_nothing, call_create_transient, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-no-room", true, false, prepare_occupied, call_create_transient, EINVAL,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-create-existing", true, true, prepare_nothing, call_create_transient, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-attach", true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      TRANSIENT_VICTIM, TOGETHER },
    { "transient-destroy-not-last", true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      TRANSIENT_VICTIM, TOGETHER },
    { "transient-destroy-last", true, false, prepare_own_transient, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-remove", true, false, prepare_own_transient, call_remove, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-exit", false, false, prepare_own_transient, call_exit, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "hidden-create", true, false, prepare_nothing, call_create_hidden, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "hidden-create-existing", true, true, prepare_warm, call_create_hidden, EEXIST,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "hidden-destroy", true, false, prepare_own_hidden_kept, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "hidden-publish", true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "hidden-publish-kept", true, false, prepare_own_hidden_kept, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      USUAL, TOGETHER },
    { "hidden-publish-transient", true, false, prepare_own_hidden_transient, call_publish, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "hidden-publish-removed", true, false, prepare_own_hidden_removed, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      REMOVED_REGISTRY, TOGETHER },
    { "hidden-recover", true, false, prepare_dead_hidden, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "transient-sweep-first", false, false, prepare_left_transient, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      USUAL, TOGETHER },
    { "long-hidden-publish", true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      LONG_NAME, TOGETHER },
    { "dir-create-first", false, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-new-again", true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-existing", true, true, prepare_warm, call_create, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-left-alone", true, false, prepare_orphan, call_create, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-overtaken", true, false, prepare_overtaken, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-no-such", true, false, prepare_warm, call_attach, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-too-big", true, true, prepare_warm, call_create_bigger, EINVAL,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-no-room", true, false, prepare_occupied, call_create, EINVAL,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-over-limit", true, false, prepare_limited, call_create, EFBIG,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-full", true, false, prepare_full, call_create, ENOSPC,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-exclusive", true, false, prepare_warm, call_create_exclusive, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-not-exclusive", true, true, prepare_warm, call_create_exclusive, EEXIST,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-exclusive-overtaken", true, false, prepare_overtaken, call_create_exclusive,
      EEXIST,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-create-kept", true, false, prepare_warm, call_create_kept, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, { NOT_KEPT, KEPT, KEPT },
      IN_DIRECTORY, TOGETHER },
    { "dir-create-while-deleted", true, false, prepare_dying, call_create, 0,
      MUST_EXIST, MAY_EXIST, MUST_EXIST, EITHER_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-attach", true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-attach-read-only", true, true, prepare_nothing, call_attach_read_only, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-attach-while-deleted", true, false, prepare_dying, call_attach, ENOENT,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-attach-deleted", true, false, prepare_deleted, call_attach, ENOENT,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-not-last", true, true, prepare_attached, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-only", false, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-joined", true, false, prepare_joined, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-while-changed", true, false, prepare_changed, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-replaced", true, false, prepare_replaced, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-destroy-kept", true, false, prepare_own_kept, call_destroy, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-detach-last", true, false, prepare_own, call_detach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-exit-with-name", true, false, prepare_own, call_exit, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-keep", true, false, prepare_own, call_keep, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE,
      { NOT_KEPT, MAYBE_KEPT, KEPT },
      IN_DIRECTORY, TOGETHER },
    { "dir-keep-no-more", true, false, prepare_own_kept, call_keep_no_more, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE,
      { KEPT, MAYBE_KEPT, NOT_KEPT },
      IN_DIRECTORY, TOGETHER },
    { "dir-set-permissions", true, false, prepare_own, call_set_permissions, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-remove-mapped", true, false, prepare_own_kept, call_remove, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-remove-by-handle", true, false, prepare_own_kept, call_remove_segment, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-remove-replaced", true, false, prepare_replaced, call_remove_segment, EIDRM,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-remove-unused", true, false, prepare_orphan, call_remove, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-remove-no-such", false, false, prepare_warm, call_remove, ENOENT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-create", true, false, prepare_warm, call_create_hidden, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-create-existing", true, true, prepare_warm, call_create_hidden, EEXIST,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-destroy", true, false, prepare_own_hidden_kept, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-publish", true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-publish-kept", true, false, prepare_own_hidden_kept, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-publish-taken", true, false, prepare_hidden_overtaken, call_publish, EEXIST,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-hidden-recover", true, false, prepare_dead_hidden, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-prune", false, false, prepare_orphan, call_prune, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-prune-kept", false, false, prepare_orphan_kept, call_prune, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, ALWAYS_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-prune-mapped", false, true, prepare_warm, call_prune, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-list", false, false, prepare_orphan, call_list, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-stat", true, true, prepare_warm, call_stat, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-wait", true, true, prepare_warm, call_wait, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-wait-for-no-such", true, false, prepare_warm, call_wait, ETIMEDOUT,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-sync", true, true, prepare_attached, call_sync, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "dir-save-over", true, true, prepare_attached, call_save, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, OLD_FILE, NEVER_KEPT,
      IN_DIRECTORY, TOGETHER },
    { "named-create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-create-full", true, false, prepare_full, call_create, ENOSPC,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-create-sweeps", true, false, prepare_dead_hidden, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-create-swept", true, false, prepare_swept, call_create_swept, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-prune-sweeps", false, false, prepare_dead_hidden, call_prune, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-hidden-create", true, false, prepare_warm, call_create_hidden, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-hidden-destroy", true, false, prepare_own_hidden, call_destroy, 0,
      MUST_NOT_EXIST, MUST_NOT_EXIST, MUST_NOT_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-hidden-publish", true, false, prepare_own_hidden, call_publish, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "named-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_NAMELESS, TOGETHER },
    { "unlinked-create-new", true, false, prepare_nothing, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      WITHOUT_LINKS, TOGETHER },
    { "disk-create-new", true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      ON_DISK, TOGETHER },
    { "disk-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      ON_DISK, TOGETHER },
    { "dir-pid-create-new", true, false, prepare_warm, call_create, 0,
      MUST_NOT_EXIST, MAY_EXIST, MUST_EXIST, 0, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, MISHAP_IN_PID },
    { "dir-user-attach", true, true, prepare_warm, call_attach, 0,
      MUST_EXIST, MUST_EXIST, MUST_EXIST, HELD_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, MISHAP_IN_USER },
    { "dir-each-destroy-last", true, false, prepare_own, call_destroy, 0,
      MUST_EXIST, MAY_EXIST, MUST_NOT_EXIST, OWN_PATTERN, NO_VICTIM, NO_FILE, NEVER_KEPT,
      IN_DIRECTORY, EACH_IN_PID },
};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static const struct scenario *scenario_named (const char *name)
{
    int i;

    for (i = 0; i < SCENARIOS; i++)
        if (strcmp (scenarios[i].name, name) == 0)
            return &scenarios[i];
    give_up ("no scenario '%s'", name);
}

/* ---- the traced process ----------------------------------------------------------------- */

extern char killpoints_end[];

__attribute__ ((noinline)) static void traced_call (const struct scenario *s, int *status)
{
    int (*call) (void) = s->call;

    __asm__ volatile(TRAP ::: "memory");
    *status = call ();
    __asm__ volatile(".globl killpoints_end\nkillpoints_end: " TRAP ::: "memory");
}

/* Starts a process that stops right before the call. */
static pid_t start_traced (const struct scenario *s, int namespaces, int *status_out)
{
    pid_t child = fork_into (namespaces);
    int status;

    if (child == 0) {
        s->prepare ();
        ptrace (PTRACE_TRACEME, 0, NULL, NULL);
        traced_call (s, status_out);
        _exit (0);
    }
    wait_for_end (child, &status);
    if (!WIFSTOPPED (status) || WSTOPSIG (status) != SIGTRAP)
        give_up ("scenario %s: the process did not get to the call, status %#x", s->name,
                 status);
    ptrace (PTRACE_SETOPTIONS, child, NULL, (void *) PTRACE_O_EXITKILL);
    pass_trap (child);
    return child;
}

enum where { ON_THE_WAY, AT_END, EXITED, CRASHED_THERE };

static uint64_t pc_of (pid_t child)
{
    registers r;

    get_registers (child, &r);
    return place_of (&r);
}

/* After ptrace(2) has returned that value. */
static enum where wait_for_stop (pid_t child, long continued, int *wait_status)
{
    if (continued != 0)
        return CRASHED_THERE;
    wait_for_end (child, wait_status);
    if (WIFEXITED (*wait_status))
        return EXITED;
    if (!WIFSTOPPED (*wait_status) || WSTOPSIG (*wait_status) != SIGTRAP)
        return CRASHED_THERE;
    return ON_THE_WAY;
}

static enum where step_once (pid_t child, int *wait_status)
{
    return wait_for_stop (child, ptrace (PTRACE_SINGLESTEP, child, NULL, NULL), wait_status);
}

static void kill_and_reap (pid_t child, bool exited)
{
    if (exited)
        return;
    kill (child, SIGKILL);
    wait_for_end (child, NULL);
}

/* ---- the first run ---------------------------------------------------------------------- */

struct call_step {
    long step; /* executed by this instruction */
    struct system_call what;
};

struct trace {
    long count;   /* instructions */
    uint64_t *pc; /* where each of them is; [count] is the end */
    int *times;   /* how often it had been reached by then, this time included */
    int calls;
    struct call_step *call;
};

/* Paths that wait for another process are longer on a busy machine. */
enum { TRACE_MAX = 400000, CALLS_MAX = 4000 };

/* How often each address was reached. A repeated string instruction counts once. */
static void count_times (struct trace *t)
{
    enum { BUCKETS = 1 << 20 };
    uint64_t *address_of = calloc (BUCKETS, sizeof *address_of);
    int *count_of = calloc (BUCKETS, sizeof *count_of);
    long i;

    if (address_of == NULL || count_of == NULL)
        give_up ("calloc");
    for (i = 1; i <= t->count; i++) {
        size_t bucket = (size_t) mix (t->pc[i]) % BUCKETS;

        while (address_of[bucket] != 0 && address_of[bucket] != t->pc[i])
            bucket = (bucket + 1) % BUCKETS;
        address_of[bucket] = t->pc[i];
        if (t->pc[i] != t->pc[i - 1])
            count_of[bucket]++;
        t->times[i] = count_of[bucket];
    }
    free (address_of);
    free (count_of);
}

static void free_trace (struct trace *t)
{
    free (t->pc);
    free (t->times);
    free (t->call);
}

/* Single-steps from the call to its end. False if that takes too long. */
static bool make_trace (const struct scenario *s, int namespaces, struct trace *t)
{
    registers r;
    enum where where = ON_THE_WAY;
    int call_status = -1, wait_status = 0;
    pid_t child = start_traced (s, namespaces, &call_status);

    t->pc = calloc (TRACE_MAX + 1, sizeof *t->pc);
    t->times = calloc (TRACE_MAX + 1, sizeof *t->times);
    t->call = calloc (CALLS_MAX, sizeof *t->call);
    if (t->pc == NULL || t->times == NULL || t->call == NULL)
        give_up ("calloc");
    t->count = 0;
    t->calls = 0;
    while (t->count < TRACE_MAX) {
        get_registers (child, &r);
        t->pc[t->count] = place_of (&r);
        if (place_of (&r) == (uint64_t) (uintptr_t) killpoints_end)
            where = AT_END;
        if (where != ON_THE_WAY)
            break;
        if (t->calls < CALLS_MAX && is_before_call (&r, &t->call[t->calls].what))
            t->call[t->calls++].step = t->count;
        where = step_once (child, &wait_status);
        if (where == EXITED)
            break;
        if (where == CRASHED_THERE)
            give_up ("scenario %s: the first run crashed after %ld instructions, status %#x",
                     s->name, t->count, wait_status);
        t->count++;
    }
    kill_and_reap (child, where == EXITED);
    if (t->count >= TRACE_MAX)
        return false;
    count_times (t);
    return true;
}

/* ---- getting to a point ----------------------------------------------------------------- */

struct route {
    long from;  /* a breakpoint there; none if it is 0 */
    int passes; /* the one to stop at */
    long steps; /* and then single steps */
};

static long cost_of (const struct route *route)
{
    return route->passes + route->steps;
}

static struct route cheapest_route (const struct trace *t, long point)
{
    struct route best = { 0, 0, point }, route;

    for (route.from = point; route.from > 0; route.from--) {
        route.steps = point - route.from;
        if (route.steps >= cost_of (&best))
            break;
        if (t->pc[route.from] == t->pc[route.from - 1])
            continue; /* within a string instruction */
        route.passes = t->times[route.from];
        if (cost_of (&route) < cost_of (&best))
            best = route;
    }
    return best;
}

/* From the instruction that was reached the least often: so it does not matter how often a path
 * goes round a loop today, or through code that many calls share. */
static struct route steadiest_route (const struct trace *t, long point)
{
    enum { FAR = 2000 };
    struct route best = { 0, 0, point };
    long from;

    for (from = point; from > 0 && point - from < FAR; from--) {
        if (t->pc[from] != t->pc[from - 1] && (best.from == 0 || t->times[from] < best.passes)) {
            best.from = from;
            best.passes = t->times[from];
            best.steps = point - from;
        }
    }
    return best;
}

static enum where travel (pid_t child, const struct trace *t, const struct route *route)
{
    enum where where = ON_THE_WAY;
    int wait_status, i;
    long step;

    if (route->from > 0) {
        if (!set_breakpoint (child, t->pc[route->from]))
            give_up ("no hardware breakpoint");
        for (i = 0; i < route->passes && where == ON_THE_WAY; i++) {
            long continued = go_on_from_breakpoint (child, t->pc[route->from]);

            where = wait_for_stop (child, continued, &wait_status);
            if (where == ON_THE_WAY && pc_of (child) != t->pc[route->from])
                return AT_END; /* the marker at the end: the path differs today */
        }
        if (where != ON_THE_WAY)
            return where;
        clear_breakpoint (child);
    }
    for (step = 0; step < route->steps && where == ON_THE_WAY; step++)
        where = step_once (child, &wait_status);
    if (where == ON_THE_WAY && pc_of (child) == (uint64_t) (uintptr_t) killpoints_end)
        where = AT_END;
    return where;
}

/* ---- the one killed before -------------------------------------------------------------- */

/* It is in the namespaces of the processes that make the check. */
struct victim_plan {
    enum victim victim;
    const struct scenario *scenario;
    int namespaces;
    struct trace trace;
    const struct call_step *call;  /* of the trace, after which it is killed */
    long point;
};

static bool is_the_moment (enum victim victim, const struct system_call *call)
{
    switch (victim) {
    case VICTIM_CREATE:
    case VICTIM_SILENT:
    case VICTIM_LONG:
        return call->number == SYS_shmget && (call->argument[2] & IPC_CREAT) != 0
               && call->argument[1] == (uint64_t) VICTIM_SIZE;
    case VICTIM_DESTROY:
    case VICTIM_REMOVE:
        return call->number == SYS_shmctl && (call->argument[1] & 0xff) == IPC_RMID;
    case VICTIM_BIRTH:
        return call->number == SYS_shmget && (call->argument[2] & IPC_CREAT) != 0;
    case VICTIM_TAKEOVER:
        return call->number == SYS_shmctl && (call->argument[1] & 0xff) == IPC_SET;
    default:
        return false;
    }
}

/* Right after the system call that makes or removes the segment. In a takeover, after the last
 * look at a segment whose name is copied: that comes before the registry is made known. */
static void plan_victim (const struct scenario *s, struct victim_plan *plan)
{
    enum victim victim = s->victim;
    int i;

    plan->victim = victim;
    plan->namespaces = namespaces_of_check (s->places);
    plan->scenario = scenario_named (victim == VICTIM_LONG       ? "long-create-new"
                                     : victim == VICTIM_TAKEOVER ? "takeover-create-new"
                                     : victim == VICTIM_DESTROY ? "destroy-last"
                                     : victim == VICTIM_REMOVE  ? "remove-mapped"
                                     : victim == VICTIM_BIRTH   ? "create-first"
                                                                : "create-new");
    if (!make_trace (plan->scenario, plan->namespaces, &plan->trace))
        give_up ("the victim's path is too long");
    for (i = 0; i < plan->trace.calls; i++)
        if (is_the_moment (victim, &plan->trace.call[i].what)) {
            plan->call = &plan->trace.call[i - (victim == VICTIM_TAKEOVER)];
            plan->point = plan->call->step + 1;
            return;
        }
    give_up ("the victim of %s never comes to its moment", plan->scenario->name);
}

/* Whether the process is right after the system call of its moment. Its path may differ today, so
 * that it has come through this place for another call. */
static bool is_at_its_moment (const struct victim_plan *plan, pid_t child)
{
    registers r;
    struct system_call call;

    get_registers (child, &r);
    call = call_made (&r, plan->call->what.own_number);
    if (place_of (&r) != plan->trace.pc[plan->point])
        return false;
    if (plan->victim == VICTIM_TAKEOVER)
        return call.argument[1] == plan->call->what.argument[1];
    return is_the_moment (plan->victim, &call);
}

/* False if it did not come to its moment. */
static bool kill_victim (const struct victim_plan *plan)
{
    struct route route = steadiest_route (&plan->trace, plan->point);
    int status;
    pid_t child = start_traced (plan->scenario, plan->namespaces, &status);
    enum where where = travel (child, &plan->trace, &route);
    bool arrived = where == ON_THE_WAY && is_at_its_moment (plan, child);

    if (plan->victim == VICTIM_SILENT && where == ON_THE_WAY)
        forget_robust_list (child);
    kill_and_reap (child, where == EXITED);
    return arrived;
}

/* Tries until the process has died at its moment. */
static void leave_victim (const struct victim_plan *plan, struct scene *scene)
{
    int tries;

    for (tries = 0; tries < 20; tries++) {
        if (kill_victim (plan))
            return;
        reset_scene (scene);
    }
    give_up ("the victim of %s does not come to its moment again", plan->scenario->name);
}

/* ---- one point -------------------------------------------------------------------------- */

enum { TOLD = 5 };

struct result {
    long instructions, calls, points, strayed, skipped, temporaries, damage;
    double seconds, slowest;
    bool too_long;                   /* the path, so that no point was tried */
    bool has_large_registry;         /* SHMMNI could not be lowered */
    bool gave_up;                    /* there was enough damage */
    long told;
    long where[TOLD];
    char what[TOLD][700];
};

struct job {
    const struct scenario *scenario;
    struct scene *scene;
    struct trace trace;
    struct victim_plan victim;
    struct result *result;
    int *status;                     /* of the call; shared with the traced process */
};

static void report (struct job *job, long point, const char *text)
{
    struct result *result = job->result;

    result->damage++;
    if (result->told == TOLD)
        return;
    result->where[result->told] = point;
    snprintf (result->what[result->told], sizeof result->what[0], "%s", text);
    result->told++;
}

static void restore_file (const struct scenario *s)
{
    if (s->file == NO_FILE)
        return;
    sweep (directory, NULL);
    if (s->file == OLD_FILE)
        write_pattern_file (file, OLD_SIZE, OLD_PATTERN);
}

static void check_file (struct job *job, long point, enum where where)
{
    const struct scenario *s = job->scenario;
    enum file_state is;

    if (s->file == NO_FILE)
        return;
    is = which_file (file, s->pattern);
    job->result->temporaries += sweep (directory, "saved");
    restore_file (s);
    if (is == NEW_FILE || (where != AT_END && is == (s->file == OLD_FILE ? OLD_FILE : NO_FILE)))
        return;
    report (job, point, "the saved file is neither the old one nor the new one");
}

/* The holder shall have the registry attached that is removed, and no other. */
static void renew_scene (struct job *job)
{
    if (job->scenario->setting == REMOVED_REGISTRY)
        reset_scene (job->scene);
}

/* Lets the process go to the point, and kills it there. Sets `strayed` if it was elsewhere. */
static enum where kill_at (struct job *job, long point, const struct route *route, bool *strayed)
{
    enum where where;
    pid_t child;

    renew_scene (job);
    if (job->scenario->victim != NO_VICTIM)
        leave_victim (&job->victim, job->scene);
    *job->status = -1;
    child = start_traced (job->scenario, namespaces_of_mishap (job->scenario->places),
                          job->status);
    where = travel (child, &job->trace, route);
    *strayed = where != CRASHED_THERE && where != EXITED
               && pc_of (child) != job->trace.pc[point];
    if (where == CRASHED_THERE) {
        kill (child, SIGKILL);
        report (job, point, "the call crashed");
    } else
        kill_and_reap (child, where == EXITED);
    return where;
}

static void check_call (struct job *job, long point, enum where where)
{
    int expected = job->scenario->status;
    char text[200];

    if (where != AT_END || *job->status == expected)
        return;
    snprintf (text, sizeof text, "the call returned %d (%s), not %d", *job->status,
              strerror (*job->status), expected);
    report (job, point, text);
}

static void try_point (struct job *job, long point, bool by_steps)
{
    const struct scenario *s = job->scenario;
    struct route route = cheapest_route (&job->trace, point);
    struct expectation expect = { MAY_EXIST, s->pattern, false, false, MAYBE_KEPT,
                                  USUAL_TEMPORARY };
    const struct route steps = { 0, 0, point };
    enum where where;
    char text[700] = "";
    int tries, moment;
    bool strayed = true;

    for (tries = 1;; tries++) {
        where = kill_at (job, point, by_steps ? &steps : &route, &strayed);
        if (!strayed || tries == 3)
            break;
        judge_scene (job->scene, &expect, false, text, sizeof text);
        restore_file (s);
    }
    job->result->strayed += strayed;
    job->result->points++;
    moment = where == AT_END || where == EXITED ? 2 : point == 0 ? 0 : 1;
    expect.presence = moment == 2 ? s->after : moment == 0 ? s->before : s->between;
    expect.kept = s->kept[moment];
    if (moment == 2 && s->prepare == prepare_dead_hidden)
        expect.temporary = NO_TEMPORARY;
    check_call (job, point, where);
    check_file (job, point, where);
    if (judge_scene (job->scene, &expect, point % 2 == 1, text, sizeof text))
        report (job, point, text);
}

/* ---- all points of a scenario ----------------------------------------------------------- */

struct plan {
    long only;                       /* a single point, or -1 */
    int part, parts;                 /* this job takes one part of the points */
    long limit;                      /* stops that a point may take */
    double patience;                 /* seconds for a scenario in which there is damage */
    bool may_be_in[EACH_IN_PID + 1]; /* these places */
};

static bool next_to_a_call (const struct trace *t, long point)
{
    int i;

    for (i = 0; i < t->calls; i++)
        if (point == t->call[i].step || point == t->call[i].step + 1)
            return true;
    return false;
}

/* How many instructions a point stands for. In a directory namespace, only system calls change what
 * other processes see. */
static long stride_of (const struct job *job)
{
    bool has_files = job->scenario->setting >= IN_DIRECTORY;

    if (full_form)
        return only_part != NULL ? 1 : job->trace.count / (has_files ? 750 : 1500) + 1;
    return job->trace.count / (has_files ? 12 : 110) + 1;
}

static bool is_wanted (const struct job *job, const struct plan *plan, long point)
{
    const struct trace *t = &job->trace;
    long stride = stride_of (job);
    long offset = (long) (mix (seed) % (uint64_t) stride);

    if (plan->only >= 0)
        return point == plan->only;
    if (point % plan->parts != plan->part)
        return false;
    return point % stride == offset || point == 0 || point == t->count
           || next_to_a_call (t, point);
}

static void try_points (struct job *job, const struct plan *plan, double since)
{
    struct result *result = job->result;
    long point;

    for (point = 0; point <= job->trace.count; point++) {
        struct route route;

        if (!is_wanted (job, plan, point))
            continue;
        if (result->damage >= 40 || (result->damage > 0 && now () - since > plan->patience)) {
            result->gave_up = true;
            return;
        }
        route = cheapest_route (&job->trace, point);
        if (cost_of (&route) > plan->limit && point % 64 != 0 && plan->only < 0)
            result->skipped++;
        else
            try_point (job, point, point % 50 == 7 && point < 4 * plan->limit);
    }
}

static void run_scenario (const struct scenario *s, struct scene *scene, const struct plan *plan,
                          struct result *result)
{
    struct job job;
    double since = now ();

    memset (&job, 0, sizeof job);
    job.scenario = s;
    job.scene = scene;
    job.result = result;
    job.status = shared (sizeof *job.status);
    make_scene (scene, s->setting, s->places, s->others, s->held);
    scene->shared->slowest = 0;
    restore_file (s);
    if (s->victim != NO_VICTIM) {
        plan_victim (s, &job.victim);
        reset_scene (scene);
        leave_victim (&job.victim, scene);
    }
    result->too_long = !make_trace (s, namespaces_of_mishap (s->places), &job.trace);
    reset_scene (scene);
    restore_file (s);
    result->instructions = job.trace.count;
    result->calls = job.trace.calls;
    if (!result->too_long)
        try_points (&job, plan, since);
    result->slowest = scene->shared->slowest;
    clear_scene (scene);
    sweep (directory, NULL);
    free_trace (&job.trace);
    if (s->victim != NO_VICTIM)
        free_trace (&job.victim.trace);
    munmap (job.status, sizeof *job.status);
    result->seconds = now () - since;
}

/* ---- workers ---------------------------------------------------------------------------- */

struct results {
    int next;                        /* the job to do */
    bool has_large_registry;         /* SHMMNI could not be lowered */
    struct result of[SCENARIOS * 2];
};

static bool is_chosen (const struct scenario *s)
{
    size_t length = strlen (s->name);

    return only_part == NULL
           || (strncmp (only_part, s->name, length) == 0
               && (only_part[length] == '\0' || only_part[length] == ':'));
}

static bool is_tried (const struct scenario *s, const struct plan *plan)
{
    return is_chosen (s) && plan->may_be_in[s->places];
}

/* Tracer and traced process share a processor, so that no wake-up is far away. */
NO_RETURN static void work (struct results *results, struct plan plan, int cpu)
{
    static struct scene scene;
    cpu_set_t cpus;
    int job;

    CPU_ZERO (&cpus);
    CPU_SET (cpu, &cpus);
    sched_setaffinity (0, sizeof cpus, &cpus);
    new_world ();
    if (!write_text ("/proc/sys/kernel/shmmni", "64"))
        results->has_large_registry = true;
    snprintf (directory, sizeof directory, "%s/%d", scratch, cpu);
    if (mkdir (directory, 0700) != 0)
        give_up ("mkdir");
    snprintf (file, sizeof file, "%s/saved", directory);
    while ((job = __sync_fetch_and_add (&results->next, 1)) < SCENARIOS * plan.parts) {
        plan.part = job % plan.parts;
        if (is_tried (&scenarios[job / plan.parts], &plan))
            run_scenario (&scenarios[job / plan.parts], &scene, &plan, &results->of[job]);
    }
    _exit (0);
}

/* One worker for each processor. Returns how many failed. */
static int run_workers (struct results *results, const struct plan *plan)
{
    cpu_set_t cpus;
    int cpu, workers = 0, failed = 0, status;

    sched_getaffinity (0, sizeof cpus, &cpus);
    for (cpu = 0; cpu < CPU_SETSIZE && workers < (plan->only >= 0 ? 1 : 8); cpu++) {
        if (!CPU_ISSET (cpu, &cpus))
            continue;
        workers++;
        if (fork_child () == 0)
            work (results, *plan, cpu);
    }
    while (wait (&status) > 0 || errno == EINTR)
        failed += !WIFEXITED (status) || WEXITSTATUS (status) != 0;
    return failed;
}

/* ---- what came of it -------------------------------------------------------------------- */

static void add_result (struct result *sum, const struct result *part)
{
    sum->points += part->points;
    sum->strayed += part->strayed;
    sum->skipped += part->skipped;
    sum->temporaries += part->temporaries;
    sum->damage += part->damage;
    sum->seconds += part->seconds;
    if (part->slowest > sum->slowest)
        sum->slowest = part->slowest;
}

static void tell_damage (const struct scenario *s, const struct result *part)
{
    long i;

    for (i = 0; i < part->told; i++)
        note ("%s:%ld: %s", s->name, part->where[i], part->what[i]);
    if (part->gave_up)
        note ("%s: after so much damage the other points were not tried", s->name);
}

/* The line of a scenario. */
static void tell_result (const struct scenario *s, const struct plan *plan,
                         const struct result *part, struct result *all)
{
    struct result sum;
    int i;

    memset (&sum, 0, sizeof sum);
    for (i = 0; i < plan->parts; i++) {
        add_result (&sum, &part[i]);
        tell_damage (s, &part[i]);
    }
    all->too_long |= part[0].too_long;
    if (part[0].too_long && !all->has_large_registry)
        check (false, "%s: the call executes at most %d instructions", s->name, TRACE_MAX);
    else if (part[0].too_long)
        note ("%s: executes more than %d instructions", s->name, TRACE_MAX);
    else
        check (sum.damage == 0 && sum.points > 0,
               "%s: killed at %ld of %ld instructions, the scene is intact (%ld system calls, "
               "%ld strayed, %ld skipped, %ld temporary files, slowest call %.3f s, %.1f s)",
               s->name, sum.points, part[0].instructions, part[0].calls, sum.strayed, sum.skipped,
               sum.temporaries, sum.slowest, sum.seconds);
    add_result (all, &sum);
    all->instructions += part[0].instructions;
}

static void set_environment (void)
{
    unsetenv ("APERROR_PRINT");
    unsetenv ("RUST_BACKTRACE");
}

static void all_killpoints (void)
{
    struct results *results = shared (sizeof *results);
    const char *colon = only_part ? strchr (only_part, ':') : NULL;
    struct result all;
    struct plan plan;
    int i, failed;

    if (!has_world ("killpoints"))
        return;
    if (!may_trace ()) {
        skip ("killpoints: ptrace(2) is refused");
        return;
    }
    set_environment ();
    memset (&all, 0, sizeof all);
    plan.only = colon ? strtol (colon + 1, NULL, 10) : -1;
    plan.part = 0;
    plan.parts = full_form && plan.only < 0 ? 2 : 1;
    plan.limit = full_form ? 4000 : 300;
    plan.patience = full_form ? 60 : 10;
    for (i = 0; i <= EACH_IN_PID; i++)
        plan.may_be_in[i] = may_be_in ((enum places) i, "killpoints");
    failed = run_workers (results, &plan);
    all.has_large_registry = results->has_large_registry;
    for (i = 0; i < SCENARIOS; i++)
        if (is_tried (&scenarios[i], &plan))
            tell_result (&scenarios[i], &plan, &results->of[i * plan.parts], &all);
    if (all.too_long && results->has_large_registry)
        skip ("killpoints: no scenarios that go through the whole registry: SHMMNI cannot be "
              "lowered here");
    if (failed > 0)
        check (false, "all workers end well (%d did not)", failed);
    tell_figures (
        " points=%ld damage=%ld instructions=%ld strayed=%ld unreached=%ld temporaries=%ld",
        all.points, all.damage, all.instructions, all.strayed, all.skipped, all.temporaries);
}

static const struct part *name_parts (void)
{
    static struct part parts[SCENARIOS + 1];
    int i;

    for (i = 0; i < SCENARIOS; i++)
        parts[i].name = scenarios[i].name;
    return parts;
}

#else

static void all_killpoints (void)
{
    skip ("killpoints: it knows the registers of x86-64, i386 and arm64 only");
}

static const struct part *name_parts (void)
{
    static const struct part none;

    return &none;
}

#endif

int main (int argc, char **argv)
{
    const struct program program = { "killpoints", name_parts (), all_killpoints, 120, 3600 };

    return run_program (&program, argc, argv);
}
