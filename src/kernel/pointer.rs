// SPDX-License-Identifier: GPL-2.0-only
//! Pointers that contexts share. C headers: `include/linux/rcupdate.h`, `asm/rwonce.h`.

use crate::sync::{
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::Ordering,
    mutation::{self, Weakening},
};
use std::sync::Arc;

/// A pointer in memory that more than one context can reach, or NULL.
#[derive(Debug)]
pub struct Pointer<T> {
    /// 0 for NULL, else one more than the target's place in `targets`.
    word: AtomicU64,
    targets: parking_lot::Mutex<Vec<Arc<T>>>,
}

impl<T> Pointer<T> {
    /// NULL, in an object.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self {
            word: AtomicU64::new_in(owner, name, 0),
            targets: parking_lot::Mutex::new(Vec::new()),
        }
    }

    /// NULL, in an object that nobody else can see yet: `RCU_INIT_POINTER()`.
    #[must_use]
    pub fn null_in(owner: &Allocation, name: &'static str) -> Self {
        Self::new_in(owner, name)
    }

    /// A pointer on a stack.
    #[must_use]
    pub fn new(name: &'static str, target: Arc<T>) -> Self {
        Self {
            word: AtomicU64::new(name, 1),
            targets: parking_lot::Mutex::new(vec![target]),
        }
    }

    fn target(&self, word: u64) -> Option<Arc<T>> {
        let index = word.checked_sub(1)?;
        Some(Arc::clone(&self.targets.lock()[index as usize]))
    }

    fn word_for(&self, target: Option<&Arc<T>>) -> u64 {
        let Some(target) = target else { return 0 };
        let mut targets = self.targets.lock();
        let known = targets.iter().position(|t| Arc::ptr_eq(t, target));
        let index = known.unwrap_or_else(|| {
            targets.push(Arc::clone(target));
            targets.len() - 1
        });
        index as u64 + 1
    }

    /// A plain load that is known to race, or `READ_ONCE()`: relaxed.
    #[must_use]
    #[track_caller]
    pub fn load(&self) -> Option<Arc<T>> {
        let word = self.word.load(Ordering::Relaxed);
        self.target(word)
    }

    /// A plain store that is known to race, or `WRITE_ONCE()`: relaxed.
    #[track_caller]
    pub fn store(&self, target: Option<&Arc<T>>) {
        let word = self.word_for(target);
        self.word.store(word, Ordering::Relaxed);
    }

    /// `rcu_dereference()`: the dependency that orders what is read through it is acquire here.
    #[must_use]
    #[track_caller]
    pub fn dereference(&self) -> Option<Arc<T>> {
        let word = self.word.load(Ordering::Acquire);
        self.target(word)
    }

    /// `rcu_assign_pointer()`: release.
    #[track_caller]
    pub fn assign(&self, target: Option<&Arc<T>>) {
        let word = self.word_for(target);
        self.word.store(word, Ordering::Release);
    }

    /// `cmpxchg(&pointer, NULL, target)`: fully ordered where it succeeds.
    ///
    /// # Errors
    ///
    /// What is there. The kernel orders nothing then but what is read through it: acquire.
    #[track_caller]
    pub fn cmpxchg_null(&self, target: &Arc<T>) -> Result<(), Arc<T>> {
        if mutation::is(Weakening::Always) {
            let word = self.word_for(Some(target));
            let _ = self.word.swap(word, Ordering::AcqRel);
            return Ok(());
        }
        let word = self.word_for(Some(target));
        fence(Ordering::SeqCst);
        let old = self
            .word
            .compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire);
        match old.err().and_then(|old| self.target(old)) {
            None => {
                fence(Ordering::SeqCst);
                Ok(())
            }
            Some(other) => Err(other),
        }
    }

    /// `xchg(&pointer, NULL)`: fully ordered; what it was.
    #[must_use]
    #[track_caller]
    pub fn xchg_null(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        fence(Ordering::SeqCst);
        let old = self.word.swap(0, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.target(old)
    }
}
