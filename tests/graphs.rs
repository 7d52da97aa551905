// SPDX-License-Identifier: GPL-2.0-only
//! The explorer of execution graphs: known counts, and the explorer of interleavings.

use nfsd_check::{
    check::program::program,
    engine::{Exploration, Limits, MemoryModel, Program, dpor},
    library::Library,
    sync::{
        Mutex,
        atomic::AtomicU64,
        engine::{Ordering, Phase},
        thread,
        violation::ViolationKind,
    },
};
use std::{collections::BTreeSet, sync::Arc};

const MODELS: [MemoryModel; 2] = [MemoryModel::Sc, MemoryModel::Rc11];

fn concurrent(f: impl Fn() + Send + Sync + 'static) -> Program {
    Arc::new(move || {
        thread::set_phase(Phase::Concurrent);
        f();
        thread::settle();
        thread::set_phase(Phase::Alone);
    })
}

fn limits(memory_model: MemoryModel) -> Limits {
    Limits {
        memory_model,
        all: true,
        ..Limits::default()
    }
}

fn count(program: &Program, memory_model: MemoryModel) -> u64 {
    let exploration = dpor::graphs::explore(program, &limits(memory_model));
    assert!(exploration.complete, "{:?}", exploration.reason);
    assert!(exploration.findings.is_empty());
    exploration.executions
}

/// (threads × increments)! / (increments!)^threads.
const INCREMENTS: [(u64, u64, u64); 9] = [
    (2, 1, 2),
    (2, 2, 6),
    (2, 3, 20),
    (2, 4, 70),
    (3, 1, 6),
    (3, 2, 90),
    (4, 1, 24),
    (4, 2, 2520),
    (5, 1, 120),
];

#[test]
fn increments_of_a_word() {
    for (threads, increments, expected) in INCREMENTS {
        let program = concurrent(move || {
            let word = Arc::new(AtomicU64::new("word", 0));
            for _ in 0..threads {
                let word = Arc::clone(&word);
                thread::spawn_detached("increments", move || {
                    for _ in 0..increments {
                        word.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        for model in MODELS {
            assert_eq!(count(&program, model), expected, "{threads} x {increments}");
        }
    }
}

#[test]
fn increments_under_a_lock() {
    for (threads, increments, expected) in INCREMENTS {
        let program = concurrent(move || {
            let lock = Arc::new(Mutex::new("lock", 0));
            for _ in 0..threads {
                let lock = Arc::clone(&lock);
                thread::spawn_detached("increments", move || {
                    for _ in 0..increments {
                        *lock.lock() += 1;
                    }
                });
            }
        });
        for model in MODELS {
            assert_eq!(count(&program, model), expected, "{threads} x {increments}");
        }
    }
}

fn kinds(exploration: &Exploration) -> BTreeSet<ViolationKind> {
    exploration.findings.iter().map(|f| f.kind).collect()
}

/// The scenarios of the thread that are small: the same kinds under SC, each with an interleaving
/// that shows it, and no fewer under RC11. What RC11 adds is named.
#[test]
fn scenarios_have_the_violations_that_interleavings_have() {
    let library = Library::find().expect("the library is there");
    let scenarios = [
        "put-order",
        "put-order-second-net",
        "gc-vs-stop",
        "gc-vs-netns-exit",
        "shrinker-vs-stop",
        "shrinker-vs-netns-exit",
        "lease-vs-stop",
        "lease-vs-netns-exit",
        "unlink-vs-netns-exit",
        "flush-vs-lookup",
        "flush-during-open",
        "close-sync-vs-stop",
    ];
    let models = ["before-series", "v1-7of8", "v2-8of9", "v2-review", "v4"];
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
