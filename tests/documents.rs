//! What the documents must tell their readers.

use std::fs;
use std::path::Path;

#[test]
fn each_description_of_nob_database_states_that_it_is_a_path() {
    for (document, statement) in [
        ("README.md", "`NOB_DATABASE` to a path"),
        ("include/shm_util.h", "NOB_DATABASE a path"),
        ("docs/man/shm_util.3", ".B NOB_DATABASE A path"),
        ("docs/man/shmutil.1", ".B NOB_DATABASE A path"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        let text = fs::read_to_string(path).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(
            words.join(" ").contains(statement),
            "{document} does not contain: {statement}"
        );
    }
}
