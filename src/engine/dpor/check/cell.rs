// SPDX-License-Identifier: GPL-2.0-only
//! Plain memory, as loom has it: [`UnsafeCell`] with closures that get pointers.

use super::place;
use crate::sync::{
    self,
    engine::{Action, ObjectId, ObjectKind},
    violation::ViolationKind,
};

/// [`std::cell::UnsafeCell`] whose accesses are checked: two that nothing orders, one of them
/// through [`Self::with_mut`], are a data race, which ends the execution. Making it is a write:
/// whoever gets to see it has to see that, too.
#[derive(Debug)]
pub struct UnsafeCell<T> {
    object: ObjectId,
    data: std::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    /// A cell with its first value.
    #[must_use]
    #[track_caller]
    pub fn new(data: T) -> Self {
        let kind = ObjectKind::Plain(ViolationKind::DataRace);
        let name = place::name("UnsafeCell");
        let object = sync::engine(|engine| engine.create(kind, None, name));
        let cell = Self {
            object,
            data: std::cell::UnsafeCell::new(data),
        };
        place::step((), || cell.access(Action::Write));
        cell
    }

    fn access(&self, action: Action) {
        sync::engine(|engine| {
            engine.perform(self.object, action);
            // What a racing access finds may be anything: nobody gets to follow it.
            engine.end_if_violated();
        });
    }

    /// Read. The pointer must not be used after `f` has returned.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        place::step((), || self.access(Action::Read));
        f(self.data.get())
    }

    /// Write. The pointer must not be used after `f` has returned.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        place::step((), || self.access(Action::Write));
        f(self.data.get())
    }

    /// The value, of which nobody else knows any more.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}
