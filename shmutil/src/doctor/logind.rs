//! systemd-logind's setting `RemoveIPC=`, see logind.conf(5): when the last
//! session of a user ends, logind removes all segments of that user, except for
//! system users.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;

/// The directories of logind.conf and its drop-ins, the most important first.
const DIRECTORIES: [&str; 4] = [
    "etc/systemd",
    "run/systemd",
    "usr/local/lib/systemd",
    "usr/lib/systemd",
];

/// The highest id of a system user, unless /etc/login.defs sets another.
const LAST_SYSTEM_USER: u32 = 999;

/// Checks the setting. `root` is / except in tests.
pub(super) fn check(root: &Path, user: u32) -> Finding {
    let subject = "RemoveIPC";
    // systemd creates the first directory when it starts (see sd_booted(3)),
    // logind the second. One alone may be left over in a system image.
    let run = root.join("run/systemd");
    if !run.join("system").is_dir() || !run.join("seats").is_dir() {
        return Finding::ok(subject, "systemd-logind is not running");
    }
    if user <= last_system_user(root) {
        return Finding::ok(
            subject,
            format!("does not apply to system users such as {user}"),
        );
    }
    if removes(root) {
        Finding::attention(
            subject,
            format!("on: systemd-logind removes all segments of user {user} at the last logout"),
            "as root, write [Login] and RemoveIPC=no to /etc/systemd/logind.conf.d/shm.conf, then \
             run systemctl restart systemd-logind; or run the programs as a system user",
        )
    } else {
        Finding::ok(subject, "off: segments survive a logout")
    }
}

fn last_system_user(root: &Path) -> u32 {
    let text = fs::read_to_string(root.join("etc/login.defs")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("SYS_UID_MAX")?.trim().parse().ok())
        .next_back()
        .unwrap_or(LAST_SYSTEM_USER)
}

fn removes(root: &Path) -> bool {
    let mut files: Vec<PathBuf> = DIRECTORIES
        .iter()
        .map(|directory| root.join(directory).join("logind.conf"))
        .filter(|file| file.exists())
        .take(1)
        .collect();
    files.extend(drop_ins(root));
    files
        .iter()
        .filter_map(|file| setting(&fs::read_to_string(file).unwrap_or_default()))
        .next_back()
        // The default that systemd is built with.
        .unwrap_or(true)
}

/// The drop-ins, sorted by name. Of files with the same name, only the one in the
/// most important directory counts.
fn drop_ins(root: &Path) -> Vec<PathBuf> {
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES.iter().rev() {
        let directory = root.join(directory).join("logind.conf.d");
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
            {
                files.insert(entry.file_name(), path);
            }
        }
    }
    files.into_values().collect()
}

/// The last `RemoveIPC=` of a file, if there is one.
fn setting(text: &str) -> Option<bool> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            if key.trim() != "RemoveIPC" {
                return None;
            }
            match value.trim().to_ascii_lowercase().as_str() {
                "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
                "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
                _ => None,
            }
        })
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn needs_attention(root: &Path) -> bool {
        check(root, 1000).remedy.is_some()
    }

    #[test]
    fn only_people_with_logind_need_attention() {
        let root = tempfile::tempdir().unwrap();
        assert!(!needs_attention(root.path()));
        fs::create_dir_all(root.path().join("run/systemd/seats")).unwrap();
        assert!(!needs_attention(root.path()), "systemd is not running");
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert!(needs_attention(root.path()));
        assert!(check(root.path(), 999).remedy.is_none());
        write(root.path(), "etc/login.defs", "# x\nSYS_UID_MAX\t\t2000\n");
        assert!(!needs_attention(root.path()));
    }

    #[test]
    fn the_last_setting_in_the_most_important_files_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("run/systemd/seats")).unwrap();
        fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        write(
            root,
            "etc/systemd/logind.conf",
            "[Login]\n#RemoveIPC=yes\nRemoveIPC = no\n",
        );
        assert!(!needs_attention(root));
        write(
            root,
            "usr/lib/systemd/logind.conf.d/50-a.conf",
            "[Login]\nRemoveIPC=yes\n",
        );
        assert!(needs_attention(root));
        write(root, "etc/systemd/logind.conf.d/50-a.conf", "");
        assert!(!needs_attention(root));
        write(root, "run/systemd/logind.conf.d/60-b.conf", "RemoveIPC=1\n");
        write(root, "run/systemd/logind.conf.d/70-c.text", "RemoveIPC=0\n");
        assert!(needs_attention(root));
    }
}
