//! What changed in the version that runs, from the changelog that is embedded.

const CHANGELOG: &str = include_str!("../../CHANGELOG.md");

/// The section of this version, in Markdown; empty where there is none.
pub fn of_this_version() -> &'static str {
    of(CHANGELOG, env!("CARGO_PKG_VERSION"))
}

fn of<'a>(changelog: &'a str, version: &str) -> &'a str {
    let sections = changelog.split("\n## ").skip(1);
    let mut sections = sections.filter_map(|section| section.split_once('\n'));
    let is_wanted = |title: &str| title.split_whitespace().next() == Some(version);
    let found = sections.find(|(title, _)| is_wanted(title));
    found.map_or("", |(_, text)| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_has_this_version() {
        assert!(!of_this_version().is_empty());
        let text =
            "# Changelog\n\n## 1.10.0 (2027-01-01)\n\n- ten\n\n## 1.1.0\n\n### Added\n\n- one\n";
        assert_eq!(of(text, "1.1.0"), "### Added\n\n- one");
        assert_eq!(of(text, "1.10.0"), "- ten");
        assert_eq!(of(text, "1.1"), "");
    }
}
