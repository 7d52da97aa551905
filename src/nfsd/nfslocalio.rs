// SPDX-License-Identifier: GPL-2.0-only
//! LOCALIO on the client's side: the handshake, the cached files, and how they are taken back.
//! Kernel files: `fs/nfs_common/nfslocalio.c`, `fs/nfs/localio.c`, `fs/nfs/client.c`.
//!
//! An NFS client that has mounted an export of this machine asks the server over RPC whether it is
//! local. A service thread answers by writing its namespace into the client's memory, without a
//! reference, and by putting the client on a list of the namespace, so that the pointer can be
//! taken back. From then on the client opens files by calling nfsd. What it has opened it keeps in
//! a slot of its open context, with a reference to the server for each file.
//!
//! Versions: all but `v6.12`, whose client is in `nfslocalio_v6_12.rs`.
//!
//! Lock order: `nfs_uuid->lock`, `nfs_uuids_lock`, `nn->local_clients_lock`.
//!
//! Left out: the second slot (`ro_file` and `rw_file` are treated alike one after the other, and
//! nothing looks at both); `auth_domain` and the module's reference, which belong to other objects.

use super::{
    Nfsd,
    filecache::{NfsdFile, Status, nfsd_file_file, nfsd_file_put, nfsd_file_put_local},
    localio::{LocalioError, nfsd_net_put, nfsd_net_try_get, nfsd_open_local_fh},
    netns::{Net, NfsdNet},
    nfslocalio_v6_12 as v6_12,
    nfssvc::{Rqst, in_service_thread},
};
use crate::{
    kernel::{
        Kernel,
        bitops::Flags,
        list::{Linked, ListHead},
        pointer::{Pointer, Target},
        spinlock::{SpinLock, SpinLockGuard},
    },
    model::{AddFileFailure, DoioError, Invalidate, LocalIoNetRef, LocalioClient, UuidBegin},
    sync::{
        self,
        alloc::Allocation,
        atomic::AtomicU64,
        engine::{Condition, ObjectId, Ordering},
        enter,
        mutation::unless_skipped,
        thread::next_knows,
        violation::{Violation, ViolationKind},
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// A list that `nfs_uuid->list` is put on: the global `nfs_uuids`, the `local_clients` of a
/// namespace, or the one on the stack of who invalidates them.
#[derive(Debug)]
pub struct ClientList {
    head: ListHead<NfsClient>,
    /// The stack frame that the head lies in, where it does.
    stack: Option<Allocation>,
}

/// Which one it is.
impl Hash for ClientList {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.head.hash(state);
    }
}

impl ClientList {
    /// `nfs_uuids`.
    #[must_use]
    pub(super) fn global() -> Arc<Self> {
        Arc::new(Self {
            head: ListHead::new("nfs_uuids"),
            stack: None,
        })
    }

    /// `nn->local_clients`.
    #[must_use]
    pub(super) fn of_net(owner: &Allocation) -> Arc<Self> {
        Arc::new(Self {
            head: ListHead::new_in(owner, "local_clients"),
            stack: None,
        })
    }

    /// A list on the stack, `LIST_HEAD(local_clients)`.
    fn on_stack() -> Arc<Self> {
        let stack = Allocation::new("stack_frame", ViolationKind::UseAfterFree);
        Arc::new(Self {
            head: ListHead::new_in(&stack, "local_clients"),
            stack: Some(stack),
        })
    }

    /// `list_add_tail(&nfs_uuid->list, ...)`.
    ///
    /// Kernel file: `include/linux/list.h`.
    ///
    /// Versions: all.
    #[track_caller]
    pub(super) fn add(self: &Arc<Self>, clp: &Arc<NfsClient>) {
        self.head.add_tail(clp);
        clp.list.store(Some(self));
    }

    /// `nfs_uuid_lookup_locked()`: whether a client is on it, with the lock of the list held.
    ///
    /// Versions: all.
    #[track_caller]
    pub(super) fn finds(&self, clp: &Arc<NfsClient>) -> bool {
        self.head.finds(clp)
    }

    /// The first client on it, with the lock of the list held.
    #[track_caller]
    pub(super) fn first(&self) -> Option<Arc<NfsClient>> {
        self.head.first()
    }

    /// The client behind one that is on it, with the lock of the list held.
    pub(super) fn next(&self, clp: &Arc<NfsClient>) -> Option<Arc<NfsClient>> {
        self.head.next_unlocked(clp).flatten()
    }

    /// Nothing runs any more: forget what is on it.
    pub(super) fn forget(&self) {
        self.head.forget();
    }

    /// `list_splice_init()` onto this list.
    ///
    /// Kernel file: `include/linux/list.h`.
    fn splice(self: &Arc<Self>, from: &Self) {
        for clp in from.head.take_some(usize::MAX).iter().rev() {
            self.add(clp);
        }
    }
}

impl Target for ClientList {
    fn object(&self) -> ObjectId {
        self.head.object()
    }
}

/// `struct nfs_client`, as far as its `cl_uuid` goes.
#[derive(Debug)]
pub struct NfsClient {
    memory: Allocation,
    /// Its place in [`Nfsd::clients`].
    index: usize,
    /// The namespace whose server it has mounted.
    server: Arc<Net>,
    /// `nfs_uuid->lock`.
    lock: SpinLock,
    /// `nfs_uuid->net`: not a counted reference.
    pub(super) net: Pointer<Net>,
    /// `nfs_uuid->list_lock`: 0 for NULL, else one more than the place of the namespace. Written
    /// under `nfs_uuid->lock`, and read without it by who invalidates.
    list_lock: AtomicU64,
    /// `nfs_uuid->list`: which list it is on, or none. Changed with the lock of the list held.
    list: Pointer<ClientList>,
    /// `nfs_uuid->files`, under `nfs_uuid->lock`.
    files: ListHead<NfsFileLocalio>,
    /// How often somebody was woken who waits for a change of `files`. The wait queue is no memory
    /// of the client's.
    woken: AtomicU64,
    /// `cl_localio_lock`, for the one bit of `cl_flags`: both of v6.12 only.
    pub(super) cl_localio_lock: SpinLock,
    /// `cl_flags`.
    pub(super) cl_flags: Flags,
}

/// Which one it is.
impl Hash for NfsClient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl Linked for NfsClient {
    fn memory(&self) -> &Allocation {
        &self.memory
    }
}

/// `struct nfs_file_localio`: what an open context of the client caches.
#[derive(Debug)]
pub struct NfsFileLocalio {
    memory: Allocation,
    /// The client whose file it is.
    client: usize,
    inode: usize,
    /// `ro_file` or `rw_file`: the file, with a reference, and with one to its server.
    slot: Pointer<NfsdFile>,
    /// `nfs_uuid`, the pointer back: whether it is set.
    nfs_uuid: AtomicU64,
}

/// Which one it is.
impl Hash for NfsFileLocalio {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
    }
}

impl Linked for NfsFileLocalio {
    fn memory(&self) -> &Allocation {
        &self.memory
    }
}

impl NfsFileLocalio {
    /// `alloc_nfs_open_context()`: nothing is cached yet.
    ///
    /// Kernel file: `fs/nfs/inode.c`.
    ///
    /// Versions: all.
    #[must_use]
    pub fn new(clp: &NfsClient, inode: usize) -> Arc<Self> {
        let memory = Allocation::new("nfs_open_context", ViolationKind::UseAfterFree);
        Arc::new(Self {
            client: clp.index,
            inode,
            slot: Pointer::null_in(&memory, "nfl->file"),
            nfs_uuid: AtomicU64::new_in(&memory, "nfl->nfs_uuid", 0),
            memory,
        })
    }

    /// The inode that it is open for.
    pub(super) fn inode(&self) -> usize {
        self.inode
    }

    /// The file that it caches.
    #[must_use]
    pub fn cached(&self) -> Option<Arc<NfsdFile>> {
        self.slot.load()
    }
}

impl NfsClient {
    /// `nfs_alloc_client()` with `nfs_uuid_init()`: the client of a server.
    ///
    /// Kernel file: `fs/nfs/client.c`.
    ///
    /// Versions: all.
    #[must_use]
    pub(super) fn new(kernel: &Arc<Kernel>, index: usize, server: &Arc<Net>) -> Arc<Self> {
        let memory = Allocation::new("nfs_client", ViolationKind::UseAfterFree);
        Arc::new(Self {
            index,
            server: Arc::clone(server),
            lock: SpinLock::new_in(kernel, &memory, "nfs_uuid->lock", ()),
            net: Pointer::null_in(&memory, "nfs_uuid->net"),
            list_lock: AtomicU64::new_in(&memory, "nfs_uuid->list_lock", 0),
            list: Pointer::null_in(&memory, "nfs_uuid->list"),
            files: ListHead::new_in(&memory, "nfs_uuid->files"),
            woken: AtomicU64::new("wake_up_var(nfs_uuid)", 0),
            cl_localio_lock: SpinLock::new_in(kernel, &memory, "cl_localio_lock", ()),
            cl_flags: Flags::new_in(&memory, "cl_flags", &[]),
            memory,
        })
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> &Allocation {
        &self.memory
    }

    /// Nothing runs any more: forget the lists that it was on.
    pub(super) fn forget(&self) {
        self.list.forget();
    }

    /// Whether it is on a list, `!list_empty(&nfs_uuid->list)`, with the lock of the list held.
    #[track_caller]
    fn is_linked(&self) -> bool {
        self.list.load().is_some()
    }

    /// Takes it off its list, `list_del_init(&nfs_uuid->list)`, with the lock of the list held.
    #[track_caller]
    pub(super) fn del_init(self: &Arc<Self>) {
        if let Some(list) = self.list.load() {
            list.head.remove(self);
            self.list.store(None);
        }
    }
}

// The handshake.

/// `nfs_uuid_begin()`: whether this probe may go on.
///
/// Left out: the new UUID of each probe, made after the client is on the list. The answer to an earlier
/// probe finds the client here, which it does only for a moment in a kernel; nothing is hidden by that.
fn nfs_uuid_begin(nfsd: &Nfsd, clp: &Arc<NfsClient>) -> bool {
    let _in = enter("nfs_uuid_begin");
    let _lock = clp.lock.lock();
    if clp.net.load().is_some() {
        return false;
    }
    let _uuids = nfsd.nfs_uuids_lock.lock();
    begins(nfsd, clp)
}

/// The list of the clients that ask gets one more, if it is on no list yet: with the lock of the list
/// held.
pub(super) fn begins(nfsd: &Nfsd, clp: &Arc<NfsClient>) -> bool {
    if clp.is_linked() {
        match nfsd.choices.uuid_begin {
            UuidBegin::ChecksLinked => return false,
            UuidBegin::Adds => sync::report(Violation::on(
                ViolationKind::ListCorruption,
                clp.memory.object(),
                "list_add double add: nfs_uuid->list is on a list already",
            )),
        }
    }
    nfsd.nfs_uuids.add(clp);
    true
}

/// `nfs_uuid_end()`: the server is not local.
fn nfs_uuid_end(nfsd: &Nfsd, clp: &Arc<NfsClient>) {
    let _in = enter("nfs_uuid_end").forgets();
    if clp.net.load().is_some() {
        return;
    }
    let _lock = clp.lock.lock();
    if nfsd.choices.invalidate == Invalidate::OneByOne && clp.list_lock.load(Ordering::Relaxed) != 0
    {
        // Somebody is about to forget the namespace, and takes the client off its list.
        return;
    }
    if clp.net.load().is_none() {
        let _uuids = nfsd.nfs_uuids_lock.lock();
        clp.del_init();
    }
}

/// `nfs_uuid_is_local()`, in a service thread that was asked: the client begins to know the
/// namespace.
///
/// Left out: `auth_domain` and the reference on the module; see what the README says may be hidden
/// by it.
fn nfs_uuid_is_local(nfsd: &Nfsd, clp: &Arc<NfsClient>, net: &Arc<Net>) {
    let _in = enter("nfs_uuid_is_local").forgets();
    let nn = net.generic();
    let first = match nfsd.choices.invalidate {
        Invalidate::Walk => None,
        // Looked up, then locked, then looked up again: who finds it among the clients of the
        // namespace finds it complete. RCU keeps the client from the one to the other.
        Invalidate::OneByOne => {
            let _rcu = nfsd.kernel.rcu_read_lock();
            let found = {
                let _uuids = nfsd.nfs_uuids_lock.lock();
                nfsd.nfs_uuids.finds(clp)
            };
            if !found {
                return;
            }
            Some(clp.lock.lock())
        }
    };
    {
        let _uuids = nfsd.nfs_uuids_lock.lock();
        if !nfsd.nfs_uuids.finds(clp) {
            return;
        }
        let _lock = nn.local_clients_lock.lock();
        clp.del_init();
        nn.local_clients.add(clp);
    }
    let _lock = first.unwrap_or_else(|| clp.lock.lock());
    let place = nfsd.nets.iter().position(|other| Arc::ptr_eq(other, net));
    let place = place.expect("a scenario's nets are all there are") as u64;
    clp.list_lock.store(place + 1, Ordering::Relaxed);
    clp.net.assign(Some(net));
}

/// `nfs_local_probe()`: asks the server whether it is local, if it is not known to be.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// Left out: that LOCALIO is switched off, or that the mount does not use `AUTH_SYS`: nothing but
/// `nfs_localio_disable_client()` is left of it then.
pub fn nfs_local_probe(nfsd: &Arc<Nfsd>, rqst: Rqst, clp: &Arc<NfsClient>, wait: Wait) {
    if nfsd.choices.localio_client == LocalioClient::OneLock {
        return v6_12::nfs_local_probe(nfsd, rqst, clp, wait);
    }
    let _in = enter("nfs_local_probe");
    // nfs_client_is_local()
    if clp.net.load().is_some() {
        return;
    }
    if !nfs_uuid_begin(nfsd, clp) {
        return;
    }
    // nfs_server_uuid_is_local()
    let _ = call_server(nfsd, rqst, clp, wait, nfs_uuid_is_local);
    nfs_uuid_end(nfsd, clp);
}

/// How the wait for the answer to a probe ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// With the answer.
    Answered,
    /// The task is killed, or the call has timed out. The server may be at it by then, or come to it
    /// later.
    Killed,
}

/// `rpc_call_sync()` of `UUID_IS_LOCAL`, which `is_local` is there: whether it was answered. Without a
/// server the call fails.
///
/// Kernel file: `net/sunrpc/clnt.c`.
///
/// Versions: all.
///
/// Left out: a server that does not run and is waited for: what the client asks it then is what it asks
/// when it begins later.
pub(super) fn call_server(
    nfsd: &Arc<Nfsd>,
    rqst: Rqst,
    clp: &Arc<NfsClient>,
    wait: Wait,
    is_local: fn(&Nfsd, &Arc<NfsClient>, &Arc<Net>),
) -> bool {
    let net = &clp.server;
    match wait {
        Wait::Answered => in_service_thread(nfsd, net, rqst, || is_local(nfsd, clp, net)).is_some(),
        Wait::Killed => {
            let (asked, client) = (Arc::clone(nfsd), Arc::clone(clp));
            next_knows(clp);
            nfsd.kernel.spawn(&format!("nfsd {}", net.name), move || {
                let net = &client.server;
                let request = || is_local(&asked, &client, net);
                let _ = in_service_thread(&asked, net, rqst, request);
            });
            false
        }
    }
}

// Taking it back.

/// `nfs_uuid_put()`: the client forgets the namespace and puts what it has cached of it. `false`
/// where it knows none, or where somebody else is about to do the same.
///
/// Left out: `auth_domain` and the reference on the module, which it drops; see what the README
/// says may be hidden by it. The second slot of a file, which is put right after the first and
/// which nothing looks at together with it.
fn nfs_uuid_put(nfsd: &Arc<Nfsd>, clp: &Arc<NfsClient>) -> bool {
    let _in = enter("nfs_uuid_put");
    let mut lock = clp.lock.lock();
    while clp.net.load().is_none() {
        // With a list and without a namespace: somebody else is at it, and still needs the client.
        // By the time that one is done, the client may know the server again.
        if nfsd.choices.invalidate == Invalidate::Walk || clp.list_lock.load(Ordering::Relaxed) == 0
        {
            return false;
        }
        lock = wait_for_change(nfsd, clp, lock);
    }
    nfs_uuid_put_locked(nfsd, clp, lock);
    true
}

/// `wait_var_event_spinlock()`: waits until somebody wakes who waits for the client, without its
/// lock.
///
/// Kernel file: `include/linux/wait_bit.h`.
fn wait_for_change<'c>(
    nfsd: &Nfsd,
    clp: &'c NfsClient,
    lock: SpinLockGuard<'c>,
) -> SpinLockGuard<'c> {
    let seen = clp.woken.load(Ordering::Relaxed);
    drop(lock);
    nfsd.kernel.sleeping("wait_var_event_spinlock()", || {
        clp.woken
            .wait_until(Condition::NotEqual(seen), Ordering::Acquire)
    });
    clp.lock.lock()
}

/// The rest of `nfs_uuid_put()`, for a client that knows a namespace.
fn nfs_uuid_put_locked<'c>(nfsd: &Arc<Nfsd>, clp: &'c Arc<NfsClient>, mut lock: SpinLockGuard<'c>) {
    clp.net.store(None);
    while let Some(nfl) = clp.files.first() {
        if nfl.nfs_uuid.load(Ordering::Relaxed) == 0 {
            // nfs_close_local_fh() is at it.
            while clp.files.first().is_some_and(|f| Arc::ptr_eq(&f, &nfl)) {
                lock = wait_for_change(nfsd, clp, lock);
            }
            continue;
        }
        clp.files.remove(&nfl);
        drop(lock);
        nfsd_file_put_local(nfsd, &nfl.slot);
        lock = clp.lock.lock();
        // store_release_wake_up(): from here on nfs_close_local_fh() needs no lock.
        nfl.nfs_uuid.store(0, Ordering::Release);
    }
    if let Some(place) = clp.list_lock.load(Ordering::Relaxed).checked_sub(1) {
        let nn = nfsd.nets[place as usize].generic_unchecked();
        let list = nn.local_clients_lock.lock();
        if !clp.is_linked() {
            sync::report(Violation::on(
                ViolationKind::Warning,
                clp.memory.object(),
                "BUG_ON(list_empty(&nfs_uuid->list))",
            ));
        }
        clp.del_init();
        if nfsd.choices.invalidate == Invalidate::OneByOne {
            nn.local_clients_gone.fetch_add(1, Ordering::Release);
        }
        // From here on the namespace may go.
        drop(list);
        clp.list_lock.store(0, Ordering::Relaxed);
        if nfsd.choices.invalidate == Invalidate::OneByOne {
            clp.woken.fetch_add(1, Ordering::Release);
        }
    }
    drop(lock);
}

/// `nfs_localio_disable_client()`.
pub fn nfs_localio_disable_client(nfsd: &Arc<Nfsd>, clp: &Arc<NfsClient>) {
    if nfsd.choices.localio_client == LocalioClient::OneLock {
        return v6_12::nfs_local_disable(nfsd, clp);
    }
    let _in = enter("nfs_localio_disable_client").forgets();
    let _ = nfs_uuid_put(nfsd, clp);
}

/// `nfs_localio_invalidate_clients()`: all clients of a namespace forget it. Its own list of them is
/// walked without a lock.
pub(super) fn nfs_localio_invalidate_clients(nfsd: &Arc<Nfsd>, nn: &NfsdNet) {
    // Where there are no clients there is nothing that any other context could see of this.
    if nfsd.clients.is_empty() {
        return;
    }
    if nfsd.choices.localio_client == LocalioClient::OneLock {
        return v6_12::nfs_localio_invalidate_clients(nfsd, nn);
    }
    let _in = enter("nfs_localio_invalidate_clients").forgets();
    match nfsd.choices.invalidate {
        Invalidate::Walk => invalidate_by_walk(nfsd, nn),
        Invalidate::OneByOne => while invalidate_first(nfsd, nn) {},
    }
}

/// Makes the first client of a namespace forget it, or waits until somebody else has: whether there
/// was one. RCU keeps the client from the list to its lock; with its lock held and a namespace set
/// it stays until [`nfs_uuid_put_locked`] has unlinked it, as its own `nfs_uuid_put()` waits.
fn invalidate_first(nfsd: &Arc<Nfsd>, nn: &NfsdNet) -> bool {
    let rcu = nfsd.kernel.rcu_read_lock();
    let (first, gone) = {
        let _lock = nn.local_clients_lock.lock();
        let gone = nn.local_clients_gone.load(Ordering::Relaxed);
        (nn.local_clients.first(), gone)
    };
    let Some(clp) = first else {
        return false;
    };
    let lock = clp.lock.lock();
    if clp.net.load().is_some() {
        drop(rcu);
        nfs_uuid_put_locked(nfsd, &clp, lock);
        return true;
    }
    // The client must not be touched from here on.
    drop(lock);
    drop(rcu);
    nfsd.kernel.sleeping("wait_var_event()", || {
        nn.local_clients_gone
            .wait_until(Condition::NotEqual(gone), Ordering::Acquire)
    });
    true
}

fn invalidate_by_walk(nfsd: &Arc<Nfsd>, nn: &NfsdNet) {
    let local_clients = ClientList::on_stack();
    {
        let _lock = nn.local_clients_lock.lock();
        local_clients.splice(&nn.local_clients);
    }
    // list_for_each_entry_safe(): the next one is known before this one is dealt with.
    let mut entry = local_clients.head.first_unlocked();
    while let Some(clp) = entry {
        entry = next_entry(&local_clients, &clp);
        let list_lock = clp.list_lock.load(Ordering::Relaxed).checked_sub(1);
        let nn_of = |place: u64| nfsd.nets[place as usize].generic_unchecked();
        if !list_lock.is_some_and(|place| std::ptr::eq(nn_of(place), nn)) {
            sync::report(Violation::on(
                ViolationKind::Warning,
                clp.memory.object(),
                "WARN_ON(nfs_uuid->list_lock != nn_local_clients_lock): this client and the rest \
                 are left alone",
            ));
            break;
        }
        nfs_localio_disable_client(nfsd, &clp);
    }
    if let Some(stack) = &local_clients.stack {
        stack.free();
    }
}

/// `list_next_entry()` in a walk that holds no lock. An entry that was taken off meanwhile points to
/// itself; one that was put on another list leads there, and the walk takes that list's head for a
/// client in the end.
///
/// Kernel file: `include/linux/list.h`.
fn next_entry(local_clients: &Arc<ClientList>, clp: &Arc<NfsClient>) -> Option<Arc<NfsClient>> {
    let Some(list) = clp.list.load() else {
        return Some(Arc::clone(clp));
    };
    if !Arc::ptr_eq(&list, local_clients) {
        sync::report(Violation::on(
            ViolationKind::ListCorruption,
            clp.memory.object(),
            "the walk stands on an entry that is on another list by now",
        ));
        return None;
    }
    let next = local_clients.head.next_unlocked(clp);
    next.unwrap_or_else(|| Some(Arc::clone(clp)))
}

/// `nfs_close_local_fh()`: an open context of the client goes away. On v6.12 it caches nothing, and
/// nothing else happens.
///
/// Left out: the second slot, as with `nfs_uuid_put()`.
pub fn nfs_close_local_fh(nfsd: &Arc<Nfsd>, nfl: &Arc<NfsFileLocalio>) {
    if nfsd.choices.localio_client == LocalioClient::CachesFiles {
        let _in = enter("nfs_close_local_fh");
        close(nfsd, nfl);
    }
    // __put_nfs_open_context(): kfree_rcu()
    let freed = Arc::clone(nfl);
    nfsd.kernel
        .call_rcu(&nfl.memory, move || freed.memory.free());
}

fn close(nfsd: &Arc<Nfsd>, nfl: &Arc<NfsFileLocalio>) {
    let rcu = nfsd.kernel.rcu_read_lock();
    if nfl.nfs_uuid.load(Ordering::Acquire) == 0 {
        return;
    }
    let clp = &nfsd.clients[nfl.client];
    let lock = clp.lock.lock();
    if nfl.nfs_uuid.load(Ordering::Relaxed) == 0 {
        // nfs_uuid_put() has finished here.
        return;
    }
    if !clp.files.contains(nfl) {
        // nfs_uuid_put() is at it. The kernel reads the pointer relaxed, and a control dependency
        // orders the free that follows; C11 knows none.
        drop(lock);
        drop(rcu);
        nfsd.kernel.sleeping("wait_var_event()", || {
            nfl.nfs_uuid
                .wait_until(Condition::Equal(0), Ordering::Acquire)
        });
        return;
    }
    nfl.nfs_uuid.store(0, Ordering::Relaxed);
    drop(lock);
    drop(rcu);
    nfsd_file_put_local(nfsd, &nfl.slot);
    let _lock = clp.lock.lock();
    clp.files.remove(nfl);
    // wake_up_var_locked()
    clp.woken.fetch_add(1, Ordering::Release);
}

/// `nfs_free_client()`: the last mount of the client is gone, and with it every open context.
///
/// Kernel file: `fs/nfs/client.c`.
///
/// Versions: all.
///
/// Left out: `rpc_shutdown_client()` and what else belongs to a client: it holds no file, and comes
/// after the last use of what does.
pub fn nfs_free_client(nfsd: &Arc<Nfsd>, clp: &Arc<NfsClient>) {
    let _in = enter("nfs_free_client");
    nfs_localio_disable_client(nfsd, clp);
    // rpc_shutdown_client() and what else belongs to a client comes here. Then kfree_rcu().
    let freed = Arc::clone(clp);
    nfsd.kernel
        .call_rcu(&clp.memory, move || freed.memory.free());
}

// Opening.

/// `nfs_uuid_add_file()`: whether the client still knows a namespace.
fn nfs_uuid_add_file(clp: &NfsClient, nfl: &Arc<NfsFileLocalio>) -> bool {
    let _in = enter("nfs_uuid_add_file");
    let _lock = clp.lock.lock();
    if clp.net.load().is_none() {
        return false;
    }
    if !clp.files.contains(nfl) {
        nfl.nfs_uuid.store(1, Ordering::Release);
        clp.files.add_tail(nfl);
    }
    true
}

/// `nfs_open_local_fh()`: a pair of a file and a reference to its server, for one I/O.
fn nfs_open_local_fh(
    nfsd: &Arc<Nfsd>,
    clp: &Arc<NfsClient>,
    nfl: &Arc<NfsFileLocalio>,
) -> Result<Pointer<NfsdFile>, LocalioError> {
    let _in = enter("nfs_open_local_fh");
    let net = {
        let _rcu = nfsd.kernel.rcu_read_lock();
        // Not counted, but while it is not NULL the namespace is there: it is invalidated before
        // a grace period that its end waits for.
        let net = clp.net.dereference();
        let net = net.filter(|net| nfsd_net_try_get(nfsd, net));
        net.ok_or(LocalioError::NoServer)?
    };
    let mut localio = nfsd_open_local_fh(nfsd, &net, nfl.inode, &nfl.slot);
    if let Ok(pair) = &localio
        && !nfs_uuid_add_file(clp, nfl)
    {
        // nfs_uuid_put() came in between, and has not seen this slot.
        nfsd_file_put_local(nfsd, &nfl.slot);
        match nfsd.choices.add_file_failure {
            AddFileFailure::Puts => {
                nfsd_file_put_local(nfsd, pair);
                localio = Err(LocalioError::NoServer);
            }
            AddFileFailure::HandsOut => {}
        }
    }
    nfs_to_nfsd_net_put(nfsd, &net);
    localio
}

/// `nfs_to_nfsd_net_put()`.
///
/// Kernel file: `include/linux/nfslocalio.h`.
///
/// Versions: all.
#[track_caller]
pub(super) fn nfs_to_nfsd_net_put(nfsd: &Nfsd, net: &Net) {
    unless_skipped((), || {
        let _rcu = nfsd.kernel.rcu_read_lock();
        nfsd_net_put(nfsd, net);
    })
}

/// `nfs_local_open_fh()`: a LOCALIO I/O begins, if the server is local. What it answers is held by
/// the I/O. Where the server has gone, or its answer may mean that, the client forgets it, and asks
/// again: `-ENXIO`, and `-ENOENT`, which is one of the errors of an open that fails. After any other
/// the I/O goes over the wire.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// Left out: `-ENOMEM`, which no function below answers: nfsd without memory answers that the client
/// should try later.
pub fn nfs_local_open_fh(
    nfsd: &Arc<Nfsd>,
    rqst: Rqst,
    clp: &Arc<NfsClient>,
    nfl: &Arc<NfsFileLocalio>,
) -> Option<Pointer<NfsdFile>> {
    if nfsd.choices.localio_client == LocalioClient::OneLock {
        return v6_12::nfs_local_open_fh(nfsd, rqst, clp, nfl);
    }
    let _in = enter("nfs_local_open_fh");
    // nfs_server_is_local()
    clp.net.load()?;
    match nfs_open_local_fh(nfsd, clp, nfl) {
        Ok(localio) => {
            if nfsd.choices.local_io_net_ref == LocalIoNetRef::None
                && let Some(nf) = localio.load()
            {
                nfs_to_nfsd_net_put(nfsd, nf.net());
            }
            Some(localio)
        }
        Err(error) => {
            if may_mean_gone(error) {
                nfs_localio_disable_client(nfsd, clp);
                nfs_local_probe(nfsd, rqst, clp, Wait::Answered);
            }
            None
        }
    }
}

/// Whether an open that has failed like that may mean that the server has gone: `-ENXIO` and
/// `-ENOENT`.
pub(super) fn may_mean_gone(error: LocalioError) -> bool {
    match error {
        LocalioError::NoServer => true,
        LocalioError::Failed(Status::OpenFailed) => sync::choose(2) == 1,
        LocalioError::Failed(Status::Jukebox) => false,
    }
}

/// `nfs_local_doio()`: the I/O is submitted, with the pair that the open has answered. `None` where
/// there is no memory for it.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// Left out: an I/O of no bytes, which ends in the same way as one that there is no memory for.
#[must_use]
pub fn nfs_local_doio(nfsd: &Arc<Nfsd>, localio: Pointer<NfsdFile>) -> Option<Pointer<NfsdFile>> {
    if nfsd.choices.localio_client == LocalioClient::OneLock {
        return v6_12::nfs_local_doio(nfsd, localio);
    }
    let _in = enter("nfs_local_doio");
    // nfs_local_iocb_init()
    if nfsd.kernel.allocation_succeeds() {
        if let Some(nf) = localio.load() {
            nfsd_file_file(&nf);
        }
        return Some(localio);
    }
    match nfsd.choices.doio_error {
        DoioError::Puts => nfs_local_iocb_release(nfsd, &localio),
        DoioError::Forgets => {}
    }
    None
}

/// `nfs_local_iocb_release()`: a LOCALIO I/O is complete.
///
/// Kernel file: `fs/nfs/localio.c`.
///
/// With it: `nfs_local_file_put()`.
///
/// Left out: the work queues that begin and complete an I/O: between the two it is a pair of
/// references that nothing else can reach.
pub fn nfs_local_iocb_release(nfsd: &Arc<Nfsd>, localio: &Pointer<NfsdFile>) {
    if nfsd.choices.localio_client == LocalioClient::OneLock {
        return v6_12::nfs_local_pgio_release(nfsd, localio);
    }
    let _in = enter("nfs_local_iocb_release");
    match nfsd.choices.local_io_net_ref {
        LocalIoNetRef::Held => nfsd_file_put_local(nfsd, localio),
        LocalIoNetRef::None => {
            if let Some(nf) = localio.xchg_null() {
                nfsd_file_put(nfsd, &nf);
            }
        }
    }
}
