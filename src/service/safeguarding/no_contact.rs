//! No-contact orders: made and taken back by leads.

use super::{stored_user, user};
use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::ids::Id;
use crate::model::journal::Entry;
use crate::model::outcome::Outcome;
use crate::model::safeguarding::no_contact::{From, NewOrder, OrderView, StoredOrder};
use crate::model::users::User;
use crate::rule;
use crate::store::safeguarding::no_contact;
use crate::store::{WriteTx, audit, journal};

/// All orders, the newest first, without those that the lead is in themselves.
///
/// # Errors
/// As those of a read.
pub async fn list(app: &App, me: &User) -> Result<Vec<OrderView>> {
    let me = me.key;
    app.store.read(move |c| no_contact::list(c, me)).await
}

/// Makes an order; one that is there already is given back.
///
/// # Errors
/// [`Noun::User`] not found; [`Error::Invalid`] on `b` for the same person twice; [`Forbidden::Involved`] for an order that the lead is in.
pub async fn make(
    app: &App,
    me: &User,
    by: AuditActor,
    new: NewOrder,
) -> Result<Outcome<OrderView>> {
    let me = me.clone();
    app.store
        .write(move |tx| {
            let a = user(tx, &new.a)?;
            let b = match &new.from {
                From::User(id) => Some(user(tx, id)?),
                From::Role(_) => None,
            };
            if b.as_ref().is_some_and(|b| b.key == a.key) {
                return Err(Error::invalid("b", rule::oneself()));
            }
            if a.key == me.key || b.as_ref().is_some_and(|b| b.key == me.key) {
                return Err(Error::Forbidden(Forbidden::Involved));
            }
            let role = match new.from {
                From::Role(role) => Some(role),
                From::User(_) => None,
            };
            let other = b.as_ref().map(|b| b.key);
            if let Some(id) = no_contact::find(tx, a.key, other, role, new.until)? {
                return Ok(Outcome::repeated(view(tx, &me, &id)?));
            }
            let order = StoredOrder {
                id: Id::generate().to_string(),
                a: a.id().clone(),
                b: b.as_ref().map(|b| b.id().clone()),
                role,
                until: new.until.map(|day| day.to_string()),
                reason: new.reason,
                made_by: by.actor.clone(),
                created_at: tx.now.0,
            };
            no_contact::put(tx, &order)?;
            let whom = order.b.as_ref().map_or_else(
                || {
                    format!(
                        "role {}",
                        role.map_or_else(String::new, |role| role.to_string())
                    )
                },
                ToString::to_string,
            );
            let detail = format!("{} and {whom}", order.a);
            let about = (order.id.as_str(), detail.as_str());
            audit::note_text(tx, &by, Action::OrderMade, about, &order.reason)?;
            journal::add(tx, &Entry::Order(order.clone()))?;
            Ok(Outcome::fresh(view(tx, &me, &order.id)?))
        })
        .await
}

fn view(tx: &WriteTx, me: &User, id: &str) -> Result<OrderView> {
    let found = no_contact::list(tx, me.key)?.into_iter();
    let order = found.into_iter().find(|order| order.id == id);
    order.ok_or(Error::NotFound(Noun::Order))
}

/// Takes an order back.
///
/// # Errors
/// [`Noun::Order`] not found; [`Forbidden::Involved`].
pub async fn remove(app: &App, me: &User, by: AuditActor, id: String) -> Result<()> {
    let me = me.key;
    app.store
        .write(move |tx| {
            let (a, b) = no_contact::people(tx, &id)?.ok_or(Error::NotFound(Noun::Order))?;
            if a == me || b == Some(me) {
                return Err(Error::Forbidden(Forbidden::Involved));
            }
            let a = stored_user(tx, a)?;
            no_contact::remove(tx, &id)?;
            audit::note(
                tx,
                &by,
                Action::OrderRemoved,
                &id,
                &format!("of {}", a.id()),
            )?;
            journal::add(tx, &Entry::OrderEnded { id })
        })
        .await
}
