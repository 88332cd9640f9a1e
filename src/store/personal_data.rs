//! All stored data of one person: to be exported or erased.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::guardians::{self, End};
use super::messages::{PEOPLE, SEEN_BY_ME, select_with_people, with_people};
use super::{
    WriteTx, all, audit, first, mails, notifications, preferences, run, sessions, subscriptions,
    users,
};
use crate::error::Result;
use crate::model::audit::Entry;
use crate::model::ids::{UserId, UserKey};
use crate::model::messages::Message;
use crate::model::personal_data::{Family, PersonalData, Push};
use crate::model::time::Time;
use crate::model::users::{Role, User};

/// Reads all that is stored of a user.
pub fn of(connection: &Connection, user: &User) -> Result<PersonalData> {
    Ok(PersonalData {
        account: super::accounts::by_key(connection, user.key)?,
        family: Family {
            guardians: guardians::of(connection, user.key, End::Child)?,
            children: guardians::of(connection, user.key, End::Guardian)?,
        },
        push: Push {
            preferences: preferences::of(connection, user.key)?,
            devices: subscriptions::list(connection, user.key, i64::MAX)?,
        },
        sessions: sessions::of(connection, user.key, Time(i64::MIN))?,
        mails: mails::of(connection, user.key)?,
        notifications: notifications::all_of(connection, user.key)?,
        sent: notifications::sent_by(connection, &format!("user:{}", user.id()))?,
        audit: audit_of(connection, user.id())?,
    })
}

/// The ids of everybody who has one of these roles.
pub fn of_roles(connection: &Connection, roles: &[Role]) -> Result<HashSet<UserId>> {
    let mut ids = HashSet::new();
    for role in roles {
        let sql = "SELECT id FROM users WHERE role = ?1";
        ids.extend(all(connection, sql, [role.as_str()], |row| {
            users::user_id(row, 0)
        })?);
    }
    Ok(ids)
}

/// Goes through what they wrote and what was written to them, the oldest first. Whether those who are `silent` have read it is left out.
pub fn messages(
    connection: &Connection,
    user: UserKey,
    silent: &HashSet<UserId>,
    mut take: impl FnMut(Message) -> Result<()>,
) -> Result<()> {
    let tail = format!(
        "conversation_members me
         JOIN messages m ON m.conversation_key = me.conversation_key AND {SEEN_BY_ME} {PEOPLE}
         WHERE me.user_key = ?1 ORDER BY m.seq"
    );
    let mut statement = connection.prepare_cached(&select_with_people(&tail))?;
    for message in statement.query_map([user.0], with_people)? {
        let mut message = message?;
        if silent.contains(&message.receiver_id) {
            (message.read, message.read_at) = (false, None);
        }
        take(message)?;
    }
    Ok(())
}

/// What they did as administrators, and what administrators did to their account.
fn audit_of(connection: &Connection, id: &UserId) -> Result<Vec<Entry>> {
    audit::about(connection, &format!("user:{id}"), id.as_str())
}

/// Removes everything that identifies a user, and all that only they have. What others received from them stays, under `alias`
/// and without a name.
pub fn erase(tx: &WriteTx, user: &User, alias: &UserId, name: &str) -> Result<()> {
    let key = user.key.0;
    for table in [
        "push_subscriptions",
        "push_outbox",
        "push_dead_letters",
        "push_preferences",
        "password_links",
        "mails",
        "identities",
        "sessions",
        "second_factors",
        "recovery_codes",
        "ended_sessions",
        "group_members",
        "duties",
        "blocks",
        "mutes",
        "notification_recipients",
        "notification_reads",
    ] {
        run(
            tx,
            &format!("DELETE FROM {table} WHERE user_key = ?1"),
            [key],
        )?;
    }
    let sql = "DELETE FROM guardian_links WHERE child_key = ?1 OR guardian_key = ?1";
    run(tx, sql, [key])?;
    run(tx, "DELETE FROM blocks WHERE blocked_key = ?1", [key])?;
    let sql = "DELETE FROM no_contact WHERE a_key = ?1 OR b_key = ?1";
    run(tx, sql, [key])?;
    run(tx, "DELETE FROM mutes WHERE partner_key = ?1", [key])?;
    run(
        tx,
        "UPDATE unread SET notifications = 0 WHERE user_key = ?1",
        [key],
    )?;
    run(
        tx,
        "UPDATE users SET id = ?2, username = NULL, username_key = NULL, name = ?3, email = NULL, avatar = NULL, role = 'student',
                          password_hash = NULL, second_factor = 0, folded = '', last_seen_at = NULL,
                          grade = NULL, adult_from = NULL, phones = NULL, show_online = NULL, token_version = token_version + 1,
                          disabled_at = coalesce(disabled_at, ?4), erased_at = ?4
         WHERE key = ?1",
        params![key, alias.as_str(), name, tx.now.0],
    )?;
    // What they sent stays with those who got it.
    notifications::rename_sender(tx, user.id(), alias)?;
    // The id that the sender's app gave a message may identify them.
    run(
        tx,
        "UPDATE messages SET client_id = NULL WHERE sender_key = ?1 AND client_id IS NOT NULL",
        [key],
    )
    .map(drop)
}

/// Remembers that a user was erased, by a value that does not reveal the id.
pub fn remember_erased(tx: &WriteTx, mac: &str) -> Result<()> {
    let sql = "INSERT INTO erased (mac, at) VALUES (?1, ?2) ON CONFLICT (mac) DO UPDATE SET at = excluded.at";
    run(tx, sql, params![mac, tx.now.0]).map(drop)
}

/// When it was, if they were.
pub fn erased_at(connection: &Connection, mac: &str) -> Result<Option<Time>> {
    let sql = "SELECT at FROM erased WHERE mac = ?1";
    first(connection, sql, [mac], |row| row.get(0).map(Time))
}
