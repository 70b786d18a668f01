/* The lines that the library prints, and when. */

#define _GNU_SOURCE

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "c_tests/messages"
#define SIZE 16384L
#define TEXT 8192

static char out[TEXT];
static char err[TEXT];

/* The line with that number, or NULL if there are fewer lines. */
static const char *line_of (const char *text, int number)
{
    static char line[TEXT];
    const char *start = text;
    const char *end;

    for (; number > 0 && start != NULL; number--) {
        start = strchr (start, '\n');
        start = start == NULL ? NULL : start + 1;
    }
    end = start == NULL ? NULL : strchr (start, '\n');
    if (end == NULL) {
        return NULL;
    }
    memcpy (line, start, (size_t) (end - start));
    line[end - start] = '\0';
    return line;
}

static int lines_in (const char *text)
{
    int lines = 0;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static int starts (const char *line, const char *prefix)
{
    return line != NULL && strncmp (line, prefix, strlen (prefix)) == 0;
}

static int ends (const char *line, const char *suffix)
{
    return line != NULL && strlen (line) >= strlen (suffix)
        && strcmp (line + strlen (line) - strlen (suffix), suffix) == 0;
}

static int has (const char *line, const char *part)
{
    return line != NULL && strstr (line, part) != NULL;
}

/* ---- shm_util_debug ------------------------------------------------------------ */

static void debugged (void)
{
    void *address = NULL;
    SharedMemory memory = NULL;
    const char *file = check_path ("debugged");

    shm_util_debug = 1;
    printf ("before\n");
    shmCreate (NAME, SIZE, &address, &memory);
    printf ("address %lx\n", (unsigned long) address);
    shmSave (memory, file);
    printf ("saved\n");
    shmLoad (memory, file);
    printf ("loaded\n");
    shmAddress (memory);
    shmId (memory);
    shmSizeOf (memory);
    printf ("asked\n");
    shmDestroy (memory);
    printf ("after\n");
    shm_util_debug = 0;
    shmCreate (NAME, SIZE, &address, &memory);
    shmDestroy (memory);
    printf ("end\n");
}

static void debug_lines (void)
{
    char address[TEXT];

    CHECK ("a program with shm_util_debug exits with status 0",
           check_capture (debugged, out, err, TEXT) == 0);
    CHECK ("debug lines are in order with the program's own: first its own",
           starts (line_of (out, 0), "before"));
    CHECK ("then (shmCreate)", starts (line_of (out, 1), "(shmCreate) "));
    CHECK ("the line contains the name", has (line_of (out, 1), NAME));
    CHECK ("the line contains the size", has (line_of (out, 1), "16384"));
    strcpy (address, starts (line_of (out, 2), "address ") ? line_of (out, 2) : "address ?");
    CHECK ("the line contains the address", has (line_of (out, 1), address + strlen ("address ")));
    CHECK ("then (shmSave)", starts (line_of (out, 3), "(shmSave) "));
    CHECK ("the line contains the file", has (line_of (out, 3), "debugged"));
    CHECK ("then the program's line", starts (line_of (out, 4), "saved"));
    CHECK ("then (shmLoad)", starts (line_of (out, 5), "(shmLoad) "));
    CHECK ("the line contains the file", has (line_of (out, 5), "debugged"));
    CHECK ("then the program's line", starts (line_of (out, 6), "loaded"));
    CHECK ("the accessors print nothing", starts (line_of (out, 7), "asked"));
    CHECK ("then (shmDestroy)", starts (line_of (out, 8), "(shmDestroy) "));
    CHECK ("then the program's line", starts (line_of (out, 9), "after"));
    CHECK ("with shm_util_debug 0 again, calls print nothing", starts (line_of (out, 10), "end"));
    CHECK ("there are no other lines", lines_in (out) == 11);
    CHECK ("stderr is empty", err[0] == '\0');
}

static void debugged_failures (void)
{
    SharedMemory memory = NULL;

    shm_util_debug = -1;
    shmCreate (NAME, 0, NULL, &memory);
    shmCreate (NULL, 0, NULL, NULL);
    shmDestroy (NULL);
    shmDestroy ((SharedMemory) 1);
    shmSave ((SharedMemory) 1, "nowhere");
    shmSave (NULL, NULL);
    shmLoad ((SharedMemory) 1, "nowhere");
    shmLoad (NULL, NULL);
}

static void debug_lines_of_failures (void)
{
    static const char *const functions[] = {
        "(shmCreate) ", "(shmCreate) ", "(shmDestroy) ", "(shmDestroy) ",
        "(shmSave) ", "(shmSave) ", "(shmLoad) ", "(shmLoad) "
    };
    int i;

    CHECK ("a program of failures exits with status 0",
           check_capture (debugged_failures, out, err, TEXT) == 0);
    for (i = 0; i < 8; i++) {
        CHECK (check_text ("a failed call prints its line: %s", functions[i]),
               starts (line_of (out, i), functions[i]));
    }
    CHECK ("each failed call prints one line", lines_in (out) == 8);
    CHECK ("stderr is empty", err[0] == '\0');
}

/* ---- APERROR_PRINT ------------------------------------------------------------- */

static const char *print; /* its value, NULL for none */

static void fail (void)
{
    SharedMemory memory = NULL;

    if (print != NULL) {
        setenv ("APERROR_PRINT", print, 1);
    }
    shmCreate (NAME, 0, NULL, &memory);
}

static void prints_with (const char *value, int lines)
{
    print = value;
    CHECK ("a program that fails exits with status 0", check_capture (fail, out, err, TEXT) == 0);
    CHECK (check_text ("with APERROR_PRINT %s an error prints %d lines to stderr",
                       value == NULL ? "unset" : check_text ("'%s'", value), lines),
           lines_in (err) == lines && (lines > 0 || err[0] == '\0'));
    CHECK ("stdout is empty", out[0] == '\0');
}

static void when_errors_print (void)
{
    prints_with (NULL, 0);
    prints_with ("", 0);
    prints_with ("0", 0);
    prints_with ("000", 0);
    prints_with ("yes", 0);
    prints_with ("garbage", 0);
    prints_with ("1", 1);
    prints_with ("2", 1);
    prints_with ("-1", 1);
}

static void all_errors (void)
{
    SharedMemory memory = NULL;
    SharedMemory none = NULL;

    setenv ("APERROR_PRINT", "1", 1);
    shmCreate (NAME, SIZE, NULL, &memory);
    shmCreate ("missing", 0, NULL, &none);
    shmCreate (NAME, SIZE + 7, NULL, &none);
    shmSave (memory, check_path ("no directory/file"));
    shmLoad (memory, check_path ("no file"));
    shmDestroy (memory);
    shmDestroy (memory);
}

static void error_is (int number, const char *function, const char *object, int error)
{
    const char *line = line_of (err, number);

    CHECK (check_text ("an error line of %s begins with its name", function),
           starts (line, check_text ("(%s) ", function)));
    CHECK (check_text ("it contains what the call was about: %s", object), has (line, object));
    CHECK (check_text ("it ends with a colon and '%s'", strerror (error)),
           ends (line, check_text (": %s", strerror (error))));
}

static void how_errors_print (void)
{
    CHECK ("a program of errors exits with status 0",
           check_capture (all_errors, out, err, TEXT) == 0);
    error_is (0, "shmCreate", "missing", ENOENT);
    error_is (1, "shmCreate", NAME, EINVAL);
    CHECK ("a size larger than the segment's: the message contains both",
           has (line_of (err, 1), "16384") && has (line_of (err, 1), "16391"));
    error_is (2, "shmSave", "no directory/file", ENOENT);
    error_is (3, "shmLoad", "no file", ENOENT);
    error_is (4, "shmDestroy", "", EINVAL);
    CHECK ("successful calls print nothing", lines_in (err) == 5);
    CHECK ("stdout is empty", out[0] == '\0');
}

static long load_size;

static void load_another_size (void)
{
    SharedMemory memory = NULL;
    SharedMemory other = NULL;
    int status;

    if (print != NULL) {
        setenv ("APERROR_PRINT", print, 1);
    }
    shmCreate (NAME, SIZE, NULL, &memory);
    shmCreate ("c_tests/messages, other", load_size, NULL, &other);
    shmSave (other, check_path ("of another size"));
    status = shmLoad (memory, check_path ("of another size"));
    shmDestroy (other);
    shmDestroy (memory);
    exit (status);
}

static void size_mismatch (long size, const char *value, int lines)
{
    load_size = size;
    print = value;
    CHECK (check_text ("shmLoad of %ld bytes into %ld succeeds", size, SIZE),
           check_capture (load_another_size, out, err, TEXT) == 0);
    CHECK (check_text ("it prints %d lines", lines), lines_in (err) == lines);
    CHECK ("stdout is empty", out[0] == '\0');
    if (lines > 0) {
        CHECK ("the line begins with the function", starts (line_of (err, 0), "(shmLoad) "));
        CHECK ("the line contains the file", has (line_of (err, 0), "of another size"));
        CHECK ("the line states how many bytes fit or are unchanged",
               has (line_of (err, 0), size < SIZE
                    ? check_text ("has only %ld bytes; the other %ld bytes of segment '" NAME "'",
                                  size, SIZE - size)
                    : check_text ("has %ld bytes; only the first %ld fit into segment '" NAME "'",
                                  size, SIZE)));
    }
}

static void size_mismatches (void)
{
    size_mismatch (SIZE - 1, "1", 1);
    size_mismatch (SIZE + 1, "1", 1);
    size_mismatch (SIZE, "1", 0);
    size_mismatch (SIZE - 1, NULL, 0);
    size_mismatch (SIZE + 1, "0", 0);
}

static void both (void)
{
    shm_util_debug = 1;
    setenv ("APERROR_PRINT", "1", 1);
    shmDestroy ((SharedMemory) 1);
}

static void debug_and_errors (void)
{
    check_capture (both, out, err, TEXT);
    CHECK ("with both settings, a failure prints one line to stdout", lines_in (out) == 1);
    CHECK ("with both settings, a failure prints one line to stderr", lines_in (err) == 1);
}

int main (void)
{
    check_start ();
    CHECK ("shm_util_debug is 0 unless the program sets it", shm_util_debug == 0);
    debug_lines ();
    debug_lines_of_failures ();
    when_errors_print ();
    how_errors_print ();
    size_mismatches ();
    debug_and_errors ();
    return check_done ();
}
