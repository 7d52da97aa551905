// SPDX-License-Identifier: GPL-2.0-only
//! One run: perform the events of a graph again, then go on from there.
//!
//! Threads are closures, and what they do next is known only by running them. A run starts them
//! anew, answers each step from the graph for as long as the graph has one, and then extends the
//! graph, always by the next step of the first thread that can go on, and always *maximally*: a
//! read reads the last write, a write comes last. Whatever else the step could have done, and
//! whatever earlier reads could have read from it, becomes a branch to be run later.
//!
//! * A **wait** (a lock, a completion, a bit) is a read that is added when the last write ends it.
//!   Only where nothing else can go on is it looked at whether an older write could have ended a
//!   wait; the wait is then added as one that is blocked, so that later writes find it.
//! * The **end of a grace period** is added when nothing but such ends can go on. It waits for the
//!   sections that must have begun before the grace period did: those with a step that comes before
//!   its beginning, or that read or wrote something older than what the grace period knows.
//! * A **violation that ends an execution** stops its thread only. What the other threads do until
//!   they stop as well is not part of that execution, but their writes may lead elsewhere.

use super::{
    super::{
        clock::{Clock, MAX_THREADS},
        execution::{ThreadKey, child_key},
        order::PlainOrder,
        search::{Request, is_over, is_waiting},
    },
    consistency::View,
    grace::{Alone, grace_period_number},
    graph::{Event, EventId, Graph, GraphThread, INITIAL, RANK_STEP, answer, update},
    psc::FenceOrder,
    revisit::may_go_back,
};
use crate::{
    engine::MemoryModel,
    sync::{
        engine::{Action, ObjectId, ObjectKind, Phase, Step},
        violation::{Violation, ViolationKind},
    },
};

/// What is left to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Branch {
    /// The execution so far.
    pub(super) graph: Graph,
    /// The event whose write is new to the graph: what could have read it is still to be found.
    pub(super) fresh: Option<EventId>,
    /// The events that were put where they may not fit.
    pub(super) changed: Vec<EventId>,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Every thread finished, or waits forever.
    Finished,
    /// A violation ended it.
    Fatal,
    /// It is no execution: a thread waits for what has happened.
    Blocked,
    /// The engine cannot go on with it.
    Cut(String),
}

/// A violation, and what has to come about to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: ViolationKind,
    /// The event with which it is seen; all of the graph where there is none.
    pub(super) at: Option<EventId>,
    /// An event that is to come before it though nothing says so.
    pub(super) after: Option<EventId>,
}

#[derive(Debug)]
pub(super) struct Thread {
    pub(super) key: ThreadKey,
    pub(super) slot: usize,
    children: u32,
    object: ObjectId,
    request: Option<Request>,
    daemon: bool,
    finished: bool,
    /// A violation ended the execution in it.
    halted: bool,
    /// It stands at a wait that is in the graph and reads what does not end it.
    blocked: bool,
    /// How many of its events were performed.
    pub(super) events: u16,
    created: u32,
    pub(super) nesting: Vec<Nesting>,
    pub(super) beginning: Vec<ObjectId>,
    touching: Vec<ObjectId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Nesting {
    pub(super) domain: ObjectId,
    pub(super) depth: u32,
}

#[derive(Debug)]
struct Object {
    kind: ObjectKind,
    name: &'static str,
    owner: Option<ObjectId>,
    /// From before the part where every interleaving counts, and after it.
    value: u64,
    plain: PlainOrder,
    freed: bool,
    freed_by: EventId,
    renewed_by: EventId,
    /// The last use by each thread since it lives.
    uses: Clock,
}

/// The first number of the objects that threads create while every interleaving counts.
const CONCURRENT: u32 = 1 << 16;
/// How many a thread may create.
const OBJECTS: u32 = 256;
/// The first number of those that are created after that part.
const LATE: u32 = CONCURRENT + MAX_THREADS as u32 * OBJECTS;

/// The state of one run.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) graph: Graph,
    pub(super) view: View,
    pub(super) threads: Vec<Thread>,
    /// By the place in the graph, one more than the thread's index.
    running: [u8; MAX_THREADS],
    early: Vec<Object>,
    concurrent: Vec<Vec<Object>>,
    late: Vec<Object>,
    pub(super) phase: Phase,
    was_concurrent: bool,
    pub(super) current: usize,
    /// How many events of the graph were performed again.
    performed: usize,
    /// A write whose readers are still to be found.
    pending: Option<EventId>,
    pub(super) alone: Alone,
    pub(super) end: Option<End>,
    pub(super) found: Vec<Found>,
    pub(super) branches: Vec<Branch>,
    pub(super) kept: Vec<EventId>,
    map: Vec<EventId>,
    fences: FenceOrder,
}

/// The most events an execution may have: their numbers have 16 bits.
const STEP_LIMIT: usize = 20_000;

impl Execution {
    pub(super) fn new(model: MemoryModel) -> Self {
        Self {
            graph: Graph::default(),
            view: View::new(model),
            threads: Vec::new(),
            running: [0; MAX_THREADS],
            early: Vec::new(),
            concurrent: Vec::new(),
            late: Vec::new(),
            phase: Phase::Alone,
            was_concurrent: false,
            current: 0,
            performed: 0,
            pending: None,
            alone: Alone::default(),
            end: None,
            found: Vec::new(),
            branches: Vec::new(),
            kept: Vec::new(),
            map: Vec::new(),
            fences: FenceOrder::default(),
        }
    }

    /// Take up a branch. `false`: the memory model does not allow it.
    pub(super) fn take_up(&mut self, branch: Branch) -> bool {
        self.branches.clear();
        self.graph = branch.graph;
        if !self.view.rebuild(&mut self.graph) {
            return false;
        }
        if !self.view.is_sc {
            let mut changed = branch.changed.iter();
            if !changed.all(|&event| self.view.is_coherent(&self.graph, event))
                || !self.view.psc_is_acyclic(&self.graph, &mut self.fences)
            {
                return false;
            }
        }
        for event in branch.changed {
            if !self.agrees_with_grace_periods(event, branch.fresh) {
                return false;
            }
        }
        if let Some(fresh) = branch.fresh {
            self.revisit(fresh);
        }
        self.threads.clear();
        self.running = [0; MAX_THREADS];
        self.early.clear();
        self.concurrent.iter_mut().for_each(Vec::clear);
        self.late.clear();
        self.phase = Phase::Alone;
        self.was_concurrent = false;
        self.current = 0;
        self.performed = 0;
        self.pending = None;
        self.alone = Alone::default();
        self.end = None;
        self.found.clear();
        self.add_thread(1, false);
        true
    }

    fn add_thread(&mut self, key: ThreadKey, daemon: bool) -> usize {
        let thread = self.threads.len();
        let object = self.create(ObjectKind::Thread, None, "thread");
        self.threads.push(Thread {
            key,
            slot: usize::MAX,
            children: 0,
            object,
            request: Some(Request {
                object,
                action: Action::Start,
            }),
            daemon,
            finished: false,
            halted: false,
            blocked: false,
            events: 0,
            created: 0,
            nesting: Vec::new(),
            beginning: Vec::new(),
            touching: Vec::new(),
        });
        if self.phase == Phase::Concurrent {
            let parent = &self.threads[self.current];
            let parent = match parent.events {
                0 => INITIAL,
                events => self.view.threads[parent.slot].events[events as usize - 1],
            };
            self.enter_graph(thread, parent);
        }
        thread
    }

    /// Give a thread its place in the graph.
    fn enter_graph(&mut self, thread: usize, parent: EventId) {
        let key = self.threads[thread].key;
        let slot = match self.graph.thread(key) {
            Some(slot) => slot,
            None => {
                let slot = self.graph.add_thread(GraphThread { key, parent });
                if slot >= MAX_THREADS {
                    self.end = Some(End::Cut(format!(
                        "an execution has more than {MAX_THREADS} contexts"
                    )));
                    return;
                }
                self.view.add_thread(&self.graph, slot);
                slot
            }
        };
        if self.view.threads.len() <= slot {
            self.view.add_thread(&self.graph, slot);
        }
        self.threads[thread].slot = slot;
        self.running[slot] = thread as u8 + 1;
    }

    pub(super) fn create(
        &mut self,
        kind: ObjectKind,
        owner: Option<ObjectId>,
        name: &'static str,
    ) -> ObjectId {
        let object = Object {
            kind,
            name,
            owner,
            value: match kind {
                ObjectKind::Atomic(value) => value,
                _ => 0,
            },
            plain: PlainOrder::NEW,
            freed: false,
            freed_by: INITIAL,
            renewed_by: INITIAL,
            uses: Clock::ZERO,
        };
        if self.phase == Phase::Concurrent {
            let thread = &mut self.threads[self.current];
            let (slot, number) = (thread.slot, thread.created);
            thread.created += 1;
            if number < OBJECTS && slot < MAX_THREADS {
                while self.concurrent.len() <= slot {
                    self.concurrent.push(Vec::new());
                }
                self.concurrent[slot].push(object);
                return ObjectId(CONCURRENT + slot as u32 * OBJECTS + number);
            }
            self.end = Some(End::Cut(format!(
                "a context creates more than {OBJECTS} objects"
            )));
        } else if !self.was_concurrent {
            self.early.push(object);
            return ObjectId(self.early.len() as u32 - 1);
        }
        self.late.push(object);
        ObjectId(LATE + self.late.len() as u32 - 1)
    }

    fn object(&self, object: ObjectId) -> &Object {
        match object.0 {
            id if id < CONCURRENT => &self.early[id as usize],
            id if id < LATE => {
                let id = id - CONCURRENT;
                &self.concurrent[(id / OBJECTS) as usize][(id % OBJECTS) as usize]
            }
            id => &self.late[(id - LATE) as usize],
        }
    }

    fn object_mut(&mut self, object: ObjectId) -> &mut Object {
        match object.0 {
            id if id < CONCURRENT => &mut self.early[id as usize],
            id if id < LATE => {
                let id = id - CONCURRENT;
                &mut self.concurrent[(id / OBJECTS) as usize][(id % OBJECTS) as usize]
            }
            id => &mut self.late[(id - LATE) as usize],
        }
    }

    /// The name that an object was created with.
    pub(super) fn name(&self, object: ObjectId) -> &'static str {
        self.object(object).name
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn current_object(&self) -> ObjectId {
        self.threads[self.current].object
    }

    pub(super) fn spawn(&mut self, daemon: bool) -> Option<usize> {
        let parent = &mut self.threads[self.current];
        parent.children += 1;
        let key = child_key(parent.key, parent.children);
        let Some(key) = key.filter(|_| self.threads.len() < 255) else {
            self.end = Some(End::Cut(
                "contexts that begin contexts are nested too deep".to_owned(),
            ));
            return None;
        };
        let thread = self.add_thread(key, daemon);
        self.end.is_none().then_some(thread)
    }

    pub(super) fn ask(&mut self, object: ObjectId, action: Action) {
        self.threads[self.current].request = Some(Request { object, action });
    }

    pub(super) fn finish(&mut self) {
        let thread = &mut self.threads[self.current];
        thread.finished = true;
        thread.request = None;
    }

    pub(super) fn pending_use(&self) -> Option<ObjectId> {
        self.threads[self.current].touching.first().copied()
    }

    pub(super) fn beginning(&self) -> Option<ObjectId> {
        self.threads[self.current].beginning.first().copied()
    }

    /// The current thread goes no further.
    pub(super) fn is_halted(&self) -> bool {
        self.end.is_some() || self.threads[self.current].halted
    }

    /// Decide which thread performs the step it asks for. `None`: the run is over.
    pub(super) fn schedule(&mut self) -> Option<usize> {
        if self.end.is_some() {
            return None;
        }
        let next = match self.phase {
            Phase::Alone => self.schedule_alone(),
            Phase::Concurrent => {
                let next = self.schedule_concurrent();
                if next.is_none() && self.end.is_none() {
                    self.end_stuck();
                }
                next
            }
        };
        if let Some(next) = next {
            self.current = next;
        }
        next
    }

    fn schedule_alone(&mut self) -> Option<usize> {
        if self.is_enabled_alone(self.current) {
            return Some(self.current);
        }
        let next = (0..self.threads.len()).find(|&thread| self.is_enabled_alone(thread));
        if next.is_none() {
            self.end_stuck();
        }
        next
    }

    fn is_enabled_alone(&self, thread: usize) -> bool {
        let state = &self.threads[thread];
        let Some(Request { object, action }) = state.request else {
            return false;
        };
        match action {
            _ if state.halted => false,
            Action::GracePeriodEnd(number) => self.alone.has_ended(number),
            Action::Settle => self.may_settle(thread, |other| !self.is_enabled_alone(other)),
            _ => !is_waiting(action) || is_over(action, self.object(object).value),
        }
    }

    fn may_settle(&self, thread: usize, waits: impl Fn(usize) -> bool) -> bool {
        let mut others = self.threads.iter().enumerate();
        others
            .all(|(other, state)| other == thread || state.finished || state.daemon && waits(other))
    }

    fn schedule_concurrent(&mut self) -> Option<usize> {
        if let Some(write) = self.pending.take() {
            self.revisit(write);
        }
        while let Some(&id) = self.view.order.get(self.performed) {
            let event = self.graph.events[id as usize];
            let Some(thread) = (self.running[event.thread as usize] as usize).checked_sub(1) else {
                self.end = Some(End::Cut(
                    "the model is not deterministic: a context did not begin again".to_owned(),
                ));
                return None;
            };
            if !event.blocked {
                return Some(thread);
            }
            self.threads[thread].blocked = true;
            self.threads[thread].events += 1;
            self.performed += 1;
        }
        if self.graph.events.len() > STEP_LIMIT {
            self.end = Some(End::Cut(format!(
                "an execution has more than {STEP_LIMIT} steps"
            )));
            return None;
        }
        loop {
            let mut ends: Option<usize> = None;
            let mut settles: Option<usize> = None;
            let mut first: Option<usize> = None;
            for thread in 0..self.threads.len() {
                let state = &self.threads[thread];
                let Some(Request { object, action }) = state.request else {
                    continue;
                };
                if state.halted || state.blocked {
                    continue;
                }
                let earlier = |other: Option<usize>| {
                    other.is_none_or(|other| state.key < self.threads[other].key)
                };
                match action {
                    Action::GracePeriodEnd(number) => {
                        if earlier(ends) && self.sections_have_ended(object, number) {
                            ends = Some(thread);
                        }
                    }
                    Action::Settle => settles = Some(thread),
                    _ => {
                        if earlier(first)
                            && (!is_waiting(action) || is_over(action, self.last_value(object)))
                        {
                            first = Some(thread);
                        }
                    }
                }
            }
            if let Some(thread) = first.or(ends) {
                return Some(thread);
            }
            if self.block_one() {
                continue;
            }
            let thread = settles?;
            let may = self.may_settle(thread, |_| true);
            if !may || self.threads.iter().any(|t| t.halted) {
                return None;
            }
            if self.has_stale_wait() {
                self.end = Some(End::Blocked);
                return None;
            }
            return Some(thread);
        }
    }

    /// The value that the last write of an object left.
    fn last_value(&self, object: ObjectId) -> u64 {
        self.value_at(object, self.view.location(object).writes.len())
    }

    /// The value of an object at a place of its coherence order.
    fn value_at(&self, object: ObjectId, place: usize) -> u64 {
        match self.write_at(object, place) {
            INITIAL => self.object(object).value,
            write => self.graph.events[write as usize].wrote,
        }
    }

    fn write_at(&self, object: ObjectId, place: usize) -> EventId {
        match place {
            0 => INITIAL,
            place => self.view.location(object).writes[place - 1],
        }
    }

    /// Nothing can go on. Take a thread whose wait an older write could have ended: it is blocked
    /// here, and elsewhere it is not.
    fn block_one(&mut self) -> bool {
        let mut threads: Vec<usize> = (0..self.threads.len()).collect();
        threads.sort_unstable_by_key(|&thread| self.threads[thread].key);
        for thread in threads {
            let state = &self.threads[thread];
            let Some(Request { object, action }) = state.request else {
                continue;
            };
            if state.halted || state.blocked || !is_waiting(action) {
                continue;
            }
            let last = self.view.location(object).writes.len();
            let lowest = self
                .view
                .lowest(&self.graph, object, self.view.bound(state.slot));
            let ends = |place| is_over(action, self.value_at(object, place));
            if !(lowest..last).any(ends) {
                continue;
            }
            let mut event = self.template(thread, object, action);
            event.reads = true;
            self.other_reads(&event, last);
            event.read_from(self.write_at(object, last), self.last_value(object));
            self.graph.events.push(event);
            self.view.append(&self.graph);
            self.view.order.push(self.graph.events.len() as EventId - 1);
            self.performed += 1;
            self.threads[thread].events += 1;
            self.threads[thread].blocked = true;
            return true;
        }
        false
    }

    /// Whether a wait in the graph reads what does not end it though something was written since.
    fn has_stale_wait(&self) -> bool {
        let mut events = self.graph.events.iter();
        events.any(|event| {
            let last = self.view.location(event.object).writes.last();
            event.blocked && last.is_some_and(|&last| last != event.from)
        })
    }

    fn end_stuck(&mut self) {
        if self.threads.iter().any(|t| t.halted) {
            self.end = Some(End::Fatal);
            return;
        }
        if self.phase == Phase::Concurrent && self.has_stale_wait() {
            self.end = Some(End::Blocked);
            return;
        }
        let hangs = self.threads.iter().any(|thread| {
            let settles = thread.request.is_some_and(|r| r.action == Action::Settle);
            !thread.finished && !thread.daemon && !settles
        });
        if hangs {
            self.found.push(Found {
                kind: ViolationKind::HungTask,
                at: None,
                after: None,
            });
            self.end = Some(End::Fatal);
        } else {
            self.end = Some(End::Finished);
        }
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        if phase == Phase::Concurrent {
            self.phase = phase;
            self.was_concurrent = true;
            for thread in 0..self.threads.len() {
                if !self.threads[thread].finished {
                    self.enter_graph(thread, INITIAL);
                }
            }
            self.enter_open_sections();
            return;
        }
        if let Some(write) = self.pending.take() {
            self.revisit(write);
        }
        if self.performed < self.view.order.len() {
            self.end = Some(End::Cut(
                "the model is not deterministic: it ended before the steps that it had".to_owned(),
            ));
        }
        for &object in self.view.objects().to_vec().iter() {
            let value = self.last_value(object);
            self.object_mut(object).value = value;
        }
        self.phase = phase;
    }

    /// The current thread performs the step that it asked for.
    pub(super) fn step(&mut self) -> u64 {
        let me = self.current;
        let Request { object, action } = self.threads[me].request.take().expect("it asked");
        if action == Action::Settle {
            self.end_daemons();
        }
        if self.phase == Phase::Alone {
            let saw = self.perform_alone(object, action);
            self.check_after(object, action, INITIAL);
            return saw;
        }
        let (id, event) = match self.view.order.get(self.performed) {
            Some(&id) => {
                let event = self.graph.events[id as usize];
                if event.object != object || event.action != action {
                    self.end = Some(End::Cut(format!(
                        "the model is not deterministic: step {} was {:?} and is now {action:?}",
                        self.performed, event.action
                    )));
                    return 0;
                }
                (id, event)
            }
            None => {
                self.extend(object, action);
                let id = self.graph.events.len() as EventId - 1;
                self.view.order.push(id);
                (id, self.graph.events[id as usize])
            }
        };
        self.performed += 1;
        self.threads[me].events += 1;
        for domain in std::mem::take(&mut self.threads[me].beginning) {
            self.begin_section(domain, event.index);
        }
        self.check_after(object, action, id);
        event.saw
    }

    fn end_daemons(&mut self) {
        for thread in &mut self.threads {
            if thread.daemon && !thread.finished {
                thread.finished = true;
                thread.request = None;
            }
        }
    }

    fn template(&self, thread: usize, object: ObjectId, action: Action) -> Event {
        let slot = self.threads[thread].slot;
        Event {
            thread: slot as u8,
            index: self.view.threads[slot].events.len() as u16,
            object,
            action,
            saw: 0,
            wrote: 0,
            from: INITIAL,
            rank: 0,
            reads: false,
            writes: false,
            blocked: false,
        }
    }

    pub(super) fn sections_wait(&self, domain: ObjectId) -> bool {
        self.object(domain).kind
            == ObjectKind::Domain {
                sections_wait: true,
            }
    }

    /// Add the step of the current thread to the graph.
    fn extend(&mut self, object: ObjectId, action: Action) {
        let me = self.current;
        let slot = self.threads[me].slot;
        let mut event = self.template(me, object, action);
        let reads = match action {
            Action::Load(_)
            | Action::Await(..)
            | Action::Update(..)
            | Action::AwaitUpdate(..)
            | Action::Lock
            | Action::TryLock
            | Action::ReadMarked => true,
            Action::Touch | Action::GracePeriodBegin => self.sections_wait(object),
            _ => false,
        };
        let stores = matches!(action, Action::Store(..) | Action::Unlock | Action::Write);
        let last = self.view.location(object).writes.len();
        if reads {
            event.reads = true;
            self.other_reads(&event, last);
            event.read_from(self.write_at(object, last), self.value_at(object, last));
        } else if stores {
            event.writes = true;
            event.wrote = update(action, 0).unwrap_or(0);
            // Writes to plain memory are ordered, or race.
            if action != Action::Write {
                let lowest = self.view.lowest(&self.graph, object, self.view.bound(slot));
                for place in lowest..last {
                    self.other_place(event, place);
                }
            }
        } else if let Action::Choose(alternatives) = action {
            for choice in (1..alternatives).rev() {
                let mut other = event;
                other.saw = u64::from(choice);
                self.branch_with(other, None);
            }
        } else if let Action::GracePeriodBegin = action {
            event.saw = grace_period_number(slot, event.index);
        }
        if event.writes {
            event.rank = self.rank_after(object, last) - 1 + RANK_STEP;
        }
        self.graph.events.push(event);
        let id = self.graph.events.len() as EventId - 1;
        match action {
            Action::GracePeriodEnd(number) => self.wait_for_sections(id, object, number),
            Action::Settle => {
                for other in self.view.threads.iter().enumerate() {
                    if let Some(&last) = other.1.events.last()
                        && other.0 != slot
                    {
                        self.graph.waits.push((id, last));
                    }
                }
            }
            _ => {}
        }
        self.view.append(&self.graph);
        if event.writes {
            self.pending = Some(id);
        }
    }

    /// A rank for a write right after the one at this place.
    fn rank_after(&self, object: ObjectId, place: usize) -> u32 {
        match self.write_at(object, place) {
            INITIAL => 1,
            write => self.graph.events[write as usize].rank + 1,
        }
    }

    /// Whether the write after this place is a read-modify-write of the one at it.
    fn is_updated(&self, object: ObjectId, place: usize) -> bool {
        let next = self.view.location(object).writes.get(place);
        next.is_some_and(|&next| {
            let event = &self.graph.events[next as usize];
            event.updates() && event.from == self.write_at(object, place)
        })
    }

    /// The other writes that a new read could read: a branch each.
    fn other_reads(&mut self, event: &Event, last: usize) {
        let object = event.object;
        let slot = event.thread as usize;
        let lowest = self.view.lowest(&self.graph, object, self.view.bound(slot));
        for place in lowest..last {
            let value = self.value_at(object, place);
            if !is_over(event.action, value) {
                continue;
            }
            let mut other = *event;
            other.read_from(self.write_at(object, place), value);
            if !other.writes {
                self.branch_with(other, None);
                continue;
            }
            other.rank = self.rank_after(object, place);
            if self.is_updated(object, place) {
                // Two updates of one write: only where the other one reads from this one instead.
                let mut porf = self.view.threads[slot].porf;
                porf.set(slot, other.index + 1);
                if other.from != INITIAL {
                    porf.join(&self.view.clocks[other.from as usize].porf);
                }
                self.revisit_with(&other, &porf, self.graph.events.len() as EventId);
            } else {
                let id = self.graph.events.len() as EventId;
                self.branch_with(other, Some(id));
            }
        }
    }

    /// A new write could come right after this place: a branch.
    fn other_place(&mut self, mut event: Event, place: usize) {
        if !self.is_updated(event.object, place) {
            event.rank = self.rank_after(event.object, place);
            self.branch_with(event, None);
        }
    }

    fn branch_with(&mut self, event: Event, fresh: Option<EventId>) {
        let mut graph = self.graph.clone();
        graph.events.push(event);
        for &domain in &self.threads[self.current].beginning {
            graph.begin_section(domain, event.thread, event.index);
        }
        self.branches.push(Branch {
            graph,
            fresh,
            changed: vec![self.graph.events.len() as EventId],
        });
    }

    /// The reads that could have read a write of the graph.
    fn revisit(&mut self, write: EventId) {
        let event = self.graph.events[write as usize];
        let porf = self.view.clocks[write as usize].porf;
        // The last event of the graph, or one that the others were added before.
        self.revisit_with(&event, &porf, write);
    }

    /// The reads that could have read this write, which is in the graph at `id` or not yet.
    fn revisit_with(&mut self, write: &Event, porf: &Clock, id: EventId) {
        let object = write.object;
        let readers = self.view.location(object).readers.clone();
        for &target in readers.iter().rev() {
            if target == id {
                continue;
            }
            let mut kept = std::mem::take(&mut self.kept);
            if may_go_back(&self.graph, &self.view, target, id, porf, &mut kept) {
                self.go_back(write, target, &kept);
            }
            self.kept = kept;
        }
    }

    /// The graph of what is kept, in which `target` reads `write`: a branch for each place that
    /// the write may have.
    fn go_back(&mut self, write: &Event, target: EventId, kept: &[EventId]) {
        let object = write.object;
        let before_target = self.hb_before(&self.graph.events[target as usize]);
        let mut bound = self.view.lowest(&self.graph, object, &before_target);
        if !write.reads {
            let before_write = self.hb_before(write);
            bound = bound.max(self.view.lowest(&self.graph, object, &before_write));
        }
        let is_kept = |e: EventId| kept.binary_search(&e).is_ok();
        let writes = &self.view.location(object).writes;
        // The writes of the object that are left, the value from before first.
        let left: Vec<(usize, EventId)> = std::iter::once((0, INITIAL))
            .chain(writes.iter().enumerate().map(|(i, &w)| (i + 1, w)))
            .filter(|&(_, w)| w == INITIAL || w != target && is_kept(w))
            .collect();
        let mut branches = Vec::new();
        for (i, &(place, previous)) in left.iter().enumerate() {
            let fits = match write.reads {
                true => previous == write.from,
                false => place >= bound,
            };
            if !fits || write.reads && place < bound.saturating_sub(1) {
                continue;
            }
            let next = left
                .get(i + 1)
                .map(|&(_, next)| &self.graph.events[next as usize]);
            if next.is_some_and(|next| next.updates() && next.from == previous) {
                continue;
            }
            let rank = match previous {
                INITIAL => 1,
                previous => self.graph.events[previous as usize].rank + 1,
            };
            branches.push((rank, next.is_none()));
        }
        for (rank, is_last) in branches {
            let mut graph = Graph::default();
            let mut map = std::mem::take(&mut self.map);
            graph.restrict_from(&self.graph, kept, &mut map);
            let moved = |event: EventId| match event {
                INITIAL => INITIAL,
                event => map[event as usize],
            };
            let new = graph.events.len() as EventId;
            graph.events.push(Event {
                rank,
                from: moved(write.from),
                ..*write
            });
            let target = map[target as usize];
            self.map = map;
            // What its thread begins after it depends on what it reads now.
            for thread in &mut graph.threads {
                thread.take_if(|thread| thread.parent == target);
            }
            let event = &mut graph.events[target as usize];
            event.read_from(new, write.wrote);
            event.rank = rank + 1;
            if event.blocked && !is_last {
                continue;
            }
            let fresh = event.writes.then_some(target);
            self.branches.push(Branch {
                graph,
                fresh,
                changed: vec![new, target],
            });
        }
    }

    /// What happens before an event of the graph, or the next one of its thread.
    fn hb_before(&self, event: &Event) -> Clock {
        let thread = &self.view.threads[event.thread as usize];
        match (event.index as usize).checked_sub(1) {
            Some(previous) => self.view.clocks[thread.events[previous] as usize].hb,
            None => {
                let thread = self.graph.threads[event.thread as usize];
                match thread.map_or(INITIAL, |thread| thread.parent) {
                    INITIAL => Clock::ZERO,
                    parent => self.view.clocks[parent as usize].hb,
                }
            }
        }
    }

    // One thread at a time.

    fn perform_alone(&mut self, object: ObjectId, action: Action) -> u64 {
        match action {
            Action::GracePeriodBegin => self.alone.begin(object),
            Action::Load(_)
            | Action::Await(..)
            | Action::Update(..)
            | Action::AwaitUpdate(..)
            | Action::Lock
            | Action::TryLock
            | Action::ReadMarked
            | Action::Store(..)
            | Action::Unlock => {
                let state = self.object_mut(object);
                let old = state.value;
                if let Some(new) = update(action, old) {
                    state.value = new;
                }
                answer(action, old)
            }
            _ => 0,
        }
    }

    // Lifetimes and races.

    /// What the last write of the current thread to plain memory shows to marked reads.
    pub(super) fn mark(&mut self, object: ObjectId, value: u64) {
        if self.phase == Phase::Alone {
            self.object_mut(object).value = value;
            return;
        }
        let slot = self.threads[self.current].slot;
        let events = &self.view.threads[slot].events;
        let performed = self.threads[self.current].events as usize;
        if let Some(&last) = events[..performed].last() {
            let event = &mut self.graph.events[last as usize];
            if event.object == object && event.writes {
                event.wrote = value;
            }
        }
    }

    fn check_after(&mut self, object: ObjectId, action: Action, id: EventId) {
        let me = self.current;
        for allocation in std::mem::take(&mut self.threads[me].touching) {
            self.use_allocation(allocation, id);
        }
        if let Some(owner) = self.object(object).owner {
            self.use_allocation(owner, id);
        }
        match action {
            Action::Touch if matches!(self.object(object).kind, ObjectKind::Allocation(_)) => {
                self.use_allocation(object, id);
            }
            Action::Free => self.free(object, id),
            Action::Renew => {
                let state = self.object_mut(object);
                state.freed = false;
                state.freed_by = INITIAL;
                state.renewed_by = id;
                state.uses = Clock::ZERO;
            }
            Action::Read | Action::Write if id != INITIAL => self.check_race(object, action, id),
            _ => {}
        }
    }

    fn free(&mut self, object: ObjectId, id: EventId) {
        let state = self.object(object);
        let ObjectKind::Allocation(kind) = state.kind else {
            return;
        };
        if state.freed {
            let earlier = state.freed_by;
            self.note(ViolationKind::DoubleFree, id, earlier);
        } else if id != INITIAL && !state.uses.is_known_to(self.view.before(id)) {
            // A use that nothing puts before the free.
            let before = self.view.before(id);
            let mut threads = self.view.threads.iter().enumerate();
            let using = threads.find_map(|(slot, thread)| {
                let last = state.uses.count(slot);
                (last > before.count(slot)).then(|| thread.events[last as usize - 1])
            });
            if let Some(using) = using {
                self.note_possible(kind, using, id);
            }
        }
        let state = self.object_mut(object);
        state.freed = true;
        state.freed_by = id;
    }

    fn use_allocation(&mut self, allocation: ObjectId, id: EventId) {
        let state = self.object(allocation);
        let ObjectKind::Allocation(kind) = state.kind else {
            return;
        };
        let freed = state.freed;
        let freed_by = state.freed_by;
        let renewed_by = state.renewed_by;
        if freed {
            let ordered = id == INITIAL
                || freed_by == INITIAL
                || View::knows(&self.graph, self.view.before(id), freed_by);
            if ordered {
                self.note(kind, id, freed_by);
                return;
            }
            self.note_possible(kind, id, freed_by);
        }
        if id == INITIAL {
            return;
        }
        if renewed_by != INITIAL && !View::knows(&self.graph, self.view.before(id), renewed_by) {
            self.note(kind, id, INITIAL);
        }
        let event = &self.graph.events[id as usize];
        let (slot, number) = (event.thread as usize, event.index + 1);
        let uses = &mut self.object_mut(allocation).uses;
        if !uses.knows(slot, number) {
            uses.set(slot, number);
        }
    }

    fn check_race(&mut self, object: ObjectId, action: Action, id: EventId) {
        let known = self.view.clocks[id as usize].hb;
        let event = self.graph.events[id as usize];
        let (slot, number) = (event.thread as usize, event.index + 1);
        let state = self.object_mut(object);
        let races = match action {
            Action::Read => state.plain.read(slot, number, &known),
            _ => state.plain.write(slot, number, &known),
        };
        if let ObjectKind::Plain(kind) = state.kind
            && races
        {
            self.note(kind, id, INITIAL);
        }
    }

    pub(super) fn touch(&mut self, allocation: ObjectId, step: Step) {
        let thread = &mut self.threads[self.current];
        match step {
            Step::Last if self.phase == Phase::Alone => self.use_allocation(allocation, INITIAL),
            Step::Last => {
                if let Some(last) = (thread.events as usize).checked_sub(1) {
                    let id = self.view.threads[thread.slot].events[last];
                    self.use_allocation(allocation, id);
                }
            }
            Step::Next => {
                if !thread.touching.contains(&allocation) {
                    thread.touching.push(allocation);
                }
            }
        }
    }

    pub(super) fn is_freed(&self, allocation: ObjectId) -> bool {
        let state = self.object(allocation);
        if self.phase == Phase::Alone || state.freed_by == INITIAL {
            return state.freed;
        }
        let slot = self.threads[self.current].slot;
        state.freed && View::knows(&self.graph, self.view.bound(slot), state.freed_by)
    }

    /// A violation of the model, noticed by the current thread in or after its last step.
    pub(super) fn report(&mut self, violation: &Violation) {
        if self.is_halted() {
            return;
        }
        let thread = &self.threads[self.current];
        let at = match (self.phase, (thread.events as usize).checked_sub(1)) {
            (Phase::Concurrent, Some(last)) => self.view.threads[thread.slot].events[last],
            _ => INITIAL,
        };
        self.note(violation.kind, at, INITIAL);
    }

    /// The current thread goes no further if a violation was noted.
    pub(super) fn halt_if_violated(&mut self) {
        if !self.found.is_empty() {
            self.threads[self.current].halted = true;
        }
    }

    /// Note a violation that comes about where `at` comes after `after`, and need not. The execution
    /// in which it does not goes on.
    fn note_possible(&mut self, kind: ViolationKind, at: EventId, after: EventId) {
        if !self.found.iter().any(|found| found.kind == kind) {
            self.found.push(Found {
                kind,
                at: Some(at),
                after: Some(after),
            });
        }
    }

    fn note(&mut self, kind: ViolationKind, at: EventId, after: EventId) {
        // What an execution comes to after it has ended is not part of it.
        if self.phase == Phase::Alone && self.threads.iter().any(|t| t.halted) {
            return;
        }
        if !self.found.iter().any(|found| found.kind == kind) {
            let event = |id: EventId| (id != INITIAL).then_some(id);
            self.found.push(Found {
                kind,
                at: event(at),
                after: event(after),
            });
        }
        if kind.is_fatal() {
            self.threads[self.current].halted = true;
            if self.phase == Phase::Alone {
                self.end = Some(End::Fatal);
            }
        }
    }
}
