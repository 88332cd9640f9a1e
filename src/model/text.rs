//! Text from clients: trimmed, bounded, free of control characters. It is stored as sent and escaped where shown.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};
use crate::rule;

/// Trims `text`, makes its ends of lines `\n`, and checks that 1 to `max` characters are left, none of them a control character
/// other than newline and tab, and one of them to be seen.
///
/// # Errors
/// [`Error::Invalid`] that names `field`.
pub fn bounded(field: &str, text: &str, max: usize) -> Result<String> {
    // Every HTML form posts CRLF (HTML standard, "newlines in form data").
    let unix = text
        .contains('\r')
        .then(|| text.replace("\r\n", "\n").replace('\r', "\n"));
    let text = unix.as_deref().unwrap_or(text).trim();
    if !text.contains(is_visible) {
        return Err(Error::invalid(field, rule::not_empty()));
    }
    // A character takes at most four bytes: only a text that could be too long is counted.
    if text.len() > max && text.chars().count() > max {
        return Err(Error::invalid(field, rule::too_long(max)));
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Error::invalid(field, rule::no_control_characters()));
    }
    Ok(text.to_owned())
}

/// As [`bounded`], for text that stands on one line.
pub fn line(field: &str, text: &str, max: usize) -> Result<String> {
    let text = bounded(field, text, max)?;
    if text.contains(['\n', '\t']) {
        return Err(Error::invalid(field, rule::single_line()));
    }
    Ok(text)
}

/// As [`line()`], for a name: what does not show, or turns what does around, would make one person look like another. Composed
/// (NFC), so that one name has one spelling.
///
/// # Errors
/// As [`line()`].
pub fn name(field: &str, text: &str, max: usize) -> Result<String> {
    let name = line(field, &composed(text), max)?;
    // Persian and the scripts of India need the two joiners, emoji need selectors.
    if name.contains(|c| is_ignorable(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')) {
        return Err(Error::invalid(field, rule::no_invisible_characters()));
    }
    Ok(name)
}

/// In NFC, which ASCII is.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Whether a character shows.
fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !is_ignorable(c)
}

/// Characters that do not show, or change the direction of those that do (Unicode: Default_Ignorable_Code_Point, Bidi_Control).
pub fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Characters that turn the reading order of what follows around: an address or a title may not be what it looks like.
pub fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What people search compares, so that "jose" finds "José", and "lukasz" finds "Łukasz": lower case, without diacritics, letters
/// with a stroke as those without, ligatures as two letters, apostrophes and hyphens of one kind each.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return fold_ascii(text);
    }
    // No letter is made of what stands on both sides of a space.
    let words = text.split_inclusive(' ');
    words
        .map(|word| {
            if word.is_ascii() {
                fold_ascii(word)
            } else {
                fold_letters(word)
            }
        })
        .collect()
}

/// Most texts, and most words of the others.
fn fold_ascii(text: &str) -> String {
    text.to_ascii_lowercase().replace('`', "'")
}

fn fold_letters(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    // A capital I with a dot, or one without, is the letter i of some language.
    for c in caseless::default_case_fold_str(text).nfkd() {
        match c {
            c if is_diacritic(c) || is_ignorable(c) => {}
            'ı' => folded.push('i'),
            'ł' => folded.push('l'),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ŧ' => folded.push('t'),
            'ŋ' => folded.push('n'),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            '’' | '‘' | 'ʼ' | 'ʻ' | 'ʹ' | '´' | '`' | '′' => folded.push('\''),
            '‐' | '‑' | '‒' | '–' | '—' | '−' => folded.push('-'),
            c => folded.push(c),
        }
    }
    // What is left of letters that are made of several is put together again: those of Korean, the vowels of India.
    folded.nfc().collect()
}

/// Marks on letters that people leave out when they search: not the vowels of Indian scripts.
fn is_diacritic(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}'
        | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The words of what is searched for, folded. Each is to be found, in any order.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    folded
        .split_whitespace()
        .take(MAX_WORDS)
        .map(str::to_owned)
        .collect()
}

/// The most words of a search for people.
const MAX_WORDS: usize = 8;

/// The form in which login names are compared (RFC 8265 section 3.3: case folded, composed).
pub fn case_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(text).nfc().collect()
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
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
        assert_eq!(bounded("f", "a\r\nb\rc", 9).unwrap(), "a\nb\nc");
        for bad in [
            "",
            " \t\n ",
            "a\0b",
            "a\u{7}b",
            "\u{200b}\u{3164}",
            "\u{85}x\u{85}y",
        ] {
            assert!(bounded("f", bad, 9).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn folding_drops_case_and_diacritics() {
        for (name, folded) in [
            ("José ÅNGSTRÖM", "jose angstrom"),
            ("Işık IŞIK İŞİK ışık", "isik isik isik isik"),
            ("Strauß STRAUSS", "strauss strauss"),
            ("Łukasz Żółć", "lukasz zolc"),
            ("Søren Ærø Œuvre Þór", "soren aero oeuvre thor"),
            ("Đặng", "dang"),
            ("Ἀλέξανδρος ΟΔΟΣ", "αλεξανδροσ οδοσ"),
            ("O’Brien O‘Brien Oʼbrien", "o'brien o'brien o'brien"),
            ("Smith‐Jones Smith–Jones", "smith-jones smith-jones"),
            ("Пётр", "петр"),
            ("काम", "काम"),
        ] {
            assert_eq!(fold(name), folded, "{name}");
            assert_eq!(
                fold(&name.nfd().collect::<String>()),
                folded,
                "{name} decomposed"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn folding_word_by_word_is_folding_the_whole(text in "[a-z`É\u{300}\u{93c}ẞ가 ]{0,12}|.{0,40}") {
            proptest::prop_assert_eq!(fold(&text), fold_letters(&text));
        }
    }

    #[test]
    fn names_have_one_spelling_and_nothing_that_does_not_show() {
        assert_eq!(name("name", "Jose\u{301}", 9).unwrap(), "José");
        assert_eq!(case_key("Özlem"), case_key("o\u{308}ZLEM"));
        assert!(name("name", "علی‌رضا", 20).is_ok(), "a joiner of Persian");
        for bad in [
            "\u{200b}ann",
            "ro\u{ad}ot",
            "Mr \u{202e}hcaeT",
            "\u{3164}",
            "ann\u{feff}",
        ] {
            assert!(name("name", bad, 20).is_err(), "{bad:?}");
        }
    }
}
