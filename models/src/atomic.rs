//! The library's module of this name, with the types of loom.

#[allow(clippy::unsafe_removed_from_name)] // the library's own Cell has this name
pub(crate) use loom::cell::UnsafeCell as Cell;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
