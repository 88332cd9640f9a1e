//! The steps of an import, as they are written down before the first is done.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::groups::{GroupKind, Membership};
use crate::model::guardians::{GivenLink, GuardianLink};
use crate::model::users::{Role, User};

/// A user or a group: by its row number where it is here, by its id where the import makes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ref {
    Key(i64),
    Id(String),
}

/// A membership as it is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepMembership {
    pub group: Ref,
    pub lead: Option<bool>,
    pub from: Option<String>,
    pub until: Option<String>,
}

impl StepMembership {
    pub fn new(group: Ref, membership: &Membership) -> Self {
        StepMembership {
            group,
            lead: membership.lead,
            from: membership.days.from.map(|day| day.to_string()),
            until: membership.days.until.map(|day| day.to_string()),
        }
    }
}

/// Facts about a user, as [`FactsChange::parse`](crate::model::accounts::FactsChange::parse) reads them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StepFacts {
    pub grade: Option<String>,
    pub adult_from: Option<String>,
    pub phones: Option<Vec<String>>,
}

/// What was seen of a user when the import was confirmed. A step about who has changed since is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub id: String,
    pub username: Option<String>,
    pub name: String,
    pub email: Option<String>,
    pub role: Role,
    pub disabled: bool,
}

impl Seen {
    pub fn of(user: &User) -> Self {
        Seen {
            id: user.id().to_string(),
            username: user.username.clone(),
            name: user.person.name.to_string(),
            email: user.email.clone(),
            role: user.role,
            disabled: user.disabled,
        }
    }
}

/// One change, whole by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Step {
    /// Makes a group, or gives one the id, name and kind of the file.
    Group {
        key: Option<i64>,
        id: String,
        name: String,
        kind: GroupKind,
    },
    Add {
        id: String,
        username: String,
        name: String,
        email: Option<String>,
        role: Role,
        facts: StepFacts,
        groups: Vec<StepMembership>,
    },
    /// Takes a username from a user who gets another one, for the user who gets it.
    Release {
        key: i64,
        seen: Seen,
    },
    Change {
        key: i64,
        seen: Seen,
        id: Option<String>,
        username: Option<String>,
        name: Option<String>,
        /// Empty takes it away.
        email: Option<String>,
        role: Option<Role>,
        disabled: Option<bool>,
        facts: StepFacts,
        groups: Option<Vec<StepMembership>>,
    },
    Link {
        child: Ref,
        guardian: Ref,
        link: GivenLink,
    },
    EndLink {
        child: i64,
        guardian: i64,
    },
    /// `missing`: for not being in the file.
    Disable {
        key: i64,
        seen: Seen,
        missing: bool,
    },
}

impl Step {
    pub fn link(child: Ref, guardian: Ref, link: &GuardianLink) -> Self {
        let link = GivenLink {
            id: String::new(),
            kind: link.kind.clone(),
            from: link.days.from.map(|day| day.to_string()),
            until: link.days.until.map(|day| day.to_string()),
            contact: Some(link.contact),
            receives: Some(link.receives),
            priority: link.priority,
            locked: Some(link.locked),
        };
        Step::Link {
            child,
            guardian,
            link,
        }
    }

    /// Whom or what it is about, for a problem.
    pub fn about(&self) -> String {
        match self {
            Step::Group { name, .. } | Step::Add { name, .. } => name.clone(),
            Step::Change { seen, .. } | Step::Disable { seen, .. } | Step::Release { seen, .. } => {
                seen.name.clone()
            }
            Step::Link { .. } | Step::EndLink { .. } => String::new(),
        }
    }
}

/// A step that was left out, and why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepProblem {
    /// The name of the user or the group; empty for a link.
    pub name: String,
    /// A sentence for a person.
    pub message: String,
}

/// How many people an import adds, changes and disables.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct StepCounts {
    pub added: usize,
    pub changed: usize,
    pub disabled: usize,
    pub links: usize,
    /// Steps that were no longer possible.
    #[serde(default)]
    pub left_out: usize,
}

impl StepCounts {
    /// Counts a step as left out.
    pub fn leave_out(&mut self, step: &Step) {
        self.left_out += 1;
        let count = match step {
            Step::Add { .. } => &mut self.added,
            Step::Change { .. } => &mut self.changed,
            Step::Disable { .. } => &mut self.disabled,
            Step::Link { .. } | Step::EndLink { .. } => &mut self.links,
            Step::Group { .. } | Step::Release { .. } => return,
        };
        *count = count.saturating_sub(1);
    }
}
