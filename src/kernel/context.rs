// SPDX-License-Identifier: GPL-2.0-only
//! The contexts that run: actors, kernel threads, workers and callbacks.
//!
//! A context exists only while it has work. Each knows how deep it is in regions where it must not
//! sleep, as `might_sleep()` and `CONFIG_DEBUG_ATOMIC_SLEEP` do.

use super::Kernel;
use crate::sync::{
    self, mutation, thread,
    violation::{Violation, ViolationKind},
};
use std::sync::Arc;

/// Per context: how many regions it is in that forbid sleeping.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    atomic: parking_lot::Mutex<Vec<u32>>,
}

impl Contexts {
    fn with<R>(&self, f: impl FnOnce(&mut u32) -> R) -> R {
        let me = thread::current().0 as usize;
        let mut atomic = self.atomic.lock();
        if atomic.len() <= me {
            atomic.resize(me + 1, 0);
        }
        f(&mut atomic[me])
    }
}

impl Kernel {
    /// Begin a context.
    #[track_caller]
    pub fn spawn(self: &Arc<Self>, name: &str, body: impl FnOnce() + Send + 'static) {
        if mutation::is_skipped() {
            return;
        }
        let kernel = Arc::clone(self);
        thread::spawn_detached(name, move || {
            kernel.begin_running();
            body();
            kernel.end_running();
        });
    }

    /// Begin a context that waits for something that need not happen.
    pub fn spawn_daemon(self: &Arc<Self>, name: &str, body: impl FnOnce() + Send + 'static) {
        let kernel = Arc::clone(self);
        thread::spawn_daemon(name, move || {
            kernel.begin_running();
            body();
            kernel.end_running();
        });
    }

    /// Without preemptible RCU, a context that runs is a reader.
    pub fn begin_running(&self) {
        if !self.options.preempt_rcu {
            self.rcu.read_lock();
        }
    }

    /// The context sleeps or ends: it is no reader any more.
    pub fn end_running(&self) {
        if !self.options.preempt_rcu {
            self.rcu.read_unlock();
        }
    }

    /// Run something that sleeps.
    pub(crate) fn sleeping<R>(&self, what: &str, f: impl FnOnce() -> R) -> R {
        self.might_sleep(what);
        self.end_running();
        let result = f();
        self.begin_running();
        result
    }

    /// `might_sleep()`: the calling context is about to call something that may sleep.
    pub fn might_sleep(&self, what: &str) {
        if self.contexts.with(|atomic| *atomic > 0) {
            sync::report(Violation::of(
                ViolationKind::SleepInAtomic,
                format!("{what} may sleep, and is called where that is not allowed"),
            ));
        }
    }

    /// `preempt_disable()` or the beginning of an RCU read-side critical section: from here to
    /// [`Kernel::leave_atomic`] the context must not sleep.
    pub(crate) fn enter_atomic(&self) {
        self.contexts.with(|atomic| *atomic += 1);
        self.rcu.read_lock();
    }

    /// The other end of [`Kernel::enter_atomic`].
    pub(crate) fn leave_atomic(&self) {
        // A context that is only unwound is no longer the current one.
        if sync::is_over() {
            return;
        }
        self.rcu.read_unlock();
        self.contexts.with(|atomic| *atomic -= 1);
    }

    /// An allocation is made: whether it succeeds.
    pub(crate) fn allocation_succeeds(&self) -> bool {
        self.sleeping("an allocation", || ());
        !self.options.alloc_may_fail || sync::choose(2) == 0
    }
}
