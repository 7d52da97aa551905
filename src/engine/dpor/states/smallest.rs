// SPDX-License-Identifier: GPL-2.0-only
//! The smallest interleaving with a violation, among all that there are.
//!
//! Which threads may be left out at a state (see the [module](super)) says nothing of preemptions and
//! steps: of two equivalent interleavings each has its own number of both. So every thread is tried at
//! every state here. What is stored is a state and what the rest of an interleaving counts by: who ran
//! last, how many preemptions there were, and whether the violation has come about. Where that comes
//! about again after as many steps, or more, it is not gone on from. As a step is a look into a table,
//! that is some hundred thousand states a second; and with few preemptions there are few states.
//!
//! One kind of preemption is not tried: one after a step that commutes with all that others do, whenever
//! they do it, and in which nothing is violated and no thread begun. A thread may as well be preempted before such a step,
//! which it takes when it goes on, if it does: that is as many preemptions or fewer, as many steps or
//! fewer, and whatever others do they can do as before. What others do is learned on the way, beginning
//! with nothing, and where more of it shows, everything is looked at again. So at the end nothing is
//! relied on that does not hold: the first step that is not known of would come in an interleaving of
//! which all before it has been looked at but for steps that commute with it, or are what shows.

use super::{
    Outcome, Search, Standing, Stop,
    access::Access,
    layout::{Map, ThreadName},
    learner::{End, Learner, Taken},
    memory::{Asked, Noted},
    state::{Fingerprint, Mark, scramble},
};
use crate::{
    engine::{
        Limits, Program,
        dpor::execution::{Scheduled, ThreadKey},
    },
    sync::{
        self,
        engine::{Action, Engine, ObjectId},
        violation::ViolationKind,
    },
};
use std::rc::Rc;

/// A state on the path that is being explored.
#[derive(Debug)]
struct Node {
    mark: Mark,
    /// How many steps led to it.
    depth: usize,
    /// Whether the violation has come about.
    shown: bool,
    /// Whether all others have returned, and the thread that has waited for that goes on.
    settles: bool,
    /// The steps to take from it with the preemptions after each, the next one last.
    left: Vec<(Taken, u32)>,
}

/// What is known of the interleavings with at most so many preemptions.
#[derive(Debug, Default)]
pub(in super::super) struct Bounded {
    /// The smallest one that was found to have the violation.
    pub(in super::super) smallest: Option<Vec<Scheduled<ThreadKey>>>,
    /// Whether all of them were looked at.
    pub(in super::super) complete: bool,
    /// Whether there are none with more preemptions.
    pub(in super::super) all: bool,
}

/// Looks for the smallest interleaving with a violation of a kind.
pub(in super::super) struct Smallest<'a> {
    search: Search<'a>,
    kind: ViolationKind,
    /// What the object has to be called, without numbers.
    object: Option<String>,
    /// How many steps may be taken yet.
    left: u64,
    stop: &'a dyn Fn() -> bool,
    /// The fewest steps after which each state has come about.
    seen: Map<Fingerprint, usize>,
    /// By the state that begins it: whether the violation comes about in what comes after the part where
    /// every interleaving counts.
    ends: Map<Fingerprint, bool>,
    /// Some step was not taken, as it would have been a preemption too many.
    left_out: bool,
    others: Others,
}

/// What the threads do, in any of the interleavings that were looked at.
#[derive(Debug, Default)]
struct Others {
    /// By object: the threads that access it, and how, a bit for each way.
    accesses: Vec<Vec<(ThreadName, u8)>>,
    /// Something was added.
    more: bool,
}

impl Others {
    fn add(&mut self, thread: ThreadName, object: ObjectId, access: Access) {
        let object = object.0 as usize;
        if self.accesses.len() <= object {
            self.accesses.resize_with(object + 1, Vec::new);
        }
        let threads = &mut self.accesses[object];
        let known = threads.iter_mut().find(|(known, _)| *known == thread);
        match known {
            Some((_, ways)) if *ways & access.bit() != 0 => {}
            Some((_, ways)) => {
                *ways |= access.bit();
                self.more = true;
            }
            None => {
                threads.push((thread, access.bit()));
                self.more = true;
            }
        }
    }

    /// Whether an access of a thread commutes with all that others do.
    fn commutes(&self, thread: ThreadName, object: ObjectId, access: Access) -> bool {
        let alone = match access {
            Access::Read | Access::Snapshot => access.bit(),
            _ => 0,
        };
        let threads = self.accesses.get(object.0 as usize);
        let mut threads = threads.into_iter().flatten();
        threads.all(|(other, ways)| *other == thread || *ways & !alone == 0)
    }
}

impl<'a> Smallest<'a> {
    /// A look at so many steps at most, until it is to `stop`.
    pub(in super::super) fn new(
        program: &'a Program,
        limits: &'a Limits,
        kind: ViolationKind,
        most: u64,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let search = Search::new(program, limits);
        search.learner.execution.borrow_mut().layout.waits_for_open = true;
        Self {
            search,
            kind,
            object: None,
            left: most,
            stop,
            seen: Map::default(),
            ends: Map::default(),
            left_out: false,
            others: Others::default(),
        }
    }

    /// Whether an interleaving can be followed where a grace period waits for every section that was open
    /// when it began. Only violations of an object of that name are looked for, unless it can be followed
    /// and shows none of such an object: then the name is another one here.
    pub(in super::super) fn can_follow(
        &mut self,
        shown: &[Scheduled<ThreadKey>],
        object: &str,
    ) -> bool {
        let learner = Rc::clone(&self.search.learner);
        let engine: Rc<dyn Engine> = Rc::<Learner>::clone(&learner);
        sync::with_engine(engine, || {
            learner.begin_execution(self.search.program);
            let followed = shown.iter().try_for_each(|step| learner.follow(step));
            let ended = learner.execution.borrow().end.clone();
            if !matches!(ended, Some(End::Fatal | End::Cut(_))) {
                learner.finish();
            }
            let execution = learner.execution.borrow();
            let mut noted = execution.violations.iter();
            let is_it = |noted: &&Noted| {
                let path = noted.object.map(|object| execution.layout.path(object));
                noted.kind == self.kind && path.as_deref() == Some(object)
            };
            let is_named = followed.is_err() || noted.any(|noted| is_it(&noted));
            self.object = (is_named && !object.is_empty()).then(|| object.to_owned());
            drop(execution);
            learner.end_execution();
            followed.is_ok()
        })
    }

    /// Look at every interleaving with at most `bound` preemptions and less than `below` steps.
    pub(in super::super) fn within(&mut self, bound: u32, below: usize) -> Bounded {
        let engine: Rc<dyn Engine> = Rc::<Learner>::clone(&self.search.learner);
        let mut bounded = Bounded::default();
        sync::with_engine(engine, || {
            let mut below = below;
            let looked = loop {
                self.others.more = false;
                let looked = self.look(bound, &mut below, &mut bounded.smallest);
                if looked.is_err() || !self.others.more {
                    break looked;
                }
            };
            bounded.complete = looked.is_ok();
            bounded.all = looked.is_ok() && !self.left_out;
            self.search.learner.end_execution();
        });
        bounded
    }

    fn look(
        &mut self,
        bound: u32,
        below: &mut usize,
        smallest: &mut Option<Vec<Scheduled<ThreadKey>>>,
    ) -> Result<(), Stop> {
        self.seen.clear();
        self.left_out = false;
        self.search.path.clear();
        self.search.begin()?;
        let mut nodes = Vec::new();
        nodes.extend(self.node(bound, 0, false, false).ok());
        while let Some(node) = nodes.last_mut() {
            self.search.state.go_back(node.mark);
            self.search.path.truncate(node.depth);
            let Some((taken, preemptions)) = node.left.pop() else {
                nodes.pop();
                continue;
            };
            let steps = node.depth + 1;
            if steps >= *below {
                continue;
            }
            self.count()?;
            let (mut shown, settles) = (node.shown, node.settles);
            let outcome = self.search.step(taken)?;
            self.search.path.push(taken);
            let stays = self.commutes(taken.thread);
            shown |= self
                .search
                .violations
                .iter()
                .any(|noted| self.is_wanted(*noted));
            match outcome {
                Outcome::Fatal => {}
                Outcome::Alone => shown = shown || self.shown_alone(settles)?,
                Outcome::GoesOn => {
                    let stays = stays && self.goes_on(taken.thread);
                    if !self.is_new(preemptions, steps, shown, stays) {
                        continue;
                    }
                    match self.node(bound, preemptions, shown, stays) {
                        Ok(node) => {
                            nodes.push(node);
                            continue;
                        }
                        Err(Stuck { hung }) => shown = shown || hung && self.hangs_there()?,
                    }
                }
            }
            if shown {
                self.search.run_path()?;
                *smallest = Some(self.search.learner.schedule());
                *below = steps;
            }
        }
        Ok(())
    }

    fn is_wanted(&self, noted: Noted) -> bool {
        let path = |object| self.search.learner.execution.borrow().layout.path(object);
        let is_called = |name: &String| noted.object.map(path).as_ref() == Some(name);
        noted.kind == self.kind && self.object.as_ref().is_none_or(is_called)
    }

    /// Whether what hangs now waits for the object. Which of the threads was begun first, whose object
    /// that is, the state does not say.
    fn hangs_there(&mut self) -> Result<bool, Stop> {
        if self.kind != ViolationKind::HungTask {
            return Ok(false);
        }
        self.search.run_path()?;
        let hung = self.search.learner.execution.borrow().hung();
        Ok(hung.is_some_and(|hung| self.is_wanted(hung)))
    }

    fn count(&mut self) -> Result<(), Stop> {
        if self.left == 0 || self.left.is_multiple_of(1024) && (self.stop)() {
            return Err("that is as far as it goes".to_owned());
        }
        self.left -= 1;
        Ok(())
    }

    /// Whether the step that a thread has taken commutes with all that others do. It is known of from now
    /// on. Where a thread is begun or something is violated, it is looked upon as if it did not.
    fn commutes(&mut self, thread: ThreadName) -> bool {
        let accesses = &self.search.accesses;
        for &(object, access) in accesses {
            self.others.add(thread, object, access);
        }
        let mut accesses = accesses.iter();
        self.search.violations.is_empty()
            && self.search.begun.is_empty()
            && accesses.all(|&(object, access)| self.others.commutes(thread, object, access))
    }

    fn goes_on(&mut self, thread: ThreadName) -> bool {
        matches!(self.search.standing(thread), Standing::GoesOn { .. })
    }

    /// Whether the state has not come about before after as few steps. Where it `stays` with the thread
    /// that ran last, there is less to come than where any may go on.
    fn is_new(&mut self, preemptions: u32, steps: usize, shown: bool, stays: bool) -> bool {
        let last = self
            .search
            .path
            .last()
            .expect("a step has been taken")
            .thread;
        // Who cannot go on is not preempted, whoever goes on instead.
        let last = if self.goes_on(last) { last + 1 } else { 0 };
        let state = self.search.state.fingerprint();
        let with = |preemptions: u32, stays: bool| {
            let rest = u64::from(last) << 34
                | u64::from(stays) << 33
                | u64::from(shown) << 32
                | u64::from(preemptions);
            state.wrapping_add(u128::from(scramble(rest)))
        };
        let known = |preemptions| {
            let is_known = |stays| {
                let known = self.seen.get(&with(preemptions, stays));
                known.is_some_and(|known| *known <= steps)
            };
            is_known(false) || stays && is_known(true)
        };
        if (0..=preemptions).any(known) {
            return false;
        }
        self.seen.insert(with(preemptions, stays), steps);
        true
    }

    /// The state, with the steps to take from it. Where it `stays` with the thread that ran last, only
    /// those of that one.
    fn node(
        &mut self,
        bound: u32,
        preemptions: u32,
        shown: bool,
        stays: bool,
    ) -> Result<Node, Stuck> {
        let last = self.search.path.last().map(|last| last.thread);
        let mut enabled = Vec::new();
        let mut settles = None;
        let mut hung = false;
        for name in 0..self.search.threads() {
            match self.search.standing(name) {
                Standing::Gone => {}
                Standing::Settles => settles = Some(name),
                Standing::GoesOn { choices } => enabled.push((name, choices)),
                Standing::Waits(asked) => {
                    hung |= !self.search.is_daemon(name);
                    self.waits(name, &asked);
                }
            }
        }
        let all_over = enabled.is_empty();
        if all_over {
            match settles {
                Some(name) if !hung => enabled.push((name, 1)),
                _ => return Err(Stuck { hung }),
            }
        }
        if stays {
            enabled.retain(|(name, _)| Some(*name) == last);
        }
        let goes_on = enabled.iter().any(|(name, _)| Some(*name) == last);
        // Whoever ran last goes on first, then in the order in which they were begun.
        enabled.reverse();
        enabled.sort_by_key(|(name, _)| Some(*name) == last);
        let mut left = Vec::new();
        for (thread, choices) in enabled {
            let preemptions = preemptions + u32::from(goes_on && Some(thread) != last);
            if preemptions <= bound {
                let steps = (0..choices).rev();
                left.extend(steps.map(|choice| (Taken { thread, choice }, preemptions)));
            } else {
                self.left_out = true;
            }
        }
        Ok(Node {
            mark: self.search.state.mark(),
            depth: self.search.path.len(),
            shown,
            settles: all_over,
            left,
        })
    }

    /// A thread waits: what it would access is as good as accessed.
    fn waits(&mut self, thread: ThreadName, asked: &Asked) {
        // It waits for sections to end, with which the beginning of a grace period does not commute.
        if matches!(asked.action, Action::GracePeriodEnd(_)) {
            self.others.add(thread, asked.object, Access::Snapshot);
        }
        self.search.would_access(asked);
        for &(object, access) in &self.search.accesses {
            self.others.add(thread, object, access);
        }
    }

    /// Whether the violation comes about in what comes after the part where every interleaving counts.
    /// Whoever has only waited for the end has learned nothing that the state does not say.
    fn shown_alone(&mut self, settles: bool) -> Result<bool, Stop> {
        let state = self.search.state.fingerprint();
        if let Some(shown) = self.ends.get(&state).filter(|_| settles) {
            return Ok(*shown);
        }
        self.search.run_path()?;
        self.search.learner.finish();
        let violations = {
            let execution = self.search.learner.execution.borrow();
            if let Some(End::Cut(why)) = &execution.end {
                return Err(why.clone());
            }
            execution.violations.clone()
        };
        let shown = violations.iter().any(|noted| self.is_wanted(*noted));
        self.ends.insert(state, shown);
        Ok(shown)
    }
}

/// Nobody can go on.
struct Stuck {
    /// Whether somebody waits who should not.
    hung: bool,
}
