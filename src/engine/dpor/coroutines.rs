// SPDX-License-Identifier: GPL-2.0-only
//! Threads as coroutines, on stacks that the next execution uses again.
//!
//! All threads of an execution run on one OS thread, each on a stack of its own. A thread suspends
//! itself before each step, so that who goes on is nobody's choice but the explorer's, and a switch
//! is a few instructions and no system call. An execution that ends early unwinds the threads that
//! are left, so that what they own is given back.

use corosensei::{Coroutine, CoroutineResult, Yielder, stack::DefaultStack};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

/// Enough for the deepest call chain of a model in a debug build.
const STACK_SIZE: usize = 256 * 1024;

thread_local! {
    /// What the running coroutine suspends itself with.
    static YIELDER: Cell<*const Yielder<(), ()>> = const { Cell::new(ptr::null()) };
}

/// The coroutines of one execution, by thread, and the stacks that are free.
#[derive(Default)]
pub(super) struct Coroutines {
    running: RefCell<Vec<Option<Coroutine<(), (), ()>>>>,
    stacks: RefCell<Vec<DefaultStack>>,
}

impl fmt::Debug for Coroutines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutines").finish_non_exhaustive()
    }
}

/// What a coroutine did when it was resumed.
pub(super) enum Resumed {
    Suspended,
    Returned,
    Panicked(Box<dyn Any + Send>),
}

impl Coroutines {
    /// A new coroutine; it runs when it is resumed first.
    pub(super) fn begin(&self, thread: usize, body: impl FnOnce() + 'static) {
        let stack = self.stacks.borrow_mut().pop();
        let stack = stack.unwrap_or_else(|| {
            DefaultStack::new(STACK_SIZE).expect("the system gives memory for a stack")
        });
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            YIELDER.set(yielder);
            body();
        });
        let mut running = self.running.borrow_mut();
        debug_assert_eq!(running.len(), thread);
        running.push(Some(coroutine));
    }

    /// Run a coroutine until it suspends itself or ends.
    pub(super) fn resume(&self, thread: usize) -> Resumed {
        let mut coroutine = self.running.borrow_mut()[thread]
            .take()
            .expect("a thread that goes on has not returned");
        let resumed = catch_unwind(AssertUnwindSafe(|| coroutine.resume(())));
        match resumed {
            Ok(CoroutineResult::Yield(())) => {
                self.running.borrow_mut()[thread] = Some(coroutine);
                Resumed::Suspended
            }
            Ok(CoroutineResult::Return(())) => {
                self.stacks.borrow_mut().push(coroutine.into_stack());
                Resumed::Returned
            }
            Err(payload) => Resumed::Panicked(payload),
        }
    }

    /// End the execution: unwind the coroutines that have not returned.
    pub(super) fn unwind_all(&self) {
        let mut running = std::mem::take(&mut *self.running.borrow_mut());
        for mut coroutine in running.drain(..).flatten() {
            coroutine.force_unwind();
            self.stacks.borrow_mut().push(coroutine.into_stack());
        }
        *self.running.borrow_mut() = running;
    }
}

/// Suspend the running coroutine until it is resumed.
#[expect(
    unsafe_code,
    reason = "a coroutine's own handle, found again deep in its stack"
)]
pub(super) fn suspend() {
    let yielder = YIELDER.get();
    assert!(!yielder.is_null(), "only a coroutine can be suspended");
    // SAFETY: The pointer was set by the coroutine that is running now, at its start or after its
    // last suspension, from the reference that is valid until it ends.
    unsafe { (*yielder).suspend(()) };
    YIELDER.set(yielder);
}
