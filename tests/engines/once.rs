// SPDX-License-Identifier: GPL-2.0-only
//! No complete execution is explored twice.
//!
//! Each is hashed in a form that does not depend on how it was found: the events of each thread,
//! what each read reads from, and the order of the writes of each object. The number of different
//! ones has to be the number of executions.

use crate::{
    dpor_counts::{MULTINOMIAL, by_mutex, by_rmw},
    micro_model::model::{PutOrder, Size, on_sync},
};
use nfsd_check::{
    check::program::program,
    engine::{
        Limits, MemoryModel, Program,
        dpor::graphs::{self, ExecutionGraph},
    },
    library::Library,
    model::Model,
    scenario::Scenario,
};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

fn hash(graph: &ExecutionGraph) -> u64 {
    let mut hasher = DefaultHasher::new();
    for events in &graph.threads {
        events.len().hash(&mut hasher);
        for event in events {
            // An action has no hash of its own; its text tells it whole.
            format!("{:?}", event.action).hash(&mut hasher);
            (event.object, event.saw, event.reads_from, event.wrote).hash(&mut hasher);
        }
    }
    graph.writes.hash(&mut hasher);
    hasher.finish()
}

/// How many executions there are, up to `most`, all of them different.
fn executions(about: &str, program: &Program, memory_model: MemoryModel, most: u64) -> u64 {
    let limits = Limits {
        memory_model,
        all: true,
        max_executions: Some(most),
        ..Limits::default()
    };
    let mut seen = HashSet::new();
    let mut repeated = 0;
    let exploration = graphs::explore_with(program, &limits, &mut |graph| {
        repeated += u64::from(!seen.insert(hash(graph)));
    });
    assert_eq!(repeated, 0, "{about} under {memory_model:?}");
    assert_eq!(seen.len() as u64, exploration.executions, "{about}");
    exploration.executions
}

const MEMORY_MODELS: [MemoryModel; 2] = [MemoryModel::Sc, MemoryModel::Rc11];

#[test]
fn increments_and_the_micro_model() {
    for memory_model in MEMORY_MODELS {
        for (threads, each, expected) in MULTINOMIAL {
            for program in [by_rmw(threads, each), by_mutex(threads, each)] {
                let about = format!("{threads}x{each}");
                assert_eq!(
                    executions(&about, &program, memory_model, u64::MAX),
                    expected
                );
            }
        }
        for (size, expected) in Size::ROWS.iter().filter(|row| row.1 < 10_000) {
            let program = on_sync::program(*size, PutOrder::FileFirst);
            assert_eq!(
                executions("micro-model", &program, memory_model, u64::MAX),
                *expected
            );
        }
    }
}

/// No execution of a scenario, cut after so many.
fn no_repeats(scenario: &Arc<Scenario>, model: &Model, most: u64) {
    let program = program(scenario, model.choices);
    for memory_model in MEMORY_MODELS {
        let about = format!("{} on {}", scenario.name, model.name);
        let found = executions(&about, &program, memory_model, most);
        println!("{about}: {found} under {memory_model:?}");
    }
}

/// On the scenarios of `v4` with sections and grace periods, too.
#[test]
fn scenarios_on_v4() {
    let library = Library::find().expect("the library is there");
    let model = library.model("v4").expect("it is in the library");
    for scenario in library.scenarios().expect("they are in the library") {
        if scenario.expected("v4").is_some() {
            no_repeats(&Arc::new(scenario), &model, 200);
        }
    }
}

#[test]
#[ignore = "takes minutes: cargo test once::every_pair -- --ignored --nocapture"]
fn every_pair_of_the_gate() {
    let library = Library::find().expect("the library is there");
    for scenario in library.scenarios().expect("they are in the library") {
        let scenario = Arc::new(scenario);
        for (model, _) in &scenario.expect {
            let model = library.model(model).expect("it is in the library");
            no_repeats(&scenario, &model, 100_000);
        }
    }
}
