/*
 * A program that used libgpl for shm_util and for the macros of pragmatics.h, compiled without
 * libgpl. It uses everything in include/shm_util/compat, in the style of such programs.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pragmatics.h"
#include "shm_util.h"

#include "compat.h"

int prog_debug = 0;
#undef I_DEFAULT_GUARD
#define I_DEFAULT_GUARD prog_debug

static int failures = 0;

static int openSegment P_((const char *name, SharedMemory *memory)) ;
static void expect P_((const char *sentence, int holds)) ;

static int openSegment (

#if PROTOTYPES
        const char *name,
        SharedMemory *memory)
#else
        name, memory)

        char *name ;
        SharedMemory *memory ;
#endif

{
    void *address = NULL ;

    LGI "(openSegment) Looking for \"%s\".\n", name) ;

    if (shmCreate (name, 0, &address, memory)) {
        LGE "(openSegment) Error opening \"%s\".\nshmCreate: ", name) ;
        PUSH_ERRNO ;  SET_ERRNO (0) ;  shmDestroy (*memory) ;  POP_ERRNO ;
        return (errno) ;
    }

    LGI "(openSegment) It is at %p.\n", shmAddress (*memory)) ;

    return (0) ;
}

static void expect (const char *sentence, int holds)
{
    printf ("%sok - %s\n", holds ? "" : "not ", sentence);
    failures += !holds;
}

/* The text that was printed to the file since the last call. */
static const char *printed (FILE *file)
{
    static char text[4096];
    static long before = 0;
    size_t length;

    fflush (file);
    fseek (file, before, SEEK_SET);
    length = fread (text, 1, sizeof text - 1, file);
    text[length] = '\0';
    before = ftell (file);
    fseek (file, 0, SEEK_END);
    return text;
}

/* The else belongs to this if, not to one inside LGE. */
static const char *branch (int failed)
{
    const char *taken = "none";

    if (failed)  LGE "(branch) ") ;
    else  taken = "else";
    return taken;
}

static void errors (FILE *file)
{
    SharedMemory memory;

    expect ("PUSH_ERRNO and POP_ERRNO keep the error of the failed call",
            openSegment ("no such segment", &memory) == ENOENT && errno == ENOENT);
    expect ("nothing is printed while aperror_print is 0", printed (file)[0] == '\0');

    aperror_print = 1;
    openSegment ("no such segment", &memory);
    expect ("LGE prints the message, the error's text and a newline",
            strcmp (printed (file), "(openSegment) Error opening \"no such segment\".\n"
                                    "shmCreate: No such file or directory\n") == 0);
    SET_ERRNO (EPERM) ;
    aperror ("%s %d: ", "number", 7);
    expect ("aperror prints the same", strcmp (printed (file),
                                             "number 7: Operation not permitted\n") == 0);
    expect ("aperror leaves errno unchanged", errno == EPERM);
    expect ("SET_ERRNO is an expression", SET_ERRNO (ERANGE) == ERANGE && errno == ERANGE);
    expect ("LGE can be used in an if that has an else",
            strcmp (branch (1), "none") == 0 && strcmp (branch (0), "else") == 0);
    printed (file);
    more_errors ();
    expect ("a second source file uses the same settings",
            strcmp (printed (file), "more: No such file or directory\n") == 0);
    aperror_print = 0;
    more_errors ();
    expect ("a second source file sees changed settings", printed (file)[0] == '\0');
}

static void information (FILE *file)
{
    SharedMemory memory;

#undef I_DEFAULT_HANDLER
#undef I_DEFAULT_PARAMS
#define I_DEFAULT_HANDLER fprintf
#define I_DEFAULT_PARAMS file,
    LGI "not this\n") ;
    expect ("LGI prints nothing while its guard is 0", printed (file)[0] == '\0');
    prog_debug = 1;
    LGI "%d of %d\n", 1, 2) ;
    expect ("LGI prints with the program's own handler",
            strcmp (printed (file), "1 of 2\n") == 0);
#undef I_LEVEL
#define I_LEVEL 0
    LGI "not this\n") ;
    expect ("LGI prints nothing at level 0", printed (file)[0] == '\0');
    prog_debug = 0;
#undef I_LEVEL
#define I_LEVEL 2
    LGI "this\n") ;
    expect ("LGI prints everything at level 2", strcmp (printed (file), "this\n") == 0);

    /* This is printed to stdout, where c_tests/run expects it. */
    prog_debug = 1;
    openSegment ("no such segment", &memory);
}

int main (int argc, char *argv[])
{
    char path[4096];
    FILE *file;

    (void) argc;
    sprintf (path, "%.4000s.printed", argv[0]);
    file = fopen (path, "w+");
    if (file == NULL) {
        perror (path);
        return EXIT_FAILURE;
    }
    remove (path);
    aperror_file = file;
    errors (file);
    information (file);
    fclose (file);
    return failures != 0;
}
