// SPDX-License-Identifier: GPL-2.0-only
//! What an engine is: the one trait behind every primitive of [`crate::sync`].
//!
//! A model never talks to an engine. It uses atomics, locks, cells, allocations and threads, and
//! each of their methods becomes one [`Action`] on one [`ObjectId`], performed by the engine that
//! the current run was started with. Actions are plain data: an engine can compare them, write
//! them down, decide whether two of them commute, and ask whether one could go ahead right now.
//!
//! A *step* is one action together with everything its thread does before it asks for the next
//! one. An engine interleaves steps.

use super::violation::{Violation, ViolationKind};
pub use std::sync::atomic::Ordering;

/// An object that steps can be about, as its engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// A thread of the run, in the order in which threads came into being; the first one is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u32);

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// An atomic word with its first value.
    Atomic(u64),
    /// A lock that nobody holds yet.
    Lock,
    /// Plain memory. Two accesses of which one is a write, and which no happens-before edge
    /// orders, are a violation of this kind.
    Plain(ViolationKind),
    /// Memory with a lifetime. A use after [`Action::Free`] is a violation of this kind.
    Allocation(ViolationKind),
    /// A set of read-side critical sections that a grace period waits for.
    Domain {
        /// Whether a section may wait for something that comes after a grace period, as one that
        /// sleeps can. Where none does, grace periods are far cheaper to explore.
        sections_wait: bool,
    },
    /// State of the model that is no memory of the kernel's: no action is performed on it.
    Shadow,
    /// The thread itself: the object of actions that are about no memory.
    Thread,
}

/// A read-modify-write of an atomic word. Those with a condition are one operation, not a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Add, wrapping around.
    Add(u64),
    /// Subtract, wrapping around.
    Sub(u64),
    /// Set bits.
    Or(u64),
    /// Clear bits.
    AndNot(u64),
    /// Replace.
    Swap(u64),
    /// Replace `old` by `new`; anything else is left alone.
    CompareExchange {
        /// The value that is replaced.
        old: u64,
        /// The value that is written.
        new: u64,
    },
    /// Where one of `any_set` is set (or `any_set` is 0) and all of `all_clear` are clear: clear
    /// `clear`, and add `add`, wrapping around.
    When {
        /// One of these must be set.
        any_set: u64,
        /// All of these must be clear.
        all_clear: u64,
        /// These are cleared.
        clear: u64,
        /// This is added then.
        add: u64,
    },
    /// Add `add` (wrapping around) unless the word is `unless`.
    AddUnless {
        /// What is added.
        add: u64,
        /// The value that is left alone.
        unless: u64,
    },
}

impl Update {
    /// The value written over `old`, or `None` where the condition fails and nothing is written.
    #[must_use]
    pub fn apply(self, old: u64) -> Option<u64> {
        match self {
            Self::Add(n) => Some(old.wrapping_add(n)),
            Self::Sub(n) => Some(old.wrapping_sub(n)),
            Self::Or(bits) => Some(old | bits),
            Self::AndNot(bits) => Some(old & !bits),
            Self::Swap(new) => Some(new),
            Self::CompareExchange { old: from, new } => (old == from).then_some(new),
            Self::When {
                any_set,
                all_clear,
                clear,
                add,
            } => {
                let holds = (any_set == 0 || old & any_set != 0) && old & all_clear == 0;
                holds.then(|| (old & !clear).wrapping_add(add))
            }
            Self::AddUnless { add, unless } => (old != unless).then(|| old.wrapping_add(add)),
        }
    }
}

/// What a waiting thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The word is this.
    Equal(u64),
    /// The word is not this.
    NotEqual(u64),
    /// All these bits are clear.
    Clear(u64),
    /// At least one of these bits is set.
    AnySet(u64),
}

impl Condition {
    /// Whether `value` ends the wait.
    #[must_use]
    pub fn holds(self, value: u64) -> bool {
        match self {
            Self::Equal(v) => value == v,
            Self::NotEqual(v) => value != v,
            Self::Clear(bits) => value & bits == 0,
            Self::AnySet(bits) => value & bits != 0,
        }
    }
}

/// One operation on one object. What it answers stands with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read an atomic word. Answers its value.
    Load(Ordering),
    /// Write an atomic word. Answers 0.
    Store(u64, Ordering),
    /// Read-modify-write. Answers the value before it. The second ordering is that of a failed
    /// condition, which reads only.
    Update(Update, Ordering, Ordering),
    /// Wait until the word meets the condition, and read it. Answers the value that ended the wait.
    Await(Condition, Ordering),
    /// Wait until the word meets the condition, and update it in the same step. Answers the value
    /// before it. Where the update has a condition that fails, the step reads only.
    AwaitUpdate(Condition, Update, Ordering),
    /// A memory fence. Its object is the thread.
    Fence(Ordering),
    /// Take a lock, waiting for it. Answers 1.
    Lock,
    /// Take a lock if it is free. Answers 1 if it was, else 0.
    TryLock,
    /// Give a lock back. Answers 0.
    Unlock,
    /// Read plain memory. Answers 0; the value is the model's.
    Read,
    /// Read plain memory in a way that may race with a write: the value is marked as such
    /// (`READ_ONCE`) or known to be benign. Answers 0, or the mark of the value where the engine
    /// keeps marks.
    ReadMarked,
    /// Write plain memory. Answers 0.
    Write,
    /// Use an allocation: fails where it is freed. On a domain, begin a read-side critical section.
    /// Answers 0.
    Touch,
    /// End an allocation's life. Answers 0.
    Free,
    /// Let an allocation live again: a static object that is initialised anew. Answers 0.
    Renew,
    /// Begin a grace period of a domain. Answers a number for [`Action::GracePeriodEnd`].
    GracePeriodBegin,
    /// Wait until every read-side critical section that had begun before the grace period has
    /// ended. Answers 0.
    GracePeriodEnd(u64),
    /// Count the grace periods of a domain that have begun. Answers their number.
    GracePeriodCount,
    /// Ask the engine for a number below this one; all are tried. Its object is the thread.
    Choose(u32),
    /// The first step of a thread. Its object is the thread.
    Start,
    /// Wait until every other thread has finished, but for daemons that wait: those are ended. Its
    /// object is the thread.
    Settle,
}

/// Which step a use of an allocation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The one that this thread performed last: the use is part of it.
    Last,
    /// The one that this thread performs next. For reading a field that never changes: nothing
    /// else can tell whether it was read just before that step or any earlier. A use that can be
    /// too late is then always found; what the thread does where it was not, after a free that
    /// came in between, is hidden behind it.
    Next,
}

/// How the run treats the threads that exist now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// One thread at a time, in a fixed order: a thread runs until it has to wait. For the
    /// sequential beginning and end of a scenario; an explorer has nothing to choose here.
    Alone,
    /// Every interleaving counts.
    Concurrent,
}

/// What runs in a thread.
pub type Body = Box<dyn FnOnce() + Send + 'static>;

/// The other side of [`crate::sync`]: performs actions, and decides who goes next.
///
/// All methods are called by the model's threads while they run. A method may not return where the
/// execution is over (a violation ended it, or the engine cut it short): the thread is unwound.
pub trait Engine {
    /// A new object. `owner` is the allocation it lies in: each action on it uses that allocation.
    fn create(&self, kind: ObjectKind, owner: Option<ObjectId>, name: &'static str) -> ObjectId;

    /// Perform an action. This is where other threads may come in between.
    fn perform(&self, object: ObjectId, action: Action) -> u64;

    /// Use an allocation without a step of its own.
    fn touch(&self, allocation: ObjectId, step: Step);

    /// Whether the allocation has been freed. No step, and no use either: for the checks that a
    /// model makes within a step that is ordered with the free by other means.
    fn is_freed(&self, allocation: ObjectId) -> bool;

    /// Begin a read-side critical section, as a step of its own. A nested one is no step.
    fn read_lock(&self, domain: ObjectId);

    /// End a read-side critical section, with this thread's last step.
    fn read_unlock(&self, domain: ObjectId);

    /// A new thread, begun by this thread's last step. A `daemon` may wait forever.
    fn spawn(&self, name: &str, daemon: bool, body: Body) -> ThreadId;

    /// The calling thread.
    fn current(&self) -> ThreadId;

    /// The object that stands for the calling thread.
    fn current_object(&self) -> ObjectId;

    /// From now on threads run like this.
    fn set_phase(&self, phase: Phase);

    /// Note a violation; a fatal one ends the execution. The engine adds the thread, the function
    /// and what it knows of the object.
    fn report(&self, violation: Violation);

    /// The calling thread enters a function of the model; [`Engine::leave`] follows.
    fn enter(&self, function: &'static str);

    /// The calling thread leaves the function it entered last.
    fn leave(&self);

    /// Run `f`, which contains at most one step and does not wait in it, so that what it does
    /// beside the step belongs to the step. Only an engine of real threads has to do anything.
    fn atomically(&self, f: &mut dyn FnMut()) {
        f();
    }

    /// Whether what a marked read of plain memory finds is the engine's to say: then
    /// [`Engine::mark`] tells it, and [`Action::ReadMarked`] answers it.
    fn keeps_marks(&self) -> bool {
        false
    }

    /// The model does something that the engine cannot run in all the ways that there are: the
    /// exploration ends as incomplete, for this reason. Does not return.
    fn give_up(&self, reason: &str) -> ! {
        panic!("{reason}")
    }

    /// What marked reads find from this thread's last write of plain memory on.
    fn mark(&self, object: ObjectId, value: u64) {
        let _ = (object, value);
    }

    /// Whether a grace period that has begun, by its number, was begun before the calling thread's
    /// last [`Action::GracePeriodCount`], which answered `count`.
    fn grace_period_precedes(&self, number: u64, count: u64) -> bool {
        number < count
    }

    /// Whether the engine tells states apart. Then it has to be told of everything that a thread can
    /// learn: what objects hold beside their words ([`Engine::content`]), when the thread looks at it
    /// without a step ([`Engine::look`]), and what it may forget ([`Engine::begin_summary`]).
    fn stores_states(&self) -> bool {
        false
    }

    /// What the object holds from the calling thread's last step on, as a digest; of a lock, from its
    /// next one on, which is the unlock.
    fn content(&self, object: ObjectId, digest: u64) {
        let _ = (object, digest);
    }

    /// The calling thread looks at what the object holds, within its last step.
    fn look(&self, object: ObjectId) {
        let _ = object;
    }

    /// What the calling thread learns from here to [`Engine::end_summary`] it forgets there.
    fn begin_summary(&self) {}

    /// All that the calling thread keeps of what it has learned since [`Engine::begin_summary`] is
    /// something with this digest.
    fn end_summary(&self, result: u64) {
        let _ = result;
    }

    /// All that the next thread that the calling one begins knows is its name and something with
    /// this digest.
    fn about(&self, digest: u64) {
        let _ = digest;
    }

    /// What the object is called in this run, for messages.
    fn object_name(&self, object: ObjectId) -> String;

    /// Whether the execution is over and threads are only being unwound. Destructors that would
    /// perform actions stay silent then.
    fn is_over(&self) -> bool;
}
