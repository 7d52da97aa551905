// SPDX-License-Identifier: GPL-2.0-only
//! The micro-model on shuttle's primitives, for shuttle's depth-first scheduler.

#[path = "model.rs"]
mod model;

pub(crate) use model::run;

mod primitives {
    use super::model::Actor;
    use shuttle::{
        sync::{
            Condvar, Mutex, MutexGuard,
            atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        },
        thread,
    };

    /// For explorers that store states, which these are not.
    pub(crate) fn learns<R>(f: impl FnOnce() -> R) -> R {
        f()
    }

    pub(crate) struct Word(AtomicU64);

    impl Word {
        pub(crate) fn new(value: u64) -> Self {
            Self(AtomicU64::new(value))
        }

        pub(crate) fn load(&self) -> u64 {
            self.0.load(SeqCst)
        }

        pub(crate) fn fetch_sub(&self, value: u64) -> u64 {
            self.0.fetch_sub(value, SeqCst)
        }

        pub(crate) fn fetch_or(&self, bits: u64) -> u64 {
            self.0.fetch_or(bits, SeqCst)
        }

        pub(crate) fn fetch_and_not(&self, bits: u64) -> u64 {
            self.0.fetch_and(!bits, SeqCst)
        }

        pub(crate) fn compare_exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
            self.0.compare_exchange(old, new, SeqCst, SeqCst)
        }
    }

    pub(crate) struct List(Mutex<Vec<usize>>);

    impl List {
        pub(crate) fn new(entries: Vec<usize>) -> Self {
            Self(Mutex::new(entries))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
            self.0.lock().expect("nobody panics while holding it")
        }
    }

    pub(crate) struct Memory(AtomicBool);

    impl Memory {
        pub(crate) fn new() -> Self {
            Self(AtomicBool::new(false))
        }

        pub(crate) fn touch(&self) {
            assert!(!self.0.load(SeqCst), "used after the free");
        }

        pub(crate) fn free(&self) {
            self.0.store(true, SeqCst);
        }
    }

    pub(crate) struct Completion {
        done: Mutex<bool>,
        wake: Condvar,
    }

    impl Completion {
        pub(crate) fn new() -> Self {
            Self {
                done: Mutex::new(false),
                wake: Condvar::new(),
            }
        }

        pub(crate) fn complete(&self) {
            *self.done.lock().expect("nobody panics while holding it") = true;
            self.wake.notify_one();
        }

        pub(crate) fn wait(&self) {
            let mut done = self.done.lock().expect("nobody panics while holding it");
            while !*done {
                done = self
                    .wake
                    .wait(done)
                    .expect("nobody panics while holding it");
            }
        }
    }

    pub(crate) fn run_actors(actors: Vec<Actor>, first_thread: impl FnOnce()) {
        let threads: Vec<_> = actors.into_iter().map(thread::spawn).collect();
        first_thread();
        for thread in threads {
            thread.join().expect("no actor panics");
        }
    }
}
