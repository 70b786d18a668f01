//! The terminal: its size, and its alternate screen, which is left in whatever
//! way this process ends.

use std::env;
use std::io::{self, IsTerminal as _};
use std::mem;
use std::ptr;
use std::time::Duration;

use rustix::event::{Timespec, poll};

/// Saves the cursor, switches to the alternate screen, and hides the cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
/// Resets colors, shows the cursor, and switches back.
const LEAVE: &[u8] = b"\x1b[m\x1b[?25h\x1b[?1049l";

/// The signals that end this process, except those that nothing can catch and
/// those of bugs.
const ENDING: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// The size of the terminal that standard output is. `None` if it is not one, or
/// does not know its size.
pub(crate) fn size() -> Option<Size> {
    let (width, height) = terminal_size::terminal_size_of(io::stdout())?;
    Some(Size {
        columns: width.0.into(),
        rows: height.0.into(),
    })
}

/// The alternate screen of the terminal, until this is dropped.
pub(crate) struct Screen(());

impl Screen {
    /// Moves the cursor to the upper left corner.
    pub(crate) const HOME: &[u8] = b"\x1b[H";
    /// Clears the line from the cursor on.
    pub(crate) const CLEAR_LINE: &[u8] = b"\x1b[K";
    /// Clears the screen from the cursor on.
    pub(crate) const CLEAR_BELOW: &[u8] = b"\x1b[J";

    /// Switches to the alternate screen. `None` if standard output is not a
    /// terminal that has one.
    pub(crate) fn enter() -> Option<Self> {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if !io::stdout().is_terminal() || is_dumb {
            return None;
        }
        for signal in ENDING {
            handle(signal, leave_and_end, libc::SA_RESETHAND);
        }
        handle(libc::SIGTSTP, leave_and_stop, 0);
        // Any handler makes poll return early, so that the list is redrawn.
        handle(libc::SIGWINCH, ignore, 0);
        write(ENTER);
        Some(Self(()))
    }

    /// The size of the screen; the usual one if the terminal does not know it.
    pub(crate) fn size() -> Size {
        self::size().unwrap_or(Size {
            columns: 80,
            rows: 24,
        })
    }

    /// Waits, at most until the size of the terminal changes.
    pub(crate) fn wait(time: Duration) {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let _ = poll(&mut [], Some(&time));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
    }
}

extern "C" fn leave_and_end(signal: libc::c_int) {
    write(LEAVE);
    // SA_RESETHAND has restored the default action, which takes effect when
    // this handler returns.
    raise(signal);
}

extern "C" fn leave_and_stop(_: libc::c_int) {
    write(LEAVE);
    raise(libc::SIGSTOP);
    // SIGCONT has arrived.
    write(ENTER);
}

extern "C" fn ignore(_: libc::c_int) {}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int), flags: libc::c_int) {
    // SAFETY: sigaction is a plain C struct, for which zeros are a value: an
    // empty mask, no flags.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = flags;
    // SAFETY: the handlers call only functions that are async-signal-safe.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

fn raise(signal: libc::c_int) {
    // SAFETY: raise(3) takes any number.
    unsafe { libc::raise(signal) };
}

/// Writes to the terminal. It is async-signal-safe; errors are ignored, because
/// there is nothing else to do at the end.
fn write(bytes: &[u8]) {
    // SAFETY: the slice is readable memory of that length.
    unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}
