//! Locks on a segment's file, which show who has it attached, and who changes its name.
//!
//! They are open file description locks, see fcntl(2). A mapping keeps its description, and so
//! its locks, after the descriptor was closed. A child of fork shares them. A lock ends when the
//! last process that has the mapping unmaps it or dies, however it dies. So the locks show who has
//! the file mapped.
//!
//! | bytes      | lock      | by |
//! | ---------- | --------- | -- |
//! | one of 1.. | shared    | an attachment; each has a byte of its own, chosen at random |
//! | 0          | exclusive | a process that removes or changes the name |
//! | all        | exclusive | a process that deletes the segment: no other one has it attached, nor can attach it |
//!
//! A process that deletes a segment also has byte 0 locked. So the name cannot be given to another
//! segment between the last look at it and unlink(2).
//!
//! Where a lock is always one of the whole file (flock(2)), a process that removes or changes a name
//! locks the directory instead of byte 0, and attachments count as one.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::Path;

use crate::errno::Errno;
use crate::os::{self, NamesLocked, Sharing};
use crate::random;

/// What an exclusive lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// To change a segment that others may have attached, or to remove its name.
    Name,
    /// To delete a segment that no process has attached.
    Segment,
}

/// The first byte whose lock is an attachment.
const FIRST: i64 = 1;

/// The first byte behind the last one whose lock is an attachment.
const END: i64 = i64::MAX;

/// The largest number of attachments that is counted.
///
/// The kernel searches a list for each of them, and any process that may read the file can lock
/// many bytes.
const MOST: u64 = 1000;

/// Counts the description as an attachment, and returns the byte that it has locked. `None` if a
/// process is deleting the segment.
pub(super) fn attach(file: &File) -> Result<Option<Byte>, Errno> {
    let process = os::process();
    let (high, low) = (random::bits(process), random::bits(process));
    // Children in different PID namespaces have equal ids, and inherit the rest.
    let mixed = ((u64::from(high) << 32) | u64::from(low)) ^ os::ticks().rotate_left(32);
    let byte = FIRST.saturating_add_unsigned(mixed >> 2);
    let is_locked = os::lock(file, Sharing::Shared, byte, 1)?;
    Ok(is_locked.then_some(Byte(byte)))
}

/// The byte that an attachment has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Byte(i64);

/// Whether an attachment's byte is locked other than by this description. False if bytes have no
/// locks of their own.
pub(super) fn is_locked(file: &File, Byte(byte): Byte) -> Result<bool, Errno> {
    Ok(os::LOCKS_HAVE_RANGES && attachment_in(file, byte, byte + 1)?.is_some())
}

/// A claim, which lasts as long as this and the file's description.
#[derive(Debug)]
pub(super) struct Claimed {
    _names: NamesLocked,
}

/// Ends a claim to change the name.
pub(super) fn release_name(file: &File, _: Claimed) -> Result<(), Errno> {
    if os::LOCKS_HAVE_RANGES {
        os::unlock(file, 0, FIRST)?;
    }
    Ok(())
}

/// Locks a file, which has this path, for a change, which needs a descriptor for writing. `None` if
/// another process has it locked or attached.
pub(super) fn claim(file: &File, path: &Path, claim: Claim) -> Result<Option<Claimed>, Errno> {
    let Some(names) = os::lock_names_beside(path)? else {
        return Ok(None);
    };
    let is_claimed = match claim {
        Claim::Name if os::LOCKS_HAVE_RANGES => os::lock(file, Sharing::Exclusive, 0, FIRST)?,
        Claim::Name => true,
        // All bytes.
        Claim::Segment => os::lock(file, Sharing::Exclusive, 0, 0)?,
    };
    Ok(is_claimed.then_some(Claimed { _names: names }))
}

/// Whether there are attachments other than by this description. Changes nothing.
pub(super) fn is_attached(file: &File) -> Result<bool, Errno> {
    Ok(attachment_in(file, FIRST, END)?.is_some())
}

/// The number of attachments other than by this description. Those that a child of fork shares
/// with its parent count once. Changes nothing.
pub(super) fn count(file: &File) -> Result<u64, Errno> {
    let mut count = 0;
    // The ranges that are still to be searched, whether they contain an attachment or not.
    let mut ranges = Vec::new();
    let mut next = Some((FIRST, END));
    while let Some((start, end)) = next {
        next = match attachment_in(file, start, end)? {
            // A program that locks several bytes counts once.
            Some((found, behind)) if count < MOST => {
                count += 1;
                ranges.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
                ranges.push((behind.max(found + 1), end));
                Some((start, found))
            }
            _ => ranges.pop(),
        };
    }
    Ok(count)
}

/// The range of bytes (its start and its end) that an attachment has locked, if there is one in
/// this range.
fn attachment_in(file: &File, start: i64, end: i64) -> Result<Option<(i64, i64)>, Errno> {
    if start >= end {
        return Ok(None);
    }
    let Some((found, length)) = os::shared_lock_in(file, start, end - start)? else {
        return Ok(None);
    };
    let behind = match length {
        0 => END,
        length => found.saturating_add(length),
    };
    Ok(Some((found.max(start), behind)))
}
