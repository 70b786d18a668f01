/* shmSave of a segment of which few pages are in use leaves the others untouched, and reads bytes in
 * ascending order. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm_util_ext.h"

#define NAME "c_tests/save_sparse"
#define MIB (1024L * 1024L)
#define NOBODY 65534
#define FLAG 5

static SharedMemory memory;
static unsigned char *bytes;
static long size;

/* ---- helpers --------------------------------------------------------------------- */

/* Whether count bytes of the file from offset at on are zero, except for 7 at the three used ones,
 * which are added to *used. It reads a word at a time, because most of the file is zero. */
static int block_is_right (const char *block, long at, long count, long *used)
{
    long i, word;

    for (i = 0; i < count; i++) {
        if (i % (long) sizeof word == 0 && i + (long) sizeof word <= count) {
            memcpy (&word, block + i, sizeof word);
            if (word == 0) {
                i += (long) sizeof word - 1;
                continue;
            }
        }
        if (at + i == 3 || at + i == size / 2 || at + i == size - 1) {
            *used += block[i] == 7;
        } else if (block[i] != 0) {
            return 0;
        }
    }
    return 1;
}

/* Whether the file has the segment's size, 7 at its three used bytes, and zeros elsewhere. */
static int file_is_right (const char *path)
{
    static char found[MIB];
    int file = open (path, O_RDONLY);
    int is_right = 1;
    long at, used = 0;
    long count;

    for (at = 0; (count = read (file, found, sizeof found)) > 0; at += count) {
        is_right = block_is_right (found, at, count, &used) && is_right;
    }
    close (file);
    return is_right && at == size && used == 3;
}

/* A new segment with three pages in use. */
static void make_segment (long new_size)
{
    void *address = NULL;

    size = new_size;
    CHECK (check_text ("a segment of %ld KiB is created", size / 1024),
           shmxCreate (NAME, size, SHMX_NORESERVE, 0, &address, &memory) == 0);
    bytes = address;
    bytes[3] = bytes[size / 2] = bytes[size - 1] = 7;
}

static void saves_leave_untouched (const char *who)
{
    const char *path = check_path ("directory/file");
    long before = check_allocated (check_id (memory));
    FILE *append;
    int file;

    if (before == -1) {
        if (check_has (HAS_SEEN_PAGES)) {
            check_skip ("untouched pages: /proc/sysvipc/shm does not show them");
        }
        return;
    }
    unlink (path);
    CHECK (check_text ("%s saves to a new file", who), shmSave (memory, path) == 0);
    CHECK ("the file has the bytes", file_is_right (path));
    CHECK ("no page is allocated", check_allocated (check_id (memory)) == before);
    CHECK (check_text ("%s saves over a file", who), shmSave (memory, path) == 0);
    CHECK ("no page is allocated", check_allocated (check_id (memory)) == before);

    append = fopen (path, "w");
    file = dup2 (fileno (append), 9);
    CHECK (check_text ("%s saves to an open file", who), shmSave (memory, "/dev/fd/9") == 0);
    CHECK ("the file has the bytes", file_is_right (path));
    CHECK ("no page is allocated", check_allocated (check_id (memory)) == before);
    close (file);
    fclose (append);
}

static void ordinary_user (void)
{
    CHECK ("root becomes an ordinary user",
           getuid () != 0 || setresuid (NOBODY, NOBODY, NOBODY) == 0);
    saves_leave_untouched ("an ordinary user");
    fflush (NULL);
    _exit (0); /* the leak sanitizer would report the segment */
}

static void of_size (long new_size)
{
    make_segment (new_size);
    saves_leave_untouched ("this user");
    CHECK ("an ordinary user exits with status 0", check_child (ordinary_user) == 0);
    shmDestroy (memory);
}

/* ---- order ------------------------------------------------------------------------- */

/* Stores data, then a flag at a lower address, at any moment of a save. */
static void store (long delay)
{
    usleep ((unsigned) delay);
    bytes[size / 2] = 1;
    __sync_synchronize ();
    bytes[FLAG] = 1;
    _exit (0);
}

static int has_flag_without_data (const char *path)
{
    unsigned char flag = 0, data = 0;
    int file = open (path, O_RDONLY);
    int is_read = pread (file, &flag, 1, FLAG) == 1 && pread (file, &data, 1, size / 2) == 1;

    close (file);
    return !is_read || (flag == 1 && data == 0);
}

static void data_before_a_flag (void)
{
    const char *path = check_path ("directory/ordered");
    int rounds = check_rounds (40);
    int bad = 0;
    int round;
    void *address = NULL;
    pid_t child;

    size = 64 * MIB;
    CHECK ("a segment is created", shmCreate (NAME, size, &address, &memory) == 0);
    bytes = address;
    memset (bytes, 9, (size_t) size / 2);
    for (round = 0; round < rounds; round++) {
        bytes[FLAG] = 0;
        memset (bytes + size / 2, 0, (size_t) size / 2);
        child = check_fork ();
        if (child == 0) {
            store (round * 500);
        }
        bad += shmSave (memory, path) != 0;
        check_wait (child);
        bad += has_flag_without_data (path);
    }
    CHECK ("no file has the flag and lacks the data stored before it", bad == 0);
    unlink (path);
    shmDestroy (memory);
}

int main (void)
{
    setenv ("SHM_UTIL_SYNC", "0", 1);
    check_start ();
    CHECK ("a directory is created", mkdir (check_path ("directory"), 0777) == 0
           && chmod (check_path ("directory"), 0777) == 0 && chmod (check_path (""), 0755) == 0);
    if (check_store () == CHECK_DIRECTORY) {
        CHECK ("others can read the segment's directory",
               chmod (check_namespace ("own namespace"), 0755) == 0);
    }
    of_size (256 * MIB + 4097);
    of_size (200 * 1024);
    data_before_a_flag ();
    return check_done ();
}
