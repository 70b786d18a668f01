/*
 * Another program on this machine: it creates segments and semaphores while the tests run, and
 * knows nothing of them. On SIGTERM it checks that nobody has attached, changed or removed what
 * it made. c_tests/run-all starts it.
 */

#define _GNU_SOURCE

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#define SIZE 4096
#define MOST 32

struct segment {
    int id;
    char *bytes; /* NULL if the bystander itself never attaches it */
    struct shmid_ds made;
};

static struct segment segments[MOST];
static int semaphores = -1;
static long made, harmed;
static volatile sig_atomic_t ending;

static void end (int signal)
{
    (void) signal;
    ending = 1;
}

static void harm (const struct segment *segment, const char *what)
{
    harmed++;
    printf ("# segment %d: %s\n", segment->id, what);
}

/* Fails if the system allows no more segments; then there are fewer bystanders. */
static int make (struct segment *segment, int attach)
{
    segment->bytes = NULL;
    segment->id = shmget (IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    if (segment->id < 0) {
        return 0;
    }
    if (attach) {
        segment->bytes = shmat (segment->id, NULL, 0);
        memset (segment->bytes, 'b', SIZE);
    }
    shmctl (segment->id, IPC_STAT, &segment->made);
    made++;
    return 1;
}

static int is_filled (const char *bytes)
{
    int i;

    for (i = 0; i < SIZE; i++) {
        if (bytes[i] != 'b') {
            return 0;
        }
    }
    return 1;
}

/* Any attach or detach, also one that is over, is seen in the times and the last process id. */
static void check (const struct segment *segment)
{
    struct shmid_ds now;

    if (shmctl (segment->id, IPC_STAT, &now) != 0) {
        harm (segment, "removed");
        return;
    }
    if (now.shm_ctime != segment->made.shm_ctime
        || now.shm_perm.mode != segment->made.shm_perm.mode
        || now.shm_perm.uid != segment->made.shm_perm.uid
        || now.shm_perm.gid != segment->made.shm_perm.gid) {
        harm (segment, "its mode or owner was set, or it was marked for removal");
    }
    if (now.shm_nattch != segment->made.shm_nattch || now.shm_lpid != segment->made.shm_lpid
        || now.shm_atime != segment->made.shm_atime || now.shm_dtime != segment->made.shm_dtime) {
        harm (segment, "attached or detached");
    }
    if (segment->bytes != NULL && !is_filled (segment->bytes)) {
        harm (segment, "its bytes were changed");
    }
}

static void remove_own (struct segment *segment)
{
    if (segment->bytes != NULL) {
        shmdt (segment->bytes);
    }
    shmctl (segment->id, IPC_RMID, NULL);
}

/* How many segments it has at a time: few where few are allowed. */
static int choose_number (void)
{
    struct shminfo limits;

    if (shmctl (0, IPC_INFO, (struct shmid_ds *) (void *) &limits) < 0 || limits.shmmni > 256) {
        return MOST;
    }
    return limits.shmmni < 64 ? 2 : 8;
}

static void live (int number)
{
    struct timespec pause = { 0, 200000000 };
    struct segment *segment;
    long round;

    for (round = 0; !ending; round++) {
        segment = &segments[round % number];
        if (segment->id >= 0) {
            check (segment);
            remove_own (segment);
        }
        if (!make (segment, round % 2 == 0)) {
            segment->id = -1;
        }
        nanosleep (&pause, NULL);
    }
}

int main (void)
{
    struct sigaction action;
    int number = choose_number ();
    int i;

    for (i = 0; i < MOST; i++) {
        segments[i].id = -1;
    }
    memset (&action, 0, sizeof action);
    action.sa_handler = end;
    sigaction (SIGTERM, &action, NULL);
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGHUP, &action, NULL);
    prctl (PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);

    semaphores = semget (IPC_PRIVATE, 1, IPC_CREAT | 0600);
    live (number);
    for (i = 0; i < number; i++) {
        if (segments[i].id >= 0) {
            check (&segments[i]);
            remove_own (&segments[i]);
        }
    }
    if (semaphores >= 0 && semctl (semaphores, 0, IPC_RMID) != 0) {
        harmed++;
        printf ("# its semaphores were removed\n");
    }
    printf ("%sok - no test has touched the %ld segments of another program\n",
            harmed == 0 && made > 0 ? "" : "not ", made);
    return harmed == 0 && made > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
