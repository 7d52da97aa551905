// SPDX-License-Identifier: GPL-2.0-only
//! A step that is new to the graph, and all that could have been instead.
//!
//! The step reads the last write, or writes last. What else it could have read or where else it
//! could have written is a branch, and so is each earlier read that could have read what it wrote:
//! which of those are taken is `revisit`'s business.
//!
//! (Kokologiannakis, Marmanis, Gladstein, Vafeiadis, POPL 2022.)

use super::{
    super::{clock::Clock, search::is_over},
    execution::{Branch, End, Execution},
    grace::grace_period_number,
    graph::{Event, EventId, INITIAL, OPEN, RANK_STEP, Section, Wait, update},
    revisit::{may_go_back, waits_through},
};
use crate::sync::engine::{Action, ObjectId};

impl Execution {
    pub(super) fn template(&self, thread: usize, object: ObjectId, action: Action) -> Event {
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
            pinned: false,
        }
    }

    /// Add the step of the current thread to the graph.
    pub(super) fn extend(&mut self, object: ObjectId, action: Action) {
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
        if let Some(given) = &self.given {
            let place = given.place;
            event.reads = reads;
            event.writes = stores;
            if reads {
                event.read_from(self.write_at(object, place), self.value_at(object, place));
                if event.writes && place < last {
                    self.end = Some(End::Cut(
                        "an update that comes before another write is not followed".to_owned(),
                    ));
                    event.writes = false;
                }
            } else if stores {
                event.wrote = update(action, 0).unwrap_or(0);
            } else if let Action::Choose(alternatives) = action {
                event.saw = u64::from(given.choice.min(alternatives.saturating_sub(1)));
            } else if let Action::GracePeriodBegin = action {
                event.saw = grace_period_number(slot, event.index);
            }
        } else if reads {
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
                        self.graph.waits.push(Wait {
                            event: id,
                            on: last,
                            synchronizes: true,
                        });
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
    pub(super) fn rank_after(&self, object: ObjectId, place: usize) -> u32 {
        match self.write_at(object, place) {
            INITIAL => 1,
            write => self.graph.events[write as usize].rank + 1,
        }
    }

    /// Whether the write after this place is a read-modify-write of the one at it.
    pub(super) fn is_updated(&self, object: ObjectId, place: usize) -> bool {
        let next = self.view.location(object).writes.get(place);
        next.is_some_and(|&next| {
            let event = &self.graph.events[next as usize];
            event.updates() && event.from == self.write_at(object, place)
        })
    }

    /// The other writes that a new read could read: a branch each.
    pub(super) fn other_reads(&mut self, event: &Event, last: usize) {
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
    pub(super) fn other_place(&mut self, mut event: Event, place: usize) {
        if !self.is_updated(event.object, place) {
            event.rank = self.rank_after(event.object, place);
            self.branch_with(event, None);
        }
    }

    pub(super) fn branch_with(&mut self, event: Event, fresh: Option<EventId>) {
        let mut graph = self.memory.graph();
        graph.copy_from(&self.graph);
        graph.events.push(event);
        self.branches.push(Branch {
            graph,
            fresh,
            changed: [Some(self.graph.events.len() as EventId), None],
        });
    }

    /// The reads that could have read a write of the graph.
    pub(super) fn revisit(&mut self, write: EventId) {
        let event = self.graph.events[write as usize];
        let porf = self.view.clocks[write as usize].porf;
        // The last event of the graph, or one that the others were added before.
        self.revisit_with(&event, &porf, write);
    }

    /// The reads that could have read this write, which is in the graph at `id` or not yet.
    pub(super) fn revisit_with(&mut self, write: &Event, porf: &Clock, id: EventId) {
        let object = write.object;
        for reader in (0..self.view.location(object).readers.len()).rev() {
            let target = self.view.location(object).readers[reader];
            if target == id || waits_through(&self.graph, &self.view, target, write) {
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
    pub(super) fn go_back(&mut self, write: &Event, target: EventId, kept: &[EventId]) {
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
        let mut left = std::mem::take(&mut self.memory.left);
        left.clear();
        left.push((0, INITIAL));
        let places = writes.iter().enumerate().map(|(i, &w)| (i + 1, w));
        left.extend(places.filter(|&(_, w)| w != target && is_kept(w)));
        // A lock that was taken, and that somebody else takes first now.
        let postpones = self.graph.events[target as usize].action == Action::Lock;
        let mut places = std::mem::take(&mut self.memory.places);
        places.clear();
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
            places.push((rank, next.is_none()));
        }
        let mut rest = std::mem::take(&mut self.memory.rest);
        rest.clear();
        rest.extend(kept.iter().filter(|&&event| !postpones || event != target));
        for &(rank, is_last) in &places {
            let mut graph = self.memory.graph();
            let mut map = std::mem::take(&mut self.memory.map);
            graph.restrict_from(&self.graph, &rest, &mut map);
            let moved = |event: EventId| match event {
                INITIAL => INITIAL,
                event => map[event as usize],
            };
            let new = graph.events.len() as EventId;
            graph.events.push(Event {
                rank,
                from: moved(write.from),
                pinned: write.pinned || postpones,
                ..*write
            });
            let target = map[target as usize];
            self.memory.map = map;
            if postpones {
                self.branches.push(Branch {
                    graph,
                    fresh: None,
                    changed: [Some(new), None],
                });
                continue;
            }
            // What its thread begins after it depends on what it reads now.
            for thread in &mut graph.threads {
                thread.take_if(|thread| thread.parent == target);
            }
            let event = &mut graph.events[target as usize];
            event.read_from(new, write.wrote);
            event.rank = rank + 1;
            let event = *event;
            // Whether a section ends with it may depend on what it reads.
            let is_last_of =
                |s: &&mut Section| s.thread == event.thread && s.ended == event.index + 1;
            for section in graph.sections.iter_mut().filter(is_last_of) {
                section.ended = OPEN;
            }
            if event.blocked && !is_last {
                continue;
            }
            let fresh = event.writes.then_some(target);
            self.branches.push(Branch {
                graph,
                fresh,
                changed: [Some(new), Some(target)],
            });
        }
        self.memory.left = left;
        self.memory.places = places;
        self.memory.rest = rest;
    }

    /// What happens before an event of the graph, or the next one of its thread.
    pub(super) fn hb_before(&self, event: &Event) -> Clock {
        let thread = &self.view.threads[event.thread as usize];
        match (event.index as usize).checked_sub(1) {
            Some(previous) => *self.view.clocks[thread.events[previous] as usize].hb(),
            None => {
                let thread = self.graph.threads[event.thread as usize];
                match thread.map_or(INITIAL, |thread| thread.parent) {
                    INITIAL => Clock::ZERO,
                    parent => *self.view.clocks[parent as usize].hb(),
                }
            }
        }
    }
}
