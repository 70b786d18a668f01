//! What a Rust program builds that depends on this crate, with the C functions and
//! without them.

#![allow(clippy::unwrap_used)] // tests are meant to fail

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that depends on this crate.
struct Program {
    directory: tempfile::TempDir,
}

impl Program {
    /// `settings` are those of the dependency, such as `, default-features = false`.
    fn new(settings: &str) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let directory = tempfile::tempdir().unwrap();
        let manifest = format!(
            "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nshm_util = {{ path = {root:?}{settings} }}\n[workspace]\n"
        );
        let source = "fn main() { let _ = shm_util::Segment::create(\"feature test\", 1); }\n";
        fs::create_dir(directory.path().join("src")).unwrap();
        fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
        fs::write(directory.path().join("src/main.rs"), source).unwrap();
        // The versions that are known to be there without a network.
        fs::copy(
            Path::new(root).join("Cargo.lock"),
            directory.path().join("Cargo.lock"),
        )
        .unwrap();
        Self { directory }
    }

    fn cargo(&self, arguments: &[&str]) -> String {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).arg("--offline");
        output(
            cargo
                .current_dir(self.directory.path())
                .env("CARGO_TARGET_DIR", self.target())
                .env_remove("CARGO_BUILD_TARGET"), // which names another directory for what is built
        )
    }

    fn target(&self) -> PathBuf {
        self.directory.path().join("target")
    }

    /// The crates that cargo builds for the program.
    fn crates(&self) -> BTreeSet<String> {
        self.cargo(&["tree", "--edges=normal,build", "--prefix=none"])
            .lines()
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect()
    }

    /// The C symbols of this crate in the program's copy of it and in the program.
    fn c_symbols(&self) -> Vec<String> {
        self.cargo(&["build", "--quiet"]);
        let built = self.target().join("debug");
        let mut nm = Command::new("nm");
        let symbols = output(
            nm.args(["--format=posix", "--quiet"])
                .arg(library(&built.join("deps")))
                .arg(built.join("program")),
        );
        let is_ours = |name: &str| {
            name == "aperror_print" || name.strip_prefix("shm").is_some_and(is_a_c_name)
        };
        symbols
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|name| is_ours(name))
            .map(str::to_owned)
            .collect()
    }
}

/// The rest of `shmCreate`, `shmxCreate` or `shm_util_debug`.
fn is_a_c_name(rest: &str) -> bool {
    rest.starts_with('_') || rest.trim_start_matches('x').starts_with(char::is_uppercase)
}

/// The compiled library in a directory.
fn library(directory: &Path) -> OsString {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path().into_os_string())
        .find(|path| {
            let path = path.to_string_lossy();
            path.contains("libshm_util-") && path.ends_with(".rlib")
        })
        .unwrap()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_default_features_a_program_has_few_crates_and_no_c_symbols() {
    let program = Program::new(", default-features = false");
    let crates = program.crates();
    assert!(crates.contains("shm_util"));
    assert!(crates.len() <= 5, "{crates:?}");
    assert!(!crates.contains("bytemuck"), "{crates:?}");
    assert_eq!(program.c_symbols(), [""; 0]);
}

#[test]
fn default_features_need_no_further_crates() {
    let without = Program::new(", default-features = false").crates();
    assert_eq!(Program::new("").crates(), without);
}

#[test]
fn the_feature_bytemuck_adds_one_crate() {
    let without = Program::new("").crates();
    let with = Program::new(", features = [\"bytemuck\"]").crates();
    let added: Vec<&String> = with.difference(&without).collect();
    assert_eq!(added, ["bytemuck"]);
}

#[test]
fn with_default_features_the_c_symbols_are_there() {
    let symbols = Program::new("").c_symbols();
    for name in ["shmCreate", "shmxCreate", "shm_util_debug", "aperror_print"] {
        assert!(symbols.iter().any(|symbol| symbol == name), "{name}");
    }
}
