//! Names of segments: which are valid, and a copy that an attachment keeps.

#![forbid(unsafe_code)]

use crate::allocate::try_to_vec;
use crate::errno::Errno;
use crate::error::Result;
use crate::quoted::Quoted;

/// The longest name, in bytes.
pub(crate) const NAME_MAX: usize = 1000;

/// Most names are short. These need no memory of their own.
const SHORT: usize = 46;

/// Checks a name that a program passed. One with a zero byte is `EINVAL`, since no C
/// program could use it; one that is too long is `ENAMETOOLONG`.
pub(crate) fn check(name: &[u8]) -> Result<()> {
    if name.contains(&0) {
        return Err(
            Errno(libc::EINVAL).during(format_args!("name {} contains a zero byte", Quoted(name)))
        );
    }
    check_length(name)
}

/// The same for a name from C, which can't contain a zero byte.
pub(crate) fn check_length(name: &[u8]) -> Result<()> {
    if name.len() > NAME_MAX {
        return Err(Errno(libc::ENAMETOOLONG).during(format_args!(
            "name has {} bytes; the limit is {NAME_MAX}",
            name.len()
        )));
    }
    Ok(())
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

    #[test]
    fn names_of_any_length_are_kept() {
        for length in 0..1001 {
            let name = vec![b'x'; length];
            assert_eq!(OwnedName::new(&name).unwrap().bytes(), name);
        }
    }
}
