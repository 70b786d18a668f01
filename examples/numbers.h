/* The contents of the segment that the partner shares with the programs in other languages. */

#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdint.h>

#define SEGMENT "numbers"
#define COUNT 100

struct numbers {
    int32_t count; /* by the partner: how many numbers, */
    int32_t numbers[COUNT]; /* and the numbers */
    int32_t sum; /* by the other program: the sum, */
    char who[16]; /* and the language, padded with zeros */
};

#endif
