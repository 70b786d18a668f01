/*
 * Directory and private namespaces, compared with the system calls that they cannot avoid, with
 * System V segments, and with what other libraries do with files.
 *
 *     directories PLACE DIRECTORY
 *
 * PLACE is the name of DIRECTORY's file system in the samples. The environment variable
 * DIRECTORY_SECONDS is the time for the whole program (default 20). Unless SHM_UTIL_SYNC is 0,
 * only calls that wait for the disk are measured.
 *
 * Every segment that is attached is held by another process.
 */

#include "bench.h"
#include "shm_util.h"
#include "shm_util_ext.h"
#include "ways.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PATH 4096
#define BATCH 50
#define BATCH_TIME 300000.0 /* nanoseconds: slow ways have smaller batches */
#define MIN_ROUNDS 7
#define ROUNDS 400
#define MANY 4000
#define LARGE (64 * MIB)
#define SAVED (16 * MIB)
#define PAGE 4096
#define ATTACHMENTS 1000
#define MAX_WORKERS 16

static const char *place, *durability = "";
static char base[PATH], names[PATH], files[PATH], one[PATH], many[PATH], saved[PATH];
static pid_t program;

/* "what, place" */
static const char *case_of (const char *what)
{
    static char text[256];

    snprintf (text, sizeof text, "directory, %s, %s%s", what, place, durability);
    return text;
}

static void path_in (char *path, const char *directory, const char *name)
{
    if (snprintf (path, PATH, "%s/%s", directory, name) >= PATH) {
        errno = ENAMETOOLONG;
        die (directory);
    }
}

/* ---- the library's other kinds -------------------------------------------------------------- */

#define HELD "bench/directories, held"

static SharedMemory open_in (const char *space, const char *name, long size, int flags)
{
    SharedMemory memory;

    must (shmxCreateIn (space, name, size, flags, 0, NULL, &memory), name);
    return memory;
}

static void create_in (const char *space, const char *name, long size)
{
    must (shmDestroy (open_in (space, name, size, 0)), "shmDestroy");
}

#define KIND(prefix, space) \
    static SharedMemory prefix##_held; \
    static void prefix##_create (long size) { create_in (space, "bench/directories", size); } \
    static void prefix##_attach (void) { create_in (space, HELD, 0); } \
    static void prefix##_hold (long size) \
    { \
        prefix##_held = open_in (space, HELD, size, 0); \
        memset (shmAddress (prefix##_held), 1, (size_t) size); \
    } \
    static void prefix##_release (void) { must (shmDestroy (prefix##_held), "shmDestroy"); }

KIND (sysv, "")
KIND (private, "private:")

static const struct way way_sysv_kind = {"System V", NULL, sysv_create, sysv_hold, sysv_release,
                                         sysv_attach};
/* Only children share its memory, so this process holds it. */
static const struct way way_private = {"private:", NULL, private_create, private_hold,
                                       private_release, private_attach};

static const struct way *const all_ways[] = {
    &way_library, &way_files, &way_files_look, &way_files_plain, &way_sysv_kind, &way_private,
    &way_boost_file, &way_apr_file, &way_lmdb,
};

#define WAYS ((int) (sizeof all_ways / sizeof *all_ways))

static const struct way *ways[WAYS];
static int way_count;

/* ---- the process that holds the segments ---------------------------------------------------- */

static pid_t holder;
static int holder_ends[2];

/* Holds what `hold` makes until end_holder. */
static void begin_holder (void (*hold) (long), void (*release) (void), long size)
{
    int ready[2], byte;

    must (pipe (ready), "pipe");
    must (pipe (holder_ends), "pipe");
    holder = fork ();
    if (holder == -1) {
        die ("fork");
    }
    if (holder == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        signal (SIGINT, SIG_IGN);
        close (holder_ends[1]);
        hold (size);
        if (write (ready[1], "", 1) == 1 && read (holder_ends[0], &byte, 1) == 0) {
            release ();
            _exit (EXIT_SUCCESS);
        }
        _exit (EXIT_FAILURE);
    }
    close (ready[1]);
    close (holder_ends[0]);
    if (read (ready[0], &byte, 1) != 1) {
        errno = ECHILD;
        die ("the holder");
    }
    close (ready[0]);
}

static void end_holder (void)
{
    if (holder > 0) {
        close (holder_ends[1]);
        waitpid (holder, NULL, 0);
        holder = 0;
    }
}

static void hold_all (long size)
{
    int i;

    for (i = 0; i < way_count; i++) {
        if (ways[i]->hold != NULL && ways[i] != &way_private) {
            ways[i]->hold (size);
        }
    }
}

static void release_all (void)
{
    int i;

    for (i = 0; i < way_count; i++) {
        if (ways[i]->release != NULL && ways[i] != &way_private) {
            ways[i]->release ();
        }
    }
}

/* ---- calls ---------------------------------------------------------------------------------- */

static double time_way (const struct way *way, long size, int batch)
{
    double start = now ();
    int i;

    for (i = 0; i < batch; i++) {
        if (size > 0) {
            way->create (size);
        } else {
            way->attach ();
        }
    }
    return (now () - start) / batch;
}

/* Size 0 measures attaching. */
static void measure_ways (const char *what, long size, double end)
{
    const struct way *able[WAYS];
    int order[WAYS], batches[WAYS];
    double time;
    int count = 0;
    int round, i;

    for (i = 0; i < way_count; i++) {
        if ((size > 0 ? ways[i]->create != NULL : ways[i]->attach != NULL)) {
            time = BATCH_TIME / time_way (ways[i], size, 3);
            batches[count] = time > BATCH ? BATCH : time < 2 ? 2 : (int) time;
            able[count++] = ways[i];
        }
    }
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, count);
        for (i = 0; i < count; i++) {
            sample (case_of (what), able[order[i]]->name, round,
                    time_way (able[order[i]], size, batches[order[i]]));
        }
    }
}

static void measure_calls (double seconds, int with_attach)
{
    static const struct {
        const char *text;
        long bytes;
    } sizes[] = {{"4 KiB", 4 * KIB}, {"64 KiB", 64 * KIB}, {"16 MiB", 16 * MIB}};
    double each = 1e9 * seconds / (with_attach ? 6 : 3);
    char what[64];
    int i;

    for (i = 0; i < 3; i++) {
        sprintf (what, "create, %s", sizes[i].text);
        measure_ways (what, sizes[i].bytes, now () + each);
        if (with_attach) {
            private_hold (sizes[i].bytes);
            begin_holder (hold_all, release_all, sizes[i].bytes);
            sprintf (what, "attach, %s", sizes[i].text);
            measure_ways (what, 0, now () + each);
            end_holder ();
            private_release ();
        }
    }
}

/* ---- processes ------------------------------------------------------------------------------ */

#define LEAD 5000    /* microseconds before a sample */
#define PERIOD 30000 /* microseconds for one sample */

struct counter {
    volatile long calls;
    char padding[120]; /* one counter per cache line */
};

static struct counter *counters; /* shared with the worker processes */

static double calls_of (int workers)
{
    double calls = 0;
    int i;

    for (i = 0; i < workers; i++) {
        calls += (double) counters[i].calls;
    }
    return calls;
}

/* Calls per second of all processes together. */
static double throughput (const struct way *way, int workers)
{
    pid_t processes[MAX_WORKERS];
    double start, calls, speed;
    int i;

    for (i = 0; i < workers; i++) {
        counters[i].calls = 0;
        processes[i] = fork ();
        if (processes[i] == -1) {
            die ("fork");
        }
        if (processes[i] == 0) {
            prctl (PR_SET_PDEATHSIG, SIGKILL);
            for (;;) {
                way->attach ();
                counters[i].calls++;
            }
        }
    }
    for (i = 0; i < workers; i++) {
        while (counters[i].calls == 0) {
            usleep (100);
        }
    }
    usleep (LEAD);
    calls = calls_of (workers);
    start = now ();
    usleep (PERIOD);
    speed = (calls_of (workers) - calls) * 1e9 / (now () - start);
    for (i = 0; i < workers; i++) {
        kill (processes[i], SIGKILL);
        waitpid (processes[i], NULL, 0);
    }
    return speed;
}

static void measure_processes (double end)
{
    static const struct way *const able[] = {&way_library, &way_files, &way_files_look};
    char what[64];
    int order[3];
    int round, workers, i;

    counters = mmap (NULL, MAX_WORKERS * sizeof *counters, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counters == MAP_FAILED) {
        die ("mmap");
    }
    private_hold (PAGE);
    begin_holder (hold_all, release_all, 64 * KIB);
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        for (workers = 1; workers <= MAX_WORKERS; workers *= 2) {
            sprintf (what, "attach one name, %d (calls/s)", workers);
            shuffle (order, 3);
            for (i = 0; i < 3; i++) {
                sample (case_of (what), able[order[i]]->name, round,
                        throughput (able[order[i]], workers));
            }
        }
    }
    end_holder ();
    private_release ();
}

/* ---- many names ----------------------------------------------------------------------------- */

static void hold_names (long size)
{
    char name[64];
    int i;

    for (i = 0; i < MANY; i++) {
        sprintf (name, "name %d", i);
        open_in (many, name, size, SHMX_NORESERVE);
    }
    open_in (one, "name 0", size, SHMX_NORESERVE);
}

static void release_names (void)
{
}

static int next_name (void)
{
    static int last;

    last = (last + 1777) % MANY; /* a prime, so that every name is used */
    return last;
}

static void attach_ours (const char *space, int number)
{
    char name[64];

    sprintf (name, "name %d", number);
    create_in (space, name, 0);
}

static int lock_type (int fd)
{
    struct flock lock;

    memset (&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_start = 1; /* attachments have the bytes behind the first */
    return fcntl (fd, F_OFD_GETLK, &lock) == 0 ? lock.l_type : -1;
}

static void attach_raw (const char *space, int number)
{
    char path[PATH];
    struct flock lock;
    struct stat status;
    void *address;
    int fd;

    snprintf (path, PATH, "%sname %d", space, number);
    memset (&lock, 0, sizeof lock);
    lock.l_type = F_RDLCK;
    lock.l_len = 1;
    fd = open (path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1 || fcntl (fd, F_OFD_SETLK, &lock) != 0 || fstat (fd, &status) != 0) {
        die (path);
    }
    address = mmap (NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED || munmap (address, (size_t) status.st_size) != 0
        || close (fd) != 0) {
        die ("mmap, munmap");
    }
}

static void ours_in_one (void) { attach_ours (one, 0); }
static void raw_in_one (void) { attach_raw (one, 0); }
static void ours_in_many (void) { attach_ours (many, next_name ()); }
static void raw_in_many (void) { attach_raw (many, next_name ()); }

static int count_name (const struct ShmxInfo *info, void *context)
{
    *(int *) context += info->mappings > 0;
    return 0;
}

static void list_ours (void)
{
    int count = 0;

    must (shmxListIn (many, count_name, &count), "shmxListIn");
    if (count != MANY) {
        errno = 0;
        die ("shmxListIn");
    }
}

/* Reads the directory, and looks at each file and at its locks. */
static void list_raw (void)
{
    DIR *directory = opendir (many);
    struct dirent *entry;
    struct stat status;
    char path[PATH];
    int count = 0;
    int fd;

    while (directory != NULL && (entry = readdir (directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            path_in (path, many, entry->d_name);
            fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
            count += lstat (path, &status) == 0 && lock_type (fd) == F_RDLCK;
            close (fd);
        }
    }
    if (count != MANY) {
        die (many);
    }
    closedir (directory);
}

static void measure_names (double end)
{
    static const struct {
        const char *what, *way;
        void (*call) (void);
        int batch;
    } calls[] = {
        {"attach, 1 name", "library", ours_in_one, 100},
        {"attach, 1 name", "raw", raw_in_one, 100},
        {"attach, 4000 names", "library", ours_in_many, 100},
        {"attach, 4000 names", "raw", raw_in_many, 100},
        {"list, 4000 names", "library", list_ours, 1},
        {"list, 4000 names", "raw", list_raw, 1},
    };
    int order[6];
    int round, i, call;

    begin_holder (hold_names, release_names, PAGE);
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, 6);
        for (i = 0; i < 6; i++) {
            call = order[i];
            sample (case_of (calls[call].what), calls[call].way, round,
                    time_batch (calls[call].call, calls[call].batch));
        }
    }
    end_holder ();
}

/* ---- data ----------------------------------------------------------------------------------- */

enum data { LIBRARY, PLAIN, DATA_WAYS };

static const char *const data_names[] = {"library", "plain file"};
static SharedMemory large;
static char *buffer;

static char *begin_data (enum data way)
{
    char path[PATH];
    void *address = NULL;
    int fd;

    if (way == LIBRARY) {
        must (shmCreate ("bench/directories, data", LARGE, &address, &large), "shmCreate");
        return address;
    }
    path_in (path, files, "data");
    fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd == -1 || fallocate (fd, 0, 0, LARGE) != 0) {
        die (path);
    }
    address = mmap (NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED || close (fd) != 0 || unlink (path) != 0) {
        die (path);
    }
    return address;
}

static void end_data (enum data way, char *address)
{
    if (way == LIBRARY) {
        must (shmDestroy (large), "shmDestroy");
        large = NULL;
    } else {
        must (munmap (address, LARGE), "munmap");
    }
}

static void measure_data (double end)
{
    int order[DATA_WAYS];
    int round, i;

    buffer = malloc (LARGE);
    if (buffer == NULL) {
        die ("malloc");
    }
    memset (buffer, 1, LARGE);
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, DATA_WAYS);
        for (i = 0; i < DATA_WAYS; i++) {
            enum data way = (enum data) order[i];
            char *address = begin_data (way);
            double start = now ();
            long at;

            for (at = 0; at < LARGE; at += PAGE) {
                *(volatile char *) (address + at) = 1;
            }
            sample (case_of ("first touch of a page"), data_names[way], round,
                    (now () - start) / ((double) LARGE / PAGE));
            start = now ();
            memcpy (address, buffer, LARGE);
            sample (case_of ("memcpy in, 64 MiB"), data_names[way], round, now () - start);
            start = now ();
            memcpy (buffer, address, LARGE);
            sample (case_of ("memcpy out, 64 MiB"), data_names[way], round, now () - start);
            end_data (way, address);
        }
    }
    free (buffer);
}

/* ---- save and load -------------------------------------------------------------------------- */

static SharedMemory sources[2]; /* of a directory, and a System V segment */

static void measure_snapshots (double end)
{
    static const char *const spaces[] = {names, ""};
    static const char *const kinds[] = {"library", "System V"};
    char path[PATH];
    double start;
    int order[2];
    int round, i;

    path_in (path, files, "saved");
    for (i = 0; i < 2; i++) {
        sources[i] = open_in (spaces[i], "bench/directories, saved", SAVED, 0);
        memset (shmAddress (sources[i]), 1, SAVED);
    }
    for (round = -1; round < ROUNDS && (round < MIN_ROUNDS || now () < end); round++) {
        shuffle (order, 2);
        for (i = 0; i < 2; i++) {
            start = now ();
            must (shmSave (sources[order[i]], path), "shmSave");
            sample (case_of ("save, 16 MiB"), kinds[order[i]], round, now () - start);
            start = now ();
            must (shmLoad (sources[order[i]], path), "shmLoad");
            sample (case_of ("load, 16 MiB"), kinds[order[i]], round, now () - start);
        }
    }
    for (i = 0; i < 2; i++) {
        must (shmDestroy (sources[i]), "shmDestroy");
        sources[i] = NULL;
    }
}

/* ---- memory and descriptors ----------------------------------------------------------------- */

/* The pages that belong to this process alone, and its page tables, in KiB. */
static double private_memory (void)
{
    static const char *const sources_of[] = {"/proc/self/smaps_rollup", "/proc/self/status"};
    char line[256];
    double sum = 0;
    long value;
    FILE *file;
    int i;

    for (i = 0; i < 2; i++) {
        file = fopen (sources_of[i], "r");
        while (file != NULL && fgets (line, sizeof line, file) != NULL) {
            if (sscanf (line, "Private_Clean: %ld", &value) == 1
                || sscanf (line, "Private_Dirty: %ld", &value) == 1
                || sscanf (line, "VmPTE: %ld", &value) == 1) {
                sum += (double) value;
            }
        }
        if (file != NULL) {
            fclose (file);
        }
    }
    return sum;
}

static int descriptors (void)
{
    DIR *directory = opendir ("/proc/self/fd");
    int count = 0;

    while (directory != NULL && readdir (directory) != NULL) {
        count++;
    }
    closedir (directory);
    return count;
}

static void attach_for_good (int way)
{
    SharedMemory memory;
    int fd;

    switch (way) {
    case 0:
        must (shmCreate ("bench/calls, held", 0, NULL, &memory), "shmCreate");
        break;
    case 1:
        open_in ("", HELD, 0, 0);
        break;
    default:
        fd = open (saved, O_RDWR | O_CLOEXEC);
        if (fd == -1
            || mmap (NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED) {
            die ("mmap");
        }
        close (fd);
    }
}

static void measure_memory (void)
{
    static const char *const kinds[] = {"library", "System V", "plain file"};
    double answers[2];
    int ends[2];
    int round, way, i, before;
    double memory;

    path_in (saved, files, "raw-held");
    private_hold (PAGE);
    begin_holder (hold_all, release_all, PAGE);
    for (round = 0; round < MIN_ROUNDS; round++) {
        for (way = 0; way < 3; way++) {
            must (pipe (ends), "pipe");
            switch (fork ()) {
            case -1: die ("fork");
            case 0:
                attach_for_good (way);
                memory = private_memory ();
                before = descriptors ();
                for (i = 0; i < ATTACHMENTS; i++) {
                    attach_for_good (way);
                }
                answers[0] = (private_memory () - memory) * 1024 / ATTACHMENTS;
                answers[1] = descriptors () - before;
                _exit (write (ends[1], answers, sizeof answers) != sizeof answers);
            default: close (ends[1]);
            }
            if (read (ends[0], answers, sizeof answers) != sizeof answers || wait (&i) == -1) {
                errno = ECHILD;
                die ("memory");
            }
            close (ends[0]);
            sample (case_of ("memory of an attachment (bytes)"), kinds[way], round, answers[0]);
            sample (case_of ("descriptors of 1000 attachments"), kinds[way], round, answers[1]);
        }
    }
    end_holder ();
    private_release ();
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int remove_one (const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void) status, (void) type, (void) walk;
    remove (path);
    return 0;
}

static void clean_up (void)
{
    if (getpid () == program) {
        end_holder ();
        shmDestroy (large);
        shmDestroy (sources[0]);
        shmDestroy (sources[1]);
        shmDestroy (private_held);
        nftw (base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
}

static void make_directory (char *path, const char *in, const char *name)
{
    path_in (path, in, name);
    must (mkdir (path, 0700), path);
}

static void make_directories (const char *in)
{
    char name[64];

    sprintf (name, "bench-directories.%d", (int) program);
    make_directory (base, in, name);
    atexit (clean_up);
    make_directory (names, base, "names");
    make_directory (files, base, "files");
    make_directory (one, base, "one");
    make_directory (many, base, "many");
    strcat (names, "/");
    strcat (one, "/");
    strcat (many, "/");
    must (setenv ("NOB_DATABASE", names, 1), "setenv");
}

int main (int count, char **arguments)
{
    const char *text = getenv ("DIRECTORY_SECONDS");
    const char *sync = getenv ("SHM_UTIL_SYNC");
    double seconds = text == NULL ? 20 : atof (text);
    double start = now ();
    double load;
    int i;

    if (count != 3) {
        fprintf (stderr, "usage: directories PLACE DIRECTORY\n");
        return EXIT_FAILURE;
    }
    begin ();
    program = getpid ();
    place = arguments[1];
    make_directories (arguments[2]);
    for (i = 0; i < WAYS; i++) {
        if (all_ways[i] != NULL) {
            ways[way_count++] = all_ways[i];
            if (all_ways[i]->begin != NULL) {
                all_ways[i]->begin (files);
            }
        }
    }
    if (sync == NULL || strcmp (sync, "0") != 0) {
        durability = ", durable";
        measure_calls (seconds, 0);
    } else {
        measure_calls (seconds * 0.5, 1);
        measure_processes (start + 1e9 * seconds * 0.65);
        measure_names (start + 1e9 * seconds * 0.8);
        measure_data (start + 1e9 * seconds * 0.9);
        measure_snapshots (start + 1e9 * seconds);
        measure_memory ();
    }
    if (getloadavg (&load, 1) == 1) {
        sample (case_of ("load average"), "machine", 0, load);
    }
    return EXIT_SUCCESS;
}
