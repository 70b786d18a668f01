//! The namespaces that commands work in, and how they are shown.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::sync::OnceLock;

use rustix::fs::{StatVfsMountFlags, statvfs};
use shm_util::Namespace;
use shm_util::admin::{self, DirectoryState, Identity, Space, Unreadable};

use crate::failure::{Failure, Result, say};
use crate::found::{self, Found};
use crate::{names, units};

/// The namespace that the option --namespace selects.
static SELECTED: OnceLock<Namespace> = OnceLock::new();

/// Selects the namespace of the option --namespace.
pub(crate) fn select(path: &OsStr) -> Result<()> {
    let namespace = at(path)?;
    // The option is parsed once, so this cannot be set already.
    let _ = SELECTED.set(namespace);
    Ok(())
}

/// The namespace of a command without --all.
pub(crate) fn selected() -> Namespace {
    SELECTED.get().cloned().unwrap_or(Namespace::current())
}

/// The namespace of a path on the command line.
pub(crate) fn at(path: &OsStr) -> Result<Namespace> {
    Namespace::at(path).map_err(|error| Failure::library(&error, None))
}

/// Whether the selected namespace is the private one.
pub(crate) fn is_private() -> bool {
    identity() == Some(Identity::Private)
}

/// What identifies the selected namespace; `None` if it cannot be used.
pub(crate) fn identity() -> Option<Identity> {
    admin::identity(&selected()).ok()
}

/// Whether the segments of a namespace are System V segments, which a registry names.
pub(crate) const fn has_registry(identity: &Identity) -> bool {
    match identity {
        Identity::User(_) | Identity::UserOutside(_) | Identity::Path(_) => true,
        Identity::Directory(_) | Identity::Private => false,
    }
}

/// Fails if the segments of the selected namespace have no identifiers.
pub(crate) fn require_identifiers() -> Result<()> {
    match identity() {
        Some(identity) if !has_registry(&identity) => Err(Failure::misuse(format!(
            "segments of {} have no identifiers; give a name instead of --id",
            quote(&identity)
        ))),
        _ => Ok(()),
    }
}

/// The segments of the selected namespace. The private one is empty: see [`crate::private`].
pub(crate) fn list() -> Result<Vec<Found>> {
    if is_private() {
        return Ok(Vec::new());
    }
    found::list(&selected()).map_err(|error| Failure::library(&error, None))
}

/// All namespaces that this user may inspect, sorted, and registries that this user may not
/// read. The private one, which is empty, is left out.
pub(crate) fn all() -> Result<(Vec<Space>, Vec<Unreadable>)> {
    let (mut spaces, unreadable) =
        admin::spaces(&selected()).map_err(|error| Failure::library(&error, None))?;
    spaces.retain(|space| space.identity() != &Identity::Private);
    Ok((spaces, unreadable))
}

/// Shows a namespace in a table: a path, escaped like a name, or a user.
pub(crate) fn show(identity: &Identity) -> String {
    match identity {
        Identity::User(user) => format!("user {}", user_name(*user)),
        Identity::UserOutside(user) => format!("user {user} outside this user namespace"),
        Identity::Path(path) | Identity::Directory(path) => names::show(path),
        Identity::Private => "private:".to_owned(),
    }
}

/// Shows a namespace in a sentence.
pub(crate) fn quote(identity: &Identity) -> String {
    match identity {
        Identity::User(_) | Identity::UserOutside(_) => {
            format!("the namespace of {}", show(identity))
        }
        Identity::Path(path) => format!("namespace {}", names::quote(path)),
        Identity::Directory(path) => format!("directory {}", names::quote(path)),
        Identity::Private => "the private namespace of this process".to_owned(),
    }
}

/// What keeps this user from deleting any segment of a directory, whoever owns the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Its file system is mounted read-only.
    ReadOnly,
    /// This user may not write to the directory.
    NotWritable,
}

impl Obstacle {
    /// `None` if there is no obstacle.
    pub(crate) fn of(state: &DirectoryState) -> Option<Self> {
        if state.may_create {
            return None;
        }
        let is_read_only = statvfs(&state.path)
            .is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY));
        Some(if is_read_only {
            Self::ReadOnly
        } else {
            Self::NotWritable
        })
    }

    /// A clause about the directory.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::ReadOnly => "the directory is mounted read-only",
            Self::NotWritable => "you may not write to the directory",
        }
    }

    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::ReadOnly => "mount it for writing",
            Self::NotWritable => "ask its owner for write access",
        }
    }
}

/// A sentence about the namespaces that this user may not inspect; `None` if there are none.
pub(crate) fn left_out(unreadable: &[Unreadable]) -> Option<String> {
    let first = unreadable.first()?;
    Some(format!(
        "{} {} cannot be inspected, such as the one whose registry is segment {} of user {}: {}",
        unreadable.len(),
        units::plural(unreadable.len(), "namespace"),
        first.registry,
        user_name(first.owner),
        first.why
    ))
}

/// Prints that sentence on standard error. It does not affect the exit status.
pub(crate) fn report(unreadable: &[Unreadable]) {
    if let Some(text) = left_out(unreadable) {
        say(&text);
    }
}

/// The login name of a user if it is in /etc/passwd; otherwise the user id.
pub(crate) fn user_name(user: u32) -> String {
    static USERS: OnceLock<HashMap<u32, String>> = OnceLock::new();
    USERS
        .get_or_init(|| users(&fs::read("/etc/passwd").unwrap_or_default()))
        .get(&user)
        .cloned()
        .unwrap_or_else(|| user.to_string())
}

/// The login names in the text of /etc/passwd. If a user has several, the first one counts.
fn users(passwd: &[u8]) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for line in passwd.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':');
        let (Some(name), Some(user)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        let user = std::str::from_utf8(user)
            .ok()
            .and_then(|id| id.parse().ok());
        if let Some(user) = user.filter(|_| !name.is_empty()) {
            users.entry(user).or_insert_with(|| names::show(name));
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_names_are_those_of_passwd() {
        let found = users(
            b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\n+::::::\n:x:7:7::/:\n\
              a\x1bb:x:1000:1000::/:/bin/sh\nbad:x:y:1::/:\nshort:x",
        );
        let expected = [(0, "root".to_owned()), (1000, "a\\x1bb".to_owned())];
        assert_eq!(found, HashMap::from(expected));
    }

    #[test]
    fn a_namespace_is_a_user_or_an_escaped_path() {
        assert_eq!(show(&Identity::User(4_000_000_000)), "user 4000000000");
        assert_eq!(show(&Identity::Path(b"/a\nb".to_vec())), "/a\\nb");
        let outside = Identity::UserOutside(7);
        assert_eq!(
            quote(&outside),
            "the namespace of user 7 outside this user namespace"
        );
        assert_eq!(quote(&Identity::Path(b"/x".to_vec())), "namespace '/x'");
    }
}
