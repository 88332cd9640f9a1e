//! Imports of what schools know beside names: classes, who leads them, guardians, grades.

use std::io::Write as _;

use schoolbell::model::users::Role;
use serde_json::{Value, json};

use crate::helpers::{Answer, Person, TestApp};

const PREVIEW: &str = "/api/admin/roster/preview";

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

async fn preview(admin: &Person, archive: &[u8], query: &str) -> Answer {
    let path = format!("{PREVIEW}?{query}");
    admin.post_file(&path, "application/zip", archive).await
}

/// Previews files, does what that showed, and returns the preview.
async fn import(admin: &Person, archive: &[u8], query: &str) -> Value {
    let shown = preview(admin, archive, query).await.expect(200)["data"].clone();
    let digest = shown["digest"].as_str().unwrap();
    let path = format!("/api/admin/roster?{query}&digest={digest}");
    let done = admin.post_file(&path, "application/zip", archive).await;
    done.expect(200);
    shown
}

/// How many are added, changed, disabled, as they are, and bad, and what becomes of links.
fn counts(shown: &Value) -> Value {
    let of = |from: &Value, keys: &[&str]| -> Value {
        keys.iter().map(|key| from[key].clone()).collect()
    };
    let people = of(
        shown,
        &["adding", "changing", "disabling", "unchanged", "bad"],
    );
    let links = of(&shown["links"], &["adding", "changing", "ending", "kept"]);
    json!([people, links])
}

async fn guardians(admin: &Person, child: &str) -> Vec<String> {
    let path = format!("/api/admin/people/{child}/guardians");
    let list = admin.get(&path).await.expect(200);
    let list = list["data"]["guardians"].as_array().unwrap().clone();
    list.iter()
        .map(|link| link["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Who is in a group: the id, whether they lead it, and the days.
async fn members(admin: &Person, group: &str) -> Vec<String> {
    let path = format!("/api/admin/groups/{group}/members");
    let list = admin.get(&path).await.expect(200)["data"].clone();
    let text = |one: &Value| {
        let leads = if one["lead"] == true { " leads" } else { "" };
        let day = |key: &str| one[key].as_str().unwrap_or("").to_owned();
        let text = format!("{}{leads} {}..{}", one["id"], day("from"), day("until"));
        text.replace('"', "").trim_end_matches(" ..").to_owned()
    };
    list.as_array().unwrap().iter().map(text).collect()
}

const CLASSES: &str = "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds\n\
    C5,active,,5a,05,K1,,homeroom,,O1,T1\nCM,active,,Maths; set 1,05,K2,,scheduled,,O1,T1\nCX,tobedeleted,,Old,05,K3,,scheduled,,O1,T1\n";
const ENROLLMENTS: &str = "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n\
    E1,active,,C5,O1,T1,teacher,true,,\nE2,active,,C5,O1,S1,student,false,2026-09-01,2027-07-31\nE3,active,,CM,O1,T2,aide,false,,\n\
    E4,active,,CM,O1,S1,student,false,,\nE5,tobedeleted,,C5,O1,S2,student,false,,\nE6,active,,C5,O1,S2,student,false,,\n";

/// A set as OneRoster 1.1 has it: roles and agents in the people's file.
fn one_roster_1_1() -> Vec<u8> {
    let users = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n\
        T1,active,,true,O1,teacher,tess,,Tess,One,,,,,,,\"05,06\",\nT2,active,,true,O1,aide,ada,,Ada,Two,,,,,,,,\n\
        S1,active,,true,O1,student,sam,,Sam,One,,,,,,\"P1,T1\",05,\nS2,active,,true,O1,student,sue,,Sue,Two,,,,,,,KG,\n\
        P1,active,,true,O1,parent,pat,,Pat,One,,,,+49 30 1234,030 99,,,\nP2,active,,true,O1,relative,pia,,Pia,Two,,,,,,S2,,\n";
    zip(&[
        ("users.csv", users),
        ("classes.csv", CLASSES),
        ("enrollments.csv", ENROLLMENTS),
        ("orgs.csv", "sourcedId,name\nO1,School\n"),
    ])
}

/// The same set in 1.2: roles in a file of their own.
fn one_roster_1_2() -> Vec<u8> {
    let users = "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns\n\
        T1,active,,true,tess,,Tess,One,,,,,,,\"05,06\",,,,,,O1,\nT2,active,,true,ada,,Ada,Two,,,,,,,,,,,,,O1,\n\
        S1,active,,true,sam,,Sam,One,,,,,,\"P1,T1\",05,,,,,,O1,\nS2,active,,true,sue,,Sue,Two,,,,,,,KG,,,,,,O1,\n\
        P1,active,,true,pat,,Pat,One,,,,+49 30 1234,030 99,,,,,,,,O1,\nP2,active,,true,pia,,Pia,Two,,,,,,S2,,,,,,,O1,\n";
    let roles = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\n\
        R1,active,,T1,primary,teacher,,,O1,\nR2,active,,T2,primary,aide,,,O1,\nR3,active,,S1,primary,student,,,O1,\n\
        R4,active,,S2,primary,student,,,O1,\nR5,active,,P1,primary,parent,,,O1,\nR6,active,,P2,primary,relative,,,O1,\n";
    zip(&[
        ("set/Users.csv", users),
        ("set/roles.csv", roles),
        ("set/classes.csv", CLASSES),
        ("set/enrollments.csv", ENROLLMENTS),
    ])
}

#[tokio::test]
async fn one_roster_brings_classes_guardians_and_grades() {
    for archive in [one_roster_1_1(), one_roster_1_2()] {
        let t = TestApp::new();
        let admin = t.admin().await;
        let shown = import(&admin, &archive, "").await;
        assert_eq!(
            counts(&shown),
            json!([[6, 0, 0, 0, 0], [3, 0, 0, 0]]),
            "{shown}"
        );
        assert_eq!(shown["newGroups"], json!(["5a", "Maths set 1"]));
        assert_eq!(
            members(&admin, "C5").await,
            ["T1 leads", "S1 2026-09-01..2027-07-31", "S2"]
        );
        assert_eq!(
            members(&admin, "CM").await,
            ["T2", "S1"],
            "an aide does not lead"
        );
        let groups = admin.get("/api/admin/groups").await.expect(200);
        assert_eq!(groups["data"][0]["kind"], "class");
        // An agent of a pupil is a guardian, whatever their role; a guardian's own line may name the pupil.
        assert_eq!(guardians(&admin, "S1").await, ["P1", "T1"]);
        assert_eq!(guardians(&admin, "S2").await, ["P2"]);
        let one = |id: &'static str| {
            let admin = &admin;
            async move {
                let one = admin
                    .get(&format!("/api/admin/people/{id}"))
                    .await
                    .expect(200);
                json!([
                    one["data"]["role"],
                    one["data"]["grade"],
                    one["data"]["phones"]
                ])
            }
        };
        assert_eq!(one("S1").await, json!(["student", "05", []]));
        assert_eq!(
            one("T1").await,
            json!(["teacher", null, []]),
            "whom they teach is no grade of theirs"
        );
        assert_eq!(one("T2").await, json!(["staff", null, []]));
        assert_eq!(
            one("P1").await,
            json!(["guardian", null, ["+49 30 1234", "030 99"]])
        );
        let again = import(&admin, &archive, "disableMissing=true").await;
        assert_eq!(
            counts(&again),
            json!([[0, 0, 0, 6, 0], [0, 0, 0, 0]]),
            "{again}"
        );
    }
}

/// A school with every fact that there is.
async fn full_school() -> (TestApp, Person) {
    let t = TestApp::new();
    let admin = t.admin().await;
    import(&admin, &one_roster_1_1(), "").await;
    let link = json!([{ "id": "P1", "kind": "mother", "from": "2020-01-01", "until": "2030-12-31", "contact": false,
                        "receives": false, "priority": 2, "locked": true }, { "id": "T1", "priority": 1 }]);
    let path = "/api/admin/people/S1/guardians";
    admin
        .put_json(path, json!({ "guardians": link }))
        .await
        .expect(200);
    let facts = json!({ "adultFrom": "2034-02-03", "phones": ["112", "110"] });
    admin
        .put_json("/api/admin/people/S2", facts)
        .await
        .expect(200);
    let club = json!({ "id": "chess", "name": "=Chess", "kind": "club" });
    admin.post("/api/admin/groups", club).await.expect(201);
    let members = json!({ "add": [{ "id": "S2", "lead": true, "from": "2026-10-01" }, "T1"] });
    admin
        .put_json("/api/admin/groups/chess/members", members)
        .await
        .expect(200);
    (t, admin)
}

async fn export(t: &TestApp, admin: &Person) -> Vec<u8> {
    let request = warp::test::request()
        .path("/api/admin/roster.zip")
        .header("authorization", format!("Bearer {}", admin.token));
    let answer = request.reply(&t.routes).await;
    assert_eq!(answer.headers()["content-type"], "application/zip");
    answer.body().to_vec()
}

#[tokio::test]
async fn the_whole_export_comes_back_as_no_change_and_makes_the_school_anew() {
    let (t, admin) = full_school().await;
    let archive = export(&t, &admin).await;
    let again = import(&admin, &archive, "disableMissing=true").await;
    assert_eq!(
        counts(&again),
        json!([[0, 0, 0, 7, 0], [0, 0, 0, 0]]),
        "{again}"
    );
    assert_eq!(again["changedGroups"], json!([]));

    let other = TestApp::new();
    let head = other.admin().await;
    import(&head, &archive, "").await;
    // But for the way that line ends are written, they are the same files.
    for path in [
        "/api/admin/people/S1/guardians",
        "/api/admin/people/P1/children",
        "/api/admin/groups/C5/members",
        "/api/admin/groups/chess/members",
    ] {
        let (here, there) = (
            admin.get(path).await.expect(200),
            head.get(path).await.expect(200),
        );
        assert_eq!(here["data"], there["data"], "{path}");
    }
    let two = "/api/admin/people/S2";
    let fact = |answer: &Value| {
        json!([
            answer["data"]["grade"],
            answer["data"]["adultFrom"],
            answer["data"]["phones"]
        ])
    };
    let (here, there) = (
        admin.get(two).await.expect(200),
        head.get(two).await.expect(200),
    );
    assert_eq!(fact(&here), fact(&there));

    // The single file has less, and comes back as no change as well.
    let people = admin.get("/api/admin/roster").await;
    let shown = admin
        .post_csv(PREVIEW, people.text.as_bytes())
        .await
        .expect(200);
    assert_eq!(
        counts(&shown["data"]),
        json!([[0, 0, 0, 7, 0], [0, 0, 0, 0]]),
        "{shown}"
    );
}

#[tokio::test]
async fn our_own_file_has_children_grades_and_telephone_numbers() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let file = |pat: &str| {
        let people = format!(
            "username,name,role,groups,grade,phones,adultFrom,children,kind\n\
             kim,Kim,student,5a,5,,2033-01-01,,\nlee,Lee,student,5a,PK,,,,\n\
             pat,Pat,guardian,Parents,,+1 555 0100; 112,,{pat},mother\n"
        );
        zip(&[("people.csv", &people)])
    };
    let shown = import(&admin, &file("kim; LEE"), "").await;
    assert_eq!(
        counts(&shown),
        json!([[3, 0, 0, 0, 0], [2, 0, 0, 0]]),
        "{shown}"
    );
    let groups = admin.get("/api/admin/groups").await.expect(200);
    let kinds: Vec<&Value> = groups["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| &g["kind"])
        .collect();
    assert_eq!(kinds, ["class", "other"], "a guardian is in it");
    let kim = admin.get("/api/admin/people?search=kim").await.expect(200)["data"][0].clone();
    assert_eq!(
        (&kim["grade"], &kim["adultFrom"]),
        (&json!("05"), &json!("2033-01-01"))
    );
    let kim = kim["id"].as_str().unwrap().to_owned();
    let list = admin
        .get(&format!("/api/admin/people/{kim}/guardians"))
        .await
        .expect(200);
    assert_eq!(list["data"]["guardians"][0]["kind"], "mother");
    // The line has all children of a guardian.
    let shown = import(&admin, &file("lee"), "").await;
    assert_eq!(
        counts(&shown),
        json!([[0, 0, 0, 3, 0], [0, 0, 1, 0]]),
        "{shown}"
    );
    assert_eq!(
        shown["changedLinks"],
        json!([{ "child": "Kim", "guardian": "Pat", "fate": "ended" }])
    );
    assert_eq!(guardians(&admin, &kim).await, [""; 0]);
}

#[tokio::test]
async fn what_an_import_must_not_touch_is_listed() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let file = |links: &str| {
        let people = "id,username,name,role\nkim,kim,Kim,student\np1,p1,Pa,guardian\np2,p2,Ma,guardian\np3,p3,Gran,guardian\n";
        let links = format!("child,guardian,kind\n{links}");
        zip(&[("people.csv", people), ("guardians.csv", &links)])
    };
    import(&admin, &file("kim,p1,\nkim,p2,\n"), "").await;
    let path = "/api/admin/people/kim/guardians";
    // One is locked, one is ended, one is made by hand.
    let links = json!({ "guardians": [{ "id": "p1", "locked": true }, { "id": "p3" }] });
    admin.put_json(path, links).await.expect(200);
    let shown = import(&admin, &file("kim,p1,father\nkim,p2,\n"), "").await;
    assert_eq!(counts(&shown)[1], json!([0, 0, 0, 3]), "{shown}");
    assert_eq!(
        shown["keptLinks"],
        json!([{ "child": "Kim", "guardian": "Pa", "fate": "locked" },
               { "child": "Kim", "guardian": "Ma", "fate": "endedByHand" },
               { "child": "Kim", "guardian": "Gran", "fate": "madeByHand" }])
    );
    assert_eq!(guardians(&admin, "kim").await, ["p3", "p1"]);
    let none = import(&admin, &file(""), "").await;
    assert_eq!(counts(&none)[1], json!([0, 0, 0, 2]), "{none}");
}

#[tokio::test]
async fn what_cannot_be_is_told_by_file_and_line_and_no_one_is_shut_out() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.student("left").await;
    let pupils: String = (0..3)
        .map(|n| format!("s{n},s{n},S{n},student,\n"))
        .collect();
    let adults: String = (0..21)
        .map(|n| format!("p{n},p{n},P{n},guardian,\n"))
        .collect();
    let people = format!("id,username,name,role,grade\n{pupils}{adults}x,x,X,student,Year 5\n");
    let many: String = (0..21).map(|n| format!("s0,p{n},,\n")).collect();
    let links = format!(
        "child,guardian,from,until\ns1,s1,,\ns1,nobody,,\np1,p2,,\ns1,s2,,\ns2,s1,,\ns1,p1,2026-02-02,2026-02-01\n{many}"
    );
    let members = "group,person,lead\nnowhere,s1,\n";
    let archive = zip(&[
        ("people.csv", &people),
        ("guardians.csv", &links),
        ("members.csv", members),
    ]);
    let shown = preview(&admin, &archive, "disableMissing=true")
        .await
        .expect(200)["data"]
        .clone();
    let mut bad: Vec<String> = shown["badRows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["file"], row["line"], row["field"], row["rule"]
            )
            .replace('"', "")
        })
        .collect();
    bad.sort();
    assert_eq!(
        bad,
        [
            "guardians.csv 2 guardian own_guardian",
            "guardians.csv 28 child too_many_guardians",
            "guardians.csv 3 guardian unknown_person",
            "guardians.csv 4 child not_a_pupil",
            "guardians.csv 6 guardian in_a_circle",
            "guardians.csv 7 until before_it_begins",
            "members.csv 2 group unknown_group",
            "people.csv 26 grade not_a_grade",
        ]
    );
    assert_eq!(shown["disabling"], 0);
    import(&admin, &archive, "").await;
    assert_eq!(guardians(&admin, "s0").await.len(), 20);
    assert_eq!(guardians(&admin, "s1").await, ["s2"]);
    let left = admin.get("/api/admin/people/left").await.expect(200);
    assert_eq!(left["data"]["disabled"], false);
}

/// A class of OneRoster's that an earlier file had by its name alone is the same class.
#[tokio::test]
async fn a_class_gets_its_id_and_a_new_name_by_a_file() {
    let t = TestApp::new();
    let admin = t.admin().await;
    t.person("admin2", Role::Admin).await;
    let first = zip(&[(
        "people.csv",
        "id,username,name,role,groups\nS1,sam,Sam One,student,5A\n",
    )]);
    import(&admin, &first, "").await;
    let group = admin.get("/api/admin/groups").await.expect(200)["data"][0]["id"].clone();
    let in_a_week = json!({ "title": "T", "message": "M", "audience": { "groups": [group] }, "sendAt": "2026-11-29T10:00:00Z" });
    let planned = admin
        .post("/api/admin/announcements", in_a_week)
        .await
        .expect(201);
    let second = one_roster_1_1();
    // Its id is what other programs know it by: it stays unless that is asked for.
    let shown = preview(&admin, &second, "").await.expect(200)["data"].clone();
    assert_eq!(shown["changedGroups"], json!(["5a"]), "{shown}");
    let shown = import(&admin, &second, "adoptIds=true").await;
    assert_eq!(shown["changedGroups"], json!(["5a"]), "{shown}");
    let path = format!(
        "/api/admin/announcements/{}",
        planned["data"]["id"].as_str().unwrap()
    );
    let still = admin.get(&path).await.expect(200);
    assert_eq!(
        still["data"]["audience"]["groups"][0], "C5",
        "what is to be sent still finds it: {still}"
    );
    let groups = admin.get("/api/admin/groups").await.expect(200);
    let names: Vec<String> = groups["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| format!("{} {}", g["id"], g["name"]))
        .collect();
    assert_eq!(names, [r#""C5" "5a""#, r#""CM" "Maths set 1""#]);
}

/// The change of a school year: leavers, newcomers, everybody a class up, and some who come back.
#[tokio::test]
async fn a_year_goes_by() {
    const PUPILS: usize = 1_500;
    let t = TestApp::new();
    let admin = t.admin().await;
    // Of each year hundred pupils; who began in year 0 leaves after year 6.
    let school = |year: usize, back: std::ops::Range<usize>| {
        let line = |n: usize| {
            let grade = year + 1 + n % 15;
            let class = format!("{grade}{}", ["a", "b"][n / 15 % 2]);
            format!(
                "p{n},p{n},Pupil {n},student,{class}; House {},{}\n",
                n % 4,
                grade.min(13)
            )
        };
        let here = (0..PUPILS + year * 100).filter(|n| n % 15 + year < 15 || back.contains(n));
        let lines: String = here.map(line).collect();
        zip(&[(
            "people.csv",
            &format!("id,username,name,role,groups,grade\n{lines}"),
        )])
    };
    let people = |shown: &Value| {
        let of = |key: &str| shown[key].as_u64().unwrap();
        [
            of("adding"),
            of("changing"),
            of("disabling"),
            of("unchanged"),
            of("bad"),
        ]
    };
    let first = import(&admin, &school(0, 0..0), "disableMissing=true").await;
    assert_eq!(people(&first), [1_500, 0, 0, 0, 0]);
    let again = import(&admin, &school(0, 0..0), "disableMissing=true").await;
    assert_eq!(people(&again), [0, 0, 0, 1_500, 0]);
    // A hundred of the last year leave, as many and a few of other years come, and everybody else moves up.
    let next = import(&admin, &school(1, 0..0), "disableMissing=true").await;
    assert_eq!(people(&next), [94, 1_400, 100, 0, 0]);
    let again = import(&admin, &school(1, 0..0), "disableMissing=true").await;
    assert_eq!(people(&again), [0, 0, 0, 1_494, 0]);
    let gone = admin.get("/api/admin/people/p14").await.expect(200);
    assert_eq!(gone["data"]["disabled"], true);
    // Two of those who had left are back.
    let back = import(&admin, &school(1, 14..30), "disableMissing=true").await;
    assert_eq!(people(&back), [0, 2, 0, 1_494, 0], "{back}");
    let returned = admin.get("/api/admin/people/p14").await.expect(200);
    assert_eq!(returned["data"]["disabled"], false);
    let one = admin.get("/api/admin/people/p0").await.expect(200);
    let groups: Vec<&Value> = one["data"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| &g["name"])
        .collect();
    assert_eq!(
        (groups, &one["data"]["grade"]),
        (vec![&json!("2a"), &json!("House 0")], &json!("02"))
    );
}

/// What cannot be read takes nothing away.
#[tokio::test]
async fn a_line_that_cannot_be_read_ends_nothing() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let people =
        "id,username,name,role\nkim,kim,Kim,student\nlee,lee,Lee,student\npat,pat,Pat,guardian\n";
    let good = zip(&[
        ("people.csv", people),
        ("groups.csv", "id,name\n5a,5a\n"),
        ("members.csv", "group,person,until\n5a,kim,\n5a,lee,\n"),
        ("guardians.csv", "child,guardian,until\nkim,pat,\n"),
    ]);
    import(&admin, &good, "").await;
    let bad = zip(&[
        ("people.csv", people),
        ("members.csv", "group,person,until\n5a,kim,01.09.2027\n"),
        (
            "guardians.csv",
            "child,guardian,until\nkim,pat,31.07.2027\n",
        ),
    ]);
    let shown = import(&admin, &bad, "").await;
    assert_eq!(
        counts(&shown),
        json!([[0, 0, 0, 3, 2], [0, 0, 0, 0]]),
        "{shown}"
    );
    assert_eq!(members(&admin, "5a").await, ["kim", "lee"]);
    assert_eq!(guardians(&admin, "kim").await, ["pat"]);
    // A bad line of the people may be of a guardian.
    let bad = people.replace("pat,pat,Pat,guardian", "pat,pat,,guardian");
    let bad = zip(&[("people.csv", &bad), ("guardians.csv", "child,guardian\n")]);
    let shown = import(&admin, &bad, "").await;
    assert_eq!(counts(&shown)[1], json!([0, 0, 0, 0]), "{shown}");
    // Columns that are not there leave what a person set, and so does a file that says otherwise.
    let link = json!({ "guardians": [{ "id": "pat", "contact": false, "until": "2027-01-31" }] });
    admin
        .put_json("/api/admin/people/kim/guardians", link)
        .await
        .expect(200);
    let sparse = zip(&[
        ("people.csv", people),
        ("guardians.csv", "child,guardian\nkim,pat\n"),
    ]);
    assert_eq!(
        counts(&import(&admin, &sparse, "").await)[1],
        json!([0, 0, 0, 0])
    );
    let longer = zip(&[
        ("people.csv", people),
        (
            "guardians.csv",
            "child,guardian,until\nkim,pat,2040-01-01\n",
        ),
    ]);
    let shown = import(&admin, &longer, "").await;
    assert_eq!(
        shown["keptLinks"],
        json!([{ "child": "Kim", "guardian": "Pat", "fate": "madeByHand" }])
    );
    // A guardian whom no file can name, since they have no username, is not ended for not being in one.
    let sql = "UPDATE users SET username = NULL, username_key = NULL WHERE id = 'pat';
               UPDATE guardian_links SET by_hand = 0";
    rusqlite::Connection::open(t.app.store.path())
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    let alone = zip(&[
        ("people.csv", "id,username,name,role\nkim,kim,Kim,student\n"),
        ("guardians.csv", "child,guardian\n"),
    ]);
    assert_eq!(
        counts(&import(&admin, &alone, "").await)[1],
        json!([0, 0, 0, 0])
    );
}

/// An id is an id, also where somebody's username is spelled like it.
#[tokio::test]
async fn a_username_that_is_anothers_id_gets_no_one_a_child() {
    let t = TestApp::new();
    let admin = t.admin().await;
    let people = "id,username,name,role\n1001,5005,Pia,student\n2002,1001,Quinn,student\npat,pat,Pat,guardian\n";
    let archive = zip(&[
        ("people.csv", people),
        ("guardians.csv", "child,guardian\n1001,pat\n"),
    ]);
    import(&admin, &archive, "").await;
    assert_eq!(guardians(&admin, "1001").await, ["pat"]);
    assert_eq!(guardians(&admin, "2002").await, [""; 0]);
}

/// Whose role OneRoster's files do not say keeps grade and guardians.
#[tokio::test]
async fn a_pupil_without_a_role_in_the_files_stays_as_they_are() {
    let t = TestApp::new();
    let admin = t.admin().await;
    import(&admin, &one_roster_1_2(), "").await;
    let users = "sourcedId,status,enabledUser,username,givenName,familyName,agentSourcedIds,grades\nS1,active,true,sam,Sam,One,,05\n";
    let roles = "sourcedId,status,userSourcedId,roleType,role\nR9,tobedeleted,S1,primary,student\n";
    let shown = import(
        &admin,
        &zip(&[("users.csv", users), ("roles.csv", roles)]),
        "",
    )
    .await;
    assert_eq!(
        counts(&shown),
        json!([[0, 0, 0, 1, 0], [0, 0, 0, 0]]),
        "{shown}"
    );
    assert_eq!(guardians(&admin, "S1").await, ["P1", "T1"]);
}

/// The set of a trust has many schools: each server takes its own, and nothing of the others is bad.
#[tokio::test]
async fn of_a_set_of_many_schools_one_is_taken() {
    let classes = "sourcedId,status,title,classType,schoolSourcedId\nC1,active,5a,homeroom,HILL\nC2,active,5a,homeroom,DALE\n";
    let enrollments = "sourcedId,status,classSourcedId,schoolSourcedId,userSourcedId,role\n\
        E1,active,C1,HILL,S1,student\nE2,active,C2,DALE,S2,student\nE3,active,C1,HILL,T1,teacher\nE4,active,C2,DALE,T1,teacher\n";
    let first = "sourcedId,status,enabledUser,orgSourcedIds,role,username,givenName,familyName,agentSourcedIds,grades\n\
        S1,active,true,HILL,student,sam,Sam,One,\"P1,P2\",05\nS2,active,true,DALE,student,sue,Sue,Two,P2,06\n\
        P1,active,true,HILL,parent,pat,Pat,One,,\nP2,active,true,DALE,parent,pia,Pia,Two,,\nT1,active,true,\"HILL,DALE\",teacher,tess,Tess,One,,\n";
    let second = "sourcedId,status,enabledUser,username,givenName,familyName,agentSourcedIds,grades\n\
        S1,active,true,sam,Sam,One,\"P1,P2\",05\nS2,active,true,sue,Sue,Two,P2,06\nP1,active,true,pat,Pat,One,,\n\
        P2,active,true,pia,Pia,Two,,\nT1,active,true,tess,Tess,One,,\n";
    let roles = "sourcedId,status,userSourcedId,roleType,role,orgSourcedId\nR1,active,S1,primary,student,HILL\n\
        R2,active,S2,primary,student,DALE\nR3,active,P1,primary,parent,HILL\nR4,active,P2,primary,parent,DALE\n\
        R5,active,T1,primary,administrator,DALE\nR6,active,T1,secondary,teacher,HILL\n";
    let both = [
        zip(&[
            ("users.csv", first),
            ("classes.csv", classes),
            ("enrollments.csv", enrollments),
        ]),
        zip(&[
            ("users.csv", second),
            ("roles.csv", roles),
            ("classes.csv", classes),
            ("enrollments.csv", enrollments),
        ]),
    ];
    for archive in both {
        let t = TestApp::new();
        let admin = t.admin().await;
        let shown = import(&admin, &archive, "org=HILL&disableMissing=true").await;
        assert_eq!(
            counts(&shown),
            json!([[3, 0, 0, 0, 0], [1, 0, 0, 0]]),
            "{shown}"
        );
        assert_eq!(members(&admin, "C1").await, ["T1 leads", "S1"]);
        assert_eq!(
            guardians(&admin, "S1").await,
            ["P1"],
            "the other is of another school"
        );
        let again = import(&admin, &archive, "org=HILL&disableMissing=true").await;
        assert_eq!(
            counts(&again),
            json!([[0, 0, 0, 3, 0], [0, 0, 0, 0]]),
            "{again}"
        );
        preview(&admin, &archive, "org=NOWHERE")
            .await
            .invalid("file");
    }
    let t = TestApp::new();
    let admin = t.admin().await;
    let own = zip(&[("people.csv", "username,name,role\nx,X,student\n")]);
    preview(&admin, &own, "org=HILL").await.invalid("file");
}
