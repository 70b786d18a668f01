#include "plain.h"

void *plain_address (const struct plain *plain)
{
    return plain == 0 ? 0 : plain->address;
}
