/* shmDestroy: when it detaches, and when it deletes the segment and its name. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/destroy"
#define SIZE 12345L
#define UNTOUCHED 12345

static int ready[2];
static int go[2];

/* mincore(2) fails on memory that is not mapped, and changes nothing. */
static int is_mapped (void *address)
{
    unsigned char resident;

    return mincore (address, 1, &resident) == 0;
}

static void of_nothing (void)
{
    errno = UNTOUCHED;
    CHECK ("shmDestroy (NULL) returns 0", shmDestroy (NULL) == 0);
    CHECK ("shmDestroy (NULL) leaves errno unchanged", errno == UNTOUCHED);
}

static void of_the_only_handle (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    void *address = shmAddress (memory);
    int id = check_id (memory);
    int status;

    CHECK ("the segment is mapped before shmDestroy", is_mapped (address));
    errno = UNTOUCHED;
    status = shmDestroy (memory);
    CHECK ("shmDestroy returns 0", status == 0);
    CHECK ("success leaves errno unchanged", errno == UNTOUCHED);
    CHECK ("the segment is not mapped afterwards", !is_mapped (address));
    CHECK ("when no process has the segment attached, it is deleted",
           check_is_attached (id, -1));
    CHECK ("its name is removed", !check_exists (NAME));
}

static void twice (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    SharedMemory other = check_create ("c_tests/destroy, other", SIZE);

    CHECK ("the first shmDestroy returns 0", shmDestroy (memory) == 0);
    errno = 0;
    CHECK ("the second returns EINVAL", shmDestroy (memory) == EINVAL);
    CHECK ("errno has the same value", errno == EINVAL);
    CHECK ("another segment stays attached", check_is_attached (check_id (other), 1));
    shmDestroy (other);
}

static void of_one_of_two (int first)
{
    SharedMemory memories[2];
    int id;

    memories[0] = check_create (NAME, SIZE);
    memories[1] = check_create (NAME, 0);
    id = check_id (memories[0]);
    memset (shmAddress (memories[0]), 'd', SIZE);
    CHECK (check_text ("one of two handles can be destroyed: number %d", first + 1),
           shmDestroy (memories[first]) == 0);
    CHECK ("its address is detached", check_is_attached (id, 1));
    CHECK ("the other handle keeps the segment, with its data",
           check_filled (shmAddress (memories[!first]), 'd', SIZE));
    CHECK ("the name still exists", check_exists (NAME));
    CHECK ("the other handle can be destroyed", shmDestroy (memories[!first]) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
    CHECK ("the last shmDestroy removes the name", !check_exists (NAME));
}

static void afterwards_a_new_one (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    SharedMemory stale = memory;

    memset (shmAddress (memory), 'o', SIZE);
    shmDestroy (memory);
    memory = check_create (NAME, SIZE * 2);
    CHECK ("a name that is created again gets a new segment, with its own size",
           shmSizeOf (memory) == SIZE * 2);
    CHECK ("the new segment is zero-filled", check_filled (shmAddress (memory), 0, SIZE * 2));
    CHECK ("the old handle is EINVAL", shmDestroy (stale) == EINVAL);
    CHECK ("the old handle does not detach the new segment",
           check_is_attached (check_id (memory), 1));
    shmDestroy (memory);
}

static void attach_and_read (void)
{
    SharedMemory memory = NULL;

    CHECK ("another process attaches the segment", shmCreate (NAME, 0, NULL, &memory) == 0);
    check_signal (ready);
    check_await (go);
    CHECK ("a process keeps its segment readable after another has destroyed its handle",
           check_filled (shmAddress (memory), 'p', SIZE));
    memset (shmAddress (memory), 'q', SIZE);
    check_signal (ready);
    check_await (go);
    CHECK ("the other process destroys its handle", shmDestroy (memory) == 0);
}

static void beside_another_process (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);
    pid_t child;

    memset (shmAddress (memory), 'p', SIZE);
    child = check_fork ();
    if (child == 0) {
        shmDestroy (memory); /* the inherited one: lifetime.c tests those */
        attach_and_read ();
        _exit (0);
    }
    CHECK ("the other process is attached", check_await (ready));
    CHECK ("shmDestroy returns 0 while another process is attached", shmDestroy (memory) == 0);
    CHECK ("the segment still exists", check_is_attached (id, 1));
    check_signal (go);
    CHECK ("the other process has read and written", check_await (ready));
    memory = check_create (NAME, 0);
    CHECK ("the name still means that segment", check_id (memory) == id);
    CHECK ("it contains what the other process wrote",
           check_filled (shmAddress (memory), 'q', SIZE));
    CHECK ("the first process can destroy its new handle", shmDestroy (memory) == 0);
    check_signal (go);
    CHECK ("the other process exits with status 0", check_wait (child) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
    CHECK ("the last shmDestroy removes the name", !check_exists (NAME));
}

/* shmat(2) with shmId counts as any other attachment. */
static void beside_a_plain_shmat (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = shmId (memory);
    void *plain = shmat (id, NULL, 0);

    memset (plain, 's', SIZE);
    CHECK ("shmDestroy returns 0 while the segment is attached by shmat(2)",
           shmDestroy (memory) == 0);
    CHECK ("the segment still exists", check_is_attached (id, 1));
    CHECK ("shmat's address keeps the data", check_filled (plain, 's', SIZE));
    CHECK ("shmdt detaches it", shmdt (plain) == 0);
    memory = check_create (NAME, 0);
    CHECK ("the name still means that segment", check_id (memory) == id);
    CHECK ("the next shmDestroy that leaves nobody attached deletes it",
           shmDestroy (memory) == 0 && check_is_attached (id, -1));
}

static void after_the_programs_own_shmdt (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);

    CHECK ("the program detaches the segment itself",
           check_unmap (shmAddress (memory), SIZE) == 0);
    shmDestroy (memory);
    CHECK ("shmDestroy has invalidated the handle", shmDestroy (memory) == EINVAL);
    CHECK ("shmDestroy deletes the segment", check_is_attached (id, -1));
    CHECK ("shmDestroy removes the name", !check_exists (NAME));
}

static void after_the_programs_own_shmdt_beside_another (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = check_id (memory);
    pid_t child;

    memset (shmAddress (memory), 'p', SIZE);
    child = check_fork ();
    if (child == 0) {
        shmDestroy (memory);
        attach_and_read ();
        _exit (0);
    }
    CHECK ("the other process is attached", check_await (ready));
    CHECK ("the program detaches the segment itself",
           check_unmap (shmAddress (memory), SIZE) == 0);
    shmDestroy (memory);
    CHECK ("shmDestroy leaves the segment to the other process", check_is_attached (id, 1));
    CHECK ("the name still exists", check_exists (NAME));
    check_signal (go);
    CHECK ("the other process has read and written", check_await (ready));
    check_signal (go);
    CHECK ("the other process exits with status 0", check_wait (child) == 0);
    CHECK ("the last shmDestroy deletes the segment", check_is_attached (id, -1));
}

/* What is mapped where the segment was attached before the program detached it. */
enum reuse { BY_THE_LIBRARY, BY_SHMAT, BY_MMAP, REUSES };

static const char *const reuse_name[REUSES] = {
    "another segment of the library", "the program's own segment", "a file"
};

static SharedMemory reuse_address (enum reuse reuse, void *address)
{
    SharedMemory other = NULL;
    void *got = address;
    int id;

    switch (reuse) {
    case BY_THE_LIBRARY:
        shmCreate ("c_tests/destroy, other", SIZE, &got, &other);
        break;
    case BY_SHMAT:
        id = shmget (IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
        got = shmat (id, address, 0);
        shmctl (id, IPC_RMID, NULL);
        break;
    default:
        got = mmap (address, SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
    CHECK (check_text ("%s is mapped at the address", reuse_name[reuse]), got == address);
    memset (address, 'y', SIZE);
    return other;
}

/* After the program's own shmdt or munmap, at an address that is in use again. `found`: the handle
 * is of a segment that existed; else it created the segment. */
static void with_its_address_in_use_again (enum reuse reuse, int found)
{
    SharedMemory memory, other;
    void *address = check_free_place (SHMLBA + SIZE);
    pid_t child;
    int id;

    child = check_fork ();
    if (child == 0) {
        if (!found) {
            check_await (go);
        }
        memory = check_create (NAME, SIZE);
        memset (shmAddress (memory), 'p', SIZE);
        check_signal (ready);
        check_await (go);
        CHECK ("the other process keeps the segment, with its data",
               check_filled (shmAddress (memory), 'p', SIZE));
        CHECK ("it destroys it", shmDestroy (memory) == 0);
        _exit (0);
    }
    if (found) {
        CHECK ("the other process is attached", check_await (ready));
    }
    CHECK ("shmCreate returns 0", shmCreate (NAME, SIZE, &address, &memory) == 0);
    if (!found) {
        check_signal (go);
        CHECK ("the other process is attached", check_await (ready));
    }
    id = check_id (memory);
    CHECK ("the program detaches the segment itself", check_unmap (address, SIZE) == 0);
    other = reuse_address (reuse, address);
    CHECK ("shmDestroy of the first handle is EINVAL", shmDestroy (memory) == EINVAL);
    CHECK (check_text ("%s is still mapped", reuse_name[reuse]),
           is_mapped (address) && check_filled (address, 'y', SIZE));
    CHECK ("the segment stays with the other process", check_is_attached (id, 1));
    CHECK ("its name still exists", check_exists (NAME));
    check_signal (go);
    CHECK ("the other process exits with status 0", check_wait (child) == 0);
    CHECK ("its shmDestroy deletes the segment", check_is_attached (id, -1));
    if (reuse == BY_THE_LIBRARY) {
        CHECK ("the other handle can be destroyed", shmDestroy (other) == 0);
    } else if (reuse == BY_SHMAT) {
        shmdt (address);
    } else {
        munmap (address, SIZE);
    }
}

int main (void)
{
    int reuse;

    check_start ();
    if (pipe (ready) < 0 || pipe (go) < 0) {
        return 1;
    }
    of_nothing ();
    of_the_only_handle ();
    twice ();
    of_one_of_two (0);
    of_one_of_two (1);
    afterwards_a_new_one ();
    after_the_programs_own_shmdt ();
    if (check_has (HAS_IDS)) {
        beside_a_plain_shmat ();
    }
    if (!check_has (HAS_PROCESSES)) {
        return check_done ();
    }
    beside_another_process ();
    after_the_programs_own_shmdt_beside_another ();
    for (reuse = 0; reuse < REUSES; reuse++) {
        with_its_address_in_use_again ((enum reuse) reuse, 0);
        with_its_address_in_use_again ((enum reuse) reuse, 1);
    }
    return check_done ();
}
