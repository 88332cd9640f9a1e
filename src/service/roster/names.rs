//! Who a file means by an id or a username, after the import.

use std::collections::HashMap;

use super::links::{Directory, Who};
use crate::model::roster::Row;
use crate::model::text;
use crate::model::users::Role;
use crate::store::roster::Known;

/// What is known of a user after the import.
struct Entry {
    role: Role,
    name: String,
    /// Whether a file of people can have them: it names people by their usernames.
    has_username: bool,
    is_in_file: bool,
}

/// Something by id, and by username. An id wins over a username that is spelled like it.
struct Called<T> {
    by_id: HashMap<String, T>,
    by_username: HashMap<String, T>,
}

impl<T> Default for Called<T> {
    fn default() -> Self {
        Called {
            by_id: HashMap::new(),
            by_username: HashMap::new(),
        }
    }
}

impl<T: Copy> Called<T> {
    fn find(&self, name: &str) -> Option<T> {
        let by_id = self.by_id.get(name);
        by_id
            .or_else(|| self.by_username.get(&text::case_key(name)))
            .copied()
    }
}

/// Everybody after the import.
pub struct Names {
    called: Called<Who>,
    /// People of the file who are not here and are not added: they have left.
    absent: Called<()>,
    entries: HashMap<Who, Entry>,
}

impl Names {
    pub fn new(all: &[Known]) -> Self {
        let mut names = Names {
            called: Called::default(),
            absent: Called::default(),
            entries: HashMap::new(),
        };
        for known in all {
            let (user, who) = (&known.user, Who::Here(known.user.key));
            if let Some(username) = &user.username {
                let key = text::case_key(username);
                names.called.by_username.insert(key, who);
            }
            names.called.by_id.insert(user.id().to_string(), who);
            let entry = Entry {
                role: user.role,
                name: user.person.name.to_string(),
                has_username: user.username.is_some(),
                is_in_file: false,
            };
            names.entries.insert(who, entry);
        }
        names
    }

    /// Learns what a line says of a user; `None` is one who has left.
    pub fn take(&mut self, row: &Row, who: Option<Who>) {
        let username = row.username.key();
        let id = row.id.as_ref().map(ToString::to_string);
        let Some(who) = who else {
            self.absent.by_username.insert(username, ());
            self.absent.by_id.extend(id.map(|id| (id, ())));
            return;
        };
        self.called.by_username.insert(username, who);
        self.called.by_id.extend(id.map(|id| (id, who)));
        let before = self.entries.get(&who).map(|entry| entry.role);
        let entry = Entry {
            role: row.role.or(before).unwrap_or(Role::Student),
            name: row.name.as_str().to_owned(),
            has_username: true,
            is_in_file: true,
        };
        self.entries.insert(who, entry);
    }

    /// Learns that somebody of the file is of another school.
    pub fn leave_out(&mut self, id: String) {
        self.absent.by_id.insert(id, ());
    }

    /// Whether a name is of a user who has left, or is of another school.
    pub fn is_absent(&self, name: &str) -> bool {
        self.called.find(name).is_none() && self.absent.find(name).is_some()
    }
}

impl Directory for Names {
    fn find(&self, name: &str) -> Option<Who> {
        self.called.find(name)
    }

    fn role(&self, who: Who) -> Role {
        self.entries
            .get(&who)
            .map_or(Role::Student, |entry| entry.role)
    }

    fn name(&self, who: Who) -> String {
        let entry = self.entries.get(&who);
        entry.map(|entry| entry.name.clone()).unwrap_or_default()
    }

    fn is_in_file(&self, who: Who) -> bool {
        self.entries.get(&who).is_some_and(|entry| entry.is_in_file)
    }

    fn can_be_in_file(&self, who: Who) -> bool {
        let entry = self.entries.get(&who);
        entry.is_some_and(|entry| entry.has_username)
    }
}
