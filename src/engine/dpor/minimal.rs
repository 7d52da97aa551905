// SPDX-License-Identifier: GPL-2.0-only
//! The smallest execution with a violation: the fewest preemptions, and among those the fewest steps.
//!
//! Every interleaving with no preemption is looked at, then every one with one, and so on, until the
//! violation comes about, and with as many preemptions all that are shorter. That is done with stored
//! states ([`super::states`]), which see grace periods as a kernel has them: one waits for every
//! section that was open when it began.
//!
//! (Musuvathi, Qadeer, "Iterative context bounding for systematic testing of multithreaded
//! programs", PLDI 2007.)

use super::{
    Explorer, directed,
    execution::{Director, End, STEP_LIMIT, Scheduled, ThreadKey},
    states::Smallest,
};
use crate::{
    engine::{
        Finding, Limits, Program, Size,
        recording::{RecordedViolation, Recording},
    },
    sync::{self, engine::Engine, violation::ViolationKind},
};
use std::rc::Rc;

/// How far [`minimise`] goes, in steps that are looked at: some seconds.
pub const MOST_STEPS: u64 = 5_000_000;

/// An execution that has the violation.
struct Smaller {
    recording: Recording,
    size: Size,
}

/// What to look for.
struct Wanted<'a> {
    program: &'a Program,
    stop: &'a dyn Fn() -> bool,
    kind: ViolationKind,
    object: String,
    message: String,
}

/// An object's name without the numbers that tell those of a name apart, which are given as the objects
/// come and differ from run to run.
fn without_numbers(object: &str) -> String {
    let mut parts = object.split('#');
    let mut name = parts.next().unwrap_or_default().to_owned();
    name.extend(parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())));
    name
}

/// Look for a smaller execution than the one that was found, with the same kind of violation on the same
/// object, in at most so many steps and until it is to `stop`. The finding with the smallest one
/// in it; `None` where the one that was found does not come about again.
#[must_use]
pub fn minimise(
    program: &Program,
    finding: &Finding,
    most: u64,
    stop: &dyn Fn() -> bool,
) -> Option<Finding> {
    let found = finding.recording.violation(finding.kind)?;
    let wanted = Wanted {
        program,
        stop,
        kind: finding.kind,
        object: found.object.clone(),
        message: found.message.clone(),
    };
    let schedule = keys(program, &finding.recording)?;
    let known = wanted.tried(schedule.clone())?;
    let smallest = wanted.smallest(known, &schedule, most);
    Some(Finding {
        recording: smallest.recording,
        size: Some(smallest.size),
        ..*finding
    })
}

/// The schedule of a recording, by keys.
fn keys(program: &Program, recording: &Recording) -> Option<Vec<Scheduled<ThreadKey>>> {
    let steps = recording.steps.iter().filter(|step| step.concurrent);
    let names = steps.map(|step| Scheduled {
        thread: step.context.clone(),
        choice: match step.action {
            sync::engine::Action::Choose(_) => step.saw as u32,
            _ => 0,
        },
    });
    let explorer = Explorer::new();
    explorer.execution.borrow_mut().director = Director::Names(names.collect());
    let engine: Rc<dyn Engine> = Rc::<Explorer>::clone(&explorer);
    sync::with_engine(engine, || explorer.run(program, true));
    let execution = explorer.execution.borrow();
    match execution.end {
        Some(End::Cut(_)) => None,
        _ => Some(execution.schedule_by_key()),
    }
}

impl Wanted<'_> {
    fn smallest(
        &self,
        mut known: Smaller,
        schedule: &[Scheduled<ThreadKey>],
        most: u64,
    ) -> Smaller {
        let limits = Limits::default();
        let mut states = Smallest::new(self.program, &limits, self.kind, most, self.stop);
        // It may have a grace period that ends too early for a kernel: then any other one is better.
        let is_one = states.can_follow(schedule, &without_numbers(&self.object));
        for bound in 0.. {
            let is_last = is_one && bound == known.size.preemptions;
            let below = match is_last {
                true => known.size.steps,
                false => STEP_LIMIT,
            };
            let bounded = states.within(bound, below);
            let mut complete = bounded.complete;
            let mut found = false;
            if let Some(schedule) = bounded.smallest {
                match self.tried(schedule) {
                    Some(mut smaller) => {
                        // A replay takes more threads for ones that could go on.
                        smaller.size.preemptions = bound;
                        known = smaller;
                        found = true;
                    }
                    // Of another object, or of one that goes by another name there.
                    None => complete = false,
                }
            }
            if found || is_last {
                known.size.fewest_preemptions = true;
                known.size.fewest_steps = complete;
                return known;
            }
            // More preemptions would not bring it about, either.
            if !complete || bounded.all {
                return known;
            }
        }
        known
    }

    /// The execution of a schedule, if it has the violation.
    fn tried(&self, schedule: Vec<Scheduled<ThreadKey>>) -> Option<Smaller> {
        let length = schedule.len();
        let replay = directed(self.program, Director::Deferring(schedule)).0;
        let recording = replay.recording;
        let same = |v: &RecordedViolation| {
            v.kind == self.kind
                && without_numbers(&v.object) == without_numbers(&self.object)
                && (!v.object.is_empty() || v.message == self.message)
        };
        let violated = recording.violations.iter().any(same);
        let steps = recording
            .steps
            .iter()
            .filter(|step| step.concurrent)
            .count();
        // A schedule that the execution goes on after is not all of it.
        let size = Size {
            preemptions: replay.preemptions,
            steps,
            fewest_preemptions: false,
            fewest_steps: false,
        };
        (violated && steps == length).then_some(Smaller { recording, size })
    }
}
