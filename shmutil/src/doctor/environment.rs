//! The environment variables that the library reads. Programs that do not inherit them from
//! the same shell may have others.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use shm_util::admin;

use super::Finding;
use crate::names;

const SUBJECT: &str = "environment";

/// Returns what the value of a variable does.
type EffectOf = fn(&OsStr) -> Effect;

/// The variables, and what their values do.
const VARIABLES: [(&str, EffectOf); 5] = [
    ("NOB_DATABASE", |_| Effect::Does("selects the namespace")),
    ("SHM_UTIL_KEEP", |value| {
        of_number(value, "new segments are kept")
    }),
    ("SHM_UTIL_TRANSIENT", |value| {
        of_number(value, "new segments are transient, unless they are kept")
    }),
    ("SHM_UTIL_SYNC", |value| {
        of_constant(value, "0", "saves do not wait for the disk")
    }),
    ("SHM_UTIL_THREADS", |value| {
        of_constant(value, "1", "loads use one thread")
    }),
];

/// The effect of a variable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Does(&'static str),
    Nothing,
    /// None, although the value looks as if one was intended.
    NoNumber,
}

/// The effect of a variable that takes effect if it is a number other than 0.
fn of_number(value: &OsStr, effect: &'static str) -> Effect {
    let value = value.as_bytes();
    let first = value
        .trim_ascii_start()
        .iter()
        .find(|byte| !b"+-".contains(byte));
    if admin::is_nonzero(value) {
        Effect::Does(effect)
    } else if first.is_some_and(u8::is_ascii_digit) {
        Effect::Nothing
    } else {
        Effect::NoNumber
    }
}

/// The effect of a variable that takes effect if it has one value.
fn of_constant(value: &OsStr, constant: &str, effect: &'static str) -> Effect {
    if value == constant {
        Effect::Does(effect)
    } else {
        Effect::Nothing
    }
}

/// Checks the variables of this process.
pub(super) fn check() -> Finding {
    check_with(|name| env::var_os(name))
}

fn check_with(value_of: impl Fn(&str) -> Option<OsString>) -> Finding {
    let mut texts = Vec::new();
    let mut ignored = Vec::new();
    for (name, effect_of) in VARIABLES {
        // An empty value counts as not set.
        let Some(value) = value_of(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        let shown = names::show_in_shell(value.as_bytes());
        texts.push(match effect_of(&value) {
            Effect::Does(effect) => format!("{name}={shown}: {effect}"),
            Effect::Nothing => format!("{name}={shown} has no effect"),
            Effect::NoNumber => {
                ignored.push(name);
                format!("{name}={shown} is ignored, because it is not a number")
            }
        });
    }
    if texts.is_empty() {
        return Finding::ok(SUBJECT, "no variable of the library is set");
    }
    let text = texts.join("; ");
    if ignored.is_empty() {
        Finding::ok(SUBJECT, text)
    } else {
        let names = ignored.join(" and ");
        Finding::attention(SUBJECT, text, format!("set {names} to 1, or unset it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> (String, Option<String>) {
        let finding = check_with(|name| {
            let found = variables.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| (*value).into())
        });
        (finding.text, finding.remedy)
    }

    #[test]
    fn each_variable_that_is_set_is_explained() {
        let none = ("no variable of the library is set".to_owned(), None);
        assert_eq!(check(&[]), none);
        assert_eq!(check(&[("SHM_UTIL_KEEP", ""), ("OTHER", "1")]), none);
        let all = check(&[
            ("NOB_DATABASE", "/a b"),
            ("SHM_UTIL_KEEP", "1"),
            ("SHM_UTIL_TRANSIENT", "0"),
            ("SHM_UTIL_SYNC", "0"),
            ("SHM_UTIL_THREADS", "2"),
        ]);
        let text = "NOB_DATABASE='/a b': selects the namespace; SHM_UTIL_KEEP=1: new segments are \
                    kept; SHM_UTIL_TRANSIENT=0 has no effect; SHM_UTIL_SYNC=0: saves do not wait \
                    for the disk; SHM_UTIL_THREADS=2 has no effect";
        assert_eq!(all, (text.to_owned(), None));
    }

    #[test]
    fn a_value_that_is_no_number_needs_attention() {
        for name in ["SHM_UTIL_KEEP", "SHM_UTIL_TRANSIENT"] {
            let text = format!("{name}=yes is ignored, because it is not a number");
            let remedy = format!("set {name} to 1, or unset it");
            assert_eq!(check(&[(name, "yes")]), (text, Some(remedy)));
        }
    }
}
