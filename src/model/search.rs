//! How texts, and what is searched for, are cut into words for the search over messages.
//!
//! Both are folded ([`fold`]). Scripts that do without spaces (Chinese, Japanese, Thai …) are cut into overlapping pairs. Long words
//! are indexed by what they end with as well, so that a part of a compound is found; and Arabic ones without their article.

use unicode_normalization::char::is_combining_mark;

use super::text::fold;

/// A word of so many letters may be a compound: what follows its first three, if it is four letters or more, is a word of its own.
const COMPOUND_LETTERS: usize = 9;
const FIRST_PART_LETTERS: usize = 3;
const LAST_PART_LETTERS: usize = 4;
/// Of longer words, so much is looked at.
const MAX_WORD_LETTERS: usize = 40;
/// What is written together with an Arabic word: the article, and what may stand before it.
const ARTICLES: [&str; 6] = ["ال", "وال", "بال", "كال", "فال", "لل"];

/// A piece of folded text to be indexed or looked for.
#[derive(Debug, Clone, Copy)]
enum Piece<'t> {
    /// Letters of scripts with spaces, and digits.
    Word(&'t str),
    /// Letters of a script without.
    Run(&'t str),
}

/// Whether words of this letter's script follow one another without a space.
fn is_unspaced(c: char) -> bool {
    // Most letters are before all of these.
    c >= '\u{0E00}'
        && matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x0F00..=0x0FFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3005..=0x3007 | 0x3040..=0x30FF
        | 0x31F0..=0x31FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c))
}

fn pieces(folded: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_letter(c));
        let run = is_unspaced(rest.chars().next()?);
        let end = rest.find(|c| !is_letter(c) || is_unspaced(c) != run);
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(if run {
            Piece::Run(piece)
        } else {
            Piece::Word(piece)
        })
    })
}

/// The overlapping pairs of a run's letters.
fn pairs(run: &str) -> impl Iterator<Item = &str> {
    let starts = run.char_indices().map(|(at, _)| at);
    let ends = run.char_indices().skip(1).map(|(at, c)| at + c.len_utf8());
    starts.zip(ends).map(|(start, end)| &run[start..end])
}

/// What the index gets of a text: words with spaces between them.
pub fn index_text(text: &str) -> String {
    let folded = fold(text);
    let mut index = String::with_capacity(folded.len() * 2);
    let mut add = |word: &str| {
        index.push_str(word);
        index.push(' ');
    };
    for piece in pieces(&folded) {
        match piece {
            Piece::Run(run) => {
                pairs(run).for_each(&mut add);
                // The last letter, or the only one, begins no pair.
                let last = run.char_indices().next_back();
                last.into_iter().for_each(|(at, _)| add(&run[at..]));
            }
            Piece::Word(word) => {
                add(word);
                without_article(word).for_each(&mut add);
                ends(word).for_each(&mut add);
            }
        }
    }
    index
}

/// An Arabic word without what is written together with it.
fn without_article(word: &str) -> impl Iterator<Item = &str> {
    let is_ascii = word.is_ascii();
    let articles = ARTICLES.iter().filter(move |_| !is_ascii);
    articles
        .filter_map(|article| word.strip_prefix(article))
        .filter(|rest| rest.chars().count() >= 2)
}

/// What a long word ends with.
fn ends(word: &str) -> impl Iterator<Item = &str> {
    // There are no more letters than bytes.
    let letters = if word.len() < COMPOUND_LETTERS {
        0
    } else {
        word.chars().count()
    };
    let is_compound = letters >= COMPOUND_LETTERS && word.chars().all(char::is_alphabetic);
    let starts = if is_compound {
        FIRST_PART_LETTERS..(letters - LAST_PART_LETTERS + 1).min(MAX_WORD_LETTERS)
    } else {
        0..0
    };
    let letters = word.char_indices().map(|(at, _)| &word[at..]);
    letters.skip(starts.start).take(starts.len())
}

/// What to look for: words, each of which a message must hold the beginning of, or the whole where it is a single letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms(String);

impl Terms {
    /// The most words that one search takes; what follows is left out.
    pub const MAX_WORDS: usize = 16;

    /// `None` where there is no letter or digit.
    pub fn parse(text: &str) -> Option<Self> {
        let folded = fold(text);
        let words: Vec<String> = pieces(&folded)
            .take(Self::MAX_WORDS)
            .map(looked_for)
            .collect();
        (!words.is_empty()).then(|| Terms(words.join(" AND ")))
    }

    /// As FTS5 takes it (SQLite FTS5, section 3): nothing but letters and digits is left of what a user typed.
    pub fn as_fts5(&self) -> &str {
        &self.0
    }
}

fn looked_for(piece: Piece) -> String {
    match piece {
        // Of a single letter, every word that begins with it would be looked up: there is no index for that.
        Piece::Word(word) if word.chars().nth(1).is_none() => format!("\"{word}\""),
        Piece::Word(word) => format!("\"{word}\" *"),
        Piece::Run(run) if run.chars().nth(1).is_none() => format!("\"{run}\" *"),
        Piece::Run(run) => format!("\"{}\"", pairs(run).collect::<Vec<_>>().join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fts_syntax_is_left() {
        let terms = Terms::parse("foo\" OR bar* NEAR(x) people:u1 -y ^z").unwrap();
        assert_eq!(
            terms.as_fts5(),
            "\"foo\" * AND \"or\" * AND \"bar\" * AND \"near\" * AND \"x\" AND \"people\" * AND \"u1\" * AND \"y\" AND \"z\""
        );
        assert_eq!(Terms::parse(" \"*-() "), None);
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_pairs() {
        assert_eq!(index_text("明日学校に"), "明日 日学 学校 校に に ");
        assert_eq!(Terms::parse("学校に").unwrap().as_fts5(), "\"学校 校に\"");
        assert_eq!(Terms::parse("学").unwrap().as_fts5(), "\"学\" *");
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
