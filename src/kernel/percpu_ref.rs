// SPDX-License-Identifier: GPL-2.0-only
//! Reference counts that are per cpu until they are killed. C header:
//! `include/linux/percpu-refcount.h`; code: `lib/percpu-refcount.c`.

use super::{Kernel, completion::Completion, percpu::PercpuCount, spinlock::SpinLock};
use crate::sync::{
    self,
    alloc::Allocation,
    atomic::{AtomicU64, fence},
    engine::{Ordering, Update},
    enter,
    mutation::{self, Weakening},
    shadow::Shadow,
    violation::{NULL_DEREFERENCE, Violation, ViolationKind},
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// `__PERCPU_REF_ATOMIC`.
const ATOMIC: u64 = 1;
/// `__PERCPU_REF_DEAD`.
const DEAD: u64 = 2;
/// `PERCPU_COUNT_BIAS`: keeps the count away from 0 while it is per cpu.
const BIAS: u64 = 1 << 32;

/// `struct percpu_ref_data`.
#[derive(Debug)]
struct Data {
    memory: Allocation,
    count: AtomicU64,
    percpu: Arc<Percpu>,
}

/// The per cpu counters.
#[derive(Debug)]
struct Percpu {
    memory: Allocation,
    count: PercpuCount,
}

impl Hash for Percpu {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl Hash for Data {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

/// `struct percpu_ref`, whose release completes a completion and whose confirmation another.
#[derive(Debug)]
pub struct PercpuRef {
    /// `percpu_count_ptr` less the pointer: the flags.
    flags: AtomicU64,
    /// The pointer in it.
    percpu_ptr: Shadow<Option<Arc<Percpu>>>,
    /// `data`: whether there is one.
    has_data: AtomicU64,
    data: Shadow<Option<Arc<Data>>>,
    /// All there ever was.
    all: Shadow<Vec<Arc<Data>>>,
    /// `percpu_ref_switch_lock`.
    switch_lock: SpinLock,
}

impl PercpuRef {
    /// Zeroed memory in an object.
    #[must_use]
    pub fn new_in(kernel: &Arc<Kernel>, owner: &Allocation, name: &'static str) -> Self {
        Self {
            flags: AtomicU64::new_in(owner, name, 0),
            percpu_ptr: Shadow::new("percpu_count", None),
            has_data: AtomicU64::new_in(owner, "data", 0),
            data: Shadow::new("data", None),
            all: Shadow::new("all data", Vec::new()),
            switch_lock: SpinLock::new(kernel, "percpu_ref_switch_lock", ()),
        }
    }

    /// `ref->data`.
    fn data(&self) -> Arc<Data> {
        let has_data = self.has_data.load(Ordering::Relaxed) != 0;
        let data = has_data.then(|| self.data.get()).flatten();
        data.unwrap_or_else(|| self.missing(&format!("ref->data: {NULL_DEREFERENCE}")))
    }

    fn percpu(&self) -> Arc<Percpu> {
        let percpu = self.percpu_ptr.get();
        percpu.unwrap_or_else(|| self.missing("used before percpu_ref_init()"))
    }

    fn missing<T>(&self, message: &str) -> T {
        sync::report(Violation::on(
            ViolationKind::RefAfterExit,
            self.flags.object(),
            message,
        ));
        unreachable!("this violation is fatal")
    }

    /// `percpu_ref_init(flags = 0)`: per cpu mode, one reference. The counters are there before what
    /// they are added up in.
    #[track_caller]
    pub fn init(&self, kernel: &Kernel) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("percpu_ref_init");
        let memory = Allocation::new("percpu_ref_data", ViolationKind::RefAfterExit);
        let counters = Allocation::new("percpu_count", ViolationKind::UseAfterFree);
        let percpu = Arc::new(Percpu {
            count: PercpuCount::new_in(kernel, &counters),
            memory: counters,
        });
        let data = Arc::new(Data {
            count: AtomicU64::new_in(&memory, "count", BIAS + 1),
            percpu: Arc::clone(&percpu),
            memory,
        });
        self.all.with_mut(|all| all.push(Arc::clone(&data)));
        self.flags.store(0, Ordering::Relaxed);
        self.percpu_ptr.with_mut(|slot| *slot = Some(percpu));
        self.has_data.store(1, Ordering::Relaxed);
        self.data.with_mut(|slot| *slot = Some(data));
    }

    /// Calls `f` with all memory that it ever had, without a step: for the end of an execution, when
    /// nothing runs.
    pub fn each_memory(&self, mut f: impl FnMut(&Allocation)) {
        for data in self.all.get() {
            f(&data.memory);
            f(&data.percpu.memory);
        }
    }

    /// `percpu_ref_tryget_live()`, under `rcu_read_lock()`.
    #[must_use = "without the reference nothing may be assumed"]
    #[track_caller]
    pub fn tryget_live(&self, kernel: &Kernel) -> bool {
        if mutation::is_skipped() {
            return true;
        }
        if mutation::is(Weakening::Never) {
            return false;
        }
        self.do_tryget_live(kernel)
    }

    fn do_tryget_live(&self, kernel: &Kernel) -> bool {
        enter("percpu_ref_tryget_live").learns(|| {
            let _rcu = kernel.rcu_read_lock();
            // __ref_is_percpu()
            if self.flags.load(Ordering::Relaxed) & (ATOMIC | DEAD) == 0 {
                let percpu = self.percpu();
                let count = percpu.count.this_cpu(kernel);
                count.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            // Read once more: it may be another server's by now.
            if self.flags.load(Ordering::Relaxed) & DEAD != 0 {
                return false;
            }
            let data = self.data();
            let not_zero = Update::AddUnless { add: 1, unless: 0 };
            data.count
                .update(not_zero, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// `percpu_ref_put()`: fully ordered once it is atomic. The last one completes `release`.
    #[track_caller]
    pub fn put(&self, kernel: &Kernel, release: &dyn Fn()) {
        if !mutation::is_skipped() {
            self.do_put(kernel, release);
        }
    }

    fn do_put(&self, kernel: &Kernel, release: &dyn Fn()) {
        let _in = enter("percpu_ref_put").forgets();
        let _rcu = kernel.rcu_read_lock();
        if self.flags.load(Ordering::Relaxed) & (ATOMIC | DEAD) == 0 {
            let percpu = self.percpu();
            let count = percpu.count.this_cpu(kernel);
            count.fetch_sub(1, Ordering::Relaxed);
        } else {
            Self::put_atomic(&self.data(), release);
        }
    }

    fn put_atomic(data: &Data, release: &dyn Fn()) {
        fence(Ordering::SeqCst);
        let old = data.count.fetch_sub(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if old == 1 {
            release();
        }
    }

    /// `percpu_ref_kill_and_confirm()`: no `tryget_live()` succeeds once `confirm` has been called,
    /// after a grace period, from an RCU callback. The initial reference is dropped.
    #[track_caller]
    pub fn kill_and_confirm(
        &self,
        kernel: &Arc<Kernel>,
        confirm: impl FnOnce() + Send + 'static,
        release: impl Fn() + Clone + Send + 'static,
    ) {
        if !mutation::is_skipped() {
            self.do_kill_and_confirm(kernel, confirm, release);
        }
    }

    fn do_kill_and_confirm(
        &self,
        kernel: &Arc<Kernel>,
        confirm: impl FnOnce() + Send + 'static,
        release: impl Fn() + Clone + Send + 'static,
    ) {
        let _in = enter("percpu_ref_kill_and_confirm");
        let switching = self.switch_lock.lock();
        let data = self.data();
        self.flags.fetch_or(DEAD, Ordering::Relaxed);
        self.flags.fetch_or(ATOMIC, Ordering::Relaxed);
        // The callback's own reference.
        data.count.fetch_add(1, Ordering::Relaxed);
        let at_release = release.clone();
        let switched = Arc::clone(&data);
        kernel.call_rcu(&data.memory, move || {
            let _in = enter("percpu_ref_switch_to_atomic_rcu");
            let sum = switched.percpu.count.sum().wrapping_sub(BIAS);
            let old = switched.count.fetch_add(sum, Ordering::Relaxed);
            if old.wrapping_add(sum).cast_signed() <= 0 {
                sync::report(Violation::on(
                    ViolationKind::Warning,
                    switched.count.object(),
                    "WARN_ONCE: percpu ref <= 0 after switching to atomic",
                ));
            }
            confirm();
            switched.percpu.memory.free();
            Self::put_atomic(&switched, &at_release);
        });
        Self::put_atomic(&data, &release);
        drop(switching);
    }

    /// `percpu_ref_exit()`. A `tryget_live()` fails from here on, a put is an error.
    #[track_caller]
    pub fn exit(&self) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("percpu_ref_exit");
        let data = self.data();
        if !data.percpu.memory.is_freed() {
            data.percpu.memory.free();
        }
        self.flags.store(ATOMIC | DEAD, Ordering::Relaxed);
        {
            let _switching = self.switch_lock.lock();
            self.has_data.store(0, Ordering::Relaxed);
        }
        data.memory.free();
    }
}

/// What a percpu_ref's release or confirmation does for nfsd: complete a completion.
pub fn completes(completion: &Arc<Completion>) -> impl Fn() + Clone + Send + 'static {
    let completion = Arc::clone(completion);
    move || completion.complete()
}
