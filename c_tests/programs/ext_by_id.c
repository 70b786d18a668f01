/* shmxStatId, shmxAttachId, shmxRemoveId find a segment by its identifier, if it is one of the
 * namespace. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/ext by id"
#define SIZE 12345L
#define MANY 300
#define ROUNDS 500
#define OWNER 61001
#define READER 61002
#define GROUP 61010

static char space[1024];

static int stat_id (const char *where, int id, struct ShmxInfo *info)
{
    info->size = sizeof *info;
    return shmxStatId (where, id, info);
}

static void finds (void)
{
    SharedMemory memory = check_create (NAME, SIZE), again = NULL;
    void *address = NULL;
    struct ShmxInfo info, by_name;
    char name[1001];

    by_name.size = sizeof by_name;
    errno = 12345;
    CHECK ("shmxStatId returns 0 and leaves errno unchanged",
           stat_id (NULL, shmId (memory), &info) == 0 && errno == 12345);
    CHECK ("shmxStatId stores the same as shmxStatName",
           shmxStatName (NAME, &by_name) == 0 && strcmp (info.name, NAME) == 0
           && memcmp (&info, &by_name, (size_t) (info.name - (char *) &info)) == 0);
    CHECK ("shmxAttachId attaches the segment",
           shmxAttachId (NULL, shmId (memory), 0, &address, &again) == 0
           && shmId (again) == shmId (memory) && address == shmAddress (again)
           && address != shmAddress (memory) && shmSizeOf (again) == SIZE);
    memset (address, 'a', SIZE);
    CHECK ("both handles refer to the same memory", check_filled (shmAddress (memory), 'a', SIZE));
    CHECK ("shmxName returns the segment's name",
           shmxName (again, name, sizeof name) == 0 && strcmp (name, NAME) == 0);
    CHECK ("shmxCreated is 0", shmxCreated (again) == 0);
    CHECK ("shmxKeep works with the handle", shmxKeep (again, 1) == 0 && shmxKeep (memory, 0) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("the last shmDestroy deletes it", shmDestroy (again) == 0 && !check_exists (NAME));
}

static void read_only (void)
{
    SharedMemory memory = check_create (NAME, SIZE), view = NULL;

    CHECK ("SHMX_RDONLY attaches the segment read-only",
           shmxAttachId (NULL, shmId (memory), SHMX_RDONLY, NULL, &view) == 0
           && shmLoad (view, "/dev/zero") == EACCES && shmSave (view, "/dev/null") == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (view) == 0 && shmDestroy (memory) == 0);
}

static void addresses (void)
{
    SharedMemory memory = check_create (NAME, SIZE), again = NULL;
    void *taken = shmAddress (memory), *free_one;
    int id = shmId (memory);

    CHECK ("an address in use is EINVAL",
           shmxAttachId (NULL, id, 0, &taken, &again) == EINVAL && again == NULL
           && taken == shmAddress (memory) && shmxErrorReason () == SHMX_REASON_ADDRESS);
    CHECK ("a second attachment is created and detached",
           shmxAttachId (NULL, id, 0, NULL, &again) == 0 && (free_one = shmAddress (again)) != NULL
           && shmxDetach (again) == 0);
    CHECK ("the segment is attached at the address given",
           shmxAttachId (NULL, id, 0, &free_one, &again) == 0 && shmAddress (again) == free_one);
    CHECK ("shmDestroy returns 0", shmDestroy (again) == 0 && shmDestroy (memory) == 0);
}

/* All three functions find nothing, and leave the segment as it is. */
static void is_absent (const char *what, const char *where, int id)
{
    SharedMemory memory = (SharedMemory) &memory;
    void *address = NULL;
    struct ShmxInfo info;
    long attached = check_attached (id);

    errno = 0;
    CHECK (check_text ("%s is ENOENT in shmxStatId", what),
           stat_id (where, id, &info) == ENOENT && errno == ENOENT);
    CHECK (check_text ("%s is ENOENT in shmxAttachId", what),
           shmxAttachId (where, id, 0, &address, &memory) == ENOENT && memory == NULL
           && address == NULL);
    CHECK (check_text ("%s is ENOENT in shmxRemoveId", what), shmxRemoveId (where, id) == ENOENT);
    CHECK ("the message states the identifier",
           strstr (shmxErrorText (), check_text ("id %d ", id)) != NULL);
    CHECK ("the segment's attachments are unchanged", check_attached (id) == attached);
}

static void absent (void)
{
    SharedMemory memory, elsewhere = NULL;
    int stranger = shmget (IPC_PRIVATE, 4096, 0600), id, segments;

    segments = check_segments ();
    is_absent ("an identifier in a namespace without names", space, stranger);
    CHECK ("no registry is created", check_segments () == segments);
    memory = check_create (NAME, SIZE);
    id = shmId (memory);
    is_absent ("-1", NULL, -1);
    is_absent ("an identifier that no segment has", NULL, 0x7fffffff);
    is_absent ("another program's segment", NULL, stranger);
    CHECK ("shmxCreateIn returns 0",
           shmxCreateIn (space, NAME, SIZE, 0, 0, NULL, &elsewhere) == 0);
    is_absent ("a segment of another namespace", NULL, shmId (elsewhere));
    is_absent ("a segment of this one in another one", space, id);
    CHECK ("each is found in its own namespace",
           shmxRemoveId (space, shmId (elsewhere)) == 0 && shmxRemoveId (NULL, id) == 0);
    is_absent ("a segment whose name was removed", NULL, id);
    CHECK ("the segments whose names were removed still exist",
           check_attached (id) == 1 && check_attached (shmId (elsewhere)) == 1);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0 && shmDestroy (elsewhere) == 0);
    memory = check_create (NAME, SIZE);
    id = shmId (memory);
    CHECK ("ipcrm removes a segment", shmctl (id, IPC_RMID, NULL) == 0);
    is_absent ("a segment that ipcrm removed", NULL, id);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    shmctl (stranger, IPC_RMID, NULL);
}

static void arguments (void)
{
    SharedMemory memory = check_create (NAME, SIZE), again = (SharedMemory) &again;
    int id = shmId (memory);
    struct ShmxInfo info;

    CHECK ("NULL for the information is EINVAL", shmxStatId (NULL, id, NULL) == EINVAL);
    info.size = sizeof info - 1;
    CHECK ("a struct that is too small is EINVAL", shmxStatId (NULL, id, &info) == EINVAL);
    CHECK ("NULL for the handle is EINVAL", shmxAttachId (NULL, id, 0, NULL, NULL) == EINVAL);
    CHECK ("flags other than SHMX_RDONLY are EINVAL",
           shmxAttachId (NULL, id, SHMX_EXCL, NULL, &again) == EINVAL && again == NULL
           && shmxAttachId (NULL, id, SHMX_RDONLY | SHMX_KEEP, NULL, &again) == EINVAL);
    CHECK ("no failed call attached the segment", check_attached (id) == 1);
    setenv ("LOOP", "$LOOP", 1);
    CHECK ("a namespace that cannot be translated is ELOOP",
           stat_id ("$LOOP", id, &info) == ELOOP && shmxRemoveId ("$LOOP", id) == ELOOP
           && shmxAttachId ("$LOOP", id, 0, NULL, &again) == ELOOP);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* Slots in all parts of the registry, and long names. */
static void among_many (void)
{
    static SharedMemory memory[MANY];
    static char name[1001];
    struct ShmxInfo info;
    int i, found = 0, removed = 0;

    if (!check_has_room (MANY + 1, "three hundred identifiers")) {
        return;
    }
    memset (name, 'n', sizeof name - 1);
    for (i = 0; i < MANY; i++) {
        memcpy (name, check_text ("%04d", i), 4);
        name[i % 2 == 0 ? 20 : 120] = '\0';
        shmCreate (name, SIZE, NULL, &memory[i]);
        name[i % 2 == 0 ? 20 : 120] = 'n';
    }
    for (i = 0; i < MANY; i++) {
        found += stat_id (NULL, shmId (memory[i]), &info) == 0 && atoi (info.name) == i
                 && strlen (info.name) == (i % 2 == 0 ? 20 : 120) && info.id == shmId (memory[i]);
    }
    CHECK ("each of three hundred segments is found by its identifier", found == MANY);
    for (i = 0; i < MANY; i += 3) {
        removed += shmxRemoveId (NULL, shmId (memory[i])) == 0;
    }
    for (i = 0; i < MANY; i++) {
        found -= stat_id (NULL, shmId (memory[i]), &info) == (i % 3 == 0 ? ENOENT : 0);
        shmDestroy (memory[i]);
    }
    CHECK ("segments whose names were removed are not found any more",
           removed == MANY / 3 && found == 0);
}

/* ---- the name moves to another segment meanwhile ------------------------------------------ */

static int stop;

/* Gives the name to one segment after the other. Each contains its identifier, written before it
 * is published by its name being looked up again. */
static void *renews (void *unused)
{
    while (__sync_fetch_and_add (&stop, 0) == 0) {
        SharedMemory memory = NULL;

        if (shmxCreate (NAME, SIZE, SHMX_EXCL, 0, NULL, &memory) == 0) {
            *(int *) shmAddress (memory) = shmId (memory);
            if (shmId (memory) % 4 == 0) {
                usleep (100); /* so that some are attached on a busy machine, too */
            }
            shmDestroy (memory);
        }
    }
    return unused;
}

static void races (void)
{
    pthread_t thread;
    int i, attached = 0, wrong = 0;

    pthread_create (&thread, NULL, renews, NULL);
    for (i = 0; i < ROUNDS || (attached == 0 && i < 100 * ROUNDS); i++) {
        SharedMemory memory = NULL;
        struct ShmxInfo info;
        int status;

        info.size = sizeof info;
        if (shmxStatName (NAME, &info) != 0) {
            continue;
        }
        status = shmxAttachId (NULL, info.id, 0, NULL, &memory);
        wrong += status != 0 && status != ENOENT;
        if (status == 0) {
            int value = *(volatile int *) shmAddress (memory);

            attached++;
            wrong += shmId (memory) != info.id || (value != 0 && value != info.id);
            wrong += shmDestroy (memory) != 0;
        }
        if (i % 7 == 0) {
            status = shmxRemoveId (NULL, info.id);
            wrong += status != 0 && status != ENOENT;
        }
    }
    __sync_fetch_and_add (&stop, 1);
    pthread_join (thread, NULL);
    CHECK ("while a name moves from segment to segment, calls act only on the segment that has "
           "the identifier", wrong == 0);
    CHECK ("shmxAttachId attached some of them", attached > 0);
}

/* ---- users ------------------------------------------------------------------------------- */

static int *id_of_owner;

static void become (uid_t user)
{
    CHECK ("root becomes another user",
           setgroups (0, NULL) == 0 && setgid (GROUP) == 0 && setuid (user) == 0);
}

static void owner (void)
{
    SharedMemory memory = NULL;

    become (OWNER);
    CHECK ("the owner creates a segment",
           shmxCreateIn (space, NAME, SIZE, SHMX_KEEP, 0640, NULL, &memory) == 0);
    *id_of_owner = shmId (memory);
    CHECK ("the owner's shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void reader (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;

    become (READER);
    CHECK ("a member of the group finds it by its identifier",
           stat_id (space, *id_of_owner, &info) == 0);
    CHECK ("attaching a segment that may only be read is EACCES",
           shmxAttachId (space, *id_of_owner, 0, NULL, &memory) == EACCES && memory == NULL
           && shmxErrorReason () == SHMX_REASON_PERMISSION);
    CHECK ("it can be attached read-only",
           shmxAttachId (space, *id_of_owner, SHMX_RDONLY, NULL, &memory) == 0
           && shmDestroy (memory) == 0);
    CHECK ("removing it is EPERM, because of the owner",
           shmxRemoveId (space, *id_of_owner) == EPERM
           && shmxErrorReason () == SHMX_REASON_OWNER);
    CHECK ("the text names the segment and the owner",
           strcmp (shmxErrorText (),
                   check_text ("remove segment '%s' (id %d) of user %d: Operation not permitted",
                               NAME, *id_of_owner, OWNER)) == 0);
    CHECK ("the reader's own namespace does not contain it",
           stat_id ("", *id_of_owner, &info) == ENOENT);
}

static void owner_again (void)
{
    become (OWNER);
    CHECK ("its owner removes it", shmxRemoveId (space, *id_of_owner) == 0);
}

static void users (void)
{
    if (!check_has_users ("identifiers of other users' segments")) {
        return;
    }
    strcat (space, " of users");
    CHECK ("the owner exits with status 0", check_child (owner) == 0);
    CHECK ("the reader exits with status 0", check_child (reader) == 0);
    CHECK ("the owner exits with status 0", check_child (owner_again) == 0);
}

int main (void)
{
    check_start ();
    id_of_owner = check_shared (sizeof *id_of_owner);
    strcpy (space, check_path ("space"));
    finds ();
    read_only ();
    addresses ();
    absent ();
    arguments ();
    among_many ();
    races ();
    users ();
    return check_done ();
}
