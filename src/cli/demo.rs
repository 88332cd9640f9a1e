//! `schoolbell demo`.

use super::user::random_password;
use super::{Failure, with_app};
use crate::config::Config;
use crate::ops::demo;

pub fn run(config: Config) -> Result<(), Failure> {
    let path = super::place(&config);
    let password = random_password()?;
    let accounts = with_app(config, async |app| {
        Ok(demo::fill(&app, password.clone()).await?)
    })
    .map_err(|e| format!("{path}: {e}"))?;
    say!("A school of 157 people is in {path}. Everybody's password is {password}. For example:");
    for account in accounts {
        say!(
            "  {:<10} {:<24} {}",
            account.role,
            account.username,
            account.name
        );
    }
    Ok(())
}
