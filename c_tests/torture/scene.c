/*
 * scene.c - the scene of killpoints and faults, and the check that it is intact; scene.h describes
 * it.
 */
#include "scene.h"

void *address;
SharedMemory memory;
char victim_name[1001] = "torture/victim";

LIKE_PRINTF (2, 3) static void complain (struct scene *scene, const char *format, ...)
{
    va_list arguments;

    if (scene->shared->damage++ > 0)
        return;
    va_start (arguments, format);
    vsnprintf (scene->shared->complaint, sizeof scene->shared->complaint, format, arguments);
    va_end (arguments);
}

static void other_name (int which, char name[32])
{
    snprintf (name, 32, "torture/other %d", which);
}

/* ---- places ----------------------------------------------------------------------------- */

int namespaces_of_mishap (enum places places)
{
    switch (places) {
    case MISHAP_IN_PID:
    case EACH_IN_PID:
        return CLONE_NEWPID;
    case MISHAP_IN_USER:
        return CLONE_NEWUSER;
    case MISHAP_IN_BOTH:
        return CLONE_NEWPID | CLONE_NEWUSER;
    default:
        return 0;
    }
}

int namespaces_of_check (enum places places)
{
    return places == CHECK_IN_PID || places == EACH_IN_PID ? CLONE_NEWPID : 0;
}

bool may_be_in (enum places places, const char *what)
{
    static bool told;
    int flags = namespaces_of_mishap (places) | namespaces_of_check (places);
    int error = flags == 0 ? 0 : fork_into_refused (flags);

    if (error != 0 && !told)
        skip ("%s: not with processes in namespaces of their own, because %s is refused: %s",
              what, name_namespaces (flags), strerror (error));
    told |= error != 0;
    return error == 0;
}

/* ---- calls that are timed --------------------------------------------------------------- */

static void check_time (struct scene *scene, const char *what, double since)
{
    double took = now () - since;

    if (took > scene->shared->slowest)
        scene->shared->slowest = took;
    if (took > (scene->setting == ON_DISK ? SLOW_ON_DISK : SLOW))
        complain (scene, "%s took %.2f s", what, took);
}

static int timed_create (struct scene *scene, const char *name, long size, void **address,
                         SharedMemory *memory)
{
    double since = now ();
    int status;

    *address = NULL;
    *memory = NULL;
    errno = 0;
    status = shmCreate (name, size, address, memory);
    if (status != errno && status != 0)
        complain (scene, "shmCreate returned %d and set errno to %d", status, errno);
    check_time (scene, "shmCreate", since);
    if ((status == 0) != (*memory != NULL))
        complain (scene, "shmCreate returned %d and the handle %p", status, (void *) *memory);
    return status;
}

static void timed_destroy (struct scene *scene, const char *name, SharedMemory memory)
{
    double since = now ();
    int status = shmDestroy (memory);

    if (status != 0)
        complain (scene, "shmDestroy of '%s': %s", name, strerror (status));
    check_time (scene, "shmDestroy", since);
}

/* ---- the check -------------------------------------------------------------------------- */

static long wrong_byte_of_victim (const void *start, unsigned pattern)
{
    if (pattern != EITHER_PATTERN)
        return wrong_byte (start, VICTIM_SIZE, pattern);
    return is_zero (start, VICTIM_SIZE) ? -1 : wrong_byte (start, VICTIM_SIZE, OWN_PATTERN);
}

/* Is it the victim's, another name's, or a registry? */
static bool has_owner (const struct scene *scene, const struct segment *segment, int victim)
{
    int i;

    if (segment->id == victim || (scene->held && segment->id == scene->shared->held_id))
        return true;
    for (i = 0; scene->others && i < OTHERS; i++)
        if (segment->id == scene->shared->other_id[i])
            return true;
    return is_registry (segment) || (in_directory () && is_of_others (segment));
}

/* A process that has a removed registry attached uses the names in it until the registry's
 * successor is complete. */
static bool may_do_without (const struct scene *scene)
{
    return scene->setting == REMOVED_REGISTRY && scene->holder == 0;
}

/* Whether it is the registry of a path, which is not the scene's. */
static bool is_left_behind (const struct segment *segment)
{
    return is_registry (segment) && (segment->ds.shm_perm.mode & 0777) == 0660;
}

/* Every segment belongs to a name or is the one registry. */
static void check_segments (struct scene *scene, const struct expectation *expect, int victim)
{
    static struct segments list;
    char text[200];
    int i, registries = 0;

    list_all (&list);
    for (i = 0; i < list.count; i++) {
        const struct segment *segment = &list.at[i];

        if (is_dying (segment))
            continue;
        if (expect->leftover && is_left_behind (segment)) {
            scene->shared->leftovers++;
            remove_one (segment);
            continue;
        }
        describe_segment (segment, text, sizeof text);
        if (is_registry (segment) && ++registries > 1)
            complain (scene, "there is a second registry: %s", text);
        if (is_registry (segment) && (segment->ds.shm_perm.mode & 0777) != 0600
            && !may_do_without (scene))
            complain (scene, "a registry is incomplete: %s", text);
        if (has_owner (scene, segment, victim))
            continue;
        if (!expect->leftover) {
            complain (scene, "a segment belongs to no name: %s", text);
            continue;
        }
        scene->shared->leftovers++;
        remove_one (segment);
    }
}

static void check_other (struct scene *scene, int which)
{
    char name[32];
    void *address;
    SharedMemory memory;
    int status;

    other_name (which, name);
    status = timed_create (scene, name, 0, &address, &memory);
    if (status != 0) {
        complain (scene, "'%s' cannot be attached: %s", name, strerror (status));
        return;
    }
    if (segment_of (memory) != scene->shared->other_id[which])
        complain (scene, "'%s' has segment %d instead of %d", name, segment_of (memory),
                  scene->shared->other_id[which]);
    else if (in_directory () && shmId (memory) != -1)
        complain (scene, "the identifier of a file is %d", shmId (memory));
    else if (shmSizeOf (memory) != VICTIM_SIZE + which)
        complain (scene, "'%s' has %ld bytes", name, shmSizeOf (memory));
    else if (wrong_byte (address, (size_t) (VICTIM_SIZE + which), 200 + (unsigned) which) >= 0)
        complain (scene, "the data of '%s' differ", name);
    timed_destroy (scene, name, memory);
}

/* Afterwards it is not kept. */
static void check_kept (struct scene *scene, const struct expectation *expect,
                        SharedMemory memory)
{
    struct ShmxInfo info;
    int status;

    info.size = sizeof info;
    status = shmxStat (memory, &info);
    if (status != 0)
        complain (scene, "shmxStat: %s", strerror (status));
    else if (expect->kept != MAYBE_KEPT && info.kept != (expect->kept == KEPT))
        complain (scene, info.kept ? "the segment is kept" : "the segment is not kept");
    status = shmxKeep (memory, 0);
    if (status != 0)
        complain (scene, "shmxKeep: %s", strerror (status));
}

/* Creates the victim or, if the holder has it, attaches it; twice. Destroys both handles. */
static void check_use (struct scene *scene)
{
    void *first, *second;
    SharedMemory one, two;
    int status = timed_create (scene, victim_name, VICTIM_SIZE, &first, &one), id;

    if (status != 0) {
        complain (scene, "the victim cannot be created afterwards: %s", strerror (status));
        return;
    }
    id = segment_of (one);
    if (shmSizeOf (one) != VICTIM_SIZE)
        complain (scene, "created anew, the victim has %ld bytes", shmSizeOf (one));
    else if (wrong_byte (first, VICTIM_SIZE, scene->held ? HELD_PATTERN : 0) >= 0)
        complain (scene, scene->held ? "the victim's data differ"
                                     : "created anew, the victim is not zero-filled");
    status = timed_create (scene, victim_name, VICTIM_SIZE, &second, &two);
    if (status != 0) {
        complain (scene, "the victim cannot be attached twice: %s", strerror (status));
    } else {
        if (segment_of (two) != id)
            complain (scene, "attached twice, the victim has two segments, %d and %d", id,
                      segment_of (two));
        if (!scene->held) {
            memset (first, 0x5a, VICTIM_SIZE);
            if (memcmp (first, second, VICTIM_SIZE) != 0)
                complain (scene, "two attachments of the victim differ");
        }
        timed_destroy (scene, victim_name, two);
    }
    timed_destroy (scene, victim_name, one);
    if (!scene->held && is_there (id))
        complain (scene, "the segment outlives the last shmDestroy");
}

/* What is required of the library after a system call returned something untrue. */
static void check_usable (struct scene *scene)
{
    void *address;
    SharedMemory memory;
    int status = timed_create (scene, victim_name, VICTIM_SIZE, &address, &memory);

    if (status != 0) {
        complain (scene, "the victim cannot be created afterwards: %s", strerror (status));
        return;
    }
    memset (address, 0x5a, VICTIM_SIZE);
    timed_destroy (scene, victim_name, memory);
}

/* The victim, if it exists, is what the scenario allows. Returns its segment, or -1. */
static int check_victim (struct scene *scene, const struct expectation *expect,
                         SharedMemory *victim)
{
    void *start;
    int status = timed_create (scene, victim_name, 0, &start, victim);
    long bad;

    if (status != 0) {
        if (status != ENOENT)
            complain (scene, "the victim cannot be attached: %s", strerror (status));
        else if (expect->presence == MUST_EXIST)
            complain (scene, "the victim does not exist, but must");
        return -1;
    }
    if (expect->presence == MUST_NOT_EXIST)
        complain (scene, "the victim exists, but must not");
    if (scene->held && segment_of (*victim) != scene->shared->held_id)
        complain (scene, "the victim has segment %d, the holder's is %d", segment_of (*victim),
                  scene->shared->held_id);
    if (shmSizeOf (*victim) != VICTIM_SIZE)
        complain (scene, "the victim has %ld bytes", shmSizeOf (*victim));
    else if ((bad = wrong_byte_of_victim (start, expect->pattern)) >= 0)
        complain (scene, "the victim's data differ from byte %ld on", bad);
    check_kept (scene, expect, *victim);
    return segment_of (*victim);
}

static void check_scene (struct scene *scene, const struct expectation *expect)
{
    void *start;
    SharedMemory victim;
    int status, id, i;

    if (expect->believed) {
        check_usable (scene);
        return;
    }
    id = check_victim (scene, expect, &victim);
    for (i = 0; scene->others && i < OTHERS; i++)
        check_other (scene, i);
    /* It deletes what dead creators hid, and no orphan, which are all younger. */
    status = shmxPrune (3600, NULL);
    if (status != 0)
        complain (scene, "shmxPrune: %s", strerror (status));
    check_segments (scene, expect, id);
    if (victim != NULL) {
        timed_destroy (scene, victim_name, victim);
        if (!scene->held && is_there (id))
            complain (scene, "the segment outlives shmDestroy by its last holder");
    }
    check_use (scene);
    status = timed_create (scene, victim_name, 0, &start, &victim);
    if (status != (scene->held ? 0 : ENOENT))
        complain (scene, "at the end, attaching the victim returns: %s", strerror (status));
    if (victim != NULL)
        timed_destroy (scene, victim_name, victim);
}

static bool may_be_temporary (const struct scene *scene, const struct expectation *expect)
{
    if (expect->temporary == USUAL_TEMPORARY)
        return scene->setting == WITHOUT_NAMELESS || scene->setting == WITHOUT_LINKS;
    return expect->temporary == MAYBE_TEMPORARY;
}

/* What the kernel shows of the directory, before the library is called again. */
static void check_files (struct scene *scene, const struct expectation *expect)
{
    static struct segments list;
    const char *hurt = files_of_others_hurt (&scene->before), *wrong;
    char path[PATH_SIZE + 100];
    struct stat status;
    int i;

    if (hurt != NULL)
        complain (scene, "%s", hurt);
    list_all (&list);
    for (i = 0; i < list.count; i++)
        if (is_temporary (&list.at[i]) && !may_be_temporary (scene, expect))
            complain (scene, "the temporary file '%s' is left", list.at[i].name);
    path_of (victim_name, path);
    if (lstat (path, &status) != 0) {
        if (expect->presence == MUST_EXIST)
            complain (scene, "the victim's file does not exist, but must");
        return;
    }
    if (expect->presence == MUST_NOT_EXIST)
        complain (scene, "the victim's file exists, but must not");
    wrong = file_wrong (path, VICTIM_SIZE, expect->pattern == EITHER_PATTERN ? 0 : expect->pattern);
    if (wrong != NULL && expect->pattern == EITHER_PATTERN)
        wrong = file_wrong (path, VICTIM_SIZE, OWN_PATTERN);
    if (wrong != NULL)
        complain (scene, "the victim's file: %s", wrong);
    if ((status.st_mode & 07677) != 0660 && (status.st_mode & 07677) != SET_MODE)
        complain (scene, "the victim's file has mode %#o", (unsigned) status.st_mode);
}

/* ---- the holder ------------------------------------------------------------------------- */

/* An expectation from the parent asks for a check; a byte answers. */
NO_RETURN static void hold (struct scene *scene, int in, int out)
{
    char name[32], byte = 'r';
    void *start;
    SharedMemory handle;
    struct expectation expect;
    int i;

    for (i = 0; scene->others && i < OTHERS; i++) {
        other_name (i, name);
        if (timed_create (scene, name, VICTIM_SIZE + i, &start, &handle) != 0)
            give_up ("the holder creates '%s'", name);
        fill_pattern (start, (size_t) (VICTIM_SIZE + i), 200 + (unsigned) i);
        scene->shared->other_id[i] = segment_of (handle);
    }
    if (scene->held) {
        start = NULL;
        if (shmxCreate (victim_name, VICTIM_SIZE,
                        scene->setting == TRANSIENT_VICTIM ? SHMX_TRANSIENT : 0, 0, &start,
                        &handle) != 0)
            give_up ("the holder creates '%s'", victim_name);
        fill_pattern (start, VICTIM_SIZE, HELD_PATTERN);
        scene->shared->held_id = segment_of (handle);
    }
    while (write (out, &byte, 1) == 1 && read (in, &expect, sizeof expect) == sizeof expect)
        check_scene (scene, &expect);
    _exit (0);
}

static void await_holder (struct scene *scene)
{
    struct pollfd answer = { scene->from_holder, POLLIN, 0 };
    char byte;

    if (poll (&answer, 1, 60000) == 0)
        complain (scene, "the holder hangs");
    else if (read (scene->from_holder, &byte, 1) != 1)
        complain (scene, "the holder died");
}

static void start_holder (struct scene *scene)
{
    int to[2], from[2];

    if (pipe2 (to, O_CLOEXEC) != 0 || pipe2 (from, O_CLOEXEC) != 0)
        give_up ("pipe");
    scene->holder = fork_into (namespaces_of_check (scene->places));
    if (scene->holder == 0) {
        close (to[1]);
        close (from[0]);
        hold (scene, to[0], from[1]);
    }
    close (to[0]);
    close (from[1]);
    scene->to_holder = to[1];
    scene->from_holder = from[0];
    await_holder (scene);
}

static void stop_holder (struct scene *scene)
{
    if (scene->holder == 0)
        return;
    kill (scene->holder, SIGKILL);
    wait_for_end (scene->holder, NULL);
    close (scene->to_holder);
    close (scene->from_holder);
    scene->holder = 0;
}

/* ---- saved files ------------------------------------------------------------------------ */

void write_pattern_file (const char *path, size_t size, unsigned pattern)
{
    unsigned char data[VICTIM_SIZE * 2];
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, OLD_MODE);

    fill_pattern (data, size, pattern);
    if (fd < 0 || write (fd, data, size) != (ssize_t) size || fchmod (fd, OLD_MODE) != 0)
        give_up ("write %s", path);
    close (fd);
}

enum file_state which_file (const char *path, unsigned new_pattern)
{
    unsigned char data[VICTIM_SIZE * 2];
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (fd < 0)
        return errno == ENOENT ? NO_FILE : BROKEN_FILE;
    size = read (fd, data, sizeof data);
    close (fd);
    if (size == OLD_SIZE && wrong_byte (data, OLD_SIZE, OLD_PATTERN) < 0)
        return OLD_FILE;
    if (size == VICTIM_SIZE && wrong_byte (data, VICTIM_SIZE, new_pattern) < 0)
        return NEW_FILE;
    return BROKEN_FILE;
}

int sweep (const char *directory, const char *keep)
{
    DIR *entries = opendir (directory);
    struct dirent *entry;
    int removed = 0;

    while (entries != NULL && (entry = readdir (entries)) != NULL)
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0
            && (keep == NULL || strcmp (entry->d_name, keep) != 0)) {
            unlinkat (dirfd (entries), entry->d_name, 0);
            removed++;
        }
    if (entries != NULL)
        closedir (entries);
    return removed;
}

/* ---- the world's life ------------------------------------------------------------------- */

void clear_scene (struct scene *scene)
{
    stop_holder (scene);
    remove_all ();
}

void reset_scene (struct scene *scene)
{
    clear_scene (scene);
    scene->shared->damage = 0;
    scene->shared->complaint[0] = '\0';
    if (in_directory ())
        make_files_of_others ();
    if (scene->others || scene->held)
        start_holder (scene);
    list_all (&scene->before);
}

/* The namespace of all processes of the scene. */
static void choose_namespace (enum setting setting)
{
    const char *parent = setting == ON_DISK ? NULL : memory_directory ();
    char path[PATH_SIZE];

    memset (&moments, 0, sizeof moments);
    moments.refuse_nameless = setting == WITHOUT_NAMELESS;
    moments.refuse_links = setting == WITHOUT_LINKS;
    snprintf (path, sizeof path, "%s/space-%d", parent != NULL ? parent : scratch,
              (int) getpid ());
    if (setting >= IN_DIRECTORY)
        use_directory (path);
    else
        use_system_v ();
}

/* SHMMAX is that of the world; 0: not changed yet. */
static void set_up (enum setting setting)
{
    static unsigned long usual_shmmax;
    enum { SMALLEST_REGISTRY = 20480 };

    memset (victim_name, 0, sizeof victim_name);
    strcpy (victim_name, "torture/victim");
    if (setting == LONG_NAME)
        memset (victim_name + strlen (victim_name), 'v',
                sizeof victim_name - 1 - strlen (victim_name));
    if (usual_shmmax == 0)
        usual_shmmax = read_number ("/proc/sys/kernel/shmmax");
    write_number ("/proc/sys/kernel/shmmax",
                  setting == SMALL_REGISTRY ? SMALLEST_REGISTRY : usual_shmmax);
}

void make_scene (struct scene *scene, enum setting setting, enum places places, bool others,
                 bool held)
{
    if (scene->shared == NULL)
        scene->shared = shared (sizeof *scene->shared);
    scene->setting = setting;
    scene->places = places;
    choose_namespace (setting);
    set_up (setting);
    scene->others = others;
    scene->held = held;
    reset_scene (scene);
}

/* Whether a segment may be new in the list: the successor of a registry that was removed, or one
 * that was removed itself. check_segments has made sure that there is only one of the former. */
static bool may_be_new (const struct scene *scene, const struct segment *segment)
{
    return scene->setting == REMOVED_REGISTRY && (is_registry (segment) || is_dying (segment));
}

/* After the clean exit of the last process the list of segments is the same as before. */
static void check_nothing_left (struct scene *scene)
{
    static struct segments list;
    char text[200];
    int i;

    list_all (&list);
    for (i = 0; i < list.count; i++)
        if (find_segment (&scene->before, list.at[i].id) == NULL
            && !may_be_new (scene, &list.at[i])) {
            describe_segment (&list.at[i], text, sizeof text);
            complain (scene, "left behind: %s", text);
        }
    for (i = 0; i < scene->before.count; i++)
        if (find_segment (&list, scene->before.at[i].id) == NULL) {
            describe_segment (&scene->before.at[i], text, sizeof text);
            complain (scene, "lost: %s", text);
        }
    if (!in_directory () && scene->setting != REMOVED_REGISTRY && count_stray_sets () != 0)
        complain (scene, "%d locks are left behind", count_stray_sets ());
}

bool judge_scene (struct scene *scene, const struct expectation *expect, bool ask_holder,
                  char *text, size_t size)
{
    struct expectation after = *expect;
    bool damaged;
    int status;
    pid_t child;

    if (in_directory () && !expect->believed)
        check_files (scene, expect);
    if (ask_holder && scene->holder != 0) {
        if (write (scene->to_holder, &after, sizeof after) != (ssize_t) sizeof after)
            complain (scene, "the holder is gone");
        await_holder (scene);
        after.presence = scene->held ? MUST_EXIST : MUST_NOT_EXIST;
    }
    child = fork_into (namespaces_of_check (scene->places));
    if (child == 0) {
        alarm (60);                  /* the first process of a PID namespace ignores it */
        check_scene (scene, &after);
        exit (0);
    }
    wait_for_end (child, &status);
    if (WIFSIGNALED (status))
        complain (scene, "the checking process died: %s", strsignal (WTERMSIG (status)));
    if (!expect->believed)
        check_nothing_left (scene);
    damaged = scene->shared->damage > 0;
    if (damaged)
        snprintf (text, size, "%s", scene->shared->complaint);
    if (damaged || expect->believed)
        reset_scene (scene);
    return damaged;
}

/* ---- the process that has the mishap ---------------------------------------------------- */

void must (int status, const char *what)
{
    if (status == 0)
        return;
    dprintf (out_fd, "# preparing a call: %s: %s\n", what, strerror (status));
    _exit (126);
}

void prepare_nothing (void)
{
}

void prepare_warm (void)
{
    must (shmCreate ("torture/warm", 100, &address, &memory), "create");
    must (shmDestroy (memory), "destroy");
    address = NULL;
    memory = NULL;
}

void prepare_attached (void)
{
    must (shmCreate (victim_name, 0, &address, &memory), "attach");
}

void prepare_own (void)
{
    must (shmCreate (victim_name, VICTIM_SIZE, &address, &memory), "create");
    fill_pattern (address, VICTIM_SIZE, OWN_PATTERN);
}

void prepare_own_kept (void)
{
    prepare_own ();
    must (shmxKeep (memory, 1), "keep");
}

static void prepare_own_with (int flags)
{
    must (shmxCreate (victim_name, VICTIM_SIZE, flags, 0, &address, &memory), "create");
    fill_pattern (address, VICTIM_SIZE, OWN_PATTERN);
}

void prepare_own_transient (void)
{
    prepare_own_with (SHMX_TRANSIENT);
}

void prepare_own_hidden (void)
{
    prepare_own_with (SHMX_HIDDEN);
}

void prepare_own_hidden_kept (void)
{
    prepare_own_with (SHMX_HIDDEN | SHMX_KEEP);
}

void prepare_own_hidden_transient (void)
{
    prepare_own_with (SHMX_HIDDEN | SHMX_TRANSIENT);
}

void prepare_dead_hidden (void)
{
    pid_t child = fork_child ();

    if (child == 0) {
        prepare_own_hidden ();
        _exit (0);
    }
    wait_for_end (child, NULL);
}

static void abandon (void)
{
    if (in_directory ())
        munmap (address, VICTIM_SIZE);
    else
        shmdt (address);
    address = NULL;
    memory = NULL;
}

void prepare_orphan (void)
{
    prepare_own ();
    abandon ();
}

void prepare_orphan_kept (void)
{
    prepare_own_kept ();
    abandon ();
}

static void remove_registry (void)
{
    must (shmctl (find_registry (NULL), IPC_RMID, NULL) == 0 ? 0 : errno, "ipcrm");
}

void prepare_removed (void)
{
    remove_registry ();
}

void prepare_warm_removed (void)
{
    prepare_warm ();
    remove_registry ();
}

void prepare_attached_removed (void)
{
    prepare_attached ();
    remove_registry ();
}

void prepare_own_removed (void)
{
    prepare_own ();
    remove_registry ();
}

void prepare_own_hidden_removed (void)
{
    prepare_own_hidden ();
    remove_registry ();
}

void prepare_own_kept_removed (void)
{
    prepare_own_kept ();
    remove_registry ();
}

/* Each registry must exist before the next one is created, or it would be removed by then. */
void prepare_left_behind (void)
{
    enum { LEAVERS = 3 };
    int *stage = shared (sizeof *stage), i;
    pid_t leaver[LEAVERS];

    for (i = 0; i < LEAVERS; i++) {
        leaver[i] = fork_child ();
        if (leaver[i] == 0) {
            char name[40];

            snprintf (name, sizeof name, "/torture/leaver %d", i);
            setenv ("NOB_DATABASE", name, 1);
            must (shmCreate ("left", 100, &address, &memory), "create");
            reach (stage, i + 1);
            wait_for_stage (stage, LEAVERS, WATCHDOG);
            must (shmDestroy (memory), "destroy");
            _exit (0);
        }
        if (!wait_for_stage (stage, i + 1, WATCHDOG))
            must (ETIMEDOUT, "wait for a process");
    }
    for (i = 0; i < LEAVERS; i++)
        wait_for_end (leaver[i], NULL);
    munmap (stage, sizeof *stage);
}

#ifdef KNOWS_PROCESSOR

void forget_robust_list (pid_t traced)
{
    enum { HEAD_SIZE = 3 * sizeof (long) };

    if (call_again (traced, SYS_set_robust_list, 0, HEAD_SIZE) != 0)
        give_up ("set_robust_list in a traced process");
}

#endif

void prepare_left_transient (void)
{
    pid_t leaver = fork_child ();

    if (leaver == 0) {
        setenv ("NOB_DATABASE", "/torture/leaver", 1);
        must (shmxCreate ("transient", 100, SHMX_TRANSIENT, 0, &address, &memory), "create");
        must (shmxCreate ("hidden", 100, SHMX_HIDDEN, 0, NULL, &memory), "create");
        _exit (0);
    }
    wait_for_end (leaver, NULL);
}

/* ---- directories ------------------------------------------------------------------------ */

static int rival_fd;                 /* the victim's file, as another process would open it */
static char victim_path[PATH_SIZE + 100], rival_path[PATH_SIZE + 100];

/* As the library does: an attachment has a byte beyond the first one, a change the first one, and a
 * deletion all. */
static void lock_rival (short type, off_t first, off_t count)
{
    struct flock lock = { type, SEEK_SET, first, count, 0 };

    if (syscall (LARGE_FCNTL, rival_fd, F_OFD_SETLK, &lock) != 0)
        _exit (125);
}

static void open_rival (void)
{
    path_of (victim_name, victim_path);
    rival_fd = open (victim_path, O_RDWR | O_CLOEXEC);
    must (rival_fd < 0 ? errno : 0, "open the victim's file");
}

/* Between a look-up of a name and giving it to a file. The other file is complete at once, too. */
static void overtake (void)
{
    if (syscall (SYS_renameat2, AT_FDCWD, rival_path, AT_FDCWD, victim_path, 0) != 0)
        _exit (125);
}

static void prepare_rival (void)
{
    path_of (victim_name, victim_path);
    snprintf (rival_path, sizeof rival_path, "%.*s-rival", (int) strlen (space) - 1, space);
    syscall (SYS_unlinkat, AT_FDCWD, rival_path, 0);
    make_file (rival_path, VICTIM_SIZE, OWN_PATTERN, 0660);
    moments.linking = overtake;
}

void prepare_overtaken (void)
{
    prepare_warm ();
    prepare_rival ();
}

/* A process that takes the new file for a leftover has removed it, and another one with the same ID,
 * in another PID namespace, has created a file of the same name. */
static char swept_path[PATH_SIZE + 100];
static int swept_file;

static void sweep_new_file (void)
{
    DIR *entries = opendir (space);
    struct dirent *entry;

    while (entries != NULL && (entry = readdir (entries)) != NULL)
        if (strncmp (entry->d_name, ".shm_util_new.", 14) == 0)
            snprintf (swept_path, sizeof swept_path, "%s%.90s", space, entry->d_name);
    if (entries == NULL
        || syscall (SYS_renameat2, AT_FDCWD, rival_path, AT_FDCWD, swept_path, 0) != 0)
        _exit (125);
    closedir (entries);
}

void prepare_swept (void)
{
    prepare_warm ();
    prepare_rival ();
    swept_file = file_number (rival_path);
    moments.linking = NULL;
    moments.attaching = sweep_new_file;
}

void prepare_hidden_overtaken (void)
{
    prepare_own_hidden ();
    prepare_rival ();
}

void prepare_replaced (void)
{
    SharedMemory mine;

    prepare_own ();
    mine = memory;
    must (shmxRemove (victim_name), "remove");
    address = NULL;
    prepare_orphan ();
    memory = mine;
}

static void finish_deletion (void)
{
    if (syscall (SYS_unlinkat, AT_FDCWD, victim_path, 0) != 0)
        _exit (125);
    close (rival_fd);
}

/* Runs when the call sleeps, not when it merely yields the processor. */
void prepare_dying (void)
{
    prepare_orphan ();
    open_rival ();
    lock_rival (F_WRLCK, 0, 0);
    moments.sleeping = finish_deletion;
}

void prepare_deleted (void)
{
    prepare_orphan ();
    open_rival ();
    moments.attaching = finish_deletion;
}

static void join (void)
{
    lock_rival (F_RDLCK, 5, 1);
}

void prepare_joined (void)
{
    prepare_own ();
    open_rival ();
    moments.claiming = join;
}

/* The victim is no longer attached, so a process that changes it sees no holder. */
static void begin_change (void)
{
    lock_rival (F_WRLCK, 0, 1);
}

static void end_change (void)
{
    close (rival_fd);
}

void prepare_changed (void)
{
    prepare_own ();
    open_rival ();
    moments.claiming = begin_change;
    moments.sleeping = end_change;
}

void prepare_limited (void)
{
    struct rlimit limit = { VICTIM_SIZE - 1, VICTIM_SIZE - 1 };

    prepare_warm ();
    must (setrlimit (RLIMIT_FSIZE, &limit) == 0 ? 0 : errno, "setrlimit");
}

void prepare_full (void)
{
    prepare_warm ();
    moments.refuse_room = ENOSPC;
}

/* ---- calls ------------------------------------------------------------------------------ */

int call_create_swept (void)
{
    int status = call_create ();

    return status == 0 && file_number (swept_path) != swept_file ? EPROTO : status;
}

int call_create_exclusive (void)
{
    return shmxCreate (victim_name, VICTIM_SIZE, SHMX_EXCL, 0, &address, &memory);
}

int call_attach_read_only (void)
{
    return shmxCreate (victim_name, 0, SHMX_ATTACH | SHMX_RDONLY, 0, &address, &memory);
}

int call_detach (void)
{
    return shmxDetach (memory);
}

int call_keep (void)
{
    return shmxKeep (memory, 1);
}

int call_keep_no_more (void)
{
    return shmxKeep (memory, 0);
}

int call_set_permissions (void)
{
    return shmxSetPerm (memory, SHMX_SAME, SHMX_SAME, SET_MODE);
}

int call_remove (void)
{
    return shmxRemove (victim_name);
}

int call_remove_segment (void)
{
    return shmxRemoveSegment (memory);
}

int call_prune (void)
{
    return shmxPrune (0, NULL);
}

int call_list (void)
{
    return shmxList (nothing_for_each, NULL);
}

int call_stat (void)
{
    struct ShmxInfo info;

    info.size = sizeof info;
    return shmxStatName (victim_name, &info);
}

int call_wait (void)
{
    return shmxWait (victim_name, 0);
}

int call_sync (void)
{
    return shmxSync (memory);
}

int call_create_transient (void)
{
    return shmxCreate (victim_name, VICTIM_SIZE, SHMX_TRANSIENT, 0, &address, &memory);
}

int call_create_hidden (void)
{
    return shmxCreate (victim_name, VICTIM_SIZE, SHMX_HIDDEN, 0, &address, &memory);
}

int call_publish (void)
{
    return shmxPublish (memory);
}

int call_create (void)
{
    return shmCreate (victim_name, VICTIM_SIZE, &address, &memory);
}

int call_attach (void)
{
    return shmCreate (victim_name, 0, &address, &memory);
}

int call_destroy (void)
{
    return shmDestroy (memory);
}

int call_exit (void)
{
    exit (0);
}
