/* Transient segments: the name and the memory vanish with the last holder, however it ends. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "c_tests/ext transient"
#define SIZE 12345L
#define UNTOUCHED 12345

static int ready[2];

/* Whether shmat(2) refuses a segment that is marked for deletion, as on some systems. */
static int is_another_system;

/* This shmat replaces the C library's. */
void *shmat (int id, const void *address, int flags)
{
    struct shmid_ds status;

    if (is_another_system && shmctl (id, IPC_STAT, &status) == 0
        && (status.shm_perm.mode & SHM_DEST) != 0) {
        errno = EIDRM;
        return (void *) -1;
    }
    return (void *) syscall (SYS_shmat, id, address, flags);
}

static SharedMemory make (int flags)
{
    SharedMemory memory = NULL;

    CHECK ("a segment is created", shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
    return memory;
}

static struct ShmxInfo info_of (SharedMemory memory)
{
    struct ShmxInfo info;

    memset (&info, -1, sizeof info);
    info.size = sizeof info;
    CHECK ("shmxStat returns 0", shmxStat (memory, &info) == 0);
    return info;
}

/* 1 or 0 if the name exists, otherwise -1. */
static int is_transient (void)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStatName (NAME, &info) == 0 ? info.transient : -1;
}

static int count_transient (const struct ShmxInfo *info, void *context)
{
    *(int *) context += strcmp (info->name, NAME) == 0 && info->transient;
    return 0;
}

static void while_it_is_in_use (void)
{
    SharedMemory memory, second;
    struct ShmxInfo info;
    struct shmid_ds status;
    int listed = 0;
    long pruned = -1;

    errno = UNTOUCHED;
    memory = make (SHMX_TRANSIENT);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("shmxCreated returns 1", shmxCreated (memory) == 1);
    CHECK ("the segment is zero-filled and has the size that was requested",
           shmSizeOf (memory) == SIZE && check_filled (shmAddress (memory), 0, SIZE));
    info = info_of (memory);
    CHECK ("shmxStat shows that the segment is transient, not kept and not hidden",
           info.transient == 1 && info.kept == 0 && info.hidden == 0);
    CHECK ("the segment has no key, one attachment, and mode 0660",
           info.key == 0 && info.mappings == 1 && info.mode == 0660);
    CHECK ("the segment is marked for deletion", !check_has (HAS_IDS)
           || (shmctl (shmId (memory), IPC_STAT, &status) == 0
           && (status.shm_perm.mode & SHM_DEST) != 0));
    CHECK ("shmxStatName finds it", is_transient () == 1);
    CHECK ("shmxList shows it", shmxList (count_transient, &listed) == 0 && listed == 1);
    CHECK ("shmxWait finds it", shmxWait (NAME, 0) == 0);
    CHECK ("shmxPrune leaves it", shmxPrune (0, &pruned) == 0 && pruned == 0);
    memset (shmAddress (memory), 't', SIZE);
    second = check_create (NAME, 0);
    CHECK ("shmCreate attaches it",
           check_id (second) == check_id (memory) && shmxCreated (second) == 0
           && check_filled (shmAddress (second), 't', SIZE));
    CHECK ("shmxStat of the second handle shows that it is transient, too",
           info_of (second).transient == 1 && info_of (second).mappings == 2);
    CHECK ("a larger size is EINVAL",
           shmCreate (NAME, SIZE + 1, NULL, &second) == EINVAL && second == NULL);
    CHECK ("SHMX_EXCL is EEXIST",
           shmxCreate (NAME, SIZE, SHMX_EXCL | SHMX_TRANSIENT, 0, NULL, &second) == EEXIST);
    CHECK ("SHMX_TRANSIENT attaches an existing segment", (second = make (SHMX_TRANSIENT)) != NULL
           && check_id (second) == check_id (memory));
    CHECK ("shmxSetPerm works", shmxSetPerm (second, -1, -1, 0600) == 0
           && info_of (memory).mode == 0600 && is_transient () == 1);
    CHECK ("the segment can be attached afterwards", (second = make (0)) != NULL
           && check_id (second) == check_id (memory));
    CHECK ("shmxLock works, or reports a limit",
           shmxLock (memory) != EINVAL && shmxUnlock (memory) != EINVAL);
}

static void its_end (void)
{
    SharedMemory memory = make (SHMX_TRANSIENT), second = check_create (NAME, 0);
    int id = check_id (memory);

    errno = UNTOUCHED;
    CHECK ("shmDestroy of its creator returns 0", shmDestroy (memory) == 0);
    CHECK ("another handle preserves the segment and its name",
           is_transient () == 1 && check_is_attached (id, 1));
    CHECK ("the last shmDestroy returns 0", shmDestroy (second) == 0);
    CHECK ("errno is unchanged", errno == UNTOUCHED);
    CHECK ("the segment and its name are gone",
           check_is_attached (id, -1) && is_transient () == -1);

    memory = make (SHMX_TRANSIENT);
    id = check_id (memory);
    CHECK ("shmDestroy of the only handle returns 0", shmDestroy (memory) == 0);
    CHECK ("the segment and its name are gone",
           check_is_attached (id, -1) && is_transient () == -1);

    memory = make (SHMX_TRANSIENT);
    id = check_id (memory);
    CHECK ("shmxDetach of the last handle returns 0", shmxDetach (memory) == 0);
    CHECK ("shmxDetach deletes the segment, too",
           check_is_attached (id, -1) && is_transient () == -1);
    memory = make (0);
    CHECK ("the name can have an ordinary segment afterwards",
           shmxCreated (memory) == 1 && info_of (memory).transient == 0 && is_transient () == 0);
    CHECK ("SHMX_TRANSIENT has no effect on that segment", (second = make (SHMX_TRANSIENT)) != NULL
           && info_of (second).transient == 0);
    CHECK ("both can be destroyed", shmDestroy (memory) == 0 && shmDestroy (second) == 0
           && is_transient () == -1);

    memory = make (SHMX_TRANSIENT);
    CHECK ("shmxRemove returns 0", shmxRemove (NAME) == 0 && is_transient () == -1);
    CHECK ("the segment stays for its holder", check_is_attached (check_id (memory), 1)
           && info_of (memory).transient == 1);
    second = make (0);
    CHECK ("the name can have another segment", check_id (second) != check_id (memory));
    CHECK ("shmDestroy deletes both", shmDestroy (memory) == 0 && shmDestroy (second) == 0);

    memory = make (SHMX_TRANSIENT);
    id = check_id (memory);
    CHECK ("shmxRemoveSegment returns 0", shmxRemoveSegment (memory) == 0
           && is_transient () == -1);
    CHECK ("a second shmxRemoveSegment is EIDRM", shmxRemoveSegment (memory) == EIDRM);
    CHECK ("shmDestroy deletes it", shmDestroy (memory) == 0 && check_is_attached (id, -1));

    memory = make (SHMX_TRANSIENT);
    id = check_id (memory);
    CHECK ("the program detaches the segment itself",
           check_unmap (shmAddress (memory), SIZE) == 0);
    CHECK ("that deletes the segment", check_is_attached (id, -1) && is_transient () == -1);
    CHECK ("shmDestroy is EINVAL", shmDestroy (memory) == EINVAL);
}

/* ---- deaths ------------------------------------------------------------------------ */

static void exits (void)
{
    make (SHMX_TRANSIENT);
}

static void exits_at_once (void)
{
    make (SHMX_TRANSIENT);
    _exit (0);
}

static void executes (void)
{
    make (SHMX_TRANSIENT);
    execl ("/bin/sh", "sh", "-c", "exit 0", (char *) NULL);
}

static void left_by (const char *end, void (*body) (void))
{
    CHECK (check_text ("a process with a transient segment ends with %s", end),
           check_child (body) == 0);
    CHECK ("nothing is left", is_transient () == -1);
}

static void deaths (void)
{
    SharedMemory memory;
    pid_t child;
    int id;

    left_by ("exit", exits);
    left_by ("_exit", exits_at_once);
    left_by ("exec", executes);

    child = check_fork ();
    if (child == 0) {
        memory = make (SHMX_TRANSIENT);
        memset (shmAddress (memory), 'k', SIZE);
        check_signal (ready);
        pause ();
    }
    CHECK ("another process creates a transient segment",
           check_await (ready) && is_transient () == 1);
    memory = check_create (NAME, 0);
    id = check_id (memory);
    check_kill (child);
    CHECK ("its creator is killed, and the segment stays for its other holder",
           check_filled (shmAddress (memory), 'k', SIZE) && is_transient () == 1);
    child = check_fork ();
    if (child == 0) {
        check_signal (ready);
        pause ();
    }
    CHECK ("a forked child counts as a holder",
           check_await (ready) && shmDestroy (memory) == 0 && is_transient () == 1
           && check_is_attached (id, 1));
    check_kill (child);
    CHECK ("the last holder is killed, and the segment is gone at once",
           check_is_attached (id, -1) && is_transient () == -1);
}

static void killed_elsewhere (void)
{
    setenv ("NOB_DATABASE", check_namespace ("elsewhere"), 1);
    make (SHMX_TRANSIENT);
    kill (getpid (), SIGKILL);
}

static void creates_elsewhere (void)
{
    SharedMemory memory;

    setenv ("NOB_DATABASE", check_namespace ("somewhere"), 1);
    memory = make (0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* Before this process uses the library: it has no registry. Any process of this user that creates
 * a registry removes what was left behind. */
static void in_a_namespace_that_is_never_used_again (void)
{
    if (!check_is_alone ("what a killed process leaves behind")) {
        return;
    }
    CHECK ("a process with a transient segment is killed",
           check_child (killed_elsewhere) == 128 + SIGKILL);
    CHECK ("the registry is left", check_segments () == 1);
    CHECK ("another process uses another namespace", check_child (creates_elsewhere) == 0);
    CHECK ("nothing is left", check_segments () == 0);
}

/* ---- kept and transient ------------------------------------------------------------ */

static void or_kept (void)
{
    SharedMemory memory = NULL;

    CHECK ("SHMX_KEEP with SHMX_TRANSIENT is EINVAL",
           shmxCreate (NAME, SIZE, SHMX_KEEP | SHMX_TRANSIENT, 0, NULL, &memory) == EINVAL
           && memory == NULL && shmxErrorReason () == SHMX_REASON_ARGUMENT);
    CHECK ("nothing is created", is_transient () == -1);
    CHECK ("SHMX_TRANSIENT with SHMX_ATTACH is EINVAL",
           shmxCreate (NAME, SIZE, SHMX_TRANSIENT | SHMX_ATTACH, 0, NULL, &memory) == EINVAL);
    CHECK ("SHMX_TRANSIENT with a size of 0 is EINVAL",
           shmxCreate (NAME, 0, SHMX_TRANSIENT, 0, NULL, &memory) == EINVAL);

    memory = make (SHMX_TRANSIENT);
    CHECK ("shmxKeep of a transient segment is EINVAL",
           shmxKeep (memory, 1) == EINVAL && errno == EINVAL
           && shmxErrorReason () == SHMX_REASON_TRANSIENT
           && strstr (shmxErrorText (), "transient") != NULL);
    CHECK ("the segment stays transient", is_transient () == 1);
    CHECK ("shmxKeep with 0 returns 0, and changes nothing",
           shmxKeep (memory, 0) == 0 && is_transient () == 1);
    CHECK ("shmDestroy deletes it", shmDestroy (memory) == 0 && is_transient () == -1);
}

/* The number of this test's segments once there is a registry. */
static int count_segments (void)
{
    CHECK ("shmDestroy returns 0", shmDestroy (make (0)) == 0);
    return check_segments ();
}

static void another_system (void)
{
    SharedMemory memory = NULL;
    int count = count_segments ();

    is_another_system = 1;
    CHECK ("if the system cannot attach a segment that is marked for deletion, the call is ENOTSUP",
           shmxCreate (NAME, SIZE, SHMX_TRANSIENT, 0, NULL, &memory) == ENOTSUP
           && errno == ENOTSUP && memory == NULL);
    is_another_system = 0;
    CHECK ("nothing is left", is_transient () == -1 && check_segments () == count);
}

static void no_room_at_its_address (void)
{
    static char page[3 * 4096];
    SharedMemory memory = (SharedMemory) &memory;
    void *address = page + 4096;
    int count = count_segments ();

    CHECK ("an address that is in use is EINVAL",
           shmxCreate (NAME, SIZE, SHMX_TRANSIENT, 0, &address, &memory) == EINVAL
           && memory == NULL && address == page + 4096
           && shmxErrorReason () == SHMX_REASON_ADDRESS);
    CHECK ("nothing is left", is_transient () == -1 && check_segments () == count);
}

static void refused (void)
{
    SharedMemory memory = NULL;

    if (!check_refuse_shmctl (EPERM)) {
        check_skip ("this system has no seccomp: IPC_RMID is not refused");
        exit (0);
    }
    CHECK ("if shmctl is refused, the call returns its error",
           shmxCreate (NAME, SIZE, SHMX_TRANSIENT, 0, NULL, &memory) != 0 && memory == NULL);
}

/* ---- the environment --------------------------------------------------------------- */

static const char *keep;
static const char *transient;
static int flags;
static int wanted;

static void as_the_variables_say (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;

    if (keep != NULL) {
        setenv ("SHM_UTIL_KEEP", keep, 1);
    }
    if (transient != NULL) {
        setenv ("SHM_UTIL_TRANSIENT", transient, 1);
    }
    CHECK ("a segment is created", flags == 0
           ? shmCreate (NAME, SIZE, NULL, &memory) == 0
           : shmxCreate (NAME, SIZE, flags, 0, NULL, &memory) == 0);
    info = info_of (memory);
    CHECK (check_text ("SHM_UTIL_KEEP=%s, SHM_UTIL_TRANSIENT=%s, flags %d: %s", keep, transient,
                       flags, wanted == SHMX_KEEP        ? "kept"
                              : wanted == SHMX_TRANSIENT ? "transient"
                                                         : "ordinary"),
           info.kept == (wanted == SHMX_KEEP) && info.transient == (wanted == SHMX_TRANSIENT));
    CHECK ("shmxKeep with 0 returns 0", shmxKeep (memory, 0) == 0);
    CHECK ("shmDestroy deletes it", shmDestroy (memory) == 0 && is_transient () == -1);
}

static void with (const char *of_keep, const char *of_transient, int of_flags, int result)
{
    keep = of_keep;
    transient = of_transient;
    flags = of_flags;
    wanted = result;
    CHECK ("the child exits with status 0", check_child (as_the_variables_say) == 0);
}

static void is_killed (void)
{
    setenv ("SHM_UTIL_TRANSIENT", "1", 1);
    check_create (NAME, SIZE);
    kill (getpid (), SIGKILL);
}

/* In children, because the first call of this process reads the environment. */
static void environment (void)
{
    with ("0", "1", 0, SHMX_TRANSIENT);
    with ("0", "-7", 0, SHMX_TRANSIENT);
    with ("0", "0", 0, 0);
    with ("0", "", 0, 0);
    with ("0", "yes", 0, 0);
    with ("1", "1", 0, SHMX_KEEP);
    with ("1", "0", SHMX_TRANSIENT, SHMX_TRANSIENT);
    with ("1", "1", SHMX_TRANSIENT, SHMX_TRANSIENT);
    with ("0", "1", SHMX_KEEP, SHMX_KEEP);
    with ("1", "1", SHMX_KEEP, SHMX_KEEP);
    CHECK ("a program that uses only shmCreate is killed",
           check_child (is_killed) == 128 + SIGKILL);
    CHECK ("with SHM_UTIL_TRANSIENT=1, nothing is left of its segment", is_transient () == -1);
}

/* ---- a registry that is removed ---------------------------------------------------- */

static void without_registry (void)
{
    SharedMemory memory = make (SHMX_TRANSIENT);
    int id = check_id (memory);
    pid_t child;

    CHECK ("ipcrm removes the registry", check_rm_registries () > 0);
    child = check_fork ();
    if (child == 0) {
        CHECK ("a child finds the segment by its name",
               check_id (check_create (NAME, 0)) == id && is_transient () == 1);
        exit (0);
    }
    CHECK ("the child exits with status 0", check_wait (child) == 0);
    CHECK ("the last shmDestroy deletes segment and name",
           shmDestroy (memory) == 0 && check_is_attached (id, -1) && is_transient () == -1);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0) {
        return EXIT_FAILURE;
    }
    if (check_has (HAS_PROCESSES)) {
        in_a_namespace_that_is_never_used_again ();
    }
    /* shmxPrune sees no other test's segments. */
    setenv ("NOB_DATABASE", check_namespace ("names"), 1);
    environment ();
    if (check_has (HAS_IDS)) {
        CHECK ("the child exits with status 0", check_child (another_system) == 0);
        CHECK ("the child exits with status 0", check_child (refused) == 0);
    }
    CHECK ("the child exits with status 0", check_child (no_room_at_its_address) == 0);
    CHECK ("the child exits with status 0", check_child (while_it_is_in_use) == 0);
    CHECK ("nothing is left of a segment that the child did not destroy", is_transient () == -1);
    its_end ();
    if (check_has (HAS_PROCESSES)) {
        deaths ();
    }
    or_kept ();
    if (check_has (HAS_REGISTRY)) {
        without_registry ();
    }
    return check_done ();
}
