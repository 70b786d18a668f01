//! Named shared memory segments whose names stay consistent when processes die.
//!
//! Programs that know the same name share the same memory. The first call that creates a name
//! creates a segment, later ones attach it, and the last process that destroys it deletes it. A
//! segment is System V shared memory, a file in a directory, or memory of the process: see
//! [Kinds of memory](#kinds-of-memory). A process may crash, or be killed at any instruction: the
//! segment keeps its bytes and its name, and the next process that opens it finds them.
//!
//! ```
//! use shm_util::Segment;
//!
//! let segment = Segment::create("doc-crate", 4096)?; // all zero, or the existing one
//! segment.write_at(0, b"good morning")?;
//!
//! // Usually another program, in Rust, C or any other language:
//! let theirs = Segment::open("doc-crate")?;
//! let mut bytes = [0; 4];
//! theirs.read_at(0, &mut bytes)?;
//! assert_eq!(&bytes, b"good");
//! # Ok::<(), shm_util::Error>(())
//! ```
//!
//! | to | use |
//! | --- | --- |
//! | create or attach a segment | [`Segment::create`], [`Segment::open`], [`Options`] |
//! | let the kernel delete it with its last process | [`Options::transient`] |
//! | fill it before others find it | [`Options::hidden`], [`Segment::publish`] |
//! | let the library make up the name | [`Options::unique`] |
//! | attach one for reading only | [`Options::open_read_only`], [`ReadOnlySegment`] |
//! | copy bytes | [`Segment::read_at`], [`Segment::write_at`] |
//! | share flags and counters | [`Segment::bytes`], [`Segment::as_atomics`], [`Segment::atomic`] |
//! | copy values of types | the [feature](#features) `bytemuck` |
//! | copy to and from files | [`Segment::save`], [`Segment::load`] |
//! | wait until the bytes of a file are on the disk | [`Segment::sync`] |
//! | look at segments by name | [`info()`], [`list`], [`wait`] |
//! | manage them by name | [`keep`], [`remove`], [`prune`] |
//!
//! The crate is also the library `libshm_util`, which replaces the package `shm_util` of the C
//! library libgpl: C programs include `shm_util.h` and link with `-lshm_util`. They share
//! names and segments with Rust programs.
//!
//! # The lifetime of a segment
//!
//! A segment is deleted when a process destroys it (by [`Segment::destroy`], or by dropping the
//! value) and no other process has it attached. The kernel counts the attachments, also when
//! processes fork, exec, exit or are killed. So:
//!
//! * A process that dies does not count any more. If it was the last one, the segment is an
//!   *orphan*: it keeps its bytes and its name until a process opens and destroys it, until
//!   its name is removed ([`remove`]), or until it is pruned ([`prune`]).
//! * A process that [detaches](Segment::detach) a segment never deletes it. Readers that come
//!   and go should do that.
//! * A *kept* segment ([`Options::keep`], [`keep`]) outlives its last process in any case,
//!   until its name is removed.
//! * A *transient* segment ([`Options::transient`]) never outlives its last process: the kernel
//!   deletes it, even if that process is killed or detaches it.
//! * A *hidden* segment ([`Options::hidden`]) can be filled before other processes find it by its
//!   name, which [`Segment::publish`] gives it. If its last process ends before that, it is
//!   deleted.
//!
//! No System V segment survives a reboot, but a file on a disk does. A segment that was deleted by
//! other means, such as ipcrm(1) or rm(1), is treated as absent.
//!
//! ```
//! use shm_util::Segment;
//!
//! Segment::create("doc-lifetime", 100)?.detach()?; // an orphan now
//! assert_eq!(shm_util::info("doc-lifetime")?.mappings, 0);
//! Segment::open("doc-lifetime")?.destroy()?; // the last one: it is deleted
//! assert!(shm_util::info("doc-lifetime").is_err());
//! # Ok::<(), shm_util::Error>(())
//! ```
//!
//! # Kinds of memory
//!
//! The [namespace](Namespace) selects what its segments are, and [`Info::kind`] returns it:
//!
//! | [`Kind`] | selected by | shared by | ends |
//! | --- | --- | --- | --- |
//! | `SysV` | no path, or a path | processes in one IPC namespace | with a reboot |
//! | `Directory` | a path that ends in `/` | processes that may use the directory | with its file |
//! | `Private` | `private:` | the process and the children that it forks | with the process |
//!
//! The functions are the same. The kinds differ as follows:
//!
//! * Only System V segments have an identifier. [`Segment::id`] returns -1 for other kinds.
//! * Files are never [transient](Options::transient), and cannot be [locked](Segment::lock) in
//!   memory for all processes: both are `ENOTSUP`. Their [owner and mode](Segment::set_permissions)
//!   and those of the directory decide who may attach, create and delete them.
//! * The bytes of a file on a disk outlive a reboot. After a power failure, only bytes that were
//!   stored before a call of [`Segment::sync`] are certain to be there.
//! * [Huge pages](Options::huge_pages) are `ENOTSUP` for private memory, and for files outside
//!   hugetlbfs.
//!
//! # Other processes, threads and soundness
//!
//! Other processes, among them faulty ones and C programs, may change any byte of a segment at
//! any time. Safe functions are sound whatever other processes do:
//!
//! * [`read_at`](Segment::read_at) and [`write_at`](Segment::write_at) copy without a data race, on
//!   x86-64 about as fast as memcpy(3). A copy may contain some bytes from before and some from
//!   after a concurrent change.
//! * Atomics ([`bytes`](Segment::bytes), [`as_atomics`](Segment::as_atomics)) always hold some
//!   value.
//! * No safe function returns a `&[u8]` or a reference to an ordinary type in a segment: the
//!   compiler may assume that what such a reference points to does not change.
//!   [`as_slice`](Segment::as_slice) and [`as_mut_slice`](Segment::as_mut_slice) are `unsafe`: they
//!   are for memory that the programs have agreed not to change meanwhile.
//!
//! To see a change as a whole, programs use atomics with acquire and release order, as threads
//! do, or a lock in the segment. Values from a segment that less trusted processes can write
//! must be checked after they were copied out, not before.
//!
//! If the system has no memory for a page, an access to the page raises `SIGBUS`. That can happen
//! with huge pages that were not reserved ([`Options::no_reserve`]), and with files that another
//! process truncates.
//!
//! [`Segment`] is `Send` and `Sync`, and any thread may call any function. A signal
//! handler that interrupts a call gets `EDEADLK` from every function.
//!
//! # Fork
//!
//! A child process has all segments of its parent attached, and counts as a holder of its own. It
//! may call every function. If it destroys or drops a [`Segment`], that does not affect the
//! parent. It shares its parent's attachments of files, so [`Info::mappings`] counts both once.
//! After an exec, nothing is attached.
//!
//! # Errors
//!
//! An [`Error`] has an `errno` value ([`Error::errno`]), in most cases a [`Reason`], and a
//! sentence that states what failed, and what to do. `?` converts it to a [`std::io::Error`], which keeps
//! all of that. A failed call changes nothing, unless its documentation says otherwise.
//!
//! ```
//! use shm_util::Segment;
//!
//! let segment = Segment::create("doc-errors", 4096)?;
//! let error = Segment::create("doc-errors", 8192).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "segment 'doc-errors' has 4096 bytes, 8192 requested: Invalid argument"
//! );
//! # Ok::<(), shm_util::Error>(())
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `capi` | yes | the functions for C programs, and their symbols |
//! | `bytemuck` | no | `Segment::read`, `write`, `read_slice` and `write_slice` for plain old data |
//!
//! The traits of `bytemuck` select the types that may be copied: out of a segment, those that are
//! valid with any bytes (`AnyBitPattern`); into it, those without padding (`NoUninit`). The crate
//! was preferred to `zerocopy` because it has been at version 1 since 2020: a crate whose types are
//! part of this one's interface must not force it to new major versions, as each of `zerocopy`
//! 0.6, 0.7 and 0.8 would have. Programs that use `zerocopy` can copy with
//! [`Segment::read_at`] and `value.as_mut_bytes()`.
//!
//! `shipped` and `headers` are for building the C library.
//!
//! # Environment
//!
//! `NOB_DATABASE` selects the namespace, `SHM_UTIL_KEEP=1` makes new segments kept ones,
//! `SHM_UTIL_TRANSIENT=1` makes them transient ones; with `SHM_UTIL_SYNC=0`, saves, and calls that
//! create or delete files in a directory, do not wait for the disk; and with `SHM_UTIL_THREADS=1`,
//! loads start no second thread. A process reads them once, when it first uses a name;
//! `std::env::set_var` has no effect on this crate afterwards. Only variables in the file names of
//! saves and loads are read each time.
//!
//! # Modules
//!
//! For those who change this crate. A registry, itself a segment, records which name belongs to
//! which System V segment; a directory needs none. A module names only modules below it, which
//! `tests/layers.rs` checks:
//!
//! | module       | job |
//! | ------------ | --- |
//! | `capi`       | the C functions: conversion only |
//! | `admin`      | what only an administrator's tool needs |
//! | `names`      | by name: look, list, keep, remove, prune, wait |
//! | `within`     | the same, and by identifier, in any namespace |
//! | `typed`      | copies of plain old data: the feature `bytemuck` |
//! | `access`     | a segment's bytes: pointers, copies, atomics |
//! | `read_only`  | a segment attached for reading only |
//! | `manage`     | an attached segment: look, set permissions, lock, keep, remove |
//! | `segment`    | one attachment: the interface for Rust programs |
//! | `unique`     | names that the library makes up |
//! | `store`      | where segments live, and who has them attached |
//! | `snapshot`   | save and load: knows bytes and files only |
//! | `namespace`  | which names a process shares with which others |
//! | `default_directory` | the directory of programs that choose no namespace, on some systems |
//! | `location`   | which kind of memory a path selects |
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
//! | `bulk`       | copies between shared and private memory |
//! | `errno`, `ids`, `atomic` | numbers with a type, atomics |

#![cfg_attr(shm_util_unstable_assembly, feature(asm_experimental_arch))]

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
mod default_directory;
mod environment;
mod errno;
mod error;
mod file;
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
mod location;
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
mod unique;
mod within;

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
pub use info::{Info, Kind, Permissions, RegistryInfo};
pub use names::{info, keep, list, prune, registry, remove, wait};
pub use namespace::Namespace;
pub use options::Options;
pub use read_only::ReadOnlySegment;
pub use segment::Segment;
pub use snapshot::Loaded;

/// Runs before `main`, and before the program can register handlers of fork: see
/// `fork::set_handlers`.
extern "C" fn at_start() {
    fork::set_handlers();
}
os::at_start!(at_start);

/// Runs when the program exits or the library is unloaded: after all handlers
/// of atexit(3), in which programs destroy their segments.
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
os::at_exit!(at_exit);
