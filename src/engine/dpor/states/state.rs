// SPDX-License-Identifier: GPL-2.0-only
//! One state of a program: a flat array of numbers.
//!
//! Everything that a later step could depend on is a cell of it: the value of each word, what each
//! lock protects, where each thread is, who waits for which section, what each thread knows to
//! happen before. A cell that was never written is 0, so that two states need not have the same
//! number of cells. Writes are logged and can be taken back, and a fingerprint of the whole is kept
//! up to date with each, so that going to a state and back costs what the step between changes.

/// What stands for a state among those seen. Two states that differ have the same one with a
/// chance of about one in 2^128.
pub(super) type Fingerprint = u128;

/// A cell's place.
pub(super) type CellIndex = u32;

/// Where the log stood at some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

/// The cells, and how they came to be what they are.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    cells: Vec<u64>,
    fingerprint: Fingerprint,
    log: Vec<(CellIndex, u64)>,
}

impl State {
    pub(super) fn get(&self, cell: CellIndex) -> u64 {
        self.cells.get(cell as usize).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, cell: CellIndex, value: u64) {
        let old = self.get(cell);
        if old != value {
            self.log.push((cell, old));
            self.put(cell, old, value);
        }
    }

    fn put(&mut self, cell: CellIndex, old: u64, value: u64) {
        let index = cell as usize;
        if index >= self.cells.len() {
            self.cells.resize(index + 1, 0);
        }
        self.cells[index] = value;
        self.fingerprint = self
            .fingerprint
            .wrapping_sub(contribution(cell, old))
            .wrapping_add(contribution(cell, value));
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// Take back every write since `mark`.
    pub(super) fn go_back(&mut self, mark: Mark) {
        while self.log.len() > mark.0 {
            let (cell, old) = self.log.pop().expect("the log is longer");
            let value = self.get(cell);
            self.put(cell, value, old);
        }
    }

    /// What was written so far is never taken back.
    pub(super) fn forget_log(&mut self) {
        self.log.clear();
    }
}

/// What a cell adds to the fingerprint; nothing where it is 0.
fn contribution(cell: CellIndex, value: u64) -> u128 {
    if value == 0 {
        return 0;
    }
    let place = u64::from(cell).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let low = scramble(value ^ scramble(place));
    let high = scramble(value.rotate_left(32) ^ scramble(place ^ 0xd1b5_4a32_d192_ed03) ^ low);
    u128::from(high) << 64 | u128::from(low)
}

/// A bijection of 64-bit numbers in which every bit of the input counts (the finalizer of
/// SplitMix64; Steele, Lea, Flood, OOPSLA 2014).
pub(in super::super) fn scramble(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// A fingerprint of a sequence of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Trail {
    low: u64,
    high: u64,
}

impl Trail {
    /// The empty sequence.
    pub(super) const EMPTY: Self = Self { low: 1, high: 2 };

    pub(super) fn add(&mut self, number: u64) {
        self.low = scramble(self.low.rotate_left(23) ^ number);
        self.high = scramble(
            self.high.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.rotate_left(17) ^ self.low,
        );
    }

    pub(super) fn fingerprint(self) -> Fingerprint {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Trail};

    #[test]
    fn going_back_restores_cells_and_fingerprint() {
        let mut state = State::default();
        state.set(3, 7);
        state.set(200, 1);
        let (mark, before) = (state.mark(), state.fingerprint());
        state.set(3, 0);
        state.set(5, 9);
        state.set(3, 8);
        assert_ne!(state.fingerprint(), before);
        state.go_back(mark);
        assert_eq!(state.fingerprint(), before);
        assert_eq!([state.get(3), state.get(5), state.get(200)], [7, 0, 1]);
    }

    #[test]
    fn the_fingerprint_is_of_the_cells_and_not_of_the_way_there() {
        let (mut one, mut other) = (State::default(), State::default());
        one.set(1, 2);
        one.set(9, 4);
        other.set(9, 5);
        other.set(9, 4);
        other.set(700, 1);
        other.set(1, 2);
        other.set(700, 0);
        assert_eq!(one.fingerprint(), other.fingerprint());
        other.set(1, 4);
        other.set(9, 2);
        assert_ne!(one.fingerprint(), other.fingerprint());
    }

    #[test]
    fn trails_depend_on_the_order() {
        let trail = |numbers: &[u64]| {
            let mut trail = Trail::EMPTY;
            numbers.iter().for_each(|n| trail.add(*n));
            trail
        };
        assert_ne!(trail(&[1, 2]), trail(&[2, 1]));
        assert_ne!(trail(&[0]), trail(&[]));
        assert_ne!(trail(&[0, 0]), trail(&[0]));
    }
}
