// SPDX-License-Identifier: GPL-2.0-only
//! The forms that a counterexample is told in.
//!
//! The snapshots are what people and programs get. `UPDATE_SNAPSHOTS=1 cargo test forms`
//! writes them anew: read the difference before it is committed.

use nfsd_check::{
    check::program::program,
    engine::{Limits, dpor::explore},
    library::Library,
    report::{
        counterexample::Counterexample,
        form::{Form, Story},
        text::Options,
        why::{self, There},
    },
    sync::violation::ViolationKind,
};
use std::{fs, path::Path, sync::Arc};

const OPTIONS: Options = Options {
    width: 100,
    all_steps: false,
};

/// The first violation of this kind that is found.
fn found(scenario: &str, model: &str, kind: ViolationKind) -> Counterexample {
    let library = Library::builtin();
    let scenario = Arc::new(library.scenario(scenario).unwrap());
    let model = library.model(model).unwrap();
    let limits = Limits {
        all: true,
        max_executions: Some(2_500),
        ..Limits::default()
    };
    let exploration = explore(&program(&scenario, model.choices), &limits);
    let mut findings = exploration.findings.iter();
    let finding = findings.find(|finding| finding.kind == kind);
    let finding = finding.unwrap_or_else(|| panic!("{} {}: no {kind}", scenario.name, model.name));
    Counterexample::new(&scenario, &model, "dpor", "sc", finding)
}

fn story(scenario: &str, model: &str, kind: ViolationKind) -> Story {
    let counterexample = found(scenario, model, kind);
    let against = why::against(&counterexample, None, &Library::builtin()).unwrap();
    let file = format!("{scenario}-{model}-{kind}.json");
    let model = counterexample.model.clone();
    Story::new(counterexample, model, against.as_ref(), &file)
}

/// The first violation there is.
fn first(scenario: &str, model: &str) -> Counterexample {
    let library = Library::builtin();
    let scenario = Arc::new(library.scenario(scenario).unwrap());
    let model = library.model(model).unwrap();
    let found = explore(&program(&scenario, model.choices), &Limits::default());
    Counterexample::new(&scenario, &model, "dpor", "sc", &found.findings[0])
}

/// One of each way to find out why: two accesses, a destruction and a free, a race that was tried
/// the other way round, a lock that is waited for, and no model that holds.
fn stories() -> Vec<Story> {
    use ViolationKind::{
        DataRace, HungTask, Leak, ObjectsRemaining, SleepInAtomic, UseAfterFree, Warning,
    };
    vec![
        story("put-order", "v2-8of9", ObjectsRemaining),
        story("gc-vs-netns-exit", "v2-8of9", UseAfterFree),
        story("gc-vs-stop", "v1-8of8", Leak),
        story("flush-vs-lookup", "v4", UseAfterFree),
        story("flush-during-open", "v4", Leak),
        story("client-disable-vs-stop", "v4", Warning),
        story("client-io-vs-stop", "v4-wait-before-purge", HungTask),
        story("client-open-vs-open", "v4-lost-install-keeps-net", HungTask),
        story("put-order", "v4-put-under-rcu", SleepInAtomic),
        story("put-order", "v4-net-put-first", ObjectsRemaining),
        story("lookup-vs-last-put", "v4-lookup-without-rcu", UseAfterFree),
        story(
            "client-probe-vs-probe",
            "v4-uuid-begin-adds",
            ViolationKind::ListCorruption,
        ),
        story(
            "put-vs-reclaim",
            "v6.12-shared-lru",
            ViolationKind::Refcount,
        ),
        story(
            "stop-with-state",
            "v4-state-after-purge-all",
            ViolationKind::DoubleFree,
        ),
    ]
    .into_iter()
    .inspect(|story| assert!(story.replay.violation.is_some(), "{}", story.file))
    .chain([DataRace].map(|kind| {
        let library = Library::builtin();
        let scenario = Arc::new(library.scenario("acquire-vs-acquire").unwrap());
        let model = library.model("v4-pending-relaxed").unwrap();
        let explored = explore(&program(&scenario, model.choices), &Limits::default());
        let finding = &explored.findings[0];
        assert_eq!(finding.kind, kind);
        let c = Counterexample::new(&scenario, &model, "dpor", "sc", finding);
        let against = why::against(&c, None, &library).unwrap();
        Story::new(c, model, against.as_ref(), "acquire-vs-acquire.json")
    }))
    .collect()
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots/forms")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, was)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, was, "{name}:{}", number + 1);
    }
    assert_eq!(text, expected, "{name}");
}

#[test]
fn every_form_is_as_it_was() {
    for story in &stories()[..3] {
        let stem = story.file.trim_end_matches(".json");
        for form in [
            Form::Text,
            Form::Mail,
            Form::Json,
            Form::Mermaid,
            Form::Perfetto,
        ] {
            let text = plain(&story.print(form, &OPTIONS));
            snapshot(&format!("{stem}.{}", form.extension()), &text);
        }
    }
}

#[test]
fn the_mail_of_every_kind_is_as_it_was() {
    for story in &stories()[3..] {
        let stem = story.file.trim_end_matches(".json");
        let text = story.print(Form::Mail, &OPTIONS);
        snapshot(&format!("{stem}.mail"), &text);
    }
}

#[test]
fn a_mail_can_be_sent_and_quoted() {
    for story in stories() {
        let text = story.print(Form::Mail, &OPTIONS);
        assert!(text.is_ascii() && text.ends_with('\n'));
        for line in text.lines() {
            let what = format!("{}: {line:?}", story.file);
            assert!(line.len() <= 72, "{what}");
            assert_eq!(line, line.trim_end(), "{what}");
            // What mailers take for something else.
            assert!(
                !line.starts_with("From ") && !line.starts_with('>'),
                "{what}"
            );
            assert!(line != "--" && !line.contains('\t'), "{what}");
        }
    }
}

/// What a scenario expects of a memory model is no part of what happened.
#[test]
fn a_scenario_is_known_whatever_is_expected_of_it() {
    let library = Library::builtin();
    for name in ["client-open-vs-stop", "client-open-vs-netns-exit"] {
        assert!(!library.scenario(name).unwrap().expect_rc11.is_empty());
        let c = first(name, "v4");
        let against = why::against(&c, None, &library).unwrap().unwrap();
        assert_eq!(against.name, "v4-invalidate-one-by-one");
        let model = c.model.clone();
        let story = Story::new(c, model, Some(&against), "folder/a.json");
        let mail = story.print(Form::Mail, &OPTIONS);
        assert!(mail.contains(&format!("nfsd-check run {name}")), "{mail}");
        assert!(mail.contains("The fixed form"), "{mail}");
    }
}

#[test]
fn what_orders_the_two_is_read_off_the_other_model() {
    for (scenario, model, kind, which, through) in [
        (
            "put-order",
            "v2-8of9",
            ViolationKind::ObjectsRemaining,
            "put_local_order",
            "nfsd_file_free -> call_rcu -> nfsd_net_put -> complete -> nfsd_shutdown_net -> \
             wait_for_completion -> nfsd_file_cache_shutdown -> rcu_barrier ->",
        ),
        (
            "gc-vs-netns-exit",
            "v2-8of9",
            ViolationKind::UseAfterFree,
            // Who holds a spinlock is a reader, so the grace period of the shutdown waits for it.
            "gc_lock_gc",
            "spin_unlock(nfsd_gc_lock) -> grace period 2 is over -> \
             percpu_ref_switch_to_atomic_rcu -> complete -> nfsd_shutdown_net -> \
             wait_for_completion -> svc_destroy -> kfree",
        ),
    ] {
        let story = story(scenario, model, kind);
        let why = story.why.as_ref().unwrap();
        let against = why.against.as_ref().unwrap();
        assert_eq!(against.model.name, "v4");
        assert!(matches!(&against.there, Some(There::Ordered(o)) if !o.same_way));
        let choices: Vec<_> = against.decisive.iter().map(|d| d.choice.name).collect();
        assert_eq!(choices, [which]);
        let lines = why.lines(&story.replay, "There");
        let chain = lines.iter().find_map(|line| match line {
            why::Line::Chain(chain) => Some(chain.as_str()),
            _ => None,
        });
        let chain = chain.unwrap();
        assert!(chain.contains(through), "{chain}");
    }
}

/// Two models that differ in the one choice that is said to decide differ in the verdict too.
#[test]
fn the_choice_that_decides_decides() {
    for story in stories() {
        let Some(why) = &story.why else { continue };
        let Some(against) = &why.against else {
            continue;
        };
        let mut choices = against.model.choices;
        for decisive in &against.decisive {
            assert!(choices.set(decisive.choice.name, decisive.here.name));
        }
        let scenario = Arc::new(story.counterexample.scenario.clone());
        let limits = Limits {
            all: true,
            max_executions: Some(10_000),
            ..Limits::default()
        };
        let kind = story.counterexample.violation.kind;
        let kinds = |choices| {
            let explored = explore(&program(&scenario, choices), &limits);
            explored.findings.iter().any(|finding| finding.kind == kind)
        };
        assert!(!against.decisive.is_empty(), "{}", story.file);
        assert!(kinds(choices), "{}", story.file);
        assert!(!kinds(against.model.choices), "{}", story.file);
    }
}

#[test]
fn the_diagram_means_nothing_else_to_mermaid() {
    for story in stories() {
        let text = story.print(Form::Mermaid, &OPTIONS);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("sequenceDiagram"));
        for line in lines {
            let rest = [
                "    title ",
                "    participant c",
                "    Note over c",
                "    c",
            ]
            .iter()
            .find_map(|start| line.strip_prefix(start));
            let rest = rest.unwrap_or_else(|| panic!("{line}"));
            // One colon ends what comes before the text, and the text has none.
            let colons = rest.matches(':').count();
            assert!(colons <= 1 && !rest.contains(" ;"), "{line}");
        }
    }
}

#[test]
fn the_trace_is_what_perfetto_reads() {
    for story in stories() {
        let text = story.print(Form::Perfetto, &OPTIONS);
        let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let mut depth = std::collections::BTreeMap::new();
        let mut flows = std::collections::BTreeMap::new();
        for event in events {
            let phase = event["ph"].as_str().unwrap();
            let thread = event["tid"].as_u64().unwrap_or(0);
            let depth = depth.entry(thread).or_insert(0);
            match phase {
                "B" => *depth += 1,
                "E" => *depth -= 1,
                "s" | "f" => {
                    let time = event["ts"].as_u64().unwrap();
                    let times: &mut Vec<u64> = flows.entry(event["id"].to_string()).or_default();
                    times.push(time);
                }
                _ => assert!(["M", "X", "i"].contains(&phase), "{event}"),
            }
            assert!(*depth >= 0, "{event}");
        }
        assert!(depth.values().all(|depth| *depth == 0));
        assert!(!flows.is_empty());
        assert!(
            flows
                .values()
                .all(|times| times.len() == 2 && times[0] < times[1])
        );
        let steps = events.iter().filter(|event| event["ph"] == "X").count();
        assert_eq!(steps, story.counterexample.schedule.len());
    }
}

/// The test that is printed is one of the repository, and passes.
#[test]
fn the_test_is_the_one_that_is_run() {
    let story = story("put-order", "v2-8of9", ViolationKind::ObjectsRemaining);
    let text = story.print(Form::Test, &OPTIONS);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/put_order.rs");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap());
}

#[test]
fn reports_are_written_beside_the_counterexample_and_never_over_anything() {
    let counterexample = found("put-order", "v2-8of9", ViolationKind::ObjectsRemaining);
    let folder = tempfile::tempdir().unwrap();
    let path = counterexample.save(folder.path()).unwrap();
    let model = counterexample.model.clone();
    let story = Story::new(counterexample, model, None, path.to_str().unwrap());
    let first = story.save(Form::Mail).unwrap();
    assert_eq!(first, path.with_extension("mail"));
    assert_eq!(story.save(Form::Mail).unwrap(), first);
    fs::write(&first, "somebody's answer").unwrap();
    let second = story.save(Form::Mail).unwrap();
    let name = second.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, "put-order-v2-8of9-objects-remaining-2.mail");
    assert_eq!(fs::read_to_string(&first).unwrap(), "somebody's answer");
    let text = story.save(Form::Text).unwrap();
    assert!(!fs::read_to_string(text).unwrap().contains('\u{1b}'));
}
