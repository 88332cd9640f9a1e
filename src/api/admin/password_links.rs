//! One-time links by which people set a password.

mod slips;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::http::header;

use self::slips::Sheet;
use crate::api::auth::SessionView;
use crate::api::http::call::Call;
use crate::api::http::cookie;
use crate::api::http::download::Csv;
use crate::api::http::input::{Json, Nothing};
use crate::api::http::reply::{BodySpec, Created, Data, Html, Output, OutputSpec, WithHeader};
use crate::api::http::request::Response;
use crate::api::http::schema::schema_ref;
use crate::error::{Error, Noun, Result};
use crate::limits::priority::on_yielding_thread;
use crate::model::ids::UserId;
use crate::model::language::Language;
use crate::model::password_links::{LinksFilter, LinksMailed, MAX_DAYS, PasswordLink};
use crate::model::users::Role;
use crate::rule;
use crate::service::{mailed_links, password_links, preferences};

pub async fn make(call: Call, _: Nothing) -> Result<Created<PasswordLink>> {
    let id = call.param(0, Noun::User)?;
    let link = password_links::make(&call.app, call.by()?, id).await?;
    Ok(Created(link))
}

/// Who gets a link: active people who log in here and match everything that is given.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinksFilterBody {
    /// Ids: members of one of these groups, and guardians of members.
    groups: Option<Vec<String>>,
    /// Where they are left out, everybody but administrators.
    roles: Option<Vec<Role>>,
    /// `false`: those who have no password yet.
    has_password: Option<bool>,
    /// `false`: those who have never been here.
    logged_in: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
pub struct LinksBody {
    filter: LinksFilterBody,
    /// For how many days the links are valid.
    #[schema(minimum = 1, maximum = 90)]
    days: u32,
    format: LinksFormat,
}

/// How links for many come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinksFormat {
    /// A line for each user.
    Csv,
    /// A page to print, with a slip for each user.
    Html,
    /// A mail to each user who has an address of their own.
    Mail,
}

/// 200 with links for many.
pub enum Links {
    Csv(Csv),
    Html(Html),
    Mailed(Data<LinksMailed>),
}

impl Output for Links {
    fn spec() -> OutputSpec {
        OutputSpec::ok(BodySpec::DataOr(
            schema_ref::<LinksMailed>,
            &["text/csv", "text/html"],
        ))
    }

    fn into_response(self) -> Response {
        match self {
            Links::Csv(csv) => csv.into_response(),
            Links::Html(html) => html.into_response(),
            Links::Mailed(mailed) => mailed.into_response(),
        }
    }
}

pub async fn make_many(call: Call, Json(body): Json<LinksBody>) -> Result<Links> {
    let LinksBody {
        filter,
        days,
        format,
    } = body;
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Error::invalid("days", rule::day_range(MAX_DAYS)));
    }
    let grown_and_pupils = Role::ALL.into_iter().filter(|role| *role != Role::Admin);
    let groups = filter.groups.map(|ids| {
        let parse = |id: &String| UserId::parse_field("filter.groups", id);
        ids.iter().map(parse).collect::<Result<Vec<_>>>()
    });
    let filter = LinksFilter {
        groups: groups.transpose()?,
        roles: filter.roles.unwrap_or(grown_and_pupils.collect()),
        has_password: filter.has_password,
        logged_in: filter.logged_in,
    };
    if format == LinksFormat::Mail {
        let mailed = mailed_links::mail_many(&call.app, call.by()?, filter, days).await?;
        return Ok(Links::Mailed(Data(mailed)));
    }
    let own = preferences::of(&call.app, call.me()?).await?.language;
    let origin = origin(&call);
    let mut made = password_links::make_many(&call.app, call.by()?, filter, days).await?;
    made.sort();
    let sheet = Sheet {
        made,
        origin,
        base: call.app.config.server.base().to_owned(),
        school: call.app.school.get(),
        language: Language::of(own.as_deref()),
    };
    on_yielding_thread("links", move || match format {
        LinksFormat::Csv => Links::Csv(sheet.csv()),
        _ => Links::Html(sheet.page()),
    })
    .await
}

/// Where people reach the server: as the configuration has it, or else as the administrator does.
fn origin(call: &Call) -> String {
    if let Some(public) = &call.app.config.server.public_url {
        return public.origin().to_owned();
    }
    let text = |name| call.headers.get(name).and_then(|value| value.to_str().ok());
    let from_page = text(header::ORIGIN).map(str::to_owned);
    from_page.unwrap_or_else(|| format!("http://{}", text(header::HOST).unwrap_or_default()))
}

#[derive(Deserialize, ToSchema)]
pub struct LinkCode {
    /// What stands behind `#code=` in the link.
    code: String,
}

/// Whose link it is.
#[derive(Serialize, ToSchema)]
pub struct LinkOwner {
    name: String,
    username: Option<String>,
}

pub async fn owner(call: Call, Json(body): Json<LinkCode>) -> Result<Data<LinkOwner>> {
    let user = password_links::owner(&call.app, &body.code).await?;
    Ok(Data(LinkOwner {
        name: user.person.name.to_string(),
        username: user.username,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsePasswordLink {
    /// What stands behind `#code=` in the link.
    code: String,
    #[schema(min_length = 10, max_length = 256)]
    password: String,
    /// Of the second factor, for who has one.
    second_factor: Option<String>,
}

pub async fn redeem(
    call: Call,
    Json(body): Json<UsePasswordLink>,
) -> Result<WithHeader<Data<SessionView>>> {
    let (code, password, factor) = (&body.code, body.password, body.second_factor);
    let client = call.client();
    let entered = password_links::redeem(&call.app, code, password, factor, client).await?;
    let device = cookie::set_device(&call.app, call.base, &call.headers, &entered.device)?;
    let view = SessionView::new(&call.app, entered.issued).await?;
    Ok(WithHeader(header::SET_COOKIE, Some(device), Data(view)))
}
