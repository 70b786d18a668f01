/* What the partner and the programs in other languages have in the segment. */

#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdint.h>

#define SEGMENT "numbers"
#define COUNT 100

struct numbers {
    int32_t count; /* the partner's: how many, */
    int32_t numbers[COUNT]; /* and which */
    int32_t sum; /* the answer, */
    char who[16]; /* and whose it is, zero-filled */
};

#endif
