//! Questions to a database that a server may have open, for `schoolbell check`.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connection;
use super::safeguarding::duties;
use super::{audit, first, meta, policy, school, users};
use crate::error::Result;
use crate::model::audit::Chain;
use crate::model::text::case_key;
use crate::model::time::Time;

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection::tune(&mut connection)?;
    Ok(connection)
}

/// When the newest message, notification or test write was made; the beginning of time for none.
pub fn newest_time(path: &Path) -> Result<Time> {
    let connection = connect(path, connection::read_only())?;
    let sql = "SELECT max(
        coalesce((SELECT created_at FROM messages ORDER BY seq DESC LIMIT 1), 0),
        coalesce((SELECT created_at FROM notifications ORDER BY key DESC LIMIT 1), 0),
        coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'health'), 0))";
    let newest = first(&connection, sql, [], |row| row.get(0))?;
    Ok(Time(newest.unwrap_or(0)))
}

/// Usernames that compare as equal, the older first. None in a database that is still to be migrated.
pub fn shadowed_usernames(path: &Path) -> Result<Vec<(String, String)>> {
    let connection = connect(path, connection::read_only())?;
    let has_key = "SELECT 1 FROM pragma_table_info('users') WHERE name = 'username_key'";
    if first(&connection, has_key, [], |_| Ok(()))?.is_none() {
        return Ok(Vec::new());
    }
    let shadowed = users::without_username_key(&connection)?.into_iter();
    let mut pairs = Vec::new();
    for other in shadowed.filter_map(|user| user.username) {
        let sql = "SELECT username FROM users WHERE username_key = ?1";
        let older = first(&connection, sql, [case_key(&other)], |row| row.get(0))?;
        pairs.push((older.unwrap_or_default(), other));
    }
    Ok(pairs)
}

/// How many pupils there are, and the policy that the dashboard set, as JSON. None in a database that is still to be migrated.
pub fn policy(path: &Path) -> Result<Option<(u64, Option<String>)>> {
    let connection = connect(path, connection::read_only())?;
    let is_there = "SELECT 1 FROM pragma_table_info('policy_stamps')";
    if first(&connection, is_there, [], |_| Ok(()))?.is_none() {
        return Ok(None);
    }
    let pupils = school::pupils(&connection)?;
    Ok(Some((pupils, policy::set_here(&connection)?)))
}

/// How many pupils and how many safeguarding leads there are. None in a database that is still to be migrated.
pub fn leads(path: &Path) -> Result<Option<(u64, usize)>> {
    let connection = connect(path, connection::read_only())?;
    let is_there = "SELECT 1 FROM sqlite_schema WHERE name = 'leads'";
    if first(&connection, is_there, [], |_| Ok(()))?.is_none() {
        return Ok(None);
    }
    let leads = duties::leads(&connection)?.len();
    Ok(Some((school::pupils(&connection)?, leads)))
}

/// The chain of the audit log. None in a database that is still to be migrated.
pub fn audit_chain(path: &Path) -> Result<Option<Chain>> {
    let connection = connect(path, connection::read_only())?;
    let is_there = "SELECT 1 FROM pragma_table_info('audit_anchor')";
    if first(&connection, is_there, [], |_| Ok(()))?.is_none() {
        return Ok(None);
    }
    audit::verify(&connection, None).map(Some)
}

/// Writes once, through to the disk.
pub fn test_write(path: &Path, now: Time) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    meta::touch(&connect(path, flags)?, now)
}
