//! Pages in the background: what they show nobody has seen, and other devices are pushed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{Device, Person, PushService, Socket, TestApp};

/// Moves the timers, which are not the clock, and lets workers see it.
async fn timers(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

const LONG: u64 = 61;
const ANNOUNCEMENTS: &str = "/api/admin/announcements";

/// Bob has a phone, and a laptop with a page that acknowledges and shows what arrives.
struct Setting {
    t: TestApp,
    service: PushService,
    ann: Person,
    bob: Person,
    laptop: Device,
    page: Socket,
}

impl Setting {
    async fn new() -> Self {
        let (t, service) = TestApp::with_push().await;
        let (ann, bob) = t.pair().await;
        t.subscribe(&service, &bob, "phone").await;
        let laptop = t.subscribe(&service, &bob, "laptop").await;
        let page = page(&bob).await;
        Setting {
            t,
            service,
            ann,
            bob,
            laptop,
            page,
        }
    }

    /// Ann writes, and the page acknowledges.
    async fn write(&mut self, content: &str) {
        self.ann.write(&self.bob, content).await;
        let message = self.page.await_event("new_message").await;
        let seq = &message["seq"];
        say(&mut self.page, "ack", json!({ "seq": seq, "shown": seq })).await;
    }

    async fn hide(&mut self) {
        let endpoint = &self.laptop.json()["endpoint"];
        let data = json!({ "hidden": true, "endpoint": endpoint });
        say(&mut self.page, "visibility", data).await;
        let told = self.page.await_event("looking").await;
        assert_eq!(told["looking"], false);
    }

    /// So many seconds pass, and the page is alive.
    async fn pass(&mut self, seconds: u64) {
        for past in (0..seconds).step_by(15) {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs((seconds - past).min(15))).await;
            tokio::time::resume();
            say(&mut self.page, "ping", json!({})).await;
            self.page.await_event("pong").await;
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }

    /// An announcement to Bob, which the page acknowledges.
    async fn announce(&mut self, admin: &Person) -> String {
        let audience = json!({ "userIds": ["bob"] });
        let body = json!({ "title": "Snow", "message": "School is closed.", "audience": audience });
        let made = admin.post(ANNOUNCEMENTS, body).await.expect(201);
        let note = self.page.await_event("notification").await;
        say(&mut self.page, "ack", json!({ "seq": note["seq"] })).await;
        made["data"]["id"].as_str().unwrap().to_owned()
    }

    /// The devices that are pushed, and what.
    async fn pushed(&self) -> Vec<(String, Value)> {
        self.t.drained().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let pushes = self.service.take().into_iter();
        let mut pushed: Vec<_> = pushes
            .map(|push| (push.device.clone(), push.payload["message"].clone()))
            .collect();
        pushed.sort_by_key(|(device, text)| (text.to_string(), device.clone()));
        pushed
    }
}

async fn page(person: &Person) -> Socket {
    let (mut page, _) = person.connect().await;
    let data = json!({ "token": person.token, "acks": true });
    say(&mut page, "auth", data).await;
    page
}

async fn say(socket: &mut Socket, event: &str, data: Value) {
    socket.send(json!({ "event": event, "data": data })).await;
}

fn to(device: &str, text: &str) -> (String, Value) {
    (device.into(), json!(text))
}

#[tokio::test]
async fn other_devices_are_pushed_after_a_minute_without_a_visible_page() {
    let mut s = Setting::new().await;
    s.write("seen").await;
    s.hide().await;
    s.write("shown by the page").await;
    assert_eq!(s.pushed().await, []);
    s.pass(30).await;
    assert_eq!(s.pushed().await, [], "half a minute is not long");
    s.pass(31).await;
    assert_eq!(s.pushed().await, [to("phone", "shown by the page")]);
    // From now on at once.
    s.write("and more").await;
    assert_eq!(s.pushed().await, [to("phone", "and more")]);
    // Nothing twice: neither after the page has gone, nor on the device that showed it.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    drop(s.page);
    while s.t.app.hub.is_connected(s.bob.user.key) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    s.t.drained().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(s.service.take().is_empty());
}

#[tokio::test]
async fn what_is_on_its_way_while_the_page_is_hidden_is_not_seen() {
    let mut s = Setting::new().await;
    s.ann.write(&s.bob, "on its way").await;
    s.page.await_event("new_message").await;
    s.hide().await;
    s.pass(LONG).await;
    // Its own device shows what arrives after it was hidden, and not this.
    let text = "on its way";
    assert_eq!(s.pushed().await, [to("laptop", text), to("phone", text)]);
}

#[tokio::test]
async fn who_looks_again_is_not_pushed() {
    let mut s = Setting::new().await;
    s.hide().await;
    s.write("a moment in another tab").await;
    say(&mut s.page, "visibility", json!({ "hidden": false })).await;
    s.page.expect_nothing().await;
    s.pass(LONG).await;
    s.hide().await;
    s.pass(LONG).await;
    assert_eq!(s.pushed().await, [], "it was seen");
    say(&mut s.page, "visibility", json!({ "hidden": false })).await;
    s.page.expect_nothing().await;
    s.write("back again").await;
    assert_eq!(s.pushed().await, []);
}

#[tokio::test]
async fn a_page_in_front_on_another_device_is_enough() {
    let mut s = Setting::new().await;
    let mut other = page(&s.bob).await;
    other.expect_nothing().await;
    let endpoint = &s.laptop.json()["endpoint"];
    let data = json!({ "hidden": true, "endpoint": endpoint });
    say(&mut s.page, "visibility", data).await;
    assert_eq!(s.page.await_event("looking").await["looking"], true);
    s.write("on two screens").await;
    for _ in 0..5 {
        s.pass(15).await;
        say(&mut other, "ping", json!({})).await;
        other.await_event("pong").await;
    }
    assert_eq!(s.pushed().await, []);
    drop(other);
    assert_eq!(s.page.await_event("looking").await["looking"], false);
}

#[tokio::test]
async fn a_hidden_page_that_stands_still_shows_nothing() {
    let mut s = Setting::new().await;
    s.hide().await;
    s.ann.write(&s.bob, "to a frozen page").await;
    s.page.await_event("new_message").await;
    // It is closed for its silence; before that its browser answers pings.
    timers(Duration::from_secs(20)).await;
    let read = tokio::time::timeout(Duration::from_millis(200), s.page.await_event("none"));
    assert!(read.await.is_err());
    timers(Duration::from_secs(26)).await;
    while s.t.app.hub.is_connected(s.bob.user.key) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    timers(Duration::from_secs(21)).await;
    timers(Duration::from_secs(41)).await;
    let text = "to a frozen page";
    assert_eq!(s.pushed().await, [to("laptop", text), to("phone", text)]);
}

#[tokio::test]
async fn a_page_that_connects_in_the_background_has_not_seen_what_it_missed() {
    let mut s = Setting::new().await;
    s.hide().await;
    s.write("shown").await;
    let since = s.t.newest_seq().await;
    // The link breaks, and the page comes back behind another tab.
    let hidden = json!({ "token": s.bob.token, "since": since, "acks": true, "hidden": true });
    let mut page = s.t.socket().await;
    say(&mut page, "auth", hidden).await;
    page.await_event("looking").await;
    s.page = page;
    s.pass(LONG).await;
    assert_eq!(s.pushed().await, [to("phone", "shown"),].to_vec());
}

#[tokio::test]
async fn live_is_what_a_user_saw_and_the_report_says_how() {
    let mut s = Setting::new().await;
    let admin = s.t.admin().await;
    let seen = s.announce(&admin).await;
    s.hide().await;
    let unseen = s.announce(&admin).await;
    let stage = async |id: &str| {
        let path = format!("{ANNOUNCEMENTS}/{id}/recipients");
        let list = admin.get(&path).await.expect(200);
        let one = list["data"][0].clone();
        (one["stage"].clone(), one["by"].clone())
    };
    let until = async |id: &str, right: (Value, Value)| {
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while stage(id).await != right {
            assert!(
                std::time::Instant::now() < patience,
                "{:?}",
                stage(id).await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until(&seen, (json!("live"), json!("page"))).await;
    // Longer than it takes to write down what was confirmed.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stage(&unseen).await, (json!("waiting"), Value::Null));
    s.pass(LONG).await;
    until(&unseen, (json!("pushed"), Value::Null)).await;
    say(&mut s.page, "visibility", json!({ "hidden": false })).await;
    until(&unseen, (json!("live"), json!("page"))).await;
}

/// A client that acknowledges nothing has confirmed by its link alone.
#[tokio::test]
async fn live_by_the_link_is_called_so() {
    let s = Setting::new().await;
    let admin = s.t.admin().await;
    let carol = s.t.student("carol").await;
    let (mut socket, _) = carol.connect().await;
    let audience = json!({ "userIds": ["carol"] });
    let body = json!({ "title": "Snow", "message": "School is closed.", "audience": audience });
    let made = admin.post(ANNOUNCEMENTS, body).await.expect(201);
    socket.await_event("notification").await;
    // Pings come and are answered for as long as no browser answers for a frozen page.
    for _ in 0..28 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(26)).await;
        tokio::time::resume();
        let read = tokio::time::timeout(Duration::from_millis(50), socket.next());
        assert!(read.await.is_err());
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let id = made["data"]["id"].as_str().unwrap();
    let path = format!("{ANNOUNCEMENTS}/{id}/recipients");
    let list = admin.get(&path).await.expect(200);
    let one = &list["data"][0];
    assert_eq!(
        (&one["stage"], &one["by"]),
        (&json!("live"), &json!("link"))
    );
}

#[tokio::test]
async fn what_is_no_visibility_is_refused() {
    let mut s = Setting::new().await;
    for data in [
        json!({}),
        json!({ "hidden": "yes" }),
        json!({ "hidden": true, "endpoint": "none" }),
    ] {
        say(&mut s.page, "visibility", data).await;
        assert_eq!(
            s.page.await_event("error").await["code"],
            "validation_failed"
        );
    }
}

#[tokio::test]
async fn pages_are_told_how_to_show_what_arrives() {
    let (t, _service) = TestApp::with_push_and(|config| {
        config.push.content = schoolbell::config::PushContent::Hidden;
    })
    .await;
    let bob = t.student("bob").await;
    let display = bob.get("/api/notifications/display").await.expect(200);
    assert_eq!(
        display["data"],
        json!({
            "shows": true, "mutedTypes": [], "mutedPartners": [], "messageLink": "/?chat={userId}",
            "instead": {
                "message": "New message", "notification": "New notification", "text": "Open the app to read it.",
            },
        })
    );
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let quiet =
        json!({ "timeZone": "UTC", "windows": [{ "days": days, "from": "00:00", "to": "24:00" }] });
    let body = json!({ "language": "de-AT", "mutedTypes": ["message"], "quietHours": quiet });
    bob.put_json("/api/notifications/preferences", body)
        .await
        .expect(200);
    let display = bob.get("/api/notifications/display").await.expect(200)["data"].clone();
    assert_eq!(display["shows"], false);
    assert_eq!(display["mutedTypes"], json!(["message"]));
    assert_eq!(display["instead"]["message"], "Neue Nachricht");
    let answer = bob
        .put_json(
            "/api/notifications/preferences",
            json!({ "language": "de_AT" }),
        )
        .await;
    answer.invalid("language");
}
