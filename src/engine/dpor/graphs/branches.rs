// SPDX-License-Identifier: GPL-2.0-only
//! The exploration of branches, by one thread or by several.
//!
//! A branch owns its graph, and what comes of it depends on nothing else. One thread takes up the
//! branch that was found last, runs it, and has those that this one leads to before all others. So
//! branches have an order, which is that of a tree gone through in depth. Several threads go through
//! [`Part`]s of it, each a stretch of that order: who hands out work cuts off the last branch that
//! is left of its part, which is a part of its own then and comes next in the order. What parts have
//! come to is put together in that order, and what comes after a first violation counts for
//! nothing. Only one that an interleaving shows is the first: where weak memory alone shows a
//! violation, the search goes on, for another execution may show it, or something else, better. So
//! what an exploration comes to, and what it finds first, is the same for any number of threads.
//!
//! (That branches need nothing of one another: Kokologiannakis, Marmanis, Gladstein, Vafeiadis, POPL
//! 2022.)

use super::{
    super::{
        checkpoint::{ANOTHER_PROGRAM, NOT_WRITTEN, SavedSchedule, load_schedule, save_schedule},
        execution::{Scheduled, ThreadKey},
        parallel::{Pool, Worker},
    },
    Explorer, Observer,
    execution::{Branch, End},
    schedules, shows, told,
};
use crate::{
    engine::{Exploration, Limits, Program, recording::Recording},
    sync::violation::ViolationKind,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

/// How many executions with a violation are kept to find an interleaving for it.
const SCHEDULES: usize = 32;

/// A violation, after how many executions, and interleavings that may show it.
#[derive(Clone, Debug)]
pub(in super::super) struct Shown {
    pub(super) kind: ViolationKind,
    pub(super) after: u64,
    /// The way to the first execution with it.
    pub(super) way: Vec<u32>,
    /// For each execution one of several, as another violation may come first.
    pub(super) schedules: Vec<Vec<Vec<Scheduled<ThreadKey>>>>,
}

impl Shown {
    /// Whether there may be an interleaving that shows it. There is one where the search was to
    /// stop with it.
    pub(super) fn has_interleaving(&self) -> bool {
        !self.schedules.is_empty()
    }

    fn add(&mut self, schedules: Vec<Vec<Scheduled<ThreadKey>>>) {
        if self.schedules.len() < SCHEDULES && !schedules.is_empty() {
            self.schedules.push(schedules);
        }
    }
}

/// The way to a branch: of the branches of each run, which one.
#[derive(Debug)]
struct Way {
    before: Option<Arc<Way>>,
    number: u32,
}

/// A branch that is left to run.
#[derive(Debug, Default)]
pub(super) struct Left {
    branch: Branch,
    way: Option<Arc<Way>>,
    /// The share of the whole exploration that it is taken to be.
    weight: f64,
}

/// A stretch of the order of branches, and what has come of it.
#[derive(Debug, Default)]
pub(in super::super) struct Part {
    executions: u64,
    blocked: u64,
    shown: Vec<Shown>,
    /// What is left of it, the next one last.
    left: Vec<Left>,
    /// Why it goes no further, where there is a reason that would be the same another time.
    ended: Option<String>,
}

impl Part {
    /// A whole exploration.
    pub(super) fn whole() -> Self {
        Self {
            left: vec![Left {
                weight: 1.0,
                ..Left::default()
            }],
            ..Self::default()
        }
    }

    fn is_done(&self) -> bool {
        self.left.is_empty() && self.ended.is_none()
    }

    /// Take over the part that comes next.
    fn take_over(&mut self, next: Self) {
        for shown in next.shown {
            let after = self.executions + shown.after;
            let known = self.shown.iter_mut().find(|s| s.kind == shown.kind);
            match known {
                Some(known) => shown.schedules.into_iter().for_each(|s| known.add(s)),
                None => self.shown.push(Shown { after, ..shown }),
            }
        }
        self.executions += next.executions;
        self.blocked += next.blocked;
        self.ended = next.ended;
        let mut left = next.left;
        left.append(&mut self.left);
        self.left = left;
    }
}

/// A part with its place in the order.
#[derive(Debug)]
struct Slot {
    id: u64,
    /// Nobody needs it any more.
    cancelled: Arc<AtomicBool>,
    /// The part, when nobody is at it any more.
    part: Option<Part>,
}

/// A part that somebody is at.
struct Piece {
    id: u64,
    cancelled: Arc<AtomicBool>,
    part: Part,
}

/// The parts of an exploration, in their order.
#[derive(Debug, Default)]
struct Order {
    slots: Vec<Slot>,
    made: u64,
}

impl Order {
    fn add(&mut self, at: usize, part: Part) -> Piece {
        let id = self.made;
        self.made += 1;
        let cancelled = Arc::<AtomicBool>::default();
        let slot = Slot {
            id,
            cancelled: Arc::clone(&cancelled),
            part: None,
        };
        self.slots.insert(at, slot);
        Piece {
            id,
            cancelled,
            part,
        }
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.id == id)
    }

    /// Nobody is at this part any more.
    fn put_down(&mut self, piece: Piece) {
        let Some(at) = self.place(piece.id) else {
            return;
        };
        if piece.part.ended.is_some() {
            for slot in self.slots.drain(at + 1..) {
                slot.cancelled.store(true, Relaxed);
            }
        }
        self.slots[at].part = Some(piece.part);
        // Parts that are done and follow each other become one: there are only ever as many as
        // there are threads, and what is between them.
        for at in [at + 1, at] {
            let is_done = |at: usize| {
                let part = self.slots.get(at).and_then(|slot| slot.part.as_ref());
                part.is_some_and(Part::is_done)
            };
            if at > 0 && is_done(at - 1) && is_done(at) {
                let next = self.slots.remove(at).part.expect("it is done");
                let part = self.slots[at - 1].part.as_mut().expect("it is done");
                part.take_over(next);
            }
        }
    }
}

/// An exploration that some threads are at.
struct Shared<'a> {
    program: &'a Program,
    limits: &'a Limits,
    start: Instant,
    pool: Pool<Piece>,
    order: Mutex<Order>,
    /// How much of it is done: an estimate.
    share: Mutex<f64>,
}

/// Explore these parts. Answers what has come of them.
pub(super) fn explore(
    program: &Program,
    limits: &Limits,
    start: Instant,
    parts: Vec<Part>,
    observe: Observer<'_>,
) -> (Exploration, Vec<Part>) {
    let before: u64 = parts.iter().map(|part| part.executions).sum();
    limits.progress.store(before, Relaxed);
    let left = parts.iter().flat_map(|part| &part.left);
    let left: f64 = left.map(|left| left.weight).sum();
    let mut order = Order::default();
    let mut pieces = Vec::new();
    for part in parts {
        let at = order.slots.len();
        let piece = order.add(at, part);
        match piece.part.left.is_empty() {
            true => order.put_down(piece),
            false => pieces.push(piece),
        }
    }
    let shared = Shared {
        program,
        limits,
        start,
        pool: Pool::new(pieces, &limits.jobs),
        order: Mutex::new(order),
        share: Mutex::new(1.0 - left),
    };
    match observe {
        // Each execution is shown to the caller, which is one thread.
        Some(observe) => {
            let mut observe = Some(observe);
            shared.work_alone(&mut observe);
        }
        None => shared.pool.run(|worker| shared.work(worker)),
    }
    let mut order = shared.order.into_inner();
    for piece in shared.pool.left() {
        order.put_down(piece);
    }
    let parts: Vec<Part> = order
        .slots
        .into_iter()
        .filter_map(|slot| slot.part)
        .collect();
    (sum_up(&parts, limits, start), parts)
}

fn sum_up(parts: &[Part], limits: &Limits, start: Instant) -> Exploration {
    let executions = parts.iter().map(|part| part.executions).sum();
    let mut exploration = Exploration {
        executions,
        blocked: parts.iter().map(|part| part.blocked).sum(),
        ..Exploration::default()
    };
    let unfinished = parts.iter().find(|part| !part.is_done());
    exploration.complete = unfinished.is_none();
    exploration.reason = unfinished.map(|part| {
        let stopped = || limits.reached(start, executions);
        let reason = part.ended.clone().or_else(stopped);
        reason.unwrap_or_else(|| "stopped".to_owned())
    });
    exploration
}

/// Whether these were stopped, and there is something left of them to go on with.
pub(super) fn may_go_on(parts: &[Part]) -> bool {
    let first = parts.iter().find(|part| !part.is_done());
    first.is_some_and(|part| part.ended.is_none())
}

/// What was found in all parts, in their order.
pub(super) fn shown(parts: Vec<Part>) -> Vec<Shown> {
    let mut whole = Part::default();
    for part in parts {
        whole.take_over(part);
    }
    whole.shown
}

impl Shared<'_> {
    fn work(&self, worker: &Worker<'_, '_, Piece>) {
        let explorer = Explorer::new(self.limits.memory_model);
        let mut has_worked = false;
        while let Some(mut piece) = worker.next(has_worked) {
            has_worked = true;
            self.explore(&explorer, Some(worker), &mut piece, &mut None);
            self.order.lock().put_down(piece);
        }
    }

    fn work_alone(&self, observe: &mut Observer<'_>) {
        let explorer = Explorer::new(self.limits.memory_model);
        for mut piece in self.pool.left() {
            self.explore(&explorer, None, &mut piece, observe);
            self.order.lock().put_down(piece);
        }
    }

    /// Explore a part until nothing is left of it, or it cannot go on.
    fn explore(
        &self,
        explorer: &Explorer,
        worker: Option<&Worker<'_, '_, Piece>>,
        piece: &mut Piece,
        observe: &mut Observer<'_>,
    ) {
        while !self.has_to_stop(piece) {
            let Some(left) = piece.part.left.pop() else {
                return;
            };
            self.run(explorer, &mut piece.part, left, observe);
            if piece.part.ended.is_some() {
                piece.part.left.clear();
                return;
            }
            if let Some(worker) = worker
                && worker.is_asked()
                && self.limits.max_executions.is_none()
            {
                self.hand_out(piece);
            }
        }
    }

    fn has_to_stop(&self, piece: &Piece) -> bool {
        if self.pool.is_stopping() || piece.cancelled.load(Relaxed) {
            return true;
        }
        let executions = self.limits.progress.load(Relaxed);
        if self.limits.reached(self.start, executions).is_some() {
            self.pool.stop();
            return true;
        }
        false
    }

    /// Run a branch. What it leads to is left to run.
    fn run(&self, explorer: &Explorer, part: &mut Part, left: Left, observe: &mut Observer<'_>) {
        let before = part.left.len();
        let (weight, way) = (left.weight, left.way.clone());
        if !run_branch(explorer, self.program, left, &mut part.left) {
            if part.left.len() == before {
                self.tell(weight);
            }
            return;
        }
        let mut execution = explorer.execution.borrow_mut();
        match &execution.end {
            Some(End::Cut(reason)) => {
                part.ended = Some(reason.clone());
                return;
            }
            Some(End::Blocked) => part.blocked += 1,
            Some(End::Finished | End::Fatal) | None => {
                part.executions += 1;
                self.limits.progress.fetch_add(1, Relaxed);
                if let Some(observe) = observe {
                    observe(&told(&execution));
                }
            }
        }
        self.tell(part.left.get(before).map_or(weight, |next| next.weight));
        for found in execution.found.clone() {
            let kind = found.kind;
            let known = part.shown.iter().position(|shown| shown.kind == kind);
            let known = known.unwrap_or_else(|| {
                part.shown.push(Shown {
                    kind,
                    after: part.executions,
                    way: numbers(way.as_ref()),
                    schedules: Vec::new(),
                });
                part.shown.len() - 1
            });
            let shown = &mut part.shown[known];
            if shown.schedules.len() < SCHEDULES {
                let mut schedules = schedules(&mut execution, &found);
                if !self.limits.all {
                    schedules.retain(|schedule| shows(self.program, schedule, kind));
                }
                shown.add(schedules);
            }
        }
        if !self.limits.all && part.shown.iter().any(Shown::has_interleaving) {
            part.ended = Some("stopped at the first violation".to_owned());
        }
    }

    fn hand_out(&self, piece: &mut Piece) {
        let part = &mut piece.part;
        if part.left.len() < 2 {
            return;
        }
        let last = Part {
            left: vec![part.left.remove(0)],
            ..Part::default()
        };
        let mut order = self.order.lock();
        // It may have been cancelled, and have no place any more.
        if let Some(at) = order.place(piece.id) {
            let piece = order.add(at + 1, last);
            drop(order);
            self.pool.offer(piece);
        }
    }

    /// Tell that so much more is done.
    fn tell(&self, weight: f64) {
        let mut share = self.share.lock();
        *share = (*share + weight).min(1.0);
        self.limits.share.store(share.to_bits(), Relaxed);
    }
}

/// Run a branch, and add what it leads to. `false`: the memory model does not allow it. It may lead
/// to others even so: those in which a grace period ends later.
fn run_branch(explorer: &Explorer, program: &Program, left: Left, to: &mut Vec<Left>) -> bool {
    let Left {
        branch,
        way,
        weight,
    } = left;
    let allowed = explorer.execution.borrow_mut().take_up(branch);
    // What is found before the run comes before what is found in it.
    let mut branches = std::mem::take(&mut explorer.execution.borrow_mut().branches);
    if allowed {
        explorer.run(program);
        branches.append(&mut explorer.execution.borrow_mut().branches);
    }
    // An execution of its own, if it is one, and what each of the branches leads to.
    let weight = weight / (branches.len() as f64 + f64::from(u8::from(allowed)));
    let left = branches.into_iter().zip(0..).map(|(branch, number)| Left {
        branch,
        way: Some(Arc::new(Way {
            before: way.clone(),
            number,
        })),
        weight,
    });
    to.extend(left);
    allowed
}

/// The numbers of a way, from the beginning.
fn numbers(way: Option<&Arc<Way>>) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut at = way;
    while let Some(step) = at {
        numbers.push(step.number);
        at = step.before.as_ref();
    }
    numbers.reverse();
    numbers
}

/// Go a way again, and record the execution that it leads to, up to the violation.
pub(super) fn tell(
    program: &Program,
    limits: &Limits,
    way: &[u32],
    kind: ViolationKind,
) -> Option<Recording> {
    let explorer = Explorer::new(limits.memory_model);
    let mut left = Left::default();
    for &number in way {
        let mut next = Vec::new();
        run_branch(&explorer, program, left, &mut next);
        left = next.into_iter().nth(number as usize)?;
    }
    let allowed = run_branch(&explorer, program, left, &mut Vec::new());
    allowed.then(|| explorer.tell(program, kind))
}

/// A part, written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct SavedPart {
    executions: u64,
    blocked: u64,
    shown: Vec<SavedShown>,
    left: Vec<SavedLeft>,
    ended: Option<String>,
}

/// A violation that was found before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedShown {
    kind: ViolationKind,
    after: u64,
    way: Vec<u32>,
    /// For each execution, its interleavings.
    schedules: Vec<Vec<SavedSchedule>>,
}

/// The way to a branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedLeft {
    way: Vec<u32>,
    /// The bits.
    weight: u64,
    /// Of the branch: the one that is found again must have the same.
    digest: String,
}

fn digest(branch: &Branch) -> String {
    let digest = Sha256::digest(format!("{branch:?}"));
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Write parts down.
pub(in super::super) fn save(parts: &[Part]) -> Vec<SavedPart> {
    let save = |part: &Part| SavedPart {
        executions: part.executions,
        blocked: part.blocked,
        shown: part.shown.iter().map(save_shown).collect(),
        left: part.left.iter().map(save_left).collect(),
        ended: part.ended.clone(),
    };
    parts.iter().map(save).collect()
}

fn save_shown(shown: &Shown) -> SavedShown {
    let save = |schedules: &Vec<Vec<_>>| schedules.iter().map(|s| save_schedule(s)).collect();
    SavedShown {
        kind: shown.kind,
        after: shown.after,
        way: shown.way.clone(),
        schedules: shown.schedules.iter().map(save).collect(),
    }
}

fn save_left(left: &Left) -> SavedLeft {
    SavedLeft {
        way: numbers(left.way.as_ref()),
        weight: left.weight.to_bits(),
        digest: digest(&left.branch),
    }
}

fn load_shown(saved: &SavedShown) -> Result<Shown, String> {
    let load = |schedules: &Vec<SavedSchedule>| {
        let schedules = schedules.iter().map(|s| load_schedule(s));
        schedules.collect::<Result<_, String>>()
    };
    Ok(Shown {
        kind: saved.kind,
        after: saved.after,
        way: saved.way.clone(),
        schedules: saved
            .schedules
            .iter()
            .map(load)
            .collect::<Result<_, String>>()?,
    })
}

/// The parts that were written down, with their branches.
pub(in super::super) fn find_again(
    program: &Program,
    limits: &Limits,
    saved: &[SavedPart],
) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    // What is looked for below a branch: the rest of the way, and where it belongs.
    let mut wanted: Vec<(&[u32], (usize, usize))> = Vec::new();
    for (number, part) in saved.iter().enumerate() {
        let shown = part.shown.iter().map(load_shown);
        let shown = shown.collect::<Result<_, String>>()?;
        let ways = part.left.iter().enumerate();
        wanted.extend(ways.map(|(at, left)| (&*left.way, (number, at))));
        parts.push(Part {
            executions: part.executions,
            blocked: part.blocked,
            shown,
            left: part.left.iter().map(|_| Left::default()).collect(),
            ended: part.ended.clone(),
        });
    }
    let explorer = Explorer::new(limits.memory_model);
    let mut open = vec![(Left::default(), wanted)];
    while let Some((left, wanted)) = open.pop() {
        if let [([], (part, at))] = *wanted {
            let saved = &saved[part].left[at];
            if digest(&left.branch) != saved.digest {
                return Err(ANOTHER_PROGRAM.to_owned());
            }
            parts[part].left[at] = Left {
                weight: f64::from_bits(saved.weight),
                ..left
            };
            continue;
        }
        let mut next = Vec::new();
        run_branch(&explorer, program, left, &mut next);
        let mut below: Vec<Vec<_>> = next.iter().map(|_| Vec::new()).collect();
        for (way, place) in wanted {
            // A branch that is left was not run, so that nothing is below it.
            let (number, rest) = way.split_first().ok_or_else(|| NOT_WRITTEN.to_owned())?;
            let below = below.get_mut(*number as usize);
            let below = below.ok_or_else(|| ANOTHER_PROGRAM.to_owned())?;
            below.push((rest, place));
        }
        let wanted = next.into_iter().zip(below);
        open.extend(wanted.filter(|(_, wanted)| !wanted.is_empty()));
    }
    Ok(parts)
}
