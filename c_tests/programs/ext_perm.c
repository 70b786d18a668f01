/* shmxSetPerm, shmxLock and shmxUnlock: by handle. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext perm"
#define SIZE 12345L
#define SOMEBODY 61001u

static int has (SharedMemory memory, unsigned int uid, unsigned int gid, unsigned int mode)
{
    int id = check_id (memory);

    return check_is_mode (id, (long) mode) && check_is_owner (id, uid, gid);
}

static void permissions (void)
{
    SharedMemory memory = check_create (NAME, SIZE), other;
    unsigned int uid = geteuid (), gid = getegid ();

    errno = 12345;
    CHECK ("shmxSetPerm sets the mode", shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 0640) == 0);
    CHECK ("errno is unchanged", errno == 12345);
    CHECK ("owner and group are unchanged", has (memory, uid, gid, 0640));
    CHECK ("SHMX_SAME for all three changes nothing",
           shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, SHMX_SAME) == 0
           && has (memory, uid, gid, 0640));
    CHECK ("-1 means SHMX_SAME", shmxSetPerm (memory, -1, -1, 0600) == 0
           && has (memory, uid, gid, 0600));
    if (check_has_users ("giving a segment away")) {
        CHECK ("shmxSetPerm sets the owner",
               shmxSetPerm (memory, SOMEBODY, SHMX_SAME, SHMX_SAME) == 0
               && has (memory, SOMEBODY, gid, 0600));
        CHECK ("shmxSetPerm sets the group",
               shmxSetPerm (memory, SHMX_SAME, SOMEBODY, SHMX_SAME) == 0
               && has (memory, SOMEBODY, SOMEBODY, 0600));
        CHECK ("shmxSetPerm sets all three", shmxSetPerm (memory, uid, gid, 0660) == 0
               && has (memory, uid, gid, 0660));
    }
    other = check_create (NAME, 0);
    CHECK ("another handle refers to the same segment", check_id (other) == check_id (memory));
    CHECK ("any handle can be used", shmxSetPerm (other, SHMX_SAME, SHMX_SAME, 0664) == 0
           && has (memory, uid, gid, 0664));
    CHECK ("a mode with more than permission bits is EINVAL",
           shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 01000) == EINVAL && errno == EINVAL
           && has (memory, uid, gid, 0664));
    CHECK ("NULL is EINVAL", shmxSetPerm (NULL, SHMX_SAME, SHMX_SAME, 0600) == EINVAL);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    if (check_has (HAS_NAMELESS)) {
        CHECK ("permissions can be set without a name", shmxSetPerm (memory, -1, -1, 0600) == 0
               && has (memory, uid, gid, 0600));
    } else {
        CHECK ("without a name, setting permissions is EIDRM",
               shmxSetPerm (memory, -1, -1, 0600) == EIDRM && errno == EIDRM);
    }
    CHECK ("shmDestroy returns 0", shmDestroy (other) == 0 && shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxSetPerm (memory, -1, -1, 0600) == EINVAL);
}

/* What the kernel knows, which shmxStat must show. */
static int is_locked (SharedMemory memory)
{
    struct ShmxInfo info;
    struct shmid_ds status;
    int error = errno;

    info.size = sizeof info;
    if (shmxStat (memory, &info) != 0) {
        return -1;
    }
    if (shmctl (shmId (memory), IPC_STAT, &status) == 0
        && info.locked != ((status.shm_perm.mode & SHM_LOCKED) != 0)) {
        return -1;
    }
    errno = error;
    return info.locked;
}

static void locks (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    CHECK ("a new segment is not locked", is_locked (memory) == 0);
    errno = 12345;
    CHECK ("shmxLock returns 0", shmxLock (memory) == 0 && errno == 12345);
    CHECK ("then the segment is locked", is_locked (memory) == 1);
    CHECK ("a second shmxLock returns 0", shmxLock (memory) == 0 && is_locked (memory) == 1);
    CHECK ("its mode is unchanged", check_is_mode (check_id (memory), 0660));
    CHECK ("shmxUnlock returns 0", shmxUnlock (memory) == 0 && is_locked (memory) == 0);
    CHECK ("a second shmxUnlock returns 0", shmxUnlock (memory) == 0 && is_locked (memory) == 0);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("a segment without a name can be locked", shmxLock (memory) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxLock (memory) == EINVAL && errno == EINVAL
           && shmxUnlock (memory) == EINVAL);
    CHECK ("NULL is EINVAL", shmxLock (NULL) == EINVAL && shmxUnlock (NULL) == EINVAL);
}

static void refused_locks (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    CHECK ("shmxLock is ENOTSUP", shmxLock (memory) == ENOTSUP && errno == ENOTSUP);
    CHECK ("the text names mlock(2)", strstr (shmxErrorText (), "mlock(2)") != NULL);
    CHECK ("the segment is not locked", is_locked (memory) == 0);
    CHECK ("shmxUnlock returns 0", shmxUnlock (memory) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

int main (void)
{
    check_start ();
    permissions ();
    if (check_has (HAS_LOCK)) {
        locks ();
    } else {
        refused_locks ();
    }
    return check_done ();
}
