//! Databases to measure on.

pub mod node;
pub mod roster;
pub mod texts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, params};
use schoolbell::config::Secret;
use schoolbell::model::audit::AuditActor;
use schoolbell::model::ids::{UserId, UserKey};
use schoolbell::model::keys::Scope;
use schoolbell::model::subscriptions::{Endpoint, NewSubscription, PushKeys};
use schoolbell::model::users::{DisplayName, NewUser, Origin, Role, Username};
use schoolbell::service::keys;
use schoolbell::store::{WriteTx, conversations, search, subscriptions, users};
use schoolbell::{App, Config};

/// Partners of each: a hundred conversations in everybody's list.
const PARTNERS: usize = 100;
/// Messages that the first two people have in any case: more than a page.
const PAIR: usize = 60;

pub const SECRET: &str = "the secret of the benchmark";

/// Where the database of either program lies.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("school.db")
}

/// The keys of RFC 8291 section 5.
pub fn push_keys() -> PushKeys {
    PushKeys::parse(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )
    .unwrap()
}

pub fn id(person: usize) -> String {
    format!("person-{person}")
}

/// Makes the database of a schoolbell in this folder.
pub fn schoolbell(folder: &Path, fill: impl FnOnce(&App)) {
    let mut config = Config::default();
    config.database.path = database(folder);
    config.auth.jwt_secret = Secret::new(SECRET);
    let app = App::open(config).unwrap();
    person(&app, "sender", Role::Staff);
    fill(&app);
}

/// Waits on a thread of its own: the caller is inside a runtime.
fn wait<T: Send, F: Future<Output = T>>(what: impl FnOnce() -> F + Send) -> T {
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(what())
    };
    std::thread::scope(|scope| scope.spawn(wait).join().unwrap())
}

pub fn write(
    app: &App,
    work: impl FnOnce(&WriteTx) -> schoolbell::error::Result<()> + Send + 'static,
) {
    wait(|| app.store.write(work)).unwrap();
}

fn new(id: &str, role: Role) -> NewUser {
    NewUser {
        id: UserId::parse(id).unwrap(),
        username: None,
        name: DisplayName::parse(&format!("Name of {id}")).unwrap(),
        email: None,
        avatar: None,
        role,
        password_hash: None,
        origin: Origin::Import,
    }
}

pub fn person(app: &App, id: &'static str, role: Role) {
    write(app, move |tx| {
        users::insert(tx, &new(id, role), tx.now).map(drop)
    });
}

pub fn people(app: &App, count: usize) {
    write(app, move |tx| {
        (0..count)
            .try_for_each(|i| users::insert(tx, &new(&id(i), Role::Student), tx.now).map(drop))
    });
}

/// People with a username, which is their id, and a password of this hash.
pub fn accounts(app: &App, count: usize, hash: &str) {
    let hash = hash.to_owned();
    write(app, move |tx| {
        (0..count).try_for_each(|i| {
            let account = NewUser {
                username: Some(Username::parse(&id(i))?),
                password_hash: Some(hash.clone()),
                ..new(&id(i), Role::Student)
            };
            users::insert(tx, &account, tx.now).map(drop)
        })
    });
}

/// Guardians, by the name of their role.
pub fn guardians(app: &App, count: usize) {
    write(app, move |tx| {
        (0..count).try_for_each(|i| {
            let guardian = new(&format!("guardian-{i}"), Role::Guardian);
            users::insert(tx, &guardian, tx.now).map(drop)
        })
    });
}

/// Guardians who are away, each with a device at this push service.
pub fn away(app: &App, count: usize, origin: &str) {
    let origin = origin.to_owned();
    write(app, move |tx| {
        (0..count).try_for_each(|i| {
            let user = users::insert(tx, &new(&format!("away-{i}"), Role::Guardian), tx.now)?;
            let subscription = NewSubscription {
                endpoint: Endpoint::parse(&format!("{origin}/push/{i}"))?,
                keys: push_keys(),
                expires_at: None,
                browser: "A browser".into(),
            };
            subscriptions::put(tx, user.key, &subscription).map(drop)
        })
    });
}

/// Messages of two people who are there, as texts are.
pub fn talk(app: &App, pair: [usize; 2], messages: usize) {
    let mut texts = texts::Texts::new();
    conversation(app, pair, messages, move || texts.next());
}

/// A page of the longest messages.
pub fn long_talk(app: &App, pair: [usize; 2]) {
    conversation(app, pair, 100, || "字".repeat(4_000));
}

fn conversation(
    app: &App,
    [one, other]: [usize; 2],
    messages: usize,
    mut next: impl FnMut() -> String + Send + 'static,
) {
    write(app, move |tx| {
        let key = |person| {
            tx.query_row("SELECT key FROM users WHERE id = ?1", [id(person)], |row| {
                row.get(0)
            })
        };
        let (one, other): (i64, i64) = (key(one)?, key(other)?);
        let members = conversations::insert_pair(tx, UserKey(one), UserKey(other), tx.now)?;
        let mut insert = tx.prepare(
            "INSERT INTO messages (conversation_key, seq, id, sender_key, content, created_at)
             VALUES (?1, ?2, randomblob(16), ?3, ?4, ?5)",
        )?;
        for _ in 0..messages {
            insert.execute(params![
                members.conversation.0,
                tx.next_seq(),
                one,
                next(),
                tx.now.0
            ])?;
        }
        Ok(())
    });
}

/// A key of another system that keeps the roster.
pub fn roster_key(app: &App) -> String {
    let scopes = [Scope::Roster];
    let made = wait(|| keys::create(app, AuditActor::command_line(), "roster", &scopes));
    made.unwrap().secret.expose().to_owned()
}

/// Waits until all messages are in the search index.
pub fn index(app: &App) {
    while wait(|| app.store.read(search::is_behind)).unwrap() {
        wait(|| app.store.catch_up_search()).unwrap();
    }
}

/// How many people wrote so many messages.
fn school_of(messages: usize) -> usize {
    if messages < 100_000 {
        PARTNERS + 1
    } else {
        2_000
    }
}

/// Messages spread over all conversations as time would spread them: each goes to another conversation than the one
/// before it. Whatever the size, the first person has as many conversations and the first pair more than a page.
pub fn history(app: &App, messages: usize) {
    let people_count = school_of(messages);
    people(app, people_count);
    write(app, move |tx| {
        tx.execute_batch(&format!(
            "CREATE TEMP TABLE n (i INTEGER PRIMARY KEY);
             WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < {messages})
             INSERT INTO n SELECT i FROM c;
             INSERT INTO conversations (low_key, high_key, created_at)
             SELECT DISTINCT min(a.key, b.key), max(a.key, b.key), 0
             FROM users a JOIN n d ON d.i BETWEEN 1 AND {half}
             JOIN users b ON b.key = (a.key - 2 + d.i) % {people_count} + 2
             WHERE a.id LIKE 'person-%';
             INSERT INTO conversation_members (conversation_key, user_key, last_seq)
             SELECT key, low_key, 0 FROM conversations UNION ALL SELECT key, high_key, 0 FROM conversations;
             INSERT INTO messages (conversation_key, seq, id, sender_key, content, created_at)
             SELECT c.key, n.i + 1, randomblob(16), iif(n.i % 2, c.low_key, c.high_key),
                    'A message of ordinary length, number ' || n.i, 1700000000000 + n.i
             FROM n JOIN conversations c
               ON c.key = iif(n.i < {PAIR}, 1, (n.i * 7919) % (SELECT max(key) FROM conversations) + 1);
             UPDATE conversation_members SET last_seq = coalesce(
                 (SELECT max(seq) FROM messages m WHERE m.conversation_key = conversation_members.conversation_key), 0);
             UPDATE sequence SET value = {messages};
             DROP TABLE n;",
            half = PARTNERS / 2,
        ))?;
        Ok(())
    });
    // Nobody searches for them.
    let index = Connection::open(search::file(app.store.path())).unwrap();
    index.busy_timeout(Duration::from_secs(60)).unwrap();
    let sql = "UPDATE progress SET seq = ?1";
    index.execute(sql, [messages as i64]).unwrap();
}
