//! People, as administrators see and change them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::http::call::Call;
use crate::api::http::download::Download;
use crate::api::http::input::{Json, Nothing, Query};
use crate::api::http::reply::{Created, Data, Empty};
use crate::api::users::searched;
use crate::error::{Error, Noun, Result};
use crate::model::accounts::{Account, AccountChange, AccountFilter, FactsChange, parse_email};
use crate::model::ids::{UserId, UserKey};
use crate::model::page::{Cursor, Limit, List, Page};
use crate::model::safeguarding::duty::Duty;
use crate::model::text;
use crate::model::users::{DisplayName, ExternalIdentity, NewUser, Origin, Role, Username};
use crate::ops::personal_data;
use crate::rule;
use crate::service::{accounts, second_factors};

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
    /// `paging.before` of the page before.
    before: Option<String>,
    /// A part of the name or the username.
    search: Option<String>,
    #[param(inline)]
    role: Option<Role>,
    /// A group's id.
    group: Option<String>,
    disabled: Option<bool>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Account>> {
    let limit = Limit::parse(query.limit, 50, 200)?;
    let search = searched(query.search)?;
    let after = Cursor::before(query.before.as_deref(), List::People)?;
    let filter = AccountFilter {
        search: text::words(&search),
        role: query.role,
        group: query
            .group
            .map(|id| UserId::parse_field("group", &id))
            .transpose()?,
        disabled: query.disabled,
        after: after.map(UserKey),
    };
    let found = accounts::list(&call.app, filter, limit.plus_one()).await?;
    Ok(Page::newest_first(
        found,
        limit.get(),
        List::People,
        |one| one.key.0,
    ))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAccountBody {
    /// The school's own; one is made where it is left out.
    id: Option<String>,
    #[schema(max_length = 64)]
    username: String,
    #[schema(max_length = 128)]
    name: String,
    #[schema(max_length = 254)]
    email: Option<String>,
    role: Role,
    /// Ids of groups.
    #[serde(default)]
    groups: Vec<String>,
    /// A pupil's: `PK`, `KG`, `01` to `13`.
    grade: Option<String>,
    /// From this day on a pupil's guardian links count only if the pupil has agreed: `2026-11-30`.
    adult_from: Option<String>,
    /// At most five telephone numbers.
    phones: Option<Vec<String>>,
}

pub async fn add(call: Call, Json(body): Json<NewAccountBody>) -> Result<Created<Account>> {
    let email = body.email.as_deref().map(parse_email).transpose()?;
    let new = NewUser {
        id: match body.id {
            Some(id) => UserId::parse_field("id", &id)?,
            None => UserId::generate(),
        },
        username: Some(Username::parse(&body.username)?),
        name: DisplayName::parse(&body.name)?,
        email: email.flatten(),
        avatar: None,
        role: body.role,
        password_hash: None,
        origin: match call.me() {
            Ok(_) => Origin::Hand,
            Err(_) => Origin::Import,
        },
    };
    check_role(&call, Some(body.role))?;
    let facts = FactsChange::parse(
        body.grade.as_deref(),
        body.adult_from.as_deref(),
        body.phones.as_deref(),
    )?;
    let groups = group_ids(&body.groups)?;
    let added = accounts::add(&call.app, call.by()?, new, facts, groups).await?;
    Ok(Created(added))
}

/// A key of the school's back end makes no administrators: it would be one itself then. A person who makes one
/// must have confirmed that it is them.
fn check_role(call: &Call, role: Option<Role>) -> Result<()> {
    if role != Some(Role::Admin) {
        return Ok(());
    }
    let key = |_| Error::invalid("role", rule::key_makes_no_admin());
    call.identity().map_err(key)?;
    call.check_confirmed()
}

fn group_ids(given: &[String]) -> Result<Vec<UserId>> {
    given
        .iter()
        .map(|id| UserId::parse_field("groups", id))
        .collect()
}

pub async fn one(call: Call, _: Nothing) -> Result<Data<Account>> {
    let id = call.param(0, Noun::User)?;
    accounts::one(&call.app, id).await.map(Data)
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountChangeBody {
    #[schema(max_length = 64)]
    username: Option<String>,
    #[schema(max_length = 128)]
    name: Option<String>,
    /// Empty takes it away.
    #[schema(max_length = 254)]
    email: Option<String>,
    role: Option<Role>,
    /// Ids of all their groups.
    groups: Option<Vec<String>>,
    disabled: Option<bool>,
    /// All their duties: a teacher or a member of staff can be a safeguarding lead.
    #[schema(inline)]
    duties: Option<Vec<Duty>>,
    /// A pupil's: `PK`, `KG`, `01` to `13`. Empty takes it away.
    grade: Option<String>,
    /// From this day on a pupil's guardian links count only if the pupil has agreed: `2026-11-30`. Empty takes it away.
    adult_from: Option<String>,
    /// All their telephone numbers, at most five.
    phones: Option<Vec<String>>,
}

pub async fn change(call: Call, Json(body): Json<AccountChangeBody>) -> Result<Data<Account>> {
    let id: UserId = call.param(0, Noun::User)?;
    let username = body.username.as_deref().map(Username::parse);
    let name = body.name.as_deref().map(DisplayName::parse);
    let change = AccountChange {
        username: username.transpose()?,
        name: name.transpose()?,
        email: body.email.as_deref().map(parse_email).transpose()?,
        role: body.role,
        groups: body.groups.as_deref().map(group_ids).transpose()?,
        disabled: body.disabled,
        duties: body.duties,
        id: None,
        facts: FactsChange::parse(
            body.grade.as_deref(),
            body.adult_from.as_deref(),
            body.phones.as_deref(),
        )?,
    };
    check_role(&call, body.role)?;
    let own = call.me().is_ok_and(|me| *me.id() == id);
    if own && (body.disabled == Some(true) || body.role.is_some_and(|role| role != Role::Admin)) {
        let field = if body.disabled == Some(true) {
            "disabled"
        } else {
            "role"
        };
        return Err(Error::invalid(field, rule::own_account()));
    }
    if change.duties.as_ref().is_some_and(|new| !new.is_empty()) {
        let before = accounts::one(&call.app, id.clone()).await?;
        if before.duties.is_empty() {
            call.check_confirmed()?;
        }
    }
    if let Some(email) = &change.email {
        let before = accounts::one(&call.app, id.clone()).await?;
        // An address is as good as a login link: who changes that of somebody who logs in here must have confirmed.
        if before.has_password && before.email != *email {
            call.check_confirmed()?;
        }
    }
    let changed = accounts::change(&call.app, call.by()?, id, change).await?;
    Ok(Data(changed))
}

pub async fn log_out(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    accounts::log_out(&call.app, call.by()?, id).await?;
    Ok(Data(Empty {}))
}

pub async fn remove_second_factor(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::User)?;
    second_factors::remove(&call.app, call.by()?, id).await?;
    Ok(Data(Empty {}))
}

/// The external identities that are linked to a user: tokens with these issuers and subjects act for them.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Identities {
    identities: Vec<ExternalIdentity>,
}

pub async fn identities(call: Call, _: Nothing) -> Result<Data<Identities>> {
    let id = call.param(0, Noun::User)?;
    let identities = accounts::identities(&call.app, id).await?;
    Ok(Data(Identities { identities }))
}

pub async fn set_identities(call: Call, Json(body): Json<Identities>) -> Result<Data<Identities>> {
    let id = call.param(0, Noun::User)?;
    let given = body.identities;
    let bad = |one: &ExternalIdentity| {
        one.subject.is_empty() || one.subject.len() > 255 || one.issuer.len() > 255
    };
    if given.len() > 20 || given.iter().any(bad) {
        let why = rule::identities_range();
        return Err(Error::invalid("identities", why));
    }
    let identities = accounts::set_identities(&call.app, call.by()?, id, given).await?;
    Ok(Data(Identities { identities }))
}

pub async fn export(call: Call, _: Nothing) -> Result<Download> {
    let id: UserId = call.param(0, Noun::User)?;
    let path = personal_data::archive(&call.app, call.by()?, &id).await?;
    let file = Download::open(format!("{id}.zip"), &path).await;
    // It is open, and nobody else is to find it.
    let _ = tokio::fs::remove_file(&path).await;
    file
}
