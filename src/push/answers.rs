//! What a push service's answer means for the push (RFC 8030 sections 5 and 7.3; RFC 8292 section 4.2).
//!
//! A subscription is deleted for 404 and 410 alone: any other answer may be the fault of this server, of its clock or of a bad
//! day of the service, and a person whose subscription is deleted is never told anything again.

use std::time::Duration;

use crate::model::pushes::{Failure, LONGEST_THROTTLE, PushOutcome, THROTTLE};
use crate::model::time::Time;

/// Tries before a push is given up.
pub const MAX_TRIES: u32 = 8;
/// The first wait before another try; each is twice the one before, up to [`LONGEST_WAIT`].
pub const FIRST_WAIT: Duration = Duration::from_secs(5);
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long a service that refuses our key or contact is left alone.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(5 * 60);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub text: String,
}

/// What else decides.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    pub host: &'a str,
    pub now: Time,
    /// Tries before this one.
    pub tries: u32,
    /// Whether the service has lately taken a push signed in the same way: then a refusal is about this subscription.
    pub trusted: bool,
    /// Whether the device subscribed less than a minute ago.
    pub is_new: bool,
    /// 0 to 1, to spread the next tries.
    pub jitter: f64,
}

/// Decides. `Err`: no answer, and why.
pub fn classify(answer: Result<Answer, String>, at: Circumstances) -> PushOutcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(text) => return at.retry(None, Failure { status: None, text }),
    };
    let failure = Failure {
        status: Some(answer.status),
        text: answer.text,
    };
    match answer.status {
        200..=299 => PushOutcome::Sent,
        // Services have been seen to know a new subscription a moment late.
        404 | 410 if at.is_new && at.tries == 0 => at.retry(answer.retry_after, failure),
        404 | 410 => PushOutcome::Gone,
        // Microsoft says when it means all of our pushes; RFC 8030 leaves open whom a 429 is about.
        406 | 429 if at.is_microsoft() && failure.text.contains("appthrottled") => {
            at.throttled(answer.retry_after, failure)
        }
        429 => PushOutcome::DeviceThrottled(asked(answer.retry_after), failure),
        // Microsoft's way of saying 429; elsewhere it means that the push can never be taken.
        406 if at.is_microsoft() => {
            PushOutcome::DeviceThrottled(asked(answer.retry_after), failure)
        }
        400 | 401 | 403 if is_other_key(&failure.text) => PushOutcome::OtherKey(failure),
        401 | 403 if at.trusted => at.retry(answer.retry_after, failure),
        401 | 403 => PushOutcome::Refused(at.after(REFUSAL_PAUSE), failure),
        408 | 500..=599 => at.retry(answer.retry_after, failure),
        _ => PushOutcome::Dead(failure),
    }
}

/// What a service asks for, within what it may.
fn asked(wait: Option<Duration>) -> Option<Duration> {
    wait.map(|wait| wait.min(LONGEST_THROTTLE))
}

/// How long a throttled service is left alone.
pub fn rest(asked: Option<Duration>) -> Duration {
    asked
        .unwrap_or(THROTTLE)
        .clamp(Duration::from_secs(1), LONGEST_THROTTLE)
}

impl Circumstances<'_> {
    fn is_microsoft(&self) -> bool {
        self.host.ends_with(".notify.windows.com")
    }

    fn after(&self, wait: Duration) -> Time {
        Time(self.now.0 + wait.as_millis() as i64)
    }

    fn throttled(&self, asked: Option<Duration>, failure: Failure) -> PushOutcome {
        PushOutcome::Throttled(self.after(rest(asked)), failure)
    }

    fn retry(&self, asked: Option<Duration>, failure: Failure) -> PushOutcome {
        if self.tries + 1 >= MAX_TRIES {
            return PushOutcome::Dead(failure);
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.tries).min(LONGEST_WAIT);
        let asked = asked.unwrap_or_default().min(LONGEST_THROTTLE);
        let wait = wait.max(asked);
        PushOutcome::Retry(self.after(wait + wait.mul_f64(self.jitter / 4.0)), failure)
    }
}

/// Whether a service says that the subscription was made for another key than ours: then it does not refuse this server.
fn is_other_key(text: &str) -> bool {
    // Apple's, Google's and Mozilla's words.
    [
        "VapidPkHashMismatch",
        "do not correspond",
        "public key mismatch",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// What a failure means, and what an administrator can do about it.
pub fn advice(host: &str, failure: &Failure) -> String {
    let vendor = super::guard::vendor(host);
    let who = vendor.split(' ').next().filter(|_| vendor.contains('('));
    let who = who.unwrap_or("The push service");
    let text = failure.text.as_str();
    match failure.status {
        None if text == "expired" => "It could not be delivered in its time (ttl).".to_owned(),
        None => format!(
            "{who} cannot be reached: see that this server has internet and that https to {host} is allowed."
        ),
        Some(403) if text.contains("BadJwtToken") => {
            format!(
                "{who} refuses the contact address: set push.subject to a real mailto: or https: address. If it is one, check this server's clock."
            )
        }
        Some(400 | 401 | 403) if is_other_key(text) => {
            format!(
                "{who} knows the subscription by another key: the VAPID keys were changed. The device subscribes again when its person next opens the app."
            )
        }
        Some(401 | 403) => {
            format!(
                "{who} refuses this server's VAPID keys or contact: check push.subject, the VAPID keys and this server's clock."
            )
        }
        Some(413) => format!("{who} finds even a short push too large."),
        Some(406 | 429) => format!("{who} asks for fewer pushes; they go on by themselves."),
        Some(408 | 500..=599) => {
            format!("{who} has trouble of its own; pushes are tried again by themselves.")
        }
        Some(300..=399) => format!("{who} sends pushes elsewhere, where they are not taken to."),
        Some(status) => format!("{who} refuses the push ({status})."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000_000);
    const FCM: &str = "fcm.googleapis.com";

    fn at(host: &str, tries: u32) -> Circumstances<'_> {
        Circumstances {
            host,
            now: NOW,
            tries,
            trusted: false,
            is_new: false,
            jitter: 0.0,
        }
    }

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, String> {
        let retry_after = retry_after.map(Duration::from_secs);
        Ok(Answer {
            status,
            retry_after,
            text: "why".into(),
        })
    }

    fn failure(status: u16) -> Failure {
        Failure {
            status: Some(status),
            text: "why".into(),
        }
    }

    fn in_seconds(seconds: i64) -> Time {
        NOW.plus_seconds(seconds)
    }

    #[test]
    fn the_table() {
        use PushOutcome::*;
        let table = [
            (answer(200, None), Sent),
            (answer(201, None), Sent),
            (answer(202, None), Sent),
            (answer(404, None), Gone),
            (answer(410, None), Gone),
            (answer(429, None), DeviceThrottled(None, failure(429))),
            (
                answer(429, Some(120)),
                DeviceThrottled(Some(Duration::from_secs(120)), failure(429)),
            ),
            (
                answer(429, Some(1 << 40)),
                DeviceThrottled(Some(LONGEST_THROTTLE), failure(429)),
            ),
            (answer(401, None), Refused(in_seconds(300), failure(401))),
            (answer(403, None), Refused(in_seconds(300), failure(403))),
            (answer(408, None), Retry(in_seconds(5), failure(408))),
            (answer(500, None), Retry(in_seconds(5), failure(500))),
            (answer(503, Some(40)), Retry(in_seconds(40), failure(503))),
            (answer(503, Some(1)), Retry(in_seconds(5), failure(503))),
            (
                answer(599, Some(1 << 40)),
                Retry(in_seconds(3_600), failure(599)),
            ),
            (answer(301, None), Dead(failure(301))),
            (answer(307, None), Dead(failure(307))),
            (answer(400, None), Dead(failure(400))),
            (answer(406, None), Dead(failure(406))),
            (answer(413, None), Dead(failure(413))),
            (answer(418, None), Dead(failure(418))),
        ];
        for (answer, expected) in table {
            assert_eq!(classify(answer.clone(), at(FCM, 0)), expected, "{answer:?}");
        }
    }

    #[test]
    fn microsoft_says_406_for_too_many() {
        let edge = at("db5p.notify.windows.com", 0);
        let asked = Some(Duration::from_secs(30));
        assert_eq!(
            classify(answer(406, Some(30)), edge),
            PushOutcome::DeviceThrottled(asked, failure(406))
        );
        // And when it is about all our devices.
        let all = Ok(Answer {
            status: 406,
            retry_after: Some(Duration::from_secs(900)),
            text: "appthrottled".into(),
        });
        assert!(
            matches!(classify(all, edge), PushOutcome::Throttled(until, _) if until == in_seconds(900))
        );
    }

    #[test]
    fn a_throttled_service_rests_between_a_second_and_an_hour() {
        let asked = |seconds| rest(Some(Duration::from_secs(seconds)));
        assert_eq!(rest(None), THROTTLE);
        assert_eq!(asked(0), Duration::from_secs(1));
        assert_eq!(asked(120), Duration::from_secs(120));
        assert_eq!(asked(1_000_000), LONGEST_THROTTLE);
    }

    #[test]
    fn a_subscription_for_another_key_is_stopped_and_no_one_else() {
        for (status, text) in [
            (400, "{\"reason\":\"VapidPkHashMismatch\"}"),
            (401, "VAPID public key mismatch"),
            (
                403,
                "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.",
            ),
        ] {
            let answer = Ok(Answer {
                status,
                retry_after: None,
                text: text.into(),
            });
            let settled = classify(answer, at(FCM, 0));
            assert!(matches!(settled, PushOutcome::OtherKey(_)), "{settled:?}");
        }
    }

    #[test]
    fn a_new_subscription_that_is_gone_is_tried_once_more() {
        let new = Circumstances {
            is_new: true,
            ..at(FCM, 0)
        };
        assert_eq!(
            classify(answer(410, None), new),
            PushOutcome::Retry(in_seconds(5), failure(410))
        );
        let again = Circumstances { tries: 1, ..new };
        assert_eq!(classify(answer(410, None), again), PushOutcome::Gone);
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_then_it_is_over() {
        let waits = [5, 10, 20, 40, 80, 160, 320];
        for (tries, wait) in waits.into_iter().enumerate() {
            let settled = classify(Err("cut".into()), at(FCM, tries as u32));
            let PushOutcome::Retry(time, failure) = settled else {
                panic!("{settled:?}")
            };
            assert_eq!(time, in_seconds(wait));
            assert_eq!(failure.status, None);
        }
        assert!(matches!(
            classify(Err("cut".into()), at(FCM, 7)),
            PushOutcome::Dead(_)
        ));
    }

    #[test]
    fn jitter_adds_up_to_a_quarter() {
        let circumstances = Circumstances {
            jitter: 1.0,
            ..at(FCM, 1)
        };
        let settled = classify(answer(500, None), circumstances);
        assert_eq!(
            settled,
            PushOutcome::Retry(Time(NOW.0 + 12_500), failure(500))
        );
    }

    /// Or anybody could stop everyone's pushes by subscribing with a key of their own.
    #[test]
    fn a_refusal_by_a_service_that_takes_others_is_the_subscriptions_own() {
        let trusted = Circumstances {
            trusted: true,
            ..at(FCM, 0)
        };
        assert!(matches!(
            classify(answer(403, None), trusted),
            PushOutcome::Retry(..)
        ));
    }

    #[test]
    fn advice_is_something_to_do() {
        let apple = Failure {
            status: Some(403),
            text: "{\"reason\":\"BadJwtToken\"}".into(),
        };
        let advice = advice("web.push.apple.com", &apple);
        assert!(
            advice.starts_with("Apple refuses the contact address: set push.subject"),
            "{advice}"
        );
    }
}
