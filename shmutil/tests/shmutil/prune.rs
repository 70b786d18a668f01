//! `prune`.

use predicates::str::is_match;

use crate::world::{SHMUTIL, World, leave_registry};

#[test]
fn prune_deletes_only_old_orphans() {
    let world = World::new();
    world.ok(&["create", "orphan", "1K"]);
    world.ok(&["create", "kept", "1", "--keep"]);
    let _program = world.program("used");
    world.ok(&["prune", "--older-than", "1h"]).stdout("");
    world
        .ok(&["prune", "--older-than", "0s", "--dry-run"])
        .stdout(is_match(r"^would delete orphan \(id \d+, 1 KiB\)\n$").unwrap());
    assert_eq!(world.names().len(), 3);
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(is_match(r"^deleted orphan \(id \d+, 1 KiB\)\n$").unwrap());
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
