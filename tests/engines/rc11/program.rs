// SPDX-License-Identifier: GPL-2.0-only
//! The language of the programs that the oracle and the explorer are compared on.
//!
//! Each operation of a thread leaves its answer in a register of the operation's index: what it
//! read, or what the primitive of `nfsd_check::sync` answers. Later operations of the thread may
//! store it, or be skipped because of it.

use nfsd_check::sync::engine::{Condition, Ordering, Update};

/// The value that a store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Constant(u64),
    /// The register of an earlier operation (0 where that was skipped) plus a constant, wrapping
    /// around.
    Plus(usize, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Load(usize, Ordering),
    Store(usize, Value, Ordering),
    /// With the ordering where something is written, and that where nothing is.
    Rmw(usize, Update, Ordering, Ordering),
    /// A read that accepts only some values.
    Await(usize, Condition, Ordering),
    /// A read-modify-write that accepts only some values.
    AwaitRmw(usize, Condition, Update, Ordering),
    Fence(Ordering),
    Lock(usize),
    TryLock(usize),
    /// Nothing, where the thread does not hold the lock.
    Unlock(usize),
    /// Read a cell.
    Get(usize),
    /// Read a cell in a way that is no race.
    GetMarked(usize),
    /// Write a cell.
    Set(usize, Value),
    /// Use an object that may be freed.
    Use(usize),
    /// Free it.
    Free(usize),
    /// A number below this one; all are tried.
    Choose(u32),
    /// If the register of an earlier operation is this, skip so many operations.
    SkipIf {
        register: usize,
        value: u64,
        skip: usize,
    },
    /// Begin the thread of this index, which no other operation begins. It has a higher index than
    /// the one that begins it.
    Spawn(usize),
    /// Wait for the end of the thread that an earlier operation of this thread began. Nothing,
    /// where that was skipped.
    Join(usize),
    /// Begin a read-side critical section, of the one domain there is.
    ReadLock,
    /// End it.
    ReadUnlock,
    /// Begin a grace period and wait for its end.
    Synchronize,
}

/// A program: what its threads do, all at once. Threads that no operation begins are there from
/// the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The first value of each word.
    pub(crate) words: Vec<u64>,
    pub(crate) locks: usize,
    /// Cells begin as 0.
    pub(crate) cells: usize,
    /// Objects that may be freed.
    pub(crate) objects: usize,
    pub(crate) threads: Vec<Vec<Op>>,
}

/// A place in memory. Each has accesses of its own, and all but a cell a modification order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Word(usize),
    /// 0 where it is free, 1 where it is held.
    Lock(usize),
    /// 1 once the thread has ended.
    Finished(usize),
    Cell(usize),
    /// An object that may be freed.
    Object(usize),
}

impl Program {
    /// A program on words and cells that begin as 0.
    pub(crate) fn new(threads: &[&[Op]]) -> Self {
        let threads: Vec<Vec<Op>> = threads.iter().map(|ops| ops.to_vec()).collect();
        let mut program = Self {
            words: Vec::new(),
            locks: 0,
            cells: 0,
            objects: 0,
            threads,
        };
        for op in program.threads.iter().flatten() {
            match op.place() {
                Some(Place::Word(word)) if word >= program.words.len() => {
                    program.words.resize(word + 1, 0);
                }
                Some(Place::Lock(lock)) => program.locks = program.locks.max(lock + 1),
                Some(Place::Cell(cell)) => program.cells = program.cells.max(cell + 1),
                Some(Place::Object(object)) => {
                    program.objects = program.objects.max(object + 1);
                }
                _ => {}
            }
        }
        program
    }

    /// How many operations are this one.
    pub(crate) fn count(&self, op: Op) -> usize {
        self.threads.iter().flatten().filter(|&&o| o == op).count()
    }

    /// The thread that begins this one, where another thread does.
    pub(crate) fn parent(&self, thread: usize) -> Option<usize> {
        let begins = |ops: &Vec<Op>| ops.contains(&Op::Spawn(thread));
        self.threads.iter().position(begins)
    }

    /// All places with a modification order.
    pub(crate) fn places(&self) -> Vec<Place> {
        let words = (0..self.words.len()).map(Place::Word);
        let locks = (0..self.locks).map(Place::Lock);
        let threads = 0..self.threads.len();
        let children = threads.filter(|&thread| self.parent(thread).is_some());
        words
            .chain(locks)
            .chain(children.map(Place::Finished))
            .collect()
    }

    /// The value of a place before anything is written.
    pub(crate) fn first_value(&self, place: Place) -> u64 {
        match place {
            Place::Word(word) => self.words[word],
            Place::Lock(_) | Place::Finished(_) | Place::Cell(_) | Place::Object(_) => 0,
        }
    }
}

impl Op {
    /// What it accesses.
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Self::Load(word, _)
            | Self::Store(word, ..)
            | Self::Rmw(word, ..)
            | Self::Await(word, ..)
            | Self::AwaitRmw(word, ..) => Some(Place::Word(word)),
            Self::Lock(lock) | Self::TryLock(lock) | Self::Unlock(lock) => Some(Place::Lock(lock)),
            Self::Get(cell) | Self::GetMarked(cell) | Self::Set(cell, _) => Some(Place::Cell(cell)),
            Self::Use(object) | Self::Free(object) => Some(Place::Object(object)),
            Self::Join(thread) => Some(Place::Finished(thread)),
            Self::Fence(_)
            | Self::Choose(_)
            | Self::SkipIf { .. }
            | Self::Spawn(_)
            | Self::ReadLock
            | Self::ReadUnlock
            | Self::Synchronize => None,
        }
    }

    /// What it waits for at its place, if it waits.
    pub(crate) fn condition(self) -> Option<Condition> {
        match self {
            Self::Await(_, condition, _) | Self::AwaitRmw(_, condition, ..) => Some(condition),
            Self::Lock(_) => Some(Condition::Equal(0)),
            Self::Join(_) => Some(Condition::Equal(1)),
            _ => None,
        }
    }

    /// Whether it may write to a place with a modification order.
    pub(crate) fn may_write(self, place: Place) -> bool {
        self.place() == Some(place)
            && matches!(
                self,
                Self::Store(..)
                    | Self::Rmw(..)
                    | Self::AwaitRmw(..)
                    | Self::Lock(_)
                    | Self::TryLock(_)
                    | Self::Unlock(_)
            )
    }
}

/// Short names for programs by hand.
pub(crate) mod short {
    use super::{Op, Value};
    use nfsd_check::sync::engine::{Ordering, Update};

    pub(crate) const RLX: Ordering = Ordering::Relaxed;
    pub(crate) const ACQ: Ordering = Ordering::Acquire;
    pub(crate) const REL: Ordering = Ordering::Release;
    pub(crate) const AR: Ordering = Ordering::AcqRel;
    pub(crate) const SC: Ordering = Ordering::SeqCst;

    pub(crate) const X: usize = 0;
    pub(crate) const Y: usize = 1;
    pub(crate) const Z: usize = 2;
    pub(crate) const W: usize = 3;

    pub(crate) const fn load(word: usize, order: Ordering) -> Op {
        Op::Load(word, order)
    }

    pub(crate) const fn store(word: usize, value: u64, order: Ordering) -> Op {
        Op::Store(word, Value::Constant(value), order)
    }

    /// Store what an operation read.
    pub(crate) const fn copy(word: usize, register: usize, order: Ordering) -> Op {
        Op::Store(word, Value::Plus(register, 0), order)
    }

    pub(crate) const fn add(word: usize, value: u64, order: Ordering) -> Op {
        Op::Rmw(word, Update::Add(value), order, order)
    }

    pub(crate) const fn swap(word: usize, value: u64, order: Ordering) -> Op {
        Op::Rmw(word, Update::Swap(value), order, order)
    }

    pub(crate) const fn cas(
        word: usize,
        old: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Op {
        Op::Rmw(word, Update::CompareExchange { old, new }, success, failure)
    }

    pub(crate) const fn fence(order: Ordering) -> Op {
        Op::Fence(order)
    }

    pub(crate) const fn skip_if(register: usize, value: u64, skip: usize) -> Op {
        Op::SkipIf {
            register,
            value,
            skip,
        }
    }

    pub(crate) const fn set(cell: usize, value: u64) -> Op {
        Op::Set(cell, Value::Constant(value))
    }
}
