//! Generates the headers in `include` from the C functions in `src`.

use std::path::Path;
use std::{env, error, fs};

/// Each header, and the file that its functions are in.
const HEADERS: [(&str, &str); 2] = [("shm_util.h", "capi.rs"), ("shm_util_ext.h", "capi_ext.rs")];

fn main() -> Result<(), Box<dyn error::Error>> {
    for (header, source) in HEADERS {
        println!("cargo::rerun-if-changed=src/{source}");
        println!("cargo::rerun-if-changed=src/{header}.head");
        println!("cargo::rerun-if-changed=src/{header}.tail");
        println!("cargo::rerun-if-changed=include/{header}");
    }
    let root = env::var("CARGO_MANIFEST_DIR")?;
    for (header, source) in HEADERS {
        write_header(Path::new(&root), header, source)?;
    }
    Ok(())
}

/// cbindgen translates the declarations; what C needs around them is written
/// by hand, because C89 allows neither `//` nor what cbindgen would add.
fn write_header(root: &Path, name: &str, source: &str) -> Result<(), Box<dyn error::Error>> {
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
        header: Some(fs::read_to_string(root.join(format!("src/{name}.head")))?),
        trailer: Some(fs::read_to_string(root.join(format!("src/{name}.tail")))?),
        ..cbindgen::Config::default()
    };
    let header = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src").join(source))
        .generate()?;
    // A read-only source tree (a registry's copy of this crate) keeps the
    // header that it came with.
    if fs::metadata(root.join("include")).is_ok_and(|directory| !directory.permissions().readonly())
    {
        header.write_to_file(root.join("include").join(name));
    }
    Ok(())
}
