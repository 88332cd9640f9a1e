//! Figures for charts, by hour.

use std::time::Duration;

use serde_json::json;

use crate::helpers::TestApp;

#[tokio::test]
async fn what_happens_is_counted_in_its_hour_and_outlives_the_process() {
    let (t, service) = TestApp::with_push().await;
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let cid = t.student("cid").await;
    t.subscribe(&service, &bob, "phone").await;
    let (mut socket, _) = cid.connect().await;
    ann.write(&bob, "to a phone").await;
    ann.write(&cid, "to a socket").await;
    socket.await_event("new_message").await;
    service.next().await;
    t.drained().await;
    t.clock.advance(Duration::from_secs(3_600));
    let key = t.key().await;
    let body = json!({ "userIds": ["ann", "cid"], "type": "x", "title": "T", "message": "M" });
    t.call("POST", "/api/notifications", &key, Some(body))
        .await
        .expect(201);

    let overview = admin.get("/api/admin/overview?hours=24").await.expect(200)["data"].clone();
    let hours = overview["hours"].as_array().unwrap();
    let last = hours.len() - 1;
    let of = |hour: usize| {
        ["messages", "notifications", "live", "pushed", "missed"]
            .map(|key| hours[hour][key].as_i64().unwrap())
    };
    // The first hour was counted when the second had begun, unless somebody looked or the worker wrote it down.
    let sum = (0..hours.len()).map(of).fold([0; 5], |mut sum, hour| {
        sum.iter_mut().zip(hour).for_each(|(a, b)| *a += b);
        sum
    });
    assert_eq!(sum, [2, 2, 2, 1, 1]);
    let services = hours.iter().find_map(|hour| hour["services"].get("other"));
    assert_eq!(services, Some(&json!({ "sent": 1, "failed": 0 })));
    let latency = hours[last]["latency"].as_object().unwrap();
    assert!(!latency.is_empty());
    assert_eq!(overview["now"]["online"], 1);
    assert_eq!(overview["now"]["people"], 4);
    let stored = t
        .app
        .store
        .read(|c| schoolbell::store::stats::since(c, 0))
        .await
        .unwrap();
    assert!(
        stored
            .iter()
            .any(|(_, name, value)| name == "message" && *value == 2)
    );
    admin
        .get("/api/admin/overview?hours=0")
        .await
        .invalid("hours");
    admin
        .get("/api/admin/overview?hours=9601")
        .await
        .expect(200);
}
