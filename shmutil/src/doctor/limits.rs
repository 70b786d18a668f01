//! The system's limits on shared memory: SHMMNI, SHMALL and SHMMAX, see
//! shmget(2).

#![forbid(unsafe_code)]

use std::fs;
use std::io;

use shm_util::RegistryInfo;
use shm_util::admin::{self, Row};

use crate::failure::reason;
use crate::sysvipc;
use crate::units;

use super::{Finding, is_near};

/// The limits, as the kernel shows them in /proc/sys/kernel.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The number of segments (SHMMNI).
    segments: u64,
    /// The number of pages of all segments (SHMALL).
    pages: u64,
    /// The size of a segment in bytes (SHMMAX).
    size: u64,
}

/// All segments of this IPC namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    segments: u64,
    pages: u64,
}

/// What the registry of this namespace needs in addition to what exists.
#[derive(Clone, Copy, Debug)]
struct Need {
    /// The size of a registry in bytes. It is the smallest one where the limits allow no
    /// other.
    size: u64,
    exists: bool,
}

/// Reads a number from /proc/sys/kernel.
pub(super) fn kernel_number(name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{name}"))?;
    text.trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

impl Limits {
    fn read() -> io::Result<Self> {
        Ok(Self {
            segments: kernel_number("shmmni")?,
            pages: kernel_number("shmall")?,
            size: kernel_number("shmmax")?,
        })
    }
}

impl Usage {
    fn of(table: &[Row], page: u64) -> Self {
        table.iter().fold(Self::default(), |usage, row| Self {
            segments: usage.segments + 1,
            pages: usage.pages.saturating_add(row.size.div_ceil(page)),
        })
    }
}

pub(super) fn check(registry: &shm_util::Result<Option<RegistryInfo>>) -> Vec<Finding> {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let read = || Ok((sysvipc::rows()?, Limits::read()?));
    let (table, limits) = match read() {
        Ok(read) => read,
        Err(error) => return vec![unknown(&error)],
    };
    let need = Need {
        size: u64::try_from(admin::registry_size().bytes).unwrap_or(u64::MAX),
        exists: !matches!(registry, Ok(None)),
    };
    compare(Usage::of(&table, page), limits, need, page).into()
}

fn unknown(error: &io::Error) -> Finding {
    Finding::attention(
        "limits",
        format!(
            "unknown, because /proc/sysvipc or /proc/sys/kernel cannot be read: {}",
            reason(error)
        ),
        "mount proc at /proc, or run this outside the sandbox",
    )
}

fn compare(usage: Usage, limits: Limits, need: Need, page: u64) -> [Finding; 3] {
    [
        check_segments(usage.segments, limits.segments, need),
        check_pages(usage.pages, limits.pages, need, page),
        check_size(limits.size, need),
    ]
}

fn check_segments(used: u64, limit: u64, need: Need) -> Finding {
    let subject = "SHMMNI";
    let count = usize::try_from(limit).unwrap_or(usize::MAX);
    let text = format!("{used} of {limit} {}", units::plural(count, "segment"));
    if !need.exists && used >= limit {
        let text = format!("{text}; a registry needs one");
        return Finding::attention(subject, text, raise("shmmni", limit.saturating_mul(2)));
    }
    if is_near(used, limit) {
        return Finding::attention(subject, text, raise("shmmni", limit.saturating_mul(2)));
    }
    Finding::ok(subject, text)
}

fn check_pages(used: u64, limit: u64, need: Need, page: u64) -> Finding {
    let subject = "SHMALL";
    let size_of = |pages: u64| units::size(pages.saturating_mul(page));
    let text = match size_of_limit(limit.saturating_mul(page)) {
        Some(limit) => format!("{} of {limit}", size_of(used)),
        None => format!("{} in use, no limit", size_of(used)),
    };
    let left = limit.saturating_sub(used);
    let needed = need.size.div_ceil(page);
    if !need.exists && needed > left {
        return Finding::attention(
            subject,
            format!("{text}; a registry needs {}", units::size(need.size)),
            raise(
                "shmall",
                used.saturating_add(needed).max(limit).saturating_mul(2),
            ),
        );
    }
    if is_near(used, limit) {
        return Finding::attention(subject, text, raise("shmall", limit.saturating_mul(2)));
    }
    Finding::ok(subject, text)
}

fn check_size(limit: u64, need: Need) -> Finding {
    let subject = "SHMMAX";
    let needed = units::size(need.size);
    match size_of_limit(limit) {
        None => Finding::ok(subject, "no limit on the size of a segment"),
        Some(shown) if need.size > limit => Finding::attention(
            subject,
            format!("a segment can have {shown}, but a registry needs {needed}"),
            raise("shmmax", need.size.next_power_of_two()),
        ),
        Some(shown) => Finding::ok(
            subject,
            format!("a segment can have {shown}; a registry needs {needed}"),
        ),
    }
}

fn raise(name: &str, value: u64) -> String {
    format!("as root, run sysctl -w kernel.{name}={value}")
}

/// `None` if the limit is so high that there is none. The kernel's own value for
/// that is a little less than 2^64.
fn size_of_limit(bytes: u64) -> Option<String> {
    (bytes < 1 << 62).then(|| units::size(bytes))
}

#[cfg(test)]
mod tests {
    use shm_util::admin::parse_segment_table;

    use super::*;

    const PAGE: u64 = 4096;
    const LIMITS: Limits = Limits {
        segments: 100,
        pages: 1000,
        size: 1 << 20,
    };

    fn problems(usage: Usage, exists: bool) -> [Option<String>; 3] {
        let need = Need {
            size: 100 * PAGE,
            exists,
        };
        compare(usage, LIMITS, need, PAGE).map(|finding| finding.remedy)
    }

    #[test]
    fn usage_counts_segments_and_whole_pages() {
        let text = "       key      shmid perms                  size  cpid\n\
                     -1073741824          0   660                  4097   12\n\
                              0          1   600                   100   12\n";
        let table: Vec<_> = parse_segment_table(text).collect();
        let usage = Usage {
            segments: 2,
            pages: 3,
        };
        assert_eq!(Usage::of(&table, PAGE), usage);
    }

    #[test]
    fn a_limit_that_is_near_needs_attention() {
        let usage = |segments, pages| Usage { segments, pages };
        assert_eq!(problems(usage(79, 799), true), [None, None, None]);
        let raise = |text: &str| Some(format!("as root, run sysctl -w kernel.{text}"));
        assert_eq!(
            problems(usage(80, 800), true),
            [raise("shmmni=200"), raise("shmall=2000"), None]
        );
    }

    #[test]
    fn the_registry_must_fit() {
        let limits = Limits {
            segments: 1,
            pages: 10,
            size: 10 * PAGE,
        };
        let need = |exists| Need {
            size: 11 * PAGE,
            exists,
        };
        let texts = |usage, exists| {
            compare(usage, limits, need(exists), PAGE)
                .map(|finding| finding.remedy.map(|_| finding.text))
        };
        let none = Usage::default();
        assert_eq!(
            texts(none, false),
            [
                None,
                Some("0 B of 40 KiB; a registry needs 44 KiB".to_owned()),
                Some("a segment can have 40 KiB, but a registry needs 44 KiB".to_owned()),
            ]
        );
        let one = Usage {
            segments: 1,
            pages: 1,
        };
        let [segments, ..] = texts(one, false);
        assert_eq!(segments.unwrap(), "1 of 1 segment; a registry needs one");
    }
}
