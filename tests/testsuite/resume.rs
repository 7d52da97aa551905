// SPDX-License-Identifier: GPL-2.0-only
//! An exploration that is stopped and gone on with comes to what it would have come to otherwise.

use nfsd_check::{
    check::{MemoryModel as Memory, program::program},
    engine::{Exploration, Jobs, Limits, MemoryModel, Program, dpor},
    library::Library,
    model::Model,
    report::resume::Resume,
    scenario::Scenario,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

struct Pair {
    scenario: Arc<Scenario>,
    model: Model,
    memory: Memory,
    all: bool,
}

impl Pair {
    fn new(scenario: &str, model: &str, memory: Memory, all: bool) -> Self {
        let library = Library::find().expect("the library is there");
        let mut scenario = library.scenario(scenario).expect("it is in the library");
        scenario.expect.clear();
        Self {
            scenario: Arc::new(scenario),
            model: library.model(model).expect("it is in the library"),
            memory,
            all,
        }
    }

    fn program(&self) -> Program {
        program(&self.scenario, self.model.choices)
    }

    fn limits(&self) -> Limits {
        Limits {
            memory_model: match self.memory {
                Memory::Rc11 => MemoryModel::Rc11,
                _ => MemoryModel::Sc,
            },
            all: self.all,
            ..Limits::default()
        }
    }

    fn about(&self) -> String {
        let (scenario, model) = (&self.scenario.name, &self.model.name);
        format!(
            "{scenario} on {model}, {:?}, all: {}",
            self.memory, self.all
        )
    }

    /// What is left, through a file.
    fn through_a_file(&self, exploration: &Exploration) -> dpor::Checkpoint {
        let resume = Resume {
            scenario: (*self.scenario).clone(),
            model: self.model.clone(),
            memory_model: self.memory,
            all: self.all,
            preemption_bound: None,
            left: exploration.left.clone().expect("it was stopped"),
        };
        let text = resume.to_json();
        let read = Resume::parse("resume.json", text.as_bytes()).expect("it can be read");
        assert!(read == resume, "{text}");
        assert_eq!(read.to_json(), text);
        read.left
    }
}

fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for memory in [Memory::Sc, Memory::Rc11] {
        for all in [true, false] {
            pairs.push(Pair::new("put-order", "v2-8of9", memory, all));
            pairs.push(Pair::new("put-order", "v4", memory, all));
            // RC11 comes upon executions of this one that no interleaving shows before one that is.
            pairs.push(Pair::new("flush-vs-lookup", "v4", memory, all));
            pairs.push(Pair::new("gc-vs-netns-exit", "v1-7of8", memory, all));
        }
    }
    pairs
}

fn told(exploration: &Exploration) -> String {
    format!("{exploration:#?}")
}

/// Stopped after each number of executions, at least up to some, and some further ones.
#[test]
fn stopped_at_many_points() {
    for pair in pairs() {
        let (program, limits) = (pair.program(), pair.limits());
        let expected = dpor::explore(&program, &limits);
        assert!(expected.left.is_none());
        let executions = expected.executions;
        let mut stops: Vec<u64> = (1..executions.min(12)).collect();
        stops.extend((1..8).map(|n| executions * n / 8).filter(|n| *n > 12));
        for most in stops {
            let stopped = dpor::explore(
                &program,
                &Limits {
                    max_executions: Some(most),
                    ..pair.limits()
                },
            );
            assert_eq!(stopped.executions, most);
            assert!(!stopped.complete);
            let left = pair.through_a_file(&stopped);
            let resumed = dpor::resume(&program, &limits, &left).expect("it goes on");
            let about = format!("{}, after {most} of {executions}", pair.about());
            assert!(told(&resumed) == told(&expected), "{about}: {resumed:?}");
        }
    }
}

/// Stopped again and again.
#[test]
fn stopped_every_few_executions() {
    for pair in pairs() {
        let (program, limits) = (pair.program(), pair.limits());
        let expected = dpor::explore(&program, &limits);
        let step = expected.executions.div_ceil(20).max(3);
        let mut most = step;
        let at_most = |most| Limits {
            max_executions: Some(most),
            ..pair.limits()
        };
        let mut exploration = dpor::explore(&program, &at_most(most));
        while exploration.left.is_some() {
            most += step;
            let left = pair.through_a_file(&exploration);
            let resumed = dpor::resume(&program, &at_most(most), &left);
            exploration = resumed.expect("it goes on");
        }
        assert!(told(&exploration) == told(&expected), "{}", pair.about());
    }
}

/// Stopped at any moment while several threads are at it, and gone on with by several, or by one.
#[test]
fn stopped_while_several_threads_are_at_it() {
    let mut handed_out = 0;
    for pair in pairs() {
        let program = pair.program();
        let expected = dpor::explore(&program, &pair.limits());
        for stop in [3, 17, 60, 200] {
            for jobs in [0, 2] {
                let limits = Limits {
                    jobs: Jobs::eager(jobs),
                    ..pair.limits()
                };
                let runs = AtomicU64::new(0);
                let stopping: Program = {
                    let program = Arc::clone(&program);
                    let interrupted = Arc::clone(&limits.interrupted);
                    Arc::new(move || {
                        if runs.fetch_add(1, Relaxed) == stop {
                            interrupted.store(true, Relaxed);
                        }
                        program();
                    })
                };
                let stopped = dpor::explore(&stopping, &limits);
                if stopped.left.is_none() {
                    continue;
                }
                let left = pair.through_a_file(&stopped);
                handed_out += 1;
                for jobs in [Jobs::default(), Jobs::eager(0), Jobs::eager(2)] {
                    let limits = Limits {
                        jobs,
                        ..pair.limits()
                    };
                    let resumed = dpor::resume(&program, &limits, &left).expect("it goes on");
                    let about = pair.about();
                    let counts = |e: &Exploration| (e.executions, e.blocked);
                    assert_eq!(counts(&resumed), counts(&expected), "{about}");
                    assert!(told(&resumed) == told(&expected), "{about}: {resumed:?}");
                }
            }
        }
    }
    assert!(handed_out > 30, "{handed_out}");
}

/// What was left of one program is no place in another.
#[test]
fn another_program_cannot_be_gone_on_with() {
    for memory in [Memory::Sc, Memory::Rc11] {
        let pair = Pair::new("gc-vs-netns-exit", "v4", memory, true);
        let other = Pair::new("flush-vs-lookup", "v4", memory, true);
        let limits = Limits {
            max_executions: Some(20),
            ..pair.limits()
        };
        let left = dpor::explore(&pair.program(), &limits).left;
        let left = left.expect("it was stopped");
        let refused = dpor::resume(&other.program(), &other.limits(), &left);
        let message = refused.expect_err("it is another program");
        assert!(message.contains("does not do what it did"), "{message}");
        let other_memory = Limits {
            memory_model: match memory {
                Memory::Sc => MemoryModel::Rc11,
                _ => MemoryModel::Sc,
            },
            ..Limits::default()
        };
        let refused = dpor::resume(&pair.program(), &other_memory, &left);
        let message = refused.expect_err("it is another memory");
        assert!(message.contains("another memory model"), "{message}");
    }
}

/// A budget and an interrupt end an exploration within a second, and the estimate is one.
#[test]
fn stops_within_a_second() {
    for memory in [Memory::Sc, Memory::Rc11] {
        for jobs in [0, 2] {
            let pair = Pair::new("no-stop", "v4", memory, true);
            let limits = Limits {
                budget: Some(Duration::from_millis(400)),
                jobs: Jobs::new(jobs),
                ..pair.limits()
            };
            let start = Instant::now();
            let exploration = dpor::explore(&pair.program(), &limits);
            let took = start.elapsed();
            assert!(took < Duration::from_millis(1400), "{took:?}");
            let reason = exploration.reason.expect("it is too large");
            assert!(
                reason.starts_with("the budget of 0.4 s ran out"),
                "{reason}"
            );
            assert!(exploration.left.is_some());
            let share = f64::from_bits(limits.share.load(Relaxed));
            assert!((0.0..0.9).contains(&share), "{share}");
            // Interrupted from outside.
            let limits = Limits {
                budget: None,
                ..limits
            };
            let interrupted = Arc::clone(&limits.interrupted);
            let program = pair.program();
            let exploring = std::thread::spawn(move || dpor::explore(&program, &limits));
            std::thread::sleep(Duration::from_millis(300));
            let start = Instant::now();
            interrupted.store(true, Relaxed);
            let exploration = exploring.join().expect("it returns");
            let took = start.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?}");
            assert!(exploration.left.is_some());
        }
    }
}

#[test]
fn the_estimate_comes_to_all() {
    for pair in pairs() {
        if !pair.all {
            continue;
        }
        for jobs in [Jobs::default(), Jobs::eager(2)] {
            let limits = Limits {
                jobs,
                ..pair.limits()
            };
            assert!(dpor::explore(&pair.program(), &limits).complete);
            let share = f64::from_bits(limits.share.load(Relaxed));
            assert!((0.99..1.01).contains(&share), "{}: {share}", pair.about());
        }
    }
}
