// SPDX-License-Identifier: GPL-2.0-only
//! Work that runs when a timer fires. C header: `include/linux/workqueue.h`; code:
//! `kernel/workqueue.c`.
//!
//! A work is queued at most once at a time and never runs twice at the same time. What came before
//! the queueing happens before the work function.
//!
//! A timer may fire at any moment after it was armed. While the actors run, it fires by itself as
//! often as the scenario says; before and after, where one thing happens at a time, only when asked
//! to. A timer that does not fire while the actors run is one that fires after they have finished.

use super::Kernel;
use crate::sync::{
    atomic::{AtomicU64, fence},
    engine::{Condition, Ordering, Update},
    enter, learns, mutation,
    thread::next_knows,
};
use std::sync::Arc;

const IDLE: u64 = 0;
/// `WORK_STRUCT_PENDING`.
const PENDING: u64 = 1;
const RUNNING: u64 = 2;
/// The disable count is not 0.
const DISABLED: u64 = 4;

type Function = Arc<dyn Fn() + Send + Sync>;

/// `struct delayed_work`.
pub struct DelayedWork {
    name: &'static str,
    state: AtomicU64,
    function: parking_lot::Mutex<Option<Function>>,
}

impl std::fmt::Debug for DelayedWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DelayedWork")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl DelayedWork {
    /// A delayed work whose function is not known yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            state: AtomicU64::new(name, IDLE),
            function: parking_lot::Mutex::new(None),
        }
    }

    /// `INIT_DELAYED_WORK()`.
    #[track_caller]
    pub fn init(&self, function: impl Fn() + Send + Sync + 'static) {
        self.state.store(IDLE, Ordering::Relaxed);
        *self.function.lock() = Some(Arc::new(function));
    }

    /// `queue_delayed_work()`: fully ordered. Nothing where the work is queued or disabled.
    #[track_caller]
    pub fn queue(&self) {
        if !mutation::is_skipped() {
            self.do_queue();
        }
    }

    fn do_queue(&self) {
        let _in = enter("queue_delayed_work").forgets();
        fence(Ordering::SeqCst);
        let pending = Update::When {
            any_set: 0,
            all_clear: PENDING | DISABLED,
            clear: PENDING,
            add: PENDING,
        };
        let _ = self
            .state
            .update(pending, Ordering::AcqRel, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The actors begin to run: from here on the timer may fire by itself, `passes` times.
    pub fn let_fire(self: &Arc<Self>, kernel: &Arc<Kernel>, passes: u32) {
        if passes == 0 {
            return;
        }
        let work = Arc::clone(self);
        let waiting = Arc::clone(kernel);
        next_knows(&passes);
        kernel.spawn_daemon(self.name, move || {
            for _ in 0..passes {
                learns(|| {
                    waiting.end_running();
                    work.state.wait_and_update(
                        Condition::Equal(PENDING),
                        Update::Swap(RUNNING),
                        Ordering::AcqRel,
                    );
                    fence(Ordering::SeqCst);
                    waiting.begin_running();
                    work.run();
                });
            }
        });
    }

    /// The timer fires now, if it is armed, and the work runs in the calling context.
    pub fn fire(&self, kernel: &Kernel) {
        kernel.end_running();
        let found = self.state.wait_and_update(
            Condition::Clear(RUNNING),
            Update::CompareExchange {
                old: PENDING,
                new: RUNNING,
            },
            Ordering::AcqRel,
        );
        fence(Ordering::SeqCst);
        kernel.begin_running();
        if found == PENDING {
            self.run();
        }
    }

    fn run(&self) {
        let function = self.function.lock().clone();
        function.expect("a work that is queued was initialised")();
        self.state.fetch_and_not(RUNNING, Ordering::Release);
    }

    /// `cancel_delayed_work_sync()`: disables the work and takes it off the queue, waits for an
    /// instance that runs, and enables it again.
    #[track_caller]
    pub fn cancel_sync(&self, kernel: &Kernel) {
        if !mutation::is_skipped() {
            self.do_cancel_sync(kernel);
        }
    }

    fn do_cancel_sync(&self, kernel: &Kernel) {
        let _in = enter("cancel_delayed_work_sync");
        // Both under the pool's lock.
        let disable = Update::When {
            any_set: 0,
            all_clear: 0,
            clear: PENDING | DISABLED,
            add: DISABLED,
        };
        let _ = self
            .state
            .update(disable, Ordering::AcqRel, Ordering::Relaxed);
        kernel.sleeping("cancel_delayed_work_sync()", || {
            self.state
                .wait_until(Condition::Clear(RUNNING), Ordering::Acquire)
        });
        self.state.fetch_and_not(DISABLED, Ordering::AcqRel);
    }
}
