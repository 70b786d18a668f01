//! A mutex that is not poisoned when a thread panics.
//!
//! With the feature `parking_lot` (the default) it is that crate's; without it,
//! `std`'s.

#![forbid(unsafe_code)]

#[cfg(feature = "parking_lot")]
pub(crate) use parking_lot::Mutex;

#[cfg(not(feature = "parking_lot"))]
pub(crate) use without_poison::Mutex;

#[cfg(not(feature = "parking_lot"))]
mod without_poison {
    use std::sync::{MutexGuard, PoisonError, TryLockError};

    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }
}
