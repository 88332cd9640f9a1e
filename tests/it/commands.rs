//! The command line: what it prints, and how it ends.

use std::path::Path;
use std::process::Output;

use rusqlite::Connection;
use serde_json::json;

use crate::helpers::{PASSWORD, Server, add_user, binary};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    binary(folder).args(arguments).output().unwrap()
}

#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}\n{errors}");
    format!("{text}{errors}")
}

#[test]
fn bad_usage_and_bad_configuration_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    ended(&run(folder.path(), &["dance"]), 2);
    ended(&run(folder.path(), &["user", "add"]), 2);
    ended(
        &run(folder.path(), &["user", "add", "x", "--role", "chef"]),
        2,
    );
    std::fs::write(
        folder.path().join("config.toml"),
        "[server]\nlisten = \"127.0.0.1:0\"\nport = 3\n",
    )
    .unwrap();
    let text = ended(&run(folder.path(), &["check"]), 2);
    assert!(
        text.contains("config.toml:3") && text.contains("port"),
        "{text}"
    );
    let text = ended(
        &run(folder.path(), &["--config", "missing.toml", "check"]),
        2,
    );
    assert!(text.contains("missing.toml"), "{text}");
    std::fs::remove_file(folder.path().join("config.toml")).unwrap();
    let output = binary(folder.path())
        .env("SCHOOLBELL_LOG__LEVEL", "]][[")
        .output()
        .unwrap();
    assert!(ended(&output, 2).contains("log.level"));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing was made"
    );
}

#[tokio::test]
async fn the_first_start_makes_everything_and_prints_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[("SCHOOLBELL_AUTH__JWT_SECRET", "")]);
    for file in ["schoolbell.db", "jwt.secret", "vapid.key"] {
        assert!(folder.path().join("data").join(file).exists(), "{file}");
    }
    let link = format!("http://{}/admin/#setup=", server.address);
    let code = server
        .greeting
        .split(&link)
        .nth(1)
        .expect("a link")
        .lines()
        .next()
        .unwrap();
    let body = json!({ "code": code, "username": "head", "name": "Head", "password": PASSWORD });
    let made = server.post("/api/auth/setup", "", body).await;
    assert_eq!(made["data"]["user"]["role"], "admin");
    drop(server);
    let again = Server::start(folder.path());
    assert!(!again.greeting.contains("setup="), "there is an admin");
}

#[tokio::test]
async fn commands_work_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (ann_id, ann) = server.person("ann").await;
    assert!(ended(&add_user(folder.path(), "ANN"), 1).contains("username is taken"));
    let made = run(
        folder.path(),
        &["user", "add", "bob", "--role", "teacher", "--name", "Bob B"],
    );
    let text = ended(&made, 0);
    let password = text
        .split("password: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let body = json!({ "username": "bob", "password": password });
    let bob = server.post("/api/auth/login", "", body).await;
    assert_eq!(bob["data"]["user"]["role"], "teacher");

    let made = run(folder.path(), &["key", "create", "app"]);
    ended(&made, 0);
    let key = String::from_utf8(made.stdout).unwrap();
    assert!(key.starts_with("sb_") && key.lines().count() == 1, "{key}");
    let (mut socket, _) = server.join(&ann, None).await;
    let body = json!({ "userId": ann_id, "type": "x", "title": "t", "message": "m" });
    let sent = server.post("/api/notifications", key.trim(), body).await;
    assert_eq!(sent["data"]["recipients"], 1);
    socket.expect("notification").await;

    let connection = Connection::open(folder.path().join("data/schoolbell.db")).unwrap();
    let added: i64 = connection
        .query_row(
            "SELECT count(*) FROM audit WHERE action = 'person.add' AND actor = 'command line'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(added, 2, "who makes accounts leaves a line");
    drop(connection);

    let backup = folder.path().join("copy.db");
    let text = ended(&run(folder.path(), &["backup", "copy.db"]), 0);
    assert!(text.contains("copy.db"), "{text}");
    let copy = Connection::open(&backup).unwrap();
    let users: i64 = copy
        .query_row("SELECT count(*) FROM users", [], |r| r.get(0))
        .unwrap();
    assert_eq!(users, 2);
    assert!(ended(&run(folder.path(), &["backup", "copy.db"]), 1).contains("exists already"));
    assert!(ended(&run(folder.path(), &["backup", "/nowhere/x.db"]), 1).contains("/nowhere/x.db"));

    let checked = ended(&run(folder.path(), &["check"]), 0);
    assert!(
        checked.contains("ok    database") && checked.contains("ok    write"),
        "{checked}"
    );
    assert!(
        checked.contains("note  push contact") && checked.contains("push.subject"),
        "{checked}"
    );
    let output = binary(folder.path())
        .arg("check")
        .env("SCHOOLBELL_PUSH__SUBJECT", "office")
        .output()
        .unwrap();
    assert!(ended(&output, 1).contains("WRONG push contact"));
}

#[tokio::test]
async fn a_user_that_a_command_disables_is_out_soon() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, ann) = server.person("ann").await;
    let (mut socket, _) = server.join(&ann, None).await;
    // What a command does: another process writes.
    let other = Connection::open(folder.path().join("data/schoolbell.db")).unwrap();
    other
        .execute(
            "UPDATE users SET disabled_at = 1 WHERE username = 'ann'",
            [],
        )
        .unwrap();
    let started = std::time::Instant::now();
    assert_eq!(socket.closed().await, 4503);
    assert!(
        // Within a second on a machine that has one to spare.
        started.elapsed() < std::time::Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        server.get("/api/auth/me", &ann).await["code"],
        "user_disabled"
    );
}

#[test]
fn people_and_keys_are_managed_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let said = |arguments: &[&str]| ended(&run(at, arguments), 0);
    let added = said(&["user", "add", "ann", "--role", "teacher"]);
    assert!(added.contains("data/schoolbell.db (new)"), "{added}");
    let added = said(&["user", "add", "bob"]);
    assert!(!added.contains("(new)"), "{added}");
    let listed = said(&["user", "list", "--role", "teacher"]);
    let fields: Vec<&str> = listed.trim_end().split('\t').collect();
    assert_eq!(fields[1..], ["ann", "teacher", "active", "ann"]);
    assert_eq!(said(&["user", "list", "--search", "bo"]).lines().count(), 1);
    said(&["user", "disable", "bob"]);
    assert!(said(&["user", "list"]).contains("bob\tstudent\tdisabled"));
    said(&["user", "enable", "bob"]);
    assert!(said(&["user", "list"]).contains("bob\tstudent\tactive"));
    let link = said(&["user", "password", "bob"]);
    assert!(link.contains("/password/#code="), "{link}");
    let nobody = ended(&run(at, &["user", "disable", "zoe"]), 1);
    assert!(nobody.contains("There is no such person."), "{nobody}");

    said(&["key", "create", "our app"]);
    let listed = said(&["key", "list"]);
    let id = listed.split('\t').next().unwrap().to_owned();
    assert!(
        listed.contains("\tnotify\tactive\tnever\tour app"),
        "{listed}"
    );
    said(&["key", "revoke", &id]);
    assert!(said(&["key", "list"]).contains("\trevoked\t"));
    ended(&run(at, &["key", "revoke", &id]), 1);
}

#[test]
fn a_command_in_a_wrong_folder_makes_no_school() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        &["user", "export", "ann"][..],
        &["user", "erase", "ann"],
        &["user", "list"],
        &["user", "password", "ann"],
        &["key", "create", "app"],
        &["key", "list"],
    ] {
        let text = ended(&run(folder.path(), command), 1);
        let named = folder.path().join("data/schoolbell.db");
        assert!(text.contains(named.to_str().unwrap()), "{text}");
        assert!(text.contains("no database here"), "{text}");
    }
    assert!(!folder.path().join("data").exists());
}

#[test]
fn the_binary_brings_its_manual_and_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ended(&run(at, &["man", "."]), 0);
    let page = std::fs::read_to_string(at.join("schoolbell-user-add.1")).unwrap();
    assert!(page.contains("Add a user who logs in here"), "{page}");
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let script = ended(&run(at, &["completions", shell]), 0);
        assert!(script.contains(part) && script.contains("erase"), "{shell}");
    }
    let version = ended(&run(at, &["--version"]), 0);
    assert!(
        version.starts_with(concat!("schoolbell ", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );
    let help = ended(&run(at, &["--help"]), 0);
    assert!(help.contains("Exit codes: 0 done") && help.contains("SCHOOLBELL_SECTION__KEY"));
    ended(&run(at, &["man", "missing"]), 1);
}

#[test]
fn config_print_shows_what_is_in_force_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = "messages.max_length = 7\nauth = { jwt_secret = \"a secret of some length\" }\n";
    std::fs::write(folder.path().join("config.toml"), file).unwrap();
    let text = ended(&run(folder.path(), &["config", "print"]), 0);
    let shown: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(shown["messages"]["max_length"].as_integer(), Some(7));
    assert_eq!(shown["auth"]["jwt_secret"].as_str(), Some("***"));
    let text = ended(&run(folder.path(), &["config", "print", "--defaults"]), 0);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");
    assert_eq!(text, std::fs::read_to_string(sample).unwrap());
    assert!(!folder.path().join("data").exists());
}

#[test]
fn vapid_generate_prints_a_pair_and_keeps_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = ended(&run(folder.path(), &["vapid", "generate"]), 0);
    let line_after = |heading: &str| {
        text.split(heading)
            .nth(1)
            .unwrap()
            .trim_start()
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    let (public, private) = (line_after("Public Key:\n"), line_after("Private Key:\n"));
    assert_eq!((public.len(), private.len()), (87, 43));
    assert!(!folder.path().join("data").exists());
    let output = binary(folder.path())
        .args(["check"])
        .envs([
            ("VAPID_PUBLIC_KEY", &public),
            ("VAPID_PRIVATE_KEY", &private),
        ])
        .output()
        .unwrap();
    assert!(ended(&output, 0).contains("ok    keys"));
}

#[tokio::test]
async fn demo_fills_an_empty_database_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let text = ended(&run(folder.path(), &["demo"]), 0);
    let password = text
        .split("password is ")
        .nth(1)
        .unwrap()
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    assert!(ended(&run(folder.path(), &["demo"]), 1).contains("holds data already"));
    let server = Server::start(folder.path());
    let log_in = async |name: &str| {
        let body = json!({ "username": name, "password": password });
        let answer = server.post("/api/auth/login", "", body).await;
        answer["data"]["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: {answer}"))
            .to_owned()
    };
    for line in text.lines().filter(|l| l.starts_with("  ")) {
        log_in(line.split_whitespace().nth(1).unwrap()).await;
    }
    let teacher = log_in("miriam.okafor").await;
    let list = server.get("/api/messages/conversations", &teacher).await;
    assert!(list["data"].as_array().unwrap().len() > 5);
    let database = Connection::open(folder.path().join("data/schoolbell.db")).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
    for (role, people) in [
        ("admin", 1),
        ("teacher", 6),
        ("student", 60),
        ("guardian", 90),
    ] {
        assert_eq!(
            count(&format!("SELECT count(*) FROM users WHERE role = '{role}'")),
            people
        );
    }
    assert_eq!(count("SELECT count(*) FROM groups"), 4);
    assert!(count("SELECT count(*) FROM notification_recipients") > 300);
    let wrong = count(
        "SELECT count(*) FROM unread u WHERE u.messages <> (SELECT coalesce(sum(unread_count), 0)
         FROM conversation_members m WHERE m.user_key = u.user_key)",
    );
    assert_eq!(wrong, 0, "counters agree");
}

#[test]
fn databases_that_cannot_be_used_are_left_alone() {
    let attempt = |prepare: &dyn Fn(&Path), part: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let path = folder.path().join("data/schoolbell.db");
        prepare(&path);
        let before = std::fs::read(&path).ok();
        let text = ended(&run(folder.path(), &["serve"]), 1);
        assert!(
            text.contains(part) && text.contains("schoolbell.db"),
            "{part}: {text}"
        );
        assert_eq!(std::fs::read(&path).ok(), before, "{part}: untouched");
    };
    attempt(
        &|path| {
            std::fs::write(
                path,
                "this is a letter to the school, and no database at all",
            )
            .unwrap()
        },
        "not a SQLite database",
    );
    attempt(
        &|path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("CREATE TABLE cakes (x)")
                .unwrap()
        },
        "of another program",
    );
    attempt(
        &|path| {
            make(path);
            let sql = "INSERT INTO refinery_schema_history VALUES (9999, 'future', '', '1')";
            Connection::open(path).unwrap().execute(sql, []).unwrap();
        },
        "newer schoolbell",
    );
    attempt(
        &|path| {
            make(path);
            let mut permissions = std::fs::metadata(path).unwrap().permissions();
            permissions.set_readonly(true);
            std::fs::set_permissions(path, permissions).unwrap();
        },
        "cannot be written to",
    );
    attempt(&|path| std::fs::create_dir(path).unwrap(), "is a folder");
}

/// A database of ours, closed.
fn make(path: &Path) {
    let folder = path.parent().unwrap().parent().unwrap();
    ended(&run(folder, &["user", "add", "x"]), 0);
}

#[test]
fn a_locked_database_is_said_to_be_locked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let path = folder.path().join("data/schoolbell.db");
    make(&path);
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let text = ended(&run(folder.path(), &["serve"]), 1);
    assert!(text.contains("holds this database locked"), "{text}");
}

#[test]
fn a_second_server_on_the_same_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Server::start(folder.path());
    let text = ended(&run(folder.path(), &["serve"]), 1);
    assert!(text.contains("another schoolbell is running"), "{text}");
}

#[test]
fn a_port_that_is_taken_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = binary(folder.path())
        .env("SCHOOLBELL_SERVER__LISTEN", &address)
        .output()
        .unwrap();
    assert!(ended(&output, 1).contains(&address));
    assert!(!folder.path().join("data/schoolbell.db").exists());
}

#[test]
fn a_first_start_that_was_cut_short_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let path = folder.path().join("data/schoolbell.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA journal_mode = WAL")
        .unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
    make(&path);
}

#[test]
fn keys_that_cannot_be_used_are_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value, part) in [
        (
            "SCHOOLBELL_AUTH__PUBLIC_KEY",
            "/nowhere.pem",
            "auth.public_key",
        ),
        ("SCHOOLBELL_AUTH__JWKS_URL", "ftp://x", "auth.jwks_url"),
        (
            "SCHOOLBELL_SERVER__PUBLIC_URL",
            "not a url",
            "server.public_url",
        ),
        (
            "SCHOOLBELL_SERVER__PUBLIC_URL",
            "https://school.example/../bell",
            "server.public_url",
        ),
        (
            "SCHOOLBELL_SERVER__PUBLIC_URL",
            "https://school.example/bell//x",
            "server.public_url",
        ),
        (
            "SCHOOLBELL_SERVER__PUBLIC_URL",
            "https://school.example/bell?x=1",
            "server.public_url",
        ),
        (
            "SCHOOLBELL_SERVER__STATIC_DIR",
            "/nowhere",
            "server.static_dir",
        ),
        ("SCHOOLBELL_LOG__LEVEL", "verbose", "log.level"),
        ("SCHOOLBELL_LOG__FORMAT", "xml", "SCHOOLBELL_LOG__FORMAT"),
        (
            "SCHOOLBELL_DATABASE__READERS",
            "-1",
            "SCHOOLBELL_DATABASE__READERS",
        ),
        ("PORT", "abc", "server.listen"),
    ] {
        let output = binary(folder.path())
            .env_remove("SCHOOLBELL_SERVER__LISTEN")
            .env(name, value)
            .output();
        let text = ended(&output.unwrap(), 2);
        assert!(text.contains(part), "{name}: {text}");
    }
    assert!(!folder.path().join("data/schoolbell.db").exists());
}

/// What is below a path must not hide what is at the root.
#[test]
fn a_base_that_is_taken_is_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for base in [
        "api/bell",
        "ws",
        "socket.io",
        "health",
        "admin",
        "app/x",
        "sw.js",
    ] {
        let output = binary(folder.path())
            .env(
                "SCHOOLBELL_SERVER__PUBLIC_URL",
                format!("https://school.example/{base}"),
            )
            .output();
        let text = ended(&output.unwrap(), 2);
        assert!(
            text.contains("is at /") && text.contains("already"),
            "{base}: {text}"
        );
    }
}

/// The file that people install says every default: it must not change one.
#[test]
fn the_shipped_file_leaves_the_base_of_links_alone() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");
    let url = (
        "SCHOOLBELL_SERVER__PUBLIC_URL",
        "https://school.example/bell",
    );
    let environment = [(url.0.to_owned(), url.1.to_owned())];
    let config = schoolbell::Config::load(Some(file.as_ref()), environment).unwrap();
    assert_eq!(config.push.message_link, "/bell/?chat={userId}");
}

#[test]
fn variables_that_are_not_text_are_ignored() {
    use std::os::unix::ffi::OsStringExt as _;
    let folder = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsString::from_vec(vec![0xFF, 0xFE]);
    let output = binary(folder.path())
        .args(["vapid", "generate"])
        .env("ODD", odd)
        .output()
        .unwrap();
    ended(&output, 0);
}

#[test]
fn backups_are_as_private_as_the_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    make(&folder.path().join("data/schoolbell.db"));
    ended(&run(folder.path(), &["backup", "copy.db"]), 0);
    for file in ["copy.db", "data/schoolbell.db"] {
        let mode = std::fs::metadata(folder.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn check_finds_a_key_file_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/vapid.key"), "bad").unwrap();
    assert!(ended(&run(folder.path(), &["check"]), 1).contains("WRONG keys"));
}

#[test]
fn check_leaves_no_folder_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary(folder.path())
        .arg("check")
        .env("SCHOOLBELL_DATABASE__PATH", "a/b/school.db")
        .output()
        .unwrap();
    assert!(ended(&output, 0).contains("will be made"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_contact_that_apple_would_refuse_is_named_at_the_start() {
    let log_of = |subject: &str| {
        let folder = tempfile::tempdir().unwrap();
        let environment = [("SCHOOLBELL_PUSH__SUBJECT", subject)];
        drop(Server::start_with(folder.path(), &environment));
        std::fs::read_to_string(folder.path().join("log")).unwrap()
    };
    for bad in ["", "mailto:office@localhost", "office@school.edu"] {
        let log = log_of(bad);
        assert!(
            log.contains("push.subject") && log.contains("Apple"),
            "{bad:?}: {log}"
        );
    }
    assert!(!log_of("mailto:office@school.edu").contains("Apple"));
}
