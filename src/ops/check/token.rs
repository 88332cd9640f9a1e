//! How this server reads a token, for the developer who connects an app.

use super::{Finding, finding};
use crate::app::App;
use crate::auth::bearer_token;
use crate::auth::token_refused::TokenRefused;
use crate::auth::verified::{Issue, Verified};
use crate::error::{Error, Unauthorized};
use crate::model::keys::ApiKeySecret;
use crate::model::users::{Role, User};
use crate::service::identity::{self, Standing};

/// Looks at a token and changes nothing: whose it is, or why it is refused.
pub async fn look(app: &App, token: &str) -> Finding {
    finding("token", outcome(app, token.trim()).await)
}

async fn outcome(app: &App, token: &str) -> super::Outcome {
    if token.starts_with(ApiKeySecret::PREFIX) {
        return Err("this is an API key: `schoolbell key list` says what it may do".into());
    }
    let token = bearer_token(token).unwrap_or(token);
    match identity::examine(app, token).await {
        Ok((verified, standing)) => Ok(says(app, &verified, &standing)),
        Err(refused) => Err(advice(app, &refused)),
    }
}

fn says(app: &App, verified: &Verified, standing: &Standing) -> String {
    let until = verified.expires_at;
    let issuer = match &verified.issue {
        Issue::Own { .. } => "of our own".to_owned(),
        Issue::Foreign { issuer, .. } if issuer.is_empty() => "of the app".to_owned(),
        Issue::Foreign { issuer, .. } => format!("of {issuer}"),
    };
    let person = |user: &User| format!("{} ({}), {}", user.id(), user.person.name, user.role);
    match standing {
        Standing::Own(identity) | Standing::App { identity, .. } => {
            format!("{issuer}, is {}, until {until}", person(&identity.user))
        }
        Standing::New { id, .. } => {
            let profile = &verified.profile;
            let role = match profile.role {
                Some(Role::Admin) if !app.config.auth.trust_admin_claim => {
                    "student, for auth.trust_admin_claim is off".to_owned()
                }
                Some(role) => role.to_string(),
                None => format!(
                    "student, for none of the claims {} holds a role that is known",
                    app.config.auth.role_claims.join(", ")
                ),
            };
            let name = profile.name.as_deref().unwrap_or(id.as_str());
            format!("{issuer}, makes {id} ({name}), {role}, until {until}")
        }
    }
}

/// Why not, and what to do about it.
fn advice(app: &App, refused: &TokenRefused) -> String {
    let why = refused.why();
    let hint = match refused {
        TokenRefused::Error(Error::Unauthorized(Unauthorized::UnknownUser)) => {
            match app.config.auth.auto_provision {
                false => "; import the people, or set auth.auto_provision",
                true => "; their data was erased after it was issued",
            }
        }
        TokenRefused::Error(Error::Unauthorized(Unauthorized::NotLinked)) => {
            "; link them with PUT /api/admin/people/ID/identities, or set auth.link_by"
        }
        _ => "",
    };
    format!("{}{hint}", why.trim_end_matches('.'))
}
