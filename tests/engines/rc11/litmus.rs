// SPDX-License-Identifier: GPL-2.0-only
//! Litmus tests by name, with what is known about them.
//!
//! The outcome that each asks for is the one that sequential consistency forbids, unless it says
//! otherwise; whether RC11 allows it is the literature's answer. The numbers of executions of
//! [`COUNTS`] are those that GenMC is tested for (`tests/correct/litmus` of 0.11.0, `--rc11` and
//! `--sc`, with modification orders counted), but for two, where they are those of GenMC 0.9: its
//! SC order has changed since, see [`super::axioms`]. Those of [`LITMUS`] were counted by hand, as the
//! product of the choices for reads-from and modification order less those that an axiom forbids,
//! where GenMC has no such test.

use super::{
    enumerate::Execution,
    program::{Op, Place, Program, Value, short::*},
};
use nfsd_check::sync::engine::Condition;

/// A part of an outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    /// The operation of this index of this thread read this.
    Read(usize, usize, u64),
    /// The word is this at the end.
    Last(usize, u64),
    /// This thread waits for ever.
    Blocked(usize),
    /// Two accesses race for this cell.
    Race(usize),
}

use Seen::{Blocked, Last, Race, Read};

impl Seen {
    fn holds(self, program: &Program, execution: &Execution) -> bool {
        match self {
            Read(thread, op, value) => execution.read(thread, op) == Some(value),
            Last(word, value) => execution.last(program, Place::Word(word)) == value,
            Blocked(thread) => execution.blocked.contains(&thread),
            Race(cell) => execution.races.contains(&cell),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Litmus {
    pub(crate) name: &'static str,
    pub(crate) threads: &'static [&'static [Op]],
    pub(crate) outcome: &'static [Seen],
    /// Whether the outcome is possible: under RC11, and under SC.
    pub(crate) allowed: (bool, bool),
    /// How many executions there are: under RC11, and under SC.
    pub(crate) executions: (usize, usize),
}

impl Litmus {
    pub(crate) fn program(&self) -> Program {
        Program::new(self.threads)
    }

    pub(crate) fn shows(&self, program: &Program, execution: &Execution) -> bool {
        let mut outcome = self.outcome.iter();
        outcome.all(|seen| seen.holds(program, execution))
    }
}

const NO: (bool, bool) = (false, false);
const WEAK: (bool, bool) = (true, false);
const YES: (bool, bool) = (true, true);

const fn litmus(
    name: &'static str,
    threads: &'static [&'static [Op]],
    outcome: &'static [Seen],
    allowed: (bool, bool),
    executions: (usize, usize),
) -> Litmus {
    Litmus {
        name,
        threads,
        outcome,
        allowed,
        executions,
    }
}

const BOTH_OLD: &[Seen] = &[Read(0, 1, 0), Read(1, 1, 0)];
const BOTH_OLD_FENCED: &[Seen] = &[Read(0, 2, 0), Read(1, 2, 0)];
const STALE: &[Seen] = &[Read(1, 0, 1), Read(1, 1, 0)];
const STALE_FENCED: &[Seen] = &[Read(1, 0, 1), Read(1, 2, 0)];
const FROM_THE_FUTURE: &[Seen] = &[Read(0, 0, 1), Read(1, 0, 1)];
const FIRST_WINS: &[Seen] = &[Last(X, 1), Last(Y, 1)];
const FIRST_WINS_EACH: &[Seen] = &[Last(X, 1), Last(Y, 1), Last(Z, 1)];
const WRC: &[Seen] = &[Read(1, 0, 1), Read(2, 0, 1), Read(2, 1, 0)];
const RWC: &[Seen] = &[Read(1, 0, 1), Read(1, 1, 0), Read(2, 1, 0)];
const RWC_FENCED: &[Seen] = &[Read(1, 0, 1), Read(1, 2, 0), Read(2, 2, 0)];
const IRIW: &[Seen] = &[Read(2, 0, 1), Read(2, 1, 0), Read(3, 0, 1), Read(3, 1, 0)];

pub(crate) const LITMUS: &[Litmus] = &[
    // ---- Store buffering ----
    litmus(
        "SB",
        &[
            &[store(X, 1, RLX), load(Y, RLX)],
            &[store(Y, 1, RLX), load(X, RLX)],
        ],
        BOTH_OLD,
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+rel+acq",
        &[
            &[store(X, 1, REL), load(Y, ACQ)],
            &[store(Y, 1, REL), load(X, ACQ)],
        ],
        BOTH_OLD,
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+sc",
        &[
            &[store(X, 1, SC), load(Y, SC)],
            &[store(Y, 1, SC), load(X, SC)],
        ],
        BOTH_OLD,
        NO,
        (3, 3),
    ),
    litmus(
        "SB+3sc+acq",
        &[
            &[store(X, 1, SC), load(Y, SC)],
            &[store(Y, 1, SC), load(X, ACQ)],
        ],
        BOTH_OLD,
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+3sc+rel",
        &[
            &[store(X, 1, SC), load(Y, SC)],
            &[store(Y, 1, REL), load(X, SC)],
        ],
        BOTH_OLD,
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+fences",
        &[
            &[store(X, 1, RLX), fence(SC), load(Y, RLX)],
            &[store(Y, 1, RLX), fence(SC), load(X, RLX)],
        ],
        BOTH_OLD_FENCED,
        NO,
        (3, 3),
    ),
    litmus(
        "SB+one-fence",
        &[
            &[store(X, 1, RLX), fence(SC), load(Y, RLX)],
            &[store(Y, 1, RLX), load(X, RLX)],
        ],
        &[Read(0, 2, 0), Read(1, 1, 0)],
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+acq-rel-fences",
        &[
            &[store(X, 1, RLX), fence(AR), load(Y, RLX)],
            &[store(Y, 1, RLX), fence(AR), load(X, RLX)],
        ],
        BOTH_OLD_FENCED,
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+2sc+fence",
        &[
            &[store(X, 1, SC), load(Y, SC)],
            &[store(Y, 1, RLX), fence(SC), load(X, RLX)],
        ],
        &[Read(0, 1, 0), Read(1, 2, 0)],
        NO,
        (3, 3),
    ),
    litmus(
        "SB+swaps-acq-rel",
        &[
            &[swap(X, 1, AR), load(Y, ACQ)],
            &[swap(Y, 1, AR), load(X, ACQ)],
        ],
        BOTH_OLD,
        WEAK,
        (4, 3),
    ),
    litmus(
        "SB+swaps-sc",
        &[
            &[swap(X, 1, SC), load(Y, SC)],
            &[swap(Y, 1, SC), load(X, SC)],
        ],
        BOTH_OLD,
        NO,
        (3, 3),
    ),
    // An update of one word by both is as good as a fence: the later one synchronizes with the
    // earlier one. Two orders, and in each the earlier thread reads either value.
    litmus(
        "SB+updates-of-one-word",
        &[
            &[store(X, 1, RLX), add(Z, 0, AR), load(Y, RLX)],
            &[store(Y, 1, RLX), add(Z, 0, AR), load(X, RLX)],
        ],
        BOTH_OLD_FENCED,
        NO,
        (4, 4),
    ),
    // Relaxed updates order nothing: two orders, and four outcomes in each.
    litmus(
        "SB+relaxed-updates-of-one-word",
        &[
            &[store(X, 1, RLX), add(Z, 0, RLX), load(Y, RLX)],
            &[store(Y, 1, RLX), add(Z, 0, RLX), load(X, RLX)],
        ],
        BOTH_OLD_FENCED,
        WEAK,
        (8, 4),
    ),
    // Reading one's own release store with an SC load does not make the store an SC one.
    litmus(
        "SB+rfis",
        &[
            &[store(X, 1, REL), load(X, SC), load(Y, SC)],
            &[store(Y, 1, REL), load(Y, SC), load(X, SC)],
        ],
        BOTH_OLD_FENCED,
        WEAK,
        (4, 3),
    ),
    // ---- Message passing ----
    litmus(
        "MP",
        &[
            &[store(X, 1, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), load(X, RLX)],
        ],
        STALE,
        WEAK,
        (4, 3),
    ),
    litmus(
        "MP+rel+acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        STALE,
        NO,
        (3, 3),
    ),
    litmus(
        "MP+rel+rlx",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, RLX), load(X, RLX)],
        ],
        STALE,
        WEAK,
        (4, 3),
    ),
    litmus(
        "MP+rlx+acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, RLX)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        STALE,
        WEAK,
        (4, 3),
    ),
    litmus(
        "MP+sc",
        &[
            &[store(X, 1, RLX), store(Y, 1, SC)],
            &[load(Y, SC), load(X, RLX)],
        ],
        STALE,
        NO,
        (3, 3),
    ),
    litmus(
        "MP+relf+acqf",
        &[
            &[store(X, 1, RLX), fence(REL), store(Y, 1, RLX)],
            &[load(Y, RLX), fence(ACQ), load(X, RLX)],
        ],
        STALE_FENCED,
        NO,
        (3, 3),
    ),
    litmus(
        "MP+relf+acq",
        &[
            &[store(X, 1, RLX), fence(REL), store(Y, 1, RLX)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        STALE,
        NO,
        (3, 3),
    ),
    litmus(
        "MP+rel+acqf",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, RLX), fence(ACQ), load(X, RLX)],
        ],
        STALE_FENCED,
        NO,
        (3, 3),
    ),
    litmus(
        "MP+scf+scf",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 1, RLX)],
            &[load(Y, RLX), fence(SC), load(X, RLX)],
        ],
        STALE_FENCED,
        NO,
        (3, 3),
    ),
    // The wrong fences: they order nothing here.
    litmus(
        "MP+acqf+relf",
        &[
            &[store(X, 1, RLX), fence(ACQ), store(Y, 1, RLX)],
            &[load(Y, RLX), fence(REL), load(X, RLX)],
        ],
        STALE_FENCED,
        WEAK,
        (4, 3),
    ),
    // A wait is a read: it goes on once y is 1, and then x must be 1, too.
    litmus(
        "MP+wait",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[Op::Await(Y, Condition::Equal(1), ACQ), load(X, RLX)],
        ],
        STALE,
        NO,
        (1, 1),
    ),
    litmus(
        "MP+relaxed-wait",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[Op::Await(Y, Condition::Equal(1), RLX), load(X, RLX)],
        ],
        STALE,
        WEAK,
        (2, 1),
    ),
    // A wait may see that y was 1 before, or not: then it is 2 for ever.
    litmus(
        "missed-wake-up",
        &[
            &[store(Y, 1, REL), store(Y, 2, REL)],
            &[Op::Await(Y, Condition::Equal(1), ACQ)],
        ],
        &[Blocked(1)],
        YES,
        (2, 2),
    ),
    // ---- Cells ----
    litmus(
        "MP+cell",
        &[
            &[set(0, 1), store(Y, 1, REL)],
            &[load(Y, ACQ), skip_if(0, 0, 1), Op::Get(0)],
        ],
        &[Race(0)],
        NO,
        (2, 2),
    ),
    // Which accesses race is a matter of the declared orderings under SC, too.
    litmus(
        "MP+cell+rlx",
        &[
            &[set(0, 1), store(Y, 1, REL)],
            &[load(Y, RLX), skip_if(0, 0, 1), Op::Get(0)],
        ],
        &[Race(0)],
        YES,
        (2, 2),
    ),
    litmus(
        "MP+cell+marked",
        &[
            &[set(0, 1), store(Y, 1, REL)],
            &[load(Y, RLX), skip_if(0, 0, 1), Op::GetMarked(0)],
        ],
        &[Race(0)],
        NO,
        (2, 2),
    ),
    // ---- Load buffering: no cycles of sequenced-before and reads-from ----
    litmus(
        "LB",
        &[
            &[load(Y, RLX), store(X, 1, RLX)],
            &[load(X, RLX), store(Y, 1, RLX)],
        ],
        FROM_THE_FUTURE,
        NO,
        (3, 3),
    ),
    litmus(
        "LB+rel+acq",
        &[
            &[load(Y, ACQ), store(X, 1, REL)],
            &[load(X, ACQ), store(Y, 1, REL)],
        ],
        FROM_THE_FUTURE,
        NO,
        (3, 3),
    ),
    litmus(
        "LB+data",
        &[
            &[load(Y, RLX), copy(X, 0, RLX)],
            &[load(X, RLX), copy(Y, 0, RLX)],
        ],
        FROM_THE_FUTURE,
        NO,
        (3, 3),
    ),
    litmus(
        "LB+ctrl",
        &[
            &[load(Y, RLX), skip_if(0, 0, 1), store(X, 1, RLX)],
            &[load(X, RLX), store(Y, 1, RLX)],
        ],
        FROM_THE_FUTURE,
        NO,
        (2, 2),
    ),
    // ---- S, R, 2+2W ----
    litmus(
        "S",
        &[
            &[store(X, 2, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), store(X, 1, RLX)],
        ],
        &[Read(1, 0, 1), Last(X, 2)],
        WEAK,
        (4, 3),
    ),
    litmus(
        "S+rel+acq",
        &[
            &[store(X, 2, RLX), store(Y, 1, REL)],
            &[load(Y, ACQ), store(X, 1, RLX)],
        ],
        &[Read(1, 0, 1), Last(X, 2)],
        NO,
        (3, 3),
    ),
    litmus(
        "S+relf+acqf",
        &[
            &[store(X, 2, RLX), fence(REL), store(Y, 1, RLX)],
            &[load(Y, RLX), fence(ACQ), store(X, 1, RLX)],
        ],
        &[Read(1, 0, 1), Last(X, 2)],
        NO,
        (3, 3),
    ),
    litmus(
        "R",
        &[
            &[store(X, 1, RLX), store(Y, 1, RLX)],
            &[store(Y, 2, RLX), load(X, RLX)],
        ],
        &[Last(Y, 2), Read(1, 1, 0)],
        WEAK,
        (4, 3),
    ),
    litmus(
        "R+rel+acq",
        &[
            &[store(X, 1, REL), store(Y, 1, REL)],
            &[store(Y, 2, REL), load(X, ACQ)],
        ],
        &[Last(Y, 2), Read(1, 1, 0)],
        WEAK,
        (4, 3),
    ),
    litmus(
        "R+sc",
        &[
            &[store(X, 1, SC), store(Y, 1, SC)],
            &[store(Y, 2, SC), load(X, SC)],
        ],
        &[Last(Y, 2), Read(1, 1, 0)],
        NO,
        (3, 3),
    ),
    litmus(
        "R+3sc+acq",
        &[
            &[store(X, 1, SC), store(Y, 1, SC)],
            &[store(Y, 2, SC), load(X, ACQ)],
        ],
        &[Last(Y, 2), Read(1, 1, 0)],
        WEAK,
        (4, 3),
    ),
    litmus(
        "R+fences",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 1, RLX)],
            &[store(Y, 2, RLX), fence(SC), load(X, RLX)],
        ],
        &[Last(Y, 2), Read(1, 2, 0)],
        NO,
        (3, 3),
    ),
    litmus(
        "2+2W",
        &[
            &[store(X, 1, RLX), store(Y, 2, RLX)],
            &[store(Y, 1, RLX), store(X, 2, RLX)],
        ],
        FIRST_WINS,
        WEAK,
        (4, 3),
    ),
    litmus(
        "2+2W+rel",
        &[
            &[store(X, 1, REL), store(Y, 2, REL)],
            &[store(Y, 1, REL), store(X, 2, REL)],
        ],
        FIRST_WINS,
        WEAK,
        (4, 3),
    ),
    litmus(
        "2+2W+sc",
        &[
            &[store(X, 1, SC), store(Y, 2, SC)],
            &[store(Y, 1, SC), store(X, 2, SC)],
        ],
        FIRST_WINS,
        NO,
        (3, 3),
    ),
    litmus(
        "2+2W+3sc+rel1",
        &[
            &[store(X, 1, SC), store(Y, 2, SC)],
            &[store(Y, 1, REL), store(X, 2, SC)],
        ],
        FIRST_WINS,
        WEAK,
        (4, 3),
    ),
    litmus(
        "2+2W+3sc+rel2",
        &[
            &[store(X, 1, SC), store(Y, 2, SC)],
            &[store(Y, 1, SC), store(X, 2, REL)],
        ],
        FIRST_WINS,
        WEAK,
        (4, 3),
    ),
    litmus(
        "2+2W+fences",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 2, RLX)],
            &[store(Y, 1, RLX), fence(SC), store(X, 2, RLX)],
        ],
        FIRST_WINS,
        NO,
        (3, 3),
    ),
    litmus(
        "2+2W+2sc+fence",
        &[
            &[store(X, 1, SC), store(Y, 2, SC)],
            &[store(Y, 1, RLX), fence(SC), store(X, 2, RLX)],
        ],
        FIRST_WINS,
        NO,
        (3, 3),
    ),
    // ---- Three threads ----
    litmus(
        "WRC",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), load(X, RLX)],
        ],
        WRC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "WRC+rel+acq",
        &[
            &[store(X, 1, REL)],
            &[load(X, ACQ), store(Y, 1, REL)],
            &[load(Y, ACQ), load(X, ACQ)],
        ],
        WRC,
        NO,
        (7, 7),
    ),
    // What a thread has seen is known to whoever it synchronizes with, even where it was seen by
    // a relaxed load: two reads of one word in happens-before order.
    litmus(
        "WRC+rlx+rel+acq",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), store(Y, 1, REL)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        WRC,
        NO,
        (7, 7),
    ),
    litmus(
        "WRC+acq+rlx",
        &[
            &[store(X, 1, REL)],
            &[load(X, ACQ), store(Y, 1, RLX)],
            &[load(Y, ACQ), load(X, ACQ)],
        ],
        WRC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "ISA2",
        &[
            &[store(X, 1, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), store(Z, 1, RLX)],
            &[load(Z, RLX), load(X, RLX)],
        ],
        WRC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "ISA2+rel+acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, ACQ), store(Z, 1, REL)],
            &[load(Z, ACQ), load(X, RLX)],
        ],
        WRC,
        NO,
        (7, 7),
    ),
    litmus(
        "ISA2+rel+rlx+acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, RLX), store(Z, 1, REL)],
            &[load(Z, ACQ), load(X, RLX)],
        ],
        WRC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "RWC",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), load(Y, RLX)],
            &[store(Y, 1, RLX), load(X, RLX)],
        ],
        RWC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "RWC+sc",
        &[
            &[store(X, 1, SC)],
            &[load(X, SC), load(Y, SC)],
            &[store(Y, 1, SC), load(X, SC)],
        ],
        RWC,
        NO,
        (7, 7),
    ),
    // The SC order need not follow happens-before between different words.
    litmus(
        "RWC+acq+sc",
        &[
            &[store(X, 1, SC)],
            &[load(X, ACQ), load(Y, SC)],
            &[store(Y, 1, SC), load(X, SC)],
        ],
        RWC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "RWC+fences",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), fence(SC), load(Y, RLX)],
            &[store(Y, 1, RLX), fence(SC), load(X, RLX)],
        ],
        RWC_FENCED,
        NO,
        (7, 7),
    ),
    litmus(
        "RWC+acq-rel-fence+fence",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), fence(AR), load(Y, RLX)],
            &[store(Y, 1, RLX), fence(SC), load(X, RLX)],
        ],
        RWC_FENCED,
        WEAK,
        (8, 7),
    ),
    litmus(
        "W+RWC+fences",
        &[
            &[store(X, 1, RLX), store(Z, 1, REL)],
            &[load(Z, ACQ), fence(SC), load(Y, RLX)],
            &[store(Y, 1, RLX), fence(SC), load(X, RLX)],
        ],
        RWC_FENCED,
        NO,
        (7, 7),
    ),
    litmus(
        "W+RWC+rel+acq",
        &[
            &[store(X, 1, RLX), store(Z, 1, REL)],
            &[load(Z, ACQ), load(Y, SC)],
            &[store(Y, 1, SC), load(X, SC)],
        ],
        RWC,
        WEAK,
        (8, 7),
    ),
    litmus(
        "IRIW",
        &[
            &[store(X, 1, RLX)],
            &[store(Y, 1, RLX)],
            &[load(X, RLX), load(Y, RLX)],
            &[load(Y, RLX), load(X, RLX)],
        ],
        IRIW,
        WEAK,
        (16, 15),
    ),
    litmus(
        "IRIW+rel+acq",
        &[
            &[store(X, 1, REL)],
            &[store(Y, 1, REL)],
            &[load(X, ACQ), load(Y, ACQ)],
            &[load(Y, ACQ), load(X, ACQ)],
        ],
        IRIW,
        WEAK,
        (16, 15),
    ),
    litmus(
        "IRIW+sc",
        &[
            &[store(X, 1, SC)],
            &[store(Y, 1, SC)],
            &[load(X, SC), load(Y, SC)],
            &[load(Y, SC), load(X, SC)],
        ],
        IRIW,
        NO,
        (15, 15),
    ),
    litmus(
        "IRIW-acq-sc",
        &[
            &[store(X, 1, SC)],
            &[store(Y, 1, SC)],
            &[load(X, ACQ), load(Y, SC)],
            &[load(Y, ACQ), load(X, SC)],
        ],
        IRIW,
        WEAK,
        (16, 15),
    ),
    litmus(
        "IRIW+fences",
        &[
            &[store(X, 1, RLX)],
            &[store(Y, 1, RLX)],
            &[load(X, RLX), fence(SC), load(Y, RLX)],
            &[load(Y, RLX), fence(SC), load(X, RLX)],
        ],
        &[Read(2, 0, 1), Read(2, 2, 0), Read(3, 0, 1), Read(3, 2, 0)],
        NO,
        (15, 15),
    ),
    // ---- Z6 ----
    litmus(
        "Z6.0",
        &[
            &[store(X, 1, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), store(Z, 1, RLX)],
            &[store(Z, 2, RLX), load(X, RLX)],
        ],
        &[Read(1, 0, 1), Last(Z, 2), Read(2, 1, 0)],
        WEAK,
        (8, 7),
    ),
    litmus(
        "Z6.0+fences+acq",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 1, RLX)],
            &[load(Y, ACQ), store(Z, 1, RLX)],
            &[store(Z, 2, RLX), fence(SC), load(X, RLX)],
        ],
        &[Read(1, 0, 1), Last(Z, 2), Read(2, 2, 0)],
        NO,
        (7, 7),
    ),
    litmus(
        "Z6.1",
        &[
            &[store(X, 1, RLX), store(Y, 2, RLX)],
            &[store(Y, 1, RLX), store(Z, 2, RLX)],
            &[store(Z, 1, RLX), store(X, 2, RLX)],
        ],
        FIRST_WINS_EACH,
        WEAK,
        (8, 7),
    ),
    litmus(
        "Z6.1+sc",
        &[
            &[store(X, 1, SC), store(Y, 2, SC)],
            &[store(Y, 1, SC), store(Z, 2, SC)],
            &[store(Z, 1, SC), store(X, 2, SC)],
        ],
        FIRST_WINS_EACH,
        NO,
        (7, 7),
    ),
    litmus(
        "Z6.1+fences",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 2, RLX)],
            &[store(Y, 1, RLX), fence(SC), store(Z, 2, RLX)],
            &[store(Z, 1, RLX), fence(SC), store(X, 2, RLX)],
        ],
        FIRST_WINS_EACH,
        NO,
        (7, 7),
    ),
    litmus(
        "Z6.2",
        &[
            &[store(X, 2, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), store(Z, 1, RLX)],
            &[load(Z, RLX), store(X, 1, RLX)],
        ],
        &[Read(1, 0, 1), Read(2, 0, 1), Last(X, 2)],
        WEAK,
        (8, 7),
    ),
    litmus(
        "Z6.2+rel+acq",
        &[
            &[store(X, 2, RLX), store(Y, 1, REL)],
            &[load(Y, ACQ), store(Z, 1, REL)],
            &[load(Z, ACQ), store(X, 1, RLX)],
        ],
        &[Read(1, 0, 1), Read(2, 0, 1), Last(X, 2)],
        NO,
        (7, 7),
    ),
    // Modification order does not synchronize.
    litmus(
        "Z6.3+rel+acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[store(Y, 2, REL), store(Z, 1, REL)],
            &[load(Z, ACQ), load(X, ACQ)],
        ],
        &[Last(Y, 2), Read(2, 0, 1), Read(2, 1, 0)],
        WEAK,
        (8, 7),
    ),
    litmus(
        "Z6.3+fences+acq",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 1, RLX)],
            &[store(Y, 2, RLX), fence(SC), store(Z, 1, RLX)],
            &[load(Z, ACQ), load(X, RLX)],
        ],
        &[Last(Y, 2), Read(2, 0, 1), Read(2, 1, 0)],
        NO,
        (7, 7),
    ),
    litmus(
        "Z6.4+rel+acq",
        &[
            &[store(X, 1, REL), store(Y, 1, REL)],
            &[store(Y, 2, REL), load(Z, ACQ)],
            &[store(Z, 1, REL), load(X, ACQ)],
        ],
        &[Last(Y, 2), Read(1, 1, 0), Read(2, 1, 0)],
        WEAK,
        (8, 7),
    ),
    litmus(
        "Z6.4+fences",
        &[
            &[store(X, 1, RLX), fence(SC), store(Y, 1, RLX)],
            &[store(Y, 2, RLX), fence(SC), load(Z, RLX)],
            &[store(Z, 1, RLX), fence(SC), load(X, RLX)],
        ],
        &[Last(Y, 2), Read(1, 2, 0), Read(2, 2, 0)],
        NO,
        (7, 7),
    ),
    litmus(
        "Z6.5+rel+acq",
        &[
            &[store(X, 2, REL), store(Y, 1, REL)],
            &[store(Y, 2, REL), load(Z, ACQ)],
            &[store(Z, 1, REL), store(X, 1, REL)],
        ],
        &[Last(Y, 2), Read(1, 1, 0), Last(X, 2)],
        WEAK,
        (8, 7),
    ),
    litmus(
        "Z6.5+sc",
        &[
            &[store(X, 2, SC), store(Y, 1, SC)],
            &[store(Y, 2, SC), load(Z, SC)],
            &[store(Z, 1, SC), store(X, 1, SC)],
        ],
        &[Last(Y, 2), Read(1, 1, 0), Last(X, 2)],
        NO,
        (7, 7),
    ),
    // Happens-before between SC accesses need not agree with the SC order: the paper's example.
    litmus(
        "Z6.U",
        &[
            &[store(X, 1, SC), store(Y, 1, REL)],
            &[add(Y, 1, SC), load(Y, RLX)],
            &[store(Y, 3, SC), load(X, SC)],
        ],
        &[Read(1, 0, 1), Read(1, 1, 3), Read(2, 1, 0)],
        WEAK,
        (24, 18),
    ),
    // ---- Coherence: the same under both models ----
    litmus(
        "CoRR",
        &[
            &[store(X, 1, RLX), store(X, 2, RLX)],
            &[load(X, RLX), load(X, RLX)],
        ],
        &[Read(1, 0, 2), Read(1, 1, 1)],
        NO,
        (6, 6),
    ),
    litmus(
        "CoRR-of-two",
        &[
            &[store(X, 1, RLX)],
            &[store(X, 2, RLX)],
            &[load(X, RLX), load(X, RLX)],
            &[load(X, RLX), load(X, RLX)],
        ],
        &[Read(2, 0, 1), Read(2, 1, 2), Read(3, 0, 2), Read(3, 1, 1)],
        NO,
        (72, 72),
    ),
    litmus(
        "CoWW",
        &[&[store(X, 1, RLX), store(X, 2, RLX)]],
        &[Last(X, 1)],
        NO,
        (1, 1),
    ),
    litmus(
        "CoRW1",
        &[&[load(X, RLX), store(X, 1, RLX)]],
        &[Read(0, 0, 1)],
        NO,
        (1, 1),
    ),
    litmus(
        "CoRW2",
        &[&[load(X, RLX), store(X, 1, RLX)], &[store(X, 2, RLX)]],
        &[Read(0, 0, 2), Last(X, 2)],
        NO,
        (3, 3),
    ),
    litmus(
        "CoWR0",
        &[&[store(X, 1, RLX), load(X, RLX)]],
        &[Read(0, 1, 0)],
        NO,
        (1, 1),
    ),
    litmus(
        "CoWR",
        &[&[store(X, 1, RLX), load(X, RLX)], &[store(X, 2, RLX)]],
        &[Read(0, 1, 2), Last(X, 1)],
        NO,
        (3, 3),
    ),
    // ---- Updates ----
    litmus(
        "updates-of-one-value",
        &[&[add(X, 1, RLX)], &[add(X, 1, RLX)]],
        &[Read(0, 0, 0), Read(1, 0, 0)],
        NO,
        (2, 2),
    ),
    // The store is before or after the update, and not in between.
    litmus(
        "store-within-update",
        &[&[add(X, 1, RLX)], &[store(X, 4, RLX)]],
        &[Read(0, 0, 0), Last(X, 1)],
        NO,
        (2, 2),
    ),
    litmus(
        "CAS-by-two",
        &[&[cas(X, 0, 1, RLX, RLX)], &[cas(X, 0, 2, RLX, RLX)]],
        &[Read(0, 0, 0), Read(1, 0, 0)],
        NO,
        (2, 2),
    ),
    // One that fails is a load with the ordering for that: it does not synchronize here ...
    litmus(
        "MP+failed-CAS-rlx",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[cas(Y, 0, 2, AR, RLX), load(X, RLX)],
        ],
        STALE,
        WEAK,
        // It succeeds before the store (x is either), or fails.
        (4, 3),
    ),
    // ... and does here.
    litmus(
        "MP+failed-CAS-acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[cas(Y, 0, 2, RLX, ACQ), load(X, RLX)],
        ],
        STALE,
        NO,
        (3, 3),
    ),
    // One that fails writes nothing that a release could be attached to: reading y says nothing.
    litmus(
        "MP+failed-CAS-release",
        &[
            &[store(X, 1, RLX), cas(Y, 7, 1, AR, RLX)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        &[Read(1, 0, 0), Read(1, 1, 0)],
        YES,
        (2, 2),
    ),
    // ---- Release sequences ----
    // Through the update of another thread, relaxed as it is. Before the store in modification
    // order it is none of it: 5 executions; after it: 4.
    litmus(
        "MP+release-sequence",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[add(Y, 1, RLX)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        &[Read(1, 0, 1), Read(2, 0, 2), Read(2, 1, 0)],
        NO,
        (9, 9),
    ),
    // A store of another thread is none of it. 2 orders of y, 3 writes to read there, 2 of x;
    // reading 1 from y rules out 0 from x in each of the orders. Under SC, 2 that was written
    // after 1 does, too.
    litmus(
        "MP+release-sequence-cut",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[store(Y, 2, RLX)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        &[Last(Y, 2), Read(2, 0, 2), Read(2, 1, 0)],
        WEAK,
        (10, 9),
    ),
    // Nor is a later store of the thread itself, as of C++20.
    litmus(
        "MP+release-sequence-of-C++11",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL), store(Y, 2, RLX)],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        &[Read(1, 0, 2), Read(1, 1, 0)],
        WEAK,
        (5, 4),
    ),
    // But a release fence before it covers that one.
    litmus(
        "MP+release-fence-before-two",
        &[
            &[
                store(X, 1, RLX),
                fence(REL),
                store(Y, 1, RLX),
                store(Y, 2, RLX),
            ],
            &[load(Y, ACQ), load(X, RLX)],
        ],
        &[Read(1, 0, 2), Read(1, 1, 0)],
        NO,
        (4, 4),
    ),
    // ---- Locks ----
    litmus(
        "critical-sections",
        &[
            &[Op::Lock(0), load(X, RLX), store(X, 1, RLX), Op::Unlock(0)],
            &[Op::Lock(0), load(X, RLX), store(X, 2, RLX), Op::Unlock(0)],
        ],
        &[Read(0, 1, 0), Read(1, 1, 0)],
        NO,
        (2, 2),
    ),
    litmus(
        "critical-sections-of-cells",
        &[
            &[Op::Lock(0), set(0, 1), Op::Unlock(0)],
            &[Op::Lock(0), set(0, 2), Op::Unlock(0)],
        ],
        &[Race(0)],
        NO,
        (2, 2),
    ),
    litmus(
        "ABBA",
        &[
            &[Op::Lock(0), Op::Lock(1), Op::Unlock(1), Op::Unlock(0)],
            &[Op::Lock(1), Op::Lock(0), Op::Unlock(0), Op::Unlock(1)],
        ],
        &[Blocked(0), Blocked(1)],
        YES,
        (3, 3),
    ),
    // Before the other one takes the lock, while it holds it, and after.
    litmus(
        "try-lock",
        &[
            &[Op::Lock(0), Op::Unlock(0)],
            &[Op::TryLock(0), Op::Unlock(0)],
        ],
        &[Read(1, 0, 1)],
        YES,
        (3, 3),
    ),
    // To find a lock taken orders nothing.
    litmus(
        "MP+failed-try-lock",
        &[
            &[store(X, 1, RLX), Op::Lock(0)],
            &[Op::TryLock(0), load(X, RLX)],
        ],
        &[Read(1, 0, 1), Read(1, 1, 0)],
        WEAK,
        // The first to take it keeps it: the first thread (the second one fails, x is either) or
        // the second (the first waits for ever, x is either).
        (4, 3),
    ),
    // ---- Threads that begin threads ----
    litmus(
        "spawn",
        &[
            &[store(X, 1, RLX), Op::Spawn(1), store(X, 2, RLX)],
            &[load(X, RLX)],
        ],
        &[Read(1, 0, 0)],
        NO,
        (2, 2),
    ),
    litmus(
        "join",
        &[
            &[Op::Spawn(1), Op::Join(1), load(X, RLX)],
            &[store(X, 1, RLX)],
        ],
        &[Read(0, 2, 0)],
        NO,
        (1, 1),
    ),
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) name: &'static str,
    pub(crate) threads: &'static [&'static [Op]],
    /// How many executions there are: under RC11, and under SC.
    pub(crate) executions: (usize, usize),
}

const fn count(
    name: &'static str,
    threads: &'static [&'static [Op]],
    executions: (usize, usize),
) -> Count {
    Count {
        name,
        threads,
        executions,
    }
}

/// Programs whose executions GenMC counts.
///
/// Where GenMC's program uses plain memory in a way that is a race under RC11, and GenMC is told
/// not to mind, that is a relaxed word here.
pub(crate) const COUNTS: &[Count] = &[
    count(
        "2CoWR",
        &[
            &[load(Y, ACQ)],
            &[load(X, ACQ)],
            &[store(X, 1, REL)],
            &[store(Y, 1, REL)],
        ],
        (4, 4),
    ),
    count(
        "CoRR0",
        &[&[store(X, 1, REL)], &[load(X, ACQ)], &[load(X, ACQ)]],
        (4, 4),
    ),
    count(
        "CoRR1",
        &[
            &[store(X, 1, REL)],
            &[store(X, 2, REL)],
            &[load(X, ACQ), load(X, ACQ)],
            &[load(X, ACQ)],
        ],
        (36, 36),
    ),
    count(
        "IRIWish",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), copy(Y, 0, REL)],
            &[load(X, RLX), fence(AR), load(Y, RLX)],
            &[load(Y, RLX), fence(AR), load(X, RLX)],
        ],
        (28, 27),
    ),
    count(
        "JLT",
        &[
            &[store(X, 1, REL), load(Y, ACQ), load(X, ACQ)],
            &[store(X, 2, REL), load(X, ACQ)],
            &[store(Y, 3, REL)],
        ],
        (8, 8),
    ),
    count(
        "LB+fr-fr-data+data",
        &[
            &[load(X, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), load(Y, RLX), store(X, 1, RLX)],
            &[store(Y, 2, RLX)],
        ],
        (18, 16),
    ),
    count(
        "LB+incMPs",
        &[
            &[load(X, ACQ), add(Z, 1, AR)],
            &[add(Z, 1, AR), store(Y, 1, REL)],
            &[load(Y, ACQ), add(W, 1, AR)],
            &[add(W, 1, AR), store(X, 1, REL)],
        ],
        (15, 15),
    ),
    count(
        "LB3",
        &[
            &[load(X, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), store(Z, 1, RLX)],
            &[load(Z, RLX), store(X, 1, RLX)],
        ],
        (7, 7),
    ),
    count(
        "MCP-rrw",
        &[&[store(X, 1, REL)], &[store(X, 2, REL)], &[load(X, ACQ)]],
        (6, 6),
    ),
    count(
        "MP+incMP",
        &[
            &[load(Y, ACQ), add(Z, 1, AR)],
            &[add(Z, 1, AR), load(X, ACQ)],
            &[store(X, 1, REL), store(Y, 1, REL)],
        ],
        (7, 7),
    ),
    count(
        "MP+rels+acq",
        &[
            &[store(X, 1, RLX), store(Y, 0, REL), store(Y, 1, RLX)],
            // Whether it reads x depends on the value, and 0 is there twice.
            &[load(Y, ACQ), skip_if(0, 0, 1), load(X, RLX)],
        ],
        (4, 3),
    ),
    count(
        "MP+rels+acqf",
        &[
            &[store(X, 1, RLX), store(Y, 0, REL), store(Y, 1, RLX)],
            &[load(Y, RLX), skip_if(0, 0, 2), fence(ACQ), load(X, RLX)],
        ],
        (4, 3),
    ),
    count(
        "MP2",
        &[
            &[
                store(X, 1, RLX),
                store(Z, 1, RLX),
                fence(AR),
                store(Y, 1, RLX),
                store(W, 1, RLX),
            ],
            &[load(Y, RLX), fence(AR), load(X, RLX)],
            &[load(W, RLX), fence(AR), load(Z, RLX)],
        ],
        (9, 9),
    ),
    count(
        "MPU+rel+acq",
        &[
            &[set(0, 1), store(Y, 1, REL)],
            &[add(Y, 1, RLX)],
            &[load(Y, ACQ), skip_if(0, 0, 2), skip_if(0, 1, 1), set(0, 2)],
        ],
        (6, 6),
    ),
    count(
        "MPU+relf+acqf",
        &[
            &[set(0, 1), fence(REL), store(Y, 1, RLX)],
            &[add(Y, 1, RLX)],
            &[
                load(Y, RLX),
                skip_if(0, 0, 3),
                skip_if(0, 1, 2),
                fence(ACQ),
                set(0, 2),
            ],
        ],
        (6, 6),
    ),
    count(
        "MPU+rels+acq",
        &[
            &[store(X, 1, RLX), store(Y, 0, REL), store(Y, 1, RLX)],
            &[add(Y, 1, RLX)],
            &[
                load(Y, ACQ),
                skip_if(0, 0, 2),
                skip_if(0, 1, 1),
                store(X, 2, RLX),
            ],
        ],
        (13, 12),
    ),
    count(
        "MPU2+rel+acq",
        &[
            &[set(0, 1), store(Y, 1, REL)],
            &[cas(Y, 2, 3, RLX, RLX)],
            &[cas(Y, 1, 2, RLX, RLX)],
            &[
                load(Y, ACQ),
                skip_if(0, 0, 3),
                skip_if(0, 1, 2),
                skip_if(0, 2, 1),
                set(0, 2),
            ],
        ],
        (14, 14),
    ),
    count(
        "MPU2+rels+acq",
        &[
            &[store(X, 1, RLX), store(Y, 0, REL), store(Y, 1, RLX)],
            &[cas(Y, 2, 3, RLX, RLX)],
            &[cas(Y, 1, 2, RLX, RLX)],
            &[
                load(Y, ACQ),
                skip_if(0, 0, 3),
                skip_if(0, 1, 2),
                skip_if(0, 2, 1),
                store(X, 2, RLX),
            ],
        ],
        (36, 35),
    ),
    count(
        "RMWFix",
        &[
            &[load(Y, SC), skip_if(0, 0, 2), add(X, 1, SC), add(X, 1, SC)],
            &[add(X, 1, SC)],
            &[store(Y, 42, SC)],
        ],
        (4, 4),
    ),
    count(
        "S+rels+acq",
        &[
            &[store(X, 1, RLX), store(Y, 0, REL), store(Y, 1, RLX)],
            &[load(Y, ACQ), skip_if(0, 0, 1), store(X, 2, RLX)],
        ],
        (4, 3),
    ),
    count(
        "TC1",
        &[
            &[load(X, RLX), store(Y, 1, RLX)],
            &[load(Y, RLX), copy(X, 0, RLX)],
        ],
        (3, 3),
    ),
    count(
        "W+RRR+W",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), load(X, RLX), load(X, RLX)],
            &[store(X, 2, RLX)],
        ],
        (20, 20),
    ),
    count(
        "WRC+dep",
        &[
            &[store(X, 1, RLX)],
            &[load(X, RLX), copy(Y, 0, RLX)],
            &[load(Y, RLX), fence(AR), load(X, RLX)],
        ],
        (8, 7),
    ),
    count(
        "WWmerge1",
        &[
            &[load(X, ACQ), load(Y, SC)],
            &[store(X, 1, SC), store(X, 2, SC)],
            &[store(Y, 1, SC), load(X, SC)],
        ],
        (18, 15),
    ),
    count(
        "WWmerge2",
        &[
            &[load(X, ACQ), load(Y, SC)],
            &[store(X, 2, SC)],
            &[store(Y, 1, SC), load(X, SC)],
        ],
        (8, 7),
    ),
    count(
        "atomicpo",
        &[
            &[store(Y, 1, RLX), fence(AR), store(X, 1, RLX)],
            &[swap(X, 1, RLX), swap(Y, 1, RLX)],
        ],
        (4, 3),
    ),
    count(
        "ccr",
        &[
            &[cas(X, 0, 42, RLX, RLX)],
            &[cas(X, 0, 17, RLX, RLX), load(X, RLX)],
        ],
        (2, 2),
    ),
    count(
        "cii",
        &[
            &[cas(X, 1, 2, RLX, RLX)],
            &[add(X, 1, RLX)],
            &[add(X, 1, RLX)],
        ],
        (6, 6),
    ),
    count(
        "cumul-release",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, RLX), copy(Z, 0, RLX)],
            &[load(Z, RLX), fence(AR), load(X, RLX)],
        ],
        (8, 7),
    ),
    count(
        "default",
        &[
            &[load(X, ACQ), load(X, ACQ)],
            &[store(X, 1, REL)],
            &[store(X, 2, REL)],
        ],
        (12, 12),
    ),
    count(
        "detour",
        &[
            &[store(X, 1, RLX)],
            &[
                load(Z, RLX),
                Op::Store(X, Value::Plus(0, u64::MAX), RLX),
                load(X, RLX),
                copy(Y, 2, RLX),
            ],
            &[load(Y, RLX), copy(Z, 0, RLX)],
        ],
        (9, 9),
    ),
    count(
        "fr+w+w+w+reads",
        &[
            &[store(X, 1, RLX)],
            &[store(X, 2, RLX)],
            &[store(X, 3, RLX)],
            &[load(X, RLX), load(X, RLX), load(X, RLX), load(X, RLX)],
        ],
        (210, 210),
    ),
    count(
        "inc+inc+RR+W+RR",
        &[
            &[add(X, 1, RLX)],
            &[add(X, 1, RLX)],
            &[load(X, RLX), load(X, RLX)],
            &[store(X, 42, RLX)],
            &[load(X, RLX), load(X, RLX)],
        ],
        (600, 600),
    ),
    count(
        "inc2w",
        &[&[add(X, 1, RLX)], &[store(X, 4, REL)], &[add(X, 2, RLX)]],
        (6, 6),
    ),
    count(
        "ori",
        &[
            &[add(X, 1, RLX), store(Y, 1, REL)],
            &[cas(X, 0, 1, ACQ, ACQ)],
            &[load(Y, RLX), skip_if(0, 0, 1), store(X, 4, REL)],
        ],
        (5, 5),
    ),
    count(
        "peterZ",
        &[
            &[store(X, 1, RLX), fence(SC), load(Y, RLX)],
            &[store(Y, 1, RLX), store(Z, 1, REL)],
            &[load(Z, ACQ), fence(SC), load(X, RLX)],
        ],
        (7, 7),
    ),
    count(
        "po-loc",
        &[
            &[load(Y, RLX), fence(AR), load(X, RLX), store(X, 1, RLX)],
            &[load(X, RLX), copy(Y, 0, RLX)],
        ],
        (3, 3),
    ),
    count(
        "rel-B-cumul-acq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, RLX), copy(Z, 0, RLX)],
            &[load(Z, RLX), fence(AR), load(X, RLX)],
            &[load(Y, ACQ)],
        ],
        (16, 14),
    ),
    count(
        "rel-pporf",
        &[
            &[load(X, RLX), swap(Z, 1, REL), store(Y, 1, REL)],
            &[load(Y, RLX), store(X, 1, RLX)],
        ],
        (3, 3),
    ),
    count(
        "relacq-B-cumul",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL)],
            &[load(Y, ACQ), store(Z, 1, RLX)],
            &[load(Z, RLX), fence(AR), load(X, RLX)],
        ],
        (8, 7),
    ),
    count(
        "relseq",
        &[
            &[store(X, 1, RLX), store(Y, 1, REL), store(Y, 2, RLX)],
            &[swap(Y, 3, RLX)],
            &[load(Y, RLX), fence(AR), load(X, RLX)],
        ],
        (20, 16),
    ),
    count(
        "rfi-preserved",
        &[
            &[
                load(X, RLX),
                store(Y, 1, REL),
                load(Y, RLX),
                copy(Z, 2, RLX),
            ],
            &[load(Z, RLX), copy(X, 0, RLX)],
        ],
        (3, 3),
    ),
    count(
        "rii",
        &[&[load(X, RLX), add(X, 1, RLX)], &[add(X, 1, RLX)]],
        (3, 3),
    ),
    count(
        "rinc+wr",
        &[&[add(X, 1, RLX)], &[store(X, 2, RLX), load(X, RLX)]],
        (3, 3),
    ),
    count(
        "riwi",
        &[
            &[load(Y, RLX), add(X, 1, RLX)],
            &[add(X, 1, RLX), store(Y, 1, REL)],
        ],
        (3, 3),
    ),
    count(
        "small0",
        &[
            &[load(X, ACQ)],
            &[load(X, ACQ), store(X, 1, REL)],
            &[store(X, 2, REL)],
        ],
        (9, 9),
    ),
    count(
        "small1",
        &[
            &[load(Y, ACQ), load(Z, ACQ), load(X, ACQ)],
            &[store(X, 1, REL)],
            &[store(Y, 1, REL), store(Z, 1, REL)],
        ],
        (8, 8),
    ),
    count(
        "viktor-relseq",
        &[
            &[add(X, 1, ACQ), add(X, 1, RLX)],
            &[add(X, 1, RLX), add(X, 1, RLX)],
            &[add(X, 1, REL)],
            &[add(X, 1, RLX)],
        ],
        (180, 180),
    ),
    count(
        "wcii",
        &[
            &[store(X, 5, REL)],
            &[cas(X, 1, 2, RLX, RLX)],
            &[add(X, 1, RLX)],
            &[add(X, 1, RLX)],
        ],
        (24, 24),
    ),
    count(
        "wrw (2)",
        &[
            &[store(X, 1, REL)],
            &[load(X, RLX), store(X, 0, REL)],
            &[load(X, RLX), store(X, 1, REL)],
        ],
        (22, 22),
    ),
    count(
        "wrw (3)",
        &[
            &[store(X, 1, REL)],
            &[load(X, RLX), store(X, 0, REL)],
            &[load(X, RLX), store(X, 1, REL)],
            &[load(X, RLX), store(X, 2, REL)],
        ],
        (300, 300),
    ),
];

/// Programs of which GenMC counts only the executions with a certain outcome (`assume`).
pub(crate) const COUNTS_OF_OUTCOMES: &[Litmus] = &[
    litmus(
        "psc-ar",
        &[
            &[load(Y, RLX), fence(SC), load(Z, RLX)],
            &[store(Z, 1, RLX), fence(SC), store(X, 1, RLX)],
            &[load(X, RLX), skip_if(0, 0, 1), store(Y, 1, RLX)],
        ],
        &[Read(0, 0, 1), Read(0, 2, 0), Read(2, 0, 1)],
        WEAK,
        (1, 0),
    ),
    litmus(
        "psc-base-notin-ar",
        &[
            &[load(X, RLX), store(Y, 1, SC)],
            &[store(Y, 2, SC)],
            &[load(Y, SC), copy(X, 0, RLX)],
        ],
        &[Read(0, 0, 2), Read(2, 0, 2)],
        WEAK,
        (2, 1),
    ),
    litmus(
        "psc-sbhbsb",
        &[
            &[store(X, 1, SC), store(Y, 1, SC)],
            &[load(X, ACQ), load(Y, SC)],
        ],
        &[Read(1, 0, 1), Read(1, 1, 0)],
        YES,
        (1, 1),
    ),
    litmus(
        "WWR+2WR",
        &[
            &[store(X, 1, SC), store(Y, 1, SC), load(Z, SC)],
            &[store(Z, 1, SC), load(Y, SC)],
            &[store(Y, 2, SC), load(X, SC)],
        ],
        &[Read(0, 2, 0), Read(1, 1, 2), Read(2, 1, 0)],
        NO,
        (0, 0),
    ),
];
