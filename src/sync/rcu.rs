// SPDX-License-Identifier: GPL-2.0-only
//! Read-side critical sections and grace periods.
//!
//! A grace period that begins now ends when every section that has begun by now has ended. The
//! beginning of a section belongs to the thread's next step and its end to the last one: the
//! beginning has no effect but to hold grace periods up, so a section that begins later can do all
//! that one that begins earlier can, and more; the same goes for its end.

use super::{
    engine,
    engine::{Action, ObjectId, ObjectKind},
};

/// One flavour of RCU, or one `srcu_struct`.
#[derive(Debug)]
pub struct Domain {
    object: ObjectId,
}

/// A grace period that has begun.
#[derive(Debug)]
#[must_use = "a grace period that nobody waits for protects nothing"]
pub struct GracePeriod {
    domain: ObjectId,
    number: u64,
}

impl Domain {
    /// A domain without readers.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            object: engine(|e| e.create(ObjectKind::Domain, None, name)),
        }
    }

    /// Begin a section. They nest.
    pub fn read_lock(&self) {
        engine(|e| e.read_lock(self.object));
    }

    /// End the section that was begun last.
    pub fn read_unlock(&self) {
        engine(|e| e.read_unlock(self.object));
    }

    /// How many grace periods have begun.
    #[must_use]
    pub fn begun(&self) -> u64 {
        engine(|e| e.perform(self.object, Action::GracePeriodCount))
    }

    /// Begin a grace period.
    pub fn begin(&self) -> GracePeriod {
        GracePeriod {
            domain: self.object,
            number: engine(|e| e.perform(self.object, Action::GracePeriodBegin)),
        }
    }
}

impl GracePeriod {
    /// Its number: how many had begun before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Wait for its end.
    pub fn end(self) {
        engine(|e| e.perform(self.domain, Action::GracePeriodEnd(self.number)));
    }
}
