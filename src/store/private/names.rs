//! The names of this process, under a lock.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::record::Record;
use super::{tables, wait};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::lock::{Guard, Mutex};

/// A thread holds it while it looks at names or changes them.
static TURN: Mutex<Turn> = Mutex::new(Turn { is_settled: true });

/// The default is what a child finds if another thread of its parent held the lock when the
/// process was forked.
#[derive(Default)]
struct Turn {
    /// Whether both tables are the same.
    is_settled: bool,
}

/// The names, until this is dropped.
///
/// The lock is held while memory is mapped, so that of two threads that create a name at the same
/// address, the second shares what the first has mapped. It is not held while memory is freed,
/// which takes as long as there are pages: a caller that drops what may be the last reference to
/// a segment releases the lock first.
pub(super) struct Names {
    _turn: Guard<'static, Turn>,
}

#[allow(clippy::unused_self)] // it proves that the lock is held
impl Names {
    pub(super) fn lock() -> Result<Self> {
        let mut turn = TURN.lock().map_err(failed)?;
        if !turn.is_settled {
            tables::make_same().map_err(failed)?;
            turn.is_settled = true;
        }
        Ok(Self { _turn: turn })
    }

    /// The segment of a name. A name whose memory the program has unmapped itself is absent, and
    /// is removed.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Arc<Record>>> {
        let Some(record) = tables::find(name).map_err(failed)? else {
            return Ok(None);
        };
        if record.base.is_there() {
            return Ok(Some(record));
        }
        self.remove(&record)?;
        Ok(None)
    }

    /// All segments that have names, sorted by name.
    pub(super) fn all(&self) -> Result<Vec<Arc<Record>>> {
        let mut all = tables::all().map_err(failed)?;
        all.retain(|record| record.base.is_there());
        Ok(all)
    }

    /// Whether the name still belongs to the segment, even if its memory was unmapped.
    pub(super) fn has(&self, record: &Arc<Record>) -> Result<bool> {
        let found = tables::find(record.name()).map_err(failed)?;
        Ok(found.is_some_and(|found| Arc::ptr_eq(&found, record)))
    }

    /// Gives a segment its name, which no other one has, and wakes the threads that wait for a
    /// name.
    pub(super) fn insert(&self, record: &Arc<Record>) -> Result<()> {
        tables::insert(record).map_err(failed)?;
        record.show();
        wait::announce_name();
        Ok(())
    }

    /// Removes the name of a segment that has one.
    pub(super) fn remove(&self, record: &Record) -> Result<()> {
        tables::remove(record.name()).map_err(failed)
    }
}

#[cold]
fn failed(errno: Errno) -> Error {
    match errno {
        Errno(libc::ENOMEM) => errno.during(format_args!("list the names of this process")),
        Errno(libc::EDEADLK) => errno.during(format_args!(
            "call the library from a signal handler that interrupted another call"
        )),
        _ => errno.during(format_args!(
            "wait for a thread that uses the private namespace"
        )),
    }
}
