/* shmCreate: what it creates and attaches, and how it fails. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/create"
#define HELD "c_tests/create, held"
#define HELD_SIZE 20000L
#define LONGEST 1000
#define LONGEST_FILE_NAME 255
#define MANY 300
#define UNTOUCHED 12345

static SharedMemory held; /* a segment that exists throughout the test */

/* A failed call returns the error, sets errno to it, and changes nothing else. */
static void refused (const char *what, const char *name, long size, void *wanted, int error)
{
    void *address = wanted;
    SharedMemory memory = held;
    int segments = check_segments ();
    int status, left_in_errno;

    errno = 0;
    status = shmCreate (name, size, &address, &memory);
    left_in_errno = errno;
    CHECK (check_text ("%s: %s (it is %s)", what, strerror (error), strerror (status)),
           status == error);
    CHECK (check_text ("%s: errno has the returned value", what), left_in_errno == error);
    CHECK (check_text ("%s: *memory is NULL", what), memory == NULL);
    CHECK (check_text ("%s: *address is unchanged", what), address == wanted);
    CHECK (check_text ("%s: no segment is created", what),
           check_segments () == segments);
    CHECK (check_text ("%s: no other segment is left attached", what),
           held == NULL || check_is_attached (check_id (held), 1));
}

static void new_segment_of (long size)
{
    void *address = NULL;
    SharedMemory memory = NULL;
    int status;

    errno = UNTOUCHED;
    status = shmCreate (NAME, size, &address, &memory);
    CHECK (check_text ("shmCreate creates a segment of %ld bytes", size), status == 0);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("*memory is the handle", memory != NULL);
    CHECK ("*address is the segment's address", address != NULL && address == shmAddress (memory));
    CHECK ("shmSizeOf returns exactly that size, not rounded to pages", shmSizeOf (memory) == size);
    CHECK ("the kernel's size of the segment is the same", check_is_size (check_id (memory), size));
    CHECK ("the segment is attached once", check_is_attached (check_id (memory), 1));
    CHECK ("a new segment is zero-filled", check_filled (address, 0, size));
    memset (address, 0xA5, (size_t) size);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void new_segments (void)
{
    new_segment_of (1);
    new_segment_of (5003);
    new_segment_of (16384);
    new_segment_of (16385);
    new_segment_of (3000000);
}

static void mode_with_umask (mode_t mask)
{
    mode_t old = umask (mask);
    SharedMemory memory = check_create (NAME, 100);

    CHECK (check_text ("the mode is 0660 with umask %03o", (unsigned) mask),
           check_is_mode (check_id (memory), 0660));
    umask (old);
    shmDestroy (memory);
}

static void modes (void)
{
    mode_with_umask (0);
    mode_with_umask (022);
    mode_with_umask (0777);
}

/* Attaches the held segment once more. Any size up to its own attaches it whole. */
static void mapped_with_size (long size)
{
    void *address = NULL;
    SharedMemory memory = NULL;
    int status;

    errno = UNTOUCHED;
    status = shmCreate (HELD, size, &address, &memory);
    CHECK (check_text ("shmCreate with size %ld attaches an existing segment", size), status == 0);
    CHECK ("errno is unchanged", errno == UNTOUCHED);
    CHECK ("shmSizeOf returns its real size", shmSizeOf (memory) == HELD_SIZE);
    CHECK ("it is the same segment", check_id (memory) == check_id (held));
    CHECK ("each shmCreate of one process returns another handle", memory != held);
    CHECK ("each attaches the segment at another address",
           address != NULL && (address != shmAddress (held)) == check_has (HAS_ADDRESSES));
    CHECK ("the segment is attached twice", check_is_attached (check_id (held), 2));
    CHECK ("both addresses show the same bytes",
           memcmp (address, shmAddress (held), HELD_SIZE) == 0);
    ((char *) address)[HELD_SIZE - 1] ^= 1;
    CHECK ("both addresses show what is written now",
           memcmp (address, shmAddress (held), HELD_SIZE) == 0);
    CHECK ("shmDestroy of one handle detaches once",
           shmDestroy (memory) == 0 && check_is_attached (check_id (held), 1));
    CHECK ("the other handle's address stays readable", ((char *) shmAddress (held))[0] == 'h');
}

static void existing_names (void)
{
    mapped_with_size (HELD_SIZE);
    mapped_with_size (HELD_SIZE - 1);
    mapped_with_size (1);
    mapped_with_size (0);
    mapped_with_size (-1);
    mapped_with_size (LONG_MIN);
}

static void without_address (void)
{
    SharedMemory memory = NULL;

    CHECK ("address may be NULL", shmCreate (NAME, 10, NULL, &memory) == 0);
    CHECK ("then the system chooses the address", shmAddress (memory) != NULL);
    shmDestroy (memory);
}

static void sizes_refused (void)
{
    SharedMemory memory = held;
    int segments = check_segments ();
    int status;

    refused ("a name that exists with fewer bytes", HELD, HELD_SIZE + 1, NULL, EINVAL);
    refused ("a name that exists, LONG_MAX", HELD, LONG_MAX, NULL, EINVAL);
    refused ("no such name, size 0", NAME, 0, NULL, ENOENT);
    refused ("no such name, size -1", NAME, -1, NULL, ENOENT);
    refused ("no such name, LONG_MIN", NAME, LONG_MIN, NULL, ENOENT);

    /* It depends on the kernel which limit it checks first. */
    status = shmCreate (NAME, LONG_MAX, NULL, &memory);
    if (status == 0 && sizeof (long) == 4) {
        CHECK ("2 GiB less one byte can be had", shmSizeOf (memory) == LONG_MAX);
        CHECK ("the last one is there", ((char *) shmAddress (memory))[LONG_MAX - 1] == 0);
        CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
        return;
    }
    CHECK ("creating LONG_MAX bytes returns an error of the system",
           status == EINVAL || status == ENOMEM || status == ENOSPC || status == EFBIG);
    CHECK ("errno has the same value", errno == status);
    CHECK ("*memory is NULL", memory == NULL);
    CHECK ("no segment is left", check_segments () == segments);
    refused ("the name of the failed call", NAME, 0, NULL, ENOENT);
}

static void null_arguments (void)
{
    void *address = NULL;
    int segments = check_segments ();

    refused ("NULL for name", NULL, 100, NULL, EINVAL);
    errno = 0;
    CHECK ("NULL for memory is EINVAL", shmCreate (NAME, 100, &address, NULL) == EINVAL);
    CHECK ("errno has the same value", errno == EINVAL);
    CHECK ("*address is as it was", address == NULL);
    CHECK ("no segment is created", check_segments () == segments);
    CHECK ("NULL for every argument is EINVAL", shmCreate (NULL, 0, NULL, NULL) == EINVAL);
}

/* ---- names ------------------------------------------------------------------ */

static void name_works (const char *what, const char *name)
{
    SharedMemory first = NULL;
    SharedMemory second = NULL;

    CHECK (check_text ("%s is a valid name", what), shmCreate (name, 64, NULL, &first) == 0);
    CHECK ("a second shmCreate finds it", shmCreate (name, 0, NULL, &second) == 0);
    CHECK ("both handles refer to the same segment",
           check_id (first) == check_id (second) && check_id (first) != check_id (held));
    CHECK ("both handles can be destroyed", shmDestroy (first) == 0 && shmDestroy (second) == 0);
    refused ("a destroyed name", name, 0, NULL, ENOENT);
}

static void names_differ (const char *one, const char *other)
{
    SharedMemory memory = NULL;

    CHECK ("a segment is created", shmCreate (one, 64, NULL, &memory) == 0);
    refused ("a similar name", other, 0, NULL, ENOENT);
    shmDestroy (memory);
}

static void names (void)
{
    static char name[LONGEST + 2];
    static char other[LONGEST + 2];
    int longest = check_has (HAS_LONG_NAMES) ? LONGEST : LONGEST_FILE_NAME;
    int byte;

    name_works ("the empty string", "");
    name_works ("a path with slashes", "/a//b/../c/");
    name_works ("a name of white space", " \t\n ");
    name_works ("a name that is not UTF-8", "\300\200\377\376 \355\240\200");
    for (byte = 1; byte < 256; byte++) {
        name[byte - 1] = (char) byte;
    }
    name_works ("a name of half of all bytes", name + 127);
    if (longest == LONGEST) {
        name_works ("a name of every byte but 0", name);
    }
    name[127] = '\0';
    name_works ("a name of the other half", name);

    memset (name, '\377', (size_t) longest);
    memset (other, '\377', (size_t) longest);
    name_works (check_text ("a name of %d bytes", longest), name);
    other[longest - 1] = '\376';
    names_differ (name, other);
    other[longest - 1] = '\0';
    names_differ (name, other);
    names_differ ("c_tests/a", "c_tests//a");
    names_differ ("c_tests/a", "c_tests/A");
    names_differ ("c_tests/a", "c_tests/a ");
    names_differ ("", " ");
    names_differ ("$HOME", "~");

    name[longest] = 'x';
    refused ("a longer name", name, 64, NULL, ENAMETOOLONG);
    refused ("a longer name, size 0", name, 0, NULL, ENAMETOOLONG);
    memset (name, 'n', LONGEST + 1);
    refused ("a name of 1001 bytes", name, 64, NULL, ENAMETOOLONG);
}

static void many_names (void)
{
    static SharedMemory memories[MANY];
    SharedMemory again;
    char name[32];
    int wrong = 0;
    int i;

    if (!check_has_room (MANY + 2, "three hundred names")) {
        return;
    }
    for (i = 0; i < MANY; i++) {
        sprintf (name, "c_tests/create %d", i);
        wrong += shmCreate (name, 100 + i, NULL, &memories[i]) != 0;
    }
    CHECK ("three hundred names can exist at once", wrong == 0);
    for (i = 0; i < MANY; i++) {
        sprintf (name, "c_tests/create %d", i);
        wrong += shmCreate (name, 0, NULL, &again) != 0;
        wrong += check_id (again) != check_id (memories[i]) || shmSizeOf (again) != 100 + i;
        wrong += shmDestroy (again) != 0;
    }
    CHECK ("each name refers to its own segment", wrong == 0);
    for (i = 0; i < MANY; i++) {
        wrong += shmDestroy (memories[(i * 7) % MANY]) != 0;
    }
    CHECK ("segments can be destroyed in any order", wrong == 0);
}

/* ---- addresses --------------------------------------------------------------- */

static void mapped_at (const char *what, const char *name, void *wanted, void *expected)
{
    void *address = wanted;
    SharedMemory memory = NULL;

    CHECK (check_text ("shmCreate accepts %s", what),
           shmCreate (name, HELD_SIZE, &address, &memory) == 0);
    CHECK ("*address is the requested one, rounded down",
           address == expected && shmAddress (memory) == expected);
    CHECK ("shmSizeOf returns the size", shmSizeOf (memory) == HELD_SIZE);
    memset (expected, 'm', HELD_SIZE);
    CHECK ("the segment is attached there", check_filled (expected, 'm', HELD_SIZE));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void addresses (void)
{
    long page = (long) SHMLBA;
    char *place = check_free_place (16 * page);
    char *mapped;

    mapped_at ("a free address", NAME, place, place);
    mapped_at ("a free address for a name that exists", HELD, place, place);
    mapped_at ("an address after a multiple of SHMLBA", NAME, place + 1, place);
    mapped_at ("an address before a multiple of SHMLBA", HELD, place + page - 1, place);

    refused ("an address at which a segment is attached",
             NAME, HELD_SIZE, shmAddress (held), EINVAL);
    if (check_has (HAS_ADDRESSES)) {
        refused ("the same, for a name that exists", HELD, 0, shmAddress (held), EINVAL);
    } else {
        mapped_at ("the address of the segment itself", HELD, shmAddress (held),
                   shmAddress (held));
        memset (shmAddress (held), 'h', HELD_SIZE);
    }
    refused ("the name of a failed call", NAME, 0, NULL, ENOENT);

    mapped = mmap (place + page, (size_t) page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    refused ("an address with too little free memory after it",
             NAME, page + HELD_SIZE, mapped - page, EINVAL);
    refused ("an unaligned address at which something is mapped",
             NAME, HELD_SIZE, mapped + 5, EINVAL);
    CHECK ("the memory that was mapped there is unchanged", check_filled (mapped, 0, page));
    munmap (mapped, (size_t) page);
}

/* valgrind would choose another address, so the kernel could not refuse this one. */
static void addresses_of_the_kernel (void)
{
    /* The upper half on 64-bit machines, where the upper 17 bits are equal. */
    void *half = (void *) (~0UL << (sizeof (long) * CHAR_BIT - 17));

    if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind: the kernel's half of the address space is not tried");
        return;
    }
    if (sizeof (long) == 8) { /* a program of 32 bits may have almost all addresses */
        refused ("an address in the kernel's half", NAME, HELD_SIZE, half, EINVAL);
        refused ("the same for a name that exists", HELD, 0, half, EINVAL);
    }
    refused ("the last page", NAME, HELD_SIZE, (void *) -4096L, EINVAL);
    refused ("an address near the end", HELD, 0, (void *) -1L, EINVAL);
    refused ("the name of a failed call", NAME, 0, NULL, ENOENT);
}

/* A failure as the first call of a process, before there is a registry. */
static void failing_as_the_first_call (void)
{
    SharedMemory memory;

    CHECK ("the first call of a process can return ENOENT",
           shmCreate (NAME, 0, NULL, &memory) == ENOENT);
    CHECK ("*memory is NULL", memory == NULL);
}

int main (void)
{
    int made[4];

    check_start ();
    check_child (failing_as_the_first_call);
    CHECK ("a process that created no segment leaves no registry", check_made (made, 4) == 0);
    held = check_create (HELD, HELD_SIZE);
    memset (shmAddress (held), 'h', HELD_SIZE);
    new_segments ();
    modes ();
    existing_names ();
    without_address ();
    sizes_refused ();
    null_arguments ();
    names ();
    many_names ();
    addresses ();
    addresses_of_the_kernel ();
    shmDestroy (held);
    return check_done ();
}
