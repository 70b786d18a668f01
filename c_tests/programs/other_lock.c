/* Two libraries that lock in different ways do not share a registry. c_tests/scripts/semaphore runs
 * this program with both:
 *
 *     other_lock hold NAME     creates NAME, prints a line, and holds it until the input ends
 *     other_lock meet NAME     finds that another library holds it: ENOTSUP, and nothing changes
 */

#define _GNU_SOURCE

#include "shm_util_ext.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check (const char *sentence, int good)
{
    printf ("%s - %s\n", good ? "ok" : "not ok", sentence);
    if (!good) {
        failures++;
    }
}

static int hold (const char *name)
{
    SharedMemory memory;

    if (shmCreate (name, 4096, NULL, &memory) != 0) {
        return 1;
    }
    puts ("held");
    fflush (stdout);
    while (getchar () != EOF) {
    }
    return shmDestroy (memory) != 0;
}

static int meet (const char *name)
{
    SharedMemory memory;
    const char *text;
    int status;

    status = shmCreate (name, 4096, NULL, &memory);
    text = shmxErrorText ();
    check ("a program whose library locks otherwise gets ENOTSUP", status == ENOTSUP);
    check ("the message names both kinds of locks, and ipcrm",
           strstr (text, "semaphores") != NULL && strstr (text, "futexes") != NULL
           && strstr (text, "ipcrm -m ") != NULL);
    check ("a create of another name is refused, too",
           shmCreate ("c_tests/other_lock, new", 4096, NULL, &memory) == ENOTSUP);
    return failures != 0;
}

int main (int argc, char **argv)
{
    if (argc == 3 && strcmp (argv[1], "hold") == 0) {
        return hold (argv[2]);
    }
    if (argc == 3 && strcmp (argv[1], "meet") == 0) {
        return meet (argv[2]);
    }
    return 2;
}
