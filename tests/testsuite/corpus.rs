// SPDX-License-Identifier: GPL-2.0-only
//! The bugs that there were: each is found where it is, as what was reported. That the same tree
//! without it holds, and that exactly these kinds are found, is left to the gate.

use nfsd_check::{
    check::program::program,
    engine::{Limits, dpor},
    library::Library,
    scenario::Expectation,
    sync::violation::ViolationKind::{self, *},
};
use std::{path::Path, sync::Arc};

/// What the reports say, in the checker's words: one of these kinds.
const REPORTED: &[(&str, &[ViolationKind])] = &[
    ("A1", &[UseAfterDestroy, ObjectsRemaining]),
    ("A2", &[UseAfterFree, Refcount]),
    ("A3", &[UseAfterFree]),
    ("A4", &[ObjectsRemaining, Leak]),
    ("A7", &[UseAfterFree]),
    // A NULL pointer is dereferenced.
    ("A8", &[Warning]),
    ("A8, reloaded", &[Warning]),
    ("A9", &[UseAfterFree]),
    ("A10", &[Leak]),
    ("B1", &[UseAfterDestroy, ObjectsRemaining]),
    ("B2", &[HungTask]),
    ("B3", &[UseAfterFree]),
    ("B8", &[SleepInAtomic]),
    ("B9", &[HungTask]),
    ("B10", &[ListCorruption]),
    ("B11", &[HungTask]),
    ("B13", &[Leak]),
    ("C1", &[Refcount, Leak, ObjectsRemaining]),
    ("C4", &[UseAfterFree]),
    ("C6", &[UseAfterFree, Refcount]),
    ("C7", &[UseAfterFree]),
    ("C9", &[Leak, ObjectsRemaining]),
    ("C12", &[DoubleFree, Refcount]),
    ("C13", &[UseAfterFree]),
    ("D1", &[Warning, Leak]),
    // Seen as two accesses that nothing orders: a load of an old value is not explored.
    ("D2", &[DataRace]),
    ("D2, flags", &[Warning]),
    ("D4", &[UseAfterFree]),
    ("E5", &[UseAfterDestroy]),
];

/// A control is expected to hold with the fix and without it; that it does is left to the gate.
#[test]
fn every_control_holds_in_both_forms() {
    let library = Library::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut entries = Vec::new();
    for model in library.models().unwrap() {
        let Some(control) = &model.control else {
            continue;
        };
        let scenario = library.scenario(&control.scenario).unwrap();
        for name in [&model.name, &control.fixed] {
            assert_eq!(scenario.expected(name), Some(&Expectation::Holds), "{name}");
        }
        assert!(model.bug.is_none(), "{}", model.name);
        entries.push(control.entry.clone());
    }
    entries.sort();
    assert_eq!(entries, ["789e1e10f214", "B12", "C8", "v1 4/8"]);
}

/// Of A1 and A2 there is no commit: they were never merged.
#[test]
fn every_bug_names_its_mail_and_its_commit() {
    let library = Library::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    for model in library.models().unwrap() {
        let Some(bug) = &model.bug else { continue };
        let mut words = model.source.split(|c: char| !c.is_ascii_alphanumeric());
        let is_commit =
            |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let has_commit = words.any(is_commit) || ["A1", "A2"].contains(&&*bug.entry);
        assert!(has_commit, "{}: {}", bug.entry, model.source);
        assert!(
            model.source.contains("Message-Id: <"),
            "{}: {}",
            bug.entry,
            model.source
        );
    }
}

#[test]
fn every_bug_is_found_as_it_was_reported() {
    let library = Library::at(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut entries = Vec::new();
    for model in library.models().unwrap() {
        let Some(bug) = &model.bug else { continue };
        let scenario = Arc::new(library.scenario(&bug.scenario).unwrap());
        let reported = REPORTED.iter().find(|(entry, _)| *entry == bug.entry);
        let (_, kinds) = reported.unwrap_or_else(|| panic!("{} is not in the list", bug.entry));
        // Until one of the kinds is found: most are at once.
        let mut limits = Limits {
            all: true,
            ..Limits::default()
        };
        let found = [500, 10_000, 400_000].into_iter().any(|executions| {
            limits.max_executions = Some(executions);
            let exploration = dpor::explore(&program(&scenario, model.choices), &limits);
            let found = |kind: &ViolationKind| exploration.findings.iter().any(|f| f.kind == *kind);
            kinds.iter().any(found)
        });
        assert!(found, "{}: {} on {}", bug.entry, scenario.name, model.name);
        entries.push(bug.entry.clone());
    }
    assert_eq!(entries.len(), REPORTED.len());
}
