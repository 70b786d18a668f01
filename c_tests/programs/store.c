/* What the tests know about segments without the library's help: from shmctl(2), stat(2), and the
 * lists of mappings in /proc. */

#define _GNU_SOURCE

#include "store.h"

#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SEGMENTS 4096
#define IGNORED 64
#define SUFFIX ".names" /* of the directories of namespaces */

static enum check_store store;
static char directory[1024];  /* of the test */
static int present[SEGMENTS]; /* the System V segments that existed before the test */
static int presents;
static int alone;             /* no other program uses this IPC namespace */
static long semaphores;

/* ---- the kinds of memory ----------------------------------------------------- */

#define LINE(name, sentence, sysv, directory, private) {sentence, {sysv, directory, private}},

static const struct difference {
    const char *sentence;
    int holds[3];
} differences[] = { CHECK_DIFFERENCES (LINE) };

#undef LINE

static const char *const stores[] = { "sysv", "directory", "private" };

static void select_store (void)
{
    const char *wanted = getenv ("STORE");
    int i;

    for (i = 0; i < 3; i++) {
        if (wanted == NULL || strcmp (wanted, stores[i]) == 0) {
            store = (enum check_store) i;
            return;
        }
    }
    fprintf (stderr, "STORE must be sysv, directory or private\n");
    exit (EXIT_FAILURE);
}

enum check_store check_store (void)
{
    return store;
}

int check_has (enum check_difference what)
{
    static char noted[CHECK_NUMBER_OF_DIFFERENCES];
    int holds = differences[what].holds[store];

    if (!holds && !noted[what]) {
        noted[what] = 1;
        check_note (check_text ("not with STORE=%s: %s", stores[store],
                                differences[what].sentence));
    }
    return holds;
}

/* Its group shares it, as that of a registry does, and only owners may delete files in it. */
static void make_namespace (const char *path)
{
    if (mkdir (path, 0700) == 0) {
        chmod (path, 01770);
    }
}

const char *check_namespace (const char *name)
{
    const char *path;

    switch (store) {
    case CHECK_DIRECTORY:
        path = check_text ("%s/%s" SUFFIX "/", directory, name);
        make_namespace (path);
        return path;
    case CHECK_PRIVATE:
        return "private:";
    default:
        return check_path (name);
    }
}

void check_default_namespace (void)
{
    if (store == CHECK_SYSV && alone) {
        unsetenv ("NOB_DATABASE");
    } else {
        setenv ("NOB_DATABASE", check_namespace ("own namespace"), 1);
    }
}

/* ---- System V segments ------------------------------------------------------- */

static long count_semaphores (void)
{
    struct seminfo info;

    return semctl (0, 0, SEM_INFO, &info) < 0 ? -1 : info.semusz;
}

static int is_one_of (int wanted, const int *list, int length)
{
    int i;

    for (i = 0; i < length; i++) {
        if (list[i] == wanted) {
            return 1;
        }
    }
    return 0;
}

/* Calls `wanted` for every segment and lists those for which it is true. */
static int list_segments (int (*wanted) (int id, const struct shmid_ds *status), int *ids, int most)
{
    struct shm_info info;
    struct shmid_ds status;
    int last = shmctl (0, SHM_INFO, (struct shmid_ds *) (void *) &info);
    int length = 0;
    int i, id;

    for (i = 0; i <= last && length < most; i++) {
        id = shmctl (i, SHM_STAT, &status);
        if (id >= 0 && wanted (id, &status)) {
            ids[length++] = id;
        }
    }
    return length;
}

static int is_any (int id, const struct shmid_ds *status)
{
    (void) id;
    (void) status;
    return 1;
}

/* A segment is the test's own if one of its processes created it. Other programs create segments
 * at any time, so being new is not enough. */
static int is_own (int id, const struct shmid_ds *status)
{
    return !is_one_of (id, present, presents) && check_is_own_process (status->shm_cpid);
}

static int stat_segment (int id, struct shmid_ds *status)
{
    int error = errno;
    int result = shmctl (id, IPC_STAT, status);

    errno = error;
    return result;
}

long check_attached (int id)
{
    struct shmid_ds status;

    return stat_segment (id, &status) < 0 ? -1 : (long) status.shm_nattch;
}

static long mode_of (int id)
{
    struct shmid_ds status;

    return stat_segment (id, &status) < 0 ? -1 : (long) (status.shm_perm.mode & 0777);
}

long check_size (int id)
{
    struct shmid_ds status;

    return stat_segment (id, &status) < 0 ? -1 : (long) status.shm_segsz;
}

/* ---- mappings ---------------------------------------------------------------- */

struct mapping {
    unsigned long start, end, offset, inode;
    char permissions[8];
    char path[2048];
};

static int next_mapping (FILE *maps, struct mapping *mapping)
{
    char line[4096];

    while (fgets (line, sizeof line, maps) != NULL) {
        mapping->path[0] = '\0';
        if (sscanf (line, "%lx-%lx %7s %lx %*s %lu %2047[^\n]", &mapping->start, &mapping->end,
                    mapping->permissions, &mapping->offset, &mapping->inode, mapping->path) >= 5) {
            return 1;
        }
    }
    return 0;
}

static unsigned long ignored[IGNORED]; /* inode numbers */
static int ignoreds;

/* Whether it may be a segment's memory. The kernel shows memory that processes share, and no file,
 * as a deleted /dev/zero. */
static int is_of_segment (const struct mapping *mapping)
{
    const char *where = store == CHECK_PRIVATE ? "/dev/zero" : directory;
    int i;

    for (i = 0; i < ignoreds; i++) {
        if (ignored[i] == mapping->inode) {
            return 0;
        }
    }
    return mapping->permissions[3] == 's' && strstr (mapping->path, where) != NULL;
}

/* Stores the mapping at an address of this process. */
static int find_mapping (const void *address, struct mapping *mapping)
{
    FILE *maps = fopen ("/proc/self/maps", "r");
    unsigned long at = (unsigned long) address;
    int is_found = 0;

    while (maps != NULL && !is_found && next_mapping (maps, mapping)) {
        is_found = at >= mapping->start && at < mapping->end;
    }
    if (maps != NULL) {
        fclose (maps);
    }
    return is_found;
}

void store_ignore (const void *address)
{
    struct mapping mapping;

    if (ignoreds < IGNORED && find_mapping (address, &mapping)) {
        ignored[ignoreds++] = mapping.inode;
    }
}

/* Lists the inode numbers of the segments that a process has mapped, one for each mapping. The
 * process is a number, or `self`. */
static int list_mapped (const char *process, int *ids, int most)
{
    char path[300];
    struct mapping mapping;
    int length = 0;
    FILE *maps;

    sprintf (path, "/proc/%.200s/maps", process);
    maps = fopen (path, "r");
    while (maps != NULL && length < most && next_mapping (maps, &mapping)) {
        if (mapping.offset == 0 && is_of_segment (&mapping)) {
            ids[length++] = (int) mapping.inode;
        }
    }
    if (maps != NULL) {
        fclose (maps);
    }
    return length;
}

/* How many times a process has the segment mapped. */
static long count_in (const char *process, int id)
{
    static int ids[SEGMENTS];
    int length = list_mapped (process, ids, SEGMENTS);
    long count = 0;

    while (length > 0) {
        count += ids[--length] == id;
    }
    return count;
}

/* How many times all processes together have it mapped. */
static long count_mappings (int id)
{
    DIR *processes = opendir ("/proc");
    struct dirent *entry;
    long count = 0;

    while (processes != NULL && (entry = readdir (processes)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') {
            count += count_in (entry->d_name, id);
        }
    }
    if (processes != NULL) {
        closedir (processes);
    }
    return count;
}

/* How many segments this process has mapped, and which. */
static int list_private (int *ids, int most)
{
    static int all[SEGMENTS];
    int mapped = list_mapped ("self", all, SEGMENTS);
    int length = 0;
    int i;

    for (i = 0; i < mapped && length < most; i++) {
        if (!is_one_of (all[i], ids, length)) {
            ids[length++] = all[i];
        }
    }
    return length;
}

/* ---- files ------------------------------------------------------------------- */

/* nftw(3) passes no argument to its function. */
static struct {
    int wanted;          /* an inode number */
    char path[4096];     /* of the file that has it, or "" */
    struct stat status;
    int *ids;            /* of all files of namespaces */
    int length, most;
} walk;

static int find_file (const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) place;
    if (type == FTW_F && S_ISREG (status->st_mode) && (int) status->st_ino == walk.wanted) {
        snprintf (walk.path, sizeof walk.path, "%s", path);
        walk.status = *status;
        return 1;
    }
    return 0;
}

/* Whether the segment's file exists: then `walk` describes it. */
static int stat_file (int id)
{
    walk.wanted = id;
    return nftw (directory, find_file, 16, FTW_PHYS) == 1;
}

static int note_file (const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) place;
    if (type == FTW_F && S_ISREG (status->st_mode) && strstr (path, SUFFIX "/") != NULL
        && walk.length < walk.most) {
        walk.ids[walk.length++] = (int) status->st_ino;
    }
    return 0;
}

static int list_files (int *ids, int most)
{
    walk.ids = ids;
    walk.length = 0;
    walk.most = most;
    nftw (directory, note_file, 16, FTW_PHYS);
    return walk.length;
}

/* ---- each kind --------------------------------------------------------------- */

int check_id (SharedMemory memory)
{
    int error = errno;
    void *address;
    struct mapping mapping;
    int id;

    if (store == CHECK_SYSV) {
        return shmId (memory);
    }
    address = shmAddress (memory);
    id = address != NULL && find_mapping (address, &mapping) ? (int) mapping.inode : -1;
    errno = error;
    return id;
}

static long count_attachments (int id)
{
    long count;

    switch (store) {
    case CHECK_DIRECTORY:
        count = count_mappings (id);
        return count == 0 && !stat_file (id) ? -1 : count;
    case CHECK_PRIVATE:
        return count_in ("self", id) == 0 ? -1 : 0;
    default:
        return check_attached (id);
    }
}

int check_is_attached (int id, long times)
{
    int error = errno;
    long count = count_attachments (id);
    int is_right = store == CHECK_PRIVATE ? (count == -1) == (times == -1) : count == times;

    if (!is_right) {
        check_note (check_text ("segment %d is attached %ld times, not %ld", id, count, times));
    }
    errno = error;
    return is_right;
}

int check_is_mode (int id, long mode)
{
    int error = errno;
    int is_right;

    switch (store) {
    case CHECK_DIRECTORY:
        /* The owner's permission to execute means something else: see directory.c. */
        is_right = stat_file (id)
                   && (walk.status.st_mode & 07677)
                          == (mode & (check_has (HAS_NINE_BITS) ? 0777 : 0666));
        break;
    case CHECK_PRIVATE:
        is_right = 1;
        break;
    default:
        is_right = mode_of (id) == mode;
    }
    errno = error;
    return is_right;
}

int check_is_owner (int id, uid_t user, gid_t group)
{
    struct shmid_ds status;
    int error = errno;
    int is_right;

    switch (store) {
    case CHECK_DIRECTORY:
        is_right = stat_file (id) && walk.status.st_uid == user && walk.status.st_gid == group;
        break;
    case CHECK_PRIVATE:
        is_right = 1;
        break;
    default:
        is_right = stat_segment (id, &status) == 0 && status.shm_perm.uid == user
                   && status.shm_perm.gid == group;
    }
    errno = error;
    return is_right;
}

int check_is_size (int id, long size)
{
    int error = errno;
    long page = sysconf (_SC_PAGESIZE);
    struct mapping mapping;
    FILE *maps;
    int is_right = 0;

    switch (store) {
    case CHECK_DIRECTORY:
        is_right = stat_file (id) && walk.status.st_size == size;
        break;
    case CHECK_PRIVATE:
        maps = fopen ("/proc/self/maps", "r");
        while (maps != NULL && !is_right && next_mapping (maps, &mapping)) {
            is_right = (int) mapping.inode == id && is_of_segment (&mapping)
                       && (long) (mapping.end - mapping.start) == (size + page - 1) / page * page;
        }
        if (maps != NULL) {
            fclose (maps);
        }
        break;
    default:
        is_right = check_size (id) == size;
    }
    errno = error;
    return is_right;
}

/* Of a System V segment, from proc_sysvipc_shm(5). */
static long allocated_by_sysv (int id)
{
    FILE *table = fopen ("/proc/sysvipc/shm", "r");
    char line[400];
    long result = -1;
    unsigned long in_memory, in_swap;
    int other;

    while (table != NULL && fgets (line, sizeof line, table) != NULL) {
        if (sscanf (line, "%*d %d %*o %*u %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %lu %lu", &other,
                    &in_memory, &in_swap) == 3
            && other == id) {
            result = (long) (in_memory + in_swap);
        }
    }
    if (table != NULL) {
        fclose (table);
    }
    return result;
}

long check_allocated (int id)
{
    switch (store) {
    case CHECK_DIRECTORY:
        return stat_file (id) ? (long) walk.status.st_blocks * 512 : -1;
    case CHECK_PRIVATE:
        return -1;
    default:
        return allocated_by_sysv (id);
    }
}

int check_made (int *ids, int most)
{
    switch (store) {
    case CHECK_DIRECTORY:
        return list_files (ids, most);
    case CHECK_PRIVATE:
        return list_private (ids, most);
    default:
        return list_segments (is_own, ids, most);
    }
}

int check_segments (void)
{
    static int ids[SEGMENTS];

    return check_made (ids, SEGMENTS);
}

int check_registries (void)
{
    return store == CHECK_SYSV ? 1 : 0;
}

int check_rm (int id)
{
    if (store == CHECK_DIRECTORY) {
        return stat_file (id) ? unlink (walk.path) : -1;
    }
    return store == CHECK_SYSV ? shmctl (id, IPC_RMID, NULL) : -1;
}

int check_unmap (void *address, long size)
{
    long page = sysconf (_SC_PAGESIZE);

    return store == CHECK_SYSV ? shmdt (address)
                               : munmap (address, (size_t) ((size + page - 1) / page * page));
}

/* By its first bytes: see docs/registry-format.md. Its size depends on kernel.shmmni. */
static int is_registry (int id)
{
    void *address = shmat (id, NULL, SHM_RDONLY);
    int is_one;

    if ((long) address == -1) {
        return 0;
    }
    is_one = check_size (id) > 8 && memcmp (address, "shm_util", 8) == 0;
    shmdt (address);
    return is_one;
}

int check_rm_registries (void)
{
    int ids[SEGMENTS];
    int count = store == CHECK_SYSV ? list_segments (is_own, ids, SEGMENTS) : 0;
    int removed = 0;
    int i;

    for (i = 0; i < count; i++) {
        if (is_registry (ids[i])) {
            removed += shmctl (ids[i], IPC_RMID, NULL) == 0;
        }
    }
    return removed;
}

/* ---- what the system allows -------------------------------------------------- */

int check_has_room (int wanted, const char *what)
{
    struct shminfo limits;
    struct shm_info use;

    if (store != CHECK_SYSV
        || shmctl (0, IPC_INFO, (struct shmid_ds *) (void *) &limits) < 0
        || shmctl (0, SHM_INFO, (struct shmid_ds *) (void *) &use) < 0
        || (long) limits.shmmni - use.used_ids >= wanted) {
        return 1;
    }
    check_skip (check_text ("%s: needs %d segments, kernel.shmmni is %ld", what, wanted,
                            (long) limits.shmmni));
    return 0;
}

int check_is_alone (const char *what)
{
    if (!alone) {
        check_skip (check_text ("%s: other programs use this IPC namespace", what));
    }
    return alone;
}

static int may_attach_anything (void)
{
    int id = shmget (IPC_PRIVATE, 1, 0);
    void *address = shmat (id, NULL, 0);

    if (address != (void *) -1) {
        shmdt (address);
    }
    shmctl (id, IPC_RMID, NULL);
    return address != (void *) -1;
}

static int may_open_anything (void)
{
    const char *path = check_path ("of mode 0");
    int file;

    close (open (path, O_RDWR | O_CREAT, 0));
    file = open (path, O_RDWR);
    close (file);
    unlink (path);
    return file >= 0;
}

int check_is_privileged (void)
{
    switch (store) {
    case CHECK_DIRECTORY:
        return may_open_anything ();
    case CHECK_PRIVATE:
        return 1;
    default:
        return may_attach_anything ();
    }
}

/* ---- the beginning and the end ----------------------------------------------- */

/* c_tests/scripts/isolate names the IPC namespace that it made. */
static int has_own_namespace (void)
{
    const char *made = getenv ("SHM_UTIL_TESTS_ALONE");
    char here[64];
    ssize_t length = readlink ("/proc/self/ns/ipc", here, sizeof here - 1);

    if (made == NULL || length < 0) {
        return 0;
    }
    here[length] = '\0';
    return strcmp (made, here) == 0;
}

/* Containers have 64 MB of /dev/shm, where no library can be loaded from; four tests together need
 * ten times as much. */
static int is_suitable (const char *path)
{
    struct statvfs system;

    return access (path, W_OK) == 0 && statvfs (path, &system) == 0
        && (system.f_flag & ST_NOEXEC) == 0
        && system.f_bavail >= 1024UL * 1024 * 1024 / system.f_frsize;
}

const char *store_parent (void)
{
    const char *parent = getenv ("TMPDIR");

    select_store ();
    if (parent != NULL) {
        return parent;
    }
    /* Files of segments are created and removed without waiting for a disk there. */
    return store == CHECK_DIRECTORY && is_suitable ("/dev/shm") ? "/dev/shm" : "/tmp";
}

void store_start (const char *directory_of_the_test)
{
    strcpy (directory, directory_of_the_test);
    if (store == CHECK_DIRECTORY) {
        chmod (directory, 0755); /* others may use the namespaces in it */
    }
    alone = has_own_namespace ();
    presents = list_segments (is_any, present, SEGMENTS);
    semaphores = count_semaphores ();
}

void store_leftovers (void)
{
    static int left[SEGMENTS];
    int count = list_segments (is_own, left, SEGMENTS);
    int i;

    CHECK ("no System V segment is left", count == 0);
    for (i = 0; i < count; i++) {
        check_note (check_text ("left: segment %d, mode %lo, %ld bytes, attached %ld", left[i],
                                mode_of (left[i]), check_size (left[i]), check_attached (left[i])));
        shmctl (left[i], IPC_RMID, NULL);
    }
    if (alone) {
        CHECK ("no semaphore is left", count_semaphores () == semaphores);
    }
    count = list_files (left, SEGMENTS);
    CHECK ("no file of a segment is left", count == 0);
    for (i = 0; i < count && stat_file (left[i]); i++) {
        check_note (check_text ("left: %s, mode %lo, %ld bytes", walk.path,
                                (unsigned long) walk.status.st_mode, (long) walk.status.st_size));
    }
}
