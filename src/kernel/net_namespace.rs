// SPDX-License-Identifier: GPL-2.0-only
//! Network namespaces and their end. C header: `include/net/net_namespace.h`; code:
//! `net/core/net_namespace.c`.
//!
//! A namespace dies in four steps that can be told apart: it lives; its count is 0; its pernet
//! memory (here [`Net::generic`]) is freed; `net->gen` and `struct net` are freed. `struct net` is
//! freed at the end of `cleanup_net()`; later kernels put that off until the next one, which
//! leaves the same accesses after its end, or fewer.

use super::{Kernel, pointer::Target, refcount::Refcount};
use crate::sync::{
    alloc::Allocation,
    atomic::AtomicU64,
    engine::{ObjectId, Ordering, Step},
    enter, mutation,
    thread::next_knows,
    violation::ViolationKind,
};
use std::{
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

/// `struct pernet_operations`, and the memory that it has in each namespace.
pub trait Pernet: Send + Sync + 'static {
    /// The memory.
    fn memory(&self) -> &Allocation;
    /// `->pre_exit()`: before the grace period.
    fn pre_exit(&self);
    /// `->exit()`: after it.
    fn exit(&self);
}

/// `struct net`.
#[derive(Debug)]
pub struct Net<P> {
    kernel: Arc<Kernel>,
    /// Its name in the scenario.
    pub name: String,
    /// Not the initial one, which is never freed.
    pub is_user: bool,
    memory: Allocation,
    /// `ns.count`.
    count: Refcount,
    /// `net->gen`, the pointer.
    gen_pointer: AtomicU64,
    /// `struct net_generic`.
    gen_memory: Allocation,
    generic: OnceLock<P>,
}

/// Which one it is.
impl<P> Hash for Net<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl<P> Target for Net<P> {
    fn object(&self) -> ObjectId {
        self.memory.object()
    }
}

impl<P: Pernet> Net<P> {
    /// `setup_net()`: one reference, for the mount of nfsdfs that its owner has. The initial
    /// namespace has one more that nobody ever drops. `generic` makes the pernet memory.
    #[must_use]
    pub fn new(
        kernel: &Arc<Kernel>,
        name: &str,
        is_user: bool,
        generic: impl FnOnce() -> P,
    ) -> Arc<Self> {
        let memory = Allocation::new("net", ViolationKind::UseAfterFree);
        let net = Self {
            kernel: Arc::clone(kernel),
            name: name.to_owned(),
            is_user,
            count: Refcount::new_in(&memory, "ns.count", if is_user { 1 } else { 2 }),
            gen_pointer: AtomicU64::new_in(&memory, "gen", 1),
            memory,
            gen_memory: Allocation::new("net_generic", ViolationKind::UseAfterFree),
            generic: OnceLock::new(),
        };
        let made = net.generic.set(generic());
        assert!(made.is_ok(), "pernet memory is made once");
        Arc::new(net)
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.memory
    }

    /// Whether somebody still has a reference who is neither its owner nor the kernel.
    #[must_use]
    pub fn is_referenced(&self) -> bool {
        if self.is_user {
            !self.memory.is_freed()
        } else {
            self.count.read() != 1
        }
    }

    /// `get_net()`: relaxed. From 0 it warns: the namespace is dying.
    #[track_caller]
    pub fn get(&self) {
        let _in = enter("get_net");
        self.count.inc();
    }

    /// `put_net()`: the last one starts `cleanup_net()`.
    #[track_caller]
    pub fn put(self: &Arc<Self>) {
        if mutation::is_skipped() {
            return;
        }
        let _in = enter("put_net").forgets();
        if self.count.dec_and_test() {
            let net = Arc::clone(self);
            next_knows(self);
            self.kernel.spawn("cleanup_net", move || net.cleanup());
        }
    }

    /// `net_generic()`: the pernet memory, found through `net->gen` under RCU. A use of the
    /// namespace and of `net->gen`, not yet of the memory that is answered.
    pub fn generic(&self) -> &P {
        let _in = enter("net_generic").forgets();
        let _rcu = self.kernel.rcu_read_lock();
        let _ = self.gen_pointer.load(Ordering::Acquire);
        self.gen_memory.touch(Step::Last);
        self.generic.get().expect("pernet memory is made with it")
    }

    /// The pernet memory without any of the steps: for what is no kernel code.
    pub fn generic_unchecked(&self) -> &P {
        self.generic.get().expect("pernet memory is made with it")
    }

    /// `cleanup_net()`, for one namespace. `pernet_ops_rwsem` is left out: nothing here registers
    /// or unregisters operations. So are the `net_complete_free()` of the round before and the
    /// list of namespaces, which no path of the file cache walks.
    fn cleanup(&self) {
        let _in = enter("cleanup_net");
        let generic = self.generic_unchecked();
        generic.pre_exit();
        self.kernel.synchronize_rcu();
        generic.exit();
        // ops_free()
        generic.memory().free();
        self.kernel.rcu_barrier();
        // net_passive_dec()
        self.gen_memory.free();
        self.memory.free();
    }
}
