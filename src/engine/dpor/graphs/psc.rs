// SPDX-License-Identifier: GPL-2.0-only
//! The order of sequentially consistent fences, which RC11 wants to be acyclic.
//!
//! One fence comes before another where it happens before it, or where something after the one is
//! before something that comes before the other in an object's order of reads and writes:
//! `psc_F = [F] ; (hb ∪ hb;eco;hb) ; [F]`. For an object, two numbers of a fence say all there is to
//! say: the lowest place in its order that anything after the fence has, and the highest that
//! anything before it has.
//!
//! (Lahav, Vafeiadis, Kang, Hur, Dreyer, PLDI 2017.)

use super::{
    consistency::View,
    graph::{EventId, Graph, INITIAL, RANK_STEP},
};

/// The order of the fences of a graph, with memory that the next one uses again.
#[derive(Debug, Default)]
pub(super) struct FenceOrder {
    fences: Vec<EventId>,
    /// For each event: its object's number, one more, and its places as the first and as the last
    /// part of a step in the object's order.
    places: Vec<(u16, u16, u16)>,
    objects: usize,
    /// For each fence and object: the lowest place after it, and the highest before it.
    after: Vec<u16>,
    before: Vec<u16>,
    current: Vec<u16>,
    by_thread: Vec<(usize, usize)>,
    left: Vec<usize>,
}

impl FenceOrder {
    /// Whether the order of the fences has no cycle. The graph's ranks are those that
    /// [`View::rebuild`] gave them.
    pub(super) fn is_acyclic(&mut self, graph: &Graph, view: &View) -> bool {
        self.fences.clear();
        let events = 0..graph.events.len() as EventId;
        self.fences
            .extend(events.filter(|&id| graph.events[id as usize].is_sc_fence()));
        if self.fences.is_empty() {
            return true;
        }
        self.find_places(graph, view);
        self.find_bounds(graph, view);
        self.take_away(graph, view)
    }

    fn find_places(&mut self, graph: &Graph, view: &View) {
        self.places.clear();
        self.places.resize(graph.events.len(), (0, 0, 0));
        self.objects = 0;
        let place = |write: EventId| match write {
            INITIAL => 0,
            write => (graph.events[write as usize].rank / RANK_STEP) as u16,
        };
        for &object in view.objects() {
            let location = view.location(object);
            if location.writes.is_empty() {
                continue;
            }
            self.objects += 1;
            let number = self.objects as u16;
            for &write in &location.writes {
                let place = 2 * place(write);
                self.places[write as usize] = (number, place, place);
            }
            for &reader in &location.readers {
                let event = &graph.events[reader as usize];
                if event.blocked {
                    continue;
                }
                let read = 2 * place(event.from) + 1;
                let last = if event.writes { read + 1 } else { read };
                self.places[reader as usize] = (number, read, last);
            }
        }
    }

    fn find_bounds(&mut self, graph: &Graph, view: &View) {
        let (count, objects) = (self.fences.len(), self.objects);
        self.after.clear();
        self.after.resize(count * objects, u16::MAX);
        self.before.clear();
        self.before.resize(count * objects, 0);
        for (slot, thread) in view.threads.iter().enumerate().take(graph.threads.len()) {
            let events = &thread.events;
            // How much of the thread comes before each fence.
            self.by_thread.clear();
            for (fence, &id) in self.fences.iter().enumerate() {
                let known = view.clocks[id as usize].hb().count(slot) as usize;
                self.by_thread.push((known, fence));
            }
            self.by_thread.sort_unstable();
            self.current.clear();
            self.current.resize(objects, 0);
            let mut done = 0;
            for &(known, fence) in &self.by_thread {
                for &event in &events[done..known.max(done)] {
                    let (object, _, last) = self.places[event as usize];
                    if object > 0 {
                        let place = &mut self.current[object as usize - 1];
                        *place = (*place).max(last);
                    }
                }
                done = done.max(known);
                let bounds = &mut self.before[fence * objects..(fence + 1) * objects];
                for (bound, current) in bounds.iter_mut().zip(&self.current) {
                    *bound = (*bound).max(*current);
                }
            }
            // And from where on it comes after each.
            self.by_thread.clear();
            for (fence, &id) in self.fences.iter().enumerate() {
                let before =
                    |&e: &EventId| e == id || !View::knows(graph, view.clocks[e as usize].hb(), id);
                self.by_thread.push((events.partition_point(before), fence));
            }
            self.by_thread.sort_unstable_by(|a, b| b.cmp(a));
            self.current.clear();
            self.current.resize(objects, u16::MAX);
            let mut done = events.len();
            for &(first, fence) in &self.by_thread {
                for &event in &events[first.min(done)..done] {
                    let (object, first, _) = self.places[event as usize];
                    if object > 0 {
                        let place = &mut self.current[object as usize - 1];
                        *place = (*place).min(first);
                    }
                }
                done = done.min(first);
                let bounds = &mut self.after[fence * objects..(fence + 1) * objects];
                for (bound, current) in bounds.iter_mut().zip(&self.current) {
                    *bound = (*bound).min(*current);
                }
            }
        }
    }

    /// Take away fences that none of the others comes before, until none is left.
    fn take_away(&mut self, graph: &Graph, view: &View) -> bool {
        let objects = self.objects;
        self.left.clear();
        self.left.extend(0..self.fences.len());
        loop {
            self.current.clear();
            self.current.resize(objects, u16::MAX);
            for &fence in &self.left {
                let bounds = &self.after[fence * objects..(fence + 1) * objects];
                for (current, bound) in self.current.iter_mut().zip(bounds) {
                    *current = (*current).min(*bound);
                }
            }
            let count = self.left.len();
            let (all, current, before) = (self.left.clone(), &self.current, &self.before);
            let fences = &self.fences;
            self.left.retain(|&fence| {
                let bounds = &before[fence * objects..(fence + 1) * objects];
                let after_none = bounds.iter().zip(current).all(|(b, c)| b <= c);
                let known = view.clocks[fences[fence] as usize].hb();
                !after_none
                    || all
                        .iter()
                        .any(|&other| other != fence && View::knows(graph, known, fences[other]))
            });
            if self.left.is_empty() {
                return true;
            }
            if self.left.len() == count {
                return false;
            }
        }
    }
}
