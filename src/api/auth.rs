//! Logging in and what a caller may do to their own account.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::endpoint::Call;
use super::input::{Json, Nothing};
use super::reply::{Created, Data, Empty};
use crate::app::App;
use crate::error::{Error, Result};
use crate::model::time::Time;
use crate::model::users::{DisplayName, Role, Unread, UserView, Username};
use crate::service::auth::{self, NewAccount, Session};
use crate::service::{notifications, users};

/// A token and whose it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    token: String,
    expires_at: Time,
    user: UserView,
}

fn view(app: &App, session: Session) -> SessionView {
    let online = app.hub.is_online(session.user.key);
    SessionView {
        token: session.token,
        expires_at: session.expires_at,
        user: UserView::own(&session.user, online),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    /// From the link that the server prints at start.
    code: String,
    #[schema(max_length = 64)]
    username: String,
    #[schema(max_length = 128)]
    name: String,
    #[schema(min_length = 10, max_length = 256)]
    password: String,
}

pub async fn set_up(call: Call, Json(body): Json<SetUp>) -> Result<Created<SessionView>> {
    let account = NewAccount {
        username: Username::parse(&body.username)?,
        name: DisplayName::parse(&body.name)?,
        role: Role::Admin,
        password: body.password,
    };
    let session = auth::set_up(&call.app, &body.code, account).await?;
    Ok(Created {
        data: view(&call.app, session).into(),
        fresh: true,
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The username, or the e-mail address.
    username: Option<String>,
    /// Another name for `username`.
    email: Option<String>,
    password: String,
}

pub async fn login(call: Call, Json(body): Json<Login>) -> Result<Data<SessionView>> {
    let login = match (body.username, body.email) {
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => return Err(Error::invalid("username", "is required")),
        (Some(_), Some(_)) => {
            return Err(Error::invalid("email", "must not stand beside username"));
        }
    };
    let session = auth::login(&call.app, login, body.password).await?;
    Ok(Data(view(&call.app, session)))
}

pub async fn refresh(call: Call, _: Nothing) -> Result<Data<SessionView>> {
    let session = auth::session(&call.app, call.me()?.clone())?;
    Ok(Data(view(&call.app, session)))
}

pub async fn logout_all(call: Call, _: Nothing) -> Result<Data<Empty>> {
    users::end_tokens(&call.app, call.me()?, None).await?;
    Ok(Data(Empty {}))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Password {
    current_password: String,
    #[schema(min_length = 10, max_length = 256)]
    new_password: String,
}

pub async fn password(call: Call, Json(body): Json<Password>) -> Result<Data<SessionView>> {
    let (current, new) = (body.current_password, body.new_password);
    let session = auth::change_password(&call.app, call.me()?, current, new).await?;
    Ok(Data(view(&call.app, session)))
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
        user: UserView::own(me, call.app.hub.is_online(me.key)),
        unread: notifications::unread(&call.app, me).await?,
    }))
}
