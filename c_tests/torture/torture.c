/*
 * torture.c - what all torture programs share; torture.h describes it.
 */
#include "processor.h"

struct tally {
    long checks, failed, skipped;
    char figures[600];
    char memory_directory[40];
};

bool full_form;
uint64_t seed;
const char *only_part;
char scratch[200];
int out_fd = 1;
enum privacy privacy;

static struct tally *tally;          /* all processes of the program share it */

/* ---- what is printed -------------------------------------------------------------------- */

/* One write(2) per line, so that lines of several processes do not mix. */
static void print_line (const char *prefix, const char *format, va_list arguments)
{
    char line[1200];
    int start = snprintf (line, sizeof line, "%s", prefix);
    int room = (int) sizeof line - start - 1;
    int length = vsnprintf (line + start, (size_t) room, format, arguments);
    ssize_t ignored;

    if (length >= room)
        length = room - 1;
    line[start + length] = '\n';
    ignored = write (out_fd, line, (size_t) (start + length + 1));
    (void) ignored;
}

void note (const char *format, ...)
{
    va_list arguments;

    va_start (arguments, format);
    print_line ("# ", format, arguments);
    va_end (arguments);
}

bool check (bool good, const char *format, ...)
{
    va_list arguments;

    if (tally)                       /* a program that a test program started has none */
        __atomic_fetch_add (&tally->checks, 1, __ATOMIC_SEQ_CST);
    if (tally && !good)
        __atomic_fetch_add (&tally->failed, 1, __ATOMIC_SEQ_CST);
    va_start (arguments, format);
    print_line (good ? "ok - " : "not ok - ", format, arguments);
    va_end (arguments);
    return good;
}

void skip (const char *format, ...)
{
    va_list arguments;

    __atomic_fetch_add (&tally->skipped, 1, __ATOMIC_SEQ_CST);
    va_start (arguments, format);
    print_line ("SKIP: ", format, arguments);
    va_end (arguments);
}

void give_up (const char *format, ...)
{
    int reason = errno;
    char text[400];
    va_list arguments;

    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    check (false, "the test itself can go on: %s: %s", text, strerror (reason));
    _exit (98);
}

void tell_figures (const char *format, ...)
{
    size_t length = strlen (tally->figures);
    va_list arguments;

    va_start (arguments, format);
    vsnprintf (tally->figures + length, sizeof tally->figures - length, format, arguments);
    va_end (arguments);
}

/* ---- time and chance -------------------------------------------------------------------- */

double now (void)
{
    struct timespec time;

    clock_gettime (CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

void nap (double seconds)
{
    struct timespec time;

    time.tv_sec = (time_t) seconds;
    time.tv_nsec = (long) ((seconds - (double) time.tv_sec) * 1e9);
    while (nanosleep (&time, &time) != 0 && errno == EINTR)
        ;
}

void spin (double seconds)
{
    double begin = now ();

    while (now () - begin < seconds)
        ;
}

/* The step and the output function of splitmix64. */
static const uint64_t step = 0x9e3779b97f4a7c15u;

uint64_t mix (uint64_t x)
{
    x += step;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t chance (uint64_t *state)
{
    uint64_t value = mix (*state);

    *state += step;
    return value;
}

uint64_t below (uint64_t *state, uint64_t limit)
{
    return limit == 0 ? 0 : chance (state) % limit;
}

/* ---- patterns --------------------------------------------------------------------------- */

static uint64_t pattern_word (unsigned pattern, size_t word)
{
    return pattern == 0 ? 0 : mix (pattern * 1000003u + word);
}

unsigned char pattern_byte (unsigned pattern, size_t offset)
{
    uint64_t word = pattern_word (pattern, offset / 8);

    return ((const unsigned char *) &word)[offset % 8];
}

void fill_pattern (void *memory, size_t size, unsigned pattern)
{
    unsigned char *bytes = memory;
    size_t i;

    for (i = 0; i < size; i += 8) {
        uint64_t word = pattern_word (pattern, i / 8);

        memcpy (bytes + i, &word, size - i < 8 ? size - i : 8);
    }
}

long wrong_byte (const void *memory, size_t size, unsigned pattern)
{
    const unsigned char *bytes = memory;
    size_t i;

    for (i = 0; i < size; i += 8) {
        uint64_t word = pattern_word (pattern, i / 8);

        if (memcmp (bytes + i, &word, size - i < 8 ? size - i : 8) != 0)
            break;
    }
    for (; i < size; i++)
        if (bytes[i] != pattern_byte (pattern, i))
            return (long) i;
    return -1;
}

bool has_pattern (const void *memory, size_t size, unsigned pattern)
{
    return wrong_byte (memory, size, pattern) < 0;
}

bool is_zero (const void *memory, size_t size)
{
    return has_pattern (memory, size, 0);
}

/* ---- memory and stages ------------------------------------------------------------------ */

void *shared (size_t size)
{
    void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        give_up ("mmap of %zu bytes", size);
    return memory;
}

void reach (int *stage, int value)
{
    int seen = __atomic_load_n (stage, __ATOMIC_SEQ_CST);

    while (seen < value
           && !__atomic_compare_exchange_n (stage, &seen, value, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST))
        ;
    syscall (SYS_futex, stage, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool wait_for_stage (int *stage, int value, double seconds)
{
    double end = now () + seconds;

    for (;;) {
        int seen = __atomic_load_n (stage, __ATOMIC_SEQ_CST);
        double left = end - now ();
        struct timespec time;

        if (seen >= value)
            return true;
        if (left <= 0)
            return false;
        time.tv_sec = (time_t) left;
        time.tv_nsec = (long) ((left - (double) time.tv_sec) * 1e9);
        syscall (SYS_futex, stage, FUTEX_WAIT, seen, &time, NULL, 0);
    }
}

/* ---- processes -------------------------------------------------------------------------- */

void die_with_parent (void)
{
    prctl (PR_SET_PDEATHSIG, SIGKILL);
}

void die_with (pid_t parent)
{
    die_with_parent ();
    if (getppid () != parent)
        _exit (97);
}

/* Nothing is printed through stdio, so there is nothing that could be flushed twice. */
pid_t fork_child (void)
{
    pid_t parent = getpid ();
    pid_t pid = fork ();

    if (pid < 0)
        give_up ("fork");
    if (pid == 0)
        die_with (parent);
    return pid;
}

pid_t start (void (*body) (void *), void *argument)
{
    pid_t pid = fork_child ();

    if (pid == 0) {
        body (argument);
        exit (0);                    /* and the library's own work at exit is done */
    }
    return pid;
}

void wait_for_end (pid_t pid, int *status)
{
    int ignored;

    while (waitpid (pid, status ? status : &ignored, 0) < 0 && errno == EINTR)
        ;
}

/* No alarm(2) in the child is relied on: a library may block signals. */
struct end await (pid_t pid, double seconds)
{
    struct end end = { HUNG, 0 };
    double limit = now () + seconds;
    int fd = (int) syscall (SYS_pidfd_open, pid, 0);
    int status = 0;
    pid_t got;

    while ((got = waitpid (pid, &status, WNOHANG)) == 0 && now () < limit) {
        struct pollfd exit_of_child = { fd, POLLIN, 0 };

        if (fd >= 0)
            poll (&exit_of_child, 1, (int) ((limit - now ()) * 1000) + 1);
        else
            nap (0.0005);
    }
    if (fd >= 0)
        close (fd);
    if (got == 0) {
        kill (pid, SIGKILL);
        wait_for_end (pid, NULL);
        return end;
    }
    end.how = got == pid && WIFEXITED (status) ? ENDED : CRASHED;
    if (end.how == ENDED)
        end.code = WEXITSTATUS (status);
    else
        end.code = got == pid && WIFSIGNALED (status) ? WTERMSIG (status) : -1;
    return end;
}

struct end run (void (*body) (void *), void *argument)
{
    return await (start (body, argument), WATCHDOG);
}

const char *tell_end (struct end end)
{
    static char text[80];

    if (end.how == HUNG)
        return "hung and was killed";
    snprintf (text, sizeof text, end.how == ENDED ? "ended with status %d" : "died of signal %d",
              end.code);
    return text;
}

bool ended_well (struct end end)
{
    return end.how == ENDED && end.code == 0;
}

void run_test (const char *what, void (*body) (void *), void *argument, double seconds)
{
    struct end end = await (start (body, argument), seconds);

    check (ended_well (end), "%s: the test ran to its end (it %s)", what, tell_end (end));
}

bool may_trace (void)
{
    pid_t pid = fork_child ();
    int status;
    bool may;

    if (pid == 0) {
        if (ptrace (PTRACE_TRACEME, 0, NULL, NULL) == 0)
            raise (SIGSTOP);
        _exit (0);
    }
    wait_for_end (pid, &status);
    if (!WIFSTOPPED (status))
        return false;
    may = ptrace (PTRACE_SETOPTIONS, pid, NULL, (void *) PTRACE_O_EXITKILL) == 0;
#ifdef KNOWS_PROCESSOR
    may = may && set_breakpoint (pid, (uintptr_t) &may_trace);
#endif
    kill (pid, SIGKILL);
    wait_for_end (pid, NULL);
    return may;
}

/* ---- files in /proc --------------------------------------------------------------------- */

bool write_text (const char *path, const char *text)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);

    if (fd >= 0)
        close (fd);
    return good;
}

bool write_number (const char *path, unsigned long number)
{
    char text[32];

    snprintf (text, sizeof text, "%lu", number);
    return write_text (path, text);
}

unsigned long read_number (const char *path)
{
    char text[64] = "";
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close (fd);
    return length > 0 ? strtoul (text, NULL, 10) : 0;
}

void open_lines (struct lines *lines, const char *path)
{
    lines->fd = open (path, O_RDONLY | O_CLOEXEC);
    lines->start = lines->end = 0;
}

/* Moves what is left to the beginning, and reads more behind it, with room for a NUL. */
static bool read_more (struct lines *lines)
{
    ssize_t length;

    memmove (lines->text, lines->text + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
    length = lines->fd < 0 ? -1 : read (lines->fd, lines->text + lines->end,
                                        sizeof lines->text - 1 - lines->end);
    if (length > 0)
        lines->end += (size_t) length;
    return length > 0;
}

const char *next_line (struct lines *lines)
{
    char *line, *newline;

    do {
        line = lines->text + lines->start;
        newline = memchr (line, '\n', lines->end - lines->start);
    } while (newline == NULL && read_more (lines));
    line = lines->text + lines->start;
    if (newline == NULL && lines->start == lines->end)
        return NULL;
    if (newline == NULL)
        newline = lines->text + lines->end;
    *newline = '\0';
    lines->start = (size_t) (newline - lines->text);
    lines->start += lines->start < lines->end ? 1 : 0;
    return line;
}

void close_lines (struct lines *lines)
{
    if (lines->fd >= 0)
        close (lines->fd);
}

/* ---- PID and user namespaces ------------------------------------------------------------ */

bool map_user (uid_t user, gid_t group, unsigned inside)
{
    char users[64], groups[64];

    snprintf (users, sizeof users, "%u %u 1", inside, (unsigned) user);
    snprintf (groups, sizeof groups, "%u %u 1", inside, (unsigned) group);
    write_text ("/proc/self/setgroups", "deny"); /* or the groups are refused */
    return write_text ("/proc/self/uid_map", users) && write_text ("/proc/self/gid_map", groups);
}

/* Outside of all user namespaces, every user is mapped. */
static bool is_in_a_user_namespace (void)
{
    char map[100] = "";
    int file = open ("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read (file, map, sizeof map - 1);

    if (file >= 0)
        close (file);
    return length <= 0 || strstr (map, "4294967295") == NULL;
}

static int enter_user_namespace (void)
{
    enum { INSIDE = 7 };
    uid_t user = geteuid ();
    gid_t group = getegid ();

    return unshare (CLONE_NEWUSER) != 0 || !map_user (user, group, INSIDE) ? errno : 0;
}

/* Puts future children into the outer PID namespace again. */
static int close_pid_namespace (int outside)
{
    int error = setns (outside, CLONE_NEWPID) != 0 ? errno : 0;

    close (outside);
    return error;
}

static int try_namespaces (int flags, bool and_back)
{
    int outside = open ("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    pid_t child;
    int status;

    if (outside < 0)
        return errno;
    if ((flags & CLONE_NEWPID) != 0 && unshare (CLONE_NEWPID) != 0)
        return errno;
    child = fork ();
    if (child == 0)
        _exit ((flags & CLONE_NEWUSER) != 0 ? enter_user_namespace () : 0);
    wait_for_end (child, &status);
    if (child < 0 || !WIFEXITED (status))
        return EAGAIN;
    if (WEXITSTATUS (status) != 0)
        return WEXITSTATUS (status);
    return and_back ? close_pid_namespace (outside) : 0;
}

static int refused (int flags, bool and_back)
{
    int status;
    pid_t child;

    if ((flags & CLONE_NEWUSER) != 0 && is_in_a_user_namespace ())
        return EPERM;
    child = fork_child ();
    if (child == 0)
        _exit (try_namespaces (flags, and_back));
    wait_for_end (child, &status);
    return WIFEXITED (status) ? WEXITSTATUS (status) : EAGAIN;
}

int namespaces_refused (int flags)
{
    return refused (flags, false);
}

int fork_into_refused (int flags)
{
    return refused (flags, (flags & CLONE_NEWPID) != 0);
}

pid_t fork_into (int flags)
{
    bool is_first = (flags & CLONE_NEWPID) != 0;
    int outside = is_first ? open ("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) : -1;
    pid_t parent = is_first ? 0 : getpid ();
    pid_t pid;

    if (is_first && (outside < 0 || unshare (CLONE_NEWPID) != 0))
        give_up ("a PID namespace");
    pid = fork ();
    if (pid < 0)
        give_up ("fork");
    if (pid == 0) {
        if (is_first)
            close (outside);
        if ((flags & CLONE_NEWUSER) != 0 && (errno = enter_user_namespace ()) != 0)
            give_up ("a user namespace");
        die_with (parent);
        return 0;
    }
    if (is_first && (errno = close_pid_namespace (outside)) != 0)
        give_up ("setns");
    return pid;
}

pid_t clone_into (int flags, int (*body) (void *), void *argument)
{
    static char stack[1 << 16] __attribute__ ((aligned (64)));

    return clone (body, stack + sizeof stack, flags | SIGCHLD, argument);
}

const char *name_namespaces (int flags)
{
    switch (flags & (CLONE_NEWPID | CLONE_NEWUSER)) {
    case CLONE_NEWPID:
        return "a PID namespace";
    case CLONE_NEWUSER:
        return "a user namespace";
    case CLONE_NEWPID | CLONE_NEWUSER:
        return "a PID and a user namespace";
    default:
        return "no namespace";
    }
}

/* /proc shows the processes outside. */
void ids_outside (pid_t *process, pid_t *thread)
{
    char text[64];
    ssize_t length = readlink ("/proc/thread-self", text, sizeof text - 1);

    text[length > 0 ? length : 0] = '\0';
    if (sscanf (text, "%d/task/%d", process, thread) == 2)
        return;
    *process = getpid ();
    *thread = (pid_t) syscall (SYS_gettid);
}

/* ---- worlds ----------------------------------------------------------------------------- */

/* An ordinary user needs a user namespace, in which he is root. */
enum privacy try_new_world (void)
{
    const char *wanted = getenv ("SHM_UTIL_TESTS_ISOLATE");
    uid_t uid = geteuid ();
    gid_t gid = getegid ();

    if (wanted && strcmp (wanted, "no") == 0)
        return NO_WORLD;
    if (unshare (CLONE_NEWIPC) == 0)
        return WORLD_OF_ROOT;
    if (unshare (CLONE_NEWUSER | CLONE_NEWIPC) != 0)
        return NO_WORLD;
    map_user (uid, gid, 0);
    return WORLD_OF_USER;
}

void leave_common_world (void)
{
    static const char *const text[] = {
        "without an IPC namespace of its own", "in an IPC namespace of its own",
        "in an IPC namespace of its own, with the help of a user namespace"
    };

    privacy = try_new_world ();
    note ("%s form, seed %llu, %s", full_form ? "full" : "quick", (unsigned long long) seed,
          text[privacy]);
}

/* The kernel frees old namespaces in the background: for a moment there may be too many. */
void new_world (void)
{
    int tries;

    for (tries = 0; tries < 200; tries++) {
        if (unshare (CLONE_NEWIPC) == 0)
            return;
        if (errno != ENOSPC && errno != ENOMEM)
            break;
        nap (0.02);
    }
    give_up ("unshare");
}

/* The path of the scratch directory, which no other program uses, selects the namespace. */
void use_own_names (void)
{
    char database[sizeof scratch + 40];

    snprintf (database, sizeof database, "%s/names-%d", scratch, (int) getpid ());
    if (setenv ("NOB_DATABASE", database, 1) != 0)
        give_up ("setenv");
}

bool has_world (const char *what)
{
    if (privacy == NO_WORLD)
        skip ("%s: needs an IPC namespace of its own, so as not to touch the segments of other "
              "programs; unshare(2) is refused", what);
    return privacy != NO_WORLD;
}

bool has_room (const char *what, int segments)
{
    struct shminfo limits;

    if (shmctl (0, IPC_INFO, (struct shmid_ds *) (void *) &limits) >= 0
        && limits.shmmni >= (unsigned long) segments)
        return true;
    skip ("%s: needs room for %d segments; SHMMNI is %lu", what, segments, limits.shmmni);
    return false;
}

/* ---- segments --------------------------------------------------------------------------- */

void list_segments (struct segments *list)
{
    struct shm_info info;
    int last, index;

    if (privacy == NO_WORLD)
        give_up ("segments of other programs are among those that would be listed");
    last = shmctl (0, SHM_INFO, (struct shmid_ds *) (void *) &info);
    list->count = 0;
    for (index = 0; index <= last && list->count < MOST_SEGMENTS; index++) {
        struct segment *segment = &list->at[list->count];

        segment->id = shmctl (index, SHM_STAT_ANY, &segment->ds);
        if (segment->id < 0)
            segment->id = shmctl (index, SHM_STAT, &segment->ds);
        if (segment->id < 0)
            continue;
        segment->key = segment->ds.shm_perm.__key;
        segment->name[0] = '\0';
        list->count++;
    }
}

const struct segment *find_segment (const struct segments *list, int id)
{
    int i;

    for (i = 0; i < list->count; i++)
        if (list->at[i].id == id)
            return &list->at[i];
    return NULL;
}

int count_segments (void)
{
    static struct segments list;

    list_segments (&list);
    return list.count;
}

bool segment_exists (int id)
{
    struct shmid_ds ds;

    return id >= 0 && shmctl (id, IPC_STAT, &ds) == 0 && !(ds.shm_perm.mode & SHM_DEST);
}

bool is_dying (const struct segment *segment)
{
    return (segment->ds.shm_perm.mode & SHM_DEST) != 0;
}

/* The library's registries are told from all other segments by the upper bits of their keys. */
bool is_registry (const struct segment *segment)
{
    return ((uint32_t) segment->key & 0xC0000000u) == 0x80000000u;
}

int find_registry_of (uid_t owner, struct shmid_ds *ds)
{
    static struct segments list;
    int i;

    list_segments (&list);
    for (i = 0; i < list.count; i++) {
        const struct segment *segment = &list.at[i];

        if (!is_registry (segment) || is_dying (segment)
            || (owner != (uid_t) -1 && segment->ds.shm_perm.cuid != owner))
            continue;
        if (ds)
            *ds = segment->ds;
        return segment->id;
    }
    return -1;
}

int find_registry (struct shmid_ds *ds)
{
    return find_registry_of ((uid_t) -1, ds);
}

bool same_state (const struct shmid_ds *a, const struct shmid_ds *b)
{
    return a->shm_nattch == b->shm_nattch && a->shm_atime == b->shm_atime
        && a->shm_dtime == b->shm_dtime && a->shm_ctime == b->shm_ctime
        && a->shm_lpid == b->shm_lpid && a->shm_cpid == b->shm_cpid
        && a->shm_segsz == b->shm_segsz && a->shm_perm.__key == b->shm_perm.__key
        && a->shm_perm.mode == b->shm_perm.mode && a->shm_perm.uid == b->shm_perm.uid
        && a->shm_perm.gid == b->shm_perm.gid;
}

void describe_segment (const struct segment *segment, char *text, size_t size)
{
    if (segment->name[0] != '\0') {
        snprintf (text, size, "file %d, '%s', mode %#o, %zu bytes", segment->id, segment->name,
                  (unsigned) segment->ds.shm_perm.mode, (size_t) segment->ds.shm_segsz);
        return;
    }
    snprintf (text, size, "%s %d, key %#x, mode %#o, %zu bytes, attached %lu times",
              is_registry (segment) ? "registry" : "segment", segment->id,
              (unsigned) segment->key, (unsigned) segment->ds.shm_perm.mode,
              (size_t) segment->ds.shm_segsz, (unsigned long) segment->ds.shm_nattch);
}

/* Calls `use` with each set under a key that no segment has; returns their number. */
static int for_stray_sets (void (*use) (int id))
{
    struct seminfo info;
    int last = semctl (0, 0, SEM_INFO, &info);
    int index, count = 0;

    for (index = 0; index <= last; index++) {
        struct semid_ds ds;
        int id = semctl (index, 0, SEM_STAT, &ds);

        if (id >= 0 && shmget (ds.sem_perm.__key, 0, 0) < 0 && errno == ENOENT) {
            count++;
            use (id);
        }
    }
    return count;
}

static void leave_set (int id)
{
    (void) id;
}

static void remove_set (int id)
{
    semctl (id, 0, IPC_RMID);
}

int count_stray_sets (void)
{
    return for_stray_sets (leave_set);
}

void remove_stray_sets (void)
{
    for_stray_sets (remove_set);
}

void remove_all_but (const struct segments *keep)
{
    static struct segments list;
    int i;

    list_segments (&list);
    for (i = 0; i < list.count; i++)
        if (find_segment (keep, list.at[i].id) == NULL)
            shmctl (list.at[i].id, IPC_RMID, NULL);
    remove_stray_sets ();
}

void remove_everything (void)
{
    static const struct segments none;

    remove_all_but (&none);
}

/* ---- strangers -------------------------------------------------------------------------- */

/* The key of the last one is such as the library's own segments have. */
void make_strangers (struct strangers *s)
{
    static const key_t keys[STRANGERS] =
        { IPC_PRIVATE, 0x1234, 0x41020304, IPC_PRIVATE, (key_t) 0xC0000001 };
    static const int modes[STRANGERS] = { 0600, 0666, 0600, 0660, 0660 };
    int i;

    for (i = 0; i < STRANGERS; i++) {
        void *memory;

        s->id[i] = shmget (keys[i], STRANGER_SIZE, IPC_CREAT | IPC_EXCL | modes[i]);
        memory = s->id[i] < 0 ? (void *) -1 : shmat (s->id[i], NULL, 0);
        if (memory == (void *) -1)
            give_up ("a stranger cannot be made");
        fill_pattern (memory, STRANGER_SIZE, (unsigned) i + 100);
        shmdt (memory);              /* a fork would change the state of an attached segment */
    }
    for (i = 0; i < STRANGERS; i++)
        if (shmctl (s->id[i], IPC_STAT, &s->before[i]) != 0)
            give_up ("IPC_STAT of a stranger");
}

bool is_stranger (const struct strangers *s, int id)
{
    int i;

    for (i = 0; i < STRANGERS; i++)
        if (s->id[i] == id)
            return true;
    return false;
}

static const char *stranger_hurt (int id, const struct shmid_ds *before, unsigned pattern)
{
    struct shmid_ds ds;
    void *memory;
    bool whole;

    if (shmctl (id, IPC_STAT, &ds) != 0 || (ds.shm_perm.mode & SHM_DEST))
        return "it was deleted";
    memory = shmat (id, NULL, SHM_RDONLY);
    if (memory == (void *) -1)
        give_up ("a stranger cannot be attached");
    whole = has_pattern (memory, STRANGER_SIZE, pattern);
    shmdt (memory);
    if (!whole)
        return "it was written";
    if (ds.shm_nattch != before->shm_nattch)
        return "it is attached";
    if (ds.shm_lpid != before->shm_lpid || ds.shm_atime != before->shm_atime)
        return "it was attached for a while";
    return same_state (&ds, before) ? NULL : "it was changed by IPC_SET";
}

const char *strangers_hurt (const struct strangers *s)
{
    const char *hurt = NULL;
    int i;

    for (i = 0; i < STRANGERS && !hurt; i++)
        hurt = stranger_hurt (s->id[i], &s->before[i], (unsigned) i + 100);
    return hurt;
}

void check_strangers (const struct strangers *s, const char *what)
{
    const char *hurt = strangers_hurt (s);

    check (!hurt, "%s: no other program's segment is touched%s%s", what, hurt ? ": " : "",
           hurt ? hurt : "");
}

/* ---- what the library prints on stderr -------------------------------------------------- */

int open_messages (void)
{
    int fd = memfd_create ("messages", MFD_CLOEXEC);

    if (fd < 0)
        give_up ("memfd_create");
    return fd;
}

void keep_messages (int fd)
{
    if (dup2 (fd, 2) < 0)
        give_up ("dup2");
}

const char *read_messages (int fd, char *text, size_t size)
{
    ssize_t length = pread (fd, text, size - 1, 0);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

bool says_what_to_do (const char *text, int registry)
{
    char id[16];

    snprintf (id, sizeof id, "%d", registry);
    return strstr (text, "ipcrm") != NULL && strstr (text, id) != NULL;
}

const char *first_line (const char *text)
{
    static char line[300];

    snprintf (line, sizeof line, "%.*s", (int) strcspn (text, "\n"), text);
    return line;
}

/* ---- calls of the library, timed -------------------------------------------------------- */

struct call create (const char *name, long size)
{
    struct call c;
    double begin = now ();

    memset (&c, 0, sizeof c);
    c.result = shmCreate (name, size, &c.address, &c.handle);
    c.seconds = now () - begin;
    c.id = c.result == 0 ? shmId (c.handle) : -1;
    c.size = c.result == 0 ? shmSizeOf (c.handle) : -1;
    return c;
}

struct call destroy (SharedMemory handle)
{
    struct call c;
    double begin = now ();

    memset (&c, 0, sizeof c);
    c.id = -1;
    c.result = shmDestroy (handle);
    c.seconds = now () - begin;
    return c;
}

int nothing_for_each (const struct ShmxInfo *info, void *context)
{
    (void) info;
    (void) context;
    return 0;
}

struct proof {
    const char *name;
    int result;                      /* -2: wrong size or address */
    char what[40];
    double seconds;
};

static void prove (void *argument)
{
    struct proof *proof = argument;
    struct call c = create (proof->name, 5000);

    strcpy (proof->what, "create");
    proof->seconds = c.seconds;
    proof->result = c.result;
    if (c.result != 0)
        return;
    if (!c.address || c.size < 5000)
        proof->result = -2;
    else
        fill_pattern (c.address, 5000, 1);
    strcpy (proof->what, "destroy");
    c = destroy (c.handle);
    proof->seconds += c.seconds;
    if (proof->result == 0)
        proof->result = c.result;
}

bool library_works (const char *name, char *why, size_t size)
{
    struct proof *proof = shared (sizeof *proof);
    struct end end;
    bool good;

    proof->name = name;
    proof->result = -1;
    end = run (prove, proof);
    good = ended_well (end) && proof->result == 0 && proof->seconds < 1.0;
    if (!ended_well (end))
        snprintf (why, size, "the process %s in %s", tell_end (end), proof->what);
    else if (proof->result != 0)
        snprintf (why, size, "%s: %s", proof->what,
                  proof->result < 0 ? "wrong size or address" : strerror (proof->result));
    else
        snprintf (why, size, "%.3f s", proof->seconds);
    munmap (proof, sizeof *proof);
    return good;
}

void check_library_works (const char *name, const char *what)
{
    char why[200];
    bool works = library_works (name, why, sizeof why);

    check (works, "%s: afterwards a newcomer creates and destroys a name (%s)", what, why);
}

/* ---- the program ------------------------------------------------------------------------ */

static int remove_entry (const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void) s;
    (void) type;
    (void) f;
    return remove (path);
}

static void remove_tree (const char *path)
{
    nftw (path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *memory_directory (void)
{
    return tally->memory_directory[0] == '\0' ? NULL : tally->memory_directory;
}

static void make_memory_directory (void)
{
    char path[] = "/dev/shm/shm_torture.XXXXXX";

    if (mkdtemp (path))
        strcpy (tally->memory_directory, path);
}

/* Kills the processes in a list of numbers. */
static void kill_listed (const char *list)
{
    char *end;
    long pid;

    while (pid = strtol (list, &end, 10), end != list) {
        if (pid > 1)
            kill ((pid_t) pid, SIGKILL);
        list = end;
    }
}

/* Orphaned descendants are children of this process (a subreaper): none outlives it. */
static void kill_strays (void)
{
    char path[64], text[4096];
    int round;

    snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
    for (round = 0; round < 50; round++) {
        int fd = open (path, O_RDONLY | O_CLOEXEC);
        ssize_t length;

        while (waitpid (-1, NULL, WNOHANG) > 0)
            ;
        if (fd < 0)
            return;
        length = read (fd, text, sizeof text - 1);
        close (fd);
        if (length <= 0)
            return;
        text[length] = '\0';
        kill_listed (text);
        nap (0.01);
    }
}

static volatile sig_atomic_t told_to_stop;

static void stop_asked (int signal_number)
{
    told_to_stop = signal_number;
}

static void catch_signals (void (*handler) (int))
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action;
    size_t i;

    memset (&action, 0, sizeof action);
    action.sa_handler = handler;
    for (i = 0; i < COUNT (signals); i++)
        sigaction (signals[i], &action, NULL);
}

void run_all_parts (const struct part *part)
{
    for (; part->name; part++) {
        double begin = now ();

        if (only_part && strcmp (only_part, part->name) != 0)
            continue;
        part->test ();
        note ("%s: %.1f s", part->name, now () - begin);
    }
}

static void run_body (void *argument)
{
    const struct program *program = argument;

    catch_signals (SIG_DFL);
    leave_common_world ();
    if (program->body)
        program->body ();
    else
        run_all_parts (program->parts);
    _exit (0);
}

/* Messages that no part has looked at may explain a failure. */
static void tell_last_words (int fd)
{
    char text[3000];
    off_t size = lseek (fd, 0, SEEK_END);
    off_t from = size > (off_t) sizeof text - 1 ? size - (off_t) sizeof text + 1 : 0;
    ssize_t length = pread (fd, text, sizeof text - 1, from);
    char *line;
    char *rest = NULL;

    text[length > 0 ? length : 0] = '\0';
    for (line = strtok_r (text, "\n", &rest); line; line = strtok_r (NULL, "\n", &rest))
        note ("stderr: %s", line);
}

static int usage (const struct program *program, FILE *out)
{
    const struct part *part;

    fprintf (out, "usage: %s [quick|full] [SEED] [PART]\nparts:", program->name);
    for (part = program->parts; part->name; part++)
        fprintf (out, " %s", part->name);
    fprintf (out, "\n");
    return out == stdout ? 0 : 2;
}

static bool has_part (const struct program *program, const char *name)
{
    size_t length = strcspn (name, ":");
    const struct part *part;

    for (part = program->parts; part->name; part++)
        if (strlen (part->name) == length && strncmp (part->name, name, length) == 0)
            return true;
    return false;
}

/* The exit status, or -1 to go on. */
static int read_arguments (const struct program *program, int argc, char **argv)
{
    int i;

    seed = (uint64_t) time (NULL);
    for (i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0)
            return usage (program, stdout);
        if (strcmp (argv[i], "full") == 0 || strcmp (argv[i], "quick") == 0)
            full_form = argv[i][0] == 'f';
        else if (argv[i][0] >= '0' && argv[i][0] <= '9')
            seed = strtoull (argv[i], NULL, 0);
        else if (has_part (program, argv[i]))
            only_part = argv[i];
        else
            return usage (program, stderr);
    }
    return -1;
}

static void make_scratch (void)
{
    const char *parent = getenv ("TMPDIR");

    if (!parent || !*parent)
        parent = "/tmp";
    if (snprintf (scratch, sizeof scratch, "%s/shm_torture.XXXXXX", parent)
        >= (int) sizeof scratch)
        give_up ("TMPDIR has more than %d bytes", (int) sizeof scratch - 20);
    if (!mkdtemp (scratch))
        give_up ("mkdtemp %s", scratch);
}

/* A descriptor that a test which closes all of the usual ones does not close. */
static int open_out (void)
{
    int fd = fcntl (1, F_DUPFD_CLOEXEC, 1100);

    if (fd < 0)
        fd = fcntl (1, F_DUPFD_CLOEXEC, 100);
    return fd < 0 ? 1 : fd;
}

static void watch (pid_t pid, double end)
{
    int status = 0;
    pid_t got;

    while ((got = waitpid (pid, &status, WNOHANG)) == 0 && !told_to_stop && now () < end)
        nap (0.02);
    if (got == 0) {
        kill (pid, SIGKILL);
        wait_for_end (pid, NULL);
        check (false, "the program ends by itself (%s)",
               told_to_stop ? "it was interrupted" : "it took too long");
    } else if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        check (false, "the program runs to its end (%s %d)",
               WIFSIGNALED (status) ? "signal" : "status",
               WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
    kill_strays ();
}

/* An emulated machine is many times slower than others. */
static double slowness (void)
{
    const char *factor = getenv ("SHM_UTIL_SLOWNESS");

    return factor != NULL ? atof (factor) : 1;
}

/* The parts run in a child, so that this process clears up after a crash, too. */
int run_program (const struct program *program, int argc, char **argv)
{
    double end = now ();
    int status = read_arguments (program, argc, argv);
    int messages;

    if (status >= 0)
        return status;
    end += (full_form ? program->full_limit : program->quick_limit) * slowness ();
    tally = shared (sizeof *tally);
    out_fd = open_out ();
    make_scratch ();
    make_memory_directory ();
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    catch_signals (stop_asked);
    unsetenv ("NOB_DATABASE");
    setenv ("SHM_UTIL_SYNC", "0", 1);
    setenv ("APERROR_PRINT", "1", 1);

    messages = open_messages ();     /* many errors are provoked */
    fcntl (messages, F_SETFL, O_APPEND);
    keep_messages (messages);
    watch (start (run_body, (void *) (uintptr_t) program), end);
    if (tally->failed != 0)
        tell_last_words (messages);
    remove_tree (scratch);
    if (tally->memory_directory[0] != '\0')
        remove_tree (tally->memory_directory);
    dprintf (out_fd, "%s: checks=%ld failed=%ld skipped=%ld%s\n", program->name, tally->checks,
             tally->failed, tally->skipped, tally->figures);
    return tally->failed != 0;
}
