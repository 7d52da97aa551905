// SPDX-License-Identifier: GPL-2.0-only
//! Vector clocks: for each thread, how many of its steps happened before.
//!
//! Each step has the clock of its thread: the largest, thread by thread, of the clocks of all that
//! happens directly before it. One step happens before another where the other's clock counts it,
//! so that to ask is one comparison, and no relation has to be kept between all pairs of steps.
//!
//! (Fidge, "Timestamps in message-passing systems that preserve the partial ordering", 1988;
//! Mattern, "Virtual time and global states of distributed systems", 1988.)

/// How many threads an execution may have, the finished ones included.
pub(super) const MAX_THREADS: usize = 64;

/// How many threads are joined at once.
const LANES: usize = 8;

/// For each thread, the number of its steps that are known. Steps count from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// How many groups of [`LANES`] threads may have steps that are known. Most executions have few
    /// threads.
    groups: u16,
    steps: [u16; MAX_THREADS],
}

impl Clock {
    /// Nothing is known.
    pub(super) const ZERO: Self = Self {
        groups: 0,
        steps: [0; MAX_THREADS],
    };

    pub(super) fn set(&mut self, thread: usize, step: u16) {
        self.steps[thread] = step;
        self.groups = self.groups.max((thread / LANES + 1) as u16);
    }

    /// Whether the step of that thread is known.
    pub(super) fn knows(&self, thread: usize, step: u16) -> bool {
        self.steps[thread] >= step
    }

    /// How many steps of a thread are known.
    pub(super) fn count(&self, thread: usize) -> u16 {
        self.steps[thread]
    }

    /// How many steps of each of the first `threads` threads are known.
    pub(super) fn counts(&self, threads: usize) -> Vec<u16> {
        self.steps[..threads].to_vec()
    }

    /// Know what `other` knows, too.
    pub(super) fn join(&mut self, other: &Self) {
        let (mine, _) = self.steps.as_chunks_mut::<LANES>();
        let (theirs, _) = other.steps.as_chunks::<LANES>();
        for (mine, theirs) in mine.iter_mut().zip(theirs).take(other.groups as usize) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine = (*mine).max(*theirs);
            }
        }
        self.groups = self.groups.max(other.groups);
    }

    /// Know what `other` knows, and nothing else.
    pub(super) fn copy_from(&mut self, other: &Self) {
        let (mine, _) = self.steps.as_chunks_mut::<LANES>();
        let (theirs, _) = other.steps.as_chunks::<LANES>();
        let groups = self.groups.max(other.groups) as usize;
        for (mine, theirs) in mine.iter_mut().zip(theirs).take(groups) {
            *mine = *theirs;
        }
        self.groups = other.groups;
    }

    /// Know nothing any more.
    pub(super) fn clear(&mut self) {
        let (mine, _) = self.steps.as_chunks_mut::<LANES>();
        for mine in mine.iter_mut().take(self.groups as usize) {
            *mine = [0; LANES];
        }
        self.groups = 0;
    }

    /// Whether `other` knows all of this.
    pub(super) fn is_known_to(&self, other: &Self) -> bool {
        let known = self.groups as usize * LANES;
        let mut steps = self.steps[..known].iter().zip(&other.steps);
        steps.all(|(a, b)| a <= b)
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, MAX_THREADS};

    #[test]
    fn a_clock_knows_what_it_was_told() {
        let (mut a, mut b) = (Clock::ZERO, Clock::ZERO);
        a.set(1, 3);
        b.set(MAX_THREADS - 1, 2);
        assert!(!a.is_known_to(&b) && !b.is_known_to(&a));
        b.join(&a);
        assert!(a.is_known_to(&b) && b.knows(1, 3) && b.knows(MAX_THREADS - 1, 2));
        assert!(!b.knows(0, 1));
        let mut copy = b;
        copy.copy_from(&a);
        assert!(copy.is_known_to(&a) && !copy.knows(MAX_THREADS - 1, 1));
        copy.clear();
        assert!(copy.is_known_to(&Clock::ZERO) && copy.count(1) == 0);
    }
}
