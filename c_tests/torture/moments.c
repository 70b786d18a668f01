/*
 * moments.c - what happens right before a system call of the library; files.h describes it.
 *
 * The functions have the names of the C library's, so the shared library calls these.
 */
/* Rust calls the functions with times of a long; some compilers for 32 bits select others. */
#undef _TIME_BITS
#include "files.h"

#include <dlfcn.h>

struct moments moments;

static void come (void (**function) (void))
{
    void (*wanted) (void) = *function;

    *function = NULL;
    if (wanted != NULL)
        wanted ();
}

static int refuse (int error)
{
    errno = error;
    return -1;
}

int open (const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode;

    va_start (arguments, flags);
    mode = va_arg (arguments, mode_t);
    va_end (arguments);
    if (moments.refuse_nameless && (flags & O_TMPFILE) == O_TMPFILE)
        return refuse (EISDIR);      /* as before Linux 3.11 */
    return (int) syscall (SYS_openat, AT_FDCWD, path, flags, mode);
}

int linkat (int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    if (moments.refuse_links)
        return refuse (EPERM);
    come (&moments.linking);
    return (int) syscall (SYS_linkat, from_directory, from, to_directory, to, flags);
}

int unlink (const char *path)
{
    come (&moments.unlinking);
    return (int) syscall (SYS_unlinkat, AT_FDCWD, path, 0);
}

/* As the kernel takes it: where a register has 32 bits, in two of them, as in memory. */
#if __SIZEOF_LONG__ == 8
#define OFFSET(offset) offset
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OFFSET(offset) (long) (offset), (long) ((int64_t) (offset) >> 32)
#else
#define OFFSET(offset) (long) ((int64_t) (offset) >> 32), (long) (offset)
#endif

int fallocate (int fd, int mode, off_t start, off_t length)
{
    if (moments.refuse_room != 0)
        return refuse (moments.refuse_room);
    return (int) syscall (SYS_fallocate, fd, mode, OFFSET (start), OFFSET (length));
}

static void come_to_lock (int command, const struct flock *lock)
{
    if (command == F_OFD_SETLK)
        come (lock->l_type == F_RDLCK ? &moments.attaching : &moments.claiming);
}

int fcntl (int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start (arguments, command);
    argument = va_arg (arguments, void *);
    va_end (arguments);
    come_to_lock (command, argument);
    return (int) syscall (LARGE_FCNTL, fd, command, argument);
}

#ifndef __LP64__
/* With 32 bits, the library calls fcntl64(2) in this way. */
long syscall (long number, ...)
{
    static long (*next) (long, ...);
    long argument[6];
    va_list arguments;
    int i;

    if (next == NULL)
        next = (long (*) (long, ...)) dlsym (RTLD_NEXT, "syscall");
    va_start (arguments, number);
    for (i = 0; i < 6; i++)
        argument[i] = va_arg (arguments, long);
    va_end (arguments);
    if (number == SYS_fcntl64)
        come_to_lock ((int) argument[1], (const struct flock *) argument[2]);
    return next (number, argument[0], argument[1], argument[2], argument[3], argument[4],
                 argument[5]);
}
#endif

/* Rust's standard library calls this one or the next, depending on its version. */
int nanosleep (const struct timespec *wanted, struct timespec *left)
{
    come (&moments.sleeping);
    return (int) syscall (SYS_nanosleep, wanted, left);
}

int clock_nanosleep (clockid_t clock, int flags, const struct timespec *wanted,
                     struct timespec *left)
{
    come (&moments.sleeping);
    return syscall (SYS_clock_nanosleep, clock, flags, wanted, left) == 0 ? 0 : errno;
}
