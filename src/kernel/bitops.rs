// SPDX-License-Identifier: GPL-2.0-only
//! Atomic bits of a word, and waiting for one. C headers: `include/linux/bitops.h`,
//! `include/linux/wait_bit.h`.

use super::Kernel;
use crate::sync::{
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::{Condition, Ordering},
    learns,
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
    pub fn test_bit(&self, bit: u32) -> bool {
        learns(|| self.word.load(Ordering::Relaxed) & 1 << bit != 0)
    }

    /// `set_bit()`: relaxed.
    pub fn set_bit(&self, bit: u32) {
        learns(|| {
            self.word.fetch_or(1 << bit, Ordering::Relaxed);
        });
    }

    /// `set_bit()`: relaxed; whether it was set, for a caller that acts on it in the same step.
    pub fn fetch_set_bit(&self, bit: u32) -> bool {
        learns(|| self.word.fetch_or(1 << bit, Ordering::Relaxed) & 1 << bit != 0)
    }

    /// `clear_bit()`: relaxed.
    pub fn clear_bit(&self, bit: u32) {
        learns(|| {
            self.word.fetch_and_not(1 << bit, Ordering::Relaxed);
        });
    }

    /// `clear_bit_unlock()`: release.
    pub fn clear_bit_unlock(&self, bit: u32) {
        learns(|| {
            self.word.fetch_and_not(1 << bit, Ordering::Release);
        });
    }

    /// `test_and_set_bit()`: fully ordered; whether it was set.
    pub fn test_and_set_bit(&self, bit: u32) -> bool {
        fence(Ordering::SeqCst);
        let was_set = learns(|| self.word.fetch_or(1 << bit, Ordering::AcqRel) & 1 << bit != 0);
        fence(Ordering::SeqCst);
        was_set
    }

    /// `test_and_clear_bit()`: fully ordered; whether it was set.
    pub fn test_and_clear_bit(&self, bit: u32) -> bool {
        fence(Ordering::SeqCst);
        let was_set =
            learns(|| self.word.fetch_and_not(1 << bit, Ordering::AcqRel) & 1 << bit != 0);
        fence(Ordering::SeqCst);
        was_set
    }

    /// `wait_on_bit(TASK_UNINTERRUPTIBLE)`: sleeps until the bit is clear; acquire.
    pub fn wait_on_bit(&self, kernel: &Kernel, bit: u32) {
        self.wait_clear(kernel, bit, Ordering::Acquire);
    }

    /// `wait_on_bit()` before 8238b4579866 (v6.0): relaxed.
    pub fn wait_on_bit_relaxed(&self, kernel: &Kernel, bit: u32) {
        self.wait_clear(kernel, bit, Ordering::Relaxed);
    }

    fn wait_clear(&self, kernel: &Kernel, bit: u32, ordering: Ordering) {
        kernel.sleeping("wait_on_bit()", || {
            learns(|| {
                self.word.wait_until(Condition::Clear(1 << bit), ordering);
            });
        });
    }
}
