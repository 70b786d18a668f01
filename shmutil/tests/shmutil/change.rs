//! `create`, `keep` and `remove`.

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;

use crate::world::{SHMUTIL, World, one_line, pruned};

#[test]
fn create_leaves_a_segment() {
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
    let long = "n".repeat(1001);
    for (arguments, doing) in [
        (&["create", &long, "1"][..], "create"),
        (&["stat", &long], "look at"),
        (&["keep", &long], "keep"),
        (&["remove", &long], "remove"),
    ] {
        let error = format!(
            "{doing} segment 'n{{32}}'\\.\\.\\.: the name has 1001 bytes, the limit is 1000: File \
             ?name too long; choose a shorter name"
        );
        world.fails(arguments, 3, &error);
    }
    assert_eq!(world.json(&["stat", "one", "--json"])["size"], 65536);
}

#[test]
fn a_kept_segment_outlives_its_holders_until_its_name_is_removed() {
    let world = World::new();
    let program = world.program("x,y");
    world.ok(&["keep", "x"]);
    // At the end of its standard input the program destroys its segments.
    let mut program = program;
    drop(program.child.stdin.take());
    program.child.wait().unwrap();
    assert_eq!(world.names(), ["x"]);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(pruned(""));
    world.ok(&["keep", "x", "--off"]);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(contains("deleted x (id "));
    assert!(world.names().is_empty());
}

#[test]
fn remove_frees_the_name_and_leaves_the_bytes_to_holders() {
    let world = World::new();
    let program = world.program("x");
    world.ok(&["remove", "x"]).stdout("");
    assert!(world.names().is_empty());
    let maps = fs::read_to_string(format!("/proc/{}/maps", program.pid())).unwrap();
    assert!(maps.lines().filter(|line| line.contains("/SYSV")).count() >= 1);
    world.ok(&["create", "x", "1"]);
}

#[test]
fn remove_states_what_it_did_if_it_cannot_remove_all_names() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.ok(&["create", name, "1"]);
    }
    world.ok(&["remove", "a", "c"]).stdout("");
    assert_eq!(world.names(), ["b"]);
    let no_such = |name| {
        let namespace = &world.namespace;
        format!(
            "shmutil: no segment '{name}' in namespace '{namespace}': No such file or directory; \
             run 'shmutil list' to see the names that exist\n"
        )
    };
    let expected = format!(
        "shmutil: removed 1 of 3 names: 'b'\n{}{}",
        no_such("a"),
        no_such("c")
    );
    world
        .run(&["remove", "a", "b", "c"])
        .code(4)
        .stdout("")
        .stderr(expected);
    let expected = format!(
        "shmutil: removed 0 of 2 names\n{}{}",
        no_such("a"),
        no_such("b")
    );
    world.run(&["remove", "a", "b"]).code(4).stderr(expected);
    // Another failure is more than a name that does not exist.
    let long = "n".repeat(1001);
    world.run(&["remove", &long, "a"]).code(3);
}

#[test]
fn create_refuses_if_shm_rmid_forced_would_delete_the_segment() {
    let world = World::new();
    let script = format!(
        "echo 1 >/proc/sys/kernel/shm_rmid_forced; echo 3 >/proc/sys/kernel/shmmni; \
         {SHMUTIL} create x 1; echo $?; {SHMUTIL} doctor; echo $?"
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert!(
        one_line("run sysctl -w kernel.shm_rmid_forced=0").eval(&error),
        "{error}"
    );
    assert!(text.starts_with("3\n") && text.ends_with("1\n"), "{text}");
    assert!(text.contains("attention  shm_rmid_forced: "), "{text}");
}
