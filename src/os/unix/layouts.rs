//! The sizes, offsets and constants of C that the library relies on, as numbers.
//!
//! Here, the compiler compares them with the libc crate and with the files in `system`;
//! `scripts/unix headers` compares the same files with the systems' headers.

#![expect(clippy::wildcard_imports, reason = "the files name what they compare")]

use std::mem::offset_of;

use super::system::*;
use super::system::{ENODATA, sembuf, semid_ds, shmid_ds};
use super::sysv::{SHM_RDONLY, SHM_RND};
use libc::*;

/// A structure of C has this size; that of Rust may have room behind it.
macro_rules! size {
    ($structure:ident, $size:literal) => {
        const _: () = assert!(size_of::<$structure>() >= $size);
    };
}

/// A field's offset and size.
macro_rules! field {
    ($structure:ident, $field:ident, $offset:literal, $size:literal) => {
        const _: () = assert!(offset_of!($structure, $field) == $offset);
        const _: () = assert!(size_of_result(|all: &$structure| all.$field) == $size);
    };
}

macro_rules! constant {
    ($name:ident, $value:literal) => {
        const _: () = assert!($name == $value);
    };
}

/// A constant that C calls something else.
macro_rules! alias {
    ($name:ident, $in_c:ident, $value:literal) => {
        constant!($name, $value);
    };
}

const fn size_of_result<S, T>(_: fn(&S) -> T) -> usize {
    size_of::<T>()
}

#[cfg(target_os = "freebsd")]
include!("layouts/freebsd.rs");
#[cfg(target_os = "macos")]
include!("layouts/macos.rs");
#[cfg(target_os = "netbsd")]
include!("layouts/netbsd.rs");
#[cfg(target_os = "openbsd")]
include!("layouts/openbsd.rs");
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
include!("layouts/solaris.rs");
