//! How texts are cut into words for the search over messages, and what is searched for into the same.
//!
//! Both are folded ([`fold`]). Scripts that do without spaces (Chinese, Japanese, Thai …) are cut into overlapping pairs. Long words
//! are indexed by what they end with as well, so that a part of a compound is found; and Arabic ones without their article.

use unicode_normalization::char::is_combining_mark;

use super::text::fold;

/// A word of so many letters may be a compound: what follows its first three, if it is four letters or more, is a word of its own.
const COMPOUND: usize = 9;
const FIRST_PART: usize = 3;
const LAST_PART: usize = 4;
/// Of longer words, so much is looked at.
const LONGEST: usize = 40;
/// What is written together with an Arabic word: the article, and what may stand before it.
const ARTICLES: [&str; 6] = ["ال", "وال", "بال", "كال", "فال", "لل"];

/// A piece of text to be indexed or looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Letters of scripts with spaces, and digits.
    Word(String),
    /// Letters of a script without.
    Run(Vec<char>),
}

/// Whether words of this letter's script follow one another without a space.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x0F00..=0x0FFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x3007 | 0x3040..=0x30FF
        | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn pieces(text: &str) -> Vec<Piece> {
    let folded = fold(text);
    let word_char = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    let mut pieces = Vec::new();
    for word in folded.split(|c| !word_char(c)) {
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            let run = is_unspaced(first);
            let end = rest.find(|c| is_unspaced(c) != run).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            pieces.push(if run {
                Piece::Run(piece.chars().collect())
            } else {
                Piece::Word(piece.to_owned())
            });
            rest = after;
        }
    }
    pieces
}

/// What the index gets of a text: words with spaces between them.
pub fn index_text(text: &str) -> String {
    let mut index = String::with_capacity(text.len() * 2);
    let mut add = |word: &str| {
        index.push_str(word);
        index.push(' ');
    };
    for piece in pieces(text) {
        match piece {
            Piece::Run(letters) => {
                for pair in letters.windows(2) {
                    add(&String::from_iter(pair));
                }
                // The last letter, or the only one, begins no pair.
                letters
                    .last()
                    .into_iter()
                    .for_each(|last| add(&last.to_string()));
            }
            Piece::Word(word) => {
                add(&word);
                for part in parts(&word) {
                    add(part);
                }
            }
        }
    }
    index
}

/// What else a word is found by.
fn parts(word: &str) -> Vec<&str> {
    let mut articles: Vec<&str> = ARTICLES
        .iter()
        .filter_map(|article| word.strip_prefix(article))
        .filter(|rest| rest.chars().count() >= 2)
        .collect();
    let letters: Vec<usize> = word
        .char_indices()
        .map(|(at, _)| at)
        .take(LONGEST)
        .collect();
    if letters.len() < COMPOUND || !word.chars().all(char::is_alphabetic) {
        return articles;
    }
    let last = word.chars().count().saturating_sub(LAST_PART);
    let starts = letters.iter().enumerate().skip(FIRST_PART);
    let starts = starts.filter(|(at, _)| *at <= last);
    articles.extend(starts.map(|(_, byte)| &word[*byte..]));
    articles
}

/// What to look for: words, each of which a message must hold the beginning of, or the whole where it is a single letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(Vec<Piece>);

impl Terms {
    /// The most words that one search takes; what follows is left out.
    pub const MAX: usize = 16;

    /// `None` where there is no letter or digit.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = pieces(text);
        words.truncate(Self::MAX);
        (!words.is_empty()).then_some(Terms(words))
    }

    /// As FTS5 takes it (SQLite FTS5, section 3): nothing but letters and digits is left of what somebody typed.
    pub fn to_fts5(&self) -> String {
        let word = |piece: &Piece| match piece {
            // Of a single letter, every word that begins with it would be looked up: there is no index for that.
            Piece::Word(word) if word.chars().count() == 1 => format!("\"{word}\""),
            Piece::Word(word) => format!("\"{word}\" *"),
            Piece::Run(letters) if letters.len() == 1 => format!("\"{}\" *", letters[0]),
            Piece::Run(letters) => {
                let pairs: Vec<String> = letters.windows(2).map(String::from_iter).collect();
                format!("\"{}\"", pairs.join(" "))
            }
        };
        let words: Vec<String> = self.0.iter().map(word).collect();
        words.join(" AND ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fts_syntax_is_left() {
        let terms = Terms::parse("foo\" OR bar* NEAR(x) people:u1 -y ^z").unwrap();
        assert_eq!(
            terms.to_fts5(),
            "\"foo\" * AND \"or\" * AND \"bar\" * AND \"near\" * AND \"x\" AND \"people\" * AND \"u1\" * AND \"y\" AND \"z\""
        );
        assert_eq!(Terms::parse(" \"*-() "), None);
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_pairs() {
        assert_eq!(index_text("明日学校に"), "明日 日学 学校 校に に ");
        assert_eq!(Terms::parse("学校に").unwrap().to_fts5(), "\"学校 校に\"");
        assert_eq!(Terms::parse("学").unwrap().to_fts5(), "\"学\" *");
        assert_eq!(index_text("iPad学校"), "ipad 学校 校 ");
        assert_eq!(index_text("한국 학교"), "한국 학교 ");
    }

    #[test]
    fn long_words_are_found_by_their_parts() {
        let index = index_text("Elternabendeinladung");
        assert!(index.split(' ').any(|word| word == "einladung"), "{index}");
        assert!(index.split(' ').all(|word| word != "ung"), "{index}");
        assert_eq!(index_text("Einladung?"), "einladung ladung adung dung ");
        assert_eq!(index_text("lesson 20261128"), "lesson 20261128 ");
        assert_eq!(index_text("المدرسة"), "المدرسة مدرسة ");
    }

    #[test]
    fn letters_are_found_however_they_were_typed() {
        let same = |a: &str, b: &str| assert_eq!(index_text(a), index_text(b), "{a}");
        same("Mu\u{308}ller", "müller");
        same("gezi IŞIK", "GEZİ ışık");
        same("ещё", "еще");
        same("ｶﾞｯｺｳ", "ガッコウ");
    }
}
