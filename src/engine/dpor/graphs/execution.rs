// SPDX-License-Identifier: GPL-2.0-only
//! One run: perform the events of a graph again, then go on from there.
//!
//! Here is the state of a run. Which thread goes on is `schedule`'s, what is new to the graph and
//! what could have been instead `extension`'s, and what is used, freed and raced for `lifetimes`'.
//!
//! Threads are closures, and what they do next is known only by running them. A run starts them
//! anew, answers each step from the graph for as long as the graph has one, and then extends the
//! graph, always by the next step of the first thread that can go on, and always *maximally*: a
//! read reads the last write, a write comes last. Whatever else the step could have done, and
//! whatever earlier reads could have read from it, becomes a branch to be run later.
//!
//! * A **wait** (a lock, a completion, a bit) is a read that is added when the last write ends it.
//!   Only where nothing else can go on is it looked at whether an older write could have ended a
//!   wait; the wait, if it is not for a lock, is then added as one that is blocked, so that later
//!   writes find it.
//! * The **end of a grace period** is added when nothing but such ends can go on. It waits for the
//!   sections that must have begun before the grace period did: see `grace`.
//! * A **violation that ends an execution** stops its thread only. What the other threads do until
//!   they stop as well is not part of that execution, but their writes may lead elsewhere.

use super::{
    super::{
        clock::{Clock, MAX_THREADS},
        execution::{ThreadKey, child_key},
        order::PlainOrder,
        search::Request,
    },
    consistency::View,
    given::Given,
    grace::{Alone, Witnesses},
    graph::{Event, EventId, Graph, GraphThread, INITIAL, answer, update},
    psc::FenceOrder,
    tell::Teller,
};
use crate::{
    engine::MemoryModel,
    sync::{
        engine::{Action, ObjectId, ObjectKind, Phase},
        violation::ViolationKind,
    },
};

/// What is left to run.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Branch {
    /// The execution so far.
    pub(super) graph: Graph,
    /// The event whose write is new to the graph: what could have read it is still to be found.
    pub(super) fresh: Option<EventId>,
    /// The events that were put where they may not fit.
    pub(super) changed: [Option<EventId>; 2],
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
    pub(super) children: u32,
    pub(super) object: ObjectId,
    pub(super) request: Option<Request>,
    pub(super) daemon: bool,
    pub(super) finished: bool,
    /// A violation ended the execution in it.
    pub(super) halted: bool,
    /// It stands at a wait that is in the graph and reads what does not end it.
    pub(super) blocked: bool,
    /// How many of its events were performed.
    pub(super) events: u16,
    pub(super) created: u32,
    pub(super) nesting: Vec<Nesting>,
    pub(super) beginning: Vec<ObjectId>,
    pub(super) touching: Vec<ObjectId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Nesting {
    pub(super) domain: ObjectId,
    pub(super) depth: u32,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) kind: ObjectKind,
    pub(super) name: &'static str,
    pub(super) owner: Option<ObjectId>,
    /// From before the part where every interleaving counts, and after it.
    pub(super) value: u64,
    pub(super) plain: PlainOrder,
    pub(super) freed: bool,
    pub(super) freed_by: EventId,
    pub(super) renewed_by: EventId,
    /// The last use by each thread since it lives.
    pub(super) uses: Clock,
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
    pub(super) running: [u8; MAX_THREADS],
    pub(super) early: Vec<Object>,
    pub(super) concurrent: Vec<Vec<Object>>,
    pub(super) late: Vec<Object>,
    pub(super) phase: Phase,
    pub(super) was_concurrent: bool,
    pub(super) current: usize,
    /// How many events of the graph were performed again.
    pub(super) performed: usize,
    /// A write whose readers are still to be found.
    pub(super) pending: Option<EventId>,
    pub(super) alone: Alone,
    pub(super) witnesses: Witnesses,
    pub(super) end: Option<End>,
    pub(super) found: Vec<Found>,
    pub(super) branches: Vec<Branch>,
    pub(super) kept: Vec<EventId>,
    pub(super) fences: FenceOrder,
    pub(super) memory: Memory,
    /// Where the run is to be told: it ends with the steps that the graph has.
    pub(super) teller: Option<Teller>,
    /// Where the steps are given from outside: they, and no others, are added to the graph.
    pub(super) given: Option<Given>,
}

/// Memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) graphs: Vec<Graph>,
    pub(super) threads: Vec<Thread>,
    pub(super) map: Vec<EventId>,
    pub(super) rest: Vec<EventId>,
    pub(super) left: Vec<(usize, EventId)>,
    pub(super) places: Vec<(u32, bool)>,
    pub(super) order: Vec<usize>,
}

impl Memory {
    /// A graph with anything in it.
    pub(super) fn graph(&mut self) -> Graph {
        self.graphs.pop().unwrap_or_default()
    }
}

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
            witnesses: Witnesses::default(),
            end: None,
            found: Vec::new(),
            branches: Vec::new(),
            kept: Vec::new(),
            fences: FenceOrder::default(),
            memory: Memory::default(),
            teller: None,
            given: None,
        }
    }

    /// Take up a branch. `false`: the memory model does not allow it.
    pub(super) fn take_up(&mut self, branch: Branch) -> bool {
        self.branches.clear();
        self.witnesses.clear();
        let old = std::mem::replace(&mut self.graph, branch.graph);
        let allowed = self.view.rebuild(&mut self.graph, &old);
        self.memory.graphs.push(old);
        if !allowed {
            return false;
        }
        if !self.view.is_sc {
            let mut changed = branch.changed.iter().flatten();
            if !changed.all(|&event| self.view.is_coherent(&self.graph, event))
                || !self.view.psc_is_acyclic(&self.graph, &mut self.fences)
            {
                return false;
            }
        }
        for event in branch.changed.into_iter().flatten() {
            if !self.agrees_with_grace_periods(event, branch.fresh) {
                return false;
            }
        }
        if let Some(fresh) = branch.fresh {
            self.revisit(fresh);
        }
        self.memory.threads.append(&mut self.threads);
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
        self.add_thread("main", 1, false);
        true
    }

    pub(super) fn add_thread(&mut self, name: &str, key: ThreadKey, daemon: bool) -> usize {
        let thread = self.threads.len();
        if let Some(teller) = &mut self.teller {
            teller.thread(name, (thread > 0).then_some(self.current));
        }
        let object = self.create(ObjectKind::Thread, None, "thread");
        let (nesting, beginning, touching) = match self.memory.threads.pop() {
            Some(mut old) => {
                old.nesting.clear();
                old.beginning.clear();
                old.touching.clear();
                (old.nesting, old.beginning, old.touching)
            }
            None => (Vec::new(), Vec::new(), Vec::new()),
        };
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
            nesting,
            beginning,
            touching,
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
    pub(super) fn enter_graph(&mut self, thread: usize, parent: EventId) {
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
        let id = self.add_object(kind, owner, name);
        let by = self.current;
        if let Some(teller) = &mut self.teller {
            teller.object(id, by, kind, owner, name);
        }
        id
    }

    pub(super) fn add_object(
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

    pub(super) fn object(&self, object: ObjectId) -> &Object {
        match object.0 {
            id if id < CONCURRENT => &self.early[id as usize],
            id if id < LATE => {
                let id = id - CONCURRENT;
                &self.concurrent[(id / OBJECTS) as usize][(id % OBJECTS) as usize]
            }
            id => &self.late[(id - LATE) as usize],
        }
    }

    pub(super) fn object_mut(&mut self, object: ObjectId) -> &mut Object {
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

    pub(super) fn spawn(&mut self, name: &str, daemon: bool) -> Option<usize> {
        let parent = &mut self.threads[self.current];
        parent.children += 1;
        let key = child_key(parent.key, parent.children);
        let Some(key) = key.filter(|_| self.threads.len() < 255) else {
            self.end = Some(End::Cut(
                "contexts that begin contexts are nested too deep".to_owned(),
            ));
            return None;
        };
        let thread = self.add_thread(name, key, daemon);
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

    /// The value that the last write of an object left.
    pub(super) fn last_value(&self, object: ObjectId) -> u64 {
        self.value_at(object, self.view.location(object).writes.len())
    }

    /// The value of an object at a place of its coherence order.
    pub(super) fn value_at(&self, object: ObjectId, place: usize) -> u64 {
        match self.write_at(object, place) {
            INITIAL => self.object(object).value,
            write => self.graph.events[write as usize].wrote,
        }
    }

    pub(super) fn write_at(&self, object: ObjectId, place: usize) -> EventId {
        match place {
            0 => INITIAL,
            place => self.view.location(object).writes[place - 1],
        }
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        if let Some(teller) = &mut self.teller {
            teller.recorder().set_concurrent(phase == Phase::Concurrent);
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
        for index in 0..self.view.objects().len() {
            let object = self.view.objects()[index];
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
            if let Some(teller) = &mut self.teller {
                teller.step(me, object, action, saw, None);
            }
            self.check_after(object, action, INITIAL);
            return saw;
        }
        for at in 0..self.threads[me].beginning.len() {
            let domain = self.threads[me].beginning[at];
            self.begin_section(domain, self.threads[me].events);
        }
        self.threads[me].beginning.clear();
        let id = match self.view.order.get(self.performed) {
            Some(&id) => {
                let event = &self.graph.events[id as usize];
                if event.object != object || event.action != action {
                    self.end = Some(End::Cut(format!(
                        "the model is not deterministic: step {} was {:?} and is now {action:?}",
                        self.performed, event.action
                    )));
                    return 0;
                }
                id
            }
            None => {
                self.extend(object, action);
                let id = self.graph.events.len() as EventId - 1;
                self.view.order.push(id);
                id
            }
        };
        let Event { saw, .. } = self.graph.events[id as usize];
        self.performed += 1;
        self.threads[me].events += 1;
        if let Some(teller) = &mut self.teller {
            let event = Some((&self.graph, &self.view, id));
            teller.step(me, object, action, saw, event);
            let hb = self.view.clocks[id as usize].hb();
            let known = self.threads.iter().map(|thread| match thread.slot {
                usize::MAX => 0,
                slot => hb.count(slot),
            });
            teller.known(known.collect());
        }
        self.check_after(object, action, id);
        saw
    }

    pub(super) fn end_daemons(&mut self) {
        for thread in &mut self.threads {
            if thread.daemon && !thread.finished {
                thread.finished = true;
                thread.request = None;
            }
        }
    }

    pub(super) fn sections_wait(&self, domain: ObjectId) -> bool {
        self.object(domain).kind
            == ObjectKind::Domain {
                sections_wait: true,
            }
    }

    // One thread at a time.

    pub(super) fn perform_alone(&mut self, object: ObjectId, action: Action) -> u64 {
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
}
