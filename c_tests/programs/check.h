/* A small harness for the C tests: sentences of the contract, checked and counted. See store.c for
 * what it knows about segments. */

#ifndef CHECK_H
#define CHECK_H

#include <sys/types.h>

#include "shm_util.h"

/* The sanitizer's allocator does not survive a fork beside other threads: the child may wait
 * forever for a lock that another thread held. */
#ifdef __SANITIZE_ADDRESS__
#define WITH_ADDRESS_SANITIZER 1
#else
#define WITH_ADDRESS_SANITIZER 0
#endif

/* Prints the sentence and whether it holds. Returns the condition. */
#define CHECK(sentence, condition) \
    check_that ((condition) ? 1 : 0, (sentence), __FILE__, __LINE__)

int check_that (int holds, const char *sentence, const char *file, int line);

/* Prints a remark. */
void check_note (const char *sentence);

/* Prints that something cannot be tested on this system, and why. c_tests/run counts these. */
void check_skip (const char *reason);

/* ---- kinds of memory --------------------------------------------------------- */

/*
 * The environment variable STORE selects the kind of memory that a test uses: sysv (the default),
 * directory or private. These are all intended differences between them; what a test checks
 * without asking check_has holds for each kind. The columns are sysv, directory and private.
 *
 * The tests of one kind only are in directory.c, and for private memory in tests/private.rs. The
 * programs that do not suit a kind as a whole are listed in c_tests/scripts/jobs.
 */
#define CHECK_DIFFERENCES(X) \
    X (HAS_IDS, "segments have identifiers, for shmId, shmctl(2), ipcrm(1) and shmxStatId", \
       1, 0, 0) \
    X (HAS_REGISTRY, "names are in a registry, which ipcrm(1) can remove", 1, 0, 0) \
    X (HAS_TIMES, "times and process ids of attachments are recorded (shmxStat)", 1, 0, 0) \
    X (HAS_HUGE_PAGES, "SHMX_HUGETLB creates segments anywhere", 1, 0, 0) \
    X (HAS_DEFAULT, "without NOB_DATABASE, each user has a namespace", 1, 0, 0) \
    X (HAS_PROCESSES, "all processes share names, and segments outlive processes", 1, 1, 0) \
    X (HAS_OUTSIDERS, "others can delete a segment, with ipcrm(1) or rm(1)", 1, 1, 0) \
    X (HAS_NAMESPACES, "there are several namespaces", 1, 1, 0) \
    X (HAS_OWN_DETACH, "a segment outlives the program's own munmap of an attachment", 1, 1, 0) \
    X (HAS_SEEN_PAGES, "the kernel shows how many bytes of a segment are in memory", 1, 1, 0) \
    X (HAS_ADDRESSES, "each attachment for writing has an address of its own", 1, 1, 0) \
    X (HAS_USERS, "owner and mode decide who may attach, change or remove a segment", 1, 1, 0) \
    X (HAS_TRANSIENT, "SHMX_TRANSIENT creates segments", 1, 0, 1) \
    X (HAS_LOCK, "shmxLock locks segments in memory", 1, 0, 1) \
    X (HAS_NINE_BITS, "a mode has permissions to execute", 1, 0, 1) \
    X (HAS_ABANDONED, "a hidden segment may outlive its creator until others sweep it", 1, 0, 0) \
    X (HAS_MODE_AT_ONCE, "creating with a mode that its creator may not use is an error", 1, 0, 0) \
    X (HAS_AGE_LIMIT, "if the clock was set, nothing is older than the system's uptime", 1, 0, 1) \
    X (HAS_NAMELESS, "a segment that has lost its name can be changed by its handle", 1, 0, 1) \
    X (HAS_LONG_NAMES, "a name may have 1000 bytes, whatever they are", 1, 0, 1)

#define CHECK_NAME(name, sentence, sysv, directory, private) name,
enum check_difference { CHECK_DIFFERENCES (CHECK_NAME) CHECK_NUMBER_OF_DIFFERENCES };
#undef CHECK_NAME

enum check_store { CHECK_SYSV, CHECK_DIRECTORY, CHECK_PRIVATE };

enum check_store check_store (void);

/* Whether this holds for the kind of memory; if not, prints that once. */
int check_has (enum check_difference what);

/* The value of NOB_DATABASE for a namespace of the test's own: a path where no file is, a directory
 * that exists, or `private:`, which is always the same one. Valid as long as that of check_path. */
const char *check_namespace (const char *name);

/* ---- the test as a whole ----------------------------------------------------- */

/*
 * Splits the process in two. The test continues in the child. The parent waits for it; however
 * the child ends, the parent checks that nothing was left behind, cleans up, and prints the
 * summary. So a test that crashes leaves nothing either.
 *
 * Tests share their IPC namespace with other programs where the system allows them none of their
 * own. No test may remove, attach or count a segment that it did not make.
 */
void check_start (void);

/* Selects the namespace that check_start has selected: for System V segments without NOB_DATABASE
 * if no other program uses this IPC namespace, else one of the test's own. */
void check_default_namespace (void);

/* What main returns: 0 if every check held. */
int check_done (void);

/* Forks, and records the child for the clean-up. */
pid_t check_fork (void);

/* Waits for a child. Returns its exit status, or 128 plus the signal that killed it. */
int check_wait (pid_t child);

/* Kills the child with SIGKILL and waits until it is gone. */
void check_kill (pid_t child);

/* Runs the function in a child that then exits with 0, and waits for it. */
int check_child (void (*body) (void));

/* The same; its stdout and stderr become strings of less than `size` bytes. */
int check_capture (void (*body) (void), char *out, char *err, size_t size);

/* Two processes take turns by sending a byte through a pipe. A wait is bounded. */
void check_signal (const int ends[2]);
int check_await (const int ends[2]);

/* Memory that children share with their parent, zero-filled. */
void *check_shared (size_t size);

/* A formatted string, and the path of a file in the test's own temporary directory.
 * Both are valid during the next dozen calls only. */
const char *check_text (const char *format, ...);
const char *check_path (const char *file);

/* A multiple of SHMLBA where nothing is mapped, with room for that many bytes, at least SHMLBA, there
 * and before. The system itself may choose an address that is no such multiple. */
char *check_free_place (long size);

/* How often to repeat what is usually repeated that often: fewer times where each takes long. */
int check_rounds (int usual);

/* The number of entries of a directory, including `.` and `..`; -1 if it cannot be read. */
int check_entries (const char *path);

/* Whether the system allows that many more segments; if not, prints that `what` is skipped. */
int check_has_room (int wanted, const char *what);

/* Whether no other program uses this IPC namespace; if one may, prints that `what` is skipped. */
int check_is_alone (const char *what);

/* Whether this process may become another user; if not, prints that `what` is skipped. */
int check_has_users (const char *what);

/* Refuses a system call with an error from now on, in this process and its children. Returns
 * whether that is possible here. */
int check_refuse (long call, int error);

/* The same for shmctl(2). */
int check_refuse_shmctl (int error);

/* Calls the handler, which was installed with these flags of sigaction(2), for a SIGALRM at each
 * interval from now on; with an interval of 0, for none any more. */
void check_alarms (void (*handler) (int), int flags, long microseconds);

/* Whether permission bits of segments do not matter to this process (CAP_IPC_OWNER). */
int check_is_privileged (void);

/* Whether all of the bytes have this value. */
int check_filled (const void *bytes, int value, long size);

/* ---- what the kernel knows about segments, without the library's help --------- */

/* A number that only this segment has, of which this process has a handle: its identifier, or the
 * inode number of its memory. -1 if the handle is not valid. */
int check_id (SharedMemory memory);

/* Whether the segment exists and is attached that many times, or is deleted if `times` is -1. The
 * kernel does not know how many attachments share private memory: there it is enough that the
 * memory exists. */
int check_is_attached (int id, long times);

/* Whether it has this mode, owner or size. For private memory, the
 * kernel reports only the size, in whole pages; the rest counts as right. */
int check_is_mode (int id, long mode);
int check_is_owner (int id, uid_t user, gid_t group);
int check_is_size (int id, long size);

/* Its bytes that are in memory or in swap space; -1 if the kernel does not report them. */
long check_allocated (int id);

/* How many times a System V segment is attached, and its size; -1 if it does not exist. */
long check_attached (int id);
long check_size (int id);

/* The segments that this test made and that still exist: their ids, and their number. That of
 * private memory is the number of those that this process has mapped. */
int check_made (int *ids, int most);
int check_segments (void);

/* How many of them the library itself needs once it has been used. */
int check_registries (void);

/* Deletes a segment without the library's knowledge, as ipcrm(1) or rm(1) do. */
int check_rm (int id);

/* Detaches it without the library's knowledge, with shmdt(2) or munmap(2). */
int check_unmap (void *address, long size);

/* Deletes the registries that this test has made, as ipcrm(1) does: segments of more bytes than the
 * test's own. Returns their number. */
int check_rm_registries (void);

/* ---- segments ---------------------------------------------------------------- */

/* shmCreate with a NULL address, which must succeed. */
SharedMemory check_create (const char *name, long size);

/* Whether a segment of that name exists, determined by shmCreate with size 0. */
int check_exists (const char *name);

#endif
