/*
 * LMDB: a database in a file that all processes map. A segment is an environment without data,
 * whose map has the segment's size.
 */

#include "bench.h"
#include "ways.h"

#include <lmdb.h>

#define PATH 4096

static char path[PATH], held_path[PATH];
static MDB_env *held;

static void begin_lmdb (const char *directory)
{
    snprintf (path, PATH, "%s/lmdb", directory);
    snprintf (held_path, PATH, "%s/lmdb-held", directory);
}

static MDB_env *open_environment (const char *at, long size)
{
    const char *sync = getenv ("SHM_UTIL_SYNC");
    unsigned flags = MDB_NOSUBDIR | MDB_WRITEMAP;
    MDB_env *environment;

    if (sync != NULL && strcmp (sync, "0") == 0) {
        flags |= MDB_NOSYNC;
    }
    if (mdb_env_create (&environment) != 0
        || (size > 0 && mdb_env_set_mapsize (environment, (size_t) size) != 0)
        || mdb_env_open (environment, at, flags, 0660) != 0) {
        die (at);
    }
    return environment;
}

static void remove_files (const char *at)
{
    char file[PATH + 8];

    snprintf (file, sizeof file, "%s-lock", at);
    unlink (at);
    unlink (file);
}

static void create (long size)
{
    mdb_env_close (open_environment (path, size));
    remove_files (path);
}

static void hold (long size)
{
    held = open_environment (held_path, size);
}

static void release (void)
{
    mdb_env_close (held);
    remove_files (held_path);
}

static void attach (void)
{
    mdb_env_close (open_environment (held_path, 0));
}

const struct way way_lmdb = {"LMDB", begin_lmdb, create, hold, release, attach};
