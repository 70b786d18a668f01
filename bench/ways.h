/*
 * The ways to share memory that calls.c compares. Each is in a file of its own, and is left
 * out of the program where what it needs is not installed: so it is a weak symbol.
 */
#ifndef WAYS_H
#define WAYS_H

#ifdef __cplusplus
extern "C" {
#endif

struct way {
    const char *name;
    /* Where it may put files. NULL if it has none. */
    void (*begin) (const char *directory);
    /* Makes a segment under a name, maps it, unmaps it and deletes it. */
    void (*create) (long size);
    /* Makes a segment that stays, and touches its memory; then takes it away. */
    void (*hold) (long size);
    void (*release) (void);
    /* Maps the segment that stays, and unmaps it. */
    void (*attach) (void);
};

#define WEAK __attribute__ ((weak))

extern const struct way way_library;
extern const struct way way_sysv;
extern const struct way way_sysv_by_key;
extern const struct way way_posix;
extern const struct way way_apr WEAK;
extern const struct way way_boost_object WEAK;
extern const struct way way_boost_managed WEAK;
extern const struct way way_qt WEAK;
extern const struct way way_libgpl WEAK;

#ifdef __cplusplus
}
#endif

#endif /* WAYS_H */
