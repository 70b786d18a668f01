//! What only some operating systems offer: the same names on each.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod unix;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::*;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use unix::*;
