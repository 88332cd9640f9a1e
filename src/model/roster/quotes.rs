//! Where quotes of a CSV file open and close: one that is missing swallows the lines that follow, without an error.

/// A cell in quotes that goes over several lines; lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Spread {
    pub from: u64,
    pub to: u64,
}

/// What a file's quotes are like.
#[derive(Debug, Default)]
pub struct Quotes {
    /// In rising order.
    pub spreads: Vec<Spread>,
    /// The line of one that is still open at the end.
    pub open: Option<u64>,
}

/// Looks at a file with `\n` at the ends of its lines, as [`csv`] reads it: a quote opens a cell where it is the first of it.
pub fn scan(text: &str, delimiter: u8) -> Quotes {
    let mut quotes = Quotes::default();
    let mut line = 1;
    // The line where the quote opened that we are in.
    let mut inside: Option<u64> = None;
    let mut at_start = true;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (inside, byte) {
            (Some(_), b'"') if bytes.peek() == Some(&b'"') => drop(bytes.next()),
            (Some(from), b'"') => {
                if from < line {
                    quotes.spreads.push(Spread { from, to: line });
                }
                inside = None;
                at_start = false;
            }
            (None, b'"') if at_start => inside = Some(line),
            (None, _) => at_start = byte == delimiter || byte == b'\n',
            (Some(_), _) => {}
        }
        line += u64::from(byte == b'\n');
    }
    quotes.open = inside;
    quotes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_where_they_open_and_close() {
        let found = scan(
            "a,b\n\"x\",\"y \"\"z\"\"\"\nc,\"d\ne\nf\",g\nh,i\"j\n",
            b',',
        );
        assert_eq!(found.spreads, [Spread { from: 3, to: 5 }]);
        assert_eq!(found.open, None);
        assert_eq!(scan("a,b\nc,\"d\ne,f\n", b',').open, Some(2));
    }
}
