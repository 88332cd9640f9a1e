//! Who is who: tokens, the keys that verify them, passwords. Nothing here reads the database.

pub mod acme;
pub mod certificate;
pub mod claims;
pub mod devices;
pub mod jwks;
pub mod keyfile;
pub mod passwords;
pub mod roots;
pub mod second_factor;
pub mod setup;
pub mod token_refused;
pub mod tokens;
pub mod vapid;
pub mod verified;

use std::path::Path;

use crate::config;
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
}

impl Auth {
    /// Reads or makes the keys; `database` is the file beside which they are kept.
    ///
    /// # Errors
    /// A sentence that names the key at fault.
    pub fn open(config: &config::Auth, database: &Path) -> Result<Self, String> {
        Ok(Auth {
            tokens: Tokens::open(config, database)?,
            passwords: Passwords::new(),
            setup: SetupCode::default(),
        })
    }
}
