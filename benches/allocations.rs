// SPDX-License-Identifier: GPL-2.0-only
//! How many allocations an execution costs, and a step of it, and how many executions a second
//! there are: what `dpor` and the model do together, under each memory model; and how much memory is
//! in use at most, which does not depend on the number of executions. See `benches/README.md`.
//!
//! `cargo bench --bench allocations`, or with a word that the row's name has to contain

#[path = "counting/mod.rs"]
mod counting;
#[path = "micro_model/mod.rs"]
mod micro_model;

use counting::{ALLOCATIONS, BYTES, LIVE, PEAK};
use micro_model::{PutOrder, Size, on_sync};
use nfsd_check::{
    check::program::program,
    engine::{Exploration, Limits, MemoryModel, Program, dpor},
    library::Library,
};
use std::{
    error::Error,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

/// Executions after which everything that grows has grown.
const WARM: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| program | memory | executions | cut | steps | of them concurrent | allocations | a step \
         | bytes | time | a step | executions a second |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (size, executions) in Size::ROWS {
        if executions > 2 * WARM {
            let program = on_sync::program(size, PutOrder::FileFirst);
            measure_both(&format!("micro-model {size}"), &program, executions);
        }
    }
    let library = Library::find()?;
    for (scenario, model) in [("gc-vs-stop", "v4"), ("unlink-vs-stop", "v4")] {
        let mut scenarios = library.scenarios()?.into_iter();
        let scenario = scenarios.find(|s| s.name == scenario);
        let model = library.models()?.into_iter().find(|m| m.name == model);
        let (scenario, model) = scenario.zip(model).ok_or("they are shipped")?;
        let name = format!("{} on {}", scenario.name, model.name);
        measure_both(&name, &program(&Arc::new(scenario), model.choices), 4_000);
    }
    println!();
    println!(
        "Of one execution in the steady state: the first {WARM} are left out. Steps: those of the \
         first execution, its sequential beginning and end included. A run that was cut counts \
         for the next complete one."
    );
    println!();
    println!("| program | memory | in use at most, 10,000 executions | 100,000 | 1,000,000 |");
    println!("|---|---|---:|---:|---:|");
    let size = Size::new(2, 2, 4);
    let program = on_sync::program(size, PutOrder::FileFirst);
    measure_memory(&format!("micro-model {size}"), &program);
    Ok(())
}

fn measure_memory(name: &str, program: &Program) {
    if !is_wanted(name) {
        return;
    }
    for memory_model in [MemoryModel::Sc, MemoryModel::Rc11] {
        let peaks = [10_000, 100_000, 1_000_000].map(|most| {
            let before = LIVE.load(Relaxed);
            PEAK.store(before, Relaxed);
            let (exploration, ..) = explore(program, memory_model, most);
            assert_eq!(exploration.executions, most, "{name} is too small");
            PEAK.load(Relaxed) - before
        });
        println!(
            "| {name} | {} | {} kB | {} kB | {} kB |",
            name_of(memory_model),
            peaks[0] / 1000,
            peaks[1] / 1000,
            peaks[2] / 1000
        );
    }
}

fn name_of(memory_model: MemoryModel) -> &'static str {
    match memory_model {
        MemoryModel::Sc => "sc",
        MemoryModel::Rc11 => "rc11",
    }
}

/// Whether a row of this name was asked for.
fn is_wanted(name: &str) -> bool {
    let mut wanted = std::env::args().skip(1).filter(|word| word != "--bench");
    wanted.next().is_none_or(|word| name.contains(&word))
}

fn measure_both(name: &str, program: &Program, most: u64) {
    if is_wanted(name) {
        measure(name, program, MemoryModel::Sc, most);
        measure(name, program, MemoryModel::Rc11, most);
    }
}

fn measure(name: &str, program: &Program, memory_model: MemoryModel, most: u64) {
    let most = most.min(20_000);
    let recorded = dpor::replay(program, &[]).recording.steps;
    let concurrent = recorded.iter().filter(|step| step.concurrent).count();
    let steps = recorded.len() as f64;
    let (_, warm_allocations, warm_bytes, warm_seconds) = explore(program, memory_model, WARM);
    let (exploration, allocations, bytes, seconds) = explore(program, memory_model, most);
    let (executions, cut) = (exploration.executions, exploration.blocked);
    let memory = name_of(memory_model);
    let each = |all: f64, warm: f64| (all - warm) / (executions - WARM) as f64;
    let allocations = each(allocations as f64, warm_allocations as f64);
    let seconds = each(seconds, warm_seconds);
    println!(
        "| {name} | {memory} | {executions} | {cut} | {steps} | {concurrent} | {allocations:.0} \
         | {:.2} | {:.0} | {:.1} µs | {:.0} ns | {:.0} |",
        allocations / steps,
        each(bytes as f64, warm_bytes as f64),
        seconds * 1e6,
        seconds / steps * 1e9,
        1.0 / seconds,
    );
}

fn explore(
    program: &Program,
    memory_model: MemoryModel,
    max_executions: u64,
) -> (Exploration, u64, u64, f64) {
    let limits = Limits {
        memory_model,
        all: true,
        max_executions: Some(max_executions),
        ..Limits::default()
    };
    let (allocations, bytes) = (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed));
    let start = Instant::now();
    let exploration = dpor::explore(program, &limits);
    (
        exploration,
        ALLOCATIONS.load(Relaxed) - allocations,
        BYTES.load(Relaxed) - bytes,
        start.elapsed().as_secs_f64(),
    )
}
