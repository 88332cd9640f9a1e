//! A policy as people and programs write it: TOML in a file, JSON in the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::preset::Preset;
use super::rules::{Announce, GradeRange, May, Pattern, Policy, Quiet, Reach, Relation, Rule};
use super::warnings::warnings;
use crate::error::{Error, Result};
use crate::model::ids::UserId;
use crate::model::preferences::{Day, Window};
use crate::model::users::Role;
use crate::rule;

/// The most quiet hours and the most announcement rules.
const MAX_OTHERS: usize = 50;
/// The most groups that one rule names.
const MAX_GROUPS: usize = 50;

/// A rule or a never-rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GivenRule {
    /// Roles of the writer; `guardian` is also whoever is somebody's guardian, whatever their role.
    pub from: Vec<Role>,
    /// Roles of the other one.
    pub to: Vec<Role>,
    pub when: Relation,
    /// `start` or `reply`; a never-rule has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may: Option<May>,
    /// A range of the writer's grades, both ends included: `..06`, `07..`, `03..05`.
    #[serde(default, alias = "from_grade", skip_serializing_if = "Option::is_none")]
    pub from_grade: Option<String>,
    #[serde(default, alias = "to_grade", skip_serializing_if = "Option::is_none")]
    pub to_grade: Option<String>,
    /// Ids of groups, of which the writer is in one.
    #[serde(default, alias = "from_group", skip_serializing_if = "Vec::is_empty")]
    pub from_group: Vec<String>,
    #[serde(default, alias = "to_group", skip_serializing_if = "Vec::is_empty")]
    pub to_group: Vec<String>,
}

/// When pushes and mails to some roles wait.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GivenQuiet {
    pub to: Vec<Role>,
    /// `HH:MM`, by the school's clock.
    #[schema(example = "20:00")]
    pub from: String,
    /// `HH:MM`; what is not after `from` is on the day after.
    #[schema(example = "07:00")]
    pub until: String,
    /// The days on which it begins; all where left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
}

/// Who may announce, and to whom.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GivenAnnounce {
    pub from: Vec<Role>,
    pub to: Reach,
    #[serde(default)]
    pub emergency: bool,
}

/// A preset by its name, or lists of rules.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct GivenPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<GivenRule>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<GivenRule>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<GivenQuiet>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announce: Vec<GivenAnnounce>,
}

/// A policy as it is shown: a preset's own lists too.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Policy)]
pub struct PolicyView {
    /// The preset that it is; null: it has lists of its own.
    pub preset: Option<Preset>,
    pub rule: Vec<GivenRule>,
    pub never: Vec<GivenRule>,
    pub quiet: Vec<GivenQuiet>,
    pub announce: Vec<GivenAnnounce>,
}

impl GivenPolicy {
    /// # Errors
    /// [`Error::Invalid`] that names the list, the place in it from 0, and the field.
    pub fn parse(&self) -> Result<Policy> {
        let has_lists = !(self.rule.is_empty()
            && self.never.is_empty()
            && self.quiet.is_empty()
            && self.announce.is_empty());
        match self.preset {
            Some(_) if has_lists => {
                let why = rule::contradicts("rule, never, quiet or announce");
                return Err(Error::invalid("preset", why));
            }
            Some(preset) => return Ok((*preset.policy()).clone()),
            None => {}
        }
        if self.rule.len() + self.never.len() > Policy::MAX_RULES {
            let why = rule::too_many_rules(Policy::MAX_RULES);
            return Err(Error::invalid("rule", why));
        }
        for (list, len) in [
            ("quiet", self.quiet.len()),
            ("announce", self.announce.len()),
        ] {
            if len > MAX_OTHERS {
                return Err(Error::invalid(list, rule::too_many_rules(MAX_OTHERS)));
            }
        }
        let policy = Policy {
            preset: None,
            rules: each("rule", &self.rule, GivenRule::rule)?,
            never: each("never", &self.never, GivenRule::never)?,
            quiet: each("quiet", &self.quiet, GivenQuiet::parse)?,
            announce: each("announce", &self.announce, GivenAnnounce::parse)?,
        };
        // One under which nobody can write to anybody is a mistake; a school that wants none takes `announcements-only`.
        let idle = warnings(&policy);
        let idle = idle.iter().filter(|idle| idle.field.starts_with("rule."));
        if idle.count() == policy.rules.len() {
            return Err(Error::invalid("rule", rule::shuts_everybody_out()));
        }
        Ok(policy)
    }
}

fn each<T, P>(list: &str, given: &[T], parse: impl Fn(&T) -> Result<P>) -> Result<Vec<P>> {
    let parsed = given
        .iter()
        .enumerate()
        .map(|(at, one)| parse(one).map_err(|e| e.within(&format!("{list}.{at}"))));
    parsed.collect()
}

fn roles(field: &str, roles: &[Role]) -> Result<Vec<Role>> {
    if roles.is_empty() {
        return Err(Error::invalid(field, rule::one_at_least()));
    }
    Ok(roles.to_vec())
}

impl GivenRule {
    fn pattern(&self) -> Result<Pattern> {
        let range = |field, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => {
                let range: Option<GradeRange> = text.parse().ok();
                range
                    .map(Some)
                    .ok_or_else(|| Error::invalid(field, rule::not_a_grade_range()))
            }
        };
        let groups = |field: &str, ids: &[String]| {
            if ids.len() > MAX_GROUPS {
                return Err(Error::invalid(field, rule::too_many_groups(MAX_GROUPS)));
            }
            ids.iter()
                .map(|id| UserId::parse_field(field, id))
                .collect()
        };
        Ok(Pattern {
            from: roles("from", &self.from)?,
            to: roles("to", &self.to)?,
            when: self.when,
            from_grade: range("fromGrade", &self.from_grade)?,
            to_grade: range("toGrade", &self.to_grade)?,
            from_group: groups("fromGroup", &self.from_group)?,
            to_group: groups("toGroup", &self.to_group)?,
        })
    }

    fn rule(&self) -> Result<Rule> {
        let may = match self.may {
            Some(may @ (May::Start | May::Reply)) => may,
            Some(May::No) => return Err(Error::invalid("may", rule::not_start_or_reply())),
            None => return Err(Error::invalid("may", rule::required())),
        };
        Ok(Rule {
            pattern: self.pattern()?,
            may,
        })
    }

    fn never(&self) -> Result<Pattern> {
        match self.may {
            None => self.pattern(),
            Some(_) => Err(Error::invalid("may", rule::not_of_a_never_rule())),
        }
    }

    pub(super) fn of(pattern: &Pattern, may: Option<May>) -> Self {
        let ids = |groups: &[UserId]| groups.iter().map(ToString::to_string).collect();
        GivenRule {
            from: pattern.from.clone(),
            to: pattern.to.clone(),
            when: pattern.when,
            may,
            from_grade: pattern.from_grade.map(|range| range.to_string()),
            to_grade: pattern.to_grade.map(|range| range.to_string()),
            from_group: ids(&pattern.from_group),
            to_group: ids(&pattern.to_group),
        }
    }
}

impl GivenQuiet {
    fn parse(&self) -> Result<Quiet> {
        let days = match self.days.is_empty() {
            true => Day::ALL.to_vec(),
            false => self.days.clone(),
        };
        let window = Window {
            days,
            from: self.from.clone(),
            to: self.until.clone(),
        };
        window.check().map_err(|why| Error::invalid("from", why))?;
        Ok(Quiet {
            to: roles("to", &self.to)?,
            window,
        })
    }
}

impl GivenAnnounce {
    fn parse(&self) -> Result<Announce> {
        Ok(Announce {
            from: roles("from", &self.from)?,
            to: self.to,
            emergency: self.emergency,
        })
    }
}

impl From<&Policy> for PolicyView {
    fn from(policy: &Policy) -> Self {
        let rules = policy.rules.iter();
        let quiet = policy.quiet.iter().map(|quiet| GivenQuiet {
            to: quiet.to.clone(),
            from: quiet.window.from.clone(),
            until: quiet.window.to.clone(),
            days: match quiet.window.days.len() == Day::ALL.len() {
                true => Vec::new(),
                false => quiet.window.days.clone(),
            },
        });
        let announce = policy.announce.iter().map(|announce| GivenAnnounce {
            from: announce.from.clone(),
            to: announce.to,
            emergency: announce.emergency,
        });
        PolicyView {
            preset: policy.preset,
            rule: rules
                .map(|rule| GivenRule::of(&rule.pattern, Some(rule.may)))
                .collect(),
            never: policy
                .never
                .iter()
                .map(|never| GivenRule::of(never, None))
                .collect(),
            quiet: quiet.collect(),
            announce: announce.collect(),
        }
    }
}
