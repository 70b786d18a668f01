//! `copy`: copies a segment to another namespace, of any kind.

#![forbid(unsafe_code)]

use std::os::unix::ffi::OsStrExt as _;

use shm_util::ReadOnlySegment;
use shm_util::admin::{self, Identity};

use crate::bytes::Bytes;
use crate::cli::Copy;
use crate::failure::{Failure, Outcome, Result, command_in};
use crate::names::{self, Name};
use crate::new_segment::{NewSegment, Purpose};
use crate::transfer::{progress, to_u64};
use crate::{borrowed, namespace, private};

/// The number of bytes copied at a time.
const STEP: usize = 1 << 20;

/// `shmutil copy`
pub(crate) fn copy(arguments: &Copy) -> Result<Outcome> {
    let name = &arguments.name;
    let new_name = arguments.new_name.as_ref().unwrap_or(name);
    let target = namespace::at(&arguments.to)?;
    let failed = |error: &shm_util::Error| failure_at_target(error, new_name, &arguments.to);
    if admin::identity(&target).map_err(|error| failed(&error))? == Identity::Private {
        return Err(private::would_end("copy", &name.0));
    }
    // Unlike open, info creates no registry if there is none.
    namespace::selected()
        .info(&name.0)
        .map_err(|error| Failure::library(&error, Some(&name.0)))?;
    let source = borrowed::read_only(name)?;
    let info = source
        .info()
        .map_err(|error| Failure::library(&error, Some(&name.0)))?;
    let purpose = Purpose {
        namespace: &target,
        name: new_name,
        mode: info.mode,
        keep: info.kept,
        failed: &failed,
    };
    let new = NewSegment::create(purpose, to_u64(source.len()))?;
    fill(&new, &source)?;
    new.finish()?;
    source
        .detach()
        .map_err(|error| Failure::library(&error, None))?;
    Ok(Outcome::Fine)
}

/// The failure of an error that concerns the copy, with advice that fits its namespace.
fn failure_at_target(error: &shm_util::Error, Name(name): &Name, to: &std::ffi::OsStr) -> Failure {
    let command = |words: &str| command_in(to.as_bytes(), words);
    if error.errno() == libc::EEXIST {
        return Failure::new(format!(
            "{error}; choose another name with --as, or remove this one with: {} {}",
            command("remove"),
            names::show_in_shell(name)
        ));
    }
    Failure::library_with(error, Some(name), &command)
}

/// Copies all bytes that are not zero. A new segment is all zero.
fn fill(new: &NewSegment<'_>, source: &ReadOnlySegment) -> Result<()> {
    let end = source.len();
    let bar = progress(to_u64(end));
    let bytes = Bytes::of(source);
    let mut buffer = vec![0; STEP.min(end)];
    let mut at = 0;
    while at < end {
        let data = source.data_from(at);
        if data.is_empty() {
            break;
        }
        let length = data.len().min(buffer.len());
        let part = buffer.get_mut(..length).unwrap_or_default();
        bytes.read_data(data.start, part)?;
        store(new, data.start, part)?;
        at = data.start + length;
        bar.set_position(to_u64(at));
    }
    bar.finish_and_clear();
    bytes.check_whole()
}

/// Stores the pages that have bytes other than zero.
fn store(new: &NewSegment<'_>, offset: usize, bytes: &[u8]) -> Result<()> {
    let page = rustix::param::page_size();
    for (start, part) in (offset..).step_by(page).zip(bytes.chunks(page)) {
        if part.iter().any(|&byte| byte != 0) {
            new.write_at(start, part)?;
        }
    }
    Ok(())
}
