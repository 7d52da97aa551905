// SPDX-License-Identifier: GPL-2.0-only
//! Threads, with the names of [`std::thread`].

use super::{in_thread, place};
use crate::sync::{self, engine::Phase};
use std::io;

/// A thread that can be waited for.
#[derive(Debug)]
pub struct JoinHandle<T>(sync::thread::JoinHandle<T>);

impl<T> JoinHandle<T> {
    /// Wait until the thread has finished.
    ///
    /// # Errors
    ///
    /// Never: a thread that panics ends the execution.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        if std::thread::panicking() {
            return Err(Box::new("the execution is over"));
        }
        Ok(place::step(None, || Some(self.0.join())).expect("no panic is under way"))
    }
}

/// A new thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    begin("thread", f)
}

fn begin<T: Send + 'static>(name: &str, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    // What the first thread did on its own needs no exploring.
    sync::thread::set_phase(Phase::Concurrent);
    JoinHandle(sync::thread::spawn(name, move || in_thread(f)))
}

/// Begins a thread that has a name.
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<String>,
}

impl Builder {
    /// Of a thread without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the interleaving calls it.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self { name: Some(name) }
    }

    /// A new thread.
    ///
    /// # Errors
    ///
    /// Never: where there are too many, the exploration ends as undecided.
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Ok(begin(self.name.as_deref().unwrap_or("thread"), f))
    }
}

/// Nothing: every thread is tried at every point as it is. It does not make a loop that waits
/// finite; waiting for a value is [`wait_until`] and [`wait_while`].
///
/// [`wait_until`]: super::sync::atomic::AtomicUsize::wait_until
/// [`wait_while`]: super::sync::atomic::AtomicUsize::wait_while
pub fn yield_now() {}
