// SPDX-License-Identifier: GPL-2.0-only
//! Atomic bits of a word, and waiting for one. C headers: `include/linux/bitops.h`,
//! `include/linux/wait_bit.h`.

use super::Kernel;
use crate::sync::{
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::{Condition, Ordering},
    learning,
    mutation::{self, Weakening},
};

/// A word of flags, each named by its bit number.
#[derive(Debug)]
pub struct Flags {
    word: AtomicU64,
}

impl Flags {
    /// Flags in static memory.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            word: AtomicU64::new(name, 0),
        }
    }

    /// Flags in an object that nobody else can see yet; `bits` are set.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str, bits: &[u32]) -> Self {
        let value = bits.iter().fold(0, |word, bit| word | 1 << bit);
        Self {
            word: AtomicU64::new_in(owner, name, value),
        }
    }

    /// `test_bit()`: relaxed.
    #[must_use]
    #[track_caller]
    pub fn test_bit(&self, bit: u32) -> bool {
        self.test_bit_ordered(bit, Ordering::Relaxed)
    }

    /// `test_bit_acquire()`: acquire.
    #[track_caller]
    pub fn test_bit_acquire(&self, bit: u32) -> bool {
        self.test_bit_ordered(bit, Ordering::Acquire)
    }

    #[track_caller]
    fn test_bit_ordered(&self, bit: u32, ordering: Ordering) -> bool {
        if mutation::is(Weakening::Always) {
            return true;
        }
        let learning = learning();
        let word = self.word.load(ordering);
        learning.nothing_but(word & 1 << bit != 0)
    }

    /// `set_bit()`: relaxed.
    #[track_caller]
    pub fn set_bit(&self, bit: u32) {
        let learning = learning();
        self.word.fetch_or(1 << bit, Ordering::Relaxed);
        learning.nothing_but(());
    }

    /// `set_bit()`: relaxed; whether it was set, for a caller that acts on it in the same step.
    #[track_caller]
    pub fn fetch_set_bit(&self, bit: u32) -> bool {
        if mutation::is(Weakening::Always) {
            return true;
        }
        let learning = learning();
        let old = self.word.fetch_or(1 << bit, Ordering::Relaxed);
        learning.nothing_but(old & 1 << bit != 0) && !mutation::is(Weakening::Never)
    }

    /// `clear_bit()`: relaxed.
    #[track_caller]
    pub fn clear_bit(&self, bit: u32) {
        let learning = learning();
        self.word.fetch_and_not(1 << bit, Ordering::Relaxed);
        learning.nothing_but(());
    }

    /// `clear_bit_unlock()`: release.
    #[track_caller]
    pub fn clear_bit_unlock(&self, bit: u32) {
        let learning = learning();
        self.word.fetch_and_not(1 << bit, Ordering::Release);
        learning.nothing_but(());
    }

    /// `test_and_set_bit()`: fully ordered; whether it was set.
    #[track_caller]
    pub fn test_and_set_bit(&self, bit: u32) -> bool {
        fence(Ordering::SeqCst);
        let learning = learning();
        let old = self.word.fetch_or(1 << bit, Ordering::AcqRel);
        let was_set = learning.nothing_but(old & 1 << bit != 0);
        fence(Ordering::SeqCst);
        weakened(was_set)
    }

    /// `test_and_clear_bit()`: fully ordered; whether it was set.
    #[track_caller]
    pub fn test_and_clear_bit(&self, bit: u32) -> bool {
        fence(Ordering::SeqCst);
        let learning = learning();
        let old = self.word.fetch_and_not(1 << bit, Ordering::AcqRel);
        let was_set = learning.nothing_but(old & 1 << bit != 0);
        fence(Ordering::SeqCst);
        weakened(was_set)
    }

    /// `wait_on_bit(TASK_UNINTERRUPTIBLE)`: sleeps until the bit is clear; acquire.
    #[track_caller]
    pub fn wait_on_bit(&self, kernel: &Kernel, bit: u32) {
        self.wait_clear(kernel, bit, Ordering::Acquire);
    }

    /// `wait_on_bit()` before 8238b4579866 (v6.0): relaxed.
    #[track_caller]
    pub fn wait_on_bit_relaxed(&self, kernel: &Kernel, bit: u32) {
        self.wait_clear(kernel, bit, Ordering::Relaxed);
    }

    #[track_caller]
    fn wait_clear(&self, kernel: &Kernel, bit: u32, ordering: Ordering) {
        kernel.might_sleep("wait_on_bit()");
        kernel.end_running();
        let learning = learning();
        self.word.wait_until(Condition::Clear(1 << bit), ordering);
        learning.nothing_but(());
        kernel.begin_running();
    }
}

/// What the calling primitive answers: `found`, if it is not weakened.
#[track_caller]
fn weakened(found: bool) -> bool {
    (found || mutation::is(Weakening::Always)) && !mutation::is(Weakening::Never)
}
