// SPDX-License-Identifier: GPL-2.0-only
//! A condition variable, with the names of [`std::sync::Condvar`].
//!
//! A word has a bit for each thread that waits. To wait is to set a bit of one's own, to give the
//! lock back, to block until the bit is clear, and to take the lock again. To notify is to clear
//! bits: all of them, or one, and then every one is tried. None of that orders anything by itself,
//! as little as the counter of a futex does: whoever changes the condition without the lock, and
//! then notifies, may miss the thread that is about to wait, and that is found. No thread is woken
//! for no reason.

use super::{mutex::MutexGuard, place};
use crate::sync::{
    self,
    atomic::AtomicU64,
    engine::{Condition, Ordering},
};
use std::sync::LockResult;

/// [`std::sync::Condvar`], checked.
#[derive(Debug)]
pub struct Condvar {
    /// How many waits there have been.
    waits: AtomicU64,
    /// A bit for each that is not over.
    waiting: AtomicU64,
}

/// How many waits the bits of a word are enough for.
const MOST: u64 = 64;

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Condvar {
    /// A condition variable that nobody waits for.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            waits: AtomicU64::new(place::name("Condvar waits"), 0),
            waiting: AtomicU64::new(place::name("Condvar"), 0),
        }
    }

    /// Give the lock back, wait to be notified, and take the lock again.
    ///
    /// # Errors
    ///
    /// Never.
    ///
    /// # Panics
    ///
    /// Where there are more than 64 waits in an execution.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.mutex;
        place::step((), || {
            let number = self.waits.fetch_add(1, Ordering::Relaxed);
            assert!(number < MOST, "more than {MOST} waits in an execution");
            let bit = 1 << number;
            self.waiting.fetch_or(bit, Ordering::Relaxed);
            drop(guard);
            self.waiting
                .wait_until(Condition::Clear(bit), Ordering::Relaxed);
        });
        mutex.lock()
    }

    /// [`Self::wait`] for as long as the condition holds.
    ///
    /// # Errors
    ///
    /// Never.
    #[track_caller]
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Wake one of the threads that wait, if any does.
    #[track_caller]
    pub fn notify_one(&self) {
        place::step((), || {
            loop {
                let waiting = self.waiting.load(Ordering::Relaxed);
                if waiting == 0 {
                    return;
                }
                let mut left = waiting;
                for _ in 0..sync::choose(waiting.count_ones()) {
                    left &= left - 1;
                }
                let bit = left & left.wrapping_neg();
                if self.waiting.fetch_and_not(bit, Ordering::Relaxed) & bit != 0 {
                    return;
                }
            }
        });
    }

    /// Wake all threads that wait.
    #[track_caller]
    pub fn notify_all(&self) {
        place::step((), || {
            self.waiting.swap(0, Ordering::Relaxed);
        });
    }
}
