// SPDX-License-Identifier: GPL-2.0-only
//! A lock, with the names of [`std::sync::Mutex`].

use super::place;
use crate::sync;
use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{LockResult, TryLockError, TryLockResult},
    thread,
};

/// [`std::sync::Mutex`], checked. It is never poisoned: a panic ends the execution.
#[derive(Debug)]
pub struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A lock and what it protects.
    #[must_use]
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self(sync::Mutex::opaque(place::name("Mutex"), value))
    }

    /// Take it, waiting while another thread holds it.
    ///
    /// # Errors
    ///
    /// Never.
    ///
    /// # Panics
    ///
    /// Where a destructor takes it because of a panic.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = place::step(None, || Some(self.0.lock()));
        Ok(MutexGuard {
            mutex: self,
            guard: Some(guard.expect("no destructor takes a lock because of a panic")),
        })
    }

    /// Take it if nobody holds it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] where somebody does.
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match place::step(None, || self.0.try_lock()) {
            None => Err(TryLockError::WouldBlock),
            guard => Ok(MutexGuard { mutex: self, guard }),
        }
    }
}

/// Holds a [`Mutex`] until dropped.
#[derive(Debug)]
pub struct MutexGuard<'a, T> {
    pub(super) mutex: &'a Mutex<T>,
    guard: Option<sync::MutexGuard<'a, T>>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_deref().expect("held until dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_deref_mut().expect("held until dropped")
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        let guard = self.guard.take();
        if thread::panicking() && !sync::is_over() {
            // The execution is over with the panic, and nobody needs the lock any more.
            mem::forget(guard);
        }
    }
}
