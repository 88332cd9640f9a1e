//! A copy of the database, made while it is in use.

use std::path::Path;

use crate::error::{Error, Result};
use crate::store::backup;

/// Copies the database at `source` to `target`, which must not exist, and checks the copy. Blocks on the disk.
///
/// # Errors
/// With a sentence for the person who asked; no partial file is left.
pub fn make(source: &Path, target: &Path) -> Result<()> {
    if !source.exists() {
        return Err(Error::Internal(format!(
            "{}: there is no database",
            source.display()
        )));
    }
    backup::copy(source, target)
}
