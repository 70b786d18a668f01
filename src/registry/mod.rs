//! The names: which name belongs to which segment.
//!
//! A registry is itself a System V segment, so it has the life, the IPC name
//! space and the owner of the segments that it names. It keeps no reference
//! count: who is attached to what, the kernel knows.
//!
//! Other processes may be doing anything at any time: creating, removing, dying
//! with the lock held, taking the registry away with ipcrm(1), or writing
//! over it. What is said about one process below holds for all of them.
//!
//! # Birth
//!
//! Fresh memory is all zero, and that is a free [`lock`]. So whoever comes first
//! makes the segment, and whoever holds the lock first completes it; the magic
//! number is written last. A death anywhere on this way leaves a registry that
//! the next process completes. Until then a permission bit without meaning to
//! System V (execute) says that it is new: memory that is all zero without
//! that bit was overwritten.
//!
//! # Change
//!
//! A segment is made under a random key that is in its slot *before* shmget(2)
//! is called, so a death leaves nothing, or a key by which the next holder of
//! the lock finds the segment and undoes what was begun ([`Names::recover`]).
//!
//! # End
//!
//! A process that exits and finds no names removes the registry under the lock.
//! Whoever then gets the lock of a registry that is gone notices, and opens the
//! next one ([`Lookup::NotCurrent`]).

#[cfg(any(test, fuzzing))]
// To fail is what it is for.
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod damage;
mod layout;
mod listing;
mod lock;
mod namespace;
mod table;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

#[cfg(any(test, fuzzing))]
pub(crate) use damage::survive_damage;
pub(crate) use layout::{Lifetime, NAME_MAX, Name};
pub(crate) use listing::Listed;

use crate::error::{Errno, Error, Quoted, Result};
use crate::fork;
use crate::process::{self, Uncancelled};
use crate::sysv::{self, Access, Id, Key, Making, Mapping, Placement, Status};
use layout::{Damage, Facts, Header, MAGIC, SUPERSEDED, State, Table, VERSION};
use lock::{Acquired, Held};
use namespace::{KEY_BITS, NameSpace, SEGMENT_KEYS};
use table::{Probe, Used};

/// How long a holder of the lock may be stopped before others give up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for a process that only wants to tidy up before it ends.
const PATIENCE_AT_EXIT: Duration = Duration::from_secs(1);
/// A new registry's permission bits have this one more, until it is complete.
const UNBORN: u32 = 0o100;
/// How often something that others undid in between is tried again.
const ATTEMPTS: usize = 10_000;
/// How many random keys are tried for a new segment.
const KEY_ATTEMPTS: usize = 64;
/// How many registries without a handle are kept mapped.
const IDLE_REGISTRIES: usize = 8;

/// The registries that this process has mapped, one a name space.
static OPEN: Mutex<Vec<Arc<Registry>>> = Mutex::new(Vec::new());

/// A name space's registry, mapped.
#[derive(Debug)]
pub(crate) struct Registry {
    namespace: NameSpace,
    id: Id,
    /// What tells it from another segment of the same id, should there be one.
    key: Key,
    creator_process: libc::pid_t,
    /// Those who share it, if several users may.
    group: Option<libc::gid_t>,
    capacity: usize,
    mapping: Mapping,
}

/// A segment that the registry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    slot: usize,
    pub(crate) id: Id,
    key: Key,
    /// In bytes.
    pub(crate) size: usize,
    /// When it was made, in seconds since 1970.
    pub(crate) created: u64,
}

/// Where a registry is that this process has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Where its key leads to.
    Current,
    /// Nowhere: it was removed, and is there only while it is mapped.
    Removed,
    /// In an IPC name space that this process has left.
    Elsewhere,
}

/// What the registry says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It is that of this segment, which exists.
    Found(Entry),
    /// It has no segment.
    Absent,
    /// Nothing: it is not the name space's registry any more.
    NotCurrent,
}

/// A registry whose lock is held.
pub(crate) struct Names<'a> {
    registry: &'a Registry,
    table: Table<'a>,
    held: Held<'a>,
}

/// Who has completed a new registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completed {
    /// This call.
    Here,
    /// Another process, which may have done so for another name space.
    Elsewhere,
}

/// What is found under a name space's keys.
enum Search {
    /// Its registry.
    Found(Registry),
    /// A registry that nobody has completed yet.
    Unborn(Registry),
    /// None, and the key for one; no key if strangers have them all.
    Vacant(Option<Key>),
    /// What went away meanwhile: start again.
    Gone,
}

/// What came of removing a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Removed,
    /// Its status said that it may not go.
    Spared,
    /// It was not there any more.
    Missing,
    Failed(Errno),
}

/// What a segment under one of a name space's keys is.
enum Candidate {
    /// A complete registry of this name space.
    Complete(Registry),
    /// A registry that nobody has completed yet.
    Unborn(Registry),
    /// Something else: try the next key.
    Stranger,
    /// It went away meanwhile: start again.
    Gone,
}

impl Registry {
    /// The registry of the name space that is selected now; made if need be.
    /// Whether it is still that, [`Names::look_up`] tells.
    pub(crate) fn current() -> Result<Arc<Self>> {
        let namespace = NameSpace::current()?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        match Self::known(&open, &namespace) {
            Some(known) => Ok(known),
            None => Self::open(&namespace)?.keep_among(&mut open),
        }
    }

    /// The same, but `None` if there is none.
    pub(crate) fn existing() -> Result<Option<Arc<Self>>> {
        let namespace = NameSpace::current()?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = Self::known(&open, &namespace) {
            return Ok(Some(known));
        }
        Self::find(&namespace)?
            .map(|found| found.keep_among(&mut open))
            .transpose()
    }

    fn known(open: &[Arc<Self>], namespace: &NameSpace) -> Option<Arc<Self>> {
        open.iter()
            .find(|known| known.namespace == *namespace)
            .map(Arc::clone)
    }

    fn keep_among(self, open: &mut Vec<Arc<Self>>) -> Result<Arc<Self>> {
        let registry = Arc::new(self);
        if open.len() >= IDLE_REGISTRIES {
            open.retain(|known| {
                let in_use = Arc::strong_count(known) > 1;
                if !in_use {
                    known.retire_if_empty();
                }
                in_use
            });
        }
        open.try_reserve(1)
            .map_err(|_| Errno(libc::ENOMEM).during(format_args!("open {}", registry.namespace)))?;
        open.push(Arc::clone(&registry));
        Ok(registry)
    }

    /// Leaves a registry that is not current any more. Handles that were made
    /// with it go on using it.
    pub(crate) fn forget(self: &Arc<Self>) {
        OPEN.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|known| !Arc::ptr_eq(known, self));
    }

    /// Finds the name space's registry under its keys, or makes it.
    fn open(namespace: &NameSpace) -> Result<Self> {
        let _uncancelled = Uncancelled::new();
        let identity = namespace.identity()?;
        let mut made = None;
        for _ in 0..ATTEMPTS {
            match Self::find_or_make(namespace, &identity, &mut made) {
                Ok(ControlFlow::Break(registry)) => return Ok(registry),
                Ok(ControlFlow::Continue(())) => {}
                Err(error) => {
                    // A new one that can't be used is not left behind.
                    if let Some((id, key)) = made {
                        remove_unused(id, key);
                    }
                    return Err(error);
                }
            }
        }
        Err(namespace.denied(format_args!("its registry comes and goes all the time")))
    }

    /// Finds the name space's registry under its keys, if it has a complete
    /// one: who only looks makes none.
    fn find(namespace: &NameSpace) -> Result<Option<Self>> {
        let identity = namespace.identity()?;
        for _ in 0..ATTEMPTS {
            match Self::search(namespace, &identity)? {
                Search::Found(registry) => return Ok(Some(registry)),
                Search::Unborn(_) | Search::Vacant(_) => return Ok(None),
                Search::Gone => {}
            }
        }
        Err(namespace.denied(format_args!("its registry comes and goes all the time")))
    }

    /// One pass over the keys. All are looked at before one is made or
    /// completed: a stranger who sat on an early one may be gone by now.
    fn search(namespace: &NameSpace, identity: &[u8]) -> Result<Search> {
        let mut vacant = None;
        let mut unborn = None;
        for key in NameSpace::keys(identity) {
            match sysv::find(key, 0) {
                Err(Errno(libc::ENOENT)) => vacant = vacant.or(Some(key)),
                Err(errno) => {
                    return Err(errno.during(format_args!("find the registry of {namespace}")));
                }
                Ok(id) => match Self::examine(namespace, identity, key, id)? {
                    Candidate::Complete(registry) => return Ok(Search::Found(registry)),
                    Candidate::Unborn(registry) => unborn = unborn.or(Some(registry)),
                    Candidate::Stranger => {}
                    Candidate::Gone => return Ok(Search::Gone),
                },
            }
        }
        Ok(unborn.map_or(Search::Vacant(vacant), Search::Unborn))
    }

    /// One attempt to find the registry, or to make and complete it. Notes which
    /// segment was made.
    fn find_or_make(
        namespace: &NameSpace,
        identity: &[u8],
        made: &mut Option<(Id, Key)>,
    ) -> Result<ControlFlow<Self>> {
        let key = match Self::search(namespace, identity)? {
            Search::Found(registry) => return Ok(ControlFlow::Break(registry)),
            // It stays mapped: where the system removes segments that nobody
            // has mapped (kernel.shm_rmid_forced), it would be gone again.
            Search::Unborn(registry) => {
                return Ok(match registry.complete(identity)? {
                    Completed::Here => ControlFlow::Break(registry),
                    Completed::Elsewhere => ControlFlow::Continue(()),
                });
            }
            Search::Gone => return Ok(ControlFlow::Continue(())),
            Search::Vacant(Some(key)) => key,
            Search::Vacant(None) => {
                return Err(namespace.denied(format_args!(
                    "other programs' segments have all its keys; see the owners of the keys \
                     from {:#x} on in 'ipcs -m'",
                    NameSpace::keys(identity).next().unwrap_or(0)
                )));
            }
        };
        let size = layout::size_of_registry(layout::capacity_for(sysv::maximum_segments()));
        let making = Making::with_mode(namespace.mode() | UNBORN);
        match sysv::create(key, size, making) {
            // Found, and completed, in the next pass; or somebody was faster.
            Ok(id) => {
                *made = Some((id, key));
                Ok(ControlFlow::Continue(()))
            }
            Err(Errno(libc::EEXIST)) => Ok(ControlFlow::Continue(())),
            Err(errno) => Err(errno.during(format_args!(
                "make a registry of {size} bytes for {namespace}"
            ))),
        }
    }

    /// Looks at the segment under one of the name space's keys.
    fn examine(namespace: &NameSpace, identity: &[u8], key: Key, id: Id) -> Result<Candidate> {
        let gone = |errno| matches!(errno, Errno(libc::EINVAL | libc::EIDRM));
        let status = match sysv::status(id) {
            Ok(status) if status.key == key => status,
            Ok(_) => return Ok(Candidate::Gone),
            Err(errno) if gone(errno) => return Ok(Candidate::Gone),
            Err(Errno(libc::EACCES)) => return Self::untrusted(namespace, id, None),
            Err(errno) => {
                return Err(errno.during(format_args!("look at registry {id} of {namespace}")));
            }
        };
        if !namespace.trusts(status.creator, status.creator_group) {
            return Self::untrusted(namespace, id, Some(status));
        }
        if status.size < layout::HEADER_SIZE {
            return Ok(Candidate::Stranger);
        }
        let mapping = match attach_registry(id, status.size) {
            Ok(mapping) => mapping,
            Err(errno) if gone(errno) => return Ok(Candidate::Gone),
            Err(Errno(libc::EACCES)) => return Self::untrusted(namespace, id, Some(status)),
            Err(errno) => {
                return Err(errno.during(format_args!("attach registry {id} of {namespace}")));
            }
        };
        let registry = Self {
            namespace: namespace.clone(),
            id,
            key,
            creator_process: status.creator_process,
            group: namespace.group(status.creator_group),
            capacity: layout::capacity_of(status.size).unwrap_or(0),
            mapping,
        };
        let Some(header) = layout::header(&registry.mapping) else {
            return Ok(Candidate::Stranger);
        };
        // A stranger's segment has neither a registry's size nor its mode.
        let looks_like_one = registry.capacity != 0 && status.mode & !UNBORN == namespace.mode();
        match header.magic() {
            MAGIC => {}
            SUPERSEDED => return Ok(Candidate::Gone),
            _ if !looks_like_one => return Ok(Candidate::Stranger),
            0 if status.mode & UNBORN != 0 => return Ok(Candidate::Unborn(registry)),
            _ => return Err(registry.damaged(Damage("its first bytes"))),
        }
        registry.check_version(header)?;
        if !header
            .is_for(identity)
            .map_err(|damage| registry.damaged(damage))?
        {
            return Ok(Candidate::Stranger);
        }
        if status.mode & 0o002 != 0 {
            return Err(namespace.denied(format_args!(
                "anyone may write to its registry, segment {id} of user {}; end the programs \
                 that use it, then remove it with 'ipcrm -m {id}'",
                status.owner
            )));
        }
        if looks_like_one && status.mode & UNBORN != 0 {
            // Who completed it died before this, or is just about to do it.
            registry.show_complete();
        }
        Ok(Candidate::Complete(registry))
    }

    /// What to make of a segment that somebody else made: nobody else makes a
    /// user's registry, but that of a path may be one that we may not use, and
    /// making another would give one name two segments.
    fn untrusted(namespace: &NameSpace, id: Id, status: Option<Status>) -> Result<Candidate> {
        match (namespace, status) {
            (NameSpace::User(_), _) => Ok(Candidate::Stranger),
            (NameSpace::Path(_), None) => Err(namespace.denied(format_args!(
                "its registry, segment {id}, may not be read; ask its owner in 'ipcs -m' for \
                 access, or choose another NOB_DATABASE"
            ))),
            (NameSpace::Path(_), Some(status)) => Err(namespace.denied(format_args!(
                "its registry, segment {id}, was made by user {} and group {}, which is none \
                 of ours; join that group, or choose another NOB_DATABASE",
                status.creator, status.creator_group
            ))),
        }
    }

    /// Writes the header of a new registry, unless another process did so
    /// while this one waited for the lock.
    fn complete(&self, identity: &[u8]) -> Result<Completed> {
        let table = self.table()?;
        let held = self.hold(table.header, PATIENCE)?;
        if table.header.magic() != 0 {
            if held.acquired() == Acquired::OwnerDied {
                // It may have died changing names: for who opens it to undo.
                held.leave_to_the_next();
            }
            return Ok(Completed::Elsewhere);
        }
        self.supersede_predecessors(identity);
        table.header.give_birth(identity, table.capacity());
        self.show_complete();
        Ok(Completed::Here)
    }

    /// Takes the bit away that says that the registry is new. Who isn't its
    /// owner can't, and needn't.
    fn show_complete(&self) {
        let _ = sysv::set_mode(self.id, self.namespace.mode());
    }

    /// Tells the processes that have an earlier registry of this name space
    /// mapped, which was taken away under their feet, that there is a new one.
    /// That is rare; for them to ask the kernel at each call is not.
    fn supersede_predecessors(&self, identity: &[u8]) {
        let taken_away = |status: &Status| {
            status.is_removed
                && layout::capacity_of(status.size).is_some()
                && self.namespace.trusts(status.creator, status.creator_group)
        };
        for (id, status) in sysv::all().filter(|(_, status)| taken_away(status)) {
            let Ok(mapping) = attach_registry(id, status.size) else {
                continue;
            };
            match layout::header(&mapping) {
                Some(header) if header.magic() == MAGIC && header.is_for(identity) == Ok(true) => {
                    header.supersede();
                }
                _ => {}
            }
        }
    }

    fn table(&self) -> Result<Table<'_>> {
        Table::new(&self.mapping, self.capacity).ok_or_else(|| self.damaged(Damage("its size")))
    }

    fn check_version(&self, header: &Header) -> Result<()> {
        let version = header.version();
        if version == VERSION {
            return Ok(());
        }
        Err(Error::new(
            libc::ENOTSUP,
            format_args!(
                "open {}: its registry, segment {}, has layout {version}, and this library \
                 knows {VERSION}; end the programs that use another version of the library, \
                 then remove it with 'ipcrm -m {}'",
                self.namespace, self.id, self.id
            ),
        ))
    }

    /// Takes the lock, and first undoes what a dead holder has begun.
    pub(crate) fn lock(&self) -> Result<Names<'_>> {
        self.lock_within(PATIENCE)
    }

    fn lock_within(&self, patience: Duration) -> Result<Names<'_>> {
        let table = self.table()?;
        if ![MAGIC, SUPERSEDED].contains(&table.header.magic()) {
            return Err(self.damaged(Damage("its first bytes")));
        }
        self.check_version(table.header)?;
        let held = self.hold(table.header, patience)?;
        let owner_died = held.acquired() == Acquired::OwnerDied;
        let names = Names {
            registry: self,
            table,
            held,
        };
        if owner_died {
            // From another IPC name space, nothing of what was begun is seen.
            let recovered = match names.registry.presence() {
                Presence::Elsewhere => Ok(false),
                Presence::Current | Presence::Removed => names.recover().map(|()| true),
            };
            if !matches!(recovered, Ok(true)) {
                names.held.leave_to_the_next();
            }
            recovered?;
        }
        Ok(names)
    }

    /// Whether the name still belongs to a segment that this process has just
    /// attached. Then nobody deletes the segment any more: who would have done,
    /// sees the mapping. False if in doubt; with the lock there is none.
    pub(crate) fn still_names(&self, entry: &Entry) -> bool {
        fence(Ordering::SeqCst);
        self.table().is_ok_and(|table| {
            table.header.magic() == MAGIC && matches!(table.lifetime(entry), Ok(Some(_)))
        })
    }

    /// Whether a segment outlives its last user. It does if it is a kept one,
    /// unless its name was lost with a registry that was taken away: nobody
    /// would find it.
    pub(crate) fn keeps(&self, entry: &Entry) -> Result<bool> {
        Ok(self.lifetime(entry)? == Some(Lifetime::Kept) && self.presence() != Presence::Removed)
    }

    /// An identifier alone says nothing: in a new IPC name space it may be
    /// somebody else's, even under the same key.
    fn presence(&self) -> Presence {
        match sysv::status(self.id) {
            Ok(status) if status.creator_process != self.creator_process => Presence::Elsewhere,
            Ok(status) if status.key == self.key => Presence::Current,
            Ok(status) if status.is_removed => Presence::Removed,
            _ => Presence::Elsewhere,
        }
    }

    fn hold<'a>(&self, header: &'a Header, patience: Duration) -> Result<Held<'a>> {
        header.lock.acquire(patience).map_err(|errno| {
            errno.during(format_args!(
                "lock {}, whose registry, segment {}, thread {} has kept locked for {} s; \
                 continue or end that process, and if there is none, the registry was \
                 overwritten: end the programs that use it, then remove it with 'ipcrm -m {}'",
                self.namespace,
                self.id,
                header.lock.owner(),
                patience.as_secs(),
                self.id
            ))
        })
    }

    fn damaged(&self, Damage(what): Damage) -> Error {
        Error::new(
            libc::EUCLEAN,
            format_args!(
                "use {}: its registry, segment {}, was overwritten ({what}); end the programs \
                 that use it, then remove it with 'ipcrm -m {}'; all its names are lost then",
                self.namespace, self.id, self.id
            ),
        )
    }

    /// Removes the registry if it holds no names. Nobody is told: whoever has
    /// it mapped notices by [`Lookup::NotCurrent`].
    fn retire_if_empty(&self) {
        let Ok(names) = self.lock_within(PATIENCE_AT_EXIT) else {
            return;
        };
        if names.table.header.names() == Ok(0) && names.is_current() {
            // Who isn't its owner leaves it to its owner.
            let _ = sysv::remove(self.id);
        }
    }
}

fn attach_registry(id: Id, size: usize) -> std::result::Result<Mapping, Errno> {
    Mapping::attach(id, Placement::Anywhere, Access::ReadWrite, size)
}

/// Removes a segment that nobody has ever attached.
fn remove_unused(id: Id, key: Key) {
    let unused = |status: Status| status.key == key && !status.was_ever_attached();
    if sysv::status(id).is_ok_and(unused) {
        let _ = sysv::remove(id);
    }
}

/// Called when the process exits: clean programs leave nothing behind.
pub(crate) fn retire_all() {
    // Other threads may still be at work, or have stopped half-way: what can't
    // be had at once is left to the next process.
    let mut open = match OPEN.try_lock() {
        Ok(open) => open,
        Err(TryLockError::Poisoned(open)) => open.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    // Those without a handle are unmapped too: the library may be unloaded.
    open.retain(|registry| {
        registry.retire_if_empty();
        Arc::strong_count(registry) > 1
    });
}

impl Names<'_> {
    /// Whether the registry is still the one that its key leads to.
    fn is_current(&self) -> bool {
        self.registry.presence() == Presence::Current
    }

    /// The segment of a name. A name whose segment was removed behind our back
    /// is freed, and absent.
    ///
    /// That the registry is current is found out here, under the lock, so that
    /// no name gets into one that was taken away before. It need not be asked
    /// for a segment that is there: nobody else has its key, and as long as
    /// no other registry is born, nobody else can have its name.
    pub(crate) fn look_up(&self, name: &Name<'_>) -> Result<Lookup> {
        if self.table.header.magic() == SUPERSEDED {
            return Ok(Lookup::NotCurrent);
        }
        loop {
            let found = self.probe(name)?.found;
            if let Some(entry) = found.and_then(Entry::of_live) {
                let findable = entry.is_findable().map_err(|errno| {
                    errno.during(format_args!(
                        "look for segment {} (id {})",
                        Quoted(name.bytes()),
                        entry.id
                    ))
                })?;
                if findable {
                    return Ok(Lookup::Found(entry));
                }
            }
            // The segment is not there, or nothing of this is: a process can
            // change its IPC name space too.
            if !self.is_current() {
                return Ok(Lookup::NotCurrent);
            }
            match found {
                None => {
                    return match self.table.header.magic() {
                        MAGIC => Ok(Lookup::Absent),
                        SUPERSEDED => Ok(Lookup::NotCurrent),
                        // Zeros, written over it just now, have no names either.
                        _ => self.check(Err(Damage("its first bytes"))),
                    };
                }
                Some(used) if matches!(used.state, State::Live(..)) => {
                    self.check(self.table.end(used.slot))?;
                }
                // Its maker died, and nobody has recovered it.
                Some(_) => self.recover()?,
            }
        }
    }

    /// Makes a segment of `size` bytes for a name that has none. `ENOSPC` if
    /// the registry, or the system, has no room for another.
    pub(crate) fn create(
        &self,
        name: &Name<'_>,
        size: usize,
        making: Making,
        lifetime: Lifetime,
    ) -> Result<Entry> {
        let Some(slot) = self.probe(name)?.vacancy else {
            return Err(Error::new(
                libc::ENOSPC,
                format_args!(
                    "make segment {}: the registry of {} is full with {} names; destroy some",
                    Quoted(name.bytes()),
                    self.registry.namespace,
                    self.table.capacity()
                ),
            ));
        };
        let mut result = Err(Errno(libc::EEXIST));
        for _ in 0..KEY_ATTEMPTS {
            let facts = Facts {
                key: random_key(),
                size: u64::try_from(size).unwrap_or(u64::MAX),
                hash: name.hash(),
                length: u32::try_from(name.bytes().len()).unwrap_or(u32::MAX),
                creator: fork::process(),
                created: process::seconds_since_1970(),
            };
            // From here on a death is undone by the key.
            self.check(self.table.begin(slot, facts, name))?;
            result = sysv::create(facts.key, size, making);
            if let Ok(id) = result {
                self.share(id);
                self.check(self.table.finish(slot, State::Live(id, lifetime)))?;
                return Ok(Entry {
                    slot,
                    id,
                    key: facts.key,
                    size,
                    created: facts.created,
                });
            }
            self.check(self.table.vacate(slot))?;
            if result != Err(Errno(libc::EEXIST)) {
                break;
            }
        }
        let errno = result.err().unwrap_or(Errno(libc::EEXIST));
        Err(errno.during(format_args!(
            "make segment {} of {size} bytes{}",
            Quoted(name.bytes()),
            remedy(making, errno)
        )))
    }

    /// Gives a new segment to those who share the name space. Who has made it
    /// as a member of another group could otherwise not share it.
    fn share(&self, id: Id) {
        match self.registry.group {
            Some(group) if group != process::effective_group() => {
                // Its maker may; if not, it is as it would be without this.
                let _ = sysv::set_group(id, group);
            }
            _ => {}
        }
    }

    /// Whether the name still belongs to this segment. While the lock is held,
    /// nobody who uses this library can remove it.
    pub(crate) fn has(&self, entry: &Entry) -> Result<bool> {
        Ok(self.lifetime(entry)?.is_some())
    }

    /// How long the segment lives; `None` if the name does not belong to it any
    /// more.
    pub(crate) fn lifetime(&self, entry: &Entry) -> Result<Option<Lifetime>> {
        self.check(self.table.lifetime(entry))
    }

    /// Changes how long a segment lives. False if it has lost its name.
    pub(crate) fn set_lifetime(&self, entry: &Entry, lifetime: Lifetime) -> Result<bool> {
        match self.lifetime(entry)? {
            Some(_) if self.is_current() => {}
            _ => return Ok(false),
        }
        self.set_state(entry, State::Live(entry.id, lifetime))?;
        Ok(true)
    }

    fn set_state(&self, entry: &Entry, state: State) -> Result<()> {
        let slot = self.table.slot(entry.slot);
        self.check(slot.map(|slot| slot.set_state(state)))
    }

    /// Removes a segment and its name, if its status then says that it may go.
    /// If it can't be removed (`EPERM`: it is another user's), both stay.
    ///
    /// That it is about to go is said before its mappings are counted. Who
    /// attaches it looks at its name afterwards, without the lock (see
    /// [`Registry::still_names`]): so either is seen by the other.
    pub(crate) fn remove_if(
        &self,
        entry: &Entry,
        may_go: impl FnOnce(&Status) -> bool,
    ) -> Result<Removal> {
        // None if it was lost with a registry that was taken away.
        let lifetime = self.lifetime(entry)?;
        if let Some(lifetime) = lifetime {
            self.set_state(entry, State::Removing(entry.id, lifetime))?;
            fence(Ordering::SeqCst);
        }
        let removal = match entry.status() {
            Ok(Some(status)) if may_go(&status) => match sysv::remove(entry.id) {
                Ok(()) => Removal::Removed,
                Err(errno) => Removal::Failed(errno),
            },
            Ok(Some(_)) => Removal::Spared,
            Ok(None) => Removal::Missing,
            Err(errno) => Removal::Failed(errno),
        };
        let Some(lifetime) = lifetime else {
            return Ok(removal);
        };
        let is_gone = match removal {
            Removal::Removed => true,
            Removal::Missing => self.registry.presence() != Presence::Elsewhere,
            Removal::Spared | Removal::Failed(_) => false,
        };
        if is_gone {
            self.check(self.table.end(entry.slot))?;
        } else {
            self.set_state(entry, State::Live(entry.id, lifetime))?;
        }
        Ok(removal)
    }

    /// Frees the name of a segment that was removed behind our back, unless it
    /// can't be seen because this process has left the IPC name space of both.
    pub(crate) fn remove_stale(&self, entry: &Entry) -> Result<()> {
        if self.registry.presence() != Presence::Elsewhere && self.has(entry)? {
            self.check(self.table.end(entry.slot))?;
        }
        Ok(())
    }

    /// Finds what a dead holder of the lock has begun, undoes it, and counts
    /// the names anew. All slots are looked at: it is rare, and simpler than
    /// to keep a record of what is being changed.
    fn recover(&self) -> Result<()> {
        for slot in self.table.slots() {
            slot.recover();
        }
        for used in self.table.used() {
            let used = self.check(used)?;
            if !matches!(used.state, State::Live(..)) {
                self.undo(used)?;
            }
        }
        let names = self.table.used().count();
        self.table
            .header
            .set_names(u32::try_from(names).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Undoes what was begun in one slot: makes it as if the dead process had
    /// not begun to create. What it was about to remove, and has not, stays: it
    /// may have died before it saw that others have it.
    fn undo(&self, used: Used) -> Result<()> {
        let Used { slot, state, facts } = used;
        let failed = |errno: Errno| {
            errno.during(format_args!(
                "undo what a process that died has begun in {}",
                self.registry.namespace
            ))
        };
        let stays = match state {
            State::Creating => undo_creation(facts).map_err(failed)?,
            State::Removing(id, lifetime) => match sysv::status(id) {
                Ok(status) if status.key != facts.key => None,
                Err(Errno(libc::EINVAL | libc::EIDRM)) => None,
                Ok(_) | Err(Errno(libc::EACCES)) => Some(State::Live(id, lifetime)),
                Err(errno) => return Err(failed(errno)),
            },
            State::Live(..) | State::Empty | State::Freed => return Ok(()),
        };
        self.check(match stays {
            Some(state) => self.table.slot(slot).map(|slot| slot.set_state(state)),
            None => self.table.vacate(slot),
        })
    }

    fn probe(&self, name: &Name<'_>) -> Result<Probe> {
        self.check(self.table.probe(name))
    }

    fn check<T>(&self, result: std::result::Result<T, Damage>) -> Result<T> {
        result.map_err(|damage| self.registry.damaged(damage))
    }
}

/// Removes the segment that was begun, if there is one and it is not a
/// stranger's. What is left of it otherwise.
///
/// Its mappings don't matter: the kernel gives up a dead process's locks
/// before its mappings, and nobody else has seen it.
fn undo_creation(facts: Facts) -> std::result::Result<Option<State>, Errno> {
    // A stranger's key may have made the creation fail.
    let id = match sysv::find(facts.key, 0) {
        Ok(id) => id,
        Err(Errno(libc::ENOENT | libc::EACCES)) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let status = match sysv::status(id) {
        Ok(status) => status,
        Err(Errno(libc::EINVAL | libc::EIDRM | libc::EACCES)) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let is_ours = status.key == facts.key
        && !status.was_ever_attached()
        && u64::try_from(status.size) == Ok(facts.size)
        // 0 is a process that can't be seen from here.
        && [0, i64::from(facts.creator)].contains(&i64::from(status.creator_process));
    match is_ours.then(|| sysv::remove(id)) {
        // Another user's, so it can't be undone: it is done instead. Whoever
        // asked for a kept one died before it was told of it.
        Some(Err(Errno(libc::EPERM | libc::EACCES))) => Ok(Some(State::Live(id, Lifetime::Used))),
        _ => Ok(None),
    }
}

impl Entry {
    fn of_live(used: Used) -> Option<Self> {
        let State::Live(id, _) = used.state else {
            return None;
        };
        Some(Self {
            slot: used.slot,
            id,
            key: used.facts.key,
            size: usize::try_from(used.facts.size).ok()?,
            created: used.facts.created,
        })
    }

    /// Whether the segment's key still leads to it, and it has its size.
    fn is_findable(&self) -> std::result::Result<bool, Errno> {
        match sysv::find(self.key, self.size) {
            Ok(id) => Ok(id == self.id),
            Err(Errno(libc::ENOENT | libc::EINVAL)) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// The segment's status now; `None` if it is not there any more, also if
    /// its identifier is somebody else's by now.
    pub(crate) fn status(&self) -> std::result::Result<Option<Status>, Errno> {
        match sysv::status(self.id) {
            Ok(status) => Ok((status.key == self.key).then_some(status)),
            Err(Errno(libc::EINVAL | libc::EIDRM)) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The status of a segment that this process has mapped: also if it has
    /// lost its name and key meanwhile (`IPC_RMID`). `EIDRM` if the identifier
    /// is not its own from here: this process is in another IPC name space now.
    pub(crate) fn status_of_mapped(&self) -> std::result::Result<Status, Errno> {
        match sysv::status(self.id) {
            Ok(status)
                if status.key == self.key || status.is_removed && status.size == self.size =>
            {
                Ok(status)
            }
            Ok(_) | Err(Errno(libc::EINVAL)) => Err(Errno(libc::EIDRM)),
            Err(errno) => Err(errno),
        }
    }

    /// Whether this process may remove the segment, and what else is its
    /// owner's to do: found out without doing it.
    pub(crate) fn may_be_removed(&self, status: &Status) -> std::result::Result<(), Errno> {
        let user = process::effective_user();
        if user == status.owner || user == status.creator {
            return Ok(());
        }
        // Who has the capability may, too.
        sysv::may_change(self.id)
    }
}

/// What would help, for the message of a segment that could not be made.
const fn remedy(making: Making, errno: Errno) -> &'static str {
    match (making.huge_pages, errno) {
        (true, Errno(libc::ENOMEM)) => {
            " with huge pages, of which too few are free; raise the sysctl vm.nr_hugepages"
        }
        (true, Errno(libc::EPERM)) => {
            " with huge pages, which takes CAP_IPC_LOCK or the group of the sysctl \
             vm.hugetlb_shm_group"
        }
        (true, _) => " with huge pages",
        (false, _) => "",
    }
}

/// A key for a new segment: nobody else's but by a rare chance, which shmget(2)
/// notices.
fn random_key() -> Key {
    SEGMENT_KEYS | process::random(fork::process()) & KEY_BITS
}
