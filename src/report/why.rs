// SPDX-License-Identifier: GPL-2.0-only
//! Why an interleaving is possible: the two steps that nothing orders, what orders them on a model
//! that holds, and which choice makes the difference.
//!
//! Nothing of this is looked up. The two steps are those of the violation where it is about two: a
//! use and a free, two accesses that race, the destruction of a cache and the free that it should
//! have waited for. For the other kinds they are found by trying: of the pairs of steps that
//! conflict, the last one with which the violation goes away when the two are made to come the
//! other way round. What orders the two on the other model is read off a recording of that model,
//! in which the same interleaving is followed as far as it goes. And the choices are found by
//! taking over those of the other model one after the other, for as long as the violation stays.

use super::{
    counterexample::Counterexample,
    digest::lies_in,
    mail::in_words,
    order::Order,
    replay::{Replay, landmark, replay},
    telling::{self, Telling, only_reads, place},
    text::raced_with,
};
use crate::{
    check::{model_order, program::program},
    engine::{
        Limits, MemoryModel, Program, dpor,
        recording::{Recording, TraceStep},
    },
    library::{Library, LoadError},
    model::{Choice, ChoiceValue, Choices, Model, choices::CHOICES},
    scenario::{Expectation, Operation, Scenario},
    sync::{
        engine::Action,
        operation::{name as operation_name, pattern},
        violation::ViolationKind,
    },
};
use std::sync::Arc;

/// The model that is compared with where none is named.
pub const AGAINST: &str = "v4";

/// How many executions are tried where following the interleaving does not show the violation.
const MOST_EXECUTIONS: u64 = 3_000;

/// How many pairs of steps are tried in the other order.
const MOST_REVERSALS: usize = 400;

/// Two steps of the interleaving, as indices into [`Recording::steps`], in the order in which they
/// ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The one that came first.
    pub first: usize,
    /// The one that came after it.
    pub second: usize,
    /// That the violation goes away with the two the other way round was tried, and is so.
    pub tried: bool,
    /// The first happens before the second.
    pub ordered: bool,
    /// That nothing orders them is all that is wrong: in whichever order they come, it is a race.
    pub race: bool,
}

/// What orders the two steps on the other model. Indices are those of its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The steps from the one to the other, each of which happens before the next.
    pub chain: Vec<usize>,
    /// Where the chain goes through `rcu_barrier()`: why that waits for this callback, the steps
    /// from the `call_rcu()` that queued it.
    pub queued: Vec<usize>,
    /// They come in the order in which they came in the counterexample.
    pub same_way: bool,
}

/// What there is of the two steps on the other model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// Both, and they are ordered.
    Ordered(Ordered),
    /// Both, and nothing orders them in this execution.
    Unordered,
    /// One of them comes when everything else is over.
    AtTheEnd,
    /// The model does not do the one or the other.
    Absent {
        /// The first one is not there.
        first: bool,
        /// The second one is not there.
        second: bool,
    },
}

/// A choice that makes the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisive {
    /// The choice.
    pub choice: &'static Choice,
    /// What is chosen in the model with the violation.
    pub here: &'static ChoiceValue,
    /// What is chosen in the other one.
    pub there: &'static ChoiceValue,
}

/// The other model.
#[derive(Clone, Debug)]
pub struct Against {
    /// It.
    pub model: Model,
    /// The interleaving on it, as far as it goes.
    pub elsewhere: Replay,
    /// What orders the two steps there.
    pub there: Option<There>,
    /// In how many choices the two models differ.
    pub differing: usize,
    /// With all else as on the other model, these choices bring the violation about: each of them
    /// alone, or else all of them together, and then each is needed, as far as was tried.
    pub decisive: Vec<Decisive>,
    /// Each of them alone does.
    pub alone: bool,
    /// That no less does is certain: everything there is was explored without them.
    pub certain: bool,
}

/// Why an interleaving is possible, on one model and not on another.
#[derive(Clone, Debug)]
pub struct Why {
    /// The two steps whose order decides, if they are known.
    pub pair: Option<Pair>,
    /// What another model does about it, if there is one to compare with.
    pub against: Option<Against>,
    /// The operations that can be left out, each by itself, without the violation going away, as
    /// actor and operation.
    pub dispensable: Vec<(String, String)>,
}

/// The model to compare `here` with: the one that is asked for. Where none is, the one that `here`
/// names as free of its bug, else v4, else the first one on which the scenario is expected to hold, of
/// those that differ in the fewest choices.
///
/// # Errors
///
/// Where the model that is asked for cannot be loaded.
pub fn against(
    scenario: &Scenario,
    here: &Model,
    asked: Option<&str>,
    library: &Library,
) -> Result<Option<Model>, LoadError> {
    if let Some(name) = asked {
        return library.model(name).map(Some);
    }
    let same = |known: &Scenario| known.without_expectations() == *scenario;
    // A scenario of that name that is another one says nothing of this one.
    let known = library.scenario(&scenario.name).ok().filter(same);
    let violated = |model: &str| {
        let expected = known
            .iter()
            .flat_map(|known| [known.expected(model), known.expected_under_rc11(model)]);
        expected.flatten().any(|expected| {
            matches!(
                expected,
                Expectation::Violated(_) | Expectation::AtLeast { .. }
            )
        })
    };
    let holding = known.iter().flat_map(|known| &known.expect);
    let holding = holding.filter(|(_, expected)| *expected == Expectation::Holds);
    let mut holding: Vec<&str> = holding.map(|(name, _)| &**name).collect();
    // The nearest one says most.
    let distance = |name: &str| {
        let model = library.model(name).ok();
        model.map_or(usize::MAX, |model| {
            differing(here.choices, model.choices).len()
        })
    };
    holding.sort_by_key(|name| (distance(name), model_order(name)));
    let fixed = here.bug.as_ref().map(|bug| &*bug.fixed);
    // Of a scenario that is known, only what is expected to hold says how it is done right.
    let usual = (known.is_none() || holding.contains(&AGAINST)).then_some(AGAINST);
    let names = fixed.into_iter().chain(usual).chain(holding);
    let found = names.filter(|name| !violated(name)).find_map(|name| {
        let model = library.model(name).ok();
        model.filter(|model| model.choices != here.choices)
    });
    Ok(found)
}

impl Why {
    /// Why the interleaving that `replay` ran is possible, and not on the model `against`. `None`
    /// where the violation did not come about.
    #[must_use]
    pub fn new(
        counterexample: &Counterexample,
        replay: &Replay,
        against: Option<&Model>,
    ) -> Option<Self> {
        replay.violation.as_ref()?;
        let scenario = Arc::new(counterexample.scenario.without_expectations());
        let here = counterexample.model.choices;
        let pair = pair(counterexample, replay, &program(&scenario, here));
        let against = against.map(|model| {
            let mut elsewhere = self::replay(counterexample, model);
            // What no interleaving shows is followed as one there, which says nothing of it.
            let weak = counterexample.weak;
            elsewhere.parted.take_if(|_| weak);
            let trial = Trial {
                counterexample,
                scenario: &scenario,
                same_context: false,
            };
            let differing = differing(here, model.choices);
            let (mut decisive, certain) = trial.decisive(here, &differing);
            let alone = decisive.len() == 1;
            if alone {
                decisive = trial.alone(model.choices, &differing);
            }
            Against {
                model: model.clone(),
                there: pair
                    .filter(|_| !weak)
                    .map(|pair| there(replay, &elsewhere, pair)),
                elsewhere,
                differing: differing.len(),
                decisive,
                alone,
                certain,
            }
        });
        Some(Self {
            pair,
            against,
            dispensable: dispensable(counterexample),
        })
    }
}

/// The two steps that nothing orders.
fn pair(c: &Counterexample, replay: &Replay, program: &Program) -> Option<Pair> {
    let recording = &replay.recording;
    let violation = replay.violation.as_ref()?;
    let site = violation.site.step;
    let freed = violation.life.as_ref().and_then(|life| life.freed.as_ref());
    let other = match violation.kind {
        ViolationKind::UseAfterFree
        | ViolationKind::UseAfterDestroy
        | ViolationKind::DoubleFree
        | ViolationKind::RefAfterExit => freed.map(|site| site.step),
        // What it met, somebody else has just made so.
        ViolationKind::Warning | ViolationKind::Refcount => {
            let before = recording.steps[..site].iter().enumerate().rev();
            let mut before = before.take_while(|(_, step)| step.concurrent);
            let same = |(_, step): &(usize, &TraceStep)| {
                step.object == recording.steps[site].object && !only_reads(step.action)
            };
            let last = before.find(same).map(|(at, _)| at);
            last.filter(|&at| conflict(recording, at, site))
        }
        ViolationKind::DataRace | ViolationKind::ListCorruption => {
            raced_with(recording, violation).map(|site| site.step)
        }
        // It is freed too late; or, where the execution ends before that, who uses it goes on too late.
        ViolationKind::ObjectsRemaining => {
            let mut words = violation.message.split(' ');
            words.find(|word| word.contains('#')).and_then(|object| {
                let steps = || {
                    recording
                        .steps
                        .iter()
                        .enumerate()
                        .filter(|(_, s)| s.concurrent)
                };
                let after = || steps().filter(|(at, _)| *at > site);
                let free = after().find(|(_, s)| s.object == object && s.action == Action::Free);
                let user = || {
                    let thread = recording.steps[site].thread;
                    let before = steps().take_while(|(at, _)| *at < site);
                    let uses = before.filter(|(_, s)| {
                        s.thread != thread && (s.object == object || lies_in(&s.object, object))
                    });
                    let (_, user) = uses.last()?;
                    after().find(|(_, s)| s.thread == user.thread)
                };
                free.or_else(user).map(|(at, _)| at)
            })
        }
        _ => None,
    };
    match other {
        Some(other) if other != site => {
            let (first, second) = (other.min(site), other.max(site));
            Some(Pair {
                first,
                second,
                tried: false,
                ordered: Order::new(recording).before(first, second),
                race: matches!(
                    violation.kind,
                    ViolationKind::DataRace | ViolationKind::ListCorruption
                ),
            })
        }
        // No order of the steps decides where no interleaving shows it.
        _ if recording.weak => None,
        _ => last_reversible(c, recording, program),
    }
}

/// Whether the order of two steps of different contexts can matter.
fn conflict(recording: &Recording, a: usize, b: usize) -> bool {
    let (a, b) = (&recording.steps[a], &recording.steps[b]);
    if a.thread == b.thread || a.object.is_empty() || b.object.is_empty() {
        return false;
    }
    match a.object == b.object {
        true => !(only_reads(a.action) && only_reads(b.action)),
        false => {
            a.action == Action::Free && lies_in(&b.object, &a.object)
                || b.action == Action::Free && lies_in(&a.object, &b.object)
        }
    }
}

/// The last two steps whose order decides: with them the other way round, and all else as it was
/// where that is possible, the violation does not come about.
fn last_reversible(c: &Counterexample, recording: &Recording, program: &Program) -> Option<Pair> {
    let steps: Vec<usize> = (0..recording.steps.len())
        .filter(|&at| recording.steps[at].concurrent)
        .collect();
    if steps.len() != c.schedule.len() {
        return None;
    }
    let order = Order::new(recording);
    let mut tried = 0;
    // That a timer fires is no code of anybody's.
    let is_code = |at: usize| !recording.steps[steps[at]].functions.is_empty();
    for later in (0..steps.len()).rev() {
        for earlier in (0..later).rev() {
            let both = is_code(earlier) && is_code(later);
            if !both || !conflict(recording, steps[earlier], steps[later]) {
                continue;
            }
            // Two that do the same may change places, and the same goes wrong.
            let [one, other] = [earlier, later].map(|at| &recording.steps[steps[at]]);
            if one.action == Action::Lock && place(&one.functions) == place(&other.functions) {
                continue;
            }
            // A section that begins after a grace period knows what came before that, and could as well
            // have begun earlier: what happens before a step need not be what it depends on.
            let reversed = reversed(recording, Some(&order), &steps, earlier, later)
                .or_else(|| reversed(recording, None, &steps, earlier, later));
            let Some(reversed) = reversed else {
                continue;
            };
            tried += 1;
            if tried > MOST_REVERSALS {
                return None;
            }
            let landmarks = reversed.iter().map(|&at| landmark(&c.schedule[at]));
            let followed = dpor::follow(program, &landmarks.collect::<Vec<_>>());
            let at = |step: usize| {
                let landmark = reversed.iter().position(|&at| at == step);
                followed.steps.iter().position(|at| *at == landmark)
            };
            // It was in fact reversed, or else nothing is known.
            let is_reversed = match (at(later), at(earlier)) {
                (Some(later), Some(earlier)) => later < earlier,
                (Some(_), None) => followed.missing.len() < steps.len(),
                (None, _) => false,
            };
            if is_reversed && followed.cut.is_none() && !shows(c, &followed.recording) {
                return Some(Pair {
                    first: steps[earlier],
                    second: steps[later],
                    tried: true,
                    ordered: order.before(steps[earlier], steps[later]),
                    race: false,
                });
            }
        }
    }
    None
}

/// The places of the steps in an order in which `later` comes just before `earlier`: what does not
/// depend on `earlier` comes before the two. `None` where `later` depends on `earlier` also by
/// something else. With an `order`, what happens after a step depends on it.
fn reversed(
    recording: &Recording,
    order: Option<&Order<'_>>,
    steps: &[usize],
    earlier: usize,
    later: usize,
) -> Option<Vec<usize>> {
    let depends = |on: &[usize], at: usize| {
        on.iter().any(|&on| {
            let (a, b) = (steps[on], steps[at]);
            recording.steps[a].thread == recording.steps[b].thread
                || order.is_some_and(|order| order.before(a, b))
                || conflict(recording, a, b)
        })
    };
    let mut dependent = vec![earlier];
    let mut free = Vec::new();
    for at in earlier + 1..later {
        match depends(&dependent, at) {
            true => dependent.push(at),
            false => free.push(at),
        }
    }
    let thread = recording.steps[steps[later]].thread;
    let own = |&&at: &&usize| recording.steps[steps[at]].thread == thread;
    if dependent.iter().any(|at| own(&at)) {
        return None;
    }
    let all = (0..earlier).chain(free).chain([later]).chain(dependent);
    Some(all.chain(later + 1..steps.len()).collect())
}

/// Whether the execution shows the violation that the counterexample claims: another bug may do the
/// same to the same object, and is noticed elsewhere.
fn shows(c: &Counterexample, recording: &Recording) -> bool {
    let claim = &c.violation;
    let mut violations = recording.violations.iter();
    violations.any(|v| {
        v.kind == claim.kind && v.object == claim.object && v.site.function == claim.function
    })
}

/// The step of the other recording that is this one.
fn same_step(here: &Replay, elsewhere: &Replay, at: usize) -> Option<usize> {
    let step = &here.recording.steps[at];
    let there = &elsewhere.recording.steps;
    let numbers: Vec<usize> = (0..there.len()).filter(|&i| there[i].concurrent).collect();
    let recorded = here.recording.steps[..at].iter();
    let recorded = recorded.filter(|step| step.concurrent).count();
    let followed = elsewhere.steps.iter();
    let mut followed = followed.enumerate().filter_map(|(i, s)| Some((i, (*s)?)));
    if let Some((place, _)) = followed.find(|(_, s)| step.concurrent && *s == recorded) {
        return numbers.get(place).copied();
    }
    let what = pattern(&operation_name(step.action));
    let first = numbers.first().copied().unwrap_or(there.len());
    // What follows another recorded step is another step.
    let taken = |at: usize| {
        let place = numbers.binary_search(&at).ok();
        place.is_some_and(|place| elsewhere.steps.get(place).copied().flatten().is_some())
    };
    let same = |at: &usize| {
        let other = &there[*at];
        other.object == step.object
            && place(&other.functions) == place(&step.functions)
            && pattern(&operation_name(other.action)) == what
            && !taken(*at)
    };
    let found: Vec<usize> = (first..there.len()).filter(same).collect();
    let by_same = found.iter().find(|&&at| there[at].context == step.context);
    by_same.or(found.first()).copied()
}

fn there(here: &Replay, elsewhere: &Replay, pair: Pair) -> There {
    let first = same_step(here, elsewhere, pair.first);
    let second = same_step(here, elsewhere, pair.second);
    let (Some(first), Some(second)) = (first, second) else {
        return There::Absent {
            first: first.is_none(),
            second: second.is_none(),
        };
    };
    let recording = &elsewhere.recording;
    if !recording.steps[first].concurrent || !recording.steps[second].concurrent {
        return There::AtTheEnd;
    }
    let order = Order::new(recording);
    let chain = order.chain(second, first).map(|chain| (chain, false));
    let chain = chain.or_else(|| order.chain(first, second).map(|chain| (chain, true)));
    match chain {
        Some((chain, same_way)) => There::Ordered(Ordered {
            queued: queued(recording, &order, &chain),
            chain,
            same_way,
        }),
        None => There::Unordered,
    }
}

/// Why `rcu_barrier()` at the end of the chain waits for the callback at its beginning.
fn queued(recording: &Recording, order: &Order<'_>, chain: &[usize]) -> Vec<usize> {
    let (Some(&from), Some(&to)) = (chain.first(), chain.last()) else {
        return Vec::new();
    };
    let (from, to) = (&recording.steps[from], (to, &recording.steps[to]));
    let Some(origin) = telling::queued(recording, &from.context) else {
        return Vec::new();
    };
    let waits = chain.iter().map(|&at| &recording.steps[at]);
    let waits = waits.filter(|step| step.thread == to.1.thread);
    let mut waits = waits.filter(|step| matches!(step.action, Action::Await(..)));
    if !waits.any(|step| step.functions.last() == Some(&"rcu_barrier")) {
        return Vec::new();
    }
    let before = recording.steps[..to.0].iter().enumerate().rev();
    let mut before = before.filter(|(_, step)| step.thread == to.1.thread);
    let count = before.find(|(_, step)| step.action == Action::GracePeriodCount);
    let chain = count.and_then(|(count, _)| order.chain(origin.step, count));
    chain.unwrap_or_default()
}

/// The operations of actors that the violation comes about without.
fn dispensable(c: &Counterexample) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, actor) in c.scenario.actors.iter().enumerate() {
        for (place, operation) in actor.operations.iter().enumerate() {
            let mut scenario = c.scenario.without_expectations();
            scenario.actors[at].operations.remove(place);
            if scenario.actors[at].operations.is_empty() {
                scenario.actors.remove(at);
            }
            // One that puts what nobody took any more is none.
            let file = format!("{}.json", scenario.name);
            let Ok(scenario) = Scenario::parse(&file, scenario.to_json().as_bytes(), &[]) else {
                continue;
            };
            let trial = Trial {
                counterexample: &Counterexample {
                    scenario: scenario.clone(),
                    ..c.clone()
                },
                scenario: &Arc::new(scenario),
                same_context: true,
            };
            if trial.comes_about(c.model.choices) == Some(true) {
                let operation = operation.display(&c.scenario).to_string();
                found.push((actor.name.clone(), operation));
            }
        }
    }
    found
}

/// The choices that differ, with what is chosen here and there.
fn differing(here: Choices, there: Choices) -> Vec<Decisive> {
    let value = |choice: &'static Choice, choices: &Choices| {
        let name = choices.get(choice.name)?;
        choice.values.iter().find(|value| value.name == name)
    };
    let all = CHOICES.iter().filter_map(|choice| {
        Some(Decisive {
            choice,
            here: value(choice, &here)?,
            there: value(choice, &there)?,
        })
    });
    all.filter(|d| d.here.name != d.there.name).collect()
}

/// The choices with another one.
fn with(mut choices: Choices, choice: &Choice, value: &ChoiceValue) -> Choices {
    let known = choices.set(choice.name, value.name);
    debug_assert!(known, "the name is from the table");
    choices
}

struct Trial<'c> {
    counterexample: &'c Counterexample,
    scenario: &'c Arc<Scenario>,
    /// A wait without an end has to be that of the same context: who waits is what is claimed.
    same_context: bool,
}

impl Trial<'_> {
    fn shows(&self, recording: &Recording) -> bool {
        let claim = &self.counterexample.violation;
        let is_same = |waits: &str| waits == claim.context;
        let mut hung = recording.violations.iter();
        shows(self.counterexample, recording)
            && (!self.same_context
                || claim.kind != ViolationKind::HungTask
                || hung.any(|v| v.kind == claim.kind && is_same(&v.site.context)))
    }

    /// The choices that cannot be taken over without the violation going away, and whether that is
    /// certain of all of them.
    fn decisive(&self, here: Choices, differing: &[Decisive]) -> (Vec<Decisive>, bool) {
        let mut choices = here;
        let mut decisive = differing.to_vec();
        // What is taken over later may do without what came before.
        loop {
            let (before, mut certain) = (decisive.len(), true);
            decisive.retain(|d| {
                let other = with(choices, d.choice, d.there);
                let comes_about = self.comes_about(other);
                if comes_about == Some(true) {
                    choices = other;
                }
                certain &= comes_about.is_some();
                comes_about != Some(true)
            });
            if decisive.len() == before {
                return (decisive, certain);
            }
        }
    }

    /// The choices of which each brings the violation about by itself, with all else as on the other
    /// model.
    fn alone(&self, there: Choices, differing: &[Decisive]) -> Vec<Decisive> {
        let mut alone = differing.to_vec();
        alone.retain(|d| {
            let choices = with(there, d.choice, d.here);
            self.comes_about(choices) == Some(true)
        });
        alone
    }

    /// Whether the violation comes about with these choices. `None`: not as far as was tried.
    fn comes_about(&self, choices: Choices) -> Option<bool> {
        let c = self.counterexample;
        let landmarks: Vec<_> = c.schedule.iter().map(landmark).collect();
        let followed = dpor::follow(&program(self.scenario, choices), &landmarks);
        if self.shows(&followed.recording) {
            return Some(true);
        }
        let limits = Limits {
            memory_model: match c.weak {
                true => MemoryModel::Rc11,
                false => MemoryModel::Sc,
            },
            max_executions: Some(MOST_EXECUTIONS),
            all: true,
            ..Limits::default()
        };
        let explored = dpor::explore(&program(self.scenario, choices), &limits);
        let mut found = explored.findings.iter();
        if found.any(|finding| finding.kind == c.violation.kind && self.shows(&finding.recording)) {
            return Some(true);
        }
        explored.complete.then_some(false)
    }
}

/// A line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A sentence.
    Sentence(String),
    /// A step: of the counterexample, where it has a number there, or of the other model.
    Step {
        /// Its index in the recording of the counterexample.
        at: Option<usize>,
        /// Who.
        context: String,
        /// In which function.
        place: &'static str,
        /// What.
        what: String,
    },
    /// A chain, by names.
    Chain(String),
    /// A choice that makes the difference.
    Choice(Decisive),
}

impl Why {
    /// The explanation in sentences and steps. `other` is how a sentence about the other model
    /// begins.
    #[must_use]
    pub fn lines(&self, replay: &Replay, scenario: &Scenario, other: &str) -> Vec<Line> {
        let mut lines = self.here(replay);
        lines.extend(self.there(other));
        lines.extend(self.without(scenario).into_iter().map(Line::Sentence));
        lines
    }

    /// What there is to say of the interleaving itself.
    #[must_use]
    pub fn here(&self, replay: &Replay) -> Vec<Line> {
        let mut lines = Vec::new();
        let here = Telling::new(&replay.recording);
        if let Some(pair) = self.pair {
            let kind = replay.violation.as_ref().map(|violation| violation.kind);
            let text = match (pair.tried, pair.ordered) {
                _ if kind == Some(ViolationKind::DoubleFree) => {
                    "Whichever of these two comes first, the other frees it again:"
                }
                (true, false) => {
                    "What decides is which of these two comes first, and nothing orders them:"
                }
                (true, true) => "What decides is which of these two comes first:",
                (false, false) => "Nothing orders these two:",
                (false, true) => "These two come in this order:",
            };
            lines.push(Line::Sentence(text.to_owned()));
            lines.push(step(&here, pair.first, true));
            lines.push(step(&here, pair.second, true));
            if pair.tried && kind != Some(ViolationKind::DoubleFree) {
                let text = "With the two the other way round the same interleaving ends well.";
                lines.push(Line::Sentence(text.to_owned()));
            }
        }
        if replay.recording.weak {
            weak(&mut lines, &here, &replay.recording, self.pair);
        }
        lines
    }

    /// What there is of it on the other model. `other` is how a sentence about that begins.
    #[must_use]
    pub fn there(&self, other: &str) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(against) = &self.against {
            let race = self.pair.is_some_and(|pair| pair.race);
            against.lines(&mut lines, other, race);
        }
        lines
    }

    /// The operations of the scenario that it does not take, a sentence each.
    #[must_use]
    pub fn without(&self, scenario: &Scenario) -> Vec<String> {
        let sentences = self.dispensable.iter().map(|(name, words)| {
            let actors = scenario.actors.iter().filter(|actor| actor.name == *name);
            let mut operations = actors.flat_map(|actor| &actor.operations);
            let operation = operations.find(|o| o.display(scenario).to_string() == *words);
            // There is a laundrette wherever there is a server.
            if operation == Some(&Operation::Gc) {
                return "Nobody has to call the laundrette for it: it comes about, too, where the \
                        laundrette's timer fires by itself."
                    .to_owned();
            }
            let words = operation.map_or_else(|| words.clone(), |o| in_words(o, scenario));
            format!("It comes about without this of {name}, too: {words}.")
        });
        sentences.collect()
    }
}

/// What there is to say of an execution that no interleaving shows.
fn weak(lines: &mut Vec<Line>, here: &Telling<'_>, recording: &Recording, pair: Option<Pair>) {
    let missed = (0..recording.steps.len()).rev();
    let mut missed = missed.filter_map(|at| Some((here.unseen(at)?, at)));
    let text = match missed.next() {
        Some((write, read)) => {
            let text = "The second of these does not see what the first one stores, as nothing orders them:";
            lines.push(Line::Sentence(text.to_owned()));
            lines.push(step(here, write, true));
            lines.push(step(here, read, true));
            "It takes a machine with weakly ordered memory. In the order of the steps above each read \
             comes after the store that it reads; there is no order in which each also sees the last store \
             before it."
        }
        None if pair.is_none() => {
            "No order of the steps was found to end like this in which every context sees each step as soon \
             as it is done. Either it takes a machine with weakly ordered memory, where contexts need not \
             agree on the order of the steps of others, or something else goes wrong before."
        }
        None => {
            "In the order of the steps above no harm is done, and there is no order in which it is. But a \
             lock, a release and its acquire, or a grace period would have to put the first before the \
             second. As none does, a machine with weakly ordered memory may let the first take effect after \
             the second."
        }
    };
    lines.push(Line::Sentence(text.to_owned()));
}

fn step(telling: &Telling<'_>, at: usize, is_here: bool) -> Line {
    Line::Step {
        at: is_here.then_some(at),
        context: telling.step(at).context.clone(),
        place: telling.place(at),
        what: telling.what(at),
    }
}

impl Against {
    /// Whether it is known to be free of this violation, by what was tried: the interleaving does
    /// not end in it there, and some of what the two differ in makes the difference.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.elsewhere.violation.is_none() && !self.decisive.is_empty()
    }

    fn lines(&self, lines: &mut Vec<Line>, other: &str, race: bool) {
        let there = Telling::new(&self.elsewhere.recording);
        let mut sentence = |text: String| lines.push(Line::Sentence(text));
        match &self.there {
            // What makes the difference there is not their order.
            Some(There::Ordered(Ordered { same_way: true, .. })) if !race => sentence(format!(
                "{other} they may come in the same order{}.",
                match self.elsewhere.violation {
                    Some(_) => "",
                    None => ", and it does no harm",
                }
            )),
            Some(There::Ordered(Ordered {
                chain,
                queued,
                same_way,
            })) => {
                let numbered = |&at: &usize| {
                    let step = there.step(at);
                    step.context.starts_with("rcu callback")
                        || there.words(at).contains("grace period")
                };
                let anew = match queued.iter().chain(chain).any(numbered) {
                    true => " (callbacks and grace periods are numbered anew there)",
                    false => "",
                };
                let which = match same_way {
                    true => "the first is ordered before the second",
                    false => "the second is ordered before the first",
                };
                sentence(format!(
                    "{other} {which}: each of these happens before the next{anew}."
                ));
                if !queued.is_empty() {
                    lines.extend(queued.iter().map(|&at| step(&there, at, false)));
                    let text = "so that rcu_barrier() waits for this callback:";
                    lines.push(Line::Sentence(text.to_owned()));
                }
                lines.extend(chain.iter().map(|&at| step(&there, at, false)));
                // What rcu_barrier() waits for is what it is for.
                let short = if queued.is_empty() { chain } else { queued };
                lines.push(Line::Chain(in_short(&there, short.iter())));
            }
            Some(There::Unordered) => sentence(format!(
                "{other} nothing orders them either, as the interleaving goes there."
            )),
            Some(There::AtTheEnd) => sentence(format!(
                "{other} one of them comes when everything else is over."
            )),
            Some(There::Absent { first, second }) => {
                let which = match (first, second) {
                    (true, true) => "neither of them comes about",
                    (true, false) => "the first of them does not come about",
                    _ => "the second of them does not come about",
                };
                sentence(format!("{other} {which}."));
            }
            None => {}
        }
        // That the end waits for all is no news.
        let parted = self.elsewhere.parted.as_ref();
        let parted = parted.filter(|p| p.was.as_ref().is_none_or(|was| was.context != "main"));
        if let Some(parted) = parted {
            lines.push(Line::Sentence(format!(
                "The same interleaving cannot be run to its end there: {}.",
                parted.now
            )));
        }
        if self.elsewhere.violation.is_some() {
            let text = "The violation comes about there too.";
            lines.push(Line::Sentence(text.to_owned()));
        } else if !self.decisive.is_empty() {
            let (all, some) = (self.differing, self.decisive.len());
            lines.push(Line::Sentence(match (all, some, self.alone) {
                (1, ..) => "The two differ in one thing:".to_owned(),
                (_, 1, _) => format!(
                    "The two differ in {all} things. Put back there, this one alone brings it about:"
                ),
                (_, _, true) => format!(
                    "The two differ in {all} things. Put back there, each of these {some} alone \
                     brings it about:"
                ),
                (_, _, false) => format!(
                    "The two differ in {all} things. Put back there, these {some} together bring it \
                     about:"
                ),
            }));
            lines.extend(self.decisive.iter().map(|decisive| Line::Choice(*decisive)));
            if !self.certain {
                let what = match all {
                    1 => "That it does not come about there",
                    _ => "That less does not",
                };
                lines.push(Line::Sentence(format!(
                    "{what} was tried on {MOST_EXECUTIONS} executions, and not on all."
                )));
            }
        }
    }
}

/// A choice that makes the difference, in a sentence.
#[must_use]
pub fn in_a_sentence(decisive: &Decisive) -> String {
    let Decisive {
        choice,
        here,
        there,
    } = decisive;
    format!(
        "{}, in {}: {} Here {}: {} ({}) There {}: {} ({})",
        choice.name,
        choice.functions.join(", "),
        choice.about,
        here.name,
        here.about,
        here.source,
        there.name,
        there.about,
        there.source
    )
}

/// A chain by the names of functions. Who calls one is said once.
fn in_short<'s>(telling: &Telling<'_>, chain: impl Iterator<Item = &'s usize>) -> String {
    let mut names: Vec<String> = Vec::new();
    // That a callback has run is said by what it did.
    let says = |at: usize| {
        let step = telling.step(at);
        step.action != Action::Start
            && !(step.object.ends_with("rcu_head") && matches!(step.action, Action::Store(..)))
    };
    for &at in chain.filter(|&&at| says(at)) {
        let (place, link) = (telling.place(at).to_owned(), telling.link(at));
        if !place.is_empty() && place != link && !names.contains(&place) {
            names.push(place);
        }
        if names.last() != Some(&link) {
            names.push(link);
        }
    }
    names.join(" -> ")
}
