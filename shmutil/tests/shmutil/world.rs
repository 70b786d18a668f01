//! What tests share. Each test has a namespace of its own, and leaves nothing
//! in it.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::thread;

use assert_cmd::Command as Run;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::is_match;
use serde_json::Value;
use shm_util::{Namespace, Options, Segment};
use tempfile::TempDir;

pub(crate) const SHMUTIL: &str = env!("CARGO_BIN_EXE_shmutil");

/// A namespace of System V segments, or of files if [`of_directory`](Self::of_directory) made it,
/// and a directory for other files.
pub(crate) struct World {
    pub(crate) namespace: String,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self {
            namespace: format!("/test/shmutil/{}/{number}", std::process::id()),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A namespace that is a directory.
    pub(crate) fn of_directory() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let namespace = directory.path().join("segments");
        fs::create_dir(&namespace).unwrap();
        Self {
            namespace: format!("{}/", namespace.display()),
            directory,
        }
    }

    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env("NOB_DATABASE", &self.namespace)
            .env("SHM_UTIL_SYNC", "0")
            .env_remove("SHM_UTIL_KEEP")
            .env_remove("SHM_UTIL_TRANSIENT")
            .env_remove("SHM_UTIL_THREADS")
            .env_remove("CLICOLOR_FORCE");
    }

    /// The command, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SHMUTIL);
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Assert {
        Run::from_std(self.command(arguments)).assert()
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> Assert {
        self.run(arguments).success().stderr("")
    }

    /// The command must fail, with one line that matches.
    pub(crate) fn fails(&self, arguments: &[&str], code: i32, error: &str) {
        self.run(arguments)
            .code(code)
            .stdout("")
            .stderr(one_line(error));
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        let assert = self.ok(arguments);
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.output(arguments)).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let list = self.json(&["list", "--json"]);
        let names = list.as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The namespace, for calls of the library.
    pub(crate) fn library(&self) -> Namespace {
        Namespace::at(&self.namespace).unwrap()
    }

    /// The file names in a directory namespace, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.namespace).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.file(name), bytes).unwrap();
        self.path(name)
    }

    /// What doctor prints.
    pub(crate) fn doctor(&self) -> String {
        let assert = self.run(&["doctor"]);
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    /// Runs a script in an IPC namespace of its own. Returns what it printed on
    /// standard output and standard error, or `None` if that takes a privilege
    /// which is missing.
    pub(crate) fn script_in_own_ipc(&self, script: &str) -> Option<(String, String)> {
        let mut unshare = Command::new("unshare");
        self.prepare(&mut unshare);
        let output = unshare.args(["--ipc", "sh", "-c", script]).output().ok()?;
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        if error.contains("unshare:") || error.contains("cannot create /proc") {
            skip("this takes root");
            return None;
        }
        Some((text, error))
    }

    /// Starts a program that attaches these segments; names are separated by commas.
    pub(crate) fn program(&self, names: &str) -> Program {
        self.start(Command::new(env::current_exe().unwrap()), names)
    }

    /// As above, with transient segments.
    pub(crate) fn transient_program(&self, names: &str) -> Program {
        let mut shell = Command::new("sh");
        let script = "SHM_UTIL_TRANSIENT=1 exec \"$0\" \"$@\"";
        shell.args(["-c", script]).arg(env::current_exe().unwrap());
        self.start(shell, names)
    }

    /// As above, with hidden segments.
    pub(crate) fn hidden_program(&self, names: &str) -> Program {
        let mut shell = Command::new("sh");
        let script = "SHMUTIL_TEST_HIDDEN=1 exec \"$0\" \"$@\"";
        shell.args(["-c", script]).arg(env::current_exe().unwrap());
        self.start(shell, names)
    }

    fn start(&self, mut command: Command, names: &str) -> Program {
        self.prepare(&mut command);
        let mut child = command
            .args(["--exact", "world::program", "--nocapture", "--quiet"])
            .env("SHMUTIL_TEST_NAMES", names)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("attached") {
            line.clear();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "the program did not start"
            );
        }
        Program {
            child,
            _output: output,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // This runs after a failure, too. The registry goes with the last name.
        let Ok(list) = self.command(&["list", "--json"]).output() else {
            return;
        };
        let list: Value = serde_json::from_slice(&list.stdout).unwrap_or_default();
        for one in list.as_array().into_iter().flatten() {
            let name = one["name"].as_str().unwrap_or_default();
            let _ = self.command(&["remove", "--", name]).status();
        }
    }
}

/// A process that has segments attached.
pub(crate) struct Program {
    pub(crate) child: Child,
    /// Stays open: the test harness in the program prints more when it ends.
    _output: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test, but the program that tests start and kill: it attaches segments
/// of 4096 bytes, writes into them, and waits.
#[test]
fn program() {
    let Ok(names) = env::var("SHMUTIL_TEST_NAMES") else {
        return;
    };
    let segments: Vec<_> = names
        .split(',')
        .map(|name| {
            let options = Options::new().hidden(env::var_os("SHMUTIL_TEST_HIDDEN").is_some());
            let segment = options.create(name, 4096).unwrap();
            store(segment.bytes(), b"written by a program");
            segment
        })
        .collect();
    println!("attached");
    // Until this process or the test is killed.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(segments);
}

/// What prune prints: these lines, and perhaps some about registries that other tests have left
/// behind meanwhile, and about the hidden segments in them.
pub(crate) fn pruned(lines: &str) -> impl Predicate<str> + use<> {
    let hidden = r"((would delete|deleted) .* in a registry that programs left behind\n)*";
    let empty = r"((would remove|removed) \d+ empty registr(y|ies) that programs left behind\n)?";
    is_match(format!("^{lines}{hidden}{empty}$")).unwrap()
}

/// A shell command that runs a program which leaves the empty registry of another
/// namespace behind.
pub(crate) fn leave_registry() -> String {
    let program = env::current_exe().unwrap();
    format!(
        "NOB_DATABASE=/test/shmutil/left SHMUTIL_TEST_LEAVE=1 {} --exact world::leaver --quiet >/dev/null",
        program.display()
    )
}

/// Not a test, but the program that [`leave_registry`] runs.
#[test]
fn leaver() {
    if env::var_os("SHMUTIL_TEST_LEAVE").is_none() {
        return;
    }
    drop(Segment::create("x", 1).unwrap());
    // SAFETY: ends this process, which only tests run.
    unsafe { libc::_exit(0) };
}

fn store(bytes: &[AtomicU8], text: &[u8]) {
    for (byte, value) in bytes.iter().zip(text) {
        byte.store(*value, Ordering::Relaxed);
    }
}

/// Reports that a test cannot run here, in a line of its own. The test harness hides what passing
/// tests print with macros.
pub(crate) fn skip(reason: &str) {
    let thread = thread::current();
    let name = thread.name().unwrap_or_default();
    let _ = io::stderr().write_all(format!("\nSKIP: shmutil {name}: {reason}\n").as_bytes());
}

/// One line on standard error that matches.
pub(crate) fn one_line(pattern: &str) -> impl Predicate<str> + use<> {
    is_match(format!("^shmutil: .*{pattern}.*\n$")).unwrap()
}

/// The identifiers of the segments of this size in bytes that a process has created.
pub(crate) fn segments_of(pid: u32, size: usize) -> Vec<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let rows = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[3] == size.to_string() && row[4] == pid.to_string())
        .map(|row| row[1].to_owned())
        .collect()
}

/// Whether there is a System V segment of this identifier.
pub(crate) fn exists(id: &str) -> bool {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let mut lines = table.lines();
    lines.any(|line| line.split_ascii_whitespace().nth(1) == Some(id))
}

/// Bytes that look random, but are always the same.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(size)
    .collect()
}

/// The command that runs another one as user 65534, in group 0 only.
pub(crate) const AS_OTHER: [&str; 6] = [
    "setpriv",
    "--reuid",
    "65534",
    "--regid",
    "0",
    "--clear-groups",
];

/// Whether tests can run the command as another user. Root of a user namespace
/// that has only one user cannot.
pub(crate) fn can_switch_users() -> bool {
    let can = Command::new(AS_OTHER[0])
        .args(&AS_OTHER[1..])
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !can {
        skip("this takes root and setpriv");
    }
    can
}

/// A copy of the command that every user may run.
pub(crate) fn copy_for_others(world: &World) -> String {
    // Not fs::copy: another test's child may have inherited the descriptor that writes the
    // copy, and until that child calls exec, the copy cannot be run (ETXTBSY).
    let cp = Command::new("cp")
        .args([SHMUTIL, &world.path("shmutil")])
        .status();
    assert!(cp.unwrap().success());
    for path in [world.directory.path(), Path::new(&world.path("shmutil"))] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    world.path("shmutil")
}

/// Runs a copy of the command as another user.
pub(crate) fn as_other(world: &World, command: &str, arguments: &[&str]) -> Assert {
    let mut setpriv = Command::new(AS_OTHER[0]);
    world.prepare(&mut setpriv);
    setpriv.args(&AS_OTHER[1..]).arg(command).args(arguments);
    Run::from_std(setpriv).assert()
}

/// The identifier of the registry, from what doctor prints.
pub(crate) fn registry_id(doctor: &str) -> &str {
    let registry = doctor.split("names (id ").nth(1).unwrap();
    registry.split(',').next().unwrap()
}

/// Overwrites the start of a segment.
pub(crate) fn overwrite(id: &str) {
    // SAFETY: the kernel chooses the address.
    let address = unsafe { libc::shmat(id.parse().unwrap(), std::ptr::null(), 0) };
    // SAFETY: the segment is attached and larger; nothing in this process uses it.
    unsafe { address.cast::<u8>().write_bytes(0x55, 64) };
    // SAFETY: this is the address at which it was attached.
    unsafe { libc::shmdt(address) };
}
