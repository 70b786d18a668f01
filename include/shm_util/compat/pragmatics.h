/*
 * pragmatics.h - for programs that have left libgpl: the macros that print
 * messages and preserve errno, and nothing else from libgpl's header.
 *
 *     cc -I/usr/local/include/shm_util/compat prog.c -lshm_util
 *
 *     P_((ARGUMENTS))              the arguments of a prototype
 *     LGE "FORMAT", VALUES...) ;   print an error: the message and strerror (errno)
 *     LGI "FORMAT", VALUES...) ;   print information
 *     SET_ERRNO (CODE)             set errno to CODE; an expression
 *     PUSH_ERRNO ; ... POP_ERRNO ; preserve errno in between
 *
 * LGE and LGI really do open a parenthesis that the program closes. Each forms an
 * expression of type void, so `if (failed)  LGE "...") ;  else ...` works as it
 * looks.
 *
 * A program may define these before or after it includes this header:
 *
 *     E_LEVEL, I_LEVEL                      0: no messages; 1: if the guard is not
 *                                           0; 2: always
 *     E_DEFAULT_GUARD, I_DEFAULT_GUARD      an expression (default 1)
 *     E_DEFAULT_HANDLER, I_DEFAULT_HANDLER  a function like printf (default aperror
 *                                           and printf)
 *     E_DEFAULT_PARAMS, I_DEFAULT_PARAMS    arguments before the format, with a
 *                                           trailing comma (default none)
 *     LGE, LGI                              replacements for the whole macros
 *     USE_APERROR                           0: LGE prints with fprintf to stderr
 *
 * The default level is 2 for errors, because aperror_print guards them already,
 * and 1 for information. To change a definition later, #undef it first.
 *
 * Needs C89 or C++98, and a compiler with weak symbols: gcc, clang, tcc.
 */
#ifndef PRAGMATICS_H
#define PRAGMATICS_H

/* Distinguishes this header from libgpl's. */
#define SHM_UTIL_COMPAT 1

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#ifndef __STDC_LIB_EXT1__
typedef int errno_t;
#endif

/* Every compiler today has prototypes. */
#ifndef PROTOTYPES
#define PROTOTYPES 1
#endif
#ifndef P_
#define P_(arguments) arguments
#endif

#define SET_ERRNO(code) (errno = (int) (code))
#define PUSH_ERRNO { const int shm_util_kept_errno = errno;
#define POP_ERRNO errno = shm_util_kept_errno; }

#ifndef USE_APERROR
#define USE_APERROR 1
#endif
#if USE_APERROR
#include "aperror.h"
#ifndef E_DEFAULT_HANDLER
#define E_DEFAULT_HANDLER aperror
#endif
#ifndef E_DEFAULT_PARAMS
#define E_DEFAULT_PARAMS
#endif
#endif

#ifndef E_LEVEL
#define E_LEVEL 2
#endif
#ifndef E_DEFAULT_GUARD
#define E_DEFAULT_GUARD 1
#endif
#ifndef E_DEFAULT_HANDLER
#define E_DEFAULT_HANDLER fprintf
#endif
#ifndef E_DEFAULT_PARAMS
#define E_DEFAULT_PARAMS stderr,
#endif

#ifndef I_LEVEL
#define I_LEVEL 1
#endif
#ifndef I_DEFAULT_GUARD
#define I_DEFAULT_GUARD 1
#endif
#ifndef I_DEFAULT_HANDLER
#define I_DEFAULT_HANDLER printf
#endif
#ifndef I_DEFAULT_PARAMS
#define I_DEFAULT_PARAMS
#endif

/* These macros are expanded where LGE and LGI are used, not here. */
#define SHM_UTIL_SILENT(level, guard) \
    ((level) != 2 && ((level) != 1 || !(guard)))
#ifndef LGE
#define LGE SHM_UTIL_SILENT (E_LEVEL, E_DEFAULT_GUARD) ? (void) 0 \
    : (void) E_DEFAULT_HANDLER (E_DEFAULT_PARAMS
#endif
#ifndef LGI
#define LGI SHM_UTIL_SILENT (I_LEVEL, I_DEFAULT_GUARD) ? (void) 0 \
    : (void) I_DEFAULT_HANDLER (I_DEFAULT_PARAMS
#endif

#endif /* PRAGMATICS_H */
