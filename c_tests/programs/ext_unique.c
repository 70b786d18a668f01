/* SHMX_UNIQUE makes unique names; shmxName returns the name of a segment. */

#define _GNU_SOURCE

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEGINNING "c_tests/ext unique "
#define SIZE 100L
#define ROOM 1001 /* enough for every name */
#define END 12    /* random characters */
#define MANY 100
#define THREADS 4

static SharedMemory make (const char *beginning)
{
    SharedMemory memory = NULL;

    CHECK ("a segment with a unique name is created",
           shmxCreate (beginning, SIZE, SHMX_UNIQUE, 0, NULL, &memory) == 0);
    return memory;
}

static void names (void)
{
    SharedMemory first = make (BEGINNING), second = make (BEGINNING);
    char name[ROOM], another[ROOM];
    struct ShmxInfo info;
    SharedMemory again;

    errno = 12345;
    CHECK ("shmxName returns 0 and leaves errno unchanged",
           shmxName (first, name, sizeof name) == 0 && errno == 12345);
    CHECK ("the name begins as requested",
           strncmp (name, BEGINNING, strlen (BEGINNING)) == 0);
    CHECK ("12 characters follow", strlen (name) == strlen (BEGINNING) + END);
    CHECK ("the characters are digits and lower-case letters",
           strspn (name + strlen (BEGINNING), "0123456789abcdefghijklmnopqrstuvwxyz") == END);
    CHECK ("the next name is different",
           shmxName (second, another, sizeof another) == 0 && strcmp (name, another) != 0);
    CHECK ("the next segment is different", check_id (first) != check_id (second));
    CHECK ("shmxCreated is 1", shmxCreated (first) == 1);
    info.size = sizeof info;
    CHECK ("shmxStat shows the name",
           shmxStat (first, &info) == 0 && strcmp (info.name, name) == 0);
    CHECK ("the segment can be attached by its name",
           (again = check_create (name, 0)) != NULL && check_id (again) == check_id (first));
    CHECK ("shmDestroy returns 0", shmDestroy (again) == 0 && shmDestroy (first) == 0);
    CHECK ("the last shmDestroy deletes the segment", !check_exists (name));
    CHECK ("shmDestroy returns 0", shmDestroy (second) == 0);
}

static void no_beginning (void)
{
    SharedMemory memory = make (NULL);
    char name[ROOM];

    CHECK ("with NULL, the whole name is random",
           shmxName (memory, name, sizeof name) == 0 && strlen (name) == END);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    memory = make ("");
    CHECK ("with \"\", the whole name is random, too",
           shmxName (memory, name, sizeof name) == 0 && strlen (name) == END);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

static void lengths (void)
{
    static char beginning[1200];
    size_t longest = check_has (HAS_LONG_NAMES) ? 1000 : 255;
    SharedMemory memory = NULL;
    char name[ROOM];
    int segments;

    memset (beginning, 'b', longest - END);
    memory = make (beginning);
    CHECK ("the longest beginning yields a name of the longest length",
           shmxName (memory, name, sizeof name) == 0 && strlen (name) == longest
           && memcmp (name, beginning, longest - END) == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    beginning[longest - END] = 'b';
    segments = check_segments ();
    CHECK ("a longer beginning is ENAMETOOLONG",
           shmxCreate (beginning, SIZE, SHMX_UNIQUE, 0, NULL, &memory) == ENAMETOOLONG
           && errno == ENAMETOOLONG);
    memset (beginning, 'b', sizeof beginning - 1);
    CHECK ("a beginning beyond the limit on names is ENAMETOOLONG",
           shmxCreate (beginning, SIZE, SHMX_UNIQUE, 0, NULL, &memory) == ENAMETOOLONG);
    CHECK ("nothing is created", memory == NULL && check_segments () == segments);
}

static void with_other_flags (void)
{
    SharedMemory memory = NULL, again = NULL;
    char name[ROOM];

    CHECK ("SHMX_EXCL, SHMX_KEEP and a mode may be set, too",
           shmxCreate (BEGINNING, SIZE, SHMX_UNIQUE | SHMX_EXCL | SHMX_KEEP, 0600, NULL,
                       &memory) == 0
           && check_is_mode (check_id (memory), 0600));
    CHECK ("shmDestroy leaves the kept segment",
           shmxName (memory, name, sizeof name) == 0 && shmDestroy (memory) == 0
           && check_exists (name) && shmxRemove (name) == 0);
    CHECK ("SHMX_RDONLY may be set, too",
           shmxCreate (BEGINNING, SIZE, SHMX_UNIQUE | SHMX_RDONLY, 0, NULL, &memory) == 0
           && shmLoad (memory, "/dev/zero") == EACCES && shmDestroy (memory) == 0);
    CHECK ("SHMX_ATTACH with SHMX_UNIQUE is EINVAL",
           shmxCreate (BEGINNING, SIZE, SHMX_UNIQUE | SHMX_ATTACH, 0, NULL, &again) == EINVAL);
    CHECK ("a size of 0 with SHMX_UNIQUE is EINVAL",
           shmxCreate (BEGINNING, 0, SHMX_UNIQUE, 0, NULL, &again) == EINVAL && again == NULL);
    CHECK ("the reason is the argument", shmxErrorReason () == SHMX_REASON_ARGUMENT);
    CHECK ("without SHMX_UNIQUE, NULL for the name is EINVAL",
           shmxCreate (NULL, SIZE, SHMX_EXCL, 0, NULL, &again) == EINVAL);
    CHECK ("NULL for the handle is EINVAL",
           shmxCreate (NULL, SIZE, SHMX_UNIQUE, 0, NULL, NULL) == EINVAL);
}

static void *makes_many (void *handles)
{
    SharedMemory *memory = handles;
    int i;

    for (i = 0; i < MANY; i++) {
        shmxCreate (BEGINNING, SIZE, SHMX_UNIQUE, 0, NULL, &memory[i]);
    }
    return NULL;
}

static void in_a_child (void)
{
    SharedMemory memory = make (BEGINNING);
    char name[ROOM];

    CHECK ("the child writes its name", shmxName (memory, name, sizeof name) == 0
           && write (STDOUT_FILENO, name, strlen (name)) == (ssize_t) strlen (name));
    shmDestroy (memory);
    _exit (0);
}

static void at_once (void)
{
    static SharedMemory memory[THREADS][MANY];
    pthread_t threads[THREADS];
    int i, j, made = 0;

    if (!check_has_room (THREADS * MANY + 1, "four hundred unique names")) {
        return;
    }
    for (i = 0; i < THREADS; i++) {
        pthread_create (&threads[i], NULL, makes_many, memory[i]);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join (threads[i], NULL);
    }
    for (i = 0; i < THREADS; i++) {
        for (j = 0; j < MANY; j++) {
            made += shmxCreated (memory[i][j]) == 1 && shmDestroy (memory[i][j]) == 0;
        }
    }
    CHECK ("four threads create a hundred segments each", made == THREADS * MANY);
}

static void after_fork (void)
{
    char first[ROOM + 1000] = "", second[ROOM + 1000] = "", err[1000];

    CHECK ("a child exits with status 0", check_capture (in_a_child, first, err, sizeof err) == 0);
    CHECK ("another child exits with status 0",
           check_capture (in_a_child, second, err, sizeof err) == 0);
    CHECK ("children of the same process get different names",
           first[0] != '\0' && strcmp (first, second) != 0);
}

static void name_of_handle (void)
{
    SharedMemory memory = check_create ("1234567", SIZE);
    char name[9];

    memset (name, 'x', sizeof name);
    CHECK ("shmxName works for every handle", shmxName (memory, name, 8) == 0
           && strcmp (name, "1234567") == 0);
    CHECK ("bytes beyond the NUL are unchanged", name[8] == 'x');
    memset (name, 'x', sizeof name);
    errno = 0;
    CHECK ("a buffer without room for the NUL is ERANGE",
           shmxName (memory, name, 7) == ERANGE && errno == ERANGE);
    CHECK ("a buffer of 0 bytes is ERANGE", shmxName (memory, name, 0) == ERANGE);
    CHECK ("the buffer is unchanged", check_filled (name, 'x', sizeof name));
    CHECK ("the message states how many bytes are needed",
           strstr (shmxErrorText (), "8 are needed") != NULL);
    CHECK ("NULL for the buffer is EINVAL", shmxName (memory, NULL, 100) == EINVAL);
    CHECK ("the name is removed", shmxRemove ("1234567") == 0);
    CHECK ("shmxName returns the name that the segment had",
           shmxName (memory, name, sizeof name) == 0 && strcmp (name, "1234567") == 0);
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
    CHECK ("shmxName of a destroyed handle is EINVAL",
           shmxName (memory, name, sizeof name) == EINVAL
           && shmxErrorReason () == SHMX_REASON_HANDLE);
    CHECK ("shmxName of NULL is EINVAL", shmxName (NULL, name, sizeof name) == EINVAL);
    memory = check_create ("", SIZE);
    CHECK ("the empty name needs one byte", shmxName (memory, name, 0) == ERANGE
           && shmxName (memory, name, 1) == 0 && name[0] == '\0');
    CHECK ("shmDestroy returns 0", shmDestroy (memory) == 0);
}

int main (void)
{
    check_start ();
    names ();
    no_beginning ();
    lengths ();
    with_other_flags ();
    at_once ();
    after_fork ();
    name_of_handle ();
    return check_done ();
}
