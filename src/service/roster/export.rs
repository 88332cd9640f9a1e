//! All people as files that an import reads back without a change.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::app::App;
use crate::error::{Error, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::days::Date;
use crate::model::grades::Grade;
use crate::model::groups::Membership;
use crate::model::ids::UserKey;
use crate::model::roster::{self, Line};
use crate::store::guardians::StoredLink;
use crate::store::roster::{Known, KnownGroup, everybody, groups};
use crate::store::{audit, guardians};

/// All people who log in here, as one file. It has no room for what a membership or a link says beside that there is one.
pub async fn export(app: &App, by: AuditActor) -> Result<Vec<u8>> {
    let school = app.store.read_long(School::read).await?;
    note(app, by, &school).await?;
    Ok(roster::write(&school.lines()))
}

/// All that there is, as a zip of `people.csv`, `groups.csv`, `members.csv` and `guardians.csv`.
pub async fn export_all(app: &App, by: AuditActor) -> Result<Vec<u8>> {
    let school = app.store.read_long(School::read).await?;
    note(app, by, &school).await?;
    let files = [
        ("people.csv", roster::write(&school.lines())),
        ("groups.csv", school.groups_file()),
        ("members.csv", school.members_file()),
        ("guardians.csv", school.guardians_file()),
    ];
    roster::archive(&files).map_err(|e| Error::Internal(format!("cannot write a zip file: {e}")))
}

async fn note(app: &App, by: AuditActor, school: &School) -> Result<()> {
    let detail = format!("{} people", school.people.len());
    app.store
        .write(move |tx| audit::note(tx, &by, Action::RosterExported, "", &detail))
        .await
}

/// The people who log in here, and their groups and links.
struct School {
    /// By username.
    people: Vec<Known>,
    groups: HashMap<i64, KnownGroup>,
    links: Vec<StoredLink>,
    ids: HashMap<UserKey, String>,
}

fn day(day: Option<Date>) -> String {
    day.map_or_else(String::new, |day| day.to_string())
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

impl School {
    fn read(connection: &Connection) -> Result<Self> {
        let mut people = everybody(connection)?;
        people.retain(|one| one.user.username.is_some());
        people.sort_by_cached_key(|one| one.user.username.clone());
        let ids: HashMap<UserKey, String> = people
            .iter()
            .map(|one| (one.user.key, one.user.id().to_string()))
            .collect();
        let groups = groups(connection)?;
        let mut links = guardians::everything(connection)?;
        links.retain(|link| {
            !link.ended_by_hand && ids.contains_key(&link.child) && ids.contains_key(&link.guardian)
        });
        Ok(School {
            people,
            groups: groups.into_iter().map(|one| (one.key.0, one)).collect(),
            links,
            ids,
        })
    }

    fn id(&self, user: UserKey) -> String {
        self.ids.get(&user).cloned().unwrap_or_default()
    }

    fn lines(&self) -> Vec<Line> {
        let mut children: HashMap<UserKey, Vec<String>> = HashMap::new();
        for link in &self.links {
            children
                .entry(link.guardian)
                .or_default()
                .push(self.id(link.child));
        }
        let mut line = |one: &Known| {
            let mut groups: Vec<String> = self
                .memberships(one)
                .map(|(of, _)| of.name.clone())
                .collect();
            groups.sort();
            Line {
                id: one.user.id().to_string(),
                username: one.user.username.clone().unwrap_or_default(),
                name: one.user.person.name.to_string(),
                role: one.user.role,
                groups,
                email: one.user.email.clone().unwrap_or_default(),
                disabled: one.user.disabled,
                grade: one.grade.map_or("", Grade::as_str).to_owned(),
                phones: one.phones.clone(),
                adult_from: day(one.adult_from),
                children: children.remove(&one.user.key).unwrap_or_default(),
            }
        };
        self.people.iter().map(&mut line).collect()
    }

    fn memberships<'s>(
        &'s self,
        one: &'s Known,
    ) -> impl Iterator<Item = (&'s KnownGroup, &'s Membership)> {
        let groups = one.groups.iter();
        groups.filter_map(|(key, membership)| Some((self.groups.get(&key.0)?, membership)))
    }

    fn groups_file(&self) -> Vec<u8> {
        let mut groups: Vec<&KnownGroup> = self.groups.values().collect();
        groups.sort_by_key(|group| group.key.0);
        let rows = groups.into_iter().map(|group| {
            [
                group.id.to_string(),
                group.name.clone(),
                group.kind.as_str().to_owned(),
            ]
        });
        roster::write_table(&["id", "name", "kind"].map(str::to_owned), rows)
    }

    fn members_file(&self) -> Vec<u8> {
        let rows = self.people.iter().flat_map(|one| {
            self.memberships(one).map(|(group, membership)| {
                [
                    group.id.to_string(),
                    one.user.id().to_string(),
                    membership.lead.map(yes).unwrap_or_default(),
                    day(membership.days.from),
                    day(membership.days.until),
                ]
            })
        });
        let header = ["group", "person", "lead", "from", "until"];
        roster::write_table(&header.map(str::to_owned), rows)
    }

    fn guardians_file(&self) -> Vec<u8> {
        let rows = self.links.iter().map(|stored| {
            let link = &stored.link;
            [
                self.id(stored.child),
                self.id(stored.guardian),
                link.kind.clone().unwrap_or_default(),
                day(link.days.from),
                day(link.days.until),
                yes(link.contact),
                yes(link.receives),
                link.priority.map(|n| n.to_string()).unwrap_or_default(),
                yes(link.locked),
            ]
        });
        let header = [
            "child", "guardian", "kind", "from", "until", "contact", "receives", "priority",
            "locked",
        ];
        roster::write_table(&header.map(str::to_owned), rows)
    }
}
