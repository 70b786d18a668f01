//! `prune`.

use predicates::prelude::*;
use predicates::str::is_match;

use crate::world::{SHMUTIL, World, leave_registry, pruned};

#[test]
fn prune_deletes_only_old_orphans() {
    let world = World::new();
    world.ok(&["create", "orphan", "1K"]);
    world.ok(&["create", "kept", "1", "--keep"]);
    let _program = world.program("used");
    world
        .ok(&["prune", "--older-than", "1h"])
        .stdout(pruned(""));
    world
        .ok(&["prune", "--older-than", "0s", "--dry-run"])
        .stdout(pruned(r"would delete orphan \(id \d+, 1 KiB\)\n"));
    assert_eq!(world.names().len(), 3);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(pruned(r"deleted orphan \(id \d+, 1 KiB\)\n"));
    let mut names = world.names();
    names.sort();
    assert_eq!(names, ["kept", "used"]);
}

#[test]
fn read_only_commands_delete_nothing() {
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
fn only_prune_deletes_a_hidden_segment_whose_creator_has_died() {
    let world = World::new();
    world.ok(&["create", "z", "1K"]);
    let mut program = world.hidden_program("hidden");
    let doctor = |text: &str| {
        for arguments in [&["doctor"][..], &["doctor", "--all"]] {
            let output = world.command(arguments).output().unwrap();
            let all = String::from_utf8(output.stdout).unwrap();
            assert!(all.contains(text), "{all}");
        }
    };
    doctor("ok         hidden: 1 hidden segment, 4 KiB, is being filled\n");
    let old = ["prune", "--older-than", "1h"];
    let dry = ["prune", "--older-than", "1h", "--dry-run"];
    world.ok(&dry).stdout(pruned(""));
    world.ok(&old).stdout(pruned(""));
    program.kill();
    let shown = r"delete.* hidden \(id \d+, 4 KiB, hidden, its creator has died\)";
    for _ in 0..2 {
        world.ok(&["list"]);
        world.ok(&["list", "--all"]);
        world.ok(&["stat", "z"]);
        world.fails(&["stat", "hidden"], 4, "no segment 'hidden'");
        doctor(
            "attention  hidden: 1 hidden segment, 4 KiB, whose creator has died; deleted by the \
             next create or prune\n",
        );
        let expected = pruned(&format!("would {shown}\n"));
        world.ok(&dry).stdout(expected);
        let all = ["prune", "--older-than", "1h", "--dry-run", "--all"];
        let expected = is_match(format!("would {shown} in namespace")).unwrap();
        world.run(&all).success().stdout(expected);
    }
    let deleted = pruned(&format!("{shown}\n"));
    world.ok(&old).stdout(deleted);
    world.ok(&dry).stdout(pruned(""));
    assert!(!world.doctor().contains("hidden"));
}

#[test]
fn what_is_hidden_in_a_registry_that_was_left_behind_is_reported_with_it() {
    let world = World::new();
    let script = format!(
        "{SHMUTIL} prune --older-than 1d --all --dry-run; {SHMUTIL} prune --older-than 1d --all"
    );
    let run = || {
        let mut shell = std::process::Command::new("sh");
        world.prepare(&mut shell);
        let output = shell.args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let what = r"hidden \(id \d+, 4 KiB, hidden, its creator has died\) in a registry that";
    let would_delete = is_match(format!("(?m)^would delete {what}")).unwrap();
    let deleted = is_match(format!("(?m)^deleted {what}")).unwrap();
    // Another test that creates a registry may have swept this one meanwhile.
    let is_reported = || {
        world.hidden_program("hidden").kill();
        let text = run();
        assert!(!run().contains("hidden"));
        would_delete.eval(&text) && deleted.eval(&text) && text.matches(" hidden (id").count() == 2
    };
    assert!((0..50).any(|_| is_reported()));
}

#[test]
fn prune_prints_in_the_order_of_list() {
    let world = World::new();
    let names = ["d", "b", "e", "a", "c"];
    for name in names {
        world.ok(&["create", name, "1K"]);
    }
    let order = is_match(r"^(?s)\S+ a .*\S+ b .*\S+ c .*\S+ d .*\S+ e ").unwrap();
    let prune = ["prune", "--older-than", "0s"];
    for arguments in [&[&prune[..], &["--dry-run"]].concat(), &prune[..]] {
        let text = world.output(arguments).replace("would delete", "deleted");
        assert!(order.eval(&text), "{text}");
    }
}

#[test]
fn prune_removes_registries_that_were_left_behind() {
    let world = World::new();
    let leave = leave_registry();
    let script = format!(
        "{leave}; {SHMUTIL} prune --older-than 1d --dry-run; {SHMUTIL} prune --older-than 1d; \
         {SHMUTIL} prune --older-than 1d; ipcs -m"
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(error, "");
    let expected = "would remove 1 empty registry that programs left behind\n\
                    removed 1 empty registry that programs left behind\n\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains("0x"), "{text}");
}
