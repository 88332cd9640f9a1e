//! Who becomes a lead, and how it ends.

use schoolbell::model::users::Role;
use serde_json::json;

use super::{data, list, set_duties, told, two_leads};
use crate::helpers::{Person, TestApp};

async fn states(person: &Person) -> Vec<(String, String)> {
    let leads = list(person, "/api/safeguarding/leads").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    leads
        .iter()
        .map(|lead| (text(&lead["user"]["id"]), text(&lead["state"])))
        .collect()
}

fn of(id: &str, state: &str) -> (String, String) {
    (id.to_owned(), state.to_owned())
}

#[tokio::test]
async fn the_first_lead_is_one_at_once_and_each_other_when_a_lead_confirms_it() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let lea = t.person("lea", Role::Staff).await;
    let max = t.person("max", Role::Teacher).await;
    lea.get("/api/safeguarding/reports")
        .await
        .refused(403, "role_not_allowed");
    // A grant must be confirmed, like all that lets somebody in.
    let body = json!({ "duties": ["safeguarding"] });
    t.call("PUT", "/api/admin/people/lea", &admin.token, Some(body))
        .await
        .refused(403, "confirmation_required");
    let lead = set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    assert_eq!(lead["data"]["duties"], json!(["safeguarding"]));
    assert_eq!(lead["data"]["unconfirmedDuties"], json!([]));
    lea.get("/api/safeguarding/reports").await.expect(200);
    // Once more changes nothing.
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);

    let granted = set_duties(&admin, "max", &["safeguarding"])
        .await
        .expect(200);
    assert_eq!(
        granted["data"]["unconfirmedDuties"],
        json!(["safeguarding"])
    );
    assert_eq!(
        states(&lea).await,
        [of("lea", "active"), of("max", "pending")]
    );
    assert_eq!(told(&lea).await, ["safeguarding.lead_to_confirm"]);
    max.get("/api/safeguarding/reports")
        .await
        .refused(403, "role_not_allowed");
    for who in [&max, &admin] {
        who.post("/api/safeguarding/leads/max/confirm", json!({}))
            .await
            .refused(403, "role_not_allowed");
    }
    let confirm = "/api/safeguarding/leads/max/confirm";
    let confirmed = lea.post(confirm, json!({})).await.expect(200);
    assert_eq!(confirmed["data"]["confirmedBy"], "user:lea");
    max.get("/api/safeguarding/reports").await.expect(200);
    lea.post(confirm, json!({}))
        .await
        .refused(404, "user_not_found");
    lea.post("/api/safeguarding/leads/nobody/confirm", json!({}))
        .await
        .refused(404, "user_not_found");

    set_duties(&admin, "lea", &[]).await.expect(200);
    assert!(
        told(&max)
            .await
            .contains(&"safeguarding.lead_revoked".to_owned())
    );
    lea.get("/api/safeguarding/reports")
        .await
        .refused(403, "role_not_allowed");
}

#[tokio::test]
async fn a_lead_is_a_teacher_or_a_member_of_staff() {
    let t = TestApp::new();
    let (admin, _, _) = two_leads(&t).await;
    for (name, role) in [
        ("pia", Role::Student),
        ("gus", Role::Guardian),
        ("ada", Role::Admin),
    ] {
        t.person(name, role).await;
        set_duties(&admin, name, &["safeguarding"])
            .await
            .invalid("duties");
    }
    // Who is none of both any more is no lead any more.
    let path = "/api/admin/people/max";
    let changed = admin
        .put_json(path, json!({ "role": "guardian" }))
        .await
        .expect(200);
    assert_eq!(changed["data"]["duties"], json!([]));
    // No program makes leads.
    let key = t.key_for(schoolbell::model::keys::Scope::Roster).await;
    t.call(
        "PUT",
        "/api/admin/people/lea",
        &key,
        Some(json!({ "duties": [] })),
    )
    .await
    .refused(403, "api_key_not_allowed");
}

#[tokio::test]
async fn a_new_way_in_suspends_a_lead_until_another_confirms_them() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    let name = json!({ "username": "max" });
    admin
        .put_json("/api/admin/people/max", name)
        .await
        .expect(200);
    admin
        .post("/api/admin/people/max/password-link", json!({}))
        .await
        .expect(201);
    assert_eq!(
        states(&lea).await,
        [of("lea", "active"), of("max", "suspended")]
    );
    max.get("/api/safeguarding/reports")
        .await
        .refused(403, "role_not_allowed");
    assert_eq!(told(&lea).await[0], "safeguarding.lead_suspended");
    lea.post("/api/safeguarding/leads/max/confirm", json!({}))
        .await
        .expect(200);
    max.get("/api/safeguarding/reports").await.expect(200);
    // So does an identity of another issuer, and an address that a new password can be mailed to.
    let identity = json!({ "identities": [{ "issuer": "https://id.example", "subject": "x" }] });
    admin
        .put_json("/api/admin/people/max/identities", identity)
        .await
        .expect(200);
    assert_eq!(states(&lea).await[1], of("max", "suspended"));
    lea.post("/api/safeguarding/leads/max/confirm", json!({}))
        .await
        .expect(200);
    let email = json!({ "email": "other@school.example" });
    admin
        .put_json("/api/admin/people/max", email)
        .await
        .expect(200);
    assert_eq!(states(&lea).await[1], of("max", "suspended"));

    // The only one goes on: otherwise nobody could let them in again.
    let name = json!({ "username": "lea" });
    admin
        .put_json("/api/admin/people/lea", name)
        .await
        .expect(200);
    admin
        .post("/api/admin/people/lea/password-link", json!({}))
        .await
        .expect(201);
    assert_eq!(states(&lea).await[0], of("lea", "active"));
}

#[tokio::test]
async fn an_administrator_reads_no_chat() {
    let t = TestApp::new();
    let (admin, lea, _) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    let sent = ann.write(&bob, "between us").await;
    let id = sent["id"].as_str().unwrap();
    admin
        .delete(&format!("/api/messages/{id}"))
        .await
        .refused(404, "message_not_found");
    for path in ["reports", "holds", "no-contact", "audit"] {
        admin
            .get(&format!("/api/safeguarding/{path}"))
            .await
            .refused(403, "role_not_allowed");
        lea.get(&format!("/api/safeguarding/{path}"))
            .await
            .expect(200);
    }
    let history = data(&admin, "/api/messages/conversation/ann").await;
    assert_eq!(history, json!([]));
}
