// SPDX-License-Identifier: GPL-2.0-only
//! Pointers that contexts share. C headers: `include/linux/rcupdate.h`, `asm/rwonce.h`.

use crate::sync::{
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    digest,
    engine::Ordering,
    stores_states,
};
use std::{hash::Hash, hash::Hasher, sync::Arc};

/// A pointer in memory that more than one context can reach, or NULL.
#[derive(Debug)]
pub struct Pointer<T> {
    /// 0 for NULL, else what stands beside the target in `targets`.
    word: AtomicU64,
    targets: parking_lot::Mutex<Vec<(u64, Arc<T>)>>,
}

/// Which pointer it is, not where it leads.
impl<T> Hash for Pointer<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.word.object().hash(state);
    }
}

impl<T: Hash> Pointer<T> {
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
            word: AtomicU64::new(name, Self::word_of(&target, 0)),
            targets: parking_lot::Mutex::new(vec![(Self::word_of(&target, 0), target)]),
        }
    }

    fn target(&self, word: u64) -> Option<Arc<T>> {
        if word == 0 {
            return None;
        }
        let targets = self.targets.lock();
        let target = targets.iter().find(|(known, _)| *known == word);
        let (_, target) = target.expect("a pointer leads where it was made to lead");
        Some(Arc::clone(target))
    }

    /// What stands for a target that is `place`th to be pointed to. Where states are stored it must
    /// not depend on what was pointed to before.
    fn word_of(target: &Arc<T>, place: usize) -> u64 {
        match stores_states() {
            true => digest(target) | 1,
            false => place as u64 + 1,
        }
    }

    fn word_for(&self, target: Option<&Arc<T>>) -> u64 {
        let Some(target) = target else { return 0 };
        let mut targets = self.targets.lock();
        let known = targets.iter().find(|(_, t)| Arc::ptr_eq(t, target));
        if let Some((word, _)) = known {
            return *word;
        }
        let word = Self::word_of(target, targets.len());
        targets.push((word, Arc::clone(target)));
        word
    }

    /// A plain load that is known to race, or `READ_ONCE()`: relaxed.
    #[must_use]
    pub fn load(&self) -> Option<Arc<T>> {
        let word = self.word.load(Ordering::Relaxed);
        self.target(word)
    }

    /// A plain store that is known to race, or `WRITE_ONCE()`: relaxed.
    pub fn store(&self, target: Option<&Arc<T>>) {
        let word = self.word_for(target);
        self.word.store(word, Ordering::Relaxed);
    }

    /// `rcu_dereference()`: the dependency that orders what is read through it is acquire here.
    #[must_use]
    pub fn dereference(&self) -> Option<Arc<T>> {
        let word = self.word.load(Ordering::Acquire);
        self.target(word)
    }

    /// `rcu_assign_pointer()`: release.
    pub fn assign(&self, target: Option<&Arc<T>>) {
        let word = self.word_for(target);
        self.word.store(word, Ordering::Release);
    }

    /// `cmpxchg(&pointer, NULL, target)`: fully ordered where it succeeds.
    ///
    /// # Errors
    ///
    /// What is there. The kernel orders nothing then but what is read through it: acquire.
    pub fn cmpxchg_null(&self, target: &Arc<T>) -> Result<(), Arc<T>> {
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
    pub fn xchg_null(&self) -> Option<Arc<T>> {
        fence(Ordering::SeqCst);
        let old = self.word.swap(0, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.target(old)
    }
}
