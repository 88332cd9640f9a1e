//! Every key with its default and what it does, from the doc comments of its type: the sample file and the table of the
//! documentation.

use std::fmt::Write as _;

use toml::Table;

use super::section::Section;
use super::{
    Acme, Auth, Backup, Config, Database, Limits, Log, Mail, MailOauth2, Messages, Metrics, Notice,
    Notifications, Oidc, Policy, Presence, Push, Retention, Safeguarding, School, Server, SocketIo,
};

/// The longest line of a comment in the sample file, in characters.
const COMMENT_WIDTH: usize = 100;

/// A section: its name, and each key with the lines of its doc comment.
type Keys = (
    &'static str,
    &'static [(&'static str, &'static [&'static str])],
);

/// All sections, in the order of the sample file.
pub const SECTIONS: &[Keys] = &[
    ("school", School::KEYS),
    ("server", Server::KEYS),
    ("server.acme", Acme::KEYS),
    ("database", Database::KEYS),
    ("auth", Auth::KEYS),
    ("auth.oidc", Oidc::KEYS),
    ("socketio", SocketIo::KEYS),
    ("policy", Policy::KEYS),
    ("messages", Messages::KEYS),
    ("safeguarding", Safeguarding::KEYS),
    ("safeguarding.notice", Notice::KEYS),
    ("presence", Presence::KEYS),
    ("notifications", Notifications::KEYS),
    ("push", Push::KEYS),
    ("mail", Mail::KEYS),
    ("mail.oauth2", MailOauth2::KEYS),
    ("limits", Limits::KEYS),
    ("backup", Backup::KEYS),
    ("retention", Retention::KEYS),
    ("metrics", Metrics::KEYS),
    ("log", Log::KEYS),
];

const INTRODUCTION: &str = "\
# Every key, what it does, and its default. All of them may be left out, and so may this file.
# SCHOOLBELL_SECTION__KEY in the environment wins: SCHOOLBELL_SERVER__LISTEN=0.0.0.0:3000
# So do the names PORT, JWT_SECRET, FRONTEND_URL, VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY.
";

/// A configuration file with every key, its value in `config`, and a comment on what it does. Secrets show as `***`.
pub fn file(config: &Config) -> String {
    let values = Table::try_from(config).unwrap_or_default();
    let mut out = INTRODUCTION.to_owned();
    for (section, keys) in SECTIONS {
        let _ = writeln!(out, "\n[{section}]");
        for (at, (key, lines)) in keys.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            for line in wrap(&paragraph(lines)) {
                let _ = writeln!(out, "# {line}");
            }
            let _ = writeln!(out, "{key} = {}", value(&values, section, key));
        }
    }
    out
}

/// The keys of some sections as a table in Markdown.
pub fn table(sections: &[&str]) -> String {
    let defaults = Table::try_from(Config::default()).unwrap_or_default();
    let mut out = "| key | default | |\n|---|---|---|\n".to_owned();
    let wanted = |(section, _): &&Keys| sections.contains(section);
    for (section, keys) in SECTIONS.iter().filter(wanted) {
        for (key, lines) in *keys {
            let default = match value(&defaults, section, key) {
                empty if empty == "\"\"" => String::new(),
                default => format!("`{default}`"),
            };
            let text = paragraph(lines);
            let _ = writeln!(out, "| `{section}.{key}` | {default} | {text} |");
        }
    }
    out
}

fn value(values: &Table, section: &str, key: &str) -> String {
    let value = section_of(values, section).and_then(|values| values.get(key));
    value.map(ToString::to_string).unwrap_or_default()
}

pub fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// A section's table; `server.acme` is one inside another.
pub fn section_of<'a>(values: &'a Table, section: &str) -> Option<&'a Table> {
    let mut names = section.split('.');
    let first = names.next().and_then(|name| values.get(name)?.as_table());
    names.try_fold(first?, |table, name| table.get(name)?.as_table())
}

/// A doc comment as one line.
fn paragraph(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < COMMENT_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
