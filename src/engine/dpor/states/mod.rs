// SPDX-License-Identifier: GPL-2.0-only
//! Every sequentially consistent interleaving of a program, with each state visited once.
//!
//! A search without stored states visits every *execution*, of which there are far more than
//! states: what two threads have done in either order leads to the same state wherever neither has
//! kept anything of it. Here the states that were seen are stored, by fingerprint, and a state that
//! comes about again is not gone on from.
//!
//! Stored states are usually bought with an interpreter. Here the program is native code, and is
//! run once for each thing that one of its threads can do after what it has learned
//! ([`automaton`]); from then on a step is a look into a table and a few writes to an array
//! ([`state`]). What is a state, and under which names, is [`layout`]'s business; what steps do,
//! [`memory`]'s; running the program, [`learner`]'s.
//!
//! # Persistent sets
//!
//! Where the next step of a thread commutes with everything that all others may still do, only that
//! step is taken: a persistent set of one (Godefroid, 1996). What a thread may still do is read off
//! the automaton, which knows what has been seen so far. So the search is repeated until the last
//! round has seen nothing new. That suffices. Let it have left out, at some state, a step of another
//! thread that leads to an access which does not commute, and let the state be one from which the
//! fewest steps remain. Nothing on the way to that access conflicts with the step that was taken
//! instead, so the same way leads to it from the next state, too. From there fewer steps remain, so
//! nothing is left out, and the way was seen, or one equivalent to it; with it every place on it,
//! and the access. Then it stands in the automaton, and the set was not persistent. No state can
//! come about again on one path, since a thread's place says what it has learned, so nothing is put
//! off forever.
//!
//! A step that ends the execution commutes with nothing.
//!
//! # What has to be told
//!
//! The program has to tell the engine all that its threads share ([`Engine::stores_states`]). Where
//! it does not, threads do different things after they have learned the same. The learner compares
//! what it sees with what it has seen at every step that it runs, and the state that it comes to
//! with the one that the tables lead to, and ends the exploration where they differ.

mod automaton;
mod layout;
mod learner;
mod memory;
mod state;

use super::{
    ThreadKey,
    execution::{Director, Scheduled},
};
use crate::{
    engine::{Exploration, Finding, Limits, Program},
    sync::{
        self,
        engine::{Action, Engine},
        violation::ViolationKind,
    },
};
use automaton::{Access, Doing, FINISHED, Place, START, UNKNOWN};
use layout::{Mixer, PLACE, ThreadName};
use learner::{End, Execution, Learner, Taken};
use memory::{Asked, Memory};
use state::{Fingerprint, State};
use std::{
    collections::HashSet,
    hash::BuildHasherDefault,
    rc::Rc,
    sync::atomic::Ordering,
    time::Instant,
};

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The execution goes on.
    GoesOn,
    /// A violation ended it.
    Fatal,
    /// What comes next is one thread at a time.
    Alone,
}

/// A state on the path that is being explored.
#[derive(Debug)]
struct Node {
    mark: state::Mark,
    /// The steps to take from it, the next one last.
    left: Vec<Taken>,
    /// How many steps led to it.
    depth: usize,
}

type Found = (ViolationKind, u64, Vec<Scheduled<ThreadKey>>);

struct Search<'a> {
    learner: Rc<Learner>,
    program: &'a Program,
    limits: &'a Limits,
    start: Instant,
    /// The state that is being looked at, apart from the learner's.
    state: State,
    seen: HashSet<Fingerprint, BuildHasherDefault<Mixer>>,
    path: Vec<Taken>,
    found: Vec<Found>,
    exploration: Exploration,
    accesses: Vec<(sync::engine::ObjectId, Access)>,
    violations: Vec<ViolationKind>,
    steps: u64,
}

/// Why the search ends early.
type Stop = String;

/// Explore a program.
pub(super) fn explore(program: &Program, limits: &Limits) -> Exploration {
    let learner = Learner::new();
    let engine: Rc<dyn Engine> = Rc::<Learner>::clone(&learner);
    let mut search = Search {
        learner,
        program,
        limits,
        start: Instant::now(),
        state: State::default(),
        seen: HashSet::default(),
        path: Vec::new(),
        found: Vec::new(),
        exploration: Exploration::default(),
        accesses: Vec::new(),
        violations: Vec::new(),
        steps: 0,
    };
    sync::with_engine(engine, || {
        match search.explore() {
            Ok(()) => search.exploration.complete = true,
            Err(reason) => search.exploration.reason = Some(reason),
        }
        search.learner.end_execution();
    });
    let mut exploration = search.exploration;
    for (kind, after, schedule) in search.found {
        let recording = super::directed(program, Director::Keys(schedule)).0.recording;
        if recording.violation(kind).is_some() {
            exploration.findings.push(Finding {
                kind,
                recording,
                after,
            });
        } else {
            exploration.complete = false;
            exploration.reason = Some(format!(
                "the model is not deterministic: a {kind} found in execution {after} did not come \
                 about again"
            ));
        }
    }
    exploration
}

impl Search<'_> {
    fn explore(&mut self) -> Result<(), Stop> {
        loop {
            let growth = self.learner.execution.borrow().automaton.growth;
            self.round()?;
            if std::env::var_os("NFSD_CHECK_DEBUG").is_some() {
                let execution = self.learner.execution.borrow();
                eprintln!(
                    "round: {} states, {} steps, {} places, growth {} -> {}, {} executions, {:?}",
                    self.seen.len(),
                    self.steps,
                    execution.automaton.places(),
                    growth,
                    execution.automaton.growth,
                    self.exploration.executions,
                    self.start.elapsed(),
                );
            }
            if self.learner.execution.borrow().automaton.growth == growth {
                return Ok(());
            }
        }
    }

    /// Explore with what is known of the threads now.
    fn round(&mut self) -> Result<(), Stop> {
        self.exploration.executions = 0;
        self.seen.clear();
        self.path.clear();
        self.learner.begin_execution(self.program);
        {
            let execution = self.learner.execution.borrow();
            if let Some(End::Cut(why)) = &execution.end {
                return Err(why.clone());
            }
            self.state = execution.state.clone();
        }
        let mut nodes: Vec<Node> = Vec::new();
        let root = self.expand()?;
        nodes.extend(root);
        while let Some(node) = nodes.last_mut() {
            self.state.go_back(node.mark);
            self.path.truncate(node.depth);
            let Some(taken) = node.left.pop() else {
                nodes.pop();
                continue;
            };
            let outcome = self.step(taken)?;
            self.path.push(taken);
            if let Some(node) = self.arrive(outcome)? {
                nodes.push(node);
            }
        }
        Ok(())
    }

    /// A step has been taken: what is left to do from here.
    fn arrive(&mut self, outcome: Outcome) -> Result<Option<Node>, Stop> {
        match outcome {
            Outcome::Fatal => {
                self.exploration.executions += 1;
                self.note_violations()?;
                Ok(None)
            }
            Outcome::Alone => {
                self.note_violations()?;
                self.end_alone()?;
                Ok(None)
            }
            Outcome::GoesOn => {
                self.note_violations()?;
                if !self.seen.insert(self.state.fingerprint()) {
                    return Ok(None);
                }
                if self.seen.len() % 1024 == 0
                    && let Some(reason) =
                        self.limits.reached(self.start, self.exploration.executions)
                {
                    return Err(reason);
                }
                self.expand()
            }
        }
    }

    fn note_violations(&mut self) -> Result<(), Stop> {
        for kind in std::mem::take(&mut self.violations) {
            self.note(kind, true)?;
        }
        Ok(())
    }

    /// A violation came about at the end of the path.
    fn note(&mut self, kind: ViolationKind, goes_to: bool) -> Result<(), Stop> {
        if self.found.iter().any(|(known, ..)| *known == kind) {
            return Ok(());
        }
        if goes_to {
            let (last, before) = self.path.split_last().expect("a step has been taken");
            self.learner.go_to(self.program, before)?;
            self.learner.take(*last);
        }
        let schedule = self.learner.schedule();
        self.found
            .push((kind, self.exploration.executions, schedule));
        if self.limits.all {
            Ok(())
        } else {
            Err("stopped at the first violation".to_owned())
        }
    }

    /// What comes after the part where every interleaving counts.
    fn end_alone(&mut self) -> Result<(), Stop> {
        let (last, before) = self.path.split_last().expect("a step has been taken");
        self.learner.go_to(self.program, before)?;
        self.learner.take(*last);
        self.learner.finish();
        self.end_of_execution()
    }

    fn end_of_execution(&mut self) -> Result<(), Stop> {
        self.exploration.executions += 1;
        self.limits
            .progress
            .store(self.exploration.executions, Ordering::Relaxed);
        let violations = {
            let execution = self.learner.execution.borrow();
            if let Some(End::Cut(why)) = &execution.end {
                return Err(why.clone());
            }
            execution.violations.clone()
        };
        for kind in violations {
            self.note(kind, false)?;
        }
        Ok(())
    }

    fn with_execution<R>(&mut self, f: impl FnOnce(&mut Execution, &mut State) -> R) -> R {
        let mut execution = self.learner.execution.borrow_mut();
        f(&mut execution, &mut self.state)
    }

    /// Threads that there are in the state, with where they are.
    fn threads(&self) -> Vec<(ThreadName, Place)> {
        let execution = self.learner.execution.borrow();
        (0..execution.layout.threads())
            .map(|name| {
                let cell = execution.layout.thread(name).cells + PLACE;
                (name, self.state.get(cell))
            })
            .filter(|(_, place)| *place != 0)
            .collect()
    }

    fn asked(execution: &Execution, name: ThreadName, place: Place) -> Asked {
        if place >= START {
            return Asked {
                object: execution.layout.thread(name).object,
                action: Action::Start,
                touching: Vec::new(),
                beginning: Vec::new(),
            };
        }
        match execution.automaton.doing(place) {
            Doing::Step(asked) => asked.clone(),
            Doing::Query(_) => unreachable!("a thread is interrupted between steps only"),
        }
    }

    /// The steps to take from the state.
    fn expand(&mut self) -> Result<Option<Node>, Stop> {
        let threads = self.threads();
        let mut enabled: Vec<(ThreadName, u32)> = Vec::new();
        let mut settles = None;
        let mut waits = false;
        self.with_execution(|execution, state| {
            for (name, place) in &threads {
                let asked = Self::asked(execution, *name, *place);
                if asked.action == Action::Settle {
                    settles = Some(*name);
                    continue;
                }
                let is_enabled = {
                    let memory = Memory {
                        layout: &mut execution.layout,
                        state,
                        concurrent: true,
                        accesses: &mut Vec::new(),
                        violations: &mut Vec::new(),
                        fatal: false,
                        alone: false,
                    };
                    memory.is_enabled(*name, &asked)
                };
                if is_enabled {
                    let choices = match asked.action {
                        Action::Choose(below) => below,
                        _ => 1,
                    };
                    enabled.push((*name, choices));
                } else {
                    waits |= !execution.layout.thread(*name).daemon;
                }
            }
        });
        let mark = self.state.mark();
        let depth = self.path.len();
        if enabled.is_empty() {
            let left = match settles {
                Some(name) if !waits => vec![Taken {
                    thread: name,
                    choice: 0,
                }],
                _ => {
                    self.stuck(waits)?;
                    return Ok(None);
                }
            };
            return Ok(Some(Node { mark, left, depth }));
        }
        // Whoever ran last goes on first: the first path found has few switches.
        if let Some(last) = self.path.last()
            && let Some(at) = enabled.iter().position(|(name, _)| *name == last.thread)
        {
            let first = enabled.remove(at);
            enabled.insert(0, first);
        }
        for (name, choices) in &enabled {
            if self.is_persistent(*name, *choices, &threads)? {
                let left = Self::steps_of(*name, *choices).collect();
                return Ok(Some(Node { mark, left, depth }));
            }
        }
        let left = enabled.iter().rev();
        let left = left.flat_map(|(name, choices)| Self::steps_of(*name, *choices));
        let left = left.collect();
        Ok(Some(Node { mark, left, depth }))
    }

    fn steps_of(thread: ThreadName, choices: u32) -> impl Iterator<Item = Taken> {
        (0..choices)
            .rev()
            .map(move |choice| Taken { thread, choice })
    }

    /// Whether the next step of a thread commutes with all that the others may still do.
    fn is_persistent(
        &mut self,
        name: ThreadName,
        choices: u32,
        threads: &[(ThreadName, Place)],
    ) -> Result<bool, Stop> {
        for taken in Self::steps_of(name, choices) {
            let mark = self.state.mark();
            let outcome = self.step(taken)?;
            self.state.go_back(mark);
            self.violations.clear();
            if outcome == Outcome::Fatal {
                return Ok(false);
            }
            let execution = self.learner.execution.borrow();
            let others = threads.iter().filter(|(other, _)| *other != name);
            let futures = others.filter_map(|(_, place)| execution.automaton.future(*place));
            for future in futures {
                let mut accesses = self.accesses.iter();
                if accesses.any(|(object, access)| future.conflict(*object, *access)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// No thread can go on.
    fn stuck(&mut self, waits: bool) -> Result<(), Stop> {
        let path = std::mem::take(&mut self.path);
        let arrived = self.learner.go_to(self.program, &path);
        self.path = path;
        arrived?;
        if waits && std::env::var_os("NFSD_CHECK_DEBUG").is_some() {
            let threads = self.threads();
            self.with_execution(|execution, _| {
                for (name, place) in threads {
                    eprintln!("stuck: {} {:?}", execution.layout.describe(name), Self::asked(execution, name, place));
                }
            });
            return Err("stuck".into());
        }
        if waits {
            self.learner
                .execution
                .borrow_mut()
                .violations
                .push(ViolationKind::HungTask);
        }
        self.end_of_execution()
    }

    /// Take a step, from the state and to the next one.
    fn step(&mut self, taken: Taken) -> Result<Outcome, Stop> {
        loop {
            let mark = self.state.mark();
            self.accesses.clear();
            self.violations.clear();
            if let Some(outcome) = self.step_by_table(taken)? {
                return Ok(outcome);
            }
            self.state.go_back(mark);
            let path = std::mem::take(&mut self.path);
            let arrived = self.learner.go_to(self.program, &path);
            self.path = path;
            arrived?;
            if self.learner.execution.borrow().state.fingerprint() != self.state.fingerprint() {
                let step = self.path.len();
                return Err(format!(
                    "the model is not deterministic: the state after {step} steps is not what \
                     their tables say"
                ));
            }
            self.learner.take(taken);
            if let Some(End::Cut(why)) = &self.learner.execution.borrow().end {
                return Err(why.clone());
            }
        }
    }

    /// `None` where the table does not know.
    fn step_by_table(&mut self, taken: Taken) -> Result<Option<Outcome>, Stop> {
        let execution = &mut *self.learner.execution.borrow_mut();
        let name = taken.thread;
        let cell = execution.layout.thread(name).cells + PLACE;
        let mut place = self.state.get(cell);
        let asked = Self::asked(execution, name, place);
        let Execution {
            layout, automaton, ..
        } = execution;
        if asked.action == Action::Settle {
            for other in 0..layout.threads() {
                let place = self.state.get(layout.thread(other).cells + PLACE);
                if other != name && place != 0 {
                    let mut memory = Memory {
                        layout,
                        state: &mut self.state,
                        concurrent: true,
                        accesses: &mut self.accesses,
                        violations: &mut self.violations,
                        fatal: false,
                        alone: false,
                    };
                    memory.finish(other);
                }
            }
        }
        let mut memory = Memory {
            layout,
            state: &mut self.state,
            concurrent: true,
            accesses: &mut self.accesses,
            violations: &mut self.violations,
            fatal: false,
            alone: false,
        };
        let (_, mut learned) = memory.perform(name, &asked, taken.choice);
        loop {
            if memory.fatal {
                return Ok(Some(Outcome::Fatal));
            }
            let Some(edge) = automaton.edge(place, learned) else {
                return Ok(None);
            };
            for effect in &edge.effects {
                memory.effect(name, *effect);
                if memory.fatal {
                    return Ok(Some(Outcome::Fatal));
                }
                if memory.alone {
                    return Ok(Some(Outcome::Alone));
                }
            }
            match edge.next {
                UNKNOWN => return Ok(None),
                FINISHED => {
                    memory.finish(name);
                    break;
                }
                next => place = next,
            }
            match automaton.doing(place) {
                Doing::Query(query) => learned = memory.query(*query),
                Doing::Step(_) => {
                    memory.state.set(cell, place);
                    break;
                }
            }
        }
        if let Some(why) = memory.layout.full.clone() {
            return Err(why);
        }
        self.steps += 1;
        Ok(Some(Outcome::GoesOn))
    }
}
