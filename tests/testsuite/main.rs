// SPDX-License-Identifier: GPL-2.0-only
//! All tests that can share a process, in one binary: it is linked once, and its tests keep every
//! core busy. `cargo test NAME` runs those of one file.

mod check;
mod cli;
mod corpus;
mod cross_check;
mod diagnostics;
mod dpor_counts;
mod dpor_oracle;
mod fidelity;
mod fixes;
mod formats;
mod formats_fuzz;
mod forms;
mod graphs;
mod hunt;
mod jobs;
mod layers;
mod lkmm;
mod loom_engine;
mod micro_model;
mod mutants;
mod native_engine;
mod priorities;
mod rc11;
mod rc11_oracle;
mod replay;
mod resume;
mod schemas;
mod step;
mod thread;
