//! Logging in with the school's own provider, and with one that lies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use schoolbell::Config;
use schoolbell::config::{OidcMatch, Secret};
use schoolbell::model::users::Role;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use warp::Filter as _;

use crate::helpers::{Answer, Person, TestApp};

const RSA: &[u8] = include_bytes!("../keys/rsa.pem");
const OTHER: &[u8] = include_bytes!("../keys/other.pem");
const JWKS: &str = include_str!("../keys/jwks.json");
const CLIENT: &str = "bell";
const SECRET: &str = "a secret of the provider";
const HOST: (&str, &str) = ("host", "bell.school.example");

/// A provider on loopback, with what it was told to grant for each code.
#[derive(Clone)]
struct Provider {
    issuer: String,
    codes: Arc<Mutex<HashMap<String, Grant>>>,
}

#[derive(Clone)]
struct Grant {
    id_token: String,
    user_info: Value,
    challenge: String,
}

type Form = HashMap<String, String>;

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let codes = Arc::<Mutex<HashMap<String, Grant>>>::default();
        let about = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let about = warp::path!(".well-known" / "openid-configuration")
            .map(move || warp::reply::json(&about));
        let keys = warp::path!("jwks")
            .map(|| warp::reply::json(&serde_json::from_str::<Value>(JWKS).unwrap()));
        let known = codes.clone();
        let token = warp::path!("token")
            .and(warp::header("authorization"))
            .and(warp::body::form())
            .map(move |login: String, form: Form| answer(&known, &login, &form));
        let known = codes.clone();
        let info = warp::path!("userinfo")
            .and(warp::header("authorization"))
            .map(move |bearer: String| {
                let code = bearer.strip_prefix("Bearer ").unwrap();
                warp::reply::json(&known.lock().unwrap()[&format!("used {code}")].user_info)
            });
        let routes = about.or(keys).or(token).or(info);
        tokio::spawn(warp::serve(routes).incoming(listener).run());
        Provider { issuer, codes }
    }

    /// What an ID token of this person says, if all is as it should be.
    fn claims(&self, subject: &str, nonce: &str) -> Value {
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        json!({
            "iss": self.issuer, "sub": subject, "aud": CLIENT, "nonce": nonce,
            "iat": now, "exp": now + 300,
        })
    }

    fn grant(&self, code: &str, grant: Grant) {
        self.codes.lock().unwrap().insert(code.into(), grant);
    }
}

/// RFC 6749 section 4.1.3, with PKCE. A code is good once.
fn answer(
    codes: &Mutex<HashMap<String, Grant>>,
    login: &str,
    form: &Form,
) -> impl warp::Reply + use<> {
    let basic = base64::engine::general_purpose::STANDARD
        .encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+")));
    let mut codes = codes.lock().unwrap();
    let grant = codes.remove(&form["code"]).filter(|grant| {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        login == format!("Basic {basic}")
            && challenge == grant.challenge
            && form["redirect_uri"] == "https://bell.school.example/api/auth/oidc/callback"
    });
    let Some(grant) = grant else {
        let refusal = warp::reply::json(&json!({ "error": "invalid_grant" }));
        return warp::reply::with_status(refusal, warp::http::StatusCode::BAD_REQUEST);
    };
    let token =
        json!({ "access_token": form["code"], "token_type": "Bearer", "id_token": grant.id_token });
    codes.insert(format!("used {}", form["code"]), grant);
    warp::reply::with_status(warp::reply::json(&token), warp::http::StatusCode::OK)
}

fn sign(claims: &Value, key: &[u8]) -> String {
    let header = Header {
        kid: Some("rsa-1".into()),
        ..Header::new(Algorithm::RS256)
    };
    encode(&header, claims, &EncodingKey::from_rsa_pem(key).unwrap()).unwrap()
}

struct School {
    t: TestApp,
    admin: Person,
    provider: Provider,
}

/// A browser on its way.
struct Journey {
    cookie: String,
    state: String,
    nonce: String,
    challenge: String,
}

impl School {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let provider = Provider::start().await;
        let t = TestApp::with(|config| {
            config.auth.oidc.issuer = provider.issuer.parse().ok();
            config.auth.oidc.client_id = CLIENT.into();
            config.auth.oidc.client_secret = Secret::new(SECRET);
            config.server.public_url = "https://bell.school.example".parse().ok();
            change(config);
        });
        let admin = t.admin().await;
        School { t, admin, provider }
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.t
            .raw("GET", path, &[HOST, ("cookie", cookie)], b"")
            .await
    }

    async fn leave(&self, back: &str) -> Journey {
        let answer = self
            .get(&format!("/api/auth/oidc/start?back={back}"), "")
            .await;
        assert_eq!(answer.status, 303);
        let set = answer.headers["set-cookie"].to_str().unwrap();
        for part in [
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
            "Path=/api/auth/oidc",
            "Max-Age=600",
        ] {
            assert!(set.contains(part), "{set}");
        }
        let to = url::Url::parse(answer.headers["location"].to_str().unwrap()).unwrap();
        assert!(
            to.as_str()
                .starts_with(&format!("{}/authorize?", self.provider.issuer)),
            "{to}"
        );
        let asked: HashMap<String, String> = to.query_pairs().into_owned().collect();
        assert_eq!(
            (&*asked["client_id"], &*asked["code_challenge_method"]),
            (CLIENT, "S256")
        );
        assert!(asked["scope"].contains("openid"));
        Journey {
            cookie: set.split(';').next().unwrap().to_owned(),
            state: asked["state"].clone(),
            nonce: asked["nonce"].clone(),
            challenge: asked["code_challenge"].clone(),
        }
    }

    async fn come_back(&self, journey: &Journey, code: &str) -> Answer {
        let path = format!(
            "/api/auth/oidc/callback?code={code}&state={}",
            journey.state
        );
        self.get(&path, &journey.cookie).await
    }

    /// Goes there and back as this person, whose claims are changed.
    async fn log_in(&self, subject: &str, change: impl FnOnce(&mut Value)) -> Answer {
        let journey = self.leave("/").await;
        let mut claims = self.provider.claims(subject, &journey.nonce);
        change(&mut claims);
        let grant = Grant {
            id_token: sign(&claims, RSA),
            user_info: json!({ "sub": subject }),
            challenge: journey.challenge.clone(),
        };
        self.provider.grant("c1", grant);
        self.come_back(&journey, "c1").await
    }

    async fn add(&self, name: &str, email: &str, role: &str) {
        let body =
            json!({ "id": name, "username": name, "name": name, "email": email, "role": role });
        self.admin.post("/api/admin/people", body).await.expect(201);
    }

    async fn link(&self, name: &str, subject: &str) {
        let body =
            json!({ "identities": [{ "issuer": self.provider.issuer, "subject": subject }] });
        let path = format!("/api/admin/people/{name}/identities");
        self.admin.put_json(&path, body).await.expect(200);
    }

    /// Who is logged in by the cookie of this answer.
    async fn who(&self, answer: &Answer) -> Value {
        let set = answer.headers.get_all("set-cookie").iter();
        let session = set
            .filter_map(|value| value.to_str().ok())
            .find(|value| value.starts_with("__Host-schoolbell_session="))
            .unwrap_or_else(|| panic!("no session: {:?}", answer.headers));
        let cookie = session.split(';').next().unwrap();
        self.get("/api/auth/me", cookie).await.expect(200)["data"].clone()
    }
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303);
    answer.headers["location"].to_str().unwrap()
}

fn is_refused(answer: &Answer, code: &str) {
    assert_eq!(location(answer), format!("/#login={code}"));
    let set = answer.headers.get_all("set-cookie").iter();
    let set: Vec<&str> = set.filter_map(|value| value.to_str().ok()).collect();
    assert!(
        !set.iter().any(|value| value.contains("schoolbell_session")),
        "{set:?}"
    );
}

#[tokio::test]
async fn who_is_linked_gets_in_and_comes_back_to_where_they_were() {
    let s = School::with(|_| {}).await;
    s.add("ann", "ann@home.example", "guardian").await;
    s.link("ann", "subject-1").await;
    let methods = s.get("/api/auth/methods", "").await.expect(200);
    assert_eq!(methods["data"]["oidc"]["name"], "127.0.0.1");
    let answer = s.log_in("subject-1", |_| {}).await;
    assert_eq!(location(&answer), "/");
    assert_eq!(s.who(&answer).await["id"], "ann");
    // An administrator too, where linked.
    s.link("admin", "subject-2").await;
    let answer = s.log_in("subject-2", |_| {}).await;
    assert_eq!(s.who(&answer).await["id"], "admin");
    // That is no confirmation yet: a provider that knows the browser may ask nothing.
    let key = async |answer: &Answer| {
        let set = answer.headers.get_all("set-cookie").iter();
        let mut set = set.filter_map(|value| value.to_str().ok());
        let session = set.find(|value| value.contains("session=")).unwrap();
        let headers = [
            HOST,
            ("cookie", session.split(';').next().unwrap()),
            ("origin", "https://bell.school.example"),
            ("content-type", "application/json"),
        ];
        let body = json!({ "name": "x", "scopes": ["notify"] }).to_string();
        let made =
            s.t.raw("POST", "/api/admin/keys", &headers, body.as_bytes())
                .await;
        made.status
    };
    assert_eq!(key(&answer).await, 403);
    // Who has no password confirms by a login for which the provider makes sure again who it is.
    let now = s.provider.claims("", "")["iat"].as_i64().unwrap();
    for (auth_time, status) in [
        (json!(now), Some(201)),
        (json!(1_700_000_000), None),
        (Value::Null, None),
    ] {
        let journey = s.leave("/%23/keys&confirm=true").await;
        let mut claims = s.provider.claims("subject-2", &journey.nonce);
        claims["auth_time"] = auth_time;
        let challenge = journey.challenge.clone();
        let id_token = sign(&claims, RSA);
        let user_info = json!({ "sub": "subject-2" });
        s.provider.grant(
            "c1",
            Grant {
                id_token,
                user_info,
                challenge,
            },
        );
        let back = s.come_back(&journey, "c1").await;
        match status {
            Some(status) => {
                assert_eq!(location(&back), "/#/keys");
                assert_eq!(key(&back).await, status);
                s.t.pass(std::time::Duration::from_secs(700));
                assert_eq!(key(&back).await, 403);
            }
            None => is_refused(&back, "oidc_failed"),
        }
    }

    // Back to a page of this server, and to no other.
    for (back, to) in [
        ("/admin/", "/admin/"),
        ("/%3Fchat=x", "/?chat=x"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/%5Cevil.example", "/"),
    ] {
        let journey = s.leave(back).await;
        let answer = s.come_back(&journey, "unknown").await;
        assert_eq!(
            location(&answer),
            format!("{to}#login=oidc_failed"),
            "{back}"
        );
    }
}

#[tokio::test]
async fn what_the_provider_did_not_sign_for_this_login_lets_nobody_in() {
    let s = School::with(|_| {}).await;
    s.add("ann", "ann@home.example", "guardian").await;
    s.link("ann", "subject-1").await;
    type Change = fn(&mut Value);
    let wrong: [(&str, Change); 6] = [
        ("issuer", |c| c["iss"] = json!("https://evil.example")),
        ("audience", |c| c["aud"] = json!("another")),
        ("nonce", |c| c["nonce"] = json!("another")),
        ("expired", |c| {
            c["iat"] = json!(1_700_000_000);
            c["exp"] = json!(1_700_000_300);
        }),
        ("no nonce", |c| {
            drop(c.as_object_mut().unwrap().remove("nonce"))
        }),
        ("no expiry", |c| {
            drop(c.as_object_mut().unwrap().remove("exp"))
        }),
    ];
    for (what, change) in wrong {
        println!("{what}");
        is_refused(&s.log_in("subject-1", change).await, "oidc_failed");
    }
    // Another key, the client's secret as a key, and none.
    let journey = s.leave("/").await;
    let claims = s.provider.claims("subject-1", &journey.nonce);
    let hs256 = encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    );
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!(
        "{}.{}.",
        part(json!({ "alg": "none" })),
        part(claims.clone())
    );
    for id_token in [sign(&claims, OTHER), hs256.unwrap(), none] {
        let challenge = journey.challenge.clone();
        let user_info = json!({});
        s.provider.grant(
            "c2",
            Grant {
                id_token,
                user_info,
                challenge,
            },
        );
        is_refused(&s.come_back(&journey, "c2").await, "oidc_failed");
    }
    // A code a second time; another browser's; with another state; after too long; by nobody.
    let fine = |journey: &Journey| Grant {
        id_token: sign(&s.provider.claims("subject-1", &journey.nonce), RSA),
        user_info: json!({ "sub": "subject-1" }),
        challenge: journey.challenge.clone(),
    };
    s.provider.grant("c3", fine(&journey));
    assert_eq!(location(&s.come_back(&journey, "c3").await), "/");
    is_refused(&s.come_back(&journey, "c3").await, "oidc_failed");
    let other = s.leave("/").await;
    s.provider.grant("c4", fine(&journey));
    is_refused(&s.come_back(&other, "c4").await, "oidc_failed");
    let mixed = Journey {
        state: journey.state.clone(),
        ..s.leave("/").await
    };
    s.provider.grant("c5", fine(&mixed));
    is_refused(&s.come_back(&mixed, "c5").await, "oidc_failed");
    let late = s.leave("/").await;
    s.provider.grant("c6", fine(&late));
    s.t.pass(std::time::Duration::from_secs(601));
    is_refused(&s.come_back(&late, "c6").await, "oidc_failed");
    let forged = Journey {
        cookie: late.cookie.replace('.', "x."),
        ..s.leave("/").await
    };
    is_refused(&s.come_back(&forged, "c6").await, "oidc_failed");
    is_refused(
        &s.get("/api/auth/oidc/callback?error=access_denied&state=x", "")
            .await,
        "oidc_failed",
    );
}

#[tokio::test]
async fn an_address_or_a_name_matches_where_the_administrator_allows_it() {
    let s = School::with(|config| {
        config.auth.oidc.r#match = vec![OidcMatch::Subject, OidcMatch::Email, OidcMatch::Username];
    });
    let s = s.await;
    s.add("ann", "ann@home.example", "guardian").await;
    s.add("mum", "family@home.example", "guardian").await;
    s.add("dad", "family@home.example", "guardian").await;
    s.add("head", "head@school.example", "admin").await;
    let with = |email: &'static str, verified: bool, name: &'static str| {
        move |c: &mut Value| {
            c["email"] = json!(email);
            c["email_verified"] = json!(verified);
            c["preferred_username"] = json!(name);
        }
    };
    is_refused(
        &s.log_in("s1", with("ann@home.example", false, "x")).await,
        "oidc_unknown",
    );
    is_refused(
        &s.log_in("s1", with("family@home.example", true, "x")).await,
        "oidc_unknown",
    );
    is_refused(
        &s.log_in("s1", with("head@school.example", true, "x")).await,
        "oidc_unknown",
    );
    is_refused(
        &s.log_in("s1", with("x@x.example", true, "head")).await,
        "oidc_unknown",
    );
    let ann = s.log_in("s1", with("Ann@home.example", true, "x")).await;
    assert_eq!(s.who(&ann).await["id"], "ann");
    // It is linked: the address no longer matters, and nobody else gets in by it.
    let ann = s.log_in("s1", |_| {}).await;
    assert_eq!(s.who(&ann).await["id"], "ann");
    is_refused(
        &s.log_in("s2", with("ann@home.example", true, "x")).await,
        "oidc_unknown",
    );
    let linked = s
        .admin
        .get("/api/admin/people/ann/identities")
        .await
        .expect(200);
    assert_eq!(linked["data"]["identities"][0]["subject"], "s1");
    let mum = s.log_in("s3", with("", false, "MUM")).await;
    assert_eq!(s.who(&mum).await["id"], "mum");
    // A subject that is another's stays another's.
    let as_dad = s.log_in("s3", with("", false, "dad")).await;
    assert_eq!(s.who(&as_dad).await["id"], "mum");

    s.admin
        .put_json("/api/admin/people/ann", json!({ "disabled": true }))
        .await
        .expect(200);
    is_refused(&s.log_in("s1", |_| {}).await, "user_disabled");
}

#[tokio::test]
async fn who_is_nobody_here_is_made_where_that_is_allowed() {
    let s = School::with(|config| {
        config.auth.oidc.provision = true;
        config.auth.role_claims = vec!["groups".into()];
    });
    let s = s.await;
    // What is not in the ID token is asked for.
    let journey = s.leave("/").await;
    let grant = Grant {
        id_token: sign(&s.provider.claims("s9", &journey.nonce), RSA),
        user_info: json!({
            "sub": "s9", "name": "Zoë New", "email": "zoe@school.example", "email_verified": true,
            "groups": ["everybody", "Teacher"],
        }),
        challenge: journey.challenge.clone(),
    };
    s.provider.grant("c1", grant);
    let made = s.come_back(&journey, "c1").await;
    let zoe = s.who(&made).await;
    assert_eq!(
        (&zoe["name"], &zoe["role"]),
        (&json!("Zoë New"), &json!("teacher"))
    );
    // Once.
    let again = s.log_in("s9", |_| {}).await;
    assert_eq!(s.who(&again).await["id"], zoe["id"]);
    // No claim makes an administrator.
    let boss = s.log_in("s10", |c| c["groups"] = json!(["admin"])).await;
    assert_ne!(s.who(&boss).await["role"], json!(Role::Admin));
    // Another's UserInfo is not taken for theirs.
    let journey = s.leave("/").await;
    let grant = Grant {
        id_token: sign(&s.provider.claims("s11", &journey.nonce), RSA),
        user_info: json!({ "sub": "s9", "name": "Zoë" }),
        challenge: journey.challenge.clone(),
    };
    s.provider.grant("c1", grant);
    is_refused(&s.come_back(&journey, "c1").await, "oidc_failed");
}

#[tokio::test]
async fn who_must_not_be_linked_by_itself_is_not_made_anew_either() {
    let s = School::with(|config| {
        config.auth.oidc.r#match = vec![OidcMatch::Email];
        config.auth.oidc.provision = true;
    });
    let s = s.await;
    s.add("head", "head@school.example", "admin").await;
    s.add("gone", "gone@school.example", "guardian").await;
    s.admin
        .put_json("/api/admin/people/gone", json!({ "disabled": true }))
        .await
        .expect(200);
    let with = |email: &'static str| {
        move |c: &mut Value| {
            c["email"] = json!(email);
            c["email_verified"] = json!(true);
        }
    };
    is_refused(
        &s.log_in("s1", with("head@school.example")).await,
        "oidc_unknown",
    );
    is_refused(
        &s.log_in("s2", with("gone@school.example")).await,
        "user_disabled",
    );
    let people = s.admin.get("/api/admin/people").await.expect(200);
    assert_eq!(people["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_said_so() {
    let t = TestApp::with(|config| {
        config.auth.oidc.issuer = "http://127.0.0.1:1".parse().ok();
        config.auth.oidc.client_id = CLIENT.into();
        config.server.public_url = "https://bell.school.example".parse().ok();
    });
    let answer = t.raw("GET", "/api/auth/oidc/start", &[HOST], b"").await;
    is_refused(&answer, "oidc_failed");
    let plain = TestApp::new();
    let answer = plain.raw("GET", "/api/auth/oidc/start", &[], b"").await;
    is_refused(&answer, "oidc_failed");
    let methods = plain
        .call("GET", "/api/auth/methods", "", None)
        .await
        .expect(200);
    assert_eq!(methods["data"]["oidc"], Value::Null);
}
