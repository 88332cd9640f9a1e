//! What a school's policy costs its messages: teachers write to their pupils, on a roster of two thousand, once by `teacher-led`, once
//! with everything allowed, and once by a schoolbell that asks nothing. All run at once and take turns.

use std::path::Path;
use std::sync::Arc;

use crate::SENDERS;
use crate::against::{Messages, Scale, Side, interval, program};
use crate::client::Http;
use crate::seed;
use crate::server::Server;

const PEOPLE: usize = 2_000;

pub async fn cost(before: Option<&Path>, smoke: bool) {
    let scale = Scale::new(smoke);
    let mut names = vec!["teacher-led".to_owned(), "open".to_owned()];
    names.extend(before.map(|path| path.display().to_string()));
    let mut rounds: Vec<Vec<Messages>> = Vec::new();
    for round in 0..scale.rounds {
        let mut sides = Vec::new();
        for preset in ["teacher-led", "open"] {
            let server = school(preset);
            check(&server, preset).await;
            sides.push(Side::start(server, &scale).await);
        }
        if let Some(before) = before {
            let folder = Arc::new(tempfile::tempdir().unwrap());
            sides.push(Side::start(Server::on(program(Some(before)), folder), &scale).await);
        }
        let mut turns: Vec<Option<Messages>> = sides.iter().map(|_| None).collect();
        // Who begins takes turns, too.
        for at in 0..sides.len() {
            let at = (at + round) % sides.len();
            turns[at] = Some(sides[at].messages(&scale).await);
        }
        let turns: Vec<Messages> = turns.into_iter().flatten().collect();
        let show = |of: fn(&Messages) -> f64, digits: usize| {
            let figures = turns.iter().map(|turn| format!("{:.digits$}", of(turn)));
            figures.collect::<Vec<_>>().join(" / ")
        };
        println!(
            "round {round:>2}: {} messages/s, CPU {} s per 100,000, p99 at 1,000/s {} ms",
            show(|turn| turn.rate, 0),
            show(|turn| turn.cpu, 2),
            show(|turn| turn.p99, 2),
        );
        rounds.push(turns);
    }
    for (at, name) in names.iter().enumerate().skip(1) {
        println!("\nteacher-led / {name}, with the interval that holds it at 95 %:");
        let show = |what: &str, of: fn(&Messages) -> f64| {
            let ratios: Vec<f64> = rounds.iter().map(|r| of(&r[0]) / of(&r[at])).collect();
            let (low, middle, high) = interval(&ratios);
            println!("  {what:<34} {middle:.3} ({low:.3} to {high:.3})");
        };
        show("messages/s, 64 senders", |turn| turn.rate);
        show("server CPU per message", |turn| turn.cpu);
        show("p99 at 1,000/s", |turn| turn.p99);
    }
}

/// A server on a school's roster, under this policy.
fn school(preset: &'static str) -> Server {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    seed::schoolbell(folder.path(), |app| {
        seed::roster::school(app, PEOPLE, SENDERS);
    });
    let mut program = program(None);
    let policy = ("SCHOOLBELL_POLICY__PRESET".to_owned(), preset.to_owned());
    program.environment.push(policy);
    Server::on(program, folder)
}

/// That the policy is in force: by `teacher-led` no pupil writes to another.
async fn check(server: &Server, preset: &str) {
    let body = format!(
        r#"{{"receiverId":"{}","content":"Hi"}}"#,
        seed::id(SENDERS + 1)
    );
    let mut http = Http::connect(&server.address).await;
    let token = server.token(SENDERS);
    let status = http.request("POST", "/api/messages", &token, &body).await;
    let expected = if preset == "open" { 201 } else { 404 };
    assert_eq!(status, expected, "{preset}");
}
