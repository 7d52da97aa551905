// SPDX-License-Identifier: GPL-2.0-only
//! Backward revisits: a read that was added before the write that it could read.
//!
//! A read picks from the writes that are there when it is added. When a write is added later, each
//! read of the object that the write does not depend on could have read it. The graph in which it
//! does is another branch of the search: without what was added after the read, but for what the
//! write depends on.
//!
//! Many graphs lead to that one, which differ in what is taken away. The branch is taken from one
//! of them only: the one in which everything that is taken away, and the read, was added
//! *maximally*: each read reads the last write that was there, each write was the last, and nothing
//! added earlier reads from it. So each graph is reached once, and nothing has to be remembered of
//! the graphs that were seen.
//!
//! A **lock** is revisited by another taking of the lock only, which then comes before it; and it
//! could read what that one wrote, and stand still until the lock is given back. But whoever takes
//! the lock then takes it from that unlock or a later one, which depends on it. So it is not kept
//! as a read that waits, for unlocks to revisit and for one more run in which none did; it is taken
//! away as if it had not been added yet. The taking of the lock that came before it is *pinned*:
//! it would not be maximal, as something added earlier reads from it, and is never gone back on.
//! (The idea is that of in-place revisits: Kokologiannakis, Vafeiadis, "GenMC: a model checker for
//! weak memory models", CAV 2021; and, for locks, Kokologiannakis, Raad, Vafeiadis, "Effective lock
//! handling in stateless model checking", OOPSLA 2019.)
//!
//! A **wait** that reads what does not end it is in the graph for later writes to revisit. One that
//! updates what the wait reads, and does not end it either, changes nothing: the thread waits on,
//! and whatever is written after that depends on the update, or could have come without it. So the
//! wait stands for one that reads the newest of such a chain of updates. What it reads is no part
//! of the execution, which has no such event, and constrains nothing.
//!
//! (Kokologiannakis, Marmanis, Gladstein, Vafeiadis, POPL 2022.)

use super::{
    super::{clock::Clock, search::is_over},
    consistency::View,
    graph::{Event, EventId, Graph, INITIAL},
};
use crate::sync::engine::Action;

/// Whether `graph` may go back to `target` for a `write` that depends on `porf`, and whose number
/// is that of the next event where it is not in the graph. Fills `kept` with what is left, the
/// target with it and the write without.
pub(super) fn may_go_back(
    graph: &Graph,
    view: &View,
    target: EventId,
    write: EventId,
    porf: &Clock,
    kept: &mut Vec<EventId>,
) -> bool {
    kept.clear();
    if View::knows(graph, porf, target) {
        return false;
    }
    let was_before = |event: EventId| event != write && View::knows(graph, porf, event);
    kept.extend(0..=target);
    if !is_maximal(graph, view, target, was_before) {
        return false;
    }
    for event in target + 1..graph.events.len() as EventId {
        if was_before(event) {
            kept.push(event);
        } else if event != write && !is_maximal(graph, view, event, was_before) {
            return false;
        }
    }
    true
}

/// Whether an event was added maximally, as far as is seen from a write that others were `before`.
fn is_maximal(
    graph: &Graph,
    view: &View,
    id: EventId,
    was_before: impl Fn(EventId) -> bool,
) -> bool {
    let event = &graph.events[id as usize];
    if event.pinned {
        return false;
    }
    if let Action::Choose(_) = event.action {
        return event.saw == 0;
    }
    if !event.reads && !event.writes {
        return true;
    }
    let was_there = |other: EventId| other <= id || was_before(other);
    let location = view.location(event.object);
    let is_last = |rank: u32| {
        let mut writes = location.writes.iter().rev();
        // From the last one backwards, down to the one that it is about.
        writes
            .by_ref()
            .take_while(|&&w| graph.events[w as usize].rank > rank)
            .all(|&w| w == id || !was_there(w))
    };
    if event.writes {
        let read_before = location
            .readers
            .iter()
            .any(|&r| graph.events[r as usize].from == id && r < id);
        // Writes of plain memory that are not ordered race, and which of them came first is nothing
        // that one execution differs from another in.
        let is_plain = event.action == Action::Write;
        if read_before || !is_plain && !is_last(event.rank) {
            return false;
        }
    }
    if event.blocked {
        let was_there = |other: EventId| other != id && was_there(other);
        return (event.from == INITIAL || was_there(event.from))
            && waits_on(graph, view, event, was_there);
    }
    if event.reads {
        if event.from == INITIAL {
            return is_last(0);
        }
        return was_there(event.from) && is_last(graph.events[event.from as usize].rank);
    }
    true
}

/// Whether all that was written after what a wait reads, as far as it `was_there`, is a chain of
/// updates of that, none of which ends the wait.
pub(super) fn waits_on(
    graph: &Graph,
    view: &View,
    wait: &Event,
    was_there: impl Fn(EventId) -> bool,
) -> bool {
    let writes = &view.location(wait.object).writes[View::position(graph, wait.from)..];
    let mut newer = writes.iter().map(|&w| (w, &graph.events[w as usize]));
    let mut previous = wait.from;
    newer.all(|(id, write)| {
        if !was_there(id) {
            return true;
        }
        let goes_on =
            write.updates() && write.from == previous && !is_over(wait.action, write.wrote);
        previous = id;
        goes_on
    })
}

/// Whether `target` is a wait that a new `write`, not in the graph or the last of it, leaves as it is.
pub(super) fn waits_through(graph: &Graph, view: &View, target: EventId, write: &Event) -> bool {
    let wait = &graph.events[target as usize];
    if !wait.blocked || !write.updates() || is_over(wait.action, write.wrote) {
        return false;
    }
    let (first, last) = (
        View::position(graph, wait.from),
        View::position(graph, write.from),
    );
    let writes = &view.location(wait.object).writes;
    first <= last
        && writes[first..last].iter().all(|&w| {
            let update = &graph.events[w as usize];
            update.updates() && !is_over(wait.action, update.wrote)
        })
}
