//! Who is whose guardian, as files have it.

use std::collections::HashSet;

use super::columns::Columns;
use super::table::Table;
use super::{FileLink, FileName, LinkFacts, Links, Row};
use crate::error::{Error, Result};
use crate::model::days::Days;
use crate::model::guardians::{GuardianLink, parse_kind};
use crate::model::users::Role;
use crate::rule;

/// Our own `guardians.csv`: a link in each line, with all that it says. The children who are in `people` have no other links.
pub fn of_guardians_file(bytes: &[u8]) -> Result<Links> {
    let table = Table::read(bytes)?;
    let columns = Columns::find(&table.header);
    columns.need(&["child", "guardian"])?;
    let mut links = Links::default();
    for (line, record) in table.records(super::table::MAX_LINKS)? {
        let name = FileName::Guardians;
        let read = record.and_then(|record| {
            let cell = |name| columns.cell(&record, name).unwrap_or_default();
            let priority = cell("priority");
            let priority = match priority.is_empty() {
                true => None,
                false => Some(
                    priority
                        .parse()
                        .ok()
                        .filter(|n| *n > 0)
                        .ok_or_else(|| Error::invalid("priority", rule::too_small(1)))?,
                ),
            };
            let link = GuardianLink {
                kind: parse_kind(Some(&cell("kind")))?,
                days: Days::parse(Some(&cell("from")), Some(&cell("until")))?,
                contact: yes("contact", &cell("contact"), true)?,
                receives: yes("receives", &cell("receives"), true)?,
                priority,
                locked: yes("locked", &cell("locked"), false)?,
            };
            Ok(FileLink {
                line,
                file: name,
                child: needed("child", cell("child"))?,
                guardian: needed("guardian", cell("guardian"))?,
                facts: LinkFacts::All(link),
            })
        });
        match read {
            Ok(link) => links.named.push(link),
            Err(error) => links.bad.extend(super::bad_in(name, line, &error)),
        }
    }
    links.are_all_of_children = true;
    Ok(links)
}

/// Links that people's own lines name: the column `children` of a guardian, or OneRoster's agents (1.1, section 4.13; 1.2,
/// section 4.2.16), which programs write into the line of the pupil, of the guardian, or both.
pub fn of_rows(rows: &[Row]) -> Links {
    let mut links = Links::default();
    let pupils: HashSet<&str> = rows
        .iter()
        .filter(|row| row.role == Some(Role::Student))
        .filter_map(|row| row.id.as_ref().map(crate::model::ids::UserId::as_str))
        .collect();
    for row in rows {
        let own = row
            .id
            .as_ref()
            .map_or(row.username.as_str(), |id| id.as_str());
        let link = |child: &str, guardian: &str| FileLink {
            line: row.line,
            file: FileName::People,
            child: child.to_owned(),
            guardian: guardian.to_owned(),
            facts: LinkFacts::Kind(row.kind.clone()),
        };
        if let Some(children) = &row.children {
            links.of_guardians.push(own.to_owned());
            links
                .named
                .extend(children.iter().map(|child| link(child, own)));
        }
        if let Some(agents) = &row.agents {
            links.are_all_of_children = true;
            for agent in agents {
                // Of two who are no pupils nothing follows.
                if row.role == Some(Role::Student) {
                    links.named.push(link(own, agent));
                } else if pupils.contains(agent.as_str()) {
                    links.named.push(link(agent, own));
                }
            }
        }
    }
    links
}

fn needed(field: &str, cell: String) -> Result<String> {
    match cell.is_empty() {
        true => Err(Error::invalid(field, rule::required())),
        false => Ok(cell),
    }
}

/// Reads `yes` and `no`.
pub(super) fn yes(field: &str, cell: &str, otherwise: bool) -> Result<bool> {
    match cell.to_lowercase().as_str() {
        "" => Ok(otherwise),
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(Error::invalid(field, rule::not_yes_or_no())),
    }
}
