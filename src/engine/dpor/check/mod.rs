// SPDX-License-Identifier: GPL-2.0-only
//! Check a program of one's own: [`check`] runs a closure in every execution that there is.
//!
//! This is for whoever tests with [loom]: the same names, the same way to write a test, and an
//! explorer that comes to an end. Nothing here knows of the kernel or of nfsd.
//!
//! ```
//! use nfsd_check::dpor::{
//!     check,
//!     sync::{
//!         Arc,
//!         atomic::{AtomicUsize, Ordering::Relaxed},
//!     },
//!     thread,
//! };
//!
//! check(|| {
//!     let count = Arc::new(AtomicUsize::new(0));
//!     let other = Arc::clone(&count);
//!     let adder = thread::spawn(move || other.fetch_add(1, Relaxed));
//!     count.fetch_add(1, Relaxed);
//!     adder.join().unwrap();
//!     assert_eq!(count.load(Relaxed), 2);
//! });
//! ```
//!
//! A closure that fails in one of its executions makes [`check`] panic, with an interleaving that
//! leads there. Here the two increments are a load and a store each:
//!
//! ```should_panic
//! # use nfsd_check::dpor::{check, sync::{Arc, atomic::{AtomicUsize, Ordering::SeqCst}}, thread};
//! check(|| {
//!     let count = Arc::new(AtomicUsize::new(0));
//!     let other = Arc::clone(&count);
//!     let adder = thread::spawn(move || other.store(other.load(SeqCst) + 1, SeqCst));
//!     count.store(count.load(SeqCst) + 1, SeqCst);
//!     adder.join().unwrap();
//!     assert_eq!(count.load(SeqCst), 2);
//! });
//! ```
//!
//! ```text
//! assertion in execution 2
//! assertion `left == right` failed
//!   left: 1
//!  right: 2 (src/lib.rs:10)
//! in main
//!
//! step  thread  operation                   object               saw  at
//! 1     main    start
//! 2     main    load seq-cst                AtomicUsize lib.rs:5  0   src/lib.rs:8
//! 3     thread  start
//! 4     thread  load seq-cst                AtomicUsize lib.rs:5  0   src/lib.rs:7
//! 5     main    store 1 seq-cst             AtomicUsize lib.rs:5      src/lib.rs:8
//! 6     thread  store 1 seq-cst             AtomicUsize lib.rs:5      src/lib.rs:7
//! 7     thread  store 1 release             finished
//! 8     main    wait until 1, load acquire  finished              1   src/lib.rs:9
//! 9     main    load seq-cst                AtomicUsize lib.rs:5  1   src/lib.rs:10
//! ```
//!
//! # Coming from loom
//!
//! | loom | here |
//! |---|---|
//! | `loom::model(f)` | [`check`]`(f)` |
//! | `loom::model::Builder` | [`Builder`], with `preemption_bound`, `max_permutations`, `max_duration` |
//! | `loom::thread::spawn`, `Builder` | [`thread::spawn`], [`thread::Builder`] |
//! | `loom::sync::atomic::*` | [`sync::atomic`]: integers, [`sync::atomic::AtomicBool`], [`sync::atomic::fence`]; no `AtomicPtr` |
//! | `loom::sync::{Mutex, Condvar}` | [`sync::Mutex`], [`sync::Condvar`]; no `RwLock`, `Notify`, `mpsc` |
//! | `loom::cell::UnsafeCell` | [`cell::UnsafeCell`] |
//! | `loom::sync::Arc` | [`sync::Arc`], which is the standard library's: its counts are no operations |
//! | `loom::thread::yield_now`, `hint::spin_loop` in a loop | `wait_until`, `wait_while` of an atomic |
//! | `loom::lazy_static!`, `thread_local!`, `loom::thread::park`, `loom::alloc`, `loom::future` | nothing |
//! | `fetch_max`, `fetch_min`, `fetch_nand`, `with_mut` of an atomic; `get_mut` of a lock; `wait_timeout` | nothing |
//!
//! What differs:
//!
//! * **It is a proof.** `check` returns only where every execution was run that the memory model
//!   allows. Where a limit ends it before, it panics and says so; it never passes for that.
//! * **The memory model is RC11**, the repaired C11 memory model without cycles of program order and
//!   reads-from ([`MemoryModel::Rc11`]). Sequentially consistent accesses are what C11 says, fences
//!   too, a `try_lock` may fail. [`MemoryModel::Sc`] is faster, and enough for bugs that are no
//!   matter of memory order.
//! * **A `compare_exchange_weak` never fails without a reason**, and no wait for a condition variable
//!   ends without a notification: both are allowed to in Rust. A loop around them is right either way; a
//!   test that asserts that one has succeeded may pass here and fail on a machine.
//! * **Each execution once.** Two executions are the same if they have the same operations, each
//!   read reads from the same write, and each object sees its writes in the same order.
//! * **Waiting blocks.** A loop that reads until something has changed has executions without end:
//!   the exploration ends as undecided. `wait_until` and `wait_while` say the same as one operation,
//!   and a thread that waits for what nothing left will do is found: `hung-task`.
//! * **Threads**: up to 64. A step is an atomic operation, a fence, taking or giving back a lock, an
//!   access of a cell, the beginning of a thread. An execution has at most 60,000 of them (20,000
//!   under RC11).
//!
//! # What the closure has to be like
//!
//! * It does the same every time but for what it reads from the types here: no time, no random
//!   numbers, no addresses, no state that survives an execution.
//! * Threads talk through the types here alone. A [`std::sync::Arc`] may hold them together; whose
//!   destructor runs last is nothing that is explored.
//! * A panic ends the execution. While it unwinds, operations of destructors are none: they change
//!   nothing and answer 0. A closure that catches its own panics is therefore not checked right.
//! * An atomic's first value is known to all who can reach it, however they came to. A cell's is
//!   not.
//!
//! # A weak execution
//!
//! Not every execution of RC11 is an interleaving. Where one is found that is none, it is told by
//! thread, and each read says which write it reads from. This is what `examples/seqlock.rs` shows
//! of a seqlock without its fence: `cargo run --example seqlock`.
//!
//! [loom]: https://docs.rs/loom

mod atomic;
pub mod cell;
mod condvar;
mod mutex;
mod place;
mod report;
pub mod thread;

/// Locks, condition variables and atomics.
pub mod sync {
    pub use super::{
        condvar::Condvar,
        mutex::{Mutex, MutexGuard},
    };
    pub use std::sync::Arc;
    /// Atomic words and fences.
    pub mod atomic {
        pub use super::super::atomic::*;
    }
}

pub use crate::engine::{Exploration, MemoryModel};
pub use report::Report;

use super::graphs;
use crate::{
    engine::{Limits, Program, quiet::Quiet},
    sync::violation::{Violation, ViolationKind},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

/// Run `f` in every execution that RC11 allows.
///
/// # Panics
///
/// Where one of them panics, has a data race or waits for ever, with what leads there; and where
/// they are too many or too long to be run.
pub fn check(f: impl Fn() + Send + Sync + 'static) {
    Builder::new().check(f);
}

/// How to check.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Builder {
    /// On what memory. RC11 in [`Builder::new`].
    pub memory_model: MemoryModel,
    /// Leave out interleavings with more preemptions than this. [`MemoryModel::Sc`] only, since
    /// under RC11 there are no interleavings. What is left out makes the answer undecided.
    pub preemption_bound: Option<u32>,
    /// Stop after this many executions.
    pub max_permutations: Option<u64>,
    /// Stop after this much time.
    pub max_duration: Option<Duration>,
}

impl Builder {
    /// RC11, and no limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            memory_model: MemoryModel::Rc11,
            ..Self::default()
        }
    }

    /// Run `f` in every execution that the memory model allows.
    ///
    /// # Panics
    ///
    /// Where one of them panics, has a data race or waits for ever, with what leads there; and
    /// where not all of them were run.
    pub fn check(&self, f: impl Fn() + Send + Sync + 'static) {
        let report = self.explore(f);
        assert!(report.holds(), "{report}");
    }

    /// Run `f` in every execution that the memory model allows, up to the first that fails, and
    /// tell what came of it.
    ///
    /// # Panics
    ///
    /// Where a bound on preemptions is asked for under RC11.
    #[must_use]
    pub fn explore(&self, f: impl Fn() + Send + Sync + 'static) -> Report {
        assert!(
            self.preemption_bound.is_none() || self.memory_model == MemoryModel::Sc,
            "preemption_bound is about interleavings, of which RC11 has none: set MemoryModel::Sc",
        );
        let limits = Limits {
            memory_model: self.memory_model,
            preemption_bound: self.preemption_bound,
            max_executions: self.max_permutations,
            budget: self.max_duration,
            ..Limits::default()
        };
        let messages: Messages = Arc::default();
        let program = program(f, Arc::clone(&messages));
        let _quiet = Quiet::new();
        let exploration = super::explore(&program, &limits);
        let shown = exploration.findings.first();
        let weak = shown.filter(|f| f.recording.weak || f.recording.steps.is_empty());
        let graph = weak.and_then(|weak| weak_execution(&program, &limits, weak.kind));
        let message = messages.lock().take().unwrap_or_default();
        Report {
            exploration,
            weak: graph.map(|graph| (graph, message)),
        }
    }
}

/// What the last panic of the program said.
type Messages = Arc<parking_lot::Mutex<Option<String>>>;

/// The first execution that shows a violation of this kind.
fn weak_execution(
    program: &Program,
    limits: &Limits,
    kind: ViolationKind,
) -> Option<graphs::ExecutionGraph> {
    let found = Arc::new(AtomicBool::new(false));
    let limits = Limits {
        all: true,
        interrupted: Arc::clone(&found),
        ..limits.clone()
    };
    let mut shown = None;
    let _ = graphs::explore_with(program, &limits, &mut |graph| {
        if shown.is_none() && graph.violations.contains(&kind) {
            shown = Some(graph.clone());
            found.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    shown
}

fn program(f: impl Fn() + Send + Sync + 'static, messages: Messages) -> Program {
    Arc::new(move || {
        Quiet::stay();
        place::begin_execution();
        MESSAGES.set(Some(Arc::clone(&messages)));
        in_thread(&f);
    })
}

thread_local! {
    /// Where the panics of the program that this OS thread explores are kept.
    static MESSAGES: std::cell::RefCell<Option<Messages>> = const { std::cell::RefCell::new(None) };
}

/// Run what a thread of the program runs. A panic in it is a violation, and ends the execution.
fn in_thread<T>(body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            if !crate::sync::is_over() {
                let (message, _) = Quiet::last(payload.as_ref());
                MESSAGES.with_borrow(|messages| {
                    if let Some(messages) = messages {
                        *messages.lock() = Some(message.clone());
                    }
                });
                crate::sync::report(Violation::of(ViolationKind::Assertion, message));
            }
            // The engine unwinds a thread that goes no further.
            resume_unwind(payload)
        }
    }
}
