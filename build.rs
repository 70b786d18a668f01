//! Selects the code for the operating system: `shm_util_os="unix"`, whose lock is a semaphore, for
//! all but Linux; and what an older Rust needs for POWER.
//!
//! With the feature `headers`, writes the headers in `include` from the C
//! functions in `src/capi` and the frames in `abi`. Without it, the committed
//! headers are used.

use std::env;

#[cfg(not(feature = "headers"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    select_system();
}

#[cfg(feature = "headers")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    select_system();
    headers::write()
}

/// `RUSTFLAGS='--cfg shm_util_os="unix"'` selects it on Linux, too, for tests.
fn select_system() {
    let is = |variable, value: &str| env::var(variable).is_ok_and(|found| found == value);
    let has_linux = is("CARGO_CFG_TARGET_OS", "linux") || is("CARGO_CFG_TARGET_OS", "android");
    if !has_linux || is("CARGO_CFG_SHM_UTIL_OS", "unix") {
        println!(r#"cargo::rustc-cfg=shm_util_os="unix""#);
        println!(r#"cargo::rustc-cfg=shm_util_lock="semaphore""#);
    }
    // Rust's assembly for POWER is stable since 1.95. With an older Rust, RUSTC_BOOTSTRAP must
    // name this crate; the Makefile does that.
    println!("cargo::rerun-if-env-changed=RUSTC_BOOTSTRAP");
    if env::var_os("RUSTC_BOOTSTRAP").is_some() && is("CARGO_CFG_TARGET_ARCH", "powerpc64") {
        println!("cargo::rustc-cfg=shm_util_unstable_assembly");
    }
}

#[cfg(feature = "headers")]
mod headers {
    use std::error::Error;
    use std::path::Path;
    use std::{env, fs};

    /// Each header, and the files that declare what is in it.
    const HEADERS: [(&str, &[&str]); 2] = [
        ("shm_util.h", &["base.rs"]),
        (
            "shm_util_ext.h",
            &[
                "info.rs",
                "loaded.rs",
                "ext.rs",
                "list.rs",
                "space.rs",
                "by_id.rs",
                "by_name.rs",
                "attached.rs",
                "reason.rs",
            ],
        ),
    ];

    pub(super) fn write() -> Result<(), Box<dyn Error>> {
        let root = env::var("CARGO_MANIFEST_DIR")?;
        println!("cargo::rerun-if-changed=src/capi");
        for (header, sources) in HEADERS {
            println!("cargo::rerun-if-changed=abi/{header}.head");
            println!("cargo::rerun-if-changed=abi/{header}.tail");
            println!("cargo::rerun-if-changed=include/{header}");
            write_one(Path::new(&root), header, sources)?;
        }
        Ok(())
    }

    /// cbindgen translates the declarations. The frame around them is written by
    /// hand: C89 has no `//` comments, and cbindgen would add others.
    fn write_one(root: &Path, name: &str, sources: &[&str]) -> Result<(), Box<dyn Error>> {
        let frame = |part| fs::read_to_string(root.join(format!("abi/{name}.{part}")));
        let config = cbindgen::Config {
            language: cbindgen::Language::C,
            style: cbindgen::Style::Tag,
            no_includes: true,
            documentation_style: cbindgen::DocumentationStyle::Doxy,
            line_length: 79,
            function: cbindgen::FunctionConfig {
                sort_by: Some(cbindgen::SortKey::None),
                ..cbindgen::FunctionConfig::default()
            },
            header: Some(frame("head")?),
            trailer: Some(frame("tail")?),
            ..cbindgen::Config::default()
        };
        let mut header = Vec::new();
        let builder = cbindgen::Builder::new().with_config(config);
        sources
            .iter()
            .fold(builder, |builder, source| {
                builder.with_src(root.join("src/capi").join(source))
            })
            .generate()?
            .write(&mut header);
        let header = without_rustdoc(&String::from_utf8(header)?).replace("\n\n\n", "\n\n");
        let path = root.join("include").join(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(&header) {
            fs::write(path, header)?;
        }
        Ok(())
    }

    /// Removes the rustdoc markup from comments: backticks, and the sections
    /// `# Safety`, which are for Rust programs and end their comments.
    fn without_rustdoc(header: &str) -> String {
        let mut plain = String::new();
        let mut in_section = false;
        for line in header.lines() {
            if line.trim_start() == "*/" {
                in_section = false;
            }
            if line == " * # Safety" {
                in_section = true;
                // The empty line in front of the section.
                plain.truncate(plain.trim_end_matches(" *\n").len());
            }
            if !in_section {
                plain.push_str(&line.replace('`', ""));
                plain.push('\n');
            }
        }
        plain
    }
}
