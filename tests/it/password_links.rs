//! Links by which people get in for the first time, for many at once.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::helpers::{Person, TestApp};

const LINKS: &str = "/api/admin/people/links";
const FILE: &str = "username,name,role,groups,children\n\
    kim,Kim,student,5a; 10b; Chess,\nlee,Lee,student,10b,\nzed,Zed,student,,\n\
    pat,Pat,guardian,,kim;lee\ntess,Tess,teacher,5a,\n";

async fn school() -> (TestApp, Person) {
    let t = TestApp::with(|config| config.school.name = "Hill <School>".into());
    let admin = t.admin().await;
    let preview = "/api/admin/roster/preview";
    let shown = admin.post_csv(preview, FILE.as_bytes()).await.expect(200);
    let digest = shown["data"]["digest"].as_str().unwrap();
    let path = format!("/api/admin/roster?digest={digest}");
    admin.post_csv(&path, FILE.as_bytes()).await.expect(200);
    (t, admin)
}

/// The lines of the CSV file: class, username, children, link.
async fn links(admin: &Person, filter: Value) -> Vec<[String; 4]> {
    let body = json!({ "filter": filter, "days": 30, "format": "csv" });
    let answer = admin.post(LINKS, body).await;
    assert_eq!((answer.status, &*answer.text), (200, &*answer.text));
    let text = answer.text.trim_start_matches('\u{feff}').to_owned();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records = reader.records().map(Result::unwrap);
    records
        .map(|line| [&line[0], &line[3], &line[5], &line[6]].map(str::to_owned))
        .collect()
}

fn names(lines: &[[String; 4]]) -> Vec<&str> {
    lines.iter().map(|line| line[1].as_str()).collect()
}

#[tokio::test]
async fn each_gets_a_link_that_lets_them_in_once() {
    let (t, admin) = school().await;
    let lines = links(&admin, json!({ "hasPassword": false })).await;
    // Grown-ups of the school, then class by class, and guardians apart.
    let shown: Vec<[&str; 3]> = lines
        .iter()
        .map(|[class, username, children, _]| [&**class, &**username, &**children])
        .collect();
    assert_eq!(
        shown,
        [
            ["", "tess", ""],
            ["", "zed", ""],
            ["5a", "kim", ""],
            ["10b", "lee", ""],
            ["5a", "pat", "Kim (10b), Lee (10b)"],
        ]
    );
    let codes: HashSet<&str> = lines
        .iter()
        .map(|line| line[3].split('=').nth(1).unwrap())
        .collect();
    assert_eq!(codes.len(), 5);
    let log = admin.get("/api/admin/audit").await.expect(200);
    let line = &log["data"][0];
    assert_eq!(
        (&line["action"], &line["detail"]),
        (&json!("password.links"), &json!("5 links, for 30 days"))
    );
    assert_ne!(
        log["data"][1]["action"], "password.links",
        "one line for all"
    );

    let code = lines[2][3].split("#code=").nth(1).unwrap();
    let owner = "/api/auth/password-link/user";
    let whose = t
        .call("POST", owner, "", Some(json!({ "code": code })))
        .await;
    assert_eq!(
        whose.expect(200)["data"],
        json!({ "name": "Kim", "username": "kim" })
    );
    t.clock.advance(std::time::Duration::from_secs(29 * 86_400));
    let body = json!({ "code": code, "password": "blue heron on a kettle" });
    let redeemed = "/api/auth/password-link";
    t.call("POST", redeemed, "", Some(body.clone()))
        .await
        .expect(200);
    t.call("POST", redeemed, "", Some(body))
        .await
        .refused(401, "password_link_invalid");
    t.call("POST", owner, "", Some(json!({ "code": code })))
        .await
        .refused(401, "password_link_invalid");
    let log_in = json!({ "username": "kim", "password": "blue heron on a kettle" });
    t.call("POST", "/api/auth/login", "", Some(log_in))
        .await
        .expect(200);

    // Who has one already is not asked for again, and the link of before is no longer valid.
    let admin = t.log_in(admin.user.clone());
    let again = links(&admin, json!({ "hasPassword": false })).await;
    assert_eq!(names(&again), ["tess", "zed", "lee", "pat"]);
    let try_link = async |line: &[String; 4]| {
        let code = line[3].split("#code=").nth(1).unwrap();
        let body = json!({ "code": code, "password": "blue heron on a kettle" });
        t.call("POST", redeemed, "", Some(body)).await
    };
    try_link(&lines[0])
        .await
        .refused(401, "password_link_invalid");
    t.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    try_link(&again[0])
        .await
        .refused(401, "password_link_invalid");
}

#[tokio::test]
async fn a_filter_is_by_class_with_its_guardians_by_role_and_by_having_been_here() {
    let (_t, admin) = school().await;
    let groups = admin.get("/api/admin/groups").await.expect(200);
    let id = |name: &str| {
        let list = groups["data"].as_array().unwrap();
        list.iter().find(|group| group["name"] == name).unwrap()["id"].clone()
    };
    let of = |filter: Value| {
        let admin = &admin;
        async move {
            let lines = links(admin, filter).await;
            names(&lines).join(" ")
        }
    };
    assert_eq!(of(json!({ "groups": [id("5a")] })).await, "tess kim pat");
    assert_eq!(
        of(json!({ "groups": [id("10b")], "roles": ["guardian"] })).await,
        "pat"
    );
    assert_eq!(
        of(json!({ "roles": ["student"], "loggedIn": false })).await,
        "zed kim lee"
    );
    // Administrators only where that is said.
    assert_eq!(of(json!({ "roles": ["admin"] })).await, "admin");
    for (body, field) in [
        (
            json!({ "filter": { "loggedIn": true, "roles": ["guardian"] }, "days": 1, "format": "csv" }),
            "filter",
        ),
        (json!({ "filter": {}, "days": 0, "format": "csv" }), "days"),
        (json!({ "filter": {}, "days": 91, "format": "csv" }), "days"),
        (
            json!({ "filter": {}, "days": 1, "format": "pdf" }),
            "format",
        ),
        (
            json!({ "filter": { "groups": ["no group"] }, "days": 1, "format": "csv" }),
            "filter.groups",
        ),
    ] {
        admin.post(LINKS, body).await.invalid(field);
    }
}

#[tokio::test]
async fn slips_are_printed_by_class_and_in_the_language_of_each() {
    let (t, admin) = school().await;
    let pat = schoolbell::service::users::find(&t.app, &user_id(&admin, "pat").await).await;
    let pat = t.log_in(pat.unwrap().unwrap());
    let german = json!({ "language": "de" });
    pat.put_json("/api/notifications/preferences", german)
        .await
        .expect(200);
    let body = json!({ "filter": {}, "days": 30, "format": "html" });
    let page = admin.post(LINKS, body).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let text = &page.text;
    let headings: Vec<&str> = text
        .split("<h1>")
        .skip(1)
        .map(|rest| rest.split("</h1>").next().unwrap())
        .collect();
    assert_eq!(
        headings,
        [
            "Teachers and staff",
            "Pupils",
            "5a · Pupils",
            "10b · Pupils",
            "5a · Guardians"
        ]
    );
    assert_eq!(text.matches("<article").count(), 5);
    assert_eq!(text.matches("<svg").count(), 5);
    assert!(text.contains("Hill &lt;School&gt;") && !text.contains("Hill <School>"));
    // Two languages where the person's is another.
    assert_eq!(text.matches("Scannen Sie den Code").count(), 1);
    assert_eq!(text.matches("Scan the code").count(), 5);
    assert!(text.contains("until 2026-12-22"), "{text}");
}

async fn user_id(admin: &Person, username: &str) -> schoolbell::model::ids::UserId {
    let found = admin
        .get(&format!("/api/admin/people?search={username}"))
        .await
        .expect(200);
    schoolbell::model::ids::UserId::parse(found["data"][0]["id"].as_str().unwrap()).unwrap()
}
