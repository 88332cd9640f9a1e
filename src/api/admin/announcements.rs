//! Announcements and their reports.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::http::call::Call;
use crate::api::http::download::Csv;
use crate::api::http::input::{Json, Nothing, OptionalJson, Query};
use crate::api::http::reply::{Data, Empty, Repeatable};
use crate::api::notifications::AudienceBody;
use crate::error::{Error, Noun, Result};
use crate::model::announcements::{
    Announcement, AudiencePreview, LiveBy, NewAnnouncement, Recipient, Report, Stage, StageFilter,
};
use crate::model::ids::{Id, UserKey};
use crate::model::notifications::{Link, NewNotification, Urgency};
use crate::model::object::Object;
use crate::model::page::{Cursor, Limit, List, Page};
use crate::model::roster::write_table;
use crate::model::time::Time;
use crate::rule;
use crate::service::announcements;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnnouncementBody {
    #[schema(max_length = 200)]
    title: String,
    #[schema(max_length = 4000)]
    message: String,
    /// A path on the same site, or an `https:` URL.
    link: Option<String>,
    urgency: Option<Urgency>,
    #[schema(value_type = AudienceBody)]
    audience: Object<AudienceBody>,
    /// When; now, where it is left out. At most a year ahead.
    #[schema(format = "date-time")]
    send_at: Option<String>,
    /// A name of the sender's own: the same one again gives the first answer back and makes no second announcement.
    #[schema(max_length = 128)]
    idempotency_key: Option<String>,
}

pub async fn make(
    call: Call,
    Json(body): Json<AnnouncementBody>,
) -> Result<Repeatable<Announcement>> {
    let Object(audience) = body.audience;
    let new = NewAnnouncement {
        title: NewNotification::parse_title(&body.title)?,
        message: NewNotification::parse_message(&body.message)?,
        link: body.link.as_deref().map(Link::parse).transpose()?,
        urgency: body.urgency.unwrap_or_default(),
        audience: audience.parse()?.checked()?,
        send_at: send_at(&call, body.send_at.as_deref())?,
        idempotency_key: NewNotification::parse_idempotency_key(body.idempotency_key)?,
    };
    announcements::make(&call.app, call.by()?, new)
        .await
        .map(Repeatable)
}

fn send_at(call: &Call, given: Option<&str>) -> Result<Option<Time>> {
    let Some(text) = given else {
        return Ok(None);
    };
    let time = Time::parse(text).ok_or_else(|| Error::invalid("sendAt", rule::not_a_time()))?;
    let now = call.app.now();
    if time < now.plus_seconds(-60) {
        return Err(Error::invalid("sendAt", rule::in_the_past()));
    }
    if time > now.plus_seconds(366 * 24 * 3_600) {
        return Err(Error::invalid("sendAt", rule::too_far_ahead()));
    }
    Ok(Some(time))
}

pub async fn audience(call: Call, Json(body): Json<AudienceBody>) -> Result<Data<AudiencePreview>> {
    let audience = body.parse()?.checked()?;
    announcements::preview(&call.app, audience).await.map(Data)
}

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 100, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Announcement>> {
    let limit = Limit::parse(query.limit, 50, 100)?;
    let before = Cursor::before(query.before.as_deref(), List::Announcements)?;
    let found = announcements::list(&call.app, before, limit.plus_one()).await?;
    Ok(Page::newest_first(
        found,
        limit.get(),
        List::Announcements,
        |one| one.key,
    ))
}

pub async fn report(call: Call, _: Nothing) -> Result<Data<Report>> {
    let id = call.param(0, Noun::Announcement)?;
    announcements::report(&call.app, id).await.map(Data)
}

#[derive(Deserialize, IntoParams)]
pub struct RecipientsQuery {
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    /// Only those at this stage; `unread` for all who have not read it.
    #[param(inline)]
    stage: Option<StageFilter>,
}

pub async fn recipients(
    call: Call,
    Query(query): Query<RecipientsQuery>,
) -> Result<Page<Recipient>> {
    let id = call.param(0, Noun::Announcement)?;
    let limit = Limit::parse(query.limit, 100, 500)?;
    let after = Cursor::before(query.before.as_deref(), List::Recipients)?.map(UserKey);
    let found =
        announcements::recipients(&call.app, id, query.stage, after, limit.get() + 1).await?;
    Ok(Page::newest_first(
        found,
        limit.get(),
        List::Recipients,
        |one| one.key.0,
    ))
}

pub async fn recipients_csv(call: Call, _: Nothing) -> Result<Csv> {
    let id: Id = call.param(0, Noun::Announcement)?;
    let all = announcements::recipients(&call.app, id, None, None, usize::MAX).await?;
    let header = [
        "username",
        "name",
        "role",
        "stage",
        "why",
        "service",
        "read",
        "delivered",
        "pushed",
    ];
    let time = |time: Option<Time>| time.map(|time| time.to_string()).unwrap_or_default();
    let rows = all.into_iter().map(|one| {
        let (stage, why, service) = words(&one.stage);
        [
            one.username.unwrap_or_else(|| one.user_id.to_string()),
            one.name,
            one.role.to_string(),
            stage.to_owned(),
            why.to_owned(),
            service,
            time(one.read_at),
            time(one.delivered_at),
            time(one.pushed_at),
        ]
    });
    let file = write_table(&header.map(str::to_owned), rows);
    Ok(Csv {
        name: "recipients.csv",
        bytes: file,
    })
}

/// The stage, why, and whose push service.
fn words(stage: &Stage) -> (&'static str, &'static str, String) {
    match stage {
        Stage::Read => ("read", "", String::new()),
        Stage::Live { by } => ("live", by.map_or("", LiveBy::as_str), String::new()),
        Stage::Pushed => ("pushed", "", String::new()),
        Stage::Waiting => ("waiting", "", String::new()),
        Stage::Failed { why, service } => {
            ("failed", why.as_str(), service.clone().unwrap_or_default())
        }
        Stage::Nobody { why } => ("nobody", why.as_str(), String::new()),
    }
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReminderBody {
    /// As the first one's, where it is left out.
    #[schema(max_length = 200)]
    title: Option<String>,
    /// As for an announcement.
    #[schema(max_length = 128)]
    idempotency_key: Option<String>,
}

pub async fn remind(
    call: Call,
    OptionalJson(body): OptionalJson<ReminderBody>,
) -> Result<Repeatable<Announcement>> {
    let id = call.param(0, Noun::Announcement)?;
    let title = body.title.as_deref().map(NewNotification::parse_title);
    let key = NewNotification::parse_idempotency_key(body.idempotency_key)?;
    let made = announcements::remind(&call.app, call.by()?, id, title.transpose()?, key).await?;
    Ok(Repeatable(made))
}

pub async fn cancel(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Announcement)?;
    announcements::cancel(&call.app, call.by()?, id).await?;
    Ok(Data(Empty {}))
}
