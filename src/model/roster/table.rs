//! The lines of a CSV file, as programs write them.

use csv::StringRecord;

use super::quotes;
use crate::error::{Error, Result};
use crate::rule::{self, Rule};

/// The most people that one file may hold.
pub const MAX_ROWS: usize = 20_000;
/// The most memberships, and the most links between guardians and children.
pub const MAX_MEMBERS: usize = 400_000;
pub const MAX_LINKS: usize = 100_000;

/// In how many bytes of a file its header and the first line are looked for.
const HEAD_BYTES: usize = 64 << 10;

/// A file, its ends of lines made one kind.
pub struct Table {
    text: String,
    delimiter: u8,
    pub header: StringRecord,
    /// Lines before the header.
    before: u64,
}

impl Table {
    /// The header of a file, and the first line below it, of its beginning alone.
    pub fn head(bytes: &[u8]) -> Result<(StringRecord, StringRecord)> {
        let start = &bytes[..bytes.len().min(HEAD_BYTES)];
        // The cut may go through a character, or a line.
        let end = start.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
        let start = match end {
            Some(end) if start.len() < bytes.len() => &start[..end],
            _ => start,
        };
        let (_, delimiter, text) = prepared(start)?;
        let mut reader = reader(&text, delimiter);
        let header = reader.headers().map_err(unreadable)?.clone();
        let first = reader.records().next().and_then(std::result::Result::ok);
        Ok((header, first.unwrap_or_default()))
    }

    pub fn read(bytes: &[u8]) -> Result<Self> {
        let (before, delimiter, text) = prepared(bytes)?;
        let quotes = quotes::scan(&text, delimiter);
        if let Some(line) = quotes.open {
            return Err(file(rule::open_quote(line + before)));
        }
        let mut reader = reader(&text, delimiter);
        let header = reader.headers().map_err(unreadable)?.clone();
        Ok(Table {
            text,
            delimiter,
            header,
            before,
        })
    }

    /// Each line that holds something, by its number; at most `max` of them.
    pub fn records(&self, max: usize) -> Result<Vec<(u64, Result<StringRecord>)>> {
        let mut lines = Lines {
            text: self.text.as_bytes(),
            at: 0,
            line: 1,
        };
        let mut spreads = quotes::scan(&self.text, self.delimiter)
            .spreads
            .into_iter()
            .peekable();
        let cut_off = !self.text.ends_with('\n');
        let mut records = Vec::new();
        let mut reader = reader(&self.text, self.delimiter);
        let mut read = reader.records().peekable();
        while let Some(record) = read.next() {
            let record = record.map_err(unreadable)?;
            if record.iter().all(str::is_empty) {
                continue;
            }
            let byte = record.position().map_or(0, csv::Position::byte) as usize;
            let line = lines.of(byte);
            while spreads.next_if(|spread| spread.from < line).is_some() {}
            let next = spreads.peek().filter(|spread| {
                let after = line
                    + record
                        .iter()
                        .map(|c| c.matches('\n').count() as u64)
                        .sum::<u64>();
                spread.from <= after
            });
            let last = read.peek().is_none();
            let whole = if let Some(spread) = next {
                Err(Error::invalid(
                    "quotes",
                    rule::quotes_across_lines(spread.from + self.before, spread.to + self.before),
                ))
            } else if last && cut_off && record.len() < self.header.len() {
                Err(Error::invalid("line", rule::cut_off()))
            } else {
                Ok(record)
            };
            if records.len() >= max {
                return Err(file(match max {
                    MAX_ROWS => rule::too_many_people(max),
                    _ => rule::too_many_lines(max),
                }));
            }
            records.push((line + self.before, whole));
        }
        Ok(records)
    }
}

/// The lines before the header, the separator, and the text with its ends of lines made one kind.
fn prepared(bytes: &[u8]) -> Result<(u64, u8, String)> {
    let text = decode(bytes)?.replace("\r\n", "\n").replace('\r', "\n");
    // What Excel takes for the name of the separator, and writes itself where it is told to.
    let named = text.strip_prefix("sep=").and_then(|rest| {
        let (name, rest) = rest.split_once('\n')?;
        matches!(name, "," | ";" | "\t" | "|").then(|| (name.as_bytes()[0], rest.to_owned()))
    });
    let before = u64::from(named.is_some());
    let (delimiter, text) = named.unwrap_or_else(|| (guess(&text), text));
    Ok((before, delimiter, text))
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// Spreadsheets write what their country separates lists with.
fn guess(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let count = |c: char| first.matches(c).count();
    let delimiter = [',', ';', '\t']
        .into_iter()
        .max_by_key(|c| (count(*c), *c == ','));
    delimiter.unwrap_or(',') as u8
}

/// Counts lines as people do: the reader's own position of a record lies before the end of the line above, and before empty
/// lines.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what begins at this byte or, over ends of lines, after it. Bytes must rise.
    fn of(&mut self, byte: usize) -> u64 {
        while let Some(&next) = self.text.get(self.at) {
            if self.at >= byte && next != b'\n' {
                break;
            }
            self.line += u64::from(next == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn decode(bytes: &[u8]) -> Result<&str> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(file(rule::not_csv()));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(file(rule::utf16()));
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        file(rule::not_utf8_in_line(line))
    })
}

fn unreadable(error: csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    file(rule::unreadable_line(line))
}

pub(super) fn file(rule: Rule) -> Error {
    Error::invalid("file", rule)
}
