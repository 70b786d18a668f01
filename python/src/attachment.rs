//! One attachment of a segment, and its memory for Python's buffer protocol.

use std::ffi::{OsStr, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use shm_util::{Info, Loaded, Options, ReadOnlySegment, Segment};

use crate::by_name::{check_name, fields, namespace_at};
use crate::error::raise;

/// A segment that this process has attached.
#[pyclass(frozen, module = "shm_util._native")]
pub(crate) struct Attachment(Shared);

/// The memory of an attachment, for Python's buffer protocol. Whatever keeps the memory's address,
/// with or without a view, refers to such an object: so once it is gone, the memory is not in use.
/// NumPy's arrays are of both kinds.
#[pyclass(frozen, module = "shm_util._native")]
pub(crate) struct Memory(Shared);

#[derive(Clone)]
struct Shared(Arc<Mutex<State>>);

struct State {
    /// `None` once it was detached. A call that goes on while other threads run has a share.
    held: Option<Arc<Held>>,
    /// How many views of the memory exist.
    views: usize,
    /// How many objects stand for the memory.
    memories: usize,
    /// Set once the attachment was closed while its memory was in use without a view: how it ends
    /// with the last of those objects.
    ending: Option<Ending>,
}

enum Held {
    Writable(Segment),
    ReadOnly(ReadOnlySegment),
}

/// How an attachment ends.
#[derive(Clone, Copy)]
enum Ending {
    /// The segment stays.
    Detach,
    /// The last process to do so deletes it.
    Destroy,
}

impl Held {
    fn end(self, ending: Ending) -> shm_util::Result<()> {
        match (self, ending) {
            (Self::Writable(segment), Ending::Detach) => segment.detach(),
            (Self::Writable(segment), Ending::Destroy) => segment.destroy(),
            (Self::ReadOnly(segment), Ending::Detach) => segment.detach(),
            (Self::ReadOnly(segment), Ending::Destroy) => segment.destroy(),
        }
    }

    fn name(&self) -> &[u8] {
        match self {
            Self::Writable(segment) => segment.name(),
            Self::ReadOnly(segment) => segment.name(),
        }
    }

    fn address(&self) -> *mut u8 {
        match self {
            Self::Writable(segment) => segment.as_ptr(),
            // Views of it are read-only.
            Self::ReadOnly(segment) => segment.as_ptr().cast_mut(),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Writable(segment) => segment.len(),
            Self::ReadOnly(segment) => segment.len(),
        }
    }

    fn info(&self) -> shm_util::Result<Info> {
        match self {
            Self::Writable(segment) => segment.info(),
            Self::ReadOnly(segment) => segment.info(),
        }
    }

    fn writable(&self) -> PyResult<&Segment> {
        match self {
            Self::Writable(segment) => Ok(segment),
            Self::ReadOnly(_) => Err(PyValueError::new_err(
                "the segment is attached for reading only",
            )),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A share of the segment, with which a call goes on while other threads run.
    fn share(&self) -> PyResult<Arc<Held>> {
        self.state().attached().cloned()
    }

    /// Takes the segment out, so that the caller can end the attachment. `None` if that has been done
    /// before, or is left to the last object that stands for the memory.
    fn take(&self, ending: Ending) -> PyResult<Option<Held>> {
        let mut state = self.state();
        let Ok(held) = state.attached() else {
            return Ok(None);
        };
        if Arc::strong_count(held) > 1 {
            return Err(PyBufferError::new_err(
                "cannot close: another thread is using the segment",
            ));
        }
        if state.views > 0 {
            return Err(PyBufferError::new_err(
                "cannot close exported pointers exist",
            ));
        }
        if state.memories > 0 {
            state.ending = Some(ending);
            return Ok(None);
        }
        // No call has a share, and none gets one any more.
        Ok(state.held.take().and_then(Arc::into_inner))
    }

    /// Ends the attachment, now or with the last object that stands for its memory. Other threads
    /// run meanwhile: this may wait for a lock, and freeing the memory may take long.
    fn end(&self, py: Python<'_>, ending: Ending) -> PyResult<()> {
        let Some(held) = self.take(ending)? else {
            return Ok(());
        };
        py.detach(|| held.end(ending)).map_err(raise)
    }

    fn forget_memory(&self) {
        let mut state = self.state();
        state.memories -= 1;
        if state.memories > 0 {
            return;
        }
        let Some(ending) = state.ending.take() else {
            return;
        };
        drop(state);
        if let Ok(Some(held)) = self.take(ending) {
            // An error is not reported: the program has closed the attachment before.
            let _ = held.end(ending);
        }
    }
}

impl State {
    /// An error if the attachment was closed.
    fn attached(&self) -> PyResult<&Arc<Held>> {
        match (&self.held, self.ending) {
            (Some(held), None) => Ok(held),
            _ => Err(closed()),
        }
    }
}

impl Attachment {
    fn share(&self) -> PyResult<Arc<Held>> {
        self.0.share()
    }

    /// Calls a function of the segment while other threads run.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Segment) -> shm_util::Result<T> + Send,
    ) -> PyResult<T> {
        let held = self.share()?;
        let segment = held.writable()?;
        py.detach(|| work(segment)).map_err(raise)
    }
}

/// Detaches the segment, and leaves it as it is.
impl Drop for Attachment {
    fn drop(&mut self) {
        match self.0.take(Ending::Detach) {
            // An error is not reported: the program has not closed the attachment.
            Ok(Some(held)) => drop(held.end(Ending::Detach)),
            Ok(None) => {}
            // A view without this object: the segment is detached with the last one.
            Err(_) => self.0.state().ending = Some(Ending::Detach),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.forget_memory();
    }
}

fn closed() -> PyErr {
    PyValueError::new_err("the segment was closed")
}

/// Attaches a segment by name. If `size` is given, creates the segment if it does not exist.
#[pyfunction]
#[pyo3(signature = (
    name, size, namespace, *, exclusive = false, unique = false, keep = false, transient = false,
    hidden = false, huge_pages = false, no_reserve = false, mode = None, readonly = false
))]
#[allow(
    clippy::too_many_arguments,
    clippy::fn_params_excessive_bools,
    reason = "Python has keyword arguments"
)]
pub(crate) fn attach(
    py: Python<'_>,
    name: &[u8],
    size: Option<usize>,
    namespace: Option<&[u8]>,
    exclusive: bool,
    unique: bool,
    keep: bool,
    transient: bool,
    hidden: bool,
    huge_pages: bool,
    no_reserve: bool,
    mode: Option<u32>,
    readonly: bool,
) -> PyResult<Attachment> {
    check_name(name)?;
    let mut options = Options::new()
        .namespace(&namespace_at(namespace)?)
        .exclusive(exclusive)
        .unique(unique)
        .keep(keep)
        .transient(transient)
        .hidden(hidden)
        .huge_pages(huge_pages)
        .no_reserve(no_reserve);
    if let Some(mode) = mode {
        options = options.mode(mode);
    }
    let held = py.detach(|| match (size, readonly) {
        (Some(size), false) => options.create(name, size).map(Held::Writable),
        (Some(size), true) => options.create_read_only(name, size).map(Held::ReadOnly),
        (None, false) => options.open(name).map(Held::Writable),
        (None, true) => options.open_read_only(name).map(Held::ReadOnly),
    });
    let state = State {
        held: Some(Arc::new(held.map_err(raise)?)),
        views: 0,
        memories: 0,
        ending: None,
    };
    Ok(Attachment(Shared(Arc::new(Mutex::new(state)))))
}

#[pymethods]
impl Attachment {
    /// The name, as bytes.
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.share()?.name()))
    }

    /// The size in bytes.
    #[getter]
    fn size(&self) -> PyResult<usize> {
        Ok(self.share()?.size())
    }

    /// The System V identifier; -1 for other kinds.
    #[getter]
    fn id(&self) -> PyResult<i32> {
        Ok(match &*self.share()? {
            Held::Writable(segment) => segment.id(),
            Held::ReadOnly(segment) => segment.id(),
        })
    }

    /// Whether this call created the segment.
    #[getter]
    fn is_new(&self) -> PyResult<bool> {
        Ok(match &*self.share()? {
            Held::Writable(segment) => segment.is_new(),
            Held::ReadOnly(segment) => segment.is_new(),
        })
    }

    #[getter]
    fn readonly(&self) -> PyResult<bool> {
        Ok(matches!(&*self.share()?, Held::ReadOnly(_)))
    }

    /// Detaches the segment, which stays. A second call does nothing.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        self.0.end(py, Ending::Detach)
    }

    /// Detaches the segment; the last process to do so deletes it.
    fn destroy(&self, py: Python<'_>) -> PyResult<()> {
        self.0.end(py, Ending::Destroy)
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let held = self.share()?;
        let found = py.detach(|| held.info());
        fields(py, &found.map_err(raise)?)
    }

    fn save(&self, py: Python<'_>, file: &[u8]) -> PyResult<()> {
        check_name(file)?;
        let held = self.share()?;
        let path = OsStr::from_bytes(file);
        let saved = py.detach(|| match &*held {
            Held::Writable(segment) => segment.save(path),
            Held::ReadOnly(segment) => segment.save(path),
        });
        saved.map_err(raise)
    }

    /// How many bytes were read, and the sizes of the file and the segment.
    fn load(&self, py: Python<'_>, file: &[u8]) -> PyResult<(u64, u64, u64)> {
        check_name(file)?;
        let path = OsStr::from_bytes(file);
        let Loaded {
            bytes,
            file,
            segment,
        } = self.call(py, |segment| segment.load(path))?;
        Ok((bytes, file, segment))
    }

    fn keep(&self, py: Python<'_>, yes: bool) -> PyResult<()> {
        self.call(py, |segment| segment.keep(yes))
    }

    fn remove(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Segment::remove)
    }

    fn publish(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Segment::publish)
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Segment::sync)
    }

    fn lock(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Segment::lock)
    }

    fn unlock(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Segment::unlock)
    }

    /// What views of the memory refer to: a new object.
    fn memory(&self) -> Memory {
        self.0.state().memories += 1;
        Memory(self.0.clone())
    }
}

#[pymethods]
impl Memory {
    /// # Safety
    ///
    /// Python passes a view that it wants to be filled in.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let mut state = slf.get().0.state();
        let held = state.attached()?;
        let size = ffi::Py_ssize_t::try_from(held.size())?;
        let readonly = c_int::from(matches!(&**held, Held::ReadOnly(_)));
        let address = held.address().cast();
        // SAFETY: the memory stays attached while a view of it is counted. The view gets a
        // reference to this object.
        let result =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), address, size, readonly, flags) };
        if result != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        state.views += 1;
        Ok(())
    }

    /// # Safety
    ///
    /// Python calls it once for each view that `__getbuffer__` has filled in.
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.0.state().views -= 1;
    }
}
