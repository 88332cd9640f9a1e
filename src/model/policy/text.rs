//! A policy as text: TOML in files, JSON as it is stored.

use std::fmt::Write as _;

use serde::{Deserializer, Serialize};

use super::given::{GivenPolicy, GivenRule, PolicyView};
use super::rules::Policy;

/// Reads the TOML of a policy's file.
///
/// # Errors
/// A sentence with the line: of what is no TOML, of a word that is not known, and of a rule that cannot be.
pub fn from_toml(text: &str) -> Result<Policy, String> {
    let deserializer = toml::Deserializer::parse(text).map_err(|e| e.to_string())?;
    read(deserializer, |mut error| {
        error.set_input(Some(text));
        error.to_string().trim_end().to_owned()
    })
}

/// Reads a stored policy, which [`to_json`] wrote.
///
/// # Errors
/// As [`from_toml`].
pub fn from_json(json: &str) -> Result<Policy, String> {
    read(&mut serde_json::Deserializer::from_str(json), |error| {
        error.to_string()
    })
}

/// Nothing is left out: a word that is not known may narrow a rule.
fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    describe: impl FnOnce(D::Error) -> String,
) -> Result<Policy, String> {
    let mut unknown = Vec::new();
    let given: GivenPolicy =
        serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()))
            .map_err(describe)?;
    if let Some(word) = unknown.first() {
        return Err(format!("{word} is not a known key"));
    }
    given.parse().map_err(|e| e.to_string())
}

/// The JSON of a policy. A preset is stored by its name: a newer version of the program may have a better one.
pub fn to_json(policy: &Policy) -> String {
    let view = PolicyView::from(policy);
    let given = match view.preset {
        Some(_) => GivenPolicy {
            preset: view.preset,
            ..GivenPolicy::default()
        },
        None => GivenPolicy {
            preset: None,
            rule: view.rule,
            never: view.never,
            quiet: view.quiet,
            announce: view.announce,
        },
    };
    // Texts and lists of them: nothing that fails to serialise.
    serde_json::to_string(&given).unwrap_or_default()
}

/// The TOML of a policy, which [`from_toml`] reads.
pub fn to_toml(policy: &Policy) -> String {
    let mut text = String::new();
    for (name, entries) in lists(policy) {
        if entries.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{name} = [");
        for entry in entries {
            let _ = writeln!(text, "  {entry},");
        }
        text.push_str("]\n");
    }
    text
}

/// What one policy says and another does not, for the audit log: lines in TOML, with `-` what was taken away and with `+` what came.
pub fn differences(before: &Policy, now: &Policy) -> String {
    let name = |policy: &Policy| match policy.preset {
        Some(preset) => preset.to_string(),
        None => "own rules".to_owned(),
    };
    let lines = |policy: &Policy| -> Vec<String> {
        let lists = lists(policy).into_iter();
        let named = lists.flat_map(|(name, entries)| {
            entries
                .into_iter()
                .map(move |entry| format!("{name} {entry}"))
        });
        named.collect()
    };
    let (old, new) = (lines(before), lines(now));
    let only = |sign: char, of: &[String], not_of: &[String]| -> Vec<String> {
        let only = of.iter().filter(|line| !not_of.contains(line));
        only.map(|line| format!("{sign} {line}")).collect()
    };
    let mut text = vec![format!("{} → {}", name(before), name(now))];
    text.extend(only('-', &old, &new));
    text.extend(only('+', &new, &old));
    text.join("\n")
}

/// A rule as a line of TOML.
pub fn rule_toml(rule: &GivenRule) -> String {
    inline(rule)
}

/// The lists of a policy by their names, each entry as an inline table.
fn lists(policy: &Policy) -> [(&'static str, Vec<String>); 4] {
    let view = PolicyView::from(policy);
    [
        ("rule", view.rule.iter().map(inline).collect()),
        ("never", view.never.iter().map(inline).collect()),
        ("quiet", view.quiet.iter().map(inline).collect()),
        ("announce", view.announce.iter().map(inline).collect()),
    ]
}

/// An inline table. Texts, booleans and arrays of texts are written in TOML as in JSON.
fn inline(value: &impl Serialize) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(value) else {
        return String::new();
    };
    let entries: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let name = match name.as_str() {
                "fromGrade" => "from_grade",
                "toGrade" => "to_grade",
                "fromGroup" => "from_group",
                "toGroup" => "to_group",
                name => name,
            };
            format!("{name} = {value}")
        })
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::preset::Preset;
    use super::*;

    #[test]
    fn a_policy_is_written_as_it_is_read() {
        for preset in Preset::ALL {
            let policy = preset.policy();
            let read = from_toml(&to_toml(&policy)).unwrap();
            let expected = Policy {
                preset: None,
                ..(*policy).clone()
            };
            assert_eq!(read, expected, "{preset}");
        }
        assert!(from_toml("preset = 'family'").unwrap().preset == Some(Preset::Family));
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands() {
        let rule = |more: &str| {
            format!(
                "rule = [{{ from = ['teacher'], to = ['student'], when = 'teaches', may = 'start' {more} }}]"
            )
        };
        for (text, expected) in [
            (
                "rule = [{ from = ['pupil'], to = ['student'], when = 'teaches', may = 'start' }]",
                "unknown variant `pupil`",
            ),
            (
                "rule = [{ from = ['teacher'], to = ['student'], when = 'likes', may = 'start' }]",
                "unknown variant `likes`",
            ),
            ("rule = 3", "line 1"),
            (&rule(", colour = 'red'"), "colour is not a known key"),
            (&rule(", from_grade = 'seven..'"), "rule.0.fromGrade"),
            (&rule(", to_group = ['a b']"), "rule.0.toGroup"),
            ("rules = []", "rules is not a known key"),
            ("", "nobody"),
            (
                "never = [{ from = ['student'], to = ['student'], when = 'anyone', may = 'start' }]",
                "never.0.may",
            ),
            (
                "rule = [{ from = ['teacher'], to = ['student'], when = 'teaches' }]",
                "rule.0.may",
            ),
            (
                "rule = [{ from = [], to = ['student'], when = 'teaches', may = 'start' }]",
                "rule.0.from",
            ),
            (
                "preset = 'open'\nquiet = [{ to = ['student'], from = '20:00', until = '07:00' }]",
                "preset",
            ),
            (
                "quiet = [{ to = ['student'], from = '25:00', until = '07:00' }]",
                "quiet.0.from",
            ),
        ] {
            let said = from_toml(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn no_more_than_two_hundred_rules() {
        let one = "{ from = ['teacher'], to = ['student'], when = 'teaches', may = 'start' },";
        let text = |count| format!("rule = [{}]", one.repeat(count));
        assert_eq!(from_toml(&text(200)).unwrap().rules.len(), 200);
        assert!(from_toml(&text(201)).unwrap_err().contains("200"));
    }

    #[test]
    fn a_policy_that_shuts_everybody_out_is_refused() {
        let shut =
            "rule = [{ from = ['student'], to = ['student'], when = 'teaches', may = 'start' }]";
        assert!(from_toml(shut).unwrap_err().contains("nobody"));
        let beaten =
            "rule = [{ from = ['teacher'], to = ['student'], when = 'teaches', may = 'start' }]
                      never = [{ from = ['teacher'], to = ['student'], when = 'anyone' }]";
        assert!(from_toml(beaten).unwrap_err().contains("nobody"));
    }
}
