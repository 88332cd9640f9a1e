//! A decision with its facts, for people to read.

use serde::Serialize;
use utoipa::ToSchema;

use super::decide::{Decision, Ground};
use super::facts::{Fact, Named, Order, PairFacts, PersonFacts};
use super::given::GivenRule;
use super::rules::{May, Policy, Relation};
use crate::model::days::{Date, Days};
use crate::model::grades::Grade;
use crate::model::ids::UserId;
use crate::model::users::{Role, User};

/// What a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroundKind {
    Order,
    Lead,
    Never,
    Rule,
    NoRule,
}

/// The rule that decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroundView {
    pub kind: GroundKind,
    /// Its place in its list of the policy, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<GivenRule>,
    /// The id of the no-contact order; for safeguarding leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
}

/// One of the two.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonView {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Whether they are somebody's guardian today: rules for guardians are about them too.
    pub is_guardian: bool,
    pub disabled: bool,
}

/// Why a relation holds, or does not today.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FactView {
    pub relation: Relation,
    /// Whether it holds today.
    pub holds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<Named>,
    #[serde(flatten)]
    pub days: Days,
}

/// A no-contact order between the two.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderView {
    pub id: String,
    pub holds: bool,
    #[serde(flatten)]
    pub days: Days,
}

/// The policy's decision about two people, the rule and the facts.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub may: May,
    pub rule: GroundView,
    pub facts: Vec<FactView>,
    pub from: PersonView,
    pub to: PersonView,
    /// Whether the other one's newest message is recent enough to be answered.
    pub answerable: bool,
    /// For safeguarding leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<Vec<OrderView>>,
    /// Which of the two has blocked the other, for safeguarding leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Vec<UserId>>,
}

impl PersonView {
    fn new(user: &User, facts: &PersonFacts, today: Date) -> Self {
        PersonView {
            id: user.id().clone(),
            name: user.person.name.to_string(),
            role: user.role,
            grade: facts.grade,
            is_guardian: facts.roles_on(today).meets(&[Role::Guardian]),
            disabled: user.disabled,
        }
    }
}

impl FactView {
    fn new(fact: &Fact, today: Date) -> Self {
        FactView {
            relation: fact.relation,
            holds: fact.days.contains(today),
            group: fact.group.clone(),
            child: fact.child.clone(),
            days: fact.days,
        }
    }
}

impl GroundView {
    fn new(ground: Ground, policy: &Policy, facts: &PairFacts) -> Self {
        let of = |kind| GroundView {
            kind,
            at: None,
            rule: None,
            order: None,
        };
        match ground {
            Ground::Order(at) => GroundView {
                order: facts.orders.get(at).map(|order| order.id.clone()),
                ..of(GroundKind::Order)
            },
            Ground::Lead => of(GroundKind::Lead),
            Ground::Never(at) => GroundView {
                at: Some(at),
                rule: policy.never.get(at).map(|never| GivenRule::of(never, None)),
                ..of(GroundKind::Never)
            },
            Ground::Rule(at) => {
                let rule = policy.rules.get(at);
                GroundView {
                    at: Some(at),
                    rule: rule.map(|rule| GivenRule::of(&rule.pattern, Some(rule.may))),
                    ..of(GroundKind::Rule)
                }
            }
            Ground::NoRule => of(GroundKind::NoRule),
        }
    }
}

impl OrderView {
    pub fn new(order: &Order, today: Date) -> Self {
        OrderView {
            id: order.id.clone(),
            holds: order.days.contains(today),
            days: order.days,
        }
    }
}

impl Explanation {
    /// With neither orders nor blocks. Orders are for safeguarding leads: for everybody else, leave them out of `facts` before the decision.
    pub fn new(
        decision: Decision,
        policy: &Policy,
        facts: &PairFacts,
        (from, to): (&User, &User),
        today: Date,
    ) -> Self {
        Explanation {
            may: decision.may,
            rule: GroundView::new(decision.ground, policy, facts),
            facts: facts
                .facts
                .iter()
                .map(|fact| FactView::new(fact, today))
                .collect(),
            from: PersonView::new(from, &facts.from, today),
            to: PersonView::new(to, &facts.to, today),
            answerable: false,
            orders: None,
            blocked_by: None,
        }
    }
}
