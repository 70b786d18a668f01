//! Names and file names, as messages show them.

#![forbid(unsafe_code)]

use std::fmt::{self, Write as _};

/// Shows bytes in quotes on one line. Bytes that are not UTF-8, and characters
/// that would change how the line looks, are escaped.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if changes_the_line(character) {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('\'')
    }
}

/// What a call does with a segment, for messages: `create segment 'sensors'`.
#[derive(Clone, Copy)]
pub(crate) struct Doing<'a>(pub(crate) &'a str, pub(crate) &'a [u8]);

impl fmt::Display for Doing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} segment {}", self.0, Quoted(self.1))
    }
}

/// Control characters, and those that reorder bidirectional text.
fn changes_the_line(character: char) -> bool {
    let is_bidirectional = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || is_bidirectional
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_would_change_the_line_are_escaped() {
        let name = "a\u{202e}b\u{2066}\x1b\u{e9}";
        let shown = Quoted(name.as_bytes()).to_string();
        assert_eq!(shown, "'a\\u{202e}b\\u{2066}\\u{1b}\u{e9}'");
    }
}
