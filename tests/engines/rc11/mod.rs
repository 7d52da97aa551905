// SPDX-License-Identifier: GPL-2.0-only
//! All executions of small programs that a memory model allows, by brute force.
//!
//! This is what the explorer of execution graphs is compared with, so nothing here knows anything
//! of an engine: a program is a list of operations for each thread ([`program`]); an execution is
//! a set of events with reads-from and a modification order for each word; the axioms say which of
//! those are executions of the model ([`axioms`]); and [`enumerate`] tries them all.

pub(crate) mod axioms;
pub(crate) mod bridge;
pub(crate) mod enumerate;
pub(crate) mod generate;
pub(crate) mod litmus;
pub(crate) mod program;
