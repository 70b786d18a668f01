/*
 * Looks at the segment that the producer writes.
 *
 *     consumer                prints the readings' number and the last one
 *     consumer save FILE      copies the segment to a file
 *     consumer load FILE      copies the file into the segment
 *     consumer clear          forgets all readings
 *
 *     consumer hold           keeps it mapped until its stdin ends, and looks
 *                             again for each line
 *
 * In the end it destroys its mapping, and the segment with it if nobody else
 * has it mapped.
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
        printf ("consumer: %d readings, the last one is %d\n", readings->count,
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

    /* Size 0: only if it exists. */
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
