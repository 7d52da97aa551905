// SPDX-License-Identifier: GPL-2.0-only
//! Running a scenario on a model with an engine, and what may be said of it then.
//!
//! Three answers are possible, and the one that matters is the hardest to get: `holds` is said only
//! where the `dpor` engine has explored everything there is and found nothing. An exploration that
//! was cut short, or an engine that searches without being able to prove, is `undecided`, however
//! long it ran; and a violation is a violation, however it was found.

pub mod baseline;
pub mod fixes;
pub mod gate;
pub mod jobs;
pub mod program;
pub mod results;
pub mod shards;

use crate::{
    engine::{
        self, Exploration, Finding, Limits, Program, Size,
        dpor::{self, priorities},
        loom, native,
    },
    model::{Choices, Model},
    report::{counterexample::Counterexample, replay, resume::Resume},
    scenario::{Expectation, Scenario},
    sync::violation::ViolationKind,
};
use serde::{Deserialize, Serialize};
use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

/// The models of the thread in the order in which they were sent, which is the order to show them
/// in.
pub const SERIES: [&str; 6] = [
    "before-series",
    "v1-7of8",
    "v1-8of8",
    "v2-8of9",
    "v2-review",
    "v4",
];

/// What models are sorted by where they are shown: those of the series first, the others by name.
#[must_use]
pub fn model_order(name: &str) -> (usize, &str) {
    let place = SERIES.iter().position(|model| *model == name);
    (place.unwrap_or(SERIES.len()), name)
}

/// An engine that explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// [`dpor`].
    #[default]
    Dpor,
    /// [`loom`].
    Loom,
    /// [`native`].
    Native,
    /// [`priorities`].
    Pct,
}

impl EngineKind {
    /// All engines, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Dpor, Self::Loom, Self::Native, Self::Pct];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpor => "dpor",
            Self::Loom => "loom",
            Self::Native => "native",
            Self::Pct => "pct",
        }
    }

    /// The engine of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// What it does and what it may say.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Dpor => {
                "every execution that RC11 allows, or every interleaving; holds, violated, undecided"
            }
            Self::Loom => {
                "a search on loom, with weak memory; violated or undecided, its silence proves nothing"
            }
            Self::Native => {
                "real threads, locks and RCU, run many times; violated or undecided, finds by luck"
            }
            Self::Pct => {
                "random priorities, run many times; violated or undecided, for what is too large for dpor"
            }
        }
    }

    /// The memory that programs see on it unless something else is asked for.
    #[must_use]
    pub fn memory_model(self) -> MemoryModel {
        match self {
            Self::Dpor => MemoryModel::Rc11,
            Self::Pct => MemoryModel::Sc,
            Self::Loom => MemoryModel::C11,
            Self::Native => MemoryModel::Hardware,
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What memory is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryModel {
    /// Sequentially consistent: a load answers the last store.
    Sc,
    /// RC11: see [`crate::engine::MemoryModel::Rc11`].
    #[default]
    Rc11,
    /// Loom's, which is like that of C11.
    C11,
    /// That of the machine it runs on.
    Hardware,
}

impl MemoryModel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sc, Self::Rc11, Self::C11, Self::Hardware];

    /// The ones that the `dpor` engine knows.
    pub const EXPLORED: [Self; 2] = [Self::Sc, Self::Rc11];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sc => "sc",
            Self::Rc11 => "rc11",
            Self::C11 => "c11",
            Self::Hardware => "hardware",
        }
    }
}

/// How to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// With which engine.
    pub engine: EngineKind,
    /// On what memory.
    pub memory_model: MemoryModel,
    /// How far to go.
    pub limits: Limits,
    /// How many runs the `native` and `pct` engines make.
    pub runs: u64,
    /// What the `pct` engine draws its numbers from.
    pub seed: u64,
    /// The folder that counterexamples go to.
    pub out: PathBuf,
    /// Where to go on from, with the `dpor` engine.
    pub resume: Option<dpor::Checkpoint>,
    /// Whether an exploration that is stopped is to be written down.
    pub keep: bool,
    /// Look for the smallest execution with each violation that is written, see [`dpor::minimise`].
    pub minimise: bool,
    /// Whose counterexamples are written.
    pub written: Written,
}

/// Whose counterexamples are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// Those of every outcome.
    #[default]
    All,
    /// Those of an outcome that differs from what is expected.
    Unexpected(Option<Expectation>),
}

impl Written {
    fn has(&self, outcome: &Outcome) -> bool {
        match self {
            Self::All => true,
            Self::Unexpected(expected) => gate::compare(expected.as_ref(), outcome).is_some(),
        }
    }
}

/// How many runs the `native` and `pct` engines make unless told otherwise.
pub const RUNS: u64 = 100_000;

/// The folder that counterexamples go to unless told otherwise.
pub const COUNTEREXAMPLES: &str = "counterexamples";

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            memory_model: MemoryModel::default(),
            limits: Limits::default(),
            runs: RUNS,
            seed: 0,
            out: COUNTEREXAMPLES.into(),
            resume: None,
            keep: false,
            minimise: false,
            written: Written::default(),
        }
    }
}

/// What can be said of a scenario on a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every execution that the memory model allows was explored, and none breaks an invariant.
    Holds,
    /// One breaks an invariant.
    Violated,
    /// Neither.
    Undecided,
}

impl Verdict {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A violation that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViolationEntry {
    /// Its kind.
    pub kind: ViolationKind,
    /// The object that it is about; empty where it is about none.
    pub object: String,
    /// The context that noticed it.
    pub thread: String,
    /// The function that it was noticed in; empty where in none.
    pub function: String,
    /// One sentence.
    pub message: String,
    /// The file with the interleaving, where it could be written.
    pub counterexample: Option<String>,
    /// Why it could not be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterexample_error: Option<String>,
    /// Whether the file has the steps to replay: the `native` engine records none.
    pub replayable: bool,
    /// How small it is, where that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// The files beside it that tell the interleaving in other forms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<String>,
}

/// What came of a scenario on a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The model's name.
    pub model: String,
    /// The engine.
    pub engine: EngineKind,
    /// The memory.
    pub memory_model: MemoryModel,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether everything there is was explored.
    pub complete: bool,
    /// Executions run to their end.
    pub executions: u64,
    /// Executions cut because an equivalent one had been run already.
    pub blocked: u64,
    /// States that were stored, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The first violation of each kind, in the order found.
    pub violations: Vec<ViolationEntry>,
    /// The file to go on from, where the exploration was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// Why that file could not be written, or could not be gone on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_error: Option<String>,
}

impl Outcome {
    /// An outcome that says nothing, and why.
    #[must_use]
    pub fn undecided(
        scenario: &Scenario,
        model: &Model,
        options: &CheckOptions,
        reason: String,
    ) -> Self {
        Self {
            scenario: scenario.name.clone(),
            model: model.name.clone(),
            engine: options.engine,
            memory_model: options.memory_model,
            verdict: Verdict::Undecided,
            complete: false,
            executions: options.limits.progress.load(Ordering::Relaxed),
            blocked: 0,
            states: None,
            seconds: 0.0,
            reason: Some(reason),
            violations: Vec::new(),
            resume: None,
            resume_error: None,
        }
    }
}

/// Check a scenario on a model, in this process. Violations are written to files as they are
/// reported.
///
/// A panic of the engine or of the model is an undecided outcome. What loom does to a process now
/// and then, aborting it, cannot be caught: `nfsd-check` runs it in a process of its own.
#[must_use]
pub fn check(scenario: &Arc<Scenario>, model: &Model, options: &CheckOptions) -> Outcome {
    let start = Instant::now();
    let program = program::program(scenario, model.choices);
    let limits = &Limits {
        memory_model: match options.memory_model {
            MemoryModel::Rc11 => engine::MemoryModel::Rc11,
            _ => engine::MemoryModel::Sc,
        },
        ..options.limits.clone()
    };
    let explore = || match options.engine {
        EngineKind::Dpor => match &options.resume {
            Some(checkpoint) => dpor::resume(&program, limits, checkpoint),
            None => Ok(dpor::explore(&program, limits)),
        },
        EngineKind::Loom => Ok(loom::explore(&program, limits)),
        EngineKind::Native => Ok(native::explore(&program, limits, options.runs)),
        EngineKind::Pct => {
            let (runs, seed) = (options.runs, options.seed);
            Ok(priorities::explore(&program, limits, runs, seed))
        }
    };
    let explored = catch_unwind(AssertUnwindSafe(|| {
        explore().map(|exploration| {
            let stop = || limits.reached(start, 0).is_some();
            judge(scenario, model, options, exploration, &program, &stop)
        })
    }));
    let mut outcome = match explored {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(message)) => Outcome {
            resume_error: Some(format!("the exploration cannot go on: {message}")),
            ..Outcome::undecided(scenario, model, options, message)
        },
        Err(payload) => {
            let message = panic_message(payload.as_ref());
            let reason = format!("the {} engine panicked: {message}", options.engine);
            Outcome::undecided(scenario, model, options, reason)
        }
    };
    outcome.seconds = seconds_since(start);
    outcome
}

/// Run a recorded interleaving on a scenario and a model, whichever it was found on, as far as it can be
/// followed there. Whatever was run is an execution of the model, so a violation in it is one.
#[must_use]
pub fn follow(
    scenario: &Arc<Scenario>,
    model: &Model,
    options: &CheckOptions,
    interleaving: &Counterexample,
) -> Outcome {
    let start = Instant::now();
    let followed = replay::follow(interleaving, scenario, model);
    let mut exploration = Exploration {
        executions: 1,
        reason: Some("one recorded interleaving was run; its end is out of reach".to_owned()),
        ..Exploration::default()
    };
    for violation in &followed.recording.violations {
        let kind = violation.kind;
        if !exploration.findings.iter().any(|f| f.kind == kind) {
            exploration.findings.push(Finding {
                kind,
                recording: followed.recording.clone(),
                after: 1,
                size: None,
            });
        }
    }
    let program = program::program(scenario, model.choices);
    let stop = || options.limits.reached(start, 0).is_some();
    let mut outcome = judge(scenario, model, options, exploration, &program, &stop);
    outcome.seconds = seconds_since(start);
    outcome
}

/// How long ago `start` was, in milliseconds: more digits mean nothing.
#[must_use]
pub fn seconds_since(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e3).round() / 1e3
}

/// What an exploration comes to. What is written of it is made as small as it can be before, until it is
/// to `stop`.
fn judge(
    scenario: &Scenario,
    model: &Model,
    options: &CheckOptions,
    exploration: Exploration,
    program: &Program,
    stop: &dyn Fn() -> bool,
) -> Outcome {
    // Only dpor's silence is a proof.
    let complete = exploration.complete && options.engine == EngineKind::Dpor;
    let verdict = match (exploration.findings.is_empty(), complete) {
        (false, _) => Verdict::Violated,
        (true, true) => Verdict::Holds,
        (true, false) => Verdict::Undecided,
    };
    let reason = exploration.reason.filter(|_| !complete).or_else(|| {
        (!complete).then(|| format!("the {} engine cannot prove anything", options.engine))
    });
    let left = exploration.left.filter(|_| options.keep);
    let saved = left.map(|left| {
        let resume = Resume {
            scenario: scenario.without_expectations(),
            model: model.clone(),
            memory_model: options.memory_model,
            all: options.limits.all,
            preemption_bound: options.limits.preemption_bound,
            left,
        };
        resume.save(&options.out)
    });
    let (resume, resume_error) = match saved {
        None => (None, None),
        Some(Ok(path)) => (Some(path.display().to_string()), None),
        Some(Err(error)) => {
            let out = options.out.display();
            let message = format!("what is left was not written: {out}: {error}");
            (None, Some(message))
        }
    };
    let mut outcome = Outcome {
        verdict,
        complete,
        executions: exploration.executions,
        blocked: exploration.blocked,
        states: exploration.states,
        reason,
        violations: exploration.findings.iter().map(describe).collect(),
        resume,
        resume_error,
        ..Outcome::undecided(scenario, model, options, String::new())
    };
    if options.written.has(&outcome) {
        let findings = exploration.findings.into_iter();
        let entries = findings.map(|finding| {
            let finding = match options.minimise && options.engine == EngineKind::Dpor {
                true => smallest(program, finding, stop),
                false => finding,
            };
            entry(scenario, model, options, &finding)
        });
        outcome.violations = entries.collect();
    }
    outcome
}

/// The finding with the smallest execution that is found for it, where an interleaving shows it.
#[must_use]
pub fn smallest(program: &Program, finding: Finding, stop: &dyn Fn() -> bool) -> Finding {
    if finding.recording.weak {
        return finding;
    }
    dpor::minimise(program, &finding, dpor::MOST_STEPS, stop).unwrap_or(finding)
}

/// Explore a scenario on a tree with `choices` with [`dpor`], the one engine that can prove. A panic
/// of the engine or of the model ends the exploration as incomplete.
#[must_use]
pub fn explore(scenario: &Arc<Scenario>, choices: Choices, limits: &Limits) -> Exploration {
    let program = program::program(scenario, choices);
    let explored = catch_unwind(AssertUnwindSafe(|| dpor::explore(&program, limits)));
    explored.unwrap_or_else(|payload| {
        let message = panic_message(payload.as_ref());
        Exploration {
            reason: Some(format!("the dpor engine panicked: {message}")),
            ..Exploration::default()
        }
    })
}

fn entry(
    scenario: &Scenario,
    model: &Model,
    options: &CheckOptions,
    finding: &Finding,
) -> ViolationEntry {
    let (engine, memory) = (options.engine.name(), options.memory_model.name());
    let counterexample = Counterexample::new(scenario, model, engine, memory, finding);
    let (counterexample, counterexample_error) = match counterexample.save(&options.out) {
        Ok(path) => (Some(path.display().to_string()), None),
        Err(error) => (None, Some(format!("{}: {error}", options.out.display()))),
    };
    ViolationEntry {
        counterexample,
        counterexample_error,
        ..describe(finding)
    }
}

/// A finding whose interleaving is in no file.
#[must_use]
pub fn describe(finding: &Finding) -> ViolationEntry {
    let violation = finding.recording.violation(finding.kind);
    let text = |part: fn(&crate::engine::recording::RecordedViolation) -> &str| {
        violation.map_or_else(String::new, |violation| part(violation).to_owned())
    };
    ViolationEntry {
        kind: finding.kind,
        object: text(|violation| &violation.object),
        thread: text(|violation| &violation.site.context),
        function: text(|violation| violation.site.function),
        message: text(|violation| &violation.message),
        counterexample: None,
        counterexample_error: None,
        replayable: !finding.recording.steps.is_empty() && !finding.recording.weak,
        size: finding.size,
        reports: Vec::new(),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
