//! Runs the command `shmutil` as people and scripts do. One module for each
//! subcommand or topic: `cargo test -p shmutil dump` runs that of `dump`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // tests are meant to fail

mod all;
mod change;
mod command_line;
mod completions;
mod copy;
mod directory;
mod doctor;
mod dump;
mod list;
mod load;
mod manual;
mod output;
mod private;
mod prune;
mod save;
mod terminal;
mod users;
mod wait;
mod watch;
mod without_system_v;
mod world;
