//! The part of the Python package `shm_util` that is written in Rust: attachments with Python's
//! buffer protocol, and functions by name. The classes that programs use are in `shm_util/*.py`.

mod attachment;
mod by_name;
mod error;

use pyo3::prelude::*;

/// Attachments of named shared memory segments, and functions that take a name.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<attachment::Attachment>()?;
    module.add_function(wrap_pyfunction!(attachment::attach, module)?)?;
    module.add_function(wrap_pyfunction!(by_name::info, module)?)?;
    module.add_function(wrap_pyfunction!(by_name::list, module)?)?;
    module.add_function(wrap_pyfunction!(by_name::keep, module)?)?;
    module.add_function(wrap_pyfunction!(by_name::remove, module)?)?;
    module.add_function(wrap_pyfunction!(by_name::prune, module)?)?;
    module.add_function(wrap_pyfunction!(by_name::wait, module)?)?;
    Ok(())
}
