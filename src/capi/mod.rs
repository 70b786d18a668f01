//! The C functions: conversion only. Rust programs use
//! [`Segment`](crate::Segment) instead.
//!
//! | module       | job |
//! | ------------ | --- |
//! | `base`       | the functions of `shm_util.h` |
//! | `ext`        | the functions of `shm_util_ext.h`, which libgpl does not have |
//! | `list`       | shmxList |
//! | `space`      | those of them that take a namespace |
//! | `by_id`      | those of them that look up an identifier |
//! | `by_name`    | those of them that change a segment by its name |
//! | `attached`   | those of them that begin and end an attachment, and load |
//! | `info`       | `struct ShmxInfo` |
//! | `loaded`     | `struct ShmxLoaded` |
//! | `place`      | such structs, which later versions may extend |
//! | `create`     | what shmCreate and shmxCreate share |
//! | `call`       | what surrounds each function's work: `errno`, errors |
//! | `frame`      | refuses signal handlers that interrupted another function |
//! | `argument`   | C's arguments as Rust values |
//! | `aperror`    | the global `aperror_print` |
//! | `handle`     | handles: checked numbers, never dereferenced |
//! | `message`    | lines on stdout and stderr |
//! | `error_text` | each thread's last error |
//! | `reason`     | why it was one, as a number |
//! | `panic`      | how a bug or a lack of memory ends a C program |
//!
//! A C program uses `shm_util.h` in this way:
//!
//! ```
//! use shm_util::capi::*;
//! use std::ptr::null_mut;
//!
//! let (mut address, mut memory) = (null_mut(), null_mut());
//! // SAFETY: two strings, and room for a pointer and a handle. The byte belongs to
//! // the segment, which nobody else uses.
//! unsafe {
//!     shm_util_debug = 1; // shmCreate prints a line
//!     assert_eq!(shmCreate(c"doc-capi".as_ptr(), 100, &raw mut address, &raw mut memory), 0);
//!     shm_util_debug = 0;
//!     *address.cast::<u8>() = 42;
//!     assert_eq!(shmSave(memory, c"/dev/null".as_ptr()), 0);
//!     assert_eq!(shmLoad(memory, c"/dev/null".as_ptr()), libc::EINVAL); // it is empty
//! }
//! assert_eq!((shmAddress(memory), shmSizeOf(memory)), (address, 100));
//! assert!(shmId(memory) >= 0);
//! assert_eq!(shmDestroy(memory), 0);
//! assert_eq!(shmDestroy(memory), libc::EINVAL);
//! ```
//!
//! and `shm_util_ext.h` in this way:
//!
//! ```
//! use shm_util::capi::*;
//! use std::ffi::{CStr, c_int, c_long, c_void};
//! use std::ptr::null_mut;
//!
//! unsafe extern "C" fn count(_: *const ShmxInfo, counter: *mut c_void) -> c_int {
//!     // SAFETY: shmxList passes the counter below.
//!     unsafe { *counter.cast::<c_long>() += 1 };
//!     0
//! }
//!
//! let name = c"doc-capi-ext".as_ptr();
//! let (mut memory, mut names, mut pruned): (SharedMemory, c_long, c_long) = (null_mut(), 0, 0);
//! // SAFETY: a string, and room for each result. All members of ShmxInfo may be 0.
//! unsafe {
//!     let mut info: ShmxInfo = std::mem::zeroed();
//!     info.size = size_of::<ShmxInfo>() as _;
//!     let flags = SHMX_EXCL | SHMX_KEEP;
//!     assert_eq!(shmxCreate(name, 100, flags, 0o600, null_mut(), &raw mut memory), 0);
//!     assert_eq!(shmxSetPerm(memory, u32::MAX, u32::MAX, 0o640), 0); // SHMX_SAME
//!     assert_eq!(shmxStat(memory, &raw mut info), 0);
//!     assert_eq!((info.bytes, info.mode, info.kept), (100, 0o640, 1));
//!     let _ = (shmxLock(memory), shmxUnlock(memory)); // RLIMIT_MEMLOCK may be 0
//!     assert_eq!(shmxKeep(memory, 0), 0);
//!     assert_eq!(shmxList(Some(count), (&raw mut names).cast()), 0);
//!     assert!(names >= 1);
//!     assert_eq!(shmxPrune(24 * 3600, &raw mut pruned), 0);
//!     assert_eq!(shmxRemove(name), 0);
//!     assert_eq!(shmDestroy(memory), 0);
//!
//!     assert_eq!(shmCreate(name, 100, null_mut(), &raw mut memory), 0);
//!     assert_eq!(shmxCreated(memory), 1);
//!     let mut loaded: ShmxLoaded = std::mem::zeroed();
//!     loaded.size = size_of::<ShmxLoaded>() as _;
//!     assert_eq!(shmxLoad(memory, c"/dev/zero".as_ptr(), &raw mut loaded), 0);
//!     assert_eq!(loaded.bytesRead, 100);
//!     assert_eq!(shmxRemoveSegment(memory), 0);
//!     assert_eq!(shmxRemoveSegment(memory), libc::EIDRM);
//!     assert_eq!(shmxDetach(memory), 0);
//!
//!     let space = c"/doc/capi".as_ptr();
//!     let unique = SHMX_UNIQUE;
//!     assert_eq!(shmxCreateIn(space, name, 100, unique, 0, null_mut(), &raw mut memory), 0);
//!     let mut made = [0; 1001];
//!     assert_eq!(shmxName(memory, made.as_mut_ptr(), 1001), 0);
//!     let made = made.as_ptr();
//!     assert_eq!(shmxStatNameIn(space, made, &raw mut info), 0);
//!     assert_eq!(shmxStatId(space, shmId(memory), &raw mut info), 0);
//!     assert_eq!(shmxSetPermName(space, made, u32::MAX, u32::MAX, 0o640), 0);
//!     let _ = (shmxLockName(space, made), shmxUnlockName(space, made));
//!     assert_eq!((shmxKeepName(space, made, 1), shmxWaitIn(space, made, 0)), (0, 0));
//!     assert_eq!(shmDestroy(memory), 0);
//!     let id = info.id;
//!     assert_eq!(shmxAttachId(space, id, SHMX_RDONLY, null_mut(), &raw mut memory), 0);
//!     assert_eq!(shmxRemoveId(space, id), 0);
//!     assert_eq!(shmxRemoveIn(space, made), libc::ENOENT);
//!     assert_eq!(shmDestroy(memory), 0);
//!     assert_eq!(shmxListIn(space, Some(count), (&raw mut names).cast()), 0);
//!     assert_eq!(shmxPruneIn(space, 0, &raw mut pruned), 0);
//!     let flags = SHMX_TRANSIENT | SHMX_HIDDEN;
//!     assert_eq!(shmxCreate(name, 100, flags, 0, null_mut(), &raw mut memory), 0);
//!     assert_eq!(shmxPublish(memory), 0);
//!     assert_eq!(shmxDetach(memory), 0); // and the kernel deletes it
//!
//!     assert_eq!(shmxStatName(name, &raw mut info), libc::ENOENT);
//!     println!("{:?}", CStr::from_ptr(shmxErrorText()));
//! }
//! ```

mod aperror;
mod argument;
mod attached;
mod base;
mod by_id;
mod by_name;
mod call;
mod create;
mod error_text;
mod ext;
mod frame;
mod handle;
mod info;
mod list;
mod loaded;
mod message;
#[cfg(feature = "shipped")]
mod panic;
mod place;
mod reason;
mod space;

pub use attached::*;
pub use base::*;
pub use by_id::*;
pub use by_name::*;
pub use ext::*;
pub(crate) use frame::is_running;
#[cfg(any(test, fuzzing))]
pub(crate) use handle::Handle;
pub use info::*;
pub use list::*;
pub use loaded::ShmxLoaded;
pub use reason::*;
pub use space::*;
