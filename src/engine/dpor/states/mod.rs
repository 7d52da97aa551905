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
//! (`automaton`); from then on a step is a look into a table and a few writes to an array
//! (`state`). What is a state, and under which names, is `layout`'s business; what steps do,
//! `memory`'s; running the program, `learner`'s.
//!
//! # Which steps are left out
//!
//! At each state one thread goes first, and another one is tried only if that may make a
//! difference: if something that it does later, in some execution from the next state on, does not
//! commute with the step of the first. So the steps that are tried at a state are a persistent set
//! (Godefroid, 1996), found while searching (Flanagan, Godefroid, POPL 2005). Since a state that
//! comes about again is not gone on from, what is accessed later is kept with each state as a
//! `Summary` (Yang, Chen, Gopalakrishnan, Kirby, SPIN 2008).
//!
//! Why that is enough: a summary of a state has the accesses of all executions from it, those that
//! were left out included, as they are equivalent to ones that were not. That is so for states
//! without a step. Let it be so for all that follow a state, where the steps of some threads were
//! taken, and let there be a way from it, without a step of those threads, to an access that does
//! not commute with one of these steps; the first such. Then the way can be gone after that step as
//! well, up to the access: it is in the summary, or its thread waits there, and what it waits for is
//! in the summary. So the access was noted as one that does not commute, and its thread was tried,
//! or one that has to go on before it can. But the way has no steps of those. And a state cannot
//! come about again on one path, since a thread's place says what it has learned.
//!
//! A step that ends the execution commutes with nothing.
//!
//! # What has to be told
//!
//! The program has to tell the engine all that its threads share ([`Engine::stores_states`]). Where
//! it does not, threads do different things after they have learned the same. The learner compares
//! what it sees with what it has seen at every step that it runs, and the state that it comes to
//! with the one that the tables lead to, and ends the exploration where they differ.

mod access;
mod automaton;
mod layout;
mod learner;
mod memory;
mod smallest;
mod state;

use super::execution::{Director, Scheduled, ThreadKey};
use crate::{
    engine::{Exploration, Finding, Limits, Program},
    sync::{
        self,
        engine::{Action, Engine, ObjectId},
        violation::ViolationKind,
    },
};
use access::{Access, Locks, SetNumber, Summaries, Summary};
use automaton::{Doing, FINISHED, Place, START, UNKNOWN};
use layout::{Map, PLACE, ThreadName};
use learner::{End, Execution, Learner, Taken};
use memory::{Asked, Memory, Noted};
pub(super) use smallest::Smallest;
pub(super) use state::scramble;
use state::{Fingerprint, Mark, State};
use std::{rc::Rc, sync::atomic::Ordering, time::Instant};

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

/// What a thread is about to do at a state.
#[derive(Debug)]
enum Standing {
    /// It has returned, or was not begun.
    Gone,
    /// It waits for all others to return.
    Settles,
    /// It can go on, with so many answers if it asks for a choice.
    GoesOn { choices: u32 },
    /// It cannot go on.
    Waits(Asked),
}

/// A thread that can go on from a state, and how many answers there are if it asks for a choice.
#[derive(Clone, Copy, Debug)]
struct Enabled {
    thread: ThreadName,
    choices: u32,
    /// Whether its steps were taken, or are to be.
    tried: bool,
}

/// A thread that cannot go on from a state.
#[derive(Debug)]
struct Waiting {
    thread: ThreadName,
    /// The object it waits for.
    object: ObjectId,
    /// The threads that all have to go on before it can, where that is known; else any that changes
    /// the object may be enough.
    before: Option<Vec<ThreadName>>,
}

/// A state on the path that is being explored.
#[derive(Debug)]
struct Node {
    fingerprint: Fingerprint,
    mark: Mark,
    /// How many steps led to it.
    depth: usize,
    enabled: Vec<Enabled>,
    /// The threads that wait.
    waiting: Vec<Waiting>,
    /// The steps to take from it, the next one last.
    left: Vec<Taken>,
    /// The step that is being explored, what it accesses, and the locks that its thread holds.
    taken: Option<(ThreadName, SetNumber, Locks)>,
    /// What was accessed so far from it on.
    summary: Summary,
}

type Found = (ViolationKind, u64, Vec<Scheduled<ThreadKey>>);

struct Search<'a> {
    learner: Rc<Learner>,
    program: &'a Program,
    limits: &'a Limits,
    start: Instant,
    /// The state that is being looked at, apart from the learner's.
    state: State,
    /// The states that nothing is left to do from, with what is accessed from each on.
    seen: Map<Fingerprint, Summary>,
    summaries: Summaries,
    /// By thread: which threads begin it.
    parents: Map<ThreadName, Vec<ThreadName>>,
    path: Vec<Taken>,
    found: Vec<Found>,
    exploration: Exploration,
    /// Of the last step.
    accesses: Vec<(ObjectId, Access)>,
    held: Locks,
    under: Locks,
    violations: Vec<Noted>,
    begun: Vec<ThreadName>,
}

/// Why the search ends early.
type Stop = String;

/// Explore a program.
pub(super) fn explore(program: &Program, limits: &Limits) -> Exploration {
    let mut search = Search::new(program, limits);
    let engine: Rc<dyn Engine> = Rc::<Learner>::clone(&search.learner);
    sync::with_engine(engine, || {
        match search.explore() {
            Ok(()) => search.exploration.complete = true,
            Err(reason) => search.exploration.reason = Some(reason),
        }
        search.learner.end_execution();
    });
    search.exploration.states = Some(search.seen.len() as u64);
    let mut exploration = search.exploration;
    for (kind, after, schedule) in search.found {
        // Who waits for several things may do so in another order there.
        let recording = super::directed(program, Director::Deferring(schedule))
            .0
            .recording;
        if recording.violation(kind).is_some() {
            exploration.findings.push(Finding {
                kind,
                recording,
                after,
                size: None,
            });
        } else {
            exploration.complete = false;
            exploration.reason = Some(format!(
                "a {kind} found in execution {after} did not come about again: either only a grace \
                 period orders what was taken for a race, or the model is not deterministic"
            ));
        }
    }
    exploration
}

impl<'a> Search<'a> {
    fn new(program: &'a Program, limits: &'a Limits) -> Self {
        Self {
            learner: Learner::new(),
            program,
            limits,
            start: Instant::now(),
            state: State::default(),
            seen: Map::default(),
            summaries: Summaries::default(),
            parents: Map::default(),
            path: Vec::new(),
            found: Vec::new(),
            exploration: Exploration::default(),
            accesses: Vec::new(),
            held: 0,
            under: 0,
            violations: Vec::new(),
            begun: Vec::new(),
        }
    }

    /// Go to where every interleaving counts.
    fn begin(&mut self) -> Result<(), Stop> {
        self.learner.begin_execution(self.program);
        let execution = self.learner.execution.borrow();
        if let Some(End::Cut(why)) = &execution.end {
            return Err(why.clone());
        }
        self.state = execution.state.clone();
        Ok(())
    }

    fn explore(&mut self) -> Result<(), Stop> {
        self.begin()?;
        let mut nodes = vec![self.node()?];
        while let Some(node) = nodes.last_mut() {
            self.state.go_back(node.mark);
            self.path.truncate(node.depth);
            let Some(taken) = node.left.pop() else {
                self.seen.insert(node.fingerprint, node.summary);
                let summary = node.summary;
                nodes.pop();
                if let Some(parent) = nodes.last_mut() {
                    self.state.go_back(parent.mark);
                    self.explored(parent, summary);
                }
                continue;
            };
            let outcome = self.step(taken)?;
            self.path.push(taken);
            self.note_parents(taken.thread);
            let set = self.summaries.set(&self.accesses, self.under);
            node.taken = Some((taken.thread, set, self.held));
            self.note_violations()?;
            match outcome {
                Outcome::Fatal => {
                    self.exploration.executions += 1;
                    for index in 0..node.enabled.len() {
                        Self::try_thread(node, index);
                    }
                    self.state.go_back(node.mark);
                    self.explored(node, Summary::NOTHING);
                }
                Outcome::Alone => {
                    self.end_alone()?;
                    self.state.go_back(node.mark);
                    self.explored(node, Summary::NOTHING);
                }
                Outcome::GoesOn => {
                    if let Some(summary) = self.seen.get(&self.state.fingerprint()) {
                        let summary = *summary;
                        self.state.go_back(node.mark);
                        self.explored(node, summary);
                    } else {
                        let node = self.node()?;
                        nodes.push(node);
                    }
                }
            }
        }
        Ok(())
    }

    fn note_parents(&mut self, parent: ThreadName) {
        for child in self.begun.drain(..) {
            let parents = self.parents.entry(child).or_default();
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
    }

    /// All that follows the last step from a state was explored; from there on it accesses this.
    fn explored(&mut self, node: &mut Node, later: Summary) {
        let (thread, set, held) = node.taken.expect("a step was taken");
        let summary = self.summaries.union(node.summary, later);
        node.summary = self.summaries.add(summary, thread, set);
        for other in self.summaries.conflicts(thread, set, held, later) {
            self.let_go_first(node, thread, other, later, &mut Vec::new());
        }
    }

    /// Let a thread be tried, or what has to go on before it can, all without `thread`.
    fn let_go_first(
        &self,
        node: &mut Node,
        thread: ThreadName,
        other: ThreadName,
        later: Summary,
        asked_for: &mut Vec<ThreadName>,
    ) {
        if other == thread || asked_for.contains(&other) {
            return;
        }
        asked_for.push(other);
        if let Some(index) = node.enabled.iter().position(|e| e.thread == other) {
            Self::try_thread(node, index);
            return;
        }
        let waiting = node.waiting.iter().find(|waiting| waiting.thread == other);
        let before = match waiting {
            // It does not exist yet.
            None => self.parents.get(&other).cloned().unwrap_or_default(),
            Some(Waiting {
                before: Some(all), ..
            }) => match all.contains(&thread) {
                true => return,
                false => all.iter().copied().take(1).collect(),
            },
            Some(Waiting { object, .. }) => self.summaries.writers(*object, later),
        };
        for before in before {
            self.let_go_first(node, thread, before, later, asked_for);
        }
    }

    fn try_thread(node: &mut Node, index: usize) {
        let enabled = &mut node.enabled[index];
        if !enabled.tried {
            enabled.tried = true;
            let (thread, choices) = (enabled.thread, enabled.choices);
            let steps = (0..choices).rev().map(|choice| Taken { thread, choice });
            node.left.extend(steps);
        }
    }

    fn note_violations(&mut self) -> Result<(), Stop> {
        for Noted { kind, .. } in std::mem::take(&mut self.violations) {
            if self.found.iter().any(|(known, ..)| *known == kind) {
                continue;
            }
            self.run_path()?;
            self.note(kind)?;
        }
        Ok(())
    }

    /// Run the steps of the path, of which the last may end the execution.
    fn run_path(&self) -> Result<(), Stop> {
        let (last, before) = self.path.split_last().expect("a step has been taken");
        self.learner.go_to(self.program, before)?;
        self.learner.take(*last);
        Ok(())
    }

    /// A violation came about in the learner's execution.
    fn note(&mut self, kind: ViolationKind) -> Result<(), Stop> {
        if self.found.iter().any(|(known, ..)| *known == kind) {
            return Ok(());
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
        self.run_path()?;
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
        for Noted { kind, .. } in violations {
            self.note(kind)?;
        }
        Ok(())
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

    /// How many names of threads there are.
    fn threads(&self) -> ThreadName {
        self.learner.execution.borrow().layout.threads()
    }

    fn is_daemon(&self, name: ThreadName) -> bool {
        self.learner.execution.borrow().layout.thread(name).daemon
    }

    /// What a thread is about to do at the state.
    fn standing(&mut self, name: ThreadName) -> Standing {
        let execution = &mut *self.learner.execution.borrow_mut();
        let place = self.state.get(execution.layout.thread(name).cells + PLACE);
        if place == FINISHED {
            return Standing::Gone;
        }
        let asked = Self::asked(execution, name, place);
        let choices = match asked.action {
            Action::Settle => return Standing::Settles,
            Action::Choose(below) => below,
            _ => 1,
        };
        self.accesses.clear();
        let memory = Memory::new(
            &mut execution.layout,
            &mut self.state,
            true,
            &mut self.accesses,
            &mut self.violations,
            &mut self.begun,
        );
        match memory.is_enabled(name, &asked) {
            true => Standing::GoesOn { choices },
            false => Standing::Waits(asked),
        }
    }

    /// Looks at the memory of the state.
    fn look<R>(&mut self, f: impl FnOnce(&mut Memory<'_>) -> R) -> R {
        let execution = &mut *self.learner.execution.borrow_mut();
        let mut memory = Memory::new(
            &mut execution.layout,
            &mut self.state,
            true,
            &mut self.accesses,
            &mut self.violations,
            &mut self.begun,
        );
        f(&mut memory)
    }

    /// What a thread that waits for this would access.
    fn would_access(&mut self, asked: &Asked) {
        self.accesses.clear();
        self.look(|memory| memory.would_access(asked));
    }

    /// The state, with the first step to take from it.
    fn node(&mut self) -> Result<Node, Stop> {
        if self.seen.len().is_multiple_of(1024)
            && let Some(reason) = self.limits.reached(self.start, self.exploration.executions)
        {
            return Err(reason);
        }
        let mut node = Node {
            fingerprint: self.state.fingerprint(),
            mark: self.state.mark(),
            depth: self.path.len(),
            enabled: Vec::new(),
            waiting: Vec::new(),
            left: Vec::new(),
            taken: None,
            summary: Summary::NOTHING,
        };
        let mut settles = None;
        let mut all_daemons = true;
        for name in 0..self.threads() {
            match self.standing(name) {
                Standing::Gone => {}
                Standing::Settles => settles = Some(name),
                Standing::GoesOn { choices } => node.enabled.push(Enabled {
                    thread: name,
                    choices,
                    tried: false,
                }),
                Standing::Waits(asked) => {
                    let (before, is_daemon, under) = self.look(|memory| {
                        memory.would_access(&asked);
                        let before = memory.waits_for(&asked);
                        let is_daemon = memory.layout.thread(name).daemon;
                        (before, is_daemon, memory.under(name, &asked))
                    });
                    all_daemons &= is_daemon;
                    let set = self.summaries.set(&self.accesses, under);
                    node.summary = self.summaries.add(node.summary, name, set);
                    node.waiting.push(Waiting {
                        thread: name,
                        object: asked.object,
                        before,
                    });
                }
            }
        }
        if node.enabled.is_empty() {
            match settles {
                Some(thread) if all_daemons => node.left.push(Taken { thread, choice: 0 }),
                _ => self.stuck(!all_daemons)?,
            }
            return Ok(node);
        }
        // Whoever ran last goes on first: the first path found has few switches.
        let last = self.path.last().map(|last| last.thread);
        let goes_on = node.enabled.iter().position(|e| Some(e.thread) == last);
        Self::try_thread(&mut node, goes_on.unwrap_or(0));
        Ok(node)
    }

    /// No thread can go on.
    fn stuck(&mut self, hung: bool) -> Result<(), Stop> {
        self.learner.go_to(self.program, &self.path)?;
        if hung {
            let mut execution = self.learner.execution.borrow_mut();
            let hung = execution.hung();
            execution.violations.extend(hung);
        }
        self.end_of_execution()
    }

    /// Take a step, from the state and to the next one.
    fn step(&mut self, taken: Taken) -> Result<Outcome, Stop> {
        let mut learned = false;
        loop {
            let mark = self.state.mark();
            self.accesses.clear();
            self.violations.clear();
            self.begun.clear();
            if let Some(outcome) = self.step_by_table(taken)? {
                return Ok(outcome);
            }
            self.state.go_back(mark);
            if std::mem::replace(&mut learned, true) {
                let step = self.path.len() + 1;
                return Err(format!(
                    "the model is not deterministic: step {step} was run and is not known"
                ));
            }
            self.learner.go_to(self.program, &self.path)?;
            if self.learner.execution.borrow().state.fingerprint() != self.state.fingerprint() {
                let step = self.path.len();
                return Err(format!(
                    "the model is not deterministic: the state after {step} steps is not what \
                     the tables say"
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
                    let mut memory = Memory::new(
                        layout,
                        &mut self.state,
                        true,
                        &mut self.accesses,
                        &mut self.violations,
                        &mut self.begun,
                    );
                    memory.finish(other);
                }
            }
        }
        let mut memory = Memory::new(
            layout,
            &mut self.state,
            true,
            &mut self.accesses,
            &mut self.violations,
            &mut self.begun,
        );
        (self.held, self.under) = (memory.held(name), memory.under(name, &asked));
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
                    memory.end_step(name);
                    memory.finish(name);
                    break;
                }
                next => place = next,
            }
            match automaton.doing(place) {
                Doing::Query(query) => learned = memory.query(name, *query),
                Doing::Step(_) => {
                    memory.end_step(name);
                    memory.state.set(cell, place);
                    break;
                }
            }
        }
        if let Some(why) = memory.layout.full.clone() {
            return Err(why);
        }
        Ok(Some(Outcome::GoesOn))
    }
}
