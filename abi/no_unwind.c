/*
 * Takes the place of libgcc_s in the shared library, which would take longer to load than
 * everything else. Nothing unwinds here: a panic aborts (panic = "abort"). But Rust's
 * standard library refers to these functions, to clean up its own frames when an exception
 * passes through them. None does: the functions here that call a program's function have no
 * such frames. Only a Rust whose handlers scripts/reduce-library does not find prints backtraces.
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
