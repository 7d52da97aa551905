// SPDX-License-Identifier: GPL-2.0-only
//! What runs a program written against [`crate::sync`], and what it may say about it.
//!
//! * [`dpor`] explores every sequentially consistent interleaving, reduced to one of each class of
//!   equivalent ones. Its silence is a proof.
//! * [`dpor::graphs`] explores every execution that RC11 allows, each once. The same holds for it.
//! * [`loom`] runs the same program on loom. A search.
//! * [`native`] runs it on real threads. Luck.
//! * [`dpor::replay`] runs one recorded interleaving.

pub mod dpor;
pub mod loom;
pub mod native;
pub mod recording;

use crate::sync::violation::ViolationKind;
use recording::Recording;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A program: what the first thread runs, once for each execution. Everything it does that another
/// thread could see goes through [`crate::sync`], and nothing it does depends on anything else.
pub type Program = Arc<dyn Fn() + Send + Sync>;

/// What a load may answer while the `dpor` engine explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MemoryModel {
    /// Sequential consistency: the last store.
    #[default]
    Sc,
    /// RC11, the repaired C11 memory model without cycles of program order and reads-from: any
    /// store that coherence, happens-before and the order of sequentially consistent accesses
    /// leave possible. (Lahav, Vafeiadis, Kang, Hur, Dreyer, PLDI 2017.)
    Rc11,
}

/// How far an exploration goes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// On what memory.
    pub memory_model: MemoryModel,
    /// Stop after this much time.
    pub budget: Option<Duration>,
    /// Stop after this many executions.
    pub max_executions: Option<u64>,
    /// Leave out interleavings with more preemptions than this.
    pub preemption_bound: Option<u32>,
    /// Go on after a violation, to the end, and report the first of each kind.
    pub all: bool,
    /// Store the states that were seen, and do not go on from one that comes about again: see
    /// [`dpor::states`]. For sequentially consistent memory.
    pub stored_states: bool,
    /// Set from outside to stop soon; what was found by then is reported.
    pub interrupted: Arc<AtomicBool>,
    /// Complete executions so far, for whoever watches.
    pub progress: Arc<AtomicU64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_model: MemoryModel::default(),
            budget: None,
            max_executions: None,
            preemption_bound: None,
            all: false,
            stored_states: false,
            interrupted: Arc::new(AtomicBool::new(false)),
            progress: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl Limits {
    /// Why an exploration that began at `start` and has seen `executions` has to stop now, if it
    /// has to.
    #[must_use]
    pub fn reached(&self, start: Instant, executions: u64) -> Option<String> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Some(format!("interrupted after {executions} executions"));
        }
        if let Some(most) = self.max_executions
            && executions >= most
        {
            return Some(format!("stopped after {most} executions, as asked"));
        }
        if let Some(budget) = self.budget
            && start.elapsed() >= budget
        {
            return Some(format!(
                "the budget of {} s ran out after {executions} executions",
                budget.as_secs_f64()
            ));
        }
        None
    }
}

/// A violation and the execution that shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its kind; an exploration reports one finding of each.
    pub kind: ViolationKind,
    /// The execution, with the violation of this kind among [`Recording::violations`].
    pub recording: Recording,
    /// How many executions had been run when it was found, this one included.
    pub after: u64,
}

/// What an exploration came to.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// Executions run to their end.
    pub executions: u64,
    /// Executions begun and cut because an equivalent one had been run already.
    pub blocked: u64,
    /// States that were stored, where they are.
    pub states: Option<u64>,
    /// Whether everything there is was explored. Only then does the lack of a finding mean
    /// anything.
    pub complete: bool,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// The first violation of each kind, in the order found.
    pub findings: Vec<Finding>,
}
