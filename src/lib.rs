// SPDX-License-Identifier: GPL-2.0-only
//! A deterministic model checker for the lifecycle of the Linux kernel's `struct nfsd_file`.
//!
//! Somebody reads a patch to `fs/nfsd/filecache.c` and says "this races with shutdown". Somebody
//! else says "false positive". Reading seldom settles it: service threads, LOCALIO completions, the
//! laundrette, the shrinker, lease and fsnotify callbacks, shutdown and the end of a namespace all
//! touch one object, under a refcount, a percpu ref and RCU at once. This crate re-implements that
//! lifecycle, runs it in every execution that the RC11 memory model allows, and answers *holds*,
//! *violated*, with an interleaving that can be replayed, or *undecided*.
//!
//! # Layers
//!
//! Each knows only those above it in this list.
//!
//! * [`sync`]: the primitives that the model is written against, in loom's vocabulary, and the
//!   trait that an engine implements. It also knows memory with a lifetime, RCU domains and what
//!   can go wrong.
//! * [`engine`]: what runs a program: [`engine::dpor`] explores and may prove, [`engine::loom`]
//!   searches, [`engine::native`] tries its luck.
//! * [`model`]: which patch is applied, as a set of named choices.
//! * [`kernel`]: the kernel's primitives, on [`sync`] alone; a file is named after the header or
//!   the source file it stands for.
//! * [`nfsd`]: the lifecycle, one Rust function for each kernel function.
//! * [`scenario`]: who runs what, on which files and namespaces.
//! * [`check`]: a scenario on a model with an engine, the verdict, and what was expected.
//! * [`hunt`]: scenarios that are made, and made as small as they can be.
//! * [`report`]: counterexamples, for people and as files, and replays of them.
//! * [`cli`]: the commands. [`library`] finds models and scenarios, [`json`] reads files that
//!   people write and says what is wrong with them.
//!
//! [`dpor`] is the explorer for programs that have nothing to do with any of this: `check(|| …)`, in
//! loom's words.
//!
//! # Rules
//!
//! * **The lifecycle names no engine.** [`kernel`] and [`nfsd`] use [`sync`] only and carry no type
//!   parameter for it. One build holds every engine; which one runs is decided when a run starts.
//! * **It reads like the kernel.** Same names, same order of steps, so that `filecache.c` and
//!   `filecache.rs` can be read side by side. What is left out is said where it is left out, with
//!   the reason why no race is lost with it.
//! * **A patch is a choice at the spot where the patch is.** A `match` on a named enum stands where
//!   the diff sits. Models combine choices and hold no logic, so any combination can be asked about.
//! * **Initial states are reached, not invented.** The setup of a scenario runs the kernel's own
//!   functions.
//! * **Exploration records choices, replay records the story.** While exploring, only the schedule
//!   is kept. What is printed comes from running one execution again.
//! * **A primitive says what it promises.** Each names the C header it stands for and the ordering
//!   that each operation gives.
//! * **Violations are values**: a kind, an object, a context, and the places that matter.
//! * **Nothing random, nothing timed.** No hash order, no address and no clock decides or prints
//!   anything but the seconds a run took. The same input gives the same bytes; only the `native`
//!   engine, which runs on real threads, cannot promise that.
//!
//! # What the answer rests on
//!
//! `holds` is said by [`engine::dpor`] alone, and only when it has explored everything. It is a
//! statement about a scenario, on a model, under RC11. It is none about weaker memory, about
//! contexts that the scenario does not have, or about C code that was translated wrongly. The
//! README says more on each.
pub mod check;
pub mod cli;
pub mod engine;
pub mod hunt;
pub mod json;
pub mod kernel;
pub mod library;
pub mod model;
pub mod mutants;
pub mod nfsd;
pub mod report;
pub mod scenario;
pub mod schema;
pub mod sync;

#[doc(inline)]
pub use engine::dpor::check as dpor;
