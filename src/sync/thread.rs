// SPDX-License-Identifier: GPL-2.0-only
//! Threads.

use super::{
    atomic::AtomicU64,
    digest, engine,
    engine::{Action, Condition, Ordering, Phase, ThreadId},
    stores_states,
};
use std::{
    hash::Hash,
    sync::{Arc, Mutex},
};

/// A thread that can be waited for.
#[derive(Debug)]
pub struct JoinHandle<T> {
    finished: Arc<AtomicU64>,
    result: Arc<Mutex<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// Wait until the thread has finished; what it returned.
    ///
    /// # Panics
    ///
    /// Never: a thread that does not return ends the execution.
    #[must_use = "the result of the thread"]
    pub fn join(self) -> T {
        self.finished
            .wait_until(Condition::Equal(1), Ordering::Acquire);
        let mut result = self
            .result
            .lock()
            .expect("no thread panics while it holds this");
        result.take().expect("a finished thread left its result")
    }
}

/// A new thread that can be waited for.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    if stores_states() {
        engine(|e| e.give_up("what a thread returns is no part of the states that are stored"));
    }
    let finished = Arc::new(AtomicU64::new("finished", 0));
    let result = Arc::new(Mutex::new(None));
    let handle = JoinHandle {
        finished: Arc::clone(&finished),
        result: Arc::clone(&result),
    };
    spawn_detached(name, move || {
        let value = body();
        *result.lock().expect("no thread panics while it holds this") = Some(value);
        finished.store(1, Ordering::Release);
    });
    handle
}

/// A new thread that nobody waits for, but [`settle`].
pub fn spawn_detached(name: &str, body: impl FnOnce() + Send + 'static) -> ThreadId {
    engine(|e| e.spawn(name, false, Box::new(body)))
}

/// All that the next thread which the calling one begins knows is its name and `what`: see
/// [`super::learns`].
pub fn next_knows<T: Hash + ?Sized>(what: &T) {
    if stores_states() {
        engine(|e| e.about(digest(what)));
    }
}

/// A new thread that may wait forever: a timer that need not fire. [`settle`] does not wait for it
/// while it waits, and ends it then.
pub fn spawn_daemon(name: &str, body: impl FnOnce() + Send + 'static) -> ThreadId {
    engine(|e| e.spawn(name, true, Box::new(body)))
}

/// The calling thread.
#[must_use]
pub fn current() -> ThreadId {
    engine(|e| e.current())
}

/// Wait until every other thread has finished. Daemons that wait are ended.
pub fn settle() {
    engine(|e| e.perform(e.current_object(), Action::Settle));
}

/// From now on threads run like this.
pub fn set_phase(phase: Phase) {
    engine(|e| e.set_phase(phase));
}
