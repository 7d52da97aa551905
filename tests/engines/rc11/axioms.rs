// SPDX-License-Identifier: GPL-2.0-only
//! The axioms of RC11, and those of sequential consistency.
//!
//! Written down as in section 3 of Lahav, Vafeiadis, Kang, Hur and Dreyer, "Repairing sequential
//! consistency in C/C++11" (PLDI 2017), with one difference: the release sequence.
//!
//! # The release sequence
//!
//! The paper has `rs = [W]; sb|loc?; [W⊒rlx]; (rf; rmw)*`: the relaxed stores that the thread of a
//! release store makes to the same word later belong to its release sequence. C++20 has dropped
//! that part (P0982), and so has GenMC, whose `--rc11` since 0.10 has `[W⊒rlx]; (rf; rmw)*`. Here
//! it is as in C++20 and GenMC; the explorers do the same. [`ReleaseSequence`] keeps the paper's
//! variant, for the tests that show the difference.
//!
//! # The SC order
//!
//! Here it is the paper's: `scb` has `sb|≠loc; hb; sb|≠loc`, so that two stores of a thread to one
//! word, one after the other, may be merged. So had GenMC until 0.9. Since 0.10 its `--rc11` has
//! `sb; hb; sb`, which is nearer to C++20 and forbids a little more. [`Scb`] keeps that variant, to
//! compare with what GenMC counts.
//!
//! # What is not in the paper
//!
//! * Threads that begin threads. The operation that begins one is an event ([`Kind::Spawn`]), and
//!   so is the first step of the new thread ([`Kind::Begin`]): a pair that synchronizes, like a
//!   release and an acquire of a place of their own.
//! * Waits are reads (or updates) that happened; one that goes on for ever is no event.
//! * A mutex is a word: taking it is an acquire update of 0 to 1, giving it back a release store
//!   of 0, and failing to take it a relaxed read of 1.
//! * A read-side critical section and a grace period do not overlap: either the end of the section
//!   synchronizes with that of the grace period, or the beginning of the grace period with that of
//!   the section. An execution is one where some choice, for each pair of them, breaks no axiom.
//!   Nothing comes out of thin air where a grace period waits for itself; that a section sees what a
//!   grace period saw is not part of that axiom, which hardware does not know either.
//! * An object that may be freed is used rightly where each use happens before the one free.
//! * Accesses to cells are events with a place, but without reads-from and modification order. In
//!   an execution without a race those follow from happens-before, and can close no cycle.

use nfsd_check::sync::engine::Ordering;

/// The most events a candidate may have.
pub(crate) const MAX_EVENTS: usize = 64;

/// A set of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set(u64);

/// A relation between events: row `a` has bit `b` where `(a, b)` is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    events: usize,
    rows: [u64; MAX_EVENTS],
}

impl Relation {
    pub(crate) fn empty(events: usize) -> Self {
        assert!(events <= MAX_EVENTS, "too many events for the oracle");
        Self {
            events,
            rows: [0; MAX_EVENTS],
        }
    }

    /// `[S]`: each event of the set with itself.
    pub(crate) fn identity_on(events: usize, set: Set) -> Self {
        let mut relation = Self::empty(events);
        for a in 0..events {
            relation.rows[a] = set.0 & (1 << a);
        }
        relation
    }

    pub(crate) fn insert(&mut self, a: usize, b: usize) {
        self.rows[a] |= 1 << b;
    }

    pub(crate) fn contains(&self, a: usize, b: usize) -> bool {
        self.rows[a] & (1 << b) != 0
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = Self::empty(self.events);
        for a in 0..self.events {
            result.rows[a] = f(self.rows[a], other.rows[a]);
        }
        result
    }

    /// `self; next`.
    pub(crate) fn then(&self, next: &Self) -> Self {
        let mut result = Self::empty(self.events);
        for a in 0..self.events {
            let mut between = self.rows[a];
            while between != 0 {
                result.rows[a] |= next.rows[between.trailing_zeros() as usize];
                between &= between - 1;
            }
        }
        result
    }

    pub(crate) fn inverse(&self) -> Self {
        let mut result = Self::empty(self.events);
        for a in 0..self.events {
            for b in 0..self.events {
                if self.contains(a, b) {
                    result.insert(b, a);
                }
            }
        }
        result
    }

    /// `self?`.
    pub(crate) fn optional(&self) -> Self {
        let mut result = *self;
        for a in 0..self.events {
            result.insert(a, a);
        }
        result
    }

    /// `self⁺`.
    pub(crate) fn plus(&self) -> Self {
        let mut result = *self;
        for between in 0..self.events {
            for a in 0..self.events {
                if result.contains(a, between) {
                    result.rows[a] |= result.rows[between];
                }
            }
        }
        result
    }

    /// `self*`.
    pub(crate) fn star(&self) -> Self {
        self.plus().optional()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows[..self.events].iter().all(|&row| row == 0)
    }

    pub(crate) fn is_irreflexive(&self) -> bool {
        (0..self.events).all(|a| !self.contains(a, a))
    }

    pub(crate) fn is_acyclic(&self) -> bool {
        self.plus().is_irreflexive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Fence,
    /// A choice: it has an answer, and nothing else.
    Choice,
    /// A use of an object that may be freed.
    Use,
    /// The end of its life.
    Free,
    /// Another thread is begun.
    Spawn,
    /// A thread that another one has begun makes its first step.
    Begin,
    /// The beginning of a read-side critical section.
    ReadLock,
    /// Its end.
    ReadUnlock,
    /// The beginning of a grace period.
    GracePeriodBegin,
    /// Its end.
    GracePeriodEnd,
}

/// The access mode of an event, weakest first; `Acquire` and `Release` are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    NotAtomic,
    Relaxed,
    Acquire,
    Release,
    AcquireRelease,
    SequentiallyConsistent,
}

impl Mode {
    /// Of a fence.
    pub(crate) fn of_fence(order: Ordering) -> Self {
        match order {
            Ordering::Acquire => Self::Acquire,
            Ordering::Release => Self::Release,
            Ordering::AcqRel => Self::AcquireRelease,
            Ordering::SeqCst => Self::SequentiallyConsistent,
            other => panic!("no fence has the ordering {other:?}"),
        }
    }

    /// Of a read, or of the read of an update.
    pub(crate) fn of_read(order: Ordering) -> Self {
        match order {
            Ordering::Acquire | Ordering::AcqRel => Self::Acquire,
            Ordering::SeqCst => Self::SequentiallyConsistent,
            _ => Self::Relaxed,
        }
    }

    /// Of a write, or of the write of an update.
    pub(crate) fn of_write(order: Ordering) -> Self {
        match order {
            Ordering::Release | Ordering::AcqRel => Self::Release,
            Ordering::SeqCst => Self::SequentiallyConsistent,
            _ => Self::Relaxed,
        }
    }

    fn is_atomic(self) -> bool {
        self != Self::NotAtomic
    }

    /// `⊒ acq`
    fn acquires(self) -> bool {
        matches!(
            self,
            Self::Acquire | Self::AcquireRelease | Self::SequentiallyConsistent
        )
    }

    /// `⊒ rel`
    fn releases(self) -> bool {
        matches!(
            self,
            Self::Release | Self::AcquireRelease | Self::SequentiallyConsistent
        )
    }

    /// `= sc`
    fn is_sc(self) -> bool {
        self == Self::SequentiallyConsistent
    }
}

/// What the axioms look at in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) kind: Kind,
    /// The place it accesses, by any numbering.
    pub(crate) place: Option<usize>,
    pub(crate) mode: Mode,
}

/// A candidate execution: events, and the relations that it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) labels: Vec<Label>,
    /// Sequenced before; the initial writes before everything else.
    pub(crate) sb: Relation,
    /// Reads-from, from the write to the read.
    pub(crate) rf: Relation,
    /// Modification order: for each word, all its writes in a total order.
    pub(crate) mo: Relation,
    /// The read of an update to its write.
    pub(crate) rmw: Relation,
    /// Additionally synchronizes with: from what begins a thread to the thread's first event, and
    /// from the end of a section to that of a grace period that waited for it.
    pub(crate) asw: Relation,
    /// From the beginning of a grace period to that of a section that began later, and sees what
    /// the grace period saw.
    pub(crate) sees: Relation,
}

/// Which release sequence: see above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseSequence {
    Cxx20,
    Paper,
}

/// Which part of happens-before between SC accesses the SC order follows: see above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scb {
    Paper,
    /// As in GenMC since 0.10.
    AnyPlace,
}

/// A variant of RC11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) release_sequence: ReleaseSequence,
    pub(crate) scb: Scb,
}

/// What is called RC11 everywhere else.
pub(crate) const RC11: Variant = Variant {
    release_sequence: ReleaseSequence::Cxx20,
    scb: Scb::Paper,
};

/// The axiom that a candidate breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Coherence,
    Atomicity,
    Sc,
    NoThinAir,
}

impl Candidate {
    fn events(&self) -> usize {
        self.labels.len()
    }

    /// `[S]` for the events of which this holds.
    fn only(&self, holds: impl Fn(&Label) -> bool) -> Relation {
        let mut set = Set(0);
        for (a, label) in self.labels.iter().enumerate() {
            if holds(label) {
                set.0 |= 1 << a;
            }
        }
        Relation::identity_on(self.events(), set)
    }

    /// The pairs that access one place. An event without a place is in none.
    fn same_place(&self) -> Relation {
        let mut relation = Relation::empty(self.events());
        for (a, x) in self.labels.iter().enumerate() {
            for (b, y) in self.labels.iter().enumerate() {
                if x.place.is_some() && x.place == y.place {
                    relation.insert(a, b);
                }
            }
        }
        relation
    }

    /// Reads-before: from a read to the writes that come after the one it reads.
    ///
    /// `rb = rf⁻¹; mo`, without the pairs of an event with itself. An update is two events here,
    /// so there are no such pairs.
    pub(crate) fn rb(&self) -> Relation {
        self.rf.inverse().then(&self.mo)
    }

    /// `eco = (rf ∪ mo ∪ rb)⁺`
    pub(crate) fn eco(&self) -> Relation {
        self.rf.union(&self.mo).union(&self.rb()).plus()
    }

    /// The release sequence of a write.
    pub(crate) fn rs(&self, variant: Variant) -> Relation {
        let writes = self.only(|e| e.kind == Kind::Write);
        let atomic_writes = self.only(|e| e.kind == Kind::Write && e.mode.is_atomic());
        let updates = self.rf.then(&self.rmw).star();
        let head = match variant.release_sequence {
            ReleaseSequence::Cxx20 => atomic_writes,
            ReleaseSequence::Paper => {
                let sb_loc = self.sb.intersection(&self.same_place());
                writes.then(&sb_loc.optional()).then(&atomic_writes)
            }
        };
        head.then(&updates)
    }

    /// `sw = [E⊒rel]; ([F]; sb)?; rs; rf; [R⊒rlx]; (sb; [F])?; [E⊒acq]`
    pub(crate) fn sw(&self, variant: Variant) -> Relation {
        let releases = self.only(|e| e.mode.releases());
        let acquires = self.only(|e| e.mode.acquires());
        let fences = self.only(|e| e.kind == Kind::Fence);
        let atomic_reads = self.only(|e| e.kind == Kind::Read && e.mode.is_atomic());
        releases
            .then(&fences.then(&self.sb).optional())
            .then(&self.rs(variant))
            .then(&self.rf)
            .then(&atomic_reads)
            .then(&self.sb.then(&fences).optional())
            .then(&acquires)
    }

    /// `hb = (sb ∪ sw ∪ asw ∪ sees)⁺`
    pub(crate) fn hb(&self, variant: Variant) -> Relation {
        let sw = self.sw(variant).union(&self.asw).union(&self.sees);
        self.sb.union(&sw).plus()
    }

    /// `scb = sb ∪ sb|≠loc; hb; sb|≠loc ∪ hb|loc ∪ mo ∪ rb`
    pub(crate) fn scb(&self, variant: Variant, hb: &Relation) -> Relation {
        let same_place = self.same_place();
        let sb_elsewhere = match variant.scb {
            Scb::Paper => self.sb.minus(&same_place),
            Scb::AnyPlace => self.sb,
        };
        self.sb
            .union(&sb_elsewhere.then(hb).then(&sb_elsewhere))
            .union(&hb.intersection(&same_place))
            .union(&self.mo)
            .union(&self.rb())
    }

    /// `psc_base = ([Esc] ∪ [Fsc]; hb?); scb; ([Esc] ∪ hb?; [Fsc])`
    pub(crate) fn psc_base(&self, variant: Variant, hb: &Relation) -> Relation {
        let sc = self.only(|e| e.mode.is_sc());
        let sc_fences = self.only(|e| e.kind == Kind::Fence && e.mode.is_sc());
        let before = sc.union(&sc_fences.then(&hb.optional()));
        let after = sc.union(&hb.optional().then(&sc_fences));
        before.then(&self.scb(variant, hb)).then(&after)
    }

    /// `psc_F = [Fsc]; (hb ∪ hb; eco; hb); [Fsc]`
    pub(crate) fn psc_fences(&self, hb: &Relation) -> Relation {
        let sc_fences = self.only(|e| e.kind == Kind::Fence && e.mode.is_sc());
        let between = hb.union(&hb.then(&self.eco()).then(hb));
        sc_fences.then(&between).then(&sc_fences)
    }

    /// `hb; eco?` is irreflexive.
    pub(crate) fn is_coherent(&self, hb: &Relation) -> bool {
        hb.then(&self.eco().optional()).is_irreflexive()
    }

    /// `rmw ∩ (rb; mo) = ∅`
    pub(crate) fn is_atomic(&self) -> bool {
        self.rmw.intersection(&self.rb().then(&self.mo)).is_empty()
    }

    /// RC11.
    pub(crate) fn rc11(&self, variant: Variant) -> Result<(), Broken> {
        let hb = self.hb(variant);
        if !self.is_coherent(&hb) {
            return Err(Broken::Coherence);
        }
        if !self.is_atomic() {
            return Err(Broken::Atomicity);
        }
        let psc = self.psc_base(variant, &hb).union(&self.psc_fences(&hb));
        if !psc.is_acyclic() {
            return Err(Broken::Sc);
        }
        if !self.sb.union(&self.rf).union(&self.asw).is_acyclic() {
            return Err(Broken::NoThinAir);
        }
        Ok(())
    }

    /// Sequential consistency: `sb ∪ rf ∪ mo ∪ rb` is acyclic, and updates are atomic.
    pub(crate) fn sc(&self) -> Result<(), Broken> {
        if !self.is_atomic() {
            return Err(Broken::Atomicity);
        }
        let order = self.sb.union(&self.asw).union(&self.sees).union(&self.rf);
        if !order.union(&self.mo).union(&self.rb()).is_acyclic() {
            return Err(Broken::Sc);
        }
        Ok(())
    }

    /// The objects with a use that does not happen before their being freed, or freed twice.
    pub(crate) fn misused(&self, variant: Variant) -> Vec<usize> {
        self.misused_in(&self.hb(variant))
    }

    /// Of an execution of sequential consistency: the same, of those of its interleavings in which
    /// the use does come after the free.
    pub(crate) fn misused_in_order(&self) -> Vec<usize> {
        let order = self.sb.union(&self.asw).union(&self.sees).union(&self.rf);
        self.misused_in(&order.union(&self.mo).union(&self.rb()).plus())
    }

    fn misused_in(&self, before: &Relation) -> Vec<usize> {
        let mut places = Vec::new();
        for (a, free) in self.labels.iter().enumerate() {
            if free.kind != Kind::Free {
                continue;
            }
            for (b, other) in self.labels.iter().enumerate() {
                let misuses = match other.kind {
                    Kind::Use => !before.contains(b, a),
                    Kind::Free => a != b,
                    _ => false,
                };
                if misuses && other.place == free.place {
                    places.extend(free.place);
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The places of which two accesses race: neither happens before the other, both are not
    /// atomic, and one is a write.
    pub(crate) fn races(&self, variant: Variant) -> Vec<usize> {
        let hb = self.hb(variant);
        let mut places = Vec::new();
        for (a, x) in self.labels.iter().enumerate() {
            for (b, y) in self.labels.iter().enumerate().skip(a + 1) {
                let plain = !x.mode.is_atomic() && !y.mode.is_atomic();
                let writes = x.kind == Kind::Write || y.kind == Kind::Write;
                let ordered = hb.contains(a, b) || hb.contains(b, a);
                if let Some(place) = x.place
                    && x.place == y.place
                    && plain
                    && writes
                    && !ordered
                {
                    places.push(place);
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}
