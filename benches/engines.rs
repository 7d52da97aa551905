// SPDX-License-Identifier: GPL-2.0-only
//! How fast this crate's explorer is, watched by criterion: whole explorations of the micro-model,
//! and a number of executions of a scenario. See `benches/README.md`.

#![allow(missing_docs, reason = "criterion's macros make items without")]

#[path = "micro_model/mod.rs"]
mod micro_model;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use micro_model::{PutOrder, Size, on_sync};
use nfsd_check::{
    check::program::program,
    engine::{Limits, Program, dpor},
    library::Library,
};
use std::{sync::Arc, time::Duration};

/// Executions of a scenario that are explored for one measurement.
const EXECUTIONS: u64 = 500;

fn explore(program: &Program, max_executions: Option<u64>) -> u64 {
    let limits = Limits {
        all: true,
        max_executions,
        ..Limits::default()
    };
    dpor::explore(program, &limits).executions
}

fn micro_model(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("micro-model");
    // The largest takes seconds and stands in the tables.
    for (size, executions) in &Size::ROWS[..Size::ROWS.len() - 1] {
        let program = on_sync::program(*size, PutOrder::FileFirst);
        group.throughput(Throughput::Elements(*executions));
        group.bench_function(BenchmarkId::new("dpor", size), |bencher| {
            bencher.iter(|| assert_eq!(explore(&program, None), *executions));
        });
    }
    group.finish();
}

fn scenarios(criterion: &mut Criterion) {
    let library = Library::find().expect("the shipped files are there");
    let scenarios = library.scenarios().expect("they can be read");
    let models = library.models().expect("they can be read");
    let mut group = criterion.benchmark_group("scenario");
    group.throughput(Throughput::Elements(EXECUTIONS));
    for (scenario, model) in [("gc-vs-stop", "v4"), ("unlink-vs-stop", "v4")] {
        let id = BenchmarkId::new(format!("dpor {scenario}"), model);
        let scenario = scenarios.iter().find(|s| s.name == scenario);
        let model = models.iter().find(|m| m.name == model);
        let (scenario, model) = scenario.zip(model).expect("they are shipped");
        let program = program(&Arc::new(scenario.clone()), model.choices);
        group.bench_function(id, |bencher| {
            bencher.iter(|| assert_eq!(explore(&program, Some(EXECUTIONS)), EXECUTIONS));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = micro_model, scenarios
}
criterion_main!(benches);
