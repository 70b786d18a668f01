//! `save` and `load`: bytes between segments and files.
//!
//! What goes to a file or comes from one, the library transfers. What goes
//! through pipes is done, and tuned, here, because most of the time there goes
//! into the kernel's work for each page:
//!
//! * A save into a pipe that a load reads lends the segment's pages to it,
//!   without copying them. Others get copies, which stay as they are.
//! * A new segment is written to as the file that it is for the kernel, which
//!   needs neither page faults nor zeroed pages, where we may open that
//!   (`/proc/self/map_files`, see proc(5)).
//! * What comes from a pipe has no size until it ends, and a segment's size
//!   can't be changed. If a save of this machine sends it, the size is that of
//!   its segment; else it is collected first, in huge pages.

#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Seek as _, Write as _};
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{self, AtomicU8};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shm_util::{Options, Segment};

use crate::borrowed;
use crate::change;
use crate::cli::{Load, Save};
use crate::failure::{Failure, Outcome, Result, say};
use crate::names::{self, Name};
use crate::{peer, raw, standard};

/// What a pipe holds, if the system lets it: as much as an unprivileged
/// process may have (/proc/sys/fs/pipe-max-size).
const PIPE_SIZE: usize = 1 << 20;
/// How much is moved between two looks at the progress bar.
const STEP: usize = 8 << 20;
/// How much is taken from a pipe at once: only then is its writer woken, and can
/// fill it while this process empties it.
const PIPE_STEP: usize = PIPE_SIZE / 4;
/// How much of a pipe without a size is collected in one piece.
const PIECE: usize = 64 << 20;
/// How often a progress bar of the library's transfers moves.
const LOOK: Duration = Duration::from_millis(100);
/// From what size on a transfer has a progress bar.
const LARGE: u64 = 64 << 20;

/// `shmutil save`
pub(crate) fn save(arguments: &Save) -> Result<Outcome> {
    let name = &arguments.name;
    // Who only looks for a name makes nothing.
    shm_util::info(&name.0).map_err(|error| Failure::library(&error, Some(&name.0)))?;
    if arguments.file.as_os_str() == "-" {
        return save_to_standard_output(name).map(|()| Outcome::Fine);
    }
    let segment = borrowed::read_only(name)?;
    watched(to_u64(segment.len()), "wchar", || {
        segment.save(&arguments.file)
    })
    .map_err(|error| of_file(&error, &arguments.file))?;
    Ok(Outcome::Fine)
}

fn save_to_standard_output(name: &Name) -> Result<()> {
    if io::stdout().is_terminal() {
        return Err(Failure::misuse(
            "a segment's bytes are not for a terminal: redirect standard output, or use dump",
        ));
    }
    if let Some(pipe) = standard::output().ok().filter(is_pipe) {
        // Whoever may only read the segment has no memory to lend.
        if let Ok(segment) = borrowed::writable(name) {
            return save_to_pipe(&segment, &pipe);
        }
        widen(&pipe);
    }
    let segment = borrowed::read_only(name)?;
    let file = Path::new("/dev/stdout");
    watched(to_u64(segment.len()), "wchar", || segment.save(file))
        .map_err(|error| of_file(&error, file))
}

fn save_to_pipe(segment: &Segment, pipe: &File) -> Result<()> {
    let capacity = widen(pipe);
    let bytes = segment.bytes();
    let progress = progress(to_u64(bytes.len()), true);
    // When more is written than the pipe holds, its reader has begun to read.
    let (first, rest) = bytes.split_at(bytes.len().min(2 * capacity));
    // What is in the pipe when this process ends shall be a copy, as after any
    // other save.
    let (middle, last) = rest.split_at(rest.len().saturating_sub(capacity));
    let copy = |part: &[AtomicU8]| raw::write(pipe, part);
    let save = || {
        all(first, move_all(first, copy, &progress)?)?;
        let moved = if !middle.is_empty() && peer::is_load(pipe) {
            move_all(middle, |part| raw::lend(pipe, part), &progress)?
        } else {
            move_all(middle, copy, &progress)?
        };
        all(middle, moved)?;
        all(last, move_all(last, copy, &progress)?)
    };
    save().map_err(|error| {
        let name = names::quote(segment.name());
        Failure::io(format!("save {name} to standard output"), &error)
    })?;
    progress.finish_and_clear();
    Ok(())
}

/// A pipe that takes nothing should say why.
fn all(bytes: &[AtomicU8], moved: usize) -> io::Result<()> {
    if moved == bytes.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Lets the library do a transfer, whose progress is seen from what the kernel
/// counts: the bytes that this process has read or written (proc_pid_io(5)).
fn watched<T>(size: u64, counter: &str, transfer: impl FnOnce() -> T) -> T {
    let progress = progress(size, true);
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
            while is_done.recv_timeout(LOOK) == timeout {
                progress.set_position(count().saturating_sub(before).min(size));
            }
            progress.finish_and_clear();
        });
        let result = transfer();
        drop(done);
        result
    })
}

/// An error of the library that is about a file.
fn of_file(error: &shm_util::Error, path: &Path) -> Failure {
    // What is no file, and there, has neither room nor old bytes.
    let is_file = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    let advice = match error.errno() {
        libc::ENOENT => "; make its directory first",
        libc::EACCES | libc::EPERM | libc::EROFS => "; choose a place that you may write to",
        libc::ENOSPC | libc::EDQUOT if is_file => {
            "; free some space there: the old file is as it was"
        }
        libc::EISDIR => "; name a file in it",
        libc::EBADF => "; it is closed, or was not opened for that",
        libc::EPIPE => "; its reader must read to the end",
        _ => "",
    };
    Failure::new(format!("{error}{advice}"))
}

/// Moves bytes step by step, until all are moved or a step moves none. Says
/// how many were.
fn move_all(
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

/// `shmutil load`
pub(crate) fn load(arguments: &Load) -> Result<Outcome> {
    let name = &arguments.name;
    let source = Source::open(&arguments.file)?;
    let exists = match shm_util::info(&name.0) {
        Ok(_) => true,
        Err(error) if error.errno() == libc::ENOENT && arguments.create => false,
        Err(error) => return Err(Failure::library(&error, Some(&name.0))),
    };
    let loaded = if exists {
        let segment = borrowed::writable(name)?;
        check_size(&segment, arguments.size)?;
        source.load_existing(&segment)?
    } else {
        let terms = Terms {
            mode: arguments.mode,
            keep: arguments.keep,
        };
        source.load_new(name, terms, arguments.size)?
    };
    match loaded {
        Loaded::All => Ok(Outcome::Fine),
        Loaded::FileIsShorter { file, segment } => {
            say(&format!(
                "{} has only {file} of the {segment} bytes of {}: the others are as they were",
                source.shown,
                names::quote(&name.0)
            ));
            Ok(Outcome::Attention)
        }
        Loaded::FileIsLonger { segment } => {
            say(&format!(
                "{} has more than the {segment} bytes of {}: what is beyond them was not loaded; \
                 remove the segment first and load with --create to have all",
                source.shown,
                names::quote(&name.0)
            ));
            Ok(Outcome::Attention)
        }
    }
}

/// Whether a segment that is there already has the size that was asked for.
fn check_size(segment: &Segment, wanted: Option<u64>) -> Result<()> {
    let size = to_u64(segment.len());
    match wanted {
        Some(wanted) if wanted != size => Err(Failure::new(format!(
            "load into {}, which is there already, with {size} bytes and not {wanted}; remove it \
             first, or load without --size",
            names::quote(segment.name())
        ))),
        _ => Ok(()),
    }
}

/// What a new segment is to be, once all is in it.
#[derive(Clone, Copy, Debug)]
struct Terms {
    mode: u32,
    keep: bool,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loaded {
    All,
    FileIsShorter { file: u64, segment: u64 },
    FileIsLonger { segment: u64 },
}

/// What is loaded.
struct Source {
    file: File,
    /// Its name, for messages.
    shown: String,
    /// How many bytes it has, if that can be known.
    size: Option<u64>,
    /// Where it is, if it is a file that the library can load.
    path: Option<PathBuf>,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let shown = if path.as_os_str() == "-" {
            "standard input".to_owned()
        } else {
            names::quote(path.as_os_str().as_bytes())
        };
        let inherited = standard::inherited(path);
        let is_named = inherited.is_none();
        let file = inherited.unwrap_or_else(|| File::open(path));
        let size = |file: &mut File| {
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if metadata.is_file() && metadata.len() > 0 {
                // What was inherited may have been read in part.
                let position = file.stream_position()?;
                Ok(Some(metadata.len().saturating_sub(position)))
            } else {
                Ok(None)
            }
        };
        let opened = file.and_then(|mut file| size(&mut file).map(|size| (file, size)));
        match opened {
            Ok((file, size)) => {
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
            Err(error) => Err(Failure::io(format!("open {shown}"), &error)),
        }
    }

    fn wrong(&self, error: &io::Error) -> Failure {
        Failure::io(format!("load {}", self.shown), error)
    }

    fn empty(&self) -> Failure {
        Failure::new(format!(
            "load {}, which is empty; nothing was changed",
            self.shown
        ))
    }

    /// A bar, but not for what comes from a pipe: who writes into it may have
    /// one on the same terminal.
    fn progress(&self) -> ProgressBar {
        progress(self.size.unwrap_or(0), !is_pipe(&self.file))
    }

    fn load_existing(&self, segment: &Segment) -> Result<Loaded> {
        if let Some(path) = &self.path {
            return Self::load_file(segment, path);
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

    fn load_file(segment: &Segment, path: &Path) -> Result<Loaded> {
        let loaded = watched(to_u64(segment.len()), "rchar", || segment.load(path))
            .map_err(|error| of_file(&error, path))?;
        Ok(match loaded.file.cmp(&loaded.segment) {
            Ordering::Equal => Loaded::All,
            Ordering::Less => Loaded::FileIsShorter {
                file: loaded.file,
                segment: loaded.segment,
            },
            Ordering::Greater => Loaded::FileIsLonger {
                segment: loaded.segment,
            },
        })
    }

    /// How many bytes were read of how many that the segment has.
    fn compare(&self, moved: usize, segment: usize) -> Result<Loaded> {
        let (moved, segment) = (to_u64(moved), to_u64(segment));
        if moved < segment {
            return Ok(Loaded::FileIsShorter {
                file: moved,
                segment,
            });
        }
        let mut more = [0];
        loop {
            return match (&self.file).read(&mut more) {
                Ok(0) => Ok(Loaded::All),
                Ok(_) => Ok(Loaded::FileIsLonger { segment }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(self.wrong(&error)),
            };
        }
    }

    fn load_new(&self, name: &Name, terms: Terms, size: Option<u64>) -> Result<Loaded> {
        let Some(size) = size.or(self.size) else {
            let sent = is_pipe(&self.file).then(|| peer::size(&self.file));
            return match sent.flatten() {
                Some(size) => self.load_sent(name, terms, size),
                None => self.collect(Vec::new())?.load_new(name, terms),
            };
        };
        if size == 0 {
            return Err(self.empty());
        }
        let new = New::create(name, terms, size)?;
        let loaded = match &self.path {
            Some(path) => Self::load_file(&new.segment, path)?,
            None => match self.fill(&new)? {
                0 => return Err(self.empty()),
                moved => self.compare(moved, new.bytes().len())?,
            },
        };
        new.stay()?;
        Ok(loaded)
    }

    /// Loads what a save sends, whose size is known.
    fn load_sent(&self, name: &Name, terms: Terms, size: u64) -> Result<Loaded> {
        let new = New::create(name, terms, size)?;
        let moved = to_u64(self.fill(&new)?);
        if moved < size {
            return Err(Failure::new(format!(
                "load {}: its save ended after {moved} of {size} bytes; do it again",
                self.shown
            )));
        }
        let mut more = Vec::new();
        self.collect_piece(&mut more)?;
        if more.is_empty() {
            new.stay()?;
            return Ok(Loaded::All);
        }
        // Somebody else writes into the same pipe.
        let relaxed = |byte: &AtomicU8| byte.load(atomic::Ordering::Relaxed);
        let sent = new.bytes().iter().map(relaxed).collect();
        drop(new);
        let collected = self.collect(vec![sent, more])?;
        collected.load_new(name, terms)
    }

    /// Fills a new segment, and says how many bytes there were.
    fn fill(&self, new: &New) -> Result<usize> {
        let progress = self.progress();
        let bytes = new.bytes();
        let moved = match new.as_file() {
            Some(file) => self.fill_file(file, bytes.len(), &progress),
            None => self.fill_memory(bytes, &progress),
        };
        progress.finish_and_clear();
        moved.map_err(|error| self.wrong(&error))
    }

    /// The kernel moves the bytes from file to file.
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

    /// Reads all that there is, after what was read already.
    fn collect(&self, mut pieces: Vec<Vec<u8>>) -> Result<Collected> {
        loop {
            let mut piece = raw::roomy_buffer(PIECE)
                .map_err(|error| Failure::new(format!("{error}; say --size to need none")))?;
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
        Ok(Collected { pieces })
    }

    /// Reads until a buffer is full, or there is no more. One without room gets
    /// some.
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

/// What came from a pipe.
struct Collected {
    pieces: Vec<Vec<u8>>,
}

impl Collected {
    fn load_new(self, name: &Name, terms: Terms) -> Result<Loaded> {
        let size = self.pieces.iter().map(Vec::len).sum();
        let new = New::create(name, terms, to_u64(size))?;
        let mut rest = new.bytes();
        let mut target = new.as_file();
        // Each piece is freed as soon as it is copied.
        for piece in self.pieces {
            let (part, others) = rest.split_at(piece.len().min(rest.len()));
            rest = others;
            let written = match &mut target {
                Some(file) => file.write_all(&piece).is_ok(),
                None => false,
            };
            if !written {
                target = None;
                raw::populate(part);
                raw::copy(&piece, part);
            }
        }
        new.stay()?;
        Ok(Loaded::All)
    }
}

/// A segment that this command has made. It is deleted again, unless it is
/// told to stay; so it is not kept before all is in it.
struct New {
    segment: Segment,
    keep: bool,
}

impl New {
    fn create(name: &Name, terms: Terms, size: u64) -> Result<Self> {
        let wrong = |error| Failure::library(&error, Some(&name.0));
        let options = Options::new().mode(terms.mode);
        let segment = change::create_with(options, name, size)?;
        // The environment variable SHM_UTIL_KEEP may have asked for it.
        let is_kept = segment.info().map_err(wrong)?.kept;
        if is_kept {
            segment.keep(false).map_err(wrong)?;
        }
        Ok(Self {
            segment,
            keep: terms.keep || is_kept,
        })
    }

    fn bytes(&self) -> &[AtomicU8] {
        self.segment.bytes()
    }

    /// The segment as the file that it is for the kernel. `None` if we may
    /// not, which takes a privilege.
    fn as_file(&self) -> Option<File> {
        let page = rustix::param::page_size();
        let start = self.bytes().as_ptr().addr();
        let end = start.checked_add(self.segment.len().next_multiple_of(page))?;
        OpenOptions::new()
            .write(true)
            .open(format!("/proc/self/map_files/{start:x}-{end:x}"))
            .ok()
    }

    fn stay(self) -> Result<()> {
        if self.keep {
            let wrong = |error| Failure::library(&error, Some(self.segment.name()));
            self.segment.keep(true).map_err(wrong)?;
        }
        mem::forget(self.segment);
        Ok(())
    }
}

fn is_pipe(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Gives a pipe room, where the system lets us, and says how much it has then.
fn widen(pipe: &File) -> usize {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_SIZE);
    rustix::pipe::fcntl_getpipe_size(pipe).unwrap_or(PIPE_SIZE)
}

/// A bar on standard error, if that is a terminal and there is much to do.
fn progress(size: u64, wanted: bool) -> ProgressBar {
    if size < LARGE || !wanted {
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

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
