//! The last error of each thread, as a sentence for C programs.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_char;
use std::fmt::{self, Write as _};

use crate::error::{Error, Reason};

/// Longer texts are cut off. A name of 1000 bytes, each escaped as four, would need
/// 4 KiB of every thread's storage.
const SIZE: usize = 2048;

thread_local! {
    // Without a destructor and without allocation, it cannot fail, and exists until
    // the thread ends, also in atexit(3) handlers.
    static TEXT: UnsafeCell<[u8; SIZE]> = const { UnsafeCell::new([0; SIZE]) };
    static REASON: Cell<Reason> = const { Cell::new(Reason::None) };
}

/// Writes into a buffer, and leaves room for a NUL.
struct Writer<'a> {
    rest: &'a mut [u8],
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.rest.len().saturating_sub(1);
        let part = (0..=room.min(text.len()))
            .rev()
            .find_map(|length| text.get(..length))
            .unwrap_or("");
        let (to, rest) = std::mem::take(&mut self.rest)
            .split_at_mut_checked(part.len())
            .ok_or(fmt::Error)?;
        to.copy_from_slice(part.as_bytes());
        self.rest = rest;
        if part.len() == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Stores an error's text and reason until the thread's next error.
#[cold]
pub(crate) fn set(error: &Error) {
    REASON.set(error.reason());
    TEXT.with(|text| {
        // SAFETY: the buffer belongs to this thread, and nothing below comes here again.
        // A C program's pointer to it is valid only until this call.
        let buffer = unsafe { &mut *text.get() };
        let mut writer = Writer { rest: buffer };
        // An error means that the text was cut off.
        let _ = write!(writer, "{error}");
        if let Some(end) = writer.rest.first_mut() {
            *end = 0;
        }
    });
}

/// The reason.
pub(crate) fn reason() -> Reason {
    REASON.get()
}

/// The text: a string, empty before the first error.
pub(crate) fn get() -> *const c_char {
    TEXT.with(|text| text.get().cast::<c_char>().cast_const())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;
    use std::ffi::CStr;

    fn text() -> String {
        // SAFETY: the buffer always holds a NUL.
        let text = unsafe { CStr::from_ptr(get()) };
        text.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_last_error_stays_until_the_next_and_long_texts_are_cut_off() {
        assert_eq!(text(), "");
        set(&Errno(libc::ENOENT).during(format_args!("no segment 'x'")));
        assert_eq!(text(), "no segment 'x': No such file or directory");
        for length in [SIZE - 2, SIZE - 1, SIZE, 3 * SIZE] {
            let long = "\u{e9}".repeat(length);
            set(&Errno(libc::EINVAL).during(format_args!("a{long}")));
            assert_eq!(text().len(), SIZE - 1);
            set(&Errno(libc::EINVAL).during(format_args!("{long}")));
            assert_eq!(text().len(), SIZE - 2, "no part of a character");
        }
        set(&Errno(libc::EPERM).during(format_args!("try it")));
        assert_eq!(text(), "try it: Operation not permitted");
        std::thread::spawn(|| assert_eq!(text(), ""))
            .join()
            .unwrap();
    }
}
