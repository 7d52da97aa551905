// SPDX-License-Identifier: GPL-2.0-only
//! Doubly linked lists that contexts share. C header: `include/linux/list.h`.
//!
//! A change of a list writes its head and the nodes beside the one that moves; it is one step here,
//! and a use of those nodes' memory. Two changes that no lock and nothing else orders corrupt the
//! list; which pointers are lost then is not modelled, since the execution ends there. A private
//! list, which only its owner reaches, is a plain [`Vec`].

use crate::sync::{
    alloc::Allocation,
    cell::Cell,
    engine::Step,
    mutation::{self, Weakening},
    violation::ViolationKind,
};
use std::sync::Arc;

/// Something with a node in its memory.
pub trait Linked {
    /// The memory that the node lies in.
    fn memory(&self) -> &Allocation;
}

/// `struct list_head`, as the head of a list.
#[derive(Debug)]
pub struct ListHead<T> {
    entries: Cell<Vec<Arc<T>>>,
}

impl<T: Linked> ListHead<T> {
    /// An empty list in static memory.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            entries: Cell::with_kind(None, name, ViolationKind::ListCorruption, Vec::new()),
        }
    }

    /// An empty list in an object.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self {
            entries: Cell::with_kind(Some(owner), name, ViolationKind::ListCorruption, Vec::new())
                .marked_by(|entries| u64::from(!entries.is_empty())),
        }
    }

    /// `INIT_LIST_HEAD()`: whatever was on it is forgotten.
    #[track_caller]
    pub fn init(&self) {
        if mutation::is_skipped() {
            return;
        }
        self.entries.with_mut(Vec::clear);
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
        self.entries.marked() == 0
    }

    /// What is on it, without a step: for the end of an execution, when nothing runs.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<T>> {
        self.entries.peek(Vec::clone)
    }

    /// `list_move_tail()` or `list_add_tail()` of a node from a private list.
    #[track_caller]
    pub fn add_tail(&self, entry: &Arc<T>) {
        if mutation::is_skipped() {
            return;
        }
        self.entries.with_mut(|entries| {
            entry.memory().touch(Step::Last);
            if let Some(last) = entries.last() {
                last.memory().touch(Step::Last);
            }
            entries.push(Arc::clone(entry));
        });
    }

    /// `list_first_entry()` and `list_del_init()` of it; `None` where the list is empty.
    #[must_use]
    #[track_caller]
    pub fn take_first(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        self.entries.with_mut(|entries| {
            if entries.is_empty() {
                return None;
            }
            let first = entries.remove(0);
            first.memory().touch(Step::Last);
            if let Some(next) = entries.first() {
                next.memory().touch(Step::Last);
            }
            Some(first)
        })
    }

    /// `list_del_init()` of an entry of this list. Nothing where it is not on it.
    #[track_caller]
    pub fn remove(&self, entry: &Arc<T>) {
        if mutation::is_skipped() {
            return;
        }
        self.entries.with_mut(|entries| {
            let Some(at) = entries.iter().position(|e| Arc::ptr_eq(e, entry)) else {
                return;
            };
            entries.remove(at);
            let beside = [at.checked_sub(1), Some(at)].into_iter().flatten();
            for neighbour in beside.filter_map(|at| entries.get(at)).chain([entry]) {
                neighbour.memory().touch(Step::Last);
            }
        });
    }

    /// `list_first_entry_or_null()`.
    #[must_use]
    #[track_caller]
    pub fn first(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        self.entries.with(|entries| entries.first().cloned())
    }

    /// `list_first_entry_or_null()` without the lock of the list: may race with a change.
    #[must_use]
    #[track_caller]
    pub fn first_unlocked(&self) -> Option<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return None;
        }
        self.entries.with_marked(|entries| entries.first().cloned())
    }

    /// `list_next_entry()` without the lock of the list: what is behind `entry`, `Some(None)` where
    /// that is the head, `None` where the entry is not on the list any more. A use of `entry`.
    #[must_use]
    #[track_caller]
    pub fn next_unlocked(&self, entry: &Arc<T>) -> Option<Option<Arc<T>>> {
        self.entries.with_marked(|entries| {
            entry.memory().touch(Step::Last);
            let at = entries.iter().position(|e| Arc::ptr_eq(e, entry))?;
            Some(entries.get(at + 1).cloned())
        })
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
        self.entries.with(|entries| {
            entry.memory().touch(Step::Last);
            entries.iter().any(|e| Arc::ptr_eq(e, entry))
        })
    }

    /// Up to `most` first entries, moved to the front of a private list one after the other.
    #[must_use]
    #[track_caller]
    pub fn take_some(&self, most: usize) -> Vec<Arc<T>> {
        if mutation::is(Weakening::Never) {
            return Vec::new();
        }
        self.entries.with_mut(|entries| {
            let taken = most.min(entries.len());
            for entry in entries.iter().take(taken + 1) {
                entry.memory().touch(Step::Last);
            }
            let mut taken: Vec<Arc<T>> = entries.drain(..taken).collect();
            taken.reverse();
            taken
        })
    }
}
