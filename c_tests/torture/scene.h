/*
 * scene.h - the scene of killpoints and faults, and the check that it is intact.
 *
 * Both programs let something bad happen to a process that calls the library: a mishap. The scene
 * is the names that exist meanwhile. One name, victim_name, is the one that the call is about. In
 * some scenarios a living process, the holder, has OTHERS other names attached, with known data,
 * and perhaps the victim, too. After the mishap judge_scene looks at all of them the way a program
 * would, through the library, and at the kernel's list of segments or, in a directory namespace, at
 * the files:
 *
 *   - the victim exists or does not, as the scenario allows, has its size and data, and is kept
 *     or not;
 *   - every other name has the same segment and data as before;
 *   - after shmxPrune, which deletes what dead creators hid, every segment belongs to a name;
 *     there is at most one registry, and it is complete;
 *   - the victim can be destroyed, created anew (zero-filled), attached twice and destroyed for
 *     good, after which it is gone;
 *   - none of these calls takes longer than SLOW seconds, or SLOW_ON_DISK.
 *
 * In a directory namespace, the files are looked at before the library is called again: the
 * victim's file is absent, or complete, with the right size, mode and data; nothing was done to the
 * files of others; and there is no temporary file, unless the scene has no nameless files.
 *
 * The holder, which has used the library before, makes this check after every other mishap, and
 * a newcomer always makes it and then exits. After that the kernel's list must be what it was
 * before the mishap. Where the registry is removed, another one takes its place.
 *
 * All of these processes share an IPC namespace. In some scenarios they are in different PID and
 * user namespaces: their IDs are equal, or they do not see each other's.
 */
#ifndef SCENE_H
#define SCENE_H

#include "files.h"
#include "processor.h"

#define VICTIM_SIZE 5000L            /* not a multiple of a page */
#define SLOW 1.0
#define SLOW_ON_DISK 60.0            /* other programs may keep the disk busy */

enum { OTHERS = 3, HELD_PATTERN = 77, OWN_PATTERN = 99, SET_MODE = 0640 };
enum { EITHER_PATTERN = 1000 };      /* OWN_PATTERN or zeros */

/* The victim's: of 14 bytes, or as long as a name may be. */
extern char victim_name[1001];

/* What is special about a scene. */
enum setting {
    USUAL,
    LONG_NAME,                       /* of the victim */
    SMALL_REGISTRY,                  /* SHMMAX leaves room for the smallest one only */
    REMOVED_REGISTRY,                /* the call's process removes it, as with ipcrm(1) */
    TRANSIENT_VICTIM,                /* the holder's victim is transient */
    IN_DIRECTORY,                    /* in memory; this and all that follow are directories */
    WITHOUT_NAMELESS,                /* O_TMPFILE is refused */
    WITHOUT_LINKS,                   /* a nameless file may not get a name */
    ON_DISK
};

/* Which processes are in PID or user namespaces of their own. Each process that has a mishap or
 * makes a check gets new namespaces, and is the first process of its PID namespace. */
enum places {
    TOGETHER,                        /* nobody */
    MISHAP_IN_PID,
    MISHAP_IN_USER,
    MISHAP_IN_BOTH,
    CHECK_IN_PID,                    /* the holder and the newcomer */
    EACH_IN_PID                      /* both they and the process that has the mishap */
};

/* The flags of these namespaces, for fork_into. */
int namespaces_of_mishap (enum places places);
int namespaces_of_check (enum places places);
/* False, with a SKIP line for the first such places, if the system refuses the namespaces. */
bool may_be_in (enum places places, const char *what);

enum presence { MAY_EXIST, MUST_EXIST, MUST_NOT_EXIST };
enum kept_state { NOT_KEPT, MAYBE_KEPT, KEPT };

/* Is there a temporary file? The usual answer is no, unless the scene has no nameless files. */
enum temporary { USUAL_TEMPORARY, MAYBE_TEMPORARY, NO_TEMPORARY };

/* What the victim may look like after a mishap. */
struct expectation {
    enum presence presence;
    unsigned pattern;                /* in its segment; 0: zeros */
    bool leftover;                   /* segments without a name are forgiven */
    bool believed;                   /* all is forgiven, as long as the name is usable */
    enum kept_state kept;            /* if it exists */
    enum temporary temporary;        /* of a directory, before the library is called again */
};

/* What the processes of a scene share. */
struct scene_shared {
    int damage;                      /* complaints since the last reset_scene */
    char complaint[600];             /* the first of them */
    int other_id[OTHERS];
    int held_id;
    int leftovers;                   /* segments without a name that were forgiven */
    double slowest;                  /* seconds, the longest call of a check */
};

struct scene {
    struct scene_shared *shared;
    bool others, held;               /* what the holder has attached */
    enum setting setting;
    enum places places;
    pid_t holder;
    int to_holder, from_holder;
    struct segments before;          /* the kernel's list before the mishap */
};

/* Makes a scene; the same struct serves one after another. */
void make_scene (struct scene *scene, enum setting setting, enum places places, bool others,
                 bool held);
/* Removes all segments and starts a new holder. */
void reset_scene (struct scene *scene);
void clear_scene (struct scene *scene);
/* The check after a mishap. Returns whether there is damage, described in `text`; the scene is
 * intact again in either case. */
bool judge_scene (struct scene *scene, const struct expectation *expect, bool ask_holder,
                  char *text, size_t size);

/* ---- the process that has the mishap ---------------------------------------------------- */

extern void *address;
extern SharedMemory memory;

/* Ends the process if a call that only prepares the scene fails. */
void must (int status, const char *what);

void prepare_nothing (void);
void prepare_warm (void);            /* it has used the library before */
void prepare_attached (void);        /* it has the holder's victim attached */
void prepare_own (void);             /* it has created the victim */
void prepare_own_kept (void);
void prepare_own_transient (void);
void prepare_own_hidden (void);      /* the process has filled the victim, but not published it */
void prepare_own_hidden_kept (void);
void prepare_own_hidden_transient (void);
void prepare_own_hidden_removed (void);
void prepare_dead_hidden (void);     /* another process died before it published the victim */
void prepare_orphan (void);          /* it has created the victim, which nobody has attached */
void prepare_orphan_kept (void);
void prepare_removed (void);         /* the registry was removed */
void prepare_warm_removed (void);    /* and this process had used the library before */
void prepare_attached_removed (void);
void prepare_own_removed (void);
void prepare_own_kept_removed (void);
/* Processes of other namespaces have ended with _exit, and left their empty registries. */
void prepare_left_behind (void);
/* Removes the robust list of a traced process that is stopped right after a system call: if it
 * dies, the kernel does not release its lock. */
void forget_robust_list (pid_t traced);
/* A process of another namespace has ended with _exit, and left behind its registry, with the name
 * of a transient segment, and a hidden segment. */
void prepare_left_transient (void);
int call_create (void);
int call_attach (void);
/* For directory namespaces. */
void prepare_swept (void);           /* the call's temporary name becomes another file's */
void prepare_replaced (void);        /* the name was removed, and is an orphan's by now */
void prepare_overtaken (void);       /* the name is taken when the call gives it to the victim */
void prepare_hidden_overtaken (void);
void prepare_dying (void);           /* another description deletes the victim, slowly */
void prepare_deleted (void);         /* the victim is deleted after the call has opened it */
void prepare_joined (void);          /* another process attaches the victim during its destroy */
void prepare_changed (void);         /* another process changes the victim during its destroy */
void prepare_limited (void);         /* RLIMIT_FSIZE is less than the victim */
void prepare_full (void);            /* there is no room for a file */
int call_create_transient (void);
int call_create_hidden (void);
int call_publish (void);
int call_destroy (void);
int call_create_swept (void);        /* EPROTO if that file is gone */
int call_create_exclusive (void);
int call_attach_read_only (void);
int call_detach (void);
int call_keep (void);
int call_keep_no_more (void);
int call_set_permissions (void);     /* to SET_MODE */
int call_remove (void);
int call_remove_segment (void);
int call_prune (void);
int call_list (void);
int call_stat (void);
int call_wait (void);
int call_sync (void);
NO_RETURN int call_exit (void);

/* ---- saved files ------------------------------------------------------------------------ */

/* The old file is longer than the new one, so that overwriting it in place shows. */
enum { OLD_PATTERN = 55, OLD_SIZE = 7000, OLD_MODE = 0640 };

enum file_state { NO_FILE, OLD_FILE, NEW_FILE, BROKEN_FILE };

void write_pattern_file (const char *path, size_t size, unsigned pattern);
/* BROKEN_FILE if it is neither the whole old file nor the whole new one. */
enum file_state which_file (const char *path, unsigned new_pattern);
/* Removes all files of a directory but one, which may be NULL; returns how many. */
int sweep (const char *directory, const char *keep);

#endif
