/* Shared by the two source files of compat. */

#ifndef COMPAT_H
#define COMPAT_H

#ifdef __cplusplus
extern "C" {
#endif

extern void more_errors P_((void)) ;

#ifdef __cplusplus
}
#endif

#endif
