// SPDX-License-Identifier: GPL-2.0-only
//! How executions and time grow with actors, files and passes of the laundrette.
//!
//! `cargo run --release --example growth -- SECONDS` prints a table in Markdown. Each cell is
//! explored on one core, and cut after so many seconds. The model is `v4-free-unhash`, on which all
//! of them hold.

use nfsd_check::{
    check::program::program,
    engine::{Jobs, Limits, MemoryModel, dpor},
    library::Library,
    scenario::Scenario,
};
use serde_json::{Map, Value, json};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

const MODEL: &str = "v4-free-unhash";

/// What each actor does, in the order in which they are added.
const ACTORS: [(&str, &str); 6] = [
    ("nfsd-stop", "stop B"),
    ("io-completion-1", "local_done x"),
    ("io-completion-2", "local_done y"),
    ("laundrette", "gc"),
    ("lease", "setlease i1"),
    ("reclaim", "shrink"),
];

fn scenario(actors: usize) -> Value {
    let actors: Map<String, Value> = ACTORS[..actors]
        .iter()
        .map(|(name, operation)| ((*name).to_owned(), json!([operation])))
        .collect();
    json!({
        "name": "growth",
        "nets": [{"name": "A", "user": true}, {"name": "B", "user": true}],
        "inodes": ["i0", "i1"],
        "gc_passes": 0,
        "setup": [
            "start A", "start B", "x = local_open B i0", "y = local_open A i0", "z = acquire B i1 gc", "put z",
        ],
        "actors": actors,
    })
}

/// A server stops while the laundrette runs over so many idle files, and its timer fires so often.
fn files_and_passes(files: usize, passes: usize) -> Value {
    let inodes: Vec<String> = (0..files).map(|i| format!("i{i}")).collect();
    let mut setup = vec!["start B".to_owned()];
    for i in 0..files {
        setup.extend([format!("x{i} = acquire B i{i} gc"), format!("put x{i}")]);
    }
    setup.push("gc".to_owned());
    json!({
        "name": "growth",
        "nets": [{"name": "B", "user": true}],
        "inodes": inodes,
        "gc_passes": passes,
        "setup": setup,
        "actors": {"laundrette": ["gc"], "nfsd-stop": ["stop B"]},
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).ok_or("growth SECONDS")?;
    let budget = Duration::from_secs_f64(seconds.parse()?);
    let model = Library::find()?.model(MODEL)?;
    let mut rows = Vec::new();
    // The I/Os are waited for: a stop alone hangs.
    for actors in 2..=ACTORS.len() {
        let (_, last) = ACTORS[actors - 1];
        rows.push((format!("{actors} actors, with `{last}`"), scenario(actors)));
    }
    for files in 1..=3 {
        let row = format!("`gc` and a stop, files: {files}");
        rows.push((row, files_and_passes(files, 0)));
    }
    for passes in 1..=3 {
        let row = format!("`gc` and a stop, one file, timer fires: {passes}");
        rows.push((row, files_and_passes(1, passes)));
    }
    println!("| | rc11 | | sc | |");
    println!("|---|---:|---:|---:|---:|");
    for (row, text) in rows {
        let text = text.to_string();
        let scenario = Scenario::parse("growth", text.as_bytes(), &[MODEL]);
        let program = program(&Arc::new(scenario?), model.choices);
        let cells = [MemoryModel::Rc11, MemoryModel::Sc].map(|memory_model| {
            let limits = Limits {
                memory_model,
                all: true,
                budget: Some(budget),
                jobs: Jobs::new(1),
                ..Limits::default()
            };
            let start = Instant::now();
            let exploration = dpor::explore(&program, &limits);
            let found = match exploration.findings.is_empty() {
                true => "",
                false => " (violated)",
            };
            let more = if exploration.complete { "" } else { "> " };
            let seconds = start.elapsed().as_secs_f64();
            format!("{more}{}{found} | {seconds:.2} s", exploration.executions)
        });
        println!("| {row} | {} |", cells.join(" | "));
    }
    Ok(())
}
