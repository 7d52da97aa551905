// SPDX-License-Identifier: GPL-2.0-only
//! What the model's objects are made of: loom's atomics and cells.

use crate::sync::{
    engine::{ObjectId, Ordering},
    violation::ViolationKind,
};
use ::loom::{MAX_THREADS, cell::UnsafeCell, sync::atomic::AtomicU64};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

/// An atomic word.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) value: AtomicU64,
    /// What was written last: where a conditional update starts from. Never trusted.
    pub(super) hint: Cell<u64>,
    pub(super) key: u32,
}

impl Word {
    /// The newest value: a read-modify-write that fails. One that succeeds and leaves the value as
    /// it is would not do, for loom may order a store that is concurrent with it before it, between
    /// the value it read and the one it wrote.
    pub(super) fn newest(&self, order: Ordering) -> u64 {
        const UNLIKELY: u64 = 0x6e66_7364_5f66_696c;
        let found = self
            .value
            .compare_exchange(UNLIKELY, UNLIKELY, order, order);
        found.unwrap_or_else(|found| found)
    }

    /// A read-modify-write with a condition; the old value, as an error where `f` declines it.
    pub(super) fn update(
        &self,
        success: Ordering,
        failure: Ordering,
        f: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let failure = load_part(failure);
        let mut guess = self.hint.get();
        loop {
            let Some(new) = f(guess) else {
                guess = self.newest(failure);
                if f(guess).is_none() {
                    return Err(guess);
                }
                continue;
            };
            match self.value.compare_exchange(guess, new, success, failure) {
                Ok(old) => {
                    self.hint.set(new);
                    return Ok(old);
                }
                Err(found) => guess = found,
            }
        }
    }
}

/// A loom cell that is replaced after loom has panicked about it: that leaves it unusable.
#[derive(Debug)]
pub(super) struct Tracked(RefCell<Rc<UnsafeCell<()>>>);

impl Tracked {
    pub(super) fn new(cell: UnsafeCell<()>) -> Self {
        Self(RefCell::new(Rc::new(cell)))
    }

    /// Whether the access is ordered with those before it.
    pub(super) fn access(&self, write: bool) -> bool {
        let cell = Rc::clone(&self.0.borrow());
        let ordered = catch_unwind(AssertUnwindSafe(|| {
            if write {
                cell.with_mut(|_| ());
            } else {
                cell.with(|_| ());
            }
        }));
        if ordered.is_err() {
            self.0.replace(Rc::new(UnsafeCell::new(())));
        }
        ordered.is_ok()
    }
}

#[derive(Debug)]
pub(super) struct Domain {
    /// One for each thread there can be: one that does not exist yet must find the grace periods
    /// that began before.
    pub(super) sections: Vec<Word>,
    pub(super) depth: [Cell<u32>; MAX_THREADS],
    pub(super) grace_periods: RefCell<Vec<Vec<(usize, u64)>>>,
    /// How many grace periods have begun.
    pub(super) begun: Word,
}

#[derive(Debug)]
pub(super) enum Form {
    Word(Word),
    Plain(ViolationKind, Tracked),
    Allocation(Allocation),
    Domain(Domain),
    Thread,
}

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) after: ViolationKind,
    pub(super) freed: Cell<bool>,
    pub(super) uses: Tracked,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: ObjectId,
    pub(super) owner: Option<Rc<Object>>,
    pub(super) form: Form,
}

impl Object {
    pub(super) fn word(&self) -> &Word {
        match &self.form {
            Form::Word(word) => word,
            other => panic!("an atomic operation or one of a lock on {other:?}"),
        }
    }

    pub(super) fn allocation(&self) -> &Allocation {
        match &self.form {
            Form::Allocation(allocation) => allocation,
            other => panic!("a use or a free of {other:?}"),
        }
    }

    pub(super) fn domain(&self) -> &Domain {
        match &self.form {
            Form::Domain(domain) => domain,
            other => panic!("an operation of RCU on {other:?}"),
        }
    }

    pub(super) fn is_freed(&self) -> bool {
        matches!(&self.form, Form::Allocation(allocation) if allocation.freed.get())
    }
}

/// What of an ordering applies to a load.
pub(super) fn load_part(order: Ordering) -> Ordering {
    match order {
        Ordering::Release => Ordering::Relaxed,
        Ordering::AcqRel => Ordering::Acquire,
        other => other,
    }
}

/// What of an ordering applies to a store.
pub(super) fn store_part(order: Ordering) -> Ordering {
    match order {
        Ordering::Acquire => Ordering::Relaxed,
        Ordering::AcqRel => Ordering::Release,
        other => other,
    }
}
