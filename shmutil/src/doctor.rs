//! `doctor`: finds problems with shared memory on this system, and advises how to
//! solve them.

#![forbid(unsafe_code)]

mod directory;
mod environment;
mod limits;
mod logind;
mod registries;
mod segments;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use shm_util::admin::{self, Identity, RegistrySize};
use shm_util::{Reason, RegistryInfo};

use crate::cli::Doctor;
use crate::failure::{Outcome, Result};
use crate::{found, names, namespace, os, output, screen, units};

const OK: Style = AnsiColor::Green.on_default();
const ATTENTION: Style = AnsiColor::Yellow.on_default().bold();

/// What precedes advice and all lines but the first of a text.
const INDENT: &str = "           ";

/// The share of a limit from which on it needs attention, in percent.
const NEAR: u64 = 80;

/// The result of one check.
#[derive(Debug)]
struct Finding {
    subject: Cow<'static, str>,
    text: String,
    /// What to do, if there is a problem.
    remedy: Option<String>,
}

impl Finding {
    fn ok(subject: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            text: text.into(),
            remedy: None,
        }
    }

    fn attention(
        subject: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            text: text.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// The same finding about another namespace.
    fn within(self, namespace: &str) -> Self {
        let subject = format!("{} of {namespace}", self.subject).into();
        Self { subject, ..self }
    }
}

/// `shmutil doctor`
pub(crate) fn doctor(arguments: &Doctor) -> Result<Outcome> {
    let selected = namespace::selected();
    let mut found = match namespace::identity() {
        Some(Identity::Directory(_)) => directory::check(&selected),
        Some(Identity::Private) => vec![Finding::ok(
            "namespace",
            "private: memory of each process that uses it and of its children, which this command \
             cannot see",
        )],
        _ => match selected.registry() {
            Err(error) if error.reason() == Reason::NoSystemV => {
                return report(&[no_system_v(error.errno())]);
            }
            registry => findings(&registry),
        },
    };
    if arguments.all {
        found.extend(others()?);
    }
    report(&found)
}

/// Findings about the other namespaces that this user may inspect.
fn others() -> Result<Vec<Finding>> {
    let (spaces, unreadable) = namespace::all()?;
    let this = admin::identity(&namespace::selected()).ok();
    let mut findings = Vec::new();
    for space in spaces {
        if Some(space.identity()) == this.as_ref() {
            continue;
        }
        let mut found = vec![check_registry(&space.registry())];
        let removed = space.removed_in_use().unwrap_or_default();
        found.extend(registries::removed_in_use(&removed));
        if let Ok(list) = found::list_space(&space) {
            found.push(segments::check_permissions(&list, None));
            found.push(segments::check_orphans_elsewhere(&space, &list));
        }
        found.extend(segments::check_hidden(&space.hidden().unwrap_or_default()));
        let shown = namespace::quote(space.identity());
        findings.extend(found.into_iter().map(|finding| finding.within(&shown)));
    }
    findings.extend(namespace::left_out(&unreadable).map(|text| Finding::ok("others", text)));
    Ok(findings)
}

/// The only finding where System V does not exist: nothing else can be checked.
fn no_system_v(errno: i32) -> Finding {
    let subject = "System V";
    let allow = "allow shmget, shmat, shmdt and shmctl in the container, sandbox or service; or \
                 set NOB_DATABASE to a directory (it ends in /) or to private:";
    if errno == libc::EPERM {
        return Finding::attention(subject, "a sandbox blocks System V shared memory", allow);
    }
    Finding::attention(
        subject,
        "System V shared memory is missing from this kernel (CONFIG_SYSVIPC) or blocked by a \
         sandbox",
        format!(
            "see docs/containers.md: use a kernel built with CONFIG_SYSVIPC=y, unlike Android's, \
             or {allow}"
        ),
    )
}

fn findings(registry: &shm_util::Result<Option<RegistryInfo>>) -> Vec<Finding> {
    let user = rustix::process::geteuid().as_raw();
    let existing = registry.as_ref().ok().and_then(Option::as_ref);
    let namespace = admin::identity(&namespace::selected());
    let mut findings = vec![check_namespace(&namespace), environment::check()];
    findings.extend(limits::check(registry));
    if namespace.is_ok() {
        findings.push(check_registry(registry));
        findings.extend(registries::check());
    }
    match found::list(&namespace::selected()) {
        Ok(list) => {
            findings.push(segments::check_permissions(&list, None));
            findings.push(segments::check_orphans(&list, None));
            let hidden = admin::hidden(&namespace::selected()).unwrap_or_default();
            findings.extend(segments::check_hidden(&hidden));
        }
        // An error of the namespace or the registry has been reported already.
        Err(error) if registry.is_ok() => findings.push(Finding::attention(
            "names",
            error.to_string(),
            "see ERRORS in shm_util_ext(3)",
        )),
        Err(_) => {}
    }
    findings.push(check_forced_removal());
    findings.push(logind::check(Path::new("/"), user));
    let size = existing.map_or_else(|| admin::registry_size().bytes, |info| info.size);
    findings.push(check_locked_memory(
        os::locked_memory_limit(),
        u64::try_from(size).unwrap_or(u64::MAX),
    ));
    findings
}

fn report(findings: &[Finding]) -> Result<Outcome> {
    let width = screen::size().map_or(usize::MAX, |size| size.columns);
    output::print(|out| {
        for finding in findings {
            let Finding { subject, text, .. } = finding;
            let text = wrap(&format!("{subject}: {text}"), width);
            match &finding.remedy {
                None => writeln!(out, "{OK}ok{OK:#}         {text}")?,
                Some(remedy) => {
                    let remedy = wrap(&format!("-> {remedy}"), width);
                    writeln!(out, "{ATTENTION}attention{ATTENTION:#}  {text}")?;
                    writeln!(out, "{INDENT}{remedy}")?;
                }
            }
        }
        Ok(())
    })?;
    let is_ok = findings.iter().all(|finding| finding.remedy.is_none());
    Ok(if is_ok {
        Outcome::Fine
    } else {
        Outcome::Attention
    })
}

/// Breaks a text that starts behind the indentation into lines of at most this
/// width, where words allow that.
fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut column = INDENT.len();
    for word in text.split(' ') {
        let length = word.chars().count();
        if !wrapped.is_empty() && column + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(INDENT);
            column = INDENT.len();
        } else if !wrapped.is_empty() {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

/// Whether `used` has come near `limit`.
fn is_near(used: u64, limit: u64) -> bool {
    u128::from(used) * 100 >= u128::from(limit) * u128::from(NEAR)
}

fn check_namespace(namespace: &shm_util::Result<Identity>) -> Finding {
    let subject = "namespace";
    match namespace {
        Ok(Identity::User(user) | Identity::UserOutside(user)) => {
            Finding::ok(subject, format!("of user {user}; NOB_DATABASE is not set"))
        }
        Ok(Identity::Path(path)) => {
            let is_directory = Path::new(OsStr::from_bytes(path)).is_dir();
            let hint = if is_directory {
                "; this is also a directory: if its segments should be files there, end the path \
                 in /"
            } else {
                ""
            };
            let path = names::quote(path);
            let text = format!("{path}, selected by --namespace or NOB_DATABASE{hint}");
            Finding::ok(subject, text)
        }
        Ok(other) => Finding::ok(subject, crate::namespace::quote(other)),
        Err(error) => Finding::attention(
            subject,
            error.to_string(),
            "set NOB_DATABASE to an absolute path",
        ),
    }
}

fn check_registry(registry: &shm_util::Result<Option<RegistryInfo>>) -> Finding {
    let subject = "registry";
    let info = match registry {
        Ok(None) => {
            let text = no_registry(admin::registry_size(), admin::registry_size_wanted());
            return Finding::ok(subject, text);
        }
        Ok(Some(info)) => info,
        Err(error) => {
            return Finding::attention(
                subject,
                error.to_string(),
                match error.errno() {
                    admin::EUCLEAN => {
                        "follow this advice; the segments themselves remain: see 'ipcs -m'"
                    }
                    libc::EACCES => {
                        "run this as its owner or in the group that shares it, or choose another \
                         with --namespace"
                    }
                    libc::ETIMEDOUT => "follow this advice",
                    _ => "see ERRORS in shm_util_ext(3)",
                },
            );
        }
    };
    let text = format!(
        "{} of {} names (id {}, mode {:04o}, {} {})",
        info.names,
        info.capacity,
        info.id,
        info.mode,
        info.mappings,
        units::plural(
            usize::try_from(info.mappings).unwrap_or(usize::MAX),
            "attachment"
        )
    );
    let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
    if is_near(count(info.names), count(info.capacity)) {
        return Finding::attention(
            subject,
            text,
            "remove names that are not needed; once all are gone, the next registry has room for \
             twice kernel.shmmni",
        );
    }
    Finding::ok(subject, text)
}

/// Describes a namespace without a registry. The next one may be smaller than SHMMNI asks for.
fn no_registry(size: RegistrySize, wanted: RegistrySize) -> String {
    let text = "none yet: this namespace has no names";
    if size.capacity >= wanted.capacity {
        return text.to_owned();
    }
    let size_of = |size: RegistrySize| units::size(u64::try_from(size.bytes).unwrap_or(u64::MAX));
    format!(
        "{text}; SHMMAX or SHMALL makes the next registry one of {} with room for {} names, \
         instead of {} and {}",
        size_of(size),
        size.capacity,
        size_of(wanted),
        wanted.capacity
    )
}

fn check_forced_removal() -> Finding {
    let subject = "shm_rmid_forced";
    match limits::kernel_number("shm_rmid_forced") {
        Ok(0) => Finding::ok(subject, "off: segments outlive their holders"),
        Ok(_) => Finding::attention(
            subject,
            "on: the kernel deletes every segment, kept or not, as soon as no process has it \
             attached",
            "as root, run sysctl -w kernel.shm_rmid_forced=0",
        ),
        Err(_) => Finding::ok(subject, "this system does not have this setting"),
    }
}

/// Compares RLIMIT_MEMLOCK with the size of the registry, which processes that lock all
/// their memory lock, too.
fn check_locked_memory(limit: Option<u64>, registry: u64) -> Finding {
    let subject = "locked memory";
    let registry_size = units::size(registry);
    let text = match limit {
        None => format!("RLIMIT_MEMLOCK sets no limit; a registry has {registry_size}"),
        // This concerns few programs, so it needs no attention.
        Some(limit) if limit < registry => format!(
            "RLIMIT_MEMLOCK is {}, less than a registry's {registry_size}: programs that call \
             mlockall(MCL_FUTURE) without CAP_IPC_LOCK need a higher 'ulimit -l'",
            units::size(limit)
        ),
        Some(limit) => format!(
            "RLIMIT_MEMLOCK is {}, enough for a registry's {registry_size}",
            units::size(limit)
        ),
    };
    Finding::ok(subject, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_on_locked_memory_is_compared_with_the_registry() {
        let text = |limit| check_locked_memory(limit, 8 << 20).text;
        assert_eq!(
            text(None),
            "RLIMIT_MEMLOCK sets no limit; a registry has 8 MiB"
        );
        assert_eq!(
            text(Some(8 << 20)),
            "RLIMIT_MEMLOCK is 8 MiB, enough for a registry's 8 MiB"
        );
        let less = text(Some(64 << 10));
        assert!(
            less.starts_with("RLIMIT_MEMLOCK is 64 KiB, less than a registry's 8 MiB: "),
            "{less}"
        );
    }

    #[test]
    fn a_registry_that_limits_make_smaller_is_described() {
        let size = |capacity, bytes| RegistrySize { capacity, bytes };
        let large = size(8192, 1 << 20);
        assert_eq!(
            no_registry(large, large),
            "none yet: this namespace has no names"
        );
        assert_eq!(
            no_registry(size(64, 20 << 10), large),
            "none yet: this namespace has no names; SHMMAX or SHMALL makes the next registry one \
             of 20 KiB with room for 64 names, instead of 1 MiB and 8192"
        );
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two", usize::MAX), "one two");
        assert_eq!(wrap("one two three", 18), format!("one two\n{INDENT}three"));
        assert_eq!(wrap("one two", 17), format!("one\n{INDENT}two"));
        assert_eq!(wrap("immeasurable", 12), "immeasurable");
    }

    #[test]
    fn four_fifths_of_a_limit_are_near_it() {
        assert!(!is_near(79, 100));
        assert!(is_near(80, 100));
        assert!(!is_near(1, 64));
        assert!(is_near(52, 64));
        assert!(is_near(u64::MAX, 1));
    }
}
