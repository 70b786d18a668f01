//! Files: system calls, and replacements where one is refused. Saves, loads and directory
//! namespaces use this.
//!
//! | module       | job |
//! | ------------ | --- |
//! | `temporary`  | names of files that are not complete yet |
//! | `durability` | whether a change waits for the disk |
//! | `calls`      | system calls for files |
//! | `entries`    | the entries of a directory |
//! | `link`       | symbolic links |
//! | `owner`      | owner, group and mode |
//! | `status`     | what the kernel knows about a file |
//! | `refused`    | which errors mean that another call may work |
//! | `path`       | paths as system calls take them |
//! | `descriptor` | descriptors above 2, and inherited ones |

mod calls;
mod descriptor;
mod durability;
mod entries;
mod link;
mod owner;
mod path;
mod refused;
mod status;
mod temporary;

pub(crate) use calls::*;
pub(crate) use descriptor::{inherited, position};
pub(crate) use durability::Durability;
pub(crate) use entries::for_each_entry;
pub(crate) use link::Link;
pub(crate) use owner::{set_mode, set_mode_of_path, set_owner};
pub(crate) use path::{by_path, directory_of};
pub(crate) use refused::{first_allowed, is_nameless_unsupported, is_refusal};
pub(crate) use status::{FILE_TYPE, Status};
pub(crate) use temporary::TemporaryName;
