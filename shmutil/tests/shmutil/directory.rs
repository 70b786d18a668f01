//! Directory namespaces, whose segments are files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::Command as Run;
use predicates::prelude::*;
use predicates::str::{contains, is_match, starts_with};

use crate::world::{
    SHMUTIL, World, as_other, can_switch_users, copy_for_others, leave_registry, noise, one_line,
    skip,
};

#[test]
fn a_segment_is_created_saved_loaded_and_removed() {
    let world = World::of_directory();
    let bytes = noise(3_000_001);
    let file = world.write("in", &bytes);
    world.ok(&["load", "a/b", &file, "--create", "--mode", "640"]);
    assert_eq!(world.files(), ["a%2Fb"]);
    let path = Path::new(&world.namespace).join("a%2Fb");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert!(world.ok(&["save", "a/b", "-"]).get_output().stdout == bytes);
    world.ok(&["save", "a/b", &world.path("out")]);
    assert!(fs::read(world.file("out")).unwrap() == bytes);
    world.ok(&["dump", "a/b", "--diff", &file]).stdout("");
    world.fails(
        &["create", "a/b", "1"],
        3,
        "already exists with 3000001 b.*remove a/b",
    );
    world.ok(&["remove", "a/b"]);
    assert!(world.files().is_empty());
}

#[test]
fn a_pipe_carries_the_bytes() {
    let world = World::of_directory();
    let bytes = noise(3_000_001);
    world.ok(&["load", "from", &world.write("in", &bytes), "--create"]);
    for options in [&["--create"][..], &["--create", "--size", "3000001"]] {
        let mut save = world
            .command(&["save", "from", "-"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let load = world
            .command(&["load", "to", "-"])
            .args(options)
            .stdin(save.stdout.take().unwrap())
            .status();
        assert!(load.unwrap().success() && save.wait().unwrap().success());
        let to = Path::new(&world.namespace).join("to");
        assert!(fs::read(to).unwrap() == bytes);
        world.ok(&["remove", "to"]);
    }
}

#[test]
fn list_and_stat_show_holders_and_no_identifiers() {
    let world = World::of_directory();
    let mut program = world.program("a,b");
    world.ok(&["create", "kept", "10", "--keep"]);
    let pid = program.pid();
    let list = world.output(&["list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 4, "{list}");
    for (line, name) in lines[1..].iter().zip(["a", "b"]) {
        let pattern = format!(r"^{name} +-  4 KiB +1  {pid} shmutil-\w+ +\d+s +in use$");
        assert!(is_match(pattern).unwrap().eval(line), "{list}");
    }
    assert!(
        is_match(r"^kept +- .*  kept$").unwrap().eval(lines[3]),
        "{list}"
    );

    let row = world.json(&["stat", "a", "--json"]);
    assert_eq!(row["kind"], "directory");
    assert_eq!(row["path"], format!("{}a", world.namespace));
    assert_eq!((&row["id"], &row["mappings"]), (&(-1).into(), &1.into()));
    assert_eq!(row["holders"][0]["pid"], pid);
    assert_eq!(row["all_holders_known"], true);
    let mut listed = world.json(&["list", "--json"])[0].take();
    // A second may have passed.
    listed["age_seconds"] = row["age_seconds"].clone();
    assert_eq!(row, listed);
    let text = world.output(&["stat", "a"]);
    let file = format!("\nfile       {}a\n", world.namespace);
    assert!(
        text.contains(&file) && text.contains(&format!("held by    {pid} ")),
        "{text}"
    );
    assert!(!text.contains("\nid ") && !text.contains("pid 0"), "{text}");

    program.kill();
    let row = world.json(&["stat", "a", "--json"]);
    assert_eq!(
        (&row["state"], &row["holders"][0]),
        (&"orphaned".into(), &().into())
    );
}

#[test]
fn the_kind_and_the_path_of_other_segments() {
    let world = World::new();
    world.ok(&["create", "x", "1"]);
    let row = world.json(&["stat", "x", "--json"]);
    assert_eq!(
        (&row["kind"], &row["path"]),
        (&"system_v".into(), &().into())
    );
}

#[test]
fn a_directory_that_is_named_by_a_link_shows_holders() {
    let world = World::of_directory();
    let link = world.path("link");
    symlink(&world.namespace, &link).unwrap();
    let program = world.program("a");
    let link = format!("{link}/");
    let row = world.json(&["--namespace", &link, "stat", "a", "--json"]);
    assert_eq!(row["holders"][0]["pid"], program.pid());
    assert_eq!(row["path"], format!("{link}a"));
}

#[test]
fn watch_lists_again_and_again() {
    let world = World::of_directory();
    world.ok(&["create", "x", "1"]);
    let mut watch = world
        .command(&["list", "--watch", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watch.stdout.take().unwrap()));
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains("\"name\":\"x\""));
    world.ok(&["remove", "x"]);
    while next() != "[]" {}
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn commands_that_only_read_delete_nothing() {
    let world = World::of_directory();
    world.ok(&["create", "x", "100"]);
    for arguments in [
        &["list"][..],
        &["stat", "x"],
        &["dump", "x"],
        &["save", "x", "-"],
        &["save", "x", &world.path("out")],
        &["copy", "x", "--to", &world.namespace, "--as", "y"],
        &["load", "x", "/dev/zero"],
        &["dump", "x", "--offset", "1000"],
        &["wait", "x"],
        &["prune", "--older-than", "0s", "--dry-run"],
        &["doctor"],
    ] {
        world.run(arguments);
        assert!(world.files().contains(&"x".to_owned()), "{arguments:?}");
    }
}

#[test]
fn identifiers_are_refused_before_anything_is_done() {
    let world = World::of_directory();
    world.ok(&["create", "x", "1"]);
    for arguments in [
        &["stat", "--id", "1"][..],
        &["dump", "--id", "1"],
        &["remove", "x", "--id", "1"],
    ] {
        world.fails(
            arguments,
            2,
            "segments of directory '.*' have no identifiers; give a name instead of --id",
        );
    }
    assert_eq!(world.files(), ["x"]);
}

#[test]
fn keep_and_prune_agree_with_what_they_print() {
    let world = World::of_directory();
    for name in ["old", "kept", "young"] {
        world.ok(&["create", name, "1K"]);
    }
    world.ok(&["keep", "kept"]);
    let past = Command::new("touch")
        .args(["-d", "2001-01-01"])
        .args(["old", "kept"].map(|name| format!("{}{name}", world.namespace)))
        .status();
    assert!(past.unwrap().success());
    // touch(1) cannot set the time at which the mode or the times were changed.
    let idle = world.output(&["stat", "old"]);
    assert!(
        is_match(r"orphaned for \d+s").unwrap().eval(&idle),
        "{idle}"
    );
    world
        .ok(&["prune", "--older-than", "1h", "--dry-run"])
        .stdout("");
    world.ok(&["prune", "--older-than", "1h"]).stdout("");
    let lines = |verb: &str| format!("{verb} old (1 KiB)\n{verb} young (1 KiB)\n");
    let dry = world.ok(&["prune", "--older-than", "0s", "--dry-run"]);
    dry.stdout(lines("would delete"));
    world
        .ok(&["prune", "--older-than", "0s"])
        .stdout(lines("deleted"));
    assert_eq!(world.files(), ["kept"]);
    world.ok(&["keep", "kept", "--off"]);
    assert_eq!(world.json(&["stat", "kept", "--json"])["state"], "orphaned");
}

#[test]
fn prune_leaves_registries_alone_without_all() {
    let world = World::of_directory();
    let script = format!(
        "{}; {SHMUTIL} prune --older-than 0s; {SHMUTIL} prune --older-than 0s --all",
        leave_registry()
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(error, "");
    // The second one.
    assert_eq!(text, "removed 1 empty registry that programs left behind\n");
    let script = format!(
        "{}; {SHMUTIL} prune --older-than 0s; ipcs -m",
        leave_registry()
    );
    let Some((text, _)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(text.matches("\n0x").count(), 1, "{text}");
}

#[test]
fn prune_skips_the_orphans_of_other_users() {
    if !can_switch_users() {
        return;
    }
    let world = World::of_directory();
    let command = copy_for_others(&world);
    fs::set_permissions(&world.namespace, fs::Permissions::from_mode(0o1777)).unwrap();
    world.ok(&["create", "mine", "1", "--mode", "666"]);
    let run = |arguments: &[&str]| as_other(&world, &command, arguments);
    run(&["create", "theirs", "1"]).success();
    let skipped = || one_line("skipped 1 old orphan of other users, such as 'mine' of user 0");
    for (more, verb) in [(&["--dry-run"][..], "would delete"), (&[], "deleted")] {
        run(&[&["prune", "--older-than", "0s"], more].concat())
            .success()
            .stdout(format!("{verb} theirs (1 B)\n"))
            .stderr(skipped());
    }
    assert_eq!(world.files(), ["mine"]);
    run(&["remove", "mine"])
        .code(3)
        .stderr(one_line("run this as the segment's owner"));
}

#[test]
fn a_directory_without_write_access_is_blamed_and_not_other_users() {
    if !can_switch_users() {
        return;
    }
    let world = World::of_directory();
    let command = copy_for_others(&world);
    fs::set_permissions(&world.namespace, fs::Permissions::from_mode(0o777)).unwrap();
    let run = |arguments: &[&str]| as_other(&world, &command, arguments);
    run(&["create", "own", "1"]).success();
    fs::set_permissions(&world.namespace, fs::Permissions::from_mode(0o755)).unwrap();
    run(&["prune", "--older-than", "0s"])
        .success()
        .stderr(one_line(
            "skipped 1 old orphan, such as 'own': you may not write to the directory",
        ));
    run(&["doctor"])
        .stdout(is_match("orphan.*; you may not write to the directory\n.*ask its owner").unwrap())
        .stdout(contains("other user").not());
    assert_eq!(world.files(), ["own"]);
}

#[test]
fn a_directory_that_is_mounted_read_only_is_recognized() {
    let world = World::of_directory();
    world.ok(&["create", "own", "1"]);
    let path = &world.namespace;
    let script = format!(
        "exec 2>&1
        unshare --user --map-root-user --mount sh -c '
            mount --bind {path} {path} && mount -o remount,bind,ro {path} || exit 5
            {SHMUTIL} doctor; {SHMUTIL} prune --older-than 0s; {SHMUTIL} create more 1'"
    );
    let mut shell = Command::new("sh");
    world.prepare(&mut shell);
    let output = shell.args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    if !text.contains("file system:") {
        skip("a directory cannot be mounted read-only here");
        return;
    }
    for part in [
        "you cannot create or delete segments, because it is mounted read-only\n",
        "no process can write to a segment: the directory is mounted read-only\n",
        "mount it for writing",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(
        text.matches(": Read-only file system\n").count(),
        2,
        "{text}"
    );
    assert!(!text.contains("other user"), "{text}");
    assert_eq!(world.files(), ["own"]);
}

#[test]
fn a_segment_is_filled_whatever_its_mode_is() {
    if !can_switch_users() {
        return;
    }
    for world in [World::new(), World::of_directory()] {
        let command = copy_for_others(&world);
        if Path::new(&world.namespace).exists() {
            fs::set_permissions(&world.namespace, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let file = world.write("file", b"text");
        let load = ["load", "x", &file, "--create", "--keep", "--mode", "440"];
        as_other(&world, &command, &load).success().stderr("");
        let row = world.json(&["stat", "x", "--json"]);
        assert_eq!((&row["mode"], &row["kept"]), (&"0440".into(), &true.into()));
        world.ok(&["save", "x", "-"]).stdout("text");
    }
}

#[test]
fn wait_ends_when_the_file_appears() {
    let world = World::of_directory();
    world.fails(
        &["wait", "x", "--timeout", "0s"],
        4,
        "no segment 'x' in directory",
    );
    let mut waiter = world.command(&["wait", "x"]).spawn().unwrap();
    world.ok(&["create", "another", "1"]);
    assert_eq!(waiter.try_wait().unwrap(), None);
    world.ok(&["create", "x", "1"]);
    assert!(waiter.wait().unwrap().success());
}

#[test]
fn a_directory_that_is_missing_is_no_missing_name() {
    let world = World::of_directory();
    let missing = format!("{}none/", world.namespace);
    let file = world.write("file", b"text");
    for arguments in [
        &["list"][..],
        &["stat", "x"],
        &["create", "x", "1"],
        &["load", "x", &file, "--create"],
        &["save", "x", "-"],
        &["remove", "x"],
        &["wait", "x"],
        &["prune", "--older-than", "0s"],
    ] {
        let arguments = [&["--namespace", &missing], arguments].concat();
        world.fails(
            &arguments,
            3,
            "none/' does not exist; make it with mkdir.1.: No such file",
        );
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_shown_is_an_error() {
    let world = World::of_directory();
    let file = world.write("in", &noise(3 << 20));
    world.ok(&["load", "x", &file, "--create"]);
    let mut dump = world
        .command(&["dump", "x"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe holds a small part of what the command shows, so it has not read everything.
    let mut output = dump.stdout.take().unwrap();
    std::io::Read::read_exact(&mut output, &mut [0; 100]).unwrap();
    let path = format!("{}x", world.namespace);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(4096).unwrap();
    std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    let output = dump.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(one_line("truncated its file").eval(&error), "{error}");
}

#[test]
fn all_includes_the_selected_directory_only() {
    let (world, other, system_v) = (World::of_directory(), World::of_directory(), World::new());
    world.ok(&["create", "ours", "1K"]);
    other.ok(&["create", "theirs", "1K"]);
    system_v.ok(&["create", "x", "1K"]);
    let list = world.run(&["list", "--all", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.get_output().stdout).unwrap();
    let found = |namespace: &str| {
        let rows = list.as_array().unwrap().iter();
        let found = rows.filter(|row| row["namespace"] == namespace);
        found
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&world.namespace), ["ours"]);
    let path = format!("{}ours", world.namespace);
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .any(|row| row["path"] == path)
    );
    assert_eq!(found(&system_v.namespace), ["x"]);
    assert!(found(&other.namespace).is_empty());
    world
        .run(&["prune", "--all", "--older-than", "0s", "--dry-run"])
        .stdout(contains(format!(
            "would delete ours (1 KiB) in directory '{}'\n",
            world.namespace
        )));
    let doctor = world.run(&["doctor", "--all"]).code(1);
    let start = format!(
        "ok         namespace: directory '{}', selected",
        world.namespace
    );
    doctor.stdout(starts_with(start)).stdout(contains(format!(
        "registry of namespace '{}': 1 of ",
        system_v.namespace
    )));
}

#[test]
fn doctor_checks_the_directory_and_nothing_of_system_v() {
    let world = World::of_directory();
    world.ok(&["create", "kept", "1", "--keep"]);
    let text = world.ok(&["doctor"]).get_output().stdout.clone();
    let text = String::from_utf8(text).unwrap();
    for expected in [
        format!(
            "ok         namespace: directory '{}', selected by --namespace",
            world.namespace
        ),
        "ok         environment: ".to_owned(),
        "ok         access: of user ".to_owned(),
        ": you can create and delete segments\n".to_owned(),
        "ok         file system: ".to_owned(),
        "ok         free room: ".to_owned(),
        "ok         permissions: you can read and write the only segment".to_owned(),
        "ok         orphans: none\n".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}: {text}");
    }
    for subject in [
        "SHM",
        "registry",
        "shm_rmid_forced",
        "locked memory",
        "left behind",
    ] {
        assert!(!text.contains(&format!("  {subject}")), "{subject}: {text}");
    }
}

#[test]
fn doctor_reports_what_is_wrong_in_a_directory() {
    let world = World::of_directory();
    world.ok(&["create", "lost", "1K"]);
    let inside = |name: &str| format!("{}{name}", world.namespace);
    fs::write(inside("empty"), "").unwrap();
    symlink("lost", inside("link")).unwrap();
    fs::create_dir(inside("lost+found")).unwrap();
    fs::write(inside(".shm_util_new.1.1"), "left").unwrap();
    fs::set_permissions(&world.namespace, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = world.command(&["doctor"]);
    command.env("SHM_UTIL_TRANSIENT", "1");
    let doctor = Run::from_std(command).assert().code(1);
    let text = String::from_utf8(doctor.get_output().stdout.clone()).unwrap();
    for expected in [
        "attention  transient: files cannot be transient",
        "attention  access: of user .*, mode 0777: every user of this system can delete and \
         replace every segment\n.*-> run 'chmod \\+t ",
        "attention  left behind: 1 temporary file ",
        "attention  other files: 2 files are no segments, such as 'empty', which is empty\n",
        "attention  orphans: 1 orphan, 1 KiB; oldest: 'lost' ",
    ] {
        assert!(
            is_match(expected).unwrap().eval(&text),
            "{expected}: {text}"
        );
    }
    world.ok(&["prune", "--older-than", "1h"]);
    fs::set_permissions(&world.namespace, fs::Permissions::from_mode(0o1777)).unwrap();
    let text = world.doctor();
    assert!(!text.contains("left behind"), "{text}");
    assert!(
        text.contains("mode 1777: you can create segments, and only their owners can delete them"),
        "{text}"
    );
}

#[test]
fn doctor_advises_where_there_is_no_directory() {
    let world = World::of_directory();
    let file = world.write("file", b"text");
    for (path, text) in [
        (format!("{}none/", world.namespace), "does not exist"),
        (
            format!("{file}/"),
            "Not a directory\n.*-> name a directory; or omit the / at the end",
        ),
    ] {
        let doctor = world.run(&["--namespace", &path, "doctor"]).code(1);
        let pattern = format!("^attention  namespace: .*{text}");
        doctor.stdout(is_match(pattern).unwrap());
    }
}

#[test]
fn doctor_knows_the_file_system() {
    let world = World::of_directory();
    let script = "mount -t tmpfs none \"$NOB_DATABASE\" && exec \"$0\" doctor";
    let mut unshare = Command::new("unshare");
    world.prepare(&mut unshare);
    unshare.args(["--mount", "sh", "-c", script, SHMUTIL]);
    let output = unshare.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if error.contains("unshare:") || error.contains("mount:") {
        return skip("this takes root");
    }
    assert_eq!(error, "");
    let text = String::from_utf8(output.stdout).unwrap();
    let expected =
        "ok         file system: memory (tmpfs or ramfs): segments do not outlive a reboot";
    assert!(text.contains(expected), "{text}");
}
