// SPDX-License-Identifier: GPL-2.0-only
//! Read-side critical sections and grace periods in a graph.
//!
//! A section and a grace period do not overlap: either the section ends before the grace period
//! does, and happens before what follows it, or it begins after the grace period began, and sees
//! what was done before that. Which of the two is no choice of its own. The first is the case where
//! the other is impossible: where a step of the section comes before the beginning of the grace
//! period, or something that happens after the beginning of the section, be it in the section or
//! later, reads or overwrites something older than what the grace period knows. Elsewhere the grace
//! period waits for nothing, since an execution in which it did is one in which it ends later. A
//! section that depends on the end of a grace period began after it, and what the grace period
//! knew happens before that.
//!
//! That is what the Linux kernel's memory model (Alglave, Maranget, McKenney, Parri, Stern,
//! "Frightening small children and disconcerting grown-ups: concurrency in the Linux kernel", ASPLOS
//! 2018) demands of one grace period and one section. Longer
//! cycles, of several of each or through SC fences, are forbidden here only as far as happens-before
//! carries them: some executions that the kernel's model forbids are left in, and few are explored
//! twice.
//!
//! What shows that a section began earlier may come after it, in any thread, and the end of a grace
//! period that waited for the section depends on it: where somebody reads what was written after
//! that end, and so goes back on all that the write does not depend on, it has to stay.
//!
//! What a section does after the end of a grace period was added may show that it had to begin
//! before. The end of the grace period then comes too early: the branch goes back on it, as it
//! goes back on a read, and where the section depends on that end there is no such execution.
//!
//! Where sections wait, the order of their beginnings and of grace periods is that of updates of
//! one word. Whether a thread may be in a section for good depends on it, so all orders count.

use super::{
    super::clock::MAX_THREADS,
    consistency::View,
    execution::{Branch, Execution, Nesting},
    graph::{EventId, Graph, OPEN, Section, Wait},
    revisit::may_go_back,
};
use crate::{
    engine::MemoryModel,
    sync::engine::{Action, ObjectId, Phase},
};

/// The first number of grace periods that begin while one thread runs at a time.
const ALONE: u64 = 1 << 40;

/// The number of a grace period that a thread's event begins.
pub(super) fn grace_period_number(thread: usize, index: u16) -> u64 {
    (thread as u64) << 16 | u64::from(index)
}

/// The thread and the index of the event that began the grace period of this number. `None` for one
/// that began while one thread ran at a time.
pub(super) fn beginning_of(number: u64) -> Option<(usize, u16)> {
    (number < ALONE).then_some(((number >> 16) as usize, number as u16))
}

/// Sections and grace periods while one thread runs at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Alone {
    /// The open sections, each with its number, and how many there were.
    open: Vec<(u32, ObjectId, usize)>,
    begun: u32,
    /// The sections that each grace period waits for.
    grace_periods: Vec<Vec<u32>>,
}

impl Alone {
    /// A grace period begins; its number.
    pub(super) fn begin(&mut self, domain: ObjectId) -> u64 {
        let open = self.open.iter().filter(|(_, of, _)| *of == domain);
        self.grace_periods.push(open.map(|open| open.0).collect());
        ALONE + self.grace_periods.len() as u64 - 1
    }

    /// Whether the sections that a grace period waits for have ended.
    pub(super) fn has_ended(&self, number: u64) -> bool {
        let waits = number.checked_sub(ALONE);
        let waits = waits.and_then(|number| self.grace_periods.get(number as usize));
        waits.is_none_or(|waits| {
            let mut open = self.open.iter();
            !open.any(|(section, ..)| waits.contains(section))
        })
    }
}

/// The events that would show that a section which they know began before a grace period did: they
/// read or overwrite something older than what its beginning knows, and neither knows the other.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    /// By grace period, in the first `used` places; the others are for their memory.
    all: Vec<WitnessesOf>,
    used: usize,
}

#[derive(Debug, Default)]
struct WitnessesOf {
    begun: EventId,
    /// By object, the place of the newest write that the beginning knows.
    newest: Vec<usize>,
    /// How many events of the graph were looked at.
    seen: usize,
    events: Vec<EventId>,
}

impl Witnesses {
    /// The graph is another one.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// What [`Witnesses::find`] has found.
    fn of(&self, begun: EventId) -> &[EventId] {
        let mut all = self.all[..self.used].iter();
        let found = all.find(|witnesses| witnesses.begun == begun);
        &found.expect("they were looked for").events
    }

    /// Look for those of a grace period, as far as they were not looked for.
    fn find(&mut self, graph: &Graph, view: &View, begun: EventId) {
        if view.model == MemoryModel::Sc || graph.events[begun as usize].reads {
            return;
        }
        let of_begun = |witnesses: &WitnessesOf| witnesses.begun == begun;
        let found = self.all[..self.used].iter().position(of_begun);
        let place = found.unwrap_or_else(|| {
            if self.used == self.all.len() {
                self.all.push(WitnessesOf::default());
            }
            self.all[self.used].begin(graph, view, begun);
            self.used += 1;
            self.used - 1
        });
        let witnesses = &mut self.all[place];
        for id in witnesses.seen as EventId..view.worked_out as EventId {
            let knows_begun = View::knows(graph, view.clocks[id as usize].hb(), begun);
            let is_known = View::knows(graph, view.before(begun), id);
            if !knows_begun && !is_known && witnesses.is_older(graph, view, id) {
                witnesses.events.push(id);
            }
        }
        witnesses.seen = view.worked_out;
    }
}

impl WitnessesOf {
    fn begin(&mut self, graph: &Graph, view: &View, begun: EventId) {
        let known = view.clocks[begun as usize].hb();
        self.begun = begun;
        self.seen = 0;
        self.events.clear();
        self.newest.clear();
        let threads = view.threads[..graph.threads.len()].iter().enumerate();
        for (slot, thread) in threads {
            for &id in &thread.events[..known.count(slot) as usize] {
                let event = &graph.events[id as usize];
                let Some(object) = view.place(event.object) else {
                    continue;
                };
                if self.newest.len() <= object {
                    self.newest.resize(object + 1, 0);
                }
                let newest = &mut self.newest[object];
                if event.writes {
                    *newest = (*newest).max(View::position(graph, id));
                }
                if event.reads {
                    *newest = (*newest).max(View::position(graph, event.from));
                }
            }
        }
    }

    /// Whether an event reads or overwrites something older than what is known.
    fn is_older(&self, graph: &Graph, view: &View, id: EventId) -> bool {
        let event = &graph.events[id as usize];
        let newest = view.place(event.object).and_then(|o| self.newest.get(o));
        let newest = newest.copied().unwrap_or(0);
        !event.blocked
            && (event.reads && View::position(graph, event.from) < newest
                || event.writes && View::position(graph, id) <= newest)
    }
}

impl Execution {
    /// The sections that are open where the part begins in which every interleaving counts.
    pub(super) fn enter_open_sections(&mut self) {
        for (_, domain, thread) in std::mem::take(&mut self.alone.open) {
            let slot = self.threads[thread].slot as u8;
            let mut known = self.graph.sections.iter();
            if !known.any(|s| s.early && s.domain == domain && s.thread == slot) {
                let waits = self.sections_wait(domain);
                self.graph.begin_section(domain, waits, slot, 0);
                if let Some(section) = self.graph.sections.last_mut() {
                    section.early = true;
                }
            }
        }
    }

    /// A section begins with the current thread's next event, which is this.
    pub(super) fn begin_section(&mut self, domain: ObjectId, index: u16) {
        let slot = self.threads[self.current].slot as u8;
        let mut known = self.graph.sections.iter();
        if !known.any(|s| !s.early && s.domain == domain && s.thread == slot && s.begun == index) {
            let waits = self.sections_wait(domain);
            self.graph.begin_section(domain, waits, slot, index);
        }
    }

    /// The current thread begins a section. Whether with a step of its own.
    pub(super) fn read_lock(&mut self, domain: ObjectId) -> bool {
        let me = self.current;
        let nesting = &mut self.threads[me].nesting;
        match nesting.iter_mut().find(|s| s.domain == domain) {
            Some(nesting) => {
                nesting.depth += 1;
                if nesting.depth > 1 {
                    return false;
                }
            }
            None => nesting.push(Nesting { domain, depth: 1 }),
        }
        if self.phase == Phase::Alone {
            self.alone.begun += 1;
            self.alone.open.push((self.alone.begun, domain, me));
            return false;
        }
        let waits = self.sections_wait(domain);
        self.threads[me].beginning.push(domain);
        waits
    }

    /// The current thread ends a section, with its last step.
    pub(super) fn read_unlock(&mut self, domain: ObjectId) {
        let me = self.current;
        let thread = &mut self.threads[me];
        let nesting = thread.nesting.iter_mut().find(|s| s.domain == domain);
        let nesting = nesting.expect("a section that ends has begun");
        nesting.depth -= 1;
        if nesting.depth > 0 {
            return;
        }
        if let Some(at) = thread.beginning.iter().position(|&d| d == domain) {
            // Nothing happened in it.
            thread.beginning.remove(at);
            return;
        }
        let (slot, events) = (thread.slot as u8, thread.events);
        let mut open = self.alone.open.iter();
        if let Some(at) = open.rposition(|&(_, of, thread)| of == domain && thread == me) {
            self.alone.open.remove(at);
            return;
        }
        let mut sections = self.graph.sections.iter_mut();
        let section = sections
            .rfind(|s| s.domain == domain && s.thread == slot && (s.early || s.begun < events));
        if let Some(section) = section {
            section.ended = events;
        }
    }

    /// Whether a section must have begun before the grace period that begins with `begun`.
    fn is_before(&self, section: &Section, begun: EventId) -> bool {
        if section.early {
            return true;
        }
        let events = &self.view.threads[section.thread as usize].events;
        let end = (section.ended as usize).min(events.len());
        let events = &events[section.begun as usize..end];
        let Some(&first) = events.first() else {
            return false;
        };
        let beginning = &self.graph.events[begun as usize];
        if beginning.reads {
            return self.graph.events[first as usize].rank < beginning.rank;
        }
        let known_to_begun = self.view.before(begun);
        if View::knows(&self.graph, known_to_begun, first) {
            return true;
        }
        if self.view.model == MemoryModel::Sc {
            return false;
        }
        self.show(first, begun).next().is_some()
    }

    /// What shows that a section began before a grace period did, which does not know it: the last
    /// such event of each thread. It knows the `first` of the section; what knows the grace period
    /// as well cannot read anything older.
    fn show(&self, first: EventId, begun: EventId) -> impl Iterator<Item = EventId> {
        let mut threads = [false; MAX_THREADS];
        let is_known = View::knows(&self.graph, self.view.before(begun), first);
        let witnesses = match is_known {
            true => &[],
            false => self.witnesses.of(begun),
        };
        let witnesses = witnesses.iter().rev();
        witnesses.copied().filter(move |&id| {
            let thread = self.graph.events[id as usize].thread as usize;
            let hb = self.view.clocks[id as usize].hb();
            let is_last = !threads[thread] && View::knows(&self.graph, hb, first);
            threads[thread] |= is_last;
            is_last
        })
    }

    /// Whether every section that a grace period waits for has ended.
    pub(super) fn sections_have_ended(&mut self, domain: ObjectId, number: u64) -> bool {
        let Some(begun) = self.view.beginning_of(number) else {
            return true;
        };
        self.witnesses.find(&self.graph, &self.view, begun);
        let mut sections = self.graph.sections.iter();
        !sections.any(|s| s.domain == domain && s.ended == OPEN && self.is_before(s, begun))
    }

    /// A new event of the graph is the end of a grace period.
    pub(super) fn wait_for_sections(&mut self, id: EventId, domain: ObjectId, number: u64) {
        let Some(begun) = self.view.beginning_of(number) else {
            return;
        };
        self.witnesses.find(&self.graph, &self.view, begun);
        for index in 0..self.graph.sections.len() {
            let section = self.graph.sections[index];
            if section.domain == domain
                && section.ended != OPEN
                && section.ended > 0
                && self.is_before(&section, begun)
            {
                let thread = &self.view.threads[section.thread as usize];
                let last = thread.events[section.ended as usize - 1];
                self.graph.waits.push(Wait {
                    event: id,
                    on: last,
                    synchronizes: true,
                });
                if section.early || section.waits || self.view.model == MemoryModel::Sc {
                    continue;
                }
                let first = thread.events[section.begun as usize];
                let later = |&event: &EventId| {
                    let event = &self.graph.events[event as usize];
                    event.thread != section.thread || event.index >= section.ended
                };
                let shows: Vec<EventId> = self.show(first, begun).filter(later).collect();
                self.graph.waits.extend(shows.into_iter().map(|on| Wait {
                    event: id,
                    on,
                    synchronizes: false,
                }));
            }
        }
    }

    /// Whether a grace period has begun, as far as the current thread can know.
    pub(super) fn precedes(&self, number: u64) -> bool {
        if self.phase == Phase::Alone {
            return true;
        }
        beginning_of(number).is_none_or(|(thread, index)| self.current_knows(thread, index + 1))
    }

    /// Whether the grace periods that have ended leave an event the place that it was given. Where
    /// one ended too early for it, the branch in which it does not is taken up instead.
    pub(super) fn agrees_with_grace_periods(
        &mut self,
        id: EventId,
        fresh: Option<EventId>,
    ) -> bool {
        if self.graph.sections.is_empty() || self.view.ends.is_empty() {
            return true;
        }
        let event = self.graph.events[id as usize];
        let around = |s: &Section| {
            s.thread == event.thread && s.begun <= event.index && event.index < s.ended
        };
        let hb = self.view.clocks[id as usize].hb();
        let earlier = |s: &Section| {
            self.view.model == MemoryModel::Rc11
                && !s.early
                && !s.waits
                && hb.count(s.thread as usize) > s.begun
        };
        let concerned = |s: &&Section| around(s) || earlier(s);
        let sections: Vec<Section> = self
            .graph
            .sections
            .iter()
            .filter(concerned)
            .copied()
            .collect();
        if sections.is_empty() {
            return true;
        }
        for index in 0..self.view.ends.len() {
            let end = self.view.ends[index];
            let Action::GracePeriodEnd(number) = self.graph.events[end as usize].action else {
                continue;
            };
            let domain = self.graph.events[end as usize].object;
            let Some(begun) = self.view.beginning_of(number) else {
                continue;
            };
            self.witnesses.find(&self.graph, &self.view, begun);
            for section in sections.iter().filter(|s| s.domain == domain) {
                let thread = &self.view.threads[section.thread as usize];
                let length = (section.ended as usize).min(thread.events.len());
                let last = thread.events[length - 1];
                // An event after the section has to be known to the end where it shows that the
                // section began before.
                let is_around = around(section);
                let mut waits = self.graph.waits.iter();
                let waited = waits.any(|wait| {
                    let on = &self.graph.events[wait.on as usize];
                    wait.event == end
                        && wait.synchronizes == is_around
                        && on.thread == event.thread
                        && on.index >= event.index
                });
                let shows_it = || match is_around {
                    true => self.is_before(section, begun),
                    false => {
                        let first = thread.events[section.begun as usize];
                        self.show(first, begun).any(|other| other == id)
                    }
                };
                if waited || !shows_it() {
                    continue;
                }
                let depends = |event: EventId| {
                    let porf = &self.view.clocks[event as usize].porf;
                    View::knows(&self.graph, porf, end)
                };
                if depends(last) {
                    return false;
                }
                // That an event which depends on the end tells of an earlier section that does not
                // is let be: the execution is left in, though the kernel's model may forbid it.
                if depends(id) {
                    continue;
                }
                self.go_back_on_end(end, id, fresh);
                return false;
            }
        }
        true
    }

    /// The branch in which a grace period has not ended, for an event of a section that it has to
    /// wait for.
    fn go_back_on_end(&mut self, end: EventId, id: EventId, fresh: Option<EventId>) {
        let porf = self.view.clocks[id as usize].porf;
        let mut kept = std::mem::take(&mut self.kept);
        if may_go_back(&self.graph, &self.view, end, id, &porf, &mut kept) {
            kept.retain(|&event| event != end);
            if let Err(place) = kept.binary_search(&id) {
                kept.insert(place, id);
            }
            let mut graph = self.memory.graph();
            let mut map = std::mem::take(&mut self.memory.map);
            graph.restrict_from(&self.graph, &kept, &mut map);
            self.branches.push(Branch {
                graph,
                fresh: fresh.map(|fresh| map[fresh as usize]),
                changed: [Some(map[id as usize]), None],
            });
            self.memory.map = map;
        }
        self.kept = kept;
    }
}
