// SPDX-License-Identifier: GPL-2.0-only
//! Doubly linked lists that contexts share. C header: `include/linux/list.h`.
//!
//! A change of a list writes its head and the nodes beside the one that moves; it is one step here,
//! and a use of those nodes' memory. Two changes that no lock and nothing else orders corrupt the
//! list; which pointers are lost then is not modelled, since the execution ends there. A private
//! list, which only its owner reaches, is a plain [`Vec`].
//!
//! Who reads a list without its lock may find, under weak memory, what it was like earlier. The whole
//! list is one place in memory there: a reader that has found one version finds no older one in
//! another node. The kernel may show such mixtures, too.

use crate::sync::{
    self,
    alloc::Allocation,
    cell::Cell,
    engine::{ObjectId, Step},
    learning,
    mutation::{self, Weakening},
    violation::ViolationKind,
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Something with a node in its memory.
pub trait Linked: Hash {
    /// The memory that the node lies in.
    fn memory(&self) -> &Allocation;
}

/// Which list it is, not what is on it.
impl<T> Hash for ListHead<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.object().hash(state);
    }
}

/// `struct list_head`, as the head of a list.
#[derive(Debug)]
pub struct ListHead<T> {
    entries: Cell<Entries<T>>,
}

/// What is on a list, and was.
#[derive(Debug)]
struct Entries<T> {
    now: Vec<Arc<T>>,
    /// How often it was changed. Changes are ordered, so this is the same wherever the changes before
    /// are.
    changes: u64,
    /// What it was after each change, where the engine may let a reader find that.
    versions: Vec<Vec<Arc<T>>>,
}

/// What it was before is told apart by who has seen it.
impl<T: Hash> Hash for Entries<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.now.hash(state);
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self {
            now: Vec::new(),
            changes: 0,
            versions: Vec::new(),
        }
    }
}

impl<T> Entries<T> {
    fn found(&self, change: Option<u64>) -> &[Arc<T>] {
        match change {
            Some(0) => &[],
            Some(change) => self.versions.get(change as usize - 1).unwrap_or(&self.now),
            None => &self.now,
        }
    }
}

impl<T: Linked> ListHead<T> {
    /// An empty list in static memory.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            entries: Self::cell(None, name),
        }
    }

    /// An empty list in an object.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self {
            entries: Self::cell(Some(owner), name),
        }
    }

    fn cell(owner: Option<&Allocation>, name: &'static str) -> Cell<Entries<T>> {
        let kind = ViolationKind::ListCorruption;
        Cell::with_kind(owner, name, kind, Entries::default()).marked_by(|e| e.changes)
    }

    /// Change it, as one step.
    #[track_caller]
    fn change<R>(&self, f: impl FnOnce(&mut Vec<Arc<T>>) -> R) -> R {
        self.entries.with_mut(|entries| {
            let result = f(&mut entries.now);
            entries.changes += 1;
            if sync::keeps_marks() {
                entries.versions.push(entries.now.clone());
            }
            result
        })
    }

    /// `INIT_LIST_HEAD()`: whatever was on it is forgotten.
    #[track_caller]
    pub fn init(&self) {
        if mutation::is_skipped() {
            return;
        }
        self.change(Vec::clear);
    }

    /// `list_empty()`: one relaxed read of the head, which may race with a change.
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        if mutation::is(Weakening::Always) {
            return true;
        }
        if mutation::is(Weakening::Never) {
            return false;
        }
        let learning = learning();
        let is_empty = self
            .entries
            .with_marked(|entries, found| entries.found(found).is_empty());
        learning.nothing_but(is_empty)
    }

    /// The engine's index of it.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.entries.object()
    }

    /// Forget what is on it, without a step: when nothing runs any more.
    pub(crate) fn forget(&self) {
        self.entries.forget();
    }

    /// What is on it, without a step: for the end of an execution, when nothing runs.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<T>> {
        self.entries.peek(|entries| entries.now.clone())
    }

    /// `list_move_tail()` or `list_add_tail()` of a node from a private list.
    #[track_caller]
    pub fn add_tail(&self, entry: &Arc<T>) {
        if mutation::is_skipped() {
            return;
        }
        let learning = learning();
        self.change(|entries| {
            entry.memory().touch(Step::Last);
            if let Some(last) = entries.last() {
                last.memory().touch(Step::Last);
            }
            entries.push(Arc::clone(entry));
        });
        learning.nothing_but(());
    }

    /// `list_first_entry()` and `list_del_init()` of it; `None` where the list is empty.
    #[must_use]
    #[track_caller]
    pub fn take_first(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        let learning = learning();
        let first = self.change(|entries| {
            if entries.is_empty() {
                return None;
            }
            let first = entries.remove(0);
            first.memory().touch(Step::Last);
            if let Some(next) = entries.first() {
                next.memory().touch(Step::Last);
            }
            Some(first)
        });
        learning.nothing_but(first)
    }

    /// `list_del_init()` of an entry of this list. Nothing where it is not on it.
    #[track_caller]
    pub fn remove(&self, entry: &Arc<T>) {
        if mutation::is_skipped() {
            return;
        }
        let learning = learning();
        self.change(|entries| {
            let Some(at) = entries.iter().position(|e| Arc::ptr_eq(e, entry)) else {
                return;
            };
            entries.remove(at);
            let beside = [at.checked_sub(1), Some(at)].into_iter().flatten();
            for neighbour in beside.filter_map(|at| entries.get(at)).chain([entry]) {
                neighbour.memory().touch(Step::Last);
            }
        });
        learning.nothing_but(());
    }

    /// `list_first_entry_or_null()`.
    #[must_use]
    #[track_caller]
    pub fn first(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        let learning = learning();
        learning.nothing_but(self.entries.with(|entries| entries.now.first().cloned()))
    }

    /// `list_first_entry_or_null()` without the lock of the list: may race with a change.
    #[must_use]
    #[track_caller]
    pub fn first_unlocked(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        let learning = learning();
        let first = self
            .entries
            .with_marked(|entries, found| entries.found(found).first().cloned());
        learning.nothing_but(first)
    }

    /// `list_next_entry()` without the lock of the list: what is behind `entry`, `Some(None)` where
    /// that is the head, `None` where the entry is not on the list any more. A use of `entry`.
    #[must_use]
    #[track_caller]
    pub fn next_unlocked(&self, entry: &Arc<T>) -> Option<Option<Arc<T>>> {
        let learning = learning();
        let next = self.entries.with_marked(|entries, found| {
            let entries = entries.found(found);
            entry.memory().touch(Step::Last);
            let at = entries.iter().position(|e| Arc::ptr_eq(e, entry))?;
            Some(entries.get(at + 1).cloned())
        });
        learning.nothing_but(next)
    }

    /// Whether `entry` is on it, with the lock of the list held: its own node says so, `!list_empty()`.
    #[must_use]
    #[track_caller]
    pub fn contains(&self, entry: &Arc<T>) -> bool {
        if mutation::is(Weakening::Always) {
            return true;
        }
        if mutation::is(Weakening::Never) {
            return false;
        }
        let learning = learning();
        let contains = self.entries.with(|entries| {
            entry.memory().touch(Step::Last);
            entries.now.iter().any(|e| Arc::ptr_eq(e, entry))
        });
        learning.nothing_but(contains)
    }

    /// `list_for_each_entry()` up to `entry`, with the lock of the list held: whether it is on it. A use
    /// of what is walked over, and not of an entry that is not there.
    #[must_use]
    #[track_caller]
    pub fn finds(&self, entry: &Arc<T>) -> bool {
        if mutation::is(Weakening::Always) {
            return true;
        }
        if mutation::is(Weakening::Never) {
            return false;
        }
        let learning = learning();
        let finds = self.entries.with(|entries| {
            entries.now.iter().any(|e| {
                e.memory().touch(Step::Last);
                Arc::ptr_eq(e, entry)
            })
        });
        learning.nothing_but(finds)
    }

    /// Up to `most` first entries, moved to the front of a private list one after the other.
    #[must_use]
    #[track_caller]
    pub fn take_some(&self, most: usize) -> Vec<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return Vec::new();
        }
        let learning = learning();
        let taken = self.change(|entries| {
            let taken = most.min(entries.len());
            for entry in entries.iter().take(taken + 1) {
                entry.memory().touch(Step::Last);
            }
            let mut taken: Vec<Arc<T>> = entries.drain(..taken).collect();
            taken.reverse();
            taken
        });
        learning.nothing_but(taken)
    }
}
