//! What a program asks for when it creates or attaches a segment.

#![forbid(unsafe_code)]

use std::fmt;
use std::num::NonZeroUsize;

use crate::errno::Errno;
use crate::error::{Error, Reason, Result};
use crate::quoted::Quoted;

/// A request for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) wanted: Wanted,
    pub(crate) placement: Placement,
    pub(crate) access: Access,
    pub(crate) creation: Creation,
    /// The lifetime of a new segment. For [`Lifetime::Used`], the environment may select
    /// another one.
    pub(crate) lifetime: Lifetime,
    /// Whether a new segment is hidden until it is published.
    pub(crate) hidden: bool,
}

impl Request {
    /// The one that `shmCreate` makes.
    #[cfg(feature = "capi")]
    pub(crate) const fn usual(wanted: Wanted, placement: Placement) -> Self {
        Self {
            wanted,
            placement,
            access: Access::ReadWrite,
            creation: Creation::with_mode(Creation::USUAL_MODE),
            lifetime: Lifetime::Used,
            hidden: false,
        }
    }
}

/// Which segment is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An existing one.
    Existing,
    /// An existing one of at least this many bytes.
    ExistingOfSize(NonZeroUsize),
    /// An existing one of at least this many bytes, or else a new one.
    OfSize(NonZeroUsize),
    /// A new one.
    New(NonZeroUsize),
}

impl Wanted {
    /// The verb for a call with this request, for messages.
    pub(crate) const fn doing(self) -> &'static str {
        match self {
            Self::Existing | Self::ExistingOfSize(_) => "attach",
            Self::OfSize(_) | Self::New(_) => "create",
        }
    }

    /// Whether a call with this request may create a segment.
    pub(crate) const fn may_create(self) -> bool {
        matches!(self, Self::OfSize(_) | Self::New(_))
    }

    /// Checks that the existing segment of a name, with this size in bytes, is what was asked for.
    #[inline]
    pub(crate) fn check(self, name: &[u8], size: usize) -> Result<()> {
        match self {
            Self::New(_) => Err(already_exists(name, size)),
            Self::ExistingOfSize(wanted) | Self::OfSize(wanted) if size < wanted.get() => {
                Err(too_small(name, size, wanted))
            }
            Self::Existing | Self::ExistingOfSize(_) | Self::OfSize(_) => Ok(()),
        }
    }
}

#[cold]
pub(crate) fn already_exists(name: &[u8], size: impl fmt::Display) -> Error {
    Errno(libc::EEXIST).during(format_args!(
        "segment {} already exists with {size} bytes",
        Quoted(name)
    ))
}

#[cold]
fn too_small(name: &[u8], size: usize, wanted: NonZeroUsize) -> Error {
    Errno(libc::EINVAL)
        .during(format_args!(
            "segment {} has {size} bytes, {wanted} requested",
            Quoted(name)
        ))
        .because(Reason::TooSmall)
}

/// Where a segment is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Where the system chooses.
    Anywhere,
    /// At this address, rounded down to a multiple of `SHMLBA`.
    At(usize),
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => Ok(()),
            Self::At(address) => write!(f, " at {address:#x}"),
        }
    }
}

impl Placement {
    /// The placement that a program requests by an address, or by 0 for any.
    pub(crate) const fn at(address: usize) -> Self {
        match address {
            0 => Self::Anywhere,
            address => Self::At(address),
        }
    }
}

/// The name or identifier by which a segment is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Name(&'a [u8]),
    /// The System V identifier.
    Id(i32),
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "segment {}", Quoted(name)),
            Self::Id(id) => write!(f, "segment with id {id}"),
        }
    }
}

/// What an attachment may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading and writing.
    ReadWrite,
    /// Reading: a store is SIGSEGV.
    ReadOnly,
}

/// The nine permission bits.
pub(crate) const MODE_BITS: u32 = 0o777;

/// `EINVAL` if a mode has other bits. `doing` is what was to be done with it, for the message.
pub(crate) fn check_mode(doing: impl fmt::Display, mode: Option<u32>) -> Result<()> {
    match mode.filter(|mode| mode & !MODE_BITS != 0) {
        Some(mode) => Err(Error::argument(format_args!(
            "{doing}: mode 0{mode:o} has bits beyond 0777"
        ))),
        None => Ok(()),
    }
}

/// The verb for messages about permissions.
pub(crate) const SETTING: &str = "set the permissions of";

/// The properties of a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    /// The permission bits, regardless of the umask.
    pub(crate) mode: u32,
    /// `SHM_HUGETLB`
    pub(crate) huge_pages: bool,
    /// `SHM_NORESERVE`
    pub(crate) no_reserve: bool,
}

impl Creation {
    /// The permission bits of a new segment unless the program chooses others.
    pub(crate) const USUAL_MODE: u32 = 0o660;

    /// Ordinary pages.
    pub(crate) const fn with_mode(mode: u32) -> Self {
        Self {
            mode,
            huge_pages: false,
            no_reserve: false,
        }
    }
}

/// How long a segment lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until its last holder destroys it.
    Used,
    /// Until its name is removed, and then until its last holder detaches it.
    Kept,
    /// Until its last holder detaches it or dies: it is marked for deletion.
    Transient,
}

impl Lifetime {
    pub(crate) const fn kept_if(yes: bool) -> Self {
        if yes { Self::Kept } else { Self::Used }
    }
}

/// Whether a segment may be written to swap space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swapping {
    /// `SHM_LOCK`
    Forbidden,
    /// `SHM_UNLOCK`
    Allowed,
}
