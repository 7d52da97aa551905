// SPDX-License-Identifier: GPL-2.0-only
//! The steps of an interleaving that a reader needs, where there is no room for all.
//!
//! Two contexts meet where one does something to the other: it is ordered after it, or reads what
//! it wrote. Of the steps that lead to the violation, the digest has those where two contexts meet,
//! the last puts of the objects that it is about, how each of these is linked to others and taken
//! away from them where more than one context does that, and how each context begins. A context that the
//! kernel started by itself is met where somebody waits for it. What lies between two steps of the
//! same context follows from the functions they are in.

use super::{
    mail::is_same,
    order::Order,
    replay::Replay,
    telling::{Telling, only_reads, place, queued, unseen},
    text::marked,
    why::Why,
    words::{Weight, is_head, is_link, words},
};
use crate::{
    engine::recording::{Older, RecordedViolation, Recording, TraceStep},
    scenario::Actor,
    sync::{
        engine::{Action, Update},
        violation::ViolationKind,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The steps of the digest, as indices into [`Recording::steps`], in order. Only steps of the part
/// where every interleaving counts.
#[must_use]
pub fn digest(replay: &Replay, why: Option<&Why>, actors: &[Actor]) -> Vec<usize> {
    let recording = &replay.recording;
    let order = Order::new(recording);
    let mut about: BTreeSet<usize> = marked(replay);
    let pair = why.and_then(|why| why.pair);
    about.extend(pair.iter().flat_map(|pair| [pair.first, pair.second]));
    // What is found when all is over is explained by the two.
    let late = |violation: &RecordedViolation| violation.site.context == "main";
    if pair.is_none() || !replay.violation.as_ref().is_some_and(late) {
        about.extend(ends(replay));
    }
    // Who frees in a callback has done so by queueing it: a section that begins after that protects
    // nothing.
    let by = |at: &usize| queued(recording, &recording.steps[*at].context).map(|site| site.step);
    about.extend(about.iter().filter_map(by).collect::<Vec<_>>());
    // What weak memory lets a read miss is what it is about.
    for at in 0..recording.steps.len() {
        if let Some(write) = unseen(recording, at) {
            about.extend([at, write]);
        }
    }
    about.extend(links_found(recording, &about));
    about.retain(|&at| recording.steps[at].concurrent);
    // Where nothing else explains it: what was done to what is left, and which lists were changed.
    let is_left = |violation: &RecordedViolation| {
        about.is_empty() || violation.kind == ViolationKind::ObjectsRemaining
    };
    if pair.is_none() && replay.violation.as_ref().is_some_and(is_left) {
        let objects = objects(replay, &about);
        let steps = recording.steps.iter().enumerate();
        let done = steps.filter(|(_, step)| {
            let is_part = objects.iter().any(|object| lies_in(&step.object, object));
            step.concurrent
                && words(step, &step.object).weight == Weight::Always
                && (is_part || step.action == Action::Write)
        });
        about.extend(done.map(|(at, _)| at));
    }
    // What is noticed beside it has come about on the way.
    if let Some(violation) = &replay.violation {
        let others = recording.violations.iter();
        let others = others
            .filter(|other| other.kind != ViolationKind::HungTask && !is_same(other, violation));
        about.extend(others.map(|other| other.site.step));
    }
    about.retain(|&at| recording.steps.get(at).is_some_and(|step| step.concurrent));
    let objects = objects(replay, &about);
    if pair.is_none() && replay.violation.as_ref().is_some_and(late) || about.is_empty() {
        about.extend(last_of_each(recording));
    }
    let actors: BTreeSet<&str> = actors.iter().map(|actor| &*actor.name).collect();
    let mut cone: BTreeSet<usize> = BTreeSet::new();
    let mut shown = about.clone();
    let mut work: Vec<usize> = about.iter().copied().collect();
    while let Some(at) = work.pop() {
        if !cone.insert(at) {
            continue;
        }
        work.extend(order.previous(at));
        let waits = matches!(
            recording.steps[at].action,
            Action::Await(..) | Action::AwaitUpdate(..) | Action::GracePeriodEnd(_)
        );
        for from in order.sources(at).into_iter().chain(writer(recording, at)) {
            work.push(from);
            let by_itself = |at: usize| !actors.contains(&*recording.steps[at].context);
            let passing = by_itself(from) && !waits || by_itself(at) && is_lock(recording, at);
            let plain_locks = is_plain_lock(recording, from) && is_plain_lock(recording, at);
            if !passing && !plain_locks {
                shown.extend([from, at]);
            }
        }
    }
    // What comes after all that it is about is no part of how it came about; where that is over at
    // the end only, everything may be.
    let last = match &replay.violation {
        Some(violation) if late(violation) || violation.kind == ViolationKind::HungTask => None,
        _ => about.last().copied(),
    };
    let last = last.unwrap_or(recording.steps.len());
    if let Some(pair) = pair {
        shown.extend(locks(recording, [pair.first, pair.second]).range(..=last));
    }
    let violated = replay.violation.as_ref();
    let violated = violated.map_or("", |violation| &violation.object);
    shown.extend(links(recording, &order, &objects, violated).range(..=last));
    let telling = Telling::new(recording);
    let mut begun: BTreeSet<u32> = BTreeSet::new();
    for &at in &cone {
        let step = &recording.steps[at];
        let always = words(step, &step.object).weight == Weight::Always;
        let shown_context = |shown: &BTreeSet<usize>| {
            let mut shown = shown.iter();
            shown.any(|&other| recording.steps[other].thread == step.thread)
        };
        if always && begun.insert(step.thread.0) && shown_context(&shown) {
            shown.insert(at);
        }
        let last_put = matches!(step.action, Action::Update(Update::Sub(1), ..)) && step.saw == 1;
        if last_put && objects.iter().any(|object| lies_in(&step.object, object)) {
            shown.insert(at);
        }
    }
    let says_little = |at: usize| {
        let step = telling.step(at);
        matches!(
            step.action,
            Action::Start | Action::Settle | Action::Choose(1)
        ) || step.functions.is_empty()
    };
    // A word that is read twice in a row, as by a check and by what it guards.
    let again = |at: usize| {
        let (step, before) = (&recording.steps[at], order.previous(at));
        before
            .filter(|before| shown.contains(before))
            .is_some_and(|before| {
                let before = &recording.steps[before];
                (&before.object, before.action, before.saw) == (&step.object, step.action, step.saw)
                    && before.functions == step.functions
                    && only_reads(step.action)
            })
    };
    let steps = shown.iter().copied();
    steps
        .filter(|&at| recording.steps[at].action != Action::Settle)
        .filter(|&at| about.contains(&at) || !says_little(at) && !again(at))
        .collect()
}

/// What each context did last, where all that the violation is about came after them.
fn last_of_each(recording: &Recording) -> BTreeSet<usize> {
    let mut contexts: BTreeSet<u32> = BTreeSet::new();
    let steps = recording.steps.iter().enumerate().rev();
    steps
        .filter(|(_, step)| step.concurrent && !step.functions.is_empty())
        .filter(|(at, _)| !is_plain_lock(recording, *at))
        .filter(|(_, step)| contexts.insert(step.thread.0))
        .map(|(at, _)| at)
        .collect()
}

/// Where steps come when all is over: who made what they find there as it is. Of each list and
/// pointer that the operation came upon before, the last write in the part where every interleaving
/// counts.
fn links_found(recording: &Recording, about: &BTreeSet<usize>) -> BTreeSet<usize> {
    let steps = &recording.steps;
    let mut found = BTreeSet::new();
    for &at in about {
        let Some(step) = steps.get(at).filter(|step| !step.concurrent) else {
            continue;
        };
        let own = steps[..=at].iter().rev();
        let own = own.take_while(|other| !other.concurrent);
        let own = own.filter(|other| other.thread == step.thread);
        let operation = own.take_while(|other| other.functions.first() == step.functions.first());
        for other in operation.filter(|other| is_link(&other.object)) {
            let writes = |earlier: &TraceStep| {
                earlier.concurrent && earlier.object == other.object && !only_reads(earlier.action)
            };
            found.extend(steps[..at].iter().rposition(writes));
        }
    }
    found
}

/// How these objects are linked to others and taken away from them, and how that is read by whoever
/// meets another context there. Only of lists and pointers that more than one context has a part in,
/// and of what else there is in the violated object.
fn links(
    recording: &Recording,
    order: &Order<'_>,
    objects: &BTreeSet<String>,
    violated: &str,
) -> BTreeSet<usize> {
    let is_of = |object: &str, of: &String| object == of || lies_in(object, of);
    let steps = recording.steps.iter().enumerate();
    let steps: Vec<(usize, &TraceStep)> = steps.filter(|(_, step)| step.concurrent).collect();
    let mut uses: BTreeMap<&str, Vec<(usize, &TraceStep)>> = BTreeMap::new();
    // Of a namespace, most has no part in it.
    let is_part = |object: &str| lies_in(object, violated) && !violated.starts_with("nfsd_net#");
    let is_told = |(at, step): &&(usize, &TraceStep)| {
        is_link(&step.object) || is_part(&step.object) && !is_lock(recording, *at)
    };
    for &(at, step) in steps.iter().filter(is_told) {
        uses.entry(&step.object).or_default().push((at, step));
    }
    // The hash table has files, and what is about none of them is not about it.
    let files = objects
        .iter()
        .any(|object| object.starts_with("nfsd_file#"));
    let mut found = BTreeSet::new();
    for (object, uses) in uses {
        let may_be = is_head(object) && (files || !object.ends_with(".bucket"));
        if !may_be && !objects.iter().any(|of| is_of(object, of)) {
            continue;
        }
        for (place, &(at, step)) in uses.iter().enumerate() {
            let others = |other: &&(usize, &TraceStep)| !only_reads(other.1.action);
            let before = uses[..place].iter().rev().find(others);
            let after = uses[place + 1..].iter().find(others);
            let meets = |other: Option<&(usize, &TraceStep)>| {
                other.is_some_and(|(_, other)| other.thread != step.thread)
            };
            let again = uses[..place]
                .last()
                .is_some_and(|(_, last)| last.thread == step.thread && only_reads(last.action));
            let shared = uses.iter().any(|(_, other)| other.thread != step.thread);
            let shows = match only_reads(step.action) {
                true => !again && (meets(before) || meets(after)),
                false => shared,
            };
            if shows {
                found.insert(at);
            }
        }
    }
    // Which list an entry goes on and off, also where nobody else uses that; and its end.
    let mut heads: BTreeSet<usize> = BTreeSet::new();
    for &at in &found {
        let before = order.previous(at).filter(|&before| {
            let step = &recording.steps[before];
            is_head(&step.object) && !only_reads(step.action)
        });
        heads.extend(before.filter(|_| !only_reads(recording.steps[at].action)));
    }
    found.extend(heads);
    let ends = steps.iter().filter(|(_, step)| {
        let lost = |&at: &usize| lies_in(&recording.steps[at].object, &step.object);
        step.action == Action::Free && step.object.contains('#') && found.iter().any(lost)
    });
    let ends: Vec<usize> = ends.map(|(at, _)| *at).collect();
    found.extend(ends);
    found
}

/// Where two steps decide that take a lock: how their contexts take it and what other locks these
/// functions take, as what a lock protects may have no steps of its own.
fn locks(recording: &Recording, pair: [usize; 2]) -> BTreeSet<usize> {
    let steps = &recording.steps;
    let takes = |at: usize| steps[at].action == Action::Lock && is_plain_lock(recording, at);
    if !pair.into_iter().all(takes) {
        return BTreeSet::new();
    }
    let all: Vec<usize> = (0..steps.len())
        .filter(|&at| steps[at].concurrent && takes(at))
        .filter(|&at| pair.iter().any(|&of| steps[of].thread == steps[at].thread))
        .collect();
    let is_beside = |at: usize, of: usize| {
        steps[at].thread == steps[of].thread
            && place(&steps[at].functions) == place(&steps[of].functions)
    };
    let beside = all
        .iter()
        .filter(|&&at| pair.iter().any(|&of| is_beside(at, of)));
    let objects: BTreeSet<&str> = beside.map(|&at| &*steps[at].object).collect();
    let all = all.into_iter();
    all.filter(|&at| objects.contains(&*steps[at].object))
        .collect()
}

/// Where there is no step that the violation is about: what a context that waits for ever did last,
/// and what was done last to what it waits for; or, where there is no violation, the last steps
/// that were followed, of all contexts and of the one that goes no further.
fn ends(replay: &Replay) -> Vec<usize> {
    let steps = &replay.recording.steps;
    let concurrent = |&at: &usize| steps[at].concurrent;
    let (context, object, until) = match &replay.violation {
        Some(violation) if violation.kind == ViolationKind::HungTask => {
            let site = &violation.site;
            (&*site.context, &*violation.object, violation.site.step + 1)
        }
        Some(_) => return Vec::new(),
        None => {
            let mut followed = (0..steps.len()).filter(concurrent);
            let last = followed.nth(replay.steps.len().saturating_sub(1));
            let was = replay
                .parted
                .as_ref()
                .and_then(|parted| parted.was.as_ref());
            let context = was.map_or("", |was| &was.context);
            (context, "", last.map_or(steps.len(), |last| last + 1))
        }
    };
    let last = |of: &dyn Fn(&TraceStep) -> bool| {
        let before = (0..until.min(steps.len())).rev().filter(concurrent);
        let mut before = before.filter(|&at| !steps[at].functions.is_empty());
        before.find(|&at| of(&steps[at]))
    };
    [
        last(&|_| true),
        last(&|step| step.context == context),
        last(&|step| !object.is_empty() && step.object == object),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The allocations that the violation and these steps are about.
fn objects(replay: &Replay, about: &BTreeSet<usize>) -> BTreeSet<String> {
    let mut objects: BTreeSet<String> = BTreeSet::new();
    if let Some(violation) = &replay.violation {
        objects.insert(violation.object.clone());
        let words = violation.message.split(' ');
        objects.extend(words.filter(|word| word.contains('#')).map(str::to_owned));
    }
    let steps = about.iter().map(|&at| &replay.recording.steps[at]);
    objects.extend(steps.map(|step| step.object.clone()));
    let owner = |object: &String| object.split('.').next().map(str::to_owned);
    let owners: Vec<String> = objects.iter().filter_map(owner).collect();
    objects.extend(owners);
    objects.remove("");
    objects
}

/// Whether an object is a part of another one.
pub(super) fn lies_in(inner: &str, outer: &str) -> bool {
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| rest.starts_with('.'))
}

fn is_lock(recording: &Recording, at: usize) -> bool {
    let action = recording.steps[at].action;
    matches!(action, Action::Lock | Action::TryLock | Action::Unlock)
}

/// The step of another context whose value this step read.
fn writer(recording: &Recording, at: usize) -> Option<usize> {
    let step = &recording.steps[at];
    let reads = match step.action {
        Action::Load(_) | Action::Await(..) | Action::AwaitUpdate(..) | Action::ReadMarked => true,
        Action::Update(update, ..) => !matches!(update, Update::Swap(_)),
        _ => false,
    };
    if !reads || step.object.is_empty() {
        return None;
    }
    match step.older {
        Some(Older::Step(from)) => return Some(from),
        Some(Older::Initial) => return None,
        None => {}
    }
    let before = recording.steps[..at].iter().enumerate().rev();
    let mut before = before.take_while(|(_, step)| step.concurrent);
    let (from, other) =
        before.find(|(_, other)| other.object == step.object && !only_reads(other.action))?;
    (other.thread != step.thread).then_some(from)
}

/// A lock that is only there to keep others out for a moment.
fn is_plain_lock(recording: &Recording, at: usize) -> bool {
    let step = &recording.steps[at];
    is_lock(recording, at) && words(step, &step.object).weight != Weight::Always
}
