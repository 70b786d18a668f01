/*
 * The method of libgpl, written from its documentation: an ndbm database maps a name to an
 * identifier and a reference count. It is opened for each access, and a lock on a file makes
 * the accesses of one call atomic.
 */

#include "bench.h"
#include "ways.h"

#include <fcntl.h>
#include <ndbm.h>
#include <sys/ipc.h>
#include <sys/shm.h>

struct entry {
    int id;
    int references;
};

enum access { FETCH, STORE, DELETE };

static char database[4096], lock_path[4096 + 8];
static void *held;

static void remove_files (void)
{
    static const char *const endings[] = {".lock", ".dir", ".pag"};
    char path[sizeof lock_path];
    size_t i;

    for (i = 0; i < sizeof endings / sizeof *endings; i++) {
        sprintf (path, "%s%s", database, endings[i]);
        unlink (path);
    }
}

static void begin_libgpl (const char *directory)
{
    snprintf (database, sizeof database, "%s/libgpl-%d", directory, (int) getpid ());
    sprintf (lock_path, "%s.lock", database);
    atexit (remove_files);
}

static int lock (void)
{
    int fd = open (lock_path, O_RDWR | O_CREAT, 0660);

    if (fd == -1 || lockf (fd, F_LOCK, 0) != 0) {
        die (lock_path);
    }
    return fd;
}

static void unlock (int fd)
{
    if (lockf (fd, F_ULOCK, 0) != 0 || close (fd) != 0) {
        die (lock_path);
    }
}

/* Returns whether the name exists. */
static int access_database (enum access access, const char *name, struct entry *entry)
{
    DBM *dbm = dbm_open (database, O_RDWR | O_CREAT, 0660);
    datum key, content;
    int found = 1;

    if (dbm == NULL) {
        die (database);
    }
    key.dptr = (char *) name;
    key.dsize = (int) strlen (name);
    content.dptr = (char *) entry;
    content.dsize = sizeof *entry;
    switch (access) {
    case FETCH:
        content = dbm_fetch (dbm, key);
        found = content.dptr != NULL;
        if (found) {
            memcpy (entry, content.dptr, sizeof *entry);
        }
        break;
    case STORE: must (dbm_store (dbm, key, content, DBM_REPLACE), "dbm_store"); break;
    case DELETE: must (dbm_delete (dbm, key), "dbm_delete"); break;
    }
    dbm_close (dbm);
    return found;
}

static void *map (const char *name, long size)
{
    struct entry entry;
    int fd = lock ();
    void *address;

    if (access_database (FETCH, name, &entry)) {
        entry.references++;
    } else {
        entry.id = shmget (IPC_PRIVATE, (size_t) size, 0660);
        entry.references = 1;
        if (entry.id == -1) {
            die ("shmget");
        }
    }
    access_database (STORE, name, &entry);
    unlock (fd);
    address = shmat (entry.id, NULL, 0);
    if (address == (void *) -1) {
        die ("shmat");
    }
    return address;
}

static void unmap (const char *name, void *address)
{
    struct entry entry;
    int fd;

    must (shmdt (address), "shmdt");
    fd = lock ();
    if (!access_database (FETCH, name, &entry)) {
        die (name);
    }
    entry.references--;
    if (entry.references > 0) {
        access_database (STORE, name, &entry);
    } else {
        must (shmctl (entry.id, IPC_RMID, NULL), "IPC_RMID");
        access_database (DELETE, name, &entry);
    }
    unlock (fd);
}

static void create (long size)
{
    unmap ("bench/calls", map ("bench/calls", size));
}

static void release (void)
{
    unmap ("bench/calls, held", held);
}

static void hold (long size)
{
    held = map ("bench/calls, held", size);
    memset (held, 1, (size_t) size);
}

static void attach (void)
{
    unmap ("bench/calls, held", map ("bench/calls, held", 0));
}

const struct way way_libgpl = {"libgpl's method", begin_libgpl, create, hold, release, attach};
