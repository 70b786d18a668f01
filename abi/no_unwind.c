/*
 * What the shared library has in place of libgcc_s, which would take longer to
 * load than the rest. Nothing unwinds here: a panic aborts (panic = "abort").
 * But Rust's standard library refers to these functions, to print a backtrace,
 * and to clean up its own frames when others unwind through them, which nothing
 * does: the callers of other people's functions here are no such frames.
 */
#include <stdlib.h>

/* The code for the end of the stack: no backtrace is printed. */
int _Unwind_Backtrace (void *step, void *argument);
int _Unwind_Backtrace (void *step, void *argument)
{
    (void) step;
    (void) argument;
    return 5;
}

#define NEVER(function) \
    void function (void); \
    void function (void) { abort (); }

NEVER (_Unwind_DeleteException)
NEVER (_Unwind_GetCFA)
NEVER (_Unwind_GetDataRelBase)
NEVER (_Unwind_GetIP)
NEVER (_Unwind_GetIPInfo)
NEVER (_Unwind_GetLanguageSpecificData)
NEVER (_Unwind_GetRegionStart)
NEVER (_Unwind_GetTextRelBase)
NEVER (_Unwind_RaiseException)
NEVER (_Unwind_Resume)
NEVER (_Unwind_SetGR)
NEVER (_Unwind_SetIP)
