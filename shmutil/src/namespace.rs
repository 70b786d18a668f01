//! The namespaces that commands work in, and how they are shown.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::sync::OnceLock;

use shm_util::Namespace;
use shm_util::admin::{self, Identity, Space, Unreadable};

use crate::failure::{Failure, Result, say};
use crate::{names, units};

/// The namespace that the option --namespace selects.
static SELECTED: OnceLock<Namespace> = OnceLock::new();

/// Selects the namespace of the option --namespace.
pub(crate) fn select(path: &OsStr) -> Result<()> {
    let namespace = Namespace::at(path).map_err(|error| Failure::library(&error, None))?;
    // The option is parsed once, so this cannot be set already.
    let _ = SELECTED.set(namespace);
    Ok(())
}

/// The namespace of a command without --all.
pub(crate) fn selected() -> Namespace {
    SELECTED.get().cloned().unwrap_or(Namespace::current())
}

/// All namespaces that this user may inspect, sorted, and registries that this user may not
/// read.
pub(crate) fn all() -> Result<(Vec<Space>, Vec<Unreadable>)> {
    admin::spaces(&selected()).map_err(|error| Failure::library(&error, None))
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
