//! Texts in words as they are spread in a language: few are in most texts, and most in few.

pub struct Texts {
    random: Random,
    words: Vec<String>,
}

impl Texts {
    /// The same in every run.
    pub fn new() -> Self {
        let mut random = Random(1);
        let words = vocabulary(&mut random);
        Texts { random, words }
    }

    /// Some words.
    pub fn next(&mut self) -> String {
        let words: Vec<&str> = (0..3 + self.random.below(10))
            .map(|_| &*self.words[self.random.rank(self.words.len())])
            .collect();
        words.join(" ")
    }

    /// A number.
    pub fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }
}

/// Made-up words; the rarer, the longer.
fn vocabulary(random: &mut Random) -> Vec<String> {
    const SYLLABLES: [&str; 24] = [
        "ba", "ke", "lin", "so", "ter", "mu", "gra", "ni", "fel", "do", "sch", "ra", "tio", "wen",
        "pa", "zi", "hor", "ve", "am", "ung", "is", "ol", "ex", "ta",
    ];
    (0..40_000)
        .map(|rank: usize| {
            let syllables = 1 + (rank + 1).ilog10() as usize / 2 + random.below(3);
            (0..syllables)
                .map(|_| SYLLABLES[random.below(SYLLABLES.len())])
                .collect()
        })
        .collect()
}

/// Xorshift (Marsaglia 2003): the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// By Zipf's law: the word of rank n is n times as rare as the first.
    fn rank(&mut self, bound: usize) -> usize {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((bound as f64).powf(share) as usize - 1).min(bound - 1)
    }
}
