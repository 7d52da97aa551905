// SPDX-License-Identifier: GPL-2.0-only
//! Read-side critical sections and grace periods.
//!
//! A grace period that begins now ends when every section that has begun by now has ended.
//!
//! The beginning of a section is a step of its own. It has no effect but to hold grace periods up,
//! but that cannot be put off until the next step: a thread that waits in its section for what
//! only follows the grace period is a deadlock, and is none where the section begins later. The
//! end belongs to the thread's last step: nothing can keep a thread from ending a section, so
//! whatever can be done before it can be done after it.

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

    /// Begin a grace period.
    pub fn begin(&self) -> GracePeriod {
        GracePeriod {
            domain: self.object,
            number: engine(|e| e.perform(self.object, Action::GracePeriodBegin)),
        }
    }
}

impl GracePeriod {
    /// Wait for its end.
    pub fn end(self) {
        engine(|e| e.perform(self.domain, Action::GracePeriodEnd(self.number)));
    }
}
