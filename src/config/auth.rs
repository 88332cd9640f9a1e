//! `[auth]`: how people are authenticated.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::section::section;
use super::types::{at_least_one, optional};
use super::{Algorithm, HttpUrl, Secret};
use crate::model::users::Role;

section! {
    /// How people are authenticated.
    pub struct Auth {
        /// The HS256 secret, at least 16 bytes, shared with the school's own back end where that signs tokens; also `JWT_SECRET`.
        /// Empty: made at first start, kept beside the database.
        pub jwt_secret: Secret = Secret::default(),
        /// A public key in PEM (RSA, P-256 or Ed25519) of an app whose tokens are accepted as well, or the path of its file.
        pub public_key: String = String::new(),
        /// A JWKS URL whose keys are accepted as well.
        #[serde(with = "optional")]
        pub jwks_url: Option<HttpUrl> = None,
        /// What `iss` must be in tokens of an app. Empty: anything.
        pub issuer: String = String::new(),
        /// What `aud` must hold in tokens of an app. Empty: anything.
        pub audience: String = String::new(),
        /// Accepted algorithms, of `HS256`, `RS256`, `ES256` and `EdDSA`. Empty: those whose keys are configured.
        pub algorithms: Vec<Algorithm> = Vec::new(),
        /// Claims of an app's token that may hold the user's id; the first that is present counts. `user.id` is one inside another.
        pub user_claims: Vec<String> = ["userId", "sub", "id", "_id", "user_id", "user.id"].map(str::to_owned).to_vec(),
        /// Claims that may hold the role; the first that is present counts.
        pub role_claims: Vec<String> = ["role", "roles", "userType"].map(str::to_owned).to_vec(),
        /// Other names of roles in tokens, in any case: `{ Lehrer = "teacher" }`.
        pub role_map: BTreeMap<String, Role> = BTreeMap::new(),
        /// Which users an app's token may act for, apart from those whom such a token or an import made: `none`, or, with `id`,
        /// the user who has the id that it names. With `none`, an administrator links them, one by one.
        pub link_by: LinkBy = LinkBy::None,
        /// Whether a valid token of an unknown subject makes the user.
        pub auto_provision: bool = false,
        /// Whether a user made that way may be an administrator when the role's claim says so.
        pub trust_admin_claim: bool = false,
        /// Whether administrators must have a second factor: codes of an authenticator app. Until they do, they get only into the chat.
        pub second_factor_required: bool = false,
        /// Seconds for which a login's token is valid; `POST /api/auth/refresh` gives a new one.
        pub token_ttl: NonZeroU32 = at_least_one(7 * 24 * 3_600),
        /// Seconds after which one must log in again, however often the token was renewed.
        pub session_ttl: NonZeroU32 = at_least_one(90 * 24 * 3_600),
        nested {
            pub oidc: Oidc,
        }
    }
}

section! {
    /// Logging in with the school's own provider (OpenID Connect). At the provider, this server's address for answers is
    /// `server.public_url` and `/api/auth/oidc/callback`.
    pub struct Oidc {
        /// The provider: `https://login.school.example/realms/school`. Empty: none.
        #[serde(with = "optional")]
        pub issuer: Option<HttpUrl> = None,
        /// The id by which the provider knows this server.
        pub client_id: String = String::new(),
        /// The secret that goes with it. Empty: the provider wants none.
        pub client_secret: Secret = Secret::default(),
        /// What the button says: `the school's account`. Empty: the provider's host.
        pub name: String = String::new(),
        /// By what a login is matched with somebody here, in this order: `subject`, an account that was linked to it; `email`, an
        /// address that the provider has verified and one person has here; `username`. What matches is linked from then on.
        pub r#match: Vec<OidcMatch> = vec![OidcMatch::Subject],
        /// Whether a login that matches nobody makes the user, whose role is what the claims of `auth.role_claims` say.
        pub provision: bool = false,
    }
}

/// By what a login at the provider is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OidcMatch {
    Subject,
    Email,
    Username,
}

/// Whom a token of the school's own app may act for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkBy {
    None,
    Id,
}
