/*
 * damage.h - what the parts of damage share.
 *
 * Segments and the registry are removed, overwritten, filled, occupied and abandoned while
 * programs use them, so are the files and the directory of a directory namespace, and the limits of
 * the system are reached. Whatever happens: no process
 * crashes or hangs, no other program's segment is attached or removed, no name is lost without an
 * error, and an error tells what is wrong and what to do.
 *
 *   ipcrm.c       segments and the registry are removed while they are used
 *   blows.c       the registry is overwritten
 *   versions.c    the registry has another layout version
 *   squatters.c   other segments have the registry's key
 *   limits.c      limits of the system and the process are reached
 *   elsewhere.c   kernel.shm_rmid_forced; a process moves to another IPC namespace
 *   worlds.c      PID, user and IPC namespaces are mixed
 *   abandoned.c   the registry's creation is interrupted
 *   sweep.c       programs leave registries without names behind
 *   files.c       in a directory namespace, a segment's file is changed or replaced
 *   directory.c   the directory is renamed, removed, made unusable, filled up, or unmounted
 *   stopped.c     a process is stopped with a lock of a file; a foreign program locks a file
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "../files.h"

#define ALPHA_SIZE 5000
#define BETA_SIZE 5500
#define GAMMA_SIZE 6100

/* Some blows take a lock's time limit: the other parts run meanwhile. */
void begin_blows (void);
void end_blows (void);
void test_ipcrm (void);
void test_versions (void);
void test_squatters (void);
void test_limits (void);
void test_elsewhere (void);
void test_worlds (void);
void test_abandoned (void);
void test_sweep (void);
void test_files (void);
void test_directory (void);
/* These wait for a time limit, too. */
void begin_stopped (void);
void end_stopped (void);

/* Lets this process and its future children use a new directory, with files of others in it. */
void use_own_directory (const char *name);

/* ---- a holder and a newcomer, of ipcrm.c ------------------------------------------------ */

/* What a holder and a newcomer report to the process that watches. */
struct ipcrm_world {
    int stage;                       /* 1: the holder is ready; 2: the damage is done */
    int alpha, beta, gamma;          /* the ids of the segments as they were created */
    int late_attach, late_create, late_id, late_destroy;
    bool late_zero;
    bool held_data_whole, held_accessors_right;
    int new_name, old_name, old_name_id;
    int destroy_alpha, destroy_beta, destroy_rest;
    bool remove_segment, remove_registry;
    int user_stage;                  /* 1: it uses the successor; 2: that was removed, too */
    bool only_reads;                 /* afterwards, until it exits */
};

void make_gamma (void *ipcrm_world);
/* Holds alpha and beta; after stage 2 creates names, attaches beta again, and destroys all. */
void hold_and_go_on (void *ipcrm_world);

enum { STORM_WORKERS = 4, STORM_NAMES = 5 };

/* Workers that create and destroy names while segments are removed. */
struct storm {
    int stop;
    bool registries_too;
    bool each_his_own;               /* no two workers use the same name */
    long calls[STORM_WORKERS];
    long refused[STORM_WORKERS];
    int strange[STORM_WORKERS];      /* an errno that makes no sense here */
    double slowest[STORM_WORKERS];
    int destroy_failed[STORM_WORKERS];
    bool data_wrong[STORM_WORKERS];
    int next;
};

void storm_worker (void *storm);

/* ---- what squatters.c shares ------------------------------------------------------------ */

/* The registry that the library makes in a fresh world: its key, size and bytes. */
struct model {
    int stage;
    key_t key;
    size_t size;
    mode_t mode;
    unsigned char *bytes;            /* while a process has two names */
};

bool take_model (struct model *model);

/* A process that creates alpha and destroys it when it is told to. */
struct visitor {
    int stage;                       /* 1: it has called shmCreate; 2: it may go on */
    struct call call;
    int messages;
};

void visit (void *visitor);

/* Attaches or creates alpha, and destroys it: the result is the argument, a struct call. */
void find_alpha (void *call);

#endif
