//! The private namespace, in which this command finds nothing.

use predicates::prelude::*;
use predicates::str::{contains, starts_with};

use crate::world::{World, one_line};

fn world() -> World {
    let mut world = World::new();
    "private:".clone_into(&mut world.namespace);
    world
}

#[test]
fn commands_that_need_a_segment_say_why_there_is_none() {
    let world = world();
    let file = world.write("file", b"text");
    for arguments in [
        &["stat", "x"][..],
        &["dump", "x"],
        &["save", "x", "-"],
        &["load", "x", &file],
        &["copy", "x", "--to", "/test/shmutil/private"],
        &["wait", "x"],
        &["keep", "x"],
        &["remove", "x", "y"],
    ] {
        let error = "no segment 'x': a private namespace belongs to the process that uses it, .*; \
                     set NOB_DATABASE to a directory";
        world.fails(arguments, 4, error);
    }
    for arguments in [
        &["stat", "--id", "1"][..],
        &["dump", "--id", "1"],
        &["remove", "--id", "1"],
    ] {
        world.fails(arguments, 2, "have no identifiers; give a name instead");
    }
}

#[test]
fn what_would_end_with_the_command_is_not_created() {
    let world = world();
    let file = world.write("file", b"text");
    let error = "the segment would end with this command; choose a directory";
    world.fails(&["create", "x", "1"], 3, error);
    world.fails(&["load", "x", &file, "--create"], 3, error);
    let other = World::of_directory();
    other.ok(&["create", "x", "1"]);
    other.fails(&["copy", "x", "--to", "private:"], 3, error);
}

#[test]
fn lists_are_empty_and_people_are_told_why() {
    let world = world();
    assert!(world.names().is_empty());
    assert_eq!(world.output(&["list", "--names"]), "");
    let why = || one_line("a private namespace belongs to .*; set NOB_DATABASE");
    let list = world.run(&["list"]).success();
    list.stdout(starts_with("NAME ")).stderr(why());
    for more in [&[][..], &["--dry-run"]] {
        let arguments = [&["prune", "--older-than", "0s"], more].concat();
        world.run(&arguments).success().stdout("").stderr(why());
    }
    let all = world.run(&["list", "--all", "--json"]);
    all.stdout(starts_with("[").and(contains("private:").not()));
}

#[test]
fn doctor_has_one_line() {
    world().ok(&["doctor"]).stdout(
        "ok         namespace: private: memory of each process that uses it and of its children, \
         which this command cannot see\n",
    );
}
