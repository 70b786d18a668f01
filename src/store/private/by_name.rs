//! Operations on segments by name, which do not attach them for the program: look, wait, list,
//! keep, remove, prune.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::change;
use super::names::Names;
use super::record::Record;
use super::store::Private;
use super::wait::{Absent, expect_name};
use crate::errno::Errno;
use crate::error::Result;
use crate::info::{Info, Permissions};
use crate::request::{Lifetime, Swapping, Target};

#[allow(clippy::unused_self)] // other kinds of stores need it
impl Private {
    /// The names, locked, and the segment of one.
    fn find(&self, target: Target<'_>) -> Result<(Names, Arc<Record>)> {
        let names = Names::lock()?;
        let found = match target {
            Target::Name(name) => names.find(name)?,
            Target::Id(_) => None,
        };
        match found {
            Some(record) => Ok((names, record)),
            None => Err(self.no_such(target)),
        }
    }

    pub(in crate::store) fn info(&self, target: Target<'_>) -> Result<Info> {
        let (_names, record) = self.find(target)?;
        record.info()
    }

    /// `None` if the name exists.
    pub(in crate::store) fn expect(&self, name: &[u8]) -> Result<Option<Absent>> {
        let absent = expect_name();
        let found = Names::lock()?.find(name)?;
        Ok(match found {
            Some(_) => None,
            None => Some(absent),
        })
    }

    pub(in crate::store) fn list(&self) -> Result<Vec<Info>> {
        let names = Names::lock()?;
        let all = names.all()?;
        let mut infos = Vec::new();
        for record in &all {
            add(&mut infos, record)?;
        }
        Ok(infos)
    }

    pub(in crate::store) fn set_lifetime(&self, name: &[u8], lifetime: Lifetime) -> Result<()> {
        let (_names, record) = self.find(Target::Name(name))?;
        change::set_lifetime(&record, lifetime)
    }

    pub(in crate::store) fn set_permissions(
        &self,
        name: &[u8],
        permissions: Permissions,
    ) -> Result<()> {
        change::check(permissions, name)?;
        let (_names, record) = self.find(Target::Name(name))?;
        record.set_permissions(permissions);
        Ok(())
    }

    pub(in crate::store) fn set_swapping(&self, name: &[u8], swapping: Swapping) -> Result<()> {
        let (names, record) = self.find(Target::Name(name))?;
        drop(names);
        change::set_swapping(&record, swapping)
    }

    pub(in crate::store) fn remove(&self, target: Target<'_>) -> Result<()> {
        let (names, record) = self.find(target)?;
        names.remove(&record)?;
        // The memory of an orphan is freed after the lock has been released.
        drop(names);
        drop(record);
        Ok(())
    }

    /// Hidden segments belong to attachments of this process, so none of them is abandoned.
    pub(in crate::store) fn prune(&self, minimum_age: Duration) -> Result<Vec<Info>> {
        let names = Names::lock()?;
        let all = names.all()?;
        let mut pruned = Vec::new();
        for record in &all {
            let is_kept = record.lifetime() == Lifetime::Kept;
            if !is_kept && record.idle_time().is_some_and(|idle| idle >= minimum_age) {
                add(&mut pruned, record)?;
                names.remove(record)?;
            }
        }
        // Their memory is freed after the lock has been released.
        drop(names);
        drop(all);
        Ok(pruned)
    }
}

fn add(infos: &mut Vec<Info>, record: &Record) -> Result<()> {
    infos
        .try_reserve(1)
        .map_err(|_| Errno(libc::ENOMEM).during(format_args!("list the names")))?;
    infos.push(record.info()?);
    Ok(())
}
