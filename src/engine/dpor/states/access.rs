// SPDX-License-Identifier: GPL-2.0-only
//! Which steps commute, and what is still accessed from a state on.
//!
//! A *summary* says of each thread what it accesses in some execution from a state on. There are far
//! fewer summaries than states, so each is kept once and known by its number, and what is computed
//! of two of them is computed once.

use super::layout::{Map, ThreadName};
use crate::sync::engine::ObjectId;
use std::collections::HashMap;

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

/// A set of objects for each way to access one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Set {
    reads: Vec<u64>,
    snapshots: Vec<u64>,
    writes: Vec<u64>,
    locks: Vec<u64>,
    unlocks: Vec<u64>,
}

fn insert(set: &mut Vec<u64>, object: ObjectId) {
    let (word, bit) = (object.0 as usize / 64, object.0 % 64);
    if set.len() <= word {
        set.resize(word + 1, 0);
    }
    set[word] |= 1 << bit;
}

fn join(set: &mut Vec<u64>, more: &[u64]) {
    if set.len() < more.len() {
        set.resize(more.len(), 0);
    }
    for (mine, theirs) in set.iter_mut().zip(more) {
        *mine |= *theirs;
    }
}

fn meet(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).any(|(a, b)| a & b != 0)
}

impl Set {
    fn add(&mut self, object: ObjectId, access: Access) {
        let set = match access {
            Access::Read => &mut self.reads,
            Access::Snapshot => &mut self.snapshots,
            Access::Write => &mut self.writes,
            Access::Lock => &mut self.locks,
            Access::Unlock => &mut self.unlocks,
        };
        insert(set, object);
    }

    fn join(&mut self, more: &Self) {
        join(&mut self.reads, &more.reads);
        join(&mut self.snapshots, &more.snapshots);
        join(&mut self.writes, &more.writes);
        join(&mut self.locks, &more.locks);
        join(&mut self.unlocks, &more.unlocks);
    }

    /// Whether the order of a step that accesses these and a later one that accesses those matters.
    fn conflicts(&self, later: &Self) -> bool {
        let changed = |set: &Self, other: &[u64]| {
            meet(&set.writes, other) || meet(&set.locks, other) || meet(&set.unlocks, other)
        };
        changed(later, &self.reads)
            || meet(&self.reads, &later.snapshots)
            || changed(later, &self.snapshots)
            || meet(&self.snapshots, &later.reads)
            || changed(later, &self.writes)
            || meet(&self.writes, &later.reads)
            || meet(&self.writes, &later.snapshots)
            || changed(later, &self.locks)
            || meet(&self.locks, &later.reads)
            || meet(&self.locks, &later.snapshots)
            || meet(&self.unlocks, &later.reads)
            || meet(&self.unlocks, &later.snapshots)
            || meet(&self.unlocks, &later.writes)
    }

    fn writes(&self, object: ObjectId) -> bool {
        let (word, bit) = (object.0 as usize / 64, object.0 % 64);
        let sets = [&self.writes, &self.locks, &self.unlocks];
        let mut words = sets.into_iter().filter_map(|set| set.get(word));
        words.any(|w| w & 1 << bit != 0)
    }
}

/// The number of a set of accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SetNumber(u32);

/// The number of a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Summary(u32);

impl Summary {
    /// Nothing is accessed.
    pub(super) const NOTHING: Self = Self(0);
}

/// All sets and summaries there are.
#[derive(Debug)]
pub(super) struct Summaries {
    sets: Vec<Set>,
    set_numbers: HashMap<Set, SetNumber>,
    set_unions: Map<(u32, u32), SetNumber>,
    summaries: Vec<Box<[(ThreadName, SetNumber)]>>,
    summary_numbers: HashMap<Box<[(ThreadName, SetNumber)]>, Summary>,
    unions: Map<(u32, u32), Summary>,
    sums: Map<(u32, u32, u32), Summary>,
    conflicts: Map<(u32, u32), bool>,
}

impl Default for Summaries {
    fn default() -> Self {
        let mut summaries = Self {
            sets: Vec::new(),
            set_numbers: HashMap::new(),
            set_unions: Map::default(),
            summaries: Vec::new(),
            summary_numbers: HashMap::new(),
            unions: Map::default(),
            sums: Map::default(),
            conflicts: Map::default(),
        };
        let nothing = summaries.number(Box::default());
        debug_assert_eq!(nothing, Summary::NOTHING);
        summaries
    }
}

impl Summaries {
    /// The set of these accesses.
    pub(super) fn set(&mut self, accesses: &[(ObjectId, Access)]) -> SetNumber {
        let mut set = Set::default();
        for (object, access) in accesses {
            set.add(*object, *access);
        }
        self.set_number(set)
    }

    fn set_number(&mut self, set: Set) -> SetNumber {
        if let Some(number) = self.set_numbers.get(&set) {
            return *number;
        }
        let number = SetNumber(self.sets.len() as u32);
        self.sets.push(set.clone());
        self.set_numbers.insert(set, number);
        number
    }

    fn set_union(&mut self, one: SetNumber, other: SetNumber) -> SetNumber {
        if one == other {
            return one;
        }
        let key = (one.0.min(other.0), one.0.max(other.0));
        if let Some(known) = self.set_unions.get(&key) {
            return *known;
        }
        let mut union = self.sets[one.0 as usize].clone();
        union.join(&self.sets[other.0 as usize]);
        let number = self.set_number(union);
        self.set_unions.insert(key, number);
        number
    }

    fn number(&mut self, summary: Box<[(ThreadName, SetNumber)]>) -> Summary {
        if let Some(number) = self.summary_numbers.get(&summary) {
            return *number;
        }
        let number = Summary(self.summaries.len() as u32);
        self.summaries.push(summary.clone());
        self.summary_numbers.insert(summary, number);
        number
    }

    /// What is accessed in one or in the other.
    pub(super) fn union(&mut self, one: Summary, other: Summary) -> Summary {
        if one == other || other == Summary::NOTHING {
            return one;
        }
        let key = (one.0.min(other.0), one.0.max(other.0));
        if let Some(known) = self.unions.get(&key) {
            return *known;
        }
        let mut union = self.summaries[one.0 as usize].to_vec();
        for (thread, set) in self.summaries[other.0 as usize].clone() {
            self.add_to(&mut union, thread, set);
        }
        let number = self.number(union.into());
        self.unions.insert(key, number);
        number
    }

    /// The summary with what a thread accesses beside.
    pub(super) fn add(&mut self, summary: Summary, thread: ThreadName, set: SetNumber) -> Summary {
        let key = (summary.0, thread, set.0);
        if let Some(known) = self.sums.get(&key) {
            return *known;
        }
        let mut sum = self.summaries[summary.0 as usize].to_vec();
        self.add_to(&mut sum, thread, set);
        let number = self.number(sum.into());
        self.sums.insert(key, number);
        number
    }

    fn add_to(
        &mut self,
        to: &mut Vec<(ThreadName, SetNumber)>,
        thread: ThreadName,
        set: SetNumber,
    ) {
        match to.binary_search_by_key(&thread, |(t, _)| *t) {
            Ok(at) => to[at].1 = self.set_union(to[at].1, set),
            Err(at) => to.insert(at, (thread, set)),
        }
    }

    /// The threads of which something in `later` does not commute with a step of `thread` that
    /// accesses `set`.
    pub(super) fn conflicts(
        &mut self,
        thread: ThreadName,
        set: SetNumber,
        later: Summary,
    ) -> Vec<ThreadName> {
        let Self {
            sets,
            summaries,
            conflicts,
            ..
        } = self;
        let others = summaries[later.0 as usize].iter();
        let others = others.filter(|(other, theirs)| {
            *other != thread
                && *conflicts
                    .entry((set.0, theirs.0))
                    .or_insert_with(|| sets[set.0 as usize].conflicts(&sets[theirs.0 as usize]))
        });
        others.map(|(other, _)| *other).collect()
    }

    /// The threads that change an object in `summary`.
    pub(super) fn writers(&self, object: ObjectId, summary: Summary) -> Vec<ThreadName> {
        let threads = self.summaries[summary.0 as usize].iter();
        let writers = threads.filter(|(_, set)| self.sets[set.0 as usize].writes(object));
        writers.map(|(thread, _)| *thread).collect()
    }
}
