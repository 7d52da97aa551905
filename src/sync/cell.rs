// SPDX-License-Identifier: GPL-2.0-only
//! Plain memory: no ordering, and a race is a violation.

use super::{
    alloc::Allocation,
    engine,
    engine::{Action, ObjectId, ObjectKind},
    mutation,
    violation::ViolationKind,
};

/// A plain variable. Each access is a step, so that a racy program shows all it can do; two
/// accesses that nothing orders are reported.
#[derive(Debug)]
pub struct Cell<T> {
    object: ObjectId,
    // Never contended: an engine runs the code between two steps of one thread at a time, and
    // on real threads this is what keeps a reported race from being one in Rust.
    value: parking_lot::Mutex<T>,
    /// What a marked read finds.
    mark: Option<fn(&T) -> u64>,
}

impl<T> Cell<T> {
    /// A variable of static memory whose races are of the kind [`ViolationKind::DataRace`].
    #[must_use]
    pub fn new(name: &'static str, value: T) -> Self {
        Self::with_kind(None, name, ViolationKind::DataRace, value)
    }

    /// A variable that lies in an allocation.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str, value: T) -> Self {
        Self::with_kind(Some(owner), name, ViolationKind::DataRace, value)
    }

    /// A variable whose races have a kind of their own.
    #[must_use]
    pub fn with_kind(
        owner: Option<&Allocation>,
        name: &'static str,
        race: ViolationKind,
        value: T,
    ) -> Self {
        let owner = owner.map(Allocation::object);
        Self {
            object: engine(|e| e.create(ObjectKind::Plain(race), owner, name)),
            value: parking_lot::Mutex::new(value),
            mark: None,
        }
    }

    /// Let marked reads of it find `mark` of its value.
    #[must_use]
    pub fn marked_by(mut self, mark: fn(&T) -> u64) -> Self {
        self.mark = Some(mark);
        self.publish_mark(&self.value.lock());
        self
    }

    fn publish_mark(&self, value: &T) {
        if let Some(mark) = self.mark {
            engine(|e| {
                if e.keeps_marks() {
                    e.mark(self.object, mark(value));
                }
            });
        }
    }

    /// The engine's index of it.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Read, as one step.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        mutation::perform(self.object, Action::Read);
        f(&self.value.lock())
    }

    /// Read what it is marked by, as one step, in a way that may race with a change: a `READ_ONCE`,
    /// or a read that is known to be benign.
    ///
    /// # Panics
    ///
    /// Where it is not marked by anything.
    #[track_caller]
    pub fn marked(&self) -> u64 {
        let mark = self.mark.expect("only a marked variable is read like that");
        let found = mutation::perform(self.object, Action::ReadMarked);
        match engine(|e| e.keeps_marks()) {
            true => found,
            false => mark(&self.value.lock()),
        }
    }

    /// Read all of it, as one step, in a way that may race with a change. An engine that keeps marks
    /// gives up: what such a read may find of a value without a mark is not modelled there.
    #[track_caller]
    pub fn with_marked<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        engine(|e| {
            if e.keeps_marks() {
                e.give_up("a list is walked without its lock, which is modelled for sc only");
            }
        });
        mutation::perform(self.object, Action::ReadMarked);
        f(&self.value.lock())
    }

    /// Change, as one step.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        mutation::perform(self.object, Action::Write);
        let mut value = self.value.lock();
        let result = f(&mut value);
        self.publish_mark(&value);
        result
    }

    /// Look at it without a step: for the checks a model makes within a step that is ordered with
    /// all changes by other means.
    pub fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.value.lock())
    }
}

impl<T: Clone> Cell<T> {
    /// A copy of the value.
    #[must_use]
    #[track_caller]
    pub fn get(&self) -> T {
        self.with(T::clone)
    }

    /// Replace the value.
    #[track_caller]
    pub fn set(&self, value: T) {
        if mutation::is_skipped() {
            return;
        }
        self.with_mut(|slot| *slot = value);
    }
}
