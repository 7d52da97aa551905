// SPDX-License-Identifier: GPL-2.0-only
//! The exploration of interleavings, by one thread or by several.
//!
//! A [`Task`] is a search and what it has come to. Of a node whose first thread is still being
//! explored, the next one can be handed out as a task of its own (see `search`). A task that comes
//! to such a node waits for the other one: it is put down, and taken up again by whoever is done
//! with that. It then takes over what the other one has found, as if it had explored it itself at
//! this point. So what an exploration comes to, and what it finds first, is the same for any number
//! of threads.

use super::{
    Explorer,
    execution::{End, Execution, Scheduled, ThreadKey},
    parallel::{Pool, Worker},
    search::{Next, Search},
};
use crate::{
    engine::{Exploration, Limits, Program},
    sync::{self, engine::Engine, violation::ViolationKind},
};
use parking_lot::Mutex;
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

/// A violation, after how many executions, and schedules that show it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kind: ViolationKind,
    pub(super) after: u64,
    pub(super) schedules: Vec<Vec<Scheduled<ThreadKey>>>,
}

/// A search, and what it has come to.
#[derive(Debug, Default)]
pub(super) struct Task {
    pub(super) search: Search,
    pub(super) executions: u64,
    pub(super) blocked: u64,
    pub(super) found: Vec<Found>,
    /// Why it goes no further, where there is a reason that would be the same another time.
    pub(super) ended: Option<String>,
    /// It has come to a node of which somebody else has the next thread.
    pub(super) waits: bool,
    /// It is explored to its end.
    pub(super) is_done: bool,
    /// What it was handed out as, while somebody is at it.
    pub(super) handed: Option<Arc<Handed>>,
    /// The share of the whole exploration that it was taken to be.
    pub(super) weight: f64,
    /// How much of that is done and has been told.
    pub(super) told: f64,
}

/// Stands for a task at the node that it was handed out from.
#[derive(Debug, Default)]
pub(super) struct Handed {
    /// What it was handed out of, where that was handed out, too.
    of: Option<Arc<Self>>,
    /// Nobody needs it any more.
    cancelled: AtomicBool,
    state: Mutex<HandedState>,
}

#[derive(Debug, Default)]
struct HandedState {
    /// The task, when nobody is at it any more.
    task: Option<Box<Task>>,
    /// Who waits for it.
    waiting: Option<Box<Task>>,
}

impl Handed {
    /// Stands for a task that nobody is at.
    pub(super) fn with(task: Box<Task>) -> Arc<Self> {
        let handed = Self::default();
        handed.state.lock().task = Some(task);
        Arc::new(handed)
    }

    /// The task, where nobody is at it.
    pub(super) fn with_task<R>(&self, f: impl FnOnce(&Task) -> R) -> Option<R> {
        self.state.lock().task.as_deref().map(f)
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed) || self.of.as_ref().is_some_and(|of| of.is_cancelled())
    }
}

impl HandedState {
    /// The task, if it is done.
    fn take_done(&mut self) -> Option<Box<Task>> {
        self.task.take_if(|task| task.is_done)
    }
}

impl Task {
    /// A whole exploration.
    pub(super) fn whole() -> Self {
        Self {
            weight: 1.0,
            ..Self::default()
        }
    }

    fn is_cancelled(&self) -> bool {
        let handed = self.handed.as_ref();
        handed.is_some_and(|handed| handed.is_cancelled())
    }

    /// Take over what another task has come to.
    fn take_over(&mut self, other: Self) {
        for found in other.found {
            if !self.found.iter().any(|known| known.kind == found.kind) {
                self.found.push(Found {
                    after: self.executions + found.after,
                    ..found
                });
            }
        }
        self.executions += other.executions;
        self.blocked += other.blocked;
        self.told += other.told;
        self.ended = other.ended;
        if self.ended.is_none() {
            self.search.take_back(&other.search);
        }
    }
}

/// An exploration that some threads are at.
struct Shared<'a> {
    program: &'a Program,
    limits: &'a Limits,
    start: Instant,
    pool: Pool<Box<Task>>,
    /// The task that it began with, when nobody is at it any more.
    first: Mutex<Option<Box<Task>>>,
    /// How much of it is done: an estimate.
    share: Mutex<f64>,
}

/// What to do after a task was put down.
enum Then {
    /// Go on with this one.
    TakeUp(Box<Task>),
    /// Find another one.
    Next,
}

/// Explore, from `task` on. Answers it when it is done or has to stop.
pub(super) fn explore(
    program: &Program,
    limits: &Limits,
    start: Instant,
    task: Box<Task>,
) -> (Exploration, Box<Task>) {
    limits
        .progress
        .store(total(&task, |task| task.executions), Relaxed);
    let mut pieces = Vec::new();
    open(&task, &mut pieces);
    let shared = Shared {
        program,
        limits,
        start,
        pool: Pool::new(std::iter::once(task).chain(pieces), &limits.jobs),
        first: Mutex::new(None),
        share: Mutex::new(0.0),
    };
    shared.pool.run(|worker| shared.work(worker));
    shared.put_down_the_rest();
    let task = shared.first.lock().take().expect("it was put down");
    let exploration = sum_up(&task, limits, start);
    (exploration, task)
}

fn sum_up(task: &Task, limits: &Limits, start: Instant) -> Exploration {
    let executions = total(task, |task| task.executions);
    let mut exploration = Exploration {
        executions,
        blocked: total(task, |task| task.blocked),
        ..Exploration::default()
    };
    if let Some(reason) = &task.ended {
        exploration.reason = Some(reason.clone());
    } else if task.is_done {
        exploration.complete = !task.search.bound_hit;
        if task.search.bound_hit {
            exploration.reason = Some(format!(
                "interleavings with more than {} preemptions were left out",
                limits.preemption_bound.unwrap_or(0)
            ));
        }
    } else {
        let reason = limits.reached(start, executions);
        exploration.reason = Some(reason.unwrap_or_else(|| "stopped".to_owned()));
    }
    exploration
}

/// The task and all that were handed out of it and not taken over. Of one that has ended, nothing
/// of what was handed out counts.
pub(super) fn each_task(task: &Task, f: &mut impl FnMut(&Task)) {
    f(task);
    if task.ended.is_none() {
        for handed in task.search.handed() {
            handed.with_task(|task| each_task(task, f));
        }
    }
}

fn total(task: &Task, count: impl Fn(&Task) -> u64) -> u64 {
    let mut total = 0;
    each_task(task, &mut |task| total += count(task));
    total
}

/// Take the tasks that were handed out of this one and are not done, to be taken up again.
#[expect(clippy::vec_box, reason = "they are boxed wherever they go")]
fn open(task: &Task, pieces: &mut Vec<Box<Task>>) {
    for handed in task.search.handed() {
        let task = handed.state.lock().task.take_if(|task| !task.is_done);
        if let Some(mut task) = task {
            open(&task, pieces);
            task.handed = Some(Arc::clone(handed));
            pieces.push(task);
        }
    }
}

impl Shared<'_> {
    fn work(&self, worker: &Worker<'_, '_, Box<Task>>) {
        let explorer = Explorer::new();
        let engine: Rc<dyn Engine> = Rc::<Explorer>::clone(&explorer);
        sync::with_engine(engine, || {
            let mut has_worked = false;
            while let Some(mut task) = worker.next(has_worked) {
                has_worked = true;
                loop {
                    task.search.preemption_bound = self.limits.preemption_bound;
                    let is_done = self.explore(&explorer, worker, &mut task);
                    match self.put_down(task, is_done) {
                        Then::TakeUp(waiting) => task = waiting,
                        Then::Next => break,
                    }
                }
            }
        });
    }

    /// Explore until the task is done, in which case the answer is `true`, or cannot go on.
    fn explore(
        &self,
        explorer: &Explorer,
        worker: &Worker<'_, '_, Box<Task>>,
        task: &mut Task,
    ) -> bool {
        if !task.waits {
            if self.has_to_stop(task) {
                return false;
            }
            self.run_one(explorer, worker, task);
        }
        while task.ended.is_none() {
            task.waits = false;
            match task.search.backtrack() {
                Next::Done => return true,
                Next::Run => {
                    self.tell(task, false);
                    if self.has_to_stop(task) {
                        return false;
                    }
                    self.run_one(explorer, worker, task);
                }
                Next::Wait(handed) => {
                    let other = handed.state.lock().take_done();
                    let Some(other) = other else {
                        task.waits = true;
                        return false;
                    };
                    task.take_over(*other);
                }
            }
        }
        true
    }

    fn has_to_stop(&self, task: &Task) -> bool {
        if self.pool.is_stopping() || task.is_cancelled() {
            return true;
        }
        let executions = self.limits.progress.load(Relaxed);
        if self.limits.reached(self.start, executions).is_some() {
            self.pool.stop();
            return true;
        }
        false
    }

    /// Run the next execution, and hand out some of what is left then if that is asked for.
    fn run_one(&self, explorer: &Explorer, worker: &Worker<'_, '_, Box<Task>>, task: &mut Task) {
        let swap = |task: &mut Task| {
            let mut execution = explorer.execution.borrow_mut();
            std::mem::swap(&mut task.search, &mut execution.search);
        };
        swap(task);
        explorer.run(self.program, false);
        self.judge(&mut explorer.execution.borrow_mut(), task);
        swap(task);
        // Which executions are the first so many is known in order only.
        if task.ended.is_none() && worker.is_asked() && self.limits.max_executions.is_none() {
            self.hand_out(task);
        }
    }

    /// What an execution came to.
    fn judge(&self, execution: &mut Execution, task: &mut Task) {
        if let Some(End::Cut(reason)) = &execution.end {
            task.ended = Some(reason.clone());
            return;
        }
        execution.conclude();
        let over_bound = execution.search.is_over_bound();
        if over_bound || execution.end == Some(End::Blocked) {
            task.blocked += 1;
        } else {
            task.executions += 1;
            self.limits.progress.fetch_add(1, Relaxed);
        }
        if over_bound {
            return;
        }
        for &kind in &execution.violations {
            if task.found.iter().any(|known| known.kind == kind) {
                continue;
            }
            let calm = execution.calm_schedule();
            let plain = execution.schedule_by_key();
            task.found.push(Found {
                kind,
                after: task.executions,
                schedules: calm.into_iter().chain([plain]).collect(),
            });
        }
        if !task.found.is_empty() && !self.limits.all {
            task.ended = Some("stopped at the first violation".to_owned());
        }
    }

    fn hand_out(&self, task: &mut Task) {
        let handed = Arc::new(Handed {
            of: task.handed.clone(),
            ..Handed::default()
        });
        let Some((search, share)) = task.search.hand_out(|| Arc::clone(&handed)) else {
            return;
        };
        self.pool.offer(Box::new(Task {
            search,
            handed: Some(handed),
            weight: task.weight * share,
            ..Task::default()
        }));
    }

    /// Tell how much is done, now and then.
    fn tell(&self, task: &mut Task, is_done: bool) {
        const EVERY: u64 = 64;
        if !is_done && !(task.executions + task.blocked).is_multiple_of(EVERY) {
            return;
        }
        let done = match is_done {
            true => task.weight,
            false => task.weight * task.search.share_done(),
        };
        let mut share = self.share.lock();
        *share += done - task.told;
        task.told = done;
        let told = share.clamp(0.0, 1.0);
        self.limits.share.store(told.to_bits(), Relaxed);
    }

    /// Nobody is at this task any more, which is done or not.
    fn put_down(&self, mut task: Box<Task>, is_done: bool) -> Then {
        task.is_done = is_done;
        if task.ended.is_some() {
            for handed in task.search.handed() {
                handed.cancelled.store(true, Relaxed);
            }
        }
        if is_done {
            self.tell(&mut task, true);
        }
        if task.is_cancelled() {
            let handed = task.handed.take().expect("it was handed out");
            // Who waits for it was handed out by somebody who has ended, too.
            drop(handed.state.lock().waiting.take());
            return Then::Next;
        }
        if task.waits {
            let handed = task.search.handed().last().map(Arc::clone);
            let handed = handed.expect("it waits for something");
            let mut state = handed.state.lock();
            match &state.task {
                None => {
                    state.waiting = Some(task);
                    return Then::Next;
                }
                // Whoever was at it is done by now.
                Some(other) if other.is_done && !self.pool.is_stopping() => {
                    drop(state);
                    return Then::TakeUp(task);
                }
                Some(_) => {}
            }
        }
        let Some(handed) = task.handed.take() else {
            *self.first.lock() = Some(task);
            return Then::Next;
        };
        let mut state = handed.state.lock();
        state.task = Some(task);
        match state.waiting.take() {
            // Also where everybody stops: it has to be put down somewhere.
            Some(waiting) => Then::TakeUp(waiting),
            None => Then::Next,
        }
    }

    /// Everybody has stopped: put down what nobody had taken up.
    fn put_down_the_rest(&self) {
        let mut left = self.pool.left();
        while let Some(task) = left.pop() {
            if let Then::TakeUp(waiting) = self.put_down(task, false) {
                left.push(waiting);
            }
        }
    }
}
