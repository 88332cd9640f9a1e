//! `schoolbell policy …`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, with_database};
use crate::config::Config;
use crate::error::{Error, Noun};
use crate::model::ids::UserId;
use crate::model::policy::{
    Explanation, FactView, GroundKind, Preset, from_toml, rule_toml, to_toml, warnings,
};
use crate::service::policy::explain;
use crate::store::users;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a file with a policy in TOML.
    Check { file: PathBuf },
    /// Say whether one user may write to another, by which rule and which facts. Both by id or username.
    Explain { from: String, to: String },
    /// List the policies that come with the program, or print one as TOML.
    Presets {
        #[arg(value_enum)]
        name: Option<Preset>,
    },
}

pub fn run(config: Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check { file } => check(&file),
        Command::Explain { from, to } => explain(config, from, to),
        Command::Presets { name: None } => {
            for preset in Preset::ALL {
                say!("{preset:<20} {}", preset.sentence());
            }
            Ok(())
        }
        Command::Presets { name: Some(preset) } => {
            say!("{}", to_toml(&preset.policy()).trim_end());
            Ok(())
        }
    }
}

fn check(file: &PathBuf) -> Result<(), Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {name}: {e}"))?;
    let policy = from_toml(&text).map_err(|why| format!("{name}: {why}"))?;
    for warning in warnings(&policy) {
        complain!("warning: {} {}", warning.field, warning.message);
    }
    say!(
        "{name}: {} rules, {} never-rules, {} quiet hours, {} for announcements",
        policy.rules.len(),
        policy.never.len(),
        policy.quiet.len(),
        policy.announce.len()
    );
    Ok(())
}

fn explain(config: Config, from: String, to: String) -> Result<(), Failure> {
    let told = with_database(config, async |app| {
        let app_in = app.clone();
        let read = app.store.read(move |c| {
            let id = |name: &str| {
                let by_id = UserId::parse(name)
                    .map(|id| users::by_id(c, &id))
                    .transpose()?;
                let found = match by_id.flatten() {
                    Some(user) => Some(user),
                    None => users::by_username(c, name)?,
                };
                Ok::<_, Error>(found.map(|user| user.id().clone()))
            };
            let (Some(from), Some(to)) = (id(&from)?, id(&to)?) else {
                let unknown = if id(&from)?.is_none() { from } else { to };
                return Ok(Err(unknown));
            };
            // Who has a shell on the server can read the database.
            explain::explain_in(&app_in, c, (&from, &to), true).map(Ok)
        });
        Ok(read.await?)
    })?;
    let told = told.map_err(|name| format!("{name}: {}", Error::from(Noun::User)))?;
    say!("{}", told.may);
    say!("{}", ground(&told));
    for fact in &told.facts {
        say!("{}", self::fact(fact));
    }
    Ok(())
}

fn ground(told: &Explanation) -> String {
    let at = told.rule.at.unwrap_or_default();
    let rule = told.rule.rule.as_ref().map(rule_toml).unwrap_or_default();
    match told.rule.kind {
        GroundKind::Order => {
            let id = told.rule.order.as_deref().unwrap_or_default();
            format!("no-contact order {id}")
        }
        GroundKind::Lead => "one of them is a safeguarding lead".into(),
        GroundKind::Never => format!("never-rule {at}: {rule}"),
        GroundKind::Rule => format!("rule {at}: {rule}"),
        GroundKind::NoRule => "no rule is about these two".into(),
    }
}

fn fact(fact: &FactView) -> String {
    let mut text = format!("{}", fact.relation);
    for (word, named) in [("group", &fact.group), ("child", &fact.child)] {
        if let Some(named) = named {
            let _ = write!(text, ", {word} {} ({})", named.name, named.id);
        }
    }
    for (word, day) in [("from", fact.days.from), ("until", fact.days.until)] {
        if let Some(day) = day {
            let _ = write!(text, ", {word} {day}");
        }
    }
    if !fact.holds {
        text.push_str(", not today");
    }
    text
}
