//! Whether an owner in another PID namespace will ever release a lock.
//!
//! Its id means nothing here. But /proc shows all threads in PID namespaces below that of this
//! process, each with its ids in all of them. So an owner there can be found, or found
//! missing: if a thread of its PID namespace is visible, so are all others. An owner in
//! another place is not judged.

#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use super::judge::{Status, Verdict};
use super::owner::ThreadOf;
use crate::os::Uncancelled;

/// The initial PID namespace (`PROC_PID_INIT_INO`), from which every other is visible.
const INITIAL: u32 = 0xefff_fffc;

/// What a look at one process reveals.
enum Found {
    /// The owner is one of its threads.
    Owner(Status),
    /// The owner is not, but another thread of its PID namespace.
    Neighbour,
    Nothing,
    /// The owner may be one of its threads.
    Doubt,
}

/// Looks for a thread of another PID namespace. One look proves little that is not `Alive`:
/// while a directory is read, a thread that ends may hide another.
pub(super) fn judge_elsewhere(owner: ThreadOf, own_namespace: u32) -> Verdict {
    let _uncancelled = Uncancelled::new();
    look(owner, own_namespace).unwrap_or(Verdict::Alive)
}

/// `None` if in doubt.
fn look(owner: ThreadOf, own_namespace: u32) -> Option<Verdict> {
    if owner.namespace == 0 || own_namespace == 0 || !shows_all_processes() {
        return None;
    }
    let mut is_visible = own_namespace == INITIAL;
    for process in numbers_in("/proc")? {
        match look_at(process, owner) {
            Found::Owner(status) => return Some(status.verdict()),
            Found::Neighbour => is_visible = true,
            Found::Nothing => {}
            Found::Doubt => return None,
        }
    }
    is_visible.then_some(Verdict::Gone)
}

/// Whether /proc is that of this process's PID namespace, and hides nothing.
fn shows_all_processes() -> bool {
    let is_own = Status::of(c"/proc/self/status").is_some_and(|own| own.ids == 1);
    is_own
        && fs::read("/proc/self/mountinfo")
            .is_ok_and(|mounts| !mounts.windows(8).any(|text| text == b"hidepid="))
}

fn look_at(process: u32, owner: ThreadOf) -> Found {
    let namespace = match fs::metadata(format!("/proc/{process}/ns/pid")) {
        Ok(namespace) => u32::try_from(namespace.ino() & u64::from(u32::MAX)).ok(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        // It has just ended.
        Err(_) => return Found::Nothing,
    };
    if namespace.is_some_and(|namespace| namespace != owner.namespace) {
        return Found::Nothing;
    }
    let Some(threads) = numbers_in(&format!("/proc/{process}/task")) else {
        return Found::Doubt;
    };
    let found = threads
        .filter_map(|thread| CString::new(format!("/proc/{process}/task/{thread}/status")).ok())
        .filter_map(|path| Status::of(&path))
        .find(|status| status.ids > 1 && status.innermost == owner.id.0);
    match found {
        Some(status) if namespace.is_some() => Found::Owner(status),
        Some(_) => Found::Doubt,
        None if namespace.is_some() => Found::Neighbour,
        None => Found::Nothing,
    }
}

/// The entries of a directory whose names are numbers; none if it does not exist.
fn numbers_in(directory: &str) -> Option<impl Iterator<Item = u32> + use<>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => return None,
    };
    let numbers = entries.into_iter().flatten();
    Some(numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ThreadId;
    use crate::os;

    #[test]
    fn an_owner_in_an_unknown_place_is_alive() {
        let own = os::scope_of_threads().unwrap_or(0);
        let owner = |namespace| ThreadOf {
            id: ThreadId(1),
            namespace,
        };
        assert_eq!(judge_elsewhere(owner(0), own), Verdict::Alive);
        assert_eq!(judge_elsewhere(owner(1), 0), Verdict::Alive);
        if own != INITIAL {
            assert_eq!(judge_elsewhere(owner(1), own), Verdict::Alive);
        }
    }
}
