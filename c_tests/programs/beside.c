/*
 * A program that is linked with shm_util and with libgpl. It prints whose functions it calls, and
 * whose another package of libgpl calls. See c_tests/scripts/beside.
 */

#include <stdio.h>

#include "shm_util.h"
#include "stand_in.h"

int main (void)
{
    SharedMemory memory;
    int own, users;

    own = shmCreate ("beside", 100, NULL, &memory);
    if (own == 0) {
        own = shmSizeOf (memory) == 100 ? shmDestroy (memory) : NOT_OURS;
    }
    users = userCreateAndDestroy ("beside too");

    /* Only libshm_util prints these two lines. libgpl has variables of the same names. */
    shm_util_debug = 1;
    aperror_print = 1;
    shmCreate ("beside", 0, NULL, &memory);
    fflush (stdout);

    printf ("program %s, libgpl %s\n", own == NOT_OURS ? "libgpl's" : own == 0 ? "ours" : "?",
            users == NOT_OURS ? "libgpl's" : users == 0 ? "ours" : "?");
    return 0;
}
