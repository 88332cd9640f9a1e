//! The least that the parts could cost on this machine, in the same run.

use super::Sink;
use crate::{floors, percentile};

const CLIENTS: usize = 64;
const SOCKETS: usize = 5_000;

pub async fn measure(sink: &mut Sink<'_>) {
    sink.add("warp", floors::warp_rate(CLIENTS).await);
    sink.add("commit_full", floors::commit_rate(CLIENTS, "FULL"));
    sink.add("commit_normal", floors::commit_rate(CLIENTS, "NORMAL"));
    sink.add("fsync", floors::sync_rate());
    let mut socket = floors::socket_write().await;
    socket.sort_unstable();
    sink.add("socket_p50", percentile(&socket, 0.5));
    sink.add("socket_p99", percentile(&socket, 0.99));
    let mut fan_out = floors::fan_out(SOCKETS).await;
    fan_out.sort_unstable();
    sink.add("fan_out", percentile(&fan_out, 0.5));
}
