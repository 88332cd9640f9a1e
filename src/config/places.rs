//! Where each key stands in the file, for messages that name its line.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reference::is_section;

/// A configuration file.
pub struct Places {
    file: String,
    text: String,
    /// `section.key`, and where its name and value stand.
    keys: Vec<(String, Range<usize>)>,
}

impl Places {
    /// Text that is not TOML has no keys.
    pub fn new(file: String, text: String) -> Self {
        let keys = DeTable::parse(&text).map(keys).unwrap_or_default();
        Places { file, text, keys }
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(key, _)| key.as_str())
    }

    /// `why`, which begins with `section.key: `, behind the line that sets that key.
    pub fn at_key(&self, why: &str) -> String {
        let key = why.split(':').next().unwrap_or_default();
        match self.keys.iter().find(|(known, _)| known == key) {
            Some((_, span)) => self.at(span.start, why),
            None => why.to_owned(),
        }
    }

    /// What the parser says, behind its line and the key.
    pub fn describe(&self, error: &toml::de::Error) -> String {
        let message = in_words(error.message().trim());
        let Some(span) = error.span() else {
            return format!("{}: {message}", self.file);
        };
        // The value stays out of the message: it may be a secret.
        let around = |(_, place): &&(String, Range<usize>)| place.contains(&span.start);
        match self.keys.iter().find(around) {
            Some((key, _)) => self.at(span.start, &format!("{key}: {message}")),
            None => self.at(span.start, &message),
        }
    }

    fn at(&self, offset: usize, message: &str) -> String {
        let before = &self.text[..offset.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: {message}", self.file)
    }
}

fn keys(document: Spanned<DeTable<'_>>) -> Vec<(String, Range<usize>)> {
    let mut keys = Vec::new();
    for (section, values) in document.get_ref() {
        add_keys(&mut keys, section.get_ref(), values);
    }
    keys
}

fn add_keys(keys: &mut Vec<(String, Range<usize>)>, section: &str, values: &Spanned<DeValue<'_>>) {
    for (key, value) in values.get_ref().as_table().into_iter().flatten() {
        let name = format!("{section}.{}", key.get_ref());
        if is_section(&name) {
            add_keys(keys, &name, value);
        } else {
            keys.push((name, key.span().start..value.span().end));
        }
    }
}

/// What serde says of types, as a person would.
pub fn in_words(message: &str) -> String {
    let mut text = message.to_owned();
    let whole = "expected a whole number, without quotes";
    for (type_name, words) in [
        (
            "expected a nonzero u32",
            "expected a whole number of at least 1, without quotes",
        ),
        ("expected usize", whole),
        ("expected u32", whole),
        ("expected u64", whole),
    ] {
        text = text.replace(type_name, words);
    }
    text
}
