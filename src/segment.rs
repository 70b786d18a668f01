//! One attachment of a named segment: the public interface for Rust programs.

#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use crate::errno::Errno;
use crate::error::{Reason, Result};
use crate::fork::{Call, Purpose};
use crate::name::{self, OwnedName};
use crate::namespace::Namespace;
use crate::options::Options;
use crate::quoted::Quoted;
use crate::request::{Access, Request, Target, Wanted};
use crate::snapshot::{self, Loaded, Memory};
use crate::store::{Attached, Store};
use crate::unique;

/// A named shared memory segment, attached to this process.
///
/// A segment is deleted when the last process that has it attached destroys it,
/// with [`destroy`](Self::destroy) or by dropping it, unless it is a kept one (see
/// [`keep`](Self::keep)). If that process dies or [detaches](Self::detach) it instead, the
/// segment keeps its bytes and its name.
///
/// **Dropping a `Segment` destroys it**, also when a function returns early with `?`, or panics:
/// what nobody else has attached is deleted. A program that only reads attaches a
/// [`ReadOnlySegment`](crate::ReadOnlySegment) instead
/// ([`open_read_only`](Options::open_read_only)): dropping that detaches it. Other processes, including C programs that use
/// `shm_util.h`, may read and write it at any time.
///
/// [`Options`] create or attach segments in other ways.
///
/// ```
/// use shm_util::Segment;
/// use std::sync::atomic::Ordering;
///
/// let ours = Segment::create("doc-example", 4096)?;
/// ours.bytes()[0].store(42, Ordering::Relaxed);
///
/// let theirs = Segment::open("doc-example")?;
/// assert_eq!(theirs.bytes()[0].load(Ordering::Relaxed), 42);
/// assert_eq!(theirs.id(), ours.id());
///
/// theirs.destroy()?;
/// ours.destroy()?; // the last one: the segment is deleted
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Debug)]
pub struct Segment {
    pub(crate) attached: Attached,
}

impl Segment {
    /// Creates a segment of `size` bytes, all zero, or attaches the existing one of
    /// this name.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let first = Segment::create("doc-create", 5000)?;
    /// let second = Segment::create("doc-create", 100)?; // the same one
    /// assert_eq!((second.id(), second.len()), (first.id(), 5000));
    /// assert_eq!(Segment::create("doc-create", 5001).unwrap_err().errno(), libc::EINVAL);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * `EINVAL`: `size` is 0 or exceeds the limit SHMMAX, the segment exists with
    ///   fewer bytes, or the name contains a zero byte.
    /// * `ENAMETOOLONG`: the name has more than 1000 bytes.
    /// * `ENOSPC`, `ENOMEM`: a limit was reached or memory is short, see shmget(2).
    /// * `EACCES`: the namespace belongs to another user; or the segment does, and its
    ///   mode does not allow reading and writing.
    /// * `ETIMEDOUT`: a stopped process has held the registry's lock, or the lock of the segment's
    ///   file, for 10 s.
    /// * `EUCLEAN`, `ENOTSUP`: the registry was overwritten, or belongs to another
    ///   version of the library.
    /// * `ENOSYS`, `EPERM`: the kernel has no System V shared memory, or a sandbox blocks it.
    /// * `EDEADLK`: called by a signal handler that interrupted another call.
    ///
    /// If the segments are files in a [directory](Namespace#kinds-of-memory):
    ///
    /// * `ENOENT`, `ENOTDIR`: the directory does not exist, or is a file.
    /// * `EACCES`: it may not be searched or, to create a segment, written.
    /// * `EROFS`: the file system is read-only, so only
    ///   [`open_read_only`](Options::open_read_only) is possible.
    /// * `EINVAL`: the file of this name is not a segment: it is a symbolic link, a directory or an
    ///   empty file, for example.
    /// * `ENAMETOOLONG`: the name of the file would have more than 255 bytes.
    /// * `ENOSPC`, `EDQUOT`: the file system is full, or the disk quota is used up.
    /// * `EFBIG`: `size` exceeds `RLIMIT_FSIZE`, or what the file system supports.
    /// * `EMFILE`: the process has no file descriptor left for the duration of the call.
    /// * `EIO`: the disk reported an error.
    /// * `ENOTSUP`: the directory is on a network file system, or the new segment would be
    ///   [transient](Options::transient).
    pub fn create(name: impl AsRef<[u8]>, size: usize) -> Result<Self> {
        Options::new().create(name, size)
    }

    /// Attaches the existing segment of this name.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// assert_eq!(Segment::open("doc-open").unwrap_err().errno(), libc::ENOENT);
    /// let segment = Segment::create("doc-open", 100)?;
    /// assert_eq!(Segment::open("doc-open")?.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOENT` if it does not exist; otherwise as [`create`](Self::create).
    pub fn open(name: impl AsRef<[u8]>) -> Result<Self> {
        Options::new().open(name)
    }

    /// What both do, and `shmCreate`, whose names contain no zero byte.
    #[inline]
    pub(crate) fn attach(namespace: &Namespace, name: &[u8], request: &Request) -> Result<Self> {
        name::check_length(request.wanted.doing(), name)?;
        let _call = Call::begin(Purpose::Change)?;
        // The program's own string may change at any time.
        let owned = OwnedName::new(name)
            .map_err(|errno| errno.during(format_args!("attach segment {}", Quoted(name))))?;
        Ok(Self {
            attached: Store::of(namespace)?.attach(owned, request)?,
        })
    }

    /// The name: any bytes except zero.
    ///
    /// ```
    /// let segment = shm_util::Segment::create(b"doc-name \xff", 100)?;
    /// assert_eq!(segment.name(), b"doc-name \xff");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.attached.name()
    }

    /// The System V identifier, as `ipcs -m` shows it, for use with shmctl(2).
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-id", 100)?;
    /// assert_eq!(segment.id(), segment.info()?.id);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.attached.id()
    }

    /// Whether the call that returned this value created the segment; otherwise the
    /// segment existed. If several processes create a name at once, exactly one of them
    /// gets true, and can initialize the segment.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let first = Segment::create("doc-is-new", 100)?;
    /// let second = Segment::create("doc-is-new", 100)?;
    /// assert!(first.is_new() && !second.is_new());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.attached.was_created()
    }

    /// The size in bytes that was requested when the segment was created.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-len", 5000)?; // not whole pages
    /// assert_eq!(segment.len(), 5000);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Always false: no segment is empty.
    ///
    /// ```
    /// assert!(!shm_util::Segment::create("doc-is-empty", 1)?.is_empty());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes. Other processes may change them at any time.
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let segment = shm_util::Segment::create("doc-bytes", 100)?;
    /// let counter = &segment.bytes()[7];
    /// assert_eq!(counter.load(Ordering::Relaxed), 0);
    /// counter.fetch_add(1, Ordering::Relaxed);
    /// assert_eq!(counter.load(Ordering::Relaxed), 1);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        self.attached.bytes()
    }

    /// The first part of the bytes, from `start` on, of which pages were ever touched.
    /// The bytes before it are zero at this moment, and take no memory; reading them would
    /// allocate some. If the kernel does not reveal this, the result is `start..len`.
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let segment = shm_util::Segment::create("doc-data-from", 10 << 20)?;
    /// segment.bytes()[9 << 20].store(1, Ordering::Relaxed);
    /// let data = segment.data_from(0);
    /// assert!(data.contains(&(9 << 20)));
    /// assert!(segment.data_from(data.end).is_empty());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn data_from(&self, start: usize) -> Range<usize> {
        self.with_memory(|memory| snapshot::data_from(memory, start))
    }

    fn with_memory<T>(&self, work: impl FnOnce(Memory<'_>) -> T) -> T {
        work(Memory {
            bytes: self.bytes(),
            swapped: &|| self.attached.swapped(),
            file: &|| self.attached.file(),
            check_whole: &|| {
                let checked = self.attached.check_whole();
                checked.map_err(|error| Errno(error.errno()))
            },
        })
    }

    /// Saves the bytes to a file, all or nothing, as `shmSave` does, but without
    /// translating the file name.
    ///
    /// ```
    /// let file = std::env::temp_dir().join(format!("doc-save.{}", std::process::id()));
    /// let segment = shm_util::Segment::create("doc-save", 5000)?;
    /// segment.save(&file)?;
    /// assert_eq!(std::fs::read(&file).unwrap(), [0; 5000]);
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of open(2), write(2), fsync(2) and rename(2); `EIO` if the segment is a file that was
    /// truncated. The old file is unchanged then.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<()> {
        self.save_within(&Call::begin(Purpose::Copy)?, file.as_ref())
    }

    /// The same within a call that has begun.
    pub(crate) fn save_within(&self, _call: &Call, file: &Path) -> Result<()> {
        self.attached.check_whole()?;
        self.with_memory(|memory| snapshot::save(memory, file))
    }

    /// Loads bytes from a file, as many as both have, as `shmLoad` does, but without
    /// translating the file name.
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let file = std::env::temp_dir().join(format!("doc-load.{}", std::process::id()));
    /// std::fs::write(&file, "good morning").unwrap();
    /// let segment = shm_util::Segment::create("doc-load", 5000)?;
    /// let loaded = segment.load(&file)?;
    /// assert_eq!(segment.bytes()[0].load(Ordering::Relaxed), b'g');
    /// assert!(loaded.bytes == 12 && loaded.sizes_differ());
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of open(2) and read(2); `EINVAL` if the file is empty; `EIO` if the segment is a file
    /// that was truncated.
    pub fn load(&self, file: impl AsRef<Path>) -> Result<Loaded> {
        self.load_within(&Call::begin(Purpose::Copy)?, file.as_ref())
    }

    /// The same within a call that has begun.
    pub(crate) fn load_within(&self, _call: &Call, file: &Path) -> Result<Loaded> {
        if self.attached.access() == Access::ReadOnly {
            return Err(Errno(libc::EACCES)
                .during(format_args!(
                    "load {} into {self}, which is attached for reading only",
                    Quoted(file.as_os_str().as_bytes())
                ))
                .because(Reason::ReadOnly));
        }
        self.attached.check_whole()?;
        snapshot::load(self.bytes(), file)
    }

    /// Rolls back a create whose handle could not be returned: a segment that existed before stays,
    /// even if nobody else has it attached.
    #[cfg(feature = "capi")]
    pub(crate) fn give_up(mut self) {
        if self.is_new() {
            self.attached.give_up();
        } else {
            let _ = self.leave();
        }
    }

    /// Detaches the segment, and deletes it and its name if that leaves no process
    /// attached, unless it is kept.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let one = Segment::create("doc-destroy", 100)?;
    /// let other = Segment::open("doc-destroy")?;
    /// one.destroy()?;
    /// assert_eq!(other.len(), 100);
    /// other.destroy()?;
    /// assert!(Segment::open("doc-destroy").is_err());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The segment is detached even if this fails. On an error the segment and its
    /// name stay, as if this process had died:
    ///
    /// * `EPERM`: this was the last process, but the segment belongs to another user.
    /// * `EACCES`, `EROFS`, `EMFILE`, `EIO`: this was the last process, but the segment's file
    ///   cannot be deleted.
    /// * `EINVAL`: the program has detached the segment itself, with shmdt(2) or munmap(2).
    /// * `EDEADLK`, `ETIMEDOUT`, `EUCLEAN`: see [`create`](Self::create).
    pub fn destroy(mut self) -> Result<()> {
        let call = Call::begin(Purpose::Change)?;
        self.close(&call)
    }

    /// Detaches the segment, and leaves it and its name as they are, even if no process
    /// has it attached any more. This is meant for monitors and other readers: unlike
    /// [`destroy`](Self::destroy), it never deletes what a program that has ended left
    /// on purpose. However, a transient segment does not outlive its last holder, and the next
    /// call in the namespace deletes a hidden segment that no process has attached.
    ///
    /// ```
    /// use shm_util::Segment;
    ///
    /// let segment = Segment::create("doc-detach", 100)?;
    /// segment.bytes()[0].store(42, std::sync::atomic::Ordering::Relaxed);
    /// segment.detach()?; // the last one: the segment is an orphan now
    /// let again = Segment::open("doc-detach")?;
    /// assert_eq!(again.bytes()[0].load(std::sync::atomic::Ordering::Relaxed), 42);
    /// again.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: the program has detached the segment itself, with shmdt(2) or munmap(2). Nothing
    /// else is detached then.
    pub fn detach(mut self) -> Result<()> {
        self.leave()
    }

    /// The same.
    pub(crate) fn leave(&mut self) -> Result<()> {
        // This changes no registry, and the names of the private namespace survive a fork, so fork
        // need not wait for it.
        self.attached.detach()
    }

    /// What destroying and dropping do, within a call that fork waits for.
    pub(crate) fn close(&mut self, _call: &Call) -> Result<()> {
        self.attached.close()
    }
}

impl Options {
    /// Creates a segment of `size` bytes, all zero, or attaches the existing one of
    /// this name, which must have at least as many.
    ///
    /// ```
    /// let segment = shm_util::Options::new().create("doc-options-create", 100)?;
    /// assert_eq!(segment.len(), 100);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Segment::create`], and:
    ///
    /// * `EEXIST`: the segment exists, and the option `exclusive` or `hidden` is set.
    /// * `EINVAL`: the mode has bits beyond 0o777, or both `keep` and `transient` are set.
    /// * `ENOTSUP`: the option `transient` is set, and the system cannot attach a segment that is
    ///   marked for deletion.
    /// * `ENAMETOOLONG`: the option `unique` is set, and the name has more than 988 bytes.
    /// * `ENOMEM`: too few huge pages are free.
    /// * `EPERM`: this user may not use huge pages.
    pub fn create(&self, name: impl AsRef<[u8]>, size: usize) -> Result<Segment> {
        let name = name.as_ref();
        let wanted = self.wanted_of_size(name, size)?;
        self.attach(name, wanted, Access::ReadWrite)
    }

    /// Attaches the existing segment of this name.
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
    /// `ENOENT` if it does not exist; `EINVAL` if an option other than the mode is set
    /// that only a new segment can have, or if the segment has fewer bytes than
    /// [`minimum_size`](Self::minimum_size) requires; otherwise as [`Segment::open`].
    pub fn open(&self, name: impl AsRef<[u8]>) -> Result<Segment> {
        self.attach(name.as_ref(), self.wanted_existing(), Access::ReadWrite)
    }

    /// What both do, and `shmxCreate`.
    pub(crate) fn attach(&self, name: &[u8], wanted: Wanted, access: Access) -> Result<Segment> {
        name::check(wanted.doing(), name)?;
        let request = self.request(Target::Name(name), wanted, access)?;
        let attach = |name: &[u8]| Segment::attach(&self.namespace, name, &request);
        if self.makes_names() {
            unique::create(name, attach)
        } else {
            attach(name)
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.attached.is_closed() {
            return;
        }
        // A program that wants to know of an error calls `destroy`.
        if let Ok(call) = Call::begin(Purpose::Change) {
            let _ = self.close(&call);
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Quoted(self.name());
        match self.id() {
            -1 => write!(f, "segment {name}"),
            id => write!(f, "segment {name} (id {id})"),
        }
    }
}
