//! Who may write to whom: a policy, the facts about two people, and the decision that follows from both.
//!
//! What must stay true:
//! - [`decide()`] is the only decision. It is pure: explaining it and previewing a policy call it with other facts, and nothing else;
//! - a rule that is added never takes a permission away, and a never-rule that is added never gives one;
//! - a no-contact order comes before everything, then what a safeguarding lead may, then never-rules, then rules.

mod decide;
mod explain;
mod facts;
mod given;
mod preset;
mod presets;
mod preview;
mod quiet;
mod rules;
mod school;
#[cfg(test)]
mod tests;
mod text;
mod warnings;

pub use decide::{Can, Decision, Ground, Why, decide};
pub use explain::{Explanation, FactView, GroundKind, OrderView};
pub use facts::{Fact, Named, Order, PairFacts, PersonFacts, Roles};
pub use given::{GivenAnnounce, GivenPolicy, GivenQuiet, GivenRule, PolicyView};
pub use preset::Preset;
pub use preview::{Preview, preview};
pub use rules::{
    Announce, GradeRange, May, Pattern, Policy, Quiet, Reach, Relation, Relations, Rule,
};
pub use school::{School, SchoolGroup, SchoolPerson};
pub use text::{differences, from_json, from_toml, rule_toml, to_json, to_toml};
pub use warnings::{Warning, warnings};
