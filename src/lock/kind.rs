//! The kinds of locks that a registry may have. Programs that use different kinds would not exclude
//! each other, so they must not share a registry.

#![forbid(unsafe_code)]

/// How a registry shows the kind of its lock.
pub(crate) struct Kind {
    /// The bit of its version, once the registry is complete.
    pub(crate) layout: u32,
    /// The permission bit that it has until then (see `keys::UNBORN`).
    pub(crate) unborn: u32,
    /// The name of the kind in messages.
    pub(crate) name: &'static str,
}

pub(crate) const FUTEX: Kind = Kind {
    layout: 0,
    unborn: 0o100,
    name: "futexes",
};

pub(crate) const SEMAPHORE: Kind = Kind {
    layout: 0x100,
    unborn: 0o010,
    name: "semaphores",
};
