//! A decision with its facts, for people to read.

use serde::Serialize;
use utoipa::ToSchema;

use super::decide::{Decision, Ground};
use super::facts::{Fact, Named, PairFacts};
use super::given::{GivenRule, PolicyView};
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
    pub fn new(user: &User, facts: &super::facts::PersonFacts, today: Date) -> Self {
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
    pub fn new(ground: Ground, policy: &Policy, facts: &PairFacts) -> Self {
        let view = PolicyView::from(policy);
        let (kind, at) = match ground {
            Ground::Order(at) => (GroundKind::Order, Some(at)),
            Ground::Lead => (GroundKind::Lead, None),
            Ground::Never(at) => (GroundKind::Never, Some(at)),
            Ground::Rule(at) => (GroundKind::Rule, Some(at)),
            Ground::NoRule => (GroundKind::NoRule, None),
        };
        let of = |list: Vec<GivenRule>| at.and_then(|at| list.into_iter().nth(at));
        GroundView {
            kind,
            at: at.filter(|_| kind != GroundKind::Order),
            rule: match kind {
                GroundKind::Never => of(view.never),
                GroundKind::Rule => of(view.rule),
                _ => None,
            },
            order: match ground {
                Ground::Order(at) => facts.orders.get(at).map(|order| order.id.clone()),
                _ => None,
            },
        }
    }
}

/// What [`super::decide()`] looked at, to be shown. Orders are for safeguarding leads: without them, leave them out of `facts` before the
/// decision.
pub fn facts_view(facts: &PairFacts, today: Date) -> Vec<FactView> {
    facts
        .facts
        .iter()
        .map(|fact| FactView::new(fact, today))
        .collect()
}

pub fn orders_view(facts: &PairFacts, today: Date) -> Vec<OrderView> {
    let orders = facts.orders.iter().map(|order| OrderView {
        id: order.id.clone(),
        holds: order.days.contains(today),
        days: order.days,
    });
    orders.collect()
}

impl Explanation {
    /// With neither orders nor blocks.
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
            facts: facts_view(facts, today),
            from: PersonView::new(from, &facts.from, today),
            to: PersonView::new(to, &facts.to, today),
            answerable: false,
            orders: None,
            blocked_by: None,
        }
    }
}
