//! A segment attached for reading only.

#![forbid(unsafe_code)]

use std::ops::Range;
use std::path::Path;

use crate::error::Result;
use crate::fork::{Call, Purpose};
use crate::info::Info;
use crate::options::Options;
use crate::request::Access;
use crate::segment::Segment;

/// A named shared memory segment, attached to this process for reading only.
///
/// Its bytes can only be loaded: a store would raise `SIGSEGV`. Its process counts as a holder, as
/// with a [`Segment`].
///
/// **Dropping it [detaches](Self::detach) the segment, and never deletes it**, even if no process
/// has it attached any more: a reader that returns early with `?`, or panics, leaves the data
/// to others. Only [`destroy`](Self::destroy) deletes. Dropping a [`Segment`] destroys it.
///
/// ```
/// use shm_util::{Options, Segment};
///
/// let ours = Segment::create("doc-read-only", 4096)?;
/// ours.bytes()[7].store(42, std::sync::atomic::Ordering::Relaxed);
///
/// let view = Options::new().open_read_only("doc-read-only")?;
/// let mut bytes = [0; 2];
/// view.read_at(6, &mut bytes)?;
/// assert_eq!(bytes, [0, 42]);
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// ```
/// use shm_util::{Options, Segment};
///
/// Segment::create("doc-read-only-drop", 100)?.detach()?; // an orphan
/// drop(Options::new().open_read_only("doc-read-only-drop")?); // still an orphan
/// Options::new().open_read_only("doc-read-only-drop")?.destroy()?;
/// assert!(shm_util::info("doc-read-only-drop").is_err());
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Debug)]
pub struct ReadOnlySegment(pub(crate) Segment);

/// Detaches the segment, and leaves it and its name as they are.
impl Drop for ReadOnlySegment {
    fn drop(&mut self) {
        // A program that needs to know about errors calls `detach`.
        let _ = self.0.leave();
    }
}

impl ReadOnlySegment {
    /// The name: any bytes except zero.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-name", 100)?;
    /// assert_eq!(view.name(), b"doc-view-name");
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.0.name()
    }

    /// The System V identifier, as `ipcs -m` shows it, for use with shmctl(2).
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-id", 100)?;
    /// assert_eq!(view.id(), view.info()?.id);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.0.id()
    }

    /// The size in bytes that was requested when the segment was created.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-len", 100)?;
    /// assert_eq!(view.len(), 100);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Always false: no segment is empty.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-is-empty", 100)?;
    /// assert!(!view.is_empty());
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known about the segment now.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-info", 100)?;
    /// assert_eq!(view.info()?.size, 100);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::info`].
    pub fn info(&self) -> Result<Info> {
        self.0.info()
    }

    /// The first part of the bytes, from `start` on, of which pages were ever touched:
    /// see [`Segment::data_from`].
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-data-from", 100)?;
    /// assert!(view.data_from(100).is_empty());
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn data_from(&self, start: usize) -> Range<usize> {
        self.0.data_from(start)
    }

    /// Saves the bytes to a file, all or nothing.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-save", 100)?;
    /// let file = std::env::temp_dir().join(format!("doc-view-save.{}", std::process::id()));
    /// view.save(&file)?;
    /// assert_eq!(std::fs::read(&file).unwrap(), [0; 100]);
    /// # std::fs::remove_file(file).unwrap();
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::save`].
    pub fn save(&self, file: impl AsRef<Path>) -> Result<()> {
        self.0.save(file)
    }

    /// Whether the call that returned this value created the segment: see
    /// [`Segment::is_new`].
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-was-created", 100)?;
    /// assert!(view.is_new());
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.0.is_new()
    }

    /// Detaches the segment, and leaves it and its name as they are, even if no process
    /// has it attached any more: see [`Segment::detach`].
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// Segment::create("doc-view-detach", 100)?.detach()?; // an orphan
    /// Options::new().open_read_only("doc-view-detach")?.detach()?;
    /// assert_eq!(shm_util::info("doc-view-detach")?.mappings, 0);
    /// shm_util::remove("doc-view-detach")?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::detach`].
    pub fn detach(mut self) -> Result<()> {
        self.0.leave()
    }

    /// Detaches the segment, and deletes it and its name if that leaves no process
    /// attached, unless it is kept.
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
    /// As [`Segment::destroy`]. `EPERM` if this was the last process, but the
    /// segment belongs to another user.
    pub fn destroy(mut self) -> Result<()> {
        let call = Call::begin(Purpose::Change)?;
        self.0.close(&call)
    }
}

impl Options {
    /// The same as [`create`](Self::create), but attached for reading only.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let view = Options::new().create_read_only("doc-create-read-only", 100)?;
    /// let segment = Segment::open("doc-create-read-only")?; // the writer may come later
    /// segment.write_at(0, b"good morning")?;
    /// let mut bytes = [0; 4];
    /// view.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"good");
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_read_only(&self, name: impl AsRef<[u8]>, size: usize) -> Result<ReadOnlySegment> {
        let name = name.as_ref();
        let wanted = self.wanted_of_size(name, size)?;
        self.attach(name, wanted, Access::ReadOnly)
            .map(ReadOnlySegment)
    }

    /// The same as [`open`](Self::open), but attached for reading only. This also works
    /// for a segment of another user that this process may read but not write.
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
        self.attach(name.as_ref(), self.wanted_existing(), Access::ReadOnly)
            .map(ReadOnlySegment)
    }
}
