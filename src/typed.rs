//! Values of plain old data in a segment: the Cargo feature `bytemuck`.
//!
//! Two crates have traits for such types. The releases of `bytemuck` stay compatible: its traits
//! have been the same since version 1.0 of 2020. `zerocopy` can do more, but each of its versions
//! 0.6, 0.7 and 0.8 changed the traits, and a crate in this one's public interface must not
//! force this one to version 2. Also, `AnyBitPattern` and `NoUninit` are exactly what a copy out
//! of and into a segment needs. Programs that use `zerocopy` copy with `read_at` and `write_at`:
//! `segment.read_at(offset, value.as_mut_bytes())`.

use std::mem::MaybeUninit;
use std::slice;

use bytemuck::{AnyBitPattern, NoUninit};

use crate::bulk;
use crate::error::Result;
use crate::read_only::ReadOnlySegment;
use crate::segment::Segment;

impl Segment {
    /// Copies a value out of the segment. The offset may be any: it need not be a multiple of
    /// the type's alignment.
    ///
    /// Other processes may store to the segment meanwhile, as described at
    /// [`read_at`](Self::read_at): the value may then consist of old and new bytes. Therefore
    /// the type must be valid with any bytes. For a number that must not be torn, use
    /// [`atomic`](Self::atomic).
    ///
    /// ```
    /// use bytemuck::{Pod, Zeroable};
    /// use shm_util::Segment;
    ///
    /// #[repr(C)]
    /// #[derive(Clone, Copy, Debug, PartialEq)]
    /// struct Point {
    ///     x: f32,
    ///     y: f32,
    /// }
    /// // SAFETY: zeros are a valid Point. #[derive(Zeroable)] would do.
    /// unsafe impl Zeroable for Point {}
    /// // SAFETY: any bytes are valid, and there is no padding. #[derive(Pod)] would do.
    /// unsafe impl Pod for Point {}
    ///
    /// let segment = Segment::create("doc-read", 100)?;
    /// segment.write(8, &Point { x: 1.0, y: 2.0 })?;
    /// assert_eq!(segment.read::<Point>(8)?, Point { x: 1.0, y: 2.0 });
    /// assert_eq!(segment.read::<f32>(12)?, 2.0);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: the segment ends before the last byte of the value.
    pub fn read<T: AnyBitPattern>(&self, offset: usize) -> Result<T> {
        let source = self.part("read", offset, size_of::<T>())?;
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: these are the value's bytes, initialized or not.
        let target =
            unsafe { slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()) };
        bulk::load(source, target);
        // SAFETY: all bytes were copied, and any are valid.
        Ok(unsafe { value.assume_init() })
    }

    /// Copies a value into the segment. The offset may be any: it need not be a multiple of the
    /// type's alignment. The type must have no padding, which would be uninitialized bytes.
    ///
    /// Other processes may see some of its bytes before others: see
    /// [`write_at`](Self::write_at).
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-write", 100)?;
    /// segment.write(96, &1_u32)?;
    /// assert!(segment.write(97, &1_u32).is_err()); // the segment ends there
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: the segment ends before the last byte of the value. Nothing is copied then.
    pub fn write<T: NoUninit>(&self, offset: usize, value: &T) -> Result<()> {
        self.write_at(offset, bytemuck::bytes_of(value))
    }

    /// Copies values that lie side by side out of the segment, as [`read`](Self::read) copies
    /// one.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-read-slice", 100)?;
    /// let mut values = [1_u32; 10];
    /// segment.read_slice(60, &mut values)?;
    /// assert_eq!(values, [0; 10]);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). Nothing is copied then.
    pub fn read_slice<T: AnyBitPattern>(&self, offset: usize, values: &mut [T]) -> Result<()> {
        let size = size_of_val(values);
        let source = self.part("read", offset, size)?;
        // SAFETY: these are the values' bytes. Any are valid, and a load stores only
        // initialized ones.
        let target = unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size) };
        bulk::load(source, target);
        Ok(())
    }

    /// Copies values into the segment, side by side, as [`write`](Self::write) copies one.
    ///
    /// ```
    /// let segment = shm_util::Segment::create("doc-write-slice", 100)?;
    /// segment.write_slice(0, &[1.0_f64, 2.0, 3.0])?;
    /// assert_eq!(segment.read::<f64>(16)?, 3.0);
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_slice<T: NoUninit>(&self, offset: usize, values: &[T]) -> Result<()> {
        self.write_at(offset, bytemuck::cast_slice(values))
    }
}

impl ReadOnlySegment {
    /// Copies a value out of the segment: see [`Segment::read`].
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-read", 100)?;
    /// assert_eq!(view.read::<u64>(92)?, 0);
    /// assert!(view.read::<u64>(93).is_err()); // the segment ends there
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::read`].
    pub fn read<T: AnyBitPattern>(&self, offset: usize) -> Result<T> {
        self.0.read(offset)
    }

    /// Copies values that lie side by side out of the segment: see [`Segment::read_slice`].
    ///
    /// ```
    /// let view = shm_util::Options::new().create_read_only("doc-view-read-slice", 100)?;
    /// let mut values = [1_u16; 50];
    /// view.read_slice(0, &mut values)?;
    /// assert_eq!(values, [0; 50]);
    /// # view.destroy()?;
    /// # Ok::<(), shm_util::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Segment::read_slice`].
    pub fn read_slice<T: AnyBitPattern>(&self, offset: usize, values: &mut [T]) -> Result<()> {
        self.0.read_slice(offset, values)
    }
}
