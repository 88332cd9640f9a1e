//! Every value and where it came from, for people to look at.

use serde::Serialize;
use toml::Table;
use utoipa::ToSchema;

use super::Config;
use super::reference::{SECTIONS, section_of};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Source {
    Default,
    /// An administrator, on the dashboard.
    Dashboard,
    /// The file of this name.
    File(String),
    /// The environment variable of this name.
    Environment(String),
}

/// One key of the configuration.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// As `config.toml` has it. A secret is `"***"`, or `""` where it is not set.
    pub value: String,
    pub source: Source,
    /// Whether administrators may set it on the dashboard.
    pub settable: bool,
}

impl Config {
    /// All keys, in the order of the file.
    pub fn settings(&self) -> Vec<Setting> {
        // Secrets serialise as `***`.
        let table = Table::try_from(self).unwrap_or_default();
        let mut settings = Vec::new();
        for (section, keys) in SECTIONS {
            let values = section_of(&table, section);
            for (name, _) in *keys {
                let key = format!("{section}.{name}");
                let source = self.sources.get(&key).cloned();
                let value = values.and_then(|values| values.get(*name));
                settings.push(Setting {
                    value: value.map(ToString::to_string).unwrap_or_default(),
                    source: source.unwrap_or(Source::Default),
                    settable: false,
                    key,
                });
            }
        }
        settings
    }
}
