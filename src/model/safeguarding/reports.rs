//! Reports of messages.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PersonView;
use crate::model::guardians::LinkView;
use crate::model::ids::{Id, Seq, UserId};
use crate::model::messages::Removed;
use crate::model::time::Time;
use crate::model::users::ChildView;

/// Why somebody reports a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportReason)]
pub enum Reason {
    Bullying,
    Unwanted,
    /// Somebody is in danger: the leads are told at once, and again until one has opened the report.
    Danger,
    Other,
}

impl Reason {
    const ALL: [Reason; 4] = [
        Reason::Bullying,
        Reason::Unwanted,
        Reason::Danger,
        Reason::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Bullying => "bullying",
            Reason::Unwanted => "unwanted",
            Reason::Danger => "danger",
            Reason::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// How far a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReportState)]
pub enum State {
    New,
    /// A lead has it.
    Open,
    Closed,
}

impl State {
    const ALL: [State; 3] = [State::New, State::Open, State::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            State::New => "new",
            State::Open => "open",
            State::Closed => "closed",
        }
    }
}

impl FromStr for State {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.as_str() == text).ok_or(())
    }
}

/// A report to be made.
#[derive(Debug, Clone)]
pub struct NewReport {
    pub message: Id,
    pub reason: Reason,
    pub note: String,
}

/// What the reporter sees of their report.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OwnReport)]
pub struct Receipt {
    pub id: Id,
    pub message_id: Id,
    pub reason: Reason,
    pub created_at: Time,
}

/// A report in the queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Report)]
pub struct ReportView {
    #[serde(skip)]
    pub key: i64,
    pub id: Id,
    pub state: State,
    pub reason: Reason,
    pub reporter: PersonView,
    /// The other one of the conversation.
    pub partner: PersonView,
    pub created_at: Time,
    /// The lead who has it.
    pub lead: Option<PersonView>,
    /// When a lead first opened it.
    pub opened_at: Option<Time>,
    pub closed_at: Option<Time>,
    pub outcome: String,
}

/// A message of the passage that was copied.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopiedMessage {
    pub id: Id,
    #[schema(value_type = i64)]
    pub seq: Seq,
    pub sender_id: UserId,
    /// The name at that time.
    pub sender_name: String,
    /// What it said, also where it had been taken back.
    pub content: String,
    pub created_at: Time,
    /// Whether it was taken back when it was reported.
    pub removed: Option<Removed>,
    /// Whether it is the one that was reported.
    pub reported: bool,
}

/// What is known of one of the two people of a report.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportedPerson)]
pub struct PersonFacts {
    #[serde(flatten)]
    pub person: PersonView,
    /// Names of the classes that they are in, or lead.
    pub classes: Vec<String>,
    /// Whose guardian they are.
    pub children: Vec<ChildView>,
    pub guardians: Vec<LinkView>,
    /// Other reports that they made, and others about conversations with them.
    pub earlier_reports: i64,
}

/// A report, whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportDetail)]
pub struct ReportDetail {
    #[serde(flatten)]
    pub report: ReportView,
    /// What the reporter wrote.
    pub report_note: String,
    /// What the leads wrote.
    pub note: String,
    /// The message and those around it, as they were.
    pub messages: Vec<CopiedMessage>,
    pub people: Vec<PersonFacts>,
}

/// What a lead changes of a report; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct ReportChange {
    pub state: Option<State>,
    pub outcome: Option<String>,
    pub note: Option<String>,
}

/// Which reports to list.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    pub state: Option<State>,
    /// Only those that the caller has.
    pub mine: bool,
}
