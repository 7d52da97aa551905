// SPDX-License-Identifier: GPL-2.0-only
//! Generated programs: small, on few places, so that the threads have to do with each other.
//!
//! Half of them are made up; the others are litmus tests with other orderings, and with operations
//! changed or put in, for the shapes that one hardly ever hits upon.

use super::{
    litmus::{COUNTS, LITMUS},
    program::{Op, Place, Program, Value},
};
use nfsd_check::sync::engine::{Condition, Ordering, Update};

/// A sequence of numbers that depends on the seed only.
#[derive(Debug)]
pub(crate) struct Random(u64);

/// How strong the orderings of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Relaxed,
    ReleaseAcquire,
    /// SC and relaxed.
    Sc,
    AllSc,
    Mixed,
}

/// What a program is made of.
#[derive(Clone, Copy, Debug)]
struct About {
    strength: Strength,
    words: usize,
    fences: bool,
    waits: bool,
    locks: bool,
    cells: bool,
    /// The cells become an object that is used, and may be freed.
    objects: bool,
    branches: bool,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // The sequence stays at 0.
        Self(seed.max(1))
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 16) % n as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn read_order(&mut self, strength: Strength) -> Ordering {
        use Ordering::{Acquire, Relaxed, SeqCst};
        match strength {
            Strength::Relaxed => Relaxed,
            Strength::ReleaseAcquire => self.pick(&[Relaxed, Acquire, Acquire]),
            Strength::Sc => self.pick(&[Relaxed, SeqCst, SeqCst, SeqCst]),
            Strength::AllSc => SeqCst,
            Strength::Mixed => self.pick(&[Relaxed, Acquire, SeqCst]),
        }
    }

    fn write_order(&mut self, strength: Strength) -> Ordering {
        match self.read_order(strength) {
            Ordering::Acquire => Ordering::Release,
            order => order,
        }
    }

    fn update_order(&mut self, strength: Strength) -> Ordering {
        use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
        match strength {
            Strength::Relaxed => Relaxed,
            Strength::ReleaseAcquire => self.pick(&[Relaxed, Acquire, Release, AcqRel]),
            Strength::Sc => self.pick(&[Relaxed, SeqCst, SeqCst]),
            Strength::AllSc => SeqCst,
            Strength::Mixed => self.pick(&[Relaxed, Acquire, Release, AcqRel, SeqCst]),
        }
    }

    fn fence_order(&mut self, strength: Strength) -> Ordering {
        use Ordering::{AcqRel, Acquire, Release, SeqCst};
        match strength {
            Strength::Sc | Strength::AllSc => SeqCst,
            Strength::ReleaseAcquire => self.pick(&[Acquire, Release, AcqRel]),
            Strength::Relaxed | Strength::Mixed => {
                self.pick(&[Acquire, Release, AcqRel, SeqCst, SeqCst])
            }
        }
    }

    pub(crate) fn condition(&mut self) -> Condition {
        let value = self.below(3) as u64;
        match self.below(6) {
            0 => Condition::NotEqual(value),
            1 => Condition::Clear(1 + value),
            2 => Condition::AnySet(1 + value),
            _ => Condition::Equal(value),
        }
    }

    fn update(&mut self) -> Update {
        let value = self.below(3) as u64;
        match self.below(14) {
            0..=2 => Update::Add(1),
            3 => Update::Or(1 + value),
            4 => Update::AndNot(1 + value),
            5 => Update::Swap(value),
            6 => Update::Sub(1),
            7..=9 => Update::CompareExchange {
                old: value,
                new: self.below(3) as u64,
            },
            10 => Update::When {
                any_set: self.below(3) as u64,
                all_clear: self.below(3) as u64,
                clear: self.below(3) as u64,
                add: 1,
            },
            11 => Update::Xor(1 + value),
            12 => Update::AddWithin { add: 1, mask: 1 },
            _ => Update::AddUnless {
                add: 1,
                unless: value,
            },
        }
    }

    fn value(&mut self, ops: &[Op]) -> Value {
        let answers: Vec<usize> = (0..ops.len()).filter(|&at| has_value(ops[at])).collect();
        if !answers.is_empty() && self.one_in(4) {
            Value::Plus(self.pick(&answers), self.below(2) as u64)
        } else {
            Value::Constant(1 + self.below(2) as u64)
        }
    }

    fn op(&mut self, about: About, ops: &[Op]) -> Op {
        let word = self.below(about.words);
        let strength = about.strength;
        loop {
            return match self.below(20) {
                0..=3 => Op::Load(word, self.read_order(strength)),
                4..=7 => Op::Store(word, self.value(ops), self.write_order(strength)),
                8..=10 => Op::Rmw(
                    word,
                    self.update(),
                    self.update_order(strength),
                    self.read_order(strength),
                ),
                11 | 12 if about.fences => Op::Fence(self.fence_order(strength)),
                13 if about.waits => Op::Await(word, self.condition(), self.read_order(strength)),
                14 if about.waits => Op::AwaitRmw(
                    word,
                    self.condition(),
                    self.update(),
                    self.update_order(strength),
                ),
                15 | 16 if about.locks => {
                    let lock = usize::from(self.one_in(4));
                    let held = ops.iter().rev().find(|op| {
                        matches!(op, Op::Lock(l) | Op::TryLock(l) | Op::Unlock(l) if *l == lock)
                    });
                    match held {
                        Some(Op::Lock(_) | Op::TryLock(_)) if !self.one_in(8) => Op::Unlock(lock),
                        _ if self.one_in(3) => Op::TryLock(lock),
                        _ => Op::Lock(lock),
                    }
                }
                17 | 18 if about.cells => match self.below(7) {
                    0..=2 => Op::Get(0),
                    3 => Op::GetMarked(0),
                    _ => Op::Set(0, self.value(ops)),
                },
                19 if about.branches && self.one_in(4) => Op::Choose(2 + u32::from(self.one_in(3))),
                19 if about.branches && ops.iter().any(|op| decides(*op)) => {
                    let deciding: Vec<usize> =
                        (0..ops.len()).filter(|&at| decides(ops[at])).collect();
                    Op::SkipIf {
                        register: self.pick(&deciding),
                        value: self.below(3) as u64,
                        skip: 1 + usize::from(self.one_in(3)),
                    }
                }
                _ => continue,
            };
        }
    }

    fn about(&mut self) -> About {
        About {
            strength: self.pick(&[
                Strength::Relaxed,
                Strength::ReleaseAcquire,
                Strength::ReleaseAcquire,
                Strength::Sc,
                Strength::AllSc,
                Strength::Mixed,
                Strength::Mixed,
                Strength::Mixed,
            ]),
            words: self.pick(&[1, 2, 2, 2, 2, 3]),
            fences: self.one_in(2),
            waits: self.one_in(3),
            locks: self.one_in(4),
            cells: self.one_in(3),
            objects: self.one_in(3),
            branches: self.one_in(2),
        }
    }

    /// A program of at most so many operations, 4 at least.
    pub(crate) fn program(&mut self, most: usize) -> Program {
        if self.one_in(2) {
            return self.made_up(most);
        }
        let litmus = LITMUS.iter().map(|litmus| litmus.threads);
        let counts = COUNTS.iter().map(|count| count.threads);
        let programs: Vec<_> = litmus
            .chain(counts)
            .filter(|threads| {
                let ops = threads.iter().map(|ops| ops.len()).sum::<usize>();
                threads.len() <= 4 && (4..=most).contains(&ops)
            })
            .collect();
        let threads = self.pick(&programs);
        self.varied(threads, most)
    }

    /// A litmus test with other orderings, and some operations changed or put in.
    fn varied(&mut self, threads: &[&[Op]], most: usize) -> Program {
        let about = self.about();
        let mut lists: Vec<Vec<Op>> = threads.iter().map(|ops| ops.to_vec()).collect();
        for op in lists.iter_mut().flatten() {
            *op = self.reordered(*op, about.strength);
            if self.one_in(10) {
                *op = self.changed(*op, about.strength);
            }
        }
        if about.cells {
            let word = self.below(2);
            make_cell(&mut lists, word);
        }
        let ops = lists.iter().flatten().count();
        let added = self.below(3).min(most - ops);
        for _ in 0..added {
            let t = self.below(lists.len());
            let at = self.below(lists[t].len() + 1);
            let op = match self.one_in(2) {
                true => Op::Fence(self.fence_order(about.strength)),
                false => self.op(about, &lists[t][..at]),
            };
            insert(&mut lists[t], at, op);
        }
        if about.objects {
            self.make_object(&mut lists);
        }
        let lists: Vec<&[Op]> = lists.iter().map(Vec::as_slice).collect();
        Program::new(&lists)
    }

    /// Make the cell an object: its accesses are uses, and some thread's last one frees it.
    fn make_object(&mut self, lists: &mut [Vec<Op>]) {
        let is_access = |op: &Op| matches!(op.place(), Some(Place::Cell(_)));
        let accesses = lists.iter().map(|ops| ops.iter().rposition(is_access));
        let last: Vec<(usize, usize)> = accesses
            .enumerate()
            .filter_map(|(thread, last)| Some((thread, last?)))
            .collect();
        if last.is_empty() {
            return;
        }
        let (thread, at) = self.pick(&last);
        for op in lists.iter_mut().flatten().filter(|op| is_access(op)) {
            *op = Op::Use(0);
        }
        lists[thread][at] = Op::Free(0);
        if self.one_in(16) {
            let (thread, at) = self.pick(&last);
            lists[thread][at] = Op::Free(0);
        }
    }

    /// The same operation with other orderings.
    fn reordered(&mut self, op: Op, strength: Strength) -> Op {
        match op {
            Op::Load(word, _) => Op::Load(word, self.read_order(strength)),
            Op::Store(word, value, _) => Op::Store(word, value, self.write_order(strength)),
            Op::Rmw(word, update, ..) => Op::Rmw(
                word,
                update,
                self.update_order(strength),
                self.read_order(strength),
            ),
            Op::Await(word, condition, _) => Op::Await(word, condition, self.read_order(strength)),
            Op::AwaitRmw(word, condition, update, _) => {
                Op::AwaitRmw(word, condition, update, self.update_order(strength))
            }
            Op::Fence(_) => Op::Fence(self.fence_order(strength)),
            other => other,
        }
    }

    /// Another operation on the same word, that answers a value where this one does.
    fn changed(&mut self, op: Op, strength: Strength) -> Op {
        let Some(Place::Word(word)) = op.place() else {
            return op;
        };
        match self.below(4) {
            0 if !decides(op) => Op::Store(
                word,
                Value::Constant(self.below(3) as u64),
                self.write_order(strength),
            ),
            0 | 1 => Op::Load(word, self.read_order(strength)),
            2 => Op::Await(word, self.condition(), self.read_order(strength)),
            _ => Op::Rmw(
                word,
                self.update(),
                self.update_order(strength),
                self.read_order(strength),
            ),
        }
    }

    /// A program of its own.
    fn made_up(&mut self, most: usize) -> Program {
        let about = self.about();
        let threads = self.pick(&[2, 2, 2, 3, 3, 4]);
        // Rather more than fewer.
        let total = 4 + self.below(most - 3).max(self.below(most - 3));
        let mut lists: Vec<Vec<Op>> = vec![Vec::new(); threads];
        let mut left = total;
        // The last thread may be begun by another one, which may wait for it, and which the last but
        // one may be, too.
        let mut spawned = Vec::new();
        if self.one_in(8) {
            let nested = threads > 2 && total > 4 && self.one_in(2);
            let parent = if nested {
                threads - 2
            } else {
                self.below(threads - 1)
            };
            spawned.push((parent, threads - 1, self.one_in(2)));
            if nested {
                spawned.push((self.below(threads - 2), threads - 2, self.one_in(2)));
            }
        }
        let ops_of = |&(_, _, joins): &(usize, usize, bool)| 1 + usize::from(joins);
        left -= spawned.iter().map(ops_of).sum::<usize>().min(left);
        for i in 0..left {
            let t = if i < threads { i } else { self.below(threads) };
            let op = self.op(about, &lists[t]);
            lists[t].push(op);
        }
        for (parent, child, joins) in spawned {
            let list = &mut lists[parent];
            let at = self.below(list.len() + 1);
            insert(list, at, Op::Spawn(child));
            if joins {
                let after = at + 1 + self.below(list.len() - at);
                insert(list, after, Op::Join(child));
            }
        }
        if about.objects {
            self.make_object(&mut lists);
        }
        let lists: Vec<&[Op]> = lists.iter().map(Vec::as_slice).collect();
        let mut program = Program::new(&lists);
        for word in &mut program.words {
            *word = u64::from(self.one_in(4));
        }
        program
    }
}

impl Random {
    /// A program with so many sections and grace periods.
    pub(crate) fn program_with_sections(
        &mut self,
        most: usize,
        sections: usize,
        grace_periods: usize,
    ) -> Program {
        loop {
            let mut program = self.program(most);
            let lists = &mut program.threads;
            for _ in 0..sections {
                let thread = self.below(lists.len());
                let list = &mut lists[thread];
                let begin = self.below(list.len() + 1);
                let end = begin + self.below(list.len() + 1 - begin);
                insert(list, end, Op::ReadUnlock);
                insert(list, begin, Op::ReadLock);
            }
            for _ in 0..grace_periods {
                let thread = self.below(lists.len());
                let list = &mut lists[thread];
                let at = self.below(list.len() + 1);
                insert(list, at, Op::Synchronize);
            }
            // What a cell holds is known only when all is.
            let stores_cell = |ops: &Vec<Op>| {
                ops.iter().any(|op| match op {
                    Op::Store(_, Value::Plus(register, _), _)
                    | Op::Set(_, Value::Plus(register, _)) => {
                        matches!(ops[*register], Op::Get(_))
                    }
                    _ => false,
                })
            };
            if lists.iter().all(|ops| has_plain_sections(ops)) && !lists.iter().any(stores_cell) {
                return program;
            }
        }
    }
}

/// Whether nothing in a section waits or begins a thread, no section is empty or in another one,
/// and nothing is skipped in one or jumps into one.
fn has_plain_sections(ops: &[Op]) -> bool {
    let mut begun = None;
    for (at, op) in ops.iter().enumerate() {
        match (op, begun) {
            (Op::ReadLock, None) => {
                let reaches = |(i, op): (usize, &Op)| match op {
                    Op::SkipIf { skip, .. } => i + 1 + skip > at,
                    _ => false,
                };
                if ops[..at].iter().enumerate().any(reaches) {
                    return false;
                }
                begun = Some(at);
            }
            (Op::ReadUnlock, Some(begin)) if at > begin + 1 => begun = None,
            (Op::ReadLock | Op::ReadUnlock, _) => return false,
            (Op::SkipIf { .. } | Op::Spawn(_) | Op::Synchronize, Some(_)) => return false,
            (op, Some(_)) if op.condition().is_some() => return false,
            // Where the lock is not held it is no step.
            (Op::Unlock(_), Some(_)) => return false,
            _ => {}
        }
    }
    begun.is_none()
}

/// Make the word a cell, if nothing but loads and stores is done to it, and nothing is decided by
/// its value.
fn make_cell(lists: &mut [Vec<Op>], word: usize) {
    let of_word = |op: &Op| op.place() == Some(Place::Word(word));
    let possible = lists.iter().all(|ops| {
        ops.iter().all(|op| match *op {
            Op::SkipIf { register, .. } => !of_word(&ops[register]),
            Op::Load(..) | Op::Store(..) => true,
            _ => !of_word(op),
        })
    });
    let has_cells = |op: &Op| matches!(op.place(), Some(Place::Cell(_)));
    if !possible || lists.iter().flatten().any(has_cells) {
        return;
    }
    for op in lists.iter_mut().flatten().filter(|op| of_word(op)) {
        *op = match *op {
            Op::Store(_, value, _) => Op::Set(0, value),
            _ => Op::Get(0),
        };
    }
}

/// Put an operation into a list. What follows moves on, and with it what registers mean.
fn insert(list: &mut Vec<Op>, at: usize, op: Op) {
    for op in list.iter_mut() {
        match op {
            Op::SkipIf { register, .. }
            | Op::Store(_, Value::Plus(register, _), _)
            | Op::Set(_, Value::Plus(register, _))
                if *register >= at =>
            {
                *register += 1;
            }
            _ => {}
        }
    }
    list.insert(at, op);
}

/// Whether an operation answers a value that may be stored.
fn has_value(op: Op) -> bool {
    decides(op) || matches!(op, Op::Get(_))
}

/// Whether an operation answers a value that may decide what is done. Those of cells do not: what
/// a cell holds is not part of an execution.
fn decides(op: Op) -> bool {
    matches!(
        op,
        Op::Load(..)
            | Op::Rmw(..)
            | Op::Await(..)
            | Op::AwaitRmw(..)
            | Op::TryLock(_)
            | Op::Choose(_)
    )
}
