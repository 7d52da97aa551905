// SPDX-License-Identifier: GPL-2.0-only
//! State of the model that is no memory of the kernel's, and that more than one thread can see.
//!
//! To look at it is no step: it belongs to the step that the thread performed last, and something
//! else has to order it with all changes. What stands in a plain Rust variable instead would be
//! invisible to an engine that tells states apart.

use super::{
    digest, engine,
    engine::{ObjectId, ObjectKind},
    stores_states,
};
use std::hash::Hash;

/// A value that is no memory of the kernel's.
#[derive(Debug)]
pub struct Shadow<T> {
    /// Where the engine stores states.
    object: Option<ObjectId>,
    value: parking_lot::Mutex<T>,
    digest: fn(&T) -> u64,
}

impl<T: Hash> Shadow<T> {
    /// A new one.
    #[must_use]
    pub fn new(name: &'static str, value: T) -> Self {
        let object = stores_states().then(|| {
            engine(|e| {
                let object = e.create(ObjectKind::Shadow, None, name);
                e.content(object, digest(&value));
                object
            })
        });
        Self {
            object,
            value: parking_lot::Mutex::new(value),
            digest: digest::<T>,
        }
    }
}

impl<T> Shadow<T> {
    /// Look at it. `f` performs no action.
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        if let Some(object) = self.object {
            engine(|e| e.look(object));
        }
        f(&self.value.lock())
    }

    /// Change it. `f` performs no action.
    pub fn with_mut<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        if let Some(object) = self.object {
            engine(|e| e.look(object));
        }
        let mut value = self.value.lock();
        let result = f(&mut value);
        if let Some(object) = self.object {
            engine(|e| e.content(object, (self.digest)(&value)));
        }
        result
    }
}

impl<T: Default> Shadow<T> {
    /// Drop the value: when nothing runs any more, and it may lead back to whoever owns this.
    pub fn forget(&self) {
        let value = std::mem::take(&mut *self.value.lock());
        // Not with the lock held: what is dropped may be anything.
        drop(value);
    }
}

impl<T: Clone> Shadow<T> {
    /// A copy of it.
    #[must_use]
    pub fn get(&self) -> T {
        self.with(T::clone)
    }
}
