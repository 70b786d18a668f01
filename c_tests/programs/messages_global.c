/* A global aperror_print other than 0 in the program makes errors print a line. */

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
    CHECK ("with aperror_print 0 an error prints nothing", err[0] == '\0');
    check_capture (set_and_fail, out, err, TEXT);
    CHECK ("with aperror_print 1 an error prints a line, and none after it is 0 again",
           has_one_line (err));
    CHECK ("the line begins with the function", strncmp (err, "(shmCreate) ", 12) == 0);
    CHECK ("stdout is empty", out[0] == '\0');
    check_capture (fail_with_environment, out, err, TEXT);
    CHECK ("APERROR_PRINT works in such a program, too", has_one_line (err));
    return check_done ();
}
