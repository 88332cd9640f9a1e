//! The policy in force: reading it and setting it.

use std::sync::Arc;

use crate::app::App;
use crate::error::{Conflict, Error, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::policy::{GivenPolicy, Policy, differences, to_json};
use crate::store::policy::{self, SETTING};
use crate::store::{WriteTx, audit, settings};

/// The version of a policy that the configuration sets.
const FIXED: &str = "config";

/// The policy in force, with its version.
///
/// # Errors
/// As those of a read.
pub async fn current(app: &App) -> Result<(Arc<Policy>, String)> {
    let app_in = app.clone();
    app.store
        .read(move |c| {
            let stamps = policy::stamps(c)?;
            let version = match app_in.decisions.is_fixed() {
                true => FIXED.into(),
                false => stamps.policy.to_string(),
            };
            Ok((app_in.decisions.policy(c, stamps)?, version))
        })
        .await
}

/// Sets the policy, if it still is the version that was read.
///
/// # Errors
/// [`Conflict::SetInConfig`]; [`Error::NoVersion`] and [`Error::OtherVersion`]; [`Error::Invalid`] that names the rule.
pub async fn set(
    app: &App,
    by: AuditActor,
    given: GivenPolicy,
    version: Option<String>,
) -> Result<(Arc<Policy>, String)> {
    if app.decisions.is_fixed() {
        return Err(Error::Conflict(Conflict::SetInConfig));
    }
    let version = version.ok_or(Error::NoVersion)?;
    let new = given.parse()?;
    let app_in = app.clone();
    app.store
        .write(move |tx| {
            let stamps = policy::stamps(tx)?;
            if stamps.policy.to_string() != version {
                return Err(Error::OtherVersion);
            }
            let before = app_in.decisions.policy(tx, stamps)?;
            if *before != new {
                store(tx, &new)?;
                let detail = differences(&before, &new);
                audit::note(tx, &by, Action::PolicyChanged, "", &detail)?;
            }
            Ok(())
        })
        .await?;
    current(app).await
}

/// Stores a policy in the write that sets it.
pub(in crate::service) fn store(tx: &WriteTx, policy: &Policy) -> Result<()> {
    settings::set(tx, SETTING, &to_json(policy))
}
