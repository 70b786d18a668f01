/*
 * Reads the segment that the producer writes.
 *
 *     consumer                prints how many readings there are, and the last one
 *     consumer save FILE      copies the segment to a file
 *     consumer load FILE      copies the file into the segment
 *     consumer clear          discards all readings
 *     consumer hold           stays attached until stdin ends, and prints the
 *                             readings again for each line
 *
 * Before it exits it calls shmDestroy, which deletes the segment if no other
 * process is attached.
 */

#include <stdio.h>
#include <string.h>

#include "shm_util.h"
#include "readings.h"

static int report (const char *what, int status)
{
    if (status != 0)
        fprintf (stderr, "consumer: %s: %s\n", what, strerror (status));
    return status;
}

static void show (const struct readings *readings)
{
    if (readings->count == 0)
        printf ("consumer: no readings\n");
    else
        printf ("consumer: %d readings, the last is %d\n", readings->count,
                readings->value[(readings->count - 1) % READINGS_KEPT]);
    fflush (stdout);
}

int main (int argc, char *argv[])
{
    SharedMemory memory;
    void *address = NULL;
    struct readings *readings;
    char line[80];
    const char *what = argc > 1 ? argv[1] : "show";
    const char *file = argc > 2 ? argv[2] : "";

    /* Size 0: attach an existing segment, create none. */
    if (report ("shmCreate", shmCreate (READINGS, 0, &address, &memory)) != 0)
        return 1;
    readings = address;

    if (strcmp (what, "save") == 0) {
        if (report (file, shmSave (memory, file)) != 0)
            return 1;
    } else if (strcmp (what, "load") == 0) {
        if (report (file, shmLoad (memory, file)) != 0)
            return 1;
    } else if (strcmp (what, "clear") == 0) {
        readings->count = 0;
    }
    show (readings);
    if (strcmp (what, "hold") == 0)
        while (fgets (line, sizeof line, stdin) != NULL)
            show (readings);
    return report ("shmDestroy", shmDestroy (memory)) != 0;
}
