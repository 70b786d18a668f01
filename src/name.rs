//! A segment's name, as a program that has it mapped remembers it.

#![forbid(unsafe_code)]

use crate::error::{Errno, try_to_vec};

/// Most names are short; those need no memory of their own.
const SHORT: usize = 46;

/// Any bytes.
#[derive(Clone, Debug)]
pub(crate) struct OwnedName(Bytes);

#[derive(Clone, Debug)]
enum Bytes {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Vec<u8>),
}

impl OwnedName {
    /// `ENOMEM` if there is no room for a long one.
    pub(crate) fn new(name: &[u8]) -> Result<Self, Errno> {
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
