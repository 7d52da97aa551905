// SPDX-License-Identifier: GPL-2.0-only
//! Every execution that a memory model allows, each once.
//!
//! An execution is a `graph`: the steps of each thread, which write each read reads from, and the
//! order of the writes of each object. `execution` runs the program along a graph and extends it;
//! whatever a step could have done otherwise becomes a branch. `revisit` finds the branches in
//! which an earlier read reads a later write, so that each graph is reached once and nothing has to
//! be remembered of those that were seen. `consistency` says what the memory model allows, and
//! `branches` is who runs what.
//!
//! (Kokologiannakis, Marmanis, Gladstein, Vafeiadis, "Truly stateless, optimal dynamic partial
//! order reduction", POPL 2022, which calls this TruSt.)

pub(super) mod branches;
mod consistency;
mod execution;
mod extension;
mod given;
mod grace;
mod graph;
mod lifetimes;
mod psc;
mod revisit;
mod schedule;
mod tell;

use super::{
    checkpoint::{Checkpoint, Saved},
    coroutines::{Coroutines, Resumed, suspend},
    execution::{Scheduled, ThreadKey},
};
use crate::{
    engine::{
        Exploration, Finding, Limits, MemoryModel, Program,
        recording::{RecordedViolation, Recording, Site},
    },
    sync::{
        self,
        engine::{Action, Body, Engine, ObjectId, ObjectKind, Phase, Step, ThreadId},
        violation::{Violation, ViolationKind},
    },
};
use branches::{Part, Shown};
use execution::{Branch, End, Execution, Found};
pub use given::{GivenStep, replay};
use graph::{EventId, INITIAL};
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
    time::Instant,
};
use tell::Teller;

/// A complete execution, in a form that does not depend on how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionGraph {
    /// The events of each thread of the part where every interleaving counts, in the order of the
    /// threads' beginning.
    pub threads: Vec<Vec<GraphEvent>>,
    /// For each object that was written, its name and the order of its writes, by thread and place.
    pub writes: Vec<(&'static str, Vec<(usize, usize)>)>,
    /// The kinds of violation that it shows.
    pub violations: Vec<ViolationKind>,
}

/// An event of an [`ExecutionGraph`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphEvent {
    /// The name that the object was created with.
    pub object: &'static str,
    /// What was done.
    pub action: Action,
    /// What it was answered.
    pub saw: u64,
    /// The event that it reads from, by thread and place. `None`: the value from before, or
    /// nothing.
    pub reads_from: Option<(usize, usize)>,
    /// What it wrote, if it did.
    pub wrote: Option<u64>,
}

#[derive(Debug)]
struct Explorer {
    itself: Weak<Self>,
    execution: RefCell<Execution>,
    coroutines: Coroutines,
}

impl Explorer {
    fn new(model: MemoryModel) -> Rc<Self> {
        Rc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            execution: RefCell::new(Execution::new(model)),
            coroutines: Coroutines::default(),
        })
    }

    /// Run one branch to its end.
    fn run(&self, program: &Program) {
        let engine: Rc<dyn Engine> = self.itself.upgrade().expect("it is running");
        sync::with_engine(engine, || self.run_threads(program));
    }

    fn run_threads(&self, program: &Program) {
        let main = Arc::clone(program);
        self.begin(0, Box::new(move || main()));
        let mut next = self.execution.borrow_mut().schedule();
        while let Some(thread) = next {
            let resumed = self.coroutines.resume(thread);
            let mut execution = self.execution.borrow_mut();
            next = match resumed {
                Resumed::Suspended if execution.is_halted() => execution.schedule(),
                Resumed::Suspended => Some(execution.current()),
                Resumed::Returned => {
                    execution.finish();
                    execution.schedule()
                }
                Resumed::Panicked(payload) => {
                    let message = super::panic_message(payload.as_ref());
                    execution.end = Some(End::Cut(format!("the model panicked: {message}")));
                    None
                }
            };
        }
        self.coroutines.unwind_all();
    }

    /// Run the graph of the last run again, and record it up to the violation.
    fn tell(&self, program: &Program, kind: ViolationKind) -> Recording {
        {
            let mut execution = self.execution.borrow_mut();
            let mut graph = execution.memory.graph();
            graph.copy_from(&execution.graph);
            execution.teller = Some(Teller::default());
            let allowed = execution.take_up(Branch {
                graph,
                fresh: None,
                changed: [None, None],
            });
            debug_assert!(allowed, "it was run before");
        }
        self.run(program);
        let mut execution = self.execution.borrow_mut();
        execution.branches.clear();
        let mut recording = execution.take_recording();
        recording.weak = true;
        match recording.violation(kind) {
            Some(violation) => {
                let step = violation.site.step;
                if kind.is_fatal() {
                    recording.steps.truncate(step + 1);
                }
                recording.violations.retain(|v| v.site.step <= step);
            }
            None => recording.violations = without_steps(kind).violations,
        }
        recording
    }

    fn begin(&self, thread: usize, body: Body) {
        let explorer = self.itself.upgrade().expect("it is running");
        self.coroutines.begin(thread, move || {
            explorer.step();
            body();
            explorer.catch_up();
        });
    }

    /// The uses that were to become part of the thread's next step become a step of their own.
    fn catch_up(&self) {
        let pending = self.execution.borrow().pending_use();
        if let Some(object) = pending {
            self.perform(object, Action::Touch);
        }
    }

    fn step(&self) -> u64 {
        let saw = self.execution.borrow_mut().step();
        self.stop_if_halted();
        saw
    }

    fn stop_if_halted(&self) {
        if self.execution.borrow().is_halted() {
            suspend();
        }
    }
}

impl Engine for Explorer {
    fn create(&self, kind: ObjectKind, owner: Option<ObjectId>, name: &'static str) -> ObjectId {
        self.execution.borrow_mut().create(kind, owner, name)
    }

    fn perform(&self, object: ObjectId, action: Action) -> u64 {
        if self.is_over() {
            // A destructor of a thread that is being unwound has its answer; else this is where a
            // thread stops whose use of an allocation has ended the execution.
            if !std::thread::panicking() {
                suspend();
            }
            return 0;
        }
        self.stop_if_halted();
        if super::may_wait(action) {
            self.catch_up();
        }
        let mut execution = self.execution.borrow_mut();
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
        // Does not stop the thread, which may have borrowed what others will need: its next step
        // does.
        self.execution.borrow_mut().touch(allocation, step);
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
        if self.is_over() {
            return;
        }
        // The section ends with the last step, and what is used in it is used before.
        self.catch_up();
        self.execution.borrow_mut().read_unlock(domain);
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
                unreachable!("a run that is over is not resumed")
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
        self.stop_if_halted();
    }

    fn report(&self, violation: Violation) {
        self.execution.borrow_mut().report(&violation);
        self.stop_if_halted();
    }

    fn end_if_violated(&self) {
        self.execution.borrow_mut().halt_if_violated();
        self.stop_if_halted();
    }

    fn enter(&self, function: &'static str) {
        let mut execution = self.execution.borrow_mut();
        let me = ThreadId(execution.current() as u32);
        if let Some(teller) = &mut execution.teller {
            teller.recorder().enter(me, function);
        }
    }

    fn leave(&self) {
        let mut execution = self.execution.borrow_mut();
        let me = ThreadId(execution.current() as u32);
        if execution.end.is_none()
            && let Some(teller) = &mut execution.teller
        {
            teller.recorder().leave(me);
        }
    }

    fn keeps_marks(&self) -> bool {
        true
    }

    fn give_up(&self, reason: &str) -> ! {
        self.execution.borrow_mut().end = Some(End::Cut(reason.to_owned()));
        suspend();
        unreachable!("a run that is over is not resumed")
    }

    fn mark(&self, object: ObjectId, value: u64) {
        self.execution.borrow_mut().mark(object, value);
    }

    fn grace_period_precedes(&self, number: u64, _count: u64) -> bool {
        self.execution.borrow().precedes(number)
    }

    fn object_name(&self, object: ObjectId) -> String {
        let execution = self.execution.borrow();
        let teller = execution.teller.as_ref();
        teller.map_or_else(String::new, |teller| teller.name(object))
    }

    fn is_over(&self) -> bool {
        self.execution.borrow().end.is_some()
    }
}

/// Explore a program on the memory that `limits` name.
///
/// Each violation is shown by an interleaving where there is one. One that only weak memory shows
/// does not stop the search, which may come to one that an interleaving shows.
#[must_use]
pub fn explore(program: &Program, limits: &Limits) -> Exploration {
    explore_from(program, limits, Instant::now(), vec![Part::whole()])
}

/// [`explore`], from where an exploration was when it stopped.
pub(super) fn explore_from(
    program: &Program,
    limits: &Limits,
    start: Instant,
    parts: Vec<Part>,
) -> Exploration {
    let (mut exploration, mut shown) = explore_all(program, limits, start, parts, None);
    if !limits.all {
        // The kinds that the execution shows which stopped the search, or else the first that has any.
        let first = shown.iter().map(|shown| shown.after).min();
        match shown.iter().any(Shown::has_interleaving) {
            true => shown.retain(Shown::has_interleaving),
            false => shown.retain(|shown| Some(shown.after) == first),
        }
    }
    show(program, limits, &mut exploration, shown);
    exploration
}

/// Whether an interleaving shows a violation.
fn shows(program: &Program, schedule: &[Scheduled<ThreadKey>], kind: ViolationKind) -> bool {
    super::recorded(program, kind, [schedule.to_vec()]).is_some()
}

/// Find an interleaving for each violation, or tell the first execution with it. What else an
/// interleaving shows is found with it: the execution that led to it may have had that in another
/// order.
fn show(program: &Program, limits: &Limits, exploration: &mut Exploration, shown: Vec<Shown>) {
    let recordings = shown.iter().map(|shown| {
        let schedules = shown.schedules.iter().flatten().cloned();
        super::recorded(program, shown.kind, schedules)
    });
    let recordings: Vec<Option<Recording>> = recordings.collect();
    let mut add = |kind, recording: &Recording, after| {
        if !exploration.findings.iter().any(|f| f.kind == kind) {
            exploration.findings.push(Finding {
                kind,
                recording: recording.clone(),
                after,
                size: None,
            });
        }
    };
    let both = || shown.iter().zip(&recordings);
    for (Shown { after, .. }, recording) in both() {
        let Some(recording) = recording else { continue };
        for kind in recording.violations.iter().map(|v| v.kind) {
            // One that has an interleaving of its own is found when that is.
            let is_later = |(s, own): (&Shown, &Option<_>)| {
                s.kind == kind && s.after > *after && own.is_some()
            };
            if !both().any(is_later) {
                add(kind, recording, *after);
            }
        }
    }
    for Shown {
        kind, after, way, ..
    } in &shown
    {
        let told = || branches::tell(program, limits, way, *kind);
        if !exploration.findings.iter().any(|f| f.kind == *kind) {
            exploration.findings.push(Finding {
                kind: *kind,
                recording: told().unwrap_or_else(|| without_steps(*kind)),
                after: *after,
                size: None,
            });
        }
    }
    exploration.findings.sort_by_key(|finding| finding.after);
}

/// Explore a program, and show each complete execution to `observe`. Violations are in those; there
/// are no findings.
pub fn explore_with(
    program: &Program,
    limits: &Limits,
    observe: &mut dyn FnMut(&ExecutionGraph),
) -> Exploration {
    explore_all(
        program,
        limits,
        Instant::now(),
        vec![Part::whole()],
        Some(observe),
    )
    .0
}

/// Who wants to see each complete execution.
type Observer<'a> = Option<&'a mut dyn FnMut(&ExecutionGraph)>;

fn explore_all(
    program: &Program,
    limits: &Limits,
    start: Instant,
    parts: Vec<Part>,
    observe: Observer<'_>,
) -> (Exploration, Vec<Shown>) {
    let (mut exploration, parts) = branches::explore(program, limits, start, parts, observe);
    if branches::may_go_on(&parts) {
        exploration.left = Some(Checkpoint(Saved::Graphs(branches::save(&parts))));
    }
    (exploration, branches::shown(parts))
}

/// Interleavings of the graph of a run with the violation in it. None where the graph is none.
fn schedules(execution: &mut Execution, found: &Found) -> Vec<Vec<Scheduled<ThreadKey>>> {
    let (graph, view) = (&execution.graph, &mut execution.view);
    if !view.is_sc {
        return Vec::new();
    }
    let all: Vec<EventId> = view.order.clone();
    let before = view.before_in_interleavings(graph);
    let knows =
        |of: EventId, event: EventId| consistency::View::knows(graph, &before[of as usize], event);
    let mut orders: Vec<Vec<EventId>> = match (found.at, found.after) {
        (None, _) => vec![all.clone()],
        (Some(at), None) => vec![all.iter().copied().filter(|&e| knows(at, e)).collect()],
        (Some(at), Some(after)) => {
            let before = |e: &EventId| *e != at && (knows(at, *e) || knows(after, *e));
            let together = all.iter().copied().filter(before).chain([at]);
            // What comes first happens first; the thread that comes too late waits until then.
            let first = all.iter().copied().filter(|&e| knows(after, e));
            let then = all.iter().copied();
            let then = then.filter(|&e| knows(at, e) && !knows(after, e) && e != at);
            vec![first.chain(then).chain([at]).collect(), together.collect()]
        }
    };
    if !found.kind.is_fatal() {
        for order in &mut orders {
            let rest = all.iter().copied().filter(|e| !order.contains(e));
            let rest: Vec<EventId> = rest.collect();
            order.extend(rest);
        }
    }
    let scheduled = |id: EventId| {
        let event = &graph.events[id as usize];
        let is_step = !event.blocked && !matches!(event.action, Action::Fence(_));
        let thread = graph.threads[event.thread as usize].filter(|_| is_step)?;
        Some(Scheduled {
            thread: thread.key,
            choice: match event.action {
                Action::Choose(_) => event.saw as u32,
                _ => 0,
            },
        })
    };
    let orders = orders.into_iter();
    let schedules = orders.map(|order| order.into_iter().filter_map(scheduled).collect());
    schedules.collect()
}

/// What is told of a violation that no interleaving shows.
fn without_steps(kind: ViolationKind) -> Recording {
    Recording {
        violations: vec![RecordedViolation {
            kind,
            object: String::new(),
            site: Site {
                step: 0,
                context: String::new(),
                function: "",
                functions: Vec::new(),
            },
            message:
                "an execution of the memory model shows it, and no interleaving that was tried"
                    .to_owned(),
            life: None,
        }],
        ..Recording::default()
    }
}

/// The graph of a run without the numbers of its events, which tell how it was found.
fn told(execution: &Execution) -> ExecutionGraph {
    let (graph, view) = (&execution.graph, &execution.view);
    let mut order: Vec<usize> = (0..graph.threads.len())
        .filter(|&slot| graph.threads[slot].is_some())
        .collect();
    order.sort_unstable_by_key(|&slot| graph.threads[slot].map(|t| t.key));
    let place = |slot: u8| {
        let mut places = order.iter();
        places.position(|&s| s == slot as usize).unwrap_or(0)
    };
    let name = |id: u16| {
        let event = &graph.events[id as usize];
        (place(event.thread), event.index as usize)
    };
    let threads = order.iter().map(|&slot| {
        let events = view.threads[slot].events.iter();
        let events = events.map(|&id| &graph.events[id as usize]);
        let events = events.filter(|event| !event.blocked);
        let events = events.map(|event| GraphEvent {
            object: execution.name(event.object),
            action: event.action,
            saw: event.saw,
            reads_from: (event.reads && event.from != INITIAL).then(|| name(event.from)),
            wrote: event.writes.then_some(event.wrote),
        });
        events.collect()
    });
    let threads = threads.collect();
    let mut objects: Vec<ObjectId> = view.objects().to_vec();
    objects.sort_unstable();
    let writes = objects.iter().map(|&object| {
        let writes = view.location(object).writes.iter();
        (execution.name(object), writes.map(|&w| name(w)).collect())
    });
    let writes = writes.collect();
    let mut violations: Vec<ViolationKind> = execution.found.iter().map(|f| f.kind).collect();
    violations.sort_unstable();
    ExecutionGraph {
        threads,
        writes,
        violations,
    }
}
