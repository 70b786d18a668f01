/* The Apache Portable Runtime, apr_shm.h. Debian's build uses shm_open, too. */

#include "bench.h"
#include "ways.h"

#include <apr_general.h>
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
