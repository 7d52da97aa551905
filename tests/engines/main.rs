// SPDX-License-Identifier: GPL-2.0-only
//! The engines: against brute force, known counts, what other tools show, and one another. One
//! binary, which is linked once and keeps every core busy. `cargo test NAME` runs the tests of one
//! file.

mod cross_check;
mod dpor_counts;
mod dpor_oracle;
mod graphs;
mod jobs;
mod lkmm;
mod loom_engine;
mod micro_model;
mod native_engine;
mod priorities;
mod rc11;
mod rc11_oracle;
