//! The pages' files: headers, compression, and that browsers ask before they fetch again.

use std::io::Read as _;

use crate::helpers::TestApp;

#[tokio::test]
async fn files_are_compressed_for_who_takes_that_and_known_by_their_tag() {
    let t = TestApp::new();
    let plain = t.raw("GET", "/schoolbell.js", &[], b"").await;
    assert_eq!(plain.headers.get("content-encoding"), None);
    let url = format!("http://{}/schoolbell.js", t.address);
    let response = crate::helpers::http()
        .get(&url)
        .header("accept-encoding", "br, gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = response.bytes().await.unwrap();
    assert!(bytes.len() * 2 < plain.text.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, plain.text);
    let refused = t
        .raw(
            "GET",
            "/schoolbell.js",
            &[("accept-encoding", "gzip;q=0")],
            b"",
        )
        .await;
    assert_eq!(refused.headers.get("content-encoding"), None);

    let tag = plain.headers["etag"].to_str().unwrap();
    let again = t
        .raw("GET", "/schoolbell.js", &[("if-none-match", tag)], b"")
        .await;
    assert_eq!((again.status, again.text.len()), (304, 0));
    let other = t
        .raw("GET", "/schoolbell.js", &[("if-none-match", "\"x\"")], b"")
        .await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn pages_are_shown_in_no_frame_unless_the_configuration_says_so() {
    let policy = async |t: &TestApp| {
        let page = t.raw("GET", "/", &[], b"").await;
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let closed = policy(&TestApp::new()).await;
    assert!(
        closed.contains("frame-ancestors 'none'") && !closed.contains("unsafe"),
        "{closed}"
    );
    let t = TestApp::with(|config| {
        config.server.frame_ancestors = vec!["https://app.school.example".parse().unwrap()];
    });
    assert!(
        policy(&t)
            .await
            .contains("frame-ancestors 'self' https://app.school.example")
    );
}
