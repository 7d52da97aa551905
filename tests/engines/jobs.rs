// SPDX-License-Identifier: GPL-2.0-only
//! An exploration comes to the same for any number of threads.

use crate::rc11::{bridge::to_engine, generate::Random};
use nfsd_check::{
    check::program::program,
    engine::{Exploration, Jobs, Limits, MemoryModel, Program, dpor},
    library::Library,
};
use std::sync::{Arc, Mutex};

/// The ways to explore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Interleavings,
    Graphs(MemoryModel),
}

const WAYS: [Way; 3] = [
    Way::Interleavings,
    Way::Graphs(MemoryModel::Sc),
    Way::Graphs(MemoryModel::Rc11),
];

fn explore(way: Way, program: &Program, all: bool, jobs: Jobs) -> Exploration {
    let mut limits = Limits {
        all,
        jobs,
        ..Limits::default()
    };
    match way {
        Way::Interleavings => dpor::explore(program, &limits),
        Way::Graphs(memory_model) => {
            limits.memory_model = memory_model;
            dpor::graphs::explore(program, &limits)
        }
    }
}

/// Everything that is told: counts, reasons, and the steps of what was found.
fn told(exploration: &Exploration) -> String {
    format!("{exploration:#?}")
}

fn compare(program: &Program, about: &str, jobs: &[fn() -> Jobs]) -> [Exploration; 3] {
    WAYS.map(|way| {
        let mut last = Exploration::default();
        for all in [false, true] {
            let expected = explore(way, program, all, Jobs::default());
            for (number, jobs) in jobs.iter().enumerate() {
                let found = explore(way, program, all, jobs());
                let same = told(&found) == told(&expected);
                assert!(
                    same,
                    "{about}, {way:?}, all: {all}, jobs {number}: {} executions, {} cut, {:?}, {:?} \
                     instead of {}, {}, {:?}, {:?}",
                    found.executions,
                    found.blocked,
                    found.reason,
                    found.findings.iter().map(|f| (f.kind, f.after)).collect::<Vec<_>>(),
                    expected.executions,
                    expected.blocked,
                    expected.reason,
                    expected.findings.iter().map(|f| (f.kind, f.after)).collect::<Vec<_>>(),
                );
            }
            last = expected;
        }
        last
    })
}

const JOBS: [fn() -> Jobs; 3] = [|| Jobs::eager(0), || Jobs::eager(1), || Jobs::eager(2)];

#[test]
fn scenarios_come_to_the_same() {
    let library = Library::find().expect("the library is there");
    let scenarios = [
        "put-order",
        "gc-vs-netns-exit",
        "flush-vs-lookup",
        "flush-during-open",
    ];
    let (mut violated, mut held) = (0, 0);
    for scenario in scenarios {
        let scenario = Arc::new(library.scenario(scenario).expect("it is in the library"));
        for model in ["v1-7of8", "v2-8of9", "v4"] {
            let model = library.model(model).expect("it is in the library");
            let program = program(&scenario, model.choices);
            let about = format!("{} on {}", scenario.name, model.name);
            for exploration in compare(&program, &about, &JOBS) {
                assert!(exploration.complete, "{about}: {:?}", exploration.reason);
                violated += u32::from(!exploration.findings.is_empty());
                held += u32::from(exploration.findings.is_empty());
            }
        }
    }
    assert!(violated > 5 && held > 5, "{violated} {held}");
}

#[test]
fn generated_programs_come_to_the_same() {
    let mut random = Random::new(0x3141_5926_5358);
    let (mut executions, mut violated) = (0, 0);
    for number in 0..400 {
        let oracle = random.program(9);
        let program = to_engine(&oracle, &Arc::new(Mutex::new(Vec::new())), |_| ());
        // Where plain accesses race, which of them came first is not the same each time.
        if oracle.cells > 0 {
            continue;
        }
        let about = format!("{number}: {oracle:?}");
        let jobs: [fn() -> Jobs; 2] = [|| Jobs::eager(0), || Jobs::eager(2)];
        for exploration in compare(&program, &about, &jobs) {
            executions += exploration.executions;
            violated += u32::from(!exploration.findings.is_empty());
        }
    }
    assert!(
        executions > 5000 && violated > 20,
        "{executions} {violated}"
    );
}
