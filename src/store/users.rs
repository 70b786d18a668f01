//! Who has a segment attached.

#![forbid(unsafe_code)]

/// Who has a segment attached, as far as this process needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// No process at all.
    Nobody,
    /// This process alone, with no more attachments than it knows of.
    OnlyUs,
    /// Other processes too, or attachments that this process does not know of.
    Others,
}
