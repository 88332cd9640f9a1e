//! What a policy would mean, before it is set.

use crate::app::App;
use crate::error::Result;
use crate::model::policy::{GivenPolicy, Policy, Preview, preview as compare};
use crate::store::{policy, school};

/// Days of messages that are counted.
const COUNTED_DAYS: i64 = 30;

/// Compares a policy with the one in force, on the roster of today.
///
/// # Errors
/// [`Error::Invalid`](crate::error::Error::Invalid) that names the rule.
pub async fn preview(app: &App, given: GivenPolicy) -> Result<Preview> {
    of(app, given.parse()?).await
}

/// As [`preview`], of a policy that has been read.
///
/// # Errors
/// As those of a read.
pub async fn of(app: &App, new: Policy) -> Result<Preview> {
    let app_in = app.clone();
    app.store
        .read_long(move |c| {
            let old = app_in.decisions.policy(c, policy::stamps(c)?)?;
            let since = app_in.now().plus_seconds(-COUNTED_DAYS * 24 * 3_600);
            let mut groups = new.groups();
            groups.extend(old.groups());
            let today = app_in.calendar.today();
            let school = school::load(c, &groups, since, today)?;
            Ok(compare(&school, &new, &old, today))
        })
        .await
}

/// What to say of the policy in force: how many pupils everybody may write to, under `open`; and which rules of the school's own are
/// about nobody.
///
/// # Errors
/// As those of a read.
pub async fn standing(app: &App) -> Result<(u64, Vec<usize>)> {
    let (policy, _) = super::set::current(app).await?;
    if policy.is_open() {
        let pupils = app.store.read(school::pupils).await?;
        return Ok((pupils, Vec::new()));
    }
    // A preset has rules for schools with and without guardians.
    match policy.preset {
        Some(_) => Ok((0, Vec::new())),
        None => Ok((0, of(app, (*policy).clone()).await?.unused)),
    }
}
