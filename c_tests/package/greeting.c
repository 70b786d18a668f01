/* A user's program, which is built with each build system. */
#include <stdio.h>
#include <string.h>
#include <shm_util.h>
#include <shm_util_ext.h>

int main (void)
{
    SharedMemory memory;
    void *address = NULL;
    struct ShmxInfo info;
    int status;

    status = shmCreate ("greeting", 4096, &address, &memory);
    if (status != 0) {
        fprintf (stderr, "%s\n", shmxErrorText ());
        return 1;
    }
    strcpy (address, "hello");
    info.size = sizeof (info);
    status = shmxStat (memory, &info);
    if (status == 0)
        printf ("%s: %s, %ld bytes\n", info.name, (char *) address, info.bytes);
    return shmDestroy (memory) | status;
}
