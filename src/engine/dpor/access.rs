// SPDX-License-Identifier: GPL-2.0-only
//! Which steps commute.
//!
//! A step accesses objects, each in a mode. Two steps of different threads are dependent when they
//! access the same object in modes that conflict; only then does their order matter. All of the
//! explorer's soundness rests on this relation: where two steps are called independent, running
//! them in either order must lead to the same state and leave both possible.
//!
//! (Mazurkiewicz, "Trace theory", 1986; Godefroid, "Partial-order methods for the verification of
//! concurrent systems", LNCS 1032, 1996.)

use serde::{Deserialize, Serialize};

/// How a step accesses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    /// Commutes with other reads: loads, failed updates, uses of an allocation, the beginning and
    /// the end of a read-side critical section.
    Read,
    /// Commutes with its like, but not with a read: the beginning of a grace period. Two of them
    /// do not see each other; each sees which sections are open.
    Snapshot,
    /// Commutes with nothing.
    Write,
}

impl Mode {
    /// Whether the order of two accesses in these modes to one object matters.
    pub(super) fn conflicts(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::Read, Self::Read) | (Self::Snapshot, Self::Snapshot)
        )
    }
}

/// One access of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    /// The object's index.
    pub(super) object: u32,
    /// How.
    pub(super) mode: Mode,
    /// The object's value before, where it has one: tells whether a thread that waits for the
    /// object could have gone on before this step.
    pub(super) old: u64,
    /// Whether the step waited for this: what it conflicts with could not have come after it.
    pub(super) awaited: bool,
}

/// Whether two steps of different threads are dependent.
pub(super) fn dependent(a: &[Access], b: &[Access]) -> bool {
    a.iter().any(|x| {
        b.iter()
            .any(|y| x.object == y.object && x.mode.conflicts(y.mode))
    })
}

#[cfg(test)]
mod tests {
    use super::Mode;

    #[test]
    fn only_reads_and_only_snapshots_commute() {
        use Mode::{Read, Snapshot, Write};
        for (a, b, conflict) in [
            (Read, Read, false),
            (Snapshot, Snapshot, false),
            (Read, Snapshot, true),
            (Read, Write, true),
            (Snapshot, Write, true),
            (Write, Write, true),
        ] {
            assert_eq!(a.conflicts(b), conflict);
            assert_eq!(b.conflicts(a), conflict);
        }
    }
}
