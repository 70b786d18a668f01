/* Errors are printed when the program has a global aperror_print that is not 0. */

#define _GNU_SOURCE

#include "check.h"

#include <stdlib.h>
#include <string.h>

#define TEXT 4096

int aperror_print;

static char out[TEXT];
static char err[TEXT];

static void fail (void)
{
    SharedMemory memory = NULL;

    shmCreate ("c_tests/messages_global", 0, NULL, &memory);
}

static void fail_with_environment (void)
{
    setenv ("APERROR_PRINT", "1", 1);
    fail ();
}

static void set_and_fail (void)
{
    aperror_print = 1;
    fail ();
    aperror_print = 0;
    fail ();
}

static int has_one_line (const char *text)
{
    const char *end = strchr (text, '\n');

    return end != NULL && end[1] == '\0';
}

int main (void)
{
    check_start ();
    check_capture (fail, out, err, TEXT);
    CHECK ("with aperror_print 0 nothing is printed", err[0] == '\0');
    check_capture (set_and_fail, out, err, TEXT);
    CHECK ("set to 1 an error prints a line, set back to 0 it prints none", has_one_line (err));
    CHECK ("the line begins with the function", strncmp (err, "(shmCreate) ", 12) == 0);
    CHECK ("stdout has nothing", out[0] == '\0');
    check_capture (fail_with_environment, out, err, TEXT);
    CHECK ("the environment variable works beside it", has_one_line (err));
    return check_done ();
}
