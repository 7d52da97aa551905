// SPDX-License-Identifier: GPL-2.0-only
//! Known numbers of executions, and programs that other explorers get wrong.

use nfsd_check::{
    engine::{Exploration, Limits, MemoryModel, Program, dpor},
    sync::{
        Mutex,
        atomic::AtomicU64,
        engine::{Condition, Ordering::SeqCst, Phase, Update},
        thread,
        violation::ViolationKind,
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex as StdMutex},
};

fn settling(program: impl Fn() + Send + Sync + 'static) -> Program {
    Arc::new(move || {
        program();
        thread::settle();
    })
}

fn limits(memory_model: MemoryModel) -> Limits {
    Limits {
        memory_model,
        all: true,
        ..Limits::default()
    }
}

fn explore(program: impl Fn() + Send + Sync + 'static) -> Exploration {
    let exploration = dpor::explore(&settling(program), &limits(MemoryModel::Sc));
    assert!(exploration.complete, "{exploration:?}");
    exploration
}

/// The number of executions, which is the same for interleavings and for graphs under either memory
/// model. None is cut.
fn count(program: &Program) -> u64 {
    let interleavings = dpor::explore(program, &limits(MemoryModel::Sc));
    assert!(interleavings.complete, "{interleavings:?}");
    assert_eq!(interleavings.blocked, 0);
    for model in [MemoryModel::Sc, MemoryModel::Rc11] {
        let graphs = dpor::graphs::explore(program, &limits(model));
        assert!(graphs.complete && graphs.findings.is_empty(), "{graphs:?}");
        assert_eq!(graphs.blocked, 0, "{model:?}");
        assert_eq!(graphs.executions, interleavings.executions, "{model:?}");
    }
    interleavings.executions
}

/// So many threads that increment a word so many times each.
pub(crate) fn by_rmw(threads: usize, each: usize) -> Program {
    settling(move || {
        let word = Arc::new(AtomicU64::new("word", 0));
        thread::set_phase(Phase::Concurrent);
        for _ in 0..threads {
            let word = Arc::clone(&word);
            thread::spawn_detached("adder", move || {
                for _ in 0..each {
                    word.fetch_add(1, SeqCst);
                }
            });
        }
    })
}

/// The same under a mutex.
pub(crate) fn by_mutex(threads: usize, each: usize) -> Program {
    settling(move || {
        let lock = Arc::new(Mutex::new("lock", 0));
        thread::set_phase(Phase::Concurrent);
        for _ in 0..threads {
            let lock = Arc::clone(&lock);
            thread::spawn_detached("adder", move || {
                for _ in 0..each {
                    *lock.lock() += 1;
                }
            });
        }
    })
}

/// Threads, increments by each, and in how many orders they can be made.
pub(crate) const MULTINOMIAL: [(usize, usize, u64); 9] = [
    (2, 1, 2),
    (2, 2, 6),
    (2, 3, 20),
    (2, 4, 70),
    (3, 1, 6),
    (3, 2, 90),
    (4, 1, 24),
    (4, 2, 2520),
    (5, 1, 120),
];

#[test]
fn increments_give_the_multinomial_coefficient() {
    for (threads, each, executions) in MULTINOMIAL {
        assert_eq!(
            count(&by_rmw(threads, each)),
            executions,
            "RMW {threads}x{each}"
        );
        assert_eq!(
            count(&by_mutex(threads, each)),
            executions,
            "mutex {threads}x{each}"
        );
    }
}

/// Two locks that two threads take in opposite orders: two executions in which one thread has both
/// first, and the deadlock. A thread that waits for a lock which is never given back is no run to be
/// thrown away.
#[test]
fn locks_in_opposite_orders_deadlock() {
    let program = settling(|| {
        let locks = Arc::new([Mutex::new("first", ()), Mutex::new("second", ())]);
        thread::set_phase(Phase::Concurrent);
        for first in 0..2 {
            let locks = Arc::clone(&locks);
            thread::spawn_detached("locker", move || {
                let _outer = locks[first].lock();
                let _inner = locks[1 - first].lock();
            });
        }
    });
    for model in [MemoryModel::Sc, MemoryModel::Rc11] {
        let graphs = dpor::graphs::explore(&program, &limits(model));
        assert!(graphs.complete, "{graphs:?}");
        assert_eq!((graphs.executions, graphs.blocked), (3, 0), "{model:?}");
        let kinds: Vec<_> = graphs.findings.iter().map(|f| f.kind).collect();
        assert_eq!(kinds, [ViolationKind::HungTask], "{model:?}");
    }
}

/// A work that is queued, and that a timer takes up unless it is cancelled first: the timer that
/// waits for good is part of an execution, whatever becomes of the word that it waits for.
#[test]
fn a_wait_that_updates_pass_by_is_not_cut() {
    const QUEUED: u64 = 1;
    let program = settling(|| {
        let word = Arc::new(AtomicU64::new("work", QUEUED));
        thread::set_phase(Phase::Concurrent);
        let waiting = Arc::clone(&word);
        thread::spawn_daemon("timer", move || {
            waiting.wait_and_update(Condition::Equal(QUEUED), Update::Swap(0), SeqCst);
        });
        for add in [4, 8] {
            let word = Arc::clone(&word);
            thread::spawn_detached("canceller", move || {
                word.fetch_add(add, SeqCst);
            });
        }
    });
    for model in [MemoryModel::Sc, MemoryModel::Rc11] {
        let graphs = dpor::graphs::explore(&program, &limits(model));
        assert!(graphs.complete && graphs.findings.is_empty(), "{graphs:?}");
        // Two orders of the others, and the timer before both or never.
        assert_eq!((graphs.executions, graphs.blocked), (4, 0), "{model:?}");
    }
}

/// loom 0.7.3 never shows this outcome (tokio-rs/loom issues 166 and 392).
#[test]
fn the_outcome_that_loom_skips_is_found() {
    let outcomes = Arc::new(StdMutex::new(BTreeSet::new()));
    let seen = Arc::clone(&outcomes);
    explore(move || {
        let x = Arc::new(AtomicU64::new("x", 0));
        thread::set_phase(Phase::Concurrent);
        let theirs = Arc::clone(&x);
        let t = thread::spawn("t", move || {
            let saw = theirs.load(SeqCst);
            theirs.store(2, SeqCst);
            saw
        });
        x.store(1, SeqCst);
        let main_saw = x.load(SeqCst);
        let t_saw = t.join();
        seen.lock().unwrap().insert((t_saw, main_saw));
    });
    let expected = BTreeSet::from([(0, 1), (0, 2), (1, 1), (1, 2)]);
    assert_eq!(*outcomes.lock().unwrap(), expected);
}
