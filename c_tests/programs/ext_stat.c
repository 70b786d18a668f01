/* shmxStat and shmxStatName: what is known of a segment, and the struct that tells it. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#define NAME "c_tests/ext stat \377"
#define SIZE 12345L

static struct ShmxInfo info_of (SharedMemory memory)
{
    struct ShmxInfo info;

    memset (&info, 0x55, sizeof info);
    info.size = sizeof info;
    errno = 12345;
    CHECK ("shmxStat returns 0 and leaves errno", shmxStat (memory, &info) == 0 && errno == 12345);
    return info;
}

static struct ShmxInfo info_of_name (const char *name)
{
    struct ShmxInfo info;

    memset (&info, 0x55, sizeof info);
    info.size = sizeof info;
    CHECK ("shmxStatName returns 0", shmxStatName (name, &info) == 0);
    return info;
}

/* The numbers that src/capi/ext.rs proves of the library's own. */
static void layout (void)
{
    CHECK ("the struct's layout is the library's",
           offsetof (struct ShmxInfo, size) == 0 && offsetof (struct ShmxInfo, bytes) == 8
           && offsetof (struct ShmxInfo, created) == 16
           && offsetof (struct ShmxInfo, changed) == 40
           && offsetof (struct ShmxInfo, mappings) == 48
           && offsetof (struct ShmxInfo, id) == 56 && offsetof (struct ShmxInfo, uid) == 72
           && offsetof (struct ShmxInfo, kept) == 96 && offsetof (struct ShmxInfo, name) == 100
           && sizeof (struct ShmxInfo) == 1104);
}

static void facts (void)
{
    SharedMemory memory = NULL, second;
    struct shmid_ds kernel;
    struct ShmxInfo info;
    time_t before = time (NULL);
    pid_t child;

    CHECK ("a segment is made", shmxCreate (NAME, SIZE, 0, 0640, NULL, &memory) == 0);
    info = info_of (memory);
    shmctl (shmId (memory), IPC_STAT, &kernel);
    CHECK ("the size of the struct stays", info.size == sizeof info);
    CHECK ("the name is told", strcmp (info.name, NAME) == 0);
    CHECK ("and the id", info.id == shmId (memory));
    CHECK ("and the key", info.key == kernel.shm_perm.__key && info.key != 0);
    CHECK ("and the size", info.bytes == SIZE);
    CHECK ("and when it was made", info.created >= before - 1 && info.created <= time (NULL));
    CHECK ("and attached", info.attached == kernel.shm_atime && info.attached >= info.created);
    CHECK ("never detached is 0", info.detached == 0);
    CHECK ("and changed", info.changed == kernel.shm_ctime);
    CHECK ("and by whom",
           info.creatorPid == (int) getpid () && info.lastPid == (int) getpid ());
    CHECK ("and whose it is", info.uid == geteuid () && info.gid == getegid ()
           && info.creatorUid == geteuid () && info.creatorGid == getegid ());
    CHECK ("and the mode", info.mode == 0640);
    CHECK ("and the mappings", info.mappings == 1);
    CHECK ("it is neither locked nor kept", info.locked == 0 && info.kept == 0);

    second = check_create (NAME, 0);
    CHECK ("a second mapping counts", info_of (second).mappings == 2);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
    info = info_of (memory);
    CHECK ("then it has been detached", info.mappings == 1 && info.detached >= before);
    child = check_fork ();
    if (child == 0) {
        _exit (shmDestroy (memory) == 0 && shmDestroy (check_create (NAME, 0)) == 0 ? 0 : 1);
    }
    CHECK ("a child maps and unmaps it", check_wait (child) == 0);
    info = info_of_name (NAME);
    CHECK ("and was the last to do so", info.lastPid == (int) child);
    CHECK ("the maker stays", info.creatorPid == (int) getpid ());
    CHECK ("time passes", sleep (2) == 0);
    CHECK ("the mode is set", shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 0600) == 0);
    CHECK ("it is kept", shmxKeep (memory, 1) == 0);
    second = memory;
    info = info_of_name (NAME);
    CHECK ("both are told", info.mode == 0600 && info.kept == 1);
    CHECK ("creation and change are two times",
           info.changed >= info.created + 1 && info.created <= before + 1);
    CHECK ("it is not kept any more", shmxKeep (memory, 0) == 0 && info_of (memory).kept == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
}

static void removed (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    struct ShmxInfo info;

    info = info_of (memory);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("the handle still tells", info_of (memory).id == info.id);
    CHECK ("but of no key", info_of (memory).key == 0 && info_of (memory).kept == 0);
    CHECK ("and when it was made", info_of (memory).created == info.created);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void errors (void)
{
    struct { struct ShmxInfo info; char more[64]; } larger;
    struct ShmxInfo info, before;
    SharedMemory memory = check_create (NAME, SIZE);
    static char name[1002];
    int i;
    unsigned long sizes[6];

    sizes[0] = 0;
    sizes[1] = 8;
    sizes[2] = sizeof info - 1;
    sizes[3] = 65537;
    sizes[4] = (unsigned long) -1;
    sizes[5] = offsetof (struct ShmxInfo, name);
    for (i = 0; i < 6; i++) {
        memset (&info, 0x55, sizeof info);
        info.size = sizes[i];
        before = info;
        CHECK (check_text ("a struct of %lu bytes is EINVAL", sizes[i]),
               shmxStat (memory, &info) == EINVAL && shmxStatName (NAME, &info) == EINVAL);
        CHECK ("and is left alone", memcmp (&before, &info, sizeof info) == 0);
    }
    CHECK ("the text says what to do", strstr (shmxErrorText (), "sizeof") != NULL);
    memset (&larger, 0x55, sizeof larger);
    larger.info.size = sizeof larger;
    CHECK ("a program may know more than the library",
           shmxStat (memory, &larger.info) == 0 && larger.info.size == sizeof larger
           && larger.info.bytes == SIZE);
    CHECK ("what the library does not know is 0", check_filled (larger.more, 0, 64));
    memset (&larger, 0x55, sizeof larger);
    larger.info.size = sizeof info + 16;
    CHECK ("it fills in no more than it is told",
           shmxStatName (NAME, &larger.info) == 0 && check_filled (larger.more, 0, 16)
           && check_filled (larger.more + 16, 0x55, 48));
    info.size = sizeof info;
    CHECK ("NULL for the struct is EINVAL",
           shmxStat (memory, NULL) == EINVAL && shmxStatName (NAME, NULL) == EINVAL);
    CHECK ("NULL for the name is EINVAL", shmxStatName (NULL, &info) == EINVAL);
    CHECK ("NULL for the handle is EINVAL", shmxStat (NULL, &info) == EINVAL);
    CHECK ("no such name is ENOENT", shmxStatName ("c_tests/ext stat, no such", &info) == ENOENT);
    memset (name, 'n', 1001);
    CHECK ("a name of 1001 bytes is ENAMETOOLONG", shmxStatName (name, &info) == ENAMETOOLONG);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxStat (memory, &info) == EINVAL && errno == EINVAL);
    CHECK ("then the name is ENOENT", shmxStatName (NAME, &info) == ENOENT && errno == ENOENT);
    name[1000] = '\0';
    memory = check_create (name, 1);
    info = info_of (memory);
    CHECK ("a name of 1000 bytes is told whole", strcmp (info.name, name) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static SharedMemory elsewhere;

static void leave_the_name_space (void)
{
    struct ShmxInfo info;

    if (unshare (CLONE_NEWIPC) != 0) {
        return; /* not allowed: nothing to see */
    }
    info.size = sizeof info;
    CHECK ("from another IPC name space the segment is EIDRM",
           shmxStat (elsewhere, &info) == EIDRM && shmxSetPerm (elsewhere, SHMX_SAME, SHMX_SAME, 0600)
           == EIDRM && shmxLock (elsewhere) == EIDRM && errno == EIDRM);
}

static void another_ipc_name_space (void)
{
    elsewhere = check_create (NAME, SIZE);
    CHECK ("the child ends well", check_child (leave_the_name_space) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (elsewhere) == 0);
}

int main (void)
{
    check_start ();
    layout ();
    another_ipc_name_space ();
    facts ();
    removed ();
    errors ();
    return check_done ();
}
