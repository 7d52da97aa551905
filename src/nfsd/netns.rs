// SPDX-License-Identifier: GPL-2.0-only
//! What nfsd keeps for each network namespace. Kernel files: `fs/nfsd/netns.h`,
//! `fs/nfsd/nfsctl.c` (`nfsd_net_ops`).

use super::{
    Nfsd,
    filecache::NfsdFile,
    nfslocalio::{ClientList, nfs_localio_invalidate_clients},
    nfssvc::SvcServ,
};
use crate::{
    kernel::{
        Kernel,
        bitops::Flags,
        completion::Completion,
        list::ListHead,
        net_namespace::{self, Pernet},
        percpu_ref::PercpuRef,
        pointer::{Pointer, Target},
        spinlock::{KernelMutex, SpinLock},
    },
    model::LocalioInvalidate,
    sync::{
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{ObjectId, Ordering},
        enter,
        violation::ViolationKind,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock, Weak},
};

/// `struct net`, with nfsd's memory in it.
pub type Net = net_namespace::Net<NfsdNet>;

/// `NFSD_NET_UP`.
pub(super) const NFSD_NET_UP: u32 = 0;

/// The list of files that wait for a service thread to free them, and its lock: `struct
/// nfsd_fcache_disposal` of its own up to v1 7/8 of the series, fields of `struct nfsd_net` since.
#[derive(Debug)]
pub struct NfsdFcacheDisposal {
    /// `lock`, later `fcache_dispose_lock`.
    pub(super) lock: SpinLock,
    /// `freeme`, later `fcache_dispose_list`.
    pub(super) freeme: ListHead<NfsdFile>,
    /// Its memory, where it is an object of its own.
    pub(super) memory: Option<Allocation>,
}

impl Target for NfsdFcacheDisposal {
    fn object(&self) -> ObjectId {
        self.freeme.object()
    }
}

impl NfsdFcacheDisposal {
    fn inline(kernel: &Arc<Kernel>, owner: &Allocation) -> Self {
        Self {
            lock: SpinLock::new_in(kernel, owner, "fcache_dispose_lock", ()),
            freeme: ListHead::new_in(owner, "fcache_dispose_list"),
            memory: None,
        }
    }

    /// `nfsd_alloc_fcache_disposal()`.
    ///
    /// Kernel file: `fs/nfsd/filecache.c`.
    ///
    /// Versions: `before-series` only.
    pub(super) fn alloc(kernel: &Arc<Kernel>) -> Arc<Self> {
        let memory = Allocation::new("nfsd_fcache_disposal", ViolationKind::UseAfterFree);
        Arc::new(Self {
            lock: SpinLock::new_in(kernel, &memory, "lock", ()),
            freeme: ListHead::new_in(&memory, "freeme"),
            memory: Some(memory),
        })
    }
}

/// Which one it is.
impl Hash for NfsdFcacheDisposal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.freeme.hash(state);
    }
}

/// `struct nfsd_net`.
#[derive(Debug)]
pub struct NfsdNet {
    memory: Allocation,
    /// `nfsd_serv`: written under `nfsd_notifier_lock`, read without a lock. A benign race: the
    /// readers load it once and test it (b9382e29ca53).
    pub(super) nfsd_serv: Pointer<SvcServ>,
    /// `nfs_uuid->net` of the clients, in their memory: whether they may look for a local server.
    /// It is set by a running server's answer to a probe, and taken back when the server stops.
    pub(super) uuid_net: AtomicU64,
    /// The server whose threads take the requests that arrive. It stands for the listeners and the
    /// list of idle threads (`sv_pools`), which a server has from `svc_set_num_threads()` on: a
    /// request that comes before finds nobody.
    pub(super) listening: Pointer<SvcServ>,
    /// `nfsd_notifier_lock`; the kernel has one for all namespaces, and it is never held over
    /// anything but the one store.
    pub(super) nfsd_notifier_lock: SpinLock,
    /// `flags`.
    pub(super) flags: Flags,
    pub(super) nfsd_net_ref: PercpuRef,
    pub(super) nfsd_net_confirm_done: Arc<Completion>,
    pub(super) nfsd_net_free_done: Arc<Completion>,
    /// `writeverf_lock`. The verifier that it protects is left out: nothing that decides reads it.
    pub(super) writeverf_lock: SpinLock,
    /// `fcache_disposal`: written once at each start. The pointer is left as it is when the object
    /// is freed. A benign race by itself.
    pub(super) fcache_disposal: Pointer<NfsdFcacheDisposal>,
    /// `fcache_dispose_lock` and `fcache_dispose_list`.
    pub(super) fcache_dispose: Arc<NfsdFcacheDisposal>,
    /// `local_clients_lock`.
    pub(super) local_clients_lock: SpinLock,
    /// `local_clients`: the NFS clients that know the namespace.
    pub(super) local_clients: Arc<ClientList>,
    /// How often a client was taken off it, for who waits for that.
    pub(super) local_clients_gone: AtomicU64,
    /// `nfsd_mutex`, where each namespace has one.
    pub(super) nfsd_mutex: KernelMutex,
    /// nfsd itself. No memory of the kernel's.
    nfsd: OnceLock<Weak<Nfsd>>,
}

impl NfsdNet {
    /// `nfsd_net_init()`: the memory is zeroed, and nothing of the file cache is set up before the
    /// server is started.
    ///
    /// Kernel file: `fs/nfsd/nfsctl.c`.
    ///
    /// Left out: caches, counters, proc files and versions: none of them holds a file or is read by
    /// what does.
    #[must_use]
    pub fn init(kernel: &Arc<Kernel>) -> Self {
        let memory = Allocation::new("nfsd_net", ViolationKind::UseAfterFree);
        Self {
            nfsd_serv: Pointer::new_in(&memory, "nfsd_serv"),
            uuid_net: AtomicU64::new("nfs_uuid->net", 0),
            listening: Pointer::null("listening"),
            nfsd_notifier_lock: SpinLock::new(kernel, "nfsd_notifier_lock", ()),
            flags: Flags::new_in(&memory, "flags", &[]),
            nfsd_net_ref: PercpuRef::new_in(kernel, &memory, "nfsd_net_ref"),
            nfsd_net_confirm_done: Arc::new(Completion::new_in(&memory, "nfsd_net_confirm_done")),
            nfsd_net_free_done: Arc::new(Completion::new_in(&memory, "nfsd_net_free_done")),
            writeverf_lock: SpinLock::new_in(kernel, &memory, "writeverf_lock", ()),
            fcache_disposal: Pointer::new_in(&memory, "fcache_disposal"),
            fcache_dispose: Arc::new(NfsdFcacheDisposal::inline(kernel, &memory)),
            local_clients_lock: SpinLock::new_in(kernel, &memory, "local_clients_lock", ()),
            local_clients: ClientList::of_net(&memory),
            local_clients_gone: AtomicU64::new_in(&memory, "local_clients_gone", 0),
            nfsd_mutex: KernelMutex::new_in(kernel, &memory, "nfsd_mutex", ()),
            nfsd: OnceLock::new(),
            memory,
        }
    }

    /// Nothing runs any more: forget what leads back to the namespace.
    pub(super) fn forget(&self) {
        self.nfsd_serv.forget();
        self.listening.forget();
        self.fcache_disposal.forget();
        self.fcache_dispose.freeme.forget();
        self.local_clients.forget();
    }

    /// It is memory of this nfsd.
    pub(super) fn belongs_to(&self, nfsd: &Arc<Nfsd>) {
        let set = self.nfsd.set(Arc::downgrade(nfsd));
        debug_assert!(set.is_ok(), "a namespace is made once");
    }
}

impl Pernet for NfsdNet {
    fn memory(&self) -> &Allocation {
        &self.memory
    }

    /// `nfsd_net_pre_exit()`: a client that knows the namespace still is made to forget it before
    /// the grace period.
    ///
    /// Kernel file: `fs/nfsd/nfsctl.c`.
    fn pre_exit(&self) {
        let _in = enter("nfsd_net_pre_exit").forgets();
        if let Some(nfsd) = self.nfsd.get().and_then(Weak::upgrade) {
            nfs_localio_invalidate_clients(&nfsd, self);
            if nfsd.choices.localio_invalidate == LocalioInvalidate::PreExit {
                self.uuid_net.store(0, Ordering::Relaxed);
            }
        }
    }

    /// `nfsd_net_exit()`: frees export caches and counters. Neither purges files nor stops a
    /// server.
    ///
    /// Kernel file: `fs/nfsd/nfsctl.c`.
    ///
    /// Left out: the caches and counters that it frees: none of them holds a file.
    fn exit(&self) {
        let _in = enter("nfsd_net_exit");
        self.memory.access();
    }
}
