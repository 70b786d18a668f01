/* shmSave and shmLoad of several MiB, which use holes for zeros, a second thread, and early
 * write-back. Whatever goes wrong must be an error. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define NAME "c_tests/save_large"
#define MIB (1024L * 1024L)
#define BLOCK 65536L
#define SIZE (5 * MIB + 70001L) /* no whole blocks */
#define ROUNDS 20
#define NOBODY 65534

enum kind { DENSE, MOSTLY_ZERO, ZERO };

static SharedMemory memory;
static unsigned char *bytes; /* the segment's */
static unsigned char content[SIZE];
static int under_valgrind;

/* ---- helpers --------------------------------------------------------------------- */

/* A word at a time, none of them zero: byte by byte, this would take most of the time that the
 * program has under valgrind. */
static void make_content (enum kind kind, unsigned seed)
{
    unsigned long value = seed;
    unsigned long word;
    size_t size = sizeof word;
    long i;

    memset (content, 0, SIZE);
    for (i = 0; i < SIZE && kind != ZERO; i += (long) size) {
        size = SIZE - i < (long) sizeof word ? (size_t) (SIZE - i) : sizeof word;
        if (kind == MOSTLY_ZERO && i / BLOCK % 10 != 3 && i + (long) size != SIZE) {
            continue;
        }
        value = value * 1664525UL + 1013904223UL;
        word = (value ^ value >> 29) | ~0UL / 255;
        memcpy (content + i, &word, size);
    }
}

static void fill_segment (enum kind kind, unsigned seed)
{
    make_content (kind, seed);
    memcpy (bytes, content, SIZE);
}

/* Whether the file has the bytes that were made last. */
static int file_holds (const char *path)
{
    static unsigned char found[SIZE + 1];
    int file = open (path, O_RDONLY);
    long length = 0;
    long count;

    while ((count = read (file, found + length, (size_t) (SIZE + 1 - length))) > 0) {
        length += count;
    }
    close (file);
    return length == SIZE && memcmp (found, content, SIZE) == 0;
}

static int segment_holds (void)
{
    return memcmp (bytes, content, SIZE) == 0;
}

static void make_small_file (const char *path)
{
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK ("an old file is written", write (file, "old", 3) == 3);
    close (file);
}

static int is_small_file (const char *path)
{
    char found[5];
    int file = open (path, O_RDONLY);
    long length = read (file, found, sizeof found);

    close (file);
    return length == 3 && memcmp (found, "old", 3) == 0;
}

/* A save and a load that must work in these circumstances. */
static void both_work (const char *where, const char *path)
{
    fill_segment (DENSE, 11);
    CHECK (check_text ("%s: shmSave of random bytes returns 0", where),
           shmSave (memory, path) == 0);
    CHECK (check_text ("%s: the file has these bytes", where), file_holds (path));
    fill_segment (MOSTLY_ZERO, 12);
    CHECK (check_text ("%s: shmSave of zeros returns 0", where), shmSave (memory, path) == 0);
    CHECK (check_text ("%s: the file has the zeros", where), file_holds (path));
    memset (bytes, 0x5A, SIZE);
    CHECK (check_text ("%s: shmLoad returns 0", where), shmLoad (memory, path) == 0);
    CHECK (check_text ("%s: the segment has the file's bytes", where), segment_holds ());
}

/* Runs in a child, whose limits and mounts end with it. */
static void in_child (const char *what, void (*body) (void))
{
    CHECK (check_text ("%s: exits with status 0", what), check_child (body) == 0);
}

/* ---- plain files ------------------------------------------------------------------- */

static void round_trip (const char *what, enum kind kind, unsigned seed)
{
    const char *path = check_path ("plain");

    fill_segment (kind, seed);
    CHECK (check_text ("shmSave of %s bytes returns 0", what), shmSave (memory, path) == 0);
    CHECK ("the file has these bytes", file_holds (path));
    CHECK ("the segment is unchanged", segment_holds ());
    memset (bytes, 0x5A, SIZE);
    CHECK ("shmLoad returns 0", shmLoad (memory, path) == 0);
    CHECK ("the segment has the file's bytes", segment_holds ());
}

/* A thread that has been joined is listed until the kernel has removed it. */
static int await_threads (int wanted)
{
    int tries;

    for (tries = 0; tries < 1000 && check_entries ("/proc/self/task") != wanted; tries++) {
        usleep (1000);
    }
    return check_entries ("/proc/self/task") == wanted;
}

static void plain_files (void)
{
    const char *path = check_path ("plain");
    int descriptors = check_entries ("/proc/self/fd");
    int threads = check_entries ("/proc/self/task");
    int entries;
    struct stat status;

    round_trip ("dense", DENSE, 1);
    entries = check_entries (check_path (""));
    round_trip ("mostly zero", MOSTLY_ZERO, 2);
    round_trip ("only zero", ZERO, 3);
    round_trip ("mostly zero", MOSTLY_ZERO, 5);
    CHECK ("zeros take no space on the disk",
           stat (path, &status) == 0 && status.st_blocks * 512L < SIZE / 2);
    CHECK ("no file descriptor is left open", check_entries ("/proc/self/fd") == descriptors);
    CHECK ("no thread is left", await_threads (threads));
    CHECK ("no other file is left", check_entries (check_path ("")) == entries);
}

static void shorter_file (void)
{
    const char *path = check_path ("plain");
    long end = 3 * MIB + 100;

    fill_segment (ZERO, 0);
    CHECK ("a file that ends in a hole is created",
           shmSave (memory, path) == 0 && truncate (path, end) == 0);
    memset (bytes, 0x5A, SIZE);
    CHECK ("shmLoad of it returns 0", shmLoad (memory, path) == 0);
    CHECK ("the hole is read as zeros", check_filled (bytes, 0, end));
    CHECK ("bytes beyond the file's end are unchanged",
           check_filled (bytes + end, 0x5A, SIZE - end));
}

/* ---- while other threads write, save, load and fork -------------------------------------- */

/* A word that a writer has written, or zero. */
#define HALF (sizeof (long) * 4) /* of its bits */
#define WORD(n) ((unsigned long) (n) << HALF | (~(unsigned long) (n) & ~0UL >> HALF))

static void write_for_ever (void)
{
    volatile unsigned long *words = (volatile unsigned long *) bytes;
    unsigned n;
    long i;

    for (n = 1;; n++) {
        for (i = 0; i < SIZE / 8; i += 1 + n % 7) {
            words[i] = (n + (unsigned) (i / 8192)) % 3 == 0 ? 0 : WORD (n);
        }
    }
}

static long strange_words (const char *path)
{
    static unsigned long words[SIZE / 8];
    int file = open (path, O_RDONLY);
    long length = read (file, words, sizeof words);
    long strange = length != (long) sizeof words;
    long i;

    close (file);
    for (i = 0; i < SIZE / 8; i++) {
        strange += words[i] != 0 && words[i] != WORD (words[i] >> HALF);
    }
    return strange;
}

static void writers_meanwhile (void)
{
    const char *path = check_path ("plain");
    pid_t child[2];
    int failed = 0;
    long strange = 0;
    int i;

    memset (bytes, 0, SIZE);
    for (i = 0; i < 2; i++) {
        child[i] = check_fork ();
        if (child[i] == 0) {
            write_for_ever ();
        }
    }
    for (i = 0; i < (under_valgrind ? 3 : ROUNDS); i++) {
        failed += shmSave (memory, path) != 0;
        strange += strange_words (path);
    }
    check_kill (child[0]);
    check_kill (child[1]);
    CHECK ("shmSave returns 0 while others write to the segment", failed == 0);
    CHECK ("each saved word is one that was written", strange == 0);
}

static char thread_path[2][300];

static void *save_and_load (void *path)
{
    long failed = 0;
    int i;

    for (i = 0; i < ROUNDS / 4; i++) {
        failed += shmSave (memory, path) != 0;
        failed += shmLoad (memory, path) != 0;
    }
    return (void *) failed;
}

static void two_threads (void)
{
    pthread_t thread[2];
    void *failed[2];
    int i;

    fill_segment (MOSTLY_ZERO, 21);
    for (i = 0; i < 2; i++) {
        strcpy (thread_path[i], check_path (i == 0 ? "of one" : "of the other"));
        CHECK ("a thread is created",
               pthread_create (&thread[i], NULL, save_and_load, thread_path[i]) == 0);
    }
    for (i = 0; i < 2; i++) {
        pthread_join (thread[i], &failed[i]);
        CHECK ("two threads can save and load at once", failed[i] == NULL);
        CHECK ("the file has every byte", file_holds (thread_path[i]));
        unlink (thread_path[i]);
    }
    CHECK ("the segment has every byte", segment_holds ());
}

static volatile int over;

static void save_in_child (void)
{
    const char *path = check_path ("of a child");

    alarm (60);
    if (shmSave (memory, path) != 0 || !file_holds (path)) {
        _exit (1);
    }
    _exit (0); /* what the other thread was about is lost here, and no leak */
}

static void *fork_meanwhile (void *unused)
{
    long failed = 0;

    (void) unused;
    while (!over) {
        failed += check_child (save_in_child) != 0;
    }
    return (void *) failed;
}

static void forks_meanwhile (void)
{
    const char *path = check_path ("plain");
    pthread_t thread;
    void *failed;
    long here = 0;
    int i;

    fill_segment (MOSTLY_ZERO, 22);
    CHECK ("a thread is created", pthread_create (&thread, NULL, fork_meanwhile, NULL) == 0);
    for (i = 0; i < (under_valgrind ? 2 : ROUNDS); i++) {
        here += shmSave (memory, path) != 0;
        here += shmLoad (memory, path) != 0;
    }
    over = 1;
    pthread_join (thread, &failed);
    CHECK ("shmSave and shmLoad return 0 while another thread forks", here == 0);
    CHECK ("the children can save the segment, too", failed == NULL);
    CHECK ("the file has every byte", file_holds (path) && segment_holds ());
    unlink (check_path ("of a child"));
}

/* ---- signals -------------------------------------------------------------------------- */

static pid_t this_thread;
static volatile sig_atomic_t signals, in_other_threads;

static void note_signal (int number)
{
    (void) number;
    signals++;
    in_other_threads += syscall (SYS_gettid) != this_thread;
}

static void signals_meanwhile (void)
{
    const char *path = check_path ("plain");
    struct sigaction action;
    struct sigaction before[2];
    pid_t parent = getpid ();
    pid_t child;
    int failed = 0;
    int wrong = 0;
    int i;

    fill_segment (MOSTLY_ZERO, 31);
    memset (&action, 0, sizeof action);
    action.sa_handler = note_signal;
    this_thread = (pid_t) syscall (SYS_gettid);
    sigaction (SIGUSR1, &action, &before[0]);
    sigaction (SIGUSR2, &action, &before[1]);
    child = check_fork ();
    if (child == 0) {
        while (kill (parent, SIGUSR1) == 0 && kill (parent, SIGUSR2) == 0) {
            usleep (under_valgrind ? 50000 : 50); /* time to go on between two signals */
        }
        _exit (0);
    }
    while (signals == 0) {
        usleep (1000);
    }
    for (i = 0; i < (under_valgrind ? 2 : ROUNDS); i++) {
        failed += shmSave (memory, path) != 0;
        wrong += !file_holds (path);
        memset (bytes, 0x5A, SIZE);
        failed += shmLoad (memory, path) != 0;
        wrong += !segment_holds ();
    }
    check_kill (child);
    sigaction (SIGUSR1, &before[0], NULL);
    sigaction (SIGUSR2, &before[1], NULL);
    CHECK ("shmSave and shmLoad return 0 while signals arrive", failed == 0);
    CHECK ("every byte is saved", wrong == 0);
    CHECK ("signal handlers run only in the program's threads", in_other_threads == 0);
}

/* ---- full disks and other file systems --------------------------------------------------- */

static char mounted[300];

/* Mounts a file system for this child only. */
static int mount_here (const char *type, const char *options)
{
    strcpy (mounted, check_path ("mounted"));
    mkdir (mounted, 0700);
    return unshare (CLONE_NEWNS) == 0 && mount ("none", "/", "none", MS_REC | MS_PRIVATE, "") == 0
           && mount ("none", mounted, type, 0, options) == 0;
}

static void full_disk (void)
{
    const char *path;

    if (!mount_here ("tmpfs", "size=3m")) {
        check_skip ("a full disk: mounting a file system is not allowed");
        return;
    }
    path = check_path ("mounted/file");
    make_small_file (path);
    fill_segment (DENSE, 41);
    CHECK ("shmSave to a full disk is ENOSPC", shmSave (memory, path) == ENOSPC);
    CHECK ("the old file is unchanged", is_small_file (path));
    CHECK ("no other file is left", check_entries (mounted) == 3);
    CHECK ("shmSave of a new file to a full disk leaves none",
           shmSave (memory, check_path ("mounted/new")) == ENOSPC
           && check_entries (mounted) == 3);
    fill_segment (MOSTLY_ZERO, 42);
    CHECK ("mostly zeros fit on that disk", shmSave (memory, path) == 0);
    CHECK ("every byte is saved", file_holds (path));
}

static void other_file_system (const char *type, const char *options)
{
    if (mount_here (type, options)) {
        both_work (type, check_path ("mounted/file"));
        CHECK ("no other file is left", check_entries (mounted) == 3);
    } else {
        check_skip (check_text ("%s: mounting it is not allowed", type));
    }
}

static void on_tmpfs (void)
{
    other_file_system ("tmpfs", "");
}

/* ramfs has no fallocate. */
static void on_ramfs (void)
{
    other_file_system ("ramfs", "");
}

static void on_overlay (void)
{
    const char *options;

    if (!mount_here ("tmpfs", "")) {
        check_skip ("overlay: mounting it is not allowed");
        return;
    }
    mkdir (check_path ("mounted/lower"), 0700);
    mkdir (check_path ("mounted/upper"), 0700);
    mkdir (check_path ("mounted/work"), 0700);
    mkdir (check_path ("mounted/all"), 0700);
    make_small_file (check_path ("mounted/lower/file"));
    options = check_text ("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", mounted, mounted,
                          mounted);
    if (mount ("none", check_path ("mounted/all"), "overlay", 0, options) == 0) {
        both_work ("overlay", check_path ("mounted/all/file"));
    } else {
        check_skip ("overlay: mounting it is not allowed");
    }
}

static void limited_size (void)
{
    const char *path = check_path ("limited");
    struct rlimit limit;

    make_small_file (path);
    limit.rlim_cur = limit.rlim_max = (rlim_t) (3 * MIB);
    signal (SIGXFSZ, SIG_IGN);
    CHECK ("files are limited to 3 MiB", setrlimit (RLIMIT_FSIZE, &limit) == 0);
    fill_segment (DENSE, 43);
    CHECK ("shmSave beyond the limit is EFBIG", shmSave (memory, path) == EFBIG);
    fill_segment (ZERO, 0);
    CHECK ("shmSave of zeros beyond the limit is EFBIG", shmSave (memory, path) == EFBIG);
    CHECK ("the old file is unchanged", is_small_file (path));
}

/* ---- files that change ----------------------------------------------------------------- */

static void cut_for_ever (const char *path)
{
    static const long sizes[] = { 0, 1, 2 * MIB + 1, 3 * MIB, SIZE };
    int file = open (path, O_RDWR);
    unsigned i;

    for (i = 0;; i++) {
        if (ftruncate (file, sizes[i % 5]) != 0 || pwrite (file, content, MIB, i % 4 * MIB) < 0) {
            _exit (1);
        }
    }
}

static void append_for_ever (const char *path)
{
    int file = open (path, O_WRONLY | O_APPEND);
    long length;

    for (;;) {
        if (ftruncate (file, 2 * MIB) != 0) {
            _exit (1);
        }
        for (length = 2 * MIB; length < SIZE; length += 50000) {
            if (write (file, content + length,
                       (size_t) (SIZE - length < 50000 ? SIZE - length : 50000)) < 0) {
                _exit (1);
            }
        }
    }
}

/* The first byte that differs from the file's. */
static long first_wrong (const unsigned char *read_bytes, long length)
{
    long i;

    for (i = 0; i < length && read_bytes[i] == content[i]; i++) {
    }
    return i;
}

/* Whether read(2) itself returns zeros that the file never had: the kernel may look a page up when
 * it was just cut off, and the size when the page is there again. */
static int zeros_are_read (const char *path)
{
    unsigned char *copy = malloc (SIZE);
    int file = open (path, O_RDONLY);
    int found = 0;
    int tries;

    for (tries = 0; copy != NULL && tries < 10000 && !found; tries++) {
        long length = pread (file, copy, SIZE, 0);
        long wrong = first_wrong (copy, length);

        found = wrong < length && copy[wrong] == 0;
    }
    close (file);
    free (copy);
    return found;
}

static void changed_meanwhile (const char *what, void (*change) (const char *path))
{
    const char *path = check_path ("plain");
    pid_t child;
    int strange = 0;
    int zeros = 0;
    long i;
    int round;

    fill_segment (DENSE, 51);
    CHECK ("shmSave returns 0", shmSave (memory, path) == 0);
    child = check_fork ();
    if (child == 0) {
        change (path);
    }
    for (round = 0; round < (under_valgrind ? 5 : 3 * ROUNDS); round++) {
        int status = shmLoad (memory, path);

        strange += status != 0 && status != EINVAL; /* it is empty at times */
    }
    i = change == append_for_ever ? first_wrong (bytes, SIZE) : SIZE;
    if (i < SIZE && bytes[i] == 0) {
        zeros = zeros_are_read (path);
    }
    check_kill (child);
    CHECK (check_text ("shmLoad of a file that is %s succeeds or is EINVAL", what), strange == 0);
    if (zeros) {
        check_skip ("a file that is cut and grows again: read(2) returns zeros that it never had");
    } else if (change == append_for_ever) {
        CHECK (check_text ("shmLoad reads only the file's bytes (byte %ld: %d)", i,
                           i < SIZE ? bytes[i] : 0), i == SIZE);
    }
}

/* ---- one thread ------------------------------------------------------------------------- */

static void one_processor (void)
{
    cpu_set_t set;

    CPU_ZERO (&set);
    CPU_SET (sched_getcpu (), &set);
    CHECK ("the process is restricted to one processor",
           sched_setaffinity (0, sizeof set, &set) == 0);
    both_work ("on one processor", check_path ("plain"));
}

static void *nothing (void *unused)
{
    return unused;
}

static void no_thread (void)
{
    struct rlimit limit;
    pthread_t thread;

    limit.rlim_cur = limit.rlim_max = 0;
    CHECK ("a directory is created", mkdir (check_path ("ordinary"), 0777) == 0
           && chmod (check_path ("ordinary"), 0777) == 0);
    /* TMPDIR may be in a directory that only root may search. */
    CHECK ("the current directory is changed", chdir (check_path ("ordinary")) == 0);
    CHECK ("no thread is allowed", setrlimit (RLIMIT_NPROC, &limit) == 0);
    if (getuid () == 0 && setresuid (NOBODY, NOBODY, NOBODY) != 0) {
        check_skip ("no thread: root cannot become an ordinary user");
        return;
    }
    if (pthread_create (&thread, NULL, nothing, NULL) == 0) {
        pthread_join (thread, NULL);
        check_skip ("no thread: RLIMIT_NPROC does not limit this user");
        return;
    }
    both_work ("without a second thread", "file");
    fflush (NULL);
    _exit (0); /* a leak sanitizer would want a thread */
}

/* ---- memory that is not accessible ------------------------------------------------------- */

static void protected_memory (void)
{
    const char *path = check_path ("protected");
    int some = PROT_READ | PROT_WRITE;
    size_t size = (size_t) ((SIZE + 4095) / 4096 * 4096);

    if (under_valgrind) {
        check_note ("valgrind: inaccessible memory is not tried");
        return;
    }
    fill_segment (DENSE, 61);
    CHECK ("shmSave returns 0", shmSave (memory, path) == 0);
    CHECK ("the memory is made inaccessible", mprotect (bytes, size, PROT_NONE) == 0);
    CHECK ("shmSave of it is EFAULT", shmSave (memory, path) == EFAULT);
    CHECK ("the old file is unchanged", file_holds (path));
    CHECK ("shmLoad into it is EFAULT", shmLoad (memory, path) == EFAULT);
    CHECK ("the memory is made read-only", mprotect (bytes, size, PROT_READ) == 0);
    CHECK ("shmLoad into it is EFAULT", shmLoad (memory, path) == EFAULT);
    CHECK ("shmSave of it returns 0", shmSave (memory, path) == 0 && file_holds (path));
    mprotect (bytes, size, some);
    CHECK ("a block is made inaccessible", mprotect (bytes + 3 * MIB, BLOCK, PROT_NONE) == 0);
    CHECK ("shmSave is EFAULT", shmSave (memory, path) == EFAULT);
    mprotect (bytes, size, some);
    CHECK ("a part is unmapped", munmap (bytes + 3 * MIB, BLOCK) == 0);
    CHECK ("shmSave is EFAULT", shmSave (memory, path) == EFAULT);
    CHECK ("shmLoad is EFAULT", shmLoad (memory, path) == EFAULT);
    CHECK ("the old file is unchanged", file_holds (path));
}

/* The kernel may put the stack of the library's thread there. */
static void unmapped_end (void)
{
    const char *path = check_path ("plain");
    size_t size = (size_t) ((SIZE + 4095) / 4096 * 4096);

    if (under_valgrind) {
        return;
    }
    fill_segment (DENSE, 62);
    CHECK ("shmSave returns 0", shmSave (memory, path) == 0);
    CHECK ("the end is unmapped", munmap (bytes + 4 * MIB, size - (size_t) (4 * MIB)) == 0);
    memset (bytes, 0x5A, (size_t) (4 * MIB));
    CHECK ("shmLoad is EFAULT", shmLoad (memory, path) == EFAULT);
    CHECK ("it changes no byte", check_filled (bytes, 0x5A, 4 * MIB));
}

static void detached_memory (void)
{
    const char *path = check_path ("detached");

    if (under_valgrind) {
        return;
    }
    CHECK ("the program detaches the segment itself", check_unmap (bytes, SIZE) == 0);
    CHECK ("shmSave is an error", shmSave (memory, path) != 0);
    CHECK ("shmSave creates no file", access (path, F_OK) != 0);
    CHECK ("shmLoad is an error", shmLoad (memory, check_path ("plain")) != 0);
}

static void locked_memory (void)
{
    if (mlockall (MCL_CURRENT | MCL_FUTURE) != 0) {
        check_skip ("locked memory: RLIMIT_MEMLOCK is too small");
        return;
    }
    both_work ("with locked memory", check_path ("plain"));
}

static void start (void)
{
    memory = check_create (NAME, SIZE);
    bytes = shmAddress (memory);
}

/* The environment is read at the first call, so this is another process. */
static void without_waiting (void)
{
    setenv ("SHM_UTIL_SYNC", "0", 1);
    start ();
    round_trip ("dense, not waited for,", DENSE, 4);
    round_trip ("mostly zero, not waited for,", MOSTLY_ZERO, 5);
    CHECK ("the file is removed", unlink (check_path ("plain")) == 0);
    writers_meanwhile ();
    in_child ("a full disk, without waiting", full_disk);
    CHECK ("its mount point is removed", rmdir (check_path ("mounted")) == 0);
    shmDestroy (memory);
}

int main (void)
{
    check_start ();
    under_valgrind = getenv ("UNDER_VALGRIND") != NULL;
    in_child ("with SHM_UTIL_SYNC=0", without_waiting);
    start ();
    plain_files ();
    shorter_file ();
    two_threads ();
    if (WITH_ADDRESS_SANITIZER) {
        check_note ("the sanitizer's allocator does not survive a fork beside other threads");
    } else {
        forks_meanwhile ();
    }
    signals_meanwhile ();
    in_child ("a full disk", full_disk);
    in_child ("tmpfs", on_tmpfs);
    in_child ("ramfs", on_ramfs);
    in_child ("overlay", on_overlay);
    in_child ("limited files", limited_size);
    changed_meanwhile ("cut", cut_for_ever);
    changed_meanwhile ("appended to", append_for_ever);
    in_child ("one processor", one_processor);
    in_child ("no thread", no_thread);
    in_child ("locked memory", locked_memory);
    in_child ("inaccessible memory", protected_memory);
    in_child ("an unmapped end", unmapped_end);
    in_child ("detached memory", detached_memory);
    shmDestroy (memory);
    return check_done ();
}
