use crate::error::{Error, Result};
use crate::info::{Info, Permissions};
use crate::name::OwnedName;
use crate::request::{Access, Lifetime, Request, Swapping, Target};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;
pub(super) struct Directory;
impl Directory {
    pub(super) fn new(_: Arc<[u8]>) -> Self {
        Self
    }
}
#[derive(Debug)]
pub(super) struct Absent;
#[derive(Debug)]
pub(super) struct Attached;
impl Absent {
    pub(super) fn sleep(&self, _: Duration) -> bool {
        todo!()
    }
}
impl Directory {
    pub(super) fn attach(&self, _: OwnedName, _: &Request) -> Result<Attached> {
        todo!()
    }
    pub(super) fn no_such(&self, _: Target<'_>) -> Error {
        todo!()
    }
    pub(super) fn info(&self, _: Target<'_>) -> Result<Info> {
        todo!()
    }
    pub(super) fn expect(&self, _: &[u8]) -> Result<Option<Absent>> {
        todo!()
    }
    pub(super) fn list(&self) -> Result<Vec<Info>> {
        todo!()
    }
    pub(super) fn set_lifetime(&self, _: &[u8], _: Lifetime) -> Result<()> {
        todo!()
    }
    pub(super) fn set_permissions(&self, _: &[u8], _: Permissions) -> Result<()> {
        todo!()
    }
    pub(super) fn set_swapping(&self, _: &[u8], _: Swapping) -> Result<()> {
        todo!()
    }
    pub(super) fn remove(&self, _: Target<'_>) -> Result<()> {
        todo!()
    }
    pub(super) fn prune(&self, _: Duration) -> Result<Vec<Info>> {
        todo!()
    }
}
impl Attached {
    pub(super) fn name(&self) -> &[u8] {
        todo!()
    }
    pub(super) fn bytes(&self) -> &[AtomicU8] {
        todo!()
    }
    pub(super) const fn access(&self) -> Access {
        Access::ReadWrite
    }
    pub(super) const fn is_closed(&self) -> bool {
        true
    }
    pub(super) const fn was_created(&self) -> bool {
        true
    }
    pub(super) fn info(&self) -> Result<Info> {
        todo!()
    }
    pub(super) fn set_permissions(&self, _: Permissions) -> Result<()> {
        todo!()
    }
    pub(super) fn set_swapping(&self, _: Swapping) -> Result<()> {
        todo!()
    }
    pub(super) fn set_lifetime(&self, _: Lifetime) -> Result<()> {
        todo!()
    }
    pub(super) fn publish(&self) -> Result<()> {
        todo!()
    }
    pub(super) fn remove(&self) -> Result<()> {
        todo!()
    }
    pub(super) fn sync(&self) -> Result<()> {
        todo!()
    }
    pub(super) fn give_up(&self) {
        todo!()
    }
    pub(super) fn detach(&mut self) -> Result<()> {
        todo!()
    }
    pub(super) fn close(&mut self) -> Result<()> {
        todo!()
    }
}
