//! People as administrators see and change them.

use serde::Serialize;
use utoipa::ToSchema;

use super::days::Date;
use super::grades::Grade;
use super::ids::{UserId, UserKey};
use super::safeguarding::duty::Duty;
use super::text;
use super::time::Time;
use super::users::{DisplayName, Role, Username};
use crate::error::{Error, Result};
use crate::rule;

/// A group, as it stands beside a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupName {
    pub id: UserId,
    pub name: String,
}

/// A person, with what only administrators see.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    #[serde(skip)]
    pub key: UserKey,
    pub id: UserId,
    pub username: Option<String>,
    pub name: String,
    pub email: Option<String>,
    pub role: Role,
    pub groups: Vec<GroupName>,
    /// What they do beside their role.
    pub duties: Vec<Duty>,
    /// Those of `duties` that another lead has yet to confirm: they are not in force.
    pub unconfirmed_duties: Vec<Duty>,
    /// A pupil's.
    pub grade: Option<Grade>,
    /// From this day on a pupil's guardian links count only if the pupil has agreed.
    pub adult_from: Option<Date>,
    /// Telephone numbers.
    pub phones: Vec<String>,
    pub disabled: bool,
    /// Whether they log in here, with a password.
    pub has_password: bool,
    /// Whether logging in takes a code as well.
    pub second_factor: bool,
    /// Browsers that get pushes.
    pub devices: i64,
    pub online: bool,
    pub last_seen_at: Option<Time>,
    pub created_at: Time,
}

/// Which people to list.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Words of the name or the username, as [`text::words`] gives them.
    pub search: Vec<String>,
    pub role: Option<Role>,
    pub group: Option<UserId>,
    pub disabled: Option<bool>,
    /// The last one of the page before.
    pub after: Option<UserKey>,
}

/// What is to be changed of a user; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// The id that the school's own system has for them.
    pub id: Option<UserId>,
    pub username: Option<Username>,
    pub name: Option<DisplayName>,
    /// `Some(None)` takes it away.
    pub email: Option<Option<String>>,
    pub role: Option<Role>,
    /// All of their groups.
    pub groups: Option<Vec<UserId>>,
    pub disabled: Option<bool>,
    /// All of their duties.
    pub duties: Option<Vec<Duty>>,
    pub facts: FactsChange,
}

/// What is to be changed of the facts about a user; `None` leaves one as it is, and `Some(None)` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactsChange {
    pub grade: Option<Option<Grade>>,
    pub adult_from: Option<Option<Date>>,
    pub phones: Option<Vec<String>>,
}

impl FactsChange {
    /// Reads texts; an empty one takes the fact away.
    ///
    /// # Errors
    /// [`Error::Invalid`] on `grade`, `adultFrom` or `phones`.
    pub fn parse(
        grade: Option<&str>,
        adult_from: Option<&str>,
        phones: Option<&[String]>,
    ) -> Result<Self> {
        let day = |text: &str| match text.trim() {
            "" => Ok(None),
            text => Date::parse_field("adultFrom", text).map(Some),
        };
        Ok(FactsChange {
            grade: grade
                .map(|text| Grade::parse_field("grade", text))
                .transpose()?,
            adult_from: adult_from.map(day).transpose()?,
            phones: phones.map(parse_phones).transpose()?,
        })
    }
}

/// The most telephone numbers of one user.
const MAX_PHONES: usize = 5;
/// The most characters of one.
const MAX_PHONE: usize = 40;

/// Telephone numbers as people write them, of the digits that E.164 allows.
///
/// # Errors
/// [`Error::Invalid`] on `phones`.
pub fn parse_phones(given: &[String]) -> Result<Vec<String>> {
    let given = given.iter().filter(|text| !text.trim().is_empty());
    let mut phones: Vec<String> = Vec::new();
    for text in given {
        let phone = text::line("phones", text, MAX_PHONE)?;
        let digits = phone.chars().filter(char::is_ascii_digit).count();
        let is_known = |c: char| c.is_ascii_digit() || " +-./()".contains(c);
        if !(3..=15).contains(&digits) || !phone.chars().all(is_known) {
            return Err(Error::invalid("phones", rule::not_a_telephone_number()));
        }
        if !phones.contains(&phone) {
            phones.push(phone);
        }
        if phones.len() > MAX_PHONES {
            return Err(Error::invalid("phones", rule::too_many(MAX_PHONES)));
        }
    }
    Ok(phones)
}

/// An e-mail address as far as it can be told without writing to it; empty stands for none.
///
/// # Errors
/// [`Error::Invalid`] on `email`.
pub fn parse_email(given: &str) -> Result<Option<String>> {
    if given.trim().is_empty() {
        return Ok(None);
    }
    let email = text::line("email", given, 254)?;
    let parts = email.split_once('@');
    let whole = parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if !whole || email.contains(char::is_whitespace) || email.matches('@').count() != 1 {
        return Err(Error::invalid("email", rule::not_an_email()));
    }
    Ok(Some(email))
}
