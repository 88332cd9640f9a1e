//! Groups and who is in them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing, Query};
use crate::api::http::reply::{Created, Data, Empty};
use crate::error::{Noun, Result};
use crate::model::days::Days;
use crate::model::groups::{Group, GroupKind, Member, Membership, NewGroup};
use crate::model::ids::UserId;
use crate::model::page::{Limit, Page};
use crate::service::groups::{self, MembersChanged};
use crate::store;

#[derive(Deserialize, IntoParams)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 5000, default = 5000)]
    #[serde(default, deserialize_with = "crate::api::http::input::saturating")]
    limit: Option<u32>,
}

pub async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<Page<Group>> {
    let limit = Limit::parse(query.limit, 5_000, 5_000)?;
    let groups = call.app.store.read(store::groups::list).await?;
    Ok(Page::only(groups, limit.get()))
}

#[derive(Deserialize, ToSchema)]
pub struct NewGroupBody {
    /// The school's own; one is made where it is left out.
    id: Option<String>,
    #[schema(max_length = 128)]
    name: String,
    kind: GroupKind,
}

pub async fn add(call: Call, Json(body): Json<NewGroupBody>) -> Result<Created<Group>> {
    let by = call.by()?;
    let new = NewGroup {
        id: match body.id {
            Some(id) => UserId::parse_field("id", &id)?,
            None => UserId::generate(),
        },
        name: NewGroup::parse_name(&body.name)?,
        kind: body.kind,
        by_hand: by.is_by_hand(),
    };
    let group = Group {
        id: new.id.clone(),
        name: new.name.clone(),
        kind: new.kind,
        members: 0,
    };
    groups::add(&call.app, by, new).await?;
    Ok(Created(group))
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
pub struct GroupChange {
    #[schema(max_length = 128)]
    name: Option<String>,
    kind: Option<GroupKind>,
}

pub async fn change(call: Call, Json(body): Json<GroupChange>) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Group)?;
    let name = body.name.as_deref().map(NewGroup::parse_name).transpose()?;
    groups::change(&call.app, call.by()?, id, name, body.kind).await?;
    Ok(Data(Empty {}))
}

pub async fn remove(call: Call, _: Nothing) -> Result<Data<Empty>> {
    let id = call.param(0, Noun::Group)?;
    groups::remove(&call.app, call.by()?, id).await?;
    Ok(Data(Empty {}))
}

pub async fn members(call: Call, _: Nothing) -> Result<Data<MemberList>> {
    let id = call.param(0, Noun::Group)?;
    let members = groups::members(&call.app, id).await?;
    Ok(Data(MemberList(members)))
}

/// The people of a group, those who lead it first.
#[derive(Serialize, ToSchema)]
pub struct MemberList(Vec<Member>);

/// Who comes and who goes.
#[derive(Deserialize, ToSchema)]
pub struct MembersChange {
    #[serde(default)]
    add: Vec<NewMember>,
    /// Ids of people.
    #[serde(default)]
    remove: Vec<String>,
}

/// A user's id, which leaves what the membership of a member says as it is, or what it is to say.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum NewMember {
    Id(String),
    Membership {
        id: String,
        /// Whether they lead the group. Where it is left out, teachers and staff lead a class.
        lead: Option<bool>,
        /// The first day, `2026-11-30`.
        from: Option<String>,
        /// The last day.
        until: Option<String>,
    },
}

impl NewMember {
    fn parse(&self) -> Result<(UserId, Option<Membership>)> {
        let (id, membership) = match self {
            NewMember::Id(id) => (id, None),
            NewMember::Membership {
                id,
                lead,
                from,
                until,
            } => {
                let days = Days::parse(from.as_deref(), until.as_deref());
                let days = days.map_err(|error| error.within("add"))?;
                (id, Some(Membership { lead: *lead, days }))
            }
        };
        Ok((UserId::parse_field("add", id)?, membership))
    }
}

pub async fn change_members(
    call: Call,
    Json(body): Json<MembersChange>,
) -> Result<Data<MembersChanged>> {
    let id = call.param(0, Noun::Group)?;
    let add: Result<Vec<_>> = body.add.iter().map(NewMember::parse).collect();
    let remove = body.remove.iter();
    let remove: Result<Vec<_>> = remove.map(|id| UserId::parse_field("remove", id)).collect();
    let (add, remove) = (add?, remove?);
    let changed = groups::change_members(&call.app, call.by()?, id, add, remove).await?;
    Ok(Data(changed))
}
