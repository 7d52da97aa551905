// SPDX-License-Identifier: GPL-2.0-only
//! The micro-model on `nfsd_check::sync`, for every engine of this crate.

#[path = "model.rs"]
mod model;

use super::{PutOrder, Size};
use nfsd_check::engine::Program;
use std::sync::Arc;

/// The micro-model as a program for an engine.
pub(crate) fn program(size: Size, order: PutOrder) -> Program {
    Arc::new(move || model::run(size, order))
}

mod primitives {
    use super::model::Actor;
    use nfsd_check::sync::{
        Mutex, MutexGuard,
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{Condition, Ordering::SeqCst, Phase},
        thread,
        violation::ViolationKind,
    };

    pub(crate) use nfsd_check::sync::learns;

    pub(crate) struct Word(AtomicU64);

    impl Word {
        pub(crate) fn new(value: u64) -> Self {
            Self(AtomicU64::new("word", value))
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
            self.0.fetch_and_not(bits, SeqCst)
        }

        pub(crate) fn compare_exchange(&self, old: u64, new: u64) -> Result<u64, u64> {
            self.0.compare_exchange(old, new, SeqCst, SeqCst)
        }
    }

    pub(crate) struct List(Mutex<Vec<usize>>);

    impl List {
        pub(crate) fn new(entries: Vec<usize>) -> Self {
            Self(Mutex::new("list", entries))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
            self.0.lock()
        }
    }

    pub(crate) struct Memory(Allocation);

    impl Memory {
        pub(crate) fn new() -> Self {
            Self(Allocation::new("memory", ViolationKind::UseAfterFree))
        }

        pub(crate) fn touch(&self) {
            self.0.access();
        }

        pub(crate) fn free(&self) {
            self.0.free();
        }
    }

    pub(crate) struct Completion(AtomicU64);

    impl Completion {
        pub(crate) fn new() -> Self {
            Self(AtomicU64::new("completion", 0))
        }

        pub(crate) fn complete(&self) {
            self.0.store(1, SeqCst);
        }

        pub(crate) fn wait(&self) {
            self.0.wait_until(Condition::Equal(1), SeqCst);
        }
    }

    pub(crate) fn run_actors(actors: Vec<Actor>, first_thread: impl FnOnce()) {
        thread::set_phase(Phase::Concurrent);
        for actor in actors {
            thread::spawn_detached("actor", actor);
        }
        first_thread();
        thread::settle();
    }
}
