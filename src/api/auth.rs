//! Logging in and what a caller may do to their own account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warp::http::header;

use super::http::call::{Call, bearer};
use super::http::cookie;
use super::http::input::{Json, Nothing};
use super::http::reply::{Accepted, Created, Data, Empty, WithHeader};
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::policy::Preset;
use crate::model::time::Time;
use crate::model::users::{DisplayName, Role, Unread, UserView, Username};
use crate::rule;
use crate::service::auth::{self, Issued, NewAccount, SetUpChoices};
use crate::service::confirmation::{self, By};
use crate::service::login::{self, Credentials};
use crate::service::{mailed_links, notifications, users};

/// A token and whose it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    expires_at: Time,
    user: UserView,
}

impl SessionView {
    /// # Errors
    /// As those of a read.
    pub async fn new(app: &App, session: Issued) -> Result<Self> {
        Ok(SessionView {
            token: Some(session.token),
            expires_at: session.expires_at,
            user: users::own(app, &session.user).await?,
        })
    }

    /// For a page that has the token in a cookie.
    ///
    /// # Errors
    /// As those of a read.
    pub async fn without_token(app: &App, session: Issued) -> Result<Self> {
        Ok(SessionView {
            token: None,
            ..Self::new(app, session).await?
        })
    }
}

#[derive(Deserialize, ToSchema)]
pub struct SetUp {
    /// From the link that the server prints at start.
    code: String,
    #[schema(max_length = 64)]
    username: String,
    #[schema(max_length = 128)]
    name: String,
    #[schema(min_length = 10, max_length = 256)]
    password: String,
    /// Who may write to whom; without it, `open`.
    policy: Option<Preset>,
    /// Days after which things are removed; without it, never. What the configuration sets stays as it is.
    retention: Option<RetentionBody>,
}

/// Days; 0: never.
#[derive(Deserialize, ToSchema)]
pub struct RetentionBody {
    messages: u32,
    notifications: u32,
    /// At least 365.
    audit: u32,
}

impl RetentionBody {
    fn settings(&self) -> BTreeMap<String, String> {
        let days = [
            ("retention.messages", self.messages),
            ("retention.notifications", self.notifications),
            ("retention.audit", self.audit),
        ];
        days.map(|(key, days)| (key.to_owned(), days.to_string()))
            .into()
    }
}

pub async fn set_up(call: Call, Json(body): Json<SetUp>) -> Result<Created<SessionView>> {
    let account = NewAccount {
        username: Username::parse(&body.username)?,
        name: DisplayName::parse(&body.name)?,
        role: Role::Admin,
        password: body.password,
    };
    let choices = SetUpChoices {
        policy: body.policy,
        settings: body
            .retention
            .map(|days| days.settings())
            .unwrap_or_default(),
    };
    let session = auth::set_up(&call.app, &body.code, account, choices, call.client()).await?;
    Ok(Created(SessionView::new(&call.app, session).await?))
}

#[derive(Deserialize, ToSchema)]
pub struct Login {
    /// The username, or the e-mail address.
    username: Option<String>,
    /// Another name for `username`.
    email: Option<String>,
    password: String,
    /// Of the second factor, for who has one: of the authenticator app, or a recovery code.
    code: Option<String>,
}

impl Login {
    /// What to log in with: the name, and the password.
    fn parse(self) -> Result<(String, String)> {
        let refuse = |field, why| Err(Error::invalid(field, why));
        match (self.username, self.email) {
            (Some(name), None) | (None, Some(name)) => Ok((name, self.password)),
            (None, None) => refuse("username", rule::required()),
            (Some(_), Some(_)) => refuse("email", rule::contradicts("username")),
        }
    }
}

/// What a request brings to log in.
pub fn credentials(call: &Call, body: Login) -> Result<Credentials> {
    let code = body.code.clone();
    let (login, password) = body.parse()?;
    let pairs = cookie::pairs(&call.headers);
    Ok(Credentials {
        login,
        password,
        code,
        client: call.client(),
        cookies: pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
    })
}

pub async fn login(call: Call, Json(body): Json<Login>) -> Result<WithHeader<Data<SessionView>>> {
    let logged_in = login::login(&call.app, credentials(&call, body)?).await?;
    let device = cookie::set_device(&call.app, call.base, &call.headers, &logged_in.device)?;
    let view = SessionView::new(&call.app, logged_in.issued).await?;
    Ok(WithHeader(header::SET_COOKIE, Some(device), Data(view)))
}

pub async fn refresh(call: Call, _: Nothing) -> Result<Data<SessionView>> {
    let session = auth::renew(&call.app, call.identity()?, call.client()).await?;
    Ok(Data(SessionView::new(&call.app, session).await?))
}

pub async fn logout(call: Call, _: Nothing) -> Result<Data<Empty>> {
    auth::log_out(&call.app, call.identity()?).await?;
    Ok(Data(Empty {}))
}

pub async fn logout_all(call: Call, _: Nothing) -> Result<Data<Empty>> {
    users::end_tokens(&call.app, call.me()?, None).await?;
    Ok(Data(Empty {}))
}

#[derive(Deserialize, ToSchema)]
pub struct Forgot {
    /// The username, or the e-mail address.
    login: String,
}

/// Answered before anything is looked up: neither the answer nor its time tells who is here.
pub async fn forgot(call: Call, Json(body): Json<Forgot>) -> Result<Accepted<Empty>> {
    let (app, from) = (call.app.clone(), call.address());
    app.tasks.clone().spawn(async move {
        if let Err(error) = mailed_links::forgot(&app, body.login, from).await {
            tracing::warn!(%error, "cannot mail a link to who forgot the password");
        }
    });
    Ok(Accepted(Empty {}))
}

/// What the button of the provider says.
fn provider_name(app: &App) -> Option<String> {
    let oidc = &app.config.auth.oidc;
    let issuer = oidc.issuer.as_ref()?;
    let host = issuer.url().host_str().unwrap_or_default();
    let name = Some(oidc.name.as_str()).filter(|name| !name.is_empty());
    Some(name.unwrap_or(host).to_owned())
}

/// The ways to log in, for a page that asks for it.
#[derive(Serialize, ToSchema)]
pub struct Methods {
    /// The school's name; may be empty.
    school: String,
    /// Whether who forgot the password can have a link mailed. Else the office makes one.
    mail: bool,
    /// The school's own provider, at `/api/auth/oidc/start`, if there is one.
    oidc: Option<OidcMethod>,
}

/// A provider to log in with.
#[derive(Serialize, ToSchema)]
pub struct OidcMethod {
    /// What its button says.
    name: String,
}

pub async fn methods(call: Call, _: Nothing) -> Result<Data<Methods>> {
    Ok(Data(Methods {
        school: call.app.school.get().name.clone(),
        mail: call.app.config.mail.url.is_some(),
        oidc: provider_name(&call.app).map(|name| OidcMethod { name }),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    current_password: String,
    #[schema(min_length = 10, max_length = 256)]
    new_password: String,
}

pub async fn password(
    call: Call,
    Json(body): Json<Password>,
) -> Result<WithHeader<Data<SessionView>>> {
    let (current, new) = (body.current_password, body.new_password);
    let session = auth::change_password(&call.app, call.me()?, current, new, call.client()).await?;
    // It has ended every session so far, the one of this page's cookie too.
    let by_cookie = bearer(&call.headers).is_err();
    let cookie = by_cookie.then(|| cookie::set(&call.app, call.base, &call.headers, &session));
    let view = SessionView::new(&call.app, session).await?;
    Ok(WithHeader(
        header::SET_COOKIE,
        cookie.transpose()?,
        Data(view),
    ))
}

/// One of them.
#[derive(Deserialize, ToSchema)]
pub struct Confirm {
    password: Option<String>,
    /// Of the second factor: of the authenticator app, or a recovery code.
    code: Option<String>,
}

/// Until when what needs it is allowed.
#[derive(Serialize, ToSchema)]
pub struct Confirmed {
    until: Time,
}

/// Until when what needs it is allowed; `null`: it must be confirmed first.
#[derive(Serialize, ToSchema)]
pub struct ConfirmationState {
    until: Option<Time>,
}

pub async fn confirmation(call: Call, _: Nothing) -> Result<Data<ConfirmationState>> {
    let until = confirmation::until(&call.app, call.identity()?);
    Ok(Data(ConfirmationState { until }))
}

pub async fn confirm(call: Call, Json(body): Json<Confirm>) -> Result<Data<Confirmed>> {
    let by = match (body.password, body.code) {
        (Some(password), None) => By::Password(password),
        (None, Some(code)) => By::Code(code),
        (None, None) => return Err(Error::invalid("password", rule::required())),
        (Some(_), Some(_)) => return Err(Error::invalid("code", rule::contradicts("password"))),
    };
    let until = confirmation::confirm(&call.app, call.identity()?, by).await?;
    Ok(Data(Confirmed { until }))
}

/// The caller, and what they have not read.
#[derive(Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    user: UserView,
    unread: Unread,
}

pub async fn me(call: Call, _: Nothing) -> Result<Data<Me>> {
    let me = call.me()?;
    Ok(Data(Me {
        user: users::own(&call.app, me).await?,
        unread: notifications::unread(&call.app, me).await?,
    }))
}
