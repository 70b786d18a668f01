//! How long a call may wait, in all.
//!
//! A call may have to wait several times: for the registry that it looks for, for the
//! one that succeeds it, for a lock of this process. Each wait takes what it took off
//! the time that is left to the call.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

/// How long a call waits at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

thread_local! {
    static LEFT: Cell<Duration> = const { Cell::new(LIMIT) };
}

/// A call begins: it has the whole time.
pub(crate) fn renew() {
    LEFT.set(LIMIT);
}

/// How long the calling thread's call may still wait.
pub(crate) fn left() -> Duration {
    LEFT.get()
}

/// The calling thread's call has waited.
pub(crate) fn spend(waited: Duration) {
    LEFT.set(LEFT.get().saturating_sub(waited));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_one_call_add_up() {
        renew();
        spend(Duration::from_secs(4));
        spend(Duration::from_secs(4));
        assert_eq!(left(), Duration::from_secs(2));
        spend(Duration::from_secs(4));
        assert_eq!(left(), Duration::ZERO);
        renew();
        assert_eq!(left(), LIMIT);
    }
}
