//! Messages between two people, and the conversations they make.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{Id, Seq, UserId};
use super::policy::Can;
use super::text;
use super::time::Time;
use super::users::{Person, UserView};
use crate::error::Result;

/// The text of a message: trimmed, 1 to `messages.max_length` characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(String);

impl Content {
    pub fn parse(text: &str, max_length: usize) -> Result<Self> {
        Ok(Self(text::bounded("content", text, max_length)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sender's own name for a message, by which a repeated POST is known: one line of 1–128 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientId(String);

impl ClientId {
    pub const MAX: usize = 128;

    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(text::line("clientId", text, Self::MAX)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A stored message.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: Id,
    #[schema(value_type = i64)]
    pub seq: Seq,
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub content: String,
    pub read: bool,
    pub read_at: Option<Time>,
    pub created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of a message that was taken back: its `content` is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
    pub sender: Arc<Person>,
    pub receiver: Arc<Person>,
}

/// Who took a message back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemovedBy {
    Sender,
    /// A safeguarding lead.
    School,
}

impl RemovedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            RemovedBy::Sender => "sender",
            RemovedBy::School => "school",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let all = [RemovedBy::Sender, RemovedBy::School];
        all.into_iter().find(|by| by.as_str() == text)
    }
}

/// That a message was taken back, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Removed {
    pub by: RemovedBy,
    pub at: Time,
}

/// A message was taken back.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageRemoved {
    #[schema(value_type = i64)]
    pub seq: Seq,
    pub id: Id,
    pub sender_id: UserId,
    pub receiver_id: UserId,
    pub by: RemovedBy,
}

/// A line of the list of conversations.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    pub partner: UserView,
    pub last_message: Arc<Message>,
    pub unread_count: i64,
    /// What the caller may do with the partner now.
    pub can: Can,
    /// Whether the caller wants no push of what the partner writes.
    pub muted: bool,
}

/// How far a user has read what `partner_id` wrote.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageRead {
    #[schema(value_type = i64)]
    pub seq: Seq,
    pub reader_id: UserId,
    /// Whose messages were read.
    pub partner_id: UserId,
    /// The newest message that was read.
    pub up_to: Id,
    pub read_at: Time,
}
