/* What the two programs of the demo agree on. */

#define READINGS "demo readings"
#define READINGS_KEPT 1000

struct readings {
    volatile int count;                  /* how many there were so far */
    volatile int value[READINGS_KEPT];   /* the last ones */
};
