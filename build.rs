//! Generates `include/shm_util.h` from `src/capi.rs`, and gives the shared
//! library its SONAME.

use std::path::Path;
use std::{env, error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=src/capi.rs");
    println!("cargo::rerun-if-changed=src/shm_util.h.head");
    println!("cargo::rerun-if-changed=src/shm_util.h.tail");
    println!("cargo::rerun-if-changed=include/shm_util.h");
    // Cargo sets none. The number is the crate's major version.
    println!(
        "cargo::rustc-cdylib-link-arg=-Wl,-soname,libshm_util.so.{}",
        env::var("CARGO_PKG_VERSION_MAJOR")?
    );
    write_header(Path::new(&env::var("CARGO_MANIFEST_DIR")?))
}

/// cbindgen translates the declarations; what C needs around them is written
/// by hand, because C89 allows neither `//` nor what cbindgen would add.
fn write_header(root: &Path) -> Result<(), Box<dyn error::Error>> {
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
        header: Some(fs::read_to_string(root.join("src/shm_util.h.head"))?),
        trailer: Some(fs::read_to_string(root.join("src/shm_util.h.tail"))?),
        ..cbindgen::Config::default()
    };
    let header = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/capi.rs"))
        .generate()?;
    // A read-only source tree (a registry's copy of this crate) keeps the
    // header that it came with.
    if fs::metadata(root.join("include")).is_ok_and(|directory| !directory.permissions().readonly())
    {
        header.write_to_file(root.join("include/shm_util.h"));
    }
    Ok(())
}
