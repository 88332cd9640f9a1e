//! Who is whose guardian: an administrator, or the school's program, sets all links of a user at once.

use crate::app::App;
use crate::error::{Error, Forbidden, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::guardians::{
    GuardianLink, LinkView, MAX_CHILDREN, MAX_GUARDIANS, OwnGuardian, OwnGuardians,
};
use crate::model::ids::UserId;
use crate::model::journal::Entry;
use crate::model::users::{Role, User};
use crate::rule::{self, Rule};
use crate::store::guardians::{self, End, StoredLink};
use crate::store::journal;
use crate::store::{WriteTx, audit, users};

/// The guardians of a child, or the children of a guardian.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn of(app: &App, id: UserId, end: End) -> Result<Vec<LinkView>> {
    app.store
        .read(move |c| {
            let user = users::by_id(c, &id)?.ok_or(Error::NotFound(Noun::User))?;
            guardians::of(c, user.key, end)
        })
        .await
}

/// Makes these all links of a user at their end. A program leaves links as they are that are locked or were ended by hand.
///
/// # Errors
/// [`Noun::User`] not found; [`Error::Invalid`] on a link, by its place in `field`.
pub async fn set(
    app: &App,
    by: AuditActor,
    id: UserId,
    end: End,
    given: Vec<(UserId, GuardianLink)>,
) -> Result<Vec<LinkView>> {
    let (max, too_many): (usize, fn(usize) -> Rule) = match end {
        End::Child => (MAX_GUARDIANS, rule::too_many_guardians),
        End::Guardian => (MAX_CHILDREN, rule::too_many_children),
    };
    if given.len() > max {
        return Err(Error::invalid(field(end), too_many(max)));
    }
    app.store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            let mut wanted = Vec::new();
            for (at, (other, link)) in given.iter().enumerate() {
                let place = |error: Error| error.within(&format!("{}[{at}]", field(end)));
                wanted.push(wish(tx, &by, &user, end, other, link).map_err(place)?);
            }
            replace(tx, &by, &user, end, &wanted)?;
            guardians::of(tx, user.key, end)
        })
        .await
}

/// The caller's guardians, and whether it is the caller who decides about them.
///
/// # Errors
/// As those of a read.
pub async fn own(app: &App, user: &User) -> Result<OwnGuardians> {
    let (key, today) = (user.key, app.calendar.today());
    app.store
        .read(move |c| {
            let adult_from = guardians::adult_from(c, key)?;
            let own = guardians::of(c, key, End::Child)?.into_iter();
            let own = own.map(|link| OwnGuardian {
                id: link.id,
                name: link.name,
                kind: link.link.kind,
                agreed: link.agreed,
            });
            Ok(OwnGuardians {
                of_age: adult_from.is_some_and(|day| day <= today),
                adult_from,
                guardians: own.collect(),
            })
        })
        .await
}

/// Whether the caller, who is of age, agrees to the link with a guardian.
///
/// # Errors
/// [`Forbidden::NotOfAge`]; [`Noun::User`] not found for who is no guardian of theirs.
pub async fn agree(
    app: &App,
    by: AuditActor,
    user: &User,
    guardian: UserId,
    agreed: bool,
) -> Result<()> {
    let (key, today) = (user.key, app.calendar.today());
    let target = user.id().clone();
    app.store
        .write(move |tx| {
            if guardians::adult_from(tx, key)?.is_none_or(|day| day > today) {
                return Err(Error::Forbidden(Forbidden::NotOfAge));
            }
            let not_found = || Error::NotFound(Noun::User);
            let other = users::by_id(tx, &guardian)?.ok_or_else(not_found)?;
            if !guardians::set_agreed(tx, key, other.key, agreed)? {
                return Err(not_found());
            }
            let said = if agreed {
                "agreed to"
            } else {
                "does not agree to"
            };
            let detail = format!("{said} {guardian}");
            audit::note(tx, &by, Action::GuardiansSet, target.as_str(), &detail)
        })
        .await
}

/// The name of the list in requests.
fn field(end: End) -> &'static str {
    match end {
        End::Child => "guardians",
        End::Guardian => "children",
    }
}

/// A link as it is to be, with the id of the user at the other end.
struct Wish {
    other: UserId,
    link: StoredLink,
}

fn wish(
    tx: &WriteTx,
    by: &AuditActor,
    user: &User,
    end: End,
    other: &UserId,
    link: &GuardianLink,
) -> Result<Wish> {
    let found = users::by_id(tx, other)?;
    let found = found.ok_or_else(|| Error::invalid("id", rule::unknown_user(other.as_str())))?;
    let (child, guardian) = match end {
        End::Child => (user, &found),
        End::Guardian => (&found, user),
    };
    check_pair(tx, child, guardian)?;
    Ok(Wish {
        other: other.clone(),
        link: StoredLink {
            child: child.key,
            guardian: guardian.key,
            link: link.clone(),
            by_hand: by.is_by_hand(),
            ended_by_hand: false,
        },
    })
}

/// # Errors
/// [`Error::Invalid`] on `id` where the two cannot be guardian and child.
pub(super) fn check_pair(tx: &WriteTx, child: &User, guardian: &User) -> Result<()> {
    let wrong = if child.key == guardian.key {
        rule::own_guardian()
    } else if child.role != Role::Student {
        rule::not_a_pupil(child.id().as_str())
    } else if guardians::is_above(tx, child.key, guardian.key)? {
        rule::in_a_circle(guardian.id().as_str())
    } else {
        return Ok(());
    };
    Err(Error::invalid("id", wrong))
}

fn replace(tx: &WriteTx, by: &AuditActor, user: &User, end: End, wanted: &[Wish]) -> Result<()> {
    let before = guardians::stored_of(tx, user.key, end)?;
    let is_same = |a: &StoredLink, b: &StoredLink| (a.child, a.guardian) == (b.child, b.guardian);
    let held = |link: &StoredLink| link.is_held() && !by.is_by_hand();
    let mut said = Vec::new();
    for (at, wish) in wanted.iter().enumerate() {
        let place = |name: &str| format!("{}[{at}].{name}", field(end));
        if wanted[..at].iter().any(|other| other.other == wish.other) {
            return Err(Error::invalid(place("id"), rule::given_twice()));
        }
        let known = before.iter().find(|link| is_same(link, &wish.link));
        if known.is_some_and(|known| known.link == wish.link.link && !known.ended_by_hand) {
            continue;
        }
        if known.is_some_and(held) {
            let why = rule::link_is_locked(wish.other.as_str());
            return Err(Error::invalid(place("id"), why));
        }
        put_link(tx, &wish.link)?;
        let was_there = known.is_some_and(|known| !known.ended_by_hand);
        said.push(format!(
            "{}{}",
            if was_there { "~" } else { "+" },
            wish.other
        ));
    }
    for gone in &before {
        if gone.ended_by_hand || wanted.iter().any(|wish| is_same(gone, &wish.link)) {
            continue;
        }
        let other = match end {
            End::Child => gone.guardian,
            End::Guardian => gone.child,
        };
        let other = users::by_key(tx, other)?.map(|other| other.id().to_string());
        let other = other.unwrap_or_default();
        if held(gone) {
            return Err(Error::invalid(field(end), rule::link_is_locked(&other)));
        }
        end_link(tx, gone, by.is_by_hand())?;
        said.push(format!("-{other}"));
    }
    check_counts(tx, wanted, end)?;
    if !said.is_empty() {
        let action = match end {
            End::Child => Action::GuardiansSet,
            End::Guardian => Action::ChildrenSet,
        };
        audit::note(tx, by, action, user.id().as_str(), &said.join(" "))?;
    }
    Ok(())
}

/// Ends a link, so that no copy of before brings it back.
pub(super) fn end_link(tx: &WriteTx, link: &StoredLink, by_hand: bool) -> Result<()> {
    guardians::end(tx, link, by_hand)?;
    match ids(tx, link)? {
        Some((child, guardian)) => journal::add(
            tx,
            &Entry::LinkEnded {
                child,
                guardian,
                by_hand,
            },
        ),
        None => Ok(()),
    }
}

/// Stores a link; one that had ended holds again.
pub(super) fn put_link(tx: &WriteTx, link: &StoredLink) -> Result<()> {
    guardians::put(tx, link)?;
    match ids(tx, link)? {
        Some((child, guardian)) if journal::has_ended(tx, child.as_str(), guardian.as_str())? => {
            journal::add(tx, &Entry::LinkMade { child, guardian })
        }
        _ => Ok(()),
    }
}

fn ids(tx: &WriteTx, link: &StoredLink) -> Result<Option<(UserId, UserId)>> {
    let id = |key| Ok::<_, Error>(users::by_key(tx, key)?.map(|user| user.id().clone()));
    Ok(id(link.child)?.zip(id(link.guardian)?))
}

fn check_counts(tx: &WriteTx, wanted: &[Wish], end: End) -> Result<()> {
    for wish in wanted {
        let guardians = guardians::count(tx, wish.link.child, End::Child)?;
        if guardians > MAX_GUARDIANS as i64 {
            return Err(Error::invalid(
                field(end),
                rule::too_many_guardians(MAX_GUARDIANS),
            ));
        }
        let children = guardians::count(tx, wish.link.guardian, End::Guardian)?;
        if children > MAX_CHILDREN as i64 {
            return Err(Error::invalid(
                field(end),
                rule::too_many_children(MAX_CHILDREN),
            ));
        }
    }
    Ok(())
}
