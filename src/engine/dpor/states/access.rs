// SPDX-License-Identifier: GPL-2.0-only
//! Which steps commute, and what is still accessed from a state on.
//!
//! A *summary* says of each thread what it accesses in some execution from a state on. There are far
//! fewer summaries than states, so each is kept once and known by its number, and what is computed
//! of two of them is computed once.
//!
//! (Yang, Chen, Gopalakrishnan, Kirby, "Efficient stateful dynamic partial order reduction", SPIN
//! 2008.)

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

impl Access {
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Those that change what they access.
const CHANGES: u8 = Access::Write.bit() | Access::Lock.bit() | Access::Unlock.bit();
const READ: u8 = Access::Read.bit();
const SNAPSHOT: u8 = Access::Snapshot.bit();
const WRITE: u8 = Access::Write.bit();
const LOCK: u8 = Access::Lock.bit();
const UNLOCK: u8 = Access::Unlock.bit();

/// Locks, a bit each.
pub(super) type Locks = u64;

/// How an object is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Accessed {
    object: ObjectId,
    /// A bit for each way.
    ways: u8,
    /// The locks that are held whenever it is.
    under: Locks,
}

impl Accessed {
    /// Whether the order of something that accesses the object thus and a later one that accesses it
    /// thus matters.
    fn conflicts(self, later: Self) -> bool {
        let meets = |mine: u8, theirs: u8| self.ways & mine != 0 && later.ways & theirs != 0;
        meets(READ, SNAPSHOT | CHANGES)
            || meets(SNAPSHOT, READ | CHANGES)
            || meets(WRITE, READ | SNAPSHOT | CHANGES)
            || meets(LOCK, READ | SNAPSHOT | CHANGES)
            || meets(UNLOCK, READ | SNAPSHOT | WRITE)
    }
}

/// The objects that are accessed, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Set(Vec<Accessed>);

impl Set {
    fn add(&mut self, more: Accessed) {
        match self.0.binary_search_by_key(&more.object, |a| a.object) {
            Ok(at) => {
                self.0[at].ways |= more.ways;
                self.0[at].under &= more.under;
            }
            Err(at) => self.0.insert(at, more),
        }
    }

    /// Whether the order of a step that accesses these, of a thread that holds `held` before it,
    /// and a later one that accesses those matters. What others access only under a lock that the
    /// thread holds they cannot access before it goes on.
    fn conflicts(&self, held: Locks, later: &Self) -> bool {
        let mut others = later.0.iter().peekable();
        self.0.iter().any(|mine| {
            while others.next_if(|a| a.object < mine.object).is_some() {}
            let other = others.peek().filter(|a| a.object == mine.object);
            other.is_some_and(|other| other.under & held == 0 && mine.conflicts(**other))
        })
    }

    fn writes(&self, object: ObjectId) -> bool {
        let found = self.0.binary_search_by_key(&object, |a| a.object);
        found.is_ok_and(|at| self.0[at].ways & CHANGES != 0)
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
    conflicts: Map<(u32, Locks, u32), bool>,
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
    /// The set of these accesses under these locks.
    pub(super) fn set(&mut self, accesses: &[(ObjectId, Access)], under: Locks) -> SetNumber {
        let mut set = Set::default();
        for &(object, access) in accesses {
            set.add(Accessed {
                object,
                ways: access.bit(),
                under,
            });
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
        for accessed in &self.sets[other.0 as usize].0 {
            union.add(*accessed);
        }
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
    /// accesses `set`, and may come before it. The thread holds `held` before the step.
    pub(super) fn conflicts(
        &mut self,
        thread: ThreadName,
        set: SetNumber,
        held: Locks,
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
                && *conflicts.entry((set.0, held, theirs.0)).or_insert_with(|| {
                    sets[set.0 as usize].conflicts(held, &sets[theirs.0 as usize])
                })
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
