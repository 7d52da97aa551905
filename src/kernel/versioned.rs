// SPDX-License-Identifier: GPL-2.0-only
//! A chain that is read without the lock that changes it.
//!
//! A word counts the changes, and each of its values stands for the chain as it was then. Under weak
//! memory a reader may find an old value; it must find the old chain with it, and not entries that
//! nothing has published to it.

use crate::sync::{
    alloc::Allocation, atomic::AtomicU64, atomically, digest, engine::Ordering, stores_states,
};
use std::{hash::Hash, sync::Arc};

type Chain<T> = Vec<Arc<T>>;

/// A chain of entries in all its versions. An entry must not lead back to the chain: nothing would
/// be freed.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    word: AtomicU64,
    versions: parking_lot::Mutex<Versions<T>>,
}

#[derive(Debug)]
struct Versions<T> {
    newest: Chain<T>,
    /// All before it: a reader that finds an old version uses what has been freed since.
    older: Vec<Chain<T>>,
}

impl<T: Hash> Versioned<T> {
    /// An empty chain in static memory.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::of(AtomicU64::new(name, 0))
    }

    /// An empty chain in an object.
    pub(crate) fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self::of(AtomicU64::new_in(owner, name, 0))
    }

    fn of(word: AtomicU64) -> Self {
        let chain = Self {
            word,
            versions: parking_lot::Mutex::new(Versions {
                newest: Vec::new(),
                older: Vec::new(),
            }),
        };
        chain.publish(&Vec::new());
        chain
    }

    /// Read it, as one step: acquire.
    pub(crate) fn read(&self) -> Chain<T> {
        atomically(|| {
            let version = self.word.load(Ordering::Acquire) as usize;
            let versions = self.versions.lock();
            match versions.older.get(version) {
                Some(chain) => chain.clone(),
                None => versions.newest.clone(),
            }
        })
    }

    /// Change it, as one step: acquire and release. The caller holds the lock.
    pub(crate) fn change(&self, f: impl FnOnce(&mut Chain<T>)) {
        atomically(|| {
            self.word.fetch_add(1, Ordering::AcqRel);
            let versions = &mut *self.versions.lock();
            versions.older.push(versions.newest.clone());
            f(&mut versions.newest);
            self.publish(&versions.newest);
        });
    }

    /// The newest version, without a step: for the end of an execution, when nothing runs.
    pub(crate) fn peek(&self) -> Chain<T> {
        self.versions.lock().newest.clone()
    }

    /// Empty it without a step: nobody reads it any more, or yet.
    pub(crate) fn clear(&self) {
        let versions = &mut *self.versions.lock();
        versions.newest.clear();
        versions.older.iter_mut().for_each(Vec::clear);
        self.publish(&versions.newest);
    }

    fn publish(&self, chain: &Chain<T>) {
        if stores_states() {
            self.word.stands_for(digest(chain));
        }
    }
}
