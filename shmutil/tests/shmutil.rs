//! The command `shmutil`, as people and scripts use it.
//!
//! Each test has a name space of its own, and leaves nothing in it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // to fail is what they are for

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use assert_cmd::Command as Run;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::SpliceFlags;
use serde_json::Value;
use shm_util::Segment;
use tempfile::TempDir;

const SHMUTIL: &str = env!("CARGO_BIN_EXE_shmutil");

/// A name space, and a directory for files.
struct World {
    namespace: String,
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self {
            namespace: format!("/test/shmutil/{}/{number}", std::process::id()),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env("NOB_DATABASE", &self.namespace)
            .env("SHM_UTIL_SYNC", "0")
            .env_remove("SHM_UTIL_KEEP")
            .env_remove("CLICOLOR_FORCE");
    }

    /// The command, not run yet.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SHMUTIL);
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Assert {
        Run::from_std(self.command(arguments)).assert()
    }

    fn ok(&self, arguments: &[&str]) -> Assert {
        self.run(arguments).success().stderr("")
    }

    /// The command fails, and says why in one line that matches.
    fn fails(&self, arguments: &[&str], code: i32, error: &str) {
        self.run(arguments)
            .code(code)
            .stdout("")
            .stderr(one_line(error));
    }

    fn output(&self, arguments: &[&str]) -> String {
        let assert = self.ok(arguments);
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.output(arguments)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let list = self.json(&["list", "--json"]);
        let names = list.as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.file(name), bytes).unwrap();
        self.path(name)
    }

    /// A program that has segments mapped.
    fn program(&self, names: &str) -> Program {
        let mut command = Command::new(env::current_exe().unwrap());
        self.prepare(&mut command);
        let mut child = command
            .args(["--exact", "program", "--nocapture", "--quiet"])
            .env("SHMUTIL_TEST_NAMES", names)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("mapped") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "it did not start");
        }
        Program {
            child,
            _output: output,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Also after a failure. The registry goes with the last name.
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

struct Program {
    child: Child,
    /// It stays open: the program may say more at its end.
    _output: BufReader<ChildStdout>,
}

impl Program {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn kill(&mut self) {
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

/// Not a test but the program that tests start and kill: it maps segments of
/// 4096 bytes, writes into them, and waits.
#[test]
fn program() {
    let Ok(names) = env::var("SHMUTIL_TEST_NAMES") else {
        return;
    };
    let segments: Vec<_> = names
        .split(',')
        .map(|name| {
            let segment = Segment::create(name, 4096).unwrap();
            store(segment.bytes(), b"written by a program");
            segment
        })
        .collect();
    println!("mapped");
    // Until it is killed, or the test is.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(segments);
}

fn store(bytes: &[AtomicU8], text: &[u8]) {
    for (byte, value) in bytes.iter().zip(text) {
        byte.store(*value, Ordering::Relaxed);
    }
}

fn one_line(pattern: &str) -> impl Predicate<str> + use<> {
    is_match(format!("^shmutil: .*{pattern}.*\n$")).unwrap()
}

#[test]
fn what_a_killed_program_left_is_seen_saved_dumped_and_pruned() {
    let world = World::new();
    let mut program = world.program("sensors");
    let held = format!(r"sensors +\d+ +4 KiB +1  {} \S+ .*in use\n", program.pid());
    world.ok(&["list"]).stdout(is_match(held).unwrap());

    program.kill();
    world
        .ok(&["list"])
        .stdout(is_match(r"sensors +\d+ +4 KiB +0  - +\d+s +orphaned for \d+s\n").unwrap());
    world
        .ok(&["save", "sensors", &world.path("saved")])
        .stdout("");
    let saved = fs::read(world.file("saved")).unwrap();
    assert_eq!(saved.len(), 4096);
    assert!(saved.starts_with(b"written by a program\0"));
    world
        .ok(&["dump", "sensors"])
        .stdout(contains("|written by a pro|"));
    world.ok(&["dump", "sensors", "--diff", &world.path("saved")]);

    world.ok(&["prune", "--older-than", "10m"]).stdout("");
    assert_eq!(world.names(), ["sensors"]);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(contains("removed sensors"));
    assert!(world.names().is_empty());
}

#[test]
fn list_is_sorted_and_aligned() {
    let world = World::new();
    world.ok(&["create", "b", "1G"]);
    world.ok(&["create", "a longer name", "100", "--keep"]);
    let text = world.output(&["list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("NAME "));
    assert!(lines[1].starts_with("a longer name "));
    assert!(lines[1].ends_with("  kept"));
    assert!(lines[2].starts_with("b             "));
    let state = lines[0].find("STATE").unwrap();
    assert_eq!(&lines[1][state..], "kept");
    assert!(lines[2][state..].starts_with("orphaned for "));
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

#[test]
fn json_has_exact_figures() {
    let world = World::new();
    world.ok(&["create", "x", "123456", "--mode", "640"]);
    let program = world.program("y,y,z");
    let list = world.json(&["list", "--json"]);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 3);
    let named = |name: &str| list.iter().find(|one| one["name"] == name).unwrap();
    let x = named("x");
    assert_eq!(x["size"], 123_456);
    assert_eq!(x["mode"], "0640");
    assert_eq!(x["state"], "orphaned");
    assert_eq!(x["kept"], false);
    assert_eq!(x["locked"], false);
    assert_eq!(x["mappings"], 0);
    assert_eq!(x["holders"], Value::Array(Vec::new()));
    let y = named("y");
    assert_eq!(y["state"], "in_use");
    assert_eq!(y["mappings"], 2);
    assert_eq!(y["holders"][0]["pid"], program.pid());
    assert_eq!(y["holders"][0]["mappings"], 2);
    assert_eq!(y["all_holders_known"], true);
    assert!(!y["holders"][0]["command"].as_str().unwrap().is_empty());
    assert_eq!(y["creator_pid"], program.pid());
    assert_eq!(named("z")["holders"].as_array().unwrap().len(), 1);

    let stat = world.json(&["stat", "x", "--json"]);
    let fields = [
        "name",
        "id",
        "key",
        "size",
        "state",
        "kept",
        "locked",
        "mappings",
        "holders",
        "all_holders_known",
        "age_seconds",
        "created",
        "attached",
        "detached",
        "changed",
        "creator_pid",
        "last_pid",
        "uid",
        "gid",
        "creator_uid",
        "creator_gid",
        "mode",
    ];
    let found: Vec<&String> = stat.as_object().unwrap().keys().collect();
    assert_eq!(found.len(), fields.len());
    for field in fields {
        assert!(stat.get(field).is_some(), "{field}");
    }
    let created: &str = stat["created"].as_str().unwrap();
    assert!(
        is_match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            .unwrap()
            .eval(created)
    );
}

#[test]
fn stat_tells_all_holders() {
    let world = World::new();
    let programs: Vec<Program> = (0..4).map(|_| world.program("shared")).collect();
    let stat = world.output(&["stat", "shared"]);
    for program in &programs {
        assert!(stat.contains(&format!("{} ", program.pid())), "{stat}");
    }
    assert!(stat.contains("size       4 KiB (4096 bytes)"), "{stat}");
    world.ok(&["list"]).stdout(contains(", 1 more "));
    world.ok(&["keep", "shared"]);
    world.ok(&["list"]).stdout(contains("in use, kept"));
}

#[test]
fn without_names_there_is_nothing_and_nothing_is_made() {
    let world = World::new();
    let segments = || fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let is_mentioned = |table: &str, pid: u32| {
        table
            .lines()
            .any(|line| line.split_whitespace().nth(4) == Some(&pid.to_string()))
    };
    for arguments in [
        &["list"][..],
        &["stat", "x"],
        &["dump", "x"],
        &["save", "x", "-"],
    ] {
        let mut child = world
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.wait().unwrap();
        assert!(!is_mentioned(&segments(), child.id()), "{arguments:?}");
    }
    assert_eq!(world.output(&["list"]).lines().count(), 1);
    assert_eq!(world.output(&["list", "--json"]), "[]\n");
    world.ok(&["prune", "--older-than", "0s"]).stdout("");
}

#[test]
fn watching_prints_again_until_nobody_reads() {
    let world = World::new();
    world.ok(&["create", "watched", "10"]);
    for json in [false, true] {
        let mut command = world.command(&["list", "--watch", "1"]);
        if json {
            command.arg("--json");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = lines
            .map(Result::unwrap)
            .filter(|line| line.contains("watched"))
            .take(2)
            .count();
        assert_eq!(seen, 2);
        assert!(child.wait().unwrap().success());
    }
    world.fails(&["list", "--watch", "0"], 2, "0 is not in");
}

#[test]
fn a_closed_pipe_is_the_end_and_no_error() {
    let world = World::new();
    world.ok(&["create", "large", "4M"]);
    world.ok(&["load", "large", &world.write("noise", &noise(4 << 20))]);
    let text = [
        &["dump", "large"][..],
        &["list"],
        &["list", "--json"],
        &["stat", "large"],
        &["doctor"],
        &["--help"],
        &["man"],
        &["completions", "bash"],
    ];
    for arguments in text {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut command = world.command(arguments);
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.stderr, b"", "{arguments:?}");
        let attention = i32::from(arguments == ["doctor"]);
        assert_eq!(output.status.code(), Some(attention), "{arguments:?}");
    }
}

/// What writes to standard output, where there is a segment 'x'.
const WRITERS: [&[&str]; 12] = [
    &["dump", "x"],
    &["list"],
    &["list", "--json"],
    &["stat", "x"],
    &["doctor"],
    &["prune", "--older-than", "0s", "--dry-run"],
    &["--help"],
    &["--version"],
    &["man"],
    &["completions", "fish"],
    &["completions", "zsh"],
    &["save", "x", "-"],
];

#[test]
fn what_cannot_be_written_is_an_error() {
    let world = World::new();
    world.ok(&["create", "x", "100K"]);
    for arguments in WRITERS {
        let mut command = world.command(arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            one_line("No space left on device").eval(&error),
            "{arguments:?} {error}"
        );
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
    }
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    let world = World::new();
    world.fails(
        &[],
        2,
        "say what to do: list, stat, create, .*, man; see 'shmutil --help'",
    );
    world.fails(&["nonsense"], 2, "unrecognized subcommand");
    world.fails(&["stat"], 2, "required arguments were not provided: <NAME>");
    world.fails(&["create", "x", "0"], 2, "at least one byte");
    world.fails(&["create", "x", "much"], 2, "write a size like");
    world.fails(&["create", "x", "1", "--mode", "999"], 2, "octal");
    world.fails(&["create", r"a\q", "1"], 2, "backslash");
    world.fails(&["create", r"a\x00", "1"], 2, "zero byte");
    world.fails(&["prune"], 2, "--older-than <AGE>");
    world.fails(&["prune", "--older-than", "soon"], 2, "write an age like");
    world.fails(&["load", "x", "-", "--size", "1"], 2, "--create");
    for arguments in [
        &["create", "x", "-5"][..],
        &["dump", "x", "--offset", "-1"],
        &["dump", "x", "--length", "-1K"],
        &["load", "x", "-", "--create", "--size", "-1"],
        &["prune", "--older-than", "-1s"],
    ] {
        world.fails(
            arguments,
            2,
            "'-[1-5][sK]?' for '.*': it can't be negative; write an? ",
        );
    }
    for age in ["10", "1mo", "soon", ""] {
        let error = format!("'{age}' for '--older-than <AGE>': write an age like 90s, 10m or 7d; ");
        world.fails(&["prune", "--older-than", age], 2, &error);
    }
    world.fails(&["create", "x", "1.5"], 2, "no whole number of bytes");
    assert!(world.names().is_empty());
}

#[test]
fn a_created_segment_stays() {
    let world = World::new();
    world.ok(&["create", "one", "64K"]).stdout("");
    world.ok(&["create", "two", "1", "--keep", "--mode", "600"]);
    let one = world.json(&["stat", "one", "--json"]);
    assert_eq!(
        (&one["size"], &one["mode"]),
        (&65536.into(), &"0660".into())
    );
    assert_eq!(one["state"], "orphaned");
    let two = world.json(&["stat", "two", "--json"]);
    assert_eq!((&two["size"], &two["mode"]), (&1.into(), &"0600".into()));
    assert_eq!(two["state"], "kept");
    world.fails(
        &["create", "one", "1"],
        3,
        "File exists; .*shmutil remove one",
    );
    world.fails(&["create", &"n".repeat(1001), "1"], 3, "File name too long");
    assert_eq!(world.json(&["stat", "one", "--json"])["size"], 65536);
}

#[test]
fn the_option_namespace_comes_before_the_variable() {
    let (world, other) = (World::new(), World::new());
    world.ok(&["create", "ours", "1"]);
    other.ok(&["create", "theirs", "1"]);
    let list = world.output(&["list", "--namespace", &other.namespace]);
    assert!(list.contains("theirs") && !list.contains("ours"), "{list}");
    world.ok(&["--namespace", &other.namespace, "stat", "theirs"]);
    assert_eq!(world.names(), ["ours"]);
}

#[test]
fn what_reads_leaves_an_orphan_as_it_was() {
    let world = World::new();
    world.ok(&["create", "orphan", "10000"]);
    let id = world.json(&["stat", "orphan", "--json"])["id"].clone();
    world.ok(&["list"]);
    world.ok(&["stat", "orphan"]);
    world.ok(&["dump", "orphan"]);
    world.ok(&["save", "orphan", &world.path("file")]);
    world.ok(&["save", "orphan", "-"]);
    world.ok(&["dump", "orphan", "--diff", &world.path("file")]);
    world.ok(&["prune", "--older-than", "0s", "--dry-run"]);
    world.run(&["doctor"]).code(1);
    world.ok(&["load", "orphan", &world.path("file")]);
    let stat = world.json(&["stat", "orphan", "--json"]);
    assert_eq!((&stat["id"], &stat["mappings"]), (&id, &0.into()));
}

#[test]
fn a_name_that_is_not_there_is_exit_status_4() {
    let world = World::new();
    let file = world.write("file", b"text");
    for arguments in [
        &["stat", "none"][..],
        &["dump", "none"],
        &["save", "none", "-"],
        &["load", "none", &file],
        &["keep", "none"],
        &["remove", "none"],
    ] {
        world.fails(
            arguments,
            4,
            "'none': No such file or directory; see 'shmutil list'",
        );
    }
    assert!(world.names().is_empty());
}

#[test]
fn names_are_shown_escaped_and_taken_back() {
    let world = World::new();
    let shown = [
        r"\&",
        r"\x20\x20x\x20",
        r"a\nb\x1b[31m",
        r"back\\slash",
        r"\xff\xfe",
        "gr\u{fc}n",
    ];
    for name in shown {
        world.ok(&["create", "--", name, "10"]);
    }
    let mut names = world.names();
    names.sort();
    let mut expected = shown.map(str::to_owned);
    expected.sort();
    assert_eq!(names, expected);
    let list = world.output(&["list"]);
    for name in shown {
        assert!(list.contains(name), "{name}");
        let stat = world.json(&["stat", "--json", name]);
        assert_eq!(stat["name"], name);
        world.ok(&["remove", name]);
    }
    assert!(world.names().is_empty());
    // What it means: the bytes themselves.
    world.ok(&["create", "a\nb", "10"]);
    assert_eq!(world.names(), [r"a\nb"]);
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(size)
    .collect()
}

#[test]
fn save_and_load_copy_all_bytes_through_files() {
    let world = World::new();
    let bytes = noise(100_001);
    let file = world.write("in", &bytes);
    world.ok(&["load", "x", &file, "--create", "--mode", "600", "--keep"]);
    let stat = world.json(&["stat", "x", "--json"]);
    assert_eq!(
        (&stat["size"], &stat["mode"]),
        (&100_001.into(), &"0600".into())
    );
    assert_eq!(stat["state"], "kept");
    world.ok(&["save", "x", &world.path("out")]).stdout("");
    assert_eq!(fs::read(world.file("out")).unwrap(), bytes);
    // An existing one is loaded into, also with --create.
    let other = world.write("in", &vec![7; 100_001]);
    world.ok(&["load", "x", &other, "--create"]);
    world
        .ok(&["save", "x", "/dev/stdout"])
        .stdout(vec![7; 100_001]);
}

#[test]
fn save_and_load_copy_all_bytes_through_pipes() {
    let world = World::new();
    // More than a pipe holds, and than is collected in one piece.
    for size in [1, 4096, 3_000_001, (64 << 20) + 5] {
        let bytes = noise(size);
        let file = world.write("in", &bytes);
        world.ok(&["load", "from", &file, "--create"]);
        let size = size.to_string();
        for options in [&["--create"][..], &["--create", "--size", &size]] {
            let mut save = world
                .command(&["save", "from", "-"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let load = world
                .command(&["load", "to", "-"])
                .args(options)
                .stdin(save.stdout.take().unwrap())
                .output()
                .unwrap();
            assert!(save.wait().unwrap().success());
            assert!(load.status.success(), "{load:?}");
            let saved = world.ok(&["save", "to", "-"]);
            assert_eq!(saved.get_output().stdout, bytes);
            world.ok(&["remove", "to"]);
        }
        world.ok(&["remove", "from"]);
    }
}

#[test]
fn a_load_of_several_saves_has_the_bytes_of_all() {
    let world = World::new();
    let (one, two) = (noise(5_000_000), noise(3_000_001));
    world.ok(&["load", "one", &world.write("in", &one), "--create"]);
    world.ok(&["load", "two", &world.write("in", &two), "--create"]);
    let mut shell = Command::new("sh");
    world.prepare(&mut shell);
    let script =
        format!("({SHMUTIL} save one -; {SHMUTIL} save two -) | {SHMUTIL} load all - --create");
    assert!(shell.args(["-ec", &script]).status().unwrap().success());
    let saved = world.ok(&["save", "all", "-"]);
    assert_eq!(saved.get_output().stdout, [one, two].concat());
}

#[test]
fn a_load_whose_save_is_killed_fails_and_leaves_nothing() {
    let world = World::new();
    world.ok(&["create", "from", "300M"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let mut save = world
        .command(&["save", "from", "-"])
        .stdout(writer)
        .spawn()
        .unwrap();
    // It fills the pipe, and can't end before it is read.
    let mut begun = [PollFd::new(&reader, PollFlags::IN)];
    assert_eq!(poll(&mut begun, None), Ok(1));
    let pid = rustix::process::Pid::from_child(&save);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let load = world
        .command(&["load", "to", "-", "--create"])
        .stdin(reader)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has made the segment, and taken what the pipe held.
    while !world.names().contains(&"to".to_owned()) {
        std::thread::yield_now();
    }
    save.kill().unwrap();
    save.wait().unwrap();
    let output = load.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        one_line("its save ended after \\d+ of 314572800 bytes").eval(&error),
        "{error}"
    );
    assert_eq!(world.names(), ["from"]);
}

#[test]
fn what_a_finished_save_left_in_a_pipe_does_not_change_any_more() {
    let world = World::new();
    let bytes = noise(60_000);
    let file = world.write("in", &bytes);
    world.ok(&["load", "x", &file, "--create"]);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let mut command = world.command(&["save", "x", "-"]);
    assert!(command.stdout(writer).status().unwrap().success());
    drop(command);
    world.ok(&["load", "x", &world.write("in", &vec![0; 60_000])]);
    let mut read = Vec::new();
    File::from(reader).read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
}

#[test]
fn a_load_from_a_redirected_file_begins_where_that_is() {
    let world = World::new();
    let mut file = File::open(world.write("in", b"0123456789")).unwrap();
    file.read_exact(&mut [0; 4]).unwrap();
    let mut command = world.command(&["load", "x", "-", "--create"]);
    assert!(command.stdin(file).status().unwrap().success());
    world.ok(&["save", "x", "-"]).stdout("456789");
}

#[test]
fn a_load_of_another_size_is_said() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    world.ok(&["load", "x", &world.write("same", b"ABCDEFGH")]);
    world
        .run(&["load", "x", &world.write("short", b"abc")])
        .code(1)
        .stderr(one_line("short' has only 3 of the 8 bytes of 'x'"));
    world.ok(&["save", "x", "-"]).stdout("abcDEFGH");
    world
        .run(&["load", "x", &world.write("long", b"0123456789")])
        .code(1)
        .stderr(one_line("long' has more than the 8 bytes of 'x'"));
    world.ok(&["save", "x", "-"]).stdout("01234567");
}

#[test]
fn a_load_that_fails_changes_nothing() {
    let world = World::new();
    let (empty, missing) = (world.write("empty", b""), world.path("missing"));
    let directory = world.directory.path().to_str().unwrap();
    world.ok(&["create", "x", "8"]);
    world.ok(&["load", "x", &world.write("same", b"ABCDEFGH")]);
    for create in [false, true] {
        let load = |file: &str, error: &str| {
            let mut arguments = vec!["load", if create { "new" } else { "x" }, file];
            if create {
                arguments.push("--create");
            }
            world.fails(&arguments, 3, error);
        };
        load(&empty, "empty");
        load("/dev/null", "empty");
        load(&missing, "No such file or directory; check");
        load(directory, "[Dd]irectory");
        // Standard input is empty.
        load("-", "standard input, which is empty");
    }
    assert_eq!(world.names(), ["x"]);
    world.ok(&["save", "x", "-"]).stdout("ABCDEFGH");
}

#[test]
fn a_save_that_fails_says_so() {
    let world = World::new();
    world.ok(&["create", "x", "8M"]);
    let nowhere = world.path("no/such/directory");
    world.fails(
        &["save", "x", &nowhere],
        3,
        "No such file or directory; make its directory",
    );
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let output = world
        .command(&["save", "x", "-"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(one_line("Broken pipe").eval(&error), "{error}");
    assert_eq!(world.names(), ["x"]);
}

#[test]
fn large_transfers_have_a_progress_bar_on_a_terminal() {
    let world = World::new();
    world.ok(&["create", "large", "200M"]);
    world.ok(&["create", "small", "1M"]);
    let on_terminal = |command: &str| {
        // script(1) runs it on a terminal.
        let mut script = Command::new("script");
        world.prepare(&mut script);
        let output = script
            .args(["-qec", &format!("{SHMUTIL} {command}"), "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    if Command::new("script").arg("--version").output().is_err() {
        return;
    }
    let file = world.path("large");
    assert!(on_terminal(&format!("save large {file}")).contains("200.00 MiB"));
    assert!(on_terminal(&format!("load large {file}")).contains("200.00 MiB"));
    assert!(on_terminal("save large - >/dev/null").contains("200.00 MiB"));
    assert_eq!(on_terminal("save small - >/dev/null"), "");
}

#[test]
fn dump_shows_offsets_bytes_and_text() {
    let world = World::new();
    let mut bytes = b"Hello, world\n\x00\x7f\xff".to_vec();
    bytes.extend([0; 64]);
    bytes.extend(b"end");
    world.ok(&["load", "x", &world.write("x", &bytes), "--create"]);
    world.ok(&["dump", "x"]).stdout(
        "00000000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0a 00 7f ff  |Hello, world....|\n\
         00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
         *\n\
         00000050  65 6e 64                                          |end|\n\
         00000053\n",
    );
    assert_eq!(world.output(&["dump", "x", "--all"]).lines().count(), 7);
    world
        .ok(&["dump", "x", "--offset", "0x4", "--length", "2"])
        .stdout("00000004  6f 2c                                             |o,|\n00000006\n");
    world
        .ok(&["dump", "x", "--offset", "83"])
        .stdout("00000053\n");
    world.fails(&["dump", "x", "--offset", "84"], 2, "beyond the 83 bytes");
    let coloured = |name: &str| {
        let mut command = world.command(&["dump", "x"]);
        command.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        command.env(name, "1");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(coloured("OTHER").contains("\x1b[36m"));
    assert!(!coloured("NO_COLOR").contains('\x1b'));
}

#[test]
fn dump_shows_what_differs_from_a_file() {
    let world = World::new();
    world.ok(&[
        "load",
        "x",
        &world.write("x", b"0123456789abcdefSAME"),
        "--create",
    ]);
    let diff = |bytes: &[u8], options: &[&str]| {
        let file = world.write("file", bytes);
        let mut arguments = vec!["dump", "x", "--diff", &file];
        arguments.extend(options);
        let assert = world.run(&arguments).stderr("");
        let output = assert.get_output();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(diff(b"0123456789abcdefSAME", &[]), (0, String::new()));
    let (code, text) = diff(b"0123x56789abcdefSAME", &[]);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "-00000000  30 31 32 33 78 35 36 37  38 39 61 62 63 64 65 66  |0123x56789abcdef|\n\
         +00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
    );
    assert_eq!(
        diff(b"0123x56789abcdefSAME", &["--offset", "16"]),
        (0, String::new())
    );
    assert_eq!(
        diff(b"0123x56789abcdefSAME", &["--length", "4"]),
        (0, String::new())
    );
    let short = (
        1,
        "the file ends after 18 of the segment's 20 bytes\n".to_owned(),
    );
    assert_eq!(diff(b"0123456789abcdefSA", &[]), short);
    let long = (
        1,
        "the file has more bytes than the segment's 20\n".to_owned(),
    );
    assert_eq!(diff(b"0123456789abcdefSAME!", &[]), long);
    world.fails(
        &["dump", "x", "--diff", &world.path("none")],
        3,
        "No such file",
    );
    let directory = world.directory.path().to_str().unwrap();
    world.fails(&["dump", "x", "--diff", directory], 3, "directory");
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let mut command = world.command(&["dump", "x", "--diff", "/proc/self/status"]);
    assert_eq!(command.stdout(writer).status().unwrap().code(), Some(1));
}

#[test]
fn a_kept_segment_outlives_its_users_until_it_is_removed() {
    let world = World::new();
    let program = world.program("x,y");
    world.ok(&["keep", "x"]);
    // Its end of standard input lets the program destroy its segments.
    let mut program = program;
    drop(program.child.stdin.take());
    program.child.wait().unwrap();
    assert_eq!(world.names(), ["x"]);
    world.ok(&["prune", "--older-than", "0s"]).stdout("");
    world.ok(&["keep", "x", "--off"]);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(contains("removed x (id "));
    assert!(world.names().is_empty());
}

#[test]
fn remove_takes_the_name_at_once_and_leaves_its_users_the_bytes() {
    let world = World::new();
    let program = world.program("x");
    world.ok(&["remove", "x"]).stdout("");
    assert!(world.names().is_empty());
    let maps = fs::read_to_string(format!("/proc/{}/maps", program.pid())).unwrap();
    assert!(maps.lines().filter(|line| line.contains("/SYSV")).count() >= 1);
    world.ok(&["create", "x", "1"]);
}

#[test]
fn prune_leaves_what_is_in_use_kept_or_young() {
    let world = World::new();
    world.ok(&["create", "orphan", "1K"]);
    world.ok(&["create", "kept", "1", "--keep"]);
    let _program = world.program("used");
    world.ok(&["prune", "--older-than", "1h"]).stdout("");
    world
        .ok(&["prune", "--older-than", "0s", "--dry-run"])
        .stdout(is_match(r"^would remove orphan \(id \d+, 1 KiB\)\n$").unwrap());
    assert_eq!(world.names().len(), 3);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(is_match(r"^removed orphan \(id \d+, 1 KiB\)\n$").unwrap());
    let mut names = world.names();
    names.sort();
    assert_eq!(names, ["kept", "used"]);
}

#[test]
fn doctor_says_what_to_do() {
    let world = World::new();
    world.ok(&["create", "kept", "1", "--keep"]);
    let fine = |text: &str| !text.contains("orphans: 1") && text.contains("registry: 1 of ");
    let output = world.run(&["doctor"]);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(fine(&text), "{text}");
    for subject in [
        "shmmni",
        "shmall",
        "shmmax",
        "permissions",
        "shm_rmid_forced",
        "RemoveIPC",
    ] {
        assert!(text.contains(&format!("{subject}: ")), "{text}");
    }
    world.ok(&["create", "lost", "1K", "--mode", "666"]);
    world
        .run(&["doctor"])
        .code(1)
        .stdout(contains(
            "attention  orphans: 1 with 1 KiB; lost has been one longest",
        ))
        .stdout(contains(
            "-> remove those that nobody needs with 'shmutil prune",
        ))
        .stdout(contains(
            "every user of the system may write to 1 of 2 segments, such as lost",
        ));
}

#[test]
fn where_the_system_removes_what_nobody_has_mapped_create_refuses() {
    let world = World::new();
    let script = format!(
        "echo 1 >/proc/sys/kernel/shm_rmid_forced; echo 3 >/proc/sys/kernel/shmmni; \
         {SHMUTIL} create x 1; echo $?; {SHMUTIL} doctor; echo $?"
    );
    let mut unshare = Command::new("unshare");
    world.prepare(&mut unshare);
    let output = unshare
        .args(["--ipc", "sh", "-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if !output.status.success() && text.is_empty() || error.contains("cannot create") {
        return; // it takes a privilege
    }
    assert!(
        one_line("do sysctl -w kernel.shm_rmid_forced=0").eval(&error),
        "{error}"
    );
    assert!(text.starts_with("3\n") && text.ends_with("1\n"), "{text}");
    assert!(text.contains("attention  shm_rmid_forced: "), "{text}");
}

#[test]
fn limits_that_are_near_need_attention() {
    let world = World::new();
    let script = format!(
        "echo 4 >/proc/sys/kernel/shmmni; for name in a b c; do {SHMUTIL} create $name 1 --keep; \
         done; {SHMUTIL} doctor; {SHMUTIL} create d 1"
    );
    let mut unshare = Command::new("unshare");
    world.prepare(&mut unshare);
    let output = unshare
        .args(["--ipc", "sh", "-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if text.is_empty() || error.contains("cannot create") {
        return; // it takes a privilege
    }
    assert!(
        text.contains("attention  shmmni: 4 of 4 segments, that is 100%"),
        "{text}"
    );
    assert!(
        text.contains("-> as root: sysctl -w kernel.shmmni=8"),
        "{text}"
    );
    assert!(
        one_line("No space left on device; 'shmutil doctor'").eval(&error),
        "{error}"
    );
}

#[test]
fn holders_that_may_not_be_looked_at_are_told_as_unknown() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let program = world.program("x");
    let mut setpriv = Command::new("setpriv");
    world.prepare(&mut setpriv);
    let reader = copy_for_others(&world);
    let output = setpriv
        .args(["--reuid", "65534", "--regid", "0", "--clear-groups"])
        .args([reader.as_str(), "list"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        is_match(r"x +\d+ +4 KiB +1  \? +").unwrap().eval(&text),
        "{text} {:?}",
        output.stderr
    );
    drop(program);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| std::os::unix::fs::MetadataExt::uid(&this) == 0)
        && Command::new("setpriv").arg("--version").output().is_ok()
}

/// The command where every user may run it.
fn copy_for_others(world: &World) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    fs::copy(SHMUTIL, world.file("shmutil")).unwrap();
    for path in [world.directory.path(), Path::new(&world.path("shmutil"))] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    world.path("shmutil")
}

#[test]
fn another_user_is_told_what_is_not_allowed() {
    if !is_root() {
        return;
    }
    let world = World::new();
    world.ok(&[
        "load",
        "x",
        &world.write("x", b"secret"),
        "--create",
        "--mode",
        "640",
    ]);
    world.ok(&["create", "closed", "1", "--mode", "600"]);
    let command = copy_for_others(&world);
    let as_other = |arguments: &[&str]| {
        let mut setpriv = Command::new("setpriv");
        world.prepare(&mut setpriv);
        setpriv.args([
            "--reuid",
            "65534",
            "--regid",
            "0",
            "--clear-groups",
            &command,
        ]);
        Run::from_std({
            setpriv.args(arguments);
            setpriv
        })
        .assert()
    };
    // What may be read only is read all the same.
    as_other(&["save", "x", "-"]).success().stdout("secret");
    as_other(&["dump", "x"])
        .success()
        .stdout(contains("|secret|"));
    let advice = "do it as the segment's owner";
    as_other(&["load", "x", "/etc/passwd"])
        .code(3)
        .stderr(one_line(advice));
    // The group that may read it may not do these.
    for change in ["remove", "keep"] {
        as_other(&[change, "x"])
            .code(3)
            .stderr(is_match("; do it as the segment's owner or as root\n$").unwrap());
    }
    as_other(&["dump", "closed"])
        .code(3)
        .stderr(one_line(advice));
    as_other(&["doctor"])
        .code(1)
        .stdout(contains("you may not read and write"));
    assert_eq!(world.names().len(), 2);
}

#[test]
fn there_are_completions_for_each_shell() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.output(&["completions", shell]);
        assert!(script.contains("older-than"), "{shell}");
    }
    world.fails(&["completions", "csh"], 2, "bash");
}

#[test]
fn the_manual_page_is_fresh_and_well_formed() {
    let world = World::new();
    let page = world.output(&["man"]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man/shmutil.1");
    assert!(
        page == fs::read_to_string(committed).unwrap(),
        "make docs/man/shmutil.1 anew with 'shmutil man'"
    );
    let Ok(mut groff) = Command::new("groff")
        .args(["-man", "-ww", "-z", "-Tutf8"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    groff
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let output = groff.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let world = World::new();
    let version = format!("shmutil {}\n", env!("CARGO_PKG_VERSION"));
    world.ok(&["--version"]).stdout(version);
    world.ok(&["--help"]).stdout(contains("list"));
    world.ok(&["dump", "--help"]).stdout(contains("--diff"));
}

/// With one of its standard descriptors closed, or open for the wrong thing.
fn redirected(world: &World, arguments: &[&str], redirection: &str) -> (Option<i32>, String) {
    let mut shell = Command::new("sh");
    world.prepare(&mut shell);
    let script = format!("exec {SHMUTIL} \"$@\" {redirection}");
    let output = shell
        .args(["-c", &script, "sh"])
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), error)
}

#[test]
fn a_closed_or_read_only_output_is_an_error() {
    let world = World::new();
    world.ok(&["create", "x", "100K"]);
    for arguments in WRITERS {
        for redirection in [">&-", "1</dev/null"] {
            let (code, error) = redirected(&world, arguments, redirection);
            assert!(
                one_line("Bad file descriptor; it is closed, or").eval(&error),
                "{arguments:?} {redirection} {error}"
            );
            assert_eq!(code, Some(3), "{arguments:?} {redirection}");
        }
    }
    let (code, error) = redirected(&world, &["save", "x", "/dev/stdout"], ">&-");
    assert_eq!(code, Some(3), "{error}");
    // Who has nothing to say needs no output, and who fails says so.
    let nothing = ["prune", "--older-than", "1h"];
    assert_eq!(redirected(&world, &nothing, ">&- 2>&-").0, Some(0));
    assert_eq!(redirected(&world, &["stat", "none"], ">&- 2>&-").0, Some(4));
}

#[test]
fn a_closed_or_write_only_input_is_an_error() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    for arguments in [
        &["load", "x", "-"][..],
        &["load", "x", "/dev/stdin"],
        &["load", "y", "-", "--create"],
        &["load", "y", "-", "--create", "--size", "8"],
        &["dump", "x", "--diff", "-"],
    ] {
        for redirection in ["<&-", "0>/dev/null"] {
            let (code, error) = redirected(&world, arguments, redirection);
            assert!(
                one_line("Bad file descriptor; it is closed, or").eval(&error),
                "{arguments:?} {redirection} {error}"
            );
            assert_eq!(code, Some(3), "{arguments:?} {redirection}");
        }
    }
    assert_eq!(world.names(), ["x"]);
}

#[test]
fn a_load_that_fails_leaves_no_kept_segment() {
    let world = World::new();
    let empty = world.write("empty", b"");
    let file = world.write("file", b"12345678");
    let load = |arguments: &[&str], keep: &str, input: &str| {
        let mut command = Run::from_std(world.command(&["load", "new"]));
        command
            .args(arguments)
            .env("SHM_UTIL_KEEP", keep)
            .write_stdin(input.to_owned());
        command.assert()
    };
    for (option, variable) in [(Some("--keep"), "0"), (None, "1")] {
        let mut arguments = vec!["-", "--create", "--size", "100"];
        arguments.extend(option);
        load(&arguments, variable, "")
            .code(3)
            .stderr(one_line("empty; nothing was changed"));
        assert!(world.names().is_empty(), "{option:?} {variable}");
        arguments[0] = &empty;
        load(&arguments, variable, "").code(3);
        assert!(world.names().is_empty(), "{option:?} {variable}");
        // What succeeds is kept.
        let mut arguments = vec![file.as_str(), "--create"];
        arguments.extend(option);
        load(&arguments, variable, "").success();
        assert_eq!(world.json(&["stat", "new", "--json"])["state"], "kept");
        world.ok(&["remove", "new"]);
    }
}

#[test]
fn a_load_while_it_fills_its_segment_does_not_keep_it() {
    let world = World::new();
    let mut load = world
        .command(&["load", "new", "-", "--create", "--size", "10M", "--keep"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = load.stdin.take().unwrap();
    input.write_all(b"the beginning").unwrap();
    while world.names().is_empty() {
        std::thread::yield_now();
    }
    // It has been told to end where it can't tidy up.
    load.kill().unwrap();
    load.wait().unwrap();
    drop(input);
    let stat = world.json(&["stat", "new", "--json"]);
    assert_eq!(
        (&stat["kept"], &stat["state"]),
        (&false.into(), &"orphaned".into())
    );
}

#[test]
fn what_was_read_of_an_input_before_is_not_loaded() {
    let world = World::new();
    let bytes = noise(1000);
    let path = world.write("in", &bytes);
    for file in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let mut input = File::open(&path).unwrap();
        input.read_exact(&mut [0; 100]).unwrap();
        let mut command = world.command(&["load", "x", file, "--create"]);
        let output = command.stdin(input).output().unwrap();
        assert!(output.status.success(), "{file} {output:?}");
        let saved = world.ok(&["save", "x", "-"]);
        assert!(saved.get_output().stdout == bytes[100..], "{file}");
        world.ok(&["remove", "x"]);
    }
}

#[test]
fn a_load_with_a_size_takes_no_segment_of_another_size() {
    let world = World::new();
    let file = world.write("file", b"12345678");
    world.ok(&["create", "x", "8"]);
    world.fails(
        &["load", "x", &file, "--create", "--size", "5"],
        3,
        "'x', which is there already, with 8 bytes and not 5; remove it first",
    );
    world.ok(&["save", "x", "-"]).stdout(vec![0; 8]);
    world.ok(&["load", "x", &file, "--create", "--size", "8"]);
}

#[test]
fn a_save_to_a_device_gets_no_advice_for_files() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    let error = "'/dev/full': No space left on device";
    world
        .run(&["save", "x", "/dev/full"])
        .code(3)
        .stderr(is_match(format!("{error}\n$")).unwrap());
}

#[test]
fn bytes_are_not_saved_to_a_terminal() {
    let world = World::new();
    world.ok(&["create", "x", "8"]);
    if Command::new("script").arg("--version").output().is_err() {
        return;
    }
    let mut script = Command::new("script");
    world.prepare(&mut script);
    let output = script
        .args(["-qec", &format!("{SHMUTIL} save x -"), "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    assert!(
        one_line("not for a terminal: redirect").eval(&text),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_save_into_a_pipe_is_a_copy() {
    let world = World::new();
    let bytes = noise(4 << 20);
    world.ok(&["load", "x", &world.write("in", &bytes), "--create"]);
    let mut save = world
        .command(&["save", "x", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Who takes from the pipe does not copy, but keeps what is in it.
    let output = save.stdout.take().unwrap();
    let mut kept = Vec::new();
    loop {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let flags = SpliceFlags::empty();
        match rustix::pipe::splice(&output, None, &writer, None, 1 << 16, flags) {
            Ok(0) => break,
            moved => assert!(moved.is_ok(), "{moved:?}"),
        }
        kept.push(reader);
    }
    assert!(save.wait().unwrap().success());
    // It has ended, so what is written now was not in it.
    world.ok(&["load", "x", &world.write("zeros", &vec![0; 4 << 20])]);
    let mut read = Vec::new();
    for reader in kept {
        File::from(reader).read_to_end(&mut read).unwrap();
    }
    assert_eq!(read, bytes);
}

#[test]
fn dump_of_a_page_without_memory_is_an_error() {
    let world = World::new();
    // It takes a privilege, and a system that has no huge page left.
    let script = format!(
        "{} --exact huge_program --quiet; {SHMUTIL} dump huge; echo $?; \
         {SHMUTIL} save huge - | wc -c; {SHMUTIL} remove huge",
        env::current_exe().unwrap().display()
    );
    let mut unshare = Command::new("unshare");
    world.prepare(&mut unshare);
    let output = unshare
        .args(["--ipc", "sh", "-c", &script])
        .env("SHMUTIL_TEST_HUGE", "huge")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let is_free = fs::read_to_string("/proc/meminfo")
        .unwrap()
        .lines()
        .any(|line| line.starts_with("HugePages_Total:") && !line.ends_with(" 0"));
    if is_free || !output.status.success() || error.contains("No such file or directory") {
        return;
    }
    assert!(text.contains("\n3\n"), "{text} {error}");
    assert!(
        is_match("(?m)^shmutil: read 'huge': .*; the system may have no memory")
            .unwrap()
            .eval(&error),
        "{error}"
    );
}

/// Not a test but a program: it leaves a segment in huge pages that the system
/// does not have.
#[test]
fn huge_program() {
    let Ok(name) = env::var("SHMUTIL_TEST_HUGE") else {
        return;
    };
    let options = shm_util::Options::new().huge_pages(true).no_reserve(true);
    if let Ok(segment) = options.create(name, 2 << 20) {
        std::mem::forget(segment);
    }
}

#[test]
fn a_file_that_ends_before_the_offset_is_said_to_end_where_it_does() {
    let world = World::new();
    world.ok(&["create", "x", "1000"]);
    let file = world.write("file", &[0; 500]);
    world
        .run(&["dump", "x", "--diff", &file, "--offset", "600"])
        .code(1)
        .stderr("")
        .stdout("the file ends after 500 of the segment's 1000 bytes\n");
}

#[test]
fn prune_says_what_stays_because_it_is_another_users() {
    if !is_root() {
        return;
    }
    let world = World::new();
    // The name space is shared by group 0.
    world.ok(&["create", "roots", "1K"]);
    let command = copy_for_others(&world);
    let as_other = |arguments: &[&str]| {
        let mut setpriv = Command::new("setpriv");
        world.prepare(&mut setpriv);
        setpriv
            .args(["--reuid", "65534", "--regid", "0", "--clear-groups"])
            .arg(&command)
            .args(arguments);
        Run::from_std(setpriv).assert()
    };
    as_other(&["create", "others", "1K"]).success();
    let changed = || world.json(&["stat", "roots", "--json"])["changed"].clone();
    let before = changed();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let stays = "1 old orphan of other users stays, such as 'roots', which is user 0's: remove";
    as_other(&["prune", "--older-than", "0s", "--dry-run"])
        .success()
        .stdout(is_match(r"^would remove others \(id \d+, 1 KiB\)\n$").unwrap())
        .stderr(one_line(stays));
    as_other(&["prune", "--older-than", "0s"])
        .success()
        .stdout(is_match(r"^removed others \(id \d+, 1 KiB\)\n$").unwrap())
        .stderr(one_line(stays));
    as_other(&["prune", "--older-than", "1h"])
        .success()
        .stderr("");
    // To root it is all the same whose they are, and asking changes nothing.
    world
        .ok(&["prune", "--older-than", "0s", "--dry-run"])
        .stdout(contains("would remove roots"));
    assert_eq!(changed(), before);
    world.ok(&["prune", "--older-than", "0s"]);
    assert!(world.names().is_empty());
}

#[test]
fn what_to_do_about_a_damaged_registry_is_said_once() {
    let world = World::new();
    world.ok(&["create", "x", "1"]);
    let segment = world.json(&["stat", "x", "--json"])["id"].to_string();
    let text = String::from_utf8(world.run(&["doctor"]).get_output().stdout.clone()).unwrap();
    let registry = text.split("names (id ").nth(1).unwrap();
    let registry = registry.split(',').next().unwrap();
    // SAFETY: the segment is mapped where there is room.
    let address = unsafe { libc::shmat(registry.parse().unwrap(), std::ptr::null(), 0) };
    // SAFETY: it is mapped, and has that many bytes; nobody here uses it.
    unsafe { address.cast::<u8>().write_bytes(0x55, 64) };
    for arguments in [&["list"][..], &["stat", "x"], &["doctor"]] {
        let output = world.command(arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains("was overwritten"), "{text}");
        assert_eq!(text.matches("ipcrm").count(), 1, "{text}");
        assert!(!text.contains("'shmutil doctor'"), "{text}");
    }
    for id in [registry, &segment] {
        let status = Command::new("ipcrm").args(["-m", id]).status();
        assert!(status.unwrap().success());
    }
}

#[test]
fn doctor_counts_in_words_that_fit() {
    let world = World::new();
    let doctor = || {
        let output = world.run(&["doctor"]);
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    assert!(doctor().contains("permissions: there are no segments\n"));
    let _program = world.program("x");
    let text = doctor();
    assert!(
        text.contains("you may read and write the segment, and"),
        "{text}"
    );
    for wrong in ["1 mappings", " 1 segments", "of any size", " 0 segments,"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
}

#[test]
fn doctor_sees_that_a_registry_in_use_was_removed() {
    let world = World::new();
    let program = world.program("x,y");
    let ids: Vec<u64> = ["x", "y"]
        .map(|name| {
            world.json(&["stat", name, "--json"])["id"]
                .as_u64()
                .unwrap()
        })
        .to_vec();
    let doctor = || {
        let output = world.run(&["doctor"]);
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let text = doctor();
    assert!(!text.contains("lost names"), "{text}");
    let registry = text.split("names (id ").nth(1).unwrap();
    let registry = registry.split(',').next().unwrap();
    let status = Command::new("ipcrm").args(["-m", registry]).status();
    assert!(status.unwrap().success());
    let text = doctor();
    let lost = format!(
        "a registry was removed while in use; 2 segments in use may have lost their names: id \
         {}, {}\n",
        ids.iter().min().unwrap(),
        ids.iter().max().unwrap()
    );
    assert!(text.contains(&lost), "{text}");
    drop(program);
    for id in ids {
        // As doctor says.
        let _ = Command::new("ipcrm").args(["-m", &id.to_string()]).status();
    }
}
