//! Who is whose guardian, as files have it.

use std::collections::HashSet;

use super::columns::Columns;
use super::table::Table;
use super::{FileLink, FileName, LinkFacts, Links, Row};
use crate::error::{Error, Result};
use crate::model::days::Days;
use crate::model::guardians::parse_kind;
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
            let cell = |name| columns.cell(&record, name);
            let days = Days::parse(cell("from").as_deref(), cell("until").as_deref())?;
            let priority = |text: String| match text.as_str() {
                "" => Ok(None),
                text => match text.parse() {
                    Ok(n) if n > 0 => Ok(Some(n)),
                    _ => Err(Error::invalid("priority", rule::too_small(1))),
                },
            };
            let flag = |name, otherwise| -> Result<Option<bool>> {
                cell(name)
                    .map(|text| yes(name, &text, otherwise))
                    .transpose()
            };
            let facts = LinkFacts {
                kind: parse_kind(cell("kind").as_deref())?,
                from: cell("from").map(|_| days.from),
                until: cell("until").map(|_| days.until),
                contact: flag("contact", true)?,
                receives: flag("receives", true)?,
                priority: cell("priority").map(priority).transpose()?,
                locked: flag("locked", false)?,
            };
            Ok(FileLink {
                line,
                file: name,
                child: needed("child", cell("child"))?,
                guardian: needed("guardian", cell("guardian"))?,
                facts,
            })
        });
        match read {
            Ok(link) => links.named.push(link),
            Err(error) => links.bad.extend(super::bad_in(name, line, &error)),
        }
    }
    links.are_all = true;
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
            facts: LinkFacts {
                kind: row.kind.clone(),
                ..LinkFacts::default()
            },
        };
        if let Some(children) = &row.children {
            links.of_guardians.push(own.to_owned());
            links
                .named
                .extend(children.iter().map(|child| link(child, own)));
        }
        if let Some(agents) = &row.agents {
            let is_pupil = row.role == Some(Role::Student);
            // Of somebody whose role is not said nothing follows, nor of two who are no pupils.
            if is_pupil {
                links.of_children.push(own.to_owned());
            }
            for agent in agents {
                if is_pupil {
                    links.named.push(link(own, agent));
                } else if pupils.contains(agent.as_str()) {
                    links.named.push(link(agent, own));
                }
            }
        }
    }
    links
}

fn needed(field: &str, cell: Option<String>) -> Result<String> {
    let given = cell.filter(|cell| !cell.is_empty());
    given.ok_or_else(|| Error::invalid(field, rule::required()))
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
