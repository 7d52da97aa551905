// SPDX-License-Identifier: GPL-2.0-only

use super::{
    alloc::Allocation,
    digest, engine,
    engine::{Action, ObjectId, ObjectKind},
    mutation::{self, Weakening},
    stores_states,
    violation::{Violation, ViolationKind},
};
use std::{
    hash::Hash,
    ops::{Deref, DerefMut},
};

/// A lock and what it protects. Taking it acquires, giving it back releases.
#[derive(Debug)]
pub struct Mutex<T> {
    object: ObjectId,
    value: parking_lot::Mutex<T>,
    /// Where a lock is skipped in this run: what the lock protects, if that is in it. Who holds the
    /// lock writes it.
    protected: Option<ObjectId>,
    digest: fn(&T) -> u64,
}

impl<T: Hash> Mutex<T> {
    /// A lock in static memory.
    #[must_use]
    pub fn new(name: &'static str, value: T) -> Self {
        Self::create(None, name, value)
    }

    /// A lock that lies in an allocation.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str, value: T) -> Self {
        Self::create(Some(owner.object()), name, value)
    }

    fn create(owner: Option<ObjectId>, name: &'static str, value: T) -> Self {
        let protected = (size_of::<T>() > 0 && mutation::weakens()).then(|| {
            let kind = ViolationKind::ListCorruption;
            engine(|e| e.create(ObjectKind::Plain(kind), owner, name))
        });
        let object = engine(|e| {
            let object = e.create(ObjectKind::Lock, owner, name);
            if stores_states() {
                e.content(object, digest(&value));
            }
            object
        });
        Self {
            object,
            value: parking_lot::Mutex::new(value),
            protected,
            digest: digest::<T>,
        }
    }
}

impl<T> Mutex<T> {
    /// A lock in static memory that protects what has no digest: for programs that no engine is to
    /// tell the states of apart.
    #[must_use]
    pub(crate) fn opaque(name: &'static str, value: T) -> Self {
        Self {
            object: engine(|e| {
                assert!(!stores_states(), "{name} has no digest");
                e.create(ObjectKind::Lock, None, name)
            }),
            value: parking_lot::Mutex::new(value),
            protected: None,
            digest: |_| 0,
        }
    }

    /// The engine's index of it.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Take it, waiting while another thread holds it.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if mutation::is_skipped() {
            return self.skipped();
        }
        mutation::perform(self.object, Action::Lock);
        self.guard()
    }

    /// Take it if nobody holds it.
    #[must_use]
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if mutation::is_skipped() {
            return Some(self.skipped());
        }
        if mutation::is(Weakening::Never) {
            return None;
        }
        let taken = mutation::perform(self.object, Action::TryLock) == 1;
        taken.then(|| self.guard())
    }

    /// Look at what it protects without a step: for the end of an execution, when nothing runs.
    pub fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.value.lock())
    }

    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            object: Some(self.object),
            value: Some(self.enter()),
            digest: self.digest,
        }
    }

    /// Not taken. What it protects is used all the same, where that is in it.
    fn skipped(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            object: None,
            value: (size_of::<T>() > 0).then(|| self.enter()),
            digest: self.digest,
        }
    }

    fn enter(&self) -> parking_lot::MutexGuard<'_, T> {
        let Some(protected) = self.protected else {
            return self.value.lock();
        };
        mutation::perform(protected, Action::Write);
        let value = self.value.try_lock();
        value.unwrap_or_else(|| {
            // Ordered, but at the same time.
            super::report(Violation::on(
                ViolationKind::ListCorruption,
                protected,
                "two contexts are inside what one lock protects",
            ));
            unreachable!("list corruption is fatal")
        })
    }
}

/// Holds a [`Mutex`] until dropped.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    /// `None` where the lock was skipped.
    object: Option<ObjectId>,
    value: Option<parking_lot::MutexGuard<'a, T>>,
    digest: fn(&T) -> u64,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_deref().expect("held until dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_deref_mut().expect("held until dropped")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        let value = self.value.take();
        let content = value.filter(|_| stores_states()).map(|v| (self.digest)(&v));
        // The unlock below is where the next holder may run: the value has been given back here.
        if let Some(object) = self.object
            && !super::is_over()
        {
            if let Some(content) = content {
                engine(|e| e.content(object, content));
            }
            mutation::perform(object, Action::Unlock);
        }
    }
}
