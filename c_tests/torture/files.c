/*
 * files.c - directory namespaces: what is in the directory, without asking the library; files.h
 * describes it.
 */
#include "files.h"

char space[PATH_SIZE];

void use_directory (const char *path)
{
    if (snprintf (space, sizeof space, "%s/", path) >= (int) sizeof space)
        give_up ("a directory's path has more than %d bytes", (int) sizeof space);
    if (mkdir (space, 0700) != 0 && errno != EEXIST)
        give_up ("mkdir %s", space);
    setenv ("NOB_DATABASE", space, 1);
}

void use_system_v (void)
{
    space[0] = '\0';
    unsetenv ("NOB_DATABASE");
}

bool in_directory (void)
{
    return space[0] != '\0';
}

/* ---- numbers ---------------------------------------------------------------------------- */

static int number_of (ino_t inode)
{
    return (int) (inode & INT_MAX);
}

int file_number (const char *path)
{
    struct stat status;

    return lstat (path, &status) == 0 && S_ISREG (status.st_mode) ? number_of (status.st_ino)
                                                                  : -1;
}

void path_of (const char *name, char path[PATH_SIZE + 100])
{
    size_t length = strlen (space);

    memcpy (path, space, length);
    for (; *name != '\0' && length < PATH_SIZE + 96; name++)
        if (*name == '/') {
            memcpy (path + length, "%2F", 3);
            length += 3;
        } else
            path[length++] = *name;
    path[length] = '\0';
}

/* Passes each line of the table of mappings that is about the directory, until one will do. */
static long search_mappings (bool (*will_do) (const char *line, const void *wanted),
                             const void *wanted, unsigned long *inode)
{
    struct lines maps;
    const char *line;
    long count = 0;

    open_lines (&maps, "/proc/self/maps");
    if (maps.fd < 0)
        give_up ("/proc/self/maps");
    while ((line = next_line (&maps)) != NULL)
        if (strstr (line, space) != NULL && will_do (line, wanted)) {
            count++;
            if (inode != NULL && sscanf (line, "%*s %*s %*s %*s %lu", inode) != 1)
                give_up ("a line of /proc/self/maps: %s", line);
        }
    close_lines (&maps);
    return count;
}

static bool begins_at (const char *line, const void *wanted)
{
    return strtoull (line, NULL, 16) == (unsigned long long) (uintptr_t) wanted;
}

static bool any_will_do (const char *line, const void *wanted)
{
    (void) line;
    (void) wanted;
    return true;
}

/* While other threads map and unmap files, a line may be there twice, or be skipped. */
int file_at (const void *address)
{
    unsigned long inode = 0;
    int tries;

    for (tries = 0; address != NULL && tries < 5; tries++)
        if (search_mappings (begins_at, address, &inode) > 0)
            return number_of ((ino_t) inode);
    return -1;
}

long count_mappings (void)
{
    return search_mappings (any_will_do, NULL, NULL);
}

/* ---- segments of either kind ------------------------------------------------------------ */

int segment_of (SharedMemory memory)
{
    return in_directory () ? file_at (shmAddress (memory)) : shmId (memory);
}

static void describe_file (const char *name, const struct stat *status, struct segment *segment)
{
    memset (segment, 0, sizeof *segment);
    snprintf (segment->name, sizeof segment->name, "%.*s", (int) sizeof segment->name - 1, name);
    segment->id = number_of (status->st_ino);
    segment->ds.shm_segsz = (size_t) status->st_size;
    segment->ds.shm_perm.mode = status->st_mode & 0777;
    segment->ds.shm_perm.uid = status->st_uid;
    segment->ds.shm_perm.gid = status->st_gid;
    /* Whatever is done to a file changes this time, except that a program stores to it. */
    segment->ds.shm_ctime = status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec;
}

static void list_files (struct segments *list)
{
    DIR *entries = opendir (space);
    struct dirent *entry;
    struct stat status;

    list->count = 0;
    while (entries != NULL && (entry = readdir (entries)) != NULL)
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0
            && list->count < MOST_SEGMENTS
            && fstatat (dirfd (entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            describe_file (entry->d_name, &status, &list->at[list->count++]);
    if (entries == NULL)
        give_up ("opendir %s", space);
    closedir (entries);
}

void list_all (struct segments *list)
{
    if (in_directory ())
        list_files (list);
    else
        list_segments (list);
}

bool is_there (int id)
{
    static struct segments list;

    if (!in_directory ())
        return segment_exists (id);
    list_files (&list);
    return find_segment (&list, id) != NULL;
}

void remove_one (const struct segment *segment)
{
    char path[PATH_SIZE + 100];

    if (!in_directory ()) {
        shmctl (segment->id, IPC_RMID, NULL);
        remove_stray_sets ();
        return;
    }
    snprintf (path, sizeof path, "%s%s", space, segment->name);
    remove (path);
}

void remove_all (void)
{
    static struct segments list;
    int i;

    if (!in_directory ()) {
        remove_everything ();
        return;
    }
    list_files (&list);
    for (i = 0; i < list.count; i++)
        remove_one (&list.at[i]);
}

/* ---- files ------------------------------------------------------------------------------ */

void make_file (const char *path, size_t size, unsigned pattern, unsigned mode)
{
    unsigned char data[16384];
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    fill_pattern (data, size, pattern);
    if (fd < 0 || size > sizeof data || write (fd, data, size) != (ssize_t) size
        || fchmod (fd, mode) != 0)
        give_up ("make the file %s", path);
    close (fd);
}

const char *file_wrong (const char *path, size_t size, unsigned pattern)
{
    static char text[100];
    unsigned char data[16384];
    struct stat status;
    int fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read (fd, data, sizeof data);
    long bad;

    text[0] = '\0';
    if (fd < 0 || fstat (fd, &status) != 0)
        snprintf (text, sizeof text, "it cannot be read: %s", strerror (errno));
    else if (length != (ssize_t) size)
        snprintf (text, sizeof text, "it has %zd bytes", length);
    else if ((bad = wrong_byte (data, size, pattern)) >= 0)
        snprintf (text, sizeof text, "its data differ from byte %ld on", bad);
    else if (status.st_nlink != 1)
        snprintf (text, sizeof text, "it has %lu names", (unsigned long) status.st_nlink);
    if (fd >= 0)
        close (fd);
    return text[0] == '\0' ? NULL : text;
}

bool is_temporary (const struct segment *file)
{
    return strncmp (file->name, ".shm_util_new.", 14) == 0;
}

/* ---- files of others -------------------------------------------------------------------- */

enum { OTHERS_SIZE = 700 };

/* Names that stand for no segment, one that resembles a temporary one, and a kept segment that
 * nobody has attached. */
static const char *const plain_files[] = { ".others", "others%zz", ".shm_util_newothers",
                                           "others" };

void make_files_of_others (void)
{
    char path[PATH_SIZE + 100];
    unsigned i;

    for (i = 0; i < COUNT (plain_files); i++) {
        snprintf (path, sizeof path, "%s%s", space, plain_files[i]);
        make_file (path, OTHERS_SIZE, 60 + i, 0700);
    }
    path_of ("others-empty", path);
    make_file (path, 0, 0, 0660);
    path_of ("others-directory", path);
    if (mkdir (path, 0700) != 0)
        give_up ("mkdir %s", path);
    path_of ("others-link", path);
    if (symlink (plain_files[0], path) != 0)
        give_up ("symlink %s", path);
    path_of ("others-pipe", path);
    if (mkfifo (path, 0660) != 0)
        give_up ("mkfifo %s", path);
}

bool is_of_others (const struct segment *file)
{
    return strstr (file->name, "others") != NULL;
}

const char *files_of_others_hurt (const struct segments *before)
{
    static struct segments list;
    static char text[200];
    char path[PATH_SIZE + 100];
    const char *wrong = NULL;
    unsigned i;

    list_files (&list);
    for (i = 0; i < (unsigned) before->count; i++) {
        const struct segment *now = find_segment (&list, before->at[i].id);

        if (!is_of_others (&before->at[i]))
            continue;
        if (now == NULL || strcmp (now->name, before->at[i].name) != 0)
            wrong = "it is gone";
        else if (!same_state (&now->ds, &before->at[i].ds))
            wrong = "it was changed";
        if (wrong != NULL)
            snprintf (text, sizeof text, "'%s', of others: %s", before->at[i].name, wrong);
        if (wrong != NULL)
            return text;
    }
    for (i = 0; i < COUNT (plain_files); i++) {
        snprintf (path, sizeof path, "%s%s", space, plain_files[i]);
        wrong = file_wrong (path, OTHERS_SIZE, 60 + i);
        if (wrong != NULL) {
            snprintf (text, sizeof text, "'%s', of others: %s", plain_files[i], wrong);
            return text;
        }
    }
    return NULL;
}
