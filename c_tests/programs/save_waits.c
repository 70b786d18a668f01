/* Saves and loads that wait for a FIFO or a pipe: signal handlers, a destroy in another thread, and
 * exit. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/save_waits"
#define SIZE 1500001L /* more than a pipe holds, which is 1 MiB with pages of 64 KiB */

static SharedMemory memory;
static char fifo[1024];
static volatile sig_atomic_t signals;

static void note (int number)
{
    (void) number;
    signals++;
}

static void let_signals_come (int flags, long microseconds)
{
    signals = 0;
    check_alarms (note, flags, microseconds);
}

/* ---- handlers -------------------------------------------------------------------------- */

static const char *path_of (int descriptor)
{
    return check_text ("/dev/fd/%d", descriptor);
}

static void interrupted (void)
{
    int ends[2], full[2];
    static char block[4096];

    let_signals_come (0, 20000); /* so one arrives during each wait */
    CHECK ("a handler without SA_RESTART ends the wait of shmLoad for a FIFO's writer",
           shmLoad (memory, fifo) == EINTR);
    CHECK ("errno has the same value", errno == EINTR);
    CHECK ("it ends the wait of shmSave for a FIFO's reader", shmSave (memory, fifo) == EINTR);
    CHECK ("pipes are made", pipe (ends) == 0 && pipe (full) == 0);
    CHECK ("it ends the wait of shmLoad for bytes", shmLoad (memory, path_of (ends[0])) == EINTR);
    CHECK ("it ends the wait of shmSave for room", shmSave (memory, path_of (ends[1])) == EINTR);
    CHECK ("a pipe does not block", fcntl (full[0], F_SETFL, O_NONBLOCK) == 0
           && fcntl (full[1], F_SETFL, O_NONBLOCK) == 0);
    CHECK ("it ends the wait for a pipe that does not block",
           shmLoad (memory, path_of (full[0])) == EINTR);
    while (write (full[1], block, sizeof block) > 0) {
    }
    CHECK ("it ends the wait for room there, too", shmSave (memory, path_of (full[1])) == EINTR);
    let_signals_come (0, 0);
    close (ends[0]);
    close (ends[1]);
    close (full[0]);
    close (full[1]);
}

/* Writes bytes into the FIFO, in small pieces. */
static void write_slowly (void)
{
    static char block[150000];
    int file = open (fifo, O_WRONLY);
    long left;

    memset (block, 'b', sizeof block);
    usleep (100000);
    for (left = SIZE; left > 0; left -= (long) sizeof block) {
        usleep (10000);
        if (write (file, block, (size_t) (left < (long) sizeof block ? left : (long) sizeof block))
            < 0) {
            _exit (1);
        }
    }
    _exit (0);
}

static void restarted (int nonblocking)
{
    pid_t child;
    int file, status;

    memset (shmAddress (memory), 0, SIZE);
    let_signals_come (SA_RESTART, 7000);
    child = check_fork ();
    if (child == 0) {
        let_signals_come (SA_RESTART, 0);
        write_slowly ();
    }
    if (nonblocking) {
        file = open (fifo, O_RDONLY);
        fcntl (file, F_SETFL, O_NONBLOCK);
        status = shmLoad (memory, path_of (file));
        close (file);
    } else {
        status = shmLoad (memory, fifo);
    }
    let_signals_come (SA_RESTART, 0);
    CHECK (check_text ("handlers with SA_RESTART do not end a wait%s",
                       nonblocking ? " for a pipe that does not block" : ""), status == 0);
    CHECK ("the segment has the bytes", check_filled (shmAddress (memory), 'b', SIZE));
    check_wait (child);
}

/* ---- another thread -------------------------------------------------------------------- */

static void *load (void *result)
{
    *(int *) result = shmLoad (memory, fifo);
    return result;
}

static void destroyed_meanwhile (void)
{
    pthread_t thread;
    int result = -1;
    int before = check_segments ();

    CHECK ("a thread loads from a FIFO", pthread_create (&thread, NULL, load, &result) == 0);
    usleep (200000);
    CHECK ("shmDestroy gives up after 10 seconds", shmDestroy (memory) == ETIMEDOUT);
    CHECK ("the handle is valid, and the segment is there",
           shmSizeOf (memory) == SIZE && check_segments () == before);
    close (open (fifo, O_WRONLY));
    pthread_join (thread, NULL);
    CHECK ("the load ends with its input", result == EINVAL);
    CHECK ("shmDestroy works now", shmDestroy (memory) == 0);
}

static void exit_meanwhile (void)
{
    static int result;
    pthread_t thread;

    alarm (60);
    if (pthread_create (&thread, NULL, load, &result) != 0) {
        _exit (1);
    }
    usleep (200000);
    exit (7);
}

int main (void)
{
    check_start ();
    memory = check_create (NAME, SIZE);
    strcpy (fifo, check_path ("fifo"));
    CHECK ("a FIFO is made", mkfifo (fifo, 0600) == 0);
    interrupted ();
    restarted (0);
    restarted (1);
    if (getenv ("UNDER_VALGRIND") != NULL || WITH_ADDRESS_SANITIZER) {
        check_note ("valgrind, sanitizer: exit beside another thread is not tried");
    } else {
        CHECK ("exit does not wait for another thread's load", check_child (exit_meanwhile) == 7);
    }
    destroyed_meanwhile ();
    return check_done ();
}
