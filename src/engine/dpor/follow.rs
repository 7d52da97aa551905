// SPDX-License-Identifier: GPL-2.0-only
//! Follow an interleaving of one program on another one, which has other steps.
//!
//! What is followed is the order in which the contexts passed their landmarks. A landmark is a
//! step of the recorded interleaving by its context, function, object and operation, the latter
//! but for its decimal numbers: a counter may stand at another value here.
//!
//! Which step here is which landmark cannot be told from one step: the same function may do the
//! same to the same object earlier, on its way to something else. So the program is run first, and
//! the longest common subsequence of a context's landmarks and of its steps there says which is
//! which. What a context does depends on the interleaving, though, so what was followed with one
//! such alignment gives the next one, until an execution is as its alignment expected it.
//!
//! Contexts are known by their names, but for those that are numbered as they appear, as callbacks
//! are: of these, one is the other that begins in the same function.
//!
//! Whose turn it is, is always the context of the first landmark that is left. What it is about to
//! do decides:
//!
//! * it is that landmark: it does it;
//! * it is a later landmark of the same context: those before it are missing here, and it waits
//!   until that one's turn comes;
//! * it is no landmark: it is a step that only this program has, and the context does it now;
//! * nothing, since there is no such context here or it has finished, or no step that is expected
//!   of it is that landmark: the landmark is missing.
//!
//! A context whose turn it is and that has to wait for another one is where the two part: in the
//! recorded interleaving it did not have to. From there on nothing is followed, and every context
//! runs until it has to wait, in a fixed order.

use super::{Director, Followed, directed};
use crate::{
    engine::{Program, recording::Recording},
    sync::{engine::Action, operation},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A step of a recorded interleaving, as it is recognised elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landmark {
    /// The thread's name.
    pub context: String,
    /// The innermost function.
    pub function: String,
    /// What it does, by [`operation::name`].
    pub operation: String,
    /// The object's name.
    pub object: String,
    /// The answer, where the step is a choice; else 0.
    pub choice: u32,
}

impl Landmark {
    fn mark(&self) -> Mark {
        Mark::new(&self.function, &self.operation, &self.object)
    }
}

/// Where an interleaving could not be followed any further: a context has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The landmark whose turn it was.
    pub landmark: usize,
    /// In which function its context waits.
    pub function: String,
    /// What it waits to do.
    pub action: Action,
    /// To which object.
    pub object: String,
}

/// What makes a step a landmark, but for its context.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    function: String,
    /// A [`operation::pattern`].
    operation: String,
    object: String,
}

impl Mark {
    fn new(function: &str, operation: &str, object: &str) -> Self {
        Self {
            function: function.to_owned(),
            operation: operation::pattern(operation),
            object: object.to_owned(),
        }
    }
}

/// A step that a context is expected to do, and the landmark that it is.
type Expected = (Mark, Option<usize>);

/// What a thread is about to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending<'a> {
    pub(super) thread: usize,
    pub(super) context: &'a str,
    pub(super) function: &'a str,
    pub(super) action: Action,
    pub(super) object: &'a str,
    pub(super) enabled: bool,
}

/// Who goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Run(usize),
    /// There is nothing left to follow, or it cannot be followed.
    Over,
}

/// How often an alignment is made anew.
const ALIGNMENTS: usize = 8;

/// Run one execution of `program` along the landmarks, as far as it goes. From where it does not,
/// every thread runs until it has to wait, in a fixed order.
#[must_use]
pub fn follow(program: &Program, landmarks: &[Landmark]) -> Followed {
    let mut alignment = Alignment::default();
    if landmarks.is_empty() {
        return follow_once(program, landmarks, &alignment).0;
    }
    for _ in 0..ALIGNMENTS {
        let (followed, is_as_expected) = follow_once(program, landmarks, &alignment);
        let next = Alignment::new(landmarks, &followed.recording);
        // Another order gives callbacks other numbers.
        if is_as_expected && next.names == alignment.names {
            return followed;
        }
        alignment = next;
    }
    follow_once(program, landmarks, &alignment).0
}

/// Also returns whether each step that was followed was the one that was expected.
fn follow_once(
    program: &Program,
    landmarks: &[Landmark],
    alignment: &Alignment,
) -> (Followed, bool) {
    let follower = Follower::new(landmarks.to_vec(), alignment.clone());
    let (replay, director) = directed(program, Director::Landmarks(Box::new(follower)));
    let Director::Landmarks(follower) = director else {
        unreachable!("nobody else directs");
    };
    let followed = Followed {
        recording: replay.recording,
        steps: follower.steps,
        missing: follower.missing,
        parted: follower.parted,
        cut: replay.parted,
    };
    (followed, follower.is_as_expected)
}

/// What is expected of an execution, after another one.
#[derive(Clone, Debug, Default)]
struct Alignment {
    /// By a context's name here: what it is called in the landmarks.
    names: BTreeMap<String, String>,
    /// By its name here: what is left of what each context is expected to do.
    expected: BTreeMap<String, VecDeque<Expected>>,
}

impl Alignment {
    fn new(landmarks: &[Landmark], recording: &Recording) -> Self {
        let mut steps: BTreeMap<&str, Vec<Mark>> = BTreeMap::new();
        for step in recording.steps.iter().filter(|step| step.concurrent) {
            let function = step.functions.last().copied().unwrap_or("");
            let mark = Mark::new(function, &operation::name(step.action), &step.object);
            steps.entry(&step.context).or_default().push(mark);
        }
        let mut recorded: BTreeMap<&str, Vec<Mark>> = BTreeMap::new();
        for landmark in landmarks {
            let marks = recorded.entry(&landmark.context).or_default();
            marks.push(landmark.mark());
        }
        let names = names(&steps, &recorded);
        let expected = steps.iter().map(|(context, steps)| {
            let name = names.get(*context);
            let own = |landmark: &Landmark| Some(&landmark.context) == name;
            let mut places = (0..landmarks.len()).filter(|&at| own(&landmarks[at]));
            let marks = name.and_then(|name| recorded.get(&**name));
            let marks = marks.map_or(&[][..], |marks| marks);
            let parts = diff::slice(marks, steps).into_iter();
            let expected = parts.filter_map(|part| match part {
                diff::Result::Left(_) => {
                    places.next();
                    None
                }
                diff::Result::Both(_, step) => Some((step.clone(), places.next())),
                diff::Result::Right(step) => Some((step.clone(), None)),
            });
            ((*context).to_owned(), expected.collect())
        });
        let expected = expected.collect();
        Self { names, expected }
    }

    /// What a context is called in the landmarks: as here, where nothing is known of it.
    fn name<'n>(&'n self, here: &'n str) -> Option<&'n str> {
        match self.expected.contains_key(here) {
            true => self.names.get(here).map(|name| &**name),
            false => Some(here),
        }
    }
}

/// What each context is called in the landmarks, as far as it has landmarks.
fn names(
    steps: &BTreeMap<&str, Vec<Mark>>,
    recorded: &BTreeMap<&str, Vec<Mark>>,
) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (context, marks) in steps {
        let like = |other: &&&str| {
            let first = |marks: &[Mark]| {
                let mut functions = marks.iter().map(|mark| mark.function.clone());
                functions.find(|function| !function.is_empty())
            };
            !taken.contains(**other)
                && unnumbered(other) == unnumbered(context)
                && first(&recorded[**other]) == first(marks)
        };
        let mut all = steps.keys().chain(recorded.keys());
        let is_numbered = all.any(|o| o != context && unnumbered(o) == unnumbered(context));
        let name = match is_numbered {
            true => recorded.keys().find(like).copied(),
            false => Some(*context),
        };
        if let Some(name) = name {
            taken.insert(name);
            names.insert((*context).to_owned(), name.to_owned());
        }
    }
    names
}

/// A name without the number that tells it from others.
fn unnumbered(name: &str) -> &str {
    match name.rsplit_once(' ') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}

/// Where following has got to.
#[derive(Debug)]
pub(super) struct Follower {
    landmarks: Vec<Landmark>,
    alignment: Alignment,
    is_as_expected: bool,
    next: usize,
    /// The landmark that the step is which was let go last.
    turn: Option<usize>,
    is_missing: Vec<bool>,
    missing: Vec<usize>,
    steps: Vec<Option<usize>>,
    parted: Option<Parting>,
}

impl Follower {
    fn new(landmarks: Vec<Landmark>, alignment: Alignment) -> Self {
        Self {
            next: 0,
            turn: None,
            is_missing: vec![false; landmarks.len()],
            landmarks,
            alignment,
            is_as_expected: true,
            missing: Vec::new(),
            steps: Vec::new(),
            parted: None,
        }
    }

    pub(super) fn next(&mut self, pending: &[Pending<'_>]) -> Turn {
        self.turn = None;
        if self.parted.is_some() {
            return Turn::Over;
        }
        while let Some(landmark) = self.landmarks.get(self.next) {
            if self.is_missing[self.next] {
                self.next += 1;
                continue;
            }
            let is_it =
                |p: &&Pending<'_>| self.alignment.name(p.context) == Some(&landmark.context);
            let Some(about) = pending.iter().find(is_it) else {
                self.miss(self.next);
                continue;
            };
            let context = landmark.context.clone();
            let is = self.landmark(about, &context);
            if is.is_none() && self.is_not_expected(about.context) {
                self.miss(self.next);
                continue;
            }
            match is {
                Some(at) if at != self.next => {
                    for before in self.next..at {
                        if self.landmarks[before].context == context {
                            self.miss(before);
                        }
                    }
                }
                _ if !about.enabled => {
                    self.parted = Some(Parting {
                        landmark: self.next,
                        function: about.function.to_owned(),
                        action: about.action,
                        object: about.object.to_owned(),
                    });
                    return Turn::Over;
                }
                _ => {
                    if is.is_some() {
                        self.next += 1;
                    }
                    if let Some(expected) = self.alignment.expected.get_mut(about.context) {
                        expected.pop_front();
                    }
                    self.turn = is;
                    self.steps.push(is);
                    return Turn::Run(about.thread);
                }
            }
        }
        Turn::Over
    }

    /// The landmark that a context is about to do: the one that is expected, and where something
    /// else was expected, or nothing, the first one that fits.
    fn landmark(&mut self, about: &Pending<'_>, context: &str) -> Option<usize> {
        let mark = Mark::new(about.function, &operation::name(about.action), about.object);
        let expected = self.alignment.expected.get_mut(about.context);
        let step = expected.as_ref().and_then(|steps| steps.front());
        if let Some((_, landmark)) = step.filter(|(expected, _)| *expected == mark) {
            // Its turn may have gone by, before there was such a context.
            return landmark.filter(|&at| at >= self.next && !self.is_missing[at]);
        }
        self.is_as_expected = false;
        if let Some(steps) = expected {
            steps.clear();
        }
        (self.next..self.landmarks.len()).find(|&at| {
            let landmark = &self.landmarks[at];
            landmark.context == context && landmark.mark() == mark
        })
    }

    /// Whether something is expected of a context, and the next landmark is not.
    fn is_not_expected(&self, context: &str) -> bool {
        let steps = self
            .alignment
            .expected
            .get(context)
            .filter(|steps| !steps.is_empty());
        steps.is_some_and(|steps| {
            steps
                .iter()
                .all(|(_, landmark)| *landmark != Some(self.next))
        })
    }

    /// The answer that the step which was let go last gets, should it be a choice.
    pub(super) fn choice(&self) -> u32 {
        self.turn.map_or(0, |at| self.landmarks[at].choice)
    }

    fn miss(&mut self, landmark: usize) {
        if !self.is_missing[landmark] {
            self.is_missing[landmark] = true;
            self.missing.push(landmark);
        }
    }
}
