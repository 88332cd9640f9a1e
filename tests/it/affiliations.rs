//! Whose class somebody is in and whose parent somebody is: shown to whom it concerns, and to nobody else.

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::{Person, TestApp};

struct School {
    t: TestApp,
    admin: Person,
    people: std::collections::HashMap<&'static str, Person>,
}

impl School {
    /// 5a: kim, taught by tess. 5b: lee, taught by tom. Pat is the guardian of both, quinn of lee without contact.
    async fn open() -> Self {
        let t = TestApp::new();
        let admin = t.admin().await;
        let mut people = std::collections::HashMap::new();
        for (name, role) in [
            ("kim", Role::Student),
            ("lee", Role::Student),
            ("zed", Role::Student),
            ("tess", Role::Teacher),
            ("tom", Role::Teacher),
            ("pat", Role::Guardian),
            ("quinn", Role::Guardian),
            ("sam", Role::Staff),
        ] {
            people.insert(name, t.person(name, role).await);
        }
        for (id, members) in [("5a", ["kim", "tess"]), ("5b", ["lee", "tom"])] {
            let group = json!({ "id": id, "name": id, "kind": "class" });
            admin.post("/api/admin/groups", group).await.expect(201);
            let path = format!("/api/admin/groups/{id}/members");
            admin
                .put_json(&path, json!({ "add": members }))
                .await
                .expect(200);
        }
        let links = |ids: Value| json!({ "children": ids });
        for (guardian, children) in [
            ("pat", json!([{ "id": "kim" }, { "id": "lee" }])),
            ("quinn", json!([{ "id": "lee", "contact": false }])),
        ] {
            let path = format!("/api/admin/people/{guardian}/children");
            admin.put_json(&path, links(children)).await.expect(200);
        }
        School { t, admin, people }
    }

    async fn seen(&self, viewer: &str, who: &str) -> (Value, Value) {
        let viewer = match viewer {
            "admin" => &self.admin,
            name => &self.people[name],
        };
        let one = viewer.get(&format!("/api/users/{who}")).await.expect(200)["data"].clone();
        // A list says the same.
        let list = viewer
            .get(&format!("/api/users?search={who}"))
            .await
            .expect(200);
        let listed = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|user| user["id"] == who);
        if viewer.user.id().as_str() != who {
            let listed = listed.unwrap();
            assert_eq!(
                (&listed["classes"], &listed["children"]),
                (&one["classes"], &one["children"])
            );
        }
        (one["classes"].clone(), one["children"].clone())
    }
}

fn child(id: &str, class: &str) -> Value {
    json!({ "id": id, "name": format!("{id} of the school"), "classes": [class] })
}

#[tokio::test]
async fn each_sees_what_concerns_them() {
    let s = School::open().await;
    let nothing = (Value::Null, Value::Null);
    let classes = |names: Value| (names, Value::Null);
    let both = (Value::Null, json!([child("kim", "5a"), child("lee", "5b")]));
    for (viewer, who, expected) in [
        // The office sees all.
        ("admin", "kim", classes(json!(["5a"]))),
        ("sam", "pat", both.clone()),
        ("sam", "quinn", (Value::Null, json!([child("lee", "5b")]))),
        ("sam", "tess", classes(json!(["5a"]))),
        // A teacher sees their own pupils and these pupils' guardians, and of these the pupils that are theirs.
        ("tess", "kim", classes(json!(["5a"]))),
        ("tess", "lee", nothing.clone()),
        ("tess", "pat", (Value::Null, json!([child("kim", "5a")]))),
        ("tess", "quinn", nothing.clone()),
        ("tess", "tom", nothing.clone()),
        // A pupil sees of a teacher what they teach them.
        ("kim", "tess", classes(json!(["5a"]))),
        ("kim", "tom", nothing.clone()),
        ("kim", "lee", nothing.clone()),
        ("kim", "pat", nothing.clone()),
        ("zed", "tess", nothing.clone()),
        // A guardian sees it of themselves, of their children, and of these children's teachers.
        ("pat", "pat", both.clone()),
        ("pat", "kim", classes(json!(["5a"]))),
        ("pat", "tom", classes(json!(["5b"]))),
        ("pat", "quinn", nothing.clone()),
        // Without contact there is no relation.
        ("quinn", "lee", nothing.clone()),
        ("quinn", "tom", nothing.clone()),
    ] {
        assert_eq!(s.seen(viewer, who).await, expected, "{viewer} sees {who}");
    }
}

#[tokio::test]
async fn conversations_say_it_too_and_days_count() {
    let s = School::open().await;
    let (tess, pat) = (&s.people["tess"], &s.people["pat"]);
    pat.write(tess, "good morning").await;
    let partner = async |viewer: &Person| {
        let list = viewer.get("/api/messages/conversations").await.expect(200);
        list["data"][0]["partner"].clone()
    };
    assert_eq!(partner(tess).await["children"], json!([child("kim", "5a")]));
    assert_eq!(partner(pat).await["classes"], json!(["5a"]));
    // A message has a name alone.
    let history = tess.get("/api/messages/conversation/pat").await.expect(200);
    assert_eq!(history["data"][0]["sender"].as_object().unwrap().len(), 3);
    let ended = json!({ "children": [{ "id": "kim", "until": "2026-11-22" }, { "id": "lee" }] });
    s.admin
        .put_json("/api/admin/people/pat/children", ended)
        .await
        .expect(200);
    assert_eq!(partner(pat).await["classes"], json!(["5a"]));
    s.t.pass(std::time::Duration::from_secs(24 * 3_600));
    let (tess, pat) = (s.t.again(tess).await, s.t.again(pat).await);
    assert_eq!(partner(&tess).await.get("children"), None);
    assert_eq!(partner(&pat).await.get("classes"), None);
}

#[tokio::test]
async fn a_pupil_who_is_of_age_decides_which_links_hold() {
    let s = School::open().await;
    let (kim, tess) = (&s.people["kim"], &s.people["tess"]);
    let own = async || kim.get("/api/auth/guardians").await.expect(200)["data"].clone();
    let agree = async |agreed: bool| {
        let body = json!({ "agreed": agreed });
        kim.put_json("/api/auth/guardians/pat", body).await
    };
    assert_eq!(own().await["ofAge"], false);
    assert_eq!(agree(true).await.expect(403)["code"], "not_of_age");
    let of_pat = async || tess.get("/api/users/pat").await.expect(200)["data"]["children"].clone();
    assert_eq!(of_pat().await, json!([child("kim", "5a")]));

    let tomorrow = json!({ "adultFrom": "2026-11-23" });
    s.admin
        .put_json("/api/admin/people/kim", tomorrow)
        .await
        .expect(200);
    assert_eq!(of_pat().await, json!([child("kim", "5a")]));
    s.t.pass(std::time::Duration::from_secs(24 * 3_600));
    let again = async |person: &Person| s.t.again(person).await;
    let (kim, tess) = (&again(kim).await, &again(tess).await);
    let own = async || kim.get("/api/auth/guardians").await.expect(200)["data"].clone();
    let of_pat = async || {
        tess.get("/api/users/pat").await.expect(200)["data"]
            .get("children")
            .cloned()
    };
    assert_eq!(
        of_pat().await,
        None,
        "the day has come, and nobody has agreed"
    );
    let expected = json!({ "adultFrom": "2026-11-23", "ofAge": true,
        "guardians": [{ "id": "pat", "name": "pat of the school", "kind": null, "agreed": false }] });
    assert_eq!(own().await, expected);
    let agree = async |who: &str, agreed: bool| {
        let body = json!({ "agreed": agreed });
        kim.put_json(&format!("/api/auth/guardians/{who}"), body)
            .await
    };
    agree("pat", true).await.expect(200);
    assert_eq!(of_pat().await, Some(json!([child("kim", "5a")])));
    agree("quinn", true).await.expect(404);
    agree("nobody", true).await.expect(404);

    // The office changes what the link says, and the agreement stays; once it has ended it is another link.
    let admin = again(&s.admin).await;
    let path = "/api/admin/people/kim/guardians";
    let set = async |links: Value| {
        admin
            .put_json(path, json!({ "guardians": links }))
            .await
            .expect(200)["data"]
            .clone()
    };
    let changed = set(json!([{ "id": "pat", "kind": "mother" }])).await;
    assert_eq!(changed["guardians"][0]["agreed"], true);
    set(json!([])).await;
    let made_again = set(json!([{ "id": "pat" }])).await;
    assert_eq!(made_again["guardians"][0]["agreed"], false);
    agree("pat", true).await.expect(200);
    agree("pat", false).await.expect(200);
    assert_eq!(of_pat().await, None);
    let log = admin.get("/api/admin/audit").await.expect(200);
    let said: Vec<&str> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["detail"].as_str())
        .collect();
    assert!(
        said.contains(&"agreed to pat") && said.contains(&"does not agree to pat"),
        "{said:?}"
    );
}

#[tokio::test]
async fn telephone_numbers_are_for_the_office_alone() {
    let s = School::open().await;
    let body = json!({ "phones": ["+49 30 1234"] });
    s.admin
        .put_json("/api/admin/people/pat", body)
        .await
        .expect(200);
    for (viewer, sees) in [
        ("admin", true),
        ("sam", true),
        ("tess", false),
        ("kim", false),
        ("pat", false),
    ] {
        let viewer = if viewer == "admin" {
            &s.admin
        } else {
            &s.people[viewer]
        };
        let one = viewer.get("/api/users/pat").await.expect(200);
        let list = viewer.get("/api/users?search=pat").await.expect(200);
        assert_eq!(one["data"].get("phones").is_some(), sees, "{one}");
        assert_eq!(
            list.to_string().contains("1234"),
            sees && viewer.user.id().as_str() != "pat"
        );
    }
}
