//! Reports, and the passages that were copied with them.

use rusqlite::{Connection, Row, named_params, params};

use super::{person, person_columns, person_if_any};
use crate::error::Result;
use crate::model::ids::{Id, Seq, UserKey};
use crate::model::messages::Removed;
use crate::model::page::Range;
use crate::model::safeguarding::reports::{
    CopiedMessage, NewReport, Reason, Receipt, ReportChange, ReportFilter, ReportView, State,
};
use crate::model::time::Time;
use crate::store::messages::removed_by;
use crate::store::removals::Found;
use crate::store::{WriteTx, all, first, run, users};

/// Messages before the reported one, and after it, that are copied.
const AROUND: i64 = 5;
/// Seconds after which the leads are told of a danger again.
pub const ALARM_SECONDS: i64 = 15 * 60;

/// What somebody has reported already.
pub fn of_reporter(
    connection: &Connection,
    reporter: UserKey,
    message: Id,
) -> Result<Option<Receipt>> {
    let sql = "SELECT id, message_id, reason, created_at FROM reports WHERE reporter_key = ?1 AND message_id = ?2";
    let params = params![reporter.0, message.as_bytes()];
    first(connection, sql, params, receipt)
}

fn receipt(row: &Row) -> rusqlite::Result<Receipt> {
    Ok(Receipt {
        id: Id::from_bytes(row.get(0)?),
        message_id: Id::from_bytes(row.get(1)?),
        reason: reason(row, 2)?,
        created_at: Time(row.get(3)?),
    })
}

fn reason(row: &Row, at: usize) -> rusqlite::Result<Reason> {
    // The table has no other.
    Ok(Reason::parse(row.get_ref(at)?.as_str()?).unwrap_or(Reason::Other))
}

/// How many reports somebody has made since then.
pub fn count_since(connection: &Connection, reporter: UserKey, since: Time) -> Result<u32> {
    let sql = "SELECT count(*) FROM reports WHERE reporter_key = ?1 AND created_at > ?2";
    let params = [reporter.0, since.0];
    Ok(first(connection, sql, params, |row| row.get(0))?.unwrap_or_default())
}

/// Stores a report, and a copy of the passage as its reporter sees it, with what was taken back.
pub fn insert(
    tx: &WriteTx,
    (reporter, partner): (UserKey, UserKey),
    found: &Found,
    new: &NewReport,
) -> Result<Receipt> {
    let alarm_at = (new.reason == Reason::Danger).then(|| tx.now.plus_seconds(ALARM_SECONDS).0);
    let receipt = Receipt {
        id: Id::generate(),
        message_id: new.message,
        reason: new.reason,
        created_at: tx.now,
    };
    run(
        tx,
        "INSERT INTO reports (id, message_id, reporter_key, partner_key, reason, note, created_at, alarm_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            receipt.id.as_bytes(),
            new.message.as_bytes(),
            reporter.0,
            partner.0,
            new.reason.as_str(),
            new.note,
            tx.now.0,
            alarm_at,
        ],
    )?;
    let report = tx.last_insert_rowid();
    for (bound, order, rows) in [("<=", "DESC", AROUND + 1), (">", "ASC", AROUND)] {
        let sql = format!(
            "INSERT INTO report_messages (report_key, seq, id, sender_id, sender_name, content, created_at, removed_at, removed_by)
             SELECT ?1, m.seq, m.id, u.id, u.name, coalesce(r.content, m.content), m.created_at, m.removed_at, m.removed_by
             FROM messages m JOIN users u ON u.key = m.sender_key
             LEFT JOIN message_removals r ON r.conversation_key = m.conversation_key AND r.message_seq = m.seq
             WHERE m.conversation_key = ?2 AND m.seq {bound} ?3 AND (NOT m.hidden OR m.sender_key = ?4)
             ORDER BY m.seq {order} LIMIT ?5"
        );
        let params = [report, found.conversation.0, found.seq, reporter.0, rows];
        run(tx, &sql, params)?;
    }
    Ok(receipt)
}

fn select() -> String {
    format!(
        "SELECT r.key, r.id, r.state, r.reason, {}, {}, r.created_at, {}, r.opened_at, r.closed_at, r.outcome
         FROM reports r JOIN users a ON a.key = r.reporter_key JOIN users b ON b.key = r.partner_key
         LEFT JOIN users l ON l.key = r.lead_key",
        person_columns("a"),
        person_columns("b"),
        person_columns("l"),
    )
}

fn view(row: &Row) -> rusqlite::Result<ReportView> {
    let time = |at| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Time));
    Ok(ReportView {
        key: row.get(0)?,
        id: Id::from_bytes(row.get(1)?),
        state: row.get_ref(2)?.as_str()?.parse().unwrap_or(State::New),
        reason: reason(row, 3)?,
        reporter: person(row, 4)?,
        partner: person(row, 7)?,
        created_at: Time(row.get(10)?),
        lead: person_if_any(row, 11)?,
        opened_at: time(14)?,
        closed_at: time(15)?,
        outcome: row.get(16)?,
    })
}

/// Who is named in a report never sees it, a lead neither. `me`: the lead who asks.
const NOT_NAMED: &str = "r.reporter_key <> :me AND r.partner_key <> :me";

/// Reports that a lead may see, the newest first.
pub fn list(
    connection: &Connection,
    me: UserKey,
    filter: &ReportFilter,
    range: Range,
) -> Result<Vec<ReportView>> {
    let sql = format!(
        "{} WHERE {NOT_NAMED} AND r.key < :before AND (:state IS NULL OR r.state = :state)
           AND (NOT :mine OR r.lead_key = :me)
         ORDER BY r.key DESC LIMIT :limit OFFSET :skip",
        select()
    );
    let params = named_params! {
        ":me": me.0,
        ":before": range.before.unwrap_or(i64::MAX),
        ":state": filter.state.map(State::as_str),
        ":mine": filter.mine,
        ":limit": range.rows(),
        ":skip": range.skip(),
    };
    all(connection, &sql, params, view)
}

/// A report that a lead may see, with the two people and both notes.
pub struct Stored {
    pub view: ReportView,
    pub reporter: UserKey,
    pub partner: UserKey,
    pub message: Id,
    pub report_note: String,
    pub note: String,
}

/// A report by its id, unless the lead is named in it.
pub fn by_id(connection: &Connection, me: UserKey, id: Id) -> Result<Option<Stored>> {
    let sql = format!("{} WHERE {NOT_NAMED} AND r.id = :id", select());
    let params = named_params! { ":me": me.0, ":id": id.as_bytes() };
    let Some(view) = first(connection, &sql, params, view)? else {
        return Ok(None);
    };
    let sql =
        "SELECT reporter_key, partner_key, message_id, note, lead_note FROM reports WHERE key = ?1";
    first(connection, sql, [view.key], |row| {
        Ok(Stored {
            reporter: UserKey(row.get(0)?),
            partner: UserKey(row.get(1)?),
            message: Id::from_bytes(row.get(2)?),
            report_note: row.get(3)?,
            note: row.get(4)?,
            view: view.clone(),
        })
    })
}

/// The passage that was copied, the oldest first.
pub fn messages(connection: &Connection, report: i64, reported: Id) -> Result<Vec<CopiedMessage>> {
    let sql = "SELECT id, seq, sender_id, sender_name, content, created_at, removed_at, removed_by
               FROM report_messages WHERE report_key = ?1 ORDER BY seq";
    all(connection, sql, [report], |row| {
        let id = Id::from_bytes(row.get(0)?);
        let seq: Seq = row.get(1)?;
        let removed_at: Option<i64> = row.get(6)?;
        let by = removed_by(row, 7)?;
        Ok(CopiedMessage {
            id,
            seq,
            sender_id: users::user_id(row, 2)?,
            sender_name: row.get(3)?,
            content: row.get(4)?,
            created_at: Time(row.get(5)?),
            removed: removed_at
                .zip(by)
                .map(|(at, by)| Removed { by, at: Time(at) }),
            reported: id == reported,
        })
    })
}

/// How many other reports name a user, as far as the lead who asks may see them.
pub fn count_others(connection: &Connection, me: UserKey, user: UserKey, but: i64) -> Result<i64> {
    let sql =
        "SELECT count(*) FROM reports WHERE (reporter_key = ?1 OR partner_key = ?1) AND key <> ?2
                 AND ?3 NOT IN (reporter_key, partner_key)";
    Ok(first(connection, sql, [user.0, but, me.0], |row| row.get(0))?.unwrap_or(0))
}

/// A lead has opened it: the others are not told again.
pub fn open(tx: &WriteTx, report: i64) -> Result<()> {
    let sql =
        "UPDATE reports SET opened_at = coalesce(opened_at, ?2), alarm_at = NULL WHERE key = ?1";
    run(tx, sql, [report, tx.now.0]).map(drop)
}

/// Writes what a lead changes. Whoever changes the state of a report has it.
pub fn change(tx: &WriteTx, report: i64, lead: UserKey, change: &ReportChange) -> Result<()> {
    let state = change.state;
    let sql = "UPDATE reports SET state = coalesce(?2, state), outcome = coalesce(?3, outcome), lead_note = coalesce(?4, lead_note),
                      lead_key = CASE ?2 WHEN 'new' THEN NULL WHEN 'open' THEN ?5 ELSE coalesce(lead_key, ?5) END,
                      closed_at = CASE ?2 WHEN 'closed' THEN ?6 WHEN 'open' THEN NULL WHEN 'new' THEN NULL ELSE closed_at END
               WHERE key = ?1";
    let params = params![
        report,
        state.map(State::as_str),
        change.outcome,
        change.note,
        lead.0,
        tx.now.0
    ];
    run(tx, sql, params).map(drop)
}

/// Reports of a danger that nobody has opened and whose time has come, with the two people; and moves their time on.
pub fn take_alarms(tx: &WriteTx) -> Result<Vec<[UserKey; 2]>> {
    let sql = "UPDATE reports SET alarm_at = ?1 + ?2 WHERE alarm_at <= ?1 RETURNING reporter_key, partner_key";
    all(tx, sql, [tx.now.0, ALARM_SECONDS * 1_000], |row| {
        Ok([UserKey(row.get(0)?), UserKey(row.get(1)?)])
    })
}
