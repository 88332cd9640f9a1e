//! How people are authenticated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Algorithm, Secret};
use crate::model::users::Role;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The HS256 secret, shared with the school's own back end where that signs tokens. Empty: made at first start.
    pub jwt_secret: Secret,
    /// A public key in PEM (RSA, P-256 or Ed25519) whose tokens are accepted as well, or the path of its file.
    pub public_key: String,
    /// A JWKS URL whose keys are accepted as well.
    pub jwks_url: String,
    /// What `iss` must be in tokens that others signed. Empty: anything.
    pub issuer: String,
    /// What `aud` must hold in tokens that others signed. Empty: anything.
    pub audience: String,
    /// Algorithms that are accepted: `HS256`, `RS256`, `ES256`, `EdDSA`. Empty: those whose keys are configured.
    pub algorithms: Vec<Algorithm>,
    /// Claims of an app's token that may hold whose it is, the first that is there; `user.id` is one inside another.
    pub user_claims: Vec<String>,
    /// Claims that may hold the role, the first that is there.
    pub role_claims: Vec<String>,
    /// What else roles are called in tokens: `Lehrer = "teacher"`. In any case.
    pub role_map: BTreeMap<String, Role>,
    /// Whom an app's token may act for beside those whom such a token made or an import brought: `none`, or the user who has the `id`
    /// that it names.
    pub link_by: LinkBy,
    /// Whether a valid token of an unknown subject makes the user.
    pub auto_provision: bool,
    /// Whether a user made so may be an admin when the role's claim says so.
    pub trust_admin_claim: bool,
    /// Seconds for which a login's token is good.
    pub token_ttl: u32,
    /// Seconds after which one must log in again, however often the token was renewed.
    pub session_ttl: u32,
}

/// Whom a token of the school's own app may act for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkBy {
    None,
    Id,
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            jwt_secret: Secret::default(),
            public_key: String::new(),
            jwks_url: String::new(),
            issuer: String::new(),
            audience: String::new(),
            algorithms: Vec::new(),
            user_claims: ["userId", "sub", "id", "_id", "user_id", "user.id"]
                .map(str::to_owned)
                .to_vec(),
            role_claims: ["role", "roles", "userType"].map(str::to_owned).to_vec(),
            role_map: BTreeMap::new(),
            link_by: LinkBy::None,
            auto_provision: false,
            trust_admin_claim: false,
            token_ttl: 7 * 24 * 3_600,
            session_ttl: 90 * 24 * 3_600,
        }
    }
}
