// SPDX-License-Identifier: GPL-2.0-only
//! One call of a primitive, weakened: what [`crate::mutants`] runs scenarios with.
//!
//! Every primitive that can be weakened asks, when it is called, whether this very call is to be: it
//! is `#[track_caller]`, so the place in the source that called it is known, and the lifecycle's
//! code needs to know nothing of all this. A primitive that is made of others and is
//! `#[track_caller]` hands its caller's place down to them; so an ordering is relaxed for one call
//! of it at a time. What stands in a closure, or in a function that is not `#[track_caller]`, is a
//! call by itself, of the place where it stands. So a function of the lifecycle that is to be left out
//! one call at a time, such as `nfsd_file_put()`, has its body in a closure (`unless_skipped`); the
//! calls in it are weakened for all who call it.
//!
//! A run that is not instrumented asks one flag of its thread. [`Instrument::begin`] belongs to the
//! beginning of each execution: whatever thread of the operating system runs it has the instrument
//! then. That needs an engine that runs an execution on one such thread, as `dpor` does.

use super::{
    engine,
    engine::{Action, ObjectId, Ordering, ThreadId, Update},
    violation::{Violation, ViolationKind},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    panic::Location,
    sync::Arc,
};

/// What the violation of the false invariant says.
pub const SELF_TEST: &str = "self-test: every actor has run something of the lifecycle";

/// In what way a call is weakened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakening {
    /// It does nothing: no lock is taken, no reference got or put, nothing waited for, nothing
    /// written. Where it answers whether it succeeded, it says yes.
    Skip,
    /// Whatever it asks is taken for true, and what it does then is done.
    Always,
    /// Whatever it asks is taken for false.
    Never,
    /// It orders nothing.
    Relax,
    /// It is done after the next step of its thread.
    Later,
}

impl Weakening {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Skip,
        Self::Always,
        Self::Never,
        Self::Relax,
        Self::Later,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Always => "always",
            Self::Never => "never",
            Self::Relax => "relax",
            Self::Later => "later",
        }
    }
}

/// Where a call stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, from the root of the crate.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
    /// The column of the function's or method's name, from 1.
    pub column: u32,
}

impl Place {
    fn is(&self, location: &Location<'_>) -> bool {
        self.line == location.line()
            && self.column == location.column()
            && self.file == location.file()
    }
}

/// A call that is weakened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Which one.
    pub place: Place,
    /// How.
    pub weakening: Weakening,
}

/// What the executions of one exploration are run with, and what is noticed in them.
#[derive(Debug)]
pub struct Instrument {
    mutation: Option<Mutation>,
    /// Whether the places that are reached are kept.
    observes: bool,
    /// Of how many actors it is false that they do nothing; 0 where nobody says so.
    actors: usize,
    noticed: parking_lot::Mutex<Noticed>,
}

#[derive(Debug, Default)]
struct Noticed {
    applied: bool,
    /// By address, which stands for the place and is never shown.
    reached: BTreeMap<usize, &'static Location<'static>>,
    /// Of this execution: the threads of actors, and whether they have called a primitive.
    actors: BTreeMap<u32, bool>,
}

struct Deferred {
    thread: ThreadId,
    object: ObjectId,
    action: Action,
}

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static INSTRUMENT: RefCell<Option<Arc<Instrument>>> = const { RefCell::new(None) };
    static DEFERRED: RefCell<Vec<Deferred>> = const { RefCell::new(Vec::new()) };
    /// The threads that are in the middle of something that belongs together.
    static TOGETHER: RefCell<Vec<ThreadId>> = const { RefCell::new(Vec::new()) };
}

impl Instrument {
    /// Weaken a call.
    #[must_use]
    pub fn weakening(mutation: Mutation) -> Arc<Self> {
        Arc::new(Self {
            mutation: Some(mutation),
            observes: false,
            actors: 0,
            noticed: parking_lot::Mutex::default(),
        })
    }

    /// Weaken nothing, and notice which calls are made.
    #[must_use]
    pub fn observing() -> Arc<Self> {
        Arc::new(Self {
            mutation: None,
            observes: true,
            actors: 0,
            noticed: parking_lot::Mutex::default(),
        })
    }

    /// Weaken nothing, and hold it for an invariant that not all of so many actors ever run anything
    /// of the lifecycle: which is false.
    #[must_use]
    pub fn claiming_idleness(actors: usize) -> Arc<Self> {
        Arc::new(Self {
            mutation: None,
            observes: true,
            actors,
            noticed: parking_lot::Mutex::default(),
        })
    }

    /// An execution begins on the calling thread of the operating system, with or without an
    /// instrument.
    pub fn begin(instrument: Option<&Arc<Self>>) {
        ACTIVE.set(instrument.is_some());
        DEFERRED.with_borrow_mut(Vec::clear);
        TOGETHER.with_borrow_mut(Vec::clear);
        if let Some(instrument) = instrument {
            instrument.noticed.lock().actors.clear();
        }
        INSTRUMENT.with_borrow_mut(|slot| *slot = instrument.cloned());
    }

    /// Whether the call was ever made, and weakened.
    #[must_use]
    pub fn was_applied(&self) -> bool {
        self.noticed.lock().applied
    }

    /// The places of all calls that were made.
    #[must_use]
    pub fn reached(&self) -> BTreeSet<Place> {
        let noticed = self.noticed.lock();
        let places = noticed.reached.values().map(|location| Place {
            file: location.file(),
            line: location.line(),
            column: location.column(),
        });
        places.collect()
    }

    /// The calling thread is that of an actor.
    pub fn begin_actor() {
        INSTRUMENT.with_borrow(|slot| {
            if let Some(instrument) = slot {
                let me = super::thread::current().0;
                instrument.noticed.lock().actors.insert(me, false);
            }
        });
    }

    /// Whether the last of the actors runs something of the lifecycle for the first time.
    fn notice(&self, location: &'static Location<'static>) -> bool {
        let mut noticed = self.noticed.lock();
        let address = std::ptr::from_ref(location) as usize;
        noticed.reached.insert(address, location);
        if self.actors == 0 || !location.file().starts_with("src/nfsd/") {
            return false;
        }
        let me = super::thread::current().0;
        match noticed.actors.get_mut(&me) {
            Some(active) if !*active => *active = true,
            _ => return false,
        }
        noticed.actors.len() == self.actors && noticed.actors.values().all(|active| *active)
    }
}

/// The calling function is called: only noticed.
#[inline]
#[track_caller]
pub(crate) fn reached() {
    let _ = is_weakened(None);
}

/// Whether this call of the calling primitive is weakened like that.
#[inline]
#[track_caller]
pub(crate) fn is(weakening: Weakening) -> bool {
    is_weakened(Some(weakening))
}

/// Whether this call of the calling primitive does nothing.
#[inline]
#[track_caller]
pub(crate) fn is_skipped() -> bool {
    is(Weakening::Skip)
}

/// For a function that gets or puts a reference, or does else what its callers may do without: run
/// its body, if this call of the calling function is not left out. A call that is left out answers
/// `skipped`. The calls in the body are calls by themselves, of the place where they stand.
#[inline]
#[track_caller]
pub(crate) fn unless_skipped<R>(skipped: R, body: impl FnOnce() -> R) -> R {
    match is_skipped() {
        true => skipped,
        false => body(),
    }
}

/// Whether any call is weakened in this run.
pub(crate) fn weakens() -> bool {
    ACTIVE.get()
        && INSTRUMENT.with_borrow(|slot| slot.as_ref().is_some_and(|i| i.mutation.is_some()))
}

#[inline]
#[track_caller]
fn is_weakened(weakening: Option<Weakening>) -> bool {
    ACTIVE.get() && ask(weakening, Location::caller())
}

#[cold]
fn ask(weakening: Option<Weakening>, location: &'static Location<'static>) -> bool {
    let (is, is_false) = INSTRUMENT.with_borrow(|slot| {
        let Some(instrument) = slot else {
            return (false, false);
        };
        let is_false = instrument.observes && instrument.notice(location);
        let Some(mutation) = &instrument.mutation else {
            return (false, is_false);
        };
        let is = Some(mutation.weakening) == weakening && mutation.place.is(location);
        if is {
            instrument.noticed.lock().applied = true;
        }
        (is, is_false)
    });
    if is_false {
        super::report(Violation::of(ViolationKind::Warning, SELF_TEST));
    }
    is
}

/// Perform an action of the primitive that is called, if it is not weakened.
#[inline]
#[track_caller]
pub(super) fn perform(object: ObjectId, action: Action) -> u64 {
    if ACTIVE.get() {
        perform_weakened(object, action, Location::caller())
    } else {
        engine(|e| e.perform(object, action))
    }
}

/// Perform an action, and the `rest` of its step, before anything that was put off.
#[inline]
#[track_caller]
pub(super) fn perform_with<R>(object: ObjectId, action: Action, rest: impl FnOnce(u64) -> R) -> R {
    if !ACTIVE.get() {
        return rest(engine(|e| e.perform(object, action)));
    }
    let location = Location::caller();
    together(|| rest(perform_weakened(object, action, location)))
}

#[cold]
fn perform_weakened(object: ObjectId, action: Action, location: &'static Location<'static>) -> u64 {
    let is = |weakening| ask(Some(weakening), location);
    let relaxed = || is(Weakening::Relax);
    let action = match action {
        Action::Load(_) if is(Weakening::Never) => return 0,
        Action::Store(..) if is(Weakening::Skip) => return 0,
        Action::Fence(_) if relaxed() || is(Weakening::Skip) => return 0,
        Action::Store(..) | Action::Update(..) if is(Weakening::Later) => {
            let thread = super::thread::current();
            let deferred = Deferred {
                thread,
                object,
                action,
            };
            DEFERRED.with_borrow_mut(|all| all.push(deferred));
            // The answer is not looked at where this is done, but by a count that warns of 0.
            return 1;
        }
        Action::Update(..) if is(Weakening::Skip) => Action::Load(Ordering::Relaxed),
        Action::Await(..) if is(Weakening::Skip) => Action::Load(Ordering::Relaxed),
        Action::AwaitUpdate(_, update, order) if is(Weakening::Skip) => {
            Action::Update(update, order, Ordering::Relaxed)
        }
        Action::Load(_) if relaxed() => Action::Load(Ordering::Relaxed),
        Action::Store(value, _) if relaxed() => Action::Store(value, Ordering::Relaxed),
        Action::Update(update, ..) if relaxed() => {
            Action::Update(update, Ordering::Relaxed, Ordering::Relaxed)
        }
        Action::Await(condition, _) if relaxed() => Action::Await(condition, Ordering::Relaxed),
        Action::AwaitUpdate(condition, update, _) if relaxed() => {
            Action::AwaitUpdate(condition, update, Ordering::Relaxed)
        }
        other => other,
    };
    let answer = engine(|e| e.perform(object, action));
    catch_up();
    answer
}

/// What the running thread has put off is due: a step of it has been taken.
fn catch_up() {
    if DEFERRED.with_borrow(Vec::is_empty) {
        return;
    }
    let me = super::thread::current();
    if TOGETHER.with_borrow(|all| all.contains(&me)) {
        return;
    }
    let due = DEFERRED.with_borrow_mut(|all| {
        let due = all.extract_if(.., |deferred| deferred.thread == me);
        due.collect::<Vec<_>>()
    });
    for deferred in due {
        engine(|e| e.perform(deferred.object, deferred.action));
    }
}

/// Run `f`, of which at most one step belongs together: what was put off waits until its end.
pub(super) fn together<R>(f: impl FnOnce() -> R) -> R {
    if !ACTIVE.get() {
        return f();
    }
    let me = super::thread::current();
    if TOGETHER.with_borrow(|all| all.contains(&me)) {
        return f();
    }
    TOGETHER.with_borrow_mut(|all| all.push(me));
    let result = f();
    TOGETHER.with_borrow_mut(|all| all.retain(|thread| *thread != me));
    catch_up();
    result
}

/// The update that is made whatever its condition says.
pub(super) fn unconditional(update: Update) -> Update {
    match update {
        Update::AddUnless { add, .. } => Update::Add(add),
        Update::CompareExchange { new, .. } => Update::Swap(new),
        Update::When { clear, add, .. } => Update::When {
            any_set: 0,
            all_clear: 0,
            clear,
            add,
        },
        other => other,
    }
}
