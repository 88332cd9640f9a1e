//! What safeguarding leads are told, and the address outside of the school.

use serde::{Deserialize, Serialize};

use crate::model::audit::Anchor;
use crate::model::language::Language;

/// What has happened. Names are those of the people's at that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// Somebody was made a lead, and is one.
    LeadGranted {
        name: String,
    },
    /// Somebody was made a lead, whom another has to confirm.
    LeadToConfirm {
        name: String,
    },
    LeadConfirmed {
        name: String,
    },
    LeadRevoked {
        name: String,
    },
    /// An administrator could have logged in as a lead, whom another has to confirm.
    LeadSuspended {
        name: String,
    },
    /// The same, of the only lead: the duty goes on.
    LeadReset {
        name: String,
    },
    Reported,
    Danger,
    /// A second lead or an administrator has to approve a review.
    ReviewAsked {
        name: String,
    },
    /// A lead reads a conversation at once.
    ReviewUrgent {
        name: String,
    },
    /// The people of a conversation that was read have not been told.
    ReviewUntold,
    /// An administrator was given a copy of all that is stored of a user.
    PersonExported {
        name: String,
    },
    /// To that user.
    YouWereExported,
    /// To the two people of a conversation that was read.
    YouWereRead {
        name: String,
    },
    /// The newest line of the audit log.
    AuditAnchor {
        anchor: String,
    },
}

impl News {
    pub fn anchor(anchor: Anchor) -> Self {
        News::AuditAnchor {
            anchor: anchor.to_string(),
        }
    }

    /// The key of its words, and the notification's type.
    pub fn key(&self) -> &'static str {
        match self {
            News::LeadGranted { .. } => "safeguarding.lead_granted",
            News::LeadToConfirm { .. } => "safeguarding.lead_to_confirm",
            News::LeadConfirmed { .. } => "safeguarding.lead_confirmed",
            News::LeadRevoked { .. } => "safeguarding.lead_revoked",
            News::LeadSuspended { .. } => "safeguarding.lead_suspended",
            News::LeadReset { .. } => "safeguarding.lead_reset",
            News::Reported => "safeguarding.reported",
            News::Danger => "safeguarding.danger",
            News::ReviewAsked { .. } => "safeguarding.review_asked",
            News::ReviewUrgent { .. } => "safeguarding.review_urgent",
            News::ReviewUntold => "safeguarding.review_untold",
            News::PersonExported { .. } => "safeguarding.person_exported",
            News::YouWereExported => "safeguarding.you_were_exported",
            News::YouWereRead { .. } => "safeguarding.you_were_read",
            News::AuditAnchor { .. } => "safeguarding.audit_anchor",
        }
    }

    /// What its words name, and by which placeholder.
    fn named(&self) -> Option<(&'static str, &str)> {
        match self {
            News::LeadGranted { name }
            | News::LeadToConfirm { name }
            | News::LeadConfirmed { name }
            | News::LeadRevoked { name }
            | News::LeadSuspended { name }
            | News::LeadReset { name }
            | News::ReviewAsked { name }
            | News::ReviewUrgent { name }
            | News::PersonExported { name }
            | News::YouWereRead { name } => Some(("{name}", name)),
            News::AuditAnchor { anchor } => Some(("{anchor}", anchor)),
            News::Reported | News::Danger | News::ReviewUntold | News::YouWereExported => None,
        }
    }

    /// It in one line.
    pub fn title(&self, language: Language) -> String {
        let text = language.text(self.key());
        match self.named() {
            Some((placeholder, name)) => text.replace(placeholder, name),
            None => text.to_owned(),
        }
    }

    /// Whether it is for leads, whom it leads to their page.
    pub fn is_for_leads(&self) -> bool {
        !matches!(self, News::YouWereRead { .. } | News::YouWereExported)
    }

    /// Whether it is pushed through quiet hours.
    pub fn is_emergency(&self) -> bool {
        *self == News::Danger
    }
}
