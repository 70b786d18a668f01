/* shmDestroy: when the mapping goes, and when the segment and its name go. */

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

/* mincore refuses memory that is not there, and does nothing to what is. */
static int is_mapped (void *address)
{
    unsigned char resident;

    return mincore (address, 1, &resident) == 0;
}

static void of_nothing (void)
{
    errno = UNTOUCHED;
    CHECK ("shmDestroy (NULL) returns 0", shmDestroy (NULL) == 0);
    CHECK ("and leaves errno as it was", errno == UNTOUCHED);
}

static void of_the_only_handle (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    void *address = shmAddress (memory);
    int id = shmId (memory);
    int status;

    CHECK ("a segment is mapped before", is_mapped (address));
    errno = UNTOUCHED;
    status = shmDestroy (memory);
    CHECK ("shmDestroy returns 0", status == 0);
    CHECK ("on success errno is left as it was", errno == UNTOUCHED);
    CHECK ("the caller's mapping is gone", !is_mapped (address));
    CHECK ("when no process is attached any more, the segment is deleted",
           check_attached (id) == -1);
    CHECK ("and so is its name", !check_exists (NAME));
}

static void twice (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    SharedMemory other = check_create ("c_tests/destroy, other", SIZE);

    CHECK ("the first shmDestroy returns 0", shmDestroy (memory) == 0);
    errno = 0;
    CHECK ("the second is EINVAL", shmDestroy (memory) == EINVAL);
    CHECK ("errno has the same value", errno == EINVAL);
    CHECK ("no other segment suffers", check_attached (shmId (other)) == 1);
    shmDestroy (other);
}

static void of_one_of_two (int first)
{
    SharedMemory memories[2];
    int id;

    memories[0] = check_create (NAME, SIZE);
    memories[1] = check_create (NAME, 0);
    id = shmId (memories[0]);
    memset (shmAddress (memories[0]), 'd', SIZE);
    CHECK (check_text ("of two handles, number %d is destroyed", first + 1),
           shmDestroy (memories[first]) == 0);
    CHECK ("its mapping is gone", check_attached (id) == 1);
    CHECK ("the other handle keeps the segment, whole and readable",
           check_filled (shmAddress (memories[!first]), 'd', SIZE));
    CHECK ("the name is kept too", check_exists (NAME));
    CHECK ("the other handle is destroyed", shmDestroy (memories[!first]) == 0);
    CHECK ("then the segment is gone", check_attached (id) == -1);
    CHECK ("and the name", !check_exists (NAME));
}

static void afterwards_a_new_one (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    SharedMemory stale = memory;

    memset (shmAddress (memory), 'o', SIZE);
    shmDestroy (memory);
    memory = check_create (NAME, SIZE * 2);
    CHECK ("a name made again is a new segment, of its own size", shmSizeOf (memory) == SIZE * 2);
    CHECK ("zero-filled", check_filled (shmAddress (memory), 0, SIZE * 2));
    CHECK ("the old handle means nothing", shmDestroy (stale) == EINVAL);
    CHECK ("and does not harm the new segment", check_attached (shmId (memory)) == 1);
    shmDestroy (memory);
}

static void attach_and_read (void)
{
    SharedMemory memory = NULL;

    CHECK ("another process maps the name", shmCreate (NAME, 0, NULL, &memory) == 0);
    check_signal (ready);
    check_await (go);
    CHECK ("it keeps the segment, whole and readable, whoever else destroys theirs",
           check_filled (shmAddress (memory), 'p', SIZE));
    memset (shmAddress (memory), 'q', SIZE);
    check_signal (ready);
    check_await (go);
    CHECK ("it destroys its own", shmDestroy (memory) == 0);
}

static void beside_another_process (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = shmId (memory);
    pid_t child;

    memset (shmAddress (memory), 'p', SIZE);
    child = check_fork ();
    if (child == 0) {
        shmDestroy (memory); /* the inherited one: lifetime.c tests those */
        attach_and_read ();
        _exit (0);
    }
    CHECK ("the other process is there", check_await (ready));
    CHECK ("shmDestroy returns 0 while another process is attached", shmDestroy (memory) == 0);
    CHECK ("the segment lives on", check_attached (id) == 1);
    check_signal (go);
    CHECK ("the other process has read and written", check_await (ready));
    memory = check_create (NAME, 0);
    CHECK ("the name still means that segment", shmId (memory) == id);
    CHECK ("with what the other process wrote", check_filled (shmAddress (memory), 'q', SIZE));
    CHECK ("it is destroyed again", shmDestroy (memory) == 0);
    check_signal (go);
    CHECK ("the other process ends well", check_wait (child) == 0);
    CHECK ("the last shmDestroy has deleted the segment", check_attached (id) == -1);
    CHECK ("and the name", !check_exists (NAME));
}

/* Whoever uses shmat(2) with shmId is attached as well as anybody. */
static void beside_a_plain_shmat (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = shmId (memory);
    void *plain = shmat (id, NULL, 0);

    memset (plain, 's', SIZE);
    CHECK ("shmDestroy returns 0 beside a plain shmat", shmDestroy (memory) == 0);
    CHECK ("the segment lives on", check_attached (id) == 1);
    CHECK ("the plain mapping is whole", check_filled (plain, 's', SIZE));
    CHECK ("shmdt gives it up", shmdt (plain) == 0);
    memory = check_create (NAME, 0);
    CHECK ("the name still means that segment", shmId (memory) == id);
    CHECK ("the next shmDestroy that leaves nobody attached deletes it",
           shmDestroy (memory) == 0 && check_attached (id) == -1);
}

static void after_the_programs_own_shmdt (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = shmId (memory);

    CHECK ("the program unmaps by itself", shmdt (shmAddress (memory)) == 0);
    shmDestroy (memory);
    CHECK ("the handle is used up by shmDestroy", shmDestroy (memory) == EINVAL);
    CHECK ("the segment is deleted", check_attached (id) == -1);
    CHECK ("and its name", !check_exists (NAME));
}

static void after_the_programs_own_shmdt_beside_another (void)
{
    SharedMemory memory = check_create (NAME, SIZE);
    int id = shmId (memory);
    pid_t child;

    memset (shmAddress (memory), 'p', SIZE);
    child = check_fork ();
    if (child == 0) {
        shmDestroy (memory);
        attach_and_read ();
        _exit (0);
    }
    CHECK ("the other process is there", check_await (ready));
    CHECK ("the program unmaps by itself", shmdt (shmAddress (memory)) == 0);
    shmDestroy (memory);
    CHECK ("its shmDestroy leaves the other's segment", check_attached (id) == 1);
    CHECK ("and its name", check_exists (NAME));
    check_signal (go);
    CHECK ("the other process has read and written", check_await (ready));
    check_signal (go);
    CHECK ("the other process ends well", check_wait (child) == 0);
    CHECK ("the last shmDestroy has deleted the segment", check_attached (id) == -1);
}

int main (void)
{
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
    beside_another_process ();
    beside_a_plain_shmat ();
    after_the_programs_own_shmdt ();
    after_the_programs_own_shmdt_beside_another ();
    return check_done ();
}
