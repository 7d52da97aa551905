// SPDX-License-Identifier: GPL-2.0-only
//! The explorer of execution graphs against the explorer of interleavings, on scenarios.

use nfsd_check::{
    check::program::program,
    engine::{Exploration, Finding, Limits, MemoryModel, Program, dpor},
    library::Library,
    report::counterexample::Counterexample,
    sync::{
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{Ordering::Relaxed, Phase, Step},
        rcu::Domain,
        thread,
        violation::ViolationKind,
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

const MODELS: [MemoryModel; 2] = [MemoryModel::Sc, MemoryModel::Rc11];

fn limits(memory_model: MemoryModel) -> Limits {
    Limits {
        memory_model,
        all: true,
        ..Limits::default()
    }
}

fn kinds(exploration: &Exploration) -> BTreeSet<ViolationKind> {
    exploration.findings.iter().map(|f| f.kind).collect()
}

/// The scenarios of the thread that are small, with the kinds of violation that interleavings have.
#[test]
fn models_that_hold_a_net_have_the_violations_that_interleavings_have() {
    the_same_violations(&["v2-8of9", "v2-review"]);
}

#[test]
fn models_without_a_reference_have_the_violations_that_interleavings_have() {
    // The last for close-sync-vs-stop: what it shows is found only by going back on the end of a
    // grace period, in a branch that is allowed where the one that leads there is not.
    the_same_violations(&["before-series", "v1-7of8", "v4", "v4-free-unhash"]);
}

/// The same kinds, under SC and under RC11, each with steps that show it.
fn the_same_violations(models: &[&str]) {
    let library = Library::find().expect("the library is there");
    let scenarios = [
        "put-order",
        "put-order-second-net",
        "gc-vs-stop",
        "gc-vs-netns-exit",
        "shrinker-vs-stop",
        "lease-vs-stop",
        "unlink-vs-stop",
        "flush-vs-lookup",
        "flush-during-open",
        "close-sync-vs-stop",
    ];
    for scenario in scenarios {
        let scenario = Arc::new(library.scenario(scenario).expect("it is in the library"));
        for model in models {
            let model = library.model(model).expect("it is in the library");
            let program = program(&scenario, model.choices);
            let about = format!("{} on {}", scenario.name, model.name);
            let expected = dpor::explore(&program, &limits(MemoryModel::Sc));
            for memory in MODELS {
                let found = dpor::graphs::explore(&program, &limits(memory));
                assert!(found.complete, "{about}: {:?}", found.reason);
                assert_eq!(kinds(&found), kinds(&expected), "{about}, {memory:?}");
                for finding in &found.findings {
                    let kind = finding.kind;
                    assert!(!finding.recording.steps.is_empty(), "{about}: {kind}");
                }
            }
        }
    }
}

/// A violation that no interleaving shows is told all the same, and the file comes back as it was.
/// Here a client takes itself off a list on a stack, the walk reads that without a lock, and nothing
/// keeps the client's write from coming after the end of the stack frame.
#[test]
fn what_only_weak_memory_shows_has_steps() {
    let library = Library::find().expect("the library is there");
    let scenario = Arc::new(
        library
            .scenario("client-disable-vs-stop-of-two")
            .expect("it is in the library"),
    );
    let model = library.model("v4").expect("it is in the library");
    let found = dpor::explore(
        &program(&scenario, model.choices),
        &limits(MemoryModel::Rc11),
    );
    assert!(found.complete, "{:?}", found.reason);
    let weak = |f: &&Finding| f.kind == ViolationKind::UseAfterFree;
    let finding = found.findings.iter().find(weak).expect("it is found");
    assert!(finding.recording.weak && !finding.recording.steps.is_empty());
    let violation = finding.recording.violation(finding.kind);
    assert_eq!(violation.map(|v| v.object.as_str()), Some("stack_frame#1"));
    let file = Counterexample::new(&scenario, &model, "dpor", "rc11", finding);
    let read = Counterexample::parse("x.json", file.to_json().as_bytes());
    assert_eq!(read.expect("it is a counterexample"), file);
    assert!(file.weak && file.tell().contains("use-after-free of 'stack_frame#1'"));
}

/// The store buffering that a grace period forbids: what is written before it is seen by whatever
/// comes after a section that began after it, in the section or not; and what is written in a section
/// that began before is seen after it. (The kernel's `SB+rcusync+rcu`, but with the read behind the
/// section, as a wake-up stands behind the lock that it was queued under.)
#[test]
fn what_follows_a_section_tells_when_it_began() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let found = Arc::clone(&seen);
    let program: Program = Arc::new(move || {
        let rcu = Arc::new(Domain::new("rcu"));
        let server = Arc::new(AtomicU64::new("server", 1));
        let queued = Arc::new(AtomicU64::new("queued", 0));
        thread::set_phase(Phase::Concurrent);
        let (domain, stopped, list) = (rcu.clone(), server.clone(), queued.clone());
        let stop = thread::spawn("stop", move || {
            stopped.store(0, Relaxed);
            domain.begin().end();
            list.load(Relaxed)
        });
        let (domain, running, list) = (rcu, server, queued);
        let queue = thread::spawn("queue", move || {
            domain.read_lock();
            list.store(1, Relaxed);
            domain.read_unlock();
            running.load(Relaxed)
        });
        let outcome = (stop.join(), queue.join());
        thread::settle();
        found.lock().unwrap().insert(outcome);
    });
    for memory in MODELS {
        seen.lock().unwrap().clear();
        let exploration = dpor::graphs::explore(&program, &limits(memory));
        assert!(exploration.complete, "{:?}", exploration.reason);
        let expected = BTreeSet::from([(0, 0), (1, 0), (1, 1)]);
        assert_eq!(*seen.lock().unwrap(), expected, "{memory:?}");
    }
}

/// A violation that ends the execution ends it where one thread runs at a time, too: what the model
/// does next is not done, be it a loop without an end.
#[test]
fn what_ends_an_execution_ends_its_last_part() {
    let program: Program = Arc::new(|| {
        thread::set_phase(Phase::Concurrent);
        thread::spawn_detached("other", || ());
        thread::settle();
        thread::set_phase(Phase::Alone);
        let word = AtomicU64::new("word", 0);
        let object = Allocation::new("object", ViolationKind::UseAfterFree);
        object.free();
        object.touch(Step::Last);
        for _ in 0..1_000 {
            assert_eq!(word.load(Relaxed), 0);
        }
        panic!("it went on");
    });
    for memory in MODELS {
        for found in [
            dpor::graphs::explore(&program, &limits(memory)),
            dpor::explore(&program, &limits(memory)),
        ] {
            assert!(found.complete, "{memory:?}: {:?}", found.reason);
            assert_eq!(kinds(&found), [ViolationKind::UseAfterFree].into());
        }
    }
}
