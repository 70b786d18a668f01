/* shmxErrorText: the last error of a thread, as a sentence. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "c_tests/ext error"
#define SIZE 4096L

static int says (const char *what)
{
    return strstr (shmxErrorText (), what) != NULL;
}

static void *in_another_thread (void *result)
{
    int *good = result;

    *good = strcmp (shmxErrorText (), "") == 0;
    *good += shmxRemove ("no such, of another thread") == ENOENT && says ("of another thread");
    return NULL;
}

static void sentences (void)
{
    SharedMemory memory, none = NULL;
    static char name[1001];
    const char *text;
    pthread_t thread;
    int good = 0;

    CHECK ("before the first error the text is empty", strcmp (shmxErrorText (), "") == 0);
    memory = check_create (NAME, SIZE);
    CHECK ("success leaves the text empty", strcmp (shmxErrorText (), "") == 0);
    shmCreate (NAME, 8192, NULL, &none);
    CHECK ("shmCreate: the text contains name and both sizes",
           says (NAME) && says ("4096") && says ("8192"));
    CHECK ("the text ends with that of strerror(3)", says (strerror (EINVAL)));
    text = shmxErrorText ();
    CHECK ("success leaves the text unchanged",
           shmxKeep (memory, 0) == 0 && text == shmxErrorText ()
           && says ("8192"));
    shmSave (memory, "/no such directory/file");
    CHECK ("shmSave: the text names the file",
           says ("/no such directory/file") && says (strerror (ENOENT)) && !says ("translated"));
    shmLoad (memory, "/no such file");
    CHECK ("shmLoad: the text names the file", says ("/no such file"));
    setenv ("EXT_ERROR", "/no such directory", 1);
    shmSave (memory, "$EXT_ERROR/file");
    CHECK ("shmSave: the text names the translated file and the argument",
           says (" bytes to '/no such directory/file', translated from '$EXT_ERROR/file': "));
    shmLoad (memory, "$EXT_ERROR/file");
    CHECK ("shmLoad: the text names the translated file and the argument",
           says (" bytes from '/no such directory/file', translated from '$EXT_ERROR/file': "));
    shmxLoad (memory, "${EXT_ERROR}/file", NULL);
    CHECK ("shmxLoad: the text names the translated file and the argument",
           says (" bytes from '/no such directory/file', translated from '${EXT_ERROR}/file': "));
    shmDestroy ((SharedMemory) &memory);
    CHECK ("shmDestroy: the text contains the handle", says ("0x") && says ("handle"));
    shmAddress (NULL);
    CHECK ("shmAddress: the text mentions NULL", says ("NULL") && says (strerror (EINVAL)));
    shmxRemove ("no such");
    shmId ((SharedMemory) 1);
    CHECK ("shmId: the text contains the handle", says ("0x1 "));
    shmxRemove ("no such");
    shmSizeOf ((SharedMemory) 2);
    CHECK ("shmSizeOf: the text contains the handle", says ("0x2 "));
    shmxRemove ("a\nb\377");
    CHECK ("unprintable bytes are escaped, on one line", says ("a\\nb\\xff"));
    pthread_create (&thread, NULL, in_another_thread, &good);
    pthread_join (thread, NULL);
    CHECK ("each thread has its own text", good == 2 && says ("a\\nb"));
    memset (name, 1, 1000);
    shmxRemove (name);
    CHECK ("a long text is truncated", strlen (shmxErrorText ()) == 2047
           && says (check_has (HAS_LONG_NAMES) ? "no segment" : "remove segment"));
    shmxCreate (NAME, SIZE, 0, 01666, NULL, &none);
    CHECK ("modes are printed in octal, as in C", says ("mode 01666 has"));
    CHECK ("modes of shmxSetPerm too", shmxSetPerm (memory, -1, -1, 07777) == EINVAL
           && says ("mode 07777 has"));
    shmxCreate (NAME, SIZE, 1 << 20, 0, NULL, &none);
    CHECK ("unknown flags: the text names the operation, the name and the flags",
           says ("create or attach segment '" NAME "': flags 0x100000 "));
    shmxPrune (-1, NULL);
    CHECK ("a negative age: the text names the operation and the age",
           says ("prune: minimumAge is -1"));
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void untranslatable (void)
{
    setenv ("EXT_ERROR", "$EXT_ERROR", 1);
    setenv ("NOB_DATABASE", "$EXT_ERROR/x", 1);
    CHECK ("the text names NOB_DATABASE where it is the cause",
           shmxRemove (NAME) == ELOOP && says ("NOB_DATABASE")
           && says ("EXT_ERROR"));
}

static void say_it (void)
{
    shmxRemove ("no such");
}

static void printing (void)
{
    char out[1000], err[1000];

    CHECK ("a child exits with status 0", check_capture (say_it, out, err, sizeof out) == 0);
    CHECK ("an error prints nothing by default", out[0] == '\0' && err[0] == '\0');
    setenv ("APERROR_PRINT", "1", 1);
    CHECK ("a child exits with status 0", check_capture (say_it, out, err, sizeof out) == 0);
    unsetenv ("APERROR_PRINT");
    CHECK ("with APERROR_PRINT, an error prints a line with the function's name",
           strncmp (err, "(shmxRemove) no segment 'no such' in", 36) == 0 && out[0] == '\0');
    shm_util_debug = 1;
    CHECK ("a child exits with status 0", check_capture (say_it, out, err, sizeof out) == 0);
    shm_util_debug = 0;
    CHECK ("shm_util_debug does not print calls of shm_util_ext.h",
           out[0] == '\0' && err[0] == '\0');
}

int main (void)
{
    check_start ();
    /* Children, whose first calls read the environment; this process has made none yet. */
    printing ();
    CHECK ("a child exits with status 0", check_child (untranslatable) == 0);
    sentences ();
    return check_done ();
}
