//! `doctor`.

use std::process::Command;

use predicates::prelude::*;
use predicates::str::contains;

use crate::world::{SHMUTIL, World, leave_registry, one_line, overwrite, registry_id, skip};

#[test]
fn problems_come_with_advice() {
    let world = World::new();
    world.ok(&["create", "kept", "1", "--keep"]);
    let text = world.doctor();
    assert!(text.contains("ok         orphans: none"), "{text}");
    assert!(text.contains("registry: 1 of "), "{text}");
    for subject in [
        "SHMMNI",
        "SHMALL",
        "SHMMAX",
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
            "attention  orphans: 1 orphan, 1 KiB; oldest: 'lost' (",
        ))
        .stdout(contains(
            "-> delete those that are not needed with 'shmutil prune",
        ))
        .stdout(contains(
            "every user of this system can write to 1 of 2 segments, such as 'lost'",
        ));
}

#[test]
fn doctor_states_which_namespace_it_checks() {
    let world = World::new();
    let start = format!(
        "ok         namespace: '{}', selected by --namespace or NOB_DATABASE\n",
        world.namespace
    );
    let text = world.doctor();
    assert!(text.starts_with(&start), "{text}");

    let doctor = |value: &str| {
        let mut command = world.command(&["doctor"]);
        let output = command.env("NOB_DATABASE", value).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let user = rustix::process::geteuid().as_raw();
    let start = format!("ok         namespace: of user {user}; NOB_DATABASE is not set\n");
    let text = doctor("");
    assert!(text.starts_with(&start), "{text}");

    let text = doctor("$NOB_DATABASE");
    assert!(
        text.starts_with("attention  namespace: NOB_DATABASE: translate "),
        "{text}"
    );
    assert_eq!(text.matches("refers to itself").count(), 1, "{text}");
}

#[test]
fn doctor_states_which_variables_have_an_effect() {
    let world = World::new();
    let mut command = world.command(&["doctor"]);
    command.env("SHM_UTIL_TRANSIENT", "yes");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let expected = format!(
        "attention  environment: NOB_DATABASE={}: selects the namespace; SHM_UTIL_TRANSIENT=yes is \
         ignored, because it is not a number; SHM_UTIL_SYNC=0: saves do not wait for the disk\n",
        world.namespace
    );
    assert!(text.contains(&expected), "{text}");
    let text = world.doctor();
    assert!(
        text.contains("ok         environment: NOB_DATABASE="),
        "{text}"
    );
}

#[test]
fn doctor_compares_the_limit_on_locked_memory_with_the_registry() {
    let world = World::new();
    let script = format!("ulimit -l 4; {SHMUTIL} doctor");
    let mut command = Command::new("bash");
    world.prepare(&mut command);
    let Ok(output) = command.args(["-c", &script]).output() else {
        skip("bash is not installed");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("locked memory: RLIMIT_MEMLOCK is 4 KiB, less than a registry's "),
        "{text}"
    );
}

#[test]
fn a_limit_that_is_near_needs_attention() {
    let world = World::new();
    let script = format!(
        "echo 4 >/proc/sys/kernel/shmmni; for name in a b c; do {SHMUTIL} create $name 1 --keep; \
         done; {SHMUTIL} doctor; {SHMUTIL} create d 1"
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert!(
        text.contains("attention  SHMMNI: 4 of 4 segments\n"),
        "{text}"
    );
    assert!(
        text.contains("-> as root, run sysctl -w kernel.shmmni=8\n"),
        "{text}"
    );
    assert!(
        one_line("No space left on device; run 'shmutil doctor'").eval(&error),
        "{error}"
    );
}

#[test]
fn a_damaged_registry_is_reported_once() {
    let world = World::new();
    world.ok(&["create", "x", "1"]);
    let segment = world.json(&["stat", "x", "--json"])["id"].to_string();
    let text = world.doctor();
    let registry = registry_id(&text);
    overwrite(registry);
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
fn numbers_and_nouns_agree() {
    let world = World::new();
    assert!(
        world
            .doctor()
            .contains("permissions: there are no segments\n")
    );
    let _program = world.program("x");
    let text = world.doctor();
    assert!(
        text.contains("you can read and write the only segment; it is not world-writable"),
        "{text}"
    );
    assert!(text.contains(", 2 attachments)\n"), "{text}");
    for wrong in [
        "1 attachments",
        " 1 segments",
        "of any size",
        " 0 segments,",
    ] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
}

#[test]
fn a_registry_removed_while_in_use_is_reported_until_its_names_have_moved() {
    let world = World::new();
    let program = world.program("x,y");
    let text = world.doctor();
    assert!(!text.contains("removed registry"), "{text}");
    let registry = registry_id(&text);
    let status = Command::new("ipcrm").args(["-m", registry]).status();
    assert!(status.unwrap().success());
    let text = world.doctor();
    let removed = format!(
        "attention  removed registry: registry {registry} was removed while programs use it; it \
         has 2 names, and they move to the next registry"
    );
    assert!(text.contains(&removed), "{text}");
    world.ok(&["create", "z", "1", "--keep"]);
    let text = world.doctor();
    assert!(!text.contains("removed registry"), "{text}");
    let mut names = world.names();
    names.sort();
    assert_eq!(names, ["x", "y", "z"]);
    drop(program);
}

#[test]
fn a_removed_registry_without_segments_is_no_problem() {
    let world = World::new();
    let program = world.program("x");
    let text = world.doctor();
    let segment = world.json(&["stat", "x", "--json"])["id"].to_string();
    for id in [registry_id(&text), &segment] {
        let status = Command::new("ipcrm").args(["-m", id]).status();
        assert!(status.unwrap().success());
    }
    let text = world.doctor();
    assert!(!text.contains("removed registry"), "{text}");
    drop(program);
}

#[test]
fn registries_left_behind_are_reported() {
    let world = World::new();
    let leave = leave_registry();
    let script = format!(
        "{SHMUTIL} doctor; {leave}; {SHMUTIL} doctor; {SHMUTIL} prune --older-than 1d; \
         {SHMUTIL} doctor"
    );
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(error, "");
    let problem = "attention  left behind: 1 empty registry was left behind by programs that were \
                   killed or called _exit: id ";
    assert_eq!(text.matches("left behind:").count(), 1, "{text}");
    assert!(text.contains(problem), "{text}");
    assert!(
        text.contains("'shmutil prune --older-than AGE'; otherwise the next program"),
        "{text}"
    );
}

#[test]
fn a_small_shmmni_is_not_a_problem_by_itself() {
    let world = World::new();
    let script =
        format!("echo 32 >/proc/sys/kernel/shmmni; {SHMUTIL} create x 1 --keep; {SHMUTIL} doctor");
    let Some((text, error)) = world.script_in_own_ipc(&script) else {
        return;
    };
    assert_eq!(error, "");
    assert!(
        text.contains("ok         SHMMNI: 2 of 32 segments\n"),
        "{text}"
    );
    assert!(
        text.contains("ok         registry: 1 of 64 names"),
        "{text}"
    );
}

#[test]
fn a_registry_that_does_not_fit_the_limits_is_a_problem() {
    let world = World::new();
    let doctor = |limits: &str| {
        let script = format!("cd /proc/sys/kernel; {limits}; {SHMUTIL} doctor");
        world.script_in_own_ipc(&script).map(|(text, _)| text)
    };
    let Some(text) = doctor("echo 16384 >shmmax") else {
        return;
    };
    let problem = "attention  SHMMAX: a segment can have 16 KiB, but a registry needs 20 KiB\n";
    assert!(text.contains(problem), "{text}");
    assert!(
        text.contains("-> as root, run sysctl -w kernel.shmmax="),
        "{text}"
    );

    let text = doctor("echo 1 >shmall").unwrap();
    // SAFETY: it only returns a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } / 1024;
    let problem = format!("attention  SHMALL: 0 B of {page} KiB; a registry needs ");
    assert!(text.contains(&problem), "{text}");

    // A smaller registry fits. SHMALL is in pages.
    let all = (page == 4).then_some("echo 5 >shmall");
    for limits in ["echo 20480 >shmmax"].into_iter().chain(all) {
        let text = doctor(limits).unwrap();
        assert!(text.contains("ok         SHMMAX: "), "{text}");
        assert!(text.contains("ok         SHMALL: "), "{text}");
        let note = "ok         registry: none yet: this namespace has no names; SHMMAX or SHMALL \
                    makes the next registry one of 20 KiB with room for 64 names, instead of ";
        assert!(text.contains(note), "{text}");
    }
    let text = doctor("echo 8388608 >shmmax").unwrap();
    let note = "ok         registry: none yet: this namespace has no names\n";
    assert!(text.contains(note), "{text}");

    let text = doctor("echo 1 >shmmni; ipcmk -M 1 >/dev/null").unwrap();
    let problem = "attention  SHMMNI: 1 of 1 segment; a registry needs one\n";
    assert!(text.contains(problem), "{text}");
}
