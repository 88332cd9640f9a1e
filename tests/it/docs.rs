//! The pages of the documentation lead somewhere, and say what the code says.

mod api;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use schoolbell::Config;
use schoolbell::config::reference;

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

/// Holds a generated text against its file. `UPDATE_DOCS=1 cargo test --test it docs` writes it.
fn is_up_to_date(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, expected).unwrap();
    }
    let actual = fs::read_to_string(path).unwrap();
    assert!(
        actual == expected,
        "{} is out of date: run UPDATE_DOCS=1 cargo test --test it docs",
        path.display()
    );
}

#[test]
fn the_sample_configuration_is_what_the_types_say() {
    let sample = reference::file(&Config::default());
    is_up_to_date(&root().join("config.toml"), &sample);
    let read: toml::Table = toml::from_str(&sample).unwrap();
    assert_eq!(read, toml::Table::try_from(Config::default()).unwrap());
}

/// A page with `<!-- keys: SECTIONS -->` shows the keys of these sections up to `<!-- end of keys -->`.
#[test]
fn every_key_of_the_configuration_is_in_a_table_of_the_pages() {
    let (start, end) = ("<!-- keys: ", "<!-- end of keys -->");
    let mut shown = Vec::new();
    for (path, text) in pages() {
        let mut parts = text.split(start);
        let mut expected = parts.next().unwrap().to_owned();
        for part in parts {
            let (sections, rest) = part.split_once(" -->").unwrap();
            let (_, after) = rest.split_once(end).unwrap();
            let names: Vec<&str> = sections.split(' ').collect();
            let table = reference::table(&names);
            expected += &format!("{start}{sections} -->\n\n{table}\n{end}{after}");
            shown.extend(names.into_iter().map(str::to_owned));
        }
        is_up_to_date(&path, &expected);
    }
    let all = reference::SECTIONS.iter().map(|(section, _)| *section);
    shown.sort();
    let mut all: Vec<&str> = all.collect();
    all.sort_unstable();
    assert_eq!(shown, all);
}

/// One unit for many schools is the unit for one, but for its names.
#[test]
fn the_template_is_the_unit_by_name() {
    let unit = |name: &str| fs::read_to_string(root().join("packaging").join(name)).unwrap();
    let body = |text: &str| text.split_once("After=").unwrap().1.to_owned();
    let one = body(&unit("schoolbell.service"));
    let many = body(&unit("schoolbell@.service"));
    let named = many
        .replace("/etc/schoolbell/%i.toml", "/etc/schoolbell/config.toml")
        .replace("schoolbell/%i", "schoolbell");
    assert_eq!(named, one);
}
