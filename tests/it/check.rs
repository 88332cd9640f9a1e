//! `schoolbell check`: each thing that can be wrong is named, with what to do.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::helpers::{SECRET, Server, Signal, add_user, binary};

/// The findings, and the exit code.
fn check(folder: &Path, environment: &[(&str, &str)]) -> (String, i32) {
    let output = binary(folder)
        .arg("check")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code().unwrap())
}

/// The same of a database that is somewhere else.
pub fn check_at(database: &Path) -> (String, i32) {
    let folder = database.parent().unwrap();
    let path = database.to_str().unwrap();
    check(folder, &[("SCHOOLBELL_DATABASE__PATH", path)])
}

#[track_caller]
fn line<'t>(text: &'t str, what: &str) -> &'t str {
    let found = text
        .lines()
        .find(|line| line[6..].starts_with(&format!("{what}:")));
    found.unwrap_or_else(|| panic!("nothing about {what} in {text}"))
}

#[tokio::test]
async fn a_server_that_runs_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    // As a clone has it, readable by everyone.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    std::fs::write(
        folder.path().join("config.toml"),
        std::fs::read(shipped).unwrap(),
    )
    .unwrap();
    let server = Server::start(folder.path());
    server.person("ann").await;
    let (text, code) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{text}");
    for what in [
        "configuration",
        "folder",
        "permissions",
        "space",
        "keys",
        "proxy in front",
        "database",
        "clock",
        "write",
        "backup",
        "server",
        "socket",
    ] {
        assert!(line(&text, what).starts_with("ok    "), "{text}");
    }
    assert!(line(&text, "push contact").starts_with("note  "), "{text}");
    assert!(line(&text, "socket").contains(&server.address), "{text}");
    // Nothing of this machine stands between: the public address has what is for this machine alone.
    let public = format!("http://{}", server.address);
    let (text, code) = check(folder.path(), &[("SCHOOLBELL_SERVER__PUBLIC_URL", &public)]);
    assert_eq!(code, 1);
    assert!(line(&text, "public socket").starts_with("ok    "), "{text}");
    assert!(
        line(&text, "public address").contains("X-Forwarded-For"),
        "{text}"
    );
    let (text, code) = check(
        folder.path(),
        &[("SCHOOLBELL_SERVER__PUBLIC_URL", "http://127.0.0.1:9")],
    );
    assert_eq!(code, 1);
    assert!(line(&text, "public server").starts_with("WRONG "), "{text}");
    let health = || binary(folder.path()).arg("health").output().unwrap();
    assert_eq!(health().status.code(), Some(0));
    server.signal(Signal::TERM);
    server.wait();
    let output = health();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no server"));
    let (text, code) = check(folder.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert!(line(&text, "server").contains("start it"), "{text}");
}

/// The file of the package belongs to root, and the service reads it by its group.
#[test]
fn a_configuration_that_holds_a_secret_is_private() {
    let folder = tempfile::tempdir().unwrap();
    assert!(add_user(folder.path(), "ann").status.success());
    let file = folder.path().join("config.toml");
    let permissions = |text: &str, mode: u32| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let (text, _) = check(folder.path(), &[]);
        line(&text, "permissions").to_owned()
    };
    let secret = "[metrics]\ntoken = \"a secret of some length\"\n";
    let empty = "[auth]\njwt_secret = \"\"\n[push]\nvapid_private_key = \"\"\n";
    assert!(permissions(empty, 0o644).starts_with("ok"));
    assert!(permissions(secret, 0o600).starts_with("ok"));
    let open = permissions(secret, 0o644);
    assert!(
        open.starts_with("WRONG") && open.contains("chmod 600 config.toml"),
        "{open}"
    );
    let proxy = "[push]\nproxy = \"http://user:word@proxy.example:3128\"\n";
    assert!(permissions(proxy, 0o640).starts_with("WRONG"));
    // Only root can give a file away.
    if std::os::unix::fs::chown(&file, Some(1), None).is_ok() {
        assert!(permissions(secret, 0o640).starts_with("ok"));
        let open = permissions(secret, 0o644);
        assert!(open.contains("chmod o-rwx config.toml"), "{open}");
    }
}

#[test]
fn a_jwks_that_cannot_be_fetched_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(add_user(folder.path(), "ann").status.success());
    let url = ("SCHOOLBELL_AUTH__JWKS_URL", "http://127.0.0.1:1/jwks");
    let (text, code) = check(folder.path(), &[url]);
    assert_eq!(code, 1);
    let found = line(&text, "jwks");
    assert!(
        found.starts_with("WRONG") && found.contains("cannot be fetched"),
        "{found}"
    );
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(add_user(folder.path(), "ann").status.success());
    let path = |name: &str| folder.path().join(name);
    let database = path("data/schoolbell.db");

    let mode =
        |mode| std::fs::set_permissions(&database, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let (text, code) = check(folder.path(), &[]);
    assert_eq!(code, 1);
    assert!(line(&text, "permissions").contains("chmod 600"), "{text}");
    mode(0o600);

    let https = ("SCHOOLBELL_SERVER__PUBLIC_URL", "https://127.0.0.1:9");
    let (text, _) = check(
        folder.path(),
        &[https, ("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "")],
    );
    assert!(
        line(&text, "proxy in front").contains("trusted_proxies"),
        "{text}"
    );

    let (text, _) = check(
        folder.path(),
        &[("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "0.0.0.0/0")],
    );
    assert!(
        line(&text, "proxy in front").contains("everybody"),
        "{text}"
    );

    std::fs::write(path("blocked"), "").unwrap();
    let (text, _) = check(
        folder.path(),
        &[("SCHOOLBELL_BACKUP__DIR", "blocked/copies")],
    );
    assert!(line(&text, "backup").starts_with("WRONG "), "{text}");

    for (key, value, what) in [
        (
            "AUTH__JWKS_URL",
            "http://id.school.example/keys",
            "jwks_url is http",
        ),
        (
            "AUTH__JWKS_URL",
            "https://id.school.example/keys",
            "set auth.issuer",
        ),
        ("AUTH__JWT_SECRET", "passwordpassword", "can be guessed"),
        ("AUTH__TRUST_ADMIN_CLAIM", "true", "trust_admin_claim"),
        ("AUTH__LINK_BY", "id", "link_by"),
        ("PUSH__ALLOW_PRIVATE_ENDPOINTS", "true", "for tests"),
    ] {
        let (text, code) = check(folder.path(), &[(&format!("SCHOOLBELL_{key}"), value)]);
        assert_eq!(code, 1, "{key}");
        assert!(line(&text, "tokens").contains(what), "{text}");
    }

    // A write of tomorrow: the clock was put back since.
    let connection = rusqlite::Connection::open(&database).unwrap();
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    let tomorrow = tomorrow
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    connection
        .execute(
            "INSERT OR REPLACE INTO meta (name, value) VALUES ('health', ?1)",
            [tomorrow.to_string()],
        )
        .unwrap();
    let (text, _) = check(folder.path(), &[]);
    assert!(line(&text, "clock").starts_with("WRONG "), "{text}");
    connection
        .execute("DELETE FROM meta WHERE name = 'health'", [])
        .unwrap();

    // A backup of three days ago.
    std::fs::create_dir(path("data/backups")).unwrap();
    let old = std::fs::File::create(path("data/backups/schoolbell-1.db")).unwrap();
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400))
        .unwrap();
    let (text, _) = check(folder.path(), &[]);
    assert!(line(&text, "backup").contains("72 hours old"), "{text}");

    // One that ends this week, one that has ended, and one that begins the day after tomorrow.
    let now = std::time::SystemTime::now();
    let days = |n: u64| std::time::Duration::from_secs(n * 86_400);
    for (begin, end, why) in [
        (now - days(10), now + days(5), "renew it"),
        (now - days(10), now - days(5), "has expired"),
        (now + days(2), now + days(90), "is the clock right?"),
    ] {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        params.not_before = begin.into();
        params.not_after = end.into();
        let cert = params.self_signed(&key).unwrap();
        std::fs::write(path("cert.pem"), cert.pem()).unwrap();
        std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        let files = [
            ("SCHOOLBELL_SERVER__TLS_CERT", "cert.pem"),
            ("SCHOOLBELL_SERVER__TLS_KEY", "key.pem"),
        ];
        let (text, code) = check(folder.path(), &files);
        assert_eq!(code, 1);
        assert!(line(&text, "certificate").contains(why), "{text}");
    }

    // Half of it overwritten.
    drop(connection);
    let mut bytes = std::fs::read(&database).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0x5a);
    std::fs::write(&database, bytes).unwrap();
    let (text, code) = check(folder.path(), &[]);
    assert_eq!(code, 1);
    assert!(
        line(&text, "database").contains("schoolbell restore"),
        "{text}"
    );
}

/// What `check` says of a token that comes by standard input, and the exit code.
fn explain(folder: &Path, token: &str, environment: &[(&str, &str)]) -> (String, i32) {
    let mut child = binary(folder)
        .args(["check", "--token", "-"])
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{token}").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code().unwrap())
}

#[tokio::test]
async fn a_token_is_explained_to_the_developer_of_an_app() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (ann, own) = server.person("ann").await;
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let sign = |claims: Value, secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    };
    let claims = |more: Value| {
        let mut claims = json!({ "exp": now + 3_600 });
        let more = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(more);
        claims
    };
    let of = |more: Value| sign(claims(more), SECRET);
    let provision = [("SCHOOLBELL_AUTH__AUTO_PROVISION", "true")];
    let none = &[][..];
    for (token, environment, says, code) in [
        (own.clone(), none, format!("ok    token: of our own, is {ann} (ann), student, until 20"), 0),
        (format!("Bearer {own}"), none, "ok    token: of our own".into(), 0),
        (
            of(json!({ "id": 7, "name": "Amy", "role": "INSTRUCTOR", "iss": "app" })),
            &provision[..],
            "ok    token: of app, makes 7 (Amy), teacher, until 20".into(),
            0,
        ),
        (
            of(json!({ "id": 7, "role": "wizard" })),
            &provision,
            "makes 7 (7), student, for none of the claims role, roles, userType holds a role that is known".into(),
            0,
        ),
        (
            of(json!({ "id": 7, "role": "admin" })),
            &provision,
            "student, for auth.trust_admin_claim is off".into(),
            0,
        ),
        (of(json!({ "id": 7 })), none, "auth.auto_provision".into(), 1),
        (of(json!({ "userId": ann })), none, "set auth.link_by".into(), 1),
        (of(json!({ "uid": 7 })), none, "none of the claims userId, sub, id, _id, user_id, user.id is there".into(), 1),
        (sign(claims(json!({ "id": 7 })), "another secret, as long"), none, "signature does not fit auth.jwt_secret".into(), 1),
        (sign(json!({ "id": 7 }), SECRET), none, "no exp".into(), 1),
        (sign(json!({ "id": 7, "exp": 5 }), SECRET), none, "expired".into(), 1),
        ("sb_x".into(), none, "this is an API key".into(), 1),
        ("x".into(), none, "it is no JWT".into(), 1),
        (String::new(), none, "it is empty or too long".into(), 1),
    ] {
        let (text, exit) = explain(folder.path(), &token, environment);
        assert_eq!(exit, code, "{text}");
        assert!(text.contains(&says), "{says}: {text}");
        assert!(token.is_empty() || !text.contains(&token), "never the token");
    }
    // Looking makes nobody.
    let found = server.get("/api/users?search=Amy", &own).await;
    assert_eq!(found["data"], json!([]));
}
