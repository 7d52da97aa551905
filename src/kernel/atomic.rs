// SPDX-License-Identifier: GPL-2.0-only
//! Counters. C header: `include/linux/atomic.h`; what each orders: `Documentation/atomic_t.txt`.
//!
//! What returns nothing orders nothing. What returns a value is fully ordered, unless its name or
//! its failure says otherwise.

use super::barrier::smp_mb;
use crate::sync::{
    atomic::AtomicU64,
    engine::{Ordering, Update},
};

/// `atomic_t`.
#[derive(Debug)]
pub struct Atomic {
    word: AtomicU64,
}

impl Atomic {
    /// `ATOMIC_INIT()` of a counter in static memory.
    #[must_use]
    pub fn new(name: &'static str, value: u64) -> Self {
        Self {
            word: AtomicU64::new(name, value),
        }
    }

    /// `atomic_read()`: relaxed.
    #[must_use]
    #[track_caller]
    pub fn read(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// `atomic_set()`: relaxed.
    #[track_caller]
    pub fn set(&self, value: u64) {
        self.word.store(value, Ordering::Relaxed);
    }

    /// `atomic_inc()`: relaxed.
    #[track_caller]
    pub fn inc(&self) {
        self.word.fetch_add(1, Ordering::Relaxed);
    }

    /// `atomic_inc_return()`: fully ordered; the value after it.
    #[track_caller]
    pub fn inc_return(&self) -> u64 {
        smp_mb();
        let old = self.word.fetch_add(1, Ordering::AcqRel);
        smp_mb();
        old.wrapping_add(1)
    }

    /// `atomic_dec_and_test()`: fully ordered; whether it reached 0.
    #[track_caller]
    pub fn dec_and_test(&self) -> bool {
        smp_mb();
        let old = self.word.fetch_sub(1, Ordering::AcqRel);
        smp_mb();
        old == 1
    }

    /// `atomic_fetch_sub_relaxed(1)`: the value before it.
    #[track_caller]
    pub fn fetch_dec_relaxed(&self) -> u64 {
        self.word.fetch_sub(1, Ordering::Relaxed)
    }

    /// `atomic_add_unless()`: one conditional operation, fully ordered where it adds, and relaxed
    /// where it does not; whether it added. As in [`super::rwonce::Variable::cmpxchg`], it reads
    /// first.
    #[track_caller]
    pub fn add_unless(&self, add: u64, unless: u64) -> bool {
        if self.read() == unless {
            return false;
        }
        smp_mb();
        let update = Update::AddUnless { add, unless };
        let updated = self
            .word
            .update(update, Ordering::AcqRel, Ordering::Relaxed);
        if updated.is_ok() {
            smp_mb();
        }
        updated.is_ok()
    }
}
