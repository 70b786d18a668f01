/*
 * processor.c - registers, system calls and breakpoints of a traced process; see processor.h.
 */
#include "processor.h"

#include <elf.h>
#include <sys/uio.h>

#ifdef KNOWS_PROCESSOR

/* ---- what differs ----------------------------------------------------------------------- */

#if defined __x86_64__

#define PLACE rip
#define RESULT rax
#define NUMBER orig_rax      /* in the kernel */
#define NUMBER_BEFORE rax    /* at the instruction that calls it */
#define ARGUMENTS(r) { &(r)->rdi, &(r)->rsi, &(r)->rdx, &(r)->r10, &(r)->r8 }
enum { CALL_LENGTH = 2, BEHIND_TRAP = 0 };
static const char *const call_instructions[] = { "\x0f\x05" };

#elif defined __i386__

#define PLACE eip
#define RESULT eax
#define NUMBER orig_eax
#define NUMBER_BEFORE eax
#define ARGUMENTS(r) { &(r)->ebx, &(r)->ecx, &(r)->edx, &(r)->esi, &(r)->edi }
enum { CALL_LENGTH = 2, BEHIND_TRAP = 0 };
/* int $0x80, sysenter, syscall: the first is behind the others, and where these return to. */
static const char *const call_instructions[] = { "\xcd\x80", "\x0f\x34", "\x0f\x05" };

#else

#define PLACE pc
#define RESULT regs[0]
#define NUMBER regs[8]
#define NUMBER_BEFORE regs[8]
#define ARGUMENTS(r) { &(r)->regs[0], &(r)->regs[1], &(r)->regs[2], &(r)->regs[3], &(r)->regs[4] }
enum { CALL_LENGTH = 4, BEHIND_TRAP = 4 };
static const char *const call_instructions[] = { "\x01\x00\x00\xd4" };

#endif

/* ---- registers -------------------------------------------------------------------------- */

typedef __typeof__ (((registers *) NULL)->RESULT) word;

static word *argument (registers *r, int which)
{
    word *const all[] = ARGUMENTS (r);

    return all[which];
}

void get_registers (pid_t traced, registers *r)
{
    struct iovec all = { r, sizeof *r };

    memset (r, 0, sizeof *r);
    ptrace (PTRACE_GETREGSET, traced, (void *) NT_PRSTATUS, &all);
}

void set_registers (pid_t traced, const registers *r)
{
    struct iovec all = { (void *) r, sizeof *r };

    ptrace (PTRACE_SETREGSET, traced, (void *) NT_PRSTATUS, &all);
}

uint64_t place_of (const registers *r)
{
    return (unsigned long) r->PLACE;
}

void pass_trap (pid_t traced)
{
    registers r;

    get_registers (traced, &r);
    r.PLACE += BEHIND_TRAP;
    set_registers (traced, &r);
}

/* ---- system calls ----------------------------------------------------------------------- */

#ifdef __i386__

static const long usual[][2] = {
    { SYS_futex_time64, SYS_futex },
    { SYS_mmap2, SYS_mmap },
    { SYS_fcntl64, SYS_fcntl },
    { SYS__llseek, SYS_lseek },
    { SYS_stat64, SYS_stat },
    { SYS_lstat64, SYS_lstat },
    { SYS_fstat64, SYS_fstat },
    { SYS_ftruncate64, SYS_ftruncate },
    { SYS_fstatfs64, SYS_fstatfs },
    { SYS_fadvise64_64, SYS_fadvise64 },
    { SYS_sendfile64, SYS_sendfile },
    { SYS_fchown32, SYS_fchown },
    { SYS_chown32, SYS_chown },
    { SYS_getgroups32, SYS_getgroups },
    { SYS_ugetrlimit, SYS_getrlimit },
    { SYS_clock_gettime64, SYS_clock_gettime },
    { SYS_clock_nanosleep_time64, SYS_clock_nanosleep },
    { SYS_getuid32, SYS_getuid },
    { SYS_geteuid32, SYS_geteuid },
    { SYS_getgid32, SYS_getgid },
    { SYS_getegid32, SYS_getegid },
};

static void as_usual (struct system_call *call)
{
    enum { SEMOP = 1, SEMGET, SEMCTL, SEMTIMEDOP, SHMAT = 21, SHMDT, SHMGET, SHMCTL };
    const uint64_t *given = call->argument;
    size_t i;

    for (i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (usual[i][0] == call->number)
            call->number = usual[i][1];
    if (call->number != SYS_ipc)
        return;
    call->number = (given[0] & 0xffff) == SHMAT    ? SYS_shmat
                   : (given[0] & 0xffff) == SHMDT  ? SYS_shmdt
                   : (given[0] & 0xffff) == SHMGET ? SYS_shmget
                   : (given[0] & 0xffff) == SHMCTL ? SYS_shmctl
                                                   : SYS_ipc;
    if (call->number != SYS_ipc)
        memmove (call->argument, &given[1], 3 * sizeof given[0]);
}

#else

static void as_usual (struct system_call *call)
{
    (void) call;
}

#endif

struct system_call call_made (const registers *r, long own_number)
{
    struct system_call call = { own_number, own_number, { 0, 0, 0, 0 } };
    registers copy = *r;
    int i;

    for (i = 0; i < 4; i++)
        call.argument[i] = (unsigned long) *argument (&copy, i);
    as_usual (&call);
    return call;
}

bool is_before_call (const registers *r, struct system_call *call)
{
    size_t i;

    for (i = 0; i < sizeof call_instructions / sizeof call_instructions[0]; i++)
        if (memcmp ((const void *) (uintptr_t) r->PLACE, call_instructions[i], CALL_LENGTH)
            == 0) {
            *call = call_made (r, (long) r->NUMBER_BEFORE);
            return true;
        }
    return false;
}

struct system_call call_in (const registers *r)
{
    return call_made (r, (long) r->NUMBER);
}

long result_of (const registers *r)
{
    return (long) r->RESULT;
}

void change_argument (pid_t traced, int which, uint64_t value)
{
    registers r;

    get_registers (traced, &r);
    *argument (&r, which) = (word) value;
    set_registers (traced, &r);
}

void omit_call (pid_t traced)
{
#ifdef __aarch64__
    int none = -1;
    struct iovec number = { &none, sizeof none };

    ptrace (PTRACE_SETREGSET, traced, (void *) NT_ARM_SYSTEM_CALL, &number);
#else
    registers r;

    get_registers (traced, &r);
    r.NUMBER = (word) -1;
    set_registers (traced, &r);
#endif
}

void change_result (pid_t traced, long result)
{
    registers r;

    get_registers (traced, &r);
    r.RESULT = (word) result;
    set_registers (traced, &r);
}

long call_again (pid_t traced, long number, uint64_t first, uint64_t second)
{
    registers r;
    int status;

    get_registers (traced, &r);
    r.PLACE -= CALL_LENGTH;
    r.NUMBER = (word) -1; /* so that the kernel does not take it for a call to restart */
    r.NUMBER_BEFORE = (word) number;
    *argument (&r, 0) = (word) first;
    *argument (&r, 1) = (word) second;
    set_registers (traced, &r);
    ptrace (PTRACE_SINGLESTEP, traced, NULL, NULL);
    wait_for_end (traced, &status);
    if (!WIFSTOPPED (status))
        give_up ("a traced process ended in a system call");
    get_registers (traced, &r);
    return result_of (&r);
}

/* ---- breakpoints ------------------------------------------------------------------------ */

#ifdef __aarch64__

/* The first of the processor's breakpoints. */
static bool write_breakpoint (pid_t traced, uint64_t place, uint32_t control)
{
    struct {
        uint32_t info, pad;
        uint64_t address;
        uint32_t control, pad_of_this;
    } first = { 0, 0, place, control, 0 };
    struct iovec all = { &first, sizeof first };

    return ptrace (PTRACE_SETREGSET, traced, (void *) NT_ARM_HW_BREAK, &all) == 0;
}

bool set_breakpoint (pid_t traced, uint64_t place)
{
    enum { ENABLED = 1, BY_USER = 2 << 1, FOUR_BYTES = 0xf << 5 };

    return write_breakpoint (traced, place, ENABLED | BY_USER | FOUR_BYTES);
}

void clear_breakpoint (pid_t traced)
{
    write_breakpoint (traced, 0, 0);
}

/* The processor would stop again at once. */
int go_on_from_breakpoint (pid_t traced, uint64_t place)
{
    registers r;
    int status;

    get_registers (traced, &r);
    if (place_of (&r) == place) {
        clear_breakpoint (traced);
        if (ptrace (PTRACE_SINGLESTEP, traced, NULL, NULL) != 0)
            return -1;
        wait_for_end (traced, &status);
        if (!set_breakpoint (traced, place))
            return -1;
    }
    return ptrace (PTRACE_CONT, traced, NULL, NULL);
}

#else

bool set_breakpoint (pid_t traced, uint64_t place)
{
    return ptrace (PTRACE_POKEUSER, traced, offsetof (struct user, u_debugreg[0]), place) == 0
           && ptrace (PTRACE_POKEUSER, traced, offsetof (struct user, u_debugreg[7]), 1) == 0;
}

void clear_breakpoint (pid_t traced)
{
    ptrace (PTRACE_POKEUSER, traced, offsetof (struct user, u_debugreg[7]), 0);
}

/* The processor passes the breakpoint by itself. */
int go_on_from_breakpoint (pid_t traced, uint64_t place)
{
    (void) place;
    return ptrace (PTRACE_CONT, traced, NULL, NULL);
}

#endif

#endif
