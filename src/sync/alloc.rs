// SPDX-License-Identifier: GPL-2.0-only
//! Memory with a lifetime.
//!
//! The memory of the model's objects is Rust's and is never touched after it is gone. What the
//! model checks is the lifetime that the *kernel's* object would have: it ends with
//! [`Allocation::free`], and each use of it is a step that the free depends on.

use super::{
    engine,
    engine::{Action, ObjectId, ObjectKind, Step},
    mutation,
    violation::ViolationKind,
};

/// The lifetime of one object. Its [`Hash`] is that of the object it is.
#[derive(Debug, Hash)]
pub struct Allocation {
    object: ObjectId,
}

impl Allocation {
    /// An object begins to live. A use after its end is a violation of the kind `after`:
    /// [`ViolationKind::UseAfterFree`] or [`ViolationKind::UseAfterDestroy`].
    #[must_use]
    pub fn new(name: &'static str, after: ViolationKind) -> Self {
        Self {
            object: engine(|e| e.create(ObjectKind::Allocation(after), None, name)),
        }
    }

    /// The engine's index of it.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Use it, as a step of its own.
    #[track_caller]
    pub fn access(&self) {
        mutation::perform(self.object, Action::Touch);
    }

    /// Use it as part of the calling thread's last or next step.
    pub fn touch(&self, step: Step) {
        engine(|e| e.touch(self.object, step));
    }

    /// End its life.
    #[track_caller]
    pub fn free(&self) {
        if mutation::is_skipped() {
            return;
        }
        mutation::perform(self.object, Action::Free);
    }

    /// Let it live again: a static object that is initialised anew.
    #[track_caller]
    pub fn renew(&self) {
        if mutation::is_skipped() {
            return;
        }
        mutation::perform(self.object, Action::Renew);
    }

    /// Whether its life has ended. Not a use.
    #[must_use]
    pub fn is_freed(&self) -> bool {
        engine(|e| e.is_freed(self.object))
    }

    /// What it is called in this run.
    #[must_use]
    pub fn name(&self) -> String {
        engine(|e| e.object_name(self.object))
    }
}
