// SPDX-License-Identifier: GPL-2.0-only
//! Memory barriers. C headers: `include/asm-generic/barrier.h`, `include/linux/atomic.h`,
//! `include/linux/spinlock.h`.
//!
//! C11 has no fence that orders only stores, or only loads: `smp_wmb()` and `smp_rmb()` order more
//! here than in the kernel. What that hides stands in [`super::memory_model`].

#![allow(non_snake_case, reason = "the kernel's names")]

use crate::sync::{atomic::fence, engine::Ordering};

/// `smp_mb()`: everything before it is ordered before everything after it.
#[track_caller]
pub fn smp_mb() {
    fence(Ordering::SeqCst);
}

/// `smp_wmb()`: stores before it are ordered before stores after it. A release fence: loads before
/// it are ordered before those stores, too, which the kernel does not promise.
#[track_caller]
pub fn smp_wmb() {
    fence(Ordering::Release);
}

/// `smp_rmb()`: loads before it are ordered before loads after it. An acquire fence: those loads are
/// ordered before stores after it, too, which the kernel does not promise.
#[track_caller]
pub fn smp_rmb() {
    fence(Ordering::Acquire);
}

/// `smp_mb__before_atomic()`: `smp_mb()` in front of an atomic operation that orders nothing itself.
#[track_caller]
pub fn smp_mb__before_atomic() {
    smp_mb();
}

/// `smp_mb__after_atomic()`: `smp_mb()` behind an atomic operation that orders nothing itself.
#[track_caller]
pub fn smp_mb__after_atomic() {
    smp_mb();
}

/// `smp_mb__after_spinlock()`: makes taking the lock before it a full barrier.
#[track_caller]
pub fn smp_mb__after_spinlock() {
    smp_mb();
}
