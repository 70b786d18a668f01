/* Stands in for libgpl's header of this name, which shm_util.h includes where it exists. */

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
