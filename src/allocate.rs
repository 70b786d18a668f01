//! Allocation that reports `ENOMEM` instead of aborting the program.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};

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
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| Errno(libc::ENOMEM))?;
    one.push(value);
    one.into_boxed_slice()
        .try_into()
        .map_err(|_| Errno(libc::ENOMEM))
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
