// SPDX-License-Identifier: GPL-2.0-only
//! Atomic words and fences.

use super::{
    alloc::Allocation,
    engine,
    engine::{Action, Condition, ObjectId, ObjectKind, Ordering, Update},
    mutation::{self, Weakening},
};

/// An atomic word. The methods are those of [`std::sync::atomic::AtomicU64`], and waits.
#[derive(Debug)]
pub struct AtomicU64 {
    object: ObjectId,
}

impl AtomicU64 {
    /// A word of static memory.
    #[must_use]
    pub fn new(name: &'static str, value: u64) -> Self {
        Self {
            object: engine(|e| e.create(ObjectKind::Atomic(value), None, name)),
        }
    }

    /// A word that lies in an allocation: each operation on it is a use of that.
    #[must_use]
    pub fn new_in(owner: &Allocation, name: &'static str, value: u64) -> Self {
        Self {
            object: engine(|e| e.create(ObjectKind::Atomic(value), Some(owner.object()), name)),
        }
    }

    /// The engine's index of it.
    #[must_use]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// The word stands for something that is kept beside it: an engine that stores states tells its
    /// values apart by this digest, whatever the word is. Part of the calling thread's last step.
    pub(crate) fn stands_for(&self, digest: u64) {
        engine(|e| e.content(self.object, digest));
    }

    #[track_caller]
    fn perform(&self, action: Action) -> u64 {
        mutation::perform(self.object, action)
    }

    /// Read.
    #[must_use]
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u64 {
        self.perform(Action::Load(order))
    }

    /// Write.
    #[track_caller]
    pub fn store(&self, value: u64, order: Ordering) {
        self.perform(Action::Store(value, order));
    }

    /// Replace; answers the old value.
    #[track_caller]
    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.perform(Action::Update(Update::Swap(value), order, order))
    }

    /// Add; answers the old value.
    #[track_caller]
    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.perform(Action::Update(Update::Add(value), order, order))
    }

    /// Subtract; answers the old value.
    #[track_caller]
    pub fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        self.perform(Action::Update(Update::Sub(value), order, order))
    }

    /// Set bits; answers the old value.
    #[track_caller]
    pub fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.perform(Action::Update(Update::Or(bits), order, order))
    }

    /// Clear bits; answers the old value.
    #[track_caller]
    pub fn fetch_and_not(&self, bits: u64, order: Ordering) -> u64 {
        self.perform(Action::Update(Update::AndNot(bits), order, order))
    }

    /// Replace `old` by `new`.
    ///
    /// # Errors
    ///
    /// The value that was found where it is not `old`.
    #[track_caller]
    pub fn compare_exchange(
        &self,
        old: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.update(Update::CompareExchange { old, new }, success, failure)
    }

    /// One conditional read-modify-write, which is not a loop. Answers the old value.
    ///
    /// # Errors
    ///
    /// The value that was found where the condition of `update` fails.
    #[track_caller]
    pub fn update(&self, update: Update, success: Ordering, failure: Ordering) -> Result<u64, u64> {
        if mutation::is(Weakening::Always) {
            let always = mutation::unconditional(update);
            return Ok(self.perform(Action::Update(always, success, failure)));
        }
        let found = self.perform(Action::Update(update, success, failure));
        match update.apply(found) {
            Some(_) => Ok(found),
            None => Err(found),
        }
    }

    /// Wait until the condition holds; answers the value that ended the wait.
    #[track_caller]
    pub fn wait_until(&self, condition: Condition, order: Ordering) -> u64 {
        self.perform(Action::Await(condition, order))
    }

    /// Wait until the condition holds and update the word in the same step; answers the old value.
    #[track_caller]
    pub fn wait_and_update(&self, condition: Condition, update: Update, order: Ordering) -> u64 {
        self.perform(Action::AwaitUpdate(condition, update, order))
    }
}

/// A memory fence.
#[track_caller]
pub fn fence(order: Ordering) {
    mutation::perform(engine(|e| e.current_object()), Action::Fence(order));
}
