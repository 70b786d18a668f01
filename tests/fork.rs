//! What happens in a Rust program before its first call. A test of its own, because no
//! other may make one.

#![allow(clippy::unwrap_used)] // its job is to fail

/// The library maps a page that the kernel clears in a child of fork (`wf`), when it registers its
/// handlers of fork. A program's own handlers must come later.
#[test]
fn the_handlers_of_fork_are_registered_before_main() {
    let mappings = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let is_cleared = |line: &str| line.starts_with("VmFlags:") && line.contains(" wf");
    assert!(mappings.lines().any(is_cleared));
    // Refers to the library, so that the linker takes it in.
    assert!(shm_util::Segment::open("no such segment, tests/fork.rs").is_err());
}
