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

#[derive(Clone, Copy, Debug, Default)]
struct Context {
    /// How many regions it is in that forbid sleeping.
    atomic: u32,
    /// The cpu it runs on.
    cpu: usize,
}

/// What is known of each context.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    contexts: parking_lot::Mutex<Vec<Context>>,
}

impl Contexts {
    fn with<R>(&self, f: impl FnOnce(&mut Context) -> R) -> R {
        let me = thread::current().0 as usize;
        let mut contexts = self.contexts.lock();
        if contexts.len() <= me {
            contexts.resize(me + 1, Context::default());
        }
        f(&mut contexts[me])
    }
}

impl Kernel {
    /// Begin a context.
    #[track_caller]
    pub fn spawn(self: &Arc<Self>, name: &str, body: impl FnOnce() + Send + 'static) {
        if mutation::is_skipped() {
            return;
        }
        self.begin_on(0, name, body);
    }

    /// Begin an actor, on a cpu that it may share with others. All else runs on the first.
    pub fn spawn_on(
        self: &Arc<Self>,
        cpu: usize,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) {
        self.begin_on(cpu % self.options.cpus, name, body);
    }

    fn begin_on(self: &Arc<Self>, cpu: usize, name: &str, body: impl FnOnce() + Send + 'static) {
        let kernel = Arc::clone(self);
        thread::spawn_detached(name, move || {
            kernel.contexts.with(|context| context.cpu = cpu);
            kernel.begin_running();
            body();
            kernel.end_running();
        });
    }

    /// `smp_processor_id()`.
    pub(super) fn cpu(&self) -> usize {
        self.contexts.with(|context| context.cpu)
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
        if self.contexts.with(|context| context.atomic > 0) {
            sync::report(Violation::of(
                ViolationKind::SleepInAtomic,
                format!("{what} may sleep, and is called where that is not allowed"),
            ));
        }
    }

    /// `preempt_disable()` or the beginning of an RCU read-side critical section: from here to
    /// [`Kernel::leave_atomic`] the context must not sleep.
    pub(crate) fn enter_atomic(&self) {
        self.contexts.with(|context| context.atomic += 1);
        self.rcu.read_lock();
    }

    /// The other end of [`Kernel::enter_atomic`].
    pub(crate) fn leave_atomic(&self) {
        // A context that is only unwound is no longer the current one.
        if sync::is_over() {
            return;
        }
        self.rcu.read_unlock();
        self.contexts.with(|context| context.atomic -= 1);
    }

    /// An allocation is made: whether it succeeds.
    pub(crate) fn allocation_succeeds(&self) -> bool {
        self.sleeping("an allocation", || ());
        !self.options.alloc_may_fail || sync::choose(2) == 0
    }
}
