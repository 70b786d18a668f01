//! Writes the library's handle table to `OUT_DIR`: once as it is, and once for each change
//! that must make a model fail.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const TABLE: &str = "../src/capi/handle/table.rs";

/// A module's name, what is replaced in the table, and by what.
const CHANGES: &[(&str, &str, &str)] = &[
    ("as_it_is", "", ""),
    ("insert_without_fence", "fence(Ordering::Release);", ""),
    (
        "insert_without_release",
        "entry.word.store(handle, Ordering::Release);",
        "entry.word.store(handle, Ordering::Relaxed);",
    ),
    (
        "read_without_second_look",
        "(entry.word.load(Ordering::Relaxed) == handle).then_some(value)",
        "Some(value)",
    ),
    (
        "read_without_fence",
        "fence(Ordering::Acquire);\n        (entry.word.load(Ordering::Relaxed) == handle)",
        "(entry.word.load(Ordering::Relaxed) == handle)",
    ),
    (
        "enter_without_second_look",
        "is_open().then_some(user)",
        "Some(user)",
    ),
    (
        "count_without_exchange",
        "self.entry.users.fetch_add(0, Ordering::AcqRel)",
        "self.entry.users.load(Ordering::Acquire)",
    ),
    (
        "destroy_without_exchange",
        ".compare_exchange(word, closed, Ordering::AcqRel, Ordering::Relaxed)\n            .ok()?;",
        ".store(closed, Ordering::Release);",
    ),
    (
        "free_list_without_count",
        "((head >> FREE_SHIFT).wrapping_add(1) << FREE_SHIFT) | place",
        "(head & 0) | place",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={TABLE}");
    // The comment of a module may not come from an included file.
    let source: String = fs::read_to_string(TABLE)?
        .lines()
        .filter(|line| !line.starts_with("//!"))
        .take_while(|line| *line != "#[cfg(test)]")
        .flat_map(|line| [line, "\n"])
        .collect();
    let out = env::var("OUT_DIR")?;
    for (name, old, new) in CHANGES {
        let count = source.matches(old).count();
        if !old.is_empty() && count != 1 {
            return Err(format!("{name}: {TABLE} contains {old:?} {count} times").into());
        }
        let changed = match old {
            &"" => source.clone(),
            old => source.replacen(old, new, 1),
        };
        fs::write(Path::new(&out).join(format!("{name}.rs")), changed)?;
    }
    Ok(())
}
