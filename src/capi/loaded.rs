//! `struct ShmxLoaded` of `shm_util_ext.h`. Its comments are the header's text.

// The names are those of the C header, in libgpl's style.
#![allow(non_snake_case)]

use std::ffi::{c_long, c_ulong};
use std::mem::offset_of;

use super::place::Extensible;
use crate::snapshot::Loaded;

/// What shmxLoad has read. Later versions of the library may append members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ShmxLoaded {
    /// Set by the caller to sizeof (struct ShmxLoaded): the library writes no
    /// more bytes than that.
    pub size: c_ulong,
    /// Size of the file in bytes. For /dev/stdin and other open descriptors,
    /// the bytes from their position on; for a pipe or another file that has no
    /// size, the bytes read.
    pub fileSize: c_long,
    /// Number of bytes that were read into the segment.
    pub bytesRead: c_long,
}

// The layout that programs are compiled with; c_tests/programs/ext_load.c checks
// the same numbers.
const _: () = {
    assert!(offset_of!(ShmxLoaded, size) == 0);
    assert!(offset_of!(ShmxLoaded, fileSize) == size_of::<c_long>());
    assert!(offset_of!(ShmxLoaded, bytesRead) == 2 * size_of::<c_long>());
    assert!(size_of::<ShmxLoaded>() == 3 * size_of::<c_long>());
};

// SAFETY: it has C's layout, and its first member is `size`.
unsafe impl Extensible for ShmxLoaded {
    const ARGUMENT: &'static str = "loaded";
    const NAME: &'static str = "ShmxLoaded";
}

impl From<&Loaded> for ShmxLoaded {
    fn from(loaded: &Loaded) -> Self {
        let long = |bytes| c_long::try_from(bytes).unwrap_or(c_long::MAX);
        Self {
            size: c_ulong::try_from(size_of::<Self>()).unwrap_or(c_ulong::MAX),
            fileSize: long(loaded.file),
            bytesRead: long(loaded.bytes),
        }
    }
}
