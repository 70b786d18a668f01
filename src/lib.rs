//! Named shared memory segments whose names stay consistent when processes die.
//!
//! This crate replaces the package `shm_util` of the C library libgpl: a C program
//! includes `shm_util.h`, links with `-lshm_util`, and calls
//! `shmCreate ("name", size, &address, &memory)`. The first such call creates a
//! System V shared memory segment, later ones attach it, and the last `shmDestroy`
//! deletes it. Rust programs share segments with C programs through [`Segment`].
//!
//! ```
//! let segment = shm_util::Segment::create("doc-crate", 4096)?;
//! segment.bytes()[0].store(42, std::sync::atomic::Ordering::Relaxed);
//! # Ok::<(), shm_util::Error>(())
//! ```
//!
//! Beyond libgpl, [`Options`] create and attach segments in other ways, and [`list`],
//! [`info()`], [`keep`], [`remove`] and [`prune`] inspect, manage and clean up segments
//! by name. `shm_util_ext.h` offers the same to C programs.
//!
//! A registry, itself a segment, records which name belongs to which segment. Nothing
//! records who has a segment attached: the kernel knows, also after processes fork,
//! exec, exit or are killed.
//!
//! # Environment
//!
//! `NOB_DATABASE` selects the namespace, `SHM_UTIL_KEEP=1` makes new segments kept ones, and
//! `SHM_UTIL_SYNC=0` lets saves not wait for the disk. A process reads them once, when it
//! first uses a name; `std::env::set_var` has no effect on this crate afterwards. Only
//! variables in the file names of saves and loads are read each time.
//!
//! # Modules
//!
//! A module names only modules below it, which `tests/layers.rs` checks:
//!
//! | module       | job |
//! | ------------ | --- |
//! | `capi`       | the C functions: conversion only |
//! | `admin`      | what only an administrator's tool needs |
//! | `names`      | by name: look, list, keep, remove, prune, wait |
//! | `read_only`  | a segment attached for reading only |
//! | `manage`     | an attached segment: look, set permissions, lock, keep, remove |
//! | `segment`    | one attachment: the interface for Rust programs |
//! | `store`      | where segments live, and who has them attached |
//! | `snapshot`   | save and load: knows bytes and files only |
//! | `namespace`  | which names a process shares with which others |
//! | `options`, `info`, `request` | plain data |
//! | `lock`       | a lock in shared memory that the kernel releases for a dead owner |
//! | `fork`       | calls in progress, and fork(2) |
//! | `patience`   | how long a call may wait |
//! | `name`       | which names are valid |
//! | `environment` | the environment as it was at the first call |
//! | `filename`   | libgpl's file name translation |
//! | `random`     | random numbers |
//! | `error`, `quoted`, `allocate` | errors, names in messages, allocation that can fail |
//! | `os`         | what the operating system offers, apart from shared memory |
//! | `errno`, `ids`, `atomic` | numbers with a type, atomics |

#[cfg(not(target_os = "linux"))]
compile_error!("shm_util needs Linux: robust futexes, and shmat(2) as Linux has it");

#[cfg(not(all(target_env = "gnu", target_pointer_width = "64")))]
compile_error!("shm_util was built and tested with glibc on 64-bit machines only");

#[cfg(all(feature = "shipped", panic = "unwind"))]
compile_error!("C programs need a library built with panic = \"abort\"; use make");

mod access;
#[doc(hidden)]
pub mod admin;
mod allocate;
#[cfg(feature = "capi")]
mod atomic;
mod bulk;
#[cfg(feature = "capi")]
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
mod manage;
mod name;
mod names;
mod namespace;
mod options;
mod os;
mod patience;
mod quoted;
mod random;
mod read_only;
mod request;
mod segment;
mod snapshot;
mod store;
#[cfg(feature = "bytemuck")]
mod typed;

/// The Rust programs in the documents compile.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/languages.md")]
    struct Languages;
}

pub use access::{Atomic, ReadOnlyAtomic};
pub use error::{Error, Reason, Result};
pub use info::{Info, Permissions, RegistryInfo};
pub use names::{info, keep, list, prune, registry, remove, wait};
pub use options::Options;
pub use read_only::ReadOnlySegment;
pub use segment::Segment;
pub use snapshot::Loaded;

/// Runs before `main`, and before the program can register handlers of fork: see
/// `fork::set_handlers`.
#[used]
#[unsafe(link_section = ".init_array.00000")]
static AT_START: extern "C" fn() = {
    extern "C" fn at_start() {
        fork::set_handlers();
    }
    at_start
};

/// Runs when the program exits or the library is unloaded: after all handlers
/// of atexit(3), in which programs destroy their segments.
#[used]
// The lowest number makes it run after the destructors of a statically linked
// program.
#[unsafe(link_section = ".fini_array.00000")]
static AT_EXIT: extern "C" fn() = {
    extern "C" fn at_exit() {
        // A signal handler that interrupted a call, perhaps in malloc(3), may have called
        // exit(3). Then nothing is done here: the kernel releases what the call holds.
        #[cfg(feature = "capi")]
        if capi::is_running() {
            return;
        }
        if let Ok(_call) = fork::Call::begin(fork::Purpose::Change) {
            store::retire_all();
        }
    }
    at_exit
};
