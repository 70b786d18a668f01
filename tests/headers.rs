//! The installed C headers.

use std::fs;
use std::path::Path;

/// The header's comments, each line with its number.
fn comments(header: &str) -> Vec<(usize, String)> {
    let mut in_comment = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(header.lines()) {
        in_comment |= line.contains("/*");
        if in_comment {
            lines.push((number, line.to_owned()));
        }
        in_comment &= !line.contains("*/");
    }
    lines
}

#[test]
fn comments_of_headers_are_plain_text() {
    // Code, headings, links and paths of rustdoc, and what only Rust programmers know.
    let markup = [
        "`", " # ", "](", "[`", "::", "**", "```", "Safety", "Option<", "cbindgen",
    ];
    for name in ["shm_util.h", "shm_util_ext.h"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("include")
            .join(name);
        let header = fs::read_to_string(path).unwrap();
        let comments = comments(&header);
        assert!(comments.len() > 100, "{name} has comments");
        for (number, line) in comments {
            let text = line.trim_start().trim_start_matches("/**");
            let found = markup.iter().find(|markup| text.contains(*markup));
            assert_eq!(found, None, "{name}:{number}: {line}");
            assert!(line.len() < 80, "{name}:{number}: {line}");
        }
    }
}

#[test]
fn the_version_of_the_header_is_that_of_the_library() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/shm_util_ext.h");
    let header = fs::read_to_string(path).unwrap();
    for (part, number) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        let line = format!("#define SHMX_VERSION_{part} {number}\n");
        assert!(header.contains(&line), "{line}");
    }
}
