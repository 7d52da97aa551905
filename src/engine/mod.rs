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
mod quiet;
pub mod recording;

use crate::sync::violation::ViolationKind;
use recording::Recording;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
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

/// Cores that explorations share: one that an exploration has no use for is taken by another.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    free: Arc<AtomicUsize>,
    eager: bool,
}

impl Jobs {
    /// How long an exploration runs on one core before it asks for another.
    pub(crate) const WORTH_IT: Duration = Duration::from_millis(20);

    /// `free` cores beside the ones that explorations begin on.
    #[must_use]
    pub fn new(free: usize) -> Self {
        Self {
            free: Arc::new(AtomicUsize::new(free)),
            eager: false,
        }
    }

    /// The same for tests: work is handed out whenever there is any, whether or not somebody asks
    /// for it.
    #[must_use]
    pub fn eager(free: usize) -> Self {
        Self {
            eager: true,
            ..Self::new(free)
        }
    }

    pub(crate) fn is_eager(&self) -> bool {
        self.eager
    }

    pub(crate) fn has_free(&self) -> bool {
        self.free.load(Ordering::Relaxed) > 0
    }

    /// Take a core.
    pub(crate) fn take(&self) -> Option<Job> {
        let fewer = |free: usize| free.checked_sub(1);
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        taken.ok().map(|_| Job(self.clone()))
    }

    /// A core that was in use elsewhere is free.
    pub fn give(&self) {
        self.free.fetch_add(1, Ordering::Relaxed);
    }
}

/// A core that is in use until dropped.
#[derive(Debug)]
pub(crate) struct Job(Jobs);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.give();
    }
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
    /// How much of the exploration is done: an estimate. The bits of an [`f64`] from 0 to 1.
    pub share: Arc<AtomicU64>,
    /// The cores that it may use.
    pub jobs: Jobs,
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
            share: Arc::new(AtomicU64::new(0)),
            jobs: Jobs::default(),
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
            let s = if most == 1 { "" } else { "s" };
            return Some(format!("stopped after {most} execution{s}, as asked"));
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
    /// How small it is, where a smaller one was looked for: see [`dpor::minimise`].
    pub size: Option<Size>,
}

/// How small an interleaving with a violation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// How often a context is followed by another one that could have gone on itself.
    pub preemptions: u32,
    /// The steps of the part where every interleaving counts.
    pub steps: usize,
    /// No execution with this kind of violation on this object has fewer preemptions.
    pub fewest_preemptions: bool,
    /// Nor does one with as few have fewer steps.
    pub fewest_steps: bool,
}

impl fmt::Display for Size {
    /// How small it is, and how far that it is the smallest is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let (preemptions, steps) = (self.preemptions, self.steps);
        let preemptions = format!("{preemptions} preemption{}", s(preemptions as usize));
        let steps = format!("{steps} step{}", s(steps));
        match (self.fewest_preemptions, self.fewest_steps) {
            (true, true) => write!(
                f,
                "{preemptions}, the fewest; {steps}, the fewest with these"
            ),
            (true, false) => write!(
                f,
                "{preemptions}, the fewest; {steps}, not shown to be the fewest"
            ),
            (false, _) => write!(f, "{preemptions}, {steps}: not shown to be minimal"),
        }
    }
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
    /// Where it was, if it was stopped and can go on: see [`dpor::resume`].
    pub left: Option<dpor::Checkpoint>,
}
