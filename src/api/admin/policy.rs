//! Who may write to whom.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::http::call::Call;
use crate::api::http::download::Toml;
use crate::api::http::input::{Json, Nothing, Query};
use crate::api::http::reply::{Data, Versioned};
use crate::error::{Error, Result};
use crate::model::ids::UserId;
use crate::model::policy::{
    Explanation, GivenPolicy, Policy, PolicyView, Preset, Preview, Warning, from_toml, to_toml,
    warnings,
};
use crate::rule;
use crate::service::policy::{explain as explaining, preview as previewing, set};

/// A policy, and what is to be known of it.
#[derive(Serialize, ToSchema)]
pub struct PolicyAnswer {
    #[serde(flatten)]
    policy: PolicyView,
    /// Rules that can never hold.
    warnings: Vec<Warning>,
    /// Whether the configuration has it, so that it cannot be set here.
    fixed: bool,
}

impl PolicyAnswer {
    fn new(policy: &Policy, fixed: bool) -> Self {
        PolicyAnswer {
            policy: policy.into(),
            warnings: warnings(policy),
            fixed,
        }
    }
}

pub async fn get(call: Call, _: Nothing) -> Result<Versioned<PolicyAnswer>> {
    let (policy, version) = set::current(&call.app).await?;
    let answer = PolicyAnswer::new(&policy, call.app.decisions.is_fixed());
    Ok(Versioned(answer, version))
}

pub async fn put(call: Call, Json(body): Json<GivenPolicy>) -> Result<Versioned<PolicyAnswer>> {
    let (policy, version) = set::set(&call.app, call.by()?, body, call.version()).await?;
    Ok(Versioned(PolicyAnswer::new(&policy, false), version))
}

pub async fn preview(call: Call, Json(body): Json<GivenPolicy>) -> Result<Data<Preview>> {
    previewing::preview(&call.app, body).await.map(Data)
}

/// A policy that comes with the program.
#[derive(Serialize, ToSchema)]
pub struct PresetAnswer {
    /// What it allows, in English.
    sentence: &'static str,
    #[serde(flatten)]
    policy: PolicyView,
}

pub async fn presets(_: Call, _: Nothing) -> Result<Data<Vec<PresetAnswer>>> {
    let presets = Preset::ALL.into_iter().map(|preset| PresetAnswer {
        sentence: preset.sentence(),
        policy: (&*preset.policy()).into(),
    });
    Ok(Data(presets.collect()))
}

pub async fn download(call: Call, _: Nothing) -> Result<Toml> {
    let (policy, _) = set::current(&call.app).await?;
    Ok(Toml {
        name: "policy.toml",
        bytes: to_toml(&policy).into_bytes(),
    })
}

/// A policy's file.
#[derive(Deserialize, ToSchema)]
pub struct PolicyFile {
    /// Its text, in TOML.
    #[schema(max_length = 60_000)]
    toml: String,
}

pub async fn read(_: Call, Json(body): Json<PolicyFile>) -> Result<Data<PolicyAnswer>> {
    let policy = from_toml(&body.toml).map_err(|why| {
        let rule = rule::not_a_policy(&why);
        Error::invalid("toml", rule)
    })?;
    Ok(Data(PolicyAnswer::new(&policy, false)))
}

#[derive(Deserialize, IntoParams)]
pub struct Pair {
    /// The id of the one who writes.
    from: String,
    to: String,
}

pub async fn explain(call: Call, Query(pair): Query<Pair>) -> Result<Data<Explanation>> {
    let from = UserId::parse_field("from", &pair.from)?;
    let to = UserId::parse_field("to", &pair.to)?;
    let me = call.me()?;
    explaining::explain(&call.app, me, from, to).await.map(Data)
}
