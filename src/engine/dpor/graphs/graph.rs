// SPDX-License-Identifier: GPL-2.0-only
//! An execution as a graph.
//!
//! A graph has the steps that were performed while every interleaving counted, as *events*. The
//! events of a thread are in program order (po); each read knows the write that it *reads from*
//! (rf); the writes of each object are in *coherence order* (co). No interleaving is kept. Events
//! are numbered in the order in which they were added, and that order matters to the search: see
//! `revisit`.
//!
//! (Kokologiannakis, Marmanis, Gladstein, Vafeiadis, "Truly stateless, optimal dynamic partial
//! order reduction", POPL 2022.)

use super::{
    super::{clock::MAX_THREADS, execution::ThreadKey, search::is_over},
    grace::grace_period_number,
};
use crate::sync::engine::{Action, ObjectId, Ordering, Update};

/// An event of a graph, by its number in the order of addition.
pub(super) type EventId = u16;

/// What a read reads from where nothing was written yet: the value from before.
pub(super) const INITIAL: EventId = u16::MAX;

/// The distance between the ranks of two writes that follow each other. A write that comes between
/// them, and the one that must follow it at once, find room.
pub(super) const RANK_STEP: u32 = 4;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The thread's place in [`Graph::threads`].
    pub(super) thread: u8,
    /// How many events the thread has before this one.
    pub(super) index: u16,
    pub(super) object: ObjectId,
    pub(super) action: Action,
    /// What the step was answered.
    pub(super) saw: u64,
    /// What it wrote.
    pub(super) wrote: u64,
    /// What it read from.
    pub(super) from: EventId,
    /// Its place in the coherence order of the object: greater is later.
    pub(super) rank: u32,
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// A wait that reads a value which does not end it: the thread stands still.
    pub(super) blocked: bool,
    /// A lock that another thread, which had taken it, has to take later: see `revisit`.
    pub(super) pinned: bool,
}

impl Event {
    /// Whether it is a read-modify-write that wrote.
    pub(super) fn updates(&self) -> bool {
        self.reads && self.writes
    }

    /// Let it read `value` from `from`.
    pub(super) fn read_from(&mut self, from: EventId, value: u64) {
        self.from = from;
        self.blocked = !is_over(self.action, value);
        let written = (!self.blocked)
            .then(|| update(self.action, value))
            .flatten();
        self.saw = match self.action {
            // The number tells which grace period it is; what was read is in the order of writes.
            Action::GracePeriodBegin => grace_period_number(self.thread as usize, self.index),
            action => answer(action, value),
        };
        self.writes = written.is_some();
        self.wrote = written.unwrap_or(0);
    }

    /// The orderings of its read and of its write.
    pub(super) fn orders(&self) -> (Ordering, Ordering) {
        match self.action {
            Action::Load(order) | Action::Await(_, order) | Action::AwaitUpdate(_, _, order) => {
                (order, order)
            }
            Action::Store(_, order) => (order, order),
            Action::Update(_, success, failure) => {
                let order = if self.writes { success } else { failure };
                (order, order)
            }
            Action::Lock => (Ordering::Acquire, Ordering::Relaxed),
            Action::TryLock if self.writes => (Ordering::Acquire, Ordering::Relaxed),
            Action::Unlock => (Ordering::Release, Ordering::Release),
            // The sections of a domain whose readers sleep, and its grace periods.
            Action::Touch | Action::GracePeriodBegin => (Ordering::AcqRel, Ordering::AcqRel),
            _ => (Ordering::Relaxed, Ordering::Relaxed),
        }
    }

    /// Whether it is sequentially consistent by its declared ordering: an access, or a fence.
    pub(super) fn is_sc(&self) -> bool {
        match self.action {
            Action::Fence(order) => order == Ordering::SeqCst,
            _ => (self.reads || self.writes) && self.orders().0 == Ordering::SeqCst,
        }
    }

    /// Whether the graph may say what it waited for.
    pub(super) fn has_waits(&self) -> bool {
        matches!(self.action, Action::GracePeriodEnd(_) | Action::Settle)
    }

    pub(super) fn is_sc_fence(&self) -> bool {
        self.action == Action::Fence(Ordering::SeqCst)
    }
}

/// What is written over `value`, if anything.
pub(super) fn update(action: Action, value: u64) -> Option<u64> {
    match action {
        Action::Update(update, ..) | Action::AwaitUpdate(_, update, _) => update.apply(value),
        Action::Lock | Action::TryLock => Update::CompareExchange { old: 0, new: 1 }.apply(value),
        Action::Store(value, _) => Some(value),
        Action::Unlock => Some(0),
        Action::Touch | Action::GracePeriodBegin => Some(value + 1),
        _ => None,
    }
}

/// What a step on a word or a lock is answered that finds `value`.
pub(super) fn answer(action: Action, value: u64) -> u64 {
    match action {
        Action::Lock => 1,
        Action::TryLock => u64::from(value == 0),
        Action::Store(..) | Action::Unlock => 0,
        _ => value,
    }
}

/// A thread of the part where every interleaving counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GraphThread {
    pub(super) key: ThreadKey,
    /// The event that began it; `INITIAL` where it was begun before the first.
    pub(super) parent: EventId,
}

/// A read-side critical section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) domain: ObjectId,
    pub(super) thread: u8,
    /// The place of its first event in its thread.
    pub(super) begun: u16,
    /// The place after its last one; [`OPEN`] where it has not ended.
    pub(super) ended: u16,
    /// It began before the part where every interleaving counts.
    pub(super) early: bool,
    /// The sections of the domain wait. A branch is looked at before it is run, when the objects
    /// that are there are another run's.
    pub(super) waits: bool,
}

/// A step that came after another, beyond what it read: the end of a grace period after the last step
/// of each section that it waited for, a settling thread after the last of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) event: EventId,
    pub(super) on: EventId,
    /// Whether the other happens before it. Else it is why a grace period waited for a section: the
    /// end would not be the same without it, and that is all.
    pub(super) synchronizes: bool,
}

/// A section that has not ended.
pub(super) const OPEN: u16 = u16::MAX;

/// An execution, or the beginning of one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) events: Vec<Event>,
    /// A place is free, and is taken by the next thread that begins, where the event that began
    /// its thread is gone.
    pub(super) threads: Vec<Option<GraphThread>>,
    pub(super) waits: Vec<Wait>,
    pub(super) sections: Vec<Section>,
}

impl Graph {
    /// Become the same as `graph`, in the memory that is there.
    pub(super) fn copy_from(&mut self, graph: &Self) {
        self.events.clone_from(&graph.events);
        self.threads.clone_from(&graph.threads);
        self.waits.clone_from(&graph.waits);
        self.sections.clone_from(&graph.sections);
    }

    /// Become the part of `graph` whose events are `kept`, an ascending list that is closed under
    /// program order, what began a thread, and what was waited for. What an event reads from may be
    /// missing only where the caller sets it afterwards. Answers the new number of each event;
    /// `INITIAL` for those that are gone.
    pub(super) fn restrict_from(&mut self, graph: &Self, kept: &[EventId], map: &mut Vec<EventId>) {
        map.clear();
        map.resize(graph.events.len(), INITIAL);
        for (new, &old) in kept.iter().enumerate() {
            map[old as usize] = new as EventId;
        }
        let moved = |event: EventId| match event {
            INITIAL => INITIAL,
            event => map[event as usize],
        };
        self.events.clear();
        self.events.extend(kept.iter().map(|&old| {
            let event = graph.events[old as usize];
            Event {
                from: moved(event.from),
                ..event
            }
        }));
        self.threads.clear();
        self.threads.extend(graph.threads.iter().map(|thread| {
            thread.and_then(|thread| match thread.parent {
                INITIAL => Some(thread),
                parent if map[parent as usize] == INITIAL => None,
                parent => Some(GraphThread {
                    parent: map[parent as usize],
                    ..thread
                }),
            })
        }));
        self.waits.clear();
        let waits = graph.waits.iter().map(|wait| Wait {
            event: moved(wait.event),
            on: moved(wait.on),
            ..*wait
        });
        self.waits
            .extend(waits.filter(|wait| wait.event != INITIAL));
        let mut lengths = [0u16; MAX_THREADS];
        for event in &self.events {
            let length = &mut lengths[event.thread as usize];
            *length = (*length).max(event.index + 1);
        }
        self.sections.clear();
        for &section in &graph.sections {
            let length = lengths[section.thread as usize];
            if section.early || section.begun < length {
                let ended = if section.ended <= length {
                    section.ended
                } else {
                    OPEN
                };
                self.sections.push(Section { ended, ..section });
            }
        }
    }

    /// What an event waited for.
    pub(super) fn waits_of(&self, event: EventId) -> impl Iterator<Item = &Wait> {
        self.waits.iter().filter(move |wait| wait.event == event)
    }

    /// A section begins with this event.
    pub(super) fn begin_section(&mut self, domain: ObjectId, waits: bool, thread: u8, begun: u16) {
        self.sections.push(Section {
            domain,
            thread,
            begun,
            ended: OPEN,
            early: false,
            waits,
        });
    }

    /// The first free place for a thread, or a new one.
    pub(super) fn add_thread(&mut self, thread: GraphThread) -> usize {
        let free = self.threads.iter().position(Option::is_none);
        match free {
            Some(slot) => {
                self.threads[slot] = Some(thread);
                slot
            }
            None => {
                self.threads.push(Some(thread));
                self.threads.len() - 1
            }
        }
    }

    /// The place of the thread with this key.
    pub(super) fn thread(&self, key: ThreadKey) -> Option<usize> {
        let mut threads = self.threads.iter();
        threads.position(|thread| thread.is_some_and(|t| t.key == key))
    }
}
