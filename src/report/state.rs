// SPDX-License-Identifier: GPL-2.0-only
//! What a recorded step does to the state of its object.
//!
//! A recording has no snapshots. It has what each step saw and did, from which the value before and
//! after follows: of a word, of a lock, of whether an allocation lives. What plain memory holds is
//! not known here.

use super::words::{counted, in_words, owner_and_field};
use crate::{
    engine::recording::{Recording, TraceStep},
    sync::engine::Action,
};
use std::collections::BTreeMap;

/// What a step made of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The index of the object in [`States::objects`].
    pub object: usize,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// An object of the part where every interleaving counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// What it is when that part begins.
    pub initial: String,
}

/// The states of all objects in an execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// The objects that a step of the part where every interleaving counts is about, by name, and
    /// the allocations that they lie in.
    pub objects: Vec<Object>,
    /// By the index of a step of that part: what it changes. A change to nothing else is none.
    pub changes: BTreeMap<usize, Change>,
}

impl States {
    /// The states of a recording.
    #[must_use]
    pub fn new(recording: &Recording) -> Self {
        let mut states: BTreeMap<&str, String> = BTreeMap::new();
        let mut initial: BTreeMap<&str, String> = BTreeMap::new();
        let mut changes: BTreeMap<usize, (&str, String, String)> = BTreeMap::new();
        for (index, step) in recording.steps.iter().enumerate() {
            let object = &*step.object;
            let Some((before, after)) = effect(step, states.get(object)) else {
                continue;
            };
            if step.concurrent {
                initial.entry(object).or_insert_with(|| before.clone());
                let (owner, _) = owner_and_field(object);
                if !owner.is_empty() {
                    let lives = || {
                        states
                            .get(owner)
                            .map_or("allocated", String::as_str)
                            .to_owned()
                    };
                    initial.entry(owner).or_insert_with(lives);
                }
                if before != after {
                    changes.insert(index, (object, before, after.clone()));
                }
            }
            states.insert(object, after);
        }
        let index: BTreeMap<&str, usize> = initial.keys().copied().zip(0..).collect();
        let changes = changes.into_iter().map(|(step, (object, before, after))| {
            let object = index[object];
            (
                step,
                Change {
                    object,
                    before,
                    after,
                },
            )
        });
        Self {
            changes: changes.collect(),
            objects: initial
                .into_iter()
                .map(|(name, initial)| Object {
                    name: name.to_owned(),
                    initial,
                })
                .collect(),
        }
    }
}

/// The object's state before and after the step. `known` is what it was as far as is known.
/// Nothing where the step is about no object, or about one whose state is not known.
fn effect(step: &TraceStep, known: Option<&String>) -> Option<(String, String)> {
    // What it reads that is older says nothing of what the object is.
    if step.object.is_empty() || step.older.is_some() {
        return None;
    }
    let words = |value| in_words(&step.object, value);
    let same = |state: String| Some((state.clone(), state));
    let known = |otherwise: &str| known.map_or(otherwise, String::as_str).to_owned();
    match step.action {
        Action::Load(_) | Action::Await(..) => same(words(step.saw)),
        Action::Store(value, _) => Some((known("?"), words(value))),
        Action::Update(update, ..) | Action::AwaitUpdate(_, update, _) => {
            let after = update.apply(step.saw).unwrap_or(step.saw);
            Some((words(step.saw), words(after)))
        }
        Action::Lock => Some((known("free"), format!("held by {}", step.context))),
        Action::TryLock if step.saw == 1 => {
            Some((known("free"), format!("held by {}", step.context)))
        }
        Action::TryLock => same(known("held")),
        Action::Unlock => Some((known("held"), "free".to_owned())),
        Action::Free => Some((known("allocated"), "freed".to_owned())),
        Action::Renew => Some((known("freed"), "allocated".to_owned())),
        Action::GracePeriodBegin => {
            let count = |n| counted(n, "grace period");
            Some((count(step.saw), count(step.saw + 1)))
        }
        Action::Read
        | Action::ReadMarked
        | Action::Write
        | Action::Touch
        | Action::GracePeriodEnd(_)
        | Action::GracePeriodCount
        | Action::Fence(_)
        | Action::Choose(_)
        | Action::Start
        | Action::Settle => None,
    }
}
