//! `--all`: every namespace that a user may inspect; `--id`. The tests that inspect
//! all namespaces run in an IPC namespace of their own.

use predicates::prelude::*;
use predicates::str::{contains, is_match};
use serde_json::Value;

use crate::terminal::Terminal;
use crate::world::{
    AS_OTHER, SHMUTIL, World, can_switch_users, copy_for_others, leave_registry, one_line,
};

/// The beginning of a script in which `$S` is the command without NOB_DATABASE, and `$O` is the
/// same command as user 65534.
fn start(world: &World) -> String {
    let command = copy_for_others(world);
    let other = AS_OTHER.join(" ").replace("--regid 0", "--regid 65534");
    format!("unset NOB_DATABASE; S={command}; O='{other} {command}';")
}

/// Runs a script in which two users have segments in two namespaces each.
fn with_two_users(world: &World, script: &str) -> Option<(String, String)> {
    if !can_switch_users() {
        return None;
    }
    let start = start(world);
    world.script_in_own_ipc(&format!(
        "{start} $S create mine 1K; $S --namespace /a create x 1K --keep; \
         $O create theirs 2K; $O --namespace /b create x 3K; {script}"
    ))
}

#[test]
fn root_lists_the_namespaces_of_all_users() {
    let world = World::new();
    let Some((text, error)) = with_two_users(&world, "$S list --all; $S list") else {
        return;
    };
    assert_eq!(error, "");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    let patterns = [
        r"^NAMESPACE +NAME +ID +SIZE ",
        r"^user root +mine +\d+ +1 KiB +0  - ",
        r"^user nobody +theirs +\d+ +2 KiB ",
        r"^/a +x +\d+ +1 KiB .* kept$",
        r"^/b +x +\d+ +3 KiB .* orphaned for ",
        r"^NAME +ID ",
        r"^mine ",
    ];
    for (pattern, line) in patterns.into_iter().zip(lines) {
        assert!(is_match(pattern).unwrap().eval(line), "{pattern}: {line}");
    }
}

#[test]
fn json_has_the_namespace_of_each_segment() {
    let world = World::new();
    let script = "$S list --all --json; echo; $S stat mine --json";
    let Some((text, error)) = with_two_users(&world, script) else {
        return;
    };
    assert_eq!(error, "");
    let (list, stat) = text.split_once("\n\n").unwrap();
    let list: Value = serde_json::from_str(list).unwrap();
    let found: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["namespace"].as_str().unwrap(),
                one["name"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("user root", "mine"),
        ("user nobody", "theirs"),
        ("/a", "x"),
        ("/b", "x"),
    ];
    assert_eq!(found, expected);
    assert!(!stat.contains("namespace"), "{stat}");
}

#[test]
fn another_user_sees_its_own_and_is_told_what_is_missing() {
    let world = World::new();
    let Some((text, error)) = with_two_users(&world, "$O list --all; echo $?") else {
        return;
    };
    let is_expected = is_match(r"^NAMESPACE .*\nuser nobody +theirs .*\n/b +x .*\n0\n$").unwrap();
    assert!(is_expected.eval(&text), "{text}");
    let skipped = one_line(
        "2 namespaces cannot be inspected, such as the one whose registry is segment \\d+ of \
         user root: Permission denied",
    );
    assert!(skipped.eval(&error), "{error}");
}

#[test]
fn a_user_who_has_no_segments_sees_an_empty_table() {
    let world = World::new();
    let Some((text, error)) = world.script_in_own_ipc(&format!(
        "unset NOB_DATABASE; {SHMUTIL} list --all; {SHMUTIL} list --all --json; ipcs -m"
    )) else {
        return;
    };
    assert_eq!(error, "");
    assert!(
        text.starts_with("NAMESPACE") && text.contains("\n[]\n"),
        "{text}"
    );
    assert!(!text.contains("0x"), "no registry is created: {text}");
}

#[test]
fn a_user_namespace_shows_who_is_outside() {
    let world = World::new();
    // Root of the user namespace is user 65534 outside, and has no privileges there.
    let script = "$O --namespace /c create y 1; \
                  setpriv --reuid 65534 --regid 65534 --clear-groups \
                  unshare --user --map-root-user $S list --all";
    let Some((text, error)) = with_two_users(&world, script) else {
        return;
    };
    if error.contains("unshare") {
        return crate::world::skip("this needs user namespaces");
    }
    let is_expected =
        is_match(r"^NAMESPACE .*\nuser root +theirs .*\n/b +x .*\n/c +y .*\n$").unwrap();
    assert!(is_expected.eval(&text), "{text}{error}");
    assert!(
        one_line("2 namespaces cannot be inspected").eval(&error),
        "{error}"
    );
}

#[test]
fn prune_deletes_the_orphans_of_all_users() {
    let world = World::new();
    let script = "$S prune --all --older-than 0s --dry-run; $S prune --all --older-than 1h; echo; \
                  $S prune --all --older-than 0s; $S list --all";
    let Some((text, error)) = with_two_users(&world, script) else {
        return;
    };
    assert_eq!(error, "");
    let lines = |verb| {
        format!(
            r"{verb} mine \(id \d+, 1 KiB\) in the namespace of user root\n\
              {verb} theirs \(id \d+, 2 KiB\) in the namespace of user nobody\n\
              {verb} x \(id \d+, 3 KiB\) in namespace '/b'\n"
        )
    };
    let pattern = format!(
        r"^{}\n{}removed 2 empty registries that programs left behind\nNAMESPACE.*\n/a +x .*\n$",
        lines("would delete"),
        lines("deleted")
    )
    .replace("\\\n              ", "");
    assert!(is_match(pattern).unwrap().eval(&text), "{text}");
}

#[test]
fn another_user_prunes_only_its_own() {
    let world = World::new();
    let script = "$O prune --all --older-than 0s; $S list --all --json";
    let Some((text, error)) = with_two_users(&world, script) else {
        return;
    };
    assert!(
        one_line("2 namespaces cannot be inspected").eval(&error),
        "{error}"
    );
    let (deleted, left) = text.split_once('[').unwrap();
    assert_eq!(deleted.matches("deleted ").count(), 2, "{deleted}");
    let left: Value = serde_json::from_str(&format!("[{left}")).unwrap();
    assert_eq!(left.as_array().unwrap().len(), 2, "{left}");
}

#[test]
fn root_prunes_for_another_user_only_what_that_user_created() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    // Root shares a namespace by its group, and later has another group, so it no longer trusts
    // the registry, which user 65534 created.
    let start = start(&world);
    let member = format!("{} {}", AS_OTHER.join(" "), world.path("shmutil"));
    let script = format!(
        "{start} {member} --namespace /shared create theirs 1K; \
         $S --namespace /shared create roots 1K; \
         for run in --dry-run ''; do \
         setpriv --regid 12345 --clear-groups $S prune --all --older-than 0s $run; done; \
         setpriv --regid 12345 --clear-groups $S list --all"
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    let pattern = r"^would delete theirs \(id \d+, 1 KiB\) in namespace '/shared'\ndeleted theirs .*\n(removed .*\n)?NAMESPACE.*\n/shared +roots ";
    assert!(is_match(pattern).unwrap().eval(&text), "{text}{error}");
    let skipped = "skipped 1 old orphan of other users, such as 'roots' of user 0; run";
    assert_eq!(error.matches(skipped).count(), 2, "{error}");
}

#[test]
fn a_namespace_whose_registry_was_removed_is_not_listed() {
    let world = World::new();
    let script = "id=$($O doctor | sed -n 's/.*names (id \\([0-9]*\\),.*/\\1/p'); \
                  ipcrm -m $id; $S list --all; echo $?";
    let Some((text, error)) = with_two_users(&world, script) else {
        return;
    };
    assert_eq!(error, "");
    assert!(text.ends_with("\n0\n") && text.contains("/b "), "{text}");
    assert!(!text.contains("theirs"), "{text}");
}

#[test]
fn a_damaged_namespace_is_reported_and_the_others_are_listed() {
    let (world, other) = (World::new(), World::new());
    world.ok(&["create", "lost", "1"]);
    other.ok(&["create", "x", "1"]);
    let segment = world.json(&["stat", "lost", "--json"])["id"].to_string();
    let doctor = world.doctor();
    let registry = crate::world::registry_id(&doctor);
    crate::world::overwrite(registry);
    for arguments in [
        &["list", "--all"][..],
        &["prune", "--all", "--dry-run", "--older-than", "1d"],
    ] {
        world
            .run(arguments)
            .code(1)
            .stderr(contains(format!("registry {registry} of namespace")).count(1))
            .stderr(contains("cannot be inspected"));
    }
    // There, the damaged namespace is not the selected one.
    other
        .run(&["list", "--all"])
        .stdout(contains(&other.namespace))
        .stderr(contains("cannot be inspected"));
    for id in [registry, &segment] {
        let status = std::process::Command::new("ipcrm")
            .args(["-m", id])
            .status();
        assert!(status.unwrap().success());
    }
}

#[test]
fn doctor_checks_all_namespaces() {
    let world = World::new();
    let script = "$S --namespace /c create lost 1K; $S doctor --all; echo $?; $O doctor --all; \
                  $S doctor";
    let Some((text, error)) = with_two_users(&world, script) else {
        return;
    };
    assert_eq!(error, "");
    let (roots, rest) = text.split_once("\n1\n").unwrap();
    for expected in [
        r"ok         registry of the namespace of user nobody: 1 of \d+ names",
        r"attention  orphans of the namespace of user nobody: 1 orphan, 2 KiB; oldest: 'theirs' ",
        r"ok         registry of namespace '/a': 1 of ",
        r"ok         orphans of namespace '/a': none\n",
        r"ok         permissions of namespace '/b': you can read and write the only segment",
        r"orphans of namespace '/b': .*\n.* 'shmutil prune --all --older-than AGE'\n",
        r"orphans of namespace '/c': .*\n.* 'shmutil --namespace /c prune --older-than AGE'",
    ] {
        assert!(
            is_match(expected).unwrap().eval(roots),
            "{expected}: {roots}"
        );
    }
    assert!(
        !roots.contains("registry of the namespace of user root"),
        "{roots}"
    );
    assert!(
        rest.contains("ok         others: 3 namespaces cannot be inspected"),
        "{rest}"
    );
    assert_eq!(
        rest.matches("orphans of namespace '/b'").count(),
        1,
        "{rest}"
    );
}

#[test]
fn prune_all_removes_registries_that_any_user_left_behind() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    let start = start(&world);
    let other = AS_OTHER.join(" ");
    let leave = leave_registry();
    let (environment, program) = leave.split_at(leave.find(" /").unwrap());
    // Others may not read the directory of the program that leaves the registry.
    let script = format!(
        "{start} cp {} {dir}/leaver; chmod 755 {dir}/leaver; \
         {environment} {other} {dir}/leaver --exact world::leaver --quiet >/dev/null; \
         $S prune --older-than 1h; $S prune --all --older-than 1h --dry-run; \
         $S prune --all --older-than 1h; ipcs -m",
        program.split_whitespace().next().unwrap(),
        dir = world.directory.path().display(),
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(error, "");
    let expected = "would remove 1 empty registry that programs left behind\n\
                    removed 1 empty registry that programs left behind\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(!text.contains("0x"), "{text}");
}

#[test]
fn the_table_of_all_fits_the_terminal() {
    let world = World::new();
    let name = "measurements/plant-7/line-3/station-12/temperature/raw.bin";
    let namespace = format!("{}/{name}", world.namespace);
    world.ok(&["--namespace", &namespace, "create", name, "10M", "--keep"]);
    for columns in [60, 80, 100, 120] {
        let (_, text) = Terminal::run(&mut world.command(&["list", "--all"]), columns, 24);
        let text = anstream::adapter::strip_str(&text).to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= columns.into(), "{columns} {line}");
        }
        assert!(text.contains("NAMESPACE"), "{text}");
        assert!(!text.contains(name), "{text}");
    }
    let list = world.output(&["list", "--all"]);
    assert!(list.contains(&namespace) && list.contains(name), "{list}");
    world.ok(&["--namespace", &namespace, "remove", name]);
}

#[test]
fn remove_by_identifier_removes_segments_of_the_namespace_only() {
    let (world, other) = (World::new(), World::new());
    let id = |world: &World, name: &str| world.json(&["stat", name, "--json"])["id"].to_string();
    for name in ["a", "b", "c", "d"] {
        world.ok(&["create", name, "1"]);
    }
    other.ok(&["create", "theirs", "1"]);
    let a = id(&world, "a");
    world
        .ok(&["stat", "--id", &a])
        .stdout(contains(format!("id         {a}\n")));
    world
        .ok(&["dump", "--id", &a, "--length", "1"])
        .stdout(contains("00000000  00"));
    world.ok(&["remove", "--id", &a]).stdout("");
    for command in ["stat", "dump"] {
        world.fails(
            &[command, "--id", &a],
            4,
            "run 'shmutil list' to see the names",
        );
    }
    let both = [id(&world, "b"), id(&world, "c")];
    world.ok(&["remove", "--id", &both[0], "--id", &both[1]]);
    assert_eq!(world.names(), ["d"]);
    let namespace = &world.namespace;
    let theirs = id(&other, "theirs");
    world.fails(
        &["remove", "--id", &theirs],
        4,
        &format!(
            "no segment with id {theirs} in namespace '{namespace}': No such file or directory; \
             this is a segment of another namespace, or one that has no name: 'shmutil list \
             --all' shows which"
        ),
    );
    assert_eq!(other.names(), ["theirs"]);
    let doctor = world.doctor();
    let registry = crate::world::registry_id(&doctor);
    world.fails(
        &["remove", "--id", registry],
        4,
        "; this is a registry, which programs remove",
    );
    // SAFETY: shmget takes numbers only.
    let stranger = unsafe { libc::shmget(libc::IPC_PRIVATE, 1, 0o600) };
    let stranger_id = stranger.to_string();
    world.fails(
        &["remove", "--id", &stranger_id],
        4,
        &format!("; this is another program's segment, which 'ipcrm -m {stranger_id}' removes"),
    );
    // SAFETY: IPC_RMID ignores the third argument.
    let removed = unsafe { libc::shmctl(stranger, libc::IPC_RMID, std::ptr::null_mut()) };
    assert_eq!(removed, 0);
    world.fails(
        &["remove", "--id", "2147483647"],
        4,
        "run 'shmutil list' to see the names that exist",
    );
    let d = id(&world, "d");
    world
        .run(&["remove", "x", "--id", &d, "--id", "2147483647"])
        .code(4)
        .stdout("")
        .stderr(contains(format!("shmutil: removed 1 of 3 names: id {d}\n")));
    assert!(world.names().is_empty());
}

#[test]
fn remove_takes_a_name_or_an_identifier() {
    let world = World::new();
    world.fails(&["remove"], 2, "required arguments were not provided");
    world.fails(
        &["remove", "--id", "-1"],
        2,
        "invalid value '-1' for '--id <ID>'",
    );
    world.fails(
        &["remove", "--id", "x"],
        2,
        "invalid value 'x' for '--id <ID>'",
    );
}

#[test]
fn identifiers_of_another_users_segments_are_refused() {
    if !can_switch_users() {
        return;
    }
    let world = World::new();
    let start = start(&world);
    let member = format!("{} {}", AS_OTHER.join(" "), world.path("shmutil"));
    let script = format!(
        "{start} {member} --namespace /shared create theirs 1; \
         $S --namespace /shared create roots 1; \
         id=$($S --namespace /shared stat roots --json | sed -n 's/.*\"id\": \\([0-9]*\\).*/\\1/p'); \
         {member} --namespace /shared remove --id $id; echo $?; $S --namespace /shared list --names"
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(text, "3\nroots\ntheirs\n");
    assert!(
        one_line("run this as the segment's owner or as root").eval(&error),
        "{error}"
    );
}
