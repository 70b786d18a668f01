//! The registries that this process has attached, one for each namespace.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::keys;
use super::registry::Registry;
use super::shm;
use crate::errno::Errno;
use crate::error::Result;
use crate::lock::{Guard, Mutex};
use crate::namespace::Registered;
use crate::os;

/// How long a process that is about to end waits for the lock.
const PATIENCE_AT_EXIT: Duration = Duration::from_secs(1);
/// How many registries without a handle stay attached.
const IDLE_REGISTRIES: usize = 8;

/// The registries that this process has attached.
///
/// Not held while anything waits, so that a stopped process that delays one thread does
/// not delay the others one after the other. A child of fork begins with an empty list if
/// another thread was just changing it.
static OPEN: Mutex<Open> = Mutex::new(Open::new());

#[derive(Default)]
struct Open {
    /// One for each namespace.
    current: Vec<Arc<Registry>>,
    /// Those that were removed, until the registry that has their names is attached: as
    /// long as they are, it can copy these.
    removed: Vec<Arc<Registry>>,
}

impl Open {
    const fn new() -> Self {
        Self {
            current: Vec::new(),
            removed: Vec::new(),
        }
    }

    fn known(&self, namespace: &Registered) -> Option<Arc<Registry>> {
        self.current
            .iter()
            .find(|known| known.namespace == *namespace)
            .map(Arc::clone)
    }

    /// Detaches the removed registries whose names a later one of this namespace got, now
    /// that one is attached.
    fn drop_removed(&mut self, namespace: &Registered) {
        self.removed.retain(|removed| {
            removed.namespace != *namespace || removed.recorded_successor().is_none()
        });
    }

    /// Without memory for the list, the registry is detached with its last handle.
    fn keep_removed(&mut self, registry: &Arc<Registry>) {
        self.drop_removed(&registry.namespace);
        if self.removed.try_reserve(1).is_ok() {
            self.removed.push(Arc::clone(registry));
        }
    }
}

impl Registry {
    /// The registry of a namespace, created if necessary. It may have been
    /// removed meanwhile, which [`Names::look_up`](super::locked::Names::look_up)
    /// finds out.
    pub(super) fn of(namespace: &Registered) -> Result<Arc<Self>> {
        let known = registries(namespace)?.known(namespace);
        match known {
            Some(known) => Ok(known),
            None => Self::open(namespace)?.keep(),
        }
    }

    /// The registry of a namespace; `None` if it has none.
    pub(super) fn existing(namespace: &Registered) -> Result<Option<Arc<Self>>> {
        let known = registries(namespace)?.known(namespace);
        if known.is_some() {
            return Ok(known);
        }
        Self::find(namespace)?.map(Self::keep).transpose()
    }

    /// Adds a registry to those that this process has attached, unless another thread
    /// has attached it in the meantime: then the result is that thread's.
    fn keep(self) -> Result<Arc<Self>> {
        let registry = Arc::new(self);
        let mut idle = Vec::new();
        {
            let mut open = registries(&registry.namespace)?;
            let known = open.known(&registry.namespace);
            if let Some(known) = known.filter(|known| known.is_same(&registry)) {
                return Ok(known);
            }
            if open.current.len() >= IDLE_REGISTRIES {
                take_idle(&mut open.current, &mut idle);
            }
            open.current.try_reserve(1).map_err(|_| {
                Errno(libc::ENOMEM).during(format_args!("open {}", registry.namespace))
            })?;
            open.current.push(Arc::clone(&registry));
            open.drop_removed(&registry.namespace);
        }
        for registry in idle {
            registry.retire_if_empty();
        }
        Ok(registry)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.key == other.key && self.mapping.size() == other.mapping.size()
    }

    /// Drops a registry that is not current any more. Handles that were created
    /// with it go on using it. If it was removed, it stays attached until its successor is:
    /// that may end with another process.
    pub(super) fn forget(self: &Arc<Self>) {
        let is_needed = os::LISTS_SEGMENTS && self.was_removed();
        if let Ok(mut open) = OPEN.lock() {
            let before = open.current.len();
            open.current.retain(|known| !Arc::ptr_eq(known, self));
            if is_needed && open.current.len() < before {
                open.keep_removed(self);
            }
        }
    }

    /// Creates a successor if the registry was removed, so that its names do not end with
    /// the last process that has it attached.
    pub(super) fn renew(self: &Arc<Self>) -> Result<()> {
        if keys::may_create(&self.namespace) && self.was_removed() {
            self.forget();
            Self::of(&self.namespace)?;
        }
        Ok(())
    }

    /// Removes the registry if it holds no names. Processes that have it attached
    /// notice by [`Lookup::NotCurrent`](super::names::Lookup::NotCurrent). If it holds
    /// names but was removed, its names would end with the last process that has it
    /// attached: they get a new registry.
    pub(super) fn retire_if_empty(&self) {
        let Ok(names) = self.lock_within(PATIENCE_AT_EXIT) else {
            return;
        };
        names.held.ends_with_the_registry();
        if self.is_taken_over() {
            return;
        }
        // Nobody changes one that is being taken over.
        let is_superseded = self.is_superseded();
        if !is_superseded && !names.is_empty() && self.is_ours_alone() {
            // The names may all be those of transient segments that are gone.
            let _ = names.free_dead();
        }
        if names.is_empty() {
            if !is_superseded && self.seems_current() {
                // Only its owner can.
                let _ = shm::remove(self.id);
            }
            return;
        }
        drop(names);
        if self.was_removed() {
            let _ = Self::open(&self.namespace);
        }
    }
}

impl Registry {
    /// Whether no other process has the registry attached.
    fn is_ours_alone(&self) -> bool {
        matches!(self.status(), Ok(status) if status.mappings <= 1)
    }
}

/// The registries that this process has attached, to look for that of a namespace.
fn registries(namespace: &Registered) -> Result<Guard<'static, Open>> {
    OPEN.lock()
        .map_err(|errno| errno.during(format_args!("wait for a thread that opens {namespace}")))
}

/// Moves the registries without a handle from one list to another. What finds no
/// room stays.
fn take_idle(open: &mut Vec<Arc<Registry>>, idle: &mut Vec<Arc<Registry>>) {
    if idle.try_reserve(open.len()).is_err() {
        return;
    }
    open.retain(|known| {
        let in_use = Arc::strong_count(known) > 1;
        if !in_use {
            idle.push(Arc::clone(known));
        }
        in_use
    });
}

/// Removes empty registries when the process exits, so that clean programs leave
/// nothing behind.
pub(crate) fn retire_all() {
    // Other threads may still be running, or have been stopped half-way. What can't
    // be locked at once is left to the next process.
    let Some(open) = OPEN.try_lock().map(|mut open| std::mem::take(&mut *open)) else {
        return;
    };
    for registry in open.current.iter().chain(&open.removed) {
        registry.retire_if_empty();
    }
    // This detaches them: the library may be unloaded.
}
