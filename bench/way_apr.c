/*
 * The Apache Portable Runtime: apr_shm.h, for which Debian's build uses shm_open, too, and files
 * that are mapped.
 */

#include "bench.h"
#include "ways.h"

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_mmap.h>
#include <apr_pools.h>
#include <apr_shm.h>

static apr_pool_t *pool, *held_pool;
static apr_shm_t *held;
static char path[4096], held_path[4096];

static void check (apr_status_t status, const char *what)
{
    errno = (int) status;
    must (status != APR_SUCCESS, what);
}

static void begin_apr (const char *directory)
{
    check (apr_initialize (), "apr_initialize");
    check (apr_pool_create (&held_pool, NULL), "apr_pool_create");
    check (apr_pool_create (&pool, NULL), "apr_pool_create");
    snprintf (path, sizeof path, "%s/apr-%d", directory, (int) getpid ());
    snprintf (held_path, sizeof held_path, "%s/apr-%d-held", directory, (int) getpid ());
}

static void create (long size)
{
    apr_shm_t *memory;

    check (apr_shm_create (&memory, (apr_size_t) size, path, pool), "apr_shm_create");
    check (apr_shm_destroy (memory), "apr_shm_destroy");
    apr_pool_clear (pool);
}

static void release (void)
{
    check (apr_shm_destroy (held), "apr_shm_destroy");
}

static void hold (long size)
{
    check (apr_shm_create (&held, (apr_size_t) size, held_path, held_pool), "apr_shm_create");
    memset (apr_shm_baseaddr_get (held), 1, (size_t) size);
}

static void attach (void)
{
    apr_shm_t *memory;

    check (apr_shm_attach (&memory, held_path, pool), "apr_shm_attach");
    check (apr_shm_detach (memory), "apr_shm_detach");
    apr_pool_clear (pool);
}

const struct way way_apr = {"APR", begin_apr, create, hold, release, attach};

/* ---- a file that is mapped, apr_mmap.h ------------------------------------------------------ */

#define FLAGS (APR_READ | APR_WRITE | APR_BINARY)

static char file_path[4096], held_file_path[4096];
static apr_mmap_t *held_map;

static void begin_apr_file (const char *directory)
{
    begin_apr (directory);
    snprintf (file_path, sizeof file_path, "%s/apr", directory);
    snprintf (held_file_path, sizeof held_file_path, "%s/apr-held", directory);
}

static apr_mmap_t *map_file (const char *at, apr_int32_t flags, long size, apr_pool_t *in)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_mmap_t *map;

    check (apr_file_open (&file, at, FLAGS | flags, APR_FPROT_OS_DEFAULT, in), "apr_file_open");
    if (size > 0) {
        check (apr_file_trunc (file, size), "apr_file_trunc");
    }
    check (apr_file_info_get (&info, APR_FINFO_SIZE, file), "apr_file_info_get");
    check (apr_mmap_create (&map, file, 0, (apr_size_t) info.size,
                            APR_MMAP_READ | APR_MMAP_WRITE, in), "apr_mmap_create");
    check (apr_file_close (file), "apr_file_close");
    return map;
}

static void create_file (long size)
{
    apr_mmap_t *map = map_file (file_path, APR_CREATE | APR_EXCL, size, pool);

    check (apr_mmap_delete (map), "apr_mmap_delete");
    check (apr_file_remove (file_path, pool), "apr_file_remove");
    apr_pool_clear (pool);
}

static void hold_file (long size)
{
    held_map = map_file (held_file_path, APR_CREATE | APR_EXCL, size, held_pool);
    memset (held_map->mm, 1, held_map->size);
}

static void release_file (void)
{
    check (apr_mmap_delete (held_map), "apr_mmap_delete");
    check (apr_file_remove (held_file_path, held_pool), "apr_file_remove");
}

static void attach_file (void)
{
    apr_mmap_t *map = map_file (held_file_path, 0, 0, pool);

    check (apr_mmap_delete (map), "apr_mmap_delete");
    apr_pool_clear (pool);
}

const struct way way_apr_file = {"APR", begin_apr_file, create_file, hold_file, release_file,
                                 attach_file};
