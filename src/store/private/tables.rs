//! The two copies of the names, one of which every fork leaves whole.
//!
//! In a child of fork, a [`Mutex`] that another thread of the parent held starts with a default
//! value, because its own may be half changed. The names must not start afresh: the child would
//! create segments of its own in place of those that it shares. So there are two copies, each with
//! a mutex, and a thread changes one after the other and never holds both. A child loses at most
//! one, and copies the other.
//!
//! The caller holds a third mutex during all of this, and therefore never waits for these two.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::record::Record;
use crate::errno::Errno;
use crate::lock::{Guard, Mutex};

/// Segments, sorted by name.
type Records = Vec<Arc<Record>>;

static FIRST: Mutex<Table> = Mutex::new(Table::new());
static SECOND: Mutex<Table> = Mutex::new(Table::new());

/// One copy of the names. The default is what a child finds where a copy was lost.
#[derive(Default)]
struct Table {
    is_whole: bool,
    records: Records,
}

impl Table {
    const fn new() -> Self {
        Self {
            is_whole: true,
            records: Vec::new(),
        }
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.records
            .binary_search_by(|record| record.name().cmp(name))
    }
}

/// Makes both copies equal in a child of fork: a thread of the parent may have changed only the
/// first of them, or may have held one of them.
pub(super) fn make_same() -> Result<(), Errno> {
    if FIRST.lock()?.is_whole {
        copy(&FIRST, &SECOND)
    } else {
        copy(&SECOND, &FIRST)
    }
}

fn copy(from: &Mutex<Table>, to: &Mutex<Table>) -> Result<(), Errno> {
    let records = try_clone(&from.lock()?.records)?;
    let mut to = to.lock()?;
    to.records = records;
    to.is_whole = true;
    Ok(())
}

fn try_clone(records: &[Arc<Record>]) -> Result<Records, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(records.len())
        .map_err(|_| Errno(libc::ENOMEM))?;
    copy.extend(records.iter().map(Arc::clone));
    Ok(copy)
}

pub(super) fn all() -> Result<Records, Errno> {
    try_clone(&FIRST.lock()?.records)
}

pub(super) fn find(name: &[u8]) -> Result<Option<Arc<Record>>, Errno> {
    let table = FIRST.lock()?;
    let position = table.position(name).ok();
    Ok(position
        .and_then(|at| table.records.get(at))
        .map(Arc::clone))
}

/// Adds a segment whose name no other one has. On an error nothing is changed.
pub(super) fn insert(record: &Arc<Record>) -> Result<(), Errno> {
    for table in [&FIRST, &SECOND] {
        let mut table = table.lock()?;
        table
            .records
            .try_reserve(1)
            .map_err(|_| Errno(libc::ENOMEM))?;
    }
    change_both(|table| {
        if let Err(at) = table.position(record.name()) {
            table.records.insert(at, Arc::clone(record));
        }
    })
}

/// Removes the segment of a name.
pub(super) fn remove(name: &[u8]) -> Result<(), Errno> {
    change_both(|table| {
        if let Ok(at) = table.position(name) {
            table.records.remove(at);
        }
    })
}

fn change_both(change: impl Fn(&mut Guard<'_, Table>)) -> Result<(), Errno> {
    for table in [&FIRST, &SECOND] {
        change(&mut table.lock()?);
    }
    Ok(())
}
