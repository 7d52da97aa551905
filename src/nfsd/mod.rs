// SPDX-License-Identifier: GPL-2.0-only
//! The lifecycle of `struct nfsd_file`: one Rust function for each kernel function, with the same
//! name and the same order of steps.
//!
//! The tree is the one just before the per-namespace mutexes of September 2026: one `nfsd_mutex`,
//! one fsnotify group, and marks that remember their group. A patch is a choice
//! ([`crate::model::Choices`]), and stands as a `match` exactly where its diff sits. So is what
//! another tree does otherwise: v6.12 is five choices, and nfsd-next, with a mutex for each
//! namespace, marks on directories and service threads that come and go, is four.

pub mod filecache;
pub mod localio;
pub mod netns;
pub mod nfslocalio;
mod nfslocalio_v6_12;
pub mod nfssvc;

use crate::{
    kernel::{
        Kernel,
        bitops::Flags,
        fsnotify::{Fsnotify, Group},
        list_lru::ListLru,
        notifier::LeaseNotifierChain,
        rhashtable::Rhltable,
        shrinker::ShrinkerList,
        slab::KmemCache,
        spinlock::{KernelMutex, SpinLock},
        workqueue::DelayedWork,
    },
    model::{Choices, LocalioClient},
    sync::{atomic::AtomicU64, cell::Cell, shadow::Shadow},
};
use filecache::{NfsdFile, NfsdFileMark};
use netns::{Net, NfsdNet};
use nfslocalio::{ClientList, NfsClient};
use nfssvc::SvcServ;
use std::sync::Arc;

/// An inode that files are opened on.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its name in the scenario.
    pub name: String,
    /// A writeback error is pending: whoever frees a file of it sees it.
    pub writeback_error: bool,
    /// How opening it ends.
    pub open: Open,
    /// Its file system has `EXPORT_OP_FLUSH_ON_CLOSE`.
    pub flush_on_close: bool,
    /// It is a directory.
    pub directory: bool,
    /// Somebody has a lease on it that has to be broken before it is opened. Whether that succeeds
    /// in time is a choice.
    pub leased: bool,
}

/// How opening an inode ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Well.
    Ok,
    /// With an error.
    Fails,
    /// With `-EOPENSTALE` the first time that anybody tries, and well from then on.
    StaleOnce,
    /// Well. But what an OPEN has created and hands over has not been opened.
    Unopened,
}

/// The globals of nfsd, and of what it uses.
#[derive(Debug)]
pub struct Nfsd {
    /// The kernel it runs on.
    pub kernel: Arc<Kernel>,
    /// The patch that is applied.
    pub choices: Choices,
    /// The network namespaces, in the scenario's order.
    pub nets: Vec<Arc<Net>>,
    /// The inodes, in the scenario's order.
    pub inodes: Vec<Inode>,
    i_locks: Vec<SpinLock>,
    /// Written under the inode's lock, read without it.
    i_nlinks: Vec<AtomicU64>,
    /// Of each inode whose first open is stale, 1 until then. No memory of the kernel's.
    stale: Vec<Option<AtomicU64>>,
    /// Of each directory, how many delegations there are, under `flc_lock`.
    flc_lease: Vec<Option<SpinLock<u32>>>,

    /// Where there is one for everything; else each `nn` has one.
    nfsd_mutex: KernelMutex,
    /// What the servers of all namespaces share, where each `nn` has a mutex.
    nfsd_global_mutex: KernelMutex,
    /// Under `nfsd_mutex`, or `nfsd_global_mutex`.
    nfsd_users: Cell<u32>,

    nfsd_file_flags: Flags,
    nfsd_gc_lock: SpinLock,
    nfsd_file_rhltable: Rhltable<NfsdFile>,
    nfsd_file_lru: ListLru<NfsdFile>,
    nfsd_file_slab: Arc<KmemCache>,
    nfsd_file_mark_slab: Arc<KmemCache>,
    nfsd_file_fsnotify_group: Cell<Option<Arc<Group<NfsdFileMark>>>>,
    nfsd_dir_fsnotify_group: Cell<Option<Arc<Group<NfsdFileMark>>>>,
    nfsd_filecache_laundrette: Arc<DelayedWork>,

    /// The NFS clients, in the scenario's order.
    pub clients: Vec<Arc<NfsClient>>,
    /// `nfs_uuids_lock`. On v6.12 `nfs_uuid_lock`, which is for all that the clients know.
    nfs_uuids_lock: SpinLock,
    nfs_uuids: Arc<ClientList>,

    /// Files that NFSv4 state holds from one request to the next, each in a place of its own. No memory of
    /// the kernel's: who takes a file out of here puts it.
    state_files: Vec<Shadow<Option<Arc<NfsdFile>>>>,
    /// Which of them are delegated directories.
    delegated: Vec<Shadow<bool>>,

    /// Every fsnotify group that was ever allocated.
    groups: Shadow<Vec<Arc<Group<NfsdFileMark>>>>,
    /// Every server that was ever created.
    servs: parking_lot::Mutex<Vec<Arc<SvcServ>>>,

    fsnotify: Arc<Fsnotify<NfsdFileMark>>,
    lease_notifier_chain: LeaseNotifierChain,
    shrinker_list: ShrinkerList,
}

impl Nfsd {
    /// nfsd as a module that was just loaded: no server runs. `clients` are the NFS clients, each by
    /// the place of the net whose server it has mounted. `state_files` is how many places there are
    /// for a file that NFSv4 state holds.
    #[must_use]
    pub fn new(
        kernel: &Arc<Kernel>,
        choices: Choices,
        nets: &[(String, bool)],
        inodes: Vec<Inode>,
        clients: &[usize],
        state_files: usize,
    ) -> Arc<Self> {
        let nets = nets
            .iter()
            .map(|(name, is_user)| Net::new(kernel, name, *is_user, || NfsdNet::init(kernel)));
        let nets: Vec<Arc<Net>> = nets.collect();
        let clients = clients
            .iter()
            .enumerate()
            .map(|(index, server)| NfsClient::new(kernel, index, &nets[*server]));
        let nfsd = Arc::new(Self {
            choices,
            clients: clients.collect(),
            nfs_uuids_lock: SpinLock::new(
                kernel,
                match choices.localio_client {
                    LocalioClient::CachesFiles => "nfs_uuids_lock",
                    LocalioClient::OneLock => "nfs_uuid_lock",
                },
                (),
            ),
            nfs_uuids: ClientList::global(),
            nets,
            i_locks: inodes
                .iter()
                .map(|_| SpinLock::new(kernel, "i_lock", ()))
                .collect(),
            i_nlinks: inodes
                .iter()
                .map(|_| AtomicU64::new("i_nlink", 1))
                .collect(),
            stale: inodes
                .iter()
                .map(|inode| (inode.open == Open::StaleOnce).then(|| AtomicU64::new("stale", 1)))
                .collect(),
            flc_lease: inodes
                .iter()
                .map(|inode| {
                    let lock = || SpinLock::new(kernel, "flc_lock", 0);
                    inode.directory.then(lock)
                })
                .collect(),
            nfsd_mutex: KernelMutex::new(kernel, "nfsd_mutex", ()),
            nfsd_global_mutex: KernelMutex::new(kernel, "nfsd_global_mutex", ()),
            nfsd_users: Cell::new("nfsd_users", 0),
            nfsd_file_flags: Flags::new("nfsd_file_flags"),
            nfsd_gc_lock: SpinLock::new(kernel, "nfsd_gc_lock", ()),
            nfsd_file_rhltable: Rhltable::new("nfsd_file_rhltable", inodes.len()),
            nfsd_file_lru: ListLru::new(kernel, "nfsd_file_lru"),
            nfsd_file_slab: Arc::new(KmemCache::new("nfsd_file_slab", "nfsd_file")),
            nfsd_file_mark_slab: Arc::new(KmemCache::new("nfsd_file_mark_slab", "nfsd_file_mark")),
            nfsd_file_fsnotify_group: Cell::new("nfsd_file_fsnotify_group", None),
            nfsd_dir_fsnotify_group: Cell::new("nfsd_dir_fsnotify_group", None),
            nfsd_filecache_laundrette: Arc::new(DelayedWork::new("laundrette")),
            state_files: (0..state_files)
                .map(|_| Shadow::new("state_file", None))
                .collect(),
            delegated: (0..state_files)
                .map(|_| Shadow::new("delegated", false))
                .collect(),
            groups: Shadow::new("groups", Vec::new()),
            servs: parking_lot::Mutex::new(Vec::new()),
            fsnotify: Fsnotify::new(kernel, inodes.len()),
            lease_notifier_chain: LeaseNotifierChain::default(),
            shrinker_list: ShrinkerList::default(),
            kernel: Arc::clone(kernel),
            inodes,
        });
        for net in &nfsd.nets {
            net.generic_unchecked().belongs_to(&nfsd);
        }
        nfsd
    }

    /// The delegations of the directory that it is a file of.
    fn directory_lease(&self, nf: &NfsdFile) -> Option<&SpinLock<u32>> {
        self.flc_lease[nf.nf_inode()].as_ref()
    }
}

/// Nothing runs any more. What the namespaces and the clients point to leads back to them, as it
/// does in the kernel, and would never be freed.
impl Drop for Nfsd {
    fn drop(&mut self) {
        for net in &self.nets {
            net.generic_unchecked().forget();
        }
        for client in &self.clients {
            client.forget();
        }
        for file in &self.state_files {
            file.forget();
        }
    }
}
