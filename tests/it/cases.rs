//! Small inputs that failed somewhere, each with its right value: `tests/cases`.

use serde_json::{Value, json};

use crate::helpers::{Answer, Person, Server, TestApp, http};

fn case(name: &str) -> String {
    let path = format!("{}/tests/cases/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn json_case(name: &str) -> Value {
    serde_json::from_str(&case(name)).unwrap()
}

const PREVIEW: &str = "/api/admin/roster/preview";

async fn preview(admin: &Person, file: &str, query: &str) -> Answer {
    admin
        .post_csv(&format!("{PREVIEW}{query}"), file.as_bytes())
        .await
}

/// Previews a file, does what it showed, and returns the preview.
async fn import(admin: &Person, file: &str, query: &str) -> Value {
    let shown = preview(admin, file, query).await.expect(200)["data"].clone();
    let and = if query.is_empty() { "?" } else { "&" };
    let path = format!(
        "/api/admin/roster{query}{and}digest={}",
        shown["digest"].as_str().unwrap()
    );
    admin.post_csv(&path, file.as_bytes()).await.expect(200);
    shown
}

fn counts(shown: &Value) -> [u64; 5] {
    ["adding", "changing", "disabling", "unchanged", "bad"].map(|key| shown[key].as_u64().unwrap())
}

#[tokio::test]
async fn ends_of_lines_are_one_kind() {
    let t = TestApp::new();
    t.student("bob").await;
    let admin = t.admin().await;
    for one in json_case("crlf.json")["requests"].as_array().unwrap() {
        let route = one["route"].as_str().unwrap().split(' ').nth(1).unwrap();
        let made = admin.post(route, one["body"].clone()).await.expect(201);
        let id = made["data"]["id"].as_str().unwrap().to_owned();
        let stored = match route {
            "/api/messages" => made["data"]["content"].clone(),
            "/api/notifications" => admin_sees(&t, "bob").await,
            _ => admin.get(&format!("{route}/{id}")).await.expect(200)["data"]["message"].clone(),
        };
        assert_eq!(stored, one["stored"], "{route}");
    }
}

async fn admin_sees(t: &TestApp, id: &str) -> Value {
    let id = schoolbell::model::ids::UserId::parse(id).unwrap();
    let person = t.log_in(
        schoolbell::service::users::known(&t.app, &id)
            .await
            .unwrap(),
    );
    person.get("/api/notifications").await.expect(200)["data"][0]["message"].clone()
}

#[tokio::test]
async fn zones_by_the_names_that_browsers_give() {
    let t = TestApp::new();
    let ann = t.student("ann").await;
    for zone in json_case("time-zones.json")["zones"].as_array().unwrap() {
        let mut preferences =
            ann.get("/api/notifications/preferences").await.expect(200)["data"].clone();
        preferences["quietHours"] = json!({ "timeZone": zone, "windows": [
            { "days": ["mon"], "from": "22:00", "to": "06:00" },
        ]});
        let put = ann
            .put_json("/api/notifications/preferences", preferences)
            .await;
        assert_eq!(put.status, 200, "{zone}: {}", put.text);
    }
}

/// Where the system has no zones, or only the newer names, the binary's own are taken.
#[tokio::test]
async fn zones_are_known_whatever_the_system_knows() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("zones");
    std::fs::create_dir(&none).unwrap();
    let server = Server::start_with(folder.path(), &[("TZDIR", none.to_str().unwrap())]);
    let (_, ann) = server.person("ann").await;
    for zone in json_case("time-zones.json")["zones"].as_array().unwrap() {
        let preferences = json!({ "quietHours": { "timeZone": zone, "windows": [
            { "days": ["mon"], "from": "22:00", "to": "06:00" },
        ]}});
        let put = http()
            .put(server.url("/api/notifications/preferences"))
            .bearer_auth(&ann)
            .json(&preferences);
        assert_eq!(put.send().await.unwrap().status(), 200, "{zone}");
    }
}

#[tokio::test]
async fn people_are_found_as_people_type() {
    let t = TestApp::new();
    let (admin, ann) = (t.admin().await, t.student("ann").await);
    let cases = json_case("people-search.json");
    for (n, name) in cases["people"].as_array().unwrap().iter().enumerate() {
        let body = json!({ "username": format!("p{n}"), "name": name, "role": "student" });
        admin.post("/api/admin/people", body).await.expect(201);
    }
    let more = [
        ("IŞIK", "Işık Yılmaz"),
        ("yilmaz işik", "Işık Yılmaz"),
        ("STRAUß", "Strauß Jürgen"),
        ("juergen", ""),
        ("aero", "Søren Ærø"),
        ("dang", "Đặng Thị Hương"),
        ("αλεξανδροΣ", "Αλέξανδρος Παπαδόπουλος"),
        ("o`brien", "O’Brien Niamh"),
        ("d’angelo", "D'Angelo Gia"),
        ("smith–jones", "Smith-Jones Eve"),
        ("eve smith", "Smith-Jones Eve"),
    ];
    let finds = cases["finds"].as_object().unwrap();
    let finds = finds
        .iter()
        .map(|(query, names)| (query.as_str(), names[0].as_str().unwrap()));
    for (query, name) in finds.chain(more) {
        let encoded =
            percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let found = ann
            .get(&format!("/api/users?search={encoded}"))
            .await
            .expect(200);
        let names: Vec<&str> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap())
            .collect();
        let wanted: &[&str] = if name.is_empty() { &[] } else { &[name] };
        assert_eq!(names, wanted, "{query}");
    }
}

#[tokio::test]
async fn messages_are_found_as_people_type() {
    let t = TestApp::new();
    let (ann, bob) = t.pair().await;
    let cases = json_case("message-search.json");
    let more = json!([
        ["โรงเรียนเปิดวันจันทร์", "เรียน"],
        ["東京都立高校", "高校"],
        ["한국 학교에서", "학교"],
        ["المدرسة مفتوحة", "مدرسة"],
        ["ещё раз", "еще"],
        ["Schulausflug ins Museum", "ausflug"],
        ["cafe\u{301} au lait", "café"],
    ]);
    for pair in cases["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .chain(more.as_array().unwrap())
    {
        let (message, query) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        ann.write(&bob, message).await;
        let encoded =
            percent_encoding::utf8_percent_encode(query, percent_encoding::NON_ALPHANUMERIC);
        let found = bob
            .get(&format!("/api/messages/search?q={encoded}"))
            .await
            .expect(200);
        let texts: Vec<&str> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["content"].as_str().unwrap())
            .collect();
        assert!(texts.contains(&message), "{query}: {texts:?}");
    }
    // And not by what it has nothing of.
    let none = bob
        .get("/api/messages/search?q=abendmahl")
        .await
        .expect(200);
    assert_eq!(none["data"], json!([]));
}

#[tokio::test]
async fn one_roster_1_2_needs_its_roles() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let (users, roles) = (
        case("roster/oneroster12-users.csv"),
        case("roster/oneroster12-roles.csv"),
    );
    let alone = preview(&admin, &users, "").await;
    assert!(alone.text.contains("roles.csv"), "{}", alone.text);
    alone.invalid("file");
    let boundary = "----form";
    let part = |name: &str, content: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n{content}\r\n"
        )
    };
    let body =
        part("users.csv", &users) + &part("Roles.csv", &roles) + &format!("--{boundary}--\r\n");
    let media_type = format!("multipart/form-data; boundary={boundary}");
    let authorization = format!("Bearer {}", admin.token);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", media_type.as_str()),
    ];
    let shown = t
        .raw("POST", PREVIEW, &headers, body.as_bytes())
        .await
        .expect(200);
    assert_eq!(counts(&shown["data"]), [3, 0, 0, 0, 0]);
    let mut found: Vec<&str> = shown["data"]["added"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["role"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["guardian", "student", "teacher"]);
}

#[tokio::test]
async fn a_zip_is_unpacked() {
    use std::io::Write as _;
    let t = TestApp::new();
    let admin = t.admin().await;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["users.csv", "roles.csv"] {
        let options = zip::write::SimpleFileOptions::default();
        archive
            .start_file(format!("export/{name}"), options)
            .unwrap();
        archive
            .write_all(case(&format!("roster/oneroster12-{name}")).as_bytes())
            .unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    let authorization = format!("Bearer {}", admin.token);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/zip"),
    ];
    let shown = t.raw("POST", PREVIEW, &headers, &bytes).await.expect(200);
    assert_eq!(counts(&shown["data"]), [3, 0, 0, 0, 0]);
    let broken = t
        .raw("POST", PREVIEW, &headers, &bytes[..bytes.len() / 2])
        .await;
    broken.invalid("file");
}

#[tokio::test]
async fn a_doubtful_file_disables_no_one() {
    let t = TestApp::new();
    let admin = t.admin().await;
    for name in ["ann", "bob", "cid", "dee", "eve"] {
        t.student(name).await;
    }
    let open = preview(
        &admin,
        &case("roster/unclosed-quote-in-ignored-column.csv"),
        "?disableMissing=true",
    )
    .await;
    assert!(open.text.contains("line 3"), "{}", open.text);
    open.invalid("file");
    let cut = preview(
        &admin,
        case("roster/cut-off.csv").trim_end(),
        "?disableMissing=true",
    )
    .await
    .expect(200);
    assert_eq!(
        (
            cut["data"]["disabling"].as_u64(),
            cut["data"]["bad"].as_u64()
        ),
        (Some(0), Some(1))
    );
}

#[tokio::test]
async fn two_people_with_one_address_come_in_again_and_again() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let file = case("roster/same-email.csv");
    assert_eq!(counts(&import(&admin, &file, "").await), [2, 0, 0, 0, 0]);
    let people = admin
        .get("/api/admin/people?role=guardian")
        .await
        .expect(200);
    for person in people["data"].as_array().unwrap() {
        let path = format!(
            "/api/admin/people/{}/password-link",
            person["id"].as_str().unwrap()
        );
        let link = admin.post(&path, json!({})).await.expect(201);
        let code = link["data"]["path"]
            .as_str()
            .unwrap()
            .split("code=")
            .nth(1)
            .unwrap()
            .to_owned();
        let body = json!({ "code": code, "password": crate::helpers::PASSWORD });
        t.call("POST", "/api/auth/password-link", "", Some(body))
            .await
            .expect(200);
    }
    assert_eq!(
        counts(&preview(&admin, &file, "").await.expect(200)["data"]),
        [0, 0, 0, 2, 0]
    );
}

#[tokio::test]
async fn columns_that_are_not_used_are_named() {
    let t = TestApp::new();
    let admin = t.admin().await;
    for (file, unused, repeated) in [
        (
            "roster/group-instead-of-groups.csv",
            json!(["group"]),
            json!([]),
        ),
        ("roster/class-column.csv", json!(["class"]), json!([])),
        (
            "roster/two-columns-username.csv",
            json!([]),
            json!(["Username"]),
        ),
    ] {
        let shown = preview(&admin, &case(file), "").await.expect(200);
        assert_eq!(shown["data"]["unusedColumns"], unused, "{file}");
        assert_eq!(shown["data"]["repeatedColumns"], repeated, "{file}");
        assert_eq!(shown["data"]["added"][0]["username"], "ann", "{file}");
    }
    let zeros = preview(&admin, &case("roster/leading-zero-id.csv"), "")
        .await
        .expect(200);
    assert_eq!(counts(&zeros["data"]), [2, 0, 0, 0, 0]);
}

#[tokio::test]
async fn one_name_is_one_person_however_it_is_composed() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let body = json!({ "username": "josé", "name": "José Müller", "role": "student" });
    admin.post("/api/admin/people", body).await.expect(201);
    let again = preview(&admin, &case("roster/nfd-username.csv"), "")
        .await
        .expect(200);
    assert_eq!(counts(&again["data"]), [0, 0, 0, 1, 0]);
    for taken in ["JOSÉ", "jose\u{301}"] {
        let body = json!({ "username": taken, "name": "Another", "role": "student" });
        admin
            .post("/api/admin/people", body)
            .await
            .refused(409, "username_taken");
    }
    for bad in ["\u{200b}ann", "root\u{200b}", "ro\u{ad}ot"] {
        let body = json!({ "username": bad, "name": "Ann", "role": "student" });
        admin
            .post("/api/admin/people", body)
            .await
            .invalid("username");
    }
    for bad in ["\u{3164}", "Ann \u{202e}eeL"] {
        let body = json!({ "username": "x", "name": bad, "role": "student" });
        admin.post("/api/admin/people", body).await.invalid("name");
    }
}

#[tokio::test]
async fn a_school_of_1500_comes_in() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let shown = import(&admin, &case("roster/school-1500-made-up.csv"), "").await;
    assert_eq!(
        (
            shown["bad"].as_u64(),
            shown["adding"].as_u64().unwrap() > 1_400
        ),
        (Some(0), true),
        "{}",
        shown["badRows"]
    );
}

#[tokio::test]
async fn a_user_who_left_comes_back() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let all = "username,name,role\nann,Ann,student\nbob,Bob,student\n";
    let query = "?disableMissing=true";
    import(&admin, all, query).await;
    let left = import(&admin, "username,name,role\nann,Ann,student\n", query).await;
    assert_eq!(counts(&left), [0, 0, 1, 1, 0]);
    let seen = preview(&admin, all, "").await.expect(200);
    assert_eq!(seen["data"]["stillDisabled"], 1);
    let back = import(&admin, all, query).await;
    assert_eq!(counts(&back), [0, 1, 0, 1, 0]);
    assert_eq!(
        back["changed"][0]["changes"],
        json!(["status: disabled → active"])
    );
}

#[tokio::test]
async fn ids_are_adopted_and_names_exchanged() {
    let t = TestApp::new();
    let admin = t.admin().await;
    for name in ["ann", "bob"] {
        let body = json!({ "username": name, "name": name, "role": "student" });
        admin.post("/api/admin/people", body).await.expect(201);
    }
    let file = "id,username,name,role\n1001,ann,ann,student\n1002,bob,bob,student\n";
    let refused = preview(&admin, file, "").await.expect(200);
    assert_eq!(counts(&refused["data"]), [0, 0, 0, 0, 2]);
    import(&admin, file, "?adoptIds=true").await;
    assert_eq!(
        admin.get("/api/admin/people/1001").await.expect(200)["data"]["username"],
        "ann"
    );
    let swapped = "id,username,name,role\n1001,bob,ann,student\n1002,ann,bob,student\n";
    import(&admin, swapped, "").await;
    assert_eq!(
        admin.get("/api/admin/people/1001").await.expect(200)["data"]["username"],
        "bob"
    );
    assert_eq!(
        admin.get("/api/admin/people/1002").await.expect(200)["data"]["username"],
        "ann"
    );
}

/// `7A` is not another class than `7a`.
#[tokio::test]
async fn groups_are_one_in_any_case() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let file = "username,name,role,groups\nann,Ann,student,7a\nbob,Bob,student,7A\n";
    let shown = import(&admin, file, "").await;
    assert_eq!(shown["newGroups"], json!(["7a"]));
    let groups = admin.get("/api/admin/groups").await.expect(200);
    assert_eq!(groups["data"][0]["members"], 2);
}

/// What other programs export, as an administrator maps it; the next file of the kind needs no more words.
#[tokio::test]
async fn other_programs_files_are_mapped_once() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let columns = "/api/admin/roster/columns";
    for (file, wanted, name) in [
        (
            "roster/clever-students.csv",
            json!({ "Student_id": "id", "Last_name": "familyName", "First_name": "givenName", "Grade": "grade",
                    "Student_email": "email", "Username": "username" }),
            json!(["ann.lee", "Ann Lee", "2001", "07", "ann@school.example"]),
        ),
        (
            "roster/moodle-upload.csv",
            json!({ "username": "username", "firstname": "givenName", "lastname": "familyName", "email": "email",
                    "cohort1": "groups" }),
            json!(["ann", "Ann Lee", null, null, "ann@school.example"]),
        ),
    ] {
        let text = case(file);
        preview(&admin, &text, "").await.invalid("file");
        let found = admin.post_csv(columns, text.as_bytes()).await.expect(200)["data"].clone();
        let guessed: serde_json::Map<String, Value> = found["columns"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|column| !column["meaning"].is_null())
            .map(|column| {
                (
                    column["name"].as_str().unwrap().to_owned(),
                    column["meaning"].clone(),
                )
            })
            .collect();
        assert_eq!(Value::Object(guessed), wanted, "{file}");
        assert_eq!(found["role"], Value::Null);
        let mapping = json!({ "columns": wanted, "role": "student" }).to_string();
        let query = format!("?{}", serde_urlencoded(&[("mapping", &mapping)]));
        let shown = import(&admin, &text, &query).await;
        assert_eq!(counts(&shown), [1, 0, 0, 0, 0], "{file}");
        let username = name[0].as_str().unwrap();
        let list = admin
            .get(&format!("/api/admin/people?search={username}"))
            .await
            .expect(200);
        let one = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["username"] == name[0])
            .unwrap();
        let id = if name[2].is_null() {
            Value::Null
        } else {
            one["id"].clone()
        };
        assert_eq!(
            json!([one["username"], one["name"], id, one["grade"], one["email"]]),
            name
        );
        // The next file of the kind, without a word.
        let again = preview(&admin, &text, "").await.expect(200);
        assert_eq!(counts(&again["data"]), [0, 0, 0, 1, 0], "{file}");
        let found = admin.post_csv(columns, text.as_bytes()).await.expect(200)["data"].clone();
        assert_eq!(found["role"], "student");
        // Unless the names are to count.
        preview(&admin, &text, "?mapping=%7B%7D")
            .await
            .invalid("file");
    }
    let text = case("roster/clever-students.csv");
    for mapping in [
        json!({ "columns": { "Username": "username", "Student_email": "username", "First_name": "name" }, "role": "student" }),
        json!({ "columns": { "Username": "login" }, "role": "student" }),
        json!({ "columns": { "Nowhere": "username" }, "role": "student" }),
        json!({ "columns": {}, "role": "admin" }),
        json!("x"),
    ] {
        let query = format!(
            "?{}",
            serde_urlencoded(&[("mapping", &mapping.to_string())])
        );
        preview(&admin, &text, &query).await.invalid("mapping");
    }
    let half = json!({ "columns": { "Username": "username", "First_name": "givenName" }, "role": "student" });
    let query = format!("?{}", serde_urlencoded(&[("mapping", &half.to_string())]));
    let answer = preview(&admin, &text, &query).await;
    assert!(answer.text.contains("familyname"), "{}", answer.text);
    answer.invalid("file");
}

fn serde_urlencoded(pairs: &[(&str, &String)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        text.append_pair(name, value);
    }
    text.finish()
}
