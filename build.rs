//! With the feature `headers`, writes the headers in `include` from the C
//! functions in `src/capi` and the frames in `abi`. Without it, the committed
//! headers are used.

#[cfg(not(feature = "headers"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(feature = "headers")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    headers::write()
}

#[cfg(feature = "headers")]
mod headers {
    use std::error::Error;
    use std::path::Path;
    use std::{env, fs};

    /// Each header, and the file that declares its functions.
    const HEADERS: [(&str, &str); 2] = [
        ("shm_util.h", "capi/base.rs"),
        ("shm_util_ext.h", "capi/ext.rs"),
    ];

    pub(super) fn write() -> Result<(), Box<dyn Error>> {
        let root = env::var("CARGO_MANIFEST_DIR")?;
        for (header, source) in HEADERS {
            println!("cargo::rerun-if-changed=src/{source}");
            println!("cargo::rerun-if-changed=abi/{header}.head");
            println!("cargo::rerun-if-changed=abi/{header}.tail");
            println!("cargo::rerun-if-changed=include/{header}");
            write_one(Path::new(&root), header, source)?;
        }
        Ok(())
    }

    /// cbindgen translates the declarations. What surrounds them is written by
    /// hand: C89 allows neither `//` nor what cbindgen would add.
    fn write_one(root: &Path, name: &str, source: &str) -> Result<(), Box<dyn Error>> {
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
        cbindgen::Builder::new()
            .with_config(config)
            .with_src(root.join("src").join(source))
            .generate()?
            .write_to_file(root.join("include").join(name));
        Ok(())
    }
}
