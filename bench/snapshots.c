/*
 * Saves and loads, compared with what a C program would do instead, and with cp.
 *
 *     snapshots DISK_DIRECTORY TMPFS_DIRECTORY [ROUNDS [FILTER]]
 *
 * FILTER is part of a case's name; other cases are skipped. The environment variable
 * SNAPSHOT_SECONDS is the time for the whole program (default 180). Each case gets a share
 * according to its size, so a slow disk means fewer rounds of the large ones. Files are in the
 * page cache. Every byte of a segment that is saved, or called populated, has been touched.
 */

#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "shm_util.h"

#define ROUNDS 15
#define MIN_LARGE_ROUNDS 3 /* of 1 GiB; smaller ones take little time */
#define MIN_ROUNDS 7
#define MAX_BATCH 32
#define BLOCK (64 * KIB)
#define SOURCE "bench/snapshots, source"
#define PATH 4096

enum operation { SAVE, LOAD_FRESH, LOAD_POPULATED };
enum place { DISK, TMPFS };
enum durability { DURABLE, UNSYNCED };
enum contents { DENSE, SPARSE }; /* sparse: one block in ten is data, the others are zero */

struct bench {
    const char *name;
    enum operation operation;
    enum place place;
    enum durability durability;
    enum contents contents;
    long size;
    int with_cp;
};

#define DENSE_CASES(text, size, with_cp) \
    {"load, fresh, disk, " text, LOAD_FRESH, DISK, DURABLE, DENSE, size, with_cp}, \
    {"load, populated, disk, " text, LOAD_POPULATED, DISK, DURABLE, DENSE, size, 0}, \
    {"load, fresh, tmpfs, " text, LOAD_FRESH, TMPFS, DURABLE, DENSE, size, with_cp}, \
    {"load, populated, tmpfs, " text, LOAD_POPULATED, TMPFS, DURABLE, DENSE, size, 0}, \
    {"save, durable, disk, " text, SAVE, DISK, DURABLE, DENSE, size, 0}, \
    {"save, unsynced, disk, " text, SAVE, DISK, UNSYNCED, DENSE, size, with_cp}, \
    {"save, tmpfs, " text, SAVE, TMPFS, UNSYNCED, DENSE, size, with_cp}

#define SPARSE_CASES(text, size) \
    {"load, 90% zero, fresh, disk, " text, LOAD_FRESH, DISK, DURABLE, SPARSE, size, 0}, \
    {"load, 90% zero, fresh, tmpfs, " text, LOAD_FRESH, TMPFS, DURABLE, SPARSE, size, 0}, \
    {"save, 90% zero, unsynced, disk, " text, SAVE, DISK, UNSYNCED, SPARSE, size, 0}, \
    {"save, 90% zero, tmpfs, " text, SAVE, TMPFS, UNSYNCED, SPARSE, size, 0}

/* Ordered so that the source is rarely rebuilt. */
static const struct bench benches[] = {
    DENSE_CASES ("64 KiB", 64 * KIB, 0),
    DENSE_CASES ("16 MiB", 16 * MIB, 1),
    SPARSE_CASES ("16 MiB", 16 * MIB),
    {"load, 90% zero, populated, tmpfs, 16 MiB", LOAD_POPULATED, TMPFS, DURABLE, SPARSE, 16 * MIB, 0},
    {"save, 90% zero, durable, disk, 16 MiB", SAVE, DISK, DURABLE, SPARSE, 16 * MIB, 0},
    DENSE_CASES ("1 GiB", GIB, 1),
    SPARSE_CASES ("1 GiB", GIB),
};

#define BENCHES ((int) (sizeof benches / sizeof *benches))

enum way { LIBRARY, PLAIN, CP, WAYS };

static const char *const way_names[][WAYS] = {
    [SAVE] = {"shmSave", "fwrite", "cp"},
    [LOAD_FRESH] = {"shmLoad", "fread", "cp"},
    [LOAD_POPULATED] = {"shmLoad", "fread", "cp"},
};

static const char *directories[2];

/* ---- files ------------------------------------------------------------------------------ */

static char loaded_path[PATH];       /* the file to load */
static char saved_paths[WAYS][PATH]; /* the file that each way saves */
static char new_path[PATH];          /* the plain way's new file, before the rename */
static char memory_path[PATH];       /* the memory for cp: a file on tmpfs */

static void remove_files (void)
{
    int way;

    unlink (loaded_path);
    for (way = 0; way < WAYS; way++) {
        unlink (saved_paths[way]);
    }
    unlink (new_path);
    unlink (memory_path);
}

static void name_file (char *path, enum place place, const char *name)
{
    int length = snprintf (path, PATH, "%s/bench-%d-%s", directories[place], (int) getpid (), name);

    if (length >= PATH) {
        errno = ENAMETOOLONG;
        die (directories[place]);
    }
}

static void name_files (enum place place)
{
    name_file (loaded_path, place, "load");
    name_file (saved_paths[LIBRARY], place, "library");
    name_file (saved_paths[PLAIN], place, "plain");
    name_file (saved_paths[CP], place, "cp");
    name_file (new_path, place, "new");
    name_file (memory_path, TMPFS, "memory");
}

/* Waits until the disk is idle, so that no earlier write disturbs the next sample. */
static void settle (enum place place)
{
    int fd;

    if (place == DISK) {
        fd = open (directories[place], O_RDONLY | O_DIRECTORY);
        if (fd == -1 || syncfs (fd) != 0 || close (fd) != 0) {
            die (directories[place]);
        }
    }
}

/* ---- segments --------------------------------------------------------------------------- */

static SharedMemory source; /* the segment to save; loaded files have its bytes */
static enum contents source_contents;
static SharedMemory targets[MAX_BATCH]; /* the segments to load into */

static void destroy (SharedMemory *memory)
{
    must (shmDestroy (*memory), "shmDestroy");
    *memory = NULL;
}

static void destroy_all (void)
{
    int i;

    shmDestroy (source);
    for (i = 0; i < MAX_BATCH; i++) {
        shmDestroy (targets[i]);
    }
}

static int is_data (enum contents contents, long offset)
{
    return contents == DENSE || offset / BLOCK % 10 == 0;
}

/* All blocks differ, and no word of a dense segment is zero. */
static void make_source (const struct bench *bench)
{
    static unsigned long state = 88172645463325252UL;
    void *address = NULL;
    unsigned long *words;
    long i;

    if (source != NULL && shmSizeOf (source) == bench->size && source_contents == bench->contents) {
        return;
    }
    destroy (&source);
    must (shmCreate (SOURCE, bench->size, &address, &source), SOURCE);
    source_contents = bench->contents;
    words = address;
    for (i = 0; i < bench->size / (long) sizeof *words; i++) {
        if (is_data (bench->contents, i * (long) sizeof *words)) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words[i] = state;
        } else {
            words[i] = 0;
        }
    }
}

/* A file with the bytes of the source, and holes where it is zero, as after shmSave. */
static void write_source (const char *path, enum contents contents)
{
    char *bytes = shmAddress (source);
    long size = shmSizeOf (source);
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    long offset, count, written;

    if (fd == -1 || ftruncate (fd, size) != 0) {
        die (path);
    }
    for (offset = 0; offset < size; offset += count) {
        count = size - offset < BLOCK ? size - offset : BLOCK;
        if (is_data (contents, offset)) {
            written = pwrite (fd, bytes + offset, (size_t) count, offset);
            if (written <= 0) {
                die (path);
            }
            count = written;
        }
    }
    must (close (fd), path);
}

/* The file that a save replaces: small, because freeing a large one must not count. */
static void make_old (const char *path)
{
    FILE *file;

    unlink (path);
    file = fopen (path, "w");
    if (file == NULL || fputs ("old\n", file) == EOF || fclose (file) != 0) {
        die (path);
    }
}

static void make_targets (const struct bench *bench, int count)
{
    char name[64];
    void *address;
    int i;

    for (i = 0; i < count; i++) {
        if (bench->operation == LOAD_FRESH && targets[i] != NULL) {
            destroy (&targets[i]);
        }
        if (targets[i] == NULL) {
            address = NULL;
            sprintf (name, "bench/snapshots, target %d", i);
            must (shmCreate (name, bench->size, &address, &targets[i]), name);
            if (bench->operation == LOAD_POPULATED) {
                memset (address, 0x55, (size_t) bench->size);
            }
        }
    }
}

/* ---- the ways ---------------------------------------------------------------------------- */

static void plain_save (const struct bench *bench)
{
    FILE *file = fopen (new_path, "w");

    if (file == NULL
        || fwrite (shmAddress (source), 1, (size_t) bench->size, file) != (size_t) bench->size
        || fflush (file) != 0 || (bench->durability == DURABLE && fdatasync (fileno (file)) != 0)
        || fclose (file) != 0 || rename (new_path, saved_paths[PLAIN]) != 0) {
        die (new_path);
    }
}

static void plain_load (const struct bench *bench, SharedMemory target)
{
    FILE *file = fopen (loaded_path, "r");

    if (file == NULL
        || fread (shmAddress (target), 1, (size_t) bench->size, file) != (size_t) bench->size
        || fclose (file) != 0) {
        die (loaded_path);
    }
}

static void copy (const char *from, const char *to)
{
    extern char **environ;
    char *arguments[5];
    pid_t child;
    int status;

    arguments[0] = "cp";
    arguments[1] = "--sparse=auto";
    arguments[2] = (char *) from;
    arguments[3] = (char *) to;
    arguments[4] = NULL;
    errno = posix_spawn (&child, "/bin/cp", NULL, NULL, arguments, environ);
    if (errno != 0 || waitpid (child, &status, 0) != child || status != 0) {
        die ("/bin/cp");
    }
}

static void save (const struct bench *bench, enum way way)
{
    switch (way) {
    case LIBRARY: must (shmSave (source, saved_paths[LIBRARY]), "shmSave"); break;
    case PLAIN: plain_save (bench); break;
    default: copy (memory_path, saved_paths[CP]); break;
    }
}

static void load (const struct bench *bench, enum way way, SharedMemory target)
{
    switch (way) {
    case LIBRARY: must (shmLoad (target, loaded_path), "shmLoad"); break;
    case PLAIN: plain_load (bench, target); break;
    default: copy (loaded_path, memory_path); break;
    }
}

/* ---- measuring ----------------------------------------------------------------------------- */

static int batch_of (const struct bench *bench)
{
    if (bench->size > 64 * KIB) {
        return 1;
    }
    return bench->operation == SAVE && bench->durability == DURABLE ? 2 : MAX_BATCH;
}

/* Nanoseconds for one save or load. */
static double measure (const struct bench *bench, enum way way)
{
    int count = batch_of (bench);
    double start;
    int i;

    if (bench->operation == SAVE) {
        make_old (saved_paths[way]);
        settle (bench->place);
    } else if (way == CP) {
        unlink (memory_path);
    } else {
        make_targets (bench, count);
    }
    start = now ();
    for (i = 0; i < count; i++) {
        if (bench->operation == SAVE) {
            save (bench, way);
        } else {
            load (bench, way, targets[i]);
        }
    }
    return (now () - start) / count;
}

static int compare_file (const char *path)
{
    static char block[BLOCK];
    FILE *file = fopen (path, "r");
    long offset = 0;
    int same = file != NULL;
    size_t count;

    while (same && (count = fread (block, 1, sizeof block, file)) > 0) {
        same = memcmp (block, (char *) shmAddress (source) + offset, count) == 0;
        offset += (long) count;
    }
    if (file != NULL) {
        fclose (file);
    }
    return same && offset == shmSizeOf (source);
}

/* The first sample of each way is checked: a fast copy must be a right one. */
static void check (const struct bench *bench, enum way way)
{
    int same;

    if (bench->operation == SAVE) {
        same = compare_file (saved_paths[way]);
    } else if (way == CP) {
        same = compare_file (memory_path);
    } else {
        same = memcmp (shmAddress (targets[0]), shmAddress (source), (size_t) bench->size) == 0;
    }
    if (!same) {
        fprintf (stderr, "%s, %s: the copy is not like the original\n", bench->name,
                 way_names[bench->operation][way]);
        exit (EXIT_FAILURE);
    }
}

static void run (const struct bench *bench, int rounds, double end)
{
    int ways = bench->with_cp ? 3 : 2;
    int enough = bench->size < GIB ? MIN_ROUNDS : MIN_LARGE_ROUNDS;
    int first = bench->size < GIB ? -1 : 0; /* round -1 warms up, and does not count */
    int order[WAYS];
    int round, i;
    double time;

    /* Before the first call of the library, which reads it. */
    if (bench->durability == UNSYNCED) {
        setenv ("SHM_UTIL_SYNC", "0", 1);
    } else {
        unsetenv ("SHM_UTIL_SYNC");
    }
    name_files (bench->place);
    make_source (bench);
    if (bench->operation != SAVE) {
        write_source (loaded_path, bench->contents);
    } else if (bench->with_cp) {
        write_source (memory_path, bench->contents);
    }
    settle (bench->place);
    for (round = first; round < rounds && (round < enough || now () < end); round++) {
        shuffle (order, ways);
        for (i = 0; i < ways; i++) {
            time = measure (bench, order[i]);
            sample (bench->name, way_names[bench->operation][order[i]], round, time);
            if (round == first) {
                check (bench, order[i]);
            }
        }
    }
    remove_files ();
    for (i = 0; i < MAX_BATCH; i++) {
        destroy (&targets[i]);
    }
}

/* The library reads SHM_UTIL_SYNC once per process. */
static void run_in_a_process (const struct bench *bench, int rounds, double end)
{
    int status;
    pid_t child;

    fflush (stdout);
    child = fork ();
    must (child < 0, "fork");
    if (child == 0) {
        run (bench, rounds, end);
        exit (EXIT_SUCCESS);
    }
    if (waitpid (child, &status, 0) != child || status != 0) {
        exit (EXIT_FAILURE);
    }
}

/* Bytes written to a disk take longest. */
static double weight (const struct bench *bench)
{
    double ways = bench->with_cp ? 3 : 2;
    double speed = bench->operation == SAVE && bench->place == DISK ? 3 : 1;

    return ways * speed * ((double) bench->size + 16 * MIB);
}

/* Whether there is room for the source, a target, and each way's old and new file. */
static int is_possible (const struct bench *bench)
{
    struct sysinfo machine;

    must (sysinfo (&machine), "sysinfo");
    return (double) machine.totalram * machine.mem_unit > 6.0 * (double) bench->size;
}

static int is_chosen (const struct bench *bench, const char *filter)
{
    return filter == NULL || strstr (bench->name, filter) != NULL;
}

int main (int count, char **arguments)
{
    int rounds = count > 3 ? atoi (arguments[3]) : ROUNDS;
    const char *filter = count > 4 ? arguments[4] : NULL;
    const char *seconds = getenv ("SNAPSHOT_SECONDS");
    double end = now () + 1e9 * (seconds == NULL ? 180 : atof (seconds));
    double weights = 0;
    int i;

    if (count < 3 || rounds < 1) {
        fprintf (stderr, "usage: snapshots DISK_DIRECTORY TMPFS_DIRECTORY [ROUNDS [FILTER]]\n");
        return EXIT_FAILURE;
    }
    directories[DISK] = arguments[1];
    directories[TMPFS] = arguments[2];
    begin ();
    name_files (DISK);
    atexit (remove_files);
    atexit (destroy_all);
    for (i = 0; i < BENCHES; i++) {
        weights += is_chosen (&benches[i], filter) ? weight (&benches[i]) : 0;
    }
    for (i = 0; i < BENCHES; i++) {
        if (!is_chosen (&benches[i], filter)) {
            continue;
        }
        if (is_possible (&benches[i])) {
            run_in_a_process (&benches[i], rounds, now () + (end - now ()) * weight (&benches[i]) / weights);
        } else {
            fprintf (stderr, "%s: left out: too little memory\n", benches[i].name);
        }
        weights -= weight (&benches[i]);
    }
    return EXIT_SUCCESS;
}
