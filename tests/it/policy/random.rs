//! Random schools: what a query finds, what is kept, and what a preview counts, against the decision itself, pair by pair.

use std::collections::{BTreeMap, BTreeSet};

use schoolbell::model::ids::UserKey;
use schoolbell::model::policy::{GivenPolicy, May, decide};
use schoolbell::model::users::Role;
use schoolbell::store::{policy, relations};
use serde_json::{Value, json};

use super::{preset, set, sql};
use crate::helpers::{Person, TestApp};

/// A generator of numbers that is the same each time (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Around the day of the test's clock, and none.
const DAYS: [&str; 6] = [
    "NULL",
    "NULL",
    "NULL",
    "'2020-01-01'",
    "'2035-01-01'",
    "'TODAY'",
];

fn day(random: &mut Random, today: &str) -> String {
    random.pick(&DAYS).replace("TODAY", today)
}

/// One more fact about people with keys up to `people`, or one less.
fn change(random: &mut Random, people: usize, today: &str) -> String {
    let (a, b) = (1 + random.below(people), 1 + random.below(people));
    let group = 1 + random.below(6);
    let (from, until) = (day(random, today), day(random, today));
    let flag = random.below(2);
    match random.below(12) {
        0..=3 => {
            let lead = random.pick(&["NULL", "NULL", "0", "1"]);
            format!(
                "INSERT OR REPLACE INTO group_members (group_key, user_key, lead, from_day, until_day)
                 VALUES ({group}, {a}, {lead}, {from}, {until})"
            )
        }
        4..=6 if a != b => format!(
            "INSERT OR REPLACE INTO guardian_links (child_key, guardian_key, from_day, until_day, contact, ended_by_hand, agreed_at)
             VALUES ({a}, {b}, {from}, {until}, {}, {}, {})",
            u8::from(!random.one_in(4)),
            u8::from(random.one_in(6)),
            random.pick(&["NULL", "1"]),
        ),
        7 => format!("DELETE FROM group_members WHERE user_key = {a} AND group_key = {group}"),
        8 => {
            let grade = random.pick(&["NULL", "'03'", "'06'", "'07'", "'11'"]);
            let role = random.pick(&["student", "student", "teacher", "guardian", "staff"]);
            let adult = day(random, today);
            format!("UPDATE users SET grade = {grade}, role = '{role}', adult_from = {adult} WHERE key = {a}")
        }
        9 => format!("UPDATE users SET disabled_at = iif({flag}, 1, NULL) WHERE key = {a}"),
        10 if a != b => {
            let role = random.pick(&["student", "guardian", "teacher"]);
            let (b, role) = match flag {
                0 => (b.to_string(), "NULL".to_owned()),
                _ => ("NULL".to_owned(), format!("'{role}'")),
            };
            format!(
                "DELETE FROM no_contact WHERE a_key = {a};
                 INSERT INTO no_contact (id, a_key, b_key, role, until_day, reason, made_by, created_at)
                 SELECT 'o{a}', {a}, {b}, {role}, {until}, '', '', 0 WHERE {group} = 1"
            )
        }
        _ => format!(
            "DELETE FROM duties WHERE user_key = {a}; INSERT INTO duties (user_key, duty) SELECT {a}, 'safeguarding' WHERE {group} = 1"
        ),
    }
}

const GROUPS: &str = "INSERT INTO groups (id, name, kind, created_at) VALUES
    ('7a', '7a', 'class', 0), ('7b', '7b', 'class', 0), ('council', 'Council', 'club', 0), ('choir', 'Choir', 'club', 0),
    ('parents', 'Parents', 'other', 0), ('year', 'Year', 'cohort', 0)";

/// A policy that uses every word.
fn every_word() -> Value {
    let all = ["student", "guardian", "teacher", "staff", "admin"];
    let rule = |when: &str, may: &str| json!({ "from": all, "to": all, "when": when, "may": may });
    json!({
        "rule": [
            rule("teaches", "start"), rule("taught_by", "reply"), rule("shares_class", "reply"), rule("child_of", "start"),
            rule("shares_child", "start"), rule("child_taught_by", "reply"), rule("teaches_child", "start"),
            { "from": ["student"], "to": ["staff", "teacher"], "when": "anyone", "may": "reply", "fromGrade": "07.." },
            { "from": ["teacher"], "to": ["student"], "when": "anyone", "may": "start", "toGrade": "..06" },
            { "from": all, "to": all, "when": "anyone", "may": "start", "fromGroup": ["council"], "toGroup": ["council", "choir"] },
            { "from": ["guardian"], "to": ["guardian"], "when": "shares_group", "may": "start" },
            { "from": ["guardian"], "to": ["student"], "when": "guardian_of", "may": "start" },
        ],
        "never": [
            { "from": ["student"], "to": ["student"], "when": "shares_class", "fromGrade": "..06" },
            { "from": ["guardian"], "to": ["teacher"], "when": "anyone", "toGroup": ["year"] },
            { "from": all, "to": ["student"], "when": "shares_group", "toGrade": "11" },
        ],
    })
}

const POLICIES: [&str; 5] = [
    "open",
    "teacher-led",
    "family",
    "secondary",
    "announcements-only",
];

/// People of random roles, some with an administrator's; keys from 1 on.
async fn people(t: &TestApp, random: &mut Random, count: usize) -> Vec<Person> {
    let roles = [
        Role::Student,
        Role::Student,
        Role::Student,
        Role::Guardian,
        Role::Guardian,
        Role::Teacher,
        Role::Staff,
    ];
    let mut people = Vec::new();
    for at in 0..count {
        let role = *random.pick(&roles);
        people.push(t.person(&format!("p{at:03}"), role).await);
    }
    people
}

fn today(t: &TestApp) -> String {
    t.app.calendar.today().to_string()
}

#[tokio::test]
async fn whom_people_find_is_whom_they_may_write_to() {
    let presets = POLICIES.iter().map(|name| json!({ "preset": name }));
    finds_whom_one_may_write_to(1, 70, presets.chain([every_word()]).collect()).await;
}

#[tokio::test]
async fn whom_people_find_is_whom_they_may_write_to_in_a_large_school() {
    finds_whom_one_may_write_to(4, 200, vec![every_word()]).await;
}

/// In a random school of so many people, under each of these policies, pair by pair.
async fn finds_whom_one_may_write_to(seed: u64, count: usize, policies: Vec<Value>) {
    let mut random = Random(seed);
    let t = TestApp::with(|config| config.limits.enabled = false);
    let people = people(&t, &mut random, count).await;
    let admin = t.admin().await;
    sql(&t, GROUPS).await;
    for _ in 0..count * 6 {
        let change = change(&mut random, people.len(), &today(&t));
        sql(&t, &change).await;
    }
    // Something to answer, now and too long ago, and some who have blocked others.
    for _ in 0..count * 4 {
        let (a, b) = (1 + random.below(count), 1 + random.below(count));
        let wrote_at = t.app.now().0 - 86_400_000 * random.below(60) as i64;
        if a < b {
            sql(&t, &format!(
                "INSERT OR IGNORE INTO conversations (low_key, high_key, created_at) VALUES ({a}, {b}, 0);
                 INSERT OR IGNORE INTO conversation_members (conversation_key, user_key, last_seq, wrote_at)
                 SELECT key, {a}, 0, {wrote_at} FROM conversations WHERE low_key = {a} AND high_key = {b};
                 INSERT OR IGNORE INTO conversation_members (conversation_key, user_key, last_seq, wrote_at)
                 SELECT key, {b}, 0, NULL FROM conversations WHERE low_key = {a} AND high_key = {b};
                 INSERT OR IGNORE INTO blocks (user_key, blocked_key, created_at) SELECT {a}, {b}, 0 WHERE {b} % 5 = 0"
            )).await;
        }
    }
    t.app.user_cache.forget_all();
    let mut pairs = 0;
    let mut found_in_all = 0;
    let expected_pairs = policies.len() * count * count;
    for name in policies {
        set(&t, &admin, name.clone()).await.expect(200);
        for me in &people {
            let key = me.user.key;
            let app = t.app.clone();
            let read = t.app.store.read(move |c| {
                let user = schoolbell::store::users::by_key(c, key)?.unwrap();
                let (condition, answerable) = schoolbell::service::policy::reachable(&app, c, &user)?;
                let sql = format!("SELECT u.key FROM users u WHERE u.disabled_at IS NULL AND u.key <> :me AND :answerable IS NOT NULL AND {condition}");
                let mut statement = c.prepare(&sql)?;
                let rows = statement.query_map(&[(":me", &key.0), (":answerable", &answerable)], |row| row.get(0))?;
                Ok(rows.collect::<Result<BTreeSet<i64>, _>>()?)
            });
            let found = read.await.unwrap();
            let (app, all) = (
                t.app.clone(),
                people.iter().map(|p| p.user.key).collect::<Vec<_>>(),
            );
            let read = t.app.store.read(move |c| {
                let user = schoolbell::store::users::by_key(c, key)?.unwrap();
                let stamps = policy::stamps(c)?;
                let policy = app.decisions.policy(c, stamps)?;
                let since = app.now().0 - 30 * 86_400_000;
                let mut expected = BTreeSet::new();
                for other in all.into_iter().filter(|other| *other != key) {
                    let facts = relations::pair(c, key, other, &policy.groups())?;
                    let may = decide(&policy, &facts, app.calendar.today()).may;
                    let wrote: Option<i64> = c.query_row(
                        "SELECT wrote_at FROM conversation_members m JOIN conversations v ON v.key = m.conversation_key
                         WHERE m.user_key = ?2 AND v.low_key = min(?1, ?2) AND v.high_key = max(?1, ?2)",
                        [key.0, other.0], |row| row.get(0)).unwrap_or(None);
                    let is_blocked: bool = c.query_row(
                        "SELECT EXISTS (SELECT 1 FROM blocks WHERE user_key = ?1 AND blocked_key = ?2)", [key.0, other.0], |row| row.get(0))?;
                    let them = schoolbell::store::users::by_key(c, other)?.unwrap();
                    let may_block = |user: &schoolbell::model::users::User| matches!(user.role, Role::Student | Role::Guardian);
                    let shuts = is_blocked && may_block(&user) && may_block(&them) && !relations::are_linked(c, key, other)?;
                    let writes = may == May::Start || (may == May::Reply && wrote.is_some_and(|at| at >= since));
                    if writes && !shuts && !them.disabled {
                        expected.insert(other.0);
                    }
                    // The door says the same.
                    let can = schoolbell::service::policy::can(&app, c, &user, &them)?;
                    assert_eq!(can.why.is_none(), writes && !shuts && !them.disabled, "{key:?} to {other:?}: {can:?}");
                }
                Ok(expected)
            });
            let mut expected = read.await.unwrap();
            // The administrator, who has no facts.
            let is_found = found.contains(&admin.user.key.0);
            if is_found {
                expected.insert(admin.user.key.0);
            }
            assert_eq!(found, expected, "{name}: {}", me.id());
            pairs += people.len();
            found_in_all += found.len();
        }
    }
    assert_eq!(pairs, expected_pairs);
    // Neither nobody nor everybody.
    assert!(
        (pairs / 20..pairs).contains(&found_in_all),
        "{found_in_all} of {pairs}"
    );
}

#[tokio::test]
async fn a_search_and_the_presence_show_the_same_people() {
    let mut random = Random(3);
    let t = TestApp::with(|config| config.limits.enabled = false);
    let people = people(&t, &mut random, 40).await;
    let admin = t.admin().await;
    sql(&t, GROUPS).await;
    for _ in 0..200 {
        let change = change(&mut random, people.len(), &today(&t));
        sql(&t, &change).await;
    }
    sql(&t, "UPDATE users SET disabled_at = NULL").await;
    t.app.user_cache.forget_all();
    let ids: Vec<&str> = people.iter().map(|person| person.id()).collect();
    for name in ["teacher-led", "family", "secondary"] {
        preset(&t, &admin, name).await;
        for me in &people {
            let me = t.again(me).await;
            let mut found = super::finds(&me).await;
            found.retain(|id| id != "admin");
            let present = me
                .get(&format!("/api/presence?userIds={}", ids.join(",")))
                .await
                .expect(200);
            let present = present["data"].as_array().unwrap().iter();
            let present: BTreeSet<String> = present
                .map(|one| one["userId"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(
                found.into_iter().collect::<BTreeSet<_>>(),
                present,
                "{name}: {}",
                me.id()
            );
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_what_would_be_decided_anew_whatever_changes() {
    let mut random = Random(2);
    let t = TestApp::with(|config| config.limits.enabled = false);
    let people = people(&t, &mut random, 9).await;
    let keys: Vec<UserKey> = people.iter().map(|person| person.user.key).collect();
    let admin = t.admin().await;
    sql(&t, GROUPS).await;
    let mut said = BTreeMap::new();
    for step in 0..260 {
        match random.below(10) {
            0 => {
                let policy = match random.below(6) {
                    5 => every_word(),
                    at => json!({ "preset": POLICIES[at] }),
                };
                set(&t, &admin, policy).await.expect(200);
            }
            1 => {
                let hours = random.below(60) as u64;
                t.clock
                    .advance(std::time::Duration::from_secs(3_600 * hours));
            }
            2 => t.clock.set(t.app.now().plus_seconds(-3_600 * 30)),
            // What is rolled back must leave nothing behind: its decision is taken and kept inside of the write.
            3 => {
                let change = change(&mut random, people.len(), &today(&t));
                let (app, keys) = (t.app.clone(), keys.clone());
                let rolled_back = t.app.store.write(move |tx| {
                    tx.execute_batch(&change)?;
                    for from in &keys {
                        for to in keys.iter().filter(|to| *to != from) {
                            app.decisions.decide(tx, policy::stamps(tx)?, *from, *to)?;
                        }
                    }
                    Err::<(), _>(schoolbell::error::Noun::User.into())
                });
                rolled_back.await.unwrap_err();
            }
            _ => {
                let change = change(&mut random, people.len(), &today(&t));
                sql(&t, &change).await;
            }
        }
        let (app, keys) = (t.app.clone(), keys.clone());
        let read = t.app.store.read(move |c| {
            let stamps = policy::stamps(c)?;
            let policy = app.decisions.policy(c, stamps)?;
            let stored = policy::set_here(c)?;
            let stored: Option<GivenPolicy> =
                stored.map(|json| serde_json::from_str(&json).unwrap());
            let is_stored = stored.is_none_or(|given| given.parse().unwrap() == *policy);
            let mut pairs = Vec::new();
            for from in &keys {
                for to in keys.iter().filter(|to| *to != from) {
                    let kept = app.decisions.decide(c, stamps, *from, *to)?.may;
                    let facts = relations::pair(c, *from, *to, &policy.groups())?;
                    let decided = decide(&policy, &facts, app.calendar.today()).may;
                    pairs.push((*from, *to, kept, decided));
                }
            }
            Ok((is_stored, pairs))
        });
        let (is_stored, pairs) = read.await.unwrap();
        assert!(is_stored, "step {step}: another policy than the stored one");
        for (from, to, kept, fresh) in pairs {
            assert_eq!(kept, fresh, "step {step}: {from:?} to {to:?}");
            *said.entry(fresh).or_insert(0) += 1;
        }
    }
    for may in [May::No, May::Reply, May::Start] {
        assert!(said[&may] > 500, "{said:?}");
    }
}

#[tokio::test]
async fn a_preview_counts_what_is_decided() {
    let mut random = Random(5);
    let t = TestApp::with(|config| config.limits.enabled = false);
    let people = people(&t, &mut random, 60).await;
    let admin = t.admin().await;
    sql(&t, GROUPS).await;
    for _ in 0..300 {
        let change = change(&mut random, people.len(), &today(&t));
        sql(&t, &change).await;
    }
    for name in POLICIES
        .iter()
        .map(|name| json!({ "preset": name }))
        .chain([every_word()])
    {
        let shown = admin
            .post("/api/admin/policy/preview", name.clone())
            .await
            .expect(200);
        let given: GivenPolicy = serde_json::from_value(name.clone()).unwrap();
        let policy = given.parse().unwrap();
        let app = t.app.clone();
        let counted = t.app.store.read(move |c| {
            let mut keys = c.prepare(
                "SELECT key, role FROM users WHERE disabled_at IS NULL AND key NOT IN (SELECT user_key FROM leads)")?;
            let keys: Vec<(i64, String)> =
                keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let mut counts: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
            for (from, from_role) in &keys {
                for (to, to_role) in keys.iter().filter(|(to, _)| to != from) {
                    let mut facts = relations::pair(c, UserKey(*from), UserKey(*to), &policy.groups())?;
                    facts.orders.clear();
                    let count = counts.entry((from_role.clone(), to_role.clone())).or_default();
                    match decide(&policy, &facts, app.calendar.today()).may {
                        May::Start => count.0 += 1,
                        May::Reply => count.1 += 1,
                        May::No => {}
                    }
                }
            }
            Ok(counts)
        });
        let mut counted = counted.await.unwrap();
        counted.retain(|_, (start, reply)| *start + *reply > 0);
        let pairs = shown["data"]["pairs"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pairs: BTreeMap<(String, String), (u64, u64)> = pairs
            .map(|pair| {
                let of = (text(&pair["from"]), text(&pair["to"]));
                (
                    of,
                    (
                        pair["start"].as_u64().unwrap(),
                        pair["reply"].as_u64().unwrap(),
                    ),
                )
            })
            .collect();
        assert_eq!(pairs, counted, "{name}");
    }
}
