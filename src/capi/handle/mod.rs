//! Handles: checked numbers, never dereferenced. `table` describes them.

mod table;

use std::ffi::c_void;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use crate::allocate::text;
use crate::atomic::{AtomicPtr, AtomicU64};
use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::fork::{self, Call, Purpose};
use crate::os::Uncancelled;
use crate::patience;
use crate::random;
use crate::segment::Segment;
use table::{CHUNKS, Destroy, Entry, Facts, Table};

/// How often a destroy checks whether the last save or load has ended.
const POLL: Duration = Duration::from_millis(1);

/// The number of entries of the first chunk.
const FIRST_CHUNK: u64 = 64;

static TABLE: Table<Segment> = Table {
    chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
    unused: AtomicU64::new(FIRST_CHUNK),
    free: AtomicU64::new(0),
    used_up: AtomicU64::new(0),
    seed: AtomicU64::new(0),
};

/// What a program passes as a handle: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle(usize);

impl Handle {
    /// The handle that a C program passes.
    #[inline]
    pub(crate) fn from_pointer<T>(pointer: *mut T) -> Self {
        Self(pointer.addr())
    }

    /// The handle that a C program receives.
    pub(crate) fn to_pointer<T>(self) -> *mut T {
        ptr::without_provenance_mut(self.0)
    }

    /// A new handle for a segment. `ENOMEM` if there is no room; a segment that was
    /// created for the handle is then deleted.
    pub(crate) fn new(segment: Segment) -> Result<Self> {
        let facts = Facts {
            address: segment.bytes().as_ptr().cast_mut().cast(),
            size: segment.len(),
            id: segment.id(),
            was_created: segment.is_new(),
        };
        TABLE
            .insert(segment, facts, random::of_this_copy)
            .map(|number| Self(usize::try_from(number).unwrap_or(0)))
            .map_err(no_room_for)
    }

    #[inline]
    fn number(self) -> u64 {
        // No system has more bits.
        u64::try_from(self.0).unwrap_or(0)
    }

    /// The address of the segment, if no destroy has begun in any process: see
    /// [`address`](Self::address) otherwise.
    #[inline]
    pub(crate) fn address_at_once(self) -> Option<*mut c_void> {
        TABLE.read(self.number(), Entry::address)
    }

    /// The segment's identifier, likewise.
    #[inline]
    pub(crate) fn id_at_once(self) -> Option<i32> {
        TABLE.read(self.number(), Entry::id)
    }

    /// The segment's size in bytes, likewise.
    #[inline]
    pub(crate) fn size_at_once(self) -> Option<usize> {
        TABLE.read(self.number(), Entry::size)
    }

    /// The address of the segment.
    pub(crate) fn address(self) -> Option<*mut c_void> {
        TABLE.read_in(self.number(), fork::epoch(), Entry::address)
    }

    /// The same for C: NULL for a handle that is not valid.
    pub(crate) fn address_or_null(self) -> *mut c_void {
        self.address().unwrap_or(ptr::null_mut())
    }

    /// The segment's identifier.
    pub(crate) fn id(self) -> Option<i32> {
        TABLE.read_in(self.number(), fork::epoch(), Entry::id)
    }

    /// The segment's size in bytes.
    pub(crate) fn size(self) -> Option<usize> {
        TABLE.read_in(self.number(), fork::epoch(), Entry::size)
    }

    /// Whether the call that made the handle created the segment.
    pub(crate) fn was_created(self) -> Option<bool> {
        TABLE.read_in(self.number(), fork::epoch(), Entry::was_created)
    }

    /// Does work that copies bytes of the segment. A destroy waits for it.
    pub(crate) fn with<T>(self, work: impl FnOnce(&Segment, &Call) -> Result<T>) -> Result<T> {
        self.with_for(Purpose::Copy, work)
    }

    /// Does work that inspects or changes the segment. A destroy, and a fork by another
    /// thread, wait for it.
    pub(crate) fn manage<T>(self, work: impl FnOnce(&Segment, &Call) -> Result<T>) -> Result<T> {
        self.with_for(Purpose::Change, work)
    }

    fn with_for<T>(
        self,
        purpose: Purpose,
        work: impl FnOnce(&Segment, &Call) -> Result<T>,
    ) -> Result<T> {
        // Before this counts as a user: a signal handler that destroys the handle gets
        // an error then, instead of waiting for its own thread.
        let call = Call::begin(purpose)?;
        let user = TABLE
            .enter(self.number(), fork::epoch())
            .ok_or_else(|| self.unknown())?;
        user.with(|segment| work(segment.ok_or_else(|| self.unknown())?, &call))
    }

    /// The segment or, if it has none, the handle, as messages show it.
    pub(crate) fn describe(self) -> String {
        self.with(|segment, _| Ok(text(format_args!("{segment}"))))
            .unwrap_or_else(|_| text(format_args!("handle {:#x}", self.0)))
    }

    /// Ends the handle, and deletes the segment if nobody else has it attached.
    pub(crate) fn destroy(self) -> Result<()> {
        self.end(|mut segment, call| segment.close(call))
    }

    /// Ends the handle, and leaves the segment as it is.
    pub(crate) fn detach(self) -> Result<()> {
        self.end(|segment, _| segment.detach())
    }

    /// Ends the handle, and passes the segment to `leave`. Waits for saves and loads of other
    /// threads; `ETIMEDOUT` if they do not end. The handle is valid then.
    fn end(self, leave: impl FnOnce(Segment, &Call) -> Result<()>) -> Result<()> {
        // If a signal handler is refused here, the handle remains valid.
        Call::can_begin()?;
        let destroy = TABLE
            .begin_destroy(self.number(), fork::epoch())
            .ok_or_else(|| self.unknown())?;
        let mut waited = Duration::ZERO;
        if destroy.has_users() {
            waited = wait_for_users(&destroy);
            if waited >= patience::LIMIT {
                destroy.give_up();
                return Err(self.in_use());
            }
        }
        let call = Call::begin(Purpose::Change)?;
        patience::spend(waited);
        let segment = destroy.finish();
        leave(segment.ok_or_else(|| self.unknown())?, &call)
    }

    #[cold]
    #[inline(never)]
    fn in_use(self) -> Error {
        Errno(libc::ETIMEDOUT).during(format_args!(
            "wait for another thread's save or load of {}, which has not ended",
            self.describe()
        ))
    }

    /// The error of a handle that is not valid.
    pub(crate) fn unknown(self) -> Error {
        if self.0 == 0 {
            return Errno(libc::EINVAL)
                .during(format_args!("the handle is NULL"))
                .because(Reason::Handle);
        }
        Errno(libc::EINVAL)
            .during(format_args!(
                "handle {:#x} is stale, already destroyed or invalid",
                self.0
            ))
            .because(Reason::Handle)
    }
}

/// Waits until no call uses the segment, or a call may not wait longer. Returns how long.
#[cold]
#[inline(never)]
fn wait_for_users(destroy: &Destroy<'_, Segment>) -> Duration {
    let _uncancelled = Uncancelled::new();
    let start = Instant::now();
    while destroy.has_users() && start.elapsed() < patience::LIMIT {
        thread::sleep(POLL);
    }
    start.elapsed()
}

#[cold]
fn no_room_for(segment: Segment) -> Error {
    let error = Errno(libc::ENOMEM).during(format_args!("allocate a handle for {segment}"));
    segment.give_up();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_handles_are_not_found() {
        let on_the_stack = 0;
        let address = (&raw const on_the_stack).addr();
        let (early, last) = (1 << (usize::BITS / 2 + 5), usize::MAX >> 11);
        for number in [0, 1, 64, early, last, usize::MAX, address] {
            let handle = Handle(number);
            assert_eq!(handle.id(), None, "{number:#x}");
            assert_eq!(handle.address(), None);
            assert_eq!(handle.size(), None);
            assert_eq!(handle.destroy().unwrap_err().errno(), libc::EINVAL);
        }
    }

    #[test]
    fn a_destroyed_handle_stays_dead_when_its_entry_is_used_again() {
        let name = format!("handle test {}", std::process::id());
        let first = Handle::new(Segment::create(&name, 100).unwrap()).unwrap();
        assert_eq!(first.size(), Some(100));
        first.destroy().unwrap();
        assert_eq!(first.size(), None);
        assert_eq!(first.destroy().unwrap_err().errno(), libc::EINVAL);
        let mut others = Vec::new();
        for _ in 0..200 {
            others.push(Handle::new(Segment::create(&name, 50).unwrap()).unwrap());
            assert_eq!(first.size(), None);
        }
        for other in others {
            assert_ne!(other, first);
            assert_eq!(other.size(), Some(50));
            other.destroy().unwrap();
        }
    }
}
