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
pub mod thread;
pub mod violation;

pub use atomic::fence;
pub use mutex::{Mutex, MutexGuard};

use engine::Engine;
use std::{cell::RefCell, rc::Rc};
use violation::Violation;

thread_local! {
    static ENGINE: RefCell<Option<Rc<dyn Engine>>> = const { RefCell::new(None) };
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
        }
    }
    ENGINE.with(|slot| {
        let previous = slot.borrow_mut().replace(engine);
        assert!(previous.is_none(), "an engine is running already");
    });
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

/// Whether the execution is over and threads are only being unwound.
#[must_use]
pub(crate) fn is_over() -> bool {
    engine(|e| e.is_over())
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
pub struct Function(());

/// Enter a function of the model.
#[track_caller]
pub fn enter(function: &'static str) -> Function {
    mutation::reached();
    engine(|e| e.enter(function));
    Function(())
}

impl Drop for Function {
    fn drop(&mut self) {
        engine(|e| e.leave());
    }
}
