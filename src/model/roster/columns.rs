//! Which column of a file is what, and a person from a line.

use std::collections::HashMap;

use csv::StringRecord;

use super::mapping::{Mapping, plain};
use super::table::file;
use super::write::{HEADER, unguard};
use super::{Row, RowGroup};
use crate::error::{Error, Result};
use crate::model::accounts::{FactsChange, parse_email};
use crate::model::groups::NewGroup;
use crate::model::guardians::{MAX_CHILDREN, parse_kind};
use crate::model::ids::UserId;
use crate::model::users::{DisplayName, Role, Username};
use crate::rule;

/// The most groups of one person.
const MAX_GROUPS: usize = 50;

const OF_ONE_ROSTER: [&str; 13] = [
    "sourcedid",
    "username",
    "givenname",
    "familyname",
    "role",
    "groups",
    "email",
    "status",
    "enableduser",
    "grades",
    "agentsourcedids",
    "sms",
    "phone",
];

/// Whether a column is one of our own: of those that an export has, or what a guardian is to the children.
fn is_own(name: &str) -> bool {
    name == "kind" || HEADER.iter().any(|own| plain(own) == name)
}

/// Where each column is.
pub struct Columns<'a> {
    header: &'a StringRecord,
    at: HashMap<String, usize>,
    is_known: fn(&str) -> bool,
    /// By the id of each person, where a file of their own has them.
    roles: Option<&'a HashMap<String, Role>>,
    /// As an administrator says.
    mapping: Option<&'a Mapping>,
}

impl<'a> Columns<'a> {
    pub fn find(header: &'a StringRecord) -> Self {
        let mut at = HashMap::new();
        for (column, name) in header.iter().enumerate() {
            at.entry(plain(name)).or_insert(column);
        }
        Columns {
            header,
            at,
            is_known: |_| false,
            roles: None,
            mapping: None,
        }
    }

    /// Finds columns by what an administrator says that they are.
    fn mapped(header: &'a StringRecord, mapping: &'a Mapping) -> Result<Self> {
        for column in mapping.columns.keys() {
            if !header.iter().any(|name| name == column) {
                let why = rule::no_such_column(column);
                return Err(Error::invalid("mapping", why));
            }
        }
        let mut at = HashMap::new();
        for (column, name) in header.iter().enumerate() {
            if let Some(meaning) = mapping.meaning(name) {
                at.entry(meaning).or_insert(column);
            }
        }
        let columns = Columns {
            header,
            at,
            is_known: |_| false,
            roles: None,
            mapping: Some(mapping),
        };
        let mut needed = vec!["username"];
        if !columns.at.contains_key("name") {
            needed.extend(["givenname", "familyname"]);
        }
        if mapping.role.is_none() {
            needed.push("role");
        }
        columns.need(&needed)?;
        Ok(columns)
    }

    pub fn need(&self, needed: &[&str]) -> Result<()> {
        let missing: Vec<&str> = needed
            .iter()
            .filter(|name| !self.at.contains_key(**name))
            .copied()
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(file(rule::no_column(&missing.join(", "))))
    }

    pub fn of_people(
        header: &'a StringRecord,
        roles: Option<&'a HashMap<String, Role>>,
        mapping: Option<&'a Mapping>,
    ) -> Result<Self> {
        if let Some(mapping) = mapping {
            return Self::mapped(header, mapping);
        }
        let mut columns = Columns {
            roles,
            ..Self::find(header)
        };
        if columns.is_one_roster() {
            columns.need(&["sourcedid", "username", "givenname", "familyname"])?;
            columns.is_known = |name| OF_ONE_ROSTER.contains(&name);
            if roles.is_none() && !columns.at.contains_key("role") {
                return Err(file(rule::no_roles_file()));
            }
        } else {
            columns.need(&["username", "name", "role"])?;
            columns.is_known = is_own;
        }
        Ok(columns)
    }

    pub fn of_roles(header: &'a StringRecord) -> Result<Self> {
        let columns = Self::find(header);
        columns.need(&["usersourcedid", "role"])?;
        Ok(columns)
    }

    fn is_one_roster(&self) -> bool {
        self.mapping.is_none() && self.at.contains_key("sourcedid")
    }

    /// Whether the name is in two columns.
    fn has_two_names(&self) -> bool {
        self.is_one_roster() || self.mapping.is_some() && !self.at.contains_key("name")
    }

    /// Names that mean nothing here.
    pub fn unused(&self) -> Vec<String> {
        let names = self.header.iter().filter(|name| !name.is_empty());
        let is_used = |name: &str| match self.mapping {
            Some(mapping) => mapping.columns.contains_key(name),
            None => (self.is_known)(&plain(name)),
        };
        names
            .filter(|name| !is_used(name))
            .map(str::to_owned)
            .collect()
    }

    /// Names that stand twice, of which the first counts.
    pub fn repeated(&self) -> Vec<String> {
        let names = self.header.iter().enumerate();
        let meaning = |name: &str| match self.mapping {
            Some(mapping) => mapping.meaning(name),
            None => Some(plain(name)),
        };
        names
            .filter(|(column, name)| {
                !name.is_empty()
                    && meaning(name)
                        .and_then(|meaning| self.at.get(&meaning))
                        .is_some_and(|first| first != column)
            })
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.at.contains_key(name)
    }

    /// The cell, where the file has the column and the line is so long.
    pub fn cell(&self, record: &StringRecord, name: &str) -> Option<String> {
        record.get(*self.at.get(name)?).map(unguard)
    }

    pub fn row(&self, record: &StringRecord, line: u64) -> Result<Row> {
        let needed = |name| self.cell(record, name).unwrap_or_default();
        let given = |name| self.cell(record, name).filter(|cell| !cell.is_empty());
        let one_roster = self.is_one_roster();
        let names: &[&str] = if self.has_two_names() {
            &["username", "givenname", "familyname"]
        } else {
            &["username", "name", "role"]
        };
        let short = |name: &&&str| self.at.get(**name).is_some_and(|at| *at >= record.len());
        if let Some(name) = names.iter().find(short) {
            return Err(Error::invalid(*name, rule::missing_cell()));
        }
        let name = if self.has_two_names() {
            format!("{} {}", needed("givenname"), needed("familyname"))
        } else {
            needed("name")
        };
        let id = given(if one_roster { "sourcedid" } else { "id" });
        let of_file = self.roles.zip(id.as_ref());
        let role = match of_file.and_then(|(roles, id)| roles.get(id)) {
            Some(role) => Some(*role),
            None => given("role").as_deref().map(parse_role).transpose()?,
        };
        let role = role.or(self.mapping.and_then(|mapping| mapping.role));
        Ok(Row {
            line,
            id: id.map(|id| UserId::parse_field("id", &id)).transpose()?,
            username: Username::parse(&needed("username"))?,
            name: DisplayName::parse(&name)?,
            role,
            groups: self
                .cell(record, "groups")
                .as_deref()
                .map(groups)
                .transpose()?,
            children: self.names(record, "children")?,
            agents: self.names(record, "agentsourcedids")?,
            kind: match one_roster {
                true => None,
                false => parse_kind(given("kind").as_deref())?,
            },
            facts: self.facts(record, role)?,
            email: self
                .cell(record, "email")
                .as_deref()
                .map(parse_email)
                .transpose()?,
            disabled: self.disabled(record)?,
        })
    }

    /// Grade, telephone numbers and the day of coming of age, where the file has such columns.
    fn facts(&self, record: &StringRecord, role: Option<Role>) -> Result<FactsChange> {
        let cell = |name| self.cell(record, name);
        if !self.is_one_roster() {
            let phones = cell("phones").map(|text| split(&text));
            let (grade, day) = (cell("grade"), cell("adultfrom"));
            return FactsChange::parse(grade.as_deref(), day.as_deref(), phones.as_deref());
        }
        let grade = match (cell("grades"), role) {
            (Some(text), Some(Role::Student)) => Some(one_roster_grade(&text)),
            // Teachers have those that they teach.
            (Some(_), Some(_)) => Some(String::new()),
            _ => None,
        };
        let phones = match (cell("sms"), cell("phone")) {
            (None, None) => None,
            (sms, phone) => Some([sms, phone].into_iter().flatten().collect::<Vec<_>>()),
        };
        FactsChange::parse(grade.as_deref(), None, phones.as_deref())
    }

    /// Ids or usernames of other people.
    fn names(&self, record: &StringRecord, column: &str) -> Result<Option<Vec<String>>> {
        let Some(text) = self.cell(record, column) else {
            return Ok(None);
        };
        let names = split(&text);
        if names.len() > MAX_CHILDREN {
            return Err(Error::invalid(column, rule::too_many(MAX_CHILDREN)));
        }
        Ok(Some(names))
    }

    fn disabled(&self, record: &StringRecord) -> Result<Option<bool>> {
        let lower = |name| self.cell(record, name).map(|cell| cell.to_lowercase());
        if let Some("false" | "0" | "no") = lower("enableduser").as_deref() {
            return Ok(Some(true));
        }
        match lower("status").as_deref() {
            None | Some("") => Ok(None),
            Some("active") => Ok(Some(false)),
            Some("disabled" | "tobedeleted" | "inactive") => Ok(Some(true)),
            Some(_) => Err(Error::invalid("status", rule::not_a_status())),
        }
    }

    /// OneRoster says of which school somebody is: in `roles.csv` (1.2), or in a column (1.1).
    pub fn need_org(&self) -> Result<()> {
        match self.roles {
            Some(_) => Ok(()),
            None => self.need(&["orgsourcedids"]),
        }
    }

    /// Whether a user is of this school.
    pub fn is_of(&self, record: &StringRecord, org: &str) -> bool {
        if let Some(roles) = self.roles {
            return roles.contains_key(&self.source_id(record));
        }
        let orgs = self.cell(record, "orgsourcedids");
        split(&orgs.unwrap_or_default())
            .iter()
            .any(|one| one == org)
    }

    pub fn source_id(&self, record: &StringRecord) -> String {
        self.cell(record, "sourcedid").unwrap_or_default()
    }

    /// Whose role a line of `roles.csv` is, whether it is their primary one, and which; nothing where it is to be deleted.
    pub fn role_of(&self, record: &StringRecord) -> Result<Option<(String, bool, Role)>> {
        let cell = |name| self.cell(record, name).unwrap_or_default();
        if cell("status").eq_ignore_ascii_case("tobedeleted") {
            return Ok(None);
        }
        let primary = cell("roletype").eq_ignore_ascii_case("primary");
        Ok(Some((
            cell("usersourcedid"),
            primary,
            parse_role(&cell("role"))?,
        )))
    }
}

/// Ours, or one of OneRoster's (1.1, section 4.13.5 of its information model; 1.2, section 6.2.4).
fn parse_role(text: &str) -> Result<Role> {
    let text = text.to_lowercase();
    Role::parse(&text)
        .or(match text.as_str() {
            "parent" | "relative" => Some(Role::Guardian),
            "administrator"
            | "districtadministrator"
            | "siteadministrator"
            | "systemadministrator"
            | "principal"
            | "aide"
            | "proctor"
            | "counselor" => Some(Role::Staff),
            _ => None,
        })
        .ok_or_else(|| Error::invalid("role", rule::not_a_role()))
}

/// The parts of a cell that holds several.
fn split(text: &str) -> Vec<String> {
    let parts = text.split([';', '|', ',']).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// The first of OneRoster's grades that is one here: programs also write those of nurseries and of those who have left (CEDS).
fn one_roster_grade(text: &str) -> String {
    let mut codes = text.split(',').map(str::trim);
    let other = |code: &&str| {
        let others = ["IT", "PR", "TK", "PS", "UG", "OTHER"];
        !others.iter().any(|other| other.eq_ignore_ascii_case(code))
    };
    codes.find(other).unwrap_or_default().to_owned()
}

fn groups(text: &str) -> Result<Vec<RowGroup>> {
    let names = text.split([';', '|']).map(str::trim);
    let mut groups: Vec<String> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if groups.len() > MAX_GROUPS {
            break;
        }
        let name = NewGroup::parse_name(name)
            .map_err(|_| Error::invalid("groups", rule::group_name_range(1, 128)))?;
        if !groups.contains(&name) {
            groups.push(name);
        }
    }
    if groups.len() > MAX_GROUPS {
        return Err(Error::invalid("groups", rule::too_many_groups(MAX_GROUPS)));
    }
    let named = |group| RowGroup {
        group,
        membership: None,
        place: None,
    };
    Ok(groups.into_iter().map(named).collect())
}
