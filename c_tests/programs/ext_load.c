/* shmxLoad: a load that reports the size of the file and the number of bytes read. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/ext load"
#define LARGE (5L << 20)

static long size; /* of the segment */

/* src/capi/loaded.rs asserts the same numbers for the library's structure. */
static void layout (void)
{
    CHECK ("program and library agree on the structure's layout",
           offsetof (struct ShmxLoaded, size) == 0
           && offsetof (struct ShmxLoaded, fileSize) == sizeof (long)
           && offsetof (struct ShmxLoaded, bytesRead) == 2 * sizeof (long)
           && sizeof (struct ShmxLoaded) == 3 * sizeof (long));
}

static const char *file_of (long bytes)
{
    const char *path = check_path ("file");
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    static char block[4096];

    memset (block, 'f', sizeof block);
    while (bytes > 0) {
        long part = bytes < (long) sizeof block ? bytes : (long) sizeof block;

        if (write (file, block, (size_t) part) != part) {
            return "";
        }
        bytes -= part;
    }
    close (file);
    return path;
}

static void loads (const char *what, SharedMemory memory, const char *path, long file, long read)
{
    struct ShmxLoaded loaded;

    memset (&loaded, 0x55, sizeof loaded);
    loaded.size = sizeof loaded;
    memset (shmAddress (memory), 'm', (size_t) size);
    errno = 12345;
    CHECK (check_text ("%s: shmxLoad returns 0", what), shmxLoad (memory, path, &loaded) == 0);
    CHECK ("errno is unchanged", errno == 12345);
    CHECK (check_text ("`fileSize` is %ld", file), loaded.fileSize == file);
    CHECK (check_text ("`bytesRead` is %ld", read), loaded.bytesRead == read);
    CHECK ("`size` is unchanged", loaded.size == sizeof loaded);
    CHECK ("these bytes are the file's", check_filled (shmAddress (memory), 'f', read));
    CHECK ("the others are unchanged",
           check_filled ((char *) shmAddress (memory) + read, 'm', size - read));
}

static void sizes (void)
{
    SharedMemory memory = check_create (NAME, size);

    loads ("a file of the same size", memory, file_of (size), size, size);
    loads ("a short file", memory, file_of (size / 3), size / 3, size / 3);
    loads ("a file of one byte", memory, file_of (1), 1, 1);
    loads ("a file that lacks one byte", memory, file_of (size - 1), size - 1, size - 1);
    loads ("a file with one byte more", memory, file_of (size + 1), size + 1, size);
    loads ("a long file", memory, file_of (3 * size), 3 * size, size);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void descriptors (void)
{
    SharedMemory memory = check_create (NAME, size);
    int file = open (file_of (1000), O_RDONLY);
    int ends[2];

    CHECK ("100 bytes are skipped", lseek (file, 100, SEEK_SET) == 100);
    loads ("an open file from its position on", memory, check_text ("/dev/fd/%d", file), 900, 900);
    close (file);
    CHECK ("a pipe holds 6 bytes", pipe (ends) == 0 && write (ends[1], "ffffff", 6) == 6);
    close (ends[1]);
    loads ("a pipe", memory, check_text ("/dev/fd/%d", ends[0]), 6, 6);
    close (ends[0]);
    CHECK ("the file's name is translated", setenv ("C_TESTS_FILE", file_of (7), 1) == 0);
    loads ("a variable", memory, "$C_TESTS_FILE", 7, 7);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static int reports; /* whether to load with the function that reports the sizes */

static void load_other_sizes (void)
{
    SharedMemory memory;
    struct ShmxLoaded loaded;
    int status;

    setenv ("APERROR_PRINT", "1", 1);
    loaded.size = sizeof loaded;
    status = shmCreate (NAME, 1000, NULL, &memory);
    if (reports) {
        status |= shmxLoad (memory, file_of (10), &loaded);
        status |= shmxLoad (memory, file_of (2000), NULL);
    } else {
        status |= shmLoad (memory, file_of (10));
    }
    status |= shmDestroy (memory);
    if (status != 0) {
        exit (EXIT_FAILURE);
    }
}

/* In children: this process makes no call before them, because its first call reads the
 * environment. */
static void messages (void)
{
    char out[1000], err[1000];

    CHECK ("with APERROR_PRINT=1, shmLoad succeeds for a file of another size",
           check_capture (load_other_sizes, out, err, sizeof out) == 0);
    CHECK ("it prints a line", strstr (err, "(shmLoad)") != NULL);
    reports = 1;
    CHECK ("so does shmxLoad", check_capture (load_other_sizes, out, err, sizeof out) == 0);
    CHECK ("it prints nothing", out[0] == '\0' && err[0] == '\0');
}

static void structures (void)
{
    SharedMemory memory = check_create (NAME, 1000);
    const char *path = file_of (10);
    struct {
        struct ShmxLoaded known;
        char unknown[100];
        char beyond;
    } later;
    struct ShmxLoaded loaded;

    memset (shmAddress (memory), 'm', 1000);
    memset (&loaded, 0x55, sizeof loaded);
    loaded.size = sizeof loaded - 1;
    CHECK ("a size that is too small is EINVAL",
           shmxLoad (memory, path, &loaded) == EINVAL && errno == EINVAL);
    CHECK ("the text names the structure",
           strstr (shmxErrorText (), "sizeof (struct ShmxLoaded)") != NULL);
    loaded.size = 65537;
    CHECK ("a size of 65537 is EINVAL", shmxLoad (memory, path, &loaded) == EINVAL);
    CHECK ("the structure is unchanged",
           loaded.size == 65537 && check_filled (&loaded.fileSize, 0x55, 2 * sizeof (long)));
    CHECK ("the segment is unchanged", check_filled (shmAddress (memory), 'm', 1000));

    memset (&later, 0x55, sizeof later);
    later.known.size = sizeof later.known + sizeof later.unknown;
    CHECK ("a larger structure, of a later version, is accepted",
           shmxLoad (memory, path, &later.known) == 0 && later.known.bytesRead == 10);
    CHECK ("members that the library does not know are 0",
           check_filled (later.unknown, 0, sizeof later.unknown));
    CHECK ("nothing is written beyond its size", later.beyond == 0x55);
    CHECK ("its size is unchanged", later.known.size == sizeof later.known + sizeof later.unknown);
    CHECK ("NULL is accepted", shmxLoad (memory, path, NULL) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void fails (const char *what, SharedMemory memory, const char *path, int expected)
{
    struct ShmxLoaded loaded;

    memset (&loaded, 0x55, sizeof loaded);
    loaded.size = sizeof loaded;
    errno = 0;
    CHECK (check_text ("%s is %s", what, strerror (expected)),
           shmxLoad (memory, path, &loaded) == expected && errno == expected);
    CHECK ("the structure is unchanged", check_filled (&loaded.fileSize, 0x55, 2 * sizeof (long)));
}

static void errors (void)
{
    SharedMemory memory = check_create (NAME, 1000);
    SharedMemory reader = NULL;

    memset (shmAddress (memory), 'm', 1000);
    fails ("an empty file", memory, file_of (0), EINVAL);
    fails ("a file that does not exist", memory, check_path ("missing"), ENOENT);
    fails ("a directory", memory, "/", EISDIR);
    fails ("NULL for the file name", memory, NULL, EINVAL);
    setenv ("C_TESTS_FILE", "$C_TESTS_FILE", 1);
    fails ("a variable that refers to itself", memory, "$C_TESTS_FILE", ELOOP);
    fails ("NULL for the handle", NULL, file_of (10), EINVAL);
    CHECK ("the segment is attached read-only",
           shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &reader) == 0);
    fails ("loading into it", reader, file_of (10), EACCES);
    CHECK ("the segment is unchanged", check_filled (shmAddress (memory), 'm', 1000));
    CHECK ("shmDestroy returns 0", shmDestroy (reader) == 0 && shmDestroy (memory) == 0);
    fails ("a stale handle", memory, file_of (10), EINVAL);
}

int main (void)
{
    check_start ();
    layout ();
    messages ();
    size = 12345;
    sizes ();
    descriptors ();
    size = LARGE;
    sizes ();
    structures ();
    errors ();
    return check_done ();
}
