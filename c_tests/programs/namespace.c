/* NOB_DATABASE selects the namespace, in which names are looked up; see also environment.c. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/namespace"
#define SIZE 5000L
#define STRANGER 65534

static char path[1024];  /* of the namespace that most tests use */
static char other[1024];
static int *id;          /* of the segment of NAME that a holder has; shared with children */
static int ready[2], go[2];

/* Whether NAME refers to the segment `id`. */
static int means_the_same (void)
{
    SharedMemory memory = NULL;
    int same = shmCreate (NAME, 0, NULL, &memory) == 0 && check_id (memory) == *id;

    shmDestroy (memory);
    return same;
}

/* ---- processes, each with an environment of its own --------------------------------- */

/* The environment is read at the first call, so this process makes none: children do. */

static const char *value; /* of NOB_DATABASE; NULL for the default namespace */

static void select_value (void)
{
    if (value == NULL) {
        check_default_namespace ();
    } else {
        setenv ("NOB_DATABASE", value, 1);
    }
}

static void finds_the_same (void)
{
    select_value ();
    CHECK (check_text ("with NOB_DATABASE %s, the name refers to the segment",
                       value == NULL ? "as by default" : value), means_the_same ());
}

static void finds_nothing (void)
{
    select_value ();
    CHECK (check_text ("with NOB_DATABASE %s, the name does not exist",
                       value == NULL ? "as by default" : value), !check_exists (NAME));
}

/* Runs the function in a process with this value. */
static void with_value (const char *new_value, void (*body) (void))
{
    value = new_value;
    CHECK ("a process exits with status 0", check_child (body) == 0);
}

/* A process with this value that has a segment of NAME until `release`. */
static pid_t hold (const char *new_value, long size)
{
    pid_t child;

    value = new_value;
    child = check_fork ();
    if (child == 0) {
        SharedMemory memory;

        select_value ();
        memory = check_create (NAME, size);
        *id = check_id (memory);
        CHECK ("a new segment is zero-filled", check_filled (shmAddress (memory), 0, size));
        check_signal (ready);
        check_await (go);
        CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
        exit (0);
    }
    CHECK ("a process creates a segment", check_await (ready));
    return child;
}

static void release (pid_t child)
{
    check_signal (go);
    CHECK ("the process exits with status 0", check_wait (child) == 0);
}

static void values_share_nothing (void)
{
    pid_t first, second, without;
    int id_of_first, id_of_second;
    struct stat status;

    first = hold (path, SIZE);
    id_of_first = *id;
    CHECK ("the mode is 0660 in a namespace of NOB_DATABASE", check_is_mode (*id, 0660));
    with_value (path, finds_the_same);
    with_value (other, finds_nothing);
    with_value (NULL, finds_nothing);
    CHECK ("no file is created for a namespace that is not a directory",
           check_store () == CHECK_DIRECTORY
           || (lstat (path, &status) != 0 && lstat (other, &status) != 0));

    second = hold (other, SIZE + 1);
    id_of_second = *id;
    CHECK ("another value gets a segment of its own", id_of_second != id_of_first);
    with_value (NULL, finds_nothing);
    without = hold (NULL, SIZE + 2);
    CHECK ("the default namespace gets a third segment",
           *id != id_of_first && *id != id_of_second);
    with_value (NULL, finds_the_same);
    *id = id_of_second;
    with_value (other, finds_the_same);
    *id = id_of_first;
    with_value (path, finds_the_same);

    /* Each process waits for a byte of its own; which of them ends first does not matter. */
    check_signal (go);
    check_signal (go);
    release (second);
    CHECK ("the other processes exit with status 0",
           check_wait (first) == 0 && check_wait (without) == 0);
    CHECK ("that deletes the segments",
           check_is_attached (id_of_first, -1) && check_is_attached (id_of_second, -1));
    with_value (path, finds_nothing);
    with_value (other, finds_nothing);
    with_value (NULL, finds_nothing);
}

static const char *how; /* a value is written */

static void same_through (void)
{
    select_value ();
    CHECK (check_text ("the same path, written with %s, selects the same namespace", how),
           means_the_same ());
}

static void writes_with (const char *what, const char *new_value)
{
    how = what;
    with_value (new_value, same_through);
}

static void translated (void)
{
    pid_t holder = hold (path, SIZE);
    const char *in_home = path + strlen (check_path ("home/"));

    setenv ("HOME", check_path ("home"), 1);
    setenv ("PLACE", check_path ("home"), 1);
    setenv ("WHOLE", path, 1);
    setenv ("INDIRECT", "$WHOLE", 1);
    writes_with ("itself", path);
    writes_with ("$NAME", "$WHOLE");
    writes_with ("${NAME}", "${WHOLE}");
    writes_with ("a variable that names another", "$INDIRECT");
    writes_with ("a variable for the directory", check_text ("$PLACE/%s", in_home));
    writes_with ("~", check_text ("~/%s", in_home));
    CHECK ("the current directory is changed", chdir (check_path ("home")) == 0);
    writes_with ("a relative path", in_home);
    with_value (check_text ("~/%s", other + strlen (check_path ("home/"))), finds_nothing);
    release (holder);
    CHECK ("no file is created for a namespace that is not a directory",
           check_store () == CHECK_DIRECTORY
           || (access (path, F_OK) != 0 && access ("other", F_OK) != 0));
}

static int expected;

static void is_refused (void)
{
    SharedMemory memory = NULL;
    int segments = check_segments ();

    select_value ();
    CHECK (check_text ("the value is refused: %s", strerror (expected)),
           shmCreate (NAME, SIZE, NULL, &memory) == expected && errno == expected);
    CHECK ("no segment is created", memory == NULL && check_segments () == segments);
    setenv ("NOB_DATABASE", path, 1);
    CHECK ("it is refused again, because it was read once",
           shmCreate (NAME, SIZE, NULL, &memory) == expected && errno == expected);
    CHECK ("calls without a name succeed", shmDestroy (NULL) == 0);
}

static void untranslatable (void)
{
    static char endless[6000];

    setenv ("LOOP", "$LOOP", 1);
    expected = ELOOP;
    with_value ("$LOOP", is_refused);
    unsetenv ("LOOP");
    memset (endless, 'e', sizeof endless - 1);
    expected = ENAMETOOLONG;
    with_value (endless, is_refused);
}

/* ---- other users --------------------------------------------------------------- */

static int became (gid_t group)
{
    return setgroups (0, NULL) == 0 && setgid (group) == 0 && setuid (STRANGER) == 0;
}

static void as_another_user (void)
{
    if (became (STRANGER)) {
        SharedMemory memory;

        CHECK ("the name does not exist in another user's default namespace", !check_exists (NAME));
        memory = check_create (NAME, SIZE);
        CHECK ("the other user gets another segment", check_id (memory) != *id);
        CHECK ("the other user can destroy it", shmDestroy (memory) == 0);
    }
}

static void as_another_user_of_the_group (void)
{
    select_value ();
    if (became (getegid ())) {
        CHECK ("a namespace of NOB_DATABASE is shared with the group", means_the_same ());
    }
}

static void as_a_stranger (void)
{
    SharedMemory memory = NULL;

    select_value ();
    if (became (STRANGER)) {
        CHECK ("shmCreate by a user outside the group is EACCES",
               shmCreate (NAME, SIZE, NULL, &memory) == EACCES && errno == EACCES);
        CHECK ("*memory is NULL", memory == NULL);
    }
}

static void default_namespaces (void)
{
    pid_t holder;

    if (!check_is_alone ("default namespaces of two users")) {
        return;
    }
    holder = hold (NULL, SIZE);
    CHECK ("another user exits with status 0", check_child (as_another_user) == 0);
    with_value (NULL, finds_the_same);
    release (holder);
}

/* Changes its effective user between its calls. */
static void changes_its_user (void)
{
    SharedMemory memory = check_create (NAME, SIZE);

    *id = check_id (memory);
    CHECK ("the effective user is changed", seteuid (STRANGER) == 0);
    CHECK ("the name does not exist in that user's default namespace", !check_exists (NAME));
    CHECK ("the effective user is changed back", seteuid (0) == 0);
    CHECK ("the name refers to the segment again", means_the_same ());
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void effective_users (void)
{
    if (check_is_alone ("default namespaces of a process that changes its user")) {
        CHECK ("a process exits with status 0", check_child (changes_its_user) == 0);
    }
}

static void in_the_namespace_of_users (const char *what, void (*user) (void))
{
    pid_t holder = hold (check_namespace ("home/of users"), SIZE);

    CHECK (check_text ("%s exits with status 0", what), check_child (user) == 0);
    with_value (check_namespace ("home/of users"), finds_the_same);
    release (holder);
}

static void between_users (void)
{
    if (!check_has_users ("namespaces of two users")) {
        return;
    }
    if (check_has (HAS_DEFAULT)) {
        default_namespaces ();
        effective_users ();
    }
    in_the_namespace_of_users ("a user of the group", as_another_user_of_the_group);
    in_the_namespace_of_users ("a user outside the group", as_a_stranger);
}

int main (void)
{
    check_start ();
    id = check_shared (sizeof *id);
    if (pipe (ready) != 0 || pipe (go) != 0) {
        return EXIT_FAILURE;
    }
    CHECK ("a directory is made", mkdir (check_path ("home"), 0755) == 0);
    strcpy (path, check_namespace ("home/names"));
    strcpy (other, check_namespace ("home/other names"));
    values_share_nothing ();
    translated ();
    untranslatable ();
    between_users ();
    return check_done ();
}
