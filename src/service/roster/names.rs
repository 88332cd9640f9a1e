//! Who a file means by an id or a username, after the import.

use std::collections::{HashMap, HashSet};

use super::links::{Directory, Who};
use crate::model::roster::Row;
use crate::model::text;
use crate::model::users::Role;
use crate::store::roster::Known;

/// Everybody after the import, by id and by username.
pub struct Names {
    by_name: HashMap<String, Who>,
    roles: HashMap<Who, (Role, String)>,
    in_file: HashSet<Who>,
    /// Ids and usernames of people of the file who are not here and are not added: they have left.
    pub absent: HashSet<String>,
}

impl Names {
    pub fn new(all: &[Known]) -> Self {
        let mut names = Names {
            by_name: HashMap::new(),
            roles: HashMap::new(),
            in_file: HashSet::new(),
            absent: HashSet::new(),
        };
        for known in all {
            let (user, who) = (&known.user, Who::Here(known.user.key));
            if let Some(username) = &user.username {
                names.by_name.insert(text::case_key(username), who);
            }
            names
                .roles
                .insert(who, (user.role, user.person.name.to_string()));
        }
        // An id wins over a username that is spelled like it.
        for known in all {
            names
                .by_name
                .insert(known.user.id().to_string(), Who::Here(known.user.key));
        }
        names
    }

    /// Learns what a line says of a user; `None` is one who has left.
    pub fn take(&mut self, row: &Row, who: Option<Who>) {
        let id = row.id.as_ref().map(ToString::to_string);
        let called = [Some(row.username.key()), id].into_iter().flatten();
        let Some(who) = who else {
            self.absent.extend(called);
            return;
        };
        self.by_name.extend(called.map(|name| (name, who)));
        self.in_file.insert(who);
        let before = self.roles.get(&who).map(|(role, _)| *role);
        let role = row.role.or(before).unwrap_or(Role::Student);
        self.roles.insert(who, (role, row.name.as_str().to_owned()));
    }
}

impl Directory for Names {
    fn find(&self, name: &str) -> Option<Who> {
        let by_id = self.by_name.get(name);
        by_id
            .or_else(|| self.by_name.get(&text::case_key(name)))
            .copied()
    }

    fn role(&self, who: Who) -> Role {
        self.roles
            .get(&who)
            .map_or(Role::Student, |(role, _)| *role)
    }

    fn name(&self, who: Who) -> String {
        self.roles
            .get(&who)
            .map(|(_, name)| name.clone())
            .unwrap_or_default()
    }

    fn is_in_file(&self, who: Who) -> bool {
        self.in_file.contains(&who)
    }
}
