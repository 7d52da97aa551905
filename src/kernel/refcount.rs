// SPDX-License-Identifier: GPL-2.0-only
//! Reference counts that saturate. C header: `include/linux/refcount.h`.

use super::spinlock::{SpinLock, SpinLockGuard};
use crate::sync::{
    self,
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::{Ordering, Update},
    learning,
    mutation::{self, Weakening},
    violation::{Violation, ViolationKind},
};

/// `REFCOUNT_SATURATED`, as the unsigned word: far from 0 on both sides.
const SATURATED: u64 = 0xc000_0000;

/// `refcount_t`.
#[derive(Debug)]
pub struct Refcount {
    word: AtomicU64,
}

impl Refcount {
    /// `refcount_set()` of an object that nobody else can see yet.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str, value: u64) -> Self {
        Self {
            word: AtomicU64::new_in(owner, name, value),
        }
    }

    /// `refcount_read()`: relaxed.
    #[must_use]
    #[track_caller]
    pub fn read(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// `refcount_inc()`: relaxed. From 0 it warns and saturates.
    #[track_caller]
    pub fn inc(&self) {
        if mutation::is_skipped() {
            return;
        }
        let learning = learning();
        let old = self.word.fetch_add(1, Ordering::Relaxed);
        if old == 0 {
            self.warn_saturate("addition on 0; use-after-free");
        } else if old >= SATURATED {
            self.warn_saturate("saturated; leaking memory");
        }
        learning.nothing_but(());
    }

    /// `refcount_inc_not_zero()`: relaxed, one conditional operation; whether it succeeded.
    #[must_use = "without the reference nothing may be assumed"]
    #[track_caller]
    pub fn inc_not_zero(&self) -> bool {
        if mutation::is(Weakening::Always) {
            self.inc();
            return true;
        }
        if mutation::is_skipped() {
            return true;
        }
        if mutation::is(Weakening::Never) {
            return false;
        }
        let not_zero = Update::AddUnless { add: 1, unless: 0 };
        let learning = learning();
        let updated = self
            .word
            .update(not_zero, Ordering::Relaxed, Ordering::Relaxed);
        learning.nothing_but(updated.is_ok())
    }

    /// `refcount_dec_and_test()`: release, and acquire where it reaches 0.
    #[must_use = "whoever reaches 0 owns the object"]
    #[track_caller]
    pub fn dec_and_test(&self) -> bool {
        self.sub_and_test(1)
    }

    /// `refcount_sub_and_test()`: release, and acquire where it reaches 0.
    #[must_use = "whoever reaches 0 owns the object"]
    #[track_caller]
    pub fn sub_and_test(&self, count: u64) -> bool {
        if mutation::is_skipped() {
            return false;
        }
        let learning = learning();
        let old = self.word.fetch_sub(count, Ordering::Release);
        if mutation::is(Weakening::Never) {
            return learning.nothing_but(false);
        }
        if old == count {
            fence(Ordering::Acquire);
            return learning.nothing_but(true);
        }
        if mutation::is(Weakening::Always) {
            return learning.nothing_but(true);
        }
        if old < count || old >= SATURATED {
            self.warn_saturate("underflow; use-after-free");
        }
        learning.nothing_but(false)
    }

    /// `refcount_dec()`: release. Must not reach 0.
    #[track_caller]
    pub fn dec(&self) {
        if mutation::is_skipped() {
            return;
        }
        let learning = learning();
        let old = self.word.fetch_sub(1, Ordering::Release);
        if old <= 1 {
            self.warn_saturate("decrement hit 0; leaking memory");
        }
        learning.nothing_but(());
    }

    /// `refcount_dec_if_one()`: from 1 to 0 with release, no acquire; nothing and relaxed where it
    /// is not 1. Whether it reached 0.
    #[must_use = "whoever reaches 0 owns the object"]
    #[track_caller]
    pub fn dec_if_one(&self) -> bool {
        if mutation::is(Weakening::Never) {
            return false;
        }
        let learning = learning();
        let old = self
            .word
            .compare_exchange(1, 0, Ordering::Release, Ordering::Relaxed);
        learning.nothing_but(old.is_ok())
    }

    /// `refcount_dec_not_one()`: release, one conditional operation; `false` where it is 1.
    #[must_use = "where it is 1 nothing was done"]
    #[track_caller]
    pub fn dec_not_one(&self) -> bool {
        if mutation::is(Weakening::Never) {
            return false;
        }
        if mutation::is_skipped() {
            return true;
        }
        let not_one = Update::AddUnless {
            add: 1u64.wrapping_neg(),
            unless: 1,
        };
        let learning = learning();
        let updated = self
            .word
            .update(not_one, Ordering::Release, Ordering::Relaxed);
        learning.nothing_but(updated.is_ok())
    }

    /// `refcount_dec_and_lock()`: the lock, where it reached 0.
    #[must_use = "whoever reaches 0 owns the object"]
    #[track_caller]
    pub fn dec_and_lock<'a, T>(&self, lock: &'a SpinLock<T>) -> Option<SpinLockGuard<'a, T>> {
        if self.dec_not_one() {
            return None;
        }
        let guard = lock.lock();
        self.dec_and_test().then_some(guard)
    }

    fn warn_saturate(&self, what: &str) {
        sync::report(Violation::on(
            ViolationKind::Refcount,
            self.word.object(),
            format!("refcount_t: {what}"),
        ));
        self.word.store(SATURATED, Ordering::Relaxed);
    }
}
