// SPDX-License-Identifier: GPL-2.0-only
//! The file cache. Kernel file: `fs/nfsd/filecache.c`.
//!
//! What is left out everywhere: statistics and tracepoints, which nothing reads that decides;
//! credentials and export checks, whose failure ends an acquire before it has touched the cache;
//! direct I/O attributes. What a function leaves out beyond that stands with it.

use super::{
    Nfsd, Open,
    netns::{NFSD_NET_UP, Net, NfsdFcacheDisposal, NfsdNet},
    nfslocalio::nfs_localio_invalidate_clients,
    nfssvc::{control_mutex, global_mutex, svc_wake_up},
};
use crate::{
    kernel::{
        bitops::Flags,
        fsnotify::{FsnMark, Group, Mark},
        list::Linked,
        list_lru::{LruNode, LruStatus, OnLru},
        net_namespace::Pernet,
        pointer::{Pointer, Target},
        refcount::Refcount,
        slab::{KmemCache, SlabObject},
        spinlock::KernelMutex,
    },
    model::{
        AcquireRetry, AddRecheck, CloseCheck, CloseSync, DirMarks, DisposeLink, DisposeList,
        ExportCheck, FlagsInit, FreeUnhash, GcLockCloseInode, GcLockGc, GcLockShrinker, InitError,
        InsertError, LocalioInvalidate, LookupRcu, Lru, MarkGroup, Mutexes, NetDisposeGuard,
        NetRef, OpenedFile, OpenedTest, PendingClear, PendingWait, Purge, PurgeNet, PutLocalOrder,
        PutLocalRcu, PutReads, PutRecheck, QueueWakes, RecalcMutex, ShutdownBarrier, WakeGuard,
    },
    sync::{
        self,
        alloc::Allocation,
        atomic::AtomicU64,
        cell::Cell,
        engine::{ObjectId, Ordering, Step},
        enter,
        mutation::unless_skipped,
        violation::{NULL_DEREFERENCE, Violation, ViolationKind},
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Logically in the hash table.
pub(super) const NFSD_FILE_HASHED: u32 = 0;
/// Under construction.
pub(super) const NFSD_FILE_PENDING: u32 = 1;
/// Used since a walker last looked.
pub(super) const NFSD_FILE_REFERENCED: u32 = 2;
/// Garbage collectable: holds a reference for the LRU.
pub(super) const NFSD_FILE_GC: u32 = 3;
/// Used since the laundrette last looked.
pub(super) const NFSD_FILE_RECENT: u32 = 4;
/// v2 8/9 only: the file owns a reference to its namespace.
pub(super) const NFSD_FILE_NET_HELD: u32 = 5;

/// `NFSD_FILE_CACHE_UP`, of `nfsd_file_flags`.
const NFSD_FILE_CACHE_UP: u32 = 0;

/// `NFSD_FILE_GC_BATCH`.
const NFSD_FILE_GC_BATCH: usize = 16;

/// `struct nfsd_file`.
#[derive(Debug)]
pub struct NfsdFile {
    object: SlabObject,
    pub(super) nf_ref: Refcount,
    pub(super) nf_flags: Flags,
    nf_lru: LruNode,
    /// Where one list node serves for the LRU and for a dispose list: 1 while it is on one of the
    /// latter.
    nf_lru_disposed: AtomicU64,
    /// Whether there is an open file behind it. Set once, by the constructor, while PENDING.
    nf_file: Cell<bool>,
    /// Set once, by the constructor, while PENDING.
    nf_mark: Cell<Option<Arc<NfsdFileMark>>>,
    /// Never changes.
    nf_net: Arc<Net>,
    /// Never changes. A key only, never dereferenced.
    nf_inode: usize,
    /// `NFSD_MAY_LOCALIO` of `nf_may`. Never changes. Its other bits and `nf_cred` are the same
    /// for all files here.
    localio: bool,
    /// Whether `nf_flags` has GC, which never changes.
    gc: bool,
    /// Where it goes back to.
    slab: Arc<KmemCache>,
}

/// Which file it is.
impl Hash for NfsdFile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory().hash(state);
    }
}

impl Linked for NfsdFile {
    fn memory(&self) -> &Allocation {
        self.object.memory()
    }
}

impl Target for NfsdFile {
    fn object(&self) -> ObjectId {
        self.memory().object()
    }
}

impl OnLru for NfsdFile {
    fn lru_node(&self) -> &LruNode {
        &self.nf_lru
    }
}

impl NfsdFile {
    /// `nf->nf_net`.
    pub(super) fn nf_net(&self) -> &Arc<Net> {
        self.memory().touch(Step::Next);
        &self.nf_net
    }

    /// The namespace it belongs to: no step and no use.
    #[must_use]
    pub fn net(&self) -> &Arc<Net> {
        &self.nf_net
    }

    /// `nf->nf_inode`.
    pub(super) fn nf_inode(&self) -> usize {
        self.memory().touch(Step::Next);
        self.nf_inode
    }

    #[track_caller]
    fn is_hashed(&self) -> bool {
        self.nf_flags.test_bit(NFSD_FILE_HASHED)
    }
}

/// `struct nfsd_file_mark`.
#[derive(Debug)]
pub struct NfsdFileMark {
    object: SlabObject,
    fsn_mark: FsnMark<Self>,
    nfm_ref: Refcount,
    /// `nfm_recalc_mutex`, where directories have marks.
    nfm_recalc_mutex: Option<KernelMutex>,
    /// Where it goes back to.
    slab: Arc<KmemCache>,
}

/// Which mark it is.
impl Hash for NfsdFileMark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.object.memory().hash(state);
    }
}

impl Mark for NfsdFileMark {
    fn memory(&self) -> &Allocation {
        self.object.memory()
    }

    fn fsn_mark(&self) -> &FsnMark<Self> {
        &self.fsn_mark
    }

    /// `nfsd_file_mark_free()`.
    fn free_mark(&self) {
        let _in = enter("nfsd_file_mark_free");
        self.slab.free(&self.object);
    }
}

/// Why an acquire failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `nfserr_jukebox`: out of memory, or construction failed twice.
    Jukebox,
    /// The inode could not be opened.
    OpenFailed,
}

/// Who acquires, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Acquire {
    /// A file that the LRU may keep.
    pub want_gc: bool,
    /// For LOCALIO.
    pub localio: bool,
    /// With a file that the caller has opened already.
    pub opened: bool,
}

/// NULL is dereferenced: what a kernel does then is to oops. The context goes on here, as others
/// may have more to show.
fn null_dereference(what: &str) {
    sync::report(Violation::of(
        ViolationKind::Warning,
        format!("{what}: {NULL_DEREFERENCE}"),
    ));
}

// Section B1 to B8: references.

/// `nfsd_file_schedule_laundrette()`.
fn nfsd_file_schedule_laundrette(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_file_schedule_laundrette").forgets();
    if nfsd.nfsd_file_flags.test_bit(NFSD_FILE_CACHE_UP) {
        nfsd.nfsd_filecache_laundrette.queue();
    }
}

/// `nfsd_file_slab_free()`: the RCU callback.
///
/// Left out: `put_cred()`. Credentials are counted by themselves, and all files here have the same.
fn nfsd_file_slab_free(nf: &Arc<NfsdFile>) {
    let _in = enter("nfsd_file_slab_free");
    nf.slab.free(&nf.object);
}

/// `nfsd_file_alloc()`. Nobody else can see the file yet.
///
/// Left out: the credentials and `nf_may`, which never change once the file can be seen.
fn nfsd_file_alloc(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
    acquire: Acquire,
) -> Option<Arc<NfsdFile>> {
    enter("nfsd_file_alloc").learns(|| {
        let object = nfsd.nfsd_file_slab.alloc(&nfsd.kernel)?;
        match nfsd.choices.net_ref {
            NetRef::AtAlloc => net.get(),
            NetRef::AtAllocGc if acquire.want_gc => net.get(),
            NetRef::AtAllocGc | NetRef::AtDispose | NetRef::None => {}
        }
        let gc = acquire.want_gc.then_some(NFSD_FILE_GC);
        let state: &[u32] = match nfsd.choices.flags_init {
            FlagsInit::BeforeInsert => &[NFSD_FILE_HASHED, NFSD_FILE_PENDING],
            FlagsInit::AfterInsert => &[],
        };
        let flags: Vec<u32> = state.iter().copied().chain(gc).collect();
        let memory = object.memory();
        Some(Arc::new(NfsdFile {
            nf_ref: Refcount::new_in(memory, "nf_ref", 1),
            nf_flags: Flags::new_in(memory, "nf_flags", &flags),
            nf_lru: LruNode::new_in(memory, "nf_lru"),
            nf_lru_disposed: AtomicU64::new_in(memory, "nf_lru (dispose list)", 0),
            nf_file: Cell::new_in(memory, "nf_file", false),
            nf_mark: Cell::new_in(memory, "nf_mark", None),
            nf_net: Arc::clone(net),
            nf_inode: inode,
            localio: acquire.localio,
            gc: acquire.want_gc,
            slab: Arc::clone(&nfsd.nfsd_file_slab),
            object,
        }))
    })
}

/// `nfsd_file_unhash()`: whether the caller is the one that unhashed it.
#[track_caller]
fn nfsd_file_unhash(nfsd: &Nfsd, nf: &Arc<NfsdFile>) -> bool {
    unless_skipped(true, || {
        enter("nfsd_file_unhash").learns(|| {
            if nf.nf_flags.test_and_clear_bit(NFSD_FILE_HASHED) {
                nfsd.nfsd_file_rhltable.remove(nf.nf_inode(), nf);
                return true;
            }
            false
        })
    })
}

/// `nfsd_file_check_write_error()` and what its caller does with it: a writeback error that was not
/// seen resets the namespace's write verifier.
///
/// Left out: whether the file was opened for writing, which all are here, and the verifier itself:
/// nothing that decides reads it. Its lock is taken.
fn nfsd_file_check_write_error(nfsd: &Nfsd, nf: &NfsdFile) {
    let _in = enter("nfsd_file_check_write_error").forgets();
    if nfsd.inodes[nf.nf_inode].writeback_error {
        let nn = nf.nf_net().generic();
        let _in = enter("nfsd_reset_write_verifier");
        drop(nn.writeverf_lock.lock());
    }
}

/// `nfsd_file_free()`. The caller owns the file at reference 0, or it was never inserted.
///
/// Left out: statistics, which nothing that decides reads.
fn nfsd_file_free(nfsd: &Arc<Nfsd>, nf: &Arc<NfsdFile>) {
    let _in = enter("nfsd_file_free").forgets();
    let unhashed = nfsd_file_unhash(nfsd, nf);
    if nfsd.choices.free_unhash == FreeUnhash::Always && !unhashed {
        nfsd.nfsd_file_rhltable.remove(nf.nf_inode(), nf);
    }
    if let Some(mark) = nf.nf_mark.get() {
        nfsd_file_mark_put(nfsd, &mark);
    }
    if nf.nf_file.get() {
        nfsd_file_check_write_error(nfsd, nf);
        nfsd_filp_close(nfsd);
    }
    // Step 6: whoever frees a file owns it alone, so no list may know it.
    if !nf.nf_lru.is_empty() {
        sync::report(Violation::on(
            ViolationKind::Warning,
            nf.memory().object(),
            "WARN_ON_ONCE(!list_empty(&nf->nf_lru)): freed while on the LRU; leaked",
        ));
        return;
    }
    match nfsd.choices.net_ref {
        NetRef::None => {}
        NetRef::AtAlloc => nf.nf_net().put(),
        NetRef::AtAllocGc => {
            if nf.nf_flags.test_bit(NFSD_FILE_GC) {
                nf.nf_net().put();
            }
        }
        NetRef::AtDispose => {
            if nf.nf_flags.test_bit(NFSD_FILE_NET_HELD) {
                nf.nf_net().put();
            }
        }
    }
    // call_rcu() writes nf->nf_rcu.
    nf.memory().touch(Step::Next);
    let freed = Arc::clone(nf);
    nfsd.kernel
        .call_rcu(nf.memory(), move || nfsd_file_slab_free(&freed));
}

/// `nfsd_filp_close()`: flushes and drops the open file, which may sleep long.
///
/// Left out: what flushing and closing do to the file system. The open file is private to its
/// `nfsd_file`, so no other context of nfsd sees it; that it may sleep is modelled.
fn nfsd_filp_close(nfsd: &Nfsd) {
    let _in = enter("nfsd_filp_close").forgets();
    nfsd.kernel.sleeping("nfsd_filp_close()", || ());
}

/// `nfsd_file_file()`: what an I/O does its reads and writes with.
pub(super) fn nfsd_file_file(nf: &NfsdFile) {
    let _in = enter("nfsd_file_file");
    if !nf.nf_file.get() {
        null_dereference("nf->nf_file");
    }
}

/// `nfsd_file_get()`.
#[must_use]
#[track_caller]
pub fn nfsd_file_get(nf: &NfsdFile) -> bool {
    unless_skipped(true, || {
        let _in = enter("nfsd_file_get");
        nf.nf_ref.inc_not_zero()
    })
}

/// `nfsd_file_lru_add()`, by the constructor.
///
/// Versions: all but `v6.12`.
fn nfsd_file_lru_add(nfsd: &Arc<Nfsd>, nf: &Arc<NfsdFile>) {
    let _in = enter("nfsd_file_lru_add").forgets();
    nf.nf_ref.inc();
    if nfsd.nfsd_file_lru.add(nf) {
        nfsd_file_schedule_laundrette(nfsd);
    } else {
        nf.nf_ref.dec();
        sync::report(Violation::on(
            ViolationKind::Warning,
            nf.memory().object(),
            "WARN_ON_ONCE: list_lru_add_obj() found it on a list already",
        ));
    }
}

/// `nfsd_file_lru_remove()`: the caller inherits the LRU's reference where it answers `true`.
#[track_caller]
fn nfsd_file_lru_remove(nfsd: &Nfsd, nf: &Arc<NfsdFile>) -> bool {
    unless_skipped(true, || {
        enter("nfsd_file_lru_remove").learns(|| {
            // list_lru_del_obj() only looks whether the node is linked.
            nfsd.nfsd_file_lru.del(nf) || take_off_dispose_list(nfsd, nf) == Some(true)
        })
    })
}

/// A file has been put on a dispose list.
fn put_on_dispose_list(nfsd: &Nfsd, nf: &NfsdFile) {
    match nfsd.choices.dispose_link {
        DisposeLink::Separate => {}
        DisposeLink::SharedWithLru => nf.nf_lru_disposed.store(1, Ordering::Relaxed),
    }
}

/// Where the node is the LRU's too: whether the file was still on the dispose list.
fn take_off_dispose_list(nfsd: &Nfsd, nf: &NfsdFile) -> Option<bool> {
    match nfsd.choices.dispose_link {
        DisposeLink::Separate => None,
        DisposeLink::SharedWithLru => Some(nf.nf_lru_disposed.swap(0, Ordering::Relaxed) != 0),
    }
}

/// `nfsd_file_lru_add()` of v6.12, by a put that hands its reference over: whether it could.
///
/// Versions: `v6.12` only.
fn nfsd_file_lru_add_by_put(nfsd: &Arc<Nfsd>, nf: &Arc<NfsdFile>) -> bool {
    let _in = enter("nfsd_file_lru_add");
    nf.nf_flags.set_bit(NFSD_FILE_REFERENCED);
    nfsd.nfsd_file_lru.add(nf)
}

// Section B9, B10: putting.

/// `nfsd_file_put()`.
#[track_caller]
pub fn nfsd_file_put(nfsd: &Arc<Nfsd>, nf: &Arc<NfsdFile>) {
    unless_skipped((), || {
        let _in = enter("nfsd_file_put").forgets();
        nfsd.kernel.might_sleep("nfsd_file_put()");
        if nf.nf_flags.test_bit(NFSD_FILE_GC) && nf.nf_flags.test_bit(NFSD_FILE_HASHED) {
            match nfsd.choices.lru {
                Lru::AtConstruction => {
                    nf.nf_flags.set_bit(NFSD_FILE_REFERENCED);
                    nf.nf_flags.set_bit(NFSD_FILE_RECENT);
                }
                Lru::ByPut => {
                    if nf.nf_ref.dec_not_one() {
                        return;
                    }
                    // The last reference becomes the LRU's.
                    if nfsd_file_lru_add_by_put(nfsd, nf) {
                        if nfsd.choices.put_recheck == PutRecheck::No || nf.is_hashed() {
                            nfsd_file_schedule_laundrette(nfsd);
                            return;
                        }
                        // Unhashed meanwhile. Who has taken it off the LRU has the reference.
                        if !nfsd_file_lru_remove(nfsd, nf) {
                            return;
                        }
                    }
                }
            }
        }
        if nf.nf_ref.dec_and_test() {
            nfsd_file_free(nfsd, nf);
        }
        match nfsd.choices.put_reads {
            PutReads::Nothing => {}
            PutReads::File => {
                let _ = nf.nf_file.get();
            }
        }
    })
}

/// `nfsd_file_put_local()`: drops a file and the reference to its server that goes with it.
///
/// With it: `nfs_to_nfsd_file_put_local()`.
///
/// In the merged form the second half is `nfs_to_nfsd_file_put_local()`, inline in the NFS
/// client's module. It is written here as one function, as the order is all that matters.
#[track_caller]
pub fn nfsd_file_put_local(nfsd: &Arc<Nfsd>, pnf: &Pointer<NfsdFile>) {
    unless_skipped((), || {
        let _in = enter("nfsd_file_put_local").forgets();
        let Some(nf) = pnf.xchg_null() else {
            return;
        };
        let net = Arc::clone(nf.nf_net());
        match nfsd.choices.put_local_order {
            PutLocalOrder::FileThenNet => {
                let _both = match nfsd.choices.put_local_rcu {
                    PutLocalRcu::AroundNet => None,
                    PutLocalRcu::AroundBoth => Some(nfsd.kernel.rcu_read_lock()),
                };
                nfsd_file_put(nfsd, &nf);
                let _rcu = nfsd.kernel.rcu_read_lock();
                super::localio::nfsd_net_put(nfsd, &net);
            }
            PutLocalOrder::NetThenFile => {
                {
                    let _rcu = nfsd.kernel.rcu_read_lock();
                    super::localio::nfsd_net_put(nfsd, &net);
                }
                nfsd_file_put(nfsd, &nf);
            }
        }
    })
}

// Section B11 to B13: disposal.

/// `nfsd_file_dispose_list()` of a private list.
fn nfsd_file_dispose_list(nfsd: &Arc<Nfsd>, dispose: Vec<Arc<NfsdFile>>) {
    let _in = enter("nfsd_file_dispose_list").forgets();
    // Whatever goes on a private list goes to its front.
    for nf in dispose.into_iter().rev() {
        if take_off_dispose_list(nfsd, &nf) != Some(false) {
            nfsd_file_free(nfsd, &nf);
        }
    }
}

/// `nfsd_file_dispose_list()` of a namespace's list, on which it takes no lock.
fn nfsd_file_dispose_shared_list(nfsd: &Arc<Nfsd>, disposal: &NfsdFcacheDisposal) {
    let _in = enter("nfsd_file_dispose_list").forgets();
    while !disposal.freeme.is_empty() {
        if let Some(nf) = disposal.freeme.take_first()
            && take_off_dispose_list(nfsd, &nf) != Some(false)
        {
            nfsd_file_free(nfsd, &nf);
        }
    }
}

/// The list of a namespace's files that wait to be freed.
fn fcache_disposal(nfsd: &Nfsd, nn: &NfsdNet) -> Arc<NfsdFcacheDisposal> {
    match nfsd.choices.dispose_list {
        // Set when the server started.
        DisposeList::Separate => nn.fcache_disposal.load().unwrap_or_else(|| {
            null_dereference("nn->fcache_disposal");
            Arc::clone(&nn.fcache_dispose)
        }),
        DisposeList::Inline => Arc::clone(&nn.fcache_dispose),
    }
}

/// `nfsd_file_dispose_list_delayed()`: hands each file to its namespace's service threads.
fn nfsd_file_dispose_list_delayed(nfsd: &Arc<Nfsd>, dispose: Vec<Arc<NfsdFile>>) {
    let _in = enter("nfsd_file_dispose_list_delayed").forgets();
    for nf in dispose.into_iter().rev() {
        if take_off_dispose_list(nfsd, &nf) == Some(false) {
            continue;
        }
        if nfsd.choices.net_ref == NetRef::AtDispose {
            nf.nf_net().get();
            nf.nf_flags.set_bit(NFSD_FILE_NET_HELD);
        }
        let nn = nf.nf_net().generic();
        let l = fcache_disposal(nfsd, nn);
        {
            let _lock = l.lock.lock();
            l.freeme.add_tail(&nf);
            put_on_dispose_list(nfsd, &nf);
        }
        if nfsd.choices.queue_wakes == QueueWakes::No {
            continue;
        }
        // The cache outlives each server: this one may have stopped.
        let wake = |serv: Option<_>| match serv {
            Some(serv) => svc_wake_up(nfsd, nf.net(), &serv),
            None => null_dereference("svc_wake_up(NULL)"),
        };
        match nfsd.choices.wake_guard {
            WakeGuard::LoadOnceTest => {
                if let Some(serv) = nn.nfsd_serv.load() {
                    wake(Some(serv));
                }
            }
            WakeGuard::None => wake(nn.nfsd_serv.load()),
            WakeGuard::TestThenReload => {
                if nn.nfsd_serv.load().is_some() {
                    wake(nn.nfsd_serv.load());
                }
            }
        }
    }
}

/// `nfsd_file_net_dispose()`: a service thread frees up to eight files of its namespace.
pub(super) fn nfsd_file_net_dispose(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_file_net_dispose").forgets();
    let nn = net.generic_unchecked();
    let l = fcache_disposal(nfsd, nn);
    if l.freeme.is_empty() {
        return;
    }
    let dispose = {
        let _lock = l.lock.lock();
        l.freeme.take_some(8)
    };
    if !l.freeme.is_empty() {
        // More than one turn's worth is left, or more has come.
        match (nn.nfsd_serv.load(), nfsd.choices.net_dispose_guard) {
            (Some(serv), _) => svc_wake_up(nfsd, net, &serv),
            (None, NetDisposeGuard::Tested) => {}
            (None, NetDisposeGuard::None) => null_dereference("svc_wake_up(NULL)"),
        }
    }
    nfsd_file_dispose_list(nfsd, dispose);
}

// Section B14 to B18: the walkers of the LRU.

/// `nfsd_file_check_writeback()`: whether dirty pages keep the file. Whether there are any is a
/// choice, where the file system asks.
///
/// Left out: how a file system knows that pages are dirty. Both answers are tried at every look,
/// which is more than any file system does.
fn nfsd_file_check_writeback(nfsd: &Nfsd, nf: &NfsdFile) -> bool {
    if !nf.nf_file.get() {
        null_dereference("nf->nf_file");
    }
    nfsd.inodes[nf.nf_inode].flush_on_close && sync::choose(2) == 1
}

/// `nfsd_file_lru_cb()`, with the LRU's lock and `nfsd_gc_lock` held.
///
/// Left out: nothing. The look at GC is no step: the bit never changes.
fn nfsd_file_lru_cb(
    nfsd: &Nfsd,
    nf: &Arc<NfsdFile>,
    isolate: &mut dyn FnMut(),
    dispose: &mut Vec<Arc<NfsdFile>>,
) -> LruStatus {
    let _in = enter("nfsd_file_lru_cb");
    if !nf.gc {
        sync::report(Violation::on(
            ViolationKind::Warning,
            nf.memory().object(),
            "WARN_ON_ONCE(!test_bit(NFSD_FILE_GC)): a file on the LRU that is not to be collected",
        ));
    }
    if nfsd_file_check_writeback(nfsd, nf) {
        return LruStatus::Skip;
    }
    // Used since the last look: it gets another round.
    if nf.nf_flags.test_and_clear_bit(NFSD_FILE_REFERENCED) {
        return LruStatus::Rotate;
    }
    match nfsd.choices.lru {
        // The LRU's own reference goes, if nobody has another one.
        Lru::AtConstruction => {
            if !nf.nf_ref.dec_if_one() {
                return LruStatus::Rotate;
            }
        }
        // It goes in any case; with another one the file only leaves the LRU.
        Lru::ByPut => {
            if !nf.nf_ref.dec_and_test() {
                isolate();
                return LruStatus::Removed;
            }
        }
    }
    // From here on this walker owns it. Somebody else may have begun to unhash it.
    let _ = nfsd_file_unhash(nfsd, nf);
    isolate();
    put_on_dispose_list(nfsd, nf);
    dispose.push(Arc::clone(nf));
    LruStatus::Removed
}

/// `nfsd_file_gc_cb()`: ages the file, and passes it on where it is old.
fn nfsd_file_gc_cb(
    nfsd: &Nfsd,
    nf: &Arc<NfsdFile>,
    isolate: &mut dyn FnMut(),
    dispose: &mut Vec<Arc<NfsdFile>>,
) -> LruStatus {
    let _in = enter("nfsd_file_gc_cb");
    if nfsd.choices.lru == Lru::AtConstruction && nf.nf_flags.test_and_clear_bit(NFSD_FILE_RECENT) {
        // It goes to the tail now, which is all that REFERENCED asks for.
        nf.nf_flags.clear_bit(NFSD_FILE_REFERENCED);
        return LruStatus::Rotate;
    }
    nfsd_file_lru_cb(nfsd, nf, isolate, dispose)
}

/// `nfsd_file_gc()`: one pass over the LRU.
///
/// Left out: one list for each NUMA node. Two nodes' lists share nothing but the owners of files,
/// and all that a walker does to a file is under the one lock of its node.
fn nfsd_file_gc(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_file_gc").forgets();
    let mut dispose = Vec::new();
    let gc_lock = nfsd.nfsd_gc_lock.lock();
    let mut remaining = nfsd.nfsd_file_lru.count() as usize;
    while remaining > 0 {
        let batch = remaining.min(NFSD_FILE_GC_BATCH);
        let walked = nfsd.nfsd_file_lru.walk(batch, |nf, isolate| {
            nfsd_file_gc_cb(nfsd, nf, isolate, &mut dispose)
        });
        if walked < batch {
            // The list is shorter than it was when it was counted.
            break;
        }
        remaining -= batch;
    }
    match nfsd.choices.gc_lock_gc {
        GcLockGc::Walk => {
            drop(gc_lock);
            nfsd_file_dispose_list_delayed(nfsd, dispose);
        }
        GcLockGc::WalkAndQueue => {
            nfsd_file_dispose_list_delayed(nfsd, dispose);
            drop(gc_lock);
        }
    }
}

/// `nfsd_file_gc_worker()`: the laundrette.
fn nfsd_file_gc_worker(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_file_gc_worker").forgets();
    match nfsd.choices.lru {
        Lru::AtConstruction => {
            if nfsd.nfsd_file_lru.count() > 0 {
                nfsd_file_gc(nfsd);
            }
            nfsd_file_schedule_laundrette(nfsd);
        }
        Lru::ByPut => {
            nfsd_file_gc(nfsd);
            if nfsd.nfsd_file_lru.count() > 0 {
                nfsd_file_schedule_laundrette(nfsd);
            }
        }
    }
}

/// `nfsd_file_lru_scan()`, as the shrinker calls it: one scan, between references to the shrinker.
/// `nfsd_file_lru_count()` comes before it and decides that there is something to scan.
///
/// With it: `nfsd_file_lru_count()`.
///
/// Left out: how many entries a scan is asked for: here, for as many as were counted. Files share
/// nothing but the list, so a scan that stops earlier does to those it reaches what one of a list of
/// these alone does, and one that is asked for more is two of them to those it sees twice, as it may
/// be where the list has become shorter.
pub fn nfsd_file_lru_scan(nfsd: &Arc<Nfsd>) {
    nfsd.shrinker_list.shrink(&nfsd.kernel, || {
        let _in = enter("nfsd_file_lru_scan").forgets();
        let count = nfsd.nfsd_file_lru.count() as usize;
        if count == 0 {
            return;
        }
        let Some(gc_lock) = nfsd.nfsd_gc_lock.try_lock() else {
            // SHRINK_STOP
            return;
        };
        let mut dispose = Vec::new();
        nfsd.nfsd_file_lru.walk(count, |nf, isolate| {
            nfsd_file_lru_cb(nfsd, nf, isolate, &mut dispose)
        });
        match nfsd.choices.gc_lock_shrinker {
            GcLockShrinker::Walk => {
                drop(gc_lock);
                nfsd_file_dispose_list_delayed(nfsd, dispose);
            }
            GcLockShrinker::WalkAndQueue => {
                nfsd_file_dispose_list_delayed(nfsd, dispose);
                drop(gc_lock);
            }
        }
    });
}

/// The laundrette's timer fires now, if it is armed, and the pass runs in the calling context.
pub fn laundrette_fires(nfsd: &Nfsd) {
    nfsd.nfsd_filecache_laundrette.fire(&nfsd.kernel);
}

/// The actors begin to run: the laundrette's timer may fire by itself.
pub fn laundrette_may_fire(nfsd: &Nfsd) {
    let passes = nfsd.kernel.options.timer_passes;
    nfsd.nfsd_filecache_laundrette
        .let_fire(&nfsd.kernel, passes);
}

// Section B19, B20: closing.

/// `nfsd_file_cond_queue()`, under RCU: unhash the file, and queue it if nobody uses it.
fn nfsd_file_cond_queue(nfsd: &Nfsd, nf: &Arc<NfsdFile>, dispose: &mut Vec<Arc<NfsdFile>>) {
    let _in = enter("nfsd_file_cond_queue");
    let mut decrement = 1;
    // Whoever has unhashed it takes care of it.
    if !nfsd_file_unhash(nfsd, nf) {
        return;
    }
    // At 0 it is being freed by somebody else.
    if !nfsd_file_get(nf) {
        return;
    }
    // The LRU's reference comes with it.
    if nfsd_file_lru_remove(nfsd, nf) {
        decrement += 1;
    }
    // Otherwise whoever holds the last one frees it.
    if nf.nf_ref.sub_and_test(decrement) {
        put_on_dispose_list(nfsd, nf);
        dispose.push(Arc::clone(nf));
    }
}

/// `nfsd_file_queue_for_close()`.
fn nfsd_file_queue_for_close(nfsd: &Nfsd, inode: usize, dispose: &mut Vec<Arc<NfsdFile>>) {
    let _in = enter("nfsd_file_queue_for_close");
    let _rcu = nfsd.kernel.rcu_read_lock();
    for nf in nfsd.nfsd_file_rhltable.lookup(inode) {
        if nf.nf_flags.test_bit(NFSD_FILE_GC) {
            // More than the LRU's reference: it is in use.
            if nfsd.choices.close_check == CloseCheck::ReadFirst && nf.nf_ref.read() > 1 {
                continue;
            }
            nfsd_file_cond_queue(nfsd, &nf, dispose);
        }
    }
}

/// `nfsd_file_close_inode()`: a lease is taken, or the inode goes away.
fn nfsd_file_close_inode(nfsd: &Arc<Nfsd>, inode: usize) {
    let _in = enter("nfsd_file_close_inode").forgets();
    let mut dispose = Vec::new();
    match nfsd.choices.gc_lock_close_inode {
        GcLockCloseInode::None => {
            nfsd_file_queue_for_close(nfsd, inode, &mut dispose);
            nfsd_file_dispose_list_delayed(nfsd, dispose);
        }
        GcLockCloseInode::WalkAndQueue => {
            let _gc_lock = nfsd.nfsd_gc_lock.lock();
            nfsd_file_queue_for_close(nfsd, inode, &mut dispose);
            nfsd_file_dispose_list_delayed(nfsd, dispose);
        }
    }
}

/// `nfsd_file_close_inode_sync()`: a service thread is about to unlink or rename over the inode.
pub fn nfsd_file_close_inode_sync(nfsd: &Arc<Nfsd>, net: &Arc<Net>, inode: usize) {
    let _in = enter("nfsd_file_close_inode_sync").forgets();
    let mut dispose = Vec::new();
    match nfsd.choices.close_sync {
        CloseSync::FreesAll => nfsd_file_queue_for_close(nfsd, inode, &mut dispose),
        CloseSync::QueuesOthers => {
            let _gc_lock = nfsd.nfsd_gc_lock.lock();
            nfsd_file_queue_for_close(nfsd, inode, &mut dispose);
            let is_own = |nf: &Arc<NfsdFile>| Arc::ptr_eq(nf.nf_net(), net);
            let (own, others) = dispose.into_iter().partition(is_own);
            nfsd_file_dispose_list_delayed(nfsd, others);
            dispose = own;
        }
    }
    nfsd_file_dispose_list(nfsd, dispose);
}

/// `nfsd_file_lease_notifier_call()`, from `kernel_setlease()`.
///
/// Left out: the look at the kind of lease. One that is no `FL_LEASE` ends there, before it has
/// touched the cache.
pub fn nfsd_file_lease_notifier_call(nfsd: &Arc<Nfsd>, inode: usize) {
    nfsd.lease_notifier_chain.call(|| {
        let _in = enter("nfsd_file_lease_notifier_call");
        nfsd_file_close_inode(nfsd, inode);
    });
}

/// `nfsd_file_fsnotify_handle_event()`: the last link of an inode goes away, and `fsnotify()` tells
/// nfsd's mark, if it has one.
///
/// With it: `nfsd_dir_fsnotify_handle_event()`.
///
/// Left out: what is told of a directory, which goes to the delegations of it and touches no file of
/// the cache. Events that are ignored, of a file that is no regular one or still has links. They end
/// before they have touched the cache.
///
/// Versions: all; that of a directory in `nfsd-next` only.
pub fn nfsd_file_fsnotify_handle_event(nfsd: &Arc<Nfsd>, inode: usize) {
    nfsd.i_nlinks[inode].store(0, Ordering::Relaxed);
    nfsd.fsnotify.event(inode, |_mark| {
        if nfsd.inodes[inode].directory {
            let _in = enter("nfsd_dir_fsnotify_handle_event");
            return;
        }
        let _in = enter("nfsd_file_fsnotify_handle_event");
        nfsd_file_close_inode(nfsd, inode);
    });
}

/// `__nfsd_file_cache_purge()` of one namespace, or of all.
///
/// Left out: the second pass where the table was resized meanwhile. It finds files that the first
/// one has seen, which are unhashed by then and so passed over.
fn __nfsd_file_cache_purge(nfsd: &Arc<Nfsd>, net: Option<&Arc<Net>>) {
    let _in = enter("__nfsd_file_cache_purge").forgets();
    if let Some(net) = net
        && nfsd.choices.localio_invalidate == LocalioInvalidate::Purge
    {
        nfs_localio_invalidate_clients(nfsd, net.generic_unchecked());
    }
    let mut dispose = Vec::new();
    {
        // rhashtable_walk_start() .. rhashtable_walk_stop()
        let _rcu = nfsd.kernel.rcu_read_lock();
        nfsd.nfsd_file_rhltable.walk(|nf| {
            if net.is_none_or(|net| Arc::ptr_eq(nf.nf_net(), net)) {
                match nfsd.choices.purge {
                    Purge::Conditional => nfsd_file_cond_queue(nfsd, nf, &mut dispose),
                    Purge::Unconditional => {
                        let _ = nfsd_file_unhash(nfsd, nf);
                        let _ = nfsd_file_lru_remove(nfsd, nf);
                        dispose.push(Arc::clone(nf));
                    }
                }
            }
        });
    }
    nfsd_file_dispose_list(nfsd, dispose);
}

/// `nfsd_file_cache_purge()`, with `nfsd_mutex` held where that is the only one.
pub(super) fn nfsd_file_cache_purge(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_file_cache_purge").forgets();
    let _global = global_mutex(nfsd);
    if nfsd.nfsd_file_flags.test_bit(NFSD_FILE_CACHE_UP) {
        let net = match nfsd.choices.purge_net {
            PurgeNet::Own => Some(net),
            PurgeNet::All => None,
        };
        __nfsd_file_cache_purge(nfsd, net);
    }
}

/// `expkey_flush()`: the export cache of a namespace is flushed.
///
/// Kernel file: `fs/nfsd/export.c`.
///
/// Left out: the export cache itself, which holds no file.
pub fn expkey_flush(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("expkey_flush");
    let _mutex = match nfsd.choices.mutexes {
        Mutexes::One => Some(nfsd.nfsd_mutex.lock()),
        Mutexes::Split => None,
    };
    nfsd_file_cache_purge(nfsd, net);
}

/// `nfsd_file_close_export()`: an export of a namespace goes away, here one that an inode is in, and
/// with it the cached files below it.
///
/// Versions: `nfsd-next` only.
///
/// Left out: how a path tells that a file is below the export. Here the export has the one inode
/// that it is asked for, so other files stay, as those of another export do. The open file that
/// is asked may be closed meanwhile, and its memory be another one's, as it stays an open file's until
/// the walk's section ends (`SLAB_TYPESAFE_BY_RCU`). What the walk finds in it then is not modelled;
/// the README names it among what may hide a race.
pub fn nfsd_file_close_export(nfsd: &Arc<Nfsd>, net: &Arc<Net>, inode: usize) {
    let _in = enter("nfsd_file_close_export");
    let _mutex = control_mutex(nfsd, net);
    if !net.generic().flags.test_bit(NFSD_NET_UP) {
        return;
    }
    let mut dispose = Vec::new();
    {
        // rhashtable_walk_start() .. rhashtable_walk_stop()
        let _rcu = nfsd.kernel.rcu_read_lock();
        nfsd.nfsd_file_rhltable.walk(|nf| {
            if Arc::ptr_eq(nf.nf_net(), net)
                && nf.nf_flags.test_bit(NFSD_FILE_GC)
                && is_constructed(nfsd, nf)
                && nf.nf_file.get()
                && nf.nf_inode() == inode
            {
                nfsd_file_cond_queue(nfsd, nf, &mut dispose);
            }
        });
    }
    nfsd_file_dispose_list(nfsd, dispose);
}

/// Whether the walk of an export may look at the open file.
fn is_constructed(nfsd: &Nfsd, nf: &NfsdFile) -> bool {
    match nfsd.choices.export_check {
        ExportCheck::Opened => true,
        ExportCheck::Constructed => !nf.nf_flags.test_bit_acquire(NFSD_FILE_PENDING),
    }
}

// Section B21: marks.

/// `nfsd_file_mark_get()`.
fn nfsd_file_mark_get(mark: &NfsdFileMark) -> bool {
    enter("nfsd_file_mark_get").learns(|| mark.nfm_ref.inc_not_zero())
}

/// `nfsd_file_mark_put()`.
fn nfsd_file_mark_put(nfsd: &Nfsd, mark: &Arc<NfsdFileMark>) {
    let _in = enter("nfsd_file_mark_put").forgets();
    if mark.nfm_ref.dec_and_test() {
        if nfsd.choices.mark_group == MarkGroup::Global
            && nfsd.nfsd_file_fsnotify_group.get().is_none()
        {
            null_dereference("fsnotify_destroy_mark(mark, NULL)");
            return;
        }
        nfsd.fsnotify.destroy_mark(mark);
        nfsd.fsnotify.put_mark(mark);
    }
}

/// `nfsd_fsnotify_recalc_mask()`: a delegation of a directory has been given or has ended, and the
/// mark's mask is to ask for the events that the delegations there are want to hear of.
///
/// Versions: `nfsd-next` only.
///
/// Left out: which events. Every delegation here wants the same ones. What an event does that is
/// heard of, to tell the clients: it touches no file of the cache before it has a reference.
pub(super) fn nfsd_fsnotify_recalc_mask(nfsd: &Nfsd, nf: &NfsdFile) {
    let _in = enter("nfsd_fsnotify_recalc_mask").forgets();
    let Some(lease) = nfsd.directory_lease(nf) else {
        return;
    };
    let Some(mark) = nf.nf_mark.get() else {
        return;
    };
    let _mutex = match (&mark.nfm_recalc_mutex, nfsd.choices.recalc_mutex) {
        (Some(mutex), RecalcMutex::Taken) => Some(mutex.lock()),
        _ => None,
    };
    // inode_lease_ignore_mask()
    let delegated = *lease.lock() > 0;
    nfsd.fsnotify.modify_mark_mask(&mark, delegated);
}

/// `nfsd_file_mark_find_or_create()`.
///
/// Left out: a failure to add the mark other than that there is one. The file is refused then, as
/// it is where there is no memory for the mark, which is a choice here.
fn nfsd_file_mark_find_or_create(nfsd: &Arc<Nfsd>, inode: usize) -> Option<Arc<NfsdFileMark>> {
    enter("nfsd_file_mark_find_or_create").learns(|| {
        loop {
            let group = match nfsd.inodes[inode].directory {
                true => nfsd.nfsd_dir_fsnotify_group.get(),
                false => nfsd.nfsd_file_fsnotify_group.get(),
            };
            let Some(group) = group else {
                // The group lives as long as the cache.
                null_dereference("fsnotify_group_lock(NULL)");
                return None;
            };
            let (found, got) = nfsd.fsnotify.find_mark(&group, inode, |found| {
                let got = found.is_some_and(|mark| nfsd_file_mark_get(mark));
                (found.map(Arc::clone), got)
            });
            if let Some(mark) = found {
                if got {
                    nfsd.fsnotify.put_mark(&mark);
                    return Some(mark);
                }
                // The one that drops the last nfm_ref may wait for the group's mutex: help it along,
                // or this loop finds the same dying mark for as long.
                nfsd.fsnotify.destroy_mark(&mark);
                nfsd.fsnotify.put_mark(&mark);
            }
            let object = nfsd.nfsd_file_mark_slab.alloc(&nfsd.kernel)?;
            let memory = object.memory();
            let mark = Arc::new(NfsdFileMark {
                fsn_mark: FsnMark::new_in(&nfsd.kernel, memory, &group, inode),
                nfm_ref: Refcount::new_in(memory, "nfm_ref", 1),
                nfm_recalc_mutex: match nfsd.choices.dir_marks {
                    DirMarks::None => None,
                    DirMarks::OwnGroup => {
                        let name = "nfm_recalc_mutex";
                        Some(KernelMutex::new_in(&nfsd.kernel, memory, name, ()))
                    }
                },
                slab: Arc::clone(&nfsd.nfsd_file_mark_slab),
                object,
            });
            if nfsd.fsnotify.add_inode_mark(&mark) {
                return Some(mark);
            }
            // -EEXIST: someone else was faster.
            nfsd.fsnotify.put_mark(&mark);
        }
    })
}

// Section B22: acquiring.

/// `nfsd_file_lookup_locked()`, under RCU: a file that fits, with a reference.
///
/// Left out: the credentials and `nf_may` but for LOCALIO: all files here have the same, so what is
/// told apart by them is another file, as another inode's is.
fn nfsd_file_lookup_locked(
    nfsd: &Nfsd,
    net: &Arc<Net>,
    inode: usize,
    acquire: Acquire,
) -> Option<Arc<NfsdFile>> {
    enter("nfsd_file_lookup_locked")
        .learns(|| nfsd_file_fits(nfsd.nfsd_file_rhltable.lookup(inode), net, acquire))
}

/// The first of these that fits and is not being freed, with a reference.
fn nfsd_file_fits(
    entries: Vec<Arc<NfsdFile>>,
    net: &Arc<Net>,
    acquire: Acquire,
) -> Option<Arc<NfsdFile>> {
    entries.into_iter().find(|nf| {
        nf.memory().touch(Step::Next);
        nf.localio == acquire.localio
            && Arc::ptr_eq(&nf.nf_net, net)
            && nf.nf_flags.test_bit(NFSD_FILE_GC) == acquire.want_gc
            && nf.is_hashed()
            && nfsd_file_get(nf)
    })
}

/// `nfsd_file_do_acquire()`.
///
/// With it: `nfsd_file_acquire_gc()`, `nfsd_file_acquire()`, `nfsd_file_acquire_dir()`.
///
/// Left out: `fh_verify()`, which pins the inode and may fail before the cache is touched; the
/// attributes for direct I/O, which no step of the life cycle reads; how a lease is broken: whether it
/// is in time is a choice, where somebody has one. `-EOPENSTALE` a second time, which is an open
/// that fails.
///
/// # Errors
///
/// Where the file could not be made.
pub fn nfsd_file_do_acquire(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
    acquire: Acquire,
) -> Result<Arc<NfsdFile>, Status> {
    enter("nfsd_file_do_acquire").learns(|| {
        let mut open_retry = true;
        loop {
            let found = {
                let rcu = nfsd.kernel.rcu_read_lock();
                match nfsd.choices.lookup_rcu {
                    LookupRcu::On => nfsd_file_lookup_locked(nfsd, net, inode, acquire),
                    LookupRcu::Off => {
                        let entries = nfsd.nfsd_file_rhltable.lookup(inode);
                        drop(rcu);
                        nfsd_file_fits(entries, net, acquire)
                    }
                }
            };
            let nf = match found {
                Some(nf) => {
                    match nfsd.choices.lru {
                        Lru::AtConstruction => {}
                        // What the LRU had is not needed any more; this caller has one of its own.
                        Lru::ByPut => {
                            if nfsd_file_lru_remove(nfsd, &nf) && nf.nf_ref.dec_and_test() {
                                sync::report(Violation::on(
                                    ViolationKind::Warning,
                                    nf.memory().object(),
                                    "WARN_ON_ONCE: the LRU had the last reference of a file in use",
                                ));
                            }
                        }
                    }
                    nf
                }
                None => {
                    let new = nfsd_file_alloc(nfsd, net, inode, acquire).ok_or(Status::Jukebox)?;
                    let rcu = nfsd.kernel.rcu_read_lock();
                    let i_lock = nfsd.i_locks[inode].lock();
                    let found = nfsd_file_lookup_locked(nfsd, net, inode, acquire);
                    // rhltable_insert() allocates with GFP_ATOMIC while the table is resized.
                    let fails = || nfsd.kernel.options.alloc_may_fail && sync::choose(2) == 1;
                    let inserts = found.is_none() && !fails();
                    if inserts {
                        nfsd.nfsd_file_rhltable.insert(inode, &new);
                        match nfsd.choices.flags_init {
                            FlagsInit::BeforeInsert => {}
                            FlagsInit::AfterInsert => {
                                new.nf_flags.set_bit(NFSD_FILE_HASHED);
                                new.nf_flags.set_bit(NFSD_FILE_PENDING);
                            }
                        }
                    }
                    drop(i_lock);
                    drop(rcu);
                    match found {
                        None if inserts => match construct(nfsd, inode, acquire, &new) {
                            Constructed::Done(result) => return result,
                            Constructed::Stale => continue,
                        },
                        None => {
                            construction_err(nfsd, &new);
                            match nfsd.choices.insert_error {
                                InsertError::ReadsNothing => {}
                                InsertError::ReadsFile => {
                                    let _ = new.nf_ref.read();
                                }
                            }
                            return Err(Status::Jukebox);
                        }
                        Some(nf) => {
                            nfsd_file_free(nfsd, &new);
                            nf
                        }
                    }
                }
            };
            // wait_for_construction:
            match nfsd.choices.pending_wait {
                PendingWait::Acquire => nf.nf_flags.wait_on_bit(&nfsd.kernel, NFSD_FILE_PENDING),
                PendingWait::Relaxed => nf
                    .nf_flags
                    .wait_on_bit_relaxed(&nfsd.kernel, NFSD_FILE_PENDING),
            }
            // Its constructor has failed, or it was unhashed meanwhile.
            if nf.is_hashed() {
                // A reader may look at the open file now; who brings one of its own does not.
                if !acquire.opened && !nf.nf_file.get() {
                    sync::report(Violation::on(
                        ViolationKind::Warning,
                        nf.nf_file.object(),
                        "handed out without an open file: NULL pointer dereference",
                    ));
                }
                if !nfsd_open_break_lease(nfsd, inode) {
                    nfsd_file_put(nfsd, &nf);
                    return Err(Status::Jukebox);
                }
                nfsd_file_check_write_error(nfsd, &nf);
                return Ok(nf);
            }
            if !open_retry {
                construction_err(nfsd, &nf);
                return Err(Status::Jukebox);
            }
            match nfsd.choices.acquire_retry {
                AcquireRetry::Puts => nfsd_file_put(nfsd, &nf),
                AcquireRetry::Forgets => {}
            }
            open_retry = false;
        }
    })
}

/// `nfsd_file_acquire_opened()`: an NFSv4 OPEN has created and opened the file already.
///
/// # Errors
///
/// Where the file could not be made.
pub fn nfsd_file_acquire_opened(
    nfsd: &Arc<Nfsd>,
    net: &Arc<Net>,
    inode: usize,
) -> Result<Arc<NfsdFile>, Status> {
    let _in = enter("nfsd_file_acquire_opened");
    let acquire = Acquire {
        want_gc: false,
        localio: false,
        opened: true,
    };
    let nf = nfsd_file_do_acquire(nfsd, net, inode, acquire)?;
    match nfsd.choices.opened_file {
        OpenedFile::UnderPending => {
            if nfsd.inodes[inode].open == Open::Unopened {
                nfsd_file_file(&nf);
            }
        }
        // nfs4_get_vfs_file(): whatever is there is overwritten.
        OpenedFile::AfterPending => {
            let mut was_open = false;
            nf.nf_file
                .with_mut(|file| was_open = std::mem::replace(file, true));
            if was_open {
                sync::report(Violation::on(
                    ViolationKind::Leak,
                    nf.nf_file.object(),
                    "an open file is overwritten, and nobody will close it",
                ));
            }
        }
    }
    Ok(nf)
}

/// The second half of `nfsd_file_do_acquire()`, for the file that it has inserted.
fn construct(nfsd: &Arc<Nfsd>, inode: usize, acquire: Acquire, nf: &Arc<NfsdFile>) -> Constructed {
    let mut status = Ok(());
    if !nfsd.inodes[inode].directory || nfsd.choices.dir_marks == DirMarks::OwnGroup {
        let mark = nfsd_file_mark_find_or_create(nfsd, inode);
        if mark.is_none() {
            status = Err(Status::Jukebox);
        }
        nf.nf_mark.set(mark);
    }
    if status.is_ok() {
        let is_opened = nfsd.inodes[inode].open != Open::Unopened;
        let takes = match nfsd.choices.opened_test {
            OpenedTest::Given => acquire.opened,
            OpenedTest::Opened => acquire.opened && is_opened,
        };
        if takes {
            match nfsd.choices.opened_file {
                // What is not opened cannot be used, as if it were not there.
                OpenedFile::UnderPending => nf.nf_file.set(is_opened),
                OpenedFile::AfterPending => {}
            }
        } else {
            match nfsd_open_verified(nfsd, inode) {
                Opened::Ok => nf.nf_file.set(true),
                Opened::Fails => status = Err(Status::OpenFailed),
                Opened::Stale => {
                    let _ = nfsd_file_unhash(nfsd, nf);
                    clear_pending(nfsd, nf);
                    construction_err(nfsd, nf);
                    return Constructed::Stale;
                }
            }
        }
    }
    // Nobody is to find a file that failed, or one whose last link is gone.
    if status.is_err() || nfsd.i_nlinks[inode].load(Ordering::Relaxed) == 0 {
        let _ = nfsd_file_unhash(nfsd, nf);
    } else if acquire.want_gc && nfsd.choices.lru == Lru::AtConstruction {
        nfsd_file_lru_add(nfsd, nf);
        // Whoever has unhashed it before has not found it on the LRU.
        if nfsd.choices.add_recheck == AddRecheck::Yes
            && !nf.is_hashed()
            && nfsd_file_lru_remove(nfsd, nf)
        {
            nf.nf_ref.dec();
        }
    }
    clear_pending(nfsd, nf);
    Constructed::Done(match status {
        Ok(()) => {
            nfsd_file_check_write_error(nfsd, nf);
            Ok(Arc::clone(nf))
        }
        Err(status) => {
            construction_err(nfsd, nf);
            Err(status)
        }
    })
}

/// How a construction ends.
enum Constructed {
    /// With a file, or without.
    Done(Result<Arc<NfsdFile>, Status>),
    /// The file handle was stale: the acquire is to begin again.
    Stale,
}

/// `clear_and_wake_up_bit()`: the construction is over.
///
/// Kernel file: `include/linux/wait_bit.h`.
fn clear_pending(nfsd: &Nfsd, nf: &NfsdFile) {
    match nfsd.choices.pending_clear {
        PendingClear::Release => nf.nf_flags.clear_bit_unlock(NFSD_FILE_PENDING),
        PendingClear::Relaxed => nf.nf_flags.clear_bit(NFSD_FILE_PENDING),
    }
}

/// `construction_err:`.
fn construction_err(nfsd: &Arc<Nfsd>, nf: &Arc<NfsdFile>) {
    if nf.nf_ref.dec_and_test() {
        nfsd_file_free(nfsd, nf);
    }
}

/// `nfsd_open_verified()`: may sleep, may fail.
///
/// Left out: why it fails. The inode of the scenario says whether it does.
fn nfsd_open_verified(nfsd: &Nfsd, inode: usize) -> Opened {
    enter("nfsd_open_verified").learns(|| {
        nfsd.kernel.sleeping("nfsd_open_verified()", || ());
        if !nfsd_open_break_lease(nfsd, inode) {
            return Opened::Fails;
        }
        if is_stale(nfsd, inode) {
            return Opened::Stale;
        }
        match nfsd.inodes[inode].open {
            Open::Fails => Opened::Fails,
            Open::Ok | Open::StaleOnce | Open::Unopened => Opened::Ok,
        }
    })
}

/// What the file system answers to the first open.
fn is_stale(nfsd: &Nfsd, inode: usize) -> bool {
    let stale = nfsd.stale[inode].as_ref();
    stale.is_some_and(|stale| stale.swap(0, Ordering::Relaxed) != 0)
}

/// How an open ends.
#[derive(Hash)]
enum Opened {
    Ok,
    Fails,
    /// `-EOPENSTALE`: the file handle has to be looked up again.
    Stale,
}

/// `nfsd_open_break_lease()`: does not wait. Whether the lease is gone, where there is one.
///
/// Kernel file: `fs/nfsd/vfs.c`.
///
/// Left out: the lease itself, and that its holder is told. Both answers are tried at every look.
fn nfsd_open_break_lease(nfsd: &Nfsd, inode: usize) -> bool {
    !nfsd.inodes[inode].leased || sync::choose(2) == 0
}

// Section B23 to B25: start and stop.

/// `nfsd_file_cache_start_net()`.
///
/// Left out: that the allocation of the separate object fails, which is undone as what fails before
/// it is.
pub(super) fn nfsd_file_cache_start_net(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_file_cache_start_net");
    let nn = net.generic();
    match nfsd.choices.dispose_list {
        DisposeList::Separate => {
            let disposal = NfsdFcacheDisposal::alloc(&nfsd.kernel);
            nn.fcache_disposal.store(Some(&disposal));
        }
        // In the kernel the lock comes first. It orders, here, and must not order the list.
        DisposeList::Inline => {
            nn.fcache_dispose.freeme.init();
            nn.fcache_dispose.lock.init();
        }
    }
}

/// `nfsd_file_cache_shutdown_net()`.
pub(super) fn nfsd_file_cache_shutdown_net(nfsd: &Arc<Nfsd>, net: &Arc<Net>) {
    let _in = enter("nfsd_file_cache_shutdown_net").forgets();
    if nfsd.choices.shutdown_barrier == ShutdownBarrier::BeforePurge {
        drop(nfsd.nfsd_gc_lock.lock());
    }
    nfsd_file_cache_purge(nfsd, net);
    if nfsd.choices.shutdown_barrier == ShutdownBarrier::AfterPurge {
        drop(nfsd.nfsd_gc_lock.lock());
    }
    let nn = net.generic();
    let l = fcache_disposal(nfsd, nn);
    nfsd_file_dispose_shared_list(nfsd, &l);
    // The pointer to a separate one is left as it is.
    if let Some(memory) = &l.memory {
        memory.free();
    }
}

/// `nfsd_file_cache_init()`, with the mutex held for what all servers share.
///
/// Left out: that an allocation before the last one fails: what is undone then is less of the same.
///
/// # Errors
///
/// Where `fails`: its last allocation does, and all before it is undone.
pub(super) fn nfsd_file_cache_init(nfsd: &Arc<Nfsd>, fails: bool) -> Result<(), StartFailed> {
    let _in = enter("nfsd_file_cache_init");
    if nfsd.nfsd_file_flags.test_and_set_bit(NFSD_FILE_CACHE_UP) {
        return Ok(());
    }
    nfsd.nfsd_file_rhltable.init();
    nfsd.nfsd_file_slab.create();
    nfsd.nfsd_file_mark_slab.create();
    nfsd.nfsd_file_lru.init();
    nfsd.shrinker_list.register();
    nfsd.lease_notifier_chain.register();
    let group = |fails: bool| {
        let group = (!fails).then(|| Group::alloc(&nfsd.kernel))?;
        nfsd.groups
            .with_mut(|groups| groups.push(Arc::clone(&group)));
        Some(group)
    };
    let has_two = nfsd.choices.dir_marks == DirMarks::OwnGroup;
    nfsd.nfsd_file_fsnotify_group.set(group(fails && !has_two));
    if has_two {
        nfsd.nfsd_dir_fsnotify_group.set(group(fails));
    }
    if fails {
        cache_init_unwind(nfsd);
        return Err(StartFailed);
    }
    let worker = Arc::downgrade(nfsd);
    nfsd.nfsd_filecache_laundrette.init(move || {
        if let Some(nfsd) = worker.upgrade() {
            nfsd_file_gc_worker(&nfsd);
        }
    });
    Ok(())
}

/// A server could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartFailed;

/// `out_notify_group:` of `nfsd_file_cache_init()`, or `out_notifier:`: the last allocation has
/// failed.
fn cache_init_unwind(nfsd: &Arc<Nfsd>) {
    if let Some(group) = nfsd.nfsd_file_fsnotify_group.get() {
        group.put();
        nfsd.nfsd_file_fsnotify_group.set(None);
    }
    nfsd.lease_notifier_chain.unregister(&nfsd.kernel);
    nfsd.shrinker_list.free(&nfsd.kernel);
    nfsd.nfsd_file_lru.destroy();
    nfsd.nfsd_file_slab.destroy();
    nfsd.nfsd_file_mark_slab.destroy();
    nfsd.nfsd_file_rhltable.destroy();
    match nfsd.choices.init_error {
        InitError::ClearsUp => nfsd.nfsd_file_flags.clear_bit(NFSD_FILE_CACHE_UP),
        InitError::LeavesUp => {}
    }
}

/// `nfsd_file_cache_shutdown()`, with the mutex held for what all servers share.
///
/// Left out: the counters, which it sets to 0 and nothing that decides reads.
pub(super) fn nfsd_file_cache_shutdown(nfsd: &Arc<Nfsd>) {
    let _in = enter("nfsd_file_cache_shutdown").forgets();
    if !nfsd.nfsd_file_flags.test_and_clear_bit(NFSD_FILE_CACHE_UP) {
        return;
    }
    nfsd.lease_notifier_chain.unregister(&nfsd.kernel);
    nfsd.shrinker_list.free(&nfsd.kernel);
    nfsd.nfsd_filecache_laundrette.cancel_sync(&nfsd.kernel);
    __nfsd_file_cache_purge(nfsd, None);
    nfsd.nfsd_file_lru.destroy();
    nfsd.kernel.rcu_barrier();
    if let Some(group) = nfsd.nfsd_file_fsnotify_group.get() {
        group.put();
    }
    nfsd.nfsd_file_fsnotify_group.set(None);
    if nfsd.choices.dir_marks == DirMarks::OwnGroup {
        if let Some(group) = nfsd.nfsd_dir_fsnotify_group.get() {
            group.put();
        }
        nfsd.nfsd_dir_fsnotify_group.set(None);
    }
    nfsd.nfsd_file_slab.destroy();
    nfsd.fsnotify.wait_marks_destroyed();
    nfsd.nfsd_file_mark_slab.destroy();
    nfsd.nfsd_file_rhltable.destroy();
}

impl Nfsd {
    /// The files that somebody can still reach: through the table or the LRU of a cache that is up,
    /// or through the state of a server. Not those on a list that its threads look at when they are
    /// told to: nothing runs any more, so nobody was.
    fn reachable(&self) -> Vec<Arc<NfsdFile>> {
        let mut files = Vec::new();
        if self.nfsd_file_flags.test_bit(NFSD_FILE_CACHE_UP) {
            files.extend(self.nfsd_file_rhltable.entries());
            files.extend(self.nfsd_file_lru.entries());
        }
        for net in &self.nets {
            let nn = net.generic_unchecked();
            if nn.memory().is_freed() || nn.nfsd_serv.load().is_none() {
                continue;
            }
            let of_net = |nf: &Arc<NfsdFile>| Arc::ptr_eq(nf.net(), net);
            let state_files = self.state_files.iter().filter_map(|file| file.get());
            files.extend(state_files.filter(of_net));
        }
        files
    }

    /// The files that are still allocated and that nothing can reach any more, but for those in
    /// `held`. For the end of an execution that stops no server.
    #[must_use]
    pub fn unreachable(&self, held: &[Arc<NfsdFile>]) -> Vec<(ObjectId, String)> {
        let reachable = self.reachable();
        let known: Vec<ObjectId> = reachable
            .iter()
            .chain(held)
            .map(|file| file.memory().object())
            .collect();
        let files = self.nfsd_file_slab.remaining().into_iter();
        files
            .map(|file| file.object())
            .filter(|file| !known.contains(file))
            .map(|file| (file, "an nfsd_file that nobody will free".into()))
            .collect()
    }

    /// The marks whose mask does not ask for what the delegations of their directory want to hear of,
    /// or asks for more. For the end of an execution, when nothing runs.
    #[must_use]
    pub fn wrong_masks(&self) -> Vec<ObjectId> {
        let mut wrong = Vec::new();
        for (inode, lease) in self.flc_lease.iter().enumerate() {
            let Some(lease) = lease else { continue };
            let delegated = lease.peek(|delegations| *delegations > 0);
            let masks = self.fsnotify.masks(inode).into_iter();
            let is_wrong = masks.filter(|(_, mask)| *mask != delegated);
            wrong.extend(is_wrong.map(|(mark, _)| mark.object.memory().object()));
        }
        wrong
    }

    /// What is still allocated, by name and with a word on who holds it. For the end of an
    /// execution, when nothing runs any more.
    #[must_use]
    pub fn still_allocated(&self) -> Vec<(ObjectId, String)> {
        let mut left = Vec::new();
        let mut add = |memory: &Allocation, holder: String| {
            if !memory.is_freed() {
                left.push((memory.object(), holder));
            }
        };
        for file in self.nfsd_file_slab.remaining() {
            add(&file, "an nfsd_file that nothing can reach any more".into());
        }
        for mark in self.nfsd_file_mark_slab.remaining() {
            add(&mark, "a mark of a file that was not freed".into());
        }
        // The last server that stops destroys these.
        let message = "it was not destroyed with the cache";
        add(self.nfsd_file_slab.memory(), message.into());
        add(self.nfsd_file_mark_slab.memory(), message.into());
        add(self.nfsd_file_lru.memory(), message.into());
        add(self.nfsd_file_rhltable.memory(), message.into());
        let mut referenced = Vec::new();
        for group in self.groups.get() {
            add(group.memory(), "a group that somebody did not put".into());
        }
        for serv in self.servs.lock().iter() {
            add(serv.memory(), "a server that was not destroyed".into());
        }
        for client in &self.clients {
            add(client.memory(), "an NFS client that was not freed".into());
        }
        for net in &self.nets {
            let nn = net.generic_unchecked();
            if !nn.memory().is_freed()
                && let Some(disposal) = nn.fcache_disposal.load()
                && let Some(memory) = &disposal.memory
            {
                add(memory, "the list of files to be freed, of a server".into());
            }
            nn.nfsd_net_ref.each_memory(|memory| {
                add(
                    memory,
                    "the references to a server, without percpu_ref_exit()".into(),
                );
            });
            if net.is_user {
                add(nn.memory(), "its namespace was never destroyed".into());
            }
            if net.is_referenced() {
                referenced.push(net.memory().object());
            }
        }
        let message = "the namespace is referenced after its owner has released it";
        left.extend(referenced.into_iter().map(|net| (net, message.into())));
        left
    }
}
