/* The functions that take a namespace: one process uses several at once, from several threads,
 * whatever its environment. See also namespace.c. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/ext namespace"
#define SIZE 5000L
#define SPACES 4 /* threads, each with a namespace of its own */
#define TIMES 200
#define STRANGER 65534

static char one[1024], other[1024];

static SharedMemory make (const char *space, const char *name, long size)
{
    SharedMemory memory = NULL;

    CHECK ("shmxCreateIn returns 0", shmxCreateIn (space, name, size, 0, 0, NULL, &memory) == 0);
    return memory;
}

/* The id of NAME in a namespace, see check_id, or minus the error. */
static int id_in (const char *space)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;
    int status, id;

    info.size = sizeof info;
    status = shmxStatNameIn (space, NAME, &info);
    if (status != 0 || info.id != -1) {
        return status == 0 ? info.id : -status;
    }
    status = shmxCreateIn (space, NAME, 0, SHMX_RDONLY, 0, NULL, &memory);
    id = check_id (memory);
    shmxDetach (memory);
    return status == 0 ? id : -status;
}

static int count (const struct ShmxInfo *info, void *context)
{
    (void) info;
    ++*(int *) context;
    return 0;
}

static int names_in (const char *space)
{
    int names = 0;

    return shmxListIn (space, count, &names) == 0 ? names : -1;
}

/* ---- two namespaces ------------------------------------------------------------------ */

static void same_name (void)
{
    SharedMemory own = check_create (NAME, SIZE);
    SharedMemory first = make (one, NAME, SIZE + 1);
    SharedMemory second = make (other, NAME, SIZE + 2);
    void *address = NULL;
    SharedMemory again = NULL;
    struct stat status;

    CHECK ("one name in three namespaces is three segments",
           check_id (own) != check_id (first) && check_id (own) != check_id (second)
           && check_id (first) != check_id (second));
    CHECK ("each has its own size", shmSizeOf (own) == SIZE && shmSizeOf (first) == SIZE + 1
           && shmSizeOf (second) == SIZE + 2);
    CHECK ("shmxStatNameIn looks in the namespace",
           id_in (one) == check_id (first) && id_in (other) == check_id (second));
    CHECK ("shmxStatNameIn with NULL looks in the process's own namespace",
           id_in (NULL) == check_id (own));
    CHECK ("shmxStatName looks in the process's own namespace", id_in (NULL) == check_id (own));
    CHECK ("a second shmxCreateIn attaches the namespace's segment",
           shmxCreateIn (one, NAME, 0, SHMX_RDONLY, 0, &address, &again) == 0
           && check_id (again) == check_id (first) && address == shmAddress (again)
           && shmxCreated (again) == 0 && shmxCreated (first) == 1);
    CHECK ("the mode is 0660", check_is_mode (check_id (first), 0660));
    CHECK ("no file is created for a namespace that is not a directory",
           check_store () == CHECK_DIRECTORY
           || (lstat (one, &status) != 0 && lstat (other, &status) != 0));
    CHECK ("shmxListIn lists one namespace",
           names_in (one) == 1 && names_in (other) == 1 && names_in (NULL) == 1);
    memset (shmAddress (first), 'f', SIZE + 1);
    CHECK ("the other segments are unchanged", check_filled (shmAddress (own), 0, SIZE)
           && check_filled (shmAddress (second), 0, SIZE + 2));
    CHECK ("shmxKeep works with a handle of any namespace",
           shmxKeep (second, 1) == 0 && shmDestroy (second) == 0 && id_in (other) >= 0);
    CHECK ("shmxRemoveIn removes a name from its namespace only",
           shmxRemoveIn (other, NAME) == 0 && id_in (other) == -ENOENT && id_in (one) >= 0);
    CHECK ("shmDestroy works with handles of any namespace",
           shmDestroy (again) == 0 && shmDestroy (first) == 0 && id_in (one) == -ENOENT);
    CHECK ("the process's own segment is unaffected", id_in (NULL) == check_id (own));
    CHECK ("shmxRemoveSegment works", shmxRemoveSegment (own) == 0 && id_in (NULL) == -ENOENT);
    CHECK ("shmDestroy returns 0", shmDestroy (own) == 0);
}

static void flags (void)
{
    SharedMemory memory = NULL, again = NULL;

    CHECK ("the flags of shmxCreate apply",
           shmxCreateIn (one, NAME, SIZE, SHMX_KEEP, 0640, NULL, &memory) == 0
           && check_is_mode (check_id (memory), 0640));
    CHECK ("SHMX_EXCL is EEXIST in this namespace",
           shmxCreateIn (one, NAME, SIZE, SHMX_EXCL, 0, NULL, &again) == EEXIST && again == NULL);
    CHECK ("SHMX_ATTACH is ENOENT in another one",
           shmxCreateIn (other, NAME, 0, SHMX_ATTACH, 0, NULL, &again) == ENOENT);
    CHECK ("the message names the namespace", strstr (shmxErrorText (), other) != NULL);
    CHECK ("unknown flags are EINVAL",
           shmxCreateIn (one, NAME, SIZE, 1 << 20, 0, NULL, &again) == EINVAL);
    CHECK ("SHMX_UNIQUE makes a unique name in the namespace",
           shmxCreateIn (other, NULL, SIZE, SHMX_UNIQUE, 0, NULL, &again) == 0
           && names_in (other) == 1 && names_in (one) == 1);
    CHECK ("shmDestroy returns 0", shmDestroy (again) == 0 && shmDestroy (memory) == 0);
    CHECK ("the kept segment is removed", shmxRemoveIn (one, NAME) == 0);
}

static void leave_orphan (void)
{
    make (one, NAME, SIZE);
    make (other, NAME, SIZE);
    _exit (0);
}

static void prunes (void)
{
    long pruned = 77;

    CHECK ("a process leaves orphans in two namespaces", check_child (leave_orphan) == 0);
    CHECK ("shmxPruneIn leaves young orphans alone",
           shmxPruneIn (one, 1000, &pruned) == 0 && pruned == 0 && id_in (one) >= 0);
    CHECK ("shmxPruneIn deletes those of its namespace",
           shmxPruneIn (one, 0, &pruned) == 0 && pruned == 1 && id_in (one) == -ENOENT);
    CHECK ("the orphans of other namespaces remain", id_in (other) >= 0);
    CHECK ("the count may be NULL",
           shmxPruneIn (other, 0, NULL) == 0 && id_in (other) == -ENOENT);
    CHECK ("a negative age is EINVAL", shmxPruneIn (one, -1, &pruned) == EINVAL && pruned == 1);
}

static void *creates_later (void *memory)
{
    usleep (100000);
    shmxCreateIn (one, NAME, SIZE, 0, 0, NULL, memory);
    return NULL;
}

static void waits (void)
{
    SharedMemory memory = NULL;
    pthread_t thread;

    CHECK ("shmxWaitIn is ETIMEDOUT if the name does not appear",
           shmxWaitIn (one, NAME, 1) == ETIMEDOUT);
    memory = make (other, NAME, SIZE);
    CHECK ("a name in another namespace does not end the wait",
           shmxWaitIn (one, NAME, 1) == ETIMEDOUT && shmxWaitIn (other, NAME, 1) == 0);
    shmDestroy (memory);
    memory = NULL;
    pthread_create (&thread, NULL, creates_later, &memory);
    CHECK ("shmxWaitIn returns when a thread creates the name", shmxWaitIn (one, NAME, 10000) == 0);
    pthread_join (thread, NULL);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* ---- how a namespace is written ---------------------------------------------------------- */

static void means_one (const char *how, const char *space, int id)
{
    CHECK (check_text ("%s selects the same namespace", how), id_in (space) == id);
}

static void translated (void)
{
    SharedMemory memory = make (one, NAME, SIZE);
    int id = check_id (memory);
    const char *in_home = one + strlen (check_path ("home/"));

    setenv ("HOME", check_path ("home"), 1);
    setenv ("WHOLE", one, 1);
    setenv ("INDIRECT", "$WHOLE", 1);
    means_one ("the path", one, id);
    means_one ("$NAME", "$WHOLE", id);
    means_one ("${NAME}", "${WHOLE}", id);
    means_one ("a variable that names another", "$INDIRECT", id);
    means_one ("~", check_text ("~/%s", in_home), id);
    means_one ("a path with dots", check_text (check_store () == CHECK_DIRECTORY ? "%s./x/../"
                                                                                 : "%s/./x/..",
                                               one), id);
    CHECK ("the current directory is changed", chdir (check_path ("home")) == 0);
    means_one ("a relative path", in_home, id);
    setenv ("WHOLE", other, 1);
    CHECK ("the present value of a variable counts", id_in ("$WHOLE") == -ENOENT);
    CHECK ("the handle still belongs to its namespace",
           shmxKeep (memory, 1) == 0 && shmxKeep (memory, 0) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void refused (const char *what, const char *space, int error)
{
    SharedMemory memory = (SharedMemory) &memory;
    void *address = NULL;
    struct ShmxInfo info;
    int names = 0, segments = check_segments ();
    long pruned = 77;

    info.size = sizeof info;
    errno = 0;
    CHECK (check_text ("%s is refused: %s", what, strerror (error)),
           shmxCreateIn (space, NAME, SIZE, 0, 0, &address, &memory) == error && errno == error);
    CHECK ("*memory is NULL, *address is unchanged", memory == NULL && address == NULL);
    CHECK ("the message states that it is about a namespace",
           strncmp (shmxErrorText (), "namespace: ", 11) == 0);
    CHECK ("shmxStatNameIn returns the same error", shmxStatNameIn (space, NAME, &info) == error);
    CHECK ("shmxListIn returns the same error",
           shmxListIn (space, count, &names) == error && names == 0);
    CHECK ("shmxRemoveIn returns the same error", shmxRemoveIn (space, NAME) == error);
    CHECK ("shmxWaitIn returns the same error", shmxWaitIn (space, NAME, 1) == error);
    CHECK ("shmxPruneIn returns the same error",
           shmxPruneIn (space, 0, &pruned) == error && pruned == 77);
    CHECK ("no segment is created", check_segments () == segments);
}

static void bad_paths (void)
{
    static char endless[6000];

    setenv ("LOOP", "$LOOP", 1);
    refused ("a variable that refers to itself", "$LOOP/x", ELOOP);
    memset (endless, 'e', sizeof endless - 1);
    refused ("a path that is too long", endless, ENAMETOOLONG);
    CHECK ("the current directory is removed",
           mkdir (check_path ("gone"), 0755) == 0 && chdir (check_path ("gone")) == 0
           && rmdir (check_path ("gone")) == 0);
    refused ("a relative path in a directory that is gone", "names", ENOENT);
    CHECK ("an absolute path is not refused", id_in (one) == -ENOENT);
    CHECK ("the current directory is changed", chdir ("/") == 0);
}

static void null_arguments (void)
{
    SharedMemory memory = NULL;
    struct ShmxInfo info;

    info.size = sizeof info;
    CHECK ("NULL for the name is EINVAL",
           shmxCreateIn (one, NULL, SIZE, 0, 0, NULL, &memory) == EINVAL
           && shmxStatNameIn (one, NULL, &info) == EINVAL && shmxRemoveIn (one, NULL) == EINVAL
           && shmxWaitIn (one, NULL, 0) == EINVAL);
    CHECK ("NULL for the handle is EINVAL",
           shmxCreateIn (one, NAME, SIZE, 0, 0, NULL, NULL) == EINVAL && id_in (one) == -ENOENT);
    CHECK ("NULL for the information is EINVAL", shmxStatNameIn (one, NAME, NULL) == EINVAL);
    CHECK ("NULL for the callback is EINVAL", shmxListIn (one, NULL, NULL) == EINVAL);
}

/* ---- the environment ------------------------------------------------------------------ */

static void beside_the_user (SharedMemory own)
{
    SharedMemory user;

    CHECK ("\"\" selects another namespace", id_in ("") == -ENOENT);
    user = make ("", NAME, SIZE);
    CHECK ("that namespace has a segment of its own",
           check_id (user) != check_id (own) && names_in ("") == 1);
    CHECK ("the segment is found there again", id_in ("") == check_id (user));
    CHECK ("shmDestroy returns 0", shmDestroy (user) == 0);
}

static void with_nob_database (void)
{
    SharedMemory own, by_path;

    setenv ("NOB_DATABASE", one, 1);
    own = check_create (NAME, SIZE);
    CHECK ("NULL is the namespace of NOB_DATABASE", id_in (NULL) == check_id (own));
    CHECK ("the path of NOB_DATABASE selects the same namespace", id_in (one) == check_id (own));
    if (check_is_alone ("the namespace of a user beside that of NOB_DATABASE")) {
        beside_the_user (own);
    }
    by_path = make (one, NAME, SIZE);
    CHECK ("the namespace of NOB_DATABASE is the same by its path",
           check_id (by_path) == check_id (own));
    CHECK ("NOB_DATABASE is unchanged", strcmp (getenv ("NOB_DATABASE"), one) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (own) == 0 && shmDestroy (by_path) == 0);
}

static void without_nob_database (void)
{
    SharedMemory own;

    unsetenv ("NOB_DATABASE");
    own = check_create (NAME, SIZE);
    CHECK ("without NOB_DATABASE, NULL and \"\" are the same namespace",
           id_in (NULL) == check_id (own) && id_in ("") == check_id (own));
    CHECK ("NOB_DATABASE is still not set", getenv ("NOB_DATABASE") == NULL);
    CHECK ("shmDestroy returns 0", shmDestroy (own) == 0);
}

static void with_bad_nob_database (void)
{
    SharedMemory memory = NULL;

    setenv ("LOOP", "$LOOP", 1);
    setenv ("NOB_DATABASE", "$LOOP", 1);
    CHECK ("a NOB_DATABASE that cannot be translated is ELOOP",
           shmxCreateIn (NULL, NAME, SIZE, 0, 0, NULL, &memory) == ELOOP);
    memory = make (one, NAME, SIZE);
    CHECK ("other namespaces can be used nevertheless", id_in (one) == check_id (memory));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

/* ---- several threads ------------------------------------------------------------------- */

static char spaces[SPACES][1100];
static int stop;
static long failures;

static void expect (int holds)
{
    if (!holds) {
        __sync_fetch_and_add (&failures, 1);
    }
}

static void *changes_the_environment (void *unused)
{
    int i;

    for (i = 0; __sync_fetch_and_add (&stop, 0) == 0; i++) {
        setenv ("NOB_DATABASE", spaces[i % SPACES], 1);
        usleep (100);
    }
    return unused;
}

/* Each thread creates the name with another size, so that a look-up in a wrong namespace shows. */
static void *uses_its_own (void *number)
{
    long n = (long) number;
    int i;

    for (i = 0; i < TIMES; i++) {
        SharedMemory memory = NULL, again = NULL;
        struct ShmxInfo info;

        info.size = sizeof info;
        expect (shmxCreateIn (spaces[n], NAME, SIZE + n, SHMX_EXCL, 0, NULL, &memory) == 0);
        expect (shmxCreateIn (spaces[n], NAME, 0, SHMX_ATTACH, 0, NULL, &again) == 0);
        expect (check_id (memory) == check_id (again) && shmSizeOf (again) == SIZE + n);
        expect (shmxStatNameIn (spaces[n], NAME, &info) == 0 && info.bytes == SIZE + n);
        expect (names_in (spaces[n]) == 1);
        expect (shmDestroy (again) == 0 && shmDestroy (memory) == 0);
        expect (shmxStatNameIn (spaces[n], NAME, &info) == ENOENT);
    }
    return NULL;
}

static void threads (void)
{
    pthread_t workers[SPACES], environment;
    SharedMemory own = check_create (NAME, SIZE - 1);
    long n;

    for (n = 0; n < SPACES; n++) {
        strcpy (spaces[n], check_namespace (check_text ("space %ld", n)));
    }
    pthread_create (&environment, NULL, changes_the_environment, NULL);
    for (n = 0; n < SPACES; n++) {
        pthread_create (&workers[n], NULL, uses_its_own, (void *) n);
    }
    for (n = 0; n < SPACES; n++) {
        pthread_join (workers[n], NULL);
    }
    CHECK ("each thread uses its own namespace, while another thread calls setenv", failures == 0);
    CHECK ("setenv has no effect on the process's own namespace", id_in (NULL) == check_id (own));
    __sync_fetch_and_add (&stop, 1);
    pthread_join (environment, NULL);
    CHECK ("shmDestroy returns 0", shmDestroy (own) == 0);
}

/* ---- users ------------------------------------------------------------------------------- */

static int *id;

/* The process that becomes another user must not inherit the registry. */
static void leave_kept (void)
{
    SharedMemory memory = NULL;

    CHECK ("a process creates a kept segment",
           shmxCreateIn (one, NAME, SIZE, SHMX_KEEP, 0, NULL, &memory) == 0);
    *id = check_id (memory);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void as_a_stranger (void)
{
    SharedMemory memory = NULL;

    if (setgroups (0, NULL) == 0 && setgid (STRANGER) == 0 && setuid (STRANGER) == 0) {
        CHECK ("using another user's namespace is EACCES",
               shmxCreateIn (one, NAME, SIZE, 0, 0, NULL, &memory) == EACCES && memory == NULL);
        CHECK ("the reason is the namespace", shmxErrorReason () == SHMX_REASON_NAMESPACE);
        if (check_is_alone ("the namespace of another user")) {
            memory = make ("", NAME, SIZE);
            CHECK ("the user's own namespace has another segment", check_id (memory) != *id);
            CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
        }
    }
}

static void users (void)
{
    if (!check_has_users ("namespaces of two users")) {
        return;
    }
    strcpy (one, check_namespace ("home/names of a user"));
    CHECK ("a process exits with status 0", check_child (leave_kept) == 0);
    CHECK ("another user exits with status 0", check_child (as_a_stranger) == 0);
    CHECK ("the name is removed", shmxRemoveIn (one, NAME) == 0);
}

int main (void)
{
    check_start ();
    id = check_shared (sizeof *id);
    CHECK ("a directory is created", mkdir (check_path ("home"), 0755) == 0);
    strcpy (one, check_namespace ("home/names"));
    strcpy (other, check_namespace ("home/other names"));
    /* The first call reads the environment, so each of these has a process of its own. */
    CHECK ("a process exits with status 0", check_child (with_nob_database) == 0);
    if (check_is_alone ("the namespace of a user")) {
        CHECK ("a process exits with status 0", check_child (without_nob_database) == 0);
    }
    CHECK ("a process exits with status 0", check_child (with_bad_nob_database) == 0);
    same_name ();
    flags ();
    prunes ();
    waits ();
    translated ();
    bad_paths ();
    null_arguments ();
    threads ();
    users ();
    return check_done ();
}
