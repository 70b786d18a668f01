//! Segments of other users.

use std::process::Command;

use assert_cmd::Command as Run;
use predicates::str::{contains, is_match};

use crate::world::{World, as_other, can_switch_users, copy_for_others, one_line};

#[test]
fn holders_that_may_not_be_inspected_are_shown_as_unknown() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    let program = world.program("x");
    let command = copy_for_others(&world);
    as_other(&world, &command, &["list"])
        .success()
        .stdout(is_match(r"x +\d+ +4 KiB +1  \? +").unwrap());
    drop(program);
}

#[test]
fn another_user_gets_advice_about_permissions() {
    if !can_switch_users() {
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
    let as_other = |arguments: &[&str]| as_other(&world, &command, arguments);
    // A segment that may only be read can be saved and dumped.
    as_other(&["save", "x", "-"]).success().stdout("secret");
    as_other(&["dump", "x"])
        .success()
        .stdout(contains("|secret|"));
    let advice = "run this as the segment's owner";
    as_other(&["load", "x", "/etc/passwd"])
        .code(3)
        .stderr(one_line(advice));
    // Members of the group may read it, but not change it.
    for change in ["remove", "keep"] {
        as_other(&[change, "x"])
            .code(3)
            .stderr(
                is_match(
                    r"segment 'x' \(id \d+\) of user 0: Operation not permitted; run this as the segment's owner or as root\n$",
                )
                .unwrap(),
            );
    }
    as_other(&["dump", "closed"])
        .code(3)
        .stderr(one_line(advice));
    as_other(&["doctor"])
        .code(1)
        .stdout(contains("you cannot read and write"));
    assert_eq!(world.names().len(), 2);
}

#[test]
fn a_namespace_of_other_users_comes_with_advice_about_the_namespace() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    world.ok(&["create", "x", "1"]);
    let command = copy_for_others(&world);
    let mut stranger = Command::new("setpriv");
    world.prepare(&mut stranger);
    stranger.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    stranger.arg(command).args(["stat", "x"]);
    Run::from_std(stranger).assert().code(3).stderr(
        is_match("join that group, or choose another namespace: Permission denied\n$").unwrap(),
    );
}

#[test]
fn prune_reports_orphans_of_other_users() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    // Group 0 shares the namespace.
    world.ok(&["create", "roots", "1K"]);
    let command = copy_for_others(&world);
    let as_other = |arguments: &[&str]| as_other(&world, &command, arguments);
    as_other(&["create", "others", "1K"]).success();
    let changed = || world.json(&["stat", "roots", "--json"])["changed"].clone();
    let before = changed();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    as_other(&["doctor"])
        .code(1)
        .stdout(contains(
            "\n           -> delete those that are not needed with 'shmutil prune",
        ))
        .stdout(contains(
            "; 1 belongs to another user, 0: ask that user, or root\n",
        ));
    let stays = "skipped 1 old orphan of other users, such as 'roots' of user 0; run";
    as_other(&["prune", "--older-than", "0s", "--dry-run"])
        .success()
        .stdout(is_match(r"^would delete others \(id \d+, 1 KiB\)\n$").unwrap())
        .stderr(one_line(stays));
    as_other(&["prune", "--older-than", "0s"])
        .success()
        .stdout(is_match(r"^deleted others \(id \d+, 1 KiB\)\n$").unwrap())
        .stderr(one_line(stays));
    as_other(&["prune", "--older-than", "1h"])
        .success()
        .stderr("");
    as_other(&["doctor"]).code(1).stdout(contains(
        "-> 1 belongs to another user, 0: ask that user, or root\n",
    ));
    // Root may delete all of them, and a dry run changes nothing.
    world
        .ok(&["prune", "--older-than", "0s", "--dry-run"])
        .stdout(contains("would delete roots"));
    assert_eq!(changed(), before);
    world.ok(&["prune", "--older-than", "0s"]);
    assert!(world.names().is_empty());
}

/// Bytes of a segment that are in memory.
fn in_memory(world: &World, name: &str) -> u64 {
    let id = world.json(&["stat", name, "--json"])["id"].to_string();
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let row = table
        .lines()
        .find(|row| row.split_whitespace().nth(1) == Some(&id));
    let column = row.unwrap().split_whitespace().nth(14);
    column.unwrap().parse().unwrap()
}

#[test]
fn an_ordinary_user_allocates_nothing_by_saving_and_dumping_a_sparse_segment() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    world.ok(&["create", "x", "256M"]);
    let file = world.write("in", &[7; 10]);
    world.run(&["load", "x", &file]).code(1); // the file is shorter
    let before = in_memory(&world, "x");
    assert!(before < 1 << 20);
    let command = copy_for_others(&world);
    let script = format!("'{command}' save x - | tail -c +11 | cmp -n 268435446 - /dev/zero");
    as_other(&world, "sh", &["-c", &script]).success();
    as_other(&world, &command, &["dump", "x"])
        .success()
        .stdout(contains("07 07"))
        .stdout(contains("\n10000000\n"));
    as_other(
        &world,
        "sh",
        &["-c", &format!("'{command}' save x - >/dev/null")],
    )
    .success();
    assert_eq!(in_memory(&world, "x"), before);
}
