//! `wait`.

use std::thread;
use std::time::{Duration, Instant};

use crate::world::World;

#[test]
fn wait_ends_at_once_if_the_segment_exists() {
    let world = World::new();
    world.ok(&["create", "x", "1"]);
    let last_pid = || world.json(&["stat", "x", "--json"])["last_pid"].clone();
    let creator = last_pid();
    world.ok(&["wait", "x"]).stdout("");
    world.ok(&["wait", "x", "--timeout", "0s"]).stdout("");
    // A wait attaches nothing.
    assert_eq!(last_pid(), creator);
}

#[test]
fn wait_ends_when_the_segment_is_created() {
    for limit in [&[][..], &["--timeout", "60s"]] {
        let world = World::new();
        let mut arguments = vec!["wait", "x"];
        arguments.extend(limit);
        let mut waiter = world.command(&arguments).spawn().unwrap();
        thread::sleep(Duration::from_millis(300));
        world.ok(&["create", "another", "1"]);
        thread::sleep(Duration::from_millis(100));
        assert_eq!(waiter.try_wait().unwrap(), None);
        let start = Instant::now();
        world.ok(&["create", "x", "1"]);
        assert!(waiter.wait().unwrap().success());
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn wait_looks_in_the_namespace_of_the_option() {
    let (world, other) = (World::new(), World::new());
    other.ok(&["create", "x", "1"]);
    let wait = ["wait", "x", "--timeout", "0s"];
    world.fails(&wait, 4, "no segment 'x'");
    world.ok(&[&["--namespace", &other.namespace], &wait[..]].concat());
}

#[test]
fn a_wait_that_reaches_its_limit_ends_with_status_4() {
    let world = World::new();
    let start = Instant::now();
    world.fails(
        &["wait", "x", "--timeout", "300ms"],
        4,
        "no segment 'x' in namespace '.*' after 300 ms: (Connection|Operation) timed out; check that \
         the program that creates it is running and uses this namespace",
    );
    assert!(start.elapsed() >= Duration::from_millis(300));
    world.fails(
        &["wait", "x", "--timeout", "0s"],
        4,
        "after 0 ms: (Connection|Operation) timed out; check",
    );
    // The registry that the waits have created is gone.
    let doctor = world.doctor();
    assert!(doctor.contains("registry: none yet"), "{doctor}");
}

#[test]
fn a_wait_reports_other_errors() {
    let world = World::new();
    world.fails(&["wait", "x", "--timeout", "soon"], 2, "expected a time");
    world.fails(&["wait", "x", "--timeout=-1s"], 2, "cannot be negative");
    let long = "x".repeat(1001);
    world.fails(
        &["wait", &long],
        3,
        "File ?name too long; choose a shorter name",
    );
}
