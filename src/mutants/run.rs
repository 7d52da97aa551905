// SPDX-License-Identifier: GPL-2.0-only
//! Running scenarios with one call weakened.

use super::sites::Site;
use crate::{
    check::program::instrumented,
    engine::{Exploration, Limits, MemoryModel, dpor},
    model::Model,
    scenario::Scenario,
    sync::{
        mutation::{Instrument, Mutation, Place, SELF_TEST, Weakening},
        violation::ViolationKind,
    },
};
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

/// How an exploration ends that comes upon a loop without an end: an execution of these scenarios has
/// a few hundred steps, and a dozen contexts.
const ENDLESS: [&str; 3] = ["steps", "nested too deep", "contexts"];

/// A scenario on a model that shows no violation when nothing is weakened.
#[derive(Debug)]
pub struct Subject {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The model.
    pub model: Arc<Model>,
    /// How many executions it has, or how many of them were run.
    pub executions: u64,
    /// The places of the calls that were made in them.
    pub reached: BTreeSet<Place>,
    /// Whether nothing shows under RC11 either, once that is known.
    rc11: OnceLock<bool>,
}

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A scenario shows a violation.
    Caught {
        /// Which.
        scenario: String,
        /// On which model.
        model: String,
        /// On what memory.
        memory: MemoryModel,
        /// The first kind of violation.
        kind: ViolationKind,
        /// How many executions it took.
        executions: u64,
    },
    /// None does, of so many that make the call.
    Survived {
        /// How many.
        tried: usize,
    },
    /// No scenario makes the call.
    Unreached,
    /// The call is made, and never comes to where this weakening would make a difference.
    NotApplied,
    /// A run did not come to an end with it: so the mutant is no program to be checked.
    Fault {
        /// In which scenario.
        scenario: String,
        /// On which model.
        model: String,
        /// What happened.
        reason: String,
    },
}

/// Explores up to `most` executions without weakening anything. `None` where a violation shows.
///
/// # Errors
///
/// Where the engine or the model panicked.
pub fn observe(
    scenario: &Arc<Scenario>,
    model: &Arc<Model>,
    most: u64,
) -> Result<Option<Subject>, String> {
    let instrument = Instrument::observing();
    let explored = explore(scenario, model, &instrument, most, MemoryModel::Sc)?;
    Ok(explored.findings.is_empty().then(|| Subject {
        scenario: Arc::clone(scenario),
        model: Arc::clone(model),
        executions: explored.executions,
        reached: instrument.reached(),
        rc11: OnceLock::new(),
    }))
}

/// The places of the calls that are made in up to `most` executions, whatever else they show.
///
/// # Errors
///
/// Where the engine or the model panicked.
pub fn reach(
    scenario: &Arc<Scenario>,
    model: &Arc<Model>,
    most: u64,
) -> Result<BTreeSet<Place>, String> {
    let instrument = Instrument::observing();
    let program = instrumented(scenario, model.choices, Some(&instrument));
    let limits = Limits {
        max_executions: Some(most),
        all: true,
        ..Limits::default()
    };
    caught(|| dpor::explore(&program, &limits))?;
    Ok(instrument.reached())
}

/// Explores with an invariant that is false: whether it was found to be.
///
/// # Errors
///
/// Where the engine or the model panicked.
pub fn self_test(scenario: &Arc<Scenario>, model: &Arc<Model>, most: u64) -> Result<bool, String> {
    let instrument = Instrument::claiming_idleness(scenario.actors.len());
    let program = instrumented(scenario, model.choices, Some(&instrument));
    let limits = Limits {
        max_executions: Some(most),
        all: true,
        ..Limits::default()
    };
    let explored = caught(|| dpor::explore(&program, &limits))?;
    let mut findings = explored.findings.iter();
    Ok(findings.any(|finding| {
        let mut violations = finding.recording.violations.iter();
        violations.any(|violation| violation.message == SELF_TEST)
    }))
}

/// Which of the subjects are worth trying, in the order to try them in. The first model of `order`
/// has all of its own; a later one has a scenario where that does not hold on an earlier one, or where
/// it reaches what nothing on an earlier one does, or where it has caught something before.
#[must_use]
pub fn select<'c>(
    subjects: Vec<Subject>,
    order: &[String],
    caught_before: impl IntoIterator<Item = &'c Catcher>,
) -> Vec<Subject> {
    let caught_before = caught_before.into_iter();
    let caught_before: BTreeSet<_> = caught_before
        .map(|catcher| (&catcher.scenario, &catcher.model))
        .collect();
    let mut by_model: Vec<Vec<Subject>> = order.iter().map(|_| Vec::new()).collect();
    for subject in subjects {
        if let Some(at) = order.iter().position(|name| *name == subject.model.name) {
            by_model[at].push(subject);
        }
    }
    let mut selected: Vec<Subject> = Vec::new();
    let mut reached: BTreeSet<Place> = BTreeSet::new();
    for mut of_model in by_model {
        let before = reached.clone();
        of_model.sort_by(|a, b| {
            (a.executions, &a.scenario.name).cmp(&(b.executions, &b.scenario.name))
        });
        for subject in of_model {
            let is_new = selected
                .iter()
                .all(|other| other.scenario.name != subject.scenario.name);
            let pair = (&subject.scenario.name, &subject.model.name);
            if is_new || !subject.reached.is_subset(&before) || caught_before.contains(&pair) {
                reached.extend(&subject.reached);
                selected.push(subject);
            }
        }
    }
    selected
}

/// Who has caught a mutant before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catcher {
    /// The scenario.
    pub scenario: String,
    /// The model.
    pub model: String,
    /// On what memory.
    pub memory: MemoryModel,
    /// After how many executions.
    pub executions: u64,
}

/// What becomes of one mutant: who has caught it before comes first, with as many executions as that
/// may take, then the smallest scenario that makes the call. Each explores up to `most` executions.
#[must_use]
pub fn fate(
    site: &Site,
    weakening: Weakening,
    subjects: &[Subject],
    before: Option<&Catcher>,
    most: u64,
) -> Fate {
    let mutation = Mutation {
        place: site.place,
        weakening,
    };
    if let Some(before) = before {
        let is_it = |subject: &&Subject| {
            subject.scenario.name == before.scenario && subject.model.name == before.model
        };
        let most = most.max(before.executions);
        let again = subjects.iter().find(is_it).and_then(|subject| {
            attempt(subject, mutation, most, before.memory, &mut false)
                .filter(|fate| matches!(fate, Fate::Caught { .. }))
        });
        if let Some(fate) = again {
            return fate;
        }
    }
    let reach: Vec<&Subject> = subjects
        .iter()
        .filter(|subject| subject.reached.contains(&site.place))
        .collect();
    if reach.is_empty() {
        return Fate::Unreached;
    }
    let mut applied = false;
    // What an ordering is for shows as a race of plain memory first.
    for subject in &reach {
        if let Some(fate) = attempt(subject, mutation, most, MemoryModel::Sc, &mut applied) {
            return fate;
        }
    }
    let is_barrier = site.primitive == "fence" || site.primitive.starts_with("smp_");
    if weakening == Weakening::Relax || is_barrier {
        // Graphs are dearer than interleavings.
        let most = most / 10;
        for subject in &reach {
            if subject.holds_on_rc11(most)
                && let Some(fate) =
                    attempt(subject, mutation, most, MemoryModel::Rc11, &mut applied)
            {
                return fate;
            }
        }
    }
    if applied {
        Fate::Survived { tried: reach.len() }
    } else {
        Fate::NotApplied
    }
}

impl Subject {
    fn holds_on_rc11(&self, most: u64) -> bool {
        *self.rc11.get_or_init(|| {
            let instrument = Instrument::observing();
            let memory = MemoryModel::Rc11;
            let explored = explore(&self.scenario, &self.model, &instrument, most, memory);
            explored.is_ok_and(|explored| explored.findings.is_empty() && explored.executions > 0)
        })
    }
}

fn attempt(
    subject: &Subject,
    mutation: Mutation,
    most: u64,
    memory: MemoryModel,
    applied: &mut bool,
) -> Option<Fate> {
    let (scenario, model) = (&subject.scenario, &subject.model);
    let instrument = Instrument::weakening(mutation);
    let explored = match explore(scenario, model, &instrument, most, memory) {
        Ok(explored) => explored,
        Err(reason) => {
            return Some(Fate::Fault {
                scenario: scenario.name.clone(),
                model: model.name.clone(),
                reason,
            });
        }
    };
    if let Some(finding) = explored.findings.first() {
        return Some(Fate::Caught {
            scenario: scenario.name.clone(),
            model: model.name.clone(),
            memory,
            kind: finding.kind,
            executions: finding.after,
        });
    }
    *applied |= instrument.was_applied();
    let asked_for = explored.executions >= most;
    let is_cut = !explored.complete && !asked_for && memory == MemoryModel::Sc;
    let fault = explored.reason.filter(|_| is_cut);
    if fault
        .as_ref()
        .is_some_and(|reason| ENDLESS.iter().any(|end| reason.contains(end)))
    {
        return Some(Fate::Caught {
            scenario: scenario.name.clone(),
            model: model.name.clone(),
            memory,
            kind: ViolationKind::Livelock,
            executions: explored.executions + 1,
        });
    }
    fault.map(|reason| Fate::Fault {
        scenario: scenario.name.clone(),
        model: model.name.clone(),
        reason,
    })
}

fn explore(
    scenario: &Arc<Scenario>,
    model: &Arc<Model>,
    instrument: &Arc<Instrument>,
    most: u64,
    memory_model: MemoryModel,
) -> Result<Exploration, String> {
    let program = instrumented(scenario, model.choices, Some(instrument));
    let limits = Limits {
        memory_model,
        max_executions: Some(most),
        ..Limits::default()
    };
    caught(|| dpor::explore(&program, &limits))
}

/// What `explore` answers, or with what it panicked.
fn caught(explore: impl FnOnce() -> Exploration) -> Result<Exploration, String> {
    catch_unwind(AssertUnwindSafe(explore)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned())
    })
}
