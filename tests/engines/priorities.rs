// SPDX-License-Identifier: GPL-2.0-only
//! Random priorities: the same runs every time and for any number of cores, and races found that take
//! several changes of thread.

use nfsd_check::{
    check::program::program,
    engine::{Exploration, Jobs, Limits, Program, dpor, dpor::priorities},
    library::Library,
    sync::{
        atomic::AtomicU64,
        engine::{Ordering::SeqCst, Phase},
        report, thread,
        violation::{Violation, ViolationKind},
    },
};
use std::sync::Arc;

fn limits(all: bool, jobs: usize) -> Limits {
    Limits {
        all,
        jobs: Jobs::new(jobs - 1),
        ..Limits::default()
    }
}

fn scenario(name: &str, model: &str) -> Program {
    let library = Library::builtin();
    let scenario = Arc::new(library.scenario(name).unwrap());
    program(&scenario, library.model(model).unwrap().choices)
}

fn told(exploration: &Exploration) -> String {
    format!("{exploration:#?}")
}

#[test]
fn the_same_for_any_number_of_cores() {
    let program = scenario("gc-vs-stop", "v2-8of9");
    for all in [false, true] {
        let one = priorities::explore(&program, &limits(all, 1), 3_000, 7);
        assert!(!one.findings.is_empty());
        assert!(!one.complete);
        for jobs in [2, 3] {
            let several = priorities::explore(&program, &limits(all, jobs), 3_000, 7);
            assert_eq!(told(&several), told(&one));
        }
    }
}

#[test]
fn another_seed_makes_other_runs() {
    let program = scenario("gc-vs-stop", "v2-8of9");
    let after = |seed| {
        let found = priorities::explore(&program, &limits(true, 1), 3_000, seed).findings;
        found
            .iter()
            .map(|finding| finding.after)
            .collect::<Vec<_>>()
    };
    assert_eq!(after(1), after(1));
    assert_ne!(after(1), after(2));
}

#[test]
fn what_it_finds_exploring_finds_too() {
    for (name, model) in [
        ("put-order", "v2-8of9"),
        ("gc-vs-stop", "v1-7of8"),
        ("gc-vs-netns-exit", "v2-8of9"),
        ("put-order", "v4"),
    ] {
        let program = scenario(name, model);
        let kinds = |exploration: Exploration| {
            let kinds = exploration.findings.into_iter().map(|finding| finding.kind);
            let mut kinds: Vec<ViolationKind> = kinds.collect();
            kinds.sort();
            kinds
        };
        let all = kinds(dpor::explore(&program, &limits(true, 1)));
        let some = kinds(priorities::explore(&program, &limits(true, 1), 5_000, 0));
        assert!(some.iter().all(|kind| all.contains(kind)), "{name} {model}");
        assert_eq!(some.is_empty(), all.is_empty(), "{name} {model}");
    }
}

/// Both threads have to stop in the middle of what they do, at one place each of many.
#[test]
fn it_finds_what_takes_two_changes_of_thread() {
    let program: Program = Arc::new(|| {
        let [x, y] = [(); 2].map(|()| Arc::new(AtomicU64::new("x", 0)));
        thread::set_phase(Phase::Concurrent);
        let (a, b) = (Arc::clone(&x), Arc::clone(&y));
        thread::spawn_detached("other", move || {
            for _ in 0..20 {
                a.store(1, SeqCst);
                if b.load(SeqCst) == 1 && a.load(SeqCst) == 0 {
                    report(Violation::of(ViolationKind::Assertion, "seen"));
                }
                a.store(0, SeqCst);
            }
        });
        for _ in 0..20 {
            y.store(1, SeqCst);
            if x.load(SeqCst) == 1 {
                x.store(0, SeqCst);
            }
            y.store(0, SeqCst);
        }
    });
    let found = priorities::explore(&program, &limits(false, 1), 10_000, 0);
    assert_eq!(found.findings.len(), 1, "{:?}", found.reason);
}
