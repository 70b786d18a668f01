//! Sizes, ages and times, as people write and read them.

#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime};

use humansize::{BINARY, format_size};
use jiff::{RoundMode, Span, SpanRelativeTo, SpanRound, Timestamp, Unit, tz::TimeZone};

use crate::os;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

const SIZES: &str = "expected a size such as 4096, 64K or 1G";
const AGES: &str = "expected an age such as 90s, 10m or 7d";
const TIME_LIMITS: &str = "expected a time such as 90s, 10m or 500ms";

/// Parses a size in bytes: `4096`, `64K`, `1.5GiB`, `1e6`, `0x1000`. K, M, G, T, P and E
/// are powers of 1024, also before B. The manual page lists these forms.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    if text.starts_with('-') {
        return Err(format!("a size cannot be negative; {SIZES}"));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).map_err(|_| SIZES.to_owned());
    }
    let parse = |text: &str| {
        parse_size::Config::new()
            .with_binary()
            .parse_size(text)
            .map_err(|_| SIZES.to_owned())
    };
    let size = parse(text)?;
    // parse_size would round a fraction.
    if let Some((_, fraction)) = text.split_once('.') {
        let end = fraction.find(|character: char| !character.is_ascii_digit());
        let (digits, unit) = fraction.split_at(end.unwrap_or(fraction.len()));
        let digits = digits.trim_end_matches('0');
        let unit = u128::from(parse(&format!("1{unit}"))?);
        let is_whole = match (digits, u32::try_from(digits.len())) {
            ("", _) => true,
            (_, Ok(length)) => digits
                .parse::<u128>()
                .ok()
                .zip(10_u128.checked_pow(length))
                .and_then(|(digits, scale)| Some(digits.checked_mul(unit)? % scale == 0))
                .unwrap_or(false),
            _ => false,
        };
        if !is_whole {
            return Err("this is not a whole number of bytes".to_owned());
        }
    }
    Ok(size)
}

/// Parses a size that must not be 0.
pub(crate) fn parse_nonzero_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("the size of a segment must be at least 1 byte".to_owned()),
        size => Ok(size),
    }
}

/// Parses an age: `90s`, `10m`, `1h 30m`, `7d`.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    parse_duration(text, "an age", AGES)
}

/// Parses a time limit: `90s`, `1m 30s`, `500ms`.
pub(crate) fn parse_time_limit(text: &str) -> Result<Duration, String> {
    parse_duration(text, "a time limit", TIME_LIMITS)
}

fn parse_duration(text: &str, what: &str, expected: &str) -> Result<Duration, String> {
    let span = text.parse::<Span>();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    match duration.map(Duration::try_from) {
        Ok(Ok(duration)) => Ok(duration),
        Ok(Err(_)) => Err(format!("{what} cannot be negative; {expected}")),
        Err(_) => Err(expected.to_owned()),
    }
}

/// Parses permission bits in octal: `640`, `0660`.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected permission bits in octal, up to 777, such as 660".to_owned()),
    }
}

/// The form of a noun that fits a number.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        noun.to_owned()
    } else {
        format!("{noun}s")
    }
}

/// A size for people: `64 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    format_size(bytes, BINARY)
}

/// An age for people, in at most two units: `3d 2h`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let smallest = match seconds {
        0..HOUR => Unit::Second,
        HOUR..DAY => Unit::Minute,
        _ => Unit::Hour,
    };
    let round = SpanRound::new()
        .largest(Unit::Day)
        .smallest(smallest)
        .mode(RoundMode::Trunc)
        .days_are_24_hours();
    let rounded = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Span::new().try_seconds(seconds).ok())
        .and_then(|span| span.round(round).ok());
    match rounded {
        Some(span) => format!("{span:#}"),
        None => format!("{seconds}s"),
    }
}

/// How long ago something happened. A time in the future, which is possible if the clock was set
/// back, counts as now.
pub(crate) fn elapsed(time: SystemTime) -> Duration {
    time.elapsed().unwrap_or_default()
}

/// The same for something that does not outlive a reboot. If the clock was set forward, the result
/// is at most the system's uptime.
pub(crate) fn since_boot(time: SystemTime) -> Duration {
    let uptime = Duration::from_secs(u64::try_from(os::uptime()).unwrap_or(0));
    elapsed(time).min(uptime)
}

/// A time for people, in the local time zone.
pub(crate) fn local_time(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(
        |error| error.to_string(),
        |time| {
            time.to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S %Z")
                .to_string()
        },
    )
}

/// A time for programs: RFC 3339, in UTC.
pub(crate) fn utc_time(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|error| error.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64K"), Ok(65536));
        for same in ["64KiB", "64kib", "64KB", "64kb", "64k"] {
            assert_eq!(parse_size(same), Ok(65536), "{same}");
        }
        for (unit, power) in [("M", 20), ("T", 40), ("P", 50), ("E", 60)] {
            assert_eq!(parse_size(&format!("1{unit}")), Ok(1 << power));
        }
        assert_eq!(parse_size("1e6"), Ok(1_000_000));
        assert_eq!(parse_size("1G"), Ok(1 << 30));
        assert_eq!(parse_size("0x10"), Ok(16));
        assert_eq!(parse_size("much"), Err(SIZES.to_owned()));
        assert_eq!(
            parse_size("-0x1"),
            Err(format!("a size cannot be negative; {SIZES}"))
        );
        assert!(parse_nonzero_size("0").is_err());
        assert_eq!(size(65536), "64 KiB");
        assert_eq!(size(100), "100 B");
    }

    #[test]
    fn a_fraction_of_a_unit_is_whole_bytes_or_refused() {
        assert_eq!(parse_size("1.5K"), Ok(1536));
        assert_eq!(parse_size("0.50KiB"), Ok(512));
        assert_eq!(parse_size("1.0"), Ok(1));
        assert_eq!(parse_size("1.5e3"), Ok(1500));
        for wrong in [
            "1.5",
            "0.3K",
            "1.50B",
            "1.00000000000000000000000000000000000000001K",
        ] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_have_two_units_at_most() {
        let shown = |seconds| age(Duration::from_secs(seconds));
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(61), "1m 1s");
        assert_eq!(shown(3 * HOUR + 61), "3h 1m");
        assert_eq!(shown(50 * HOUR), "2d 2h");
        assert_eq!(parse_age("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_age("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_age("7d"), Ok(Duration::from_secs(7 * DAY)));
        assert_eq!(parse_age("0s"), Ok(Duration::ZERO));
        for wrong in ["", "10", "-1s", "soon"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_limits_have_fractions_of_seconds() {
        for (text, limit) in [
            ("500ms", Duration::from_millis(500)),
            ("90s", Duration::from_secs(90)),
            ("0s", Duration::ZERO),
            ("2d", Duration::from_secs(2 * DAY)),
        ] {
            assert_eq!(parse_time_limit(text), Ok(limit));
        }
        assert_eq!(
            parse_time_limit("-1s"),
            Err(format!("a time limit cannot be negative; {TIME_LIMITS}"))
        );
        assert_eq!(parse_time_limit("10"), Err(TIME_LIMITS.to_owned()));
    }

    #[test]
    fn the_age_of_what_ends_with_a_reboot_is_at_most_the_uptime() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: u64 = uptime.split('.').next().unwrap().parse().unwrap();
        let later = Duration::from_secs(seconds + 3600);
        assert!(since_boot(SystemTime::UNIX_EPOCH) < later);
        assert!(elapsed(SystemTime::UNIX_EPOCH) > later);
        for since in [since_boot, elapsed] {
            assert_eq!(since(SystemTime::now() + later), Duration::ZERO);
        }
    }

    #[test]
    fn a_mode_is_octal() {
        assert_eq!(parse_mode("640"), Ok(0o640));
        assert_eq!(parse_mode("0660"), Ok(0o660));
        for wrong in ["", "8", "1000", "u=rw"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }
}
