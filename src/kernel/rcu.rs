// SPDX-License-Identifier: GPL-2.0-only
//! RCU. C header: `include/linux/rcupdate.h`; code: `kernel/rcu/tree.c`, `tree_plugin.h`.
//!
//! A region in which preemption is disabled is a reader too (consolidated RCU), so holding a
//! spinlock counts as one: see [`super::spinlock`]. Callbacks run in a context of their own each,
//! in any order, once their grace period has ended.

use super::Kernel;
use crate::sync::{
    alloc::Allocation,
    atomic::AtomicU64,
    atomically,
    engine::{Condition, ObjectId, Ordering},
    enter, mutation,
    rcu::Domain,
    shadow::Shadow,
    thread::{next_knows, spawn_detached},
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A callback that was queued.
#[derive(Debug)]
struct Callback {
    /// The number of its grace period.
    number: u64,
    done: AtomicU64,
}

impl Callback {
    /// Callbacks are told apart, and waited for in order, by this.
    fn key(&self) -> (u64, ObjectId) {
        (self.number, self.done.object())
    }
}

impl Hash for Callback {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// What callbacks are called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    /// The context that one runs in.
    pub(crate) context: &'static str,
    /// The word that says that one has run.
    pub(crate) done: &'static str,
    /// Where they wait.
    pub(crate) queue: &'static str,
}

/// What waits for grace periods.
#[derive(Debug)]
pub(crate) struct Callbacks {
    names: Names,
    queued: Shadow<Vec<Arc<Callback>>>,
}

impl Callbacks {
    pub(crate) fn new(names: Names) -> Self {
        Self {
            names,
            queued: Shadow::new(names.queue, Vec::new()),
        }
    }

    /// A grace period of `domain` begins. Once it has ended, `callback` runs, about `object`.
    #[track_caller]
    pub(crate) fn call(
        &self,
        kernel: &Arc<Kernel>,
        domain: &Domain,
        object: &Allocation,
        callback: impl FnOnce() + Send + 'static,
    ) {
        if mutation::is_skipped() {
            // No grace period.
            return callback();
        }
        // Before the grace period begins: who counts it finds the callback initialised.
        let done = AtomicU64::new(self.names.done, 0);
        let (grace_period, queued) = atomically(|| {
            let grace_period = domain.begin();
            let queued = Arc::new(Callback {
                number: grace_period.number(),
                done,
            });
            self.queued.with_mut(|callbacks| {
                let before = callbacks.partition_point(|other| other.key() < queued.key());
                callbacks.insert(before, Arc::clone(&queued));
            });
            (grace_period, queued)
        });
        // Not a context of the kernel's own: it is no reader while it waits.
        let kernel = Arc::clone(kernel);
        next_knows(&(object, queued.key()));
        spawn_detached(self.names.context, move || {
            grace_period.end();
            kernel.begin_running();
            callback();
            kernel.end_running();
            queued.done.store(1, Ordering::Release);
        });
    }

    /// Wait until every callback queued before has run. Says nothing of later ones, and waits for no
    /// grace period where none is queued.
    #[track_caller]
    pub(crate) fn wait(&self, kernel: &Kernel, domain: &Domain) {
        kernel.end_running();
        let queued: Vec<Arc<Callback>> = atomically(|| {
            let begun = domain.begun();
            let callbacks = self.queued.get();
            let queued = callbacks.iter().filter(|c| begun.includes(c.number));
            queued.cloned().collect()
        });
        for callback in queued {
            callback
                .done
                .wait_until(Condition::Equal(1), Ordering::Acquire);
        }
        kernel.begin_running();
    }
}

/// A read-side critical section, until dropped.
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct RcuReadGuard<'a>(Option<&'a Kernel>);

impl Drop for RcuReadGuard<'_> {
    fn drop(&mut self) {
        if let Some(kernel) = self.0 {
            kernel.leave_atomic();
        }
    }
}

impl Kernel {
    /// `rcu_read_lock()`. Sections nest; the context must not sleep in one.
    #[track_caller]
    pub fn rcu_read_lock(&self) -> RcuReadGuard<'_> {
        if mutation::is_skipped() {
            return RcuReadGuard(None);
        }
        self.enter_atomic();
        RcuReadGuard(Some(self))
    }

    /// `synchronize_rcu()`: waits for all sections that have begun. Everything before it
    /// happens before the sections that begin later; those it waits for happen before what
    /// follows.
    #[track_caller]
    pub fn synchronize_rcu(&self) {
        let _in = enter("synchronize_rcu");
        self.might_sleep("synchronize_rcu()");
        self.end_running();
        self.rcu.begin().end();
        self.begin_running();
    }

    /// `call_rcu()`: `callback` runs in a context of its own after a grace period. Everything
    /// before it, and the sections that its grace period waits for, happen before the callback.
    ///
    /// `object` is what the callback is about, and all that it knows.
    #[track_caller]
    pub fn call_rcu(
        self: &Arc<Self>,
        object: &Allocation,
        callback: impl FnOnce() + Send + 'static,
    ) {
        if mutation::is_skipped() {
            // No grace period.
            return callback();
        }
        let _in = enter("call_rcu").forgets();
        self.callbacks.call(self, &self.rcu, object, callback);
    }

    /// `rcu_barrier()`: waits until every callback queued before it has run. Says nothing of later
    /// ones, and waits for no grace period where none is queued.
    #[track_caller]
    pub fn rcu_barrier(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("rcu_barrier");
        self.might_sleep("rcu_barrier()");
        self.callbacks.wait(self, &self.rcu);
    }
}
