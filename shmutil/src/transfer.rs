//! What `save` and `load` share: pipes, progress bars, and moving bytes step by
//! step.
//!
//! The library transfers bytes between segments and files. Transfers through
//! pipes are done here, and tuned, because most of their time goes into the
//! kernel's work for each page:
//!
//! * A save into a pipe that a load reads lends the segment's pages to the load
//!   instead of copying them. Other readers get copies, which cannot change.
//! * A new segment is written to as the file that backs it, if this process may
//!   open that file (`/proc/self/map_files`, see proc(5)). This needs neither
//!   page faults nor zeroed pages.
//! * The size of a pipe's contents is unknown until it ends, and a segment cannot
//!   be resized. If a save on this machine is writing into the pipe, the size is
//!   that of its segment. Otherwise the bytes are collected first, in huge pages.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU8;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::{Failure, advice_on_file};
use crate::os;

/// The capacity that pipes are given, if the system allows it: the most that an
/// unprivileged process may have (/proc/sys/fs/pipe-max-size).
pub(crate) const PIPE_SIZE: usize = 1 << 20;
/// The number of bytes moved between two updates of the progress bar.
pub(crate) const STEP: usize = 8 << 20;
/// How often the progress bar of a transfer by the library is updated.
const REFRESH: Duration = Duration::from_millis(100);
/// The size from which on a transfer has a progress bar.
const LARGE: u64 = 64 << 20;

/// Runs a transfer of the library and shows its progress, taken from the
/// kernel's count of bytes that this process has read or written
/// (proc_pid_io(5)).
pub(crate) fn watched<T>(size: u64, counter: &str, transfer: impl FnOnce() -> T) -> T {
    let progress = progress(size);
    if progress.is_hidden() {
        return transfer();
    }
    let count = || {
        let counters = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let mut lines = counters.lines();
        lines
            .find_map(|line| line.strip_prefix(counter)?.strip_prefix(": ")?.parse().ok())
            .unwrap_or(0_u64)
    };
    let before = count();
    let (done, is_done) = mpsc::channel::<()>();
    let (progress, count) = (&progress, &count);
    thread::scope(|scope| {
        scope.spawn(move || {
            let timeout = Err(mpsc::RecvTimeoutError::Timeout);
            progress.tick();
            while is_done.recv_timeout(REFRESH) == timeout {
                progress.set_position(count().saturating_sub(before).min(size));
            }
            progress.finish_and_clear();
        });
        let result = transfer();
        drop(done);
        result
    })
}

/// An error of the library that concerns a file.
pub(crate) fn of_file(error: &shm_util::Error, path: &Path) -> Failure {
    // Advice about space and old bytes makes no sense for devices and pipes.
    let is_file = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    let advice = match error.errno() {
        libc::ENOENT => "; create its directory first",
        libc::EACCES | libc::EPERM | libc::EROFS => "; choose a place where you may write",
        libc::ENOSPC | libc::EDQUOT if is_file => {
            "; free some space there: the old file is unchanged"
        }
        libc::EISDIR => "; name a file in it",
        libc::ENOTDIR => "; check the directories in the file's name",
        libc::EPIPE => "; its reader must read all of it",
        errno => advice_on_file(errno),
    };
    Failure::new(format!("{error}{advice}"))
}

/// Moves bytes step by step, until all are moved or a step moves none. Returns
/// how many were moved.
pub(crate) fn move_all(
    bytes: &[AtomicU8],
    mut step: impl FnMut(&[AtomicU8]) -> io::Result<usize>,
    progress: &ProgressBar,
) -> io::Result<usize> {
    let mut moved = 0;
    while let Some(rest) = bytes.get(moved..).filter(|rest| !rest.is_empty()) {
        let part = rest.get(..STEP).unwrap_or(rest);
        match step(part) {
            Ok(0) => break,
            Ok(count) => {
                moved += count;
                progress.inc(to_u64(count));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}

pub(crate) fn is_pipe(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Enlarges a pipe, if the system allows it. Returns its capacity.
pub(crate) fn widen(pipe: &File) -> usize {
    os::widen(pipe, PIPE_SIZE)
}

/// A progress bar on standard error. It is hidden if that is not a terminal, or
/// the transfer is small.
pub(crate) fn progress(size: u64) -> ProgressBar {
    if size < LARGE {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta}",
    );
    let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(crate) fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
