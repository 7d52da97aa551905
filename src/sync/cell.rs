// SPDX-License-Identifier: GPL-2.0-only
//! Plain memory: no ordering, and a race is a violation.

use super::{
    alloc::Allocation,
    digest, engine,
    engine::{Action, ObjectId, ObjectKind},
    learning, mutation, stores_states,
    violation::ViolationKind,
};
use std::hash::Hash;

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
    digest: fn(&T) -> u64,
}

impl<T: Hash> Cell<T> {
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
        let cell = Self {
            object: engine(|e| e.create(ObjectKind::Plain(race), owner, name)),
            value: parking_lot::Mutex::new(value),
            mark: None,
            digest: digest::<T>,
        };
        cell.publish(&cell.value.lock());
        cell
    }
}

impl<T> Cell<T> {
    /// Let marked reads of it find `mark` of its value.
    #[must_use]
    pub fn marked_by(mut self, mark: fn(&T) -> u64) -> Self {
        self.mark = Some(mark);
        self.publish(&self.value.lock());
        self
    }

    /// The engine that wants to know is told what the variable holds now.
    fn publish(&self, value: &T) {
        engine(|e| {
            if let Some(mark) = self.mark
                && e.keeps_marks()
            {
                e.mark(self.object, mark(value));
            }
            if stores_states() {
                e.content(self.object, (self.digest)(value));
            }
        });
    }

    /// The engine's index of it.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Read, as one step.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        mutation::perform_with(self.object, Action::Read, |_| f(&self.value.lock()))
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
        let learning = learning();
        let found = mutation::perform_with(self.object, Action::ReadMarked, |found| {
            match engine(|e| e.keeps_marks()) {
                true => found,
                false => mark(&self.value.lock()),
            }
        });
        learning.nothing_but(found)
    }

    /// Read all of it, as one step, in a way that may race with a change. Where the engine keeps
    /// marks, `f` is told the mark of the value that was found, which need not be the value of now.
    ///
    /// # Panics
    ///
    /// Where it is not marked by anything.
    #[track_caller]
    pub fn with_marked<R>(&self, f: impl FnOnce(&T, Option<u64>) -> R) -> R {
        assert!(
            self.mark.is_some(),
            "only a marked variable is read like that"
        );
        mutation::perform_with(self.object, Action::ReadMarked, |found| {
            let found = engine(|e| e.keeps_marks()).then_some(found);
            f(&self.value.lock(), found)
        })
    }

    /// Change, as one step.
    #[track_caller]
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        mutation::perform_with(self.object, Action::Write, |_| {
            let mut value = self.value.lock();
            let result = f(&mut value);
            self.publish(&value);
            result
        })
    }

    /// Look at it without a step: for the checks a model makes within a step that is ordered with
    /// all changes by other means.
    pub fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.value.lock())
    }
}

impl<T: Default> Cell<T> {
    /// Drop the value without a step: when nothing runs any more, and it may lead back to whoever
    /// owns the variable.
    pub fn forget(&self) {
        let value = std::mem::take(&mut *self.value.lock());
        // Not with the lock held: what is dropped may be anything.
        drop(value);
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
