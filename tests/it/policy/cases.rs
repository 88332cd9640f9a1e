//! What happens at schools, each with its decision.

use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use super::{can, finds, keep_apart, make_lead, preset, send, set, sql};
use crate::helpers::{Person, TestApp};

/// A school under a preset. Each case adds its people.
async fn school(name: &str) -> (TestApp, Person) {
    let t = TestApp::new();
    let admin = t.admin().await;
    preset(&t, &admin, name).await;
    (t, admin)
}

async fn guardians(admin: &Person, child: &str, links: Value) {
    let path = format!("/api/admin/people/{child}/guardians");
    admin
        .put_json(&path, json!({ "guardians": links }))
        .await
        .expect(200);
}

async fn grade(admin: &Person, pupil: &str, grade: &str) {
    let path = format!("/api/admin/people/{pupil}");
    admin
        .put_json(&path, json!({ "grade": grade }))
        .await
        .expect(200);
}

fn start() -> (String, Option<String>) {
    ("start".into(), None)
}

/// "The teacher may write to the mother, and not to the father, whose link gives no contact."
#[tokio::test]
async fn separated_parents_of_whom_one_has_no_contact() {
    let (t, admin) = school("family").await;
    let (tea, kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let (mum, dad) = (
        t.person("mum", Role::Guardian).await,
        t.person("dad", Role::Guardian).await,
    );
    t.class("7a", &[&tea, &kim]).await;
    guardians(
        &admin,
        "kim",
        json!([{ "id": "mum" }, { "id": "dad", "contact": false }]),
    )
    .await;
    assert_eq!(can(&tea, "mum").await, start());
    assert_eq!(can(&mum, "tea").await, start());
    assert_eq!(can(&mum, "kim").await, start());
    tea.get("/api/users/dad")
        .await
        .refused(404, "user_not_found");
    for (from, to) in [
        (&dad, "tea"),
        (&dad, "kim"),
        (&kim, "dad"),
        (&dad, "mum"),
        (&mum, "dad"),
    ] {
        send(from, to).await.refused(404, "user_not_found");
    }
}

/// "The father is kept apart from the child by a court, whatever the policy says: both ways, until the day that it names."
#[tokio::test]
async fn a_no_contact_order_wins_over_every_rule_and_over_a_lead() {
    let (t, admin) = school("family").await;
    let (kim, dad) = (
        t.student("kim").await,
        t.person("dad", Role::Guardian).await,
    );
    let lead = t.person("lead", Role::Staff).await;
    guardians(&admin, "kim", json!([{ "id": "dad" }])).await;
    dad.write(&kim, "hello").await;
    let tomorrow = t.app.calendar.today().next().unwrap();
    keep_apart(&t, "dad", "kim", Some(&tomorrow.to_string())).await;
    for (from, to) in [(&dad, "kim"), (&kim, "dad")] {
        let denied = send(from, to).await.refused(403, "policy_denied");
        assert_eq!(denied["details"][0]["params"]["why"], "closed");
        assert!(!finds(from).await.contains(&to.to_owned()));
        let presence = from
            .get(&format!("/api/presence?userIds={to}"))
            .await
            .expect(200);
        assert_eq!(presence["data"], json!([]));
    }
    // Open to everybody, it holds as well; and a lead writes to everybody but whom an order names.
    preset(&t, &admin, "open").await;
    send(&dad, "kim").await.refused(403, "policy_denied");
    assert!(!finds(&kim).await.contains(&"dad".to_owned()));
    make_lead(&t, "lead").await;
    preset(&t, &admin, "announcements-only").await;
    assert_eq!(can(&kim, "lead").await, start());
    assert_eq!(can(&lead, "kim").await, start());
    keep_apart(&t, "lead", "kim", None).await;
    send(&lead, "kim").await.refused(404, "user_not_found");
    // The last day is included.
    preset(&t, &admin, "family").await;
    t.clock.advance(Duration::from_secs(86_400));
    let dad = t.again(&dad).await;
    send(&dad, "kim").await.refused(403, "policy_denied");
    t.clock.advance(Duration::from_secs(86_400));
    let dad = t.again(&dad).await;
    send(&dad, "kim").await.expect(201);
}

/// "An order against a role is one against whoever has it, a teacher who is a guardian too."
#[tokio::test]
async fn an_order_about_a_role_covers_whoever_has_it() {
    let (t, admin) = school("open").await;
    let (tea, _kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let (gus, other) = (
        t.person("gus", Role::Guardian).await,
        t.person("other", Role::Teacher).await,
    );
    guardians(&admin, "kim", json!([{ "id": "tea" }])).await;
    let key = super::key_of(&t, "other").await.0;
    sql(&t, &format!("INSERT INTO no_contact (id, a_key, role, reason, made_by, created_at) VALUES ('o', {key}, 'guardian', '', '', 0)")).await;
    for (from, to) in [
        (&other, "gus"),
        (&gus, "other"),
        (&other, "tea"),
        (&tea, "other"),
    ] {
        send(from, to).await.refused(404, "user_not_found");
    }
    send(&other, "kim").await.expect(201);
    assert_eq!(finds(&other).await, ["admin", "kim"]);
}

/// "A teacher whose own child is at the school writes to their child's teacher as a guardian does, and is written to as one."
#[tokio::test]
async fn a_teacher_who_is_a_parent_of_the_school() {
    let (t, admin) = school("family").await;
    let (mia, kim) = (t.person("mia", Role::Teacher).await, t.student("kim").await);
    let (gus, lea) = (
        t.person("gus", Role::Guardian).await,
        t.student("lea").await,
    );
    guardians(&admin, "kim", json!([{ "id": "mia" }])).await;
    guardians(&admin, "lea", json!([{ "id": "gus" }])).await;
    assert_eq!(
        can(&mia, "kim").await,
        start(),
        "she is kim's mother, and does not teach kim"
    );
    assert_eq!(can(&kim, "mia").await, start());
    // In a parents' group with gus, guardians write to each other.
    mia.get("/api/users/gus")
        .await
        .refused(404, "user_not_found");
    t.class("parents", &[&mia, &gus]).await;
    sql(&t, "UPDATE groups SET kind = 'other' WHERE id = 'parents'").await;
    assert_eq!(can(&mia, "gus").await, start());
    assert_eq!(can(&gus, "mia").await, start());
    mia.get("/api/users/lea")
        .await
        .refused(404, "user_not_found");
    drop(lea);
}

/// "From the day on which a pupil is of age, the parents are strangers unless the pupil agrees."
#[tokio::test]
async fn a_pupil_of_eighteen() {
    let (t, admin) = school("family").await;
    let (tea, kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let mum = t.person("mum", Role::Guardian).await;
    t.class("12a", &[&tea, &kim]).await;
    guardians(&admin, "kim", json!([{ "id": "mum" }])).await;
    let tomorrow = t.app.calendar.today().next().unwrap().to_string();
    admin
        .put_json("/api/admin/people/kim", json!({ "adultFrom": tomorrow }))
        .await
        .expect(200);
    assert_eq!(can(&mum, "tea").await, start());
    // Kept decisions end with the day.
    t.clock.advance(Duration::from_secs(86_400));
    let [tea, kim, mum] = [
        t.again(&tea).await,
        t.again(&kim).await,
        t.again(&mum).await,
    ];
    tea.get("/api/users/mum")
        .await
        .refused(404, "user_not_found");
    mum.get("/api/users/kim")
        .await
        .refused(404, "user_not_found");
    kim.put_json("/api/auth/guardians/mum", json!({ "agreed": true }))
        .await
        .expect(200);
    assert_eq!(can(&tea, "mum").await, start());
    assert_eq!(can(&mum, "kim").await, start());
}

/// "A supply teacher writes to the class on the one day on which they take it."
#[tokio::test]
async fn a_supply_teacher_for_one_day() {
    let (t, admin) = school("teacher-led").await;
    let (sub, kim) = (t.person("sub", Role::Teacher).await, t.student("kim").await);
    t.class("7a", &[&kim]).await;
    let tomorrow = t.app.calendar.today().next().unwrap().to_string();
    let member = json!({ "add": [{ "id": "sub", "from": tomorrow, "until": tomorrow }] });
    admin
        .put_json("/api/admin/groups/7a/members", member)
        .await
        .expect(200);
    for (passed, may) in [(0, false), (86_400, true), (86_400, false)] {
        t.clock.advance(Duration::from_secs(passed));
        let sub = t.again(&sub).await;
        let status = sub.get("/api/users/kim").await.status;
        assert_eq!(status == 200, may, "after {passed} seconds more");
        assert_eq!(finds(&sub).await.contains(&"kim".to_owned()), may);
    }
}

/// "Every pupil may write to the counsellors, who are teachers like others; pupils of the council to each other."
#[tokio::test]
async fn counsellors_and_a_pupil_council() {
    let (t, admin) = school("open").await;
    let (nora, tea) = (
        t.person("nora", Role::Teacher).await,
        t.person("tea", Role::Teacher).await,
    );
    let (kim, lea, max) = (
        t.student("kim").await,
        t.student("lea").await,
        t.student("max").await,
    );
    t.class("counsellors", &[&nora]).await;
    t.class("council", &[&kim, &lea]).await;
    let policy = json!({
        "rule": [
            { "from": ["student"], "to": ["teacher"], "when": "anyone", "may": "start", "toGroup": ["counsellors"] },
            { "from": ["teacher"], "to": ["student"], "when": "anyone", "may": "reply", "fromGroup": ["counsellors"] },
            { "from": ["student"], "to": ["student"], "when": "shares_group", "may": "start", "fromGroup": ["council"], "toGroup": ["council"] },
        ],
    });
    set(&t, &admin, policy).await.expect(200);
    assert_eq!(can(&max, "nora").await, start());
    max.get("/api/users/tea")
        .await
        .refused(404, "user_not_found");
    assert_eq!(
        can(&nora, "max").await,
        ("no".into(), Some("answer_only".into()))
    );
    send(&max, "nora").await.expect(201);
    assert_eq!(can(&nora, "max").await, ("reply".into(), None));
    tea.get("/api/users/max")
        .await
        .refused(404, "user_not_found");
    assert_eq!(can(&kim, "lea").await, start());
    max.get("/api/users/kim")
        .await
        .refused(404, "user_not_found");
    assert_eq!(finds(&kim).await, ["lea", "nora"]);
    // A group that is renamed, or emptied, counts at once.
    sql(
        &t,
        "DELETE FROM group_members WHERE group_key = (SELECT key FROM groups WHERE id = 'council')",
    )
    .await;
    kim.get("/api/users/lea")
        .await
        .refused(404, "user_not_found");
}

/// "Guardians of a group that both belong to may write to each other, and to no other guardian."
#[tokio::test]
async fn a_parents_group() {
    let (t, _admin) = school("family").await;
    let (ann, bob) = (
        t.person("ann", Role::Guardian).await,
        t.person("bob", Role::Guardian).await,
    );
    let cem = t.person("cem", Role::Guardian).await;
    t.class("council", &[&ann, &bob]).await;
    sql(&t, "UPDATE groups SET kind = 'other'").await;
    assert_eq!(can(&ann, "bob").await, start());
    cem.get("/api/users/ann")
        .await
        .refused(404, "user_not_found");
    preset(&t, &_admin, "teacher-led").await;
    ann.get("/api/users/bob")
        .await
        .refused(404, "user_not_found");
}

/// "A foster carer is a guardian for as long as the placement lasts."
#[tokio::test]
async fn a_foster_carer_with_dates() {
    let (t, admin) = school("family").await;
    let (kim, carer) = (
        t.student("kim").await,
        t.person("carer", Role::Guardian).await,
    );
    let today = t.app.calendar.today();
    let until = today.next().unwrap().to_string();
    let link = json!([{ "id": "carer", "kind": "foster carer", "from": today.to_string(), "until": until }]);
    guardians(&admin, "kim", link).await;
    assert_eq!(can(&carer, "kim").await, start());
    carer.write(&kim, "hello").await;
    t.clock.advance(Duration::from_secs(2 * 86_400));
    let carer = t.again(&carer).await;
    assert_eq!(
        can(&carer, "kim").await,
        ("no".into(), Some("closed".into()))
    );
}

/// "Two guardians with one address and one telephone are two people: each by their own links."
#[tokio::test]
async fn two_guardians_with_one_phone() {
    let (t, admin) = school("teacher-led").await;
    let (tea, kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let (mum, gran) = (
        t.person("mum", Role::Guardian).await,
        t.person("gran", Role::Guardian).await,
    );
    t.class("3b", &[&tea, &kim]).await;
    let shared = json!({ "email": "family@example.org", "phones": ["+44 20 7946 0000"] });
    for who in ["mum", "gran"] {
        admin
            .put_json(&format!("/api/admin/people/{who}"), shared.clone())
            .await
            .expect(200);
    }
    guardians(&admin, "kim", json!([{ "id": "mum" }])).await;
    assert_eq!(can(&mum, "tea").await, start());
    gran.get("/api/users/tea")
        .await
        .refused(404, "user_not_found");
    assert_eq!(finds(&tea).await, ["admin", "kim", "mum"]);
}

/// "A member of staff who was a pupil here is staff: what they were gives nothing, and their parents are nobody's guardians."
#[tokio::test]
async fn a_member_of_staff_who_was_a_pupil() {
    let (t, admin) = school("family").await;
    let (kim, mum) = (
        t.student("kim").await,
        t.person("mum", Role::Guardian).await,
    );
    let (tea, lea) = (t.person("tea", Role::Teacher).await, t.student("lea").await);
    t.class("7a", &[&tea, &kim, &lea]).await;
    grade(&admin, "kim", "12").await;
    guardians(&admin, "kim", json!([{ "id": "mum" }])).await;
    assert_eq!(can(&mum, "tea").await, start());
    admin
        .put_json("/api/admin/people/kim", json!({ "role": "staff" }))
        .await
        .expect(200);
    let kim = t.again(&kim).await;
    assert_eq!(
        can(&kim, "lea").await,
        start(),
        "the office writes to everybody"
    );
    assert_eq!(can(&kim, "mum").await, start());
    mum.get("/api/users/tea")
        .await
        .refused(404, "user_not_found");
    assert_eq!(
        can(&mum, "kim").await,
        start(),
        "guardians begin with the office"
    );
}

/// "Older pupils write to classmates of their years; a pupil whose grade nobody knows is treated as a young one."
#[tokio::test]
async fn grades_of_older_pupils() {
    let (t, admin) = school("secondary").await;
    let (kim, lea, max) = (
        t.student("kim").await,
        t.student("lea").await,
        t.student("max").await,
    );
    t.class("club", &[&kim, &lea, &max]).await;
    for (pupil, of) in [("kim", "07"), ("lea", "08")] {
        grade(&admin, pupil, of).await;
    }
    assert_eq!(can(&kim, "lea").await, start());
    max.get("/api/users/kim")
        .await
        .refused(404, "user_not_found");
    kim.get("/api/users/max")
        .await
        .refused(404, "user_not_found");
    grade(&admin, "lea", "06").await;
    kim.get("/api/users/lea")
        .await
        .refused(404, "user_not_found");
}
