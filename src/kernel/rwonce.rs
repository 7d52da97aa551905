// SPDX-License-Identifier: GPL-2.0-only
//! Variables that contexts share without a lock. C headers: `include/asm-generic/rwonce.h`,
//! `include/asm-generic/barrier.h`, `include/linux/atomic/atomic-instrumented.h`,
//! `include/linux/rcupdate.h`.

use super::barrier::smp_mb;
use crate::sync::{atomic::AtomicU64, engine::Ordering};

/// A variable of static memory, of the size of a machine word.
#[derive(Debug)]
pub struct Variable {
    word: AtomicU64,
}

impl Variable {
    /// A variable with its first value.
    #[must_use]
    pub fn new(name: &'static str, value: u64) -> Self {
        Self {
            word: AtomicU64::new(name, value),
        }
    }

    /// `READ_ONCE()`: relaxed. In the kernel a store that depends on the value is ordered after it;
    /// here every store is, see [`super::memory_model`].
    #[must_use]
    #[track_caller]
    pub fn read_once(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// `WRITE_ONCE()`: relaxed.
    #[track_caller]
    pub fn write_once(&self, value: u64) {
        self.word.store(value, Ordering::Relaxed);
    }

    /// `smp_load_acquire()`.
    #[must_use]
    #[track_caller]
    pub fn smp_load_acquire(&self) -> u64 {
        self.word.load(Ordering::Acquire)
    }

    /// `smp_store_release()`.
    #[track_caller]
    pub fn smp_store_release(&self, value: u64) {
        self.word.store(value, Ordering::Release);
    }

    /// `rcu_dereference()`: acquire, as a dependency orders nothing here. The kernel orders only what
    /// depends on the value.
    #[must_use]
    #[track_caller]
    pub fn rcu_dereference(&self) -> u64 {
        self.word.load(Ordering::Acquire)
    }

    /// `rcu_assign_pointer()`: release.
    #[track_caller]
    pub fn rcu_assign_pointer(&self, value: u64) {
        self.word.store(value, Ordering::Release);
    }

    /// `xchg()`: fully ordered; the value before it.
    #[track_caller]
    pub fn xchg(&self, value: u64) -> u64 {
        smp_mb();
        let old = self.word.swap(value, Ordering::AcqRel);
        smp_mb();
        old
    }

    /// `cmpxchg()`: fully ordered where it succeeds, relaxed where it fails; the value before it.
    ///
    /// The barrier in front of it must not be there where it fails. So it reads first, and what it
    /// can read it can also fail with; whoever finds `old` goes on to the operation itself.
    #[track_caller]
    pub fn cmpxchg(&self, old: u64, new: u64) -> u64 {
        let found = self.word.load(Ordering::Relaxed);
        if found != old {
            return found;
        }
        smp_mb();
        let exchanged = self
            .word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        match exchanged {
            Ok(found) => {
                smp_mb();
                found
            }
            Err(found) => found,
        }
    }
}
