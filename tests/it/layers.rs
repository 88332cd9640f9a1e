//! The layout of the crate, held by reading its source.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom to the top. A module may use itself and what stands below it; those on one line may use each other.
const LAYERS: &[&[&str]] = &[
    &["log", "threads"],
    &["error"],
    &["model"],
    &["config", "metrics"],
    &["limits"],
    &["store", "hub", "auth"],
    &["app", "directory", "effects"],
    &["push"],
    &["service"],
    &["realtime"],
    &["api"],
    &["server"],
    &["cli"],
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

#[test]
fn only_the_edge_names_warp() {
    for (module, path, code) in modules() {
        if !["api", "server"].contains(&module.as_str()) {
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
fn nobody_publishes_but_the_dispatcher() {
    for (_, path, code) in modules() {
        let may = path.ends_with("hub/dispatcher.rs") || path.ends_with("hub/mod.rs");
        assert!(may || !code.contains(".publish("), "{}", path.display());
    }
}

/// A build needs a C compiler and nothing else, and the binary no library of the system.
#[test]
fn no_system_library_is_linked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"web-push\""));
    for name in ["openssl-sys", "native-tls", "aws-lc-sys", "curl-sys"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn nothing_unwraps() {
    for (_, path, code) in modules() {
        for word in [
            ".unwrap()",
            ".expect(",
            "panic!(",
            "todo!(",
            "unimplemented!(",
        ] {
            assert!(!code.contains(word), "{} has {word}", path.display());
        }
    }
}
