//! Groups and who is in them, as files have it: our own `groups.csv` and `members.csv`, or OneRoster's `classes.csv` and
//! `enrollments.csv` (1.1, sections 4.5 and 4.9; 1.2, sections 4.2.3 and 4.2.8).

use std::collections::HashSet;

use super::columns::Columns;
use super::table::{MAX_MEMBERS, MAX_ROWS, Table};
use super::{FileGroup, FileMember, FileName, bad_in};
use crate::error::{Error, Result};
use crate::model::days::Days;
use crate::model::groups::{GroupKind, Membership, NewGroup};
use crate::model::ids::UserId;
use crate::rule;

use super::links::yes;

/// What files say of groups.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    pub groups: Vec<FileGroup>,
    /// `None`: no file says who is in which.
    pub members: Option<Vec<FileMember>>,
    pub bad: Vec<super::BadRow>,
}

impl Groups {
    /// Our own `groups.csv`: `id`, `name`, `kind`.
    pub fn read_groups(&mut self, bytes: &[u8]) -> Result<()> {
        self.each(
            (FileName::Groups, bytes),
            &["id", "name"],
            MAX_ROWS,
            |groups, columns, line, record| {
                let cell = |name| columns.cell(record, name).unwrap_or_default();
                let kind = cell("kind").to_lowercase();
                let kind = match kind.is_empty() {
                    true => None,
                    false => Some(
                        GroupKind::parse(&kind)
                            .ok_or_else(|| Error::invalid("kind", rule::not_a_group_kind()))?,
                    ),
                };
                groups.groups.push(FileGroup {
                    line,
                    id: UserId::parse_field("id", &cell("id"))?,
                    name: NewGroup::parse_name(&cell("name"))?,
                    kind,
                });
                Ok(())
            },
        )
    }

    /// OneRoster's classes; what is to be deleted is not there.
    pub fn read_classes(&mut self, bytes: &[u8], org: Option<&str>) -> Result<()> {
        self.each(
            (FileName::Classes, bytes),
            &["sourcedid", "title"],
            MAX_ROWS,
            |groups, columns, line, record| {
                let cell = |name| columns.cell(record, name).unwrap_or_default();
                let is_elsewhere = org.is_some_and(|org| cell("schoolsourcedid") != org);
                if is_elsewhere || is_to_be_deleted(&cell("status")) {
                    return Ok(());
                }
                // Names stand in lists, with these between them.
                let title = cell("title").replace([';', '|'], " ");
                let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
                groups.groups.push(FileGroup {
                    line,
                    id: UserId::parse_field("sourcedId", &cell("sourcedid"))?,
                    name: NewGroup::parse_name(&title)
                        .map_err(|_| Error::invalid("title", rule::group_name_range(1, 128)))?,
                    kind: Some(GroupKind::Class),
                });
                Ok(())
            },
        )
    }

    /// Our own `members.csv`: `group`, `person`, `lead`, `from`, `until`.
    pub fn read_members(&mut self, bytes: &[u8]) -> Result<()> {
        self.members = Some(Vec::new());
        self.each(
            (FileName::Members, bytes),
            &["group", "person"],
            MAX_MEMBERS,
            |groups, columns, line, record| {
                let cell = |name| columns.cell(record, name).unwrap_or_default();
                // Without these columns a membership says no more than that there is one.
                let says_more = ["lead", "from", "until"]
                    .iter()
                    .any(|name| columns.has(name));
                let lead = cell("lead");
                let lead = (!lead.is_empty()).then(|| yes("lead", &lead, false));
                let membership = Membership {
                    lead: lead.transpose()?,
                    days: Days::parse(Some(&cell("from")), Some(&cell("until")))?,
                };
                groups.members.get_or_insert_default().push(FileMember {
                    line,
                    file: FileName::Members,
                    group: cell("group"),
                    person: cell("person"),
                    membership: says_more.then_some(membership),
                });
                Ok(())
            },
        )
    }

    /// OneRoster's enrollments. A teacher's leads the class; others of grown-ups, an aide's, do not.
    pub fn read_enrollments(
        &mut self,
        bytes: &[u8],
        pupils: &HashSet<String>,
        org: Option<&str>,
    ) -> Result<()> {
        self.members = Some(Vec::new());
        self.each(
            (FileName::Enrollments, bytes),
            &["classsourcedid", "usersourcedid", "role"],
            MAX_MEMBERS,
            |groups, columns, line, record| {
                let cell = |name| columns.cell(record, name).unwrap_or_default();
                let is_elsewhere = org.is_some_and(|org| cell("schoolsourcedid") != org);
                if is_elsewhere || is_to_be_deleted(&cell("status")) {
                    return Ok(());
                }
                let person = cell("usersourcedid");
                let as_teacher = cell("role").eq_ignore_ascii_case("teacher");
                // What is left out follows from the person's role.
                let lead = (!as_teacher && !pupils.contains(&person)).then_some(false);
                let days = Days::parse(Some(&cell("begindate")), Some(&cell("enddate")))?;
                groups.members.get_or_insert_default().push(FileMember {
                    line,
                    file: FileName::Enrollments,
                    group: cell("classsourcedid"),
                    person,
                    membership: Some(Membership { lead, days }),
                });
                Ok(())
            },
        )
    }

    /// Reads a file that needs these columns, a line at a time; a line that cannot be used is told.
    fn each(
        &mut self,
        (file, bytes): (FileName, &[u8]),
        needed: &[&str],
        max: usize,
        mut take: impl FnMut(&mut Self, &Columns, u64, &csv::StringRecord) -> Result<()>,
    ) -> Result<()> {
        let table = Table::read(bytes)?;
        let columns = Columns::find(&table.header);
        columns.need(needed)?;
        for (line, record) in table.records(max)? {
            let taken = record.and_then(|record| take(self, &columns, line, &record));
            if let Err(error) = taken {
                self.bad.extend(bad_in(file, line, &error));
            }
        }
        Ok(())
    }
}

fn is_to_be_deleted(status: &str) -> bool {
    status.eq_ignore_ascii_case("tobedeleted")
}
