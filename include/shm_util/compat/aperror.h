/*
 * aperror.h - for programs that have left libgpl: the function that prints an
 * error. See pragmatics.h beside this file.
 *
 * It needs no library. Function and variables are weak, so every object file may
 * contain them. A program that defines its own uses those, provided that it does
 * not include this header where it defines them. libshm_util reads the same
 * aperror_print.
 */
#ifndef APERROR_H
#define APERROR_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not __attribute__, which glibc removes under tcc. */
#define SHM_UTIL_WEAK __attribute ((__weak__))

#ifdef __cplusplus
extern "C" {
#endif

/* If not 0, errors are printed. */
extern int aperror_print SHM_UTIL_WEAK;
/* Where they are printed; NULL means stderr. */
extern FILE *aperror_file SHM_UTIL_WEAK;

/*
 * If aperror_print is not 0, or the environment variable APERROR_PRINT is a
 * number other than 0, prints the format like printf, then strerror (errno) and a
 * newline. Leaves errno unchanged.
 *
 *     aperror ("Error opening %s.\nopen: ", file);
 */
extern void aperror (const char *format, ...) SHM_UTIL_WEAK;

int aperror_print SHM_UTIL_WEAK = 0;
FILE *aperror_file SHM_UTIL_WEAK = NULL;

void aperror (const char *format, ...)
{
    const int code = errno;
    const char *asked_for = getenv ("APERROR_PRINT");

    if (aperror_print != 0 || (asked_for != NULL && atoi (asked_for) != 0)) {
        FILE *out = aperror_file != NULL ? aperror_file : stderr;
        va_list values;

        va_start (values, format);
        vfprintf (out, format, values);
        va_end (values);
        fprintf (out, "%s\n", strerror (code));
    }
    errno = code;
}

#ifdef __cplusplus
}
#endif

/* As in libgpl, this header includes the other one. */
#include "pragmatics.h"

#endif /* APERROR_H */
