//! Names, which may have any bytes but zero, as people read and type them.
//!
//! | shown   | meaning |
//! | ------- | --- |
//! | `\\`    | a backslash |
//! | `\n`, `\t`, `\r` | line feed, tab, carriage return |
//! | `\xNN`  | the byte with this hexadecimal value: control and other invisible characters, bytes that are not UTF-8, spaces at either end |
//! | `\&`    | nothing: this makes the empty name visible |
//!
//! Everything else stands for itself. Different names never look the same.

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

/// A name without escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) Vec<u8>);

/// Escapes a name.
pub(crate) fn show(name: &[u8]) -> String {
    if name.is_empty() {
        return "\\&".to_owned();
    }
    let start = name.len() - name.trim_ascii_start().len();
    let end = name.trim_ascii_end().len();
    let mut shown = String::new();
    let mut position = 0;
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            let is_inside = (start..end).contains(&position);
            position += character.len_utf8();
            match character {
                '\\' => shown.push_str("\\\\"),
                '\n' => shown.push_str("\\n"),
                '\t' => shown.push_str("\\t"),
                '\r' => shown.push_str("\\r"),
                '\'' | '"' => shown.push(character),
                _ if is_inside && character.escape_debug().len() == 1 => shown.push(character),
                _ => {
                    let mut buffer = [0; 4];
                    show_bytes(character.encode_utf8(&mut buffer).as_bytes(), &mut shown);
                }
            }
        }
        position += chunk.invalid().len();
        show_bytes(chunk.invalid(), &mut shown);
    }
    shown
}

fn show_bytes(bytes: &[u8], shown: &mut String) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(shown, "\\x{byte:02x}");
    }
}

/// Quotes the name of a segment or file, as in the library's messages.
pub(crate) fn quote(name: &[u8]) -> String {
    format!("'{}'", show(name))
}

/// Quotes a name as one word for a shell.
pub(crate) fn show_in_shell(name: &[u8]) -> String {
    let shown = show(name);
    let plain = |character: char| character.is_alphanumeric() || "-_./:,@%+=".contains(character);
    if shown.chars().all(plain) {
        shown
    } else {
        format!("'{}'", shown.replace('\'', "'\\''"))
    }
}

/// Parses an escaped name.
pub(crate) fn parse(shown: &OsStr) -> Result<Name, String> {
    let mut name = Vec::new();
    let mut rest = shown.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(Name(name)),
            [b'\\', b'\\', rest @ ..] => {
                name.push(b'\\');
                rest
            }
            [b'\\', b'n', rest @ ..] => {
                name.push(b'\n');
                rest
            }
            [b'\\', b't', rest @ ..] => {
                name.push(b'\t');
                rest
            }
            [b'\\', b'r', rest @ ..] => {
                name.push(b'\r');
                rest
            }
            [b'\\', b'&', rest @ ..] => rest,
            [b'\\', b'x', high, low, rest @ ..] => {
                name.push(hexadecimal(*high, *low)?);
                rest
            }
            [b'\\', ..] => {
                return Err(
                    "a backslash must start \\n, \\t, \\r, \\xNN or \\&; write \\\\ for a backslash"
                        .to_owned(),
                );
            }
            [byte, rest @ ..] => {
                name.push(*byte);
                rest
            }
        };
    }
}

fn hexadecimal(high: u8, low: u8) -> Result<u8, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match (digit(high), digit(low)) {
        (Some(0), Some(0)) => Err("a name cannot contain a zero byte".to_owned()),
        (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|error| error.to_string()),
        _ => Err("\\x must be followed by two hexadecimal digits".to_owned()),
    }
}

/// Parses names for clap.
#[derive(Clone)]
pub(crate) struct NameParser;

impl clap::builder::TypedValueParser for NameParser {
    type Value = Name;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Name, clap::Error> {
        parse(value).map_err(|text| {
            let argument = argument.map_or_else(|| "NAME".to_owned(), ToString::to_string);
            clap::Error::raw(
                clap::error::ErrorKind::ValueValidation,
                format!(
                    "invalid value '{}' for '{argument}': {text}\n\n",
                    value
                        .to_string_lossy()
                        .replace(char::is_control, "\u{fffd}")
                ),
            )
            .with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(name: &[u8], shown: &str) {
        assert_eq!(show(name), shown);
        assert_eq!(parse(OsStr::new(shown)).unwrap().0, name);
    }

    #[test]
    fn an_escaped_name_parses_to_the_same_name() {
        round(b"sensors", "sensors");
        round(b"", "\\&");
        round(b"a b", "a b");
        round(b" a ", "\\x20a\\x20");
        round(b"  ", "\\x20\\x20");
        round(b"a\\n", "a\\\\n");
        round(b"a\nb\tc\rd\x1b", "a\\nb\\tc\\rd\\x1b");
        round(b"\xff\xfea", "\\xff\\xfea");
        round("gr\u{fc}n '\"".as_bytes(), "gr\u{fc}n '\"");
        round("\u{202e}x\u{85}".as_bytes(), "\\xe2\\x80\\xaex\\xc2\\x85");
        round(b"\xe2\x82", "\\xe2\\x82");
    }

    #[test]
    fn invalid_escapes_are_refused() {
        for shown in ["\\", "a\\q", "\\x", "\\x1", "\\xg0", "\\x00", "\\0"] {
            assert!(parse(OsStr::new(shown)).is_err(), "{shown}");
        }
    }

    #[test]
    fn a_name_is_quoted_as_one_shell_word() {
        assert_eq!(show_in_shell(b"a/b-1"), "a/b-1");
        assert_eq!(show_in_shell(b"it's"), "'it'\\''s'");
        assert_eq!(show_in_shell(b""), "'\\&'");
    }

    proptest::proptest! {
        #[test]
        fn every_name_survives_escaping(name in proptest::collection::vec(1..=255_u8, 0..40)) {
            let shown = show(&name);
            assert!(shown.chars().all(|character| !character.is_control()));
            assert_eq!(parse(OsStr::new(&shown)).unwrap().0, name);
        }
    }
}
