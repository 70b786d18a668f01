/*
 * What the lock of systems without robust futexes costs: the same calls of two libraries, which
 * lock in different ways, in one process, in turns. bench/locks builds both and runs this.
 *
 *     locks FUTEX-LIBRARY SEMAPHORE-LIBRARY ROUNDS
 *
 * Prints one line per call: the median of the ratios, their 10th and 90th percentiles, and the
 * medians of the times in nanoseconds.
 */
#include "bench.h"
#include "shm_util_ext.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>

#define CALLS 50
#define MOST_ROUNDS 2000

struct library {
    const char *namespace;
    int (*create) (const char *, long, void **, SharedMemory *);
    int (*destroy) (SharedMemory);
    int (*stat_name) (const char *, struct ShmxInfo *);
};

static struct library libraries[2] = { { .namespace = "/bench/futex" },
                                       { .namespace = "/bench/semaphore" } };
static const struct library *now_used;
static volatile int stop;

static void *symbol (void *library, const char *name)
{
    void *found = dlsym (library, name);

    if (found == NULL) {
        die (name);
    }
    return found;
}

static void create_and_destroy (void)
{
    SharedMemory memory;

    must (now_used->create ("new", 4096, NULL, &memory), "create");
    must (now_used->destroy (memory), "destroy");
}

static void find_absent (void)
{
    struct ShmxInfo info;

    memset (&info, 0, sizeof info);
    info.size = sizeof info;
    if (now_used->stat_name ("absent", &info) != ENOENT) {
        die ("stat");
    }
}

/* Loads a library, and lets it read its namespace from the environment. */
static void load (struct library *library, const char *path)
{
    void *handle = dlopen (path, RTLD_NOW | RTLD_LOCAL);
    SharedMemory stays;

    if (handle == NULL) {
        die (dlerror ());
    }
    *(void **) &library->create = symbol (handle, "shmCreate");
    *(void **) &library->destroy = symbol (handle, "shmDestroy");
    *(void **) &library->stat_name = symbol (handle, "shmxStatName");
    setenv ("NOB_DATABASE", library->namespace, 1);
    must (library->create ("stays", 4096, NULL, &stays), "create");
}

static int by_size (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

static double percentile (double *values, int count, int percent)
{
    qsort (values, (size_t) count, sizeof *values, by_size);
    return values[count * percent / 100];
}

static void compare (const char *title, void (*call) (void), int rounds)
{
    static double ratio[MOST_ROUNDS], time[2][MOST_ROUNDS];
    double median;
    int round, i;

    for (round = 0; round < rounds; round++) {
        int first = rand () % 2;

        for (i = 0; i < 2; i++) {
            int which = (first + i) % 2;

            now_used = &libraries[which];
            time[which][round] = time_batch (call, CALLS);
        }
        ratio[round] = time[1][round] / time[0][round];
    }
    median = percentile (ratio, rounds, 50);
    printf ("%s\t%.2f\t(%.2f to %.2f)\t%.0f\t%.0f\n", title, median, percentile (ratio, rounds, 10),
            percentile (ratio, rounds, 90), percentile (time[0], rounds, 50),
            percentile (time[1], rounds, 50));
}

/* Uses both locks all the time. */
static void *contend (void *argument)
{
    struct library *library = argument;
    SharedMemory memory;

    while (!stop) {
        must (library->create ("other", 4096, NULL, &memory), "create");
        must (library->destroy (memory), "destroy");
    }
    return NULL;
}

int main (int argc, char **argv)
{
    int rounds = argc == 4 ? atoi (argv[3]) : 0;
    pthread_t threads[2];
    int i;

    if (rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf (stderr, "usage: locks FUTEX-LIBRARY SEMAPHORE-LIBRARY ROUNDS\n");
        return 2;
    }
    for (i = 0; i < 2; i++) {
        load (&libraries[i], argv[i + 1]);
    }
    compare ("an absent name is looked up", find_absent, rounds);
    compare ("create and destroy, 4 KiB", create_and_destroy, rounds);
    for (i = 0; i < 2; i++) {
        if (pthread_create (&threads[i], NULL, contend, &libraries[i]) != 0) {
            die ("pthread_create");
        }
    }
    compare ("the same, while another thread does it, too", create_and_destroy, rounds);
    stop = 1;
    for (i = 0; i < 2; i++) {
        pthread_join (threads[i], NULL);
    }
    return 0;
}
