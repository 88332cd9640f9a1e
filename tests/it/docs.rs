//! The pages of the documentation lead somewhere.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by its path.
fn pages() -> HashMap<PathBuf, String> {
    let mut files = Vec::new();
    for folder in ["", "docs", "benches", "benches/results"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") {
                files.push(path);
            }
        }
    }
    files
        .into_iter()
        .map(|path| {
            (
                path.canonicalize().unwrap(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !fence && !is_code
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let pages = pages();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, text) in &pages {
        for link in prose(text).split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap();
            let elsewhere = ["http:", "https:", "mailto:"];
            if elsewhere.iter().any(|scheme| link.starts_with(scheme)) {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let place = format!(
                "{}: {link}",
                path.strip_prefix(root()).unwrap_or(path).display()
            );
            let Ok(target) = target.canonicalize() else {
                wrong.push(place);
                continue;
            };
            let known = pages.get(&target).map(|text| anchors(text));
            if !anchor.is_empty() && !known.is_some_and(|known| known.iter().any(|a| a == anchor)) {
                wrong.push(place);
            }
        }
    }
    assert!(count > 50, "{count}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_book_has_every_page_and_the_readme_is_short() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for path in pages().keys() {
        let is_page =
            path.parent() == Some(Path::new(&root().join("docs").canonicalize().unwrap()));
        let name = path.file_name().unwrap().to_str().unwrap();
        if is_page && name != "SUMMARY.md" {
            assert!(summary.contains(&format!("({name})")), "{name}");
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150);
}

/// The keys of the configuration with their defaults, as `section.key`.
fn defaults() -> Vec<(String, toml::Value)> {
    let defaults = toml::Table::try_from(schoolbell::Config::default()).unwrap();
    let sections = defaults.iter().flat_map(|(section, values)| {
        let values = values.as_table().unwrap().iter();
        values.map(move |(key, value)| (format!("{section}.{key}"), value.clone()))
    });
    sections.collect()
}

#[test]
fn the_sample_configuration_has_every_key_and_its_default() {
    let text = fs::read_to_string(root().join("config.toml")).unwrap();
    let sample: toml::Table = toml::from_str(&text).unwrap();
    let defaults = defaults();
    for (key, default) in &defaults {
        let (section, name) = key.split_once('.').unwrap();
        let value = sample.get(section).and_then(|section| section.get(name));
        assert_eq!(value, Some(default), "{key}");
    }
    let count: usize = sample.values().map(|s| s.as_table().unwrap().len()).sum();
    assert_eq!(count, defaults.len(), "a key that is no key");
}

#[test]
fn every_key_of_the_configuration_is_explained() {
    let page = |name: &str| fs::read_to_string(root().join("docs").join(name)).unwrap();
    let (pages, limits) = (page("configuration.md"), page("limits.md"));
    for (key, _) in defaults() {
        let (section, name) = key.split_once('.').unwrap();
        let is_told = match section {
            "limits" => {
                limits.contains(&format!("`{name}`")) || limits.contains(&format!("`{key}"))
            }
            // `retention.messages`, `.notifications`
            _ => pages.contains(&format!("`{key}`")) || pages.contains(&format!("`.{name}`")),
        };
        assert!(is_told, "{key}");
    }
}
