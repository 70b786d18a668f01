//! What a load reports.

#![forbid(unsafe_code)]

/// The sizes of the file and the segment of a load, and how many bytes it read.
///
/// ```
/// let file = std::env::temp_dir().join(format!("doc-loaded.{}", std::process::id()));
/// std::fs::write(&file, "twelve bytes").unwrap();
/// let loaded = shm_util::Segment::create("doc-loaded", 10)?.load(&file)?;
/// assert_eq!((loaded.bytes, loaded.file, loaded.segment), (10, 12, 10));
/// # std::fs::remove_file(file).unwrap();
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Loaded {
    /// How many bytes were read into the segment.
    pub bytes: u64,
    /// The size of the file in bytes. For `/dev/stdin` and other open descriptors,
    /// the bytes from their position on; for a pipe or another file that has no size,
    /// the bytes read.
    pub file: u64,
    /// The size of the segment in bytes.
    pub segment: u64,
}

impl Loaded {
    /// Whether the file and the segment have different sizes. If so, the load read as
    /// many bytes as both hold, and left the segment's other bytes unchanged.
    ///
    /// ```
    /// # let file = std::env::temp_dir().join(format!("doc-sizes.{}", std::process::id()));
    /// let segment = shm_util::Segment::create("doc-sizes", 10)?;
    /// segment.save(&file)?;
    /// assert!(!segment.load(&file)?.sizes_differ());
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn sizes_differ(&self) -> bool {
        self.file != self.segment
    }
}
