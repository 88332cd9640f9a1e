//! The same people and messages in the tables of the Node server.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{PAIR, PARTNERS, id, school_of};

/// The newest messages, which nobody has read yet.
const UNREAD: usize = 1_000;
const SCHEMA: &str = include_str!("../../node/schema.sql");

/// Makes the database of the Node server in this folder. The indexes come last: so they are made in seconds.
pub fn school(folder: &Path, fill: impl FnOnce(&Connection)) {
    let connection = Connection::open(super::database(folder)).unwrap();
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN;";
    connection.execute_batch(pragmas).unwrap();
    let tables = SCHEMA.split("CREATE ").filter(|s| s.starts_with("TABLE"));
    for table in tables {
        connection
            .execute_batch(&format!("CREATE {table}"))
            .unwrap();
    }
    person(&connection, "sender", None);
    fill(&connection);
    connection.execute_batch(SCHEMA).unwrap();
    let end = "COMMIT; PRAGMA wal_checkpoint(TRUNCATE);";
    connection.execute_batch(end).unwrap();
}

fn person(connection: &Connection, id: &str, hash: Option<&str>) {
    let sql =
        "INSERT INTO User (id, username, passwordHash, name) VALUES (?1, ?1, ?2, 'Name of ' || ?1)";
    let mut insert = connection.prepare_cached(sql).unwrap();
    insert.execute(params![id, hash]).unwrap();
}

pub fn people(connection: &Connection, count: usize) {
    (0..count).for_each(|i| person(connection, &id(i), None));
}

pub fn accounts(connection: &Connection, count: usize, hash: &str) {
    (0..count).for_each(|i| person(connection, &id(i), Some(hash)));
}

/// As [`super::history`].
pub fn history(connection: &Connection, messages: usize) {
    let count = school_of(messages);
    people(connection, count);
    connection
        .execute_batch(&format!(
            "CREATE TEMP TABLE n (i INTEGER PRIMARY KEY);
             WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < {messages})
             INSERT INTO n SELECT i FROM c;
             CREATE TEMP TABLE pairs (key INTEGER PRIMARY KEY, a TEXT, b TEXT);
             INSERT INTO pairs (a, b) SELECT 'person-' || a.i, 'person-' || ((a.i + d.i) % {count})
             FROM n a JOIN n d ON d.i BETWEEN 1 AND {half} WHERE a.i < {count};
             INSERT INTO Message (id, senderId, receiverId, content, read, createdAt)
             SELECT printf('%08x-%04x-7000-8000-%012x', n.i >> 16, n.i & 65535, n.i),
                    iif(n.i % 2, a, b), iif(n.i % 2, b, a), 'A message of ordinary length, number ' || n.i,
                    n.i < {messages} - {UNREAD}, strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + n.i / 1000.0, 'unixepoch')
             FROM n JOIN pairs
               ON pairs.key = iif(n.i < {PAIR}, 1, (n.i * 7919) % (SELECT max(key) FROM pairs) + 1)
             ORDER BY n.i;
             DROP TABLE n;
             DROP TABLE pairs;",
            half = PARTNERS / 2,
        ))
        .unwrap();
}
