//! The command on a terminal: a pseudoterminal, see pty(7).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A shell without job control starts background jobs with SIGINT ignored, and a
/// command inherits that.
fn heed_interrupts() {
    // SAFETY: the default action needs no handler.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
}

/// A process whose standard descriptors are a terminal.
pub(crate) struct Terminal {
    child: Child,
    /// The other end of the terminal.
    master: File,
    reader: JoinHandle<Vec<u8>>,
}

impl Terminal {
    /// Starts a command on a terminal of this size. Standard output can have been
    /// redirected elsewhere.
    pub(crate) fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let copy = || Stdio::from(slave.try_clone().unwrap());
        command
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .env("TERM", "xterm");
        // SAFETY: these functions are system calls only.
        unsafe {
            command.pre_exec(|| {
                heed_interrupts();
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        // The command must not keep the terminal open in this process.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        drop(slave);
        let master = File::from(master);
        let mut output = master.try_clone().unwrap();
        let reader = thread::spawn(move || {
            let mut text = Vec::new();
            // It ends with EIO when no process has the terminal open.
            let _ = output.read_to_end(&mut text);
            text
        });
        Self {
            child,
            master,
            reader,
        }
    }

    /// Runs a command to its end. Returns its status and what it printed, without
    /// carriage returns.
    pub(crate) fn run(command: &mut Command, columns: u16, rows: u16) -> (ExitStatus, String) {
        Self::start(command, columns, rows).finish()
    }

    /// Types something.
    pub(crate) fn enter(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for the end of the command.
    pub(crate) fn finish(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let text = String::from_utf8(self.reader.join().unwrap()).unwrap();
        (status, text.replace('\r', ""))
    }
}
