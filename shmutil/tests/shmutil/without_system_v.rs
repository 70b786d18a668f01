//! A system without System V shared memory: its system calls return ENOSYS, and
//! its files in /proc do not exist.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use assert_cmd::Command as Run;
use predicates::prelude::*;
use predicates::str::{contains, ends_with, starts_with};

use crate::world::{SHMUTIL, World, one_line, skip};

/// The errors of a kernel without System V shared memory, and of sandboxes, with the library's
/// messages.
const ERRORS: [(i32, &str); 2] = [
    (
        libc::ENOSYS,
        "this system has no System V shared memory, or a sandbox blocks it; use a kernel with \
         CONFIG_SYSVIPC .Android.s lack it., allow shmget, shmat, shmdt and shmctl, or set \
         NOB_DATABASE to a directory .it ends in /. or to private:: Function not implemented",
    ),
    (
        libc::EPERM,
        "a sandbox blocks System V shared memory; allow shmget, shmat, shmdt and shmctl, or set \
         NOB_DATABASE to a directory .it ends in /. or to private:: Operation not permitted",
    ),
];

/// The system calls of System V shared memory. Some processors have one for all of System V IPC,
/// and since Linux 5.1 also these.
#[cfg(any(target_arch = "x86", target_arch = "s390x", target_arch = "powerpc64"))]
const CALLS: [libc::c_long; 5] = [libc::SYS_ipc, 395, 396, 397, 398];
#[cfg(not(any(target_arch = "x86", target_arch = "s390x", target_arch = "powerpc64")))]
const CALLS: [libc::c_long; 4] = [
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
];

/// Makes the system calls of System V shared memory fail in a process to be
/// started, with a seccomp(2) filter.
fn block_system_calls(command: &mut Command, errno: i32) {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: 0,
        k,
    };
    // The number of the system call is the first field of seccomp_data.
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for call in CALLS {
        filter.push(libc::sock_filter {
            jf: 1,
            ..statement(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                u32::try_from(call).unwrap(),
            )
        });
        let error = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
        filter.push(statement(libc::BPF_RET | libc::BPF_K, error));
    }
    filter.push(statement(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_ALLOW,
    ));
    let install = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap(),
            filter: filter.as_ptr().cast_mut(),
        };
        // SAFETY: the arguments are numbers.
        let forbidden = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        // SAFETY: the kernel copies the filter, which has the given length.
        let installed =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
        if forbidden == -1 || installed == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls.
    unsafe { command.pre_exec(install) };
}

#[test]
fn doctor_reports_that_system_v_is_missing_and_nothing_else() {
    let world = World::new();
    for (errno, text) in [
        (
            libc::ENOSYS,
            "System V shared memory is missing from this kernel",
        ),
        (libc::EPERM, "a sandbox blocks System V shared memory"),
    ] {
        let mut command = world.command(&["doctor"]);
        block_system_calls(&mut command, errno);
        Run::from_std(command)
            .assert()
            .code(1)
            .stderr("")
            .stdout(starts_with(format!("attention  System V: {text}")))
            .stdout(contains("allow shmget, shmat, shmdt and shmctl in the"))
            .stdout(contains(
                "set NOB_DATABASE to a directory (it ends in /) or to private:",
            ))
            .stdout(predicate::function(|text: &str| text.lines().count() == 2));
    }
}

#[test]
fn other_commands_report_that_system_v_is_missing() {
    let world = World::new();
    let file = world.write("file", b"text");
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["stat", "x"],
        &["create", "x", "1"],
        &["save", "x", "-"],
        &["load", "x", &file],
        &["load", "x", &file, "--create"],
        &["dump", "x"],
        &["keep", "x"],
        &["remove", "x"],
        &["prune", "--older-than", "0s"],
        &["wait", "x"],
    ] {
        for (errno, text) in ERRORS {
            let mut command = world.command(arguments);
            block_system_calls(&mut command, errno);
            Run::from_std(command).assert().code(3).stdout("").stderr(
                one_line(&format!("find the registry of .*: {text}")).and(ends_with(format!(
                    "{}\n",
                    text.rsplit(": ").next().unwrap()
                ))),
            );
        }
    }
}

#[test]
fn a_directory_namespace_needs_no_system_v() {
    let world = World::of_directory();
    let file = world.write("file", b"text");
    for arguments in [
        &["load", "x", &file, "--create"][..],
        &["list"],
        &["list", "--all"],
        &["stat", "x"],
        &["dump", "x"],
        &["save", "x", &world.path("saved")],
        &["copy", "x", "--to", &world.namespace, "--as", "y"],
        &["wait", "x"],
        &["keep", "x"],
        &["remove", "x"],
        &["doctor", "--all"],
        &["prune", "--older-than", "0s"],
        &["prune", "--older-than", "0s", "--all"],
    ] {
        let mut command = world.command(arguments);
        block_system_calls(&mut command, libc::ENOSYS);
        let code = i32::from(arguments[0] == "doctor"); // it reports the orphan
        Run::from_std(command).assert().code(code).stderr("");
    }
    assert!(world.files().is_empty());
}

#[test]
fn commands_that_use_no_segment_work_without_system_v() {
    let world = World::new();
    for arguments in [&["--help"][..], &["man"], &["completions", "bash"]] {
        let mut command = world.command(arguments);
        block_system_calls(&mut command, libc::ENOSYS);
        Run::from_std(command).assert().success().stderr("");
    }
}

#[test]
fn doctor_works_without_the_files_in_proc() {
    let world = World::new();
    let script = format!(
        "mount -t tmpfs none /proc/sysvipc && mount -t tmpfs none /proc/sys/kernel && \
         exec {SHMUTIL} doctor"
    );
    let mut unshare = Command::new("unshare");
    world.prepare(&mut unshare);
    unshare.args(["--mount", "--ipc", "sh", "-c", &script]);
    let output = unshare.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if error.contains("unshare:") || error.contains("mount:") {
        skip("this takes root");
        return;
    }
    assert_eq!(error, "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("attention  limits: unknown, because /proc/sysvipc or"),
        "{text}"
    );
    assert!(text.contains("ok         registry: none yet"), "{text}");
    assert_eq!(output.status.code(), Some(1), "{text}");
}
