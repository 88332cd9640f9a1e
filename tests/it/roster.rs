//! People in and out as a CSV file.

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::TestApp;

const PREVIEW: &str = "/api/admin/roster/preview";

fn import_path(preview: &Value) -> String {
    format!(
        "/api/admin/roster?digest={}",
        preview["digest"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_preview_writes_nothing_and_the_import_does_what_it_showed() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let ann = t.student("ann").await;
    t.student("bob").await;
    let file = "username,name,role,groups,status\n\
                ann,Ann Lee,student,7a; Chess,\n\
                bob,bob of the school,student,,disabled\n\
                cid,Cid,teacher,7a,\n\
                dee,,student,,\n\
                admin,admin of the school,student,,\n";
    let preview = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
    let counts = ["adding", "changing", "disabling", "unchanged", "bad"]
        .map(|k| preview[k].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 0, 2], "{preview}");
    assert_eq!(preview["newGroups"], json!(["7a", "Chess"]));
    assert_eq!(
        preview["changed"][0]["changes"],
        json!(["name: ann of the school → Ann Lee", "groups: – → 7a, Chess"])
    );
    let bad = &preview["badRows"];
    assert_eq!(
        (&bad[0]["line"], &bad[0]["field"]),
        (&json!(5), &json!("name"))
    );
    assert_eq!(
        (&bad[1]["line"], &bad[1]["field"]),
        (&json!(6), &json!("role"))
    );
    let people = admin.get("/api/admin/people").await.expect(200);
    assert_eq!(
        people["data"].as_array().unwrap().len(),
        3,
        "nothing is written"
    );

    let (mut socket, _) = ann.connect().await;
    let done = admin
        .post_csv(&import_path(&preview), file.as_bytes())
        .await
        .expect(200);
    assert_eq!(
        done["data"],
        json!({ "added": 1, "changed": 1, "disabled": 1, "problems": [] })
    );
    let progress = admin
        .get(&format!(
            "/api/admin/roster/{}",
            preview["digest"].as_str().unwrap()
        ))
        .await
        .expect(200);
    // Two groups are steps, too.
    assert_eq!(
        progress["data"],
        json!({ "state": "done", "total": 5, "done": 5, "problems": [] })
    );
    let me = ann.get("/api/auth/me").await.expect(200);
    assert_eq!(
        me["data"]["name"], "Ann Lee",
        "no cache has the name of before"
    );
    socket.expect_nothing().await;
    let class = admin.get("/api/admin/groups").await.expect(200);
    let members: Vec<i64> = class["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["members"].as_i64().unwrap())
        .collect();
    assert_eq!(members, [2, 1]);
    let bob = admin.get("/api/admin/people/bob").await.expect(200);
    assert_eq!(bob["data"]["disabled"], true);

    // The same file again: nothing to do, and the digest of before is void.
    let again = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
    assert_eq!(again["unchanged"], 3);
    let stale = admin
        .post_csv(&import_path(&preview), file.as_bytes())
        .await;
    stale.refused(409, "preview_stale");
}

#[tokio::test]
async fn who_is_missing_is_shut_out_only_where_that_is_asked_for_and_every_line_is_good() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    t.student("bob").await;
    let whole = "username,name,role\nann,ann of the school,student\n";
    let disabling = async |file: &str, query: &str| {
        let preview = admin
            .post_csv(&format!("{PREVIEW}{query}"), file.as_bytes())
            .await
            .expect(200);
        let disabled = preview["data"]["disabled"].as_array().unwrap().clone();
        disabled
            .iter()
            .map(|one| one["username"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(disabling(whole, "").await.is_empty());
    assert_eq!(
        disabling(whole, "?disableMissing=true").await,
        ["bob"],
        "never an administrator"
    );
    let damaged = format!("{whole}b ob,Bob,student\n");
    assert!(
        disabling(&damaged, "?disableMissing=true").await.is_empty(),
        "the bad line may be bob's"
    );
}

#[tokio::test]
async fn collisions_are_bad_lines() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    t.student("bob").await;
    let file = "id,username,name,role\n\
                ann,bob,Ann,student\n\
                new,bob,Bob,student\n\
                x1,eve,Eve,admin\n\
                x2,fay,Fay,student\n\
                x2,gus,Gus,student\n";
    let preview = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
    let bad: Vec<(u64, &str)> = preview["badRows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["line"].as_u64().unwrap(),
                row["field"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        bad,
        [(2, "username"), (3, "username"), (4, "role"), (6, "id")]
    );
    assert_eq!(preview["adding"], 1);
}

#[tokio::test]
async fn an_export_comes_back_as_no_change_and_holds_no_formula() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let body = json!({ "username": "mallory", "name": "=cmd|' /C calc'!A0", "role": "student" });
    admin.post("/api/admin/people", body).await.expect(201);
    t.person("teacher", Role::Teacher).await;
    let export = admin.get("/api/admin/roster").await;
    assert_eq!(export.headers["content-type"], "text/csv; charset=utf-8");
    assert!(
        export.headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("people.csv")
    );
    assert!(export.text.contains(",'=cmd|"), "{}", export.text);
    let preview = admin
        .post_csv(PREVIEW, export.text.as_bytes())
        .await
        .expect(200)["data"]
        .clone();
    assert_eq!(
        (&preview["unchanged"], &preview["bad"]),
        (&json!(3), &json!(0)),
        "{preview}"
    );
}

#[tokio::test]
async fn files_that_are_none_are_refused_whole() {
    let t = TestApp::new();
    let admin = t.admin().await;
    for file in [
        &b"\xff\xfeu\0"[..],
        b"a,b\nc,d\n",
        b"username,name,role\nJos\xe9,x,student\n",
        b"",
    ] {
        admin.post_csv(PREVIEW, file).await.invalid("file");
    }
    let json = admin.post(PREVIEW, json!({})).await;
    json.refused(415, "not_csv");
    let huge = vec![b'x'; (16 << 20) + 1];
    admin
        .post_csv(PREVIEW, &huge)
        .await
        .refused(413, "body_too_large");
}

#[tokio::test]
async fn five_thousand_people_come_in_while_others_chat() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (ann, bob) = t.pair().await;
    let row = |n: usize| {
        format!(
            "pupil{n},Pupil Number {n},student,Year {}; House {}\n",
            n % 12,
            n % 4
        )
    };
    let file = format!(
        "username,name,role,groups\n{}",
        (0..5_000).map(row).collect::<String>()
    );
    let preview = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
    assert_eq!(preview["adding"], 5_000);
    let path = import_path(&preview);
    let import = {
        let (admin, file) = (admin.clone(), file.clone());
        tokio::spawn(async move { admin.post_csv(&path, file.as_bytes()).await.expect(200) })
    };
    let mut written = 0;
    while !import.is_finished() {
        ann.write(&bob, "meanwhile").await;
        written += 1;
    }
    assert_eq!(import.await.unwrap()["data"]["added"], 5_000);
    assert!(written > 0);
    let year = admin.get("/api/admin/groups").await.expect(200);
    let members: i64 = year["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["members"].as_i64().unwrap())
        .sum();
    assert_eq!(members, 10_000);
}

/// A file speaks of the groups that it names, and of those that files have named before.
#[tokio::test]
async fn an_import_takes_no_one_out_of_a_group_that_was_made_by_hand() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let import = async |file: &str| {
        let preview = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
        admin
            .post_csv(&import_path(&preview), file.as_bytes())
            .await
            .expect(200);
        preview
    };
    import("username,name,role,groups\nann,Ann,student,7a\nbob,Bob,student,7a\n").await;
    let groups = async || {
        let list = admin.get("/api/admin/groups").await.expect(200);
        let list = list["data"].as_array().unwrap().clone();
        let members = |group: &Value| {
            (
                group["name"].as_str().unwrap().to_owned(),
                group["members"].as_i64().unwrap(),
            )
        };
        list.iter().map(members).collect::<Vec<_>>()
    };
    let people = admin.get("/api/admin/people").await.expect(200);
    let ids: Vec<&Value> = people["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|person| person["role"] == "student")
        .map(|person| &person["id"])
        .collect();
    let chess = json!({ "name": "Chess", "kind": "club" });
    let chess = admin.post("/api/admin/groups", chess).await.expect(201);
    let path = format!(
        "/api/admin/groups/{}/members",
        chess["data"]["id"].as_str().unwrap()
    );
    admin
        .put_json(&path, json!({ "add": ids }))
        .await
        .expect(200);

    // The next year.
    let preview =
        import("username,name,role,groups\nann,Ann,student,8a\nbob,Bob,student,8a\n").await;
    let changes = json!(["groups: 7a, Chess → 8a, Chess"]);
    assert_eq!(preview["changed"][0]["changes"], changes);
    let of = |name: &str, members| (name.to_owned(), members);
    assert_eq!(groups().await, [of("7a", 0), of("8a", 2), of("Chess", 2)]);
    // From now on the file keeps it.
    import("username,name,role,groups\nann,Ann,student,8a; chess\nbob,Bob,student,8a\n").await;
    assert_eq!(groups().await, [of("7a", 0), of("8a", 2), of("Chess", 1)]);
    import("username,name,role,groups\nann,Ann,student,8a\nbob,Bob,student,8a\n").await;
    assert_eq!(groups().await, [of("7a", 0), of("8a", 2), of("Chess", 0)]);
}

#[tokio::test]
async fn an_administrator_is_not_changed_by_a_file_and_a_short_line_takes_nothing_away() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let body =
        json!({ "username": "zoe", "name": "Zoe", "role": "student", "email": "zoe@school.edu" });
    admin.post("/api/admin/people", body).await.expect(201);
    let file = "username,name,role,email\nadmin,Renamed,admin,\nzoe,Zoe Berg,student\n";
    let preview = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
    assert_eq!(preview["badRows"][0]["line"], 2);
    assert_eq!(
        preview["changed"][0]["changes"],
        json!(["name: Zoe → Zoe Berg"])
    );
}

#[tokio::test]
async fn what_an_import_did_is_written_down_by_person() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("ann").await;
    let file = "username,name,role\nann,Ann Lee,student\nbob,Bob,student\n";
    let preview = admin.post_csv(PREVIEW, file.as_bytes()).await.expect(200)["data"].clone();
    admin
        .post_csv(&import_path(&preview), file.as_bytes())
        .await
        .expect(200);
    let log = admin.get("/api/admin/audit").await.expect(200);
    let lines: Vec<String> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            format!(
                "{} {}",
                line["action"].as_str().unwrap(),
                line["detail"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "roster.import 1 added, 1 changed, 0 disabled",
            "person.change name",
            "person.add imported",
        ]
    );
}
