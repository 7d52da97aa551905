// SPDX-License-Identifier: GPL-2.0-only
//! Vector clocks: for each thread, how many of its steps happened before.

/// How many threads an execution may have, the finished ones included.
pub(super) const MAX_THREADS: usize = 64;

/// For each thread, the number of its steps that are known. Steps count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock([u16; MAX_THREADS]);

impl Clock {
    /// Nothing is known.
    pub(super) const ZERO: Self = Self([0; MAX_THREADS]);

    pub(super) fn set(&mut self, thread: usize, step: u16) {
        self.0[thread] = step;
    }

    /// Whether the step of that thread is known.
    pub(super) fn knows(&self, thread: usize, step: u16) -> bool {
        self.0[thread] >= step
    }

    /// How many steps of a thread are known.
    pub(super) fn count(&self, thread: usize) -> u16 {
        self.0[thread]
    }

    /// How many steps of each of the first `threads` threads are known.
    pub(super) fn counts(&self, threads: usize) -> Vec<u16> {
        self.0[..threads].to_vec()
    }

    /// Know what `other` knows, too.
    pub(super) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// Whether `other` knows all of this.
    pub(super) fn is_known_to(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a <= b)
    }
}
