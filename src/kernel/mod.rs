// SPDX-License-Identifier: GPL-2.0-only
//! The kernel primitives that nfsd's file cache is built on, built on [`crate::sync`] alone.
//!
//! A file here is named after the kernel header or file it stands for. Each item says which C
//! function it is, what ordering it gives, and where it differs.
//!
//! [`Kernel`] holds what the primitives share: RCU, the contexts that run, and the options of the
//! scenario.

pub mod atomic;
pub mod barrier;
pub mod bitops;
pub mod completion;
pub mod context;
pub mod fsnotify;
pub mod list;
pub mod list_lru;
pub mod memory_model;
pub mod net_namespace;
pub mod notifier;
pub mod percpu;
pub mod percpu_ref;
pub mod pointer;
pub mod rcu;
pub mod refcount;
pub mod rhashtable;
pub mod rwonce;
pub mod shrinker;
pub mod slab;
pub mod spinlock;
pub mod srcu;
mod versioned;
pub mod workqueue;

use crate::sync::rcu::Domain;
use context::Contexts;
use rcu::{Callbacks, Names};
use std::sync::Arc;

/// What a scenario says about the kernel it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `CONFIG_PREEMPT_RCU`. Without it each context is an RCU reader between two points where it
    /// may sleep.
    pub preempt_rcu: bool,
    /// Whether an allocation may fail: each is then a choice.
    pub alloc_may_fail: bool,
    /// How often a timer may fire by itself while the actors run.
    pub timer_passes: u32,
    /// How many cpus it has: from 1 to [`percpu::MAX_CPUS`].
    pub cpus: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            preempt_rcu: true,
            alloc_may_fail: false,
            timer_passes: 2,
            cpus: 1,
        }
    }
}

/// The state that the primitives share, one for each execution.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) rcu: Domain,
    pub(crate) callbacks: Callbacks,
    pub(crate) contexts: Contexts,
    pub(crate) options: Options,
}

impl Kernel {
    /// A kernel that has just booted.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            rcu: Domain::new("rcu"),
            callbacks: Callbacks::new(Names {
                context: "rcu callback",
                done: "rcu_head",
                queue: "rcu callbacks",
            }),
            contexts: Contexts::default(),
            options,
        })
    }
}
