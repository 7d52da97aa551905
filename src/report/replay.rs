// SPDX-License-Identifier: GPL-2.0-only
//! A counterexample run again: on its own model exactly, on another one as far as it goes.
//!
//! On its own model each step must be the recorded one, to what it saw. If it is not, the model
//! has changed since, and what comes after would be another interleaving. Another model has other
//! steps from the start; there the order in which the contexts pass the recorded steps is
//! followed, see [`dpor::follow()`].

use super::{
    counterexample::{Counterexample, Step, schedule},
    digest::lies_in,
    order::Order,
    words::{short, waits, words},
};
use crate::{
    check::program::program,
    engine::{
        dpor::{self, Landmark, Parting},
        recording::{RecordedViolation, Recording, Site, TraceStep},
    },
    model::Model,
    scenario::Scenario,
    sync::{engine::Action, violation::ViolationKind},
};
use std::{fmt, sync::Arc};

/// What came of running a counterexample again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What happened.
    pub recording: Recording,
    /// The violation, if it came about: the same kind, about the same object.
    pub violation: Option<RecordedViolation>,
    /// Where the recorded interleaving could not be followed any further.
    pub parted: Option<Parted>,
    /// For each step of the part where every interleaving counts, for as long as it was followed:
    /// which recorded step it is, counted from 0, if it is one.
    pub steps: Vec<Option<usize>>,
    /// The recorded steps, counted from 0, that there are none for here.
    pub missing: Vec<usize>,
    /// On another model, all recorded steps as they were on their own one, to say what they did.
    /// None, if they do not run there as they were recorded.
    pub recorded: Vec<TraceStep>,
    /// It ran on the choices that the counterexample was found with.
    pub same: bool,
}

impl Replay {
    /// 1: the violation came about, or on another model another one. 0: none did. 3: the interleaving
    /// could not be followed to its end, and nothing is wrong in it.
    ///
    /// On its own model, a replay that parts says nothing about what comes after. On another one,
    /// whatever was run is an execution of it, and so a violation in it is one.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match (&self.parted, &self.violation) {
            (Some(_), _) if self.same => 3,
            (_, Some(_)) => 1,
            _ if !self.same && !self.recording.violations.is_empty() => 1,
            (Some(_), None) => 3,
            (None, None) => 0,
        }
    }
}

/// Where a replay and the recorded interleaving part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// At which recorded step, counted from 1.
    pub step: usize,
    /// What it was.
    pub was: Option<Step>,
    /// What it did, in words, where that is known.
    pub did: Option<String>,
    /// What it is now, in a sentence.
    pub now: String,
}

impl fmt::Display for Parted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            was,
            did,
            now,
        } = self;
        match (was, did) {
            (Some(was), Some(did)) => {
                let place = match was.function.as_str() {
                    "" => String::new(),
                    function => format!(" in {function}"),
                };
                write!(
                    f,
                    "step {step} was {}{place}: {did}; here {now}",
                    was.context
                )
            }
            (Some(was), None) => write!(f, "step {step} was {was}; here {now}"),
            (None, _) => write!(f, "the recorded steps end before step {step}; here {now}"),
        }
    }
}

/// Runs a counterexample on `model`.
#[must_use]
pub fn replay(counterexample: &Counterexample, model: &Model) -> Replay {
    let own = exactly(counterexample);
    let mut replay = if model.choices == counterexample.model.choices {
        own
    } else {
        let scenario = Arc::new(counterexample.scenario.clone());
        let followed = follow(counterexample, &scenario, model);
        elsewhere(counterexample, &own, followed)
    };
    let claim = &counterexample.violation;
    let mut violations = replay.recording.violations.iter();
    let same = violations.find(|v| v.kind == claim.kind && v.object == claim.object);
    replay.violation = same.map(|violation| at_the_use(&replay.recording, violation));
    replay
}

/// Where a free is noticed that nothing puts after a use: the violation as one of the use.
fn at_the_use(recording: &Recording, violation: &RecordedViolation) -> RecordedViolation {
    let violation = violation.clone();
    let free = violation.site.step;
    let is_use = matches!(
        violation.kind,
        ViolationKind::UseAfterFree | ViolationKind::UseAfterDestroy
    );
    let Some(life) = violation.life.as_ref().filter(|life| {
        let freed = life.freed.as_ref();
        is_use && freed.is_some_and(|freed| freed.step == free)
    }) else {
        return violation;
    };
    let order = Order::new(recording);
    let mut before = (0..free).rev().filter(|&at| recording.steps[at].concurrent);
    let used = before.find(|&at| {
        let object = &recording.steps[at].object;
        (*object == life.object || lies_in(object, &life.object)) && !order.before(at, free)
    });
    let Some((at, step)) = used.map(|at| (at, &recording.steps[at])) else {
        return violation;
    };
    RecordedViolation {
        site: Site {
            step: at,
            context: step.context.clone(),
            function: step.functions.last().copied().unwrap_or(""),
            functions: step.functions.clone(),
        },
        ..violation
    }
}

/// Follows a counterexample on a scenario and a model, whichever it was found on, as far as it goes.
#[must_use]
pub fn follow(
    counterexample: &Counterexample,
    scenario: &Arc<Scenario>,
    model: &Model,
) -> dpor::Followed {
    let landmarks: Vec<Landmark> = counterexample.schedule.iter().map(landmark).collect();
    dpor::follow(&program(scenario, model.choices), &landmarks)
}

/// On its own model.
fn exactly(counterexample: &Counterexample) -> Replay {
    let scenario = Arc::new(counterexample.scenario.clone());
    let program = program(&scenario, counterexample.model.choices);
    let replay = match counterexample.weak {
        true => dpor::graphs::replay(&program, counterexample.given_steps()),
        false => dpor::replay(&program, &counterexample.schedule_steps()),
    };
    let recorded = &counterexample.schedule;
    let now = schedule(&replay.recording);
    let same = recorded
        .iter()
        .zip(&now)
        .take_while(|(a, b)| a == b)
        .count();
    let parted = if same < recorded.len().max(now.len()) {
        let is = match (now.get(same), &replay.parted) {
            (Some(step), _) => format!("it is {step}"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "the execution is over".to_owned(),
        };
        Some(Parted {
            step: same + 1,
            was: recorded.get(same).cloned(),
            did: None,
            now: is,
        })
    } else {
        None
    };
    Replay {
        steps: (0..same).map(Some).collect(),
        missing: Vec::new(),
        recorded: Vec::new(),
        same: true,
        recording: replay.recording,
        violation: None,
        parted,
    }
}

pub(super) fn landmark(step: &Step) -> Landmark {
    Landmark {
        context: step.context.clone(),
        function: step.function.clone(),
        operation: step.operation.clone(),
        object: step.object.clone(),
        choice: step.choice.unwrap_or(0),
    }
}

fn elsewhere(counterexample: &Counterexample, own: &Replay, followed: dpor::Followed) -> Replay {
    let schedule = &counterexample.schedule;
    let mut recorded = Vec::new();
    if own.parted.is_none() {
        let steps = own.recording.steps.iter();
        recorded.extend(steps.filter(|step| step.concurrent).cloned());
    }
    let parted = match (&followed.parted, &followed.cut) {
        (Some(parting), _) => {
            let was = schedule.get(parting.landmark).cloned();
            let did = recorded.get(parting.landmark);
            let context = was.as_ref().map_or("", |was| &was.context);
            Some(Parted {
                step: parting.landmark + 1,
                now: waiting(context, parting, &followed),
                did: did.map(|step| words(step, short(&step.object)).text),
                was,
            })
        }
        (None, Some(reason)) => Some(Parted {
            step: schedule.len() + 1,
            was: None,
            did: None,
            now: reason.clone(),
        }),
        (None, None) => None,
    };
    Replay {
        recording: followed.recording,
        violation: None,
        parted,
        steps: followed.steps,
        missing: followed.missing,
        recorded,
        same: false,
    }
}

/// Who waits for what, and, for a lock, who has it.
fn waiting(context: &str, parting: &Parting, followed: &dpor::Followed) -> String {
    let Parting {
        function,
        action,
        object,
        ..
    } = parting;
    let place = match function.as_str() {
        "" => String::new(),
        function => format!(" in {function}"),
    };
    let mut text = format!("{context} waits{place} for {}", waits(*action, object));
    let steps = &followed.recording.steps;
    let concurrent = (0..steps.len()).filter(|&at| steps[at].concurrent);
    let concurrent: Vec<usize> = concurrent.collect();
    let (before, left) = concurrent.split_at(followed.steps.len().min(concurrent.len()));
    if *action == Action::Lock {
        let mut before = before.iter().map(|&at| &steps[at]);
        let last = before.rfind(|step| step.object == *object);
        if let Some(holder) = last.filter(|step| step.action != Action::Unlock) {
            text.push_str(&format!(", which {} holds", holder.context));
        }
    }
    // Who will do what it waits for, once everybody goes on.
    let is_word = matches!(action, Action::Await(..) | Action::AwaitUpdate(..));
    let wakes = |&at: &usize| {
        let step = &steps[at];
        step.object == *object
            && step.context != context
            && matches!(step.action, Action::Store(..) | Action::Update(..))
    };
    if is_word && let Some(at) = left.iter().position(wakes) {
        let step = &steps[left[at]];
        // What it does in there is called as its object is waited for.
        let (verb, nth) = match object.ends_with("_done") || object == "rcu_head" {
            true => ("do", 1),
            false => ("change", 0),
        };
        text.push_str(&format!(", which {} has still to {verb}", step.context));
        if let Some(function) = step.functions.iter().rev().nth(nth) {
            text.push_str(&format!(", in {function}"));
        }
        let waits = left[..at].iter().rfind(|&&other| {
            let other = &steps[other];
            other.thread == step.thread && matches!(other.action, Action::GracePeriodEnd(_))
        });
        if let Some(holders) = waits.and_then(|&end| holders(&followed.recording, left, end)) {
            let whose = &step.context;
            text.push_str(&format!(
                "; the grace period that {whose} waits for is held up by {holders}"
            ));
        }
    }
    if matches!(*action, Action::GracePeriodEnd(_)) {
        let is_it = |&&at: &&usize| steps[at].context == context && steps[at].action == *action;
        let end = left.iter().find(is_it);
        if let Some(holders) = end.and_then(|&end| holders(&followed.recording, left, end)) {
            text.push_str(&format!(", which {holders} holds up"));
        }
    }
    text
}

/// Who holds up a grace period: of whom its end is ordered after something that is `left` to do.
fn holders(recording: &Recording, left: &[usize], end: usize) -> Option<String> {
    let sources = Order::new(recording).sources(end).into_iter();
    let sources = sources.filter(|source| left.contains(source));
    let mut holders: Vec<&str> = sources
        .map(|source| &*recording.steps[source].context)
        .collect();
    holders.dedup();
    (!holders.is_empty()).then(|| holders.join(" and "))
}
