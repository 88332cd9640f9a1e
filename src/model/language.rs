//! The language of what the server itself writes to a person. The words lie beside those of the pages: `static/i18n/server`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::error::{Error, Result};
use crate::rule;

/// The catalogues of the pages. The first is used for every language that has none.
const CATALOGUES: [(&str, &str); 5] = [
    ("en", include_str!("../../static/i18n/server/en.js")),
    ("es", include_str!("../../static/i18n/server/es.js")),
    ("fr", include_str!("../../static/i18n/server/fr.js")),
    ("de", include_str!("../../static/i18n/server/de.js")),
    ("ar", include_str!("../../static/i18n/server/ar.js")),
];
/// The keys of what the server writes begin with this.
const PREFIX: &str = "server.";

type Words = HashMap<String, String>;

static WORDS: LazyLock<Vec<(&str, Words)>> = LazyLock::new(|| {
    let catalogues = CATALOGUES.into_iter();
    catalogues.map(|(tag, text)| (tag, words(text))).collect()
});

/// The lines `"server.…": "…",` of a catalogue.
fn words(catalogue: &str) -> Words {
    let pairs = catalogue.lines().filter_map(|line| {
        let (key, text) = line.trim().trim_end_matches(',').split_once(": ")?;
        let key: String = serde_json::from_str(key).ok()?;
        let key = key.strip_prefix(PREFIX)?.to_owned();
        Some((key, serde_json::from_str(text).ok()?))
    });
    pairs.collect()
}

/// A language that there are words in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Language(usize);

impl Language {
    /// The language of a tag (BCP 47), by its first part (RFC 4647 section 3.4); English, where there are no words in it.
    pub fn of(tag: Option<&str>) -> Self {
        let primary = tag.and_then(|tag| tag.split('-').next()).unwrap_or("");
        let known = CATALOGUES.iter();
        let at = known
            .map(|(tag, _)| *tag)
            .position(|tag| tag.eq_ignore_ascii_case(primary));
        Language(at.unwrap_or_default())
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        CATALOGUES.get(self.0).map_or("en", |(tag, _)| tag)
    }

    /// Which way it is written, as HTML's `dir` has it.
    pub fn direction(self) -> &'static str {
        if self.tag() == "ar" { "rtl" } else { "ltr" }
    }

    /// The words for `server.` and this key.
    pub fn text(self, key: &str) -> &'static str {
        let words = WORDS.get(self.0).and_then(|(_, words)| words.get(key));
        words.map_or("", String::as_str)
    }
}

/// A language tag as far as its form goes (RFC 5646 section 2.1).
///
/// # Errors
/// [`Error::Invalid`] for the field `language`.
pub fn check_tag(tag: &str) -> Result<()> {
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    let alphanumeric = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let is_primary =
        (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    if tag.len() <= 35 && is_primary && parts.all(alphanumeric) {
        return Ok(());
    }
    Err(Error::invalid("language", rule::not_a_language()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_the_same_words() {
        let english = &WORDS[0].1;
        assert!(english.len() >= 6, "{english:?}");
        for (tag, words) in WORDS.iter() {
            let mut keys: Vec<_> = words.keys().collect();
            let mut expected: Vec<_> = english.keys().collect();
            keys.sort();
            expected.sort();
            assert_eq!(keys, expected, "{tag}");
        }
    }

    #[test]
    fn every_catalogue_of_the_pages_is_here() {
        let folder =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static/i18n")).unwrap();
        let names = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut tags: Vec<_> = names
            .filter_map(|name| name.strip_suffix(".js").map(str::to_owned))
            .filter(|name| name != "i18n")
            .collect();
        tags.sort();
        let mut known = CATALOGUES.map(|(tag, _)| tag.to_owned());
        known.sort();
        assert_eq!(tags, known);
    }

    #[test]
    fn a_tag_is_looked_up_by_its_first_part() {
        assert_eq!(Language::of(Some("de-AT")), Language::of(Some("DE")));
        assert_ne!(Language::of(Some("de")), Language::default());
        assert_eq!(Language::of(Some("tlh")), Language::default());
        assert_eq!(Language::of(None), Language::default());
    }

    #[test]
    fn tags_are_checked() {
        for tag in [
            "de",
            "pt-BR",
            "zh-Hant-TW",
            "de-CH-1996",
            "sl-rozaj-biske-1994",
        ] {
            assert!(check_tag(tag).is_ok(), "{tag}");
        }
        for tag in [
            "",
            "d",
            "de_DE",
            "de-",
            "-de",
            "12",
            "a".repeat(36).as_str(),
        ] {
            assert!(check_tag(tag).is_err(), "{tag}");
        }
    }
}
