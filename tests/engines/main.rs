// SPDX-License-Identifier: GPL-2.0-only
//! The engines: against brute force, known counts, what other tools show, and one another. One
//! binary, which is linked once and keeps every core busy. `cargo test NAME` runs the tests of one
//! file.

mod cross_check;
mod dpor_counts;
mod dpor_oracle;
mod follow;
mod graphs;
mod jobs;
mod lkmm;
mod loom_engine;
mod micro_model;
mod native_engine;
mod once;
mod priorities;
mod rc11;
mod rc11_oracle;
mod smallest;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Runs an ignored test in a process of its own, which is to pass and to print nothing itself.
#[track_caller]
fn prints_nothing(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("1 passed"), "{stdout}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
