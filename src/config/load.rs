//! Reads the file, then the environment, which wins.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Table;

use super::environment::{overlay, parse};
use super::places::Places;
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
        let mut sources = BTreeMap::new();
        let mut places = None;
        if let Some(path) = file {
            let read = read(path)?;
            // Twice: only text has lines, only a table can be overlaid by the environment.
            toml::from_str::<Config>(read.text())
                .and_then(|_| toml::from_str::<Table>(read.text()))
                .map(|parsed| table = parsed)
                .map_err(|error| ConfigError(read.describe(&error)))?;
            for key in read.keys() {
                sources.insert(key.to_owned(), Source::File(read.file().to_owned()));
            }
            places = Some(read);
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
            ConfigError(places.map_or(why.clone(), |places| places.at_key(&why)))
        })
    }
}

fn read(path: &Path) -> Result<Places, ConfigError> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError(format!("cannot read {name}: {e}")))?;
    Ok(Places::new(name.to_string(), text))
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
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
    fn a_wrong_value_is_named_with_its_line_however_it_is_written() {
        for (text, part) in [
            (
                "server.listen = \"nowhere\"\n",
                ":1: server.listen: \"nowhere\" is not ADDRESS:PORT",
            ),
            (
                "# x\nlimits = { enabled = true, connections = 0 }\n",
                ":2: limits.connections: invalid value: integer `0`, expected a whole number of at least 1",
            ),
            (
                "[push]\nproxy = \"user:word@proxy\"\n",
                ":2: push.proxy: is not an http: or https: URL",
            ),
            (
                "[server]\n\"public_url\" = \"ftp://x\"\n",
                ":2: server.public_url: \"ftp://x\" is not an http: or https: URL",
            ),
            (
                "[server]\npublic_url = \"https://x/a?b\"\n",
                ":2: server.public_url: \"/a?b\" is not a path",
            ),
            (
                "[server]\ncors_origins = [\n\"https://a.example\",\n\"https://a.example/\"]\n",
                "server.cors_origins: \"https://a.example/\" is not an origin",
            ),
            ("[log]\nlevel = \n", ":2: "),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
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
        let origins = config.server.cors_origins.iter().map(Origin::as_str);
        assert!(origins.eq(["http://localhost:5173", "https://a.example"]));
        assert!(config.auth.auto_provision);
        assert_eq!(config.messages.max_length.get(), 10);
    }

    #[test]
    fn the_environment_is_checked_too() {
        for (name, value, part) in [
            ("SCHOOLBELL_SERVER__LISEN", "x", "server.lisen"),
            ("SCHOOLBELL_LISTEN", "x", "SCHOOLBELL_SECTION__KEY"),
            (
                "SCHOOLBELL_SERVER__ACME",
                "email=x",
                "there is no key server.acme",
            ),
            (
                "SCHOOLBELL_AUTH__ROLE_MAP__X",
                "admin",
                "there is no key auth.role_map.x",
            ),
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
            error.contains(":3: server.trusted_proxies: \"nowhere\" is not an address"),
            "{error}"
        );
        let error = load("[auth]\nalgorithms = [\"none\"]\n", &[]).unwrap_err();
        assert!(
            error.contains(":2: auth.algorithms: \"none\" is none of HS256"),
            "{error}"
        );
        let variable = ("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "nowhere");
        let error = load("", &[variable]).unwrap_err();
        assert!(
            error.starts_with(
                "SCHOOLBELL_SERVER__TRUSTED_PROXIES: server.trusted_proxies: \"nowhere\""
            ),
            "{error}"
        );
        let given = load("", &[("SCHOOLBELL_SERVER__TRUSTED_PROXIES", "10.1.2.3")]).unwrap();
        assert!(given.server.trusts("10.1.2.3".parse().unwrap()));
        assert!(!given.server.trusts("10.1.2.4".parse().unwrap()));
    }
}
