//! Allocation that reports `ENOMEM` instead of aborting the program.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};
use std::ops::{Deref, DerefMut};

use crate::errno::Errno;

/// Formats a `String`. Where memory is short, the text is cut off.
pub(crate) fn text(arguments: fmt::Arguments<'_>) -> String {
    struct Cautious(String);

    impl fmt::Write for Cautious {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
            self.0.push_str(part);
            Ok(())
        }
    }

    let mut cautious = Cautious(String::new());
    // An error means that the text was cut off.
    let _ = cautious.write_fmt(arguments);
    cautious.0
}

/// Copies bytes.
pub(crate) fn try_to_vec(bytes: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Errno(libc::ENOMEM))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Moves a value to the heap, as an array of one: `Box::new` would abort.
pub(crate) fn try_box<T>(value: T) -> Result<Box<[T; 1]>, Errno> {
    let Boxed(value) = Room::new()?.fill(value)?;
    Ok(value)
}

/// A value on the heap, so that what holds it stays small.
#[derive(Debug)]
pub(crate) struct Boxed<T>(Box<[T; 1]>);

/// Memory for such a value, which is made before the value: then nothing fails afterwards.
pub(crate) struct Room<T>(Vec<T>);

impl<T> Room<T> {
    pub(crate) fn new() -> Result<Self, Errno> {
        let mut room = Vec::new();
        room.try_reserve_exact(1).map_err(|_| Errno(libc::ENOMEM))?;
        Ok(Self(room))
    }

    /// Puts the value there. An error is impossible: there is room.
    pub(crate) fn fill(mut self, value: T) -> Result<Boxed<T>, Errno> {
        self.0.push(value);
        let filled = self.0.into_boxed_slice().try_into();
        filled.map(Boxed).map_err(|_| Errno(libc::ENOMEM))
    }
}

impl<T> Boxed<T> {
    pub(crate) const fn get(&self) -> &T {
        let [value] = &*self.0;
        value
    }
}

impl<T> Deref for Boxed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T> DerefMut for Boxed<T> {
    fn deref_mut(&mut self) -> &mut T {
        let [value] = &mut *self.0;
        value
    }
}

/// Checks that there is memory for what the standard library does with a path
/// of this length: the standard library aborts where there is none.
pub(crate) fn require_memory_for(path: usize) -> Result<(), Errno> {
    // More than it ever takes: a dozen copies and some small objects.
    let enough = path.saturating_add(256).saturating_mul(16);
    let mut some = Vec::<u8>::new();
    let result = some.try_reserve_exact(enough);
    std::hint::black_box(&mut some);
    result.map_err(|_| Errno(libc::ENOMEM))
}
