// SPDX-License-Identifier: GPL-2.0-only
//! One exploration on one core and on two, in turns.
//!
//! ```text
//! cargo bench --bench jobs
//! BENCH_ROUNDS=1 cargo bench --bench jobs -- rc11
//! ```
//!
//! Medians of five, as Markdown. It means something on a machine with two cores that does nothing
//! else.

#[path = "micro_model/mod.rs"]
mod micro_model;

use micro_model::{PutOrder, Size, on_sync};
use nfsd_check::{
    check::program::program,
    engine::{Jobs, Limits, MemoryModel, Program, dpor},
    library::Library,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn scenario(scenario: &str, model: &str) -> Program {
    let library = Library::find().expect("the shipped files are there");
    let scenario = library.scenario(scenario).expect("it is shipped");
    let model = library.model(model).expect("it is shipped");
    program(&Arc::new(scenario), model.choices)
}

/// How long it takes, and how many executions there are.
fn explore(program: &Program, memory_model: MemoryModel, free: usize) -> (Duration, u64) {
    let limits = Limits {
        memory_model,
        all: true,
        jobs: Jobs::new(free),
        ..Limits::default()
    };
    let start = Instant::now();
    let exploration = dpor::explore(program, &limits);
    assert!(exploration.complete, "{:?}", exploration.reason);
    (start.elapsed(), exploration.executions)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let rounds = std::env::var("BENCH_ROUNDS").ok();
    let rounds: usize = rounds.and_then(|n| n.parse().ok()).unwrap_or(5);
    let (largest, _) = Size::ROWS[Size::ROWS.len() - 1];
    let name = format!("micro-model {largest}");
    let largest = || on_sync::program(largest, PutOrder::FileFirst);
    let queue = scenario("drain-vs-queue", "v4");
    let rows = [
        (name.clone(), "sc", largest()),
        (name, "rc11", largest()),
        ("drain-vs-queue on v4".to_owned(), "sc", queue),
    ];
    println!("| program | memory | executions | one core | two cores | times as fast |");
    println!("|---|---|---:|---:|---:|---:|");
    for (name, memory, program) in rows {
        if wanted.as_ref().is_some_and(|wanted| wanted != memory) {
            continue;
        }
        let memory_model = match memory {
            "rc11" => MemoryModel::Rc11,
            _ => MemoryModel::Sc,
        };
        let (mut one, mut two, mut executions) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            let (time, count) = explore(&program, memory_model, 0);
            one.push(time);
            executions = count;
            let (time, count) = explore(&program, memory_model, 1);
            two.push(time);
            assert_eq!(count, executions, "{name}");
        }
        let (one, two) = (median(one), median(two));
        println!(
            "| {name} | {memory} | {executions} | {one:.2} s | {two:.2} s | {:.2} |",
            one / two
        );
    }
}
