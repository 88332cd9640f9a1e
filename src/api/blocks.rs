//! Blocking and muting people.

use super::http::call::Call;
use super::http::input::Nothing;
use super::http::reply::{Data, Empty};
use crate::error::{Noun, Result};
use crate::model::page::Page;
use crate::model::users::UserView;
use crate::service::blocks;

pub async fn block(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    blocks::set_blocked(&call.app, call.me()?, &id, true).await?;
    Ok(Data(Empty {}))
}

pub async fn unblock(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    blocks::set_blocked(&call.app, call.me()?, &id, false).await?;
    Ok(Data(Empty {}))
}

pub async fn list(call: Call, _: Nothing) -> Result<Page<UserView>> {
    let found = blocks::blocked(&call.app, call.me()?).await?;
    let count = found.len();
    Ok(Page::only(found, count))
}

pub async fn mute(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    blocks::set_muted(&call.app, call.me()?, &id, true).await?;
    Ok(Data(Empty {}))
}

pub async fn unmute(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    blocks::set_muted(&call.app, call.me()?, &id, false).await?;
    Ok(Data(Empty {}))
}
