// SPDX-License-Identifier: GPL-2.0-only
//! Hunting: scenarios that nobody wrote down.
//!
//! A race that somebody had to think of first is half found. So scenarios are made: all of a
//! [`space`], smallest first. Each is explored; what is violated is made as small as it can be
//! ([`shrink`]), and is a *finding*.
//!
//! What contains the scenario of a finding ([`contains`]) is not explored: it would show the same
//! once more. It is counted as that, not as holding, and a caller may ask for it all the same. Two
//! findings are the same where kind, type of object and the functions involved are; see
//! [`Signature`].
//!
//! Scenarios are taken in batches, and what is contained in what is decided by the findings of the
//! batches before. So the same is found whatever number of threads explores. A search that is
//! stopped has done a certain number of scenarios, all of them in order, and can go on from there
//! ([`State`]); the limit of a scenario is a number of executions, not a time.

pub mod contains;
pub mod shrink;
pub mod space;

use crate::{
    check,
    engine::{
        Exploration, Limits,
        recording::{RecordedViolation, Recording},
    },
    model::Model,
    scenario::Scenario,
    sync::{engine::Action, violation::ViolationKind},
};
use serde::{Deserialize, Serialize};
use space::{Bounds, Next, Position, Refusal, Space};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::{Arc, atomic::Ordering},
};

/// How many scenarios are taken at a time.
const BATCH: usize = 128;

/// What makes two violations the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// The kind.
    pub kind: ViolationKind,
    /// What kind of object it is about: its name without numbers; empty where it is about none.
    pub object: String,
    /// The function that noticed it, and those that changed the object while the actors ran.
    pub functions: BTreeSet<String>,
}

impl Signature {
    /// That of a violation.
    #[must_use]
    pub fn new(recording: &Recording, violation: &RecordedViolation) -> Self {
        // Where the object is a cache, the message says what is left in it.
        let words = violation.message.split([' ', ',', ':']);
        let named = words.filter(|word| word.contains('#'));
        let mut about: Vec<&str> = named.collect();
        if !violation.object.is_empty() {
            about.push(&violation.object);
        }
        let is_about = |object: &str| {
            about.iter().any(|name| {
                let rest = object.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let changes = |action: Action| {
            matches!(
                action,
                Action::Store(..)
                    | Action::Update(..)
                    | Action::AwaitUpdate(..)
                    | Action::Write
                    | Action::Free
            )
        };
        let steps = recording.steps.iter();
        let steps = steps.filter(|s| s.concurrent && changes(s.action) && is_about(&s.object));
        let functions = steps.filter_map(|step| step.functions.last().copied());
        let functions = functions.chain([violation.site.function]);
        Self {
            kind: violation.kind,
            object: without_numbers(&violation.object),
            functions: functions
                .filter(|function| !function.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// A name without the numbers that tell things of one type apart.
fn without_numbers(name: &str) -> String {
    let mut text = String::new();
    let mut number = false;
    for c in name.chars() {
        number = c == '#' || number && c.is_ascii_digit();
        if !number {
            text.push(c);
        }
    }
    text
}

/// What came of one scenario.
#[derive(Debug)]
enum Outcome {
    /// Explored to its end, and nothing is violated.
    Holds,
    /// Not explored: it contains the scenario of a finding.
    Contains,
    /// Neither, and why.
    Undecided(String),
    /// Something is violated.
    Violated(Box<Violated>),
    /// The search was stopped before there was an outcome.
    Stopped,
    /// The checker does not accept it.
    Invalid,
}

/// The smallest scenario within one that is violated, and all of its violations.
#[derive(Debug)]
struct Violated {
    smallest: Scenario,
    exploration: Exploration,
}

/// A scenario that shows something new.
#[derive(Debug)]
pub struct Found {
    /// The scenario, which has its name.
    pub scenario: Scenario,
    /// What exploring it has found, of each kind the first.
    pub exploration: Exploration,
}

/// A finding as it is remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The name of its scenario.
    pub name: String,
    /// The scenario, in a line.
    pub line: String,
    /// Its violations.
    pub signatures: Vec<Signature>,
    /// How many scenarios had been made when it was found.
    pub after: u64,
    /// How many other scenarios, none of which contains another one, show the same.
    pub again: u64,
    /// The files that were written, of the scenario and its counterexamples.
    pub files: Vec<String>,
}

/// What is known of the scenarios whose actors run so many operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Scenarios made, up to symmetry.
    pub made: u64,
    /// Explored to the end; nothing is violated.
    pub hold: u64,
    /// Violated.
    pub violated: u64,
    /// Not explored, since they contain the scenario of a finding.
    pub contain: u64,
    /// Not explored to the end.
    pub undecided: u64,
    /// Refused: no correct caller does it.
    pub invalid: u64,
    /// Refused: the same as a smaller one.
    pub pointless: u64,
    /// Executions.
    pub executions: u64,
}

/// How far a hunt has come: all that is needed to go on with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    position: Position,
    /// The whole space was searched.
    pub finished: bool,
    /// By the number of the actors' operations, from 1 on.
    pub counts: Vec<Counts>,
    /// What was found, in order.
    pub findings: Vec<Finding>,
    /// Scenarios that were not decided, in a line, and why.
    pub undecided: Vec<(String, String)>,
    /// The smallest scenarios that are violated, each in the form of its file.
    patterns: Vec<String>,
    /// How many scenarios of a batch that was begun are done.
    done: usize,
    /// How many of `patterns` and `findings` were known when the batch began.
    known: (usize, usize),
}

/// A hunt.
#[derive(Debug)]
pub struct Hunt<'h> {
    model: &'h Model,
    /// Of each scenario.
    limits: Limits,
    /// Explore also what contains the scenario of a finding.
    all: bool,
    space: Space,
    patterns: Vec<Scenario>,
    /// How far it is.
    pub state: State,
}

impl<'h> Hunt<'h> {
    /// One that has not begun, or goes on from `state`. `None` where that is no state of it.
    #[must_use]
    pub fn new(
        model: &'h Model,
        bounds: Bounds,
        limits: Limits,
        all: bool,
        state: State,
    ) -> Option<Self> {
        let mut space = Space::new(bounds);
        let there = space.go_to(state.position.clone());
        let patterns = state.patterns.iter().map(|text| read(text));
        let patterns = patterns.collect::<Option<Vec<_>>>();
        let possible = |known: usize, all: usize| known <= all;
        let there = there
            && state.done < BATCH
            && possible(state.known.0, state.patterns.len())
            && possible(state.known.1, state.findings.len());
        let mut state = state;
        state.counts.resize(space.largest(), Counts::default());
        there.then_some(Self {
            model,
            limits,
            all,
            space,
            patterns: patterns?,
            state,
        })
    }

    /// The states that scenarios begin in.
    #[must_use]
    pub fn setups(&self) -> &[space::Setup] {
        &self.space.setups
    }

    /// How many scenarios were made so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.state.counts.iter().map(|counts| counts.made).sum()
    }

    fn stopped(&self) -> bool {
        self.limits.interrupted.load(Ordering::Relaxed)
    }

    /// Explore the next scenarios, `jobs` at a time, and tell `found` of what is new; it answers
    /// which files it has written. `tick` is called now and then. Returns whether there are more.
    pub fn batch(
        &mut self,
        jobs: usize,
        mut found: impl FnMut(&Found) -> Vec<String>,
        tick: impl FnMut(usize),
    ) -> bool {
        let mut items: Vec<(Scenario, usize, Position)> = Vec::new();
        // By the number of scenarios that come before: what was refused.
        let mut refused = vec![Vec::new()];
        let mut more = true;
        while items.len() + self.state.done < BATCH {
            match self.space.next() {
                None => {
                    more = false;
                    break;
                }
                Some(Next::Refused(refusal, size)) => {
                    let last = refused.last_mut().expect("never empty");
                    count_refused(last, refusal, size);
                }
                Some(Next::Scenario(scenario, size, _)) => {
                    items.push((*scenario, size, self.space.position().clone()));
                    refused.push(Vec::new());
                }
            }
        }
        let (this, mut outcomes) = (&*self, Vec::new());
        check::jobs::in_order(
            jobs,
            &items,
            |_, (scenario, ..)| this.explore(scenario),
            || (),
            |_, outcome| outcomes.push(outcome),
            tick,
        );
        let mut done = 0;
        for ((scenario, size, position), (outcome, executions)) in items.iter().zip(outcomes) {
            if matches!(outcome, Outcome::Stopped) {
                break;
            }
            self.count(&refused[done]);
            done += 1;
            self.state.position = position.clone();
            let count = &mut self.state.counts[size - 1];
            count.made += 1;
            count.executions += executions;
            match outcome {
                Outcome::Holds => count.hold += 1,
                Outcome::Contains => count.contain += 1,
                Outcome::Invalid => {
                    count.made -= 1;
                    count.invalid += 1;
                }
                Outcome::Undecided(reason) => {
                    count.undecided += 1;
                    self.state.undecided.push((line(scenario), reason));
                }
                Outcome::Violated(violated) => {
                    count.violated += 1;
                    self.violated(*violated, &mut found);
                }
                Outcome::Stopped => unreachable!("nothing was done"),
            }
        }
        if done < items.len() {
            self.state.done += done;
            return false;
        }
        self.count(&refused[done]);
        self.state.position = self.space.position().clone();
        self.state.finished = !more;
        self.state.done = 0;
        self.state.known = (self.state.patterns.len(), self.state.findings.len());
        more
    }

    fn count(&mut self, refused: &[Counts]) {
        for (total, count) in self.state.counts.iter_mut().zip(refused) {
            total.add(count);
        }
    }

    /// What comes of a scenario, and in how many executions.
    fn explore(&self, scenario: &Scenario) -> (Outcome, u64) {
        if self.stopped() {
            return (Outcome::Stopped, 0);
        }
        if !shrink::is_valid(scenario) {
            return (Outcome::Invalid, 0);
        }
        let (patterns, findings) = self.state.known;
        let is_inside = |pattern| contains::contains(scenario, pattern);
        if !self.all && self.patterns[..patterns].iter().any(is_inside) {
            return (Outcome::Contains, 0);
        }
        let exploration = self.run(scenario, self.all);
        let mut executions = exploration.executions;
        let Some(first) = exploration.findings.first() else {
            let outcome = match exploration.reason {
                None => Outcome::Holds,
                // The limit may have been reached just as well.
                Some(_) if self.stopped() => Outcome::Stopped,
                Some(reason) => Outcome::Undecided(reason),
            };
            return (outcome, executions);
        };
        // Of several, one that is new.
        let findings = &self.state.findings[..findings];
        let is_new = |new: &Signature| findings.iter().all(|f| !f.signatures.contains(new));
        let mut signatures = exploration.findings.iter().map(signature);
        let wanted = signatures.find(is_new).unwrap_or_else(|| signature(first));
        let smallest = shrink::shrink(scenario.clone(), |smaller| {
            let mut shows = false;
            // The violation that comes first may be another one.
            for all in [false, true] {
                let exploration = self.run(smaller, all);
                executions += exploration.executions;
                shows = exploration.findings.iter().map(signature).any(|signature| {
                    signature.kind == wanted.kind && signature.object == wanted.object
                });
                if shows || exploration.findings.is_empty() {
                    break;
                }
            }
            (!self.stopped()).then_some(shows)
        });
        let Some(smallest) = smallest else {
            return (Outcome::Stopped, 0);
        };
        let exploration = self.run(&smallest, true);
        executions += exploration.executions;
        if self.stopped() {
            return (Outcome::Stopped, 0);
        }
        let violated = Violated {
            smallest,
            exploration,
        };
        (Outcome::Violated(Box::new(violated)), executions)
    }

    fn run(&self, scenario: &Scenario, all: bool) -> Exploration {
        let limits = Limits {
            all,
            progress: Arc::default(),
            ..self.limits.clone()
        };
        check::explore(&Arc::new(scenario.clone()), self.model.choices, &limits)
    }

    /// Something is violated: is it new?
    fn violated(&mut self, violated: Violated, found: &mut impl FnMut(&Found) -> Vec<String>) {
        let Violated {
            smallest,
            exploration,
        } = violated;
        if !self.patterns.contains(&smallest) {
            self.state.patterns.push(smallest.to_json());
            self.patterns.push(smallest.clone());
        }
        let signatures: Vec<_> = exploration.findings.iter().map(signature).collect();
        let known = |signature: &Signature| {
            let mut findings = self.state.findings.iter();
            findings.position(|finding| finding.signatures.contains(signature))
        };
        let places: Option<Vec<usize>> = signatures.iter().map(known).collect();
        if let Some(places) = places {
            if let Some(place) = places.into_iter().min() {
                self.state.findings[place].again += 1;
            }
            return;
        }
        let mut scenario = smallest;
        scenario.name = name(&scenario, &self.state.findings);
        scenario.about = format!(
            "found by a hunt on {}, where it shows {}",
            self.model.name,
            listed(
                exploration
                    .findings
                    .iter()
                    .map(|finding| finding.kind.name())
            )
        );
        scenario.source = "nfsd-check hunt".to_owned();
        let line = line(&scenario);
        let new = Found {
            scenario,
            exploration,
        };
        let files = found(&new);
        self.state.findings.push(Finding {
            name: new.scenario.name.clone(),
            line,
            signatures,
            after: self.made(),
            again: 0,
            files,
        });
    }
}

impl Counts {
    /// Both.
    pub fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.hold += other.hold;
        self.violated += other.violated;
        self.contain += other.contain;
        self.undecided += other.undecided;
        self.invalid += other.invalid;
        self.pointless += other.pointless;
        self.executions += other.executions;
    }
}

fn signature(finding: &crate::engine::Finding) -> Signature {
    let recording = &finding.recording;
    let violation = recording.violation(finding.kind);
    Signature::new(recording, violation.expect("a finding has its violation"))
}

fn read(text: &str) -> Option<Scenario> {
    let file = format!("{}.json", space::NAME);
    Scenario::parse(&file, text.as_bytes(), &[]).ok()
}

fn count_refused(counts: &mut Vec<Counts>, refusal: Refusal, size: usize) {
    if counts.len() < size {
        counts.resize(size, Counts::default());
    }
    match refusal {
        Refusal::Invalid => counts[size - 1].invalid += 1,
        Refusal::Pointless => counts[size - 1].pointless += 1,
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// A scenario in a line: the setup in brackets, then the actors.
#[must_use]
pub fn line(scenario: &Scenario) -> String {
    let operations = |operations: &[crate::scenario::Operation]| {
        let operations = operations.iter();
        let texts = operations.map(|operation| operation.display(scenario).to_string());
        texts.collect::<Vec<_>>().join("; ")
    };
    let mut text = format!("[{}]", operations(&scenario.setup));
    for (index, actor) in scenario.actors.iter().enumerate() {
        let bars = if index == 0 { "" } else { " ||" };
        let _ = write!(text, "{bars} {}", operations(&actor.operations));
    }
    text
}

/// A name that no finding has: what runs against what.
fn name(scenario: &Scenario, findings: &[Finding]) -> String {
    let actors = scenario.actors.iter().map(|actor| {
        let names = actor
            .operations
            .iter()
            .map(|op| op.name().replace('_', "-"));
        names.collect::<Vec<_>>().join("-")
    });
    let base = actors.collect::<Vec<_>>().join("-vs-");
    let taken = |name: &str| findings.iter().any(|finding| finding.name == name);
    let mut number = 1;
    loop {
        let name = match number {
            1 => base.clone(),
            n => format!("{base}-{n}"),
        };
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}
