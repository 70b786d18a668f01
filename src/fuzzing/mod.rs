//! The fuzz targets, and a test that replays the inputs that the fuzzers found.
//!
//! Compiled for `cargo fuzz` and for tests only.

#![forbid(unsafe_code)]

#[cfg(feature = "capi")]
mod calls;

use std::collections::BTreeMap;

use crate::filename;
use crate::store::survive_damage;
#[cfg(feature = "capi")]
pub use calls::calls;

/// Translates a file name. The input's last line is the name; the lines before it set
/// variables: `NAME=value`.
pub fn filename(data: &[u8]) {
    let mut lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let name = lines.pop().unwrap_or_default();
    let variables: BTreeMap<&[u8], &[u8]> = lines
        .into_iter()
        .filter_map(|line| {
            let (name, value) = line.split_at(line.iter().position(|&byte| byte == b'=')?);
            Some((name, value.get(1..)?))
        })
        .collect();
    let plain = |text: &[u8]| !text.iter().any(|byte| b"$~".contains(byte));
    match filename::translate_with(name, |variable| {
        Ok(variables.get(variable).map(|value| value.to_vec()))
    }) {
        Ok(result) => {
            assert!(result.len() < 4096);
            if plain(name) {
                assert_eq!(result, name);
            }
        }
        Err(error) => {
            assert!([libc::ELOOP, libc::ENAMETOOLONG].contains(&error.errno()));
            assert!(name.len() >= 4096 || !plain(name));
        }
    }
}

/// Overwrites bytes of a registry in use, as the input demands.
pub fn registry(data: &[u8]) {
    survive_damage(data);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs a target with each input in its corpus.
    fn replay(target: &str, run: fn(&[u8])) {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        if !fuzz.exists() {
            // The published crate does not contain the corpus.
            return;
        }
        let corpus = fuzz.join("corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&corpus).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", corpus.display());
    }

    #[test]
    fn file_names_of_the_corpus() {
        replay("filename", super::filename);
    }

    #[test]
    fn damaged_registries_of_the_corpus() {
        replay("registry", super::registry);
    }

    #[cfg(feature = "capi")]
    #[test]
    fn calls_of_the_corpus() {
        replay("calls", super::calls);
    }
}
