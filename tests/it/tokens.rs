//! Tokens of every issuer, and those that must not pass.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use schoolbell::Config;
use schoolbell::config::Secret;
use schoolbell::model::users::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::helpers::{Answer, SECRET, START, TestApp};

const RSA: &str = include_str!("../keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../keys/rsa.pub.pem");
const OTHER: &str = include_str!("../keys/other.pem");
const EC: &str = include_str!("../keys/ec.pem");
const EC_PUBLIC: &str = include_str!("../keys/ec.pub.pem");
const ED: &str = include_str!("../keys/ed.pem");
const ED_PUBLIC: &str = include_str!("../keys/ed.pub.pem");
const JWKS: &str = include_str!("../keys/jwks.json");

fn claims() -> Value {
    json!({ "userId": "ann", "iat": START.seconds(), "exp": START.seconds() + 60 })
}

pub fn hs256(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn key(alg: Algorithm, pem: &str) -> EncodingKey {
    match alg {
        Algorithm::RS256 | Algorithm::RS512 | Algorithm::PS256 => {
            EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
        }
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
        _ => EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
    }
}

fn signed(claims: &Value, alg: Algorithm, pem: &str, kid: Option<&str>) -> String {
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(alg)
    };
    encode(&header, claims, &key(alg, pem)).unwrap()
}

async fn me(t: &TestApp, token: &str) -> Answer {
    t.call("GET", "/api/auth/me", token, None).await
}

async fn app(change: impl FnOnce(&mut Config)) -> TestApp {
    let t = TestApp::with(change);
    t.student("ann").await;
    t
}

#[tokio::test]
async fn the_shared_secret_and_the_claim_user_id() {
    let t = app(|_| {}).await;
    me(&t, &hs256(&claims(), SECRET)).await.expect(200);
    let sub = json!({ "sub": "ann", "exp": START.seconds() + 60 });
    me(&t, &hs256(&sub, SECRET)).await.expect(200);
    let both = json!({ "userId": "ann", "sub": "zoe", "exp": START.seconds() + 60 });
    me(&t, &hs256(&both, SECRET)).await.expect(200);
}

#[tokio::test]
async fn public_keys_of_each_kind() {
    for (alg, pem, public) in [
        (Algorithm::RS256, RSA, RSA_PUBLIC),
        (Algorithm::ES256, EC, EC_PUBLIC),
        (Algorithm::EdDSA, ED, ED_PUBLIC),
    ] {
        let t = app(|c| c.auth.public_key = public.into()).await;
        me(&t, &signed(&claims(), alg, pem, None)).await.expect(200);
    }
}

#[tokio::test]
async fn tokens_that_must_not_pass() {
    let t = app(|c| c.auth.public_key = RSA_PUBLIC.into()).await;
    let good = hs256(&claims(), SECRET);
    let [header, payload, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let none = "eyJhbGciOiJub25lIn0"; // {"alg":"none"}
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        hs256(&claims, SECRET)
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        hs256(&claims, SECRET)
    };
    let bad = [
        ("empty", String::new()),
        ("noise", "x.y.z".into()),
        ("unsigned", format!("{none}.{payload}.")),
        (
            "none with a signature",
            format!("{none}.{payload}.{signature}"),
        ),
        ("signature cut", format!("{header}.{payload}.")),
        (
            "signature changed",
            format!("{header}.{payload}.{}A", &signature[..signature.len() - 2]),
        ),
        (
            "another secret",
            hs256(&claims(), "another secret of some length"),
        ),
        // The public key as an HMAC secret: algorithm confusion.
        ("confusion", hs256(&claims(), RSA_PUBLIC)),
        (
            "another RSA key",
            signed(&claims(), Algorithm::RS256, OTHER, None),
        ),
        (
            "an algorithm not configured",
            signed(&claims(), Algorithm::RS512, RSA, None),
        ),
        ("no exp", without("exp")),
        ("exp of a wrong type", with("exp", json!("tomorrow"))),
        ("exp beyond all time", with("exp", json!(1e300))),
        ("no subject", without("userId")),
        ("a subject that is none", with("userId", json!("a b"))),
        ("a subject of a wrong type", with("userId", json!(["ann"]))),
        ("not yet", with("nbf", json!(START.seconds() + 31))),
        (
            "huge",
            format!("{header}.{}.{signature}", "A".repeat(9_000)),
        ),
    ];
    for (why, token) in bad {
        let answer = me(&t, &token).await;
        assert_eq!(answer.status, 401, "{why}: {}", answer.text);
        let code = if why == "empty" {
            "token_missing"
        } else {
            "token_invalid"
        };
        answer.refused(401, code);
    }
    for header in ["Basic YTpi", "Bearer", "bearer  ", "Token x"] {
        let answer = t
            .raw("GET", "/api/auth/me", &[("authorization", header)], b"")
            .await;
        answer.refused(401, "token_invalid");
    }
}

#[tokio::test]
async fn expiry_has_a_leeway_of_thirty_seconds() {
    let t = app(|_| {}).await;
    let token = hs256(&claims(), SECRET);
    t.clock.advance(Duration::from_secs(60 + 30));
    me(&t, &token).await.expect(200);
    t.clock.advance(Duration::from_secs(1));
    me(&t, &token).await.refused(401, "token_expired");
}

#[tokio::test]
async fn issuer_and_audience_where_configured() {
    let t = app(|c| {
        c.auth.issuer = "https://app.school.example".into();
        c.auth.audience = "bell".into();
    })
    .await;
    let token = |iss: &str, aud: Value| {
        let mut claims = claims();
        claims["iss"] = json!(iss);
        claims["aud"] = aud;
        hs256(&claims, SECRET)
    };
    let ours = "https://app.school.example";
    me(&t, &token(ours, json!("bell"))).await.expect(200);
    me(&t, &token(ours, json!(["x", "bell"]))).await.expect(200);
    me(&t, &token(ours, json!("x")))
        .await
        .refused(401, "token_invalid");
    me(&t, &token("x", json!("bell")))
        .await
        .refused(401, "token_invalid");
    me(&t, &hs256(&claims(), SECRET))
        .await
        .refused(401, "token_invalid");
    // A log-in here is not of that issuer, and holds all the same.
    t.student("zoe").await.get("/api/auth/me").await.expect(200);
}

#[tokio::test]
async fn only_the_configured_algorithms() {
    let t = app(|c| {
        c.auth.public_key = RSA_PUBLIC.into();
        c.auth.algorithms = vec!["RS256".parse().unwrap()];
    })
    .await;
    me(&t, &signed(&claims(), Algorithm::RS256, RSA, None))
        .await
        .expect(200);
    me(&t, &hs256(&claims(), SECRET))
        .await
        .refused(401, "token_invalid");
    t.student("zoe").await.get("/api/auth/me").await.expect(200);
}

#[tokio::test]
async fn unknown_subjects_are_made_only_where_that_is_configured() {
    let stranger = json!({
        "userId": 42, "name": "Zoë Q", "email": "z@x.example", "avatar": "/z.png", "role": "teacher",
        "exp": START.seconds() + 60,
    });
    let t = app(|_| {}).await;
    me(&t, &hs256(&stranger, SECRET))
        .await
        .refused(401, "user_unknown");

    let t = app(|c| c.auth.auto_provision = true).await;
    let data = me(&t, &hs256(&stranger, SECRET)).await.expect(200)["data"].clone();
    let seen = (&data["id"], &data["name"], &data["avatar"], &data["role"]);
    assert_eq!(
        seen,
        (
            &json!("42"),
            &json!("Zoë Q"),
            &json!("/z.png"),
            &json!("teacher")
        )
    );

    let mut changed = stranger.clone();
    changed["name"] = json!("Zoë Quinn");
    changed["role"] = json!("admin");
    let data = me(&t, &hs256(&changed, SECRET)).await.expect(200)["data"].clone();
    assert_eq!(data["name"], "Zoë Quinn", "the name follows the token");
    assert_eq!(data["role"], "teacher", "the role does not");
}

#[tokio::test]
async fn admin_is_taken_from_a_claim_only_where_that_is_configured() {
    for (trust, role) in [(false, "student"), (true, "admin")] {
        let t = app(|c| {
            c.auth.auto_provision = true;
            c.auth.trust_admin_claim = trust;
        })
        .await;
        let claims = json!({ "userId": "boss", "role": "admin", "exp": START.seconds() + 60 });
        let data = me(&t, &hs256(&claims, SECRET)).await.expect(200)["data"].clone();
        assert_eq!(data["role"], role);
    }
    let t = app(|c| c.auth.auto_provision = true).await;
    let claims = json!({ "userId": "cook", "role": "chef", "exp": START.seconds() + 60 });
    assert_eq!(
        me(&t, &hs256(&claims, SECRET)).await.expect(200)["data"]["role"],
        "student"
    );
}

#[tokio::test]
async fn a_foreign_token_from_before_a_log_out_everywhere_is_refused() {
    let t = app(|_| {}).await;
    let token = hs256(&claims(), SECRET);
    t.call("POST", "/api/auth/logout-all", &token, None)
        .await
        .expect(200);
    me(&t, &token).await.refused(401, "token_revoked");
    let mut later = claims();
    later["iat"] = json!(START.seconds() + 1);
    me(&t, &hs256(&later, SECRET)).await.expect(200);
}

#[tokio::test]
async fn a_key_in_the_config_may_be_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, EC_PUBLIC).unwrap();
    let t = app(|c| c.auth.public_key = path.to_str().unwrap().into()).await;
    me(&t, &signed(&claims(), Algorithm::ES256, EC, None))
        .await
        .expect(200);
}

/// Serves a JWKS and counts how often it was asked.
async fn jwks_server(
    answers: Vec<Option<String>>,
) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        for answer in answers
            .iter()
            .chain(std::iter::repeat(answers.last().unwrap()))
        {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let Some(body) = answer.clone() else {
                // Never answers.
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    drop(stream);
                });
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
    });
    (url, asked)
}

#[tokio::test]
async fn keys_of_a_jwks_by_their_id() {
    let (url, asked) = jwks_server(vec![Some(JWKS.into())]).await;
    let t = app(|c| c.auth.jwks_url = url.parse().ok()).await;
    for (alg, pem, kid) in [
        (Algorithm::RS256, RSA, Some("rsa-1")),
        (Algorithm::ES256, EC, Some("ec-1")),
        (Algorithm::EdDSA, ED, Some("ed-1")),
        (Algorithm::RS256, RSA, None),
    ] {
        me(&t, &signed(&claims(), alg, pem, kid)).await.expect(200);
    }
    let count = || asked.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(count(), 1, "the set is cached");
    for (alg, pem, kid) in [
        (Algorithm::RS256, OTHER, "rsa-1"),
        (Algorithm::RS256, OTHER, "rsa-2"),
        (Algorithm::RS256, RSA, "ec-1"),
    ] {
        me(&t, &signed(&claims(), alg, pem, Some(kid)))
            .await
            .refused(401, "token_invalid");
    }
    assert_eq!(count(), 1, "unknown ids do not make us ask again at once");
}

#[tokio::test]
async fn a_key_that_is_new_in_the_jwks_is_fetched() {
    let empty = r#"{"keys":[]}"#.to_owned();
    let (url, _) = jwks_server(vec![Some(empty), Some(JWKS.into())]).await;
    let t = app(|c| c.auth.jwks_url = url.parse().ok()).await;
    let token = signed(&claims(), Algorithm::RS256, RSA, Some("rsa-1"));
    me(&t, &token).await.refused(401, "token_invalid");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    me(&t, &token).await.expect(200);
}

#[tokio::test]
async fn a_jwks_that_never_answers_blocks_no_one_for_long() {
    let (url, _) = jwks_server(vec![None]).await;
    let t = app(|c| c.auth.jwks_url = url.parse().ok()).await;
    let started = std::time::Instant::now();
    let token = signed(&claims(), Algorithm::RS256, RSA, Some("rsa-1"));
    me(&t, &token).await.refused(401, "token_invalid");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    me(&t, &hs256(&claims(), SECRET)).await.expect(200);
}

#[test]
fn a_secret_that_was_made_is_kept_and_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.database.path = folder.path().join("school.db");
    config.auth.jwt_secret = Secret::default();
    let read = || std::fs::read(folder.path().join("jwt.secret")).unwrap();
    drop(schoolbell::App::open(config.clone()).unwrap());
    let first = read();
    drop(schoolbell::App::open(config).unwrap());
    assert_eq!(first, read());
    assert!(first.len() > 40);
    let mode = std::fs::metadata(folder.path().join("jwt.secret"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn roles_come_from_the_user_not_from_our_own_token() {
    let t = TestApp::new();
    let boss = t.person("boss", Role::Admin).await;
    assert_eq!(
        boss.get("/api/auth/me").await.expect(200)["data"]["role"],
        "admin"
    );
}

#[tokio::test]
async fn a_public_key_of_others_signs_no_log_in_of_ours() {
    let t = app(|c| {
        c.auth.public_key = RSA_PUBLIC.into();
        c.auth.issuer = "https://app.school.example".into();
    })
    .await;
    let mut claims = claims();
    claims["iss"] = json!("schoolbell");
    claims["ver"] = json!(0);
    me(&t, &signed(&claims, Algorithm::RS256, RSA, None))
        .await
        .refused(401, "token_invalid");
    claims["iss"] = json!("https://app.school.example");
    claims["ver"] = json!("2.0");
    me(&t, &signed(&claims, Algorithm::RS256, RSA, None))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_token_of_the_future_is_refused() {
    let t = app(|_| {}).await;
    let at = |iat: i64| {
        let mut claims = claims();
        claims["iat"] = json!(iat);
        hs256(&claims, SECRET)
    };
    me(&t, &at(START.seconds() + 30)).await.expect(200);
    me(&t, &at(START.seconds() + 31))
        .await
        .refused(401, "token_invalid");
}

#[tokio::test]
async fn an_older_token_does_not_undo_what_a_newer_one_said() {
    let t = app(|c| c.auth.auto_provision = true).await;
    let named = |name: &str, iat: i64| {
        let mut claims = claims();
        claims["name"] = json!(name);
        claims["iat"] = json!(iat);
        hs256(&claims, SECRET)
    };
    let name = async |token: String| me(&t, &token).await.expect(200)["data"]["name"].clone();
    assert_eq!(
        name(named("Ann Old", START.seconds() - 50)).await,
        "Ann Old"
    );
    assert_eq!(name(named("Ann New", START.seconds())).await, "Ann New");
    assert_eq!(
        name(named("Ann Old", START.seconds() - 50)).await,
        "Ann New"
    );
    assert_eq!(
        name(named(" ", START.seconds())).await,
        "Ann New",
        "no name is no name"
    );
}

/// Tokens from elsewhere may give a family's address to all of it.
#[tokio::test]
async fn an_address_may_be_several_peoples() {
    let t = TestApp::with(|c| c.auth.auto_provision = true);
    for name in ["mum", "dad"] {
        let claims = json!({
            "userId": name, "email": "family@x.example", "name": name,
            "iat": START.seconds(), "exp": START.seconds() + 60,
        });
        me(&t, &hs256(&claims, SECRET)).await.expect(200);
    }
}

/// Somebody with a password of their own, and their id.
async fn with_password(t: &TestApp, name: &str, role: Role) -> String {
    use schoolbell::model::users::{DisplayName, Username};
    use schoolbell::service::auth::{NewAccount, add_account};
    let account = NewAccount {
        username: Username::parse(name).unwrap(),
        name: DisplayName::parse(name).unwrap(),
        role,
        password: crate::helpers::PASSWORD.into(),
    };
    let by = schoolbell::model::audit::AuditActor::command_line();
    add_account(&t.app, by, account)
        .await
        .unwrap()
        .id()
        .to_string()
}

fn of(id: &str) -> String {
    let claims = json!({ "userId": id, "iat": START.seconds(), "exp": START.seconds() + 60 });
    hs256(&claims, SECRET)
}

#[tokio::test]
async fn an_apps_token_acts_for_those_it_made_and_the_imported_and_the_linked() {
    let t = TestApp::with(|c| {
        c.auth.auto_provision = true;
        c.auth.issuer = "https://app.example".into();
    });
    let token = |subject: &str| {
        let claims = json!({ "sub": subject, "iss": "https://app.example",
            "iat": START.seconds(), "exp": START.seconds() + 60 });
        hs256(&claims, SECRET)
    };
    let admin = t.admin().await;
    t.student("imported").await;
    me(&t, &token("imported")).await.expect(200);
    me(&t, &token("made")).await.expect(200);
    // An administrator is one by no such token, whatever the issuer may be trusted with.
    me(&t, &token("admin")).await.refused(401, "not_linked");
    let teacher = with_password(&t, "teach", Role::Teacher).await;
    me(&t, &token(&teacher)).await.refused(401, "not_linked");
    // A link to set a password is as good as one.
    admin
        .post("/api/admin/people/imported/password-link", json!({}))
        .await
        .expect(201);
    me(&t, &token("imported")).await.refused(401, "not_linked");

    let path = |id: &str| format!("/api/admin/people/{id}/identities");
    let link = json!({ "identities": [{ "issuer": "https://app.example", "subject": "auth0|7" }] });
    admin
        .put_json(&path(&teacher), link.clone())
        .await
        .expect(200);
    let me_now = me(&t, &token("auth0|7")).await.expect(200);
    assert_eq!(me_now["data"]["id"], teacher);
    let shown = admin.get(&path(&teacher)).await.expect(200);
    assert_eq!(shown["data"], link);
    admin
        .put_json(&path("imported"), link.clone())
        .await
        .refused(409, "identity_taken");
    let as_admin =
        json!({ "identities": [{ "issuer": "https://app.example", "subject": "head" }] });
    admin.put_json(&path("admin"), as_admin).await.expect(200);
    t.call("GET", "/api/admin/audit", &token("head"), None)
        .await
        .expect(200);
    // What was issued for it ends with the link.
    let heir = t
        .call("POST", "/api/auth/refresh", &token("auth0|7"), None)
        .await
        .expect(200);
    let heir = heir["data"]["token"].as_str().unwrap().to_owned();
    me(&t, &heir).await.expect(200);
    admin
        .put_json(&path(&teacher), json!({ "identities": [] }))
        .await
        .expect(200);
    me(&t, &heir).await.refused(401, "token_revoked");
    me(&t, &token("auth0|7"))
        .await
        .refused(401, "token_invalid");
}

#[tokio::test]
async fn link_by_id_lets_an_app_act_for_anybody_but_administrators() {
    let t = TestApp::with(|c| c.auth.link_by = schoolbell::config::LinkBy::Id);
    let teacher = with_password(&t, "teach", Role::Teacher).await;
    t.admin().await;
    me(&t, &of(&teacher)).await.expect(200);
    me(&t, &of("admin")).await.refused(401, "not_linked");
}

#[tokio::test]
async fn what_is_issued_for_an_apps_token_ends_when_it_ends() {
    let t = TestApp::with(|c| c.auth.auto_provision = true);
    let token = of("ann");
    let refresh = async |token: &str| {
        let answer = t
            .call("POST", "/api/auth/refresh", token, None)
            .await
            .expect(200);
        answer["data"]["token"].as_str().unwrap().to_owned()
    };
    let heir = refresh(&token).await;
    t.clock.advance(Duration::from_secs(50));
    let second = refresh(&heir).await;
    me(&t, &second).await.expect(200);
    t.clock.advance(Duration::from_secs(45));
    for token in [&token, &heir, &second] {
        me(&t, token).await.refused(401, "token_expired");
    }
}

#[tokio::test]
async fn a_session_ends_by_logging_out_and_after_ninety_days() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    let other = t.again(&ann).await;
    let (mut socket, _) = ann.connect().await;
    let (mut others, _) = other.connect().await;
    let refreshed = ann.post("/api/auth/refresh", json!({})).await.expect(200);
    let refreshed = refreshed["data"]["token"].as_str().unwrap().to_owned();
    ann.post("/api/auth/logout", json!({})).await.expect(200);
    assert_eq!(socket.closed().await, 4503);
    ann.get("/api/auth/me").await.refused(401, "token_revoked");
    me(&t, &refreshed).await.refused(401, "token_revoked");
    other.get("/api/auth/me").await.expect(200);
    others.expect_nothing().await;

    let mut token = other.token.clone();
    for _ in 0..14 {
        t.clock.advance(Duration::from_secs(6 * 86_400 + 3_600));
        let answer = t
            .call("POST", "/api/auth/refresh", &token, None)
            .await
            .expect(200);
        token = answer["data"]["token"].as_str().unwrap().to_owned();
    }
    t.clock.advance(Duration::from_secs(6 * 86_400));
    me(&t, &token).await.refused(401, "token_expired");
}

/// Whoever has the secret of the school's app can make none of our own tokens.
#[tokio::test]
async fn the_apps_secret_signs_none_of_ours() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let claims = json!({
        "userId": "admin", "sub": "admin", "iss": "schoolbell", "name": "x", "role": "admin", "ver": 0,
        "sid": "x", "auth_time": START.seconds(), "until": START.seconds() + 600,
        "iat": START.seconds(), "exp": START.seconds() + 60,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    for kid in [None, Some("schoolbell".to_owned())] {
        let header = Header {
            kid,
            ..Header::new(Algorithm::HS256)
        };
        let forged = encode(&header, &claims, &key).unwrap();
        let answer = t.call("GET", "/api/admin/audit", &forged, None).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
    }
    admin.get("/api/admin/audit").await.expect(200);
}

#[tokio::test]
async fn claims_and_roles_as_apps_write_them() {
    let t = TestApp::with(|c| {
        c.auth.auto_provision = true;
        c.auth.role_map = [("Lehrkraft".to_owned(), Role::Teacher)].into();
    });
    let role = async |mut claims: Value| {
        claims["iat"] = START.seconds().into();
        claims["exp"] = (START.seconds() + 60).into();
        let answer = me(&t, &hs256(&claims, SECRET)).await.expect(200);
        (
            answer["data"]["id"].as_str().unwrap().to_owned(),
            answer["data"]["role"].clone(),
        )
    };
    for (claims, id, expected) in [
        (json!({ "id": 7, "role": "TEACHER" }), "7", "teacher"),
        (json!({ "_id": "a1", "role": "parent" }), "a1", "guardian"),
        (
            json!({ "user_id": "a2", "roles": ["ROLE_X", "Faculty"] }),
            "a2",
            "teacher",
        ),
        (
            json!({ "user": { "id": "a3" }, "userType": "lehrkraft" }),
            "a3",
            "teacher",
        ),
        (json!({ "sub": "a4", "role": "wizard" }), "a4", "student"),
        (json!({ "sub": "a5", "role": "admin" }), "a5", "student"),
        (json!({ "sub": "a6", "role": "employee" }), "a6", "staff"),
    ] {
        assert_eq!(role(claims).await, (id.to_owned(), json!(expected)));
    }
    // The first claim that is there counts, also where it is none that can be a subject.
    for id in [
        json!({}),
        json!([]),
        json!(true),
        json!(1.5),
        json!(-1),
        json!(""),
        json!(9_007_199_254_740_992_u64),
    ] {
        let mut claims = json!({ "exp": START.seconds() + 60, "user_id": "good" });
        claims["id"] = id.clone();
        let answer = me(&t, &hs256(&claims, SECRET)).await;
        answer.refused(401, "token_invalid");
    }
    me(
        &t,
        &hs256(
            &json!({ "exp": START.seconds() + 60, "id": null, "user_id": "good" }),
            SECRET,
        ),
    )
    .await
    .expect(200);
    // Refreshed like the name; staff is taken when somebody is made, not later.
    assert_eq!(
        role(json!({ "id": 7, "role": "student" })).await.1,
        "student"
    );
    assert_eq!(role(json!({ "id": 7, "role": "staff" })).await.1, "student");
    // What an administrator set stays.
    let admin = t.admin().await;
    admin
        .put_json("/api/admin/people/a1", json!({ "role": "staff" }))
        .await
        .expect(200);
    assert_eq!(
        role(json!({ "_id": "a1", "role": "parent" })).await.1,
        "staff"
    );
}

#[test]
fn an_empty_secret_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.database.path = folder.path().join("school.db");
    std::fs::write(folder.path().join("jwt.secret"), "\n").unwrap();
    let error = schoolbell::App::open(config).err().unwrap().to_string();
    assert!(error.contains("jwt.secret"), "{error}");
    assert!(!folder.path().join("school.db").exists());
}
