//! How a connection to the database is opened and tuned.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};

use crate::model::days::Calendar;

/// Read-only; never makes a file.
pub fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// How long a connection waits for another process that holds the database.
pub const BUSY_TIME: Duration = Duration::from_secs(5);

/// As `busy_timeout` of [`BUSY_TIME`], but for others' writes, which are short: SQLite's own wait grows to 25 ms at once.
pub fn wait_for_writers(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(|tries| {
        let pause = if tries < SHORT_WAITS {
            Duration::from_micros(500)
        } else {
            LONG_WAIT_TIME
        };
        std::thread::sleep(pause);
        tries < SHORT_WAITS + (BUSY_TIME.as_millis() / LONG_WAIT_TIME.as_millis()) as i32
    }))
}

const SHORT_WAITS: i32 = 40;
const LONG_WAIT_TIME: Duration = Duration::from_millis(10);

/// `today()` in SQL: which day it is at the school.
pub fn add_today(connection: &Connection, calendar: Arc<Calendar>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function("today", 0, flags, move |_| Ok(calendar.today().to_string()))
}

/// What every connection sets; `busy_timeout` first, since the others may wait.
pub fn tune(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIME)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16000;
         PRAGMA trusted_schema = OFF;",
    )
}
