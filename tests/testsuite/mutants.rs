// SPDX-License-Identifier: GPL-2.0-only
//! The mutants: every call of a primitive has some, and what became of each is on record.

use nfsd_check::{
    engine::{Limits, Program, dpor},
    library::Library,
    mutants::{
        argued, branches, coverage,
        primitives::{PRIMITIVES, primitive},
        run::{self, Fate},
        sites::{self, NO_CALLS, NO_KERNEL_CODE, SOURCES},
    },
    scenario::Expectation,
    sync::{
        atomic::AtomicU64,
        cell::Cell,
        engine::{Ordering, Phase},
        mutation::{Instrument, Mutation, Place, Weakening},
        thread,
    },
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// `nfsd-check mutate --format json`.
const RECORD: &str = include_str!("../../mutants.json");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn all_sources_are_looked_through() {
    let folders = ["src/kernel", "src/nfsd"].into_iter().flat_map(sources);
    let there: Vec<String> = folders
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    let listed: Vec<&str> = SOURCES.iter().map(|(file, _)| *file).collect();
    assert_eq!(listed, there);
}

/// What asks whether it is weakened, or hands its caller's place down to what does, is
/// `#[track_caller]`. Each of these is in the table, with what can be weakened in it or why nothing
/// can.
#[test]
fn every_primitive_is_in_the_table() {
    assert!(PRIMITIVES.is_sorted_by(|a, b| a.name < b.name));
    // Parts of the primitives themselves.
    let inside = [
        "perform",
        "perform_with",
        "reached",
        "is",
        "is_skipped",
        "is_weakened",
        "unless_skipped",
        "weakened",
        "test_bit_ordered",
        "wait_clear",
    ];
    let mut tracked = BTreeSet::new();
    let folders = ["src/kernel", "src/sync", "src/nfsd"];
    for path in folders.into_iter().flat_map(sources) {
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, _) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| **line == "#[track_caller]")
        {
            let function = lines[at..]
                .iter()
                .find(|line| line.contains("fn "))
                .unwrap();
            let name = function.split("fn ").nth(1).unwrap();
            let name = name.split(['(', '<']).next().unwrap();
            tracked.insert(name.to_owned());
        }
    }
    let missing: Vec<_> = tracked
        .iter()
        .filter(|name| !inside.contains(&name.as_str()) && primitive(name).is_none())
        .collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    for primitive in PRIMITIVES {
        if primitive.weakenings.is_empty() {
            assert!(
                !primitive.why_none.is_empty(),
                "{}: no reason",
                primitive.name
            );
        } else {
            assert!(
                tracked.contains(primitive.name),
                "{} is never asked",
                primitive.name
            );
        }
    }
}

/// The exceptions are all there, and what runs is nowhere but at a call that is known: so no call of a
/// primitive has been missed in what these scenarios run.
#[test]
fn what_runs_is_what_was_found() {
    let found = sites::find();
    let fits: BTreeSet<usize> = found.no_calls.values().copied().collect();
    assert_eq!(fits.len(), NO_CALLS.len(), "an exception fits no call");
    let fits: BTreeSet<usize> = found.no_kernel_code.values().copied().collect();
    assert_eq!(
        fits.len(),
        NO_KERNEL_CODE.len(),
        "an exception fits no function"
    );

    let mut known: BTreeSet<Place> = found.sites.iter().map(|site| site.place).collect();
    known.extend(found.no_kernel_code.keys());
    let enters = found.functions.iter().flat_map(|function| &function.enters);
    known.extend(enters.map(|(place, _)| *place));
    let library = Library::at(root()).unwrap();
    let mut everywhere = BTreeSet::new();
    for scenario in library.scenarios().unwrap().into_iter().map(Arc::new) {
        for model in ["v4", "v6.12", "nfsd-next", "v4-invalidate-one-by-one"] {
            if scenario.expected(model).is_none() {
                continue;
            }
            let model = Arc::new(library.model(model).unwrap());
            let reached = run::reach(&scenario, &model, 30).unwrap();
            for place in &reached {
                let plain = found.no_calls.get(place);
                let is_plain = plain.is_some_and(|at| NO_CALLS[*at].2.contains("plain memory"));
                let is_source = SOURCES.iter().any(|(file, _)| *file == place.file);
                assert!(
                    known.contains(place) || is_plain || !is_source,
                    "a primitive is called at {place:?}, which was not found"
                );
            }
            everywhere.extend(reached);
        }
    }
    // Coverage the other way round: there is no function that nothing runs.
    let all = coverage::functions(&found);
    assert_eq!(coverage::of(&found, &everywhere).functions, all);
}

/// A pass of the laundrette takes branches of its own, and none of the client's.
#[test]
fn a_scenario_takes_its_branches() {
    let found = sites::find();
    let branches = branches::find(&found);
    let library = Library::at(root()).unwrap();
    let model = Arc::new(library.model("v4").unwrap());
    let of = |scenario: &str| -> BTreeSet<String> {
        let scenario = Arc::new(library.scenario(scenario).unwrap());
        let reached = run::reach(&scenario, &model, 30).unwrap();
        let taken = branches.iter().filter(|branch| branch.is_taken(&reached));
        taken.map(|branch| branch.function.clone()).collect()
    };
    let (gc, client) = (of("gc-vs-stop"), of("client-io-vs-stop"));
    assert!(gc.contains("nfsd_file_lru_cb") && !client.contains("nfsd_file_lru_cb"));
    assert!(client.contains("nfs_uuid_add_file") && !gc.contains("nfs_uuid_add_file"));
}

fn record() -> BTreeMap<String, Value> {
    let document: Value = serde_json::from_str(RECORD).unwrap();
    let mutants = document["mutants"].as_array().unwrap();
    let named = mutants.iter().map(|mutant| {
        let name = mutant["mutant"].as_str().unwrap().to_owned();
        (name, mutant.clone())
    });
    named.collect()
}

/// Every call has mutants or a reason why not, and each mutant a fate: it was caught, or somebody has
/// said why nothing can catch it, or it is one of those that are open.
#[test]
fn every_mutant_is_on_record() {
    let record = record();
    let mut there = BTreeSet::new();
    for site in sites::find().sites {
        let primitive = primitive(site.primitive).unwrap();
        assert!(
            !site.weakenings.is_empty() || !primitive.why_none.is_empty() || {
                // Nothing to relax.
                primitive.weakenings.len() == 1
            },
            "{} has no mutant",
            site.name()
        );
        for weakening in &site.weakenings {
            there.insert(argued::mutant_name(&site, *weakening));
        }
    }
    let missing: Vec<_> = there
        .iter()
        .filter(|name| !record.contains_key(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "run 'nfsd-check mutate' for these, and record what comes of it: {missing:#?}"
    );
    let stale: Vec<_> = record
        .keys()
        .filter(|name| !there.contains(*name))
        .collect();
    assert!(stale.is_empty(), "on record and not there: {stale:#?}");
    for argument in argued::all() {
        assert!(!argument.argument.is_empty());
        for mutant in argument.mutants {
            assert!(there.contains(&mutant), "argued and not there: {mutant}");
            assert_ne!(
                record[&mutant]["fate"], "caught",
                "argued, but caught: {mutant}"
            );
        }
    }
}

/// Some of what was caught is caught again, in the same scenario and with the same kind.
#[test]
fn what_was_caught_is_caught() {
    let library = Library::at(root()).unwrap();
    let mut tried = 0;
    let caught = record();
    let caught = caught.iter().filter(|(_, mutant)| {
        mutant["fate"] == "caught"
            && mutant["memory_model"] == "sc"
            && mutant["executions"].as_u64().unwrap() <= 200
            && mutant["kind"] != "livelock"
    });
    let caught: BTreeMap<_, _> = caught.collect();
    let sites = sites::find().sites;
    for site in &sites {
        for weakening in &site.weakenings {
            let name = argued::mutant_name(site, *weakening);
            let Some(mutant) = caught.get(&name) else {
                continue;
            };
            tried += 1;
            if tried % 6 != 0 {
                continue;
            }
            let scenario = library
                .scenario(mutant["scenario"].as_str().unwrap())
                .unwrap();
            let model = library.model(mutant["model"].as_str().unwrap()).unwrap();
            assert_eq!(scenario.expected(&model.name), Some(&Expectation::Holds));
            let subject = run::observe(&Arc::new(scenario), &Arc::new(model), 200);
            let subject = subject.unwrap().expect("it holds");
            // Under RC11 a tenth is run.
            let most = 200.max(10 * mutant["executions"].as_u64().unwrap());
            match run::fate(site, *weakening, &[subject], None, most) {
                Fate::Caught { kind, .. } => assert_eq!(kind.name(), mutant["kind"], "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    assert!(tried > 100);
}

/// What is put off is done after the next step, and that step is whole by then.
#[test]
fn a_call_that_comes_later_comes_after_all_of_the_next_step() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let instrumented = |instrument: &Arc<Instrument>| -> Program {
        let (instrument, seen) = (Arc::clone(instrument), Arc::clone(&seen));
        Arc::new(move || {
            Instrument::begin(Some(&instrument));
            let told = Arc::new(AtomicU64::new("told", 0));
            let number = Arc::new(Cell::new("number", 0));
            thread::set_phase(Phase::Concurrent);
            {
                let (told, number) = (Arc::clone(&told), Arc::clone(&number));
                let seen = Arc::clone(&seen);
                thread::spawn_detached("looks", move || {
                    let number = number.get();
                    let told = told.load(Ordering::SeqCst);
                    seen.lock().unwrap().insert((told, number));
                });
            }
            told.store(1, Ordering::SeqCst);
            number.set(5);
            thread::settle();
            thread::set_phase(Phase::Alone);
        })
    };
    let explore = |instrument: &Arc<Instrument>| {
        let limits = Limits {
            all: true,
            ..Limits::default()
        };
        assert!(dpor::explore(&instrumented(instrument), &limits).complete);
        std::mem::take(&mut *seen.lock().unwrap())
    };
    let observing = Instrument::observing();
    let not_weakened = BTreeSet::from([(0, 0), (1, 0), (1, 5)]);
    assert_eq!(explore(&observing), not_weakened);
    // Of the calls here that can be weakened, the store is the last but one.
    let here = observing.reached();
    let mut here = here.into_iter().rev().filter(|p| p.file == file!());
    let later = Instrument::weakening(Mutation {
        place: here.nth(1).unwrap(),
        weakening: Weakening::Later,
    });
    let weakened = BTreeSet::from([(0, 0), (0, 5), (1, 0), (1, 5)]);
    assert_eq!(explore(&later), weakened);
    assert!(later.was_applied());
}
