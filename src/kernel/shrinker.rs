// SPDX-License-Identifier: GPL-2.0-only
//! Shrinkers. C header: `include/linux/shrinker.h`; code: `mm/shrinker.c`.

use super::{Kernel, refcount::Refcount};
use crate::sync::{
    alloc::Allocation,
    atomic::AtomicU64,
    engine::{Condition, Ordering, Update},
    enter, mutation,
    shadow::Shadow,
    violation::ViolationKind,
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// `struct shrinker`.
#[derive(Debug)]
struct Shrinker {
    memory: Allocation,
    refcount: Refcount,
    /// Completed when the last reference is dropped.
    done: AtomicU64,
}

impl Hash for Shrinker {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl Shrinker {
    #[track_caller]
    fn put(&self) {
        if self.refcount.dec_and_test() {
            self.done.fetch_add(1, Ordering::Release);
        }
    }
}

/// `shrinker_list`, with nfsd's as its only one.
#[derive(Debug)]
pub struct ShrinkerList {
    /// How many entries the list has had: even while it is empty.
    head: AtomicU64,
    registered: Shadow<Option<Arc<Shrinker>>>,
}

impl Default for ShrinkerList {
    fn default() -> Self {
        Self {
            head: AtomicU64::new("shrinker_list", 0),
            registered: Shadow::new("registered", None),
        }
    }
}

impl ShrinkerList {
    /// `shrinker_alloc()` and `shrinker_register()`.
    #[track_caller]
    pub fn register(&self) {
        if !mutation::is_skipped() {
            self.do_register();
        }
    }

    fn do_register(&self) {
        let _in = enter("shrinker_register");
        let memory = Allocation::new("shrinker", ViolationKind::UseAfterFree);
        let shrinker = Shrinker {
            refcount: Refcount::new_in(&memory, "refcount", 1),
            done: AtomicU64::new_in(&memory, "done", 0),
            memory,
        };
        self.registered
            .with_mut(|registered| *registered = Some(Arc::new(shrinker)));
        self.head.fetch_add(1, Ordering::Release);
    }

    /// `shrinker_free()`: afterwards no scan runs and none begins.
    #[track_caller]
    pub fn free(&self, kernel: &Arc<Kernel>) {
        if !mutation::is_skipped() {
            self.do_free(kernel);
        }
    }

    fn do_free(&self, kernel: &Arc<Kernel>) {
        let _in = enter("shrinker_free");
        // shrinker_free(NULL) returns.
        let Some(shrinker) = self.registered.get() else {
            return;
        };
        shrinker.put();
        kernel.sleeping("wait_for_completion()", || {
            shrinker
                .done
                .wait_and_update(Condition::NotEqual(0), Update::Sub(1), Ordering::Acquire)
        });
        self.head.fetch_add(1, Ordering::Relaxed);
        let freed = Arc::clone(&shrinker);
        kernel.call_rcu(&shrinker.memory, move || {
            let _in = enter("shrinker_free_rcu_cb");
            freed.memory.free();
        });
    }

    /// `shrink_slab()`: calls `scan` with a reference held, if the shrinker is on the list and not
    /// being freed. `scan` must not sleep: it may be called from anywhere that allocates memory.
    #[track_caller]
    pub fn shrink(&self, kernel: &Kernel, scan: impl FnOnce()) {
        if !mutation::is_skipped() {
            self.do_shrink(kernel, scan);
        }
    }

    fn do_shrink(&self, kernel: &Kernel, scan: impl FnOnce()) {
        let _in = enter("shrink_slab");
        let shrinker = {
            let _rcu = kernel.rcu_read_lock();
            if self.head.load(Ordering::Acquire).is_multiple_of(2) {
                return;
            }
            let shrinker = self.registered.get().expect("the list has an entry");
            if !shrinker.refcount.inc_not_zero() {
                return;
            }
            shrinker
        };
        scan();
        shrinker.put();
    }
}
