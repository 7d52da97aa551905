// SPDX-License-Identifier: GPL-2.0-only
//! Follow an interleaving of one program on another one, which has other steps.
//!
//! What is followed is the order in which the contexts passed their landmarks. A landmark is a
//! step of the recorded interleaving by its context, function, object and operation, the latter
//! but for its decimal numbers: a counter may stand at another value here.
//!
//! Whose turn it is, is always the context of the first landmark that is left. What it is about to
//! do decides:
//!
//! * it is that landmark: it does it;
//! * it is a later landmark of the same context: those before it are missing here, and it waits
//!   until that one's turn comes;
//! * it is no landmark: it is a step that only this program has, and the context does it now;
//! * nothing, since there is no such context here or it has finished: the landmark is missing.
//!
//! A context whose turn it is and that has to wait for another one is where the two part: in the
//! recorded interleaving it did not have to. From there on nothing is followed, and every context
//! runs until it has to wait, in a fixed order.
//!
//! The first landmark that fits is taken. Where a context does the same thing in the same function
//! to the same object twice, and one of the two is missing, that may be the wrong one; what happens
//! is an execution of this program all the same.

use crate::sync::{engine::Action, operation};

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

/// Where following has got to.
#[derive(Debug)]
pub(super) struct Follower {
    /// With each operation as its pattern.
    landmarks: Vec<Landmark>,
    next: usize,
    /// The landmark that the step is which was let go last.
    turn: Option<usize>,
    is_missing: Vec<bool>,
    pub(super) missing: Vec<usize>,
    pub(super) steps: Vec<Option<usize>>,
    pub(super) parted: Option<Parting>,
}

impl Follower {
    pub(super) fn new(mut landmarks: Vec<Landmark>) -> Self {
        for landmark in &mut landmarks {
            landmark.operation = operation::pattern(&landmark.operation);
        }
        Self {
            next: 0,
            turn: None,
            is_missing: vec![false; landmarks.len()],
            landmarks,
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
            let Some(about) = pending.iter().find(|p| p.context == landmark.context) else {
                self.miss(self.next);
                continue;
            };
            let pattern = operation::pattern(&operation::name(about.action));
            let later = (self.next..self.landmarks.len()).find(|&at| {
                let landmark = &self.landmarks[at];
                landmark.context == about.context
                    && landmark.function == about.function
                    && landmark.object == about.object
                    && landmark.operation == pattern
            });
            match later {
                Some(at) if at != self.next => {
                    for before in self.next..at {
                        if self.landmarks[before].context == about.context {
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
                    if later.is_some() {
                        self.next += 1;
                    }
                    self.turn = later;
                    self.steps.push(later);
                    return Turn::Run(about.thread);
                }
            }
        }
        Turn::Over
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
