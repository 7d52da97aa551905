// SPDX-License-Identifier: GPL-2.0-only
//! What the primitives here show of the kernel's memory model, test by test.
//!
//! The kernel has a formal memory model, the LKMM (`tools/memory-model/`), and a collection of
//! small programs, each with an outcome that the model allows or forbids. Here is what
//! [`super`]'s primitives show of each under RC11. Most are *exact*. A row that is *weaker* can
//! report what no kernel does: a false alarm. A row that is *stronger* can miss what a kernel may
//! do. The test `lkmm` runs every row and fails where this table is wrong.
//!
//! Where that comes from, in short: RC11 knows no dependencies and forbids a load to be satisfied
//! by a later store; a lock in C11 orders nothing for whoever does not take it; and there is no
//! fence for stores, or for loads, alone.

/// What the LKMM says of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No kernel shows it.
    Never,
    /// A kernel may show it.
    Sometimes,
}

impl Verdict {
    /// As the kernel's own tests have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::Sometimes => "Sometimes",
        }
    }
}

/// What the primitives show of an outcome, beside what the LKMM says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The same.
    Exact,
    /// They show it, and the kernel forbids it: a false alarm.
    Weaker,
    /// They do not show it, and the kernel allows it: a miss.
    Stronger,
    /// There is no primitive to write the test with.
    Missing,
}

impl Layer {
    /// The name in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Weaker => "weaker",
            Self::Stronger => "stronger",
            Self::Missing => "missing",
        }
    }
}

/// A litmus test.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in the kernel's tree; those in lower case after the shape are ours.
    pub name: &'static str,
    /// What the LKMM says.
    pub lkmm: Verdict,
    /// What the primitives show.
    pub layer: Layer,
    /// Why, where that is not exact, or exact by luck.
    pub reason: &'static str,
}

impl Row {
    /// Whether the primitives show the outcome, under RC11. `None` where it cannot be written.
    #[must_use]
    pub fn is_shown(&self) -> Option<bool> {
        match self.layer {
            Layer::Exact => Some(self.lkmm == Verdict::Sometimes),
            Layer::Weaker => Some(true),
            Layer::Stronger => Some(false),
            Layer::Missing => None,
        }
    }

    const fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    const fn weaker(self, reason: &'static str) -> Self {
        let layer = Layer::Weaker;
        Self { layer, ..self }.because(reason)
    }

    const fn stronger(self, reason: &'static str) -> Self {
        let layer = Layer::Stronger;
        Self { layer, ..self }.because(reason)
    }

    const fn missing(self, reason: &'static str) -> Self {
        let layer = Layer::Missing;
        Self { layer, ..self }.because(reason)
    }
}

const fn never(name: &'static str) -> Row {
    Row {
        name,
        lkmm: Verdict::Never,
        layer: Layer::Exact,
        reason: "",
    }
}

const fn sometimes(name: &'static str) -> Row {
    Row {
        lkmm: Verdict::Sometimes,
        ..never(name)
    }
}

const NO_LOAD_BUFFERING: &str = "RC11 lets no load be satisfied by a later store";
const VACUOUS: &str =
    "for a reason that is not the kernel's: no load is satisfied by a later store";
const LOCKS: &str = "a lock in C11 orders what is under it for those only who take it, too";
const NO_IS_LOCKED: &str = "there is no spin_is_locked(); nothing that is modelled uses it";

/// The tests. `lkmm` asserts each against what the engines show.
pub const ROWS: &[Row] = &[
    // One variable.
    never("CoRR+poonceonce+Once"),
    never("CoRW+poonceonce+Once"),
    never("CoWR+poonceonce+Once"),
    never("CoWW+poonceonce"),
    // Message passing.
    sometimes("MP+poonceonces"),
    never("MP+pooncerelease+poacquireonce"),
    never("MP+fencewmbonceonce+fencermbonceonce"),
    never("MP+onceassign+derefonce")
        .because("rcu_dereference() is an acquire here, as no dependency orders anything"),
    sometimes("MP+onceassign+derefonce-independent")
        .stronger("rcu_dereference() is an acquire here, and orders what does not depend on it"),
    never("MP+polocks"),
    never("MP+porevlocks"),
    sometimes("MP+polockonce+poacquiresilsil").missing(NO_IS_LOCKED),
    never("MP+polockmbonce+poacquiresilsil").missing(NO_IS_LOCKED),
    never("MP+unlocklockonceonce+fencermbonceonce").weaker(LOCKS),
    never("MP+clearbitunlock+waitonbit"),
    // Store buffering.
    sometimes("SB+poonceonces"),
    sometimes("SB+pooncerelease+poacquireonce"),
    sometimes("SB+rfionceonce-poonceonces"),
    never("SB+fencembonceonces"),
    never("SB+xchgs"),
    never("SB+cmpxchgs"),
    never("SB+testandsetbits"),
    never("SB+testandclearbits"),
    sometimes("SB+setbits"),
    never("SB+atomicincreturns"),
    never("SB+atomicdecandtests"),
    sometimes("SB+refcountdecandtests"),
    sometimes("SB+atomicincs"),
    never("SB+atomicincs-beforeatomic"),
    never("SB+atomicincs-afteratomic"),
    sometimes("cmpxchg-fail-unordered-1"),
    sometimes("cmpxchg-fail-unordered-2"),
    never("cmpxchg-fail-ordered-1"),
    never("cmpxchg-fail-ordered-2"),
    // Load buffering.
    sometimes("LB+poonceonces").stronger(NO_LOAD_BUFFERING),
    never("LB+poacquireonce+pooncerelease").because(VACUOUS),
    never("LB+fencembonceonce+ctrlonceonce").because(VACUOUS),
    never("LB+unlocklockonceonce+poacquireonce").because(VACUOUS),
    never("dep+plain").because(VACUOUS),
    // Two writes of one variable.
    sometimes("R+poonceonces"),
    never("R+fencembonceonces"),
    sometimes("S+poonceonces"),
    never("S+fencewmbonceonce+poacquireonce"),
    sometimes("S+fencewmbonceonce+fencermbonceonce")
        .stronger("smp_rmb() is an acquire fence here, and orders later stores, too"),
    // Three and four contexts.
    sometimes("WRC+poonceonces+Once"),
    never("WRC+pooncerelease+fencermbonceonce+Once"),
    sometimes("WRC+fencewmbonceonce+fencermbonceonce+Once")
        .stronger("smp_wmb() is a release fence here, and orders earlier loads, too"),
    sometimes("IRIW+poonceonces+OnceOnce"),
    never("IRIW+fencembonceonces+OnceOnce"),
    sometimes("ISA2+poonceonces"),
    never("ISA2+pooncerelease+poacquirerelease+poacquireonce"),
    never("ISA2+pooncelock+pooncelock+pombonce").weaker(LOCKS),
    sometimes("Z6.0+pooncelock+pooncelock+pombonce"),
    never("Z6.0+pooncelock+poonceLock+pombonce"),
    sometimes("Z6.0+pooncerelease+poacquirerelease+fencembonceonce"),
    // Atomic operations, and references.
    never("Atomic-RMW-ops-are-atomic-WRT-atomic_set"),
    never("Atomic-RMW+mb__after_atomic-is-stronger-than-acquire"),
    never("MP+refcountdecandtests"),
    sometimes("MP+fetchsubrelaxeds"),
    // Locks.
    sometimes("DCL-broken"),
    never("DCL-fixed"),
    never("RM-fixed"),
    // RCU.
    never("RCU+sync+read"),
    never("RCU+sync+free"),
    sometimes("RCU+sync+two-readers"),
];
