//! Who is who: tokens, the keys that verify them, passwords. Nothing here reads the database.

pub mod acme;
pub mod certificate;
pub mod claims;
pub mod devices;
pub mod jwks;
pub mod keyfile;
pub mod oidc;
pub mod passwords;
pub mod roots;
pub mod second_factor;
pub mod setup;
pub mod token_refused;
pub mod tokens;
pub mod vapid;
pub mod verified;

use crate::config::Config;
use oidc::Oidc;
use passwords::Passwords;
use setup::SetupCode;
use tokens::Tokens;

/// The token of an `Authorization` header's value, if its scheme is `Bearer` (RFC 6750 section 2.1).
pub fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The keys and caches that authentication needs.
pub struct Auth {
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub setup: SetupCode,
    /// The provider that people log in with, where there is one.
    pub oidc: Option<Oidc>,
}

impl Auth {
    /// Reads or makes the keys, which are kept beside the database.
    ///
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn open(config: &Config) -> Result<Self, String> {
        let (auth, database) = (&config.auth, config.database.path.as_path());
        Ok(Auth {
            tokens: Tokens::open(auth, database)?,
            passwords: Passwords::new(),
            setup: SetupCode::default(),
            oidc: Oidc::of(auth, config.server.public_url.as_ref())?,
        })
    }
}
