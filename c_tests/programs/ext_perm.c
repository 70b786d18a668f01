/* shmxSetPerm, shmxLock and shmxUnlock: shmctl(2) by handle. */

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

static struct shmid_ds kernel (SharedMemory memory)
{
    struct shmid_ds status;

    memset (&status, 0, sizeof status);
    shmctl (shmId (memory), IPC_STAT, &status);
    return status;
}

static int has (SharedMemory memory, unsigned int uid, unsigned int gid, unsigned int mode)
{
    struct shmid_ds status = kernel (memory);
    int error = errno;

    errno = error;
    return status.shm_perm.uid == uid && status.shm_perm.gid == gid
        && (status.shm_perm.mode & 0777) == mode;
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
    CHECK ("another handle refers to the same segment", shmId (other) == shmId (memory));
    CHECK ("any handle can be used", shmxSetPerm (other, SHMX_SAME, SHMX_SAME, 0664) == 0
           && has (memory, uid, gid, 0664));
    CHECK ("a mode with more than permission bits is EINVAL",
           shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, 01000) == EINVAL && errno == EINVAL
           && has (memory, uid, gid, 0664));
    CHECK ("NULL is EINVAL", shmxSetPerm (NULL, SHMX_SAME, SHMX_SAME, 0600) == EINVAL);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("permissions can be set without a name", shmxSetPerm (memory, -1, -1, 0600) == 0
           && has (memory, uid, gid, 0600));
    CHECK ("shmDestroy returns 0", shmDestroy (other) == 0 && shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxSetPerm (memory, -1, -1, 0600) == EINVAL);
}

static int is_locked (SharedMemory memory)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStat (memory, &info) == 0
        && info.locked == ((kernel (memory).shm_perm.mode & SHM_LOCKED) != 0) ? info.locked : -1;
}

static void locks (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    CHECK ("a new segment is not locked", is_locked (memory) == 0);
    errno = 12345;
    CHECK ("shmxLock returns 0", shmxLock (memory) == 0 && errno == 12345);
    CHECK ("then the segment is locked", is_locked (memory) == 1);
    CHECK ("a second shmxLock returns 0", shmxLock (memory) == 0 && is_locked (memory) == 1);
    CHECK ("its mode is unchanged", check_mode (shmId (memory)) == 0660);
    CHECK ("shmxUnlock returns 0", shmxUnlock (memory) == 0 && is_locked (memory) == 0);
    CHECK ("a second shmxUnlock returns 0", shmxUnlock (memory) == 0 && is_locked (memory) == 0);
    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("a segment without a name can be locked", shmxLock (memory) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("a stale handle is EINVAL", shmxLock (memory) == EINVAL && errno == EINVAL
           && shmxUnlock (memory) == EINVAL);
    CHECK ("NULL is EINVAL", shmxLock (NULL) == EINVAL && shmxUnlock (NULL) == EINVAL);
}

int main (void)
{
    check_start ();
    permissions ();
    locks ();
    return check_done ();
}
