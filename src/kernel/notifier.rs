// SPDX-License-Identifier: GPL-2.0-only
//! The lease notifier chain. C header: `include/linux/filelock.h`, `include/linux/notifier.h`;
//! code: `fs/locks.c`, `kernel/notifier.c`.
//!
//! An SRCU notifier chain with nfsd's block as its only one.

use super::{Kernel, srcu::Srcu};
use crate::sync::{atomic::AtomicU64, engine::Ordering, enter, mutation};

/// `lease_notifier_chain`.
#[derive(Debug)]
pub struct LeaseNotifierChain {
    srcu: Srcu,
    /// The head of the chain: 1 while nfsd's block is on it.
    head: AtomicU64,
}

impl Default for LeaseNotifierChain {
    fn default() -> Self {
        Self {
            srcu: Srcu::new("lease_notifier_chain.srcu"),
            head: AtomicU64::new("lease_notifier_chain.head", 0),
        }
    }
}

impl LeaseNotifierChain {
    /// `lease_register_notifier()`.
    #[track_caller]
    pub fn register(&self) {
        let _in = enter("lease_register_notifier");
        self.head.store(1, Ordering::Release);
    }

    /// `lease_unregister_notifier()`: afterwards no callback runs and none begins.
    #[track_caller]
    pub fn unregister(&self, kernel: &Kernel) {
        if !mutation::is_skipped() {
            self.do_unregister(kernel);
        }
    }

    fn do_unregister(&self, kernel: &Kernel) {
        let _in = enter("lease_unregister_notifier");
        self.head.store(0, Ordering::Relaxed);
        self.srcu.synchronize(kernel);
    }

    /// `srcu_notifier_call_chain()`.
    #[track_caller]
    pub fn call(&self, callback: impl FnOnce()) {
        if !mutation::is_skipped() {
            self.do_call(callback);
        }
    }

    fn do_call(&self, callback: impl FnOnce()) {
        let _in = enter("srcu_notifier_call_chain");
        let _srcu = self.srcu.read_lock();
        if self.head.load(Ordering::Acquire) != 0 {
            callback();
        }
    }
}
