/* shmxCreate: flags, modes and errors. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/ext create"
#define SIZE 12345L

/* A failed call creates nothing and changes nothing. */
static void refused (const char *what, int expected, const char *name, long size, int flags,
                     unsigned int mode)
{
    SharedMemory memory = (SharedMemory) &memory;
    void *address = NULL;
    int before = check_segments ();
    int status;

    errno = 0;
    status = shmxCreate (name, size, flags, mode, &address, &memory);
    CHECK (check_text ("%s is %s", what, strerror (expected)),
           status == expected && errno == expected);
    CHECK ("the handle is NULL and the address unchanged", memory == NULL && address == NULL);
    CHECK ("no segment is created", check_segments () <= before);
    CHECK ("shmxErrorText explains the error", strlen (shmxErrorText ()) > 10);
}

static SharedMemory made (const char *what, long size, int flags, unsigned int mode)
{
    SharedMemory memory = NULL;
    void *address = NULL;
    int status;

    errno = 12345;
    status = shmxCreate (NAME, size, flags, mode, &address, &memory);
    CHECK (what, status == 0 && memory != NULL);
    CHECK ("errno is unchanged", errno == 12345);
    CHECK ("the address is that of shmAddress", address != NULL && address == shmAddress (memory));
    return memory;
}

static void gone (SharedMemory memory)
{
    int id = check_id (memory);

    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("the last shmDestroy deletes the segment",
           check_is_attached (id, -1) && !check_exists (NAME));
}

static void exclusive (void)
{
    SharedMemory memory = made ("SHMX_EXCL creates a segment", SIZE, SHMX_EXCL, 0);

    CHECK ("it has the requested size",
           shmSizeOf (memory) == SIZE && check_is_size (check_id (memory), SIZE));
    CHECK ("it is zero-filled", check_filled (shmAddress (memory), 0, SIZE));
    refused ("SHMX_EXCL of a name that exists", EEXIST, NAME, SIZE, SHMX_EXCL, 0);
    CHECK ("the text contains the size", strstr (shmxErrorText (), "12345") != NULL);
    refused ("SHMX_EXCL of a larger segment that exists", EEXIST, NAME, 1, SHMX_EXCL, 0);
    CHECK ("the existing segment is unchanged", check_is_attached (check_id (memory), 1));
    gone (memory);
    memory = made ("after the last shmDestroy, SHMX_EXCL creates the name again",
                   SIZE, SHMX_EXCL, 0);
    gone (memory);
}

static void attach (void)
{
    SharedMemory first, second;

    refused ("SHMX_ATTACH of a name that does not exist", ENOENT, NAME, SIZE, SHMX_ATTACH, 0);
    refused ("size 0 for a name that does not exist", ENOENT, NAME, 0, 0, 0);
    first = made ("without flags, shmxCreate creates a segment", SIZE, 0, 0);
    second = made ("SHMX_ATTACH attaches an existing segment", SIZE, SHMX_ATTACH, 0);
    CHECK ("it is the same segment", check_id (first) == check_id (second));
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
    second = made ("SHMX_ATTACH needs no size", 0, SHMX_ATTACH, 0);
    CHECK ("the handle has the segment's size", shmSizeOf (second) == SIZE);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
    second = made ("a negative size attaches an existing segment", -1, 0, 0);
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
    refused ("SHMX_ATTACH of a size larger than the segment's",
             EINVAL, NAME, SIZE + 1, SHMX_ATTACH, 0);
    refused ("a size larger than the segment's", EINVAL, NAME, SIZE + 1, 0, 0);
    gone (first);
}

static void exact_modes (int privileged)
{
    SharedMemory memory, again;

    memory = made ("SHMX_MODE creates a segment of the given mode", SIZE, SHMX_MODE, 0640);
    CHECK ("it has exactly this mode", check_is_mode (check_id (memory), 0640));
    again = made ("SHMX_MODE is accepted for an existing segment", SIZE, SHMX_MODE, 0);
    CHECK ("the existing segment keeps its mode", check_is_mode (check_id (memory), 0640));
    CHECK ("shmDestroy returns 0", shmDestroy (again) == 0);
    gone (memory);
    refused ("SHMX_MODE with more than permission bits", EINVAL, NAME, SIZE, SHMX_MODE, 01000);
    if (privileged) {
        memory = made ("with SHMX_MODE, mode 0 is taken as it is", SIZE, SHMX_MODE, 0);
        CHECK ("the segment has mode 0", check_is_mode (check_id (memory), 0));
        gone (memory);
    } else {
        check_skip ("mode 0 with SHMX_MODE: without CAP_IPC_OWNER nobody can attach it");
    }
}

static void modes (void)
{
    static const unsigned int mode[] = { 0600, 0640, 0444, 0777, 0660, 0200 };
    mode_t before = umask (077);
    int privileged = check_is_privileged ();
    SharedMemory memory, again;
    size_t i;

    if (!privileged) {
        check_skip ("modes 0444 and 0200: without CAP_IPC_OWNER the owner cannot attach these");
    }
    for (i = 0; i < sizeof mode / sizeof mode[0]; i++) {
        if ((mode[i] & 0600) != 0600 && !privileged) {
            continue; /* the owner could not attach it */
        }
        memory = made (check_text ("a segment of mode %o is created", mode[i]), SIZE, 0, mode[i]);
        CHECK ("it has exactly this mode, whatever the umask",
               check_is_mode (check_id (memory), (long) mode[i]));
        gone (memory);
    }
    memory = made ("mode 0 is accepted", SIZE, 0, 0);
    CHECK ("mode 0 means 0660", check_is_mode (check_id (memory), 0660));
    again = made ("a mode for an existing segment is accepted", SIZE, 0, 0600);
    CHECK ("the existing segment keeps its mode", check_is_mode (check_id (memory), 0660));
    CHECK ("shmDestroy returns 0", shmDestroy (again) == 0);
    gone (memory);
    exact_modes (privileged);
    umask (before);
    refused ("a mode with more than permission bits", EINVAL, NAME, SIZE, 0, 01600);
    refused ("a mode with the highest bit set", EINVAL, NAME, SIZE, 0, 0x80000000u);
}

static void wrong (void)
{
    SharedMemory memory = (SharedMemory) &memory;
    static char name[1002];

    refused ("an unknown flag", EINVAL, NAME, SIZE, 0x40000000, 0);
    refused ("a negative flag", EINVAL, NAME, SIZE, -1, 0);
    refused ("SHMX_EXCL with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_EXCL | SHMX_ATTACH, 0);
    refused ("SHMX_KEEP with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_KEEP | SHMX_ATTACH, 0);
    refused ("SHMX_HUGETLB with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_HUGETLB | SHMX_ATTACH, 0);
    refused ("SHMX_NORESERVE with SHMX_ATTACH", EINVAL, NAME, SIZE,
             SHMX_NORESERVE | SHMX_ATTACH, 0);
    refused ("SHMX_MODE with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_MODE | SHMX_ATTACH, 0600);
    refused ("SHMX_MODE without a size", EINVAL, NAME, 0, SHMX_MODE, 0600);
    refused ("SHMX_EXCL without a size", EINVAL, NAME, 0, SHMX_EXCL, 0);
    refused ("SHMX_KEEP without a size", EINVAL, NAME, -5, SHMX_KEEP, 0);
    refused ("NULL for the name", EINVAL, NULL, SIZE, 0, 0);
    memset (name, 'n', 1001);
    refused ("a name of 1001 bytes", ENAMETOOLONG, name, SIZE, 0, 0);
    CHECK ("NULL for the handle is EINVAL",
           shmxCreate (NAME, SIZE, 0, 0, NULL, NULL) == EINVAL);
    CHECK ("NULL for the address is accepted",
           shmxCreate (NAME, SIZE, 0, 0, NULL, &memory) == 0);
    gone (memory);
}

/* Whether the kernel can write to that address. */
static int is_writable (void *address)
{
    int zeros = open ("/dev/zero", O_RDONLY);
    int error = errno;
    int writable = read (zeros, address, 1) == 1;

    close (zeros);
    errno = error;
    return writable;
}

static void read_only (void)
{
    SharedMemory writer = made ("a segment is attached for writing", SIZE, 0, 0);
    SharedMemory reader = made ("SHMX_RDONLY attaches it for reading", 0, SHMX_RDONLY, 0);
    const char *file = check_path ("saved");
    struct stat status;

    CHECK ("it is the same segment", check_id (reader) == check_id (writer));
    memset (shmAddress (writer), 'w', SIZE);
    CHECK ("the reader sees what the writer writes", check_filled (shmAddress (reader), 'w', SIZE));
    CHECK ("the writer's address can be written to",
           is_writable ((char *) shmAddress (writer) + SIZE / 2));
    CHECK ("the reader's address cannot be written to",
           !is_writable ((char *) shmAddress (reader) + SIZE / 2));
    memset (shmAddress (writer), 'w', SIZE);
    CHECK ("a read-only handle can be saved", shmSave (reader, file) == 0);
    CHECK ("the file has the segment's size", stat (file, &status) == 0 && status.st_size == SIZE);
    memset (shmAddress (writer), 'x', SIZE);
    errno = 0;
    CHECK ("loading into a read-only handle is EACCES",
           shmLoad (reader, file) == EACCES && errno == EACCES);
    CHECK ("the text explains why", strstr (shmxErrorText (), "reading only") != NULL);
    CHECK ("no byte is changed", check_filled (shmAddress (writer), 'x', SIZE));
    CHECK ("the writer can load the file", shmLoad (writer, file) == 0);
    CHECK ("the reader sees the loaded bytes", check_filled (shmAddress (reader), 'w', SIZE));
    CHECK ("shmDestroy of the writer returns 0", shmDestroy (writer) == 0);
    CHECK ("the reader keeps the segment", check_filled (shmAddress (reader), 'w', SIZE));
    gone (reader);
    reader = made ("SHMX_RDONLY can create a segment", SIZE, SHMX_RDONLY | SHMX_EXCL, 0);
    CHECK ("it is zero-filled", check_filled (shmAddress (reader), 0, SIZE));
    gone (reader);
}

static long free_huge_pages (void)
{
    FILE *file = fopen ("/proc/meminfo", "r");
    char line[200];
    long pages = -1;

    while (file != NULL && fgets (line, sizeof line, file) != NULL) {
        sscanf (line, "HugePages_Free: %ld", &pages);
    }
    if (file != NULL) {
        fclose (file);
    }
    return pages;
}

static void huge_pages (void)
{
    SharedMemory memory = NULL, again;
    int status;

    if (!check_has (HAS_HUGE_PAGES)) {
        CHECK ("SHMX_HUGETLB is ENOTSUP",
               shmxCreate (NAME, SIZE, SHMX_HUGETLB, 0, NULL, &memory) == ENOTSUP
               && errno == ENOTSUP && memory == NULL && !check_exists (NAME));
    } else if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind does not support huge pages");
    } else if (free_huge_pages () > 0) {
        status = shmxCreate (NAME, SIZE, SHMX_HUGETLB, 0, NULL, &memory);
        CHECK ("SHMX_HUGETLB creates a segment, or is EPERM", status == 0 || status == EPERM);
        if (status == 0) {
            CHECK ("its size is not rounded up", shmSizeOf (memory) == SIZE);
            again = made ("shmxCreate attaches it", SIZE, 0, 0);
            CHECK ("it is the same segment", check_id (again) == check_id (memory));
            CHECK ("shmDestroy returns 0", shmDestroy (again) == 0);
            memset (shmAddress (memory), 'h', SIZE);
            gone (memory);
        }
    } else if (free_huge_pages () == 0) {
        check_skip ("huge pages: vm.nr_hugepages is 0, so only the error is tested");
        status = shmxCreate (NAME, SIZE, SHMX_HUGETLB, 0, NULL, &memory);
        CHECK ("without huge pages, SHMX_HUGETLB is ENOMEM or EPERM",
               (status == ENOMEM || status == EPERM) && memory == NULL);
        CHECK ("the text names the sysctl", strstr (shmxErrorText (), "vm.") != NULL);
        CHECK ("the name does not exist", !check_exists (NAME));
    } else {
        check_skip ("huge pages: this kernel has none");
    }
    memory = made ("SHMX_NORESERVE creates a segment", SIZE, SHMX_NORESERVE, 0);
    memset (shmAddress (memory), 'n', SIZE);
    CHECK ("it can be written to", check_filled (shmAddress (memory), 'n', SIZE));
    gone (memory);
}

static void places (void)
{
    SharedMemory memory = (SharedMemory) &memory;
    size_t size = 4 * (size_t) SHMLBA, more;
    char *all = mmap (NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *room, *address;
    int flags = SHMX_EXCL | SHMX_KEEP;

    /* A page is less than SHMLBA on some processors. */
    more = (unsigned long) all % (unsigned long) SHMLBA;
    room = address = more == 0 ? all : all + (size_t) SHMLBA - more;
    CHECK ("an address that is in use is EINVAL",
           shmxCreate (NAME, SIZE, flags, 0, &address, &memory) == EINVAL);
    CHECK ("handle and address are unchanged", memory == NULL && address == room);
    CHECK ("the name does not exist, although it was to be kept", !check_exists (NAME));
    munmap (all, size);
    CHECK ("a free address is used",
           shmxCreate (NAME, SIZE, SHMX_EXCL | SHMX_RDONLY, 0, &address, &memory) == 0
           && address == room && shmAddress (memory) == room);
    gone (memory);
}

int main (void)
{
    check_start ();
    exclusive ();
    attach ();
    modes ();
    wrong ();
    read_only ();
    huge_pages ();
    places ();
    return check_done ();
}
