//! Reading and writing the file. A line that cannot be used is told with its number and its reason; the others stand.

use std::collections::HashMap;

use csv::StringRecord;

use super::{BadRow, Line, Roster, Row};
use crate::error::{Error, Result};
use crate::model::accounts::parse_email;
use crate::model::groups::NewGroup;
use crate::model::ids::UserId;
use crate::model::users::{DisplayName, Role, Username};

/// The most people that one file may hold.
pub const MAX_ROWS: usize = 20_000;
/// The most groups of one person.
const MAX_GROUPS: usize = 50;
/// Where a spreadsheet begins to calculate: a cell that begins with one of these is written with an apostrophe before it.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

const HEADER: [&str; 7] = [
    "username", "name", "role", "groups", "email", "status", "id",
];

/// Reads a file. Its first line names the columns: `username`, `name` and `role` are needed, `groups` (with `;` or `|`
/// between them), `email`, `status` and `id` may be there. A file with `sourcedId` is read as OneRoster 1.1 or 1.2 has it.
///
/// # Errors
/// [`Error::Invalid`] on `file` for what cannot be read as a whole: another encoding than UTF-8, no header, missing columns,
/// more than [`MAX_ROWS`] people.
pub fn parse(bytes: &[u8]) -> Result<Roster> {
    let text = decode(bytes)?;
    let first = text.lines().next().unwrap_or_default();
    // Spreadsheets write what their country separates lists with.
    let count = |c: char| first.matches(c).count();
    let delimiter = [',', ';', '\t']
        .into_iter()
        .max_by_key(|c| (count(*c), *c == ','));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(',') as u8)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let columns = Columns::find(reader.headers().map_err(unreadable)?)?;
    let mut roster = Roster::default();
    let mut lines = Lines {
        text: text.as_bytes(),
        at: 0,
        line: 1,
    };
    let mut seen: HashMap<String, u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = lines.of(record.position().map_or(0, csv::Position::byte) as usize);
        if roster.rows.len() + roster.bad.len() >= MAX_ROWS {
            return Err(file(format!("must not hold more than {MAX_ROWS} people")));
        }
        match columns
            .row(&record, line)
            .and_then(|row| once(row, &mut seen))
        {
            Ok(row) => roster.rows.push(row),
            Err(error) => roster.bad.extend(bad(line, &error)),
        }
    }
    if roster.rows.is_empty() && roster.bad.is_empty() {
        return Err(file("holds nobody".into()));
    }
    Ok(roster)
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
            if self.at >= byte && next != b'\n' && next != b'\r' {
                break;
            }
            self.line += u64::from(next == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// A username or an id that stands in an earlier line is refused.
fn once(row: Row, seen: &mut HashMap<String, u64>) -> Result<Row> {
    let id = row.id.as_ref().map(|id| ("id", format!("id {id}")));
    let username = format!("username {}", row.username.as_str().to_ascii_lowercase());
    for (field, key) in id.into_iter().chain([("username", username)]) {
        if let Some(line) = seen.insert(key, row.line) {
            return Err(Error::invalid(
                field,
                format!("stands in line {line} already"),
            ));
        }
    }
    Ok(row)
}

/// What is wrong with a line.
pub fn bad(line: u64, error: &Error) -> Option<BadRow> {
    let error = error.details().first()?.clone();
    Some(BadRow { line, error })
}

fn decode(bytes: &[u8]) -> Result<&str> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(file("is UTF-16: save it as CSV UTF-8".into()));
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        file(format!("is not UTF-8 in line {line}: save it as CSV UTF-8"))
    })
}

fn unreadable(error: csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    file(format!("cannot be read at line {line}"))
}

fn file(message: String) -> Error {
    Error::invalid("file", message)
}

/// Where each column is.
struct Columns {
    one_roster: bool,
    at: HashMap<String, usize>,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self> {
        let names = header.iter().enumerate();
        let at: HashMap<String, usize> = names
            .map(|(at, name)| (name.to_lowercase().replace(['_', ' ', '-'], ""), at))
            .collect();
        let one_roster = at.contains_key("sourcedid");
        let needed: &[&str] = if one_roster {
            &["sourcedid", "username", "givenname", "familyname"]
        } else {
            &["username", "name", "role"]
        };
        let missing: Vec<&str> = needed
            .iter()
            .filter(|name| !at.contains_key(**name))
            .copied()
            .collect();
        if !missing.is_empty() {
            return Err(file(format!("has no column {}", missing.join(", "))));
        }
        Ok(Columns { one_roster, at })
    }

    /// The cell, where the file has the column and the line is so long; what [`write()`] put before it is taken away.
    fn cell<'r>(&self, record: &'r StringRecord, name: &str) -> Option<&'r str> {
        let cell = record.get(*self.at.get(name)?)?;
        let guarded = cell.strip_prefix('\'');
        Some(
            guarded
                .filter(|rest| rest.starts_with(FORMULA))
                .unwrap_or(cell),
        )
    }

    fn row(&self, record: &StringRecord, line: u64) -> Result<Row> {
        let needed = |name| self.cell(record, name).unwrap_or_default();
        let given = |name| self.cell(record, name).filter(|cell| !cell.is_empty());
        let name = if self.one_roster {
            format!("{} {}", needed("givenname"), needed("familyname"))
        } else {
            needed("name").to_owned()
        };
        let id = given(if self.one_roster { "sourcedid" } else { "id" });
        Ok(Row {
            line,
            id: id.map(|id| UserId::parse_field("id", id)).transpose()?,
            username: Username::parse(needed("username"))?,
            name: DisplayName::parse(&name)?,
            role: given("role").map(role).transpose()?,
            groups: self.cell(record, "groups").map(groups).transpose()?,
            email: self.cell(record, "email").map(parse_email).transpose()?,
            disabled: self.disabled(record)?,
        })
    }

    fn disabled(&self, record: &StringRecord) -> Result<Option<bool>> {
        let lower = |name| self.cell(record, name).map(str::to_lowercase);
        if let Some("false") = lower("enableduser").as_deref() {
            return Ok(Some(true));
        }
        match lower("status").as_deref() {
            None | Some("") => Ok(None),
            Some("active") => Ok(Some(false)),
            Some("disabled" | "tobedeleted" | "inactive") => Ok(Some(true)),
            Some(_) => Err(Error::invalid("status", "must be active or disabled")),
        }
    }
}

/// Ours, or one of OneRoster's (section 4.13.5 of its information model).
fn role(text: &str) -> Result<Role> {
    let text = text.to_lowercase();
    Role::parse(&text)
        .or(match text.as_str() {
            "parent" | "relative" => Some(Role::Guardian),
            "administrator" | "aide" | "proctor" | "counselor" => Some(Role::Staff),
            _ => None,
        })
        .ok_or_else(|| Error::invalid("role", "must be student, teacher, guardian or staff"))
}

fn groups(text: &str) -> Result<Vec<String>> {
    let names = text.split([';', '|']).map(str::trim);
    let mut groups: Vec<String> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let name = NewGroup::parse_name(name)
            .map_err(|_| Error::invalid("groups", "must have names of 1 to 128 characters"))?;
        if !groups.contains(&name) {
            groups.push(name);
        }
    }
    if groups.len() > MAX_GROUPS {
        return Err(Error::invalid(
            "groups",
            format!("must not be more than {MAX_GROUPS}"),
        ));
    }
    Ok(groups)
}

/// A file that [`parse`] reads back. No cell of it is a formula to a spreadsheet.
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
        ]
    });
    write_table(&HEADER.map(str::to_owned), rows)
}

/// A CSV file with a mark by which spreadsheets know its encoding.
pub fn write_table<const N: usize>(
    header: &[String; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().from_writer("\u{feff}".as_bytes().to_vec());
    // Writing to memory does not fail.
    let _ = writer.write_record(header);
    for row in rows {
        let _ = writer.write_record(row.map(plain));
    }
    writer.into_inner().unwrap_or_default()
}

fn plain(cell: String) -> String {
    if cell.starts_with(FORMULA) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FieldError;

    fn read(text: &str) -> Roster {
        parse(text.as_bytes()).unwrap()
    }

    fn refused(bytes: &[u8]) -> FieldError {
        parse(bytes).unwrap_err().details()[0].clone()
    }

    #[test]
    fn our_own_columns_in_any_order_and_with_either_separator() {
        for text in [
            "role,username,name,groups\nteacher,ada,Ada Lovelace,7a; chess\n",
            "role;username;name;groups\r\nteacher;ada;\"Ada Lovelace\";7a|chess\r\n",
            "\u{feff}Role\tUsername\tName\tGroups\nTeacher\tada\tAda Lovelace\t7a;chess;7a\n",
        ] {
            let roster = read(text);
            assert!(roster.bad.is_empty(), "{:?}", roster.bad);
            let row = &roster.rows[0];
            assert_eq!((row.line, row.role), (2, Some(Role::Teacher)));
            assert_eq!(row.name.as_str(), "Ada Lovelace");
            assert_eq!(row.groups.as_deref().unwrap(), ["7a", "chess"]);
            assert_eq!(row.email, None);
        }
    }

    #[test]
    fn one_roster() {
        let roster = read(
            "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,email\n\
             u-1,active,2026-01-01,true,o-1,parent,kim,,Kim,Lee,kim@home.example\n\
             u-2,tobedeleted,2026-01-01,true,o-1,administrator,sam,,Sam,Poe,\n",
        );
        assert!(roster.bad.is_empty(), "{:?}", roster.bad);
        let (kim, sam) = (&roster.rows[0], &roster.rows[1]);
        assert_eq!(kim.id.as_ref().unwrap().as_str(), "u-1");
        assert_eq!(kim.name.as_str(), "Kim Lee");
        assert_eq!(
            (kim.role, kim.disabled),
            (Some(Role::Guardian), Some(false))
        );
        assert_eq!(kim.email, Some(Some("kim@home.example".into())));
        assert_eq!((sam.role, sam.disabled), (Some(Role::Staff), Some(true)));
    }

    #[test]
    fn a_bad_line_is_told_and_the_others_stand() {
        let roster = read(
            "username,name,role,email\n\
             ada,Ada,teacher,\n\
             ADA,Ada again,teacher,\n\
             bob,,student,\n\
             c d,Cid,student,\n\
             eve,Eve,wizard,\n\
             fay,Fay,student,nowhere\n\
             \n\
             gus,Gus,student,gus@x.example\n",
        );
        let bad: Vec<(u64, &str)> = roster
            .bad
            .iter()
            .map(|row| (row.line, row.error.field.as_str()))
            .collect();
        let wanted = [
            (3, "username"),
            (4, "name"),
            (5, "username"),
            (6, "role"),
            (7, "email"),
        ];
        assert_eq!(bad, wanted);
        assert!(roster.bad[0].error.message.contains("line 2"));
        assert_eq!(roster.rows.len(), 2);
        assert_eq!(roster.rows[1].line, 9);
    }

    #[test]
    fn what_is_no_such_file_is_refused_whole() {
        assert!(refused(b"username,name\nx,y\n").message.contains("role"));
        assert!(refused(b"").message.contains("no column"));
        assert!(refused(b"username,name,role\n").message.contains("nobody"));
        let latin = refused(b"username,name,role\na,A,student\nb,Jos\xe9,student\n");
        assert!(latin.message.contains("line 3"), "{latin:?}");
        assert!(refused(b"\xff\xfeu\0s\0").message.contains("UTF-16"));
        let row = |n: usize| format!("u{n},N,student\n");
        let many = (0..200_000).map(row).collect::<String>();
        let many = refused(format!("username,name,role\n{many}").as_bytes());
        assert!(many.message.contains("20000"), "{many:?}");
    }

    #[test]
    fn a_formula_does_not_come_out_as_one_and_comes_back_as_it_was() {
        let names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "'quoted", "plain"];
        let people: Vec<Line> = names
            .iter()
            .enumerate()
            .map(|(at, name)| Line {
                id: format!("id{at}"),
                username: format!("u{at}"),
                name: name.to_string(),
                role: Role::Student,
                groups: vec!["=1+1".into(), "b".into()],
                email: String::new(),
                disabled: at == 0,
            })
            .collect();
        let bytes = write(&people);
        let mut cells = csv::ReaderBuilder::new().from_reader(&bytes[3..]);
        for record in cells.records() {
            for cell in &record.unwrap() {
                assert!(!cell.starts_with(FORMULA), "{cell}");
            }
        }
        let back = parse(&bytes).unwrap();
        let came: Vec<&str> = back.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(came, names);
        assert_eq!(back.rows[0].groups.as_deref().unwrap(), ["=1+1", "b"]);
        assert_eq!(back.rows[0].disabled, Some(true));
    }
}
