// SPDX-License-Identifier: GPL-2.0-only
//! The resizable hash table of lists. C header: `include/linux/rhashtable.h`; code:
//! `lib/rhashtable.c`.
//!
//! A bucket for each key. Insertion and removal are one step each, under the bucket's bit lock,
//! which nothing can wait for inside; so is reading a bucket's chain. A reader that has read a
//! chain goes on with it whatever is removed meanwhile, which RCU makes safe, and misses what is
//! inserted at its head. Resizing is left out: it moves entries between tables that readers walk
//! both, and no caller depends on which table an entry is in.

use super::versioned::Versioned;
use crate::sync::{alloc::Allocation, enter, mutation, violation::ViolationKind};
use std::{hash::Hash, sync::Arc};

/// `struct rhltable`, keyed by inode.
#[derive(Debug)]
pub struct Rhltable<T> {
    table: Allocation,
    /// Newest entry first.
    buckets: Vec<Versioned<T>>,
}

impl<T: Hash> Rhltable<T> {
    /// A table that is not initialised, for `keys` keys.
    #[must_use]
    pub fn new(name: &'static str, keys: usize) -> Self {
        let table = Allocation::new(name, ViolationKind::UseAfterDestroy);
        table.free();
        let bucket = |_| Versioned::new_in(&table, "bucket");
        Self {
            buckets: (0..keys).map(bucket).collect(),
            table,
        }
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.table
    }

    /// `rhltable_init()`.
    #[track_caller]
    pub fn init(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("rhltable_init");
        self.table.renew();
        for bucket in &self.buckets {
            bucket.clear();
        }
    }

    /// `rhltable_destroy()`.
    #[track_caller]
    pub fn destroy(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("rhltable_destroy");
        self.table.free();
    }

    /// `rhltable_insert()`: publishes the entry with release.
    #[track_caller]
    pub fn insert(&self, key: usize, entry: &Arc<T>) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("rhltable_insert").forgets();
        self.buckets[key].change(|chain| chain.insert(0, Arc::clone(entry)));
    }

    /// `rhltable_remove()`: harmless where the entry is not in the table.
    #[track_caller]
    pub fn remove(&self, key: usize, entry: &Arc<T>) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("rhltable_remove").forgets();
        self.buckets[key].change(|chain| chain.retain(|item| !Arc::ptr_eq(item, entry)));
    }

    /// What is in it, without a step: for the end of an execution, when nothing runs.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<T>> {
        self.buckets.iter().flat_map(Versioned::peek).collect()
    }

    /// `rhltable_lookup()`, under RCU: the entries of a key.
    #[must_use]
    #[track_caller]
    pub fn lookup(&self, key: usize) -> Vec<Arc<T>> {
        if mutation::is_skipped() {
            return Vec::new();
        }
        enter("rhltable_lookup").learns(|| self.buckets[key].read())
    }

    /// `rhashtable_walk_next()` until the end, between `rhashtable_walk_start()` and `_stop()`,
    /// under RCU: calls `f` for each entry.
    #[track_caller]
    pub fn walk(&self, mut f: impl FnMut(&Arc<T>)) {
        if mutation::is_skipped() {
            return;
        }
        for bucket in &self.buckets {
            // What the caller does with an entry is the caller's.
            let entries = {
                let _in = enter("rhashtable_walk_next");
                bucket.read()
            };
            for entry in entries {
                f(&entry);
            }
        }
    }
}
