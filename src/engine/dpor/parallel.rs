// SPDX-License-Identifier: GPL-2.0-only
//! Work that is handed from one OS thread to another while an exploration runs.
//!
//! An exploration begins as one piece of work, on the thread that asked for it. While a core is
//! free, whoever explores hands out a piece of what is left for it to do; a worker on that core
//! takes it, and hands out pieces of it in turn. (Work stealing: Blumofe, Leiserson, "Scheduling
//! multithreaded computations by work stealing", JACM 1999; but the piece is cut when it is asked
//! for.) What is handed out to whom, and when, is a matter of chance. What an exploration
//! comes to is not: pieces know their place in the order in which one thread would have run them,
//! and their results are put together in that order.

use crate::engine::Jobs;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread::{self, Scope},
    time::{Duration, Instant},
};

/// How long a worker waits for work before it lets go of its core.
const PATIENCE: Duration = Duration::from_millis(50);

/// The pieces of work of one exploration that nobody is at.
#[derive(Debug)]
pub(super) struct Pool<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// How many workers wait for more than there is.
    wanting: AtomicUsize,
    /// Whether everybody is to stop.
    stopping: AtomicBool,
    jobs: Jobs,
    start: Instant,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    waiting: usize,
    /// How many are at a piece of work.
    working: usize,
}

impl<T: Send> Pool<T> {
    /// A pool of an exploration that begins with this work.
    pub(super) fn new(work: impl IntoIterator<Item = T>, jobs: &Jobs) -> Self {
        Self {
            state: Mutex::new(State {
                queue: work.into_iter().collect(),
                waiting: 0,
                working: 0,
            }),
            changed: Condvar::new(),
            wanting: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            jobs: jobs.clone(),
            start: Instant::now(),
        }
    }

    /// Let this thread, and one on each core that becomes free, `work` on pieces until none is
    /// left. `work` gets what hands out the next piece.
    ///
    /// # Panics
    ///
    /// Where `work` does.
    pub(super) fn run(&self, work: impl Fn(&Worker<'_, '_, T>) + Sync) {
        let work: &(dyn Fn(&Worker<'_, '_, T>) + Sync) = &work;
        thread::scope(|scope| {
            let worker = Worker {
                pool: self,
                scope,
                work,
                is_first: true,
            };
            worker.run();
        });
    }

    /// Put down a piece for somebody else.
    pub(super) fn offer(&self, piece: T) {
        let mut state = self.state.lock();
        state.queue.push_back(piece);
        self.count_wanting(&state);
        drop(state);
        self.changed.notify_all();
    }

    /// Everybody stops soon.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.changed.notify_all();
    }

    /// Whether everybody is to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// What nobody was at when it ended.
    pub(super) fn left(&self) -> Vec<T> {
        self.state.lock().queue.drain(..).collect()
    }

    fn count_wanting(&self, state: &State<T>) {
        let wanting = state.waiting.saturating_sub(state.queue.len());
        self.wanting.store(wanting, Relaxed);
    }
}

/// One thread of an exploration.
pub(super) struct Worker<'scope, 'env, T> {
    pool: &'scope Pool<T>,
    scope: &'scope Scope<'scope, 'env>,
    work: &'scope (dyn Fn(&Worker<'_, '_, T>) + Sync),
    is_first: bool,
}

impl<T: Send> Worker<'_, '_, T> {
    fn run(&self) {
        let worked = catch_unwind(AssertUnwindSafe(|| (self.work)(self)));
        if let Err(payload) = worked {
            // The others would wait for this one.
            self.pool.stop();
            resume_unwind(payload);
        }
    }

    /// Another piece of work. `None`: there is none, and will not be, or this core is needed
    /// elsewhere. The piece that was taken before is done.
    pub(super) fn next(&self, has_worked: bool) -> Option<T> {
        let mut state = self.pool.state.lock();
        if has_worked {
            state.working -= 1;
        }
        loop {
            if self.pool.is_stopping() {
                break;
            }
            if let Some(piece) = state.queue.pop_front() {
                state.working += 1;
                self.pool.count_wanting(&state);
                return Some(piece);
            }
            if state.working == 0 {
                break;
            }
            state.waiting += 1;
            self.pool.count_wanting(&state);
            let waited = self.pool.changed.wait_for(&mut state, PATIENCE);
            state.waiting -= 1;
            self.pool.count_wanting(&state);
            if waited.timed_out() && !self.is_first && state.queue.is_empty() {
                return None;
            }
        }
        drop(state);
        self.pool.changed.notify_all();
        None
    }
}

impl<'scope, T: Send> Worker<'scope, '_, T> {
    /// Whether somebody would take a piece of work now. To be asked after each execution.
    pub(super) fn is_asked(&self) -> bool {
        if self.pool.jobs.is_eager() {
            self.hire();
            return true;
        }
        if self.pool.wanting.load(Relaxed) > 0 {
            return true;
        }
        // A short exploration is not worth another thread.
        if self.pool.jobs.has_free() && self.pool.start.elapsed() > Jobs::WORTH_IT {
            self.hire();
        }
        false
    }

    /// Begin another worker, if there is a core for it.
    fn hire(&self) {
        let Some(job) = self.pool.jobs.take() else {
            return;
        };
        let worker = Worker {
            pool: self.pool,
            scope: self.scope,
            work: self.work,
            is_first: false,
        };
        self.scope.spawn(move || {
            let _job = job;
            worker.run();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// Pieces are numbers, and each is taken apart into smaller ones.
    #[test]
    fn all_work_is_done_once() {
        for jobs in [Jobs::new(1), Jobs::eager(1), Jobs::eager(4)] {
            let pool = Pool::new([20_u64], &jobs);
            let sum = AtomicU64::new(0);
            pool.run(|worker| {
                let mut has_worked = false;
                while let Some(mut piece) = worker.next(has_worked) {
                    has_worked = true;
                    while piece > 0 {
                        piece -= 1;
                        sum.fetch_add(1, Relaxed);
                        if worker.is_asked() && piece > 1 {
                            worker.pool.offer(piece / 2);
                            piece -= piece / 2;
                        }
                    }
                }
            });
            assert_eq!(sum.load(Relaxed), 20);
            assert!(pool.left().is_empty());
        }
    }

    #[test]
    fn a_panic_of_a_worker_is_a_panic_of_the_exploration() {
        let pool = Pool::new([1, 2, 3], &Jobs::eager(3));
        let run = AssertUnwindSafe(|| {
            pool.run(|worker| {
                let mut has_worked = false;
                while let Some(piece) = worker.next(has_worked) {
                    has_worked = true;
                    worker.is_asked();
                    assert_ne!(piece, 2, "not this one");
                }
            });
        });
        assert!(catch_unwind(run).is_err());
    }
}
