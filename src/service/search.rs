//! Search over one's own messages.

use std::time::Duration;

use crate::app::App;
use crate::error::{Error, Result};
use crate::model::messages::Message;
use crate::model::page::Range;
use crate::model::search::Terms;
use crate::model::users::User;
use crate::rule;
use crate::store::search;

/// How long one search may take.
const SEARCH_TIME: Duration = Duration::from_millis(250);

/// The caller's messages that hold the beginnings of all the words, newest first. What was sent a moment ago is found:
/// the index is brought up to date first, as far as a moment is enough.
///
/// # Errors
/// [`Error::Invalid`] on `q` when it holds no letter or digit, or is over 200 characters; [`Error::TooMany`] while others of
/// the caller wait; [`Error::Unavailable`] for one that takes too long.
pub async fn messages(app: &App, me: &User, text: &str, range: Range) -> Result<Vec<Message>> {
    if text.len() > 200 && text.chars().count() > 200 {
        return Err(Error::invalid("q", rule::too_long(200)));
    }
    let terms = Terms::parse(text).ok_or_else(|| Error::invalid("q", rule::no_letters()))?;
    app.store.catch_up_search().await?;
    let key = me.key;
    let _turn = app.limits.searching.turn(key).await?;
    let mut found = app
        .store
        .read_within(SEARCH_TIME, move |c| search::query(c, key, &terms, range))
        .await?;
    super::messages::hide_receipts(app, me, &mut found).await?;
    Ok(found)
}
