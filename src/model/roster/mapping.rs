//! What the columns of another program's file are, as an administrator says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::table::Table;
use crate::error::{Error, Result};
use crate::model::users::Role;
use crate::rule;

/// What a column can be, in lower case, and names that programs have for it.
const MEANINGS: [(&str, &[&str]); 14] = [
    ("username", &["login", "loginid", "userlogin", "sisloginid"]),
    (
        "id",
        &["studentid", "userid", "sisid", "personid", "sourcedid"],
    ),
    ("name", &["fullname", "displayname"]),
    ("givenname", &["firstname", "forename", "vorname", "prenom"]),
    ("familyname", &["lastname", "surname", "nachname", "nom"]),
    ("role", &["type", "usertype"]),
    (
        "groups",
        &["class", "classes", "cohort1", "group", "homeroom"],
    ),
    ("email", &["studentemail", "emailaddress", "mail"]),
    ("status", &[]),
    ("grade", &["gradelevel", "year", "yeargroup"]),
    ("phones", &["phone", "phone1", "mobile", "telephone"]),
    ("adultfrom", &[]),
    ("children", &["child"]),
    ("kind", &["relationship"]),
];

/// A mapping of columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mapping {
    /// By the name of a column what it is: `username`, `id`, `name`, `givenName`, `familyName`, `role`, `groups`, `email`, `status`,
    /// `grade`, `phones`, `adultFrom`, `children`, `kind`.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// What everybody in the file is, where no column says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// A column of a file, for an administrator who says what it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FileColumn {
    pub name: String,
    /// What the first line has in it.
    pub sample: String,
    /// What it was the last time, or what it is by its name.
    pub meaning: Option<String>,
}

/// The columns of a file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FileColumns {
    pub columns: Vec<FileColumn>,
    /// What everybody in such a file was the last time.
    pub role: Option<Role>,
}

/// As columns are compared: in lower case, without blanks, hyphens and underscores.
pub(super) fn plain(name: &str) -> String {
    name.to_lowercase().replace(['_', ' ', '-'], "")
}

impl Mapping {
    /// Reads JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `mapping`, also where a column is something unknown, or two columns are the same.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |rule| Error::invalid("mapping", rule);
        let mapping: Mapping =
            serde_json::from_str(text).map_err(|_| wrong(rule::not_a_mapping()))?;
        if mapping.role == Some(Role::Admin) {
            return Err(wrong(rule::imports_no_admin()));
        }
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (column, meaning) in &mapping.columns {
            let meaning = plain(meaning);
            if !MEANINGS.iter().any(|(known, _)| *known == meaning) {
                return Err(wrong(rule::not_a_meaning(&meaning)));
            }
            if let Some(other) = seen.insert(meaning.clone(), column) {
                return Err(wrong(rule::two_columns(other, column, &meaning)));
            }
        }
        Ok(mapping)
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.role.is_none()
    }

    /// What a column is, in lower case.
    pub(super) fn meaning(&self, column: &str) -> Option<String> {
        self.columns.get(column).map(|meaning| plain(meaning))
    }
}

/// The names of the columns of a file of people.
///
/// # Errors
/// [`Error::Invalid`] on `file` for what is no such file.
pub fn header(users: &[u8]) -> Result<Vec<String>> {
    let (header, _) = Table::head(users)?;
    Ok(header.iter().map(str::to_owned).collect())
}

/// The columns of a file of people, each as the mapping has it, or else as its name says.
///
/// # Errors
/// As [`header`].
pub fn columns(users: &[u8], kept: Option<&Mapping>) -> Result<FileColumns> {
    let (header, first) = Table::head(users)?;
    let mut taken: Vec<String> = Vec::new();
    let columns = header.iter().enumerate().map(|(at, name)| {
        let kept_meaning = kept.and_then(|mapping| mapping.columns.get(name).cloned());
        let guessed = || guess(name).filter(|meaning| !taken.contains(meaning));
        let meaning = if kept.is_some() {
            kept_meaning
        } else {
            guessed()
        };
        taken.extend(meaning.clone());
        FileColumn {
            name: name.to_owned(),
            sample: first.get(at).unwrap_or_default().chars().take(60).collect(),
            meaning,
        }
    });
    Ok(FileColumns {
        columns: columns.collect(),
        role: kept.and_then(|mapping| mapping.role),
    })
}

/// What a column is by its name.
fn guess(name: &str) -> Option<String> {
    let name = plain(name);
    let known = MEANINGS
        .iter()
        .find(|(meaning, names)| *meaning == name || names.contains(&&*name))?;
    Some(match known.0 {
        "givenname" => "givenName".into(),
        "familyname" => "familyName".into(),
        "adultfrom" => "adultFrom".into(),
        other => other.into(),
    })
}
