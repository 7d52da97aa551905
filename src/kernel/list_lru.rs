// SPDX-License-Identifier: GPL-2.0-only
//! The LRU list. C header: `include/linux/list_lru.h`; code: `mm/list_lru.c`.
//!
//! One list and one lock for the kernel's one a NUMA node: two nodes' lists share nothing but the
//! files' owners, and everything a walker does is under the one lock of the file's node.

use super::{
    Kernel,
    list::Linked,
    spinlock::{SpinLock, SpinLockGuard},
};
use crate::sync::{
    alloc::Allocation,
    atomic::AtomicU64,
    engine::{Ordering, Step},
    enter, learns,
    mutation::{self, Weakening},
    violation::ViolationKind,
};
use std::sync::Arc;

/// `struct list_head` of an object that is put on an LRU: 1 while it is on it.
#[derive(Debug)]
pub struct LruNode {
    linked: AtomicU64,
}

impl LruNode {
    /// A node that is on no list.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self {
            linked: AtomicU64::new_in(owner, name, 0),
        }
    }

    /// `list_empty()` of the node: relaxed.
    #[must_use]
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        if mutation::is(Weakening::Always) {
            return true;
        }
        if mutation::is(Weakening::Never) {
            return false;
        }
        self.linked.load(Ordering::Relaxed) == 0
    }
}

/// An object with a node for the LRU.
pub trait OnLru: Linked {
    /// The node.
    fn lru_node(&self) -> &LruNode;
}

/// `enum lru_status`, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LruStatus {
    /// The callback took the entry off.
    Removed,
    /// Move it to the tail.
    Rotate,
    /// Leave it.
    Skip,
}

/// `struct list_lru`.
#[derive(Debug)]
pub struct ListLru<T> {
    /// The array of lists: gone between `list_lru_destroy()` and the next `list_lru_init()`.
    lists: Allocation,
    lock: SpinLock<Vec<Arc<T>>>,
    /// `nr_items`, which is read without the lock.
    count: AtomicU64,
}

impl<T: OnLru> ListLru<T> {
    /// A list that is not initialised.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, name: &'static str) -> Self {
        let lists = Allocation::new(name, ViolationKind::UseAfterDestroy);
        lists.free();
        Self {
            lock: SpinLock::new_in(kernel, &lists, "lock", Vec::new()),
            count: AtomicU64::new_in(&lists, "nr_items", 0),
            lists,
        }
    }

    /// The memory of the lists.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.lists
    }

    /// `list_lru_init()`.
    #[track_caller]
    pub fn init(&self) {
        if mutation::is_skipped() {
            return;
        }
        self.do_init();
    }

    fn do_init(&self) {
        let _in = enter("list_lru_init");
        self.lists.renew();
        self.lock.lock().clear();
        self.count.store(0, Ordering::Relaxed);
    }

    /// `list_lru_destroy()`: entries that are on it stay linked to nothing.
    #[track_caller]
    pub fn destroy(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("list_lru_destroy");
        self.lists.free();
    }

    /// `list_lru_count()`: without the lock, relaxed.
    #[must_use]
    #[track_caller]
    pub fn count(&self) -> u64 {
        if mutation::is(Weakening::Never) {
            return 0;
        }
        let _in = enter("list_lru_count");
        self.count.load(Ordering::Relaxed)
    }

    /// What is on it, without a step: for the end of an execution, when nothing runs.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<T>> {
        self.lock.peek(Vec::clone)
    }

    /// `list_lru_add_obj()`: whether it was on no list before.
    #[must_use]
    #[track_caller]
    pub fn add(&self, entry: &Arc<T>) -> bool {
        if mutation::is_skipped() {
            return true;
        }
        self.do_add(entry)
    }

    fn do_add(&self, entry: &Arc<T>) -> bool {
        let _in = enter("list_lru_add_obj");
        learns(|| {
            let mut items = self.lock.lock();
            let node = entry.lru_node();
            let was_empty = node
                .linked
                .compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
            if was_empty {
                if let Some(last) = items.last() {
                    last.memory().touch(Step::Last);
                }
                items.push(Arc::clone(entry));
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            was_empty
        })
    }

    /// `list_lru_del_obj()`: whether it was on the list.
    #[must_use]
    #[track_caller]
    pub fn del(&self, entry: &Arc<T>) -> bool {
        if mutation::is(Weakening::Never) {
            return false;
        }
        self.do_del(entry) || mutation::is(Weakening::Always)
    }

    fn do_del(&self, entry: &Arc<T>) -> bool {
        let _in = enter("list_lru_del_obj");
        learns(|| {
            let mut items = self.lock.lock();
            self.unlink(&mut items, entry)
        })
    }

    fn unlink(&self, items: &mut Vec<Arc<T>>, entry: &Arc<T>) -> bool {
        let node = entry.lru_node();
        let was_linked = node
            .linked
            .compare_exchange(1, 0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if was_linked {
            if let Some(at) = items.iter().position(|item| Arc::ptr_eq(item, entry)) {
                let before = at.checked_sub(1);
                let beside = [before, Some(at + 1)];
                for neighbour in beside.into_iter().flatten() {
                    if let Some(item) = items.get(neighbour) {
                        item.memory().touch(Step::Last);
                    }
                }
                items.remove(at);
            }
            learns(|| {
                self.count.fetch_sub(1, Ordering::Relaxed);
            });
        }
        was_linked
    }

    /// `list_lru_walk_node()` and `list_lru_shrink_walk()`: call `callback` for up to `most`
    /// entries from the head, with the lock held. What is moved to the tail is looked at once more,
    /// when the walk comes there. How many it looked at.
    #[track_caller]
    pub fn walk(
        &self,
        most: usize,
        callback: impl FnMut(&Arc<T>, &mut dyn FnMut()) -> LruStatus,
    ) -> usize {
        if mutation::is_skipped() {
            return 0;
        }
        self.do_walk(most, callback)
    }

    fn do_walk(
        &self,
        most: usize,
        mut callback: impl FnMut(&Arc<T>, &mut dyn FnMut()) -> LruStatus,
    ) -> usize {
        let _in = enter("list_lru_walk_node");
        let mut items: SpinLockGuard<'_, Vec<Arc<T>>> = self.lock.lock();
        let (mut looked_at, mut at) = (0, 0);
        while looked_at < most
            && let Some(entry) = items.get(at).cloned()
        {
            looked_at += 1;
            // list_for_each_safe(): the walk ends behind what is the last entry now.
            let is_last = at + 1 == items.len();
            let mut isolate = || {
                let _in = enter("list_lru_isolate");
                let _ = self.unlink(&mut items, &entry);
            };
            match callback(&entry, &mut isolate) {
                LruStatus::Removed => {}
                LruStatus::Skip => at += 1,
                LruStatus::Rotate => {
                    let entry = items.remove(at);
                    items.push(entry);
                }
            }
            if is_last {
                break;
            }
        }
        looked_at
    }
}
