//! Functions that take a name, and the facts about a segment.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use shm_util::{Info, Kind, Namespace};

use crate::error::{raise, raise_after};

/// How long a wait sleeps before Python's signal handlers run.
const SLICE: Duration = Duration::from_millis(200);

/// The namespace of a path; without one, that of `NOB_DATABASE` or of the user.
pub(crate) fn namespace_at(path: Option<&[u8]>) -> PyResult<Namespace> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    match path {
        Some(path) => {
            check_name(path)?;
            Namespace::at(OsStr::from_bytes(path)).map_err(raise)
        }
        None => Ok(Namespace::current()),
    }
}

/// Fails as Python's own functions do if a name or a path contains a zero byte.
pub(crate) fn check_name(name: &[u8]) -> PyResult<()> {
    if name.contains(&0) {
        return Err(PyValueError::new_err("embedded null character"));
    }
    Ok(())
}

/// A number of seconds from a program.
fn duration(seconds: f64, what: &str) -> PyResult<Duration> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!(
            "'{what}' must not be negative"
        )));
    }
    // A time that is too long for the clock means no limit.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// The fields of Python's `Info`, by name.
pub(crate) fn fields<'py>(py: Python<'py>, info: &Info) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    let kind = match info.kind {
        Kind::SysV => "sysv",
        Kind::Directory => "directory",
        Kind::Private => "private",
        _ => "unknown",
    };
    fields.set_item("name", PyBytes::new(py, &info.name))?;
    fields.set_item("kind", kind)?;
    fields.set_item("id", info.id)?;
    fields.set_item("key", info.key)?;
    fields.set_item("size", info.size)?;
    fields.set_item("created", seconds(info.created))?;
    fields.set_item("attached", info.attached.map(seconds))?;
    fields.set_item("detached", info.detached.map(seconds))?;
    fields.set_item("changed", seconds(info.changed))?;
    fields.set_item("creator_pid", info.creator_pid)?;
    fields.set_item("last_pid", info.last_pid)?;
    fields.set_item("uid", info.uid)?;
    fields.set_item("gid", info.gid)?;
    fields.set_item("creator_uid", info.creator_uid)?;
    fields.set_item("creator_gid", info.creator_gid)?;
    fields.set_item("mode", info.mode)?;
    fields.set_item("mappings", info.mappings)?;
    fields.set_item("locked", info.locked)?;
    fields.set_item("kept", info.kept)?;
    fields.set_item("transient", info.transient)?;
    fields.set_item("hidden", info.hidden)?;
    Ok(fields)
}

fn all_fields<'py>(py: Python<'py>, found: &[Info]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    found.iter().map(|info| fields(py, info)).collect()
}

/// What is known about the segment of a name.
#[pyfunction]
pub(crate) fn info<'py>(
    py: Python<'py>,
    name: &[u8],
    namespace: Option<&[u8]>,
) -> PyResult<Bound<'py, PyDict>> {
    check_name(name)?;
    let namespace = namespace_at(namespace)?;
    let found = py.detach(|| namespace.info(name));
    fields(py, &found.map_err(raise)?)
}

/// All segments of a namespace.
#[pyfunction]
pub(crate) fn list<'py>(
    py: Python<'py>,
    namespace: Option<&[u8]>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let namespace = namespace_at(namespace)?;
    let found = py.detach(|| namespace.list());
    all_fields(py, &found.map_err(raise)?)
}

/// Makes a segment outlive its holders, or ends that.
#[pyfunction]
pub(crate) fn keep(
    py: Python<'_>,
    name: &[u8],
    yes: bool,
    namespace: Option<&[u8]>,
) -> PyResult<()> {
    check_name(name)?;
    let namespace = namespace_at(namespace)?;
    py.detach(|| namespace.keep(name, yes)).map_err(raise)
}

/// Removes a name now; the segment is deleted once no process has it attached.
#[pyfunction]
pub(crate) fn remove(py: Python<'_>, name: &[u8], namespace: Option<&[u8]>) -> PyResult<()> {
    check_name(name)?;
    let namespace = namespace_at(namespace)?;
    py.detach(|| namespace.remove(name)).map_err(raise)
}

/// Deletes orphans that have been unused for this many seconds, and returns what they were.
#[pyfunction]
pub(crate) fn prune<'py>(
    py: Python<'py>,
    minimum_age: f64,
    namespace: Option<&[u8]>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let minimum_age = duration(minimum_age, "minimum_age")?;
    let namespace = namespace_at(namespace)?;
    let found = py.detach(|| namespace.prune(minimum_age));
    all_fields(py, &found.map_err(raise)?)
}

/// Waits until a segment of this name exists, for at most `timeout` seconds, or without a limit.
#[pyfunction]
pub(crate) fn wait(
    py: Python<'_>,
    name: &[u8],
    timeout: Option<f64>,
    namespace: Option<&[u8]>,
) -> PyResult<()> {
    check_name(name)?;
    let limit = match timeout {
        Some(seconds) => duration(seconds, "timeout")?,
        None => Duration::MAX,
    };
    let namespace = namespace_at(namespace)?;
    let start = Instant::now();
    loop {
        let left = limit.saturating_sub(start.elapsed());
        let waited = py.detach(|| namespace.wait(name, left.min(SLICE)));
        // Ctrl-C ends the wait.
        py.check_signals()?;
        match waited {
            Ok(()) => return Ok(()),
            Err(error) if is_temporary(&error) && start.elapsed() < limit => {}
            Err(error) if is_temporary(&error) => return Err(raise_after(&error, limit)),
            Err(error) => return Err(raise(error)),
        }
    }
}

/// Whether a wait may go on: its slice is over, or a signal interrupted it.
fn is_temporary(error: &shm_util::Error) -> bool {
    use std::io::ErrorKind;
    let kind = std::io::Error::from_raw_os_error(error.errno()).kind();
    matches!(kind, ErrorKind::TimedOut | ErrorKind::Interrupted)
}
