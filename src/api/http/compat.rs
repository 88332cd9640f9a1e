//! How existing front ends name the parameters of a query, beside the names that the routes document.

use std::borrow::Cow;

/// Names of parameters, and what each is here.
pub const NAMES: [(&str, &str); 5] = [
    ("size", "limit"),
    ("pageSize", "limit"),
    ("itemsPerPage", "limit"),
    ("skip", "offset"),
    ("unreadOnly", "unread"),
];
/// Names that mean the opposite.
pub const OPPOSITES: [(&str, &str); 2] = [("isRead", "unread"), ("read", "unread")];

/// The query with the parameters under their documented names. Where two spellings contradict each other, both stay: the parameter
/// is given twice then.
pub fn query(raw: &str) -> Cow<'_, str> {
    let (mut pairs, mut renamed) = (Vec::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
        match rename(&name, &value) {
            None => pairs.push((name, value)),
            Some((here, value)) => {
                renamed.push(value.map(|value| (Cow::from(here), Cow::from(value.to_owned()))));
            }
        }
    }
    if renamed.is_empty() {
        return raw.into();
    }
    for pair in renamed.into_iter().flatten() {
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    let mut written = form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(pairs).finish().into()
}

/// The documented name and the value, where there is something to say.
fn rename<'v>(name: &str, value: &'v str) -> Option<(&'static str, Option<&'v str>)> {
    let here = |names: &[(&str, &'static str)]| {
        let mut names = names.iter();
        names
            .find(|(there, _)| *there == name)
            .map(|(_, here)| *here)
    };
    if let Some(here) = here(&OPPOSITES) {
        let opposite = match value {
            "true" => "false",
            "false" => "true",
            other => other,
        };
        return Some((here, Some(opposite)));
    }
    let here = here(&NAMES)?;
    // `false` means all of them, not the read ones.
    let says = !(name == "unreadOnly" && value == "false");
    Some((here, says.then_some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_get_their_documented_names() {
        for (given, expected) in [
            ("", ""),
            ("limit=5&t=1%2B2", "limit=5&t=1%2B2"),
            ("page=2&size=50", "page=2&limit=50"),
            ("skip=10&itemsPerPage=5", "offset=10&limit=5"),
            ("unreadOnly=true", "unread=true"),
            ("unreadOnly=false&x=%26", "x=%26"),
            ("isRead=false", "unread=true"),
            ("read=true", "unread=false"),
            ("read=maybe", "unread=maybe"),
            ("limit=5&size=5", "limit=5"),
            ("size=5&limit=5&x=1", "limit=5&x=1"),
            ("size=5&pageSize=5", "limit=5"),
            ("limit=5&size=6", "limit=5&limit=6"),
            ("isRead=true&unreadOnly=true", "unread=false&unread=true"),
        ] {
            assert_eq!(query(given), expected, "{given}");
        }
    }
}
