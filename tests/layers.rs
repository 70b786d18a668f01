//! Knowledge points one way: a module names only modules below it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // its job is to fail

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// All modules, each below those that may name it. A folder stands for its `mod.rs`,
/// which is above all files in it.
const LAYERS: &[&str] = &[
    "errno",
    "atomic",
    "bulk::portable",
    "bulk::x86_64",
    "bulk",
    "ids",
    "os::posix",
    "os::file_status",
    "os::sysv",
    "os::hooks",
    "os::unix::system::errno",
    "os::unix::system::sysctl",
    "os::unix::system::freebsd",
    "os::unix::system::linux",
    "os::unix::system::macos",
    "os::unix::system::netbsd",
    "os::unix::system::openbsd",
    "os::unix::system::solaris",
    "os::unix::system",
    "os::unix::files",
    "os::unix::locks",
    "os::unix::memory",
    "os::unix::sysv",
    "os::unix::semaphores",
    "os::unix::threads",
    "os::unix::layouts::freebsd",
    "os::unix::layouts::macos",
    "os::unix::layouts::netbsd",
    "os::unix::layouts::openbsd",
    "os::unix::layouts::solaris",
    "os::unix::layouts",
    "os::unix",
    "os::linux::abi",
    "os::linux::files",
    "os::linux::locks",
    "os::linux::memory",
    "os::linux::no_sysv",
    "os::linux::sysv",
    "os::linux::semaphores",
    "os::linux::threads",
    "os::linux::lines",
    "os::linux::streams",
    "os::linux",
    "os::mapped",
    "os::user_map",
    "os",
    "allocate",
    "quoted",
    "error",
    "random",
    "filename",
    "request",
    "location",
    "environment",
    "name",
    "patience",
    "fork::gate",
    "fork::threads",
    "fork",
    "lock::acquired",
    "lock::place",
    "lock::kind",
    "lock::owner",
    "lock::holder",
    "lock::thread",
    "lock::judge",
    "lock::elsewhere",
    "lock::stranger",
    "lock::lender",
    "lock::wait",
    "lock::mutex",
    "lock::futex",
    "lock::semaphore::set",
    "lock::semaphore",
    "lock",
    "info",
    "default_directory",
    "namespace",
    "options",
    "file::path",
    "file::refused",
    "file::status",
    "file::descriptor",
    "file::calls",
    "file::entries",
    "file::owner",
    "file::link",
    "file::temporary",
    "file::durability",
    "file",
    "snapshot::lock",
    "snapshot::attributes",
    "snapshot::block",
    "snapshot::handlers",
    "snapshot::copy",
    "snapshot::runs",
    "snapshot::memory",
    "snapshot::zeros",
    "snapshot::touched",
    "snapshot::ascending",
    "snapshot::pair",
    "snapshot::large",
    "snapshot::resolve",
    "snapshot::second",
    "snapshot::replace",
    "snapshot::in_place",
    "snapshot::save",
    "snapshot::loaded",
    "snapshot::load",
    "snapshot",
    "store::users",
    "store::mapped",
    "store::private::mapping",
    "store::private::record",
    "store::private::tables",
    "store::private::wait",
    "store::private::names",
    "store::private::store",
    "store::private::change",
    "store::private::attached",
    "store::private::attach",
    "store::private::by_name",
    "store::private",
    "store::sysv::shm",
    "store::sysv::proc",
    "store::sysv::swap",
    "store::sysv::doubt",
    "store::sysv::mapping",
    "store::sysv::hash",
    "store::sysv::state",
    "store::sysv::sizes",
    "store::sysv::layout",
    "store::sysv::keys",
    "store::sysv::limits",
    "store::sysv::entry",
    "store::sysv::table",
    "store::sysv::extent",
    "store::sysv::registry",
    "store::sysv::locked",
    "store::sysv::recover",
    "store::sysv::names",
    "store::sysv::hidden",
    "store::sysv::keep",
    "store::sysv::listing",
    "store::sysv::sweep",
    "store::sysv::takeover",
    "store::sysv::open",
    "store::sysv::opened",
    "store::sysv::store",
    "store::sysv::look_up",
    "store::sysv::change",
    "store::sysv::attached",
    "store::sysv::publish",
    "store::sysv::attach",
    "store::sysv::by_name",
    "store::sysv::everybody",
    "store::sysv::wait",
    "store::sysv",
    "store::directory::file_name",
    "store::directory::file_system",
    "store::directory::lock",
    "store::directory::existing",
    "store::directory::descriptor",
    "store::directory::store",
    "store::directory::fresh",
    "store::directory::change",
    "store::directory::by_name",
    "store::directory::inspect",
    "store::directory::attached",
    "store::directory::attach",
    "store::directory::wait",
    "store::directory",
    "store",
    "unique",
    "segment",
    "manage",
    "read_only",
    "access",
    "typed",
    "within",
    "names",
    "admin",
    "capi::argument",
    "capi::aperror",
    "capi::panic",
    "capi::message",
    "capi::error_text",
    "capi::panic",
    "capi::frame",
    "capi::call",
    "capi::handle::table",
    "capi::handle",
    "capi::place",
    "capi::info",
    "capi::loaded",
    "capi::create",
    "capi::base",
    "capi::ext",
    "capi::list",
    "capi::space",
    "capi::by_id",
    "capi::by_name",
    "capi::attached",
    "capi::reason",
    "capi",
];

/// Test code, which may name anything.
const TESTS: &[&str] = &[
    "fuzzing::calls",
    "fuzzing",
    "snapshot::tests",
    "store::sysv::damage",
    "store::sysv::layout::page",
    "store::sysv::tests",
    "store::sysv::tests::hidden",
    "store::directory::tests",
    "lock::futex::tests",
    "lock::semaphore::tests",
];

/// A module name that the build resolves, and the module that it means on Linux.
const SELECTED: (&str, &str) = ("os::selected", "os::linux");

type Sources = BTreeMap<String, String>;

fn read(directory: &Path, module: &str, sources: &mut Sources) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let child = if module.is_empty() {
            name.clone()
        } else {
            format!("{module}::{name}")
        };
        if path.is_dir() {
            read(&path, &child, sources);
        } else if name == "mod" {
            sources.insert(module.to_owned(), fs::read_to_string(&path).unwrap());
        } else if child != "lib" {
            sources.insert(child, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The code without comments and without its unit tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    source
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every path that begins with `crate` or `super`, with groups in braces expanded.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let starts = code
        .match_indices("crate::")
        .chain(code.match_indices("super::"));
    for (start, _) in starts {
        let is_inside = code[..start].ends_with(|last: char| last.is_alphanumeric() || last == '_')
            || code[..start].ends_with("::")
            // A visibility, `pub(in path)`, names a module that contains this one.
            || code[..start].ends_with("(in ");
        if !is_inside {
            expand("", &code[start..], &mut found);
        }
    }
    found
}

/// Adds the paths of a use tree, and returns what follows it.
fn expand<'a>(prefix: &str, tree: &'a str, found: &mut Vec<String>) -> &'a str {
    let mut rest = tree.trim_start();
    let mut path = prefix.to_owned();
    loop {
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        path.push_str(&rest[..end]);
        rest = &rest[end..];
        let Some(next) = rest.strip_prefix("::") else {
            found.push(path);
            return rest;
        };
        path.push_str("::");
        rest = next;
        if let Some(group) = rest.strip_prefix('{') {
            rest = group;
            loop {
                rest = expand(&path, rest, found).trim_start();
                match rest.strip_prefix(',') {
                    Some(more) if !more.trim_start().starts_with('}') => rest = more,
                    _ => break,
                }
            }
            return rest
                .trim_start_matches([',', ' ', '\n'])
                .trim_start_matches('}');
        }
    }
}

/// The module that a path in `module` leads to.
fn target(module: &str, path: &str, modules: &BTreeSet<&str>) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").collect();
    let mut rest: Vec<&str> = path.split("::").collect();
    if rest[0] == "crate" {
        base.clear();
        rest.remove(0);
    }
    while rest.first() == Some(&"super") {
        base.pop();
        rest.remove(0);
    }
    base.extend(rest);
    (1..=base.len())
        .rev()
        .map(|length| base[..length].join("::").replace(SELECTED.0, SELECTED.1))
        .find(|candidate| modules.contains(candidate.as_str()))
}

fn violations(sources: &Sources, layers: &[&str]) -> Vec<String> {
    let modules: BTreeSet<&str> = sources.keys().map(String::as_str).collect();
    let height = |module: &str| layers.iter().position(|&layer| layer == module);
    let mut found = Vec::new();
    for (module, source) in sources {
        if TESTS.contains(&module.as_str()) {
            continue;
        }
        let Some(own) = height(module) else {
            found.push(format!("{module} is not in LAYERS"));
            continue;
        };
        for path in paths(&code(source)) {
            // A path to no module leads to what lib.rs exports, above everything.
            let named = target(module, &path, &modules);
            let is_below = named
                .as_deref()
                .and_then(height)
                .is_some_and(|named| named < own);
            // mod.rs names its own items by `self` or not at all.
            if !is_below && named.as_deref() != Some(module) {
                found.push(format!("{module} names {path}, which is not below it"));
            }
        }
    }
    for layer in layers {
        if !modules.contains(layer) {
            found.push(format!("{layer} is in LAYERS, but has no file"));
        }
    }
    found
}

#[test]
fn no_module_names_one_above_it() {
    let mut sources = Sources::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&src, "", &mut sources);
    assert_eq!(violations(&sources, LAYERS), Vec::<String>::new());
}

#[test]
fn each_way_of_naming_a_module_above_is_noticed() {
    for line in [
        "use crate::top;",
        "use crate::top::Thing;",
        "use crate::{low, top};",
        "use crate::{low::A, top::{B, C}};",
        "use super::top;",
        "use super::{low, top::B};",
        "fn f() { crate::top::g() }",
        "fn f() { super::top::g() }",
        "use crate::Exported;",
        "use crate::{\n    low,\n    top::{\n        B,\n    },\n};",
    ] {
        let sources = Sources::from([
            ("low".to_owned(), String::new()),
            ("middle".to_owned(), line.to_owned()),
            ("top".to_owned(), String::new()),
        ]);
        let found = violations(&sources, &["low", "middle", "top"]);
        assert!(!found.is_empty(), "{line}");
    }
}

#[test]
fn naming_a_module_below_is_allowed() {
    for line in [
        "use crate::low;",
        "use super::{low::A, low};",
        "// crate::top",
        "#[cfg(test)]\nmod tests {\n use crate::top; }",
    ] {
        let sources = Sources::from([
            ("low".to_owned(), String::new()),
            ("middle".to_owned(), line.to_owned()),
            ("top".to_owned(), String::new()),
        ]);
        assert_eq!(
            violations(&sources, &["low", "middle", "top"]),
            Vec::<String>::new()
        );
    }
}
