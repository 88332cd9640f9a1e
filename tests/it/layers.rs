//! The layout of the crate, held by reading its source.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom to the top. A module may use itself and what stands below it; those on one line may use each other.
const LAYERS: &[&[&str]] = &[
    &["log", "threads", "transport"],
    &["error", "rule"],
    &["model"],
    &["config", "metrics"],
    &["limits"],
    &["store", "hub", "auth"],
    &[
        "app",
        "user_cache",
        "decisions",
        "school",
        "effects",
        "states",
    ],
    &["push", "mail"],
    &["service"],
    &["ops"],
    &["jobs"],
    &["realtime"],
    &["api"],
    &["server"],
    &["cli"],
    &["testing"],
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Each source file with its top module and its text, tests and comments left out.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative.components().next().unwrap().as_os_str();
            let module = first.to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
            (
                module,
                relative.to_owned(),
                lines.collect::<Vec<_>>().join("\n"),
            )
        })
        .filter(|(module, ..)| module != "lib" && module != "main")
        .collect()
}

fn level(module: &str) -> usize {
    let found = LAYERS.iter().position(|layer| layer.contains(&module));
    found.unwrap_or_else(|| {
        panic!("{module} has no layer: add it to LAYERS and to the map in lib.rs")
    })
}

/// The modules that a text names as `crate::module`, also inside `use crate::{a, b}`.
fn uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap(),
            None => rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap(),
        };
        for name in list.split(',') {
            let head = name.trim().split("::").next().unwrap();
            if head.chars().all(|c| c.is_lowercase() || c == '_') && !head.is_empty() {
                found.push(head.to_owned());
            }
        }
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        for used in uses(&code) {
            if level(&used) > level(&module) {
                wrong.push(format!("{} uses crate::{used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The full paths of a `use` tree, or of a path in an expression: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let segments = tree
            .split("::")
            .map(|s| s.trim().split(' ').next().unwrap().to_owned());
        found.push(prefix.iter().cloned().chain(segments).collect());
        return;
    };
    let head = tree[..open]
        .split("::")
        .map(str::trim)
        .filter(|s| !s.is_empty());
    let prefix: Vec<String> = prefix
        .iter()
        .cloned()
        .chain(head.map(str::to_owned))
        .collect();
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                paths(&inner[start..at], &prefix, found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        paths(&inner[start..], &prefix, found);
    }
}

/// What a text names of its own crate, as paths that begin with `crate` or `super`.
fn named(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[at..];
            let is_use = code[..at]
                .rsplit('\n')
                .next()
                .unwrap()
                .trim_start()
                .contains("use ");
            let end = match is_use {
                true => rest.find(';').unwrap_or(rest.len()),
                false => rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                    .unwrap_or(rest.len()),
            };
            paths(&rest[..end], &[], &mut found);
        }
    }
    found
}

/// Which file takes something from which, by module path. A folder's `mod.rs` stands over the files of the folder: what it takes
/// from them is left out.
fn arrows(root: &Path) -> std::collections::BTreeMap<Vec<String>, Vec<Vec<String>>> {
    let mut files = Vec::new();
    sources(root, &mut files);
    let module = |path: &Path| -> Vec<String> {
        let relative = path.strip_prefix(root).unwrap().with_extension("");
        let parts = relative
            .iter()
            .map(|part| part.to_str().unwrap().to_owned());
        parts
            .filter(|part| !["mod", "lib", "main"].contains(&&**part))
            .collect()
    };
    let modules: std::collections::BTreeMap<Vec<String>, PathBuf> = files
        .into_iter()
        .map(|path| (module(&path), path))
        .collect();
    let mut arrows = std::collections::BTreeMap::new();
    for (from, path) in &modules {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code: Vec<&str> = code
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect();
        let mut to = Vec::new();
        for named in named(&code.join("\n")) {
            let mut base = match named[0].as_str() {
                "crate" => Vec::new(),
                _ => from[..from.len().saturating_sub(1)].to_vec(),
            };
            for segment in &named[1..] {
                match segment.as_str() {
                    "super" => drop(base.pop()),
                    segment => base.push(segment.to_owned()),
                }
            }
            while !base.is_empty() && !modules.contains_key(&base) {
                base.pop();
            }
            if !base.is_empty() && base != *from && !base.starts_with(from) {
                to.push(base);
            }
        }
        arrows.insert(from.clone(), to);
    }
    arrows
}

/// No file needs another that needs it: each can be read with what stands below it alone.
#[test]
fn no_files_go_round_in_a_circle() {
    for folder in ["src", "benches/load"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut arrows = arrows(&root);
        assert!(
            arrows.values().map(Vec::len).sum::<usize>() > arrows.len() / 2,
            "{folder}"
        );
        // Takes away what needs nothing that is left, until all is taken away or goes round.
        loop {
            let done: Vec<_> = arrows
                .iter()
                .filter(|(_, to)| to.iter().all(|to| !arrows.contains_key(to)))
                .map(|(from, _)| from.clone())
                .collect();
            if done.is_empty() {
                break;
            }
            arrows.retain(|from, _| !done.contains(from));
        }
        let names: Vec<String> = arrows.keys().map(|path| path.join("::")).collect();
        assert!(
            names.is_empty(),
            "{folder}: a circle, and what needs it: {names:#?}"
        );
    }
}

#[test]
fn only_the_edge_names_warp() {
    for (module, path, code) in modules() {
        // `testing` asks the routes by `warp::test`.
        if !["api", "server", "testing"].contains(&module.as_str()) {
            assert!(!code.contains("warp::"), "{}", path.display());
        }
    }
}

#[test]
fn only_the_store_writes_sql() {
    for (module, path, code) in modules() {
        if module != "store" {
            for word in ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE "] {
                assert!(!code.contains(word), "{} has {word}", path.display());
            }
        }
    }
}

/// Durable events leave by the dispatcher alone: nobody else may call `publish`.
#[test]
fn only_the_dispatcher_publishes() {
    for (_, path, code) in modules() {
        let may = path.ends_with("hub/dispatcher.rs") || path.ends_with("hub/mod.rs");
        assert!(may || !code.contains(".publish("), "{}", path.display());
    }
}

/// Words that once stood for what the field has words for; the glossary is in `lib.rs`.
#[test]
fn the_old_vocabulary_stays_gone() {
    let old = [
        "doubt",
        "doubts",
        "promised",
        "seat",
        "seats",
        "pressure",
        "tally",
        "directory",
        "settlement",
        "anew",
    ];
    for (_, path, code) in modules() {
        // Of types, functions and fields: prose and texts for people may need such a word.
        let names = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        for name in names.filter(|name| old.contains(&name.to_lowercase().as_str())) {
            // A list of people, whose name stands in cursors; and what ACME calls the start of its API.
            let is_acme = name == "directory"
                && ["acme.rs", "server.rs"]
                    .iter()
                    .any(|file| path.ends_with(file));
            assert!(name == "Directory" || is_acme, "{}: {name}", path.display());
        }
    }
}
