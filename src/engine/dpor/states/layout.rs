// SPDX-License-Identifier: GPL-2.0-only
//! Which cell of a [`State`](super::state::State) is what, in all executions alike.
//!
//! Objects and threads come into being in an order that differs from one interleaving to the next.
//! Two states can only be compared where each object has a name that does not depend on it. A
//! thread is named by what it was begun with: its name and what it knows; of several alike that run
//! at the same time, the second and later ones get a number. An object is named by what it lies in,
//! or else by the thread that made it, and how many of its name that one had made before.

use super::state::{CellIndex, State};
use crate::sync::{
    engine::{ObjectId, ObjectKind},
    violation::ViolationKind,
};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A thread, by its name here.
pub(super) type ThreadName = u32;

/// How many words a set of threads or of events has.
pub(super) const WORDS: u32 = 4;
/// How many threads, and how many events, there can be names for.
pub(super) const MOST: u32 = WORDS * 64;

/// A hasher for keys that are well spread numbers already, or few.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = super::state::scramble(self.0.rotate_left(5) ^ n);
    }

    fn write_u128(&mut self, n: u128) {
        self.write_u64(n as u64 ^ (n >> 64) as u64);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

/// A map whose order is never looked at.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// What an object is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Maker {
    /// The object that it lies in.
    Owner(ObjectId),
    /// The thread that made it.
    Thread(ThreadName),
    /// The thread that has begun it, and the domain: a grace period.
    GracePeriod(ThreadName, ObjectId),
    /// All threads that begin alike: see [`Layout::family`].
    Family(u32),
}

/// What is known of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) kind: ObjectKind,
    pub(super) owner: Option<ObjectId>,
    /// Its first cell.
    pub(super) cells: CellIndex,
    /// Two cells with the sections that have begun before something that has changed it, and before
    /// something that has read it since. Of a domain: before a grace period that has begun, and before
    /// something that has counted them.
    pub(super) carries: Option<CellIndex>,
}

/// What is known of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) daemon: bool,
    /// Stands for all threads that begin alike.
    pub(super) family: ObjectId,
    /// The object that stands for it.
    pub(super) object: ObjectId,
    /// Its first cell.
    pub(super) cells: CellIndex,
}

// The cells of a thread.
/// One more than where it is; 0 where there is no such thread.
pub(super) const PLACE: u32 = 0;
/// What happens before its next step.
pub(super) const KNOWN: u32 = 1;
/// What relaxed reads have seen and an acquire fence would make known.
pub(super) const FENCE_WOULD_ACQUIRE: u32 = KNOWN + WORDS;
/// What was known at the last release fence.
pub(super) const FENCE_RELEASED: u32 = FENCE_WOULD_ACQUIRE + WORDS;
/// The sections that have begun before its next step and that a grace period would wait for.
pub(super) const BEFORE: u32 = FENCE_RELEASED + WORDS;
/// The locks that it holds.
pub(super) const HELD: u32 = BEFORE + 1;
const THREAD_CELLS: u32 = HELD + 1;

// The cells of an object.
/// A word's value; of a lock, who holds it; 1 for an allocation that is freed; of a domain, the sections
/// that are open.
pub(super) const VALUE: u32 = 0;
/// What a lock, a plain variable or a shadow holds.
pub(super) const CONTENT: u32 = 1;
/// What an acquire of it makes known; of a domain, what its grace periods make known to the
/// sections that begin later.
pub(super) const MESSAGE: u32 = 2;
/// Of a plain variable: whether it was written.
pub(super) const WRITTEN: u32 = 2;
/// Of a plain variable: who has read it since it was written.
pub(super) const READERS: u32 = 3;
/// Of a domain: what was known where a section ended.
pub(super) const ENDED: u32 = MESSAGE + WORDS;
/// Of a grace period: the sections that it waits for.
pub(super) const WAITS_FOR: u32 = 0;
/// Of a grace period: what its end makes known.
pub(super) const MAKES_KNOWN: u32 = 1;

/// What the end of a thing that only this module knows would be called.
const NEVER: ViolationKind = ViolationKind::Warning;

/// All names there are so far.
#[derive(Debug, Default)]
pub(super) struct Layout {
    cells: CellIndex,
    objects: Vec<Object>,
    /// By object: what it is called in what it lies in.
    names: Vec<&'static str>,
    object_names: HashMap<(Maker, &'static str, u64), ObjectId>,
    threads: Vec<Thread>,
    thread_names: HashMap<(u32, u32), ThreadName>,
    families: HashMap<(String, u64, bool), u32>,
    counts: HashMap<(Maker, &'static str), CellIndex>,
    /// By domain: the grace periods that have names.
    grace_periods: Map<u32, Vec<ObjectId>>,
    /// The first cell of each set of events that somebody knows.
    pub(super) knowledge: Vec<CellIndex>,
    /// The cells with the sections that have begun before something.
    pub(super) carriers: Vec<CellIndex>,
    events: Map<(u32, u32), u32>,
    sections: Map<(u32, u32), u32>,
    section_threads: Vec<ThreadName>,
    locks: Map<u32, u32>,
    /// Whether a grace period waits for every section that is open when it begins, and not only for
    /// those that have begun before it.
    pub(super) waits_for_open: bool,
    /// Why there are no names left.
    pub(super) full: Option<String>,
}

impl Layout {
    fn take_cells(&mut self, number: u32) -> CellIndex {
        let first = self.cells;
        self.cells += number;
        first
    }

    pub(super) fn object(&self, object: ObjectId) -> Object {
        self.objects[object.0 as usize]
    }

    pub(super) fn thread(&self, thread: ThreadName) -> Thread {
        self.threads[thread as usize]
    }

    /// How many threads have names.
    pub(super) fn threads(&self) -> ThreadName {
        self.threads.len() as ThreadName
    }

    /// The cell that counts what was made by `maker` under that name.
    pub(super) fn count(&mut self, maker: Maker, name: &'static str) -> CellIndex {
        if let Some(cell) = self.counts.get(&(maker, name)) {
            return *cell;
        }
        let cell = self.take_cells(1);
        self.counts.insert((maker, name), cell);
        cell
    }

    /// What an object is called, without numbers.
    pub(super) fn path(&self, object: ObjectId) -> String {
        let name = self.names[object.0 as usize];
        match self.object(object).owner {
            Some(owner) => format!("{}.{name}", self.path(owner)),
            None => name.to_owned(),
        }
    }

    /// The `number`th object of that name.
    pub(super) fn name_object(
        &mut self,
        maker: Maker,
        name: &'static str,
        number: u64,
        kind: ObjectKind,
    ) -> ObjectId {
        let key = (maker, name, number);
        if let Some(object) = self.object_names.get(&key) {
            return *object;
        }
        let owner = match maker {
            Maker::Owner(owner) => Some(owner),
            Maker::Thread(_) | Maker::GracePeriod(..) | Maker::Family(_) => None,
        };
        let number_of_cells = match kind {
            ObjectKind::Atomic(_) | ObjectKind::Lock => MESSAGE + WORDS,
            ObjectKind::Plain(_) => READERS + WORDS,
            ObjectKind::Allocation(_) | ObjectKind::Shadow => CONTENT + 1,
            ObjectKind::Domain { .. } => ENDED + WORDS,
            ObjectKind::Thread => 0,
        };
        let cells = self.take_cells(number_of_cells);
        match kind {
            ObjectKind::Atomic(_) | ObjectKind::Lock => self.knowledge.push(cells + MESSAGE),
            ObjectKind::Domain { .. } => self.knowledge.extend([cells + MESSAGE, cells + ENDED]),
            _ => {}
        }
        let carries = match kind {
            ObjectKind::Shadow | ObjectKind::Thread => None,
            _ => Some(self.take_cells(2)),
        };
        self.carriers
            .extend(carries.into_iter().flat_map(|cells| [cells, cells + 1]));
        self.add_object(
            key,
            Object {
                kind,
                owner,
                cells,
                carries,
            },
        )
    }

    fn add_object(&mut self, key: (Maker, &'static str, u64), object: Object) -> ObjectId {
        let name = ObjectId(self.objects.len() as u32);
        self.objects.push(object);
        self.names.push(key.1);
        self.object_names.insert(key, name);
        name
    }

    /// The `number`th grace period of a domain that a thread has begun.
    pub(super) fn name_grace_period(
        &mut self,
        domain: ObjectId,
        thread: ThreadName,
        number: u64,
    ) -> ObjectId {
        let key = (Maker::GracePeriod(thread, domain), "grace period", number);
        if let Some(object) = self.object_names.get(&key) {
            return *object;
        }
        let cells = self.take_cells(MAKES_KNOWN + WORDS);
        self.knowledge.push(cells + MAKES_KNOWN);
        let kind = ObjectKind::Allocation(NEVER);
        let owner = None;
        let grace_period = self.add_object(
            key,
            Object {
                kind,
                owner,
                cells,
                carries: None,
            },
        );
        let known = self.grace_periods.entry(domain.0).or_default();
        known.push(grace_period);
        grace_period
    }

    /// The `index`th grace period of a domain that has a name.
    pub(super) fn grace_period(&self, domain: ObjectId, index: usize) -> Option<ObjectId> {
        self.grace_periods.get(&domain.0)?.get(index).copied()
    }

    /// What stands for all threads that begin with this name and knowledge.
    pub(super) fn family(&mut self, name: &str, about: u64, daemon: bool) -> u32 {
        let next = self.families.len() as u32;
        let key = (name.to_owned(), about, daemon);
        *self.families.entry(key).or_insert(next)
    }

    /// The first thread of a family that does not run in `state`.
    pub(super) fn name_thread(
        &mut self,
        family: u32,
        daemon: bool,
        state: &State,
    ) -> Option<ThreadName> {
        for number in 0.. {
            let Some(&name) = self.thread_names.get(&(family, number)) else {
                return self.add_thread(family, number, daemon);
            };
            if state.get(self.thread(name).cells + PLACE) == 0 {
                return Some(name);
            }
        }
        None
    }

    fn add_thread(&mut self, family: u32, number: u32, daemon: bool) -> Option<ThreadName> {
        let name = self.threads.len() as ThreadName;
        if name == MOST {
            self.full = Some(format!("more than {MOST} contexts have to be told apart"));
            return None;
        }
        let cells = self.take_cells(THREAD_CELLS);
        let sets = [KNOWN, FENCE_WOULD_ACQUIRE, FENCE_RELEASED];
        self.knowledge.extend(sets.map(|set| cells + set));
        self.carriers.push(cells + BEFORE);
        let kind = ObjectKind::Thread;
        let object = self.name_object(Maker::Thread(name), "thread", 0, kind);
        let family_object = self.name_object(Maker::Family(family), "family", 0, kind);
        self.threads.push(Thread {
            daemon,
            family: family_object,
            object,
            cells,
        });
        self.thread_names.insert((family, number), name);
        Some(name)
    }

    /// The bit that stands for a thread's section of a domain.
    pub(super) fn section(&mut self, domain: ObjectId, thread: ThreadName) -> u64 {
        let next = self.sections.len() as u32;
        let section = *self.sections.entry((domain.0, thread)).or_insert(next);
        if section == next {
            self.section_threads.push(thread);
        }
        if section >= u64::BITS {
            self.full = Some("more than 64 sections have to be told apart".to_owned());
            return 1;
        }
        1 << section
    }

    /// The bit that stands for a lock; none for those that come late.
    pub(super) fn lock(&mut self, lock: ObjectId) -> u64 {
        let next = self.locks.len() as u32;
        let number = *self.locks.entry(lock.0).or_insert(next);
        1_u64.checked_shl(number).unwrap_or(0)
    }

    /// The threads whose sections these are.
    pub(super) fn in_sections(&self, sections: u64) -> impl Iterator<Item = ThreadName> {
        let threads = self.section_threads.iter().enumerate();
        threads
            .filter(move |(section, _)| sections & 1 << section != 0)
            .map(|(_, thread)| *thread)
    }

    /// An event that threads may know of: the last write of a plain variable, or a thread's last
    /// read of it.
    pub(super) fn event(&mut self, variable: ObjectId, reader: Option<ThreadName>) -> u32 {
        let next = self.events.len() as u32;
        let key = (variable.0, reader.map_or(0, |reader| reader + 1));
        let event = *self.events.entry(key).or_insert(next);
        if event >= MOST {
            self.full = Some(format!(
                "more than {MOST} plain accesses have to be told apart"
            ));
            return MOST - 1;
        }
        event
    }
}
