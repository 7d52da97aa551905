// SPDX-License-Identifier: GPL-2.0-only
//! What follows from a graph: who knows what, and whether the memory model allows it.
//!
//! Three relations are kept as vector clocks, one of each for every event:
//!
//! * `porf`, (po ∪ rf)⁺: what the event depends on. Acyclic in both memory models.
//! * `hb`, happens-before by the declared orderings: what RC11 and data races are judged by.
//! * `sc`, (po ∪ rf ∪ co ∪ fr)⁺, where that is acyclic: the graph is then an interleaving, and that
//!   is what sequential consistency asks for. Under RC11 only an interleaving that is to be shown
//!   needs it.
//!
//! RC11 (Lahav, Vafeiadis, Kang, Hur, Dreyer, "Repairing sequential consistency in C/C++11", PLDI
//! 2017) asks for coherence, which is a bound on the place of each access in the coherence order;
//! for atomicity, which is kept by construction; for po ∪ rf without cycles, which is, too; and for
//! an acyclic `psc`. A graph that is an interleaving has all of that. Only one that is not has to
//! be looked at for `psc`, and only if it has sequentially consistent accesses or fences.

use super::{
    super::{
        clock::{Clock, MAX_THREADS},
        order::ThreadOrder,
    },
    grace,
    graph::{Event, EventId, Graph, INITIAL, RANK_STEP},
    psc::FenceOrder,
};
use crate::{
    engine::MemoryModel,
    sync::engine::{Action, ObjectId},
};

/// The relations as far as they lead to one event.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventClocks {
    pub(super) porf: Clock,
    /// Happens-before, and what the thread's next fence adds to it.
    order: ThreadOrder,
    /// What an acquire that reads this write gets to know.
    message: Clock,
}

impl EventClocks {
    const NONE: Self = Self {
        porf: Clock::ZERO,
        order: ThreadOrder::BEGINNING,
        message: Clock::ZERO,
    };

    pub(super) fn hb(&self) -> &Clock {
        &self.order.known
    }
}

/// Who wrote an object, in coherence order, and who read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Location {
    pub(super) writes: Vec<EventId>,
    pub(super) readers: Vec<EventId>,
}

/// A thread at its last event.
#[derive(Clone, Debug)]
pub(super) struct ThreadView {
    pub(super) events: Vec<EventId>,
    pub(super) porf: Clock,
    /// Under sequential consistency only.
    sc: Clock,
    pub(super) order: ThreadOrder,
}

impl ThreadView {
    fn new() -> Self {
        Self {
            events: Vec::new(),
            porf: Clock::ZERO,
            sc: Clock::ZERO,
            order: ThreadOrder::beginning(Clock::ZERO),
        }
    }
}

/// What follows from a graph.
#[derive(Debug)]
pub(super) struct View {
    pub(super) model: MemoryModel,
    /// By event; there may be more, of earlier graphs.
    pub(super) clocks: Vec<EventClocks>,
    /// How many events of the graph have their clocks.
    pub(super) worked_out: usize,
    /// The same of `sc`.
    sc: Vec<Clock>,
    pub(super) threads: Vec<ThreadView>,
    /// An order in which the events can be performed: of all of po and rf, and of co and fr where
    /// the graph is an interleaving.
    pub(super) order: Vec<EventId>,
    /// Whether the graph is an interleaving.
    pub(super) is_sc: bool,
    /// By object, one more than its place in `locations`.
    places: Vec<u32>,
    locations: Vec<Location>,
    used: usize,
    objects: Vec<ObjectId>,
    no_location: Location,
    /// The ends of grace periods.
    pub(super) ends: Vec<EventId>,
}

impl View {
    pub(super) fn new(model: MemoryModel) -> Self {
        Self {
            model,
            clocks: Vec::new(),
            worked_out: 0,
            sc: Vec::new(),
            threads: Vec::new(),
            order: Vec::new(),
            is_sc: true,
            places: Vec::new(),
            locations: Vec::new(),
            used: 0,
            objects: Vec::new(),
            no_location: Location::default(),
            ends: Vec::new(),
        }
    }

    fn clear(&mut self) {
        self.order.clear();
        self.ends.clear();
        self.is_sc = true;
        for object in self.objects.drain(..) {
            self.places[object.0 as usize] = 0;
        }
        for location in &mut self.locations[..self.used] {
            location.writes.clear();
            location.readers.clear();
        }
        self.used = 0;
        for thread in &mut self.threads {
            thread.events.clear();
        }
    }

    /// The number of an object among those that were accessed.
    pub(super) fn place(&self, object: ObjectId) -> Option<usize> {
        let place = *self.places.get(object.0 as usize)? as usize;
        place.checked_sub(1)
    }

    /// Who accessed an object.
    pub(super) fn location(&self, object: ObjectId) -> &Location {
        match self.place(object) {
            None => &self.no_location,
            Some(place) => &self.locations[place],
        }
    }

    fn location_mut(&mut self, object: ObjectId) -> &mut Location {
        let index = object.0 as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, 0);
        }
        if self.places[index] == 0 {
            if self.used == self.locations.len() {
                self.locations.push(Location::default());
            }
            self.used += 1;
            self.places[index] = self.used as u32;
            self.objects.push(object);
        }
        &mut self.locations[self.places[index] as usize - 1]
    }

    /// The objects that were accessed in a way that is in the graph.
    pub(super) fn objects(&self) -> &[ObjectId] {
        &self.objects
    }

    /// The place of a write in the coherence order of its object, from 1; 0 for the value from
    /// before.
    pub(super) fn position(graph: &Graph, write: EventId) -> usize {
        if write == INITIAL {
            return 0;
        }
        // `rebuild` and `append` keep to this.
        (graph.events[write as usize].rank / RANK_STEP) as usize
    }

    /// Whether a clock knows an event.
    pub(super) fn knows(graph: &Graph, clock: &Clock, event: EventId) -> bool {
        let event = &graph.events[event as usize];
        clock.knows(event.thread as usize, event.index + 1)
    }

    /// The first write, by its place in the coherence order, that an access which knows this may
    /// read. One that writes must come after it.
    pub(super) fn lowest(&self, graph: &Graph, object: ObjectId, known: &Clock) -> usize {
        let location = self.location(object);
        let mut lowest = 0;
        for (place, &write) in location.writes.iter().enumerate().rev() {
            if Self::knows(graph, known, write) {
                lowest = place + 1;
                break;
            }
        }
        for &reader in &location.readers {
            let from = graph.events[reader as usize].from;
            if from != INITIAL && Self::knows(graph, known, reader) {
                lowest = lowest.max(Self::position(graph, from));
            }
        }
        lowest
    }

    /// What the accesses of a thread are bound by before its next event.
    pub(super) fn bound(&self, thread: usize) -> &Clock {
        match self.model {
            MemoryModel::Sc => &self.threads[thread].sc,
            MemoryModel::Rc11 => &self.threads[thread].order.known,
        }
    }

    /// What is before an event, in the sense that uses and frees are judged by.
    pub(super) fn before(&self, event: EventId) -> &Clock {
        match self.model {
            MemoryModel::Sc => &self.sc[event as usize],
            MemoryModel::Rc11 => self.clocks[event as usize].hb(),
        }
    }

    /// Let there be a thread in this place, which knows what its first step happens after.
    fn begin_thread(&mut self, graph: &Graph, slot: usize) {
        let parent = graph.threads[slot].map_or(INITIAL, |thread| thread.parent);
        let thread = &mut self.threads[slot];
        match parent {
            INITIAL => {
                thread.porf.clear();
                thread.sc.clear();
                thread.order.begin(&Clock::ZERO);
            }
            parent => {
                let clocks = &self.clocks[parent as usize];
                thread.porf.copy_from(&clocks.porf);
                thread.order.begin(clocks.hb());
                if self.model == MemoryModel::Sc {
                    thread.sc.copy_from(&self.sc[parent as usize]);
                }
            }
        }
    }

    /// A thread was added to the graph.
    pub(super) fn add_thread(&mut self, graph: &Graph, slot: usize) {
        while self.threads.len() <= slot {
            self.threads.push(ThreadView::new());
        }
        self.threads[slot].events.clear();
        self.begin_thread(graph, slot);
    }

    /// The graph is another one now, and was `old`. `false`: the memory model does not allow it, as
    /// far as its order can tell; coherence and `psc` of what is not an interleaving are
    /// [`View::is_coherent`] and [`View::psc_is_acyclic`].
    pub(super) fn rebuild(&mut self, graph: &mut Graph, old: &Graph) -> bool {
        let same = match self.model {
            // Who comes before whom in an interleaving depends on all that is in it.
            MemoryModel::Sc => 0,
            MemoryModel::Rc11 => Self::same_clocks(graph, old, self.worked_out),
        };
        self.clear();
        self.make_room(graph);
        while self.threads.len() < graph.threads.len() {
            self.threads.push(ThreadView::new());
        }
        for (id, event) in graph.events.iter().enumerate() {
            self.add(event, id as EventId);
        }
        for location in &mut self.locations[..self.used] {
            let rank = |id: &EventId| graph.events[*id as usize].rank;
            location.writes.sort_unstable_by_key(rank);
            for (place, &write) in location.writes.iter().enumerate() {
                graph.events[write as usize].rank = (place as u32 + 1) * RANK_STEP;
            }
        }
        self.is_sc = self.find_order(graph, true);
        if !self.is_sc && (self.model == MemoryModel::Sc || !self.find_order(graph, false)) {
            self.worked_out = 0;
            return false;
        }
        self.work_out_all(graph, same);
        true
    }

    /// How many of the first events have the clocks that they had in another graph, in which the
    /// first `worked_out` have clocks: those that are the same and depend on nothing else.
    fn same_clocks(graph: &Graph, old: &Graph, worked_out: usize) -> usize {
        let begun = |graph: &Graph, event: &Event| graph.threads[event.thread as usize];
        let is_same = |new: &Event, other: &Event| {
            (new.thread, new.index, new.from, new.reads, new.writes)
                == (
                    other.thread,
                    other.index,
                    other.from,
                    other.reads,
                    other.writes,
                )
                && (new.object, new.action, new.saw) == (other.object, other.action, other.saw)
                && (new.index > 0 || begun(graph, new) == begun(old, other))
        };
        let both = graph.events.iter().zip(&old.events).take(worked_out);
        let mut same = both.take_while(|(new, old)| is_same(new, old)).count();
        loop {
            let is_later = |event: EventId| event != INITIAL && event as usize >= same;
            let differs = |&id: &usize| {
                let event = &graph.events[id];
                let parent = || begun(graph, event).map_or(INITIAL, |thread| thread.parent);
                event.reads && is_later(event.from)
                    || event.index == 0 && is_later(parent())
                    || event.has_waits()
                        && (graph.waits_of(id as EventId).any(|wait| is_later(wait.on))
                            || !graph
                                .waits_of(id as EventId)
                                .eq(old.waits_of(id as EventId)))
            };
            match (0..same).find(differs) {
                Some(first) => same = first,
                None => return same,
            }
        }
    }

    /// An event is the next one of its thread.
    fn add(&mut self, event: &Event, id: EventId) {
        self.threads[event.thread as usize].events.push(id);
        if event.writes {
            self.location_mut(event.object).writes.push(id);
        }
        if event.reads {
            self.location_mut(event.object).readers.push(id);
        }
        if let Action::GracePeriodEnd(_) = event.action {
            self.ends.push(id);
        }
    }

    /// Room for the clocks of all events.
    fn make_room(&mut self, graph: &Graph) {
        let events = graph.events.len();
        if self.clocks.len() < events {
            self.clocks.resize(events, EventClocks::NONE);
        }
        if self.model == MemoryModel::Sc && self.sc.len() < events {
            self.sc.resize(events, Clock::ZERO);
        }
    }

    /// Find an order for the events: a thread goes on as long as it can.
    fn find_order(&mut self, graph: &Graph, sc: bool) -> bool {
        self.order.clear();
        let mut next = [0u16; MAX_THREADS];
        loop {
            let before = self.order.len();
            for slot in 0..graph.threads.len() {
                while let Some(&event) = self.threads[slot].events.get(next[slot] as usize) {
                    if !self.is_ready(graph, event, &next, sc) {
                        break;
                    }
                    self.order.push(event);
                    next[slot] += 1;
                }
            }
            if self.order.len() == graph.events.len() {
                return true;
            }
            if self.order.len() == before {
                return false;
            }
        }
    }

    /// Find the clocks of all events, along their order; the first `same` have theirs.
    fn work_out_all(&mut self, graph: &Graph, same: usize) {
        let mut next = [0u16; MAX_THREADS];
        for at in 0..self.order.len() {
            let id = self.order[at];
            let slot = graph.events[id as usize].thread as usize;
            if id as usize >= same {
                self.go_to(graph, slot, next[slot], same);
                self.work_out(graph, id);
            }
            next[slot] += 1;
        }
        for (slot, next) in next.into_iter().enumerate().take(graph.threads.len()) {
            self.go_to(graph, slot, next, same);
        }
        self.worked_out = graph.events.len();
    }

    /// Let a thread be where it is after so many of its events, if the last of them was not worked
    /// out but is one of the first `same`.
    fn go_to(&mut self, graph: &Graph, slot: usize, events: u16, same: usize) {
        let thread = &mut self.threads[slot];
        match events.checked_sub(1) {
            None if graph.threads[slot].is_some() => self.begin_thread(graph, slot),
            None => {}
            Some(last) => {
                let last = thread.events[last as usize] as usize;
                if last < same {
                    thread.porf.copy_from(&self.clocks[last].porf);
                    thread.order.copy_from(&self.clocks[last].order);
                }
            }
        }
    }

    fn is_ready(&self, graph: &Graph, id: EventId, next: &[u16; MAX_THREADS], sc: bool) -> bool {
        let done = |other: EventId| {
            let other = &graph.events[other as usize];
            next[other.thread as usize] > other.index
        };
        let event = &graph.events[id as usize];
        if event.index == 0
            && let Some(thread) = graph.threads[event.thread as usize]
            && thread.parent != INITIAL
            && !done(thread.parent)
        {
            return false;
        }
        if event.reads && event.from != INITIAL && !done(event.from) {
            return false;
        }
        if event.has_waits() && graph.waits_of(id).any(|wait| !done(wait.on)) {
            return false;
        }
        if sc && event.writes {
            let location = self.location(event.object);
            let place = Self::position(graph, id);
            let previous = match place {
                1 => INITIAL,
                place => location.writes[place - 2],
            };
            // Writes of plain memory are ordered by other means, or race, and then in either order.
            if previous != INITIAL && event.action != Action::Write && !done(previous) {
                return false;
            }
            let mut readers = location.readers.iter();
            let reads_it = |r: &Event| r.from == previous && !r.blocked;
            if !readers.all(|&r| r == id || !reads_it(&graph.events[r as usize]) || done(r)) {
                return false;
            }
        }
        true
    }

    /// The clocks of the next event of its thread.
    fn work_out(&mut self, graph: &Graph, id: EventId) {
        if self.model == MemoryModel::Sc {
            self.work_out_sc(graph, id);
        }
        let event = &graph.events[id as usize];
        let number = event.index + 1;
        let slot = event.thread as usize;
        let thread = &mut self.threads[slot];
        let from = match event.reads && event.from != INITIAL {
            true => Some(&self.clocks[event.from as usize]),
            false => None,
        };
        thread.porf.set(slot, number);
        thread.order.known.set(slot, number);
        let (read_order, write_order) = event.orders();
        if let Some(from) = from {
            thread.porf.join(&from.porf);
            thread.order.read(&from.message, read_order);
        }
        let porf = thread.porf;
        if let Some(seen) = self.seen_by_grace_periods(graph, id, &porf) {
            self.threads[slot].order.known.join(&seen);
        }
        let thread = &mut self.threads[slot];
        if let Action::Fence(order) = event.action {
            thread.order.fence(order);
        }
        if event.has_waits() {
            for wait in graph.waits_of(id) {
                let on = &self.clocks[wait.on as usize];
                thread.porf.join(&on.porf);
                if wait.synchronizes {
                    thread.order.known.join(on.hb());
                }
            }
        }
        // A read-modify-write goes on with the release sequence that it reads from.
        let goes_on = from.filter(|_| event.writes).map(|from| from.message);
        let clocks = &mut self.clocks[id as usize];
        clocks.porf.copy_from(&thread.porf);
        clocks.order.copy_from(&thread.order);
        if event.writes {
            clocks.message.copy_from(thread.order.written(write_order));
            if let Some(message) = &goes_on {
                clocks.message.join(message);
            }
        }
    }

    /// What the grace periods had seen that ended before an event of a section: the section began
    /// after them, and sees that, too.
    fn seen_by_grace_periods(&self, graph: &Graph, id: EventId, porf: &Clock) -> Option<Clock> {
        let mut seen: Option<Clock> = None;
        let ends = self.ends.iter().map(|&end| &graph.events[end as usize]);
        for end in ends.filter(|end| porf.knows(end.thread as usize, end.index + 1)) {
            let event = &graph.events[id as usize];
            let mut around = graph.sections.iter().filter(|section| {
                section.thread == event.thread
                    && section.domain == end.object
                    && (section.begun..section.ended).contains(&event.index)
                    && !section.early
                    && !section.waits
            });
            if let Action::GracePeriodEnd(number) = end.action
                && around.next().is_some()
                && let Some(begun) = self.beginning_of(number)
            {
                let known = self.clocks[begun as usize].hb();
                seen.get_or_insert(Clock::ZERO).join(known);
            }
        }
        seen
    }

    /// The event with which a grace period began.
    pub(super) fn beginning_of(&self, number: u64) -> Option<EventId> {
        let (slot, index) = grace::beginning_of(number)?;
        let thread = self.threads.get(slot)?;
        thread.events.get(index as usize).copied()
    }

    /// The same for the order of interleavings, where the graph is one.
    fn work_out_sc(&mut self, graph: &Graph, id: EventId) {
        let event = &graph.events[id as usize];
        let slot = event.thread as usize;
        let mut sc = self.threads[slot].sc;
        sc.set(slot, event.index + 1);
        if event.reads && event.from != INITIAL {
            sc.join(&self.sc[event.from as usize]);
        }
        if event.has_waits() {
            for wait in graph.waits_of(id) {
                sc.join(&self.sc[wait.on as usize]);
            }
        }
        if event.writes {
            let location = self.location(event.object);
            let previous = match Self::position(graph, id) {
                1 => INITIAL,
                place => location.writes[place - 2],
            };
            if previous != INITIAL && event.action != Action::Write {
                sc.join(&self.sc[previous as usize]);
            }
            for &reader in &location.readers {
                let read = &graph.events[reader as usize];
                if reader != id && read.from == previous && !read.blocked {
                    sc.join(&self.sc[reader as usize]);
                }
            }
        }
        self.sc[id as usize].copy_from(&sc);
        self.threads[slot].sc.copy_from(&sc);
    }

    /// What comes before each event in every interleaving of a graph that is one.
    pub(super) fn before_in_interleavings(&mut self, graph: &Graph) -> &[Clock] {
        if self.model == MemoryModel::Rc11 && self.is_sc {
            self.sc.resize(graph.events.len(), Clock::ZERO);
            let order = std::mem::take(&mut self.order);
            for &id in &order {
                let event = &graph.events[id as usize];
                let slot = event.thread as usize;
                if event.index == 0 {
                    let parent = graph.threads[slot].map_or(INITIAL, |thread| thread.parent);
                    self.threads[slot].sc = match parent {
                        INITIAL => Clock::ZERO,
                        parent => self.sc[parent as usize],
                    };
                }
                self.work_out_sc(graph, id);
            }
            self.order = order;
        }
        &self.sc
    }

    /// The last event of the graph was added: its thread's last, which reads the last write and
    /// whose own write is the last, if it has any.
    pub(super) fn append(&mut self, graph: &Graph) {
        let id = (graph.events.len() - 1) as EventId;
        self.add(&graph.events[id as usize], id);
        self.make_room(graph);
        self.work_out(graph, id);
        self.worked_out = id as usize + 1;
    }

    /// Whether RC11's coherence and atomicity allow an event its place.
    pub(super) fn is_coherent(&self, graph: &Graph, id: EventId) -> bool {
        let event = &graph.events[id as usize];
        let known = self.clocks[id as usize].hb();
        let location = self.location(event.object);
        let from = Self::position(graph, event.from);
        let own = Self::position(graph, id);
        let writes = location.writes.iter().enumerate();
        let mut known_places = writes
            .filter(|&(_, &w)| w != id && Self::knows(graph, known, w))
            .map(|(place, _)| place + 1)
            .chain(
                location
                    .readers
                    .iter()
                    .filter(|&&r| r != id && Self::knows(graph, known, r))
                    .map(|&r| Self::position(graph, graph.events[r as usize].from)),
            );
        match (event.reads, event.writes) {
            (true, true) => own == from + 1 && known_places.all(|place| place <= from),
            (true, false) => known_places.all(|place| place <= from),
            (false, true) => known_places.all(|place| place < own),
            (false, false) => true,
        }
    }

    /// Whether the partial order of sequentially consistent accesses and fences, `psc` of RC11, has
    /// no cycle.
    pub(super) fn psc_is_acyclic(&self, graph: &Graph, fences: &mut FenceOrder) -> bool {
        let accesses = |event: &Event| event.is_sc() && !event.is_sc_fence() && !event.blocked;
        match graph.events.iter().any(accesses) {
            true => self.psc_of_accesses_is_acyclic(graph),
            false => fences.is_acyclic(graph, self),
        }
    }

    /// The same, as the paper has it, where there are sequentially consistent accesses.
    fn psc_of_accesses_is_acyclic(&self, graph: &Graph) -> bool {
        let nodes: Vec<EventId> = (0..graph.events.len() as EventId)
            .filter(|&id| graph.events[id as usize].is_sc() && !graph.events[id as usize].blocked)
            .collect();
        if nodes.len() < 2 {
            return true;
        }
        let n = nodes.len();
        let mut edges = vec![false; n * n];
        for (i, &a) in nodes.iter().enumerate() {
            for (j, &b) in nodes.iter().enumerate() {
                edges[i * n + j] = i != j && self.psc(graph, a, b);
            }
        }
        // Take away what nothing leads to, until nothing is left or there is a cycle.
        let mut left: Vec<usize> = (0..n).collect();
        loop {
            let before = left.len();
            let all = left.clone();
            left.retain(|&j| all.iter().any(|&i| edges[i * n + j]));
            if left.is_empty() {
                return true;
            }
            if left.len() == before {
                return false;
            }
        }
    }

    fn hb(&self, graph: &Graph, a: EventId, b: EventId) -> bool {
        a != b && Self::knows(graph, self.clocks[b as usize].hb(), a)
    }

    /// The relation `psc` between two sequentially consistent events:
    /// `psc_base = ([E] ∪ [F];hb?) ; scb ; ([E] ∪ hb?;[F])` and
    /// `psc_F = [F] ; (hb ∪ hb;eco;hb) ; [F]`.
    fn psc(&self, graph: &Graph, a: EventId, b: EventId) -> bool {
        let (a_fence, b_fence) = (
            graph.events[a as usize].is_sc_fence(),
            graph.events[b as usize].is_sc_fence(),
        );
        if a_fence && b_fence && (self.hb(graph, a, b) || self.hb_eco_hb(graph, a, b)) {
            return true;
        }
        let is_there = |&id: &EventId| !graph.events[id as usize].blocked;
        let all = (0..graph.events.len() as EventId).filter(is_there);
        let reaches = |from: EventId, to: EventId| from == to || self.hb(graph, from, to);
        let firsts: Vec<EventId> = match a_fence {
            true => all.clone().filter(|&c| reaches(a, c)).collect(),
            false => vec![a],
        };
        let lasts: Vec<EventId> = match b_fence {
            true => all.filter(|&d| reaches(d, b)).collect(),
            false => vec![b],
        };
        let mut pairs = firsts
            .iter()
            .flat_map(|&c| lasts.iter().map(move |&d| (c, d)));
        pairs.any(|(c, d)| c != d && self.scb(graph, c, d))
    }

    /// `scb = sb ∪ sb|≠loc;hb;sb|≠loc ∪ hb|loc ∪ co ∪ fr`.
    fn scb(&self, graph: &Graph, c: EventId, d: EventId) -> bool {
        let (first, second) = (&graph.events[c as usize], &graph.events[d as usize]);
        let sb = |x: EventId, y: EventId| {
            let (x, y) = (&graph.events[x as usize], &graph.events[y as usize]);
            x.thread == y.thread && x.index < y.index
        };
        if sb(c, d) || self.is_begun_by(graph, c, d) {
            return true;
        }
        let accesses = |e: EventId| {
            let event = &graph.events[e as usize];
            event.reads || event.writes
        };
        let both_access = accesses(c) && accesses(d);
        let same = both_access && first.object == second.object;
        if same && self.hb(graph, c, d) {
            return true;
        }
        if same {
            let place = |e: EventId| Self::position(graph, e);
            let co = first.writes && second.writes && place(c) < place(d);
            let fr = first.reads && second.writes && place(first.from) < place(d);
            if co || fr {
                return true;
            }
        }
        // An event and the next one of its thread that is about something else.
        let differs = |x: EventId, y: EventId| {
            let (x, y) = (&graph.events[x as usize], &graph.events[y as usize]);
            !((x.reads || x.writes) && (y.reads || y.writes) && x.object == y.object)
        };
        let after = self.threads[first.thread as usize].events[first.index as usize + 1..].iter();
        after.filter(|&&x| differs(c, x)).any(|&x| {
            let before =
                self.threads[second.thread as usize].events[..second.index as usize].iter();
            before
                .filter(|&&y| differs(y, d))
                .any(|&y| self.hb(graph, x, y))
        })
    }

    /// Whether the thread of `d` was begun after `c` by the thread of `c`, which is part of sb.
    fn is_begun_by(&self, graph: &Graph, c: EventId, d: EventId) -> bool {
        let mut thread = graph.events[d as usize].thread;
        let first = &graph.events[c as usize];
        while let Some(begun) = graph.threads[thread as usize] {
            if begun.parent == INITIAL {
                return false;
            }
            let parent = &graph.events[begun.parent as usize];
            if parent.thread == first.thread {
                return parent.index >= first.index;
            }
            thread = parent.thread;
        }
        false
    }

    /// `hb;eco;hb` from one fence to another.
    fn hb_eco_hb(&self, graph: &Graph, a: EventId, b: EventId) -> bool {
        self.objects.iter().any(|&object| {
            let location = self.location(object);
            // Twice the place in the coherence order, and one more for a read that comes after it.
            let write = |w: EventId| 2 * Self::position(graph, w);
            let read = |r: EventId| 2 * Self::position(graph, graph.events[r as usize].from) + 1;
            let writes = location.writes.iter();
            let readers = location.readers.iter();
            let readers = readers.filter(|&&r| !graph.events[r as usize].blocked);
            let after = writes
                .clone()
                .filter(|&&w| self.hb(graph, a, w))
                .map(|&w| write(w));
            let after = after.chain(
                readers
                    .clone()
                    .filter(|&&r| self.hb(graph, a, r))
                    .map(|&r| read(r)),
            );
            let before = writes.filter(|&&w| self.hb(graph, w, b)).map(|&w| write(w));
            let before = before.chain(readers.filter(|&&r| self.hb(graph, r, b)).map(|&r| read(r)));
            match (after.min(), before.max()) {
                (Some(after), Some(before)) => after < before,
                _ => false,
            }
        })
    }
}
