//! Who becomes a lead, and how it ends.

use schoolbell::model::users::Role;
use serde_json::json;

use super::{data, list, set_duties, told, two_leads};
use crate::helpers::{Person, SECRET, START, TestApp};

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

/// A lead's duty would be worth nothing if whoever signs the app's tokens were one.
#[tokio::test]
async fn no_token_of_the_schools_app_acts_for_a_lead() {
    let t = TestApp::with(|config| config.auth.link_by = schoolbell::config::LinkBy::Id);
    let admin = t.admin().await;
    let lea = t.person("lea", Role::Staff).await;
    let claims =
        json!({ "userId": "lea", "iat": START.seconds() - 1, "exp": START.seconds() + 600 });
    let token = crate::tokens::hs256(&claims, SECRET);
    let me = async || t.call("GET", "/api/auth/me", &token, None).await;
    me().await.expect(200);
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    me().await.refused(401, "not_linked");
    lea.get("/api/safeguarding/reports").await.expect(200);
    set_duties(&admin, "lea", &[]).await.expect(200);
    me().await.expect(200);
}

/// One administrator could log in as either of two leads, whom each confirms for the other.
#[tokio::test]
async fn who_could_be_both_leads_is_no_two_people() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    t.pair().await;
    for name in ["max", "lea"] {
        t.clock.advance(std::time::Duration::from_secs(60));
        let path = format!("/api/admin/people/{name}/password-link");
        t.again(&admin)
            .await
            .post(&path, json!({}))
            .await
            .expect(201);
    }
    let lea = t.again(&lea).await;
    lea.post("/api/safeguarding/leads/max/confirm", json!({}))
        .await
        .refused(403, "same_person");
    assert!(
        told(&lea)
            .await
            .contains(&"safeguarding.lead_reset".to_owned())
    );
    // Somebody else had nothing to do with either.
    let other = t.person("other", Role::Admin).await;
    let review = json!({ "userIds": ["ann", "bob"], "reason": "x" });
    let review = lea
        .post("/api/safeguarding/reviews", review)
        .await
        .expect(201);
    let path = format!(
        "/api/safeguarding/reviews/{}/approve",
        review["data"]["id"].as_str().unwrap()
    );
    t.again(&admin)
        .await
        .post(&path, json!({}))
        .await
        .refused(403, "same_person");
    other.post(&path, json!({})).await.expect(200);
    drop(max);
}

#[tokio::test]
async fn an_administrator_does_not_approve_where_a_key_gave_a_way_in() {
    let t = TestApp::new();
    let (_, lea, max) = two_leads(&t).await;
    t.pair().await;
    let key = t.key_for(schoolbell::model::keys::Scope::Roster).await;
    let email = json!({ "email": "somebody@example.org" });
    t.call("PUT", "/api/admin/people/lea", &key, Some(email))
        .await
        .expect(200);
    max.post("/api/safeguarding/leads/lea/confirm", json!({}))
        .await
        .expect(200);
    let review = json!({ "userIds": ["ann", "bob"], "reason": "x" });
    let review = lea
        .post("/api/safeguarding/reviews", review)
        .await
        .expect(201);
    let path = format!(
        "/api/safeguarding/reviews/{}/approve",
        review["data"]["id"].as_str().unwrap()
    );
    let other = t.person("other", Role::Admin).await;
    other
        .post(&path, json!({}))
        .await
        .refused(403, "same_person");
    max.post(&path, json!({})).await.expect(200);
}

#[tokio::test]
async fn that_a_lead_is_shut_out_is_told() {
    let t = TestApp::new();
    let (admin, lea, _) = two_leads(&t).await;
    let body = json!({ "disabled": true });
    admin
        .put_json("/api/admin/people/max", body)
        .await
        .expect(200);
    assert_eq!(told(&lea).await[0], "safeguarding.lead_revoked");
}

#[tokio::test]
async fn the_checks_warn_while_nobody_or_one_alone_sees_what_is_reported() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let leads = async || data(&admin, "/api/admin/checks").await["leads"].clone();
    assert_eq!(
        leads().await,
        json!(null),
        "without pupils there is nobody to report"
    );
    t.student("ann").await;
    assert_eq!(leads().await, 0);
    let lea = t.person("lea", Role::Staff).await;
    set_duties(&admin, "lea", &["safeguarding"])
        .await
        .expect(200);
    assert_eq!(leads().await, 1);
    let config = t.app.config.clone();
    let finding = async || {
        let all = schoolbell::ops::check::run(&config).await;
        let found = all
            .into_iter()
            .find(|finding| finding.what == "safeguarding");
        let found = found.unwrap();
        (found.incomplete, found.outcome.unwrap())
    };
    let (incomplete, said) = finding().await;
    assert!(incomplete && said.contains("only one"), "{said}");
    // The only one leaves: nobody sees what is reported.
    schoolbell::service::users::set_disabled(&t.app, &lea.user, true)
        .await
        .unwrap();
    let (incomplete, said) = finding().await;
    assert!(
        incomplete && said.contains("no safeguarding lead"),
        "{said}"
    );
    assert_eq!(leads().await, 0);
}
