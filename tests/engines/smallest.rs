// SPDX-License-Identifier: GPL-2.0-only
//! The smallest interleaving, where a generated program has no case of it: grace periods, choices, and
//! objects of a name.

use nfsd_check::{
    engine::{
        Finding, Limits, Program, Size,
        dpor::{self, ScheduleStep},
    },
    sync::{
        self,
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{Condition, Ordering::SeqCst, Phase},
        rcu::Domain,
        thread,
        violation::{Violation, ViolationKind},
    },
};
use std::{
    cell::Cell,
    iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

type Body = Box<dyn FnOnce() + Send>;

/// A program of these threads, by name.
fn program(threads: impl Fn() -> Vec<(&'static str, Body)> + Send + Sync + 'static) -> Program {
    Arc::new(move || {
        let threads = threads();
        thread::set_phase(Phase::Concurrent);
        for (name, body) in threads {
            thread::spawn_detached(name, body);
        }
        thread::settle();
        thread::set_phase(Phase::Alone);
    })
}

/// How small the violation of this kind is.
fn smallest(program: &Program, kind: ViolationKind) -> Size {
    let limits = Limits {
        all: true,
        ..Limits::default()
    };
    let exploration = dpor::explore(program, &limits);
    let mut findings = exploration.findings.iter();
    let finding = findings.find(|finding| finding.kind == kind).unwrap();
    let smallest = dpor::minimise(program, finding, 100_000, &|| false).unwrap();
    smallest.size.unwrap()
}

/// Stores to the one, waits for a grace period, and stores to the other.
fn updater(rcu: &Arc<Domain>, x: &Arc<AtomicU64>, y: &Arc<AtomicU64>) -> Body {
    let (domain, before, stored) = (Arc::clone(rcu), Arc::clone(x), Arc::clone(y));
    Box::new(move || {
        let grace_period = domain.begin();
        before.store(1, SeqCst);
        grace_period.end();
        stored.store(1, SeqCst);
    })
}

fn warns(message: &str) {
    sync::report(Violation::of(ViolationKind::Warning, message));
}

/// A section of which one load comes before a store that the grace period is begun before, and one after
/// a store that comes after its end: so the section has begun within it. Nothing orders the two
/// beginnings. With one preemption the section begins first, and the grace period ends with it open, which
/// no kernel does.
#[test]
fn a_section_that_began_within_a_grace_period_takes_two_preemptions() {
    let program = program(|| {
        let rcu = Arc::new(Domain::new("rcu"));
        let [x, y] = ["x", "y"].map(|name| Arc::new(AtomicU64::new(name, 0)));
        let updater = updater(&rcu, &x, &y);
        let reader: Body = Box::new(move || {
            rcu.read_lock();
            let before = x.load(SeqCst);
            if y.load(SeqCst) == 1 && before == 0 {
                warns("the section has begun before the store to x, and ended after the other");
            }
            rcu.read_unlock();
        });
        vec![("reader", reader), ("updater", updater)]
    });
    let size = smallest(&program, ViolationKind::Warning);
    assert_eq!(size.preemptions, 2);
    assert!(size.fewest_preemptions && size.fewest_steps);
}

/// What it is that a thread waits for in vain is looked at, too, where what was found cannot be followed.
#[test]
fn a_wait_that_cannot_be_followed_is_looked_for() {
    let program = program(|| {
        let rcu = Arc::new(Domain::new("rcu"));
        let [x, y, z] = ["x", "y", "z"].map(|name| Arc::new(AtomicU64::new(name, 0)));
        let updater = updater(&rcu, &x, &y);
        let reader: Body = Box::new(move || {
            rcu.read_lock();
            let before = x.load(SeqCst);
            let after = y.load(SeqCst);
            rcu.read_unlock();
            if after == 1 && before == 0 {
                z.wait_until(Condition::Equal(1), SeqCst);
            }
        });
        vec![("reader", reader), ("updater", updater)]
    });
    let size = smallest(&program, ViolationKind::HungTask);
    assert_eq!(size.preemptions, 2);
    assert!(size.fewest_preemptions && size.fewest_steps);
}

/// An object of the same name that another thread makes counts as well.
#[test]
fn an_object_is_one_of_its_name() {
    let program = program(|| {
        let x = Arc::new(AtomicU64::new("x", 0));
        let uses = || {
            let memory = Allocation::new("memory", ViolationKind::UseAfterFree);
            memory.free();
            memory.access();
        };
        let [first, second, third] = [0, 1, 2].map(|_| Arc::clone(&x));
        let looks: Body = Box::new(move || {
            if first.load(SeqCst) == 2 {
                uses();
            }
        });
        let stores_and_looks: Body = Box::new(move || {
            second.store(1, SeqCst);
            if second.load(SeqCst) == 2 {
                uses();
            }
        });
        let stores: Body = Box::new(move || third.store(2, SeqCst));
        vec![
            ("looks", looks),
            ("stores and looks", stores_and_looks),
            ("stores", stores),
        ]
    });
    let size = smallest(&program, ViolationKind::UseAfterFree);
    assert_eq!(size.preemptions, 0);
    assert!(size.fewest_preemptions && size.fewest_steps);
}

/// What a thread chooses after all others have returned is not in the state.
#[test]
fn a_choice_at_the_end_is_seen() {
    let program: Program = Arc::new(|| {
        thread::set_phase(Phase::Concurrent);
        thread::settle();
        let chosen = sync::choose(2);
        thread::set_phase(Phase::Alone);
        if chosen == 1 {
            warns("the other one was chosen");
        }
    });
    let size = smallest(&program, ViolationKind::Warning);
    assert!(size.fewest_preemptions && size.fewest_steps);
}

/// What comes about when it is found and run again, and never after that, is in no interleaving that is
/// looked at. Where none is left with more preemptions, that is the end.
#[test]
fn the_look_ends_where_there_are_no_more_preemptions() {
    let runs = AtomicUsize::new(0);
    let program = program(move || {
        // It is found, followed for the keys of its contexts, and run by those.
        let is_found = runs.fetch_add(1, Relaxed) < 3;
        let x = Arc::new(AtomicU64::new("x", 0));
        let threads = ["one", "other", "third"].map(|name| {
            let x = Arc::clone(&x);
            let body: Body = Box::new(move || {
                x.store(1, SeqCst);
                x.store(2, SeqCst);
            });
            (name, body)
        });
        if is_found {
            warns("there is a third one");
        }
        threads
            .into_iter()
            .take(if is_found { 3 } else { 2 })
            .collect()
    });
    let recording = dpor::follow(&program, &[]).recording;
    let finding = Finding {
        kind: ViolationKind::Warning,
        recording,
        after: 1,
        size: None,
    };
    // It is asked now and then whether to stop: not more than the few interleavings take.
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 10
    };
    let smallest = dpor::minimise(&program, &finding, u64::MAX, &stop).unwrap();
    let size = smallest.size.unwrap();
    assert!(!size.fewest_preemptions && !size.fewest_steps);
    assert!(asked.get() <= 10);
}

/// Where it cannot be followed, as a grace period ends with a section open, only a violation of the same
/// object is looked for all the same.
#[test]
fn another_object_is_another_violation() {
    let program = program(|| {
        let rcu = Arc::new(Domain::new("rcu"));
        let [x, y, z] = ["x", "y", "z"].map(|name| Arc::new(AtomicU64::new(name, 0)));
        let updater = updater(&rcu, &x, &y);
        let reader: Body = Box::new(move || {
            rcu.read_lock();
            let before = x.load(SeqCst);
            if y.load(SeqCst) == 1 && before == 0 {
                let memory = Allocation::new("memory", ViolationKind::UseAfterFree);
                memory.free();
                memory.access();
            }
            rcu.read_unlock();
            if z.load(SeqCst) == 0 {
                let other = Allocation::new("other", ViolationKind::UseAfterFree);
                other.free();
                other.access();
            }
        });
        vec![("reader", reader), ("updater", updater)]
    });
    let schedule = [("reader", 2), ("updater", 5), ("reader", 1)];
    let schedule = schedule.iter().flat_map(|&(context, steps)| {
        let context = context.to_owned();
        iter::repeat_n(ScheduleStep { context, choice: 0 }, steps)
    });
    let schedule: Vec<ScheduleStep> = schedule.collect();
    let finding = Finding {
        kind: ViolationKind::UseAfterFree,
        recording: dpor::replay(&program, &schedule).recording,
        after: 1,
        size: None,
    };
    let smallest = dpor::minimise(&program, &finding, 100_000, &|| false).unwrap();
    let size = smallest.size.unwrap();
    assert_eq!(size.preemptions, 2);
    assert!(size.fewest_preemptions && size.fewest_steps);
    let violation = smallest.recording.violation(ViolationKind::UseAfterFree);
    assert_eq!(violation.unwrap().object, "memory#1");
}
