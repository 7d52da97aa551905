// SPDX-License-Identifier: GPL-2.0-only
//! The explorer would stand as a crate of its own: it knows nothing of what it is used for here.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The words of the code, without its comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// What the explorer stands on, and what stands on it.
const ABOVE: [&str; 2] = ["sync", "engine"];
const BELOW: [&str; 7] = [
    "kernel",
    "nfsd",
    "scenario",
    "library",
    "cli",
    "json",
    "nfsd_check",
];
/// More of that, whose names are ordinary words.
const BELOW_BY_PATH: [&str; 3] = ["check", "report", "model"];

#[test]
fn the_explorer_depends_on_nothing_that_it_is_used_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/dpor");
    let files = sources(&folder);
    assert!(files.len() > 15, "{files:?}");
    let mut named = [0; ABOVE.len()];
    for file in files {
        let about = file.display();
        let text = fs::read_to_string(&file).expect("it can be read");
        for word in words(&text) {
            assert!(!BELOW.contains(&word), "{about}: {word}");
            for (layer, count) in ABOVE.iter().zip(&mut named) {
                *count += usize::from(*layer == word);
            }
        }
        let groups = text.split("use crate::{").skip(1);
        let groups = groups.filter_map(|group| group.split("};").next());
        let named_in_groups: Vec<&str> = groups.flat_map(words).collect();
        for layer in BELOW_BY_PATH {
            assert!(
                !text.contains(&format!("crate::{layer}")),
                "{about}: {layer}"
            );
            assert!(!named_in_groups.contains(&layer), "{about}: {layer}");
        }
    }
    // The words are found where they are.
    assert!(named.iter().all(|&count| count > 0), "{named:?}");
}
