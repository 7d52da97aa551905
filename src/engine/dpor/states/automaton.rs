// SPDX-License-Identifier: GPL-2.0-only
//! What threads do, as far as it has been seen.
//!
//! A thread is a function of what it learns: two of the same name that have learned the same are at
//! the same *place*, ask for the same step, and do the same once it is answered. So a thread is an
//! automaton whose edges are labelled by what it learns, and each edge has to be run only once, in
//! whichever interleaving it is met first. From then on a step is a look into a table.
//!
//! The automaton also says what a thread may still access from a place on. That is what tells which
//! steps of others commute with all that is to come.

use super::{
    layout::{Map, ThreadName},
    memory::{Asked, Effect, Query},
    state::Fingerprint,
};
use crate::sync::engine::{Action, ObjectId};

/// How a step accesses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Commutes with its like.
    Read,
    /// The beginning of a grace period: commutes with its like, too.
    Snapshot,
    /// Commutes with nothing.
    Write,
    /// A lock is taken, by one who waits for it.
    Lock,
    /// It is given back. Who waits for it cannot have taken it before.
    Unlock,
}

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

/// A set of objects for each way to access one.
#[derive(Clone, Debug, Default)]
pub(super) struct Accesses {
    reads: Vec<u64>,
    snapshots: Vec<u64>,
    writes: Vec<u64>,
    locks: Vec<u64>,
}

fn has(set: &[u64], object: ObjectId) -> bool {
    let (word, bit) = (object.0 as usize / 64, object.0 % 64);
    set.get(word).is_some_and(|w| w & 1 << bit != 0)
}

fn insert(set: &mut Vec<u64>, object: ObjectId) -> bool {
    let (word, bit) = (object.0 as usize / 64, object.0 % 64);
    if set.len() <= word {
        set.resize(word + 1, 0);
    }
    let new = set[word] & 1 << bit == 0;
    set[word] |= 1 << bit;
    new
}

fn join(set: &mut Vec<u64>, more: &[u64]) -> bool {
    if set.len() < more.len() {
        set.resize(more.len(), 0);
    }
    let mut new = false;
    for (mine, theirs) in set.iter_mut().zip(more) {
        new |= *theirs & !*mine != 0;
        *mine |= *theirs;
    }
    new
}

impl Accesses {
    /// Whether the order of this access and one of these matters.
    pub(super) fn conflict(&self, object: ObjectId, access: Access) -> bool {
        let reads = || has(&self.reads, object);
        let snapshots = || has(&self.snapshots, object);
        let writes = || has(&self.writes, object);
        let locks = || has(&self.locks, object);
        match access {
            Access::Read => writes() || snapshots() || locks(),
            Access::Snapshot => writes() || reads() || locks(),
            Access::Write | Access::Lock => writes() || reads() || locks() || snapshots(),
            Access::Unlock => writes() || reads() || snapshots(),
        }
    }

    fn add(&mut self, object: ObjectId, access: Access) -> bool {
        let set = match access {
            Access::Read => &mut self.reads,
            Access::Snapshot => &mut self.snapshots,
            Access::Write => &mut self.writes,
            Access::Lock | Access::Unlock => &mut self.locks,
        };
        insert(set, object)
    }

    fn join(&mut self, more: &Self) -> bool {
        join(&mut self.reads, &more.reads)
            | join(&mut self.snapshots, &more.snapshots)
            | join(&mut self.writes, &more.writes)
            | join(&mut self.locks, &more.locks)
    }
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    /// By place, from 1.
    doings: Vec<(ThreadName, Doing)>,
    places: Map<Fingerprint, Place>,
    edges: Map<(Place, u64), Edge>,
    /// By place: what is accessed from there on.
    futures: Map<Place, Accesses>,
    /// By place: the places that lead there, or begin a thread there.
    sources: Map<Place, Vec<Place>>,
    /// How often a future has grown.
    pub(super) growth: u64,
}

impl Automaton {
    /// What is done at a place that is no beginning.
    pub(super) fn doing(&self, place: Place) -> &Doing {
        &self.doings[place as usize - 1].1
    }

    /// How many places are known.
    pub(super) fn places(&self) -> usize {
        self.doings.len()
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
        if let Doing::Step(asked) = &self.doings[place as usize - 1].1 {
            let access = match asked.action {
                Action::Lock | Action::Unlock => Some(Access::Lock),
                Action::Load(_) | Action::Await(..) | Action::Read | Action::ReadMarked => {
                    Some(Access::Read)
                }
                Action::GracePeriodCount => Some(Access::Read),
                Action::GracePeriodBegin => Some(Access::Snapshot),
                Action::Touch => Some(Access::Read),
                Action::Choose(_)
                | Action::Start
                | Action::Settle
                | Action::GracePeriodEnd(_)
                | Action::Fence(_) => None,
                _ => Some(Access::Write),
            };
            let mut accesses: Vec<(ObjectId, Access)> = Vec::new();
            accesses.extend(access.map(|access| (asked.object, access)));
            let reads = asked.touching.iter().chain(&asked.beginning);
            accesses.extend(reads.map(|object| (*object, Access::Read)));
            self.grow(place, &accesses);
        }
        Ok(place)
    }

    pub(super) fn edge(&self, from: Place, learned: u64) -> Option<&Edge> {
        self.edges.get(&(from, learned))
    }

    /// An edge was run, and accessed these objects. `children` are the places where threads begin
    /// that it has begun.
    ///
    /// # Errors
    ///
    /// Where something else was done when it was run before.
    pub(super) fn add_edge(
        &mut self,
        from: Place,
        learned: u64,
        edge: Edge,
        accesses: &[(ObjectId, Access)],
        children: &[Place],
    ) -> Result<(), String> {
        match self.edges.get(&(from, learned)) {
            Some(known) if *known == edge => {}
            Some(known) if known.next != UNKNOWN && edge.next != UNKNOWN => {
                return Err(format!("{edge:?} was {known:?} before"));
            }
            Some(known) if known.effects.len() >= edge.effects.len() => {}
            Some(_) | None => {
                self.edges.insert((from, learned), edge.clone());
            }
        }
        self.grow(from, accesses);
        let followers = [edge.next].into_iter().chain(children.iter().copied());
        for follower in followers.filter(|place| ![FINISHED, UNKNOWN].contains(place)) {
            let sources = self.sources.entry(follower).or_default();
            if !sources.contains(&from) {
                sources.push(from);
                if let Some(future) = self.futures.get(&follower).cloned() {
                    self.spread(from, &future);
                }
            }
        }
        Ok(())
    }

    fn grow(&mut self, place: Place, accesses: &[(ObjectId, Access)]) {
        let mut more = Accesses::default();
        for (object, access) in accesses {
            more.add(*object, *access);
        }
        self.spread(place, &more);
    }

    /// From `place` on all these are accessed, too, and from wherever leads there.
    fn spread(&mut self, place: Place, more: &Accesses) {
        let mut work = vec![place];
        while let Some(place) = work.pop() {
            if self.futures.entry(place).or_default().join(more) {
                self.growth += 1;
                if let Some(sources) = self.sources.get(&place) {
                    work.extend(sources);
                }
            }
        }
    }

    /// What may be accessed from a place on.
    pub(super) fn future(&self, place: Place) -> Option<&Accesses> {
        self.futures.get(&place)
    }
}
