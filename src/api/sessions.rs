//! Sessions: the caller's own, and that of our own pages, in a cookie.

use warp::http::header;

use super::auth::{Login, SessionView, credentials};
use super::http::call::Call;
use super::http::cookie;
use super::http::input::{Json, Nothing};
use super::http::reply::{Data, Empty, WithHeader};
use crate::error::{Noun, Result};
use crate::model::sessions::SessionInfo;
use crate::service::auth::{self, Issued};
use crate::service::{login, sessions};

/// Sets the cookie beside the answer. The token itself stays out of it: scripts need not have it.
async fn answer(call: Call, session: Issued) -> Result<WithHeader<Data<SessionView>>> {
    let cookie = cookie::set(&call.app, call.base, &call.headers, &session)?;
    let view = SessionView::without_token(&call.app, session).await?;
    Ok(WithHeader(header::SET_COOKIE, Some(cookie), Data(view)))
}

pub async fn start(
    call: Call,
    Json(body): Json<Login>,
) -> Result<WithHeader<WithHeader<Data<SessionView>>>> {
    cookie::check_own_origin(&call.app, &call.headers)?;
    let logged_in = login::login(&call.app, credentials(&call, body)?).await?;
    let device = cookie::set_device(&call.app, call.base, &call.headers, &logged_in.device)?;
    let session = answer(call, logged_in.issued).await?;
    Ok(WithHeader(header::SET_COOKIE, Some(device), session))
}

pub async fn renew(call: Call, _: Nothing) -> Result<WithHeader<Data<SessionView>>> {
    let session = auth::renew(&call.app, call.identity()?, call.client()).await?;
    answer(call, session).await
}

pub async fn end(call: Call, _: Nothing) -> Result<WithHeader<Data<Empty>>> {
    cookie::check_own_origin(&call.app, &call.headers)?;
    if let Ok(token) = cookie::session(&call.app, call.base, &call.headers)
        && let Ok(identity) = auth::identity(&call.app, token).await
    {
        auth::log_out(&call.app, &identity).await?;
    }
    let cookie = cookie::clear(&call.app, call.base, &call.headers)?;
    Ok(WithHeader(header::SET_COOKIE, Some(cookie), Data(Empty {})))
}

pub async fn list(call: Call, _: Nothing) -> Result<Data<Vec<SessionInfo>>> {
    let identity = call.identity()?;
    let current = identity.session_id();
    sessions::list(&call.app, &identity.user, current.as_deref())
        .await
        .map(Data)
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Session)?;
    sessions::end(&call.app, call.me()?, id).await?;
    Ok(Data(Empty {}))
}
