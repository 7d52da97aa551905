// SPDX-License-Identifier: GPL-2.0-only
//! Hunts: what they find on a model whose races are known, that they do it the same way each time,
//! and the command from outside.

use crate::binary::{self, run};
use nfsd_check::{
    check,
    engine::Limits,
    hunt::{
        Found, Hunt, State, line,
        space::{Bounds, Next, Space},
    },
    library::Library,
    model::Model,
    scenario::Expectation,
    sync::violation::ViolationKind,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

const ONE_NET: Bounds = Bounds {
    actors: 2,
    operations: 1,
    nets: 1,
    close_export: false,
    client: false,
};

fn model(name: &str) -> Model {
    Library::builtin().model(name).unwrap()
}

fn limits(max_executions: u64) -> Limits {
    Limits {
        max_executions: Some(max_executions),
        ..Limits::default()
    }
}

/// Enough for the most part, and soon done.
const FEW: u64 = 200;

fn new<'m>(model: &'m Model, limits: Limits, state: State) -> Hunt<'m> {
    Hunt::new(model, ONE_NET, limits, false, state).expect("a state of this hunt")
}

fn no_files(_: &Found) -> Vec<String> {
    Vec::new()
}

/// A hunt without a break.
fn to_the_end(model: &Model, max_executions: u64, jobs: usize) -> State {
    let mut hunt = new(model, limits(max_executions), State::default());
    while hunt.batch(jobs, no_files, |_| ()) {}
    assert!(hunt.state.finished);
    hunt.state
}

fn text(state: &State) -> String {
    serde_json::to_string_pretty(state).unwrap()
}

/// The two races of the thread, which nobody told it of: the order of the puts, and the reference
/// that is taken on a namespace that is going away.
#[test]
fn both_races_of_the_thread_are_found() {
    let state = to_the_end(&model("v2-8of9"), 2_000, 2);
    let finding = |line: &str| {
        let mut findings = state.findings.iter();
        let found = findings.find(|finding| finding.line == line);
        let signatures = &found
            .unwrap_or_else(|| panic!("{:#?}", state.findings))
            .signatures;
        let kinds = signatures.iter().map(|s| (s.kind, &*s.object));
        kinds.collect::<BTreeSet<_>>()
    };
    assert_eq!(
        finding("[start A; x = local_open A i0] local_done x || stop A"),
        BTreeSet::from([
            (ViolationKind::ObjectsRemaining, "nfsd_file_slab"),
            (ViolationKind::UseAfterDestroy, "nfsd_file_slab"),
        ])
    );
    let dying = finding("[start A; x = acquire A i0 gc] unlink i0 || umount A");
    assert!(dying.contains(&(ViolationKind::Refcount, "net.ns.count")));
    assert!(dying.contains(&(ViolationKind::UseAfterFree, "nfsd_net")));
    // What is the same is reported once.
    for (index, finding) in state.findings.iter().enumerate() {
        let earlier = &state.findings[..index];
        let is_known = |s| earlier.iter().any(|other| other.signatures.contains(s));
        assert!(!finding.signatures.iter().all(is_known), "{finding:#?}");
    }
}

/// What is kept in `scenarios/found/` shows what it says, and holds where the choice that would close
/// it is made.
#[test]
fn what_was_found_is_still_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = Library::at(root).unwrap();
    let files = fs::read_dir(root.join("scenarios/found")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for file in files.filter(|file| file.extension().is_some_and(|e| e == "json")) {
        let scenario = Arc::new(library.scenario(file.to_str().unwrap()).unwrap());
        let closed = scenario
            .expect
            .iter()
            .any(|(_, e)| *e == Expectation::Holds);
        assert!(closed, "{}: nothing that would close it", scenario.name);
        for (name, expected) in &scenario.expect {
            let model = library.model(name).unwrap();
            let limits = Limits {
                all: true,
                ..Limits::default()
            };
            let exploration = check::explore(&scenario, model.choices, &limits);
            assert!(exploration.complete);
            let found: BTreeSet<_> = exploration.findings.iter().map(|f| f.kind).collect();
            let expected = match expected {
                Expectation::Violated(kinds) => kinds.iter().copied().collect(),
                _ => BTreeSet::new(),
            };
            assert_eq!(found, expected, "{} on {name}", scenario.name);
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let model = model("v2-8of9");
    let one = to_the_end(&model, FEW, 1);
    assert!(!one.undecided.is_empty() && !one.findings.is_empty());
    assert_eq!(text(&one), text(&to_the_end(&model, FEW, 3)));
}

#[test]
fn a_hunt_that_is_stopped_again_and_again_finds_the_same() {
    let model = model("v2-8of9");
    let mut saved = text(&State::default());
    let mut stops = 0;
    let state = loop {
        let limits = limits(FEW);
        let interrupted = Arc::clone(&limits.interrupted);
        let mut hunt = new(&model, limits, serde_json::from_str(&saved).unwrap());
        // Somewhere in a batch, and later each time: a scenario has to come to its end in between.
        let stop = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100 * (1 + stops)));
            interrupted.store(true, Ordering::Relaxed);
        });
        while hunt.batch(2, no_files, |_| ()) {}
        stop.join().unwrap();
        saved = text(&hunt.state);
        stops += 1;
        if hunt.state.finished {
            break hunt.state;
        }
        assert!(stops < 100);
    };
    assert!(stops > 2, "it was not stopped at all");
    assert_eq!(text(&state), text(&to_the_end(&model, FEW, 2)));
}

#[test]
fn a_state_of_another_space_is_refused() {
    let model = model("v4");
    let mut hunt = new(&model, limits(FEW), State::default());
    assert!(hunt.batch(2, no_files, |_| ()));
    let mut value = serde_json::to_value(&hunt.state).unwrap();
    value["position"]["setup"] = 1_000.into();
    let state = serde_json::from_value(value).unwrap();
    assert!(Hunt::new(&model, ONE_NET, limits(FEW), false, state).is_none());
}

/// Each scenario once: no two have the same line, and none is another one by other names.
#[test]
fn no_scenario_is_made_twice() {
    let bounds = Bounds {
        operations: 2,
        ..ONE_NET
    };
    let mut lines = BTreeSet::new();
    let mut sizes = Vec::new();
    for next in Space::new(bounds) {
        if let Next::Scenario(scenario, size, _) = next {
            assert!(lines.insert(line(&scenario)), "{}", line(&scenario));
            sizes.push(size);
            if scenario.actors.len() == 2 {
                let mut swapped = (*scenario).clone();
                swapped.actors.reverse();
                let swapped = line(&swapped);
                assert!(swapped == line(&scenario) || !lines.contains(&swapped));
            }
        }
    }
    assert!(sizes.is_sorted(), "smallest first");
    assert_eq!(sizes.last(), Some(&4));
    for there in [
        "[start A] stop A || start A",
        "[start A] stop A; start A || gc",
        "[] start A; stop A || start A",
        // It comes before the start, or after it.
        "[] f1 = acquire A i0 || start A",
        "[start A] f1 = local_open A i0; local_done f1 || stop A; start A",
        "[start A; x = acquire A i0 gc] put x || umount A",
    ] {
        assert!(lines.contains(there), "{there}");
    }
    for absent in [
        // Nobody completes the I/O that the stop waits for.
        "[start A; x = local_open A i0] stop A",
        "[start A] f1 = local_open A i0 || stop A",
        "[start A; x = local_open A i0] stop A; local_done x",
        // It runs, or does not, already.
        "[start A] start A",
        "[] stop A",
        // Who starts a server holds on to its net.
        "[start A] umount A || start A",
        "[start A] unlink i0 || unlink i0",
        "[start A; x = acquire A i0] put x || put x",
        "[] f1 = acquire A i0",
    ] {
        assert!(!lines.contains(absent), "{absent}");
    }
}

/// Two nets that only run are alike, and so are two files that are.
#[test]
fn names_make_no_difference() {
    let bounds = Bounds { nets: 2, ..ONE_NET };
    let scenarios = Space::new(bounds).filter_map(|next| match next {
        Next::Scenario(scenario, ..) => Some(line(&scenario)),
        Next::Refused(..) => None,
    });
    let lines: BTreeSet<_> = scenarios.collect();
    for (setup, actors, other) in [
        ("start A; start B", "flush A || stop B", "flush B || stop A"),
        (
            "start A; start B; x = acquire A i0 gc; put x; y = acquire B i0 gc; put y; gc",
            "flush A || stop B",
            "flush B || stop A",
        ),
        (
            "start A; x = acquire A i0 gc; put x; y = acquire A i1 gc; put y; gc",
            "setlease i0 || unlink i1",
            "setlease i1 || unlink i0",
        ),
    ] {
        assert!(lines.contains(&format!("[{setup}] {actors}")), "{setup}");
        assert!(!lines.contains(&format!("[{setup}] {other}")), "{setup}");
    }
    // Where the nets are not alike, it is another scenario.
    for actors in ["flush A || stop B", "flush B || stop A"] {
        let setup = "start A; start B; x = acquire B i0";
        assert!(lines.contains(&format!("[{setup}] {actors}")), "{actors}");
    }
}

fn folder(test: &str) -> PathBuf {
    binary::folder(&format!("hunt-{test}"))
}

const SMALL: [&str; 9] = [
    "hunt",
    "--model",
    "v2-8of9",
    "--operations",
    "1",
    "--nets",
    "1",
    "--max-executions",
    "2000",
];

#[test]
fn what_is_found_is_written_and_replays() {
    let folder = folder("written");
    let (status, stdout, _) = run(&folder, &SMALL);
    assert_eq!(status, 1, "{stdout}");
    let scenario = "hunt/local-done-vs-stop.json";
    let counterexample = "hunt/local-done-vs-stop-v2-8of9-objects-remaining.json";
    assert!(stdout.contains(&format!("  {scenario}\n")), "{stdout}");
    assert!(
        stdout.contains(&format!("  nfsd-check replay {counterexample}\n")),
        "{stdout}"
    );
    let (status, ..) = run(&folder, &["replay", counterexample]);
    assert_eq!(status, 1);
    let kept = fs::read_to_string(folder.join(counterexample)).unwrap();
    let fewest = "\"fewest_preemptions\": true,\n    \"fewest_steps\": true";
    assert!(kept.contains(fewest), "{kept}");
    // It expects what was found, so the gate passes.
    let (status, stdout, stderr) = run(&folder, &["gate", scenario]);
    assert_eq!(status, 0, "{stdout}{stderr}");

    // Again: it is done, and says the same.
    let first = fs::read(folder.join("hunt/v2-8of9.hunt.json")).unwrap();
    let (status, again, stderr) = run(&folder, &SMALL);
    assert_eq!(status, 1);
    assert!(stderr.contains("0 scenarios this time"), "{stderr}");
    let summary = |text: &str| text.split("\n\n").skip(1).collect::<Vec<_>>().join("\n\n");
    assert_eq!(summary(&again), summary(&stdout_of(&folder)));
    assert_eq!(
        first,
        fs::read(folder.join("hunt/v2-8of9.hunt.json")).unwrap()
    );
    // The other hunt, on more threads, has written the same files.
    let other = counterexample.replace("hunt/", "second/");
    assert_eq!(kept, fs::read_to_string(folder.join(other)).unwrap());
}

/// What a hunt of its own prints that finds the same.
fn stdout_of(folder: &Path) -> String {
    let (_, stdout, _) = run(
        folder,
        &[&SMALL[..], &["--out", "second", "--jobs", "3"]].concat(),
    );
    stdout
}

#[test]
fn the_document_says_what_was_covered() {
    let folder = folder("document");
    let (status, stdout, _) = run(&folder, &[&SMALL[..], &["--format", "json"]].concat());
    assert_eq!(status, 1);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["finished"], true);
    let total = &document["total"];
    let count = |name: &str| total[name].as_u64().unwrap();
    assert_eq!(
        count("made"),
        count("hold") + count("violated") + count("contain") + count("undecided")
    );
    assert!(count("hold") > 0 && count("violated") > 0 && count("invalid") > 0);
    let undecided = document["undecided_scenarios"].as_array().unwrap();
    assert_eq!(undecided.len() as u64, count("undecided"));
    let findings = document["findings"].as_array().unwrap();
    let again: u64 = findings.iter().map(|f| f["again"].as_u64().unwrap()).sum();
    assert_eq!(findings.len() as u64 + again, count("violated"));
}

#[test]
fn a_hunt_that_is_cut_short_goes_on() {
    let folder = folder("cut");
    let (status, stdout, _) = run(&folder, &[&SMALL[..], &["--budget", "0.01"]].concat());
    assert!(status == 3 || status == 1, "{status}");
    assert!(stdout.contains("not all there are"), "{stdout}");
    let (status, ..) = run(&folder, &SMALL);
    assert_eq!(status, 1);
    let other = [&SMALL[..7], &["--max-executions", "10"]].concat();
    let (status, stdout, stderr) = run(&folder, &other);
    assert_eq!((status, &*stdout), (2, ""));
    assert!(stderr.contains("the state of another hunt"), "{stderr}");
    assert!(stderr.contains("--max-executions 2000"), "{stderr}");
}

#[test]
fn what_is_undecided_is_named_and_holds_nothing() {
    let folder = folder("undecided");
    let args = [
        "hunt",
        "--model",
        "v4",
        "--operations",
        "1",
        "--actors",
        "1",
        "--nets",
        "1",
    ];
    let (status, stdout, _) = run(&folder, &args);
    assert_eq!(status, 0, "{stdout}");
    let args = [&args[..], &["--max-executions", "1", "--out", "few"]].concat();
    let (status, stdout, _) = run(&folder, &args);
    assert_eq!(status, 3, "{stdout}");
    assert!(stdout.contains("\nundecided:\n"), "{stdout}");
    assert!(
        stdout.contains("stopped after 1 execution, as asked"),
        "{stdout}"
    );
}

#[test]
fn bad_input_is_refused() {
    let folder = folder("bad");
    let (status, _, stderr) = run(&folder, &["hunt", "--model", "v2-8of8"]);
    assert_eq!(status, 2);
    assert!(stderr.contains("did you mean 'v2-8of9'?"), "{stderr}");
    let (status, _, stderr) = run(&folder, &["hunt", "--model", "v4", "--nets", "3"]);
    assert_eq!(status, 2);
    assert!(stderr.contains("--nets"), "{stderr}");
    fs::create_dir_all(folder.join("hunt")).unwrap();
    fs::write(folder.join("hunt/v4.hunt.json"), "{").unwrap();
    let (status, _, stderr) = run(&folder, &["hunt", "--model", "v4"]);
    assert_eq!(status, 2);
    assert!(stderr.contains("hunt/v4.hunt.json"), "{stderr}");
    assert_eq!(
        fs::read_to_string(folder.join("hunt/v4.hunt.json")).unwrap(),
        "{"
    );
}

/// What a hunt with a client finds on a model, where something holds.
fn found_with_a_client(name: &str) -> Vec<String> {
    let bounds = Bounds {
        client: true,
        ..ONE_NET
    };
    let model = model(name);
    let state = State::default();
    let mut hunt = Hunt::new(&model, bounds, limits(FEW), false, state).unwrap();
    while hunt.batch(1, no_files, |_| ()) {}
    assert!(hunt.state.counts.iter().any(|counts| counts.hold > 0));
    let findings = hunt.state.findings.into_iter();
    findings.map(|finding| finding.line).collect()
}

/// The races of the client's side, of which nobody told it.
#[test]
fn a_hunt_on_a_client_finds_what_is_known_of_it() {
    let v4 = found_with_a_client("v4");
    for line in [
        "[start A] flush A || local_probe c",
        "[start A; local_probe c] flush A || local_disable c",
    ] {
        assert!(v4.iter().any(|found| found == line), "{v4:#?}");
    }
    assert_eq!(found_with_a_client("v4-all-closed"), [""; 0]);
}

/// The client of v6.12 has one lock, and what breaks there is what the server does with a file.
#[test]
fn a_hunt_on_the_client_of_v6_12_finds_what_is_known_of_the_cache() {
    let v6_12 = found_with_a_client("v6.12");
    let known = "[start A; local_probe c; x = local_io c i0] setlease i0 || local_done x";
    assert!(v6_12.iter().any(|found| found == known), "{v6_12:#?}");
    let of_client = ["local_probe", "local_disable", "local_umount"];
    for found in &v6_12 {
        let actors = found.split("] ").nth(1).unwrap();
        assert!(!of_client.iter().any(|op| actors.contains(op)), "{found}");
    }
}
