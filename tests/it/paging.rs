//! Paging, while rows are being added: no gap, no repeat.

use proptest::prelude::*;
use schoolbell::model::page::{Cursor, List};
use serde_json::{Value, json};

use crate::helpers::{Person, TestApp};

proptest! {
    #[test]
    fn a_cursor_comes_back_as_it_went(seq in any::<i64>()) {
        for list in [List::Conversations, List::Messages, List::Notifications] {
            let text = Cursor(seq).encode(list);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(Cursor::decode("before", &text, list).unwrap(), Cursor(seq));
        }
    }

    #[test]
    fn a_made_up_cursor_is_an_error(text in "\\PC{0,40}") {
        prop_assert!(Cursor::decode("before", &text, List::Messages).is_err());
    }

    #[test]
    fn a_changed_cursor_is_an_error(seq in any::<i64>(), at in 0usize..16, with in "[A-Za-z0-9_-]") {
        let good = Cursor(seq).encode(List::Messages);
        let mut bytes = good.clone().into_bytes();
        bytes[at] = with.as_bytes()[0];
        let changed = String::from_utf8(bytes).unwrap();
        prop_assume!(changed != good);
        prop_assert!(Cursor::decode("before", &changed, List::Messages).is_err());
    }
}

/// Walks a list by `before`, adding a row before each page, and returns what it saw.
async fn walk(reader: &Person, path: &str, limit: usize, add: impl AsyncFn()) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        add().await;
        let page = reader
            .get(&format!("{path}?limit={limit}{before}"))
            .await
            .expect(200);
        seen.push(page["data"].clone());
        let paging = &page["paging"];
        assert_eq!(paging["hasMore"], paging["before"].is_string());
        match paging["before"].as_str() {
            Some(cursor) => before = format!("&before={cursor}"),
            None => return seen,
        }
    }
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn history_has_no_gap_and_no_repeat(count in 0usize..40, limit in 1usize..12) {
        run(async {
            let t = TestApp::new();
            let (ann, bob) = t.pair().await;
            for i in 0..count {
                ann.write(&bob, &format!("{i}")).await;
            }
            let pages = walk(&bob, "/api/messages/conversation/ann", limit, async || {
                ann.write(&bob, "new").await;
            })
            .await;
            // Pages come newest first, each oldest first.
            let seen: Vec<String> = pages
                .iter()
                .rev()
                .flat_map(|page| page.as_array().unwrap())
                .map(|m| m["content"].as_str().unwrap().to_owned())
                .filter(|content| content != "new")
                .collect();
            let expected: Vec<String> = (0..count).map(|i| i.to_string()).collect();
            assert_eq!(seen, expected);
        });
    }

    #[test]
    fn notifications_have_no_gap_and_no_repeat(count in 0usize..40, limit in 1usize..12) {
        run(async {
            let t = TestApp::new();
            let ann = t.student("ann").await;
            let key = t.key().await;
            let send = async |title: &str| {
                let body = json!({ "userId": "ann", "type": "x", "title": title, "message": "m" });
                t.call("POST", "/api/notifications", &key, Some(body)).await.expect(201);
            };
            for i in 0..count {
                send(&i.to_string()).await;
            }
            let pages = walk(&ann, "/api/notifications", limit, async || send("new").await).await;
            let seen: Vec<String> = pages
                .iter()
                .flat_map(|page| page.as_array().unwrap())
                .map(|n| n["title"].as_str().unwrap().to_owned())
                .filter(|title| title != "new")
                .collect();
            let expected: Vec<String> = (0..count).rev().map(|i| i.to_string()).collect();
            assert_eq!(seen, expected);
        });
    }
}
