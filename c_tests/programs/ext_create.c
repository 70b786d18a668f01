/* shmxCreate: every flag, every mode, every error. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/ext create"
#define SIZE 12345L

/* A failed call that leaves nothing and changes nothing. */
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
    CHECK ("then the handle is NULL and the address as it was", memory == NULL && address == NULL);
    CHECK ("and there is no segment more", check_segments () <= before);
    CHECK ("and the error has a sentence", strlen (shmxErrorText ()) > 10);
}

static SharedMemory made (const char *what, long size, int flags, unsigned int mode)
{
    SharedMemory memory = NULL;
    void *address = NULL;
    int status;

    errno = 12345;
    status = shmxCreate (NAME, size, flags, mode, &address, &memory);
    CHECK (what, status == 0 && memory != NULL);
    CHECK ("errno is as it was", errno == 12345);
    CHECK ("the address is that of the handle", address != NULL && address == shmAddress (memory));
    return memory;
}

static void gone (SharedMemory memory)
{
    int id = shmId (memory);

    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("the last one deletes the segment", check_attached (id) == -1 && !check_exists (NAME));
}

static void exclusive (void)
{
    SharedMemory memory = made ("SHMX_EXCL makes a new one", SIZE, SHMX_EXCL, 0);

    CHECK ("it has the size", shmSizeOf (memory) == SIZE && check_size (shmId (memory)) == SIZE);
    CHECK ("it is zero", check_filled (shmAddress (memory), 0, SIZE));
    refused ("SHMX_EXCL of a name that exists", EEXIST, NAME, SIZE, SHMX_EXCL, 0);
    CHECK ("the text gives the size", strstr (shmxErrorText (), "12345") != NULL);
    refused ("SHMX_EXCL of one that exists with more bytes", EEXIST, NAME, 1, SHMX_EXCL, 0);
    CHECK ("the first one is as it was", check_attached (shmId (memory)) == 1);
    gone (memory);
    memory = made ("then SHMX_EXCL makes a new one again", SIZE, SHMX_EXCL, 0);
    gone (memory);
}

static void attach (void)
{
    SharedMemory first, second;

    refused ("SHMX_ATTACH of no such name", ENOENT, NAME, SIZE, SHMX_ATTACH, 0);
    refused ("size 0 of no such name", ENOENT, NAME, 0, 0, 0);
    first = made ("without flags it is shmCreate", SIZE, 0, 0);
    second = made ("SHMX_ATTACH maps what exists", SIZE, SHMX_ATTACH, 0);
    CHECK ("it is the same segment", shmId (first) == shmId (second));
    CHECK ("shmDestroy of it returns 0", shmDestroy (second) == 0);
    second = made ("SHMX_ATTACH needs no size", 0, SHMX_ATTACH, 0);
    CHECK ("the handle knows it", shmSizeOf (second) == SIZE);
    CHECK ("shmDestroy of it returns 0", shmDestroy (second) == 0);
    second = made ("a size that is not positive is none", -1, 0, 0);
    CHECK ("shmDestroy of it returns 0", shmDestroy (second) == 0);
    refused ("SHMX_ATTACH of more bytes than there are", EINVAL, NAME, SIZE + 1, SHMX_ATTACH, 0);
    refused ("more bytes than there are", EINVAL, NAME, SIZE + 1, 0, 0);
    gone (first);
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
        memory = made (check_text ("a segment of mode %o", mode[i]), SIZE, 0, mode[i]);
        CHECK ("has exactly this mode, whatever the umask",
               check_mode (shmId (memory)) == (long) mode[i]);
        gone (memory);
    }
    memory = made ("mode 0", SIZE, 0, 0);
    CHECK ("is 0660", check_mode (shmId (memory)) == 0660);
    again = made ("a mode for what exists", SIZE, 0, 0600);
    CHECK ("does not matter", check_mode (shmId (memory)) == 0660);
    CHECK ("shmDestroy of it returns 0", shmDestroy (again) == 0);
    gone (memory);
    umask (before);
    refused ("a mode with more than permission bits", EINVAL, NAME, SIZE, 0, 01600);
    refused ("also the highest bit", EINVAL, NAME, SIZE, 0, 0x80000000u);
}

static void wrong (void)
{
    SharedMemory memory = (SharedMemory) &memory;
    static char name[1002];

    refused ("an unknown flag", EINVAL, NAME, SIZE, 64, 0);
    refused ("a negative flag", EINVAL, NAME, SIZE, -1, 0);
    refused ("SHMX_EXCL with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_EXCL | SHMX_ATTACH, 0);
    refused ("SHMX_KEEP with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_KEEP | SHMX_ATTACH, 0);
    refused ("SHMX_HUGETLB with SHMX_ATTACH", EINVAL, NAME, SIZE, SHMX_HUGETLB | SHMX_ATTACH, 0);
    refused ("SHMX_NORESERVE with SHMX_ATTACH", EINVAL, NAME, SIZE,
             SHMX_NORESERVE | SHMX_ATTACH, 0);
    refused ("SHMX_EXCL of no size", EINVAL, NAME, 0, SHMX_EXCL, 0);
    refused ("SHMX_KEEP of no size", EINVAL, NAME, -5, SHMX_KEEP, 0);
    refused ("no name", EINVAL, NULL, SIZE, 0, 0);
    memset (name, 'n', 1001);
    refused ("a name of 1001 bytes", ENAMETOOLONG, name, SIZE, 0, 0);
    CHECK ("no place for the handle is EINVAL",
           shmxCreate (NAME, SIZE, 0, 0, NULL, NULL) == EINVAL);
    CHECK ("no place for the address is fine",
           shmxCreate (NAME, SIZE, 0, 0, NULL, &memory) == 0);
    gone (memory);
}

/* Whether the kernel lets itself be told to write there. */
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
    SharedMemory writer = made ("a writer", SIZE, 0, 0);
    SharedMemory reader = made ("SHMX_RDONLY maps it too", 0, SHMX_RDONLY, 0);
    const char *file = check_path ("saved");
    struct stat status;

    CHECK ("it is the same segment", shmId (reader) == shmId (writer));
    memset (shmAddress (writer), 'w', SIZE);
    CHECK ("what is written is read", check_filled (shmAddress (reader), 'w', SIZE));
    CHECK ("the writer's may be written", is_writable ((char *) shmAddress (writer) + SIZE / 2));
    CHECK ("the reader's may not", !is_writable ((char *) shmAddress (reader) + SIZE / 2));
    memset (shmAddress (writer), 'w', SIZE);
    CHECK ("it is saved", shmSave (reader, file) == 0);
    CHECK ("all of it", stat (file, &status) == 0 && status.st_size == SIZE);
    memset (shmAddress (writer), 'x', SIZE);
    errno = 0;
    CHECK ("but not loaded: EACCES", shmLoad (reader, file) == EACCES && errno == EACCES);
    CHECK ("the text says why", strstr (shmxErrorText (), "reading only") != NULL);
    CHECK ("and no byte is changed", check_filled (shmAddress (writer), 'x', SIZE));
    CHECK ("the writer loads it", shmLoad (writer, file) == 0);
    CHECK ("and the reader sees it", check_filled (shmAddress (reader), 'w', SIZE));
    CHECK ("shmDestroy of the writer returns 0", shmDestroy (writer) == 0);
    CHECK ("the reader has it still", check_filled (shmAddress (reader), 'w', SIZE));
    gone (reader);
    reader = made ("a reader may be first", SIZE, SHMX_RDONLY | SHMX_EXCL, 0);
    CHECK ("and reads zeros", check_filled (shmAddress (reader), 0, SIZE));
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

    if (getenv ("UNDER_VALGRIND") != NULL) {
        check_note ("valgrind has no huge pages");
    } else if (free_huge_pages () > 0) {
        status = shmxCreate (NAME, SIZE, SHMX_HUGETLB, 0, NULL, &memory);
        CHECK ("a segment of huge pages is made, or may not be", status == 0 || status == EPERM);
        if (status == 0) {
            CHECK ("its size is not rounded", shmSizeOf (memory) == SIZE);
            again = made ("it is found", SIZE, 0, 0);
            CHECK ("and is the same", shmId (again) == shmId (memory));
            CHECK ("shmDestroy of it returns 0", shmDestroy (again) == 0);
            memset (shmAddress (memory), 'h', SIZE);
            gone (memory);
        }
    } else if (free_huge_pages () == 0) {
        check_skip ("huge pages: vm.nr_hugepages is 0, so only the error is tested");
        status = shmxCreate (NAME, SIZE, SHMX_HUGETLB, 0, NULL, &memory);
        CHECK ("without huge pages it is ENOMEM, or EPERM",
               (status == ENOMEM || status == EPERM) && memory == NULL);
        CHECK ("the text says what to do", strstr (shmxErrorText (), "vm.") != NULL);
        CHECK ("and there is no such name", !check_exists (NAME));
    } else {
        check_skip ("huge pages: this kernel has none");
    }
    memory = made ("SHMX_NORESERVE makes a segment", SIZE, SHMX_NORESERVE, 0);
    memset (shmAddress (memory), 'n', SIZE);
    CHECK ("that can be used", check_filled (shmAddress (memory), 'n', SIZE));
    gone (memory);
}

static void places (void)
{
    SharedMemory memory = (SharedMemory) &memory;
    void *room = mmap (NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *address = room;
    int flags = SHMX_EXCL | SHMX_KEEP;

    CHECK ("a place that is taken is EINVAL",
           shmxCreate (NAME, SIZE, flags, 0, &address, &memory) == EINVAL);
    CHECK ("then all is as it was", memory == NULL && address == room);
    CHECK ("and there is no such name, though it was to be kept", !check_exists (NAME));
    munmap (room, 65536);
    CHECK ("a place that is free is taken",
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
