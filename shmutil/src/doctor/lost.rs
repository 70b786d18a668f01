//! Registries that were removed, as with ipcrm(1), while programs used them. To
//! the programs that have the segments mapped nothing happens, but whoever looks
//! for the names then finds none.
//!
//! A registry is also removed in good order, with its last name, while others
//! still have it mapped. So what tells is a process that has a removed registry
//! mapped, no other one, and a segment which should have a name.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashSet};

use shm_util::Info;

use super::Finding;
use crate::holders::{self, IpcNamespace, Segment};
use crate::sysvipc::{self, Kind};
use crate::units;

/// `SHM_DEST` in the permissions that the kernel's table shows, in octal: it
/// goes with its last mapping.
const REMOVED: u32 = 0o1000;

/// `listed` are the segments that have names.
pub(super) fn check(listed: &[Info]) -> Option<Finding> {
    let table = Table::parse(&sysvipc::read().unwrap_or_default());
    if table.removed.is_empty() {
        return None;
    }
    let listed: HashSet<i32> = listed.iter().map(|info| info.id).collect();
    let namespace = IpcNamespace::ours()?;
    let mappings = holders::processes()
        .into_iter()
        .filter(|&pid| namespace.has(pid))
        .map(holders::mapped_by);
    let lost = table.lost(mappings, &listed);
    if lost.is_empty() {
        return None;
    }
    let ids: Vec<String> = lost.iter().map(ToString::to_string).collect();
    let count = ids.len();
    Some(Finding::attention(
        "lost names",
        format!(
            "a registry was removed while in use; {count} {} in use may have lost {}: id {}",
            units::plural(count, "segment"),
            if count == 1 {
                "its name"
            } else {
                "their names"
            },
            ids.join(", ")
        ),
        "let the programs that have them mapped save what they need, and start them anew; then \
         remove what 'ipcs -m' still shows of these with ipcrm -m ID",
    ))
}

/// The identifiers in the kernel's table.
#[derive(Debug, Default)]
struct Table {
    /// Those that have been removed, but are mapped.
    removed: HashSet<i32>,
    others: HashSet<i32>,
}

impl Table {
    fn parse(text: &str) -> Self {
        let mut table = Self::default();
        for row in sysvipc::rows(text) {
            if row.mode & REMOVED == 0 {
                table.others.insert(row.id);
            } else {
                table.removed.insert(row.id);
            }
        }
        table
    }

    /// What processes, each with its mappings, have of segments that are not
    /// listed, while the only registry that they have was removed.
    fn lost(
        &self,
        processes: impl Iterator<Item = Vec<Segment>>,
        listed: &HashSet<i32>,
    ) -> BTreeSet<i32> {
        let mut lost = BTreeSet::new();
        for mapped in processes {
            let mut registries = mapped
                .iter()
                .filter(|&&(_, key)| Kind::of(key) == Kind::Registry)
                .peekable();
            if registries.peek().is_none() || !registries.all(|(id, _)| self.removed.contains(id)) {
                continue;
            }
            let named = mapped
                .iter()
                .filter(|&&(_, key)| Kind::of(key) == Kind::Named)
                .map(|&(id, _)| id);
            lost.extend(named.filter(|id| self.others.contains(id) && !listed.contains(id)));
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "       key      shmid perms                  size  cpid\n\
                         0    1  1600   100   12\n\
                         -1073741823    2   660   100   12\n\
                         -1073741822    3   660   100   12\n\
                         -2147483647    4   600   100   12\n";
    const REGISTRY: i32 = i32::MIN + 1;
    const NAMED: i32 = -1_073_741_823;

    fn lost(mapped: &[Segment], listed: &[i32]) -> Vec<i32> {
        let listed = listed.iter().copied().collect();
        let processes = [mapped.to_vec()].into_iter();
        let table = Table::parse(TABLE);
        table.lost(processes, &listed).into_iter().collect()
    }

    #[test]
    fn what_is_used_with_a_removed_registry_alone_is_lost() {
        assert_eq!(lost(&[(1, REGISTRY), (2, NAMED)], &[]), [2]);
        assert_eq!(lost(&[(1, REGISTRY), (2, NAMED), (3, NAMED)], &[3]), [2]);
    }

    #[test]
    fn what_may_have_a_name_is_not() {
        assert!(lost(&[(2, NAMED)], &[]).is_empty());
        assert!(lost(&[(1, REGISTRY), (4, REGISTRY), (2, NAMED)], &[]).is_empty());
        assert!(lost(&[(1, REGISTRY)], &[]).is_empty());
        assert!(lost(&[(1, REGISTRY), (9, NAMED)], &[]).is_empty());
        assert!(lost(&[(1, 5), (2, NAMED)], &[]).is_empty());
    }
}
