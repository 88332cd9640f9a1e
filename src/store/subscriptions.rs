//! Push subscriptions of browsers.

use rusqlite::{Connection, named_params, params};

use sha2::{Digest as _, Sha256};

use super::{WriteTx, all, first, run};
use crate::error::Result;
use crate::model::ids::{Id, UserKey};
use crate::model::pushes::ServiceKey;
use crate::model::subscriptions::{Device, NewSubscription, Owner};
use crate::model::time::Time;

/// The most subscriptions of one person; one more removes the one that was renewed longest ago.
pub const MAX_PER_PERSON: i64 = 20;

/// Stores a subscription, or gives the one of this endpoint to `owner`: a browser belongs to the user who is logged in there.
/// What waits for the previous person is not sent to it any more.
pub fn put(tx: &WriteTx, owner: UserKey, new: &NewSubscription) -> Result<Device> {
    let service = service(tx, &new.endpoint.origin())?;
    let sql = "DELETE FROM push_subscriptions WHERE endpoint = ?1 AND user_key <> ?2";
    let taken_over = run(tx, sql, params![new.endpoint.as_str(), owner.0])? > 0;
    run(
        tx,
        "INSERT INTO push_subscriptions (id, user_key, service_key, endpoint, p256dh, auth, browser, expires_at,
                                         created_at, posted_at, covered_seq, renewable)
         VALUES (:id, :user, :service, :endpoint, :p256dh, :auth, :browser, :expires_at, :now, :now, :seq, :renewable)
         ON CONFLICT (endpoint) DO UPDATE SET renewable = renewable OR auth <> excluded.auth, p256dh = excluded.p256dh, auth = excluded.auth,
             browser = excluded.browser, expires_at = excluded.expires_at, posted_at = excluded.posted_at, stopped_at = NULL",
        named_params! {
            ":id": Id::generate().as_bytes(),
            ":user": owner.0,
            ":service": service.0,
            ":endpoint": new.endpoint.as_str(),
            ":p256dh": new.keys.p256dh,
            ":auth": new.keys.auth,
            ":browser": new.browser,
            ":expires_at": new.expires_at.map(|time| time.0),
            ":now": tx.now.0,
            ":seq": tx.seq(),
            ":renewable": !taken_over,
        },
    )?;
    run(
        tx,
        "DELETE FROM push_subscriptions WHERE key IN (
             SELECT key FROM push_subscriptions WHERE user_key = ?1 ORDER BY posted_at DESC, key DESC LIMIT -1 OFFSET ?2)",
        [owner.0, MAX_PER_PERSON],
    )?;
    let sql = format!("{SELECT} WHERE s.endpoint = ?1");
    let stored = first(tx, &sql, [new.endpoint.as_str()], device)?;
    stored.ok_or_else(|| crate::error::Error::Internal("a subscription vanished".into()))
}

/// Puts a new subscription in the place of the owner's old one: what waits for that goes to this.
pub fn renew(tx: &WriteTx, owner: UserKey, old: &str, new: &NewSubscription) -> Result<Device> {
    let service = service(tx, &new.endpoint.origin())?;
    let endpoint = new.endpoint.as_str();
    run(
        tx,
        "DELETE FROM push_subscriptions WHERE endpoint = ?1 AND endpoint <> ?2",
        [endpoint, old],
    )?;
    run(
        tx,
        "UPDATE push_outbox SET service_key = ?3 WHERE user_key = ?1 AND subscription_key =
             (SELECT key FROM push_subscriptions WHERE endpoint = ?2)",
        params![owner.0, old, service.0],
    )?;
    run(
        tx,
        "UPDATE push_subscriptions SET endpoint = ?2, service_key = ?3 WHERE endpoint = ?1",
        params![old, endpoint, service.0],
    )?;
    put(tx, owner, new)
}

/// The push service of this origin; it is made when it is new.
fn service(connection: &Connection, origin: &str) -> Result<ServiceKey> {
    let sql = "SELECT key FROM push_services WHERE origin = ?1";
    if let Some(known) = first(connection, sql, [origin], |row| row.get(0))? {
        return Ok(ServiceKey(known));
    }
    let sql = "INSERT INTO push_services (origin) VALUES (?1)";
    run(connection, sql, [origin])?;
    Ok(ServiceKey(connection.last_insert_rowid()))
}

const SELECT: &str =
    "SELECT s.id, s.browser, p.origin, s.created_at, s.last_success_at, s.failing_since
                      FROM push_subscriptions s JOIN push_services p ON p.key = s.service_key";

fn device(row: &rusqlite::Row) -> rusqlite::Result<Device> {
    let origin: String = row.get(2)?;
    let host = origin.split("://").nth(1).unwrap_or_default();
    let success: Option<i64> = row.get(4)?;
    let failure: Option<i64> = row.get(5)?;
    Ok(Device {
        id: Id::from_bytes(row.get(0)?),
        browser: row.get(1)?,
        service: host.to_owned(),
        created_at: Time(row.get(3)?),
        last_success_at: success.map(Time),
        failing_since: failure.map(Time),
    })
}

/// The person's devices, newest first.
pub fn list(connection: &Connection, me: UserKey, limit: i64) -> Result<Vec<Device>> {
    let sql = format!("{SELECT} WHERE s.user_key = ?1 ORDER BY s.key DESC LIMIT ?2");
    all(connection, &sql, [me.0, limit], device)
}

/// The owner of the endpoint, if the caller knows its secret and may replace it.
pub fn owner(connection: &Connection, endpoint: &str) -> Result<Option<Owner>> {
    let sql = "SELECT user_key, auth FROM push_subscriptions WHERE endpoint = ?1 AND renewable";
    first(connection, sql, [endpoint], |row| {
        Ok(Owner {
            user: UserKey(row.get(0)?),
            auth: row.get(1)?,
        })
    })
}

/// Whether there was one of the person's own to delete.
pub fn delete(tx: &WriteTx, me: UserKey, id: Id) -> Result<bool> {
    let sql = "DELETE FROM push_subscriptions WHERE user_key = ?1 AND id = ?2 RETURNING endpoint";
    let endpoint: Option<String> = first(tx, sql, params![me.0, id.as_bytes()], |row| row.get(0))?;
    let Some(endpoint) = endpoint else {
        return Ok(false);
    };
    let sql = "INSERT INTO removed_endpoints (hash, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    run(tx, sql, params![hash(&endpoint), tx.now.0])?;
    Ok(true)
}

/// Whether its user has removed the device with this endpoint.
pub fn is_removed(connection: &Connection, endpoint: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM removed_endpoints WHERE hash = ?1";
    Ok(first(connection, sql, [hash(endpoint)], |_| Ok(()))?.is_some())
}

fn hash(endpoint: &str) -> [u8; 32] {
    Sha256::digest(endpoint).into()
}

/// As [`delete`], by endpoint.
pub fn delete_endpoint(connection: &Connection, me: UserKey, endpoint: &str) -> Result<bool> {
    let sql = "DELETE FROM push_subscriptions WHERE user_key = ?1 AND endpoint = ?2";
    Ok(run(connection, sql, params![me.0, endpoint])? > 0)
}

/// Deletes all of a person's, and with them what waits for them.
pub fn delete_all(connection: &Connection, user: UserKey) -> Result<()> {
    let sql = "DELETE FROM push_subscriptions WHERE user_key = ?1";
    run(connection, sql, [user.0]).map(drop)
}

/// Deletes those whose browser said that they would have ended by now.
pub fn delete_expired(connection: &Connection, now: Time) -> Result<usize> {
    let sql = "DELETE FROM push_subscriptions WHERE expires_at <= ?1";
    run(connection, sql, [now.0])
}
