// SPDX-License-Identifier: GPL-2.0-only
//! An execution that is given step by step, which may be no interleaving: who goes on, and what each
//! read reads.
//!
//! The steps are added to the graph in the order in which they are given, and each has to be one that
//! the memory model allows there. So what comes of it is an execution, or it is said where it is none.

use super::{
    super::{Replay, search::Request, search::is_over, search::is_waiting},
    Explorer,
    consistency::View,
    execution::{Branch, End, Execution},
    graph::EventId,
    tell::Teller,
};
use crate::{
    engine::{MemoryModel, Program},
    sync::engine::{Action, ThreadId},
};

/// A step of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenStep {
    /// The thread's name.
    pub context: String,
    /// The answer, where it is a choice.
    pub choice: u32,
    /// Where it reads something older than the last write before it: the step that wrote that, counted
    /// from 1, or 0 where none did.
    pub reads: Option<usize>,
}

/// The steps that are given, and where the next read reads.
#[derive(Debug, Default)]
pub(super) struct Given {
    steps: Vec<GivenStep>,
    /// The place in the coherence order of what the next step reads.
    pub(super) place: usize,
    pub(super) choice: u32,
}

impl Execution {
    /// Whose step is given next. `None`: there is none, or it is not possible.
    pub(super) fn schedule_given(&mut self) -> Option<usize> {
        // What could have read it is in other executions.
        self.pending = None;
        let at = self.graph.events.len();
        let step = self.given.as_ref().and_then(|given| given.steps.get(at));
        let Some(step) = step.cloned() else {
            self.end = Some(End::Finished);
            return None;
        };
        match self.possible(&step) {
            Ok((thread, place)) => {
                if let Some(given) = &mut self.given {
                    given.place = place;
                    given.choice = step.choice;
                }
                Some(thread)
            }
            Err(why) => {
                let step = at + 1;
                self.end = Some(End::Cut(format!("step {step} is not possible: {why}")));
                None
            }
        }
    }

    /// The thread that performs a step, and the place of the write that it reads.
    fn possible(&mut self, step: &GivenStep) -> Result<(usize, usize), String> {
        let teller = self.teller.as_mut().expect("what is given is told");
        let mut threads = 0..self.threads.len();
        let thread = threads
            .find(|&t| teller.recorder().thread_name(ThreadId(t as u32)) == step.context)
            .ok_or("there is no such context yet")?;
        let state = &self.threads[thread];
        let slot = state.slot;
        let Some(Request { object, action }) = state.request.filter(|_| !state.halted) else {
            return Err("its context goes no further".to_owned());
        };
        let last = self.view.location(object).writes.len();
        let place = match step.reads {
            None => last,
            Some(0) => 0,
            Some(written) => {
                let id = (written - 1) as EventId;
                let event = self.graph.events.get(written - 1);
                let writes = event.is_some_and(|event| event.writes && event.object == object);
                if !writes {
                    return Err(format!("step {written} does not write what it reads"));
                }
                View::position(&self.graph, id)
            }
        };
        let waits = match action {
            Action::GracePeriodEnd(number) => !self.sections_have_ended(object, number),
            Action::Settle => !self.may_settle(thread, |_| true),
            _ => is_waiting(action) && !is_over(action, self.value_at(object, place)),
        };
        if waits {
            return Err("its context waits".to_owned());
        }
        let lowest = self.view.lowest(&self.graph, object, self.view.bound(slot));
        if place < lowest {
            return Err("what it reads was overwritten before it".to_owned());
        }
        Ok((thread, place))
    }

    /// Whether the memory model allows all of what was given.
    fn allows_given(&mut self) -> bool {
        self.view.psc_is_acyclic(&self.graph, &mut self.fences)
    }
}

/// Run one execution that RC11 allows, which may be no interleaving, along its steps.
#[must_use]
pub fn replay(program: &Program, steps: Vec<GivenStep>) -> Replay {
    let explorer = Explorer::new(MemoryModel::Rc11);
    {
        let mut execution = explorer.execution.borrow_mut();
        execution.teller = Some(Teller::default());
        execution.given = Some(Given {
            steps,
            ..Given::default()
        });
        execution.take_up(Branch::default());
    }
    explorer.run(program);
    let mut execution = explorer.execution.borrow_mut();
    let parted = match execution.end.take() {
        Some(End::Cut(why)) => Some(why),
        _ if !execution.allows_given() => Some("the memory model does not allow it".to_owned()),
        _ => None,
    };
    let mut recording = execution.take_recording();
    recording.weak = true;
    Replay {
        followed: execution.graph.events.len(),
        recording,
        preemptions: 0,
        parted,
    }
}
