/* The segment that the two programs of the demo share. */

#define READINGS "demo readings"
#define READINGS_KEPT 1000

struct readings {
    volatile int count;                  /* readings written so far */
    volatile int value[READINGS_KEPT];   /* the most recent ones */
};
