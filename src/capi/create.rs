//! What the functions that return a handle share.

use std::ffi::c_void;
use std::ptr;

use super::argument::null;
use super::handle::Handle;
use crate::error::Result;
use crate::request::Placement;
use crate::segment::Segment;

/// Sets the handle to NULL, which it stays unless the call succeeds.
pub(crate) fn cleared<T>(mut memory: Option<&mut *mut T>) -> Option<&mut *mut T> {
    if let Some(memory) = &mut memory {
        **memory = ptr::null_mut();
    }
    memory
}

/// Attaches a segment with `attach`, and stores its handle and its address. Only
/// success changes `*address`.
pub(crate) fn create<T>(
    name: Option<&[u8]>,
    address: Option<&mut *mut c_void>,
    memory: Option<&mut *mut T>,
    attach: impl FnOnce(&[u8], Placement) -> Result<Segment>,
) -> Result<Handle> {
    let name = name.ok_or_else(|| null("name"));
    // A NULL for the handle is reported first.
    store(address, memory, |placement| attach(name?, placement))
}

/// As above, for a segment that is attached by its identifier.
pub(crate) fn store<T>(
    address: Option<&mut *mut c_void>,
    memory: Option<&mut *mut T>,
    attach: impl FnOnce(Placement) -> Result<Segment>,
) -> Result<Handle> {
    let memory = memory.ok_or_else(|| null("memory"))?;
    let placement = Placement::at(address.as_deref().map_or(0, |at| at.addr()));
    let handle = Handle::new(attach(placement)?)?;
    *memory = handle.to_pointer();
    if let Some(address) = address {
        *address = handle.address_or_null();
    }
    Ok(handle)
}
