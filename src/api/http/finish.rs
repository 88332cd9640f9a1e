//! The last step of every answer.

use super::context::Context;
use super::failure::{Unfinished, render};
use super::request::Response;
use super::served::{Latency, Served};
use crate::app::App;
use crate::error::Error;
use crate::metrics::{RequestLabels, RouteLabel};

/// Renders a failure, adds the headers that every answer has, and writes the log line and the figures.
pub fn finish(app: &App, context: Context, response: Response) -> Response {
    let served = response.extensions().get::<Served>().cloned();
    let failed = response.extensions().get::<Unfinished>().cloned();
    let mut response = match (&failed, context.preflight(app)) {
        (Some(_), Some(preflight)) => preflight,
        (Some(Unfinished(error)), None) => render(error, &context.request_id, response),
        (None, _) => response,
    };
    context.add_headers(app, response.headers_mut());
    let route = served.as_ref().map_or("none", |served| served.pattern);
    let status = response.status().as_u16();
    let elapsed = context.started.elapsed();
    let labels = RequestLabels {
        method: context.method_label(),
        route,
        status,
    };
    app.metrics.requests.get_or_create(&labels).inc();
    let latency = served.as_ref().map_or(Latency::Measured, |s| s.latency);
    if latency != Latency::Poll {
        let label = RouteLabel { route };
        let seconds = app.metrics.request_seconds.get_or_create(&label);
        seconds.observe(elapsed.as_secs_f64());
    }
    if latency == Latency::Charted && failed.is_none() {
        app.metrics.hourly_stats.sent_within(elapsed);
    }
    let error = failed.as_ref().map(|Unfinished(error)| &**error);
    if let Some(Error::Internal(why)) = error {
        tracing::error!(request_id = %context.request_id, route, why, "internal error");
    }
    if latency == Latency::Poll && error.is_none() {
        return response;
    }
    tracing::info!(
        method = context.method_label(),
        route,
        status,
        // To the microsecond: more digits say nothing.
        ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3,
        request_id = %context.request_id,
        user = served.as_ref().and_then(|s| s.user.as_deref()),
        code = error.map(Error::code),
        field = error.and_then(|e| e.details().first()).map(|d| d.field.as_str()),
        "request"
    );
    response
}
