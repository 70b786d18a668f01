/* What else the stand-in for libgpl has. */

#ifndef STAND_IN_H
#define STAND_IN_H

/* What its functions of shm_util return, and no others. */
#define NOT_OURS 4711

/* Its nob_util: not 0 for any name. */
int nobGet (const char *name);

/* Another package, which uses both: makes and destroys a segment. */
int userCreateAndDestroy (const char *name);

extern int aperror_print;

#endif
