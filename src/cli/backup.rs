//! `schoolbell backup`.

use std::path::Path;

use super::Failure;
use crate::config::Config;
use crate::service::backup;

pub fn run(config: &Config, file: &Path) -> Result<(), Failure> {
    backup::make(&config.database.path, file)?;
    let bytes = std::fs::metadata(file)?.len();
    say!("{} ({bytes} bytes, checked)", file.display());
    Ok(())
}
