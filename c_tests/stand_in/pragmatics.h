/* Stands in for libgpl's header of the same name, where shm_util.h looks for it. */

#ifndef PRAGMATICS_H
#define PRAGMATICS_H

#define PRAGMATICS_STAND_IN

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#endif
