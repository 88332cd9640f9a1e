//! `schoolbell backup` and `schoolbell restore`.

use std::path::Path;

use super::Failure;
use crate::config::Config;
use crate::model::time::{Clock as _, SystemClock};
use crate::ops::backup;
use crate::store::open;

pub fn run(config: &Config, file: &Path) -> Result<(), Failure> {
    backup::make(&config.database.path, file)?;
    let bytes = std::fs::metadata(file)?.len();
    say!("{} ({bytes} bytes, checked)", file.display());
    Ok(())
}

pub fn restore(config: &Config, file: &Path) -> Result<(), Failure> {
    let database = &config.database.path;
    // Held to the end: no server starts meanwhile.
    let _lock = open::lock(database)?;
    let aside = backup::restore(file, database, SystemClock.now())?;
    say!("{} is in place of {}", file.display(), database.display());
    if let Some(aside) = aside {
        say!("the previous database is {}", aside.display());
    }
    let again = backup::replay(&config.database, SystemClock.now())?;
    if again > 0 {
        say!("done again from the journal: {again} erasures, removals, orders and ended links");
    }
    Ok(())
}
