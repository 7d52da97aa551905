// SPDX-License-Identifier: GPL-2.0-only
//! What a step uses, frees and races with.
//!
//! A use after the free is one that nothing puts before it: one that happens after the free, or one
//! that is not ordered with it, which is noted as possible while the execution goes on as one in
//! which the use came first. Two accesses of plain memory race where nothing orders them.

use super::{
    consistency::View,
    execution::{End, Execution, Found, Thread},
    graph::{EventId, INITIAL},
};
use crate::sync::{
    engine::{Action, ObjectId, ObjectKind, Phase, Step},
    violation::{Violation, ViolationKind},
};

/// What is said of two plain accesses that race.
const RACE: &str = "accessed here and by another context, and nothing orders the two";
/// What is said of a use and a free that nothing orders.
const UNORDERED: &str = "used and freed, and nothing orders the use before the free";

impl Execution {
    /// What the last write of the current thread to plain memory shows to marked reads.
    pub(super) fn mark(&mut self, object: ObjectId, value: u64) {
        if self.phase == Phase::Alone {
            self.object_mut(object).value = value;
            return;
        }
        let slot = self.threads[self.current].slot;
        let events = &self.view.threads[slot].events;
        let performed = self.threads[self.current].events as usize;
        if let Some(&last) = events[..performed].last() {
            let event = &mut self.graph.events[last as usize];
            if event.object == object && event.writes {
                event.wrote = value;
            }
        }
    }

    pub(super) fn check_after(&mut self, object: ObjectId, action: Action, id: EventId) {
        let me = self.current;
        if !self.threads[me].touching.is_empty() {
            let mut touching = std::mem::take(&mut self.threads[me].touching);
            for &allocation in &touching {
                self.use_allocation(allocation, id);
            }
            touching.clear();
            self.threads[me].touching = touching;
        }
        if let Some(owner) = self.object(object).owner {
            self.use_allocation(owner, id);
        }
        match action {
            Action::Touch if matches!(self.object(object).kind, ObjectKind::Allocation(_)) => {
                self.use_allocation(object, id);
            }
            Action::Free => self.free(object, id),
            Action::Renew => {
                let state = self.object_mut(object);
                state.freed = false;
                state.freed_by = INITIAL;
                state.renewed_by = id;
                state.uses.clear();
            }
            Action::Read | Action::Write if id != INITIAL => self.check_race(object, action, id),
            _ => {}
        }
    }

    pub(super) fn free(&mut self, object: ObjectId, id: EventId) {
        let state = self.object(object);
        let ObjectKind::Allocation(kind) = state.kind else {
            return;
        };
        if state.freed {
            let earlier = state.freed_by;
            self.tell(&Violation::on(
                ViolationKind::DoubleFree,
                object,
                "freed a second time",
            ));
            self.note(ViolationKind::DoubleFree, id, earlier);
        } else if id != INITIAL && !state.uses.is_known_to(self.view.before(id)) {
            // A use that nothing puts before the free.
            let before = self.view.before(id);
            let mut threads = self.view.threads.iter().enumerate();
            let using = threads.find_map(|(slot, thread)| {
                let last = state.uses.count(slot);
                (last > before.count(slot)).then(|| thread.events[last as usize - 1])
            });
            if let Some(using) = using {
                self.tell(&Violation::on(kind, object, UNORDERED));
                self.note_possible(kind, using, id);
            }
        }
        let state = self.object_mut(object);
        state.freed = true;
        state.freed_by = id;
    }

    pub(super) fn use_allocation(&mut self, allocation: ObjectId, id: EventId) {
        let state = self.object(allocation);
        let ObjectKind::Allocation(kind) = state.kind else {
            return;
        };
        let freed = state.freed;
        let freed_by = state.freed_by;
        let renewed_by = state.renewed_by;
        if freed {
            let ordered = id == INITIAL
                || freed_by == INITIAL
                || View::knows(&self.graph, self.view.before(id), freed_by);
            if ordered {
                let message = match kind {
                    ViolationKind::UseAfterDestroy => "used after it was destroyed",
                    _ => "used after it was freed",
                };
                self.tell(&Violation::on(kind, allocation, message));
                self.note(kind, id, freed_by);
                return;
            }
            self.tell(&Violation::on(kind, allocation, UNORDERED));
            self.note_possible(kind, id, freed_by);
        }
        if id == INITIAL {
            return;
        }
        if renewed_by != INITIAL && !View::knows(&self.graph, self.view.before(id), renewed_by) {
            self.tell(&Violation::on(
                kind,
                allocation,
                "used here, and nothing orders that after its initialisation",
            ));
            self.note(kind, id, INITIAL);
        }
        let event = &self.graph.events[id as usize];
        let (slot, number) = (event.thread as usize, event.index + 1);
        let uses = &mut self.object_mut(allocation).uses;
        if !uses.knows(slot, number) {
            uses.set(slot, number);
        }
    }

    pub(super) fn check_race(&mut self, object: ObjectId, action: Action, id: EventId) {
        let known = *self.view.clocks[id as usize].hb();
        let event = &self.graph.events[id as usize];
        let (slot, number) = (event.thread as usize, event.index + 1);
        let state = self.object_mut(object);
        let races = match action {
            Action::Read => state.plain.read(slot, number, &known),
            _ => state.plain.write(slot, number, &known),
        };
        if let ObjectKind::Plain(kind) = state.kind
            && races
        {
            self.tell(&Violation::on(kind, object, RACE));
            self.note(kind, id, INITIAL);
        }
    }

    pub(super) fn touch(&mut self, allocation: ObjectId, step: Step) {
        let thread = &mut self.threads[self.current];
        match step {
            Step::Last if self.phase == Phase::Alone => self.use_allocation(allocation, INITIAL),
            Step::Last => {
                if let Some(last) = (thread.events as usize).checked_sub(1) {
                    let id = self.view.threads[thread.slot].events[last];
                    self.use_allocation(allocation, id);
                }
            }
            Step::Next => {
                if !thread.touching.contains(&allocation) {
                    thread.touching.push(allocation);
                }
            }
        }
    }

    pub(super) fn is_freed(&self, allocation: ObjectId) -> bool {
        let state = self.object(allocation);
        if self.phase == Phase::Alone || state.freed_by == INITIAL {
            return state.freed;
        }
        let free = &self.graph.events[state.freed_by as usize];
        state.freed && self.current_knows(free.thread as usize, free.index + 1)
    }

    /// Whether the current thread knows a thread's step after its own last one. Not what the graph
    /// has of it, which may be more where its steps are performed again.
    pub(super) fn current_knows(&self, thread: usize, step: u16) -> bool {
        let Thread { slot, events, .. } = self.threads[self.current];
        let last = match (events as usize).checked_sub(1) {
            Some(last) => self.view.threads[slot].events[last],
            None => self.graph.threads[slot].map_or(INITIAL, |thread| thread.parent),
        };
        last != INITIAL && self.view.before(last).knows(thread, step)
    }

    /// A violation of the model, noticed by the current thread in or after its last step.
    pub(super) fn report(&mut self, violation: &Violation) {
        if self.is_halted() {
            return;
        }
        let thread = &self.threads[self.current];
        let at = match (self.phase, (thread.events as usize).checked_sub(1)) {
            (Phase::Concurrent, Some(last)) => self.view.threads[thread.slot].events[last],
            _ => INITIAL,
        };
        self.tell(violation);
        self.note(violation.kind, at, INITIAL);
    }

    /// The current thread goes no further if a violation was noted.
    pub(super) fn halt_if_violated(&mut self) {
        if !self.found.is_empty() {
            self.threads[self.current].halted = true;
        }
    }

    pub(super) fn tell(&mut self, violation: &Violation) {
        let me = self.current;
        if let Some(teller) = &mut self.teller {
            teller.violation(me, violation);
        }
    }

    /// Note a violation that comes about where `at` comes after `after`, and need not. The execution
    /// in which it does not goes on.
    pub(super) fn note_possible(&mut self, kind: ViolationKind, at: EventId, after: EventId) {
        if !self.found.iter().any(|found| found.kind == kind) {
            self.found.push(Found {
                kind,
                at: Some(at),
                after: Some(after),
            });
        }
    }

    pub(super) fn note(&mut self, kind: ViolationKind, at: EventId, after: EventId) {
        // What an execution comes to after it has ended is not part of it.
        if self.phase == Phase::Alone && self.threads.iter().any(|t| t.halted) {
            return;
        }
        if !self.found.iter().any(|found| found.kind == kind) {
            let event = |id: EventId| (id != INITIAL).then_some(id);
            self.found.push(Found {
                kind,
                at: event(at),
                after: event(after),
            });
        }
        if kind.is_fatal() {
            self.threads[self.current].halted = true;
            if self.phase == Phase::Alone {
                self.end = Some(End::Fatal);
            }
        }
    }
}
