/* shmxStat and shmxStatName: the facts about a segment, and the structure that contains them. */

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
    CHECK ("shmxStat returns 0 and leaves errno unchanged",
           shmxStat (memory, &info) == 0 && errno == 12345);
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

/* src/capi/info.rs asserts the same numbers for the library's structure. */
static void layout (void)
{
    size_t word = sizeof (long);

    CHECK ("program and library agree on the structure's layout",
           offsetof (struct ShmxInfo, size) == 0 && offsetof (struct ShmxInfo, bytes) == word
           && offsetof (struct ShmxInfo, created) == 2 * word
           && offsetof (struct ShmxInfo, changed) == 5 * word
           && offsetof (struct ShmxInfo, mappings) == 6 * word
           && offsetof (struct ShmxInfo, id) == 7 * word
           && offsetof (struct ShmxInfo, uid) == 7 * word + 16
           && offsetof (struct ShmxInfo, kept) == 7 * word + 40
           && offsetof (struct ShmxInfo, hidden) == 7 * word + 48
           && offsetof (struct ShmxInfo, kind) == 7 * word + 52
           && offsetof (struct ShmxInfo, name) == 7 * word + 56
           && sizeof (struct ShmxInfo) == (word == 8 ? 1120 : 1088));
}

static void facts (void)
{
    SharedMemory memory = NULL, second;
    struct ShmxInfo info;
    time_t before = time (NULL);

    CHECK ("shmxCreate creates a segment", shmxCreate (NAME, SIZE, 0, 0640, NULL, &memory) == 0);
    info = info_of (memory);
    CHECK ("`size` is unchanged", info.size == sizeof info);
    CHECK ("`name` is the name", strcmp (info.name, NAME) == 0);
    CHECK ("`id` is shmId", info.id == shmId (memory));
    CHECK ("`kind` is the kind of memory", info.kind == (check_store () == CHECK_SYSV ? SHMX_SYSV
                                                 : check_store () == CHECK_DIRECTORY
                                                     ? SHMX_DIRECTORY : SHMX_PRIVATE));
    CHECK ("the kernel has this size, mode and owner", check_is_size (check_id (memory), SIZE)
           && check_is_mode (check_id (memory), 0640)
           && check_is_owner (check_id (memory), geteuid (), getegid ()));
    CHECK ("`bytes` is the size of the segment", info.bytes == SIZE);
    CHECK ("`created` is the time of creation",
           info.created >= before - 1 && info.created <= time (NULL));
    CHECK ("`changed` is the time of the last change",
           info.changed >= info.created && info.changed <= time (NULL));
    CHECK ("`detached` is 0 before the first detachment", info.detached == 0);
    CHECK ("`uid`, `gid`, `creatorUid` and `creatorGid` are this user's",
           info.uid == geteuid () && info.gid == getegid ()
           && info.creatorUid == geteuid () && info.creatorGid == getegid ());
    CHECK ("`mode` is the mode", info.mode == 0640);
    CHECK ("`mappings` counts attachments", info.mappings == 1);
    CHECK ("`locked` and `kept` are 0", info.locked == 0 && info.kept == 0);
    CHECK ("`transient` and `hidden` are 0", info.transient == 0 && info.hidden == 0);

    second = check_create (NAME, 0);
    CHECK ("`mappings` counts a second attachment", info_of (second).mappings == 2);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
    info = info_of (memory);
    CHECK ("`mappings` is 1 again", info.mappings == 1);
    CHECK ("two seconds pass", sleep (2) == 0);
    CHECK ("shmxSetPerm sets the mode", shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 0600) == 0);
    CHECK ("shmxKeep returns 0", shmxKeep (memory, 1) == 0);
    second = memory;
    info = info_of_name (NAME);
    CHECK ("`mode` and `kept` show both changes", info.mode == 0600 && info.kept == 1);
    CHECK ("`created` stays when `changed` changes",
           info.changed >= info.created + 1 && info.created <= before + 1);
    CHECK ("`kept` is 0 again", shmxKeep (memory, 0) == 0 && info_of (memory).kept == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
}

/* What only System V segments record. */
static void of_attachments (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    struct shmid_ds kernel;
    struct ShmxInfo info;
    pid_t child;

    CHECK ("the kernel knows the segment", shmctl (shmId (memory), IPC_STAT, &kernel) == 0);
    info = info_of (memory);
    CHECK ("`key` is the kernel's key", info.key == kernel.shm_perm.__key && info.key != 0);
    CHECK ("`attached` is the time of the last attachment",
           info.attached == kernel.shm_atime && info.attached >= info.created);
    CHECK ("`changed` is the time of the last change", info.changed == kernel.shm_ctime);
    CHECK ("`creatorPid` and `lastPid` are this process",
           info.creatorPid == (int) getpid () && info.lastPid == (int) getpid ());
    CHECK ("shmDestroy returns 0", shmDestroy (check_create (NAME, 0)) == 0);
    CHECK ("`detached` is the time of the last detachment",
           info_of (memory).detached >= info.attached);
    child = check_fork ();
    if (child == 0) {
        _exit (shmDestroy (memory) == 0 && shmDestroy (check_create (NAME, 0)) == 0 ? 0 : 1);
    }
    CHECK ("a child attaches and detaches the segment", check_wait (child) == 0);
    info = info_of_name (NAME);
    CHECK ("`lastPid` is the child", info.lastPid == (int) child);
    CHECK ("`creatorPid` is unchanged", info.creatorPid == (int) getpid ());
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void without_attachments (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    struct ShmxInfo info = info_of (memory);

    CHECK ("shmDestroy returns 0", shmDestroy (check_create (NAME, 0)) == 0);
    info = info_of (memory);
    CHECK ("`id` is -1, `key`, `attached`, `detached` and `lastPid` are 0",
           info.id == -1 && info.key == 0 && info.attached == 0 && info.detached == 0
           && info.lastPid == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void removed (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    struct ShmxInfo info;

    info = info_of (memory);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("shmxStat of the handle still works", info_of (memory).id == info.id);
    CHECK ("`key` and `kept` are 0", info_of (memory).key == 0 && info_of (memory).kept == 0);
    CHECK ("`created` is the time of creation", info_of (memory).created == info.created);
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
        CHECK (check_text ("a structure of %lu bytes is EINVAL", sizes[i]),
               shmxStat (memory, &info) == EINVAL && shmxStatName (NAME, &info) == EINVAL);
        CHECK ("the structure is unchanged", memcmp (&before, &info, sizeof info) == 0);
    }
    CHECK ("the text mentions sizeof", strstr (shmxErrorText (), "sizeof") != NULL);
    memset (&larger, 0x55, sizeof larger);
    larger.info.size = sizeof larger;
    CHECK ("a newer program can use an older library",
           shmxStat (memory, &larger.info) == 0 && larger.info.size == sizeof larger
           && larger.info.bytes == SIZE);
    CHECK ("members that the library does not know are 0", check_filled (larger.more, 0, 64));
    memset (&larger, 0x55, sizeof larger);
    larger.info.size = sizeof info + 16;
    CHECK ("the library writes no more than `size` bytes",
           shmxStatName (NAME, &larger.info) == 0 && check_filled (larger.more, 0, 16)
           && check_filled (larger.more + 16, 0x55, 48));
    info.size = sizeof info;
    CHECK ("NULL for the structure is EINVAL",
           shmxStat (memory, NULL) == EINVAL && shmxStatName (NAME, NULL) == EINVAL);
    CHECK ("NULL for the name is EINVAL", shmxStatName (NULL, &info) == EINVAL);
    CHECK ("NULL for the handle is EINVAL", shmxStat (NULL, &info) == EINVAL);
    CHECK ("a name that does not exist is ENOENT",
           shmxStatName ("c_tests/ext stat, no such", &info) == ENOENT);
    memset (name, 'n', 1001);
    CHECK ("a name of 1001 bytes is ENAMETOOLONG", shmxStatName (name, &info) == ENAMETOOLONG);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxStat (memory, &info) == EINVAL && errno == EINVAL);
    CHECK ("the name of a deleted segment is ENOENT",
           shmxStatName (NAME, &info) == ENOENT && errno == ENOENT);
    name[check_has (HAS_LONG_NAMES) ? 1000 : 255] = '\0';
    memory = check_create (name, 1);
    info = info_of (memory);
    CHECK ("the longest name is complete", strcmp (info.name, name) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static SharedMemory elsewhere;

static void leave_the_namespace (void)
{
    struct ShmxInfo info;

    if (unshare (CLONE_NEWIPC) != 0) {
        check_skip ("a segment of another IPC namespace: unshare is not allowed");
        return;
    }
    info.size = sizeof info;
    CHECK ("in another IPC namespace the segment is EIDRM",
           shmxStat (elsewhere, &info) == EIDRM
           && shmxSetPerm (elsewhere, SHMX_SAME, SHMX_SAME, 0600) == EIDRM
           && shmxLock (elsewhere) == EIDRM && errno == EIDRM);
}

static void another_ipc_namespace (void)
{
    elsewhere = check_create (NAME, SIZE);
    CHECK ("the child exits with status 0", check_child (leave_the_namespace) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (elsewhere) == 0);
}

int main (void)
{
    check_start ();
    layout ();
    if (check_has (HAS_IDS)) {
        another_ipc_namespace ();
    }
    facts ();
    if (check_has (HAS_TIMES)) {
        of_attachments ();
    } else {
        without_attachments ();
    }
    removed ();
    errors ();
    return check_done ();
}
