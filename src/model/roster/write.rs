//! Writing CSV files (RFC 4180) that no spreadsheet takes for a calculation.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

use super::Line;

/// Where a spreadsheet begins to calculate (OWASP, "CSV Injection").
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// What one country or another separates cells with, and what ends a line: a file that is read with another separator than it was
/// written with has cells that begin in the middle of ours.
const SEPARATORS: [char; 6] = [',', ';', '|', '\t', '\n', '\r'];

/// The columns of an export of people.
pub(super) const HEADER: [&str; 11] = [
    "username",
    "name",
    "role",
    "groups",
    "email",
    "status",
    "id",
    "grade",
    "phones",
    "adultFrom",
    "children",
];

/// A file that [`super::parse`] reads back.
pub fn write(people: &[Line]) -> Vec<u8> {
    let rows = people.iter().map(|line| {
        let status = if line.disabled { "disabled" } else { "active" };
        [
            line.username.clone(),
            line.name.clone(),
            line.role.to_string(),
            line.groups.join("; "),
            line.email.clone(),
            status.to_owned(),
            line.id.clone(),
            line.grade.clone(),
            line.phones.join("; "),
            line.adult_from.clone(),
            line.children.join("; "),
        ]
    });
    write_table(&HEADER.map(str::to_owned), rows)
}

/// Files in a zip, each by its name.
pub fn archive(files: &[(&str, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for (name, bytes) in files {
        archive.start_file(*name, options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// A CSV file with a mark by which spreadsheets know its encoding. No cell of it is a formula, at whatever separator it is read.
pub fn write_table<const N: usize>(
    header: &[String; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer("\u{feff}".as_bytes().to_vec());
    // Writing to memory does not fail.
    let _ = writer.write_record(header);
    for row in rows {
        let _ = writer.write_record(row.map(|cell| guard(&cell)));
    }
    writer.into_inner().unwrap_or_default()
}

/// Puts an apostrophe before each sign that could begin a formula, and before apostrophes that stand before one.
fn guard(cell: &str) -> String {
    let mut guarded = String::with_capacity(cell.len());
    for (at_start, rest) in starts(cell) {
        if at_start && rest.trim_start_matches('\'').starts_with(FORMULA) {
            guarded.push('\'');
        }
        guarded.extend(rest.chars().next());
    }
    guarded
}

/// Takes away what [`guard`] has put there.
pub(super) fn unguard(cell: &str) -> String {
    let mut plain = String::with_capacity(cell.len());
    for (at_start, rest) in starts(cell) {
        let guarded = rest.starts_with('\'') && rest.trim_start_matches('\'').starts_with(FORMULA);
        if !(at_start && guarded) {
            plain.extend(rest.chars().next());
        }
    }
    plain
}

/// Each character with what follows it, and whether a cell could begin there: at the beginning or behind a separator, blanks and
/// quotes aside.
fn starts(cell: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut at_start = true;
    cell.char_indices().map(move |(at, c)| {
        let blank = matches!(c, ' ' | '"' | '\u{a0}');
        let here = at_start && !blank;
        at_start = SEPARATORS.contains(&c) || at_start && blank;
        (here, &cell[at..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of a file as a spreadsheet sees them that takes this separator.
    fn cells(file: &[u8], separator: u8) -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(&file[3..]);
        let records = reader.records().map(Result::unwrap);
        records
            .flat_map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn no_cell_is_a_formula_at_any_separator_and_each_comes_back() {
        let texts = [
            "=cmd|' /C calc'!A0",
            "Ann;=cmd|' /C calc'!A0;x",
            "a; =1+1",
            "a\n=1",
            "a\t@b",
            "a|+b",
            "a,-b",
            "Ann;\"=1\"",
            "\"=1\"",
            "'=1",
            "''=1; '=2",
            "+1",
            "-1",
            "@x",
            "'quoted",
            "O'Brien; Smith-Jones",
            "plain",
            "a;;=1",
        ];
        let rows = texts.iter().map(|text| [text.to_string(), "end".into()]);
        let file = write_table(&["text".into(), "end".into()], rows);
        for separator in *b",;|\t" {
            for cell in cells(&file, separator) {
                let seen = cell.trim_start_matches([' ', '"']);
                assert!(
                    !seen.starts_with(FORMULA),
                    "{cell:?} at {:?}",
                    separator as char
                );
            }
        }
        for text in texts {
            assert_eq!(unguard(&guard(text)), text);
        }
        assert_eq!(guard("Smith-Jones, Ann"), "Smith-Jones, Ann");
    }
}
