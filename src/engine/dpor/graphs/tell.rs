// SPDX-License-Identifier: GPL-2.0-only
//! The telling of an execution that is no interleaving.
//!
//! The graph is run once more, in an order that happens-before and what each read reads from
//! allow, and each step is recorded. A step that reads something older than the last write of that
//! order says which step it reads from.

use super::{
    consistency::View,
    execution::Execution,
    graph::{EventId, Graph, INITIAL},
};
use crate::{
    engine::recording::{Recorder, Recording},
    sync::{
        engine::{Action, ObjectId, ObjectKind, ThreadId},
        violation::Violation,
    },
};
use std::collections::BTreeMap;

/// Records a run.
#[derive(Debug, Default)]
pub(super) struct Teller {
    recorder: Recorder,
    /// The recorder's numbers of the objects: it counts them.
    objects: BTreeMap<ObjectId, ObjectId>,
    /// By event, the step that it is.
    steps: BTreeMap<EventId, usize>,
    count: usize,
    /// By domain, how many grace periods have begun in this order.
    grace_periods: BTreeMap<ObjectId, u64>,
    /// The number of each in this order. That of the graph is by thread, and says nothing to a reader.
    numbers: BTreeMap<(ObjectId, u64), u64>,
}

impl Teller {
    pub(super) fn thread(&mut self, name: &str, parent: Option<usize>) {
        self.recorder.thread(name);
        if let Some(parent) = parent {
            self.recorder.begun_by(ThreadId(parent as u32));
        }
    }

    pub(super) fn object(
        &mut self,
        id: ObjectId,
        by: usize,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
    ) {
        let owner = owner.and_then(|owner| self.objects.get(&owner).copied());
        let number = ObjectId(self.objects.len() as u32);
        self.objects.insert(id, number);
        self.recorder.object(ThreadId(by as u32), kind, owner, name);
    }

    pub(super) fn name(&self, object: ObjectId) -> String {
        let number = self.objects.get(&object);
        number.map_or_else(String::new, |&n| self.recorder.object_name(n).to_owned())
    }

    /// A step was performed: this event, where every interleaving counts.
    pub(super) fn step(
        &mut self,
        thread: usize,
        object: ObjectId,
        action: Action,
        saw: u64,
        event: Option<(&Graph, &View, EventId)>,
    ) {
        let (action, saw) = self.numbered(object, action, saw);
        let number = self.objects.get(&object).copied();
        let is_thread = |n: &ObjectId| self.recorder.object_kind(*n) == ObjectKind::Thread;
        let number = number.filter(|n| !is_thread(n));
        let thread = ThreadId(thread as u32);
        self.recorder.step(thread, number, action, saw);
        if let Some((graph, view, id)) = event {
            self.steps.insert(id, self.count);
            let from = graph.events[id as usize].from;
            if graph.events[id as usize].reads && self.is_older(graph, view, id) {
                let step = match from {
                    INITIAL => None,
                    from => self.steps.get(&from).copied(),
                };
                self.recorder.reads_older(step);
            }
        }
        self.count += 1;
    }

    /// What happens before the last step: of each thread, how many steps.
    pub(super) fn known(&mut self, known: Vec<u16>) {
        self.recorder.known(known);
    }

    /// A step on a grace period with the number that it has in this order.
    fn numbered(&mut self, domain: ObjectId, action: Action, saw: u64) -> (Action, u64) {
        let begun = self.grace_periods.entry(domain).or_default();
        match action {
            Action::GracePeriodBegin => {
                let number = *begun;
                *begun += 1;
                self.numbers.insert((domain, saw), number);
                (action, number)
            }
            Action::GracePeriodEnd(graph) => {
                let number = self.numbers.get(&(domain, graph)).copied();
                (Action::GracePeriodEnd(number.unwrap_or(graph)), saw)
            }
            Action::GracePeriodCount => (action, *begun),
            _ => (action, saw),
        }
    }

    /// Whether something was written by now after what an event reads.
    fn is_older(&self, graph: &Graph, view: &View, id: EventId) -> bool {
        let event = &graph.events[id as usize];
        let writes = &view.location(event.object).writes[View::position(graph, event.from)..];
        writes
            .iter()
            .any(|&w| w != id && self.steps.contains_key(&w))
    }

    pub(super) fn violation(&mut self, thread: usize, violation: &Violation) {
        let object = violation.object.and_then(|o| self.objects.get(&o).copied());
        let violation = Violation {
            object,
            ..violation.clone()
        };
        self.recorder.violation(ThreadId(thread as u32), &violation);
    }

    pub(super) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    pub(super) fn take(&mut self) -> Recording {
        self.recorder.take()
    }
}

impl Execution {
    /// The steps up to the violation of the graph that has just been run.
    pub(super) fn take_recording(&mut self) -> Recording {
        let mut teller = self.teller.take();
        teller.as_mut().map(Teller::take).unwrap_or_default()
    }
}
