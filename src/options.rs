//! How a segment is made or mapped, if not in the usual way.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::error::{Errno, Quoted, Result};
use crate::info::Info;
use crate::registry::Lifetime;
use crate::segment::{Segment, Terms, Wanted, check_name};
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
    ///
    /// ```
    /// let usual = shm_util::Options::new().create("doc-options-new", 100)?;
    /// assert_eq!(usual.info()?.mode, 0o660);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn new() -> Self {
        Self {
            exclusive: false,
            making: Making::with_mode(Self::USUAL_MODE),
            lifetime: Lifetime::Used,
        }
    }

    /// Only a new segment will do: `EEXIST` if the name has one.
    ///
    /// ```
    /// use shm_util::Options;
    ///
    /// let segment = Options::new().create("doc-exclusive", 100)?;
    /// let again = Options::new().exclusive(true).create("doc-exclusive", 100);
    /// assert_eq!(again.unwrap_err().errno(), libc::EEXIST);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn exclusive(mut self, yes: bool) -> Self {
        self.exclusive = yes;
        self
    }

    /// A new segment consists of huge pages (`SHM_HUGETLB`), which the system
    /// must have set aside: see the sysctl `vm.nr_hugepages`.
    ///
    /// ```
    /// use shm_util::Options;
    ///
    /// match Options::new().huge_pages(true).create("doc-huge-pages", 2 << 20) {
    ///     Ok(segment) => assert_eq!(segment.len(), 2 << 20),
    ///     Err(error) => println!("{error}"), // the system has set none aside
    /// }
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn huge_pages(mut self, yes: bool) -> Self {
        self.making.huge_pages = yes;
        self
    }

    /// No swap space is reserved for a new segment (`SHM_NORESERVE`), nor huge
    /// pages. If there is no memory for a page when it is first used, that is
    /// `SIGBUS`, or the kernel kills a process to have some.
    ///
    /// ```
    /// use shm_util::Options;
    ///
    /// // More than most of it will ever be used.
    /// let sparse = Options::new().no_reserve(true).create("doc-no-reserve", 1 << 30)?;
    /// assert_eq!(sparse.len(), 1 << 30);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn no_reserve(mut self, yes: bool) -> Self {
        self.making.no_reserve = yes;
        self
    }

    /// The permission bits of a new segment: exactly these, whatever the umask.
    /// Without this, 0o660.
    ///
    /// ```
    /// let private = shm_util::Options::new().mode(0o600).create("doc-mode", 100)?;
    /// assert_eq!(private.info()?.mode, 0o600);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn mode(mut self, mode: u32) -> Self {
        self.making.mode = mode;
        self
    }

    /// A new segment outlives its last user, until its name is removed. The
    /// environment variable `SHM_UTIL_KEEP` asks for that too, if it is a number
    /// other than 0.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// Options::new().keep(true).create("doc-options-keep", 100)?.destroy()?;
    /// assert!(Segment::open("doc-options-keep")?.info()?.kept);
    /// shm_util::remove("doc-options-keep")?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn keep(mut self, yes: bool) -> Self {
        self.lifetime = Lifetime::kept_if(yes);
        self
    }

    /// Makes a segment of `size` bytes, all zero, or maps the one that has this
    /// name already, with at least as many.
    ///
    /// ```
    /// let segment = shm_util::Options::new().create("doc-options-create", 100)?;
    /// assert_eq!(segment.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Segment::create("doc-options-open", 100)?;
    /// assert_eq!(Options::new().open("doc-options-open")?.id(), segment.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let view = Options::new().create_read_only("doc-create-read-only", 100)?;
    /// let segment = Segment::open("doc-create-read-only")?; // who writes may come later
    /// segment.bytes()[0].store(42, std::sync::atomic::Ordering::Relaxed);
    /// let mut bytes = [0; 1];
    /// view.read(0, &mut bytes);
    /// assert_eq!(bytes, [42]);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Segment::create("doc-open-read-only", 100)?;
    /// let view = Options::new().open_read_only("doc-open-read-only")?;
    /// assert_eq!(view.id(), segment.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
        check_name(name)?;
        if self.making.mode & !MODE_BITS != 0 {
            return Err(Errno(libc::EINVAL).during(format_args!(
                "make segment {} with mode 0{:o}, which is more than permission bits",
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
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-name", 100)?;
    /// assert_eq!(view.name(), b"doc-view-name");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.0.name()
    }

    /// The System V identifier, as `ipcs -m` shows it, good for shmctl(2).
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-id", 100)?;
    /// assert_eq!(view.id(), view.info()?.id);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.0.id()
    }

    /// The size in bytes, as it was asked for when the segment was made.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-len", 100)?;
    /// assert_eq!(view.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the segment has no bytes, which none has.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-is-empty", 100)?;
    /// assert!(!view.is_empty());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies bytes from `offset` on, as many as the segment has there and
    /// `bytes` has room for, and returns how many. Others may change the segment
    /// meanwhile.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-read", 100)?;
    /// let mut bytes = [1; 30];
    /// assert_eq!(view.read(90, &mut bytes), 10); // there are no more
    /// assert_eq!(bytes[9..11], [0, 1]);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> usize {
        let source = self.0.bytes().get(offset..).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(source) {
            *to = from.load(Ordering::Relaxed);
        }
        bytes.len().min(source.len())
    }

    /// What is known of the segment now.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-info", 100)?;
    /// assert_eq!(view.info()?.size, 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::info`].
    pub fn info(&self) -> Result<Info> {
        self.0.info()
    }

    /// Writes all bytes to a file, all or nothing.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-save", 100)?;
    /// let file = std::env::temp_dir().join(format!("doc-view-save.{}", std::process::id()));
    /// view.save(&file)?;
    /// assert_eq!(std::fs::read(&file).unwrap(), [0; 100]);
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
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
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-destroy", 100)?;
    /// view.destroy()?;
    /// assert!(shm_util::info("doc-view-destroy").is_err());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::destroy`]; `EPERM` if this was the last process, but the
    /// segment is another user's.
    pub fn destroy(self) -> Result<()> {
        self.0.destroy()
    }
}
