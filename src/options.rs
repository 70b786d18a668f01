//! Options of creating or attaching a segment: plain data.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;

use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::quoted::Quoted;
use crate::request::{Access, Creation, Lifetime, Placement, Request, Target, Wanted, check_mode};

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Options {
    pub(crate) namespace: Namespace,
    exclusive: bool,
    unique: bool,
    creation: Creation,
    placement: Placement,
    minimum_size: usize,
    keep: bool,
    transient: bool,
    hidden: bool,
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
            namespace: Namespace::current(),
            exclusive: false,
            unique: false,
            creation: Creation::with_mode(Creation::USUAL_MODE),
            placement: Placement::Anywhere,
            minimum_size: 0,
            keep: false,
            transient: false,
            hidden: false,
        }
    }

    /// Looks the name up in this namespace. The default is the
    /// [current](Namespace::current) one.
    ///
    /// ```
    /// use shm_util::{Namespace, Options};
    ///
    /// let plant = Namespace::at("/doc/options/plant")?;
    /// let options = Options::new().namespace(&plant).mode(0o640);
    /// let segment = options.create("sensors", 100)?;
    /// assert_eq!(plant.info("sensors")?.id, segment.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub fn namespace(mut self, namespace: &Namespace) -> Self {
        self.namespace = namespace.clone();
        self
    }

    /// Attaches the segment at this address, rounded down to a multiple of `SHMLBA`. With 0,
    /// the default, the system chooses the address. Fails with `EINVAL` if something is mapped
    /// at the address, or the system does not allow it.
    ///
    /// ```
    /// use shm_util::{Options, Reason, Segment};
    ///
    /// let segment = Segment::create("doc-at", 100)?;
    /// let address = segment.bytes().as_ptr().addr();
    /// let in_use = Options::new().at(address).open("doc-at").unwrap_err();
    /// assert_eq!(in_use.reason(), Reason::Address);
    /// # segment.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn at(mut self, address: usize) -> Self {
        self.placement = Placement::at(address);
        self
    }

    /// Fails with `EINVAL` if a segment that is opened has fewer bytes than this.
    /// [`create`](Self::create) requires its `size` in any case.
    ///
    /// ```
    /// use shm_util::{Options, Reason, Segment};
    ///
    /// let segment = Segment::create("doc-minimum-size", 100)?;
    /// assert_eq!(Options::new().minimum_size(100).open("doc-minimum-size")?.len(), 100);
    /// let error = Options::new().minimum_size(101).open("doc-minimum-size").unwrap_err();
    /// assert_eq!(error.reason(), Reason::TooSmall);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn minimum_size(mut self, bytes: usize) -> Self {
        self.minimum_size = bytes;
        self
    }

    /// Creates a new segment with a name that no other segment has: the name passed to
    /// [`create`](Self::create), which may be empty and has at most 988 bytes, followed
    /// by 12 random letters and digits. [`Segment::name`](crate::Segment::name) returns
    /// the whole name.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let options = Options::new().unique(true);
    /// let one = options.create("doc-unique-", 100)?;
    /// let other = options.create("doc-unique-", 100)?;
    /// assert!(one.name().starts_with(b"doc-unique-") && one.name().len() == 11 + 12);
    /// assert_ne!(one.name(), other.name());
    /// assert_eq!(Segment::open(one.name())?.id(), one.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn unique(mut self, yes: bool) -> Self {
        self.unique = yes;
        self
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
    /// must have reserved: see the sysctl `vm.nr_hugepages`. A file is in huge pages if its
    /// directory is on hugetlbfs, with or without this option. For other files, and for private
    /// memory, it is `ENOTSUP`.
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
        self.keep = yes;
        self
    }

    /// Creates a transient segment, which does not outlive its last holder, however that
    /// process ends: the kernel deletes it, and its name is absent from then on. Such a
    /// segment has no System V key ([`Info::key`](crate::Info::key) is 0). Files in a directory
    /// cannot be transient (`ENOTSUP`). The environment
    /// variable `SHM_UTIL_TRANSIENT` has the same effect, if it is a number other than 0 at
    /// the process's first call, unless the option [`keep`](Self::keep) is set, or
    /// `SHM_UTIL_KEEP`.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Options::new().transient(true).create("doc-transient", 100)?;
    /// let other = Segment::open("doc-transient")?; // other processes find it, too
    /// assert!(other.info()?.transient);
    /// other.detach()?;
    /// segment.detach()?; // as if both had been killed
    /// assert!(Segment::open("doc-transient").is_err());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn transient(mut self, yes: bool) -> Self {
        self.transient = yes;
        self
    }

    /// Creates a hidden segment, which other processes find once
    /// [`Segment::publish`](crate::Segment::publish) has given it its name. The segment must be
    /// new, as with [`exclusive`](Self::exclusive). If its creator dies, or destroys or detaches
    /// it, before it is published, the segment is deleted.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Options::new().hidden(true).create("doc-hidden", 100)?;
    /// assert!(Segment::open("doc-hidden").is_err());
    /// segment.bytes()[0].store(42, std::sync::atomic::Ordering::Relaxed);
    /// segment.publish()?;
    /// assert_eq!(Segment::open("doc-hidden")?.id(), segment.id());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    pub const fn hidden(mut self, yes: bool) -> Self {
        self.hidden = yes;
        self
    }

    /// The request that `create` makes for a segment of `size` bytes.
    pub(crate) fn wanted_of_size(&self, name: &[u8], size: usize) -> Result<Wanted> {
        match NonZeroUsize::new(size) {
            Some(size) if self.exclusive || self.unique || self.hidden => Ok(Wanted::New(size)),
            Some(size) => Ok(Wanted::OfSize(size)),
            None => Err(Error::argument(format_args!(
                "create segment {}: its size would be 0",
                Quoted(name)
            ))),
        }
    }

    /// The request that `open` makes.
    pub(crate) fn wanted_existing(&self) -> Wanted {
        NonZeroUsize::new(self.minimum_size).map_or(Wanted::Existing, Wanted::ExistingOfSize)
    }

    /// Attaches the segment as `placement` requests.
    #[cfg(feature = "capi")]
    pub(crate) const fn placed(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// Whether the library makes up the end of the name.
    pub(crate) const fn makes_names(&self) -> bool {
        self.unique
    }

    /// Checks the options, and returns what they ask for.
    pub(crate) fn request(
        &self,
        target: Target<'_>,
        wanted: Wanted,
        access: Access,
    ) -> Result<Request> {
        check_mode(format_args!("create {target}"), Some(self.creation.mode))?;
        if !wanted.may_create() && self.is_for_new() {
            return Err(Self::only_for_new(target));
        }
        let lifetime = match (self.keep, self.transient) {
            (true, true) => {
                return Err(Error::argument(format_args!(
                    "create {target}: it cannot be both kept and transient"
                )));
            }
            (true, false) => Lifetime::Kept,
            (false, true) => Lifetime::Transient,
            (false, false) => Lifetime::Used,
        };
        Ok(Request {
            wanted,
            placement: self.placement,
            access,
            creation: self.creation,
            lifetime,
            hidden: self.hidden,
        })
    }
}

impl Options {
    /// Whether an option is set that has no meaning for an existing segment. The mode does
    /// not count.
    fn is_for_new(&self) -> bool {
        self.exclusive
            || self.unique
            || self.keep
            || self.transient
            || self.hidden
            || self.creation != Creation::with_mode(self.creation.mode)
    }

    /// The error of an option that has no meaning for an existing segment.
    pub(crate) fn only_for_new(target: Target<'_>) -> Error {
        Error::argument(format_args!(
            "attach {target}: an option is set that applies only to new segments"
        ))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
