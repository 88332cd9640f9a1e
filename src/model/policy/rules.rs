//! The parts of a policy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::preset::Preset;
use crate::model::grades::Grade;
use crate::model::ids::UserId;
use crate::model::preferences::Window;
use crate::model::users::Role;

/// What one person may do with another.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum May {
    No,
    /// Write while there is something to answer.
    Reply,
    /// Write at any time.
    Start,
}

impl fmt::Display for May {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            May::No => "no",
            May::Reply => "reply",
            May::Start => "start",
        })
    }
}

/// What two people are to each other, seen from the one who writes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Any two people.
    Anyone,
    /// Both are in a group.
    SharesGroup,
    /// Both are in a class, as pupils or as those who lead it.
    SharesClass,
    /// The writer leads a class that the other, a pupil, is in.
    Teaches,
    /// The other leads a class that the writer, a pupil, is in.
    TaughtBy,
    /// The writer teaches a child of the other.
    TeachesChild,
    /// The other teaches a child of the writer.
    ChildTaughtBy,
    /// The writer is a guardian of the other.
    GuardianOf,
    /// The other is a guardian of the writer.
    ChildOf,
    /// Both are guardians of a child.
    SharesChild,
}

impl Relation {
    pub const ALL: [Relation; 10] = [
        Relation::Anyone,
        Relation::SharesGroup,
        Relation::SharesClass,
        Relation::Teaches,
        Relation::TaughtBy,
        Relation::TeachesChild,
        Relation::ChildTaughtBy,
        Relation::GuardianOf,
        Relation::ChildOf,
        Relation::SharesChild,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Anyone => "anyone",
            Relation::SharesGroup => "shares_group",
            Relation::SharesClass => "shares_class",
            Relation::Teaches => "teaches",
            Relation::TaughtBy => "taught_by",
            Relation::TeachesChild => "teaches_child",
            Relation::ChildTaughtBy => "child_taught_by",
            Relation::GuardianOf => "guardian_of",
            Relation::ChildOf => "child_of",
            Relation::SharesChild => "shares_child",
        }
    }
}

/// Relations as a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Relations(u16);

impl Relations {
    pub fn insert(&mut self, relation: Relation) {
        self.0 |= 1 << relation as u16;
    }

    pub fn extend(&mut self, others: Relations) {
        self.0 |= others.0;
    }

    pub fn contains(self, relation: Relation) -> bool {
        self.0 & 1 << relation as u16 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Relation> {
        Relation::ALL
            .into_iter()
            .filter(move |relation| self.contains(*relation))
    }

    /// What it makes of two people, of whom each has a role and leads or does not, that they are in one group.
    pub fn in_group(is_class: bool, leads: [bool; 2], roles: [Role; 2]) -> Self {
        let mut relations = Relations::default();
        relations.insert(Relation::SharesGroup);
        // Only pupils, teachers and staff are in a class.
        let belongs = |role| matches!(role, Role::Student | Role::Teacher | Role::Staff);
        if !is_class || !roles.into_iter().all(belongs) {
            return relations;
        }
        relations.insert(Relation::SharesClass);
        if leads[0] && roles[1] == Role::Student {
            relations.insert(Relation::Teaches);
        }
        if leads[1] && roles[0] == Role::Student {
            relations.insert(Relation::TaughtBy);
        }
        relations
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Grades from one to another, both included: `"..06"`, `"07.."`, `"03..05"` or `"07"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GradeRange {
    pub from: Option<Grade>,
    pub until: Option<Grade>,
}

impl GradeRange {
    pub fn contains(self, grade: Grade) -> bool {
        self.from.is_none_or(|from| from <= grade) && self.until.is_none_or(|until| grade <= until)
    }

    /// Whether no grade is in it.
    pub fn is_empty(self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if until < from)
    }

    /// Whether every grade of `other` is in it.
    pub fn includes(self, other: GradeRange) -> bool {
        let from = match (self.from, other.from) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own <= other,
        };
        let until = match (self.until, other.until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        from && until
    }
}

impl FromStr for GradeRange {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let grade = |text: &str| match text.trim() {
            "" => Ok(None),
            text => Grade::parse(text).map(Some).ok_or(()),
        };
        let range = match text.split_once("..") {
            Some((from, until)) => GradeRange {
                from: grade(from)?,
                until: grade(until)?,
            },
            None => GradeRange {
                from: grade(text)?,
                until: grade(text)?,
            },
        };
        match (range.from, range.until) {
            (None, None) => Err(()),
            _ => Ok(range),
        }
    }
}

impl fmt::Display for GradeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, until] = [self.from, self.until].map(|grade| grade.map_or("", Grade::as_str));
        match self.from == self.until {
            true => f.write_str(from),
            false => write!(f, "{from}..{until}"),
        }
    }
}

/// Which pairs of people a rule is about: all that it says must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Roles of the writer. `guardian` is also whoever has a live link to a child, whatever their role.
    pub from: Vec<Role>,
    pub to: Vec<Role>,
    pub when: Relation,
    /// Of pupils: nobody else is in a range.
    pub from_grade: Option<GradeRange>,
    pub to_grade: Option<GradeRange>,
    /// Ids of groups, of which the writer must be in one; empty: no matter.
    pub from_group: Vec<UserId>,
    pub to_group: Vec<UserId>,
}

/// A pattern and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub pattern: Pattern,
    /// [`May::Start`] or [`May::Reply`].
    pub may: May,
}

/// When pushes and mails to some roles wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    pub to: Vec<Role>,
    pub window: Window,
}

/// Whom an announcement may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Everybody,
    /// The pupils of the classes that the sender leads, and the guardians of these pupils.
    OwnClasses,
}

/// Who may announce, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    pub from: Vec<Role>,
    pub to: Reach,
    /// Whether these announcements may be emergencies.
    pub emergency: bool,
}

/// Who may write to whom, and who may announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The preset that it is, if it is one unchanged.
    pub preset: Option<Preset>,
    pub rules: Vec<Rule>,
    pub never: Vec<Pattern>,
    pub quiet: Vec<Quiet>,
    pub announce: Vec<Announce>,
}

impl Policy {
    /// The most rules and never-rules together.
    pub const MAX_RULES: usize = 200;

    /// Nobody may write to anybody: what stands where a policy cannot be read.
    pub fn shut() -> Self {
        Policy {
            preset: None,
            rules: Vec::new(),
            never: Vec::new(),
            quiet: Vec::new(),
            announce: Vec::new(),
        }
    }

    /// Whether it is the preset under which everybody may write to everybody.
    pub fn is_open(&self) -> bool {
        self.preset == Some(Preset::Open)
    }

    /// The groups that its rules name: the only ones of which a decision must know who is in them.
    pub fn groups(&self) -> Vec<&UserId> {
        let patterns = self.rules.iter().map(|rule| &rule.pattern);
        let patterns = patterns.chain(&self.never);
        let mut groups: Vec<&UserId> = patterns
            .flat_map(|pattern| pattern.from_group.iter().chain(&pattern.to_group))
            .collect();
        groups.sort_unstable_by_key(|group| group.as_str());
        groups.dedup();
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written() {
        let grade = |text| Grade::parse(text).unwrap();
        for (text, inside, outside) in [
            ("..06", "PK", "07"),
            ("07..", "13", "06"),
            ("03..05", "04", "02"),
            ("07", "07", "08"),
        ] {
            let range: GradeRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
            assert!(range.contains(grade(inside)), "{text}");
            assert!(!range.contains(grade(outside)), "{text}");
        }
        for text in ["..", "", "seven", "1..x", "5-7"] {
            assert!(text.parse::<GradeRange>().is_err(), "{text}");
        }
        assert!("08..06".parse::<GradeRange>().unwrap().is_empty());
        let wide: GradeRange = "05..".parse().unwrap();
        assert!(wide.includes("07..09".parse().unwrap()));
        assert!(!wide.includes("04..".parse().unwrap()));
    }
}
