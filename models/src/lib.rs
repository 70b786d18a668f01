//! What threads and processes do without a lock, run by loom in every order that the memory
//! model allows, with every value that a load may return. `tests/` runs the models.
//!
//! | module    | model |
//! | --------- | --- |
//! | `handles` | the library's own handle table, `src/capi/handle/table.rs` |
//! | `removal` | a process attaches a segment while another one removes it |
//! | `look_up` | a process looks a name up without the lock while others change the names |
//!
//! Each function runs one model, and panics if it finds an order in which a rule is broken.
//! `docs/reliability.md` states what the models cover and what they leave out.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::panic)]

mod atomic;
pub mod handles;
pub mod look_up;
pub mod removal;

/// Runs a model in every order with at most this many preemptions.
fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
