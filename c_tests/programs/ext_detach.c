/* shmxDetach: ends a handle and its attachment, and never deletes the segment. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/ext detach"
#define SIZE 12345L
#define UNTOUCHED 12345
#define READERS 40 /* more than the library asks the kernel about in 8 ms when it destroys */

static int ready[2];
static int go[2];

/* mincore(2) fails on memory that is not mapped, and changes nothing. */
static int is_mapped (void *address)
{
    unsigned char resident;

    return mincore (address, 1, &resident) == 0;
}

static SharedMemory attach (int flags)
{
    SharedMemory memory = NULL;

    CHECK ("the segment is attached", shmxCreate (NAME, 0, flags, 0, NULL, &memory) == 0);
    return memory;
}

static int orphan (int fill)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);

    memset (shmAddress (memory), fill, SIZE);
    CHECK ("shmxDetach of its creator returns 0", shmxDetach (memory) == 0);
    return id;
}

static void of_nothing (void)
{
    SharedMemory memory;

    errno = UNTOUCHED;
    CHECK ("shmxDetach (NULL) returns 0", shmxDetach (NULL) == 0);
    CHECK ("shmxDetach (NULL) leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("an invented handle is EINVAL", shmxDetach ((SharedMemory) 7) == EINVAL
           && errno == EINVAL && strlen (shmxErrorText ()) > 10);
    memory = check_create (NAME, SIZE);
    CHECK ("a destroyed handle is EINVAL",
           shmDestroy (memory) == 0 && shmxDetach (memory) == EINVAL);
}

/* Whether the attachment is the memory that exists as long as the segment. */
static int is_shared (int flags)
{
    return !check_has (HAS_ADDRESSES) && (flags & SHMX_RDONLY) == 0;
}

static void of_the_last (const char *what, int flags)
{
    int id = orphan ('r');
    SharedMemory memory = attach (flags);
    void *address = shmAddress (memory);

    errno = UNTOUCHED;
    CHECK (check_text ("%s: shmxDetach returns 0", what), shmxDetach (memory) == 0);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("the segment is not mapped afterwards", is_mapped (address) == is_shared (flags));
    CHECK ("although no process has it attached, it exists", check_is_attached (id, 0));
    errno = 0;
    CHECK ("a second shmxDetach is EINVAL", shmxDetach (memory) == EINVAL && errno == EINVAL);
    CHECK ("shmDestroy is EINVAL, too", shmDestroy (memory) == EINVAL);
    CHECK ("so are the other functions", shmAddress (memory) == NULL && check_id (memory) == -1
           && shmSizeOf (memory) == -1 && shmSave (memory, "/dev/null") == EINVAL);
    memory = check_create (NAME, SIZE);
    CHECK ("the next shmCreate finds the segment with its data",
           check_id (memory) == id && check_filled (shmAddress (memory), 'r', SIZE));
    CHECK ("its shmDestroy deletes it", shmDestroy (memory) == 0 && check_is_attached (id, -1)
           && !check_exists (NAME));
}

static void of_one_of_two (void)
{
    SharedMemory first = check_create (NAME, SIZE);
    SharedMemory second = attach (0);
    int id = check_id (first);

    memset (shmAddress (first), 't', SIZE);
    CHECK ("one of two handles can be detached",
           shmxDetach (first) == 0 && check_is_attached (id, 1));
    CHECK ("the other one keeps the data", check_filled (shmAddress (second), 't', SIZE));
    CHECK ("its shmDestroy deletes the segment",
           shmDestroy (second) == 0 && check_is_attached (id, -1));
}

static void beside_another_process (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);
    pid_t child = check_fork ();

    if (child == 0) {
        CHECK ("a child can detach a handle that it inherits", shmxDetach (memory) == 0);
        memory = attach (SHMX_RDONLY);
        check_signal (ready);
        check_await (go);
        CHECK ("it can detach a handle of its own", shmxDetach (memory) == 0);
        _exit (0);
    }
    CHECK ("another process has the segment attached", check_await (ready));
    CHECK ("the child's shmxDetach leaves the parent's handle", check_is_attached (id, 2));
    CHECK ("the creator leaves with shmDestroy", shmDestroy (memory) == 0);
    check_signal (go);
    CHECK ("the other process exits with status 0", check_wait (child) == 0);
    CHECK ("although that was the last, the segment exists", check_is_attached (id, 0));
    CHECK ("the name exists until a last shmDestroy",
           check_exists (NAME) && !check_exists (NAME) && check_is_attached (id, -1));
}

static void of_a_removed_segment (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);

    CHECK ("the name is removed", shmxRemove (NAME) == 0);
    CHECK ("shmxDetach returns 0", shmxDetach (memory) == 0);
    CHECK ("the last detach deletes a segment whose name was removed", check_is_attached (id, -1));
}

static void of_a_kept_segment (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    int id;

    CHECK ("a kept segment is created",
           shmxCreate (NAME, SIZE, SHMX_KEEP, 0, NULL, &memory) == 0);
    info.size = sizeof info;
    id = check_id (memory);
    CHECK ("shmxDetach leaves it kept", shmxDetach (memory) == 0
           && shmxStatName (NAME, &info) == 0 && info.kept == 1 && info.mappings == 0);
    CHECK ("shmxRemove deletes it", shmxRemove (NAME) == 0 && check_is_attached (id, -1));
}

/* ---- after the program's own shmdt(2) -------------------------------------------------- */

/* Readers that come and go, so that the library has no reason to doubt this one. */
static void come_and_go (void)
{
    int i, failed = 0;

    for (i = 0; i < READERS; i++) {
        SharedMemory reader = NULL;

        failed += shmxCreate (NAME, 0, SHMX_RDONLY, 0, NULL, &reader) != 0;
        failed += shmxDetach (reader) != 0;
    }
    CHECK ("readers come and go", failed == 0);
}

static void still_exists (int id)
{
    if (check_has (HAS_OWN_DETACH)) {
        CHECK ("the segment still exists", check_is_attached (id, 0));
        CHECK ("it can be removed", shmxRemove (NAME) == 0 && check_is_attached (id, -1));
    } else {
        CHECK ("the segment is gone", check_is_attached (id, -1) && !check_exists (NAME));
    }
}

/* valgrind.supp contains the start of the names of these functions. */
static void after_the_programs_own_shmdt (void)
{
    int id = orphan ('o');
    SharedMemory memory = attach (0);

    come_and_go ();
    CHECK ("the program detaches the segment itself",
           check_unmap (shmAddress (memory), SIZE) == 0);
    CHECK ("shmxDetach is EINVAL", shmxDetach (memory) == EINVAL && errno == EINVAL);
    CHECK ("the text names the program's own call",
           strstr (shmxErrorText (), check_has (HAS_IDS) ? "shmdt" : "munmap") != NULL);
    CHECK ("the handle is no longer valid",
           shmAddress (memory) == NULL && shmxDetach (memory) == EINVAL);
    still_exists (id);
}

static void after_the_programs_own_shmdt_with_its_address_in_use (int by_shmat)
{
    int id = orphan ('o');
    void *address = check_has (HAS_ADDRESSES) ? check_free_place (SHMLBA + SIZE) : NULL;
    SharedMemory memory = NULL;
    int other = shmget (IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    void *got;

    CHECK ("the segment is attached", shmCreate (NAME, 0, &address, &memory) == 0);
    come_and_go ();
    CHECK ("the program detaches the segment itself", check_unmap (address, SIZE) == 0);
    if (by_shmat) {
        got = shmat (other, address, 0);
    } else {
        got = mmap (address, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                    -1, 0);
    }
    shmctl (other, IPC_RMID, NULL);
    CHECK ("something else is mapped at its address", got == address);
    memset (address, 'y', SIZE);
    CHECK ("shmxDetach is EINVAL", shmxDetach (memory) == EINVAL);
    CHECK ("what is mapped there stays", is_mapped (address) && check_filled (address, 'y', SIZE));
    still_exists (id);
    if (by_shmat) {
        shmdt (address);
    } else {
        munmap (address, SIZE);
    }
}

/* ---- other threads --------------------------------------------------------------------- */

static SharedMemory busy;
static char fifo[1024];

static void *load (void *result)
{
    *(int *) result = shmLoad (busy, fifo);
    return result;
}

static void beside_a_load (void)
{
    pthread_t thread;
    int result = -1;

    busy = check_create (NAME, SIZE);
    strcpy (fifo, check_path ("fifo"));
    CHECK ("a FIFO is made", mkfifo (fifo, 0600) == 0);
    CHECK ("a thread loads from it", pthread_create (&thread, NULL, load, &result) == 0);
    usleep (200000);
    CHECK ("shmxDetach gives up after 10 seconds", shmxDetach (busy) == ETIMEDOUT);
    CHECK ("the handle is valid", shmSizeOf (busy) == SIZE);
    close (open (fifo, O_WRONLY));
    pthread_join (thread, NULL);
    CHECK ("the load ends with its input", result == EINVAL);
    CHECK ("shmxDetach works now", shmxDetach (busy) == 0);
    CHECK ("the orphan can be removed", shmxRemove (NAME) == 0);
}

int main (void)
{
    check_start ();
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return EXIT_FAILURE;
    }
    of_nothing ();
    of_the_last ("a reader", SHMX_RDONLY);
    of_the_last ("a writer", 0);
    of_one_of_two ();
    if (check_has (HAS_PROCESSES)) {
        beside_another_process ();
    }
    of_a_removed_segment ();
    of_a_kept_segment ();
    after_the_programs_own_shmdt ();
    after_the_programs_own_shmdt_with_its_address_in_use (0);
    after_the_programs_own_shmdt_with_its_address_in_use (1);
    beside_a_load ();
    return check_done ();
}
