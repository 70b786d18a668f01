//! Registries that were removed while programs used them, as with ipcrm(1).
//! Programs that have segments attached are not affected, but other programs no
//! longer find the names.
//!
//! The library itself removes a registry along with its last name, even if other
//! processes still have it attached. Therefore a name counts as lost only if a
//! process has a removed registry attached, no other registry, and a segment
//! that should have a name.

#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashSet};

use shm_util::Info;
use shm_util::admin::{Kind, Row};

use super::Finding;
use crate::holders::{self, IpcNamespace, Segment};
use crate::sysvipc;
use crate::units;

/// `SHM_DEST` in the mode that the kernel's table shows: the segment is deleted
/// when the last process detaches it.
const REMOVED: u32 = 0o1000;

/// Looks for lost names. `listed` are the segments that have names.
pub(super) fn check(listed: &[Info]) -> Option<Finding> {
    let table = Table::new(&sysvipc::rows().unwrap_or_default());
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
            "a registry was removed while in use; {count} {} may have lost {}: id {}",
            units::plural(count, "segment"),
            if count == 1 {
                "its name"
            } else {
                "their names"
            },
            ids.join(", ")
        ),
        "have the programs that use them save their data, then restart them; delete those that \
         'ipcs -m' still shows with ipcrm -m ID",
    ))
}

/// The identifiers in the kernel's table.
#[derive(Debug, Default)]
struct Table {
    /// Segments that were removed, but are still attached.
    removed: HashSet<i32>,
    others: HashSet<i32>,
}

impl Table {
    fn new(rows: &[Row]) -> Self {
        let mut table = Self::default();
        for row in rows {
            if row.mode & REMOVED == 0 {
                table.others.insert(row.id);
            } else {
                table.removed.insert(row.id);
            }
        }
        table
    }

    /// The named segments that are not listed, among those that processes have
    /// attached whose only registry was removed. `processes` yields what each
    /// process has attached.
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
    use shm_util::admin::parse_segment_table;

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
        let table = Table::new(&parse_segment_table(TABLE).collect::<Vec<_>>());
        table.lost(processes, &listed).into_iter().collect()
    }

    #[test]
    fn a_segment_used_with_only_a_removed_registry_is_lost() {
        assert_eq!(lost(&[(1, REGISTRY), (2, NAMED)], &[]), [2]);
        assert_eq!(lost(&[(1, REGISTRY), (2, NAMED), (3, NAMED)], &[3]), [2]);
    }

    #[test]
    fn a_segment_that_may_have_a_name_is_not_lost() {
        assert!(lost(&[(2, NAMED)], &[]).is_empty());
        assert!(lost(&[(1, REGISTRY), (4, REGISTRY), (2, NAMED)], &[]).is_empty());
        assert!(lost(&[(1, REGISTRY)], &[]).is_empty());
        assert!(lost(&[(1, REGISTRY), (9, NAMED)], &[]).is_empty());
        assert!(lost(&[(1, 5), (2, NAMED)], &[]).is_empty());
    }
}
