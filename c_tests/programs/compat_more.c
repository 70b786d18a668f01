/* The second source file of compat. It includes shm_util.h first, which includes pragmatics.h. */

#include "shm_util.h"
#include "aperror.h"

#include "compat.h"

#ifndef SHM_UTIL_COMPAT
#error "this is another pragmatics.h than that of shm_util"
#endif

void more_errors (void)
{
    SET_ERRNO (ENOENT) ;
    LGE "more: ") ;
}
