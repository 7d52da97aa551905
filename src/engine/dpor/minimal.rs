// SPDX-License-Identifier: GPL-2.0-only
//! The smallest execution with a violation: the fewest preemptions, and among those the fewest steps.
//!
//! With at most 0 preemptions, then 1, and so on, everything is explored (see `search`: a search with
//! a bound misses no violation within it), until the violation comes about. What is explored is one
//! interleaving of each class. Of a class, one in which a thread goes on as long as it can is tried
//! as well, without the steps that the violation does not need.
//!
//! An execution that a violation ends needs the steps that happen before it and no others. So the
//! fewest such steps of any class within the bound are a lower bound, and where an execution comes
//! down to it, none has fewer. Elsewhere the fewest that were seen are told, as not shown to be it.

use super::{
    Explorer, directed,
    execution::{Director, End, Execution, Scheduled, ThreadKey},
    search::Next,
};
use crate::{
    engine::{
        Finding, Program, Size,
        recording::{RecordedViolation, Recording},
    },
    sync::{self, engine::Engine, violation::ViolationKind},
};
use std::rc::Rc;

/// How far [`minimise`] goes, in executions that are run.
pub const MOST_EXECUTIONS: u64 = 2_000;

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
}

/// What is known of one bound.
#[derive(Default)]
struct Bounded {
    best: Option<Smaller>,
    /// No execution within the bound has the violation after fewer steps than this.
    least: Option<usize>,
    complete: bool,
}

/// Look for a smaller execution than the one that was found, with the same kind of violation on the same
/// object, in at most so many executions and until it is to `stop`. The finding with the smallest one
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
    };
    let schedule = keys(program, &finding.recording)?;
    let smallest = wanted.smallest(wanted.tried(schedule)?, most);
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
    fn smallest(&self, mut known: Smaller, most: u64) -> Smaller {
        let mut left = most;
        for bound in 0..=known.size.preemptions {
            let bounded = self.within(bound, &mut left);
            let complete = bounded.complete;
            match bounded.best {
                // Also where it was cut short: all with fewer were explored to the end.
                Some(mut best) if complete || best.size.preemptions < known.size.preemptions => {
                    best.size.fewest_preemptions = best.size.preemptions == bound;
                    best.size.fewest_steps = complete && bounded.least == Some(best.size.steps);
                    return best;
                }
                Some(best) if best.size.steps < known.size.steps => known = best,
                _ => {}
            }
            if !complete {
                known.size.fewest_preemptions = bound == known.size.preemptions;
                return known;
            }
        }
        // The one that was found has as few preemptions as it says, so its own bound has it.
        known
    }

    /// The execution of a schedule, if it has the violation.
    fn tried(&self, schedule: Vec<Scheduled<ThreadKey>>) -> Option<Smaller> {
        let length = schedule.len();
        let replay = directed(self.program, Director::Keys(schedule)).0;
        let recording = replay.recording;
        let same = |v: &RecordedViolation| v.kind == self.kind && v.object == self.object;
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

    /// Explore everything with at most `bound` preemptions.
    fn within(&self, bound: u32, left: &mut u64) -> Bounded {
        let mut bounded = Bounded::default();
        let explorer = Explorer::new();
        explorer.execution.borrow_mut().search.preemption_bound = Some(bound);
        let engine: Rc<dyn Engine> = Rc::<Explorer>::clone(&explorer);
        loop {
            if *left == 0 || (self.stop)() {
                return bounded;
            }
            *left -= 1;
            sync::with_engine(Rc::clone(&engine), || explorer.run(self.program, false));
            let mut execution = explorer.execution.borrow_mut();
            if let Some(End::Cut(_)) = execution.end {
                return bounded;
            }
            execution.conclude();
            let counts = !execution.search.is_over_bound();
            let candidates = match counts && execution.violations.contains(&self.kind) {
                true => self.candidates(&execution),
                false => Vec::new(),
            };
            let next = execution.search.backtrack();
            drop(execution);
            self.consider(candidates, bound, &mut bounded);
            match next {
                Next::Run => {}
                Next::Done => break,
                Next::Wait(_) => unreachable!("nothing is handed out where there is a bound"),
            }
        }
        bounded.complete = true;
        bounded
    }

    /// Schedules that show the violation, the shortest first, and whether that has no step that the
    /// violation does not need.
    fn candidates(&self, execution: &Execution) -> Vec<(Vec<Scheduled<ThreadKey>>, bool)> {
        let ends = execution.end == Some(End::Fatal)
            && execution.violations.last() == Some(&self.kind)
            && self.kind != ViolationKind::HungTask;
        let calm = execution.calm_schedule_that(ends);
        let calm = calm.into_iter().map(|schedule| (schedule, ends));
        calm.chain([(execution.schedule_by_key(), false)]).collect()
    }

    fn consider(
        &self,
        candidates: Vec<(Vec<Scheduled<ThreadKey>>, bool)>,
        bound: u32,
        bounded: &mut Bounded,
    ) {
        for (schedule, is_least) in candidates {
            let length = schedule.len();
            let is_known = |known: Option<usize>| known.is_some_and(|known| known <= length);
            let shorter = !is_known(bounded.best.as_ref().map(|best| best.size.steps));
            if !shorter && (!is_least || is_known(bounded.least)) {
                continue;
            }
            let Some(tried) = self.tried(schedule) else {
                continue;
            };
            if is_least && !is_known(bounded.least) {
                bounded.least = Some(length);
            }
            if shorter && tried.size.preemptions <= bound {
                bounded.best = Some(tried);
            }
        }
    }
}
