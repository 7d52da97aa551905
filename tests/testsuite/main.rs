// SPDX-License-Identifier: GPL-2.0-only
//! All but the engines: the files, the commands, the reports, and the lifecycle by scenarios. One
//! binary, which is linked once and keeps every core busy. `cargo test NAME` runs the tests of one
//! file.

mod binary;
mod check;
mod cli;
mod corpus;
mod diagnostics;
mod fidelity;
mod fixes;
mod formats;
mod formats_fuzz;
mod forms;
mod hunt;
mod layers;
mod mutants;
mod replay;
mod resume;
mod schemas;
mod step;
mod thread;
