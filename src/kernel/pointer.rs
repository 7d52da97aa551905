// SPDX-License-Identifier: GPL-2.0-only
//! Pointers that contexts share. C headers: `include/linux/rcupdate.h`, `asm/rwonce.h`.

use crate::sync::{
    self,
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::{ObjectId, Ordering},
    mutation::{self, Weakening},
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// What a pointer can lead to.
pub trait Target {
    /// An object of it, which tells it from its like.
    fn object(&self) -> ObjectId;
}

/// A pointer in memory that more than one context can reach, or NULL.
#[derive(Debug)]
pub struct Pointer<T> {
    /// 0 for NULL, else what stands for one of `targets`.
    word: AtomicU64,
    targets: parking_lot::Mutex<Vec<(u64, Arc<T>)>>,
}

/// What stands for a target that is the `number`th of a pointer, from 1. Where the steps of an
/// execution are run again, the targets may come in another order, and the word has to be the same;
/// so it has where states that were come to in different ways are compared.
fn new_word<T: Target>(number: usize, target: &T) -> u64 {
    match sync::keeps_marks() || sync::stores_states() {
        true => u64::from(target.object().0) + 1,
        false => number as u64,
    }
}

/// Which pointer it is, not where it leads.
impl<T> Hash for Pointer<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.word.object().hash(state);
    }
}

impl<T: Target> Pointer<T> {
    /// NULL, in an object.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self {
            word: AtomicU64::new_in(owner, name, 0),
            targets: parking_lot::Mutex::new(Vec::new()),
        }
    }

    /// NULL, in static memory.
    #[must_use]
    pub fn null(name: &'static str) -> Self {
        Self {
            word: AtomicU64::new(name, 0),
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
        let word = new_word(1, &*target);
        Self {
            word: AtomicU64::new(name, word),
            targets: parking_lot::Mutex::new(vec![(word, target)]),
        }
    }

    /// Forget all that it ever pointed to, without a step: when nothing runs any more, and a target
    /// may lead back to what the pointer lies in.
    pub(crate) fn forget(&self) {
        let targets = std::mem::take(&mut *self.targets.lock());
        drop(targets);
    }

    fn target(&self, word: u64) -> Option<Arc<T>> {
        if word == 0 {
            return None;
        }
        let targets = self.targets.lock();
        let known = targets.iter().find(|(of, _)| *of == word);
        let (_, target) = known.expect("what a pointer holds was stored in it");
        Some(Arc::clone(target))
    }

    fn word_for(&self, target: Option<&Arc<T>>) -> u64 {
        let Some(target) = target else { return 0 };
        let mut targets = self.targets.lock();
        let known = targets.iter().find(|(_, t)| Arc::ptr_eq(t, target));
        if let Some((word, _)) = known {
            return *word;
        }
        let word = new_word(targets.len() + 1, &**target);
        targets.push((word, Arc::clone(target)));
        word
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
