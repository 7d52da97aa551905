// SPDX-License-Identifier: GPL-2.0-only
//! Read-side critical sections and grace periods.
//!
//! A grace period that begins now ends when every section that has begun by now has ended.
//!
//! The end of a section belongs to the thread's last step: nothing can keep a thread from ending a
//! section, so whatever can be done before it can be done after it. Its beginning has no effect but
//! to hold grace periods up. Where a section may wait ([`Domain::sleepable`]), that cannot be put
//! off until the next step: a thread that waits in its section for what only follows the grace
//! period is a deadlock, and is none where the section begins later. So the beginning is a step of
//! its own there. Where sections wait for nothing but locks whose holders do not wait either
//! ([`Domain::new`], which is RCU proper), the beginning belongs to the next step.

use super::{
    engine,
    engine::{Action, ObjectId, ObjectKind},
    mutation,
};

/// One flavour of RCU, or one `srcu_struct`.
#[derive(Debug)]
pub struct Domain {
    object: ObjectId,
}

/// The grace periods of a domain that had begun at some point of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Begun(u64);

impl Begun {
    /// Whether the grace period with this number is one of them. To be asked before the calling
    /// thread's next step.
    #[must_use]
    pub fn includes(self, number: u64) -> bool {
        engine(|e| e.grace_period_precedes(number, self.0))
    }
}

/// A grace period that has begun.
#[derive(Debug)]
#[must_use = "a grace period that nobody waits for protects nothing"]
pub struct GracePeriod {
    domain: ObjectId,
    number: u64,
}

impl Domain {
    /// A domain whose sections do not sleep. A section may take a lock, but no holder of that lock
    /// may wait for a grace period or for what comes after one: a deadlock that this would be is
    /// not found.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self::create(name, false)
    }

    /// A domain whose sections may wait for anything.
    #[must_use]
    pub fn sleepable(name: &'static str) -> Self {
        Self::create(name, true)
    }

    fn create(name: &'static str, sections_wait: bool) -> Self {
        let kind = ObjectKind::Domain { sections_wait };
        Self {
            object: engine(|e| e.create(kind, None, name)),
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

    /// The grace periods that have begun.
    #[must_use]
    #[track_caller]
    pub fn begun(&self) -> Begun {
        Begun(mutation::perform(self.object, Action::GracePeriodCount))
    }

    /// Begin a grace period.
    #[track_caller]
    pub fn begin(&self) -> GracePeriod {
        GracePeriod {
            domain: self.object,
            number: mutation::perform(self.object, Action::GracePeriodBegin),
        }
    }
}

impl GracePeriod {
    /// Its number, which no other grace period of the domain has.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Wait for its end.
    #[track_caller]
    pub fn end(self) {
        if !mutation::is_skipped() {
            mutation::perform(self.domain, Action::GracePeriodEnd(self.number));
        }
    }
}
