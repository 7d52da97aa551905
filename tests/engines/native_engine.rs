// SPDX-License-Identifier: GPL-2.0-only
//! What the native engine does on programs whose outcome does not depend on luck, and that it is
//! silent on correct ones.

use nfsd_check::{
    engine::{
        Exploration, Limits, Program,
        native::{explore, explore_patiently},
    },
    sync::{
        Mutex,
        alloc::Allocation,
        atomic::AtomicU64,
        cell::Cell,
        choose,
        engine::{Condition, Ordering, Update},
        enter,
        rcu::Domain,
        report,
        thread::{settle, spawn, spawn_daemon, spawn_detached},
        violation::{Violation, ViolationKind},
    },
};
use std::{
    sync::{Arc, Mutex as StdMutex},
    time::Duration,
};

use Ordering::{AcqRel, Acquire, Relaxed, Release};

const RUNS: u64 = 2000;

fn program(f: impl Fn() + Send + Sync + 'static) -> Program {
    Arc::new(f)
}

fn run(runs: u64, f: impl Fn() + Send + Sync + 'static) -> Exploration {
    explore(&program(f), &Limits::default(), runs)
}

fn kinds(exploration: &Exploration) -> Vec<ViolationKind> {
    exploration.findings.iter().map(|f| f.kind).collect()
}

fn assert_silent(exploration: &Exploration, runs: u64) {
    assert_eq!(kinds(exploration), [], "{:#?}", exploration.findings);
    assert!(!exploration.complete);
    assert_eq!(exploration.executions, runs);
    let expected = format!("{runs} runs on real threads found nothing; that proves nothing");
    assert_eq!(exploration.reason, Some(expected));
}

fn assert_finds(exploration: &Exploration, kind: ViolationKind) {
    assert_eq!(kinds(exploration), [kind], "{exploration:#?}");
    assert!(!exploration.complete);
    let recording = &exploration.findings[0].recording;
    assert!(recording.violation(kind).is_some());
    assert_eq!(recording.steps, []);
    let reason = exploration.reason.as_deref();
    assert_eq!(reason, Some("stopped at the first violation"));
}

fn fail(message: &str) {
    report(Violation::of(ViolationKind::Warning, message));
}

/// Wait for a turn, so that what follows happens in one order on real threads too.
fn turn(word: &AtomicU64, number: u64) {
    word.wait_until(Condition::Equal(number), Acquire);
}

#[test]
fn a_lost_update_that_must_happen_is_found() {
    let exploration = run(1, || {
        let count = Arc::new(AtomicU64::new("count", 0));
        let order = Arc::new(AtomicU64::new("turn", 0));
        let (c, o) = (Arc::clone(&count), Arc::clone(&order));
        let other = spawn("other", move || {
            let old = c.load(Relaxed);
            o.store(1, Release);
            turn(&o, 2);
            c.store(old + 1, Relaxed);
        });
        turn(&order, 1);
        count.fetch_add(1, Relaxed);
        order.store(2, Release);
        let () = other.join();
        if count.load(Relaxed) != 2 {
            fail("an update is lost");
        }
    });
    assert_finds(&exploration, ViolationKind::Warning);
}

#[test]
fn updates_are_not_lost() {
    let exploration = run(RUNS, || {
        let count = Arc::new(AtomicU64::new("count", 1));
        for _ in 0..2 {
            let count = Arc::clone(&count);
            spawn_detached("other", move || {
                let raise = Update::AddUnless { add: 1, unless: 0 };
                assert!(count.update(raise, AcqRel, Relaxed).is_ok());
            });
        }
        count.fetch_add(1, Relaxed);
        settle();
        if count.load(Relaxed) != 4 {
            fail("an update is lost");
        }
    });
    assert_silent(&exploration, RUNS);
}

#[test]
fn a_use_after_free_that_must_happen_is_found_with_its_sites() {
    let exploration = run(RUNS, || {
        let _function = enter("outer");
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let count = Arc::new(AtomicU64::new_in(&file, "count", 1));
        let order = Arc::new(AtomicU64::new("turn", 0));
        let o = Arc::clone(&order);
        spawn_detached("freer", move || {
            let _function = enter("put");
            file.free();
            o.store(1, Release);
        });
        turn(&order, 1);
        let _function = enter("get");
        count.fetch_add(1, Relaxed);
        unreachable!("a fatal violation does not return");
    });
    assert_finds(&exploration, ViolationKind::UseAfterFree);
    assert_eq!(exploration.executions, 1);
    let violation = &exploration.findings[0].recording.violations[0];
    assert_eq!(violation.message, "used after it was freed");
    assert_eq!(violation.site.function, "get");
    let life = violation.life.as_ref().expect("a life");
    assert_eq!(life.object, "file#1");
    assert_eq!(life.allocated.function, "outer");
    let freed = life.freed.as_ref().expect("a free");
    assert_eq!((freed.context.as_str(), freed.function), ("freer", "put"));
}

#[test]
fn a_double_free_is_found() {
    let exploration = run(1, || {
        let file = Allocation::new("file", ViolationKind::UseAfterFree);
        file.free();
        file.free();
    });
    assert_finds(&exploration, ViolationKind::DoubleFree);
}

#[test]
fn a_fatal_violation_ends_threads_that_wait() {
    let exploration = run(1, || {
        let word = Arc::new(AtomicU64::new("word", 0));
        let lock = Arc::new(Mutex::new("lock", ()));
        let domain = Arc::new(Domain::new("rcu"));
        domain.read_lock();
        let _held = lock.lock();
        let w = Arc::clone(&word);
        spawn_detached("waits", move || {
            w.wait_until(Condition::Equal(1), Acquire);
        });
        let l = Arc::clone(&lock);
        spawn_detached("locks", move || drop(l.lock()));
        let d = Arc::clone(&domain);
        spawn_detached("synchronizes", move || d.begin().end());
        spawn_detached("settles", settle);
        let file = Allocation::new("file", ViolationKind::UseAfterDestroy);
        file.free();
        file.access();
    });
    assert_finds(&exploration, ViolationKind::UseAfterDestroy);
}

#[test]
fn a_lock_excludes() {
    let exploration = run(RUNS, || {
        let lock = Arc::new(Mutex::new("lock", 0));
        let inside = Arc::new(Cell::new("inside", false));
        for _ in 0..2 {
            let (lock, inside) = (Arc::clone(&lock), Arc::clone(&inside));
            spawn_detached("other", move || {
                let mut count = lock.lock();
                if inside.get() {
                    fail("two threads hold the lock");
                }
                inside.set(true);
                *count += 1;
                inside.set(false);
            });
        }
        if let Some(mut count) = lock.try_lock() {
            *count += 1;
        }
        settle();
        let count = *lock.lock();
        if count != 2 && count != 3 {
            fail("a count is lost");
        }
    });
    assert_silent(&exploration, RUNS);
}

#[test]
fn try_lock_fails_on_a_lock_that_is_held() {
    let exploration = run(1, || {
        let lock = Arc::new(Mutex::new("lock", ()));
        let held = lock.lock();
        let theirs = Arc::clone(&lock);
        if spawn("other", move || theirs.try_lock().is_some()).join() {
            fail("taken twice");
        }
        drop(held);
        if lock.try_lock().is_none() {
            fail("not given back");
        }
    });
    assert_silent(&exploration, 1);
}

#[test]
fn a_grace_period_waits_for_readers() {
    let exploration = run(RUNS, || {
        let domain = Arc::new(Domain::new("rcu"));
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let pointer = Arc::new(AtomicU64::new("pointer", 1));
        for _ in 0..2 {
            let (d, f, p) = (Arc::clone(&domain), Arc::clone(&file), Arc::clone(&pointer));
            spawn_detached("reader", move || {
                d.read_lock();
                d.read_lock();
                if p.load(Acquire) == 1 {
                    f.access();
                    d.read_unlock();
                    f.access();
                } else {
                    d.read_unlock();
                }
                d.read_unlock();
            });
        }
        pointer.store(0, Release);
        domain.begin().end();
        file.free();
    });
    assert_silent(&exploration, RUNS);
}

#[test]
fn a_missing_section_is_found_where_the_reader_is_late() {
    let exploration = run(1, || {
        let domain = Arc::new(Domain::new("rcu"));
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let order = Arc::new(AtomicU64::new("turn", 0));
        let (f, o) = (Arc::clone(&file), Arc::clone(&order));
        spawn_detached("reader", move || {
            o.store(1, Release);
            turn(&o, 2);
            f.access();
        });
        turn(&order, 1);
        domain.begin().end();
        file.free();
        order.store(2, Release);
    });
    assert_finds(&exploration, ViolationKind::UseAfterFree);
}

#[test]
fn a_wait_is_never_missed() {
    let exploration = run(RUNS, || {
        let word = Arc::new(AtomicU64::new("word", 0));
        let theirs = Arc::clone(&word);
        let other = spawn("other", move || {
            theirs.wait_until(Condition::AnySet(1), Acquire);
            let set = Condition::AnySet(2);
            theirs.wait_and_update(set, Update::Or(4), Acquire)
        });
        word.fetch_or(1, Release);
        word.fetch_or(2, Release);
        word.wait_until(Condition::AnySet(4), Acquire);
        assert_eq!(other.join(), 3);
    });
    assert_silent(&exploration, RUNS);
}

#[test]
fn settle_waits_for_threads_of_threads() {
    let exploration = run(RUNS, || {
        let count = Arc::new(AtomicU64::new("count", 0));
        let theirs = Arc::clone(&count);
        spawn_detached("one", move || {
            let inner = Arc::clone(&theirs);
            spawn_detached("two", move || {
                inner.fetch_add(1, Relaxed);
            });
            theirs.fetch_add(1, Relaxed);
        });
        settle();
        if count.load(Relaxed) != 2 {
            fail("settle did not wait");
        }
    });
    assert_silent(&exploration, RUNS);
}

#[test]
fn a_run_that_hangs_is_given_up_and_is_no_hung_task() {
    let hangs = program(|| {
        let word = AtomicU64::new("word", 0);
        word.wait_until(Condition::Equal(1), Acquire);
    });
    let patience = Duration::from_millis(50);
    let exploration = explore_patiently(&hangs, &Limits::default(), 10, patience);
    assert_eq!(kinds(&exploration), []);
    assert_eq!(exploration.executions, 0);
    let reason = exploration.reason.as_deref();
    assert_eq!(reason, Some("a run took more than 0.05 s"));
}

#[test]
fn choices_are_the_same_in_every_exploration() {
    let answers = || {
        let seen = Arc::new(StdMutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let _ = run(100, move || {
            into.lock().unwrap().push((choose(2), choose(3)));
        });
        std::mem::take(&mut *seen.lock().unwrap())
    };
    let first = answers();
    assert_eq!(first, answers());
    for a in 0..2 {
        for b in 0..3 {
            assert!(first.contains(&(a, b)), "{first:?}");
        }
    }
}

#[test]
fn all_findings_are_collected_once_each() {
    let program = program(|| {
        fail("every time");
        fail("and again");
        let file = Allocation::new("file", ViolationKind::UseAfterFree);
        file.free();
        file.free();
    });
    let limits = Limits {
        all: true,
        ..Limits::default()
    };
    let exploration = explore(&program, &limits, 10);
    let expected = [ViolationKind::Warning, ViolationKind::DoubleFree];
    assert_eq!(kinds(&exploration), expected);
    assert_eq!(exploration.findings[0].recording.violations.len(), 3);
    assert_eq!(exploration.executions, 10);
    assert_eq!(
        exploration.reason.as_deref(),
        Some("10 runs on real threads prove nothing about what they did not find")
    );
}

#[test]
fn limits_stop_it() {
    let limits = Limits {
        max_executions: Some(3),
        ..Limits::default()
    };
    let exploration = explore(&program(|| ()), &limits, 10);
    assert_eq!(exploration.executions, 3);
    let reason = exploration.reason.as_deref();
    assert_eq!(reason, Some("stopped after 3 executions, as asked"));
}

#[test]
fn many_objects_are_no_problem() {
    let exploration = run(10, || {
        let words: Vec<_> = (0..1000).map(|n| AtomicU64::new("word", n)).collect();
        let sum = spawn("other", move || {
            words.iter().map(|w| w.load(Relaxed)).sum::<u64>()
        });
        assert_eq!(sum.join(), 499_500);
    });
    assert_silent(&exploration, 10);
}

#[test]
#[should_panic(expected = "the program panicked: a bug of the program")]
fn a_panic_of_the_program_comes_out() {
    let _ = run(1, || {
        spawn_detached("other", || panic!("a bug of the program"));
    });
}

/// What the test below runs in a process of its own.
#[test]
#[ignore = "run by nothing_is_printed"]
fn violations_of_every_sort() {
    a_lost_update_that_must_happen_is_found();
    a_use_after_free_that_must_happen_is_found_with_its_sites();
    a_fatal_violation_ends_threads_that_wait();
    a_run_that_hangs_is_given_up_and_is_no_hung_task();
}

#[test]
fn nothing_is_printed() {
    crate::prints_nothing("native_engine::violations_of_every_sort");
}

#[test]
fn a_daemon_that_waits_is_ended_and_one_that_can_go_on_does() {
    let exploration = run(RUNS, || {
        let timer = Arc::new(AtomicU64::new("timer", 0));
        let fired = Arc::new(AtomicU64::new("fired", 0));
        let (t, f) = (Arc::clone(&timer), Arc::clone(&fired));
        spawn_daemon("timer", move || {
            loop {
                t.wait_and_update(Condition::Equal(1), Update::Swap(0), AcqRel);
                f.fetch_add(1, Relaxed);
            }
        });
        spawn_detached("arms", move || {
            timer.swap(1, AcqRel);
        });
        settle();
        if fired.load(Relaxed) != 1 {
            fail("the timer did not fire once");
        }
    });
    assert_silent(&exploration, RUNS);
}

#[test]
fn a_daemon_that_nobody_settles_does_not_hang() {
    let exploration = run(RUNS, || {
        let never = AtomicU64::new("never", 0);
        spawn_daemon("timer", move || {
            never.wait_until(Condition::Equal(1), Acquire);
            fail("it never happens");
        });
    });
    assert_silent(&exploration, RUNS);
}
