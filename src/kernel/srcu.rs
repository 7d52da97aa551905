// SPDX-License-Identifier: GPL-2.0-only
//! Sleepable RCU. C header: `include/linux/srcu.h`.
//!
//! A domain of readers of its own, which may sleep.

use super::Kernel;
use crate::sync::{enter, mutation, rcu::Domain};

/// `struct srcu_struct`.
#[derive(Debug)]
pub struct Srcu {
    pub(super) domain: Domain,
}

/// A read-side critical section, until dropped.
#[derive(Debug)]
#[must_use = "the section ends when this is dropped"]
pub struct SrcuReadGuard<'a>(Option<&'a Domain>);

impl Drop for SrcuReadGuard<'_> {
    fn drop(&mut self) {
        if let Some(domain) = self.0 {
            domain.read_unlock();
        }
    }
}

impl Srcu {
    /// `init_srcu_struct()`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            domain: Domain::sleepable(name),
        }
    }

    /// `srcu_read_lock()`.
    #[track_caller]
    pub fn read_lock(&self) -> SrcuReadGuard<'_> {
        if mutation::is_skipped() {
            return SrcuReadGuard(None);
        }
        self.domain.read_lock();
        SrcuReadGuard(Some(&self.domain))
    }

    /// `synchronize_srcu()`: waits for all sections of this domain that have begun.
    #[track_caller]
    pub fn synchronize(&self, kernel: &Kernel) {
        let _in = enter("synchronize_srcu");
        kernel.might_sleep("synchronize_srcu()");
        kernel.end_running();
        self.domain.begin().end();
        kernel.begin_running();
    }
}
