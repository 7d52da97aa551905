// SPDX-License-Identifier: GPL-2.0-only
//! A counterexample survives its file, and a file that is not what was written is refused.

use nfsd_check::{
    check::program::program,
    engine::{Limits, dpor::explore},
    library::{Library, LoadError},
    model::Model,
    report::{
        counterexample::{Counterexample, schedule},
        replay::{Replay, replay},
        text::{self, Options},
    },
    scenario::{Expectation, Scenario},
    sync::violation::ViolationKind,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Arc, LazyLock},
};

fn found(scenario: &str, model: &str) -> Counterexample {
    let library = Library::builtin();
    let scenario = Arc::new(library.scenario(scenario).unwrap());
    let model = library.model(model).unwrap();
    let exploration = explore(&program(&scenario, model.choices), &Limits::default());
    let finding = &exploration.findings[0];
    Counterexample::new(&scenario, &model, "dpor", "sc", finding)
}

static PUT_ORDER: LazyLock<Counterexample> = LazyLock::new(|| found("put-order", "v2-8of9"));
static NETNS_EXIT: LazyLock<Counterexample> =
    LazyLock::new(|| found("gc-vs-netns-exit", "v2-8of9"));

fn both() -> [&'static Counterexample; 2] {
    [&PUT_ORDER, &NETNS_EXIT]
}

fn refused(bytes: &[u8]) -> String {
    let error = Counterexample::parse("x.json", bytes).unwrap_err();
    error.to_string()
}

/// The text with the checksum that it should have.
fn resealed(text: &str) -> String {
    let body = &text[..text.rfind("  \"checksum\"").unwrap()];
    let mut sum = String::new();
    for byte in Sha256::digest(body) {
        sum.push_str(&format!("{byte:02x}"));
    }
    format!("{body}  \"checksum\": \"sha256:{sum}\"\n}}\n")
}

#[test]
fn a_scenario_reads_as_it_was_written() {
    let library = Library::builtin();
    let models: Vec<&str> = library.model_names().collect();
    for scenario in library.scenarios().unwrap() {
        let file = format!("{}.json", scenario.name);
        let text = scenario.to_json();
        assert_eq!(
            Scenario::parse(&file, text.as_bytes(), &models).unwrap(),
            scenario
        );
    }
    let all = r#"{ "name": "x", "nets": ["A", {"name": "B", "user": true}],
        "inodes": ["i", {"name": "j", "writeback_error": true, "open": "fails"},
                   {"name": "k", "flush_on_close": true}],
        "clients": [{"name": "c", "net": "B"}],
        "alloc": "may-fail", "gc_passes": 0, "preempt_rcu": false, "epilogue": "none",
        "setup": ["start A threads 3", "start B"],
        "actors": {"z": ["f = acquire A i gc", "put f"], "a": ["g = local_open B k",
                   "local_done g"], "m": ["gc", "shrink", "setlease j", "unlink i",
                   "close_sync A i", "flush A", "umount B"],
                   "c": ["local_probe c", "h = local_io c i", "local_done h", "local_close c i",
                   "local_disable c", "local_umount c"]},
        "expect": {"v4": "holds", "v2-8of9": ["use-after-free", "leak"]} }"#;
    let scenario = Scenario::parse("x.json", all.as_bytes(), &models).unwrap();
    let again = Scenario::parse("x.json", scenario.to_json().as_bytes(), &models);
    assert_eq!(again.unwrap(), scenario);
}

#[test]
fn a_counterexample_reads_as_it_was_written_and_replays() {
    for counterexample in both() {
        let folder = tempfile::tempdir().unwrap();
        let path = counterexample.save(&folder.path().join("a/b")).unwrap();
        let read = Counterexample::load(&path).unwrap();
        assert_eq!(&read, counterexample);
        assert_eq!(read.to_json(), fs::read_to_string(&path).unwrap());

        let replay = replay(&read, &read.model);
        assert_eq!(replay.parted, None);
        assert_eq!(schedule(&replay.recording), read.schedule);
        let violation = replay.violation.as_ref().unwrap();
        assert_eq!(violation.message, read.violation.message);
        assert_eq!(replay.exit_status(), 1);
    }
}

fn on(counterexample: &Counterexample, model: &str) -> (Model, Replay) {
    let model = Library::builtin().model(model).unwrap();
    let replay = replay(counterexample, &model);
    (model, replay)
}

#[test]
fn every_violation_of_every_scenario_replays() {
    let library = Library::builtin();
    for scenario in library.scenarios().unwrap() {
        let scenario = Arc::new(scenario);
        let models = library.models().unwrap();
        let expects = |model: &Model| scenario.expected(&model.name).is_some();
        let models: Vec<Model> = models.into_iter().filter(expects).collect();
        for model in &models {
            let limits = Limits {
                max_executions: Some(300),
                ..Limits::default()
            };
            let exploration = explore(&program(&scenario, model.choices), &limits);
            for finding in &exploration.findings {
                let it = Counterexample::new(&scenario, model, "dpor", "sc", finding);
                let read = Counterexample::parse("x.json", it.to_json().as_bytes()).unwrap();
                assert_eq!(read, it);
                let again = replay(&read, &read.model);
                let what = format!("{} {} {}", scenario.name, model.name, finding.kind);
                assert_eq!(again.parted, None, "{what}");
                assert_eq!(again.exit_status(), 1, "{what}");
                for other in &models {
                    let followed = replay(&read, other);
                    // What is followed is an execution of the other model, so it shows nothing
                    // that exploring that to the end does not find.
                    let known = match scenario.expected(&other.name) {
                        Some(Expectation::Violated(kinds)) => kinds.clone(),
                        Some(Expectation::Holds) => BTreeSet::new(),
                        _ => ViolationKind::ALL.into(),
                    };
                    for violation in &followed.recording.violations {
                        let kind = violation.kind;
                        assert!(known.contains(&kind), "{what} on {}: {kind}", other.name);
                    }
                    for width in [40, 80, 160] {
                        for all_steps in [false, true] {
                            let options = Options { width, all_steps };
                            let text = text::print(&read, other, &followed, "x.json", &options);
                            let text = plain(&text);
                            assert!(text.is_ascii(), "{what}");
                            assert!(text.ends_with('\n'), "{what}");
                            let long = text.lines().find(|line| line.len() > width);
                            assert_eq!(long, None, "{what}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_fixed_model_parts_where_it_waits() {
    // nfsd-next stops a server under other locks, and looks at NET_UP much earlier.
    for model in ["v4", "nfsd-next"] {
        let (_, put_order) = on(&PUT_ORDER, model);
        assert_eq!(put_order.exit_status(), 3);
        let parted = put_order.parted.unwrap().to_string();
        let parts = "was nfsd-stop in wait_for_completion: wait_for_completion(nfsd_net_free_done); here \
                     nfsd-stop waits in wait_for_completion for complete(nfsd_net_free_done), \
                     which io-completion has still to do, in percpu_ref_put";
        assert!(parted.ends_with(parts), "{model}: {parted}");
        assert!(put_order.recording.violations.is_empty());
    }
    // There the purge takes the file from the LRU, and frees it before the barrier.
    let (_, older) = on(&PUT_ORDER, "v6.12");
    let parted = older.parted.unwrap().to_string();
    let parts =
        "nfsd-stop waits in rcu_barrier for an RCU callback, which rcu callback 2 has still to do";
    assert!(parted.ends_with(parts), "{parted}");

    let (_, netns_exit) = on(&NETNS_EXIT, "v4");
    assert_eq!(netns_exit.exit_status(), 3);
    let parted = netns_exit.parted.unwrap().to_string();
    // The laundrette holds nfsd_gc_lock over the wake-up, and who holds a spinlock is a reader.
    let now =
        "here rcu callback 2 waits for the end of RCU grace period 2, which laundrette holds up";
    assert!(parted.ends_with(now), "{parted}");
}

#[test]
fn the_same_bug_in_another_model_comes_about() {
    let (_, replay) = on(&PUT_ORDER, "v1-8of8");
    assert_eq!(replay.exit_status(), 1);
    assert_eq!(replay.parted, None);
    assert!(!replay.same);
}

#[test]
fn a_schedule_that_is_not_possible_is_said_to_be_so() {
    let parted = |change: fn(&mut Counterexample)| {
        let mut changed = PUT_ORDER.clone();
        change(&mut changed);
        let read = Counterexample::parse("x.json", changed.to_json().as_bytes()).unwrap();
        let replay = replay(&read, &read.model);
        assert_eq!(replay.exit_status(), 3);
        let options = Options {
            width: 100,
            all_steps: false,
        };
        let _ = text::print(&read, &read.model, &replay, "x.json", &options);
        replay.parted.unwrap().to_string()
    };
    let says = |said: String, what: &str| assert!(said.contains(what), "{what}: {said}");
    says(
        parted(|c| c.schedule.swap(5, 6)),
        "step 6 was 'io-completion' in 'nfsd_file_put': 'load relaxed' on 'nfsd_file#1.nf_flags', \
         saw 1; here it is 'io-completion' in 'percpu_ref_put': 'sub 1 relaxed'",
    );
    says(parted(|c| drop(c.schedule.remove(5))), "step 6 was");
    says(
        parted(|c| c.schedule[3].saw = 7),
        "saw 7; here it is 'io-completion'",
    );
    says(
        parted(|c| c.schedule[3].context = "nobody".to_owned()),
        "there is no such context yet",
    );
    says(
        parted(|c| c.schedule[3].context = "main".to_owned()),
        "its context waits",
    );
    says(
        parted(|c| {
            let first = c.schedule[1].clone();
            c.schedule.insert(c.schedule.len() - 1, first);
            c.schedule[1].choice = Some(u32::MAX);
        }),
        "step 2 was",
    );
    says(
        parted(|c| {
            c.schedule.truncate(40);
            c.violation.step = None;
        }),
        "the recorded steps end before step",
    );
    says(
        parted(|c| {
            let last = c.schedule[0].clone();
            c.schedule.push(last);
        }),
        "the execution is over",
    );
}

#[test]
fn a_violation_that_is_another_one_did_not_come_about() {
    let mut other = PUT_ORDER.clone();
    other.violation.object = "nfsd_file#7".to_owned();
    let replay = replay(&other, &other.model);
    assert_eq!(replay.parted, None);
    assert_eq!(replay.exit_status(), 0);
}

/// Without the colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// The text is that of a committed file. `UPDATE_SNAPSHOTS=1` writes it.
fn is_snapshot(name: &str, text: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "tests/snapshots/{name} differs; where this is right, UPDATE_SNAPSHOTS=1 writes it:\n{text}"
    );
}

#[test]
fn reports_are_as_committed() {
    let print = |c: &Counterexample, model: &str, width, all_steps| {
        let (model, replay) = on(c, model);
        let options = Options { width, all_steps };
        plain(&text::print(c, &model, &replay, "FILE", &options))
    };
    for (name, text) in [
        ("put-order.txt", print(&PUT_ORDER, "v2-8of9", 100, false)),
        ("put-order-60.txt", print(&PUT_ORDER, "v2-8of9", 60, false)),
        ("put-order-on-v4.txt", print(&PUT_ORDER, "v4", 100, false)),
        (
            "gc-vs-netns-exit.txt",
            print(&NETNS_EXIT, "v2-8of9", 100, false),
        ),
        (
            "gc-vs-netns-exit-on-v4.txt",
            print(&NETNS_EXIT, "v4", 120, false),
        ),
    ] {
        let widest = text.lines().map(str::len).max();
        assert!(widest <= Some(120), "{name}");
        is_snapshot(name, &text);
    }
    is_snapshot("put-order.json", &PUT_ORDER.to_json());
}

#[test]
fn all_steps_are_all_steps() {
    let (model, replay) = on(&PUT_ORDER, "v2-8of9");
    let options = Options {
        width: 400,
        all_steps: true,
    };
    let text = plain(&text::print(&PUT_ORDER, &model, &replay, "FILE", &options));
    assert!(!text.contains("..."));
    let numbered = |number: &str| {
        let mut lines = text.lines();
        lines.any(|line| line.trim_start().starts_with(&format!("{number} ")))
    };
    assert!((1..=PUT_ORDER.schedule.len()).all(|number| numbered(&number.to_string())));
    assert!(numbered("setup"));
}

#[test]
fn one_step_is_one_line() {
    let text = PUT_ORDER.to_json();
    let steps = text.lines().filter(|line| line.contains("\"saw\": "));
    assert_eq!(steps.count(), PUT_ORDER.schedule.len());
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let first = PUT_ORDER.save(folder.path()).unwrap();
    assert_eq!(name(&first), "put-order-v2-8of9-objects-remaining.json");
    assert_eq!(PUT_ORDER.save(folder.path()).unwrap(), first);
    let mut other = PUT_ORDER.clone();
    other.scenario.about.push('!');
    let second = other.save(folder.path()).unwrap();
    assert_eq!(name(&second), "put-order-v2-8of9-objects-remaining-2.json");
    assert_eq!(other.save(folder.path()).unwrap(), second);
    assert_eq!(fs::read_to_string(&first).unwrap(), PUT_ORDER.to_json());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    fs::write(&first, "mine").unwrap();
    let third = PUT_ORDER.save(folder.path()).unwrap();
    assert_eq!(name(&third), "put-order-v2-8of9-objects-remaining-3.json");
    assert_eq!(fs::read_to_string(&first).unwrap(), "mine");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Counterexample::load(&folder.path().join("none.json"));
    assert!(matches!(missing, Err(LoadError::Read { .. })));
    assert!(Counterexample::load(folder.path()).is_err());
    let long = folder.path().join("long.json");
    fs::File::create(&long).unwrap().set_len(17 << 20).unwrap();
    let error = Counterexample::load(&long).unwrap_err().to_string();
    assert!(
        error.ends_with("the file is longer than 16777216 bytes"),
        "{error}"
    );
}

#[test]
fn a_file_cut_short_is_refused() {
    for counterexample in both() {
        let text = counterexample.to_json();
        for end in (0..text.len()).step_by(97).chain([text.len() - 1]) {
            refused(&text.as_bytes()[..end]);
        }
        refused(format!("{text}\n").as_bytes());
    }
}

#[test]
fn a_flipped_bit_is_noticed() {
    let text = NETNS_EXIT.to_json();
    for at in (0..text.len()).step_by(31) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes);
    }
}

#[test]
fn lines_that_are_swapped_or_gone_are_noticed() {
    let text = PUT_ORDER.to_json();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first = lines.iter().position(|l| l.contains("\"saw\"")).unwrap();
    let mut swapped = lines.clone();
    swapped.swap(first + 3, first + 4);
    assert!(refused(swapped.concat().as_bytes()).contains("checksum"));
    let mut dropped = lines;
    dropped.remove(first + 3);
    assert!(refused(dropped.concat().as_bytes()).contains("checksum"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let text = PUT_ORDER.to_json();
    let first = text.lines().position(|l| l.contains("\"saw\"")).unwrap() + 1;
    let step = format!("x.json:{first}:");
    for (from, to, says) in [
        (
            "counterexample\"",
            "story\"",
            "x.json:2:13: unknown value of 'format': 'nfsd-check story'",
        ),
        (
            "\"version\": 1",
            "\"version\": 2",
            "x.json:3:14: the file is of version 2 of the",
        ),
        (
            "\"version\": 1",
            "\"version\": \"1\"",
            "x.json:3:14: 'version' must be a whole",
        ),
        ("\"engine\"", "\"motor\"", "unknown field 'motor'"),
        (
            "  \"engine\": \"dpor\",\n",
            "",
            "a counterexample without 'engine'",
        ),
        (
            "\"engine\": \"dpor\"",
            "\"engine\": 1",
            "'engine' must be a string",
        ),
        ("\"context\": \"laundrette\"", "\"context\": null", &step),
        ("\"saw\": 0", "\"saw\": -1", &step),
        ("\"saw\": 0", "\"saw\": 0, \"more\": 0", &step),
        ("\"kind\": \"", "\"kind\": \"x", "unknown value of 'kind'"),
        (
            "\"step\": ",
            "\"step\": 9",
            "'step' must be a whole number from 1 to",
        ),
        (
            "\"net_ref\": \"at-dispose\"",
            "\"net_ref\": \"at-night\"",
            "'at-night'",
        ),
        ("\"stop B\"", "\"stop C\"", "'C'"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let said = refused(resealed(&changed).as_bytes());
        assert!(said.contains(says), "{says}: {said}");
    }
    assert_eq!(resealed(&text), text);
}

#[test]
fn a_model_reads_from_a_file_under_its_own_name_only() {
    let model = Library::builtin().model("v4").unwrap();
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(Model::parse("v4.json", text.as_bytes()).unwrap(), model);
    assert!(Model::parse("v5.json", text.as_bytes()).is_err());
}

/// What is done to a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Copy(Index, Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "null",
        "true",
        "1e9",
        "-1",
        "\\u0000",
        "\\ud800",
        "18446744073709551616",
        "\"saw\": ",
        "\"choice\": 4294967295, ",
        "\u{feff}",
        "\n",
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), token).prop_map(|(at, t)| Change::Insert(at, t.as_bytes().to_vec())),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, b)| Change::Insert(at, b)),
        (any::<Index>(), 1_usize..200).prop_map(|(at, n)| Change::Remove(at, n)),
        (any::<Index>(), any::<Index>(), 1_usize..200)
            .prop_map(|(from, to, n)| Change::Copy(from, to, n)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, n) => {
            let at = at.index(bytes.len());
            bytes.drain(at..bytes.len().min(at + n));
        }
        Change::Copy(from, to, n) => {
            let from = from.index(bytes.len());
            let piece = bytes[from..bytes.len().min(from + n)].to_vec();
            let to = to.index(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

/// A file with fewer steps than a real one, so that there is time for many.
static SHORT: LazyLock<String> = LazyLock::new(|| {
    let mut short = PUT_ORDER.clone();
    short.schedule.truncate(4);
    short.violation.step = Some(4);
    short.to_json()
});

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_changed_file_is_refused(changes in vec(change(), 1..4), reseal in any::<bool>()) {
        let mut bytes = SHORT.clone().into_bytes();
        for change in &changes {
            apply(&mut bytes, change);
        }
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if reseal && text.contains("  \"checksum\"") {
            text = resealed(&text);
            bytes = text.clone().into_bytes();
        }
        match Counterexample::parse("x.json", &bytes) {
            Ok(read) => {
                prop_assert!(reseal || bytes == SHORT.as_bytes());
                // What it says can be written and read again.
                let again = Counterexample::parse("x.json", read.to_json().as_bytes());
                prop_assert_eq!(again.unwrap(), read);
            }
            Err(error) => {
                prop_assert!(error.line >= 1 && error.column >= 1);
                prop_assert!(!error.to_string().contains(|c: char| c.is_control()));
            }
        }
    }

    #[test]
    fn noise_is_refused(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Counterexample::parse("x.json", &bytes).is_err());
    }
}

/// Without the barrier, `nfsd_gc_lock` alone keeps the svc_serv: who holds a spinlock is a reader,
/// and a grace period of the shutdown waits for it. So the interleaving in which it is freed under
/// the laundrette is none of that model.
#[test]
fn a_grace_period_waits_for_readers_in_what_is_followed_too() {
    let exploration = |name: &str, choices| {
        let scenario = Arc::new(Library::builtin().scenario(name).unwrap());
        let limits = Limits {
            all: true,
            ..Limits::default()
        };
        explore(&program(&scenario, choices), &limits)
    };
    let mut model = Library::builtin().model("v4").unwrap();
    assert!(model.choices.set("shutdown_barrier", "none"));
    let explored = exploration("gc-vs-netns-exit", model.choices);
    assert!(explored.complete);
    let kinds: Vec<_> = explored.findings.iter().map(|found| found.kind).collect();
    assert!(!kinds.contains(&NETNS_EXIT.violation.kind), "{kinds:?}");
    let followed = replay(&NETNS_EXIT, &model);
    assert_eq!(followed.violation, None);
}

/// Where the model has changed since, the gate follows a kept interleaving by its landmarks and may
/// still meet the violation, but whoever replays the file would be told that it parts.
#[test]
fn kept_interleavings_are_those_of_the_models_of_today() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/interleavings");
    let files: Vec<_> = fs::read_dir(folder).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        let path = file.unwrap().path();
        let kept = Counterexample::load(&path).unwrap();
        let again = replay(&kept, &kept.model);
        assert_eq!(again.parted, None, "{}", path.display());
        assert!(again.violation.is_some(), "{}", path.display());
    }
}
