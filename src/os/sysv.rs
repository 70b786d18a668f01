//! System V shared memory as every system reports it.

/// The system's limits, all 0 if they can't be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The largest size of a segment, in bytes.
    pub(crate) shmmax: u64,
    /// The largest number of segments.
    pub(crate) shmmni: u64,
    /// The largest number of pages in all segments.
    pub(crate) shmall: u64,
}

/// How much memory all segments use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) segments: u64,
    pub(crate) pages: u64,
    /// How many pages are in swap space.
    pub(crate) pages_in_swap: u64,
}
