//! Names of segments: which are valid, and a copy that an attachment keeps.

#![forbid(unsafe_code)]

use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::quoted::Quoted;

/// The longest name, in bytes.
pub(crate) const NAME_MAX: usize = 1000;

/// Most names are short. These need no memory of their own.
const SHORT: usize = 46;

/// How many bytes of a name that is too long a message shows.
const SHOWN: usize = 32;

/// Checks a name that a program passed; `doing` is what the call does with the segment,
/// for the message. A name with a zero byte is `EINVAL`, since no C program could use
/// it; one that is too long is `ENAMETOOLONG`.
pub(crate) fn check(doing: &str, name: &[u8]) -> Result<()> {
    check_length(doing, name)?;
    if name.contains(&0) {
        return Err(Error::argument(format_args!(
            "{doing} segment {}: the name contains a zero byte",
            Quoted(name)
        )));
    }
    Ok(())
}

/// The same for a name from C, which cannot contain a zero byte.
pub(crate) fn check_length(doing: &str, name: &[u8]) -> Result<()> {
    if name.len() > NAME_MAX {
        return Err(Errno(libc::ENAMETOOLONG).during(format_args!(
            "{doing} segment {}...: the name has {} bytes, the limit is {NAME_MAX}",
            Quoted(beginning(name)),
            name.len()
        )));
    }
    Ok(())
}

/// The first bytes of a name, without part of a character at their end.
fn beginning(name: &[u8]) -> &[u8] {
    let is_inside_character = |at: usize| name.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let end = (SHOWN - 3..=SHOWN)
        .rev()
        .find(|&at| !is_inside_character(at));
    name.get(..end.unwrap_or(SHOWN)).unwrap_or(name)
}

/// A name of any bytes.
#[derive(Clone, Debug)]
pub(crate) struct OwnedName(Bytes);

#[derive(Clone, Debug)]
enum Bytes {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Vec<u8>),
}

impl OwnedName {
    /// Copies a name. `ENOMEM` if there is no memory for a long one.
    pub(crate) fn new(name: &[u8]) -> std::result::Result<Self, Errno> {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name);
                Ok(Self(Bytes::Short { length, bytes }))
            }
            _ => Ok(Self(Bytes::Long(try_to_vec(name)?))),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Bytes::Long(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os;

    #[test]
    fn the_error_of_a_bad_name_states_what_failed_on_what() {
        let error = check("create", b"a\0b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "create segment 'a\\u{0}b': the name contains a zero byte: Invalid argument"
        );
        let name = "\u{e9}".repeat(501);
        for name in [name.as_bytes(), &name.as_bytes()[..1000], &[b'x'; 1001]] {
            let error = check("remove", name).err().map(|error| error.to_string());
            let expected = match name {
                [b'x', ..] => Some("x".repeat(32)),
                _ if name.len() > 1000 => Some("\u{e9}".repeat(16)),
                _ => None,
            };
            let expected = expected.map(|shown| {
                format!(
                    "remove segment '{shown}'...: the name has {} bytes, the limit is 1000: {}",
                    name.len(),
                    os::strerror(Errno(libc::ENAMETOOLONG))
                )
            });
            assert_eq!(error, expected);
        }
        assert_eq!(beginning("x\u{e9}".repeat(20).as_bytes()).len(), 31);
    }

    #[test]
    fn names_of_any_length_are_kept() {
        for length in 0..1001 {
            let name = vec![b'x'; length];
            assert_eq!(OwnedName::new(&name).unwrap().bytes(), name);
        }
    }
}
