//! Why somebody may write to another, or may not.

use crate::app::App;
use crate::error::{Error, Noun, Result};
use crate::model::ids::UserId;
use crate::model::policy::{Explanation, OrderView, decide};
use crate::model::users::User;
use crate::store::{blocks, policy, relations, users};

/// The policy's decision about two people with the rule and the facts. No-contact orders and blocks are for safeguarding leads: whoever
/// else asks is told what the policy says without them.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn explain(app: &App, asks: &User, from: UserId, to: UserId) -> Result<Explanation> {
    let asks = asks.key;
    let app_in = app.clone();
    app.store
        .read(move |c| {
            let is_lead = relations::person(c, asks, &[])?.is_lead;
            explain_in(&app_in, c, (&from, &to), is_lead)
        })
        .await
}

/// As [`explain`], in a read; `with_orders` for a safeguarding lead.
///
/// # Errors
/// [`Noun::User`] not found.
pub fn explain_in(
    app: &App,
    c: &rusqlite::Connection,
    (from, to): (&UserId, &UserId),
    with_orders: bool,
) -> Result<Explanation> {
    let find = |id| users::by_id(c, id)?.ok_or(Error::NotFound(Noun::User));
    let (from, to) = (find(from)?, find(to)?);
    let policy = app.decisions.policy(c, policy::stamps(c)?)?;
    let mut facts = relations::pair(c, from.key, to.key, &policy.groups())?;
    if !with_orders {
        facts.orders.clear();
    }
    let today = app.calendar.today();
    let decision = decide(&policy, &facts, today);
    let mut explanation = Explanation::new(decision, &policy, &facts, (&from, &to), today);
    let stored = policy::pair(c, from.key, to.key)?;
    if let Some(members) = &stored.members {
        let wrote_at = policy::wrote_at(c, members.conversation, to.key)?;
        explanation.answerable = wrote_at.is_some_and(|at| at >= super::answerable_since(app));
    }
    if with_orders {
        let orders = facts
            .orders
            .iter()
            .map(|order| OrderView::new(order, today));
        explanation.orders = Some(orders.collect());
        let mut blocked_by = Vec::new();
        for (by, other) in [(&from, &to), (&to, &from)] {
            if blocks::exists(c, by.key, other.key)? {
                blocked_by.push(by.id().clone());
            }
        }
        explanation.blocked_by = Some(blocked_by);
    }
    Ok(explanation)
}
