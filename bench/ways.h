/*
 * The ways to share memory that calls.c compares and, after them, those that directories.c
 * compares. A way is a weak symbol if it needs a library: it is left out if that is not
 * installed.
 */
#ifndef WAYS_H
#define WAYS_H

#ifdef __cplusplus
extern "C" {
#endif

struct way {
    const char *name;
    /* Prepares the way, which may create files in `directory`; NULL if not needed. */
    void (*begin) (const char *directory);
    /* Creates a segment with a name, attaches, detaches and deletes it. */
    void (*create) (long size);
    /* Create a segment that remains and touch its memory; delete it. */
    void (*hold) (long size);
    void (*release) (void);
    /* Attaches and detaches the segment that remains. */
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

extern const struct way way_files;
extern const struct way way_files_look;
extern const struct way way_files_plain;
extern const struct way way_apr_file WEAK;
extern const struct way way_boost_file WEAK;
extern const struct way way_lmdb WEAK;

#ifdef __cplusplus
}
#endif

#endif /* WAYS_H */
