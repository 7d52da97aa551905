// SPDX-License-Identifier: GPL-2.0-only
//! Every execution of a program that a memory model allows, one of each class of equivalent ones.
//!
//! There are two explorers here, and what both stand on.
//!
//! | | what it is |
//! |---|---|
//! | [`graphs`] | all executions that RC11 allows, as execution graphs that are revisited in place (TruSt: Kokologiannakis, Marmanis, Gladstein, Vafeiadis, POPL 2022; RC11: Lahav and others, PLDI 2017) |
//! | `search`, `interleavings` | all sequentially consistent interleavings, by source sets and wakeup trees (Abdulla, Aronis, Jonsson, Sagonas, JACM 2017) |
//! | [`states`] | the same with each state of memory and threads once (stateful DPOR: Yang, Chen, Gopalakrishnan, Kirby, SPIN 2008), and the smallest interleaving of a violation |
//! | [`priorities`] | random interleavings that find a bug of small depth with a known chance (PCT: Burckhardt and others, ASPLOS 2010) |
//! | `execution`, `access`, `order`, `clock` | of interleavings: what a step does to the objects, which steps commute, and the happens-before of the declared orderings, which data races are judged by |
//! | `coroutines` | threads, on stacks that are used again: a scheduling point stands before each step, and the step runs atomically when its thread is resumed |
//! | `parallel`, `checkpoint` | parts of an exploration for several cores, and an exploration that goes on where it was stopped |
//! | `minimal`, `follow` | what comes after: fewer switches, and the same interleaving on another program |
//! | [`check`] | loom's names for any test, in the place of loom |
//!
//! # Limits
//!
//! An execution has at most 64 threads and 60,000 steps (20,000 in graphs); one that has more ends the
//! exploration as incomplete.

mod access;
mod calm;
pub mod check;
mod checkpoint;
mod clock;
mod coroutines;
mod execution;
mod follow;
pub mod graphs;
mod interleavings;
mod minimal;
mod order;
mod parallel;
pub mod priorities;
mod search;
pub mod states;

use super::{Exploration, Finding, Limits, MemoryModel, Program, recording::Recording};
use crate::sync::{
    self,
    engine::{Action, Body, Engine, ObjectId, ObjectKind, Phase, Step, ThreadId},
    violation::{Violation, ViolationKind},
};
use coroutines::{Coroutines, Resumed, suspend};
use execution::{Director, End, Execution, Scheduled, ThreadKey};
use interleavings::{Found, Task};
use std::{
    any::Any,
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};

/// A step of a schedule, by the names that a [`Recording`] gives its threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleStep {
    /// The thread's name.
    pub context: String,
    /// The answer, where the step is a choice; else 0.
    pub choice: u32,
}

pub use checkpoint::Checkpoint;
pub use follow::{Landmark, Parting, follow};
pub use minimal::{MOST_STEPS, minimise};

/// What came of following a schedule.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What happened.
    pub recording: Recording,
    /// How many steps of the schedule were followed.
    pub followed: usize,
    /// How often a context of it was followed by another one where it could have gone on.
    pub preemptions: u32,
    /// Why it was not followed to its end.
    pub parted: Option<String>,
}

#[derive(Debug)]
struct Explorer {
    itself: Weak<Self>,
    execution: RefCell<Execution>,
    coroutines: Coroutines,
}

impl Explorer {
    fn new() -> Rc<Self> {
        Rc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            execution: RefCell::new(Execution::new()),
            coroutines: Coroutines::default(),
        })
    }

    /// Run one execution to its end.
    fn run(&self, program: &Program, record: bool) {
        self.execution.borrow_mut().restart(record);
        let main = Arc::clone(program);
        self.begin(0, Box::new(move || main()));
        let mut next = self.execution.borrow_mut().schedule();
        while let Some(thread) = next {
            let resumed = self.coroutines.resume(thread);
            let mut execution = self.execution.borrow_mut();
            next = match resumed {
                Resumed::Suspended => execution.end.is_none().then(|| execution.current()),
                Resumed::Returned => {
                    execution.finish();
                    execution.schedule()
                }
                Resumed::Panicked(payload) => {
                    let message = panic_message(payload.as_ref());
                    execution.end = Some(End::Cut(format!("the model panicked: {message}")));
                    None
                }
            };
        }
        self.coroutines.unwind_all();
    }

    fn begin(&self, thread: usize, body: Body) {
        let explorer = self.itself.upgrade().expect("it is running");
        self.coroutines.begin(thread, move || {
            explorer.step();
            body();
            explorer.catch_up();
        });
    }

    /// The uses that were to become part of the thread's next step become a step of their own:
    /// before a step that may have to wait, or that may never come, and before anything that
    /// another thread could tell the order from.
    fn catch_up(&self) {
        let pending = self.execution.borrow().pending();
        if let Some(object) = pending {
            self.perform(object, Action::Touch);
        }
    }

    fn step(&self) -> u64 {
        let saw = self.execution.borrow_mut().step();
        self.stop_if_over();
        saw
    }

    /// The running thread goes no further if the execution is over.
    fn stop_if_over(&self) {
        if self.execution.borrow().end.is_some() {
            suspend();
        }
    }
}

impl Engine for Explorer {
    fn create(&self, kind: ObjectKind, owner: Option<ObjectId>, name: &'static str) -> ObjectId {
        self.execution.borrow_mut().create(kind, owner, name)
    }

    fn perform(&self, object: ObjectId, action: Action) -> u64 {
        if may_wait(action) {
            self.catch_up();
        }
        let mut execution = self.execution.borrow_mut();
        if execution.end.is_some() {
            return 0;
        }
        if let Action::Fence(order) = action {
            execution.fence(order);
            return 0;
        }
        let me = execution.current();
        execution.ask(object, action);
        let goes_on = execution.schedule() == Some(me);
        drop(execution);
        if !goes_on {
            suspend();
        }
        self.step()
    }

    fn touch(&self, allocation: ObjectId, step: Step) {
        self.execution.borrow_mut().touch(allocation, step);
        self.stop_if_over();
    }

    fn is_freed(&self, allocation: ObjectId) -> bool {
        self.execution.borrow().is_freed(allocation)
    }

    fn read_lock(&self, domain: ObjectId) {
        let begins = {
            let mut execution = self.execution.borrow_mut();
            execution.end.is_none() && execution.read_lock(domain)
        };
        if begins {
            self.perform(domain, Action::Touch);
        }
    }

    fn read_unlock(&self, domain: ObjectId) {
        // The section ends with the last step, and what is used in it is used before.
        self.catch_up();
        let mut execution = self.execution.borrow_mut();
        if execution.end.is_none() {
            execution.read_unlock(domain);
        }
    }

    fn spawn(&self, name: &str, daemon: bool, body: Body) -> ThreadId {
        // The thread begins with the last step, which must not be before these.
        self.catch_up();
        let beginning = self.execution.borrow().beginning();
        if let Some(domain) = beginning {
            self.perform(domain, Action::Touch);
        }
        let thread = self.execution.borrow_mut().spawn(name, daemon);
        match thread {
            Some(thread) => {
                self.begin(thread, body);
                ThreadId(thread as u32)
            }
            None => {
                suspend();
                unreachable!("an execution that is over is not resumed")
            }
        }
    }

    fn current(&self) -> ThreadId {
        ThreadId(self.execution.borrow().current() as u32)
    }

    fn current_object(&self) -> ObjectId {
        self.execution.borrow().current_object()
    }

    fn set_phase(&self, phase: Phase) {
        self.execution.borrow_mut().set_phase(phase);
    }

    fn report(&self, violation: Violation) {
        self.execution.borrow_mut().report(&violation);
        self.stop_if_over();
    }

    fn end_if_violated(&self) {
        self.execution.borrow_mut().end_if_violated();
        self.stop_if_over();
    }

    fn records(&self) -> bool {
        self.execution.borrow().recorder.is_some()
    }

    fn enter(&self, function: &'static str) {
        self.execution.borrow_mut().enter(function);
    }

    fn leave(&self) {
        self.execution.borrow_mut().leave();
    }

    fn object_name(&self, object: ObjectId) -> String {
        self.execution.borrow().object_name(object)
    }

    fn is_over(&self) -> bool {
        self.execution.borrow().end.is_some()
    }
}

/// Whether a thread that asks for this may have to wait.
fn may_wait(action: Action) -> bool {
    matches!(
        action,
        Action::Lock
            | Action::Await(..)
            | Action::AwaitUpdate(..)
            | Action::GracePeriodEnd(_)
            | Action::Settle
    )
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

/// Explore a program on the memory that `limits` name.
#[must_use]
pub fn explore(program: &Program, limits: &Limits) -> Exploration {
    if limits.memory_model == MemoryModel::Rc11 {
        return graphs::explore(program, limits);
    }
    if limits.stored_states {
        return states::explore(program, limits);
    }
    explore_from(program, limits, Instant::now(), Box::new(Task::whole()))
}

/// Go on where an exploration of the same program, on the same memory and with the same bound, was
/// stopped. It ends with what it would have ended with otherwise: all counts are from its beginning.
///
/// # Errors
///
/// Where the checkpoint does not go with the program, or with the memory.
pub fn resume(
    program: &Program,
    limits: &Limits,
    checkpoint: &Checkpoint,
) -> Result<Exploration, String> {
    let start = Instant::now();
    let exploration = if limits.memory_model == MemoryModel::Rc11 {
        let parts = checkpoint.parts(program, limits)?;
        graphs::explore_from(program, limits, start, parts)
    } else {
        explore_from(program, limits, start, checkpoint.task()?)
    };
    match exploration.reason.as_deref() {
        Some(checkpoint::ANOTHER_PROGRAM) => Err(checkpoint::ANOTHER_PROGRAM.to_owned()),
        _ => Ok(exploration),
    }
}

fn explore_from(
    program: &Program,
    limits: &Limits,
    start: Instant,
    task: Box<Task>,
) -> Exploration {
    let (mut exploration, task) = interleavings::explore(program, limits, start, task);
    if task.ended.is_none() && !task.is_done {
        exploration.left = Some(Checkpoint::of_task(&task));
    }
    let mut found = Vec::new();
    interleavings::each_task(&task, &mut |task| {
        for new in &task.found {
            if !found.iter().any(|known: &Found| known.kind == new.kind) {
                found.push(new.clone());
            }
        }
    });
    for Found {
        kind,
        after,
        schedules,
    } in found
    {
        match recorded(program, kind, schedules) {
            Some(recording) => exploration.findings.push(Finding {
                kind,
                recording,
                after,
                size: None,
            }),
            None => {
                exploration.complete = false;
                exploration.reason = Some(format!(
                    "the model is not deterministic: a {kind} found in execution {after} did not \
                     come about again"
                ));
            }
        }
    }
    exploration
}

/// The first of these schedules' executions that has a violation of this kind: the calmer one shows the
/// same with fewer switches; should it not, the one that was found does.
fn recorded(
    program: &Program,
    kind: ViolationKind,
    schedules: impl IntoIterator<Item = Vec<Scheduled<ThreadKey>>>,
) -> Option<Recording> {
    schedules
        .into_iter()
        .map(|schedule| directed(program, Director::Keys(schedule)).0.recording)
        .find(|recording| recording.violation(kind).is_some())
}

/// Run one execution along a schedule, which is the sequence of threads of the part where every
/// interleaving counts.
#[must_use]
pub fn replay(program: &Program, schedule: &[ScheduleStep]) -> Replay {
    let steps = schedule.iter().map(|step| Scheduled {
        thread: step.context.clone(),
        choice: step.choice,
    });
    directed(program, Director::Names(steps.collect())).0
}

/// What came of following an interleaving of another program.
#[derive(Clone, Debug)]
pub struct Followed {
    /// What happened.
    pub recording: Recording,
    /// For each step of the part where every interleaving counts, for as long as the interleaving
    /// was followed: the landmark that it is, or `None` where the other program had no such step.
    pub steps: Vec<Option<usize>>,
    /// The landmarks that this program has no step for.
    pub missing: Vec<usize>,
    /// Where it could not be followed any further.
    pub parted: Option<Parting>,
    /// Why the engine could not bring the execution to its end.
    pub cut: Option<String>,
}

fn directed(program: &Program, director: Director) -> (Replay, Director) {
    let explorer = Explorer::new();
    explorer.execution.borrow_mut().director = director;
    let engine: Rc<dyn Engine> = Rc::<Explorer>::clone(&explorer);
    sync::with_engine(engine, || explorer.run(program, true));
    let mut execution = explorer.execution.borrow_mut();
    let replay = Replay {
        recording: execution.take_recording(),
        followed: execution.followed,
        preemptions: execution.preemptions,
        parted: match execution.end.take() {
            Some(End::Cut(reason)) => Some(reason),
            _ => None,
        },
    };
    let director = std::mem::replace(&mut execution.director, Director::Search);
    (replay, director)
}
