/*
 * pragmatics.h - for programs that have left libgpl: the macros by which they
 * print messages and keep errno, and nothing else of libgpl's header.
 *
 *     cc -I/usr/local/include/shm_util/compat prog.c -lshm_util
 *
 *     P_((ARGUMENTS))              the arguments of a prototype
 *     LGE "FORMAT", VALUES...) ;   an error: the message and strerror (errno)
 *     LGI "FORMAT", VALUES...) ;   information
 *     SET_ERRNO (CODE)             errno gets CODE; an expression
 *     PUSH_ERRNO ; ... POP_ERRNO ; what is between does not change errno
 *
 * Yes, LGE and LGI open a parenthesis that the program closes. Each makes an
 * expression of type void, so `if (failed)  LGE "...") ;  else ...` is what
 * it looks like.
 *
 * What a program may define, before or after this header is included:
 *
 *     E_LEVEL, I_LEVEL                      0: no messages; 1: if the guard is not
 *                                           0; 2: whatever the guard is
 *     E_DEFAULT_GUARD, I_DEFAULT_GUARD      an expression; 1 if not defined
 *     E_DEFAULT_HANDLER, I_DEFAULT_HANDLER  like printf; aperror and printf
 *     E_DEFAULT_PARAMS, I_DEFAULT_PARAMS    what comes before the format, with a
 *                                           comma behind; nothing
 *     LGE, LGI                              something else altogether
 *     USE_APERROR                           0: LGE prints by fprintf to stderr
 *
 * The levels are 2 for errors, which aperror_print guards already, and 1 for
 * information. To change one of these later, #undef it before.
 *
 * C89 or C++98, and a compiler that has weak symbols: gcc, clang, tcc.
 */
#ifndef PRAGMATICS_H
#define PRAGMATICS_H

/* How a program can tell this header from libgpl's. */
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

/* Every compiler that is left has prototypes. */
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

/* All of these are expanded where LGE and LGI are used, not here. */
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
