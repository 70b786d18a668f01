/* A function of a shared library that returns what a structure holds: the yardstick for
 * shmAddress, shmId and shmSizeOf. */
#ifndef PLAIN_H
#define PLAIN_H

struct plain {
    void *address;
};

void *plain_address (const struct plain *plain);

#endif /* PLAIN_H */
