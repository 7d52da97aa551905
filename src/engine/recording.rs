// SPDX-License-Identifier: GPL-2.0-only
//! The story of one execution: which thread did what, in which function, to which object.
//!
//! An explorer does not record while it explores. It runs an execution that it wants to tell about
//! a second time with a [`Recorder`], which engines feed as they perform actions.

use crate::sync::{
    engine::{Action, ObjectId, ObjectKind, ThreadId},
    violation::{Violation, ViolationKind},
};
use std::collections::BTreeMap;

/// One step of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    /// The thread.
    pub thread: ThreadId,
    /// Its name.
    pub context: String,
    /// The functions of the model it was in, outermost first.
    pub functions: Vec<&'static str>,
    /// What it did.
    pub action: Action,
    /// To which object; the name.
    pub object: String,
    /// What the action answered.
    pub saw: u64,
    /// Whether the step belongs to the part where every interleaving counts.
    pub concurrent: bool,
    /// Where it reads something older than the last write before it, as weak memory lets it: the
    /// index of the step that wrote that; `Older::Initial` where no step of that part did.
    pub older: Option<Older>,
}

/// What a step reads that weak memory lets read something older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// What was there before every interleaving counted.
    Initial,
    /// What this step wrote.
    Step(usize),
}

/// Where something happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The index of the step, in [`Recording::steps`], that it happened in or after.
    pub step: usize,
    /// The thread's name.
    pub context: String,
    /// The innermost function of the model.
    pub function: &'static str,
    /// All functions of the model that it was in, outermost first.
    pub functions: Vec<&'static str>,
}

/// The life of an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its name.
    pub object: String,
    /// Where it began.
    pub allocated: Site,
    /// Where it ended.
    pub freed: Option<Site>,
}

/// A violation with its place in the execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedViolation {
    /// The kind.
    pub kind: ViolationKind,
    /// The object's name; empty where it is about none.
    pub object: String,
    /// Where it was noticed.
    pub site: Site,
    /// One sentence.
    pub message: String,
    /// The life of the allocation that it is about, or that the object lies in.
    pub life: Option<Life>,
}

/// One execution, told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// All steps in order.
    pub steps: Vec<TraceStep>,
    /// By the index of a step of the part where every interleaving counts, where the engine says
    /// so: for each thread, how many of its steps in that part happen before this one by the
    /// declared orderings. Of the step's own thread, this one included.
    pub known: BTreeMap<usize, Vec<u16>>,
    /// All violations in order.
    pub violations: Vec<RecordedViolation>,
    /// By a thread's name: which step of which other thread it was begun with, where the engine
    /// says so.
    pub origins: BTreeMap<String, Site>,
    /// No interleaving shows it: the steps stand in an order that happens-before allows, and may read
    /// something older ([`TraceStep::older`]).
    pub weak: bool,
}

impl Recording {
    /// The first violation of this kind.
    #[must_use]
    pub fn violation(&self, kind: ViolationKind) -> Option<&RecordedViolation> {
        self.violations.iter().find(|v| v.kind == kind)
    }
}

#[derive(Debug)]
struct Thread {
    name: String,
    functions: Vec<&'static str>,
}

#[derive(Debug)]
struct Object {
    kind: ObjectKind,
    name: String,
    owner: Option<ObjectId>,
    life: Option<Life>,
}

/// Builds a [`Recording`] while an execution runs.
#[derive(Debug, Default)]
pub struct Recorder {
    recording: Recording,
    threads: Vec<Thread>,
    thread_names: BTreeMap<String, u32>,
    objects: Vec<Object>,
    allocation_names: BTreeMap<&'static str, u32>,
    concurrent: bool,
}

impl Recorder {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A thread came into being. Threads are named in the order of their [`ThreadId`]s; the
    /// second and later ones of the same name get a number.
    pub fn thread(&mut self, name: &str) {
        let count = self.thread_names.entry(name.to_owned()).or_insert(0);
        *count += 1;
        let name = match *count {
            1 => name.to_owned(),
            n => format!("{name} {n}"),
        };
        self.threads.push(Thread {
            name,
            functions: Vec::new(),
        });
    }

    /// The thread that came into being last was begun by another one.
    pub fn begun_by(&mut self, parent: ThreadId) {
        let site = self.site(parent);
        if let Some(thread) = self.threads.last() {
            self.recording.origins.insert(thread.name.clone(), site);
        }
    }

    /// An object came into being. Objects are named in the order of their [`ObjectId`]s.
    pub fn object(
        &mut self,
        by: ThreadId,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
    ) {
        let is_allocation = matches!(kind, ObjectKind::Allocation(_));
        let name = match (owner, kind) {
            (Some(owner), _) => format!("{}.{name}", self.objects[owner.0 as usize].name),
            (None, ObjectKind::Allocation(ViolationKind::UseAfterFree)) => {
                let count = self.allocation_names.entry(name).or_insert(0);
                *count += 1;
                format!("{name}#{count}")
            }
            // There is one of each of these: a cache, a table, a list.
            (None, _) => name.to_owned(),
        };
        let life = is_allocation.then(|| Life {
            object: name.clone(),
            allocated: self.site(by),
            freed: None,
        });
        self.objects.push(Object {
            kind,
            name,
            owner,
            life,
        });
    }

    /// What an object is called.
    #[must_use]
    pub fn object_name(&self, object: ObjectId) -> &str {
        &self.objects[object.0 as usize].name
    }

    /// What an object is.
    #[must_use]
    pub fn object_kind(&self, object: ObjectId) -> ObjectKind {
        self.objects[object.0 as usize].kind
    }

    /// What a thread is called.
    #[must_use]
    pub fn thread_name(&self, thread: ThreadId) -> &str {
        &self.threads[thread.0 as usize].name
    }

    /// The function that a thread is in.
    #[must_use]
    pub fn function(&self, thread: ThreadId) -> &'static str {
        let functions = &self.threads[thread.0 as usize].functions;
        functions.last().copied().unwrap_or("")
    }

    /// From now on steps belong to the concurrent part, or no longer.
    pub fn set_concurrent(&mut self, concurrent: bool) {
        self.concurrent = concurrent;
    }

    /// A thread enters a function.
    pub fn enter(&mut self, thread: ThreadId, function: &'static str) {
        self.threads[thread.0 as usize].functions.push(function);
    }

    /// A thread leaves the function it entered last.
    pub fn leave(&mut self, thread: ThreadId) {
        self.threads[thread.0 as usize].functions.pop();
    }

    /// A thread performed an action, on its own object where `object` is `None`.
    pub fn step(&mut self, thread: ThreadId, object: Option<ObjectId>, action: Action, saw: u64) {
        if let Some(object) = object {
            let mut site = self.site(thread);
            site.step = self.recording.steps.len();
            if let Some(life) = &mut self.objects[object.0 as usize].life {
                if action == Action::Free && life.freed.is_none() {
                    life.freed = Some(site);
                } else if action == Action::Renew {
                    life.allocated = site;
                    life.freed = None;
                }
            }
        }
        let state = &self.threads[thread.0 as usize];
        self.recording.steps.push(TraceStep {
            thread,
            context: state.name.clone(),
            functions: state.functions.clone(),
            action,
            object: object.map_or_else(String::new, |o| self.object_name(o).to_owned()),
            saw,
            concurrent: self.concurrent,
            older: None,
        });
    }

    /// The last step reads what `step` wrote, or what was there before, though it is not the last
    /// write.
    pub fn reads_older(&mut self, step: Option<usize>) {
        if let Some(last) = self.recording.steps.last_mut() {
            last.older = Some(step.map_or(Older::Initial, Older::Step));
        }
    }

    /// What happens before the last step: see [`Recording::known`].
    pub fn known(&mut self, known: Vec<u16>) {
        let last = self.recording.steps.len() - 1;
        self.recording.known.insert(last, known);
    }

    /// A thread noticed a violation, in or after the last step.
    pub fn violation(&mut self, thread: ThreadId, violation: &Violation) {
        let object = violation.object.map(|o| &self.objects[o.0 as usize]);
        let life = object.and_then(|o| {
            let owner = o.owner.map_or(o, |owner| &self.objects[owner.0 as usize]);
            owner.life.clone()
        });
        let recorded = RecordedViolation {
            kind: violation.kind,
            object: object.map_or_else(String::new, |o| o.name.clone()),
            site: self.site(thread),
            message: violation.message.clone(),
            life,
        };
        self.recording.violations.push(recorded);
    }

    /// What was recorded so far; the recorder begins anew.
    pub fn take(&mut self) -> Recording {
        std::mem::take(self).recording
    }

    fn site(&self, thread: ThreadId) -> Site {
        let thread = &self.threads[thread.0 as usize];
        Site {
            step: self.recording.steps.len().saturating_sub(1),
            context: thread.name.clone(),
            function: thread.functions.last().copied().unwrap_or(""),
            functions: thread.functions.clone(),
        }
    }
}
