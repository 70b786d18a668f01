/* shmxVersion: the version of the library, and that of the header. */

#include "check.h"
#include "shm_util_ext.h"

#include <errno.h>

#if SHMX_VERSION < 10000 || SHMX_VERSION_MAJOR < 1
#error "the version cannot be compared by the preprocessor"
#endif

int main (void)
{
    check_start ();
    errno = 12345;
    CHECK ("shmxVersion returns the version of the header", shmxVersion () == SHMX_VERSION);
    CHECK ("errno is unchanged", errno == 12345);
    CHECK ("the version consists of three numbers", SHMX_VERSION
           == SHMX_VERSION_MAJOR * 10000 + SHMX_VERSION_MINOR * 100 + SHMX_VERSION_PATCH);
    return check_done ();
}
