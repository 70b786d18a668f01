/*
 * docker-seccomp COMMAND [ARGUMENT...]: runs a command under the system call filter that
 * Docker applies by default, as far as it concerns programs that run on 64-bit Linux
 * without CAP_SYS_ADMIN. scripts/fresh uses it for its containers.
 *
 * The filter needs either CAP_SYS_ADMIN or no_new_privs, and survives execve, so it is
 * installed before setpriv(1) drops capabilities.
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "add this processor's AUDIT_ARCH_ constant"
#endif

/* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET */
#define CLONE_NEW 0x7e020000u

#define LOAD(field) \
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, field))
#define RETURN(value) BPF_STMT (BPF_RET | BPF_K, (value))
#define IF_EQUAL(value, then, otherwise) \
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define IF_ANY_BIT(mask, then, otherwise) \
    BPF_JUMP (BPF_JMP | BPF_JSET | BPF_K, (mask), (then), (otherwise))
#define FAIL(error) RETURN (SECCOMP_RET_ERRNO | (error))
#define ALLOW RETURN (SECCOMP_RET_ALLOW)
/* The system call's number has been loaded. */
#define REFUSE(name) IF_EQUAL (__NR_##name, 0, 1), FAIL (EPERM)

static struct sock_filter filter[] = {
    /* Docker filters the 32-bit system calls too; nothing here uses them. */
    LOAD (arch),
    IF_EQUAL (NATIVE, 1, 0), ALLOW,

    LOAD (nr),
    REFUSE (unshare), REFUSE (setns), REFUSE (mount), REFUSE (umount2), REFUSE (pivot_root),
    REFUSE (open_tree), REFUSE (move_mount), REFUSE (fsopen), REFUSE (fsconfig),
    REFUSE (fsmount), REFUSE (fspick), REFUSE (mount_setattr),
    REFUSE (bpf), REFUSE (perf_event_open), REFUSE (userfaultfd), REFUSE (kcmp),
    REFUSE (io_uring_setup), REFUSE (io_uring_enter), REFUSE (io_uring_register),
    REFUSE (add_key), REFUSE (keyctl), REFUSE (request_key),
    REFUSE (mbind), REFUSE (get_mempolicy), REFUSE (set_mempolicy), REFUSE (move_pages),
    REFUSE (migrate_pages), REFUSE (open_by_handle_at), REFUSE (fanotify_init),
    REFUSE (acct), REFUSE (quotactl), REFUSE (swapon), REFUSE (swapoff), REFUSE (reboot),
    REFUSE (init_module), REFUSE (finit_module), REFUSE (delete_module),
    REFUSE (kexec_load), REFUSE (syslog), REFUSE (settimeofday), REFUSE (clock_settime),
    REFUSE (sethostname), REFUSE (setdomainname), REFUSE (vhangup), REFUSE (nfsservctl),

    /* Its flags lie in memory, which a filter cannot read; C libraries then use clone. */
    IF_EQUAL (__NR_clone3, 0, 1), FAIL (ENOSYS),

    IF_EQUAL (__NR_clone, 0, 4),
    LOAD (args[0]),
    IF_ANY_BIT (CLONE_NEW, 0, 1), FAIL (EPERM),
    ALLOW,

    /* Linux, with 32-bit addresses or uname26, and the question; not, for example, a fixed
       address space layout. */
    IF_EQUAL (__NR_personality, 0, 7),
    LOAD (args[0]),
    IF_EQUAL (0, 5, 0), IF_EQUAL (0x8, 4, 0), IF_EQUAL (0x20000, 3, 0),
    IF_EQUAL (0x20008, 2, 0), IF_EQUAL (0xffffffff, 1, 0),
    FAIL (EPERM),
    ALLOW
};

int main (int argc, char *argv[])
{
    struct sock_fprog program;

    if (argc < 2) {
        fprintf (stderr, "usage: docker-seccomp COMMAND [ARGUMENT...]\n");
        return 2;
    }
    program.len = sizeof filter / sizeof filter[0];
    program.filter = filter;
    if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror ("docker-seccomp: PR_SET_SECCOMP");
        return 1;
    }
    execvp (argv[1], argv + 1);
    fprintf (stderr, "docker-seccomp: %s: %s\n", argv[1], strerror (errno));
    return 127;
}
