//! The session of our own pages, in a cookie.

use warp::http::header;

use super::auth::{Login, SessionView};
use super::call::Call;
use super::cookie;
use super::input::{Json, Nothing};
use super::reply::{Data, Empty, WithHeader};
use crate::error::Result;
use crate::service::auth::{self, Session};

/// Sets the cookie beside the answer. The token itself stays out of it: scripts need not have it.
fn answer(call: &Call, session: Session) -> Result<WithHeader<Data<SessionView>>> {
    let cookie = cookie::set(&call.app, &call.headers, &session)?;
    let view = SessionView::without_token(&call.app, session);
    Ok(WithHeader(header::SET_COOKIE, Some(cookie), Data(view)))
}

pub async fn start(call: Call, Json(body): Json<Login>) -> Result<WithHeader<Data<SessionView>>> {
    cookie::check_own_origin(&call.app, &call.headers)?;
    let (login, password) = body.parse()?;
    let session = auth::login(&call.app, login, password, call.address()).await?;
    auth::note_login(&call.app, call.address(), &session.user).await?;
    answer(&call, session)
}

pub async fn renew(call: Call, _: Nothing) -> Result<WithHeader<Data<SessionView>>> {
    let session = auth::session(&call.app, call.me()?.clone())?;
    answer(&call, session)
}

pub async fn end(call: Call, _: Nothing) -> Result<WithHeader<Data<Empty>>> {
    cookie::check_own_origin(&call.app, &call.headers)?;
    let cookie = cookie::clear(&call.app, &call.headers)?;
    Ok(WithHeader(header::SET_COOKIE, Some(cookie), Data(Empty {})))
}
