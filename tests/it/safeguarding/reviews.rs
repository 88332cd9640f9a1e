//! Reviews: two keys, a countdown, and a line for each look.

use std::time::Duration;

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use super::{actions, list, set_duties, told, two_leads};
use crate::helpers::{Answer, Person, TestApp};

const REVIEWS: &str = "/api/safeguarding/reviews";

async fn ask(lead: &Person, users: [&str; 2], urgent: bool) -> Answer {
    let body = json!({ "userIds": users, "reason": "A report of bullying", "urgent": urgent });
    lead.post(REVIEWS, body).await
}

fn of(review: &Value, what: &str) -> String {
    format!("{REVIEWS}/{}/{what}", review["id"].as_str().unwrap())
}

async fn approve(who: &Person, review: &Value) -> Answer {
    who.post(&of(review, "approve"), json!({})).await
}

#[tokio::test]
async fn a_lead_reads_once_a_second_one_has_approved() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "first").await;
    let taken = bob.write(&ann, "taken back").await;
    bob.delete(&format!("/api/messages/{}", taken["id"].as_str().unwrap()))
        .await
        .expect(200);
    ann.put("/api/users/bob/block").await.expect(200);
    bob.write(&ann, "to one who blocks").await;

    let review = ask(&lea, ["ann", "bob"], false).await.expect(201)["data"].clone();
    assert_eq!(review["state"], "waiting");
    assert_eq!(told(&max).await[0], "safeguarding.review_asked");
    let messages = of(&review, "messages");
    lea.get(&messages).await.refused(403, "review_not_open");
    approve(&lea, &review).await.refused(403, "same_person");
    for nobody in [&ann, &admin] {
        nobody.get(&messages).await.refused(403, "role_not_allowed");
    }
    let approved = approve(&max, &review).await.expect(200)["data"].clone();
    assert_eq!(approved["state"], "open");
    assert_eq!(approved["approvedBy"]["id"], "max");
    approve(&max, &review)
        .await
        .refused(409, "already_approved");
    // The lead who approves does not read.
    max.get(&messages).await.refused(403, "review_not_open");

    let read = lea.get(&format!("{messages}?limit=2")).await.expect(200);
    let texts = |page: &Value| -> Vec<String> {
        let all = page["data"].as_array().unwrap().iter();
        all.map(|m| m["content"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(&read), ["to one who blocks", "taken back"]);
    assert_eq!(read["data"][0]["hidden"], true);
    assert_eq!(read["data"][1]["removed"]["by"], "sender");
    let before = read["paging"]["before"].as_str().unwrap();
    let rest = lea
        .get(&format!("{messages}?before={before}"))
        .await
        .expect(200);
    assert_eq!(texts(&rest), ["first"]);
    // Each look is a line, which administrators see, without a reason.
    assert_eq!(
        actions(&admin).await[..4],
        ["review.look", "review.look", "review.approve", "review.ask"]
    );
    let seen = list(&admin, REVIEWS).await;
    assert!(seen[0].get("reason").is_none(), "{seen:?}");
    assert_eq!(
        list(&max, REVIEWS).await[0]["reason"],
        "A report of bullying"
    );

    // Nobody is told until a lead decides so, and the leads are reminded after 30 days.
    t.clock.advance(Duration::from_secs(72 * 3_600));
    let lea = t.again(&lea).await;
    lea.get(&messages).await.refused(403, "review_not_open");
    assert_eq!(list(&lea, REVIEWS).await[0]["state"], "ended");
    assert!(
        !told(&t.again(&ann).await)
            .await
            .contains(&"safeguarding.you_were_read".to_owned())
    );
    let remind = schoolbell::service::safeguarding::reviews::remind;
    remind(&t.app).await.unwrap();
    assert!(
        !told(&lea)
            .await
            .contains(&"safeguarding.review_untold".to_owned())
    );
    t.clock.advance(Duration::from_secs(27 * 86_400 + 60));
    let lea = t.again(&lea).await;
    remind(&t.app).await.unwrap();
    remind(&t.app).await.unwrap();
    let reminded = told(&lea).await;
    assert_eq!(
        reminded
            .iter()
            .filter(|kind| *kind == "safeguarding.review_untold")
            .count(),
        1
    );
    lea.post(&of(&review, "tell"), json!({})).await.expect(200);
    lea.post(&of(&review, "tell"), json!({})).await.expect(200);
    for person in [&ann, &bob] {
        let told = told(&t.again(person).await).await;
        assert_eq!(told, ["safeguarding.you_were_read"]);
    }
}

#[tokio::test]
async fn an_urgent_review_opens_at_once_and_is_approved_afterwards() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    let (ann, bob) = t.pair().await;
    ann.write(&bob, "words").await;
    let review = ask(&lea, ["bob", "ann"], true).await.expect(201)["data"].clone();
    assert_eq!(
        (&review["state"], &review["needsApproval"]),
        (&json!("open"), &json!(true))
    );
    assert_eq!(told(&max).await[0], "safeguarding.review_urgent");
    lea.get(&of(&review, "messages")).await.expect(200);
    t.clock.advance(Duration::from_secs(24 * 3_600));
    let (lea, admin) = (t.again(&lea).await, t.again(&admin).await);
    lea.get(&of(&review, "messages"))
        .await
        .refused(403, "review_not_open");
    assert_eq!(
        list(&lea, REVIEWS).await[0]["needsApproval"],
        true,
        "red until then"
    );
    // The administrator has granted the duty a day ago.
    approve(&admin, &review).await.refused(403, "same_person");
    t.clock.advance(Duration::from_secs(30 * 86_400));
    let admin = t.again(&admin).await;
    let approved = approve(&admin, &review).await.expect(200);
    assert_eq!(approved["data"]["needsApproval"], false);
    assert_eq!(
        approved["data"]["state"], "ended",
        "it opens nothing any more"
    );
}

#[tokio::test]
async fn nobody_approves_for_somebody_they_made() {
    let t = TestApp::new();
    let admin = t.admin().await;
    // The administrator makes a lead, enters as them, and would approve for them.
    let new = json!({ "username": "eva", "name": "Eva", "role": "staff", "id": "eva" });
    admin.post("/api/admin/people", new).await.expect(201);
    set_duties(&admin, "eva", &["safeguarding"])
        .await
        .expect(200);
    let eva = schoolbell::model::ids::UserId::parse("eva").unwrap();
    let eva = schoolbell::service::users::known(&t.app, &eva)
        .await
        .unwrap();
    let eva = t.log_in(eva);
    t.pair().await;
    let review = ask(&eva, ["ann", "bob"], false).await.expect(201)["data"].clone();
    approve(&admin, &review).await.refused(403, "same_person");
    // Another administrator, who had nothing to do with it, may.
    let other = t.person("other", Role::Admin).await;
    approve(&other, &review).await.expect(200);
    // So it is with who gave them a new way in, or an import that brought them.
    let second = ask(&eva, ["ann", "bob"], false).await.expect(201)["data"].clone();
    other
        .post("/api/admin/people/eva/password-link", json!({}))
        .await
        .expect(201);
    approve(&other, &second).await.refused(403, "same_person");
}

#[tokio::test]
async fn nobody_reviews_their_own_conversation() {
    let t = TestApp::new();
    let (admin, lea, max) = two_leads(&t).await;
    t.student("ann").await;
    ask(&lea, ["lea", "ann"], false)
        .await
        .refused(403, "involved");
    ask(&lea, ["ann", "nobody"], false)
        .await
        .refused(404, "user_not_found");
    ask(&lea, ["ann", "ann"], false).await.invalid("userIds");
    lea.post(REVIEWS, json!({ "userIds": ["ann"], "reason": "x" }))
        .await
        .invalid("userIds");
    lea.post(REVIEWS, json!({ "userIds": ["ann", "max"], "reason": " " }))
        .await
        .invalid("reason");
    // Who is in it neither sees nor approves it.
    let review = ask(&lea, ["ann", "max"], false).await.expect(201)["data"].clone();
    assert!(list(&max, REVIEWS).await.is_empty());
    approve(&max, &review)
        .await
        .refused(404, "review_not_found");
    assert!(
        !told(&max)
            .await
            .contains(&"safeguarding.review_asked".to_owned())
    );
    let of_admin = ask(&lea, ["ann", "admin"], true).await.expect(201)["data"].clone();
    assert_eq!(list(&admin, REVIEWS).await.len(), 1);
    approve(&admin, &of_admin)
        .await
        .refused(404, "review_not_found");
}
