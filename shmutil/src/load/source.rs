//! The file or pipe that a load reads.

#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{self, AtomicU8};

use indicatif::ProgressBar;
use shm_util::Segment;

use crate::failure::{Failure, Result};
use crate::names;
use crate::transfer::{self, PIPE_SIZE, STEP, is_pipe, move_all, of_file, to_u64, watched, widen};
use crate::{peer, raw, standard};

use super::collected::Collected;
use crate::new_segment::{NewSegment, Purpose};

/// The number of bytes taken from a pipe at a time. A read wakes the writer,
/// which can refill the pipe while this process empties the rest of it.
const PIPE_STEP: usize = PIPE_SIZE / 4;
/// The size of the pieces in which the contents of a pipe are collected.
const PIECE: usize = 64 << 20;

/// How the sizes of the file and the segment compare, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Exact,
    FileIsShorter { file: u64, segment: u64 },
    FileIsLonger { segment: u64 },
}

/// An open file or pipe.
pub(super) struct Source {
    file: File,
    /// Its name, for messages.
    shown: String,
    /// How many bytes it has, if that can be known.
    size: Option<u64>,
    /// Its path, if it is a file that the library can load.
    path: Option<PathBuf>,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = if path.as_os_str() == "-" {
            "standard input".to_owned()
        } else {
            names::quote(path.as_os_str().as_bytes())
        };
        let inherited = standard::inherited(path);
        let is_named = inherited.is_none();
        let opened = inherited
            .unwrap_or_else(|| File::open(path))
            .and_then(|mut file| size(&mut file).map(|size| (file, size)));
        let (file, size) = opened.map_err(|error| Failure::io(format!("open {shown}"), &error))?;
        if is_pipe(&file) {
            widen(&file);
        }
        let is_loadable = is_named && size.is_some();
        Ok(Self {
            file,
            shown,
            size,
            path: is_loadable.then(|| path.to_path_buf()),
        })
    }

    /// Its name, for messages.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    fn wrong(&self, error: &io::Error) -> Failure {
        Failure::io(format!("load {}", self.shown), error)
    }

    fn empty(&self) -> Failure {
        Failure::new(format!(
            "load {}: it is empty, so nothing was changed; name a file that contains bytes",
            self.shown
        ))
    }

    /// A progress bar. There is none for a pipe, because its writer may show one
    /// on the same terminal.
    fn progress(&self) -> ProgressBar {
        if is_pipe(&self.file) {
            return ProgressBar::hidden();
        }
        transfer::progress(self.size.unwrap_or(0))
    }

    pub(super) fn load_existing(&self, segment: &Segment) -> Result<Fit> {
        if let Some(path) = &self.path {
            return load_file(segment, path);
        }
        let bytes = segment.bytes();
        let progress = self.progress();
        let moved = move_all(bytes, |part| raw::read(&self.file, part), &progress)
            .map_err(|error| self.wrong(&error))?;
        progress.finish_and_clear();
        if moved == 0 {
            return Err(self.empty());
        }
        self.compare(moved, bytes.len())
    }

    /// Compares sizes after `moved` bytes were read into a segment of `segment`
    /// bytes.
    fn compare(&self, moved: usize, segment: usize) -> Result<Fit> {
        let (file, segment) = (to_u64(moved), to_u64(segment));
        if file < segment {
            return Ok(Fit::FileIsShorter { file, segment });
        }
        let mut more = [0];
        loop {
            return match (&self.file).read(&mut more) {
                Ok(0) => Ok(Fit::Exact),
                Ok(_) => Ok(Fit::FileIsLonger { segment }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(self.wrong(&error)),
            };
        }
    }

    /// Creates a segment and fills it. `size` is the one given by --size.
    pub(super) fn load_new(&self, purpose: Purpose<'_>, size: Option<u64>) -> Result<Fit> {
        let Some(size) = size.or(self.size) else {
            let sent = is_pipe(&self.file).then(|| peer::size(&self.file));
            return match sent.flatten() {
                Some(size) => self.load_sent(purpose, size),
                None => self.load_collected(Vec::new(), purpose),
            };
        };
        if size == 0 {
            return Err(self.empty());
        }
        let new = NewSegment::create(purpose, size)?;
        let fit = match &self.path {
            Some(path) => load_file(new.segment(), path)?,
            None => match self.fill(&new)? {
                0 => return Err(self.empty()),
                moved => self.compare(moved, new.bytes().len())?,
            },
        };
        new.finish()?;
        Ok(fit)
    }

    /// Loads what a save sends, whose size is known.
    fn load_sent(&self, purpose: Purpose<'_>, size: u64) -> Result<Fit> {
        let new = NewSegment::create(purpose, size)?;
        let moved = to_u64(self.fill(&new)?);
        if moved < size {
            return Err(Failure::new(format!(
                "load {}: the save ended after {moved} of {size} bytes; run both again",
                self.shown
            )));
        }
        let mut more = Vec::new();
        self.collect_piece(&mut more)?;
        if more.is_empty() {
            new.finish()?;
            return Ok(Fit::Exact);
        }
        // Another process has written into the same pipe.
        let relaxed = |byte: &AtomicU8| byte.load(atomic::Ordering::Relaxed);
        let sent = new.bytes().iter().map(relaxed).collect();
        drop(new);
        self.load_collected(vec![sent, more], purpose)
    }

    /// Fills a new segment. Returns how many bytes there were.
    fn fill(&self, new: &NewSegment<'_>) -> Result<usize> {
        let progress = self.progress();
        let bytes = new.bytes();
        let moved = match new.as_file() {
            Some(file) => self.fill_file(file, bytes.len(), &progress),
            None => self.fill_memory(bytes, &progress),
        };
        progress.finish_and_clear();
        moved.map_err(|error| self.wrong(&error))
    }

    /// Lets the kernel copy from file to file.
    fn fill_file(&self, mut file: File, size: usize, progress: &ProgressBar) -> io::Result<usize> {
        let most = if is_pipe(&self.file) { PIPE_STEP } else { STEP };
        let mut moved = 0;
        loop {
            let step = (size - moved).min(most);
            let count = io::copy(&mut (&self.file).take(to_u64(step)), &mut file)?;
            progress.inc(count);
            match usize::try_from(count) {
                Ok(count) if count > 0 => moved += count,
                _ => return Ok(moved),
            }
        }
    }

    fn fill_memory(&self, bytes: &[AtomicU8], progress: &ProgressBar) -> io::Result<usize> {
        let mut moved = 0;
        for part in bytes.chunks(STEP) {
            raw::populate(part);
            let count = move_all(part, |part| raw::read(&self.file, part), progress)?;
            moved += count;
            if count < part.len() {
                break;
            }
        }
        Ok(moved)
    }

    /// Reads to the end, appending to `pieces`, and creates a segment with all
    /// these bytes.
    fn load_collected(&self, mut pieces: Vec<Vec<u8>>, purpose: Purpose<'_>) -> Result<Fit> {
        loop {
            let mut piece = raw::roomy_buffer(PIECE).map_err(|error| {
                Failure::new(format!(
                    "collect {}: {error}; give its size with --size",
                    self.shown
                ))
            })?;
            self.collect_piece(&mut piece)?;
            let is_full = piece.len() == piece.capacity();
            if !piece.is_empty() {
                pieces.push(piece);
            }
            if !is_full {
                break;
            }
        }
        if pieces.is_empty() {
            return Err(self.empty());
        }
        Collected(pieces).load_new(purpose)?;
        Ok(Fit::Exact)
    }

    /// Reads until the buffer is full or the input ends. A full buffer is
    /// enlarged first.
    fn collect_piece(&self, piece: &mut Vec<u8>) -> Result<()> {
        piece.reserve(1);
        loop {
            match raw::read_more(&self.file, PIPE_STEP, piece) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.wrong(&error)),
            }
        }
    }
}

/// How many bytes can be read from a file. `None` if it is not a regular file,
/// or one like those in /proc, whose size is shown as 0.
fn size(file: &mut File) -> io::Result<Option<u64>> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(None);
    }
    // An inherited file may have been read in part.
    let position = file.stream_position()?;
    Ok(Some(metadata.len().saturating_sub(position)))
}

/// Lets the library load a file.
fn load_file(segment: &Segment, path: &Path) -> Result<Fit> {
    let loaded = watched(to_u64(segment.len()), "rchar", || segment.load(path))
        .map_err(|error| of_file(&error, path))?;
    Ok(match loaded.file.cmp(&loaded.segment) {
        Ordering::Equal => Fit::Exact,
        Ordering::Less => Fit::FileIsShorter {
            file: loaded.file,
            segment: loaded.segment,
        },
        Ordering::Greater => Fit::FileIsLonger {
            segment: loaded.segment,
        },
    })
}
