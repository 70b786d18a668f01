/*
 * processor.h - what the torture programs know of processors: the registers of a traced process,
 * its system calls, and breakpoints. KNOWS_PROCESSOR is defined for those that are known.
 */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include "torture.h"

#if defined __x86_64__ || defined __i386__ || defined __aarch64__
#define KNOWS_PROCESSOR
#endif

#ifdef KNOWS_PROCESSOR

typedef struct user_regs_struct registers;

void get_registers (pid_t traced, registers *r);
void set_registers (pid_t traced, const registers *r);

/* The address of the next instruction. */
uint64_t place_of (const registers *r);

/* The instruction that stops a traced process with SIGTRAP. pass_trap lets it go on behind it. */
#ifdef __aarch64__
#define TRAP "brk #0"
#else
#define TRAP "int3"
#endif
void pass_trap (pid_t traced);

/* ---- system calls ----------------------------------------------------------------------- */

/* As x86-64 numbers them: i386 has further numbers for calls with arguments of 64 bits, and one
 * number, ipc(2), for all calls of System V memory. */
struct system_call {
    long number;
    long own_number; /* the processor's */
    uint64_t argument[4];
};

/* Whether the next instruction makes a system call. Of a fork of this process, whose code is at the
 * same place. */
bool is_before_call (const registers *r, struct system_call *call);

/* The call that the process makes, if it is stopped where it enters or leaves the kernel. */
struct system_call call_in (const registers *r);

/* The call with that number that it has just made: only the first argument may have gone. */
struct system_call call_made (const registers *r, long own_number);

/* What the call returned; an error is negative. */
long result_of (const registers *r);

/* Where it enters the kernel: these change an argument, or let the kernel do nothing. */
void change_argument (pid_t traced, int which, uint64_t value);
void omit_call (pid_t traced);

/* Where it leaves the kernel, or has left it: what the call returns. */
void change_result (pid_t traced, long result);

/* Lets a process that has just left the kernel call it again, and returns the result. */
long call_again (pid_t traced, long number, uint64_t first, uint64_t second);

/* ---- breakpoints ------------------------------------------------------------------------ */

/* Stops the process before the instruction at the place. False if the processor has none. */
bool set_breakpoint (pid_t traced, uint64_t place);
void clear_breakpoint (pid_t traced);

/* Continues until the next stop, from the breakpoint too; returns what ptrace(2) returns. */
int go_on_from_breakpoint (pid_t traced, uint64_t place);

/* ---- what processors lack --------------------------------------------------------------- */

#ifdef __i386__
#define SYS_newfstatat SYS_fstatat64
#endif
/* No call has these numbers. */
#ifdef __aarch64__
#define SYS_open (-1000)
#define SYS_creat (-1001)
#define SYS_stat (-1002)
#define SYS_lstat (-1003)
#define SYS_access (-1004)
#define SYS_chmod (-1005)
#define SYS_chown (-1006)
#define SYS_rename (-1007)
#define SYS_link (-1008)
#define SYS_unlink (-1009)
#define SYS_readlink (-1010)
#define SYS_poll (-1011)
#endif

#endif
#endif
