#include "stand_in.h"

int nobGet (const char *name)
{
    return name != 0;
}
