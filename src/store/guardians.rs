//! Links between guardians and children.

use rusqlite::{Connection, Row, params};

use super::{WriteTx, all, first, run, users};
use crate::error::Result;
use crate::model::days::{Date, Days};
use crate::model::guardians::{GuardianLink, LinkView};
use crate::model::ids::UserKey;
use crate::model::users::Role;

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Child,
    Guardian,
}

impl End {
    /// The column of this end, and that of the other.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            End::Child => ("child_key", "guardian_key"),
            End::Guardian => ("guardian_key", "child_key"),
        }
    }
}

/// A link as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLink {
    pub child: UserKey,
    pub guardian: UserKey,
    pub link: GuardianLink,
    /// Whether a person set it.
    pub by_hand: bool,
    /// Whether a person took it away: then it is in no list.
    pub ended_by_hand: bool,
}

impl StoredLink {
    /// What an import and a program leave as it is.
    pub fn is_held(&self) -> bool {
        self.link.locked || self.ended_by_hand
    }
}

/// Whether the link `l` holds today. From the day on which a pupil is of age it takes their agreement.
pub(super) const LINK_IS_LIVE: &str =
    "NOT l.ended_by_hand AND coalesce(l.from_day <= (SELECT today()), TRUE) AND coalesce(l.until_day >= (SELECT today()), TRUE)
     AND (l.agreed_at IS NOT NULL OR NOT EXISTS (
          SELECT 1 FROM users of_age WHERE of_age.key = l.child_key AND of_age.adult_from <= (SELECT today())))";

/// Whether the child of the link `l` is a pupil here today: a link to one who has left, or is no pupil any more, gives no relation.
pub(super) const CHILD_IS_PUPIL: &str = "EXISTS (
    SELECT 1 FROM users pupil WHERE pupil.key = l.child_key AND pupil.role = 'student' AND pupil.disabled_at IS NULL)";

const COLUMNS: &str =
    "l.kind, l.from_day, l.until_day, l.contact, l.receives, l.priority, l.locked";
const COLUMN_COUNT: usize = 7;

/// Reads [`COLUMNS`] from the first column on.
fn link(row: &Row) -> rusqlite::Result<GuardianLink> {
    Ok(GuardianLink {
        kind: row.get(0)?,
        days: days(row, 1)?,
        contact: row.get(3)?,
        receives: row.get(4)?,
        priority: row.get(5)?,
        locked: row.get(6)?,
    })
}

/// Reads the first and the last day from two columns in a row.
pub(super) fn days(row: &Row, at: usize) -> rusqlite::Result<Days> {
    Ok(Days {
        from: date(row, at)?,
        until: date(row, at + 1)?,
    })
}

pub(super) fn date(row: &Row, at: usize) -> rusqlite::Result<Option<Date>> {
    Ok(row.get_ref(at)?.as_str_or_null()?.and_then(Date::parse))
}

/// The links of a user, at the end that is theirs, by the priority and then the name of the others.
pub fn of(connection: &Connection, user: UserKey, end: End) -> Result<Vec<LinkView>> {
    let (own, other) = end.columns();
    let sql = format!(
        "SELECT {COLUMNS}, u.id, u.name, u.role, l.agreed_at IS NOT NULL FROM guardian_links l JOIN users u ON u.key = l.{other}
         WHERE l.{own} = ?1 AND NOT l.ended_by_hand ORDER BY l.priority IS NULL, l.priority, u.folded, u.key"
    );
    all(connection, &sql, [user.0], |row| {
        let role = row.get_ref(COLUMN_COUNT + 2)?.as_str()?;
        Ok(LinkView {
            id: users::user_id(row, COLUMN_COUNT)?,
            name: row.get(COLUMN_COUNT + 1)?,
            role: Role::parse(role).unwrap_or(Role::Student),
            agreed: row.get(COLUMN_COUNT + 3)?,
            link: link(row)?,
        })
    })
}

fn stored(row: &Row) -> rusqlite::Result<StoredLink> {
    Ok(StoredLink {
        link: link(row)?,
        child: UserKey(row.get(COLUMN_COUNT)?),
        guardian: UserKey(row.get(COLUMN_COUNT + 1)?),
        by_hand: row.get(COLUMN_COUNT + 2)?,
        ended_by_hand: row.get(COLUMN_COUNT + 3)?,
    })
}

fn select(condition: &str) -> String {
    format!(
        "SELECT {COLUMNS}, l.child_key, l.guardian_key, l.by_hand, l.ended_by_hand FROM guardian_links l {condition}"
    )
}

/// All links of a user, those that were ended by hand among them.
pub fn stored_of(connection: &Connection, user: UserKey, end: End) -> Result<Vec<StoredLink>> {
    let condition = format!("WHERE l.{} = ?1", end.columns().0);
    all(connection, &select(&condition), [user.0], stored)
}

/// The link between two users, also one that was ended by hand.
pub fn between(
    connection: &Connection,
    child: UserKey,
    guardian: UserKey,
) -> Result<Option<StoredLink>> {
    let sql = select("WHERE l.child_key = ?1 AND l.guardian_key = ?2");
    first(connection, &sql, [child.0, guardian.0], stored)
}

/// All links that there are.
pub fn everything(connection: &Connection) -> Result<Vec<StoredLink>> {
    all(connection, &select(""), [], stored)
}

/// How many links a user has at this end.
pub fn count(connection: &Connection, user: UserKey, end: End) -> Result<i64> {
    let sql = format!(
        "SELECT count(*) FROM guardian_links WHERE {} = ?1 AND NOT ended_by_hand",
        end.columns().0
    );
    Ok(first(connection, &sql, [user.0], |row| row.get(0))?.unwrap_or(0))
}

/// Whether `below` is a child of `above`, or a child of one of theirs, and so on.
pub fn is_above(connection: &Connection, above: UserKey, below: UserKey) -> Result<bool> {
    let sql = "WITH RECURSIVE below (key) AS (
                   SELECT ?1
                   UNION
                   SELECT l.child_key FROM guardian_links l JOIN below ON l.guardian_key = below.key WHERE NOT l.ended_by_hand)
               SELECT 1 FROM below WHERE key = ?2";
    Ok(first(connection, sql, [above.0, below.0], |_| Ok(()))?.is_some())
}

/// Stores a link in the place of the one between the two, if there is one.
pub fn put(tx: &WriteTx, stored: &StoredLink) -> Result<()> {
    let StoredLink {
        child,
        guardian,
        link,
        by_hand,
        ended_by_hand,
    } = stored;
    run(
        tx,
        // What the pupil agreed to was the link that there was: one that ended and is made again is another.
        "INSERT INTO guardian_links
         (child_key, guardian_key, kind, from_day, until_day, contact, receives, priority, locked, by_hand, ended_by_hand)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (child_key, guardian_key) DO UPDATE SET
             kind = excluded.kind, from_day = excluded.from_day, until_day = excluded.until_day, contact = excluded.contact,
             receives = excluded.receives, priority = excluded.priority, locked = excluded.locked, by_hand = excluded.by_hand,
             agreed_at = iif(ended_by_hand OR excluded.ended_by_hand, NULL, agreed_at),
             ended_by_hand = excluded.ended_by_hand",
        params![
            child.0,
            guardian.0,
            link.kind,
            link.days.from.map(|day| day.to_string()),
            link.days.until.map(|day| day.to_string()),
            link.contact,
            link.receives,
            link.priority,
            link.locked,
            by_hand,
            ended_by_hand,
        ],
    )
    .map(drop)
}

/// Whether a child who is of age agrees to a link. Whether there is such a link.
pub fn set_agreed(tx: &WriteTx, child: UserKey, guardian: UserKey, agreed: bool) -> Result<bool> {
    let sql = "UPDATE guardian_links SET agreed_at = ?3
               WHERE child_key = ?1 AND guardian_key = ?2 AND NOT ended_by_hand";
    let at = agreed.then_some(tx.now.0);
    Ok(run(tx, sql, params![child.0, guardian.0, at])? > 0)
}

/// From which day on a pupil is of age, where that is known.
pub fn adult_from(connection: &Connection, child: UserKey) -> Result<Option<Date>> {
    let sql = "SELECT adult_from FROM users WHERE key = ?1";
    Ok(first(connection, sql, [child.0], |row| date(row, 0))?.flatten())
}

/// Removes a link. By hand it is kept, as one that no import makes again.
pub fn end(tx: &WriteTx, ended: &StoredLink, by_hand: bool) -> Result<()> {
    if by_hand {
        return put(
            tx,
            &StoredLink {
                by_hand: true,
                ended_by_hand: true,
                ..ended.clone()
            },
        );
    }
    let sql = "DELETE FROM guardian_links WHERE child_key = ?1 AND guardian_key = ?2";
    run(tx, sql, [ended.child.0, ended.guardian.0]).map(drop)
}
