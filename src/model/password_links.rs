//! One-time links by which people set a password.

use std::fmt::Write as _;

use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{UserId, UserKey};
use super::time::Time;
use super::users::Role;

/// By which a user sets a password, once.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordLink {
    /// A path of this server. The code stands behind the `#`, so that no log and no proxy sees it.
    pub path: String,
    pub expires_at: Time,
}

/// Where a link leads, below the server's address or path.
pub fn path(base: &str, code: &str) -> String {
    format!("{base}/password/#code={code}")
}

/// Who had a link made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkOrigin {
    /// An administrator.
    Office,
    /// Its owner, who forgot the password.
    Forgotten,
}

impl LinkOrigin {
    pub fn as_str(self) -> &'static str {
        match self {
            LinkOrigin::Office => "office",
            LinkOrigin::Forgotten => "forgotten",
        }
    }
}

/// The longest time for which links for many are valid, in days.
pub const MAX_DAYS: u32 = 90;

/// Whom links for many are made for.
#[derive(Debug, Clone)]
pub struct LinksFilter {
    /// Members of one of these, and guardians of members; `None`: everybody.
    pub groups: Option<Vec<UserId>>,
    pub roles: Vec<Role>,
    pub has_password: Option<bool>,
    pub logged_in: Option<bool>,
}

/// A user whom a link is made for.
#[derive(Debug, Clone)]
pub struct Addressee {
    pub key: UserKey,
    pub id: UserId,
    pub name: String,
    pub username: String,
    pub role: Role,
    /// A tag (BCP 47), where they have chosen one.
    pub language: Option<String>,
    /// Names of the classes that they are in, or lead.
    pub classes: Vec<String>,
    /// Names of the children whose guardian they are, each with the names of its classes.
    pub children: Vec<(String, Vec<String>)>,
    /// Whether they have an address that nobody else has.
    pub has_own_address: bool,
}

/// Links for many that go by mail.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinksMailed {
    /// How many mails are sent.
    pub queued: usize,
    /// Names of those who have no address, or share it with others, and so get none.
    pub no_address: Vec<String>,
}

/// A link for one of many.
#[derive(Debug, Clone)]
pub struct Slip {
    pub path: String,
    pub addressee: Addressee,
}

/// Links for many.
#[derive(Debug, Clone)]
pub struct LinksMade {
    pub slips: Vec<Slip>,
    pub expires_at: Time,
}

/// Which part of the slips it belongs to. Guardians' are apart from pupils', so that no child carries a parent's way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Staff,
    Pupils,
    Guardians,
}

impl Slip {
    pub fn part(&self) -> Part {
        match self.addressee.role {
            Role::Student => Part::Pupils,
            Role::Guardian => Part::Guardians,
            Role::Teacher | Role::Staff | Role::Admin => Part::Staff,
        }
    }

    /// The class whose slips it is among: a pupil's, or that of a guardian's child.
    pub fn class(&self) -> Option<&str> {
        let one = &self.addressee;
        let of_children = one.children.iter().flat_map(|(_, classes)| classes);
        match self.part() {
            Part::Staff => None,
            Part::Pupils => one.classes.iter().min_by_key(|name| natural(name)),
            Part::Guardians => of_children.min_by_key(|name| natural(name)),
        }
        .map(String::as_str)
    }
}

impl LinksMade {
    /// Part by part, class by class, and by name as it was.
    pub fn sort(&mut self) {
        self.slips
            .sort_by_cached_key(|slip| (slip.part(), slip.class().map(natural)));
    }
}

/// By which names sort as people expect: `5a` before `10b`.
fn natural(name: &str) -> String {
    let mut key = String::with_capacity(name.len() + 8);
    let mut digits = String::new();
    for c in name.to_lowercase().chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            let _ = write!(key, "{digits:0>8}");
            digits.clear();
        }
        key.push(c);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_sort_as_people_expect() {
        let mut names = ["10b", "5a", "Chess 2", "chess 10", "5", "12"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["5", "5a", "10b", "12", "Chess 2", "chess 10"]);
    }
}
