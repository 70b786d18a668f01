//! Unique names, made by the library: a beginning that the program chooses, and a random end.

#![forbid(unsafe_code)]

use crate::errno::Errno;
use crate::error::Result;
use crate::name::NAME_MAX;
use crate::{fork, random};

/// The number of random characters.
const END: usize = 12;
/// The characters of a random end, five bits each: digits, and letters that cannot be mistaken
/// for others.
const CHARACTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many ends are tried. There are 2^60, so a second one is hardly ever needed.
const ATTEMPTS: usize = 64;

/// Calls `create` with names that begin with `beginning`, until one is new.
pub(crate) fn create<T>(beginning: &[u8], create: impl FnMut(&[u8]) -> Result<T>) -> Result<T> {
    create_with(beginning, || random::nonce(fork::process()), create)
}

fn create_with<T>(
    beginning: &[u8],
    mut random: impl FnMut() -> u64,
    mut create: impl FnMut(&[u8]) -> Result<T>,
) -> Result<T> {
    let mut place = [0; NAME_MAX];
    let Some(name) = place.get_mut(..beginning.len() + END) else {
        return Err(Errno(libc::ENAMETOOLONG).during(format_args!(
            "create a segment with a unique name: the beginning has {} bytes, the limit is {}",
            beginning.len(),
            NAME_MAX - END
        )));
    };
    for (place, &byte) in name.iter_mut().zip(beginning) {
        *place = byte;
    }
    let mut attempt = 1;
    loop {
        let mut bits = random();
        for place in name.iter_mut().skip(beginning.len()) {
            *place = character(bits);
            bits >>= 5;
        }
        match create(name) {
            Err(error) if error.errno() == libc::EEXIST && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// The character that the lowest five bits select.
fn character(bits: u64) -> u8 {
    let [lowest, ..] = bits.to_le_bytes();
    let index = usize::from(lowest) % CHARACTERS.len();
    CHARACTERS.get(index).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists() -> crate::error::Error {
        Errno(libc::EEXIST).during(format_args!("create it"))
    }

    #[test]
    fn another_end_is_tried_if_the_name_exists() {
        let mut ends = [0, 0, 33, u64::MAX].into_iter();
        let mut tried = Vec::new();
        let name = create_with(
            b"x-",
            || ends.next().unwrap(),
            |name| {
                tried.push(String::from_utf8(name.to_vec()).unwrap());
                if tried.len() < 4 {
                    Err(exists())
                } else {
                    Ok(name.to_vec())
                }
            },
        );
        let expected = [
            "x-000000000000",
            "x-000000000000",
            "x-110000000000",
            "x-zzzzzzzzzzzz",
        ];
        assert_eq!(tried, expected);
        assert_eq!(name.unwrap(), expected[3].as_bytes());
    }

    #[test]
    fn an_end_that_always_exists_is_an_error_in_the_end() {
        let mut count = 0;
        let result: Result<()> = create_with(
            b"",
            || 7,
            |_| {
                count += 1;
                Err(exists())
            },
        );
        assert_eq!((result.unwrap_err().errno(), count), (libc::EEXIST, 64));
    }

    #[test]
    fn other_errors_end_the_attempts() {
        let mut count = 0;
        let result: Result<()> = create(b"", |_| {
            count += 1;
            Err(Errno(libc::ENOSPC).during(format_args!("create it")))
        });
        assert_eq!((result.unwrap_err().errno(), count), (libc::ENOSPC, 1));
    }

    #[test]
    fn the_beginning_leaves_room_for_the_end() {
        let length = |beginning: usize| {
            create(&vec![b'b'; beginning], |name| Ok(name.len())).map_err(|error| error.errno())
        };
        assert_eq!(length(988), Ok(1000));
        assert_eq!(length(989), Err(libc::ENAMETOOLONG));
        assert_eq!(length(5000), Err(libc::ENAMETOOLONG));
    }
}
