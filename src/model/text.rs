//! Text from strangers: trimmed, bounded, free of control characters. It is stored as sent and escaped where shown.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::error::{Error, Result};

/// Trims `text` and checks that 1 to `max` characters are left, none of them a control character other than
/// newline and tab.
///
/// # Errors
/// [`Error::Invalid`] that names `field`.
pub fn bounded(field: &str, text: &str, max: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    // A character takes at most four bytes: only a text that could be too long is counted.
    if text.len() > max && text.chars().count() > max {
        return Err(Error::invalid(
            field,
            format!("must not be longer than {max} characters"),
        ));
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Error::invalid(
            field,
            "must not hold control characters other than newline and tab",
        ));
    }
    Ok(text.to_owned())
}

/// As [`bounded`], for text that stands on one line.
pub fn line(field: &str, text: &str, max: usize) -> Result<String> {
    let text = bounded(field, text, max)?;
    if text.contains(['\n', '\t']) {
        return Err(Error::invalid(field, "must be a single line"));
    }
    Ok(text)
}

/// Lower case, without diacritics: what people search compares, so that "jose" finds "José".
pub fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether it is labels of lower-case letters, digits and hyphens (RFC 1123 section 2.1).
pub fn is_host_name(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(valid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        assert_eq!(bounded("f", " \n hi \t", 2).unwrap(), "hi");
        assert!(bounded("f", "éééé", 4).is_ok());
        assert!(bounded("f", "ééééé", 4).is_err());
        assert!(bounded("f", "a\nb\tc", 9).is_ok());
        for bad in ["", " \t\n ", "a\0b", "a\u{7}b", "a\rb", "\u{85}x\u{85}y"] {
            assert!(bounded("f", bad, 9).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn folding_drops_case_and_diacritics() {
        assert_eq!(fold("José ÅNGSTRÖM"), "jose angstrom");
    }
}
