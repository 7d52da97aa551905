// SPDX-License-Identifier: GPL-2.0-only
//! The primitives that the model is written against: loom's vocabulary, with loom's method names
//! and orderings, and the trait that an engine implements.
//!
//! The same model runs on every engine. Each primitive here is an index into the engine that the
//! current run was started with ([`with_engine`]); its methods become [`engine::Action`]s.
//!
//! Three things go beyond loom's vocabulary, because a kernel needs them and an explorer should
//! see them as what they are: a wait ([`atomic::AtomicU64::wait_until`]) is one operation that
//! blocks, not a loop; an [`alloc::Allocation`] is memory with a lifetime; and an [`rcu::Domain`]
//! is a set of read-side critical sections with grace periods.

pub mod alloc;
pub mod atomic;
pub mod cell;
pub mod engine;
pub mod mutation;
mod mutex;
pub mod operation;
pub mod rcu;
pub mod shadow;
pub mod thread;
pub mod violation;

pub use atomic::fence;
pub use mutex::{Mutex, MutexGuard};

use engine::Engine;
use std::{
    cell::{Cell, RefCell},
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};
use violation::Violation;

thread_local! {
    static ENGINE: RefCell<Option<Rc<dyn Engine>>> = const { RefCell::new(None) };
    static STORES_STATES: Cell<bool> = const { Cell::new(false) };
}

/// Run `f` with this engine behind the primitives that the calling OS thread uses.
///
/// # Panics
///
/// Where the OS thread has an engine already.
pub fn with_engine<R>(engine: Rc<dyn Engine>, f: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ENGINE.with(|slot| slot.borrow_mut().take());
            STORES_STATES.set(false);
        }
    }
    let stores_states = engine.stores_states();
    ENGINE.with(|slot| {
        let previous = slot.borrow_mut().replace(engine);
        assert!(previous.is_none(), "an engine is running already");
    });
    STORES_STATES.set(stores_states);
    let _reset = Reset;
    f()
}

/// Call `f` with the engine of the current run.
pub(crate) fn engine<R>(f: impl FnOnce(&dyn Engine) -> R) -> R {
    // A clone, so that no borrow is held while another thread of the model runs on this OS thread:
    // an engine may have to abandon such a thread in the middle of `f`.
    let engine = ENGINE.with(|slot| slot.borrow().clone());
    f(&*engine.expect("a primitive of nfsd_check::sync is used outside of a run"))
}

/// Whether the engine of the current run tells states apart: [`Engine::stores_states`].
pub(crate) fn stores_states() -> bool {
    STORES_STATES.get()
}

/// A number that stands for a value: equal values have equal ones, and different values different
/// ones but for a chance of one in 2^64.
pub(crate) fn digest<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Run `f`, of which the calling thread learns nothing but the result: nothing that it does later
/// depends on anything else that `f` has read. For an engine that stores states, which need not
/// tell two threads apart that have learned the same.
pub fn learns<R: Hash>(f: impl FnOnce() -> R) -> R {
    if !stores_states() {
        return f();
    }
    engine(|e| e.begin_summary());
    let result = f();
    engine(|e| e.end_summary(digest(&result)));
    result
}

/// What [`learns`] is for the body of a function that is `#[track_caller]`: in a closure the calls
/// that it makes would not be of its caller's place.
#[must_use]
pub(crate) struct Learning(());

/// From here to [`Learning::nothing_but`] the calling thread learns nothing but what it says there.
pub(crate) fn learning() -> Learning {
    if stores_states() {
        engine(|e| e.begin_summary());
    }
    Learning(())
}

impl Learning {
    /// What the calling thread has learned.
    pub(crate) fn nothing_but<R: Hash>(self, result: R) -> R {
        if stores_states() {
            engine(|e| e.end_summary(digest(&result)));
        }
        result
    }
}

/// Whether the execution is over and threads are only being unwound.
#[must_use]
pub(crate) fn is_over() -> bool {
    engine(|e| e.is_over())
}

/// Whether the engine runs the steps of an execution again in any order that it allows, and says
/// itself what a marked read finds: [`Engine::keeps_marks`].
#[must_use]
pub(crate) fn keeps_marks() -> bool {
    engine(|e| e.keeps_marks())
}

/// Report a violation. Does not return where it is fatal.
pub fn report(violation: Violation) {
    engine(|e| e.report(violation));
}

/// Ask the engine for a number below `alternatives`: each is tried.
///
/// # Panics
///
/// Where there is no alternative.
#[must_use]
pub fn choose(alternatives: u32) -> u32 {
    assert!(alternatives > 0, "a choice without alternatives");
    engine(|e| e.perform(e.current_object(), engine::Action::Choose(alternatives)) as u32)
}

/// Run `f`, which contains at most one step that does not wait: what it does beside the step
/// belongs to the step.
pub fn atomically<R>(f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    let mut result = None;
    mutation::together(|| {
        engine(|e| {
            e.atomically(&mut || {
                let f = f.take().expect("an engine runs it once");
                result = Some(f());
            });
        });
    });
    result.expect("an engine runs it")
}

/// Marks the calling thread as being inside a function of the model until dropped: the trace and
/// the violations name it.
#[derive(Debug)]
#[must_use = "the function is left when this is dropped"]
pub struct Function {
    forgets: bool,
}

impl Function {
    /// Run the function's body, of which the caller learns nothing but the result: see [`learns`].
    pub fn learns<R: Hash>(self, body: impl FnOnce() -> R) -> R {
        learns(body)
    }

    /// All that the caller learns from the function is that it has returned: see [`learns`].
    pub fn forgets(mut self) -> Self {
        if stores_states() {
            engine(|e| e.begin_summary());
            self.forgets = true;
        }
        self
    }
}

/// Enter a function of the model.
#[track_caller]
pub fn enter(function: &'static str) -> Function {
    mutation::reached();
    engine(|e| e.enter(function));
    Function { forgets: false }
}

impl Drop for Function {
    fn drop(&mut self) {
        engine(|e| {
            if self.forgets {
                e.end_summary(0);
            }
            e.leave();
        });
    }
}
