// SPDX-License-Identifier: GPL-2.0-only
//! Memory does not grow with the number of executions, and a step allocates none.
//!
//! A counting allocator tells how much is in use. What an explorer keeps for itself (stacks, the
//! search, buffers that are used again) has grown to its size after some executions; from then on
//! each execution has to give back what it took, and takes as much however many steps it has.

#[path = "../benches/counting/mod.rs"]
mod counting;

use counting::{ALLOCATIONS, LIVE, PEAK};
use nfsd_check::{
    check::program::program,
    engine::{Limits, MemoryModel, Program, dpor},
    library::Library,
    model::Model,
    scenario::Scenario,
    sync::{atomic::AtomicU64, engine::Phase, thread},
};
use std::sync::{Arc, atomic::Ordering::Relaxed};

fn explore(program: &Program, memory_model: MemoryModel, most: u64) -> u64 {
    let limits = Limits {
        memory_model,
        all: true,
        max_executions: Some(most),
        ..Limits::default()
    };
    let exploration = dpor::explore(program, &limits);
    exploration.executions + exploration.blocked
}

/// The most that is in use during an exploration, beyond what was before.
fn peak_of(program: &Program, memory_model: MemoryModel, most: u64) -> (u64, i64) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let executions = explore(program, memory_model, most);
    (executions, PEAK.load(Relaxed) - before)
}

/// What is in use after an exploration has ended and all that it kept is gone, beyond what was
/// before.
fn left_by(program: &Program, memory_model: MemoryModel, most: u64) -> (u64, i64) {
    let before = LIVE.load(Relaxed);
    let executions = explore(program, memory_model, most);
    (executions, LIVE.load(Relaxed) - before)
}

fn pairs() -> Vec<(Arc<Scenario>, Model)> {
    let library = Library::find().expect("the repository has scenarios");
    let models = library.models().expect("they are valid");
    let scenarios = library.scenarios().expect("they are valid");
    let mut pairs = Vec::new();
    for scenario in scenarios {
        let scenario = Arc::new(scenario);
        for model in &models {
            if scenario.expect.iter().any(|(name, _)| *name == model.name) {
                pairs.push((Arc::clone(&scenario), model.clone()));
            }
        }
    }
    pairs
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_does_not_grow() {
    every_execution_gives_back_what_it_took();
    an_explorer_keeps_nothing_of_an_execution();
    a_step_allocates_nothing();
}

/// Three threads that increment a word so many times each.
fn increments(each: usize) -> Program {
    Arc::new(move || {
        let word = Arc::new(AtomicU64::new("word", 0));
        thread::set_phase(Phase::Concurrent);
        for _ in 0..3 {
            let word = Arc::clone(&word);
            thread::spawn_detached("adder", move || {
                for _ in 0..each {
                    word.fetch_add(1, Relaxed);
                }
            });
        }
        thread::settle();
    })
}

/// The allocations of an execution, after some.
fn allocations(program: &Program, memory_model: MemoryModel) -> u64 {
    let count = |most| {
        let before = ALLOCATIONS.load(Relaxed);
        let _ = explore(program, memory_model, most);
        ALLOCATIONS.load(Relaxed) - before
    };
    (count(1_500) - count(500)) / 1_000
}

fn a_step_allocates_nothing() {
    for memory_model in [MemoryModel::Sc, MemoryModel::Rc11] {
        let few = allocations(&increments(3), memory_model);
        let many = allocations(&increments(30), memory_model);
        assert!(few > 0 && many <= few + 2, "{memory_model:?}: {few} {many}");
    }
}

fn every_execution_gives_back_what_it_took() {
    let mut leaks = Vec::new();
    let pairs = pairs();
    // What is allocated once and for all.
    for memory_model in [MemoryModel::Sc, MemoryModel::Rc11] {
        let _ = explore(&program(&pairs[0].0, pairs[0].1.choices), memory_model, 10);
    }
    for (scenario, model) in &pairs {
        for memory_model in [MemoryModel::Sc, MemoryModel::Rc11] {
            let program = program(scenario, model.choices);
            let (executions, left) = left_by(&program, memory_model, 100);
            if left > 0 {
                leaks.push(format!(
                    "{} on {}, {memory_model:?}: {left} bytes after {executions} executions",
                    scenario.name, model.name
                ));
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// What an explorer uses is as much after ten thousand executions as after two thousand, but for
/// the depth of its search: were a kilobyte of each kept, it would be 8 MB.
fn an_explorer_keeps_nothing_of_an_execution() {
    let pairs = pairs();
    for scenario in ["lease-vs-stop", "unlink-vs-stop"] {
        let is_it = |(s, m): &&(Arc<Scenario>, Model)| s.name == scenario && m.name == "v2-review";
        let (scenario, model) = pairs.iter().find(is_it).expect("it is shipped");
        let program = program(scenario, model.choices);
        for memory_model in [MemoryModel::Sc, MemoryModel::Rc11] {
            let (_, few) = peak_of(&program, memory_model, 2_000);
            let (executions, many) = peak_of(&program, memory_model, 10_000);
            assert!(
                many < few + 500_000,
                "{}, {memory_model:?}: {few} bytes, and {many} for {executions} executions",
                scenario.name
            );
        }
    }
}
