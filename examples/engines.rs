// SPDX-License-Identifier: GPL-2.0-only
//! What the searching engines find in the shipped scenarios, and how fast.
//!
//! `cargo run --example engines -- ENGINE SECONDS [SCENARIO [MODEL]]` with `dpor`, `loom`
//! or `native` for the engine. A line for each pair: the kinds that were found, and after how many
//! executions.

use nfsd_check::{
    check::program::program,
    engine::{Limits, dpor, loom, native},
    library::Library,
};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(engine), Some(seconds)) = (arguments.first(), arguments.get(1)) else {
        return Err("engines ENGINE SECONDS [SCENARIO [MODEL]]".into());
    };
    let wanted = |n: usize, name: &str| arguments.get(n).is_none_or(|a| a == name);
    let limits = Limits {
        budget: Some(Duration::from_secs_f64(seconds.parse()?)),
        preemption_bound: std::env::var("BOUND").ok().and_then(|b| b.parse().ok()),
        ..Limits::default()
    };
    let library = Library::find()?;
    for scenario in library.scenarios()? {
        if !wanted(2, &scenario.name) {
            continue;
        }
        let scenario = Arc::new(scenario);
        for model in library.models()? {
            if !wanted(3, &model.name) || scenario.expected(&model.name).is_none() {
                continue;
            }
            let program = program(&scenario, model.choices);
            let start = Instant::now();
            let exploration = match engine.as_str() {
                "dpor" => dpor::explore(&program, &limits),
                "loom" => loom::explore(&program, &limits),
                "native" => native::explore(&program, &limits, 100_000),
                other => return Err(format!("no engine {other}").into()),
            };
            let found = exploration.findings.iter().map(|finding| {
                let violation = finding.recording.violation(finding.kind);
                let violation = violation.expect("a finding is in its recording");
                format!(
                    "{} of {} ({})",
                    finding.kind, violation.object, violation.message
                )
            });
            println!(
                "{:24} {:14} {:>9} executions {:7.2} s  [{}] {}",
                scenario.name,
                model.name,
                exploration.executions,
                start.elapsed().as_secs_f64(),
                found.collect::<Vec<_>>().join(", "),
                exploration.reason.unwrap_or_default(),
            );
        }
    }
    Ok(())
}
