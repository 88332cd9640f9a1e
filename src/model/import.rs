//! What `schoolbell import` reads: one JSON object a line, of a person, a message or a notification.

use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::accounts::parse_email;
use super::ids::{Id, IdText, UserId};
use super::messages::Content;
use super::notifications::{Link, NewNotification, Type};
use super::time::Time;
use super::users::{DisplayName, NewUser, Origin, Role, Username};
use crate::error::{Error, Result};
use crate::rule;

/// The longest address of a picture, in bytes.
const AVATAR_MAX_BYTES: usize = 2_048;

/// A line of the file.
#[derive(Debug, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Line {
    User(UserLine),
    Message(MessageLine),
    Notification(NotificationLine),
}

impl Line {
    /// Which field of a line of a known record cannot be read. Serde loses it, since it looks for `record` first.
    pub fn field_at_fault(text: &[u8]) -> Option<String> {
        fn of<T: DeserializeOwned>(fields: Value) -> Option<String> {
            let error = serde_path_to_error::deserialize::<_, T>(fields).err()?;
            Some(error.path().to_string()).filter(|path| path != ".")
        }
        let mut fields: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let record = fields.remove("record")?;
        match record.as_str()? {
            "user" => of::<UserLine>(fields.into()),
            "message" => of::<MessageLine>(fields.into()),
            "notification" => of::<NotificationLine>(fields.into()),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserLine {
    id: IdText,
    name: String,
    role: String,
    username: Option<String>,
    email: Option<String>,
    avatar: Option<String>,
    #[serde(default)]
    pub disabled: bool,
    pub created_at: Option<Moment>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageLine {
    id: IdText,
    sender_id: IdText,
    receiver_id: IdText,
    content: String,
    created_at: Moment,
    #[serde(default)]
    read: Truth,
    read_at: Option<Moment>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationLine {
    id: IdText,
    user_id: IdText,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    message: String,
    link: Option<String>,
    created_at: Moment,
    #[serde(default)]
    read: Truth,
    read_at: Option<Moment>,
}

/// A message of the previous system.
#[derive(Debug)]
pub struct OldMessage {
    pub id: Id,
    pub sender: UserId,
    pub receiver: UserId,
    pub content: Content,
    pub created_at: Time,
    pub read_at: Option<Time>,
}

/// A notification of the previous system, for one person.
#[derive(Debug)]
pub struct OldNotification {
    pub id: Id,
    pub user: UserId,
    pub kind: Type,
    pub title: String,
    pub message: String,
    pub link: Option<Link>,
    pub created_at: Time,
    pub read_at: Option<Time>,
}

impl UserLine {
    /// `role` finds a role by its name.
    ///
    /// # Errors
    /// [`Error::Invalid`] that names the field.
    pub fn parse(&self, role: impl Fn(&str) -> Option<Role>) -> Result<NewUser> {
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let username = text(&self.username);
        Ok(NewUser {
            id: UserId::parse_field("id", &self.id.0)?,
            username: username.as_deref().map(Username::parse).transpose()?,
            name: DisplayName::parse(&self.name)?,
            email: self
                .email
                .as_deref()
                .map(parse_email)
                .transpose()?
                .flatten(),
            avatar: match text(&self.avatar) {
                Some(avatar) if avatar.len() > AVATAR_MAX_BYTES => {
                    return Err(Error::invalid("avatar", rule::longer_than(2_048)));
                }
                avatar => avatar,
            },
            role: role(&self.role).ok_or_else(|| Error::invalid("role", rule::unmapped_role()))?,
            password_hash: None,
            origin: Origin::Import,
        })
    }
}

impl MessageLine {
    /// # Errors
    /// [`Error::Invalid`] that names the field.
    pub fn parse(&self, max_length: usize, now: Time) -> Result<OldMessage> {
        let (sender, receiver) = (
            UserId::parse_field("senderId", &self.sender_id.0)?,
            UserId::parse_field("receiverId", &self.receiver_id.0)?,
        );
        if sender == receiver {
            return Err(Error::invalid("receiverId", rule::sender()));
        }
        let created_at = self.created_at.past("createdAt", now)?;
        Ok(OldMessage {
            id: id_of("message", &self.id.0)?,
            sender,
            receiver,
            content: Content::parse(&self.content, max_length)?,
            created_at,
            read_at: read_at(self.read, self.read_at, created_at, now)?,
        })
    }
}

impl NotificationLine {
    /// # Errors
    /// [`Error::Invalid`] that names the field.
    pub fn parse(&self, now: Time) -> Result<OldNotification> {
        let created_at = self.created_at.past("createdAt", now)?;
        let link = self.link.as_deref().filter(|link| !link.is_empty());
        Ok(OldNotification {
            id: id_of("notification", &self.id.0)?,
            user: UserId::parse_field("userId", &self.user_id.0)?,
            kind: Type::parse(&self.kind)?,
            title: NewNotification::parse_title(&self.title)?,
            message: NewNotification::parse_message(&self.message)?,
            link: link.map(Link::parse).transpose()?,
            created_at,
            read_at: read_at(self.read, self.read_at, created_at, now)?,
        })
    }
}

/// The id itself where it is a UUID, else one that is always the same for it.
fn id_of(kind: &str, given: &str) -> Result<Id> {
    if given.is_empty() {
        return Err(Error::invalid("id", rule::not_empty()));
    }
    let lower = given.to_ascii_lowercase();
    Ok(lower.parse().unwrap_or_else(|()| Id::named(kind, given)))
}

/// When something was read; where only that it was read is known, when it was sent.
fn read_at(read: Truth, at: Option<Moment>, created_at: Time, now: Time) -> Result<Option<Time>> {
    match at {
        Some(at) => Ok(Some(at.past("readAt", now)?.max(created_at))),
        None => Ok(read.0.then_some(created_at)),
    }
}

/// A time as databases write them: RFC 3339, or Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Moment(Time);

impl Moment {
    /// # Errors
    /// [`Error::Invalid`] on `field` for a time that is still to come.
    pub fn past(self, field: &str, now: Time) -> Result<Time> {
        if self.0 > now || self.0.0 < 0 {
            return Err(Error::invalid(field, rule::not_since_1970()));
        }
        Ok(self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMilliseconds;
        impl Visitor<'_> for TextOrMilliseconds {
            type Value = Moment;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a time such as 2026-11-22T09:30:00Z, or Unix milliseconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                let time = Time::parse(text);
                let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
                time.map(Moment).ok_or_else(wrong)
            }
            fn visit_i64<E: de::Error>(self, milliseconds: i64) -> Result<Moment, E> {
                Ok(Moment(Time(milliseconds)))
            }
            fn visit_u64<E: de::Error>(self, milliseconds: u64) -> Result<Moment, E> {
                let time = i64::try_from(milliseconds).map(Time);
                let wrong = |_| E::invalid_value(de::Unexpected::Unsigned(milliseconds), &self);
                time.map(Moment).map_err(wrong)
            }
        }
        deserializer.deserialize_any(TextOrMilliseconds)
    }
}

/// `true` and `false`, or 1 and 0 as SQLite has them.
#[derive(Debug, Clone, Copy, Default)]
struct Truth(bool);

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BooleanOrBit;
        impl Visitor<'_> for BooleanOrBit {
            type Value = Truth;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("true, false, 1 or 0")
            }
            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Truth, E> {
                Ok(Truth(truth))
            }
            fn visit_u64<E: de::Error>(self, bit: u64) -> Result<Truth, E> {
                match bit {
                    0 | 1 => Ok(Truth(bit == 1)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(bit), &self)),
                }
            }
        }
        deserializer.deserialize_any(BooleanOrBit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);

    fn message(json: &str) -> Result<OldMessage, String> {
        match serde_json::from_str(json).map_err(|e| e.to_string())? {
            Line::Message(line) => line.parse(4_000, NOW).map_err(|e| e.to_string()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_message_is_read_as_databases_write_it() {
        let one = message(
            r#"{"record":"message","id":7,"senderId":1,"receiverId":"b","content":" x ",
                "createdAt":1700000000000,"read":1}"#,
        )
        .unwrap();
        assert_eq!((one.sender.as_str(), one.content.as_str()), ("1", "x"));
        assert_eq!(one.read_at, Some(Time(1_700_000_000_000)));
        let uuid = "3F2504E0-4F89-41D3-9A0C-0305E82C3301";
        let two = message(&format!(
            r#"{{"record":"message","id":"{uuid}","senderId":"a","receiverId":"b","content":"x",
                "createdAt":"2023-11-14T22:13:20Z","readAt":"2023-11-14T23:00:00.5+00:00"}}"#
        ))
        .unwrap();
        assert_eq!(two.id.to_string(), uuid.to_lowercase());
        assert_eq!(two.created_at, one.created_at);
        assert_eq!(two.read_at, Some(Time(1_700_002_800_500)));
        assert_eq!(one.id, id_of("message", "7").unwrap(), "always the same");
        assert_ne!(one.id, id_of("notification", "7").unwrap());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |field: &str, value: &str| {
            let mut line = serde_json::json!({ "record": "message", "id": "1", "senderId": "a", "receiverId": "b",
                                               "content": "x", "createdAt": 0 });
            line[field] = serde_json::from_str(value).unwrap();
            message(&line.to_string()).unwrap_err()
        };
        for (field, value, says) in [
            ("senderId", "\"a b\"", "senderId"),
            ("receiverId", "\"a\"", "is the sender"),
            ("content", "\" \"", "content"),
            ("createdAt", "\"yesterday\"", "a time such as"),
            ("createdAt", "1800000000001", "is not between"),
            ("createdAt", "-1", "is not between"),
            ("read", "2", "true, false, 1 or 0"),
            ("isRead", "true", "isRead"),
            ("id", "\"\"", "id"),
            ("id", "9007199254740992", "below 2^53"),
            ("record", "\"post\"", "unknown variant"),
        ] {
            let error = with(field, value);
            assert!(error.contains(says), "{field} {value}: {error}");
        }
    }
}
