//! Facts about people: guardians, grades, memberships and their days.

use schoolbell::model::keys::Scope;
use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::{Person, TestApp};

const KIM: &str = "/api/admin/people/kim/guardians";

/// A pupil, and two people who may be their guardians.
async fn family() -> (TestApp, Person) {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("kim").await;
    t.person("gus", Role::Guardian).await;
    t.person("tea", Role::Teacher).await;
    (t, admin)
}

async fn put(admin: &Person, path: &str, links: Value) -> crate::helpers::Answer {
    let field = path.rsplit('/').next().unwrap();
    admin.put_json(path, json!({ field: links })).await
}

async fn list(admin: &Person, path: &str) -> Value {
    let field = path.rsplit('/').next().unwrap();
    admin.get(path).await.expect(200)["data"][field].take()
}

#[tokio::test]
async fn a_link_is_seen_from_both_ends() {
    let (_t, admin) = family().await;
    let full = json!({ "id": "tea", "kind": "foster mother", "from": "2026-09-01", "until": "2027-07-31",
                       "contact": false, "receives": false, "priority": 1, "locked": true });
    put(&admin, KIM, json!([full, { "id": "gus" }]))
        .await
        .expect(200);
    let guardians = list(&admin, KIM).await;
    let mut expected = full;
    expected["name"] = json!("tea of the school");
    expected["role"] = json!("teacher");
    expected["agreed"] = json!(false);
    assert_eq!(guardians[0], expected, "the first to be called comes first");
    assert_eq!(
        guardians[1],
        json!({ "id": "gus", "name": "gus of the school", "role": "guardian", "kind": null, "contact": true,
                "receives": true, "priority": null, "locked": false, "agreed": false })
    );
    let children = list(&admin, "/api/admin/people/gus/children").await;
    assert_eq!(children[0]["id"], "kim");

    // The whole list: who is left out is a guardian no longer.
    put(&admin, "/api/admin/people/gus/children", json!([]))
        .await
        .expect(200);
    let guardians = list(&admin, KIM).await;
    assert_eq!(guardians.as_array().unwrap().len(), 1);
    let log = admin.get("/api/admin/audit").await.expect(200);
    let line = |at: usize| {
        let line = &log["data"][at];
        format!("{} {} {}", line["action"], line["target"], line["detail"]).replace('"', "")
    };
    assert_eq!(line(0), "person.children gus -kim");
    assert_eq!(line(1), "person.guardians kim +tea +gus");
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_place() {
    let (t, admin) = family().await;
    for (links, field) in [
        (json!([{ "id": "gus" }, { "id": "kim" }]), "guardians[1].id"),
        (json!([{ "id": "nobody" }]), "guardians[0].id"),
        (json!([{ "id": "gus" }, { "id": "gus" }]), "guardians[1].id"),
        (
            json!([{ "id": "gus", "from": "2026-02-30" }]),
            "guardians[0].from",
        ),
        (
            json!([{ "id": "gus", "from": "2026-09-02", "until": "2026-09-01" }]),
            "guardians[0].until",
        ),
        (
            json!([{ "id": "gus", "priority": 0 }]),
            "guardians[0].priority",
        ),
        (
            json!([{ "id": "gus", "kind": "a\nb" }]),
            "guardians[0].kind",
        ),
        (
            (0..40).map(|n| json!({ "id": format!("g{n}") })).collect(),
            "guardians",
        ),
    ] {
        put(&admin, KIM, links).await.invalid(field);
    }
    assert_eq!(list(&admin, KIM).await, json!([]), "nothing half done");
    // A teacher is nobody's child; a pupil may be a guardian, but not of their own guardian.
    put(
        &admin,
        "/api/admin/people/tea/guardians",
        json!([{ "id": "gus" }]),
    )
    .await
    .invalid("guardians[0].id");
    t.student("lee").await;
    t.student("max").await;
    for (child, guardian) in [("kim", "lee"), ("lee", "max")] {
        let path = format!("/api/admin/people/{child}/guardians");
        put(&admin, &path, json!([{ "id": guardian }]))
            .await
            .expect(200);
    }
    let circle = put(
        &admin,
        "/api/admin/people/max/guardians",
        json!([{ "id": "kim" }]),
    )
    .await;
    circle.invalid("guardians[0].id");
}

/// What an administrator locked or ended is not for the school's program to change.
#[tokio::test]
async fn a_program_leaves_what_is_held() {
    let (t, admin) = family().await;
    let key = t.key_for(Scope::Roster).await;
    let by_key = |links: Value| {
        let body = Some(json!({ "guardians": links }));
        t.call("PUT", KIM, &key, body)
    };
    let gus = json!({ "id": "gus", "kind": null, "contact": true, "locked": true });
    put(&admin, KIM, json!([gus, { "id": "tea" }]))
        .await
        .expect(200);
    by_key(json!([{ "id": "tea" }])).await.invalid("guardians");
    by_key(json!([{ "id": "gus", "locked": false }, { "id": "tea" }]))
        .await
        .invalid("guardians[0].id");
    // As it is, it may be named.
    by_key(json!([gus])).await.expect(200);
    by_key(json!([gus, { "id": "tea" }])).await.expect(200);
    // Ended by hand: the program does not make it again, and the administrator does.
    put(&admin, KIM, json!([gus])).await.expect(200);
    by_key(json!([gus, { "id": "tea" }]))
        .await
        .invalid("guardians[1].id");
    put(&admin, KIM, json!([gus, { "id": "tea" }]))
        .await
        .expect(200);
    assert_eq!(list(&admin, KIM).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn facts_are_set_and_taken_away() {
    let (_t, admin) = family().await;
    let kim = "/api/admin/people/kim";
    let facts = json!({ "grade": "5", "adultFrom": "2033-04-01", "phones": ["+49 30 123456", "+49 30 123456"] });
    let set = admin.put_json(kim, facts).await.expect(200);
    let seen = |answer: &Value| {
        let account = &answer["data"];
        json!([account["grade"], account["adultFrom"], account["phones"]])
    };
    assert_eq!(seen(&set), json!(["05", "2033-04-01", ["+49 30 123456"]]));
    let named = admin.put_json(kim, json!({ "name": "Kim Lee" })).await;
    assert_eq!(
        seen(&named.expect(200)),
        seen(&set),
        "what is left out stays"
    );
    let away = json!({ "grade": "", "adultFrom": "", "phones": [] });
    let away = admin.put_json(kim, away).await.expect(200);
    assert_eq!(seen(&away), json!([null, null, []]));
    for (body, field) in [
        (json!({ "grade": "Year 5" }), "grade"),
        (json!({ "adultFrom": "tomorrow" }), "adultFrom"),
        (json!({ "phones": ["call me"] }), "phones"),
        (json!({ "phones": ["1234567890123456"] }), "phones"),
    ] {
        admin.put_json(kim, body).await.invalid(field);
    }
    let body = json!({ "username": "new", "name": "New", "role": "student", "grade": "KG", "phones": ["112"] });
    let added = admin.post("/api/admin/people", body).await.expect(201);
    assert_eq!(seen(&added), json!(["KG", null, ["112"]]));
}

#[tokio::test]
async fn members_lead_and_come_and_go_by_day() {
    let (t, admin) = family().await;
    let group = json!({ "id": "5a", "name": "5a", "kind": "class" });
    admin.post("/api/admin/groups", group).await.expect(201);
    let members = "/api/admin/groups/5a/members";
    // The tests begin on 2026-11-22.
    let add = json!({ "add": ["tea", { "id": "gus", "lead": true }, { "id": "kim", "until": "2026-11-22" }] });
    let changed = admin.put_json(members, add).await.expect(200);
    assert_eq!(
        changed["data"],
        json!({ "added": 3, "changed": 0, "removed": 0 })
    );
    let seen = admin.get(members).await.expect(200);
    let seen: Vec<String> = seen["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {}", one["id"], one["lead"], one["until"]).replace('"', ""))
        .collect();
    assert_eq!(
        seen,
        ["tea true null", "gus false null", "kim false 2026-11-22"],
        "a teacher leads a class by being one, and a guardian never does"
    );

    let reached = || async {
        let audience = json!({ "groups": ["5a"] });
        let preview = admin.post("/api/admin/announcements/audience", audience);
        preview.await.expect(200)["data"]["count"].take()
    };
    assert_eq!(reached().await, 3);
    t.clock.advance(std::time::Duration::from_secs(86_400));
    assert_eq!(reached().await, 2, "the last day is over");

    let again = json!({ "add": ["kim", { "id": "tea", "lead": false }], "remove": ["gus"] });
    let changed = admin.put_json(members, again).await.expect(200);
    assert_eq!(
        changed["data"],
        json!({ "added": 0, "changed": 1, "removed": 1 })
    );
    assert_eq!(
        reached().await,
        1,
        "an id alone leaves the days as they are"
    );
    let wrong = json!({ "add": [{ "id": "tea", "from": "soon" }] });
    admin.put_json(members, wrong).await.invalid("add.from");
}

#[tokio::test]
async fn a_day_begins_where_the_school_is() {
    let t = TestApp::with(|config| {
        config.school.time_zone = Some("Pacific/Auckland".parse().unwrap());
    });
    // 2026-11-22T09:30Z is the 22nd there, and three hours later the 23rd.
    assert_eq!(t.app.calendar.today().to_string(), "2026-11-22");
    t.clock.advance(std::time::Duration::from_secs(3 * 3_600));
    assert_eq!(t.app.calendar.today().to_string(), "2026-11-23");
}
