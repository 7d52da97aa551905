// SPDX-License-Identifier: GPL-2.0-only
//! Random schedules, by priorities: for programs that are too large to be explored.
//!
//! Each thread gets a random priority when it begins, and of the threads that can go on the one with
//! the highest does, except that at a few random steps the thread that would go on falls below all
//! others. A race that needs `d` events to come in a certain order is found by a run with `d - 1`
//! such steps with a chance of at least 1 in `n` × `k`^(`d` - 1), for `n` threads and `k` steps,
//! whatever else the program does (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010). How
//! many a race needs is not known, so the runs take turns: none, one, two, three.
//!
//! Run `i` with a seed is the same run every time. Nothing follows from finding nothing.

use super::{
    Explorer,
    execution::{Director, End, Scheduled, ThreadKey},
    states::scramble,
};
use crate::{
    engine::{Exploration, Finding, Limits, Program},
    sync::{self, engine::Engine, violation::ViolationKind},
};
use parking_lot::Mutex;
use std::{
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Instant,
};

/// The most steps at which priorities change in a run.
const CHANGES: u64 = 3;

/// A generator of numbers (SplitMix64; Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Who goes on, in one run.
#[derive(Debug)]
pub(super) struct Priorities {
    random: Random,
    /// The steps at which the thread that would go on falls below all others.
    changes: Vec<u64>,
    /// By thread.
    priorities: Vec<u64>,
    /// The next lower priority than any so far.
    lowest: u64,
    /// What was decided.
    taken: Vec<Scheduled<ThreadKey>>,
}

/// Above those that threads fall to.
const INITIAL: u64 = 1 << 32;

impl Priorities {
    /// For one run, of about so many steps.
    fn new(seed: u64, run: u64, steps: u64) -> Self {
        let mut random = Random(seed ^ scramble(run.wrapping_add(1)));
        let changes = (0..run % (CHANGES + 1)).map(|_| random.below(steps.max(1)));
        Self {
            changes: changes.collect(),
            random,
            priorities: Vec::new(),
            lowest: INITIAL,
            taken: Vec::new(),
        }
    }

    fn highest(&self, enabled: &[usize]) -> Option<usize> {
        let by_priority = |thread: &&usize| self.priorities[**thread];
        enabled.iter().max_by_key(by_priority).copied()
    }

    /// The thread that goes on, of those that can.
    pub(super) fn next(&mut self, enabled: &[usize]) -> Option<usize> {
        let threads = enabled.iter().max().map_or(0, |last| last + 1);
        while self.priorities.len() < threads {
            let priority = INITIAL + self.random.below(INITIAL);
            self.priorities.push(priority);
        }
        let step = self.taken.len() as u64;
        for _ in 0..self.changes.iter().filter(|at| **at == step).count() {
            if let Some(thread) = self.highest(enabled) {
                self.lowest -= 1;
                self.priorities[thread] = self.lowest;
            }
        }
        self.highest(enabled)
    }

    /// A thread goes on, which chooses one of so many alternatives if it chooses next.
    pub(super) fn goes_on(&mut self, thread: ThreadKey, alternatives: u32) {
        let choice = self.random.below(alternatives.into()) as u32;
        self.taken.push(Scheduled { thread, choice });
    }

    pub(super) fn choice_at(&self, step: usize) -> u32 {
        self.taken[step].choice
    }
}

/// A violation that some run has shown.
#[derive(Debug)]
struct Found {
    run: u64,
    kind: ViolationKind,
    /// Schedules that show it, the one with fewer switches first.
    schedules: Vec<Vec<Scheduled<ThreadKey>>>,
}

/// What the cores that make the runs share.
struct Shared<'a> {
    program: &'a Program,
    limits: &'a Limits,
    runs: u64,
    seed: u64,
    start: Instant,
    /// How many steps the first run has.
    steps: AtomicU64,
    /// The first run that nobody has begun.
    next: AtomicU64,
    /// No run after this one is needed.
    last: AtomicU64,
    found: Mutex<Vec<Found>>,
    /// Why not all runs were made.
    reason: Mutex<Option<String>>,
}

/// How many runs are begun at a time.
const BLOCK: u64 = 64;

/// Run the program `runs` times with random priorities, or until a limit is reached or, unless
/// [`Limits::all`], something was found: the same for any number of cores. Never complete.
///
/// # Panics
///
/// Where a core's thread has panicked.
#[must_use]
pub fn explore(program: &Program, limits: &Limits, runs: u64, seed: u64) -> Exploration {
    let shared = Shared {
        program,
        limits,
        runs: limits.max_executions.map_or(runs, |most| most.min(runs)),
        seed,
        start: Instant::now(),
        steps: AtomicU64::new(0),
        next: AtomicU64::new(1),
        last: AtomicU64::new(u64::MAX),
        found: Mutex::default(),
        reason: Mutex::default(),
    };
    shared.work(true);
    thread::scope(|scope| {
        while let Some(job) = limits.jobs.take() {
            let shared = &shared;
            scope.spawn(move || {
                shared.work(false);
                drop(job);
            });
        }
        shared.work(false);
    });
    shared.sum_up()
}

impl Shared<'_> {
    /// Make the first run, or some of the others.
    fn work(&self, first: bool) {
        let explorer = Explorer::new();
        let engine: Rc<dyn Engine> = Rc::<Explorer>::clone(&explorer);
        sync::with_engine(engine, || {
            if first {
                let steps = self.run(&explorer, 0);
                self.steps.store(steps as u64, Relaxed);
                return;
            }
            loop {
                let block = self.next.fetch_add(BLOCK, Relaxed);
                for run in block..(block + BLOCK).min(self.runs) {
                    let executions = self.limits.progress.load(Relaxed);
                    if run > self.last.load(Relaxed) {
                        return;
                    }
                    if let Some(reason) = self.limits.reached(self.start, executions) {
                        self.stop(reason);
                        return;
                    }
                    self.run(&explorer, run);
                }
                if block >= self.runs {
                    return;
                }
            }
        });
    }

    fn stop(&self, reason: String) {
        self.last.store(0, Relaxed);
        self.reason.lock().get_or_insert(reason);
    }

    /// Make a run. Answers how many steps it has.
    fn run(&self, explorer: &Explorer, run: u64) -> usize {
        let priorities = Priorities::new(self.seed, run, self.steps.load(Relaxed));
        explorer.execution.borrow_mut().director = Director::Priorities(priorities);
        explorer.run(self.program, false);
        let execution = &mut *explorer.execution.borrow_mut();
        if let Some(End::Cut(reason)) = &execution.end {
            self.stop(reason.clone());
            return 0;
        }
        self.limits.progress.fetch_add(1, Relaxed);
        execution.search.end_given_event();
        let Director::Priorities(priorities) = &execution.director else {
            unreachable!("it was set above");
        };
        for &kind in &execution.violations {
            let mut found = self.found.lock();
            if found.iter().any(|f| f.kind == kind && f.run <= run) {
                continue;
            }
            found.retain(|f| f.kind != kind);
            let calm = execution.calm_schedule();
            found.push(Found {
                run,
                kind,
                schedules: calm.into_iter().chain([priorities.taken.clone()]).collect(),
            });
            if !self.limits.all {
                self.last.fetch_min(run, Relaxed);
            }
        }
        priorities.taken.len()
    }

    fn sum_up(self) -> Exploration {
        let mut exploration = Exploration {
            executions: self.limits.progress.load(Relaxed),
            reason: self.reason.into_inner(),
            ..Exploration::default()
        };
        let mut found = self.found.into_inner();
        found.sort_by_key(|found| (found.run, found.kind));
        if !self.limits.all
            && let Some(first) = found.first().map(|found| found.run)
        {
            // Others may have gone further, or not, before they heard of it.
            found.retain(|found| found.run == first);
            exploration.executions = first + 1;
            exploration.reason = Some("stopped at the first violation".to_owned());
        }
        for Found {
            run,
            kind,
            schedules,
        } in found
        {
            match super::recorded(self.program, kind, schedules) {
                Some(recording) => exploration.findings.push(Finding {
                    kind,
                    recording,
                    after: run + 1,
                    size: None,
                }),
                None => {
                    exploration.reason = Some(format!(
                        "the model is not deterministic: a {kind} found in run {run} did not come \
                         about again"
                    ));
                }
            }
        }
        exploration
    }
}
