//! The read routes as the history grows, and how soon a server with a history answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Peer, Scale, School, Sink};
use crate::client::Http;
use crate::{percentile, seed};

/// Requests that are timed, as far as they come within [`TIME`].
const REQUESTS: usize = 600;
const TIME: Duration = Duration::from_secs(3);

/// Databases that take minutes to fill, kept from round to round: nothing here changes them.
#[derive(Default)]
pub struct Histories(Vec<(bool, usize, Arc<TempDir>)>);

impl Histories {
    fn of(&mut self, peer: &Peer, messages: usize) -> Arc<TempDir> {
        let ours = peer.is_ours();
        let found = self.0.iter().find(|(o, m, _)| (*o, *m) == (ours, messages));
        if let Some((_, _, folder)) = found {
            return folder.clone();
        }
        let folder = peer.fill(School::History(messages));
        self.0.push((ours, messages, folder.clone()));
        folder
    }
}

pub async fn measure(peer: &Peer, scale: &Scale, histories: &mut Histories, sink: &mut Sink<'_>) {
    let page = format!("/api/messages/conversation/{}", seed::id(1));
    let routes = [
        ("list", "/api/messages/conversations"),
        ("page", page.as_str()),
        ("unread", "/api/messages/unread-count"),
    ];
    for &messages in scale.histories {
        let folder = histories.of(peer, messages);
        let began = Instant::now();
        let server = peer.start_on(folder);
        Http::text(&server.address, "/health").await;
        if messages == scale.histories[0] {
            sink.add("start", began.elapsed().as_secs_f64() * 1e3);
        }
        server.rest().await;
        let mut http = Http::connect(&server.address).await;
        let token = server.token(0);
        for (name, path) in routes {
            let times = http.time_get(path, &token, REQUESTS, TIME).await;
            sink.add(&format!("{name}_{messages}"), percentile(&times, 0.5));
        }
    }
}
