// SPDX-License-Identifier: GPL-2.0-only
//! Completions. C header: `include/linux/completion.h`; code: `kernel/sched/completion.c`.
//!
//! The counter under its wait queue lock is one word here: `complete()` releases, the wait
//! acquires, and neither can be seen half done, as under the lock. The object may be given away by
//! whoever has waited: the waker touches nothing after its one step.

use super::Kernel;
use crate::sync::{
    self,
    alloc::Allocation,
    atomic::AtomicU64,
    engine::{Condition, Ordering, Update},
    enter, mutation,
    violation::{Violation, ViolationKind},
};

/// `complete()` calls that no wait has taken yet.
const DONE: u64 = 0xffff_ffff;
/// One `complete()` since the last initialisation.
const COMPLETED: u64 = 1 << 32;

/// `struct completion`, which nfsd completes once for each initialisation.
#[derive(Debug)]
pub struct Completion {
    word: AtomicU64,
}

impl Completion {
    /// `init_completion()` of an object that nobody else can see yet.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str) -> Self {
        Self {
            word: AtomicU64::new_in(owner, name, 0),
        }
    }

    /// `init_completion()`.
    #[track_caller]
    pub fn init(&self) {
        self.word.store(0, Ordering::Relaxed);
    }

    /// `complete()`.
    #[track_caller]
    pub fn complete(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("complete");
        let old = self.word.fetch_add(COMPLETED + 1, Ordering::Release);
        if old & !DONE != 0 {
            sync::report(Violation::on(
                ViolationKind::RefAfterExit,
                self.word.object(),
                "completed a second time",
            ));
        }
    }

    /// `wait_for_completion()`: uninterruptible.
    #[track_caller]
    pub fn wait(&self, kernel: &Kernel) {
        let _in = enter("wait_for_completion");
        if mutation::is_skipped() {
            return;
        }
        kernel.might_sleep("wait_for_completion()");
        kernel.end_running();
        self.word
            .wait_and_update(Condition::AnySet(DONE), Update::Sub(1), Ordering::Acquire);
        kernel.begin_running();
    }
}
