//! Policies that come with the program.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::given::{GivenAnnounce, GivenPolicy, GivenQuiet, GivenRule};
use super::preset::Preset;
use super::rules::Policy;

/// The presets as they are written.
const TEXT: &str = include_str!("presets.toml");

/// A preset as it is written: what it adds to another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    base: Option<String>,
    #[serde(default)]
    rule: Vec<GivenRule>,
    #[serde(default)]
    never: Vec<GivenRule>,
    #[serde(default)]
    quiet: Vec<GivenQuiet>,
    #[serde(default)]
    announce: Vec<GivenAnnounce>,
}

static POLICIES: LazyLock<Vec<(Preset, Arc<Policy>)>> = LazyLock::new(|| {
    // A test reads all of them: they are a part of the program.
    let written: BTreeMap<String, Written> = toml::from_str(TEXT).unwrap_or_default();
    let all = Preset::ALL.into_iter();
    all.map(|preset| (preset, Arc::new(preset.build(&written))))
        .collect()
});

impl Preset {
    pub fn policy(self) -> Arc<Policy> {
        let found = POLICIES.iter().find(|(preset, _)| *preset == self);
        found.map_or_else(|| Arc::new(Policy::shut()), |(_, policy)| policy.clone())
    }

    fn build(self, written: &BTreeMap<String, Written>) -> Policy {
        let mut parts = vec![self.as_str()];
        while let Some(base) = parts
            .last()
            .and_then(|name| written.get(*name)?.base.as_deref())
        {
            parts.push(base);
        }
        if self != Preset::Open {
            parts.push("common");
        }
        let mut given = GivenPolicy::default();
        for part in parts.into_iter().rev().filter_map(|name| written.get(name)) {
            given.rule.extend(part.rule.iter().cloned());
            given.never.extend(part.never.iter().cloned());
            given.quiet.extend(part.quiet.iter().cloned());
            given.announce.extend(part.announce.iter().cloned());
        }
        let mut policy = given.parse().unwrap_or_else(|_| Policy::shut());
        policy.preset = Some(self);
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_read_whole() {
        let written: BTreeMap<String, Written> = toml::from_str(TEXT).unwrap();
        for preset in Preset::ALL {
            assert!(written.contains_key(preset.as_str()), "{preset}");
            let policy = preset.policy();
            assert!(!policy.rules.is_empty(), "{preset}");
            assert_eq!(preset.as_str().parse::<Preset>().unwrap(), preset);
            let warned = super::super::warnings(&policy);
            assert!(warned.is_empty(), "{preset}: {warned:?}");
        }
        assert_eq!(Preset::TeacherLed.policy().rules.len(), 11);
        assert_eq!(Preset::Family.policy().rules.len(), 15);
        assert_eq!(Preset::Secondary.policy().never.len(), 2);
        assert_eq!(Preset::AnnouncementsOnly.policy().announce.len(), 2);
        assert!(Preset::Open.policy().quiet.is_empty());
    }
}
