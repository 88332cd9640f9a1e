//! A school: teachers and their classes, pupils, and their guardians.

use schoolbell::App;
use schoolbell::error::Result;
use schoolbell::model::groups::{GroupKind, NewGroup};
use schoolbell::model::guardians::GuardianLink;
use schoolbell::model::ids::UserId;
use schoolbell::model::users::Role;
use schoolbell::store::guardians::StoredLink;
use schoolbell::store::{groups, guardians, users};

use super::{id, new, write};

const CLASSES: usize = 40;
/// Classes that each teacher teaches.
const TAUGHT: usize = 5;
const PUPILS: usize = 1_120;

/// So many people, by the numbers of their ids: the teachers first, then the pupils, then guardians. Each teacher teaches the
/// pupil of the same place.
pub fn school(app: &App, people: usize, teachers: usize) {
    write(app, move |tx| {
        let mut classes = Vec::new();
        for class in 0..CLASSES {
            let class = NewGroup {
                id: UserId::parse(&format!("class-{class}")).unwrap(),
                name: format!("Class {class}"),
                kind: GroupKind::Class,
                by_hand: false,
            };
            classes.push(groups::insert(tx, &class, tx.now)?);
        }
        let mut pupils = Vec::new();
        for i in 0..people {
            let role = match i {
                _ if i < teachers => Role::Teacher,
                _ if i < teachers + PUPILS => Role::Student,
                _ => Role::Guardian,
            };
            let user = users::insert(tx, &new(&id(i), role), tx.now)?.key;
            match role {
                Role::Teacher => (i..i + TAUGHT).try_for_each(|class| -> Result<()> {
                    groups::add_member(tx, classes[class % CLASSES], user).map(drop)
                })?,
                Role::Student => {
                    groups::add_member(tx, classes[pupils.len() % CLASSES], user)?;
                    pupils.push(user);
                }
                _ => guardians::put(
                    tx,
                    &StoredLink {
                        child: pupils[i % pupils.len()],
                        guardian: user,
                        link: GuardianLink::default(),
                        by_hand: false,
                        ended_by_hand: false,
                    },
                )?,
            }
        }
        Ok(())
    });
}
