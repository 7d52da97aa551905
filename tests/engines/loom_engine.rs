// SPDX-License-Identifier: GPL-2.0-only
//! What the loom engine finds, what it cannot find, and what it says about that.

use nfsd_check::{
    engine::{Exploration, Limits, Program, loom::explore},
    sync::{
        Mutex,
        alloc::Allocation,
        atomic::{AtomicU64, fence},
        cell::Cell,
        choose,
        engine::{Action, Condition, Ordering, Phase, Update},
        rcu::Domain,
        report,
        thread::{set_phase, settle, spawn, spawn_daemon, spawn_detached},
        violation::{Violation, ViolationKind},
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex as StdMutex},
};

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

fn program(f: impl Fn() + Send + Sync + 'static) -> Program {
    Arc::new(move || {
        set_phase(Phase::Concurrent);
        f();
    })
}

fn run(f: impl Fn() + Send + Sync + 'static) -> Exploration {
    explore(&program(f), &Limits::default())
}

fn kinds(exploration: &Exploration) -> Vec<ViolationKind> {
    exploration.findings.iter().map(|f| f.kind).collect()
}

fn assert_silent(exploration: &Exploration) {
    assert_eq!(kinds(exploration), [], "{:#?}", exploration.findings);
    assert!(!exploration.complete);
    let reason = exploration.reason.as_deref().expect("a reason");
    let expected = format!(
        "loom finished its search after {} executions; its reduction skips legal executions, so \
         this is no proof",
        exploration.executions
    );
    assert_eq!(reason, expected);
}

fn assert_finds(exploration: &Exploration, kind: ViolationKind) {
    assert_eq!(kinds(exploration), [kind], "{exploration:#?}");
    assert!(!exploration.complete);
    let finding = &exploration.findings[0];
    assert!(finding.recording.violation(kind).is_some());
    assert_eq!(finding.after, exploration.executions);
    let reason = exploration.reason.as_deref();
    assert_eq!(reason, Some("stopped at the first violation"));
}

fn fail(message: &str) {
    report(Violation::of(ViolationKind::Warning, message));
}

/// All the outcomes that executions of a program have.
fn outcomes<T: Ord + Send + 'static>(
    f: impl Fn() -> T + Send + Sync + 'static,
) -> (BTreeSet<T>, Exploration) {
    let seen = Arc::new(StdMutex::new(BTreeSet::new()));
    let into = Arc::clone(&seen);
    let exploration = run(move || {
        let outcome = f();
        into.lock().unwrap().insert(outcome);
    });
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (seen, exploration)
}

fn message_passing(store: Ordering, load: Ordering) -> Exploration {
    run(move || {
        let data = Arc::new(AtomicU64::new("data", 0));
        let flag = Arc::new(AtomicU64::new("flag", 0));
        let (d, f) = (Arc::clone(&data), Arc::clone(&flag));
        spawn_detached("writer", move || {
            d.store(1, Relaxed);
            f.store(1, store);
        });
        if flag.load(load) == 1 && data.load(Relaxed) == 0 {
            fail("the flag without the data");
        }
    })
}

#[test]
fn message_passing_with_release_and_acquire_holds() {
    assert_silent(&message_passing(Release, Acquire));
}

#[test]
fn message_passing_without_either_fails() {
    for (store, load) in [(Relaxed, Acquire), (Release, Relaxed), (Relaxed, Relaxed)] {
        assert_finds(&message_passing(store, load), ViolationKind::Warning);
    }
}

#[test]
fn a_fence_orders_store_buffering_and_seq_cst_accesses_do_not() {
    fn store_buffering(order: Ordering, fenced: bool) -> BTreeSet<(u64, u64)> {
        let both = move || {
            let x = Arc::new(AtomicU64::new("x", 0));
            let y = Arc::new(AtomicU64::new("y", 0));
            let (a, b) = (Arc::clone(&x), Arc::clone(&y));
            let other = spawn("other", move || {
                a.store(1, order);
                if fenced {
                    fence(SeqCst);
                }
                b.load(order)
            });
            y.store(1, order);
            if fenced {
                fence(SeqCst);
            }
            let saw = x.load(order);
            (saw, other.join())
        };
        outcomes(both).0
    }
    assert!(!store_buffering(Relaxed, true).contains(&(0, 0)));
    assert!(store_buffering(Relaxed, false).contains(&(0, 0)));
    // loom's limit, and why the kernel's primitives use fences.
    assert!(store_buffering(SeqCst, false).contains(&(0, 0)));
}

#[test]
fn loom_misses_a_legal_execution_of_four_operations() {
    let (seen, exploration) = outcomes(|| {
        let x = Arc::new(AtomicU64::new("x", 0));
        let y = Arc::clone(&x);
        let thread = spawn("thread", move || {
            let saw = y.load(SeqCst);
            y.store(2, SeqCst);
            saw
        });
        x.store(1, SeqCst);
        let saw = x.load(SeqCst);
        (thread.join(), saw)
    });
    assert_silent(&exploration);
    assert!(seen.contains(&(0, 1)), "{seen:?}");
    // store x=1; T: load x, store x=2; load x. Sequentially consistent, and legal in C11.
    assert!(!seen.contains(&(1, 2)), "{seen:?}");
}

#[test]
fn loom_shows_an_illegal_execution_of_a_store_and_an_update() {
    let (seen, exploration) = outcomes(|| {
        let x = Arc::new(AtomicU64::new("x", 0));
        let y = Arc::clone(&x);
        let update = spawn("update", move || y.fetch_add(1, SeqCst));
        x.store(5, SeqCst);
        (update.join(), x.load(SeqCst))
    });
    assert_silent(&exploration);
    assert!(
        seen.is_superset(&BTreeSet::from([(0, 5), (5, 6)])),
        "{seen:?}"
    );
    // The update read 0 and wrote 1, so nothing can have been written between the two.
    assert!(seen.contains(&(0, 1)), "{seen:?}");
}

#[test]
fn a_lost_update_is_found() {
    let exploration = run(|| {
        let count = Arc::new(AtomicU64::new("count", 0));
        let theirs = Arc::clone(&count);
        let other = spawn("other", move || {
            let old = theirs.load(SeqCst);
            theirs.store(old + 1, SeqCst);
        });
        let old = count.load(SeqCst);
        count.store(old + 1, SeqCst);
        let () = other.join();
        if count.load(SeqCst) != 2 {
            fail("an update is lost");
        }
    });
    assert_finds(&exploration, ViolationKind::Warning);
}

#[test]
fn updates_are_not_lost() {
    let exploration = run(|| {
        let count = Arc::new(AtomicU64::new("count", 1));
        let theirs = Arc::clone(&count);
        let other = spawn("other", move || {
            let raise = Update::AddUnless { add: 1, unless: 0 };
            assert!(theirs.update(raise, AcqRel, Relaxed).is_ok());
        });
        count.fetch_add(2, Relaxed);
        let () = other.join();
        if count.load(Relaxed) != 4 {
            fail("an update is lost");
        }
    });
    assert_silent(&exploration);
}

#[test]
fn a_conditional_update_is_seen_to_succeed_and_to_fail() {
    let (seen, exploration) = outcomes(|| {
        let count = Arc::new(AtomicU64::new("count", 1));
        let theirs = Arc::clone(&count);
        let put = spawn("put", move || theirs.fetch_sub(1, AcqRel));
        let raise = Update::AddUnless { add: 1, unless: 0 };
        let got = count.update(raise, AcqRel, Acquire);
        (got, put.join())
    });
    assert_silent(&exploration);
    assert_eq!(seen, BTreeSet::from([(Ok(1), 2), (Err(0), 1)]));
}

#[test]
fn two_locks_in_two_orders_hang() {
    let exploration = run(|| {
        let a = Arc::new(Mutex::new("a", ()));
        let b = Arc::new(Mutex::new("b", ()));
        let (c, d) = (Arc::clone(&a), Arc::clone(&b));
        spawn_detached("other", move || {
            let _d = d.lock();
            let _c = c.lock();
        });
        let _a = a.lock();
        let _b = b.lock();
    });
    assert_finds(&exploration, ViolationKind::HungTask);
    let recording = &exploration.findings[0].recording;
    let message = &recording.violations[0].message;
    assert!(message.contains("main waits for b"), "{message}");
    assert!(message.contains("other waits for a"), "{message}");
}

#[test]
fn two_locks_in_one_order_do_not_hang() {
    let exploration = run(|| {
        let a = Arc::new(Mutex::new("a", 0));
        let b = Arc::new(Mutex::new("b", 0));
        let (c, d) = (Arc::clone(&a), Arc::clone(&b));
        let other = spawn("other", move || {
            let mut c = c.lock();
            let mut d = d.lock();
            *c += 1;
            *d += 1;
        });
        {
            let mut a = a.lock();
            let mut b = b.lock();
            *a += 1;
            *b += 1;
        }
        let () = other.join();
        assert_eq!((*a.lock(), *b.lock()), (2, 2));
    });
    assert_silent(&exploration);
}

#[test]
fn a_lock_orders_plain_memory() {
    let exploration = run(|| {
        let lock = Arc::new(Mutex::new("lock", ()));
        let cell = Arc::new(Cell::new("cell", 0));
        let (l, c) = (Arc::clone(&lock), Arc::clone(&cell));
        let other = spawn("other", move || {
            let _held = l.lock();
            c.with_mut(|n| *n += 1);
        });
        {
            let _held = lock.lock();
            cell.with_mut(|n| *n += 1);
        }
        let () = other.join();
        assert_eq!(cell.get(), 2);
    });
    assert_silent(&exploration);
}

#[test]
fn try_lock_is_seen_to_succeed_and_to_fail() {
    let (seen, exploration) = outcomes(|| {
        let lock = Arc::new(Mutex::new("lock", ()));
        let theirs = Arc::clone(&lock);
        let other = spawn("other", move || theirs.try_lock().is_some());
        let mine = lock.try_lock().is_some();
        (mine, other.join())
    });
    assert_silent(&exploration);
    assert_eq!(
        seen,
        BTreeSet::from([(true, true), (true, false), (false, true)])
    );
}

#[test]
fn a_use_after_free_is_found() {
    let exploration = run(|| {
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let count = Arc::new(AtomicU64::new_in(&file, "count", 1));
        let theirs = Arc::clone(&count);
        spawn_detached("user", move || {
            theirs.fetch_add(1, Relaxed);
        });
        file.free();
    });
    assert_finds(&exploration, ViolationKind::UseAfterFree);
    let recording = &exploration.findings[0].recording;
    let life = recording.violations[0].life.as_ref().expect("a life");
    assert_eq!(life.object, "file#1");
}

#[test]
fn the_last_of_two_references_frees_without_a_violation() {
    let exploration = run(|| {
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let count = Arc::new(AtomicU64::new_in(&file, "count", 2));
        let put = |file: &Allocation, count: &AtomicU64| {
            file.access();
            if count.fetch_sub(1, AcqRel) == 1 {
                file.free();
            }
        };
        let (f, c) = (Arc::clone(&file), Arc::clone(&count));
        spawn_detached("other", move || put(&f, &c));
        put(&file, &count);
    });
    assert_silent(&exploration);
}

#[test]
fn a_reference_put_without_release_is_found() {
    let exploration = run(|| {
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let count = Arc::new(AtomicU64::new("count", 2));
        let put = |file: &Allocation, count: &AtomicU64| {
            file.access();
            if count.fetch_sub(1, Relaxed) == 1 {
                file.free();
            }
        };
        let (f, c) = (Arc::clone(&file), Arc::clone(&count));
        spawn_detached("other", move || put(&f, &c));
        put(&file, &count);
    });
    assert_finds(&exploration, ViolationKind::UseAfterFree);
}

#[test]
fn an_allocation_found_through_a_relaxed_pointer_is_no_use_after_free() {
    let exploration = run(|| {
        let pointer = Arc::new(AtomicU64::new("pointer", 0));
        let slot = Arc::new(StdMutex::new(None));
        let (p, s) = (Arc::clone(&pointer), Arc::clone(&slot));
        let other = spawn("other", move || {
            if p.load(Relaxed) == 1 {
                let file: Arc<Allocation> = s.lock().unwrap().clone().expect("published");
                file.access();
            }
        });
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        *slot.lock().unwrap() = Some(Arc::clone(&file));
        pointer.store(1, Relaxed);
        let () = other.join();
        file.free();
    });
    assert_silent(&exploration);
}

#[test]
fn a_word_found_through_a_relaxed_pointer_is_a_race_with_its_initialisation() {
    let exploration = run(|| {
        let pointer = Arc::new(AtomicU64::new("pointer", 0));
        let slot = Arc::new(StdMutex::new(None));
        let (p, s) = (Arc::clone(&pointer), Arc::clone(&slot));
        let other = spawn("other", move || {
            if p.load(Relaxed) == 1 {
                let word: Arc<AtomicU64> = s.lock().unwrap().clone().expect("published");
                let _ = word.load(Relaxed);
            }
        });
        let word = Arc::new(AtomicU64::new("word", 7));
        *slot.lock().unwrap() = Some(word);
        pointer.store(1, Relaxed);
        let () = other.join();
    });
    assert_finds(&exploration, ViolationKind::DataRace);
}

#[test]
fn a_double_free_is_found() {
    let exploration = run(|| {
        let file = Allocation::new("file", ViolationKind::UseAfterFree);
        file.free();
        file.free();
    });
    assert_finds(&exploration, ViolationKind::DoubleFree);
}

#[test]
fn many_allocations_are_no_problem() {
    let exploration = run(|| {
        let files: Vec<_> = (0..100)
            .map(|_| Allocation::new("file", ViolationKind::UseAfterFree))
            .collect();
        let other = spawn("other", move || files.iter().for_each(Allocation::free));
        let () = other.join();
    });
    assert_silent(&exploration);
}

#[test]
fn a_data_race_is_found_and_does_not_end_the_execution() {
    let ends = Arc::new(StdMutex::new(0));
    let counted = Arc::clone(&ends);
    let exploration = run(move || {
        let cell = Arc::new(Cell::new("cell", 0));
        let theirs = Arc::clone(&cell);
        let other = spawn("other", move || theirs.set(1));
        let _ = cell.get();
        let () = other.join();
        *counted.lock().unwrap() += 1;
    });
    assert_finds(&exploration, ViolationKind::DataRace);
    assert_eq!(*ends.lock().unwrap(), exploration.executions);
}

#[test]
fn a_race_has_the_kind_of_its_cell() {
    let exploration = run(|| {
        let kind = ViolationKind::ListCorruption;
        let list = Arc::new(Cell::with_kind(None, "list", kind, 0));
        let theirs = Arc::clone(&list);
        spawn_detached("other", move || theirs.set(1));
        list.set(2);
    });
    assert_finds(&exploration, ViolationKind::ListCorruption);
}

/// A reader looks an object up and uses it; the writer unlinks it, waits for a grace period and
/// frees it.
fn rcu(reader_locks: bool, writer_waits: bool) -> Exploration {
    run(move || {
        let domain = Arc::new(Domain::new("rcu"));
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let pointer = Arc::new(AtomicU64::new("pointer", 1));
        let (d, f, p) = (Arc::clone(&domain), Arc::clone(&file), Arc::clone(&pointer));
        spawn_detached("reader", move || {
            if reader_locks {
                d.read_lock();
                // They nest.
                d.read_lock();
            }
            if p.load(Acquire) == 1 {
                f.access();
            }
            if reader_locks {
                d.read_unlock();
                d.read_unlock();
            }
        });
        pointer.store(0, Release);
        if writer_waits {
            domain.begin().end();
        }
        file.free();
    })
}

#[test]
fn a_grace_period_waits_for_readers() {
    assert_silent(&rcu(true, true));
}

#[test]
fn a_reader_without_a_section_is_found() {
    assert_finds(&rcu(false, true), ViolationKind::UseAfterFree);
}

#[test]
fn a_writer_without_a_grace_period_is_found() {
    assert_finds(&rcu(true, false), ViolationKind::UseAfterFree);
}

#[test]
fn a_reader_that_begins_after_the_grace_period_sees_what_came_before_it() {
    // The litmus test RCU+mp, with relaxed accesses only.
    let (seen, exploration) = outcomes(|| {
        let domain = Arc::new(Domain::new("rcu"));
        let x = Arc::new(AtomicU64::new("x", 0));
        let y = Arc::new(AtomicU64::new("y", 0));
        let (d, a, b) = (Arc::clone(&domain), Arc::clone(&x), Arc::clone(&y));
        let reader = spawn("reader", move || {
            d.read_lock();
            let saw = (b.load(Relaxed), a.load(Relaxed));
            d.read_unlock();
            saw
        });
        x.store(1, Relaxed);
        domain.begin().end();
        y.store(1, Relaxed);
        reader.join()
    });
    assert_silent(&exploration);
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1), (1, 1)]));
}

#[test]
fn a_section_that_waits_for_what_follows_its_grace_period_hangs() {
    let exploration = run(|| {
        let domain = Arc::new(Domain::new("rcu"));
        let done = Arc::new(AtomicU64::new("done", 0));
        let (d, w) = (Arc::clone(&domain), Arc::clone(&done));
        spawn_detached("reader", move || {
            d.read_lock();
            w.wait_until(Condition::Equal(1), Acquire);
            d.read_unlock();
        });
        domain.begin().end();
        done.store(1, Release);
    });
    assert_finds(&exploration, ViolationKind::HungTask);
}

#[test]
fn settle_waits_for_threads_of_threads() {
    let exploration = run(|| {
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
    assert_silent(&exploration);
}

#[test]
fn a_wait_is_never_missed() {
    let exploration = run(|| {
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
    assert_silent(&exploration);
}

#[test]
fn a_wait_for_nothing_hangs() {
    let exploration = run(|| {
        let word = AtomicU64::new("word", 0);
        word.wait_until(Condition::Equal(1), Acquire);
    });
    assert_finds(&exploration, ViolationKind::HungTask);
    let recording = &exploration.findings[0].recording;
    assert_eq!(recording.violations[0].message, "main waits for word");
}

#[test]
fn every_choice_is_explored() {
    let (seen, exploration) = outcomes(|| {
        let other = spawn("other", || choose(3));
        let first = choose(2);
        let second = if first == 1 { choose(2) } else { 9 };
        (first, second, other.join())
    });
    assert_silent(&exploration);
    let mut all = BTreeSet::new();
    for other in 0..3 {
        all.extend([(0, 9, other), (1, 0, other), (1, 1, other)]);
    }
    assert_eq!(seen, all);
}

#[test]
fn six_threads_have_to_share() {
    let exploration = run(|| {
        for _ in 0..5 {
            spawn_detached("thread", || ());
        }
        settle();
    });
    assert_eq!(kinds(&exploration), []);
    assert!(exploration.executions >= 1, "{exploration:#?}");
    let reason = exploration.reason.expect("a reason");
    assert!(
        reason.ends_with(
            "; there were up to 6 threads at once, and some had to wait for one of loom's 5"
        ),
        "{reason}"
    );
}

#[test]
fn threads_that_cannot_share_are_not_run() {
    let alone: Program = Arc::new(|| {
        let a = Arc::new(AtomicU64::new("a", 0));
        let b = Arc::new(AtomicU64::new("b", 0));
        let (x, y) = (Arc::clone(&a), Arc::clone(&b));
        spawn_detached("other", move || {
            x.store(1, Release);
            y.wait_until(Condition::Equal(1), Acquire);
        });
        a.wait_until(Condition::Equal(1), Acquire);
        b.store(1, Release);
    });
    let exploration = explore(&alone, &Limits::default());
    assert_eq!(kinds(&exploration), []);
    assert_eq!(exploration.executions, 0);
    let reason = exploration.reason.expect("a reason");
    assert!(
        reason.starts_with("not run: 2 threads at once do not fit loom's 5"),
        "{reason}"
    );
}

#[test]
fn one_thread_at_a_time_leaves_nothing_to_choose_and_costs_no_threads() {
    let alone: Program = Arc::new(|| {
        let count = Arc::new(AtomicU64::new("count", 0));
        for _ in 0..20 {
            let count = Arc::clone(&count);
            spawn_detached("thread", move || {
                count.wait_until(Condition::NotEqual(99), Relaxed);
                count.fetch_add(1, Relaxed);
            });
        }
        if choose(2) == 1 || count.load(Relaxed) != 0 {
            fail("a thread ran while this one could");
        }
        settle();
        if count.load(Relaxed) != 20 {
            fail("settle did not wait");
        }
    });
    let exploration = explore(&alone, &Limits::default());
    assert_silent(&exploration);
    // One for each bound on preemptions.
    assert_eq!(exploration.executions, 3);
}

/// A timer that fires up to `passes` times when it is armed, which is done `armed` times.
fn timer(armed: u64, passes: u32) -> (BTreeSet<u64>, Exploration) {
    outcomes(move || {
        let word = Arc::new(AtomicU64::new("timer", 0));
        let fired = Arc::new(AtomicU64::new("fired", 0));
        let (w, f) = (Arc::clone(&word), Arc::clone(&fired));
        spawn_daemon("timer", move || {
            for _ in 0..passes {
                w.wait_and_update(Condition::Equal(1), Update::Swap(0), AcqRel);
                f.fetch_add(1, Relaxed);
            }
        });
        spawn_detached("arms", move || {
            for _ in 0..armed {
                word.swap(1, AcqRel);
            }
        });
        settle();
        fired.load(Relaxed)
    })
}

#[test]
fn a_daemon_that_waits_is_ended() {
    let (seen, exploration) = timer(0, 2);
    assert_silent(&exploration);
    assert_eq!(seen, BTreeSet::from([0]));
}

#[test]
fn a_daemon_that_can_go_on_does() {
    let (seen, exploration) = timer(2, 3);
    assert_silent(&exploration);
    assert_eq!(seen, BTreeSet::from([1, 2]));
}

#[test]
fn a_daemon_that_nobody_settles_is_no_hung_task() {
    let exploration = run(|| {
        let never = AtomicU64::new("never", 0);
        spawn_daemon("timer", move || {
            never.wait_until(Condition::Equal(1), Acquire);
            fail("it never happens");
        });
    });
    assert_silent(&exploration);
}

#[test]
fn five_threads_are_not() {
    let exploration = run(|| {
        for _ in 0..4 {
            spawn_detached("thread", || ());
        }
    });
    assert_silent(&exploration);
}

#[test]
fn a_loop_that_spins_is_given_up() {
    let exploration = run(|| {
        let word = AtomicU64::new("word", 0);
        while word.load(Relaxed) == 0 {}
    });
    assert_eq!(kinds(&exploration), []);
    assert_eq!(
        exploration.reason.as_deref(),
        Some("an execution took more than 10000 steps, after 0 executions")
    );
}

#[test]
fn limits_stop_it() {
    let several = program(|| {
        let word = Arc::new(AtomicU64::new("word", 0));
        for _ in 0..3 {
            let theirs = Arc::clone(&word);
            spawn_detached("thread", move || {
                theirs.fetch_add(1, Relaxed);
            });
        }
    });
    let limits = Limits {
        max_executions: Some(3),
        ..Limits::default()
    };
    let exploration = explore(&several, &limits);
    assert_eq!(exploration.executions, 3);
    let reason = exploration.reason.as_deref();
    assert_eq!(reason, Some("stopped after 3 executions, as asked"));
    let done = limits.progress.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(done, 3);

    let all = explore(&several, &Limits::default());
    let bounded = Limits {
        preemption_bound: Some(0),
        ..Limits::default()
    };
    let bounded = explore(&several, &bounded);
    assert_silent(&bounded);
    assert!(bounded.executions < all.executions);
}

#[test]
fn all_findings_of_a_search_are_collected() {
    let program = program(|| {
        let file = Arc::new(Allocation::new("file", ViolationKind::UseAfterFree));
        let turn = Arc::new(AtomicU64::new("turn", 0));
        let (f, t) = (Arc::clone(&file), Arc::clone(&turn));
        spawn_detached("other", move || {
            if t.fetch_add(1, AcqRel) == 0 {
                fail("first");
            } else {
                f.access();
            }
        });
        file.free();
        turn.fetch_add(1, AcqRel);
        if choose(2) == 1 {
            turn.wait_until(Condition::Equal(9), Relaxed);
        }
    });
    let limits = Limits {
        all: true,
        ..Limits::default()
    };
    let exploration = explore(&program, &limits);
    let mut kinds = kinds(&exploration);
    kinds.sort_unstable();
    let expected = [
        ViolationKind::UseAfterFree,
        ViolationKind::HungTask,
        ViolationKind::Warning,
    ];
    assert_eq!(kinds, expected);
    let reason = exploration.reason.expect("a reason");
    assert!(reason.starts_with("loom finished its search"), "{reason}");
}

#[test]
fn a_recording_tells_the_execution() {
    let exploration = run(|| {
        let word = AtomicU64::new("word", 1);
        word.store(2, Release);
        let _ = word.load(Acquire);
        fail("at the end");
    });
    let steps = &exploration.findings[0].recording.steps;
    let told: Vec<_> = steps.iter().map(|s| (s.action, s.saw)).collect();
    let expected = [(Action::Store(2, Release), 0), (Action::Load(Acquire), 2)];
    assert_eq!(told, expected);
    assert_eq!(steps[0].object, "word");
    assert_eq!(steps[0].context, "main");
}

#[test]
fn the_first_thread_has_a_stack_for_more_than_loom_gives() {
    fn deep(n: usize) -> usize {
        let frame = std::hint::black_box([n; 64]);
        if n == 0 {
            0
        } else {
            deep(n - 1) + frame[0] - n + 1
        }
    }
    let exploration = run(|| {
        let other = spawn("other", || deep(200));
        assert_eq!(deep(200), 200);
        assert_eq!(other.join(), 200);
    });
    assert_silent(&exploration);
}

#[test]
#[should_panic(expected = "the program panicked: a bug of the program")]
fn a_panic_of_the_program_comes_out() {
    let _ = run(|| {
        spawn_detached("other", || panic!("a bug of the program"));
    });
}

/// What the test below runs in a process of its own.
#[test]
#[ignore = "run by nothing_is_printed"]
fn violations_of_every_sort() {
    two_locks_in_two_orders_hang();
    a_use_after_free_is_found();
    a_data_race_is_found_and_does_not_end_the_execution();
    a_word_found_through_a_relaxed_pointer_is_a_race_with_its_initialisation();
    six_threads_have_to_share();
    threads_that_cannot_share_are_not_run();
    a_daemon_that_waits_is_ended();
    a_daemon_that_nobody_settles_is_no_hung_task();
    limits_stop_it();
}

#[test]
fn nothing_is_printed() {
    crate::prints_nothing("loom_engine::violations_of_every_sort");
}
