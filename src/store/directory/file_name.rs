//! The file names of segments: each name has exactly one.
//!
//! A segment's name is its file name, except that `%`, `/`, a `.` at the start and control
//! characters are written as `%` and two hexadecimal digits, and that the empty name is a single
//! `%`. So files whose names begin with `.` are not segments.

#![forbid(unsafe_code)]

use crate::errno::Errno;

/// The longest file name, in bytes (`NAME_MAX`).
pub(super) const LONGEST: usize = 255;

/// Whether a byte of a name, at this position, is written as digits.
const fn is_escaped(at: usize, byte: u8) -> bool {
    matches!(byte, b'%' | b'/' | 0..0x20 | 0x7f) || at == 0 && byte == b'.'
}

/// Appends the file name of a segment.
pub(super) fn encode(name: &[u8], to: &mut Vec<u8>) -> Result<(), Errno> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    to.try_reserve(name.len().saturating_mul(3).max(1))
        .map_err(|_| Errno(libc::ENOMEM))?;
    if name.is_empty() {
        to.push(b'%');
    }
    for (at, &byte) in name.iter().enumerate() {
        if is_escaped(at, byte) {
            let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
            to.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]);
        } else {
            to.push(byte);
        }
    }
    Ok(())
}

/// The segment's name that a file name stands for; `None` if it stands for none, or memory is
/// short.
pub(super) fn decode(file_name: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    name.try_reserve_exact(file_name.len()).ok()?;
    if file_name == b"%" {
        return Some(name);
    }
    let mut rest = file_name;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let byte = (value(*high)? << 4) | value(*low)?;
                // No name contains a zero byte. A byte that need not be escaped is not escaped in the
                // file name of the same segment, so this one stands for none.
                (byte != 0 && is_escaped(name.len(), byte)).then_some((byte, behind))?
            }
            _ => (!is_escaped(name.len(), first)).then_some((first, behind))?,
        };
        name.push(byte);
        rest = behind;
    }
    (!name.is_empty()).then_some(name)
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(name: &[u8]) -> Vec<u8> {
        let mut file_name = Vec::new();
        encode(name, &mut file_name).unwrap();
        file_name
    }

    #[test]
    fn plain_names_are_file_names() {
        for name in ["sensors", "a.b", "x y", "\u{e9}", "-", "~", "a:b"] {
            assert_eq!(encoded(name.as_bytes()), name.as_bytes());
        }
        let expected: &[(&[u8], &[u8])] = &[
            (b"", b"%"),
            (b"%", b"%25"),
            (b"a/b", b"a%2Fb"),
            (b".", b"%2E"),
            (b"..", b"%2E."),
            (b".x", b"%2Ex"),
            (b"a\nb\x7f", b"a%0Ab%7F"),
            (b"\xff", b"\xff"),
        ];
        for (name, file_name) in expected {
            assert_eq!(encoded(name), *file_name);
        }
    }

    #[test]
    fn other_files_are_no_segments() {
        for name in [
            "", ".", ".x", "a%", "a%2", "%2f", "%41", "a%2E", "%00x%", "%%", "a\n", "%2", "a%00",
        ] {
            assert_eq!(decode(name.as_bytes()), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn each_name_has_one_file_name(name in prop::collection::vec(1_u8..=255, 0..300)) {
            let file_name = encoded(&name);
            prop_assert!(!file_name.is_empty() && !file_name.contains(&b'/') && file_name[0] != b'.');
            prop_assert_eq!(decode(&file_name), Some(name));
        }

        #[test]
        fn each_segment_has_one_file(file_name in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some(name) = decode(&file_name) {
                prop_assert_eq!(encoded(&name), file_name);
            }
        }
    }
}
