//! Options of creating or attaching a segment: plain data.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;

use crate::error::{Error, Result};
use crate::quoted::Quoted;
use crate::request::{Access, Creation, Lifetime, MODE_BITS, Placement, Request, Wanted};

/// Options of creating or attaching a segment: set those that differ from the
/// defaults, then call [`create`](Self::create) or [`open`](Self::open).
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
    creation: Creation,
    lifetime: Lifetime,
}

impl Options {
    /// The defaults: those of [`Segment::create`](crate::Segment::create) and
    /// [`Segment::open`](crate::Segment::open).
    ///
    /// ```
    /// let usual = shm_util::Options::new().create("doc-options-new", 100)?;
    /// assert_eq!(usual.info()?.mode, 0o660);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn new() -> Self {
        Self {
            exclusive: false,
            creation: Creation::with_mode(Creation::USUAL_MODE),
            lifetime: Lifetime::Used,
        }
    }

    /// Requires a new segment: `EEXIST` if the name has one already.
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

    /// Creates a new segment with huge pages (`SHM_HUGETLB`), which the administrator
    /// must have reserved: see the sysctl `vm.nr_hugepages`.
    ///
    /// ```
    /// use shm_util::Options;
    ///
    /// match Options::new().huge_pages(true).create("doc-huge-pages", 2 << 20) {
    ///     Ok(segment) => assert_eq!(segment.len(), 2 << 20),
    ///     Err(error) => println!("{error}"), // none are reserved
    /// }
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn huge_pages(mut self, yes: bool) -> Self {
        self.creation.huge_pages = yes;
        self
    }

    /// Reserves neither swap space nor huge pages for a new segment (`SHM_NORESERVE`).
    /// If memory runs out when a page is first used, the process gets `SIGBUS`, or the
    /// kernel kills a process to free some.
    ///
    /// ```
    /// use shm_util::Options;
    ///
    /// // Only a small part of it will ever be used.
    /// let sparse = Options::new().no_reserve(true).create("doc-no-reserve", 1 << 30)?;
    /// assert_eq!(sparse.len(), 1 << 30);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn no_reserve(mut self, yes: bool) -> Self {
        self.creation.no_reserve = yes;
        self
    }

    /// The permission bits of a new segment, regardless of the umask. The default is
    /// 0o660.
    ///
    /// ```
    /// let private = shm_util::Options::new().mode(0o600).create("doc-mode", 100)?;
    /// assert_eq!(private.info()?.mode, 0o600);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn mode(mut self, mode: u32) -> Self {
        self.creation.mode = mode;
        self
    }

    /// Creates a kept segment, which outlives its last holder until its name is removed.
    /// The environment variable `SHM_UTIL_KEEP` has the same effect, if it is a number
    /// other than 0 at the process's first call.
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

    /// The request that `create` makes for a segment of `size` bytes.
    pub(crate) fn wanted_of_size(&self, name: &[u8], size: usize) -> Result<Wanted> {
        match NonZeroUsize::new(size) {
            Some(size) if self.exclusive => Ok(Wanted::New(size)),
            Some(size) => Ok(Wanted::OfSize(size)),
            None => Err(Error::argument(format_args!(
                "create segment {}: its size would be 0",
                Quoted(name)
            ))),
        }
    }

    /// Checks the options, and returns what they ask for.
    pub(crate) fn request(
        &self,
        name: &[u8],
        wanted: Wanted,
        placement: Placement,
        access: Access,
    ) -> Result<Request> {
        if self.creation.mode & !MODE_BITS != 0 {
            return Err(Error::argument(format_args!(
                "create segment {}: mode 0{:o} has bits beyond 0777",
                Quoted(name),
                self.creation.mode
            )));
        }
        if !wanted.may_create() && self.mode(Creation::USUAL_MODE) != Self::new() {
            return Err(Self::only_for_new(name));
        }
        Ok(Request {
            wanted,
            placement,
            access,
            creation: self.creation,
            lifetime: self.lifetime,
        })
    }
}

impl Options {
    /// The error of an option that has no meaning for an existing segment.
    pub(crate) fn only_for_new(name: &[u8]) -> Error {
        Error::argument(format_args!(
            "attach segment {}: an option is set that only a new segment can have",
            Quoted(name)
        ))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
