//! `[safeguarding]`: who is told, and what stands above a chat with a lead.

use std::num::NonZeroU32;

use lettre::Address;

use super::section::section;
use super::types::{at_least_one, optional};
use crate::model::quiet_hours::{Day, Window};

section! {
    /// Safeguarding.
    pub struct Safeguarding {
        /// An e-mail address outside of the school's own people, a governor's for instance, which is told of each grant of the duty,
        /// each urgent review, and each night's newest line of the audit log. Empty: nobody.
        #[serde(with = "optional")]
        pub external: Option<Address> = None,
        /// Days after which the leads are reminded that the people of a conversation that was read have not been told.
        pub tell_after_days: NonZeroU32 = at_least_one(30),
        /// The most messages that one person can report in a day.
        pub reports_per_day: NonZeroU32 = at_least_one(20),
        nested {
            pub notice: Notice,
        }
    }
}

section! {
    /// What people read who write to a safeguarding lead.
    pub struct Notice {
        /// Stands above every chat with a lead, and answers outside of the hours, once a day: whom to call, for instance. Empty: nothing.
        pub text: String = String::new(),
        /// When leads read what is written to them, by the school's time: `08:00`.
        pub from: String = "08:00".into(),
        /// `16:00`.
        pub until: String = "16:00".into(),
        /// `mon` to `sun`.
        pub days: Vec<Day> = vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri],
    }
}

impl Notice {
    /// The hours in which leads read.
    pub fn hours(&self) -> Window {
        Window {
            days: self.days.clone(),
            from: self.from.clone(),
            to: self.until.clone(),
        }
    }
}
