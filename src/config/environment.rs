//! What the environment sets, laid over the file.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::places::in_words;
use super::reference::{is_section, section_of};
use super::settings::Source;
use super::{Config, ConfigError};

pub fn parse(table: &Table) -> Result<Config, ConfigError> {
    let parsed = Value::Table(table.clone()).try_into();
    parsed.map_err(|e: toml::de::Error| ConfigError(in_words(e.message())))
}

/// Sets what the environment names. The type of a key's default says how its text is read.
pub fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (String, String)>,
    sources: &mut BTreeMap<String, Source>,
) -> Result<(), ConfigError> {
    let defaults =
        Table::try_from(Config::default()).map_err(|e| ConfigError(format!("defaults: {e}")))?;
    let mut given: Vec<(String, String, String, String)> = Vec::new();
    let mut legacy = Vec::new();
    for (name, text) in environment {
        if let Some(rest) = name.strip_prefix("SCHOOLBELL_") {
            let Some((section, key)) = rest.rsplit_once("__") else {
                return Err(ConfigError(format!(
                    "{name}: expected SCHOOLBELL_SECTION__KEY"
                )));
            };
            // A section inside another, as SCHOOLBELL_SERVER__ACME__EMAIL names it.
            let section = section.to_lowercase().replace("__", ".");
            given.push((name.clone(), section, key.to_lowercase(), text));
        } else if let Some((section, key, text)) = legacy_name(&name, text) {
            legacy.push((name, section.to_owned(), key.to_owned(), text));
        }
    }
    // The names of existing deployments come first, so that schoolbell's own win.
    for (name, section, key, text) in legacy.into_iter().chain(given) {
        let full_key = format!("{section}.{key}");
        let default = section_of(&defaults, &section)
            .and_then(|values| values.get(&key))
            .filter(|_| !is_section(&full_key))
            .ok_or_else(|| ConfigError(format!("{name}: there is no key {full_key}")))?;
        let value = parse_as(default, &text)
            .ok_or_else(|| ConfigError(format!("{name}: must be {}", kind(default))))?;
        let mut inner = &mut *table;
        for part in section.split('.') {
            inner = inner
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(|| ConfigError(format!("{name}: its section is not a table")))?;
        }
        inner.insert(key, value);
        parse(table).map_err(|e| ConfigError(format!("{name}: {full_key}: {e}")))?;
        sources.insert(full_key, Source::Environment(name));
    }
    Ok(())
}

fn legacy_name(name: &str, text: String) -> Option<(&'static str, &'static str, String)> {
    if text.is_empty() {
        return None;
    }
    match name {
        // Containers set PORT and expect the server on every interface.
        "PORT" => Some(("server", "listen", format!("0.0.0.0:{}", text.trim()))),
        "JWT_SECRET" => Some(("auth", "jwt_secret", text)),
        "FRONTEND_URL" => {
            let origins = text.replace(' ', "");
            let trimmed: Vec<_> = origins
                .split(',')
                .map(|o| o.trim_end_matches('/'))
                .collect();
            Some(("server", "cors_origins", trimmed.join(",")))
        }
        "VAPID_PUBLIC_KEY" => Some(("push", "vapid_public_key", text)),
        "VAPID_PRIVATE_KEY" => Some(("push", "vapid_private_key", text)),
        _ => None,
    }
}

fn parse_as(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Array(_) if text.trim_start().starts_with('[') => None,
        Value::Array(_) => Some(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        Value::Table(_) => {
            let pairs = text
                .split(',')
                .map(str::trim)
                .filter(|pair| !pair.is_empty());
            let pairs = pairs.map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((
                    name.trim().to_owned(),
                    Value::String(value.trim().to_owned()),
                ))
            });
            pairs.collect::<Option<Table>>().map(Value::Table)
        }
        _ => None,
    }
}

/// What [`parse_as`] takes, in words.
fn kind(default: &Value) -> &'static str {
    match default {
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Table(_) => "a list of name=value with commas in between",
        Value::Array(_) => "a list with commas in between, without brackets and quotes",
        _ => "a text",
    }
}
