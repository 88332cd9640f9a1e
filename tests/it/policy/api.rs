//! Reading, setting, previewing and explaining the policy.

use schoolbell::model::policy::{Preset, from_toml};
use schoolbell::model::users::Role;
use serde_json::{Value, json};

use super::{keep_apart, make_lead, preset, send, set, set_version};
use crate::helpers::{TestApp, binary};

const POLICY: &str = "/api/admin/policy";

fn rule(from: &str, to: &str, when: &str) -> Value {
    json!({ "from": [from], "to": [to], "when": when, "may": "start" })
}

#[tokio::test]
async fn the_policy_is_open_until_somebody_chooses_and_has_a_version() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let read = admin.get(POLICY).await;
    let first = read.headers["etag"].to_str().unwrap().to_owned();
    let open = read.expect(200)["data"].clone();
    assert_eq!(
        (&open["preset"], &open["fixed"]),
        (&json!("open"), &json!(false))
    );
    assert_eq!(open["rule"].as_array().unwrap().len(), 1);
    let led = json!({ "preset": "teacher-led" });
    set_version(&t, &admin, led.clone(), None)
        .await
        .refused(428, "version_required");
    set_version(&t, &admin, led.clone(), Some("\"7\""))
        .await
        .refused(412, "stale");
    let answer = set_version(&t, &admin, led, Some(&first)).await;
    let second = answer.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(answer.expect(200)["data"]["preset"], "teacher-led");
    assert_ne!(first, second);
    // Another administrator, who read the one of before, is told so.
    let family = json!({ "preset": "family" });
    set_version(&t, &admin, family.clone(), Some(&first))
        .await
        .refused(412, "stale");
    set_version(&t, &admin, family, Some(&second))
        .await
        .expect(200);
    // A preset's own lists too; and what is set comes back as it was.
    let own = json!({
        "rule": [{ "from": ["student"], "to": ["staff"], "when": "anyone", "may": "reply", "fromGrade": "..06", "toGroup": ["office"] }],
        "never": [{ "from": ["student"], "to": ["student"], "when": "anyone" }],
        "quiet": [{ "to": ["student"], "from": "20:00", "until": "07:00", "days": ["mon", "fri"] }],
        "announce": [{ "from": ["staff"], "to": "everybody", "emergency": true }],
    });
    let set_own = set(&t, &admin, own.clone()).await.expect(200);
    let read = admin.get(POLICY).await.expect(200);
    assert_eq!(read["data"], set_own["data"]);
    for (list, expected) in own.as_object().unwrap() {
        assert_eq!(&read["data"][list], expected);
    }
    assert_eq!(read["data"]["preset"], Value::Null);
    let log = admin.get("/api/admin/audit").await.expect(200);
    let line = &log["data"][0];
    assert_eq!(line["action"], "policy.change");
    let detail = line["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("family → own rules\n- rule {"),
        "{detail}"
    );
    assert!(detail.contains("\n+ quiet {"), "{detail}");
}

#[tokio::test]
async fn what_cannot_be_a_policy_is_named() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let with = |key: &str, value: Value| {
        let mut rule = rule("teacher", "student", "teaches");
        rule[key] = value;
        json!({ "rule": [rule] })
    };
    for (policy, field) in [
        (with("from", json!([])), "rule.0.from"),
        (with("from", json!(["pupil"])), "rule[0].from[0]"),
        (with("when", json!("likes")), "rule[0].when"),
        (with("may", json!("no")), "rule.0.may"),
        (with("fromGrade", json!("seven")), "rule.0.fromGrade"),
        (with("toGroup", json!(["a b"])), "rule.0.toGroup"),
        (with("colour", json!("red")), "rule.0.colour"),
        (json!({ "rules": [] }), "rules"),
        (json!({}), "rule"),
        (json!({ "preset": "closed" }), "preset"),
        (
            json!({ "preset": "open", "quiet": [{ "to": ["student"], "from": "20:00", "until": "07:00" }] }),
            "preset",
        ),
        (
            json!({ "rule": vec![rule("teacher", "student", "teaches"); 201] }),
            "rule",
        ),
        (
            json!({ "rule": [rule("student", "student", "teaches")] }),
            "rule",
        ),
    ] {
        let answer = set(&t, &admin, policy.clone()).await;
        let body = answer.refused(400, "validation_failed");
        let found = body["details"][0]["field"].as_str().unwrap();
        let same = |field: &str| field.replace(['[', '.'], "/").replace(']', "");
        assert_eq!(same(found), same(field), "{policy}: {body}");
    }
    assert_eq!(
        admin.get(POLICY).await.expect(200)["data"]["preset"],
        "open"
    );
    // A rule that can never hold is taken, and named.
    let idle = json!({ "rule": [rule("teacher", "student", "teaches"), rule("student", "student", "teaches")] });
    let taken = set(&t, &admin, idle).await.expect(200);
    assert_eq!(taken["data"]["warnings"][0]["field"], "rule.1");
    assert_eq!(taken["data"]["warnings"][0]["rule"], "never_holds");
}

#[tokio::test]
async fn what_the_configuration_sets_the_dashboard_cannot() {
    let t = TestApp::with(|config| config.policy.preset = Some(Preset::Family));
    let admin = t.admin().await;
    let read = admin.get(POLICY).await.expect(200);
    assert_eq!(
        (&read["data"]["preset"], &read["data"]["fixed"]),
        (&json!("family"), &json!(true))
    );
    set(&t, &admin, json!({ "preset": "open" }))
        .await
        .refused(409, "set_in_config");
    let (kim, lea) = (t.student("kim").await, t.student("lea").await);
    send(&kim, lea.id()).await.refused(404, "user_not_found");
}

#[tokio::test]
async fn a_preview_says_what_would_change() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (tea, kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let (lea, max) = (t.student("lea").await, t.person("max", Role::Teacher).await);
    t.class("7a", &[&tea, &kim, &lea]).await;
    kim.write(&lea, "hello").await;
    kim.write(&lea, "hello?").await;
    max.write(&kim, "who are you").await;
    tea.write(&kim, "homework").await;
    let shown = admin
        .post(
            "/api/admin/policy/preview",
            json!({ "preset": "teacher-led" }),
        )
        .await
        .expect(200);
    let shown = &shown["data"];
    let pair = |from: &str, to: &str| {
        let mut pairs = shown["pairs"].as_array().unwrap().iter();
        let found = pairs.find(|pair| pair["from"] == from && pair["to"] == to);
        found.map(|pair| {
            (
                pair["start"].as_u64().unwrap(),
                pair["reply"].as_u64().unwrap(),
            )
        })
    };
    assert_eq!(pair("teacher", "student"), Some((2, 0)));
    assert_eq!(pair("student", "teacher"), Some((0, 2)));
    assert_eq!(pair("student", "student"), None);
    assert_eq!(shown["reachedByOthers"], 0);
    // Kim and Lea, who share a class, lose each other.
    assert_eq!(shown["losingCount"], 2);
    assert_eq!(shown["losing"][0]["from"]["id"], "kim");
    assert_eq!(
        shown["refused"],
        json!([{ "from": "student", "to": "student", "count": 2 }, { "from": "teacher", "to": "student", "count": 1 }])
    );
    // Nobody is a guardian here.
    assert!(shown["unused"].as_array().unwrap().len() >= 3, "{shown}");
    let open = admin
        .post("/api/admin/policy/preview", json!({ "preset": "open" }))
        .await
        .expect(200);
    assert_eq!(open["data"]["reachedByOthers"], 2);
    assert_eq!(open["data"]["losingCount"], 0);
    assert_eq!(open["data"]["refused"], json!([]));
    assert_eq!(
        admin.get(POLICY).await.expect(200)["data"]["preset"],
        "open",
        "nothing was set"
    );
}

#[tokio::test]
async fn a_decision_is_explained_by_its_rule_and_its_facts() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (tea, kim) = (t.person("tea", Role::Teacher).await, t.student("kim").await);
    let gus = t.person("gus", Role::Guardian).await;
    t.class("7a", &[&tea, &kim]).await;
    preset(&t, &admin, "teacher-led").await;
    let links = json!({ "guardians": [{ "id": "gus", "until": "2030-07-31" }] });
    admin
        .put_json("/api/admin/people/kim/guardians", links)
        .await
        .expect(200);
    let explain = async |from: &str, to: &str| {
        let path = format!("/api/policy/explain?from={from}&to={to}");
        admin.get(&path).await.expect(200)["data"].clone()
    };
    let told = explain("tea", "gus").await;
    assert_eq!(
        (&told["may"], &told["rule"]["kind"]),
        (&json!("start"), &json!("rule"))
    );
    assert_eq!(told["rule"]["rule"]["when"], "teaches_child");
    assert_eq!(
        told["facts"],
        json!([{ "relation": "teaches_child", "holds": true, "group": { "id": "7a", "name": "A class" },
                 "child": { "id": "kim", "name": "kim of the school" }, "until": "2030-07-31" }])
    );
    assert_eq!(told["to"]["isGuardian"], true);
    let told = explain("kim", "gus").await;
    assert_eq!(
        (&told["may"], &told["rule"]["kind"]),
        (&json!("no"), &json!("no_rule"))
    );
    assert_eq!(told["facts"][0]["relation"], "child_of");
    let told = explain("kim", "tea").await;
    assert_eq!(
        (&told["may"], &told["answerable"]),
        (&json!("reply"), &json!(false))
    );
    // Orders are for leads: an administrator is told what the policy says.
    keep_apart(&t, "tea", "gus", None).await;
    let told = explain("tea", "gus").await;
    assert_eq!((&told["may"], told.get("orders")), (&json!("start"), None));
    let path = "/api/policy/explain?from=tea&to=gus";
    let lead = t.person("lead", Role::Teacher).await;
    lead.get(path).await.refused(403, "role_not_allowed");
    make_lead(&t, "lead").await;
    let told = lead.get(path).await.expect(200)["data"].clone();
    assert_eq!(
        (&told["may"], &told["rule"]["kind"]),
        (&json!("no"), &json!("order"))
    );
    assert_eq!(told["orders"].as_array().unwrap().len(), 1);
    assert_eq!(told["blockedBy"], json!([]));
    gus.get(path).await.refused(403, "role_not_allowed");
    admin
        .get("/api/policy/explain?from=tea&to=nobody")
        .await
        .refused(404, "user_not_found");
    admin
        .get("/api/policy/explain?from=tea&to=gus&why=1")
        .await
        .invalid("why");
    admin
        .get("/api/policy/explain?from=tea")
        .await
        .refused(400, "validation_failed");
}

#[tokio::test]
async fn a_policy_is_kept_as_a_file() {
    let t = TestApp::new();
    let admin = t.admin().await;
    preset(&t, &admin, "secondary").await;
    let file = admin.get("/api/admin/policy/file").await;
    assert_eq!(file.headers["content-type"], "application/toml");
    let policy = from_toml(&file.text).unwrap();
    assert_eq!(policy.rules, Preset::Secondary.policy().rules);
    let read = admin
        .post("/api/admin/policy/file", json!({ "toml": file.text }))
        .await
        .expect(200);
    assert_eq!(read["data"]["never"].as_array().unwrap().len(), 2);
    let wrong = admin
        .post(
            "/api/admin/policy/file",
            json!({ "toml": "rule = [\n  { form = 1 }\n]" }),
        )
        .await;
    let wrong = wrong.refused(400, "validation_failed");
    assert!(
        wrong["details"][0]["message"]
            .as_str()
            .unwrap()
            .contains("line 2"),
        "{wrong}"
    );
    let presets = admin.get("/api/admin/policy/presets").await.expect(200);
    let names: Vec<&str> = presets["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["preset"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "open",
            "teacher-led",
            "family",
            "secondary",
            "announcements-only"
        ]
    );
}

#[test]
fn the_commands_check_and_explain() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.toml");
    for (name, role) in [("tea", "teacher"), ("kim", "student")] {
        let mut command = binary(dir.path());
        let added = command
            .args(["user", "add", name, "--role", role])
            .output()
            .unwrap();
        assert!(added.status.success());
    }
    let run = |arguments: &[&str]| {
        let output = binary(dir.path())
            .arg("policy")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, presets, _) = run(&["presets"]);
    assert_eq!(code, Some(0));
    assert!(
        presets.contains("teacher-led") && presets.lines().count() == 5,
        "{presets}"
    );
    let (code, toml, _) = run(&["presets", "family"]);
    assert_eq!(code, Some(0));
    std::fs::write(&file, &toml).unwrap();
    let path = file.to_str().unwrap();
    let (code, said, _) = run(&["check", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("15 rules"), "{said}");
    std::fs::write(&file, toml.replace("guardian_of", "guardian_off")).unwrap();
    let (code, _, said) = run(&["check", path]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("guardian_off") && said.contains("line"),
        "{said}"
    );
    let (code, said, _) = run(&["explain", "tea", "kim"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("start"), "{said}");
    let (code, _, said) = run(&["explain", "tea", "nobody"]);
    assert_eq!((code, said.contains("nobody")), (Some(1), true), "{said}");
    // The file that the configuration names.
    let config = dir.path().join("config.toml");
    let before = std::fs::read_to_string(&config).unwrap_or_default();
    std::fs::write(
        &config,
        format!("{before}\n[policy]\nfile = \"policy.toml\"\n"),
    )
    .unwrap();
    let (code, _, said) = run(&["explain", "tea", "kim"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("policy.file"), "{said}");
    std::fs::write(&file, &toml).unwrap();
    let (code, said, _) = run(&["explain", "tea", "kim"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("no"), "{said}");
}

#[tokio::test]
async fn the_checks_name_an_open_policy_and_rules_for_nobody() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("kim").await;
    let checks = "/api/admin/checks";
    let open = admin.get(checks).await.expect(200);
    assert_eq!(open["data"]["openToPupils"], 1);
    preset(&t, &admin, "family").await;
    let of_a_preset = admin.get(checks).await.expect(200);
    assert_eq!(
        (
            &of_a_preset["data"]["openToPupils"],
            &of_a_preset["data"]["unusedRules"]
        ),
        (&json!(0), &json!([]))
    );
    let own = json!({ "rule": [rule("student", "admin", "anyone"), rule("teacher", "student", "teaches")] });
    set(&t, &admin, own).await.expect(200);
    let unused = admin.get(checks).await.expect(200);
    assert_eq!(unused["data"]["unusedRules"], json!([1]));
}

/// Set-up asks; what is chosen there holds from the first message on.
#[tokio::test]
async fn set_up_takes_a_preset() {
    let t = TestApp::new();
    let code = t.app.auth.setup.issue(t.app.now()).unwrap();
    let body = json!({ "code": code, "username": "head", "name": "Head", "password": crate::helpers::PASSWORD,
                       "policy": "announcements-only" });
    let made = t
        .call("POST", "/api/auth/setup", "", Some(body))
        .await
        .expect(201);
    let token = made["data"]["token"].as_str().unwrap();
    let policy = t.call("GET", POLICY, token, None).await.expect(200);
    assert_eq!(policy["data"]["preset"], "announcements-only");
    let (kim, lea) = (t.student("kim").await, t.student("lea").await);
    send(&kim, lea.id()).await.refused(404, "user_not_found");
}
