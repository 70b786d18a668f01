//! Registries that were removed while programs use them, as with ipcrm(1), and those that
//! programs left behind.
//!
//! The library itself removes a registry along with its last name, even if other processes
//! still have it attached. Therefore only those with names count as removed in use.

#![forbid(unsafe_code)]

use shm_util::admin::{self, LeftBehind, Whose};

use super::Finding;
use crate::failure::command;
use crate::namespace;
use crate::units;

pub(super) fn check() -> Vec<Finding> {
    // An error of the namespace has been reported already.
    let removed = admin::removed_in_use(&namespace::selected()).unwrap_or_default();
    removed_in_use(&removed)
        .chain(left_behind(&ids(&admin::left_behind(Whose::Ours))))
        .collect()
}

/// The findings about registries that were removed, given their identifiers and numbers of
/// names.
pub(super) fn removed_in_use(removed: &[(i32, usize)]) -> impl Iterator<Item = Finding> {
    removed
        .iter()
        .map(|&(id, names)| one_removed_in_use(id, names))
}

fn one_removed_in_use(id: i32, names: usize) -> Finding {
    let they = if names == 1 { "it moves" } else { "they move" };
    Finding::attention(
        "removed registry",
        format!(
            "registry {id} was removed while programs use it; it has {names} {}, and {they} to \
             the next registry, which the next program that creates or attaches a segment creates",
            units::plural(names, "name")
        ),
        "start such a program before those that use the removed registry are killed, and remove \
         names with 'shmutil remove' instead of ipcrm",
    )
}

fn ids(registries: &[LeftBehind]) -> Vec<i32> {
    registries.iter().map(|one| one.registry).collect()
}

fn left_behind(ids: &[i32]) -> Option<Finding> {
    if ids.is_empty() {
        return None;
    }
    let noun = if ids.len() == 1 {
        "registry was"
    } else {
        "registries were"
    };
    let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
    Some(Finding::attention(
        "left behind",
        format!(
            "{} empty {noun} left behind by programs that were killed or called _exit: id {}",
            ids.len(),
            list.join(", ")
        ),
        format!(
            "remove what is not needed with '{}'; otherwise the next program that creates a \
             registry does so",
            command("prune --older-than AGE")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nouns_agree() {
        assert!(left_behind(&[]).is_none());
        let text = |ids: &[i32]| left_behind(ids).unwrap().text;
        let why = "left behind by programs that were killed or called _exit: id";
        assert_eq!(text(&[7]), format!("1 empty registry was {why} 7"));
        assert_eq!(text(&[7, 9]), format!("2 empty registries were {why} 7, 9"));
        assert!(
            one_removed_in_use(5, 1)
                .text
                .contains("1 name, and it moves to")
        );
        assert!(
            one_removed_in_use(5, 2)
                .text
                .contains("2 names, and they move to")
        );
    }
}
