//! The file, then the environment over it.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::settings::Source;
use super::{Config, ConfigError, Push};

impl Config {
    /// Reads `file`, or `config.toml` of the working folder where there is one, then the environment.
    ///
    /// # Errors
    /// [`ConfigError`] for a file that cannot be read, an unknown key or a value that does not fit.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let default_file = Path::new("config.toml");
        let file = file.or_else(|| default_file.exists().then_some(default_file));
        let mut table = Table::new();
        let mut source = None;
        if let Some(path) = file {
            let name = path.display();
            let text = std::fs::read_to_string(path)
                .map_err(|e| ConfigError(format!("cannot read {name}: {e}")))?;
            // Twice: only text knows its lines, only a table can be overlaid by the environment.
            toml::from_str::<Config>(&text)
                .and_then(|_| toml::from_str::<Table>(&text))
                .map(|parsed| table = parsed)
                .map_err(|e| ConfigError(describe(&name.to_string(), &text, &e)))?;
            source = Some((name.to_string(), text));
        }
        let mut sources = BTreeMap::new();
        for (section, values) in &table {
            for name in values.as_table().into_iter().flat_map(Table::keys) {
                let (file, _) = source.as_ref().map_or(("", ""), |(n, t)| (n, t));
                sources.insert(format!("{section}.{name}"), Source::File(file.to_owned()));
            }
        }
        overlay(&mut table, environment, &mut sources)?;
        let mut config = Config {
            sources: sources.clone(),
            ..parse(&table)?
        };
        if config.push.message_link == Push::default().message_link {
            // It leads to our own page.
            let link = &mut config.push.message_link;
            *link = format!("{}{link}", config.server.base());
        }
        config.checked().map_err(|ConfigError(why)| {
            let key = why.split(':').next().unwrap_or_default();
            if let Some(Source::Environment(name)) = sources.get(key) {
                return ConfigError(format!("{name}: {why}"));
            }
            let place =
                source.and_then(|(name, text)| Some(format!("{name}:{}: ", line_of(&text, &why)?)));
            ConfigError(format!("{}{why}", place.unwrap_or_default()))
        })
    }
}

/// The line of the file that sets the key which `why` begins with, as `section.key: …`.
fn line_of(text: &str, why: &str) -> Option<usize> {
    let (section, key) = why.split(':').next()?.split_once('.')?;
    let mut current = "";
    let found = text.lines().position(|line| {
        let line = line.trim();
        if let Some(heading) = line.strip_prefix('[') {
            current = heading.split(']').next().unwrap_or_default().trim();
        }
        current == section
            && line
                .split('=')
                .next()
                .is_some_and(|name| name.trim() == key)
    });
    found.map(|at| at + 1)
}

fn parse(table: &Table) -> Result<Config, ConfigError> {
    let parsed = Value::Table(table.clone()).try_into();
    parsed.map_err(|e: toml::de::Error| ConfigError(e.message().to_owned()))
}

/// `file:line: message`, with the key that `toml` found wrong.
fn describe(file: &str, text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim();
    let Some(span) = error.span() else {
        return format!("{file}: {message}");
    };
    let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
    let source = text.lines().nth(line - 1).unwrap_or_default().trim();
    let key = source.split('=').next().unwrap_or_default().trim();
    let message = &in_words(message);
    // The value stays out of the message: it may be a secret.
    if message.contains(key) {
        format!("{file}:{line}: {message}")
    } else {
        format!("{file}:{line}: {key}: {message}")
    }
}

/// What serde says of types, as a person would.
fn in_words(message: &str) -> String {
    let mut text = message.to_owned();
    for integer in ["usize", "u32", "u64"] {
        text = text.replace(
            &format!("expected {integer}"),
            "expected a whole number, without quotes",
        );
    }
    text
}

/// Sets what the environment names. The type of a key's default says how its text is read.
fn overlay(
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
            let Some((section, key)) = rest.split_once("__") else {
                return Err(ConfigError(format!(
                    "{name}: expected SCHOOLBELL_SECTION__KEY"
                )));
            };
            given.push((
                name.clone(),
                section.to_lowercase(),
                key.to_lowercase(),
                text,
            ));
        } else if let Some((section, key, text)) = legacy_name(&name, text) {
            legacy.push((name, section.to_owned(), key.to_owned(), text));
        }
    }
    // The names of existing deployments come first, so that schoolbell's own win.
    for (name, section, key, text) in legacy.into_iter().chain(given) {
        let default = defaults
            .get(&section)
            .and_then(|s| s.get(&key))
            .ok_or_else(|| ConfigError(format!("{name}: there is no key {section}.{key}")))?;
        let value = parse_as(default, &text)
            .ok_or_else(|| ConfigError(format!("{name}: must be {}", kind(default))))?;
        let full_key = format!("{section}.{key}");
        table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| ConfigError(format!("{name}: its section is not a table")))?
            .insert(key, value);
        parse(table).map_err(|e| ConfigError(format!("{name}: {e}")))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()));
        Config::load(Some(&path), environment).map_err(|e| e.to_string())
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let error = load("[server]\nlisten = \"127.0.0.1:1\"\nlisen = 3\n", &[]).unwrap_err();
        assert!(error.contains(":3:") && error.contains("lisen"), "{error}");
        let error = load("\n[messages]\nmax_length = \"x\"\n", &[]).unwrap_err();
        assert!(
            error.contains(":3:") && error.contains("max_length"),
            "{error}"
        );
        let error = load("[nonsense]\nx = 1\n", &[]).unwrap_err();
        assert!(
            error.contains(":1:") && error.contains("nonsense"),
            "{error}"
        );
        let error = load(
            "[log]\nlevel = \"info\"\n\n[auth]\njwt_secret = \"short\"\n",
            &[],
        );
        let error = error.unwrap_err();
        assert!(
            error.contains(":5: auth.jwt_secret") && !error.contains("short\""),
            "{error}"
        );
    }

    #[test]
    fn a_public_url_with_a_path_is_a_base() {
        for (url, base) in [
            ("", ""),
            ("https://school.example", ""),
            ("https://school.example/", ""),
            ("https://school.example/bell", "/bell"),
            ("https://school.example:8443/a/b.c/", "/a/b.c"),
        ] {
            let config = load(&format!("[server]\npublic_url = \"{url}\"\n"), &[]).unwrap();
            assert_eq!(config.server.base(), base, "{url}");
            assert_eq!(
                config.push.message_link,
                format!("{base}/?chat={{userId}}"),
                "our own page is there"
            );
        }
        let own = "[server]\npublic_url = \"https://x/bell\"\n[push]\nmessage_link = \"/app\"\n";
        assert_eq!(load(own, &[]).unwrap().push.message_link, "/app");
    }

    #[test]
    fn a_wrong_secret_is_not_printed() {
        let error = load("[auth]\njwt_secret = 12345678901234567\n", &[]).unwrap_err();
        assert!(error.contains("jwt_secret"), "{error}");
        let config = load("[auth]\njwt_secret = \"0123456789abcdef\"\n", &[]).unwrap();
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn the_environment_wins_and_old_names_yield() {
        let config = load(
            "[server]\nlisten = \"127.0.0.1:1\"\n",
            &[
                ("SCHOOLBELL_SERVER__LISTEN", "127.0.0.1:7"),
                ("PORT", "8"),
                ("JWT_SECRET", "a-secret-of-some-length"),
                ("FRONTEND_URL", "http://localhost:5173/, https://a.example"),
                ("SCHOOLBELL_AUTH__AUTO_PROVISION", "true"),
                ("SCHOOLBELL_MESSAGES__MAX_LENGTH", "10"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen, "127.0.0.1:7");
        assert_eq!(config.auth.jwt_secret.expose(), "a-secret-of-some-length");
        assert_eq!(
            config.server.cors_origins,
            ["http://localhost:5173", "https://a.example"]
        );
        assert!(config.auth.auto_provision);
        assert_eq!(config.messages.max_length, 10);
    }

    #[test]
    fn the_environment_is_checked_too() {
        for (name, value, part) in [
            ("SCHOOLBELL_SERVER__LISEN", "x", "server.lisen"),
            ("SCHOOLBELL_LISTEN", "x", "SCHOOLBELL_SECTION__KEY"),
            ("SCHOOLBELL_AUTH__AUTO_PROVISION", "maybe", "AUTO_PROVISION"),
            ("SCHOOLBELL_LOG__FORMAT", "xml", "xml"),
            ("PORT", "http", "server.listen"),
            ("FRONTEND_URL", "localhost", "cors_origins"),
            ("JWT_SECRET", "short", "auth.jwt_secret"),
            ("VAPID_PUBLIC_KEY", "x", "vapid_private_key"),
        ] {
            let error = load("", &[(name, value)]).unwrap_err();
            assert!(error.contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_parsed_once_names_its_line_and_its_variable() {
        let text =
            "[server]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"10.0.0.0/8\", \"nowhere\"]\n";
        let error = load(text, &[]).unwrap_err();
        assert!(
            error.contains(":3: trusted_proxies: \"nowhere\" is not an address"),
            "{error}"
        );
        let error = load("[auth]\nalgorithms = [\"none\"]\n", &[]).unwrap_err();
        assert!(
            error.contains(":2: algorithms: \"none\" is none of HS256"),
            "{error}"
        );
        let variable = ("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "nowhere");
        let error = load("", &[variable]).unwrap_err();
        assert!(
            error.starts_with("SCHOOLBELL_SERVER__TRUSTED_PROXIES: \"nowhere\""),
            "{error}"
        );
        let given = load("", &[("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "10.1.2.3")]).unwrap();
        assert!(given.server.trusts("10.1.2.3".parse().unwrap()));
        assert!(!given.server.trusts("10.1.2.4".parse().unwrap()));
    }
}
