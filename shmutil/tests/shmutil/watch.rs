//! `list --watch`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use predicates::prelude::*;

use crate::terminal::Terminal;
use crate::world::{SHMUTIL, World, one_line, overwrite, registry_id};

#[test]
fn watch_prints_until_the_reader_closes_the_pipe() {
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

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// Starts watching on a terminal, and waits until the list is on it.
fn watch(world: &World, rows: u16) -> Terminal {
    let mut command = world.command(&["list", "--watch", "1"]);
    let terminal = Terminal::start(&mut command, 80, rows);
    // The first frame is there long before the second one.
    thread::sleep(Duration::from_millis(1500));
    terminal
}

#[test]
fn an_interrupt_restores_the_screen() {
    let world = World::new();
    world.ok(&["create", "watched", "10"]);
    let mut terminal = watch(&world, 24);
    terminal.enter("\x03");
    let (status, text) = terminal.finish();
    assert_eq!(status.signal(), Some(libc::SIGINT));
    assert!(text.starts_with(ENTER), "{text:?}");
    assert_eq!(text.matches(LEAVE).count(), 1, "{text:?}");
    assert!(text.ends_with(LEAVE), "{text:?}");
    assert!(text.contains("watched "), "{text:?}");
}

#[test]
fn an_error_restores_the_screen_before_it_is_printed() {
    let world = World::new();
    world.ok(&["create", "watched", "10"]);
    let segment = world.json(&["stat", "watched", "--json"])["id"].to_string();
    let doctor = world.doctor();
    let registry = registry_id(&doctor);
    let terminal = watch(&world, 24);
    overwrite(registry);
    let (status, text) = terminal.finish();
    assert_eq!(status.code(), Some(3), "{text:?}");
    let (_, error) = text.split_once(LEAVE).unwrap();
    assert!(one_line("was overwritten").eval(error), "{text:?}");
    for id in [registry, &segment] {
        let status = Command::new("ipcrm").args(["-m", id]).status();
        assert!(status.unwrap().success());
    }
}

#[test]
fn the_list_is_cut_to_one_screen() {
    let world = World::new();
    for number in 0..6 {
        world.ok(&["create", &format!("segment-{number:02}"), "10"]);
    }
    let mut terminal = watch(&world, 7);
    terminal.enter("\x03");
    let (_, text) = terminal.finish();
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(text.contains("Every 1s: 6 segments "), "{text}");
    assert!(text.contains("segment-02"), "{text}");
    assert!(!text.contains("segment-03"), "{text}");
    assert!(text.contains("... 3 more"), "{text}");
}

#[test]
fn a_terminal_without_an_alternate_screen_gets_plain_text() {
    let world = World::new();
    world.ok(&["create", "watched", "10"]);
    let mut shell = Command::new("sh");
    world.prepare(&mut shell);
    // Terminal sets TERM.
    shell.args(["-c", &format!("TERM=dumb exec {SHMUTIL} list --watch 1")]);
    let mut terminal = Terminal::start(&mut shell, 80, 24);
    thread::sleep(Duration::from_millis(1500));
    terminal.enter("\x03");
    let (_, text) = terminal.finish();
    assert!(!text.contains(ENTER), "{text:?}");
    assert!(text.matches("watched").count() >= 2, "{text:?}");
}
