// SPDX-License-Identifier: GPL-2.0-only
//! Happens-before as the declared orderings give it, for finding races between plain accesses.
//!
//! This is the C11 relation: program order, and from a release to each acquire that reads it or
//! its release sequence, fences included; a lock's release to its next acquire; the beginning of a
//! thread; and, for RCU, from before a grace period to after it, from sections that ended before
//! its end to what follows it. The order in which an interleaving happened to run is not part of
//! it: two plain accesses race if nothing here orders them, however far apart they ran.
//!
//! (Batty, Owens, Sarkar, Sewell, Weber, "Mathematizing C++ concurrency", POPL 2011; by clocks, with
//! the last write and the last reads of a place: Flanagan, Freund, "FastTrack", PLDI 2009.)

use super::clock::Clock;
use crate::sync::engine::Ordering;

/// What a thread knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadOrder {
    /// The steps that happen before its next one.
    pub(super) known: Clock,
    /// What relaxed reads have seen and an acquire fence would make known.
    fence_would_acquire: Clock,
    /// What was known at the last release fence: relaxed writes publish it.
    fence_released: Clock,
}

impl ThreadOrder {
    /// A thread that begins without any knowledge.
    pub(super) const BEGINNING: Self = Self {
        known: Clock::ZERO,
        fence_would_acquire: Clock::ZERO,
        fence_released: Clock::ZERO,
    };

    /// Be the same as `other`.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.known.copy_from(&other.known);
        self.fence_would_acquire
            .copy_from(&other.fence_would_acquire);
        self.fence_released.copy_from(&other.fence_released);
    }

    /// A thread that begins with this knowledge.
    pub(super) fn beginning(known: Clock) -> Self {
        Self {
            known,
            ..Self::BEGINNING
        }
    }

    /// Begin with this knowledge.
    pub(super) fn begin(&mut self, known: &Clock) {
        self.known.copy_from(known);
        self.fence_would_acquire.clear();
        self.fence_released.clear();
    }

    /// A read of a word that carries `message`.
    pub(super) fn read(&mut self, message: &Clock, order: Ordering) {
        if acquires(order) {
            self.known.join(message);
        } else {
            self.fence_would_acquire.join(message);
        }
    }

    /// What a write publishes.
    pub(super) fn written(&self, order: Ordering) -> &Clock {
        if releases(order) {
            &self.known
        } else {
            &self.fence_released
        }
    }

    /// A fence.
    pub(super) fn fence(&mut self, order: Ordering) {
        if acquires(order) {
            self.known.join(&self.fence_would_acquire);
        }
        if releases(order) {
            self.fence_released.copy_from(&self.known);
        }
    }
}

pub(super) fn acquires(order: Ordering) -> bool {
    matches!(
        order,
        Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst
    )
}

pub(super) fn releases(order: Ordering) -> bool {
    matches!(
        order,
        Ordering::Release | Ordering::AcqRel | Ordering::SeqCst
    )
}

/// The accesses to a plain variable that a later one could race with.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainOrder {
    writer: usize,
    write: u16,
    reads: Clock,
}

impl PlainOrder {
    /// Nobody has accessed it.
    pub(super) const NEW: Self = Self {
        writer: 0,
        write: 0,
        reads: Clock::ZERO,
    };

    /// A read by `thread`, its step number `step`. Whether it races.
    pub(super) fn read(&mut self, thread: usize, step: u16, known: &Clock) -> bool {
        self.reads.set(thread, step);
        !known.knows(self.writer, self.write)
    }

    /// A write by `thread`, its step number `step`. Whether it races.
    pub(super) fn write(&mut self, thread: usize, step: u16, known: &Clock) -> bool {
        let races = !known.knows(self.writer, self.write) || !self.reads.is_known_to(known);
        self.writer = thread;
        self.write = step;
        self.reads.clear();
        races
    }

    /// Nobody has accessed it.
    pub(super) fn clear(&mut self) {
        self.writer = 0;
        self.write = 0;
        self.reads.clear();
    }
}
