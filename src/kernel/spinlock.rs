// SPDX-License-Identifier: GPL-2.0-only
//! Spinlocks and mutexes. C headers: `include/linux/spinlock.h`, `include/linux/mutex.h`.
//!
//! Taking one acquires, giving it back releases. Whoever holds a spinlock must not sleep and is an
//! RCU reader, since preemption is disabled (on PREEMPT_RT, where it is not, a spinlock takes
//! `rcu_read_lock()` by itself).

use super::Kernel;
use crate::sync::{
    self, Mutex, MutexGuard,
    alloc::Allocation,
    mutation,
    violation::{Violation, ViolationKind},
};
use std::{
    hash::Hash,
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// `spinlock_t`, and what it protects.
#[derive(Debug)]
pub struct SpinLock<T = ()> {
    kernel: Arc<Kernel>,
    lock: Mutex<T>,
}

/// Holds a spinlock until dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct SpinLockGuard<'a, T = ()> {
    guard: Option<MutexGuard<'a, T>>,
    /// `None` where the lock was skipped.
    kernel: Option<&'a Kernel>,
}

impl<T: Hash> SpinLock<T> {
    /// `DEFINE_SPINLOCK()`.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, name: &'static str, value: T) -> Self {
        Self {
            kernel: Arc::clone(kernel),
            lock: Mutex::new(name, value),
        }
    }

    /// `spin_lock_init()` of a lock in an object.
    #[must_use]
    pub fn new_in(kernel: &Arc<Kernel>, owner: &Allocation, name: &'static str, value: T) -> Self {
        Self {
            kernel: Arc::clone(kernel),
            lock: Mutex::new_in(owner, name, value),
        }
    }
}

impl<T> SpinLock<T> {
    /// `spin_lock()`.
    #[track_caller]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        let kernel = (!mutation::is_skipped()).then_some(&*self.kernel);
        if let Some(kernel) = kernel {
            kernel.enter_atomic();
        }
        SpinLockGuard {
            guard: Some(self.lock.lock()),
            kernel,
        }
    }

    /// `spin_lock_init()` of a lock that was in use before. Who holds it then loses it.
    ///
    /// Whether somebody does is asked by trying to take it. Where nobody does, that orders the caller
    /// behind whoever held it last, which the C function does not.
    #[track_caller]
    pub fn init(&self) {
        if mutation::is_skipped() {
            return;
        }
        if self.lock.try_lock().is_none() {
            sync::report(Violation::on(
                ViolationKind::ListCorruption,
                self.lock.object(),
                "spin_lock_init() of a lock that somebody holds",
            ));
        }
    }

    /// Look at what it protects without a step: for the end of an execution, when nothing runs.
    pub fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.lock.peek(f)
    }

    /// `spin_trylock()`.
    #[must_use]
    #[track_caller]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T>> {
        self.kernel.enter_atomic();
        match self.lock.try_lock() {
            Some(guard) => Some(SpinLockGuard {
                guard: Some(guard),
                kernel: Some(&self.kernel),
            }),
            None => {
                self.kernel.leave_atomic();
                None
            }
        }
    }
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_deref().expect("held until dropped")
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_deref_mut().expect("held until dropped")
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    fn drop(&mut self) {
        self.guard = None;
        if let Some(kernel) = self.kernel {
            kernel.leave_atomic();
        }
    }
}

/// `struct mutex`: whoever waits for it sleeps.
#[derive(Debug)]
pub struct KernelMutex<T = ()> {
    kernel: Arc<Kernel>,
    lock: Mutex<T>,
}

impl<T: Hash> KernelMutex<T> {
    /// `DEFINE_MUTEX()`.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, name: &'static str, value: T) -> Self {
        Self {
            kernel: Arc::clone(kernel),
            lock: Mutex::new(name, value),
        }
    }

    /// `mutex_init()` of a mutex in an object.
    #[must_use]
    pub fn new_in(kernel: &Arc<Kernel>, owner: &Allocation, name: &'static str, value: T) -> Self {
        Self {
            kernel: Arc::clone(kernel),
            lock: Mutex::new_in(owner, name, value),
        }
    }
}

impl<T> KernelMutex<T> {
    /// `mutex_lock()`.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.kernel.might_sleep("mutex_lock()");
        self.kernel.end_running();
        let guard = self.lock.lock();
        self.kernel.begin_running();
        guard
    }

    /// `mutex_trylock()`: does not sleep.
    #[must_use]
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock.try_lock()
    }
}
