// SPDX-License-Identifier: GPL-2.0-only
//! The explorer against a brute-force enumerator of the executions that RC11 allows, and that
//! enumerator against what is known.

mod rc11;

use rc11::{
    axioms::{RC11, ReleaseSequence, Scb, Variant},
    enumerate::{Executions, by_interleaving, executions, executions_with},
    litmus::{COUNTS, COUNTS_OF_OUTCOMES, LITMUS, Litmus},
    program::{Op, Program, short::*},
};

fn all(program: &Program) -> Executions {
    executions(program, usize::MAX).expect("there is no limit")
}

// ---- The oracle against the literature ----

/// Whether the outcome is there, for each model.
fn shows(litmus: &Litmus, program: &Program, executions: &Executions) -> (bool, bool) {
    let shows = |execution| litmus.shows(program, execution);
    (
        executions.rc11.iter().any(shows),
        executions.sc.iter().any(shows),
    )
}

#[test]
fn litmus_tests_by_name() {
    let mut wrong = Vec::new();
    for litmus in LITMUS {
        let program = litmus.program();
        let executions = all(&program);
        let found = (executions.rc11.len(), executions.sc.len());
        let shown = shows(litmus, &program, &executions);
        if (shown, found) != (litmus.allowed, litmus.executions) {
            wrong.push(format!(
                "{}: {shown:?} and {found:?} instead of {:?} and {:?}",
                litmus.name, litmus.allowed, litmus.executions
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn programs_that_genmc_counts() {
    let mut wrong = Vec::new();
    for count in COUNTS {
        let executions = all(&Program::new(count.threads));
        let found = (executions.rc11.len(), executions.sc.len());
        if found != count.executions {
            wrong.push(format!(
                "{}: {found:?} instead of {:?}",
                count.name, count.executions
            ));
        }
    }
    for litmus in COUNTS_OF_OUTCOMES {
        let program = litmus.program();
        let executions = all(&program);
        let with_outcome = |executions: &std::collections::BTreeSet<_>| {
            let shows = executions.iter().filter(|e| litmus.shows(&program, e));
            shows.count()
        };
        let found = (with_outcome(&executions.rc11), with_outcome(&executions.sc));
        if found != litmus.executions {
            wrong.push(format!(
                "{}: {found:?} instead of {:?}",
                litmus.name, litmus.executions
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The litmus tests, by name, that have other executions under another variant of RC11.
fn different_under(variant: Variant) -> Vec<&'static str> {
    let litmus = LITMUS.iter().map(|litmus| (litmus.name, litmus.threads));
    let counts = COUNTS.iter().map(|count| (count.name, count.threads));
    let differ = litmus.chain(counts).filter(|(_, threads)| {
        let program = Program::new(threads);
        let other = executions_with(&program, usize::MAX, variant);
        other.expect("there is no limit") != all(&program)
    });
    differ.map(|(name, _)| name).collect()
}

/// The paper's release sequence, which has the thread's own later stores, forbids what that of
/// C++20 allows.
#[test]
fn the_release_sequence_of_the_paper() {
    let paper = Variant {
        release_sequence: ReleaseSequence::Paper,
        ..RC11
    };
    assert_eq!(
        different_under(paper),
        [
            "MP+release-sequence-of-C++11",
            "MP+rels+acq",
            "MP+rels+acqf",
            "MPU+rels+acq",
            "MPU2+rels+acq",
            "S+rels+acq",
            "relseq",
        ]
    );
}

/// GenMC 0.10 and later count fewer executions of these two: 22 of Z6.U and 17 of WWmerge1.
#[test]
fn the_sc_order_of_genmc() {
    let genmc = Variant {
        scb: Scb::AnyPlace,
        ..RC11
    };
    assert_eq!(different_under(genmc), ["Z6.U", "WWmerge1"]);
    let count = |name: &str| {
        let litmus = LITMUS.iter().map(|litmus| (litmus.name, litmus.threads));
        let counts = COUNTS.iter().map(|count| (count.name, count.threads));
        let (_, threads) = litmus.chain(counts).find(|(n, _)| *n == name).unwrap();
        let executions = executions_with(&Program::new(threads), usize::MAX, genmc);
        executions.expect("there is no limit").rc11.len()
    };
    assert_eq!((count("Z6.U"), count("WWmerge1")), (22, 17));
}

#[test]
fn increments_give_the_multinomial_coefficient() {
    for (threads, each, expected) in [
        (2, 1, 2),
        (2, 2, 6),
        (2, 3, 20),
        (2, 4, 70),
        (3, 1, 6),
        (3, 2, 90),
        (4, 1, 24),
        (4, 2, 2520),
        (5, 1, 120),
    ] {
        let by_rmw = vec![add(X, 1, RLX); each];
        let by_mutex = [Op::Lock(0), Op::Get(0), set(0, 1), Op::Unlock(0)].repeat(each);
        for ops in [by_rmw, by_mutex] {
            let executions = all(&Program::new(&vec![ops.as_slice(); threads]));
            let found = (executions.rc11.len(), executions.sc.len());
            assert_eq!(found, (expected, expected), "{threads}x{each}: {ops:?}");
            assert!(executions.rc11.iter().all(|e| e.races.is_empty()));
        }
    }
}

// ---- The oracle against a simpler one ----

#[test]
fn litmus_tests_by_interleaving() {
    let programs = LITMUS.iter().map(Litmus::program);
    let counted = COUNTS.iter().map(|count| Program::new(count.threads));
    let outcomes = COUNTS_OF_OUTCOMES.iter().map(Litmus::program);
    for program in programs.chain(counted).chain(outcomes) {
        let ops = || program.threads.iter().flatten();
        let updates = ops().filter(|op| matches!(op, Op::Rmw(..) | Op::Lock(_)));
        if ops().count() > 6 || updates.count() > 2 {
            continue;
        }
        assert_eq!(
            by_interleaving(&program, RC11),
            all(&program),
            "{program:?}"
        );
    }
}
