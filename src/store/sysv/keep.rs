//! Changes the lifetime of a segment.

#![forbid(unsafe_code)]

use super::entry::Entry;
use super::layout::State;
use super::locked::Names;
use crate::errno::Errno;
use crate::error::{Reason, Result};
use crate::quoted::Quoted;
use crate::request::Lifetime;

impl Names<'_> {
    /// Changes the lifetime of a segment, which only a user who may delete the segment may do.
    /// False if the segment has lost its name.
    pub(super) fn set_lifetime_if_allowed(
        &self,
        name: &[u8],
        entry: &Entry,
        lifetime: Lifetime,
    ) -> Result<bool> {
        let failed = |errno: Errno| entry.refused(errno, "keep", name);
        let Some(status) = entry.status().map_err(failed)? else {
            return Ok(false);
        };
        match self.state_of(entry)? {
            Some(State::Live(_, before) | State::Hidden(_, before)) if before == lifetime => {
                return Ok(true);
            }
            // A transient segment never was kept.
            Some(_) if entry.is_transient && lifetime == Lifetime::Used => return Ok(true),
            Some(_) if entry.is_transient => {
                return Err(Errno(libc::EINVAL)
                    .during(format_args!(
                        "keep segment {} (id {}): it is transient, and is deleted when its last \
                         holder detaches it",
                        Quoted(name),
                        entry.id
                    ))
                    .because(Reason::Transient));
            }
            _ => {}
        }
        entry.may_be_removed(&status).map_err(failed)?;
        self.set_lifetime(entry, lifetime)
    }
}
