/* POSIX shared memory: files on tmpfs. */

#include "bench.h"
#include "ways.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char name[64], held[64];

static void begin_posix (const char *directory)
{
    (void) directory;
    sprintf (name, "/bench-calls-%d", (int) getpid ());
    sprintf (held, "/bench-calls-%d-held", (int) getpid ());
}

static void *map_new (const char *path, long size)
{
    int fd = shm_open (path, O_RDWR | O_CREAT | O_EXCL, 0660);
    void *address;

    if (fd == -1 || ftruncate (fd, size) != 0) {
        die ("shm_open, ftruncate");
    }
    address = mmap (NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED || close (fd) != 0) {
        die ("mmap");
    }
    return address;
}

static void create (long size)
{
    must (munmap (map_new (name, size), (size_t) size), "munmap");
    must (shm_unlink (name), "shm_unlink");
}

static void release (void)
{
    must (shm_unlink (held), "shm_unlink");
}

static void hold (long size)
{
    void *address = map_new (held, size);

    memset (address, 1, (size_t) size);
    must (munmap (address, (size_t) size), "munmap");
}

static void attach (void)
{
    int fd = shm_open (held, O_RDWR, 0);
    struct stat status;
    void *address;

    if (fd == -1 || fstat (fd, &status) != 0) {
        die ("shm_open, fstat");
    }
    address = mmap (NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED || close (fd) != 0
        || munmap (address, (size_t) status.st_size) != 0) {
        die ("mmap, munmap");
    }
}

const struct way way_posix = {"raw POSIX", begin_posix, create, hold, release, attach};
