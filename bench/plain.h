/* A function in a shared library that returns a member of a structure: the reference for
 * shmAddress, shmId and shmSizeOf. */
#ifndef PLAIN_H
#define PLAIN_H

struct plain {
    void *address;
};

void *plain_address (const struct plain *plain);

#endif /* PLAIN_H */
