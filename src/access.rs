//! A segment's bytes: pointers, copies and atomics.

use std::mem::MaybeUninit;
use std::slice;
use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering,
    fence,
};

use crate::bulk;
use crate::error::{Error, Result};
use crate::read_only::ReadOnlySegment;
use crate::segment::Segment;

/// A type that consists of atomics, so that it can lie in shared memory:
/// [`Segment::as_atomics`] and [`Segment::atomic`] return references to such types.
///
/// It is implemented for the atomic integers that have the same size in all programs, and for
/// arrays of such types. Programs can implement it for structures:
///
/// ```
/// use shm_util::{Atomic, Segment};
/// use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
///
/// #[repr(C)]
/// struct Sensors {
///     ready: AtomicU32,
///     count: AtomicU32,
///     values: [AtomicU64; 100],
/// }
///
/// // SAFETY: all fields are atomics, and C programs have the same layout.
/// unsafe impl Atomic for Sensors {}
///
/// let mut segment = Segment::create("doc-atomic", size_of::<Sensors>())?;
/// let sensors = &segment.as_atomics::<Sensors>()[0];
/// sensors.values[0].store(20, Ordering::Relaxed);
/// sensors.count.store(1, Ordering::Relaxed);
/// sensors.ready.store(1, Ordering::Release); // others that see this see the rest
/// # Ok::<(), shm_util::Error>(())
/// ```
///
/// # Safety
///
/// * Any bytes are a valid value: other processes may store any.
/// * Through a shared reference, its safe functions access each byte only by atomics of one size,
///   so that accesses by this program never overlap in part.
/// * Its layout is specified, for example by `#[repr(C)]`; otherwise two programs may disagree
///   about it.
/// * Its values are meaningful in every process: it contains no pointers.
pub unsafe trait Atomic: Sync + 'static {}

// SAFETY: the elements of an array lie side by side.
unsafe impl<T: Atomic, const COUNT: usize> Atomic for [T; COUNT] {}

/// An atomic in memory that is attached for reading only. It can only be loaded: a store
/// would raise `SIGSEGV`.
///
/// ```
/// use shm_util::{Options, Segment};
/// use std::sync::atomic::Ordering;
///
/// let segment = Segment::create("doc-read-only-atomic", 100)?;
/// let view = Options::new().open_read_only("doc-read-only-atomic")?;
/// segment.bytes()[7].store(42, Ordering::Release);
/// assert_eq!(view.bytes()[7].load(Ordering::Acquire), 42);
/// # Ok::<(), shm_util::Error>(())
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct ReadOnlyAtomic<T>(T);

macro_rules! atomic_integers {
    ($($atomic:ident $integer:ident),*) => {$(
        // SAFETY: the type is one atomic.
        unsafe impl Atomic for $atomic {}

        impl ReadOnlyAtomic<$atomic> {
            /// Loads the value; see [`ReadOnlyAtomic`] for an example.
            ///
            /// # Panics
            ///
            /// If the order is `Release` or `AcqRel`, as with a load of the standard
            /// library's atomics.
            #[inline]
            #[must_use]
            pub fn load(&self, order: Ordering) -> $integer {
                // The standard library promises only for relaxed loads that they work in
                // memory that cannot be written. Fences make them as strong as other loads.
                match order {
                    Ordering::Relaxed => self.0.load(Ordering::Relaxed),
                    Ordering::Acquire => {
                        let value = self.0.load(Ordering::Relaxed);
                        fence(Ordering::Acquire);
                        value
                    }
                    Ordering::SeqCst => {
                        fence(Ordering::SeqCst);
                        let value = self.0.load(Ordering::Relaxed);
                        fence(Ordering::SeqCst);
                        value
                    }
                    // The standard library panics.
                    order => self.0.load(order),
                }
            }
        }
    )*};
}

atomic_integers!(
    AtomicI8 i8, AtomicI16 i16, AtomicI32 i32, AtomicI64 i64,
    AtomicU8 u8, AtomicU16 u16, AtomicU32 u32, AtomicU64 u64
);

impl Segment {
    /// The address of the first byte, as `shmAddress` returns it: the start of a page. It is
    /// valid until the segment is destroyed, detached or dropped.
    ///
    /// Reading and writing through the pointer is `unsafe`: other processes may access the same
    /// bytes at that moment, which would be a data race. Use atomics, or a lock that all
    /// programs take. [`read_at`](Self::read_at), [`write_at`](Self::write_at)
    /// and [`bytes`](Self::bytes) are safe.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let segment = shm_util::Segment::create("doc-as-ptr", 4096)?;
    /// let address = segment.as_ptr();
    /// assert_eq!(address.addr() % 4096, 0);
    /// // SAFETY: the address is aligned, and this program uses the first 8 bytes in no other way.
    /// let counter = unsafe { AtomicU64::from_ptr(address.cast()) };
    /// assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 0);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.bytes().as_ptr().cast_mut().cast()
    }

    /// Copies bytes of the segment, from `offset` on, into all of `bytes`. On x86-64
    /// this takes up to 6 ns longer than memcpy(3) for copies of up to 1 KiB, about a fifth
    /// longer for 4 KiB, and as long from 64 KiB on.
    ///
    /// Other processes may store to the segment meanwhile. Each byte is loaded once, as by
    /// a relaxed load of an atomic, and in no particular order. So the copy may contain some bytes
    /// from before a store and others from after it, even within one number. An acquire load
    /// of a flag before the copy makes it contain what was stored before the flag was set:
    ///
    /// ```
    /// use shm_util::Segment;
    /// use std::sync::atomic::Ordering;
    ///
    /// let ours = Segment::create("doc-read-at", 100)?;
    /// ours.write_at(1, b"good morning")?;
    /// ours.bytes()[0].store(1, Ordering::Release);
    ///
    /// let theirs = Segment::open("doc-read-at")?;
    /// let mut bytes = [0; 4];
    /// if theirs.bytes()[0].load(Ordering::Acquire) == 1 {
    ///     theirs.read_at(1, &mut bytes)?;
    /// }
    /// assert_eq!(&bytes, b"good");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: the segment ends before the last of these bytes. Nothing is copied then. This
    /// is an error and not a panic, because another process may have chosen the segment's
    /// size.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-read-at-end", 100)?;
    /// let error = segment.read_at(90, &mut [0; 11]).unwrap_err();
    /// assert_eq!(error.errno(), libc::EINVAL);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[inline]
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let source = self.part("read", offset, bytes.len())?;
        // SAFETY: initialized bytes may be borrowed as possibly uninitialized ones: a load
        // stores only initialized bytes.
        let target = unsafe {
            slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<MaybeUninit<u8>>(), bytes.len())
        };
        bulk::load(source, target);
        Ok(())
    }

    /// Copies all of `bytes` into the segment, from `offset` on, as fast as
    /// [`read_at`](Self::read_at).
    ///
    /// Other processes may load and store there meanwhile. Each byte is stored once, as by a
    /// relaxed store to an atomic, and in no particular order. So the new bytes need not all appear
    /// at once; a release store to a flag after the copy tells readers that the copy is complete:
    /// see [`read_at`](Self::read_at).
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-write-at", 100)?;
    /// segment.write_at(90, b"0123456789")?;
    /// assert!(segment.write_at(91, b"0123456789").is_err());
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: the segment ends before the last of these bytes. Nothing is copied then.
    #[inline]
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        bulk::store(bytes, self.part("write", offset, bytes.len())?);
        Ok(())
    }

    /// The segment as atomics of another size than those of [`bytes`](Self::bytes): as many as
    /// fit, from its start on.
    ///
    /// This borrows the segment mutably: while atomics of one size are in use, this program
    /// cannot access the same bytes by atomics of another size, which the memory model does not
    /// allow without synchronization. Nothing limits what other processes do, but it is not
    /// undefined behavior in this one: the atomics may then have any value.
    ///
    /// ```
    /// use shm_util::Segment;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let mut segment = Segment::create("doc-as-atomics", 8 * 1000)?;
    /// let counters = segment.as_atomics::<AtomicU64>();
    /// assert_eq!(counters.len(), 1000);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(|| counters[7].fetch_add(1, Ordering::Relaxed));
    ///     }
    /// });
    /// assert_eq!(counters[7].load(Ordering::Relaxed), 4);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the type has no size, or an alignment above that of a page.
    #[must_use]
    pub fn as_atomics<T: Atomic>(&mut self) -> &[T] {
        // SAFETY: the exclusive borrow lasts as long as the slice, so nothing else in this
        // program accesses these bytes meanwhile.
        unsafe { self.all_atomics() }
    }

    /// An atomic at an offset, or a structure or an array of atomics. Several may be in use
    /// at once, together with [`bytes`](Self::bytes).
    ///
    /// ```
    /// use shm_util::Segment;
    /// use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
    ///
    /// let segment = Segment::create("doc-segment-atomic", 4096)?;
    /// // SAFETY: this program accesses these 4 and these 8 bytes in no other way.
    /// let (ready, count) = unsafe {
    ///     (segment.atomic::<AtomicU32>(0)?, segment.atomic::<AtomicU64>(8)?)
    /// };
    /// count.store(42, Ordering::Relaxed);
    /// ready.store(1, Ordering::Release);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// While the reference exists, this program, in all its threads, accesses these bytes
    /// by nothing but atomics of the same size, unless the accesses are synchronized: not by
    /// [`bytes`](Self::bytes), [`read_at`](Self::read_at) or [`write_at`](Self::write_at).
    /// Accesses by other processes, or through another [`Segment`] of the same name, do not
    /// matter. A [`save`](Self::save) may run at the same time, since the kernel copies.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the segment ends before the last of these bytes, or the offset is not a
    /// multiple of the type's alignment.
    pub unsafe fn atomic<T: Atomic>(&self, offset: usize) -> Result<&T> {
        let part = self.part("access", offset, size_of::<T>())?;
        let address = part.as_ptr().cast::<T>();
        if !address.is_aligned() {
            return Err(Error::argument(format_args!(
                "access offset {offset} of {self}: it is not a multiple of {}",
                align_of::<T>()
            )));
        }
        // SAFETY: the type fits in there, any bytes are valid, and it consists of atomics; this
        // program does not access the same bytes by others, as the caller asserts.
        Ok(unsafe { &*address })
    }

    /// The bytes as an ordinary slice: for memory that no process changes.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let segment = Options::new().exclusive(true).create("doc-as-slice", 100)?;
    /// segment.write_at(0, b"good morning")?;
    /// // SAFETY: no other program knows this name.
    /// let bytes = unsafe { segment.as_slice() };
    /// assert_eq!(bytes.iter().filter(|byte| **byte == b'o').count(), 3);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// While the slice exists, nobody changes the segment: neither this program, nor any
    /// process that has the segment attached, C programs and [`load`](Self::load) included.
    /// The library cannot prevent such changes; the programs have to agree to avoid them, for
    /// example by a lock. If one happens, this program's behavior is undefined.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the segment is attached while it is borrowed, and nobody changes it, as
        // the caller asserts.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// The bytes as an ordinary slice that this program may change: for memory that no
    /// other process uses.
    ///
    /// ```
    /// use shm_util::{Options, Segment};
    ///
    /// let mut segment = Options::new().exclusive(true).create("doc-as-mut-slice", 100)?;
    /// // SAFETY: no other program knows this name.
    /// let bytes = unsafe { segment.as_mut_slice() };
    /// bytes[..4].copy_from_slice(b"good");
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// While the slice exists, no process reads or changes the segment, this one included
    /// (except through the slice): see [`as_slice`](Self::as_slice).
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the segment is attached while it is borrowed, for reading and writing, and
        // nobody else uses it, as the caller asserts.
        unsafe { slice::from_raw_parts_mut(self.as_ptr(), self.len()) }
    }

    /// The `size` bytes that begin at `offset`.
    #[inline]
    pub(crate) fn part(&self, doing: &str, offset: usize, size: usize) -> Result<&[AtomicU8]> {
        let rest = self.bytes().get(offset..);
        match rest.and_then(|rest| rest.get(..size)) {
            Some(part) => Ok(part),
            None => Err(self.out_of_range(doing, offset, size)),
        }
    }

    #[cold]
    fn out_of_range(&self, doing: &str, offset: usize, size: usize) -> Error {
        Error::argument(format_args!(
            "{doing} {size} bytes at offset {offset} of {self}, which has {}",
            self.len()
        ))
    }

    /// # Safety
    ///
    /// As [`atomic`](Self::atomic).
    unsafe fn all_atomics<T: Atomic>(&self) -> &[T] {
        let address = self.bytes().as_ptr().cast::<T>();
        assert!(
            size_of::<T>() != 0 && address.is_aligned(),
            "the type has no size, or an alignment above that of a page"
        );
        // SAFETY: this many fit in the segment, any bytes are valid, and they consist of atomics;
        // this program does not access the same bytes by others, as the caller asserts.
        unsafe { slice::from_raw_parts(address, self.len() / size_of::<T>()) }
    }
}

impl ReadOnlySegment {
    /// The address of the first byte: see [`Segment::as_ptr`]. A write raises `SIGSEGV`.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-as-ptr", 100)?;
    /// // SAFETY: nobody writes to the segment at this moment.
    /// assert_eq!(unsafe { view.as_ptr().read() }, 0);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    /// The bytes. Other processes may change them at any time.
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    ///
    /// let view = shm_util::Options::new().create_read_only("doc-view-bytes", 100)?;
    /// assert!(view.bytes().iter().all(|byte| byte.load(Ordering::Relaxed) == 0));
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    #[must_use]
    pub fn bytes(&self) -> &[ReadOnlyAtomic<AtomicU8>] {
        let bytes = self.0.bytes();
        // SAFETY: `ReadOnlyAtomic` has the layout of what it contains.
        unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Copies bytes of the segment, from `offset` on, into all of `bytes`: see
    /// [`Segment::read_at`].
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-read-at", 100)?;
    /// let mut bytes = [1; 30];
    /// view.read_at(70, &mut bytes)?;
    /// assert_eq!(bytes, [0; 30]);
    /// assert!(view.read_at(71, &mut bytes).is_err()); // the segment ends there
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::read_at`].
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, bytes)
    }

    /// The segment as atomics of another size than [`bytes`](Self::bytes): see
    /// [`Segment::as_atomics`].
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let mut view = shm_util::Options::new().create_read_only("doc-view-atomics", 80)?;
    /// let counters = view.as_atomics::<AtomicU64>();
    /// assert_eq!((counters.len(), counters[9].load(Ordering::Acquire)), (10, 0));
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`Segment::as_atomics`].
    #[must_use]
    pub fn as_atomics<T: Atomic>(&mut self) -> &[ReadOnlyAtomic<T>] {
        // SAFETY: the exclusive borrow lasts as long as the slice, so nothing else in this
        // program accesses these bytes meanwhile.
        let atomics = unsafe { self.0.all_atomics::<T>() };
        // SAFETY: `ReadOnlyAtomic` has the layout of what it contains.
        unsafe { slice::from_raw_parts(atomics.as_ptr().cast(), atomics.len()) }
    }

    /// An atomic at an offset: see [`Segment::atomic`].
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let view = shm_util::Options::new().create_read_only("doc-view-atomic", 100)?;
    /// // SAFETY: this program accesses these 4 bytes in no other way.
    /// let ready = unsafe { view.atomic::<AtomicU32>(8)? };
    /// assert_eq!(ready.load(Ordering::Acquire), 0);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// As [`Segment::atomic`].
    ///
    /// # Errors
    ///
    /// As [`Segment::atomic`].
    pub unsafe fn atomic<T: Atomic>(&self, offset: usize) -> Result<&ReadOnlyAtomic<T>> {
        // SAFETY: as the caller asserts.
        let atomic: *const T = unsafe { self.0.atomic::<T>(offset) }?;
        // SAFETY: `ReadOnlyAtomic` has the layout of what it contains.
        Ok(unsafe { &*atomic.cast() })
    }

    /// The bytes as an ordinary slice: for memory that no process changes.
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-as-slice", 100)?;
    /// // SAFETY: no other program knows this name.
    /// assert_eq!(unsafe { view.as_slice() }, [0; 100]);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Safety
    ///
    /// As [`Segment::as_slice`].
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: as the caller asserts.
        unsafe { self.0.as_slice() }
    }
}
