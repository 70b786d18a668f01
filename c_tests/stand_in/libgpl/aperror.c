#include "stand_in.h"

int aperror_print = 0;
