//! What is common to all commands: arguments, namespaces, exit statuses.

use predicates::str::contains;

use crate::world::World;

#[test]
fn a_usage_error_is_one_line() {
    let world = World::new();
    world.fails(
        &[],
        2,
        "no command given; use one of list, stat, create, .*, man; see 'shmutil --help'",
    );
    world.fails(&["nonsense"], 2, "unrecognized subcommand");
    for arguments in [["stat"], ["dump"], ["remove"]] {
        let error = "required arguments were not provided: <.*NAME.*--id <ID>";
        world.fails(&arguments, 2, error);
    }
    world.fails(&["stat", "x", "--id", "1"], 2, "cannot be used with");
    world.fails(&["create", "x", "0"], 2, "at least 1 byte");
    world.fails(&["create", "x", "much"], 2, "expected a size such as");
    world.fails(&["create", "x", "1", "--mode", "999"], 2, "octal");
    world.fails(&["create", r"a\q", "1"], 2, "backslash");
    world.fails(&["create", r"a\x00", "1"], 2, "zero byte");
    world.fails(&["prune"], 2, "--older-than <AGE>");
    world.fails(
        &["prune", "--older-than", "soon"],
        2,
        "expected an age such as",
    );
    world.fails(&["load", "x", "-", "--size", "1"], 2, "--create");
    for arguments in [
        &["create", "x", "-5"][..],
        &["dump", "x", "--offset", "-1"],
        &["dump", "x", "--length", "-1K"],
        &["load", "x", "-", "--create", "--size", "-1"],
        &["prune", "--older-than", "-1s"],
    ] {
        world.fails(
            arguments,
            2,
            "'-[1-5][sK]?' for '.*': an? (age|size) cannot be negative; expected an? ",
        );
    }
    for age in ["10", "1mo", "soon", ""] {
        let error =
            format!("'{age}' for '--older-than <AGE>': expected an age such as 90s, 10m or 7d; ");
        world.fails(&["prune", "--older-than", age], 2, &error);
    }
    world.fails(&["create", "x", "1.5"], 2, "not a whole number of bytes");
    assert!(world.names().is_empty());
}

#[test]
fn the_option_namespace_overrides_the_variable() {
    let (world, other) = (World::new(), World::new());
    world.ok(&["create", "ours", "1"]);
    other.ok(&["create", "theirs", "1"]);
    let list = world.output(&["list", "--namespace", &other.namespace]);
    assert!(list.contains("theirs") && !list.contains("ours"), "{list}");
    world.ok(&["--namespace", &other.namespace, "stat", "theirs"]);
    assert_eq!(world.names(), ["ours"]);
}

#[test]
fn advice_repeats_the_option_namespace() {
    let (world, other) = (World::new(), World::new());
    let option = ["--namespace", &other.namespace];
    let command = format!("shmutil --namespace {}", other.namespace);
    world.ok(&[&option[..], &["create", "x", "1"]].concat());
    for (arguments, code, advice) in [
        (&["stat", "none"][..], 4, "list"),
        (&["create", "x", "1"], 3, "remove x"),
    ] {
        let arguments = [&option[..], arguments].concat();
        world.fails(&arguments, code, &format!("{command} {advice}"));
    }
    world
        .run(&[&option[..], &["doctor"]].concat())
        .stdout(contains(format!("'{command} prune --older-than AGE'")))
        .stdout(contains(format!("'{command} keep NAME'")));
    // Without the option, advice does not mention it.
    other.fails(&["create", "x", "1"], 3, "with: shmutil remove x");
}

#[test]
fn an_unknown_name_is_exit_status_4() {
    let world = World::new();
    let file = world.write("file", b"text");
    for arguments in [
        &["stat", "none"][..],
        &["dump", "none"],
        &["save", "none", "-"],
        &["load", "none", &file],
        &["keep", "none"],
        &["remove", "none"],
    ] {
        world.fails(
            arguments,
            4,
            "'none'.*: No such file or directory; run 'shmutil list'",
        );
    }
    assert!(world.names().is_empty());
}

#[test]
fn help_and_version_go_to_standard_output() {
    let world = World::new();
    let version = format!("shmutil {}\n", env!("CARGO_PKG_VERSION"));
    world.ok(&["--version"]).stdout(version);
    world.ok(&["--help"]).stdout(contains("list"));
    world.ok(&["dump", "--help"]).stdout(contains("--diff"));
}
