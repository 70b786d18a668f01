#define _GNU_SOURCE

#include "check.h"
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4096
#define TEXTS 12
#define PATIENCE 60000 /* ms that one process waits for another */

/* Shared by all processes of a test. */
struct tally {
    long checked;
    long failed;
    int processes;
    pid_t process[PROCESSES];
};

static struct tally *tally;
static char directory[1024];

int check_that (int holds, const char *sentence, const char *file, int line)
{
    int error = errno;

    __sync_fetch_and_add (&tally->checked, 1);
    if (holds) {
        printf ("ok - %s\n", sentence);
    } else {
        __sync_fetch_and_add (&tally->failed, 1);
        printf ("not ok - %s (%s:%d, errno: %s)\n", sentence, file, line, strerror (error));
    }
    fflush (stdout);
    errno = error;
    return holds;
}

void check_note (const char *sentence)
{
    printf ("# %s\n", sentence);
    fflush (stdout);
}

void check_skip (const char *reason)
{
    printf ("SKIP: %s\n", reason);
    fflush (stdout);
}

const char *check_text (const char *format, ...)
{
    static char texts[TEXTS][8192];
    static int next;
    char *text = texts[next];
    va_list arguments;

    next = (next + 1) % TEXTS;
    va_start (arguments, format);
    vsnprintf (text, sizeof texts[0], format, arguments);
    va_end (arguments);
    return text;
}

const char *check_path (const char *file)
{
    return check_text ("%s/%s", directory, file);
}

char *check_free_place (long size)
{
    char *place = mmap (NULL, (size_t) size * 3, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    munmap (place, (size_t) size * 3);
    return place + size - (unsigned long) place % (unsigned long) SHMLBA;
}

int check_rounds (int usual)
{
    int fewer = usual;

    if (getenv ("UNDER_VALGRIND") != NULL) {
        fewer = usual / 50;
    } else if (getenv ("SHM_UTIL_SLOWNESS") != NULL) {
        fewer = usual / 10;
    } else if (WITH_ADDRESS_SANITIZER) {
        fewer = usual / 5;
    }
    return fewer > 3 ? fewer : 3;
}

void *check_shared (size_t size)
{
    void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror ("mmap");
        exit (EXIT_FAILURE);
    }
    store_ignore (memory);
    return memory;
}

int check_entries (const char *path)
{
    DIR *listing = opendir (path);
    int entries = 0;

    if (listing == NULL) {
        return -1;
    }
    while (readdir (listing) != NULL) {
        entries++;
    }
    closedir (listing);
    return entries;
}

/* ---- segments -------------------------------------------------------------- */

int check_filled (const void *bytes, int value, long size)
{
    const unsigned char *byte = bytes;
    long i;

    for (i = 0; i < size; i++) {
        if (byte[i] != value) {
            return 0;
        }
    }
    return 1;
}

SharedMemory check_create (const char *name, long size)
{
    SharedMemory memory = NULL;
    int status = shmCreate (name, size, NULL, &memory);

    CHECK (check_text ("shmCreate of '%.60s' succeeds", name), status == 0 && memory != NULL);
    return memory;
}

int check_exists (const char *name)
{
    SharedMemory memory = NULL;

    return shmCreate (name, 0, NULL, &memory) == 0 && shmDestroy (memory) == 0;
}

/* ---- what the system allows ------------------------------------------------ */

static void become_nobody (void)
{
    _exit (setgroups (0, NULL) == 0 && setgid (65534) == 0 && setuid (65534) == 0 ? 0 : 1);
}

int check_has_users (const char *what)
{
    if (check_child (become_nobody) == 0) {
        return 1;
    }
    check_skip (check_text ("%s: only root can become another user", what));
    return 0;
}

void check_alarms (void (*handler) (int), int flags, long microseconds)
{
    struct sigaction action;
    struct itimerval timer;

    memset (&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction (SIGALRM, &action, NULL);
    memset (&timer, 0, sizeof timer);
    timer.it_value.tv_usec = timer.it_interval.tv_usec = microseconds;
    setitimer (ITIMER_REAL, &timer, NULL);
}

/* On some processors, the C library makes the calls of System V IPC through one system call, whose
 * first argument is a number of its own. Both ways are refused. */
#ifdef SYS_ipc
#define IPC_CALL SYS_ipc
#else
#define IPC_CALL (-1)
#endif
#define LOWER_HALF_OF_ARGUMENT (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)
#define SHMCTL_OF_IPC 24

int check_refuse_shmctl (int error)
{
    struct sock_filter filter[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_shmctl, 3, 0),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) IPC_CALL, 0, 3),
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS,
                  offsetof (struct seccomp_data, args) + LOWER_HALF_OF_ARGUMENT),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SHMCTL_OF_IPC, 0, 1),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program;

    filter[5].k |= (unsigned) error;
    program.len = sizeof filter / sizeof *filter;
    program.filter = filter;
    return prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
           && prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int check_refuse (long call, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program;

    filter[1].k = (unsigned) call;
    filter[2].k |= (unsigned) error;
    program.len = sizeof filter / sizeof *filter;
    program.filter = filter;
    return prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
           && prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ---- processes ------------------------------------------------------------- */

int check_is_own_process (pid_t process)
{
    int i;

    for (i = 0; i < tally->processes; i++) {
        if (tally->process[i] == process) {
            return 1;
        }
    }
    return 0;
}

/* Each process records itself, so none is missed if its parent is killed. */
static void note_process (void)
{
    int index = __sync_fetch_and_add (&tally->processes, 1);

    if (index >= PROCESSES) {
        fprintf (stderr, "more than %d processes\n", PROCESSES);
        _exit (EXIT_FAILURE);
    }
    tally->process[index] = getpid ();
}

pid_t check_fork (void)
{
    pid_t child;

    fflush (stdout);
    child = fork ();
    if (child < 0) {
        perror ("fork");
        exit (EXIT_FAILURE);
    }
    if (child == 0) {
        note_process ();
    }
    return child;
}

int check_wait (pid_t child)
{
    int status;

    while (waitpid (child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

void check_kill (pid_t child)
{
    kill (child, SIGKILL);
    check_wait (child);
}

int check_child (void (*body) (void))
{
    pid_t child = check_fork ();

    if (child == 0) {
        body ();
        exit (EXIT_SUCCESS);
    }
    return check_wait (child);
}

static void redirect (const char *path, int descriptor)
{
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    dup2 (file, descriptor);
    close (file);
}

static void read_text (const char *path, char *text, size_t size)
{
    FILE *file = fopen (path, "r");
    size_t length = 0;

    if (file != NULL) {
        length = fread (text, 1, size - 1, file);
        fclose (file);
    }
    text[length] = '\0';
    unlink (path);
}

int check_capture (void (*body) (void), char *out, char *err, size_t size)
{
    const char *out_path = check_path ("stdout");
    const char *err_path = check_path ("stderr");
    pid_t child = check_fork ();
    int status;

    if (child == 0) {
        redirect (out_path, STDOUT_FILENO);
        redirect (err_path, STDERR_FILENO);
        body ();
        exit (EXIT_SUCCESS);
    }
    status = check_wait (child);
    read_text (out_path, out, size);
    read_text (err_path, err, size);
    return status;
}

void check_signal (const int ends[2])
{
    if (write (ends[1], "", 1) != 1) {
        perror ("write to a pipe");
    }
}

int check_await (const int ends[2])
{
    struct pollfd end;
    char byte;

    end.fd = ends[0];
    end.events = POLLIN;
    return poll (&end, 1, PATIENCE) == 1 && read (ends[0], &byte, 1) == 1;
}

/* ---- the beginning and the end --------------------------------------------- */

static int make_writable (const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) place;
    if (type == FTW_D || type == FTW_DNR) {
        chmod (path, 0700);
    }
    return 0;
}

static int remove_entry (const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) type;
    (void) place;
    remove (path);
    return 0;
}

/* Processes that outlived the test are children of this one by now (PR_SET_CHILD_SUBREAPER). Only
 * a process that waitpid knows is killed, never one to which a dead child's id was given again. */
static void end_stragglers (void)
{
    int i;

    for (i = 0; i < tally->processes; i++) {
        if (waitpid (tally->process[i], NULL, WNOHANG) == 0) {
            check_kill (tally->process[i]);
        }
    }
}

static void supervise (pid_t test)
{
    int status;

    /* timeout(1) ends the test; this process remains to clean up. */
    signal (SIGINT, SIG_IGN);
    signal (SIGTERM, SIG_IGN);
    status = check_wait (test);
    end_stragglers ();
    CHECK (check_text ("the test ends by itself (status %d)", status), status < 128);
    store_leftovers ();
    nftw (directory, make_writable, 16, FTW_PHYS);
    nftw (directory, remove_entry, 16, FTW_PHYS | FTW_DEPTH);
    printf ("# %ld checked, %ld failed\n", tally->checked, tally->failed);
    exit (status == 0 && tally->failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void clean_environment (void)
{
    unsetenv ("APERROR_PRINT");
    unsetenv ("SHM_UTIL_SYNC");
    unsetenv ("SHM_UTIL_KEEP");
    unsetenv ("SHM_UTIL_TRANSIENT");
    unsetenv ("SHM_UTIL_THREADS");
    check_default_namespace ();
}

static void make_directory (const char *parent)
{
    snprintf (directory, sizeof directory, "%s/c_tests.XXXXXX", parent);
    if (mkdtemp (directory) == NULL) {
        perror (directory);
        exit (EXIT_FAILURE);
    }
}

void check_start (void)
{
    pid_t test;

    /* Set now, for tests that redirect stdout: fully buffered, on a terminal too. */
    setvbuf (stdout, NULL, _IOFBF, BUFSIZ);
    tally = check_shared (sizeof *tally);
    make_directory (store_parent ());
    store_start (directory);
    clean_environment ();
    prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    test = check_fork ();
    if (test != 0) {
        supervise (test);
    }
    prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

int check_done (void)
{
    return tally->failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
