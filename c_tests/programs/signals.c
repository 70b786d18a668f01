/* A signal handler that interrupts any part of a function gets EDEADLK, and nothing else
 * happens: it may have interrupted malloc(3) or stdio. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define NAME "c_tests/signals"
#define SIZE 4096L
#define ROUNDS 20000
#define ROUNDS_UNDER_VALGRIND 500 /* each takes a hundred times as long */
#define LONGEST_WAIT 60 /* microseconds; two failing calls take some 20 */

static SharedMemory memory;
static volatile sig_atomic_t refused, wrong, passed_a_handle;

/* A call that succeeds, or fails as it would without the handler, interrupted no other. */
static void count (int status, int usual)
{
    if (status == EDEADLK) {
        refused++;
    } else if (status != usual) {
        wrong++;
    }
}

static void call_the_library (int signal)
{
    int saved = errno;
    SharedMemory other = (SharedMemory) 1;
    void *address = NULL;

    (void) signal;
    count (shmCreate (NAME " missing", 0, &address, &other), ENOENT);
    if (other != NULL) {
        passed_a_handle++;
    }
    count (shmSave (memory, "/nonexistent/$HOME/file"), ENOENT);
    count (shmxRemove (NAME " missing"), ENOENT);
    count (shmDestroy ((SharedMemory) 7), EINVAL);
    count (shmxWait (NAME " missing", 0), ETIMEDOUT);
    count (shmxDetach ((SharedMemory) 7), EINVAL);
    count (shmxRemoveSegment ((SharedMemory) 7), EINVAL);
    count (shmxPublish ((SharedMemory) 7), EINVAL);
    count (shmxSync ((SharedMemory) 7), EINVAL);
    count (shmxLoad ((SharedMemory) 7, "/nonexistent/$HOME/file", NULL), EINVAL);
    shmAddress ((SharedMemory) 7);
    shmxCreated ((SharedMemory) 7);
    errno = saved;
}

/* One signal a round, or a slow machine would run nothing but the handler. */
static void interrupt_after (int microseconds)
{
    struct itimerval timer;

    memset (&timer, 0, sizeof timer);
    timer.it_value.tv_usec = microseconds;
    setitimer (ITIMER_REAL, &timer, NULL);
}

/* The program's calls fail, so their errors are formatted and printed. A handler that
 * interrupts them there must not allocate. Between the calls, the program itself
 * neither allocates nor prints. */
static void interrupt_reports (void)
{
    int rounds = getenv ("UNDER_VALGRIND") == NULL ? ROUNDS : ROUNDS_UNDER_VALGRIND;
    int longest = getenv ("UNDER_VALGRIND") == NULL ? LONGEST_WAIT : 50 * LONGEST_WAIT;
    int round, failed = 0;

    setenv ("APERROR_PRINT", "1", 1);
    memory = check_create (NAME, SIZE);
    signal (SIGALRM, call_the_library);
    for (round = 0; round < rounds; round++) {
        interrupt_after (1 + round % longest);
        failed += shmSave (memory, "/nonexistent/directory/$HOME/of/a/rather/long/path") != ENOENT;
        failed += shmxRemove (NAME " missing as well") != ENOENT;
    }
    interrupt_after (0);
    signal (SIGALRM, SIG_IGN);
    CHECK ("handlers interrupted calls", refused > 0);
    CHECK ("each call of a handler is EDEADLK or runs as usual", wrong == 0);
    CHECK ("a refused create sets the handle to NULL", passed_a_handle == 0);
    CHECK ("the interrupted calls return what they would have", failed == 0);
    CHECK ("the segment can be used and destroyed", check_filled (shmAddress (memory), 0, SIZE)
           && shmDestroy (memory) == 0);
    exit (check_done ());
}

static void in_a_child (void)
{
    if (freopen ("/dev/null", "w", stderr) != NULL) { /* it would fill the screen */
        interrupt_reports ();
    }
    exit (EXIT_FAILURE);
}

int main (void)
{
    check_start ();
    CHECK ("a program whose handlers call the library while errors are reported ends well",
           check_child (in_a_child) == 0);
    return check_done ();
}
