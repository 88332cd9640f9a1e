//! The audit log. Triggers of the database see to it that lines are only added.

use rusqlite::{Connection, Row, params};
use sha2::{Digest as _, Sha256};

use super::{WriteTx, all, first, run};
use crate::error::Result;
use crate::model::audit::{
    Action, Anchor, AuditActor, BreakKind, Broken, Chain, ChainHash, Entry, Line, SafeguardingEntry,
};
use crate::model::ids::{Id, UserKey};
use crate::model::page::Range;
use crate::model::text::hex;
use crate::model::time::Time;

/// Adds a line, in the transaction of what it is about.
pub fn note(
    tx: &WriteTx,
    by: &AuditActor,
    action: Action,
    target: &str,
    detail: &str,
) -> Result<()> {
    note_at(tx, tx.now, by, action, target, detail)
}

/// As [`note`], about a text, of which the line has the salted hash alone: the text stands apart, and can be erased.
/// `about`: the target and the beginning of the detail.
pub fn note_text(
    tx: &WriteTx,
    by: &AuditActor,
    action: Action,
    (target, detail): (&str, &str),
    text: &str,
) -> Result<()> {
    let salt = *Id::generate().as_bytes();
    let hash = text_hash(&salt, text);
    let detail = format!("{detail}, sha256 {hash}");
    note(tx, by, action, target, detail.trim_start_matches(", "))?;
    let sql = "INSERT INTO audit_texts (audit_key, salt, text) VALUES (?1, ?2, ?3)";
    let line = newest(tx)?.line;
    run(tx, sql, params![line, salt, text]).map(drop)
}

/// SHA-256 of the salt and the text, in hexadecimal.
fn text_hash(salt: &[u8], text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(text);
    hex(&hash.finalize())
}

/// As [`note`], on a database that no server has open.
pub(super) fn note_at(
    connection: &Connection,
    at: Time,
    by: &AuditActor,
    action: Action,
    target: &str,
    detail: &str,
) -> Result<()> {
    let address = by.address.map(|address| address.to_string());
    let before = newest(connection)?;
    let line = Line {
        key: before.line + 1,
        at,
        actor: &by.actor,
        address: address.as_deref(),
        action: action.as_str(),
        target,
        detail,
    };
    let hash = line.hash(&before.hash);
    run(
        connection,
        "INSERT INTO audit (key, at, actor, address, action, target, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            line.key,
            at.0,
            line.actor,
            line.address,
            line.action,
            target,
            detail,
            hash.as_bytes(),
        ],
    )
    .map(drop)
}

/// As [`note_at`], in a database of before the chain: its migration chains the line.
pub(super) fn note_unchained(
    connection: &Connection,
    at: Time,
    by: &AuditActor,
    action: Action,
    target: &str,
) -> Result<()> {
    let sql = "INSERT INTO audit (at, actor, action, target, detail) VALUES (?1, ?2, ?3, ?4, '')";
    let params = params![at.0, by.actor, action.as_str(), target];
    run(connection, sql, params).map(drop)
}

/// Reads a line's number and its hash.
pub(super) fn anchor(row: &Row, at: usize) -> rusqlite::Result<Anchor> {
    Ok(Anchor {
        line: row.get(at)?,
        hash: ChainHash::from_bytes(row.get(at + 1)?),
    })
}

/// The line after which the chain begins.
fn begins_after(connection: &Connection) -> Result<Anchor> {
    let sql = "SELECT key, hash FROM audit_anchor";
    let found = first(connection, sql, [], |row| anchor(row, 0))?;
    // The table has its row from the migration on.
    Ok(found.unwrap_or(Anchor {
        line: 0,
        hash: ChainHash::START,
    }))
}

/// The newest line, or the one after which the chain begins.
pub fn newest(connection: &Connection) -> Result<Anchor> {
    let sql = "SELECT key, hash FROM audit ORDER BY key DESC LIMIT 1";
    let newest = first(connection, sql, [], |row| anchor(row, 0))?;
    newest.map_or_else(|| begins_after(connection), Ok)
}

/// Removes the lines up to this one, which the chain then begins after.
pub(super) fn cut(tx: &WriteTx, up_to: Anchor) -> Result<usize> {
    let sql = "UPDATE audit_anchor SET key = ?1, hash = ?2";
    run(tx, sql, params![up_to.line, up_to.hash.as_bytes()])?;
    let texts = "DELETE FROM audit_texts WHERE audit_key <= ?1";
    run(tx, texts, [up_to.line])?;
    run(tx, "DELETE FROM audit WHERE key <= ?1", [up_to.line])
}

/// Reads what is hashed of a line: its number, and behind its hash the rest.
fn hashed<'r>(row: &'r Row) -> rusqlite::Result<Line<'r>> {
    Ok(Line {
        key: row.get(0)?,
        at: Time(row.get(2)?),
        actor: row.get_ref(3)?.as_str()?,
        address: row.get_ref(4)?.as_str_or_null()?,
        action: row.get_ref(5)?.as_str()?,
        target: row.get_ref(6)?.as_str()?,
        detail: row.get_ref(7)?.as_str()?,
    })
}

/// Whether the text that stands apart, if it still does, is the one whose hash the line holds.
fn has_its_text(row: &Row, line: &Line) -> rusqlite::Result<bool> {
    let Some(salt) = row.get::<_, Option<Vec<u8>>>(8)? else {
        return Ok(true);
    };
    let text = row.get_ref(9)?.as_str()?;
    Ok(line.detail.ends_with(&text_hash(&salt, text)))
}

/// Walks along the chain, up to the first line that is not as it was written. `known`: an anchor from elsewhere, which must be in it.
pub fn verify(connection: &Connection, known: Option<Anchor>) -> Result<Chain> {
    let begins_after = begins_after(connection)?;
    let mut chain = Chain {
        lines: 0,
        begins_after,
        ends_with: begins_after,
        broken: None,
    };
    if known.is_some_and(|known| known.line == begins_after.line && known != begins_after) {
        chain.broken = Some(Broken {
            line: begins_after.line,
            why: BreakKind::Changed,
        });
        return Ok(chain);
    }
    let sql = "SELECT a.key, a.hash, a.at, a.actor, a.address, a.action, a.target, a.detail, t.salt, t.text
               FROM audit a LEFT JOIN audit_texts t ON t.audit_key = a.key ORDER BY a.key";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found = anchor(row, 0)?;
        let line = hashed(row)?;
        let expected = chain.ends_with.line + 1;
        let is_known = known.is_none_or(|known| known.line != found.line || known == found);
        let follows = found.hash == line.hash(&chain.ends_with.hash);
        // Before there was a chain, numbers could be missing: what follows is hashed with what came before it.
        let broken = match follows && is_known && has_its_text(row, &line)? {
            true => None,
            false if found.line != expected => Some((expected, BreakKind::Missing)),
            false => Some((found.line, BreakKind::Changed)),
        };
        if let Some((line, why)) = broken {
            chain.broken = Some(Broken { line, why });
            return Ok(chain);
        }
        chain.lines += 1;
        chain.ends_with = found;
    }
    // The counter of numbers, and an anchor, know of lines that are gone from the end.
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'";
    let given: Option<i64> = first(connection, sql, [], |row| row.get(0))?;
    let last = given.max(known.map(|known| known.line));
    if last.is_some_and(|last| last > chain.ends_with.line) {
        chain.broken = Some(Broken {
            line: chain.ends_with.line + 1,
            why: BreakKind::Missing,
        });
    }
    Ok(chain)
}

/// How many lines of this actor and action there are since then.
pub fn count(connection: &Connection, actor: &str, action: Action, since: Time) -> Result<i64> {
    let sql = "SELECT count(*) FROM audit WHERE action = ?1 AND at >= ?2 AND actor = ?3";
    let params = params![action.as_str(), since.0, actor];
    Ok(first(connection, sql, params, |row| row.get(0))?.unwrap_or(0))
}

const COLUMNS: &str =
    "a.key, a.at, a.actor, coalesce(u.name, k.name), a.address, a.action, a.target,
                       coalesce(p.name, g.name), a.detail, a.hash FROM audit a
                LEFT JOIN users u ON a.actor LIKE 'user:%' AND u.id = substr(a.actor, 6)
                LEFT JOIN api_keys k ON a.actor LIKE 'key:%' AND k.id = substr(a.actor, 5)
                LEFT JOIN users p ON p.id = a.target
                LEFT JOIN groups g ON g.id = a.target";

fn entry(row: &Row) -> rusqlite::Result<Entry> {
    Ok(Entry {
        line: row.get(0)?,
        at: Time(row.get(1)?),
        actor: row.get(2)?,
        actor_name: row.get(3)?,
        address: row.get(4)?,
        action: row.get(5)?,
        target: row.get(6)?,
        target_name: row.get(7)?,
        detail: row.get(8)?,
        hash: ChainHash::from_bytes(row.get(9)?),
    })
}

/// The newest lines before `before`, as `me` may see them; of one action, where that is asked for.
pub fn list(
    connection: &Connection,
    me: UserKey,
    before: Option<i64>,
    action: Option<&str>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE a.key < ?2 AND (?3 IS NULL OR a.action = ?3) AND {NOT_ABOUT_ME}
         ORDER BY a.key DESC LIMIT ?4"
    );
    let before = before.unwrap_or(i64::MAX);
    all(
        connection,
        &sql,
        params![me.0, before, action, limit],
        entry,
    )
}

/// What a lead does, and what duties they have, and who was handed a person's data.
const OF_SAFEGUARDING: &str = "(a.action LIKE 'duty.%' OR a.action LIKE 'report.%' OR a.action LIKE 'review.%' OR a.action LIKE 'hold.%'
      OR a.action LIKE 'no_contact.%' OR a.action IN ('message.remove', 'person.export'))";

/// Nothing of a report, a review, a hold or an order that names the user with the key `?1`: it must not tell of itself.
const NOT_ABOUT_ME: &str =
    "NOT EXISTS (SELECT 1 FROM reports r WHERE upper(replace(a.target, '-', '')) = hex(r.id) AND ?1 IN (r.reporter_key, r.partner_key))
    AND NOT EXISTS (SELECT 1 FROM reviews r WHERE upper(replace(a.target, '-', '')) = hex(r.id) AND ?1 IN (r.low_key, r.high_key))
    AND NOT EXISTS (SELECT 1 FROM holds h WHERE upper(replace(a.target, '-', '')) = hex(h.id) AND ?1 IN (h.user_key, coalesce(h.other_key, 0)))
    AND NOT (a.action LIKE 'no_contact.%' AND EXISTS (
        SELECT 1 FROM audit made JOIN users me ON me.key = ?1
        WHERE made.target = a.target AND made.action = 'no_contact.make'
          AND instr(' ' || replace(made.detail, ',', ' ') || ' ', ' ' || me.id || ' ') > 0))";

/// The newest lines of safeguarding, with their texts.
pub fn of_safeguarding(
    connection: &Connection,
    me: UserKey,
    range: Range,
) -> Result<Vec<SafeguardingEntry>> {
    let tail = format!(
        "WHERE a.key < ?2 AND {OF_SAFEGUARDING} AND {NOT_ABOUT_ME} ORDER BY a.key DESC LIMIT ?3 OFFSET ?4"
    );
    let before = range.before.unwrap_or(i64::MAX);
    let params = [me.0, before, range.rows(), range.skip()];
    all(connection, &with_texts(&tail), params, safeguarding_entry)
}

fn with_texts(tail: &str) -> String {
    let columns = COLUMNS.replacen(
        " FROM audit a",
        ", t.text, t.salt,
            coalesce((SELECT before.hash FROM audit before WHERE before.key = a.key - 1), (SELECT hash FROM audit_anchor))
            FROM audit a LEFT JOIN audit_texts t ON t.audit_key = a.key",
        1,
    );
    format!("SELECT {columns} {tail}")
}

fn safeguarding_entry(row: &Row) -> rusqlite::Result<SafeguardingEntry> {
    Ok(SafeguardingEntry {
        entry: entry(row)?,
        text: row.get(10)?,
        salt: row.get::<_, Option<Vec<u8>>>(11)?.map(|salt| hex(&salt)),
        previous: ChainHash::from_bytes(row.get(12)?),
    })
}

/// All lines about one of these, the oldest first, with their texts.
pub fn about_any(connection: &Connection, targets: &[String]) -> Result<Vec<SafeguardingEntry>> {
    let tail = "WHERE a.target IN (SELECT value FROM json_each(?1)) ORDER BY a.key";
    let targets = serde_json::to_string(targets).unwrap_or_default();
    all(connection, &with_texts(tail), [targets], safeguarding_entry)
}

/// All lines of what a user did or what was done to them, the newest first.
pub fn about(connection: &Connection, actor: &str, target: &str) -> Result<Vec<Entry>> {
    // Of reports, reviews and holds nobody's own data has a trace.
    let sql = format!(
        "SELECT {COLUMNS} WHERE (a.actor = ?1 OR a.target = ?2) AND a.action <> 'person.erase_later' AND a.action NOT LIKE 'report.%'
           AND a.action NOT LIKE 'review.%' AND a.action NOT LIKE 'hold.%' AND a.action NOT LIKE 'no_contact.%' ORDER BY a.key DESC"
    );
    all(connection, &sql, [actor, target], entry)
}
