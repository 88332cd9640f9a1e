//! The policy that the configuration sets.

use std::sync::Arc;

use super::Policy;
use crate::model::policy::{self, from_toml};

impl Policy {
    /// The policy that is set here; `None`: the dashboard has it.
    ///
    /// # Errors
    /// A sentence that names the key: of a file that cannot be read, or that is no policy.
    pub fn read(&self) -> Result<Option<Arc<policy::Policy>>, String> {
        if self.file.as_os_str().is_empty() {
            return Ok(self.preset.map(policy::Preset::policy));
        }
        let name = self.file.display();
        let text = std::fs::read_to_string(&self.file)
            .map_err(|e| format!("policy.file: cannot read {name}: {e}"))?;
        let policy = from_toml(&text).map_err(|why| format!("policy.file: {name}: {why}"))?;
        Ok(Some(Arc::new(policy)))
    }
}
