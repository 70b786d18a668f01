//! The table that `list` prints.

#![forbid(unsafe_code)]

use std::iter;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use shm_util::Kind;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

use crate::names;
use crate::units;

use super::{Listed, Listing, State, held_by, size, state};

const COLUMNS: usize = 8;
/// The first column is only shown if the segments are those of all namespaces.
const HEADER: [&str; COLUMNS] = [
    "NAMESPACE",
    "NAME",
    "ID",
    "SIZE",
    "MAPPINGS",
    "HELD BY",
    "AGE",
    "STATE",
];
/// The number of spaces between columns.
const GAP: u16 = 2;
/// How many holders of a segment the table names.
const NAMED_HOLDERS: usize = 3;
/// The widths below which the columns NAMESPACE, NAME and HELD BY are not shortened.
const MINIMUM: usize = 8;

const BOLD: Style = Style::new().bold();
const ORPHANED: Style = AnsiColor::Yellow.on_default();

struct Row {
    namespace: Option<String>,
    name: String,
    id: String,
    size: String,
    mappings: String,
    held_by: String,
    age: String,
    state: String,
    style: Style,
}

impl Row {
    fn new(listing: &Listing, listed: &Listed) -> Self {
        let found = &listed.found;
        let info = &found.info;
        Self {
            namespace: listed.namespace.as_deref().map(str::to_owned),
            name: names::show(&info.name),
            id: match info.kind {
                Kind::SysV => info.id.to_string(),
                _ => "-".to_owned(),
            },
            size: size(info),
            mappings: info.mappings.to_string(),
            held_by: held_by(info, listing.holders(found), NAMED_HOLDERS),
            age: units::age(found.since(info.created)),
            state: state(found),
            style: match State::of(info) {
                State::Orphaned => ORPHANED,
                State::InUse | State::Kept => Style::new(),
            },
        }
    }

    fn cells(&self) -> [&str; COLUMNS] {
        [
            self.namespace.as_deref().unwrap_or_default(),
            &self.name,
            &self.id,
            &self.size,
            &self.mappings,
            &self.held_by,
            &self.age,
            &self.state,
        ]
    }
}

/// The lines of the table, the header first. With a width, no line is wider.
pub(super) fn lines(listing: &Listing, width: Option<usize>) -> impl Iterator<Item = String> {
    let mut rows: Vec<Row> = listing
        .segments
        .iter()
        .map(|listed| Row::new(listing, listed))
        .collect();
    // Which columns are shown.
    let first = usize::from(!listing.is_of_all);
    if let Some(width) = width {
        shorten(&mut rows, first, width);
    }
    let mut table = Table::new();
    let shown = |cells: [&str; COLUMNS]| cells.map(str::to_owned).into_iter().skip(first);
    table
        .load_preset(presets::NOTHING)
        .set_header(shown(HEADER));
    for row in &rows {
        table.add_row(shown(row.cells()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    for numbers in 2..=4 {
        if let Some(column) = table.column_mut(numbers - first) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // No cell contains a line feed, so each row is one line.
    let lines: Vec<String> = table.lines().collect();
    let styles = rows.into_iter().map(|row| row.style);
    lines
        .into_iter()
        .zip(iter::once(BOLD).chain(styles))
        .map(move |(line, style)| {
            let line = line.trim_end();
            let line = width.map_or_else(|| line.to_owned(), |width| cut_end(line, width));
            format!("{style}{line}{style:#}")
        })
}

/// Shortens namespaces, names and holders, the widest first, until the table, which shows the
/// columns from `first` on, has this width.
fn shorten(rows: &mut [Row], first: usize, width: usize) {
    let mut widths = HEADER.map(UnicodeWidthStr::width);
    for row in rows.iter() {
        for (width, cell) in widths.iter_mut().zip(row.cells()) {
            *width = (*width).max(cell.width());
        }
    }
    let gaps = (COLUMNS - first - 1) * usize::from(GAP);
    let total = widths.iter().skip(first).sum::<usize>() + gaps;
    let [mut namespace, name, .., held_by, _, _] = widths;
    if first > 0 {
        namespace = 0;
    }
    let room = (namespace + name + held_by).saturating_sub(total.saturating_sub(width));
    // Each column gets a fair share of the room, plus what the others do not need.
    let for_held_by = fair(held_by, room, [namespace, name]);
    let room = room.saturating_sub(for_held_by);
    let for_namespace = fair(namespace, room, [name, 0]);
    let for_name = room.saturating_sub(for_namespace).max(MINIMUM);
    for row in rows {
        if let Some(namespace) = &mut row.namespace {
            *namespace = cut_middle(namespace, for_namespace.max(MINIMUM));
        }
        row.name = cut_middle(&row.name, for_name);
        row.held_by = cut_end(&row.held_by, for_held_by.max(MINIMUM));
    }
}

/// The width of a column that needs `width` and shares `room` with two others. Each column gets
/// at least a third, unless it needs less.
fn fair(width: usize, room: usize, others: [usize; 2]) -> usize {
    let [one, other] = others;
    let mut wanted = [width, one, other];
    wanted.sort_unstable();
    let mut left = room;
    for (number, &least) in wanted.iter().enumerate() {
        let part = left / (wanted.len() - number);
        if least > part {
            return width.min(part);
        }
        left -= least;
    }
    width
}

/// Replaces the middle of a text that is too wide with an ellipsis.
fn cut_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let start = fitting(text.chars(), kept.div_ceil(2));
    let end = fitting(text.chars().rev(), kept / 2);
    let end: String = end.chars().rev().collect();
    format!("{start}\u{2026}{end}")
}

/// Replaces the end of a text that is too wide with an ellipsis.
fn cut_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    format!("{}\u{2026}", fitting(text.chars(), width.saturating_sub(1)))
}

/// As many characters as fit into a width.
fn fitting(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_fits_is_not_shortened() {
        assert_eq!(cut_middle("sensors", 7), "sensors");
        assert_eq!(cut_end("sensors", 7), "sensors");
    }

    #[test]
    fn a_long_name_keeps_its_start_and_its_end() {
        assert_eq!(cut_middle("0123456789", 9), "0123\u{2026}6789");
        assert_eq!(cut_middle("0123456789", 8), "0123\u{2026}789");
        assert_eq!(cut_end("0123456789", 8), "0123456\u{2026}");
    }

    #[test]
    fn wide_characters_count_twice() {
        let name = "\u{5171}\u{4eab}\u{5185}\u{5b58}";
        assert_eq!(cut_middle(name, 8), name);
        assert_eq!(cut_middle(name, 7), "\u{5171}\u{2026}\u{5b58}");
    }

    fn row(name: &str, held_by: &str) -> Row {
        Row {
            namespace: None,
            name: name.to_owned(),
            id: "1".to_owned(),
            size: "4 KiB".to_owned(),
            mappings: "1".to_owned(),
            held_by: held_by.to_owned(),
            age: "1s".to_owned(),
            state: "in use".to_owned(),
            style: Style::new(),
        }
    }

    #[test]
    fn the_widest_column_is_shortened_first() {
        // The other columns and the gaps take 36 columns.
        let shortened = |name: &str, held_by: &str, width: usize| {
            let mut rows = [row(name, held_by)];
            shorten(&mut rows, 1, width);
            let [row] = rows;
            (row.name.width(), row.held_by.width())
        };
        let (long, short) = ("n".repeat(100), "h".repeat(10));
        assert_eq!(shortened(&long, &short, 80), (34, 10));
        assert_eq!(shortened(&short, &long, 80), (10, 34));
        assert_eq!(shortened(&long, &long, 80), (22, 22));
        assert_eq!(shortened(&short, &short, 80), (10, 10));
        assert_eq!(shortened(&long, &long, 10), (MINIMUM, MINIMUM));
    }

    #[test]
    fn a_namespace_gets_its_part_of_the_room() {
        // The other columns and the gaps take 38 columns.
        let shortened = |namespace: &str, name: &str, held_by: &str| {
            let mut rows = [Row {
                namespace: Some(namespace.to_owned()),
                ..row(name, held_by)
            }];
            shorten(&mut rows, 0, 98);
            let [row] = rows;
            let namespace = row.namespace.unwrap();
            (namespace.width(), row.name.width(), row.held_by.width())
        };
        let (long, short) = ("l".repeat(100), "s".repeat(10));
        assert_eq!(shortened(&long, &long, &long), (20, 20, 20));
        assert_eq!(shortened(&long, &short, &short), (40, 10, 10));
        assert_eq!(shortened(&short, &long, &short), (10, 40, 10));
        assert_eq!(shortened(&short, &long, &long), (10, 25, 25));
        assert_eq!(shortened(&short, &short, &short), (10, 10, 10));
    }
}
