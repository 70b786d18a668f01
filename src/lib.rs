//! Named shared memory segments whose names stay right when processes die.
//!
//! This is the replacement for the `shm_util` package of the C library libgpl:
//! a C program includes `shm_util.h`, links with `-lshm_util`, and calls
//! `shmCreate ("name", size, &address, &memory)`. The first such call makes a
//! System V shared memory segment, later ones map it, the last `shmDestroy`
//! deletes it. Rust programs share segments with the C ones by [`Segment`].
//!
//! ```
//! let segment = shm_util::Segment::create("doc-crate", 4096)?;
//! segment.bytes()[0].store(42, std::sync::atomic::Ordering::Relaxed);
//! # Ok::<(), shm_util::Error>(())
//! ```
//!
//! Beyond libgpl, [`Options`] make and map segments in other ways, and [`list`],
//! [`info()`], [`keep`], [`remove`] and [`prune`] show, steer and clean up what
//! there is by name; C programs have the same in `shm_util_ext.h`.
//!
//! Which name belongs to which segment is kept in a registry that is itself
//! a segment. Who is attached to what is not kept at all: the kernel knows, and
//! keeps that right when processes fork, exec, exit or are killed.
//!
//! # Modules
//!
//! Data flow one way, and a module knows only those to its right:
//!
//! ```text
//! capi -> segment -> registry -> sysv
//!    \-> directory -----^
//! ```
//!
//! | module       | job |
//! | ------------ | --- |
//! | `capi`       | the C functions: conversion only |
//! | `segment`    | create, attach, detach a named segment: the life cycle |
//! | `options`    | how a segment is made or mapped, if not in the usual way |
//! | `directory`  | what is done by name: look, list, keep, remove, clean up |
//! | `info`       | what is known of a segment, as the caller gets it |
//! | `registry`   | the names: open, lock, look up, insert, remove, recover |
//! | `sysv`       | shmget(2), shmop(2), shmctl(2) as safe wrappers |
//! | `snapshot`   | save and load |
//! | `filename`   | libgpl's file name translation |
//! | `name`       | a segment's name, as a program remembers it |
//! | `fork`       | calls in progress, and what fork makes of them |
//! | `process`    | environment, credentials, `errno`, C streams as safe wrappers |
//! | `error`      | one error type, and its `errno` value |

#[cfg(not(target_os = "linux"))]
compile_error!("shm_util needs Linux: robust futexes, and shmat(2) as Linux has it");

#[cfg(not(all(target_env = "gnu", target_pointer_width = "64")))]
compile_error!("shm_util was built and tested with glibc on 64-bit machines only");

#[cfg(all(feature = "shipped", panic = "unwind"))]
compile_error!("the library for C programs is built with panic = \"abort\": use make");

#[doc(hidden)]
pub mod admin;
mod allocate;
pub mod capi;
mod environment;
mod errno;
mod error;
mod filename;
mod fork;
#[cfg(any(test, fuzzing))]
// Its job is to fail.
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]
pub mod fuzzing;
mod ids;
mod info;
mod lock;
mod name;
mod names;
mod namespace;
mod options;
mod os;
mod quoted;
mod random;
mod read_only;
mod request;
mod segment;
mod snapshot;
mod store;
mod sync;

pub use error::{Error, Result};
pub use info::{Info, Permissions, RegistryInfo};
pub use names::{info, keep, list, prune, registry, remove};
pub use options::Options;
pub use read_only::ReadOnlySegment;
pub use segment::Segment;
pub use snapshot::Loaded;

/// Runs when the program exits or the library is unloaded: after all handlers
/// of atexit(3), in which programs destroy their segments.
#[used]
// The number, the lowest, puts it behind destructors of a program that is
// linked statically.
#[unsafe(link_section = ".fini_array.00000")]
static AT_EXIT: extern "C" fn() = {
    extern "C" fn at_exit() {
        // exit(3) may have been called by a signal handler that interrupted a
        // call, and malloc(3) in it; what that holds, the kernel gives up.
        if let Ok(_call) = fork::Call::begin(fork::Purpose::Change) {
            store::retire_all();
        }
    }
    at_exit
};
