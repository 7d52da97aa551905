// SPDX-License-Identifier: GPL-2.0-only
//! A deterministic model checker for the lifecycle of the Linux kernel's `struct nfsd_file`.
pub mod check;
pub mod cli;
pub mod engine;
pub mod json;
pub mod kernel;
pub mod library;
pub mod model;
pub mod nfsd;
pub mod report;
pub mod scenario;
pub mod sync;
