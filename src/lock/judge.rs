//! Whether the owner of a lock will ever release it.
//!
//! The kernel releases a robust lock when its owner ends. There are three cases in
//! which it does not, or not soon:
//!
//! - While a crashed process's core is dumped, which takes minutes where the process is
//!   large, its other threads exist, but never run again.
//! - A thread that is not the first of its process calls execve(2). The kernel gives it the
//!   id of the first before it looks for locks that hold its id.
//! - The owner's robust list was refused by a sandbox, or was overwritten.
//!
//! This is about owners in the waiter's own PID namespace: an id means another thread in
//! another one (see `elsewhere`). In doubt an owner is alive.

#![forbid(unsafe_code)]

use std::ffi::CStr;
use std::io::Write as _;

use crate::ids::ThreadId;
use crate::os;

/// What a waiter finds out about an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may release the lock.
    Alive,
    /// Its process is dumping core.
    Dumping,
    /// There is no such thread, so it holds no lock.
    Gone,
}

/// Looks at a thread of this PID namespace.
pub(super) fn judge(thread: ThreadId) -> Verdict {
    if os::is_gone(thread) {
        return Verdict::Gone;
    }
    // Where /proc is that of another PID namespace, the same number is another thread.
    let own = Status::of(c"/proc/self/status");
    if own.is_none_or(|own| own.ids != 1) {
        return Verdict::Alive;
    }
    let mut path = [0; 40];
    let written = write!(path.as_mut_slice(), "/proc/{thread}/status");
    match CStr::from_bytes_until_nul(&path) {
        Ok(path) if written.is_ok() => {
            Status::of(path).map_or(Verdict::Alive, Status::verdict_here)
        }
        _ => Verdict::Alive,
    }
}

/// What /proc/PID/status tells, see proc_pid_status(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The thread has ended, but its parent does not know yet.
    is_zombie: bool,
    is_dumping: bool,
    is_of_the_kernel: bool,
    /// How many ids the thread has: one in the PID namespace of /proc, and one in each deeper
    /// one that it is in.
    pub(super) ids: usize,
    /// The last of them, which the thread itself knows.
    pub(super) innermost: u32,
}

impl Status {
    /// `None` if the file can't be read: /proc may not be mounted, or hide processes.
    pub(super) fn of(path: &CStr) -> Option<Self> {
        let mut status = Self::default();
        os::read_lines(path, |line| {
            status.note(line);
            true
        })
        .ok()?;
        (status.ids > 0).then_some(status)
    }

    fn note(&mut self, line: &[u8]) {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(field), Some(value)) = (parts.next(), parts.next()) else {
            return;
        };
        let value = value.trim_ascii();
        match field {
            b"State" => self.is_zombie = matches!(value.first(), Some(b'Z' | b'X')),
            b"CoreDumping" => self.is_dumping = value == b"1",
            b"Kthread" => self.is_of_the_kernel = value == b"1",
            b"NSpid" => {
                let value = std::str::from_utf8(value).unwrap_or_default();
                self.ids = value.split_ascii_whitespace().count();
                let last = value.split_ascii_whitespace().next_back();
                self.innermost = last.and_then(|id| id.parse().ok()).unwrap_or(0);
            }
            _ => {}
        }
    }

    /// What this means for the thread.
    pub(super) const fn verdict(self) -> Verdict {
        // Before a thread becomes a zombie, the kernel has released its locks, so one that
        // still holds its id was not known to the kernel.
        if self.is_zombie || self.is_of_the_kernel {
            Verdict::Gone
        } else if self.is_dumping {
            Verdict::Dumping
        } else {
            Verdict::Alive
        }
    }

    /// The same for a thread that knows itself by the id that it has here. One that has another
    /// id in a deeper namespace does not.
    const fn verdict_here(self) -> Verdict {
        if self.ids > 1 {
            Verdict::Gone
        } else {
            self.verdict()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Verdict {
        let mut status = Status::default();
        text.lines().for_each(|line| status.note(line.as_bytes()));
        status.verdict_here()
    }

    #[test]
    fn the_calling_thread_is_alive() {
        assert_eq!(judge(os::thread()), Verdict::Alive);
    }

    #[test]
    fn a_thread_that_has_ended_is_gone() {
        let thread = std::thread::spawn(os::thread).join().unwrap();
        while judge(thread) != Verdict::Gone {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_status_tells_who_never_releases_a_lock() {
        let alive = "Name:\tCoreDumping: 1\nState:\tS (sleeping)\nGroups:\t1 2 3\n\
                     NSpid:\t42\nKthread:\t0\nCoreDumping:\t0\n";
        assert_eq!(verdict(alive), Verdict::Alive);
        for (from, to, expected) in [
            ("CoreDumping:\t0", "CoreDumping:\t1", Verdict::Dumping),
            ("S (sleeping)", "Z (zombie)", Verdict::Gone),
            ("S (sleeping)", "X (dead)", Verdict::Gone),
            ("S (sleeping)", "T (stopped)", Verdict::Alive),
            ("Kthread:\t0", "Kthread:\t1", Verdict::Gone),
            ("NSpid:\t42", "NSpid:\t42\t1", Verdict::Gone),
        ] {
            assert_eq!(verdict(&alive.replace(from, to)), expected, "{to}");
        }
    }
}
