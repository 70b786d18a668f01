//! Whether `docs/registry-format.md` describes the bytes as they are.

use super::super::hash::HashedName;
use super::super::keys;
use super::super::shm::Id;
use super::*;
use crate::name::NAME_MAX;
use crate::request::Lifetime;

const PAGE: &str = include_str!("../../../../docs/registry-format.md");

/// The rows of the tables under a heading, each as its cells without backquotes.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let cell = |text: &str| text.trim().replace('`', "");
    PAGE.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| "))
        .filter(|line| !line.starts_with("---"))
        .map(|line| line.split('|').map(cell).collect())
        .collect()
}

fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok();
    }
    text.parse().ok()
}

/// The first two cells of the rows that begin with a number.
fn numbered(heading: &str) -> Vec<(u64, String)> {
    let numbered = |row: Vec<String>| Some((number(&row[0])?, row[1].clone()));
    rows(heading).into_iter().filter_map(numbered).collect()
}

/// The second cell of each row, by the first, which is unique.
fn values(heading: &str) -> Vec<(String, u64)> {
    let value = |row: Vec<String>| Some((row[0].clone(), number(&row[1])?));
    rows(heading).into_iter().filter_map(value).collect()
}

fn owned(values: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = |&(name, value): &(&str, u64)| (name.to_string(), value);
    values.iter().map(owned).collect()
}

/// The fields of a struct: offset, size and name.
type Fields = Vec<(usize, usize, String)>;

/// The fields on the page, without those that are unused. They leave no gap and end
/// at `size`.
fn fields_on_page(heading: &str, size: usize) -> Fields {
    let mut end = 0;
    let mut fields = Fields::new();
    for row in rows(heading).into_iter().skip(1) {
        let (offset, size) = (row[0].parse().unwrap(), row[1].parse::<usize>().unwrap());
        assert_eq!(offset, end, "{heading}: {}", row[2]);
        end = offset + size;
        if row[2] != "unused" {
            fields.push((offset, size, row[2].clone()));
        }
    }
    assert_eq!(end, size, "{heading}");
    fields
}

const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! fields {
    ($type:ident: $($field:ident)*) => {
        vec![$((
            offset_of!($type, $field),
            size_of_field(|it: &$type| &it.$field),
            stringify!($field).to_string(),
        )),*]
    };
}

#[test]
fn the_page_has_the_fields_of_the_header() {
    assert_eq!(
        fields_on_page("## Header", HEADER_SIZE),
        fields!(Header: magic version capacity lock names nonce identity_length identity_check
                pages takeover identity appeared transient hidden)
    );
}

#[test]
fn the_page_has_the_fields_of_a_slot() {
    assert_eq!(
        fields_on_page("## Slot", size_of::<Slot>()),
        fields!(Slot: state size created key hash check extent name)
    );
}

#[test]
fn the_page_has_the_fields_of_a_page() {
    assert_eq!(
        fields_on_page("## Pages", size_of::<Page>()),
        fields!(Page: taken check words)
    );
}

#[test]
fn the_page_has_the_states() {
    let on_page: Vec<_> = numbered("### State")
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    let states = [
        State::Empty,
        State::Freed,
        State::Creating,
        State::Live(Id(7), Lifetime::Used),
        State::Removing(Id(7), Lifetime::Used),
        State::Live(Id(7), Lifetime::Kept),
        State::Removing(Id(7), Lifetime::Kept),
        State::Live(Id(7), Lifetime::Transient),
        State::Removing(Id(7), Lifetime::Transient),
        State::Hidden(Id(7), Lifetime::Used),
        State::Abandoned(Id(7), Lifetime::Used),
        State::Hidden(Id(7), Lifetime::Kept),
        State::Abandoned(Id(7), Lifetime::Kept),
        State::Hidden(Id(7), Lifetime::Transient),
        State::Abandoned(Id(7), Lifetime::Transient),
    ];
    let kinds: Vec<_> = states
        .iter()
        .map(|state| (state.to_word() >> 32) & 0xff)
        .collect();
    assert_eq!(on_page, kinds);
}

#[test]
fn the_page_has_the_constants() {
    assert_eq!(&MAGIC.to_ne_bytes(), b"shm_util");
    assert_eq!(&SUPERSEDED.to_ne_bytes(), b"shm_past");
    let in_bytes = |bytes: usize| u64::try_from(bytes).unwrap();
    assert_eq!(
        values("## Constants"),
        owned(&[
            // The page has those of a library that locks with futexes.
            ("VERSION", (VERSION - lock::KIND.layout).into()),
            ("HEADER_SIZE", in_bytes(HEADER_SIZE)),
            ("SLOT_SIZE", in_bytes(size_of::<Slot>())),
            ("PAGE_SIZE", in_bytes(PAGE_SIZE)),
            ("NAME_MAX", in_bytes(NAME_MAX)),
            ("IDENTITY_MAX", in_bytes(IDENTITY_MAX)),
            ("FEWEST_SLOTS", in_bytes(*CAPACITIES.start())),
            ("MOST_SLOTS", in_bytes(*CAPACITIES.end())),
            ("KEYS", keys::KEYS.into()),
            ("KIND_BITS", keys::KIND_BITS.into()),
            ("REGISTRY", keys::REGISTRY.into()),
            ("SEGMENT", keys::SEGMENT.into()),
            ("UNBORN", lock::FUTEX.unborn.into()),
        ])
    );
}

#[test]
#[cfg(target_endian = "little")]
fn the_page_has_examples_of_the_functions() {
    let name_hash = |name: &[u8]| HashedName::new(name).hash().into();
    let keys: Vec<_> = keys::of_registry(b"uid 1000").collect();
    let word = |lifetime| State::Live(Id(42), lifetime).to_word();
    let facts = Facts {
        key: Key(0xc000_0001),
        hash: 2,
        extent: Extent(3),
        size: 4,
        created: 5,
    };
    let expected = owned(&[
        ("mix (1)", mix(1)),
        (
            "fnv (\"uid 1000\")",
            hash_of(b"uid 1000".iter().copied()).into(),
        ),
        ("name_hash (\"\")", name_hash(b"")),
        ("name_hash (\"sensors\")", name_hash(b"sensors")),
        ("name_hash (\"/data/orders\")", name_hash(b"/data/orders")),
        ("first key of the registry of uid 1000", keys[0].0.into()),
        ("last key of the registry of uid 1000", keys[7].0.into()),
        ("state in use, identifier 42", word(Lifetime::Used)),
        ("state in use, kept, identifier 42", word(Lifetime::Kept)),
        (
            "facts_check of key 0xc0000001, hash 2, extent 3, size 4, created 5",
            facts.check().into(),
        ),
    ]);
    assert_eq!(values("## Functions"), expected, "expected: {expected:#x?}");
}
