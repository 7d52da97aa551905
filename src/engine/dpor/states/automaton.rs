// SPDX-License-Identifier: GPL-2.0-only
//! What threads do, as far as it has been seen.
//!
//! A thread is a function of what it learns: two of the same name that have learned the same are at
//! the same *place*, ask for the same step, and do the same once it is answered. So a thread is an
//! automaton whose edges are labelled by what it learns, and each edge has to be run only once, in
//! whichever interleaving it is met first. From then on a step is a look into a table.

use super::{
    layout::{Map, ThreadName},
    memory::{Asked, Effect, Query},
    state::Fingerprint,
};

/// A place: 1 and more for those in the table; from [`START`] on, the beginning of a thread, by its
/// name.
pub(super) type Place = u64;

/// The place where the thread with name 0 begins.
pub(super) const START: Place = 1 << 40;
/// No place: the thread has returned.
pub(super) const FINISHED: Place = 0;
/// Not known: what led there was cut short.
pub(super) const UNKNOWN: Place = u64::MAX;

/// What a thread does at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It asks for a step.
    Step(Asked),
    /// It asks within a step.
    Query(Query),
}

/// What follows when a thread at some place has learned something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) effects: Box<[Effect]>,
    pub(super) next: Place,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    /// By place, from 1.
    doings: Vec<(ThreadName, Doing)>,
    places: Map<Fingerprint, Place>,
    edges: Map<(Place, u64), Edge>,
}

impl Automaton {
    /// What is done at a place that is no beginning.
    pub(super) fn doing(&self, place: Place) -> &Doing {
        &self.doings[place as usize - 1].1
    }

    /// The place with this fingerprint, where the thread does this.
    ///
    /// # Errors
    ///
    /// Where it did something else when it was there before.
    pub(super) fn place(
        &mut self,
        thread: ThreadName,
        fingerprint: Fingerprint,
        doing: Doing,
    ) -> Result<Place, String> {
        if let Some(&place) = self.places.get(&fingerprint) {
            let known = &self.doings[place as usize - 1];
            if known.0 != thread || known.1 != doing {
                return Err(format!("{doing:?} was {:?} before", known.1));
            }
            return Ok(place);
        }
        self.doings.push((thread, doing));
        let place = self.doings.len() as Place;
        self.places.insert(fingerprint, place);
        Ok(place)
    }

    pub(super) fn edge(&self, from: Place, learned: u64) -> Option<&Edge> {
        self.edges.get(&(from, learned))
    }

    /// An edge was run.
    ///
    /// # Errors
    ///
    /// Where something else was done when it was run before.
    pub(super) fn add_edge(&mut self, from: Place, learned: u64, edge: Edge) -> Result<(), String> {
        match self.edges.get(&(from, learned)) {
            Some(known) if *known == edge => {}
            Some(known) if known.next != UNKNOWN && edge.next != UNKNOWN => {
                return Err(format!("{edge:?} was {known:?} before"));
            }
            // One of the two was cut short.
            Some(known) if known.effects.len() >= edge.effects.len() => {}
            Some(_) | None => {
                self.edges.insert((from, learned), edge);
            }
        }
        Ok(())
    }
}
