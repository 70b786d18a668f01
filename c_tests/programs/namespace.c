/* NOB_DATABASE selects the namespace, in which names are looked up. */

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
static int id;           /* of NAME in it, while found_as looks */

/* Whether NAME refers to the segment `id` now. */
static int means_the_same (void)
{
    SharedMemory memory = NULL;
    int same = shmCreate (NAME, 0, NULL, &memory) == 0 && shmId (memory) == id;

    shmDestroy (memory);
    return same;
}

static void values_share_nothing (void)
{
    SharedMemory first, second, without;
    struct stat status;

    setenv ("NOB_DATABASE", path, 1);
    first = check_create (NAME, SIZE);
    id = shmId (first);
    CHECK ("the mode is 0660 in a namespace of NOB_DATABASE", check_mode (id) == 0660);

    setenv ("NOB_DATABASE", other, 1);
    CHECK ("the name does not exist with another value", !check_exists (NAME));
    second = check_create (NAME, SIZE + 1);
    CHECK ("the other value gets a segment of its own", shmId (second) != id);
    CHECK ("that segment is zero-filled", check_filled (shmAddress (second), 0, SIZE + 1));

    check_default_namespace ();
    CHECK ("the name does not exist in the default namespace", !check_exists (NAME));
    without = check_create (NAME, SIZE + 2);
    CHECK ("the default namespace gets a third segment",
           shmId (without) != id && shmId (without) != shmId (second));

    setenv ("NOB_DATABASE", path, 1);
    CHECK ("with the first value, the name refers to the first segment", means_the_same ());
    CHECK ("no file is created",
           lstat (path, &status) != 0 && lstat (other, &status) != 0);

    CHECK ("a handle of another namespace can be destroyed", shmDestroy (second) == 0);
    CHECK ("that deletes its own segment only", means_the_same ());
    CHECK ("a handle of the default namespace can be destroyed",
           shmDestroy (without) == 0 && means_the_same ());
    check_default_namespace ();
    CHECK ("the first handle can be destroyed with another value", shmDestroy (first) == 0);
    CHECK ("that deletes its segment", check_attached (id) == -1);
    setenv ("NOB_DATABASE", path, 1);
    CHECK ("that removes its name", !check_exists (NAME));
    setenv ("NOB_DATABASE", other, 1);
    CHECK ("the other name was removed, too", !check_exists (NAME));
}

static void same_through (const char *value, const char *what)
{
    setenv ("NOB_DATABASE", value, 1);
    CHECK (check_text ("the same path, written with %s, selects the same namespace", what),
           means_the_same ());
}

static void translated (void)
{
    SharedMemory memory;

    setenv ("NOB_DATABASE", path, 1);
    memory = check_create (NAME, SIZE);
    id = shmId (memory);
    setenv ("HOME", check_path ("home"), 1);
    setenv ("PLACE", check_path ("home"), 1);
    setenv ("WHOLE", path, 1);
    setenv ("INDIRECT", "$WHOLE", 1);
    same_through (path, "itself");
    same_through ("$WHOLE", "$NAME");
    same_through ("${WHOLE}", "${NAME}");
    same_through ("$INDIRECT", "a variable that names another");
    same_through ("$PLACE/names", "a variable for the directory");
    same_through ("~/names", "~");
    CHECK ("the current directory is changed", chdir (check_path ("home")) == 0);
    same_through ("names", "a relative path");
    setenv ("NOB_DATABASE", "~/other", 1);
    CHECK ("another path is another namespace", !check_exists (NAME));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("no file is created", access (path, F_OK) != 0 && access ("other", F_OK) != 0);
}

static void untranslatable (void)
{
    static char endless[6000];
    SharedMemory memory = NULL;
    int segments = check_segments ();

    setenv ("LOOP", "$LOOP", 1);
    setenv ("NOB_DATABASE", "$LOOP", 1);
    CHECK ("a variable that refers to itself is ELOOP",
           shmCreate (NAME, SIZE, NULL, &memory) == ELOOP && errno == ELOOP);
    memset (endless, 'e', sizeof endless - 1);
    setenv ("NOB_DATABASE", endless, 1);
    CHECK ("a value longer than PATH_MAX is ENAMETOOLONG",
           shmCreate (NAME, SIZE, NULL, &memory) == ENAMETOOLONG && errno == ENAMETOOLONG);
    CHECK ("no segment is created", memory == NULL && check_segments () == segments);
    check_default_namespace ();
    unsetenv ("LOOP");
}

static void see_the_same (void)
{
    CHECK ("another process with the same value shares the name", means_the_same ());
    setenv ("NOB_DATABASE", other, 1);
    CHECK ("another process with another value does not", !check_exists (NAME));
}

static void between_processes (void)
{
    SharedMemory memory;

    setenv ("NOB_DATABASE", path, 1);
    memory = check_create (NAME, SIZE);
    id = shmId (memory);
    CHECK ("the other process exits with status 0", check_child (see_the_same) == 0);
    shmDestroy (memory);
    check_default_namespace ();
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
        CHECK ("the other user gets another segment", shmId (memory) != id);
        CHECK ("the other user can destroy it", shmDestroy (memory) == 0);
    }
}

static void as_another_user_of_the_group (void)
{
    if (became (getegid ())) {
        CHECK ("a namespace of NOB_DATABASE is shared with the group", means_the_same ());
    }
}

static void as_a_stranger (void)
{
    SharedMemory memory = NULL;

    if (became (STRANGER)) {
        CHECK ("shmCreate by a user outside the group is EACCES",
               shmCreate (NAME, SIZE, NULL, &memory) == EACCES && errno == EACCES);
        CHECK ("*memory is NULL", memory == NULL);
    }
}

static void default_namespaces (void)
{
    SharedMemory memory;

    if (!check_is_alone ("default namespaces of two users")) {
        return;
    }
    memory = check_create (NAME, SIZE);
    id = shmId (memory);
    CHECK ("another user exits with status 0", check_child (as_another_user) == 0);
    CHECK ("the first user's segment still exists", means_the_same ());
    shmDestroy (memory);
}

/* The other user's process is forked before the namespace exists, because it could use what it
 * inherits. It receives the identifier through the pipe. */
static void explicit_namespace (void (*user) (void))
{
    SharedMemory memory;
    int ends[2];
    pid_t child;

    setenv ("NOB_DATABASE", check_path ("home/of users"), 1);
    CHECK ("a pipe is made", pipe (ends) == 0);
    child = check_fork ();
    if (child == 0) {
        if (read (ends[0], &id, sizeof id) == (ssize_t) sizeof id) {
            user ();
        }
        exit (0);
    }
    memory = check_create (NAME, SIZE);
    id = shmId (memory);
    CHECK ("the other user receives the identifier",
           write (ends[1], &id, sizeof id) == (ssize_t) sizeof id);
    CHECK ("the other user exits with status 0", check_wait (child) == 0);
    CHECK ("the first user's segment is unchanged", means_the_same ());
    shmDestroy (memory);
    close (ends[0]);
    close (ends[1]);
    check_default_namespace ();
}

/* In a child, so that the process has not opened the namespace before the next test. */
static void with_the_group (void)
{
    explicit_namespace (as_another_user_of_the_group);
}

static void with_a_stranger (void)
{
    explicit_namespace (as_a_stranger);
}

static void between_users (void)
{
    if (!check_has_users ("namespaces of two users")) {
        return;
    }
    default_namespaces ();
    CHECK ("a user of the group is tried", check_child (with_the_group) == 0);
    CHECK ("a user outside the group is tried", check_child (with_a_stranger) == 0);
}

int main (void)
{
    check_start ();
    CHECK ("a directory is made", mkdir (check_path ("home"), 0755) == 0);
    strcpy (path, check_path ("home/names"));
    strcpy (other, check_path ("home/other names"));
    values_share_nothing ();
    translated ();
    untranslatable ();
    between_processes ();
    between_users ();
    return check_done ();
}
