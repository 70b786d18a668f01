/* Eight processes create the same name at the same instant, many times over. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#define NAME "c_tests/race"
#define SIZE 8192L
#define RACERS 8

/* Shared by all racers. */
struct race {
    pthread_barrier_t line;
    int ids[RACERS];
    long errors;      /* calls that did not return 0 */
    long different;   /* rounds with more than one segment */
    long dirty;       /* segments that were not zero-filled */
    long separate;    /* segments in which another racer's mark was missing */
    long removed;     /* segments that were removed while attached */
    long left;        /* rounds after which the segment or its name still existed */
};

static struct race *race;
static int rounds;

static void count (long *counter, int happened)
{
    if (happened) {
        __sync_fetch_and_add (counter, 1);
    }
}

static void look_back (void)
{
    int i;

    for (i = 1; i < RACERS; i++) {
        count (&race->different, race->ids[i] != race->ids[0]);
    }
    count (&race->left, !check_is_attached (race->ids[0], -1));
    count (&race->left, check_exists (NAME));
}

/* All get one segment, zero-filled, which is deleted when all have destroyed their handles. */
static void run_together (int me)
{
    SharedMemory memory = NULL;
    void *address = NULL;
    int round, i;

    for (round = 0; round < rounds; round++) {
        pthread_barrier_wait (&race->line);
        count (&race->errors, shmCreate (NAME, SIZE, &address, &memory) != 0);
        race->ids[me] = check_id (memory);
        count (&race->dirty, !check_filled (address, 0, SIZE));
        pthread_barrier_wait (&race->line);
        ((char *) address)[me] = 'm';
        pthread_barrier_wait (&race->line);
        for (i = 0; i < RACERS; i++) {
            count (&race->separate, ((char *) address)[i] != 'm');
        }
        pthread_barrier_wait (&race->line);
        count (&race->errors, shmDestroy (memory) != 0);
        pthread_barrier_wait (&race->line);
        if (me == 0) {
            look_back ();
        }
    }
}

/* Racers do not wait for each other, so creates meet destroys at every point. */
static void run_apart (int me)
{
    SharedMemory memory = NULL;
    SharedMemory again = NULL;
    void *address = NULL;
    int round;
    int status;

    pthread_barrier_wait (&race->line);
    for (round = 0; round < rounds; round++) {
        address = NULL;
        status = shmCreate (NAME, (me + round) % 4 == 0 ? 0 : SIZE, &address, &memory);
        if (status == ENOENT && (me + round) % 4 == 0) {
            continue;
        }
        count (&race->errors, status != 0 || shmSizeOf (memory) != SIZE);
        count (&race->dirty, status == 0 && !check_filled (address, 0, SIZE));
        /* While this process has it attached, the name refers to this segment and to no other. */
        count (&race->errors, shmCreate (NAME, 0, NULL, &again) != 0);
        count (&race->different, check_id (again) != check_id (memory));
        count (&race->errors, shmDestroy (again) != 0);
        count (&race->errors, shmDestroy (memory) != 0);
    }
}

static char file[1024]; /* of the segment of NAME in a directory */

static int is_removed (SharedMemory memory)
{
    struct shmid_ds status;

    if (check_store () == CHECK_DIRECTORY) {
        return access (file, F_OK) != 0;
    }
    return shmctl (shmId (memory), IPC_STAT, &status) != 0
           || (status.shm_perm.mode & SHM_DEST) != 0;
}

/* Handles are short-lived, so the last one often goes while another process attaches. */
static void run_briefly (int me)
{
    SharedMemory memory = NULL;
    int round;

    (void) me;
    pthread_barrier_wait (&race->line);
    for (round = 0; round < 30 * rounds; round++) {
        count (&race->errors, shmCreate (NAME, SIZE, NULL, &memory) != 0);
        count (&race->removed, is_removed (memory));
        count (&race->errors, shmDestroy (memory) != 0);
    }
}

static int start (void (*run) (int me))
{
    pid_t racers[RACERS];
    int failed = 0;
    int i;

    for (i = 0; i < RACERS; i++) {
        racers[i] = check_fork ();
        if (racers[i] == 0) {
            run (i);
            exit (0);
        }
    }
    for (i = 0; i < RACERS; i++) {
        failed += check_wait (racers[i]) != 0;
    }
    return failed;
}

int main (void)
{
    pthread_barrierattr_t shared;

    rounds = check_rounds (1000);
    check_start ();
    race = check_shared (sizeof *race);
    strcpy (file, check_text ("%sc_tests%%2Frace", check_namespace ("own namespace")));
    pthread_barrierattr_init (&shared);
    pthread_barrierattr_setpshared (&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init (&race->line, &shared, RACERS);

    CHECK (check_text ("8 processes can create one name at once, %d times", rounds),
           start (run_together) == 0);
    CHECK ("no call fails", race->errors == 0);
    CHECK ("all get the same segment", race->different == 0 && race->separate == 0);
    CHECK ("the segment is zero-filled", race->dirty == 0);
    CHECK ("the segment is deleted when all have destroyed their handles", race->left == 0);
    CHECK ("processes that destroyed their handles leave nothing", check_segments () == 0);

    CHECK (check_text ("8 processes can create and destroy one name without waiting, %d times",
           rounds),
           start (run_apart) == 0);
    CHECK ("no call fails", race->errors == 0);
    CHECK ("all get the same segment", race->different == 0);
    CHECK ("the segment is zero-filled", race->dirty == 0);
    CHECK ("the name does not exist at the end", !check_exists (NAME));

    CHECK (check_text ("8 processes can attach and detach briefly, %d times", 30 * rounds),
           start (run_briefly) == 0);
    CHECK ("no call fails", race->errors == 0);
    CHECK ("a segment is not deleted while it is attached", race->removed == 0);
    CHECK ("the name does not exist at the end", !check_exists (NAME));
    return check_done ();
}
