/* File names: `~`, `$NAME` and `${NAME}` in names for shmSave and shmLoad. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "c_tests/filenames"

static SharedMemory memory;

static void becomes (const char *given, const char *expected)
{
    unlink (expected);
    CHECK (check_text ("'%s' means '%s'", given, expected),
           shmSave (memory, given) == 0 && access (expected, F_OK) == 0);
    CHECK ("shmLoad finds the same file", shmLoad (memory, given) == 0);
    CHECK ("the file can be removed", unlink (expected) == 0);
}

static void is_error (const char *what, const char *given, int error)
{
    CHECK (check_text ("%s: shmSave is %s", what, strerror (error)),
           shmSave (memory, given) == error && errno == error);
    CHECK (check_text ("%s: shmLoad is %s", what, strerror (error)),
           shmLoad (memory, given) == error && errno == error);
}

static void home (void)
{
    setenv ("HOME", check_path ("home"), 1);
    becomes ("~/file", check_path ("home/file"));
    becomes ("home/~", "home/~");
    becomes ("file~", "file~");
    setenv ("HOME", "h", 1);
    becomes ("~x", "hx");
    becomes ("a:~", "a:h");
    becomes ("a:~b:~", "a:hb:h");
    becomes ("a~", "a~");
    unsetenv ("HOME");
    becomes ("~/file", "./~/file");
    becomes ("a:~", "a:~");
}

static void variables (void)
{
    setenv ("DIR", check_path ("home"), 1);
    setenv ("V", "value", 1);
    becomes ("$DIR/run-1.dat", check_path ("home/run-1.dat"));
    becomes ("$V", "value");
    becomes ("$V.dat", "value.dat");
    becomes ("$V:x", "value:x");
    becomes ("$V[1]", "value[1]");
    becomes ("a$V", "a$V");
    becomes ("A$V", "A$V");
    becomes ("1$V", "1$V");
    becomes ("_$V", "_value");
    becomes ("-$V", "-value");
    becomes (".$V", ".value");
    becomes ("home/$V", "home/value");
}

static void unusual_names (void)
{
    setenv ("A", "wrong", 1);
    setenv ("A-B", "home", 1);
    becomes ("$A-B/x", "home/x");
    setenv ("with blank", "home", 1);
    becomes ("$with blank/x", "home/x");
    unsetenv ("UNSET");
    becomes ("home/$UNSET.x", "home/.x");
    becomes ("home/$UNSET/x", "home/x");
    setenv ("EMPTY", "", 1);
    becomes ("home/$EMPTY.x", "home/.x");
}

static void braces (void)
{
    setenv ("V", "value", 1);
    becomes ("${V}", "value");
    becomes ("${V}.dat", "value.dat");
    becomes ("home/${V}b", "home/valueb");
    becomes ("a${V}", "a${V}");
    setenv ("A-B", "home", 1);
    becomes ("${A-B}/x", "home/x");
    becomes ("home/${UNSET}x", "home/x");
}

static void nesting (void)
{
    setenv ("HOME", check_path ("home"), 1);
    setenv ("OUTER", "$INNER/x", 1);
    setenv ("INNER", "home", 1);
    becomes ("$OUTER", "home/x");
    becomes ("${OUTER}y", "home/xy");
    setenv ("INNER", "${V}", 1);
    setenv ("V", "home", 1);
    becomes ("$OUTER", "home/x");
    setenv ("TILDE", "~/x", 1);
    becomes ("$TILDE", check_path ("home/x"));
    setenv ("HOME", "$V", 1);
    becomes ("~/x", "home/x");
    setenv ("V", "s", 1);
    becomes ("$V/$V", "s/s");
    becomes ("$V.$V", "s.s");
}

static void endless (void)
{
    static char big[2 * PATH_MAX];
    char name[] = "$DOUBLE-A";
    char value[] = "$DOUBLE-A/$DOUBLE-A";
    char letter;

    setenv ("SELF", "$SELF", 1);
    is_error ("a variable that refers to itself", "$SELF", ELOOP);
    is_error ("the same in braces", "${SELF}", ELOOP);
    is_error ("the same later in the name", "home/$SELF", ELOOP);
    setenv ("SELF", "x/$SELF", 1);
    is_error ("a variable that refers to itself and grows", "$SELF", ELOOP);
    setenv ("ONE", "$TWO", 1);
    setenv ("TWO", "$ONE", 1);
    is_error ("two variables that refer to each other", "$ONE", ELOOP);
    is_error ("the other one of them", "$TWO", ELOOP);

    memset (big, 'b', sizeof big - 1);
    is_error ("a name longer than PATH_MAX", big, ENAMETOOLONG);
    setenv ("BIG", big, 1);
    is_error ("a value longer than PATH_MAX", "$BIG", ENAMETOOLONG);
    setenv ("DOUBLE-A", "0123456789abcdef", 1);
    for (letter = 'B'; letter <= 'Z'; letter++) {
        name[strlen (name) - 1] = letter;
        value[strlen ("$DOUBLE-")] = (char) (letter - 1);
        value[strlen (value) - 1] = (char) (letter - 1);
        setenv (name + 1, value, 1);
    }
    is_error ("a result longer than PATH_MAX, by doubling", "$DOUBLE-Z", ENAMETOOLONG);
}

static void as_it_is (void)
{
    becomes ("host:file", "host:file");
    becomes ("file.007", "file.007");
    becomes ("file.", "file.");
    becomes ("file[1]", "file[1]");
    becomes ("*?", "*?");
    becomes ("a b\nc", "a b\nc");
    becomes ("\377\376", "\377\376");
}

int main (void)
{
    check_start ();
    memory = check_create (NAME, 10);
    CHECK ("directories for the files are created",
           mkdir (check_path ("home"), 0755) == 0 && mkdir (check_path ("s"), 0755) == 0
           && mkdir (check_path ("~"), 0755) == 0 && chdir (check_path ("")) == 0);
    home ();
    variables ();
    unusual_names ();
    braces ();
    nesting ();
    endless ();
    as_it_is ();
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    return check_done ();
}
