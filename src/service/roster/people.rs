//! The people and groups that a file is compared with.

use std::collections::{HashMap, HashSet};

use super::groups::Targets;
use crate::model::groups::Membership;
use crate::model::ids::UserId;
use crate::model::roster::Row;
use crate::model::text;
use crate::store::roster::Known;

/// Memberships, each in the group at this place of [`Targets::list`], in rising order.
pub type Memberships = Vec<(usize, Membership)>;

/// What an administrator wants of an import beside what its lines say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// People who are not in the file are disabled, administrators aside; those who are in it are active.
    pub disable_missing: bool,
    /// People who were added here without an id of the school's own get the file's.
    pub adopt_ids: bool,
}

/// All people, by what a file may call them.
pub struct People {
    pub all: Vec<Known>,
    pub by_id: HashMap<UserId, usize>,
    pub by_username: HashMap<String, usize>,
    pub wishes: Wishes,
    /// The usernames of people whom a line, by its id, gives another one: theirs is free for another user in the file.
    pub moving: HashSet<usize>,
    pub targets: Targets,
    /// Whether a line of who is in which group cannot be read: then nobody is taken out of one.
    pub keeps_memberships: bool,
}

/// A line, with the groups that it means.
pub struct Resolved {
    pub row: Row,
    pub groups: Option<Vec<(usize, Option<Membership>)>>,
}

impl People {
    pub fn new(all: Vec<Known>, targets: Targets, wishes: Wishes) -> Self {
        let (mut by_id, mut by_username) = (HashMap::new(), HashMap::new());
        for (at, known) in all.iter().enumerate() {
            by_id.insert(known.user.id().clone(), at);
            if let Some(username) = &known.user.username {
                by_username.insert(text::case_key(username), at);
            }
        }
        People {
            all,
            by_id,
            by_username,
            wishes,
            moving: HashSet::new(),
            targets,
            keeps_memberships: false,
        }
    }
}
