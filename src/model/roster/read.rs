//! Reading the file. A line that cannot be used is told with its number and its reason; the others stand. What cannot be read for
//! certain is such a line, and where there is one, no one is shut out for not being in the file.

use std::collections::HashMap;

use super::columns::Columns;
use super::groups::Groups;
use super::links;
use super::mapping::Mapping;
use super::table::{MAX_MEMBERS, MAX_ROWS, Table, file};
use super::{BadRow, FileName, Roster, Row, RowGroup};
use crate::error::{Error, Result};
use crate::model::text;
use crate::model::users::Role;
use crate::rule;

/// The most groups of one user in a file of memberships.
const MAX_MEMBERSHIPS: usize = 200;

/// The files of an import.
#[derive(Debug, Clone, Default)]
pub struct Files {
    pub users: Vec<u8>,
    /// OneRoster 1.2 keeps the roles of people in a file of their own.
    pub roles: Option<Vec<u8>>,
    pub groups: Option<Vec<u8>>,
    pub members: Option<Vec<u8>>,
    pub guardians: Option<Vec<u8>>,
    pub classes: Option<Vec<u8>>,
    pub enrollments: Option<Vec<u8>>,
    /// What the columns of the people are, where their names do not say it.
    pub mapping: Option<Mapping>,
    /// Of a OneRoster set of many schools, the `sourcedId` of the one whose people are taken.
    pub org: Option<String>,
}

impl Files {
    /// A single file of people.
    pub fn of_people(users: Vec<u8>) -> Self {
        Files {
            users,
            ..Files::default()
        }
    }

    /// Each file's bytes, in a fixed order.
    pub fn all(&self) -> [&[u8]; 7] {
        let of = Option::unwrap_or_default;
        [
            &self.users,
            of(self.roles.as_deref()),
            of(self.groups.as_deref()),
            of(self.members.as_deref()),
            of(self.guardians.as_deref()),
            of(self.classes.as_deref()),
            of(self.enrollments.as_deref()),
        ]
    }
}

/// Reads files. The first line of each names the columns: `username`, `name` and `role` are needed, `groups` (with `;` or `|`
/// between them), `email`, `status`, `id`, `grade`, `phones`, `adultFrom`, `children` and `kind` may be there. A file with
/// `sourcedId` is read as OneRoster 1.1 or 1.2 has it.
///
/// # Errors
/// [`Error::Invalid`] on `file` for what cannot be read as a whole: another encoding than UTF-8, no header, missing columns, a
/// quote that is not closed, more than [`MAX_ROWS`] people.
pub fn parse(files: &Files) -> Result<Roster> {
    let org = files.org.as_deref();
    let roles = files.roles.as_deref();
    let roles = roles.map(|bytes| roles_of(bytes, org)).transpose()?;
    let table = Table::read(&files.users)?;
    let columns = Columns::of_people(&table.header, roles.as_ref(), files.mapping.as_ref())?;
    let mut roster = Roster {
        unused_columns: columns.unused(),
        repeated_columns: columns.repeated(),
        ..Roster::default()
    };
    if org.is_some() {
        columns.need_org()?;
    }
    let mut seen: HashMap<String, u64> = HashMap::new();
    // The set of a trust has many schools.
    let max = if org.is_some() { MAX_MEMBERS } else { MAX_ROWS };
    for (line, record) in table.records(max)? {
        if let (Some(org), Ok(record)) = (org, &record)
            && !columns.is_of(record, org)
        {
            roster.elsewhere.insert(columns.source_id(record));
            continue;
        }
        let row = record.and_then(|record| columns.row(&record, line));
        match row.and_then(|row| once(row, &mut seen)) {
            Ok(row) => roster.rows.push(row),
            Err(error) => roster.bad.extend(bad(line, &error)),
        }
    }
    if roster.rows.is_empty() && roster.bad.is_empty() {
        return Err(file(rule::no_people()));
    }
    add_groups(&mut roster, files)?;
    roster.links = match &files.guardians {
        Some(bytes) => links::of_guardians_file(bytes)?,
        None => links::of_rows(&roster.rows),
    };
    roster.bad.append(&mut roster.links.bad);
    Ok(roster)
}

/// Reads who is in which group, where files say so, into the rows of the people.
fn add_groups(roster: &mut Roster, files: &Files) -> Result<()> {
    let mut groups = Groups::default();
    if let Some(bytes) = &files.groups {
        groups.read_groups(bytes)?;
    }
    if let Some(bytes) = &files.classes {
        groups.read_classes(bytes, files.org.as_deref())?;
    }
    if let Some(bytes) = &files.members {
        groups.read_members(bytes)?;
    } else if let Some(bytes) = &files.enrollments {
        let pupils = roster.rows.iter();
        let pupils = pupils.filter(|row| row.role == Some(Role::Student));
        let ids = pupils.filter_map(|row| row.id.as_ref().map(ToString::to_string));
        groups.read_enrollments(bytes, &ids.collect(), files.org.as_deref())?;
    }
    roster.groups = groups.groups;
    roster.has_all_members = groups.bad.is_empty();
    roster.bad.append(&mut groups.bad);
    let Some(members) = groups.members else {
        return Ok(());
    };
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, row) in roster.rows.iter_mut().enumerate() {
        row.groups = Some(Vec::new());
        places.insert(row.username.key(), at);
    }
    // An id wins over a username that is spelled like it.
    for (at, row) in roster.rows.iter().enumerate() {
        if let Some(id) = &row.id {
            places.insert(id.to_string(), at);
        }
    }
    for member in members {
        let key = text::case_key(&member.person);
        let at = places.get(&member.person).or_else(|| places.get(&key));
        if at.is_none() && roster.elsewhere.contains(&member.person) {
            continue;
        }
        let Some(at) = at else {
            let unknown = rule::unknown_person(&member.person);
            let error = Error::invalid("person", unknown);
            roster.bad.extend(bad_in(member.file, member.line, &error));
            continue;
        };
        let groups = roster.rows[*at].groups.get_or_insert_default();
        // A class may be taught by terms: the last line of a person in it counts.
        groups.retain(|known| known.group != member.group);
        if groups.len() >= MAX_MEMBERSHIPS {
            let error = Error::invalid("person", rule::too_many_groups(MAX_MEMBERSHIPS));
            roster.bad.extend(bad_in(member.file, member.line, &error));
            roster.has_all_members = false;
            continue;
        }
        groups.push(RowGroup {
            group: member.group,
            membership: member.membership,
            place: Some((member.file, member.line)),
        });
    }
    Ok(())
}

/// OneRoster's `roles.csv` (1.2, section 4.2.13): who is what. The first active role that is a user's primary one counts, else
/// the first.
fn roles_of(bytes: &[u8], org: Option<&str>) -> Result<HashMap<String, Role>> {
    let table = Table::read(bytes)?;
    let columns = Columns::of_roles(&table.header)?;
    let mut roles: HashMap<String, (bool, Role)> = HashMap::new();
    for (line, record) in table.records(MAX_MEMBERS)? {
        let place = |error: Error| match error.details().first() {
            Some(detail) => file(rule::bad_roles_file(
                line,
                &format!("{} {}", detail.field, detail.message),
            )),
            None => error,
        };
        let record = record.map_err(place)?;
        if org.is_some_and(|org| columns.cell(&record, "orgsourcedid").as_deref() != Some(org)) {
            continue;
        }
        let Some((user, primary, role)) = columns.role_of(&record).map_err(place)? else {
            continue;
        };
        let known = roles.get(&user).map(|(primary, _)| *primary);
        if known.is_none() || primary && known == Some(false) {
            roles.insert(user, (primary, role));
        }
    }
    Ok(roles
        .into_iter()
        .map(|(user, (_, role))| (user, role))
        .collect())
}

/// A username or an id that stands in an earlier line is refused.
fn once(row: Row, seen: &mut HashMap<String, u64>) -> Result<Row> {
    let id = row.id.as_ref().map(|id| ("id", format!("id {id}")));
    let username = format!("username {}", row.username.key());
    for (field, key) in id.into_iter().chain([("username", username)]) {
        if let Some(line) = seen.insert(key, row.line) {
            return Err(Error::invalid(field, rule::repeated(line)));
        }
    }
    Ok(row)
}

/// What is wrong with a line of the people.
pub fn bad(line: u64, error: &Error) -> Option<BadRow> {
    bad_in(FileName::People, line, error)
}

/// What is wrong with a line of a file.
pub fn bad_in(file: FileName, line: u64, error: &Error) -> Option<BadRow> {
    let error = error.details().first()?.clone();
    Some(BadRow { file, line, error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FieldError;

    fn file_of(users: &[u8]) -> Files {
        Files::of_people(users.to_vec())
    }

    fn read(text: &str) -> Roster {
        parse(&file_of(text.as_bytes())).unwrap()
    }

    fn refused(bytes: &[u8]) -> FieldError {
        parse(&file_of(bytes)).unwrap_err().details()[0].clone()
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
            let groups = row.groups.iter().flatten();
            let groups: Vec<&str> = groups.map(|of| of.group.as_str()).collect();
            assert_eq!(groups, ["7a", "chess"]);
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

    /// The lines of a file that are bad, and the field of each.
    fn bad_lines(text: &str) -> Vec<(u64, String)> {
        let bad = read(text).bad.into_iter();
        bad.map(|row| (row.line, row.error.field)).collect()
    }

    #[test]
    fn a_missing_quote_is_told_and_swallows_no_one() {
        let open = "username,name,role,notes\nann,Ann,student,\nbob,Bob,student,\"likes chess\ncid,Cid,student,\n";
        assert!(refused(open.as_bytes()).message.contains("line 3"));
        // Closed by the next one that is there.
        let swallowing = format!("{open}dee,Dee,student,\"likes go\"\neve,Eve,student,\n");
        assert_eq!(bad_lines(&swallowing), [(3, "quotes".into())]);
        let named = format!("sep=;\n{}", open.replace(',', ";"));
        assert!(refused(named.as_bytes()).message.contains("line 4"));
    }

    #[test]
    fn a_line_that_ends_too_early_is_bad() {
        let file = "username,name,role,email\nann,Ann,student,\n";
        assert_eq!(bad_lines(&format!("{file}cid,Ci")), [(3, "line".into())]);
        assert_eq!(
            bad_lines(&format!("{file}new1,N\nbob,Bob,student,\n")),
            [(3, "role".into())]
        );
        assert_eq!(
            bad_lines(&format!("{file}cid,Cid,student")),
            [(3, "line".into())]
        );
        assert_eq!(bad_lines(&format!("{file}cid,Cid,student\n")), []);
        assert_eq!(bad_lines(&format!("{file}cid,Cid,student,")), []);
    }

    #[test]
    fn files_as_programs_write_them() {
        let named = read("sep=;\nusername;name;role\nann;Ann;student\nb b;Bob;student\n");
        assert_eq!((named.rows[0].line, named.bad[0].line), (3, 4));
        let mac = read("username,name,role\rann,Ann,student\rb b,Bob,student\r");
        assert_eq!((mac.rows[0].line, mac.bad[0].line), (2, 3));
        assert!(refused(b"PK\x03\x04zip").message.contains("zip"));
        let twice = read("username,name,role,Username,group\nann,Ann,student,zzz,7a\n");
        assert_eq!(twice.rows[0].username.as_str(), "ann");
        assert_eq!(twice.repeated_columns, ["Username"]);
        assert_eq!(twice.unused_columns, ["group"]);
        let off = read(
            "sourcedId,enabledUser,role,username,givenName,familyName\n1,0,student,ann,Ann,Lee\n",
        );
        assert_eq!(off.rows[0].disabled, Some(true));
    }

    #[test]
    fn many_groups_are_refused_at_once() {
        let groups: Vec<String> = (0..80_000).map(|n| format!("g{n}")).collect();
        let text = format!(
            "username,name,role,groups\nann,Ann,student,\"{}\"\n",
            groups.join(";")
        );
        let began = std::time::Instant::now();
        assert_eq!(bad_lines(&text), [(2, "groups".into())]);
        assert!(began.elapsed().as_secs() < 2, "it took tens of seconds");
    }

    #[test]
    fn one_roster_1_2_keeps_roles_in_a_file_of_their_own() {
        let users = "sourcedId,status,enabledUser,username,givenName,familyName\nT1,active,true,t.one,Tess,One\nS1,active,true,s.one,Sam,One\nX1,active,true,x.one,Xi,One\n";
        assert!(refused(users.as_bytes()).message.contains("roles.csv"));
        let roles = "sourcedId,status,userSourcedId,roleType,role\nR0,active,T1,secondary,parent\nR1,active,T1,primary,teacher\nR2,active,S1,primary,student\nR3,tobedeleted,X1,primary,student\n";
        let files = Files {
            users: users.into(),
            roles: Some(roles.into()),
            ..Files::default()
        };
        let roles: Vec<Option<Role>> = parse(&files)
            .unwrap()
            .rows
            .iter()
            .map(|row| row.role)
            .collect();
        assert_eq!(roles, [Some(Role::Teacher), Some(Role::Student), None]);
    }

    #[test]
    fn what_is_no_such_file_is_refused_whole() {
        assert!(refused(b"username,name\nx,y\n").message.contains("role"));
        assert!(refused(b"").message.contains("no column"));
        assert!(
            refused(b"username,name,role\n")
                .message
                .contains("no people")
        );
        let latin = refused(b"username,name,role\na,A,student\nb,Jos\xe9,student\n");
        assert!(latin.message.contains("line 3"), "{latin:?}");
        assert!(refused(b"\xff\xfeu\0s\0").message.contains("UTF-16"));
        let row = |n: usize| format!("u{n},N,student\n");
        let many = (0..200_000).map(row).collect::<String>();
        let many = refused(format!("username,name,role\n{many}").as_bytes());
        assert!(many.message.contains("20000"), "{many:?}");
    }
}
