// SPDX-License-Identifier: GPL-2.0-only
//! The explorer against a brute-force enumerator of the executions that RC11 allows, and that
//! enumerator against what is known.

mod rc11;

use rc11::{
    axioms::ReleaseSequence,
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

/// The paper's release sequence, which has the thread's own later stores, forbids here what that
/// of C++20 allows. Nowhere else among the litmus tests do the two differ.
#[test]
fn the_release_sequence_of_the_paper() {
    let differ: Vec<&str> = LITMUS
        .iter()
        .filter(|litmus| {
            let program = litmus.program();
            let paper = executions_with(&program, usize::MAX, ReleaseSequence::Paper);
            paper.expect("there is no limit") != all(&program)
        })
        .map(|litmus| litmus.name)
        .collect();
    assert_eq!(differ, ["MP+release-sequence-of-C++11"]);
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
        if program.threads.iter().flatten().count() > 8 {
            continue;
        }
        assert_eq!(
            by_interleaving(&program, ReleaseSequence::Cxx20),
            all(&program),
            "{program:?}"
        );
    }
}
