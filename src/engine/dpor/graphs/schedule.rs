// SPDX-License-Identifier: GPL-2.0-only
//! Which thread goes on.
//!
//! A graph that is run again is run along its order, and then extended by the next step of the first
//! thread that can go on; by the end of a grace period only where nothing else can, and by a thread
//! that settles last. Where nothing can go on, a wait that an older write could have ended is looked
//! at: see [`Execution::block_one`].

use super::{
    super::search::{Request, is_over, is_waiting},
    execution::{End, Execution, Found},
    graph::EventId,
    revisit::waits_on,
};
use crate::sync::{
    engine::{Action, Phase},
    violation::ViolationKind,
};

/// The most events an execution may have: their numbers have 16 bits.
const STEP_LIMIT: usize = 20_000;

impl Execution {
    /// Decide which thread performs the step it asks for. `None`: the run is over.
    pub(super) fn schedule(&mut self) -> Option<usize> {
        if self.end.is_some() {
            return None;
        }
        let next = match self.phase {
            Phase::Alone => self.schedule_alone(),
            Phase::Concurrent => {
                let next = self.schedule_concurrent();
                if next.is_none() && self.end.is_none() {
                    self.end_stuck();
                }
                next
            }
        };
        if let Some(next) = next {
            self.current = next;
        }
        next
    }

    pub(super) fn schedule_alone(&mut self) -> Option<usize> {
        if self.is_enabled_alone(self.current) {
            return Some(self.current);
        }
        let next = (0..self.threads.len()).find(|&thread| self.is_enabled_alone(thread));
        if next.is_none() {
            self.end_stuck();
        }
        next
    }

    pub(super) fn is_enabled_alone(&self, thread: usize) -> bool {
        let state = &self.threads[thread];
        let Some(Request { object, action }) = state.request else {
            return false;
        };
        match action {
            _ if state.halted => false,
            Action::GracePeriodEnd(number) => self.alone.has_ended(number),
            Action::Settle => self.may_settle(thread, |other| !self.is_enabled_alone(other)),
            _ => !is_waiting(action) || is_over(action, self.object(object).value),
        }
    }

    pub(super) fn may_settle(&self, thread: usize, waits: impl Fn(usize) -> bool) -> bool {
        let mut others = self.threads.iter().enumerate();
        others
            .all(|(other, state)| other == thread || state.finished || state.daemon && waits(other))
    }

    pub(super) fn schedule_concurrent(&mut self) -> Option<usize> {
        if self.given.is_some() {
            return self.schedule_given();
        }
        if let Some(write) = self.pending.take() {
            self.revisit(write);
        }
        while let Some(&id) = self.view.order.get(self.performed) {
            let event = &self.graph.events[id as usize];
            let Some(thread) = (self.running[event.thread as usize] as usize).checked_sub(1) else {
                self.end = Some(End::Cut(
                    "the model is not deterministic: a context did not begin again".to_owned(),
                ));
                return None;
            };
            if !event.blocked {
                return Some(thread);
            }
            self.threads[thread].blocked = true;
            self.threads[thread].events += 1;
            self.performed += 1;
        }
        if self.teller.is_some() {
            self.end = Some(End::Finished);
            return None;
        }
        if self.graph.events.len() > STEP_LIMIT {
            self.end = Some(End::Cut(format!(
                "an execution has more than {STEP_LIMIT} steps"
            )));
            return None;
        }
        loop {
            let mut settles: Option<usize> = None;
            let mut first: Option<usize> = None;
            let mut ends = false;
            for thread in 0..self.threads.len() {
                let state = &self.threads[thread];
                let Some(Request { object, action }) = state.request else {
                    continue;
                };
                if state.halted || state.blocked {
                    continue;
                }
                match action {
                    Action::GracePeriodEnd(_) => ends = true,
                    Action::Settle => settles = Some(thread),
                    _ => {
                        if first.is_none_or(|other| state.key < self.threads[other].key)
                            && (!is_waiting(action) || is_over(action, self.last_value(object)))
                        {
                            first = Some(thread);
                        }
                    }
                }
            }
            // Whether a grace period may end is looked at only where it has to be known.
            let next = first.or_else(|| if ends { self.first_end() } else { None });
            if next.is_some() {
                return next;
            }
            if self.block_one() {
                continue;
            }
            let thread = settles?;
            let may = self.may_settle(thread, |_| true);
            if !may || self.threads.iter().any(|t| t.halted) {
                return None;
            }
            if self.has_stale_wait() {
                self.end = Some(End::Blocked);
                return None;
            }
            return Some(thread);
        }
    }

    /// The first thread that waits for the end of a grace period and need not wait any longer.
    fn first_end(&mut self) -> Option<usize> {
        let mut first: Option<usize> = None;
        for thread in 0..self.threads.len() {
            let state = &self.threads[thread];
            if let Some(Request { object, action }) = state.request
                && let Action::GracePeriodEnd(number) = action
                && !state.halted
                && !state.blocked
                && first.is_none_or(|other| state.key < self.threads[other].key)
                && self.sections_have_ended(object, number)
            {
                first = Some(thread);
            }
        }
        first
    }

    /// Nothing can go on. Take a thread whose wait an older write could have ended: it is blocked
    /// here, and elsewhere it is not.
    pub(super) fn block_one(&mut self) -> bool {
        let mut order = std::mem::take(&mut self.memory.order);
        order.clear();
        order.extend(0..self.threads.len());
        order.sort_unstable_by_key(|&thread| self.threads[thread].key);
        let found = order.iter().any(|&thread| self.block(thread));
        self.memory.order = order;
        found
    }

    /// The same for this thread.
    pub(super) fn block(&mut self, thread: usize) -> bool {
        let state = &self.threads[thread];
        let Some(Request { object, action }) = state.request else {
            return false;
        };
        if state.halted || state.blocked || !is_waiting(action) {
            return false;
        }
        let last = self.view.location(object).writes.len();
        let lowest = self
            .view
            .lowest(&self.graph, object, self.view.bound(state.slot));
        let ends = |place| is_over(action, self.value_at(object, place));
        if !(lowest..last).any(ends) {
            return false;
        }
        let mut event = self.template(thread, object, action);
        event.reads = true;
        self.other_reads(&event, last);
        self.threads[thread].blocked = true;
        if action == Action::Lock {
            // Nothing that is written later could only be read by it: see `revisit`.
            return true;
        }
        event.read_from(self.write_at(object, last), self.last_value(object));
        self.graph.events.push(event);
        self.view.append(&self.graph);
        self.view.order.push(self.graph.events.len() as EventId - 1);
        self.performed += 1;
        self.threads[thread].events += 1;
        true
    }

    /// Whether a wait in the graph reads what does not end it though something was written since.
    pub(super) fn has_stale_wait(&self) -> bool {
        let mut events = self.graph.events.iter();
        events.any(|event| event.blocked && !waits_on(&self.graph, &self.view, event, |_| true))
    }

    pub(super) fn end_stuck(&mut self) {
        if self.threads.iter().any(|t| t.halted) {
            self.end = Some(End::Fatal);
            return;
        }
        if self.phase == Phase::Concurrent && self.has_stale_wait() {
            self.end = Some(End::Blocked);
            return;
        }
        let hangs = self.threads.iter().any(|thread| {
            let settles = thread.request.is_some_and(|r| r.action == Action::Settle);
            !thread.finished && !thread.daemon && !settles
        });
        if hangs {
            self.found.push(Found {
                kind: ViolationKind::HungTask,
                at: None,
                after: None,
            });
            self.end = Some(End::Fatal);
        } else {
            self.end = Some(End::Finished);
        }
    }
}
