//! What a developer of a school app writes against schoolbell.

#[cfg(test)]
mod tests {
    use schoolbell::testing::{Role, School};
    use schoolbell::{App, Config, api};
    use serde_json::json;

    #[tokio::test]
    async fn a_grade_reaches_the_pupils_page() {
        let school = School::open().await;
        let (mut page, connected) = school.pupil.connect().await;
        assert_eq!(connected["userId"], school.pupil.id());
        let graded = json!({
            "userIds": [school.pupil.id()], "type": "assignment.graded", "title": "Graded", "message": "See the remarks"
        });
        let sent = school.teacher.request("POST", "/api/notifications").json(&graded);
        assert_eq!(sent.reply(&school.routes).await.status(), 201);
        assert_eq!(page.expect("notification").await["title"], "Graded");
    }

    #[tokio::test]
    async fn a_new_person_has_a_token_and_a_clock() {
        let school = School::open_with(|config| config.auth.token_ttl = 60.try_into().unwrap()).await;
        let ada = school.person("ada", Role::Staff).await;
        let me = || ada.request("GET", "/api/auth/me");
        assert_eq!(me().reply(&school.routes).await.status(), 200);
        school.clock.advance(std::time::Duration::from_secs(300));
        assert_eq!(me().reply(&school.routes).await.status(), 401);
    }

    #[tokio::test]
    async fn the_routes_stand_without_a_listener() {
        let folder = std::env::temp_dir().join(format!("consumer-{}", std::process::id()));
        let mut config = Config::default();
        config.database.path = folder.join("school.db");
        let app = App::open(config).unwrap();
        let _routes: api::Route = api::routes(&app);
        drop(app);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
