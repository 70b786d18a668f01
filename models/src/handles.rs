//! The handle table, as it is and with one line changed.

use std::ffi::c_void;
use std::ptr;

use loom::sync::Arc;
use loom::thread;

use crate::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::explore;

/// The models, for the table of a module.
macro_rules! models_of {
    ($table:ident) => {
        pub mod $table {
            #[allow(dead_code, unreachable_pub, clippy::identity_op, clippy::erasing_op)]
            mod table {
                include!(concat!(env!("OUT_DIR"), "/", stringify!($table), ".rs"));
            }

            use super::*;
            use table::{CHUNKS, Entry, Facts, Table};

            /// A table that is dropped with its chunks. The first chunk has one entry.
            struct Owned(Table<u64>);

            impl std::ops::Deref for Owned {
                type Target = Table<u64>;

                fn deref(&self) -> &Table<u64> {
                    &self.0
                }
            }

            impl Drop for Owned {
                fn drop(&mut self) {
                    for (power, chunk) in self.0.chunks.iter_mut().enumerate() {
                        let entries = chunk.with_mut(|entries| *entries);
                        if !entries.is_null() {
                            let chunk = ptr::slice_from_raw_parts_mut(entries, 1 << power);
                            // SAFETY: the table allocated it as a boxed slice of this length.
                            drop(unsafe { Box::from_raw(chunk) });
                        }
                    }
                }
            }

            fn new_table() -> Arc<Owned> {
                Arc::new(Owned(Table {
                    chunks: std::array::from_fn::<_, CHUNKS, _>(
                        |_| AtomicPtr::new(ptr::null_mut()),
                    ),
                    unused: AtomicU64::new(1),
                    free: AtomicU64::new(0),
                    used_up: AtomicU64::new(0),
                    seed: AtomicU64::new(0),
                }))
            }

            fn insert(table: &Table<u64>, value: usize) -> u64 {
                let facts = Facts {
                    address: address_of(value),
                    size: value,
                    id: 0,
                    was_created: false,
                };
                let inserted = table.insert(value as u64, facts, || 1);
                inserted.unwrap_or_else(|_| panic!("there is room"))
            }

            fn destroy(table: &Table<u64>, handle: u64) -> Option<u64> {
                let destroy = table.begin_destroy(handle, 0)?;
                while destroy.has_users() {
                    thread::yield_now();
                }
                destroy.finish()
            }

            /// A thread reads with a handle that another one destroys, whose entry then
            /// becomes the next handle's: it reads its own value, or none.
            pub fn stale_handle() {
                explore(3, || {
                    let table = new_table();
                    let first = insert(&table, 1);
                    let reader = {
                        let table = table.clone();
                        thread::spawn(move || {
                            let address = table.read(first, Entry::address);
                            let is_own = address.is_none_or(|at| at == address_of(1));
                            assert!(is_own, "the next handle's value");
                        })
                    };
                    assert_eq!(destroy(&table, first), Some(1));
                    let second = insert(&table, 2);
                    assert_eq!(second >> 31, first >> 31, "the entry is used again");
                    assert_eq!(table.read(second, Entry::size), Some(2));
                    reader.join().unwrap_or_else(|_| panic!("the reader fails"));
                });
            }

            /// A thread learns a handle without any ordering: it reads the handle's value,
            /// or none.
            pub fn new_handle() {
                explore(3, || {
                    let table = new_table();
                    let shared = Arc::new(AtomicU64::new(0));
                    let reader = {
                        let (table, shared) = (table.clone(), shared.clone());
                        thread::spawn(move || {
                            let handle = shared.load(Ordering::Relaxed);
                            let address = table.read(handle, Entry::address);
                            let size = table.read(handle, Entry::size);
                            let is_complete = address.is_none_or(|at| at == address_of(1))
                                && size.is_none_or(|size| size == 1);
                            assert!(is_complete, "a handle without its value");
                        })
                    };
                    let handle = insert(&table, 1);
                    shared.store(handle, Ordering::Relaxed);
                    reader.join().unwrap_or_else(|_| panic!("the reader fails"));
                });
            }

            /// A thread uses a value that another one destroys: the destroy waits, or the
            /// thread is refused.
            pub fn user() {
                explore(3, || {
                    let table = new_table();
                    let handle = insert(&table, 1);
                    let user = {
                        let table = table.clone();
                        thread::spawn(move || {
                            if let Some(user) = table.enter(handle, 0) {
                                user.with(|value| assert_eq!(value, Some(&1)));
                            }
                        })
                    };
                    assert_eq!(destroy(&table, handle), Some(1));
                    user.join().unwrap_or_else(|_| panic!("the user fails"));
                });
            }

            /// A thread uses a handle that is destroyed, and whose entry becomes the next
            /// handle's: it gets its own value, or is refused.
            pub fn user_of_a_stale_handle() {
                explore(2, || {
                    let table = new_table();
                    let first = insert(&table, 1);
                    let user = {
                        let table = table.clone();
                        thread::spawn(move || {
                            if let Some(user) = table.enter(first, 0) {
                                user.with(|value| assert_eq!(value, Some(&1)));
                            }
                        })
                    };
                    assert_eq!(destroy(&table, first), Some(1));
                    let second = insert(&table, 2);
                    assert_eq!(destroy(&table, second), Some(2));
                    user.join().unwrap_or_else(|_| panic!("the user fails"));
                });
            }

            /// Two threads destroy a handle, and one of them makes the next one: one of
            /// them wins, and the next handle stays.
            pub fn two_destroys() {
                explore(3, || {
                    let table = new_table();
                    let handle = insert(&table, 1);
                    let other = {
                        let table = table.clone();
                        thread::spawn(move || destroy(&table, handle))
                    };
                    let mine = destroy(&table, handle);
                    let next = insert(&table, 2);
                    let theirs = other
                        .join()
                        .unwrap_or_else(|_| panic!("the other one fails"));
                    assert!(mine.is_some() != theirs.is_some(), "one of them wins");
                    assert_eq!(table.read(next, Entry::size), Some(2));
                });
            }

            /// A thread gives a destroy up because the value has a user; another one enters
            /// and destroys: one of them ends the handle, and the user keeps its value.
            pub fn destroy_that_is_given_up() {
                explore(3, || {
                    let table = new_table();
                    let handle = insert(&table, 1);
                    let other = {
                        let table = table.clone();
                        thread::spawn(move || {
                            if let Some(user) = table.enter(handle, 0) {
                                user.with(|value| assert_eq!(value, Some(&1)));
                            }
                            destroy(&table, handle)
                        })
                    };
                    let mine = table.begin_destroy(handle, 0).and_then(|destroy| {
                        if destroy.has_users() {
                            destroy.give_up();
                            return None;
                        }
                        destroy.finish()
                    });
                    let theirs = other
                        .join()
                        .unwrap_or_else(|_| panic!("the other one fails"));
                    assert!(mine.is_none() || theirs.is_none(), "both end the handle");
                    if mine.is_none() && theirs.is_none() {
                        assert_eq!(destroy(&table, handle), Some(1));
                    }
                });
            }

            /// Two threads take and free entries: no entry is used twice.
            pub fn free_list() {
                explore(3, || {
                    let table = new_table();
                    let (first, second) = (insert(&table, 1), insert(&table, 2));
                    destroy(&table, first);
                    destroy(&table, second);
                    let other = {
                        let table = table.clone();
                        thread::spawn(move || {
                            let short = insert(&table, 3);
                            let kept = insert(&table, 4);
                            destroy(&table, short);
                            kept
                        })
                    };
                    let mine = insert(&table, 5);
                    let theirs = other
                        .join()
                        .unwrap_or_else(|_| panic!("the other one fails"));
                    let last = insert(&table, 6);
                    for (handle, value) in [(mine, 5), (theirs, 4), (last, 6)] {
                        let is_own = table.read(handle, Entry::size) == Some(value);
                        assert!(is_own, "an entry is used twice");
                        assert_eq!(destroy(&table, handle), Some(value as u64));
                    }
                });
            }

            /// Two threads make handles in a table that grows: each gets an entry of its own.
            pub fn growth() {
                explore(3, || {
                    let table = new_table();
                    let other = {
                        let table = table.clone();
                        thread::spawn(move || insert(&table, 1))
                    };
                    let mine = insert(&table, 2);
                    let theirs = other
                        .join()
                        .unwrap_or_else(|_| panic!("the other one fails"));
                    assert_eq!(table.read(mine, Entry::size), Some(2));
                    assert_eq!(table.read(theirs, Entry::size), Some(1));
                });
            }
        }
    };
}

/// An address that nothing is read from.
fn address_of(value: usize) -> *mut c_void {
    ptr::without_provenance_mut(value)
}

models_of!(as_it_is);
models_of!(insert_without_fence);
models_of!(insert_without_release);
models_of!(read_without_second_look);
models_of!(read_without_fence);
models_of!(enter_without_second_look);
models_of!(count_without_exchange);
models_of!(destroy_without_exchange);
models_of!(free_list_without_count);
