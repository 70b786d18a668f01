//! How a segment is made or mapped, if not in the usual way.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::error::{Errno, Quoted, Result};
use crate::info::Info;
use crate::registry::Lifetime;
use crate::segment::{Segment, Terms, Wanted};
use crate::sysv::{Access, MODE_BITS, Making, Placement};

/// How a segment is made or mapped: set what is not as usual, then
/// [`create`](Self::create) or [`open`](Self::open).
///
/// ```
/// use shm_util::Options;
///
/// let options = Options::new().exclusive(true).mode(0o640);
/// let segment = options.create("doc-options", 4096)?;
/// assert_eq!(segment.info()?.mode, 0o640);
///
/// let again = options.create("doc-options", 4096);
/// assert_eq!(again.unwrap_err().errno(), libc::EEXIST);
/// segment.destroy()?;
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Options {
    exclusive: bool,
    making: Making,
    lifetime: Lifetime,
}

impl Options {
    /// The permission bits of a new segment that are not asked for.
    pub(crate) const USUAL_MODE: u32 = 0o660;

    /// The usual: what [`Segment::create`] and [`Segment::open`] do.
    pub const fn new() -> Self {
        Self {
            exclusive: false,
            making: Making::with_mode(Self::USUAL_MODE),
            lifetime: Lifetime::Used,
        }
    }

    /// Only a new segment will do: `EEXIST` if the name has one.
    pub const fn exclusive(mut self, yes: bool) -> Self {
        self.exclusive = yes;
        self
    }

    /// A new segment consists of huge pages (`SHM_HUGETLB`), which the system
    /// must have set aside: see the sysctl `vm.nr_hugepages`.
    pub const fn huge_pages(mut self, yes: bool) -> Self {
        self.making.huge_pages = yes;
        self
    }

    /// No swap space is reserved for a new segment (`SHM_NORESERVE`), nor huge
    /// pages: the use of a page for which there is no memory is `SIGBUS` then,
    /// or ends the process.
    pub const fn no_reserve(mut self, yes: bool) -> Self {
        self.making.no_reserve = yes;
        self
    }

    /// The permission bits of a new segment: exactly these, whatever the umask.
    /// Without this, 0o660.
    pub const fn mode(mut self, mode: u32) -> Self {
        self.making.mode = mode;
        self
    }

    /// A new segment outlives its last user, until its name is removed. The
    /// environment variable `SHM_UTIL_KEEP=1` asks for that too.
    pub const fn keep(mut self, yes: bool) -> Self {
        self.lifetime = Lifetime::kept_if(yes);
        self
    }

    /// Makes a segment of `size` bytes, all zero, or maps the one that has this
    /// name already, with at least as many.
    ///
    /// # Errors
    ///
    /// * `EEXIST`: the name has a segment, and only a new one will do.
    /// * `EINVAL`: the mode has bits beyond 0o777; or as
    ///   [`Segment::create`] says, as for all other errors.
    /// * `ENOMEM`: also if there are too few huge pages.
    /// * `EPERM`: this user may not have huge pages.
    pub fn create(&self, name: impl AsRef<[u8]>, size: usize) -> Result<Segment> {
        let name = name.as_ref();
        let wanted = self.wanted_of_size(name, size)?;
        self.map(name, wanted, Placement::Anywhere, Access::ReadWrite)
    }

    /// Maps the segment of this name.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none; `EINVAL` if something was set that is for new
    /// segments only, other than the mode; else as [`Segment::open`].
    pub fn open(&self, name: impl AsRef<[u8]>) -> Result<Segment> {
        let access = Access::ReadWrite;
        self.map(name.as_ref(), Wanted::Existing, Placement::Anywhere, access)
    }

    /// The same as [`create`](Self::create), mapped for reading only.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_read_only(&self, name: impl AsRef<[u8]>, size: usize) -> Result<ReadOnlySegment> {
        let name = name.as_ref();
        let wanted = self.wanted_of_size(name, size)?;
        self.map(name, wanted, Placement::Anywhere, Access::ReadOnly)
            .map(ReadOnlySegment)
    }

    /// The same as [`open`](Self::open), mapped for reading only: for segments
    /// that are another user's, too, who lets us read but not write.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_read_only(&self, name: impl AsRef<[u8]>) -> Result<ReadOnlySegment> {
        let access = Access::ReadOnly;
        self.map(name.as_ref(), Wanted::Existing, Placement::Anywhere, access)
            .map(ReadOnlySegment)
    }

    fn wanted_of_size(&self, name: &[u8], size: usize) -> Result<Wanted> {
        match NonZeroUsize::new(size) {
            Some(size) if self.exclusive => Ok(Wanted::New(size)),
            Some(size) => Ok(Wanted::OfSize(size)),
            None => Err(Errno(libc::EINVAL)
                .during(format_args!("make segment {} of 0 bytes", Quoted(name)))),
        }
    }

    /// What all do, and `shmxCreate`.
    pub(crate) fn map(
        &self,
        name: &[u8],
        wanted: Wanted,
        placement: Placement,
        access: Access,
    ) -> Result<Segment> {
        if self.making.mode & !MODE_BITS != 0 {
            return Err(Errno(libc::EINVAL).during(format_args!(
                "make segment {} with mode {:#o}, which is more than permission bits",
                Quoted(name),
                self.making.mode
            )));
        }
        let only_existing = matches!(wanted, Wanted::Existing | Wanted::ExistingOfSize(_));
        if only_existing && self.mode(Self::USUAL_MODE) != Self::new() {
            return Err(Errno(libc::EINVAL).during(format_args!(
                "map segment {}, with what is for a new one only",
                Quoted(name)
            )));
        }
        let terms = Terms {
            wanted,
            placement,
            access,
            making: self.making,
            lifetime: self.lifetime,
        };
        Segment::map(name, terms)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A named shared memory segment, mapped into this process for reading only.
///
/// Its bytes can't be had as a slice, to which a program could store: that would
/// be `SIGSEGV`. Otherwise it is what a [`Segment`] is, and counts as a user.
///
/// ```
/// use shm_util::{Options, Segment};
///
/// let ours = Segment::create("doc-read-only", 4096)?;
/// ours.bytes()[7].store(42, std::sync::atomic::Ordering::Relaxed);
///
/// let view = Options::new().open_read_only("doc-read-only")?;
/// let mut bytes = [0; 2];
/// assert_eq!(view.read(6, &mut bytes), 2);
/// assert_eq!(bytes, [0, 42]);
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Debug)]
pub struct ReadOnlySegment(Segment);

impl ReadOnlySegment {
    /// The name, any bytes but zero.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.0.name()
    }

    /// The System V identifier, as `ipcs -m` shows it, good for shmctl(2).
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.0.id()
    }

    /// The size in bytes, as it was asked for when the segment was made.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the segment has no bytes, which none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies bytes from `offset` on, as many as the segment has there and
    /// `bytes` has room for, and returns how many. Others may change the segment
    /// meanwhile.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> usize {
        let source = self.0.bytes().get(offset..).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(source) {
            *to = from.load(Ordering::Relaxed);
        }
        bytes.len().min(source.len())
    }

    /// What is known of the segment now.
    ///
    /// # Errors
    ///
    /// As [`Segment::info`].
    pub fn info(&self) -> Result<Info> {
        self.0.info()
    }

    /// Writes all bytes to a file, all or nothing.
    ///
    /// # Errors
    ///
    /// As [`Segment::save`].
    pub fn save(&self, file: impl AsRef<Path>) -> Result<()> {
        self.0.save(file)
    }

    /// Takes the mapping away, and deletes the segment and its name if nobody
    /// else has it mapped, and it is not kept.
    ///
    /// # Errors
    ///
    /// As [`Segment::destroy`]; `EPERM` if this was the last process, but the
    /// segment is another user's.
    pub fn destroy(self) -> Result<()> {
        self.0.destroy()
    }
}
