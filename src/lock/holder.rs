//! Who holds a lock, in words.

#![forbid(unsafe_code)]

use std::fmt;

use super::owner::ThreadOf;
use crate::os;

/// The thread that holds a lock, for a message.
pub(crate) struct Holder {
    pub(super) thread: ThreadOf,
    pub(super) is_visible: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}", self.thread.id)?;
        if self.is_visible || self.thread.namespace == 0 {
            return Ok(());
        }
        write!(f, " of {} {}", os::SCOPE_OF_THREADS, self.thread.namespace)
    }
}
