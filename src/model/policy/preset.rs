//! The names of the policies that come with the program.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A policy by its name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    Open,
    TeacherLed,
    Family,
    Secondary,
    AnnouncementsOnly,
}

impl Preset {
    pub const ALL: [Preset; 5] = [
        Preset::Open,
        Preset::TeacherLed,
        Preset::Family,
        Preset::Secondary,
        Preset::AnnouncementsOnly,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Open => "open",
            Preset::TeacherLed => "teacher-led",
            Preset::Family => "family",
            Preset::Secondary => "secondary",
            Preset::AnnouncementsOnly => "announcements-only",
        }
    }

    /// What it allows, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Preset::Open => "Everybody may write to everybody.",
            Preset::TeacherLed => {
                "Teachers write to their pupils and to these pupils' guardians. Pupils answer, and from grade 07 on begin with their teachers."
            }
            Preset::Family => {
                "As teacher-led. Guardians also begin with the office, with their own children and with guardians of a group they share."
            }
            Preset::Secondary => {
                "As teacher-led. From grade 07 on, pupils also begin with the office and with their classmates."
            }
            Preset::AnnouncementsOnly => {
                "The school informs. Pupils and guardians only answer the office."
            }
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("is none of {}", names.join(", "))
        })
    }
}
