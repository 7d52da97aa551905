// SPDX-License-Identifier: GPL-2.0-only
//! Atomic words and fences, with the names and methods of [`std::sync::atomic`].
//!
//! There is no `AtomicPtr`: where an address comes from is no matter of the program alone, and
//! would make one execution differ from the same one run again. An index says the same.

use super::place;
use crate::sync::{
    self,
    engine::{Condition, Update},
};
pub use std::sync::atomic::Ordering;

/// A memory fence.
#[track_caller]
pub fn fence(order: Ordering) {
    place::step((), || sync::fence(order));
}

macro_rules! integer {
    ($name:ident, $int:ty, $unsigned:ty) => {
        #[doc = concat!("[`std::sync::atomic::", stringify!($name), "`], checked.")]
        #[derive(Debug)]
        pub struct $name(sync::atomic::AtomicU64);

        impl $name {
            /// A word with its first value, which every thread that can reach it knows.
            #[must_use]
            #[track_caller]
            pub fn new(value: $int) -> Self {
                let name = place::name(stringify!($name));
                Self(sync::atomic::AtomicU64::new(name, Self::word(value)))
            }

            fn word(value: $int) -> u64 {
                value as $unsigned as u64
            }

            fn value(word: u64) -> $int {
                word as $int
            }

            #[track_caller]
            fn update(&self, update: Update, order: Ordering) -> $int {
                let failed = match order {
                    Ordering::Release => Ordering::Relaxed,
                    Ordering::AcqRel => Ordering::Acquire,
                    order => order,
                };
                place::step(0, || {
                    let (Ok(old) | Err(old)) = self.0.update(update, order, failed);
                    Self::value(old)
                })
            }

            fn add(value: $int) -> Update {
                match <$unsigned>::BITS {
                    64 => Update::Add(Self::word(value)),
                    _ => Update::AddWithin {
                        add: Self::word(value),
                        mask: <$unsigned>::MAX as u64,
                    },
                }
            }

            /// Read.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $int {
                place::step(0, || Self::value(self.0.load(order)))
            }

            /// Write.
            #[track_caller]
            pub fn store(&self, value: $int, order: Ordering) {
                place::step((), || self.0.store(Self::word(value), order));
            }

            /// Replace; answers the old value.
            #[track_caller]
            pub fn swap(&self, value: $int, order: Ordering) -> $int {
                self.update(Update::Swap(Self::word(value)), order)
            }

            /// Add, wrapping around; answers the old value.
            #[track_caller]
            pub fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                self.update(Self::add(value), order)
            }

            /// Subtract, wrapping around; answers the old value.
            #[track_caller]
            pub fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                self.update(Self::add(value.wrapping_neg()), order)
            }

            /// Set bits; answers the old value.
            #[track_caller]
            pub fn fetch_or(&self, bits: $int, order: Ordering) -> $int {
                self.update(Update::Or(Self::word(bits)), order)
            }

            /// Keep these bits and clear the others; answers the old value.
            #[track_caller]
            pub fn fetch_and(&self, bits: $int, order: Ordering) -> $int {
                self.update(Update::AndNot(Self::word(!bits)), order)
            }

            /// Flip bits; answers the old value.
            #[track_caller]
            pub fn fetch_xor(&self, bits: $int, order: Ordering) -> $int {
                self.update(Update::Xor(Self::word(bits)), order)
            }

            /// Replace `current` by `new`; answers the old value.
            ///
            /// # Errors
            ///
            /// The value that was found where it is not `current`.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                let (old, new) = (Self::word(current), Self::word(new));
                place::step(Err(0), || {
                    let result = self.0.compare_exchange(old, new, success, failure);
                    result.map(Self::value).map_err(Self::value)
                })
            }

            /// [`Self::compare_exchange`], which never fails without a reason here.
            ///
            /// # Errors
            ///
            /// The value that was found where it is not `current`.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.compare_exchange(current, new, success, failure)
            }

            /// A loop of [`Self::compare_exchange`], as in the standard library.
            ///
            /// # Errors
            ///
            /// The value that was found where `f` answers `None` for it.
            #[track_caller]
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut f: impl FnMut($int) -> Option<$int>,
            ) -> Result<$int, $int> {
                let mut old = self.load(failure);
                while let Some(new) = f(old) {
                    match self.compare_exchange(old, new, success, failure) {
                        Ok(old) => return Ok(old),
                        Err(found) => old = found,
                    }
                }
                Err(old)
            }

            /// Wait until the word is `value`, and read it. What a loop of loads would do for
            /// ever, as one operation that blocks.
            #[track_caller]
            pub fn wait_until(&self, value: $int, order: Ordering) {
                let condition = Condition::Equal(Self::word(value));
                place::step((), || {
                    self.0.wait_until(condition, order);
                });
            }

            /// Wait until the word is no longer `value`; answers what it is then.
            #[track_caller]
            pub fn wait_while(&self, value: $int, order: Ordering) -> $int {
                let condition = Condition::NotEqual(Self::word(value));
                place::step(0, || Self::value(self.0.wait_until(condition, order)))
            }
        }
    };
}

integer!(AtomicUsize, usize, u64);
integer!(AtomicIsize, isize, u64);
integer!(AtomicU64, u64, u64);
integer!(AtomicU32, u32, u32);
integer!(AtomicU16, u16, u16);
integer!(AtomicU8, u8, u8);
integer!(AtomicI64, i64, u64);
integer!(AtomicI32, i32, u32);
integer!(AtomicI16, i16, u16);
integer!(AtomicI8, i8, u8);

/// [`std::sync::atomic::AtomicBool`], checked.
#[derive(Debug)]
pub struct AtomicBool(sync::atomic::AtomicU64);

impl AtomicBool {
    /// A flag with its first value, which every thread that can reach it knows.
    #[must_use]
    #[track_caller]
    pub fn new(value: bool) -> Self {
        let name = place::name("AtomicBool");
        Self(sync::atomic::AtomicU64::new(name, u64::from(value)))
    }

    /// Read.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> bool {
        place::step(false, || self.0.load(order) == 1)
    }

    /// Write.
    #[track_caller]
    pub fn store(&self, value: bool, order: Ordering) {
        place::step((), || self.0.store(u64::from(value), order));
    }

    /// Replace; answers the old value.
    #[track_caller]
    pub fn swap(&self, value: bool, order: Ordering) -> bool {
        place::step(false, || self.0.swap(u64::from(value), order) == 1)
    }

    /// Replace `current` by `new`; answers the old value.
    ///
    /// # Errors
    ///
    /// The value that was found where it is not `current`.
    #[track_caller]
    pub fn compare_exchange(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        let (old, new) = (u64::from(current), u64::from(new));
        place::step(Err(false), || {
            let result = self.0.compare_exchange(old, new, success, failure);
            result.map(|old| old == 1).map_err(|found| found == 1)
        })
    }

    /// [`Self::compare_exchange`], which never fails without a reason here.
    ///
    /// # Errors
    ///
    /// The value that was found where it is not `current`.
    #[track_caller]
    pub fn compare_exchange_weak(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        self.compare_exchange(current, new, success, failure)
    }

    /// Wait until the flag is `value`: what a loop of loads would do for ever, as one operation
    /// that blocks.
    #[track_caller]
    pub fn wait_until(&self, value: bool, order: Ordering) {
        place::step((), || {
            self.0.wait_until(Condition::Equal(u64::from(value)), order);
        });
    }
}
