//! Who is whose guardian.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::http::call::Call;
use crate::api::http::input::{Json, Nothing};
use crate::api::http::reply::Data;
use crate::error::{Noun, Result};
use crate::model::guardians::{GivenLink, GuardianLink, LinkView};
use crate::model::ids::UserId;
use crate::service::guardians;
use crate::store::guardians::End;

#[derive(Serialize, ToSchema)]
pub struct Guardians {
    guardians: Vec<LinkView>,
}

#[derive(Serialize, ToSchema)]
pub struct Children {
    children: Vec<LinkView>,
}

/// All guardians of a child: anyone left out is removed.
#[derive(Deserialize, ToSchema)]
pub struct GivenGuardians {
    guardians: Vec<GivenLink>,
}

/// All children of a guardian: anyone left out is removed.
#[derive(Deserialize, ToSchema)]
pub struct GivenChildren {
    children: Vec<GivenLink>,
}

fn links(field: &str, given: &[GivenLink]) -> Result<Vec<(UserId, GuardianLink)>> {
    let parse = |(at, link): (usize, &GivenLink)| {
        let place = format!("{field}[{at}]");
        link.parse().map_err(|error| error.within(&place))
    };
    given.iter().enumerate().map(parse).collect()
}

pub async fn guardians(call: Call, _: Nothing) -> Result<Data<Guardians>> {
    let id = call.param(0, Noun::User)?;
    let guardians = guardians::of(&call.app, id, End::Child).await?;
    Ok(Data(Guardians { guardians }))
}

pub async fn set_guardians(
    call: Call,
    Json(body): Json<GivenGuardians>,
) -> Result<Data<Guardians>> {
    let id = call.param(0, Noun::User)?;
    let given = links("guardians", &body.guardians)?;
    let guardians = guardians::set(&call.app, call.by()?, id, End::Child, given).await?;
    Ok(Data(Guardians { guardians }))
}

pub async fn children(call: Call, _: Nothing) -> Result<Data<Children>> {
    let id = call.param(0, Noun::User)?;
    let children = guardians::of(&call.app, id, End::Guardian).await?;
    Ok(Data(Children { children }))
}

pub async fn set_children(call: Call, Json(body): Json<GivenChildren>) -> Result<Data<Children>> {
    let id = call.param(0, Noun::User)?;
    let given = links("children", &body.children)?;
    let children = guardians::set(&call.app, call.by()?, id, End::Guardian, given).await?;
    Ok(Data(Children { children }))
}
