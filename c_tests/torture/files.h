/*
 * files.h - directory namespaces: what is in the directory, without asking the library.
 *
 * A program uses one namespace at a time: that of System V segments, or a directory, see
 * use_directory. So that a check works for both, a file of the directory is described as a segment:
 * its number takes the place of the identifier, and its name is in `struct segment`. The number is
 * the inode's, which no other file has while this one exists or is mapped.
 *
 * "Files of others" are in the directory, too, and stand for no segment. There is one of each kind:
 * what a program could mistake for a segment, and what the library could mistake for its own.
 *
 * Moments: a test can have a function called right before the library makes some system call, in
 * the same thread. The function must not call the library.
 */
#ifndef FILES_H
#define FILES_H

#include "torture.h"

/* The system call that takes a struct flock with offsets of 64 bits. */
#ifdef SYS_fcntl64
#define LARGE_FCNTL SYS_fcntl64
#else
#define LARGE_FCNTL SYS_fcntl
#endif

/* The directory, with a '/' at the end; empty if segments are those of System V. */
extern char space[PATH_SIZE];

/* Both apply to processes that have not used the library yet. The directory is created. */
void use_directory (const char *path);
void use_system_v (void);
bool in_directory (void);

/* ---- segments of either kind ------------------------------------------------------------ */

/* The identifier or number of a handle's segment; -1 if the handle is not valid. That of a file is
 * the number of what is mapped at the handle's address. */
int segment_of (SharedMemory memory);
int file_at (const void *address);
/* Whether a segment still has its name. */
bool is_there (int id);
void list_all (struct segments *list);
void remove_one (const struct segment *segment);
void remove_all (void);
/* How often this process has files of the directory mapped. */
long count_mappings (void);

/* ---- files ------------------------------------------------------------------------------ */

/* The path of a segment's file. In the names of these programs, only '/' is encoded. */
void path_of (const char *name, char path[PATH_SIZE + 100]);
/* The number of the regular file with this path; -1 if there is none. */
int file_number (const char *path);
/* NULL if the file has exactly these bytes and one name; otherwise what is wrong with it. */
const char *file_wrong (const char *path, size_t size, unsigned pattern);
void make_file (const char *path, size_t size, unsigned pattern, unsigned mode);
/* Whether it is an unfinished segment. */
bool is_temporary (const struct segment *file);

void make_files_of_others (void);
bool is_of_others (const struct segment *file);
/* NULL if none has been touched since list_all made this list, else what was done to one. */
const char *files_of_others_hurt (const struct segments *before);

/* ---- moments ---------------------------------------------------------------------------- */

/* Each function is called once, and is forgotten before that. */
struct moments {
    void (*linking) (void);          /* a nameless file gets its name */
    void (*unlinking) (void);
    void (*attaching) (void);        /* a shared lock is to be taken */
    void (*claiming) (void);         /* an exclusive one */
    void (*sleeping) (void);         /* for another process */
    /* What the file system or the system refuses, always. */
    bool refuse_nameless, refuse_links;
    int refuse_room;                 /* the errno value of fallocate(2); 0: it works */
};

extern struct moments moments;

#endif
