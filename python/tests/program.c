/*
 * program create NAME TEXT    creates a segment with this text, and waits for a line of input
 * program read NAME           prints the text of a segment, and destroys it
 */

#include <stdio.h>
#include <string.h>

#include "shm_util.h"

int main (int argc, char **argv)
{
    SharedMemory memory;
    void *address = NULL;
    char line[80];

    if (argc == 4 && strcmp (argv[1], "create") == 0) {
        if (shmCreate (argv[2], 4096, &address, &memory) != 0)
            return 1;
        strcpy (address, argv[3]);
        puts ("ready");
        fflush (stdout);
        if (fgets (line, sizeof line, stdin) == NULL)
            return 1;
    } else if (argc == 3 && strcmp (argv[1], "read") == 0) {
        if (shmCreate (argv[2], 0, &address, &memory) != 0)
            return 1;
        puts (address);
    } else {
        return 2;
    }
    return shmDestroy (memory);
}
