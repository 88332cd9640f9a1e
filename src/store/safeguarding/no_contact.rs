//! No-contact orders.

use rusqlite::{Connection, params};

use super::{person, person_columns, person_if_any};
use crate::error::Result;
use crate::model::days::Date;
use crate::model::ids::{UserId, UserKey};
use crate::model::safeguarding::no_contact::{OrderView, StoredOrder};
use crate::model::time::Time;
use crate::model::users::Role;
use crate::store::guardians::date;
use crate::store::{WriteTx, all, first, run, users};

/// All orders, the newest first; those that concern none of these people, where a lead asks who is in one themselves.
pub fn list(connection: &Connection, but_of: UserKey) -> Result<Vec<OrderView>> {
    let sql = format!(
        "SELECT o.id, {}, {}, o.role, o.until_day, o.reason, o.made_by, o.created_at
         FROM no_contact o JOIN users a ON a.key = o.a_key LEFT JOIN users b ON b.key = o.b_key
         WHERE o.a_key <> ?1 AND o.b_key IS NOT ?1 ORDER BY o.created_at DESC, o.key DESC",
        person_columns("a"),
        person_columns("b"),
    );
    all(connection, &sql, [but_of.0], |row| {
        Ok(OrderView {
            id: row.get(0)?,
            a: person(row, 1)?,
            b: person_if_any(row, 4)?,
            role: row.get_ref(7)?.as_str_or_null()?.and_then(Role::parse),
            until: date(row, 8)?,
            reason: row.get(9)?,
            made_by: row.get(10)?,
            created_at: Time(row.get(11)?),
        })
    })
}

/// Whether there is one between the same, so that it is made once.
pub fn find(
    connection: &Connection,
    a: UserKey,
    b: Option<UserKey>,
    role: Option<Role>,
    until: Option<Date>,
) -> Result<Option<String>> {
    let sql = "SELECT id FROM no_contact
               WHERE ((a_key = ?1 AND b_key IS ?2) OR (a_key = ?2 AND b_key = ?1)) AND role IS ?3 AND until_day IS ?4";
    let params = params![
        a.0,
        b.map(|b| b.0),
        role.map(Role::as_str),
        until.map(|day| day.to_string())
    ];
    first(connection, sql, params, |row| row.get(0))
}

/// Stores an order, unless one of this id is there or one of its people is not.
pub fn put(tx: &WriteTx, order: &StoredOrder) -> Result<bool> {
    let sql = "INSERT INTO no_contact (id, a_key, b_key, role, until_day, reason, made_by, created_at)
               SELECT ?1, a.key, b.key, ?4, ?5, ?6, ?7, ?8 FROM users a LEFT JOIN users b ON b.id = ?3
               WHERE a.id = ?2 AND (b.key IS NULL) = (?4 IS NOT NULL)
               ON CONFLICT (id) DO NOTHING";
    let params = params![
        order.id,
        order.a.as_str(),
        order.b.as_ref().map(UserId::as_str),
        order.role.map(Role::as_str),
        order.until,
        order.reason,
        order.made_by,
        order.created_at,
    ];
    Ok(run(tx, sql, params)? > 0)
}

/// Whether there was such an order.
pub fn remove(tx: &WriteTx, id: &str) -> Result<bool> {
    Ok(run(tx, "DELETE FROM no_contact WHERE id = ?1", [id])? > 0)
}

/// An order's two people; the second is nobody where it is everybody of a role.
pub fn people(connection: &Connection, id: &str) -> Result<Option<(UserKey, Option<UserKey>)>> {
    let sql = "SELECT a_key, b_key FROM no_contact WHERE id = ?1";
    first(connection, sql, [id], |row| {
        let b: Option<i64> = row.get(1)?;
        Ok((UserKey(row.get(0)?), b.map(UserKey)))
    })
}

/// An order as the journal keeps it.
pub fn stored(connection: &Connection, id: &str) -> Result<Option<StoredOrder>> {
    let sql = "SELECT o.id, a.id, b.id, o.role, o.until_day, o.reason, o.made_by, o.created_at
               FROM no_contact o JOIN users a ON a.key = o.a_key LEFT JOIN users b ON b.key = o.b_key WHERE o.id = ?1";
    first(connection, sql, [id], |row| {
        let has_b = row.get_ref(2)? != rusqlite::types::ValueRef::Null;
        Ok(StoredOrder {
            id: row.get(0)?,
            a: users::user_id(row, 1)?,
            b: has_b.then(|| users::user_id(row, 2)).transpose()?,
            role: row.get_ref(3)?.as_str_or_null()?.and_then(Role::parse),
            until: row.get(4)?,
            reason: row.get(5)?,
            made_by: row.get(6)?,
            created_at: row.get(7)?,
        })
    })
}
